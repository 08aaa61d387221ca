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
			c.Example = s.at.cell(found.peers.Ranges()[0].First, found.column)
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
func (d *differ) areas(at Packet) []area {
	key := d.context(at)
	if found, ok := d.known[key]; ok {
		return found
	}
	type shape struct {
		outcome
		columns string
	}
	peers := map[shape][]addr.Range{}
	sets := map[shape]port.Set{}
	var order []shape
	for row := range d.paint(kindOf(at.Proto), false) {
		differing := map[outcome][]port.Range{}
		var met []outcome
		for c, first := range row.columns {
			p := outcome{row.painted[0][c], row.painted[1][c]}
			if p[0] == p[1] || kindOf(at.Proto) == withTypes && first > 255 {
				continue
			}
			last := int32(port.Max)
			if c+1 < len(row.columns) {
				last = row.columns[c+1] - 1
			}
			if differing[p] == nil {
				met = append(met, p)
			}
			differing[p] = append(differing[p], port.Range{First: uint16(first), Last: uint16(last)})
		}
		for _, p := range met {
			set := port.Of(differing[p]...)
			k := shape{p, set.String()}
			if peers[k] == nil {
				order = append(order, k)
				sets[k] = set
			}
			last := addr.V6().Ranges()[0].Last
			if row.row+1 < len(row.rows) {
				last = row.rows[row.row+1].Prev()
				if !last.IsValid() || last.Is4() != row.from.Is4() { // the next row begins the other family
					last = addr.V4().Ranges()[0].Last
				}
			}
			peers[k] = append(peers[k], addr.Range{First: row.from, Last: last})
		}
	}
	rectangles := map[outcome][]rectangle{}
	var pairs []outcome
	for _, k := range order {
		if rectangles[k.outcome] == nil {
			pairs = append(pairs, k.outcome)
		}
		rectangles[k.outcome] = append(rectangles[k.outcome], rectangle{addr.OfRanges(peers[k]...), sets[k]})
	}
	found := []area{}
	for _, p := range pairs {
		for _, r := range byColumns(rectangles[p]) {
			one := area{r.peers, port.All(), AllBytes(), int32(r.columns.Ranges()[0].First), p}
			switch kindOf(at.Proto) {
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
	const most = 1 << 20 // steps
	var bounds []int
	for _, r := range rows {
		for _, c := range r.columns.Ranges() {
			bounds = append(bounds, int(c.First), int(c.Last)+1)
		}
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	if len(rows) < 2 || len(bounds)*len(rows) > most {
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
				peers = append(peers, rows[k].peers.Ranges()...)
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
	at := map[string]int{}
	next := changes[:0]
	var key []byte
	for i := range changes {
		c := &changes[i]
		key = c.keyWithout(field, key[:0])
		k, ok := at[string(key)]
		if !ok {
			at[string(key)] = len(next)
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

// keyWithout appends to key what is the same for changes that differ in one set only.
func (c *Change) keyWithout(field int, key []byte) []byte {
	number := func(n uint64) { key = binary.AppendUvarint(key, n) }
	ports := func(s port.Set) {
		ranges := s.Ranges()
		number(uint64(len(ranges)))
		for _, r := range ranges {
			key = append(key, byte(r.First>>8), byte(r.First), byte(r.Last>>8), byte(r.Last))
		}
	}
	bytes := func(b Bytes) {
		for _, w := range b {
			key = binary.BigEndian.AppendUint64(key, w)
		}
	}
	number(uint64(c.outcome[0]))
	number(uint64(c.outcome[1]))
	for i := range fields {
		if i == field {
			continue
		}
		switch i {
		case 0:
			number(uint64(c.States))
		case 1:
			number(uint64(len(c.Interfaces)))
			for _, name := range c.Interfaces {
				key = append(append(key, name...), 0)
			}
			if c.Others {
				key = append(key, 1)
			}
		case 2:
			ports(c.SourcePorts)
		case 3:
			bytes(c.Protos)
		case 4:
			ranges := c.Peers.Ranges()
			number(uint64(len(ranges)))
			for _, r := range ranges {
				first, last := r.First.As16(), r.Last.As16()
				key = append(append(key, first[:]...), last[:]...)
			}
		case 5:
			ports(c.Ports)
		case 6:
			bytes(c.Types)
		}
	}
	return key
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
