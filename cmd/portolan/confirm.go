package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"portolan/internal/apply"
	"portolan/internal/history"
)

func (a *app) confirmCommand() *cobra.Command {
	p := pilot{app: a}
	cmd := &cobra.Command{
		Use:   "confirm",
		Short: "keep the change that apply made, before the kernel goes back",
		Long: `Confirm keeps the change that waits to be confirmed: the new rules take the place of the
old ones, no packet is lost, and a start of the host brings them back. That somebody
can say it, best in a session that was opened since apply, shows that nobody is locked
out.

Exit codes: 0 kept; 3 nothing waits, or it could not do it; 4 too late, the kernel is back
on the old rules.`,
		Example: "  portolan confirm",
		Args:    noArgs,
		RunE: p.command(func(cmd *cobra.Command, _ []string) (err error) {
			if err := p.open(); err != nil {
				return err
			}
			defer p.close(&err)
			w, err := p.lock(cmd.Context())
			if err != nil {
				return fmt.Errorf("not confirmed, because it could not be remembered: %w", err)
			}
			defer func() { err = errors.Join(err, w.Close()) }()
			return p.confirm(cmd.Context(), w)
		}),
	}
	p.flags(cmd)
	return cmd
}

// confirm keeps what waits.
func (p *pilot) confirm(ctx context.Context, w *history.Writer) error {
	l, err := p.read()
	if err != nil {
		return err
	}
	if p.finished != nil {
		p.confirmed(p.finished.Number)
		return nil
	}
	left, pending := l.state.PendingLeft()
	switch {
	case !pending:
		return errors.New("nothing waits to be confirmed")
	case left <= 0:
		return p.tooLate(ctx, w)
	case l.means().strange != nil:
		return fmt.Errorf("what waits to be confirmed is not understood, so it is not kept: %w", l.means().strange)
	}
	record, table, err := p.store.Pending()
	if err != nil {
		return fmt.Errorf("not confirmed, because nothing says what waits; name the folder that apply had with --state-dir, or let the kernel go back: %w", err)
	}
	// Whether there is room to remember it is found out before it is kept.
	now := p.signed(history.Record{})
	record.Confirmed, record.ConfirmedBy = now.Time, now.By
	if err := w.SetPending(record, table); err != nil {
		return fmt.Errorf("not confirmed, because it could not be remembered: %w", err)
	}
	outcome, err := apply.Confirm(ctx, p.kernel, table, apply.Options{Prove: proves(l.means().pending), Journal: p.step})
	switch {
	case errors.Is(err, apply.ErrExpired):
		return p.tooLate(ctx, w)
	case err != nil:
		return wentBack(err)
	}
	kept, err := w.Confirm(func(r *history.Record) { r.State = outcome.After.Hash() })
	if err != nil {
		return unremembered(err)
	}
	p.confirmed(kept.Number)
	return p.still(outcome.After)
}

// confirmed says that a change is kept.
func (p *pilot) confirmed(number int) {
	p.say("confirmed: state %d is in force, and a start of this host brings it back", number)
}

// tooLate tidies up behind a change that nobody confirmed.
func (p *pilot) tooLate(ctx context.Context, w *history.Writer) error {
	if _, err := apply.Back(ctx, p.kernel); err != nil {
		return err
	}
	return errors.Join(&exitError{exitRolledBack, errors.New("nobody confirmed the change in time: the kernel is back on the old rules")}, w.DropPending())
}

// poll is how often somebody who waits looks at the kernel.
const poll = 500 * time.Millisecond

// await waits until a change is confirmed, or given up by the kernel or by somebody. The lock
// is not held, so that others can say so.
func (p *pilot) await(ctx context.Context, w waiting) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the change is in force until %s, and still waits for portolan confirm or portolan rollback", w.until.UTC().Format(timeLayout))
		case <-tick.C:
		}
		state, err := p.state()
		if err != nil {
			return err
		}
		if left, pending := state.PendingLeft(); !pending || left <= 0 {
			return p.ended(ctx, w.after)
		}
	}
}

// newest is the number of the state that was kept last, 0 for none.
func (p *pilot) newest() int {
	last, err := p.store.LatestRecord()
	if err != nil {
		return 0
	}
	return last.Number
}

// ended says how the wait for a confirmation ended; whoever confirms has done so by then.
// Before is the number of the state that was the newest.
func (p *pilot) ended(ctx context.Context, before int) (err error) {
	w, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if p.newest() > before {
		p.say("confirmed")
		return nil
	}
	state, err := p.state()
	if err != nil {
		return err
	}
	if left, pending := state.PendingLeft(); pending && left <= 0 {
		return p.tooLate(ctx, w)
	}
	return &exitError{exitRolledBack, errors.New("the change was given up: the old rules are in force")}
}
