package edit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"portolan/internal/diag"
	"portolan/internal/source"
)

func at(f *source.File, text, new string) diag.Edit {
	i := bytes.Index(f.Text, []byte(text))
	return diag.Edit{Span: f.Span(i, i+len(text)), New: new}
}

func fixed(s diag.Safety, edits ...diag.Edit) diag.Diagnostic {
	return diag.Diagnostic{Fixes: []diag.Fix{{Title: "mend", Safety: s, Edits: edits}}}
}

func TestSafe(t *testing.T) {
	f := source.New("b", []byte("x = 35000\ny = 7\n"))
	g := source.New("a", []byte("z = 1\n"))
	x, other := at(f, "35000", "25000"), at(f, "5000", "1")
	n := made("c", "new\n")
	if changes, mended := Safe(diag.List{fixed(diag.Safe, n.Edits[0]), fixed(diag.Safe, n.Edits[0])}); mended != 2 || len(changes) != 1 || !changes[0].Creates() || string(changes[0].Text()) != "new\n" {
		t.Errorf("a new file: %d mended: %+v", mended, changes)
	}
	for text, want := range map[string]string{"x = 5\n": "x = 6\ny = 1\nz = 2\n", "x = 5": "x = 6\ny = 1\nz = 2"} {
		f := source.New("d", []byte(text))
		line := func(s string) diag.Edit { // at the end, in the style of the file
			if text[len(text)-1] == '\n' {
				return diag.Edit{Span: f.Span(len(text), len(text)), New: s + "\n"}
			}
			return diag.Edit{Span: f.Span(len(text), len(text)), New: "\n" + s}
		}
		changes, mended := Safe(diag.List{fixed(diag.Safe, line("y = 1")), fixed(diag.Safe, at(f, "5", "6")), fixed(diag.Safe, line("z = 2")), fixed(diag.Safe, line("y = 1"))})
		if mended != 4 || len(changes) != 1 || string(changes[0].Text()) != want {
			t.Errorf("new lines: %d mended: %q", mended, changes[0].Text())
		}
	}
	changes, mended := Safe(diag.List{
		fixed(diag.Safe, at(f, "7", "8")), fixed(diag.Safe, x), fixed(diag.Safe, x), // one edit for two findings
		fixed(diag.Safe, other, at(g, "1", "9")), // quarrels in one file, so it changes none
		fixed(diag.Unsafe, at(g, "1", "2")), fixed(diag.Display), {},
	})
	if mended != 3 || len(changes) != 1 || string(changes[0].Text()) != "x = 25000\ny = 8\n" {
		t.Errorf("%d mended: %+v", mended, changes)
	}
}

// TestBytesKeepTheRest edits a text that is stored in each encoding, and compares with the
// text put together and stored by hand.
func TestBytesKeepTheRest(t *testing.T) {
	store := map[source.Encoding]func(string) []byte{
		source.UTF8:    func(s string) []byte { return []byte(s) },
		source.UTF8BOM: func(s string) []byte { return []byte("\ufeff" + s) },
		source.UTF16LE: func(s string) []byte { return encode("\ufeff"+s, source.UTF16LE) },
		source.UTF16BE: func(s string) []byte { return encode("\ufeff"+s, source.UTF16BE) },
	}
	rapid.Check(t, func(t *rapid.T) {
		// What stands before and behind may be anything, also beyond 16 bits.
		words := rapid.StringOf(rapid.SampledFrom([]rune("a é😀\r\n=#")))
		before, after := words.Draw(t, "before"), words.Draw(t, "after")
		for enc, bytesOf := range store {
			f := source.New("x", bytesOf(before+"35000"+after))
			c := Change{f, []diag.Edit{at(f, "35000", "9")}}
			got, err := c.Bytes(bytesOf(before + "35000" + after))
			if want := bytesOf(before + "9" + after); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: %q, %v; want %q", enc, got, err, want)
			}
		}
	})
	// Half a character before the edit, and half a unit at the end.
	raw := append([]byte{0xFF, 0xFE, 0x00, 0xD8}, append(encode("5 x", source.UTF16LE), 'y')...)
	f := source.New("x", raw)
	c := Change{f, []diag.Edit{at(f, "5", "66")}}
	want := append([]byte{0xFF, 0xFE, 0x00, 0xD8}, append(encode("66 x", source.UTF16LE), 'y')...)
	if got, err := c.Bytes(raw); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	name := filepath.Join(dir, "conf")
	put := func(text string, mode os.FileMode) {
		t.Helper()
		_ = os.Remove(name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	f := source.New("conf", []byte("x = 5\r\n"))
	c := Change{f, []diag.Edit{at(f, "5", "6")}}

	put("x = 5\r\n", 0o640)
	if err := c.Write(root, "conf"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if raw, _ := os.ReadFile(name); err != nil || string(raw) != "x = 6\r\n" || info.Mode().Perm() != 0o640 {
		t.Errorf("%q %v %v", raw, info.Mode(), err)
	}

	put("x = 5\r\n# by somebody else\r\n", 0o644)
	if err := c.Write(root, "conf"); !errors.Is(err, ErrChanged) {
		t.Errorf("a file that has changed: %v", err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", name); err != nil {
		t.Fatal(err)
	}
	if err := c.Write(root, "conf"); !errors.Is(err, ErrChanged) {
		t.Errorf("a link in place of the file: %v", err)
	}
	put("x = 5\r\n", 0o444)
	if err := c.Write(root, "conf"); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a read-only file: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// made is a change that makes a file.
func made(name, text string) Change {
	f := source.New(name, nil)
	return Change{f, []diag.Edit{{Span: f.Span(0, 0), New: text, Create: true}}}
}

// TestCreate makes a file in folders that are there in part. Whatever has a name keeps it, and
// an error leaves nothing behind.
func TestCreate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "create")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		put := func(name string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("theirs"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		there := rapid.SampledFrom([]string{"", "etc", "etc/sysctl.d"}).Draw(t, "folders")
		if err := os.MkdirAll(filepath.Join(dir, there), 0o755); err != nil {
			t.Fatal(err)
		}
		text := rapid.String().Draw(t, "text")
		const name = "etc/sysctl.d/60-x.conf"
		var want error
		switch obstacle := rapid.SampledFrom([]string{"none", "a file", "a link to nothing", "a folder", "a leftover", "a file for a folder", "a way out"}).Draw(t, "obstacle"); obstacle {
		case "a file", "a link to nothing", "a folder":
			if there != "etc/sysctl.d" {
				break
			}
			want = ErrExists
			switch obstacle {
			case "a file":
				put(name)
			case "a folder":
				_ = os.Mkdir(filepath.Join(dir, name), 0o755)
			default:
				_ = os.Symlink("nothing", filepath.Join(dir, name))
			}
		case "a leftover":
			if there == "etc/sysctl.d" {
				put("etc/sysctl.d/.60-x.conf.portolan0")
			}
		case "a file for a folder":
			if there == "etc" {
				put("etc/sysctl.d")
				want = errors.New("what should be its folder is none")
			}
		case "a way out":
			if there == "etc" {
				_ = os.Symlink(os.TempDir(), filepath.Join(dir, "etc/sysctl.d"))
				want = errors.New("path escapes from parent")
			}
		}
		before := names(t, dir)
		c := made(name, text)
		err = c.Write(root, name)
		if want != nil {
			if err == nil || err.Error() != want.Error() {
				t.Fatalf("%v, want %v", err, want)
			}
			if after := names(t, dir); after != before {
				t.Fatalf("left behind: %s, was %s", after, before)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(filepath.Join(dir, name))
		if raw, _ := os.ReadFile(filepath.Join(dir, name)); err != nil || string(raw) != text || info.Mode() != 0o644 {
			t.Fatalf("%q %v %v", raw, info, err)
		}
		after := names(t, dir)
		if err := c.Write(root, name); !errors.Is(err, ErrExists) || names(t, dir) != after {
			t.Fatalf("a second time: %v", err)
		}
	})
}

// names are all files below dir.
func names(t *rapid.T, dir string) string {
	var b bytes.Buffer
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		fmt.Fprintln(&b, name, d)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
