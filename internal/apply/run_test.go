//go:build linux

// Rules are encoded on Linux only.

package apply

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
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
						t.Errorf("%v, %d attempts, %v, %v", err, out.Attempts, p.Differences, errPlan)
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
