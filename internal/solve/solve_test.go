package solve

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"portolan/internal/port"
)

// anyOrder reports whether there are places, by trying every port for every item.
func anyOrder(items []Item, used []bool) bool {
	if len(items) == 0 {
		return true
	}
	it := items[0]
	for at := 0; at+it.Len <= len(used); at++ {
		if !fits(it, at) || slices.Contains(used[at:at+it.Len], true) {
			continue
		}
		for i := range it.Len {
			used[at+i] = true
		}
		found := anyOrder(items[1:], used)
		for i := range it.Len {
			used[at+i] = false
		}
		if found {
			return true
		}
	}
	return false
}

func fits(it Item, at int) bool {
	if (at+it.Offset)%max(it.Step, 1) != 0 {
		return false
	}
	for i := range it.Len {
		if !it.Free.Contains(uint16(at + i)) {
			return false
		}
	}
	return true
}

// TestPlaceIsExact holds the search against one that tries everything, in a small space.
func TestPlaceIsExact(t *testing.T) {
	const ports = 14
	rapid.Check(t, func(t *rapid.T) {
		free := func(label string) port.Set {
			var runs []port.Range
			for p, open := range rapid.SliceOfN(rapid.SampledFrom([]bool{true, true, true, false}), ports, ports).Draw(t, label) {
				if open {
					runs = append(runs, port.Single(uint16(p)))
				}
			}
			return port.Of(runs...)
		}
		sets := []port.Set{free("one platform"), free("another")}
		items := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Item {
			return Item{
				Len:    rapid.IntRange(1, 5).Draw(t, "len"),
				Step:   rapid.IntRange(0, 2).Draw(t, "step"),
				Offset: rapid.IntRange(0, 1).Draw(t, "offset"),
				Free:   sets[rapid.IntRange(0, 1).Draw(t, "free")],
			}
		}), 0, 4).Draw(t, "items")
		firsts, verdict := Place(items)
		if want := anyOrder(items, make([]bool, ports)); verdict == Unknown || (verdict == Placed) != want {
			t.Fatalf("verdict %d, and there are places: %v", verdict, want)
		}
		if verdict != Placed {
			return
		}
		taken := map[int]bool{}
		for i, it := range items {
			if !fits(it, firsts[i]) {
				t.Fatalf("item %d cannot begin at %d", i, firsts[i])
			}
			for p := firsts[i]; p < firsts[i]+it.Len; p++ {
				if taken[p] {
					t.Fatalf("port %d is given twice: %v", p, firsts)
				}
				taken[p] = true
			}
		}
		if slow, v := search(items); v != Placed || len(slow) != len(items) {
			t.Fatalf("the search alone: verdict %d", v)
		}
		if again, _ := Place(items); !slices.Equal(again, firsts) {
			t.Fatalf("%v, and then %v", firsts, again)
		}
	})
}

// many is two hundred ranges of four kinds on systems that leave little.
func many() []Item {
	free := port.Of(port.Range{First: 1024, Last: 9999}, port.Range{First: 12001, Last: 32767}, port.Range{First: 61000, Last: 65535})
	var items []Item
	for i := range 200 {
		items = append(items, Item{Len: [...]int{400, 50, 20, 2}[min(i/50+i%2, 3)], Step: 2, Free: free})
	}
	return items
}

// TestManyAreDecided decides two hundred ranges: those that fit, and those that do not.
func TestManyAreDecided(t *testing.T) {
	items := many()
	if _, v := Place(items); v != Placed {
		t.Errorf("verdict %d", v)
	}
	for i := range items[:100] {
		items[i].Len = 400
	}
	if _, v := Place(items); v != Impossible {
		t.Errorf("too many ports: verdict %d", v)
	}
}

func BenchmarkPlace(b *testing.B) {
	items := many()
	for b.Loop() {
		Place(items)
	}
}
