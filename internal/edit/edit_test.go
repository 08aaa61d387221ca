package edit

import (
	"bytes"
	"errors"
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
