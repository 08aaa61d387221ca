package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"portolan/internal/history"
	"portolan/internal/kernel"
)

// TestClock: the wall clock jumps between commands. What waits, waits as long as the kernel
// says, and what is remembered has its order by its numbers.
func TestClock(t *testing.T) {
	kernel.InNamespace(t, nil, func(t *testing.T) {
		root, states := t.TempDir(), filepath.Join(t.TempDir(), "states")
		if err := os.MkdirAll(filepath.Join(root, "etc/ssh"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "etc/ssh/sshd_config"), []byte("Port 22\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		policies := map[string]string{}
		for _, port := range []string{"80", "81", "82"} {
			policies[port] = filepath.Join(t.TempDir(), "portolan.hcl")
			text := "allow \"ssh\" { ports = [\"22/tcp\"] }\nallow \"web\" { ports = [\"" + port + "/tcp\"] }\n"
			if err := os.WriteFile(policies[port], []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		clock := func(year int) time.Time { return time.Date(year, 11, 26, 12, 0, 0, 0, time.UTC) }
		// at says a command in a year, and is what it says to people and to programs.
		at := func(year, code int, says string, args ...string) string {
			t.Helper()
			var out bytes.Buffer
			a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &out, getenv: noEnv, now: func() time.Time { return clock(year) }}
			got := a.run(t.Context(), append(args, "--state-dir", states))
			if got != code || !strings.Contains(out.String(), says) {
				t.Fatalf("in %d: %v: exit code %d, want %d and %q\n%s", year, args, got, code, says, out.String())
			}
			return out.String()
		}
		apply := func(port string, more ...string) []string {
			return append([]string{"apply", "--yes", "--root", root, "--policy", policies[port]}, more...)
		}
		at(2026, exitOK, "state 1", apply("80", "--no-confirm")...)
		at(1970, exitOK, "and then the old rules again", apply("81", "--confirm-within", "50s")...)
		for _, year := range []int{1970, 1969, 2037, 2262} { // long before, and long after it would be over
			at(year, exitOK, "a change that waits to be confirmed for ", "status")
			at(year, exitFindings, "nothing is changed, because a change waits to be confirmed", apply("82", "--no-confirm")...)
			at(year, exitOK, "is left alone", "apply", "--boot", "--yes")
			_, rest, _ := strings.Cut(at(year, exitOK, "\nportolan_pending_seconds ", "status", "--format", "prometheus"), "\nportolan_pending_seconds ")
			line, _, _ := strings.Cut(rest, "\n")
			if left, err := strconv.ParseFloat(line, 64); err != nil || left <= 0 || left > 50 {
				t.Errorf("in %d: %q seconds are left of 50", year, line)
			}
		}
		at(2000, exitOK, "confirmed: state 2 ", "confirm")
		at(1980, exitOK, "in force: state 2 of 1970-11-26", "status", "--exit-code")
		at(1975, exitOK, "state 2 is in force already", "apply", "--boot", "--yes")
		at(1971, exitOK, "state 3", "rollback", "--yes", "--no-confirm") // to the one before by number, not by time
		at(2030, exitOK, "in force: state 3 of 1971-11-26", "status", "--exit-code")

		// A time that is over is over, also when the clock has not got that far.
		at(2026, exitOK, "and then the old rules again", apply("82", "--confirm-within", "1s")...)
		time.Sleep(1100 * time.Millisecond)
		at(1999, exitOK, "nobody confirmed", "status")
		at(1999, exitRolledBack, "nobody confirmed the change in time", "confirm")
		at(1998, exitFailure, "nothing waits to be confirmed", "confirm")
		at(1998, exitOK, "in force: state 3 ", "status", "--exit-code")

		store, err := history.Open(states)
		if err != nil {
			t.Fatal(err)
		}
		list, err := store.List()
		if err != nil || len(list.Kept) != 3 || list.Pending != nil {
			t.Fatalf("%+v, %v", list, err)
		}
		for i, want := range []history.Record{{Number: 3, Time: clock(1971)}, {Number: 2, Time: clock(1970), Confirmed: clock(2000)}, {Number: 1, Time: clock(2026)}} {
			if got := list.Kept[i]; got.Number != want.Number || !got.Time.Equal(want.Time) || !got.Confirmed.Equal(want.Confirmed) {
				t.Errorf("state %d: %+v", want.Number, got)
			}
		}
	})
}
