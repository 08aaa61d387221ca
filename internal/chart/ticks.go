package chart

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"portolan/internal/port"
)

// ticks writes the numbers of the axis: the ends of the line, then bounds of bands, then of
// what is marked, then of all bars, as long as there is room.
func (l *layer) ticks(p *Picture) {
	var r row
	seen := map[[2]int]bool{}
	add := func(number int, last bool) {
		key := [2]int{number, 0}
		edge := number
		if last {
			edge, key[1] = number+1, 1
		}
		if seen[key] {
			return
		}
		seen[key] = true
		x := l.s.Plot.X + l.s.Scale.X(edge)
		text := strconv.Itoa(number)
		w := l.f.Text(text)
		if l.f.Whole {
			x = math.Round(x)
		}
		from := x
		if last {
			from = x - w
		}
		from = min(max(from, l.s.Plot.X), l.s.Plot.X+l.s.Plot.W-w)
		if r.take(from, from+w+l.f.Pad) {
			l.s.Ticks = append(l.s.Ticks, Tick{uint16(number), x, Word{from, l.s.Panels[0].Axis, w, text}})
		}
	}
	if len(p.Panels) == 0 {
		return
	}
	both := func(r port.Range) {
		add(int(r.First), false)
		if r.Len() > 1 {
			add(int(r.Last), true)
		}
	}
	add(0, false)
	add(port.Max, true)
	if l.f.Linear {
		for n := 10000; n < port.Max; n += 10000 {
			add(n, false)
		}
	}
	each(p, func(b *Band) { both(b.Ports) }, func(*Bar) {})
	each(p, func(*Band) {}, func(b *Bar) {
		if len(b.Marks) > 0 {
			both(b.Ports)
		}
	})
	each(p, func(*Band) {}, func(b *Bar) { both(b.Ports) })
	slices.SortFunc(l.s.Ticks, func(a, b Tick) int {
		return cmp.Compare(a.X, b.X)
	})
}
