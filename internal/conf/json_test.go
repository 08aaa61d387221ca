package conf

import (
	"strings"
	"testing"
)

var jsonCases = map[string]structuredCase{
	"values": {"{\"a\": 1, \"b\": \"x\\ty\\u00fc\", \"c\": true, \"d\": null, \"e\": \"\", \"f\": -1.5e3}", "a@1:3=1@1:7\nb@1:11=x\tyü@1:16 written x\\ty\\u00fc\nc@1:30=true@1:34\nd@1:41=@1:45 written null\ne@1:52=@1:57\nf@1:61=-1.5e3@1:65\n", ""},
	"nested": {"{\n  \"a\": {\"b\": [1, {\"c\": 2}, []]},\n  \"d\": {}\n}\n", `a@2:4
 b@2:10
  @2:15=1@2:15
  @2:18
   c@2:20=2@2:24
  @2:28
d@3:4
`, ""},
	"tabs, crlf and multibyte": {"{\r\n\t\"é\":\t\"ü\", \"x\": 1\r\n}\r\n", `é@2:3=ü@2:8
x@2:13=1@2:17
`, ""},
	"comments and commas": {"// c {\n{ /* \" */ \"a\": 1, // d\n  \"b\": [1, 2,], /* e\n  f */\n}\n", `a@2:12=1@2:16
b@3:4
 @3:9=1@3:9
 @3:12=2@3:12
`, ""},
	"comments as keys": {"{\"//\": \"x\", \"// port\": 1, \"//\": \"y\", \"// port\": 2}", `//@1:3=x@1:9
// port@1:14=1@1:24
//@1:28=y@1:34
// port@1:39=2@1:49
`, ""},
	"same key twice": {"{\"a\": 1, \"b\": {\"a\": 2}, \"a\": 3}", `a@1:3=1@1:7
b@1:11
 a@1:17=2@1:21
a@1:26=3@1:30
`, "ambiguous-line@1:26 the key a is given twice: programs differ on what it means\n"},
	"a list is the document": {"[{\"a\": 1}, 2]\n", `@1:2
 a@1:4=1@1:8
@1:12=2@1:12
`, ""},
	"a value is the document": {"5", "@1:1=5@1:1\n", "broken-line@1:1 a value without a key\n"},
	"no document":             {"", "", ""},
	"comment only":            {"// x\n", "", ""},
	"comma missing": {"{\n \"a\": 1\n \"b\": [1 2]\n}\n", `a@2:3=1@2:7
b@3:3
 @3:8=1@3:8
 @3:10=2@3:10
`, `broken-line@3:2 a comma is missing in front of this
broken-line@3:10 a comma is missing in front of this
`},
	"commas too many": {"{,\"a\": [1,,2],, \"b\": 1}", `a@1:4
 @1:9=1@1:9
 @1:12=2@1:12
b@1:18=1@1:22
`, `broken-line@1:2 a comma with nothing in front of it
broken-line@1:11 a comma with nothing in front of it
broken-line@1:15 a comma with nothing in front of it
`},
	"key without quotes": {"{a: 1, \"b\": 2, c-d: x}", `a@1:2=1@1:5
b@1:9=2@1:13
c-d@1:16=x@1:21
`, `ambiguous-line@1:2 a key without quotes: programs differ on what it means
ambiguous-line@1:16 a key without quotes: programs differ on what it means
ambiguous-line@1:21 x: programs differ on what it means
`},
	"key without a value": {"{\"a\", \"b\": , \"c\" 1, \"d\": 4}", "d@1:22=4@1:26\n", `broken-line@1:3 a key without a value
broken-line@1:8 a key without a value
broken-line@1:15 a key without a value
broken-line@1:18 neither a key nor the end of the object
`},
	"no key": {"{\"\": {\"x\": 1}, \"b\": 2}", "b@1:17=2@1:21\n", "broken-line@1:3 a value without a key\n"},
	"leading zero": {"{\"a\": 05060, \"b\": 0x10}", `a@1:3=05060@1:7
b@1:15=0x10@1:19
`, `ambiguous-line@1:7 05060: programs differ on what it means
ambiguous-line@1:19 0x10: programs differ on what it means
`},
	"junk": {"{\n \"a\": 1,\n = what\n \"b\": 2\n # comment\n}\n", `a@2:3=1@2:7
b@4:3=2@4:7
`, `broken-line@3:2 neither a key nor the end of the object
broken-line@5:2 neither a key nor the end of the object
`},
	"text not closed": {"{\n \"a\": \"x,\n \"b\": 2\n}\n", `a@2:3=x,@2:8
b@3:3=2@3:7
`, "broken-line@2:8 the text is not closed\n"},
	"escape": {"{\"a\": \"C:\\lumen\\vox\"}", "a@1:3=C:\\lumen\\vox@1:8\n", "ambiguous-line@1:8 an escape that JSON does not have: programs differ on what it means\n"},
	"wrong brackets": {"{\"a\": [1, 2}, \"b\": {\"c\": 3], \"d\": 4}", `a@1:3
 @1:8=1@1:8
 @1:11=2@1:11
b@1:16
 c@1:22=3@1:26
 d@1:31=4@1:35
`, `broken-line@1:12 this bracket closes nothing
broken-line@1:13 text behind the end
broken-line@1:27 this bracket closes nothing
`},
	"bracket too many": {"{\"a\": {\"b\": 1}}, \"c\": 2}\n", `a@1:3
 b@1:9=1@1:13
c@1:19=2@1:23
`, "broken-line@1:16 text behind the end\n"},
	"not closed": {"{\"a\": [1, {\"b\": 2\n", `a@1:3
 @1:8=1@1:8
 @1:11
  b@1:13=2@1:17
`, "broken-line@1:11 this is not closed before the end of the file\n"},
	"comment not closed": {"{\"a\": 1 /* x\n}\n", "a@1:3=1@1:7\n", "broken-line@1:9 the comment is not closed\n"},
	"text behind": {"{\"a\": 1}\n{\"b\": 2}\n[3]\n", `a@1:3=1@1:7
b@2:3=2@2:7
@3:2=3@3:2
`, "broken-line@2:1 text behind the end\n"},
	"templates": {"{\"a\": {{ port }}, \"b\": @PORT@, \"c\": ${PORT}, \"d\": \"${X}\",\n {% if x %}\n \"e\": <%= y %>\n {% endif %}\n}", `a@1:3={{ port }}@1:7
b@1:20=@PORT@@1:24
c@1:33=${PORT}@1:37
d@1:47=${X}@1:52
e@3:3=<%= y %>@3:7
`, "broken-line@1:7 the file is a template, and what will stand here is not known\n"},
	"no utf-8": {"{\"a\": \"d\xe9j\xe0\", \"b\": 1}", "a@1:3=d\xe9j\xe0@1:8\nb@1:16=1@1:20\n", "ambiguous-line@1:9 a byte that is not text: programs differ on what it means\n"},
	"zero byte": {"{\"a\": 1\x00, \"b\": 2}", "a@1:3=1\x00@1:7\nb@1:12=2@1:16\n", `ambiguous-line@1:8 a byte that is not text: programs differ on what it means
ambiguous-line@1:7 1?: programs differ on what it means
`},
}

func TestJSONReads(t *testing.T) { structuredTable(t, parseJSON, jsonCases) }

func TestJSONRealFiles(t *testing.T) {
	structuredReal(t, parseJSON, map[string]string{}, ".json")
}

func TestJSONDepth(t *testing.T) {
	structuredDeep(t, parseJSON, "", "[", "1", "]", "")
	structuredDeep(t, parseJSON, "", "{\"a\":", "1", "}", "")
	doc, diags := structuredParse(parseJSON, "f", "{\"a\": "+strings.Repeat("[", 200)+"\"]]\\\"\", {}"+strings.Repeat("]", 200)+", \"b\": 1}")
	if n := doc.Root.Children; len(n) != 2 || n[1].Name != "b" || len(diags) != 1 {
		t.Errorf("what stands behind is lost: %s%s", structuredDump(doc), structuredRules(diags))
	}
}

func TestJSONFull(t *testing.T) { structuredFull(t, parseJSON, "{", "\"k%d\": 1,\n", "}") }

func TestJSONComments(t *testing.T) {
	structuredComments(t, parseJSON, "{", "}", []string{"\"k#\": 1,", "\"k#\": \"a // b\",", "\"k#\": [1, {\"x\": null}],", "\"k#\": {},"},
		[]string{"", "\n", "// x\n", " /* \" \n } */\n"}, []string{"", " // c", "/* é */", "//"})
}

func TestJSONBombs(t *testing.T) {
	structuredBombs(t, parseJSON, "{|||\"a\":1,", "[", "{", "{\"a\":", "[|||1,", "1 ", "[|||1 ", "{|||a ", "\"", "\\", "[|||\"a\n", "/*", "//", "]", "}", "[}", "{]", "[|||{{", "[|||{{}}", "{|||{% ", ",", ":", "{|||:", "\xff", "\x00", "@", "[|||@A@,", "${", "[{", "[|||[],", "{\"a\"", "{|||\"\":1,")
}

func FuzzJSON(f *testing.F) { structuredFuzz(f, parseJSON, jsonCases, ".json") }
