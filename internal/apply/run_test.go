//go:build linux

// Rules are encoded on Linux only.

package apply

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"portolan/internal/nft"
)

// A crowd is a firewall where somebody else changes a table before every batch of some kind.
type crowd struct {
	*fake
	before func(Batch) bool
}

func (c *crowd) Commit(generation uint32, b Batch) error {
	if c.before(b) {
		c.fake.generation = following(c.fake.generation)
	}
	return c.fake.Commit(generation, b)
}

// tidies reports whether a batch only takes away.
func tidies(b Batch) bool {
	for _, c := range b {
		switch c.(type) {
		case DeleteSet, DeleteChain, FlushChain, DeleteLimit:
		default:
			return false
		}
	}
	return true
}

// TestFirst puts a table where none was, or one that sleeps, and has something go wrong on the way.
func TestFirst(t *testing.T) {
	no := errors.New("no")
	for name, c := range map[string]struct {
		asleep bool        // there is an old one, which sleeps
		spoil  func(*fake) // behind the first batch
		prove  func(context.CancelFunc) error
		err    error // nil when it comes into force all the same
		went   bool
	}{
		"well":              {},
		"well, an old one":  {asleep: true},
		"not proved":        {prove: func(context.CancelFunc) error { return no }, err: no, went: true},
		"cancelled":         {prove: func(cancel context.CancelFunc) error { cancel(); return nil }, err: context.Canceled},
		"others change":     {spoil: func(f *fake) { f.generation++ }},
		"it is changed":     {spoil: func(f *fake) { delete(f.table.sets, "src_b_v4"); f.generation++ }},
		"it is woken up":    {spoil: func(f *fake) { f.table.asleep = false; f.generation++ }},
		"it is taken away":  {spoil: func(f *fake) { f.table = nil; f.generation++ }},
		"an old one, spoil": {asleep: true, spoil: func(f *fake) { f.table = nil; f.generation++ }},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t).(*fake)
			if c.asleep {
				f.load(t, opens(1))
				f.table.asleep = true
			}
			w := &witness{fake: f}
			open := f.meaning()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			asked := 0
			out, err := Apply(ctx, w, small(), Options{Prove: func(s *State) error {
				if asked++; s.Dormant {
					t.Error("what is proved sleeps")
				}
				if asked == 1 && w.meaning() != open {
					t.Error("packets meet it before it is proved")
				}
				if asked == 1 && c.spoil != nil {
					c.spoil(f)
				}
				if c.prove != nil {
					return c.prove(cancel)
				}
				return nil
			}})
			if went := (WentBack{}); !errors.Is(err, c.err) || errors.As(err, &went) != c.went || asked == 0 {
				t.Fatalf("%v, asked %d times", err, asked)
			}
			if c.err != nil {
				if s := read(t, f); s.Exists || f.meaning() != open {
					t.Errorf("%+v is left", s)
				}
				return
			}
			s := read(t, f)
			if p, err := NewPlan(s, small()); err != nil || !p.Empty() || out.After.Hash() != s.Hash() || out.After.Generation != s.Generation {
				t.Errorf("%v, %v; generation %d, and %d is said", err, p.Differences(), s.Generation, out.After.Generation)
			}
			if quiet := c.spoil == nil; quiet && (out.Batches != 2 || out.Attempts != 1) {
				t.Errorf("%d batches, %d attempts", out.Batches, out.Attempts)
			}
		})
	}
}

// TestCrowd: whoever writes all the time to other tables cannot make a change that is in force
// look as if it were not. When nothing gets through, it ends, and says so.
func TestCrowd(t *testing.T) {
	for name, before := range map[string]func(Batch) bool{"tidying": tidies, "everything": func(Batch) bool { return true }} {
		for _, within := range []time.Duration{0, time.Minute} {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t).(*fake)
				if _, err := Apply(t.Context(), f, opens(1), Options{}); err != nil {
					t.Fatal(err)
				}
				c := &crowd{f, before}
				start := time.Now()
				out, err := Apply(t.Context(), c, opens(2), Options{Within: within})
				if err == nil && within > 0 {
					out, err = Confirm(t.Context(), c, opens(2), Options{})
				}
				inForce := f.meaning()
				clean := newFake(t).(*fake)
				for _, n := range []uint16{1, 2} {
					if _, e := Apply(t.Context(), clean, opens(n), Options{}); e != nil {
						t.Fatal(e)
					}
					if is := clean.meaning() == inForce; is != ((n == 2) == (err == nil)) {
						t.Errorf("%s: %v, and what opens %d is in force: %v", name, err, n, is)
					}
				}
				if name == "tidying" {
					if p, errPlan := NewPlan(read(t, f), opens(2)); err != nil || out.Attempts > attempts || errPlan != nil || !p.Empty() {
						t.Errorf("%v, %d attempts, %v, %v", err, out.Attempts, p.Differences(), errPlan)
					}
				} else if !errors.Is(err, ErrChanged) || out.Attempts != attempts {
					t.Errorf("%v, %d attempts", err, out.Attempts)
				}
				if d := time.Since(start); d > 3*time.Second {
					t.Errorf("it took %v", d)
				}
			})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t).(*fake)
		ctx, cancel := context.WithCancel(t.Context())
		c := &crowd{f, func(Batch) bool { cancel(); return true }}
		if _, err := Apply(ctx, c, opens(2), Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// TestBefore: who says no before packets can notice a change leaves everything as it was, and it is
// asked once, after what no packet meets.
func TestBefore(t *testing.T) {
	no := errors.New("no")
	other := small()
	other.Maps[0].Elements = other.Maps[0].Elements[:1]
	rewritten := small()
	rewritten.Bases[1].Rules = rewritten.Bases[1].Rules[1:]
	for name, c := range map[string]struct {
		old, new *nft.Table
		within   time.Duration
		crowd    bool // somebody else comes between once
	}{
		"first": {new: small()}, "first, others": {new: small(), crowd: true},
		"in place": {old: small(), new: other}, "in place, others": {old: small(), new: other, crowd: true},
		"rewritten": {old: small(), new: rewritten}, "to be confirmed": {new: small(), within: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			for _, answer := range []error{nil, no} {
				f := newFake(t).(*fake)
				if c.old != nil {
					f.load(t, c.old)
				}
				w := &witness{fake: f}
				if c.crowd {
					w.spoil = func(f *fake) { f.generation++ }
				}
				was, hash := f.meaning(), read(t, f).Hash()
				asked := 0
				_, err := Apply(t.Context(), w, c.new, Options{Within: c.within, Before: func() error {
					if asked++; f.meaning() != was {
						t.Error("packets notice it already")
					}
					return answer
				}})
				if !errors.Is(err, answer) || asked != 1 {
					t.Fatalf("%v, asked %d times", err, asked)
				}
				if went := (WentBack{}); errors.As(err, &went) {
					t.Error("nothing went back")
				}
				if now := read(t, f).Hash(); (now == hash) != (answer != nil) {
					t.Errorf("answer %v, and it is as before: %v", answer, now == hash)
				}
			}
		})
	}
}
