package render

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"portolan/internal/addr"
	"portolan/internal/kernel"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// seedsVariable says how many generated policies each loader is tried with.
const seedsVariable = "PORTOLAN_KERNEL_SEEDS"

// seeds is how many when nobody says: a few, so that the tests stay quick.
const seeds = 1

func TestKernelGeneratedPlain(t *testing.T) { generated(t, plain) }

func TestKernelGeneratedNftables(t *testing.T) { generated(t, loaders[0]) }

func TestKernelGeneratedSnippet(t *testing.T) { generated(t, snippet) }

func TestKernelGeneratedIptablesNft(t *testing.T) { generated(t, loaders[1]) }

func TestKernelGeneratedIptablesLegacy(t *testing.T) { generated(t, loaders[2]) }

// generated loads policies that nobody has thought of, each over the one before, and sweeps
// the host from inside and outside of every zone and outwards.
func generated(t *testing.T, l loader) {
	inNamespace(t, l.programs, func(t *testing.T) {
		n, whole := seeds, 1
		if l.name == plain.name || l.name == snippet.name { // some ports are enough
			whole = 0
		}
		if text := os.Getenv(seedsVariable); text != "" {
			var err error
			if n, err = strconv.Atoi(text); err != nil || n < 1 {
				t.Fatalf("%s is %q: use a number of policies", seedsVariable, text)
			}
		}
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		open, start := 0, time.Now()
		var longest time.Duration
		for seed := 1; seed <= n; seed++ {
			rs, began := genPolicy(uint64(seed)), time.Now()
			l.load(t, rs)
			bad, opened := differences(t, link, rs, kernel.ProbesOf(rs, seed, whole, 12)...)
			open += opened
			longest = max(longest, time.Since(began))
			if len(bad) > 0 {
				smaller := l.shrink(t, link, rs, bad[0].Probe)
				t.Errorf("seed %d: %d ports differ, such as %s; so they do with\n%s", seed, len(bad), bad[0].Text, plainText(t, smaller))
				return // what is loaded now is not what would have been
			}
		}
		if open/n < 20 {
			t.Errorf("%d ports are open in %d policies: too few to try anything", open, n)
		}
		t.Logf("%s: %d policies, %v each, at most %v", l.name, n, (time.Since(start) / time.Duration(n)).Round(time.Millisecond), longest.Round(time.Millisecond))
	})
}

// shrink leaves out every rule without which the kernel and the ruleset still disagree about
// a probe.
func (l loader) shrink(t *testing.T, link *kernel.Link, rs *ruleset.Ruleset, p kernel.Probe) *ruleset.Ruleset {
	t.Helper()
	for _, d := range []ruleset.Direction{ruleset.In, ruleset.Out} {
		for i := len(rs.Chain(d).Rules) - 1; i >= 0; i-- {
			smaller := *rs
			chain := smaller.Chain(d)
			chain.Rules = slices.Delete(slices.Clone(chain.Rules), i, i+1)
			l.load(t, &smaller)
			if bad, _ := differences(t, link, &smaller, p); len(bad) > 0 {
				rs = &smaller
			}
		}
	}
	l.load(t, rs)
	return rs
}

// A policyGen makes rulesets of the kind that package compile makes.
type policyGen struct {
	*rand.Rand
	zones []addr.Set
}

// genPolicy is always the same for a seed. Every packet of a sweep asks it once, so limits are
// wide and connections are not counted: both have tests of their own.
func genPolicy(seed uint64) *ruleset.Ruleset {
	g := &policyGen{Rand: rand.New(rand.NewPCG(seed, 7))}
	for range 2 + g.IntN(4) {
		g.zones = append(g.zones, g.zone())
	}
	g.zones = append(g.zones, addr.All())
	rs := &ruleset.Ruleset{Files: []string{fmt.Sprintf("etc/seed-%d.conf", seed)}, Input: ruleset.Chain{Default: ruleset.Drop, Rules: builtin()}}
	if g.IntN(8) == 0 { // additive
		rs.Input.Default = ruleset.Accept
		rs.Input.Rules = slices.DeleteFunc(rs.Input.Rules, func(r ruleset.Rule) bool { return r.Name == "invalid" })
	}
	for i := range 3 + g.IntN(10) {
		r := g.rule(fmt.Sprintf("allow %d", i))
		if r.Effect.Verdict == ruleset.Accept && g.IntN(5) == 0 {
			r.Effect.Limit = ruleset.Limit{Rate: ruleset.Rate{Count: 1_000_000, Period: "second"}, Burst: 1_000_000, PerSource: true, Name: fmt.Sprintf("wide_%d", i)}
		}
		rs.Input.Rules = append(rs.Input.Rules, r)
	}
	log := ruleset.Rule{Name: "log", Match: ruleset.Any(), Effect: ruleset.Effect{
		Verdict: ruleset.Continue, Log: ruleset.Log{Rate: ruleset.Rate{Count: 5, Period: "minute"}, Burst: 5, Prefix: "portolan drop: "},
	}}
	if g.IntN(3) == 0 {
		rs.Input.Rules = append(rs.Input.Rules, log)
	}
	if g.IntN(2) == 0 {
		rs.Output = ruleset.Chain{Default: ruleset.Drop, Rules: outward()}
		for i := range 1 + g.IntN(6) {
			r := g.rule(fmt.Sprintf("connect %d", i))
			if g.IntN(3) == 0 {
				r.Match.SourcePorts = g.ports()
				if g.IntN(2) == 0 {
					r.Match.Ports = port.All()
				}
			}
			rs.Output.Rules = append(rs.Output.Rules, r)
		}
		if g.IntN(3) == 0 {
			rs.Output.Rules = append(rs.Output.Rules, log)
		}
	}
	if g.IntN(3) == 0 {
		// Media of some zone, before all that asks for connections.
		first := uint16(10000 + 2*g.IntN(10000))
		media := port.Of(port.Range{First: first, Last: first + uint16(1+2*g.IntN(400))})
		rs.Untracked = media
		in := service("media", "", port.UDP, media.String(), g.zones[0])
		rs.Input.Rules = slices.Insert(rs.Input.Rules, 0, in)
		if rs.FiltersOutput() {
			out := in
			out.Match.Ports, out.Match.SourcePorts = port.All(), media
			rs.Output.Rules = slices.Insert(rs.Output.Rules, 0, out)
		}
	}
	return rs
}

// rule is an allow, or now and then a deny, for a zone, by one interface or all.
func (g *policyGen) rule(name string) ruleset.Rule {
	m := ruleset.Any()
	m.Protos, m.Ports, m.Peers = ruleset.BytesOf(uint8(port.Protos[g.IntN(2)])), g.ports(), g.zones[g.IntN(len(g.zones))]
	if g.IntN(5) == 0 {
		m.Interfaces = ruleset.InterfacesOf([][]string{{kernel.HostInterface}, {kernel.OtherInterface}, {kernel.HostInterface, "eth7"}}[g.IntN(3)]...)
	}
	e := ruleset.Effect{Verdict: ruleset.Accept}
	if g.IntN(5) == 0 {
		e.Verdict = ruleset.Drop
	}
	return ruleset.Rule{Name: name, Comment: name + " etc/seed.conf:3", Match: m, Effect: e}
}

// ports are a few ports and ranges, near each other now and then.
func (g *policyGen) ports() port.Set {
	var ranges []port.Range
	for range 1 + g.IntN(3)*g.IntN(9) {
		first := []int{g.IntN(65536), 5060 + g.IntN(20), 10000 + g.IntN(500), 0, 65535}[g.IntN(5)]
		if g.IntN(3) > 0 {
			first = g.IntN(65000)
		}
		ranges = append(ranges, port.Range{First: uint16(first), Last: uint16(min(first+[]int{0, 0, 1, 7, 400, 5000}[g.IntN(6)], port.Max))})
	}
	return port.Of(ranges...)
}

// zone is networks, ranges and single addresses of one family or both, less what is excepted.
func (g *policyGen) zone() addr.Set {
	var s, except addr.Set
	family := g.IntN(4) // 0: IPv4 alone, 1: IPv6 alone
	for range 1 + g.IntN(2)*g.IntN(12) {
		six := family == 1 || family > 1 && g.IntN(2) == 0
		whole := g.network(six)
		s = s.Union(whole)
		if g.IntN(3) == 0 { // a part of it
			r := whole.Ranges()[0]
			except = except.Union(addr.OfRanges(addr.Range{First: r.First, Last: r.First}))
			if inner := addr.Of(netip.PrefixFrom(r.Last, min(r.Last.BitLen(), 20+g.IntN(100))).Masked()); g.IntN(2) == 0 {
				except = except.Union(inner)
			}
		}
	}
	if out := s.Minus(except); !out.IsEmpty() {
		return out
	}
	return s
}

func (g *policyGen) network(six bool) addr.Set {
	a := netip.AddrFrom4([4]byte{10, byte(g.IntN(4)), byte(g.IntN(4) * 64), byte(g.IntN(256))})
	bits := 8 + g.IntN(25)
	if six {
		a = netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 0, byte(g.IntN(4)), 7: byte(g.IntN(3)), 15: byte(g.IntN(256))})
		bits = 40 + g.IntN(89)
	}
	if g.IntN(4) == 0 { // a range
		last := a
		for range g.IntN(60) {
			last = last.Next()
		}
		return addr.OfRanges(addr.Range{First: a, Last: last})
	}
	return addr.Of(netip.PrefixFrom(a, bits).Masked())
}
