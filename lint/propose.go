package lint

import (
	"slices"

	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
)

// A Proposal is what the findings of one run advise, as values: the moves of the one plan that
// they share, and the ports to reserve where nothing moves. The zero value proposes nothing.
// Where findings offer both it has what lint --fix would do: ranges move that a safe fix moves,
// and other ports, which clients elsewhere know or nobody wrote, are reserved. What only a fix
// that is not safe mends is in it too, so that somebody may have to make it by hand; what else
// findings offer is not, nor what is not about numbers, such as other addresses.
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
	// Set is what the setting of the claim has to be set to. It says the first port of the
	// claim, or of another one that moves along.
	Set int
}

// sparing are the rules whose findings about a listener go away when its ports are reserved.
var sparing = []string{"ephemeral-overlap", "ephemeral-partly-reserved"}

// Propose is what Run of the same values advises.
func Propose(inv *inventory.Inventory, hosts []host.Facts, o Options) Proposal {
	p := judge(inv, hosts, o)
	stay := p.stays()
	out, ok := p.propose(stay)
	if !ok && len(stay) > 0 { // there is no room for them in a list
		out, _ = p.propose(nil)
	}
	return out
}

// propose is the plan without the moves of those that stay. It is false where a list for all
// others is more than a machine can have, and then has no list for it.
func (p *Pass) propose(stay map[*body]bool) (Proposal, bool) {
	out, whole := Proposal{Reserve: make([]port.Set, len(p.machines))}, true
	moves := map[*inventory.Claim]bool{}
	for i := range p.Inventory.Claims {
		c := &p.Inventory.Claims[i]
		if b := p.moves.of[c]; b != nil && b.move && !stay[b] {
			if to, ok := b.opens(c); ok {
				moves[c] = true
				out.Moves = append(out.Moves, Move{i, to, b.to})
			}
		}
	}
	for i := range p.machines {
		list, ok := p.reserves(&p.machines[i], moves)
		out.Reserve[i] = list
		whole = whole && ok
	}
	return out, whole
}

// stays are the bodies that have a better place and need not go there: no safe fix moves them,
// all that is found about them goes away with a longer list on each machine, and nobody else
// needs their ports. So do those that would only have made room for them.
func (p *Pass) stays() map[*body]bool {
	stay := map[*body]bool{}
	for _, b := range p.moves.bodies {
		if b.move && b.must && !b.away && !b.nudge && !b.quarrels && !p.isSafe(b) && p.canReserve(b) {
			stay[b] = true
		}
	}
	for {
		needed := map[*body]bool{}
		for _, b := range p.moves.bodies {
			if b.move && !stay[b] {
				for _, o := range b.chain() {
					needed[o] = true
				}
			}
		}
		again := false
		for b := range stay {
			if needed[b] {
				delete(stay, b)
				again = true
			}
		}
		if again {
			continue
		}
		for _, b := range p.moves.bodies {
			if stay[b] {
				for _, o := range b.chain() {
					if !needed[o] {
						stay[o] = true
					}
				}
			}
		}
		return stay
	}
}

// canReserve reports whether each machine that hands out ports of b has a list for them.
func (p *Pass) canReserve(b *body) bool {
	for _, v := range p.victims {
		if p.moves.of[v.claim] != b {
			continue
		}
		for _, x := range v.clashes {
			if !slices.ContainsFunc(p.wishes, func(w wish) bool { return w.on == x.on && slices.Contains(w.claims, v.claim) }) {
				return false
			}
		}
	}
	return true
}

// opens are the ports that c opens when b has its place; false when they would leave the port
// space.
func (b *body) opens(c *inventory.Claim) (port.Range, bool) {
	by := b.to - b.head.NominalFirst
	r, ok := b.moved(c)
	if !ok {
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
// claims move; empty when that is no other list, or m cannot have it, which is false.
func (p *Pass) reserves(m *machine, moves map[*inventory.Claim]bool) (port.Set, bool) {
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
	if asked.Minus(running.Intersect(boot)).IsEmpty() {
		return port.Set{}, true
	}
	if !m.canReserve(list) {
		return port.Set{}, false
	}
	return list, true
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
