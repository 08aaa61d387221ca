package apply

import (
	"errors"
	"testing"
	"time"

	"portolan/internal/kernel"
	"portolan/internal/nft"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// TestConfirmLosesNothing: what is confirmed was in force before, so no packet notices. The
// moment in which one could is short; TestConfirmKeepsTheGateOpen says how it is avoided.
func TestConfirmLosesNothing(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		l, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		old, now := opens(9001), opens(9000)
		flows := []kernel.Flow{{Name: "new", Proto: 17, Peer: kernel.PeerV4, Port: 9000, Allowed: true}, {Name: "old", Proto: 17, Peer: kernel.PeerV4, Port: 9001}}
		for range 15 {
			if _, err := Apply(t.Context(), k, old, Options{}); err != nil {
				t.Fatal(err)
			}
			if _, err := Apply(t.Context(), k, now, Options{Within: time.Minute}); err != nil {
				t.Fatal(err)
			}
			tally, err := l.During(flows, 400_000, func() error {
				_, err := Confirm(t.Context(), k, now, Options{})
				return err
			})
			if err == nil {
				err = tally.Err()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// opens is a table that accepts one UDP port and drops the rest.
func opens(p uint16) *nft.Table {
	return &nft.Table{Bases: []*nft.Base{{Name: "input", Hook: "input", Priority: nft.Filter, Policy: ruleset.Drop, Rules: []nft.Rule{
		{Proto: 17, Ports: []port.Range{port.Single(p)}, Verdict: ruleset.Accept, Comment: "one"}, {Verdict: ruleset.Drop, Comment: "the rest"},
	}}}}
}

// A recorder keeps the batches that were committed.
type recorder struct {
	Firewall
	batches []Batch
}

func (r *recorder) Commit(generation uint32, b Batch) error {
	r.batches = append(r.batches, b)
	return r.Firewall.Commit(generation, b)
}

// TestConfirmKeepsTheGateOpen: the batch that takes the gates away leaves the elements where
// packets find them that are on their way through a gate.
func TestConfirmKeepsTheGateOpen(t *testing.T) {
	r := &recorder{Firewall: newFake(t)}
	if _, err := Apply(t.Context(), r, opens(1), Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(t.Context(), r, opens(2), Options{Within: time.Minute}); err != nil {
		t.Fatal(err)
	}
	r.batches = nil
	if _, err := Confirm(t.Context(), r, opens(2), Options{}); err != nil {
		t.Fatal(err)
	}
	out, in := 0, 0
	for _, c := range r.batches[0] {
		switch c := c.(type) {
		case DeleteElements:
			out += len(c.Elements)
		case AddElements:
			in += len(c.Elements)
		case DeleteSet:
			t.Errorf("set %s goes with the gates", c.Name)
		}
	}
	if out != 2 || in != 2 {
		t.Errorf("%d elements are taken out and %d put in: %v", out, in, r.batches)
	}
	if s := read(t, r); len(s.Sets) > 0 {
		t.Errorf("left behind: %v", s.Sets)
	}
}

// TestConfirmAtTheLastMoment: who confirms while the time runs out is told what is so: the new
// rules are in force, or the old ones, for good. Everything else that may be said says that it
// is not known, and nothing says it here.
func TestConfirmAtTheLastMoment(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, nil, func(t *testing.T) {
		k := open(t)
		inForce := func(want *nft.Table) bool {
			p, err := NewPlan(read(t, k), want)
			if err != nil {
				t.Fatal(err)
			}
			return p.Empty()
		}
		const window, least, most = 60 * time.Millisecond, time.Millisecond / 6, 8 * time.Millisecond
		kept, expired := 0, 0
		// Whoever was too early comes later the next time, and earlier who was too late: by little
		// around the moment, and by more where a busy machine is far from it.
		at, step := time.Duration(0), least
		for i := range 60 {
			if _, err := Apply(t.Context(), k, opens(1), Options{}); err != nil {
				t.Fatal(err)
			}
			armed, err := Apply(t.Context(), k, opens(2), Options{Within: window})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(armed.Until) + at)
			was := step > 0
			switch _, err := Confirm(t.Context(), k, opens(2), Options{}); {
			case err == nil:
				kept++
				step = max(step, -step)
				time.Sleep(window / 4)
				if !inForce(opens(2)) {
					t.Fatalf("%d: it is kept, and is not in force", i)
				}
			case errors.Is(err, ErrExpired):
				expired++
				step = min(step, -step)
				if _, err := Back(t.Context(), k); err != nil {
					t.Fatal(err)
				}
				if !inForce(opens(1)) {
					t.Fatalf("%d: it is expired, and the old rules are not in force: %+v", i, read(t, k).Chains)
				}
			default:
				t.Fatalf("%d: %v", i, err)
			}
			if step > 0 == was {
				step = max(-most, min(2*step, most))
			} else {
				step = least * step / max(step, -step)
			}
			at += step
		}
		if kept < 5 || expired < 5 {
			t.Errorf("%d were kept and %d expired: the moment was missed", kept, expired)
		}
	})
}
