package inventory

import (
	"path"
	"strings"

	"portolan/internal/source"
)

// folders remembers what is in the folders of a host. The catalogue asks for some thousand
// paths, most of them in folders that are not there, and each asked of the system would
// cost a few calls.
type folders struct {
	tree  *source.Tree
	known map[string]map[string]bool // names by folder; nil for one that cannot be listed
}

// may reports whether a file that matches an absolute pattern may be there: false says
// that none is.
func (f *folders) may(pattern string) bool {
	dir := "."
	if path.Clean(pattern) == "/" { // the top itself
		return true
	}
	for part := range strings.SplitSeq(strings.TrimLeft(path.Clean(pattern), "/"), "/") {
		names, listed := f.names(dir)
		if !listed || strings.ContainsAny(part, `*?[\`) {
			return true
		}
		if !names[part] {
			return false
		}
		dir = path.Join(dir, part)
	}
	return true
}

// names are the names in a folder; false when it cannot be listed, though what is in it may
// be read.
func (f *folders) names(dir string) (map[string]bool, bool) {
	names, known := f.known[dir]
	if !known {
		if list, err := f.tree.List(dir); err == nil {
			names = make(map[string]bool, len(list))
			for _, n := range list {
				names[n] = true
			}
		}
		f.known[dir] = names
	}
	return names, names != nil
}
