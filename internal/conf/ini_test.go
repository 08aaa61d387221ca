package conf

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// lineParse reads a text the way Parse does.
func lineParse(parse func(*reader) *Node, name, text string, tree *source.Tree) (*Document, diag.List) {
	f := source.New(name, []byte(text))
	r := &reader{file: f, tree: tree, doc: &Document{File: f}, reports: map[string]int{}}
	r.doc.Root = parse(r)
	r.summarise()
	return r.doc, r.diags
}

// lineTree is a tree in memory.
func lineTree(files map[string]string) *source.Tree {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return source.NewTree(m)
}

// lineKinds are the formats of this scanner, and its neighbours that read lines.
func lineKinds() []Format {
	return slices.Concat(iniFormats(), keywordFormats(), []Format{{"systemd", "", parseSystemd},
		{"table", "", parseTable}, {"postfix", "", parsePostfix}, {"asterisk", "", parseAsterisk}, {"env", "", parseEnv}})
}

func lineKind(t testing.TB, name string) func(*reader) *Node {
	for _, f := range lineKinds() {
		if f.Name == name {
			return f.parse
		}
	}
	t.Fatalf("no format %s", name)
	return nil
}

// lineDump is a tree as text: a line for each node, "key=value@places of both", settings
// of a section indented below it, its words in angle brackets, places without the name
// of the document.
func lineDump(doc *Document) string {
	var b strings.Builder
	place := func(s source.Span) string { return strings.TrimPrefix(s.String(), doc.File.Name+":") }
	var walk func(indent string, n *Node)
	walk = func(indent string, n *Node) {
		for _, c := range n.Children {
			op := "="
			if c.Append {
				op = "+="
			}
			if c.Kind == Section {
				fmt.Fprintf(&b, "%s[%s]@%s", indent, c.Name, place(c.NameSpan))
				if c.Value != "" {
					fmt.Fprintf(&b, " %s@%s", c.Value, place(c.ValueSpan))
				}
			} else {
				fmt.Fprintf(&b, "%s%s%s%s@%s %s", indent, c.Name, op, c.Value, place(c.NameSpan), place(c.ValueSpan))
			}
			for _, a := range c.Args {
				fmt.Fprintf(&b, " <%s>@%s", a.Text, place(a.Span))
			}
			b.WriteString("\n")
			walk(indent+"  ", c)
		}
	}
	walk("", doc.Root)
	return b.String()
}

// lineRules are the findings and gaps as text.
func lineRules(doc *Document, diags diag.List) string {
	var out []string
	for _, d := range diags {
		out = append(out, d.Rule+"@"+strings.TrimPrefix(d.Span.String(), doc.File.Name+":"))
	}
	for _, g := range doc.Gaps {
		out = append(out, "gap@"+strings.TrimPrefix(g.String(), doc.File.Name+":"))
	}
	return strings.Join(out, " ")
}

// lineCheck fails when a place is not where the node says it is.
func lineCheck(t testing.TB, doc *Document, diags diag.List) (nodes int) {
	t.Helper()
	lies := func(s source.Span) string {
		if s.File == nil || s.Start < 0 || s.Start > s.End || s.End > len(s.File.Text) {
			t.Fatalf("a span outside of its file: %d-%d", s.Start, s.End)
		}
		return s.Text()
	}
	same := func(what, got string, at source.Span) {
		text := lies(at)
		if got != text && !strings.ContainsAny(text, "\\$\n;'\"") && !(got == "true" && text == "") {
			t.Fatalf("%s %q, but its place says %q", what, got, text)
		}
	}
	var walk func(*Node)
	walk = func(n *Node) {
		for _, c := range n.Children {
			nodes++
			same("a name", c.Name, c.NameSpan)
			if c.Kind == Setting || c.Value != "" {
				same("a value", c.Value, c.ValueSpan)
			}
			if c.ValueSpan.File != nil && c.ValueSpan.Start < c.NameSpan.End {
				t.Fatalf("%s: a value in front of its name", c.NameSpan)
			}
			last := c.NameSpan.End
			for _, a := range c.Args {
				same("a word", a.Text, a.Span)
				if a.Span.Start < last {
					t.Fatalf("%s: words out of order", c.NameSpan)
				}
				last = a.Span.End
			}
			walk(c)
		}
	}
	walk(doc.Root)
	if nodes > MaxNodes {
		t.Fatalf("%d nodes", nodes)
	}
	for _, d := range diags {
		if d.Rule == "" || d.Severity == diag.Invalid || d.Message == "" || d.Span.File == nil {
			t.Fatalf("unfinished finding %+v", d)
		}
		lies(d.Span)
	}
	for _, g := range doc.Gaps {
		lies(g)
	}
	return nodes
}

type lineCase struct{ format, in, want, rules string }

func lineCases(t *testing.T, cases map[string]lineCase) {
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			doc, diags := lineParse(lineKind(t, c.format), "f", c.in, nil)
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

func TestDialects(t *testing.T) {
	lineCases(t, map[string]lineCase{
		"ini: ; is data":             {"ini", "[rtpengine]\ninterface = a/10.0.0.1 ; b/10.0.0.2\n# c\n#x=1\n", "[rtpengine]@1:2\n  interface=a/10.0.0.1 ; b/10.0.0.2@2:1 2:13\n", ""},
		"ini: before any section":    {"ini", "a=1\n[s]\nb =\n", "a=1@1:1 1:3\n[s]@2:2\n  b=@3:1 3:4\n", ""},
		"ini: broken":                {"ini", "[s\na=1\n[ t ] x\nb\n=c\n", "[t]@3:3\n", "broken-line@1:1 ambiguous-line@3:7 broken-line@4:1 broken-line@5:1"},
		"ini: crlf, no final":        {"ini", "[s]\r\n\ta\t=\t1 2 \r\nb=3", "[s]@1:2\n  a=1 2@2:2 2:6\n  b=3@3:1 3:3\n", ""},
		"ini: section twice":         {"ini", "[s]\na=1\n[s]\na=2\n", "[s]@1:2\n  a=1@2:1 2:3\n[s]@3:2\n  a=2@4:1 4:3\n", ""},
		"ini: carriage return":       {"ini", "a=1\rb=2\n", "a=1\rb=2@1:1 1:3\n", "ambiguous-line@1:1"},
		"gnugk":                      {"gnugk", "; c\n# c\n[A::B]\n127.0.0.1=allow\nX=1:2;false;120\n", "[A::B]@3:2\n  127.0.0.1=allow@4:1 4:11\n  X=1:2;false;120@5:1 5:3\n", ""},
		"boost-ini":                  {"boost-ini", "; p=1\n[a.b]\np=8888\n", "[a.b]@2:2\n  p=8888@3:1 3:3\n", ""},
		"go-ini":                     {"go-ini", "[s]\na: 1 ; c\nb = c;d#e\n", "[s]@1:2\n  a=1@2:1 2:4\n  b=c;d#e@3:1 3:5\n", ""},
		"mysql":                      {"mysql", "[mysqld]\nport=3306#c\nskip-networking # c\nx='a # b'\n;y\np=\"C:\\\\d\\sx\\q\"\n", "[mysqld]@1:2\n  port=3306@2:1 2:6\n  skip-networking=true@3:1 3:16\n  x=a # b@4:1 4:4\n  p=C:\\d x\\q@6:1 6:4\n", ""},
		"mysql: before any group":    {"mysql", "port=1\n", "port=1@1:1 1:6\n", "broken-line@1:1"},
		"mysql: includes":            {"mysql", "[a]\n!includedir /etc/x\n!include /y\np=1\n", "[a]@1:2\n  p=1@4:1 4:3\n", "gap@2:13 gap@3:10"},
		"coturn":                     {"coturn", "listening-port=3478 # x\nno-udp\nrealm \t = \"a b\"\n#c\nmin-port 5\n", "listening-port=3478 # x@1:1 1:16\nno-udp=true@2:1 2:7\nrealm=a b@3:1 3:12\nmin-port=5@5:1 5:10\n", ""},
		"resiprocate":                {"resiprocate", " # c\nUDPPort = 5060\nX=\n", "UDPPort=5060@2:1 2:11\nX=@3:1 3:3\n", ""},
		"voipmonitor":                {"voipmonitor", "[general]\n;a=1\nmanagerport = 5029\n", "[general]@1:2\n  managerport=5029@3:1 3:15\n", ""},
		"sems":                       {"sems", "a=1#c\nb=\"x#y\"\nl=a;b\n@ /etc/x.conf\n@y.conf\n", "a=1@1:1 1:3\nb=x#y@2:1 2:4\nl=a;b@3:1 3:3\n", "gap@4:3 gap@5:2"},
		"flexisip":                   {"flexisip", "[module::A]\nt=sip:a \\\n  sip:b\n", "[module::A]@1:2\n  t=sip:a sip:b@2:1 2:3\n", ""},
		"properties":                 {"properties", "! c\na.b : 1\nc 2\nd\ne\\ f=g\\tx\\u0041\\q\nl=a,\\\n   b\nw=C:\\\\\nx=\\\n\ny=1\n", "a.b=1@2:1 2:7\nc=2@3:1 3:3\nd=@4:1 4:2\ne f=g\txAq@5:1 5:6\nl=a,b@6:1 6:3\nw=C:\\@8:1 8:3\nx=@9:1 9:3\ny=1@11:1 11:3\n", ""},
		"cuttlefish":                 {"cuttlefish", "## c\nlisteners.tcp.default = 5672 # c\na = 'x#y'\ninclude conf.d/*.conf\n", "listeners.tcp.default=5672@2:1 2:25\na=x#y@3:1 3:6\n", "gap@4:9"},
		"postgresql":                 {"postgresql", "port 5432\nlisten_addresses = 'it''s\\n#' # c\ninclude_dir 'conf.d'\ninclude_if_exists='x'\n", "port=5432@1:1 1:6\nlisten_addresses=it's\n#@2:1 2:21\n", "gap@3:14 gap@4:20"},
		"postgresql: broken":         {"postgresql", "a = 'b\nc = 'd' e\nf\n", "a='b@1:1 1:5\nc='d' e@2:1 2:5\n", "ambiguous-line@1:5 ambiguous-line@2:5 broken-line@3:1"},
		"redis":                      {"redis", "bind 127.0.0.1 -::1\nlogfile \"\"\nrequirepass \"a\\x41\\n b\" 'c d'\nx # y\ninclude /a\n", "bind=127.0.0.1 -::1@1:1 1:6 <127.0.0.1>@1:6 <-::1>@1:16\nlogfile=@2:1 2:10 <>@2:10\nrequirepass=\"a\\x41\\n b\" 'c d'@3:1 3:13 <aA\n b>@3:14 <c d>@3:26\nx=# y@4:1 4:3 <#>@4:3 <y>@4:5\n", "gap@5:9"},
		"chrony":                     {"chrony", "! port 1\n; c\n% c\nport 123\nrtcsync\nconfdir /a /b\n", "port=123@4:1 4:6 <123>@4:6\nrtcsync=@5:1 5:8\n", "gap@6:9 gap@6:12"},
		"snmpd":                      {"snmpd", " rouser x\nagentaddress udp:161,tcp:161\nincludeDir /x\n", "rouser=x@1:2 1:9 <x>@1:9\nagentaddress=udp:161,tcp:161@2:1 2:14 <udp:161,tcp:161>@2:14\n", "gap@3:12"},
		"mosquitto":                  {"mosquitto", "log_dest x\nlistener 1883 127.0.0.1\nprotocol websockets\nlistener 0 /s\n", "log_dest=x@1:1 1:10 <x>@1:10\n[listener]@2:1 1883 127.0.0.1@2:10 <1883>@2:10 <127.0.0.1>@2:15\n  protocol=websockets@3:1 3:10 <websockets>@3:10\n[listener]@4:1 0 /s@4:10 <0>@4:10 </s>@4:12\n", ""},
		"squid":                      {"squid", "http_port 3128 intercept # c\n", "http_port=3128 intercept@1:1 1:11 <3128>@1:11 <intercept>@1:16\n", ""},
		"keyword":                    {"keyword", "Port=22\nListenAddress \"::\"\nPort 23 # x\nMatch User a\n  X y\n= 3\nUsePAM\n", "Port=22@1:1 1:6 <22>@1:6\nListenAddress=::@2:1 2:16 <::>@2:16\nPort=23@3:1 3:6 <23>@3:6\n[Match]@4:1 User a@4:7 <User>@4:7 <a>@4:12\n  X=y@5:3 5:5 <y>@5:5\n  UsePAM=@7:1 7:7\n", "broken-line@6:1"},
		"keyword: open quote":        {"keyword", "A \"b c\n", "A=\"b c@1:1 1:3 <\"b>@1:3 <c>@1:6\n", "ambiguous-line@1:3"},
		"systemd":                    {"systemd", "[Socket]\nListenStream=\nListenStream=[::]:80\n# c\n; c\n[Service]\nExecStart=/bin/x \\\n# c\n  -p 1 \\\n;c\n  -q\n[Socket]\nA = b\n", "[Socket]@1:2\n  ListenStream=@2:1 2:14\n  ListenStream=[::]:80@3:1 3:14\n[Service]@6:2\n  ExecStart=/bin/x  -p 1  -q@7:1 7:11\n[Socket]@12:2\n  A=b@13:1 13:5\n", ""},
		"systemd: ends":              {"systemd", "[S]\na=b \\\n\nc=d\ne=f \\", "[S]@1:2\n  a=b@2:1 2:3\n  c=d@4:1 4:3\n  e=f@5:1 5:3\n", ""},
		"systemd: comment after end": {"systemd", "[S]\na=b \\\n\n# c\nc=d\n", "[S]@1:2\n  a=b@2:1 2:3\n  c=d@5:1 5:3\n", ""},
		"systemd: broken":            {"systemd", "a=1\n[S]\njunk\nb=\\\n", "a=1@1:1 1:3\n[S]@2:2\n  b=@4:1 4:3\n", "broken-line@1:1 broken-line@3:1"},
		"table":                      {"table", "# c\nsmtp inet n - n # c\n\n# c\n  -o a=b\n\t-o c\npickup unix\nssh 22/tcp#x\n", "smtp=inet n - n@2:1 2:6 <inet>@2:6 <n>@2:11 <->@2:13 <n>@2:15\npickup=unix@7:1 7:8 <unix>@7:8\nssh=22/tcp#x@8:1 8:5 <22/tcp#x>@8:5\n", ""},
		"postfix: options":           {"postfix", "a inet n - n - - smtpd\n  -o b=${c?d}\ne f\n", "a=inet n - n - - smtpd -o b=${c?d}@1:1 1:3 <inet>@1:3 <n>@1:8 <->@1:10 <n>@1:12 <->@1:14 <->@1:16 <smtpd>@1:18\ne=f@3:1 3:3 <f>@3:3\n", ""},
		"table: continued":           {"table", "smtp inet\n\n# c\n  -o a=b\n\t-o c\npickup unix\n", "smtp=inet -o a=b -o c@1:1 1:6 <inet>@1:6 <-o>@4:3 <a=b>@4:6 <-o>@5:2 <c>@5:5\npickup=unix@6:1 6:8 <unix>@6:8\n", ""},
		"table: begins blank":        {"table", "  a b\nc\n", "a=b@1:3 1:5 <b>@1:5\nc=@2:1 2:2\n", ""},
	})
}

// TestLineIncludes reads whole trees.
func TestLineIncludes(t *testing.T) {
	files := map[string]string{
		"etc/mysql/conf.d/a.cnf": "[mysqld]\nport=1\n", "etc/mysql/conf.d/b.cnf": "[client]\nport=2\n", "etc/mysql/conf.d/c.txt": "[mysqld]\nport=9\n",
		"etc/ssh/sshd_config.d/10.conf": "Port 1\nMatch all\n  X y\n", "etc/ssh/sshd_config.d/.x.conf": "Port 9\n",
		"etc/pg/conf.d/x.conf": "port = 7\ninclude 'y.inc'\n", "etc/pg/conf.d/y.inc": "a = 1\n",
		"etc/redis/loop.conf": "port 1\ninclude loop.conf\n",
		"etc/dd/b.conf":       "b=1\n", "etc/dd/a.bak": "a=1\n", "etc/dd/c": "c=1\n", "etc/dd/.h.conf": "h=1\n", "etc/dd/#x.conf#": "x=1\n", "etc/dd/y.conf~": "y=1\n", "etc/dd/sub/z.conf": "z=1\n",
		"etc/cd/a.conf": "a 1\n", "etc/cd/b.conf/c": "b 1\n",
		"etc/m/d/l.conf": "listener 2\n", "etc/sems/etc/p.conf": "p=1\n",
	}
	for name, c := range map[string]struct{ format, file, in, want, rules string }{
		"mysql": {"mysql", "etc/mysql/my.cnf", "[mysqld]\na=1\n!includedir /etc/mysql/conf.d\nport=3\nq=4\n",
			"[mysqld]@1:2\n  a=1@2:1 2:3\n[mysqld]@etc/mysql/conf.d/a.cnf:1:2\n  port=1@etc/mysql/conf.d/a.cnf:2:1 etc/mysql/conf.d/a.cnf:2:6\n" +
				"[client]@etc/mysql/conf.d/b.cnf:1:2\n  port=2@etc/mysql/conf.d/b.cnf:2:1 etc/mysql/conf.d/b.cnf:2:6\n[mysqld]@1:2\n  port=3@4:1 4:6\n  q=4@5:1 5:3\n", ""},
		"mysql: not there": {"mysql", "etc/mysql/my.cnf", "!includedir /none\n!include x.cnf\n", "", "unreadable-file@1:13 unreadable-file@2:10 gap@1:13 gap@2:10"},
		"sshd": {"keyword", "etc/ssh/sshd_config", "Include sshd_config.d/*.conf \"/none\"\nPort 2\n",
			"Port=1@etc/ssh/sshd_config.d/10.conf:1:1 etc/ssh/sshd_config.d/10.conf:1:6 <1>@etc/ssh/sshd_config.d/10.conf:1:6\n" +
				"[Match]@etc/ssh/sshd_config.d/10.conf:2:1 all@etc/ssh/sshd_config.d/10.conf:2:7 <all>@etc/ssh/sshd_config.d/10.conf:2:7\n" +
				"  X=y@etc/ssh/sshd_config.d/10.conf:3:3 etc/ssh/sshd_config.d/10.conf:3:5 <y>@etc/ssh/sshd_config.d/10.conf:3:5\nPort=2@2:1 2:6 <2>@2:6\n", ""},
		"postgresql": {"postgresql", "etc/pg/postgresql.conf", "include_dir = 'conf.d'\ninclude_if_exists 'none'\ninclude none\nport = 8\n",
			"port=7@etc/pg/conf.d/x.conf:1:1 etc/pg/conf.d/x.conf:1:8\na=1@etc/pg/conf.d/y.inc:1:1 etc/pg/conf.d/y.inc:1:5\nport=8@4:1 4:8\n", "unreadable-file@3:9 gap@3:9"},
		"a cycle": {"redis", "etc/redis/redis.conf", "include loop.conf\n",
			"port=1@etc/redis/loop.conf:1:1 etc/redis/loop.conf:1:6 <1>@etc/redis/loop.conf:1:6\n", "unreadable-file@etc/redis/loop.conf:2:9 gap@etc/redis/loop.conf:2:9"},
		"itself": {"redis", "etc/redis/loop.conf", "include loop.conf\n", "", "unreadable-file@1:9 gap@1:9"},
		"mosquitto": {"mosquitto", "etc/m/m.conf", "listener 1\ninclude_dir /etc/m/d\na b\n",
			"[listener]@1:1 1@1:10 <1>@1:10\n  a=b@3:1 3:3 <b>@3:3\n[listener]@etc/m/d/l.conf:1:1 2@etc/m/d/l.conf:1:10 <2>@etc/m/d/l.conf:1:10\n", ""},
		"keyword: a section of a file that another includes": {"keyword", "etc/ssh/sshd_config", "Match all\nInclude sshd_config.d/*.conf\nq r\n",
			"[Match]@1:1 all@1:7 <all>@1:7\n  Port=1@etc/ssh/sshd_config.d/10.conf:1:1 etc/ssh/sshd_config.d/10.conf:1:6 <1>@etc/ssh/sshd_config.d/10.conf:1:6\n  q=r@3:1 3:3 <r>@3:3\n" +
				"[Match]@etc/ssh/sshd_config.d/10.conf:2:1 all@etc/ssh/sshd_config.d/10.conf:2:7 <all>@etc/ssh/sshd_config.d/10.conf:2:7\n  X=y@etc/ssh/sshd_config.d/10.conf:3:3 etc/ssh/sshd_config.d/10.conf:3:5 <y>@etc/ssh/sshd_config.d/10.conf:3:5\n", ""},
		"dnsmasq: a folder": {"dnsmasq", "etc/dnsmasq.conf", "conf-dir=/etc/dd\n", "a=1@etc/dd/a.bak:1:1 etc/dd/a.bak:1:3 <1>@etc/dd/a.bak:1:3\n" +
			"b=1@etc/dd/b.conf:1:1 etc/dd/b.conf:1:3 <1>@etc/dd/b.conf:1:3\nc=1@etc/dd/c:1:1 etc/dd/c:1:3 <1>@etc/dd/c:1:3\n", ""},
		"dnsmasq: one ending":              {"dnsmasq", "etc/dnsmasq.conf", "conf-dir=/etc/dd/, *.conf\n", "b=1@etc/dd/b.conf:1:1 etc/dd/b.conf:1:3 <1>@etc/dd/b.conf:1:3\n", ""},
		"dnsmasq: no such endings":         {"dnsmasq", "etc/dnsmasq.conf", "conf-dir=etc/dd,.bak,.conf\n", "c=1@etc/dd/c:1:1 etc/dd/c:1:3 <1>@etc/dd/c:1:3\n", ""},
		"dnsmasq: both":                    {"dnsmasq", "etc/dnsmasq.conf", "conf-dir=/etc/dd,*.conf,.conf,*.bak,\n", "a=1@etc/dd/a.bak:1:1 etc/dd/a.bak:1:3 <1>@etc/dd/a.bak:1:3\n", ""},
		"dnsmasq: not there":               {"dnsmasq", "etc/dnsmasq.conf", "conf-dir=/none,*.conf\nconf-file=/none\n", "", "unreadable-file@1:10 unreadable-file@2:11 gap@1:10 gap@2:11"},
		"chrony: a folder among the files": {"chrony", "etc/chrony.conf", "confdir /etc/cd\n", "a=1@etc/cd/a.conf:1:1 etc/cd/a.conf:1:3 <1>@etc/cd/a.conf:1:3\n", ""},
		"chrony: no folder":                {"chrony", "etc/chrony.conf", "confdir /none\ninclude /etc/*.none\ninclude /none\n", "", "unreadable-file@3:9 gap@3:9"},
	} {
		t.Run(name, func(t *testing.T) {
			doc, diags := lineParse(lineKind(t, c.format), c.file, c.in, lineTree(files))
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

// TestLineBombs gives inputs that grow, nest or repeat, and holds time and memory.
func TestLineBombs(t *testing.T) {
	const size = 1 << 17
	wide := map[string]string{}
	for i := range 20 {
		wide[fmt.Sprintf("etc/%d.conf", i)] = strings.Repeat("include *.conf\n#include *.conf\na = 1\n", 20)
	}
	tree := lineTree(wide)
	texts := map[string]string{
		"includes": strings.Repeat("include /etc/*.conf\n#include /etc/*.conf\n", 1000), "continued": strings.Repeat("a=b \\\n", size/6), "one continued": strings.Repeat("\\\n", size/2),
		"quotes": strings.Repeat("a \"b\\\"\n", size/7), "quotes in a line": "a=" + strings.Repeat(`'\'"\"`, size/6), "quotes and blanks": "a " + strings.Repeat(`'x "y `, size/6),
		"long value": "a=" + strings.Repeat("x", size), "words": "a " + strings.Repeat("x ", size/2), "blanks": "a" + strings.Repeat(" ", size) + "b", "rows": strings.Repeat(" x\n", size/3),
		"block comments": strings.Repeat(";--", size/3), "closed comments": strings.Repeat(";--\n--;", size/7), "templates": "[a]\nx=1\n" + strings.Repeat("[a](+,a,a)\n", 1000),
		"inherit": "[a](!)\nx=1\n" + strings.Repeat("[b](a,a,a)\n[a](+,b,b,b)\n", 1000), "variables": "A=xxxxxxxxxxxxxxxx\n" + strings.Repeat("A=$A$A\n", 100), "adding": strings.Repeat("A+=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n", size/50),
		"variables in one": "A=" + strings.Repeat("x", 9999) + "\nB=" + strings.Repeat("$A", 9999), "open braces": "A=" + strings.Repeat("${", size/2), "nul": strings.Repeat("\x00=\x00\n", size/4),
		"open sections": strings.Repeat("[\n", size/2), "same section": strings.Repeat("[s](+)\na+=1\n", size/12), "escapes": `a="` + strings.Repeat(`\`, size), "dollars": strings.Repeat("A=\"$\n", size/5),
	}
	for _, kind := range []string{"ini", "mysql", "postgresql", "properties", "sems", "redis", "keyword", "systemd", "table", "asterisk", "env"} {
		parse := lineKind(t, kind)
		for name, text := range texts {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			doc, diags := lineParse(parse, "etc/main.conf", text, tree)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if nodes := lineCheck(t, doc, diags); nodes > MaxNodes {
				t.Errorf("%s: %s: %d nodes", kind, name, nodes)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 64*size+MaxNodes*1500 {
				t.Errorf("%s: %s: %d MB allocated for 128 KB", kind, name, got>>20)
			}
			if took > 2*time.Second {
				t.Errorf("%s: %s took %v", kind, name, took)
			}
		}
	}
}

// TestLineComments is the property that comments and empty lines change no value.
func TestLineComments(t *testing.T) {
	marks := map[string]string{"properties": "!", "chrony": "%", "gnugk": ";", "boost-ini": ";", "asterisk": ";"}
	for _, kind := range lineKinds() {
		mark := marks[kind.Name]
		if mark == "" {
			mark = "#"
		}
		t.Run(kind.Name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				var with, without strings.Builder
				for range rapid.IntRange(0, 12).Draw(t, "lines") {
					line := rapid.SampledFrom([]string{"[A]", "[B]", "[A](+)", "k = 1", "k=2", "port = default", "k=\"v\"", "list = a,b", "junk", "a b c", "Match x"}).Draw(t, "line")
					with.WriteString(rapid.SampledFrom([]string{"", "\n", " \t\n", mark + " x\n", "  " + mark + "* k = 9\n\n"}).Draw(t, "between"))
					with.WriteString(line + rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end"))
					without.WriteString(line + "\n")
				}
				a, _ := lineParse(kind.parse, "f", with.String(), nil)
				b, _ := lineParse(kind.parse, "f", without.String(), nil)
				if x, y := values(a.Root), values(b.Root); x != y {
					t.Fatalf("with comments\n%s\nwithout\n%s", x, y)
				}
			})
		})
	}
}

// lineCorpus is the folder of real files, "" where there is none.
func lineCorpus() string {
	for _, dir := range []string{os.Getenv("PORTOLAN_CORPUS"), filepath.Join("..", "..", "..", "shared", "corpus")} {
		if _, err := os.Stat(filepath.Join(dir, "SOURCES.md")); dir != "" && err == nil {
			return dir
		}
	}
	return ""
}

// lineSamples are the real files of each format, as patterns below the corpus.
var lineSamples = map[string][]string{
	"ini":         {"rtpengine/*.conf", "rtpengine/*/*.conf"},
	"gnugk":       {"gnugk/*.ini"},
	"boost-ini":   {"kurento/*.ini"},
	"go-ini":      {"nextcloud-signaling/*"},
	"mysql":       {"mysql/*", "mariadb/*"},
	"coturn":      {"coturn/*.conf", "coturn/*/*.conf"},
	"resiprocate": {"resiprocate/*"},
	"voipmonitor": {"voipmonitor/*"},
	"sems":        {"sems/*"},
	"properties":  {"kafka/*", "jigasi/*"},
	"cuttlefish":  {"rabbitmq/*"},
	"postgresql":  {"postgresql/*"},
	"redis":       {"redis/*"},
	"chrony":      {"chrony/*"},
	"snmpd":       {"snmpd/*"},
	"mosquitto":   {"mosquitto/*.conf", "mosquitto/*/*.conf"},
	"keyword":     {"sshd/*", "tinyproxy/*", "n2n/*", "baresip/*"},
	"systemd":     {"systemd-socket/*", "*/*.service"},
	"table":       {"etc-services/*", "postfix/*"},
	"env":         {"memcached/*.sysconfig", "jitsi-docker/env.example"},
	"asterisk":    {"asterisk/*", "asterisk-*/*"},
}

// lineEmpty are the real files without any setting: all of it is comments, or includes.
var lineEmpty = map[string]string{
	"mosquitto/mosquitto.conf":          "comments",
	"rabbitmq/rabbitmq.conf.example":    "comments",
	"postgresql/postgresql.conf.sample": "comments",
	"coturn/turnserver.conf":            "comments",
	"asterisk/pjsip.conf.sample":        "comments",
	"asterisk-freepbx/http.conf":        "includes",
	"asterisk-freepbx/rtp.conf":         "includes",
}

// lineFindings are the findings that real files get, each for a reason.
var lineFindings = map[string]string{}

func TestLineCorpus(t *testing.T) {
	dir := lineCorpus()
	if dir == "" {
		t.Skip("the corpus of real files is not here: set PORTOLAN_CORPUS to its folder")
	}
	for format, patterns := range lineSamples {
		for _, pattern := range patterns {
			files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
			if err != nil || len(files) == 0 {
				t.Errorf("%s: no file for %s: %v", format, pattern, err)
			}
			for _, file := range files {
				name, _ := filepath.Rel(dir, file)
				name = filepath.ToSlash(name)
				raw, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				doc, diags := lineParse(lineKind(t, format), name, string(raw), nil)
				nodes := lineCheck(t, doc, diags)
				if why := lineEmpty[name]; (why != "") != (nodes == 0) || (why == "includes") != (nodes == 0 && len(doc.Gaps) > 0) {
					t.Errorf("%s as %s: %d nodes, %d gaps, want %s", name, format, nodes, len(doc.Gaps), why)
				}
				doc.Gaps = nil // nothing beside the file can be read
				if got, want := lineRules(doc, diags), lineFindings[name]; got != want {
					t.Errorf("%s as %s: %s, want %q", name, format, got, want)
				}
			}
		}
	}
}

func FuzzLines(f *testing.F) {
	for i := range lineKinds() {
		f.Add(uint8(i), []byte("[S]\n=\nk='x' \"\\\"\\u12\\x4\nb \\\n # c\n include x*\n!includedir /x\n@ y\nListener \"\n"))
		f.Add(uint8(i), []byte("[a](!,b)\n[b](+)\nx += 1;-- \n --; y => 2\n#include \"x.conf\"\n#exec <y>\n\\[a=b\\;c\n"))
		f.Add(uint8(i), []byte("export A=\"x $B ${A} \\\n\"'y'z \\\nB+=$A$A # c\n. /x\nC = ${A:-5}\n"))
	}
	if dir := lineCorpus(); dir != "" {
		for i, kind := range lineKinds() {
			for _, pattern := range lineSamples[kind.Name] {
				files, _ := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
				for _, file := range files {
					if raw, err := os.ReadFile(file); err == nil && len(raw) < 20_000 {
						f.Add(uint8(i), raw)
					}
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, raw []byte) {
		parse := lineKinds()[int(kind)%len(lineKinds())].parse
		tree := lineTree(map[string]string{"x": string(raw), "x.conf": string(raw), "etc/x.conf": string(raw), "x/a.cnf": string(raw), "x/a.conf": string(raw)})
		for _, tree := range []*source.Tree{nil, tree} {
			doc, diags := lineParse(parse, "f.conf", string(raw), tree)
			lineCheck(t, doc, diags)
			again, _ := lineParse(parse, "f.conf", string(raw), tree)
			if values(again.Root) != values(doc.Root) {
				t.Fatal("reading twice differs")
			}
		}
	})
}
