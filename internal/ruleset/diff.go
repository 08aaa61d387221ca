package ruleset

import (
	"fmt"
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

	named []string // every interface that occurs in a rule
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
	sides := [2][]Rule{a.Chain(direction).Rules, b.Chain(direction).Rules}
	d := &differ{
		painter: newPainter(sides, a.byDefault(direction), b.byDefault(direction)),
		known:   map[string][]area{}, direction: direction, a: a, b: b,
	}
	d.run(sides)
	return d.merged()
}

// differ collects the changes of one direction.
type differ struct {
	*painter
	known     map[string][]area // by the key of a context
	direction Direction
	a, b      *Ruleset
	changes   []Change
}

func (d *differ) run(sides [2][]Rule) {
	names, from := interfaceAtoms(sides[0], sides[1]), sourcePortAtoms(sides[0], sides[1])
	for _, protos := range protoAtoms(sides[0], sides[1]) {
		own := from
		if kindOf(protos.one) != withPorts {
			own = from[:1]
		}
		for _, state := range AllStates.Each() {
			for i, name := range names {
				for k, sourcePort := range own {
					at := Packet{Direction: d.direction, Interface: name, State: state, Proto: protos.one, SourcePort: sourcePort}
					for _, found := range d.areas(at) {
						c := Change{Peers: found.peers, Ports: found.ports, Types: found.types, named: names[1:]}
						c.Direction, c.States, c.Protos, c.SourcePorts = d.direction, state, protos.all, port.All()
						if len(own) > 1 {
							last := uint16(port.Max)
							if k+1 < len(own) {
								last = own[k+1] - 1
							}
							c.SourcePorts = port.Of(port.Range{First: sourcePort, Last: last})
						}
						if i == 0 { // the name that no rule has
							c.Others = true
						} else {
							c.Interfaces = []string{name}
						}
						c.Example = at.cell(found.peers.Ranges()[0].First, found.column)
						c.A, c.B = d.a.Decide(c.Example), d.b.Decide(c.Example)
						d.changes = append(d.changes, c)
					}
				}
			}
		}
	}
}

// An area is peers times ports or types of one context that are treated differently.
type area struct {
	peers  addr.Set
	ports  port.Set
	types  Bytes
	column int // its first port or type
}

// areas are where the two sides differ in one context.
func (d *differ) areas(at Packet) []area {
	sides, key := d.context(at)
	if found, ok := d.known[key]; ok {
		return found
	}
	type pair struct{ a, b int32 }
	type shape struct {
		pair
		columns string
	}
	peers := map[shape][]addr.Range{}
	sets := map[shape]port.Set{}
	var order []shape
	for row := range d.paint(sides) {
		differing := map[pair][]port.Range{}
		var met []pair
		for c, first := range row.columns {
			p := pair{row.painted[0][c], row.painted[1][c]}
			if p.a == p.b || kindOf(at.Proto) == withTypes && first > 255 {
				continue
			}
			last := port.Max
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
	found := []area{}
	for _, k := range order {
		one := area{addr.OfRanges(peers[k]...), port.All(), AllBytes(), int(sets[k].Ranges()[0].First)}
		switch kindOf(at.Proto) {
		case withPorts:
			one.ports = sets[k]
		case withTypes:
			one.types = Bytes{}
			for n := range 256 {
				if sets[k].Contains(uint16(n)) {
					one.types[n/64] |= 1 << (n % 64)
				}
			}
		}
		found = append(found, one)
	}
	d.known[key] = found
	return found
}

// merged joins changes that differ in one set only, set by set.
func (d *differ) merged() []Change {
	out := d.changes
	for _, field := range []string{"states", "interfaces", "source ports", "protocols", "peers", "ports"} {
		at := map[string]int{}
		var next []Change
		for _, c := range out {
			key := c.keyWithout(field)
			i, ok := at[key]
			if !ok {
				at[key] = len(next)
				next = append(next, c)
				continue
			}
			into := &next[i]
			switch field {
			case "states":
				into.States |= c.States
			case "interfaces":
				into.Others = into.Others || c.Others
				into.Interfaces = InterfacesOf(append(into.Interfaces, c.Interfaces...)...).Names()
			case "source ports":
				into.SourcePorts = into.SourcePorts.Union(c.SourcePorts)
			case "protocols":
				for i := range into.Protos {
					into.Protos[i] |= c.Protos[i]
				}
			case "peers":
				into.Peers = into.Peers.Union(c.Peers)
			case "ports":
				into.Ports = into.Ports.Union(c.Ports)
			}
		}
		out = next
	}
	return out
}

// keyWithout is the same for changes that differ in the named set only.
func (c *Change) keyWithout(field string) string {
	part := func(name string, v any) string {
		if name == field {
			return ""
		}
		return fmt.Sprintf("%v", v)
	}
	kind := plain
	if each := c.Protos.Each(); len(each) > 0 {
		kind = kindOf(each[0])
	}
	return fmt.Sprintf("%d|%s|%s|%s|%s|%s|%s|%x|%+v|%+v", kind,
		part("states", c.States), part("interfaces", fmt.Sprint(c.Interfaces, c.Others)), part("source ports", c.SourcePorts),
		part("protocols", c.Protos), part("peers", c.Peers.Ranges()), part("ports", c.Ports), c.Types, c.A, c.B)
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
