package chart

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

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
	Inline bool    // notes about systems stand in a row of bars where that is free: nothing moves later
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
	Note  Word // where it has no bars, in their place or above them; no text where there is none
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
	Label Word // no text for those of many ranges of a system that share one, see Lay
	Inner bool // the label stands inside the box
	Marks []MarkBox
	// Ghosts are where it is in another panel, see Bar.Moved. They may lie over other things.
	Ghosts []Box
}

// A MarkBox is what is marked of a bar: the boxes of its runs of ports, and words.
type MarkBox struct {
	Mark  *Mark
	Runs  []Box
	Words Word // no text where an earlier mark of the lane says the same
}

// Lay gives each part of p its place. Every bar is at least Frame.Least wide, so that a single
// port can be seen; where that is more than its ports have on the scale, it is wider than they
// are, and stays inside the line. Bars that would meet are stacked.
//
// The label of a bar is its caption, which has exactly its ports. Of more than three ranges of one kind
// in a lane of a system, "excluded, 12 ranges" stands at the first, and the others have no label.
// Words too wide for the line begin under the names, and are cut where they are wider than the
// sheet; ports are not cut while the sheet has room for them.
func Lay(p *Picture, f Frame) *Sheet {
	l := layer{f: f, s: &Sheet{Width: f.Width}}
	protos := 0.0
	var names []float64
	for i := range p.Panels {
		for k := range p.Panels[i].Groups {
			g := &p.Panels[i].Groups[k]
			names = append(names, f.Text(g.Name))
			for n := range g.Lanes {
				protos = max(protos, f.Text(protoWords(g.Lanes[n].Proto)))
			}
		}
	}
	if protos > 0 {
		protos += f.Pad
	}
	for _, w := range names { // those that are too wide have rows of their own
		if w <= f.Names-protos-f.Pad {
			l.names = max(l.names, w)
		}
	}
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
	if p.Title != "" || p.Note != "" {
		b.Title = l.word(0, l.squeeze(p.Title, l.f.Width))
		x := 0.0
		if b.Title.Text != "" {
			x = b.Title.W + 2*l.f.Pad
		}
		if x > 0 && x+l.f.Text(p.Note) > l.f.Width {
			x = 0
			l.y += l.f.Line
		}
		if p.Note != "" {
			b.Note = l.word(x, l.cut(p.Note, l.f.Width))
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
	b := GroupBox{Box: Box{Y: l.y, W: l.f.Width}, Name: l.word(0, l.squeeze(g.Name, l.f.Width))}
	if b.Name.W > l.names || l.f.Text(g.Note) > l.s.Plot.W { // on a row of its own
		l.y += l.f.Line
	}
	noted := 0.0 // the begin of the first row that the note takes
	if len(g.Lanes) == 0 || g.Note != "" {
		text := l.cut(g.Note, l.f.Width)
		b.Note = l.word(l.inside(l.s.Plot.X, l.f.Text(text)), text)
		if noted = b.Note.W + 3*l.f.Pad; !l.inline(g, noted) {
			noted = 0
			l.y += l.f.Line
		}
	}
	for i := range g.Lanes {
		lane := l.lane(&g.Lanes[i], noted)
		noted = 0
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

// inline reports whether the first row of g, of a system, has nothing at its begin for some width,
// and whether it would have all that it has.
func (l *layer) inline(g *Group, width float64) bool {
	if !l.f.Inline || len(g.Lanes) == 0 || g.Note == "" {
		return false
	}
	lane := &g.Lanes[0]
	if slices.ContainsFunc(lane.Bars, func(b Bar) bool {
		x, _ := l.extent(b.Ports)
		return !b.Kind.Behind() || x < l.s.Plot.X+width
	}) {
		return false
	}
	trial := *l
	high := func(taken float64) float64 { return trial.lane(lane, taken).H }
	return high(width) == high(0)
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

// inside is where something of width w begins that would begin at x: it ends with the sheet, and
// where that is too little it reaches under the names.
func (l *layer) inside(x, w float64) float64 { return max(min(x, l.f.Width-w), 0) }

// cut is text, or its begin and "…" where that is wider than width.
func (l *layer) cut(text string, width float64) string {
	if l.f.Text(text) <= width {
		return text
	}
	var ends []int // of what can be left
	for i := range text {
		ends = append(ends, i)
	}
	wide := func(n int) bool { return l.f.Text(text[:ends[n]]+more) > width }
	bound := 1 // a name can be long: only a little more than what is left of it is measured
	for bound < len(ends) && !wide(bound) {
		bound *= 2
	}
	n := sort.Search(min(bound, len(ends)), wide)
	if n == 0 {
		return ""
	}
	return text[:ends[n-1]] + more
}

// squeeze is text, or its begin, "…" and its end where that is wider than width: long names are
// often those of files in one folder.
func (l *layer) squeeze(text string, width float64) string {
	if l.f.Text(text) <= width {
		return text
	}
	var starts []int // of what can be its end, the shortest first
	for i := range text {
		starts = append(starts, i)
	}
	slices.Reverse(starts)
	wide := func(n int) bool { return l.f.Text(text[starts[n]:]) > width/2 }
	bound := 1
	for bound < len(starts) && !wide(bound) {
		bound *= 2
	}
	end := len(text)
	if n := sort.Search(min(bound, len(starts)), wide); n > 0 {
		end = starts[n-1]
	}
	return l.cut(text[:end], width-l.f.Text(text[end:])) + text[end:]
}

// more stands for what is cut.
const more = "…"

// touch is how much things that follow each other may overlap by rounding.
const touch = 1e-6

// A row is what is taken of a row of bars, in order.
type row struct{ taken []span }

type span struct{ from, to float64 }

// take takes a span when nothing has a part of it.
func (r *row) take(from, to float64) bool {
	i := sort.Search(len(r.taken), func(i int) bool { return from < r.taken[i].to-touch })
	if i < len(r.taken) && r.taken[i].from < to-touch {
		return false
	}
	r.taken = slices.Insert(r.taken, i, span{from, to})
	return true
}

// rows are filled from left to right, and the first one that has room takes what comes. A row
// is known by where it ends; those ends are the leaves of a tree in which each node is the
// least of the two below it, so that thousands of rows are searched in a few steps.
type rows struct {
	least []float64 // the node i is above 2i and 2i+1
	count int       // how many rows have something
}

// put takes a span that begins at or behind where all before it began, and says in which row.
func (r *rows) put(from, to float64) int {
	leaves := len(r.least) / 2
	if leaves == 0 || r.least[1] > from+touch {
		grown := make([]float64, max(4*leaves, 2))
		for i := range grown {
			grown[i] = math.Inf(-1)
		}
		copy(grown[len(grown)/2:], r.least[leaves:])
		leaves, r.least = len(grown)/2, grown
		for i := leaves - 1; i > 0; i-- {
			grown[i] = min(grown[2*i], grown[2*i+1])
		}
	}
	i := 1
	for i < leaves {
		if i *= 2; r.least[i] > from+touch {
			i++
		}
	}
	at := i - leaves
	r.least[i] = to
	for i /= 2; i > 0; i /= 2 {
		r.least[i] = min(r.least[2*i], r.least[2*i+1])
	}
	r.count = max(r.count, at+1)
	return at
}

type laneBox struct {
	LaneBox
	lane *Lane
}

// lane places a lane, whose first row has something else in it for the width taken at its begin.
func (l *layer) lane(lane *Lane, taken float64) laneBox {
	b := laneBox{LaneBox{Box: Box{l.s.Plot.X, l.y, l.s.Plot.W, 0}, Proto: l.word(l.protos, protoWords(lane.Proto))}, lane}
	b.Bars = make([]BarBox, len(lane.Bars))
	order := make([]int, len(lane.Bars))
	for i := range lane.Bars {
		bar := &lane.Bars[i]
		x, w := l.extent(bar.Ports)
		b.Bars[i] = BarBox{Box: Box{x, l.y, w, l.f.Row}, Bar: bar}
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, k int) int { return cmp.Compare(b.Bars[i].X, b.Bars[k].X) })
	var stack rows
	var bars []row
	at := make([]int, len(lane.Bars)) // the row of each bar
	for _, i := range order {
		box := &b.Bars[i]
		if at[i] = stack.put(box.X, box.X+box.W); at[i] == len(bars) {
			bars = append(bars, row{})
			if at[i] == 0 && taken > 0 {
				bars[0].take(l.s.Plot.X, l.s.Plot.X+taken)
			}
		}
		bars[at[i]].take(box.X, box.X+box.W)
		box.Y += float64(at[i]) * l.f.Row
		l.insides(box)
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
	below := l.y + float64(max(len(bars), 1))*l.f.Row
	texts := l.labels(lane)
	var words []*Word
	for _, i := range order {
		if text := texts[i]; text != "" && !l.beside(&b.Bars[i], &bars[at[i]], text) {
			b.Bars[i].Label = Word{X: b.Bars[i].X, Text: text}
			words = append(words, &b.Bars[i].Label)
		}
	}
	said := map[string]bool{}
	for i := range b.Bars {
		for k := range b.Bars[i].Marks {
			m := &b.Bars[i].Marks[k]
			if len(m.Runs) == 0 {
				continue
			}
			rule := m.Mark.Rule
			if m.Mark.On != "" {
				rule += " on " + m.Mark.On
			}
			if text := l.markWords(m.Mark.Ports.Intersect(port.Of(b.Bars[i].Bar.Ports)), rule); !said[text] {
				said[text] = true
				if !l.behind(&b.Bars[i], &bars[at[i]], k, text) {
					m.Words = Word{X: m.Runs[0].X, Text: text}
					words = append(words, &m.Words)
				}
			}
		}
	}
	l.y = below + float64(l.beneath(words, below))*l.f.Line
	b.H = l.y - b.Y
	return b
}

// insides places what is to be seen of a bar in its row.
func (l *layer) insides(b *BarBox) {
	for _, r := range b.Bar.Moved.Ranges() {
		x, w := l.extent(r)
		b.Ghosts = append(b.Ghosts, Box{x, b.Y, w, l.f.Row})
	}
	for k := range b.Bar.Marks {
		m := MarkBox{Mark: &b.Bar.Marks[k]}
		for _, run := range m.Mark.Ports.Intersect(port.Of(b.Bar.Ports)).Ranges() {
			x, w := l.extent(run)
			m.Runs = append(m.Runs, Box{min(max(x, b.X), b.X+b.W-w), b.Y, w, l.f.Row})
		}
		b.Marks = append(b.Marks, m)
	}
}

// beneath places words in rows of their own that begin at y, each as near as can be to the X
// that it has, and says how many rows they take.
func (l *layer) beneath(words []*Word, y float64) int {
	for _, w := range words {
		w.W = l.f.Text(w.Text)
		w.X = l.inside(min(w.X, max(l.s.Plot.X, l.s.Plot.X+l.s.Plot.W-w.W)), w.W)
	}
	slices.SortStableFunc(words, func(a, b *Word) int { return cmp.Compare(a.X, b.X) })
	var r rows
	for _, w := range words {
		w.Y = y + float64(r.put(w.X, w.X+w.W+l.f.Pad))*l.f.Line
	}
	return r.count
}

// beside places the words about a bar inside it, behind it or before it, if such a place is free.
// What stands before it is further from what is before that, which it would seem to belong to.
func (l *layer) beside(b *BarBox, r *row, text string) bool {
	w, pad := l.f.Text(text), l.f.Pad
	inner := pad
	if l.f.Whole {
		inner += l.f.Least // words take what is below them: the ends of the bar are seen all the same
	}
	if w+2*inner <= b.W && len(b.Marks) == 0 {
		b.Label, b.Inner = Word{b.X + inner, b.Y, w, text}, true
		return true
	}
	if from := b.X + b.W + pad; from+w <= l.s.Plot.X+l.s.Plot.W && r.take(b.X+b.W, from+w+pad) {
		b.Label = Word{from, b.Y, w, text}
		return true
	}
	if from := b.X - pad - w; from >= l.s.Plot.X && r.take(from-3*pad, b.X) {
		b.Label = Word{from, b.Y, w, text}
		return true
	}
	return false
}

// behind places the words of mark k behind the bar and what stands there already, if that is
// free.
func (l *layer) behind(b *BarBox, r *row, k int, text string) bool {
	end, pad := b.X+b.W, l.f.Pad
	after := func(w Word) {
		if w.W > 0 && w.Y == b.Y && w.X >= end {
			end = w.X + w.W + pad
		}
	}
	after(b.Label)
	for _, m := range b.Marks[:k] {
		after(m.Words)
	}
	w, from := l.f.Text(text), end
	if end == b.X+b.W {
		from += pad
	}
	if from+w > l.s.Plot.X+l.s.Plot.W || !r.take(end, from+w+pad) {
		return false
	}
	b.Marks[k].Words = Word{from, b.Y, w, text}
	return true
}

// labels are the words about each bar of a lane, see Bar.Caption. A system with
// many ranges of a kind has one label for them, at the first; they are seen, and read elsewhere.
func (l *layer) labels(lane *Lane) []string {
	out := make([]string, len(lane.Bars))
	var many [len(kinds)]int
	for i := range lane.Bars {
		many[lane.Bars[i].Kind]++
	}
	for i := range lane.Bars {
		b := &lane.Bars[i]
		switch n := many[b.Kind]; {
		case b.Quiet:
		case !b.Kind.Behind() || 0 < n && n <= maxRuns:
			out[i] = b.Caption()
			if l.f.Text(out[i]) > l.f.Width {
				ports := " " + b.Ports.String()
				out[i] = strings.TrimPrefix(l.cut(cmp.Or(b.Label, b.Name), l.f.Width-l.f.Text(ports))+ports, " ")
			}
		case n > 0:
			out[i] = l.cut(b.Kind.String()+", "+strconv.Itoa(n)+" ranges", l.f.Width)
			many[b.Kind] = 0 // said
		}
	}
	return out
}

// maxRuns bounds the runs of ports that words list, and the ranges that each have words.
const maxRuns = 3

// markWords are those of a mark. Where they are too wide they list fewer runs.
func (l *layer) markWords(ports port.Set, rule string) string {
	text := ""
	for n := maxRuns; n > 0; n-- {
		text = "! " + listed(ports, n) + " " + rule
		if l.f.Text(text) <= l.f.Width {
			return text
		}
	}
	return l.cut(text, l.f.Width)
}

// listed are the first most runs of ports in words, and how many more there are.
func listed(ports port.Set, most int) string {
	runs := ports.Ranges()
	rest := len(runs) - most
	if rest <= 0 || rest == 1 && most == maxRuns { // "and 1 more" is no shorter
		return ports.String()
	}
	return port.Of(runs[:most]...).String() + " and " + strconv.Itoa(rest) + " more"
}
