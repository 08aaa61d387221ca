package render

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"portolan/internal/addr"
	"portolan/internal/kernel"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// What a ruleset means, held against the kernel.

// packet is what a probe to one port looks like to a ruleset.
func packet(rs *ruleset.Ruleset, p kernel.Probe, proto port.Proto, to uint16) ruleset.Packet {
	out := ruleset.Packet{Interface: p.Interface, State: ruleset.New, Proto: uint8(proto), Peer: p.Peer, Port: to, SourcePort: p.SourcePort}
	own := to
	if p.Out {
		out.Direction, own = ruleset.Out, p.SourcePort
	}
	if proto == port.UDP && rs.Untracked.Contains(own) {
		out.State = ruleset.Untracked
	}
	return out
}

// edges are the ports at which a rule of rs begins or ends, and their neighbours.
func edges(rs *ruleset.Ruleset, of func(ruleset.Match) port.Set) []uint16 {
	sets := []port.Set{rs.Untracked}
	for _, chain := range []ruleset.Chain{rs.Input, rs.Output} {
		for i := range chain.Rules {
			sets = append(sets, of(chain.Rules[i].Match))
		}
	}
	var out []uint16
	for _, s := range sets {
		if s.IsAll() {
			continue
		}
		for _, r := range s.Ranges() {
			out = append(out, r.First-1, r.First, r.Last, r.Last+1) // 0 and 65535 are neighbours here
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func destinations(m ruleset.Match) port.Set { return m.Ports }

func origins(m ruleset.Match) port.Set { return m.SourcePorts }

// A mismatch is a port of a probe about which the kernel and a ruleset do not agree.
type mismatch struct {
	probe kernel.Probe // to this port alone
	text  string
}

// differences sends probes and lists the ports about which the kernel and the ruleset do not
// agree. It tells how many the ruleset opens.
func differences(t *testing.T, link *kernel.Link, rs *ruleset.Ruleset, probes ...kernel.Probe) (bad []mismatch, open int) {
	t.Helper()
	seen, err := link.Try(probes...)
	if err != nil {
		t.Fatal(err)
	}
	marks := edges(rs, destinations)
	for i, p := range probes {
		p.Interface, p.SourcePort = cmp.Or(p.Interface, kernel.HostInterface), cmp.Or(p.SourcePort, 40000)
		if p.Ports == nil {
			p.Ports = everyPort
		}
		for proto, reached := range map[port.Proto]*kernel.Probes{port.TCP: &seen[i].TCP, port.UDP: &seen[i].UDP} {
			// Between two edges the ruleset says the same, so it is asked once.
			cell, want := -1, false
			for _, n := range p.Ports {
				at, exact := slices.BinarySearch(marks, n)
				if here := 2*at + map[bool]int{true: 1}[exact]; here != cell {
					cell, want = here, rs.Decide(packet(rs, p, proto, n)).Verdict() == ruleset.Accept
				}
				if want {
					open++
				}
				if reached[n] != want {
					one := p
					one.Ports = []uint16{n}
					bad = append(bad, mismatch{one, fmt.Sprintf("%s: the kernel accepts it: %v", packet(rs, p, proto, n), reached[n])})
				}
			}
		}
	}
	return bad, open
}

var everyPort = func() []uint16 {
	out := make([]uint16, port.Max+1)
	for i := range out {
		out[i] = uint16(i)
	}
	return out
}()

// compare is differences that are failures.
func compare(t *testing.T, link *kernel.Link, rs *ruleset.Ruleset, probes ...kernel.Probe) (open int) {
	t.Helper()
	bad, open := differences(t, link, rs, probes...)
	for _, d := range bad[:min(len(bad), 5)] {
		t.Error(d.text)
	}
	if len(bad) > 5 {
		t.Errorf("%d ports differ", len(bad))
	}
	return open
}

// differentTypes holds every type of ICMP against the kernel.
func differentTypes(t *testing.T, link *kernel.Link, rs *ruleset.Ruleset, peer netip.Addr) (bad []string) {
	t.Helper()
	seen, err := link.TryTypes(peer)
	if err != nil {
		t.Fatal(err)
	}
	// The bits of the kernel (NF_CT_STATE_BIT and its neighbours).
	states := map[uint32]ruleset.State{1: ruleset.Broken, 2: ruleset.Established, 4: ruleset.Related, 8: ruleset.New, 64: ruleset.Untracked}
	p := ruleset.Packet{Interface: kernel.HostInterface, Proto: ruleset.ICMP, Peer: peer}
	if peer.Is6() {
		p.Proto = ruleset.ICMPv6
	}
	for m, reached := range seen {
		p.Type, p.State = m.Type, states[m.State]
		if p.State == 0 {
			t.Fatalf("%s: an unknown state %d", p, m.State)
		}
		if want := rs.Decide(p).Verdict() == ruleset.Accept; reached != want {
			bad = append(bad, fmt.Sprintf("%s: the kernel accepts it: %v", p, reached))
		}
	}
	return bad
}

// peersOf are addresses at the edges of the peers that the rules of one direction name: the
// first and last of each range and those beside it, of both families, with one that no rule
// names, ascending.
func peersOf(rs *ruleset.Ruleset, d ruleset.Direction) (v4, v6 []netip.Addr) {
	list := []netip.Addr{netip.MustParseAddr("192.0.2.254"), netip.MustParseAddr("2001:db8:fff:1::9")}
	for _, r := range rs.Chain(d).Rules {
		for _, one := range r.Match.Peers.Ranges() {
			list = append(list, one.First.Prev(), one.First, one.Last, one.Last.Next())
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	for _, a := range slices.Compact(list) {
		switch {
		case !probable(a):
		case a.Is4():
			v4 = append(v4, a)
		default:
			v6 = append(v6, a)
		}
	}
	return v4, v6
}

// probable reports whether a can be the address of another host of the link: the kernel
// itself keeps the others away from every rule.
func probable(a netip.Addr) bool {
	if !a.IsValid() || a.Is4In6() || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, own := range []string{"0.0.0.0/8", "127.0.0.0/8", "240.0.0.0/4", "198.18.0.0/15", "::/16", "2001:db8:fffe::/47"} {
		if netip.MustParsePrefix(own).Contains(a) {
			return false
		}
	}
	return true
}

// some are at most n of a list, always the same ones, from all over it.
func some[T any](list []T, n, seed int) []T {
	if len(list) <= n {
		return list
	}
	var out []T
	for i := range n {
		first, last := i*len(list)/n, (i+1)*len(list)/n
		out = append(out, list[first+seed%(last-first)])
	}
	return out
}

// plain is the loader of the text that the tests write themselves.
var plain = loader{name: "plain", programs: []string{"nft"}}

// plainText says a ruleset in the words of nft as a beginner would: a line for each rule,
// family and protocol, nothing named, nothing joined, and nothing of what the writers use.
// When the kernel and a ruleset disagree under this text too, it is not a writer that is
// wrong but the model, or these tests.
func plainText(t *testing.T, rs *ruleset.Ruleset) string {
	t.Helper()
	w := &plainWriter{known: map[string]bool{}}
	w.chain("input", "iifname", "saddr", &rs.Input)
	if rs.FiltersOutput() {
		w.chain("output", "oifname", "daddr", &rs.Output)
	}
	if !rs.Untracked.IsEmpty() {
		for _, c := range [][2]string{{"prerouting", "dport"}, {"output", "sport"}} {
			fmt.Fprintf(&w.chains, "\tchain raw_%s {\n\t\ttype filter hook %[1]s priority -300; policy accept;\n\t\tudp %s { %s } notrack\n\t}\n", c[0], c[1], commas(rs.Untracked.Ranges()))
		}
	}
	return "table inet plain\ndelete table inet plain\ntable inet plain {\n" + w.sets.String() + w.chains.String() + "}\n"
}

type plainWriter struct {
	sets, chains strings.Builder
	known        map[string]bool // sets
}

func (w *plainWriter) chain(hook, iface, peer string, c *ruleset.Chain) {
	fmt.Fprintf(&w.chains, "\tchain %s {\n\t\ttype filter hook %[1]s priority 0; policy accept;\n", hook)
	for i := range c.Rules {
		r := &c.Rules[i]
		for _, family := range []string{"ip", "ip6"} {
			w.rule(r, family, iface, peer)
		}
	}
	if c.Default == ruleset.Drop {
		w.chains.WriteString("\t\tdrop\n")
	}
	w.chains.WriteString("\t}\n")
}

func (w *plainWriter) rule(r *ruleset.Rule, family, iface, peer string) {
	m, whole, icmp := r.Match, addr.V4(), ruleset.ICMP
	start := "meta nfproto ipv4"
	if family == "ip6" {
		whole, icmp, start = addr.V6(), ruleset.ICMPv6, "meta nfproto ipv6"
	}
	peers := m.Peers.Intersect(whole)
	if peers.IsEmpty() || m.States == 0 || m.Ports.IsEmpty() || m.SourcePorts.IsEmpty() {
		return
	}
	if !m.Interfaces.IsAll() {
		if len(m.Interfaces.Names()) == 0 {
			return
		}
		start += fmt.Sprintf(" %s { %s }", iface, commas(m.Interfaces.Names()))
	}
	if m.States != ruleset.AllStates {
		start += " ct state " + m.States.String()
	}
	if !peers.Equal(whole) {
		start += fmt.Sprintf(" %s %s { %s }", family, peer, commas(peers.Ranges()))
	}
	var what []string
	switch each := m.Protos.Each(); {
	case !m.Types.IsAll():
		if types := m.Types.Each(); m.Protos.Has(icmp) && len(types) > 0 && m.Ports.IsAll() && m.SourcePorts.IsAll() {
			what = []string{fmt.Sprintf("meta l4proto %d %s type { %s }", icmp, map[string]string{"ip": "icmp", "ip6": "icmpv6"}[family], commas(types))}
		}
	case !m.Ports.IsAll() || !m.SourcePorts.IsAll():
		for _, p := range port.Protos {
			if m.Protos.Has(uint8(p)) {
				what = append(what, fmt.Sprintf("meta l4proto %d th sport { %s } th dport { %s }", p, commas(m.SourcePorts.Ranges()), commas(m.Ports.Ranges())))
			}
		}
	case m.Protos.IsAll():
		what = []string{""}
	case len(each) > 0:
		what = []string{fmt.Sprintf("meta l4proto { %s }", commas(each))}
	}
	for _, text := range what {
		line := start + " " + text
		if c := r.Effect.Connections; c != (ruleset.Connections{}) {
			line += fmt.Sprintf(" add @%s { %s %s ct count %d }", w.set("conn_"+c.Name, family), family, peer, c.Count)
		}
		if l := r.Effect.Limit; l != (ruleset.Limit{}) {
			line += fmt.Sprintf(" update @%s { %s %s limit rate %s burst %d packets }", w.set("limit_"+l.Name, family), family, peer, l.Rate, l.Burst)
		}
		fmt.Fprintf(&w.chains, "\t\t%s %s\n", line, r.Effect.Verdict)
	}
}

// set is the name of a set that counts each address of a family by itself.
func (w *plainWriter) set(name, family string) string {
	if name += "_" + family; !w.known[name] {
		w.known[name] = true
		fmt.Fprintf(&w.sets, "\tset %s { type %s; size 65535; flags dynamic; }\n", name, map[string]string{"ip": "ipv4_addr", "ip6": "ipv6_addr"}[family])
	}
	return name
}

// commas are the elements of a set of nft.
func commas[T any](list []T) string {
	var parts []string
	for _, one := range list {
		parts = append(parts, fmt.Sprint(one))
	}
	return strings.Join(parts, ", ")
}
