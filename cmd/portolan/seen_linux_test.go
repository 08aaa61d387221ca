package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portolan/internal/apply"
	"portolan/internal/history"
	"portolan/internal/kernel"
)

// TestSeen: what is remembered of the kernel is what the kernel has, as long as nobody has changed
// any table, and it is not used when rules are written anew, whose counters go on.
func TestSeen(t *testing.T) {
	kernel.InNamespace(t, []string{"nft", "ip"}, func(t *testing.T) {
		dir := t.TempDir()
		state := filepath.Join(dir, "state")
		k, err := apply.OpenKernel()
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		store := func() *history.Store {
			s, err := history.Open(state)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		seen := func() *live { return (&pilot{app: &app{now: time.Now}, kernel: k, store: store()}).seen() }
		portolan := func(want int, words, policy string) {
			t.Helper()
			file := filepath.Join(dir, "p.hcl")
			if err := os.WriteFile(file, []byte(policy), 0o644); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			args := []string{"apply", "--yes", "--no-confirm", "--policy", file, "--root", "../../testdata/hosts/ivr-01", "--state-dir", state}
			if code := run(context.Background(), args, nil, &out, &out, func(string) string { return "" }); code != want || !strings.Contains(out.String(), words) {
				t.Fatalf("exit code %d, want %d and %q\n%s", code, want, words, out.String())
			}
		}
		nft := func(args ...string) string {
			t.Helper()
			out, err := kernel.Run("", "nft", args...)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			return out
		}
		policy := func(ports, more string) string {
			return fmt.Sprintf("allow \"ssh\" {\n  service = \"sshd\"\n}\nallow \"a\" {\n  ports = [%s]\n%s}\n", ports, more)
		}
		same := func() {
			t.Helper()
			s, err := k.Read()
			if got := seen(); err != nil || got == nil || got.hash() != s.Hash() || got.state.Hash() != s.Hash() || got.state.Generation != s.Generation {
				t.Fatalf("remembered is %+v, and the kernel has %+v, %v", got, s, err)
			}
		}
		if seen() != nil {
			t.Error("something is remembered before there was anything")
		}
		portolan(exitOK, "state 1", policy(`"8000/tcp"`, ""))
		same()
		portolan(exitOK, "state 2", policy(`"8001/tcp"`, "")) // elements alone, from what is remembered
		same()
		portolan(exitOK, "nothing to change", policy(`"8001/tcp"`, ""))
		same()

		// Packets are counted behind the generation that is remembered.
		nft("add", "table", "ip", "theirs")
		if seen() != nil {
			t.Error("it is believed although somebody has changed a table")
		}
		portolan(exitOK, "state 3", policy(`"8002/tcp"`, ""))
		same()
		talk(t)
		portolan(exitOK, "state 4", policy(`"8002/tcp"`, "}\nallow \"b\" {\n  protocols = [\"gre\"]\n"))
		if loopback := nft("list", "chain", "inet", "portolan", "input"); !strings.Contains(loopback, "iifname \"lo\"") || strings.Contains(loopback, "iifname \"lo\" counter packets 0 ") {
			t.Errorf("what was counted is lost:\n%s", loopback)
		}

		// Behind a table that was written anew something was taken away, and nothing read again.
		if seen() != nil {
			t.Error("something is remembered that was not read")
		}
		portolan(exitOK, "nothing to change", policy(`"8002/tcp"`, "}\nallow \"b\" {\n  protocols = [\"gre\"]\n"))

		// What somebody has written into the file is not used, and does no harm.
		same()
		file := filepath.Join(state, "kernel.seen")
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, spoil := range []func([]byte) []byte{
			func(b []byte) []byte { return b[:len(b)-1] },
			func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
			func(b []byte) []byte { return nil },
			func(b []byte) []byte { return append(b, b...) },
		} {
			if err := os.WriteFile(file, spoil(bytes.Clone(whole)), 0o600); err != nil {
				t.Fatal(err)
			}
			if seen() != nil {
				t.Errorf("spoil %d: it is used", i)
			}
		}
		portolan(exitOK, "nothing to change", policy(`"8002/tcp"`, "}\nallow \"b\" {\n  protocols = [\"gre\"]\n"))

		// The same generation of another namespace has another name.
		g, err := k.Generation()
		if err != nil {
			t.Fatal(err)
		}
		other := make(chan string)
		go func() {
			runtime.LockOSThread() // the thread ends with the goroutine
			defer close(other)
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return
			}
			if k, err := apply.OpenKernel(); err == nil {
				defer k.Close()
				other <- k.Moment(g)
			}
		}()
		if name := <-other; name == "" || name == k.Moment(g) {
			t.Errorf("%q here and %q there", k.Moment(g), name)
		}
	})
}

// talk has a packet pass the loopback interface.
func talk(t *testing.T) {
	t.Helper()
	_, err := kernel.Run("", "ip", "link", "set", "lo", "up")
	var to net.Conn
	if err == nil {
		to, err = net.Dial("udp", "127.0.0.1:9")
	}
	if err == nil {
		_, err = to.Write([]byte("x"))
	}
	if err != nil {
		t.Fatal(err)
	}
	to.Close()
}
