package draw

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"portolan/internal/chart"
	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/report"
)

// small is a picture with something of each sort, whose names are name.
func small(name string) *chart.Picture {
	rtp := chart.Bar{Kind: chart.RTP, Proto: port.UDP, Ports: port.Range{First: 35000, Last: 35799}, Name: name, Service: name, Place: name, Bind: name}
	rtp.Marks = []chart.Mark{{Ports: port.Of(rtp.Ports), Rule: name, Severity: diag.Error}}
	moved := chart.Bar{Kind: chart.Clients, Proto: port.TCP, Ports: port.Single(5060), Name: name, Moved: port.Of(port.Single(15060), port.Range{First: 20000, Last: 29000})}
	system := chart.Lane{}
	for i := range uint16(5) {
		system.Bars = append(system.Bars, chart.Bar{Kind: chart.Excluded, Ports: port.Range{First: 50000 + 100*i, Last: 50049 + 100*i}, Name: name})
	}
	return &chart.Picture{Title: name, Lines: []string{name, name}, Panels: []chart.Panel{{
		Title: name, Note: name,
		Bands: []chart.Band{{Kind: chart.Ephemeral, Ports: port.Range{First: 32768, Last: 60999}, Words: name, From: name}},
		Groups: []chart.Group{
			{Name: name, Title: name, Lanes: []chart.Lane{system}},
			{Name: name, Title: name, Note: name, Lanes: []chart.Lane{{Proto: port.TCP, Bars: []chart.Bar{moved}}, {Proto: port.UDP, Bars: []chart.Bar{rtp}}}},
			{Name: name, Note: name},
		},
		Findings: []chart.Finding{
			{Rule: name, Severity: diag.Error, Message: name, Place: name, Help: name, Notes: []string{name}, Quarrel: true},
			{Rule: name, Severity: diag.Info, Message: name},
		},
		Peers: []chart.Bar{moved},
	}}}
}

func drawn(t *testing.T, p *chart.Picture, o Options) string {
	t.Helper()
	var b strings.Builder
	if err := Text(&b, p, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sgr are the sequences that colour text: nothing else with an escape is ever written.
var sgr = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// inBounds holds text against what Text promises of it.
func inBounds(t *testing.T, text string, o Options) {
	t.Helper()
	plain := text
	if o.Color {
		plain = sgr.ReplaceAllString(text, "")
	}
	if plain == "" || !strings.HasSuffix(plain, "\n") || !utf8.ValidString(plain) {
		t.Fatalf("no lines: %q", plain)
	}
	width := o.Width
	if width == 0 {
		width = 80
	}
	for line := range strings.Lines(plain) {
		line = strings.TrimSuffix(line, "\n")
		if bad := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) || o.ASCII && r > 0x7E }); bad >= 0 {
			t.Errorf("%q has something that does not belong there at byte %d", line, bad)
		}
		if w := report.Width(line); w > width {
			t.Errorf("%d columns of %d: %q", w, width, line)
		}
		if strings.HasSuffix(line, " ") {
			t.Errorf("blanks at the end of %q", line)
		}
	}
}

// hostileNames are names that somebody could write into a file to fool a terminal.
var hostileNames = []string{
	"", "rtp", " ", "a b", "\x1b[2J\x1b]0;owned\a", "a\nb\r\n", "x\x00y", "\u202eevil\u202c", "\u200b\u2066", "\xff\xfe", "\ufffd", "名前のサービス",
	"e\u0301\u0301\u0301", "\u0301", "한글", "😀😀", "\u00a0", "…–→", "tab\there", strings.Repeat("very-long-", 60), strings.Repeat("長い", 200),
	strings.Repeat("words and words ", 40), strings.Repeat("\u0301", 300), "C:\\Program Files\\x", "\u009b31m", "\x7f",
}

func TestTextOfHostileNames(t *testing.T) {
	for _, name := range hostileNames {
		for _, o := range []Options{{}, {ASCII: true}, {Color: true, Width: 40}, {Linear: true, Width: 200}, {ASCII: true, Color: true, Width: 41}} {
			inBounds(t, drawn(t, small(name), o), o)
		}
	}
}

func FuzzText(f *testing.F) {
	for i, name := range hostileNames {
		f.Add(name, uint16(40+13*i), i%2 == 0, i%3 == 0, i%5 == 0)
	}
	f.Fuzz(func(t *testing.T, name string, width uint16, ascii, color, linear bool) {
		o := Options{Width: LeastColumns + int(width)%361, ASCII: ascii, Color: color, Linear: linear}
		inBounds(t, drawn(t, small(name), o), o)
	})
}

// TestWideNamesKeepColumns compares the columns of pictures that differ in a name of the same
// width alone.
func TestWideNamesKeepColumns(t *testing.T) {
	columns := func(text string) []string {
		var out []string
		for line := range strings.Lines(text) {
			var b strings.Builder
			for _, r := range strings.TrimSuffix(line, "\n") {
				sign := '.'
				if strings.ContainsRune("░▒▓█■╳┄·", r) {
					sign = r
				}
				b.WriteString(strings.Repeat(string(sign), report.Width(string(r))))
			}
			out = append(out, b.String())
		}
		return out
	}
	want := columns(drawn(t, small("abcdefgh"), Options{Width: 120}))
	for _, name := range []string{"名前服務", "ab\u0301cdefg\u0308h", "ｗｉｄｅ"} {
		got := columns(drawn(t, small(name), Options{Width: 120}))
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %s\nwant %s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestColorIsOnlyColor demands the same text with colour and without.
func TestColorIsOnlyColor(t *testing.T) {
	p := small("listener")
	plain, color := drawn(t, p, Options{}), drawn(t, p, Options{Color: true})
	if strings.Contains(plain, "\x1b") || !strings.Contains(color, "\x1b[1;31m") {
		t.Error("colour is where it should not be, or is not where it should")
	}
	if got := sgr.ReplaceAllString(color, ""); got != plain {
		t.Errorf("colour changes the text:\n%s\n%s", got, plain)
	}
	for line := range strings.Lines(color) {
		if n := strings.LastIndex(line, "\x1b["); n >= 0 && !strings.HasPrefix(line[n:], "\x1b[0m") {
			t.Errorf("the colour of %q does not end", line)
		}
	}
}

// TestSignsAreDistinct demands a sign for each kind, and words for it in the legend.
func TestSignsAreDistinct(t *testing.T) {
	seen := map[rune]chart.Kind{}
	ascii := map[rune]chart.Kind{}
	for k := chart.Other; k <= chart.NomadPorts; k++ {
		p := penOf(k)
		if o, is := seen[p.sign]; is {
			t.Errorf("%v looks like %v", k, o)
		}
		if o, is := ascii[p.ascii]; is {
			t.Errorf("%v looks like %v in ASCII", k, o)
		}
		seen[p.sign], ascii[p.ascii] = k, k
		if report.Width(string(p.sign)) != 1 || p.ascii > 0x7E || p.ascii <= ' ' || p.sign == marked.sign || p.ascii == marked.ascii {
			t.Errorf("%v has the signs %q and %q", k, p.sign, p.ascii)
		}
		pic := &chart.Picture{Panels: []chart.Panel{{Groups: []chart.Group{{Name: "x", Lanes: []chart.Lane{{Bars: []chart.Bar{{Kind: k, Ports: port.Range{First: 100, Last: 60000}, Name: "n"}}}}}}}}}
		for _, o := range []Options{{}, {ASCII: true}} {
			sign := string(p.sign)
			if o.ASCII {
				sign = string(p.ascii)
			}
			text := drawn(t, pic, o)
			_, below, _ := strings.Cut(text, "\n\n")
			if below != sign+" "+k.Words()+"\n" || strings.Count(text, sign) < 10 {
				t.Errorf("%v: %q", k, text)
			}
		}
	}
}

func TestEmptyPicture(t *testing.T) {
	if got := drawn(t, &chart.Picture{}, Options{}); got != "" {
		t.Errorf("%q", got)
	}
}

// TestWordsOfAPicture reads what must be said in words.
func TestWordsOfAPicture(t *testing.T) {
	p := small("rtp")
	p.Panels[0].Findings[0] = chart.Finding{Rule: "ephemeral-overlap", Severity: diag.Error, Message: "it overlaps", Place: "etc/x.conf:3", Help: "move it", Quarrel: true}
	p.Panels[0].Groups[1].Lanes[1].Bars[0].Marks[0].Rule = "ephemeral-overlap"
	text := drawn(t, p, Options{Width: 120})
	for _, want := range []string{
		"! 35000-35799 ephemeral-overlap",
		"╳ conflict: ports, and the rule that says so",
		"┄┄",
		"error[ephemeral-overlap]: it overlaps\n --> etc/x.conf:3\n   = help: move it\n",
		"rtp excluded: 50000-50049 50100-50149 50200-50249 50300-50349 50400-50449\n",
		"excluded, 5 ranges",
		"1 finding is not about ports that meet",
		"┄ where it is in the other picture",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "15060") {
		t.Errorf("a peer is drawn:\n%s", text)
	}
}

// TestMarkedBarsKeepTheirKind: a mark has both its ends, save where the bar ends too, and leaves the
// sign of its bar to be seen between them, and in the legend.
func TestMarkedBarsKeepTheirKind(t *testing.T) {
	bar := chart.Bar{Kind: chart.RTP, Proto: port.UDP, Ports: port.Range{First: 30000, Last: 39999}, Name: "rtp"}
	for _, c := range []struct {
		ports         port.Range
		unicode, text string
	}{
		{bar.Ports, " ╳▓╳▓╳▓╳▓╳▓╳ ", " X@X@X@X@X@X "},
		{port.Range{First: 30000, Last: 30099}, " ╳▓▓▓▓▓▓▓▓▓▓ ", " X@@@@@@@@@@ "},
		{port.Range{First: 37000, Last: 39999}, " ▓▓▓▓▓▓▓╳▓╳▓ ", " @@@@@@@X@X@ "},
		{port.Range{First: 32000, Last: 34999}, " ▓▓╳▓╳╳▓▓▓▓▓ ", " @@X@XX@@@@@ "},
		{port.Range{First: 36000, Last: 39999}, " ▓▓▓▓▓▓╳▓╳▓╳ ", " @@@@@@X@X@X "},
	} {
		bar.Marks = []chart.Mark{{Ports: port.Of(c.ports), Rule: "port-overlap", Severity: diag.Error}}
		p := &chart.Picture{Panels: []chart.Panel{{Groups: []chart.Group{{Name: "media", Lanes: []chart.Lane{{Proto: port.UDP, Bars: []chart.Bar{bar}}}}},
			Findings: []chart.Finding{{Rule: "port-overlap", Severity: diag.Error, Message: "it overlaps"}}}}}
		for want, o := range map[string]Options{c.unicode: {Width: 80, Linear: true}, c.text: {Width: 80, Linear: true, ASCII: true}} {
			text := drawn(t, p, o)
			if !strings.Contains(text, want) || !strings.Contains(text, chart.RTP.Words()) {
				t.Errorf("%s: %q is not in\n%s", c.ports, want, text)
			}
		}
	}
}

// TestLegendOfMarks: marks of nothing but notices are no conflict.
func TestLegendOfMarks(t *testing.T) {
	p := small("rtp")
	m := &p.Panels[0].Groups[1].Lanes[1].Bars[0].Marks[0]
	for severity, want := range map[diag.Severity]string{diag.Error: "conflict: ports", diag.Warning: "conflict: ports", diag.Info: "worth knowing: ports"} {
		m.Severity = severity
		for what, text := range map[string]string{"text": drawn(t, p, Options{}), "svg": string(write(t, p, Options{}))} {
			if strings.Count(text, ": ports, and the rule") != 1 || !strings.Contains(text, want) {
				t.Errorf("%s of marks of severity %s does not say %q:\n%s", what, severity, want, text)
			}
		}
	}
}

// TestWordsInsideBars: they have a blank on both sides, and both ends of the bar are seen.
func TestWordsInsideBars(t *testing.T) {
	for kind, want := range map[chart.Kind]string{chart.RTP: "▓ rtp 20000-49999 ▓", chart.Ephemeral: "░ rtp 20000-49999 ░"} {
		p := &chart.Picture{Panels: []chart.Panel{{Groups: []chart.Group{{Name: "media", Lanes: []chart.Lane{{Proto: port.UDP,
			Bars: []chart.Bar{{Kind: kind, Proto: port.UDP, Ports: port.Range{First: 20000, Last: 49999}, Name: "rtp"}}}}}}}}}
		if text := drawn(t, p, Options{Linear: true, Width: 80}); !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// TestSameFindingsOfAFleet: what several hosts have in common is said once, with a few of the places;
// what is about one host is said as often as it is found.
func TestSameFindingsOfAFleet(t *testing.T) {
	find := func(group, message, place string) chart.Finding {
		return chart.Finding{Rule: "port-overlap", Severity: diag.Error, Message: message, Place: place, Help: "move it", Group: group, Quarrel: true}
	}
	p := &chart.Picture{Panels: []chart.Panel{{Title: "all hosts", Findings: []chart.Finding{
		find("a", "one", "a/x:1"), find("a", "two", "a/y:1"), find("b", "one", "b/x:1"), find("c", "one", "c/x:2"), find("d", "one", "d/x:1"), find("e", "one", "e/x:1"),
		find("b", "two", "b/y:1"), find("c", "two", "c/y:1"), find("d", "two", "d/y:1")}}}}
	want := `
all hosts
error[port-overlap]: one
 --> a/x:1
 --> b/x:1
 --> c/x:2
     and in 2 more places
   = help: move it

error[port-overlap]: two
 --> a/y:1
 --> b/y:1
 --> c/y:1
 --> d/y:1
   = help: move it
`
	if got := drawn(t, p, Options{}); !strings.HasSuffix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	p.Panels[0].Findings = []chart.Finding{find("", "one", "x:1"), find("", "one", "x:2")}
	if got := drawn(t, p, Options{}); strings.Count(got, "error[port-overlap]: one\n --> x:") != 2 {
		t.Errorf("findings of one host are put together:\n%s", got)
	}
}

// TestTextOfManyRanges draws a system that spares every second port.
func TestTextOfManyRanges(t *testing.T) {
	var bars []chart.Bar
	var bands []chart.Band
	for n := uint16(1025); n < 64000; n += 2 {
		bars = append(bars, chart.Bar{Kind: chart.Spared, Ports: port.Single(n), Name: "spared"})
		bands = append(bands, chart.Band{Kind: chart.Spared, Ports: port.Single(n)})
	}
	p := &chart.Picture{Panels: []chart.Panel{{Bands: bands, Groups: []chart.Group{{Name: "linux", Lanes: []chart.Lane{{Bars: bars}}}}}}}
	begin := time.Now()
	text := drawn(t, p, Options{})
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it takes %v", took)
	}
	inBounds(t, text, Options{})
	if !strings.Contains(text, " 63999\n") {
		t.Error("the last range is missing")
	}
}

// TestLongNames draws names as long as a file.
func TestLongNames(t *testing.T) {
	for _, name := range []string{strings.Repeat("x", 1<<16), strings.Repeat("a ", 1<<15), strings.Repeat("長", 1<<15), strings.Repeat("e\u0301", 1<<16), strings.Repeat("\u0301", 1<<18)} {
		begin := time.Now()
		inBounds(t, drawn(t, small(name), Options{}), Options{})
		if took := time.Since(begin); took > 5*time.Second { // most of it is the check
			t.Errorf("%d bytes take %v", len(name), took)
		}
	}
}
