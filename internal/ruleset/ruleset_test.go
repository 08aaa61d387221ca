package ruleset

import (
	"net/netip"
	"reflect"
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
		m.Sources = addr.Set{}
		for _, s := range rapid.SliceOfN(rapid.SampledFrom(testSources), 0, 2).Draw(t, "prefixes") {
			one, _ := addr.Parse(s)
			m.Sources = m.Sources.Union(one)
		}
	}
	if rapid.Bool().Draw(t, "ports") {
		m.Ports = port.Of(rapid.SliceOfN(rapid.SampledFrom(testRanges), 0, 2).Draw(t, "ranges")...)
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
		{Verdict: Continue, Log: Log{Rate: Rate{5, "minute"}, Burst: 5, Prefix: "x"}},
	}).Draw(t, "effect")
}

func genRuleset(t *rapid.T) *Ruleset {
	rs := &Ruleset{Default: rapid.SampledFrom([]Verdict{Drop, Accept}).Draw(t, "default")}
	for range rapid.IntRange(0, 5).Draw(t, "rules") {
		rs.Rules = append(rs.Rules, Rule{Match: genMatch(t), Effect: genEffect(t)})
	}
	return rs
}

func corners(visit func(Packet) bool) {
	for _, a := range testAddrs {
		for _, n := range testNames {
			for _, s := range AllStates.Each() {
				for _, proto := range testProtos {
					p := Packet{Interface: n, State: s, Proto: proto, Source: netip.MustParseAddr(a)}
					switch kindOf(proto) {
					case withPorts:
						for _, p.Port = range testPorts {
							if !visit(p) {
								return
							}
						}
					case withTypes:
						for _, p.Type = range append(testTypes, 1, 7, 254) {
							if !visit(p) {
								return
							}
						}
					default:
						if !visit(p) {
							return
						}
					}
				}
			}
		}
	}
}

// TestEquivalentIsExact holds Equivalent against Decide on every corner: it finds a
// difference exactly when there is one, and what it finds is one.
func TestEquivalentIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genRuleset(t), genRuleset(t)
		if rapid.Bool().Draw(t, "near") { // two that differ in little
			b = &Ruleset{Rules: append([]Rule(nil), a.Rules...), Default: a.Default}
			if len(b.Rules) > 0 && rapid.Bool().Draw(t, "change") {
				b.Rules[rapid.IntRange(0, len(b.Rules)-1).Draw(t, "which")].Match = genMatch(t)
			}
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
	open.Sources, _ = addr.Parse("10.0.0.7")
	a := &Ruleset{Default: Drop}
	b := &Ruleset{Default: Drop, Rules: []Rule{{Match: open, Effect: Effect{Verdict: Accept}}}}
	c := Equivalent(a, b)
	if c == nil {
		t.Fatal("no counterexample")
	}
	want := "tcp from 10.0.0.7 to port 8080 on interface eth0, new connection: the policy drops it, rules.v4 accepts it"
	if got := c.Words("the policy", "rules.v4"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if b.Decider(c.Packet) != &b.Rules[0] || a.Decider(c.Packet) != nil {
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
	if !strings.HasSuffix((Rate{5, "day"}).String(), "/day") {
		t.Error("String is not what ParseRate reads")
	}
}

// thousand is a policy with n services and a fresh source network for each tenth.
func thousand(n int) *Ruleset {
	rs := &Ruleset{Default: Drop}
	est := Any()
	est.States = Established | Related
	rs.Rules = append(rs.Rules, Rule{Match: est, Effect: Effect{Verdict: Accept}})
	for i := range n {
		m := Any()
		m.Protos = BytesOf([]uint8{6, 17}[i%2])
		m.Ports = port.Of(port.Range{First: uint16(1000 + 6*i), Last: uint16(1000 + 6*i + i%5)})
		m.Sources = addr.Of(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i / 10 % 100), 0, 0}), 16))
		rs.Rules = append(rs.Rules, Rule{Match: m, Effect: Effect{Verdict: Accept}})
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
