package packaging

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portolan/internal/kernel"
)

// exposure is the most that systemd-analyze security may say of a unit, in tenths of 10. What
// is left of it is root as the user, netlink in the network of the host, and CAP_NET_ADMIN: a
// firewall cannot be without the last two.
const exposure = 14

// units are the units by their names.
func units(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("systemd/*")
	if err != nil || len(names) < 7 {
		t.Fatalf("%q, %v", names, err)
	}
	for i, name := range names {
		names[i] = filepath.Base(name)
	}
	return names
}

// unitTree is a file system with the units of the machine, ours, and a program where they
// look for it.
func unitTree(t *testing.T) string {
	t.Helper()
	tree := t.TempDir()
	theirs := ""
	for _, dir := range []string{"/usr/lib/systemd/system", "/lib/systemd/system"} {
		if _, err := os.Stat(dir + "/sysinit.target"); err == nil {
			theirs = dir
			break
		}
	}
	if theirs == "" {
		t.Fatal("systemd-analyze is installed, and the units of systemd are not")
	}
	if err := os.CopyFS(tree+"/usr/lib/systemd/system", os.DirFS(theirs)); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(tree+"/etc/systemd/system", os.DirFS("systemd")); err != nil {
		t.Fatal(err)
	}
	program := tree + "/usr/local/bin/portolan"
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return tree
}

func analyze(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := kernel.Program("systemd-analyze")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	return string(out), err
}

// TestUnitsAreClean: systemd has nothing to say of a unit, neither of its words nor of the
// order of the boot.
func TestUnitsAreClean(t *testing.T) {
	kernel.Need(t, "systemd-analyze")
	tree := unitTree(t)
	verify := func() (string, error) {
		return analyze(t, append([]string{"verify", "--root=" + tree, "--man=no", "--recursive-errors=no"}, units(t)...)...)
	}
	if out, err := verify(); err != nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
	// The check itself: it finds a word that is none.
	name := tree + "/etc/systemd/system/portolan.service"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, append(text, "[Service]\nNoNewPrivilege=yes\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, _ := verify(); !strings.Contains(out, "NoNewPrivilege") {
		t.Errorf("a word that is none was not found: %q", out)
	}
}

// TestUnitsAreHardened holds what systemd thinks of the sandbox, and each line of it in every
// service: they are the same but for what a unit says in its comment.
func TestUnitsAreHardened(t *testing.T) {
	kernel.Need(t, "systemd-analyze")
	boot := settings(t, "portolan.service")
	for _, name := range units(t) {
		if !strings.HasSuffix(name, ".service") {
			continue
		}
		out, err := analyze(t, "security", "--offline=yes", "--no-pager", "--threshold="+strconv.Itoa(exposure), "systemd/"+name)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		may := []string{"ExecStart", "ExecReload", "RemainAfterExit", "UMask"}
		for key, value := range settings(t, name) {
			switch {
			case slices.Contains(may, key), strings.HasPrefix(key, "RuntimeDirectory"):
			case !slices.Equal(value, boot[key]):
				t.Errorf("%s: %s is %q, and %q in portolan.service", name, key, value, boot[key])
			}
		}
		for key, value := range boot {
			if mine := settings(t, name)[key]; mine == nil && !slices.Contains(may, key) && !strings.HasPrefix(key, "StateDirectory") {
				t.Errorf("%s: %s is not there, and %q in portolan.service", name, key, value)
			}
		}
		if caps := settings(t, name)["CapabilityBoundingSet"]; !slices.Equal(caps, []string{"CAP_NET_ADMIN"}) {
			t.Errorf("%s: capabilities %q", name, caps)
		}
		// On stop nothing is done at all.
		for key := range settings(t, name) {
			if strings.HasPrefix(key, "ExecStop") {
				t.Errorf("%s: %s", name, key)
			}
		}
	}
}

// settings are the lines of the section Service.
func settings(t *testing.T, unit string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("systemd/" + unit)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n[Service]\n") // a timer has none
	section, _, _ = strings.Cut(section, "\n[")
	out := map[string][]string{}
	for line := range strings.SplitSeq(section, "\n") {
		if key, value, ok := strings.Cut(line, "="); ok && line[0] != '#' {
			out[key] = append(out[key], value)
		}
	}
	return out
}

// TestReadmeKnowsTheUnits: each timer and the service for the boot are explained, and the
// exposure is the one that is held.
func TestReadmeKnowsTheUnits(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"`portolan.service`", fmt.Sprintf("an exposure of %d.%d;", exposure/10, exposure%10)}
	for _, name := range units(t) {
		if strings.HasSuffix(name, ".timer") {
			want = append(want, "`"+name+"`")
		}
		if start := settings(t, name)["ExecStart"]; strings.HasSuffix(name, ".service") {
			want = append(want, "`"+strings.TrimPrefix(start[0], "/usr/local/bin/")+"`")
		}
	}
	for _, words := range want {
		if !strings.Contains(string(page), words) {
			t.Errorf("README.md does not say %s", words)
		}
	}
}

// programVariable tells a process in a namespace where the program is.
const programVariable = "PORTOLAN_PACKAGING_PROGRAM"

// built is Portolan, built from this tree, in a folder that TestMain takes away.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "portolan-packaging-")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "portolan")
	build := exec.Command("go", "build", "-o", name, "portolan/cmd/portolan")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return name, os.Setenv(programVariable, name)
})

// program is where Portolan is. A namespace is told, and builds nothing.
func program(t *testing.T) string {
	t.Helper()
	if kernel.Inside() {
		return os.Getenv(programVariable)
	}
	name, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// TestBoot boots systemd in namespaces of its own with the units and the program, after two
// policies were confirmed.
func TestBoot(t *testing.T) {
	missing := kernel.Need(t, "systemd-analyze", "systemctl", "unshare", "nft", "go")
	if os.Geteuid() != 0 { // also where kernel tests are required: those run as anybody
		t.Skip("only root can make a control group for systemd to boot in")
	}
	t.Parallel() // it waits most of the time
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	talk, err := exec.Command("sh", here+"/testdata/boot.sh", here+"/systemd", program(t), self, here+"/testdata/boot-script.sh", out).CombinedOutput()
	if _, e := os.Stat(out + "/done"); e != nil {
		missing(fmt.Sprintf("systemd does not boot in namespaces here: %v\n%s", err, talk))
	}
	if err != nil || len(talk) > 0 {
		t.Errorf("%v\n%s", err, talk)
	}
	text, err := os.ReadFile(out + "/script")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for part := range strings.SplitSeq("\n"+string(text), "\n== ") {
		what, answer, _ := strings.Cut(part, "\n")
		said[what] = varies.ReplaceAllString(strings.TrimSpace(answer), "#")
	}
	const (
		ours    = "\ntable inet portolan"
		theirs  = "table inet filter"
		inside  = "CapBnd 0000000000001000\nCapEff 0000000000001000\nNoNewPrivs 1\nSeccomp 2\ncan read what root has kept\n"
		shut    = "\ncannot write /etc\ncannot read a home\ncan see that there are other processes\ncannot look into other processes\ncannot be nicer"
		state2  = "state 2 of # by root, from /etc/portolan/portolan.hcl"
		restore = "restored state 2 # in the kernel"
		damaged = "/var/lib/portolan/3.state: the file is damaged: its first two lines do not fit each other"
	)
	want := map[string]string{
		"":                                      "",
		"tables after the boot":                 theirs + ours + "\n7002\n" + restore, // although nftables.service flushes and takes its time
		"state":                                 "active",
		"sandbox":                               inside + "can write the state" + shut,
		"sandbox of those who only read":        inside + "cannot write the state" + shut,
		"tables after nftables was loaded anew": theirs + ours + "\n" + restore,
		"tables after a stop":                   theirs + ours,
		"no drift":                              "inactive\nin force: state 2",
		"repair of what is as it was":           "state 2 is in force already",
		"a change that waits":                   "inactive\na change waits to be confirmed for TIME more, and is left alone\nin force: a change that waits\nportolan_pending 1",
		"repair when its time is over":          restore + "\n1.state\n2.state\nkernel.seen\nlock",
		"drift":                                 "portolan-drift.service\nin force: no table",
		"numbers":                               "755 root /run/portolan\n644 root /run/portolan/portolan.prom\nportolan_drift 1\nportolan_pending 0\nportolan_state_number 2\nportolan_table 0",
		"tables after a repair":                 theirs + ours + "\n7002\n" + restore,
		"who was killed while confirming": "700 root /var/lib/portolan\n600 root /var/lib/portolan/1.state\n600 root /var/lib/portolan/2.state\n600 root /var/lib/portolan/3.state\n600 root /var/lib/portolan/kernel.seen\n600 root /var/lib/portolan/lock\n" +
			"state 3 is in force already",
		"a damaged state": "failed\n7002\nwarning: the last confirmed state cannot be restored, so an older one, " + state2 + ", is taken: " + damaged + "\n" + restore +
			"\nportolan: an older firewall than the last confirmed one is in force: apply a policy anew: " + damaged,
		"timers": "portolan-drift.service\nportolan-metrics.service\nportolan-repair.service",
		"end":    "",
	}
	order := strings.Fields(said["order"])
	delete(said, "order")
	if d := cmp.Diff(want, said); d != "" {
		t.Errorf("%s\nall of it:\n%s", d, text)
	}
	var when []int
	for _, s := range order {
		n, err := strconv.Atoi(s)
		if err != nil || n == 0 {
			t.Fatalf("order %q", order)
		}
		when = append(when, n)
	}
	if len(when) != 3 || !slices.IsSorted(when) {
		t.Errorf("nftables, portolan and the network came up at %v", when)
	}
}

// varies is what is another one each time, or is no matter of packaging.
var varies = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC|\bwith \d+ changes\b`)

// TestCapability: CAP_NET_ADMIN is what it takes, and without it the kernel says no to a reader
// as well, in words that say what is missing.
func TestCapability(t *testing.T) {
	if !kernel.Inside() {
		kernel.Need(t, "go")
		program(t) // outside, where it can be built
		t.Parallel()
	}
	kernel.InNamespace(t, []string{"nft", "setpriv"}, func(t *testing.T) {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "etc/ssh"), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"etc/ssh/sshd_config": "Port 22\n", "p.hcl": "allow \"ssh\" { ports = [\"22/tcp\"] }\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		portolan := func(caps string, want int, words string, args ...string) {
			t.Helper()
			args = append([]string{"--bounding-set=" + caps, "--inh-caps=-all", "--no-new-privs", program(t)}, append(args, "--state-dir", filepath.Join(dir, "state"))...)
			cmd := exec.Command("setpriv", args...)
			out, _ := cmd.CombinedOutput()
			if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != want || !strings.Contains(string(out), words) {
				t.Errorf("%s: %v\n%s", args, cmd.ProcessState, out)
			}
		}
		const enough = "-all,+net_admin"
		portolan(enough, 0, "remembered as state 1", "apply", "--yes", "--no-confirm", "--root", dir, "--policy", filepath.Join(dir, "p.hcl"))
		if out, err := kernel.Run("", "nft", "flush", "ruleset"); err != nil {
			t.Fatal(out)
		}
		for _, caps := range []string{"-all", "+all,-net_admin"} {
			portolan(caps, 3, "operation not permitted", "apply", "--boot", "--yes")
			portolan(caps, 3, "operation not permitted", "status")
		}
		portolan(enough, 1, "no table", "status", "--exit-code")
		portolan(enough, 0, "restored state 1", "apply", "--boot", "--yes")
		portolan(enough, 0, "state 1", "status", "--exit-code")
		if out, err := kernel.Run("", "nft", "list", "tables"); err != nil || out != "table inet portolan\n" {
			t.Errorf("%q, %v", out, err)
		}
	})
}
