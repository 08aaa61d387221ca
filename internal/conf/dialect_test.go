package conf

import (
	"strings"
	"testing"

	"portolan/internal/source"
)

// signs are what a description may use for comments and delimiters.
const signs = "!#$%&*+,-./:;<=>?@^_|~"

// only is s without the bytes that are not in set.
func only(s, set string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(set, r) {
			return r
		}
		return -1
	}, s)
}

// FuzzDialect reads any text in any dialect that a description can say.
func FuzzDialect(f *testing.F) {
	f.Add("#;", "#", "=", `"'`, "nrt", "include", uint32(0x1ff), []byte("[a]\nk = \"v\\n\" # c\ninclude x\nb\n  c d\n"))
	f.Add("", "", "", "", "", "listen", uint32(0x200), []byte("listen 1 \\\n 2\nlisten\n"))
	f.Add("\x00[", "=", " \t", "[]", "xu", "\\", uint32(0xffff), []byte("[\\x41]=[\\u0041]\n]"))
	for _, name := range tokenCorpus("redis/*", "coturn/*", "asterisk/rtp*", "mosquitto/*") {
		if file, err := source.ReadFile(name); err == nil && len(file.Text) < 20_000 {
			f.Add("#;", "", "=", "", "", "include", uint32(2), file.Text)
		}
	}
	f.Fuzz(func(t *testing.T, comments, inline, delimiters, quotes, escapes, word string, switches uint32, raw []byte) {
		comments, inline, delimiters = only(comments, signs), only(inline, signs), only(delimiters, signs)
		quotes, escapes = only(quotes, "\"'`"), only(escapes, "abfnrstxuo")
		on := func(bit int) bool { return switches>>bit&1 == 1 }
		d := Dialect{
			Comments: comments, Inline: inline, InlineBlank: on(0), Delimiters: delimiters, Blank: on(1) || delimiters == "", Run: on(2), Sections: on(3),
			Bare: Bare(switches >> 4 & 3 % 3), Words: on(6), Quotes: quotes, Doubled: on(7), Escapes: escapes, EscapeKeep: on(8), EscapeBare: on(9),
			Continuation: Continuation(switches >> 10 & 3), Includes: []Include{{Keyword: word, Need: Need(switches >> 12 & 3 % 3), Inside: on(14)}},
			Blocks: on(16),
		}
		if on(15) {
			d.Opens = []string{word + "s"}
		}
		tree := lineTree(map[string]string{"x": string(raw), "f.conf": string(raw)})
		for _, tree := range []*source.Tree{nil, tree} {
			doc, diags := d.Parse(source.New("f.conf", raw), tree)
			if nodes := lineCheck(t, doc, diags); nodes > MaxNodes {
				t.Fatalf("%d nodes", nodes)
			}
			again, _ := d.Parse(source.New("f.conf", raw), tree)
			if values(again.Root) != values(doc.Root) {
				t.Fatal("reading twice differs")
			}
		}
	})
}
