package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"portolan/internal/kernel"
)

// TestLiveIptables loads rules into a kernel of our own and has verify look at them, also
// after somebody has changed them.
func TestLiveIptables(t *testing.T) {
	kernel.InNamespace(t, []string{"iptables", "ip6tables", "iptables-save", "ip6tables-save", "iptables-restore", "ip6tables-restore"}, func(t *testing.T) {
		dir := t.TempDir()
		policy := filepath.Join(dir, "p.hcl")
		text := "zone \"voice\" { sources = [\"10.20.0.0/16\", \"2001:db8:20::/48\"] }\nallow \"speech\" {\n  ports = [\"5060/udp\", \"25000-25399/udp\"]\n  from = [zone.voice]\n}\nallow \"ssh\" {\n  ports = [\"22/tcp\", \"2022/tcp\"]\n  limit = \"10/minute per source\"\n}\n"
		if err := os.WriteFile(policy, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		const root = "../../testdata/hosts/ivr-01"
		portolan := func(want int, args ...string) string {
			t.Helper()
			var out, talk bytes.Buffer
			args = append(args, "--root", root)
			if code := run(context.Background(), args, nil, &out, io.MultiWriter(&talk), os.Getenv); code != want {
				t.Fatalf("%v: exit code %d, want %d\n%s%s", args, code, want, out.String(), talk.String())
			}
			return out.String() + talk.String()
		}
		do := func(stdin string, name string, args ...string) {
			t.Helper()
			if out, err := kernel.Run(stdin, name, args...); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, out)
			}
		}
		live := []string{"verify", "--live", "--to", "iptables", "--policy", policy}
		if got := portolan(exitFailure, live...); !strings.Contains(got, "the kernel has no chain of portolan") {
			t.Errorf("got %q", got)
		}
		portolan(exitOK, "render", "--to", "iptables", "--form", "restore", "--policy", policy, "-o", dir)
		for _, family := range []struct{ rules, program string }{{"rules.v4", "iptables"}, {"rules.v6", "ip6tables"}} {
			data, err := os.ReadFile(filepath.Join(dir, family.rules))
			if err != nil {
				t.Fatal(err)
			}
			do(string(data), family.program+"-restore", "--noflush")
		}
		if got := portolan(exitFindings, live...); !strings.Contains(got, "nothing leads into the chain PL-IN") {
			t.Errorf("got %q", got)
		}
		do("", "iptables", "-I", "INPUT", "1", "-j", "PL-IN")
		do("", "ip6tables", "-I", "INPUT", "1", "-j", "PL-IN")
		do("", "iptables", "-A", "INPUT", "-p", "tcp", "--dport", "9999", "-j", "ACCEPT") // of somebody else
		if got := portolan(exitOK, live...); !strings.Contains(got, "the kernel's iptables means") {
			t.Errorf("got %q", got)
		}
		do("", "iptables", "-I", "PL-IN", "1", "-p", "tcp", "--dport", "8080", "-j", "ACCEPT", "-m", "comment", "--comment", "a hole")
		got := portolan(exitFindings, "verify", "--between", "--live", "--to", "iptables", policy)
		if !strings.HasPrefix(got, "closed  tcp 8080  from any IPv4 address\n    before: ") {
			t.Errorf("got %q", got)
		}
	})
}

// TestLiveRates: iptables-save lists 60/min as 1/sec, so a rate has to be written as it will
// be listed. The script of ours looks at what it has loaded, and so does verify.
func TestLiveRates(t *testing.T) {
	kernel.InNamespace(t, []string{"iptables", "ip6tables", "iptables-save", "ip6tables-save", "iptables-restore", "ip6tables-restore", "sh"}, func(t *testing.T) {
		dir := t.TempDir()
		policy := filepath.Join(dir, "p.hcl")
		var text strings.Builder
		for i, rate := range []string{"60/minute", "120/minute", "90/minute", "1000/hour", "3600/hour", "24/day", "999/day", "50/second"} {
			fmt.Fprintf(&text, "allow \"a%d\" {\n  ports = [\"%d/tcp\"]\n  limit = \"%s per source\"\n  log = \"%s\"\n}\n", i, 2000+i, rate, rate)
		}
		text.WriteString("allow \"ssh\" { ports = [\"22/tcp\", \"2022/tcp\"] }\ndefault { log = \"60/minute\" }\n")
		if err := os.WriteFile(policy, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		portolan := func(args ...string) {
			t.Helper()
			var out bytes.Buffer
			args = append(args, "--policy", policy, "--root", "../../testdata/hosts/ivr-01")
			if code := run(context.Background(), args, nil, &out, &out, os.Getenv); code != exitOK {
				t.Fatalf("%v: exit code %d\n%s", args, code, out.String())
			}
		}
		portolan("render", "--to", "iptables", "--form", "script", "-o", dir)
		t.Setenv("PORTOLAN_STATE", filepath.Join(dir, "state"))
		for _, word := range []string{"apply", "check"} {
			if out, err := kernel.Run("", "sh", filepath.Join(dir, "portolan-iptables.sh"), word); err != nil {
				t.Fatalf("%s: %v\n%s", word, err, out)
			}
		}
		portolan("verify", "--live", "--to", "iptables")
	})
}

// TestScriptKernel runs the stories that need a kernel's tables of their own, one after the other
// because they share them.
func TestScriptKernel(t *testing.T) {
	kernel.InNamespace(t, []string{"nft", "unshare", "ip", "script"}, func(t *testing.T) {
		testscript.RunT(inTurn{t}, stories(t, "../../testdata/script_kernel", func() error {
			_, err := kernel.Run("", "nft", "flush", "ruleset")
			return err
		}))
	})
}

// inTurn runs the stories one after the other.
type inTurn struct{ *testing.T }

func (t inTurn) Parallel()     {}
func (t inTurn) Verbose() bool { return testing.Verbose() }
func (t inTurn) Run(name string, f func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { f(inTurn{t}) })
}

func TestLook(t *testing.T) {
	a := &app{}
	if _, err := a.look(context.Background(), "no-such-program-of-portolan"); err == nil || !strings.Contains(err.Error(), "is not installed") {
		t.Errorf("got %v", err)
	}
	if out, err := a.look(context.Background(), "printf", "%s", "x"); err != nil || string(out) != "x" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := a.look(context.Background(), "sh", "-c", "echo 'Permission denied here' >&2; exit 4"); err == nil || !strings.Contains(err.Error(), "only root may read") {
		t.Errorf("got %v", err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := a.look(gone, "printf", "x"); err == nil {
		t.Error("a look after its time")
	}
	w := &bounded{most: 3}
	if n, err := w.Write([]byte("abcd")); n != 4 || err != nil || w.b.String() != "abc" || !w.over {
		t.Errorf("%d %v %q %v", n, err, w.b.String(), w.over)
	}
}
