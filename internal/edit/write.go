package edit

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"

	"portolan/internal/source"
)

// ErrExists is a file of which there was none when the others were read.
var ErrExists = errors.New("a file of this name is there now: run again")

// attribute is an extended attribute of a file: its access list, its label, or what somebody
// has noted about it.
type attribute struct {
	name  string
	value []byte
}

// ErrReadOnly is a file that its owner has made read-only.
var ErrReadOnly = errors.New("the file is read-only")

// Write changes the file name below root, which is no symbolic link. The new content is
// written beside it, put on the disk, and takes the place of the old in one step, so that
// whoever looks sees all of the one or all of the other. Mode and owner stay, and on Linux
// access lists, labels and other attributes. After an error the file is as it was. Where it
// has several names, the others keep the old content.
//
// A new file takes the place of nothing, and everybody may read it. Its folder is made
// where there is none.
func (c *Change) Write(root *os.Root, name string) error {
	var err error
	if c.Creates() {
		err = c.create(root, name)
	} else {
		err = c.write(root, name)
	}
	var pe *fs.PathError
	var le *os.LinkError
	switch { // the name of a temporary file says nothing to anybody
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	}
	return err
}

func (c *Change) write(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return ErrChanged
	}
	if info.Mode().Perm()&0o222 == 0 { // to the superuser the system says nothing
		return ErrReadOnly
	}
	// A rename does not ask whether the file may be written, so we do.
	may, err := root.OpenFile(name, os.O_RDWR|source.NoWait, 0)
	if err != nil {
		return err
	}
	raw, err := readSame(may, info)
	var attrs []attribute
	if err == nil {
		attrs, err = attributesOf(may)
	}
	if closed := may.Close(); err == nil { // Windows renames nothing over an open file
		err = closed
	}
	if err != nil {
		return err
	}
	changed, err := c.Bytes(raw)
	if err != nil {
		return err
	}
	temp, f, err := beside(root, name)
	if err != nil {
		return err
	}
	defer func() { // after the rename there is nothing of this name
		_ = root.Remove(temp)
	}()
	if err := fill(f, changed, info.Mode(), info, attrs); err != nil {
		return err
	}
	// Somebody may have written it meanwhile; the rename below would undo that.
	again, err := root.OpenFile(name, os.O_RDONLY|source.NoWait, 0)
	if err != nil {
		return err
	}
	now, err := readSame(again, info)
	_ = again.Close()
	if err != nil {
		return err
	}
	if latest, err := root.Lstat(name); err != nil || !os.SameFile(info, latest) || !bytes.Equal(raw, now) {
		return ErrChanged
	}
	if err := root.Rename(temp, name); err != nil {
		return err
	}
	sync(root, path.Dir(name))
	return nil
}

// readSame reads f when it is the regular file info, and not what has taken its place.
func readSame(f *os.File, info fs.FileInfo) ([]byte, error) {
	if is, err := f.Stat(); err != nil || !os.SameFile(is, info) {
		return nil, ErrChanged
	}
	return io.ReadAll(io.LimitReader(f, source.MaxFileSize+1))
}

// create makes a file that is not there. A link to the finished one is its name in one step,
// and the system refuses that where anything has the name, also a link that leads nowhere.
func (c *Change) create(root *os.Root, name string) error {
	content, err := c.Bytes(nil)
	if err != nil {
		return err
	}
	dir := path.Dir(name)
	made, err := makeFolders(root, dir)
	if err == nil {
		err = c.place(root, name, content)
	}
	if err != nil {
		for _, d := range made { // the deepest first; one that somebody else uses by now stays
			_ = root.Remove(d)
		}
		return err
	}
	sync(root, dir)
	return nil
}

func (c *Change) place(root *os.Root, name string, content []byte) error {
	temp, f, err := beside(root, name)
	if err != nil {
		return err
	}
	defer func() { _ = root.Remove(temp) }()
	if err := fill(f, content, 0o644, nil, nil); err != nil {
		return err
	}
	err = root.Link(temp, name)
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	}
	return err
}

// makeFolders makes dir and the folders above it that are not there, and says which, the
// deepest first.
func makeFolders(root *os.Root, dir string) (made []string, err error) {
	for at := dir; ; at = path.Dir(at) {
		info, err := root.Stat(at)
		if err == nil && !info.IsDir() {
			return nil, &fs.PathError{Op: "mkdir", Path: at, Err: errors.New("what should be its folder is none")}
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || at == "." {
			return nil, err
		}
		made = append(made, at)
	}
	for i := len(made) - 1; i >= 0; i-- {
		if err := root.Mkdir(made[i], 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return made[i+1:], err
		}
		sync(root, path.Dir(made[i]))
	}
	return made, nil
}

// beside makes a new file in the folder of name, which only we may read.
func beside(root *os.Root, name string) (string, *os.File, error) {
	for i := 0; ; i++ {
		temp := path.Join(path.Dir(name), "."+path.Base(name)+".portolan"+strconv.Itoa(i))
		f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil || !errors.Is(err, fs.ErrExist) || i >= 100 {
			return temp, f, err
		}
	}
}

// fill writes a new file and gives it a mode, and the owner and the attributes of the old one
// if there is one.
func fill(f *os.File, content []byte, mode fs.FileMode, old fs.FileInfo, attrs []attribute) error {
	_, err := f.Write(content)
	if err == nil && old != nil {
		err = own(f, old)
	}
	if err == nil { // after the owner: a change of owner takes setuid bits away
		err = f.Chmod(mode)
	}
	if err == nil && old != nil { // at last: the bits of a group are the mask of a list
		err = keep(f, attrs)
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
