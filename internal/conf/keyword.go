package conf

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// parseKeyword reads a keyword and its arguments on each line, as sshd_config(5) has
// it: comments begin with "#" at the start of a line, the keyword ends at a blank or at
// one "=", arguments may stand in double quotes. "Match" begins a section that runs to
// the next "Match" or the end of the file. "Include" puts other files in its place.
func parseKeyword(r *reader) *Node {
	root := &Node{Kind: Section}
	r.keywords(r.file, root, 0)
	return root
}

func (r *reader) keywords(f *source.File, top *Node, depth int) {
	section := top
	for l := range lines(f) {
		if l.text[0] == '#' {
			continue
		}
		at := l.span(f)
		if r.full(at) {
			return
		}
		node := keywordLine(f, l)
		switch {
		case node == nil:
			r.report(broken(at, "the line has a value but no keyword", "begin it with a keyword, or with \"#\""))
		case strings.EqualFold(node.Name, "match"):
			node.Kind = Section
			section = node
			top.Children = append(top.Children, node)
		case strings.EqualFold(node.Name, "include"):
			for _, pattern := range strings.Fields(node.Value) {
				r.include(strings.Trim(pattern, `"`), node, section, depth)
			}
		default:
			section.Children = append(section.Children, node)
		}
	}
}

// keywordLine splits a line into keyword and arguments, nil without a keyword.
func keywordLine(f *source.File, l line) *Node {
	end := bytes.IndexAny(l.text, " \t=")
	if end == 0 {
		return nil
	}
	if end < 0 {
		end = len(l.text)
	}
	key := line{l.start, l.start + end, nil}
	value := trimmed(f.Text, key.end, l.end)
	if value.start < value.end && f.Text[value.start] == '=' {
		value = trimmed(f.Text, value.start+1, l.end)
	}
	if n := value.end - value.start; n >= 2 && f.Text[value.start] == '"' && bytes.IndexByte(f.Text[value.start+1:value.end], '"') == n-2 {
		value.start, value.end = value.start+1, value.end-1
	}
	ks, vs := key.span(f), value.span(f)
	return &Node{Kind: Setting, Name: ks.Text(), Value: vs.Text(), NameSpan: ks, ValueSpan: vs}
}

// include reads the files that a pattern names, in the order of their names, into
// section. What cannot be read is a gap: the settings there are not known.
func (r *reader) include(pattern string, at *Node, section *Node, depth int) {
	if r.tree == nil {
		r.doc.Gaps = append(r.doc.Gaps, at.ValueSpan)
		return
	}
	if !path.IsAbs(pattern) { // sshd_config(5): relative to the directory of the daemon
		pattern = path.Join("/etc/ssh", pattern)
	}
	names, err := r.tree.Glob(pattern)
	for _, name := range names {
		if r.includes++; r.includes > MaxIncludes || depth >= maxDepth {
			err = errors.New("too many files are included, or each other")
			break
		}
		f, readErr := r.tree.Read(name)
		if readErr != nil {
			err = readErr
			continue
		}
		r.keywords(f, section, depth+1)
	}
	if err != nil {
		r.doc.Gaps = append(r.doc.Gaps, at.ValueSpan)
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		r.report(diag.Diagnostic{Rule: "unreadable-file", Severity: diag.Warning, Span: at.ValueSpan,
			Message: "an included file cannot be read: " + err.Error(), Label: "settings from here are not known",
			Help: "make it readable, or remove the Include"})
	}
}
