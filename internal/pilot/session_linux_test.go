package pilot

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"portolan/internal/kernel"
)

// line is a command for a shell.
func line(cmd *exec.Cmd) string {
	words := []string{"cd", cmd.Dir, "&&"}
	for _, a := range cmd.Args {
		words = append(words, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	return strings.Join(words, " ")
}

// withSSH is inNamespace with a daemon of OpenSSH on the host, and a session of the peer.
func withSSH(t *testing.T, body func(t *testing.T, p *place, ssh *kernel.SSH, session *kernel.Session)) {
	kernel.Beside(t)
	build(t)
	kernel.AsRoot(t, append(kernel.SSHPrograms(), "nft"), func(t *testing.T) {
		p := newPlace(t)
		ssh, err := kernel.NewSSH(p.link, t.TempDir())
		p.must(err)
		defer ssh.Close()
		session, err := ssh.Session()
		p.must(err)
		defer session.Close()
		body(t, p, ssh, session)
	})
}

// cutting is a policy under which only others can log in.
const cutting = `
allow "ssh" {
  ports = ["22/tcp"]
  from  = ["10.1.0.0/16"]
}
default { output = "drop" }
`

// TestCutSession is the reason for it all: who makes the first firewall of a host, and has
// forgotten the network that the own session comes from, gets it back when nobody confirms.
//
// Rules of a host that tracks connections already let an open session go on, whatever they
// say of new ones. On one that has not, its packets are the first ones of a connection.
func TestCutSession(t *testing.T) {
	withSSH(t, func(t *testing.T, p *place, ssh *kernel.SSH, session *kernel.Session) {
		cut := p.policy("cut", cutting)
		const window = 4 * time.Second
		for _, cmd := range []*exec.Cmd{p.arm(cut, window), p.apply(cut)} {
			p.unchanged(func() {
				out, code, err := session.Do(line(cmd), 20*time.Second)
				if err != nil || code != 1 {
					t.Fatalf("a session that would be cut: exit code %d, %v\n%s", code, err, out)
				}
				for _, want := range []string{"connections of administrators that would be cut", kernel.PeerV4.String(), "is dropped by", "--cut-me-off"} {
					if !strings.Contains(out, want) {
						t.Errorf("the refusal does not say %q:\n%s", want, out)
					}
				}
			})
		}
		start := time.Now()
		// Whether its last words still get out is as it may be.
		if out, code, err := session.Do(line(p.arm(cut, window, "--cut-me-off")), time.Second); err != nil && !errors.Is(err, kernel.ErrSilent) || code != 0 {
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
		p.must(session.Alive(30 * time.Second))
		t.Logf("the session is back after %v; the window is %v, and TCP tries again ever more seldom", time.Since(start).Round(time.Millisecond), window)
		if _, err := ssh.Run(t.Context(), "true"); err != nil {
			t.Error(err)
		}
		p.do(p.back())
		if l, err := live(); err != nil || l != nil {
			t.Errorf("there was no firewall, and now there is: %v", err)
		}
		p.must(session.Alive(10 * time.Second))
	})
}

// TestCutByChange: a change that nobody is asked about goes back by itself when it cuts the session
// of an administrator.
func TestCutByChange(t *testing.T) {
	withSSH(t, func(t *testing.T, p *place, ssh *kernel.SSH, session *kernel.Session) {
		cut := p.policy("cut", cutting)
		out, code, err := session.Do(line(p.apply(cut, "--cut-me-off")), 30*time.Second)
		if err != nil || code != 4 || !strings.Contains(out, "the old rules are in force again") || !strings.Contains(out, "is cut") {
			t.Fatalf("exit code %d, %v\n%s", code, err, out)
		}
		if l, err := live(); err != nil || l != nil {
			t.Errorf("there was no firewall, and now there is: %v", err)
		}
		p.must(session.Alive(10 * time.Second))
	})
}

// TestSessionSurvives: changes that let administrators in do not touch their sessions, nor keep
// anybody from logging in.
func TestSessionSurvives(t *testing.T) {
	withSSH(t, func(t *testing.T, p *place, ssh *kernel.SSH, session *kernel.Session) {
		old, new := p.two()
		for i, cmd := range []*exec.Cmd{p.apply(old), p.apply(new), p.arm(old, armedFor), p.confirm(), p.arm(new, armedFor), p.back(), p.apply(new)} {
			// A session that stalls would be sent again after 0.2 s at the earliest.
			out, code, err := session.Do(line(cmd), 20*time.Second)
			if err != nil || code != 0 {
				t.Fatalf("command %d: exit code %d, %v\n%s", i, code, err, out)
			}
			p.must(session.Alive(5 * time.Second))
			if _, err := ssh.Run(t.Context(), "true"); err != nil {
				t.Fatalf("behind command %d nobody can log in: %v", i, err)
			}
		}
		p.must(p.tidy(new))
	})
}

// waits waits until something waits to be confirmed.
func (p *place) waits(within time.Duration) {
	p.t.Helper()
	for start := time.Now(); time.Since(start) < within; time.Sleep(5 * time.Millisecond) {
		l, err := live()
		p.must(err)
		if l != nil && l.Waiting {
			return
		}
	}
	p.t.Fatal("nothing waits to be confirmed")
}

// TestProbe: a change that nobody is asked about goes back by itself when it cuts the host off
// from what it has to reach.
func TestProbe(t *testing.T) {
	kernel.Beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		var listener net.Listener
		address := net.JoinHostPort(kernel.PeerV4.String(), "636")
		p.must(p.link.AsPeer(func() (err error) {
			listener, err = net.Listen("tcp", address)
			return err
		}))
		defer listener.Close()
		old := p.policy("open", closed)
		drops := p.policy("drops", closed+"connect \"dns\" { ports = [\"53/udp\"] }\ndefault { output = \"drop\" }\n")
		knows := p.policy("knows", closed+"connect \"ldaps\" { ports = [\"636/tcp\"] }\ndefault { output = \"drop\" }\n")
		p.do(p.apply(old))
		p.ends(4, p.apply(drops, "--probe", "tcp:"+address), "the old rules are in force again", address)
		p.must(p.tidy(old))
		p.ends(0, p.apply(knows, "--probe", "tcp:"+address))
		p.must(p.tidy(knows))
		// Whoever interrupts it while it probes has the old rules.
		waits := p.apply(drops, "--probe", "tcp:"+address)
		p.must(waits.Start())
		p.waits(10 * time.Second)
		p.must(waits.Process.Signal(syscall.SIGTERM))
		if err := waits.Wait(); exitOf(err) != 130 {
			t.Errorf("an interrupted one: %v", err)
		}
		p.must(p.tidy(knows))
		p.must(listener.Close()) // the new rules let it out, but nobody answers
		p.ends(4, p.apply(old, "--probe", "tcp:"+address), "the old rules are in force again")
		p.must(p.tidy(knows))
	})
}
