package conf

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"portolan/internal/source"
)

// parseLibconfig reads the files of libconfig, as Janus has them (.jcfg):
//
//   - "name = 8088" and "name : 8088" are settings; ";" or "," behind them is optional.
//   - "name : { … }" is a section.
//   - "( … )" and "[ … ]" are sections whose children have no name.
//
// The value of a string is without quotes and escapes, and adjacent strings are one. A
// number in hexadecimal, octal (0o) or binary is given in decimal, the suffixes L and LL
// are left out. Comments are #, // and /* */. @include is looked up beside the document;
// libconfig itself takes it from the directory of the process unless the program says
// otherwise.
//
// https://hyperrealm.github.io/libconfig/libconfig_manual.html#Configuration-Files
func parseLibconfig(r *reader) *Node {
	root := &Node{Kind: Section}
	p := &libconfig{brackets{parts: newParts(r)}}
	p.file(r.file, root)
	return root
}

type libconfig struct{ brackets }

func (p *libconfig) file(f *source.File, into *Node) {
	s := &tokens{r: p.r, f: f, rules: &tokenRules{
		marks: []string{";", ",", "{", "}", "(", ")", "[", "]", "=", ":"}, ends: `;,{}()[]=:"`, quotes: `"`,
		comments: []string{"#", "//", "/*"}, glued: true, unescape: libconfigUnescape,
	}}
	outer := p.open
	p.open = ""
	p.settings(s, into)
	p.open = outer
}

// libconfigUnescape is what scanner.l of libconfig makes of a string. A backslash in
// front of any other byte stays.
func libconfigUnescape(s string) string {
	return unescape(s, `abfnrtv\"`, "\a\b\f\n\r\t\v\\\"", func(s string) (string, int) {
		if len(s) < 3 || s[0]|0x20 != 'x' {
			return "", 0
		}
		v, err := strconv.ParseUint(s[1:3], 16, 8)
		if err != nil {
			return "", 0
		}
		return string([]byte{byte(v)}), 3
	})
}

// settings reads the settings of a group or of a file.
func (p *libconfig) settings(s *tokens, into *Node) {
	for !p.done {
		t := s.next()
		switch {
		case p.closes(s, into, t):
			return
		case t.is(";", ",", "}", ")", "]"):
		case t.kind == tokenWord && t.text == "@include":
			p.included(s, into, t)
		case t.kind == tokenWord:
			p.setting(s, into, t)
		default:
			p.r.report(broken(s.span(t), "a name is missing in front of this", "write it as name = value"))
			if t.is("{", "(", "[") {
				s.skip()
			}
		}
	}
}

func (p *libconfig) included(s *tokens, into *Node, t token) {
	file := s.next()
	if file.kind != tokenString {
		s.unread(file)
		p.r.report(broken(s.span(t), "@include without a file in quotes", "write it as @include \"file\""))
		return
	}
	arg := Arg{file.text, s.f.Span(file.start, file.end)}
	p.include(Include{Base: path.Dir(p.r.file.Path)}, s.f, arg, func(f *source.File) { p.file(f, into) })
}

// setting reads what follows a name.
func (p *libconfig) setting(s *tokens, into *Node, name token) {
	help := "write it as " + printable([]byte(name.text)) + " = value"
	t := s.next()
	if t.is("{", "(", "[") {
		p.r.report(odd(s.span(name), "a \":\" or \"=\" is missing behind the name", help))
		s.unread(t)
	} else if !t.is("=", ":") {
		s.unread(t)
		p.r.report(broken(s.span(name), "the name has no value", help))
		return
	}
	v := s.next()
	missing := v.kind == tokenEnd || v.is(";", ",", "}", ")", "]")
	if v.kind == tokenWord && v.newline { // a name on the next line is no value
		after := s.next()
		missing = after.is("=", ":")
		s.unread(after)
	}
	if missing {
		s.unread(v)
		p.r.report(broken(s.span(name), "the name has no value", help))
		return
	}
	p.value(s, into, name, v)
}

// value reads the value that begins with v. Items of a list have the name where they begin.
func (p *libconfig) value(s *tokens, into *Node, name, v token) {
	n := &Node{Name: name.text, NameSpan: s.f.Span(name.start, name.end), ValueSpan: s.f.Span(v.from, v.from)}
	switch {
	case v.is("{", "(", "["):
		if p.add(into, n) == nil {
			return
		}
		if len(p.open) >= maxTokenDepth {
			p.tooDeep(s.span(v))
			s.skip()
			return
		}
		p.open += map[string]string{"{": "}", "(": ")", "[": "]"}[v.text]
		if v.text == "{" {
			p.settings(s, n)
		} else {
			p.items(s, n)
		}
		p.open = p.open[:len(p.open)-1]
	case v.kind == tokenString:
		n.Kind = Setting
		var b strings.Builder
		last := v
		for t := v; ; t = s.next() {
			if t.kind != tokenString {
				s.unread(t)
				break
			}
			b.WriteString(t.text)
			last = t
		}
		n.Value, n.ValueSpan = b.String(), s.f.Span(v.start, last.end)
		p.add(into, n)
	case v.kind == tokenWord:
		n.Kind, n.ValueSpan = Setting, s.span(v)
		n.Value = p.scalar(n.ValueSpan)
		p.add(into, n)
	default:
		p.r.report(broken(s.span(v), "a value is missing in front of this", "write a value, or remove it"))
	}
}

// items reads the items of a list or an array.
func (p *libconfig) items(s *tokens, into *Node) {
	for !p.done {
		t := s.next()
		if p.closes(s, into, t) {
			return
		}
		if !t.is(",", ";", "}", ")", "]") {
			p.value(s, into, token{start: t.from, end: t.from}, t)
		}
	}
}

// scalar is what a word without quotes means.
func (p *libconfig) scalar(at source.Span) string {
	text := at.Text()
	sign := text[:len(text)-len(strings.TrimLeft(text, "+-"))]
	digits := strings.TrimRight(text[len(sign):], "L")
	switch {
	case strings.EqualFold(text, "true") || strings.EqualFold(text, "false") || IsPlaceholder(text):
	case len(digits) > 2 && digits[0] == '0' && strings.IndexByte("xXbBoO", digits[1]) >= 0 && !strings.Contains(digits, "_"):
		if v, err := strconv.ParseUint(digits, 0, 64); err == nil {
			return sign + strconv.FormatUint(v, 10)
		}
		p.noScalar(at)
	case len(digits) > 0 && strings.Trim(digits, "0123456789") == "":
		if len(digits) > 1 && digits[0] == '0' {
			p.r.report(ambiguous(at, "a number that begins with 0", "older releases of libconfig read it as decimal, newer ones as octal", "write it without the 0"))
		}
		return sign + digits
	default:
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			p.noScalar(at)
		}
	}
	return text
}

func (p *libconfig) noScalar(at source.Span) {
	p.r.report(odd(at, fmt.Sprintf("%s is neither a number, nor true or false, nor in quotes", printable([]byte(at.Text()))), "put it in double quotes"))
}
