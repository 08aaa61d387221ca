package inventory_test

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portolan/internal/inventory"
)

// An expectation is what a person read in one file of the corpus, written down before the
// program was asked. testdata/corpus/FOLDER.txt has one claim on a line:
//
//	FILE SERVICE CLAIM
//
// FILE is below the folder, and may be a folder itself ("." for all). CLAIM is the text of
// Claim.Describe, with " in NAME" behind it when the line is one of an included file; "-"
// when the service opens nothing, or "partial" when it opens ports that the file does not tell.
// "=SERVICE" is found only when the command line names it, "none" stands for a file that
// is of no service.
type expectation struct {
	said, alone map[string][]string // claims by service, as SERVICE=PATH and as PATH
}

// corpus is the folder with the real configuration files, "" when it is not here. They are
// no part of the repository: other people's licences are on them.
func corpus() string {
	for _, dir := range []string{os.Getenv("PORTOLAN_CORPUS"), filepath.Join("..", "..", "..", "shared", "corpus")} {
		if info, err := os.Stat(dir); dir != "" && err == nil && info.IsDir() {
			return dir
		}
	}
	return ""
}

// TestCorpus compares what people read in real configuration files with the inventory.
func TestCorpus(t *testing.T) {
	lists, err := filepath.Glob("../../testdata/corpus/*.txt")
	if err != nil || len(lists) == 0 {
		t.Fatal("no expectations in testdata/corpus", err)
	}
	root := corpus()
	for _, list := range lists {
		folder := strings.TrimSuffix(filepath.Base(list), ".txt")
		files := expectations(t, list)
		t.Run(folder, func(t *testing.T) {
			if root == "" {
				t.Skip("no corpus: set PORTOLAN_CORPUS to the folder with the real configuration files")
			}
			dir := filepath.Join(root, folder)
			for name, want := range files {
				t.Run(name, func(t *testing.T) { want.check(t, dir, name) })
			}
			err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				name, err := filepath.Rel(dir, path)
				if _, ok := files[filepath.ToSlash(name)]; !ok {
					t.Errorf("%s does not say what is in %s", list, name)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// expectations reads one list.
func expectations(t *testing.T, list string) map[string]*expectation {
	t.Helper()
	f, err := os.Open(list)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string]*expectation{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		if len(words) < 3 {
			t.Fatalf("%s:%d: want FILE SERVICE CLAIM", list, n)
		}
		e := files[words[0]]
		if e == nil {
			e = &expectation{said: map[string][]string{}, alone: map[string][]string{}}
			files[words[0]] = e
		}
		id, named := strings.CutPrefix(words[1], "=")
		claim := strings.Join(words[2:], " ")
		if id != "none" {
			e.said[id] = append(e.said[id], claim)
		}
		if !named && id != "none" {
			e.alone[id] = append(e.alone[id], claim)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return files
}

// check asks for a file in both ways. A folder is asked for by its path alone.
func (e *expectation) check(t *testing.T, dir, name string) {
	path := filepath.Join(dir, filepath.FromSlash(name))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !info.IsDir() {
		for id, want := range e.said {
			compare(t, id+"=PATH", id, asked(t, dir, path, id+"="+path)[id], want)
		}
	}
	got := asked(t, dir, path, path)
	for id := range got {
		if e.alone[id] == nil {
			e.alone[id] = []string{"-"}
		}
	}
	for id, want := range e.alone {
		compare(t, "PATH", id, got[id], want)
	}
}

func compare(t *testing.T, how, id string, got, want []string) {
	t.Helper()
	want = slices.DeleteFunc(slices.Clone(want), func(s string) bool { return s == "-" })
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return
	}
	for _, w := range want {
		if i := slices.Index(got, w); i >= 0 {
			got = slices.Delete(got, i, i+1)
		} else {
			t.Errorf("%s: %s misses  %s", how, id, w)
		}
	}
	for _, g := range got {
		t.Errorf("%s: %s invents %s", how, id, g)
	}
}

// asked is the inventory of one argument as claims by service.
func asked(t *testing.T, dir, path, arg string) map[string][]string {
	t.Helper()
	inv, _, err := inventory.ReadPaths(ours(t), []string{arg}, nil)
	if err != nil && !errors.Is(err, inventory.ErrNothing) {
		t.Fatal(err)
	}
	out := map[string][]string{}
	if inv == nil {
		return out
	}
	for i := range inv.Claims {
		c := &inv.Claims[i]
		text := c.Describe()
		if at := c.Span.Name(); at != filepath.ToSlash(path) && c.Span.HasLine() {
			in := strings.TrimPrefix(at, filepath.ToSlash(dir)+"/")
			text += " in " + in
		}
		out[c.Service] = append(out[c.Service], text)
	}
	for _, f := range inv.Files {
		if f.Status == inventory.Partial && !slices.Contains(out[f.Service], "partial") {
			out[f.Service] = append(out[f.Service], "partial")
		}
	}
	return out
}

// TestCorpusIsRight: real files have no setting that is misspelled or said twice, so a finding
// of these rules would be a false one.
func TestCorpusIsRight(t *testing.T) {
	root := corpus()
	if root == "" {
		t.Skip("no corpus: set PORTOLAN_CORPUS to the folder with the real configuration files")
	}
	cat := ours(t)
	folders, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		_, diags, err := inventory.ReadPaths(cat, []string{filepath.Join(root, folder.Name())}, nil)
		if err != nil && !errors.Is(err, inventory.ErrNothing) {
			t.Fatal(err)
		}
		for _, d := range diags {
			if d.Rule == "unknown-setting" || d.Rule == "duplicate-setting" || d.Rule == "compose-variable-unused" || d.Rule == "compose-host-network-ports" {
				t.Errorf("%s: %s", d.Span, d.Message)
			}
		}
	}
}
