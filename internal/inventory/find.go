package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"portolan/internal/catalog"
	"portolan/internal/conf"
	"portolan/internal/diag"
	"portolan/internal/source"
)

// Limits on looking through a folder that an operator names.
const (
	maxWalkDepth = 12
	maxWalkFiles = 50_000
)

// ErrNothing says that nothing known was found.
var ErrNothing = errors.New("no configuration of a known service")

// candidate is a file that may belong to a service.
type candidate struct {
	name    string // as people will see it
	service *catalog.Service
	spec    *catalog.FileSpec
	os      string
	certain bool // by its path, or because the operator says so: not by its name alone
	said    bool // the operator says so
	sample  bool // it has a name that the service's file has where it is not installed
	read    func() (*source.File, error)
	tree    *source.Tree // for includes; nil for a file that was named by itself
	// container is that of a Compose file to which the file belongs, see containers, and
	// missing are its volumes that should have been a file of the service.
	container string
	missing   []source.Span

	// What load finds.
	file   *source.File
	layers []*source.File // read after it, see layered
	doc    *conf.Document // nil when the file could not be read, or is something else
	known  bool           // it is reported, whether or not it could be read
	// refused says why a file with the right name is not the service's.
	refused diag.List
	diags   diag.List
}

// inTree are the files of a host at the paths that the catalogue knows.
func inTree(cat *catalog.Catalog, tree *source.Tree, os string) []candidate {
	found := map[string][]string{} // by pattern
	failed := map[string]error{}
	look := func(pattern string) bool {
		if (pattern[0] == '/') != (os == "linux") {
			return false
		}
		names, looked := found[pattern]
		if !looked {
			var err error
			switch {
			case os == "windows":
				names, err = globWindows(tree, pattern)
			case missing(tree, pattern) == "":
				names, err = tree.Glob(pattern)
			}
			// A folder of somebody's that has too much in it to look for projects says nothing.
			if err != nil && !errors.Is(err, fs.ErrPermission) && !slices.Contains(catalog.ComposeFiles(), pattern) {
				failed[pattern] = err
			}
			found[pattern] = names
		}
		return len(names) > 0 || failed[pattern] != nil
	}
	var out []candidate
	texts := sync.OnceValue(func() []byte { return composeTexts(tree, look, found) })
	runs := func(image string) bool { return mayRun(texts(), image) }
	way := func(path string) string {
		if path[0] != '/' || os != "linux" {
			return ""
		}
		return missing(tree, path)
	}
	for _, s := range cat.Where(way, look, runs) {
		for i := range s.Files {
			spec := &s.Files[i]
			var names []string
			for _, pattern := range spec.Paths[os] {
				look(pattern)
				names = append(names, found[pattern]...)
				if err := failed[pattern]; err != nil { // whether it has such a file is not known
					out = append(out, candidate{name: strings.TrimLeft(pattern, "/"), service: s, spec: spec, os: os, certain: true, said: true,
						read: func() (*source.File, error) { return nil, err }})
				}
			}
			slices.Sort(names)
			if spec.Format == "systemd" {
				names = units(tree, names)
			}
			resolved := map[string]bool{}
			for _, name := range slices.Compact(names) {
				if real, err := tree.Resolve(name); err == nil {
					if resolved[real] { // the same file under two names
						continue
					}
					resolved[real] = true
				}
				out = append(out, candidate{name: name, service: s, spec: spec, os: os, certain: len(spec.Images) == 0, tree: tree,
					read: func() (*source.File, error) { return tree.Read(name) }})
			}
		}
	}
	return out
}

// OSOf tells the system of a tree by its top folder: "windows" or "linux".
func OSOf(tree *source.Tree) (string, error) {
	names, err := tree.List(".")
	if err != nil {
		return "", err
	}
	for _, n := range names {
		if strings.EqualFold(n, "etc") {
			return "linux", nil
		}
	}
	for _, n := range names {
		switch strings.ToLower(n) {
		case "windows", "program files", "program files (x86)", "programdata", "c", "d":
			return "windows", nil
		}
	}
	return "linux", nil
}

// globWindows looks a path such as "C:/Program Files/X/*.conf" up below the tree's top
// and below a folder named like the drive, in any case, as Windows does.
func globWindows(tree *source.Tree, pattern string) ([]string, error) {
	drive, rest, _ := strings.Cut(pattern, ":/")
	var out []string
	for _, start := range []string{".", drive} {
		found := []string{"."}
		parts := strings.Split(rest, "/")
		if start != "." {
			parts = append([]string{start}, parts...)
		}
		for _, part := range parts {
			var next []string
			for _, dir := range found {
				names, err := tree.List(dir)
				if err != nil {
					return nil, err
				}
				for _, n := range names {
					if ok, _ := path.Match(strings.ToLower(part), strings.ToLower(n)); ok {
						next = append(next, path.Join(dir, n))
					}
				}
			}
			found = next
		}
		out = append(out, found...)
	}
	return out, nil
}

// sampleSuffixes are endings under which packages ship examples; they are ignored when
// a file is recognised by its name.
var sampleSuffixes = [...]string{".sample", ".default", ".dist", ".example", ".in", ".def", ".sysconfig"}

func baseOf(name string) string {
	base := strings.ToLower(path.Base(filepath.ToSlash(name)))
	for changed := true; changed; { // janus.jcfg.sample.in
		changed = false
		if numbered := strings.TrimRight(base, "0123456789"); strings.HasSuffix(numbered, ".example") || strings.HasSuffix(numbered, ".sample") {
			base = numbered // chrony.conf.example2
		}
		for _, s := range sampleSuffixes {
			if cut, found := strings.CutSuffix(base, s); found && cut != "" {
				base, changed = cut, true
			}
		}
	}
	return base
}

// byName are the services one of whose files has the base name of name.
func byName(cat *catalog.Catalog, name string) []candidate {
	base := baseOf(name)
	folder := strings.ToLower(path.Base(path.Dir(filepath.ToSlash(name))))
	fits := func(spec *catalog.FileSpec, pattern string) bool {
		pattern = strings.ToLower(pattern)
		ok, _ := path.Match(path.Base(pattern), base)
		// Where the name says nothing, that of the folder tells. The endings of units say what
		// they are.
		nothing := strings.HasPrefix(path.Base(pattern), "*") && spec.Accept == nil && spec.Format != "systemd"
		if ok && (nothing || strings.Contains(path.Base(pattern), "*") && strings.HasSuffix(path.Dir(pattern), ".d")) {
			ok, _ = path.Match(path.Base(path.Dir(pattern)), folder)
		}
		return ok
	}
	var out []candidate
	for _, s := range cat.Named(base) {
		for i := range s.Files {
			fit := func(pattern string) bool { return fits(&s.Files[i], pattern) }
			var systems []string
			for system, patterns := range s.Files[i].Paths {
				if slices.ContainsFunc(patterns, fit) {
					systems = append(systems, system)
				}
			}
			sample := len(systems) == 0
			if sample && !slices.ContainsFunc(s.Files[i].Samples, fit) {
				continue
			}
			c := candidate{name: name, service: s, spec: &s.Files[i], sample: sample}
			if len(systems) == 1 && len(s.Files[i].Paths) > 1 {
				c.os = systems[0] // a name that only one system uses
			}
			out = append(out, c)
		}
	}
	return out
}

// inPaths are the files that an operator names: files, folders, and SERVICE=PATH.
func (p *places) inPaths(cat *catalog.Catalog, args []string) ([]candidate, error) {
	var out []candidate
	for _, arg := range args {
		if id, name, said := strings.Cut(arg, "="); said && cat.Find(id) != nil {
			s := cat.Find(id)
			c := candidate{name: name, service: s, spec: byEnding(s, name), certain: true, said: true}
			for _, named := range byName(cat, name) {
				if named.service == s {
					c.spec, c.os = named.spec, named.os
				}
			}
			out = append(out, c.reading(p.folder(filepath.Dir(name), name[:len(name)-len(filepath.Base(name))])))
			continue
		}
		found, err := p.inPath(cat, arg)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return distinct(out), nil
}

// byEnding is the kind of file of a service that a file of a name of its own is: the first
// one whose files end like it, else the main one.
func byEnding(s *catalog.Service, name string) *catalog.FileSpec {
	for i := range s.Files {
		for _, patterns := range s.Files[i].Paths {
			if slices.ContainsFunc(patterns, func(p string) bool { return path.Ext(p) != "" && path.Ext(p) == path.Ext(baseOf(name)) }) {
				return &s.Files[i]
			}
		}
	}
	return &s.Files[0]
}

// distinct leaves out files that are named twice, also through links, and samples beside
// the real file of the same service and folder.
func distinct(found []candidate) []candidate {
	type key struct {
		service *catalog.Service
		file    string
	}
	seen, real := map[key]bool{}, map[key]bool{}
	for _, c := range found {
		if !isSample(c.name) {
			real[key{c.service, filepath.Dir(c.name) + "/" + baseOf(c.name)}] = true
		}
	}
	return slices.DeleteFunc(found, func(c candidate) bool {
		place := c.name
		if resolved, err := filepath.EvalSymlinks(c.name); err == nil {
			place = resolved
		}
		k := key{c.service, place}
		if seen[k] || !c.certain && isSample(c.name) && real[key{c.service, filepath.Dir(c.name) + "/" + baseOf(c.name)}] {
			return true
		}
		seen[k] = true
		return false
	})
}

// isSample reports whether a name ends like that of an example.
func isSample(name string) bool {
	return baseOf(name) != strings.ToLower(path.Base(filepath.ToSlash(name)))
}

// places are the folders that hold the files an operator names. What a file includes is
// looked for in its folder, or in the folder that was named, and nowhere else.
type places struct {
	open map[string]*source.Tree // by folder
}

// close gives the folders back.
func (p *places) close() {
	for _, t := range p.open {
		if t != nil {
			t.Close() // it was only read
		}
	}
}

// folder is the tree of a folder whose files are called by the prefix; nil when it
// cannot be opened, and then nothing of it can be included.
func (p *places) folder(dir, prefix string) *source.Tree {
	tree, known := p.open[dir]
	if !known {
		tree, _ = source.OpenFolder(dir) // the file itself will say what is wrong
		if p.open == nil {
			p.open = map[string]*source.Tree{}
		}
		p.open[dir] = tree
	}
	if tree == nil {
		return nil
	}
	return tree.Called(prefix)
}

// reading is the candidate for a file that was named, or found in a folder that was. The
// file itself may be a link that leads anywhere.
func (c candidate) reading(tree *source.Tree) candidate {
	name := c.name
	c.tree = tree
	c.read = func() (*source.File, error) {
		f, err := source.ReadFile(name)
		if err == nil && tree != nil {
			f.Path = tree.PathOf(name)
		}
		return f, err
	}
	return c
}

// inPath are the files that one path names: itself, or everything below it.
func (p *places) inPath(cat *catalog.Catalog, name string) ([]candidate, error) {
	var out []candidate
	var tree *source.Tree
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		if !os.IsPathSeparator(name[len(name)-1]) {
			name += string(filepath.Separator) // WalkDir does not follow a link that it begins at
		}
		tree = p.folder(name, name)
	} else {
		tree = p.folder(filepath.Dir(name), name[:len(name)-len(filepath.Base(name))])
	}
	files := 0
	err := filepath.WalkDir(name, func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && at == name:
			return err
		case err != nil: // it may hold a file we should know of
			return err
		case d.IsDir():
			if rel, _ := filepath.Rel(name, at); strings.Count(filepath.ToSlash(rel), "/") >= maxWalkDepth {
				return fs.SkipDir
			}
			return nil
		}
		if files++; files > maxWalkFiles {
			return fmt.Errorf("%s: more than %d files: name a smaller folder, or --root for a whole host", name, maxWalkFiles)
		}
		for _, c := range byName(cat, at) {
			out = append(out, c.reading(tree))
		}
		return nil
	})
	return out, err
}
