package pilot

import (
	"os/exec"
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

// walk goes from each kind of change to each other one, as far as the number goes: it leaves
// each one by another way each time, and so has gone all ways after some time.
func walk(names []string, n int) []string {
	var out []string
	last := make([]int, len(names))
	for at := 0; len(out) < n; {
		last[at] = last[at]%(len(names)-1) + 1
		at = (at + last[at]) % len(names)
		out = append(out, names[at])
	}
	return out
}

// TestReplacements replaces the firewall again and again while packets come and go: none that
// all policies allow is lost, and none that all forbid comes through. One of sixteen
// changes is armed and then confirmed, and one is given up first.
func TestReplacements(t *testing.T) {
	inStreams(t, func(t *testing.T, p *place) {
		n := counts(t, 40, 1000)
		var cycle []string
		paths := map[string]string{}
		for _, v := range variants {
			paths[v.name] = p.policy(v.name, variant(v.holes))
			p.do(p.apply(paths[v.name])) // each is fine by itself
			p.means(paths[v.name])
			if v.name != "open" && v.name != "off" {
				cycle = append(cycle, v.name)
			}
		}
		ways, inPlace := map[string]bool{}, 0
		for _, c := range []struct {
			name  string
			order []string
			leave func(kernel.Flow) bool // flows of which the policies say different things
		}{
			{"all kinds of change", walk(cycle, n-n/5), func(kernel.Flow) bool { return false }},
			{"what may leave", slices.Repeat([]string{"open", "a"}, n/20), func(f kernel.Flow) bool { return f.Out && !f.Allowed }},
			{"IPv6", slices.Repeat([]string{"off", "a"}, n/20), func(f kernel.Flow) bool { return f.Peer.Is6() && f.Allowed && !f.Known }},
		} {
			p.do(p.apply(paths["a"]))
			now := "a"
			start := time.Now()
			tally, err := p.link.During(slices.DeleteFunc(streams(), c.leave), rate, func() error {
				for i, v := range c.order {
					cmds := []*exec.Cmd{p.apply(paths[v])}
					switch i % 16 {
					case 7:
						cmds = []*exec.Cmd{p.arm(paths[v], armedFor), p.confirm()}
					case 15:
						cmds = []*exec.Cmd{p.arm(paths[v], armedFor), p.back(), p.apply(paths[v])}
					}
					before, err := kernel.Generation()
					if err != nil {
						return err
					}
					for _, cmd := range cmds {
						if err := done(t.Context(), cmd); err != nil {
							return err
						}
					}
					if after, err := kernel.Generation(); err != nil {
						return err
					} else if after == before+1 {
						inPlace++
					}
					ways[now+" to "+v] = true
					now = v
				}
				return nil
			})
			p.must(err)
			sent, missing, lost, leaked := tally.Sum()
			took := time.Since(start)
			t.Logf("%s: %d replacements, %v each, %d packets in %v: %d did not arrive, %d lost, %d leaked", c.name, len(c.order),
				(took / time.Duration(len(c.order))).Round(100*time.Microsecond), sent, tally.Took.Round(time.Millisecond), missing, lost, leaked)
			if err := tally.Err(); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if sent < 20*len(c.order) {
				t.Errorf("%s: %d packets are too few to see anything", c.name, sent)
			}
			p.must(p.tidy(paths[now]))
		}
		t.Logf("%d ways from one policy to another, %d changes of elements where they are", len(ways), inPlace)
		if inPlace == 0 {
			t.Error("no elements were changed where they are")
		}
		if all := len(cycle)*(len(cycle)-1) + 4; n == 1000 && len(ways) < all {
			t.Errorf("%d ways from one policy to another were gone, of %d", len(ways), all)
		}
	})
}

// TestStreamSees: what is known to lose packets is seen to lose these.
func TestStreamSees(t *testing.T) {
	inStreams(t, func(t *testing.T, p *place) {
		text, talk, code := p.portolan("render", "--to", "nftables", "--policy", p.policy("a", variant(variants[0].holes)), "--root", p.root)
		if code != 0 {
			t.Fatal(talk)
		}
		whole := "table inet portolan\ndelete table inet portolan\n" + text
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

// TestStreamOfWindow: what old and new rules allow is let in while a change is armed, when it is
// given up, and when it expires with nobody there; what both forbid is not.
func TestStreamOfWindow(t *testing.T) {
	inStreams(t, func(t *testing.T, p *place) {
		old := p.policy("a", variant(variants[0].holes))
		p.do(p.apply(old))
		kinds := []string{"elements", "limit", "notrack", "denies", "all", "off"}
		kinds = kinds[:counts(t, 1, len(kinds))]
		for _, v := range variants {
			if !slices.Contains(kinds, v.name) {
				continue
			}
			flows := slices.DeleteFunc(streams(), func(f kernel.Flow) bool {
				return v.name == "off" && f.Peer.Is6() && f.Allowed && !f.Known
			})
			p.expires(old, p.policy("new", variant(v.holes)), v.name, flows)
		}
		p.expires(old, p.policy("closed", closed), "closed", slices.DeleteFunc(streams(), func(f kernel.Flow) bool {
			return f.Out || f.Allowed && !strings.HasPrefix(f.Name, "web") && !strings.HasPrefix(f.Name, "ssh") && !f.Known
		}))
	})
}

// expires arms a policy over another one and lets the time go by, while packets come and go.
func (p *place) expires(old, new, name string, flows []kernel.Flow) {
	p.t.Helper()
	const window, turns, enough = time.Second, 10, rate / 10
	all := 0
	for i := 0; i < turns && all < enough; i++ { // a busy machine sends little in a time
		tally, err := p.link.During(flows, rate, func() error {
			if err := done(p.t.Context(), p.arm(new, window)); err != nil {
				return err
			}
			time.Sleep(window + 50*time.Millisecond)
			return nil
		})
		p.must(err)
		sent, _, _, _ := tally.Sum()
		all += sent
		p.t.Logf("%s: %d packets in %v", name, sent, tally.Took.Round(time.Millisecond))
		if err := tally.Err(); err != nil {
			p.t.Errorf("%s: %v", name, err)
		}
		p.means(old)
		p.do(p.back())
		p.must(p.tidy(old))
	}
	if all < enough {
		p.t.Errorf("%s: this machine sends no more than %d packets in %d turns, too few to see anything", name, all, turns)
	}
}

// TestStreamOfFirst puts the table in and takes it away again and again while allowed packets come
// and go: none of them is lost. Those of connections that were tracked before are another matter: with
// the table goes what the kernel knew of them.
func TestStreamOfFirst(t *testing.T) {
	inStreams(t, func(t *testing.T, p *place) {
		policy := p.policy("a", variant(variants[0].holes))
		p.do(p.apply(policy))
		turns, asleep := counts(t, 10, 200), 0
		flows := slices.DeleteFunc(streams(), func(f kernel.Flow) bool { return !f.Allowed || f.Known })
		tally, err := p.link.During(flows, rate, func() error {
			for range turns {
				if err := done(t.Context(), p.changing("rollback", "0", "--yes", "--no-confirm")); err != nil {
					return err
				}
				before, err := kernel.Generation()
				if err != nil {
					return err
				}
				if err := done(t.Context(), p.apply(policy)); err != nil {
					return err
				}
				if after, err := kernel.Generation(); err != nil {
					return err
				} else if after == before+2 {
					asleep++
				}
			}
			return nil
		})
		p.must(err)
		sent, missing, lost, _ := tally.Sum()
		t.Logf("%d turns, %d packets in %v: %d did not arrive, %d lost", turns, sent, tally.Took.Round(time.Millisecond), missing, lost)
		if err := tally.Err(); err != nil {
			t.Error(err)
		}
		if sent < 20*turns {
			t.Errorf("%d packets are too few to see anything", sent)
		}
		if asleep != turns {
			t.Errorf("of %d first tables %d were made in two batches, asleep and then woken up", turns, asleep)
		}
		p.means(policy)
		p.must(p.tidy(policy))
	})
}
