package source

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Limits on what is read. A configuration file of the services we know is some
// hundred kilobytes at most; what is larger is not one, or an attack on memory.
const (
	MaxFileSize = 8 << 20 // bytes of one file
	maxLinks    = 40      // symbolic links followed for one name, as in Linux's path_resolution(7)
)

// Errors that callers turn into findings.
var (
	ErrTooLarge   = fmt.Errorf("larger than %d MiB", MaxFileSize>>20)
	ErrNotRegular = errors.New("not a regular file")
	ErrLinks      = errors.New("too many symbolic links")
)

// A Tree is the files of a host, wherever they lie: "/" of this machine, a copy
// below a folder, or an archive in memory. Names are relative to its top, with
// forward slashes. Links are resolved as the host itself would, with an absolute
// target meaning the tree's own top, and nothing leads out of it.
type Tree struct {
	fsys fs.FS
	root *os.Root // closed by Close; nil for a tree in memory
}

// OpenTree is the tree below a directory. The caller must Close it.
func OpenTree(dir string) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Tree{root.FS(), root}, nil
}

// NewTree is a tree over any file system, such as one in memory.
func NewTree(fsys fs.FS) *Tree { return &Tree{fsys, nil} }

// Close releases the directory handle. A tree in memory has none.
func (t *Tree) Close() error {
	if t.root == nil {
		return nil
	}
	return t.root.Close()
}

// Resolve follows the symbolic links in name and returns the name of what they
// lead to. A ".." at the top stays there, as chroot(2) has it.
func (t *Tree) Resolve(name string) (string, error) {
	done, rest := "", clean(name)
	for links := 0; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		switch part {
		case "", ".":
			continue
		case "..":
			done = strings.TrimSuffix(path.Dir("/" + done)[1:], "/")
			continue
		}
		next := path.Join(done, part)
		target, err := fs.ReadLink(t.fsys, next)
		if err != nil { // not a link, or not there: opening it will tell
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: name, Err: ErrLinks}
		}
		target = strings.ReplaceAll(target, `\`, "/")
		if strings.HasPrefix(target, "/") {
			done = ""
		}
		rest = target + "/" + rest
	}
	if done == "" {
		done = "."
	}
	return done, nil
}

// clean drops leading slashes so that "/etc/x" and "etc/x" are one name.
func clean(name string) string { return strings.TrimLeft(name, "/") }

// find is the name of what name leads to, and what it is. The file system follows links
// that stay inside by itself, and quickly; what it refuses is resolved as the host would.
func (t *Tree) find(name string) (string, fs.FileInfo, error) {
	real := path.Clean(clean(name))
	if fs.ValidPath(real) && !strings.Contains(name, "..") { // "link/.." is not what Clean makes of it
		info, err := fs.Stat(t.fsys, real)
		if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return real, info, err
		}
	}
	real, err := t.Resolve(name)
	if err != nil {
		return "", nil, err
	}
	info, err := fs.Stat(t.fsys, real)
	return real, info, err
}

// Stat describes what name leads to.
func (t *Tree) Stat(name string) (fs.FileInfo, error) {
	_, info, err := t.find(name)
	return info, err
}

// Read reads and decodes a regular file of at most MaxFileSize bytes. The File
// carries name as given, without a leading slash.
func (t *Tree) Read(name string) (*File, error) {
	real, info, err := t.find(name) // before opening: a FIFO would block
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: ErrNotRegular}
	}
	if info.Size() > MaxFileSize {
		return nil, &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
	}
	f, err := t.fsys.Open(real)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := readAll(f, int(info.Size()))
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return New(clean(name), raw), nil
}

// readAll reads to the end or to the limit: sizes in /proc are 0, and a file may
// grow while we read it.
func readAll(r io.Reader, size int) ([]byte, error) {
	raw := make([]byte, 0, min(size, MaxFileSize)+512)
	for {
		if len(raw) == cap(raw) {
			raw = append(raw, 0)[:len(raw)]
		}
		n, err := r.Read(raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		if len(raw) > MaxFileSize {
			return nil, ErrTooLarge
		}
		if err == io.EOF {
			return raw, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// List are the base names in a directory in ascending order; none when it does
// not exist or is no directory.
func (t *Tree) List(dir string) ([]string, error) {
	real, info, err := t.find(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(t.fsys, real)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// maxGlob bounds the directory entries one pattern looks at.
const maxGlob = 10_000

// Glob are the names that match pattern (path.Match in each component), ascending. A
// pattern without wildcards is its own answer when something is there, if only a link
// that leads to nothing. The error says
// that the pattern is malformed, or that a directory could not be read.
func (t *Tree) Glob(pattern string) ([]string, error) {
	found := []string{""}
	seen := 0
	for part := range strings.SplitSeq(clean(path.Clean("/"+pattern)), "/") {
		var next []string
		for _, dir := range found {
			if !strings.ContainsAny(part, `*?[\`) {
				next = append(next, path.Join(dir, part))
				continue
			}
			names, err := t.List(cmp.Or(dir, "."))
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				if seen++; seen > maxGlob {
					return nil, fmt.Errorf("more than %d files for %s", maxGlob, pattern)
				}
				ok, err := path.Match(part, name)
				if err != nil {
					return nil, fmt.Errorf("pattern %q: %w", pattern, err)
				}
				if ok && (name[0] != '.' || part[0] == '.') {
					next = append(next, path.Join(dir, name))
				}
			}
		}
		found = next
	}
	return slices.DeleteFunc(found, func(name string) bool {
		_, err := t.Stat(name)
		if err == nil || errors.Is(err, fs.ErrPermission) {
			return false
		}
		_, err = fs.ReadLink(t.fsys, name) // a link to nothing is there, and cannot be read
		return err != nil
	}), nil
}

// ReadFile reads one file by the path an operator typed, under the same limits as
// Tree.Read; the File carries that path.
func ReadFile(name string) (*File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: ErrNotRegular}
	}
	if info.Size() > MaxFileSize {
		return nil, &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := readAll(f, int(info.Size()))
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return New(name, raw), nil
}
