package conf

import (
	"bytes"
	"strings"

	"portolan/internal/source"
)

// parseRsyslog reads rsyslog.conf in all three of its languages, which may be mixed:
//
//   - "$UDPServerRun 514" is a setting: Name $UDPServerRun, Args 514 and, as said on a line
//     before it, the address of $UDPServerAddress. $InputPTCPServerRun has that of
//     $InputPTCPServerListenIP.
//   - `input(type="imtcp" port="514")` is a section input with the settings type and port,
//     wherever it stands: blocks { … } and conditions around it leave no trace. A list,
//     port=["514", "515"], is that many settings.
//   - Behind a selector, "@@host:514" is a setting "@@", "@host" a setting "@", and
//     ":omrelp:host:2514" a setting ":omrelp:", each with the rest as Value. Options in
//     parentheses and a template behind ";" are left out. Other actions are not kept.
//   - "$IncludeConfig pattern" and include(file="pattern") put the files in their place.
//
// Comments are # and /* */. What `…` says comes from elsewhere and becomes a placeholder.
//
// https://www.rsyslog.com/doc/configuration/conf_formats.html,
// https://www.rsyslog.com/doc/rainerscript/index.html
func parseRsyslog(r *reader) *Node {
	s := &rsyslog{parts: newParts(r), root: &Node{Kind: Section}, addresses: map[string]Arg{}}
	s.file(r.file)
	return s.root
}

// rsyslog is the state of reading one document, at a place in one of its files.
type rsyslog struct {
	parts
	root *Node
	f    *source.File
	at   int
	// What was last said of the addresses that later listeners take, by the name of these.
	addresses map[string]Arg
}

func (s *rsyslog) file(f *source.File) {
	outer, at := s.f, s.at
	s.f, s.at = f, 0
	for s.skip("{};&"); s.at < len(f.Text) && !s.done; s.skip("{};&") {
		s.statement()
	}
	s.f, s.at = outer, at
}

// skip passes over blanks, ends of lines, comments and the given bytes.
func (s *rsyslog) skip(more string) {
	text := s.f.Text
	for s.at < len(text) {
		switch c := text[s.at]; {
		case c == '#':
			s.line()
		case c == '/' && hasPrefix(text[s.at:], "/*"):
			end := bytes.Index(text[s.at:], []byte("*/"))
			if end < 0 {
				end = len(text) - s.at - 2
				s.r.report(broken(s.f.Span(s.at, s.at+2), "the comment does not end: the rest is not read", `end it with "*/"`))
			}
			s.at += end + 2
		case blank(c) || c == '\n' || strings.IndexByte(more, c) >= 0:
			s.at++
		default:
			return
		}
	}
}

// line passes over the rest of the line, and over the next when a backslash joins it.
func (s *rsyslog) line() {
	text := s.f.Text
	for s.at < len(text) {
		end := bytes.IndexByte(text[s.at:], '\n')
		if end < 0 {
			s.at = len(text)
			return
		}
		s.at += end + 1
		if !bytes.HasSuffix(bytes.TrimRight(text[:s.at-1], "\r"), []byte{'\\'}) {
			return
		}
	}
}

// take passes over the bytes that are of a kind, and gives their place.
func (s *rsyslog) take(is func(c byte) bool) source.Span {
	from := s.at
	for s.at < len(s.f.Text) && is(s.f.Text[s.at]) {
		s.at++
	}
	return s.f.Span(from, s.at)
}

func rsyslogWord(c byte) bool { return !blank(c) && c != '\n' }

func rsyslogName(c byte) bool {
	return c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// statement reads what begins here, or passes over it.
func (s *rsyslog) statement() {
	text := s.f.Text
	switch c := text[s.at]; {
	case c == '$':
		s.legacy()
	case c == '@':
		sign := s.take(func(c byte) bool { return c == '@' })
		s.forward(sign)
	case c == ':':
		s.colon()
	case rsyslogName(c) || c == '*':
		s.word()
	default: // a file, a pipe, a program, a user; names of hosts and programs for what follows
		s.line()
	}
}

// legacy reads "$Name words".
func (s *rsyslog) legacy() {
	from := s.at
	s.line()
	var words []token
	for i := from; i < s.at; {
		if c := s.f.Text[i]; blank(c) || c == '\n' || c == '\\' {
			i++
			continue
		}
		end := i
		for end < s.at && rsyslogWord(s.f.Text[end]) {
			end++
		}
		if s.f.Text[i] == '#' && i > from {
			break
		}
		words = s.keep(s.f, words, token{kind: tokenWord, text: string(s.f.Text[i:end]), from: i, to: end, start: i, end: end})
		i = end
	}
	if s.done {
		return
	}
	if strings.EqualFold(words[0].text, "$IncludeConfig") && len(words) > 1 {
		s.include(Include{Need: NeedNothing}, s.f, Arg{words[1].text, s.f.Span(words[1].from, words[1].to)}, s.file)
		return
	}
	n := directive(s.f, Setting, words)
	switch name := strings.ToLower(n.Name); {
	case len(n.Args) == 0:
	case name == "$udpserveraddress":
		s.addresses["$udpserverrun"] = n.Args[0]
	case name == "$inputptcpserverlistenip":
		s.addresses["$inputptcpserverrun"] = n.Args[0]
	default:
		if address, said := s.addresses[name]; said {
			n.Args = append(n.Args[:1], address)
		}
	}
	s.add(s.root, n)
}

// forward reads the target of a forwarding action, which ends at ";" or a blank.
func (s *rsyslog) forward(sign source.Span) {
	if s.at < len(s.f.Text) && s.f.Text[s.at] == '(' {
		s.take(func(c byte) bool { return c != ')' && c != '\n' })
		s.take(func(c byte) bool { return c == ')' })
	}
	s.take(blank)
	target := s.take(func(c byte) bool { return rsyslogWord(c) && c != ';' })
	s.add(s.root, &Node{Kind: Setting, Name: sign.Text(), NameSpan: sign, Value: target.Text(), ValueSpan: target})
	s.line()
}

// colon reads ":omrelp:target", or passes over a filter, :msg, contains, "text".
func (s *rsyslog) colon() {
	from := s.at
	s.at++
	name := s.take(func(c byte) bool { return rsyslogName(c) || c == '-' || c == '$' || c == '!' })
	if s.at < len(s.f.Text) && s.f.Text[s.at] == ':' && name.Text() != "" {
		s.at++
		s.forward(s.f.Span(from, s.at))
		return
	}
	s.take(func(c byte) bool { return c != '"' && c != '\n' })
	if s.at < len(s.f.Text) && s.f.Text[s.at] == '"' {
		s.quoted('"')
	}
}

// word reads an object, or passes over a keyword or a selector. What is neither, such as
// the name of a user, is the action of a line.
func (s *rsyslog) word() {
	from := s.at
	name := s.take(rsyslogName)
	text := name.Text()
	switch strings.ToLower(text) {
	case "if":
		s.until("then")
		return
	case "foreach":
		s.until("do")
		return
	case "else", "stop", "continue":
		return
	case "set", "unset", "reset", "call", "call_indirect":
		s.until(";")
		return
	}
	s.take(blank)
	if text != "" && s.at < len(s.f.Text) && s.f.Text[s.at] == '(' {
		s.object(name)
		return
	}
	s.at = from
	if word := s.take(rsyslogWord).Text(); !strings.Contains(word, ".") || strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789*.,;=!") != "" {
		s.at = from
		s.line()
	}
}

// until passes over an expression, up to a word or, for ";", to that byte or the end of
// the line.
func (s *rsyslog) until(word string) {
	text := s.f.Text
	for s.at < len(text) {
		switch c := text[s.at]; {
		case c == '"' || c == '\'' || c == '`':
			s.quoted(c)
		case c == '#' && word != ";":
			s.line()
		case word == ";" && (c == ';' || c == '\n'):
			s.at++
			return
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			if strings.EqualFold(s.take(rsyslogName).Text(), word) {
				return
			}
		default:
			s.at++
		}
	}
}

// quoted passes over a string and gives its text and the place of that.
func (s *rsyslog) quoted(quote byte) (string, source.Span) {
	text := s.f.Text
	from := s.at
	escaped := false
	for s.at++; s.at < len(text); s.at++ {
		switch text[s.at] {
		case '\\':
			escaped = true
			s.at++
			continue
		case quote:
			at := s.f.Span(from+1, s.at)
			s.at++
			value := at.Text()
			if escaped {
				value = unescape(value, `"'\$`, `"'\$`, nil)
			}
			if quote == '`' {
				return "$(" + value + ")", s.f.Span(from, s.at)
			}
			return value, at
		}
	}
	s.at = len(text)
	s.r.report(broken(s.f.Span(from, from+1), "the quote is not closed: the rest is not read", "close it"))
	return "", s.f.Span(from, from)
}

// object reads "(name=value …)" behind the name of an object.
func (s *rsyslog) object(name source.Span) {
	n := s.add(s.root, &Node{Kind: Section, Name: name.Text(), NameSpan: name, ValueSpan: s.f.Span(s.at, s.at)})
	if n == nil {
		return
	}
	text := s.f.Text
	s.at++
	for s.skip(",="); s.at < len(text) && !s.done; s.skip(",=") {
		c := text[s.at]
		if c == ')' {
			s.at++
			s.included(n)
			return
		}
		key := s.take(rsyslogName)
		if key.Text() == "" { // what no object has
			s.at++
			continue
		}
		s.skip("=")
		if s.at >= len(text) {
			break
		}
		if text[s.at] != '[' {
			s.parameter(n, key)
			continue
		}
		for s.at++; s.at < len(text) && !s.done; {
			if s.skip(","); s.at < len(text) && text[s.at] == ']' {
				s.at++
				break
			}
			s.parameter(n, key)
		}
	}
	if !s.done {
		s.r.report(broken(name, "the bracket behind this is not closed", `close it with ")"`))
	}
}

// parameter reads one value.
func (s *rsyslog) parameter(n *Node, key source.Span) {
	if s.at >= len(s.f.Text) {
		return
	}
	p := &Node{Kind: Setting, Name: key.Text(), NameSpan: key}
	if c := s.f.Text[s.at]; c == '"' || c == '\'' || c == '`' {
		p.Value, p.ValueSpan = s.quoted(c)
	} else if p.ValueSpan = s.take(func(c byte) bool { return rsyslogWord(c) && strings.IndexByte("),]", c) < 0 }); p.ValueSpan.Start == p.ValueSpan.End {
		s.at++
		return
	}
	if p.Value == "" {
		p.Value = p.ValueSpan.Text()
	}
	s.add(n, p)
}

// included reads the files that an object include names, and takes it out of the tree.
func (s *rsyslog) included(n *Node) {
	if !strings.EqualFold(n.Name, "include") {
		return
	}
	s.root.Children = s.root.Children[:len(s.root.Children)-1] // nothing came behind it
	inc := Include{Need: NeedFile}
	for _, p := range n.Children {
		if strings.EqualFold(p.Name, "mode") && strings.EqualFold(p.Value, "optional") {
			inc.Need = NeedNothing
		}
	}
	for _, p := range n.Children {
		if strings.EqualFold(p.Name, "file") {
			s.include(inc, s.f, Arg{p.Value, p.ValueSpan}, s.file)
		}
	}
}
