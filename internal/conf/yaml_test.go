package conf

import (
	"fmt"
	"strings"
	"testing"
)

var yamlCases = map[string]structuredCase{
	"settings":         {"a: 1\nb:\n  c: x y\n  d: 'it''s'\n  e: \"t\\tü\"\n", "a@1:1=1@1:4\nb@2:1\n c@3:3=x y@3:6\n d@4:3=it's@4:7 written it''s\n e@5:3=t\tü@5:7 written t\\tü\n", ""},
	"no final newline": {"port: 5060", "port@1:1=5060@1:7\n", ""},
	"crlf": {"a: 1\r\nb:\r\n  - x\r\n", `a@1:1=1@1:4
b@2:1
 @3:5=x@3:5
`, ""},
	"byte order mark": {"\xef\xbb\xbfport: 1\n", "port@1:1=1@1:7\n", ""},
	"texts that look like numbers": {"a: 0777\nb: 22:22\nc: 1_000\nd: 05060\ne: 0x10\nf: 2001-01-01\ng: yes\n", `a@1:1=0777@1:4
b@2:1=22:22@2:4
c@3:1=1_000@3:4
d@4:1=05060@4:4
e@5:1=0x10@5:4
f@6:1=2001-01-01@6:4
g@7:1=yes@7:4
`, ""},
	"null": {"a:\nb: ~\nc: null\nd: \"\"\nl: [~, '']\n", `a@1:1=@1:3
b@2:1=@2:4 written ~
c@3:1=@3:4 written null
d@4:1=@4:5
l@5:1
 @5:5=@5:5 written ~
 @5:9=@5:9
`, ""},
	"lists": {"a:\n- 1\n- x: 2\n  y: 3\n-\n  - z\nb: [1, [2], {c: 3}]\n", `a@1:1
 @2:3=1@2:3
 @3:3
  x@3:3=2@3:6
  y@4:3=3@4:6
 @6:3
  @6:5=z@6:5
b@7:1
 @7:5=1@7:5
 @7:8
  @7:9=2@7:9
 @7:13
  c@7:14=3@7:17
`, ""},
	"a list is the document": {"- a: 1\n- 2\n", `@1:3
 a@1:3=1@1:6
@2:3=2@2:3
`, ""},
	"flow over lines": {"a: {b: 1, c,\n  \"d\":2}\n", `a@1:1
 b@1:5=1@1:8
 c@1:11=@1:12
 d@2:4=2@2:7
`, ""},
	"multibyte and tabs": {"é: \"ü\" # ö\nk:\tv\nß: [ä, ö]\n", `é@1:1=ü@1:5
k@2:1=v@2:4
ß@3:1
 @3:5=ä@3:5
 @3:8=ö@3:8
`, ""},
	"plain text over lines": {"a: one\n  two\n\n  three  \nb: 2\n", `a@1:1=one two\nthree@1:4 written one\n  two\n\n  three
b@5:1=2@5:4
`, ""},
	"quoted text over lines": {"a: \"one\n  two\\\n  three\"\nb: 'x\n\n  y'\nc: 1\n", `a@1:1=one twothree@1:5 written one\n  two\\n  three
b@4:1=x\ny@4:5 written x\n\n  y
c@7:1=1@7:4
`, ""},
	"literal block": {"a: |\n  l1\n   l2\n\n  l3\n\n\n# c\nb: 2\n", `a@1:1=l1\n l2\n\nl3\n@2:3 written l1\n   l2\n\n  l3
b@9:1=2@9:4
`, ""},
	"folded block": {"a: >- # c\n\n    f1\n    f2\nb: |+2\n    x\nc: |\n\nd: 1\n", `a@1:1=\nf1 f2@3:5 written f1\n    f2
b@5:1=  x\n@6:3 written   x
c@7:1=@7:5
d@9:1=1@9:4
`, ""},
	"block at the end of the document": {"--- |\nx\ny\n---\na: 1\n", `@2:1=x\ny\n@2:1 written x\ny
@5:1
 a@5:1=1@5:4
`, "broken-line@2:1 text without a key\n"},
	"explicit keys": {"? a\n: 1\n? b\n? c\n: - 2\n", `a@1:3=1@2:3
b@3:3=@4:1
c@4:3
 @5:5=2@5:5
`, ""},
	"tags and anchors": {"a: &x !!int 5\nb: !!str\n  6\nc: &y\nd: *x\ne: &z # c\n  f: 1\n", `a@1:1=5@1:13
b@2:1=6@3:3
c@4:1=@4:6
d@5:1=5@1:13
e@6:1
 f@7:3=1@7:6
`, ""},
	"a tag of somebody's own": {"a: !include x.yaml\nb: !env {c: 1}\n", `a@1:1=x.yaml@1:13
b@2:1
 c@2:10=1@2:13
`, ""},
	"alias of a section": {"a: &a\n  p: 1\nb: *a\n", `a@1:1
 p@2:3=1@2:6
b@3:1
 p@2:3=1@2:6
`, ""},
	"alias as a key": {"a: &k port\n*k : 5\n", `a@1:1=port@1:7
port@1:7=5@2:6
`, ""},
	"merge": {"x: &x {p: 1, q: 2}\ny: &y {q: 3, r: 4}\na:\n  <<: *x\n  p: 9\nb:\n  <<: [*x, *y]\nc: {<<: {s: 5}}\n", `x@1:1
 p@1:8=1@1:11
 q@1:14=2@1:17
y@2:1
 q@2:8=3@2:11
 r@2:14=4@2:17
a@3:1
 q@1:14=2@1:17
 p@5:3=9@5:6
b@6:1
 p@1:8=1@1:11
 q@1:14=2@1:17
 r@2:14=4@2:17
c@8:1
 s@8:10=5@8:13
`, ""},
	"merge of a merge": {"x: &x {p: 1}\ny: &y {<<: *x, q: 2}\nz: {<<: *y}\n", `x@1:1
 p@1:8=1@1:11
y@2:1
 p@1:8=1@1:11
 q@2:16=2@2:19
z@3:1
 q@2:16=2@2:19
 p@1:8=1@1:11
`, ""},
	"merge in quotes": {"\"<<\": {a: 1}\n", `<<@1:2
 a@1:8=1@1:11
`, ""},
	"merge of text": {"a:\n  <<: 5\n  b: 1\n", `a@1:1
 b@3:3=1@3:6
`, "broken-line@2:7 \"<<\" needs a mapping, or a list of mappings\n"},
	"alias in itself": {"a: &a [1, *a]\nb: 1\n", `a@1:1
 @1:8=1@1:8
b@2:1=1@2:4
`, "broken-line@1:11 an alias for what it stands in\n"},
	"merge of itself": {"a: &a\n  <<: *a\n  b: 1\n", `a@1:1
 b@3:3=1@3:6
`, "broken-line@2:7 \"<<\" needs a mapping, or a list of mappings\n"},
	"unknown alias": {"a: 1\nb: *no\nc: 2\n", `a@1:1=1@1:4
c@3:1=2@3:4
`, "broken-line@2:1 this is not YAML: unknown anchor 'no' referenced\n"},
	"two documents": {"a: 1\n---\nb: 2\n", `@1:1
 a@1:1=1@1:4
@3:1
 b@3:1=2@3:4
`, ""},
	"marks without documents": {"# c\n---\n---\n# d\n---\na: 1\n...\n---\n", "a@6:1=1@6:4\n", ""},
	"directives":              {"%YAML 1.2\n%TAG !e! tag:x,2000:\n---\na: !e!t 1\n", "a@4:1=1@4:9\n", ""},
	"document on the mark": {"--- {a: 1}\n--- # c\nb: 2\n", `@1:5
 a@1:6=1@1:9
@3:1
 b@3:1=2@3:4
`, ""},
	"a broken document between": {"a: 1\n---\nb: [1\n---\nc: 3\n", `@1:1
 a@1:1=1@1:4
@5:1
 c@5:1=3@5:4
`, "broken-line@3:1 this is not YAML: did not find expected ',' or ']'\n"},
	"same key twice": {"a: 1\nb: 2\na: 3\n", `a@1:1=1@1:4
b@2:1=2@2:4
a@3:1=3@3:4
`, "ambiguous-line@3:1 the key a is given twice: programs differ on what it means\n"},
	"no key": {"a: 1\n: 2\n\"\": 3\n", "a@1:1=1@1:4\n", `broken-line@2:1 a value without a key
broken-line@3:2 a value without a key
`},
	"list as a key": {"a: 1\n? [x]\n: 2\n", "a@1:1=1@1:4\n", "broken-line@2:3 a key that is a list or a mapping\n"},
	"only text":     {"just some words\n", "@1:1=just some words@1:1\n", "broken-line@1:1 text without a key\n"},
	"empty":         {"", "", ""},
	"comments only": {"# a\n\n# b\n", "", ""},
	"junk line": {"a: 1\njunk\nb: 2\n", `a@1:1=1@1:4
b@3:1=2@3:4
`, "broken-line@2:1 this is not YAML: could not find expected ':'\n"},
	"bad indent": {"a: 1\n b: 2\nc: 3\n", `a@1:1=1@1:4
c@3:1=3@3:4
`, "broken-line@2:2 this is not YAML: mapping values are not allowed in this context\n"},
	"tab indent": {"a:\n\tb: 1\nc: 2\n", `a@1:1=@1:3
c@3:1=2@3:4
`, "broken-line@2:2 this is not YAML: found character that cannot start any token\n"},
	"two colons": {"a: b: c\nd: 1\n", "d@2:1=1@2:4\n", "broken-line@1:1 this is not YAML: mapping values are not allowed in this context\n"},
	"quote not closed": {"a: 1\nb: \"x\nc: 3\nd: 4\n", `a@1:1=1@1:4
c@3:1=3@3:4
d@4:1=4@4:4
`, "broken-line@2:1 this is not YAML: found unexpected end of stream\n"},
	"quote closed by another": {"a: \"x\nb: 2\nc: \"y\"\nd: 4\n", `b@2:1=2@2:4
d@4:1=4@4:4
`, `broken-line@3:1 this is not YAML: did not find expected key
broken-line@1:1 this is not YAML: found unexpected end of stream
`},
	"bracket not closed": {"a: [1,\n  2\nb: 3\nc: 4\n", `b@3:1=3@3:4
c@4:1=4@4:4
`, "broken-line@1:1 this is not YAML: did not find expected ',' or ']'\n"},
	"junk behind a list": {"- a\n- b\nc: d\n", `@1:3=a@1:3
@2:3=b@2:3
`, "broken-line@3:1 this is not YAML: did not find expected '-' indicator\n"},
	"text behind a quote": {"a: \"x\" y\nb: 2\n", "b@2:1=2@2:4\n", "broken-line@1:1 this is not YAML: did not find expected key\n"},
	"latin-1":             {"# f\xfcr\na: 1 # \xfc\nb: d\xe9j\xe0\n", "a@2:1=1@2:4\nb@3:1=d\xe9j\xe0@3:4\n", "ambiguous-line@1:4 a byte that is not text: programs differ on what it means\n"},
	"control characters":  {"a: x\x00y\nb: 2\n", "a@1:1=x\x00y@1:4\nb@2:1=2@2:4\n", "ambiguous-line@1:5 a byte that is not text: programs differ on what it means\n"},
	"template values": {"a: {{ .Values.port }}\nb: \"{{ x | default \"80\" }}\"\nc: 1\nd: [{{ y }}, 2]\n", `a@1:1={{ .Values.port }}@1:4
b@2:1={{ x | default "80" }}@2:5
c@3:1=1@3:4
d@4:1
 @4:5={{ y }}@4:5
 @4:14=2@4:14
`, "broken-line@1:4 the file is a template, and what will stand here is not known\n"},
	"template lines": {"a: 1\n{{- if .x }}\nb: {{ .y }}\n{{- end }}\n{% if z %}\nc: 3 # {# n #}\n{% endif %}\nd:\n  {{- toYaml . | nindent 2 }}\n", `a@1:1=1@1:4
b@3:1={{ .y }}@3:4
c@6:1=3@6:4
d@8:1=@8:3
`, "broken-line@2:1 the file is a template, and what will stand here is not known\n"},
	"template of autoconf": {"a: @PORT@\nb: @@Name@@\nc: user@host\n", `a@1:1=@PORT@@1:4
b@2:1=@@Name@@@2:4
c@3:1=user@host@3:4
`, "broken-line@1:4 the file is a template, and what will stand here is not known\n"},
	"braces that are text": {"a: Instance {{ $labels.instance }} down\nb: \"{{ $value }}\"\nc: |\n  {{ x }}\n", `a@1:1=Instance {{ $labels.instance }} down@1:4
b@2:1={{ $value }}@2:5
c@3:1={{ x }}\n@4:3 written {{ x }}
`, ""},
	"template not closed": {"a: {{ x\nb: 1\n", "b@2:1=1@2:4\n", "broken-line@1:1 this is not YAML: did not find expected ',' or '}'\n"},
	"other line breaks": {"a: 1\u0085b: 2\rc: é\u2028d: 4\n", `a@1:1=1@1:4
b@1:6=2@1:9
c@1:11=é@1:14
d@1:16=4@1:19
`, ""},
	"a tag without a name":       {"a: ! 0\nb: !\n", "a@1:1=0@1:6\nb@2:1=@2:5\n", ""},
	"a mark that is none":        {"--- |\n---0\n", "@2:1=---0\\n@2:1 written ---0\n", "broken-line@2:1 text without a key\n"},
	"what ends an anchor":        {"a: &x.1 2\nb: *x.1\n", "a@1:1=2@1:9\nb@2:1=2@1:9\n", ""},
	"carriage returns and marks": {"a: 1\r---\rb: 2\r", "@1:1\n a@1:1=1@1:4\n@1:10\n b@1:10=2@1:13\n", ""},
}

func TestYAMLReads(t *testing.T) { structuredTable(t, parseYAML, yamlCases) }

func TestYAMLRealFiles(t *testing.T) {
	structuredReal(t, parseYAML, map[string]string{}, ".yml", ".yaml")
}

func TestYAMLDepth(t *testing.T) {
	structuredDeep(t, parseYAML, "", "[", "x", "]", "")
	structuredDeep(t, parseYAML, "", "{a: ", "x", "}", "")
	structuredDeep(t, parseYAML, "", "- ", "x", "", "\n- behind\n")
}

func TestYAMLFull(t *testing.T) { structuredFull(t, parseYAML, "", "k%d: 1\n", "") }

func TestYAMLComments(t *testing.T) {
	structuredComments(t, parseYAML, "", "", []string{"k#: 1", "k#: \"a;b\"", "k#:\n  - x\n  - y: 'z'", "k#: {a: [1, 2]}", "k#:\n  l: v", "? k#", "---\nk#: 5", "k#: &a# 5\nl#: *a#"},
		[]string{"", "\n", "# x: 1\n", "  \n\n   # y\n"}, []string{"", " # c", "\n# {", "\t# ü"})
}

// TestYAMLAliases holds aliases of aliases to a bound: as values, as merges, and as merges
// of which nothing is kept.
func TestYAMLAliases(t *testing.T) {
	for name, line := range map[string]string{
		"values":              "a%[1]d: &a%[1]d [%[2]s]\n",
		"merges":              "a%[1]d: &a%[1]d {<<: [%[2]s]}\n",
		"merges of the same":  "a%[1]d: &a%[1]d {x: 1, <<: [%[2]s]}\n",
		"mappings":            "a%[1]d: &a%[1]d {x: {y: [%[2]s]}}\n",
		"lists in the merges": "a%[1]d: &a%[1]d {<<: [[%[2]s]]}\n",
	} {
		var b strings.Builder
		b.WriteString("a0: &a0 {x: 1}\n")
		for i := range 30 {
			fmt.Fprintf(&b, line, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
		}
		b.WriteString("last: 1\n")
		doc, diags := structuredParse(parseYAML, "f", b.String())
		structuredSound(t, doc, diags)
		if got := structuredRules(diags); !strings.Contains(got, "more than 20000 settings") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestYAMLGaps counts the places where something is missing.
func TestYAMLGaps(t *testing.T) {
	for text, want := range map[string]int{
		"a: 1\n": 0, "a: !!int 1\n": 0, "a: !include b\n": 1, "a: &a [*a]\n": 1, "{{ x }}\na: {{ y }}\n": 1, "a: {{ y }}\n": 0,
		strings.Repeat("{{ x }}\n", 100) + "a: {{ y }}\n": maxReports,
		// Too large to try line by line: what stands in front of the error is kept.
		"a: 1\n" + strings.Repeat("# x\n", yamlEffort) + "b: [\nc: 2\n": 1,
	} {
		doc, diags := structuredParse(parseYAML, "f", text)
		if len(doc.Gaps) != want {
			t.Errorf("%.20q: %d gaps, want %d; %s", text, len(doc.Gaps), want, structuredRules(diags))
		}
		if strings.HasPrefix(text, "a: 1") && doc.Root.Children[0].Value != "1" {
			t.Errorf("%.20q: a is lost", text)
		}
	}
}

func TestYAMLBombs(t *testing.T) {
	structuredBombs(t, parseYAML, "a: 1\n", "[", "- ", "{a,", "? ", "[|||a,", "- x\n", "#c\n", "'", "\"", "a: &a\n", "{", "*a ", "!a ", "a:\n", "\n", "|\n", "x: |\n", "%a\n", "---\n", "--- a\n", "--- [\n", "&a ", "a: [\n", "{a: ", " a\n", "{{", "a: {{x}}\n", "a {{}} ", "{{}}\n", "@A", "\xff", "\u0085", "a\u2028", "a: \"\n", " \n  a: [b\n c: 'd\n", "- - a\n", "é: é, ", "...\n", "a: b: c\n", "\t\n")
}

func FuzzYAML(f *testing.F) { structuredFuzz(f, parseYAML, yamlCases, ".yml", ".yaml") }
