package main

import (
	"context"
	"errors"
	"fmt"

	"portolan/internal/apply"
	"portolan/internal/history"
)

// boot restores the last confirmed state: at the start of a host, and when somebody changed it
// by hand. Nobody is asked, and no session is looked for: it was confirmed.
func (p *pilot) boot(ctx context.Context, c change) (err error) {
	if err := p.open(); err != nil {
		return err
	}
	defer p.close(&err)
	var w *history.Writer
	if !c.dryRun {
		if w, err = p.lock(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, w.Close()) }()
	}
	record, table, err := p.store.Latest()
	if errors.Is(err, history.ErrNone) {
		p.say("nothing was confirmed yet, so there is nothing to restore")
		return nil
	}
	if err != nil {
		return err
	}
	state, err := p.kernel.Read()
	if err != nil {
		return err
	}
	if left, pending := state.PendingLeft(); pending && left > 0 {
		p.say("a change waits to be confirmed for %s more, and is left alone", seconds(left))
		return nil
	}
	plan, err := apply.NewPlan(state, table)
	switch {
	case err != nil:
		return err
	case plan.Empty():
		p.say("state %d is in force already", record.Number)
		return nil
	case c.dryRun:
		p.say("state %d would be restored, with %s in the kernel; nothing was changed, because of --dry-run", record.Number, plural(len(plan.Differences), "change"))
		return nil
	}
	aim, err := p.stored(record, table, fmt.Sprintf("state %d", record.Number))
	if err != nil {
		return err
	}
	if _, err := apply.Apply(ctx, p.kernel, table, apply.Options{Plan: plan, Prove: proves(aim.rules), Journal: p.step}); err != nil {
		if back, ok := errors.AsType[apply.WentBack](err); ok {
			err = &exitError{exitRolledBack, fmt.Errorf("the old rules are in force again: %w", back.Cause)}
		}
		return err
	}
	p.say("restored state %d with %s in the kernel", record.Number, plural(len(plan.Differences), "change"))
	return w.DropPending()
}
