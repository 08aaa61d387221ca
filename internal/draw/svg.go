package draw

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/template"

	"portolan/internal/chart"
	"portolan/internal/port"
	"portolan/internal/report"
	"portolan/templates"
)

// The pixels that a picture may be wide. Fewer have no room for names and ports side by side, and
// nobody can open more.
const (
	LeastPixels = 480
	MostPixels  = 20000
)

// How large things are, in pixels.
const (
	usualPixels = 1200
	margin      = 24.0
	fontSize    = 11.5 // that of picture.css, as are the next two
	titleSize   = 20.0
	lineSize    = 13.0
	rowHeight   = 18.0
	barInset    = 2.0 // above and below a bar, in its row
	lineHeight  = 15.0
	axisHeight  = 22.0
	tickLength  = 5.0
	leastBar    = 4.0
	wordPad     = 5.0 // between words that stand side by side
)

// pictureQuoting are the functions through which the template of the picture prints values.
var pictureQuoting = template.FuncMap{"text": report.XMLText, "number": quoteNumber, "class": quoteClass, "style": style}

// pictureTemplate is text/template because html/template knows HTML and not XML: it leaves
// characters that XML forbids.
var pictureTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("chart.svg.tmpl").Option("missingkey=error").Funcs(pictureQuoting).ParseFS(templates.FS, "chart.svg.tmpl"))
})

// quoteNumber writes a number as XML and CSS read it, pixels to a thousandth.
func quoteNumber(n any) (string, error) {
	switch n := n.(type) {
	case int:
		return strconv.Itoa(n), nil
	case uint16:
		return strconv.Itoa(int(n)), nil
	case float64:
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return "", fmt.Errorf("%v is not a place in a picture", n)
		}
		return strconv.FormatFloat(math.Round(n*1000)/1000, 'f', -1, 64), nil
	}
	return "", fmt.Errorf("%v is not a number", n)
}

// quoteClass lets words of our own pass, such as classes and numbers of bars, and nothing else.
func quoteClass(s string) (string, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != ' ' }) {
		return "", fmt.Errorf("%q is not a class", s)
	}
	return s, nil
}

// style is the style sheet of a picture that stands alone, without what XML would take for markup.
func style(theme string) (string, error) {
	t := Auto
	if theme != "" {
		if err := t.Set(theme); err != nil {
			return "", err
		}
	}
	css := variables() + plainInks(pictureStyle(), t)
	if strings.ContainsAny(css, "<&") {
		return "", fmt.Errorf("picture.css has markup")
	}
	return css, nil
}

// pictureStyle is how a picture looks, in terms of variables.
func pictureStyle() string {
	css, err := templates.FS.ReadFile("picture.css")
	if err != nil {
		panic(err) // it is part of this program
	}
	return string(css)
}

// svgPicture is what the template prints. Boxes of panels are relative to Left and Top.
type svgPicture struct {
	Width, Height float64
	Left, Top     float64
	Alone         bool // a file of its own, with a style sheet
	Theme         string
	Title, Desc   string
	Head          []svgWord
	Panels        []svgPanel
	Legend        []svgKey
	Sources       []svgWord
	Foot          svgWord
}

type svgWord struct {
	Class  string
	X, Y   float64 // Y of the base line
	Text   string
	Length float64 // 0, or how wide it has to be
	Bar    string  // of which it speaks
	About  string  // its title
}

type svgPanel struct {
	Number      int
	Title, Note svgWord
	Ticks       []svgTick
	Groups      []svgGroup
}

type svgTick struct {
	X, From, To float64
	Edge        int // 0 to 65536: the port that begins there
	Word        svgWord
}

type svgGroup struct {
	Number   int
	Y, Right float64
	Words    []svgWord
	Lanes    []svgLane
}

type svgLane struct {
	Number                     int
	Proto                      string // "all" for all protocols
	Bands, Ghosts, Bars, Marks []svgRect
	Words                      []svgWord
}

type svgRect struct {
	Class string
	Box   chart.Box
	Ports port.Range
	Bar   string
	About string // its title
}

type svgKey struct {
	Class   string
	Hatched string // the class of a mark above it
	Box     chart.Box
	Word    svgWord
}

// SVG draws a picture that stands alone: an XML document without references to anything else.
func SVG(w io.Writer, p *chart.Picture, o Options) error {
	if _, err := io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"); err != nil {
		return err
	}
	f := svgFrame(o)
	f.Inline = true
	return svgOf(w, p, chart.Lay(p, f), o, true)
}

// laySVG places p on a sheet of pixels for a page, in which bars move.
func laySVG(p *chart.Picture, o Options) *chart.Sheet { return chart.Lay(p, svgFrame(o)) }

// svgFrame is a sheet of pixels, inside the margins.
func svgFrame(o Options) chart.Frame {
	width := float64(min(max(cmp.Or(o.Width, usualPixels), LeastPixels), MostPixels)) - 2*margin
	return chart.Frame{Width: width, Names: math.Floor(width * 0.22), Row: rowHeight, Line: lineHeight, Gap: 6, Axis: axisHeight,
		Least: leastBar, Pad: wordPad, Linear: o.Linear, Text: func(s string) float64 { return textWidth(s, fontSize) }}
}

// svgOf draws an <svg> element of a sheet in an svgFrame. What stands alone has a style sheet
// and a theme of its own; in a page both are those of the page, see variables and pictureStyle,
// and so is the legend.
//
// Classes and data-* attributes of its parts are what scripts of a page rely on:
//
//	<svg class="picture">
//	  <g class="sheet">                                  x = 0 is that of the sheet
//	    <g class="panel" id="panel-0" data-panel="0">
//	      <line class="tick-line" data-edge="32768">     a border of ports, 0 to 65536
//	      <text class="tick">
//	      <g class="group" data-group="0">
//	        <g class="lane" data-lane="0" data-proto="tcp">   or udp, or all
//	          <rect class="band ephemeral" data-first="32768" data-last="60999">
//	          <rect class="ghost" data-first data-last data-bar>
//	          <rect class="bar rtp" data-first data-last data-bar="0-0-0-0">   panel, group, lane, bar
//	          <rect class="mark error" data-first data-last data-bar>
//	          <text class="label" data-bar>              "label inner" inside its bar
//	          <text class="mark-words error" data-bar>
func svgOf(w io.Writer, p *chart.Picture, s *chart.Sheet, o Options, alone bool) error {
	pic := svgPicture{Width: s.Width + 2*margin, Left: margin, Alone: alone, Title: cmp.Or(p.Title, "Ports"), Desc: described(p)}
	if alone && o.Theme != Auto {
		pic.Theme = o.Theme.String()
	}
	y := margin
	head := func(class, text string, x, size, height float64) {
		y += height
		pic.Head = append(pic.Head, written(class, margin+x, y-height*0.25, text, size))
	}
	if p.Title != "" {
		head("title", fitting(report.Printable(p.Title), s.Width, titleSize), 0, titleSize, 28)
	}
	for _, l := range p.Lines { // what has to be changed is not cut
		indent := textWidth(itemSign(l), lineSize)
		x := 0.0
		for _, line := range foldPixels(report.Printable(l), s.Width, s.Width-indent, lineSize) {
			head("subtitle", line, x, lineSize, 19)
			x = indent
		}
	}
	if len(pic.Head) > 0 {
		y += 8
	}
	pic.Top = y
	for i := range s.Panels {
		pic.Panels = append(pic.Panels, panelOf(p, s, i))
	}
	// The tables and the script of a page say it too, and a third of a fleet's page would be titles.
	// In a page of one host they are for those who have no scripts.
	if !alone && len(pic.Panels) > 1 {
		for i := range pic.Panels {
			pic.Panels[i].untitle()
		}
	}
	y += s.Height + 14
	if alone {
		pic.Legend, y = legendOf(p, s.Width, y)
		pic.Sources, y = svgSources(p, s.Width, y)
		y += 22
		foot := joined(" ", "portolan", report.Printable(o.Version)) + " · point at a bar to see where its ports come from"
		pic.Foot = written("foot", margin, y, fitting(foot, s.Width, fontSize), fontSize)
	}
	pic.Height = math.Ceil(y + margin*0.75)
	return pictureTemplate().Execute(w, &pic)
}

// svgSources is the list of sources below y, and where it ends.
func svgSources(p *chart.Picture, width, y float64) ([]svgWord, float64) {
	var out []svgWord
	add := func(x float64, text string) {
		y += lineHeight
		out = append(out, written("source", margin+x, y, text, fontSize))
	}
	list, pages := sourcesOf(p)
	if len(list) > 0 {
		y += 10
		add(0, "sources:")
	}
	const indent = 12
	for _, words := range list {
		x := float64(indent)
		for _, line := range foldPixels(words, width-indent, width-2*indent, fontSize) {
			add(x, line)
			x = 2 * indent
		}
	}
	for _, page := range pages {
		add(indent, page)
	}
	return out, y
}

// middle is the base line of words in the middle of a row.
func middle(y, height float64) float64 { return y + height/2 + fontSize*0.36 }

// word is a word of the sheet, in a row of the given height.
func word(class string, w chart.Word, height float64) svgWord {
	return written(class, w.X, middle(w.Y, height), w.Text, fontSize)
}

// written is text of which the base line begins at x and y.
func written(class string, x, y float64, text string, size float64) svgWord {
	return svgWord{Class: class, X: x, Y: y, Text: text, Length: settled(text, size)}
}

func panelOf(p *chart.Picture, s *chart.Sheet, i int) svgPanel {
	b, panel := &s.Panels[i], &p.Panels[i]
	out := svgPanel{Number: i, Title: word("panel-title", b.Title, axisHeight), Note: word("note", b.Note, axisHeight)}
	for _, t := range s.Ticks {
		at := t.Words
		at.Y = b.Axis
		tick := svgTick{X: t.X, From: b.Lanes.Y - tickLength, To: b.Lanes.Y, Edge: int(t.Port), Word: word("tick", at, axisHeight-tickLength)}
		if math.Abs(s.Plot.X+s.Scale.X(tick.Edge)-t.X) > math.Abs(s.Plot.X+s.Scale.X(tick.Edge+1)-t.X) {
			tick.Edge++
		}
		out.Ticks = append(out.Ticks, tick)
	}
	for k := range b.Groups {
		out.Groups = append(out.Groups, groupOf(panel, s, i, k, &b.Groups[k]))
	}
	return out
}

// untitle leaves out what is said when somebody points at a part.
func (p *svgPanel) untitle() {
	for k := range p.Groups {
		for n := range p.Groups[k].Lanes {
			l := &p.Groups[k].Lanes[n]
			for _, rects := range [...][]svgRect{l.Bands, l.Bars, l.Marks} {
				for i := range rects {
					rects[i].About = ""
				}
			}
		}
	}
}

func groupOf(p *chart.Panel, s *chart.Sheet, i, k int, b *chart.GroupBox) svgGroup {
	g := svgGroup{Number: k, Y: b.Y, Right: s.Width}
	height := func(w chart.Word) float64 {
		if len(b.Lanes) > 0 && b.Lanes[0].Y == w.Y {
			return rowHeight
		}
		return lineHeight // on a row of its own
	}
	name := word("name", b.Name, height(b.Name))
	about := []string{p.Groups[k].Title}
	for n := range p.Groups[k].Sources {
		source := &p.Groups[k].Sources[n]
		about = append(append(about, source.String()), source.Cites...)
	}
	name.About = joined("\n", about...)
	g.Words = append(g.Words, name, word("note", b.Note, height(b.Note)))
	for n := range b.Lanes {
		g.Lanes = append(g.Lanes, laneOf(p, &b.Lanes[n], p.Groups[k].Lanes[n].Proto, fmt.Sprintf("%d-%d-%d-", i, k, n)))
		g.Lanes[n].Number = n
	}
	return g
}

func laneOf(p *chart.Panel, b *chart.LaneBox, proto port.Proto, id string) svgLane {
	l := svgLane{Proto: "all"}
	if proto != 0 {
		l.Proto = proto.String()
	}
	for _, d := range b.Bands {
		l.Bands = append(l.Bands, svgRect{Class: d.Band.Kind.String(), Box: d.Box, Ports: d.Band.Ports, About: aboutBand(d.Band)})
	}
	l.Words = append(l.Words, word("proto", b.Proto, rowHeight))
	below := b.Y // all rows of bars
	for m := range b.Bars {
		below = max(below, b.Bars[m].Y+rowHeight)
	}
	about := func(class, number string, w chart.Word) {
		height := rowHeight
		if w.Y >= below {
			height = lineHeight
		}
		said := word(class, w, height)
		said.Bar = number
		l.Words = append(l.Words, said)
	}
	for m := range b.Bars {
		bar := &b.Bars[m]
		number := id + strconv.Itoa(m)
		rect := svgRect{Class: bar.Bar.Kind.String(), Box: inset(bar.Box), Ports: bar.Bar.Ports, Bar: number, About: aboutBar(p, bar.Bar)}
		l.Bars = append(l.Bars, rect)
		moved := bar.Bar.Moved.Ranges()
		for g, box := range bar.Ghosts {
			l.Ghosts = append(l.Ghosts, svgRect{Box: inset(box), Ports: moved[g], Bar: number})
		}
		class := "label"
		switch {
		case bar.Inner && bar.Bar.Kind.Behind():
			class = "label inner behind"
		case bar.Inner:
			class = "label inner " + rect.Class
		}
		about(class, number, bar.Label)
		for _, mark := range bar.Marks {
			severity := mark.Mark.Severity.String()
			runs := mark.Mark.Ports.Intersect(port.Of(bar.Bar.Ports)).Ranges()
			title := barWords(bar.Bar) + "\n" + findingWords(&p.Findings[mark.Mark.Finding])
			for r, box := range mark.Runs {
				l.Marks = append(l.Marks, svgRect{Class: severity, Box: inset(box), Ports: runs[r], Bar: number, About: title})
			}
			about("mark-words "+severity, number, mark.Words)
		}
	}
	return l
}

// inset is the part of a row that a bar fills.
func inset(b chart.Box) chart.Box {
	return chart.Box{X: b.X, Y: b.Y + barInset, W: b.W, H: b.H - 2*barInset}
}

// legendOf explains what is there, in rows below y, and says where they end.
func legendOf(p *chart.Picture, width, y float64) ([]svgKey, float64) {
	const (
		swatch = 22.0
		space  = 22.0
	)
	var keys []svgKey
	x := margin
	add := func(class, hatched, words string) {
		w := swatch + 6 + textWidth(words, fontSize)
		if x > margin && x+w > margin+width {
			x, y = margin, y+rowHeight
		}
		keys = append(keys, svgKey{class, hatched, inset(chart.Box{X: x, Y: y, W: swatch, H: rowHeight}),
			written("key", x+swatch+6, middle(y, rowHeight), words, fontSize)})
		x += w + space
	}
	for _, k := range p.Kinds() {
		class := "bar " + k.String()
		if k.Behind() {
			class = "band " + k.String()
		}
		add(class, "", k.Words())
	}
	if worst, words := marksOf(p); words != "" {
		add("bar other", worst.String(), words)
	}
	moved := false
	for b := range p.Bars() {
		moved = moved || !b.Moved.IsEmpty()
	}
	if moved {
		add("ghost", "", ghostWords)
	}
	if len(keys) > 0 {
		y += rowHeight
	}
	return keys, y
}

// described is p in words, for those who cannot see it: how much there is, and what is wrong.
func described(p *chart.Picture) string {
	bars, services := 0, 0
	for i := range p.Panels {
		for k := range p.Panels[i].Groups {
			n := 0
			for _, lane := range p.Panels[i].Groups[k].Lanes {
				for m := range lane.Bars {
					if !lane.Bars[m].Kind.Behind() {
						n++
					}
				}
			}
			if bars += n; n > 0 {
				services++
			}
		}
	}
	lines := []string{fmt.Sprintf("The ports 0 to 65535 from left to right, a row for each protocol of a service: %d services, %d listeners.", services, bars)}
	for i := range p.Panels {
		for _, f := range p.Panels[i].Findings {
			if f.Quarrel {
				lines = append(lines, findingWords(&f)+".")
			}
		}
	}
	return strings.Join(lines, "\n")
}

// joined leaves out what is empty.
func joined(separator string, words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), separator)
}

func portWords(proto port.Proto, r port.Range) string {
	if proto == 0 {
		return r.String()
	}
	return r.String() + "/" + proto.String()
}

// findingWords are a finding on one line, "error port-overlap: … (file:line); help: …".
func findingWords(f *chart.Finding) string {
	text := fmt.Sprintf("%s %s: %s (%s)", f.Severity, f.Rule, f.Message, f.Place)
	if f.Help != "" {
		text += "; help: " + f.Help
	}
	return text
}

// aboutBar is all that is known of a bar, for its title.
func aboutBar(p *chart.Panel, b *chart.Bar) string {
	said := func(label, text string) string {
		if text == "" {
			return ""
		}
		return label + text
	}
	from := b.Place
	if b.Origin != "" {
		from += " (" + b.Origin + ")"
	}
	lines := []string{barWords(b), b.Words, said("written as ", b.Nominal), said("address ", b.Bind), said("from ", from)}
	for _, m := range b.Marks {
		lines = append(lines, findingWords(&p.Findings[m.Finding]))
	}
	return joined("\n", lines...)
}

func barWords(b *chart.Bar) string {
	return joined(" ", b.Service, b.Name) + ": " + portWords(b.Proto, b.Ports)
}

func aboutBand(b *chart.Band) string {
	text := b.Words + ": " + portWords(b.Proto, b.Ports)
	if b.From != "" {
		text += "\nfrom " + b.From
	}
	return text
}
