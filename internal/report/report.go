// Package report prints findings.
//
// A format is one file and one line in Formats. What comes from the user's files is
// untrusted: no format lets it move a cursor, forge a line or reorder what is read.
package report

import (
	"fmt"
	"io"
	"iter"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// Options say how findings are dressed. The zero value is plain text about one host.
type Options struct {
	Color bool // write ANSI colours (ECMA-48 SGR); what they mean is always said in words too
	// Fleet says that many hosts are reported: each is named, and a summary counts them.
	Fleet bool
	// Dir is the working directory. Formats for programs that look the files up write
	// paths from there.
	Dir string
	// Version is the version of this program.
	Version string
	// Rules are what is known of the rules that findings may name.
	Rules []Rule
	// Compared says that findings were compared with a baseline: those of a Host are new.
	Compared bool
	// Limit is the lowest severity that counts as a failure, where a format knows that word.
	Limit diag.Severity
}

// A Rule is what people can read about findings of one kind.
type Rule struct {
	Name     string
	Summary  string // one sentence without its full stop
	Page     string // in Markdown
	Severity diag.Severity
}

// rule is the rule of that name; one that is not known has its name alone.
func (o *Options) rule(name string) Rule {
	if i := slices.IndexFunc(o.Rules, func(r Rule) bool { return r.Name == name }); i >= 0 {
		return o.Rules[i]
	}
	return Rule{Name: name}
}

// A Host is the findings of one host, or of files that were named by themselves.
type Host struct {
	// Root is the folder that the names of its files are below, as people gave it; "" when
	// the names are from the working directory themselves. Among many hosts that is no host:
	// the findings are about what all of them share.
	Root     string
	Findings diag.List
	// Known are findings that a baseline has, and Ignored those that somebody silenced. They
	// are counted, and shown to programs that have a word for them.
	Known   diag.List
	Ignored []diag.Silenced
}

// One is a single host for a Format.
func One(h Host) iter.Seq[Host] { return func(yield func(Host) bool) { yield(h) } }

// path is where a file is found from dir, with forward slashes: relative when it lies
// below dir.
func (h *Host) path(f *source.File, dir string) string {
	name := filepath.ToSlash(f.Name)
	if h.Root != "" && !f.Given {
		name = path.Join(filepath.ToSlash(h.Root), name)
	}
	if dir = filepath.ToSlash(dir); dir != "" {
		name = strings.TrimPrefix(name, strings.TrimSuffix(dir, "/")+"/")
	}
	return path.Clean(name)
}

// Fingerprints name the findings of h, see diag.List; each file is meant by its path from
// dir. Known findings are named first and ignored ones last, so that neither a baseline nor
// an ignore gives another name to a finding that is like them.
func (h *Host) Fingerprints(dir string) (findings, known, ignored []string) {
	all := append(slices.Clone(h.Known), h.Findings...)
	for i := range h.Ignored {
		all = append(all, h.Ignored[i].Diagnostic)
	}
	prints := all.Fingerprints(func(f *source.File) string { return h.path(f, dir) })
	k, n := len(h.Known), len(h.Known)+len(h.Findings)
	return prints[k:n], prints[:k], prints[n:]
}

// A Format writes findings in one language. Write takes one host after the other and keeps
// none, so that their number does not matter; it keeps their order and that of their
// findings. Its error is the writer's.
type Format struct {
	Name    string // what people type
	Summary string // what it is, for help texts
	Write   func(io.Writer, iter.Seq[Host], Options) error
}

// Formats are all formats; the first is the default. Nobody changes it.
var Formats = [...]Format{
	{"text", "source lines with the wrong part marked, for people", writeText},
	{"json", "one object, version 1, for programs", writeJSON},
	{"sarif", "SARIF 2.1.0, for code scanning", writeSARIF},
	{"github", "annotations of a GitHub workflow", writeGitHub},
	{"gitlab", "a Code Quality report of GitLab", writeGitLab},
	{"junit", "JUnit XML, for continuous integration", writeJUnit},
}

// Names are the names of all formats, as a sentence has them.
func Names() string {
	var names []string
	for _, f := range Formats {
		names = append(names, f.Name)
	}
	return Joined(names, " or ")
}

// Joined is words with commas between them, and before the last one another word, " and ".
func Joined(words []string, last string) string {
	n := len(words)
	if n < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:n-1], ", ") + last + words[n-1]
}

// Lookup finds a format by its exact name. An unknown name is an error that lists
// the choices.
func Lookup(name string) (Format, error) {
	for _, f := range Formats {
		if f.Name == name {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("format %q is not known: use %s", name, Names())
}

// counts are numbers of findings, by severity.
type counts [diag.Error + 1]int

func (c *counts) add(l diag.List) {
	for i := range l {
		c[l[i].Severity]++
	}
}

// unseen are numbers of findings that are not among the others.
type unseen struct {
	Ignored int `json:"ignored,omitempty"`
	Known   int `json:"known,omitempty"` // from a baseline
}

func (u *unseen) add(h *Host) {
	u.Ignored += len(h.Ignored)
	u.Known += len(h.Known)
}

// words are the parts of a finding that are not its message, a line each, for formats
// that have one text for everything.
func words(d *diag.Diagnostic) []string {
	lines := []string{Printable(d.Message)}
	if d.Label != "" {
		lines = append(lines, "here: "+Printable(d.Label))
	}
	for _, n := range d.Notes {
		lines = append(lines, "note: "+Printable(n))
	}
	if d.Help != "" {
		lines = append(lines, "help: "+Printable(d.Help))
	}
	return lines
}
