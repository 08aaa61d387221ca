package source

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Limits on what is read. A configuration file of the services we know is some
// hundred kilobytes at most; what is larger is not one, or an attack on memory.
const (
	MaxFileSize = 8 << 20  // bytes of one file
	maxLinks    = 40       // symbolic links followed for one name, as in Linux's path_resolution(7)
	maxTree     = 32 << 20 // bytes of all files of one host: a media server's /etc has a few MiB
)

// Errors that callers turn into findings.
var (
	ErrTooLarge   = errors.New("larger than " + strconv.Itoa(MaxFileSize>>20) + " MiB")
	ErrTooMuch    = errors.New("more than " + strconv.Itoa(maxTree>>20) + " MiB of files were read before it")
	ErrTooMany    = errors.New("more than " + strconv.Itoa(maxGlob) + " files and folders to look at")
	ErrNotRegular = errors.New("not a regular file")
	ErrLinks      = errors.New("too many symbolic links")
	ErrOutside    = errors.New("it lies outside the folder that was named")
)

// A Tree is the files of a host, wherever they lie: "/" of this machine, a copy
// below a folder, or an archive in memory. Names are relative to its top, with
// forward slashes. Links are resolved as the host itself would, with an absolute
// target meaning the tree's own top, and nothing leads out of it.
//
// A tree can also be one folder of this machine. Its names are those of the machine, and
// what lies elsewhere is ErrOutside.
//
// What the file system says about a place is remembered: a thousand paths lead through the
// same few folders.
type Tree struct {
	fsys fs.FS
	root *os.Root // closed by Close; nil for a tree in memory
	at   string   // of a folder: where it lies, "etc/nginx"; "" for the files of a host
	said string   // of a folder: how people named it, ended by a slash; "" for the current one

	lookout *Lookout // nil when nobody looks out
	seen    *seen
}

// seen is what is known already.
type seen struct {
	sync.Mutex
	places  map[string]place    // by their names below the top
	folders map[string]folder   // by their names, links and all
	handles map[string]*os.Root // of folders, by their names below the top
	read    map[string]bool     // places of files that were read
	bytes   int                 // that they have
}

// maxHandles bounds the folders of one tree that are held open.
const maxHandles = 64

// place is what lies at a name.
type place struct {
	info   fs.FileInfo // of the link itself where it is one
	target string      // of a link; "" for everything else
	err    error
}

// folder is the base names in a folder, ascending.
type folder struct {
	names []string
	err   error
}

// OpenTree is the tree below a directory. The caller must Close it.
func OpenTree(dir string) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	t := NewTree(root.FS())
	t.root = root
	return t, nil
}

// OpenFolder is the one folder that an operator named, in files of this machine. Its
// files carry the names that begin as the operator typed them. The caller must Close it.
func OpenFolder(dir string) (*Tree, error) {
	at, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	t, err := OpenTree(dir)
	if err != nil {
		return nil, err
	}
	t.at = strings.Trim(filepath.ToSlash(at), "/")
	if t.said = dir; !os.IsPathSeparator(dir[len(dir)-1]) {
		t.said += string(filepath.Separator)
	}
	return t, nil
}

// Called is a folder under another name: files carry prefix in front of their place in
// it.
func (t *Tree) Called(prefix string) *Tree {
	other := *t
	other.said = prefix
	return &other
}

// PathOf is the Path of a file of the folder that people call by name.
func (t *Tree) PathOf(name string) string {
	return path.Join(t.at, filepath.ToSlash(strings.TrimPrefix(name, t.said)))
}

// NewTree is a tree over any file system, such as one in memory.
func NewTree(fsys fs.FS) *Tree {
	return &Tree{fsys: fsys, seen: &seen{places: map[string]place{}, folders: map[string]folder{}, handles: map[string]*os.Root{}, read: map[string]bool{}}}
}

// near is the folder that a name is in and its name there, so that the system need not walk
// all the way for each of its files; or the top, where the folder cannot be held open. The
// folders on the way are no links.
func (t *Tree) near(name string) (fs.FS, string) {
	if t.root == nil {
		return t.fsys, name
	}
	root, base := t.nearest(name)
	if root == t.root {
		return t.fsys, name
	}
	return root.FS(), base
}

// nearest is near for a tree below a directory.
func (t *Tree) nearest(name string) (*os.Root, string) {
	cut := strings.LastIndexByte(name, '/')
	if cut < 0 {
		return t.root, name
	}
	t.seen.Lock()
	defer t.seen.Unlock()
	if h := t.handle(name[:cut]); h != nil {
		return h, name[cut+1:]
	}
	return t.root, name
}

// handle is an open folder, nil when it cannot be held open. The caller holds the lock.
func (t *Tree) handle(dir string) *os.Root {
	if h, known := t.seen.handles[dir]; known || len(t.seen.handles) == maxHandles {
		return h
	}
	up, base := t.root, dir
	if cut := strings.LastIndexByte(dir, '/'); cut >= 0 {
		if above := t.handle(dir[:cut]); above != nil {
			up, base = above, dir[cut+1:]
		}
	}
	h, err := up.OpenRoot(base)
	if err != nil {
		h = nil
	}
	t.seen.handles[dir] = h
	return h
}

// look is what lies at a name below the top. The folders on the way to it are no links.
func (t *Tree) look(name string) place {
	t.seen.Lock()
	p, known := t.seen.places[name]
	if !known {
		p = t.seen.places[path.Dir(name)]
	}
	t.seen.Unlock()
	if known {
		return p
	}
	if !errors.Is(p.err, fs.ErrNotExist) { // a folder that is not there has nothing in it
		p = t.ask(name)
	}
	t.seen.Lock()
	t.seen.places[name] = p
	t.seen.Unlock()
	return p
}

// ask asks the file system what lies at a name.
func (t *Tree) ask(name string) (p place) {
	fsys, base := t.near(name)
	if p.info, p.err = fs.Lstat(fsys, base); p.err != nil {
		p.err = about(name, p.err)
		return p
	}
	if p.info.Mode()&(fs.ModeSymlink|fs.ModeIrregular) != 0 { // a junction of Windows is irregular
		p.target, _ = fs.ReadLink(fsys, base) // opening it will tell
	}
	return p
}

// about is an error of the file system with the name below the top of what it is about.
func about(name string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		pe.Path = name
	}
	return err
}

// readNames reads a folder. Where that is possible, the system is not asked what each name
// stands for.
func readNames(fsys fs.FS, dir string) ([]string, error) {
	f, err := fsys.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if d, ok := f.(*os.File); ok {
		names, err := d.Readdirnames(-1)
		slices.Sort(names)
		return names, err
	}
	entries, err := fs.ReadDir(fsys, dir)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

// inside is the place of a name below the top of the tree.
func (t *Tree) inside(name string) (string, error) {
	name = clean(name)
	if t.at == "" {
		return name, nil
	}
	below, ok := strings.CutPrefix(path.Clean(name), t.at)
	if !ok || below != "" && below[0] != '/' {
		return "", &fs.PathError{Op: "open", Path: name, Err: ErrOutside}
	}
	return clean(below), nil
}

// Close releases the directory handle. A tree in memory has none.
func (t *Tree) Close() error {
	if t.root == nil {
		return nil
	}
	t.seen.Lock()
	defer t.seen.Unlock()
	for _, h := range t.seen.handles {
		if h != nil {
			h.Close()
		}
	}
	clear(t.seen.handles)
	return t.root.Close()
}

// Resolve follows the symbolic links in name and returns the name of what they
// lead to. A ".." at the top of a host stays there, as chroot(2) has it.
func (t *Tree) Resolve(name string) (string, error) {
	below, err := t.inside(name)
	if err == nil {
		below, err = t.resolve(below)
	}
	if err != nil {
		return "", err
	}
	return path.Join(t.at, below), nil
}

// resolve is Resolve for a place below the top.
func (t *Tree) resolve(name string) (string, error) {
	done, rest := "", name
	for links := 0; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		switch part {
		case "", ".":
			continue
		case "..":
			if done == "" && t.at != "" {
				return "", &fs.PathError{Op: "open", Path: name, Err: ErrOutside}
			}
			done = strings.TrimSuffix(path.Dir("/" + done)[1:], "/")
			continue
		}
		next := part
		if done != "" {
			next = done + "/" + part
		}
		target := t.look(next).target
		if target == "" { // not a link, or not there: opening it will tell
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: name, Err: ErrLinks}
		}
		target = strings.ReplaceAll(target, `\`, "/")
		if strings.HasPrefix(target, "/") {
			done = ""
			var err error
			if target, err = t.inside(target); err != nil {
				return "", err
			}
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

// find is the name of what name leads to, and what it is.
func (t *Tree) find(name string) (string, fs.FileInfo, error) {
	real, err := t.inside(name)
	if err == nil {
		real, err = t.resolve(real)
	}
	if err != nil {
		return "", nil, err
	}
	p := t.look(real)
	return real, p.info, p.err
}

// Stat describes what name leads to.
func (t *Tree) Stat(name string) (fs.FileInfo, error) {
	_, info, err := t.find(name)
	return info, err
}

// Read reads and decodes a regular file of at most MaxFileSize bytes. The File of a host
// carries name as given, without a leading slash.
func (t *Tree) Read(name string) (*File, error) {
	real, info, err := t.find(name) // before opening: a FIFO would block
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: notRegular(info.Mode())}
	}
	if info.Size() > MaxFileSize {
		return nil, &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
	}
	f, err := t.open(real)
	if err != nil {
		return nil, about(real, err)
	}
	defer f.Close()
	raw, err := readRegular(f, name, MaxFileSize)
	if err != nil {
		return nil, err
	}
	if !t.afford(real, len(raw)) {
		return nil, &fs.PathError{Op: "read", Path: name, Err: ErrTooMuch}
	}
	file := New(clean(name), raw)
	if t.at != "" {
		below, _ := t.inside(name) // it was found there
		file.Name = t.said + filepath.FromSlash(below)
	}
	t.lookout.see(file)
	return file, nil
}

// open opens a file for reading.
func (t *Tree) open(real string) (fs.File, error) {
	if t.root == nil {
		return t.fsys.Open(real)
	}
	root, base := t.nearest(real)
	return root.OpenFile(filepath.FromSlash(base), os.O_RDONLY|NoWait, 0)
}

// afford reports whether a host may have one more file of n bytes. What is read again counts
// once. A folder that an operator named may be as large as a repository; of it little is kept.
func (t *Tree) afford(real string, n int) bool {
	if t.at != "" {
		return true
	}
	t.seen.Lock()
	defer t.seen.Unlock()
	if t.seen.read[real] {
		return true
	}
	if t.seen.bytes+n > maxTree {
		return false
	}
	t.seen.read[real] = true
	t.seen.bytes += n
	return true
}

// notRegular says what something is that is no regular file.
func notRegular(m fs.FileMode) error {
	kind := "something else"
	switch {
	case m.IsDir():
		kind = "a folder"
	case m&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case m&fs.ModeSocket != 0:
		kind = "a socket"
	case m&fs.ModeDevice != 0:
		kind = "a device"
	}
	return fmt.Errorf("it is %s, %w", kind, ErrNotRegular)
}

// readAll reads to the end or to the limit: sizes in /proc are 0, and a file may
// grow while we read it.
func readAll(r io.Reader, size, limit int) ([]byte, error) {
	raw := make([]byte, 0, min(size, limit)+512)
	for {
		if len(raw) == cap(raw) {
			raw = append(raw, 0)[:len(raw)]
		}
		n, err := r.Read(raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		if n == size && n > 0 && n == len(raw) && n <= limit {
			return raw, nil // as long as it was when we asked
		}
		if len(raw) > limit {
			return nil, tooLarge(limit)
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
// not exist or is no directory. Nobody changes them.
func (t *Tree) List(dir string) ([]string, error) {
	if dir = strings.Trim(dir, "/"); dir == "" {
		dir = "."
	}
	t.seen.Lock()
	f, known := t.seen.folders[dir]
	t.seen.Unlock()
	if known {
		return f.names, f.err
	}
	real, info, err := t.find(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir():
	case err != nil:
		f.err = err
	default:
		f.names, f.err = readNames(t.near(real))
		f.err = about(real, f.err)
	}
	t.seen.Lock()
	t.seen.folders[dir] = f
	t.seen.Unlock()
	return f.names, f.err
}

// maxGlob bounds the directory entries one pattern looks at.
const maxGlob = 10_000

// Glob are the names that match pattern (path.Match in each component), ascending. A
// pattern without wildcards is its own answer when something is there, if only a link
// that leads to nothing. The error says
// that the pattern is malformed, or that a directory could not be read.
func (t *Tree) Glob(pattern string) ([]string, error) {
	below, err := t.inside(path.Clean("/" + pattern))
	if err != nil {
		return nil, err
	}
	found := []string{t.at}
	seen := 0
	for part := range strings.SplitSeq(below, "/") {
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
					return nil, ErrTooMany
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
		below, _ := t.inside(name)
		_, err = fs.ReadLink(t.fsys, below) // a link to nothing is there, and cannot be read
		return err != nil
	}), nil
}

// ReadFile reads one file by the path an operator typed, under the same limits as
// Tree.Read; the File carries that path.
func ReadFile(name string) (*File, error) {
	info, err := os.Stat(name) // before it is opened: opening a pipe waits for its writer
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: notRegular(info.Mode())}
	}
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadOpen(f, name)
}

// ReadBytes is the content of a regular file of at most limit bytes.
func ReadBytes(name string, limit int) ([]byte, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readRegular(f, name, limit)
}

// Open opens a file of this machine for reading, whatever it is, and does not wait for
// anybody.
func Open(name string) (*os.File, error) { return os.OpenFile(name, os.O_RDONLY|NoWait, 0) }

// ReadOpen reads an open file like ReadFile; the File carries the name.
func ReadOpen(f fs.File, name string) (*File, error) {
	raw, err := readRegular(f, name, MaxFileSize)
	if err != nil {
		return nil, err
	}
	file := New(name, raw)
	file.Given = true
	return file, nil
}

// readRegular reads what is open, whatever its name stands for by now.
func readRegular(f fs.File, name string, limit int) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: notRegular(info.Mode())}
	}
	if info.Size() > int64(limit) {
		return nil, &fs.PathError{Op: "read", Path: name, Err: tooLarge(limit)}
	}
	raw, err := readAll(f, int(info.Size()), limit)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return raw, nil
}

// tooLarge is ErrTooLarge for the limit of one file, and the like of it for another.
func tooLarge(limit int) error {
	if limit == MaxFileSize {
		return ErrTooLarge
	}
	return fmt.Errorf("larger than %d MiB", limit>>20)
}
