package conf

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// xmlRead reads f as Parse does.
func xmlRead(parse func(*reader) *Node, f *source.File, tree *source.Tree) (*Document, diag.List) {
	r := &reader{file: f, tree: tree, doc: &Document{File: f}, reports: map[string]int{}}
	r.doc.Root = parse(r)
	r.summarise()
	return r.doc, r.diags
}

// xmlTree is a tree in memory with the given files.
func xmlTree(files map[string]string) *source.Tree {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return source.NewTree(m)
}

// xmlDump is the tree as lines "name=value@place", children indented. A place in another
// file than top has the name of that file.
func xmlDump(doc *Document) string {
	var b strings.Builder
	var walk func(indent string, n *Node)
	walk = func(indent string, n *Node) {
		for _, c := range n.Children {
			at := func(s source.Span) string { return strings.TrimPrefix(s.String(), doc.File.Name+":") }
			b.WriteString(indent + c.Name + "@" + at(c.NameSpan))
			if c.Kind == Setting || c.Value != "" {
				fmt.Fprintf(&b, " = %q@%s", c.Value, at(c.ValueSpan))
				if got := c.ValueSpan.Text(); got != c.Value {
					fmt.Fprintf(&b, " from %q", got)
				}
			}
			b.WriteString("\n")
			walk(indent+" ", c)
		}
	}
	walk("", doc.Root)
	return b.String()
}

func xmlFindings(doc *Document, diags diag.List) string {
	var all []string
	for _, d := range diags {
		all = append(all, d.Rule+"@"+strings.TrimPrefix(d.Span.String(), doc.File.Name+":"))
	}
	return strings.Join(all, " ")
}

func TestXMLReads(t *testing.T) {
	for name, c := range map[string]struct{ in, want, findings string }{
		"text":                {"<a>\n <p> 5060 </p>\n</a>\n", "a@1:2\n p@2:3 = \"5060\"@2:6\n", ""},
		"attributes first":    {"<a><b/></a>", "a@1:2\n b@1:5\n", ""},
		"attribute places":    {"<a x='1'\n   y = \"2\">t</a>", "a@1:2 = \"t\"@2:12\n @x@1:4 = \"1\"@1:7\n @y@2:4 = \"2\"@2:9\n", ""},
		"empty values":        {"<a x=\"\"></a>", "a@1:2\n @x@1:4 = \"\"@1:7\n", ""},
		"declaration":         {"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a/>", "a@2:2\n", ""},
		"version 1.1":         {"<?xml version=\"1.1\"?>\n<a/>", "a@2:2\n", ""},
		"latin-1":             {"<?xml version='1.0' encoding='ISO-8859-1'?>\n<!-- f\xfcr --><a>\xfc</a>", "a@2:14 = \"\\xfc\"@2:16\n", ""},
		"utf-16":              {utf16le("<?xml version='1.0' encoding='utf-16'?><a>ü</a>", true), "a@1:41 = \"ü\"@1:43\n", ""},
		"bom":                 {"\xEF\xBB\xBF<a>1</a>", "a@1:2 = \"1\"@1:4\n", ""},
		"doctype":             {"<!DOCTYPE a [ <!ENTITY b \"]>\"> <!-- don't > --> ]><a>1</a>", "a@1:52 = \"1\"@1:54\n", ""},
		"comment in text":     {"<a>50<!-- 9 -->60</a>", "a@1:2 = \"5060\"@1:4 from \"50<!-- 9 -->60\"\n", ""},
		"cdata":               {"<a> <![CDATA[a<b&c]]> </a>", "a@1:2 = \"a<b&c\"@1:14\n", ""},
		"text around a child": {"<a>1<b>2</b>3</a>", "a@1:2 = \"13\"@1:4 from \"1<b>2</b>3\"\n b@1:6 = \"2\"@1:8\n", ""},
		"entities":            {"<a x='&lt;&#65;&#x42;&quot;'>&amp;&apos;&gt;</a>", "a@1:2 = \"&'>\"@1:30 from \"&amp;&apos;&gt;\"\n @x@1:4 = \"<AB\\\"\"@1:7 from \"&lt;&#65;&#x42;&quot;\"\n", ""},
		"line ends":           {"<a x='1\r\n2\t3'>4\r\n5</a>", "a@1:2 = \"4\\n5\"@2:6 from \"4\\r\\n5\"\n @x@1:4 = \"1 2 3\"@1:7 from \"1\\r\\n2\\t3\"\n", ""},
		"prefix":              {"<x:a xmlns:x='u' x:b='1'/>", "x:a@1:2\n @xmlns:x@1:6 = \"u\"@1:15\n @x:b@1:18 = \"1\"@1:23\n", ""},
		"upper case":          {"<A X='1'/>", "A@1:2\n @X@1:4 = \"1\"@1:7\n", ""},
		"placeholder":         {"<Port>${env:P:1935}</Port>", "Port@1:2 = \"${env:P:1935}\"@1:7\n", ""},
		"gt in a value":       {"<a x='1>2' y='3'/>", "a@1:2\n @x@1:4 = \"1>2\"@1:7\n @y@1:12 = \"3\"@1:15\n", ""},
		"empty":               {"", "", ""},

		"bare ampersand":         {"<a x='1&2'>3 & 4</a>", "a@1:2 = \"3 & 4\"@1:12\n @x@1:4 = \"1&2\"@1:7\n", "ambiguous-line@1:8 ambiguous-line@1:14"},
		"undeclared entity":      {"<a>&nbsp;1</a>", "a@1:2 = \"&nbsp;1\"@1:4\n", "ambiguous-line@1:4"},
		"two hyphens":            {"<a><!-- x -- y -->1</a>", "a@1:2 = \"1\"@1:19\n", "ambiguous-line@1:11"},
		"hyphen before the end":  {"<a><!-- x --->1</a>", "a@1:2 = \"1\"@1:15\n", "ambiguous-line@1:11"},
		"attribute twice":        {"<a x='1' x='2'/>", "a@1:2\n @x@1:4 = \"1\"@1:7\n @x@1:10 = \"2\"@1:13\n", "ambiguous-line@1:10"},
		"two document elements":  {"<a/>\n<b/>", "a@1:2\nb@2:2\n", "broken-line@2:2"},
		"text outside":           {"<a/> x", "a@1:2\n", "broken-line@1:6"},
		"not closed":             {"<a><b>1</a>", "a@1:2\n b@1:5 = \"1\"@1:7\n", "broken-line@1:8"},
		"end of file":            {"<a><b>1", "a@1:2\n b@1:5 = \"1\"@1:7\n", "broken-line@1:5"},
		"closed too often":       {"<a>1</b></a>", "a@1:2 = \"1\"@1:4\n", "broken-line@1:5"},
		"closing tag not closed": {"<a>1</a\n", "a@1:2 = \"1\"@1:4\n", "broken-line@1:5"},
		"no quote":               {"<a x=1 y=2/>", "a@1:2\n @x@1:4 = \"1\"@1:6\n @y@1:8 = \"2\"@1:10\n", "ambiguous-line@1:6 ambiguous-line@1:10"},
		"no value":               {"<a x y='2'/>", "a@1:2\n @x@1:4 = \"\"@1:5\n @y@1:6 = \"2\"@1:9\n", "ambiguous-line@1:4"},
		"quote not closed":       {"<a><p x='1' y='2/>\n<p x='3'/></a>", "a@1:2\n p@1:5\n  @x@1:7 = \"1\"@1:10\n p@2:2\n  @x@2:4 = \"3\"@2:7\n", "broken-line@1:4"},
		"tag not closed":         {"<a\n<b>1</b></a>", "a@1:2\n b@2:2 = \"1\"@2:4\n", "broken-line@1:1"},
		"comment not closed":     {"<a>1</a><!-- <b/>", "a@1:2 = \"1\"@1:4\n", "broken-line@1:9"},
		"cdata not closed":       {"<a>1<![CDATA[ 2</a>", "a@1:2 = \"1\"@1:4\n", "broken-line@1:5"},
		"doctype not closed":     {"<!DOCTYPE a [<a/>", "", "broken-line@1:1"},
		"less than":              {"<a>1 < 2</a>", "a@1:2 = \"1 < 2\"@1:4\n", "broken-line@1:6"},
		"stray characters":       {"<a / = x='1'/>", "a@1:2\n @x@1:8 = \"1\"@1:11\n", "broken-line@1:4 broken-line@1:6"},
		"latin-1 not declared":   {"<a>\n<b>\xfc</b></a>", "a@1:2\n b@2:2 = \"\\xfc\"@2:4\n", "ambiguous-line@2:1"},
		"control character":      {"<a>\x00</a>", "a@1:2 = \"\\x00\"@1:4\n", "ambiguous-line@1:1"},
		"no blank between":       {"<a>\n<b x='1'y='2'/></a>", "a@1:2\n b@2:2\n  @x@2:4 = \"1\"@2:7\n  @y@2:9 = \"2\"@2:12\n", ""},
		"end of cdata in text":   {"<a>]]></a>", "a@1:2 = \"]]>\"@1:4\n", "ambiguous-line@1:1"},
		"entities do not grow":   {"<!DOCTYPE a [<!ENTITY b 'xx'>]><a>&b;</a>", "a@1:33 = \"&b;\"@1:35\n", "ambiguous-line@1:35"},
	} {
		t.Run(name, func(t *testing.T) {
			doc, diags := xmlRead(parseXML, source.New("f.xml", []byte(c.in)), nil)
			if got := xmlDump(doc); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if got := xmlFindings(doc, diags); got != c.findings {
				t.Errorf("findings %q, want %q", got, c.findings)
			}
		})
	}
}

func TestXMLIncludes(t *testing.T) {
	const client = "<unimrcpclient version='1.0' subfolder='p'><x>1</x></unimrcpclient>"
	files := map[string]string{
		"conf/c.xml": client, "conf/p/b.xml": "<unimrcpclient>\n<y>2</y></unimrcpclient>", "conf/p/a.xml": "<unimrcpclient subfolder='q'/>",
		"conf/p/q/c.xml": "<unimrcpclient subfolder='../q'/>", "conf/p/note.txt": "<z/>",
		"ome/S.xml": "<Server><VirtualHost include='V*.xml'/><last/></Server>", "ome/V2.xml": "<VirtualHost><n>2</n></VirtualHost>", "ome/V1.xml": "<VirtualHost>",
	}
	tree := xmlTree(files)
	read := func(name string, tree *source.Tree) (*Document, diag.List) {
		return xmlRead(parseXML, source.New(name, []byte(files[name])), tree)
	}

	doc, diags := read("conf/c.xml", tree)
	want := `unimrcpclient@1:2
 @version@1:16 = "1.0"@1:25
 @subfolder@1:30 = "p"@1:41
 x@1:45 = "1"@1:47
unimrcpclient@conf/p/a.xml:1:2
 @subfolder@conf/p/a.xml:1:16 = "q"@conf/p/a.xml:1:27
unimrcpclient@conf/p/q/c.xml:1:2
 @subfolder@conf/p/q/c.xml:1:16 = "../q"@conf/p/q/c.xml:1:27
unimrcpclient@conf/p/b.xml:1:2
 y@conf/p/b.xml:2:2 = "2"@conf/p/b.xml:2:4
`
	if got := xmlDump(doc); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := xmlFindings(doc, diags); got != "unreadable-file@conf/p/q/c.xml:1:27" || len(doc.Gaps) != 1 {
		t.Errorf("a cycle: findings %q, gaps %v", got, doc.Gaps)
	}

	doc, diags = read("ome/S.xml", tree)
	want = `Server@1:2
 VirtualHost@1:10
  @include@1:22 = "V*.xml"@1:31
 VirtualHost@ome/V1.xml:1:2
 VirtualHost@ome/V2.xml:1:2
  n@ome/V2.xml:1:15 = "2"@ome/V2.xml:1:17
 last@1:41
`
	if got := xmlDump(doc); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := xmlFindings(doc, diags); got != "broken-line@ome/V1.xml:1:2" || len(doc.Gaps) != 0 {
		t.Errorf("findings %q, gaps %v", got, doc.Gaps)
	}

	if doc, diags = read("conf/c.xml", nil); len(doc.Gaps) != 1 || doc.Gaps[0].Text() != "p" || len(diags) != 0 {
		t.Errorf("without a tree: gaps %v, findings %v", doc.Gaps, diags)
	}
	if doc, diags = read("conf/c.xml", xmlTree(nil)); len(doc.Gaps) != 0 || len(diags) != 0 {
		t.Errorf("without the folder: gaps %v, findings %v", doc.Gaps, diags)
	}
}

// TestXMLIsBounded gives texts that cost the most for their size.
func TestXMLIsBounded(t *testing.T) {
	const size = 1 << 18
	for name, unit := range map[string]string{
		"open": "<a>", "closed": "<a/>", "attributes": " a='1'", "same attribute": "<a x='' x=''/>", "end": "</a>", "text": "<b>1", "ampersand": "&",
		"entity": "&lt;", "unknown entity": "&x;", "comment": "<!---->", "bad comment": "<!------>", "unclosed comment": "<!--", "unclosed cdata": "<![CDATA[",
		"instruction": "<??>", "unclosed instruction": "<?", "declaration": "<!>", "quote": "<a b='", "other quote": "<a b='<a b=\"", "equals": "<a =", "less": "<", "nul": "\x00",
		"chunks": "1<!--1-->", "include": "<VirtualHost include='*'/>",
	} {
		for _, prefix := range []string{"", "<a><b>", "<a "} {
			in := source.New("f.xml", []byte(prefix+strings.Repeat(unit, size/len(unit))))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			doc, _ := xmlRead(parseXML, in, nil)
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > 128*size+MaxNodes*2500 {
				t.Errorf("%s behind %q: %d MB allocated for %d kB", name, prefix, got>>20, size>>10)
			}
			if n := xmlCheck(t, doc); n > MaxNodes {
				t.Errorf("%s behind %q: %d nodes", name, prefix, n)
			}
		}
	}
}

// xmlCheck holds what is true of each tree: spans lie in their file, names are where
// they are said to be, and what nests is bounded. It returns the number of nodes.
func xmlCheck(t testing.TB, doc *Document) int {
	t.Helper()
	nodes := 0
	var walk func(n *Node, depth int)
	walk = func(n *Node, depth int) {
		if depth > xmlDepth+1 {
			t.Fatalf("%d elements deep", depth)
		}
		elements := false
		for _, c := range n.Children {
			nodes++
			for _, s := range []source.Span{c.NameSpan, c.ValueSpan} {
				if s.File == nil || s.Start < 0 || s.End < s.Start || s.End > len(s.File.Text) {
					t.Fatalf("%q has a span %d-%d outside of its file", c.Name, s.Start, s.End)
				}
			}
			if c.Kind == Setting && (elements || !strings.HasPrefix(c.Name, "@") || len(c.Children) > 0) {
				t.Fatalf("%q is no attribute in front of the elements", c.Name)
			}
			elements = c.Kind == Section
			walk(c, depth+1)
		}
	}
	walk(doc.Root, 0)
	return nodes
}

// xmlExact holds that every node without entities and variables says what its spans say.
func xmlExact(t testing.TB, doc *Document) {
	t.Helper()
	var walk func(n *Node)
	walk = func(n *Node) {
		for _, c := range n.Children {
			if got := c.NameSpan.Text(); got != strings.TrimPrefix(c.Name, "@") {
				t.Errorf("%s: the name %q is at %q", c.NameSpan, c.Name, got)
			}
			if got := c.ValueSpan.Text(); got != c.Value && !strings.ContainsAny(got, "&<$\r\n\t") {
				t.Errorf("%s: the value %q is at %q", c.ValueSpan, c.Value, got)
			}
			walk(c)
		}
	}
	walk(doc.Root)
}

// xmlWitness is what encoding/xml makes of text in the form of xmlPlain; ok is false when
// it refuses it, or accepts what XML forbids.
func xmlWitness(text []byte) (tree string, ok bool) {
	type element struct {
		name, attributes, children string
		text                       []byte
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	stack := []element{{}}
	roots := 0
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			return stack[0].children, len(stack) == 1 && roots <= 1
		}
		if err != nil {
			return "", false
		}
		top := &stack[len(stack)-1]
		switch token := token.(type) {
		case xml.StartElement:
			e := element{name: xmlJoin(token.Name)}
			seen := map[string]bool{}
			for _, a := range token.Attr {
				name := xmlJoin(a.Name)
				if seen[name] {
					return "", false
				}
				seen[name] = true
				e.attributes += fmt.Sprintf("@%s=%q{}", name, strings.NewReplacer("\n", " ", "\t", " ").Replace(a.Value))
			}
			if len(stack) == 1 {
				roots++
			}
			if stack = append(stack, e); len(stack) > xmlDepth {
				return "", false
			}
		case xml.EndElement:
			if len(stack) == 1 || top.name != xmlJoin(token.Name) {
				return "", false
			}
			done := fmt.Sprintf("%s=%q{%s%s}", top.name, strings.Trim(string(top.text), xmlBlanks), top.attributes, top.children)
			stack = stack[:len(stack)-1]
			stack[len(stack)-1].children += done
		case xml.CharData:
			if len(stack) == 1 && len(bytes.Trim(token, xmlBlanks)) > 0 {
				return "", false
			}
			top.text = append(top.text, token...)
		}
	}
}

func xmlJoin(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

// xmlPlain is a tree without its places.
func xmlPlain(n *Node) string {
	var b strings.Builder
	for _, c := range n.Children {
		fmt.Fprintf(&b, "%s=%q{%s}", c.Name, c.Value, xmlPlain(c))
	}
	return b.String()
}

// xmlAgrees holds that the scanner reads what encoding/xml reads, and that what one of
// them does not accept is reported.
func xmlAgrees(t testing.TB, text []byte) {
	t.Helper()
	doc, diags := xmlRead(parseXML, source.New("f.xml", text), nil)
	want, ok := xmlWitness(doc.File.Text)
	if got := xmlPlain(doc.Root); ok && len(diags) == 0 && got != want {
		t.Fatalf("%q\nis read as %s\nencoding/xml %s", text, got, want)
	}
	if !ok && len(diags) == 0 && !bytes.HasPrefix(doc.File.Text, []byte("<?xml")) {
		t.Fatalf("%q\nis refused by encoding/xml, and there is no finding", text)
	}
}

// TestXMLProperties generates well-formed files and holds that both readers agree, and
// that comments, instructions and blank lines change nothing.
func TestXMLProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var with, without strings.Builder
		noise := func() {
			with.WriteString(rapid.SampledFrom([]string{"", "", "<!-- <x y='1'> & -->", "\n", "<?pi x?>", "\r\n"}).Draw(t, "noise"))
		}
		both := func(s string) { with.WriteString(s); without.WriteString(s) }
		var element func(depth int)
		element = func(depth int) {
			name := rapid.SampledFrom([]string{"a", "B", "n:c", "x-y.z_1"}).Draw(t, "name")
			both("<" + name)
			for i := range rapid.IntRange(0, 2).Draw(t, "attributes") {
				both(fmt.Sprintf(" k%d=", i) + rapid.SampledFrom([]string{`"5060"`, `''`, `" a>b&amp;c "`, `'"'`}).Draw(t, "value"))
			}
			if rapid.Bool().Draw(t, "empty") {
				both("/>")
				return
			}
			both(">")
			for range rapid.IntRange(0, 3).Draw(t, "content") {
				noise()
				if depth < 4 && rapid.Bool().Draw(t, "element") {
					element(depth + 1)
				} else {
					both(rapid.SampledFrom([]string{"5060", "&lt;", "<![CDATA[<a>&]]>", "ü"}).Draw(t, "text"))
				}
				noise()
			}
			both("</" + name + ">")
		}
		noise()
		element(0)
		noise()
		tree := func(s string) string {
			doc, diags := xmlRead(parseXML, source.New("f.xml", []byte(s)), nil)
			if len(diags) > 0 {
				t.Fatalf("%q: %v", s, diags)
			}
			want, ok := xmlWitness([]byte(s))
			if got := xmlPlain(doc.Root); !ok || got != want {
				t.Fatalf("%q\nis read as %s\nencoding/xml %s %v", s, got, want, ok)
			}
			return strings.NewReplacer(`\n`, "", `\r`, "").Replace(xmlPlain(doc.Root))
		}
		if a, b := tree(with.String()), tree(without.String()); a != b {
			t.Fatalf("with comments\n%s\nwithout\n%s", a, b)
		}
	})
}

// xmlCorpus are the real files below the given folders of the corpus.
func xmlCorpus(t testing.TB, dirs ...string) (root string, names []string) {
	root = os.Getenv("PORTOLAN_CORPUS")
	if root == "" {
		root = filepath.FromSlash("../../../shared/corpus")
	}
	for _, dir := range dirs {
		_ = filepath.WalkDir(filepath.Join(root, dir), func(name string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(name, ".xml") {
				rel, _ := filepath.Rel(root, name)
				names = append(names, filepath.ToSlash(rel))
			}
			return nil // a folder that cannot be read has no files
		})
	}
	slices.Sort(names)
	return root, names
}

func TestXMLCorpus(t *testing.T) {
	root, names := xmlCorpus(t, "unimrcp", "ovenmediaengine", "drachtio", "captagent", "tomcat", "cairo-mrcp")
	if len(names) == 0 {
		t.Skip("no corpus: set PORTOLAN_CORPUS to the folder with the real configuration files")
	}
	tree, err := source.OpenTree(root)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	for _, name := range names {
		f, err := tree.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		doc, diags := xmlRead(parseXML, f, tree)
		if len(diags) > 0 {
			t.Errorf("%s: %s: %s", name, xmlFindings(doc, diags), diags[0].Message)
		}
		if xmlCheck(t, doc) == 0 {
			t.Errorf("%s: no nodes", name)
		}
		xmlExact(t, doc)
		text := f.Text[len(xmlDeclaration(f.Text)):]
		alone, _ := xmlRead(parseXML, f, nil)
		if want, ok := xmlWitness(text); !ok || xmlPlain(alone.Root) != want {
			t.Errorf("%s: encoding/xml reads it otherwise", name)
		}
	}
	client, err := tree.Read("unimrcp/unimrcpclient.xml")
	if err != nil {
		t.Fatal(err)
	}
	if doc, _ := xmlRead(parseXML, client, tree); len(doc.Root.Children) != 5 {
		t.Errorf("the client has %d documents, want its own and 4 profiles", len(doc.Root.Children))
	}
}

func FuzzXML(f *testing.F) {
	root, names := xmlCorpus(f, "unimrcp", "ovenmediaengine", "drachtio", "captagent")
	for _, name := range names {
		if text, err := os.ReadFile(filepath.Join(root, name)); err == nil && len(text) < 20_000 {
			f.Add(text)
		}
	}
	for _, seed := range []string{"<a x='1' y>&lt;&x;&#9;&</a>", "<?xml encoding='latin1'?><a>\xff</a>", "<!DOCTYPE a [<!ENTITY b '>'>]><a>&b;", "<a><b></a></b>",
		"<VirtualHost include='x'/><a/>", "<![CDATA[]]>", "<a b='<c d=\"", "<a/b=c></ a>", "<a:b:c :d='' d:=''/>"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, diags := xmlRead(parseXML, source.New("f.xml", raw), nil)
		if xmlCheck(t, doc) > MaxNodes {
			t.Fatal("too many nodes")
		}
		xmlExact(t, doc)
		xmlFinished(t, diags)
		xmlAgrees(t, raw)
	})
}

func xmlFinished(t testing.TB, diags diag.List) {
	t.Helper()
	for _, d := range diags {
		if d.Rule == "" || d.Severity == diag.Invalid || d.Message == "" || d.Span.File == nil {
			t.Fatalf("unfinished finding %+v", d)
		}
		d.Span.Position()
	}
}
