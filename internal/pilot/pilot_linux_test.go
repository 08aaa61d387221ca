package pilot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portolan/internal/kernel"
)

// change is who changes the firewall in all tests.
var change changer = byNft{}

// A changer is a program that takes a policy into force. Its commands are not started.
type changer interface {
	name() string
	// apply takes a policy into force to stay.
	apply(p *place, policy string) *exec.Cmd
	// arm takes a policy into force for some time, after which the kernel is on the rules
	// before by itself.
	arm(p *place, policy string, within time.Duration, flags ...string) *exec.Cmd
	// back gives up what is armed.
	back(p *place) *exec.Cmd
	// pilots reports whether it is the program that this is all about, with a state folder,
	// refusals, and a verify that reads what is armed.
	pilots() bool
}

// lengthVariable names the environment variable with the length of the tests.
const lengthVariable = "PORTOLAN_PILOT"

// counts is how often something is done: short by default, long where CI asks for it.
func counts(t *testing.T, short, long int) int {
	t.Helper()
	switch v := os.Getenv(lengthVariable); v {
	case "", "short":
		return short
	case "long":
		return long
	default:
		t.Fatalf("%s is %q: use short or long", lengthVariable, v)
		return 0
	}
}

// programVariable tells the process in the namespace where the program is.
const programVariable = "PORTOLAN_PILOT_PROGRAM"

// built is where the program is built: a folder that goes with this process.
var built = sync.OnceValues(func() (string, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		tool = filepath.Join(runtime.GOROOT(), "bin", "go")
		if _, err := os.Stat(tool); err != nil {
			return "", errors.New("go is not installed")
		}
	}
	dir, err := os.MkdirTemp("", "portolan-pilot-")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "portolan")
	cmd := exec.Command(tool, "build", "-o", program, "portolan/cmd/portolan")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return dir, os.Setenv(programVariable, program)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv(programVariable) != "" && !kernel.Inside() {
		if dir, err := built(); err == nil {
			os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}

// build builds the program once for all tests, outside of their namespaces.
func build(t *testing.T) {
	t.Helper()
	if kernel.Inside() {
		return
	}
	missing := kernel.Need(t, "nft")
	_, err := built()
	if err != nil && !strings.HasPrefix(err.Error(), "go is not") {
		t.Fatal(err)
	}
	if err != nil {
		missing(err.Error())
	}
}

// beside lets a test that mostly waits run beside others.
func beside(t *testing.T) {
	if !kernel.Inside() {
		t.Parallel()
	}
}

// inNamespace is kernel.InNamespace with a place to work in.
func inNamespace(t *testing.T, body func(t *testing.T, p *place)) {
	build(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) { body(t, newPlace(t)) })
}

// A place is a host with a firewall, in the namespace of a test.
type place struct {
	t    *testing.T
	link *kernel.Link
	// Folders: of the policies, of the configuration of the host, and of the program's state.
	dir, root, state string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	link, err := kernel.NewLink()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	p := &place{t: t, link: link, dir: t.TempDir(), root: t.TempDir(), state: filepath.Join(t.TempDir(), "state")}
	if err := os.MkdirAll(filepath.Join(p.root, "etc/ssh"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{filepath.Join(p.root, "etc/ssh/sshd_config"): "Port 22\n"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(p.state, 0o700); err != nil {
		t.Fatal(err)
	}
	return p
}

// policy writes a policy and is its path.
func (p *place) policy(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name+".hcl")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// command is the program with what each of its commands needs to know, not started.
func (p *place) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Getenv(programVariable), args...)
	cmd.Dir = p.dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SSH_") })
	return cmd
}

// portolan runs the program to its end, for a minute at most.
func (p *place) portolan(args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	cmd := p.command(args...)
	stdout, stderr, err := finish(p.t.Context(), cmd)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() >= 0 {
		return stdout, stderr, exit.ExitCode()
	}
	if err != nil {
		p.t.Fatalf("%v: %v\n%s%s", cmd.Args, err, stdout, stderr)
	}
	return stdout, stderr, 0
}

// finish runs a command to its end, for a minute at most.
func finish(ctx context.Context, cmd *exec.Cmd) (stdout, stderr string, err error) {
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err = cmd.Wait()
	return out.String(), talk.String(), err
}

// do runs a command that has to end well.
func (p *place) do(cmd *exec.Cmd) {
	p.t.Helper()
	if err := done(p.t.Context(), cmd); err != nil {
		p.t.Fatal(err)
	}
}

// done is finish for a command that has to end well.
func done(ctx context.Context, cmd *exec.Cmd) error {
	if out, talk, err := finish(ctx, cmd); err != nil {
		return fmt.Errorf("%v: %w\n%s%s", cmd.Args, err, out, talk)
	}
	return nil
}

// errBroken is a state that is none of those that were meant.
var errBroken = errors.New("the kernel has rules that nobody wanted")

// meaning is the first of the policies that the kernel's rules mean, without what is armed.
func (p *place) meaning(policies ...string) (string, error) {
	said := ""
	for _, policy := range policies {
		cmd := p.command("verify", "--live", "--policy", policy, "--root", p.root)
		out, talk, err := finish(p.t.Context(), cmd)
		if err == nil {
			return policy, nil
		}
		said += out + talk
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
			return "", fmt.Errorf("%v: %w\n%s", cmd.Args, err, said)
		}
	}
	return "", fmt.Errorf("%w:\n%s", errBroken, said)
}

// means holds the kernel's rules against a policy.
func (p *place) means(policy string) {
	p.t.Helper()
	if _, err := p.meaning(policy); err != nil {
		p.t.Fatal(err)
	}
}

// byPortolan is the program itself.
type byPortolan struct{}

func (byPortolan) name() string { return "portolan apply" }
func (byPortolan) pilots() bool { return true }

func (p *place) changing(word string, more ...string) *exec.Cmd {
	return p.command(append([]string{word, "--yes", "--root", p.root, "--state-dir", p.state}, more...)...)
}

func (byPortolan) apply(p *place, policy string) *exec.Cmd {
	return p.changing("apply", "--policy", policy, "--no-confirm")
}

func (byPortolan) arm(p *place, policy string, within time.Duration, flags ...string) *exec.Cmd {
	return p.changing("apply", append([]string{"--policy", policy, "--confirm-within", within.String()}, flags...)...)
}

func (byPortolan) back(p *place) *exec.Cmd { return p.changing("rollback") }
