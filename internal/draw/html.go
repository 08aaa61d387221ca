package draw

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"portolan/internal/chart"
	"portolan/internal/port"
	"portolan/templates"
)

// pagePixels is the usual width of the picture in a page: beside it stands what is said about it.
// The script makes it as wide as there is room.
const pagePixels = 1000

// pageTemplate is html/template, which quotes each value for its place.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("chart.html.tmpl").Option("missingkey=error").ParseFS(templates.FS, "chart.html.tmpl"))
})

// address is what can be a link.
var address = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^https://[!-~]+$`) })

// HTML draws one page that needs nothing else: the picture, which a script makes larger and
// explains, and the same as tables. Its policy lets nothing run but that script, and nothing be
// fetched. Without scripts, and on paper, picture and tables are there too.
func HTML(w io.Writer, p *chart.Picture, o Options) error {
	o.Width = cmp.Or(o.Width, pagePixels)
	s := laySVG(p, o)
	var picture bytes.Buffer
	// The page has title and lines itself.
	if err := svgOf(&picture, &chart.Picture{Panels: p.Panels}, s, o, false); err != nil {
		return err
	}
	style, script := variables()+pictureStyle()+file("chart.css"), file("chart.js")
	v := page{
		Policy: "default-src 'none'; script-src " + hash(script) + "; style-src " + hash(style) + "; base-uri 'none'; form-action 'none'",
		Style:  template.CSS(style), Script: template.JS(script), Picture: template.HTML(picture.String()),
		Title: cmp.Or(p.Title, "ports"), Lines: p.Lines, Version: o.Version, Data: dataOf(p, s, o),
	}
	if o.Theme != Auto {
		v.Theme = o.Theme.String()
	}
	v.fill(p)
	return pageTemplate().Execute(w, &v)
}

// file is a file of the templates.
func file(name string) string {
	text, err := templates.FS.ReadFile(name)
	if err != nil {
		panic(err) // it is part of this program
	}
	return string(text)
}

// hash names the text of an element in a policy (Content Security Policy level 3, section 2.3.1).
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// A page is what the template prints.
type page struct {
	Policy    string
	Style     template.CSS  // ours
	Script    template.JS   // ours
	Picture   template.HTML // quoted by its own template
	Theme     string        // "" for that of the system
	Title     string
	Lines     []string
	Version   string
	Links     []link // to panels, where there are several
	Services  []string
	Protos    []string
	Kinds     []key
	Bands     []key
	Marked    bool
	Moved     bool
	Platforms []string
	Claims    []row
	Findings  []findingRow
	Peers     []row
	Sources   []sources
	Data      sheetData
}

// A link leads to a panel.
type link struct {
	Number      int
	Title, Note string
}

// A key is a kind, for programs and for people.
type key struct{ Name, Words string }

// A row is a bar in a table.
type row struct {
	ID, Panel, Service, Name, Proto, Ports, Nominal, Bind, Kind, For, Origin, Place string
	Severity                                                                        int // the highest of Rules, 0 for none
	Rules                                                                           []rule
}

// A rule is a finding in few words.
type rule struct{ Severity, Rule string }

type findingRow struct {
	ID, Panel, Severity, Rule, Message, Place, Help string
	Rank                                            int // of Severity
	Notes                                           []string
}

// sources are where what a group says is written.
type sources struct {
	Words string
	Cites []cite
}

type cite struct {
	Text string
	Link bool
}

// fill writes the tables, and the choices of the filter.
func (v *page) fill(p *chart.Picture) {
	for _, k := range p.Kinds() {
		if k.Behind() {
			v.Bands = append(v.Bands, key{k.String(), k.Words()})
		} else {
			v.Kinds = append(v.Kinds, key{k.String(), k.Words()})
		}
	}
	titles := map[string]bool{}
	for i := range p.Panels {
		panel := &p.Panels[i]
		titles[panelTitle(panel, i)] = true
		if len(p.Panels) > 1 {
			v.Links = append(v.Links, link{i, panelTitle(panel, i), panel.Note})
		}
	}
	protos := map[string]bool{}
	for i := range p.Panels {
		panel := &p.Panels[i]
		title := panelTitle(panel, i)
		for k := range panel.Groups {
			g := &panel.Groups[k]
			v.source(g)
			if isSystem(g) && !slices.Contains(v.Platforms, g.Name) {
				v.Platforms = append(v.Platforms, g.Name)
			}
			for n := range g.Lanes {
				for m := range g.Lanes[n].Bars {
					b := &g.Lanes[n].Bars[m]
					protos[protoWord(b.Proto)] = true
					v.Moved = v.Moved || !b.Moved.IsEmpty()
					v.Marked = v.Marked || len(b.Marks) > 0
					// An overview has the bars of hosts that have panels of their own.
					if b.Kind.Behind() || g.Name != title && titles[g.Name] {
						continue
					}
					of := title
					if b.Label != "" { // a row is a host
						of = g.Name
					}
					v.Claims = append(v.Claims, rowOf(panel, b, barID(i, k, n, m), of))
				}
			}
		}
		for k := range panel.Findings {
			f := &panel.Findings[k]
			if titles[f.Group] { // stands with its host
				continue
			}
			v.Findings = append(v.Findings, findingRow{ID: fmt.Sprintf("f-%d-%d", i, k), Panel: cmp.Or(f.Group, title), Severity: f.Severity.String(),
				Rank: int(f.Severity), Rule: f.Rule, Message: f.Message, Place: f.Place, Help: f.Help, Notes: f.Notes})
		}
		for k := range panel.Peers {
			b := &panel.Peers[k]
			protos[protoWord(b.Proto)] = true
			v.Peers = append(v.Peers, rowOf(panel, b, fmt.Sprintf("p-%d-%d", i, k), title))
		}
	}
	if len(v.Platforms) < 2 {
		v.Platforms = nil // nothing to choose from
	}
	delete(protos, "")
	for name := range protos {
		v.Protos = append(v.Protos, name)
	}
	slices.Sort(v.Protos)
	for _, c := range v.Claims {
		v.Services = append(v.Services, c.Service)
	}
	slices.Sort(v.Services)
	v.Services = slices.Compact(v.Services)
}

// source adds where what a group says is written, each source once.
func (v *page) source(g *chart.Group) {
	for i := range g.Sources {
		words := g.Sources[i].String()
		if slices.ContainsFunc(v.Sources, func(s sources) bool { return s.Words == words }) {
			continue
		}
		s := sources{Words: words}
		for _, c := range g.Sources[i].Cites {
			s.Cites = append(s.Cites, cite{c, address().MatchString(c)})
		}
		v.Sources = append(v.Sources, s)
	}
}

// isSystem reports whether a group is what a system does with ports, and no service.
func isSystem(g *chart.Group) bool {
	some := false
	for n := range g.Lanes {
		for m := range g.Lanes[n].Bars {
			if !g.Lanes[n].Bars[m].Kind.Behind() {
				return false
			}
			some = true
		}
	}
	return some
}

// panelTitle is the name of a panel, by which people choose it.
func panelTitle(p *chart.Panel, i int) string { return cmp.Or(p.Title, "panel "+strconv.Itoa(i+1)) }

// barID names a bar by its place in the picture.
func barID(panel, group, lane, bar int) string {
	return fmt.Sprintf("%d-%d-%d-%d", panel, group, lane, bar)
}

// protoWord is "tcp", and nothing for all protocols.
func protoWord(p port.Proto) string {
	if p == 0 {
		return ""
	}
	return p.String()
}

func rowOf(p *chart.Panel, b *chart.Bar, id, panel string) row {
	r := row{ID: id, Panel: panel, Service: b.Service, Name: b.Name, Proto: protoWord(b.Proto), Ports: b.Ports.String(),
		Nominal: b.Nominal, Bind: b.Bind, Kind: b.Kind.String(), For: cmp.Or(b.Words, b.Kind.Words()), Origin: b.Origin, Place: b.Place}
	for _, k := range about(p, b) {
		f := &p.Findings[k]
		r.Severity = max(r.Severity, int(f.Severity))
		if x := (rule{f.Severity.String(), f.Rule}); !slices.Contains(r.Rules, x) {
			r.Rules = append(r.Rules, x)
		}
	}
	return r
}

// about are the findings of p about b: those that mark it, then those about the line that says it.
func about(p *chart.Panel, b *chart.Bar) []int {
	var out []int
	for _, m := range b.Marks {
		if !slices.Contains(out, m.Finding) {
			out = append(out, m.Finding)
		}
	}
	for k := range p.Findings {
		if b.Place != "" && p.Findings[k].Place == b.Place && !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out
}

// sheetData is what the script knows of the picture: all lengths are pixels of the sheet. What is
// empty is left out, as most of a fleet's page is this.
type sheetData struct {
	Width  float64     `json:"width"`
	Left   float64     `json:"left"` // where the sheet begins in the picture
	X      float64     `json:"x"`    // where the line of ports begins on the sheet
	Least  float64     `json:"least"`
	Pad    float64     `json:"pad"`
	Row    float64     `json:"row"`
	Line   float64     `json:"line"`
	Bases  [2]float64  `json:"bases"` // from the top of a row and of a line to the base line of words
	Ticks  [2]float64  `json:"ticks"` // from the top of an axis to the base line of its numbers; the length of its lines
	Digit  float64     `json:"digit"`
	Linear bool        `json:"linear"`
	Stops  []int       `json:"stops"` // see chart.Scale.Stops
	At     []float64   `json:"at"`
	Panels []panelData `json:"panels"`
}

type panelData struct {
	Title    string        `json:"title"`
	Y        float64       `json:"y"`
	H        float64       `json:"h"`
	Axis     float64       `json:"axis"`
	Top      float64       `json:"top"` // where its groups begin
	Bands    []bandData    `json:"bands,omitempty"`
	Groups   []groupData   `json:"groups,omitempty"`
	Findings []findingData `json:"findings,omitempty"`
	Peers    []portData    `json:"peers,omitempty"`
}

type groupData struct {
	Name   string     `json:"name,omitempty"`
	Title  string     `json:"title,omitempty"`
	System bool       `json:"system,omitempty"`
	Y      float64    `json:"y"`
	H      float64    `json:"h"`
	Bands  []bandData `json:"bands,omitempty"`
	Lanes  []laneData `json:"lanes,omitempty"`
}

type laneData struct {
	Proto string    `json:"proto,omitempty"`
	Y     float64   `json:"y"`
	H     float64   `json:"h"`
	Rows  int       `json:"rows"` // of bars; words stand in what is below
	Bars  []barData `json:"bars,omitempty"`
}

// portData are ports of a protocol.
type portData struct {
	Proto string `json:"proto,omitempty"` // "" for all, and where the lane says it
	First uint16 `json:"first"`
	Last  uint16 `json:"last,omitempty"` // 0 where it is First
}

type bandData struct {
	portData
	Words string `json:"words,omitempty"`
	From  string `json:"from,omitempty"`
}

type barData struct {
	portData
	Kind     string      `json:"kind"`
	Name     string      `json:"name,omitempty"`
	Words    string      `json:"words,omitempty"`
	Service  string      `json:"service,omitempty"`
	Place    string      `json:"place,omitempty"`
	Origin   string      `json:"origin,omitempty"`
	Nominal  string      `json:"nominal,omitempty"`
	Bind     string      `json:"bind,omitempty"`
	Because  [][2]string `json:"because,omitempty"`
	Marks    []markData  `json:"marks,omitempty"`
	Findings []int       `json:"findings,omitempty"`
	Row      int         `json:"row,omitempty"` // in its lane
	// Widths are those of the words about it: of chart.Bar.Caption, and of its label alone. None
	// where nothing is to be written.
	Label  string    `json:"label,omitempty"` // "" for its name
	At     string    `json:"at,omitempty"`    // see chart.Bar
	Widths []float64 `json:"widths,omitempty"`
}

type markData struct {
	Finding int         `json:"finding"`
	Systems []string    `json:"systems,omitempty"` // on which it is so; none where that is plain
	Ports   [][2]uint16 `json:"ports"`
	Words   wordData    `json:"words"`
}

type wordData struct {
	Text string  `json:"text"`
	W    float64 `json:"w"`
}

type findingData struct {
	Rule     string   `json:"rule"`
	Severity string   `json:"severity"`
	Message  string   `json:"message"`
	Place    string   `json:"place,omitempty"`
	Notes    []string `json:"notes,omitempty"`
	Help     string   `json:"help,omitempty"`
}

func dataOf(p *chart.Picture, s *chart.Sheet, o Options) sheetData {
	ports, at := s.Scale.Stops()
	d := sheetData{Width: s.Width, Left: margin, X: s.Plot.X, Least: leastBar, Pad: wordPad, Row: rowHeight, Line: lineHeight,
		Bases: [2]float64{middle(0, rowHeight), middle(0, lineHeight)}, Ticks: [2]float64{middle(0, axisHeight-tickLength), tickLength}, Digit: textWidth("0", fontSize), Linear: o.Linear, Stops: ports, At: at}
	for i := range p.Panels {
		panel, box := &p.Panels[i], &s.Panels[i]
		x := panelData{Title: panelTitle(panel, i), Y: box.Y, H: box.H, Axis: box.Axis, Top: box.Lanes.Y, Bands: bandsOf(panel.Bands)}
		for k := range panel.Groups {
			x.Groups = append(x.Groups, groupDataOf(panel, &panel.Groups[k], &box.Groups[k]))
		}
		for k := range panel.Findings {
			f := &panel.Findings[k]
			x.Findings = append(x.Findings, findingData{f.Rule, f.Severity.String(), f.Message, f.Place, f.Notes, f.Help})
		}
		for k := range panel.Peers {
			x.Peers = append(x.Peers, portsOf(panel.Peers[k].Proto, panel.Peers[k].Ports))
		}
		d.Panels = append(d.Panels, x)
	}
	return d
}

func groupDataOf(p *chart.Panel, g *chart.Group, b *chart.GroupBox) groupData {
	d := groupData{Name: g.Name, Title: g.Title, System: isSystem(g), Y: b.Y, H: b.H, Bands: bandsOf(g.Bands)}
	for n := range g.Lanes {
		lane, box := &g.Lanes[n], &b.Lanes[n]
		x := laneData{Proto: protoWord(lane.Proto), Y: box.Y, H: box.H, Rows: 1}
		for m := range lane.Bars {
			bar := barDataOf(p, &lane.Bars[m], &box.Bars[m])
			bar.Row = int(math.Round((box.Bars[m].Y - box.Y) / rowHeight))
			x.Rows = max(x.Rows, bar.Row+1)
			if bar.Proto == x.Proto {
				bar.Proto = ""
			}
			x.Bars = append(x.Bars, bar)
		}
		d.Lanes = append(d.Lanes, x)
	}
	return d
}

func portsOf(proto port.Proto, r port.Range) portData {
	d := portData{Proto: protoWord(proto), First: r.First}
	if r.Last != r.First {
		d.Last = r.Last
	}
	return d
}

func bandsOf(list []chart.Band) []bandData {
	var out []bandData
	for i := range list {
		b := &list[i]
		out = append(out, bandData{portsOf(b.Proto, b.Ports), cmp.Or(b.Words, b.Kind.Words()), b.From})
	}
	return out
}

// wordsOf is text with its width, to a hundredth of a pixel.
func wordsOf(text string) wordData {
	return wordData{text, math.Round(textWidth(text, fontSize)*100) / 100}
}

func barDataOf(p *chart.Panel, b *chart.Bar, box *chart.BarBox) barData {
	d := barData{portData: portsOf(b.Proto, b.Ports), Kind: b.Kind.String(), Name: b.Name, Label: b.Label, At: b.At, Words: b.Words,
		Service: b.Service, Place: b.Place, Origin: b.Origin, Nominal: b.Nominal, Bind: b.Bind, Findings: about(p, b)}
	for _, r := range b.Because {
		d.Because = append(d.Because, [2]string{r.Place, r.Text})
	}
	for _, text := range []string{b.Caption(), cmp.Or(b.Label, b.Name)} {
		if text != "" && !b.Quiet {
			d.Widths = append(d.Widths, wordsOf(text).W)
		}
	}
	for k := range box.Marks {
		m := markData{Finding: b.Marks[k].Finding, Systems: b.Marks[k].Systems, Words: wordsOf(box.Marks[k].Words.Text)}
		for _, r := range b.Marks[k].Ports.Intersect(port.Of(b.Ports)).Ranges() {
			m.Ports = append(m.Ports, [2]uint16{r.First, r.Last})
		}
		d.Marks = append(d.Marks, m)
	}
	return d
}
