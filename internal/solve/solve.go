// Package solve finds places for ranges of ports that must not meet: which ranges to move,
// and where to.
//
// What is proved, and what is only good:
//
//   - That there is a plan or that there is none is proved: a Plan with the Verdict Placed
//     holds places that meet nothing, and one with Impossible holds the reason. Placing
//     ranges into gaps is bin packing, so the work is bounded (maxWork, counted in steps and
//     not in time). The Verdict is Unknown where the bound came first, and never wrong.
//   - That no plan moves fewer ranges is proved where Plan.Fewest is set. The ranges that
//     quarrel where they stand are a graph, and one end of each of its edges has to move: a
//     smallest set of that kind, by branch and bound. Where it has no places, others of its
//     size and then larger ones are tried.
//   - Of the sets of that size one with the least Cost is moved where the first that was
//     found has places. The places themselves are good ones and not proved best: each
//     range, in the order of the items, gets the best that leaves room for the ranges behind
//     it, first by its own wishes, then round before less round, near before far, with room
//     to grow before without.
package solve

import (
	"slices"

	"portolan/internal/port"
)

// An Item is one range of ports that a setting moves.
type Item struct {
	Len int // ports, at least 1
	// The setting has the number of the first port and Offset. It may be set to multiples
	// of Step; a Step of 0 is 1.
	Step, Offset int
	// Free are the ports it may have when it is moved. What Fixed items and others have that
	// stay is taken off by the solver.
	Free port.Set
	// Now are the ports it has; none where First is above Last.
	Now  port.Range
	Lane int // see Problem.Meet
	// Must says that it cannot stay, Fixed that it cannot move. What is both stays.
	Must, Fixed bool
	// Cost decides between sets of the same size: 0 to 1000, and less is moved sooner.
	Cost int
	Wish
}

// A Wish is where an item would best be. All numbers are those of the setting.
type Wish struct {
	At    int   // the number now: near ones are better
	First []int // numbers to try before all others, in this order
	// Near prefers the hundred numbers on each side of At to round ones.
	Near bool
	// Grow is how many ports behind it are better left free.
	Grow int
	// Avoid are ports that it better does not have where another place is as good.
	Avoid port.Set
}

// A Problem is everything that has to get along. It is not changed.
type Problem struct {
	Items []Item
	// Quarrels are pairs of items that cannot both stay where they are.
	Quarrels [][2]int
	// Meet reports whether items of two lanes cannot have a port in common when one of them
	// moves; a lane may get along with itself. It is symmetric. A nil Meet is always true.
	Meet func(a, b int) bool
	// Apart gives items that are moved ports of their own, also where they would get along.
	Apart bool
	// One ends the search when one smallest set has no places: the Verdict then is Unknown.
	One bool
}

// A Verdict is what is known about a plan.
type Verdict uint8

// The verdicts.
const (
	Impossible Verdict = iota // proved: there is none
	Placed
	Unknown // the search was ended before it had an answer
)

// A Plan is the answer.
type Plan struct {
	Verdict Verdict
	// Firsts are the first ports of the items that move, and -1 for those that stay.
	Firsts []int
	// Fewest says that no plan moves fewer items.
	Fewest bool
	// Blocked is why there is no plan, for Impossible.
	Blocked Blocked
}

// Blocked is items that have no places together.
type Blocked struct {
	Items []int // ascending
	// Where are the ports that at least one of them may have.
	Where port.Set
	// Need and Have are ports: what the items need and what of Where they can use at most.
	// Of a single item they are ports in a row from a number that it may begin at. Both are 0
	// where no such count shows it.
	Need, Have int
	// Run is, for a single item, the run of Where that has them; none where First is above
	// Last.
	Run port.Range
}

// maxWork bounds what one call does. A step is about a microsecond.
const maxWork = 200_000

// maxTries bounds the sets of moved items for which places are looked for.
const maxTries = 400

// Solve finds the smallest set of items to move such that no two quarrel, and places for
// them. Items that are Fixed stay, whatever they meet.
func Solve(p Problem) Plan {
	s := newSolver(p)
	all := s.movable(func(int) bool { return true })
	must := s.movable(func(i int) bool { return p.Items[i].Must || s.meetsFixed(i) })
	moved, proved := s.cover(must)
	if firsts, verdict, _ := s.place(moved); verdict == Placed {
		return s.plan(moved, firsts, proved)
	}
	if p.One {
		return Plan{Verdict: Unknown}
	}
	// More can be moved. If moving everything does not help, nothing does.
	blocked, possible := s.relaxed(must, all)
	if !possible {
		return Plan{Verdict: Impossible, Blocked: blocked}
	}
	return s.widen(must, moved, all, proved)
}

// solver is a problem and what is worked out of it once.
type solver struct {
	Problem
	lanes [][]bool // whether two lanes meet
	edges [][2]int // the quarrels of which one end can move
	work  int      // that is left
}

func newSolver(p Problem) *solver {
	lanes := 0
	for _, it := range p.Items {
		lanes = max(lanes, it.Lane+1)
	}
	s := &solver{Problem: p, lanes: make([][]bool, lanes), work: maxWork}
	for a := range s.lanes {
		s.lanes[a] = make([]bool, lanes)
		for b := range s.lanes[a] {
			s.lanes[a][b] = p.Meet == nil || p.Meet(a, b)
		}
	}
	for _, e := range p.Quarrels {
		if e[0] != e[1] && !(p.Items[e[0]].Fixed && p.Items[e[1]].Fixed) {
			s.edges = append(s.edges, e)
		}
	}
	return s
}

func (s *solver) movable(which func(int) bool) []int {
	var out []int
	for i, it := range s.Items {
		if !it.Fixed && which(i) {
			out = append(out, i)
		}
	}
	return out
}

// meetsFixed reports whether i quarrels with an item that cannot move.
func (s *solver) meetsFixed(i int) bool {
	return slices.ContainsFunc(s.edges, func(e [2]int) bool {
		return e[0] == i && s.Items[e[1]].Fixed || e[1] == i && s.Items[e[0]].Fixed
	})
}

// place finds places for the items that move when all others stay.
func (s *solver) place(moved []int) ([]int, Verdict, Blocked) {
	j := s.job(moved)
	firsts, verdict, blocked := j.pack()
	return firsts, verdict, blocked
}

// job is the packing of the moved items around all others.
func (s *solver) job(moved []int) *job {
	j := &job{lanes: s.lanes, work: &s.work}
	if s.Apart {
		j.lanes = nil
	}
	taken := s.taken(moved)
	for _, i := range moved {
		p := s.piece(i)
		p.free = p.free.Minus(taken[s.Items[i].Lane])
		j.pieces = append(j.pieces, p)
	}
	return j
}

// taken are, for each lane, the ports that the items that stay keep from it.
func (s *solver) taken(moved []int) []port.Set {
	stays := make([]bool, len(s.Items))
	for i := range stays {
		stays[i] = true
	}
	for _, i := range moved {
		stays[i] = false
	}
	ranges := make([][]port.Range, len(s.lanes))
	for i, it := range s.Items {
		if !stays[i] || it.Now.Len() == 0 {
			continue
		}
		for lane := range s.lanes {
			if s.lanes[it.Lane][lane] {
				ranges[lane] = append(ranges[lane], it.Now)
			}
		}
	}
	out := make([]port.Set, len(s.lanes))
	for lane := range out {
		out[lane] = port.Of(ranges[lane]...)
	}
	return out
}

// piece is item i as something to place.
func (s *solver) piece(i int) piece {
	it := s.Items[i]
	step := max(it.Step, 1)
	return piece{id: i, len: max(it.Len, 1), step: step, phase: ((-it.Offset)%step + step) % step, free: it.Free, lane: it.Lane}
}

// relaxed reports whether places may exist when everything moves, and why not. An item that
// might stay where it stands may have that place as well.
func (s *solver) relaxed(must, all []int) (Blocked, bool) {
	j := s.job(all)
	j.lanes = s.lanes // what stays need not be apart
	for n, i := range all {
		p, it := &j.pieces[n], s.Items[i]
		if slices.Contains(must, i) || it.Now.Len() == 0 {
			continue
		}
		p.len = min(p.len, it.Now.Len())
		if now := int(it.Now.First); now%p.step != p.phase {
			p.step, p.phase = 1, 0
		}
		p.free = p.free.Union(port.Of(it.Now))
	}
	_, verdict, blocked := j.pack()
	if verdict != Impossible {
		return Blocked{}, true
	}
	return j.smaller(blocked), false
}

// widen looks for places when the smallest set of moved items has none: other sets of its
// size, and then of one more, and so on. When too many have been tried it moves
// everything and lets stay what can.
func (s *solver) widen(must, first, all []int, proved bool) Plan {
	w := &widening{solver: s, known: map[string]attempt{}, seen: map[string]bool{}, tries: maxTries, proved: proved}
	for size := len(first); size <= len(all) && w.tries > 0 && w.work > 0; size++ {
		if moved, firsts := w.cover(must, nil, size); moved != nil {
			return s.plan(moved, firsts, w.proved)
		}
		clear(w.seen)
	}
	moved := slices.Clone(all)
	firsts, verdict, _ := s.place(moved)
	switch {
	case verdict == Placed:
	case w.proved && w.tries > 0 && w.work > 0: // all sets have been tried
		return Plan{Verdict: Impossible, Blocked: s.job(all).whole(Impossible)}
	default:
		return Plan{Verdict: Unknown}
	}
	for n := len(moved) - 1; n >= 0; n-- {
		i := moved[n]
		if slices.Contains(must, i) {
			continue
		}
		fewer := slices.Delete(slices.Clone(moved), n, n+1)
		if _, quarrel := s.open(fewer); quarrel {
			continue
		}
		if f, v, _ := s.place(fewer); v == Placed {
			moved, firsts = fewer, f
		}
	}
	return s.plan(moved, firsts, false)
}

// open is two items that quarrel when only the moved ones are gone; false when there are
// none.
func (s *solver) open(moved []int) ([2]int, bool) {
	gone := make([]bool, len(s.Items))
	for _, i := range moved {
		gone[i] = true
	}
	for _, e := range s.edges {
		if !gone[e[0]] && !gone[e[1]] {
			return e, true
		}
	}
	return [2]int{}, false
}

// widening walks over the sets of moved items of one size.
type widening struct {
	*solver
	known  map[string]attempt
	seen   map[string]bool // sets of this size that have been extended
	tries  int             // that are left
	proved bool            // no set was left undecided
}

// attempt is what came out for one set.
type attempt struct {
	firsts  []int
	verdict Verdict
	blocked Blocked
}

// attempt places moved, once.
func (w *widening) attempt(moved []int) attempt {
	k := string(key(moved))
	if a, ok := w.known[k]; ok {
		return a
	}
	w.tries--
	var a attempt
	a.firsts, a.verdict, a.blocked = w.place(moved)
	w.known[k] = a
	return a
}

// cover finds a set of at most size items that holds moved and none of kept, of which one
// end of each quarrel moves, and that has places. It is nil when there is none.
func (w *widening) cover(moved, kept []int, size int) ([]int, []int) {
	if len(moved) > size || w.tries <= 0 || w.work <= 0 {
		return nil, nil
	}
	w.work -= 1 + len(w.edges)/1000
	e, quarrel := w.open(moved)
	if !quarrel {
		return w.extend(moved, kept, size)
	}
	// Either the second moves, or it stays and the first moves.
	for n, i := range [...]int{e[1], e[0]} {
		if w.Items[i].Fixed || slices.Contains(kept, i) {
			continue
		}
		stay := kept
		if n == 1 {
			stay = append(slices.Clone(kept), e[1])
		}
		if m, f := w.cover(with(moved, i), stay, size); m != nil {
			return m, f
		}
	}
	return nil, nil
}

// extend places moved, and where that is impossible moves one of those that stand in the
// way, too.
func (w *widening) extend(moved, kept []int, size int) ([]int, []int) {
	k := string(key(moved))
	if w.seen[k] || w.tries <= 0 {
		return nil, nil
	}
	w.seen[k] = true
	a := w.attempt(moved)
	switch a.verdict {
	case Placed:
		return moved, a.firsts
	case Unknown:
		w.proved = false
		a.blocked.Items = moved
	}
	if len(moved) == size {
		return nil, nil
	}
	for i := range w.Items {
		if w.Items[i].Fixed || slices.Contains(moved, i) || slices.Contains(kept, i) || !w.inTheWay(i, a.blocked.Items) {
			continue
		}
		if m, f := w.extend(with(moved, i), kept, size); m != nil {
			return m, f
		}
	}
	return nil, nil
}

// inTheWay reports whether i stands on ports that one of the blocked items may have.
func (w *widening) inTheWay(i int, blocked []int) bool {
	return slices.ContainsFunc(blocked, func(b int) bool {
		return w.lanes[w.Items[i].Lane][w.Items[b].Lane] && !w.Items[b].Free.Intersect(port.Of(w.Items[i].Now)).IsEmpty()
	})
}

// with is the ascending set and i.
func with(set []int, i int) []int {
	at, _ := slices.BinarySearch(set, i)
	return slices.Insert(slices.Clone(set), at, i)
}

// key is small numbers as the key of a map.
func key(numbers []int) []byte {
	b := make([]byte, 0, 2*len(numbers))
	for _, n := range numbers {
		b = append(b, byte(n>>8), byte(n))
	}
	return b
}

// plan gives the moved items, which have places, the best that can be had.
func (s *solver) plan(moved, places []int, proved bool) Plan {
	p := Plan{Verdict: Placed, Firsts: make([]int, len(s.Items)), Fewest: proved}
	for i := range p.Firsts {
		p.Firsts[i] = -1
	}
	for n, first := range s.settle(moved, places) {
		p.Firsts[moved[n]] = first
	}
	return p
}
