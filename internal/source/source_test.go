package source

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"
)

func TestPositions(t *testing.T) {
	f := New("f", []byte("ab\r\nü=x\n\xff!\n"))
	for offset, want := range map[int]Position{0: {1, 1}, 1: {1, 2}, 4: {2, 1}, 6: {2, 2}, 7: {2, 3}, 9: {3, 1}, 10: {3, 2}} {
		if got := f.Span(offset, offset+1).Position(); got != want {
			t.Errorf("offset %d is %v, want %v", offset, got, want)
		}
	}
	if got := f.Span(4, 8).EndPosition(); got != (Position{2, 4}) {
		t.Errorf("the end is %v", got)
	}
	for n, want := range []string{1: "ab", 2: "ü=x", 3: "\xff!", 4: ""} {
		if n > 0 && string(f.Line(n)) != want {
			t.Errorf("line %d is %q, want %q", n, f.Line(n), want)
		}
	}
	if f.Line(0) != nil || f.Line(5) != nil {
		t.Error("a line that does not exist")
	}
	whole := f.Span(0, 0)
	if whole.HasLine() || whole.String() != "f" || whole.Place() != "f" || (Span{}).Place() != "" || whole.Position() != (Position{}) || (Span{}).String() != "" {
		t.Errorf("the file as a whole is %q", whole)
	}
	if s := f.Span(-5, 99); s.Start != 0 || s.End != len(f.Text) {
		t.Errorf("a span outside the file is %v-%v", s.Start, s.End)
	}
}

func TestDecode(t *testing.T) {
	for name, c := range map[string]struct {
		raw, text string
		enc       Encoding
	}{
		"utf-8":                  {"port=1\n", "port=1\n", UTF8},
		"bom":                    {"\xEF\xBB\xBFport", "port", UTF8BOM},
		"latin-1 stays":          {"d\xe9but\n", "d\xe9but\n", UTF8},
		"utf-16le":               {"\xFF\xFEp\x00\xfc\x00", "pü", UTF16LE},
		"utf-16be":               {"\xFE\xFF\x00p\x00\xfc", "pü", UTF16BE},
		"utf-16le without mark":  {"p\x00o\x00r\x00t\x00", "port", UTF16LE},
		"utf-16be without mark":  {"\x00p\x00o\x00r\x00t", "port", UTF16BE},
		"surrogates":             {"\xFF\xFE\x3D\xD8\x00\xDE", "\U0001F600", UTF16LE},
		"half a surrogate":       {"\xFF\xFE\x3D\xD8", "\uFFFD", UTF16LE},
		"surrogate, then letter": {"\xFF\xFE\x3D\xD8a\x00", "\uFFFDa", UTF16LE},
		"half a character":       {"\xFF\xFEa", "\uFFFD", UTF16LE},
		"binary":                 {"\x7fELF\x00\x00\x01\x02", "\x7fELF\x00\x00\x01\x02", UTF8},
		"empty":                  {"", "", UTF8},
	} {
		if text, enc := Decode([]byte(c.raw)); string(text) != c.text || enc != c.enc {
			t.Errorf("%s: %q, %v", name, text, enc)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\xFF\xFE\x3D\xD8"))
	f.Add([]byte("a\x00b"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, enc := Decode(raw)
		if len(text) > 2*len(raw)+3 {
			t.Fatalf("%d bytes became %d", len(raw), len(text))
		}
		if enc >= UTF16LE && !utf8.Valid(text) {
			t.Fatal("decoded text is not UTF-8")
		}
	})
}

// TestTreeNeverLeaves puts links of every kind into a tree and a secret beside it.
func TestTreeNeverLeaves(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege on windows")
	}
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	for _, d := range []string{"etc/ssh", "data"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"secret": "secret", "root/data/real": "inside", "root/secret": "not the one outside"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"etc/absolute": "/data/real", "etc/relative": "../data/real", "etc/up": "../../../../data/real",
		"etc/out": "../../secret", "etc/outside": filepath.Join(dir, "secret"), "etc/loop": "loop", "etc/dir": "/data", "etc/chain": "absolute",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := OpenTree(root)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	for name, want := range map[string]string{
		"etc/absolute": "inside", "etc/relative": "inside", "etc/up": "inside", "etc/dir/real": "inside", "/etc/chain": "inside",
		"etc/out": "not the one outside", "../../etc/relative": "inside", "etc/./dir/../data/real": "inside",
	} {
		f, err := tree.Read(name)
		if err != nil || string(f.Text) != want {
			t.Errorf("%s: %v, %v, want %q", name, f, err, want)
		}
	}
	for name, want := range map[string]error{
		"etc/outside": fs.ErrNotExist, "etc/loop": ErrLinks, "etc/none": fs.ErrNotExist, "etc": ErrNotRegular, "data/real/x": nil,
	} {
		if f, err := tree.Read(name); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v, %v, want %v", name, f, err, want)
		}
	}
}

func TestTreeReadLimits(t *testing.T) {
	tree := NewTree(fstest.MapFS{
		"large":  {Data: bytes.Repeat([]byte("x"), MaxFileSize+1)},
		"just":   {Data: bytes.Repeat([]byte("x"), MaxFileSize)},
		"device": {Mode: fs.ModeDevice},
		"fifo":   {Mode: fs.ModeNamedPipe},
	})
	if _, err := tree.Read("large"); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large: %v", err)
	}
	if f, err := tree.Read("just"); err != nil || len(f.Text) != MaxFileSize {
		t.Errorf("just: %v", err)
	}
	for _, name := range []string{"device", "fifo"} {
		if _, err := tree.Read(name); !errors.Is(err, ErrNotRegular) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := readAll(strings.NewReader(strings.Repeat("x", MaxFileSize+1)), 0, MaxFileSize); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file that grew: %v", err)
	}
}

// TestReadBytes reads regular files alone, and waits for nobody.
func TestReadBytes(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(name, []byte("abc"), 0o644); err != nil {
		t.Fatal(err)
	}
	if raw, err := ReadBytes(name, 3); err != nil || string(raw) != "abc" {
		t.Errorf("%q %v", raw, err)
	}
	if _, err := ReadBytes(name, 2); err == nil || !strings.HasSuffix(err.Error(), "larger than 0 MiB") {
		t.Error(err)
	}
	for _, other := range []string{filepath.Dir(name), os.DevNull} {
		if _, err := ReadBytes(other, 3); !errors.Is(err, ErrNotRegular) {
			t.Error(err)
		}
	}
}

// TestTreeIsBounded: of a host only so much is read, and each file counts once.
func TestTreeIsBounded(t *testing.T) {
	files := fstest.MapFS{"last": {Data: []byte("x")}, "again": {Mode: fs.ModeSymlink, Data: []byte("0")}}
	text := bytes.Repeat([]byte("x"), MaxFileSize)
	for i := range maxTree / MaxFileSize {
		files[strconv.Itoa(i)] = &fstest.MapFile{Data: text}
	}
	tree := NewTree(files)
	for i := range maxTree / MaxFileSize {
		for _, name := range []string{strconv.Itoa(i), "again"} {
			if _, err := tree.Read(name); err != nil {
				t.Fatal(name, err)
			}
		}
	}
	if _, err := tree.Read("last"); !errors.Is(err, ErrTooMuch) {
		t.Errorf("one more: %v", err)
	}
	if _, err := tree.Read("0"); err != nil {
		t.Errorf("one that was read: %v", err)
	}
	folder := tree.Called("x/") // what an operator named may be a repository
	folder.at = "srv"
	if _, err := folder.Read("srv/last"); err != nil {
		t.Errorf("in a folder: %v", err)
	}
}

// counted counts what a file system is asked.
type counted struct {
	fstest.MapFS
	asked *int
}

func (c counted) Open(name string) (fs.File, error) { *c.asked++; return c.MapFS.Open(name) }

func (c counted) Lstat(name string) (fs.FileInfo, error) { *c.asked++; return c.MapFS.Lstat(name) }

func (c counted) ReadLink(name string) (string, error) { *c.asked++; return c.MapFS.ReadLink(name) }

// TestTreeRemembers: what was asked once is not asked again, and below what is not there
// nothing is looked for.
func TestTreeRemembers(t *testing.T) {
	asked := 0
	tree := NewTree(counted{fstest.MapFS{"etc/a/x.conf": {Data: []byte("x")}, "etc/l": {Mode: fs.ModeSymlink, Data: []byte("a")}}, &asked})
	look := func() {
		for _, name := range []string{"etc/a/x.conf", "/etc/l/x.conf", "etc/none/x.conf", "proc/sys/net/ipv4"} {
			_, err := tree.Stat(name)
			if _, list := tree.List(name); list != nil {
				t.Error(list)
			}
			if real, _ := tree.Resolve(name); err == nil && real != "etc/a/x.conf" {
				t.Errorf("%s leads to %s", name, real)
			}
		}
		if found, err := tree.Glob("/etc/*/*.conf"); err != nil || !slices.Equal(found, []string{"etc/a/x.conf", "etc/l/x.conf"}) {
			t.Errorf("%q, %v", found, err)
		}
	}
	look()
	// etc, a, x.conf, l and where it leads, none, proc; and the names in etc, in a, and in it as l.
	if asked > 10 {
		t.Errorf("asked %d times", asked)
	}
	before := asked
	if look(); asked != before {
		t.Errorf("asked %d times more", asked-before)
	}
}

func TestGlob(t *testing.T) {
	tree := NewTree(fstest.MapFS{
		"etc/a.conf": {}, "etc/b.conf": {}, "etc/.hidden.conf": {}, "etc/c.txt": {}, "opt/x/etc/d.conf": {}, "opt/y/etc/e.conf": {},
	})
	for pattern, want := range map[string][]string{
		"/etc/*.conf": {"etc/a.conf", "etc/b.conf"}, "etc/a.conf": {"etc/a.conf"}, "/opt/*/etc/*.conf": {"opt/x/etc/d.conf", "opt/y/etc/e.conf"},
		"/etc/[bc].*": {"etc/b.conf", "etc/c.txt"}, "/none/*": nil, "/etc/none": nil, "/etc/.*": {"etc/.hidden.conf"}, "/../etc/a.conf": {"etc/a.conf"}, "/etc/*/a.conf": nil,
	} {
		if got, err := tree.Glob(pattern); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", pattern, got, err, want)
		}
	}
	if _, err := tree.Glob("/etc/["); err == nil {
		t.Error("a malformed pattern is not an error")
	}
}

// TestOpenFolder holds the promise of a folder: its files are called as people named it,
// absolute names are those of the machine, and nothing leads out of it.
func TestOpenFolder(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "conf")
	if err := os.MkdirAll(filepath.Join(dir, "parts"), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "main"), "m")
	write(filepath.Join(dir, "parts", "a"), "a")
	write(filepath.Join(top, "secret"), "s")
	for link, target := range map[string]string{"inner": "parts/a", "full": filepath.Join(dir, "parts", "a"), "out": "../secret", "far": filepath.Join(top, "secret")} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	folder, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	tree := folder.Called("./x/")
	slash := filepath.ToSlash(dir)
	for _, name := range []string{"/main", "/parts/a", "/parts/../main", "/inner", "/full"} {
		f, err := tree.Read(slash + name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.HasPrefix(f.Name, "./x/") || f.Path != strings.TrimPrefix(slash, "/")+name {
			t.Errorf("%s is called %q and lies at %q", name, f.Name, f.Path)
		}
	}
	for _, name := range []string{slash + "/out", slash + "/far", slash + "/../secret", filepath.ToSlash(top) + "/secret", slash + "x/main", "/main", "main"} {
		if f, err := tree.Read(name); !errors.Is(err, ErrOutside) {
			t.Errorf("%s: read %v, error %v, want ErrOutside", name, f, err)
		}
	}
	names, err := tree.Glob(slash + "/parts/*")
	if want := []string{tree.PathOf("./x/parts/a")}; err != nil || !slices.Equal(names, want) {
		t.Errorf("Glob gives %q, %v, want %q", names, err, want)
	}
	if _, err := tree.Glob("/etc/*"); !errors.Is(err, ErrOutside) {
		t.Errorf("Glob outside: %v", err)
	}
}

func TestMoreFoldersThanAreHeldOpen(t *testing.T) {
	dir := t.TempDir()
	for i := range maxHandles + 10 {
		at := filepath.Join(dir, "etc", strconv.Itoa(i))
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(at, "a.conf"), []byte(strconv.Itoa(i)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := OpenTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	for i := range maxHandles + 10 {
		name := fmt.Sprintf("etc/%d/a.conf", i)
		f, err := tree.Read(name)
		if err != nil || string(f.Text) != strconv.Itoa(i) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
		_, err = tree.Read(fmt.Sprintf("etc/%d/b.conf", i))
		if pe := new(fs.PathError); !errors.As(err, &pe) || pe.Path != fmt.Sprintf("etc/%d/b.conf", i) {
			t.Errorf("the error does not name the whole path: %v", err)
		}
	}
	if held := len(tree.seen.handles); held != maxHandles {
		t.Errorf("%d folders are held open, want %d", held, maxHandles)
	}
}
