package ruleset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portolan/internal/addr"
	"portolan/internal/port"
)

// The generated rulesets only mention corners of the packet space, so that a walk over
// the corners and their neighbours sees every cell.
var (
	testSources = []string{"0.0.0.0/0", "10.0.0.0/30", "10.0.0.2", "10.0.0.0/31", "::/0", "2001:db8::/127", "2001:db8::1"}
	testAddrs   = []string{"0.0.0.0", "10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "255.255.255.255", "::", "2001:db8::", "2001:db8::1", "2001:db8::2"}
	testRanges  = []port.Range{{First: 0, Last: 0}, {First: 0, Last: 3}, {First: 2, Last: 5}, {First: 5, Last: 65535}, {First: 65534, Last: 65535}}
	testPorts   = []uint16{0, 1, 2, 3, 4, 5, 6, 65533, 65534, 65535}
	testTypes   = []uint8{0, 3, 8, 9, 255}
	testProtos  = []uint8{1, 6, 17, 47, 58, 132}
	testNames   = []string{Loopback, "eth1", "nobody"}
)

func genMatch(t *rapid.T) Match {
	m := Any()
	if rapid.Bool().Draw(t, "sources") {
		m.Peers = addr.Set{}
		for _, s := range rapid.SliceOfN(rapid.SampledFrom(testSources), 0, 2).Draw(t, "prefixes") {
			one, _ := addr.Parse(s)
			m.Peers = m.Peers.Union(one)
		}
	}
	if rapid.Bool().Draw(t, "ports") {
		m.Ports = port.Of(rapid.SliceOfN(rapid.SampledFrom(testRanges), 0, 2).Draw(t, "ranges")...)
	}
	if rapid.IntRange(0, 3).Draw(t, "from") == 0 {
		m.SourcePorts = port.Of(rapid.SampledFrom(testRanges).Draw(t, "source ports"))
	}
	if rapid.IntRange(0, 3).Draw(t, "types") == 0 {
		m.Types = BytesOf(rapid.SliceOfN(rapid.SampledFrom(testTypes), 0, 2).Draw(t, "numbers")...)
	}
	if rapid.Bool().Draw(t, "protos") {
		m.Protos = BytesOf(rapid.SliceOfN(rapid.SampledFrom(testProtos), 0, 2).Draw(t, "numbers")...)
	}
	if rapid.Bool().Draw(t, "states") {
		m.States = States(rapid.IntRange(0, int(AllStates)).Draw(t, "set"))
	}
	if rapid.IntRange(0, 3).Draw(t, "interfaces") == 0 {
		m.Interfaces = InterfacesOf(rapid.SampledFrom(testNames[:2]).Draw(t, "name"))
	}
	return m
}

func genEffect(t *rapid.T) Effect {
	return rapid.SampledFrom([]Effect{
		{Verdict: Accept}, {Verdict: Accept}, {Verdict: Drop}, {Verdict: Drop},
		{Verdict: Accept, Limit: Limit{Rate: Rate{10, "minute"}, Burst: 5, Name: "a"}},
		{Verdict: Accept, Connections: Connections{Count: 5, PerSource: true, Name: "c"}},
		{Verdict: Continue, Log: Log{Rate: Rate{5, "minute"}, Burst: 5, Prefix: "x"}},
	}).Draw(t, "effect")
}

func genChain(t *rapid.T) Chain {
	c := Chain{Default: rapid.SampledFrom([]Verdict{Drop, Accept}).Draw(t, "default")}
	for range rapid.IntRange(0, 5).Draw(t, "rules") {
		c.Rules = append(c.Rules, Rule{Match: genMatch(t), Effect: genEffect(t)})
	}
	return c
}

func genRuleset(t *rapid.T) *Ruleset {
	rs := &Ruleset{Input: genChain(t)}
	if rapid.IntRange(0, 3).Draw(t, "output") == 0 {
		rs.Output = genChain(t)
	}
	return rs
}

func corners(visit func(Packet) bool) {
	for _, direction := range []Direction{In, Out} {
		if !cornersOf(direction, []uint16{0, 3, 65535}, visit) {
			return
		}
	}
}

// cornersOf takes the source ports that are tried: with few of them not every cell is seen.
func cornersOf(direction Direction, sourcePorts []uint16, visit func(Packet) bool) bool {
	for _, a := range testAddrs {
		for _, n := range testNames {
			for _, s := range AllStates.Each() {
				for _, proto := range testProtos {
					p := Packet{Direction: direction, Interface: n, State: s, Proto: proto, Peer: netip.MustParseAddr(a)}
					switch kindOf(proto) {
					case withPorts:
						for _, p.Port = range testPorts {
							for _, p.SourcePort = range sourcePorts {
								if !visit(p) {
									return false
								}
							}
						}
					case withTypes:
						for _, p.Type = range append(testTypes, 1, 7, 254) {
							if !visit(p) {
								return false
							}
						}
					default:
						if !visit(p) {
							return false
						}
					}
				}
			}
		}
	}
	return true
}

// near is a with a few other rules.
func near(t *rapid.T, a *Ruleset) *Ruleset {
	b := &Ruleset{Input: Chain{slices.Clone(a.Input.Rules), a.Input.Default}, Output: Chain{slices.Clone(a.Output.Rules), a.Output.Default}}
	for _, c := range []*Chain{&b.Input, &b.Output} {
		if len(c.Rules) == 0 {
			continue
		}
		at := rapid.IntRange(0, len(c.Rules)-1).Draw(t, "which")
		switch rapid.IntRange(0, 3).Draw(t, "change") {
		case 1:
			c.Rules[at].Match = genMatch(t)
		case 2:
			c.Rules = slices.Delete(c.Rules, at, at+1)
		case 3:
			c.Rules = slices.Insert(c.Rules, at, Rule{Match: genMatch(t), Effect: genEffect(t)})
		}
	}
	return b
}

// TestUnlikeAlone: what both sides have alike is left out of the work and changes nothing of what is found,
// neither the counterexample nor how the traffic is cut and in which order.
func TestUnlikeAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := genRuleset(t)
		for range rapid.IntRange(0, 6).Draw(t, "more") {
			a.Input.Rules = append(a.Input.Rules, Rule{Match: genMatch(t), Effect: genEffect(t)})
		}
		b := near(t, a)
		if x, y := Equivalent(a, b), Prove(a, b).Counterexample; !reflect.DeepEqual(x, y) {
			t.Fatalf("found %v, and in every cell %v", x, y)
		}
		for _, direction := range []Direction{In, Out} {
			every := newDiffer(direction, a, b)
			every.every = true
			x, y := newDiffer(direction, a, b).all(direction), every.all(direction)
			for _, list := range [][]Change{x, y} {
				for i := range list {
					list[i].outcome = outcome{} // numbers of one painter
				}
			}
			if !reflect.DeepEqual(x, y) {
				t.Fatalf("found %v, and in every cell %v", x, y)
			}
		}
	})
}

// TestEquivalentIsExact holds Equivalent against Decide on every corner: it finds a
// difference exactly when there is one, and what it finds is one.
func TestEquivalentIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genRuleset(t), genRuleset(t)
		if rapid.Bool().Draw(t, "near") {
			b = near(t, a)
		}
		var differ *Packet
		corners(func(p Packet) bool {
			if !reflect.DeepEqual(a.Decide(p), b.Decide(p)) {
				differ = &p
			}
			return differ == nil
		})
		c := Equivalent(a, b)
		switch {
		case c == nil && differ != nil:
			t.Fatalf("equivalent, but they differ for %v", *differ)
		case c != nil && differ == nil:
			t.Fatalf("a counterexample, but no corner differs: %s", c.Words("a", "b"))
		case c != nil && reflect.DeepEqual(a.Decide(c.Packet), b.Decide(c.Packet)):
			t.Fatalf("not a counterexample: %s", c.Words("a", "b"))
		}
	})
}

// TestDiffIsExact: every packet that is treated differently is in exactly one change, which
// says how, and no other packet is in any.
func TestDiffIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genRuleset(t), genRuleset(t)
		if rapid.Bool().Draw(t, "near") {
			b = near(t, a)
		}
		changes := Diff(a, b)
		for i := range changes {
			if c := &changes[i]; !c.Has(c.Example) {
				t.Fatalf("%v is not in its change %+v", c.Example, c)
			}
		}
		corners(func(p Packet) bool {
			var in []int
			for i := range changes {
				if changes[i].Has(p) {
					in = append(in, i)
				}
			}
			da, db := a.Decide(p), b.Decide(p)
			switch {
			case reflect.DeepEqual(da, db) && len(in) > 0:
				t.Fatalf("%v is in a change and decided alike", p)
			case reflect.DeepEqual(da, db):
			case len(in) != 1:
				t.Fatalf("%v is in %d changes", p, len(in))
			case !reflect.DeepEqual(changes[in[0]].A, da) || !reflect.DeepEqual(changes[in[0]].B, db):
				t.Fatalf("%v is decided otherwise than its change says", p)
			}
			return true
		})
		if (len(changes) == 0) != (Equivalent(a, b) == nil) {
			t.Fatalf("%d changes and the counterexample %v", len(changes), Equivalent(a, b))
		}
	})
}

// TestUntracked: which ports are kept from connection tracking is a part of the meaning.
func TestUntracked(t *testing.T) {
	a := &Ruleset{Input: Chain{Default: Drop}}
	b := &Ruleset{Input: Chain{Default: Drop}, Untracked: port.Of(port.Range{First: 25000, Last: 25399})}
	c := Equivalent(a, b)
	if c == nil {
		t.Fatal("no counterexample")
	}
	want := "udp from 0.0.0.0 to port 25000 on interface eth0, untracked: a lets connection tracking see it, b keeps connection tracking from it"
	if got := c.Words("a", "b"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if a.Hash() == b.Hash() || a.Hash() != (&Ruleset{Input: Chain{Default: Drop}, Output: Chain{Default: Accept}}).Hash() {
		t.Error("the hash does not tell rulesets apart")
	}
}

// slowHash is the definition of Hash.
func slowHash(rs *Ruleset) string {
	h := sha256.New()
	for _, d := range []Direction{In, Out} {
		for i := range rs.Chain(d).Rules {
			r := &rs.Chain(d).Rules[i]
			m := &r.Match
			fmt.Fprintf(h, "%s %q %v %q %d %x %v %v %v %x %+v\n", d, r.Name, m.Interfaces.all, m.Interfaces.names, m.States, m.Protos,
				m.Peers, m.Ports, m.SourcePorts, m.Types, r.Effect)
		}
		fmt.Fprintf(h, "%s default %s\n", d, rs.byDefault(d))
	}
	fmt.Fprintf(h, "untracked %v\n", rs.Untracked)
	return hex.EncodeToString(h.Sum(nil))
}

// TestHashStays: texts carry it, so it is the same in every version.
func TestHashStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs := genRuleset(t)
		for _, rules := range [][]Rule{rs.Input.Rules, rs.Output.Rules} {
			for i := range rules {
				rules[i].Name = rapid.String().Draw(t, "name")
			}
		}
		if got, want := rs.Hash(), slowHash(rs); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}

func TestIntersectMatchesBoth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genMatch(t), genMatch(t)
		both := a.Intersect(b)
		corners(func(p Packet) bool {
			if both.Has(p) != (a.Has(p) && b.Has(p)) {
				t.Fatalf("%v: both %v, a %v, b %v", p, both.Has(p), a.Has(p), b.Has(p))
			}
			return true
		})
	})
}

func TestZeroMatchesNothing(t *testing.T) {
	corners(func(p Packet) bool {
		if (Match{}).Has(p) {
			t.Fatalf("the zero match has %v", p)
		}
		if !Any().Has(p) {
			t.Fatalf("any does not have %v", p)
		}
		return true
	})
}

func TestStatesHaveTheirOwnWords(t *testing.T) {
	seen := map[string]State{}
	for s := State(0); s <= AllStates; s++ {
		if other, ok := seen[s.String()]; ok {
			t.Errorf("%d and %d are both %q", s, other, s)
		}
		seen[s.String()] = s
	}
	if got := (New | Broken).String(); got != "new,invalid" {
		t.Errorf("got %q", got)
	}
}

func TestCounterexampleInWords(t *testing.T) {
	open := Any()
	open.Protos, open.Ports = BytesOf(uint8(port.TCP)), port.Of(port.Single(8080))
	open.Peers, _ = addr.Parse("10.0.0.7")
	a := &Ruleset{Input: Chain{Default: Drop}}
	b := &Ruleset{Input: Chain{Default: Drop, Rules: []Rule{{Match: open, Effect: Effect{Verdict: Accept}}}}}
	c := Equivalent(a, b)
	if c == nil {
		t.Fatal("no counterexample")
	}
	want := "tcp from 10.0.0.7 to port 8080 on interface eth0, new connection: the policy drops it, rules.v4 accepts it"
	if got := c.Words("the policy", "rules.v4"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if b.Decider(c.Packet) != &b.Input.Rules[0] || a.Decider(c.Packet) != nil {
		t.Error("the deciding rule is not named")
	}
}

func TestParseRate(t *testing.T) {
	for in, want := range map[string]Rate{"10/minute": {10, "minute"}, " 1 / second ": {1, "second"}} {
		if r, err := ParseRate(in); err != nil || r != want {
			t.Errorf("ParseRate(%q) = %v, %v", in, r, err)
		}
	}
	for _, in := range []string{"", "10", "0/minute", "-1/minute", "10/fortnight", "10/minutes", "9999999/second", "x/minute"} {
		if r, err := ParseRate(in); err == nil {
			t.Errorf("ParseRate(%q) = %v, want an error", in, r)
		}
	}
	for in, want := range map[string]string{
		"60/minute": "1/second", "120/minute": "2/second", "90/minute": "90/minute", "3600/hour": "1/second", "120/hour": "2/minute",
		"24/day": "1/hour", "86400/day": "1/second", "100/day": "100/day", "50/second": "50/second",
	} {
		if r, err := ParseRate(in); err != nil || r.Reduced().String() != want {
			t.Errorf("%s reduced is %s, want %s", in, r.Reduced(), want)
		}
	}
	if (Rate{}).Reduced() != (Rate{}) {
		t.Error("no rate is reduced to one")
	}
	if !strings.HasSuffix((Rate{5, "day"}).String(), "/day") {
		t.Error("String is not what ParseRate reads")
	}
}

// thousand is a policy with n services and a fresh source network for each tenth.
func thousand(n int) *Ruleset {
	rs := &Ruleset{Input: Chain{Default: Drop}}
	est := Any()
	est.States = Established | Related
	rs.Input.Rules = append(rs.Input.Rules, Rule{Match: est, Effect: Effect{Verdict: Accept}})
	for i := range n {
		m := Any()
		m.Protos = BytesOf([]uint8{6, 17}[i%2])
		m.Ports = port.Of(port.Range{First: uint16(1000 + 6*i), Last: uint16(1000 + 6*i + i%5)})
		m.Peers = addr.Of(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i / 10 % 100), 0, 0}), 16))
		rs.Input.Rules = append(rs.Input.Rules, Rule{Match: m, Effect: Effect{Verdict: Accept}})
	}
	return rs
}

func BenchmarkEquivalent(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		x, y := thousand(n), thousand(n)
		b.Run(map[int]string{100: "100", 1000: "1000", 10000: "10000"}[n], func(b *testing.B) {
			for b.Loop() {
				if c := Equivalent(x, y); c != nil {
					b.Fatal(c.Words("x", "y"))
				}
			}
		})
	}
}
