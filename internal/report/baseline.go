package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// Limits on a baseline: it is as large as the findings of a whole fleet.
const (
	MaxBaseline = 128 << 20 // bytes
	maxKnown    = 1_000_000 // findings
)

// ParseBaseline reads a baseline that lies in dir, which is absolute. The error says what
// to do.
func ParseBaseline(text []byte, dir string) (*Baseline, error) {
	const again = "; write it with portolan lint --format json, without --baseline"
	b := &Baseline{dir: filepath.ToSlash(dir), roots: map[string]string{}, seen: map[string]bool{}, judged: map[string]bool{}}
	if err := b.parse(text); err != nil {
		return nil, fmt.Errorf("%w%s", err, again)
	}
	return b, nil
}

// parse reads one finding after the other: all of them at once need many times their text.
func (b *Baseline) parse(text []byte) error {
	var version int
	var summary struct{ Known int }
	var wrong error // in a finding
	listed := false
	d := json.NewDecoder(bytes.NewReader(text))
	err := members(d, func(key string) error {
		switch key {
		case "version":
			return d.Decode(&version)
		case "summary":
			return d.Decode(&summary)
		case "findings":
			listed = true
			return items(d, func() error {
				var f struct{ Fingerprint, Root string }
				if err := d.Decode(&f); err != nil {
					return err
				}
				switch {
				case f.Fingerprint == "":
					wrong = errors.New("it has findings without a fingerprint")
				case len(b.roots) >= maxKnown:
					wrong = fmt.Errorf("it has more than %d findings", maxKnown)
				default:
					b.roots[f.Fingerprint] = f.Root
				}
				return wrong
			})
		}
		var rest json.RawMessage
		return d.Decode(&rest)
	})
	const other = "it is not the output of portolan lint --format json"
	switch {
	case wrong != nil:
		return wrong
	case err != nil:
		return fmt.Errorf(other+": %w", err)
	case !listed:
		return errors.New(other)
	case version != 1:
		return fmt.Errorf("its version is %d, and not 1", version)
	case summary.Known > 0:
		return fmt.Errorf("it lacks %s that an earlier baseline had", number(summary.Known, "finding"))
	}
	return nil
}

// members calls do for the value of each member of the one object that d has.
func members(d *json.Decoder, do func(key string) error) error {
	if err := expect(d, json.Delim('{')); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string) // the decoder has checked that it is one
		if err := do(name); err != nil {
			return err
		}
	}
	if err := expect(d, json.Delim('}')); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more behind it")
	}
	return nil
}

// items calls do for each item of the list that comes next.
func items(d *json.Decoder, do func() error) error {
	if err := expect(d, json.Delim('[')); err != nil {
		return err
	}
	for d.More() {
		if err := do(); err != nil {
			return err
		}
	}
	return expect(d, json.Delim(']'))
}

// expect reads one sign.
func expect(d *json.Decoder, sign json.Delim) error {
	t, err := d.Token()
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	if err == nil && t != sign {
		return fmt.Errorf("there is no %s where one should be", sign)
	}
	return err
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
