package kernel

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inside names the test that the process was started for, in its namespace.
const inside = "PORTOLAN_KERNEL_INSIDE"

// unavailable begins the line by which the inner process says that it cannot go on.
const unavailable = "kernel tests are not possible here: "

// Cannot is for a body of InNamespace that needs more than it finds there: the test is skipped
// with the reason, or fails under PORTOLAN_KERNEL=require.
func Cannot(t *testing.T, reason string) {
	t.Helper()
	t.Skip(unavailable + reason)
}

// Inside reports whether this process is the one in the namespace.
func Inside() bool { return os.Getenv(inside) != "" }

// Beside lets a test with a namespace of its own run beside others. It is for those that mostly
// wait: for time that has to go by, or for the kernel, which gives back rules only after every
// processor is through with them.
func Beside(t *testing.T) {
	if !Inside() {
		t.Parallel()
	}
}

// Main is the Run of a package in which many tests wait: of those that may run beside others, three
// for each processor do, unless -test.parallel says another number.
func Main(m *testing.M) int {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		if err := f.Value.Set(strconv.Itoa(3 * runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	return m.Run()
}

// Need skips the test when one of the programs is missing, or fails it under
// PORTOLAN_KERNEL=require. What it gives back does the same for another reason.
func Need(t *testing.T, programs ...string) (missing func(reason string)) {
	t.Helper()
	mode, err := ParseMode(os.Getenv(Variable))
	if err != nil {
		t.Fatal(err)
	}
	if mode == Off {
		t.Skipf("%s=off", Variable)
	}
	missing = func(reason string) {
		t.Helper()
		if mode == Require {
			t.Fatalf("%s=require: %s", Variable, reason)
		}
		t.Skip(reason)
	}
	for _, name := range programs {
		if _, err := Program(name); err != nil {
			missing(err.Error())
		}
	}
	return missing
}

// InNamespace runs body in a fresh user and network namespace, in which it is root and
// only the loopback interface exists; its mounts are its own too (NewDisk). It does so by
// starting the test binary again for this one test, which must be a top-level test. The
// programs must be installed. When something is missing the test is skipped with the
// reason, or fails under PORTOLAN_KERNEL=require.
func InNamespace(t *testing.T, programs []string, body func(t *testing.T)) {
	enter(t, programs, 0, body)
}

// AsRoot is InNamespace with the users of this machine, for programs that become another
// user, and with process numbers of its own, so that nothing stays that body has started.
// It needs root.
func AsRoot(t *testing.T, programs []string, body func(t *testing.T)) {
	enter(t, programs, syscall.CLONE_NEWPID, func(t *testing.T) {
		err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		if err == nil {
			err = unix.Mount("proc", "/proc", "proc", 0, "")
		}
		if err != nil {
			t.Skip(unavailable + "the processes of the new namespace: " + err.Error())
		}
		body(t)
	})
}

// enter is InNamespace, and with more namespaces than its own AsRoot.
func enter(t *testing.T, programs []string, more uintptr, body func(t *testing.T)) {
	if os.Getenv(inside) == t.Name() {
		if err := up("lo"); err != nil {
			Cannot(t, "the loopback interface of the new namespace: "+err.Error())
		}
		t.Setenv("XTABLES_LOCKFILE", filepath.Join(t.TempDir(), "lock")) // the usual one belongs to root
		body(t)
		return
	}
	missing := Need(t, programs...)
	limit := 10 * time.Minute
	if deadline, ok := t.Deadline(); ok {
		limit = time.Until(deadline) - time.Second // so that it is the inner process that says where it hangs
	}
	const own = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS
	var out []byte
	var err error
	if more == 0 {
		out, err = runInside(t.Name(), syscall.CLONE_NEWUSER|own, limit)
	} else if os.Geteuid() != 0 {
		missing("only root can run daemons that become other users")
	}
	if more != 0 || errors.Is(err, syscall.EPERM) && os.Geteuid() == 0 { // a container without user namespaces
		out, err = runInside(t.Name(), own|more, limit)
	}
	_, reason, cannot := strings.Cut(string(out), unavailable)
	var exit *exec.ExitError
	switch {
	case cannot:
		reason, _, _ = strings.Cut(reason, "\n")
		missing(reason)
	case err != nil && !errors.As(err, &exit):
		missing("no new user and network namespace: " + err.Error())
	case err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name()+" ")):
		t.Fatalf("in the namespace: %v\n%s", err, out)
	case testing.Verbose():
		t.Logf("in the namespace:\n%s", out)
	}
}

// runInside runs one test of this binary in new namespaces.
func runInside(test string, flags uintptr, limit time.Duration) ([]byte, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-test.run=^"+test+"$", "-test.v", "-test.count=1", "-test.timeout="+limit.String())
	cmd.Env = append(os.Environ(), inside+"="+test)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	if flags&syscall.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return cmd.CombinedOutput()
}
