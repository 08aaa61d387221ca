// Package solve finds places for ranges of ports that must not meet.
package solve

import (
	"slices"

	"portolan/internal/port"
)

// An Item is one range that needs a place.
type Item struct {
	Len int // ports, at least 1
	// Step and Offset say where it may begin: at p with (p+Offset) divisible by Step. A
	// Step of 0 is 1.
	Step, Offset int
	Free         port.Set // the ports it may have
}

// A Verdict is what is known about places for all items.
type Verdict uint8

// The verdicts.
const (
	Impossible Verdict = iota // proved: there are none
	Placed
	Unknown // the search was ended before it had an answer
)

// maxStates bounds the search. A state holds some forty bytes and takes a microsecond.
const maxStates = 200_000

// Place finds first ports for all items, none of which meet, or proves that there are
// none. It tries the plain way, the longest first and each as low as it can be, and
// counts the ports; where neither decides, it searches.
func Place(items []Item) ([]int, Verdict) {
	if firsts, ok := longestFirst(items); ok {
		return firsts, Placed
	}
	need := 0
	var free port.Set
	for _, it := range items {
		need += it.Len
		free = free.Union(it.Free)
	}
	if need > free.Len() {
		return nil, Impossible
	}
	return search(items)
}

// longestFirst gives each item the lowest place that is left, the longest first.
func longestFirst(items []Item) ([]int, bool) {
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return items[b].Len - items[a].Len })
	firsts := make([]int, len(items))
	var taken port.Set
	for _, i := range order {
		c := classify([]Item{items[i]})[0]
		c.runs = items[i].Free.Minus(taken).Ranges()
		at, ok := c.lowest(0)
		if !ok {
			return nil, false
		}
		firsts[i] = at
		taken = taken.Union(port.Of(port.Range{First: uint16(at), Last: uint16(at + c.Len - 1)}))
	}
	return firsts, true
}

// search is exact unless it is ended. In any solution, taken in ascending order, each
// item can slide down to the first port that is allowed behind the one before it. So only
// orders matter, and of two orders of the same items the one that ends lower is never
// worse: it walks over sets of items and keeps the lowest end of each. Items that are
// alike are counted and not told apart.
func search(items []Item) ([]int, Verdict) {
	classes := classify(items)
	type state struct {
		end  int // the first port behind what is placed
		last int // the class that was placed last
		from string
	}
	layer := map[string]state{key(make([]uint16, len(classes))): {}}
	layers := []map[string]state{layer}
	states := 1
	for range items {
		next := map[string]state{}
		for k, s := range layer {
			counts := unkey(k)
			for i := range classes {
				if int(counts[i]) == len(classes[i].members) {
					continue
				}
				at, ok := classes[i].lowest(s.end)
				if !ok {
					continue
				}
				counts[i]++
				to := key(counts)
				counts[i]--
				end := at + classes[i].Len
				// The order of a map is chance: of equal ends the first in order stays.
				old, known := next[to]
				if !known || end < old.end || end == old.end && (i < old.last || i == old.last && k < old.from) {
					next[to] = state{end, i, k}
				}
			}
		}
		if len(next) == 0 {
			return nil, Impossible
		}
		if states += len(next); states > maxStates {
			return nil, Unknown
		}
		layers = append(layers, next)
		layer = next
	}
	firsts := make([]int, len(items))
	var at string
	for at = range layer { // the one state in which all are placed
	}
	for n := len(items); n > 0; n-- {
		s := layers[n][at]
		c := classes[s.last]
		left := int(unkey(s.from)[s.last])
		firsts[c.members[left]] = s.end - c.Len
		at = s.from
	}
	return firsts, Placed
}

// class is items that are alike.
type class struct {
	Item
	runs    []port.Range
	members []int
}

func classify(items []Item) []class {
	var out []class
	for n, it := range items {
		it.Step = max(it.Step, 1)
		i := slices.IndexFunc(out, func(c class) bool {
			return c.Len == it.Len && c.Step == it.Step && (c.Offset-it.Offset)%it.Step == 0 && c.Free.Equal(it.Free)
		})
		if i < 0 {
			i = len(out)
			out = append(out, class{Item: it, runs: it.Free.Ranges()})
		}
		out[i].members = append(out[i].members, n)
	}
	return out
}

// lowest is the lowest place of an item of c that begins at from or above.
func (c *class) lowest(from int) (int, bool) {
	i, _ := slices.BinarySearchFunc(c.runs, from, func(r port.Range, from int) int { return int(r.Last) - from })
	for ; i < len(c.runs); i++ {
		at := max(from, int(c.runs[i].First))
		if over := (at + c.Offset) % c.Step; over != 0 {
			at += (c.Step - over) % c.Step
		}
		if at+c.Len-1 <= int(c.runs[i].Last) {
			return at, true
		}
	}
	return 0, false
}

// key is counts as a key of a map.
func key(counts []uint16) string {
	b := make([]byte, 0, 2*len(counts))
	for _, n := range counts {
		b = append(b, byte(n>>8), byte(n))
	}
	return string(b)
}

func unkey(k string) []uint16 {
	counts := make([]uint16, len(k)/2)
	for i := range counts {
		counts[i] = uint16(k[2*i])<<8 | uint16(k[2*i+1])
	}
	return counts
}
