package pilot

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"portolan/internal/kernel"
)

// TestStateFolder: where nothing can be written down, nothing is changed; and what is armed
// already goes back.
func TestStateFolder(t *testing.T) {
	if !change.pilots() {
		t.Skip(change.name() + " keeps no state, so that no disk of it can be full")
	}
	beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		disk, err := kernel.NewDisk(p.state, 256<<10)
		if err != nil {
			t.Fatal(err)
		}
		defer disk.Close()
		old, new := p.policy("a", variant(variants[0].holes)), p.policy("closed", closed)
		p.do(change.apply(p, old))
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			name       string
			make, mend func() error
		}{
			{"full", disk.Fill, disk.Free},
			{"read-only", func() error { return disk.ReadOnly(true) }, func() error { return disk.ReadOnly(false) }},
		} {
			must(c.make())
			before, err := kernel.Generation()
			must(err)
			for name, args := range map[string][]string{
				"apply": {"apply", "--yes", "--no-confirm"},
				"arm":   {"apply", "--yes", "--confirm-within", "3s"},
			} {
				_, talk, code := p.portolan(append(args, "--policy", new, "--root", p.root, "--state-dir", p.state)...)
				if code != 3 || talk == "" {
					t.Errorf("%s disk, %s: exit code %d, %q", c.name, name, code, talk)
				}
			}
			if after, err := kernel.Generation(); err != nil || after != before {
				t.Errorf("%s disk: the kernel's rules were changed: %d generations, %v", c.name, after-before, err)
			}
			p.means(old)
			must(c.mend())
			const window = 3 * time.Second
			p.do(change.arm(p, new, window))
			must(c.make())
			p.reaches(time.Second, " 80", 80, 8443)
			p.reaches(window+time.Second, " 80 8443", 80, 8443)
			p.means(old)
			must(c.mend())
			p.do(change.back(p))
		}
	})
}

// line is a command for a shell.
func line(cmd *exec.Cmd) string {
	words := []string{"cd", cmd.Dir, "&&"}
	if cmd.Dir == "" {
		words = nil
	}
	for _, a := range cmd.Args {
		words = append(words, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	return strings.Join(words, " ")
}

// TestCutSession is the reason for it all: who makes the first firewall of a host, and has
// forgotten the network that the own session comes from, gets it back when nobody confirms.
//
// Rules of a host that tracks connections already let an open session go on, whatever they
// say of new ones. On one that has not, its packets are the first ones of a connection.
func TestCutSession(t *testing.T) {
	beside(t)
	build(t)
	kernel.AsRoot(t, append(kernel.SSHPrograms(), "nft"), func(t *testing.T) {
		p := newPlace(t)
		ssh, err := kernel.NewSSH(p.link, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer ssh.Close()
		cut := p.policy("cut", "allow \"ssh\" {\n  ports = [\"22/tcp\"]\n  from = [\"10.1.0.0/16\"]\n}\ndefault { output = \"drop\" }\n")
		session, err := ssh.Session()
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		const window = 4 * time.Second
		if change.pilots() {
			before, err := kernel.Generation()
			if err != nil {
				t.Fatal(err)
			}
			out, code, err := session.Do(line(change.arm(p, cut, window)), 20*time.Second)
			if err != nil || code != 1 {
				t.Fatalf("a session that would be cut: exit code %d, %v\n%s", code, err, out)
			}
			if after, err := kernel.Generation(); err != nil || after != before {
				t.Fatalf("what was refused has changed rules: %v", err)
			}
		}
		start := time.Now()
		// Whether its last words still get out is as it may be.
		if out, code, err := session.Do(line(change.arm(p, cut, window, "--cut-me-off")), time.Second); err != nil && !errors.Is(err, kernel.ErrSilent) || code != 0 {
			t.Fatalf("exit code %d, %v\n%s", code, err, out)
		}
		if err := session.Alive(time.Second); !errors.Is(err, kernel.ErrSilent) {
			t.Fatalf("the session was not cut: %v", err)
		}
		soon, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		if _, err := ssh.Run(soon, "true"); err == nil {
			t.Error("somebody could log in meanwhile")
		}
		cancel()
		if err := session.Alive(30 * time.Second); err != nil {
			t.Fatal(err)
		}
		t.Logf("by %s: the session is back after %v; the window is %v, and TCP tries again ever more seldom", change.name(), time.Since(start).Round(time.Millisecond), window)
		if _, err := ssh.Run(t.Context(), "true"); err != nil {
			t.Error(err)
		}
		p.do(change.back(p))
		if list, err := kernel.Run("", "nft", "list", "table", "inet", "portolan"); err == nil && strings.Contains(list, " hook ") {
			t.Errorf("there was no firewall, and now there is\n%s", list)
		}
		if err := session.Alive(10 * time.Second); err != nil {
			t.Error(err)
		}
	})
}
