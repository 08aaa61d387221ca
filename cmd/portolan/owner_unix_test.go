//go:build unix

package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTrustsOwner(t *testing.T) {
	for _, c := range []struct {
		owner, user int
		sudo        string
		want        bool
	}{
		{0, 1000, "", true},
		{1000, 1000, "", true},
		{1001, 1000, "", false},
		{1001, 1000, "1001", false}, // anybody can set a variable for himself
		{1001, 0, "", false},
		{1001, 0, "1001", true},
		{1002, 0, "1001", false},
		{0, 0, "", true},
	} {
		if got := trustsOwner(c.owner, c.user, c.sudo); got != c.want {
			t.Errorf("trustsOwner(%d, %d, %q) = %v", c.owner, c.user, c.sudo, got)
		}
	}
}

// TestPlantedPolicy holds that a policy of somebody else is refused where it is found, and
// so is one of ours behind a link of somebody else.
func TestPlantedPolicy(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to somebody else")
	}
	const stranger = 12345
	for name, plant := range map[string]func(dir string) error{
		"a file": func(dir string) error {
			name := filepath.Join(dir, policyFile)
			if err := os.WriteFile(name, []byte("allow \"all\" {}\n"), 0o644); err != nil {
				return err
			}
			return os.Chown(name, stranger, stranger)
		},
		"a link": func(dir string) error {
			name := filepath.Join(dir, policyFile)
			if err := os.WriteFile(filepath.Join(dir, "ours.hcl"), []byte("allow \"all\" {}\n"), 0o644); err != nil {
				return err
			}
			if err := os.Symlink("ours.hcl", name); err != nil {
				return err
			}
			return os.Lchown(name, stranger, stranger)
		},
		"a link of ours": func(dir string) error {
			name := filepath.Join(dir, "theirs.hcl")
			if err := os.WriteFile(name, []byte("allow \"all\" {}\n"), 0o644); err != nil {
				return err
			}
			if err := os.Chown(name, stranger, stranger); err != nil {
				return err
			}
			return os.Symlink("theirs.hcl", filepath.Join(dir, policyFile))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := plant(dir); err != nil {
				t.Fatal(err)
			}
			below := filepath.Join(dir, "a", "b")
			if err := os.MkdirAll(below, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Chdir(below)
			a := &app{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}
			f, err := a.policySource(&input{})
			if f != nil || err == nil || !strings.Contains(err.Error(), "name it with --policy ../../portolan.hcl") {
				t.Errorf("%v, %v", f, err)
			}
			f, err = a.policySource(&input{policy: "../../" + policyFile})
			if f == nil || err != nil {
				t.Errorf("named: %v", err)
			}
			a.getenv = func(name string) string { return map[string]string{"SUDO_UID": "12345"}[name] }
			if f, err = a.policySource(&input{}); f == nil || err != nil {
				t.Errorf("after sudo of its owner: %v", err)
			}
		})
	}
}
