package conf

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// What the formats that nest share: YAML, JSON and TOML.

// Limits of the formats that nest. Real files nest some ten levels deep.
const (
	structuredNesting = 100          // sections within sections; what is deeper is not read
	structuredWeight  = 6 * MaxNodes // signs of nodes that a library may be given at once
)

// structuredText is the text of the file with every byte that belongs to no character,
// and every character that ok refuses, replaced by as many "_". The libraries give up on
// the whole file for one such byte, and a comment in Latin-1 must not cost the ports.
// What stands in the file is still in r.file.Text at the same offsets.
func (r *reader) structuredText(ok func(rune) bool) []byte {
	text := r.file.Text
	first, size := -1, 0
	for i := 0; i < len(text); i += size {
		var c rune
		c, size = utf8.DecodeRune(text[i:])
		if ok(c) && (c != utf8.RuneError || size > 1) {
			continue
		}
		if first < 0 {
			first, text = i, bytes.Clone(text)
			r.report(ambiguous(r.file.Span(i, i+size), "a byte that is not text",
				"some readers refuse the whole file for it, also in a comment", "save the file as UTF-8 without control characters"))
		}
		copy(text[i:i+size], "____")
	}
	return text
}

// structuredCut is how much of text a library may be given: what it makes of a text can
// be a hundred times its size. Each byte that counts says begins a node at most; lines of
// "#" comments do not count. The cut is at the start of a line where there is one.
func structuredCut(text []byte, counts func(c, next byte) bool) int {
	weight, start := 0, 0
	comment, blankSoFar := false, true
	for i, c := range text {
		switch {
		case c == '\n':
			start, comment, blankSoFar = i+1, false, true
			continue
		case blankSoFar && c == '#':
			comment = true
		}
		blankSoFar = blankSoFar && blank(c)
		next := byte('\n')
		if i+1 < len(text) {
			next = text[i+1]
		}
		if comment || !counts(c, next) {
			continue
		}
		if weight++; weight > structuredWeight {
			if start == 0 {
				return i
			}
			return start
		}
	}
	return len(text)
}

// structuredRest reports, as full does, that the file from offset cut on is not read.
func (r *reader) structuredRest(cut int) {
	if cut < len(r.file.Text) {
		r.nodes = max(r.nodes, MaxNodes)
		r.full(r.file.Span(cut, cut+1))
	}
}

// structuredTooDeep reports a section that is nested too deep to be read.
func (r *reader) structuredTooDeep(at source.Span) {
	r.structuredMissing(at)
	r.report(broken(at, fmt.Sprintf("nested more than %d levels deep", structuredNesting), "write it flatter"))
}

// structuredMissing records that something is missing at a place. A few places say as much as many.
func (r *reader) structuredMissing(at source.Span) {
	if len(r.doc.Gaps) < maxReports {
		r.doc.Gaps = append(r.doc.Gaps, at)
	}
}

// structuredNames are the names in one section and where each stands first.
type structuredNames map[string]source.Span

// structuredName checks the name of a setting and reports whether the setting can be kept. A name
// that was there before is reported and kept: which of the two counts differs by service.
// Names that begin with "//" are comments in files of formats without comments, and repeat.
func (r *reader) structuredName(seen structuredNames, name string, at source.Span) bool {
	if name == "" {
		r.report(broken(at, "a value without a key", "give it a key"))
		return false
	}
	first, again := seen[name]
	if !again {
		seen[name] = at
		return true
	}
	if len(name) < 2 || name[:2] != "//" {
		d := ambiguous(at, fmt.Sprintf("the key %s is given twice", printable([]byte(name))),
			"some readers take the first, some the last, and some refuse the file", "keep one of them")
		d.Related = []diag.Related{{Span: first, Message: "given first here"}}
		r.report(d)
	}
	return true
}

// structuredTemplates finds what a template engine replaces. It remembers what is never
// closed, so that looking again and again costs no more than once.
type structuredTemplates struct {
	unclosed [len(structuredMarks)]bool
	reported bool
}

// structuredMarks are the marks of Go and Jinja templates, and of ERB.
var structuredMarks = [...]struct{ open, close string }{{"{{", "}}"}, {"{%", "%}"}, {"{#", "#}"}, {"<%", "%>"}}

// at is the length of the template expression that begins at text[i], 0 when none does.
// @NAME@ and @@Name@@ are such expressions too.
func (t *structuredTemplates) at(text []byte, i int) int {
	rest := text[i:]
	for k, m := range structuredMarks {
		if !bytes.HasPrefix(rest, []byte(m.open)) || t.unclosed[k] {
			continue
		}
		if end := bytes.Index(rest[2:], []byte(m.close)); end >= 0 {
			return 2 + end + 2
		}
		t.unclosed[k] = true
	}
	marks := len(rest[:min(len(rest), 2)]) - len(bytes.TrimLeft(rest[:min(len(rest), 2)], "@"))
	for end := marks; marks > 0 && end < min(len(rest), 100) && rest[end] != '\n'; end++ {
		if rest[end] == '@' {
			if end += marks; end <= len(rest) && IsPlaceholder(string(rest[:end])) {
				return end
			}
			break
		}
	}
	return 0
}

// report says, once for a file, that it is a template.
func (t *structuredTemplates) report(r *reader, at source.Span) {
	if t.reported {
		return
	}
	t.reported = true
	r.report(diag.Diagnostic{Rule: "broken-line", Severity: diag.Warning, Span: at,
		Message: "the file is a template, and what will stand here is not known",
		Notes:   []string{"what needs no replacing is read; lines that a condition leaves out or a loop repeats are read once"},
		Help:    "fill in the template, and read what comes out"})
}
