package draw

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"portolan/internal/catalog"
	"portolan/internal/chart"
	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/quoted"
	"portolan/internal/report"
	"portolan/internal/source"
	"portolan/lint"
	"portolan/policies"
	"portolan/services"
)

var update = flag.Bool("update", false, "write the golden files anew")

// hostOf is a folder of testdata/hosts as a picture, and what was read for it.
func hostOf(t testing.TB, name string) (*chart.Picture, *inventory.Inventory) {
	t.Helper()
	cat, list, err := catalog.Load(services.FS)
	if err != nil || len(list) > 0 {
		t.Fatal(list, err)
	}
	platforms, list, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
	if err != nil || len(list) > 0 {
		t.Fatal(list, err)
	}
	tree := source.NewTree(os.DirFS(filepath.Join("..", "..", "testdata", "hosts", name)))
	inv, list, err := inventory.Read(cat, tree, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	facts, more, err := host.Load(tree, platforms)
	if err != nil {
		t.Fatal(err)
	}
	hosts := []host.Facts{facts}
	list = append(append(list, more...), lint.Run(inv, hosts, lint.Options{})...)
	list.Sort()
	panel := chart.Host(chart.Judged{Inventory: inv, Hosts: hosts, Findings: list, Quarrel: func(string) bool { return true }})
	return &chart.Picture{Title: "The ports of " + name, Lines: []string{"as its files say"}, Panels: []chart.Panel{panel}}, inv
}

// An element of a picture, as a reader of XML sees it.
type element struct {
	name   string
	attrs  map[string]string
	text   string // its own
	title  string // of its <title>
	within []*element
}

func (e *element) has(class string) bool {
	return slices.Contains(strings.Fields(e.attrs["class"]), class)
}

// number is an attribute that has to be one.
func (e *element) number(t testing.TB, name string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(e.attrs[name], 64)
	if err != nil {
		t.Fatalf("<%s %v>: %s is no number", e.name, e.attrs, name)
	}
	return n
}

func (e *element) ports(t testing.TB) port.Range {
	t.Helper()
	return port.Range{First: uint16(e.number(t, "data-first")), Last: uint16(e.number(t, "data-last"))}
}

// around is the value of an attribute of the nearest element around that has it.
func (e *element) around(name string) string {
	for _, w := range slices.Backward(e.within) {
		if v, ok := w.attrs[name]; ok {
			return v
		}
	}
	return ""
}

// elementsOf reads a picture strictly, and holds it against what every picture keeps: it refers
// to nothing outside, runs nothing, and has no style of its own but one sheet.
func elementsOf(t testing.TB, svg []byte) []*element {
	t.Helper()
	var all, open []*element
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := &element{name: token.Name.Local, attrs: map[string]string{}, within: slices.Clone(open)}
			for _, a := range token.Attr {
				if _, twice := e.attrs[a.Name.Local]; twice {
					t.Errorf("<%s> has %s twice", e.name, a.Name.Local)
				}
				e.attrs[a.Name.Local] = a.Value
				if a.Name.Local == "style" || a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") || a.Name.Local != "xmlns" && strings.Contains(a.Value, ":") {
					t.Errorf("<%s> has %s=%q", e.name, a.Name.Local, a.Value)
				}
			}
			if !slices.Contains([]string{"svg", "title", "desc", "style", "defs", "pattern", "path", "rect", "line", "g", "text"}, e.name) {
				t.Errorf("there is a <%s>", e.name)
			}
			all, open = append(all, e), append(open, e)
		case xml.EndElement:
			last := open[len(open)-1]
			open = open[:len(open)-1]
			if last.name == "title" {
				open[len(open)-1].title = last.text
			}
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(token)
			}
		case xml.Comment, xml.Directive:
			t.Errorf("there is %q", token)
		}
	}
	sheets := 0
	for _, e := range all {
		if e.name == "style" {
			sheets++
			for _, url := range regexp.MustCompile(`(?i)@import|url\([^#]|expression|javascript`).FindAllString(e.text, -1) {
				t.Errorf("the style sheet has %s", url)
			}
		}
	}
	if sheets != 1 || len(all) == 0 || all[0].name != "svg" {
		t.Errorf("%d style sheets in %d elements", sheets, len(all))
	}
	return all
}

// shown is what a reader sees of text with lines.
func shown(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = report.Printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

func only(all []*element, name, class string) []*element {
	var out []*element
	for _, e := range all {
		if e.name == name && e.has(class) && !slices.ContainsFunc(e.within, func(w *element) bool { return w.has("legend") }) {
			out = append(out, e)
		}
	}
	return out
}

// prove holds a picture that was written against what it is of: each bar, band and mark is there
// once, in its lane, in its place on the scale, and with its words.
func prove(t testing.TB, svg []byte, p *chart.Picture, o Options) {
	t.Helper()
	all := elementsOf(t, svg)
	s := laySVG(p, o)
	near := func(a, b float64) bool { return math.Abs(a-b) < 0.002 }
	placed := func(e *element) {
		t.Helper()
		from, to := s.Scale.Span(e.ports(t))
		from, to = from+s.Plot.X, to+s.Plot.X
		x, w := e.number(t, "x"), e.number(t, "width")
		if near(x, from) && near(x+w, to) {
			return
		}
		// What would be too small to see is wider, and covers the place of its ports.
		if x < from+0.002 && x+w > to-0.002 && w < leastBar+0.002 && x > s.Plot.X-0.002 && x+w < s.Plot.X+s.Plot.W+0.002 {
			return
		}
		t.Errorf("<rect %v> is not at %v to %v", e.attrs, from, to)
	}
	count := map[string]int{}
	for _, e := range append(only(all, "rect", "bar"), only(all, "rect", "band")...) {
		placed(e)
	}
	for _, e := range only(all, "line", "tick-line") {
		if edge, x := int(e.number(t, "data-edge")), e.number(t, "x1"); !near(x, s.Plot.X+s.Scale.X(edge)) || e.attrs["x2"] != e.attrs["x1"] {
			t.Errorf("<line %v> is not at the begin of port %d", e.attrs, edge)
		}
	}
	for _, e := range only(all, "rect", "ghost") {
		placed(e)
		count["ghost "+e.attrs["data-bar"]]++
	}
	for _, e := range only(all, "rect", "mark") {
		placed(e)
		count["mark "+e.attrs["data-bar"]]++
	}
	for _, e := range only(all, "rect", "bar") {
		count["bar "+e.attrs["data-bar"]]++
	}
	labels := map[string][]string{} // by lane: where marks of two bars say the same, it is said once
	for _, e := range all {
		if bar := e.attrs["data-bar"]; e.name == "text" && bar != "" {
			lane := bar[:strings.LastIndex(bar, "-")]
			labels[lane] = append(labels[lane], e.text)
		}
	}
	bars := 0
	for i := range p.Panels {
		for k := range p.Panels[i].Groups {
			g := &p.Panels[i].Groups[k]
			for n := range g.Lanes {
				for m := range g.Lanes[n].Bars {
					bars++
					b := &g.Lanes[n].Bars[m]
					id := fmt.Sprintf("%d-%d-%d-%d", i, k, n, m)
					at := slices.IndexFunc(all, func(e *element) bool { return e.has("bar") && e.attrs["data-bar"] == id })
					if at < 0 || count["bar "+id] != 1 {
						t.Fatalf("%s %s is there %d times", g.Name, b.Ports, count["bar "+id])
					}
					e := all[at]
					proto := "all"
					if p := g.Lanes[n].Proto; p != 0 {
						proto = p.String()
					}
					if e.ports(t) != b.Ports || !e.has(b.Kind.String()) || e.around("data-proto") != proto || e.around("data-group") != strconv.Itoa(k) ||
						e.around("data-panel") != strconv.Itoa(i) || e.around("data-lane") != strconv.Itoa(n) {
						t.Errorf("%v is not %s %s of %s", e.attrs, b.Name, b.Ports, g.Name)
					}
					for _, words := range []string{b.Service, b.Name, b.Ports.String(), b.Words, b.Bind, b.Place, b.Origin, b.Nominal} {
						if !strings.Contains(e.title, shown(words)) {
							t.Errorf("the title of %s %s does not say %q:\n%s", g.Name, b.Ports, words, e.title)
						}
					}
					runs := 0
					for x, mark := range b.Marks {
						f := &p.Panels[i].Findings[mark.Finding]
						runs += len(mark.Ports.Intersect(port.Of(b.Ports)).Ranges())
						if !strings.Contains(e.title, shown(f.Message)) || !strings.Contains(e.title, f.Rule) {
							t.Errorf("the title of %s %s does not say mark %d", g.Name, b.Ports, x)
						}
						if !slices.ContainsFunc(labels[id[:strings.LastIndex(id, "-")]], func(s string) bool { return strings.Contains(s, mark.Rule) }) {
							t.Errorf("no words at %s %s name %s: %q", g.Name, b.Ports, mark.Rule, labels)
						}
					}
					if moved := len(b.Moved.Ranges()); count["mark "+id] != runs || count["ghost "+id] != moved {
						t.Errorf("%s %s has %d marks, not %d, and %d ghosts, not %d", g.Name, b.Ports, count["mark "+id], runs, count["ghost "+id], moved)
					}
				}
			}
		}
	}
	if got := len(only(all, "rect", "bar")); got != bars {
		t.Errorf("%d bars are drawn, not %d", got, bars)
	}
}

func write(t testing.TB, p *chart.Picture, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := SVG(&b, p, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSVGGolden holds pictures of hosts against files, and proves the files: each claim of the
// inventory is one bar.
func TestSVGGolden(t *testing.T) {
	for _, name := range []string{"ivr-01", "media-02", "win-ivr"} {
		p, inv := hostOf(t, name)
		o := Options{Version: "1.0"}
		svg := write(t, p, o)
		path := filepath.Join("..", "..", "testdata", "golden", "chart", name+".svg")
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, svg, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		golden, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(golden, svg) {
			t.Errorf("%s is not what is written now; see the difference after: go test ./internal/draw -update", path)
			continue
		}
		prove(t, golden, p, o)
		bars := only(elementsOf(t, golden), "rect", "bar")
		listens := 0
		for i := range inv.Claims {
			c := &inv.Claims[i]
			if c.Direction == inventory.Connect {
				continue
			}
			listens++
			place := c.Span.Name()
			if c.Span.HasLine() {
				place += fmt.Sprintf(":%d ", c.Span.Position().Line)
			}
			found := 0
			for _, e := range bars {
				if e.ports(t) == c.Ports && e.around("data-proto") == c.Proto.String() && strings.HasPrefix(e.title, c.Service+" "+c.Listen+":") && strings.Contains(e.title, place) {
					found++
				}
			}
			if found != 1 {
				t.Errorf("%s: %s %s %s is drawn %d times", name, c.Service, c.Listen, c.Ports, found)
			}
		}
		if listens < 5 {
			t.Errorf("%s has %d listeners", name, listens)
		}
	}
}

// hostile are words that are no words of a picture.
var hostile = []string{
	`</title><script>alert(1)</script>`, `"/><image href="http://example.net/x"/>`, `]]><!-- & --> &amp; &#0; &lol;`, `' onload='alert(1)`,
	"\x00\x01\x1b[31m\x7f", "a\nb\tc\rd", "\xff\xfe\xc0\x80", "\ufffe\uffff\u202e\u200b\u2028", "統一碼 שלום مرحبا 👩‍👩‍👧", "e\u0301\u0301", strings.Repeat("w", 300), "<?xml?>", "",
}

// randomPicture is a picture with all that there can be.
func randomPicture(r *rand.Rand, words func() string) *chart.Picture {
	ports := func() port.Range {
		first := r.IntN(port.Max + 1)
		if r.IntN(3) == 0 {
			return port.Single(uint16(first))
		}
		return port.Range{First: uint16(first), Last: uint16(min(port.Max, first+1<<r.IntN(16)))}
	}
	kind := func(from, to chart.Kind) chart.Kind { return from + chart.Kind(r.IntN(int(to-from)+1)) }
	p := &chart.Picture{Title: words(), Lines: []string{words(), words()}}
	for range 1 + r.IntN(3) {
		panel := chart.Panel{Title: words(), Note: words()}
		for range r.IntN(4) {
			panel.Bands = append(panel.Bands, chart.Band{Kind: kind(chart.Ephemeral, chart.NomadPorts), Proto: port.Protos[r.IntN(2)], Ports: ports(), Words: words(), From: words()})
		}
		panel.Findings = []chart.Finding{
			{Rule: "port-overlap", Severity: diag.Error, Message: words(), Place: words(), Help: words(), Quarrel: true},
			{Rule: "reserved-port", Severity: diag.Warning, Message: words(), Place: words(), Quarrel: true},
		}
		for range 1 + r.IntN(4) {
			g := chart.Group{Name: words(), Title: words(), Note: words(), Sources: []chart.Source{{Words: words(), Note: words(), Cites: []string{words()}}}}
			for _, proto := range [...]port.Proto{0, port.TCP, port.UDP} {
				lane := chart.Lane{Proto: proto}
				for range r.IntN(5) {
					b := chart.Bar{Kind: kind(chart.Other, chart.NomadPorts), Proto: proto, Ports: ports(), Name: words(), Words: words(), Service: words(), Place: words(),
						Origin: "config", Nominal: words(), Bind: words()}
					if r.IntN(3) == 0 {
						b.Moved = port.Of(ports(), ports())
					}
					for f := range panel.Findings {
						if r.IntN(3) == 0 {
							b.Marks = append(b.Marks, chart.Mark{Ports: port.Of(port.Single(b.Ports.First), port.Single(b.Ports.Last), ports()), Rule: panel.Findings[f].Rule, Severity: panel.Findings[f].Severity, Finding: f})
						}
					}
					lane.Bars = append(lane.Bars, b)
				}
				slices.SortFunc(lane.Bars, func(a, b chart.Bar) int { return int(a.Ports.First) - int(b.Ports.First) })
				g.Lanes = append(g.Lanes, lane)
			}
			panel.Groups = append(panel.Groups, g)
		}
		p.Panels = append(p.Panels, panel)
	}
	return p
}

// TestSVGOfAnything draws pictures of which all words are hostile, in all ways.
func TestSVGOfAnything(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := randomPicture(r, func() string { return hostile[r.IntN(len(hostile))] })
		o := Options{Width: r.IntN(3000), Linear: r.IntN(2) == 0, Theme: Theme(r.IntN(3)), Version: hostile[r.IntN(len(hostile))]}
		prove(t, write(t, p, o), p, o)
	}
	for _, p := range []*chart.Picture{{}, {Panels: []chart.Panel{{}}}, {Panels: []chart.Panel{{Groups: []chart.Group{{Name: "x"}}}}}} {
		prove(t, write(t, p, Options{}), p, Options{})
	}
}

func FuzzSVG(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, uint64(1))
	}
	f.Fuzz(func(t *testing.T, s string, seed uint64) {
		p := randomPicture(rand.New(rand.NewPCG(seed, 2)), func() string { return s })
		prove(t, write(t, p, Options{}), p, Options{})
	})
}

// TestLegend: it explains each kind that is there, and nothing else.
func TestLegend(t *testing.T) {
	legend := func(p *chart.Picture) (classes []string) {
		for _, e := range elementsOf(t, write(t, p, Options{})) {
			if e.name == "rect" && len(e.within) > 0 && e.within[len(e.within)-1].has("legend") {
				classes = append(classes, e.attrs["class"])
			}
		}
		return classes
	}
	bar := func(kind chart.Kind, severities ...diag.Severity) *chart.Picture {
		b := chart.Bar{Kind: kind, Proto: port.TCP, Ports: port.Single(5060)}
		panel := chart.Panel{Bands: []chart.Band{{Kind: chart.System, Ports: port.Range{Last: 1023}}}}
		for i, s := range severities {
			b.Marks = append(b.Marks, chart.Mark{Ports: port.Of(b.Ports), Rule: "x", Severity: s, Finding: i})
			panel.Findings = append(panel.Findings, chart.Finding{Rule: "x", Severity: s})
		}
		panel.Groups = []chart.Group{{Lanes: []chart.Lane{{Proto: port.TCP, Bars: []chart.Bar{b}}}}}
		return &chart.Picture{Panels: []chart.Panel{panel}}
	}
	moved := bar(chart.RTP)
	moved.Panels[0].Groups[0].Lanes[0].Bars[0].Moved = port.Of(port.Single(9))
	for _, test := range []struct {
		p    *chart.Picture
		want []string
	}{
		{&chart.Picture{}, nil},
		{bar(chart.MRCP), []string{"bar mrcp", "band system"}},
		{bar(chart.RTP, diag.Info, diag.Warning), []string{"bar rtp", "band system", "bar other", "mark warning"}},
		{bar(chart.Excluded, diag.Error), []string{"band system", "band excluded", "bar other", "mark error"}},
		{moved, []string{"bar rtp", "band system", "ghost"}},
	} {
		if got := legend(test.p); !slices.Equal(got, test.want) {
			t.Errorf("the legend is %q, not %q", got, test.want)
		}
	}
}

func TestPictureTemplatePrintsOnlyQuotedValues(t *testing.T) {
	bare, all := quoted.Bare(pictureTemplate(), pictureQuoting)
	if len(bare) > 0 || all < 40 {
		t.Errorf("%d actions, of which are bare: %q", all, bare)
	}
}

func TestQuoteNumberAndClass(t *testing.T) {
	for n, want := range map[any]string{1: "1", uint16(65535): "65535", 0.1: "0.1", 1.0 / 3: "0.333", -0.0001: "-0", 1e9: "1000000000"} {
		if got, err := quoteNumber(n); err != nil || got != want {
			t.Errorf("%v: %q, %v", n, got, err)
		}
	}
	for _, n := range []any{math.NaN(), math.Inf(1), "1", nil, port.Single(1)} {
		if got, err := quoteNumber(n); err == nil {
			t.Errorf("%v became %q", n, got)
		}
	}
	for _, s := range []string{`a"`, "a<", "ä", "A", "a\n", "url(x)"} {
		if got, err := quoteClass(s); err == nil {
			t.Errorf("%q became %q", s, got)
		}
	}
	for k := chart.Other; k <= chart.NomadPorts; k++ {
		if _, err := quoteClass(k.String()); err != nil {
			t.Error(err)
		}
	}
}

func TestFitting(t *testing.T) {
	for _, s := range []string{"", "a", "the ports of a host", strings.Repeat("wi ", 100), strings.Repeat("統", 50)} {
		for width := 20.0; width < 400; width += 7 {
			got := fitting(s, width, 20)
			begin, cut := strings.CutSuffix(got, "…")
			switch {
			case textWidth(got, 20) > width:
				t.Errorf("%q is wider than %v", got, width)
			case !cut && got != s, cut && (textWidth(s, 20) <= width || !strings.HasPrefix(s, begin)):
				t.Errorf("%q became %q at %v", s, got, width)
			}
		}
	}
}

func TestSettled(t *testing.T) {
	for s, known := range map[string]bool{"": true, "rtp 35000-35799": true, "7590 → 7591 · a–b": true, "größe": false, "統一碼 5060": false, "a\u0301": false, "👩": false} {
		got := settled(s, 10)
		if (got == 0) != known || got > textWidth(s, 10) {
			t.Errorf("%q is given %v of %v", s, got, textWidth(s, 10))
		}
	}
}

// TestPageHasNoSheet: in a page, style, theme and legend are those of the page.
func TestPageHasNoSheet(t *testing.T) {
	p, _ := hostOf(t, "ivr-01")
	var b bytes.Buffer
	if err := svgOf(&b, p, laySVG(p, Options{}), Options{Theme: Dark}, false); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<style", "data-theme", "<?xml", "style=", `class="legend"`, `class="foot"`} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("it has %s", bad)
		}
	}
	if !strings.HasPrefix(b.String(), "<svg ") || !strings.Contains(b.String(), `class="bar rtp"`) {
		t.Error("it is no picture")
	}
}
