package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"portolan/internal/compile"
	"portolan/internal/diag"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/internal/verify"
	"portolan/render"
)

// policiesVariable names the environment variable with the number of random policies.
const policiesVariable = "PORTOLAN_POLICIES"

// randomPolicy is the text of a policy of everything that the language has. It loads without
// an error. Its file of addresses is called peers.txt.
func randomPolicy(r *rand.Rand) string {
	var b strings.Builder
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	chance := func(percent int) bool { return r.IntN(100) < percent }
	some := func(most int, words ...string) string {
		r.Shuffle(len(words), func(i, k int) { words[i], words[k] = words[k], words[i] })
		return strings.Join(words[:1+r.IntN(min(most, len(words)))], ", ")
	}
	networks := func() []string {
		return []string{`"10.20.0.0/16"`, `"10.20.2.3"`, `"10.20.2.0-10.20.3.77"`, `"2001:db8:20::/48"`, `"2001:db8:20::5"`, `"192.0.2.0/24"`, `"198.51.100.7"`, `"fd00::/8"`, `"0.0.0.0/1"`, `"2001:db8:20:1::-2001:db8:20:2::9"`}
	}
	inside := []string{`"10.20.2.4"`, `"10.20.2.64/26"`, `"2001:db8:20::6"`, `"192.0.2.128/25"`, `"10.99.0.0/16"`}
	var zones []string
	for i := range 1 + r.IntN(4) {
		name := "zone_" + strconv.Itoa(i)
		fmt.Fprintf(&b, "zone %q {\n  sources = [%s]\n", name, some(5, append(networks(), zones...)...))
		if chance(30) {
			b.WriteString("  files = [\"peers.txt\"]\n")
		}
		if chance(50) {
			fmt.Fprintf(&b, "  except = [%s]\n", some(3, inside...))
		}
		b.WriteString("}\n")
		zones = append(zones, "zone."+name)
	}
	addresses := func(attribute string, percent int) {
		if chance(percent) {
			fmt.Fprintf(&b, "  %s = [%s]\n", attribute, some(3, append(zones[:len(zones):len(zones)], networks()[:4]...)...))
			if chance(40) {
				fmt.Fprintf(&b, "  except = [%s]\n", some(2, inside...))
			}
		}
	}
	what := func(services ...string) {
		switch r.IntN(4) {
		case 0:
			fmt.Fprintf(&b, "  service = %q\n", pick(services...))
		case 1:
			fmt.Fprintf(&b, "  ports = [%s]\n", some(4, `"5060/udp"`, `"5060-5061/tcp"`, `"22/tcp"`, `"20000-24999/udp"`, `"1-1023/tcp"`, `"33434-33523/udp"`, `"65535/udp"`))
		case 2:
			fmt.Fprintf(&b, "  protocols = [%s]\n", some(2, `"esp"`, `"gre"`, `"132"`, `"igmp"`))
		}
	}
	rich := chance(60) // with what Windows cannot say
	extras := func(kind string) {
		if rich && chance(20) {
			fmt.Fprintf(&b, "  interfaces = [%s]\n", some(2, `"eth0"`, `"eth1"`, `"pl0"`))
		}
		if rich && chance(25) {
			fmt.Fprintf(&b, "  log = %q\n", pick("5/minute", "1/second", "100/hour"))
		}
		if kind == "allow" && rich && chance(25) {
			fmt.Fprintf(&b, "  limit = %q\n", pick("10/minute per source", "100/second per source", "1/hour per source"))
		}
		if kind == "allow" && rich && chance(20) {
			fmt.Fprintf(&b, "  connections = %q\n", pick("20 per source", "1 per source"))
		}
	}
	for i := range 1 + r.IntN(7) {
		switch kind := pick("allow", "allow", "allow", "deny", "connect"); {
		case kind == "connect":
			fmt.Fprintf(&b, "connect \"connect-%d\" {\n", i)
			what("lumenvox-media-server", "sshd")
			addresses("to", 50)
			if rich && chance(20) {
				fmt.Fprintf(&b, "  interfaces = [%s]\n", some(2, `"eth0"`, `"pl0"`))
			}
		case kind == "deny":
			fmt.Fprintf(&b, "deny \"deny-%d\" {\n", i)
			what("lumenvox-media-server", "sshd")
			addresses("from", 100)
			extras(kind)
		case rich && chance(25):
			fmt.Fprintf(&b, "allow \"media-%d\" {\n  service = \"lumenvox-media-server\"\n  listen = [\"rtp\"]\n  notrack = true\n", i)
			addresses("from", 70)
		default:
			fmt.Fprintf(&b, "allow \"allow-%d\" {\n", i)
			what("lumenvox-media-server", "sshd")
			addresses("from", 70)
			extras(kind)
		}
		b.WriteString("}\n")
	}
	b.WriteString("default {\n")
	additive := rich && chance(20)
	if additive {
		b.WriteString("  input = \"additive\"\n")
	} else if rich && chance(40) {
		b.WriteString("  log = \"5/minute\"\n")
	}
	if chance(35) {
		b.WriteString("  output = \"drop\"\n")
	}
	if !additive && chance(10) {
		b.WriteString("  ipv6 = \"off\"\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// TestRandomPolicies: whatever a policy says, each text that a firewall's writer agrees to
// write means it, in every form, by the word of the readers.
func TestRandomPolicies(t *testing.T) {
	n := 150
	if s := os.Getenv(policiesVariable); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatalf("%s: %v", policiesVariable, err)
		}
	}
	a := &app{stdout: io.Discard, stderr: io.Discard, getenv: noEnv}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "peers.txt"), []byte("198.51.100.64/26\n2001:db8:7::/64 # a trunk\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	written, cells := map[string]int{}, 0
	for seed := range n {
		root := "../../testdata/hosts/" + []string{"ivr-01", "media-02", "win-ivr"}[seed%3]
		found, err := a.read(context.Background(), &input{root: root}, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		text := randomPolicy(rand.New(rand.NewPCG(1, uint64(seed))))
		p, diags := checkPolicy(source.New(filepath.Join(dir, "portolan.hcl"), []byte(text)), found.catalog)
		if diags.Max() == diag.Error {
			t.Fatalf("seed %d: %s\n%s", seed, diags[0].Message, text)
		}
		rules, _ := compile.Ruleset(p, found.inventory)
		for _, backend := range render.Backends {
			for _, form := range backend.Forms {
				out, refused, err := form.Files(rules, render.Header{Program: "portolan", Policy: "portolan.hcl"})
				if err != nil {
					t.Fatalf("seed %d: %s %s: %v\n%s", seed, backend.Name, form.Name, err, text)
				}
				if len(refused) > 0 {
					continue
				}
				var files []*source.File
				for _, o := range out {
					if !o.Aside {
						files = append(files, source.New(o.Name, o.Data))
					}
				}
				back, err := verify.Read(backend.Name, files)
				if err != nil {
					t.Fatalf("seed %d: %s %s: %v\n%s", seed, backend.Name, form.Name, err, text)
				}
				proof := ruleset.Prove(rules, back)
				if proof.Counterexample != nil {
					t.Fatalf("seed %d: %s %s: %s\n%s", seed, backend.Name, form.Name, proof.Counterexample.Words("the policy", "the text"), text)
				}
				written[backend.Name+" "+form.Name]++
				cells += proof.Cells
			}
		}
	}
	t.Logf("of %d policies were written and proved: %v, over %d cells", n, written, cells)
	for _, backend := range render.Backends {
		for _, form := range backend.Forms {
			if got := written[backend.Name+" "+form.Name]; got < n/10 {
				t.Errorf("%s %s agreed to write %d of %d policies, too few to prove anything", backend.Name, form.Name, got, n)
			}
		}
	}
}
