package conf

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/source"
)

// parseHocon reads HOCON, and JSON as a part of it, as JVB and jicofo have it:
//
//   - "port = 9090" and "port : 9090" are settings, "udp { … }" and "udp = { … }"
//     sections; "a.b.c = 1" is a setting c in a section b in a section a.
//   - "[ … ]" is a section whose children have no name.
//   - Sections and settings that are written twice are there twice, in their order:
//     objects of one name are to be merged, of settings the last one counts. "+=" sets
//     Append.
//
// The braces around the document may be missing, a line end stands for a comma. A value
// without quotes runs to the line end, a comma or a bracket, with the blanks inside.
// Comments are # and //.
//
// ${a.b} becomes what a.b is in the document, the last one that is written; one that
// refers to itself means what was there before. What is not in the document may come
// from the environment of the process: ${X} then stays as it is, and ${?X} is left out,
// with its setting when nothing else is there. A reference to an object or list puts
// copies of its children in its place, with the spans of the originals.
//
// Includes are looked up beside the including file, with the extensions .json and .conf
// when they have none, and may be missing unless required. classpath() and url() are
// gaps, so is a relative file(), as the directory of the process is not known.
//
// https://github.com/lightbend/config/blob/main/HOCON.md
func parseHocon(r *reader) *Node {
	root := &Node{Kind: Section}
	p := &hocon{brackets: brackets{parts: newParts(r)}, root: root, refs: map[*Node]*hoconRefs{}}
	p.file(r.file, root, nil)
	p.resolve()
	return root
}

type hocon struct {
	brackets
	root  *Node
	refs  map[*Node]*hoconRefs
	order []*Node  // the nodes of refs in the order of the document
	base  []string // the path of the section that the file is included into
	depth int      // levels that paths in names add to the brackets
	steps int      // nodes looked at for references
	deep  int      // references that wait for another one
}

// file reads f into a section; base is the path of that section in the document.
func (p *hocon) file(f *source.File, into *Node, base []string) {
	s := &tokens{r: p.r, f: f, rules: &tokenRules{
		marks: []string{"{", "}", "[", "]", ",", "=", ":", "+="}, ends: `{}[],=:"`, pairs: []string{"+=", "${"},
		quotes: `"`, comments: []string{"#", "//"}, glued: true, oneLine: true, triple: true, refs: true, unescape: hoconUnescape,
	}}
	outer := p.open
	p.open = ""
	switch t := s.next(); {
	case t.is("{"):
		p.open = "}"
		p.object(s, into, base)
		p.open = ""
	case t.is("["):
		p.open = "]"
		p.array(s, into)
		p.open = ""
	default:
		s.unread(t)
	}
	p.object(s, into, base)
	p.open = outer
}

// hoconUnescape is what the escapes of JSON mean. A backslash in front of any other byte
// stays.
func hoconUnescape(s string) string {
	return unescape(s, `bfnrt\"/`, "\b\f\n\r\t\\\"/", func(s string) (string, int) {
		if len(s) < 5 || s[0] != 'u' {
			return "", 0
		}
		v, err := strconv.ParseUint(s[1:5], 16, 16)
		if err != nil {
			return "", 0
		}
		return string(rune(v)), 5
	})
}

// object reads fields up to the closing brace or the end of the file.
func (p *hocon) object(s *tokens, into *Node, base []string) {
	for !p.done {
		t := s.next()
		switch {
		case p.closes(s, into, t):
			return
		case t.is(",", "}", "]"):
		case t.kind == tokenWord && t.text == "include" && p.included(s, into, base):
		case t.word():
			p.field(s, into, t, base)
		default:
			p.r.report(broken(s.span(t), "a name is missing in front of this", "write it as name = value"))
			if t.is("{", "[") {
				s.skip()
			}
		}
	}
}

// A hoconKey is one element of a path.
type hoconKey struct {
	name       string
	start, end int
	quoted     bool
}

// key reads the path that begins with t: a.b."c.d". Blanks between words belong to the
// element they stand in.
func (p *hocon) key(s *tokens, t token) (keys []hoconKey, whole token, ok bool) {
	whole = t
	keys = []hoconKey{{start: t.start, end: t.start}}
	ok = true
	for words := 1; ; words++ {
		if words > maxTokenDepth {
			ok = false
		}
		last := &keys[len(keys)-1]
		if gap := s.f.Text[min(whole.to, t.from):t.from]; len(gap) > 0 && last.name != "" && ok {
			last.name += string(gap)
		}
		switch {
		case !ok: // no path, but it must be read to its end
		case t.kind == tokenString:
			last.name += t.text
			if last.end == last.start {
				last.start = t.start
			}
			last.end, last.quoted = t.end, true
		default:
			for at, text := t.start, t.text; ; {
				part, rest, more := strings.Cut(text, ".")
				last = &keys[len(keys)-1]
				if last.end == last.start && !last.quoted {
					last.start = at
				}
				last.name += part
				last.end = min(at+len(part), t.end)
				if !more {
					break
				}
				if len(keys) > maxTokenDepth {
					ok = false
					break
				}
				at, text = at+len(part)+1, rest
				keys = append(keys, hoconKey{start: min(at, t.end), end: min(at, t.end)})
			}
		}
		whole.to = t.to
		next := s.next()
		if next.newline || !next.word() {
			s.unread(next)
			break
		}
		t = next
	}
	for i := range keys {
		if !keys[i].quoted {
			keys[i].name = strings.TrimRight(keys[i].name, " \t")
			ok = ok && keys[i].name != ""
		}
	}
	return keys, whole, ok
}

// field reads a key and its value.
func (p *hocon) field(s *tokens, into *Node, t token, base []string) {
	keys, whole, ok := p.key(s, t)
	const help = "write it as name = value"
	sep := s.next()
	if sep.is("{") {
		s.unread(sep)
	} else if !sep.is("=", ":", "+=") {
		s.unread(sep)
		p.r.report(broken(s.span(whole), "the name has no value", help))
		return
	}
	v := s.next()
	missing := v.kind == tokenEnd || v.is(",", "}", "]")
	if v.word() && v.newline { // a name on a later line is no value
		after := s.next()
		missing = after.is("=", ":", "+=") && !after.newline
		s.unread(after)
	}
	if missing {
		s.unread(v)
		p.r.report(broken(s.span(whole), "the name has no value", help))
		return
	}
	if !ok {
		p.r.report(broken(s.span(whole), "the name is not a path: an element of it is empty, or it has too many", "write it as a.b.c, with quotes around what holds dots"))
		into = &Node{Kind: Section} // the value is read and belongs nowhere
	}
	names := slices.Clone(base)
	for _, k := range keys[:len(keys)-1] {
		at := s.f.Span(k.end, k.end)
		if into = p.add(into, &Node{Kind: Section, Name: k.name, NameSpan: s.f.Span(k.start, k.end), ValueSpan: at}); into == nil {
			return
		}
		names = append(names, k.name)
	}
	last := keys[len(keys)-1]
	n := &Node{Name: last.name, NameSpan: s.f.Span(last.start, last.end), Append: sep.is("+=")}
	p.value(s, into, n, v, append(names, last.name), len(keys)-1)
}

// value reads the value that begins with v into n and puts n below into. deeper is how
// many levels n is below what is open.
func (p *hocon) value(s *tokens, into, n *Node, v token, base []string, deeper int) {
	n.Kind = Setting
	n.ValueSpan = s.f.Span(v.start, v.start)
	if v.is("{", "[") {
		n.Kind, n.ValueSpan = Section, s.f.Span(v.from, v.from)
	}
	if p.add(into, n) == nil {
		return
	}
	outer := p.depth
	p.depth += deeper
	defer func() { p.depth = outer }()
	var pieces hoconPieces
	first, last := v, v
	for t := v; ; t = s.next() {
		if t.kind == tokenEnd || t.is("}", "]", ",") || t.newline && t != v {
			s.unread(t)
			break
		}
		blanks := ""
		if last.to < t.from {
			blanks = string(s.f.Text[last.to:t.from])
		}
		before := last
		last = t
		switch {
		case t.is("{", "["):
			if n.Kind == Setting && pieces.onlyRefs() {
				n.Kind = Section
			}
			if n.Kind == Section {
				p.nested(s, n, t, base)
				last.to = s.at
			} else {
				p.r.report(broken(s.span(t), "a bracket behind a value", "put it on a line of its own, or remove it"))
				s.skip()
				last = before
			}
		case t.kind == tokenRef:
			if p.crowded(s.span(t)) {
				return
			}
			name, optional := strings.CutPrefix(t.text, "?")
			pieces.text.WriteString(blanks)
			pieces.ref(hoconPiece{text: s.span(t).Text(), path: hoconPath(name), optional: optional, at: len(n.Children)})
		case n.Kind == Section:
			p.r.report(broken(s.span(t), "text behind a bracket", "put it on a line of its own"))
		default:
			if t.kind == tokenMark {
				p.r.report(ambiguous(s.span(t), "a \""+t.text+"\" inside a value without quotes", "HOCON reserves it, and programs refuse the file", "put the value in double quotes"))
			}
			pieces.text.WriteString(blanks)
			pieces.text.WriteString(t.text)
		}
	}
	if n.Kind == Setting {
		n.ValueSpan = s.f.Span(first.from, last.to)
		if first == last {
			n.ValueSpan = s.f.Span(first.start, first.end)
		}
		n.Value = pieces.raw()
	}
	if pieces.refs > 0 {
		pieces.flush()
		p.refs[n] = &hoconRefs{into: into, pieces: pieces.list, base: p.base}
		p.order = append(p.order, n)
	}
}

// nested reads what is in the bracket t into n.
func (p *hocon) nested(s *tokens, n *Node, t token, base []string) {
	if len(p.open)+p.depth >= maxTokenDepth {
		p.tooDeep(s.span(t))
		s.skip()
		return
	}
	if t.is("{") {
		p.open += "}"
		p.object(s, n, base)
	} else {
		p.open += "]"
		p.array(s, n)
	}
	p.open = p.open[:len(p.open)-1]
}

// array reads items up to the closing bracket.
func (p *hocon) array(s *tokens, into *Node) {
	for !p.done {
		t := s.next()
		if p.closes(s, into, t) {
			return
		}
		if !t.is(",", "}", "]") {
			p.value(s, into, &Node{NameSpan: s.f.Span(t.from, t.from)}, t, nil, 0)
		}
	}
}

// included reads what follows the word include, false when that is a key after all.
func (p *hocon) included(s *tokens, into *Node, base []string) bool {
	t := s.next()
	form := ""
	if t.kind == tokenWord && strings.HasSuffix(t.text, "(") {
		form = t.text
		file := s.next()
		if file.kind != tokenString {
			s.unread(file)
			s.unread(t)
			return false
		}
		t = file
		if after := s.next(); after.kind != tokenWord || strings.Trim(after.text, ")") != "" {
			s.unread(after)
		}
	}
	if t.kind != tokenString {
		s.unread(t)
		return false
	}
	form, required := strings.CutPrefix(form, "required(")
	at := s.f.Span(t.start, t.end)
	if form != "" && (form != "file(" || !path.IsAbs(t.text)) || strings.Contains(t.text, "://") {
		p.r.doc.Gaps = append(p.r.doc.Gaps, at)
		return true
	}
	names := []string{t.text}
	if path.Ext(t.text) == "" && p.r.tree != nil {
		names = []string{t.text + ".json", t.text + ".conf"}
	}
	outer := p.base
	p.base = base
	found := false
	for _, name := range names {
		gaps := len(p.r.doc.Gaps)
		p.include(Include{Need: NeedNothing}, s.f, Arg{name, at}, func(f *source.File) {
			found = true
			p.file(f, into, base)
		})
		found = found || len(p.r.doc.Gaps) > gaps // told already
	}
	p.base = outer
	if !found && required {
		p.r.missing(at, fs.ErrNotExist)
	}
	return true
}
