package ruleset

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/port"
)

// A Counterexample is a packet that two rulesets treat differently.
type Counterexample struct {
	Packet Packet
	A, B   Decision
}

// Words says the packet and what each side does to it, the sides by the given names:
// "tcp from 10.0.0.7 to port 8080, new connection: the policy drops it, rules.v4
// accepts it".
func (c *Counterexample) Words(a, b string) string {
	return fmt.Sprintf("%s: %s %s, %s %s", c.Packet, a, c.A.words(), b, c.B.words())
}

func (d Decision) words() string {
	var parts []string
	for _, e := range d {
		switch {
		case e.Verdict == Continue:
			parts = append(parts, fmt.Sprintf("logs it as %q at %d/%s", e.Log.Prefix, e.Log.Rate.Count, e.Log.Rate.Period))
		case e.Limit != Limit{}:
			per := ""
			if e.Limit.PerSource {
				per = " per source"
			}
			parts = append(parts, fmt.Sprintf("accepts it up to %d/%s%s (burst %d, %s)", e.Limit.Rate.Count, e.Limit.Rate.Period, per, e.Limit.Burst, e.Limit.Name))
		case e.Verdict == Accept:
			parts = append(parts, "accepts it")
		default:
			parts = append(parts, "drops it")
		}
	}
	return strings.Join(parts, ", then ")
}

// String is the packet in words.
func (p Packet) String() string {
	var b strings.Builder
	switch {
	case kindOf(p.Proto) == withPorts:
		fmt.Fprintf(&b, "%s from %s to port %d", port.Proto(p.Proto), p.Source, p.Port)
	case p.Proto == ICMP:
		fmt.Fprintf(&b, "icmp type %d from %s", p.Type, p.Source)
	case p.Proto == ICMPv6:
		fmt.Fprintf(&b, "icmpv6 type %d from %s", p.Type, p.Source)
	default:
		fmt.Fprintf(&b, "ip protocol %d from %s", p.Proto, p.Source)
	}
	if p.Interface == Loopback {
		b.WriteString(" on loopback")
	} else {
		fmt.Fprintf(&b, " on interface %s", p.Interface)
	}
	if p.State == New {
		b.WriteString(", new connection")
	} else {
		fmt.Fprintf(&b, ", %s", p.State)
	}
	return b.String()
}

// Equivalent compares a and b over every packet and returns one that they treat
// differently, or nil when there is none. Limits and logs must be the same at the
// same place.
//
// It is exact: the bounds of the sets in both rulesets cut the packets into finitely
// many cells, within a cell no rule can tell two packets apart, and every cell is
// looked at. A row is one cell of sources; along it, runs of ports that no rule tells
// apart are painted with the effects of one rule after the other.
func Equivalent(a, b *Ruleset) *Counterexample {
	p := newPainter(a, b)
	for _, proto := range protoAtoms(a, b) {
		for _, state := range AllStates.Each() {
			for _, name := range interfaceAtoms(a, b) {
				if c := p.compare(Packet{Interface: name, State: state, Proto: proto}); c != nil {
					c.A, c.B = a.Decide(c.Packet), b.Decide(c.Packet)
					return c
				}
			}
		}
	}
	return nil
}

// interfaceAtoms are all names that occur, and one that does not.
func interfaceAtoms(sides ...*Ruleset) []string {
	names := []string{Loopback}
	for _, rs := range sides {
		for i := range rs.Rules {
			names = append(names, rs.Rules[i].Match.Interfaces.names...)
		}
	}
	other := "eth0"
	for slices.Contains(names, other) {
		other += "x"
	}
	slices.Sort(names)
	return append([]string{other}, slices.Compact(names)...)
}

// protoAtoms are one protocol out of each group that no rule tells apart. TCP, UDP and
// the two ICMPs always stand for themselves.
func protoAtoms(sides ...*Ruleset) []uint8 {
	var sets []Bytes
	for _, rs := range sides {
		for i := range rs.Rules {
			if s := rs.Rules[i].Match.Protos; !slices.Contains(sets, s) {
				sets = append(sets, s)
			}
		}
	}
	out := []uint8{uint8(port.TCP), uint8(port.UDP), ICMP, ICMPv6}
	seen := map[string]bool{}
	for n := 255; n >= 0; n-- {
		if kindOf(uint8(n)) != plain {
			continue
		}
		signature := make([]byte, len(sets))
		for i, s := range sets {
			if s.Has(uint8(n)) {
				signature[i] = 1
			}
		}
		if !seen[string(signature)] {
			seen[string(signature)] = true
			out = append(out, uint8(n))
		}
	}
	return out
}

// painter holds what comparing one context after the other shares.
type painter struct {
	rules   [2][]candidate
	effects map[Effect]int
	steps   [][]int32       // by what happened so far, then by effect: what happened then
	ended   []bool          // by what happened so far
	done    map[string]bool // contexts already compared, by the rules that matter there
}

// nothing is what has happened to a cell before the first rule.
const nothing = 0

// candidate is a rule with what is asked of it in many contexts.
type candidate struct {
	*Match
	anyPort, anyType bool
	types            port.Set // the ICMP types as columns
	effect           int
	ends             bool
}

func newPainter(a, b *Ruleset) *painter {
	p := &painter{effects: map[Effect]int{}, steps: [][]int32{nil}, ended: []bool{false}, done: map[string]bool{}}
	all := Any()
	for side, rs := range [2]*Ruleset{a, b} {
		list := make([]candidate, 0, len(rs.Rules)+1)
		for i := range rs.Rules {
			list = append(list, p.candidate(&rs.Rules[i].Match, rs.Rules[i].Effect))
		}
		p.rules[side] = append(list, p.candidate(&all, Effect{Verdict: rs.Default}))
	}
	return p
}

func (p *painter) candidate(m *Match, e Effect) candidate {
	c := candidate{Match: m, anyPort: m.Ports.IsAll(), anyType: m.Types.IsAll(), types: port.All(), effect: p.effect(e), ends: e.ends()}
	if !c.anyType {
		var ranges []port.Range
		for _, n := range m.Types.Each() {
			ranges = append(ranges, port.Single(uint16(n)))
		}
		c.types = port.Of(ranges...)
	}
	return c
}

// effect numbers the effects as they are met.
func (p *painter) effect(e Effect) int {
	id, ok := p.effects[e]
	if !ok {
		id = len(p.effects)
		p.effects[e] = id
	}
	return id
}

// step is what has happened after effect number id happened to a cell with the past
// now, which has not ended. The same past and effect always give the same number.
func (p *painter) step(now int32, id int, ends bool) int32 {
	for len(p.steps[now]) <= id {
		p.steps[now] = append(p.steps[now], nothing)
	}
	next := p.steps[now][id]
	if next == nothing {
		next = int32(len(p.ended))
		p.steps[now][id] = next
		p.steps = append(p.steps, nil)
		p.ended = append(p.ended, ends)
	}
	return next
}

// A stroke is one rule as far as it matters in one context: sources times columns,
// where columns are ports, ICMP types, or a single one for other protocols.
type stroke struct {
	rule    int // index into the candidates of its side
	sources addr.Set
	columns port.Set
}

// strokes are the rules of one side that can match in the context of at. The default is
// the last of them unless a rule decides everything before it.
func strokes(rules []candidate, at Packet) []stroke {
	kind := kindOf(at.Proto)
	var out []stroke
	for i := range rules {
		c := &rules[i]
		if c.States&at.State == 0 || !c.Protos.Has(at.Proto) || !c.Interfaces.Has(at.Interface) ||
			kind != withTypes && !c.anyType || kind != withPorts && !c.anyPort || c.Sources.IsEmpty() {
			continue
		}
		s := stroke{i, c.Sources, c.types}
		if kind == withPorts {
			s.columns = c.Ports
		}
		if s.columns.IsEmpty() {
			continue
		}
		out = append(out, s)
		if c.ends && s.columns.IsAll() && s.sources.IsAll() {
			break // nothing after it is asked
		}
	}
	return out
}

// compare looks at every cell of one context: interface, state and protocol of p.
func (p *painter) compare(at Packet) *Counterexample {
	sides := [2][]stroke{strokes(p.rules[0], at), strokes(p.rules[1], at)}
	if len(sides[0]) == 1 && len(sides[1]) == 1 && p.rules[0][sides[0][0].rule].effect == p.rules[1][sides[1][0].rule].effect {
		return nil // both decide everything at once and alike
	}
	key := contextKey(at.Proto, sides)
	if p.done[key] {
		return nil
	}
	p.done[key] = true
	rows, columns := newRows(sides), newColumns(sides)
	var hits [2][][]int32 // by side and row: which strokes touch it
	var runs [2][][][2]int
	for side, list := range sides {
		hits[side] = make([][]int32, len(rows))
		runs[side] = make([][][2]int, len(list))
		for i, s := range list {
			for _, r := range s.sources.Ranges() {
				for row := rowOf(rows, r.First); row < len(rows) && !r.Last.Less(rows[row]); row++ {
					hits[side][row] = append(hits[side][row], int32(i))
				}
			}
			for _, r := range s.columns.Ranges() {
				first, _ := slices.BinarySearch(columns, int(r.First))
				end, _ := slices.BinarySearch(columns, int(r.Last)+1)
				runs[side][i] = append(runs[side][i], [2]int{first, end})
			}
		}
	}
	var painted [2][]int32
	painted[0], painted[1] = make([]int32, len(columns)), make([]int32, len(columns))
	for row, from := range rows {
		for side, list := range sides {
			line := painted[side]
			clear(line)
			for _, i := range hits[side][row] {
				rule := &p.rules[side][list[i].rule]
				for _, run := range runs[side][i] {
					for c := run[0]; c < run[1]; c++ {
						if now := line[c]; !p.ended[now] {
							line[c] = p.step(now, rule.effect, rule.ends)
						}
					}
				}
			}
		}
		for c, first := range columns {
			if painted[0][c] != painted[1][c] {
				at.Source, at.Port, at.Type = from, uint16(first), 0
				if kindOf(at.Proto) == withTypes {
					if first > 255 {
						continue // no such type
					}
					at.Port, at.Type = 0, uint8(first)
				}
				return &Counterexample{Packet: at}
			}
		}
	}
	return nil
}

// contextKey is the same for two contexts in which the same rules of both sides matter
// in the same way.
func contextKey(proto uint8, sides [2][]stroke) string {
	key := []byte{byte(kindOf(proto))}
	for _, list := range sides {
		for _, s := range list {
			key = binary.AppendUvarint(key, uint64(s.rule)+1)
		}
		key = append(key, 0)
	}
	return string(key)
}

// newRows are the first addresses of the cells of sources, ascending.
func newRows(sides [2][]stroke) []netip.Addr {
	var rows []netip.Addr
	for _, r := range addr.All().Ranges() {
		rows = append(rows, r.First)
	}
	seen := map[netip.Addr]bool{}
	add := func(a netip.Addr) {
		if a.IsValid() && !seen[a] {
			seen[a] = true
			rows = append(rows, a)
		}
	}
	for _, list := range sides {
		for _, s := range list {
			if s.sources.IsAll() {
				continue
			}
			for _, r := range s.sources.Ranges() {
				add(r.First)
				add(r.Last.Next())
			}
		}
	}
	slices.SortFunc(rows, netip.Addr.Compare)
	return slices.Compact(rows)
}

func rowOf(rows []netip.Addr, a netip.Addr) int {
	i, _ := slices.BinarySearchFunc(rows, a, netip.Addr.Compare)
	return i
}

// newColumns are the first numbers of the cells of ports or types, ascending.
func newColumns(sides [2][]stroke) []int {
	columns := []int{0}
	for _, list := range sides {
		for _, s := range list {
			for _, r := range s.columns.Ranges() {
				columns = append(columns, int(r.First))
				if r.Last < port.Max {
					columns = append(columns, int(r.Last)+1)
				}
			}
		}
	}
	slices.Sort(columns)
	return slices.Compact(columns)
}
