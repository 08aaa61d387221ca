package kernel

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestSSH cuts a session on purpose, sees it hang, mends the rules and sees it go on.
func TestSSH(t *testing.T) {
	Beside(t)
	AsRoot(t, append(SSHPrograms(), "nft"), func(t *testing.T) {
		link, err := NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		s, err := NewSSH(link, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if out, err := s.Run(t.Context(), "echo $SSH_CONNECTION; exit 0"); err != nil || !strings.HasPrefix(out, PeerV4.String()+" ") || !strings.HasSuffix(out, " "+HostV4.String()+" 22\n") {
			t.Fatalf("%q, %v", out, err)
		}
		if out, err := s.Run(t.Context(), "echo no >&2; exit 3"); err == nil || out != "no\n" {
			t.Errorf("%q, %v", out, err)
		}
		x, err := s.Session()
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		for _, c := range []struct {
			command, out string
			code         int
		}{{"echo a; echo b >&2", "a\nb\n", 0}, {"printf x; false", "x", 1}, {"cat; true", "", 0}, {"sh -c 'exit 4'", "", 4}} {
			if out, code, err := x.Do(c.command, 10*time.Second); err != nil || out != c.out || code != c.code {
				t.Errorf("%s: %q, %d, %v", c.command, out, code, err)
			}
		}
		const cut = "table inet t { chain i { type filter hook input priority 0; policy drop; iifname lo accept; }; }"
		if _, err := Run(cut, "nft", "-f", "-"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := x.Do("echo late", 500*time.Millisecond); !errors.Is(err, ErrSilent) {
			t.Errorf("a session that is cut: %v", err)
		}
		if _, err := Run("", "nft", "delete", "table", "inet", "t"); err != nil {
			t.Fatal(err)
		}
		if out, _, err := x.Do("echo here", 20*time.Second); err != nil || out != "here\n" {
			t.Errorf("a session that was cut does not come back: %q, %v", out, err)
		}
		// The shell behind the session ends.
		if _, _, err := x.Do("exit 0", 10*time.Second); err == nil || errors.Is(err, ErrSilent) {
			t.Errorf("a session that has ended: %v", err)
		}
	})
}
