package conf

import (
	"bytes"
	"strconv"
	"strings"

	"portolan/internal/source"
)

// Kinds of tokens of Kamailio's language; every other kind is the character itself.
const (
	kamEOF    byte = 0
	kamWord   byte = 'w' // letters, digits and "_"
	kamString byte = 's' // a string, without its quotes
	kamOpaque byte = 'o' // text that is not looked into: $avp(x), {{ x }}
)

// A kamToken is one token of Kamailio's language.
type kamToken struct {
	kind  byte
	text  string
	span  source.Span // as written
	inner source.Span // without the quotes of a string
	glued bool        // nothing stands between it and the token before
	fresh bool        // it is the first on its line
}

// file is the empty place at an offset of the file of t.
func (t kamToken) file(at int) source.Span { return t.span.File.Span(at, at) }

// A kamInput is a text being read: a file, or what a word was defined as.
type kamInput struct {
	file *source.File
	text []byte
	pos  int
	at   source.Span // the word that the text replaces; zero for a file
	// dead tells, for the first byte of a quote or bracket, up to which offset it is
	// known not to be closed: looking again each time would take forever.
	dead map[byte]int
	line lineEnd
}

// rest is the text from here to the end of the line.
func (in *kamInput) rest() []byte { return in.text[in.pos:in.line.of(in.text, in.pos)] }

// giveUp notes that what begins with c is not closed before end.
func (in *kamInput) giveUp(c byte, end int) {
	if in.dead == nil {
		in.dead = map[byte]int{}
	}
	in.dead[c] = end
}

func (in *kamInput) span(start, end int) source.Span {
	if !in.at.IsZero() {
		return in.at
	}
	return in.file.Span(start, end)
}

// A kamScanner turns files into tokens and obeys the preprocessor on the way, as
// Kamailio's own scanner does: an include may stand between any two tokens.
type kamScanner struct {
	r     *reader
	in    []*kamInput
	body  bool // inside a block: strings and defined words are not looked into
	glued bool
	fresh bool
	files includer
	kamPreprocessor
}

func newKamScanner(r *reader) *kamScanner {
	s := &kamScanner{r: r, fresh: true, files: includer{r: r}, kamPreprocessor: kamPreprocessor{defines: map[string]kamDefine{}}}
	s.in = append(s.in, &kamInput{file: r.file, text: r.file.Text})
	return s
}

// next is the next token; the last one, again and again, is kamEOF.
func (s *kamScanner) next() kamToken {
	s.glued = !s.fresh
	for len(s.in) > 0 {
		in := s.in[len(s.in)-1]
		if in.pos >= len(in.text) {
			if in.at.IsZero() { // tokens of two files are never one word or one line
				s.glued, s.fresh = false, true
				s.files.stack = s.files.stack[:max(len(s.files.stack)-1, 0)]
			}
			s.in = s.in[:len(s.in)-1]
			continue
		}
		if len(s.off) > 0 && s.off[len(s.off)-1] {
			s.skipRegion(in)
			continue
		}
		switch c := in.text[in.pos]; {
		case c == '\n':
			in.pos++
			s.glued, s.fresh = false, true
		case blank(c) || c == '\b':
			in.pos++
			s.glued = false
		case c == '\\' && kamLineEnd(in.text[in.pos+1:]) > 0:
			in.pos += 1 + kamLineEnd(in.text[in.pos+1:])
			s.glued = false
		case (c == '#' || c == '!') && s.directive(in):
			s.glued = false
		case c == '#', c == '/' && bytes.HasPrefix(in.text[in.pos:], []byte("//")):
			s.lineComment()
		case c == '/' && bytes.HasPrefix(in.text[in.pos:], []byte("/*")):
			s.comment(in)
		case c == '{' && s.template(in):
		default:
			if t, ok := s.token(in, c); ok {
				return t
			}
		}
	}
	return kamToken{fresh: true, span: s.r.file.Span(len(s.r.file.Text), len(s.r.file.Text))}
}

// token reads a token that begins with c, and reports false when it was a word that
// stands for other text.
func (s *kamScanner) token(in *kamInput, c byte) (kamToken, bool) {
	start := in.pos
	end := start + 1
	t := kamToken{kind: c, glued: s.glued, fresh: s.fresh}
	switch {
	case c == '"' || c == '\'':
		t.kind = kamString
		t.text, t.inner = s.str(in, c)
		end = in.pos
		if s.loading {
			s.loaded(t.text)
		}
	case kamAlnum(c):
		for end < len(in.text) && kamAlnum(in.text[end]) {
			end++
		}
		t.kind, t.text = kamWord, string(in.text[start:end])
		in.pos = end
		if (c < '0' || c > '9') && s.replaced(in, t.text, in.span(start, end)) {
			return t, false
		}
		if s.unknown {
			t.kind, t.text, s.unknown = kamOpaque, "${"+t.text+"}", false
		}
	default:
		if n := in.opaque(c, s.body); n > 0 {
			end = start + n
			t.kind = kamOpaque
		}
		t.text = string(in.text[start:end])
	}
	in.pos = end
	t.span = in.span(start, end)
	if t.inner.IsZero() {
		t.inner = t.span
	}
	s.loading = kamLoads(t) || s.loading && t.kind == '('
	s.glued, s.fresh = true, false
	return t, true
}

func kamAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// kamLineEnd is the length of the line end that text begins with, 0 without one.
func kamLineEnd(text []byte) int {
	switch {
	case bytes.HasPrefix(text, []byte("\n")):
		return 1
	case bytes.HasPrefix(text, []byte("\r\n")):
		return 2
	}
	return 0
}

// opaque is the length of text that is one piece for every purpose of ours: the
// pseudo-variables $name, $name(…) and $(…), in which quotes, braces and comment signs
// mean nothing, and, outside of blocks, the placeholders {{ … }}, <% … %> and ${…} of
// template engines. None of them runs over a line end. 0 means that c begins nothing of
// the kind.
func (in *kamInput) opaque(c byte, body bool) int {
	rest := in.text[in.pos:]
	if !body {
		for _, p := range [...]struct{ open, close string }{{"${", "}"}, {"{{", "}}"}, {"<%", "%>"}} {
			if !bytes.HasPrefix(rest, []byte(p.open)) || in.dead[c] > in.pos {
				continue
			}
			line := in.rest()
			if i := bytes.Index(line, []byte(p.close)); i >= 0 {
				return i + len(p.close)
			}
			in.giveUp(c, in.pos+len(line))
			return 0
		}
	}
	if c != '$' {
		return 0
	}
	n := 1
	for n < len(rest) && kamAlnum(rest[n]) {
		n++
	}
	if n == len(rest) || rest[n] != '(' || in.dead['('] > in.pos {
		return n
	}
	depth, i := 0, n
	for ; i < len(rest) && rest[i] != '\n'; i++ {
		switch rest[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	in.giveUp('(', in.pos+i)
	return n
}

// kamLine is text up to the end of its first line.
func kamLine(text []byte) []byte {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return text[:i]
	}
	return text
}

// lineComment skips to the end of the line. A comment in the replacement of a word hides
// the rest of the line that the word stands in.
func (s *kamScanner) lineComment() {
	for len(s.in) > 0 {
		in := s.in[len(s.in)-1]
		if i := bytes.IndexByte(in.text[in.pos:], '\n'); i >= 0 {
			in.pos += i
			return
		}
		in.pos = len(in.text)
		if in.at.IsZero() {
			return
		}
		s.in = s.in[:len(s.in)-1]
	}
}

// comment skips "/* … */". Comments nest: a "/*" inside needs a "*/" of its own.
func (s *kamScanner) comment(in *kamInput) {
	start := in.pos
	s.glued = false
	depth := 0
	for ; in.pos < len(in.text); in.pos++ {
		if in.pos+1 == len(in.text) {
			continue
		}
		switch string(in.text[in.pos : in.pos+2]) {
		case "/*":
			depth++
			in.pos++
		case "*/":
			in.pos++
			if depth--; depth == 0 {
				in.pos++
				return
			}
		}
	}
	at := in.span(start, start+2)
	s.gap(at)
	s.r.report(broken(at, "the comment is not closed; what follows is not read", "close it with \"*/\"; a \"/*\" inside a comment needs one too"))
}

// template skips "{% … %}" and "{# … #}", which template engines remove. What they
// decide is not known here.
func (s *kamScanner) template(in *kamInput) bool {
	rest := in.text[in.pos:]
	if s.body || len(rest) < 2 || rest[1] != '%' && rest[1] != '#' || in.dead[rest[1]] > in.pos {
		return false
	}
	line := in.rest()
	i := bytes.Index(line[2:], []byte{rest[1], '}'})
	if i < 0 {
		in.giveUp(rest[1], in.pos+len(line))
		return false
	}
	end := in.pos + 2 + i + 2
	if rest[1] == '%' {
		at := in.span(in.pos, end)
		s.gap(at)
		s.r.report(kamTemplate(at))
	}
	in.pos = end
	s.glued = false
	return true
}

// str reads a string that begins with quote. In double quotes a backslash escapes, and
// strings with nothing but blanks between them are one. Escapes that the scanner does not
// know stay as they are. A string that is never closed ends with its line.
func (s *kamScanner) str(in *kamInput, quote byte) (string, source.Span) {
	start := in.pos + 1
	var text []byte
	for {
		part, closed := s.part(in, quote)
		text = append(text, part...)
		if !closed {
			at := in.span(start-1, in.pos)
			s.r.report(broken(at, "the string is not closed", "close it with "+string(quote)))
			return s.look(text, at), in.span(start, in.pos)
		}
		if quote == '\'' {
			break
		}
		next := in.pos
		for next < len(in.text) && (blank(in.text[next]) || in.text[next] == '\n') {
			next++
		}
		if next == len(in.text) || in.text[next] != quote {
			break
		}
		in.pos = next
	}
	at := in.span(start, in.pos-1)
	return s.look(text, at), at
}

// part reads from a quote to the one that closes it, and past it.
func (s *kamScanner) part(in *kamInput, quote byte) ([]byte, bool) {
	start := in.pos + 1
	end, escaped := start, false
	limit := len(in.text)
	if in.dead[quote] > start {
		limit = in.line.of(in.text, min(start, len(in.text)))
	}
	for end < limit && in.text[end] != quote {
		if in.text[end] == '\\' && quote == '"' && end+1 < limit {
			escaped = true
			end++
		}
		end++
	}
	end = min(end, limit)
	closed := end < limit
	if !closed {
		in.giveUp(quote, len(in.text))
		start = min(start, len(in.text))
		end = start + len(bytes.TrimSuffix(in.text[start:in.line.of(in.text, start)], []byte{'\r'}))
		in.pos = end
	} else {
		in.pos = end + 1
	}
	raw := in.text[start:end]
	if !escaped || s.body {
		return raw, closed
	}
	return kamUnescape(raw), closed
}

// look does to a string what the service does after its quotes are gone.
func (s *kamScanner) look(text []byte, at source.Span) string {
	if s.body {
		return ""
	}
	return s.expandDef(s.substitute(string(text), at))
}

// kamUnescape resolves the escapes of a string in double quotes.
func kamUnescape(raw []byte) []byte {
	text := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' || i+1 == len(raw) {
			text = append(text, c)
			continue
		}
		i++
		if n := kamLineEnd(raw[i:]); n > 0 {
			i += n - 1
			continue
		}
		if j := strings.IndexByte(`nrat"\`, raw[i]); j >= 0 {
			text = append(text, "\n\r\a\t\"\\"[j])
			continue
		}
		base, digits, from := 8, 0, i
		if raw[i] == 'x' {
			base, from = 16, i+1
		}
		for from+digits < len(raw) && digits < 18/base+1 { // 3 octal or 2 hexadecimal digits
			if _, err := strconv.ParseUint(string(raw[from+digits]), base, 8); err != nil {
				break
			}
			digits++
		}
		if digits == 0 || base == 8 && digits < 2 { // \1 is left for regular expressions
			text = append(text, '\\', raw[i])
			continue
		}
		v, _ := strconv.ParseUint(string(raw[from:from+digits]), base, 16)
		text = append(text, byte(v))
		i = from + digits - 1
	}
	return text
}
