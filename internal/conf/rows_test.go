package conf

import (
	"fmt"
	"strings"
	"testing"

	"portolan/internal/source"
)

// listing is the rows of a document, one on a line.
func listing(doc *Document) string {
	var b strings.Builder
	for r := range doc.Rows() {
		fmt.Fprintf(&b, "%d %s=%s\n", r.At.Position().Line, r.Path, r.Value)
	}
	return b.String()
}

// TestBlocks reads blocks as Dovecot, FreeRADIUS and strongSwan have them.
func TestBlocks(t *testing.T) {
	d := Dialect{Comments: "#", Inline: "#", InlineBlank: true, Delimiters: "=", Bare: BareEmpty, Blocks: true,
		Includes: []Include{{Keyword: "!include", Need: NeedNothing, Inside: true}}}
	for _, c := range []struct{ text, want, says string }{
		{"a = 1\nservice imap {\n  inet_listener x { # one\n    port = 2\n  } # end\n  b = {x}\n}\nc = 3\n",
			"1 a=1\n2 service/=imap\n3 service/inet_listener/=x\n4 service/inet_listener/port=2\n6 service/b={x}\n8 c=3\n", ""},
		{"b {\n!include x\nc = 1\n}\nB {\n}\n", "1 b[0]/=\n1 b[0]/in=y\n3 b[0]/c=1\n5 B[1]/=\n", ""},
		{"a {\n b = 1\n", "1 a/=\n2 a/b=1\n", "the block is not closed"},
		{"}\na = 1\n", "2 a=1\n", "closes nothing"},
		{"a { b = 1 }\nc = 2\n", "2 c=2\n", "a block on one line"},
		{strings.Repeat("a {\n", maxBlocks+1) + "b = 1\n" + strings.Repeat("}\n", maxBlocks+1) + "c = 1\n", "", "blocks inside each other"},
	} {
		doc, diags := d.Parse(source.New("f.conf", []byte(c.text)), lineTree(map[string]string{"x": "in = y\n"}))
		said := ""
		for _, d := range diags {
			said += d.Message + "\n"
		}
		if got := listing(doc); c.want != "" && got != c.want || !strings.Contains(said, c.says) || c.says == "" && said != "" {
			t.Errorf("%q: got\n%s%swant\n%s%s", c.text, got, said, c.want, c.says)
		} else if c.want == "" && (strings.Contains(got, "/b=") || !strings.HasSuffix(got, " c=1\n")) {
			t.Errorf("too deep a block is read, or hides what follows:\n%s", got)
		}
	}
}

// TestOwnValue selects by the value of the node itself.
func TestOwnValue(t *testing.T) {
	doc, _ := Dialect{Delimiters: "=", Blocks: true}.Parse(source.New("f", []byte("s a {\n p = 1\n}\ns b {\n p = 2\n}\ns b {\n p = 3\n}\n")), nil)
	p, err := ParsePath("s[.='b']/p")
	if err != nil {
		t.Fatal(err)
	}
	if found := p.Find(doc.Root); len(found) != 2 || found[0].Value != "2" || found[1].Value != "3" {
		t.Errorf("%d nodes", len(found))
	}
}

// TestRows takes the paths of a listing at their word.
func TestRows(t *testing.T) {
	doc, _, err := Parse("yaml", source.New("f.yml", []byte("a:\n  - b: 1\n  - b: 2\n    c: [x, y]\nd: {e: z}\n")), nil)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for r := range doc.Rows() {
		p, err := ParsePath(strings.TrimSuffix(r.Path, "/"))
		if err != nil {
			t.Fatal(err)
		}
		found := p.Find(doc.Root)
		if len(found) != 1 || found[0].Value != r.Value || found[0].Kind == Section != strings.HasSuffix(r.Path, "/") {
			t.Errorf("%s selects %d nodes", r.Path, len(found))
		}
		count++
	}
	if count != 10 {
		t.Errorf("%d rows:\n%s", count, listing(doc))
	}
	for range doc.Rows() {
		break // an iterator may be left
	}
}
