package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portolan/internal/apply"
	"portolan/internal/kernel"
)

// TestScriptBoot runs the story of what a start of the host brings back, in a kernel's tables
// of its own.
func TestScriptBoot(t *testing.T) {
	kernel.InNamespace(t, []string{"nft", "unshare"}, func(t *testing.T) { stories(t, "../../testdata/script_boot") })
}

// TestWentBack: whoever changes the firewall ends with the same code when it went back.
func TestWentBack(t *testing.T) {
	err := wentBack(apply.WentBack{Cause: errors.New("not proved")})
	exit, ok := errors.AsType[*exitError](err)
	if !ok || exit.code != exitRolledBack || err.Error() != "the old rules are in force again: not proved" {
		t.Errorf("%v", err)
	}
	plain := errors.New("no table")
	if err := wentBack(plain); err != plain {
		t.Errorf("%v", err)
	}
}

// TestClockJumps: the kernel counts the time that passes, so a clock that is wrong, or set to
// another time while a change waits, neither ends the wait nor makes it longer.
func TestClockJumps(t *testing.T) {
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		dir := t.TempDir()
		policy := filepath.Join(dir, "p.hcl")
		if err := os.WriteFile(policy, []byte("allow \"ssh\" { ports = [\"22/tcp\", \"2022/tcp\"] }\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		portolan := func(clock time.Time, want string, args ...string) {
			t.Helper()
			var out bytes.Buffer
			a := &app{stdout: &out, stderr: &out, getenv: func(string) string { return "" }, now: func() time.Time { return clock }}
			root := a.root()
			root.SetArgs(append(args, "--state-dir", filepath.Join(dir, "state")))
			if err := root.ExecuteContext(context.Background()); err != nil {
				out.WriteString(err.Error())
			}
			if !strings.Contains(out.String(), want) {
				t.Errorf("%v: %s", args, &out)
			}
		}
		past, future := time.Unix(0, 0), time.Now().AddDate(30, 0, 0)
		arm := []string{"apply", "--yes", "--policy", policy, "--root", "../../testdata/hosts/ivr-01", "--confirm-within"}
		portolan(past, "log in anew", append(arm, "1h")...)
		portolan(future, "waits to be confirmed for ", "status")
		portolan(future, "is left alone", "apply", "--boot", "--yes")
		portolan(future, "confirmed: state 1", "confirm")
		portolan(past, "state 1", "status")
		if err := os.WriteFile(policy, []byte("allow \"ssh\" { ports = [\"22/tcp\"] }\nallow \"more\" { ports = [\"2022/tcp\", \"80/tcp\"] }\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		portolan(future, "log in anew", append(arm, "1s")...)
		time.Sleep(1200 * time.Millisecond) // the kernel's time, which no test can move
		portolan(past, "the kernel is back on the old rules", "confirm")
	})
}
