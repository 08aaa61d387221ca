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

func TestWindowsRefuses(t *testing.T) {
	text := golden(t, "portolan.ps1")[0]
	if _, err := ParseWindows(source.New("p.ps1", []byte(text))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, words string }{
		{"'554'", "'554-553'", "port"},
		{"'554'", "'5 54'", "port"},
		{"'554'", "'RPC'", "port"},
		{"'554'", "'554' + '555'", "plain strings"},
		{"'554'", "$x", "plain strings"},
		{"'554'", "'554\u2019'", "printable"},
		{"'10.20.0.0/16'", "'10.20.0.1/16'", "address"},
		{"'10.20.0.0/16'", "'0.0.0.0/0'", "address"},
		{"'10.20.0.0/16'", "'10.20.0.1/32'", "address"},
		{"'10.20.0.0/16'", "'::/3'", "address"},
		{"'10.20.0.0/16'", "'LocalSubnet'", "address"},
		{"'TCP'", "'ALL'", "protocol"},
		{"'TCP'", "'ICMPv4'", "port"},
		{"'PL-speech", "'speech", "name"},
		{"Protocol      =", "Program       =", "not known"},
		{"    $null = New-NetFirewallRule @rule @Common", "    $null = New-NetFirewallRule @rule", "code around"},
		{"#Requires -Version 5.1", "#Requires -Version 7", "code around"},
		{"# policy: ", "#\rRemove-Item x #", "printable"},
	} {
		changed := strings.Replace(text, c.old, c.new, 1)
		if changed == text {
			t.Fatalf("%q is not in the text", c.old)
		}
		_, err := ParseWindows(source.New("p.ps1", []byte(changed)))
		if err == nil || !strings.Contains(err.Error(), c.words) || !strings.HasPrefix(err.Error(), "p.ps1") {
			t.Errorf("%q for %q: %v, want words about %q", c.new, c.old, err, c.words)
		}
	}
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

// FuzzWindows changes the data block only: every other change is refused by the hash.
func FuzzWindows(f *testing.F) {
	const open, shut = "$Rules = @(\r\n", "\r\n)\r\n"
	script := golden(f, "portolan.ps1")[0]
	before, rest, found := strings.Cut(script, open)
	data, after, closed := strings.Cut(rest, shut)
	if !found || !closed {
		f.Fatal("there is no data block")
	}
	f.Add(data)
	f.Add(data[:strings.Index(data, "}")+1])
	f.Add("    @{\r\n        Name = 'PL-x'\r\n        DisplayName = 'x'\r\n        Protocol = '47'\r\n        RemoteAddress = @('::2-::9', '10.0.0.1')\r\n    }")
	f.Fuzz(func(t *testing.T, data string) {
		file := source.New("f", []byte(before+open+data+shut+after))
		rs, err := ParseWindows(file)
		checkFuzzed(t, rs, err)
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
