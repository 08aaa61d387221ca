package main

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"portolan/internal/compile"
	"portolan/internal/diag"
	"portolan/internal/kernel"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/render"
)

// seedsVariable names the environment variable with the number of policies that each loader is
// tried with.
const seedsVariable = "PORTOLAN_KERNEL_SEEDS"

func TestKernelRandomPoliciesNftables(t *testing.T) { sweepPolicies(t, "nftables", "") }

func TestKernelRandomPoliciesIptablesNft(t *testing.T) { sweepPolicies(t, "iptables", "-nft") }

func TestKernelRandomPoliciesIptablesLegacy(t *testing.T) { sweepPolicies(t, "iptables", "-legacy") }

// sweepPolicies goes the whole way, from the text of a policy to packets: the policy is
// compiled for a host, written, loaded over the one before, read back from the kernel, and all
// ports are tried from the edges of its zones, as far as the kernel lets such a packet come at
// all.
func sweepPolicies(t *testing.T, firewall, suffix string) {
	programs := []string{"nft"}
	if suffix != "" {
		programs = kernel.Xtables(suffix)
	}
	kernel.InNamespace(t, programs, func(t *testing.T) {
		n, whole, part := 6, 0, 8 // a few, so that the tests stay quick; the last one with all ports
		if text := os.Getenv(seedsVariable); text != "" {
			var err error
			if n, err = strconv.Atoi(text); err != nil || n < 1 {
				t.Fatalf("%s is %q: use a number of policies", seedsVariable, text)
			}
			whole, part = 1, 12
		}
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		a := &app{stdout: io.Discard, stderr: io.Discard, getenv: noEnv}
		dir, form := t.TempDir(), backend(t, firewall).Forms[0]
		if err := os.WriteFile(filepath.Join(dir, "peers.txt"), []byte("198.51.100.64/26\n2001:db8:7::/64 # a trunk\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		loaded, open, start := 0, 0, time.Now()
		for seed := 1; loaded < n && seed <= 10*n; seed++ {
			found, err := a.read(context.Background(), &input{root: "../../testdata/hosts/" + []string{"ivr-01", "media-02"}[seed%2]}, nil, false)
			if err != nil {
				t.Fatal(err)
			}
			text := randomPolicy(rand.New(rand.NewPCG(2, uint64(seed))))
			p, diags := checkPolicy(source.New(filepath.Join(dir, "portolan.hcl"), []byte(text)), found.catalog)
			if diags.Max() == diag.Error {
				t.Fatalf("seed %d: %s\n%s", seed, diags[0].Message, text)
			}
			rules, _ := compile.Ruleset(p, found.inventory)
			wide(rules)
			out, refused, err := form.Files(rules, render.Header{Program: "portolan", Policy: "portolan.hcl"})
			if err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, text)
			}
			if len(refused) > 0 {
				continue
			}
			var files []kernel.File
			for _, o := range out {
				files = append(files, kernel.File{Name: o.Name, Data: o.Data, Program: o.Program})
			}
			if err := kernel.Follow(t.TempDir(), files, suffix, "first", "load", "hook"); err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, text)
			}
			if loaded++; loaded == n {
				whole = 1
			}
			if firewall == "nftables" {
				live, err := readKernel()
				if err != nil {
					t.Fatalf("seed %d: %v\n%s", seed, err, text)
				}
				if c := ruleset.Equivalent(rules, live.Rules); c != nil {
					t.Fatalf("seed %d: %s\n%s", seed, c.Words("the policy", "the kernel"), text)
				}
			}
			bad, opened, err := link.Differences(rules, kernel.ProbesOf(rules, seed, whole, part)...)
			if err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, text)
			}
			open += opened
			if len(bad) > 0 {
				t.Fatalf("seed %d: %d ports differ, such as %s; the policy is\n%s", seed, len(bad), bad[0].Text, text)
			}
		}
		if loaded < n || open < 20*n {
			t.Errorf("%d policies were written and open %d ports, too few to try anything", loaded, open)
		}
		t.Logf("%d policies, %v each", loaded, (time.Since(start) / time.Duration(max(loaded, 1))).Round(time.Millisecond))
	})
}

// wide takes away what makes a packet's fate depend on the packets before it: a sweep sends
// more of them than any limit allows, and limits and counts have tests of their own.
func wide(rs *ruleset.Ruleset) {
	rs.Input.Rules = slices.Clone(rs.Input.Rules)
	for i := range rs.Input.Rules {
		e := &rs.Input.Rules[i].Effect
		e.Connections = ruleset.Connections{}
		if e.Limit != (ruleset.Limit{}) {
			e.Limit.Rate, e.Limit.Burst = ruleset.Rate{Count: 1_000_000, Period: "second"}, 1_000_000
		}
	}
}
