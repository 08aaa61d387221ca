package draw

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"portolan/internal/browser"
	"portolan/internal/chart"
	"portolan/internal/diag"
	"portolan/internal/port"
)

// A measured text, in pixels of the picture.
type measuredText struct {
	Class, Text         string
	Left, Right         float64
	Top, Bottom, Length float64
	Size                float64
	Picture, Font       int
}

// measure is where a browser puts the text of pictures, in each of the fonts; "" stands for those
// that the style sheet names.
func measure(t *testing.T, pictures [][]byte, fonts []string) []measuredText {
	t.Helper()
	var page strings.Builder
	page.WriteString(`<!DOCTYPE html><meta charset="utf-8"><body>`)
	for f, font := range fonts {
		if font != "" {
			fmt.Fprintf(&page, `<style>.font-%d svg.picture { font-family: %q }</style>`, f, font)
		}
		for i, p := range pictures {
			_, svg, _ := strings.Cut(string(p), "?>")
			fmt.Fprintf(&page, `<div class="one font-%d" data-font="%[1]d" data-picture="%d">%s</div>`, f, i, svg)
		}
	}
	name := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(name, []byte(page.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	tab := browser.Start(t)
	tab.Do(chromedp.Navigate("file://" + filepath.ToSlash(name)))
	return browser.Value[[]measuredText](tab, `(() => {
		const out = [];
		for (const e of document.querySelectorAll('svg.picture text')) {
			const box = e.getBBox(), sheet = e.closest('.sheet'), one = e.closest('.one');
			const [left, top] = sheet ? sheet.getAttribute('transform').match(/[0-9.]+/g).map(Number) : [0, 0];
			const size = parseFloat(getComputedStyle(e).fontSize);
			const base = parseFloat(e.getAttribute('y')) + top;
			let text = ''; // without the title
			for (const n of e.childNodes) if (n.nodeType === Node.TEXT_NODE) text += n.data;
			out.push({Class: e.getAttribute('class'), Text: text, Left: box.x + left, Right: box.x + left + e.getComputedTextLength(),
				Top: base - 0.72 * size, Bottom: base + 0.21 * size, Length: e.getComputedTextLength(), Size: size,
				Picture: Number(one.dataset.picture), Font: Number(one.dataset.font)});
		}
		return out;
	})()`)
}

// manyServices is a picture of n services with listeners of all sizes, some of them marked.
func manyServices(n int) *chart.Picture {
	r := rand.New(rand.NewPCG(7, 7))
	panel := chart.Panel{Title: "edge-01", Note: "many findings", Findings: []chart.Finding{{Rule: "port-overlap", Severity: diag.Error, Message: "ports meet", Place: "etc/x:1", Quarrel: true}},
		Bands: []chart.Band{{Kind: chart.Ephemeral, Ports: port.Range{First: 32768, Last: 60999}, Words: "ephemeral ports of linux"}}}
	for i := range n {
		lane := chart.Lane{Proto: port.Protos[i%2]}
		next := r.IntN(9000)
		for range 1 + r.IntN(4) {
			if next > 64000 {
				break
			}
			b := chart.Bar{Kind: chart.Kind(r.IntN(int(chart.Ephemeral))), Proto: lane.Proto, Name: []string{"sip", "rtp-interface", "WWW mmm", "api"}[r.IntN(4)],
				Ports: port.Range{First: uint16(next), Last: uint16(next + r.IntN(3)*r.IntN(400))}}
			if r.IntN(3) == 0 {
				b.Marks = []chart.Mark{{Ports: port.Of(b.Ports), Rule: "port-overlap", Severity: diag.Error}}
			}
			lane.Bars = append(lane.Bars, b)
			next = int(b.Ports.Last) + 1 + r.IntN(20000)
		}
		panel.Groups = append(panel.Groups, chart.Group{Name: fmt.Sprintf("service-%d %s", i, strings.Repeat("mw", r.IntN(12))), Lanes: []chart.Lane{lane}})
	}
	return &chart.Picture{Title: "Many services", Lines: []string{"of many kinds"}, Panels: []chart.Panel{panel}}
}

// TestTextInBrowser: no text is wider than the layout thinks, in a narrow font and in a wide one,
// so no two texts of a picture meet, and none leaves it.
func TestTextInBrowser(t *testing.T) {
	var pictures [][]byte
	var width []float64
	words := []string{"統一碼 番号", "шлюз ЖЩМ", "שלום", "ﷺ﷽", "👩👩", "e\u0301\u0301a", "WWWWMMMM@@@@%%%%", "iiiillll....", "Ærøskøbing Ĳ", "7590 → 7591 – × — · …"}
	r := rand.New(rand.NewPCG(3, 3))
	add := func(p *chart.Picture, o Options) {
		pictures = append(pictures, write(t, p, o))
		width = append(width, laySVG(p, o).Width+2*margin)
	}
	for _, name := range []string{"ivr-01", "media-02", "win-ivr"} {
		p, _ := hostOf(t, name)
		for _, w := range []int{600, 1200, 2000} {
			add(p, Options{Width: w, Version: "1.0"})
		}
	}
	add(manyServices(60), Options{})
	add(manyServices(60), Options{Linear: true, Width: 1600})
	for range 5 {
		p := randomPicture(r, func() string { return words[r.IntN(len(words))] })
		p.Title = strings.Repeat(p.Title+" ", 40)
		add(p, Options{})
	}
	fonts := []string{"", "DejaVu Sans", "Liberation Sans"}
	all := measure(t, pictures, fonts)
	lists := map[[2]int][]measuredText{}
	for _, m := range all {
		if thought := textWidth(m.Text, m.Size); m.Length > thought+0.1 {
			t.Errorf("%s: %q is %.1f wide, not %.1f", fonts[m.Font], m.Text, m.Length, thought)
		}
		lists[[2]int{m.Font, m.Picture}] = append(lists[[2]int{m.Font, m.Picture}], m)
	}
	if len(lists) != len(fonts)*len(pictures) || len(all) < 20*len(lists) {
		t.Fatalf("only %d texts of %d pictures were measured", len(all), len(lists))
	}
	for at, list := range lists {
		font, n := fonts[at[0]], at[1]
		for i, a := range list {
			if a.Left < 0 || a.Right > width[n] {
				t.Errorf("%s: picture %d: %q leaves the picture: %.1f to %.1f of %.1f", font, n, a.Text, a.Left, a.Right, width[n])
			}
			for _, b := range list[:i] {
				if a.Left < b.Right-0.1 && b.Left < a.Right-0.1 && a.Top < b.Bottom-0.1 && b.Top < a.Bottom-0.1 {
					t.Errorf("%s: picture %d: %s %q and %s %q meet at %.0f %.0f", font, n, a.Class, a.Text, b.Class, b.Text, a.Left, a.Top)
				}
			}
		}
	}
}
