package conf

import (
	"bytes"
	"strings"

	"portolan/internal/source"
)

// parseNats reads the configuration of the NATS server:
//
//   - "port: 4222", "port = 4222" and "port 4222" are settings, "cluster { … }" sections,
//     with or without a sign in between.
//   - "[ … ]" is a section whose children have no name; a comma or a line end stands
//     between items.
//   - A value is one word, a string in " or ', or lines between "(" and a line with ")"
//     alone. It ends with its line, a comma or a ";".
//   - "$name" is the value of the last setting of that name, here or in a section around;
//     one that is not in the document may come from the environment of the process and is
//     a placeholder in the tree. So is one that stands for a section or a list.
//   - "include file" puts the file in its place. It is looked up beside the including one.
//
// Comments begin with # and // where a word may begin.
//
// https://docs.nats.io/running-a-nats-service/configuration#configuration-file-format,
// https://github.com/nats-io/nats-server/blob/037acf131022cfdd5786abcdedab2ed55e452b66/conf/lex.go
func parseNats(r *reader) *Node {
	root := &Node{Kind: Section}
	p := &nats{brackets: brackets{parts: newParts(r)}, names: map[*Node]map[string]*Node{}}
	p.file(r.file, root)
	return root
}

type nats struct {
	brackets
	around []*Node                    // the sections that are open, the innermost last
	names  map[*Node]map[string]*Node // what each section has said so far
	noEnd  *source.File               // a file without a ")" alone on a line behind the place reached
}

func (p *nats) file(f *source.File, into *Node) {
	s := &tokens{r: p.r, f: f, rules: &tokenRules{
		marks: []string{"{", "}", "[", "]", ",", ";", "=", ":"}, ends: "{}[],;", quotes: `"'`,
		comments: []string{"#", "//"}, unescape: natsUnescape,
	}}
	outer := p.open
	p.open = ""
	p.around = append(p.around, into)
	if t := s.next(); t.is("{") { // braces around all of it
		p.open = "}"
		p.settings(s, into)
		p.open = ""
	} else {
		s.unread(t)
	}
	p.settings(s, into)
	p.around = p.around[:len(p.around)-1]
	p.open = outer
}

// natsUnescape is what lex.go makes of a string. \x41 is left as it is: no port and no
// address needs it.
func natsUnescape(s string) string { return unescape(s, `tnr"\`, "\t\n\r\"\\", nil) }

// settings reads the settings of a section or of a file.
func (p *nats) settings(s *tokens, into *Node) {
	for !p.done {
		t := s.next()
		switch {
		case p.closes(s, into, t):
			return
		case t.is(",", ";", "}", "]"):
		case t.kind == tokenWord && strings.EqualFold(t.text, "include") && p.included(s, into):
		case t.word():
			p.setting(s, into, t)
		default:
			p.r.report(broken(s.span(t), "a name is missing in front of this", "write it as name: value"))
			if t.is("{", "[") {
				s.skip()
			}
		}
	}
}

// included reads what follows the word include, false when that is a name after all.
func (p *nats) included(s *tokens, into *Node) bool {
	t := s.next()
	if !t.word() || t.newline {
		s.unread(t)
		return false
	}
	p.include(Include{}, s.f, Arg{t.text, s.f.Span(t.start, t.end)}, func(f *source.File) { p.file(f, into) })
	return true
}

// setting reads a name and its value. The sign between them may stand inside the word.
func (p *nats) setting(s *tokens, into *Node, name token) {
	var v token
	sign := -1
	if name.kind == tokenWord {
		sign = strings.IndexAny(name.text, ":=")
	}
	switch {
	case sign > 0 && sign+1 < len(name.text): // port:4222
		v = token{kind: tokenWord, text: name.text[sign+1:], from: name.from + sign + 1, to: name.to, start: name.start + sign + 1, end: name.end}
	case sign > 0:
		v = s.next()
	default:
		if v = s.next(); v.is(":", "=") {
			v = s.next()
		}
	}
	if sign > 0 {
		name.text, name.end, name.to = name.text[:sign], name.start+sign, name.start+sign
	}
	if v.is(":", "=") { // ":4222", an address without a host
		w := token{newline: v.newline, from: v.from, start: v.from}
		s.plain(&w)
		s.at, v = w.to, w
	}
	if v.kind == tokenEnd || v.is(",", ";", "}", "]") || v.word() && v.newline {
		s.unread(v)
		p.r.report(broken(s.span(name), "the name has no value", "write it as name: value"))
		return
	}
	n := &Node{Name: name.text, NameSpan: s.f.Span(name.start, name.end)}
	if !p.value(s, into, n, v) {
		return
	}
	if p.names[into] == nil {
		p.names[into] = map[string]*Node{}
	}
	p.names[into][n.Name] = n
	t := s.next()
	if t.kind != tokenEnd && !t.newline && !t.is(",", ";", "}", "]") {
		p.r.report(broken(s.span(t), "text behind a value", "put it on a line of its own"))
		for t.kind != tokenEnd && !t.newline && !t.is(";", "}", "]") {
			t = s.next()
		}
	}
	s.unread(t)
}

// value reads the value that begins with v into n and puts n below into, false when there
// are too many.
func (p *nats) value(s *tokens, into, n *Node, v token) bool {
	n.ValueSpan = s.f.Span(v.start, v.end)
	if v.is("{", "[") {
		n.ValueSpan = s.f.Span(v.from, v.from)
		if p.add(into, n) == nil {
			return false
		}
		p.nested(s, n, v)
		return true
	}
	n.Kind = Setting
	text := s.f.Text
	if v.kind == tokenWord && text[v.start] == '(' && p.noEnd != s.f {
		if end := bytes.Index(text[v.from:], []byte("\n)")); end >= 0 {
			n.ValueSpan = s.f.Span(v.from+1, v.from+end)
			n.Value, s.at = n.ValueSpan.Text(), v.from+end+2
			return p.add(into, n) != nil
		}
		p.noEnd = s.f
		p.r.report(odd(s.span(v), "the bracket is not closed", "end it with a \")\" on a line of its own"))
	}
	n.Value = v.text
	if name, ok := strings.CutPrefix(v.text, "$"); ok && v.kind == tokenWord && name != "" && name[0] != '{' && !strings.HasPrefix(name, "2a$") { // not bcrypt
		n.Value = p.variable(name)
	}
	return p.add(into, n) != nil
}

// variable is what a name stands for; a placeholder when the document does not say it.
func (p *nats) variable(name string) string {
	for i := len(p.around) - 1; i >= 0; i-- {
		if n := p.names[p.around[i]][name]; n != nil && n.Kind == Setting {
			return n.Value
		}
	}
	return "${" + name + "}"
}

// nested reads what is in the bracket v into n.
func (p *nats) nested(s *tokens, n *Node, v token) {
	if len(p.open) >= maxTokenDepth {
		p.tooDeep(s.span(v))
		s.skip()
		return
	}
	p.around = append(p.around, n)
	if v.is("{") {
		p.open += "}"
		p.settings(s, n)
	} else {
		p.open += "]"
		p.items(s, n)
	}
	p.around = p.around[:len(p.around)-1]
	p.open = p.open[:len(p.open)-1]
}

// items reads the items of a list.
func (p *nats) items(s *tokens, into *Node) {
	for !p.done {
		t := s.next()
		if p.closes(s, into, t) {
			return
		}
		if !t.is(",", ";", "}", "]", ":", "=") {
			p.value(s, into, &Node{NameSpan: s.f.Span(t.from, t.from)}, t)
		}
	}
}
