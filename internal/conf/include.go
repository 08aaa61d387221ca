package conf

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// An Include is a directive that puts other files in its place.
type Include struct {
	Keyword string // the directive as written at the start of the line, in any case
	// Dir is "" when the directive names files, where wildcards are allowed. Otherwise it
	// names a folder, and Dir is how the names of the files end that are read from it.
	Dir string
	// NoDots says that the directive names a folder, and that files whose names have a dot or
	// end with "~" are not read from it.
	NoDots bool
	// Endings says that the directive names a folder and, behind commas, which of its files are
	// read: "*.conf" those that end so, ".bak" none that ends so; never hidden ones and
	// copies that editors leave, "a~" and "#a#".
	Endings bool
	// Base is the folder where relative names start; "" is that of the including file.
	Base string
	Need Need
	// Inside says that what the file says belongs to the section that includes it.
	// Otherwise the file begins outside every section.
	Inside bool
}

// Need says which missing files are a finding. The zero value is the usual one.
type Need uint8

// What must be there.
const (
	NeedFile    Need = iota // a file or folder that is named without wildcards
	NeedMatch               // at least one file, whatever the name looks like
	NeedNothing             // nothing
)

// maxIncluded bounds the bytes of all files that one document includes, a file that is
// included twice counted twice.
const maxIncluded = 4 * source.MaxFileSize

// maxFound bounds the files that the patterns of one document stand for, whether or not
// they are read: each is looked at, once for each pattern.
const maxFound = 10 * MaxIncludes

var (
	errManyFiles = errors.New("too many files are included, or too large ones")
	errCycle     = errors.New("the file includes itself")
)

// includer reads the files that one document includes, each from the disk once.
type includer struct {
	r     *reader
	size  int
	found int                 // names that patterns stand for
	globs map[string][]string // by pattern
	known map[string]*source.File
	stack []string // names of the included files that are being read
}

// files gives the files that arg, written in f, names to read, in the order of their
// names. What is missing or cannot be read is a gap: the settings there are not known.
// depth is how many files lie between the document and f.
func (in *includer) files(inc Include, f *source.File, arg Arg, depth int, read func(*source.File)) {
	r := in.r
	if r.tree == nil {
		r.doc.Gaps = append(r.doc.Gaps, arg.Span)
		return
	}
	names, err := in.names(inc, f, arg.Text)
	for _, name := range names {
		if r.includes++; r.includes > MaxIncludes || depth >= maxDepth {
			err = errManyFiles
			break
		}
		included, readErr := in.read(name)
		if readErr != nil {
			err = readErr
			continue
		}
		in.stack = append(in.stack, name)
		read(included)
		in.stack = in.stack[:len(in.stack)-1]
	}
	if err != nil {
		r.missing(arg.Span, err)
	}
}

// names are the files that a name in an include stands for.
func (in *includer) names(inc Include, f *source.File, pattern string) ([]string, error) {
	if in.r.includes++; in.r.includes > MaxIncludes { // looking costs, too
		return nil, errManyFiles
	}
	var endings []string
	if inc.Endings {
		words := strings.Split(pattern, ",")
		pattern, endings = strings.TrimSpace(words[0]), words[1:]
	}
	if !path.IsAbs(pattern) {
		base := inc.Base
		if base == "" {
			base = path.Dir(f.Path)
		}
		pattern = path.Join("/", base, pattern)
	}
	plain := !strings.ContainsAny(pattern, `*?[\`)
	if inc.Dir != "" || inc.NoDots || inc.Endings {
		if _, err := in.r.tree.Stat(pattern); err != nil && inc.Need != NeedNothing {
			return nil, err
		}
		pattern, plain = path.Join(pattern, "*"+inc.Dir), false
	}
	names, err := in.glob(pattern)
	if inc.Dir != "" || inc.NoDots || inc.Endings {
		names = slices.DeleteFunc(names, func(name string) bool {
			info, err := in.r.tree.Stat(name)
			base := path.Base(name)
			return err == nil && info.IsDir() || inc.NoDots && (strings.Contains(base, ".") || strings.HasSuffix(base, "~")) || inc.Endings && !chosen(base, endings)
		})
	}
	if err == nil && len(names) == 0 && (inc.Need == NeedMatch || inc.Need == NeedFile && plain) {
		err = fs.ErrNotExist
	}
	return names, err
}

// chosen reports whether Endings read a file of that name.
func chosen(base string, endings []string) bool {
	if base[0] == '.' || strings.HasSuffix(base, "~") || base[0] == '#' && strings.HasSuffix(base, "#") {
		return false
	}
	wanted, found := false, false
	for _, e := range endings {
		e = strings.TrimSpace(e)
		only, starred := strings.CutPrefix(e, "*")
		switch {
		case only == "": // nothing between two commas, or any ending
		case starred:
			wanted, found = true, found || strings.HasSuffix(base, only)
		case strings.HasSuffix(base, e):
			return false
		}
	}
	return found || !wanted
}

// glob are the files that a pattern stands for. Files that include each other ask for the
// same ones again and again.
func (in *includer) glob(pattern string) ([]string, error) {
	if names, known := in.globs[pattern]; known {
		return slices.Clone(names), nil
	}
	if in.found > maxFound {
		return nil, errManyFiles
	}
	names, err := in.r.tree.Glob(pattern)
	in.found += len(names)
	if err == nil {
		if in.globs == nil {
			in.globs = map[string][]string{}
		}
		in.globs[pattern] = slices.Clone(names)
	}
	return names, err
}

// read is the file of that name.
func (in *includer) read(name string) (*source.File, error) {
	if slices.Contains(in.stack, name) || name == strings.TrimPrefix(in.r.file.Path, "/") {
		return nil, errCycle
	}
	f := in.known[name]
	if f == nil {
		var err error
		if f, err = in.r.tree.Read(name); err != nil {
			return nil, err
		}
		if in.known == nil {
			in.known = map[string]*source.File{}
		}
		in.known[name] = f
		in.r.doc.Included = append(in.r.doc.Included, f.Path)
	}
	if in.size += len(f.Text); in.size > maxIncluded {
		return nil, errManyFiles
	}
	return f, nil
}

// missing notes and reports an include that could not be read.
func (r *reader) missing(at source.Span, err error) {
	r.doc.Gaps = append(r.doc.Gaps, at)
	if errors.Is(err, source.ErrOutside) {
		r.report(diag.Diagnostic{Rule: "unreadable-file", Severity: diag.Warning, Span: at,
			Message: "what is included here was not looked at, because it lies outside the folder that was named", Label: "settings from here are not known",
			Help: "name the folder that holds the whole host with --root"})
		return
	}
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		err = pe.Err
	}
	r.report(diag.Diagnostic{Rule: "unreadable-file", Severity: diag.Warning, Span: at,
		Message: "an included file cannot be read: " + err.Error(), Label: "settings from here are not known",
		Help: "put the file there, make it readable, or remove the include"})
}
