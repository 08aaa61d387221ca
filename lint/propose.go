package lint

import (
	"slices"

	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
)

// A Proposal is what the findings of one run advise, as values: the moves of the one plan that
// they share, and the ports to reserve where nothing moves. The zero value proposes nothing.
// It has what help and fixes of any safety say, so that somebody may have to make it by hand;
// it does not have what else they offer instead, nor what is not about numbers, such as other
// addresses.
type Proposal struct {
	// Moves are in order of the claims, at most one for each. Ranges that nobody complained of
	// are among them where they make room for others.
	Moves []Move
	// Reserve has a list for each host, in their order: all that its ip_local_reserved_ports
	// holds then, with what it holds now; empty where the list does not change, where too
	// little would be left to hand out, and on systems without such a list.
	Reserve []port.Set
}

// A Move is new ports for one claim. Claims of both protocols, and those that one text moves
// together, have a move each.
type Move struct {
	Claim int // index in Inventory.Claims
	// To are the ports that the claim opens then, both ends inclusive: as many as now, or all
	// that are written when some of them are beyond the last port now. A service that rounds
	// an odd first port may round no more, and open one port beside these.
	To port.Range
}

// Propose is what Run of the same values advises.
func Propose(inv *inventory.Inventory, hosts []host.Facts, o Options) Proposal {
	p := judge(inv, hosts, o)
	out := Proposal{Reserve: make([]port.Set, len(p.machines))}
	moves := map[*inventory.Claim]bool{}
	for i := range inv.Claims {
		c := &inv.Claims[i]
		if b := p.moves.of[c]; b != nil && b.move {
			if to, ok := b.opens(c); ok {
				moves[c] = true
				out.Moves = append(out.Moves, Move{i, to})
			}
		}
	}
	for i := range p.machines {
		out.Reserve[i] = p.reserves(&p.machines[i], moves)
	}
	return out
}

// opens are the ports that c opens when b has its place; false where that is where it is.
func (b *body) opens(c *inventory.Claim) (port.Range, bool) {
	by := b.to - b.head.NominalFirst
	r, ok := b.moved(c)
	if !ok || by == 0 {
		return port.Range{}, false
	}
	r.First = uint16(startOf(c) + by)
	if c.NominalLast <= port.Max || c.Ports.Last < port.Max { // none of it is cut off now
		r.Last = uint16(int(c.Ports.Last) + by)
	}
	return r, true
}

// startOf is the first port of c, also when that is beyond the last one there is.
func startOf(c *inventory.Claim) int {
	if c.NominalFirst > port.Max {
		return c.NominalFirst
	}
	return int(c.Ports.First)
}

// reserves is the list of m when it spares the ports of all findings about it but those whose
// claims move; empty when that is no other list, or m cannot have it.
func (p *Pass) reserves(m *machine, moves map[*inventory.Claim]bool) port.Set {
	var ranges []port.Range
	for i := range p.wishes {
		w := &p.wishes[i]
		if w.on != m {
			continue
		}
		if len(w.claims) == 0 { // of the system itself
			ranges = append(ranges, w.ports.Ranges()...)
		}
		for _, c := range w.claims {
			if !moves[c] {
				ranges = append(ranges, c.Ports)
			}
		}
	}
	asked := port.Of(ranges...)
	running := reservedBy(m.Facts)
	boot := running
	if m.ReservedAt != nil {
		boot = m.ReservedAt.Ports
	}
	list := asked.Union(running).Union(boot)
	if asked.Minus(running.Intersect(boot)).IsEmpty() || !m.canReserve(list) {
		return port.Set{}
	}
	return list
}

// reservedBy is the list of ports of both protocols that f spares.
func reservedBy(f *host.Facts) port.Set {
	var out port.Set
	for _, r := range f.Reserved {
		if r.Proto == 0 {
			out = out.Union(r.Ports)
		}
	}
	return out
}

// Of is the inventory and the hosts as they are when somebody has done what p proposes for
// them: claims on their new ports, and lists that are longer. Places and words still are those
// of the files as they were, and connections, published ports and policies that name an old
// number still do. Inv and hosts, of which p must be, are not changed; the answers share with
// them what stays as it is.
func (p Proposal) Of(inv *inventory.Inventory, hosts []host.Facts) (*inventory.Inventory, []host.Facts) {
	after := *inv
	after.Claims = slices.Clone(inv.Claims)
	for _, m := range p.Moves {
		c := &after.Claims[m.Claim]
		by := int(m.To.First) - startOf(c)
		c.NominalFirst, c.NominalLast, c.Ports = c.NominalFirst+by, c.NominalLast+by, m.To
	}
	facts := slices.Clone(hosts)
	for i, list := range p.Reserve {
		if !list.IsEmpty() {
			facts[i] = withList(facts[i], list)
		}
	}
	return &after, facts
}

// withList is f with another list of reserved ports, running and at boot.
func withList(f host.Facts, list port.Set) host.Facts {
	now := host.Reserved{Ports: list, Setting: reserved}
	others := make([]host.Reserved, 0, len(f.Reserved)+1)
	for _, r := range f.Reserved {
		if r.Proto != 0 {
			others = append(others, r)
		} else if now.From == "" {
			now.Setting, now.From = r.Setting, r.From
		}
	}
	f.Reserved = append(others, now)
	if f.ReservedAt != nil {
		at := *f.ReservedAt
		at.Ports = list
		f.ReservedAt = &at
	}
	var shadowed []host.Shadowed
	for _, x := range f.Shadowed {
		if was := x.Lost; !was.IsEmpty() {
			if x.Lost = was.Minus(list); x.Lost.IsEmpty() {
				continue // nothing of that line is lost any more
			}
		}
		shadowed = append(shadowed, x)
	}
	f.Shadowed = shadowed
	return f
}
