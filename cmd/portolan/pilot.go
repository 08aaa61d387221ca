package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"portolan/internal/apply"
	"portolan/internal/history"
	"portolan/internal/nft"
	"portolan/internal/report"
	"portolan/internal/ruleset"
	"portolan/internal/verify"
)

// tableName is the table that is ours, for people.
const tableName = nft.Family + " " + nft.Name

// defaultStateDir is where states are remembered when nobody says otherwise.
const defaultStateDir = "/var/lib/portolan"

// A pilot is what the commands work with that look at the firewall of this host or change it.
type pilot struct {
	*app
	stateDir string
	logs     string // "" talks in words; "text" and "json" log

	kernel *apply.Kernel
	store  *history.Store
	// finished is what lock has remembered for somebody who was killed; nil when there was nothing.
	finished *history.Record
}

// flags are those of every command of the pilot.
func (p *pilot) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.stateDir, "state-dir", defaultStateDir, "remember what was applied in `DIR`")
	cmd.Flags().StringVar(&p.logs, "log", "", "write what is done to standard error as a log: text or json")
	completeWords(cmd, "log", "text", "json")
}

// command is what a command of the pilot does, with what --log asks for: then an error is the last
// line of the log.
func (p *pilot) command(do func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		own := *p.app
		switch p.logs {
		case "":
		case "text":
			own.log = slog.New(slog.NewTextHandler(p.stderr, nil))
		case "json":
			own.log = slog.New(slog.NewJSONHandler(p.stderr, nil))
		default:
			return usage("--log: there is no form %q: use text or json", p.logs)
		}
		p.app = &own
		if p.getenv("GOGC") == "" {
			collectLate()
		}
		err := do(cmd, args)
		if err != nil && cmd.Context().Err() != nil {
			err = &exitError{exitInterrupted, err}
		}
		if p.log == nil || err == nil || err.Error() == "" {
			return err
		}
		code := exitCodeOf(err)
		p.log.Error(report.Printable(err.Error()), "exit_code", code)
		return &exitError{code: code}
	}
}

// collectLate lets the garbage collector begin only when there is much to collect: of one host,
// most of what is read and made is needed to the end, and that is there by then. From then on its
// target is gcPercent.
func collectLate() {
	debug.SetGCPercent(lateGCPercent)
	// The collection that finds that nothing leads to this is the first.
	runtime.AddCleanup(new([16]byte), func(int) { debug.SetGCPercent(gcPercent) }, 0)
}

// lateGCPercent makes 128 MiB of the 4 MiB from which on the runtime collects with 100.
const lateGCPercent = 3200

// open connects to the kernel and looks at the states. They are made when somebody writes one.
func (p *pilot) open() (err error) {
	if p.store, err = history.Open(p.stateDir); err != nil {
		return fmt.Errorf("--state-dir: %w", err)
	}
	p.kernel, err = apply.OpenKernel()
	return onlyRoot(err)
}

// close ends what open began, and adds what goes wrong there to the error of the command. It
// leaves that to the end of the process when that is near: who closes a connection waits until the
// kernel has put away what was deleted, and a process that ends gives its memory back meanwhile.
func (p *pilot) close(err *error) {
	if !p.ends {
		*err = errors.Join(*err, p.kernel.Close())
	}
}

// lock keeps other appliers out until what it returns is closed. It first remembers what one that
// was killed has kept in the kernel.
func (p *pilot) lock(ctx context.Context) (*history.Writer, error) {
	w, err := p.store.Lock(ctx, func(holder string) { p.say("another portolan is at work here: waiting for %s", holder) })
	if err != nil {
		return nil, err
	}
	if err := p.finish(ctx, w); err != nil { // which keeps nobody from what is to be done now
		p.say("an earlier portolan was interrupted, and what it did is not remembered: %s", err)
	}
	return w, nil
}

// finish remembers the change that an earlier portolan has taken into force for good, when that
// was killed before it could do so: a start of the host would bring back what was before it. It
// wrote down what it was about to do, and the kernel shows that it was done.
func (p *pilot) finish(ctx context.Context, w *history.Writer) error {
	record, table, err := p.store.Pending()
	if err != nil && !errors.Is(err, history.ErrNone) {
		p.say("what waited before cannot be read, and is not looked at: %s", err)
	}
	if err != nil || !record.Until.IsZero() && record.Confirmed.IsZero() {
		return nil // nothing waits, nobody knows what, or nobody has confirmed it
	}
	if table == nil {
		return nil // that there is no table shows nothing: after a start of the host there is none
	}
	if last, err := p.store.LatestRecord(); err == nil && last.Time.Equal(record.Time) && last.Ruleset == record.Ruleset {
		return w.DropPending() // only that was left to do
	}
	state, err := p.kernel.Read()
	if err != nil {
		return err
	}
	if _, pending := state.PendingLeft(); pending {
		return nil
	}
	if plan, err := apply.NewPlan(state, table); err != nil || !plan.InForce() {
		return nil // it was not done, or something else since
	}
	aim, err := p.stored(record, table, "what was confirmed")
	if err != nil {
		return err
	}
	outcome, err := apply.Apply(ctx, p.kernel, table, apply.Options{Prove: proves(aim.rules), Journal: p.step})
	if err != nil {
		return err
	}
	kept, err := w.Confirm(func(r *history.Record) { r.State = outcome.After.Hash() })
	if kept.Number == 0 {
		return unremembered(err)
	}
	if err != nil {
		p.say("%s", unremembered(err))
	}
	p.say("an earlier portolan was interrupted: what it put into force is remembered as state %d", kept.Number)
	p.finished = &kept
	return nil
}

// lockIfWritable is lock, and nil with the given words for people where the states cannot be
// written: what brings a firewall back must not fail because of the disk. The kernel takes only
// one change at a time all the same.
func (p *pilot) lockIfWritable(ctx context.Context, words string) (*history.Writer, error) {
	w, err := p.lock(ctx)
	if unwritable(err) {
		p.say("%s: %s", words, err)
		return nil, nil
	}
	return w, err
}

// unwritable reports whether the states cannot be written for a reason that is none of the
// firewall's: the disk is full, read-only or broken.
func unwritable(err error) bool {
	for _, e := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// say talks to people, or writes the same into the log.
func (p *pilot) say(format string, args ...any) {
	text := report.Printable(fmt.Sprintf(format, args...))
	if p.log != nil {
		p.log.Info(text)
		return
	}
	fmt.Fprintln(p.stderr, text)
}

// state is the table as the kernel says it.
func (p *pilot) state() (*apply.State, error) {
	state, err := p.kernel.Read()
	return state, onlyRoot(err)
}

// onlyRoot says who may do what the kernel does not permit.
func onlyRoot(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: only root may read the kernel's tables", err)
	}
	return err
}

// A live is what the kernel has now.
type live struct {
	state *apply.State
	// They are found out when somebody asks the first time.
	hash  func() string // of the state
	means func() *meaning
}

// A meaning is what a state of the kernel means.
type meaning struct {
	// rules is what it means without what is pending; nil when that is not understood. With no
	// table everything is accepted.
	rules *ruleset.Ruleset
	// pending is what it means with it; nil when nothing is.
	pending *ruleset.Ruleset
	// inForce is the one of the two that packets meet now.
	inForce *ruleset.Ruleset
	// strange says what of that which packets meet is not understood, so that nobody knows what
	// it means; inForce is nil then.
	strange error
}

// read is what the kernel has now.
func (p *pilot) read() (*live, error) {
	for again := true; ; again = false {
		state, err := p.state()
		if err != nil {
			return nil, err
		}
		l := liveOf(state)
		if _, pending := state.PendingLeft(); !again || !pending || !errors.Is(l.means().strange, verify.ErrHalf) {
			return l, nil
		}
		time.Sleep(expiryTick)
	}
}

func liveOf(state *apply.State) *live {
	return &live{state, sync.OnceValue(state.Hash), sync.OnceValue(func() *meaning { return meaningOf(state) })}
}

// expiryTick is longer than a tick of the kernel's clock, in which what waits for a confirmation
// ends for IPv4 and for IPv6.
const expiryTick = 20 * time.Millisecond

// meaningOf says what a state means.
func meaningOf(state *apply.State) *meaning {
	if !filters(state) {
		all := everything()
		return &meaning{rules: all, inForce: all}
	}
	read, err := verify.Kernel(state.Raw)
	if err != nil {
		return &meaning{strange: err}
	}
	m := &meaning{rules: read.Rules, pending: read.Pending, inForce: read.InForce()}
	if m.inForce == nil {
		m.strange = read.Strange
	}
	return m
}

// filters reports whether there is a table that packets are asked about.
func filters(s *apply.State) bool { return s.Exists && !s.Dormant }

// everything is what a host without a table means: all packets are accepted.
func everything() *ruleset.Ruleset {
	return &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Accept}}
}

// proves checks that a state means the given rules: with what is pending, where something is.
func proves(want *ruleset.Ruleset) func(*apply.State) error {
	return func(s *apply.State) error {
		m := meaningOf(s)
		have := cmp.Or(m.pending, m.rules)
		if have == nil {
			return fmt.Errorf("what the kernel has now is not understood: %w", m.strange)
		}
		if c := ruleset.Equivalent(want, have); c != nil {
			return fmt.Errorf("the kernel does not do what was asked of it: %s", c.Words("what is wanted", "the kernel"))
		}
		return nil
	}
}
