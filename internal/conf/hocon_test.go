package conf

import (
	"fmt"
	"strings"
	"testing"
)

func TestHoconReads(t *testing.T) {
	tokenTable(t, parseHocon, map[string]tokenCase{
		"plain": {in: "videobridge {\n  ice {\n    udp {\n      port = 10000 // x\n    }\n  }\n}\n",
			want: "videobridge@1:1 {\n ice@2:3 {\n  udp@3:5 {\n   port@4:7 = 10000@4:14"},
		"braces around":        {in: "{ a = 1\n b { c : 2 } }", want: "a@1:3 = 1@1:7\nb@2:2 {\n c@2:6 = 2@2:10"},
		"json":                 {in: "{\"a\": {\"b\": [1, true, \"x\\u0041\\n\"], \"c\": null}}", want: "a@1:3 {\n b@1:9 {\n  @1:14 = 1@1:14\n  @1:17 = true@1:17\n  @1:23 = xA\n@1:24\n c@1:38 = null@1:42"},
		"list at the top":      {in: "[ { a = 1 } ]", want: "@1:3 {\n a@1:5 = 1@1:9"},
		"paths":                {in: "a.b.c = 1\n\"a.b\".c = 2\na.\"b c\" { d = 3 }", want: "a@1:1 {\n b@1:3 {\n  c@1:5 = 1@1:9\na.b@2:2 {\n c@2:7 = 2@2:11\na@3:1 {\n b c@3:4 {\n  d@3:11 = 3@3:15"},
		"blanks in a key":      {in: "a b.c d = 1", want: "a b@1:1 {\n c d@1:5 = 1@1:11"},
		"equals and brace":     {in: "a = { b = 1 }, c : { d = 2 }", want: "a@1:1 {\n b@1:7 = 1@1:11\nc@1:16 {\n d@1:22 = 2@1:26"},
		"unquoted":             {in: "a = 127.0.0.1\nb = 5 seconds  \nc = -1, d = .75\ne = 1 # x", want: "a@1:1 = 127.0.0.1@1:5\nb@2:1 = 5 seconds@2:5\nc@3:1 = -1@3:5\nd@3:9 = .75@3:13\ne@4:1 = 1@4:5"},
		"quoted":               {in: `a = "b, \"c\" // d"` + "\ne = \"\"", want: "a@1:1 = b, \"c\" // d@1:6\ne@2:1 = @2:6"},
		"joined":               {in: `a = "b"  c "d"e`, want: `a@1:1 = b  c de@1:5`},
		"triple quotes":        {in: "a = \"\"\"x\n\"y\\\"\"\"\"\nb = 1", want: "a@1:1 = x\n\"y\\\"@1:8\nb@3:1 = 1@3:5"},
		"value below":          {in: "a =\n 1\nb\n{ c = 1 }", want: "a@1:1 = 1@2:2\nb@3:1 {\n c@4:3 = 1@4:7"},
		"list over lines":      {in: "a = [1\n 2\n [3], {b = 4}]", want: "a@1:1 {\n @1:6 = 1@1:6\n @2:2 = 2@2:2\n @3:2 {\n  @3:3 = 3@3:3\n @3:7 {\n  b@3:8 = 4@3:12"},
		"append":               {in: "a += 1\na += { b = 2 }", want: "a@1:1 + = 1@1:6\na@2:1 + {\n b@2:8 = 2@2:12"},
		"same name twice":      {in: "a { b = 1 }\na { b = 2 }", want: "a@1:1 {\n b@1:5 = 1@1:9\na@2:1 {\n b@2:5 = 2@2:9"},
		"objects side by side": {in: "a = { b = 1 } { c = 2 }", want: "a@1:1 {\n b@1:7 = 1@1:11\n c@1:17 = 2@1:21"},
		"template":             {in: "a = {{ p }}\nb = {{ q }}0\n", want: "a@1:1 = {{ p }}@1:5\nb@2:1 = {{ q }}0@2:5"},
		"no value":             {in: "a =\nb = 1\nc\nd = 2\ne = ", want: "b@2:1 = 1@2:5\nd@4:1 = 2@4:5", rules: "broken-line@1:1 broken-line@3:1 broken-line@5:1"},
		"colon in a value":     {in: "a = 0.0.0.0:8080\nb = 1", want: "a@1:1 = 0.0.0.0:8080@1:5\nb@2:1 = 1@2:5", rules: "ambiguous-line@1:12"},
		"bracket behind":       {in: "a = b { c = 1 }\nd = 1", want: "a@1:1 = b@1:5\nd@2:1 = 1@2:5", rules: "broken-line@1:7"},
		"text behind":          {in: "a { b = 1 } c\nd = 1", want: "a@1:1 {\n b@1:5 = 1@1:9\nd@2:1 = 1@2:5", rules: "broken-line@1:13"},
		"empty element":        {in: "a..b = 1\n.c = 2\nd = 3", want: "d@3:1 = 3@3:5", rules: "broken-line@1:1 broken-line@2:1"},
		"empty name in quotes": {in: "\"\" = 1", want: "@1:2 = 1@1:6"},
		"not closed":           {in: "a { b = [1", want: "a@1:1 {\n b@1:5 {\n  @1:10 = 1@1:10", rules: "broken-line@1:5 broken-line@1:1"},
		"wrong bracket":        {in: "a { b = [1 }\nc = 1", want: "a@1:1 {\n b@1:5 {\n  @1:10 = 1@1:10\nc@2:1 = 1@2:5", rules: "broken-line@1:12"},
		"brace too many":       {in: "a = 1\n}\nb = 2", want: "a@1:1 = 1@1:5\nb@3:1 = 2@3:5", rules: "broken-line@2:1"},
		"quote not closed":     {in: "a = \"b\nc = \"d\"", want: "a@1:1 = b@1:6\nc@2:1 = d@2:6", rules: "broken-line@1:5"},
		"no name":              {in: "=\n[1]\nb = 1", want: "b@3:1 = 1@3:5", rules: "broken-line@1:1 broken-line@2:1"},
		"crlf":                 {in: "a = 1\r\nb = x y\r\n", want: "a@1:1 = 1@1:5\nb@2:1 = x y@2:5"},
	})
}

func TestHoconReferences(t *testing.T) {
	tokenTable(t, parseHocon, map[string]tokenCase{
		"backward and forward":   {in: "a.p = 1\nb = ${a.p}\nc = ${d}\nd = 2", want: "a@1:1 {\n p@1:3 = 1@1:7\nb@2:1 = 1@2:5\nc@3:1 = 2@3:5\nd@4:1 = 2@4:5"},
		"the last one":           {in: "a = 1\nb = ${a}\na = 2", want: "a@1:1 = 1@1:5\nb@2:1 = 2@2:5\na@3:1 = 2@3:5"},
		"chain":                  {in: "a = ${b}\nb = ${c}\nc = 1", want: "a@1:1 = 1@1:5\nb@2:1 = 1@2:5\nc@3:1 = 1@3:5"},
		"joined":                 {in: "h = x\na = ${h}\":\"80 ${h}", want: "h@1:1 = x@1:5\na@2:1 = x:80 x@2:5"},
		"quoted is text":         {in: "h = x\na = \"${h}\"", want: "h@1:1 = x@1:5\na@2:1 = ${h}@2:6"},
		"quoted path":            {in: "\"a.b\".c = 1\nd = ${\"a.b\".c}", want: "a.b@1:2 {\n c@1:7 = 1@1:11\nd@2:1 = 1@2:5"},
		"unknown":                {in: "a = ${X}\nb = 1${Y}", want: "a@1:1 = ${X}@1:5\nb@2:1 = 1${Y}@2:5"},
		"optional":               {in: "p = 1\np = ${?X}\nq = a${?X}b\nr = [${?X}, 2]", want: "p@1:1 = 1@1:5\nq@3:1 = ab@3:5\nr@4:1 {\n @4:13 = 2@4:13"},
		"optional that is there": {in: "x = 2\np = ${?x}", want: "x@1:1 = 2@1:5\np@2:1 = 2@2:5"},
		"one before":             {in: "a = x\na = ${a}y\na = ${?a}z", want: "a@1:1 = x@1:5\na@2:1 = xy@2:5\na@3:1 = xyz@3:5"},
		"dropped in between":     {in: "a = 1\na = ${?X}\nb = ${a}", want: "a@1:1 = 1@1:5\nb@3:1 = 1@3:5"},
		"circle":                 {in: "a = ${b}\nb = ${a}\nc = ${c}", want: "a@1:1 = ${a}@1:5\nb@2:1 = ${a}@2:5\nc@3:1 = ${c}@3:5"},
		"object":                 {in: "a { p = 1, q { r = 2 } }\nb = ${a}\nc = ${b.q.r}", want: "a@1:1 {\n p@1:5 = 1@1:9\n q@1:12 {\n  r@1:16 = 2@1:20\nb@2:1 {\n p@1:5 = 1@1:9\n q@1:12 {\n  r@1:16 = 2@1:20\nc@3:1 = 2@3:5"},
		"merged object":          {in: "a { p = 1 }\na { q = 2 }\nb = ${a} { p = 3 }", want: "a@1:1 {\n p@1:5 = 1@1:9\na@2:1 {\n q@2:5 = 2@2:9\nb@3:1 {\n p@1:5 = 1@1:9\n q@2:5 = 2@2:9\n p@3:12 = 3@3:16"},
		"list":                   {in: "a = [1]\na = ${a} [2]\nb = [0] ${a}", want: "a@1:1 {\n @1:6 = 1@1:6\na@2:1 {\n @1:6 = 1@1:6\n @2:11 = 2@2:11\nb@3:1 {\n @3:6 = 0@3:6\n @1:6 = 1@1:6\n @1:6 = 1@1:6\n @2:11 = 2@2:11"},
		"inside itself":          {in: "a { p = 1, q = ${a.p} }\nb { c = ${b} }", want: "a@1:1 {\n p@1:5 = 1@1:9\n q@1:12 = 1@1:16\nb@2:1 {\n c@2:5 {\n  c@2:5 = ${b}@2:9"},
	})
}

// TestHoconBombs holds values that double and objects that hold each other to their limits.
func TestHoconBombs(t *testing.T) {
	var values, objects strings.Builder
	values.WriteString("a0 = 0123456789\n")
	objects.WriteString("a0 { x = 1, y = 2 }\n")
	for i := range 60 {
		fmt.Fprintf(&values, "a%d = ${a%d}${a%d}\n", i+1, i, i)
		fmt.Fprintf(&objects, "a%d { p = ${a%d}, q = ${a%d} }\n", i+1, i, i)
	}
	doc, _ := tokenTree(t, parseHocon, "a.conf", map[string]string{"a.conf": values.String()})
	for _, n := range doc.Root.Children {
		if len(n.Value) > maxTokenExpands {
			t.Errorf("%s has %d bytes", n.Name, len(n.Value))
		}
	}
	if _, diags := tokenTree(t, parseHocon, "a.conf", map[string]string{"a.conf": objects.String()}); len(diags) != 1 {
		t.Errorf("findings %v", diags)
	}
}

func TestHoconIncludes(t *testing.T) {
	doc, diags := tokenTree(t, parseHocon, "etc/jvb/jvb.conf", map[string]string{
		"etc/jvb/jvb.conf": "include \"defaults\"\na { include \"sub/x.conf\" }\ninclude classpath(\"r.conf\")\ninclude file(\"/etc/abs.conf\")\n" +
			"include required(file(\"y.conf\"))\ninclude url(\"http://x/\")\ninclude \"none.conf\"\ninclude required(\"none.conf\")\ninclude file(\"rel.conf\")\n\"include\" = 1\ninclude.x = 2\n",
		"etc/jvb/defaults.conf": "d = 1\n", "etc/jvb/defaults.json": "{\"d\": 0}", "etc/jvb/sub/x.conf": "include \"y.conf\"\np = 1\nq = ${p}\nr = ${d}\n",
		"etc/jvb/sub/y.conf": "y = 1\n", "etc/abs.conf": "abs = 1\n", "etc/jvb/rel.conf": "rel = 1\n",
	})
	got := tokenDump(doc)
	for _, name := range []string{"etc/jvb/defaults.conf", "etc/jvb/defaults.json", "etc/jvb/sub/x.conf", "etc/jvb/sub/y.conf", "etc/abs.conf"} {
		got = strings.ReplaceAll(got, "@"+name, "")
	}
	want := "d = 0\nd = 1\na {\n y = 1\n p = 1\n q = 1\n r = 1\nabs = 1\ninclude = 1\ninclude {\n x = 2\n"
	if got = tokenPlaces.ReplaceAllString(got, ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if rules := tokenRulesOf(diags); rules != "unreadable-file@8:19" || len(doc.Gaps) != 5 {
		t.Errorf("findings %s, %d gaps", rules, len(doc.Gaps))
	}
}

func TestHoconDepth(t *testing.T) {
	tokenTable(t, parseHocon, map[string]tokenCase{
		"lists": {in: "a = " + strings.Repeat("[", maxTokenDepth+1) + "1" + strings.Repeat("]", maxTokenDepth+1) + "\nb = 1",
			want: tokenNested(maxTokenDepth) + "b@2:1 = 1@2:5", rules: "broken-line@1:69", gaps: 1},
		"a long path": {in: strings.Repeat("a.", 1000) + "b = 1\nc = 2", want: "c@2:1 = 2@2:5", rules: "broken-line@1:1"},
	})
}

func FuzzHocon(f *testing.F) {
	tokenFuzz(f, parseHocon, []string{"a.b {c = ${a.b} [1] ${?x}}\na = ${a} {d += 1}", "include \"a\"\ninclude required(file(\"d/b.conf\"))\nx = ${x}${x}",
		"a = \"\"\"b\"\"\"\" \"\\u00e9", "{[a]:=}b..c \"\".\"\" = ,", "a={b=${c}}\nc={d=${a}}\ne=${c.d.b.d}"}, "jitsi-videobridge/*.conf", "jicofo/*.conf")
}
