package conf

import (
	"bytes"
	"fmt"
	"strings"

	"gopkg.in/ini.v1"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// parseLumenvox reads the configuration of the LumenVox family: [SECTION] lines,
// key = value lines and # comment lines. ";" is data (server lists), "\" is data
// (Windows paths), nothing expands, and a value may stand in double quotes. The
// vendor's own parser is not public, so two readers look at every line: a scanner of
// our own, which knows the places, and gopkg.in/ini.v1. A line that they understand
// differently is a finding.
func parseLumenvox(r *reader) *Node {
	root := &Node{Kind: Section}
	section := root
	var feed bytes.Buffer     // the lines both readers are asked about
	alone := map[*Node]bool{} // settings that the second reader is not asked about
	for l := range lines(r.file) {
		at := l.span(r.file)
		if bytes.IndexByte(l.text, '\r') >= 0 {
			r.report(ambiguous(at, "a carriage return inside the line",
				"some readers end the line there, others do not", "end lines with CR LF or with LF alone"))
		}
		switch l.text[0] {
		case '#':
			continue
		case ';':
			r.report(ambiguous(at, "a line that begins with \";\"",
				"LumenVox files comment with \"#\"; whether \";\" begins a comment too is not documented, and it is read as one here",
				"begin the comment with \"#\", or remove the line"))
			continue
		case '[':
			if r.full(at) {
				return root
			}
			if section = parseHeader(r, l); section == nil {
				section = &Node{Kind: Section} // settings below a broken header belong to no known section
				continue
			}
			root.Children = append(root.Children, section)
			fmt.Fprintf(&feed, "[%s]\n", section.Name)
			continue
		}
		if r.full(at) {
			return root
		}
		node := parseSetting(r, l)
		if node == nil {
			continue
		}
		section.Children = append(section.Children, node)
		if raw := l.text[node.ValueSpan.Start-l.start:]; bytes.HasPrefix(raw, []byte("`")) || strings.HasPrefix(node.Value, `""`) {
			// To ini.v1 this opens a value that runs over the next lines.
			r.report(ambiguous(node.ValueSpan, "a quote that some readers look for the end of on later lines",
				"it is read as it stands here", "write the value without it"))
			alone[node] = true
			continue
		}
		if section == root || section.NameSpan.File != nil {
			feed.Write(l.text)
			feed.WriteByte('\n')
		}
	}
	compareWithINI(r, root, alone, feed.Bytes())
	return root
}

// ambiguous is a finding about a line that can be read in two ways.
func ambiguous(at source.Span, what, note, help string) diag.Diagnostic {
	return diag.Diagnostic{Rule: "ambiguous-line", Severity: diag.Warning, Span: at,
		Message: what + ": programs differ on what it means", Notes: []string{note}, Help: help}
}

// broken is a finding about a line that means nothing.
func broken(at source.Span, what, help string) diag.Diagnostic {
	return diag.Diagnostic{Rule: "broken-line", Severity: diag.Warning, Span: at, Message: what, Label: "not read", Help: help}
}

// parseHeader reads "[NAME]", nil when it is broken.
func parseHeader(r *reader, l line) *Node {
	end := bytes.IndexByte(l.text, ']')
	if end < 0 {
		r.report(broken(l.span(r.file), "the section name is not closed; the settings below it belong to no section", "write it as ["+printable(l.text[1:])+"]"))
		return nil
	}
	name := trimmed(l.text, 1, end).shift(l.start)
	if rest := trimmed(l.text, end+1, len(l.text)).shift(l.start); rest.start < rest.end && rest.text[0] != '#' {
		r.report(ambiguous(rest.span(r.file), "text behind a section name",
			"some readers ignore it, others take it into the name", "put it on a line of its own"))
	}
	span := name.span(r.file)
	return &Node{Kind: Section, Name: span.Text(), NameSpan: span}
}

// parseSetting reads "key = value", nil when it is broken.
func parseSetting(r *reader, l line) *Node {
	i := bytes.IndexByte(l.text, '=')
	if i < 0 {
		r.report(broken(l.span(r.file), "the line is neither a section, nor a setting, nor a comment", "write it as key = value, or begin it with \"#\""))
		return nil
	}
	key, value := l.cut(i)
	if key.start == key.end {
		r.report(broken(l.span(r.file), "the line has a value but no key", "write it as key = value, or begin it with \"#\""))
		return nil
	}
	if n := value.end - value.start; n >= 2 && r.file.Text[value.start] == '"' && r.file.Text[value.end-1] == '"' {
		value.start, value.end = value.start+1, value.end-1
	}
	ks, vs := key.span(r.file), value.span(r.file)
	return &Node{Kind: Setting, Name: ks.Text(), Value: vs.Text(), NameSpan: ks, ValueSpan: vs}
}

// compareWithINI reads the same lines with gopkg.in/ini.v1 and reports every setting
// that it understands differently. The options are those under which it changes least:
// no continuation lines, no inline comments, no second delimiter, nothing expanded
// (Key.Value and its shadows, never Key.String).
func compareWithINI(r *reader, root *Node, alone map[*Node]bool, feed []byte) {
	file, err := ini.LoadSources(ini.LoadOptions{
		KeyValueDelimiters: "=", IgnoreContinuation: true, IgnoreInlineComment: true,
		SkipUnrecognizableLines: true, AllowShadows: true, AllowDuplicateShadowValues: true,
	}, feed)
	if err != nil {
		r.report(diag.Diagnostic{Rule: "ambiguous-line", Severity: diag.Warning, Span: r.file.Span(0, 0),
			Message: "a second reader gives up on the file: " + printable([]byte(err.Error())),
			Help:    "bring the file into the form [SECTION], key = value, # comment"})
		return
	}
	type name struct{ section, key string }
	second := map[name][]string{}
	for _, s := range file.Sections() {
		for _, k := range s.Keys() {
			second[name{s.Name(), k.Name()}] = k.ValueWithShadows()
		}
	}
	// The k-th value of a key here is its k-th shadow there; it drops empty ones.
	seen := map[name]int{}
	check := func(section string, n *Node) {
		if n.Kind != Setting || n.Value == "" || alone[n] {
			return
		}
		if section == "" {
			section = ini.DefaultSection
		}
		at := name{section, n.Name}
		k := seen[at]
		seen[at]++
		switch values := second[at]; {
		case k >= len(values):
			r.report(ambiguous(n.NameSpan, fmt.Sprintf("the key %s", printable([]byte(n.Name))), "a second reader does not see this setting", "write it as key = value with plain letters, digits, \"_\" and \"-\" in the key"))
		case values[k] != n.Value:
			r.report(ambiguous(n.ValueSpan, fmt.Sprintf("the value of %s", printable([]byte(n.Name))),
				fmt.Sprintf("one reader sees %q, another %q", short(n.Value), short(values[k])), "write the value without quotes and without blanks of other kinds around it"))
		}
	}
	for _, n := range root.Children {
		check("", n)
		for _, c := range n.Children {
			check(n.Name, c)
		}
	}
}

func short(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}

// printable is text that may stand in a message: what is not plain ASCII becomes "?",
// and long text is cut. Reports quote the line itself beside it.
func printable(b []byte) string {
	if len(b) > 60 {
		b = b[:60]
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, string(bytes.TrimSpace(b)))
}
