package inventory

import (
	"io/fs"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"portolan/internal/source"
)

// TestMissing: what is said not to be there is not there, through links too.
func TestMissing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, leaf := rapid.SampledFrom([]string{"a", "b", ".d", "etc"}), rapid.SampledFrom([]string{"f", "c.conf", ".e"})
		files := fstest.MapFS{}
		for range rapid.IntRange(0, 6).Draw(t, "files") {
			files[path.Join(path.Join(rapid.SliceOfN(dir, 0, 3).Draw(t, "folders")...), leaf.Draw(t, "file"))] = &fstest.MapFile{}
		}
		if rapid.Bool().Draw(t, "link") {
			files["l"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte(rapid.SampledFrom([]string{"a", "etc/b", "nowhere", "."}).Draw(t, "target"))}
		}
		tree := source.NewTree(files)
		part := rapid.SampledFrom([]string{"a", "b", "f", "c.conf", ".d", ".e", "etc", "l", "*", "*.conf", "?", ".."})
		for range 20 {
			pattern := "/" + strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "pattern"), "/")
			found, err := tree.Glob(pattern)
			if err == nil && len(found) > 0 && missing(tree, pattern) != "" {
				t.Fatalf("%s is %q, and said not to be there", pattern, found)
			}
		}
	})
}
