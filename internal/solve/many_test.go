package solve

import (
	"math/rand/v2"
	"slices"
	"testing"

	"portolan/internal/port"
)

// nowhere is the place of an item that has none.
var nowhere = port.Range{First: 1}

// pieces cuts each of the gaps, which hold the pieces before it, into ranges of their own
// lengths for pairs. Of a thousand ports of each gap free are in none of them.
func pieces(r *rand.Rand, gaps []port.Range, n, free int, of func(gap int) port.Set) []Item {
	var items []Item
	total, done := 0, 0
	for _, g := range gaps {
		total += g.Len()
	}
	for k, g := range gaps {
		done += g.Len()
		count := max(1, n*done/total-len(items))
		pairs := (g.Len() - g.Len()*free/1000 - int(g.First%2)) / 2
		cuts := []int{0, pairs}
		for len(cuts) < count+1 {
			if c := 1 + r.IntN(pairs-1); !slices.Contains(cuts, c) {
				cuts = append(cuts, c)
			}
		}
		slices.Sort(cuts)
		for i := range count {
			items = append(items, Item{Len: 2 * (cuts[i+1] - cuts[i]), Step: 2, Free: of(k), Must: true, Now: nowhere, Wish: Wish{At: 35000 + i, Grow: 10}})
		}
	}
	r.Shuffle(len(items), func(i, k int) { items[i], items[k] = items[k], items[i] })
	return items
}

// common is what Linux, Windows and its old releases leave of the user ports, with a few
// services that stay.
var common = []port.Range{{First: 5001, Last: 5059}, {First: 5062, Last: 8079}, {First: 8081, Last: 9999}, {First: 10001, Last: 25059}, {First: 25061, Last: 32767}}

// onCommon are ranges that may be anywhere in what the systems leave in common.
func onCommon(seed uint64, free int) Problem {
	all := port.Of(common...)
	return Problem{Items: pieces(rand.New(rand.NewPCG(seed, 1)), common, 200, free, func(int) port.Set { return all })}
}

// onPlatforms are ranges of services for Linux alone, and for Linux with FreeBSD, with
// Windows, and with both: the defaults of policies/platforms.hcl, old releases included.
func onPlatforms(seed uint64, free int) Problem {
	cells := []port.Range{{First: 1024, Last: 1024}, {First: 1025, Last: 5000}, {First: 5001, Last: 9999}, {First: 10000, Last: 32767}, {First: 61001, Last: 65535}}
	kinds := []port.Set{port.Of(cells...), port.Of(cells[0], cells[1], cells[2]), port.Of(cells[2], cells[3]), port.Of(cells[2])}
	r := rand.New(rand.NewPCG(seed, 2))
	return Problem{Items: pieces(r, cells[1:], 200, free, func(cell int) port.Set {
		for {
			if kind := kinds[r.IntN(len(kinds))]; kind.Contains(cells[cell+1].First) {
				return kind
			}
		}
	})}
}

// betweenMany are ranges between many services that stay.
func betweenMany(seed uint64, free int) Problem {
	r := rand.New(rand.NewPCG(seed, 3))
	var gaps []port.Range
	for at := 1024; len(gaps) < 50; {
		n := 2 * (100 + r.IntN(500))
		gaps = append(gaps, port.Range{First: uint16(at), Last: uint16(at + n - 1)})
		at += n + 1 + r.IntN(3)
	}
	all := port.Of(gaps...)
	return Problem{Items: pieces(r, gaps, 200, free, func(int) port.Set { return all })}
}

// triples are three ranges to each of twenty gaps of one length, which is the hard kind: it
// has few solutions, and no sum of lengths is far from another. Twice as many are left
// undecided when the gaps are full.
func triples(seed uint64, free int) Problem {
	r := rand.New(rand.NewPCG(seed, 4))
	var p Problem
	var gaps []port.Range
	for k := range 20 {
		gaps = append(gaps, port.Range{First: uint16(1024 + 802*k), Last: uint16(1024 + 802*k + 799)})
		a, b := 304+2*r.IntN(43), 220+2*r.IntN(40)
		for _, n := range [...]int{a, b, max(2, 800-a-b-2*(free*800/2000))} {
			p.Items = append(p.Items, Item{Len: n, Step: 2, Must: true, Now: nowhere})
		}
	}
	for i := range p.Items {
		p.Items[i].Free = port.Of(gaps...)
	}
	return p
}

// addresses are ranges for calls of forty addresses, which may be the same, and ports on
// all of them.
func addresses(seed uint64, free int) Problem {
	r := rand.New(rand.NewPCG(seed, 5))
	p := Problem{Meet: func(a, b int) bool { return a == b || a == 0 || b == 0 }}
	room := 20000 - 20000*free/1000
	all := port.Of(port.Range{First: 10000, Last: 29999})
	everywhere := 0
	for range 40 {
		n := 2 * (1 + r.IntN(room/160))
		everywhere += n
		p.Items = append(p.Items, Item{Len: n, Step: 2, Free: all, Must: true, Now: nowhere})
	}
	for lane := range 40 {
		half := 2 * (1 + r.IntN((room-everywhere)/2-1))
		for _, n := range [...]int{half, room - everywhere - half} {
			p.Items = append(p.Items, Item{Len: n, Step: 2, Free: all, Must: true, Now: nowhere, Lane: lane + 1})
		}
	}
	return p
}

var families = []struct {
	name    string
	problem func(seed uint64, free int) Problem
	tight   int // the least that is left free, of a thousand ports
}{
	{"common", onCommon, 0},
	{"platforms", onPlatforms, 0},
	{"between", betweenMany, 0},
	{"triples", triples, 0},
	{"addresses", addresses, 0},
}

// loads are how much of the ports is left free, and whether one range is then made longer
// than there is room for.
var loads = []struct {
	name     string
	free     int
	overload bool
}{{"comfortable", 500, false}, {"tight", 50, false}, {"tighter", 5, false}, {"full", 0, false}, {"impossible", 0, true}}

func overloaded(p Problem) Problem {
	p.Items[0].Len += 6
	return p
}

// TestManyAreDecided decides two hundred ranges, and holds the places against the rules.
func TestManyAreDecided(t *testing.T) {
	for _, family := range families {
		for _, load := range loads {
			for seed := range uint64(4) {
				p, want := family.problem(seed, load.free), Placed
				if load.overload {
					p, want = overloaded(p), Impossible
				}
				got := Solve(p)
				if got.Verdict != want || want == Placed && !got.Fewest {
					t.Errorf("%s, %s, %d: verdict %d of %d items", family.name, load.name, seed, got.Verdict, len(p.Items))
					continue
				}
				for i, first := range got.Firsts {
					if !p.allows(state(got.Firsts), i, first) {
						t.Fatalf("%s, %s, %d: item %d cannot be at %d", family.name, load.name, seed, i, first)
					}
				}
				if want == Impossible && (len(got.Blocked.Items) == 0 || got.Blocked.Where.IsEmpty()) {
					t.Errorf("%s, %d: blocked: %+v", family.name, seed, got.Blocked)
				}
			}
		}
	}
}

// quarrels is n ranges on the ports of their neighbours: of which the fewest move is known
// from a walk over the ends of intervals.
func quarrels(seed uint64, n int) (Problem, int) {
	r := rand.New(rand.NewPCG(seed, 6))
	var p Problem
	for range n {
		first, long := 35000+r.IntN(6000), 2*(1+r.IntN(50))
		p.Items = append(p.Items, Item{Len: long, Step: 2, Free: port.Of(common...), Now: port.Range{First: uint16(first), Last: uint16(first + long - 1)},
			Cost: r.IntN(2), Wish: Wish{At: first}})
	}
	for i := range p.Items {
		for k := range i {
			if p.Items[i].Now.Overlaps(p.Items[k].Now) {
				p.Quarrels = append(p.Quarrels, [2]int{k, i})
			}
		}
	}
	// As many as possible stay: always the one that ends first of those behind the last.
	byEnd := slices.Clone(p.Items)
	slices.SortFunc(byEnd, func(a, b Item) int { return int(a.Now.Last) - int(b.Now.Last) })
	stay, end := 0, -1
	for _, it := range byEnd {
		if int(it.Now.First) > end {
			stay++
			end = int(it.Now.Last)
		}
	}
	return p, n - stay
}

func TestFewestOfManyQuarrels(t *testing.T) {
	for seed := range uint64(20) {
		p, want := quarrels(seed, 200)
		got := Solve(p)
		moved := 0
		for _, first := range got.Firsts {
			if first >= 0 {
				moved++
			}
		}
		if got.Verdict != Placed || !got.Fewest || moved != want {
			t.Errorf("%d: verdict %d, %d moved, %d are enough, proved: %v", seed, got.Verdict, moved, want, got.Fewest)
		}
	}
}

func BenchmarkSolve(b *testing.B) {
	for _, family := range families {
		for _, load := range loads {
			p := family.problem(1, load.free)
			if load.overload {
				p = overloaded(p)
			}
			b.Run(family.name+"/"+load.name, func(b *testing.B) {
				for b.Loop() {
					Solve(p)
				}
			})
		}
	}
	b.Run("quarrels", func(b *testing.B) {
		p, _ := quarrels(1, 200)
		for b.Loop() {
			Solve(p)
		}
	})
}
