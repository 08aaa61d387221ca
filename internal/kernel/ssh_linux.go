package kernel

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// SSHPrograms are what NewSSH needs.
func SSHPrograms() []string { return []string{"sshd", "ssh", "ssh-keygen", "sh"} }

// An SSH is a daemon of OpenSSH on the host under test, at port 22 of both its addresses, and
// what the peer needs to log in as root with a key.
type SSH struct {
	link   *Link
	dir    string
	daemon *exec.Cmd
	ended  chan struct{}
	log    string
}

// NewSSH starts the daemon. It needs AsRoot: the daemon becomes another user. The accounts
// that it sees are those of a table of its own, and nothing is read of the machine's
// configuration. dir is an empty folder.
func NewSSH(l *Link, dir string) (*SSH, error) {
	if !Inside() {
		return nil, errors.New("a daemon needs a namespace, so that it does not listen on the machine")
	}
	s := &SSH{link: l, dir: dir, ended: make(chan struct{}), log: filepath.Join(dir, "log")}
	for _, key := range []string{"host", "login"} {
		if _, err := Run("", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", filepath.Join(dir, key)); err != nil {
			return nil, err
		}
	}
	public, err := os.ReadFile(filepath.Join(dir, "host.pub"))
	if err != nil {
		return nil, err
	}
	known := ""
	for _, a := range []string{HostV4.String(), HostV6.String()} {
		known += a + " " + string(public)
	}
	files := map[string]string{
		"known": known,
		// A "!" in the second field of shadow would lock the account.
		"passwd": "root:x:0:0:root:" + dir + ":/bin/sh\nsshd:x:65533:65533::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n",
		"shadow": "root:*:1::::::\nsshd:*:1::::::\nnobody:*:1::::::\n",
		"group":  "root:x:0:\nsshd:x:65533:\nnogroup:x:65534:\ntty:x:5:\n",
		"config": fmt.Sprintf(`Port 22
ListenAddress %s
ListenAddress [%s]
HostKey %s/host
AuthorizedKeysFile %[3]s/login.pub
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
StrictModes no
LogLevel VERBOSE
`, HostV4, HostV6, dir),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"passwd", "shadow", "group"} {
		if err := unix.Mount(filepath.Join(dir, name), "/etc/"+name, "", unix.MS_BIND, ""); err != nil {
			return nil, fmt.Errorf("/etc/%s of our own: %w", name, err)
		}
	}
	// What the daemon becomes before anybody has logged in lives in an empty folder, which
	// belongs to root alone.
	if err := unix.Mount("run", "/run", "tmpfs", 0, "mode=0755"); err != nil {
		return nil, fmt.Errorf("/run of our own: %w", err)
	}
	if err := os.Mkdir("/run/sshd", 0o755); err != nil {
		return nil, err
	}
	path, err := Program("sshd")
	if err != nil {
		return nil, err
	}
	s.daemon = exec.Command(path, "-D", "-e", "-f", filepath.Join(dir, "config")) // it wants its whole path
	log, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.daemon.Stderr = log
	if err := s.daemon.Start(); err != nil {
		return nil, err
	}
	go func() { _ = s.daemon.Wait(); close(s.ended) }()
	for range 200 {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(HostV4.String(), "22"), time.Second)
		if err == nil {
			return s, c.Close()
		}
		select {
		case <-s.ended:
			return nil, s.said(errors.New("sshd has ended"))
		case <-time.After(20 * time.Millisecond):
		}
	}
	err = s.said(errors.New("sshd does not listen"))
	return nil, errors.Join(err, s.Close())
}

// Close ends the daemon. Sessions go on.
func (s *SSH) Close() error {
	if err := s.daemon.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.ended
	return nil
}

// said adds the daemon's log to an error.
func (s *SSH) said(err error) error {
	log, _ := os.ReadFile(s.log)
	return fmt.Errorf("%w; sshd says:\n%s", err, log[max(0, len(log)-4000):])
}

// command is ssh as the peer would run it.
func (s *SSH) command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	path, err := Program("ssh")
	if err != nil {
		return nil, err
	}
	args = append([]string{
		"-F", "none", "-T", "-i", filepath.Join(s.dir, "login"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
		"-o", "UserKnownHostsFile=" + filepath.Join(s.dir, "known"), "-o", "GlobalKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=yes",
		"-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "ConnectTimeout=5", "-o", "LogLevel=ERROR", "root@" + HostV4.String(),
	}, args...)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "HOME="+s.dir)
	cmd.WaitDelay = time.Second
	return cmd, nil
}

// start starts a command among the peer's.
func (s *SSH) start(cmd *exec.Cmd) error { return s.link.AsPeer(cmd.Start) }

// Run logs in anew, runs one command of the shell and is what that writes, errors included.
func (s *SSH) Run(ctx context.Context, command string) (string, error) {
	cmd, err := s.command(ctx, command)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := s.start(cmd); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return out.String(), fmt.Errorf("by ssh: %w: %s", err, &out)
	}
	return out.String(), nil
}

// A Session is a login that lasts.
type Session struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // closed when the session has ended
	n     int         // commands so far
	talk  bytes.Buffer
}

// ErrSilent is what a session says that does not answer. It may answer later.
var ErrSilent = errors.New("the session does not answer")

// Session logs in and stays.
func (s *SSH) Session() (*Session, error) {
	cmd, err := s.command(context.Background(), "exec sh")
	if err != nil {
		return nil, err
	}
	x := &Session{cmd: cmd, lines: make(chan string, 1<<16)}
	if x.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = &x.talk
	if err := s.start(cmd); err != nil {
		return nil, err
	}
	go func() {
		for r := bufio.NewScanner(out); r.Scan(); {
			x.lines <- r.Text()
		}
		_ = cmd.Wait()
		close(x.lines)
	}()
	if err := x.Alive(20 * time.Second); err != nil {
		return nil, s.said(errors.Join(err, x.Close()))
	}
	return x, nil
}

// Do runs a command in the shell of the session and is what it writes, errors included, with
// its exit code. When there is no answer in time it is ErrSilent, and what the command still
// writes belongs to nobody.
func (x *Session) Do(command string, within time.Duration) (out string, code int, err error) {
	x.n++
	mark := fmt.Sprintf("portolan-mark-%d", x.n)
	begin := mark + "-begin"
	// The command reads nothing, so that it does not take the next one. The pipe has room for
	// a command also while nothing gets through.
	if _, err := fmt.Fprintf(x.in, "echo; echo %s; { %s\n} </dev/null 2>&1; code=$?; echo; echo %s $code\n", begin, command, mark); err != nil {
		return "", 0, fmt.Errorf("the session has ended: %w", err)
	}
	deadline := time.After(within)
	var b strings.Builder
	begun := false
	for {
		select {
		case line, ok := <-x.lines:
			if !ok {
				return "", 0, fmt.Errorf("the session has ended: %s", &x.talk)
			}
			rest, end := strings.CutPrefix(line, mark+" ")
			switch {
			case line == begin:
				begun = true
			case end && begun:
				_, err := fmt.Sscanf(rest, "%d", &code)
				return strings.TrimSuffix(b.String(), "\n"), code, err
			case begun:
				b.WriteString(line + "\n")
			}
		case <-deadline:
			return "", 0, ErrSilent
		}
	}
}

// Alive is nil when the session answers in time.
func (x *Session) Alive(within time.Duration) error {
	_, _, err := x.Do(":", within)
	return err
}

// Close ends the client's side of the session.
func (x *Session) Close() error {
	x.in.Close()
	if err := x.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	for range x.lines { // until it has ended
	}
	return nil
}
