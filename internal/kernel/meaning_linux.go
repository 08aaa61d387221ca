package kernel

import (
	"fmt"
	"net/netip"
	"slices"

	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// What a ruleset means, held against what the kernel does with packets.

// packet is what a probe to one port looks like to a ruleset.
func (p Probe) packet(rs *ruleset.Ruleset, proto port.Proto, to uint16) ruleset.Packet {
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

// Edges are the ports at which a rule of rs begins or ends, and their neighbours.
func Edges(rs *ruleset.Ruleset, of func(ruleset.Match) port.Set) []uint16 {
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

// Destinations are the destination ports of a match.
func Destinations(m ruleset.Match) port.Set { return m.Ports }

// Origins are the source ports of a match.
func Origins(m ruleset.Match) port.Set { return m.SourcePorts }

// A Mismatch is a port of a probe about which the kernel and a ruleset do not agree.
type Mismatch struct {
	Probe Probe // to this port alone
	Text  string
}

// Differences sends probes and lists the ports about which the kernel and the ruleset do not
// agree. It tells how many the ruleset opens.
func (l *Link) Differences(rs *ruleset.Ruleset, probes ...Probe) (bad []Mismatch, open int, err error) {
	seen, err := l.Try(probes...)
	if err != nil {
		return nil, 0, err
	}
	marks := Edges(rs, Destinations)
	for i, p := range probes {
		p = p.complete()
		for proto, reached := range map[port.Proto]*Probes{port.TCP: &seen[i].TCP, port.UDP: &seen[i].UDP} {
			// Between two edges the ruleset says the same, so it is asked once.
			cell, want := -1, false
			for _, n := range p.Ports {
				at, exact := slices.BinarySearch(marks, n)
				if here := 2*at + map[bool]int{true: 1}[exact]; here != cell {
					cell, want = here, rs.Decide(p.packet(rs, proto, n)).Verdict() == ruleset.Accept
				}
				if want {
					open++
				}
				if reached[n] != want {
					one := p
					one.Ports = []uint16{n}
					bad = append(bad, Mismatch{one, fmt.Sprintf("%s: the kernel accepts it: %v", p.packet(rs, proto, n), reached[n])})
				}
			}
		}
	}
	return bad, open, nil
}

// DifferentTypes holds every type of ICMP from a peer against a ruleset.
func (l *Link) DifferentTypes(rs *ruleset.Ruleset, peer netip.Addr) (bad []string, err error) {
	seen, err := l.TryTypes(peer)
	if err != nil {
		return nil, err
	}
	// The bits of the kernel (NF_CT_STATE_BIT and its neighbours).
	states := map[uint32]ruleset.State{1: ruleset.Broken, 2: ruleset.Established, 4: ruleset.Related, 8: ruleset.New, 64: ruleset.Untracked}
	p := ruleset.Packet{Interface: HostInterface, Proto: ruleset.ICMP, Peer: peer}
	if peer.Is6() {
		p.Proto = ruleset.ICMPv6
	}
	for m, reached := range seen {
		p.Type, p.State = m.Type, states[m.State]
		if p.State == 0 {
			return nil, fmt.Errorf("%s: an unknown state %d", p, m.State)
		}
		if want := rs.Decide(p).Verdict() == ruleset.Accept; reached != want {
			bad = append(bad, fmt.Sprintf("%s: the kernel accepts it: %v", p, reached))
		}
	}
	return bad, nil
}

// Peers are addresses at the edges of the peers that the rules of one direction name: the
// first and last of each range and those beside it, of both families, with one that no rule
// names, ascending.
func Peers(rs *ruleset.Ruleset, d ruleset.Direction) (v4, v6 []netip.Addr) {
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

// Some are at most n of a list, always the same ones, from all over it.
func Some[T any](list []T, n, seed int) []T {
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

// ProbesOf are a few probes of all ports for each family and direction, and many of the ports
// at which something of rs begins or ends.
func ProbesOf(rs *ruleset.Ruleset, seed, whole, part int) (probes []Probe) {
	for _, d := range []ruleset.Direction{ruleset.In, ruleset.Out} {
		v4, v6 := Peers(rs, d)
		from, few, many := []uint16{40000}, whole, part
		if d == ruleset.Out {
			from = append(from, Edges(rs, Origins)...)
			if !rs.FiltersOutput() { // everything leaves
				few, many = 0, 2
			}
		}
		ports := Some(append(Edges(rs, Destinations), 0, 1, 40000, 65535), 400, seed)
		slices.Sort(ports)
		ports = slices.Compact(ports)
		for i, peer := range slices.Concat(Some(v4, many, seed), Some(v6, many, seed)) {
			p := Probe{Out: d == ruleset.Out, Peer: peer, SourcePort: max(from[(seed+i)%len(from)], 1), Ports: ports}
			if (seed+i)%3 == 2 {
				p.Interface = OtherInterface
			}
			probes = append(probes, p)
		}
		// Of so few, each family has its turn.
		both := slices.Concat(Some(v4, few, seed), Some(v6, few, seed+1))
		for i, peer := range Some(both, few, seed) {
			p := Probe{Out: d == ruleset.Out, Peer: peer, SourcePort: max(from[(seed+2*i)%len(from)], 1)}
			if i%2 == 1 {
				p.Interface = OtherInterface
			}
			// All ports instead of some.
			probes = slices.DeleteFunc(probes, func(o Probe) bool {
				return o.Out == p.Out && o.Peer == p.Peer && o.SourcePort == p.SourcePort && o.Interface == p.Interface
			})
			probes = append(probes, p)
		}
	}
	return probes
}
