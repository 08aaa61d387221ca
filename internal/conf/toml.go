package conf

import (
	"bytes"
	"errors"

	"github.com/pelletier/go-toml/v2/unstable"

	"portolan/internal/source"
)

// parseTOML reads TOML (https://toml.io/en/v1.0.0) with go-toml's positioned syntax tree.
// A table is a section, whether it is written as [a.b], as a.b.c = 1 or as { }; what is
// said of one table in several places is one section, at the first of them. An array is a
// section whose children have no name, and so is [[a]]: a section "a" with a nameless
// section for each element. Every other value is a setting: strings without quotes and
// escapes, with the span inside the quotes, all others as they are written (1_000,
// 1979-05-27). The keys before any table are children of the root.
//
// The library stops at the first error; it is started again behind it.
func parseTOML(r *reader) *Node {
	t := &tomlReader{r: r, text: r.structuredText(func(c rune) bool { return c >= ' ' && c != 0x7F || c == '\t' || c == '\n' || c == '\r' })}
	cut := structuredCut(t.text, func(c, _ byte) bool { return c == ',' || c == '[' || c == '{' || c == '=' || c == '.' })
	t.text = t.text[:cut:cut] // the library finds offsets by capacity
	t.root = &tomlTable{node: &Node{Kind: Section}, names: map[string]*tomlEntry{}}
	t.current = t.root
	t.effort = 4*cut + 64<<10
	for at := 0; at < cut && r.nodes <= MaxNodes; {
		at = t.read(at)
	}
	r.structuredRest(cut)
	return t.root.node
}

// tomlReader is the state of reading one file.
type tomlReader struct {
	r         *reader
	parser    unstable.Parser
	text      []byte // of the file, with what the library cannot read replaced byte for byte
	owned     bool   // text is not the file's own
	root      *tomlTable
	current   *tomlTable // that the last header names; keys belong to it
	i         int        // how far the nodes of the current expression have been placed
	effort    int        // bytes behind an error that may still be read again
	templates structuredTemplates
}

// tomlTable is a section that may still grow.
type tomlTable struct {
	node  *Node
	lost  bool // reported, and not in the tree with all that is in it
	depth int
	names map[string]*tomlEntry
}

// tomlEntry is what a name in a table stands for.
type tomlEntry struct {
	at       source.Span
	table    *tomlTable // nil for a value; of [[a]] the last element
	list     *tomlTable // of [[a]] what holds the elements
	explicit bool       // it has had a header
}

// read reads expressions from offset start until the end or an error, and returns where
// to go on.
func (t *tomlReader) read(start int) int {
	p := &t.parser
	p.Reset(t.text[start:])
	done := start // the end of the last expression
	for p.NextExpression() {
		e := p.Expression()
		t.i = done
		switch e.Kind {
		case unstable.KeyValue:
			t.keyValue(t.current, e, start)
			done = start + int(e.Raw.Offset+e.Raw.Length)
		case unstable.Table, unstable.ArrayTable:
			t.header(e, start)
			for key := e.Key(); key.Next(); {
				done = start + int(key.Node().Raw.Offset+key.Node().Raw.Length)
			}
		}
		if t.r.nodes > MaxNodes {
			return len(t.text)
		}
		done = t.nextLine(done)
	}
	if p.Error() == nil {
		return len(t.text)
	}
	return t.broken(done, p.Error())
}

// nextLine is the offset of the line behind the one that i is in.
func (t *tomlReader) nextLine(i int) int {
	if n := bytes.IndexByte(t.text[min(i, len(t.text)):], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(t.text)
}

// line is the line that begins at offset from, and the offset of the next one.
func (t *tomlReader) line(from int) (l line, next int) {
	next = t.nextLine(from)
	return trimmed(t.text, from, from+len(bytes.TrimSuffix(t.text[from:next], []byte("\n")))), next
}

// broken reports an error in the expression that begins behind offset from, and returns
// where to go on: at the line of the error when the expression runs over lines, because
// what is open in front of it often is the cause, or else at the next line.
func (t *tomlReader) broken(from int, err error) int {
	at := len(t.text)
	var pe *unstable.ParserError
	if errors.As(err, &pe) && len(pe.Highlight) > 0 {
		at = max(len(t.text)-cap(pe.Highlight), from)
	}
	l, next := t.line(from)
	for next > from && next <= at && (l.start == l.end || l.text[0] == '#') {
		from = next
		l, next = t.line(from)
	}
	t.effort -= at - from
	if t.effort >= 0 && t.template(l) {
		return from
	}
	if l.start < l.end && t.text[l.start] == '[' && t.text[l.end-1] != ',' { // a header, not a rest of an array
		t.current = &tomlTable{lost: true, names: map[string]*tomlEntry{}} // the keys below belong to no known table
		t.r.structuredMissing(l.span(t.r.file))
	}
	if start := bytes.LastIndexByte(t.text[:at], '\n') + 1; start > from && at < len(t.text)-1 {
		next = start
		l = line{l.start, l.start + len(bytes.TrimRight(t.text[l.start:next], " \t\r\n")), nil}
	}
	t.r.report(broken(l.span(t.r.file), "this is not TOML: "+printable([]byte(err.Error())), "mend it, or put text in double quotes"))
	if t.effort < 0 && next < len(t.text) {
		t.r.structuredMissing(t.r.file.Span(next, len(t.text)))
		t.r.report(broken(t.r.file.Span(next, t.nextLine(next)), "too much is broken; the rest is not read", "mend what stands in front of it"))
		return len(t.text)
	}
	return next
}

// template masks what stands in a line instead of a value and is to be replaced by a
// template engine, so that the rest of the line can be read; it reports whether that was
// so. A line that is nothing but an expression of the engine becomes blank.
func (t *tomlReader) template(l line) bool {
	if l.start == l.end {
		return false
	}
	fill, at := byte('1'), l
	if n := t.templates.at(t.text, l.start); n > 0 && l.start+n >= l.end {
		fill, at.end = ' ', l.start+n
		t.r.structuredMissing(at.span(t.r.file))
	} else if i := bytes.IndexByte(l.text, '='); i < 0 {
		return false
	} else if _, at = l.cut(i); !IsPlaceholder(string(at.text)) {
		return false
	}
	t.templates.report(t.r, at.span(t.r.file))
	if !t.owned {
		t.text, t.owned = append(make([]byte, 0, len(t.text)), t.text...), true
	}
	for i := at.start; i < at.end; i++ {
		if t.text[i] != '\n' {
			t.text[i] = fill
		}
	}
	return true
}

// child adds a section to a table. One that is nested too deep is reported and lost with
// all that is in it.
func (t *tomlReader) child(parent *tomlTable, name string, at source.Span) *tomlTable {
	table := &tomlTable{node: &Node{Kind: Section, Name: name, NameSpan: at, ValueSpan: t.r.file.Span(at.End, at.End)}, depth: parent.depth + 1, names: map[string]*tomlEntry{}}
	switch {
	case parent.lost:
		table.lost = true
	case table.depth > structuredNesting:
		table.lost = true
		t.r.structuredTooDeep(at)
	case t.r.full(at):
		table.lost = true
	default:
		parent.node.Children = append(parent.node.Children, table.node)
	}
	return table
}

// named adds a section and remembers its name. What had the name before is reported.
func (t *tomlReader) named(parent *tomlTable, name string, at source.Span) *tomlEntry {
	e := &tomlEntry{at: at}
	if t.known(parent, name, at) {
		e.table = t.child(parent, name, at)
	} else {
		e.table = t.child(&tomlTable{lost: true}, name, at)
	}
	parent.names[name] = e
	return e
}

// known checks a name in a table and reports whether what it stands for can be kept.
func (t *tomlReader) known(table *tomlTable, name string, at source.Span) bool {
	if table.lost {
		return false
	}
	seen := structuredNames{}
	if before := table.names[name]; before != nil {
		seen[name] = before.at
	}
	return t.r.structuredName(seen, name, at)
}

// descend is the table that a part of a key names, in front of the last part.
func (t *tomlReader) descend(parent *tomlTable, name string, at source.Span) *tomlTable {
	if e := parent.names[name]; e != nil && e.table != nil {
		return e.table
	}
	return t.named(parent, name, at).table
}

// key is a part of a key, and its place inside the quotes.
func (t *tomlReader) key(n *unstable.Node, base int) (string, source.Span) {
	start := base + int(n.Raw.Offset)
	end := start + int(n.Raw.Length)
	t.i = end
	if c := t.text[start]; c == '"' || c == '\'' {
		start, end = start+1, end-1
	}
	at := t.r.file.Span(start, end)
	if written := at.Text(); written != string(t.text[start:end]) {
		return written, at
	}
	return string(n.Data), at
}

// header reads [a.b] or [[a.b]].
func (t *tomlReader) header(n *unstable.Node, base int) {
	table := t.root
	for keys := n.Key(); keys.Next(); {
		name, at := t.key(keys.Node(), base)
		if !keys.IsLast() {
			table = t.descend(table, name, at)
			continue
		}
		e := table.names[name]
		if n.Kind == unstable.Table {
			if e == nil || e.table == nil || e.list != nil || e.explicit {
				e = t.named(table, name, at)
			}
			e.explicit = true
		} else {
			if e == nil || e.list == nil {
				e = t.named(table, name, at)
				e.list = e.table
			}
			e.table = t.child(e.list, "", t.r.file.Span(at.Start, at.Start))
		}
		table = e.table
	}
	t.current = table
}

// keyValue reads a.b = value into a table.
func (t *tomlReader) keyValue(table *tomlTable, n *unstable.Node, base int) {
	for keys := n.Key(); keys.Next(); {
		name, at := t.key(keys.Node(), base)
		if !keys.IsLast() {
			table = t.descend(table, name, at)
			continue
		}
		if t.known(table, name, at) {
			table.names[name] = &tomlEntry{at: at}
		} else {
			table = &tomlTable{lost: true}
		}
		t.value(table, name, at, n.Value(), base)
	}
}

// value adds a value of any kind to a table, or to the section that an array is.
func (t *tomlReader) value(table *tomlTable, name string, at source.Span, n *unstable.Node, base int) {
	if n.Kind == unstable.Array || n.Kind == unstable.InlineTable {
		start := t.open()
		if at.File == nil {
			at = t.r.file.Span(start, start)
		}
		inner := t.child(table, name, at)
		inner.node.ValueSpan = t.r.file.Span(start, start)
		for items := n.Children(); items.Next(); {
			if n.Kind == unstable.Array {
				t.value(inner, "", source.Span{}, items.Node(), base)
			} else {
				t.keyValue(inner, items.Node(), base)
			}
		}
		return
	}
	start := base + int(n.Raw.Offset)
	end := start + int(n.Raw.Length)
	t.i = end
	if n.Kind == unstable.String {
		quotes := 1
		if raw := t.text[start:end]; len(raw) >= 6 && (bytes.HasPrefix(raw, []byte(`"""`)) || bytes.HasPrefix(raw, []byte("'''"))) {
			quotes = 3
		}
		start, end = start+quotes, end-quotes
		if quotes == 3 { // a line break right behind the quotes does not count
			start = min(end, start+yamlBreak(t.text[start:end]))
		}
	}
	span := t.r.file.Span(start, end)
	if at.File == nil {
		at = t.r.file.Span(start, start)
	}
	if table.lost || t.r.full(at) {
		return
	}
	value := span.Text()
	if n.Kind == unstable.String && value == string(t.text[start:end]) {
		value = string(n.Data)
	}
	table.node.Children = append(table.node.Children, &Node{Kind: Setting, Name: name, Value: value, NameSpan: at, ValueSpan: span})
}

// open is the offset of the next bracket. Between what has been placed and that bracket
// there is nothing but blanks, comments, commas and brackets that close.
func (t *tomlReader) open() int {
	for t.i < len(t.text) && t.text[t.i] != '[' && t.text[t.i] != '{' {
		if t.text[t.i] == '#' {
			t.i = t.nextLine(t.i)
		} else {
			t.i++
		}
	}
	t.i++
	return t.i - 1
}
