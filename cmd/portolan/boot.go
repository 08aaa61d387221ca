package main

import (
	"context"
	"errors"
	"fmt"

	"portolan/internal/apply"
	"portolan/internal/history"
	"portolan/internal/nft"
)

// otherStates are what to do where the last state cannot be read.
const otherStates = "portolan apply makes a new one, and portolan rollback N goes to another one of portolan status --history"

// boot restores the last confirmed state: at the start of a host, and when somebody changed it
// by hand. Nobody is asked, and no session is looked for: it was confirmed.
func (p *pilot) boot(ctx context.Context, c change) (err error) {
	if err := p.open(); err != nil {
		return err
	}
	defer p.close(&err)
	var w *history.Writer
	if !c.dryRun {
		// A disk with faults can only be read, and the host is not to be open because of it.
		if w, err = p.lockIfWritable(ctx, "what was kept can only be read, so nothing is remembered"); err != nil {
			return err
		}
	}
	if w != nil {
		defer func() { err = errors.Join(err, w.Close()) }()
	}
	state, err := p.state()
	if err != nil {
		return err
	}
	if left, pending := state.PendingLeft(); pending && left > 0 {
		p.say("a change waits to be confirmed for %s more, and is left alone", seconds(left))
		return nil
	}
	record, table, err := p.store.Latest()
	switch {
	case errors.Is(err, history.ErrNone):
		p.say("nothing was confirmed yet, so there is nothing to restore")
		return nil
	case err != nil && state.Exists:
		// An older state may close what is in use by now.
		return fmt.Errorf("the last confirmed state cannot be restored, so the table that the kernel has is left as it is: %w; %s", err, otherStates)
	case err != nil:
		// But it is better than no firewall: somebody was on the host behind it. That it is not
		// what was asked for is for whoever looks at the exit code.
		broken := err
		if record, table, err = p.olderWhole(); err != nil {
			return fmt.Errorf("there is no firewall, because no state can be restored: %w; %w; %s", broken, err, otherStates)
		}
		p.say("warning: the last confirmed state cannot be restored, so an older one, %s, is taken: %s", recordName(&record), broken)
		defer func() {
			if err == nil {
				err = fmt.Errorf("an older firewall than the last confirmed one is in force: apply a policy anew: %w", broken)
			}
		}()
	}
	plan, err := apply.NewPlan(state, table)
	if err != nil {
		return err
	}
	prove := func(s *apply.State) error {
		aim, err := p.stored(record, table, fmt.Sprintf("state %d", record.Number))
		if err != nil {
			return err
		}
		return proves(aim.rules)(s)
	}
	switch {
	case plan.Empty():
		if state.Hash() != record.State { // that one was proved when it was kept
			if err := prove(state); err != nil {
				return err
			}
		}
		p.say("state %d is in force already", record.Number)
		return nil
	case c.dryRun:
		p.say("state %d would be restored, with %s in the kernel; nothing was changed, because of --dry-run", record.Number, plural(plan.Changes(), "change"))
		return nil
	}
	if _, err := apply.Apply(ctx, p.kernel, table, apply.Options{Plan: plan, Prove: prove, Journal: p.step}); err != nil {
		return wentBack(err)
	}
	p.say("restored state %d with %s in the kernel", record.Number, plural(plan.Changes(), "change"))
	if w == nil {
		return nil
	}
	return w.DropPending()
}

// olderWhole is the newest state that can be used.
func (p *pilot) olderWhole() (history.Record, *nft.Table, error) {
	list, err := p.store.List()
	if err != nil {
		return history.Record{}, nil, err
	}
	for _, k := range list.Kept {
		if k.Err != nil {
			continue
		}
		// The list knows the file to be as it was written; whether its table is one, too, is
		// known when it is loaded.
		if record, table, err := p.store.Load(k.Number); err == nil && table != nil {
			return record, table, nil
		}
	}
	return history.Record{}, nil, errors.New("none of those that are kept is whole")
}
