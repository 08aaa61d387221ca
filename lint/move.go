package lint

import (
	"slices"
	"sort"
	"strconv"

	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/solve"
	"portolan/internal/source"
)

// moves proposes other first ports. Every rule gets the same answer for a listener, and
// no two listeners get ports that meet, so that all advice can be followed at once.
type moves struct {
	taken   port.Set // by a listener of any protocol, or by an earlier proposal
	members map[listener][]*inventory.Claim
	given   map[listener]int
	asked   []*inventory.Claim // one of each listener for which a rule wanted a move
	failed  bool               // one of them got none
}

// listener is what one setting moves: its claims differ in nothing but the protocol.
type listener struct {
	service, instance, listen string
	span                      source.Span
}

func listenerOf(c *inventory.Claim) listener {
	return listener{c.Service, c.Instance, c.Listen, c.Span}
}

// maxMoves bounds the proposals of one run: a host that needs more has a worse problem
// than a port, and the search must not become slow.
const maxMoves = 200

func newMoves(claims []*inventory.Claim) moves {
	ranges := make([]port.Range, len(claims))
	m := moves{members: map[listener][]*inventory.Claim{}, given: map[listener]int{}}
	for i, c := range claims {
		ranges[i] = c.Ports
		l := listenerOf(c)
		m.members[l] = append(m.members[l], c)
	}
	m.taken = port.Of(ranges...)
	return m
}

// move finds a first port for c: for a single port the one that is assigned to what it
// speaks, or one of its neighbours; otherwise an even round one from 1024 up, near below
// where it is now or else above. In all protocols of
// its listener the ports meet no listener, claimed or seen, and no ephemeral and no excluded
// port of its machines. It is false when there is none.
func (p *Pass) move(c *inventory.Claim) (int, bool) {
	l := listenerOf(c)
	if first, ok := p.moves.given[l]; ok {
		return first, true
	}
	if len(p.moves.given) >= maxMoves {
		return 0, false
	}
	if len(p.moves.asked) <= maxMoves && !slices.ContainsFunc(p.moves.asked, func(o *inventory.Claim) bool { return listenerOf(o) == l }) {
		p.moves.asked = append(p.moves.asked, c)
	}
	first, ok := search(p.free(c).Ranges(), c)
	p.moves.failed = p.moves.failed || !ok
	if ok {
		p.moves.given[l] = first
		r, _ := moved(c, first)
		p.moves.taken = p.moves.taken.Union(port.Of(r))
	}
	return first, ok
}

// free are the ports that the listener of c may have on all its machines.
func (p *Pass) free(c *inventory.Claim) port.Set {
	free := port.All().Minus(p.moves.taken)
	for _, m := range p.machinesOf(c) {
		if m.NodePorts.Ports.First > 0 {
			free = free.Minus(port.Of(m.NodePorts.Ports))
		}
		free = free.Minus(m.NomadPorts.Ports).Minus(m.open)
		for _, o := range p.moves.members[listenerOf(c)] {
			free = free.Minus(m.handsOut[o.Proto]).Minus(m.refused[o.Proto])
		}
	}
	return free
}

// together finds places for all listeners that rules want to move, where one by one some
// got none: round numbers near to where each is now cut the room that a wide range needs.
// It is false where there are no places for all, and then each keeps what it got.
func (p *Pass) together() (moves, bool) {
	m := newMoves(p.listeners)
	asked := p.moves.asked
	if len(asked) > maxMoves {
		return m, false
	}
	p.moves.taken = m.taken
	system := port.Of(port.Range{Last: firstUserPort - 1})
	items := make([]solve.Item, len(asked))
	for i, c := range asked {
		items[i] = solve.Item{Len: spread(c), Offset: c.NominalFirst - lowest(c), Free: p.free(c).Minus(system)}
		if c.Pairs || spread(c) > 1 {
			items[i].Step = 2
		}
	}
	firsts, verdict := solve.Place(items)
	if verdict != solve.Placed {
		return m, false
	}
	for i, c := range asked {
		first := firsts[i] + items[i].Offset
		r, _ := moved(c, first)
		m.given[listenerOf(c)] = first
		m.taken = m.taken.Union(port.Of(r))
	}
	return m, true
}

// lowest is the first port that c writes or opens.
func lowest(c *inventory.Claim) int { return min(c.NominalFirst, int(c.Ports.First)) }

// search tries assigned ports, then round numbers before less round ones, and near ones
// before far ones.
func search(free []port.Range, c *inventory.Claim) (int, bool) {
	fits := func(first int) bool {
		r, ok := moved(c, first)
		if !ok {
			return false
		}
		i := sort.Search(len(free), func(i int) bool { return free[i].Last >= r.Last })
		return i < len(free) && free[i].First <= r.First
	}
	if spread(c) == 1 && !c.Assigned.Contains(c.Ports.First) { // DNS on 53 does not belong on 443 instead
		best := -1
		for _, r := range c.Assigned.Ranges() {
			first := int(r.First)
			if fits(first) && (best < 0 || abs(first-c.NominalFirst) < abs(best-c.NominalFirst)) {
				best = first
			}
		}
		if best >= 0 {
			return best, true
		}
	}
	now := min(max(c.NominalFirst, 0), port.Max)
	if spread(c) == 1 && !c.Pairs { // people know a single port by its neighbourhood
		for by := 1; by <= 100; by++ {
			for _, first := range [...]int{now + by, now - by} {
				if first >= firstUserPort && fits(first) {
					return first, true
				}
			}
		}
	}
	for _, step := range [...]int{5000, 1000, 100, 2} {
		for first := (now - 1) / step * step; first >= firstUserPort; first -= step {
			if fits(first) {
				return first, true
			}
		}
		for first := (now/step + 1) * step; first <= port.Max; first += step {
			if first >= firstUserPort && fits(first) {
				return first, true
			}
		}
	}
	return 0, false
}

func abs(n int) int { return max(n, -n) }

// moved is the ports of c, written and opened, if it began at first; false when they
// would leave the port space.
func moved(c *inventory.Claim, first int) (port.Range, bool) {
	by := first - c.NominalFirst
	lo := min(c.NominalFirst, int(c.Ports.First)) + by
	hi := max(c.NominalLast, int(c.Ports.Last)) + by
	if lo < 0 || hi > port.Max || lo > hi {
		return port.Range{}, false
	}
	return port.Range{First: uint16(lo), Last: uint16(hi)}, true
}

// moveWords is advice to move c: "set rtp_server_port_base to 25000". It is "" when no
// setting moves it.
func (p *Pass) moveWords(c *inventory.Claim) string {
	if c.Setting == "" {
		return ""
	}
	if first, ok := p.move(c); ok {
		return "set " + c.Setting + " to " + strconv.Itoa(first)
	}
	if spread(c) == 1 {
		return ""
	}
	return "set " + c.Setting + " to where " + count(spread(c), "port") + " are free"
}

// spread is the number of ports between the first and the last that c writes or opens.
func spread(c *inventory.Claim) int {
	return max(c.NominalLast, int(c.Ports.Last)) - min(c.NominalFirst, int(c.Ports.First)) + 1
}
