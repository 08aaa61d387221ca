package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

const nftText = `table inet portolan {
	set src_a_v4 {
		type ipv4_addr
		flags interval
	}
	map tcp_services {
		type inet_service : verdict
		flags interval
	}
	chain svc_a { }
	chain raw_prerouting { type filter hook prerouting priority raw; policy accept; }
	chain raw_output { type filter hook output priority raw; policy accept; }
	chain output { type filter hook output priority filter - 10; policy accept; }
	chain input {
		type filter hook input priority filter - 10; policy drop;
	}
}
flush chain inet portolan raw_prerouting
flush chain inet portolan raw_output
flush chain inet portolan output
flush chain inet portolan input
flush chain inet portolan svc_a
flush map inet portolan tcp_services
flush set inet portolan src_a_v4
delete chain inet portolan raw_prerouting
delete chain inet portolan raw_output
delete chain inet portolan output
table inet portolan {
	set src_a_v4 {
		type ipv4_addr
		flags interval
		elements = {
			10.0.0.0/8,
		}
	}
	map tcp_services {
		type inet_service : verdict
		flags interval
		elements = {
			22 comment "a" : jump svc_a,
			80-90 comment "b" : accept,
		}
	}
	chain svc_a {
		ip saddr @src_a_v4 counter accept comment "a"
	}
	chain input {
		tcp dport vmap @tcp_services
		counter drop comment "end"
	}
}
`

func TestNftablesMeaning(t *testing.T) {
	rs, err := ParseNftables(source.New("x.nft", []byte(nftText)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		p    ruleset.Packet
		want ruleset.Verdict
	}{
		{packet("10.1.1.1", port.TCP, 22), ruleset.Accept},
		{packet("11.1.1.1", port.TCP, 22), ruleset.Drop},
		{packet("11.1.1.1", port.TCP, 90), ruleset.Accept},
		{packet("11.1.1.1", port.TCP, 91), ruleset.Drop},
		{packet("10.1.1.1", port.UDP, 22), ruleset.Drop},
		{packet("2001:db8::1", port.TCP, 22), ruleset.Drop},
		{packet("2001:db8::1", port.TCP, 80), ruleset.Accept},
	} {
		if got := rs.Decide(c.p).Verdict(); got != c.want {
			t.Errorf("%s: %s, want %s", c.p, got, c.want)
		}
	}
	if got := rs.Decider(packet("10.1.1.1", port.TCP, 22)).Origins[0].String(); got != "x.nft:45:3" {
		t.Errorf("the rule for port 22 is at %s", got)
	}
}

// TestNftablesElements: an element with a verdict is a rule with its own line and comment, or
// with the name of its map.
func TestNftablesElements(t *testing.T) {
	text := strings.Replace(nftText, "80-90 comment \"b\" : accept,", "80-90 comment \"b\" : accept,\n\t\t\t443-444 : accept,", 1)
	rs, err := ParseNftables(source.New("x.nft", []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Count(text[:strings.Index(text, "80-90")], "\n") + 1
	for n, want := range map[uint16]string{80: fmt.Sprintf("x.nft:%d:4 b", line), 90: fmt.Sprintf("x.nft:%d:4 b", line), 443: fmt.Sprintf("x.nft:%d:4 tcp_services", line+1)} {
		rule := rs.Decider(packet("11.1.1.1", port.TCP, n))
		if got := rule.Origins[0].String() + " " + rule.Comment; got != want {
			t.Errorf("port %d: %s, want %s", n, got, want)
		}
	}
}

// TestNftablesRefuses changes one place of a text that is read, so that the kernel would
// do something else with it than the words seem to say.
func TestNftablesRefuses(t *testing.T) {
	const (
		again  = "delete chain inet portolan output\ntable inet portolan {\n"
		unused = again + "\tchain unused { }\n}\nflush chain inet portolan unused\ntable inet portolan {\n\tchain unused {\n\t\t"
	)
	for _, c := range []struct{ old, new, words string }{
		{"flush map inet portolan tcp_services\n", "", "not flushed"},
		{"flush set inet portolan src_a_v4\n", "", "not flushed"},
		{"flush chain inet portolan input\n", "", "not flushed"},
		{"flush chain inet portolan svc_a\n", "", "not flushed"},
		{"flush chain inet portolan input\n", "flush ruleset\n", "inet must stand here"},
		{"flush chain inet portolan input\n", "flush table inet portolan\n", "a name"},
		{"flush chain inet portolan input\n", "delete table inet portolan\n", "nothing declared"},
		{"table inet portolan {", "table ip portolan {", "not ours"},
		{"filter - 10; policy drop;", "filter; policy drop;", "base chain"},
		{"80-90 comment", "20-90 comment", "two elements"},
		{"80-90 comment", "90-80 comment", "a port must"},
		{"80-90 comment", "80-65536 comment", "a port must"},
		{"10.0.0.0/8,", "10.0.0.1/8,", "not an element"},
		{"10.0.0.0/8,", "2001:db8::/32,", "not an element"},
		{"jump svc_a,", "goto svc_a,", "accept, drop or jump"},
		{"jump svc_a,", "jump svc_b,", "no chain"},
		{"jump svc_a,", "jump input,", "no chain"},
		{"vmap @tcp_services", "vmap @udp_services", "no map"},
		{"ip saddr @src_a_v4", "ip6 saddr @src_a_v4", "no set"},
		// nft refuses these also where nothing leads to the chain.
		{again, unused + "ip saddr @src_b_v4 counter accept\n\t}\n", "no set"},
		{again, unused + "jump svc_b\n\t}\n", "no chain"},
		{again, unused + "tcp dport vmap @udp_services\n\t}\n", "no map"},
		{again, unused + "limit name \"b\" accept\n\t}\n", "no limit"},
		{"ip saddr @src_a_v4", "ip saddr != @src_a_v4", "not understood"},
		{"ip saddr @src_a_v4", "ip daddr @src_a_v4", "other end"},
		{"counter accept comment", "counter accept accept comment", "behind another"},
		{"counter drop comment", "counter comment", "does nothing"},
		{"counter drop comment", "counter reject comment", "not understood"},
		{"\tchain input {\n\t\ttcp dport vmap @tcp_services", "\tchain svc_a {\n\t\ttcp dport vmap @tcp_services\n\t}\n\tchain input {\n\t\tjump svc_a", "more than"},
		{"flush chain inet portolan output\n", "", "declared, accepts"},
		{"delete chain inet portolan output\n", "delete chain inet portolan svc_a\n", "base chain"},
		{"\tchain output { type filter hook output priority filter - 10; policy accept; }\n", "", "nothing declared"},
		{"counter drop comment", "ct count 5 counter accept comment", "a chain to itself"},
		{"counter drop comment", "limit rate 5/minute counter drop comment", "belong together"},
		{"counter drop comment", "ct state new, counter drop comment", "understood here"},
		{"counter drop comment", "oifname \"eth0\" counter drop comment", "other end"},
		{"counter drop comment", "udp dport 5 notrack comment", "decided here already"},
		{"counter drop comment", "add @src_a_v4 { ip saddr ct count 5 } counter accept comment", "not a set that counts"},
		{"counter drop comment \"end\"\n\t}\n}\n", "counter drop comment \"end\"\n\t}\n", "ends before"},
		{"counter drop comment \"end\"", "counter drop comment \"\u00e9\"", "in quotes"},
	} {
		text := strings.Replace(nftText, c.old, c.new, 1)
		if text == nftText {
			t.Fatalf("%q is not in the text", c.old)
		}
		_, err := ParseNftables(source.New("x.nft", []byte(text)))
		if err == nil || !strings.Contains(err.Error(), c.words) || !strings.HasPrefix(err.Error(), "x.nft") {
			t.Errorf("%q for %q: %v, want words about %q", c.new, c.old, err, c.words)
		}
	}
}

// TestNftablesSpelling writes the same text in other ways.
func TestNftablesSpelling(t *testing.T) {
	want, err := ParseNftables(source.New("x.nft", []byte(nftText)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new string }{
		{"chain svc_a { }", "chain svc_a {\n\n}"},
		{"flush chain inet portolan input\n", "  flush   chain inet portolan input ; "},
		{"{\n\t\ttype inet_service : verdict\n\t\tflags interval\n\t}", "{ type inet_service : verdict; flags interval; }"},
		{"elements = {\n\t\t\t10.0.0.0/8,\n\t\t}", "elements={10.0.0.0-10.127.255.255,\n10.128.0.0 - 10.255.255.255}"},
		{"counter accept comment \"a\"", "counter packets 18446744073709551615 bytes 7 accept # handle 7"},
		{"tcp dport vmap @tcp_services", "meta l4proto tcp counter tcp dport vmap @tcp_services; ct state { new, invalid } drop"},
		{"80-90 comment \"b\" : accept,", "85-90 : accept, 80-84 comment \"b\" : accept"},
		{"priority filter - 10; policy drop;", "priority -10; policy drop"},
		{"\tchain svc_a {\n\t\tip", "\tchain svc_a { ip"},
	} {
		text := strings.Replace(nftText, c.old, c.new, 1)
		if text == nftText {
			t.Fatalf("%q is not in the text", c.old)
		}
		got, err := ParseNftables(source.New("x.nft", []byte(text)))
		if err != nil {
			t.Errorf("%q: %v", c.new, err)
		} else if d := ruleset.Equivalent(want, got); d != nil {
			t.Errorf("%q: %s", c.new, d.Words("before", "after"))
		}
	}
}

// A listing is all that the kernel has. Another table is skipped there, and nowhere else.
func TestNftablesListing(t *testing.T) {
	const listing = `table inet portolan {
	chain input { # handle 1
		type filter hook input priority filter - 10; policy drop;
		tcp dport 22 counter packets 5 bytes 300 accept comment "ssh" # handle 2
		counter packets 0 bytes 0 drop
	}
}
`
	const other = `table ip other { # handle 4
	chain x { type nat hook output priority -100; policy accept; ip daddr 10.0.0.1 dnat to "}" comment "ü" }
}
`
	rs, err := ParseNftables(source.New("list", []byte(other+listing)))
	if err != nil {
		t.Fatal(err)
	}
	if rs.Decide(packet("10.1.1.1", port.TCP, 22)).Verdict() != ruleset.Accept || rs.Decide(packet("10.1.1.1", port.TCP, 23)).Verdict() != ruleset.Drop {
		t.Error("the listing is read otherwise than it is written")
	}
	for name, text := range map[string]string{
		"a script":          "#!/usr/sbin/nft -f\n" + listing,
		"ours twice":        listing + listing,
		"another command":   listing + "flush ruleset\n",
		"a command first":   "add table ip x\n" + other + listing,
		"not closed":        other + strings.TrimSuffix(listing, "}\n"),
		"only other tables": other,
	} {
		if _, err := ParseNftables(source.New("list", []byte(text))); err == nil {
			t.Errorf("%s is taken for a listing", name)
		}
	}
}

func TestNftablesUntracked(t *testing.T) {
	base := "table inet portolan {\nchain input { type filter hook input priority filter - 10; policy accept; }\n%s}\n"
	arriving := "chain raw_prerouting { type filter hook prerouting priority raw; policy accept; udp dport 5-9 notrack; udp dport 10 counter notrack; }\n"
	leaving := "chain raw_output { type filter hook output priority -300; policy accept; udp sport 5-10 notrack; }\n"
	read := func(chains string) (*ruleset.Ruleset, error) {
		return ParseNftables(source.New("list", fmt.Appendf(nil, base, chains)))
	}
	rs, err := read(arriving + leaving)
	if err != nil {
		t.Fatal(err)
	}
	if !rs.Untracked.Equal(port.Of(port.Range{First: 5, Last: 10})) {
		t.Errorf("untracked are %s", rs.Untracked)
	}
	for _, chains := range []string{
		arriving, leaving,
		arriving + strings.Replace(leaving, "5-10", "5-11", 1),
		arriving + strings.Replace(leaving, "sport", "dport", 1),
		arriving + strings.Replace(leaving, "udp", "tcp", 1),
		arriving + strings.Replace(leaving, "udp sport", "ip daddr 10.0.0.1 udp sport", 1),
		arriving + strings.Replace(leaving, "notrack", "accept", 1),
		arriving + strings.Replace(leaving, "accept", "drop", 1),
	} {
		if _, err := read(chains); err == nil || !strings.HasPrefix(err.Error(), "list") {
			t.Errorf("%v: %s", err, chains)
		}
	}
}

// listings are what the versions of nft print for the tables of testdata/nft.
func listings(tb testing.TB, pattern string) map[string]string {
	paths, err := filepath.Glob(filepath.Join("testdata", "nft", pattern))
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no listing %s: %v", pattern, err)
	}
	out := map[string]string{}
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			tb.Fatal(err)
		}
		out[filepath.Base(p)] = string(data)
	}
	return out
}

// TestNftablesVersions: what the versions of nft list of one table, as text and as JSON, means
// the same.
func TestNftablesVersions(t *testing.T) {
	var first *ruleset.Ruleset
	for name, text := range listings(t, "*") {
		rs, err := Read("nftables", []*source.File{source.New(name, []byte(text))})
		if err != nil {
			t.Error(err)
			continue
		}
		if Detect(source.New(name, []byte(text))) != "nftables" {
			t.Errorf("%s is not seen to be of nftables", name)
		}
		if first == nil {
			first = rs
		}
		if c := ruleset.Equivalent(first, rs); c != nil {
			t.Errorf("%s: %s", name, c.Words("the first listing", "this one"))
		}
	}
}

func TestNftablesJSONRefuses(t *testing.T) {
	text := listings(t, "*1.0.6.json")["table-1.0.6.json"]
	for _, c := range []struct{ old, new, words string }{
		{`"json_schema_version": 1`, `"json_schema_version": 2`, "version 2"},
		{`{"metainfo":`, `{"other":`, "version"},
		{`"hook": "input", "prio": -10`, `"hook": "input", "prio": 0`, "base chain"},
		{`{"accept": null}`, `{"reject": null}`, "reject"},
		{`{"accept": null}`, `{"accept": 1}`, "accept"},
		{`"op": "=="`, `"op": "!="`, "comparison"},
		{`"field": "saddr"`, `"field": "daddr"`, "other end"},
		{`"comment":`, `"commend":`, "commend"},
		{`"policy": "drop"`, `"policy": "drop", "policy": "accept"`, "twice"},
		{`"flags": ["interval"]`, `"flags": ["interval", "constant"]`, "flags"},
		{`"chain": "input", "handle"`, `"chain": "inputs", "handle"`, ""},
		{`"nftables": [`, `"nftables": [[[[[[[[[[[[[[[[[[[[[[[[[[`, "prints"},
		{`]}`, `]`, ""},
		{`"nftables"`, `"nftable"`, "prints"},
		// Everything that nft lists is of a family and a table; without them it may be ours.
		{`"rule": {"family"`, `"rule": {"familia"`, "understood"},
		{`"rule": {"family": "inet", "table"`, `"rule": {"family": "inet", "tables"`, "understood"},
		{`"burst": 5`, `"burst": 6`, ""},
		{`"ct count": {"val": 20}`, `"ct count": {"val": 21}`, ""},
	} {
		changed := strings.Replace(text, c.old, c.new, 1)
		if changed == text {
			t.Fatalf("%q is not in the text", c.old)
		}
		_, err := ParseNftablesJSON(source.New("list.json", []byte(changed)))
		if c.words == "" && err == nil {
			t.Errorf("%q for %q is taken", c.new, c.old)
		} else if c.words != "" && (err == nil || !strings.Contains(err.Error(), c.words) || !strings.HasPrefix(err.Error(), "list.json")) {
			t.Errorf("%q for %q: %v, want words about %q", c.new, c.old, err, c.words)
		}
	}
}

// TestNftablesJSONPlaces: a rule that was read from JSON knows the bytes of its object.
func TestNftablesJSONPlaces(t *testing.T) {
	text := listings(t, "*1.1.3.json")["table-1.1.3.json"]
	rs, err := ParseNftablesJSON(source.New("list.json", []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	r := rs.Input.Rules[0]
	if got := r.Origins[0].Text(); !strings.HasPrefix(got, `{"rule":`) || !strings.HasSuffix(got, "}}") || !strings.Contains(got, `"established"`) {
		t.Errorf("the first rule is at %s", got)
	}
}

// TestNftablesSpeed reads ten thousand services. The bound is far above what it takes, for
// machines that are busy.
func TestNftablesSpeed(t *testing.T) {
	var b strings.Builder
	b.WriteString("table inet portolan {\nmap udp_services { type inet_service : verdict; flags interval; elements = {\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "%d comment \"service-%d listen etc/service.conf:%d\" : %s,\n", 1000+2*i, i, i, []string{"accept", "jump svc_a"}[i%2])
	}
	b.WriteString("} }\nchain svc_a { ip saddr 10.0.0.0/8 counter accept; }\nchain input { type filter hook input priority filter - 10; policy drop; udp dport vmap @udp_services; }\n}\n")
	f := source.New("list", []byte(b.String()))
	start := time.Now()
	if _, err := ParseNftables(f); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	t.Logf("10,000 services in %v", took)
	if took > time.Second {
		t.Errorf("10,000 services took %v", took)
	}
}

// checkNft is what every text that is taken must hold.
func checkNft(t *testing.T, text string, parse func(*source.File) (*ruleset.Ruleset, error)) {
	rs, err := parse(source.New("f", []byte(text)))
	checkFuzzed(t, rs, err)
}

// Seeds are short: what is found with a long one takes a minute to be cut down.
func FuzzNftables(f *testing.F) {
	const input = "chain input { type filter hook input priority filter - 10; policy drop; %s; }\n"
	for _, text := range []string{
		"ct state established,related icmpv6 type { nd-redirect, 200 } accept",
		`iifname "lo" meta l4proto { tcp, gre } ip saddr { 10.0.0.0-11.0.0.1 } counter packets 1 bytes 2 drop comment "x" # handle 5`,
		`limit rate 5/minute burst 6 packets log prefix "x: "`,
		"udp sport 5060 meta nfproto ipv6 accept }\nset a_v4 { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 11.0.0.1 - 11.0.0.2 }",
		"add @connections_a_20_v4 { ip saddr ct count 20 } accept }\nset connections_a_20_v4 { type ipv4_addr; size 9; flags dynamic; elements = { 127.0.0.5 ct count 20 , } ",
		"update @limit_a_1m_5_v6 { ip6 saddr limit rate 1/minute } accept }\nset limit_a_1m_5_v6 { type ipv6_addr; size 9; flags dynamic,timeout; timeout 5m; elements = { ::1 limit rate 1/minute expires 59s984ms }",
		"tcp dport vmap @m }\nmap m { type inet_service : verdict; flags interval; counter; elements = { 5-9 counter packets 0 bytes 0 comment \"x\" : accept }",
		"jump connections_b_7 }\nlimit limit_a_7s_1 { rate 7/second burst 1 packets; }\nchain connections_b_7 { ct count 7  limit name \"limit_a_7s_1\" accept",
		"accept }\nchain output { type filter hook output priority -10; policy drop; oifname lo ip6 daddr ::1 accept",
		"accept }\nchain raw_output { type filter hook output priority raw; policy accept; udp sport 5 notrack; }\nchain raw_prerouting { type filter hook prerouting priority raw; policy accept; udp dport 5 notrack",
	} {
		f.Add("table inet portolan { " + fmt.Sprintf(input, text) + " }\n")
	}
	f.Add("table inet portolan\ndelete table inet portolan\ntable inet portolan { }\n")
	f.Add("add set inet portolan a { type ipv4_addr; flags interval; }\nflush set inet portolan a\n")
	f.Fuzz(func(t *testing.T, text string) { checkNft(t, text, ParseNftables) })
}

func FuzzNftablesJSON(f *testing.F) {
	const head, tail = `{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "x", "json_schema_version": 1}}, {"table": {"family": "inet", "name": "portolan", "handle": 1}}, `,
		`{"chain": {"family": "inet", "table": "portolan", "name": "input", "handle": 1, "type": "filter", "hook": "input", "prio": -10, "policy": "drop"}}]}`
	f.Add(head + tail)
	seen := map[string]bool{}
	for line := range strings.SplitSeq(strings.ReplaceAll(listings(f, "*1.0.6.json")["table-1.0.6.json"], `}, {"`, "},\n{\""), ",\n") {
		// One object for each combination of words, without its numbers.
		key := strings.Map(func(c rune) rune {
			if strings.ContainsRune("0123456789_", c) {
				return -1
			}
			return c
		}, line[:min(len(line), 400)])
		if strings.HasPrefix(line, "{\"") && !seen[key] && !strings.Contains(line, "metainfo") && !strings.HasSuffix(line, "]}\n") {
			seen[key] = true
			f.Add(head + line + ", " + tail)
		}
	}
	f.Fuzz(func(t *testing.T, text string) { checkNft(t, text, ParseNftablesJSON) })
}
