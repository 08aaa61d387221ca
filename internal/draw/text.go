package draw

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"portolan/internal/chart"
	"portolan/internal/diag"
	"portolan/internal/report"
)

// A terminal narrower than least has no room for names and ports side by side.
const (
	usualColumns = 80
	leastColumns = 40
)

// A pen is how one kind of thing looks in text.
type pen struct {
	sign, ascii rune
	color       string // parameters of SGR
}

var marked = pen{'╳', 'X', "1;31"}

// pens are those of kinds. Bars of services look alike without colour, and their words say what
// they are.
func penOf(k chart.Kind) pen {
	switch k {
	case chart.MRCP:
		return pen{'█', '#', "32"}
	case chart.RTP:
		return pen{'█', '#', "33"}
	case chart.Clients:
		return pen{'█', '#', "34"}
	case chart.Internal:
		return pen{'█', '#', "36"}
	case chart.Admin:
		return pen{'█', '#', "35"}
	case chart.Unclaimed:
		return pen{'▒', '?', "37"}
	case chart.Ephemeral:
		return pen{'░', ':', "2"}
	case chart.System:
		return pen{'·', '.', "2"}
	case chart.Spared:
		return pen{'═', '=', "2"}
	case chart.Excluded:
		return pen{'▒', '%', "2"}
	case chart.NodePorts, chart.NomadPorts:
		return pen{'─', '-', "2"}
	}
	return pen{'█', '#', "37"}
}

// A cell is one column of a line. The second column of a wide character is a cell of no sign.
type cell struct {
	sign  string
	color string
}

// A grid is what a terminal shows.
type grid struct {
	cells [][]cell
	o     Options
}

func newGrid(width, height int, o Options) *grid {
	g := &grid{make([][]cell, height), o}
	for i := range g.cells {
		g.cells[i] = make([]cell, width)
		for k := range g.cells[i] {
			g.cells[i][k].sign = " "
		}
	}
	return g
}

// fill draws a box, and leaves words of the grid alone.
func (g *grid) fill(b chart.Box, p pen) {
	sign := p.sign
	if g.o.ASCII {
		sign = p.ascii
	}
	for y := int(b.Y); y < int(b.Y+b.H); y++ {
		for x := int(b.X); x < int(b.X+b.W); x++ {
			g.set(x, y, cell{string(sign), p.color})
		}
	}
}

// outline draws where a bar was, or will be: "[┄┄]".
func (g *grid) outline(b chart.Box) {
	if b.W < 2 {
		g.fill(b, pen{'┆', '|', ""})
		return
	}
	g.fill(b, pen{'┄', '.', ""})
	g.set(int(b.X), int(b.Y), cell{"[", ""})
	g.set(int(b.X+b.W)-1, int(b.Y), cell{"]", ""})
}

func (g *grid) set(x, y int, c cell) {
	if y >= 0 && y < len(g.cells) && x >= 0 && x < len(g.cells[y]) {
		g.cells[y][x] = c
	}
}

// write writes words, of which each character stands in its column.
func (g *grid) write(w chart.Word, color string) {
	x := int(math.Round(w.X))
	for len(w.Text) > 0 {
		_, n := utf8.DecodeRuneInString(w.Text)
		sign := w.Text[:n]
		w.Text = w.Text[n:]
		columns := report.Width(sign)
		if columns == 0 { // belongs to the one before
			if x > 0 && x <= len(g.cells[int(w.Y)]) {
				g.cells[int(w.Y)][x-1].sign += sign
			}
			continue
		}
		g.set(x, int(w.Y), cell{plain(sign, g.o.ASCII), color})
		for i := 1; i < columns; i++ {
			g.set(x+i, int(w.Y), cell{"", color})
		}
		x += columns
	}
}

// plain is a character of words in ASCII where that is asked for.
func plain(sign string, ascii bool) string {
	if ascii && sign[0] >= utf8.RuneSelf {
		return "?"
	}
	return sign
}

// text is a line without blanks at its end.
func (g *grid) text(y int) string {
	line := g.cells[y]
	last := len(line)
	for last > 0 && line[last-1].sign == " " {
		last--
	}
	var b strings.Builder
	color := ""
	for _, c := range line[:last] {
		if g.o.Color && c.color != color {
			b.WriteString("\x1b[0" + semicolon(c.color) + "m")
			color = c.color
		}
		b.WriteString(c.sign)
	}
	if color != "" {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

func semicolon(color string) string {
	if color == "" {
		return ""
	}
	return ";" + color
}

// Text draws for a terminal: lines of at most Options.Width columns.
func Text(w io.Writer, p *chart.Picture, o Options) error {
	if o.Width == 0 {
		o.Width = usualColumns
	}
	o.Width = max(o.Width, leastColumns)
	s := chart.Lay(p, chart.Frame{Width: float64(o.Width), Names: math.Floor(float64(o.Width) * 0.32), Row: 1, Line: 1, Gap: 0, Axis: 1,
		Least: 1, Pad: 1, Linear: o.Linear, Whole: true, Text: func(s string) float64 { return float64(report.Width(s)) }})
	out := bufio.NewWriter(w)
	bold := func(s string) string {
		if o.Color && s != "" {
			return "\x1b[1m" + s + "\x1b[0m"
		}
		return s
	}
	if p.Title != "" {
		fmt.Fprintln(out, bold(p.Title))
	}
	for _, l := range p.Lines {
		fmt.Fprintln(out, l)
	}
	g := newGrid(o.Width, int(s.Height), o)
	for i := range s.Panels {
		g.panel(s, &s.Panels[i])
	}
	for y := range g.cells {
		fmt.Fprintln(out, g.text(y))
	}
	legend(out, p, o)
	for i := range p.Panels {
		findings(out, &p.Panels[i], o)
	}
	sources(out, p, o)
	return out.Flush()
}

func (g *grid) panel(s *chart.Sheet, b *chart.PanelBox) {
	g.write(b.Title, "1")
	g.write(b.Note, "")
	for _, t := range s.Ticks {
		t.Words.Y = b.Axis
		g.write(t.Words, "2")
	}
	for i := range b.Groups {
		group := &b.Groups[i]
		for k := range group.Lanes {
			for _, d := range group.Lanes[k].Bands {
				g.fill(d.Box, penOf(d.Band.Kind))
			}
		}
	}
	for i := range b.Groups {
		group := &b.Groups[i]
		g.write(group.Name, "1")
		g.write(group.Note, "")
		for k := range group.Lanes {
			lane := &group.Lanes[k]
			g.write(lane.Proto, "")
			for n := range lane.Bars {
				for _, b := range lane.Bars[n].Ghosts {
					g.outline(b)
				}
			}
			for n := range lane.Bars {
				bar := &lane.Bars[n]
				g.fill(bar.Box, penOf(bar.Bar.Kind))
				for _, m := range bar.Marks {
					for _, r := range m.Runs {
						g.fill(r, marked)
					}
				}
			}
			for n := range lane.Bars {
				bar := &lane.Bars[n]
				g.write(bar.Label, "")
				for _, m := range bar.Marks {
					g.write(m.Words, severityColor(m.Mark.Severity))
				}
			}
		}
	}
}

func severityColor(s diag.Severity) string {
	switch s {
	case diag.Error:
		return "1;31"
	case diag.Warning:
		return "1;33"
	}
	return "1;36"
}

func legend(out io.Writer, p *chart.Picture, o Options) {
}

func findings(out io.Writer, p *chart.Panel, o Options) {
}
