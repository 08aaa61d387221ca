package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"portolan/internal/apply"
	"portolan/internal/history"
	"portolan/internal/port"
	"portolan/internal/report"
	"portolan/internal/session"
)

// Bounds on how long a change waits to be confirmed. Less than the shortest nobody can log in
// in; more than the longest is no window but a firewall that goes away by itself.
const (
	shortestWindow = time.Second
	longestWindow  = 24 * time.Hour
	defaultWindow  = 60 * time.Second
)

// A change is how the firewall of this host is to be changed.
type change struct {
	yes, dryRun, noConfirm, cutMeOff, wait bool

	within time.Duration
	probes []string
}

func (c *change) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&c.yes, "yes", false, "do not ask")
	f.BoolVar(&c.dryRun, "dry-run", false, "say what would be done and change nothing")
	f.DurationVar(&c.within, "confirm-within", defaultWindow, "go back by itself after `TIME` unless somebody says portolan confirm")
	f.BoolVar(&c.noConfirm, "no-confirm", false, "keep the change without anybody to confirm it, if it is proved and every probe and session lives")
	f.StringArrayVar(&c.probes, "probe", nil, "with --no-confirm: go back unless this host can connect to `tcp:HOST:PORT`; may be repeated")
	f.BoolVar(&c.cutMeOff, "cut-me-off", false, "cut connections of administrators, and do without a way to log in")
	f.BoolVar(&c.wait, "wait", false, "wait until the change is confirmed, or the kernel is back on the old rules")
}

// check refuses flags that contradict each other.
func (c *change) check(cmd *cobra.Command) error {
	switch {
	case c.within < shortestWindow || c.within > longestWindow:
		return usage("--confirm-within: %s is not between %s and %s", c.within, shortestWindow, longestWindow)
	case c.noConfirm && cmd.Flags().Changed("confirm-within"):
		return usage("--no-confirm keeps the change at once, so leave out --confirm-within")
	case c.noConfirm && c.wait:
		return usage("--no-confirm leaves nothing to wait for, so leave out --wait")
	case len(c.probes) > 0 && !c.noConfirm:
		return usage("--probe is for --no-confirm; somebody who confirms is a better probe")
	}
	for _, text := range c.probes {
		if _, err := session.ParseProbe(text); err != nil {
			return usage("--probe: %s", err)
		}
	}
	return nil
}

func (a *app) applyCommand() *cobra.Command {
	var in input
	p := pilot{app: a}
	var c change
	var boot bool
	cmd := &cobra.Command{
		Use:   "apply [PATH…]",
		Short: "make the firewall of this host what the policy means, and go back unless it is confirmed",
		Long: `Apply changes the table inet portolan of the kernel to what the policy means for the
configuration, and nothing else. It prints what plan prints, asks, and then puts the new
rules into force for as long as --confirm-within says. Unless portolan confirm is said
in that time, best in a new session, the kernel itself is back on the old rules: no
process, no disk and no session is needed for that.

No packet meets a mixture of old and new rules, so no call is lost. What was put into
the kernel is read back and proved to mean the policy. A policy behind which nobody could
log in, and one that would cut a connection of an administrator, is refused, unless
--cut-me-off is said.

With --no-confirm nobody is waited for: the change is kept when it is proved, every --probe
answers, and no session of an administrator is cut by it; otherwise it goes back.

With --boot it restores the last confirmed state, whatever the policy says now: for the
start of a host, and to repair what somebody changed by hand. It sends nothing when
nothing is to be changed.

Exit codes: 0 applied, or nothing to do; 1 refused; 3 could not do it; 4 applied, and
rolled back; 130 interrupted.`,
		Example: `  portolan apply
  portolan apply --policy portolan.hcl --confirm-within 5m
  portolan apply --yes --no-confirm --probe tcp:10.1.0.5:22`,
		RunE: p.command(func(cmd *cobra.Command, args []string) error {
			if err := c.check(cmd); err != nil {
				return err
			}
			if boot {
				const restores = "--boot restores what was confirmed last, whatever the policy says now: leave out "
				for _, name := range []string{"root", "policy", "services", "set", "confirm-within", "no-confirm", "probe", "wait"} {
					if cmd.Flags().Changed(name) {
						return usage("%s--%s", restores, name)
					}
				}
				if len(args) > 0 {
					return usage("%s%q", restores, args[0])
				}
				return p.boot(cmd.Context(), c)
			}
			in.begin()
			return p.change(cmd.Context(), c, func(free func()) (*aim, error) { return p.aim(cmd.Context(), &in, args, !c.cutMeOff, free) })
		}),
	}
	in.inventoryFlags(cmd)
	in.policyFlag(cmd)
	p.flags(cmd)
	c.flags(cmd)
	cmd.Flags().BoolVar(&boot, "boot", false, "restore the last confirmed state")
	return cmd
}

// change makes the firewall what an aim says, and waits until it is confirmed when somebody
// wants that.
func (p *pilot) change(ctx context.Context, c change, find func(free func()) (*aim, error)) (err error) {
	if !c.yes && !c.dryRun && !isTerminal(p.stdin) {
		return usage("there is no terminal to ask on: say --yes, or --dry-run")
	}
	if err := p.open(); err != nil {
		return err
	}
	defer p.close(&err)
	var waits waiting
	if err := p.changeAlone(ctx, c, find, &waits); err != nil || !waits.on || !c.wait {
		return err
	}
	return p.await(ctx, waits)
}

// A waiting is a change that waits to be confirmed.
type waiting struct {
	on    bool
	until time.Time
	after int // the number of the state that was kept last before it, 0 for none
}

// changeAlone makes the change while nobody else is at work, and looks for the aim only then.
// It says whether the change waits to be confirmed.
func (p *pilot) changeAlone(ctx context.Context, c change, find func(free func()) (*aim, error), waits *waiting) (err error) {
	var w *history.Writer
	if !c.dryRun {
		if w, err = p.lock(ctx); err != nil {
			return fmt.Errorf("nothing is changed, because it could not be remembered: %w", err)
		}
		defer func() { err = errors.Join(err, w.Close()) }()
	}
	k := &keeper{pilot: p, w: w}
	carriedOut := false
	defer func() {
		if !carriedOut {
			err = errors.Join(err, k.drop())
		}
	}()
	meanwhile := func(v *view) {
		differs := w != nil && (v.last == nil || v.drifted() || v.last.Ruleset != v.aim.record.Ruleset)
		switch {
		case !c.unseen(v):
			if differs {
				w.Prepare(v.aim.table)
			}
			v.changes()
		case differs: // nobody can say no to it any more
			k.announce(v.aim, 0)
		}
	}
	v, read, err := p.look(find, meanwhile)
	if err != nil {
		return err
	}
	text := v.head()
	if v.plan.Empty() || !c.unseen(v) {
		text += v.body(false)
	}
	if _, err := io.WriteString(p.stdout, text); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	if len(v.cut) > 0 && !c.cutMeOff {
		return &exitError{exitFindings, errors.New("nothing is changed, because a connection of an administrator would be cut: change the policy, or say --cut-me-off")}
	}
	switch {
	case c.dryRun:
		p.say("nothing was changed, because of --dry-run")
		return nil
	case v.plan.Empty():
		k.end()
		if read {
			p.remember(w, v.live.state, v.live.hash())
		}
		return p.unchanged(w, v)
	case !c.yes:
		yes, err := p.ask(ctx, "change the firewall of this host?")
		if err != nil {
			return err
		}
		if !yes {
			return &exitError{exitFindings, errors.New("nothing is changed: the answer was not yes")}
		}
	}
	if v.last != nil {
		waits.after = v.last.Number
	}
	carriedOut = true
	waits.until, err = p.carryOut(ctx, k, c, v)
	waits.on = !waits.until.IsZero()
	return err
}

// unseen reports whether nobody reads the plan before it is carried out, and nobody is there whom it
// could cut: then there is time for the words while the kernel is at work.
func (c *change) unseen(v *view) bool {
	return c.yes && c.noConfirm && !c.dryRun && len(c.probes)+len(v.living)+len(v.cut) == 0
}

// quiet is what the kernel has, when no change waits there.
func (p *pilot) quiet() (*live, error) {
	l, err := p.read()
	if err != nil {
		return nil, err
	}
	if left, pending := l.state.PendingLeft(); pending && left > 0 {
		return nil, &exitError{exitFindings, fmt.Errorf("nothing is changed, because a change waits to be confirmed for %s more: say portolan confirm or portolan rollback first", seconds(left))}
	}
	return l, nil
}

// ask asks a person at the terminal. Only "y" and "yes" mean yes. Who is interrupted has not
// answered.
func (p *pilot) ask(ctx context.Context, question string) (bool, error) {
	fmt.Fprintf(p.stderr, "%s [y/N] ", question)
	type result struct {
		text string
		err  error
	}
	answered := make(chan result, 1)
	go func() {
		text, err := bufio.NewReader(p.stdin).ReadString('\n')
		answered <- result{text, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(p.stderr)
		return false, errors.New("nothing is changed")
	case a := <-answered:
		if a.err != nil {
			fmt.Fprintln(p.stderr) // the line of the question has no end yet
		}
		if a.err != nil && a.err != io.EOF {
			return false, fmt.Errorf("nothing is changed: reading the answer: %w", a.err)
		}
		answer := strings.ToLower(strings.TrimSpace(a.text))
		return answer == "y" || answer == "yes", nil
	}
}

// unchanged remembers what is in force already, where nobody has: text that nft loaded, a change
// of a portolan that was killed before it could say so, or a policy of another text that means
// the same, so that its hash is the one that status says.
func (p *pilot) unchanged(w *history.Writer, v *view) error {
	record := p.signed(v.aim.record)
	last := v.last
	switch {
	case last == nil && v.aim.table == nil: // there was never anything
		return w.DropPending()
	case last != nil && !v.drifted() && last.Ruleset == record.Ruleset && last.PolicySum == record.PolicySum:
		return w.DropPending()
	}
	if err := proves(v.aim.rules)(v.live.state); err != nil {
		return err
	}
	record.State = v.live.hash()
	return p.kept(func() (history.Record, error) { return w.Keep(record, v.aim.table) }, w.DropPending)
}

// signed is a record with when and by whom, that nobody has confirmed.
func (p *pilot) signed(r history.Record) history.Record {
	r.Number, r.Time, r.By, r.Program = 0, p.now().UTC(), who(p.getenv), "portolan "+version
	r.Until, r.Confirmed, r.ConfirmedBy = time.Time{}, time.Time{}, "" // of an earlier state
	return r
}

// carryOut makes a change that was decided. It says until when the change waits to be
// confirmed; the zero time for one that does not, because nobody is asked or no packet notices.
func (p *pilot) carryOut(ctx context.Context, k *keeper, c change, v *view) (until time.Time, err error) {
	defer k.end()
	prove := proves(v.aim.rules)
	options := apply.Options{Plan: v.plan, Journal: p.step, Before: k.announced, Prove: func(s *apply.State) error {
		k.proves(s)
		return prove(s)
	}}
	if c.noConfirm {
		living := v.living
		if !c.yes { // somebody may have come while we asked
			found, err := p.found(v.interfaces)
			if err != nil {
				return until, err
			}
			living = alive(found)
		}
		p.watch(ctx, c.probes, living, &options)
	} else {
		options.Within = c.within
	}
	k.announce(v.aim, options.Within)
	if !v.live.state.Exists && !c.cutMeOff {
		p.track(v.living)
	}
	body := func() string { return "" } // it is written already
	if c.unseen(v) {
		body = sync.OnceValue(func() string { return v.body(false) })
		inPlace := v.plan.InPlace()
		k.stages = inPlace || !filters(v.live.state)
		if inPlace { // the kernel is soon done with elements, and first they should be on their way
			options.Before = func() error { err := k.announced(); go body(); return err }
		} else {
			go body()
		}
	}
	outcome, err := apply.Apply(ctx, p.kernel, v.aim.table, options)
	text := body()
	if unannounced := k.announced(); unannounced != nil {
		return until, cmp.Or(err, unannounced)
	}
	if _, unwritten := io.WriteString(p.stdout, text); unwritten != nil {
		defer func() { err = errors.Join(err, fmt.Errorf("writing the plan: %w", unwritten)) }()
	}
	if back, ok := wentBack(err).(*exitError); ok {
		return until, errors.Join(back, k.drop())
	}
	if errors.Is(err, context.Canceled) {
		return until, errors.Join(errors.New("nothing is changed"), k.drop())
	}
	if err != nil {
		return until, err
	}
	if !outcome.Until.IsZero() {
		p.say("in force for %s, until %s, and then the old rules again, unless it is confirmed: log in anew, and say portolan confirm there", c.within, outcome.Until.UTC().Format(timeLayout))
		return outcome.Until, nil
	}
	return until, errors.Join(k.keep(outcome.After, v.last), p.still(outcome.After))
}

// still is an error when the table is not any more what was proved, because somebody else has
// changed it since: to remember it takes a moment.
func (p *pilot) still(proved *apply.State) error {
	if now, err := p.kernel.Generation(); err != nil || now == proved.Generation {
		return err
	}
	state, err := p.state()
	if err == nil && state.Hash() != proved.Hash() { // not only a table of somebody else
		err = errors.New("somebody else has changed the table since it was proved: portolan plan says what")
	}
	return err
}

// wentBack is the error of a change, with the exit code of those that went back for these.
func wentBack(err error) error {
	if back, ok := errors.AsType[apply.WentBack](err); ok {
		return &exitError{exitRolledBack, fmt.Errorf("the old rules are in force again: %w", back.Cause)}
	}
	return err
}

// unremembered is the error of a change that is in force and could not be remembered.
func unremembered(err error) error {
	return fmt.Errorf("the firewall is in force, but it was not remembered, so that a start of this host would not bring it back: %w", err)
}

// step logs what Apply does.
func (p *pilot) step(e apply.Event) {
	if p.log == nil {
		return
	}
	attrs := []any{"attempt", e.Attempt}
	if e.Changes > 0 {
		attrs = append(attrs, "changes", e.Changes)
	}
	if e.Err != nil {
		p.log.Warn(e.Step, append(attrs, "error", report.Printable(e.Err.Error()))...)
		return
	}
	p.log.Info(e.Step, attrs...)
}

// watch makes a change that nobody confirms go back when a probe does not answer or when it cuts
// one of the sessions of administrators.
func (p *pilot) watch(ctx context.Context, probes []string, sessions []session.Session, o *apply.Options) {
	if len(sessions) > 0 {
		o.Alive = func() error { return p.alive(ctx, sessions) }
	}
	if len(probes) == 0 {
		return
	}
	o.Probe = func(ctx context.Context) error {
		var dialer net.Dialer
		for _, text := range probes {
			probe, err := session.ParseProbe(text)
			if err != nil {
				return err
			}
			if err := probe.Try(ctx, dialer.DialContext); err != nil {
				return err
			}
		}
		return nil
	}
}

// How long sessions are looked at before one that waits for an answer is believed to live, before
// one in which nobody sends is, and how often.
const (
	aliveFor   = 5 * time.Second
	idleFor    = 500 * time.Millisecond
	aliveEvery = 50 * time.Millisecond
)

// alive is an error when a session of an administrator is cut by the change that is in force
// since a moment ago. It is told first, so that the session in which portolan runs has something
// to answer. No wall clock is asked: it may jump.
func (p *pilot) alive(ctx context.Context, sessions []session.Session) error {
	begun := time.Now()
	before, err := session.Look()
	if errors.Is(err, session.ErrNoLife) {
		p.say("whether sessions live is not looked at: %s", err)
		return nil
	}
	if err != nil {
		return err
	}
	p.say("in force, and looking whether %s of administrators live", plural(len(sessions), "session"))
	for {
		now, err := session.Look()
		if err != nil {
			return err
		}
		most := time.Duration(0)
		for _, s := range sessions {
			switch answer, why := session.Compare(s, before, now, begun); answer {
			case session.Cut:
				return fmt.Errorf("the connection %s is cut: %s", s, why)
			case session.Waiting:
				most = aliveFor
			case session.Idle:
				most = max(most, idleFor)
			}
		}
		if time.Since(begun) >= most {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(aliveEvery):
		}
	}
}

// track makes connection tracking know the sessions that live, on a host that may have tracked
// nothing so far: their next packet would be the first that it sees, and one that this host
// sends may be no beginning that the policy allows.
func (p *pilot) track(sessions []session.Session) {
	for _, s := range sessions {
		if s.Proto != port.TCP {
			continue
		}
		if err := session.Track(s); err != nil {
			p.say("%s: it may stand still until its peer sends something", err)
		}
	}
}

// seconds is a time that is left, for people.
func seconds(d time.Duration) time.Duration { return d.Round(time.Second) }
