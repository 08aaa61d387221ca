package draw

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"portolan/internal/chart"
	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/report"
)

// The columns that text may have. Fewer have no room for names and ports side by side, and
// nobody reads more.
const (
	LeastColumns = 40
	usualColumns = 80
	MostColumns  = 1000
)

// A pen is how one kind of thing looks in text.
type pen struct {
	sign, ascii rune
	color       string // parameters of SGR (ECMA-48 section 8.3.117)
}

// marked is how ports with a finding look.
var marked = pen{'╳', 'X', "1;31"}

// ghost is how the place looks that ports have in another panel.
var ghost = pen{'┄', '_', ""}

// penOf is the pen of a kind. Each has a sign of its own, which tells it without colour.
func penOf(k chart.Kind) pen {
	switch k {
	case chart.MRCP:
		return pen{'█', '#', "32"}
	case chart.RTP:
		return pen{'▓', '@', "33"}
	case chart.Clients:
		return pen{'■', '*', "34"}
	case chart.Internal:
		return pen{'▄', '+', "36"}
	case chart.Admin:
		return pen{'▀', '^', "35"}
	case chart.Loopback:
		return pen{'○', 'o', "37"}
	case chart.Unclaimed:
		return pen{'?', '?', "37"}
	case chart.Ephemeral:
		return pen{'░', ':', "2"}
	case chart.System:
		return pen{'·', '.', "2"}
	case chart.Spared:
		return pen{'═', '=', "2"}
	case chart.Excluded:
		return pen{'▒', '%', "2"}
	case chart.NodePorts:
		return pen{'─', '-', "2"}
	case chart.NomadPorts:
		return pen{'~', '~', "2"}
	}
	return pen{'◆', '$', "37"}
}

// The colours of words.
const (
	bold  = "1"
	faint = "2"
)

func severityColor(s diag.Severity) string {
	switch s {
	case diag.Error:
		return "1;31"
	case diag.Warning:
		return "1;33"
	}
	return "1;36"
}

// A printer writes lines for a terminal.
type printer struct {
	out *bufio.Writer
	o   Options
}

// Text draws for a terminal: lines of Options.Width columns at most, which are 40 to 1000, or 80
// for 0, but for the addresses of sources. What it is given may hold anything: a terminal gets no
// control character but the ends of lines, and with Options.Color the sequences of SGR.
func Text(w io.Writer, p *chart.Picture, o Options) error {
	if o.Width == 0 {
		o.Width = usualColumns
	}
	o.Width = min(max(o.Width, LeastColumns), MostColumns)
	t := printer{bufio.NewWriter(w), o}
	s := chart.Lay(p, chart.Frame{Width: float64(o.Width), Names: math.Floor(float64(o.Width) * 0.36), Row: 1, Line: 1, Gap: 0, Axis: 1,
		Least: 1, Pad: 1, Linear: o.Linear, Whole: true, Inline: true, Text: func(s string) float64 { return float64(report.Width(t.plain(s))) }})
	t.wrap(p.Title, bold, 0)
	for _, l := range p.Lines {
		t.wrap(l, "", len(itemSign(l)))
	}
	g := newGrid(&t, int(s.Height))
	for i := range s.Panels {
		g.panel(s, &s.Panels[i])
	}
	for y := range g.rows {
		t.line(g.row(y))
	}
	t.legend(p, g.seen)
	t.unlabelled(p, s)
	t.findings(p)
	t.sources(p)
	return t.out.Flush()
}

// plain is s as it may be printed: without what a terminal acts on, and in ASCII where that is
// asked for.
func (t *printer) plain(s string) string {
	s = report.Printable(s)
	if !t.o.ASCII || !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case r == '…':
			b.WriteString("...")
		case r == '–':
			b.WriteByte('-')
		case r == '→':
			b.WriteString("->")
		case r <= 0xFFFF:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

func (t *printer) sign(p pen) string {
	if t.o.ASCII {
		return string(p.ascii)
	}
	return string(p.sign)
}

func (t *printer) paint(color, s string) string {
	if !t.o.Color || color == "" || s == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

func (t *printer) line(s string) {
	t.out.WriteString(s)
	t.out.WriteByte('\n')
}

// wrap writes words in lines that are no wider than the terminal. All but the first are indented
// by the given number of columns.
func (t *printer) wrap(s, color string, indent int) {
	t.wrapBehind("", "", s, color, indent)
}

// wrapBehind is wrap behind a few words of another colour, which are never wrapped.
func (t *printer) wrapBehind(head, headColor, s, color string, indent int) {
	s = strings.TrimSpace(t.plain(s))
	if s == "" {
		return
	}
	begin := t.paint(headColor, head)
	for _, line := range fold(s, t.o.Width-report.Width(head), t.o.Width-indent, columns) {
		t.line(begin + t.paint(color, line))
		begin = strings.Repeat(" ", indent)
	}
}

// columns are those that a terminal gives a character.
func columns(r rune) int { return report.Width(string(r)) }

// A stroke is a part of a picture: a pen drawn over some columns, or words.
type stroke struct {
	x, w   int
	words  string // "" for a pen
	pen    pen
	behind bool // it is a band: words may take a blank of it before and behind them
}

// A grid is what a terminal shows: what lies on each row, from the bottom up.
type grid struct {
	*printer
	rows  [][]stroke
	cells []cell        // of the row that is drawn
	seen  map[rune]bool // the signs of pens that rows show
}

// maxSign bounds the bytes of a character with its marks: a pile of marks covers other lines.
const maxSign = 16

// A cell is one column. The second column of a wide character has no sign.
type cell struct {
	sign, color string
	behind      bool
	pen         rune // its sign, where it is drawn by one
}

func newGrid(t *printer, height int) *grid {
	return &grid{t, make([][]stroke, height), make([]cell, t.o.Width), map[rune]bool{}}
}

// fill draws a box.
func (g *grid) fill(b chart.Box, k pen, behind bool) {
	s := stroke{x: int(b.X), w: int(b.W), pen: k, behind: behind}
	for y := int(b.Y); y < int(b.Y+b.H); y++ {
		// Thousands of ranges that follow each other have one column.
		if row := g.rows[y]; len(row) == 0 || row[len(row)-1] != s {
			g.rows[y] = append(row, s)
		}
	}
}

// hatch marks a run of ports of a bar: every second column, so that the sign of the bar is seen
// too, and its last one where the bar goes on behind it.
func (g *grid) hatch(run, bar chart.Box) {
	for x := 0.0; x < run.W; x += 2 {
		g.fill(chart.Box{X: run.X + x, Y: run.Y, W: 1, H: run.H}, marked, false)
	}
	if end := run.X + run.W; end < bar.X+bar.W {
		g.fill(chart.Box{X: end - 1, Y: run.Y, W: 1, H: run.H}, marked, false)
	}
}

// write writes words.
func (g *grid) write(w chart.Word, color string) {
	if w.Text != "" {
		y := int(w.Y)
		g.rows[y] = append(g.rows[y], stroke{x: int(math.Round(w.X)), words: g.plain(w.Text), pen: pen{color: color}})
	}
}

// row is a line without blanks at its end.
func (g *grid) row(y int) string {
	for i := range g.cells {
		g.cells[i] = cell{sign: " "}
	}
	for _, s := range g.rows[y] {
		if s.words != "" {
			g.put(s)
			continue
		}
		sign := g.sign(s.pen)
		for x := s.x; x < min(s.x+s.w, len(g.cells)); x++ {
			g.cells[x] = cell{sign, s.pen.color, s.behind, s.pen.sign}
		}
	}
	last := len(g.cells)
	for last > 0 && g.cells[last-1].sign == " " {
		last--
	}
	for _, c := range g.cells[:last] {
		if c.pen != 0 {
			g.seen[c.pen] = true
		}
	}
	var b strings.Builder
	for i := 0; i < last; {
		from, color := i, g.cells[i].color
		var run strings.Builder
		for i < last && (g.cells[i].color == color || i > from && g.cells[i].sign == "") {
			run.WriteString(g.cells[i].sign)
			i++
		}
		b.WriteString(g.paint(color, run.String()))
	}
	return b.String()
}

// put puts each character of words into its columns, and a blank on both sides where a band goes
// on that they lie on, or one begins that is wide enough to lose a column.
func (g *grid) put(s stroke) {
	x := s.x
	var under cell
	for _, r := range s.words {
		switch columns := report.Width(string(r)); {
		case columns == 0 && x > 0 && len(g.cells[x-1].sign) < maxSign: // belongs to the one before
			g.cells[x-1].sign += string(r)
		case columns > 0 && x+columns <= len(g.cells):
			if x == s.x {
				g.blank(x-1, -1, g.cells[x])
			}
			under = g.cells[x+columns-1]
			g.cells[x] = cell{sign: string(r), color: s.pen.color}
			for i := 1; i < columns; i++ {
				g.cells[x+i] = cell{color: s.pen.color}
			}
			x += columns
		}
	}
	g.blank(x, 1, under)
}

// blank clears column x of a band that is under the words beside it too, or of which more columns
// follow in the direction step.
func (g *grid) blank(x, step int, under cell) {
	if x < 0 || x >= len(g.cells) || !g.cells[x].behind {
		return
	}
	c, end := g.cells[x], x+2*step
	if c == under || end >= 0 && end < len(g.cells) && g.cells[x+step] == c && g.cells[end] == c {
		g.cells[x] = cell{sign: " "}
	}
}

func (g *grid) panel(s *chart.Sheet, b *chart.PanelBox) {
	g.write(b.Title, bold)
	g.write(b.Note, "")
	for _, t := range s.Ticks {
		t.Words.Y = b.Axis
		g.write(t.Words, faint)
	}
	for i := range b.Groups {
		for k := range b.Groups[i].Lanes {
			for _, d := range b.Groups[i].Lanes[k].Bands {
				g.fill(d.Box, penOf(d.Band.Kind), true)
			}
		}
	}
	for i := range b.Groups {
		group := &b.Groups[i]
		g.write(group.Name, bold)
		g.write(group.Note, "")
		for k := range group.Lanes {
			g.write(group.Lanes[k].Proto, "")
			g.bars(group.Lanes[k].Bars)
		}
	}
}

// bars draws those of a lane, and then their words.
func (g *grid) bars(bars []chart.BarBox) {
	for i := range bars {
		for _, b := range bars[i].Ghosts {
			g.fill(b, ghost, true)
		}
	}
	for i := range bars {
		b := &bars[i]
		g.fill(b.Box, penOf(b.Bar.Kind), b.Bar.Kind.Behind())
		for _, m := range b.Marks {
			for _, r := range m.Runs {
				g.hatch(r, b.Box)
			}
		}
	}
	for i := range bars {
		label := bars[i].Label
		if bars[i].Inner && !bars[i].Bar.Kind.Behind() { // of two columns beside it one is blank
			label.X, label.Text = label.X-1, " "+label.Text+" "
		}
		g.write(label, "")
		for _, m := range bars[i].Marks {
			g.write(m.Words, severityColor(m.Mark.Severity))
		}
	}
}

// legend says what the signs of pens mean that are seen.
func (t *printer) legend(p *chart.Picture, seen map[rune]bool) {
	type entry struct {
		pen   pen
		words string
	}
	var list []entry
	add := func(p pen, words string) {
		if seen[p.sign] {
			list = append(list, entry{p, words})
		}
	}
	_, words := marksOf(p)
	add(marked, words)
	for k := chart.Other; k <= chart.NomadPorts; k++ {
		add(penOf(k), k.Words())
	}
	add(ghost, ghostWords)
	if len(list) == 0 {
		return
	}
	t.line("")
	room := 0
	for i, e := range list {
		w := 2 + report.Width(e.words)
		switch {
		case i == 0:
			room = t.o.Width
		case room >= 3+w:
			t.out.WriteString("   ")
			room -= 3
		default:
			t.line("")
			room = t.o.Width
		}
		room -= w
		if room < 0 { // wider than the terminal: alone in its lines
			t.wrapBehind(t.sign(e.pen)+" ", e.pen.color, e.words, "", 2)
			continue
		}
		t.out.WriteString(t.paint(e.pen.color, t.sign(e.pen)) + " " + e.words)
	}
	t.line("")
}

// unlabelled lists the ranges that share one label in the picture.
func (t *printer) unlabelled(p *chart.Picture, s *chart.Sheet) {
	first := true
	for i := range s.Panels {
		for k := range s.Panels[i].Groups {
			group := &p.Panels[i].Groups[k]
			for n, lane := range s.Panels[i].Groups[k].Lanes {
				var ranges [chart.NomadPorts + 1][]port.Range
				hidden := [chart.NomadPorts + 1]bool{}
				for _, b := range lane.Bars {
					ranges[b.Bar.Kind] = append(ranges[b.Bar.Kind], b.Bar.Ports)
					hidden[b.Bar.Kind] = hidden[b.Bar.Kind] || b.Label.Text == "" && !b.Bar.Quiet
				}
				for kind, list := range ranges {
					if !hidden[kind] {
						continue
					}
					if first {
						t.line("")
						first = false
					}
					words := []string{group.Name}
					if proto := group.Lanes[n].Proto; proto != 0 {
						words = append(words, proto.String())
					}
					words = append(words, chart.Kind(kind).String()+":")
					for _, r := range list {
						words = append(words, r.String())
					}
					t.wrap(strings.Join(words, " "), "", 2)
				}
			}
		}
	}
}

// findings lists what is marked in the picture, in the words of package report. What is the same on
// several hosts of a fleet is said once, with the places.
func (t *printer) findings(p *chart.Picture) {
	for i := range p.Panels {
		panel := &p.Panels[i]
		heading := panel.Title // until it is written
		others := 0
		for _, same := range alike(panel.Findings) {
			if !same[0].Quarrel {
				others += len(same)
				continue
			}
			t.line("")
			t.wrap(heading, bold, 2)
			heading = ""
			t.finding(same)
		}
		if others > 0 {
			t.line("")
			words := "1 finding is"
			if others > 1 {
				words = strconv.Itoa(others) + " findings are"
			}
			if heading != "" {
				heading += ": "
			}
			t.wrap(heading+words+" not about ports that meet: portolan lint says them", "", 2)
		}
	}
}

// alike puts findings of hosts of a fleet together that differ in their host and place alone.
func alike(list []chart.Finding) [][]*chart.Finding {
	type words struct {
		rule, message, help string
		severity            diag.Severity
	}
	var out [][]*chart.Finding
	at := map[words]int{}
	for i := range list {
		f := &list[i]
		key := words{f.Rule, f.Message, f.Help, f.Severity}
		k, known := at[key]
		if f.Group == "" || !known {
			k = len(out)
			at[key] = k
			out = append(out, nil)
		}
		out[k] = append(out[k], f)
	}
	return out
}

// maxPlaces bounds the places of a finding that are listed.
const maxPlaces = 3

// finding says one finding, which is so in several places.
func (t *printer) finding(same []*chart.Finding) {
	f := same[0]
	style := severityColor(f.Severity)
	t.wrapBehind("", "", f.Severity.String()+"["+f.Rule+"]: "+f.Message, style, 2)
	rest := len(same) - maxPlaces
	if rest == 1 { // "and 1 more" is no shorter
		rest = 0
	}
	for _, f := range same[:len(same)-max(rest, 0)] {
		if f.Place != "" {
			t.wrapBehind(" --> ", style, f.Place, "", 5)
		}
	}
	if rest > 0 {
		t.wrapBehind("     ", "", "and in "+strconv.Itoa(rest)+" more places", "", 5)
	}
	if f.Help != "" {
		t.wrapBehind("   = ", style, "help: "+f.Help, "", 5)
	}
}
