package conf

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"portolan/internal/source"
)

// boundShapes are texts that ask the most of a reader for their size, as units that are
// repeated.
var boundShapes = map[string]string{
	"one line": "a", "words": "a ", "settings": "k = v\n", "sections": "[s]\n", "open braces": "{", "open brackets": "[", "open parentheses": "(", "open tags": "<a>",
	"indented": "a:\n ", "dashes": "- ", "flow": "[a, ", "double quotes": "\"", "single quotes": "'", "backslashes": "\\", "continued": "a\\\n", "comments": "#\n", "semicolons": ";--",
	"percent": "%(a)s", "dollars": "$${a}", "braced": "${a}", "placeholders": "{{ a }} ", "at": "@A@ ", "aliases": "a: &a [*a, *a]\n", "merge": "<<: *a\n", "dots": "a.", "equals": "=", "nul": "\x00", "high": "\xff", "cr": "a=b\r",
	"defines": "#!define A A A\n", "ifdef": "#!ifdef A\n", "subst": "#!subst \"/a/aa/g\"\n", "include": "include x\n", "hash include": "#include x\n", "templates": "[a](b)\n", "entities": "&amp;", "cdata": "<![CDATA[", "doctype": "<!DOCTYPE a [",
	"pre-process": "<X-PRE-PROCESS cmd=\"set\" data=\"a=$${a}$${a}\"/>\n", "documents": "---\na: 1\n", "json": "{\"a\":", "tables": "[[a]]\n", "keys": "\"k\":1,", "heredoc": "<<E\n", "call": "input(type=\"a\" ", "module": "modparam(\"a\", \"b\", \"c\")\n",
	"key references": "a = ${b}${b}\nb = ${a}${a}\n", "append": "a += b\n", "exports": "A=$A$A\n", "services": "service x\n{\n", "colon": "a: b: ",
}

// TestBounds holds every format to time and memory that grow with the text and not with
// what it says.
func TestBounds(t *testing.T) {
	const size = 1 << 16
	for _, f := range Formats() {
		t.Run(f.Name, func(t *testing.T) {
			for name, unit := range boundShapes {
				text := source.New("f", []byte(strings.Repeat(unit, size/len(unit))))
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				start := time.Now()
				doc, _, err := Parse(f.Name, text, nil)
				took := time.Since(start)
				runtime.ReadMemStats(&after)
				if err != nil || doc.Root == nil {
					t.Fatal(err)
				}
				// Both are far above what a reader needs: the slowest takes some 100 ms, and the
				// hungriest, words that Kamailio replaces, 850 bytes for each of the text.
				if took > 5*time.Second {
					t.Errorf("%s: %v for %d bytes", name, took, size)
				}
				if got := (after.TotalAlloc - before.TotalAlloc) / size; got > 2000 {
					t.Errorf("%s: %d bytes allocated for each of the text", name, got)
				}
			}
		})
	}
}
