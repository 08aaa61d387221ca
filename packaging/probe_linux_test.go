// Package packaging holds what brings Portolan onto a host: units of systemd, scripts for
// other systems, and how to install them. There is no code in it but these tests.
package packaging

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"portolan/internal/kernel"
)

// TestMain lets this program be the probe where it is called that: it is started in the place
// of Portolan, and says what can be done where that runs.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "probe" {
		probe()
		return
	}
	code := m.Run()
	if name := os.Getenv(programVariable); name != "" && !kernel.Inside() {
		os.RemoveAll(filepath.Dir(name))
	}
	os.Exit(code)
}

func probe() {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, name := range []string{"CapBnd", "CapEff", "NoNewPrivs", "Seccomp"} {
		_, value, _ := strings.Cut(string(status), "\n"+name+":")
		value, _, _ = strings.Cut(value, "\n")
		fmt.Println(name, strings.TrimSpace(value))
	}
	can := func(what string, err error) {
		if err != nil {
			fmt.Println("cannot", what)
		} else {
			fmt.Println("can", what)
		}
	}
	states, err := filepath.Glob("/var/lib/portolan/*.state")
	if err == nil && len(states) == 0 {
		err = fs.ErrNotExist
	}
	for _, name := range states {
		if _, readErr := os.ReadFile(name); readErr != nil {
			err = readErr
		}
	}
	can("read what root has kept", err)
	can("write the state", writeAndRemove("/var/lib/portolan/probe"))
	can("write /etc", writeAndRemove("/etc/probe"))
	_, err = os.ReadFile("/home/somebody/letter")
	can("read a home", err)
	_, err = os.ReadFile("/proc/1/comm")
	can("see that there are other processes", err)
	_, err = os.ReadFile("/proc/1/environ")
	can("look into other processes", err)
	for name, family := range map[string]int{"IPv4": syscall.AF_INET, "IPv6": syscall.AF_INET6} {
		fd, err := syscall.Socket(family, syscall.SOCK_DGRAM, 0)
		if err == nil {
			syscall.Close(fd)
		}
		if err == nil {
			fmt.Println("can speak", name)
		}
	}
	// Anybody may be nicer; that the filter of calls leaves it out is all that speaks against it.
	can("be nicer", syscall.Setpriority(syscall.PRIO_PROCESS, 0, 5))
}

func writeAndRemove(name string) error {
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		return err
	}
	return os.Remove(name)
}
