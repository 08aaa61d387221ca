package conf

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// xmlScanner turns XML text into nodes, whatever is wrong with it.
type xmlScanner struct {
	r      *reader
	text   []byte
	place  func(start, end int) source.Span // where a part of the text was written
	strict bool                             // report what only some parsers forgive
	alone  bool                             // more than one document element is an error
	depth  int                              // elements around the text
	skip   func(n *Node, depth int) bool    // whether to leave out what is in an element; may be nil
	closed func(parent, n *Node, depth int) // called behind each element; may be nil

	stack []xmlElement // the open elements; the first is the parent of all
	deep  int          // open elements below those of stack, which are not kept
	roots int
	found bool // something was reported
	stop  bool
}

// xmlElement is an open element.
type xmlElement struct {
	name        string
	at          source.Span // of the name
	node        *Node       // nil when the element is left out
	inside      bool        // keep what is in it
	text        []byte
	first, last int // the own text without blanks around it, first == last without any
}

func (s *xmlScanner) run(parent *Node) {
	s.stack = []xmlElement{{node: parent, inside: true}}
	for pos := 0; pos < len(s.text) && !s.stop; {
		open := bytes.IndexByte(s.text[pos:], '<')
		if open < 0 {
			s.characters(pos, len(s.text))
			break
		}
		s.characters(pos, pos+open)
		pos = s.markup(pos + open)
	}
	if n := len(s.stack) - 1; n > 0 && !s.stop {
		s.report(broken(s.stack[n].at, "the file ends inside the element "+printable([]byte(s.stack[n].name)), "close it"))
	}
	for len(s.stack) > 1 {
		s.pop()
	}
}

func (s *xmlScanner) report(d diag.Diagnostic) {
	s.found = true
	s.r.report(d)
}

// lost reports that nothing behind start can be read.
func (s *xmlScanner) lost(start int, what, help string) int {
	at := s.place(start, min(start+4, len(s.text)))
	s.stop = true
	s.r.doc.Gaps = append(s.r.doc.Gaps, at)
	s.report(broken(at, what+" is not closed: the rest of the file is not read", help))
	return len(s.text)
}

// markup reads what begins with the "<" at start and returns where it ends.
func (s *xmlScanner) markup(start int) int {
	rest := s.text[start:]
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		end := bytes.Index(rest[4:], []byte("-->"))
		if end < 0 {
			return s.lost(start, "a comment", "end it with -->")
		}
		if i := bytes.Index(rest[4:4+end+1], []byte("--")); i >= 0 && i < end {
			s.report(ambiguous(s.place(start+4+i, start+4+i+2), "\"--\" inside a comment",
				"XML forbids it, and many parsers give up on the whole file here", "write it with one \"-\""))
		}
		return start + 4 + end + 3
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		end := bytes.Index(rest, []byte("]]>"))
		if end < 0 {
			return s.lost(start, "a CDATA section", "end it with ]]>")
		}
		s.add(start+9, start+end, newlines(rest[9:end], false))
		return start + end + 3
	case bytes.HasPrefix(rest, []byte("<?")):
		end := bytes.Index(rest, []byte("?>"))
		if end < 0 {
			return s.lost(start, "a processing instruction", "end it with ?>")
		}
		return start + end + 2
	case bytes.HasPrefix(rest, []byte("<!")) && len(rest) > 2 && xmlNameStart(rest[2]):
		return s.declaration(start)
	case bytes.HasPrefix(rest, []byte("</")):
		return s.endTag(start)
	case len(rest) > 1 && xmlNameStart(rest[1]):
		return s.startTag(start)
	}
	s.report(broken(s.place(start, start+1), "a \"<\" that begins nothing", "write &lt; if the character is meant"))
	s.characters(start, start+1)
	return start + 1
}

// declaration skips "<!DOCTYPE ... [ <!ENTITY ... > ]>".
func (s *xmlScanner) declaration(start int) int {
	inside, quote := 0, byte(0)
	for i := start; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '<' && i > start && bytes.HasPrefix(s.text[i:], []byte("<!--")): // it may have an apostrophe
			end := bytes.Index(s.text[i+4:], []byte("-->"))
			if end < 0 {
				return s.lost(i, "a comment", "end it with -->")
			}
			i += 4 + end + 2
		case c == '<':
			inside++
		case c == '>':
			if inside--; inside == 0 {
				return i + 1
			}
		}
	}
	return s.lost(start, "a declaration", "end it with >")
}

// startTag reads "<name a=... >" or "<name a=... />".
func (s *xmlScanner) startTag(start int) int {
	end := s.word(start + 1)
	at := s.place(start+1, end)
	n := &Node{Kind: Section, Name: string(s.text[start+1 : end]), NameSpan: at}
	keep := s.top().inside && s.deep == 0 && len(s.stack)+s.depth <= xmlDepth
	if s.top().inside && s.deep == 0 && !keep {
		s.r.doc.Gaps = append(s.r.doc.Gaps, at)
		s.report(broken(at, fmt.Sprintf("elements within elements, more than %d deep: this one is not read", xmlDepth), "flatten the file"))
	}
	if keep && s.r.full(at) {
		s.stop = true
		return len(s.text)
	}
	if len(s.stack) == 1 && s.deep == 0 {
		if s.roots++; s.roots == 2 && s.alone {
			s.report(broken(at, "a second document element: most parsers read none but the first, or refuse the file", "put both into one element"))
		}
	}
	pos, empty, ok := s.attributes(end, n, keep)
	if s.stop {
		return pos
	}
	if !ok { // what was found is kept; a quote may have swallowed the end of the tag
		tag := bytes.TrimRight(s.text[start:pos], xmlBlanks)
		s.report(broken(s.place(start, start+len(tag)), "the tag is not closed", "end it with >, and every value with its quote"))
		empty = bytes.HasSuffix(tag, []byte("/>"))
	}
	n.ValueSpan = s.place(pos, pos)
	if len(s.stack)+s.depth > xmlDepth {
		if !empty {
			s.deep++
		}
		return pos
	}
	e := xmlElement{name: n.Name, at: at, first: pos, last: pos}
	if keep {
		parent := s.top().node
		parent.Children = append(parent.Children, n)
		e.node, e.inside = n, s.skip == nil || !s.skip(n, len(s.stack)+s.depth)
	}
	s.stack = append(s.stack, e)
	if empty {
		s.pop()
	}
	return pos
}

// attributes reads what stands between the name of a tag and its ">" into n, where keep
// says so. It returns the place behind the ">", or of what should not be there.
func (s *xmlScanner) attributes(pos int, n *Node, keep bool) (end int, empty, ok bool) {
	var seen map[string]bool
	for {
		for pos < len(s.text) && xmlBlank(s.text[pos]) {
			pos++
		}
		switch rest := s.text[pos:]; {
		case len(rest) == 0 || rest[0] == '<':
			return pos, false, false
		case rest[0] == '>':
			return pos + 1, false, true
		case bytes.HasPrefix(rest, []byte("/>")):
			return pos + 2, true, true
		}
		name := pos
		if pos = s.word(pos); pos == name { // "/", "=" or a quote that belongs to nothing
			s.report(broken(s.place(pos, pos+1), "a character in a tag that means nothing", "remove it"))
			pos++
			continue
		}
		a := &Node{Kind: Setting, Name: "@" + string(s.text[name:pos]), NameSpan: s.place(name, pos)}
		from, to, next, ok := s.value(pos)
		if !ok {
			return next, false, false
		}
		if next == pos {
			if s.strict {
				s.report(ambiguous(a.NameSpan, "an attribute without a value", "XML forbids it, and strict parsers give up on the whole file here", "write it as name=\"value\""))
			}
		}
		pos = next
		if !keep {
			continue
		}
		if s.r.full(a.NameSpan) {
			s.stop = true
			return len(s.text), false, true
		}
		if seen[a.Name] {
			s.report(ambiguous(a.NameSpan, "an attribute that the element already has", "some parsers take the first, some the last, strict ones give up on the whole file", "remove one of the two"))
		}
		if seen == nil {
			seen = map[string]bool{}
		}
		seen[a.Name] = true
		a.Value, a.ValueSpan = string(s.decode(from, to, true)), s.place(from, to)
		n.Children = append(n.Children, a)
	}
}

// value reads the "= value" at pos: the value is from to to, and next is behind its
// quote. Without one, all three are pos.
func (s *xmlScanner) value(pos int) (from, to, next int, ok bool) {
	i := pos
	for i < len(s.text) && xmlBlank(s.text[i]) {
		i++
	}
	if i == len(s.text) || s.text[i] != '=' {
		return pos, pos, pos, true
	}
	for i++; i < len(s.text) && xmlBlank(s.text[i]); {
		i++
	}
	if i == len(s.text) {
		return i, i, i, false
	}
	quote := s.text[i]
	if quote != '"' && quote != '\'' {
		end := i
		for end < len(s.text) && !xmlBlank(s.text[end]) && s.text[end] != '>' && s.text[end] != '<' && !bytes.HasPrefix(s.text[end:], []byte("/>")) {
			end++
		}
		s.report(ambiguous(s.place(i, end), "a value without quotes", "XML forbids it: strict parsers give up on the whole file, others ignore the value", "write it in double quotes"))
		return i, end, end, true
	}
	for end := i + 1; end < len(s.text); end++ {
		switch c := s.text[end]; {
		case c == quote:
			return i + 1, end, end + 1, true
		case c == '<' && s.strict: // more likely the next tag than a part of the value
			return end, end, end, false
		}
	}
	return i, i, len(s.text), false
}

// endTag reads "</name>".
func (s *xmlScanner) endTag(start int) int {
	end := s.word(start + 2)
	name := string(s.text[start+2 : end])
	pos := end
	for pos < len(s.text) && xmlBlank(s.text[pos]) {
		pos++
	}
	if pos == len(s.text) || s.text[pos] != '>' {
		s.report(broken(s.place(start, end), "the closing tag does not end", "end it with >"))
	} else {
		pos++
	}
	if s.deep > 0 {
		s.deep--
		return pos
	}
	for i := len(s.stack) - 1; i > 0; i-- {
		if s.stack[i].name != name {
			continue
		}
		if i < len(s.stack)-1 {
			s.report(broken(s.place(start, end), "the element "+printable([]byte(s.top().name))+" is not closed before this", "close it"))
		}
		for len(s.stack) > i {
			s.pop()
		}
		return pos
	}
	s.report(broken(s.place(start, end), "a closing tag without an element to close", "remove it, or correct its name"))
	return pos
}

func (s *xmlScanner) top() *xmlElement { return &s.stack[len(s.stack)-1] }

// pop ends the innermost element.
func (s *xmlScanner) pop() {
	e := *s.top()
	s.stack = s.stack[:len(s.stack)-1]
	if e.node == nil {
		return
	}
	if e.first < e.last {
		e.node.Value, e.node.ValueSpan = string(bytes.Trim(e.text, xmlBlanks)), s.place(e.first, e.last)
	}
	if s.closed != nil {
		s.closed(s.top().node, e.node, len(s.stack)-1+s.depth)
	}
}

// characters adds the text between two tags to the element around it.
func (s *xmlScanner) characters(start, end int) {
	s.add(start, end, s.decode(start, end, false))
}

// add adds text, which stands between start and end, to the innermost element.
func (s *xmlScanner) add(start, end int, text []byte) {
	e := s.top()
	if s.deep > 0 || !e.inside {
		return
	}
	first, last := start, end
	for first < last && xmlBlank(s.text[first]) {
		first++
	}
	for first < last && xmlBlank(s.text[last-1]) {
		last--
	}
	if first == last && len(e.text) == 0 {
		return
	}
	if len(s.stack) == 1 {
		s.report(broken(s.place(first, last), "text outside of any element", "put it into a comment, or remove it"))
		return
	}
	e.text = append(e.text, text...)
	if first < last {
		if e.first == e.last {
			e.first = first
		}
		e.last = last
	}
}

// decode is the text between start and end with its entities and line ends resolved. An
// entity that XML does not define stays as it is: it may be defined in a document type,
// which is not read, so that no file can make itself larger.
func (s *xmlScanner) decode(start, end int, attribute bool) []byte {
	raw := s.text[start:end]
	amp := bytes.IndexByte(raw, '&')
	if amp < 0 {
		return newlines(raw, attribute)
	}
	var out []byte
	for amp >= 0 {
		out = append(out, newlines(raw[:amp], attribute)...)
		raw = raw[amp:]
		name, isEntity := raw[1:1], false
		if semi := bytes.IndexByte(raw[:min(len(raw), 64)], ';'); semi > 1 && s.word(end-len(raw)+1) == end-len(raw)+semi {
			name, isEntity = raw[1:semi], true
		}
		c, known := xmlEntity(string(name))
		at := end - len(raw)
		if known {
			out = utf8.AppendRune(out, c)
			raw = raw[len(name)+2:]
		} else {
			switch {
			case !s.strict:
			case isEntity:
				s.report(ambiguous(s.place(at, at+len(name)+2), "an entity that XML does not define", "what it stands for is not known, and many parsers give up on the whole file here", "write the text itself"))
			default:
				s.report(ambiguous(s.place(at, at+1), "a \"&\" that begins no entity", "XML forbids it, and strict parsers give up on the whole file here", "write &amp;"))
			}
			out = append(out, '&')
			raw = raw[1:]
		}
		amp = bytes.IndexByte(raw, '&')
	}
	return append(out, newlines(raw, attribute)...)
}

// xmlEntity is the character that "&name;" stands for.
func xmlEntity(name string) (c rune, known bool) {
	if digits, ok := strings.CutPrefix(name, "#"); ok {
		base := 10
		if hex, ok := strings.CutPrefix(digits, "x"); ok {
			digits, base = hex, 16
		}
		n, err := strconv.ParseUint(digits, base, 21)
		return rune(n), err == nil && n > 0 && utf8.ValidRune(rune(n))
	}
	i := slices.Index([]string{"lt", "gt", "amp", "quot", "apos"}, name)
	if i < 0 {
		return 0, false
	}
	return rune("<>&\"'"[i]), true
}

// newlines is raw with its line ends as LF, and in attributes with each blank as a
// space: XML 1.0, 2.11 and 3.3.3.
func newlines(raw []byte, attribute bool) []byte {
	if bytes.IndexByte(raw, '\r') >= 0 {
		raw = bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	}
	if attribute && bytes.ContainsAny(raw, "\n\t") {
		raw = bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\n"), []byte(" ")), []byte("\t"), []byte(" "))
	}
	return raw
}

// word is where the name that begins at pos ends.
func (s *xmlScanner) word(pos int) int {
	for pos < len(s.text) && !xmlBlank(s.text[pos]) && strings.IndexByte("=/<>\"';&", s.text[pos]) < 0 {
		pos++
	}
	return pos
}

const xmlBlanks = " \t\r\n"

func xmlBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// xmlNameStart reports whether c may begin a name; other characters than ASCII may.
func xmlNameStart(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == ':' || c >= utf8.RuneSelf
}
