package history

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"portolan/internal/kernel"
)

// withMounts runs f where the thread has mounts of its own.
func withMounts(t *testing.T, f func()) {
	kernel.InNamespace(t, nil, func(t *testing.T) {
		runtime.LockOSThread() // and never unlocked: the thread ends with the test
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil { // nothing of it gets out, also where root has no user namespace
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err != nil {
			kernel.Cannot(t, "no mounts of our own: "+err.Error())
		}
		f()
	})
}

// TestFullDisk fills a small disk. What was kept stays, the error says what to do, the lock can
// be taken, and what waits can be confirmed or dropped.
func TestFullDisk(t *testing.T) {
	withMounts(t, func() {
		dir := filepath.Join(t.TempDir(), "states")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("none", dir, "tmpfs", 0, "size=512k,mode=0700"); err != nil {
			kernel.Cannot(t, "no disk of our own: "+err.Error())
		}
		defer unix.Unmount(dir, unix.MNT_DETACH)
		s := open(t, dir)
		write(t, s, func(w *Writer) {
			if _, err := w.Keep(note("old"), many(10)); err != nil {
				t.Fatal(err)
			}
			if err := w.SetPending(note("waits"), many(200)); err != nil {
				t.Fatal(err)
			}
		})
		fill, err := os.Create(filepath.Join(dir, "fill"))
		if err != nil {
			t.Fatal(err)
		}
		for block := make([]byte, 4096); err == nil; {
			_, err = fill.Write(block)
		}
		fill.Close()
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
		write(t, s, func(w *Writer) {
			if r, err := w.Keep(note("new"), many(10)); r.Number != 0 || !errors.Is(err, unix.ENOSPC) || !strings.HasPrefix(err.Error(), filepath.Join(dir, "2.state")+": no space left on device: nothing that was kept is lost; make room there") {
				t.Errorf("kept on a full disk: %+v, %v", r, err)
			}
			if err := w.SetPending(note("other"), many(10)); !errors.Is(err, unix.ENOSPC) {
				t.Errorf("waits on a full disk: %v", err)
			}
		})
		if r, table, err := s.Latest(); err != nil || r.Note != "old" || len(table.Chains) != 10 {
			t.Errorf("latest: %+v, %v", r, err)
		}
		if r, table, err := s.Pending(); err != nil || r.Note != "waits" || len(table.Chains) != 200 {
			t.Errorf("pending: %+v, %v", r, err)
		}
		write(t, s, func(w *Writer) {
			if r, err := w.Confirm(func(r *Record) { r.Note = "more" }); r.Number != 2 || r.Note != "waits" || !errors.Is(err, unix.ENOSPC) {
				t.Errorf("confirmed on a full disk: %+v, %v", r, err)
			}
			if err := w.DropPending(); err != nil {
				t.Error(err)
			}
		})
		if r, table, err := s.Latest(); err != nil || r.Number != 2 || r.Note != "waits" || len(table.Chains) != 200 {
			t.Errorf("latest: %+v, %v", r, err)
		}
		if err := os.Remove(fill.Name()); err != nil {
			t.Fatal(err)
		}
		write(t, s, func(w *Writer) {
			if r, err := w.Keep(note("room"), many(10)); err != nil || r.Number != 3 {
				t.Errorf("with room again: %+v, %v", r, err)
			}
		})
	})
}

// TestReadOnly: a folder on a read-only mount is read, and whoever wants to write is told so
// before anything else.
func TestReadOnly(t *testing.T) {
	withMounts(t, func() {
		dir := filepath.Join(t.TempDir(), "states")
		s := open(t, dir)
		write(t, s, func(w *Writer) {
			if _, err := w.Keep(note("old"), many(1)); err != nil {
				t.Fatal(err)
			}
		})
		readOnly := func(dir string) {
			t.Helper()
			err := unix.Mount(dir, dir, "", unix.MS_BIND, "")
			if err == nil {
				err = unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
			}
			if err != nil {
				kernel.Cannot(t, "no read-only mount: "+err.Error())
			}
		}
		readOnly(dir)
		defer unix.Unmount(dir, unix.MNT_DETACH)
		if r, _, err := s.Latest(); err != nil || r.Note != "old" {
			t.Errorf("latest: %+v, %v", r, err)
		}
		if l := listOf(t, s); len(l.Kept) != 1 || l.Kept[0].Err != nil {
			t.Errorf("%+v", l)
		}
		w, err := s.Lock(t.Context(), nil)
		if w != nil || !errors.Is(err, unix.EROFS) || !strings.HasPrefix(err.Error(), filepath.Join(dir, lockName)+": read-only file system: nothing can be kept there; make it writable, or name") {
			t.Errorf("locked: %v", err)
		}
		// And one that is to be made on such a mount.
		up := t.TempDir()
		readOnly(up)
		defer unix.Unmount(up, unix.MNT_DETACH)
		s = open(t, filepath.Join(up, "states"))
		if w, err := s.Lock(t.Context(), nil); w != nil || !errors.Is(err, unix.EROFS) || !strings.HasPrefix(err.Error(), filepath.Join(up, "states")+": ") {
			t.Errorf("made: %v", err)
		}
	})
}
