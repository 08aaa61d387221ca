package inventory

import (
	"path"
	"slices"
	"strings"

	"portolan/internal/source"
)

// missing is the first folder or file on the way to an absolute pattern that is not there;
// "" when all are, or when that cannot be told. The catalogue asks for some thousand paths,
// most of them in folders that no host of one kind has.
func missing(tree *source.Tree, pattern string) string {
	pattern = path.Clean(pattern)
	for dir, rest := "/", pattern[1:]; rest != ""; {
		part, after, _ := strings.Cut(rest, "/")
		if strings.ContainsAny(part, `*?[\`) {
			return ""
		}
		names, err := tree.List(dir)
		if err != nil { // what is in it may be read all the same
			return ""
		}
		dir = pattern[:len(pattern)-len(rest)+len(part)]
		if _, there := slices.BinarySearch(names, part); !there {
			return dir
		}
		rest = after
	}
	return ""
}
