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
