package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"portolan/internal/apply"
	"portolan/internal/diag"
	"portolan/internal/history"
	"portolan/internal/neighbour"
	"portolan/internal/nft"
	"portolan/internal/parallel"
	"portolan/internal/policy"
	"portolan/internal/report"
	"portolan/internal/ruleset"
	"portolan/internal/session"
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
		RunE: p.command(func(cmd *cobra.Command, args []string) (err error) {
			if !slices.Contains(answerFormats, format) {
				return usage("--format: there is no format %q: use %s", format, strings.Join(answerFormats, " or "))
			}
			in.begin()
			if err := p.open(); err != nil {
				return err
			}
			defer p.close(&err)
			view, err := p.view(p.read, func(free func()) (*aim, error) { return p.aim(cmd.Context(), &in, args, false, free) }, func(v *view) { v.changes() })
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
		}),
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
	policy *policy.Policy // that says who speaks of a zone; nil when nobody knows
}

// aim is what the policy means for what the configuration claims. Strictly, it is refused when
// nobody could log in behind it; else that is only said. free is called as soon as one processor is
// enough for the rest.
func (p *pilot) aim(ctx context.Context, in *input, paths []string, strict bool, free func()) (*aim, error) {
	configuration := begin(func() (*found, error) { defer free(); return p.app.read(ctx, in, paths, false) })
	text, unread := p.readPolicy(in)
	free()
	found, err := configuration()
	if err = cmp.Or(err, unread); err != nil {
		return nil, err
	}
	in.text = &text
	purpose := toCompare
	if strict {
		purpose = toChange
	}
	policy, rules, words, err := p.compiledPolicy(in, found, purpose, len(paths) > 0)
	if err != nil {
		return nil, err
	}
	var table *nft.Table
	var hash string
	var outside, unsayable diag.List
	if err := together(
		func() error { table, unsayable = render.Nftables(rules); return nil },
		func() error {
			outside = lockedOut(policy, rules, found.inventory, len(paths) > 0)
			hash = rules.Hash()
			return nil
		},
	); err != nil {
		return nil, err
	}
	if err := p.refuse(outside, "nothing is changed, because nobody could log in: change the policy, or say --cut-me-off"); err != nil && strict {
		return nil, &exitError{exitFindings, err}
	}
	if err := p.refuse(unsayable, "nftables cannot say this policy: change it"); err != nil {
		return nil, &exitError{exitFindings, err}
	}
	sum := sha256.New()
	for _, f := range append([]*source.File{policy.File}, policy.Files...) {
		fmt.Fprintf(sum, "%d ", len(f.Text))
		sum.Write(f.Text)
	}
	out := &aim{words: words, table: table, rules: rules, side: &side{name: words, rules: rules}, policy: policy}
	out.record = history.Record{
		Program: "portolan " + version, Policy: words, PolicySum: hex.EncodeToString(sum.Sum(nil)), Ruleset: hash,
		Opens: servicesOf(rules), Zones: map[string][]string{},
	}
	out.record.Names = commentsOf(table, rules, out.record.Opens)
	for _, z := range policy.Zones {
		out.record.Zones[z.Name.Text] = peerItems(z.Sources)
	}
	return out, nil
}

// servicesOf are what the rules of a policy open, close and connect, each "allow: service",
// in order. The log of the default is none of them: nothing of its name does more than log.
func servicesOf(rs *ruleset.Ruleset) []string {
	var out []string
	acts := map[string]bool{} // by the names of logs, of which there are few
	for _, log := range []bool{true, false} {
		for _, d := range []ruleset.Direction{ruleset.In, ruleset.Out} {
			rules := rs.Chain(d).Rules
			for i := range rules {
				r := &rules[i]
				if (r.Effect.Verdict == ruleset.Continue) != log {
					continue
				}
				if _, logs := acts[r.Name]; logs || log {
					acts[r.Name] = !log
				}
			}
		}
	}
	last := new(ruleset.Rule) // most rules are of the same service as the one before
	for _, d := range []ruleset.Direction{ruleset.In, ruleset.Out} {
		rules := rs.Chain(d).Rules
		for i := range rules {
			r := &rules[i]
			if len(r.Origins) == 0 || r.Effect.Verdict == ruleset.Continue && !acts[r.Name] || r.Name == last.Name && r.Service == last.Service {
				continue
			}
			last = r
			out = append(out, serviceName(r.Name, r.Service))
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

// policyName is what a rule of a policy is for, none for one that every policy has.
func policyName(r *ruleset.Rule) []string {
	if len(r.Origins) == 0 {
		return nil
	}
	return []string{serviceName(r.Name, r.Service)}
}

// A standing is what is in force, and how it came about.
type standing struct {
	live    *live
	last    *history.Record // what was applied last; nil when nothing was
	pending *history.Record // what was applied and waits, or waited, to be confirmed; nil when that is not known
	unknown error           // why the state that was applied last is not known
	away    bool            // the table that was applied last is not there
	// byHand is what would put back what was changed by hand since then, or why that is not known.
	// It is found out when somebody asks the first time; nil where nothing was.
	byHand func() ([]apply.Difference, error)
	names  naming // once somebody has asked
}

// standing asks the states about what the kernel has.
func (p *pilot) standing(l *live) (*standing, error) {
	s := &standing{live: l}
	if _, pending := l.state.PendingLeft(); pending {
		// Only words depend on it. What was confirmed meanwhile is the latest.
		if record, err := p.store.PendingRecord(); err == nil {
			s.pending = &record
		}
	}
	last, err := p.store.LatestRecord()
	switch {
	case errors.Is(err, history.ErrNone):
		return s, nil
	case err != nil:
		s.unknown = err
		return s, nil
	}
	s.last = &last
	if _, pending := l.state.PendingLeft(); pending || l.hash() == last.State {
		return s, nil
	}
	s.byHand = sync.OnceValues(func() ([]apply.Difference, error) {
		_, table, err := p.store.Load(last.Number)
		if err != nil {
			return nil, err
		}
		back, err := apply.NewPlan(l.state, table)
		if err != nil {
			return nil, err
		}
		return back.Differences(), nil // none when only names are others
	})
	if s.away = !l.state.Exists && last.Firewall; !s.away { // else it is all of it, which few want to know
		s.byHand()
	}
	return s, nil
}

// drift is what would put back what was changed by hand, and why that is not known.
func (s *standing) drift() ([]apply.Difference, error) {
	if s.unknown != nil || s.byHand == nil {
		return nil, s.unknown
	}
	return s.byHand()
}

// drifted reports whether the kernel is not what was applied last, as far as is known.
func (s *standing) drifted() bool {
	if s.away {
		return true
	}
	list, unknown := s.drift()
	return len(list) > 0 || unknown != nil
}

// A view is everything that is to be known before a change.
type view struct {
	*standing
	surroundings
	aim     *aim
	plan    *apply.Plan
	changes func() changes // they are found when somebody asks the first time
	others  []neighbour.Firewall
	mixed   string // iptables of two kinds at the same time
	cut     []cutOff
	living  []session.Session // of administrators, that live and have logged in
	hidden  []int             // processes whose sessions cannot be seen
}

// changes are what a plan changes in the words of who reads it.
type changes struct {
	traffic         *difference // nil when what the kernel has is not understood
	services, zones []namedChange
}

// view compares what the kernel has with an aim. While that is looked for, it looks at the
// kernel, at the states and around. To find the aim takes longest: all else begins when that
// has called a function, or is done. meanwhile is called while the plan is made and all else is known.
func (p *pilot) view(read func() (*live, error), find func(free func()) (*aim, error), meanwhile func(*view)) (*view, error) {
	v := new(view)
	rest := make(chan struct{})
	free := sync.OnceFunc(func() { close(rest) })
	aimed := begin(func() (*aim, error) {
		defer free()
		return find(free)
	})
	seen := begin(func() (*live, error) {
		<-rest
		return read()
	})
	around := begin(func() (s surroundings, err error) {
		l, err := seen()
		if err != nil {
			return s, err
		}
		if v.standing, err = p.standing(l); err != nil {
			return s, err
		}
		return p.surroundings()
	})
	// It is what takes longest of the rest, and needs nothing of what is around.
	planned := begin(func() (*apply.Plan, error) {
		l, unseen := seen()
		aim, missed := aimed()
		if unseen != nil || missed != nil {
			return nil, nil
		}
		return apply.NewPlan(l.state, aim.table)
	})
	var errs [4]error
	v.surroundings, errs[0] = around()
	v.aim, errs[1] = aimed()
	if cmp.Or(errs[:]...) == nil {
		v.changes = sync.OnceValue(v.compared)
		v.sessions()
		errs[3] = v.neighbours()
		meanwhile(v)
	}
	v.plan, errs[2] = planned()
	if err := cmp.Or(errs[:]...); err != nil {
		return nil, err
	}
	return v, nil
}

// compared finds what changes for who reads it.
func (v *view) compared() changes {
	var c changes
	if v.live.means().strange == nil {
		c.traffic = newDifference(v.before(), v.aim.side)
	}
	if last := v.last; last != nil {
		old, now := last.Opens, v.aim.record.Opens
		aims := sync.OnceValue(func() naming { return namingOf(&v.aim.record) })
		// Nothing that is in force without a table is of a service.
		traffic := c.traffic
		if !filters(v.live.state) {
			traffic = nil
		}
		c.services = serviceChanges(traffic, func(r *ruleset.Rule) []string { return v.naming()[r.Comment] }, func(r *ruleset.Rule) []string {
			if v.aim.side.text {
				return aims()[r.Comment]
			}
			return policyName(r)
		}, missing(now, old), missing(old, now))
		c.zones = zoneChanges(last.Zones, v.aim.record.Zones)
		if len(c.zones) > 0 && v.aim.policy != nil {
			uses := usesOf(v.aim.policy)
			for i := range c.zones {
				c.zones[i].uses = uses[c.zones[i].name]
			}
		}
	}
	return c
}

// begin does something while its caller goes on. What it returns waits for that, as often as it is
// asked.
func begin[T any](do func() (T, error)) func() (T, error) {
	var out T
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		out, err = do()
	}()
	return func() (T, error) {
		<-done
		return out, err
	}
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
	begin := 0
	for begin < min(len(a), len(b)) && a[begin] == b[begin] { // most lists are alike
		begin++
	}
	end := len(a)
	for past := len(b); end > begin && past > begin && a[end-1] == b[past-1]; past-- {
		end--
	}
	rest := slices.Clone(a[begin:end])
	if len(rest) == 0 {
		return rest
	}
	have := make(map[string]bool, len(b))
	for _, s := range b {
		have[s] = true
	}
	return slices.DeleteFunc(rest, func(s string) bool { return have[s] })
}

// before is the side of the plan that is in force. Without a table it is the rules that every
// policy has: so the difference says what the policy opens, and not that it closes the rest.
func (v *view) before() *side {
	if filters(v.live.state) || v.aim.table == nil {
		return &side{name: "the kernel", rules: v.live.means().inForce, text: true, backend: "nftables", words: v.said}
	}
	builtin := *v.aim.rules
	for _, c := range []*ruleset.Chain{&builtin.Input, &builtin.Output} {
		all := c.Rules
		c.Rules = nil
		for i := range all { // most are of the policy
			if len(all[i].Origins) == 0 {
				c.Rules = append(c.Rules, all[i])
			}
		}
	}
	return &side{name: "no table", rules: &builtin}
}

// text is the view in words.
func (v *view) text(detail bool) string { return v.head() + v.body(detail) }

// head is the beginning of the text: what is aimed at, and what is there.
func (v *view) head() string {
	return report.Printable(v.aim.words) + " for the table inet portolan of this host\nin force: " + report.Printable(v.inForce()) + "\n"
}

// body is the rest of it, which takes most of the time that a plan takes.
func (v *view) body(detail bool) string {
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
	few := func(items []string) []string {
		const most = 40
		if detail || len(items) <= most+1 {
			return items
		}
		return append(items[:most], fmt.Sprintf("and %d more: portolan plan --detail lists them", len(items)-most))
	}
	changes, strange := v.changes(), v.live.means().strange
	list("services", few(words(changes.services)))
	list("zones", few(words(changes.zones)))
	switch {
	case v.plan.Empty() && strange != nil:
		line("")
		line("nothing to change, and yet what the kernel has is not understood: %s", strange)
	case v.plan.Empty() && v.aim.table == nil:
		line("")
		line("nothing to change: there is no table")
	case v.plan.Empty():
		line("")
		line("nothing to change: the kernel is what %s means", v.aim.words)
	case v.aim.table == nil:
		line("")
		line("the table is taken away, and everything is accepted that others do not drop")
	case strange != nil:
		line("")
		line("what the kernel has is not understood, and would be replaced as a whole: %s", strange)
	case len(changes.traffic.entries) == 0:
		line("")
		line("no packet is treated differently: names, comments or leftovers change")
	default:
		if !filters(v.live.state) && v.aim.table != nil {
			line("")
			line("what will be open; everything is accepted now, and everything else will be %s:", map[ruleset.Verdict]string{ruleset.Drop: "dropped", ruleset.Accept: "left to others"}[v.aim.rules.Input.Default])
		}
		line("")
		shown := *changes.traffic
		if detail && shown.old.words != nil {
			places := *shown.old
			places.words = nil
			shown.old = &places
		}
		shown.text(&b) // a builder takes everything
	}
	list(v.driftWords(detail))
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
			list("in the kernel", words(v.plan.Differences()))
		}
		line("")
		line("%s", v.travels())
	}
	return b.String()
}

// travels says what would be sent.
func (v *view) travels() string {
	n := plural(v.plan.Changes(), "change") + " in the kernel"
	if !v.live.state.Exists || v.aim.table == nil {
		return n
	}
	return n + "; counters and limits of what stays go on"
}

// inForce says what the kernel has.
func (s *standing) inForce() string {
	left, pending := s.live.state.PendingLeft()
	switch {
	case !s.live.state.Exists && s.last != nil && s.last.Firewall:
		return "no table, so everything is accepted; " + s.lastName() + " was taken away by hand: portolan apply --boot brings it back"
	case !s.live.state.Exists:
		return "no table, so everything is accepted"
	case s.live.state.Dormant:
		return "a table that is switched off, so everything is accepted"
	case pending && left > 0:
		return fmt.Sprintf("a change that waits to be confirmed for %s more: portolan confirm, or portolan rollback", seconds(left))
	case pending && s.last == nil:
		return "nothing, because nobody confirmed the first change: everything is accepted; portolan rollback tidies up"
	case pending:
		return s.lastName() + ", because nobody confirmed the change after it; portolan rollback tidies up"
	case s.last == nil && s.unknown != nil:
		return "a table, and what was applied last cannot be read"
	case s.last == nil:
		return "a table of which nothing is remembered: portolan apply remembers it"
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

// naming knows the rules of the policies that can be in force.
func (s *standing) naming() naming {
	if s.names == nil {
		s.names = namingOf(s.last, s.pending)
	}
	return s.names
}

// said is a rule that is in force in words: what it is for, and which state it is of. What
// somebody may have made by hand is said by its place.
func (s *standing) said(r *ruleset.Rule) string {
	left, pending := s.live.state.PendingLeft()
	from := "in force"
	switch {
	case pending && left > 0:
		from = "what waits to be confirmed"
	case s.last != nil:
		from = fmt.Sprintf("state %d", s.last.Number)
	}
	drift, _ := s.drift()
	byHand := slices.ContainsFunc(drift, func(d apply.Difference) bool { return d.Object == "rule" && d.Detail == r.Comment })
	if r.Comment == "" || byHand || s.last == nil && !pending {
		return ""
	}
	name := r.Comment
	if names := s.naming()[r.Comment]; names != nil {
		name = strings.Join(names, " and ")
	}
	return name + " (" + from + ")"
}

// driftShown is how many changes by hand are told to people who ask for no details.
const driftShown = 20

// driftWords are what was changed by hand, with a title.
func (s *standing) driftWords(detail bool) (string, []string) {
	if s.away && !detail { // said already
		return "", nil
	}
	drift, unknown := s.drift()
	if unknown != nil {
		return "what was changed by hand is not known", []string{unknown.Error(), otherStates}
	}
	lines := words(driftOf(drift))
	if !detail && len(lines) > driftShown+1 {
		lines = append(lines[:driftShown], fmt.Sprintf("and %d more: portolan plan --detail lists them", len(lines)-driftShown))
	}
	return "changed by hand since " + s.lastName(), lines
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
