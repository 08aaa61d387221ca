package verify

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// golden are the files of one name below testdata/golden.
func golden(tb testing.TB, name string) []string {
	paths, err := filepath.Glob(filepath.Join("..", "..", "testdata", "golden", "*", name))
	if err != nil || len(paths) == 0 {
		tb.Fatalf("there is no golden %s: %v", name, err)
	}
	var out []string
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, string(data))
	}
	return out
}

func packet(from string, proto port.Proto, to uint16) ruleset.Packet {
	return ruleset.Packet{Interface: "eth0", State: ruleset.New, Proto: uint8(proto), Peer: netip.MustParseAddr(from), Port: to}
}

const nftText = `table inet portolan {
	set src_a_v4 {
		type ipv4_addr
		flags interval
	}
	map tcp_services {
		type inet_service : verdict
		flags interval
	}
	chain svc_a {
	}
	chain input {
		type filter hook input priority filter - 10; policy drop;
	}
}
flush chain inet portolan input
flush chain inet portolan svc_a
flush map inet portolan tcp_services
flush set inet portolan src_a_v4
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
	if got := rs.Decider(packet("10.1.1.1", port.TCP, 22)).Origins[0].String(); got != "x.nft:37:3" {
		t.Errorf("the rule for port 22 is at %s", got)
	}
}

// TestNftablesRefuses changes one place of a text that is read, so that the kernel would
// do something else with it than the words seem to say.
func TestNftablesRefuses(t *testing.T) {
	for _, c := range []struct{ old, new, words string }{
		{"flush map inet portolan tcp_services\n", "", "not flushed"},
		{"flush set inet portolan src_a_v4\n", "", "not flushed"},
		{"flush chain inet portolan input\n", "", "not flushed"},
		{"flush chain inet portolan svc_a\n", "", "not flushed"},
		{"flush chain inet portolan input\n", "flush ruleset\n", "not a line"},
		{"flush chain inet portolan input\n", "flush table inet portolan\n", "not a line"},
		{"flush chain inet portolan input\n", "delete table inet portolan\n", "not a line"},
		{"table inet portolan {", "table ip portolan {", "not a line"},
		{"filter - 10; policy drop;", "filter; policy drop;", "base chain"},
		{"80-90 comment", "20-90 comment", "not in order"},
		{"80-90 comment", "90-80 comment", "not an element"},
		{"80-90 comment", "80-65536 comment", "not an element"},
		{"10.0.0.0/8,", "10.0.0.1/8,", "not an element"},
		{"10.0.0.0/8,", "2001:db8::/32,", "not an element"},
		{"jump svc_a,", "goto svc_a,", "not an element"},
		{"jump svc_a,", "jump svc_b,", "no chain"},
		{"jump svc_a,", "jump input,", "no chain"},
		{"vmap @tcp_services", "vmap @udp_services", "no map"},
		{"ip saddr @src_a_v4", "ip6 saddr @src_a_v4", "no set"},
		{"ip saddr @src_a_v4", "ip saddr != @src_a_v4", "not understood"},
		{"ip saddr @src_a_v4", "ip daddr @src_a_v4", "not understood"},
		{"counter accept comment", "counter accept accept comment", "not understood"},
		{"counter drop comment", "counter comment", "does nothing"},
		{"counter drop comment", "counter reject comment", "not understood"},
		{"counter drop comment", "counter drop # comment", "not understood"},
		{"\tchain input {\n\t\ttcp", "\tchain svc_a {\n\t\ttcp", "other than input"},
		{"counter drop comment \"end\"\n\t}\n}\n", "counter drop comment \"end\"\n\t}\n", "ends before"},
		{"counter drop comment \"end\"", "counter drop comment \"\u00e9\"", "printable"},
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

const v4Text = `*filter
:PL-IN - [0:0]
:PL-a - [0:0]
-A PL-IN -p tcp -m multiport --dports 22,80:90 -m comment --comment "x \"y\"" -j PL-a
-A PL-IN -m comment --comment end -j DROP
-A PL-a -s 10.0.0.0/8 -m comment --comment a -j ACCEPT
COMMIT
`

const v6Text = "*filter\n:PL-IN - [0:0]\nCOMMIT\n"

func TestIptablesMeaning(t *testing.T) {
	rs, err := ParseIptables(source.New("v4", []byte(v4Text)), source.New("v6", []byte(v6Text)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		p    ruleset.Packet
		want ruleset.Verdict
	}{
		{packet("10.1.1.1", port.TCP, 22), ruleset.Accept},
		{packet("10.1.1.1", port.TCP, 91), ruleset.Drop},
		{packet("11.1.1.1", port.TCP, 22), ruleset.Drop},
		{packet("10.1.1.1", port.UDP, 22), ruleset.Drop},
		{packet("2001:db8::1", port.TCP, 22), ruleset.Accept}, // nothing in rules.v6 drops it
	} {
		if got := rs.Decide(c.p).Verdict(); got != c.want {
			t.Errorf("%s: %s, want %s", c.p, got, c.want)
		}
	}
}

func TestIptablesRefuses(t *testing.T) {
	for _, c := range []struct{ old, new, words string }{
		{"*filter", "*raw", "not a line"},
		{":PL-a - [0:0]", ":INPUT ACCEPT [0:0]", "not a chain"},
		{":PL-a - [0:0]\n", "", "not understood"},
		{"-j PL-a", "-j PL-IN", "not understood"},
		{"-j PL-a", "-g PL-a", "not understood"},
		{"-j ACCEPT", "-j PL-a", "circle"},
		{"-j ACCEPT", "-j ACCEPT -m tcp", "behind the target"},
		{"-j DROP", "-j REJECT", "not understood"},
		{"-p tcp", "! -p tcp", "not understood"},
		{"-p tcp", "-p 0", "not understood"},
		{"80:90", "90:80", "not understood"},
		{"80:90", "80:65536", "not understood"},
		{"22,80:90", "1:2,3:4,5:6,7:8,9:10,11:12,13:14,15:16", "not understood"},
		{"-s 10.0.0.0/8", "-s 10.0.0.1/8", "not understood"},
		{"-s 10.0.0.0/8", "-s 2001:db8::/32", "not understood"},
		{"-s 10.0.0.0/8", "-d 10.0.0.0/8", "not understood"},
		{`"x \"y\""`, `"x \"y\"`, "not understood"},
		{"COMMIT\n", "", "ends before COMMIT"},
		{"COMMIT\n", "COMMIT", "line end"},
		{"COMMIT\n", "COMMIT\n*nat\nCOMMIT\n", "not a line"},
		{"-A PL-a", "-I PL-a", "not a line"},
		{"--comment end", "--comment " + strings.Repeat("x", 10_000), "bytes"},
	} {
		text := strings.Replace(v4Text, c.old, c.new, 1)
		if text == v4Text {
			t.Fatalf("%q is not in the text", c.old)
		}
		_, err := ParseIptables(source.New("v4", []byte(text)), source.New("v6", []byte(v6Text)))
		if err == nil || !strings.Contains(err.Error(), c.words) || !strings.HasPrefix(err.Error(), "v4") {
			t.Errorf("%q for %q: %v, want words about %q", c.new, c.old, err, c.words)
		}
	}
}

func FuzzNftables(f *testing.F) {
	f.Add(nftText)
	for _, text := range golden(f, "portolan.nft") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rs, err := ParseNftables(source.New("f", []byte(text)))
		checkFuzzed(t, rs, err)
	})
}

func FuzzIptables(f *testing.F) {
	f.Add(v4Text, v6Text)
	v4, v6 := golden(f, "rules.v4"), golden(f, "rules.v6")
	for i := range v4 {
		f.Add(v4[i], v6[i])
	}
	f.Fuzz(func(t *testing.T, v4, v6 string) {
		rs, err := ParseIptables(source.New("f4", []byte(v4)), source.New("f6", []byte(v6)))
		checkFuzzed(t, rs, err)
		both := "# ==== rules.v4 ====\n" + v4 + "\n# ==== rules.v6 ====\n" + v6
		if a, b, err := SplitIptables(source.New("f", []byte(both))); err == nil {
			if _, again := ParseIptables(a, b); (again == nil) != (rs != nil) && !strings.Contains(v4+v6, "# ==== ") && strings.HasSuffix(v4, "\n") && strings.HasSuffix(v6, "\n") {
				t.Errorf("one text and two files differ: %v", again)
			}
		}
	})
}

// checkFuzzed: an answer or an error, and an answer that decides packets.
func checkFuzzed(t *testing.T, rs *ruleset.Ruleset, err error) {
	if (rs == nil) == (err == nil) {
		t.Fatalf("%v and %v", rs, err)
	}
	if err != nil {
		if len(err.Error()) > 2000 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
		return
	}
	rs.Decide(packet("10.0.0.1", port.TCP, 22))
	for i := range rs.Input.Rules {
		if o := rs.Input.Rules[i].Origins; len(o) != 1 || o[0].File == nil || o[0].End > len(o[0].File.Text) {
			t.Fatalf("rule %d has the places %v", i, o)
		}
	}
}
