package solve

import (
	"iter"
	"slices"
	"sort"

	"portolan/internal/port"
)

// settle gives pieces that have places better ones, in their order: each gets the best by
// its wishes that leaves places for those behind it.
func (s *solver) settle(moved, places []int) []int {
	j := s.job(moved)
	b := j.board()
	firsts := slices.Clone(places)
	repairs := 2 * len(moved)
	for n, i := range moved {
		it := &s.Items[i]
		first := -1
		tries := 4
		for at := range it.places(&j.pieces[n], b.left[b.of[n]]) {
			if j.clear(n, at, firsts) {
				first = at
				break
			}
			if tries == 0 || repairs == 0 {
				break
			}
			tries--
			repairs--
			if rest, ok := b.repair(n, at, firsts); ok {
				first, firsts = at, rest
				break
			}
		}
		if first < 0 { // a place that is in nobody's way
			first = firsts[n]
			spare := b.clone()
			for k := n + 1; k < len(firsts); k++ {
				spare.put(k, firsts[k])
			}
			for at := range it.places(&j.pieces[n], spare.left[b.of[n]]) {
				first = at
				break
			}
		}
		firsts[n] = first
		b.put(n, first)
	}
	return firsts
}

// clear reports whether piece n meets none behind it when it begins at first.
func (j *job) clear(n, first int, firsts []int) bool {
	for k := n + 1; k < len(firsts); k++ {
		if j.meet(&j.pieces[n], &j.pieces[k]) && j.pieces[k].at(firsts[k]).Overlaps(j.pieces[n].at(first)) {
			return false
		}
	}
	return true
}

// repair places the pieces behind n anew when n begins at first, in the plainest way.
func (b *board) repair(n, first int, firsts []int) ([]int, bool) {
	*b.work -= 1 + (len(firsts)-n)/4
	rest := make([]int, 0, len(firsts))
	for k := n + 1; k < len(firsts); k++ {
		rest = append(rest, k)
	}
	then, out := b.clone(), slices.Clone(firsts)
	then.put(n, first)
	ok := then.greedy(way{}, rest, out)
	return out, ok
}

// round are the steps of round numbers; the last is that of the item.
var round = [...]int{5000, 1000, 100, 10, 0}

// places are the first ports in runs where the piece of it may be, the best first.
func (it *Item) places(p *piece, runs []port.Range) iter.Seq[int] {
	avoid := it.Avoid.Ranges()
	roomy := port.Of(append(slices.Clone(runs), it.Now)...).Ranges() // it leaves what it has now
	now := min(max(it.At, 0), port.Max)
	fits := func(number int) bool {
		first := number - it.Offset
		return first >= 0 && first%p.step == p.phase && holds(runs, first, p.len)
	}
	return func(yield func(int) bool) {
		for _, number := range it.First {
			if fits(number) && !yield(number-it.Offset) {
				return
			}
		}
		if it.Near {
			for _, famous := range [...]bool{false, true} {
				for by := 1; by <= 100; by++ {
					for _, number := range [...]int{now + by, now - by} {
						if fits(number) && touches(avoid, number-it.Offset, p.len) == famous && !yield(number-it.Offset) {
							return
						}
					}
				}
			}
		}
		for _, step := range round {
			levels := 3
			if step < 100 { // nobody sees that these are round, and there are many
				levels = 1
			}
			for level := range levels {
				good := func(first int) bool {
					return levels == 1 || level == 2 ||
						!touches(avoid, first, p.len) && (level == 1 || holds(roomy, first, p.len+it.Grow))
				}
				for first := range it.steps(p, runs, max(step, p.step), now) {
					if good(first) && !yield(first) {
						return
					}
				}
			}
		}
	}
}

// steps are first ports for numbers that are multiples of step: those below now from high
// to low, then those above.
func (it *Item) steps(p *piece, runs []port.Range, step, now int) iter.Seq[int] {
	return func(yield func(int) bool) {
		try := func(number int) bool {
			return (number-it.Offset)%p.step != p.phase || yield(number-it.Offset)
		}
		for i := len(runs) - 1; i >= 0; i-- {
			low, high := int(runs[i].First)+it.Offset, min(int(runs[i].Last)-p.len+1+it.Offset, now-1)
			for number := floor(high, step); number >= low; number -= step {
				if !try(number) {
					return
				}
			}
		}
		for _, r := range runs {
			low, high := max(int(r.First)+it.Offset, now+1), int(r.Last)-p.len+1+it.Offset
			for number := floor(low+step-1, step); number <= high; number += step {
				if !try(number) {
					return
				}
			}
		}
	}
}

// floor is the highest multiple of step that is not above n.
func floor(n, step int) int { return n - ((n%step)+step)%step }

// holds reports whether n ports from first on are in one of the runs.
func holds(runs []port.Range, first, n int) bool {
	i := sort.Search(len(runs), func(i int) bool { return int(runs[i].Last) >= first+n-1 })
	return i < len(runs) && int(runs[i].First) <= first
}

// touches reports whether one of n ports from first on is in one of the runs.
func touches(runs []port.Range, first, n int) bool {
	i := sort.Search(len(runs), func(i int) bool { return int(runs[i].Last) >= first })
	return i < len(runs) && int(runs[i].First) <= first+n-1
}
