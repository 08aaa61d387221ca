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
// same place. It is Prove for who does not ask how many cells there are.
func Equivalent(a, b *Ruleset) *Counterexample { return prove(a, b, false).Counterexample }

// Prove compares a and b over every packet.
//
// It is exact: the bounds of the sets in both rulesets cut the packets into finitely
// many cells, within a cell no rule can tell two packets apart, and every cell is
// looked at. A row is one cell of peers; along it, runs of ports that no rule tells
// apart are painted with the effects of one rule after the other.
func Prove(a, b *Ruleset) Proof { return prove(a, b, true) }

// prove is Prove; without every, only the cells are looked at in which the two can differ.
func prove(a, b *Ruleset, every bool) Proof {
	var proof Proof
	for _, d := range []Direction{In, Out} {
		p := newPainter(d, a, b)
		p.every = every
		var cells int
		proof.Counterexample, cells = p.prove(d)
		proof.Cells += cells
		if c := proof.Counterexample; c != nil {
			c.A, c.B = a.Decide(c.Packet), b.Decide(c.Packet)
			return proof
		}
	}
	if only := xor(a.Untracked, b.Untracked); !only.IsEmpty() {
		// The two agree about every state, but not about which state a packet has.
		c := &Counterexample{Packet: Packet{Interface: newPainter(In, a, b).interfaceAtoms()[0], State: Untracked, Proto: uint8(port.UDP),
			Peer: netip.AddrFrom4([4]byte{}), Port: only.First()}}
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
func (p *painter) settings(d Direction) iter.Seq[setting] {
	return func(yield func(setting) bool) {
		names, from := p.interfaceAtoms(), p.sourcePortAtoms()
		for _, protos := range p.protoAtoms() {
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
func (p *painter) sourcePortAtoms() []uint16 {
	out := []uint16{0}
	for i := range p.frames {
		for r := range p.frames[i].SourcePorts.Each() {
			out = append(out, r.First)
			if r.Last < port.Max {
				out = append(out, r.Last+1)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// interfaceAtoms are all names that occur, and one that does not.
func (p *painter) interfaceAtoms() []string {
	names := []string{Loopback}
	for i := range p.frames {
		names = append(names, p.frames[i].Interfaces.names...)
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
func (p *painter) protoAtoms() []protoAtom {
	var sets []Bytes
	for i := range p.frames {
		if s := p.frames[i].Protos; !slices.Contains(sets, s) {
			sets = append(sets, s)
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
	frames  []frame
	every   bool // every cell is looked at, those too in which the same rules matter in the same order
	effects map[Effect]int32
	list    []Effect          // by their numbers
	last    int32             // number of the effect that was met last
	steps   [][]int32         // by what happened so far, then by effect: what happened then
	ended   []bool            // by what happened so far
	pasts   []past            // by what happened so far
	keys    map[string]string // of contexts, by the frames that they are in
	done    map[string]int    // cells of contexts already compared, by the rules that matter there
	cells   int               // looked at so far, on both sides
	sides   [2][]*candidate   // those that matter in the context that is looked at, in their order
	key     []byte
}

// nothing is what has happened to a cell before the first rule.
const nothing = 0

// A past is what had happened before the last effect, and the number of that effect.
type past struct{ before, effect int32 }

// candidate is a rule with what is asked of it in many contexts.
type candidate struct {
	*Match
	types        *port.Set // the ICMP types as columns, nil for all of them
	rule         int32     // its number on its side
	frame        int32
	effect       int32
	ends, always bool // always: it matters to every peer and column of a context
}

// A frame is all that decides whether a rule matters in a context: all of its match but peers, ports and
// types. Thousands of rules share one.
type frame struct {
	*Match           // of the first rule that is in it, which stands for all
	anyPort, anyType bool
}

// equal reports whether f and o are in the same contexts.
func (f *frame) equal(o *frame) bool {
	return f.States == o.States && f.Protos == o.Protos && f.anyPort == o.anyPort && f.anyType == o.anyType &&
		f.SourcePorts.Equal(o.SourcePorts) && f.Interfaces.equal(o.Interfaces)
}

// in reports whether the rules of f matter in the context of at.
func (f *frame) in(at Packet) bool {
	kind := kindOf(at.Proto)
	return f.States&at.State != 0 && f.Protos.Has(at.Proto) && f.Interfaces.Has(at.Interface) &&
		(kind == withTypes || f.anyType) && (kind == withPorts || f.anyPort) &&
		(kind != withPorts || f.SourcePorts.Contains(at.SourcePort))
}

// newPainter is a painter of the rules of two rulesets about one direction.
func newPainter(d Direction, a, b *Ruleset) *painter {
	p := blankPainter()
	all := Any()
	for side, rs := range []*Ruleset{a, b} {
		rules := rs.Chain(d).Rules
		p.rules[side] = make([]candidate, 0, len(rules)+1)
		for i := range rules {
			p.add(side, &rules[i].Match, p.effect(rules[i].Effect), rules[i].Effect.ends())
		}
		p.add(side, &all, p.effect(Effect{Verdict: rs.byDefault(d)}), true)
	}
	return p
}

// blankPainter has no rules, and nothing has happened.
func blankPainter() *painter {
	return &painter{effects: map[Effect]int32{}, steps: [][]int32{nil}, ended: []bool{false}, pasts: []past{{}}, keys: map[string]string{}, done: map[string]int{}}
}

// add puts a rule behind the others of a side.
func (p *painter) add(side int, m *Match, effect int32, ends bool) {
	c := candidate{Match: m, rule: int32(len(p.rules[side])), frame: p.frame(m), effect: effect, ends: ends}
	if !m.Types.IsAll() {
		types := m.Types.columns()
		c.types = &types
	}
	c.always = ends && c.types == nil && m.Ports.IsAll() && m.Peers.IsAll()
	p.rules[side] = append(p.rules[side], c)
}

// frame is the number of the frame of a rule.
func (p *painter) frame(m *Match) int32 {
	f := frame{m, m.anyPort(), m.Types.IsAll()}
	for i := len(p.frames) - 1; i >= 0; i-- { // those of services are behind those of what every ruleset has
		if p.frames[i].equal(&f) {
			return int32(i)
		}
	}
	p.frames = append(p.frames, f)
	return int32(len(p.frames) - 1)
}

// columns are the ports, ICMP types, or a single column for other protocols, that a rule is about.
func (c *candidate) columns(k kind) port.Set {
	switch {
	case k == withPorts:
		return c.Ports
	case c.types != nil:
		return *c.types
	}
	return port.All()
}

// effect numbers the effects as they are met.
func (p *painter) effect(e Effect) int32 {
	if len(p.list) > 0 && p.list[p.last] == e { // of thousands of rules one after the other
		return p.last
	}
	id, ok := p.effects[e]
	if !ok {
		id = int32(len(p.effects))
		p.effects[e] = id
		p.list = append(p.list, e)
	}
	p.last = id
	return id
}

// step is what has happened after effect number id happened to a cell with the past
// now, which has not ended. The same past and effect always give the same number.
func (p *painter) step(now, id int32, ends bool) int32 {
	for len(p.steps[now]) <= int(id) {
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
	n := 0
	for at := now; at != nothing; at = p.pasts[at].before {
		n++
	}
	d := make(Decision, n)
	for ; now != nothing; now = p.pasts[now].before {
		n--
		d[n] = p.list[p.pasts[now].effect]
	}
	return d
}

// matter are the rules of one side that can match in a context, which is in some frames. The default
// is the last of them unless a rule decides everything before it. They are appended to out.
func (p *painter) matter(out []*candidate, side int, k kind, in []byte) []*candidate {
	rules := p.rules[side]
	for i := range rules {
		c := &rules[i]
		if in[c.frame] == 0 || c.Peers.IsEmpty() || c.columns(k).IsEmpty() {
			continue
		}
		out = append(out, c)
		if c.always {
			break // nothing after it is asked
		}
	}
	return out
}

// prove looks at all settings, and is the first cell of which the two sides disagree, and how many
// cells there are. TCP and UDP are most of the work, and nothing of one matters to the other, so
// every other protocol is looked at by a painter of its own.
func (p *painter) prove(d Direction) (*Counterexample, int) {
	var protos [][]Packet
	for s := range p.settings(d) {
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
	o := blankPainter()
	o.rules, o.frames, o.every, o.list = p.rules, p.frames, p.every, p.list
	return o
}

// compare looks at every cell of one context: all of at but its peer, port and type.
func (p *painter) compare(at Packet) *Counterexample {
	key := p.context(at)
	if _, done := p.done[key]; done {
		return nil
	}
	before := p.cells
	defer func() { p.done[key] = p.cells - before }()
	for row := range p.paint(kindOf(at.Proto), true) {
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
func (p Packet) cell(peer netip.Addr, column int32) Packet {
	p.Peer = peer
	switch kindOf(p.Proto) {
	case withPorts:
		p.Port = uint16(column)
	case withTypes:
		p.Type = uint8(column)
	}
	return p
}

// context finds what matters of both sides in the context of at, unless a context before was in the
// same frames. The key is the same for contexts in which the same rules matter in the same way.
func (p *painter) context(at Packet) string {
	k := kindOf(at.Proto)
	p.key = append(p.key[:0], byte(k))
	for i := range p.frames {
		in := byte(0)
		if p.frames[i].in(at) {
			in = 1
		}
		p.key = append(p.key, in)
	}
	if key, known := p.keys[string(p.key)]; known {
		return key
	}
	in := string(p.key)
	key := p.key[:1]
	for side, rules := range p.rules {
		if p.sides[side] == nil {
			p.sides[side] = make([]*candidate, 0, len(rules))
		}
		p.sides[side] = p.matter(p.sides[side][:0], side, k, []byte(in[1:]))
		key = append(key, 0)
		for _, c := range p.sides[side] {
			key = binary.AppendUvarint(key, uint64(c.rule)+1)
		}
	}
	p.key = key
	p.keys[in] = string(key)
	return p.keys[in]
}

// A paintedRow is what happens to the packets of one cell of peers, column by column. Two
// numbers are equal when the same effects happen in the same order.
type paintedRow struct {
	row     int
	from    netip.Addr // the first peer of the cell
	rows    []netip.Addr
	columns []int32 // the first of each
	painted [2][]int32
}

// last is the last peer of the cell.
func (r *paintedRow) last() netip.Addr {
	if r.row+1 < len(r.rows) {
		if last := r.rows[r.row+1].Prev(); last.IsValid() && last.Is4() == r.from.Is4() {
			return last
		}
		return lastV4 // the next row begins the other family
	}
	return lastV6
}

var lastV4, lastV6 = addr.V4().Ranges()[0].Last, addr.V6().Ranges()[0].Last

// paint yields the rows of the context that was found last, without those that the same rules touch
// as a row before when distinct is set. Its slices are used again for the next row.
//
// In most rows a few of the columns are touched, those of a service for its own zone, so each
// row is cut into the columns that its own rules cut it into.
func (p *painter) paint(k kind, distinct bool) func(func(paintedRow) bool) {
	return func(yield func(paintedRow) bool) {
		sides := p.sides
		if !p.every {
			if sides = unlikeAlone(sides, k); len(sides[0])+len(sides[1]) == 0 {
				return
			}
		}
		if len(sides[0]) == 1 && len(sides[1]) == 1 && sides[0][0].effect == sides[1][0].effect {
			p.cells++
			return // both decide everything at once and alike
		}
		rows, all := newRows(sides), newColumns(sides, k)
		var touching [2]hits
		var runs [2]runs
		for side, list := range sides {
			touching[side] = newHits(list, k, rows)
			runs[side] = newRuns(list, k, all)
		}
		many := len(all) / 4 // with more columns of its own it is quicker to give a row all
		seen := map[string]bool{}
		var key []byte
		var own, some []int32 // indices into all, and what they stand for
		var painted [2][]int32
		for row, from := range rows {
			if distinct {
				key = key[:0]
				for side := range sides {
					for _, i := range touching[side].of(row) {
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
				for _, i := range touching[side].of(row) {
					if len(own) > many {
						break
					}
					for _, run := range runs[side].of(i) {
						own = append(own, run.first, min(run.end, int32(len(all)-1)))
					}
				}
			}
			columns := all
			if len(own) <= many {
				slices.Sort(own)
				own = slices.Compact(own)
				some = some[:0]
				for _, i := range own {
					some = append(some, all[i])
				}
				columns = some
			}
			p.cells += len(columns)
			for side, list := range sides {
				line := slices.Grow(painted[side][:0], len(columns))[:len(columns)]
				clear(line)
				painted[side] = line
				for _, i := range touching[side].of(row) {
					rule := list[i]
					for _, run := range runs[side].of(i) {
						c, end := int(run.first), int(run.end)
						if len(columns) < len(all) { // then both of them are among its own, or the end is behind all
							c, _ = slices.BinarySearch(own, run.first)
							end, _ = slices.BinarySearch(own[c:], run.end)
							end += c
						}
						for ; c < end; c++ {
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

// unlikeAlone are the rules of both sides without those that cannot make a difference: rules that
// both sides have, in the same order, and that share no column with another rule. A packet that only
// such rules match is decided alike, and any other packet meets the same rules as before.
func unlikeAlone(sides [2][]*candidate, k kind) [2][]*candidate {
	a, b := sides[0], sides[1]
	same := func(x, y *candidate) bool {
		return x.effect == y.effect && x.Peers.Equal(y.Peers) && x.columns(k).Equal(y.columns(k))
	}
	first := 0
	for first < min(len(a), len(b)) && same(a[first], b[first]) {
		first++
	}
	last := 0 // counted from behind
	for last < min(len(a), len(b))-first && same(a[len(a)-1-last], b[len(b)-1-last]) {
		last++
	}
	var ranges []port.Range
	for _, list := range [2][]*candidate{a[first : len(a)-last], b[first : len(b)-last]} {
		for _, c := range list {
			ranges = slices.AppendSeq(ranges, c.columns(k).Each())
		}
	}
	differing := port.Of(ranges...)
	for side, list := range sides {
		kept := make([]*candidate, 0, len(list)-first-last+1) // hardly more than one decides about everything
		for i, c := range list {
			if i >= first && i < len(list)-last || c.columns(k).Overlaps(differing) {
				kept = append(kept, c)
			}
		}
		sides[side] = kept
	}
	return sides
}

// A run is columns by their index: the first, and the one behind the last.
type run struct{ first, end int32 }

// runs are those of some rules, one after the other.
type runs struct {
	all   []run
	begin []int32 // by rule, and the end of all
}

func newRuns(list []*candidate, k kind, all []int32) runs {
	out := runs{make([]run, 0, len(list)), make([]int32, 0, len(list)+1)} // most have one
	for _, c := range list {
		out.begin = append(out.begin, int32(len(out.all)))
		for r := range c.columns(k).Each() {
			first, _ := slices.BinarySearch(all, int32(r.First))
			end, _ := slices.BinarySearch(all[first:], int32(r.Last)+1)
			out.all = append(out.all, run{int32(first), int32(first + end)})
		}
	}
	out.begin = append(out.begin, int32(len(out.all)))
	return out
}

// of are those of one rule.
func (r *runs) of(i int32) []run { return r.all[r.begin[i]:r.begin[i+1]] }

// hits are, by row, the rules of one side that touch it, up to one that ends all of it.
type hits struct {
	all []int32
	end []int32 // by row
}

func newHits(list []*candidate, k kind, rows []netip.Addr) hits {
	type hit struct{ row, rule int32 }
	found := make([]hit, 0, len(list)+len(rows))
	ended, out := make([]bool, len(rows)), hits{end: make([]int32, len(rows))}
	for i, c := range list {
		ends := c.ends && c.columns(k).IsAll()
		for r := range c.Peers.Each() {
			for row := rowOf(rows, r.First); row < len(rows) && !r.Last.Less(rows[row]); row++ {
				if !ended[row] {
					found = append(found, hit{int32(row), int32(i)})
					out.end[row]++
					ended[row] = ends
				}
			}
		}
	}
	// Each row begins where the one before ends, and its end moves as it is filled.
	begin := int32(0)
	for row, n := range out.end {
		out.end[row] = begin
		begin += n
	}
	out.all = make([]int32, len(found))
	for _, h := range found {
		out.all[out.end[h.row]] = h.rule
		out.end[h.row]++
	}
	return out
}

// of are those of one row.
func (h *hits) of(row int) []int32 {
	if row == 0 {
		return h.all[:h.end[0]]
	}
	return h.all[h.end[row-1]:h.end[row]]
}

// newRows are the first addresses of the cells of peers, ascending.
func newRows(sides [2][]*candidate) []netip.Addr {
	var rows []netip.Addr
	for r := range addr.All().Each() {
		rows = append(rows, r.First)
	}
	for _, list := range sides {
		var last addr.Set // most rules are of the same peers as the one before
		for _, c := range list {
			if c.Peers.IsAll() || c.Peers.Equal(last) {
				continue
			}
			last = c.Peers
			for r := range c.Peers.Each() {
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
func newColumns(sides [2][]*candidate, k kind) []int32 {
	var begins portBits
	begins.mark(0)
	for _, list := range sides {
		for _, c := range list {
			for r := range c.columns(k).Each() {
				begins.mark(r.First)
				if r.Last < port.Max {
					begins.mark(r.Last + 1)
				}
			}
		}
	}
	count := 0
	for _, word := range begins {
		count += bits.OnesCount64(word)
	}
	columns := make([]int32, 0, count)
	for i, word := range begins {
		for ; word != 0; word &= word - 1 {
			columns = append(columns, int32(i*64+bits.TrailingZeros64(word)))
		}
	}
	return columns
}

// portBits are a set of ports in one place, which changes often.
type portBits [port.Max/64 + 1]uint64

// mark adds a port.
func (b *portBits) mark(n uint16) { b[n/64] |= 1 << (n % 64) }

// add adds the ports of s.
func (b *portBits) add(s port.Set) {
	for i, mask := range words(s) {
		b[i] |= mask
	}
}

// remove takes away the ports of s, and returns how many of them were there.
func (b *portBits) remove(s port.Set) int {
	n := 0
	for i, mask := range words(s) {
		n += bits.OnesCount64(b[i] & mask)
		b[i] &^= mask
	}
	return n
}

// overlaps reports whether b and s share a port.
func (b *portBits) overlaps(s port.Set) bool {
	for i, mask := range words(s) {
		if b[i]&mask != 0 {
			return true
		}
	}
	return false
}

// words are the words of portBits that s has ports in, and these ports; several times where it has
// several runs.
func words(s port.Set) iter.Seq2[int, uint64] {
	return func(yield func(int, uint64) bool) {
		for r := range s.Each() {
			first, last := int(r.First/64), int(r.Last/64)
			for i := first; i <= last; i++ {
				mask := ^uint64(0)
				if i == first {
					mask <<= r.First % 64
				}
				if i == last {
					mask &= ^uint64(0) >> (63 - r.Last%64)
				}
				if !yield(i, mask) {
					return
				}
			}
		}
	}
}
