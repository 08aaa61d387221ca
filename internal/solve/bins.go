package solve

import (
	"cmp"
	"slices"

	"portolan/internal/port"
)

// fill places pieces that all meet and may have the same ports, into one run after the
// other: an exact search where they begin at any or at every second port, false for others
// and where the answer for some of the ports is not that for all.
func (j *job) fill() ([]int, Verdict, bool) {
	var ranges, units []int
	for i := range j.pieces {
		switch p := &j.pieces[i]; {
		case p.step > 2:
			return nil, Unknown, false
		case p.isUnit():
			units = append(units, i)
		default:
			ranges = append(ranges, i)
		}
	}
	same := true
	var where port.Set
	for n, i := range ranges {
		switch free := j.pieces[i].free; {
		case n == 0:
			where = free
		case !free.Equal(where):
			same = false
			where = where.Intersect(free)
		}
	}
	f := &filling{job: j, failed: map[string]bool{}}
	firsts := make([]int, len(j.pieces))
	verdict := f.start(ranges, where)
	if verdict != Placed {
		return nil, verdict, same && (verdict == Impossible || len(units) == 0)
	}
	for _, row := range f.rows {
		for n, i := range row.pieces {
			firsts[i] = row.firsts[n]
		}
	}
	if !j.units(firsts, units) {
		return nil, Unknown, false
	}
	return firsts, Placed, true
}

// row is pieces side by side in one run.
type row struct{ pieces, firsts []int }

// filling is the search. It takes the runs from short to long, and for each the sets of
// pieces that leave the fewest ports of it, the longest pieces first. What it has left
// over it can never leave over again, which bounds the rest. It looks for the one solution
// of which the first run has the longest pieces, then the second, and so on: so a set to
// which a piece could be added need not be tried, and of runs that are alike the first
// has the longest piece.
type filling struct {
	*job
	grid   grid
	kinds  []kind // from long to short
	runs   []port.Range
	most   []int  // what can be filled of each run, in units
	alike  []bool // whether all runs from each on are alike
	rows   []row
	failed map[string]bool // what was left at which run, and could not be placed
	sums   [][]set         // of each run, room for its reach
	steps  int
	ended  bool
}

// kind is pieces that are alike.
type kind struct {
	size    int // in units
	members []int
	left    int // the first so many are not placed
}

func (f *filling) start(ranges []int, where port.Set) Verdict {
	pieces := make([]piece, len(ranges))
	for n, i := range ranges {
		pieces[n] = f.pieces[i]
	}
	f.grid = gridOf(pieces)
	for _, i := range ranges {
		p := &f.pieces[i]
		n := slices.IndexFunc(f.kinds, func(k kind) bool {
			o := &f.pieces[k.members[0]]
			return o.len == p.len && o.step == p.step && o.phase == p.phase
		})
		if n < 0 {
			n = len(f.kinds)
			f.kinds = append(f.kinds, kind{size: f.grid.size(*p) / f.grid.unit})
		}
		f.kinds[n].members = append(f.kinds[n].members, i)
		f.kinds[n].left++
	}
	slices.SortStableFunc(f.kinds, func(a, b kind) int { return cmp.Compare(f.pieces[b.members[0]].len, f.pieces[a.members[0]].len) })
	f.runs = where.Ranges()
	slices.SortStableFunc(f.runs, func(a, b port.Range) int { return cmp.Compare(a.Len(), b.Len()) })
	sums := newSums((port.Max + 1) / f.grid.unit)
	for _, k := range f.kinds {
		for range k.members {
			addTo(sums, sums, k.size)
		}
	}
	for _, r := range f.runs {
		f.most = append(f.most, sums.highest(f.grid.capacity(r)/f.grid.unit))
	}
	f.sums = make([][]set, len(f.runs))
	f.alike = make([]bool, len(f.runs))
	for n := len(f.runs) - 1; n >= 0; n-- {
		f.alike[n] = n+1 == len(f.runs) || f.alike[n+1] && alike(f.runs[n], f.runs[n+1])
	}
	switch {
	case f.from(0):
		return Placed
	case f.ended:
		return Unknown
	}
	return Impossible
}

// from places what is left into the runs from n on.
func (f *filling) from(n int) bool {
	spare, left := 0, 0
	for _, m := range f.most[n:] {
		spare += m
	}
	first := f.longest(n)
	counts := []int{n, first}
	for _, k := range f.kinds {
		spare -= k.left * k.size
		left += k.left
		counts = append(counts, k.left)
	}
	if left == 0 {
		return true
	}
	if spare < 0 || n == len(f.runs) {
		return false
	}
	k := string(key(counts))
	if f.failed[k] {
		return false
	}
	reach := f.reach(n)
	for sum := f.most[n]; sum >= 0 && !f.ended; sum-- {
		if sum = reach[first].highest(sum); sum < f.most[n]-spare {
			break
		}
		if f.choose(n, reach, first, sum, nil) {
			return true
		}
	}
	if !f.ended {
		f.failed[k] = true
	}
	return false
}

// longest is the first kind that run n may have: not a longer one than the run before,
// when both are alike.
func (f *filling) longest(n int) int {
	if n == 0 || n == len(f.runs) || !alike(f.runs[n-1], f.runs[n]) {
		return 0
	}
	before := f.rows[len(f.rows)-1].pieces
	if len(before) == 0 {
		return len(f.kinds)
	}
	return slices.IndexFunc(f.kinds, func(k kind) bool { return slices.Contains(k.members, before[0]) })
}

// alike reports whether the same pieces fit into two runs.
func alike(a, b port.Range) bool { return a.Len() == b.Len() && a.First%2 == b.First%2 }

// reach are the sums up to the most of run n of what is left of the kinds from each on.
func (f *filling) reach(n int) []set {
	words := f.most[n]/64 + 1
	*f.work -= 1 + len(f.kinds)*words/1000
	if f.sums[n] == nil {
		f.sums[n] = make([]set, len(f.kinds)+1)
		all := make(set, words*(len(f.kinds)+1))
		for i := range f.sums[n] {
			f.sums[n][i] = all[i*words : (i+1)*words]
		}
		f.sums[n][len(f.kinds)][0] = 1
	}
	reach := f.sums[n]
	for i := len(f.kinds) - 1; i >= 0; i-- {
		from := reach[i+1]
		for range f.kinds[i].left {
			if f.kinds[i].size > f.most[n] {
				break
			}
			addTo(reach[i], from, f.kinds[i].size)
			from = reach[i]
		}
		copy(reach[i], from)
	}
	return reach
}

// choose takes pieces of the kinds from i on that fill need of run n, and goes on behind.
func (f *filling) choose(n int, reach []set, i, need int, chosen []int) bool {
	if need == 0 {
		return f.close(n, chosen)
	}
	first := len(chosen) == 0
	for ; i < len(f.kinds) && reach[i].has(need) && !f.ended; i++ {
		k := &f.kinds[i]
		if k.left == 0 {
			continue
		}
		if f.steps++; f.steps%16 == 0 {
			*f.work--
		}
		for take := min(k.left, need/k.size); take > 0 && !f.ended; take-- {
			rest := need - take*k.size
			if !reach[i+1].has(rest) {
				continue
			}
			k.left -= take
			done := f.choose(n, reach, i+1, rest, append(chosen, k.members[k.left:k.left+take]...))
			k.left += take
			if done {
				return true
			}
		}
		if first && f.alike[n] {
			break // the longest of all goes into one of the runs that are left
		}
	}
	return false
}

// close puts the chosen pieces into run n, if they fit, and fills the next. A set to which
// another piece could be added is left out: with the piece it is no worse.
func (f *filling) close(n int, chosen []int) bool {
	if *f.work--; *f.work <= 0 {
		f.ended = true
		return false
	}
	r := f.runs[n]
	firsts, end, ok := f.inRow(r, chosen)
	if !ok {
		return false
	}
	for i := len(f.kinds) - 1; i >= 0; i-- {
		if k := &f.kinds[i]; k.left > 0 && end+f.pieces[k.members[0]].len <= int(r.Last)+1 {
			if _, _, more := f.inRow(r, append(slices.Clone(chosen), k.members[0])); more {
				return false
			}
		}
	}
	rows := len(f.rows)
	f.rows = append(f.rows, row{slices.Clone(chosen), firsts})
	if f.from(n + 1) {
		return true
	}
	f.rows = f.rows[:rows]
	return false
}

// inRow puts pieces that begin at any port or at every second one into one run, in the
// order that leaves the fewest holes, and says where they end. Those that begin at one
// kind of ports, even or odd, and end at the same do not matter; others change what comes
// behind them. Where none that changes it is left, one that begins anywhere can, or a
// hole has to.
func (f *filling) inRow(r port.Range, pieces []int) ([]int, int, bool) {
	const anywhere = 2
	var even, odd [3][]int // by where they begin: those with an even and an odd length
	for n, i := range pieces {
		p := &f.pieces[i]
		at := p.phase
		if p.step == 1 {
			at = anywhere
		}
		if p.len%2 == 0 {
			even[at] = append(even[at], n)
		} else {
			odd[at] = append(odd[at], n)
		}
	}
	firsts := make([]int, len(pieces))
	at := int(r.First)
	put := func(list *[]int) {
		n := (*list)[0]
		*list = (*list)[1:]
		firsts[n] = at
		at += f.pieces[pieces[n]].len
	}
	for len(even[anywhere]) > 0 {
		put(&even[anywhere])
	}
	for len(even[0])+len(even[1])+len(odd[0])+len(odd[1]) > 0 {
		here := at % 2
		for len(even[here]) > 0 {
			put(&even[here])
		}
		switch {
		case len(odd[here]) > 0:
			put(&odd[here])
		case len(even[1-here])+len(odd[1-here]) == 0:
		case len(odd[anywhere]) > 0:
			put(&odd[anywhere])
		default:
			at++
		}
	}
	for len(odd[anywhere]) > 0 {
		put(&odd[anywhere])
	}
	return firsts, at, at <= int(r.Last)+1
}
