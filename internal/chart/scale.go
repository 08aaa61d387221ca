package chart

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"portolan/internal/port"
)

// end is the number behind the last port: where a line of all ports ends.
const end = port.Max + 1

// A Scale places the ports 0 to 65535 on a line that begins at 0. Port p has the place from
// X(p) to X(p+1), so ranges that follow each other touch. The zero value has no length.
type Scale struct {
	ports []int     // where a stretch begins, from 0 to 65536, ascending
	at    []float64 // where that is on the line, ascending
}

// Linear gives every port the same room on a line of the given length.
func Linear(length float64) Scale { return Scale{[]int{0, end}, []float64{0, length}} }

// Fitted gives the ports that are used room, and less to the gaps between. The order of ports
// stays, and each stretch between two bounds of used and other ranges is linear in itself. Where
// the line is long enough, each such stretch has at least the length least, and begins at a
// whole number where whole is true. Of two stretches of one sort the one with more ports is not
// shorter, save for rounding. Where there is no room for all, ranges that meet or follow each other
// are one: of many hosts they have nearly the same ports.
func Fitted(length float64, used, others []port.Range, least float64, whole bool) Scale {
	s, crowded := fitted(length, used, others, least, whole)
	if crowded {
		s, _ = fitted(length, port.Of(used...).Ranges(), port.Of(others...).Ranges(), least, whole)
	}
	return s
}

// fitted is a scale with all bounds. It is crowded where there is no room for the least length
// of each stretch.
func fitted(length float64, used, others []port.Range, least float64, whole bool) (s Scale, crowded bool) {
	bounds := []int{0, end}
	// How many ranges begin and end at each bound tells which stretches are used.
	open, behind := map[int]int{}, map[int]int{}
	for i, list := range [...][]port.Range{used, others} {
		for _, r := range list {
			if r.First > r.Last {
				continue
			}
			bounds = append(bounds, int(r.First), int(r.Last)+1)
			count := [...]map[int]int{open, behind}[i]
			count[int(r.First)]++
			count[int(r.Last)+1]--
		}
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	n := len(bounds) - 1
	if whole {
		least = math.Ceil(least)
	}
	crowded = least*float64(n) >= length
	weight := make([]float64, n)
	total, users, systems := 0.0, 0, 0
	for i := range weight {
		users += open[bounds[i]]
		systems += behind[bounds[i]]
		weight[i] = 1 + math.Log2(float64(bounds[i+1]-bounds[i]))
		switch {
		case users > 0:
		case crowded: // gaps show no more than that there is one
			weight[i] = math.Log2(1+weight[i]) / 4
		case systems > 0:
			weight[i] /= 2
		default:
			weight[i] /= 3
		}
		total += weight[i]
	}
	widths := make([]float64, n)
	rest := length
	if !crowded {
		rest -= least * float64(n)
	}
	for i := range widths {
		widths[i] = rest * weight[i] / total
		if !crowded {
			widths[i] += least
		}
	}
	if whole && !crowded {
		round(widths, length)
	}
	s = Scale{bounds, make([]float64, n+1)}
	for i, w := range widths {
		s.at[i+1] = s.at[i] + w
	}
	s.at[n] = length
	return s, crowded
}

// round makes widths whole numbers that come to length, which is whole too: first all are cut,
// then those that lost most get one more.
func round(widths []float64, length float64) {
	order := make([]int, len(widths))
	lost := make([]float64, len(widths))
	for i, w := range widths {
		order[i] = i
		widths[i] = math.Floor(w)
		lost[i] = w - widths[i]
		length -= widths[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(lost[b], lost[a]) })
	for _, i := range order[:min(len(order), int(math.Round(length)))] {
		widths[i]++
	}
}

// Length is that of the line.
func (s Scale) Length() float64 {
	if len(s.at) == 0 {
		return 0
	}
	return s.at[len(s.at)-1]
}

// X is where port p begins, for 0 to 65536; the last is the end of the line.
func (s Scale) X(p int) float64 {
	if len(s.ports) == 0 {
		return 0
	}
	i := sort.SearchInts(s.ports, p)
	if i < len(s.ports) && s.ports[i] == p {
		return s.at[i]
	}
	if i == 0 {
		return 0
	}
	if i == len(s.ports) {
		return s.Length()
	}
	a, b := s.ports[i-1], s.ports[i]
	return s.at[i-1] + (s.at[i]-s.at[i-1])*float64(p-a)/float64(b-a)
}

// Port is the port whose place holds x; the first or the last one for an x beside the line.
func (s Scale) Port(x float64) uint16 {
	// The last port that begins at or before x.
	p := sort.Search(end, func(p int) bool { return s.X(p) > x }) - 1
	return uint16(min(max(p, 0), port.Max))
}

// Span is the place of r, from the begin of its first to the end of its last port.
func (s Scale) Span(r port.Range) (from, to float64) { return s.X(int(r.First)), s.X(int(r.Last) + 1) }

// Stops are the ports at which the stretches of s begin, from 0 to 65536, and where they are on
// the line: between two of them it is straight. The caller must not change them.
func (s Scale) Stops() (ports []int, at []float64) { return s.ports, s.at }
