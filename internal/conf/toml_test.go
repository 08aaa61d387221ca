package conf

import "testing"

var tomlCases = map[string]structuredCase{
	"values": {"a = 1_000\nb = \"x\\ty\"\nc = 'C:\\x'\nd = true\ne = 1979-05-27T07:32:00Z\nf = 07:32:00\ng = 0xFF\nh = +inf\ni = \"\"\nj = 1979-05-27 07:32:00.5\nk = 1979-05-27\n", "a@1:1=1_000@1:5\nb@2:1=x\ty@2:6 written x\\ty\nc@3:1=C:\\x@3:6\nd@4:1=true@4:5\ne@5:1=1979-05-27T07:32:00Z@5:5\nf@6:1=07:32:00@6:5\ng@7:1=0xFF@7:5\nh@8:1=+inf@8:5\ni@9:1=@9:6\nj@10:1=1979-05-27 07:32:00.5@10:5\nk@11:1=1979-05-27@11:5\n", ""},
	"keys": {"bare-key_1 = 1\n\"q é\" = 2\n'l' = 3\n1234 = 4\na . \"b.c\" .d = 5\na.e = 6\n", `bare-key_1@1:1=1@1:14
q é@2:2=2@2:9
l@3:2=3@3:7
1234@4:1=4@4:8
a@5:1
 b.c@5:6
  d@5:12=5@5:16
 e@6:3=6@6:7
`, ""},
	"texts over lines": {"a = \"\"\"\nx\\\n  y\n\"\"\"\nb = '''x\n y'''\nc = 1\n", `a@1:1=xy\n@2:1 written x\\n  y\n
b@5:1=x\n y@5:8
c@7:1=1@7:5
`, ""},
	"tables": {"r = 1\n[a] # c\nx = 1\n[a.b.c]\ny = 2\n[d]\n[a.e]\nz = 3\n", `r@1:1=1@1:5
a@2:2
 x@3:1=1@3:5
 b@4:4
  c@4:6
   y@5:1=2@5:5
 e@7:4
  z@8:1=3@8:5
d@6:2
`, ""},
	"table behind its own": {"[a.b]\nx = 1\n[a]\ny = 2\n", `a@1:2
 b@1:4
  x@2:1=1@2:5
 y@4:1=2@4:5
`, ""},
	"arrays": {"a = [1, 'y', # c ]\n  [], [[2]],\n  {k = 1.5, l.m = true}, # [\n]\nb = {}\n", `a@1:1
 @1:6=1@1:6
 @1:10=y@1:10
 @2:3
 @2:7
  @2:8
   @2:9=2@2:9
 @3:3
  k@3:4=1.5@3:8
  l@3:13
   m@3:15=true@3:19
b@5:1
`, ""},
	"arrays of tables": {"[[p]]\nn = 1\n[p.s]\no = 2\n[[p.q]]\nr = 3\n[[p]]\nn = 4\n[[p.q]]\nr = 5\n", `p@1:3
 @1:3
  n@2:1=1@2:5
  s@3:4
   o@4:1=2@4:5
  q@5:5
   @5:5
    r@6:1=3@6:5
 @7:3
  n@8:1=4@8:5
  q@9:5
   @9:5
    r@10:1=5@10:5
`, ""},
	"crlf, tabs and multibyte": {"e = 1\r\n\"é\" =\t\"ü\" # ö\r\n\tx = [\"ä\", 2]\r\n", `e@1:1=1@1:5
é@2:2=ü@2:8
x@3:2
 @3:8=ä@3:8
 @3:12=2@3:12
`, ""},
	"same key twice": {"a = 1\nb.c = 1\nb.c = 2\na = 3\n[t]\nx = {y = 1, y = 2}\n", `a@1:1=1@1:5
b@2:1
 c@2:3=1@2:7
 c@3:3=2@3:7
a@4:1=3@4:5
t@5:2
 x@6:1
  y@6:6=1@6:10
  y@6:13=2@6:17
`, `ambiguous-line@3:3 the key c is given twice: programs differ on what it means
ambiguous-line@4:1 the key a is given twice: programs differ on what it means
ambiguous-line@6:13 the key y is given twice: programs differ on what it means
`},
	"same table twice": {"[a]\nx = 1\n[a]\nx = 2\n[a.b]\ny = 3\n", `a@1:2
 x@2:1=1@2:5
a@3:2
 x@4:1=2@4:5
 b@5:4
  y@6:1=3@6:5
`, "ambiguous-line@3:2 the key a is given twice: programs differ on what it means\n"},
	"table over a value": {"a = 1\n[a]\nx = 2\nb = {}\n[a.b]\ny = 3\n[[a]]\nz = 1\n", `a@1:1=1@1:5
a@2:2
 x@3:1=2@3:5
 b@4:1
 b@5:4
  y@6:1=3@6:5
a@7:3
 @7:3
  z@8:1=1@8:5
`, `ambiguous-line@2:2 the key a is given twice: programs differ on what it means
ambiguous-line@5:4 the key b is given twice: programs differ on what it means
ambiguous-line@7:3 the key a is given twice: programs differ on what it means
`},
	"no key": {"\"\" = 1\n[\"\"]\nx = 1\n[b]\ny = 2\n", `b@4:2
 y@5:1=2@5:5
`, `broken-line@1:2 a value without a key
broken-line@2:3 a value without a key
`},
	"no document":   {"", "", ""},
	"comments only": {"# x\n\n", "", ""},
	"junk line": {"a = 1\nwhat is this\nb = 2\n", `a@1:1=1@1:5
b@3:1=2@3:5
`, "broken-line@2:1 this is not TOML: expected '=' after key\n"},
	"no value":            {"a =\nb = 2\n", "b@2:1=2@2:5\n", "broken-line@1:1 this is not TOML: unexpected character U+000A at start of value\n"},
	"leading zero":        {"a = 05060\nb = 2\n", "b@2:1=2@2:5\n", "broken-line@1:1 this is not TOML: integers cannot have leading zeroes\n"},
	"text without quotes": {"addr = 0.0.0.0:9060\nb = 2\n", "b@2:1=2@2:5\n", "broken-line@1:1 this is not TOML: expected newline but got U+002E '.'\n"},
	"text not closed":     {"a = \"x\nb = 2\n", "b@2:1=2@2:5\n", "broken-line@1:1 this is not TOML: basic strings cannot have new lines\n"},
	"long text not closed": {"a = 1\nb = \"\"\"x\nc = 2\n[t]\nd = 3\n", `a@1:1=1@1:5
c@3:1=2@3:5
t@4:2
 d@5:1=3@5:5
`, "broken-line@2:1 this is not TOML: multiline basic string not terminated by \"\"\"\n"},
	"array not closed": {"a = [1,\n  2\nb = 3\n", "b@3:1=3@3:5\n", "broken-line@1:1 this is not TOML: expected ',' or ']' after array value\n"},
	"array not closed at the end": {"b = 3\na = [1,\n  2,\n", "b@1:1=3@1:5\n", `broken-line@2:1 this is not TOML: array is incomplete
broken-line@3:3 this is not TOML: expected '=' after key
`},
	"header not closed": {"[a\nx = 1\n[b]\ny = 2\n", `b@3:2
 y@4:1=2@4:5
`, "broken-line@1:1 this is not TOML: expected ']' to close table name\n"},
	"text behind a value": {"a = 1 2\nb = 2\n", "b@2:1=2@2:5\n", "broken-line@1:1 this is not TOML: expected newline but got U+0032 '2'\n"},
	"latin-1":             {"# f\xfcr\na = 1 # \xfc\nb = \"d\xe9\"\n", "a@2:1=1@2:5\nb@3:1=d\xe9@3:6\n", "ambiguous-line@1:4 a byte that is not text: programs differ on what it means\n"},
	"control characters":  {"a = \"x\x00y\"\nb = 2 # \x01\n", "a@1:1=x\x00y@1:6\nb@2:1=2@2:5\n", "ambiguous-line@1:7 a byte that is not text: programs differ on what it means\n"},
	"carriage return alone": {"a = 1\rb = 2\nc = 3\n# x\ry\nd = 4\n", `c@2:1=3@2:5
d@4:1=4@4:5
`, `broken-line@1:1 this is not TOML: expected newline but got U+000D
broken-line@3:1 this is not TOML: carriage returns are not allowed in comments
`},
	"templates": {"a = {{ port }}\nb = \"{{ x }}\"\n{% if y %}\nc = @PORT@\n{% endif %}\nd = [ {{ z }} ]\ne = 1\n", `a@1:1={{ port }}@1:5
b@2:1={{ x }}@2:6
c@4:1=@PORT@@4:5
d@6:1=[ {{ z }} ]@6:5
e@7:1=1@7:5
`, "broken-line@1:5 the file is a template, and what will stand here is not known\n"},
}

func TestTOMLReads(t *testing.T) { structuredTable(t, parseTOML, tomlCases) }

func TestTOMLRealFiles(t *testing.T) {
	structuredReal(t, parseTOML, map[string]string{}, ".toml")
}

func TestTOMLDepth(t *testing.T) {
	structuredDeep(t, parseTOML, "a=", "[", "1", "]", "\nb='behind'")
	structuredDeep(t, parseTOML, "a=", "{x=", "[1]", "}", "\nb='behind'")
	structuredDeep(t, parseTOML, "", "a.", "a=1", "", "\nb='behind'")
	structuredDeep(t, parseTOML, "[", "a.", "a]\nx=1", "", "")
}

func TestTOMLFull(t *testing.T) { structuredFull(t, parseTOML, "", "k%d = 1\n", "") }

func TestTOMLComments(t *testing.T) {
	structuredComments(t, parseTOML, "", "", []string{"k# = 1", "k# = \"a;b\"", "[t#]", "[[p]]", "a.k# = [1, {x = 2}]", "[u.v#]", "k# = '''\nx\n'''"},
		[]string{"", "\n", "# x = 1\n", " \t\n # [y]\n"}, []string{"", " # c", "\t# é"})
}

func TestTOMLBombs(t *testing.T) {
	structuredBombs(t, parseTOML, "a=1\n", "a=", "[", "[[", "[a]\n", "[[a]]\n", "a.", "[a.", "a=[|||1,", "a=[|||[", "a={\n", "a={", "a=[\n", "a=[#\n", "a='''\n", "a=\"\"\"\n", "'", "\"", "#\n", "\n", "\r", "a\r\n", "a={{x}}\n", "{{}}\n", "a=[|||{{}}\n", "\xff", "\x00", "a=@A@\n", "a=\"\"\"|||b='''\n", "a=[|||\n1,\n", "a={|||b={\n", "a=01\n", "[a]\na.b.c=1\n")
}

func FuzzTOML(f *testing.F) { structuredFuzz(f, parseTOML, tomlCases, ".toml") }
