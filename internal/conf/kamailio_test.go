package conf

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// kamailioParse reads text as the file etc/kamailio/<name> of a host with more files;
// without files it is a file by itself.
func kamailioParse(name, text string, files map[string]string) (*Document, diag.List) {
	r := &reader{file: source.New(name, []byte(text)), reports: map[string]int{}}
	if files != nil {
		fsys := fstest.MapFS{}
		for name, text := range files {
			fsys[name] = &fstest.MapFile{Data: []byte(text)}
		}
		r.tree = source.NewTree(fsys)
	}
	r.doc = &Document{File: r.file}
	r.doc.Root = parseKamailio(r)
	r.summarise()
	return r.doc, r.diags
}

// kamailioDump is one line for each node: where the name and the value stand, and the
// words where there are several.
func kamailioDump(nodes []*Node, indent string) []string {
	var out []string
	for _, n := range nodes {
		line := fmt.Sprintf("%s%s %s=%q %s", indent, n.NameSpan, n.Name, n.Value, n.ValueSpan)
		if len(n.Args) > 1 {
			for _, a := range n.Args {
				line += fmt.Sprintf(" [%s %d]", a.Text, a.Span.Position().Column)
			}
		}
		out = append(out, line)
		out = append(out, kamailioDump(n.Children, indent+"  ")...)
	}
	return out
}

// kamailioValues is the tree without places: "name=word|word".
func kamailioValues(nodes []*Node) []string {
	var out []string
	for _, n := range nodes {
		words := make([]string, len(n.Args))
		for i, a := range n.Args {
			words[i] = a.Text
		}
		line := n.Name + "=" + strings.Join(words, "|")
		if n.Kind == Section {
			line = n.Name + "{" + strings.Join(kamailioValues(n.Children), ";") + "}"
		}
		out = append(out, line)
	}
	return out
}

func kamailioFindings(diags diag.List) []string {
	var out []string
	for _, d := range diags {
		out = append(out, fmt.Sprintf("%s %s: %s", d.Span, d.Rule, d.Message))
	}
	return out
}

func TestKamailioPlaces(t *testing.T) {
	doc, diags := kamailioParse("k.cfg", `#!KAMAILIO
#!define IP "192.0.2.1"
#!define BOTH udp:192.0.2.2:5060 tcp:192.0.2.2:5060
listen=udp:IP:5060   advertise 198.51.100.1:5061 name "one"
listen = BOTH # both
  tls : eth0 : 5061
port=05060; children = 8 fork=yes
log_prefix="{$mt \"x\"} "
modparam("ctl", "binrpc",
  "tcp:127.0.0.1:2049")
loadmodule "tm.so"
pstn.gw_ip = "" desc "gateway"
listen=udp:(eth0, eth1):5060
socket = {
	bind = udp:192.0.2.3:5070-5080; name="s"
}
route[X] { listen=no; }
é=1
mpath = ü.so
`, nil)
	want := []string{
		`k.cfg:4:1 listen="udp:192.0.2.1:5060 advertise 198.51.100.1:5061 name one" k.cfg:4:8 [udp:192.0.2.1:5060 8] [advertise 22] [198.51.100.1:5061 32] [name 50] [one 56]`,
		`k.cfg:5:1 listen="udp:192.0.2.2:5060 tcp:192.0.2.2:5060 tls:eth0:5061" k.cfg:5:10 [udp:192.0.2.2:5060 10] [tcp:192.0.2.2:5060 10] [tls:eth0:5061 3]`,
		`k.cfg:7:1 port="05060" k.cfg:7:6`,
		`k.cfg:7:13 children="8" k.cfg:7:24`,
		`k.cfg:7:26 fork="yes" k.cfg:7:31`,
		`k.cfg:8:1 log_prefix="{$mt \"x\"} " k.cfg:8:13`,
		`k.cfg:9:1 modparam="ctl binrpc tcp:127.0.0.1:2049" k.cfg:9:10 [ctl 11] [binrpc 18] [tcp:127.0.0.1:2049 4]`,
		`k.cfg:11:1 loadmodule="tm.so" k.cfg:11:13`,
		`k.cfg:12:1 pstn.gw_ip=" desc gateway" k.cfg:12:14 [ 15] [desc 17] [gateway 23]`,
		`k.cfg:13:1 listen="udp:(eth0,eth1):5060" k.cfg:13:8`,
		`k.cfg:14:1 socket="" k.cfg:14:11`,
		`  k.cfg:15:2 bind="udp:192.0.2.3:5070-5080" k.cfg:15:9`,
		`  k.cfg:15:34 name="s" k.cfg:15:40`,
		`k.cfg:19:1 mpath="ü.so" k.cfg:19:9`,
	}
	if diff := cmp.Diff(want, kamailioDump(doc.Root.Children, "")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"k.cfg:18:1 broken-line: the text is not the beginning of a statement"}, kamailioFindings(diags)); diff != "" {
		t.Error(diff)
	}
	kamailioCheck(t, doc)
}

func TestKamailioStatements(t *testing.T) {
	for name, c := range map[string]struct {
		text     string
		values   []string
		findings []string
		gaps     int
	}{
		"comments":                     {"a=1 # x\n// y\n/* z /* nested */ b=2 */c=3#d\n/**/d=4", []string{"a=1", "c=3", "d=4"}, nil, 0},
		"a comment is not closed":      {"a=1\n/* /* */\nb=2", []string{"a=1"}, []string{"k:2:1 broken-line: the comment is not closed; what follows is not read"}, 1},
		"strings":                      {"a=\"x\\n\\x41\\101\\q\\\"\" 'no'\nb='\\n'\nc=\"a\" \"b\"\n\"c\"", []string{"a=x\nAA\\q\"|no", "b=\\n", "c=abc"}, nil, 0},
		"a string is not closed":       {"a=\"x\nb=2\n", []string{"a=x", "b=2"}, []string{"k:1:3 broken-line: the string is not closed"}, 0},
		"lists":                        {"listen=a b,c\n d:1\nalias=\"x\"\n  y\nport=1\n 2\n", []string{"listen=a|b|c|d:1", "alias=x|y", "port=1"}, []string{"k:6:2 broken-line: the word is not a statement"}, 0},
		"ipv6":                         {"listen=udp:[2001:db8::1]:5060 2001:db8:: eth0", []string{"listen=udp:[2001:db8::1]:5060|2001:db8::|eth0"}, nil, 0},
		"statement after statement":    {"a=1 b=2 loadmodule \"x\" modparam(\"a\",\"b\",-1) c.d=3 cfg[1].e=4", []string{"a=1", "b=2", "loadmodule=x", "modparam=a|b|-1", "c.d=3", "cfg[1].e=4"}, nil, 0},
		"calls":                        {"loadmodule(\"a\", \"b\")\nmpath \"c\"\nloadpath=\"d\"\nflags A:1, B\n C;\nmodparamx(\"a\",\"b\",$var(x))\nbool x", []string{"loadmodule=a|b", "mpath=c", "loadpath=d", "flags=A:1|B", "modparamx=a|b|$var(x)", "bool=x"}, []string{"k:5:2 broken-line: the word is not a statement"}, 0},
		"calls that are not whole":     {"modparam(\"a\",\"b\")\nmodparam(\"a\",\"b\",\nc=1", []string{"modparam=a|b", "modparam=a|b", "c=1"}, []string{"k:1:1 broken-line: modparam needs a module, a parameter and a value", "k:2:1 broken-line: the arguments are not closed", "k:2:1 broken-line: modparam needs a module, a parameter and a value"}, 0},
		"nothing behind =":             {"a=\nb=2\nc= d=4\ne=;", []string{"a=", "b=2", "c=", "d=4", "e="}, []string{"k:1:1 broken-line: the setting has no value", "k:3:1 broken-line: the setting has no value", "k:4:1 broken-line: the setting has no value"}, 0},
		"junk":                         {"what is this\n= 5\nalone\na=1 }\nif (x) { b=2 } c\nd=4", []string{"a=1", "d=4"}, []string{"k:1:1 broken-line: the text is not a statement", "k:2:1 broken-line: the text is not the beginning of a statement", "k:3:1 broken-line: the word is not a statement", "k:4:5 broken-line: a \"}\" closes nothing", "k:5:1 broken-line: the text is not a statement"}, 0},
		"blocks":                       {"route{ a=1 { b=\"}\" } # }\n $var(x)=$(ru{s.len,}}'}) /* } */ ; '}' }\nonreply_route [1]\n{ }\nevent_route[htable:mod-init] { }\na=1", []string{"a=1"}, nil, 0},
		"a block is not closed":        {"a=1\nroute[x] { {\n b=2\n}\nc=3", []string{"a=1"}, []string{"k:2:1 broken-line: the block is not closed; what follows is not read"}, 1},
		"braces of a list":             {"dst_blacklist = gw:{(tcp,192.0.2.1,5060,\"\"),\n (any,192.0.2.0,0,\"\")}\na=1", []string{"dst_blacklist=gw:|(tcp,192.0.2.1,5060,)|(any,192.0.2.0,0,)", "a=1"}, nil, 0},
		"brackets that are not closed": {"a=(x\nb=2\nsocket={ c=1\nd=2; e\nroute { }\nf=3", []string{"a=(x", "b=2", "socket{c=1;d=2}", "f=3"}, []string{"k:1:3 broken-line: a bracket in the value is not closed", "k:4:6 broken-line: the text is not an attribute", "k:3:1 broken-line: the block is not closed"}, 0},
		"opensips":                     {"socket=udp:*:5060 as 192.0.2.1 anycast\nauto_scaling_profile = P\n  scale up to 6 on 70% for 4 cycles within 5\nudp_workers=4\nstartup_route { }\ntimer_route[gw, 30] { x(); }", []string{"socket=udp:*:5060|as|192.0.2.1|anycast", "auto_scaling_profile=P|scale|up|to|6|on|70%|for|4|cycles|within|5", "udp_workers=4"}, nil, 0},

		"define":              {"#!define A 1\n#!def B A \\\n 2 # end\n!!define C\na=A b=B c\nd=C x\ne=\"A\" f=xA A_", []string{"a=1", "b=1|2", "d=x", "e=A", "f=xA|A_"}, nil, 0},
		"trydef and redefine": {"#!define A 1\n#!trydef A 2\n#!trydefine B 3\n#!redefine A 4\na=A b=B\n#!undef A\nc=A\n#!define B 5\n", []string{"a=4", "b=3", "c=A"}, []string{"k:8:1 broken-line: B is defined already; Kamailio does not start"}, 0},
		"names of defines":    {"#!define\n#!define 1 2\n#!define A-B 2\n#!defined X\n##!define C 1\na=C", []string{"a=C"}, []string{"k:2:1 broken-line: the name of a defined word must be letters, digits and \"_\"", "k:3:1 broken-line: the name of a defined word must be letters, digits and \"_\""}, 0},
		"a define of nothing": {"#!define A\nmodparam(\"x\",\"y\",A)", []string{"modparam=x|y|"}, nil, 0},
		"statement as define": {"#!define A listen=udp:192.0.2.1:5060\nA\nb=1", []string{"listen=udp:192.0.2.1:5060", "b=1"}, nil, 0},
		"circle of defines":   {"#!define A B x\n#!define B A\na=A\nb=1", []string{"a=A|x|x|x|x|x", "b=1"}, []string{"k:3:3 broken-line: defined words and substitutions make too much text; they are not followed from here"}, 1},
		"environment":         {"#!defenv A\n#!defexp B 1+2\n#!trydefenv C=D\na=A:B \"$def(A)\"\n#!ifdef A\nb=1\n#!endif\n", []string{"a=${A}:${B}|$def(A)"}, nil, 1},

		"ifdef":                {"#!define A\n#!ifdef A\na=1\n#!else\na=2\n#!endif\n#!ifndef A\na=3\n#!else\na=4\n#!ifdef B\na=5\n#!ifdef A\na=6\n#!endif\n#!else\na=7\n#!endif\n#!endif\na=8", []string{"a=1", "a=4", "a=7", "a=8"}, nil, 0},
		"ifdef in blocks":      {"route {\n#!ifdef A\n if (x) {\n#!else\n if (y) {\n#!endif\n }\n#!define B 1\n}\na=B", []string{"a=1"}, nil, 0},
		"comments hide ifdef":  {"##!ifdef A\na=1\n/*\n#!ifdef B\n*/ b=2\n##!endif", []string{"a=1", "b=2"}, nil, 0},
		"not in what is off":   {"#!ifdef A\n## #!endif\na=1 \"\n/*\n#!ifdef B\n#!else\n#!endif\nb=1\n", []string{"a=1|"}, []string{"k:3:5 broken-line: the string is not closed", "k:4:1 broken-line: the comment is not closed; what follows is not read"}, 1},
		"text behind else":     {"#!define A\n#!ifdef A # why\na=1\n#!else # B\nb=1\n#!endif\n", []string{"a=1", "b=1"}, []string{"k:4:1 broken-line: text behind #!else makes it a comment to Kamailio"}, 0},
		"not balanced":         {"#!endif\n#!else\n#!ifdef\na=1\n#!ifdef B\nb=1", []string{"a=1"}, []string{"k:1:1 broken-line: #!endif without an #!ifdef", "k:2:1 broken-line: #!else without an #!ifdef", "k:5:1 broken-line: the condition has no #!endif"}, 1},
		"unknown conditions":   {"#!ifexp KAMAILIO_VERSION > 5\na=1\n#!else\na=2\n#!endif\n#!ifdef KAMAILIO_5_7\nb=1\n#!endif\nc=1", []string{"c=1"}, nil, 2},
		"a module is a define": {"loadmodule \"/x/tls.so\"\nloadmodule(\"tm\", \"x\")\n#!ifdef MOD_tls\na=1\n#!endif\n#!ifdef MOD_tm\nb=1\n#!endif\n#!ifdef MOD_x\nc=1\n#!endif", []string{"loadmodule=/x/tls.so", "loadmodule=tm|x", "a=1", "b=1"}, nil, 0},

		"subst":    {"#!subst \"/IP/192.0.2.1/\"\n#!subst \"!x+(y)!<\\\\1\\\\n>!g\"\n#!subst \"/Q/q/i\"\na=\"udp:IP:IP\" b=IP c=\"xxyxy\" d='qQ'", []string{"a=udp:192.0.2.1:IP", "b=IP", "c=<y\n><y\n>", "d=qQ"}, nil, 0},
		"substdef": {"#!substdef \"!A!5060!g\"\n#!substdefs \"/B/x y/\"\na=A b=\"A-A\" c=B d=\"B\" e=\"$def(A)\"", []string{"a=5060", "b=5060-5060", "c=x y", "d=x y", "e=$def(5060)"}, nil, 0},
		"def":      {"#!define A \"1\"\n#!define B 2\na=\"$def(A)$def(B)$def(C)$def(A\"", []string{"a=12$def(C)$def(A"}, nil, 0},
		"subst that means nothing": {"#!subst x\n#!subst \"/\"\n#!subst \"/(/x/\"\n#!subst \"/a{3}/x/\"\n#!subst \"/a/b/z\"\n#!substdef \"//b/\"\na=1", []string{"a=1"}, []string{
			"k:1:1 broken-line: the substitution has no text in quotes",
			"k:2:10 broken-line: the substitution is not understood; strings it would change are not known",
			"k:3:10 broken-line: the substitution is not understood; strings it would change are not known",
			"k:4:10 broken-line: the substitution is not understood; strings it would change are not known",
			"k:5:10 broken-line: the substitution is not understood; strings it would change are not known",
			"k:6:13 broken-line: the substitution is not understood; strings it would change are not known",
			"k:1:9 broken-line: the word is not a statement"}, 5},

		"placeholders":  {"listen=udp:{{ ip }}:5060 <%= x %>:${P} @PORT@\nb=2\n{{ all }}\n{% if x %}\n{# y #}\na=1", []string{"listen=udp:{{ ip }}:5060|<%= x %>:${P}|@PORT@", "b=2", "a=1"}, []string{"k:3:1 template-value: the file is still a template: what the line will be is not known", "k:4:1 template-value: the file is still a template: what the line will be is not known"}, 2},
		"m4":            {"# x\ndivert(-1)\nlisten=IP\n", nil, []string{"k:2:1 template-value: the file is a template for m4: what it will be is not known"}, 1},
		"m4 conditions": {"a=1\nifelse(A, `yes', `listen=x')\n", nil, []string{"k:2:1 template-value: the file is a template for m4: what it will be is not known"}, 1},
		"not m4":        {"# `define(x)\n define = 1\ndnl_x=2", []string{"define=1", "dnl_x=2"}, nil, 0},
		"crlf":          {"#!define A 5060\r\n#!ifdef A\r\nlisten=udp:x:A\r\n#!endif\r\nport=1\r\n", []string{"listen=udp:x:5060", "port=1"}, nil, 0},
		"nothing":       {"", nil, nil, 0},
		"an include":    {"include_file \"x\"\nimport_file \"y\"\ninclude_file x", nil, []string{"k:3:1 broken-line: the name of the file is not in double quotes", "k:3:14 broken-line: the word is not a statement"}, 3},
	} {
		doc, diags := kamailioParse("k", c.text, nil)
		if diff := cmp.Diff(c.values, kamailioValues(doc.Root.Children)); diff != "" {
			t.Errorf("%s: values\n%s", name, diff)
		}
		if diff := cmp.Diff(c.findings, kamailioFindings(diags)); diff != "" {
			t.Errorf("%s: findings\n%s", name, diff)
		}
		if len(doc.Gaps) != c.gaps {
			t.Errorf("%s: %d gaps, want %d: %v", name, len(doc.Gaps), c.gaps, doc.Gaps)
		}
		kamailioCheck(t, doc)
	}
}

func TestKamailioIncludes(t *testing.T) {
	const main = "#!define A 1\n#!subst \"/NAME/local/\"\nimport_file \"NAME.cfg\"\nimport_file \"none.cfg\"\n!!include_file \"sub/two.cfg\"\nroute { include_file \"body.cfg\" }\nd=B listen=x\ninclude_file \"none.cfg\"\ny=4"
	doc, diags := kamailioParse("etc/k/main.cfg", main, map[string]string{
		"etc/k/local.cfg":      "a=A\n#!define B 2",
		"etc/k/sub/two.cfg":    "b=B include_file \"three.cfg\"\n c=3\n#!ifdef A\n",
		"etc/k/sub/three.cfg":  "include_file \"/etc/k/main.cfg\"\ninclude_file \"/../out.cfg\"\nthree=\"x",
		"etc/k/body.cfg":       "if (x) { #!endif",
		"etc/k/sub/body.cfg":   "wrong=1",
		"etc/k/none.cfg/x.cfg": "",
	})
	want := []string{
		`etc/k/local.cfg:1:1 a="1" etc/k/local.cfg:1:3`,
		`etc/k/sub/two.cfg:1:1 b="2" etc/k/sub/two.cfg:1:3`,
		`etc/k/sub/three.cfg:3:1 three="x" etc/k/sub/three.cfg:3:8`,
		`etc/k/sub/two.cfg:2:2 c="3" etc/k/sub/two.cfg:2:4`,
	}
	if diff := cmp.Diff(want, kamailioDump(doc.Root.Children, "")); diff != "" {
		t.Error(diff)
	}
	wantFindings := []string{
		"etc/k/main.cfg:4:14 unreadable-file: an included file cannot be read: it is a folder, not a regular file",
		"etc/k/sub/three.cfg:1:15 unreadable-file: an included file cannot be read: the file includes itself",
		"etc/k/sub/three.cfg:2:15 unreadable-file: an included file cannot be read: file does not exist",
		"etc/k/sub/three.cfg:3:7 broken-line: the string is not closed",
		"etc/k/main.cfg:8:15 unreadable-file: an included file cannot be read: it is a folder, not a regular file",
		"etc/k/main.cfg:6:1 broken-line: the block is not closed; what follows is not read",
	}
	if diff := cmp.Diff(wantFindings, kamailioFindings(diags)); diff != "" {
		t.Error(diff)
	}
	kamailioCheck(t, doc)
}

// TestKamailioLimits reads what is made to cost much.
func TestKamailioLimits(t *testing.T) {
	line := func(s string, n int) string { return strings.Repeat(s, n) }
	var powers, chain strings.Builder
	for i := range 30 {
		fmt.Fprintf(&powers, "#!define A%d A%d A%d\n", i, i+1, i+1)
	}
	for i := range 600 {
		fmt.Fprintf(&chain, "#!subst \"/(x*)*b%d|z.*y|z/z/g\"\n", i)
	}
	const size = 1 << 19
	for name, text := range map[string]string{
		"powers of defines":  powers.String() + line("a=A0\n", 1000),
		"substitutions":      chain.String() + line("a=\""+line("xxz", 160)+"\"\n", 2000),
		"long strings":       "#!subst \"/a/aaaa/g\"\n" + line("#!subst \"/a/aaaa/g\"\n", 50) + "x=\"" + line("a", size) + "\"",
		"quotes":             "x=" + line("\\\"\n", size/3),
		"mixed quotes":       line("'\"\n", size/3),
		"variables":          line("$(", size/2),
		"variables in lines": line("$((\n", size/4),
		"templates":          line("{{", size/2) + line("{%", size/2) + line("<%${", size/4),
		"directives":         line("!!else x", size/8) + line("!", size),
		"skipped directives": "#!ifdef A\n" + line("!!else x", size/8) + line("!", size),
		"brackets":           "a=" + line("(", size) + "\nb=" + line("{", size),
		"blocks":             line("a{", size/2),
		"names":              line("a[", size/2) + line("\na.", size/3),
		"comments":           line("/*", size/2),
		"nested conditions":  line("#!ifdef A\n", size/10),
		"words":              "listen=" + line("a ", size/2),
		"arguments":          "modparam(" + line("a,", size/2),
		"settings":           line("a=1\n", size/4),
		"defs":               "#!define A 1\na=\"" + line("$def(A)", size/7) + line("$def(", size/5) + "\"",
		"lists":              line("listen=\n", size/8),
		"dots":               "a=" + line(".a ", size/3),
	} {
		start := time.Now()
		doc, diags := kamailioParse("k", text, nil)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		if n := kamailioCheck(t, doc); n > MaxNodes*(kamMaxWords+1) {
			t.Errorf("%s: %d nodes and words", name, n)
		}
		if len(diags) > 5*maxReports {
			t.Errorf("%s: %d findings", name, len(diags))
		}
	}

	files := map[string]string{}
	for i := range 20 {
		files[fmt.Sprintf("%d", i)] = fmt.Sprintf("a%d=1\n", i) + line(fmt.Sprintf("include_file \"%d\"\n", i+1), 20)
	}
	doc, diags := kamailioParse("0", files["0"], files)
	if kamailioCheck(t, doc) > 10*MaxIncludes || !slices.ContainsFunc(diags, func(d diag.Diagnostic) bool { return d.Rule == "unreadable-file" }) {
		t.Errorf("includes of includes: %d nodes, %v", len(doc.Root.Children), kamailioFindings(diags))
	}
}

// kamailioCheck counts nodes and words, and checks that each stands in its file and says
// nothing but what is written there, unless something had to be resolved.
func kamailioCheck(t testing.TB, doc *Document) int {
	t.Helper()
	count := 0
	in := func(what string, s source.Span) {
		if s.File == nil || s.Start < 0 || s.Start > s.End || s.End > len(s.File.Text) {
			t.Fatalf("%s stands at %d-%d of %q", what, s.Start, s.End, s.Name())
		}
	}
	var visit func(n *Node)
	visit = func(n *Node) {
		count++
		in(n.Name, n.NameSpan)
		in("the value of "+n.Name, n.ValueSpan)
		for _, a := range n.Args {
			count++
			in("a word of "+n.Name, a.Span)
		}
		if len(n.Args) == 1 && (n.Value != n.Args[0].Text || n.ValueSpan != n.Args[0].Span) {
			t.Fatalf("%s: the value %q is not its only word %q", n.Name, n.Value, n.Args[0].Text)
		}
		for _, c := range n.Children {
			visit(c)
		}
	}
	for _, n := range doc.Root.Children {
		visit(n)
	}
	for _, g := range doc.Gaps {
		in("a gap", g)
	}
	return count
}

// TestKamailioBlankLines puts comments and blank lines between statements and expects
// the same tree.
func TestKamailioBlankLines(t *testing.T) {
	statements := []string{
		"listen=udp:A:5060 advertise 192.0.2.1:5060", "port=5060", "#!define A 192.0.2.9", "#!define B", "#!ifdef B", "#!else", "#!endif",
		"modparam(\"a\", \"b\", 5)", "loadmodule \"x.so\"", "socket={ bind=udp:A:1; }", "route[x] { if (y) { z(\"}\"); } }", "alias=a b", "a.b=\"c\" desc \"d\"", "#!subst \"/c/d/\"",
	}
	fill := []string{"", "\n", "# listen=x\n", "/* port=1 */\n", "  \t\n", "// x }\n", "##!define A 2\n"}
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom(statements), 1, 12).Draw(t, "lines")
		var plain, filled strings.Builder
		for _, l := range lines {
			plain.WriteString(l + "\n")
			filled.WriteString(rapid.SampledFrom(fill).Draw(t, "fill") + l + "\n")
		}
		a, ad := kamailioParse("k", plain.String(), nil)
		b, bd := kamailioParse("k", filled.String(), nil)
		if diff := cmp.Diff(kamailioValues(a.Root.Children), kamailioValues(b.Root.Children)); diff != "" {
			t.Fatal(diff)
		}
		if len(ad) != len(bd) {
			t.Fatalf("%v\n%v", kamailioFindings(ad), kamailioFindings(bd))
		}
	})
}

// kamailioCorpus are the real files, kept outside the repository, that match patterns
// below the corpus; none where it is not there.
func kamailioCorpus(t testing.TB, patterns ...string) []string {
	dir := os.Getenv("PORTOLAN_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	var files []string
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(p)))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return files
}

var kamailioPatterns = []string{"kamailio*/*", "kamailio*/*/*", "opensips/*", "opensips/*/*"}

// TestKamailioCorpus reads every real file there is, each on a host that has the files
// beside it.
func TestKamailioCorpus(t *testing.T) {
	// What is wrong with the real files, by the end of their name.
	known := map[string][]string{
		"opensips/residential.m4": {"template-value"}, // it is one
		"kamailio-ims/pcscf/kamailio.cfg": {
			"unreadable-file", "unreadable-file", "unreadable-file", "unreadable-file"}, // route/*.cfg is not in the corpus
		"kamailio-ivozprovider/users/kamailio.cfg": {"unreadable-file", "unreadable-file"}, // ports.cfg and listeners.cfg are made on the host
	}
	read := 0
	for _, file := range kamailioCorpus(t, kamailioPatterns...) {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // a folder
		}
		read++
		name := filepath.ToSlash(file)
		name = name[strings.Index(name, "corpus/")+len("corpus/"):]
		tree, err := source.OpenTree(filepath.Dir(file))
		if err != nil {
			t.Fatal(err)
		}
		r := &reader{file: source.New(path.Base(name), raw), tree: tree, reports: map[string]int{}}
		r.doc = &Document{File: r.file}
		r.doc.Root = parseKamailio(r)
		tree.Close()
		var rules []string
		for _, d := range r.diags {
			rules = append(rules, d.Rule)
		}
		if diff := cmp.Diff(known[name], rules); diff != "" {
			t.Errorf("%s: findings\n%s\n%s", name, diff, strings.Join(kamailioFindings(r.diags), "\n"))
		}
		if kamailioCheck(t, r.doc) == 0 && known[name] == nil {
			t.Errorf("%s: nothing was read", name)
		}
	}
	if read == 0 {
		t.Skip("TestKamailioCorpus: no real files; PORTOLAN_CORPUS names their folder")
	}
}

func FuzzKamailio(f *testing.F) {
	f.Add("#!define A 1\nlisten=udp:A:5060 advertise x\nmodparam(\"a\",\"b\",$var(x))\n", "a=A\n")
	f.Add("#!subst \"/a(b)*/\\\\1/g\"\n#!ifdef X\n#!else\na=\"ab\"\n#!endif\ninclude_file \"x\"\nroute { $(x{y}) }", "include_file \"x\" socket={ b=1 }")
	f.Add("{{ a }} {% b %} x={(},)} [ '\\x4\\12' \"", "/* /* */ // \\\n")
	for _, file := range kamailioCorpus(f, kamailioPatterns...) {
		if raw, err := os.ReadFile(file); err == nil {
			f.Add(string(raw), "")
		}
	}
	f.Fuzz(func(t *testing.T, text, other string) {
		doc, _ := kamailioParse("k/main", text, map[string]string{"k/x": other, "x": text})
		if n := kamailioCheck(t, doc); n > MaxNodes*(kamMaxWords+1) {
			t.Fatalf("%d nodes and words", n)
		}
	})
}
