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
	"portolan/internal/netlink"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/internal/verify"
)

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
	code := kernel.Main(m)
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
	// Asked out here as well, so that go test does not take the result of another length for this one.
	counts(t, 0, 0)
	missing := kernel.Need(t, "nft")
	_, err := built()
	if err != nil && !strings.HasPrefix(err.Error(), "go is not") {
		t.Fatal(err)
	}
	if err != nil {
		missing(err.Error())
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
	rules            map[string]*ruleset.Ruleset // of policies
}

func newPlace(t *testing.T) *place {
	t.Helper()
	link, err := kernel.NewLink()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	p := &place{t: t, link: link, dir: t.TempDir(), root: t.TempDir(), state: filepath.Join(t.TempDir(), "state"), rules: map[string]*ruleset.Ruleset{}}
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

// policy writes a policy and is its path. All have the same name, in a folder of its own each,
// because comments of rules say the name: whoever has another one has other rules.
func (p *place) policy(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name, policyName)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	p.must(err)
	return path
}

const policyName = "portolan.hcl"

// called is the name that a policy was written by.
func called(policy string) string { return filepath.Base(filepath.Dir(policy)) }

// must ends the test at an error.
func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
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

// exitOf is the exit code that an error of finish says, -1 for one that says none.
func exitOf(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return -1
}

// done is finish for a command that has to end well.
func done(ctx context.Context, cmd *exec.Cmd) error {
	if out, talk, err := finish(ctx, cmd); err != nil {
		return fmt.Errorf("%v: %w\n%s%s", cmd.Args, err, out, talk)
	}
	return nil
}

// ends runs a command that has to end with an exit code, and to say something to people. It is
// all that the command says.
func (p *place) ends(code int, cmd *exec.Cmd, says ...string) string {
	p.t.Helper()
	out, talk, err := finish(p.t.Context(), cmd)
	if exitOf(err) != code {
		p.t.Fatalf("%v: %v, want exit code %d\n%s%s", cmd.Args, err, code, out, talk)
	}
	for _, w := range says {
		if !strings.Contains(out+talk, w) {
			p.t.Fatalf("%v: does not say %q:\n%s%s", cmd.Args, w, out, talk)
		}
	}
	return out + talk
}

// errBroken is a state that is none of those that were meant.
var errBroken = errors.New("the kernel has rules that nobody wanted")

// wanted is what a policy means, by the text that render writes for it.
func (p *place) wanted(policy string) *ruleset.Ruleset {
	p.t.Helper()
	if rules := p.rules[policy]; rules != nil {
		return rules
	}
	out, talk, code := p.portolan("render", "--to", "nftables", "--policy", policy, "--root", p.root)
	if code != 0 {
		p.t.Fatalf("render: exit code %d\n%s", code, talk)
	}
	rules, err := verify.Read("nftables", []*source.File{source.New(policy, []byte(out))})
	if err != nil {
		p.t.Fatal(err)
	}
	p.rules[policy] = rules
	return rules
}

// live is what the kernel has, nil when there is no table. It is read without any code of
// what writes it.
func live() (l *verify.Live, err error) {
	c, err := netlink.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	t, err := c.Read("portolan")
	if err != nil || !t.Exists {
		return nil, err
	}
	return verify.Kernel(t)
}

// which is the first of the policies that rules mean.
func (p *place) which(rules *ruleset.Ruleset, policies ...string) (string, error) {
	said := ""
	for _, policy := range policies {
		c := ruleset.Prove(p.wanted(policy), rules).Counterexample
		if c == nil {
			return policy, nil
		}
		said += "\n" + c.Words(called(policy), "the kernel")
	}
	return "", fmt.Errorf("%w:%s", errBroken, said)
}

// meaning is the first of the policies that the kernel's rules mean, without what is armed.
func (p *place) meaning(policies ...string) (string, error) {
	l, err := live()
	if err != nil {
		return "", err
	}
	if l == nil {
		return "", fmt.Errorf("%w: there is no table", errBroken)
	}
	return p.which(l.Rules, policies...)
}

// means holds the kernel's rules against a policy.
func (p *place) means(policy string) {
	p.t.Helper()
	if _, err := p.meaning(policy); err != nil {
		p.t.Fatal(err)
	}
}

// tidy is an error unless the kernel has a policy and nothing else, is remembered to have it, and
// would get it at the next start.
func (p *place) tidy(policy string) error {
	l, err := live()
	if err != nil {
		return err
	}
	if l == nil || l.Pending != nil || len(l.Unused) > 0 {
		return fmt.Errorf("%w: left behind are %+v", errBroken, l)
	}
	if _, err := p.which(l.Rules, policy); err != nil {
		return err
	}
	before, err := kernel.Generation()
	if err != nil {
		return err
	}
	for _, cmd := range []*exec.Cmd{
		p.command("status", "--exit-code", "--state-dir", p.state),
		p.command("apply", "--boot", "--yes", "--state-dir", p.state),
	} {
		if err := done(p.t.Context(), cmd); err != nil {
			return err
		}
	}
	if after, err := kernel.Generation(); err != nil || after != before {
		return fmt.Errorf("%w: a start of the host would change them: %v", errBroken, err)
	}
	return nil
}

// changing is a command that changes the firewall.
func (p *place) changing(word string, more ...string) *exec.Cmd {
	return p.command(append([]string{word, "--state-dir", p.state}, more...)...)
}

// applying is apply in the folder of a policy.
func (p *place) applying(policy string, flags ...string) *exec.Cmd {
	cmd := p.changing("apply", append([]string{"--yes", "--root", p.root, "--policy", policyName}, flags...)...)
	cmd.Dir = filepath.Dir(policy)
	return cmd
}

// apply takes a policy into force to stay, with nobody to confirm it.
func (p *place) apply(policy string, flags ...string) *exec.Cmd {
	return p.applying(policy, append([]string{"--no-confirm"}, flags...)...)
}

// arm takes a policy into force for some time, after which the kernel is on the rules before
// by itself.
func (p *place) arm(policy string, within time.Duration, flags ...string) *exec.Cmd {
	return p.applying(policy, append([]string{"--confirm-within", within.String()}, flags...)...)
}

// confirm keeps what is armed.
func (p *place) confirm() *exec.Cmd { return p.changing("confirm") }

// back gives up what is armed.
func (p *place) back() *exec.Cmd { return p.changing("rollback", "--yes") }
