// Package history remembers what was applied: the last ten states, the one for the boot, and
// what waits to be confirmed.
//
// Each state is a file of its own in one folder: "7.state" for the seventh, and "pending.state"
// for what waits. The one with the highest number is the one for the boot. A file is written
// beside its place, put on the disk and renamed, so whoever reads sees all of it or none, needs
// no lock, and finds after a crash what was there before or after a step. To confirm is to
// rename what waits: it is pending or kept, never both and never neither.
//
// "kernel.seen" beside them is no state: it is what the kernel had at a moment, so that it need
// not be asked again, and nothing is lost with it.
package history

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"portolan/internal/nft"
)

// Keeps is how many states are kept.
const Keeps = 10

// The names of the files that are no state of the past.
const (
	pendingName = "pending.state"
	lockName    = "lock"
	freshName   = "new.tmp" // what is being written; left by a crash, the next writer takes it away
)

// Limits, all far above what there is: a host with 65,536 services has files of 20 MB.
const (
	maxNumber = 999_999_999
	maxFile   = 256 << 20 // bytes
	maxNames  = 10_000    // of files in the folder
)

// ErrNone says that there is no such state.
var ErrNone = errors.New("there is no such state")

// A Store is the folder with the states. It is a value that holds nothing open.
type Store struct {
	dir string
	// before is asked before each step of a writer, with the name of the file and, for a
	// rename, the new one. An error is as if the system had said it. For tests; nil else.
	before func(step, name, to string) error
}

// A State is one of a list.
type State struct {
	Record
	// Err is why the state cannot be used: ErrDamaged, ErrFormat, or what the system says.
	// Of the record, only the number is known then.
	Err error
}

// A List is what a folder had at one moment.
type List struct {
	Pending *State  // what waits to be confirmed; nil for nothing
	Kept    []State // the newest first
}

// Open looks at a folder of states. Where there is none, there are no states, and the first
// writer makes the folder, but not those above it. The folder must belong to root or to the user
// of this process, and nobody else may write into it, since what it has goes into the kernel.
func Open(dir string) (*Store, error) {
	s := &Store{dir: filepath.Clean(dir)}
	d, err := s.open()
	if errors.Is(err, fs.ErrNotExist) {
		info, err := os.Stat(filepath.Dir(s.dir))
		if err == nil && !info.IsDir() {
			err = syscall.ENOTDIR
		}
		if err != nil {
			return nil, explain(filepath.Dir(s.dir), err)
		}
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	d.root.Close()
	return s, nil
}

// List is all states. One that cannot be used is in it and says why. Every file is read to its
// end and checked.
func (s *Store) List() (*List, error) {
	d, err := s.open()
	if errors.Is(err, fs.ErrNotExist) {
		return &List{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.root.Close()
	// What waits may be renamed while we look, and then be seen twice or not at all. So look
	// again until it has not moved meanwhile.
	for range 100 {
		before, _ := d.root.Lstat(pendingName)
		var l List
		numbers, err := d.numbers()
		if err != nil {
			return nil, err
		}
		for _, n := range numbers {
			r, err := d.read(stateName(n), nil)
			if errors.Is(err, fs.ErrNotExist) { // a writer has taken away the oldest
				continue
			}
			r.Number = n
			l.Kept = append(l.Kept, State{r, err})
		}
		r, err := d.read(pendingName, nil)
		if !errors.Is(err, fs.ErrNotExist) {
			l.Pending = &State{r, err}
		}
		after, _ := d.root.Lstat(pendingName)
		if before == nil && after == nil || before != nil && after != nil && os.SameFile(before, after) {
			return &l, nil
		}
	}
	return nil, fmt.Errorf("%s: it is written all the time: try again", s.dir)
}

// Load is the state of a number with its table, nil for a host without one. The error is
// ErrNone, ErrDamaged or ErrFormat, or what the system says.
func (s *Store) Load(number int) (Record, *nft.Table, error) {
	return s.load(func(d *folder) (string, error) {
		numbers, err := d.numbers()
		if err != nil || slices.Contains(numbers, number) {
			return stateName(number), err
		}
		kept := "none is kept"
		if n := len(numbers); n > 0 {
			kept = fmt.Sprintf("kept are %d to %d", numbers[n-1], numbers[0])
		}
		return "", fmt.Errorf("%s: state %d: %w: %s", d.path, number, ErrNone, kept)
	})
}

// Latest is the newest state that is kept, and ErrNone when nothing was ever kept. When its
// file is damaged, that is the error: an older state may close what is in use by now, so it is
// for the caller to take one.
func (s *Store) Latest() (Record, *nft.Table, error) {
	return s.load(newest)
}

// newest is the name of the newest state that is kept.
func newest(d *folder) (string, error) {
	numbers, err := d.numbers()
	if err != nil || len(numbers) > 0 {
		return stateName(append(numbers, 0)[0]), err
	}
	return "", fmt.Errorf("%s: %w: nothing was applied and kept yet", d.path, ErrNone)
}

// LatestRecord is what is known of the state of Latest, without its table. The file is checked
// all the same.
func (s *Store) LatestRecord() (Record, error) {
	return s.file(newest, nil)
}

// Pending is what waits to be confirmed, and ErrNone when nothing does. It is only what was
// written before the kernel was asked: the kernel knows whether it still waits. Who wants
// Latest as well asks for it afterwards, so that what is confirmed between them is not missed.
func (s *Store) Pending() (Record, *nft.Table, error) {
	return s.load(func(*folder) (string, error) { return pendingName, nil })
}

// PendingRecord is what is known of the state of Pending, without its table. The file is checked
// all the same.
func (s *Store) PendingRecord() (Record, error) {
	return s.file(func(*folder) (string, error) { return pendingName, nil }, nil)
}

// load reads the file that which names, with its table.
func (s *Store) load(which func(*folder) (string, error)) (Record, *nft.Table, error) {
	var data strings.Builder // texts of the table are parts of it
	r, err := s.file(which, &data)
	if err != nil {
		return Record{}, nil, err
	}
	t, err := tableOf(r, data.String())
	if err != nil {
		return Record{}, nil, fmt.Errorf("%s: %w", filepath.Join(s.dir, stateName(r.Number)), err)
	}
	return r, t, nil
}

// file reads and checks the file that which names, as read does.
func (s *Store) file(which func(*folder) (string, error), table keeper) (Record, error) {
	d, err := s.open()
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, fmt.Errorf("%s: %w: nothing was applied yet", s.dir, ErrNone)
	}
	if err != nil {
		return Record{}, err
	}
	defer d.root.Close()
	name, err := which(d)
	if err != nil {
		return Record{}, err
	}
	r, err := d.read(name, table)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: %w", d.file(name), ErrNone)
	}
	if err != nil {
		return Record{}, err
	}
	r.Number, _ = numberOf(name)
	return r, nil
}

// A folder is the folder, open. Nothing that happens in it can lead out of it.
type folder struct {
	root   *os.Root
	path   string
	before func(step, name, to string) error
}

// open opens the folder and makes sure that only root and we could write what is in it.
// Its own path may have links: systemd makes one for a service with a user of its own.
func (s *Store) open() (*folder, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, explain(s.dir, err)
	}
	info, err := root.Stat(".")
	if err == nil {
		err = trust(info)
	}
	if err != nil {
		root.Close()
		return nil, explain(s.dir, err)
	}
	return &folder{root, s.dir, s.before}, nil
}

// file is the path of a file, for people.
func (d *folder) file(name string) string { return filepath.Join(d.path, name) }

// numbers are those of the states that have a file, whatever it is, the highest first.
func (d *folder) numbers() ([]int, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, explain(d.path, err)
	}
	defer f.Close()
	names, err := f.Readdirnames(maxNames)
	if err != nil && err != io.EOF {
		return nil, explain(d.path, err)
	}
	if len(names) == maxNames {
		return nil, fmt.Errorf("%s: more than %d files, of which most are not ours: name a folder for portolan alone with --state-dir", d.path, maxNames)
	}
	var out []int
	for _, name := range names {
		if n, ok := numberOf(name); ok {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out, nil
}

// stateName is the name of the file of a state; 0 is what waits.
func stateName(number int) string {
	if number == 0 {
		return pendingName
	}
	return strconv.Itoa(number) + ".state"
}

func numberOf(name string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSuffix(name, ".state"))
	return n, err == nil && n >= 1 && n <= maxNumber && name == stateName(n)
}

// read is the record of a file, and the bytes of its table for who keeps them, all of it checked. A
// link is not followed, and a pipe not waited for.
func (d *folder) read(name string, table keeper) (Record, error) {
	f, err := d.openSame(name, os.O_RDONLY)
	if err != nil {
		return Record{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Record{}, explain(d.file(name), err)
	}
	if info.Size() > maxFile {
		return Record{}, fmt.Errorf("%s: %w: it has more than %d MiB", d.file(name), ErrDamaged, maxFile>>20)
	}
	r, err := decodeFile(f, info.Size(), table) // a file of ours never gets shorter
	return r, explain(d.file(name), err)
}

// openSame opens a regular file by its own name. os.Root follows links inside the folder, so
// what was opened must be what has the name. A writer may put another file there meanwhile.
func (d *folder) openSame(name string, flags int) (*os.File, error) {
	for range 10 {
		info, err := d.root.Lstat(name)
		if err != nil {
			return nil, explain(d.file(name), err)
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s: %w: it is no file but something else (%s): remove it", d.file(name), ErrDamaged, info.Mode().Type())
		}
		f, err := d.root.OpenFile(name, flags|noWait, 0)
		if err != nil {
			return nil, explain(d.file(name), err)
		}
		if is, err := f.Stat(); err == nil && os.SameFile(is, info) {
			return f, nil
		}
		f.Close()
	}
	return nil, explain(d.file(name), errMoved)
}

// errMoved says that somebody puts other files in the place of one again and again.
var errMoved = errors.New("somebody else writes it at the same time: try again")

// explain says of which file the system speaks, and what can be done.
func explain(path string, err error) error {
	if err == nil {
		return nil
	}
	var pe *fs.PathError
	var le *os.LinkError
	switch { // they name the file as the folder has it
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	}
	for _, a := range advices {
		if slices.ContainsFunc(a.errors, func(e syscall.Errno) bool { return errors.Is(err, e) }) {
			return fmt.Errorf("%s: %w: %s", path, err, a.words)
		}
	}
	return fmt.Errorf("%s: %w", path, err)
}

var advices = []struct {
	errors []syscall.Errno
	words  string
}{
	{[]syscall.Errno{syscall.ENOSPC, syscall.EDQUOT}, "nothing that was kept is lost; make room there, or name another folder with --state-dir"},
	{[]syscall.Errno{syscall.EROFS}, "nothing can be kept there; make it writable, or name another folder with --state-dir"},
	{[]syscall.Errno{syscall.EACCES, syscall.EPERM}, "run this as the user that it belongs to, which is root as a rule"},
	{[]syscall.Errno{syscall.EIO}, "the disk fails; see what the kernel's log says of it"},
}
