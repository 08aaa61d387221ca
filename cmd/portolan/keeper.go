package main

import (
	"fmt"
	"sync"
	"time"

	"portolan/internal/apply"
	"portolan/internal/history"
	"portolan/internal/nft"
)

// A keeper remembers one change: what is about to be, and then what is in force. It writes while the
// kernel and the proof are at work.
type keeper struct {
	*pilot
	w      *history.Writer
	record history.Record // of the change, without what is known only when it is in force
	table  *nft.Table
	stages bool // what is proved first is what is kept, as a rule, so it may be written at once

	written func() error                   // what is about to be
	state   *apply.State                   // that is proved
	ready   func() (history.Record, error) // of that state
}

// announce begins to write down what is about to be, for as long as it is to wait for somebody who
// confirms it: who is killed behind it leaves a trace. Once is enough.
func (k *keeper) announce(a *aim, within time.Duration) {
	if k.written != nil {
		return
	}
	if k.record, k.table = k.signed(a.record), a.table; within > 0 {
		k.record.Until = k.record.Time.Add(within)
	}
	k.written = sync.OnceValue(func() error { return k.w.SetPending(k.record, k.table) })
	go k.written()
}

// drop takes it away again.
func (k *keeper) drop() error {
	if k.written == nil {
		return nil
	}
	k.end()
	return k.w.DropPending()
}

// announced is an error when that could not be done.
func (k *keeper) announced() error {
	if err := k.written(); err != nil {
		return fmt.Errorf("nothing is changed, because it could not be remembered: %w", err)
	}
	return nil
}

// proves gets ready to keep a state, while somebody proves it.
func (k *keeper) proves(s *apply.State) {
	k.end()
	k.state = s
	k.ready = begin(func() (history.Record, error) {
		record := k.record
		record.State, record.Until = s.Hash(), time.Time{}
		if !k.stages || k.announced() != nil {
			return record, nil
		}
		return record, k.w.Stage(record, k.table)
	})
}

// end waits for what was begun.
func (k *keeper) end() {
	if k.written != nil {
		k.written()
	}
	if k.ready != nil {
		k.ready()
	}
}

// keep remembers the state that is in force for good, unless it is the last one that was kept.
func (k *keeper) keep(after *apply.State, last *history.Record) error {
	if after != k.state { // something was taken away behind what was proved
		k.end()
		k.stages = false
		k.proves(after)
	}
	record, err := k.ready()
	var beside sync.WaitGroup
	beside.Go(func() { k.remember(k.w, after, record.State) })
	defer beside.Wait()
	if last != nil && last.State == record.State && last.Ruleset == record.Ruleset && last.PolicySum == record.PolicySum {
		k.say("in force and proved, as state %d", last.Number) // what was changed by hand, or left over, is gone
		return k.w.DropPending()
	}
	keep := k.w.KeepStaged
	if !k.stages || err != nil {
		keep = func() (history.Record, error) { return k.w.Keep(record, k.table) }
	}
	return k.kept(keep, k.w.DropKept)
}

// kept remembers what is in force for good, and drops what waited.
func (p *pilot) kept(keep func() (history.Record, error), drop func() error) error {
	kept, err := keep()
	if err != nil {
		return unremembered(err)
	}
	p.say("in force and proved, remembered as state %d", kept.Number)
	return drop()
}
