package conf

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// structuredParse reads text the way Parse does.
func structuredParse(parse func(*reader) *Node, name, text string) (*Document, diag.List) {
	f := source.New(name, []byte(text))
	r := &reader{file: f, doc: &Document{File: f}, reports: map[string]int{}}
	r.doc.Root = parse(r)
	r.summarise()
	return r.doc, r.diags
}

// structuredDump has a line for each node: name@place, and =value@place of a setting. A
// value that is not as it is written is followed by the text at its place.
func structuredDump(doc *Document) string {
	var b strings.Builder
	place := func(s source.Span) string {
		p := s.File.Span(s.Start, max(s.End, 1)).Position()
		return fmt.Sprintf("%d:%d", p.Line, p.Column)
	}
	var walk func(indent string, n *Node)
	walk = func(indent string, n *Node) {
		for _, c := range n.Children {
			fmt.Fprintf(&b, "%s%s@%s", indent, c.Name, place(c.NameSpan))
			if c.Kind == Section {
				b.WriteString("\n")
				walk(indent+" ", c)
				continue
			}
			fmt.Fprintf(&b, "=%s@%s", strings.ReplaceAll(c.Value, "\n", "\\n"), place(c.ValueSpan))
			if written := c.ValueSpan.Text(); written != c.Value {
				fmt.Fprintf(&b, " written %s", strings.ReplaceAll(written, "\n", "\\n"))
			}
			b.WriteString("\n")
		}
	}
	walk("", doc.Root)
	return b.String()
}

func structuredRules(diags diag.List) string {
	var b strings.Builder
	for _, d := range diags {
		at := d.Span.String()
		if i := strings.IndexByte(at, ':'); i >= 0 {
			at = at[i+1:]
		}
		fmt.Fprintf(&b, "%s@%s %s\n", d.Rule, at, d.Message)
	}
	return b.String()
}

// structuredCase is a text, the tree that it is, and the findings: rule, place and how the
// message begins, one on a line.
type structuredCase struct{ text, tree, findings string }

func structuredTable(t *testing.T, parse func(*reader) *Node, cases map[string]structuredCase) {
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			doc, diags := structuredParse(parse, "f", c.text)
			if got := structuredDump(doc); got != c.tree {
				t.Errorf("got\n%swant\n%s", got, c.tree)
			}
			got, want := strings.Split(structuredRules(diags), "\n"), strings.Split(c.findings, "\n")
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) || want[i] == "" && got[i] != "" {
					t.Errorf("findings\n%swant\n%s", structuredRules(diags), c.findings)
					break
				}
			}
			structuredSound(t, doc, diags)
		})
	}
}

// structuredSound is what is true of every document: places lie in the file, children
// are settings or sections and not too many, and a name or a value without quotes,
// escapes and line breaks is the text at its place.
func structuredSound(t *testing.T, doc *Document, diags diag.List) {
	t.Helper()
	spanOK := func(s source.Span) {
		if s.File != doc.File || s.Start < 0 || s.End < s.Start || s.End > len(doc.File.Text) {
			t.Fatalf("a place outside the file: %d to %d of %d", s.Start, s.End, len(doc.File.Text))
		}
	}
	written := func(value string, at source.Span) {
		spanOK(at)
		text := at.Text()
		if strings.Trim(value, " \n") == strings.Trim(text, " ") || strings.ContainsAny(text, "\\'\r\n\u0085\u2028\u2029") || value == "" && (text == "null" || text == "~" || text == "Null" || text == "NULL") {
			return
		}
		t.Fatalf("%q is written %q at %s", value, text, at)
	}
	nodes := 0
	var walk func(n *Node, depth int)
	walk = func(n *Node, depth int) {
		if nodes++; nodes > MaxNodes+1 {
			t.Fatal("too many nodes")
		}
		if depth > structuredNesting+2 {
			t.Fatal("too deep")
		}
		for _, c := range n.Children {
			written(c.Name, c.NameSpan)
			if c.Kind == Section {
				spanOK(c.ValueSpan)
				if c.Value != "" || c.ValueSpan.Start != c.ValueSpan.End {
					t.Fatalf("the section %q has a value", c.Name)
				}
			} else {
				written(c.Value, c.ValueSpan)
			}
			walk(c, depth+1)
		}
	}
	walk(doc.Root, 0)
	for _, s := range doc.Gaps {
		spanOK(s)
	}
	for _, d := range diags {
		spanOK(d.Span)
		if !utf8.ValidString(d.Message) || d.Message == "" || d.Rule == "" {
			t.Fatalf("the finding %+v", d)
		}
	}
	if len(doc.Gaps) > 2*maxReports {
		t.Fatalf("%d gaps", len(doc.Gaps))
	}
}

// structuredCorpus are the texts of the real files with one of the endings.
func structuredCorpus(t testing.TB, endings ...string) map[string]string {
	dir := os.Getenv("PORTOLAN_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	texts := map[string]string{}
	for _, e := range endings {
		names, err := filepath.Glob(filepath.Join(dir, "*", "*"+e))
		if err != nil {
			t.Fatal(err)
		}
		deeper, err := filepath.Glob(filepath.Join(dir, "*", "*", "*"+e))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range append(names, deeper...) {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			short, err := filepath.Rel(dir, name)
			if err != nil {
				t.Fatal(err)
			}
			texts[filepath.ToSlash(short)] = string(raw)
		}
	}
	return texts
}

// structuredReal reads the real files: each has settings, and no findings but those listed
// with a reason.
func structuredReal(t *testing.T, parse func(*reader) *Node, listed map[string]string, endings ...string) {
	texts := structuredCorpus(t, endings...)
	if len(texts) == 0 {
		t.Skip("the real files are not here: set PORTOLAN_CORPUS to their folder")
	}
	for name, text := range texts {
		doc, diags := structuredParse(parse, name, text)
		structuredSound(t, doc, diags)
		if len(doc.Root.Children) == 0 {
			t.Errorf("%s: nothing in it", name)
		}
		if got := structuredRules(diags); got != listed[name] {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// structuredBombs gives shapes that cost the most for their size, and holds time and
// memory to bounds that no honest file comes near to.
func structuredBombs(t *testing.T, parse func(*reader) *Node, units ...string) {
	const size = 512 << 10
	for _, unit := range units {
		text := strings.Repeat(unit, size/len(unit))
		if first, again, found := strings.Cut(unit, "|||"); found {
			text = first + strings.Repeat(again, size/len(again))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begun := time.Now()
		doc, diags := structuredParse(parse, "bomb", text)
		took := time.Since(begun)
		runtime.ReadMemStats(&after)
		structuredSound(t, doc, diags)
		t.Logf("%-24q %8s %4d MB allocated, %d findings", unit, took.Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20, len(diags))
		if took > 10*time.Second {
			t.Errorf("%q: %s", unit, took)
		}
		if after.TotalAlloc-before.TotalAlloc > 256<<20 {
			t.Errorf("%q: %d MB allocated for %d KB", unit, (after.TotalAlloc-before.TotalAlloc)>>20, size>>10)
		}
	}
}

// structuredDeep nests ever deeper: what is not too deep is read without a finding, what
// is too deep is one finding and a gap, and what stands behind it is still read.
func structuredDeep(t *testing.T, parse func(*reader) *Node, first, open, middle, close, behind string) {
	for _, depth := range []int{structuredNesting - 5, structuredNesting + 5, 5000} {
		doc, diags := structuredParse(parse, "f", first+strings.Repeat(open, depth)+middle+strings.Repeat(close, depth)+behind)
		structuredSound(t, doc, diags)
		got := structuredRules(diags)
		if depth < structuredNesting {
			if got != "" || len(doc.Gaps) > 0 {
				t.Errorf("%d levels of %q: %s", depth, open, got)
			}
			continue
		}
		if strings.Count(got, "\n") != 1 || !strings.Contains(got, "nested more than") || len(doc.Gaps) != 1 {
			t.Errorf("%d levels of %q: %d gaps and %s", depth, open, len(doc.Gaps), got)
		}
		if last := doc.Root.Children[len(doc.Root.Children)-1]; behind != "" && last.Value != "behind" {
			t.Errorf("%d levels of %q: what stands behind is lost", depth, open)
		}
	}
}

// structuredFull gives more settings than a document may have.
func structuredFull(t *testing.T, parse func(*reader) *Node, first, each, last string) {
	var b strings.Builder
	b.WriteString(first)
	for i := range MaxNodes + 100 {
		fmt.Fprintf(&b, each, i)
	}
	b.WriteString(last)
	doc, diags := structuredParse(parse, "f", b.String())
	structuredSound(t, doc, diags)
	if n := len(doc.Root.Children); n < MaxNodes-2 || n > MaxNodes {
		t.Errorf("%d settings are kept", n)
	}
	if len(diags) != 1 || !strings.Contains(diags[0].Message, "more than 20000 settings") || len(doc.Gaps) != 1 {
		t.Errorf("%d gaps and %s", len(doc.Gaps), structuredRules(diags))
	}
}

// structuredComments is the property that comments and blank lines change nothing but
// places. Each "#" in a line is replaced by the number of the line.
func structuredComments(t *testing.T, parse func(*reader) *Node, first, last string, lines, between, behind []string) {
	rapid.Check(t, func(t *rapid.T) {
		with, without := first, first
		for i := range rapid.IntRange(0, 12).Draw(t, "lines") {
			line := strings.ReplaceAll(rapid.SampledFrom(lines).Draw(t, "line"), "#", fmt.Sprint(i))
			with += rapid.SampledFrom(between).Draw(t, "between") + line + rapid.SampledFrom(behind).Draw(t, "behind") + rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end")
			without += line + "\n"
		}
		a, x := structuredParse(parse, "f", with+last)
		b, y := structuredParse(parse, "f", without+last)
		if len(x) != len(y) {
			t.Fatalf("findings %swithout comments %s", structuredRules(x), structuredRules(y))
		}
		if x, y := structuredValues(a.Root), structuredValues(b.Root); x != y {
			t.Fatalf("%s\nwithout comments\n%s", x, y)
		}
	})
}

func structuredValues(n *Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %q=%q {", n.Kind, n.Name, n.Value)
	for _, c := range n.Children {
		b.WriteString(structuredValues(c))
	}
	return b.String() + "}"
}

// structuredFuzz seeds a fuzz target with the real files and the tables, and checks what
// is true of every document.
func structuredFuzz(f *testing.F, parse func(*reader) *Node, cases map[string]structuredCase, endings ...string) {
	for _, text := range structuredCorpus(f, endings...) {
		f.Add(text)
	}
	for _, c := range cases {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, diags := structuredParse(parse, "f", text)
		structuredSound(t, doc, diags)
	})
}
