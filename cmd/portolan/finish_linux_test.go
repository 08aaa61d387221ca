package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"portolan/internal/history"
	"portolan/internal/kernel"
)

// TestConfirmKilled: who confirms is killed when the kernel keeps the change and the folder does
// not say so yet. The next confirm or boot says it, and does not go back to what was before;
// what was never confirmed is not kept by them.
func TestConfirmKilled(t *testing.T) {
	kernel.InNamespace(t, nil, func(t *testing.T) {
		dir := t.TempDir()
		policies := map[string]string{}
		for name, ports := range map[string]string{"old": `"22/tcp", "2022/tcp"`, "new": `"22/tcp", "2022/tcp", "8443/tcp"`} {
			policies[name] = filepath.Join(dir, name+".hcl")
			if err := os.WriteFile(policies[name], []byte("allow \"a\" {\n  ports = ["+ports+"]\n}\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		state := filepath.Join(dir, "state")
		portolan := func(want int, words string, args ...string) {
			t.Helper()
			var out bytes.Buffer
			if code := run(context.Background(), append(args, "--state-dir", state), nil, &out, &out, func(string) string { return "" }); code != want || !strings.Contains(out.String(), words) {
				t.Fatalf("%v: exit code %d, want %d and %q\n%s", args, code, want, words, out.String())
			}
		}
		apply := func(name string, more ...string) []string {
			return append([]string{"apply", "--yes", "--policy", policies[name], "--root", "../../testdata/hosts/ivr-01"}, more...)
		}
		// killed has the change to a policy be in force and only wait in the folder.
		killed := func(name string, confirmed bool) {
			t.Helper()
			portolan(exitOK, "and then the old rules again", apply(name, "--confirm-within", "1m")...)
			s, err := history.Open(state)
			if err != nil {
				t.Fatal(err)
			}
			record, table, err := s.Pending()
			if err != nil {
				t.Fatal(err)
			}
			portolan(exitOK, "confirmed", "confirm")
			list, err := s.List()
			if err == nil {
				err = os.Remove(filepath.Join(state, strconv.Itoa(list.Kept[0].Number)+".state"))
			}
			var w *history.Writer
			if err == nil {
				w, err = s.Lock(context.Background(), nil)
			}
			if err == nil {
				if confirmed {
					record.Confirmed = time.Now()
				}
				err = w.SetPending(record, table)
			}
			if err == nil {
				err = w.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		portolan(exitOK, "remembered as state 1", apply("old", "--no-confirm")...)

		killed("new", true)
		portolan(exitOK, "confirmed: state 2 is in force", "confirm")
		portolan(exitFailure, "nothing waits", "confirm")
		portolan(exitOK, "state 2 is in force already", "apply", "--boot", "--yes")

		killed("old", true)
		portolan(exitOK, "what it put into force is remembered as state 3", "apply", "--boot", "--yes")
		portolan(exitOK, "state 3 is in force already", "apply", "--boot", "--yes")

		killed("new", false)
		portolan(exitFailure, "nothing waits", "confirm")
		portolan(exitOK, "restored state 3", "apply", "--boot", "--yes")
	})
}
