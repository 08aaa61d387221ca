package pilot

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"portolan/internal/kernel"
)

// rate is how many packets a second the streams have together.
const rate = 60000

// inStreams is inNamespace for tests that need two processors.
func inStreams(t *testing.T, body func(t *testing.T, p *place)) {
	if _, _, err := kernel.Processors(); err != nil {
		kernel.Need(t)(err.Error())
	}
	inNamespace(t, body)
}

// TestReplacements replaces the firewall again and again while packets come and go: none that
// all policies allow is lost, and none that all forbid comes through.
func TestReplacements(t *testing.T) {
	inStreams(t, func(t *testing.T, p *place) {
		n := counts(t, 110, 1000)
		var cycle []string
		paths := map[string]string{}
		for _, v := range variants {
			paths[v.name] = p.policy(v.name, variant(v.holes))
			p.do(change.apply(p, paths[v.name])) // each is fine by itself
			p.means(paths[v.name])
			if v.name != "open" {
				cycle = append(cycle, v.name)
			}
		}
		// From each kind of change to each other one, as far as the number goes.
		var order []string
		for step := 1; len(order) < n-n/10; step = step%(len(cycle)-1) + 1 {
			for i := range cycle {
				order = append(order, cycle[i*step%len(cycle)])
			}
		}
		leaving := func(f kernel.Flow) bool { return f.Out && !f.Allowed }
		for _, c := range []struct {
			name  string
			order []string
			flows []kernel.Flow
		}{
			{"all kinds of change", order[:n-n/10], streams()},
			{"what may leave", slices.Repeat([]string{"open", "a"}, n/20), slices.DeleteFunc(streams(), leaving)},
		} {
			p.do(change.apply(p, paths["a"]))
			start := time.Now()
			tally, err := p.link.During(c.flows, rate, func() error {
				for _, v := range c.order {
					if err := done(t.Context(), change.apply(p, paths[v])); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			sent, missing, lost, leaked := tally.Sum()
			took := time.Since(start)
			t.Logf("%s by %s: %d replacements, %v each, %d packets in %v: %d did not arrive, %d lost, %d leaked", c.name, change.name(), len(c.order),
				(took / time.Duration(len(c.order))).Round(100*time.Microsecond), sent, tally.Took.Round(time.Millisecond), missing, lost, leaked)
			if err := tally.Err(); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if sent < 20*len(c.order) {
				t.Errorf("%s: %d packets are too few to see anything", c.name, sent)
			}
			p.means(paths[c.order[len(c.order)-1]])
		}
	})
}

// TestStreamSees: what is known to lose packets is seen to lose these.
func TestStreamSees(t *testing.T) {
	inStreams(t, func(t *testing.T, p *place) {
		text, err := os.ReadFile(byNft{}.text(p, p.policy("a", variant(variants[0].holes))))
		if err != nil {
			t.Fatal(err)
		}
		whole := "table inet portolan\ndelete table inet portolan\n" + string(text)
		load := func() error { _, err := kernel.Run(whole, "nft", "-f", "-"); return err }
		if err := load(); err != nil {
			t.Fatal(err)
		}
		for n := range 40 { // a loss lasts for some microseconds, and may fall between packets
			tally, err := p.link.During(streams(), rate, func() error {
				for range 10 {
					if err := load(); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, _, lost, _ := tally.Sum(); lost > 0 {
				t.Logf("%d packets lost in up to %d replacements: %v", lost, 10*(n+1), tally.Err())
				return
			}
		}
		t.Error("a table that is deleted and made again loses no packet: nothing is seen")
	})
}

// TestStreamOfWindow: what old and new rules allow is let in while a change is armed, when it
// is given up, and when it expires with nobody there; what both forbid is not.
func TestStreamOfWindow(t *testing.T) {
	inStreams(t, func(t *testing.T, p *place) {
		old, new := p.policy("a", variant(variants[0].holes)), p.policy("closed", closed)
		p.do(change.apply(p, old))
		flows := slices.DeleteFunc(streams(), func(f kernel.Flow) bool {
			return f.Out || f.Allowed && !strings.HasPrefix(f.Name, "web") && !f.Known
		})
		const window = 2 * time.Second
		arm, back := change.arm(p, new, window), change.back(p)
		tally, err := p.link.During(flows, rate, func() error {
			if err := done(t.Context(), arm); err != nil {
				return err
			}
			if err := done(t.Context(), back); err != nil {
				return err
			}
			if err := done(t.Context(), change.arm(p, new, window)); err != nil {
				return err
			}
			time.Sleep(window + 200*time.Millisecond)
			return done(t.Context(), change.back(p))
		})
		if err != nil {
			t.Fatal(err)
		}
		sent, _, _, _ := tally.Sum()
		t.Logf("by %s: %d packets in %v", change.name(), sent, tally.Took.Round(time.Millisecond))
		if err := tally.Err(); err != nil {
			t.Error(err)
		}
		if sent < rate/10 {
			t.Errorf("%d packets are too few to see anything", sent)
		}
		p.means(old)
	})
}
