package history

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"portolan/internal/nft"
)

// A Writer may change the states, and nobody else can until it is closed. Its methods are for one
// goroutine at a time.
type Writer struct {
	*folder
	lock *os.File
	// What was encoded last: what waits is often kept a moment later.
	table      *nft.Table
	encoded    []byte
	encodedSum string
	staged     *Record // what Stage has written; nil for nothing
}

// pause is how long to wait before the lock is tried again.
const pause = 50 * time.Millisecond

// Lock makes this process the only one that writes, and takes away what a crash has left. While
// somebody else has the lock it waits until ctx ends; a free lock is taken also when ctx has
// ended already. Before it waits it calls waiting, if that is not nil, with words for who has
// the lock, such as "process 1234". The kernel gives a lock back when its process ends, however
// it does. The folder is made when there is none, for its owner alone.
func (s *Store) Lock(ctx context.Context, waiting func(holder string)) (*Writer, error) {
	d, err := s.open()
	if errors.Is(err, fs.ErrNotExist) {
		d, err = s.make()
	}
	if err != nil {
		return nil, err
	}
	f, err := d.take(ctx, waiting)
	if err == nil {
		// As wide as any number: on a full disk it is still written over the last one. It
		// is only told to others, so nothing depends on it.
		_, _ = fmt.Fprintf(f, "%-20d\n", os.Getpid())
		err = errors.Join(d.remove(freshName), d.remove(freshSeenName))
	}
	if err != nil {
		if f != nil {
			f.Close()
		}
		d.root.Close()
		return nil, err
	}
	return &Writer{folder: d, lock: f}, nil
}

// make makes the folder.
func (s *Store) make() (*folder, error) {
	if err := os.Mkdir(s.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, explain(s.dir, err)
	}
	up, err := os.OpenRoot(filepath.Dir(s.dir))
	if err != nil {
		return nil, explain(s.dir, err)
	}
	defer up.Close()
	if err := syncFolder(up); err != nil {
		return nil, explain(s.dir, err)
	}
	return s.open()
}

// take waits for the lock.
func (d *folder) take(ctx context.Context, waiting func(string)) (*os.File, error) {
	for told := false; ; {
		f, err := d.lockFile()
		if err != nil {
			return nil, err
		}
		locked := false
		err = d.do("lock", lockName, "", func() (err error) {
			locked, err = tryLock(f)
			return err
		})
		if locked {
			// Somebody may have taken the file away since: then another one is the lock.
			is, err := f.Stat()
			if now, err2 := d.root.Lstat(lockName); err == nil && err2 == nil && os.SameFile(is, now) {
				return f, nil
			}
		}
		holder := holderOf(f)
		f.Close()
		if err != nil {
			return nil, err
		}
		if !told && waiting != nil && !locked {
			told = true
			waiting(holder)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %s changes the firewall at this moment: try again when it is done: %w", d.file(lockName), holder, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// lockFile opens the file of the lock, and makes it where there is none.
func (d *folder) lockFile() (*os.File, error) {
	for range 10 {
		f, err := d.openSame(lockName, os.O_RDWR)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		f, err = d.root.OpenFile(lockName, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) { // else somebody was faster
			return f, explain(d.file(lockName), err)
		}
	}
	return nil, explain(d.file(lockName), errMoved)
}

// holderOf is who says in the file of the lock that he has it.
func holderOf(f *os.File) string {
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if n, bad := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && bad == nil && n > 0 {
		return "process " + strconv.Itoa(n)
	}
	return "another process"
}

// Close lets others write.
func (w *Writer) Close() error {
	err := w.unstage()
	w.root.Close()
	return errors.Join(err, w.lock.Close())
}

// Prepare makes a table that is about to be remembered ready for that, which takes time with many
// services. Nothing is written, and who remembers a table without it takes the time then.
func (w *Writer) Prepare(t *nft.Table) {
	if t != nil && w.table != t {
		w.table, w.encoded = t, encodeTable(t)
		w.encodedSum = sum(w.encoded)
	}
}

// SetPending remembers what is about to wait for its confirmation, in the place of what has
// waited before. A nil table is a host without one, and a table must not change before the writer is
// closed. After an error, what waited before waits, or the new one does and a crash of the machine
// may still lose it. Such a crash may lose a record without Until in any case, and find what waited
// before: nobody is waited for, so the kernel has lost the change as well.
func (w *Writer) SetPending(r Record, t *nft.Table) error {
	if err := w.put(pendingName, r, t); err != nil || r.Until.IsZero() {
		return err
	}
	return w.sync()
}

// DropPending forgets what waits. There need not be anything.
func (w *Writer) DropPending() error {
	if err := w.remove(pendingName); err != nil {
		return err
	}
	return w.sync()
}

// DropKept is DropPending for what was kept a moment ago. A crash of the machine may bring it back:
// that it is kept is seen by its time, which is the same in both records.
func (w *Writer) DropKept() error { return w.remove(pendingName) }

// Keep makes a state the newest one and that for the boot, and is its record with its number.
// What waits goes on waiting. After an error, a number other than 0 says that the state is
// there all the same: then a crash of the machine may still lose it, or what is too old could
// not be taken away.
func (w *Writer) Keep(r Record, t *nft.Table) (Record, error) {
	n, err := w.next()
	if err != nil {
		return Record{}, err
	}
	if err := w.put(stateName(n), r, t); err != nil {
		return Record{}, err
	}
	r.Number, r.Firewall = n, t != nil
	return r, w.settle()
}

// Stage puts a state on the disk without a place among the others, so that KeepStaged takes less
// time. Whatever else is written takes it away, and so does Close.
func (w *Writer) Stage(r Record, t *nft.Table) error {
	if err := w.write(freshName, r, t); err != nil {
		return err
	}
	r.Firewall = t != nil
	w.staged = &r
	return nil
}

// KeepStaged is Keep for what was staged.
func (w *Writer) KeepStaged() (Record, error) {
	r := w.staged
	if r == nil {
		return Record{}, errors.New("nothing was staged")
	}
	n, err := w.next()
	if err == nil {
		err = w.rename(freshName, stateName(n))
	}
	if err != nil {
		return Record{}, errors.Join(err, w.unstage())
	}
	w.staged = nil
	r.Number = n
	return *r, w.settle()
}

// unstage takes away what was staged, if anything was.
func (w *Writer) unstage() error {
	if w.staged == nil {
		return nil
	}
	w.staged = nil
	return w.remove(freshName)
}

// Confirm makes what waits the newest state and that for the boot, and is its record with its
// number; ErrNone when nothing waits. What change makes of the record, if it is not nil, is
// kept with it. After an error, a number other than 0 says that the state is there all the
// same, as with Keep, or with the record as it was because there is no room for another one.
func (w *Writer) Confirm(change func(*Record)) (Record, error) {
	var table bytes.Buffer
	r, err := w.read(pendingName, &table)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: %w: nothing waits to be confirmed", w.path, ErrNone)
	}
	if err != nil {
		return Record{}, err
	}
	n, err := w.next()
	if err != nil {
		return Record{}, err
	}
	var amended error
	if change != nil {
		was := r
		change(&r)
		r.Firewall = was.Firewall
		if amended = w.fresh(pendingName, r, table.Bytes(), sum(table.Bytes())); amended == nil {
			amended = w.place(freshName, pendingName)
		}
		if amended != nil {
			r = was
		}
	}
	if err := w.rename(pendingName, stateName(n)); err != nil {
		return Record{}, errors.Join(amended, err)
	}
	r.Number = n
	return r, errors.Join(amended, w.settle())
}

// next is the number of the next state. States are taken away from the other end, so the
// highest number that was used is there.
func (w *Writer) next() (int, error) {
	numbers, err := w.numbers()
	if err != nil {
		return 0, err
	}
	n := append(numbers, 0)[0] + 1
	if n > maxNumber {
		return 0, fmt.Errorf("%s: no number is left behind it: move it away", w.file(stateName(n-1)))
	}
	return n, nil
}

// settle makes sure that a new state stays, and only then takes the oldest ones away.
func (w *Writer) settle() error {
	if err := w.sync(); err != nil {
		return err
	}
	numbers, err := w.numbers()
	if err != nil {
		return err
	}
	var bad []error
	for _, n := range slices.Backward(numbers[min(Keeps, len(numbers)):]) { // so that no gap stays
		bad = append(bad, w.remove(stateName(n)))
	}
	return errors.Join(bad...)
}

// put writes a state. Its name is on the disk after sync. After an error, what had the name is as
// it was.
func (w *Writer) put(name string, r Record, t *nft.Table) error {
	if err := w.write(name, r, t); err != nil {
		return err
	}
	return w.place(freshName, name)
}

// write puts a state on the disk under another name than its own.
func (w *Writer) write(name string, r Record, t *nft.Table) error {
	if r.Firewall = t != nil; !r.Firewall {
		return w.fresh(name, r, nil, sum(nil))
	}
	w.Prepare(t)
	return w.fresh(name, r, w.encoded, w.encodedSum)
}

// place gives what was filled its own name.
func (w *Writer) place(fresh, name string) error {
	err := w.rename(fresh, name)
	if err != nil {
		_ = w.remove(fresh) // the next writer tries again
	}
	return err
}

// fresh writes the file of a state under another name than its own, and puts it on the disk.
func (w *Writer) fresh(name string, r Record, table []byte, tableSum string) error {
	if err := w.unstage(); err != nil {
		return err
	}
	head, err := encodeHead(r, table, tableSum)
	if err != nil {
		return err
	}
	if size := len(head) + len(table); size > maxFile {
		return fmt.Errorf("%s: a table of %d MiB is more than can be kept", w.file(name), size>>20)
	}
	return w.fill(freshName, name, true, func(f *os.File) error {
		_, err := f.Write(head)
		if err == nil {
			_, err = f.Write(table) // by itself, because to put it behind the head is to copy it
		}
		return err
	})
}

// fill writes a file that will have a name under another one, and puts it on the disk if that is asked
// for. After an error there is none.
func (w *Writer) fill(fresh, name string, sync bool, write func(*os.File) error) error {
	var f *os.File
	err := w.do("create", fresh, name, func() (err error) {
		f, err = w.root.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	err = w.do("write", fresh, name, func() error { return write(f) })
	if err == nil && sync {
		err = w.do("sync", fresh, name, f.Sync)
	}
	if closed := f.Close(); err == nil {
		err = explain(w.file(name), closed)
	}
	if err != nil {
		_ = w.remove(fresh) // the next writer tries again
	}
	return err
}

// do is one step with a file that has a name, or will have the name to: that is the one that
// says something to people.
func (d *folder) do(step, name, to string, act func() error) error {
	var err error
	if d.before != nil {
		err = d.before(step, name, to)
	}
	if err == nil {
		err = act()
	}
	return explain(d.file(cmp.Or(to, name)), err)
}

func (d *folder) rename(from, to string) error {
	return d.do("rename", from, to, func() error { return d.root.Rename(from, to) })
}

// remove takes a file away, if there is one.
func (d *folder) remove(name string) error {
	err := d.do("remove", name, "", func() error { return d.root.Remove(name) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sync puts the names of the folder on the disk.
func (d *folder) sync() error {
	return d.do("sync", ".", "", func() error { return syncFolder(d.root) })
}

func syncFolder(root *os.Root) error {
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	err = f.Sync()
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
