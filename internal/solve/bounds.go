package solve

import (
	"cmp"
	"slices"

	"portolan/internal/port"
)

// maxUnions bounds the sets of ports for which count counts.
const maxUnions = 64

// count is false when counting shows that the pieces have no places: of pieces that all
// meet and may only have ports of some set, there are more than fit into its runs.
func (j *job) count() (Blocked, bool) {
	for _, clique := range j.cliques() {
		for _, where := range unions(clique) {
			var inside []piece
			for _, p := range clique {
				if p.free.Minus(where).IsEmpty() {
					inside = append(inside, p)
				}
			}
			*j.work -= 1 + len(inside)/2
			if b, ok := fits(inside, where); !ok {
				return b, false
			}
		}
	}
	return Blocked{}, true
}

// cliques are sets of pieces that all meet, such that every piece is in one.
func (j *job) cliques() [][]piece {
	if j.isClique() {
		return [][]piece{j.pieces}
	}
	var out [][]piece
	seen := map[string]bool{}
	for i := range j.pieces {
		members := []int{i}
		for k := range j.pieces {
			if k != i && !slices.ContainsFunc(members, func(m int) bool { return !j.meet(&j.pieces[k], &j.pieces[m]) }) {
				members = append(members, k)
			}
		}
		slices.Sort(members)
		if k := string(key(members)); !seen[k] {
			seen[k] = true
			var clique []piece
			for _, m := range members {
				clique = append(clique, j.pieces[m])
			}
			out = append(out, clique)
		}
	}
	return out
}

// unions are what pieces may have, and what each two and what all together may have.
func unions(pieces []piece) []port.Set {
	var one, out []port.Set
	add := func(to *[]port.Set, s port.Set) {
		if !slices.ContainsFunc(*to, s.Equal) {
			*to = append(*to, s)
		}
	}
	var all port.Set
	for _, p := range pieces {
		add(&one, p.free)
		all = all.Union(p.free)
	}
	for i := range one {
		if i < maxUnions {
			add(&out, one[i])
		}
	}
	for i := range one {
		for k := range i {
			if len(out) < 2*maxUnions {
				add(&out, one[i].Union(one[k]))
			}
		}
	}
	add(&out, all)
	return out
}

// fits is false when pieces that all meet do not fit into the runs of where, by three
// counts for each length t of one of them:
//   - the ports of those of at least t are more than what sums of their lengths can fill
//     of the runs;
//   - those of at least t are more than fit into the runs, if each had the shortest
//     of the runs' combinations;
//   - a run of n ports has room for n/t pieces of t ports, so pieces that are whole
//     multiples of t, rounded down, are no more than the runs, rounded down.
func fits(pieces []piece, where port.Set) (Blocked, bool) {
	sorted := slices.Clone(pieces)
	slices.SortStableFunc(sorted, func(a, b piece) int { return cmp.Compare(b.len, a.len) })
	grid := gridOf(sorted)
	var caps []int
	for _, r := range where.Ranges() {
		if c := grid.capacity(r); c > 0 {
			caps = append(caps, c)
		}
	}
	sums := newSums(slices.Max(append(caps, 0)) / grid.unit)
	need := 0
	for n, p := range sorted {
		size := grid.size(p) / grid.unit
		addTo(sums, sums, size)
		need += size
		if n+1 < len(sorted) && sorted[n+1].len == p.len {
			continue
		}
		have, room, steps, wholes := 0, 0, 0, 0
		for _, c := range caps {
			have += sums.highest(c / grid.unit)
			room += mostOf(sorted[:n+1], c, grid)
			steps += c / grid.unit / size
		}
		for _, q := range sorted {
			wholes += grid.size(q) / grid.unit / size
		}
		switch {
		case need > have:
			return blockedBy(sorted[:n+1], where, need*grid.unit, have*grid.unit), false
		case n+1 > room:
			return blockedBy(sorted[:n+1], where, 0, 0), false
		case wholes > steps:
			return blockedBy(sorted, where, 0, 0), false
		}
	}
	return Blocked{}, true
}

// blockedBy is the reason that pieces have no places. Where the lengths themselves do not
// say it, need and have are 0.
func blockedBy(pieces []piece, where port.Set, need, have int) Blocked {
	b := Blocked{Where: where}
	ports := 0
	for _, p := range pieces {
		b.Items = append(b.Items, p.id)
		ports += p.len
	}
	slices.Sort(b.Items)
	if ports > where.Len() {
		need, have = ports, where.Len()
	}
	b.Need, b.Have = need, have
	return b
}

// grid is how pieces can lie in a run. When all begin at every second port, each fills
// whole pairs; half says that one of them leaves half of its last pair.
type grid struct {
	unit, phase int
	half        bool
}

func gridOf(pieces []piece) grid {
	g := grid{unit: 2}
	for _, p := range pieces {
		if p.step != 2 || p.phase != pieces[0].phase {
			return grid{unit: 1}
		}
		g.phase = p.phase
		g.half = g.half || p.len%2 != 0
	}
	return g
}

// size is what p takes of a run.
func (g grid) size(p piece) int { return (p.len + g.unit - 1) / g.unit * g.unit }

// capacity is what the run has at most. A last half of a pair counts as a whole one, when
// there is a piece for it.
func (g grid) capacity(r port.Range) int {
	skip := (g.phase - int(r.First)%g.unit + g.unit) % g.unit
	n := r.Len() - min(skip, r.Len())
	if g.half {
		n += g.unit - 1
	}
	return n / g.unit * g.unit
}

// mostOf is how many of the pieces, which are sorted from long to short, fit into c.
func mostOf(sorted []piece, c int, g grid) int {
	n := 0
	for i := len(sorted) - 1; i >= 0; i-- {
		if c -= g.size(sorted[i]); c < 0 {
			break
		}
		n++
	}
	return n
}

// smaller takes items out of the reason while it still holds, the shortest first, unless
// there are more than anybody reads. It counts; only few pieces are tried in every order
// once more.
func (j *job) smaller(b Blocked) Blocked {
	const few, many = 12, 40
	if len(b.Items) > many {
		return b
	}
	for kept := 0; kept < len(b.Items) && len(b.Items) > 1 && *j.work > 0; {
		pieces := j.shortest(b.Items)
		fewer := &job{pieces: slices.Delete(pieces, kept, kept+1), lanes: j.lanes, work: j.work}
		found, fits := fewer.count()
		if fits && len(b.Items) <= few {
			_, verdict, blocked := fewer.pack()
			found, fits = blocked, verdict != Impossible
		}
		if fits {
			kept++
		} else {
			b = found
		}
	}
	return b
}

// shortest are the pieces of some items, the shortest first.
func (j *job) shortest(items []int) []piece {
	var out []piece
	for _, p := range j.pieces {
		if slices.Contains(items, p.id) {
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b piece) int { return cmp.Compare(a.len, b.len) })
	return out
}
