//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package history

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// noWait opens without waiting: what was a file when somebody looked may be a pipe by now.
const noWait = syscall.O_NONBLOCK | syscall.O_NOCTTY | syscall.O_NOFOLLOW

// trust is why a folder cannot be trusted, nil when it can.
func trust(info fs.FileInfo) error {
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("the system does not say to whom it belongs")
	}
	return trustOwner(int(owner.Uid), os.Geteuid(), info.Mode())
}

// trustOwner is trust for a folder of owner, asked by user.
func trustOwner(owner, user int, mode fs.FileMode) error {
	if owner != 0 && owner != user {
		return fmt.Errorf("it belongs to user %d, who could put a firewall of his own here: give it to root, or name another folder with --state-dir", owner)
	}
	if mode.Perm()&0o022 != 0 {
		return fmt.Errorf("others than its owner may write here (mode %#o): take that away with chmod go-w, or name another folder with --state-dir", mode.Perm())
	}
	return nil
}

// tryLock locks a file, unless somebody else has it open and locked; flock(2). The lock ends
// when the file is closed, also by the end of the process.
func tryLock(f *os.File) (locked bool, err error) {
	c, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	err2 := c.Control(func(fd uintptr) {
		for {
			if err = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB); err != syscall.EINTR {
				return
			}
		}
	})
	if err == syscall.EWOULDBLOCK {
		return false, err2
	}
	return err == nil, errors.Join(err, err2)
}
