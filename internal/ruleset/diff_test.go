package ruleset

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portolan/internal/addr"
	"portolan/internal/port"
)

// host is a small host as compile makes it: what every ruleset has, and services.
func host(services ...Rule) *Ruleset {
	accept := Effect{Verdict: Accept}
	established, loopback, broken := Any(), Any(), Any()
	established.States = Established | Related
	loopback.Interfaces = InterfacesOf(Loopback)
	broken.States = Broken
	v4, v6 := Any(), Any()
	v4.Protos, v4.Types, v4.Peers = BytesOf(ICMP), BytesOf(3, 8, 11, 12), addr.V4()
	v6.Protos, v6.Types, v6.Peers = BytesOf(ICMPv6), BytesOf(1, 2, 3, 4, 128, 129, 133, 134, 135, 136), addr.V6()
	rs := &Ruleset{Input: Chain{Default: Drop, Rules: []Rule{
		{Match: established, Effect: accept, Name: "established"},
		{Match: loopback, Effect: accept, Name: "loopback"},
		{Match: broken, Effect: Effect{Verdict: Drop}, Name: "invalid"},
		{Match: v4, Effect: accept, Name: "icmp"},
		{Match: v6, Effect: accept, Name: "icmpv6"},
		service("dhcp", Accept, port.UDP, "68", "0.0.0.0/0"),
	}}}
	rs.Input.Rules = append(rs.Input.Rules, services...)
	return rs
}

func service(name string, verdict Verdict, proto port.Proto, ports string, from ...string) Rule {
	m := Any()
	m.Protos = BytesOf(uint8(proto))
	m.Ports, _ = port.Parse(ports)
	if len(from) > 0 {
		m.Peers = addr.Set{}
	}
	for _, f := range from {
		one, err := addr.Parse(f)
		if err != nil {
			panic(err)
		}
		m.Peers = m.Peers.Union(one)
	}
	return Rule{Match: m, Effect: Effect{Verdict: verdict}, Name: name}
}

// short is a change on one line.
func (c *Change) short() string {
	protos := fmt.Sprint(c.Protos.Each())
	if n := len(c.Protos.Each()); n > 8 {
		protos = fmt.Sprint(n, " protocols")
	}
	types := ""
	if !c.Types.IsAll() {
		types = fmt.Sprintf(" %d types", len(c.Types.Each()))
	}
	on := strings.Join(c.Excepted(), " ")
	if !c.Others {
		on = "only " + strings.Join(c.Interfaces, " ")
	}
	peers := c.Peers.String()
	if missing := addr.All().Minus(c.Peers); len(missing.Prefixes()) < len(c.Peers.Prefixes()) && !c.Peers.IsAll() {
		peers = "all-but-" + missing.String()
	}
	return fmt.Sprintf("%s %s %s%s %s %s not:%s %s -> %s", c.Direction, protos, c.Ports, types, peers, c.States, on, c.A.Words(), c.B.Words())
}

// TestDiffIsShort: a change that people make is as many lines as it has parts.
func TestDiffIsShort(t *testing.T) {
	const voice, more = "10.20.0.0/16", "10.30.0.0/16"
	old := func(services ...Rule) *Ruleset {
		return host(append([]Rule{
			service("speech", Accept, port.UDP, "5060,25000-25399", voice),
			service("speech", Accept, port.TCP, "5060,554", voice),
			service("ssh", Accept, port.TCP, "22", "10.1.0.0/24"),
		}, services...)...)
	}
	limited := func(count int) *Ruleset {
		rs := old()
		rs.Input.Rules[8].Effect.Limit = Limit{Rate: Rate{count, "minute"}, Burst: count, PerSource: true, Name: "ssh"}
		return rs
	}
	logged := old()
	logged.Input.Rules = append(logged.Input.Rules, Rule{Match: Any(), Effect: Effect{Verdict: Continue, Log: Log{Rate: Rate{5, "minute"}, Burst: 5, Prefix: "x"}}})
	closedOutput := old()
	closedOutput.Output = Chain{Default: Drop, Rules: append(slices.Clone(host().Input.Rules[:5]),
		service("dns", Accept, port.UDP, "53", "10.0.0.53"), service("dns", Accept, port.TCP, "53", "10.0.0.53"))}
	for _, c := range []struct {
		name     string
		old, new *Ruleset
		want     string
	}{
		{"a zone gains a prefix", old(), host(
			service("speech", Accept, port.UDP, "5060,25000-25399", voice, more),
			service("speech", Accept, port.TCP, "5060,554", voice, more),
			service("ssh", Accept, port.TCP, "22", "10.1.0.0/24")), `
in [6] 554,5060 10.30.0.0/16 new,untracked not:lo drops it -> accepts it
in [17] 5060,25000-25399 10.30.0.0/16 new,untracked not:lo drops it -> accepts it`},
		{"a service moves", old(), host(
			service("speech", Accept, port.UDP, "5060,25400-25799", voice),
			service("speech", Accept, port.TCP, "5060,554", voice),
			service("ssh", Accept, port.TCP, "22", "10.1.0.0/24")), `
in [17] 25000-25399 10.20.0.0/16 new,untracked not:lo accepts it -> drops it
in [17] 25400-25799 10.20.0.0/16 new,untracked not:lo drops it -> accepts it`},
		{"a service moves to everybody", old(), host(
			service("speech", Accept, port.UDP, "5060,25200-25599"),
			service("speech", Accept, port.TCP, "5060,554", voice),
			service("ssh", Accept, port.TCP, "22", "10.1.0.0/24")), `
in [17] 5060,25200-25399 all-but-10.20.0.0/16 new,untracked not:lo drops it -> accepts it
in [17] 25400-25599 any new,untracked not:lo drops it -> accepts it
in [17] 25000-25199 10.20.0.0/16 new,untracked not:lo accepts it -> drops it`},
		{"an allow is removed", old(service("web", Accept, port.TCP, "80,443")), old(), `
in [6] 80,443 any new,untracked not:lo accepts it -> drops it`},
		{"an allow for everybody becomes one for a zone", old(service("web", Accept, port.TCP, "80,443")), old(service("web", Accept, port.TCP, "80,443", voice)), `
in [6] 80,443 all-but-10.20.0.0/16 new,untracked not:lo accepts it -> drops it`},
		{"a limit changes", limited(10), limited(20), `
in [6] 22 10.1.0.0/24 new,untracked not:lo accepts it up to 10/minute per source (burst 10, ssh), then drops it -> accepts it up to 20/minute per source (burst 20, ssh), then drops it`},
		{"a deny is added", old(), host(append([]Rule{service("scanners", Drop, port.TCP, "0-65535", "10.20.9.0/24"), service("scanners", Drop, port.UDP, "0-65535", "10.20.9.0/24")}, old().Input.Rules[6:]...)...), `
in [6] 554,5060 10.20.9.0/24 new,untracked not:lo accepts it -> drops it
in [17] 5060,25000-25399 10.20.9.0/24 new,untracked not:lo accepts it -> drops it`},
		{"IPv6 is added", old(), host(
			service("speech", Accept, port.UDP, "5060,25000-25399", voice, "2001:db8:20::/48"),
			service("speech", Accept, port.TCP, "5060,554", voice, "2001:db8:20::/48"),
			service("ssh", Accept, port.TCP, "22", "10.1.0.0/24")), `
in [6] 554,5060 2001:db8:20::/48 new,untracked not:lo drops it -> accepts it
in [17] 5060,25000-25399 2001:db8:20::/48 new,untracked not:lo drops it -> accepts it`},
		{"a log is added", old(), logged, `
in [6] 0-21,23-553,555-5059,5061-65535 any new,untracked not:lo drops it -> logs it as "x" at 5/minute, then drops it
in [6] 22 all-but-10.1.0.0/24 new,untracked not:lo drops it -> logs it as "x" at 5/minute, then drops it
in [6] 554,5060 all-but-10.20.0.0/16 new,untracked not:lo drops it -> logs it as "x" at 5/minute, then drops it
in [17] 0-67,69-5059,5061-24999,25400-65535 any new,untracked not:lo drops it -> logs it as "x" at 5/minute, then drops it
in [17] 68 ::/0 new,untracked not:lo drops it -> logs it as "x" at 5/minute, then drops it
in [17] 5060,25000-25399 all-but-10.20.0.0/16 new,untracked not:lo drops it -> logs it as "x" at 5/minute, then drops it
in [1] 0-65535 252 types any new,untracked not:lo drops it -> logs it as "x" at 5/minute, then drops it
in [1] 0-65535 4 types ::/0 new,untracked not:lo drops it -> logs it as "x" at 5/minute, then drops it
in [58] 0-65535 246 types any new,untracked not:lo drops it -> logs it as "x" at 5/minute, then drops it
in [58] 0-65535 10 types 0.0.0.0/0 new,untracked not:lo drops it -> logs it as "x" at 5/minute, then drops it
in 252 protocols 0-65535 any new,untracked not:lo drops it -> logs it as "x" at 5/minute, then drops it`},
		{"output is closed", old(), closedOutput, `
out [6 17] 0-52,54-65535 any new,untracked not:lo accepts it -> drops it
out [6 17] 53 all-but-10.0.0.53 new,untracked not:lo accepts it -> drops it
out [1 6 17 58] 0-65535 any invalid not:lo accepts it -> drops it
out [1] 0-65535 252 types any new,untracked not:lo accepts it -> drops it
out [1] 0-65535 4 types ::/0 new,untracked not:lo accepts it -> drops it
out [58] 0-65535 246 types any new,untracked not:lo accepts it -> drops it
out [58] 0-65535 10 types 0.0.0.0/0 new,untracked not:lo accepts it -> drops it
out 252 protocols 0-65535 any new,invalid,untracked not:lo accepts it -> drops it`},
		{"everything is closed", &Ruleset{Input: Chain{Default: Accept}}, host(), `
in 253 protocols 0-65535 any new,invalid,untracked not:lo accepts it -> drops it
in [17] 0-67,69-65535 any new,untracked not:lo accepts it -> drops it
in [17] 68 ::/0 new,untracked not:lo accepts it -> drops it
in [1 17 58] 0-65535 any invalid not:lo accepts it -> drops it
in [1] 0-65535 252 types any new,untracked not:lo accepts it -> drops it
in [1] 0-65535 4 types ::/0 new,untracked not:lo accepts it -> drops it
in [58] 0-65535 246 types any new,untracked not:lo accepts it -> drops it
in [58] 0-65535 10 types 0.0.0.0/0 new,untracked not:lo accepts it -> drops it`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var lines []string
			changes := Diff(c.old, c.new)
			for i := range changes {
				lines = append(lines, changes[i].short())
			}
			if got := strings.Join(lines, "\n"); got != strings.TrimSpace(c.want) {
				t.Errorf("got:\n%s", got)
			}
		})
	}
}

// TestDecidersAreExact: the rules that are named for a change are those that decide about
// some packet of it.
func TestDecidersAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genRuleset(t), genRuleset(t)
		changes := Diff(a, b)
		rs := a
		if rapid.Bool().Draw(t, "the other") {
			rs = b
		}
		named := Deciders(rs, changes)
		seen := make([]map[*Rule]bool, len(changes))
		corners(func(p Packet) bool {
			for i := range changes {
				if changes[i].Has(p) {
					if seen[i] == nil {
						seen[i] = map[*Rule]bool{}
					}
					seen[i][rs.Decider(p)] = true
				}
			}
			return true
		})
		for i := range changes {
			for _, r := range named[i] {
				if !seen[i][r] && !decidesAbout(rs, r, &changes[i]) {
					t.Fatalf("rule %v decides about nothing in %s", r, changes[i].short())
				}
				delete(seen[i], r)
			}
			if len(seen[i]) > 0 {
				t.Fatalf("%d rules are not named that decide in %s", len(seen[i]), changes[i].short())
			}
		}
	})
}

// TestDecidersAreOfAreas: the rules that are named for a change are those whose areas it
// overlaps, in their order, and the default behind them.
func TestDecidersAreOfAreas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genRuleset(t), genRuleset(t)
		if rapid.Bool().Draw(t, "ports") { // mostly of the same peers, as people make them
			for range rapid.IntRange(1, 12).Draw(t, "services") {
				proto, ports := rapid.SampledFrom([]port.Proto{port.TCP, port.UDP}).Draw(t, "proto"), rapid.SampledFrom(testRanges).Draw(t, "range")
				from := rapid.SampledFrom([]string{"10.0.0.0/30", "10.0.0.0/30", "10.0.0.0/31"}).Draw(t, "from")
				b.Input.Rules = append(b.Input.Rules, service("", Accept, proto, ports.String(), from))
			}
		}
		changes := Diff(a, b)
		named := Deciders(b, changes)
		for _, direction := range []Direction{In, Out} {
			areas := Areas(b, direction)
			rules := b.Chain(direction).Rules
			for k := range changes {
				c := &changes[k]
				if c.Direction != direction {
					continue
				}
				decides := map[*Rule]bool{}
				for i := range areas {
					if areas[i].Change.overlaps(c) {
						decides[areas[i].Rule] = true
					}
				}
				var want []*Rule
				for i := range rules {
					if decides[&rules[i]] {
						want = append(want, &rules[i])
					}
				}
				if decides[nil] {
					want = append(want, nil)
				}
				if !slices.Equal(named[k], want) {
					t.Fatalf("%d rules are named, want %d, in %s", len(named[k]), len(want), c.short())
				}
			}
		}
	})
}

// TestDecidersOfAPart: a rule that has a part of a change, in whatever a match has, leaves the rest to
// the next one.
func TestDecidersOfAPart(t *testing.T) {
	for what, narrow := range map[string]func(*Match){
		"interfaces":   func(m *Match) { m.Interfaces = InterfacesOf("eth0") },
		"states":       func(m *Match) { m.States = New },
		"protocols":    func(m *Match) { m.Protos = BytesOf(uint8(port.TCP)) },
		"peers":        func(m *Match) { m.Peers = addr.V4() },
		"ports":        func(m *Match) { m.Ports = port.Of(port.Range{First: 10, Last: 20}, port.Range{First: 30, Last: 40}) },
		"source ports": func(m *Match) { m.SourcePorts = port.Of(port.Range{First: 1024, Last: port.Max}) },
		"nothing":      func(*Match) {},
	} {
		t.Run(what, func(t *testing.T) {
			wide := Any()
			wide.Protos = BytesOf(uint8(port.TCP), uint8(port.UDP))
			wide.Ports = port.Of(port.Range{First: 10, Last: 40})
			part := wide
			narrow(&part)
			rs := &Ruleset{Input: Chain{Default: Drop, Rules: []Rule{
				{Match: part, Effect: Effect{Verdict: Accept}}, {Match: wide, Effect: Effect{Verdict: Accept}}}}}
			want := 2
			if what == "nothing" {
				want = 1
			}
			// One change for all that the rules open, as it is where both do the same.
			changes := Diff(&Ruleset{Input: Chain{Default: Drop}, Output: rs.Output}, rs)
			named := map[*Rule]bool{}
			for _, list := range Deciders(rs, changes) {
				for _, r := range list {
					named[r] = true
				}
			}
			if len(named) != want || named[nil] {
				t.Errorf("%d rules decide about %d changes, want %d", len(named), len(changes), want)
			}
		})
	}
	t.Run("ports with a gap", func(t *testing.T) {
		match := func(ranges ...port.Range) Rule {
			m := Any()
			m.Protos, m.Ports = BytesOf(uint8(port.TCP)), port.Of(ranges...)
			return Rule{Match: m, Effect: Effect{Verdict: Accept}}
		}
		tail := port.Range{First: 41, Last: 60} // so that the rule has as many ports as the change
		old := &Ruleset{Input: Chain{Default: Drop, Rules: []Rule{match(tail)}}}
		rs := &Ruleset{Input: Chain{Default: Drop, Rules: []Rule{
			match(port.Range{First: 10, Last: 20}, port.Range{First: 30, Last: 40}, tail), match(port.Range{First: 10, Last: 40})}}}
		list := Deciders(rs, Diff(old, rs))
		if len(list) != 1 || len(list[0]) != 2 {
			t.Errorf("it is %v", list)
		}
	})
	t.Run("ICMP types", func(t *testing.T) {
		wide := Any()
		wide.Protos = BytesOf(ICMP)
		part := wide
		part.Types = BytesOf(8)
		rs := &Ruleset{Input: Chain{Default: Drop, Rules: []Rule{
			{Match: part, Effect: Effect{Verdict: Accept}}, {Match: wide, Effect: Effect{Verdict: Accept}}}}}
		list := Deciders(rs, Diff(&Ruleset{Input: Chain{Default: Drop}, Output: rs.Output}, rs))
		if len(list) != 1 || len(list[0]) != 2 {
			t.Errorf("it is %v", list)
		}
	})
}

// decidesAbout looks in every cell of c for a packet about which r decides.
func decidesAbout(rs *Ruleset, r *Rule, c *Change) bool {
	return !cornersOf(c.Direction, testPorts, func(p Packet) bool { return !c.Has(p) || rs.Decider(p) != r })
}

// voiceHost has 160 networks, each with ports of its own in small runs over all of them: the
// shape of a large media host.
func voiceHost(shift int) *Ruleset {
	rs := host()
	for class := range 160 {
		for _, proto := range []port.Proto{port.TCP, port.UDP} {
			m := Any()
			m.Protos = BytesOf(uint8(proto))
			m.Peers = addr.Of(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(class), 0, 0}), 16))
			first := uint16(1024 + class*400 + shift)
			m.Ports = port.Of(port.Range{First: first, Last: first + 99}, port.Single(5060), port.Range{First: first + 200, Last: first + 249})
			rs.Input.Rules = append(rs.Input.Rules, Rule{Match: m, Effect: Effect{Verdict: Accept}})
		}
	}
	return rs
}

func BenchmarkProve(b *testing.B) {
	x, y := voiceHost(0), voiceHost(0)
	for b.Loop() {
		if p := Prove(x, y); p.Counterexample != nil {
			b.Fatal(p.Counterexample.Words("x", "y"))
		}
	}
}

func BenchmarkDiff(b *testing.B) {
	x, y := voiceHost(0), voiceHost(2)
	n := 0
	for b.Loop() {
		n = len(Diff(x, y))
	}
	b.ReportMetric(float64(n), "changes")
}

// singles is a host with n services of one port each, for one network: where one is given, at
// the port beside its own.
func singles(n, moved int) *Ruleset {
	rs := host()
	for i := range n {
		first := 1024 + 6*i
		if i == moved {
			first++
		}
		rs.Input.Rules = append(rs.Input.Rules, service("", Accept, port.Protos[i%2], strconv.Itoa(first), "10.1.0.0/24"))
	}
	return rs
}

// byProtocol is rs as a text of a firewall has it, which keeps the ports of one protocol together.
func byProtocol(rs *Ruleset) *Ruleset {
	rules := slices.Clone(rs.Input.Rules)
	services := rules[len(host().Input.Rules):]
	slices.SortStableFunc(services, func(a, b Rule) int { return slices.Compare(a.Match.Protos.Each(), b.Match.Protos.Each()) })
	return &Ruleset{Input: Chain{Default: Accept, Rules: append(rules, Rule{Match: Any(), Effect: Effect{Verdict: Drop}})}}
}

// What an apply asks: which traffic changes, who decides about it, and whether the kernel does
// what was asked of it.
func BenchmarkApply(b *testing.B) {
	for _, c := range []struct {
		name     string
		old, new *Ruleset
	}{
		{"first of 9900", host(), singles(9900, -1)},
		{"one of 990", byProtocol(singles(990, -1)), singles(990, 495)},
		{"one of 9900", byProtocol(singles(9900, -1)), singles(9900, 4950)},
	} {
		changes := Diff(c.old, c.new)
		back := byProtocol(c.new)
		b.Run(c.name+"/diff", func(b *testing.B) {
			for b.Loop() {
				Diff(c.old, c.new)
			}
		})
		b.Run(c.name+"/deciders", func(b *testing.B) {
			for b.Loop() {
				Deciders(c.old, changes)
				Deciders(c.new, changes)
			}
		})
		b.Run(c.name+"/prove", func(b *testing.B) {
			for b.Loop() {
				Prove(c.new, back)
			}
		})
		b.Run(c.name+"/equivalent", func(b *testing.B) {
			for b.Loop() {
				Equivalent(c.new, back)
			}
		})
	}
}

func BenchmarkDeciders(b *testing.B) {
	x, y := voiceHost(0), voiceHost(2)
	changes := Diff(x, y)
	for b.Loop() {
		Deciders(y, changes)
	}
}

// TestProveByProtocols: that protocols are looked at beside each other changes neither the
// counterexample nor the number of cells.
func TestProveByProtocols(t *testing.T) {
	one := voiceHost(0)
	for shift := range 3 {
		other := voiceHost(shift)
		if shift == 2 { // UDP alone, which is not the first to be looked at
			other = voiceHost(0)
			last := &other.Input.Rules[len(other.Input.Rules)-1]
			last.Match.Ports = last.Match.Ports.Union(port.Of(port.Single(9)))
		}
		p := newPainter(In, one, other)
		p.every = true
		var want *Counterexample
		for s := range p.settings(In) {
			if want = p.compare(s.at); want != nil {
				break
			}
		}
		beside := newPainter(In, one, other)
		beside.every = true
		got, cells := beside.prove(In)
		switch {
		case (want == nil) != (shift == 0) || (got == nil) != (want == nil):
			t.Errorf("shift %d: found %v, want %v", shift, got, want)
		case got != nil && got.Packet != want.Packet:
			t.Errorf("shift %d: found %v, want %v", shift, got.Packet, want.Packet)
		case got == nil && cells != p.cells:
			t.Errorf("%d cells, want %d", cells, p.cells)
		}
	}
}
