// Package kernel tries rules, and programs that change them, on the real kernel, for tests.
//
// A test runs in a fresh user and network namespace, so an ordinary user can load rules
// and nothing of the machine's own network is touched. It can send single packets and streams
// of them over a link (Link, Stream), log in by SSH (SSH), fill disks (Disk), and end programs at
// any moment (Kills). The environment variable PORTOLAN_KERNEL says what happens where a
// namespace is not possible.
package kernel

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Variable names the environment variable with the mode of kernel tests.
const Variable = "PORTOLAN_KERNEL"

// A Mode says whether kernel tests run.
type Mode string

// The modes. Auto, which is also what an unset variable means, runs a test where it can
// run and skips it with a reason elsewhere; Require fails instead of skipping; Off skips.
const (
	Auto    Mode = "auto"
	Require Mode = "require"
	Off     Mode = "off"
)

// ParseMode reads the value of Variable. Another value is an error, so that a misspelt
// "require" does not become a skip.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case "":
		return Auto, nil
	case Auto, Require, Off:
		return m, nil
	}
	return "", fmt.Errorf("%s is %q: use auto, require or off", Variable, s)
}

// Program finds an administrator's program, also where the PATH of an ordinary user does
// not lead.
func Program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", name)
}
