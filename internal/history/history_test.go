//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package history

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"portolan/internal/nft"
)

var exact = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// note is a record that can be told from others.
func note(text string) Record {
	return Record{Time: time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC), By: "root (uid 0)", Note: text, Opens: []string{"ssh: sshd", "sip", "web"}}
}

// write locks the folder, and f writes.
func write(t *testing.T, s *Store, f func(w *Writer)) {
	t.Helper()
	w, err := s.Lock(t.Context(), func(holder string) { t.Errorf("%s has the lock", holder) })
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	f(w)
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// numbers are those of a list, the unusable ones negative.
func (l *List) numbers() (out []int) {
	for _, s := range l.Kept {
		if s.Err != nil {
			out = append(out, -s.Number)
		} else {
			out = append(out, s.Number)
		}
	}
	return out
}

func listOf(t *testing.T, s *Store) *List {
	t.Helper()
	l, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestNothingYet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "states")
	s := open(t, dir)
	for name, load := range map[string]func() (Record, *nft.Table, error){
		"latest": s.Latest, "pending": s.Pending, "by number": func() (Record, *nft.Table, error) { return s.Load(1) },
	} {
		if r, table, err := load(); !errors.Is(err, ErrNone) || table != nil || !reflect.DeepEqual(r, Record{}) {
			t.Errorf("%s: %v, %v, %v", name, r, table, err)
		}
	}
	if l := listOf(t, s); l.Pending != nil || l.Kept != nil {
		t.Errorf("%+v", l)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("who only reads has made the folder")
	}
	write(t, s, func(w *Writer) {
		if _, err := w.Confirm(nil); !errors.Is(err, ErrNone) {
			t.Errorf("confirmed nothing: %v", err)
		}
		if err := w.DropPending(); err != nil {
			t.Errorf("dropped nothing: %v", err)
		}
	})
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the new folder: %v, %v", info.Mode(), err)
	}
	if _, err := Open(filepath.Join(dir, "a", "b")); !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), filepath.Join(dir, "a")+": ") {
		t.Errorf("a folder in none: %v", err)
	}
}

// TestPrepare: what was prepared, none at all among it, is what is written only when it is what is
// to be written.
func TestPrepare(t *testing.T) {
	s := open(t, t.TempDir())
	tables := []*nft.Table{example(), many(3), nil}
	write(t, s, func(w *Writer) {
		for _, prepared := range tables {
			for _, want := range tables {
				w.Prepare(prepared)
				if err := w.SetPending(note("x"), want); err != nil {
					t.Fatal(err)
				}
				if _, table, err := s.Pending(); err != nil || !reflect.DeepEqual(table, want) {
					t.Errorf("%v, %v", table, err)
				}
			}
		}
	})
}

// TestLifeOfAState goes the usual way: a state waits, is confirmed, another one is dropped, and
// one is kept at once. Its record and its table come back as they were.
func TestLifeOfAState(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "states"))
	table := many(3)
	full := Record{
		Time: time.Date(2026, 3, 1, 13, 0, 0, 7, time.FixedZone("CET", 3600)), By: "anna (uid 1000) from 10.1.0.5", Until: time.Date(2026, 3, 1, 12, 1, 0, 0, time.UTC),
		Program: "1.2", Policy: "/etc/portolan.hcl", PolicySum: "ab", Ruleset: "cd", State: "ef", Note: "rollback to 3", Opens: []string{"ssh: sshd", "web <&>"}, Zones: map[string][]string{"ops": {"10.0.0.0-10.0.0.255"}},
	}
	want := full
	want.Time, want.Firewall = full.Time.UTC(), true
	write(t, s, func(w *Writer) {
		if err := w.SetPending(full, table); err != nil {
			t.Fatal(err)
		}
	})
	r, got, err := s.Pending()
	if d := cmp.Diff(want, r); d != "" || err != nil || cmp.Diff(table, got, exact) != "" {
		t.Errorf("pending: %v, %s", err, d)
	}
	if _, _, err := s.Latest(); !errors.Is(err, ErrNone) {
		t.Errorf("kept before it is confirmed: %v", err)
	}
	want.Confirmed, want.ConfirmedBy, want.Number = time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC), "bob", 1
	write(t, s, func(w *Writer) {
		r, err := w.Confirm(func(r *Record) { r.Confirmed, r.ConfirmedBy, r.Firewall = want.Confirmed, "bob", false })
		if d := cmp.Diff(want, r); d != "" || err != nil {
			t.Errorf("confirmed: %v, %s", err, d)
		}
	})
	if _, _, err := s.Pending(); !errors.Is(err, ErrNone) {
		t.Errorf("it waits after it was confirmed: %v", err)
	}
	r, got, err = s.Latest()
	if d := cmp.Diff(want, r); d != "" || err != nil || cmp.Diff(table, got, exact) != "" {
		t.Errorf("latest: %v, %s", err, d)
	}
	write(t, s, func(w *Writer) {
		if err := w.SetPending(note("dropped"), many(1)); err != nil {
			t.Fatal(err)
		}
		if r, err := w.Keep(note("no firewall"), nil); err != nil || r.Number != 2 || r.Firewall {
			t.Errorf("kept %+v, %v", r, err)
		}
		if l := listOf(t, s); l.Pending == nil || l.Pending.Note != "dropped" {
			t.Errorf("to keep one state changed what waits: %+v", l.Pending)
		}
		if err := w.DropPending(); err != nil {
			t.Error(err)
		}
	})
	r, got, err = s.Latest()
	if err != nil || got != nil || r.Firewall || r.Note != "no firewall" || r.Number != 2 {
		t.Errorf("latest: %+v, %v, %v", r, got, err)
	}
	// An empty table is not the same as none.
	write(t, s, func(w *Writer) {
		if _, err := w.Keep(note("empty"), &nft.Table{}); err != nil {
			t.Fatal(err)
		}
	})
	if r, got, err = s.Load(3); err != nil || got == nil || !r.Firewall || len(got.Bases) > 0 {
		t.Errorf("an empty table: %+v, %v, %v", r, got, err)
	}
	if l := listOf(t, s); l.Pending != nil || !slices.Equal(l.numbers(), []int{3, 2, 1}) {
		t.Errorf("%v", l.numbers())
	}
	if _, _, err := s.Load(4); !errors.Is(err, ErrNone) || !strings.HasSuffix(err.Error(), "state 4: there is no such state: kept are 1 to 3") {
		t.Error(err)
	}
}

// TestRotation keeps twenty-five states, with a clock that goes backwards: the order is that of
// the numbers, and a number that a damaged file has is not used again.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for i := 1; i <= 25; i++ {
		write(t, s, func(w *Writer) {
			r := note(fmt.Sprint(i))
			r.Time = r.Time.Add(-time.Duration(i) * time.Hour)
			got, err := w.Keep(r, many(i))
			if err != nil || got.Number != i {
				t.Fatalf("state %d: %+v, %v", i, got, err)
			}
		})
		l := listOf(t, s)
		if len(l.Kept) != min(i, Keeps) || l.Kept[0].Number != i || l.Kept[0].Note != fmt.Sprint(i) || l.Kept[len(l.Kept)-1].Number != max(1, i-Keeps+1) {
			t.Fatalf("after %d: %v", i, l.numbers())
		}
	}
	if _, table, err := s.Load(20); err != nil || len(table.Chains) != 20 {
		t.Errorf("state 20: %v", err)
	}
	if _, _, err := s.Load(15); !errors.Is(err, ErrNone) {
		t.Errorf("state 15: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "25.state"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Latest(); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "25.state") {
		t.Errorf("an older state stands for a damaged one: %v", err)
	}
	if l := listOf(t, s); !slices.Equal(l.numbers(), []int{-25, 24, 23, 22, 21, 20, 19, 18, 17, 16}) || !errors.Is(l.Kept[0].Err, ErrDamaged) {
		t.Errorf("%v", l.numbers())
	}
	write(t, s, func(w *Writer) {
		if r, err := w.Keep(note("after"), nil); err != nil || r.Number != 26 {
			t.Errorf("%+v, %v", r, err)
		}
	})
	// Files that are not ours stay and disturb nobody.
	for _, name := range []string{"007.state", "0.state", "-1.state", "1000000000.state", "x.state", "30.state~", "30.STATE"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if l := listOf(t, s); !slices.Equal(l.numbers(), []int{26, -25, 24, 23, 22, 21, 20, 19, 18, 17}) {
		t.Errorf("%v", l.numbers())
	}
	if err := os.WriteFile(filepath.Join(dir, "999999999.state"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, s, func(w *Writer) {
		if _, err := w.Keep(note("no number"), nil); err == nil || !strings.Contains(err.Error(), "999999999.state: no number is left") {
			t.Errorf("%v", err)
		}
	})
}

// TestFileForPeople reads a file with the programs that people have.
func TestFileForPeople(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	const hidden = "a\nb \x1b[2J \u009b31m \u202e \x7f \U000e0001 <&> ü "
	r := note(hidden + strings.Repeat("ä", 5000) + "\xff")
	write(t, s, func(w *Writer) {
		if _, err := w.Keep(r, many(2)); err != nil {
			t.Fatal(err)
		}
	})
	data, err := os.ReadFile(filepath.Join(dir, "1.state"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	var got map[string]any
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	if got["format"] != 1.0 || got["by"] != "root (uid 0)" || got["time"] != "2026-03-01T12:00:00.000000005Z" || len(got["opens"].([]any)) != 3 || got["firewall"] != true {
		t.Errorf("%s", line)
	}
	if bytes.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) || !bytes.Contains(line, []byte("<&> ü")) {
		t.Errorf("%s", line)
	}
	if text := got["note"].(string); len(text) > longest || !strings.HasPrefix(text, hidden+"ää") || !strings.HasSuffix(text, "ä…") {
		t.Errorf("%q", text)
	}
	if info, err := os.Stat(filepath.Join(dir, "1.state")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// The checksums, by hand.
	sha, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skip("sha256sum is not installed")
	}
	cmd := exec.Command("sh", "-c", `head -n 1 1.state | "$0" | cut -c -64; tail -n +3 1.state | "$0" | cut -c -64; sed -n 2p 1.state`, sha)
	cmd.Dir = dir
	out, err := cmd.Output()
	if f := strings.Fields(string(out)); err != nil || len(f) != 3 || f[0] != f[2] || f[1] != got["table_sha256"] {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDamage changes each bit of a file and each byte, cuts the file at every length and lets it
// grow: it is never read, but named, and the others are.
func TestDamage(t *testing.T) {
	data, err := encodeFile(Record{Note: "x", Firewall: true}, encodeTable(many(1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := decoded(data); err != nil {
		t.Fatal(err)
	}
	hold := func(what string, damaged []byte) {
		t.Helper()
		if r, table, err := decoded(damaged); !errors.Is(err, ErrDamaged) || table != nil || !reflect.DeepEqual(r, Record{}) {
			t.Fatalf("%s: %+v, %v", what, r, err)
		}
	}
	for i := range data {
		hold(fmt.Sprintf("cut at %d", i), data[:i])
		for _, flip := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 255} {
			damaged := bytes.Clone(data)
			damaged[i] ^= flip
			hold(fmt.Sprintf("byte %d changed by %d", i, flip), damaged)
		}
	}
	hold("one byte more", append(bytes.Clone(data), 0))
	hold("one line more", append(bytes.Clone(data), '\n'))
	hold("twice", append(bytes.Clone(data), data...))

	// A firewall that is none, with checksums that fit.
	lie, err := encodeFile(Record{}, encodeTable(many(1)))
	if err != nil {
		t.Fatal(err)
	}
	hold("a table of no firewall", lie)

	dir := t.TempDir()
	s := open(t, dir)
	write(t, s, func(w *Writer) {
		for i := range 3 {
			if _, err := w.Keep(note("x"), many(i+1)); err != nil {
				t.Fatal(err)
			}
		}
	})
	name := filepath.Join(dir, "2.state")
	newer, err := encodeFile(Record{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := bytes.Cut(newer, []byte("\n"))
	line = append(bytes.Replace(line, []byte(`"format":1`), []byte(`"format":2,"opens":"many"`), 1), '\n')
	newer = append(bytes.Clone(line), sum(line)+"\nanything"...)
	// A table that ends too early, under checksums that fit.
	half, err := encodeFile(Record{Firewall: true}, encodeTable(many(1))[:100])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		data []byte
		want error
		text string
	}{
		{data[:len(data)-1], ErrDamaged, "its table has"},
		{nil, ErrDamaged, "its first two lines do not fit each other"},
		{newer, ErrFormat, "its format is 2, and this one reads 1"},
		{half, ErrDamaged, "its table: it ends too early"},
	} {
		if err := os.WriteFile(name, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, table, err := s.Load(2)
		if !errors.Is(err, c.want) || table != nil || !strings.HasPrefix(err.Error(), name+": ") || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%v, want %q", err, c.text)
		}
		if l := listOf(t, s); len(l.Kept) != 3 || l.Kept[0].Err != nil || l.Kept[2].Err != nil || l.Kept[1].Number != 2 || c.text != "its table: it ends too early" && l.Kept[1].Err == nil {
			t.Errorf("%v: %+v", c.want, l.Kept)
		}
	}
}

// TestFormat reads a file that the first version has written. When it fails, the form of files
// has changed: then format needs another number.
func TestFormat(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "1.state"))
	if err != nil {
		t.Fatal(err)
	}
	want := note("the first form of a file")
	want.Firewall = true
	r, raw, err := decoded(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, r); d != "" {
		t.Error(d)
	}
	table, err := tableOf(r, string(raw))
	if d := cmp.Diff(example(), table, exact); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
	if again, err := encodeFile(want, encodeTable(example())); err != nil || !bytes.Equal(data, again) {
		t.Errorf("it is written in another way now: %v", err)
	}
}

// TestTrust looks at folders and files that somebody else could have made.
func TestTrust(t *testing.T) {
	for _, c := range []struct {
		owner, user int
		mode        os.FileMode
		want        string
	}{
		{0, 0, 0o700, ""},
		{0, 1000, 0o755, ""},
		{1000, 1000, 0o750, ""},
		{1001, 1000, 0o700, "it belongs to user 1001"},
		{1000, 0, 0o700, "it belongs to user 1000"},
		{0, 0, 0o777 | os.ModeSticky, "others than its owner may write here (mode 0777)"},
		{0, 0, 0o702, "(mode 0702)"},
		{0, 0, 0o770, "(mode 0770)"},
	} {
		err := trustOwner(c.owner, c.user, c.mode)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.HasPrefix(err.Error(), dir+": others than its owner may write here (mode 0777): ") {
		t.Errorf("a folder for everybody: %v", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, open(t, dir), func(w *Writer) {
		if _, err := w.Keep(note("x"), nil); err != nil {
			t.Fatal(err)
		}
	})
	if os.Geteuid() == 0 { // who may read everything, and trusts nobody
		if err := os.Chown(dir, 12345, -1); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "it belongs to user 12345, who could put a firewall of his own here: ") {
			t.Errorf("the folder of somebody else: %v", err)
		}
	} else {
		if err := os.Chmod(filepath.Join(dir, "1.state"), 0); err != nil {
			t.Fatal(err)
		}
		if _, _, err := open(t, dir).Latest(); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "1.state: permission denied: run this as ") {
			t.Errorf("a file that we may not read: %v", err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, filepath.Join(file, "below")} {
		if _, err := Open(name); err == nil {
			t.Errorf("%s is a folder", name)
		}
	}
}

// TestLinks: what stands where a file should be and is none is not followed, not written
// through, and not waited for.
func TestLinks(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "precious")
	state, err := encodeFile(note("planted"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(outside, state, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := open(t, dir)
	write(t, s, func(w *Writer) {
		if _, err := w.Keep(note("ours"), nil); err != nil {
			t.Fatal(err)
		}
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, target := range map[string]string{"2.state": outside, "3.state": "1.state", freshName: outside, pendingName: "1.state"} {
		if err := os.Symlink(target, at(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(at("4.state"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(at("5.state"), 0o700); err != nil {
		t.Fatal(err)
	}
	l := listOf(t, s)
	if !slices.Equal(l.numbers(), []int{-5, -4, -3, -2, 1}) || l.Pending == nil || !errors.Is(l.Pending.Err, ErrDamaged) {
		t.Errorf("%v, %+v", l.numbers(), l.Pending)
	}
	for _, bad := range l.Kept[:4] {
		if !errors.Is(bad.Err, ErrDamaged) || bad.Note != "" {
			t.Errorf("%+v", bad)
		}
	}
	write(t, s, func(w *Writer) { // the link new.tmp is gone, not what it leads to
		if _, err := w.Confirm(nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("confirmed a link: %v", err)
		}
		if err := w.SetPending(note("in the place of a link"), nil); err != nil {
			t.Error(err)
		}
		if r, err := w.Confirm(nil); err != nil || r.Number != 6 {
			t.Errorf("%+v, %v", r, err)
		}
	})
	if now, err := os.ReadFile(outside); err != nil || !bytes.Equal(now, state) {
		t.Errorf("%v: written through a link: %q", err, now)
	}
	if err := os.Remove(at(lockName)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, at(lockName)); err != nil {
		t.Fatal(err)
	}
	if w, err := s.Lock(t.Context(), nil); w != nil || !errors.Is(err, ErrDamaged) {
		t.Errorf("locked a link: %v", err)
	}
	// The folder itself may be one: systemd makes it for a service with a user of its own.
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if r, _, err := open(t, link).Latest(); err != nil || r.Number != 6 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestLockWaits: one writer at a time, and who waits says for whom. No time passes.
func TestLockWaits(t *testing.T) {
	dir := t.TempDir()
	// A number that no process has any more means nothing.
	if err := os.WriteFile(filepath.Join(dir, lockName), []byte("4194999\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir)
		first, err := s.Lock(t.Context(), func(string) { t.Error("a free lock is waited for") })
		if err != nil {
			t.Fatal(err)
		}
		us := fmt.Sprintf("process %d", os.Getpid())
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var told []string
		tell := func(holder string) { told = append(told, holder) }
		w, err := s.Lock(ctx, tell)
		if w != nil || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), us) || time.Since(start) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if !slices.Equal(told, []string{us}) {
			t.Errorf("told %q", told)
		}
		// Reading needs no lock.
		listOf(t, s)
		go func() {
			time.Sleep(3 * time.Second)
			first.Close()
		}()
		start = time.Now()
		w, err = s.Lock(t.Context(), nil)
		if waited := time.Since(start); err != nil || waited < 3*time.Second || waited > 3*time.Second+2*pause {
			t.Fatalf("after %v: %v", waited, err)
		}
		// A lock whose file is gone locks nobody out, and the next file is another lock.
		if err := os.Remove(filepath.Join(dir, lockName)); err != nil {
			t.Fatal(err)
		}
		again, err := s.Lock(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		again.Close()
		cancel()
		if w, err = s.Lock(ctx, nil); err != nil {
			t.Errorf("a free lock, and no time to wait: %v", err)
		} else {
			w.Close()
		}
	})
}

// TestLockTakenAway removes the file of the lock between opening and locking it, and somebody
// else locks the next one: who has locked the old file has nothing.
func TestLockTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s, other := open(t, dir), open(t, dir)
		var theirs *Writer
		s.before = func(step, name, to string) error {
			if step != "lock" || theirs != nil {
				return nil
			}
			err := os.Remove(filepath.Join(dir, lockName))
			if err == nil {
				theirs, err = other.Lock(t.Context(), nil)
			}
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if w, err := s.Lock(ctx, nil); w != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("two have the lock: %v", err)
		}
		theirs.Close()
		w, err := s.Lock(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
	})
}

func FuzzFile(f *testing.F) {
	for _, r := range []Record{{}, note("x"), {Firewall: true}} {
		var table []byte
		if r.Firewall {
			table = encodeTable(many(1))
		}
		data, err := encodeFile(r, table)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, table, err := decoded(data)
		if err != nil {
			if !reflect.DeepEqual(r, Record{}) || table != nil {
				t.Fatalf("half of a file: %+v", r)
			}
			return
		}
		again, err := encodeFile(r, table)
		if err != nil {
			t.Fatal(err)
		}
		r2, table2, err := decoded(again)
		if err != nil || !reflect.DeepEqual(r2, r) || !bytes.Equal(table, table2) {
			t.Fatalf("%v\n%+v\n%+v", err, r, r2)
		}
	})
}

func FuzzTable(f *testing.F) {
	f.Add(encodeTable(&nft.Table{}))
	f.Add(encodeTable(many(2)))
	f.Add(encodeTable(example()))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := decodeTable(string(data))
		if err != nil {
			if table != nil {
				t.Fatal("half of a table")
			}
			return
		}
		again, err := decodeTable(string(encodeTable(table)))
		if d := cmp.Diff(table, again, exact); err != nil || d != "" {
			t.Fatalf("%v\n%s", err, d)
		}
	})
}

// BenchmarkHistory is a table of 10,000 services, each with a chain, a zone and an element.
func BenchmarkHistory(b *testing.B) {
	table := many(10_000)
	data := encodeTable(table)
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			encodeTable(table)
		}
		b.ReportMetric(float64(len(data)), "bytes")
	})
	b.Run("decode", func(b *testing.B) {
		in := string(data)
		for b.Loop() {
			if _, err := decodeTable(in); err != nil {
				b.Fatal(err)
			}
		}
	})
	s, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("pending and confirm", func(b *testing.B) { // all of it: on the disk, under the lock
		for b.Loop() {
			w, err := s.Lock(b.Context(), nil)
			if err == nil {
				err = w.SetPending(Record{}, table)
			}
			if err == nil {
				_, err = w.Confirm(func(r *Record) { r.ConfirmedBy = "x" })
			}
			if err != nil {
				b.Fatal(err)
			}
			w.Close()
		}
	})
	b.Run("latest", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := s.Latest(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.List(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// decoded is what is in a whole file, whether its table is kept or not.
func decoded(data []byte) (Record, []byte, error) {
	var table bytes.Buffer
	r, err := decodeFile(bytes.NewReader(data), int64(len(data)), &table)
	if r2, err2 := decodeFile(bytes.NewReader(data), int64(len(data)), nil); fmt.Sprint(err) != fmt.Sprint(err2) || !reflect.DeepEqual(r, r2) {
		return r, nil, fmt.Errorf("without its table it is %+v: %v", r2, err2)
	}
	if err != nil {
		return r, nil, err
	}
	return r, table.Bytes(), nil
}

// encodeFile is a whole file.
func encodeFile(r Record, table []byte) ([]byte, error) {
	head, err := encodeHead(r, table, sum(table))
	return slices.Concat(head, table), err
}

// TestSeen: what the kernel had is there for its moment alone, and only when it is whole.
func TestSeen(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	seen := func(moment string) []byte {
		_, data := s.Seen(moment)
		return data
	}
	if seen("a") != nil {
		t.Error("there is something in no folder")
	}
	w, err := s.Lock(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ moment, data string }{{"a", "table"}, {"ab", ""}, {"b", "another"}} {
		if err := w.SetSeen(c.moment, "note of "+c.moment, strings.NewReader(c.data)); err != nil {
			t.Fatal(err)
		}
		if note, got := s.Seen(c.moment); got == nil || string(got) != c.data || note != "note of "+c.moment {
			t.Errorf("%s: %q, %q", c.moment, note, got)
		}
		for _, other := range []string{"", "a", "ab", "b", "b\nnote of b", "abc"} {
			if other != c.moment && seen(other) != nil {
				t.Errorf("%s is found for %s", c.moment, other)
			}
		}
	}
	file := filepath.Join(dir, "state", seenName)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		spoiled := slices.Clone(whole)
		spoiled[i] ^= 0x10
		for _, b := range [][]byte{whole[:i], spoiled} {
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := seen("b"); got != nil {
				t.Fatalf("byte %d: %q", i, got)
			}
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("lock", file); err != nil {
		t.Fatal(err)
	}
	if seen("b") != nil {
		t.Error("a link is followed")
	}
	// What was being written when somebody was killed is taken away by the next writer.
	left := filepath.Join(dir, "state", freshSeenName)
	if err := os.WriteFile(left, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	w.Close()
	next, err := s.Lock(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if _, err := os.Lstat(left); err == nil {
		t.Error("it is still there")
	}
}

// TestStage: what is staged is no state until it is kept, and whatever else is written takes it away.
func TestStage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Lock(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.KeepStaged(); err == nil {
		t.Error("nothing was staged, and it is kept")
	}
	stage := func(name string) {
		t.Helper()
		if err := w.Stage(note(name), many(2)); err != nil {
			t.Fatal(err)
		}
	}
	stage("first")
	if _, err := s.LatestRecord(); !errors.Is(err, ErrNone) {
		t.Errorf("it is a state already: %v", err)
	}
	if r, err := w.KeepStaged(); err != nil || r.Number != 1 || !r.Firewall {
		t.Errorf("%+v, %v", r, err)
	}
	if r, table, err := s.Load(1); err != nil || r.By != note("first").By || len(table.Chains) != len(many(2).Chains) {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := w.KeepStaged(); err == nil {
		t.Error("it is kept twice")
	}
	stage("second")
	stage("third")
	if r, err := w.Keep(note("fourth"), many(1)); err != nil || r.Number != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := w.KeepStaged(); err == nil {
		t.Error("what was staged before another state was written is kept")
	}
	stage("fifth")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, freshName)); err == nil {
		t.Error("it is left behind")
	}
	if list, err := s.List(); err != nil || len(list.Kept) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
}
