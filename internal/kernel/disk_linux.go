package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A Disk is a small file system in memory, which may be full or not writable. Only processes
// of the namespace see it. It goes with the namespace.
type Disk struct{ Dir string }

// NewDisk puts a disk of some bytes, in whole pages of memory, over a folder that exists. A
// test must be in a namespace (InNamespace, AsRoot), so that nothing of the machine is hidden.
func NewDisk(dir string, size int) (*Disk, error) {
	if !Inside() {
		return nil, errors.New("a disk needs a namespace, so that nothing of the machine is hidden")
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("mounts of our own: %w", err)
	}
	if err := unix.Mount("disk", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		return nil, fmt.Errorf("a disk at %s: %w", dir, err)
	}
	return &Disk{dir}, nil
}

// filling is the file that makes a disk full.
const filling = "lost+found"

// Fill writes until there is no room for another byte of data. Files can still be made, as
// on most disks.
func (d *Disk) Fill() error {
	f, err := os.OpenFile(filepath.Join(d.Dir, filling), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, some := range [][]byte{make([]byte, 4096), {0}} {
		for range 1 << 20 {
			if _, err = f.Write(some); err != nil {
				break
			}
		}
		if !errors.Is(err, unix.ENOSPC) {
			return fmt.Errorf("filling %s: %w", d.Dir, err)
		}
	}
	return nil
}

// Free takes away what Fill has written.
func (d *Disk) Free() error { return os.Remove(filepath.Join(d.Dir, filling)) }

// ReadOnly says whether nothing may be written, by root neither.
func (d *Disk) ReadOnly(yes bool) error {
	flags := uintptr(unix.MS_REMOUNT | unix.MS_NOSUID | unix.MS_NODEV)
	if yes {
		flags |= unix.MS_RDONLY
	}
	if err := unix.Mount("disk", d.Dir, "tmpfs", flags, ""); err != nil {
		return fmt.Errorf("the disk at %s: %w", d.Dir, err)
	}
	return nil
}

// Close takes the disk away, with all that is on it. A folder with a disk cannot be removed.
func (d *Disk) Close() error { return unix.Unmount(d.Dir, unix.MNT_DETACH) }
