//go:build unix

package edit

import (
	"io/fs"
	"os"
	"syscall"
)

// own gives f the owner of old, if it has another.
func own(f *os.File, old fs.FileInfo) error {
	was, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if is, ok := info.Sys().(*syscall.Stat_t); ok && is.Uid == was.Uid && is.Gid == was.Gid {
		return nil
	}
	return f.Chown(int(was.Uid), int(was.Gid))
}

// sync puts the names of a folder on the disk. Where that cannot be, in a folder that we
// may not list or on a file system that has no such thing, the change is made all the same.
func sync(root *os.Root, dir string) {
	if d, err := root.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
