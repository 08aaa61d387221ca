//go:build unix

package main

import (
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// trusts reports whether a file belongs to the user of this process or to root, or to the
// user who became root by sudo.
func (a *app) trusts(info fs.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	return trustsOwner(int(owner.Uid), os.Geteuid(), a.getenv("SUDO_UID"))
}

// trustsOwner is trusts for a file of owner. sudo sets SUDO_UID by itself, sudo(8); only
// root believes it.
func trustsOwner(owner, user int, sudo string) bool {
	return owner == 0 || owner == user || user == 0 && sudo == strconv.Itoa(owner)
}
