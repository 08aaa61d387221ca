package chart

import (
	"cmp"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"portolan/internal/diag"
	"portolan/internal/port"
)

// terminal is a frame of whole columns, and paper one of pixels.
func terminal(width int, linear bool) Frame {
	return Frame{Width: float64(width), Names: math.Floor(float64(width) * 0.36), Row: 1, Line: 1, Axis: 1, Least: 1, Pad: 1, Linear: linear, Whole: true, Inline: true,
		Text: func(s string) float64 { return float64(utf8.RuneCountInString(s)) }}
}

func paper(width float64, linear bool) Frame {
	return Frame{Width: width, Names: 0.3 * width, Row: 18, Line: 14, Gap: 6, Axis: 20, Least: 3, Pad: 4, Linear: linear, Inline: width > 1000,
		Text: func(s string) float64 { return 6.7 * float64(utf8.RuneCountInString(s)) }}
}

// frames are those that the properties are held in.
func frames() map[string]Frame {
	out := map[string]Frame{}
	for _, linear := range []bool{false, true} {
		for _, width := range []int{40, 61, 80, 120, 200, 400} {
			out[fmt.Sprintf("%d columns, linear %v", width, linear)] = terminal(width, linear)
		}
		for _, width := range []float64{360, 1200, 1917.5} {
			out[fmt.Sprintf("%g pixels, linear %v", width, linear)] = paper(width, linear)
		}
	}
	return out
}

// random is a picture that nobody thought of: bars at all ends of the line, of one port and of
// many, together and apart, with marks, names of any length and notes.
type random struct{ *rand.Rand }

func (r random) of(list ...string) string { return list[r.Intn(len(list))] }

func (r random) name() string {
	return r.of("", "rtp", "sip", "mrcp-channels", "名前", strings.Repeat("long-name-", r.Intn(30)), "x")
}

func (r random) ports() port.Range {
	edge := []int{0, 1, 1023, 1024, 5060, 5061, 32767, 32768, 60999, 65534, 65535}
	first := edge[r.Intn(len(edge))]
	if r.Intn(3) > 0 {
		first = r.Intn(port.Max + 1)
	}
	size := []int{1, 1, 1, 2, 100, 800, 30000}[r.Intn(7)]
	return port.Range{First: uint16(first), Last: uint16(min(first+size-1, port.Max))}
}

func (r random) bar(kind Kind, proto port.Proto) Bar {
	b := Bar{Kind: kind, Proto: proto, Ports: r.ports(), Name: r.name(), Quiet: !kind.Behind() && r.Intn(8) == 0}
	if r.Intn(8) == 0 {
		b.Label = r.name()
	}
	if r.Intn(8) == 0 {
		b.At = r.of("10.0.0.1", "*", "10.0.0.1, 2001:db8::1", strings.Repeat("10.0.0.1, ", r.Intn(20)))
	}
	for range r.Intn(3) {
		if r.Intn(2) == 0 {
			ports := []port.Range{b.Ports}
			for range r.Intn(6) {
				at := int(b.Ports.First) + r.Intn(b.Ports.Len())
				ports = append(ports, port.Range{First: uint16(at), Last: uint16(min(at+r.Intn(3), int(b.Ports.Last)))})
			}
			if len(ports) > 1 {
				ports = ports[1:]
			}
			b.Marks = append(b.Marks, Mark{Ports: port.Of(ports...), Rule: r.of("port-overlap", "ephemeral-overlap", "excluded-range"), Severity: diag.Error})
		}
	}
	if r.Intn(8) == 0 {
		b.Moved = port.Of(r.ports())
	}
	return b
}

func (r random) picture(bars int) *Picture {
	p := &Picture{}
	for range 1 + r.Intn(2) {
		panel := Panel{Title: r.name(), Note: r.of("", "3 errors", strings.Repeat("a note ", r.Intn(20)))}
		for range r.Intn(6) {
			panel.Bands = append(panel.Bands, Band{Kind: Ephemeral + Kind(r.Intn(int(NomadPorts-Ephemeral)+1)), Proto: port.Proto([]port.Proto{0, port.TCP, port.UDP}[r.Intn(3)]), Ports: r.ports()})
		}
		for left := bars; left > 0 || len(panel.Groups) == 0; {
			g := Group{Name: r.name(), Note: r.of("", "", "not documented", strings.Repeat("nothing ", r.Intn(20)))}
			if r.Intn(4) == 0 {
				g.Bands = []Band{{Kind: Ephemeral, Ports: r.ports()}}
			}
			for range r.Intn(3) {
				l := Lane{Proto: []port.Proto{0, port.TCP, port.UDP}[r.Intn(3)]}
				n := min(1+r.Intn(40), left)
				for range n {
					kind := Kind(r.Intn(len(kinds)))
					if l.Proto == 0 {
						kind = Excluded
					}
					l.Bars = append(l.Bars, r.bar(kind, l.Proto))
				}
				left -= n
				sortBars(l.Bars)
				g.Lanes = append(g.Lanes, l)
			}
			panel.Groups = append(panel.Groups, g)
		}
		p.Panels = append(p.Panels, panel)
	}
	return p
}

// near is how far a box may be from where it should be by rounding of numbers.
const near = 1e-6

// checker holds one sheet against what Lay promises.
type checker struct {
	t *testing.T
	p *Picture
	f Frame
	s *Sheet
}

func (c *checker) check() {
	c.t.Helper()
	c.scale()
	y := 0.0
	if len(c.s.Panels) != len(c.p.Panels) {
		c.t.Fatalf("%d panels of %d", len(c.s.Panels), len(c.p.Panels))
	}
	var words []Word
	for i := range c.s.Panels {
		b, p := &c.s.Panels[i], &c.p.Panels[i]
		if i > 0 {
			y += c.f.Gap
		}
		c.same("top of a panel", b.Y, y)
		words = append(words, c.text(b.Title, p.Title, true), c.text(b.Note, p.Note, true))
		for _, t := range c.s.Ticks {
			t.Words.Y = b.Axis
			words = append(words, t.Words)
		}
		y = b.Lanes.Y
		if b.Axis < b.Y || b.Axis+c.f.Axis > y+near {
			c.t.Errorf("the axis at %g is not between %g and %g", b.Axis, b.Y, y)
		}
		if len(b.Groups) != len(p.Groups) {
			c.t.Fatalf("%d groups of %d", len(b.Groups), len(p.Groups))
		}
		for k := range b.Groups {
			if k > 0 {
				y += c.f.Gap
			}
			c.same("top of a group", b.Groups[k].Y, y)
			words = append(words, c.group(&b.Groups[k], p, &p.Groups[k])...)
			y += b.Groups[k].H
		}
		c.same("end of the lanes", b.Lanes.Y+b.Lanes.H, y)
		c.same("end of a panel", b.Y+b.H, y)
		c.bands(b)
	}
	c.same("height", c.s.Height, y)
	c.apart(words)
}

// same demands two numbers to be one.
func (c *checker) same(what string, got, want float64) {
	c.t.Helper()
	if math.Abs(got-want) > near {
		c.t.Errorf("%s: %g, want %g", what, got, want)
	}
}

// text demands that a word says what it should, in the sheet; it may be cut where the sheet is
// narrower.
func (c *checker) text(w Word, want string, cut bool) Word {
	c.t.Helper()
	begin, end, _ := strings.Cut(w.Text, more)
	if w.Text != want && !(cut && c.f.Text(want) > c.f.Width && strings.HasPrefix(want, begin) && strings.HasSuffix(want, end) && c.f.Text(w.Text) > c.f.Width*0.9) {
		c.t.Errorf("%q stands for %q", w.Text, want)
	}
	c.same("width of "+w.Text, w.W, c.f.Text(w.Text))
	if w.X < -near || w.X+w.W > c.f.Width+near {
		c.t.Errorf("%q leaves the sheet: %g to %g of %g", w.Text, w.X, w.X+w.W, c.f.Width)
	}
	if c.f.Whole && (w.X != math.Floor(w.X) || w.Y != math.Floor(w.Y)) {
		c.t.Errorf("%q is between columns: %g, %g", w.Text, w.X, w.Y)
	}
	return w
}

func (c *checker) scale() {
	c.t.Helper()
	s := c.s.Scale
	if s.X(0) != 0 || math.Abs(s.X(end)-c.s.Plot.W) > near || s.Length() != s.X(end) {
		c.t.Errorf("the line is from %g to %g, and %g long", s.X(0), s.X(end), c.s.Plot.W)
	}
	ports, at := s.Stops()
	if len(ports) != len(at) || ports[0] != 0 || ports[len(ports)-1] != end {
		c.t.Fatalf("stops %v at %v", ports, at)
	}
	check := append([]int{1, end - 1}, ports[:len(ports)-1]...)
	for n := 7; n < end; n += 997 {
		check = append(check, n)
	}
	slices.Sort(check)
	last := -1.0
	for _, n := range slices.Compact(check) {
		x := s.X(n)
		if x <= last {
			c.t.Fatalf("port %d at %g is not behind %g", n, x, last)
		}
		last = x
		if got := s.Port(x); int(got) != n {
			c.t.Errorf("port %d is at %g, where port %d is", n, x, got)
		}
		if got := s.Port((x + s.X(n+1)) / 2); int(got) != n {
			c.t.Errorf("in the middle of port %d is %d", n, got)
		}
	}
	for i := range at[:len(at)-1] {
		c.same(fmt.Sprintf("port %d, the last of a stretch", ports[i+1]-1), s.X(ports[i+1]-1), at[i+1]-(at[i+1]-at[i])/float64(ports[i+1]-ports[i]))
		crowded := !c.f.Linear && float64(len(at)-1)*c.f.Least >= c.s.Plot.W
		if w := at[i+1] - at[i]; !c.f.Linear && !crowded && (w < c.f.Least-near || c.f.Whole && at[i] != math.Floor(at[i])) {
			c.t.Errorf("the stretch from %d begins at %g and is %g wide", ports[i], at[i], w)
		}
	}
	if s.Port(-1) != 0 || s.Port(s.Length()+1) != port.Max {
		c.t.Error("beside the line is not its first or last port")
	}
}

// place demands that a box has the place of ports: exactly, or widened around it.
func (c *checker) place(what string, b Box, r port.Range) {
	c.t.Helper()
	from, to := c.s.Scale.Span(r)
	from, to = from+c.s.Plot.X, to+c.s.Plot.X
	if c.f.Whole {
		if b.X != math.Floor(b.X) || b.W != math.Floor(b.W) || b.Y != math.Floor(b.Y) || b.H != math.Floor(b.H) {
			c.t.Errorf("%s %s has no whole box: %+v", what, r, b)
		}
		from, to = math.Floor(from+1e-9), math.Ceil(to-1e-9) // outwards
	}
	if to-from >= c.f.Least-near {
		c.same(what+" "+r.String()+" from", b.X, from)
		c.same(what+" "+r.String()+" to", b.X+b.W, to)
		return
	}
	c.same(what+" widened", b.W, c.f.Least)
	if b.X > from+near || b.X+b.W < to-near || b.X < c.s.Plot.X-near || b.X+b.W > c.s.Plot.X+c.s.Plot.W+near {
		c.t.Errorf("%s %s is at %g to %g of %g to %g and not around %g to %g", what, r, b.X, b.X+b.W, c.s.Plot.X, c.s.Plot.X+c.s.Plot.W, from, to)
	}
}

// group checks one group, and returns its words.
func (c *checker) group(b *GroupBox, p *Panel, g *Group) []Word {
	c.t.Helper()
	words := []Word{c.text(b.Name, g.Name, true), c.text(b.Note, g.Note, true)}
	if b.Note.Text == "" && g.Note != "" || b.Name.Text == "" && g.Name != "" {
		c.t.Errorf("group %q %q has no words", g.Name, g.Note)
	}
	y := b.Y
	if len(b.Lanes) != len(g.Lanes) {
		c.t.Fatalf("%d lanes of %d", len(b.Lanes), len(g.Lanes))
	}
	if len(b.Lanes) > 0 { // what is before the first lane are rows of words
		y = b.Lanes[0].Y
		if n := (y - b.Y) / c.f.Line; n > 2+near || math.Abs(n-math.Round(n)) > near {
			c.t.Errorf("%g rows before the first lane", n)
		}
	}
	for i := range b.Lanes {
		lane := &b.Lanes[i]
		c.same("top of a lane", lane.Y, y)
		y += lane.H
		for k := range lane.Bars {
			if box, n := lane.Bars[k].Box, b.Note; n.Text != "" && n.Y == box.Y && (!c.f.Inline || n.X < box.X+box.W && box.X < n.X+n.W+c.f.Pad) {
				c.t.Errorf("the note %q meets %+v", n.Text, box)
			}
		}
		words = append(words, c.text(lane.Proto, protoWords(g.Lanes[i].Proto), false))
		words = append(words, c.lane(lane, &g.Lanes[i])...)
		want := 0
		for _, bands := range [...][]Band{p.Bands, g.Bands} {
			for k := range bands {
				if bands[k].Proto == 0 || g.Lanes[i].Proto == 0 || bands[k].Proto == g.Lanes[i].Proto {
					want++
				}
			}
		}
		if len(lane.Bands) != want {
			c.t.Errorf("%d bands behind a lane, want %d", len(lane.Bands), want)
		}
	}
	if len(b.Lanes) > 0 {
		c.same("end of a group", b.Y+b.H, y)
	} else if b.H < c.f.Line {
		c.t.Errorf("a group without lanes is %g high", b.H)
	}
	return words
}

// lane checks the bars of a lane and their words.
func (c *checker) lane(b *LaneBox, lane *Lane) []Word {
	c.t.Helper()
	if len(b.Bars) != len(lane.Bars) {
		c.t.Fatalf("%d bars of %d", len(b.Bars), len(lane.Bars))
	}
	var words []Word
	var boxes []Box
	shared := map[Kind]int{}
	for i := range lane.Bars {
		shared[lane.Bars[i].Kind]++
	}
	for i := range b.Bars {
		box, bar := &b.Bars[i], &lane.Bars[i]
		if box.Bar != bar {
			c.t.Fatal("a box is of another bar")
		}
		c.place("bar", box.Box, bar.Ports)
		if box.Y < b.Y-near || box.Y+box.H > b.Y+b.H+near || box.H != c.f.Row {
			c.t.Errorf("bar %s is not in its lane", bar.Ports)
		}
		if i > 0 && box.X < b.Bars[i-1].X-near {
			c.t.Errorf("bar %s is before %s", bar.Ports, lane.Bars[i-1].Ports)
		}
		boxes = append(boxes, box.Box)
		c.label(box, bar, shared)
		if box.Label.Text != "" {
			words = append(words, box.Label)
		}
		if box.Inner && (box.Label.X < box.X || box.Label.X+box.Label.W > box.X+box.W || box.Label.Y != box.Y || len(bar.Marks) > 0) {
			c.t.Errorf("the label of %s is not inside it", bar.Ports)
		}
		if ghosts := bar.Moved.Ranges(); len(ghosts) != len(box.Ghosts) {
			c.t.Errorf("%d ghosts of %d", len(box.Ghosts), len(ghosts))
		} else {
			for k, r := range ghosts {
				c.place("ghost", box.Ghosts[k], r)
			}
		}
		words = append(words, c.marks(b, box, bar)...)
	}
	for _, w := range words {
		if w.Y < b.Y-near || w.Y > b.Y+b.H-near {
			c.t.Errorf("%q is not in its lane", w.Text)
		}
	}
	c.free(b, boxes)
	return words
}

// label demands that a bar says its name and exactly its ports.
func (c *checker) label(box *BarBox, bar *Bar, shared map[Kind]int) {
	c.t.Helper()
	label := box.Label
	if bar.Quiet {
		if label.Text != "" {
			c.t.Errorf("%q stands beside what is quiet", label.Text)
		}
		return
	}
	if n := shared[bar.Kind]; bar.Kind.Behind() && (n > 3 || n < 0) {
		want := fmt.Sprintf("%s, %d ranges", bar.Kind, n)
		if n < 0 {
			want = ""
		}
		shared[bar.Kind] = -1
		if label.Text != want {
			c.t.Errorf("%q stands for %q", label.Text, want)
		}
		return
	}
	short := strings.TrimPrefix(cmp.Or(bar.Label, bar.Name)+" "+bar.Ports.String(), " ")
	want := short
	if bar.At != "" {
		want += " on " + bar.At
	}
	if label.Text != want && (c.f.Text(want) <= c.f.Width || label.Text != short && !strings.HasSuffix(label.Text, more+" "+bar.Ports.String())) {
		c.t.Errorf("label %q, want %q", label.Text, want)
	}
	c.text(label, label.Text, false)
}

// marks checks the marks of a bar, and returns their words.
func (c *checker) marks(b *LaneBox, box *BarBox, bar *Bar) []Word {
	c.t.Helper()
	var words []Word
	if len(box.Marks) != len(bar.Marks) {
		c.t.Fatalf("%d marks of %d", len(box.Marks), len(bar.Marks))
	}
	for k := range box.Marks {
		m := &box.Marks[k]
		runs := m.Mark.Ports.Ranges()
		if len(m.Runs) != len(runs) {
			c.t.Fatalf("%d runs of %d", len(m.Runs), len(runs))
		}
		for n, r := range m.Runs {
			c.place("mark", r, runs[n])
			if r.X < box.X-near || r.X+r.W > box.X+box.W+near || r.Y != box.Y || r.H != box.H {
				c.t.Errorf("mark %s is not inside its bar", runs[n])
			}
		}
		ports, rule := runs[0].String(), m.Mark.Rule
		says := func(w Word) bool {
			return strings.HasPrefix(w.Text, "! "+ports) && (strings.HasSuffix(w.Text, " "+rule) || c.f.Text(w.Text) > c.f.Width-4 && strings.HasSuffix(w.Text, more))
		}
		if m.Words.Text != "" {
			words = append(words, c.text(m.Words, m.Words.Text, false))
			if !says(m.Words) {
				c.t.Errorf("%q does not say %s %s", m.Words.Text, ports, rule)
			}
			continue
		}
		said := false
		for i := range b.Bars {
			for _, o := range b.Bars[i].Marks {
				said = said || says(o.Words)
			}
		}
		if !said {
			c.t.Errorf("nobody says %s %s", ports, rule)
		}
	}
	return words
}

// free demands that no two bars, and no bar and a word of another one, have a point in common.
func (c *checker) free(b *LaneBox, boxes []Box) {
	c.t.Helper()
	all := slices.Clone(boxes)
	for i := range b.Bars {
		if w := b.Bars[i].Label; w.Text != "" && !b.Bars[i].Inner {
			all = append(all, Box{w.X, w.Y, w.W, c.f.Line})
		}
		for _, m := range b.Bars[i].Marks {
			if m.Words.Text != "" {
				all = append(all, Box{m.Words.X, m.Words.Y, m.Words.W, c.f.Line})
			}
		}
	}
	slices.SortFunc(all, func(a, b Box) int { return cmp.Or(cmp.Compare(a.Y, b.Y), cmp.Compare(a.X, b.X)) })
	for i := 1; i < len(all); i++ {
		if a, b := all[i-1], all[i]; a.Y == b.Y && a.X+a.W > b.X+near {
			c.t.Errorf("%+v and %+v meet", a, b)
		}
	}
}

// apart demands that no two words have a point in common.
func (c *checker) apart(words []Word) {
	c.t.Helper()
	words = slices.DeleteFunc(words, func(w Word) bool { return w.Text == "" })
	slices.SortFunc(words, func(a, b Word) int { return cmp.Or(cmp.Compare(a.Y, b.Y), cmp.Compare(a.X, b.X)) })
	for i := 1; i < len(words); i++ {
		if a, b := words[i-1], words[i]; a.Y == b.Y && a.X+a.W > b.X+near {
			c.t.Errorf("%q and %q meet: %+v, %+v", a.Text, b.Text, a, b)
		}
	}
}

// bands demands that a band has its place, and no gap between the lanes of its protocol that
// follow each other.
func (c *checker) bands(b *PanelBox) {
	c.t.Helper()
	end := b.Lanes.Y // of the bands of the lane before
	for i := range b.Groups {
		for k := range b.Groups[i].Lanes {
			lane := &b.Groups[i].Lanes[k]
			for _, d := range lane.Bands {
				c.place("band", d.Box, d.Band.Ports)
				c.same("top of a band", d.Y, end)
				c.same("end of a band", d.Y+d.H, lane.Y+lane.H)
			}
			end = lane.Y + lane.H
		}
		if len(b.Groups[i].Lanes) == 0 {
			end = b.Groups[i].Y + b.Groups[i].H
			if i+1 < len(b.Groups) && len(b.Groups[i+1].Lanes) > 0 {
				end = min(end, b.Groups[i+1].Lanes[0].Y) // without the gap
			}
		}
	}
}

func TestLayKeepsItsPromises(t *testing.T) {
	all := frames()
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range all {
			if !yield(name) {
				return
			}
		}
	}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed, bars := range []int{0, 1, 2, 5, 17, 60, 500} {
				r := random{rand.New(rand.NewSource(int64(seed)))}
				for range 3 {
					p := r.picture(bars)
					c := checker{t, p, all[name], Lay(p, all[name])}
					if c.check(); t.Failed() {
						t.Fatalf("%d bars", bars)
					}
				}
			}
		})
	}
}

// FuzzLay holds pictures of any seed in frames of any width against the same promises.
func FuzzLay(f *testing.F) {
	f.Add(int64(1), uint16(80), uint16(20), false, false)
	f.Add(int64(2), uint16(40), uint16(500), true, false)
	f.Add(int64(-114), uint16(97), uint16(268), false, false) // a run that ends a hair behind a column
	f.Add(int64(3), uint16(1200), uint16(60), false, true)
	f.Fuzz(func(t *testing.T, seed int64, width, bars uint16, linear, pixels bool) {
		frame := terminal(40+int(width)%361, linear)
		if pixels {
			frame = paper(300+float64(width)/16, linear)
		}
		p := random{rand.New(rand.NewSource(seed))}.picture(int(bars) % 501)
		c := checker{t, p, frame, Lay(p, frame)}
		c.check()
	})
}

// TestLayIsFast lays out as many bars as the program makes of a host, in the worst places.
func TestLayIsFast(t *testing.T) {
	const limit = 20000
	for name, of := range map[string]func(i int) port.Range{
		"one port":   func(int) port.Range { return port.Single(5060) },
		"all ports":  func(i int) port.Range { return port.Single(uint16(3 * i)) },
		"wide":       func(i int) port.Range { return port.Range{First: uint16(i), Last: uint16(i + 30000)} },
		"everywhere": func(i int) port.Range { return port.Single(uint16(i * 7919)) },
	} {
		l := Lane{Proto: port.UDP}
		for i := range limit {
			l.Bars = append(l.Bars, Bar{Kind: RTP, Proto: port.UDP, Ports: of(i), Name: "some-listener"})
		}
		sortBars(l.Bars)
		p := &Picture{Panels: []Panel{{Groups: []Group{{Name: "service", Lanes: []Lane{l}}}}}}
		for _, f := range []Frame{terminal(80, false), paper(1200, false)} {
			begin := time.Now()
			s := Lay(p, f)
			if took := time.Since(begin); took > 3*time.Second { // it takes a tenth of a second
				t.Errorf("%s: %v", name, took)
			} else {
				t.Logf("%s, width %g: %v for a height of %g", name, f.Width, took, s.Height)
			}
		}
	}
}

func TestZeroScale(t *testing.T) {
	var s Scale
	if s.X(5) != 0 || s.Length() != 0 || s.Port(3) != port.Max {
		t.Error(s.X(5), s.Length(), s.Port(3))
	}
}

func TestLongWordsAreCut(t *testing.T) {
	l := layer{f: terminal(40, false)}
	for _, c := range []struct {
		text          string
		width         float64
		cut, squeezed string
	}{
		{"abcdefgh", 8, "abcdefgh", "abcdefgh"},
		{"abcdefgh", 7, "abcdef…", "abc…fgh"},
		{"abcdefgh", 2, "a…", "…h"},
		{"abcdefgh", 1, "…", "…"},
		{"abcdefgh", 0, "", ""},
		{"名前名前名前", 4, "名前名…", "名…名前"},
	} {
		if cut, squeezed := l.cut(c.text, c.width), l.squeeze(c.text, c.width); cut != c.cut || squeezed != c.squeezed {
			t.Errorf("%q in %g: %q, %q", c.text, c.width, cut, squeezed)
		}
	}
}

func TestRound(t *testing.T) {
	widths := []float64{1.2, 2.9, 3.5, 1.4}
	if round(widths, 9); !slices.Equal(widths, []float64{1, 3, 4, 1}) {
		t.Error(widths)
	}
}

// TestFittedGivesUsedPortsRoom holds the weights to what they are for.
func TestFittedGivesUsedPortsRoom(t *testing.T) {
	used := []port.Range{port.Single(5060), {First: 30000, Last: 30799}}
	s := Fitted(54, used, []port.Range{{First: 32768, Last: 60999}}, 1, true)
	linear := Linear(54)
	width := func(s Scale, r port.Range) float64 { from, to := s.Span(r); return to - from }
	if got := width(s, used[1]); got < 10*width(linear, used[1]) {
		t.Errorf("800 ports have %g of 54", got)
	}
	if width(s, used[0]) < 1 || width(s, used[1]) <= width(s, port.Range{First: 5061, Last: 29999}) {
		t.Errorf("stops %v %v", s.ports, s.at)
	}
}

// TestNotesOfSystems: they stand in the row of a system where that is free and nothing moves.
func TestNotesOfSystems(t *testing.T) {
	picture := func(kind Kind, first uint16) *Picture {
		return &Picture{Panels: []Panel{{Groups: []Group{{Name: "system", Note: "unverified", Lanes: []Lane{{Bars: []Bar{
			{Kind: kind, Ports: port.Range{First: first, Last: port.Max}}}}}}}}}}
	}
	for _, c := range []struct {
		kind   Kind
		first  uint16
		inline bool
		rows   float64
	}{
		{Ephemeral, 49152, true, 1},
		{Ephemeral, 49152, false, 2},
		{Ephemeral, 1024, true, 2},
		{Ephemeral, 18000, true, 1}, // its label is inside
		{Ephemeral, 60000, true, 1}, // or between
		{RTP, 49152, true, 2},       // it would seem to be about one listener
	} {
		f := terminal(80, true)
		f.Inline = c.inline
		p := picture(c.kind, c.first)
		s := Lay(p, f)
		if g := s.Panels[0].Groups[0]; g.H != c.rows || g.Note.Text != "unverified" {
			t.Errorf("%s from %d, inline %v: %g rows, want %g", c.kind, c.first, c.inline, g.H, c.rows)
		}
		(&checker{t, p, f, s}).check()
	}
}

// TestWordsKeepClear holds words to what the properties cannot say: they avoid the place that a
// bar has in another panel, and a lane says one thing once.
func TestWordsKeepClear(t *testing.T) {
	mark := []Mark{{Ports: port.Of(port.Single(5060)), Rule: "port-overlap", Severity: diag.Error}}
	bars := []Bar{
		{Proto: port.UDP, Ports: port.Single(5060), Name: "sip", Marks: mark, Moved: port.Of(port.Range{First: 5061, Last: 9000})},
		{Proto: port.UDP, Ports: port.Single(5060), Name: "sip-v6", Marks: mark},
	}
	p := &Picture{Panels: []Panel{{Groups: []Group{{Name: "x", Lanes: []Lane{{Proto: port.UDP, Bars: bars}}}}}}}
	lane := Lay(p, terminal(80, false)).Panels[0].Groups[0].Lanes[0]
	b := &lane.Bars[0]
	ghost := b.Ghosts[0]
	for _, w := range []Word{b.Label, b.Marks[0].Words} {
		if w.Text == "" || w.Y == b.Y && w.X < ghost.X+ghost.W && ghost.X < w.X+w.W {
			t.Errorf("%+v lies on %+v", w, ghost)
		}
	}
	if w := lane.Bars[1].Marks[0].Words; w.Text != "" {
		t.Errorf("%q is said twice", w.Text)
	}
}
