package solve

import (
	"cmp"
	"slices"
)

// weight is how much one moved item counts against the costs of all.
const weight = 1 << 20

// unlimited is more than any set weighs.
const unlimited = 1 << 60

// cover is the items of must and a smallest set of others such that one end of each quarrel
// moves, of those with the least cost. It is false when the search was ended: the set is
// good, and not proved smallest.
func (s *solver) cover(must []int) ([]int, bool) {
	gone := make([]bool, len(s.Items))
	for _, i := range must {
		gone[i] = true
	}
	// What comes first is rather kept: what begins lower, or is wider.
	var open []int
	for i := range s.Items {
		if !gone[i] && slices.ContainsFunc(s.edges, func(e [2]int) bool { return e[0] == i && !gone[e[1]] || e[1] == i && !gone[e[0]] }) {
			open = append(open, i)
		}
	}
	slices.SortStableFunc(open, func(a, b int) int {
		x, y := s.Items[a].Now, s.Items[b].Now
		return cmp.Or(cmp.Compare(x.First, y.First), cmp.Compare(y.Last, x.Last))
	})
	vertex := make([]int, len(s.Items))
	g := &graph{near: make([]set, len(open)), work: &s.work, proved: true}
	everything := newSet(len(open))
	for v, i := range open {
		vertex[i] = v
		g.near[v] = newSet(len(open))
		g.weight = append(g.weight, weight+min(max(s.Items[i].Cost, 0), 1000))
		everything.add(v)
	}
	for _, e := range s.edges {
		if !gone[e[0]] && !gone[e[1]] {
			g.near[vertex[e[0]]].add(vertex[e[1]])
			g.near[vertex[e[1]]].add(vertex[e[0]])
		}
	}
	best, _ := g.lightest(everything, unlimited)
	moved := slices.Clone(must)
	for v := range best.all {
		moved = append(moved, open[v])
	}
	slices.Sort(moved)
	return moved, g.proved
}

// graph is what quarrels with what.
type graph struct {
	near   []set // the neighbours of each vertex
	weight []int
	work   *int
	proved bool
}

func (g *graph) total(vertices set) int {
	sum := 0
	for v := range vertices.all {
		sum += g.weight[v]
	}
	return sum
}

// part is the vertices that v hangs together with.
func (g *graph) part(v int, vertices set) set {
	found := newSet(len(g.near))
	found.add(v)
	for todo := []int{v}; len(todo) > 0; {
		u := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for n := range g.near[u].common(vertices).minus(found).all {
			found.add(n)
			todo = append(todo, n)
		}
	}
	return found
}

// lightest is a lightest set that has an end of every edge between the vertices; it is
// false when it weighs limit or more.
func (g *graph) lightest(vertices set, limit int) (set, bool) {
	*g.work -= 1 + len(vertices)
	if *g.work <= 0 && limit < unlimited/2 {
		g.proved = false
		return nil, false
	}
	left := slices.Clone(vertices)
	moved := g.reduce(left)
	room := limit - g.total(moved)
	for !left.isEmpty() {
		var v int
		for v = range left.all {
			break
		}
		part := g.part(v, left)
		left = left.minus(part)
		best, ok := g.branch(part, room)
		if !ok {
			return nil, false
		}
		room -= g.total(best)
		moved = moved.union(best)
	}
	return moved, room > 0
}

// reduce takes off the vertices of which it is known whether they can stay, and gives those
// that move.
func (g *graph) reduce(left set) set {
	moved := newSet(len(g.near))
	for again := true; again; {
		again = false
		for v := range left.all {
			if !left.has(v) { // gone since the loop looked
				continue
			}
			near := g.near[v].common(left)
			switch {
			case g.keeps(v, near):
				for n := range near.all {
					moved.add(n)
					left.remove(n)
				}
			case g.moves(v, near, left):
				moved.add(v)
			default:
				continue
			}
			left.remove(v)
			again = true
		}
	}
	return moved
}

// branch is lightest for vertices that hang together, of which none is decided: either the
// one with the most quarrels moves, or all those do that it quarrels with.
func (g *graph) branch(vertices set, limit int) (set, bool) {
	if g.bound(vertices) >= limit {
		return nil, false
	}
	v, most := 0, -1
	for u := range vertices.all {
		if n := g.near[u].common(vertices).len(); n > most {
			v, most = u, n
		}
	}
	alone := newSet(len(g.near))
	alone.add(v)
	var best set
	for _, gone := range [...]set{alone, g.near[v].common(vertices)} {
		more, ok := g.lightest(vertices.minus(alone).minus(gone), limit-g.total(gone))
		if ok {
			best = more.union(gone)
			limit = g.total(best)
		}
	}
	return best, best != nil
}

// keeps reports whether v can stay: all that quarrel with it quarrel with each other, so all
// of them and v but one have to move, and none of them is worth more.
func (g *graph) keeps(v int, near set) bool {
	for a := range near.all {
		others := slices.Clone(near)
		others.remove(a)
		if g.weight[a] > g.weight[v] || !others.minus(g.near[a]).isEmpty() {
			return false
		}
	}
	return true
}

// moves reports whether v can move: one that it quarrels with, and that is worth as much,
// quarrels with nothing that v does not quarrel with.
func (g *graph) moves(v int, near, left set) bool {
	for u := range near.all {
		others := g.near[u].common(left)
		others.remove(v)
		if g.weight[v] <= g.weight[u] && others.minus(near).isEmpty() {
			return true
		}
	}
	return false
}

// bound is at most the weight of the lightest set: of vertices that quarrel all with each
// other, all but one move.
func (g *graph) bound(vertices set) int {
	sum := 0
	left := slices.Clone(vertices)
	for v := range vertices.all {
		if !left.has(v) {
			continue
		}
		left.remove(v)
		most := g.weight[v]
		for near := g.near[v].common(left); !near.isEmpty(); {
			var u int
			for u = range near.all {
				break
			}
			left.remove(u)
			near = near.common(g.near[u])
			sum += min(most, g.weight[u])
			most = max(most, g.weight[u])
		}
	}
	return sum
}
