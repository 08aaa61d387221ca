package lint_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portolan/internal/compile"
	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/lint"
)

// TestExamplePolicies compiles each policy that comes with the program on each host that
// does: nothing is wrong with it there, and somebody can log in.
func TestExamplePolicies(t *testing.T) {
	cat, err := ours()
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("../policies/examples/*.hcl")
	if err != nil || len(names) < 5 {
		t.Fatalf("examples: %v, %v", names, err)
	}
	packets := map[string][]ruleset.Packet{
		"sip-edge.hcl": {
			drops("198.51.100.7", 17, 5060), takes("203.0.113.17", 17, 5060), drops("203.0.113.31", 6, 22), takes("192.0.2.7", 17, 30000),
		},
		"media-notrack.hcl": {takes("10.9.0.1", 17, 30000), drops("10.8.0.1", 17, 30000), takes("10.9.0.1", 17, 5060)},
		"locked-down.hcl":   {drops("10.1.0.9", 6, 22), leaves("10.0.0.53", 17, 53), stays("10.0.0.54", 17, 53), stays("10.0.0.80", 6, 22), stays("2001:db8::1", 6, 443)},
	}
	for _, root := range []string{"../testdata/hosts/ivr-01", "../testdata/hosts/media-02", "../testdata/hosts/win-ivr"} {
		inv, _, err := inventory.Read(cat, source.NewTree(os.DirFS(root)), root, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range append(names, "../policies/default.hcl") {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			p, list := policy.Load(source.New(filepath.Base(name), raw), nil)
			listens, connects := cat.Names(cat.IDs()...)
			if p == nil || len(list) > 0 || len(policy.Check(p, listens, connects)) > 0 {
				t.Fatalf("%s: %+v", name, list)
			}
			rules, list := compile.Ruleset(p, inv)
			list = append(list, lint.LockedOut(inv, p, rules, false)...)
			for _, d := range append(list, lint.Run(inv, nil, lint.Options{Policy: p, Rules: rules})...) {
				if d.Span.Name() == filepath.Base(name) && d.Severity == diag.Error && !strings.HasSuffix(name, "windows.hcl") {
					t.Errorf("%s on %s: [%s] %s", name, root, d.Rule, d.Message)
				}
			}
			for _, want := range packets[filepath.Base(name)] {
				verdict := ruleset.Drop
				if want.Interface == "accept" {
					verdict = ruleset.Accept
				}
				want.Interface = "eth0"
				if got := rules.Decide(want).Verdict(); got != verdict && !strings.HasSuffix(root, "win-ivr") {
					t.Errorf("%s on %s: %s: %s", name, root, want, got)
				}
			}
		}
	}
}

// to is a new packet.
func to(d ruleset.Direction, verdict, peer string, proto uint8, port uint16) ruleset.Packet {
	return ruleset.Packet{Direction: d, Interface: verdict, State: ruleset.New, Proto: proto, Peer: netip.MustParseAddr(peer), Port: port, SourcePort: 50000}
}

func takes(peer string, proto uint8, port uint16) ruleset.Packet {
	return to(ruleset.In, "accept", peer, proto, port)
}

func drops(peer string, proto uint8, port uint16) ruleset.Packet {
	return to(ruleset.In, "drop", peer, proto, port)
}

func leaves(peer string, proto uint8, port uint16) ruleset.Packet {
	return to(ruleset.Out, "accept", peer, proto, port)
}

func stays(peer string, proto uint8, port uint16) ruleset.Packet {
	return to(ruleset.Out, "drop", peer, proto, port)
}
