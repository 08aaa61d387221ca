package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"portolan/internal/apply"
	"portolan/internal/history"
	"portolan/internal/neighbour"
	"portolan/internal/nft"
	"portolan/internal/parallel"
	"portolan/internal/report"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/render"
)

func (a *app) planCommand() *cobra.Command {
	var in input
	p := pilot{app: a}
	var format string
	var detail, exitCode bool
	cmd := &cobra.Command{
		Use:   "plan [PATH…]",
		Short: "say what apply would change in the firewall of this host",
		Long: `Plan compares what the policy means for the configuration with what the kernel has in
the table inet portolan, and prints which traffic changes its verdict and who asked for
it, which services and zones come, go and change, and what somebody changed by hand
since the last apply. It says whose other rules would drop what is accepted here, and
which connection of an administrator would be cut. It changes nothing, and needs root.

With --detail it prints every object and element of the kernel that would change. With
--exit-code it ends with 1 when there is something to change.`,
		Example: `  portolan plan
  portolan plan --policy portolan.hcl --detail
  portolan plan --format json --exit-code`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if !slices.Contains(answerFormats, format) {
				return usage("--format: there is no format %q: use %s", format, strings.Join(answerFormats, " or "))
			}
			if err := p.open(); err != nil {
				return err
			}
			defer p.close(&err)
			view, err := p.view(p.kernel.Read, func() (*aim, error) { return p.aim(cmd.Context(), &in, args, false) })
			if err != nil {
				return err
			}
			if format == "json" {
				err = writeJSON(a.stdout, view.json())
			} else {
				_, err = io.WriteString(a.stdout, view.text(detail))
			}
			if err == nil && exitCode && !view.plan.Empty() {
				err = &exitError{code: exitFindings}
			}
			return err
		},
	}
	in.inventoryFlags(cmd)
	in.policyFlag(cmd)
	p.flags(cmd)
	cmd.Flags().StringVar(&format, "format", "text", strings.Join(answerFormats, " or "))
	cmd.Flags().BoolVar(&detail, "detail", false, "print every object and element that would change")
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "end with 1 when there is something to change")
	completeWords(cmd, "format", answerFormats...)
	return cmd
}

// An aim is what the firewall of this host is to be.
type aim struct {
	words  string // "portolan.hcl", "state 3"
	table  *nft.Table
	rules  *ruleset.Ruleset
	side   *side // rules, with who asks for them
	record history.Record
}

// aim is what the policy means for what the configuration claims. Strictly, it is refused when
// nobody could log in behind it; else that is only said.
func (p *pilot) aim(ctx context.Context, in *input, paths []string, strict bool) (*aim, error) {
	found, err := p.app.read(ctx, in, paths, false)
	if err != nil {
		return nil, err
	}
	purpose := toWrite
	if !strict {
		purpose = toCompare
	}
	policy, rules, words, err := p.compiledPolicy(in, found, purpose, len(paths) > 0)
	if err != nil {
		return nil, err
	}
	if !strict {
		if diags := lockedOut(policy, rules, found.inventory, len(paths) > 0); len(diags) > 0 {
			if err := report.Text(p.stderr, diags, p.dress(p.stderr)); err != nil {
				return nil, err
			}
		}
	}
	var table *nft.Table
	var hash string
	if err := together(
		func() error {
			made, diags := render.Nftables(rules)
			table = made
			return p.refuse(diags, "nftables cannot say this policy: change it")
		},
		func() error { hash = rules.Hash(); return nil },
	); err != nil {
		return nil, &exitError{exitFindings, err}
	}
	sum := sha256.New()
	for _, f := range append([]*source.File{policy.File}, policy.Files...) {
		fmt.Fprintf(sum, "%d ", len(f.Text))
		sum.Write(f.Text)
	}
	out := &aim{words: words, table: table, rules: rules, side: &side{name: words, rules: rules}}
	out.record = history.Record{
		Program: "portolan " + version, Policy: words, PolicySum: hex.EncodeToString(sum.Sum(nil)), Ruleset: hash,
		Opens: servicesOf(rules), Zones: map[string][]string{},
	}
	for _, z := range policy.Zones {
		out.record.Zones[z.Name.Text] = peerItems(z.Sources)
	}
	return out, nil
}

// servicesOf are what the rules of a policy open, close and connect, each "allow: service",
// in order.
func servicesOf(rs *ruleset.Ruleset) []string {
	var out []string
	for _, d := range []ruleset.Direction{ruleset.In, ruleset.Out} {
		for _, r := range rs.Chain(d).Rules {
			if len(r.Origins) > 0 {
				out = append(out, serviceName(r.Name, r.Service))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// serviceName is an allow with what it is for. Rules in the kernel are called the same.
func serviceName(allow, service string) string {
	if service == "" {
		return allow
	}
	return allow + ": " + service
}

// A standing is what is in force, and how it came about.
type standing struct {
	live    *live
	last    *history.Record    // what was applied last; nil when nothing was
	drift   []apply.Difference // what would put back what was changed by hand since then
	unknown error              // why it is not known what was changed by hand
}

// standing asks the states about what the kernel has.
func (p *pilot) standing(state *apply.State) (*standing, error) {
	l := meaning(state)
	s := &standing{live: l}
	last, err := p.store.LatestRecord()
	switch {
	case errors.Is(err, history.ErrNone):
		return s, nil
	case err != nil:
		s.unknown = err
		return s, nil
	}
	s.last = &last
	if _, pending := l.state.PendingLeft(); pending || l.state.Hash() == last.State {
		return s, nil
	}
	_, table, err := p.store.Load(last.Number)
	if err != nil {
		s.unknown = err
		return s, nil
	}
	back, err := apply.NewPlan(l.state, table)
	if err != nil {
		return nil, err
	}
	s.drift = back.Differences // none when only names are others
	return s, nil
}

// drifted reports whether the kernel is not what was applied last, as far as is known.
func (s *standing) drifted() bool { return len(s.drift) > 0 || s.unknown != nil }

// A view is everything that is to be known before a change.
type view struct {
	*standing
	surroundings
	aim     *aim
	plan    *apply.Plan
	traffic *difference // nil when what the kernel has is not understood
	opens   [2][]string // what comes and what goes, each "allow: service"
	zones   []string    // changes of zones in words
	others  []neighbour.Firewall
	mixed   string // iptables of two kinds at the same time
	cut     []cutOff
	hidden  []int // processes whose sessions cannot be seen
}

// view compares what the kernel has with an aim. While that is looked for, it looks at the
// kernel, at the states and around.
func (p *pilot) view(read func() (*apply.State, error), find func() (*aim, error)) (*view, error) {
	v := new(view)
	if err := together(
		func() error {
			state, err := read()
			if err != nil {
				return err
			}
			if v.standing, err = p.standing(state); err == nil {
				v.surroundings, err = p.surroundings()
			}
			return err
		},
		func() (err error) { v.aim, err = find(); return err },
	); err != nil {
		return nil, err
	}
	if err := together(
		func() (err error) { v.plan, err = apply.NewPlan(v.live.state, v.aim.table); return err },
		func() error {
			if v.live.strange == nil {
				v.traffic = newDifference(v.before(), v.aim.side)
			}
			v.sessions()
			return v.neighbours()
		},
	); err != nil {
		return nil, err
	}
	if v.last != nil {
		old, now := v.last.Opens, v.aim.record.Opens
		v.opens = [2][]string{missing(now, old), missing(old, now)}
		v.zones = zoneChanges(v.last.Zones, v.aim.record.Zones)
	}
	return v, nil
}

// together does independent things at the same time. The error is that of the first one that
// has one.
func together(things ...func() error) error {
	errs := make([]error, len(things))
	parallel.For(len(things), func(i int) { errs[i] = things[i]() })
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// missing are the items of a that are not in b.
func missing(a, b []string) []string {
	have := map[string]bool{}
	for _, s := range b {
		have[s] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return have[s] })
}

// before is the side of the plan that is in force. Without a table it is the rules that every
// policy has: so the difference says what the policy opens, and not that it closes the rest.
func (v *view) before() *side {
	if v.live.state.Exists || v.aim.table == nil {
		return &side{name: "the kernel", rules: v.live.inForce, text: true, backend: "nftables"}
	}
	builtin := *v.aim.rules
	for _, c := range []*ruleset.Chain{&builtin.Input, &builtin.Output} {
		c.Rules = slices.DeleteFunc(slices.Clone(c.Rules), func(r ruleset.Rule) bool { return len(r.Origins) > 0 })
	}
	return &side{name: "no table", rules: &builtin}
}

// zoneChanges are the zones that come, go and have other addresses, in words.
func zoneChanges(old, now map[string][]string) []string {
	var out []string
	names := slices.Collect(maps.Keys(old))
	for name := range now {
		if _, known := old[name]; !known {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		before, known := old[name]
		after, stays := now[name]
		switch {
		case !known:
			out = append(out, name+" is new: "+shortened(after, 4, "ranges"))
		case !stays:
			out = append(out, name+" is gone: it had "+shortened(before, 4, "ranges"))
		case !slices.Equal(before, after):
			out = append(out, name+rangeChanges(before, after))
		}
	}
	return out
}

// rangeChanges are what a zone gains and loses, both not all of it.
func rangeChanges(before, after []string) string {
	words := ""
	if gains := missing(after, before); len(gains) > 0 {
		words += " gains " + shortened(gains, 4, "ranges")
	}
	if loses := missing(before, after); len(loses) > 0 {
		words += " loses " + shortened(loses, 4, "ranges")
	}
	return words
}

// text is the view in words.
func (v *view) text(detail bool) string {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(report.Printable(fmt.Sprintf(format, args...)) + "\n") }
	list := func(title string, items []string) {
		if len(items) > 0 {
			line("")
			line("%s:", title)
			for _, item := range items {
				line("  %s", item)
			}
		}
	}
	line("%s for the table inet portolan of this host", v.aim.words)
	line("in force: %s", v.inForce())
	switch {
	case v.plan.Empty():
		line("")
		line("nothing to change: the kernel is what %s means", v.aim.words)
	case v.live.strange != nil:
		line("")
		line("what the kernel has is not understood, and would be replaced as a whole: %s", v.live.strange)
	case len(v.traffic.entries) == 0:
		line("")
		line("no packet is treated differently: names, comments or leftovers change")
	default:
		if !v.live.state.Exists && v.aim.table != nil {
			line("")
			line("what will be open; everything is accepted now, and everything else will be %s:", map[ruleset.Verdict]string{ruleset.Drop: "dropped", ruleset.Accept: "left to others"}[v.aim.rules.Input.Default])
		}
		line("")
		v.traffic.text(&b) // a builder takes everything
	}
	var names []string
	for i, what := range []string{"new", "gone"} {
		for _, s := range v.opens[i] {
			names = append(names, s+" is "+what)
		}
	}
	list("services", names)
	list("zones", v.zones)
	list("changed by hand since "+v.lastName(), words(driftOf(v.drift)))
	if v.unknown != nil {
		list("what was changed by hand is not known", []string{v.unknown.Error()})
	}
	others := words(v.others)
	if v.mixed != "" {
		others = append(others, v.mixed)
	}
	list("rules of others, which portolan does not touch", others)
	list("connections of administrators that would be cut", words(v.cut))
	if len(v.hidden) > 0 {
		list("sessions that cannot be seen", []string{fmt.Sprintf("those of the processes %s: only root sees whose sockets they hold", numbersWords(v.hidden))})
	}
	if !v.plan.Empty() {
		if detail {
			list("in the kernel", words(v.plan.Differences))
		}
		line("")
		line("%s", v.travels())
	}
	return b.String()
}

// travels says what would be sent.
func (v *view) travels() string {
	n := plural(len(v.plan.Differences), "change") + " in the kernel"
	switch {
	case v.aim.table == nil:
		return "the table is taken away, and everything is accepted"
	case !v.live.state.Exists:
		return n
	}
	return n + "; counters and limits of what stays go on"
}

// inForce says what the kernel has.
func (s *standing) inForce() string {
	left, pending := s.live.state.PendingLeft()
	switch {
	case !s.live.state.Exists && s.last != nil && s.last.Firewall:
		return "no table, so everything is accepted; " + s.lastName() + " is not there any more"
	case !s.live.state.Exists:
		return "no table, so everything is accepted"
	case pending && left > 0:
		return fmt.Sprintf("a change that waits to be confirmed for %s more: portolan confirm, or portolan rollback", seconds(left))
	case pending:
		return "the rules from before a change that nobody confirmed"
	case s.last == nil:
		return "a table of which nothing is remembered"
	case s.drifted():
		return s.lastName() + ", with changes by hand"
	}
	return s.lastName()
}

// lastName says which state was applied last.
func (s *standing) lastName() string {
	if s.last == nil {
		return ""
	}
	return recordName(s.last)
}

func recordName(r *history.Record) string {
	return fmt.Sprintf("state %d of %s by %s, from %s", r.Number, r.Time.UTC().Format(timeLayout), r.By, r.Policy)
}

// timeLayout is how times are printed.
const timeLayout = "2006-01-02 15:04:05 UTC"

// driftOf is what was changed by hand: the opposite of what would put it back.
func driftOf(back []apply.Difference) []apply.Difference {
	out := slices.Clone(back)
	for i := range out {
		switch d := &out[i]; d.Kind {
		case apply.Added:
			d.Kind = apply.Removed
		case apply.Removed:
			d.Kind = apply.Added
		}
	}
	return out
}

// words are what items say of themselves.
func words[T fmt.Stringer](items []T) []string {
	var out []string
	for _, item := range items {
		out = append(out, item.String())
	}
	return out
}
