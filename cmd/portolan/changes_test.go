package main

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portolan/internal/compile"
	"portolan/internal/diag"
	"portolan/internal/history"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/internal/verify"
	"portolan/render"
)

// TestNothingChanges: between a policy and what is in force of it no service changes, and every
// rule that is in force and that the policy asked for is known by its comment.
func TestNothingChanges(t *testing.T) {
	a := &app{stdout: io.Discard, stderr: io.Discard, getenv: noEnv}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "peers.txt"), []byte("198.51.100.64/26\n2001:db8:7::/64 # a trunk\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	found, err := a.read(context.Background(), &input{root: "../../testdata/hosts/ivr-01"}, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for seed := range 100 {
		text := randomPolicy(rand.New(rand.NewPCG(3, uint64(seed))))
		p, diags := checkPolicy(source.New(filepath.Join(dir, "portolan.hcl"), []byte(text)), found.catalog)
		if diags.Max() == diag.Error {
			t.Fatalf("seed %d: %s\n%s", seed, diags[0].Message, text)
		}
		rules, _ := compile.Ruleset(p, found.inventory)
		table, diags := render.Nftables(rules)
		if diags.Max() == diag.Error {
			continue
		}
		compared++
		written, err := render.NftablesText(table, render.Header{Program: "portolan", Policy: "p.hcl"})
		if err != nil {
			t.Fatal(err)
		}
		back, err := verify.Read("nftables", []*source.File{source.New("text", written)})
		if err != nil {
			t.Fatal(err)
		}
		record := history.Record{Opens: servicesOf(rules)}
		record.Names = commentsOf(table, rules, record.Opens)
		names := namingOf(&record)
		traffic := newDifference(&side{name: "text", rules: back, text: true}, &side{name: "policy", rules: rules})
		if len(traffic.entries) > 0 {
			t.Fatalf("seed %d: the text is another policy", seed)
		}
		// As if all of it changed.
		traffic.entries = newDifference(&side{rules: &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop}, Output: ruleset.Chain{Default: ruleset.Drop}}}, traffic.new).entries
		for i := range traffic.entries {
			if traffic.entries[i].kind == "opened" { // by what was there before
				traffic.entries[i].kind = "changed"
			}
		}
		for _, c := range serviceChanges(traffic, func(r *ruleset.Rule) []string { return names[r.Comment] }, policyName, nil, nil) {
			t.Errorf("seed %d: %s\n%s", seed, c, text)
		}
		builtin := []string{"answers", "this host to itself", "packets of no known", "IPv6 is", "errors", "DHCP", "default: ", "log what is dropped", "connection tracking"}
		for _, c := range []ruleset.Chain{back.Input, back.Output} {
			for _, r := range c.Rules {
				if names[r.Comment] == nil && !slices.ContainsFunc(builtin, func(s string) bool { return strings.HasPrefix(r.Comment, s) }) {
					t.Errorf("seed %d: nobody knows what %q is for", seed, r.Comment)
				}
			}
		}
		if t.Failed() {
			return
		}
	}
	if compared < 50 {
		t.Errorf("%d policies are too few", compared)
	}
}

// TestMissing holds what is not even looked up, at both ends of lists, against what is.
func TestMissing(t *testing.T) {
	for _, x := range []struct{ a, b, want string }{
		{"", "", ""}, {"a", "", "a"}, {"", "a", ""}, {"a b c", "a b c", ""}, {"a b c", "a c", "b"}, {"a c", "a b c", ""},
		{"a b", "b c", "a"}, {"a b c d", "a x c d", "b"}, {"a a", "a", ""}, {"a b a", "b a", ""}, {"c a b", "a b c", ""}, {"x a", "a", "x"},
	} {
		if got := strings.Join(missing(strings.Fields(x.a), strings.Fields(x.b)), " "); got != x.want {
			t.Errorf("of %q, %q lacks %q, want %q", x.a, x.b, got, x.want)
		}
	}
}
