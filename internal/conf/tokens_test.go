package conf

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// tokenFormats are the readers of this kind by name.
func tokenFormats() map[string]func(*reader) *Node {
	return map[string]func(*reader) *Node{"nginx": parseNginx, "bind": parseBind, "libconfig": parseLibconfig,
		"hocon": parseHocon, "nats": parseNats, "apache": parseApache, "haproxy": parseHaproxy}
}

func tokenParse(parse func(*reader) *Node, f *source.File, tree *source.Tree) (*Document, diag.List) {
	r := &reader{file: f, tree: tree, doc: &Document{File: f}, reports: map[string]int{}}
	r.doc.Root = parse(r)
	r.summarise()
	return r.doc, r.diags
}

// tokenDump is a document as lines "name@line:column(args) = value@line:column", children
// indented by a blank. Places in included files have the name of the file in front.
func tokenDump(doc *Document) string {
	place := func(s source.Span) string {
		if s.File == nil {
			return "nowhere"
		}
		p := s.File.Span(s.Start, max(s.End, 1)).Position() // offset 0 is a place here
		at := fmt.Sprintf("@%d:%d", p.Line, p.Column)
		if s.File != doc.File {
			return "@" + s.File.Name + at[:1] + at[1:]
		}
		return at
	}
	var b strings.Builder
	var walk func(indent string, n *Node)
	walk = func(indent string, n *Node) {
		for _, c := range n.Children {
			b.WriteString(indent + c.Name + place(c.NameSpan))
			if len(c.Args) > 1 {
				b.WriteString("(")
				for i, a := range c.Args {
					if i > 0 {
						b.WriteString("|")
					}
					b.WriteString(a.Text)
				}
				b.WriteString(")")
			}
			if c.Append {
				b.WriteString(" +")
			}
			if c.Kind == Section {
				b.WriteString(" {")
			}
			if c.Kind == Setting || c.Value != "" {
				b.WriteString(" = " + c.Value + place(c.ValueSpan))
			}
			b.WriteString("\n")
			walk(indent+" ", c)
		}
	}
	walk("", doc.Root)
	return b.String()
}

func tokenRulesOf(diags diag.List) string {
	var list []string
	for _, d := range diags {
		p := d.Span.File.Span(d.Span.Start, max(d.Span.End, 1)).Position()
		list = append(list, fmt.Sprintf("%s@%d:%d", d.Rule, p.Line, p.Column))
	}
	return strings.Join(list, " ")
}

// tokenCheck holds what is true of every document: bounded nodes, spans inside their
// files, names and values that are the text at their spans but for what quotes, escapes,
// variables and number spellings change.
func tokenCheck(t interface {
	Helper()
	Errorf(string, ...any)
}, doc *Document) {
	t.Helper()
	nodes, words := 0, 0
	same := func(what, text string, s source.Span) {
		if s.File == nil || s.Start < 0 || s.Start > s.End || s.End > len(s.File.Text) {
			t.Errorf("%s %.40q: the span %d-%d is not in its file", what, text, s.Start, s.End)
			return
		}
		if raw := s.Text(); raw != text && !strings.ContainsAny(raw, "\\\"'`$ \t") && !strings.HasPrefix(strings.TrimLeft(raw, "+-"), "0") && strings.TrimRight(raw, "L") != text {
			t.Errorf("%s %.40q: the text there is %.40q", what, text, raw)
		}
	}
	var walk func(n *Node)
	walk = func(n *Node) {
		for _, c := range n.Children {
			nodes++
			words += len(c.Args)
			same("name", c.Name, c.NameSpan)
			if c.Kind == Setting {
				same("value", c.Value, c.ValueSpan)
			} else {
				same("arguments", "", source.Span{File: c.ValueSpan.File, Start: c.ValueSpan.Start, End: c.ValueSpan.Start})
			}
			for _, a := range c.Args {
				same("argument", a.Text, a.Span)
			}
			walk(c)
		}
	}
	walk(doc.Root)
	if nodes > MaxNodes || words > maxTokenWords {
		t.Errorf("%d nodes and %d words", nodes, words)
	}
	for _, g := range doc.Gaps {
		if g.File == nil {
			t.Errorf("a gap is nowhere")
		}
	}
}

type tokenCase struct {
	in, want string
	rules    string // findings, "rule@line:column"
	gaps     int
}

func tokenTable(t *testing.T, parse func(*reader) *Node, cases map[string]tokenCase) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			doc, diags := tokenParse(parse, source.New("main.conf", []byte(c.in)), nil)
			tokenCheck(t, doc)
			if got, want := strings.TrimRight(tokenDump(doc), "\n"), strings.TrimRight(c.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if got := tokenRulesOf(diags); got != c.rules {
				t.Errorf("findings %q, want %q", got, c.rules)
			}
			if len(doc.Gaps) != c.gaps {
				t.Errorf("%d gaps, want %d", len(doc.Gaps), c.gaps)
			}
		})
	}
}

// tokenTree is a document in a tree of files.
func tokenTree(t *testing.T, parse func(*reader) *Node, main string, files map[string]string) (*Document, diag.List) {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	tree := source.NewTree(fsys)
	f, err := tree.Read(main)
	if err != nil {
		t.Fatal(err)
	}
	doc, diags := tokenParse(parse, f, tree)
	tokenCheck(t, doc)
	return doc, diags
}

// tokenCorpus are the real files of a format that are at hand: patterns below the folder
// that PORTOLAN_CORPUS names.
func tokenCorpus(patterns ...string) []string {
	dir := os.Getenv("PORTOLAN_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	var names []string
	for _, p := range patterns {
		found, _ := filepath.Glob(filepath.Join(dir, p)) // the patterns are constants and well formed
		names = append(names, found...)
	}
	return names
}

// tokenRealFiles reads the corpus files of a format: a node each, exact spans, no
// findings but those in known, by base name.
func tokenRealFiles(t *testing.T, parse func(*reader) *Node, known map[string]string, patterns ...string) {
	t.Helper()
	names := tokenCorpus(patterns...)
	if len(names) == 0 {
		t.Skip("no corpus: set PORTOLAN_CORPUS to the folder of real files")
	}
	for _, name := range names {
		f, err := source.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		doc, diags := tokenParse(parse, f, nil)
		tokenCheck(t, doc)
		if len(doc.Root.Children) == 0 {
			t.Errorf("%s: no node", name)
		}
		var said []string
		for _, d := range diags {
			said = append(said, d.Message)
		}
		if got := strings.Join(said, "; "); got != known[filepath.Base(name)] {
			t.Errorf("%s: findings %q", name, got)
			for _, d := range diags {
				t.Log(d.Span, d.Message)
			}
		}
	}
}

// tokenFuzz holds the invariants for any text, alone and in a tree where it includes itself
// and another file.
func tokenFuzz(f *testing.F, parse func(*reader) *Node, seeds []string, patterns ...string) {
	f.Helper()
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	for _, name := range tokenCorpus(patterns...) {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, _ := tokenParse(parse, source.New("main.conf", raw), nil)
		tokenCheck(t, doc)
		tree := source.NewTree(fstest.MapFS{"main.conf": {Data: raw}, "a.conf": {Data: raw}, "d/b.conf": {Data: raw}})
		file, err := tree.Read("main.conf")
		if err != nil {
			return // more than the limit
		}
		doc, _ = tokenParse(parse, file, tree)
		tokenCheck(t, doc)
	})
}

// TestTokenBounds gives shapes that cost the most for their size and holds time and
// memory to a small multiple of what plain text costs.
func TestTokenBounds(t *testing.T) {
	const size = 1 << 17
	shapes := map[string]string{"words": "a ", "statements": "a;", "braces": "{", "named": "a {\n", "closers": "}", "quotes": "\"\n", "escaped": "\\\"",
		"odd quotes": "\"a\nb\"c\n", "single": "'\n", "stars": "/*", "jinja": "{{", "dollars": "${", "dollar names": "${a} ", "dots": "a.", "pairs": "a=1\n", "lists": "a=[",
		"groups": "a:(", "sections": "<a>\n", "ends": "</a>\n", "continued": "a\\\n", "lua": "x_by_lua_block {", "long brackets": "x_by_lua_block { [==", "triple": "\"\"\" a\n", "sharp": "#", "backslash": "\\",
		"frontends": "frontend a\n", "nul": "\x00", "include": "include \"a\";\n", "at include": "@include \"a\"\n", "keys": "a b c d ", "self": "a = ${a}\n", "double": "b = ${a}${a}\na = ${b}\n", "defines": "Define a ${a}${a}x\n",
		"objects": "a = { b = ${a} }\n", "braced refs": "a = ${a} { b = 1 }\n", "plus": "a += ${a}\n"}
	for format, parse := range tokenFormats() {
		for name, unit := range shapes {
			text := source.New("main.conf", []byte(strings.Repeat(unit, size/len(unit))))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			doc, _ := tokenParse(parse, text, nil)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			tokenCheck(t, doc)
			if took > 5*time.Second {
				t.Errorf("%s %s: %v for %d bytes", format, name, took, size)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 100<<20 {
				t.Errorf("%s %s: %d MiB allocated for %d bytes", format, name, got>>20, size)
			}
		}
	}
}

// TestTokenBlankLines puts comments and blank lines between the lines of a document: they
// change places and nothing else.
func TestTokenBlankLines(t *testing.T) {
	lines := map[string][]string{
		"nginx":     {"http {", "server { listen 80;", "listen 443 ssl; }", "}", "stream { server {", "listen 53 udp;", "}", "}"},
		"bind":      {"options {", "listen-on port 53 { any; };", "directory \"/x\";", "};", "controls { inet * port 953 allow { any; } keys { k; }; };"},
		"libconfig": {"general: {", "port = 8088", "s = \"a\"", "\"b\";", "}", "list = ( 1,", "{ p = 2 } )"},
		"hocon":     {"a {", "b.c = 1", "d = [1", "2", "]", "}", "e = ${a.b.c} x"},
		"nats":      {"port: 4222", "cluster {", "listen 10.0.0.5:1", "routes = [a,", "b", "]", "}", "{x}"},
		"apache":    {"Listen 80", "<IfModule ssl>", "Listen 443", "</IfModule>", "Define P 81", "Listen ${P}"},
		"haproxy":   {"global", "  maxconn 1", "frontend a", "  bind :80", "  bind \"[::]:${P}\""},
	}
	comments := map[string][]string{"haproxy": {"", "# c", " \t", "#"}, "apache": {"", "# c", " \t", "#"}, "nginx": {"", "# c { ;", " \t", "#"},
		"bind": {"", "# c }", "// {", "/* ; */"}, "libconfig": {"", "# }", "// c", "/* ( */"}, "hocon": {"", "# }", "// a = 1", " \t"}, "nats": {"", "# }", "// a: 1", " \t"}}
	plain := func(format string, text string) string {
		doc, _ := tokenParse(tokenFormats()[format], source.New("main.conf", []byte(text)), nil)
		var b strings.Builder
		for line := range strings.Lines(tokenDump(doc)) {
			b.WriteString(tokenPlaces.ReplaceAllString(line, ""))
		}
		return b.String()
	}
	for format, document := range lines {
		t.Run(format, func(t *testing.T) {
			want := plain(format, strings.Join(document, "\n"))
			rapid.Check(t, func(t *rapid.T) {
				var b strings.Builder
				for _, line := range document {
					b.WriteString(rapid.SampledFrom(comments[format]).Draw(t, "comment") + "\n")
					b.WriteString(line + rapid.SampledFrom([]string{"\n", "\r\n", " \n"}).Draw(t, "end"))
				}
				if got := plain(format, b.String()); got != want {
					t.Fatalf("got\n%s\nwant\n%s\nfrom\n%s", got, want, b.String())
				}
			})
		})
	}
}

// TestTokenIncludes holds what all formats with includes have in common: files come in
// place, in order, with their own spans; circles, missing and too many files are gaps.
func TestTokenIncludes(t *testing.T) {
	forms := map[string]struct{ include, setting string }{
		"nginx": {"include %s;\n", "a 1;\n"}, "bind": {"include \"%s\";\n", "a 1;\n"}, "libconfig": {"@include \"%s\"\n", "a = 1\n"},
		"hocon": {"include \"%s\"\n", "a = 1\n"}, "nats": {"include '%s'\n", "a 1\n"}, "apache": {"Include %s\n", "a 1\n"},
	}
	for format, form := range forms {
		t.Run(format, func(t *testing.T) {
			parse := tokenFormats()[format]
			inc := func(name string) string { return fmt.Sprintf(form.include, name) }
			doc, diags := tokenTree(t, parse, "etc/x/main.conf", map[string]string{
				"etc/x/main.conf": form.setting + inc("sub/a.conf") + form.setting, "etc/x/sub/a.conf": "\n" + form.setting})
			if len(diags)+len(doc.Gaps) > 0 || len(doc.Root.Children) != 3 || doc.Root.Children[1].ValueSpan.String() != "etc/x/sub/a.conf:2:"+doc.Root.Children[0].ValueSpan.String()[len("etc/x/main.conf:1:"):] {
				t.Errorf("an included file: %v\n%s", diags, tokenDump(doc))
			}
			doc, diags = tokenTree(t, parse, "m.conf", map[string]string{"m.conf": form.setting + inc("a.conf"), "a.conf": form.setting + inc("m.conf") + inc("a.conf")})
			if len(doc.Root.Children) != 2 || len(doc.Gaps) != 2 || tokenRulesOf(diags) == "" {
				t.Errorf("a circle: %d nodes, gaps %v, findings %v", len(doc.Root.Children), doc.Gaps, diags)
			}
			doc, _ = tokenTree(t, parse, "m.conf", map[string]string{"m.conf": strings.Repeat(inc("a.conf"), MaxIncludes+10), "a.conf": form.setting})
			if n := len(doc.Root.Children); n == 0 || n > MaxIncludes || len(doc.Gaps) == 0 {
				t.Errorf("a bomb: %d nodes and %d gaps", n, len(doc.Gaps))
			}
			doc, diags = tokenTree(t, parse, "m.conf", map[string]string{"m.conf": inc("../../../../out.conf") + inc("/abs.conf"), "out.conf": form.setting, "abs.conf": form.setting})
			if len(doc.Root.Children) != 2 || len(diags) > 0 {
				t.Errorf("names that lead up stay in the tree: %v\n%s", diags, tokenDump(doc))
			}
			doc, diags = tokenTree(t, parse, "m.conf", map[string]string{"m.conf": inc("none.conf") + form.setting})
			if want := format != "hocon"; len(doc.Root.Children) != 1 || (len(doc.Gaps) == 1) != want || (tokenRulesOf(diags) != "") != want {
				t.Errorf("a missing file: %d gaps, %v", len(doc.Gaps), diags)
			}
			doc, diags = tokenParse(parse, source.New("m.conf", []byte(inc("a.conf")+form.setting)), nil)
			if len(doc.Root.Children) != 1 || len(doc.Gaps) != 1 || len(diags) > 0 {
				t.Errorf("a file by itself: %d gaps, %v", len(doc.Gaps), diags)
			}
		})
	}
}

// tokenPlaces are the places in a dump.
var tokenPlaces = regexp.MustCompile(`@[0-9]+:[0-9]+`)

// TestTokenLimits holds that a limit of the document ends the reading with one finding and
// a gap.
func TestTokenLimits(t *testing.T) {
	setting := map[string]string{"nginx": "a 1;\n", "bind": "a 1;\n", "libconfig": "a = 1\n", "hocon": "a = 1\n", "nats": "a 1\n", "apache": "a 1\n", "haproxy": ".a 1\n"}
	words := map[string]string{"nginx": "a ", "bind": "a ", "apache": "a ", "haproxy": ".a "}
	deep := map[string]string{"nginx": "a {", "bind": "a {", "libconfig": "a={", "hocon": "a{", "nats": "a{", "apache": "<a>\n"}
	for format, parse := range tokenFormats() {
		for what, text := range map[string]string{"nodes": strings.Repeat(setting[format], MaxNodes+2),
			"words": strings.Repeat(words[format], maxTokenWords+2), "blocks": strings.Repeat(deep[format], maxTokenDepth+2)} {
			if text == "" { // the format has none of these
				continue
			}
			doc, diags := tokenParse(parse, source.New("main.conf", []byte(text)), nil)
			tokenCheck(t, doc)
			said := 0
			for _, d := range diags {
				if strings.HasPrefix(d.Message, "more than ") {
					said++
				}
			}
			if said != 1 || len(doc.Gaps) != 1 {
				t.Errorf("%s, too many %s: %d findings and %d gaps", format, what, said, len(doc.Gaps))
			}
		}
	}
	doc, diags := tokenParse(parseHocon, source.New("main.conf", []byte("a = "+strings.Repeat("${x}", maxTokenWords+2))), nil)
	if len(diags) != 1 || len(doc.Gaps) != 1 {
		t.Errorf("too many references: %d findings and %d gaps", len(diags), len(doc.Gaps))
	}
}
