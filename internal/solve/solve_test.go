package solve

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"portolan/internal/port"
)

// tiny is the number of ports that are tried one by one.
const tiny = 13

// genSet is any set of the tiny ports, most of them open.
func genSet(t *rapid.T, label string) port.Set {
	var runs []port.Range
	for p, open := range rapid.SliceOfN(rapid.SampledFrom([]bool{true, true, true, false}), tiny, tiny).Draw(t, label) {
		if open {
			runs = append(runs, port.Single(uint16(p)))
		}
	}
	return port.Of(runs...)
}

// genProblem is a few items that stand on and may have tiny ports.
func genProblem(t *rapid.T) Problem {
	sets := []port.Set{genSet(t, "one platform"), genSet(t, "another")}
	var meet [3][3]bool
	for a := range meet {
		for b := range a + 1 {
			meet[a][b] = rapid.IntRange(0, 3).Draw(t, "meet") > 0
			meet[b][a] = meet[a][b]
		}
	}
	p := Problem{Meet: func(a, b int) bool { return meet[a][b] }, Apart: rapid.IntRange(0, 3).Draw(t, "apart") == 0}
	oneLane := rapid.Bool().Draw(t, "one lane")
	for range rapid.IntRange(0, 4).Draw(t, "items") {
		n := rapid.IntRange(1, 5).Draw(t, "len")
		it := Item{
			Len: n, Step: rapid.IntRange(0, 3).Draw(t, "step"), Offset: rapid.IntRange(-1, 1).Draw(t, "offset"),
			Free: sets[rapid.IntRange(0, 1).Draw(t, "free")],
			Must: rapid.IntRange(0, 3).Draw(t, "must") == 0, Fixed: rapid.IntRange(0, 4).Draw(t, "fixed") == 0,
			Cost: rapid.IntRange(0, 1).Draw(t, "cost"),
		}
		if !oneLane {
			it.Lane = rapid.IntRange(0, 2).Draw(t, "lane")
		}
		first := rapid.IntRange(0, tiny-1).Draw(t, "now")
		it.Now = port.Range{First: uint16(first), Last: uint16(first + n - 1)}
		it.At = first + it.Offset
		it.Near, it.Grow = rapid.Bool().Draw(t, "near"), rapid.IntRange(0, 2).Draw(t, "grow")
		for k, o := range p.Items {
			if o.Now.Overlaps(it.Now) && meet[o.Lane][it.Lane] {
				p.Quarrels = append(p.Quarrels, [2]int{k, len(p.Items)})
			}
		}
		p.Items = append(p.Items, it)
	}
	return p
}

// state is what one plan does: the first ports, and -1 for items that stay.
type state []int

// allows reports whether item i at first gets along with the items before it.
func (p Problem) allows(s state, i, first int) bool {
	it := p.Items[i]
	at := it.Now
	if first >= 0 {
		at = port.Range{First: uint16(first), Last: uint16(first + it.Len - 1)}
		if (first+it.Offset)%max(it.Step, 1) != 0 || !port.Of(at).Minus(it.Free).IsEmpty() {
			return false
		}
	}
	for k, other := range s[:i] {
		o := p.Items[k]
		there := o.Now
		if other >= 0 {
			there = port.Range{First: uint16(other), Last: uint16(other + o.Len - 1)}
		}
		if !at.Overlaps(there) {
			continue
		}
		switch bothFixed, bothMove := it.Fixed && o.Fixed, first >= 0 && other >= 0; {
		case bothFixed:
		case p.Meet == nil || p.Meet(it.Lane, o.Lane) || bothMove && p.Apart:
			return false
		}
	}
	return true
}

// fewest is how few items a plan can move, by trying all plans; false when there is none.
func (p Problem) fewest(s state, i, moved, best int) (int, bool) {
	if moved >= best {
		return best, false
	}
	if i == len(p.Items) {
		return moved, true
	}
	found := false
	it := p.Items[i]
	for first := -1; first < tiny; first++ {
		if first < 0 && it.Must && !it.Fixed || first >= 0 && it.Fixed || !p.allows(s, i, first) {
			continue
		}
		s[i] = first
		more := 0
		if first >= 0 {
			more = 1
		}
		if n, ok := p.fewest(s, i+1, moved+more, best); ok {
			best, found = n, true
		}
	}
	return best, found
}

// checkPlan holds a plan against the rules and against trying everything.
func checkPlan(t interface{ Fatalf(string, ...any) }, p Problem) {
	got := Solve(p)
	want, possible := p.fewest(make(state, len(p.Items)), 0, 0, 1<<20)
	if got.Verdict == Unknown || (got.Verdict == Placed) != possible {
		t.Fatalf("verdict %d, and there is a plan: %v\n%+v", got.Verdict, possible, p.Items)
	}
	if again := Solve(p); again.Verdict != got.Verdict || !slices.Equal(again.Firsts, got.Firsts) {
		t.Fatalf("%v, and then %v", got, again)
	}
	if !possible {
		checkBlocked(t, p, got.Blocked)
		return
	}
	moved := 0
	for i, first := range got.Firsts {
		if first >= 0 {
			moved++
		} else if p.Items[i].Must && !p.Items[i].Fixed {
			t.Fatalf("item %d stays", i)
		}
		if !p.allows(state(got.Firsts), i, first) || first >= 0 && p.Items[i].Fixed {
			t.Fatalf("item %d cannot be at %d in %v of\n%+v", i, first, got.Firsts, p.Items)
		}
	}
	if !got.Fewest || moved != want {
		t.Fatalf("%d moved, %d are enough: %v of\n%+v", moved, want, got.Firsts, p.Items)
	}
}

// checkBlocked tries all plans for the blocked items alone: there is none either.
func checkBlocked(t interface{ Fatalf(string, ...any) }, p Problem, b Blocked) {
	if len(b.Items) == 0 || !slices.IsSorted(b.Items) || b.Need > 0 && b.Need <= b.Have || len(b.Items) == 1 && b.Have > b.Run.Len() {
		t.Fatalf("blocked: %+v", b)
	}
	alone := p
	alone.Items = nil
	for i, it := range p.Items {
		if it.Fixed || slices.Contains(b.Items, i) {
			alone.Items = append(alone.Items, it)
		}
	}
	if _, possible := alone.fewest(make(state, len(alone.Items)), 0, 0, 1<<20); possible {
		t.Fatalf("%v of %+v are not blocked: %+v", b.Items, p.Items, b)
	}
}

func TestSolveIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkPlan(t, genProblem(t)) })
}

// FuzzSolve is the same property for bytes that a fuzzer chooses.
func FuzzSolve(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { checkPlan(t, genProblem(t)) }))
}

// TestSearchesAgree holds the two exact searches against each other and against trying
// everything, without the plain ways and the counts before them.
func TestSearchesAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := genProblem(t)
		p.Apart = true
		s := newSolver(p)
		var moved []int
		for i := range p.Items {
			p.Items[i].Must, p.Items[i].Fixed, p.Items[i].Now = true, false, port.Range{First: 1}
			if _, ok := alone(&s.job([]int{i}).pieces[0]); ok {
				moved = append(moved, i)
			}
		}
		for i := range p.Items {
			p.Items[i].Fixed = !slices.Contains(moved, i)
		}
		j := newSolver(p).job(moved)
		_, possible := p.fewest(make(state, len(p.Items)), 0, 0, 1<<20)
		if _, v := j.sweep(); v == Unknown || (v == Placed) != possible {
			t.Fatalf("the sweep says %d, and there are places: %v", v, possible)
		}
		if _, v, ok := j.fill(); ok && (v == Unknown || (v == Placed) != possible) {
			t.Fatalf("the filling says %d, and there are places: %v", v, possible)
		}
		if _, ok := j.count(); !ok && possible {
			t.Fatalf("counting says that there are no places")
		}
	})
}
