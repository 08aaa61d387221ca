package conf

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"portolan/internal/source"
)

// lookedAt counts the folders that are listed.
type lookedAt struct {
	fstest.MapFS
	folders int
}

func (l *lookedAt) ReadDir(name string) ([]fs.DirEntry, error) {
	l.folders++
	return l.MapFS.ReadDir(name)
}

// TestIncludesOfEachOther: files that all include all ask for the same names again and
// again, and folders are listed a few times.
func TestIncludesOfEachOther(t *testing.T) {
	for name, c := range map[string]struct {
		pattern func(i int) string
		most    int // folders listed
	}{
		"by one pattern":  {func(int) string { return "../n*/a.conf" }, 2},
		"by one for each": {func(i int) string { return "../n*" + strings.Repeat("*", i) + "/a.conf" }, 25},
	} {
		files := &lookedAt{MapFS: fstest.MapFS{}}
		for i := range 100 {
			files.MapFS[fmt.Sprintf("d/n%d/a.conf", i)] = &fstest.MapFile{Data: []byte("a 1;\ninclude " + c.pattern(i) + ";\n")}
		}
		tree := source.NewTree(files)
		f, err := tree.Read("d/n0/a.conf")
		if err != nil {
			t.Fatal(err)
		}
		doc, _, err := Parse("nginx", f, tree)
		if err != nil {
			t.Fatal(err)
		}
		if len(doc.Root.Children) < 15 || len(doc.Gaps) == 0 {
			t.Errorf("%s: %d nodes and %d gaps", name, len(doc.Root.Children), len(doc.Gaps))
		}
		if files.folders > c.most {
			t.Errorf("%s: folders were listed %d times", name, files.folders)
		}
	}
}
