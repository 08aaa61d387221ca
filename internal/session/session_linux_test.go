package session_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"portolan/internal/kernel"
	"portolan/internal/port"
	"portolan/internal/session"
)

// server names the environment variable that makes the test binary a server of logins: what
// is asked of it is in the name under which it is started.
const server = "PORTOLAN_TEST_SERVER"

func TestMain(m *testing.M) {
	if address := os.Getenv(server); address != "" {
		if err := serve(address); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve says when it listens, and of each connection what it is; a line that comes goes back.
// It ends with its standard input.
func serve(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Println("accepted")
			go io.Copy(c, c)
		}
	}()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// start starts the test binary under another name, until the test ends.
func start(t *testing.T, name, address string, extra ...string) (pid int, next func(want string)) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, raw, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env = append(append(os.Environ(), server+"="+address), extra...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	next = func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("%s says %q, want %q", name, lines.Text(), want)
		}
	}
	next("listening")
	return cmd.Process.Pid, next
}

// dial connects as the peer.
func dial(t *testing.T, link *kernel.Link, to netip.AddrPort) net.Conn {
	t.Helper()
	var c net.Conn
	err := link.AsPeer(func() (err error) {
		c, err = net.DialTimeout("tcp", to.String(), 5*time.Second)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// echo sends a line and waits for it.
func echo(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

func withoutZone(c net.Addr) netip.AddrPort {
	a := netip.MustParseAddrPort(c.String())
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// TestSessionsOfTheKernel: real connections to processes with the names of servers of logins.
func TestSessionsOfTheKernel(t *testing.T) {
	kernel.InNamespace(t, nil, func(t *testing.T) {
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		sshd, accepted := start(t, "sshd", "[::]:22")
		_, acceptedToo := start(t, "httpd", "[::]:80")
		v4 := dial(t, link, netip.AddrPortFrom(kernel.HostV4, 22)) // mapped into IPv6 there
		accepted("accepted")
		v6 := dial(t, link, netip.AddrPortFrom(kernel.HostV6, 22))
		accepted("accepted")
		dial(t, link, netip.AddrPortFrom(kernel.HostV4, 80))
		acceptedToo("accepted")
		self, err := net.Dial("tcp", "127.0.0.1:22")
		if err != nil {
			t.Fatal(err)
		}
		defer self.Close()
		accepted("accepted")

		interfaces, err := session.Interfaces()
		if err != nil {
			t.Fatal(err)
		}
		p := withoutZone(v4.LocalAddr())
		variable := fmt.Sprintf("%s %d %s 22", p.Addr(), p.Port(), kernel.HostV4)
		found, err := session.Find(session.Proc(), func(string) string { return variable }, os.Getpid(), interfaces)
		if err != nil || slices.Contains(found.Hidden, sshd) { // others may run on the machine around the namespace
			t.Fatalf("%+v, %v", found, err)
		}
		var got []string
		for _, s := range found.Sessions {
			if s.Process != "sshd" || s.PID != sshd || s.Proto != port.TCP || !s.Live || !s.LoggedIn {
				continue // of the machine around the namespace
			}
			got = append(got, fmt.Sprintf("%s %s %s own %v %q", s.Peer, s.Local, s.Interface, s.Own, s.From))
		}
		from := fmt.Sprintf("socket of sshd, process %d", sshd)
		want := []string{
			fmt.Sprintf("%s %s:22 %s own true %q", withoutZone(v4.LocalAddr()), kernel.HostV4, kernel.HostInterface, []string{from, "SSH_CONNECTION"}),
			fmt.Sprintf("%s 127.0.0.1:22 lo own false %q", withoutZone(self.LocalAddr()), []string{from}),
			fmt.Sprintf("%s [%s]:22 %s own false %q", withoutZone(v6.LocalAddr()), kernel.HostV6, kernel.HostInterface, []string{from}),
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestLifeOfTheKernel: one session whose answers are dropped, one that goes on, and one of
// which nobody makes use.
func TestLifeOfTheKernel(t *testing.T) {
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		_, accepted := start(t, "sshd", "[::]:22")
		conns := map[string]net.Conn{}
		for name, address := range map[string]netip.Addr{"answers dropped": kernel.HostV4, "all dropped": kernel.HostV6, "goes on": kernel.HostV6, "idle": kernel.HostV4, "closed": kernel.HostV4} {
			conns[name] = dial(t, link, netip.AddrPortFrom(address, 22))
			accepted("accepted")
			echo(t, conns[name])
		}
		of := func(name string) session.Session {
			c := conns[name]
			return session.Session{Proto: port.TCP, Peer: withoutZone(c.LocalAddr()), Local: withoutZone(c.RemoteAddr())}
		}
		time.Sleep(50 * time.Millisecond) // the last acknowledgements are on their way
		before, err := session.Look()
		if err != nil {
			t.Fatal(err)
		}
		change := time.Now()
		rules := fmt.Sprintf(`table inet t {
	chain i { type filter hook input priority 0; tcp sport %[2]d drop; }
	chain o { type filter hook output priority 0; tcp dport { %[1]d, %[2]d } drop; }
}`, of("answers dropped").Peer.Port(), of("all dropped").Peer.Port())
		if _, err := kernel.Run(rules, "nft", "-f", "-"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // behind the tick in which the change was
		if _, err := conns["answers dropped"].Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := conns["all dropped"].Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		echo(t, conns["goes on"])
		conns["closed"].Close()
		// What this host never hears of, it sends nothing about.
		want := map[string]session.Answer{"answers dropped": session.Cut, "all dropped": session.Idle, "goes on": session.Alive, "idle": session.Idle, "closed": session.Cut}
		var text string
		for wait := 50 * time.Millisecond; wait < 5*time.Second; wait *= 2 {
			time.Sleep(wait)
			after, err := session.Look()
			if err != nil {
				t.Fatal(err)
			}
			text = ""
			for name, answer := range want {
				if a, why := session.Compare(of(name), before, after, change); a != answer {
					l, _ := after.Of(of(name))
					text += fmt.Sprintf("%s: %s, %s, want %s: %+v\n", name, a, why, answer, l)
				}
			}
			if text == "" {
				return
			}
		}
		t.Error(text)
	})
}

// TestProbeOfTheKernel: a service that is there, one that is not, and one behind a wall.
func TestProbeOfTheKernel(t *testing.T) {
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		l, err := net.Listen("tcp", "[::1]:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		there := session.Probe{Host: "::1", Port: uint16(l.Addr().(*net.TCPAddr).Port)}
		var d net.Dialer
		if err := there.Try(t.Context(), d.DialContext); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		once := func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := d.DialContext(ctx, network, address)
			if errors.Is(err, syscall.ECONNREFUSED) {
				t.Log("refused") // the next attempt is a second away
			}
			return c, err
		}
		if err := (session.Probe{Host: "127.0.0.1", Port: 1}).Try(ctx, once); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a port where nobody listens: %v", err)
		}
		if _, err := kernel.Run("table inet t { chain i { type filter hook input priority 0; tcp dport 1-65535 ct state new drop; }; }", "nft", "-f", "-"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := there.Try(ctx, d.DialContext); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("behind a wall: %v", err)
		}
	})
}
