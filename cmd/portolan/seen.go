package main

import (
	"portolan/internal/apply"
	"portolan/internal/history"
	"portolan/internal/netlink"
)

// look is the view of a change, from what is remembered of the kernel where that is enough: counters
// of rules that are written anew go on, and they may have moved since. It says whether the kernel
// was read.
func (p *pilot) look(find func(free func()) (*aim, error), meanwhile func(*view)) (v *view, read bool, err error) {
	v, err = p.view(func() (*live, error) {
		if l := p.seen(); l != nil {
			return l, nil
		}
		read = true
		return p.quiet()
	}, find, meanwhile)
	if err != nil || read || !v.plan.NeedsCounters() {
		return v, read, err
	}
	found := v.aim
	v, err = p.view(p.quiet, func(func()) (*aim, error) { return found, nil }, meanwhile)
	return v, true, err
}

// seen is what the kernel has, if that is what was remembered of it when it was read the last time, but
// for its counters: then nobody has changed any table since, as the kernel itself says. It is nil
// when it has to be read.
func (p *pilot) seen() *live {
	generation, err := p.kernel.Generation()
	if err != nil {
		return nil
	}
	moment := p.kernel.Moment(generation)
	if moment == "" {
		return nil
	}
	hash, data := p.store.Seen(moment)
	raw, err := netlink.ReadTable(data)
	if err != nil {
		return nil
	}
	raw.Generation = generation
	l := liveOf(apply.Decode(raw))
	l.hash = func() string { return hash }
	return l
}

// remember remembers what the kernel has, with its hash, so that it need not be read again as long as nobody
// changes anything. Where it cannot be written, it is read again: nobody has to be told that.
func (p *pilot) remember(w *history.Writer, s *apply.State, hash string) {
	if moment := p.kernel.Moment(s.Generation); moment != "" && s.Raw != nil {
		_ = w.SetSeen(moment, hash, s.Raw)
	}
}
