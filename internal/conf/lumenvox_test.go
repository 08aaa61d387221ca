package conf

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"

	"portolan/internal/diag"
	"portolan/internal/source"
)

func parseText(t *testing.T, raw string) (*Document, diag.List) {
	t.Helper()
	doc, diags, err := Parse("lumenvox", source.New("media_server.conf", []byte(raw)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return doc, diags
}

// dump is a document as lines "section/key=value@line:column".
func dump(doc *Document) string {
	var b strings.Builder
	var walk func(prefix string, n *Node)
	walk = func(prefix string, n *Node) {
		for _, c := range n.Children {
			if c.Kind == Section {
				b.WriteString("[" + c.Name + "]\n")
				walk(c.Name+"/", c)
				continue
			}
			p := c.ValueSpan.Position()
			b.WriteString(prefix + c.Name + "=" + c.Value + "@")
			b.WriteString(strings.TrimPrefix(c.ValueSpan.String(), doc.File.Name+":"))
			b.WriteString("\n")
			if c.Value != "" && c.ValueSpan.Text() != c.Value {
				b.WriteString("SPAN " + c.ValueSpan.Text() + "\n")
			}
			_ = p
		}
	}
	walk("", doc.Root)
	return b.String()
}

func rules(diags diag.List) string {
	var names []string
	for _, d := range diags {
		names = append(names, d.Rule+"@"+strings.TrimPrefix(d.Span.String(), "media_server.conf:"))
	}
	return strings.Join(names, " ")
}

func utf16le(s string, bom bool) string {
	var b bytes.Buffer
	if bom {
		b.Write([]byte{0xFF, 0xFE})
	}
	for _, u := range utf16.Encode([]rune(s)) {
		_ = binary.Write(&b, binary.LittleEndian, u) // bytes.Buffer does not fail
	}
	return b.String()
}

const plainFile = "[GLOBAL]\nVERSION = 11.3.100\nrtp_server_port_base = default\n"
const plainDump = "[GLOBAL]\nGLOBAL/VERSION=11.3.100@2:11\nGLOBAL/rtp_server_port_base=default@3:24\n"

func TestLumenvoxReads(t *testing.T) {
	for name, c := range map[string]struct{ in, want, rules string }{
		"plain":                    {plainFile, plainDump, ""},
		"crlf":                     {strings.ReplaceAll(plainFile, "\n", "\r\n"), plainDump, ""},
		"bom":                      {"\xEF\xBB\xBF" + plainFile, plainDump, ""},
		"utf-16le with mark":       {utf16le(strings.ReplaceAll(plainFile, "\n", "\r\n"), true), plainDump, ""},
		"utf-16le without mark":    {utf16le(plainFile, false), plainDump, ""},
		"no final newline":         {strings.TrimSuffix(plainFile, "\n"), plainDump, ""},
		"latin-1 comment":          {"# f\xfcr den Betrieb\n" + plainFile, strings.NewReplacer("2:", "3:", "3:", "4:").Replace(plainDump), ""},
		"banner":                   {"#****#\n#* x = 1\n#****#\n[GLOBAL]\na=1\n", "[GLOBAL]\nGLOBAL/a=1@5:3\n", ""},
		"no blanks":                {"[S]\nk=v\n", "[S]\nS/k=v@2:3\n", ""},
		"semicolons are data":      {"[S]\nL = 127.0.0.1;10.0.0.1:5721\n", "[S]\nS/L=127.0.0.1;10.0.0.1:5721@2:5\n", ""},
		"hash in a value":          {"[S]\nk = a # b\n", "[S]\nS/k=a # b@2:5\n", ""},
		"backslash at the end":     {"[S]\npath = C:\\LumenVox\\\ny = 7\n", "[S]\nS/path=C:\\LumenVox\\@2:8\nS/y=7@3:5\n", ""},
		"nothing expands":          {"[S]\nx = %(y)s\ny = %(x)s\n", "[S]\nS/x=%(y)s@2:5\nS/y=%(x)s@3:5\n", ""},
		"colon is no delimiter":    {"[S]\nhost:port = 5\n", "[S]\nS/host:port=5@2:13\n", ""},
		"same key, two sections":   {"[A]\np = 1\n[B]\np = 2\n", "[A]\nA/p=1@2:5\n[B]\nB/p=2@4:5\n", ""},
		"same section twice":       {"[A]\np = 1\n[A]\nq = 2\n", "[A]\nA/p=1@2:5\n[A]\nA/q=2@4:5\n", ""},
		"same key twice":           {"[A]\np = 1\np =\np = 2\n", "[A]\nA/p=1@2:5\nA/p=@3:4\nA/p=2@4:5\n", ""},
		"empty value":              {"[S]\nk =\n", "[S]\nS/k=@2:4\n", ""},
		"quoted":                   {"[S]\nk = \"a b\"\n", "[S]\nS/k=a b@2:6\n", ""},
		"empty in quotes":          {"[S]\nk = \"\"\n", "[S]\nS/k=@2:6\n", ""},
		"leading zero":             {"[S]\nsip_port = 05060\n", "[S]\nS/sip_port=05060@2:12\n", ""},
		"before any section":       {"k = 1\n[S]\n", "k=1@1:5\n[S]\n", ""},
		"hyphens in keys":          {"[G]\nFETCH-TIMEOUT = 5\n", "[G]\nG/FETCH-TIMEOUT=5@2:17\n", ""},
		"vendor's broken comment":  {"[S]\n1=Username/Password requiredquired\n", "[S]\nS/1=Username/Password requiredquired@2:3\n", ""},
		"junk line":                {"[S]\nwhat is this\nk = 1\n", "[S]\nS/k=1@3:5\n", "broken-line@2:1"},
		"no key":                   {"[S]\n= 5\nk = 1\n", "[S]\nS/k=1@3:5\n", "broken-line@2:1"},
		"section not closed":       {"[S\nk = 1\n[T]\nk = 2\n", "[T]\nT/k=2@4:5\n", "broken-line@1:1"},
		"semicolon first":          {"[S]\n;k = 1\n", "[S]\n", "ambiguous-line@2:1"},
		"text behind a section":    {"[S] x\nk = 1\n", "[S]\nS/k=1@2:5\n", "ambiguous-line@1:5"},
		"comment behind a section": {"[S] # x\nk = 1\n", "[S]\nS/k=1@2:5\n", ""},
		"carriage return inside":   {"[S]\na = 1\rb = 2\n", "[S]\nS/a=1\rb = 2@2:5\n", "ambiguous-line@2:1"},
		"single quotes":            {"[S]\nk = 'x'\n", "[S]\nS/k='x'@2:5\n", "ambiguous-line@2:5"},
		"triple quotes":            {"[S]\nk = \"\"\"a\nb = 2\n", "[S]\nS/k=\"\"\"a@2:5\nS/b=2@3:5\n", "ambiguous-line@2:5"},
		"backquote":                {"[S]\nk = `a\nb = 2\n", "[S]\nS/k=`a@2:5\nS/b=2@3:5\n", "ambiguous-line@2:5"},
		"quoted key":               {"[S]\n\"k\" = 1\n", "[S]\nS/\"k\"=1@2:7\n", "ambiguous-line@2:1"},
		"no-break space":           {"[S]\nk = 1\u00a0\n", "[S]\nS/k=1\u00a0@2:5\n", "ambiguous-line@2:5"},
		"empty":                    {"", "", ""},
		"blank":                    {" \n\t\r\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			doc, diags := parseText(t, c.in)
			if got := dump(doc); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if got := rules(diags); got != c.rules {
				t.Errorf("findings %q, want %q", got, c.rules)
			}
		})
	}
}

func TestFindingsAreCounted(t *testing.T) {
	_, diags := parseText(t, strings.Repeat("junk\n", 100))
	if len(diags) != maxReports || len(diags[maxReports-1].Notes) != 1 || diags[maxReports-1].Notes[0] != "80 more lines of this kind in media_server.conf" {
		t.Errorf("%d findings, the last with the notes %q", len(diags), diags[len(diags)-1].Notes)
	}
}

// TestMemoryIsBounded gives shapes that cost the most for their size and holds what is
// allocated to a small multiple of the input, plus what MaxNodes nodes may take.
func TestMemoryIsBounded(t *testing.T) {
	const size = 1 << 20
	for name, unit := range map[string]string{
		"settings": "a=\n", "same key": "[s]\na=1\n", "sections": "[s]\n", "distinct": "", "junk": "x\n", "comments": "#\n",
		"quotes": "a='\n", "open section": "[\n", "long line": "x", "long value": "a=bbbbbbbbbbbbbbbb", "percent": "a=%(a)s\n",
	} {
		in := strings.Repeat(unit, size/max(1, len(unit)))
		if name == "distinct" {
			var b strings.Builder
			for i := 0; b.Len() < size; i++ {
				b.WriteString(strings.Repeat("k", i%7+1) + string(rune('a'+i%26)) + "=1\n")
			}
			in = b.String()
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		parseText(t, in)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 16*size+MaxNodes*1500 {
			t.Errorf("%s: %d MB allocated for 1 MB", name, got>>20)
		}
	}
}

// TestCommentsChangeNothing is the property that comments and blank lines change no
// value, only lines.
func TestCommentsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var with, without strings.Builder
		for range rapid.IntRange(0, 12).Draw(t, "lines") {
			line := rapid.SampledFrom([]string{"[A]", "[B]", "k = 1", "k=2", "port = default", "list = a;b", "junk"}).Draw(t, "line")
			with.WriteString(rapid.SampledFrom([]string{"", "\n", "# x\n", "#* k = 9\n\n"}).Draw(t, "between"))
			with.WriteString(line + rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end"))
			without.WriteString(line + "\n")
		}
		a, _, _ := Parse("lumenvox", source.New("f", []byte(with.String())), nil)
		b, _, _ := Parse("lumenvox", source.New("f", []byte(without.String())), nil)
		if x, y := values(a.Root), values(b.Root); x != y {
			t.Fatalf("with comments\n%s\nwithout\n%s", x, y)
		}
	})
}

func values(n *Node) string {
	s := n.Name + "=" + n.Value + "{"
	for _, c := range n.Children {
		s += values(c) + ";"
	}
	return s + "}"
}

func FuzzLumenvox(f *testing.F) {
	for _, seed := range []string{plainFile, "[S\n=\n'x'=\"\"\"", "\xff\xfe[\x00", "a=`\n`", "[a]]x\n;\n%(x)s=%(x)s", utf16le(plainFile, true)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(fuzz("lumenvox"))
}

func FuzzKeyword(f *testing.F) {
	for _, seed := range []string{"Port 22\nMatch all\n  X \"y\"\n", "=\n", "Include *\nInclude /etc/ssh/a", "a\t=\"b\" c"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(fuzz("keyword"))
}

// fuzz checks that every span lies in the file, says what the node says, and that
// reading twice gives the same.
func fuzz(format string) func(*testing.T, []byte) {
	return func(t *testing.T, raw []byte) {
		file := source.New("f", raw)
		doc, diags, err := Parse(format, file, nil)
		if err != nil {
			t.Fatal(err)
		}
		var walk func(*Node)
		walk = func(n *Node) {
			for _, c := range n.Children {
				if c.NameSpan.Text() != c.Name || c.Kind == Setting && c.ValueSpan.Text() != c.Value {
					t.Fatalf("%q = %q, but the places say %q = %q", c.Name, c.Value, c.NameSpan.Text(), c.ValueSpan.Text())
				}
				walk(c)
			}
		}
		walk(doc.Root)
		for _, d := range diags {
			if d.Rule == "" || d.Severity == diag.Invalid || d.Message == "" || d.Span.File == nil {
				t.Fatalf("unfinished finding %+v", d)
			}
			d.Span.Position()
		}
		again, _, _ := Parse(format, file, nil)
		if values(again.Root) != values(doc.Root) {
			t.Fatal("reading twice differs")
		}
	}
}

func TestIsPlaceholder(t *testing.T) {
	for _, s := range []string{"{{ sip_port }}", "<%= @mrcp_server_ip %>", "@SIP_PORT@", "@@Port@@", "$__env{PORT}", "$__file{/run/x}", "${SIP_PORT}", "5${X}60", "%(port)s", "$(hostname -i)", "udp:$env(IP):5060", "$def(PORT)"} {
		if !IsPlaceholder(s) {
			t.Errorf("%q is a placeholder", s)
		}
	}
	for _, s := range []string{"", "5060", "default", "user@host", "a@b@c", "@", "@@", "$5", "{x}", "100%", "50% (half)"} {
		if IsPlaceholder(s) {
			t.Errorf("%q is no placeholder", s)
		}
	}
}
