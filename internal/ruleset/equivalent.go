package ruleset

import (
	"cmp"
	"encoding/binary"
	"iter"
	"math/bits"
	"net/netip"
	"slices"

	"portolan/internal/addr"
	"portolan/internal/parallel"
	"portolan/internal/port"
)

// A Proof is the outcome of comparing two rulesets over every packet.
type Proof struct {
	// Counterexample is a packet that the two treat differently, nil when there is none.
	Counterexample *Counterexample
	// Cells is how many cells of packet space were looked at on both sides, each of them
	// packets that no rule of either side can tell apart.
	Cells int
}

// Equivalent compares a and b over every packet and returns one that they treat
// differently, or nil when there is none. Limits and logs must be the same at the
// same place.
func Equivalent(a, b *Ruleset) *Counterexample { return Prove(a, b).Counterexample }

// Prove compares a and b over every packet.
//
// It is exact: the bounds of the sets in both rulesets cut the packets into finitely
// many cells, within a cell no rule can tell two packets apart, and every cell is
// looked at. A row is one cell of peers; along it, runs of ports that no rule tells
// apart are painted with the effects of one rule after the other.
func Prove(a, b *Ruleset) Proof {
	var proof Proof
	for _, d := range []Direction{In, Out} {
		sides := [2][]Rule{a.Chain(d).Rules, b.Chain(d).Rules}
		var cells int
		proof.Counterexample, cells = newPainter(sides, a.byDefault(d), b.byDefault(d)).prove(settings(d, sides))
		proof.Cells += cells
		if c := proof.Counterexample; c != nil {
			c.A, c.B = a.Decide(c.Packet), b.Decide(c.Packet)
			return proof
		}
	}
	if only := xor(a.Untracked, b.Untracked); !only.IsEmpty() {
		// The two agree about every state, but not about which state a packet has.
		c := &Counterexample{Packet: Packet{Interface: interfaceAtoms(a.Input.Rules, b.Input.Rules)[0], State: Untracked, Proto: uint8(port.UDP),
			Peer: netip.AddrFrom4([4]byte{}), Port: only.Ranges()[0].First}}
		c.A, c.B = a.Decide(c.Packet), b.Decide(c.Packet)
		c.untracked = [2]bool{a.Untracked.Contains(c.Packet.Port), b.Untracked.Contains(c.Packet.Port)}
		proof.Counterexample = c
	}
	return proof
}

// xor is what is in one of two sets.
func xor(a, b port.Set) port.Set { return a.Minus(b).Union(b.Minus(a)) }

// A setting is one packet out of those that differ in peer, port and type alone, and the sets
// that the packet stands for in the other fields.
type setting struct {
	at          Packet
	protos      Bytes
	sourcePorts port.Set
	other       bool     // the interface stands for every name that no rule has
	named       []string // the interfaces that a rule has, and Loopback
}

// settings are all packets of one direction, as far as a rule of one of the sides tells them
// apart by anything but peer, port and type.
func settings(d Direction, sides [2][]Rule) iter.Seq[setting] {
	return func(yield func(setting) bool) {
		names, from := interfaceAtoms(sides[0], sides[1]), sourcePortAtoms(sides[0], sides[1])
		for _, protos := range protoAtoms(sides[0], sides[1]) {
			own := from
			if kindOf(protos.one) != withPorts {
				own = from[:1]
			}
			for _, state := range AllStates.Each() {
				for i, name := range names {
					for k, first := range own {
						s := setting{
							at:     Packet{Direction: d, Interface: name, State: state, Proto: protos.one, SourcePort: first},
							protos: protos.all, sourcePorts: port.All(), other: i == 0, named: names[1:],
						}
						if len(own) > 1 {
							last := uint16(port.Max)
							if k+1 < len(own) {
								last = own[k+1] - 1
							}
							s.sourcePorts = port.Of(port.Range{First: first, Last: last})
						}
						if !yield(s) {
							return
						}
					}
				}
			}
		}
	}
}

// sourcePortAtoms are one source port out of each run that no rule tells apart, ascending.
func sourcePortAtoms(sides ...[]Rule) []uint16 {
	out := []uint16{0}
	for _, rules := range sides {
		for i := range rules {
			if rules[i].Match.SourcePorts.IsAll() {
				continue
			}
			for r := range rules[i].Match.SourcePorts.Each() {
				out = append(out, r.First)
				if r.Last < port.Max {
					out = append(out, r.Last+1)
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// interfaceAtoms are all names that occur, and one that does not.
func interfaceAtoms(sides ...[]Rule) []string {
	names := []string{Loopback}
	for _, rules := range sides {
		for i := range rules {
			names = append(names, rules[i].Match.Interfaces.names...)
		}
	}
	other := "eth0"
	for slices.Contains(names, other) {
		other += "x"
	}
	slices.Sort(names)
	return append([]string{other}, slices.Compact(names)...)
}

// A protoAtom is protocols that no rule tells apart, and one of them.
type protoAtom struct {
	one uint8
	all Bytes
}

// protoAtoms are all protocols, cut as the rules do. TCP, UDP and the two ICMPs always stand
// for themselves.
func protoAtoms(sides ...[]Rule) []protoAtom {
	var sets []Bytes
	for _, rules := range sides {
		for i := range rules {
			if s := rules[i].Match.Protos; !slices.Contains(sets, s) {
				sets = append(sets, s)
			}
		}
	}
	var out []protoAtom
	for _, n := range []uint8{uint8(port.TCP), uint8(port.UDP), ICMP, ICMPv6} {
		out = append(out, protoAtom{n, BytesOf(n)})
	}
	at := map[string]int{}
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
		i, known := at[string(signature)]
		if !known {
			i = len(out)
			at[string(signature)] = i
			out = append(out, protoAtom{one: uint8(n)})
		}
		out[i].all[n/64] |= 1 << (n % 64)
	}
	return out
}

// painter holds what comparing one context after the other shares.
type painter struct {
	rules   [2][]candidate
	effects map[Effect]int
	list    []Effect       // by their numbers
	last    int            // number of the effect that was met last
	steps   [][]int32      // by what happened so far, then by effect: what happened then
	ended   []bool         // by what happened so far
	pasts   []past         // by what happened so far
	done    map[string]int // cells of contexts already compared, by the rules that matter there
	cells   int            // looked at so far, on both sides
	sides   [2][]stroke    // of the context that is looked at
}

// nothing is what has happened to a cell before the first rule.
const nothing = 0

// A past is what had happened before the last effect, and the number of that effect.
type past struct {
	before int32
	effect int
}

// candidate is a rule with what is asked of it in many contexts.
type candidate struct {
	*Match
	anyPort, anyType bool
	types            port.Set // the ICMP types as columns
	effect           int
	ends             bool
}

func newPainter(sides [2][]Rule, defaults ...Verdict) *painter {
	p := &painter{effects: map[Effect]int{}, steps: [][]int32{nil}, ended: []bool{false}, pasts: []past{{}}, done: map[string]int{}}
	all := Any()
	for side, rules := range sides {
		list := make([]candidate, 0, len(rules)+1)
		for i := range rules {
			list = append(list, p.candidate(&rules[i].Match, rules[i].Effect))
		}
		p.rules[side] = append(list, p.candidate(&all, Effect{Verdict: defaults[side]}))
	}
	return p
}

func (p *painter) candidate(m *Match, e Effect) candidate {
	c := candidate{Match: m, anyPort: m.anyPort(), anyType: m.Types.IsAll(), types: port.All(), effect: p.effect(e), ends: e.ends()}
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
	if len(p.list) > 0 && p.list[p.last] == e { // of thousands of rules one after the other
		return p.last
	}
	id, ok := p.effects[e]
	if !ok {
		id = len(p.effects)
		p.effects[e] = id
		p.list = append(p.list, e)
	}
	p.last = id
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
		p.pasts = append(p.pasts, past{now, id})
	}
	return next
}

// decision is what has happened to a cell, as Decide says it of the packets in it.
func (p *painter) decision(now int32) Decision {
	var d Decision
	for ; now != nothing; now = p.pasts[now].before {
		d = append(d, p.list[p.pasts[now].effect])
	}
	slices.Reverse(d)
	return d
}

// A stroke is one rule as far as it matters in one context: peers times columns,
// where columns are ports, ICMP types, or a single one for other protocols.
type stroke struct {
	rule    int // index into the candidates of its side
	peers   addr.Set
	columns port.Set
}

// strokes are the rules of one side that can match in the context of at. The default is
// the last of them unless a rule decides everything before it. They are appended to out.
func strokes(out []stroke, rules []candidate, at Packet) []stroke {
	kind := kindOf(at.Proto)
	for i := range rules {
		c := &rules[i]
		if c.States&at.State == 0 || !c.Protos.Has(at.Proto) || !c.Interfaces.Has(at.Interface) ||
			kind != withTypes && !c.anyType || kind != withPorts && !c.anyPort || c.Peers.IsEmpty() ||
			kind == withPorts && !c.SourcePorts.Contains(at.SourcePort) {
			continue
		}
		s := stroke{i, c.Peers, c.types}
		if kind == withPorts {
			s.columns = c.Ports
		}
		if s.columns.IsEmpty() {
			continue
		}
		out = append(out, s)
		if c.ends && s.columns.IsAll() && s.peers.IsAll() {
			break // nothing after it is asked
		}
	}
	return out
}

// prove looks at all settings, and is the first cell of which the two sides disagree, and how many
// cells there are. TCP and UDP are most of the work, and nothing of one matters to the other, so
// every other protocol is looked at by a painter of its own.
func (p *painter) prove(all iter.Seq[setting]) (*Counterexample, int) {
	var protos [][]Packet
	for s := range all {
		if n := len(protos); n == 0 || protos[n-1][0].Proto != s.at.Proto {
			protos = append(protos, nil)
		}
		protos[len(protos)-1] = append(protos[len(protos)-1], s.at)
	}
	painters := [2]*painter{p, p.another()}
	found := make([]*Counterexample, len(protos))
	parallel.For(len(painters), func(k int) {
		for i := k; i < len(protos); i += len(painters) {
			for _, at := range protos[i] {
				if found[i] = painters[k].compare(at); found[i] != nil {
					return
				}
			}
		}
	})
	cells := 0
	for _, n := range p.done {
		cells += n
	}
	for key, n := range painters[1].done {
		if _, both := p.done[key]; !both {
			cells += n
		}
	}
	return cmp.Or(found...), cells
}

// another is a painter of the same rules, which nothing has happened to.
func (p *painter) another() *painter {
	return &painter{rules: p.rules, list: p.list, steps: [][]int32{nil}, ended: []bool{false}, pasts: []past{{}}, done: map[string]int{}}
}

// compare looks at every cell of one context: all of at but its peer, port and type.
func (p *painter) compare(at Packet) *Counterexample {
	sides, key := p.context(at)
	if _, done := p.done[key]; done {
		return nil
	}
	before := p.cells
	defer func() { p.done[key] = p.cells - before }()
	for row := range p.paint(sides, true) {
		for c, first := range row.columns {
			if row.painted[0][c] != row.painted[1][c] {
				if kindOf(at.Proto) == withTypes && first > 255 {
					continue // no such type
				}
				return &Counterexample{Packet: at.cell(row.from, first)}
			}
		}
	}
	return nil
}

// cell is the packet in the cell of a peer and a column, which is a port or a type.
func (p Packet) cell(peer netip.Addr, column int) Packet {
	p.Peer = peer
	switch kindOf(p.Proto) {
	case withPorts:
		p.Port = uint16(column)
	case withTypes:
		p.Type = uint8(column)
	}
	return p
}

// context is what matters of both sides in the context of at, and a key that is the same for
// contexts in which the same rules matter in the same way. The slices are used again for the
// next context.
func (p *painter) context(at Packet) ([2][]stroke, string) {
	for side, rules := range p.rules {
		if p.sides[side] == nil {
			p.sides[side] = make([]stroke, 0, len(rules))
		}
		p.sides[side] = strokes(p.sides[side][:0], rules, at)
	}
	return p.sides, contextKey(at.Proto, p.sides)
}

// A paintedRow is what happens to the packets of one cell of peers, column by column. Two
// numbers are equal when the same effects happen in the same order.
type paintedRow struct {
	row     int
	from    netip.Addr // the first peer of the cell
	rows    []netip.Addr
	columns []int // the first of each
	painted [2][]int32
}

// paint yields the rows of one context, without those that the same rules touch as a row
// before when distinct is set. Its slices are used again for the next row.
//
// In most rows a few of the columns are touched, those of a service for its own zone, so each
// row is cut into the columns that its own rules cut it into.
func (p *painter) paint(sides [2][]stroke, distinct bool) func(func(paintedRow) bool) {
	return func(yield func(paintedRow) bool) {
		if len(sides[0]) == 1 && len(sides[1]) == 1 && p.rules[0][sides[0][0].rule].effect == p.rules[1][sides[1][0].rule].effect {
			p.cells++
			return // both decide everything at once and alike
		}
		rows, all := newRows(sides), newColumns(sides)
		var hits [2][][]int32 // by side and row: which strokes touch it
		var runs [2][][][2]int
		for side, list := range sides {
			hits[side] = p.hits(side, list, rows)
			runs[side] = runsOf(list, all)
		}
		many := len(all) / 4 // with more columns of its own it is quicker to give a row all
		seen := map[string]bool{}
		var key []byte
		own, columns := make([]int, 0, len(all)), make([]int, 0, len(all)) // indices into all, and what they stand for
		var painted [2][]int32
		for row, from := range rows {
			if distinct {
				key = key[:0]
				for side := range sides {
					for _, i := range hits[side][row] {
						key = binary.AppendUvarint(key, uint64(i)+1)
					}
					key = append(key, 0)
				}
				if seen[string(key)] {
					continue
				}
				seen[string(key)] = true
			}
			own = append(own[:0], 0)
			for side := range sides {
				for _, i := range hits[side][row] {
					if len(own) > many {
						break
					}
					for _, run := range runs[side][i] {
						own = append(own, run[0], min(run[1], len(all)-1))
					}
				}
			}
			if len(own) > many {
				own = own[:0]
				for i := range all {
					own = append(own, i)
				}
			} else {
				slices.Sort(own)
				own = slices.Compact(own)
			}
			columns = columns[:0]
			for _, i := range own {
				columns = append(columns, all[i])
			}
			p.cells += len(own)
			for side, list := range sides {
				line := slices.Grow(painted[side][:0], len(own))[:len(own)]
				clear(line)
				painted[side] = line
				for _, i := range hits[side][row] {
					rule := &p.rules[side][list[i].rule]
					for _, run := range runs[side][i] {
						for c := columnOf(own, len(all), run[0]); c < len(own) && own[c] < run[1]; c++ {
							if now := line[c]; !p.ended[now] {
								line[c] = p.step(now, rule.effect, rule.ends)
							}
						}
					}
				}
			}
			if !yield(paintedRow{row, from, rows, columns, painted}) {
				return
			}
		}
	}
}

// runsOf are, by stroke, the runs of columns that it has: the index of the first, and of the one
// behind the last.
func runsOf(list []stroke, all []int) [][][2]int {
	out, room := make([][][2]int, len(list)), make([][2]int, 0, len(list)) // most have one run
	for i, s := range list {
		begin := len(room)
		for r := range s.columns.Each() {
			first, _ := slices.BinarySearch(all, int(r.First))
			end, _ := slices.BinarySearch(all, int(r.Last)+1)
			room = append(room, [2]int{first, end})
		}
		out[i] = room[begin:len(room):len(room)]
	}
	return out
}

// columnOf is where a column is among some of all, which are in order.
func columnOf(own []int, all, column int) int {
	if len(own) == all {
		return column
	}
	i, _ := slices.BinarySearch(own, column)
	return i
}

// hits are, by row, the strokes of one side that touch it, up to one that ends all of it.
func (p *painter) hits(side int, list []stroke, rows []netip.Addr) [][]int32 {
	type hit struct{ row, stroke int32 }
	var all []hit
	ended, counts := make([]bool, len(rows)), make([]int, len(rows))
	for i, s := range list {
		ends := p.rules[side][s.rule].ends && s.columns.IsAll()
		for r := range s.peers.Each() {
			for row := rowOf(rows, r.First); row < len(rows) && !r.Last.Less(rows[row]); row++ {
				if !ended[row] {
					all = append(all, hit{int32(row), int32(i)})
					counts[row]++
					ended[row] = ends
				}
			}
		}
	}
	out, room := make([][]int32, len(rows)), make([]int32, len(all))
	for row, n := range counts {
		out[row], room = room[:0:n], room[n:]
	}
	for _, h := range all {
		out[h.row] = append(out[h.row], h.stroke)
	}
	return out
}

// contextKey is the same for two contexts in which the same rules of both sides matter
// in the same way.
func contextKey(proto uint8, sides [2][]stroke) string {
	key := make([]byte, 0, 3*(len(sides[0])+len(sides[1])+1))
	key = append(key, byte(kindOf(proto)))
	for _, list := range sides {
		for _, s := range list {
			key = binary.AppendUvarint(key, uint64(s.rule)+1)
		}
		key = append(key, 0)
	}
	return string(key)
}

// newRows are the first addresses of the cells of peers, ascending.
func newRows(sides [2][]stroke) []netip.Addr {
	var rows []netip.Addr
	for r := range addr.All().Each() {
		rows = append(rows, r.First)
	}
	for _, list := range sides {
		var last addr.Set // most rules are of the same peers as the one before
		for _, s := range list {
			if s.peers.IsAll() || s.peers.Equal(last) {
				continue
			}
			last = s.peers
			for r := range s.peers.Each() {
				rows = append(rows, r.First)
				if next := r.Last.Next(); next.IsValid() {
					rows = append(rows, next)
				}
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
	var begins [port.Max/64 + 1]uint64 // a bit for each number
	mark := func(n uint16) { begins[n/64] |= 1 << (n % 64) }
	mark(0)
	for _, list := range sides {
		for _, s := range list {
			for r := range s.columns.Each() {
				mark(r.First)
				if r.Last < port.Max {
					mark(r.Last + 1)
				}
			}
		}
	}
	count := 0
	for _, word := range begins {
		count += bits.OnesCount64(word)
	}
	columns := make([]int, 0, count)
	for i, word := range begins {
		for ; word != 0; word &= word - 1 {
			columns = append(columns, i*64+bits.TrailingZeros64(word))
		}
	}
	return columns
}
