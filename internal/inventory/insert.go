package inventory

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/conf"
	"portolan/internal/source"
)

// Insertion is where a setting that nobody wrote belongs: the line Before, its value and
// After, at a place of no length.
type Insertion struct {
	At            source.Span
	Before, After string
}

// lacking notes that a section was asked for a setting that is not in it.
func (e *evaluator) lacking(section, key string) {
	if e.lacks == nil {
		e.lacks = map[string][]string{}
	}
	if !slices.Contains(e.lacks[key], section) {
		e.lacks[key] = append(e.lacks[key], section)
	}
}

// insertion is where the setting of c would be written: at the end of the one section in
// which the description looks for it. It is nil where somebody wrote the first port, where
// it is not the default itself, and in formats in which a line is not all that it takes.
func (b *builder) insertion(c *Claim, first []origin) *Insertion {
	if b.spec.Format != "lumenvox" || c.Span.HasLine() || len(b.doc.Gaps) > 0 || len(b.lacks[c.Setting]) != 1 {
		return nil
	}
	if !slices.ContainsFunc(first, func(o origin) bool {
		return o.kind == nobody && o.setting == c.Setting && o.text == strconv.Itoa(c.NominalFirst)
	}) {
		return nil
	}
	var section *conf.Node
	for _, n := range b.doc.Root.Children {
		if n.Kind == conf.Section && n.Name == b.lacks[c.Setting][0] {
			if section != nil { // which of them counts is not known
				return nil
			}
			section = n
		}
	}
	if section == nil {
		return nil
	}
	return insertAt(b.doc.File, section, c.Setting)
}

// insertAt makes a line for a setting behind the last one of its section, in its style.
func insertAt(f *source.File, section *conf.Node, key string) *Insertion {
	at, indent, equals := section.NameSpan, "", " = "
	if n := len(section.Children); n > 0 {
		last := section.Children[n-1]
		at = last.NameSpan
		start := bytes.LastIndexByte(f.Text[:at.Start], '\n') + 1
		indent = string(f.Text[start:at.Start])
		rest := f.Text[at.End:]
		if i := bytes.IndexByte(rest, '='); i >= 0 {
			blanks := len(rest) - i - 1 - len(bytes.TrimLeft(rest[i+1:], " \t"))
			equals = string(rest[:i+1+blanks])
		}
		if last.Value == "" {
			equals = strings.TrimRight(equals, " \t")
			if strings.HasSuffix(equals, " =") {
				equals += " "
			}
		}
	}
	newline := "\n"
	if i := bytes.IndexByte(f.Text, '\n'); i > 0 && f.Text[i-1] == '\r' {
		newline = "\r\n"
	}
	line := indent + key + equals
	if i := bytes.IndexByte(f.Text[at.End:], '\n'); i >= 0 {
		end := at.End + i + 1
		return &Insertion{f.Span(end, end), line, newline}
	}
	return &Insertion{f.Span(len(f.Text), len(f.Text)), newline + line, ""}
}
