package draw

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"portolan/internal/browser"
	"portolan/internal/chart"
	"portolan/internal/diag"
	"portolan/internal/port"
)

// shots names the environment variable with a folder for pictures of the pages, for people who
// want to see what the test has seen.
const shots = "PORTOLAN_BROWSER_SHOTS"

// small is a host of which the tests know each part.
func smallPage() *chart.Picture {
	p := chart.Panel{
		Bands: []chart.Band{
			{Kind: chart.System, Ports: port.Range{Last: 1023}, Words: "system ports", From: "RFC 6335 section 6"},
			{Kind: chart.Ephemeral, Ports: port.Range{First: 32768, Last: 60999}, Words: "ephemeral ports of linux", From: "etc/sysctl.d/10-net.conf:3"}},
		Findings: []chart.Finding{{Rule: "ephemeral-overlap", Severity: diag.Error, Message: "RTP 35000-35799/udp overlaps the ephemeral ports", Place: "etc/media.conf:24",
			Notes: []string{"linux hands out 32768-60999"}, Help: "set rtp_base to 25000", Quarrel: true}},
		Peers: []chart.Bar{{Proto: port.TCP, Ports: port.Single(389), Name: "ldap", Service: "media", Bind: "ldap.example", Place: "etc/media.conf:70"}},
	}
	bar := func(kind chart.Kind, proto port.Proto, first, last uint16, service, name, place string) chart.Bar {
		return chart.Bar{Kind: kind, Proto: proto, Ports: port.Range{First: first, Last: last}, Name: name, Words: name + " of " + service, Service: service, Place: place, Origin: "config", Bind: "*"}
	}
	rtp := bar(chart.RTP, port.UDP, 35000, 35799, "media", "rtp", "etc/media.conf:24")
	rtp.Because = []chart.Reason{{Place: "etc/media.conf:30", Text: "400"}}
	rtp.Marks = []chart.Mark{{Ports: port.Of(rtp.Ports), Rule: "ephemeral-overlap", Severity: diag.Error}}
	p.Groups = []chart.Group{
		{Name: "linux", Title: "Linux", Lanes: []chart.Lane{{Bars: []chart.Bar{{Kind: chart.Ephemeral, Ports: p.Bands[1].Ports, Name: "ephemeral", Words: "ephemeral ports of linux"}}}}},
		{Name: "media", Lanes: []chart.Lane{
			{Proto: port.TCP, Bars: []chart.Bar{bar(chart.Clients, port.TCP, 5060, 5060, "media", "sip", "etc/media.conf:12"), bar(chart.MRCP, port.TCP, 30000, 30799, "media", "mrcp", "etc/media.conf:18")}},
			{Proto: port.UDP, Bars: []chart.Bar{bar(chart.Clients, port.UDP, 5060, 5060, "media", "sip", "etc/media.conf:12"), rtp}}}},
		{Name: "sshd", Lanes: []chart.Lane{{Proto: port.TCP, Bars: []chart.Bar{bar(chart.Admin, port.TCP, 22, 22, "sshd", "ssh", "etc/ssh/sshd_config:1")}}}},
	}
	return &chart.Picture{Title: "ports of ivr-01", Lines: []string{"linux"}, Panels: []chart.Panel{p}}
}

// A browserPage is a page of ours in a browser.
type browserPage struct {
	*browser.Tab
	t *testing.T
}

// open writes a page into a file, as people have it, and opens it.
func (b browserPage) open(p *chart.Picture) {
	b.t.Helper()
	b.openAs(p, Options{Version: "1.0"})
}

func (b browserPage) openAs(p *chart.Picture, o Options) {
	b.t.Helper()
	name := filepath.Join(b.t.TempDir(), "chart.html")
	if err := os.WriteFile(name, pageOf(b.t, p, o), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.Do(chromedp.EmulateViewport(1400, 1000), chromedp.Navigate("file://"+filepath.ToSlash(name)))
	b.settle()
	if got := b.Requests(); len(got) != 1 {
		b.t.Errorf("the page asked for %q", got)
	}
}

// settle waits until what was asked of the page is drawn.
func (b browserPage) settle() {
	b.t.Helper()
	browser.Value[bool](b.Tab, `new Promise((done) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(true))))))`)
}

// kept waits until the page has written its state into its address, which is later.
func (b browserPage) kept() {
	b.t.Helper()
	b.settle()
	browser.Value[bool](b.Tab, `new Promise((done) => setTimeout(() => done(true), 200))`)
}

func (b browserPage) text(expression string) string {
	b.t.Helper()
	return browser.Value[string](b.Tab, expression)
}

// at sets the address of the page behind its #, as a link does.
func (b browserPage) at(hash string) {
	b.t.Helper()
	b.text("location.hash = " + literal(hash))
	b.settle()
}

// fill fills a field as somebody at the keyboard.
func (b browserPage) fill(selector, text string) {
	b.t.Helper()
	b.text(fmt.Sprintf(`document.querySelector(%s).value = ""`, literal(selector)))
	b.Do(chromedp.SendKeys(chromedp.CSS(selector), text))
	b.settle()
}

func (b browserPage) keys(keys string) {
	b.t.Helper()
	b.Do(chromedp.KeyEvent(keys))
	b.settle()
}

// move moves the pointer to the middle of an element.
func (b browserPage) move(selector string) (x, y float64) {
	b.t.Helper()
	box := browser.Value[[]float64](b.Tab, fmt.Sprintf(`(() => { const r = document.querySelector(%s).getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()`, literal(selector)))
	b.Do(chromedp.MouseEvent(chromedp.MouseMoved, box[0], box[1]))
	b.settle()
	return box[0], box[1]
}

func (b browserPage) inspector() string {
	b.t.Helper()
	return b.text(`document.getElementById("inspector").innerText`)
}

// shot writes what is seen where people ask for it.
func (b browserPage) shot(name string) {
	b.t.Helper()
	dir := os.Getenv(shots)
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), browser.Run(b.Tab, chromedp.CaptureScreenshot()), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b browserPage) media(media, scheme string) {
	b.t.Helper()
	browser.Call(b.Tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

func literal(s string) string {
	out, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string is always JSON
	}
	return string(out)
}

func wants(t *testing.T, what, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("%s lacks %q:\n%s", what, p, got)
		}
	}
}

// TestHTMLInABrowser looks at pages as people do. One browser does it all: to start one takes
// longer than most of this.
func TestHTMLInABrowser(t *testing.T) {
	tab := browser.Start(t)
	for _, c := range []struct {
		name string
		test func(browserPage)
	}{
		{"zoom", zooms}, {"pointer", points}, {"hover", hovers}, {"filter", filters}, {"platform", choosesPlatform}, {"address", addresses}, {"keyboard", usesKeys},
		{"hostile", isHostile}, {"looks", looks}, {"names", names}, {"paper", prints}, {"crowd", isFluid}, {"panels", hasPanels}, {"words", placesWords}, {"marks", keepsMarks}, {"touch", isTouched}, {"systems", knowsSystems}, {"focus", keepsFocus}, {"quiet", isQuiet}, {"fleet", isFluidInAFleet}, {"no script", hasNoScript},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := browserPage{tab, t}
			c.test(b)
			for _, said := range tab.Said() {
				t.Errorf("the console has: %s", said)
			}
		})
	}
}

// boxes are the bars that are seen: x and width, by their numbers.
func (b browserPage) boxes() map[string][2]float64 {
	b.t.Helper()
	return browser.Value[map[string][2]float64](b.Tab, `Object.fromEntries([...document.querySelectorAll("#picture .bar")].filter((e) => e.getAttribute("visibility") !== "hidden").
		map((e) => [e.dataset.bar, [Number(e.getAttribute("x")), Number(e.getAttribute("width"))]]))`)
}

// checkBoxes holds all bars against the scale, for a view of the given ports.
func (b browserPage) checkBoxes(p *chart.Picture, first, last int) {
	b.t.Helper()
	s := laySVG(p, Options{Width: pagePixels})
	width := browser.Value[float64](b.Tab, `document.querySelector("#picture svg").viewBox.baseVal.width`) - 4 - s.Plot.X
	from, to := s.Scale.X(first), s.Scale.X(last+1)
	least := leastBar * min(1, width/s.Plot.W)
	got := b.boxes()
	seen := 0
	for k := range p.Panels[0].Groups {
		for n, lane := range p.Panels[0].Groups[k].Lanes {
			for m, bar := range lane.Bars {
				id := barID(0, k, n, m)
				x1, x2 := (s.Scale.X(int(bar.Ports.First))-from)*width/(to-from), (s.Scale.X(int(bar.Ports.Last)+1)-from)*width/(to-from)
				if x2-x1 < least {
					x1 = min(x1, (s.Scale.Length()-from)*width/(to-from)-least)
					x2 = x1 + least
				}
				box, ok := got[id]
				if out := x2 <= 0 || x1 >= width; out || !ok {
					if out == ok {
						b.t.Errorf("bar %s %s: seen %v", id, bar.Ports, ok)
					}
					continue
				}
				seen++
				x1, x2 = max(x1, 0), min(x2, width)
				if math.Abs(box[0]-s.Plot.X-x1) > 0.002 || math.Abs(box[0]+box[1]-s.Plot.X-x2) > 0.002 {
					b.t.Errorf("ports %d-%d: bar %s %s is at %v, want %v to %v", first, last, id, bar.Ports, box, s.Plot.X+x1, s.Plot.X+x2)
				}
			}
		}
	}
	if seen == 0 {
		b.t.Errorf("ports %d-%d: no bar is seen", first, last)
	}
}

func zooms(b browserPage) {
	for _, p := range []*chart.Picture{smallPage(), crowd(9, 60)} {
		b.open(p)
		b.checkBoxes(p, 0, port.Max)
		for _, r := range [][2]int{{30000, 35999}, {0, 40000}, {34980, 35099}, {5060, 65535}} {
			b.at(fmt.Sprintf("ports=%d-%d", r[0], r[1]))
			b.checkBoxes(p, r[0], r[1])
		}
	}
	// Down to single ports.
	b.open(smallPage())
	b.at("ports=35000-35010")
	for range 12 {
		b.Do(chromedp.Click(chromedp.CSS(`[data-do=in]`)))
	}
	b.settle()
	ticks := browser.Value[[][2]float64](b.Tab, `[...document.querySelectorAll(".axis")].flatMap((a) => [...a.querySelectorAll(".tick")].map((e, i) =>
		[e, a.querySelectorAll(".tick-line")[i]])).filter((p) => p[0].getAttribute("visibility") !== "hidden").
		map((p) => [Number(p[0].textContent), Number(p[1].getAttribute("x1"))]).sort((a, b) => a[0] - b[0])`)
	if len(ticks) < 5 {
		b.t.Errorf("numbers of the axis: %v", ticks)
	}
	for i := 2; i < len(ticks)-1; i++ { // the first and the last may be those of ports that are seen in part
		if ticks[i][0] != ticks[i-1][0]+1 || ticks[i][1]-ticks[i-1][1] < 20 {
			b.t.Errorf("number %v stands behind %v", ticks[i], ticks[i-1])
		}
	}
	b.shot("ports")
	b.Do(chromedp.Click(chromedp.CSS(`[data-do=whole]`)))
	b.settle()
	b.checkBoxes(smallPage(), 0, port.Max)
}

// shown are the ports of the view, as the page says them.
func (b browserPage) shown() string { return b.text(`document.getElementById("shown").textContent`) }

func points(b browserPage) {
	b.open(smallPage())
	x, y := b.move(`[data-bar="0-1-1-1"]`)
	before := b.text(`document.querySelector(".cursor-port").textContent`)
	for range 6 {
		browser.Call(b.Tab, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: "mouseWheel", X: x, Y: y, DeltaX: 0.01, DeltaY: -120})
	}
	b.settle()
	b.Do(chromedp.MouseEvent(chromedp.MouseMoved, x, y+1))
	b.settle()
	after := b.text(`document.querySelector(".cursor-port").textContent`)
	old, err1 := strconv.Atoi(before)
	now, err2 := strconv.Atoi(after)
	if err1 != nil || err2 != nil || old < 35000 || old > 35799 || now < old-4 || now > old+4 {
		b.t.Errorf("the wheel moved the pointer from port %s to %s", before, after)
	}
	wheeled := b.shown()
	if wheeled == "all ports are shown" {
		b.t.Error("the wheel does not zoom")
	}
	// Drag to the right shows lower ports.
	b.Do(chromedp.DragAndDropXY(x, y, x+200, y))
	b.settle()
	if dragged := b.shown(); dragged == wheeled || firstOf(b.t, dragged) >= firstOf(b.t, wheeled) {
		b.t.Errorf("a drag led from %q to %q", wheeled, dragged)
	}
	// A part of the axis.
	b.Do(chromedp.Click(chromedp.CSS(`[data-do=whole]`)))
	b.settle()
	box := browser.Value[[]float64](b.Tab, `(() => { const r = document.querySelector('[data-bar="0-1-1-1"]').getBoundingClientRect(), a = document.querySelector(".axis .tick").getBoundingClientRect(); return [r.x + 1, r.right - 1, a.y + 5] })()`)
	b.Do(chromedp.DragAndDropXY(box[0], box[2], box[1], box[2]))
	b.settle()
	if got := b.shown(); firstOf(b.t, got) < 35000 || firstOf(b.t, got) > 35040 {
		b.t.Errorf("what was marked on the axis is not shown: %q", got)
	}
}

// firstOf is the first port of the words about the view.
func firstOf(t *testing.T, shown string) int {
	t.Helper()
	var first, last int
	if _, err := fmt.Sscanf(shown, "ports %d to %d", &first, &last); err != nil {
		t.Fatalf("%q: %v", shown, err)
	}
	return first
}

func hovers(b browserPage) {
	b.open(smallPage())
	if n := browser.Value[int](b.Tab, `document.querySelectorAll("#picture .lane title, #picture p").length`); n != 0 {
		b.t.Errorf("%d titles lie over what the inspector says", n)
	}
	b.move(`[data-bar="0-1-0-0"]`)
	wants(b.t, "what is said of a single port", b.inspector(), "5060/tcp", "media · sip", "etc/media.conf:12", "sip of media", "config")
	b.at("ports=35100-35110")
	b.move(`[data-bar="0-1-1-1"]`)
	got := b.inspector()
	wants(b.t, "what is said of a port of a range", got, "35105/udp", "35000-35799/udp", "etc/media.conf:24", "400", "etc/media.conf:30", "ephemeral ports of linux 32768-60999",
		"known from etc/sysctl.d/10-net.conf:3", "error: ephemeral-overlap", "help: set rtp_base to 25000", "linux hands out 32768-60999")
	if strings.Contains(got, "5060") {
		b.t.Errorf("and of others: %s", got)
	}
	// A click holds it, Escape lets go.
	b.Do(chromedp.Click(chromedp.CSS(`[data-bar="0-1-1-1"]`)))
	b.settle()
	b.move(`#claims h2`)
	wants(b.t, "what is held", b.inspector(), "35105/udp", "let go")
	b.keys("\x1b")
	if got := b.inspector(); strings.Contains(got, "let go") {
		b.t.Errorf("Escape does not let go: %s", got)
	}
	// A row of a connection shows its port, and a number finds it.
	b.at("")
	b.text(`document.querySelector('tr[data-row="p-0-0"] button').click(), ""`)
	b.settle()
	var first, last int
	if _, err := fmt.Sscanf(b.shown(), "ports %d to %d", &first, &last); err != nil || first > 389 || last < 389 || last > 5060 {
		b.t.Errorf("the row of a connection to port 389 leads to %q", b.shown())
	}
	b.at("q=380-390")
	if rows, _, _ := strings.Cut(b.seen(), " | "); rows != "p-0-0" {
		b.t.Errorf("of ports 380-390 rows %q are seen", rows)
	}
	// A row of a table marks its bar, and a click shows it.
	b.at("")
	b.text(`document.querySelector("#claims").scrollIntoView(), ""`)
	b.move(`tr[data-row="0-1-0-1"] td`)
	if lit := b.text(`[...document.querySelectorAll(".bar.lit")].map((e) => e.dataset.bar).join()`); lit != "0-1-0-1" {
		b.t.Errorf("a row marks %q", lit)
	}
	b.Do(chromedp.Click(chromedp.CSS(`tr[data-row="0-1-0-1"] td`)))
	b.settle()
	wants(b.t, "what a row shows", b.inspector(), "30000-30799/tcp", "mrcp")
	if box := b.boxes()["0-1-0-1"]; box[1] < 400 {
		b.t.Errorf("a row shows its ports %v pixels wide", box[1])
	}
}

// seen are the rows of the tables and the lanes that are seen.
func (b browserPage) seen() string {
	b.t.Helper()
	return b.text(`[...document.querySelectorAll("tr[data-row]")].filter((e) => e.offsetParent).map((e) => e.dataset.row).join(" ") + " | " +
		[...document.querySelectorAll("#picture .lane")].filter((e) => e.getBoundingClientRect().height > 0).map((e) => e.querySelector("[data-bar]").dataset.bar).join(" ")`)
}

func filters(b browserPage) {
	b.open(smallPage())
	const rows, lanes = "0-1-0-0 0-1-0-1 0-1-1-0 0-1-1-1 0-2-0-0 f-0-0 p-0-0", "0-0-0-0 0-1-0-0 0-1-1-0 0-2-0-0"
	check := func(what, rows, lanes, count string) {
		b.t.Helper()
		if got := b.seen(); got != rows+" | "+lanes {
			b.t.Errorf("%s: seen are %s, want %s | %s", what, got, rows, lanes)
		}
		if got := b.text(`document.getElementById("count").textContent`); !strings.HasPrefix(got, count) {
			b.t.Errorf("%s: %s, want %s", what, got, count)
		}
	}
	check("no filter", rows, lanes, "5 of 5 claims, 1 of 1 findings, 1 of 1 connections out")
	height := browser.Value[float64](b.Tab, `document.querySelector("#picture svg").getBoundingClientRect().height`)
	b.fill("input[name=q]", "35123")
	check("a port of a range", "0-1-1-1 f-0-0", "0-0-0-0 0-1-1-0", "1 of 5 claims, 1 of 1 findings, 0 of 1")
	if now := browser.Value[float64](b.Tab, `document.querySelector("#picture svg").getBoundingClientRect().height`); now >= height {
		b.t.Errorf("the picture is %v high with fewer lanes, and was %v", now, height)
	}
	b.shot("filter")
	b.fill("input[name=q]", "sshd_config")
	check("a file", "0-2-0-0", "0-0-0-0 0-2-0-0", "1 of 5")
	b.fill("input[name=q]", "5060/udp")
	check("a port of a protocol", "0-1-1-0", "0-0-0-0 0-1-1-0", "1 of 5")
	b.Do(chromedp.Click(chromedp.CSS("#all")))
	b.settle()
	check("show all", rows, lanes, "5 of 5")
	b.Do(chromedp.Click(chromedp.CSS("input[name=found]")))
	b.settle()
	check("with findings", "0-1-1-1 f-0-0", "0-0-0-0 0-1-1-0", "1 of 5")
	b.at("proto=tcp&kind=mrcp")
	check("protocol and kind", "0-1-0-1", "0-0-0-0 0-1-0-0", "1 of 5")
	// Sort by the column of ports, twice.
	b.at("")
	for _, want := range []string{"ascending 0-2-0-0", "descending 0-1-1-1"} {
		b.Do(chromedp.Click(chromedp.CSS("#claims th:nth-child(4) button")))
		if got := b.text(`document.querySelector("#claims th:nth-child(4)").getAttribute("aria-sort") + " " + document.querySelector("#claims tbody tr").dataset.row`); got != want {
			b.t.Errorf("sorted: %s, want %s", got, want)
		}
	}
}

// choosesPlatform looks at files that are judged for two systems.
func choosesPlatform(b browserPage) {
	p := smallPage()
	windows := port.Range{First: 49152, Last: 65535}
	p.Panels[0].Bands = append(p.Panels[0].Bands, chart.Band{Kind: chart.Ephemeral, Ports: windows, Words: "ephemeral ports of windows-server"})
	p.Panels[0].Groups = slices.Insert(p.Panels[0].Groups, 1, chart.Group{Name: "windows-server", Lanes: []chart.Lane{{Bars: []chart.Bar{{Kind: chart.Ephemeral, Ports: windows, Name: "ephemeral"}}}}})
	b.open(p)
	bands := `[...document.querySelectorAll('[data-lane="0"][data-proto=tcp] .band')].filter((e) => e.getBoundingClientRect().width > 0).map((e) => e.dataset.first).join()`
	for _, c := range []struct{ hash, lanes, bands string }{
		{"", "0-0-0-0 0-1-0-0 0-2-0-0 0-2-1-0 0-3-0-0", "0,32768,49152,0,32768,49152"},
		{"platform=windows-server", "0-1-0-0 0-2-0-0 0-2-1-0 0-3-0-0", "0,49152,0,49152"},
		{"platform=linux&q=ssh", "0-0-0-0 0-3-0-0", "0,32768"},
	} {
		b.at(c.hash)
		if _, lanes, _ := strings.Cut(b.seen(), " | "); lanes != c.lanes {
			b.t.Errorf("#%s: lanes %s, want %s", c.hash, lanes, c.lanes)
		}
		if got := b.text(bands); got != c.bands {
			b.t.Errorf("#%s: bands %s, want %s", c.hash, got, c.bands)
		}
	}
}

func addresses(b browserPage) {
	b.open(smallPage())
	b.at("q=rtp&proto=udp&found=1&ports=34000-36000&bar=0-1-1-1")
	b.kept()
	if got := b.text("location.hash"); got != "#q=rtp&proto=udp&found=1&ports=34000-36000&bar=0-1-1-1" {
		b.t.Errorf("the address became %s", got)
	}
	wants(b.t, "what the address holds", b.inspector(), "35000-35799/udp")
	// The theme is there where it is not that of the page.
	for _, c := range []struct {
		home  Theme
		hash  [3]string // after each click
		theme [3]string
	}{
		{Auto, [3]string{"#theme=light", "#theme=dark", ""}, [3]string{"light", "dark", ""}},
		{Dark, [3]string{"#theme=auto", "#theme=light", ""}, [3]string{"", "light", "dark"}},
	} {
		b.openAs(smallPage(), Options{Theme: c.home})
		for i := range c.hash {
			b.Do(chromedp.Click(chromedp.CSS("#theme")))
			b.kept()
			const both = `location.hash + " " + (document.documentElement.dataset.theme || "")`
			if got := b.text(both); got != c.hash[i]+" "+c.theme[i] {
				b.t.Errorf("theme %s, %d clicks: %q, want %q", c.home, i+1, got, c.hash[i]+" "+c.theme[i])
			}
		}
		b.at("q=rtp&theme=light")
		b.at("q=rtp") // an address without one means that of the page
		if got := b.text(`document.documentElement.dataset.theme || "auto"`); got != c.home.String() {
			b.t.Errorf("theme %s: an address without one leads to %s", c.home, got)
		}
	}
	b.open(smallPage())
	// What somebody asks for while the page is about to write its own is not lost.
	b.kept()
	b.text(`(() => { const real = window.setTimeout; window.setTimeout = (f) => { window.late = f; return 1; }; document.querySelector("[data-do=in]").click(); window.setTimeout = real; location.hash = "q=sshd"; window.late(); return "" })()`)
	b.kept()
	if got := b.text("location.hash"); got != "#q=sshd" {
		b.t.Errorf("an address that is asked for became %s", got)
	}
	// What is no choice of the page is passed over.
	for _, hash := range []string{"proto=x&kind=__proto__&panel=0&platform=1&found=yes", "ports=9-1", "ports=0-65536", "ports=1e3-2e3", "ports=-5-10", "bar=constructor", "bar=9-9-9-9",
		"panel-7", "%", "%ff=%ff", "q=", "<img src=x onerror=window.hacked=1>"} {
		b.at(hash)
		if got := b.seen(); !strings.HasPrefix(got, "0-1-0-0 0-1-0-1 0-1-1-0 0-1-1-1 0-2-0-0 f-0-0") {
			b.t.Errorf("#%s: seen are %s", hash, got)
		}
		if got := b.shown(); got != "all ports are shown" {
			b.t.Errorf("#%s: %s", hash, got)
		}
	}
	b.at("q=" + strings.Repeat("x", 5000))
	if n := browser.Value[int](b.Tab, `document.querySelector("input[name=q]").value.length`); n != 200 {
		b.t.Errorf("%d characters of a long filter", n)
	}
}

// focus is the bar that has the focus.
func (b browserPage) focus() string {
	b.t.Helper()
	return b.text(`document.activeElement.dataset.bar || document.activeElement.localName`)
}

// usesKeys does all without a pointer.
func usesKeys(b browserPage) {
	b.open(smallPage())
	b.text(`document.querySelector("[data-do=whole]").focus(), ""`)
	b.keys(kb.Tab + kb.Tab) // the words about keys, then the picture
	if got := b.focus(); got != "svg" {
		b.t.Fatalf("Tab leads to %s", got)
	}
	b.keys("+++")
	zoomed := b.shown()
	b.keys(kb.ArrowRight)
	right := b.shown()
	if firstOf(b.t, right) <= firstOf(b.t, zoomed) {
		b.t.Errorf("+ and → lead from %q to %q", zoomed, right)
	}
	b.keys("-")
	if out := b.shown(); firstOf(b.t, out) >= firstOf(b.t, right) {
		b.t.Errorf("- leads from %q to %q", right, out)
	}
	b.keys(kb.Home)
	if got := b.shown(); got != "all ports are shown" {
		b.t.Errorf("Home: %s", got)
	}
	for _, step := range []struct{ key, focus, said string }{
		{kb.Enter, "0-0-0-0", "32768-60999"},
		{kb.ArrowDown, "0-1-0-1", "30000-30799/tcp"},
		{kb.ArrowLeft, "0-1-0-0", "5060/tcp"},
		{kb.ArrowLeft, "0-1-0-0", "5060/tcp"}, // there is nothing before it
		{kb.ArrowDown, "0-1-1-0", "5060/udp"},
		{kb.ArrowRight, "0-1-1-1", "35000-35799/udp"},
		{kb.Enter, "0-1-1-1", "let go"},
		{kb.ArrowLeft, "0-1-1-0", "35000-35799/udp"}, // what is held stays
		{kb.Escape, "0-1-1-0", "35000-35799/udp"},
		{kb.ArrowUp, "0-1-0-0", "5060/tcp"},
		{kb.Escape, "svg", ""},
	} {
		b.keys(step.key)
		if got := b.focus(); got != step.focus {
			b.t.Errorf("%q leads to %s, want %s", step.key, got, step.focus)
		}
		if step.key == kb.Escape {
			continue
		}
		wants(b.t, fmt.Sprintf("what is said after %q", step.key), b.inspector(), step.said)
		if live := b.text(`document.getElementById("inspector").getAttribute("aria-live")`); live != "polite" {
			b.t.Errorf("after %q the inspector is %s", step.key, live)
		}
	}
	// From row to row of a table, and from there to the picture.
	b.text(`document.querySelector("#claims tbody button").focus(), ""`)
	b.keys(kb.ArrowDown + kb.ArrowDown)
	if got := b.text(`document.activeElement.closest("tr").dataset.row`); got != "0-1-1-0" {
		b.t.Errorf("↓ leads to row %s", got)
	}
	b.keys(kb.Enter)
	wants(b.t, "what a row shows", b.inspector(), "5060/udp", "let go")
	if box := b.boxes()["0-1-1-0"]; box[1] < 100 {
		b.t.Errorf("Enter in a row shows a port %v pixels wide", box[1])
	}
}

func isHostile(b browserPage) {
	for _, text := range hostileWords[:7] {
		b.open(told(text))
		if browser.Value[bool](b.Tab, `"hacked" in window`) {
			b.t.Fatalf("%q runs", text)
		}
		if got := b.text(`document.querySelector("#claims tbody th").textContent`); got != text {
			b.t.Errorf("%q stands in the table as %q", text, got)
		}
		b.move(`[data-bar="0-2-0-0"]`)
		wants(b.t, "the inspector", b.text(`document.getElementById("inspector").textContent`), text)
		b.fill("input[name=q]", text)
	}
	// The policy is in force: the page itself could not do it either.
	b.text(`(() => { const s = document.createElement("script"); s.textContent = "window.hacked = 1"; document.body.append(s); const i = document.createElement("img"); i.src = "https://example.invalid/"; i.setAttribute("onerror", "window.hacked = 1"); document.body.append(i); const d = document.createElement("p"); d.setAttribute("style", "color: red"); document.body.append(d); return "" })()`)
	b.settle()
	if browser.Value[bool](b.Tab, `"hacked" in window`) {
		b.t.Error("a script of others runs")
	}
	if said := b.Said(); len(said) < 3 {
		b.t.Errorf("the browser refused %q", said)
	}
	b.Requests()
}

func looks(b browserPage) {
	pictures := map[string]*chart.Picture{"small": smallPage(), "services": crowd(60, 90), "claims": crowd(60, 500)}
	for name, p := range pictures {
		b.open(p)
		for _, scheme := range []string{"light", "dark"} {
			b.media("", scheme)
			widths := []int64{1400, 400}
			if name == "small" {
				widths = append(widths, 360)
			}
			for _, width := range widths {
				b.Do(chromedp.EmulateViewport(width, 1000))
				b.settle()
				b.shot(fmt.Sprintf("%s-%s-%d", name, scheme, width))
				if wide := browser.Value[int64](b.Tab, `document.documentElement.scrollWidth`); wide > width {
					b.t.Errorf("%s is %d pixels wide in a window of %d", name, wide, width)
				}
			}
			if got, want := b.text(`getComputedStyle(document.documentElement).backgroundColor`), map[string]string{"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 28)"}[scheme]; got != want {
				b.t.Errorf("%s: the ground is %s, want %s", scheme, got, want)
			}
		}
	}
	// The button beats the system: light, then dark.
	b.media("", "light")
	b.Do(chromedp.EmulateViewport(1400, 1000), chromedp.Click(chromedp.CSS("#theme")), chromedp.Click(chromedp.CSS("#theme")))
	if got := b.text(`getComputedStyle(document.documentElement).backgroundColor + document.getElementById("theme").textContent`); got != "rgb(18, 22, 28)theme: dark" {
		b.t.Errorf("the button leads to %s", got)
	}
}

// names proves that whoever does not see the page hears what each part is.
func names(b browserPage) {
	b.open(smallPage())
	tree := browser.Call(b.Tab, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	roles := map[string]int{}
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		role := strings.Trim(string(n.Role.Value), `"`)
		roles[role]++
		switch role {
		case "button", "searchbox", "combobox", "checkbox", "link", "columnheader", "rowheader", "region", "complementary", "toolbar", "search", "table":
			if n.Name == nil || strings.Trim(string(n.Name.Value), `" `) == "" {
				b.t.Errorf("a %s has no name: %+v", role, n)
			}
		}
	}
	for role, least := range map[string]int{"button": 10, "columnheader": 9 + 5 + 7, "rowheader": 7, "table": 3, "checkbox": 1} {
		if roles[role] < least {
			b.t.Errorf("%d of role %s, want %d: %v", roles[role], role, least, roles)
		}
	}
	if got := browser.Value[int](b.Tab, `document.querySelectorAll("th:not([scope])").length + document.querySelectorAll("[id]").length - new Set([...document.querySelectorAll("[id]")].map((e) => e.id)).size`); got != 0 {
		b.t.Errorf("%d heads without a scope, or names of parts that are there twice", got)
	}
	if got := b.text(`["labelledby", "describedby"].map((name) => document.getElementById(document.querySelector("#picture svg").getAttribute("aria-" + name)).localName).join()`); got != "title,desc" {
		b.t.Errorf("the picture has its name and description in %s", got)
	}
	if stops := browser.Value[int](b.Tab, `document.querySelectorAll("#picture [tabindex='0']").length`); stops != 2 {
		b.t.Errorf("Tab stops %d times in the picture, want once for it and once for its bars", stops)
	}
	// Words have the contrast that WCAG 2.1 asks for (success criterion 1.4.3), on both grounds.
	for _, scheme := range []string{"light", "dark"} {
		b.media("", scheme)
		low := browser.Value[[]string](b.Tab, contrasts)
		for _, words := range low {
			b.t.Errorf("%s: too little contrast: %s", scheme, words)
		}
	}
	b.media("", "light")
}

// contrasts are the words outside of the picture that do not stand out enough from their ground.
const contrasts = `(() => {
	const parse = (c) => c.match(/[\d.]+/g).map(Number);
	const light = (c) => c.slice(0, 3).map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
	const out = [];
	for (const e of document.querySelectorAll("h1, h2, h3, p, th, td, button, label, small, li, output, summary, input, select, a, .rule, dt, dd")) {
		if (!e.offsetParent || e.closest("svg") || !e.textContent.trim() && e.localName !== "input") continue;
		const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
		if ((a + 0.05) / (b + 0.05) < 4.5) out.push(e.localName + "." + e.className + " " + e.textContent.slice(0, 30) + " " + ((a + 0.05) / (b + 0.05)).toFixed(2));
	}
	return out;
})()`

// prints proves that on paper all rows are there, dark words on white, and no controls.
func prints(b browserPage) {
	b.open(smallPage())
	b.at("q=sshd&ports=20-30")
	if got := b.seen(); got != "0-2-0-0 | 0-0-0-0 0-2-0-0" {
		b.t.Errorf("seen are %s", got)
	}
	b.text(`dispatchEvent(new Event("beforeprint")), ""`)
	b.media("print", "dark")
	if got := b.seen(); got != "0-1-0-0 0-1-0-1 0-1-1-0 0-1-1-1 0-2-0-0 f-0-0 p-0-0 | 0-0-0-0 0-1-0-0 0-1-1-0 0-2-0-0" {
		b.t.Errorf("on paper: %s", got)
	}
	b.checkBoxes(smallPage(), 0, port.Max)
	if got := b.text(`[...document.querySelectorAll("#filter, #theme, .tools, #inspector")].filter((e) => e.offsetParent).map((e) => e.id).join()`); got != "" {
		b.t.Errorf("on paper: %s", got)
	}
	if got := b.text(`getComputedStyle(document.documentElement).backgroundColor + getComputedStyle(document.querySelector("td")).color`); got != "rgb(255, 255, 255)rgb(27, 34, 41)" {
		b.t.Errorf("on paper: %s", got)
	}
	b.shot("paper")
	// A browser may say it twice.
	b.text(`dispatchEvent(new Event("beforeprint")), ""`)
	b.media("", "light")
	b.text(`dispatchEvent(new Event("afterprint")), ""`)
	b.kept()
	if got := b.seen() + b.shown() + b.text("location.hash"); got != "0-2-0-0 | 0-0-0-0 0-2-0-0ports 20 to 30 are shown#q=sshd&ports=20-30" {
		b.t.Errorf("after printing: %s", got)
	}
	if pdf := browser.Run(b.Tab, chromedp.PrintToPDF()); len(pdf) < 1000 {
		b.t.Errorf("a print of %d bytes", len(pdf))
	}
	// Patterns would make this take minutes.
	b.open(crowd(60, 90))
	if pdf := browser.Run(b.Tab, chromedp.PrintToPDF()); len(pdf) < 1000 || len(pdf) > 5<<20 {
		b.t.Errorf("a print of %d bytes", len(pdf))
	}
}

// isFluid measures a step of the zoom with many claims: all work until the page is laid out again.
// The limit is far above what is measured, 16 ms being what is wanted: machines of tests are busy.
func isFluid(b browserPage) {
	b.open(crowd(60, 500))
	for _, height := range []int64{1000, 6000} { // the second shows all rows at once
		b.Do(chromedp.EmulateViewport(1400, height))
		b.settle()
		times := browser.Value[[]float64](b.Tab, zoomSteps)
		median, most := times[len(times)/2], times[len(times)-1]
		b.t.Logf("a zoom step with 500 claims in a window %d high: median %.1f ms, most %.1f ms", height, median, most)
		if median > 100 {
			b.t.Errorf("a zoom step takes %.1f ms", median)
		}
	}
}

// zoomSteps are the milliseconds of steps of the zoom, ascending.
const zoomSteps = `(async () => {
	const svg = document.querySelector("#picture svg"), real = window.requestAnimationFrame, times = [];
	for (let i = 0; i < 48; i++) {
		const frames = [], begin = performance.now();
		window.requestAnimationFrame = (f) => frames.push(f);
		svg.dispatchEvent(new KeyboardEvent("keydown", { key: i % 12 < 6 ? "+" : "-", bubbles: true }));
		window.requestAnimationFrame = real;
		for (const f of frames) f(begin);
		svg.getBBox();
		times.push(performance.now() - begin);
		await new Promise((done) => real(done));
	}
	return times.sort((a, b) => a - b);
})()`

// hasPanels looks at a page of several hosts.
func hasPanels(b browserPage) {
	p := &chart.Picture{Title: "hosts"}
	overview := chart.Panel{Title: "overview"}
	for i := range 12 {
		host := crowd(3+i%4, 20).Panels[0]
		host.Title, host.Note = fmt.Sprintf("host-%02d", i), "2 errors"
		group := chart.Group{Name: host.Title}
		for _, g := range host.Groups[1:] {
			for _, lane := range g.Lanes {
				bars := slices.Clone(lane.Bars)
				for n := range bars {
					bars[n].Marks = nil
				}
				group.Lanes = append(group.Lanes, chart.Lane{Proto: lane.Proto, Bars: bars})
			}
		}
		overview.Groups = append(overview.Groups, group)
		p.Panels = append(p.Panels, host)
	}
	p.Panels = append([]chart.Panel{overview}, p.Panels...)
	b.open(p)
	b.shot("hosts")
	b.Do(chromedp.Click(chromedp.CSS(`nav a[data-to="9"]`)))
	b.settle()
	if top := browser.Value[float64](b.Tab, `document.getElementById("panel-9").getBoundingClientRect().top`); top < -50 || top > 950 {
		b.t.Errorf("a link leads to %v", top)
	}
	b.at("panel=3&ports=0-33000")
	if got := b.text(`[...document.querySelectorAll(".panel")].filter((e) => e.getBoundingClientRect().height > 0).map((e) => e.id).join()`); got != "panel-3" {
		b.t.Errorf("of all panels %s are seen", got)
	}
	wants(b.t, "the count", b.text(`document.getElementById("count").textContent`), "20 of 240 claims")
}

// overlaps are words of the picture that lie over others, or over bars of others, or over the place
// that a bar has in another panel; and lanes with marks of which no words are seen.
const overlaps = `(() => {
	const seen = (e) => e.getBoundingClientRect().width > 0 && getComputedStyle(e).visibility === "visible";
	const all = (s) => [...document.querySelectorAll(s)].filter(seen).map((e) => ({ e, r: e.getBoundingClientRect() }));
	const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 4 && b.top < a.bottom - 4;
	const words = all("#picture .lane .label, #picture .lane .mark-words, #picture .name, #picture .note"), out = [];
	words.forEach((a, i) => {
		for (const b of words.slice(i + 1)) if (meet(a.r, b.r)) out.push(a.e.textContent + " over " + b.e.textContent);
		for (const b of all("#picture .lane .bar, #picture .lane .ghost")) {
			if (meet(a.r, b.r) && !(a.e.matches(".inner") && a.e.dataset.bar === b.e.dataset.bar)) out.push(a.e.textContent + " over " + b.e.outerHTML);
		}
	});
	for (const lane of document.querySelectorAll("#picture .lane")) {
		if ([...lane.querySelectorAll(".mark")].some(seen) && ![...lane.querySelectorAll(".mark-words")].some(seen)) out.push("no words about marks in " + lane.textContent);
	}
	return out;
})()`

// placesWords holds the words of the picture to their places: of a host before and after a move,
// of many services, and of a bar of which the first mark says what an earlier bar says.
func placesWords(b browserPage) {
	move := smallPage()
	manager := chart.Bar{Kind: chart.Internal, Proto: port.TCP, Ports: port.Single(7590), Name: "manager", Service: "manager", Place: "etc/manager.conf:6", Moved: port.Of(port.Single(7591)),
		Marks: []chart.Mark{{Ports: port.Of(port.Single(7590)), Rule: "ephemeral-overlap", Severity: diag.Error}}}
	move.Panels[0].Groups = append(move.Panels[0].Groups, chart.Group{Name: "manager", Lanes: []chart.Lane{{Proto: port.TCP, Bars: []chart.Bar{manager}}}})
	twice := smallPage()
	lane := &twice.Panels[0].Groups[1].Lanes[1]
	second := lane.Bars[1]
	second.Name, second.At = "rtp-of-another", "10.0.0.1"
	second.Marks = []chart.Mark{second.Marks[0], {Ports: port.Of(port.Range{First: 35100, Last: 35109}), Rule: "port-overlap", Severity: diag.Error}}
	lane.Bars = append(lane.Bars, second)
	for name, p := range map[string]*chart.Picture{"a move": move, "words that are there": twice, "many": crowd(30, 90)} {
		b.open(p)
		for _, width := range []int64{1400, 1100} {
			b.Do(chromedp.EmulateViewport(width, 3000))
			for _, hash := range []string{"", "ports=7000-36000"} {
				b.at(hash)
				for _, words := range browser.Value[[]string](b.Tab, overlaps) {
					b.t.Errorf("%s, %d pixels, #%s: %s", name, width, hash, words)
				}
			}
		}
	}
	b.open(twice)
	if got := b.text(`[...document.querySelectorAll(".mark-words")].filter((e) => e.getAttribute("visibility") === "visible").map((e) => e.textContent).join()`); got != "! 35000-35799 ephemeral-overlap,! 35100-35109 port-overlap" {
		b.t.Errorf("of two bars with the same mark the picture says %q", got)
	}
	if got := b.text(`[...document.querySelectorAll('.label[data-bar^="0-1-1"]')].filter((e) => e.getAttribute("visibility") === "visible").map((e) => e.textContent).join()`); got != "sip 5060,rtp 35000-35799,rtp-of-another 35000-35799 on 10.0.0.1" {
		b.t.Errorf("marked bars have the words %q", got)
	}
}

// keepsMarks proves that where there is no room for all words those of marks are there, and names
// are left out.
func keepsMarks(b browserPage) {
	p := smallPage()
	lane := &p.Panels[0].Groups[1].Lanes[1]
	lane.Bars = slices.Delete(lane.Bars, 0, 1)
	lane.Bars[0].Ports.Last = 35001
	for i := range 9 {
		quiet := lane.Bars[0]
		quiet.Marks, quiet.Name = nil, fmt.Sprintf("another-%d-with-a-name-that-is-not-short", i)
		quiet.Ports = port.Range{First: uint16(35100 + 100*i), Last: uint16(35101 + 100*i)}
		lane.Bars = append(lane.Bars, quiet)
	}
	marked := &lane.Bars[9]
	marked.Marks = []chart.Mark{{Ports: port.Of(marked.Ports), Rule: "port-overlap", Severity: diag.Error}}
	lane.Bars[0].Marks[0].Ports = port.Of(lane.Bars[0].Ports)
	b.open(p)
	words := func(of string) string {
		return b.text(`[...document.querySelectorAll('#picture ' + ` + literal(of) + `)].filter((e) => getComputedStyle(e).visibility === "visible").map((e) => e.textContent).join()`)
	}
	const want = "! 35000-35001 ephemeral-overlap,! 35900-35901 port-overlap"
	for _, width := range []int64{1400, 700, 400} {
		b.Do(chromedp.EmulateViewport(width, 1000))
		b.settle()
		b.shot(fmt.Sprintf("marks-%d", width))
		if got := words(".mark-words"); got != want {
			b.t.Errorf("%d pixels: the picture says of marks %q", width, got)
		}
		// Words before a bar end at it, however wide the fonts of this machine are.
		gap := browser.Value[float64](b.Tab, `(() => { const of = (e) => document.querySelector(e + '[data-bar="0-1-1-0"]').getBoundingClientRect(); return of(".bar").left - of(".label").right })()`)
		if math.Abs(gap-wordPad) > 1.5 {
			b.t.Errorf("%d pixels: words end %v pixels before their bar", width, gap)
		}
		if names := strings.Count(words(`.label[data-bar^="0-1-1"]`), "another"); width < 1400 && names > 8 {
			b.t.Errorf("%d pixels: there is room for %d names, which proves nothing", width, names)
		}
		for _, words := range browser.Value[[]string](b.Tab, overlaps) {
			b.t.Errorf("%d pixels: %s", width, words)
		}
	}
}

// isTouched zooms with two fingers, and moves with one of them that stays.
func isTouched(b browserPage) {
	b.open(smallPage())
	// A finger that moves across scrolls a wide picture in a narrow window until the picture is
	// zoomed; one that moves down always scrolls the page.
	for _, c := range [][2]string{{"", "pan-x pan-y"}, {"ports=30000-36000", "pan-y"}, {"ports=0-65535", "pan-x pan-y"}} {
		b.at(c[0])
		if got := b.text(`getComputedStyle(document.querySelector("#picture svg")).touchAction`); got != c[1] {
			b.t.Errorf("#%s: a finger may %q, want %q", c[0], got, c[1])
		}
	}
	box := browser.Value[[]float64](b.Tab, `(() => { const r = document.querySelector('[data-bar="0-1-0-1"]').getBoundingClientRect(); return [r.x, r.right, r.y + 5] })()`)
	touch := func(kind input.DispatchTouchEventType, at ...float64) {
		var points []*input.TouchPoint
		for i, x := range at {
			points = append(points, &input.TouchPoint{X: x, Y: box[2], ID: new(float64(i))})
		}
		browser.Call(b.Tab, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: points})
	}
	touch("touchStart", box[0])
	touch("touchStart", box[0], box[1])
	touch("touchMove", box[0]-50, box[1]+100)
	touch("touchMove", box[0]-100, box[1]+200)
	b.settle()
	if now := b.boxes()["0-1-0-1"]; math.Abs(now[1]-(box[1]-box[0]+300)) > 2 {
		b.t.Errorf("fingers that hold a range %v pixels wide make it %v, want %v", box[1]-box[0], now[1], box[1]-box[0]+300)
	}
	if scale := browser.Value[float64](b.Tab, `visualViewport.scale`); scale != 1 {
		b.t.Errorf("and the page %v as large", scale)
	}
	touch("touchEnd", box[0]-100)
	pinched := b.shown()
	touch("touchMove", box[0]-200)
	touch("touchMove", box[0]-300)
	touch("touchEnd")
	b.settle()
	if got := b.shown(); firstOf(b.t, got) <= firstOf(b.t, pinched) {
		b.t.Errorf("the finger that stays moves from %q to %q", pinched, got)
	}
	if got := b.text(`document.querySelector("#picture svg").classList.contains("dragged") + ""`); got != "false" {
		b.t.Error("it is still dragged")
	}
}

// knowsSystems looks at files that are judged for two systems, of which one has what is wrong.
func knowsSystems(b browserPage) {
	p := smallPage()
	p.Panels[0].Groups = slices.Insert(p.Panels[0].Groups, 1, chart.Group{Name: "windows-server", Lanes: []chart.Lane{{Bars: []chart.Bar{{Kind: chart.Ephemeral, Ports: port.Range{First: 49152, Last: 65535}, Name: "ephemeral"}}}}})
	rtp := &p.Panels[0].Groups[2].Lanes[1].Bars[1]
	rtp.Marks[0].On, rtp.Marks[0].Systems = "linux", []string{"linux"}
	b.open(p)
	for hash, want := range map[string]string{"": "rtp true 1 row", "platform=linux": "rtp true 1 row", "platform=windows-server": "rtp false 0 row", "platform=windows-server&found=1": " false 0 row", "platform=linux&found=1": "rtp true 1 row"} {
		b.at(hash)
		got := b.text(`(() => {
			const seen = (e) => e && e.getBoundingClientRect().width > 0 && getComputedStyle(e).visibility === "visible";
			const bar = document.querySelector('.bar[data-first="35000"]'), id = bar.dataset.bar;
			const words = [...document.querySelectorAll(".mark-words")].some(seen), mark = seen(document.querySelector(".lane .mark"));
			return (seen(bar) ? "rtp " : " ") + (words === mark ? mark : "one of both") + " " + [...document.querySelectorAll("#findings tbody tr")].filter(seen).length + " row";
		})()`)
		if got != want {
			b.t.Errorf("#%s: %q, want %q", hash, got, want)
		}
	}
}

// keepsFocus proves that the focus is somewhere when what has it goes away, and that a link in the
// page changes nothing of what is seen.
func keepsFocus(b browserPage) {
	b.open(smallPage())
	active := func() string { return b.focus() }
	b.text(`document.querySelector("#picture svg").focus(), ""`)
	b.keys(kb.Enter + kb.ArrowDown)
	b.at("q=sshd")
	if got := active(); got != "svg" {
		b.t.Errorf("when the bar is hidden %s has the focus", got)
	}
	b.at("")
	b.text(`document.querySelector("#claims tbody button").focus(), ""`)
	b.at("q=sshd")
	if got := active(); got != "svg" {
		b.t.Errorf("when the row is hidden %s has the focus", got)
	}
	b.at("")
	b.text(`document.querySelector("#picture svg").focus(), ""`)
	b.keys(kb.Enter + kb.Enter)
	b.Do(chromedp.Click(chromedp.CSS("#inspector button")))
	if got := active(); got != "0-0-0-0" {
		b.t.Errorf("when the button to let go is gone %s has the focus", got)
	}
	b.at("q=sip&ports=5000-6000")
	shown := b.seen() + b.shown()
	b.at("claims")
	if got := b.seen() + b.shown(); got != shown {
		b.t.Errorf("a link in the page leads from %s to %s", shown, got)
	}
	// The theme is part of the address.
	b.Do(chromedp.Click(chromedp.CSS("#theme")), chromedp.Click(chromedp.CSS("#theme")))
	b.kept()
	if got := b.text("location.hash"); got != "#q=sip&ports=5000-6000&theme=dark" {
		b.t.Errorf("the address is %s", got)
	}
	for hash, want := range map[string]string{"theme=light": "light", "theme=dark": "dark", "theme=auto": "", "theme=x": "", "q=sip": ""} {
		b.at(hash)
		if got := b.text(`document.documentElement.dataset.theme || ""`); got != want {
			b.t.Errorf("#%s: theme %q", hash, got)
		}
	}
}

// isQuiet proves that what a pointer does is not read out, and what keys do is.
func isQuiet(b browserPage) {
	b.open(smallPage())
	b.text(`window.heard = 0, document.querySelectorAll("[aria-live], [role=status]").forEach((e) => new MutationObserver((l) => { if (e.getAttribute("aria-live") !== "off") window.heard += l.length; }).observe(e, { childList: true, subtree: true, characterData: true })), ""`)
	x, y := b.move(`[data-bar="0-1-1-1"]`)
	for i := range 5 {
		browser.Call(b.Tab, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: "mouseWheel", X: x, Y: y, DeltaX: 0.01, DeltaY: -120})
		b.Do(chromedp.MouseEvent(chromedp.MouseMoved, x+float64(10*i), y))
	}
	b.settle()
	if n := browser.Value[int](b.Tab, "window.heard"); n != 0 || b.shown() == "all ports are shown" {
		b.t.Errorf("a pointer that zooms to %q is read out %d times", b.shown(), n)
	}
	b.text(`document.querySelector("#picture svg").focus(), ""`)
	b.keys("+")
	if n := browser.Value[int](b.Tab, "window.heard"); n == 0 {
		b.t.Error("a key that zooms is not read out")
	}
}

// isFluidInAFleet proves that what is far from the window costs nothing, and is there when it is
// needed.
func isFluidInAFleet(b browserPage) {
	p := &chart.Picture{Title: "hosts"}
	for i := range 100 {
		host := crowd(10, 20).Panels[0]
		host.Title = fmt.Sprintf("host-%02d", i)
		p.Panels = append(p.Panels, host)
	}
	b.open(p)
	drawn := func() int {
		return browser.Value[int](b.Tab, `[...document.querySelectorAll(".panel")].filter((e) => getComputedStyle(e).display !== "none").length`)
	}
	// A window that was higher a moment ago leaves nothing behind.
	b.Do(chromedp.EmulateViewport(1400, 40000))
	b.settle()
	if n := drawn(); n < 50 {
		b.t.Errorf("%d of 100 hosts are in the picture of a high window", n)
	}
	b.Do(chromedp.EmulateViewport(1400, 1000))
	b.settle()
	if n := drawn(); n < 2 || n > 20 {
		b.t.Errorf("%d of 100 hosts are in the picture, of a window %d high", n, browser.Value[int](b.Tab, "innerHeight"))
	}
	b.Do(chromedp.Click(chromedp.CSS(`nav a[data-to="60"]`)))
	b.settle()
	if top := browser.Value[float64](b.Tab, `document.querySelector("#panel-60 .panel-title").getBoundingClientRect().top`); top < -50 || top > 950 || drawn() > 20 {
		b.t.Errorf("a link leads to %v, and %d are drawn", top, drawn())
	}
	// A row of a table shows a bar that is far away.
	b.text(`[...document.querySelectorAll('tr[data-row^="90-"] button')][0].click(), ""`)
	b.settle()
	if got := b.text(`(() => { const r = document.querySelector(".bar.lit").getBoundingClientRect(); return document.querySelector(".bar.lit").dataset.bar.split("-")[0] + (r.width > 0 && r.top > 0 && r.bottom < innerHeight) })()`); got != "90true" {
		b.t.Errorf("a row shows a bar of host %s", got)
	}
	b.text(`dispatchEvent(new Event("beforeprint")), ""`)
	if n := drawn(); n != 100 {
		b.t.Errorf("on paper are %d of 100 hosts", n)
	}
	// Each is a picture of its own there, in which all of it is seen, and they follow each other.
	b.media("print", "light")
	b.text(`scrollTo(0, 0), ""`)
	b.shot("paper-hosts")
	if got := b.text(`(() => {
		const of = (e) => e.getBoundingClientRect();
		let below = of(document.querySelector("#picture .sheet")).top;
		return [...document.querySelectorAll(".panel")].filter((e) => {
			const sheet = of(e.ownerSVGElement), bars = [...e.querySelectorAll(".bar")].map(of), title = of(e.querySelector(".panel-title"));
			const fine = sheet.top >= below && sheet.top < below + 20 && e.ownerSVGElement.querySelectorAll(".panel").length === 1 && getComputedStyle(e.ownerSVGElement).breakInside === "avoid" &&
				bars.length > 20 && [title, ...bars].every((r) => r.width > 0 && r.top >= sheet.top - 1 && r.bottom <= sheet.bottom + 1 && r.left >= sheet.left && r.right <= sheet.right);
			below = sheet.bottom;
			return !fine;
		}).map((e) => e.id).join();
	})()`); got != "" {
		b.t.Errorf("on paper these panels are not whole: %s", got)
	}
	b.media("", "light")
	b.text(`dispatchEvent(new Event("afterprint")), ""`)
	b.settle()
	if got := b.text(`[...document.querySelectorAll("#picture .sheet > .panel, .sheet > svg")].map((e) => e.dataset.panel || e.localName).join()`); !strings.HasPrefix(got, "svg,0,1,2,") || !browser.Value[bool](b.Tab, `document.querySelector("#picture svg").getBoundingClientRect().height > 1000`) || strings.Count(got, ",") != 100 {
		b.t.Errorf("after printing there are %s", got)
	}
	if n := drawn(); n > 20 {
		b.t.Errorf("and after that %d", n)
	}
}

// hasNoScript proves that the page is complete without its script.
func hasNoScript(b browserPage) {
	browser.Call(b.Tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	name := filepath.Join(b.t.TempDir(), "chart.html")
	if err := os.WriteFile(name, pageOf(b.t, smallPage(), Options{}), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.Do(chromedp.Navigate("file://" + filepath.ToSlash(name)))
	if got := b.seen(); got != "0-1-0-0 0-1-0-1 0-1-1-0 0-1-1-1 0-2-0-0 f-0-0 p-0-0 | 0-0-0-0 0-1-0-0 0-1-1-0 0-2-0-0" {
		b.t.Errorf("seen are %s", got)
	}
	if got := b.text(`[...document.querySelectorAll("button, input, select")].filter((e) => e.offsetParent).length + ""`); got != "0" {
		b.t.Errorf("%s controls that do nothing", got)
	}
	b.shot("no-script")
	title := func(of string) string {
		return b.text(`(document.querySelector(` + literal("#picture "+of+" title") + `) || { textContent: "" }).textContent`)
	}
	wants(b.t, "the title of a bar", title(`.bar[data-bar="0-1-0-0"]`), "media sip: 5060/tcp", "etc/media.conf:12")
	wants(b.t, "the title of a mark", title(".mark"), "ephemeral-overlap", "set rtp_base to 25000")
	wants(b.t, "the title of a band", title(".lane .band"), "system ports")
	const words = `[...document.querySelectorAll("#picture p")].filter((e) => e.offsetParent).map((e) => e.textContent).join()`
	if got := b.text(words); got != "" {
		b.t.Errorf("and above it stands %q", got)
	}
	// Of several hosts only the tables say it.
	several := smallPage()
	several.Panels = append(several.Panels, smallPage().Panels[0])
	if err := os.WriteFile(name, pageOf(b.t, several, Options{}), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.Do(chromedp.Navigate("file://" + filepath.ToSlash(name)))
	if got := title(".lane"); got != "" {
		b.t.Errorf("a page of several hosts has the title %q", got)
	}
	if got := b.text(words); got != "What is known of each bar stands in the tables below." {
		b.t.Errorf("and above the picture stands %q", got)
	}
}
