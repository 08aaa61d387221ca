package solve

import (
	"cmp"
	"slices"

	"portolan/internal/port"
)

// piece is an item that needs a place.
type piece struct {
	id          int // of the item
	len         int
	step, phase int // begins at p with p % step == phase
	free        port.Set
	lane        int
}

// from is the lowest place of p at or above a port, in runs of its free ports.
func (p *piece) from(runs []port.Range, at int) (int, bool) {
	i, _ := slices.BinarySearchFunc(runs, at, func(r port.Range, at int) int { return int(r.Last) - at })
	for ; i < len(runs); i++ {
		if first := p.align(max(at, int(runs[i].First))); first+p.len-1 <= int(runs[i].Last) {
			return first, true
		}
	}
	return 0, false
}

// align is the first port at or above at where p may begin.
func (p *piece) align(at int) int {
	return at + ((p.phase-at)%p.step+p.step)%p.step
}

func (p *piece) at(first int) port.Range {
	return port.Range{First: uint16(first), Last: uint16(first + p.len - 1)}
}

// isUnit reports whether p fills any hole.
func (p *piece) isUnit() bool { return p.len == 1 && p.step == 1 }

// job is pieces to place so that none meets another.
type job struct {
	pieces []piece
	lanes  [][]bool // whether pieces of two lanes meet; nil when all do
	work   *int
}

func (j *job) meet(a, b *piece) bool { return j.lanes == nil || j.lanes[a.lane][b.lane] }

// pack finds first ports for all pieces, or proves that there are none.
func (j *job) pack() ([]int, Verdict, Blocked) {
	firsts := make([]int, len(j.pieces))
	for i := range j.pieces {
		if b, ok := alone(&j.pieces[i]); !ok {
			return nil, Impossible, b
		}
	}
	verdict := Placed
	for _, members := range j.parts() {
		part := &job{lanes: j.lanes, work: j.work}
		for _, m := range members {
			part.pieces = append(part.pieces, j.pieces[m])
		}
		found, v, blocked := part.packPart()
		switch v {
		case Impossible:
			return nil, v, blocked
		case Unknown:
			verdict = v
			continue
		}
		for n, m := range members {
			firsts[m] = found[n]
		}
	}
	if verdict != Placed {
		return nil, verdict, Blocked{}
	}
	return firsts, Placed, Blocked{}
}

// alone reports whether p has a place at all, and why not.
func alone(p *piece) (Blocked, bool) {
	runs := p.free.Ranges()
	if _, ok := p.from(runs, 0); ok {
		return Blocked{}, true
	}
	b := Blocked{Items: []int{p.id}, Where: p.free, Need: p.len, Run: port.Range{First: 1}}
	for _, r := range runs {
		if n := int(r.Last) - p.align(int(r.First)) + 1; n > b.Have {
			b.Run, b.Have = r, n
		}
	}
	return b, false
}

// group is pieces that may have the same ports and meet the same others.
type group struct {
	free    port.Set
	lane    int
	members []int
}

// groups are the pieces by what they may have.
func (j *job) groups() []group {
	var out []group
	for i := range j.pieces {
		p := &j.pieces[i]
		n := slices.IndexFunc(out, func(g group) bool { return (j.lanes == nil || g.lane == p.lane) && g.free.Equal(p.free) })
		if n < 0 {
			n = len(out)
			out = append(out, group{free: p.free, lane: p.lane})
		}
		out[n].members = append(out[n].members, i)
	}
	return out
}

func (j *job) groupsMeet(a, b group) bool { return j.lanes == nil || j.lanes[a.lane][b.lane] }

// parts are the pieces that can be placed without a look at the others: none of one part
// meets one of another, or has ports in common with it.
func (j *job) parts() [][]int {
	groups := j.groups()
	part := make([]int, len(groups))
	for i := range part {
		part[i] = i
	}
	var find func(int) int
	find = func(i int) int {
		if part[i] != i {
			part[i] = find(part[i])
		}
		return part[i]
	}
	var out [][]int
	for i, a := range groups {
		for k, b := range groups[:i] {
			if j.groupsMeet(a, b) && find(i) != find(k) && !a.free.Intersect(b.free).IsEmpty() {
				part[find(i)] = find(k)
			}
		}
	}
	for i := range groups {
		if find(i) != i {
			continue
		}
		var members []int
		for k := range groups {
			if find(k) == i {
				members = append(members, groups[k].members...)
			}
		}
		slices.Sort(members)
		out = append(out, members)
	}
	return out
}

// isClique reports whether every two pieces meet.
func (j *job) isClique() bool {
	if j.lanes == nil {
		return true
	}
	for i := range j.pieces {
		for k := range i {
			if !j.meet(&j.pieces[i], &j.pieces[k]) {
				return false
			}
		}
	}
	return true
}

// packPart tries plain ways, then counts, then searches.
func (j *job) packPart() ([]int, Verdict, Blocked) {
	b, everything := j.board(), make([]int, len(j.pieces))
	for i := range everything {
		everything[i] = i
	}
	for _, way := range ways {
		*j.work -= 1 + len(j.pieces)/4
		firsts := make([]int, len(j.pieces))
		if b.clone().greedy(way, everything, firsts) {
			return firsts, Placed, Blocked{}
		}
	}
	if blocked, ok := j.count(); !ok {
		return nil, Impossible, blocked
	}
	if j.isClique() {
		if firsts, verdict, ok := j.fill(); ok {
			return firsts, verdict, j.whole(verdict)
		}
	}
	firsts, verdict := j.sweep()
	return firsts, verdict, j.whole(verdict)
}

// whole is the reason that all pieces together have no places, which nothing shorter shows.
func (j *job) whole(v Verdict) Blocked {
	if v != Impossible {
		return Blocked{}
	}
	var b Blocked
	for i := range j.pieces {
		b.Items = append(b.Items, j.pieces[i].id)
		b.Where = b.Where.Union(j.pieces[i].free)
	}
	slices.Sort(b.Items)
	return b
}

// way is a plain way to place pieces one after the other.
type way struct {
	narrowFirst bool // those that may have the fewest ports come first, else the longest
	tight       bool // into the run that it leaves least of, else the lowest
}

var ways = [...]way{{}, {tight: true}, {narrowFirst: true}, {narrowFirst: true, tight: true}}

// board is what is left of the ports while pieces are placed.
type board struct {
	*job
	groups []group
	of     []int          // the group of each piece
	left   [][]port.Range // what each group may still have
}

func (j *job) board() *board {
	b := &board{job: j, groups: j.groups(), of: make([]int, len(j.pieces))}
	for n, g := range b.groups {
		b.left = append(b.left, g.free.Ranges())
		for _, m := range g.members {
			b.of[m] = n
		}
	}
	return b
}

// clone is a board of its own with the same left.
func (b *board) clone() *board {
	c := *b
	c.left = make([][]port.Range, len(b.left))
	for n := range c.left {
		c.left[n] = slices.Clone(b.left[n])
	}
	return &c
}

// put takes the ports of piece i at first from those that meet it.
func (b *board) put(i, first int) {
	for n, g := range b.groups {
		if b.groupsMeet(b.groups[b.of[i]], g) {
			b.left[n] = cut(b.left[n], b.pieces[i].at(first))
		}
	}
}

// greedy places pieces one after the other where the way wants them, and writes their
// first ports to firsts.
func (b *board) greedy(w way, pieces, firsts []int) bool {
	size := make([]int, len(b.groups))
	for n, g := range b.groups {
		size[n] = g.free.Len()
	}
	order := slices.Clone(pieces)
	slices.SortStableFunc(order, func(x, y int) int {
		few := cmp.Compare(size[b.of[x]], size[b.of[y]])
		long := cmp.Compare(b.pieces[y].len, b.pieces[x].len)
		if w.narrowFirst {
			return cmp.Or(few, long)
		}
		return cmp.Or(long, few)
	})
	for _, i := range order {
		p := &b.pieces[i]
		left := b.left[b.of[i]]
		first, ok := p.from(left, 0)
		if !ok {
			return false
		}
		if w.tight {
			first = p.tightest(left, first)
		}
		firsts[i] = first
		b.put(i, first)
	}
	return true
}

// tightest is the lowest place in the run of which p leaves the least.
func (p *piece) tightest(runs []port.Range, first int) int {
	least := port.Max + 1
	for _, r := range runs {
		at := p.align(int(r.First))
		if rest := r.Len() - p.len; at+p.len-1 <= int(r.Last) && rest < least {
			first, least = at, rest
		}
	}
	return first
}

// cut takes r out of runs, which it changes.
func cut(runs []port.Range, r port.Range) []port.Range {
	i, _ := slices.BinarySearchFunc(runs, r.First, func(x port.Range, first uint16) int { return int(x.Last) - int(first) })
	for i < len(runs) && runs[i].First <= r.Last {
		x := runs[i]
		low, high := x.First < r.First, x.Last > r.Last
		switch {
		case low && high:
			runs[i].Last = r.First - 1
			return slices.Insert(runs, i+1, port.Range{First: r.Last + 1, Last: x.Last})
		case low:
			runs[i].Last = r.First - 1
			i++
		case high:
			runs[i].First = r.Last + 1
			return runs
		default:
			runs = slices.Delete(runs, i, i+1)
		}
	}
	return runs
}

// units places the pieces that fill any hole around the others, as a matching of pieces
// and ports: exact for these places of the others. It is false when there are not enough
// holes.
func (j *job) units(firsts []int, units []int) bool {
	placed := make([]bool, len(j.pieces))
	for i := range placed {
		placed[i] = true
	}
	for _, u := range units {
		placed[u] = false
	}
	owner := map[int]int{} // port to unit; units that do not meet are never put together
	free := make([]port.Set, len(units))
	for n, u := range units {
		var taken []port.Range
		for i := range j.pieces {
			if placed[i] && j.meet(&j.pieces[u], &j.pieces[i]) {
				taken = append(taken, j.pieces[i].at(firsts[i]))
			}
		}
		free[n] = j.pieces[u].free.Minus(port.Of(taken...))
	}
	var give func(n int, tried map[int]bool) bool
	give = func(n int, tried map[int]bool) bool {
		*j.work--
		for _, hop := range [...]bool{false, true} {
			seen := 0
			for _, r := range free[n].Ranges() {
				for at := int(r.First); at <= int(r.Last) && seen <= len(units); at++ {
					seen++
					o, has := owner[at]
					if !has {
						owner[at] = n
						return true
					}
					if hop && !tried[at] {
						tried[at] = true
						if give(o, tried) {
							owner[at] = n
							return true
						}
					}
				}
			}
		}
		return false
	}
	for n := range units {
		if !give(n, map[int]bool{}) {
			return false
		}
	}
	for at, n := range owner {
		firsts[units[n]] = at
	}
	return true
}
