package lint

import (
	"cmp"
	"slices"
	"strings"

	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/solve"
)

// maxMoves bounds the bodies of one plan: a host that needs more has a worse problem than
// a port, and the search must not become slow.
const maxMoves = 300

// rivals reports whether a and b cannot have a port in common.
func rivals(a, b *inventory.Claim) bool {
	return a.Proto == b.Proto && listenerOf(a) != listenerOf(b) && !sharing(a, b) && inventory.BindsOverlap(a.Sockets(), b.Sockets())
}

// apart reports whether a and b better have no number in common: rivals, and listeners of
// one service, which some refuse although the protocols differ.
func apart(a, b *inventory.Claim) bool {
	return rivals(a, b) || a.Service == b.Service && a.Instance == b.Instance && listenerOf(a) != listenerOf(b) && !sharing(a, b)
}

// any reports whether something holds for a claim of b and one of o.
func (b *body) any(o *body, holds func(x, y *inventory.Claim) bool) bool {
	return slices.ContainsFunc(b.claims, func(x *inventory.Claim) bool {
		return slices.ContainsFunc(o.claims, func(y *inventory.Claim) bool { return holds(x, y) })
	})
}

// plan finds places for everything that was asked for. It is false when nothing was.
func (p *Pass) plan() bool {
	asked := p.moves.bodies
	p.moves.planned = true
	if len(asked) == 0 {
		return false
	}
	if !p.planPolitely(asked, nil) {
		p.planTightly(asked)
	}
	return true
}

// planPolitely gives those that move numbers that nobody has now, in whatever protocol and
// on whatever address: all advice can be followed in any order, and nobody mistakes one
// number for another. Those that move are a smallest set, or the given one.
func (p *Pass) planPolitely(asked, these []*body) bool {
	problem := solve.Problem{Apart: true, One: true, Quarrels: quarrels(asked)}
	for _, b := range asked {
		it := p.item(b, p.free(b).Minus(p.moves.taken))
		if these != nil {
			it.Must = slices.Contains(these, b)
			it.Fixed = !it.Must
		}
		problem.Items = append(problem.Items, it)
	}
	plan := solve.Solve(problem)
	if plan.Verdict != solve.Placed {
		return false
	}
	accept(asked, plan)
	return true
}

// accept notes the places of a plan.
func accept(bodies []*body, plan solve.Plan) {
	for i, b := range bodies {
		b.move = plan.Firsts[i] >= 0
		b.to = plan.Firsts[i] + b.head.NominalFirst - b.low
		b.after = nil
	}
}

// quarrels are the pairs of bodies that are on the same ports.
func quarrels(bodies []*body) [][2]int {
	var out [][2]int
	for i, b := range bodies {
		b.opponents = 0
		for k, o := range bodies[:i] {
			if b.ports.Overlaps(o.ports) && b.any(o, func(x, y *inventory.Claim) bool { return x.Ports.Overlaps(y.Ports) && rivals(x, y) }) {
				out = append(out, [2]int{k, i})
				b.opponents++
				o.opponents++
			}
		}
	}
	return out
}

// item is b as the solver sees it. Free are the ports that it may have.
func (p *Pass) item(b *body, free port.Set) solve.Item {
	it := solve.Item{
		Len: max(1, b.high-b.low+1), Offset: b.head.NominalFirst - b.low, Free: free.Minus(systemPorts), Now: b.ports,
		Must: b.must || b.nudge, Fixed: !b.movable() || b.stuck != "",
		Wish: solve.Wish{At: b.head.NominalFirst, Near: b.single, Avoid: p.wellKnown(b)},
	}
	if !b.single {
		it.Step = 2
		if b.pairs && b.head.NominalFirst%2 != 0 {
			it.Len += it.Len % 2 // at an even port the last pair is whole
		}
		it.Grow = it.Len / 4
	}
	if b.head.Origin != inventory.Config {
		it.Cost = 1 // somebody wrote the other number: that is the one to change
	}
	switch {
	case b.nudge && !b.must && !b.quarrels:
		it.First = []int{b.head.NominalFirst - 1, b.head.NominalFirst + 1}
		it.Free = it.Free.Union(port.Of(b.ports))
	case b.single && b.low == b.high && !b.head.Assigned.Contains(b.head.Ports.First): // DNS on 53 does not belong on 443 instead
		assigned := b.head.Assigned.Intersect(free)
		it.Free = it.Free.Union(assigned)
		it.First = nearest(assigned, b.head.NominalFirst)
	}
	return it
}

// systemPorts are those that nobody should have who was not assigned one (RFC 6335 section 6).
var systemPorts = port.Of(port.Range{Last: firstUserPort - 1})

// nearest are the first ports of the runs of s by their distance.
func nearest(s port.Set, to int) []int {
	var out []int
	for _, r := range s.Ranges() {
		out = append(out, int(r.First))
	}
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(abs(a-to), abs(b-to)) })
	return out
}

// wellKnown are ports that peers expect something else on than b: better left alone where
// another place is as good. A range has room for too few if it keeps clear of every name that
// somebody once registered; a single port does.
func (p *Pass) wellKnown(b *body) port.Set {
	known := p.moves.known
	if b.single {
		for _, m := range p.machinesOf(b.head) {
			known = known.Union(m.NamedPorts())
		}
	}
	for _, c := range b.claims {
		known = known.Minus(c.Assigned)
	}
	return known
}

// free are the ports that b may have on all its machines, whoever has them now.
func (p *Pass) free(b *body) port.Set {
	free := port.All()
	for _, c := range b.claims {
		for _, m := range p.machinesOf(c) {
			if m.NodePorts.Ports.First > 0 {
				free = free.Minus(port.Of(m.NodePorts.Ports))
			}
			free = free.Minus(m.NomadPorts.Ports).Minus(m.open.Minus(port.Of(c.Ports)))
			free = free.Minus(m.handsOut[c.Proto]).Minus(m.refused[c.Proto])
		}
	}
	return free
}

// maxCrowd bounds the listeners among which a tight plan is looked for.
const maxCrowd = 2000

// planTightly looks for any plan at all: listeners of other protocols and addresses may
// have the same numbers, what others leave is free, and ranges of which no rule said
// anything can be moved too, when that makes room. Where there is none, one after the
// other of those asked for stays, and says why.
func (p *Pass) planTightly(asked []*body) {
	if len(p.listeners) > maxCrowd {
		for _, b := range asked {
			b.stuck = noPlace
		}
		return
	}
	bodies := append(slices.Clone(asked), p.bystanders(asked)...)
	left := slices.DeleteFunc(slices.Clone(asked), func(b *body) bool { return !b.movable() })
	plan, ok := p.tightest(left, bodies)
	if !ok {
		return
	}
	accept(bodies, plan)
	these := slices.DeleteFunc(slices.Clone(bodies), func(b *body) bool { return !b.move })
	if !slices.ContainsFunc(these, func(b *body) bool { return !slices.Contains(asked, b) }) && p.planPolitely(asked, these) {
		return
	}
	// What no safe fix moves may well stay for a while: better if nobody waits for it.
	problem := p.tight(bodies, func(b *body) bool { return !p.isSafe(b) })
	for i, b := range bodies {
		problem.Items[i].Must, problem.Items[i].Fixed = b.move, !b.move
	}
	if firm := solve.Solve(problem); firm.Verdict == solve.Placed {
		accept(bodies, firm)
	}
	for _, b := range bodies {
		b.after = p.inTheWay(b, bodies)
	}
}

// tightest is a plan for as many of left as have places together: one more would be too
// many. It is false when none has.
func (p *Pass) tightest(left, bodies []*body) (solve.Plan, bool) {
	const maxRounds = 20
	problem := p.tight(bodies, func(*body) bool { return false })
	solved := func() solve.Plan {
		for i, b := range bodies {
			problem.Items[i].Fixed = !b.movable() || b.stuck != ""
		}
		return solve.Solve(problem)
	}
	var given []*body
	plan := solved()
	for rounds := 0; plan.Verdict != solve.Placed; rounds++ {
		more := p.hopeless(left, bodies, plan, rounds >= maxRounds)
		left = slices.DeleteFunc(left, func(b *body) bool { return slices.Contains(more, b) })
		if len(left) == 0 {
			return solve.Plan{}, false
		}
		given = append(given, more...)
		plan = solved()
	}
	slices.Reverse(given) // the shortest first
	for i, b := range given {
		if i >= maxRounds {
			continue
		}
		why := b.stuck
		b.stuck = ""
		if again := solved(); again.Verdict == solve.Placed {
			plan = again
		} else {
			b.stuck = why
		}
	}
	return plan, true
}

// bystanders are ranges that nobody asked for, and that could be moved without a question.
func (p *Pass) bystanders(asked []*body) []*body {
	var out []*body
	for _, c := range p.listeners {
		b := p.moves.of[c]
		if c != b.head || b.single || !b.movable() || slices.Contains(asked, b) || len(asked)+len(out) >= maxMoves {
			continue
		}
		if p.isSafe(b) {
			out = append(out, b)
		}
	}
	return out
}

// tight is the problem of planTightly. What firm ones have now nobody else can have.
func (p *Pass) tight(bodies []*body, firm func(*body) bool) solve.Problem {
	leaves := map[*body]bool{}
	for _, b := range bodies {
		leaves[b] = !firm(b)
	}
	var lanes []*body // one of those whose sockets are alike
	lane := map[string]int{}
	problem := solve.Problem{Quarrels: quarrels(bodies)}
	taken := map[string]port.Set{}
	for _, b := range bodies {
		alike := sockets(b)
		if _, known := lane[alike]; !known {
			lane[alike] = len(lanes)
			lanes = append(lanes, b)
			var ranges []port.Range
			for _, c := range p.listeners {
				if !leaves[p.moves.of[c]] && slices.ContainsFunc(b.claims, func(x *inventory.Claim) bool { return apart(x, c) }) {
					ranges = append(ranges, c.Ports)
				}
			}
			taken[alike] = port.Of(ranges...)
		}
		it := p.item(b, p.free(b).Minus(taken[alike]))
		it.Lane = lane[alike]
		problem.Items = append(problem.Items, it)
	}
	meet := make([][]bool, len(lanes))
	for i, a := range lanes {
		meet[i] = make([]bool, len(lanes))
		meet[i][i] = !sharesAll(a)
		for k, b := range lanes[:i] {
			meet[i][k] = a.any(b, apart)
			meet[k][i] = meet[i][k]
		}
	}
	problem.Meet = func(a, b int) bool { return meet[a][b] }
	return problem
}

// sockets are the protocols and addresses of b, and whose they are, as a text.
func sockets(b *body) string {
	var words []string
	for _, c := range b.claims {
		words = append(words, strings.Join([]string{c.Proto.String(), strings.Join(c.Sockets(), ","), c.Service, c.Instance, c.Share}, " "))
	}
	slices.Sort(words)
	return strings.Join(slices.Compact(words), "\n")
}

// sharesAll reports whether another body with the same sockets would share its ports.
func sharesAll(b *body) bool {
	return !slices.ContainsFunc(b.claims, func(c *inventory.Claim) bool { return c.Share == "" })
}

// inTheWay are the bodies whose ports b can have only when they have moved away.
func (p *Pass) inTheWay(b *body, bodies []*body) []*body {
	if !b.move {
		return nil
	}
	var out []*body
	for _, o := range bodies {
		if o != b && o.move && b.any(o, func(x, y *inventory.Claim) bool {
			r, ok := b.moved(x)
			return ok && r.Overlaps(y.Ports) && apart(x, y)
		}) {
			out = append(out, o)
		}
	}
	return out
}
