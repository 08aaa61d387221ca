package packaging

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

// TestBoot boots systemd in namespaces of its own with the units, and a stand-in for the
// program that says what it can do.
func TestBoot(t *testing.T) {
	missing := kernel.Need(t, "systemd-analyze", "systemctl", "unshare", "nft")
	if os.Geteuid() != 0 { // also where kernel tests are required: those run as anybody
		t.Skip("only root can make a control group for systemd to boot in")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	talk, err := exec.Command("sh", here+"/testdata/boot.sh", here+"/systemd", self, here+"/testdata/boot-script.sh", out).CombinedOutput()
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
		said[what] = strings.TrimSpace(answer)
	}
	const (
		ours   = "table inet portolan"
		theirs = "table inet filter"
		inside = "CapBnd 0000000000001000\nCapEff 0000000000001000\nNoNewPrivs 1\nSeccomp 2\n"
		shut   = "cannot write /etc\ncannot read a home"
		booted = "called: apply --boot --yes\n" + inside + "the table is there: false\ncan read what root has kept\ncan write the state\n" + shut + "\ncan change the tables"
	)
	want := map[string]string{
		"":                                      "",
		"tables after the boot":                 theirs + "\n" + ours, // although nftables.service flushes and takes its time
		"state":                                 "active",
		"tables after nftables was loaded anew": theirs + "\n" + ours,
		"tables after a stop":                   theirs + "\n" + ours,
		"tables after a repair":                 theirs + "\n" + ours,
		"no drift":                              "inactive",
		"journal of drift": "called: status --exit-code\n" + inside + "the table is there: true\ncan read what root has kept\ncannot write the state\n" + shut +
			"\ncalled: status --exit-code\n" + inside + "the table is there: false\ncan read what root has kept\ncannot write the state\n" + shut,
		"journal": booted,
		"numbers": "755 root /run/portolan\n644 root /run/portolan/portolan.prom",
		"timers":  "portolan-drift.service\nportolan-metrics.service\nportolan-repair.service",
		"folder":  "700 root",
		"end":     "",
	}
	drift, order := said["drift"], strings.Fields(said["order"])
	delete(said, "drift")
	delete(said, "order")
	said["journal"] = ourWords(said["journal"])
	said["journal of drift"] = ourWords(said["journal of drift"])
	if d := cmp.Diff(want, said); d != "" {
		t.Errorf("%s\nall of it:\n%s", d, text)
	}
	if lines := strings.Split(drift, "\n"); len(lines) != 1 || !strings.HasPrefix(drift, "portolan-drift.service ") {
		t.Errorf("failed are %q", lines)
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

// ourWords are the lines that the stand-in has written, without those of systemd.
func ourWords(journal string) string {
	var out []string
	for line := range strings.SplitSeq(journal, "\n") {
		for _, begin := range []string{"called:", "Cap", "NoNewPrivs", "Seccomp", "the table", "can ", "cannot "} {
			if strings.HasPrefix(line, begin) {
				out = append(out, line)
			}
		}
	}
	// The order of /proc/self/status is the kernel's.
	return strings.ReplaceAll(strings.Join(out, "\n"), "CapEff 0000000000001000\nCapBnd 0000000000001000", "CapBnd 0000000000001000\nCapEff 0000000000001000")
}

// TestCapability: CAP_NET_ADMIN is what it takes, and without it the kernel says no to a reader
// as well, in words that say what is missing.
func TestCapability(t *testing.T) {
	kernel.InNamespace(t, []string{"nft", "setpriv"}, func(t *testing.T) {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		program := filepath.Join(t.TempDir(), "portolan")
		if err := os.Symlink(self, program); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			caps, want string
			code       int
		}{
			{"-all,+net_admin", "can change the tables", 0},
			{"-all", "operation not permitted", 3},
			{"+all,-net_admin", "operation not permitted", 3},
		} {
			out, err := exec.Command("setpriv", "--bounding-set="+c.caps, "--inh-caps=-all", "--no-new-privs", program, "apply", "--boot", "--yes").CombinedOutput()
			if exit, failed := err.(*exec.ExitError); failed && exit.ExitCode() != c.code || !failed && c.code != 0 || !strings.Contains(string(out), c.want) {
				t.Errorf("%s: %v\n%s", c.caps, err, out)
			}
		}
		if out, err := kernel.Run("", "nft", "list", "tables"); err != nil || out != "table inet portolan\n" {
			t.Errorf("%q, %v", out, err)
		}
	})
}
