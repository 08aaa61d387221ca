package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"portolan/internal/diag"
	"portolan/internal/source"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// at marks the first occurrence of text in f.
func at(t testing.TB, f *source.File, text string) source.Span {
	t.Helper()
	i := bytes.Index(f.Text, []byte(text))
	if i < 0 {
		t.Fatalf("%s does not hold %q", f.Name, text)
	}
	return f.Span(i, i+len(text))
}

// samples hold every shape a finding can have, friendly and hostile.
func samples(t testing.TB) map[string]diag.List {
	media := source.New("etc/lumenvox/media_server.conf", []byte(strings.Repeat("#\n", 35)+
		"rtp_server_port_base = default\r\nmrcp_server_resmax = default\n\tsip_port\t= 5060 # 語音 e\u0301\n"))
	other := source.New("etc/asterisk/sip.conf", []byte("[general]\nbindport=5060\n"))
	rude := source.New("etc/\x1b[2Jrude\u202e.conf", []byte("port = \x1b]0;x\a\x00\xe9\u202e 5060\u0085\n"+
		strings.Repeat("x", 500)+" 語=5061 "+strings.Repeat("y", 500)+"\nlast"))
	return map[string]diag.List{
		"none": nil,
		"design": {{
			Rule: "ephemeral-overlap", Severity: diag.Error,
			Message: "RTP 35000-35399/udp of lumenvox-media-server overlaps the ephemeral ports 32768-60999 of linux",
			Span:    at(t, media, "default"),
			Label:   "35000 in 11.3.100; 400 ports shared",
			Notes:   []string{"net.ipv4.ip_local_port_range is 32768 60999 (etc/sysctl.d/10-net.conf:3)"},
			Help:    "set rtp_server_port_base to 25000, or reserve 35000-35399 in net.ipv4.ip_local_reserved_ports",
		}},
		"related": {{
			Rule: "port-overlap", Severity: diag.Error, Message: "two of a kind",
			Span: at(t, media, "5060"), Label: "1 port shared: 5060",
			Related: []diag.Related{
				{Span: at(t, other, "5060"), Message: "SIP 5060/udp of asterisk"},
				{Span: at(t, media, "語音 e\u0301"), Message: "wide and combining"},
				{Span: other.Span(0, 0), Message: "a file as a whole"},
				{Message: "no place"},
			},
			Fixes: []diag.Fix{
				{Title: "set sip_port to 5070", Safety: diag.Safe, Edits: []diag.Edit{{Span: at(t, media, "5060"), New: "5070"}}},
				{Title: "look elsewhere", Safety: diag.Display},
			},
		}, {
			Rule: "odd", Severity: diag.Warning, Message: "an empty place", Span: other.Span(9, 9), Label: "here",
		}, {
			Rule: "lines", Severity: diag.Info, Message: "two lines", Span: other.Span(1, 14),
		}, {
			Rule: "lines", Severity: diag.Warning, Message: "an empty last line", Span: other.Span(24, 24),
		}, {
			Severity: diag.Error, Message: "a file as a whole", Span: other.Span(0, 0), Label: "words", Help: "look",
		}, {
			Message: "no place and no severity",
		}},
		"hostile": {{
			Rule: "r\x1b", Severity: diag.Warning, Message: "a\nerror[forged]: b\t\x7f\u200b\xff\ufffd\U000e0041", Span: at(t, rude, " 5060"),
			Label: "l\r\x1b[31m", Notes: []string{"n\n"}, Help: "h\u2028",
			Related: []diag.Related{{Span: at(t, rude, "5061"), Message: "cut \x1b"}, {Span: at(t, rude, "last"), Message: "no newline"}},
		}},
	}
}

func TestGolden(t *testing.T) {
	for name, list := range samples(t) {
		for _, f := range Formats {
			golden(t, name+"."+f.Name, f, One(Host{Root: "hosts/a", Findings: list}), Options{Limit: diag.Warning, Version: "1.0"})
		}
		golden(t, name+".ansi", Formats[0], One(Host{Findings: list}), Options{Color: true})
	}
	fleet := samples(t)
	hosts := slices.Values([]Host{{Root: "hosts/a", Findings: fleet["design"]}, {Root: "hosts/b"}, {Root: "hosts/c", Findings: fleet["related"][:1]}})
	for _, f := range Formats {
		golden(t, "fleet."+f.Name, f, hosts, Options{Fleet: true, Limit: diag.Warning})
	}
	var many []Host
	for i := range 12 {
		h := Host{Root: "hosts/" + string(rune('a'+i)), Findings: fleet["design"]}
		if i%3 > 0 {
			h.Findings = append(slices.Clone(h.Findings), fleet["related"][0], fleet["related"][0])
		}
		many = append(many, h, Host{Root: "hosts/clean"})
	}
	golden(t, "many.ansi", Formats[0], slices.Values(many), Options{Fleet: true, Color: true})
}

// golden holds what a format writes against a file.
func golden(t *testing.T, name string, f Format, hosts iter.Seq[Host], o Options) {
	t.Helper()
	o.Rules = []Rule{{"ephemeral-overlap", "a listener uses ports that the system hands out", "# ephemeral-overlap\n", diag.Error}}
	var got bytes.Buffer
	if err := f.Write(&got, hosts, o); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}

// TestMarksStandUnderTheirText checks the claim a mark makes, by columns.
func TestMarksStandUnderTheirText(t *testing.T) {
	long := strings.Repeat("語", 300)
	for name, line := range map[string]string{
		"plain": "port = <5060> # x", "tabs": "\tport\t=\t<50\t60>", "wide": "語音 = <語音>", "combining": "e\u0301 = <e\u0301>",
		"latin1": "caf\xe9 = <\xe9>", "first": "<port> = 1", "last": "port = <1>", "all": "<x>",
		"long before": long + "<5060>", "long after": "<5060>" + long, "long both": long + "<5060>" + long, "huge": strings.Repeat("a", 1<<20) + "<b>" + strings.Repeat("c", 1<<20),
	} {
		before, rest, _ := strings.Cut(line, "<")
		marked, after, _ := strings.Cut(rest, ">")
		f := source.New("f", []byte("first\n"+before+marked+after+"\nlast"))
		s := f.Span(6+len(before), 6+len(before)+len(marked))
		n := snip(s, 2)
		want := strings.ReplaceAll(marked, "\t", "    ")
		if !utf8.ValidString(want) {
			want = Printable(want)
		}
		if got := columnsOf(n.text, n.caret, n.width); got != want {
			t.Errorf("%s: the mark stands under %q in %q, want %q", name, got, n.text, want)
		}
		if w := Width(n.text); w > maxColumns+2*len(elision) {
			t.Errorf("%s: %d columns", name, w)
		}
	}
}

// columnsOf is the part of text that a terminal shows in width columns behind skip.
func columnsOf(text string, skip, width int) string {
	var b strings.Builder
	col, inside := 0, false
	for _, r := range text {
		w := Width(string(r))
		if w > 0 {
			inside = col >= skip && col < skip+width
		}
		if inside {
			b.WriteRune(r)
		}
		col += w
	}
	return b.String()
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		`C:\Program Files\LumenVox`:    `C:\Program Files\LumenVox`,
		"語音 é e\u0301 😀":               "語音 é e\u0301 😀",
		"\x00\x1b[31m\a\b\x7f":         `\x00\x1b[31m\x07\x08\x7f`,
		"a\tb\r\nc":                    `a\tb\r\nc`,
		"\u202eabc\u2066\u200b\ufeff":  `\u202eabc\u2066\u200b\ufeff`,
		"\u0085\u009b31m\u2028\u00a0x": `\u0085\u009b31m\u2028\u00a0x`,
		"\xff\xe9\xe2\x82":             `\xff\xe9\xe2\x82`,
		"\ufffd":                       "\ufffd",
		"\U000e0041\U0010ffff":         `\U000e0041\U0010ffff`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Width("a語e\u0301😀ｱＡ각"); got != 1+2+1+2+1+2+2 {
		t.Errorf("Width = %d", got)
	}
}

func TestWideIsAscending(t *testing.T) {
	for i, w := range wide {
		if w[0] > w[1] || i > 0 && wide[i-1][1] >= w[0] {
			t.Errorf("%x-%x is out of order", w[0], w[1])
		}
	}
}

func TestLookup(t *testing.T) {
	for _, f := range Formats {
		got, err := Lookup(f.Name)
		if err != nil || got.Name != f.Name || f.Summary == "" || f.Write == nil {
			t.Errorf("Lookup(%q) = %v, %v", f.Name, got, err)
		}
	}
	for _, name := range []string{"", "TEXT", "xml"} {
		_, err := Lookup(name)
		if err == nil {
			t.Fatalf("Lookup(%q): want an error", name)
		}
		for _, f := range Formats {
			if !strings.Contains(err.Error(), f.Name) {
				t.Errorf("%q does not name the choice %s", err, f.Name)
			}
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriteErrorsAreReturned(t *testing.T) {
	for _, f := range Formats {
		if err := f.Write(brokenWriter{}, One(Host{Findings: samples(t)["design"]}), Options{}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}

// TestJSONKeys holds the contract that programs rely on: these names, no null.
func TestJSONKeys(t *testing.T) {
	var b bytes.Buffer
	if err := writeJSON(&b, One(Host{Findings: samples(t)["related"]}), Options{}); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b.Bytes(), []byte("null")) {
		t.Error("null in the output")
	}
	var top map[string]any
	if err := json.Unmarshal(b.Bytes(), &top); err != nil {
		t.Fatal(err)
	}
	first := top["findings"].([]any)[0].(map[string]any)
	fix := first["fixes"].([]any)[0].(map[string]any)
	for _, c := range []struct {
		in   any
		want string
	}{
		{top, "findings summary version"},
		{top["summary"], "error info warning"},
		{first, "column end_column end_line file fingerprint fixes help line message notes related rule severity"},
		{first["related"].([]any)[0], "column end_column end_line file line message"},
		{fix, "edits safety title"},
		{fix["edits"].([]any)[0], "column end_column end_line file line new"},
	} {
		if got := strings.Join(keys(c.in.(map[string]any)), " "); got != c.want {
			t.Errorf("keys %s, want %s", got, c.want)
		}
	}
	if !reflect.DeepEqual(top["summary"], map[string]any{"error": 2.0, "warning": 2.0, "info": 1.0}) {
		t.Errorf("summary %v", top["summary"])
	}
}

func keys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// FuzzReport gives any bytes as file, place and words: the text is harmless on a
// terminal and the JSON is valid.
func FuzzReport(f *testing.F) {
	f.Add([]byte("rtp_server_port_base = default\n"), "a message", 23, 30, false)
	f.Add([]byte("\t\x1b]0;x\a\xff\xfe\u202e\r\n\r\n"), "\x1b[2J\u009b\u2066\n", 3, 9, true)
	f.Add([]byte(strings.Repeat("語\u0301", 700)), "語", 2000, 2001, true)
	f.Fuzz(func(t *testing.T, text []byte, words string, start, end int, color bool) {
		file := source.New(words, text)
		s := file.Span(start, end)
		list := diag.List{{
			Rule: words, Severity: diag.Severity(len(text) % 4), Message: words, Span: s, Label: words,
			Related: []diag.Related{{Span: file.Span(end, end), Message: words}}, Notes: []string{words}, Help: words,
			Fixes: []diag.Fix{{Title: words, Safety: diag.Unsafe, Edits: []diag.Edit{{Span: s, New: words}}}},
		}}
		var b bytes.Buffer
		if err := Text(&b, list, Options{Color: color}); err != nil {
			t.Fatal(err)
		}
		plain := b.String()
		if color {
			for _, style := range []string{"0", bold, boldRed, boldYellow, boldBlue, boldCyan} {
				plain = strings.ReplaceAll(plain, "\x1b["+style+"m", "")
			}
		}
		for i, r := range plain {
			if r != '\n' && unprintable(r) && !strings.HasPrefix(plain[i:], "\ufffd") {
				t.Fatalf("%q at %d of %q", r, i, plain)
			}
		}
		if lines := strings.Count(plain, "\n"); lines > 13 {
			t.Fatalf("%d lines: words forged some\n%s", lines, plain)
		}

		b.Reset()
		if err := writeJSON(&b, One(Host{Findings: list}), Options{}); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && unprintable(r) && r != utf8.RuneError }); i >= 0 {
			t.Fatalf("unprintable at %d of %q", i, b.String())
		}
		var back struct{ Findings []jsonFinding }
		if err := json.Unmarshal(b.Bytes(), &back); err != nil {
			t.Fatal(err)
		}
		for _, f := range Formats[2:] {
			b.Reset()
			h := Host{Root: words, Findings: list, Known: list, Ignored: []diag.Silenced{{Diagnostic: list[0], Reason: words, By: s}}}
			if err := f.Write(&b, One(h), Options{}); err != nil {
				t.Fatal(err)
			}
			if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && unprintable(r) && r != utf8.RuneError }); i >= 0 {
				t.Fatalf("%s: unprintable at %d of %q", f.Name, i, b.String())
			}
			switch f.Name {
			case "github":
				if lines := strings.Count(b.String(), "\n"); lines != 1 || !strings.HasPrefix(b.String(), "::") {
					t.Fatalf("%d lines: words forged some\n%s", lines, b.String())
				}
			case "junit":
				if err := xml.Unmarshal(b.Bytes(), new(struct{})); err != nil {
					t.Fatalf("%v\n%s", err, b.String())
				}
			default:
				if !json.Valid(b.Bytes()) {
					t.Fatalf("%s: %s", f.Name, b.String())
				}
			}
		}
		if utf8.ValidString(words) && back.Findings[0].Message != words {
			t.Fatalf("message %q came back as %q", words, back.Findings[0].Message)
		}
	})
}

func BenchmarkText(b *testing.B) {
	list := samples(b)["related"]
	for b.Loop() {
		if err := Text(io.Discard, list, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
