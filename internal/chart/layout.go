package chart

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"portolan/internal/port"
)

// A Frame is how large things are, in units of whoever draws.
type Frame struct {
	Width  float64 // of the whole sheet
	Names  float64 // the most that names may take before the line of ports
	Row    float64 // the height of a row of bars
	Line   float64 // the height of a row of words
	Gap    float64 // the height between groups
	Axis   float64 // the height of the numbers above a panel, and of its title
	Least  float64 // the least width of a bar
	Pad    float64 // the width between things that stand side by side
	Linear bool    // every port has the same room, see Linear and Fitted
	Whole  bool    // boxes begin and end at whole numbers, as the characters of a terminal do
	Text   func(string) float64
}

// A Box is a rectangle: X and Y are its left upper corner, and Y grows downwards.
type Box struct{ X, Y, W, H float64 }

// A Sheet is a picture with a box for each of its parts, in the same order. No two bars of a
// lane, no two words, and no bar and a word of another one have a point in common.
type Sheet struct {
	Width, Height float64
	Plot          Box // of the line of ports, from the first panel to the last
	// Scale begins at Plot.X: port p is at Plot.X + Scale.X(p).
	Scale  Scale
	Ticks  []Tick
	Panels []PanelBox
}

// A Tick is a number on the axis. Its words begin at the port, or end there where it is the last
// one of a range.
type Tick struct {
	Port  uint16
	X     float64 // on the sheet: the left edge of a first, the right edge of a last port
	Words Word    // their Y is that of the first panel's axis
}

// A Word is text in its place: X is where it begins.
type Word struct {
	X, Y, W float64
	Text    string
}

// A PanelBox is where a panel is.
type PanelBox struct {
	Box
	Title  Word    // no text where it has none
	Note   Word    // behind the title
	Axis   float64 // the Y of its numbers
	Lanes  Box     // all its groups, without title and axis
	Groups []GroupBox
}

// A GroupBox is where a group is.
type GroupBox struct {
	Box
	Name  Word
	Note  Word // where it has no bars, in their place; no text where there is none
	Lanes []LaneBox
}

// A LaneBox is where a lane is. Its bands are those of its protocol.
type LaneBox struct {
	Box
	Proto Word
	Bands []BandBox
	Bars  []BarBox // in the order of Lane.Bars
}

// A BandBox is where a band lies behind a lane, and behind what is above it.
type BandBox struct {
	Box
	Band *Band
}

// A BarBox is where a bar is, and the words about it.
type BarBox struct {
	Box
	Bar   *Bar
	Label Word
	Inner bool // the label stands inside the box
	Marks []MarkBox
	// Ghosts are where it is in another panel, see Bar.Moved. They may lie over other things.
	Ghosts []Box
}

// A MarkBox is what is marked of a bar: the boxes of its runs of ports, and words.
type MarkBox struct {
	Mark  *Mark
	Runs  []Box
	Words Word
}

// Lay gives each part of p its place. Every bar is at least Frame.Least wide, so that a single
// port can be seen; where that is more than its ports have on the scale, it is wider than they
// are, and stays inside the line. Bars that would meet are stacked.
func Lay(p *Picture, f Frame) *Sheet {
	l := layer{f: f, s: &Sheet{Width: f.Width}}
	names, protos := 0.0, 0.0
	for i := range p.Panels {
		for k := range p.Panels[i].Groups {
			g := &p.Panels[i].Groups[k]
			names = max(names, f.Text(g.Name))
			for n := range g.Lanes {
				protos = max(protos, f.Text(protoWords(g.Lanes[n].Proto)))
			}
		}
	}
	if protos > 0 {
		protos += f.Pad
	}
	l.names = min(names, max(f.Names-protos-f.Pad, 0))
	left := l.names + protos + f.Pad
	if f.Whole {
		left = math.Ceil(left)
	}
	width := max(f.Width-left, f.Least)
	if f.Linear {
		l.s.Scale = Linear(width)
	} else {
		used, others := ranges(p)
		l.s.Scale = Fitted(width, used, others, f.Least, f.Whole)
	}
	l.s.Plot = Box{X: left, W: width}
	l.protos = left - protos
	for i := range p.Panels {
		if i > 0 {
			l.y += f.Gap
		}
		l.panel(&p.Panels[i])
	}
	l.s.Height = l.y
	l.s.Plot.H = l.y
	l.ticks(p)
	return l.s
}

// ranges are all that p shows: what services use, and what lies behind that.
func ranges(p *Picture) (used, others []port.Range) {
	each(p, func(b *Band) { others = append(others, b.Ports) }, func(b *Bar) {
		if b.Kind.Behind() {
			others = append(others, b.Ports)
			return
		}
		used = append(append(used, b.Ports), b.Moved.Ranges()...)
		for _, m := range b.Marks {
			used = append(used, m.Ports.Intersect(port.Of(b.Ports)).Ranges()...)
		}
	})
	return used, others
}

// each visits all bands and bars of p.
func each(p *Picture, band func(*Band), bar func(*Bar)) {
	for i := range p.Panels {
		for k := range p.Panels[i].Bands {
			band(&p.Panels[i].Bands[k])
		}
		for k := range p.Panels[i].Groups {
			g := &p.Panels[i].Groups[k]
			for n := range g.Bands {
				band(&g.Bands[n])
			}
			for n := range g.Lanes {
				for m := range g.Lanes[n].Bars {
					bar(&g.Lanes[n].Bars[m])
				}
			}
		}
	}
}

// protoWords is "tcp", and nothing for all protocols.
func protoWords(p port.Proto) string {
	if p == 0 {
		return ""
	}
	return p.String()
}

// A layer lays one thing below the other.
type layer struct {
	f      Frame
	s      *Sheet
	y      float64 // where the next thing begins
	names  float64 // the width of the column of names
	protos float64 // where the column of protocols begins
}

// word places text at the height where we are.
func (l *layer) word(x float64, text string) Word { return Word{x, l.y, l.f.Text(text), text} }

func (l *layer) panel(p *Panel) {
	b := PanelBox{Box: Box{Y: l.y, W: l.f.Width}}
	if p.Title != "" {
		b.Title = l.word(0, p.Title)
		if p.Note != "" {
			b.Note = l.word(b.Title.W+2*l.f.Pad, p.Note)
		}
		l.y += l.f.Axis
	}
	b.Axis = l.y
	l.y += l.f.Axis
	b.Lanes = Box{l.s.Plot.X, l.y, l.s.Plot.W, 0}
	for i := range p.Groups {
		if i > 0 {
			l.y += l.f.Gap
		}
		top := l.y
		if i > 0 {
			top -= l.f.Gap // bands have no gaps
		}
		b.Groups = append(b.Groups, l.group(p, &p.Groups[i], top))
	}
	b.Lanes.H = l.y - b.Lanes.Y
	b.H = l.y - b.Y
	l.s.Panels = append(l.s.Panels, b)
}

func (l *layer) group(p *Panel, g *Group, top float64) GroupBox {
	b := GroupBox{Box: Box{Y: l.y, W: l.f.Width}, Name: l.word(0, g.Name)}
	if b.Name.W > l.names { // on a row of its own
		l.y += l.f.Line
	}
	if len(g.Lanes) == 0 || g.Note != "" {
		b.Note = l.word(l.s.Plot.X, g.Note)
		l.y += l.f.Line
	}
	for i := range g.Lanes {
		lane := l.lane(&g.Lanes[i])
		for _, bands := range [...][]Band{p.Bands, g.Bands} {
			for k := range bands {
				if d := &bands[k]; d.Proto == 0 || lane.lane.Proto == 0 || d.Proto == lane.lane.Proto {
					x, w := l.extent(d.Ports)
					lane.Bands = append(lane.Bands, BandBox{Box{x, top, w, l.y - top}, d})
				}
			}
		}
		top = l.y
		b.Lanes = append(b.Lanes, lane.LaneBox)
	}
	b.H = l.y - b.Y
	return b
}

// extent is where r is on the sheet: not less than the least width, and inside the line.
func (l *layer) extent(r port.Range) (x, w float64) {
	from, to := l.s.Scale.Span(r)
	if l.f.Whole {
		from, to = math.Floor(from+1e-9), math.Ceil(to-1e-9)
	}
	if to-from < l.f.Least {
		from = min(from, l.s.Plot.W-l.f.Least)
		to = from + l.f.Least
	}
	return l.s.Plot.X + from, to - from
}

// A row is what is taken of a row of a lane.
type row struct{ taken []span }

type span struct{ from, to float64 }

// take takes a span when nothing has a part of it.
func (r *row) take(from, to float64) bool {
	const touch = 1e-6 // what follows each other may touch
	if slices.ContainsFunc(r.taken, func(s span) bool { return from < s.to-touch && s.from < to-touch }) {
		return false
	}
	r.taken = append(r.taken, span{from, to})
	return true
}

// rows are those of a lane: first those of bars, then those of words.
type rows []row

// put takes a span in the first row that has it free, and says which that is.
func (r *rows) put(from, to float64) int {
	for i := range *r {
		if (*r)[i].take(from, to) {
			return i
		}
	}
	*r = append(*r, row{})
	(*r)[len(*r)-1].take(from, to)
	return len(*r) - 1
}

type laneBox struct {
	LaneBox
	lane *Lane
}

func (l *layer) lane(lane *Lane) laneBox {
	b := laneBox{LaneBox{Box: Box{l.s.Plot.X, l.y, l.s.Plot.W, 0}, Proto: l.word(l.protos, protoWords(lane.Proto))}, lane}
	top := l.y
	var bars, words rows
	at := make([]int, len(lane.Bars)) // the row of each bar
	order := make([]int, len(lane.Bars))
	b.Bars = make([]BarBox, len(lane.Bars))
	for i := range lane.Bars {
		bar := &lane.Bars[i]
		x, w := l.extent(bar.Ports)
		at[i] = bars.put(x, x+w)
		order[i] = i
		b.Bars[i] = BarBox{Box: Box{x, top + float64(at[i])*l.f.Row, w, l.f.Row}, Bar: bar}
		for _, r := range bar.Moved.Ranges() {
			gx, gw := l.extent(r)
			b.Bars[i].Ghosts = append(b.Bars[i].Ghosts, Box{gx, b.Bars[i].Y, gw, l.f.Row})
		}
		for k := range bar.Marks {
			m := MarkBox{Mark: &bar.Marks[k]}
			for _, run := range m.Mark.Ports.Intersect(port.Of(bar.Ports)).Ranges() {
				mx, mw := l.extent(run)
				mx = min(max(mx, x), x+w)
				m.Runs = append(m.Runs, Box{mx, b.Bars[i].Y, min(mw, x+w-mx), l.f.Row})
			}
			b.Bars[i].Marks = append(b.Bars[i].Marks, m)
		}
	}
	// Words keep clear of where bars are in another panel, as far as nothing else is there.
	for i := range b.Bars {
		for _, g := range b.Bars[i].Ghosts {
			bars[at[i]].take(g.X, g.X+g.W)
		}
	}
	// What is marked gets its words first: they are what people look for.
	slices.SortStableFunc(order, func(i, k int) int {
		return cmp.Compare(len(lane.Bars[k].Marks), len(lane.Bars[i].Marks))
	})
	below := top + float64(len(bars))*l.f.Row
	beneath := func(x, w float64) (float64, float64) {
		x = max(min(x, l.s.Plot.X+l.s.Plot.W-w), l.s.Plot.X)
		return x, below + float64(words.put(x, x+w+l.f.Pad))*l.f.Line
	}
	for _, i := range order {
		if box := &b.Bars[i]; !box.Bar.Quiet {
			l.label(box, &bars[at[i]], beneath)
		}
	}
	for i := range b.Bars {
		for k := range b.Bars[i].Marks {
			m := &b.Bars[i].Marks[k]
			if len(m.Runs) == 0 {
				continue
			}
			m.Words.Text = "! " + listed(m.Mark.Ports.Intersect(port.Of(b.Bars[i].Bar.Ports))) + " " + m.Mark.Rule
			m.Words.W = l.f.Text(m.Words.Text)
			m.Words.X, m.Words.Y = beneath(m.Runs[0].X, m.Words.W)
		}
	}
	l.y = below + float64(len(words))*l.f.Line
	if len(lane.Bars) == 0 {
		l.y += l.f.Row
	}
	b.H = l.y - top
	return b
}

// label places the words about a bar: inside it, behind it or before it, with its ports or
// without, and below where no such place is free.
func (l *layer) label(b *BarBox, r *row, beneath func(x, w float64) (float64, float64)) {
	short := cmp.Or(b.Bar.Label, b.Bar.Name)
	long := short + " " + b.Bar.Ports.String()
	if short == "" {
		long, short = b.Bar.Ports.String(), b.Bar.Ports.String()
	}
	for _, text := range []string{long, short} {
		w := l.f.Text(text)
		if w+2*l.f.Pad <= b.W && len(b.Marks) == 0 {
			b.Label, b.Inner = Word{b.X + l.f.Pad, b.Y, w, text}, true
			return
		}
		if from := b.X + b.W + l.f.Pad; from+w <= l.s.Plot.X+l.s.Plot.W && r.take(b.X+b.W, from+w+l.f.Pad) {
			b.Label = Word{from, b.Y, w, text}
			return
		}
		if from := b.X - l.f.Pad - w; from >= l.s.Plot.X && r.take(from-l.f.Pad, b.X) {
			b.Label = Word{from, b.Y, w, text}
			return
		}
	}
	w := l.f.Text(long)
	x, y := beneath(b.X, w)
	b.Label = Word{x, y, w, long}
}

// maxRuns bounds the runs of ports that words list.
const maxRuns = 3

// listed are ports in words.
func listed(ports port.Set) string {
	runs := ports.Ranges()
	rest := len(runs) - maxRuns
	if rest <= 1 {
		return ports.String()
	}
	return port.Of(runs[:maxRuns]...).String() + " and " + strconv.Itoa(rest) + " more"
}
