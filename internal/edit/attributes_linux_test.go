package edit

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// list is an access list that gives rights to the owner, to one more user, to the group, and
// to all others, under a mask, in the form of the kernel
// (include/uapi/linux/posix_acl_xattr.h).
func list(owner, user, group, mask, others uint16) []byte {
	out := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range [...]struct {
		tag, rights uint16
		id          uint32
	}{{1, owner, ^uint32(0)}, {2, user, 1234}, {4, group, ^uint32(0)}, {16, mask, ^uint32(0)}, {32, others, ^uint32(0)}} {
		out = binary.LittleEndian.AppendUint16(out, e.tag)
		out = binary.LittleEndian.AppendUint16(out, e.rights)
		out = binary.LittleEndian.AppendUint32(out, e.id)
	}
	return out
}

// TestAttributes: who may read a file stays, whatever its folder gives to new ones.
func TestAttributes(t *testing.T) {
	for what, c := range map[string]struct {
		file, folder []byte // their access list, and the one for new files
		label        string
	}{
		"nothing":              {},
		"one more reader":      {file: list(6, 4, 0, 4, 0)},
		"a group that may not": {file: list(6, 6, 0, 6, 0)}, // its mask is where the mode has the group
		"a generous folder":    {folder: list(7, 7, 7, 7, 0)},
		"both":                 {file: list(6, 4, 0, 4, 0), folder: list(7, 7, 7, 7, 0)},
		"a note":               {label: "by hand"},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, "conf")
			if err := os.WriteFile(name, []byte("x = 5\n"), 0o640); err != nil {
				t.Fatal(err)
			}
			set := func(name, attribute string, value []byte) {
				t.Helper()
				if len(value) == 0 {
					return
				}
				if err := unix.Setxattr(name, attribute, value, 0); errors.Is(err, unix.ENOTSUP) {
					t.Skip("the file system of temporary files has no such attributes")
				} else if err != nil {
					t.Fatal(err)
				}
			}
			set(name, accessList, c.file)
			set(name, "user.portolan", []byte(c.label))
			set(dir, "system.posix_acl_default", c.folder)
			before := look(t, name)
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			f := source.New("conf", []byte("x = 5\n"))
			change := Change{f, []diag.Edit{at(f, "5", "6")}}
			if err := change.Write(root, "conf"); err != nil {
				t.Fatal(err)
			}
			if after := look(t, name); after != before {
				t.Errorf("it was %q and is %q", before, after)
			}
		})
	}
}

// TestSwaps has somebody put other things in place of the file all the time: nothing waits for
// the writer of a pipe or reads a device to its end, what is written is the file whole, and
// what stands elsewhere stays.
func TestSwaps(t *testing.T) {
	dir := t.TempDir()
	name, other := filepath.Join(dir, "conf"), filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("theirs = 5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		temp := filepath.Join(dir, "swap")
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.Remove(temp)
			switch i % 5 {
			case 0:
				_ = unix.Mkfifo(temp, 0o644)
			case 1:
				_ = os.Symlink("other", temp)
			case 2:
				_ = os.Symlink(os.DevNull, temp)
			default:
				_ = os.WriteFile(temp, []byte("x = 5\n"), 0o644)
			}
			_ = os.Rename(temp, name)
		}
	}()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f := source.New("conf", []byte("x = 5\n"))
	change := Change{f, []diag.Edit{at(f, "5", "6")}}
	for range 300 {
		_ = change.Write(root, "conf") // most are refused
	}
	close(stop)
	<-done
	if raw, err := os.ReadFile(other); err != nil || string(raw) != "theirs = 5\n" {
		t.Errorf("%q, %v", raw, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// look is everything about who may use a file.
func look(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	out := info.Mode().String()
	attrs, err := attributesOf(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attrs {
		out += " " + a.name + "=" + string(a.value)
	}
	return out
}
