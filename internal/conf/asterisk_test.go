package conf

import (
	"strings"
	"testing"
)

func TestAsterisk(t *testing.T) {
	long := strings.Repeat("x", asteriskLine)
	lineCases(t, map[string]lineCase{
		"settings":          {"asterisk", "; c\n[general]\nbindport = 5060 ; c\nexten => 1,2\nallow += ,ulaw\nempty=\nq = \"x\"\n", "[general]@2:2\n  bindport=5060@3:1 3:12\n  exten=1,2@4:1 4:10\n  allow+=,ulaw@5:1 5:10\n  empty=@6:1 6:7\n  q=\"x\"@7:1 7:5\n", ""},
		"escapes":           {"asterisk", "[a]\nx=a\\;b;c\n\\[y=1\n\\#z = 2\n\\==3\n", "[a]@1:2\n  x=a;b@2:1 2:3\n  [y=1@3:2 3:5\n  #z=2@4:2 4:7\n  ==3@5:2 5:4\n", ""},
		"block comments":    {"asterisk", "[a]\nx=1\n;-- y=2\n;-- nested --;\nz=3 --; w=4 ;-- c --; 5 ;--\n--;\n;--- no block\nv=6\n", "[a]@1:2\n  x=1@2:1 2:3\n  w=4  5@5:9 5:11\n  v=6@8:1 8:3\n", ""},
		"block not closed":  {"asterisk", "[a]\nx=1 ;-- \ny=2\n", "[a]@1:2\n  x=1@2:1 2:3\n", "broken-line@2:5"},
		"block not opened":  {"asterisk", "[a]\nx=1 --; c\ny=2\n;-- z=1\nv=3\n", "[a]@1:2\n  x=1 --; c@2:1 2:3\n  v=3@5:1 5:3\n", "broken-line@2:5"},
		"never opened":      {"asterisk", "[a]\nx=1 --; c\ny=2\n", "[a]@1:2\n  x=1 --; c@2:1 2:3\n", "broken-line@2:5"},
		"same name":         {"asterisk", "[a]\nx=1\n[a]\nx=2\n", "[a]@1:2\n  x=1@2:1 2:3\n[a]@3:2\n  x=2@4:1 4:3\n", ""},
		"templates":         {"asterisk", "[t](!)\ntype=transport\nx=1\n[u](!,T)\ny=2\n[a](u)\nx=3\n[b](a,t)\n", "[a]@6:2 u@6:5 <u>@6:5\n  type=transport@2:1 2:6\n  x=1@3:1 3:3\n  y=2@5:1 5:3\n  x=3@7:1 7:3\n[b]@8:2 a,t@8:5 <a>@8:5 <t>@8:7\n  type=transport@2:1 2:6\n  x=1@3:1 3:3\n  y=2@5:1 5:3\n  x=3@7:1 7:3\n  type=transport@2:1 2:6\n  x=1@3:1 3:3\n", ""},
		"added":             {"asterisk", "[a]\nx=1\n[b]\ny=1\n[A](+)\nz=2\n", "[a]@1:2\n  x=1@2:1 2:3\n  z=2@6:1 6:3\n[b]@3:2\n  y=1@4:1 4:3\n", ""},
		"added to template": {"asterisk", "[a](!)\nx=1\n[a](+TEMPLATES=include)\ny=2\n[b](a)\n[a](+)\nz=1\n", "[b]@5:2 a@5:5 <a>@5:5\n  x=1@2:1 2:3\n  y=2@4:1 4:3\n[a]@6:2 +@6:5 <+>@6:5\n  z=1@7:1 7:3\n", "broken-line@6:2"},
		"unknown sections":  {"asterisk", "[a](+)\n[b](x, c)\n", "[a]@1:2 +@1:5 <+>@1:5\n[b]@2:2 x, c@2:5 <x>@2:5 < c>@2:7\n", "broken-line@1:2 broken-line@2:5 broken-line@2:7"},
		"may be elsewhere":  {"asterisk", "#include x.conf\n[a](+)\ny=1\n", "[a]@2:2 +@2:5 <+>@2:5\n  y=1@3:1 3:3\n", "gap@1:10"},
		"broken":            {"asterisk", "x=1\n[a\ny=1\n[b](c\nz=1\n[c] (!)\njunk\n=1\n\\\n+=2\n", "x=1@1:1 1:3\n[c]@6:2\n", "broken-line@1:1 broken-line@2:1 broken-line@4:4 ambiguous-line@6:5 broken-line@7:1 broken-line@8:1 broken-line@9:1 broken-line@10:1"},
		"directives":        {"asterisk", "#include \"a b.conf\"\n#TryInclude <b.conf>\n#exec /bin/x\n# comment\n#include\n", "", "unreadable-file@3:7 broken-line@4:1 broken-line@5:1 gap@1:11 gap@2:14 gap@3:7"},
		"long line":         {"asterisk", "[a]\nx=" + long + "\ny=1\n", "[a]@1:2\n  y=1@3:1 3:3\n", "broken-line@2:1"},
		"crlf and bom":      {"asterisk", "\xEF\xBB\xBF[a]\r\nx = 1 \r\n", "[a]@1:2\n  x=1@2:1 2:5\n", ""},
	})
}

func TestAsteriskIncludes(t *testing.T) {
	files := map[string]string{
		"etc/asterisk/one.conf": "x=1\n[new]\ny=2\n", "etc/asterisk/d/1.conf": "[t](!)\nq=1\n", "etc/asterisk/d/2.conf": "#include ../asterisk/d/1.conf\n",
		"etc/asterisk/loop.conf": "[l]\nz=1\n#include loop.conf\n",
	}
	for name, c := range map[string]struct{ in, want, rules string }{
		"goes on":    {"[a]\n#include one.conf\nz=3\n", "[a]@1:2\n  x=1@etc/asterisk/one.conf:1:1 etc/asterisk/one.conf:1:3\n  z=3@3:1 3:3\n[new]@etc/asterisk/one.conf:2:2\n  y=2@etc/asterisk/one.conf:3:1 etc/asterisk/one.conf:3:3\n", ""},
		"wildcard":   {"#include d/*.conf\n[a](t)\n", "[a]@2:2 t@2:5 <t>@2:5\n  q=1@etc/asterisk/d/1.conf:2:1 etc/asterisk/d/1.conf:2:3\n", ""},
		"missing":    {"#include none.conf\n#include n*.conf\n#tryinclude none.conf\n[a]\nx=1\n", "[a]@4:2\n  x=1@5:1 5:3\n", "unreadable-file@1:10 unreadable-file@2:10 gap@1:10 gap@2:10"},
		"cycle":      {"#include \"/etc/asterisk/loop.conf\"\n", "[l]@etc/asterisk/loop.conf:1:2\n  z=1@etc/asterisk/loop.conf:2:1 etc/asterisk/loop.conf:2:3\n", "unreadable-file@etc/asterisk/loop.conf:3:10 gap@etc/asterisk/loop.conf:3:10"},
		"never runs": {"#exec /etc/asterisk/one.conf\n", "", "unreadable-file@1:7 gap@1:7"},
	} {
		t.Run(name, func(t *testing.T) {
			doc, diags := lineParse(parseAsterisk, "etc/asterisk/main.conf", c.in, lineTree(files))
			lineCheck(t, doc, diags)
			if got := lineDump(doc); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
			if got := lineRules(doc, diags); got != c.rules {
				t.Errorf("findings %q, want %q", got, c.rules)
			}
		})
	}
}
