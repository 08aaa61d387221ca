package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// A Baseline is findings of an earlier run, so that those of a later one can be told from
// them. It is the output of the format json.
type Baseline struct {
	dir    string            // absolute: where it lies
	roots  map[string]string // of its findings, by their fingerprints; "" where only one host was judged
	seen   map[string]bool   // fingerprints that were found again
	judged map[string]bool   // roots of the hosts that were judged again
}

// ParseBaseline reads a baseline that lies in dir, which is absolute. The error says what
// to do.
func ParseBaseline(text []byte, dir string) (*Baseline, error) {
	var in struct {
		Version  int
		Findings *[]struct{ Fingerprint, Root string }
		Summary  struct{ Known int }
	}
	again := "; write it with portolan lint --format json, without --baseline"
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, fmt.Errorf("it is not the output of portolan lint --format json: %w%s", err, again)
	}
	switch {
	case in.Findings == nil:
		return nil, errors.New("it is not the output of portolan lint --format json" + again)
	case in.Version != 1:
		return nil, fmt.Errorf("its version is %d, and not 1%s", in.Version, again)
	case in.Summary.Known > 0:
		return nil, fmt.Errorf("it lacks %s that an earlier baseline had%s", number(in.Summary.Known, "finding"), again)
	}
	b := &Baseline{dir: filepath.ToSlash(dir), roots: map[string]string{}, seen: map[string]bool{}, judged: map[string]bool{}}
	for _, f := range *in.Findings {
		if f.Fingerprint == "" {
			return nil, errors.New("it has findings without a fingerprint" + again)
		}
		b.roots[f.Fingerprint] = f.Root
	}
	return b, nil
}

// Split moves those findings of h that the baseline has to its known ones. Names in a
// baseline are from the directory in which lint ran when it was written: findings are
// looked up as named from dir, the working directory, and as named from where the baseline
// lies.
func (b *Baseline) Split(h *Host, dir string) {
	dir = filepath.ToSlash(dir)
	if h.Root != "" {
		b.judged[fromDir(path.Clean(filepath.ToSlash(h.Root)), dir, dir)] = true
		b.judged[fromDir(path.Clean(filepath.ToSlash(h.Root)), dir, b.dir)] = true
	}
	here, _, _ := h.Fingerprints(dir)
	there := here
	if b.dir != dir {
		there = h.Findings.Fingerprints(func(f *source.File) string { return fromDir(h.path(f, ""), dir, b.dir) })
	}
	var fresh diag.List
	for i, d := range h.Findings {
		print := here[i]
		if _, known := b.roots[print]; !known {
			print = there[i]
		}
		if _, known := b.roots[print]; known {
			b.seen[print] = true
			h.Known = append(h.Known, d)
		} else {
			fresh = append(fresh, d)
		}
	}
	h.Findings = fresh
}

// fromDir is the name that a file of the working directory dir has in a run in another
// directory: what is relative in the one is so in the other, and what is absolute stays so
// unless it lies below.
func fromDir(name, dir, other string) string {
	relative := !path.IsAbs(name) && !filepath.IsAbs(name)
	if relative {
		if dir == other {
			return name
		}
		name = path.Join(dir, name)
	}
	rel, err := filepath.Rel(filepath.FromSlash(other), filepath.FromSlash(name))
	rel = filepath.ToSlash(rel)
	if err != nil || !relative && !filepath.IsLocal(rel) {
		return name
	}
	return rel
}

// Gone is how many findings of the baseline were not found again on hosts that were judged.
// Fleet says whether those were many; a baseline of one host does not say which it was.
func (b *Baseline) Gone(fleet bool) int {
	n := 0
	for print, root := range b.roots {
		if !b.seen[print] && (root == "" && !fleet || b.judged[path.Clean(root)]) {
			n++
		}
	}
	return n
}
