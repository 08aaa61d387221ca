package ruleset

import (
	"encoding/binary"
	"slices"

	"portolan/internal/addr"
	"portolan/internal/port"
)

// A Change is traffic that two rulesets treat differently, and all of it alike: every packet
// of the product of its sets has decision A in the one and B in the other.
type Change struct {
	Direction  Direction
	Interfaces []string // names that occur in a rule, or Loopback; ascending
	// Others says that interfaces of every other name belong to it too.
	Others      bool
	States      States
	Protos      Bytes
	Peers       addr.Set
	Ports       port.Set // destination ports; all of them for protocols without
	SourcePorts port.Set
	Types       Bytes // ICMP types; all of them for other protocols
	A, B        Decision
	// Example is a packet of it.
	Example Packet

	named   []string // every interface that occurs in a rule
	outcome outcome  // stands for A and B
}

// Diff is all the traffic that a and b treat differently: every packet is in one change or
// decided alike, limits and logs included. Which UDP ports are untracked is not traffic;
// compare the Untracked of both. The order is in before out, then the order of the protocols
// and the ports.
func Diff(a, b *Ruleset) []Change {
	var out []Change
	for _, direction := range []Direction{In, Out} {
		out = append(out, diffOf(direction, a, b)...)
	}
	return out
}

// diffOf is the part of Diff about one direction.
func diffOf(direction Direction, a, b *Ruleset) []Change {
	return newDiffer(direction, a, b).all(direction)
}

// all are the changes of the direction that d is about.
func (d *differ) all(direction Direction) []Change {
	for s := range d.settings(direction) {
		for _, found := range d.areas(s.at) {
			c := s.change()
			c.Peers, c.Ports, c.Types, c.outcome = found.peers, found.ports, found.types, found.outcome
			c.Example = s.at.cell(found.peers.First(), found.column)
			c.A, c.B = d.decision(c.outcome[0]), d.decision(c.outcome[1])
			d.changes = append(d.changes, c)
		}
	}
	return d.merged()
}

// differ collects the changes of one direction.
type differ struct {
	*painter
	known   map[string][]area // by the key of a context
	changes []Change
}

func newDiffer(direction Direction, a, b *Ruleset) *differ {
	return &differ{painter: newPainter(direction, a, b), known: map[string][]area{}}
}

// An outcome is what has happened on both sides in the numbers of a painter, which are
// equal for equal decisions alone.
type outcome [2]int32

// change is all packets of a setting.
func (s *setting) change() Change {
	c := Change{
		Direction: s.at.Direction, Others: s.other, States: s.at.State, Protos: s.protos,
		Peers: addr.All(), Ports: port.All(), SourcePorts: s.sourcePorts, Types: AllBytes(), named: s.named,
	}
	if !s.other {
		c.Interfaces = []string{s.at.Interface}
	}
	return c
}

// An area is peers times ports or types of one context that are treated differently.
type area struct {
	peers  addr.Set
	ports  port.Set
	types  Bytes
	column int32 // its first port or type
	outcome
}

// areas are where the two sides differ in one context.
func (d *differ) areas(packet Packet) []area {
	k := kindOf(packet.Proto)
	key := d.context(packet)
	if found, ok := d.known[key]; ok {
		return found
	}
	type shape struct {
		outcome
		columns []port.Range
		peers   []addr.Range
	}
	var shapes []shape // in the order in which they are met
	var at index
	var differing [][]port.Range // of one row, by the outcomes that are met
	var met []outcome
	number := map[outcome]int{}
	for row := range d.paint(k, false) {
		met = met[:0]
		clear(number)
		for c, first := range row.columns {
			p := outcome{row.painted[0][c], row.painted[1][c]}
			if p[0] == p[1] || k == withTypes && first > 255 {
				continue
			}
			i, known := number[p]
			if !known {
				i = len(met)
				number[p] = i
				met = append(met, p)
				if i == len(differing) {
					differing = append(differing, nil)
				}
				differing[i] = differing[i][:0]
			}
			last := uint16(port.Max)
			if c+1 < len(row.columns) {
				last = uint16(row.columns[c+1] - 1)
			}
			if n := len(differing[i]); n > 0 && int32(differing[i][n-1].Last)+1 == first {
				differing[i][n-1].Last = last
			} else {
				differing[i] = append(differing[i], port.Range{First: uint16(first), Last: last})
			}
		}
		last := row.last()
		for i, p := range met {
			hash := mix(mix(0, uint64(p[0])), uint64(p[1]))
			for _, r := range differing[i] {
				hash = mix(hash, uint64(r.First)<<16|uint64(r.Last))
			}
			s, known := at.find(hash, func(s int) bool { return shapes[s].outcome == p && slices.Equal(shapes[s].columns, differing[i]) })
			if !known {
				shapes = append(shapes, shape{p, slices.Clone(differing[i]), nil})
			}
			shapes[s].peers = append(shapes[s].peers, addr.Range{First: row.from, Last: last})
		}
	}
	rectangles := map[outcome][]rectangle{}
	var pairs []outcome
	for _, s := range shapes {
		if rectangles[s.outcome] == nil {
			pairs = append(pairs, s.outcome)
		}
		rectangles[s.outcome] = append(rectangles[s.outcome], rectangle{addr.OfRanges(s.peers...), port.Of(s.columns...)})
	}
	found := []area{}
	for _, p := range pairs {
		for _, r := range byColumns(rectangles[p]) {
			one := area{r.peers, port.All(), AllBytes(), int32(r.columns.First()), p}
			switch k {
			case withPorts:
				one.ports = r.columns
			case withTypes:
				one.types = Bytes{}
				for n := range 256 {
					if r.columns.Contains(uint16(n)) {
						one.types[n/64] |= 1 << (n % 64)
					}
				}
			}
			found = append(found, one)
		}
	}
	d.known[key] = found
	return found
}

// A rectangle is peers times columns.
type rectangle struct {
	peers   addr.Set
	columns port.Set
}

// byColumns cuts rectangles that share no peer along their columns instead of along their
// peers: columns that have the same peers are one. That is what people ask, "who may come
// to this port", so it is taken where it needs no more rectangles.
func byColumns(rows []rectangle) []rectangle {
	if len(rows) < 2 {
		return rows
	}
	const most = 1 << 20 // steps
	var bounds []int
	for _, r := range rows {
		for c := range r.columns.Each() {
			bounds = append(bounds, int(c.First), int(c.Last)+1)
		}
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	if len(bounds)*len(rows) > most {
		return rows
	}
	at := map[string]int{}
	var members [][]byte // by group: which rows have it
	var columns [][]port.Range
	for i := range len(bounds) - 1 {
		member := make([]byte, len(rows))
		some := false
		for k := range rows {
			if rows[k].columns.Contains(uint16(bounds[i])) {
				member[k], some = 1, true
			}
		}
		if !some {
			continue
		}
		group, known := at[string(member)]
		if !known {
			if len(members) == len(rows) {
				return rows // it would be more
			}
			group = len(members)
			at[string(member)] = group
			members, columns = append(members, member), append(columns, nil)
		}
		columns[group] = append(columns[group], port.Range{First: uint16(bounds[i]), Last: uint16(bounds[i+1] - 1)})
	}
	out := make([]rectangle, len(members))
	for group, member := range members {
		var peers []addr.Range
		for k := range rows {
			if member[k] == 1 {
				peers = slices.AppendSeq(peers, rows[k].peers.Each())
			}
		}
		out[group] = rectangle{addr.OfRanges(peers...), port.Of(columns[group]...)}
	}
	return out
}

// merged joins changes that differ in one set only, set by set, until none are left.
func (d *differ) merged() []Change {
	out := d.changes
	for before := len(out) + 1; len(out) < before; {
		before = len(out)
		for field := range fields {
			out = joined(out, field)
		}
	}
	return out
}

// fields is the number of sets of a change that changes are joined in.
const fields = 7

// joined joins changes that differ in one set only, which is the one of the given number.
func joined(changes []Change, field int) []Change {
	var at index
	next := changes[:0]
	for i := range changes {
		c := &changes[i]
		k, known := at.find(c.hashWithout(field), func(k int) bool { return c.equalWithout(field, &next[k]) })
		if !known {
			next = append(next, *c)
			continue
		}
		into := &next[k]
		switch field {
		case 0:
			into.States |= c.States
		case 1:
			into.Others = into.Others || c.Others
			into.Interfaces = InterfacesOf(append(into.Interfaces, c.Interfaces...)...).Names()
		case 2:
			into.SourcePorts = into.SourcePorts.Union(c.SourcePorts)
		case 3:
			for i := range into.Protos {
				into.Protos[i] |= c.Protos[i]
			}
		case 4:
			into.Peers = into.Peers.Union(c.Peers)
		case 5:
			into.Ports = into.Ports.Union(c.Ports)
		case 6:
			for i := range into.Types {
				into.Types[i] |= c.Types[i]
			}
		}
	}
	return next
}

// equalWithout reports whether c and o differ at most in the set of the given number.
func (c *Change) equalWithout(field int, o *Change) bool {
	return c.outcome == o.outcome &&
		(field == 0 || c.States == o.States) &&
		(field == 1 || c.Others == o.Others && slices.Equal(c.Interfaces, o.Interfaces)) &&
		(field == 2 || c.SourcePorts.Equal(o.SourcePorts)) &&
		(field == 3 || c.Protos == o.Protos) &&
		(field == 4 || c.Peers.Equal(o.Peers)) &&
		(field == 5 || c.Ports.Equal(o.Ports)) &&
		(field == 6 || c.Types == o.Types)
}

// hashWithout is the same for changes that are equalWithout. Interfaces and source ports are left out:
// there are few of them.
func (c *Change) hashWithout(field int) uint64 {
	h := mix(mix(0, uint64(c.outcome[0])), uint64(c.outcome[1]))
	if field != 0 {
		h = mix(h, uint64(c.States))
	}
	if field != 3 {
		for _, word := range c.Protos {
			h = mix(h, word)
		}
	}
	if field != 4 {
		for r := range c.Peers.Each() {
			first, last := r.First.As16(), r.Last.As16()
			for _, half := range [...][]byte{first[:8], first[8:], last[:8], last[8:]} {
				h = mix(h, binary.BigEndian.Uint64(half))
			}
		}
	}
	if field != 5 {
		for r := range c.Ports.Each() {
			h = mix(h, uint64(r.First)<<16|uint64(r.Last))
		}
	}
	if field != 6 {
		for _, word := range c.Types {
			h = mix(h, word)
		}
	}
	return h
}

// mix adds a number to a hash (FNV-1a, by words).
func mix(hash, n uint64) uint64 { return (hash ^ n) * 1099511628211 }

// An index finds things of a list by a hash of them, and those of one hash by what they are.
type index struct {
	last   map[uint64]int // of a hash
	before []int          // by thing: the one before it that has the same hash, -1 for none
}

// find is the place of a thing in the list. One that is not known is the next of the list.
func (x *index) find(hash uint64, same func(i int) bool) (i int, known bool) {
	if x.last == nil {
		x.last = map[uint64]int{}
	}
	end, met := x.last[hash]
	if !met {
		end = -1
	}
	for i := end; i >= 0; i = x.before[i] {
		if same(i) {
			return i, true
		}
	}
	x.before = append(x.before, end)
	x.last[hash] = len(x.before) - 1
	return len(x.before) - 1, false
}

// Has reports whether p belongs to c.
func (c *Change) Has(p Packet) bool {
	m := c.match()
	return c.Direction == p.Direction && c.on(p.Interface) && m.Has(p)
}

// on reports whether the interface of a name belongs to c.
func (c *Change) on(name string) bool {
	if slices.Contains(c.named, name) {
		return slices.Contains(c.Interfaces, name)
	}
	return c.Others
}

// Excepted are the interfaces that occur in a rule and do not belong to c though those of
// every other name do.
func (c *Change) Excepted() []string {
	return slices.DeleteFunc(slices.Clone(c.named), c.on)
}

// match is c without its interfaces.
func (c *Change) match() Match {
	return Match{AllInterfaces(), c.States, c.Protos, c.Peers, c.Ports, c.SourcePorts, c.Types}
}
