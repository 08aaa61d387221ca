package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"portolan/internal/compile"
	"portolan/internal/diag"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// TestRandomDifferences: of any two policies verify --between prints a change when a packet
// is decided in two ways, and only then, and a packet walks through every firewall as
// through the policy.
func TestRandomDifferences(t *testing.T) {
	a := &app{stdout: io.Discard, stderr: io.Discard, getenv: noEnv}
	found, err := a.read(context.Background(), &input{root: "../../testdata/hosts/ivr-01"}, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	var sides []*side
	dir := t.TempDir()
	for seed := uint64(0); len(sides) < 24; seed++ {
		text := strings.ReplaceAll(randomPolicy(rand.New(rand.NewPCG(3, seed))), "peers.txt", dir+"/none")
		p, diags := checkPolicy(source.New("p.hcl", []byte(text)), found.catalog)
		if seed > 1000 {
			t.Fatal("no policies")
		}
		if diags.Max() == diag.Error { // one with a list of peers in a file
			continue
		}
		rules, _ := compile.Ruleset(p, found.inventory)
		sides = append(sides, &side{name: "p.hcl", rules: rules})
	}
	random := rand.New(rand.NewPCG(4, 5))
	for i, old := range sides {
		now := sides[(i+1)%len(sides)]
		for _, pair := range [][2]*side{{old, now}, {now, old}, {old, old}} {
			d := newDifference(pair[0], pair[1])
			same := ruleset.Equivalent(pair[0].rules, pair[1].rules) == nil
			var text, object bytes.Buffer
			if err := d.text(&text); err != nil {
				t.Fatal(err)
			}
			if err := writeJSON(&object, d.json()); err != nil || !json.Valid(object.Bytes()) || bytes.Contains(object.Bytes(), []byte("null")) {
				t.Fatalf("%v: %s", err, object.String())
			}
			if same != (len(d.entries) == 0) || same != strings.HasPrefix(text.String(), "nothing changes") {
				t.Fatalf("%d changes, equivalent: %v\n%s", len(d.entries), same, text.String())
			}
			for _, e := range d.entries {
				if len(e.before)+len(e.now) == 0 && e.kind != "untracked" && e.kind != "tracked" {
					t.Errorf("nobody asked for %s", e.Example)
				}
			}
		}
		p := ruleset.Packet{
			Direction: ruleset.Direction(random.IntN(2)), Interface: "eth0", State: ruleset.New, Proto: []uint8{6, 17}[random.IntN(2)],
			Peer: netip.MustParseAddr([]string{"10.20.1.2", "192.0.2.1", "2001:db8:7::1"}[random.IntN(3)]), Port: []uint16{22, 53, 5060, 35000}[random.IntN(4)], SourcePort: 50000,
		}
		if err := (&portAnswer{}).walk(old, p, "p.hcl"); err != nil {
			t.Error(err)
		}
	}
}
