package verify

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"portolan/internal/source"
)

// trick is a change of a text of ours that a loader takes and reads as something that the
// words do not seem to say.
type trick struct{ old, new, words string }

// tricked holds that a reader refuses each trick.
func tricked(t *testing.T, backend, name string, texts []string, change int, tricks []trick) {
	t.Helper()
	files := func(change int, text string) []*source.File {
		var out []*source.File
		for i, one := range texts {
			if i == change {
				one = text
			}
			out = append(out, source.New(fmt.Sprintf("%s.%d", name, i), []byte(one)))
		}
		return out
	}
	if _, err := Read(backend, files(-1, "")); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, c := range tricks {
		text := strings.Replace(texts[change], c.old, c.new, 1)
		if text == texts[change] {
			t.Fatalf("%s: %q is not in the text", name, c.old)
		}
		rs, err := Read(backend, files(change, text))
		if err == nil || rs != nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %.200q for %q: %.300v, want words about %q", name, c.new, c.old, err, c.words)
		}
		if err != nil && len(err.Error()) > 2000 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
}

// nftListed is what nft lists, with the table of somebody else.
const nftListed = `table inet other {
	chain x {
		type filter hook input priority filter; policy accept;
		tcp dport 22 counter packets 0 bytes 0 accept comment "ü"
	}
}
table inet portolan {
	set src_a_v4 {
		type ipv4_addr
		flags interval
		elements = { 10.0.0.0/8 }
	}

	set limit_ssh_10m_5_v4 {
		type ipv4_addr
		size 65535
		flags dynamic,timeout
		timeout 1m
	}

	map tcp_services {
		type inet_service : verdict
		flags interval
		elements = { 22 comment "a" : accept }
	}

	chain input {
		type filter hook input priority filter - 10; policy drop;
		iifname "lo" counter packets 0 bytes 0 accept comment "loopback"
		ip saddr @src_a_v4 tcp dport 80 counter packets 0 bytes 0 accept comment "a"
		ip saddr 10.0.0.0/8 tcp dport 22 update @limit_ssh_10m_5_v4 { ip saddr limit rate 10/minute burst 5 packets } counter packets 0 bytes 0 accept comment "b"
		tcp dport vmap @tcp_services
		counter packets 0 bytes 0 drop comment "end"
	}
}
`

func TestNftablesTricks(t *testing.T) {
	const end = `counter packets 0 bytes 0 drop comment "end"`
	tricked(t, "nftables", "nft", []string{nftListed}, 0, []trick{
		// Elements that are read before it is known what they are.
		{"\t\tflags interval\n\t\telements = { 10.0.0.0/8 }\n", "\t\telements = { 10.0.0.0/8 }\n\t\tflags interval\n", "before the elements"},
		{"\t\tflags interval\n\t\telements = { 10.0.0.0/8 }\n", "\t\telements = { 0.0.0.0/0 }; flags interval; type ipv4_addr\n", "before the elements"},
		{"\t\ttype inet_service : verdict\n\t\tflags interval\n", "\t\ttype inet_service : verdict; type inet_service : verdict\n\t\tflags interval\n", "twice"},
		{"\t\telements = { 22 comment \"a\" : accept }\n", "\t\telements = { 22 comment \"a\" : accept }\n\t\tcounter\n", "before the elements"},
		{"\t\telements = { 10.0.0.0/8 }\n", "\t\telements = { 10.0.0.0/8 }\n\t\telements = { 0.0.0.0/1 }\n", "twice"},
		{"\t\tflags interval\n", "\t\tflags interval\n\t\tauto-merge\n", "a line of a set"},
		{"10.0.0.0/8 }", "10.0.0.0/8 timeout 1s }", "a comma or a brace"},
		{"size 65535", "size 1", "counts to this rate"},
		{"timeout 1m", "timeout 1s", "counts to this rate"},
		// What is a string, a comment or a line to nft and not to us.
		{"chain x {\n", "chain x {\n\t\tlog prefix \"\n}\n}\ntable inet portolan { }\n\" accept\n", "not closed"},
		{"comment \"ü\"", "comment \"ü", "not closed"},
		{"comment \"end\"", "comment \"end\n\" accept", "not closed"},
		{"table inet other {\n", "# \x00\ntable inet other {\n", "zero byte"},
		{end, "tcp dport 23 accept \\\n" + end, "not understood here"},
		{end, "tcp dport 23 \\\naccept\n" + end, "not understood here"},
		{end, "tcp dport 2\r3 accept\n" + end, "a part of a rule"},
		{end, "tcp dport 23 accept # " + end + "\r\n\t\ttcp dport 24 accept \r\n" + end, "must stand here"},
		// What is about the whole text, in the table of somebody else.
		{"chain x {\n", "include \"/tmp/x\"\n\tchain x {\n", "change what the whole text says"},
		{"chain x {\n", "chain x {\n\t\tinclude \"/tmp/x\"\n", "change what the whole text says"},
		{"chain x {\n", "redefine drop = accept\n\tchain x {\n", "change what the whole text says"},
		{"table inet other {", "include \"/tmp/x\"\ntable inet other {", "not a command that we write"},
		{"table inet other {", "define a = 1\ntable inet other {", "not a command that we write"},
		// A table of ours that is there twice, or goes away.
		{"table inet other {", "table inet portolan {", "not a base chain"},
		{"table inet other {", "table inet portolan {\n}\ntable inet other {", "not ours"},
		{"table inet other {", "table inet \"portolan\" {", "not ours"},
		{"table inet portolan {\n", "table inet portolan {\n\tflags dormant\n", "is not a set, map, limit or chain"},
		{"table inet portolan {\n", "table inet portolan {\n\tflags dormant;\n", "is not a set, map, limit or chain"},
		{"\t\tcounter packets 0 bytes 0 drop comment \"end\"\n\t}\n}\n", "\t}\n}\ndelete table inet portolan\n", "not ours"},
		{"\t\tcounter packets 0 bytes 0 drop comment \"end\"\n\t}\n}\n", "\t}\n}\ninsert rule inet portolan input accept\n", "not ours"},
		{"\t\tcounter packets 0 bytes 0 drop comment \"end\"\n\t}\n}\n", "\t}\n}\nadd rule inet portolan input accept\n", "not ours"},
		{"\t\tcounter packets 0 bytes 0 drop comment \"end\"\n\t}\n}\n", "\t}\n}\nflush ruleset\n", "not ours"},
		// Values.
		{"tcp dport 80", "tcp dport 0x50", "not understood"},
		{"tcp dport 80", "tcp dport 0120", "not understood"},
		{"tcp dport 80", "tcp dport http", "not understood"},
		{"tcp dport 80", "tcp dport \"80\"", "a value must stand here"},
		{"tcp dport 80", "tcp dport $x", "not understood"},
		{"tcp dport 80", "tcp dport != 80", "not understood"},
		{"tcp dport 80", "tcp dport > 80", "not understood"},
		{"tcp dport 80", "tcp dport ٨٠", "a value must stand here"},
		{"tcp dport 80", "tcp dport 80 - \"90\"", "not understood"},
		{"tcp dport 80", "tcp dport & 0 == 0", "not understood"},
		{"tcp dport 80", "tcp flags syn", "not understood"},
		{"tcp dport 80", "th dport 80", "not understood"},
		{"tcp dport 80", "@th,16,16 80", "not understood"},
		{"ip saddr @src_a_v4", "ip saddr \"@src_a_v4\"", "a value must stand here"},
		{"ip saddr @src_a_v4", "ip saddr 10.1", "not understood"},
		{"ip saddr @src_a_v4", "ip saddr 012.0.0.1", "not understood"},
		{"ip saddr @src_a_v4", "ip saddr localhost", "not understood"},
		{"ip saddr @src_a_v4", "ip saddr & 0 == 0", "not understood"},
		{"ip saddr @src_a_v4", "ip6 saddr ::ffff:10.0.0.1", "not understood"},
		{"ip saddr @src_a_v4", "ip saddr . tcp dport @src_a_v4", "not understood"},
		{"iifname \"lo\"", "iifname lo*", "in quotes"},
		{"iifname \"lo\"", "iifname \"lo*\"", "not understood"},
		{"iifname \"lo\"", "iifname != \"lo\"", "in quotes"},
		{"iifname \"lo\"", "iifname !=", "in quotes"},
		{"iifname \"lo\"", "iifname a - b", "in quotes"},
		{"iifname \"lo\"", "iifname $x", "in quotes"},
		{"iifname \"lo\"", "iif lo", "not understood"},
		{"iifname \"lo\"", "iifname \"lo\" meta mark set 1", "not understood"},
		// Verdicts and what is beside them.
		{end, "return\n" + end, "not understood"},
		{end, "goto x\n" + end, "not understood"},
		{end, "continue\n" + end, "not understood"},
		{end, "queue num 1\n" + end, "not understood"},
		{end, "meta nftrace set 1\n" + end, "not understood"},
		{end, "ct state set invalid accept\n" + end, "not understood"},
		{end, "limit rate over 1/second accept\n" + end, "a rate such as"},
		{end, "limit rate 1 mbytes/second accept\n" + end, "a rate such as"},
		{end, "ct count over 5 accept\n" + end, "a number of connections"},
		{"limit rate 10/minute burst 5 packets", "limit rate over 10/minute burst 5 packets", "a rate such as"},
		{"limit rate 10/minute burst 5 packets", "limit rate 10/minute burst 5 bytes", "packets must stand here"},
		{"update @limit", "delete @limit", "not understood"},
		{"chain input {", "chain input { type filter hook input priority -9; policy accept; }\n\tchain input {", "not a base chain"},
		{"policy drop;", "policy drop; policy accept;", "policy"},
		{"hook input priority filter - 10", "hook input device \"eth0\" priority filter - 10", "priority must stand here"},
		{"hook input priority filter - 10", "hook forward priority filter - 10", "base chain"},
	})
}

const nftJSONText = `{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "x", "json_schema_version": 1}},
{"table": {"family": "inet", "name": "portolan", "handle": 1}},
{"chain": {"family": "inet", "table": "portolan", "name": "input", "handle": 1, "type": "filter", "hook": "input", "prio": -10, "policy": "drop"}},
{"rule": {"family": "inet", "table": "portolan", "chain": "input", "handle": 2, "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}, {"accept": null}]}}]}
`

func TestNftablesJSONTricks(t *testing.T) {
	const rule = `{"rule": {"family": "inet", "table": "portolan", "chain": "input", "expr": [{"accept": null}]}}`
	behind := func(s string) trick { return trick{`{"accept": null}]}}`, `{"accept": null}]}},` + s, "not an object"} }
	tricked(t, "nftables", "json", []string{nftJSONText}, 0, []trick{
		behind(`{"add": ` + rule + `}`), behind(`{"insert": ` + rule + `}`), behind(`{"replace": ` + rule + `}`), behind(`{"create": ` + rule + `}`),
		behind(`{"flush": {"ruleset": null}}`), behind(`{"delete": {"table": {"family": "inet", "name": "portolan"}}}`), behind(`{"reset": ` + rule + `}`),
		behind(`{"Rule": {"family": "inet", "table": "portolan", "chain": "input", "expr": [{"accept": null}]}}`),
		behind(`{"rule": {"table": "portolan", "chain": "input", "expr": [{"accept": null}]}, "x": 1}`),
		behind(`{}`), behind(`{"rule": null}`), behind(`{"rule": [{"family": "inet"}]}`), behind(`{"rule": {"family": ["inet"], "table": "portolan"}}`),
		{`"right": 22`, `"right": 23, "right": 22`, "twice"},
		{`"right": 22`, `"\u0072ight": 23, "right": 22`, "twice"},
		{`"policy": "drop"`, `"policy": "drop", "flags": "x"`, "not understood"},
		{`"right": 22`, `"right": 22.0`, "not understood"},
		{`"right": 22`, `"right": 2.2e1`, "not understood"},
		{`"right": 22`, `"right": 18446744073709551638`, "not understood"},
		{`"right": 22`, `"right": -65514`, "not understood"},
		{`"right": 22`, `"right": "22-65535 "`, "not understood"},
		{`"right": 22`, `"right": {"set": [[22, 23]]}`, "not a value"},
		{`"right": 22`, `"right": ` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), "more than"},
		{`"op": "=="`, `"op": "!="`, "not a comparison"},
		{`"op": "=="`, `"op": "in"`, "not a comparison"},
		{`"prio": -10`, `"prio": -9`, "not a base chain"},
		{`{"accept": null}]`, `{"accept": null, "drop": null}]`, "not understood"},
		{`{"accept": null}]`, `{"accept": null}, {"drop": null}]`, "behind another"},
		{`{"accept": null}]`, `{"goto": {"target": "x"}}]`, "not understood"},
		{`{"accept": null}]`, `{"return": null}]`, "not understood"},
		{"}]}}]}\n", "}]}}]}{}\n", "not what nft"},
		{"}]}}]}\n", "}]}}], \"x\": 1}\n", "not what nft"},
		{`{"table": {"family"`, `{"rule": {"family": "inet", "table": "portolan", "chain": "input", "expr": [{"accept": null}], "index": 0}}, {"table": {"family"`, "not understood"},
	})
}

// padded is text of so many bytes that what stands behind it is a new line for a loader
// with a buffer of the given size.
func padded(begin string, buffer int, behind string) string {
	return begin + strings.Repeat(" ", buffer-1-len(begin)) + behind
}

func TestIptablesTricks(t *testing.T) {
	const rule = "-A PL-IN -j ACCEPT\n"
	last := v4Text[strings.LastIndex(v4Text[:strings.Index(v4Text, "COMMIT\n")], "-A PL-IN"):]
	last = last[:strings.Index(last, "\n")+1]
	before := func(s, words string) trick { return trick{last, s + last, words} }
	tricked(t, "iptables", "rules", []string{v4Text, v6Text}, 0, []trick{
		// iptables-restore reads 10240 bytes and takes the rest for a new line.
		before(padded("#", 10240, rule), "for a new one"),
		{"*filter\n", padded("# x", 10240, "*nat\n") + "*filter\n", "for a new one"},
		before(padded("-A PL-IN -p udp -j ACCEPT", 10240, rule), "for a new one"),
		before("# \x00\n", "zero byte"),
		before("-A PL-IN -p udp -j ACCEPT\x00-j DROP\n", "zero byte"),
		before("\x00\n", "zero byte"),
		// Other commands, other tables.
		before("-I PL-IN -j ACCEPT\n", "not a line"), before("-D PL-IN 1\n", "not a line"), before("-F PL-IN\n", "not a line"), before("-N PL-X\n", "not a line"),
		before("-P INPUT ACCEPT\n", "not a line"), before("-X\n", "not a line"), before("-Z\n", "not a line"), before("-R PL-IN 1 -j ACCEPT\n", "not a line"),
		before("--append PL-IN -j ACCEPT\n", "not a line"), before("-A INPUT -j ACCEPT\n", "not declared"), before("-t nat -A PL-IN -j ACCEPT\n", "not a line"),
		before(":INPUT ACCEPT [0:0]\n", "no rule"), before(":PL-IN - [0:0]\n", "declared twice"), before("-A PL-IN -t nat -j ACCEPT\n", "not understood"),
		before("*filter\n", "not a line"), before("COMMIT\n*filter\n"+rule, "a second table"), before("COMMIT\n*nat\n", "not a line"), before("COMMIT \n", "not a line"),
		{"COMMIT\n", "COMMIT\n*mangle\n-A INPUT -j ACCEPT\nCOMMIT\n", "not a line"},
		// Words that are joined or cut elsewhere.
		before("-A PL\"-IN\" -j ACCEPT\n", "not declared"), before("-A \"\"PL-IN -j ACCEPT\n", "not declared"), before("-A\"\" PL-IN -j ACCEPT\n", "not a line"),
		before("-A PL-IN -p t\"cp\" -j ACCEPT\n", "not understood"), before("-A PL-IN -m comment --comment \"a\"b -j ACCEPT\n", "not understood"),

		before("-A PL-IN -m comment --comment 'a -j DROP' -j ACCEPT\n", "not understood"), before("-A PL-IN -m comment --comment \"a -j ACCEPT\n", "not understood"),
		before("-A PL-IN -p\u00a0tcp -j ACCEPT\n", "not printable"), before("-A PL-IN -j ACCEPT\r\n", "carriage return"),
		before("-A PL-IN -m comment --comment x --comment y -j ACCEPT\n", "not understood"), before("-A PL-IN -j ACCEPT -m comment --comment x\n", "behind the target"),
		// Values.
		before("-A PL-IN -p tcp -m tcp --dpor 22 -j ACCEPT\n", "not understood"), before("-A PL-IN -p tcp --dport 22 -j ACCEPT\n", "not understood"),
		before("-A PL-IN -p tcp -m tcp ! --dport 22 -j ACCEPT\n", "not understood"), before("-A PL-IN -p tcp -m tcp --dport ! 22 -j ACCEPT\n", "not understood"),
		before("-A PL-IN -p tcp -m tcp --dport 0x16 -j ACCEPT\n", "not understood"), before("-A PL-IN -p tcp -m tcp --dport 026 -j ACCEPT\n", "not understood"),
		before("-A PL-IN -p tcp -m tcp --dport -1 -j ACCEPT\n", "not understood"), before("-A PL-IN -p tcp -m tcp --dport 22: -j ACCEPT\n", "not understood"),
		before("-A PL-IN -p tcp -m tcp --dport ssh -j ACCEPT\n", "not understood"), before("-A PL-IN -p tcp -m tcp --dport 65558 -j ACCEPT\n", "not understood"),
		before("-A PL-IN ! -s 10.0.0.0/8 -j ACCEPT\n", "not understood"), before("-A PL-IN -s 10.0.0.0/8 -s 11.0.0.0/8 -j ACCEPT\n", "not understood"),
		before("-A PL-IN -s 10.0.0.0/8,11.0.0.0/8 -j ACCEPT\n", "not understood"), before("-A PL-IN -s 10.0.0.0/255.0.255.0 -j ACCEPT\n", "not understood"),
		before("-A PL-IN -s 10.0.0.1/8 -j ACCEPT\n", "not understood"), before("-A PL-IN -i eth+ -j ACCEPT\n", "not understood"), before("-A PL-IN -p all -j ACCEPT\n", "not understood"),
		before("-A PL-IN -p 0 -j ACCEPT\n", "not understood"), before("-A PL-IN -f -j ACCEPT\n", "not understood"), before("-A PL-IN -p tcp -g PL-OUT\n", "not understood"),
		before("-A PL-IN -j RETURN\n", "not understood"), before("-A PL-IN -j PL-IN\n", "not understood"), before("-A PL-IN --jump ACCEPT\n", "not understood"), before("-A PL-IN\n", "no target"),
		before("-A PL-IN --set-counters 1 1 -j ACCEPT\n", "not understood"), before("-A PL-IN -c 1 x -j ACCEPT\n", "not understood"),
		before("-A PL-IN -m mark --mark 1 -j ACCEPT\n", "not understood"), before("-A PL-IN -m conntrack --ctstate NEW --ctorigdstport 22 -j ACCEPT\n", "not understood"),
	})
	// What a host lists: rules of others are skipped, but only those.
	listed := []string{host(v4Text, "iptables-save", hookIn, hookOut), host(v6Text, "ip6tables-save", hookIn, hookOut)}
	tricked(t, "iptables", "host", listed, 0, []trick{
		{"-A f2b-sshd -j RETURN\n", "-A PL\"-IN\" -p tcp -j ACCEPT\n", "not declared"},
		{"-A f2b-sshd -j RETURN\n", "-A \"PL-IN\" -j ACCEPT -j DROP\n", "behind the target"},
		{"-A f2b-sshd -j RETURN\n", padded("-A f2b-sshd -j RETURN", 10240, rule), "for a new one"},
		{"-A PREROUTING -j DNAT --to-destination x\n", padded("-A PREROUTING -j DNAT", 10240, "*filter\n"+rule), "for a new one"},
		{"-A f2b-sshd -j RETURN\n", "-I PL-IN -j ACCEPT\n", "not a line"},
		{"-A f2b-sshd -j RETURN\n", "-D PL-IN 1\n", "not a line"},
		{hookIn, "-A INPUT -p tcp -j PL-IN\n", "no rule"},
		{hookIn, "-A INPUT -m comment --comment \"-j PL-IN\" -j ACCEPT\n", "no rule"},
		{hookIn, "-A INPUT -g PL-IN\n", "no rule"},
		{hookIn, "-A INPUT ! -i lo -j PL-IN\n", "no rule"},
	})
}

func TestIpsetTricks(t *testing.T) {
	v4 := "# ==== rules.v4 ====\n*filter\n:PL-IN - [0:0]\n:PL-OUT - [0:0]\n-A PL-IN -p tcp -m set --match-set pl-0123456789abcdef0123-4 src -j ACCEPT\nCOMMIT\n*raw\n:PL-RAW-IN - [0:0]\n:PL-RAW-OUT - [0:0]\nCOMMIT\n"
	v6 := "# ==== rules.v6 ====\n*filter\n:PL-IN - [0:0]\n:PL-OUT - [0:0]\nCOMMIT\n*raw\n:PL-RAW-IN - [0:0]\n:PL-RAW-OUT - [0:0]\nCOMMIT\n"
	const last = "add pl-0123456789abcdef0123-4 10.0.0.0/8\n"
	sets := "# ==== rules.ipset ====\ncreate other hash:ip\nadd other 1.1.1.1\ncreate pl-0123456789abcdef0123-4 hash:net family inet hashsize 64 maxelem 1024\n" + last
	behind := func(s, words string) trick { return trick{last, last + s, words} }
	tricked(t, "iptables", "sets", []string{v4 + v6 + sets}, 0, []trick{
		behind("add \"pl-0123456789abcdef0123-4\" 0.0.0.0/1\n", "not created"),
		behind("add pl-0123456789abcdef0123\"-4\" 0.0.0.0/1\n", "not created"),
		behind("add p\"l-0123456789abcdef0123-4\" 0.0.0.0/1\n", "not created"),
		behind("add -exist pl-0123456789abcdef0123-4 0.0.0.0/1\n", "not a line of a set"),
		behind("add -! pl-0123456789abcdef0123-4 0.0.0.0/1\n", "not a line of a set"),
		behind("-exist add pl-0123456789abcdef0123-4 0.0.0.0/1\n", "not a line of a set"),
		behind(padded("#", 1024, "add pl-0123456789abcdef0123-4 0.0.0.0/1\n"), "for a new one"),
		behind(padded("add other 1.1.1.2", 1024, "add pl-0123456789abcdef0123-4 0.0.0.0/1\n"), "for a new one"),
		behind("# \x00\n", "zero byte"),
		behind("del pl-0123456789abcdef0123-4 10.0.0.0/8\n", "not a line"), behind("flush\n", "not a line"), behind("swap pl-0123456789abcdef0123-4 other\n", "not a line"),
		behind("rename other x\n", "not a line"), behind("destroy pl-0123456789abcdef0123-4\n", "not a line"), behind("-A pl-0123456789abcdef0123-4 0.0.0.0/1\n", "not a line"),
		behind("add pl-0123456789abcdef0123-4 10.1.0.0/16 nomatch\n", "not a line"), behind("add pl-0123456789abcdef0123-4 11.0.0.0-12.0.0.0\n", "not an element"),
		behind("add pl-0123456789abcdef0123-4 localhost\n", "not an element"), behind("add pl-0123456789abcdef0123-4\u00a011.0.0.0/8\n", "not printable"),
		{"maxelem 1024", "maxelem 1024 timeout 5", "not understood"}, {"hash:net family", "hash:ip family", "prefixes"},
	})
}

// TestWindowsTricks: the data of a script stands once, and a text has the lines that its
// loader sees.
func TestWindowsTricks(t *testing.T) {
	script, batch, reg := strings.ReplaceAll(golden(t, "portolan.ps1")[0], "\r\n", "\n"), golden(t, "portolan.cmd")[0], golden(t, "portolan.reg")[0]
	tricked(t, "windows", "ps1", []string{script}, 0, []trick{
		{"\n$Outbound = '", "\n$Outbound = 'Allow'\n$Outbound = '", "twice"},
		{"\n$Rules = @(\n", "\n$Rules = @(\n)\n$Rules = @(\n", ""},
		{"\n$Rules = @(\n", "\n$Rules = @(\n# x\n", "not a rule"},
		{"Protocol      = 'TCP'", "Protocol      = 'TCP'; Enabled = 'False'", "plain strings"},
		{"Protocol      = 'TCP'", "Protocol      = \"$(calc)\"", "plain strings"},
		{"Protocol      = 'TCP'", "Protocol      = 'TCP' # x", "plain strings"},
		{"Protocol      = 'TCP'", "Protocol      = 'TCP'\n        protocol      = 'UDP'", "not known"},
		{"Protocol      = 'TCP'", "Protocol      = 'TCP'\n        Protocol      = 'UDP'", "twice"},
		{"Protocol      = 'TCP'", "@x", "not a field"},
		{"Protocol      = 'TCP'", "Protocol      = \u2018TCP\u2019", "not printable"},
		{"Protocol      = 'TCP'", "Protocol      = 'TCP\r'", "not printable"},
		{"\n# policy: ", "\n#Requires -Modules x\n# policy: ", ""},
		{"\n# policy: ", "\n# x\rcalc\n# policy: ", "not printable"},
		{"\n# policy: ", "\n<# x\n#>\n# policy: ", ""},
		{"\n#>\n", "\n#>\n#>\n", ""},
	})
	tricked(t, "windows", "cmd", []string{batch}, 0, []trick{
		{"\r\n", "\n", "carriage return"},
		{"set \"PL_OUTBOUND=", "set \"PL_OUTBOUND=allow\"\r\nset \"PL_OUTBOUND=", "the code around"},
		{"rem policy: ", "rem policy: ^\r\nrem ", "take for more"},
		{"rem policy: ", "rem policy: %x:&calc&", "take for more"},
		{"rem policy: ", "rem policy: & calc & rem ", "take for more"},
		{"rem policy: ", "rem. & calc\r\nrem policy: ", "the code around"},
		{"rem policy: ", ":rules\r\nrem policy: ", ""},
		{"\r\n:rules\r\n", "\r\n:rules\r\ngoto usage\r\n", "not a rule"},
		{"\r\n:rules\r\n", "\r\n:rules\r\n:rules\r\n", "code around"},
		{"\r\n:rules\r\n", "\r\n:rules\r\nrem x\r\n", "take for more"},
		{"\r\nexit /b 0\r\n", "\r\nexit /b 0\r\nexit /b 0\r\n", "code around"},
		{" action=allow ", " action=allow action=block ", "not an allow rule"},
		{" profile=any enable=yes\"", " profile=any enable=yes\" & calc", "not a rule"},
		{" profile=any enable=yes\"", " profile=any enable=yes enable=no\"", "switched on"},
	})
	key := reg[strings.Index(reg, "\n[")+1:]
	key = key[:strings.Index(key, "]")+1]
	tricked(t, "windows", "reg", []string{reg}, 0, []trick{
		{key, strings.Replace(key, "SOFTWARE", "\u017fOFTWARE", 1), "not printable"},
		{key, key[:len(key)-1], "not closed"},
		{key, "[-" + key[1:], "does not hold"},
		{key, key + "\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run]\r\n\"x\"=\"calc\"", "does not hold"},
		{key, key + "\r\n\"PL-a-0123456789ab\"=-", "not a value"},
		{key, key + "\r\n\"PL-a-0123456789ab\"=hex(2):41,00", "not a value"},
		{key, key + "\r\n@=\"x\"", "not a value"},
		{key, key + "\r\n\"x\"=\"v2.10|Action=Allow|Active=TRUE|Dir=In|Name=x|\"", "EmbedCtxt"},
		{"Action=Allow|", "Action=Allow|Action=Block|", "twice"},
		{"Action=Allow|", "Action=Allow|App=x|", "not known"},
		{"Active=TRUE|", "Active=FALSE|", "Active"},
	})
}

// TestScriptTricks: a shell script has its own text around the data, to the letter.
func TestScriptTricks(t *testing.T) {
	script := golden(t, "portolan-iptables.sh")[0]
	tricked(t, "iptables", "sh", []string{script}, 0, []trick{
		{"\nPORTOLAN_RULES_V4\n}", "\nPORTOLAN_RULES_V4 \n}", ""},
		{"\nPORTOLAN_RULES_V4\n}", "\n\tPORTOLAN_RULES_V4\n}", ""},
		{"\nPORTOLAN_RULES_V4\n}", "\nPORTOLAN_RULES_V4\ncalc\n}", "code around"},
		{"\nPORTOLAN_RULES_V4\n}", "\nPORTOLAN_RULES_V4\nPORTOLAN_RULES_V4\n}", "code around"},
		{"\tcat <<'PORTOLAN_RULES_V4'\n", "\tcat <<'PORTOLAN_RULES_V4'; calc\n", ""},
		{"\tcat <<'PORTOLAN_RULES_V4'\n", "\tcat <<'PORTOLAN_RULES_V4'\n*filter\n:PL-IN - [0:0]\nCOMMIT\nPORTOLAN_RULES_V4\n\tcat <<'PORTOLAN_RULES_V4'\n", "second"},
		{"\tcat <<'PORTOLAN_RULES_V4'\n", "\tcat <<PORTOLAN_RULES_V4\n", ""},
		{"\tcat <<'PORTOLAN_RULES_V4'\n", "\tcat <<'PORTOLAN_RULES_V4'\n" + padded("#", 10240, "-A PL-IN -j ACCEPT\n"), "for a new one"},
		{"\n# policy: ", "\n# x\r\n# policy: ", ""},
		{"\n# policy: ", "\ncalc\n# policy: ", "code around"},
		{"\n# policy: ", "\n \n# policy: ", ""},
		{"set -eu\n", "set -eu \n", "code around"},
		{"\n# From here on", "\n# From here on \\\n# ", "code around"},
	})
	if _, err := Read("iptables", []*source.File{source.New("sh", []byte(script+"calc\n"))}); err == nil {
		t.Error("code behind the script is not seen")
	}
}

// TestReadersAreBounded: what is made to take long, or much memory, ends soon.
func TestReadersAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("large texts")
	}
	// Each chain leads twice to the next one, so the last is met 2^n times.
	var nft, ipt strings.Builder
	for i := range 30 {
		fmt.Fprintf(&nft, "chain c%d {\n tcp dport 1 jump c%d\n tcp dport 1 jump c%d\n}\n", i, i+1, i+1)
		fmt.Fprintf(&ipt, "-A PL-%d -j PL-%d\n-A PL-%d -j PL-%d\n", i, i+1, i, i+1)
	}
	declared := ""
	for i := range 31 {
		declared += fmt.Sprintf(":PL-%d - [0:0]\n", i)
	}
	wide := func(fan, depth int) (nft string) {
		for i := range depth {
			nft += fmt.Sprintf("chain c%d {\n%s}\n", i, strings.Repeat(fmt.Sprintf("jump c%d\n", i+1), fan))
		}
		return nft + fmt.Sprintf("chain c%d {\n accept\n}\n", depth)
	}
	v6 := "# ==== rules.v6 ====\n" + v6Text
	for _, c := range []struct{ name, backend, text string }{
		{"deep jumps", "nftables", "table inet portolan {\nchain input {\n type filter hook input priority -10; policy drop;\n jump c0\n}\n" + nft.String() + "chain c30 {\n accept\n}\n}\n"},
		{"wide jumps to nothing", "nftables", "table inet portolan {\nchain input {\n type filter hook input priority -10; policy drop;\n jump c0\n}\n" + strings.Replace(wide(300, 4), " accept\n", "", 1) + "}\n"},
		{"jumps", "iptables", "# ==== rules.v4 ====\n*filter\n:PL-IN - [0:0]\n:PL-OUT - [0:0]\n" + declared + "-A PL-IN -j PL-0\n" + ipt.String() + "COMMIT\n*raw\n:PL-RAW-IN - [0:0]\n:PL-RAW-OUT - [0:0]\nCOMMIT\n" + v6},
		{"many rules", "nftables", "table inet portolan {\nchain input {\n type filter hook input priority -10; policy drop;\n" + strings.Repeat(" accept\n", maxRules+1) + "}\n}\n"},
		{"many rules", "iptables", "# ==== rules.v4 ====\n*filter\n:PL-IN - [0:0]\n:PL-OUT - [0:0]\n" + strings.Repeat("-A PL-IN -j ACCEPT\n", maxRules+1) + "COMMIT\n*raw\n:PL-RAW-IN - [0:0]\n:PL-RAW-OUT - [0:0]\nCOMMIT\n" + v6},
		{"braces", "nftables", "table inet portolan {\n" + strings.Repeat("{", 50_000)},
		{"commands", "nftables", "#!\ntable inet portolan { chain input { type filter hook input priority -10; policy drop; } }\n" + strings.Repeat("add set inet portolan x { type ipv4_addr; flags interval; }\n", 50_000)},
		{"a set again and again", "nftables", "#!\ntable inet portolan { chain input { type filter hook input priority -10; policy drop; } }\n" + strings.Repeat("add set inet portolan x { type ipv4_addr; flags interval; elements = { 10.0.0.1 } }\nflush set inet portolan x\n", 20_000)},
		{"one long line", "nftables", "table inet portolan " + strings.Repeat("x", 5_000_000)},
		{"one long line", "iptables", "*filter\n-A " + strings.Repeat("x", 5_000_000)},
		{"one long line", "windows", "#Requires -Version 5.1\n" + strings.Repeat("x", 5_000_000)},
		{"one long line", "windows", "REGEDIT4\n" + strings.Repeat("x", 5_000_000)},
		{"quotes", "iptables", "*filter\n:PL-IN - [0:0]\n-A PL-IN " + strings.Repeat("\"\\\"", 3000)},
		{"JSON", "nftables", `{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "x", "json_schema_version": 1}},` + strings.Repeat(`{"table":{"family":"inet","name":"x"}},`, 50_000)},
		{"JSON", "nftables", `{"nftables": ` + strings.Repeat("[", 5_000_000)},
	} {
		start := time.Now()
		_, err := Read(c.backend, []*source.File{source.New("large", []byte(c.text))})
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s, %s: %v: %.200v", c.backend, c.name, took, err)
		} else {
			t.Logf("%s, %s: %v: %.150v", c.backend, c.name, took.Round(time.Millisecond), err)
		}
		if err != nil && len(err.Error()) > 2000 {
			t.Errorf("%s, %s: an error of %d bytes", c.backend, c.name, len(err.Error()))
		}
	}
}
