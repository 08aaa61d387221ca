package conf

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// Limits of the formats that are made of words and brackets, beside those of conf.go.
const (
	maxTokenDepth   = 64      // blocks within blocks; real files have less than 10
	maxTokenWords   = 200_000 // words behind names in one document; a large nginx has some 10,000
	maxPlaceholder  = 128     // bytes of one {{ x }} or ${x}
	maxTokenExpands = 4096    // bytes that variables may add to one value
)

// tokenRules are the switches of the token scanner.
type tokenRules struct {
	marks    []string            // what is a token by itself where a token begins
	ends     string              // bytes that end a word, beside blanks
	pairs    []string            // longer texts that end a word
	quotes   string              // bytes that open a string where a token begins
	comments []string            // of "#", "//" and "/*"
	glued    bool                // a comment may begin inside a word
	oneLine  bool                // a string ends on its line
	triple   bool                // """ opens a string without escapes
	refs     bool                // ${x} is a token by itself
	bare     bool                // a backslash also works outside of strings
	unescape func(string) string // what a string with a backslash means
}

type tokenKind uint8

const (
	tokenEnd    tokenKind = iota // the end of the file
	tokenWord                    // a word without quotes
	tokenString                  // a word in quotes
	tokenMark                    // punctuation
	tokenRef                     // ${x}, if the rules say so
)

// token is one word or mark. from to to is all of it, start to end what is inside the
// quotes, both as bytes of the file.
type token struct {
	kind       tokenKind
	text       string // of words what they mean, of marks the mark, of ${x} the x
	newline    bool   // a line ended since the token before
	from, to   int
	start, end int
}

// is reports whether t is one of the marks.
func (t token) is(marks ...string) bool { return t.kind == tokenMark && slices.Contains(marks, t.text) }

// word reports whether t is a word or a string.
func (t token) word() bool { return t.kind == tokenWord || t.kind == tokenString }

// tokens scans one file.
type tokens struct {
	r       *reader
	f       *source.File
	rules   *tokenRules
	at      int     // the next byte
	pending []token // given back, the last one comes first
	again   int     // bytes that were looked at in vain, for a quote that does not close
	noStar  bool    // there is no "*/" any more
	line    lineEnd
}

func (s *tokens) unread(t token) { s.pending = append(s.pending, t) }

func (s *tokens) span(t token) source.Span { return s.f.Span(t.from, t.to) }

// next is the next token; at the end of the file it is tokenEnd again and again.
func (s *tokens) next() token {
	if n := len(s.pending); n > 0 {
		t := s.pending[n-1]
		s.pending = s.pending[:n-1]
		return t
	}
	text := s.f.Text
	newline := s.blanks()
	if s.at >= len(text) {
		return token{kind: tokenEnd, newline: newline, from: len(text), to: len(text), start: len(text), end: len(text)}
	}
	t := token{newline: newline, from: s.at, start: s.at}
	c := text[s.at]
	switch {
	case s.rules.refs && s.ref(&t):
	case strings.IndexByte(s.rules.quotes, c) >= 0:
		s.quoted(&t, c)
	case s.placeholder(s.at) == 0 && s.mark(&t):
	default:
		s.plain(&t)
	}
	s.at = t.to
	return t
}

// blanks skips blanks and comments, and reports whether a line ended among them.
func (s *tokens) blanks() (newline bool) {
	text := s.f.Text
	for s.at < len(text) {
		switch c := text[s.at]; {
		case c == '\n':
			newline = true
			s.at++
		case blank(c):
			s.at++
		default:
			n := s.comment(s.at)
			if n == 0 {
				return newline
			}
			s.at += n
		}
	}
	return newline
}

// comment is the length of the comment at i, 0 when there is none.
func (s *tokens) comment(i int) int {
	text := s.f.Text[i:]
	for _, open := range s.rules.comments {
		if !hasPrefix(text, open) {
			continue
		}
		if open == "/*" && !s.noStar {
			if n := bytes.Index(text[2:], []byte("*/")); n >= 0 {
				return n + 4
			}
			s.noStar = true
		}
		n := bytes.IndexByte(text, '\n')
		if n < 0 {
			n = len(text)
		}
		if open == "/*" {
			s.r.report(odd(s.f.Span(i, i+n), "the comment is not closed", "end it with */; here only its line is taken as a comment"))
		}
		return n
	}
	return 0
}

// mark reads punctuation.
func (s *tokens) mark(t *token) bool {
	for _, m := range s.rules.marks {
		if hasPrefix(s.f.Text[t.from:], m) {
			t.kind, t.text = tokenMark, m
			t.to = t.from + len(m)
			t.end = t.to
			return true
		}
	}
	return false
}

// ref reads ${x}.
func (s *tokens) ref(t *token) bool {
	n := s.dollar(t.from)
	if n == 0 {
		return false
	}
	t.kind, t.to, t.end = tokenRef, t.from+n, t.from+n
	t.text = string(s.f.Text[t.from+2 : t.to-1])
	return true
}

// dollar is the length of the ${x} at i, 0 when there is none.
func (s *tokens) dollar(i int) int { return s.enclosed(i, "${", "}") }

// placeholder is the length of what a template engine will replace at i, {{ x }} or
// ${x}, 0 when there is none. Its brackets are not those of the format, in none of
// which two of the same kind may stand side by side.
func (s *tokens) placeholder(i int) int {
	if n := s.enclosed(i, "{{", "}}"); n > 0 {
		return n
	}
	return s.dollar(i)
}

func (s *tokens) enclosed(i int, open, end string) int {
	text := s.f.Text[i:]
	if !hasPrefix(text, open) {
		return 0
	}
	text = text[:min(len(text), maxPlaceholder)]
	if nl := bytes.IndexByte(text, '\n'); nl >= 0 {
		text = text[:nl]
	}
	n := bytes.Index(text[len(open):], []byte(end))
	if n < 0 {
		return 0
	}
	return len(open) + n + len(end)
}

// plain reads a word without quotes.
func (s *tokens) plain(t *token) {
	text, i, escaped := s.f.Text, t.from, false
scan:
	for i < len(text) {
		c := text[i]
		switch {
		case c == '\n' || blank(c):
			break scan
		case c == '\\' && s.rules.bare:
			escaped = true
			if i++; i < len(text) && text[i] != '\n' {
				i++
			}
			continue
		case c == '{' || c == '$' && !s.rules.refs:
			if n := s.placeholder(i); n > 0 {
				i += n
				continue
			}
		}
		if i > t.from && s.wordEnds(i) {
			break
		}
		i++
	}
	t.kind, t.to, t.end = tokenWord, i, i
	t.text = string(text[t.from:i])
	if escaped {
		t.text = s.rules.unescape(t.text)
	}
}

// wordEnds reports whether the byte at i cannot be in a word.
func (s *tokens) wordEnds(i int) bool {
	text := s.f.Text
	if c := text[i]; strings.IndexByte(s.rules.ends, c) >= 0 {
		return true
	} else if s.rules.glued && (c == '#' || c == '/') && s.comment(i) > 0 {
		return true
	}
	return slices.ContainsFunc(s.rules.pairs, func(p string) bool { return hasPrefix(text[i:], p) })
}

// quoted reads a string. One that does not close, or that closes on a later line in the
// middle of other text, is taken to have lost its quote, and ends with its line: that
// keeps the rest of the file.
func (s *tokens) quoted(t *token, quote byte) {
	text := s.f.Text
	t.kind = tokenString
	if s.rules.triple && hasPrefix(text[t.from:], `"""`) {
		if n := bytes.Index(text[t.from+3:], []byte(`"""`)); n >= 0 && s.again <= 4*len(text) {
			t.start, t.end = t.from+3, t.from+3+n
			for t.end+3 < len(text) && text[t.end+3] == '"' { // quotes in front of the last three are data
				t.end++
			}
			t.to = t.end + 3
			t.text = string(text[t.start:t.end])
			return
		}
		s.again += len(text) - t.from
	}
	line := s.line.of(text, t.from)
	limit := len(text)
	if s.rules.oneLine || s.again > 4*len(text) {
		limit = line
	}
	i, escaped := t.from+1, false
	for i < limit && text[i] != quote {
		if text[i] == '\\' && s.rules.unescape != nil {
			escaped = true
			i++
		}
		i++
	}
	i = min(i, limit)
	t.start, t.end, t.to = t.from+1, i, i+1
	if i >= limit || i > line && !s.apart(i+1) {
		s.again += i - line
		l := trimmed(text, t.start, line)
		for l.end > l.start && strings.IndexByte(s.rules.ends, text[l.end-1]) >= 0 {
			l.end--
		}
		t.end = max(l.end, t.start)
		t.to = t.end
		s.r.report(odd(s.span(*t), "the quote is not closed", "close it on its line"))
	}
	t.text = string(text[t.start:t.end])
	if escaped {
		t.text = s.rules.unescape(t.text)
	}
}

// apart reports whether what follows at i can stand behind a string.
func (s *tokens) apart(i int) bool {
	text := s.f.Text
	return i >= len(text) || text[i] == '\n' || blank(text[i]) || text[i] == ')' || strings.IndexByte(s.rules.ends, text[i]) >= 0
}

// skip reads to the bracket that closes the one just read; what is between is lost.
func (s *tokens) skip() {
	for depth := 1; depth > 0; {
		switch t := s.next(); {
		case t.kind == tokenEnd:
			return
		case t.is("{", "[", "("):
			depth++
		case t.is("}", "]", ")"):
			depth--
		}
	}
}

// unescape is s with each backslash and what follows it replaced: a byte of codes by the
// byte at its place in means, else what more says, which gets the text behind the
// backslash and returns what it means and how much of it that was. Other backslashes stay.
func unescape(s, codes, means string, more func(s string) (string, int)) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 == len(s) {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = s[i+1:]
		if at := strings.IndexByte(codes, s[0]); at >= 0 {
			b.WriteByte(means[at])
			s = s[1:]
			continue
		}
		text, n := "", 0
		if more != nil {
			text, n = more(s)
		}
		if n == 0 { // the byte behind it is no escape either
			text, n = s[:1], 1
			b.WriteByte('\\')
		}
		b.WriteString(text)
		s = s[n:]
	}
}

// odd is a finding about text that is read, but not as its author can have meant it.
func odd(at source.Span, what, help string) diag.Diagnostic {
	d := broken(at, what, help)
	d.Label = ""
	return d
}

// hasPrefix is bytes.HasPrefix for a text that needs no copy.
func hasPrefix(text []byte, prefix string) bool {
	return len(text) >= len(prefix) && string(text[:len(prefix)]) == prefix
}

// parts is what readers keep whose documents consist of words and of several files.
type parts struct {
	r     *reader
	files includer
	words int  // words kept so far
	done  bool // a limit of the document is reached: stop reading
}

func newParts(r *reader) parts { return parts{r: r, files: includer{r: r}} }

// include gives read the files that arg, written in f, names.
func (p *parts) include(inc Include, f *source.File, arg Arg, read func(*source.File)) {
	p.files.files(inc, f, arg, len(p.files.stack), func(f *source.File) {
		if !p.done {
			read(f)
		}
	})
}

// keep appends t to the words of a statement, until there are too many.
func (p *parts) keep(f *source.File, words []token, t token) []token {
	if p.crowded(f.Span(t.from, t.to)) {
		return words
	}
	return append(words, t)
}

// crowded counts a word, and reports once when there are too many.
func (p *parts) crowded(at source.Span) bool {
	if p.words++; p.words > maxTokenWords && !p.done {
		p.done = true
		p.r.doc.Gaps = append(p.r.doc.Gaps, at)
		p.r.report(broken(at, fmt.Sprintf("more than %d words in one file; the rest is not read", maxTokenWords),
			"split the file, or leave out what is not configuration"))
	}
	return p.words > maxTokenWords
}

// add makes a node and puts it below into, nil when there are too many.
func (p *parts) add(into, n *Node) *Node {
	at := n.NameSpan
	if at.Start == at.End {
		at = n.ValueSpan
	}
	if p.r.full(at) {
		p.done = true
		return nil
	}
	into.Children = append(into.Children, n)
	return n
}

// directive is the node of a statement: the first word is its name, the others are its
// arguments. The value of several arguments is their text as written.
func directive(f *source.File, kind Kind, words []token) *Node {
	n := &Node{Kind: kind, Name: words[0].text, NameSpan: f.Span(words[0].start, words[0].end)}
	args := words[1:]
	switch len(args) {
	case 0:
		n.ValueSpan = f.Span(words[0].to, words[0].to)
		return n
	case 1:
		n.ValueSpan, n.Value = f.Span(args[0].start, args[0].end), args[0].text
	default:
		n.ValueSpan = f.Span(args[0].from, args[len(args)-1].to)
		n.Value = n.ValueSpan.Text()
	}
	n.Args = make([]Arg, len(args))
	for i, a := range args {
		n.Args[i] = Arg{a.text, f.Span(a.start, a.end)}
	}
	return n
}

// tooDeep reports a block that stands in too many others.
func (p *parts) tooDeep(at source.Span) {
	p.r.doc.Gaps = append(p.r.doc.Gaps, at)
	p.r.report(broken(at, fmt.Sprintf("more than %d blocks within each other; what is in this one is not read", maxTokenDepth), "bring the blocks into each other less often"))
}

// brackets is what readers keep of values that stand in brackets within each other.
type brackets struct {
	parts
	open string // what will close the brackets around, the innermost last
}

// closes reports whether t closes what is open, and gives it back when that is not the
// innermost.
func (p *brackets) closes(s *tokens, into *Node, t token) bool {
	if t.kind == tokenEnd {
		if p.open != "" {
			p.r.report(odd(into.NameSpan, "the bracket behind this is not closed", "close it with \""+p.open[len(p.open)-1:]+"\""))
			s.unread(t)
		}
		return true
	}
	if !t.is("}", ")", "]") {
		return false
	}
	switch {
	case strings.HasSuffix(p.open, t.text):
		return true
	case strings.Contains(p.open, t.text):
		p.r.report(odd(s.span(t), "another bracket is not closed here", "close it with \""+p.open[len(p.open)-1:]+"\" first"))
		s.unread(t)
		return true
	}
	p.r.report(broken(s.span(t), "a \""+t.text+"\" that closes nothing", "remove it"))
	return false
}

// blocks reads statements that end with ";" and blocks in braces, as nginx and BIND
// have them.
type blocks struct {
	parts
	rules  *tokenRules
	strict bool                             // a block needs a name, and a ";" something before it
	dir    string                           // where relative includes are looked up
	raw    func(name string) bool           // whether the block is in another language
	end    func(text []byte, start int) int // where such a block ends, behind its brace, or -1
	seen   func(n *Node)                    // told of every setting; may be nil
	loose  string                           // the name of a block whose last statement needs no ";"
}

// file reads f into top.
func (p *blocks) file(f *source.File, top *Node) {
	s := &tokens{r: p.r, f: f, rules: p.rules}
	open := []*Node{top} // the blocks around, the innermost last
	var words []token
	for !p.done {
		t := s.next()
		in := open[len(open)-1]
		switch {
		case t.word():
			words = p.keep(f, words, t)
			continue
		case t.kind == tokenEnd:
			p.unended(f, in, words)
			if len(open) > 1 {
				p.r.report(odd(in.NameSpan, "the block is not closed", "close it with \"}\""))
			}
			return
		case t.is(";"):
			if len(words) > 0 {
				p.statement(f, in, words)
			} else if p.strict {
				p.r.report(broken(s.span(t), "a \";\" with nothing in front of it", "remove it"))
			}
		case t.is("{"):
			n := p.block(s, in, words, t)
			if n == nil {
				return
			}
			if p.raw != nil && p.raw(n.Name) {
				if s.at = p.end(f.Text, s.at); s.at < 0 {
					p.r.doc.Gaps = append(p.r.doc.Gaps, n.NameSpan)
					p.r.report(broken(n.NameSpan, "the block is not closed; what follows is not read", "close it with \"}\""))
					return
				}
			} else if len(open) > maxTokenDepth {
				p.tooDeep(n.NameSpan)
				s.skip()
			} else {
				open = append(open, n)
			}
		case t.is("}"):
			p.unended(f, in, words)
			if len(open) == 1 {
				p.r.report(broken(s.span(t), "a \"}\" without a \"{\"", "remove it"))
			} else {
				open = open[:len(open)-1]
			}
		}
		words = words[:0]
	}
}

// block makes the node of a block.
func (p *blocks) block(s *tokens, in *Node, words []token, brace token) *Node {
	if len(words) > 0 {
		return p.add(in, directive(s.f, Section, words))
	}
	if p.strict {
		p.r.report(odd(s.span(brace), "a block without a name", "write its name in front of it"))
	}
	here := s.f.Span(brace.from, brace.from)
	return p.add(in, &Node{Kind: Section, NameSpan: here, ValueSpan: here})
}

// unended takes words without a ";" behind them as a statement all the same.
func (p *blocks) unended(f *source.File, in *Node, words []token) {
	if len(words) == 0 {
		return
	}
	if last := words[len(words)-1]; p.loose == "" || in.Name != p.loose {
		p.r.report(odd(f.Span(last.from, last.to), "the statement does not end", "write \";\" behind it"))
	}
	p.statement(f, in, words)
}

func (p *blocks) statement(f *source.File, in *Node, words []token) {
	if words[0].text == "include" && len(words) == 2 {
		arg := Arg{words[1].text, f.Span(words[1].start, words[1].end)}
		p.include(Include{Base: p.dir}, f, arg, func(f *source.File) { p.file(f, in) })
		return
	}
	if n := p.add(in, directive(f, Setting, words)); n != nil && p.seen != nil {
		p.seen(n)
	}
}
