package verify

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"portolan/internal/port"
	"portolan/internal/ruleset"
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
