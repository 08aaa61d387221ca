//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package history

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A disk is what a machine finds after it has lost its power: content that was not put on the
// disk may be there, in part, or not at all, and so may each change of a name that the folder
// was not synced after.
type disk struct {
	dir     string
	names   map[string]*inode // what is sure to be there
	last    func(map[string]*inode)
	pending []func(map[string]*inode) // changes of names since the last sync of the folder
	fresh   *inode                    // what is being written
	now     map[string]*inode         // what a running machine sees
}

// An inode is the content of a file: what is sure, or nil when nothing is.
type inode struct{ data, sure []byte }

// before follows the steps of a writer. A step is done when the next one begins.
func (d *disk) before(step, name, to string) error {
	d.settle()
	change := func(f func(map[string]*inode)) { d.last = func(m map[string]*inode) { f(m) } }
	switch step {
	case "create":
		d.fresh = &inode{}
		one := d.fresh
		change(func(m map[string]*inode) { m[name] = one })
	case "rename":
		one := d.now[name]
		change(func(m map[string]*inode) {
			delete(m, name)
			m[to] = one
		})
	case "remove":
		if d.now[name] != nil {
			change(func(m map[string]*inode) { delete(m, name) })
		}
	case "sync":
		if name == "." {
			for _, f := range d.pending {
				f(d.names)
			}
			d.pending = nil
			return nil
		}
		data, err := os.ReadFile(filepath.Join(d.dir, name))
		if err != nil {
			return err
		}
		d.fresh.data, d.fresh.sure = data, data
	case "lock", "write":
	default:
		return fmt.Errorf("unknown step %s", step)
	}
	return nil
}

// settle counts the last step as done by the running machine.
func (d *disk) settle() {
	if d.last != nil {
		d.last(d.now)
		d.pending = append(d.pending, d.last)
		d.last = nil
	}
}

// after calls each with the files of everything that a machine could find now.
func (d *disk) after(each func(files map[string][]byte)) {
	changes := slices.Clone(d.pending)
	if d.last != nil {
		changes = append(changes, d.last) // it has begun
	}
	if d.fresh != nil && d.fresh.sure == nil {
		d.fresh.data, _ = os.ReadFile(filepath.Join(d.dir, freshName))
	}
	for subset := range 1 << len(changes) {
		names := maps.Clone(d.names)
		for i, f := range changes {
			if subset>>i&1 == 1 {
				f(names)
			}
		}
		for part := range 3 { // none, half, all of what is not sure
			files, unsure := map[string][]byte{}, false
			for name, one := range names {
				if one == nil {
					continue
				}
				files[name] = one.sure
				if one.sure == nil {
					unsure = true
					files[name] = one.data[:len(one.data)*part/2]
				}
			}
			each(files)
			if !unsure {
				break
			}
		}
	}
}

// scenarios are what writers do in a folder with ten states and one that waits.
var scenarios = map[string]struct {
	act func(w *Writer) error
	// What may be found afterwards, newest and pending by their notes; the first is what was.
	states []string
	// And what only one step that fails can lead to.
	failing string
	// A crash of the machine may lose it when it was done.
	loses bool
}{
	"keep": {act: func(w *Writer) error { _, err := w.Keep(note("new"), many(2)); return err }, states: []string{"old/waits", "new/waits"}},
	"keep what waits": {act: func(w *Writer) error {
		if _, err := w.Keep(note("new"), many(2)); err != nil {
			return err
		}
		return w.DropKept()
	}, states: []string{"old/waits", "new/waits", "new/-"}},
	"pending": {act: func(w *Writer) error {
		r := note("new")
		r.Until = r.Time.Add(time.Minute)
		return w.SetPending(r, many(2))
	}, states: []string{"old/waits", "old/new"}},
	"pending that nobody waits for": {act: func(w *Writer) error { return w.SetPending(note("new"), many(2)) }, states: []string{"old/waits", "old/new"}, loses: true},
	"drop":                          {act: func(w *Writer) error { return w.DropPending() }, states: []string{"old/waits", "old/-"}},
	"confirm":                       {act: func(w *Writer) error { _, err := w.Confirm(nil); return err }, states: []string{"old/waits", "waits/-"}},
	"confirm and say more": {act: func(w *Writer) error {
		_, err := w.Confirm(func(r *Record) { r.Note = "more" })
		return err
	}, states: []string{"old/waits", "old/more", "more/-"}, failing: "waits/-"},
}

// prepare makes the folder of the scenarios.
func prepare(t *testing.T, dir string) {
	t.Helper()
	write(t, open(t, dir), func(w *Writer) {
		for range Keeps {
			if _, err := w.Keep(note("old"), many(1)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.SetPending(note("waits"), many(2)); err != nil {
			t.Fatal(err)
		}
	})
}

// copyFolder copies a folder of states.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, 0o700); err != nil {
		t.Fatal(err)
	}
}

// look is what a folder has, in the words of scenarios. Every state in it must be whole, and
// the last ten must be there.
func look(t *testing.T, dir string) string {
	t.Helper()
	s := open(t, dir)
	l := listOf(t, s)
	out := "-"
	if l.Pending != nil {
		r, table, err := s.Pending()
		if l.Pending.Err != nil || err != nil || cmp.Diff(many(2), table, exact) != "" {
			t.Fatalf("what waits: %v, %v", l.Pending.Err, err)
		}
		out = r.Note
	}
	if len(l.Kept) < Keeps {
		t.Fatalf("only %v are kept", l.numbers())
	}
	for i, one := range l.Kept {
		r, table, err := s.Load(one.Number)
		want := many(1)
		if r.Note != "old" {
			want = many(2)
		}
		if one.Number != l.Kept[0].Number-i || one.Err != nil || err != nil || cmp.Diff(want, table, exact) != "" {
			t.Fatalf("state %d of %v: %v, %v", one.Number, l.numbers(), one.Err, err)
		}
	}
	return l.Kept[0].Note + "/" + out
}

// goOn makes sure that the next writer can work in a folder and leaves nothing behind.
func goOn(t *testing.T, dir string) {
	t.Helper()
	write(t, open(t, dir), func(w *Writer) {
		was := listOf(t, open(t, dir)).Kept[0].Number
		if r, err := w.Keep(note("next"), many(2)); err != nil || r.Number != was+1 {
			t.Fatalf("the next writer: %+v, %v", r, err)
		}
		if err := w.DropPending(); err != nil {
			t.Fatal(err)
		}
	})
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != Keeps+1 { // and the lock
		t.Fatalf("left behind: %v, %v", names, err)
	}
}

// TestPowerCut cuts the power before every step of everything that a writer does.
func TestPowerCut(t *testing.T) {
	for name, c := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			start := filepath.Join(top, "start")
			prepare(t, start)
			found := map[string]int{}
			for cut := 0; ; cut++ {
				if cut == 100 {
					t.Fatal("it has no end")
				}
				dir := filepath.Join(top, fmt.Sprint(cut))
				copyFolder(t, start, dir)
				d := &disk{dir: dir, names: map[string]*inode{}}
				entries, err := os.ReadDir(dir)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range entries {
					data, err := os.ReadFile(filepath.Join(dir, e.Name()))
					if err != nil {
						t.Fatal(err)
					}
					d.names[e.Name()] = &inode{data, data}
				}
				d.now = maps.Clone(d.names)
				s := open(t, dir)
				left := cut
				stopped := errors.New("the power is gone")
				s.before = func(step, name, to string) error {
					if left--; left < 0 {
						return stopped
					}
					return d.before(step, name, to)
				}
				w, err := s.Lock(t.Context(), nil)
				if err == nil {
					err = c.act(w)
					w.Close()
				}
				n := 0
				d.after(func(files map[string][]byte) {
					n++
					again := filepath.Join(top, fmt.Sprintf("%d-%d", cut, n))
					if err := os.Mkdir(again, 0o700); err != nil {
						t.Fatal(err)
					}
					for name, data := range files {
						if err := os.WriteFile(filepath.Join(again, name), data, 0o600); err != nil {
							t.Fatal(err)
						}
					}
					state := look(t, again)
					if !slices.Contains(c.states, state) {
						t.Errorf("cut before step %d: %s", cut, state)
					}
					found[state]++
					goOn(t, again)
					if left >= 0 && state == c.states[0] && !c.loses { // all was done
						t.Error("it was done and is lost")
					}
					os.RemoveAll(again)
				})
				if left >= 0 {
					if err != nil {
						t.Fatal(err)
					}
					break
				}
			}
			if len(found) != len(c.states) {
				t.Errorf("found only %v", found)
			}
		})
	}
}

// TestFailingSteps has every step fail once with one of the things that disks say. The state is the old one or
// the new one, the error names the file and says what to do, and the next writer works.
func TestFailingSteps(t *testing.T) {
	all := []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EROFS, syscall.EDQUOT, syscall.EPERM}
	for name, c := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := filepath.Join(t.TempDir(), "start")
			prepare(t, start)
			for at := 0; ; at++ {
				if at == 100 {
					t.Fatal("it has no end")
				}
				dir := filepath.Join(t.TempDir(), "states")
				copyFolder(t, start, dir)
				s := open(t, dir)
				left, failed, bad := at, "", all[(at+len(name))%len(all)]
				s.before = func(step, name, to string) error {
					if left--; left == -1 {
						failed = step + " " + name + " " + to
						return &os.PathError{Op: step, Path: name, Err: bad}
					}
					return nil
				}
				w, err := s.Lock(t.Context(), nil)
				if err == nil {
					err = c.act(w)
					w.Close()
				}
				if left >= 0 {
					if err != nil {
						t.Fatal(err)
					}
					return
				}
				if !errors.Is(err, bad) || !strings.HasPrefix(err.Error(), dir) || !strings.Contains(err.Error(), ": "+bad.Error()+": ") {
					t.Errorf("%s: %v", failed, err)
				}
				s.before = nil
				state := look(t, dir)
				if !slices.Contains(c.states, state) && state != c.failing {
					t.Errorf("%s fails: %s", failed, state)
				}
				goOn(t, dir)
			}
		})
	}
}

// TestConfirmOnFullDisk: what waits is confirmed although there is no room for a new record.
func TestConfirmOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	prepare(t, dir)
	s := open(t, dir)
	s.before = func(step, name, to string) error {
		if step == "write" {
			return syscall.ENOSPC
		}
		return nil
	}
	write(t, s, func(w *Writer) {
		r, err := w.Confirm(func(r *Record) { r.Note = "more" })
		if r.Number != Keeps+1 || r.Note != "waits" || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%+v, %v", r, err)
		}
	})
	if state := look(t, dir); state != "waits/-" {
		t.Error(state)
	}
}

// writerVariable says that the test binary is to write states in a folder until it is killed.
const writerVariable = "PORTOLAN_HISTORY_WRITER"

// TestKilled kills a writer at hundreds of random moments. Whatever it had said to be done is
// there, all that is there is whole, and its lock is free.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(writerVariable); dir != "" {
		writeForEver(t, dir)
		return
	}
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "states")
	seen := map[bool]int{}
	start, kills := time.Now(), 0
	for ; kills < 300 && time.Since(start) < 3*time.Second; kills++ {
		cmd := exec.Command(self, "-test.run=^TestKilled$", "-test.count=1")
		cmd.Env = append(os.Environ(), writerVariable+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		var said bytes.Buffer
		first, _ := lines.ReadString('\n')
		said.WriteString(first)
		time.Sleep(time.Duration(rand.Int64N(int64(6 * time.Millisecond))))
		cmd.Process.Kill()
		_, _ = io.Copy(&said, lines)
		_ = cmd.Wait()
		if !strings.HasPrefix(first, "start") {
			t.Fatalf("the writer says %q", said.String())
		}
		kept, waits, sure := 0, 0, ""
		for line := range strings.Lines(said.String()) {
			if !strings.HasSuffix(line, "\n") {
				break
			}
			if f := strings.Fields(line); f[0] == "kept" {
				fmt.Sscan(f[1], &kept)
				waits, sure = 0, "none"
			} else if f[0] == "waits" {
				fmt.Sscan(f[1], &waits)
				sure = "one"
			}
		}
		s := open(t, dir)
		l := listOf(t, s)
		for i, one := range l.Kept {
			if one.Err != nil || one.Number != l.Kept[0].Number-i {
				t.Fatalf("%v: %v", l.numbers(), one.Err)
			}
		}
		if len(l.Kept) > 0 {
			r, table, err := s.Latest()
			if err != nil || len(table.Chains) != len(r.Opens) || r.Number < kept || r.Number > kept+2 && kept > 0 || len(l.Kept) < min(r.Number, Keeps) {
				t.Fatalf("said %q: %+v, %v, %v", said.String(), r, l.numbers(), err)
			}
			kept = r.Number - kept
		}
		if l.Pending != nil {
			r, table, err := s.Pending()
			if l.Pending.Err != nil || err != nil || len(table.Chains) != len(r.Opens) || len(r.Opens) < waits {
				t.Fatalf("said %q: %+v, %v, %v", said.String(), r, l.Pending.Err, err)
			}
		} else if sure == "one" && kept == 0 {
			t.Fatalf("said %q, and nothing waits and nothing was kept", said.String())
		}
		seen[l.Pending != nil]++
	}
	t.Logf("%d kills in %v: %d with a state that waits", kills, time.Since(start).Round(time.Millisecond), seen[true])
	if kills < 20 || seen[true] == 0 || seen[false] == 0 {
		t.Errorf("%d kills, and something waits: %v", kills, seen)
	}
	write(t, open(t, dir), func(w *Writer) {
		if _, err := w.Keep(note("after"), nil); err != nil {
			t.Error(err)
		}
	})
	if l := listOf(t, open(t, dir)); len(l.Kept) != Keeps {
		t.Errorf("%v are kept", l.numbers())
	}
}

// TestLockOfAnotherProcess: who waits is told the number of the process that has the lock, and
// the lock is free when that process is killed.
func TestLockOfAnotherProcess(t *testing.T) {
	if dir := os.Getenv(writerVariable); dir != "" {
		write(t, open(t, dir), func(*Writer) {
			fmt.Println("locked")
			_, _ = io.Copy(io.Discard, os.Stdin) // until the other end is gone
		})
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "states")
	cmd := exec.Command(self, "-test.run=^TestLockOfAnotherProcess$", "-test.count=1")
	cmd.Env = append(os.Environ(), writerVariable+"="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Errorf("it says %q, %v", line, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	w, err := open(t, dir).Lock(ended, nil)
	if want := fmt.Sprintf("%s: process %d changes the firewall at this moment: ", filepath.Join(dir, lockName), cmd.Process.Pid); w != nil || !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	cmd.Process.Kill()
	_ = cmd.Wait()
	write(t, open(t, dir), func(*Writer) {})
}

// writeForEver lets states wait, confirms them, and says so each time it is done.
func writeForEver(t *testing.T, dir string) {
	fmt.Println("start")
	s := open(t, dir)
	for i := 1; i < 10_000; i++ {
		write(t, s, func(w *Writer) {
			r := note("x")
			r.Opens = make([]string, i%7+1)
			if err := w.SetPending(r, many(len(r.Opens))); err != nil {
				t.Fatal(err)
			}
			fmt.Println("waits", len(r.Opens))
			r, err := w.Confirm(func(r *Record) { r.ConfirmedBy = "y" })
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println("kept", r.Number)
		})
	}
}

// TestReadersAndWriters reads all the time while two others write: no reader sees half of a
// state, or nothing where something was kept, and no number is given twice.
func TestReadersAndWriters(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	write(t, s, func(w *Writer) {
		if _, err := w.Keep(note("first"), many(1)); err != nil {
			t.Fatal(err)
		}
	})
	const each = 15
	given := make(chan int, 2*each)
	done := make(chan error, 2)
	for range 2 {
		go func() {
			done <- func() error {
				for range each {
					w, err := s.Lock(t.Context(), nil)
					if err != nil {
						return err
					}
					var n int
					n, err = w.next()
					if err == nil {
						r := note("x")
						r.Opens = make([]string, n) // as many as the number that it will have
						err = w.SetPending(r, many(2))
					}
					if err == nil {
						var r Record
						r, err = w.Confirm(nil)
						given <- r.Number
					}
					w.Close()
					if err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	newest, looks := 0, 0
	for writing := 2; writing > 0; looks++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			writing--
		default:
		}
		waits, _, err := s.Pending()
		if err != nil && !errors.Is(err, ErrNone) {
			t.Fatal(err)
		}
		l := listOf(t, s)
		if l.Kept[0].Number < len(waits.Opens) && (l.Pending == nil || len(l.Pending.Opens) < len(waits.Opens)) {
			t.Fatalf("state %d has waited and is gone: %v, %+v", len(waits.Opens), l.numbers(), l.Pending)
		}
		for _, one := range l.Kept {
			if one.Err != nil {
				t.Fatal(one.Err)
			}
		}
		if len(l.Kept) == 0 || l.Kept[0].Number < newest {
			t.Fatalf("%v after %d", l.numbers(), newest)
		}
		newest = l.Kept[0].Number
		if l.Pending != nil && l.Pending.Err != nil {
			t.Fatal(l.Pending.Err)
		}
		if r, _, err := s.Latest(); err != nil || r.Number < newest {
			t.Fatalf("%d after %d: %v", r.Number, newest, err)
		}
	}
	close(given)
	all := slices.Sorted(func(yield func(int) bool) {
		for n := range given {
			if !yield(n) {
				return
			}
		}
	})
	if len(slices.Compact(all)) != 2*each || looks < 10 {
		t.Errorf("%d looks; given %v", looks, all)
	}
}
