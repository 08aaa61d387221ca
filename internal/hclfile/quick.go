package hclfile

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// quick reads the plain part of HCL's native syntax and builds the nodes that
// hclsyntax.ParseConfig builds, at the same places. It exists for speed alone: the
// library looks for grapheme clusters in every token and makes many small allocations,
// about 0.1 ms for each KB, which was a third of the work on a host with a hundred
// described services. Here a description with many heredocs is read four times as fast,
// and one without eight times (BenchmarkParse).
//
// The library stays the definition of the language. Read here are blocks with quoted
// labels, comments, texts without escapes, whole numbers, true, false, null, names with
// dots, calls, lists and objects. A value with anything else in it goes to
// hclsyntax.ParseExpression when it stands on one line, goes on inside brackets or is a
// heredoc: up to there the library splits a text into the same tokens, whatever follows. Everything else, and
// every mistake, makes the reader give up, and then the library reads the whole file:
// all error messages are its own. So giving up is always right and costs only time;
// FuzzQuick holds what is not given up against the library.
//
// Columns are counted in bytes. They are the library's columns because the reader gives
// up at bytes beyond ASCII, except in comments that run to the end of their line and in
// what the library reads.
type quick struct {
	src  []byte
	text string // src
	file string
	at   int // the offset of the next byte
	line int // its line, from 1
	bol  int // the offset at which that line begins

	// plain gives up at calls, colons, and what the library would read, at words and texts of
	// more than most bytes, and at more than deepest brackets inside each other.
	plain                bool
	most, deepest, depth int
}

// parseQuick reads a whole file; false says that the library must read it. It calls
// itself for each bracket: the caller has asked tooDeep before.
func parseQuick(src []byte, filename string) (*hclsyntax.Body, bool) {
	return (&quick{src: src, file: filename}).parse()
}

// Plain reads a file that has nothing but blocks, attributes, lists and objects of texts, whole
// numbers and names, and comments: the body is that of the library. It is false where
// anything else stands, where something is wrong, and where a text, a number or a name has
// more than most bytes or more than deepest brackets stand inside each other, those of blocks
// among them.
func Plain(src []byte, filename string, most, deepest int) (*hclsyntax.Body, bool) {
	return (&quick{src: src, file: filename, plain: true, most: most, deepest: deepest}).parse()
}

func (q *quick) parse() (*hclsyntax.Body, bool) {
	if !utf8.Valid(q.src) { // the library counts its lines in another way
		return nil, false
	}
	q.text, q.line = string(q.src), 1
	q.blanks()
	// The library lets a body begin at its first token. A comment is one only when it
	// ends with a newline.
	rest := q.text[q.at:]
	if strings.HasPrefix(rest, "/*") || !strings.Contains(rest, "\n") || strings.Contains(rest, "\r") {
		return nil, false
	}
	return q.body(q.pos(), false)
}

func (q *quick) pos() hcl.Pos {
	return hcl.Pos{Line: q.line, Column: q.at - q.bol + 1, Byte: q.at}
}

// since is the range from start to where the reader is.
func (q *quick) since(start hcl.Pos) hcl.Range {
	return hcl.Range{Filename: q.file, Start: start, End: q.pos()}
}

// peek is the next byte, 0 at the end of the file.
func (q *quick) peek() byte {
	if q.at == len(q.text) {
		return 0
	}
	return q.text[q.at]
}

// take reads one byte.
func (q *quick) take() hcl.Range {
	q.at++
	return q.last()
}

// last is the range of the byte before the reader.
func (q *quick) last() hcl.Range {
	r := q.since(q.pos())
	r.Start.Byte--
	r.Start.Column--
	return r
}

func (q *quick) blanks() {
	for q.at < len(q.text) && (q.text[q.at] == ' ' || q.text[q.at] == '\t') {
		q.at++
	}
}

// space skips blanks and comments, and line ends when lines is set. It stops before a
// comment that it cannot skip; nothing else can be read there.
func (q *quick) space(lines bool) {
	for {
		q.blanks()
		rest := q.text[q.at:]
		end := -1
		switch {
		case strings.HasPrefix(rest, "/*"):
			if end = strings.Index(rest[2:], "*/"); end >= 0 && ascii(rest[2:2+end]) {
				end += len("/*" + "*/")
			} else {
				end = -1
			}
		case lines && q.atLineEnd():
			end = strings.IndexByte(rest, '\n') + 1
		}
		if end <= 0 {
			return
		}
		if n := strings.Count(rest[:end], "\n"); n > 0 {
			q.line += n
			q.bol = q.at + strings.LastIndexByte(rest[:end], '\n') + 1
		}
		q.at += end
	}
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// atLineEnd says whether a line end or a comment up to it is next.
func (q *quick) atLineEnd() bool {
	c := q.peek()
	return c == '\n' || c == '#' || c == '/' && strings.HasPrefix(q.text[q.at:], "//")
}

// word reads an identifier, "" when there is none.
func (q *quick) word() string {
	start := q.at
	for ; q.at < len(q.text); q.at++ {
		c := q.text[q.at]
		if !(c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || q.at > start && (c >= '0' && c <= '9' || c == '-')) {
			break
		}
	}
	if q.tooLong(q.at - start) {
		return ""
	}
	return q.text[start:q.at]
}

// tooLong reports whether a plain file may not have so many bytes at once.
func (q *quick) tooLong(n int) bool { return q.plain && n > q.most }

// open goes into a bracket, which close comes out of; false when a plain file may not.
func (q *quick) open() bool {
	q.depth++
	return !q.plain || q.depth <= q.deepest
}

func (q *quick) close() { q.depth-- }

// quoted reads a text in quotes that means what it says. "$" and "%" may begin a
// template.
func (q *quick) quoted() (string, bool) {
	start := q.at + 1
	for i := start; i < len(q.text); i++ {
		switch c := q.text[i]; {
		case c == '"':
			q.at = i + 1
			return q.text[start:i], !q.tooLong(i - start)
		case c == '\\' || c == '$' || c == '%' || c == '\n' || c >= 0x80:
			return "", false
		}
	}
	return "", false
}

// body reads to the end of the file or, nested, through the closing brace.
func (q *quick) body(start hcl.Pos, nested bool) (*hclsyntax.Body, bool) {
	b := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}, Blocks: hclsyntax.Blocks{}}
	for q.space(true); q.at < len(q.text); q.space(true) {
		if nested && q.text[q.at] == '}' {
			q.at++
			b.SrcRange = q.since(start)
			b.EndRange = q.since(b.SrcRange.End)
			return b, true
		}
		if !q.item(b) || !q.endOfItem() {
			return nil, false
		}
	}
	b.SrcRange = q.since(start)
	b.EndRange = q.since(b.SrcRange.End)
	return b, !nested
}

// endOfItem says whether an attribute or a block may end here.
func (q *quick) endOfItem() bool {
	q.space(false)
	return q.at == len(q.text) || q.atLineEnd()
}

// item adds an attribute or a block to b.
func (q *quick) item(b *hclsyntax.Body) bool {
	start := q.pos()
	name := q.word()
	at := q.since(start)
	q.space(false)
	if name == "" || b.Attributes[name] != nil {
		return false
	}
	if q.peek() == '=' {
		a := &hclsyntax.Attribute{Name: name, NameRange: at, EqualsRange: q.take()}
		b.Attributes[name] = a
		return q.assign(a)
	}
	block := &hclsyntax.Block{Type: name, TypeRange: at}
	b.Blocks = append(b.Blocks, block)
	return q.block(block)
}

// assign reads the value of an attribute.
func (q *quick) assign(a *hclsyntax.Attribute) bool {
	if q.peek() == '=' || q.peek() == '>' { // == and => are operators
		return false
	}
	q.space(false)
	before := *q
	var ok bool
	a.Expr, ok = q.value()
	a.SrcRange = q.since(a.NameRange.Start)
	if ok && (q.endOfItem() || q.peek() == '}') { // whether a block may end here, its caller knows
		return true
	}
	*q = before
	a.Expr, ok = q.expression()
	a.SrcRange = q.since(a.NameRange.Start)
	return ok
}

// block reads the labels and the body of a block.
func (q *quick) block(b *hclsyntax.Block) bool {
	for q.peek() == '"' {
		start := q.pos()
		label, ok := q.quoted()
		if !ok {
			return false
		}
		b.Labels, b.LabelRanges = append(b.Labels, label), append(b.LabelRanges, q.since(start))
		q.space(false)
	}
	if q.peek() != '{' || !q.open() {
		return false
	}
	defer q.close()
	b.OpenBraceRange = q.take()
	var ok bool
	if q.endOfItem() || q.peek() == '}' {
		b.Body, ok = q.body(b.OpenBraceRange.Start, true)
	} else if b.Body, ok = q.oneLine(); ok {
		q.at++
	}
	b.CloseBraceRange = q.last()
	return ok
}

// oneLine reads the body of a block like zone "x" { sources = ["10.0.0.0/8"] }, up to the
// closing brace.
func (q *quick) oneLine() (*hclsyntax.Body, bool) {
	b := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}
	if !q.item(b) || q.peek() != '}' || len(b.Blocks) > 0 {
		return nil, false
	}
	for _, a := range b.Attributes {
		b.SrcRange = a.SrcRange
		b.EndRange = hcl.Range{Filename: q.file, Start: a.SrcRange.End, End: a.SrcRange.End}
	}
	return b, true
}

// expression has the library read the value here.
func (q *quick) expression() (hclsyntax.Expression, bool) {
	if q.plain {
		return nil, false
	}
	newline, lines := q.lastLine()
	if strings.HasPrefix(q.text[q.at:], "<<") {
		newline, lines = q.heredoc(), false
	}
	if lines && !inBrackets(q.src[q.at:newline]) {
		return nil, false
	}
	if newline < q.at || q.text[q.at] >= 0x80 { // the library would skip a byte order mark here
		return nil, false
	}
	e, diags := hclsyntax.ParseExpression(q.src[q.at:newline+1], q.file, q.pos())
	if len(diags) > 0 {
		return nil, false
	}
	end := e.Range().End
	q.at, q.line = end.Byte, end.Line
	q.bol = end.Byte - (end.Column - 1) // as if all of the line were ASCII
	return e, true
}

// lastLine is the offset of the newline that ends the expression here, and whether it goes
// over several lines because a bracket is open at the end of the first. Brackets in
// comments and templates count too, so inBrackets must agree.
func (q *quick) lastLine() (newline int, lines bool) {
	depth, quoted := 0, false
	for i := q.at; i < len(q.text); i++ {
		switch c := q.text[i]; {
		case c == '\n' && (quoted || depth <= 0):
			return i, lines
		case c == '\n':
			lines = true
		case c == '"':
			quoted = !quoted
		case c == '\\':
			i++
		case quoted:
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		}
	}
	return -1, false
}

// inBrackets reports whether every line end in an expression stands in brackets, where
// the library ignores it. It does so everywhere when it reads an expression alone, but
// not when it reads a file.
func inBrackets(text []byte) bool {
	tokens, diags := hclsyntax.LexExpression(text, "", hcl.InitialPos)
	if len(diags) > 0 {
		return false
	}
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOParen, hclsyntax.TokenOBrack, hclsyntax.TokenOBrace, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenCBrace, hclsyntax.TokenTemplateSeqEnd:
			depth--
		case hclsyntax.TokenOHeredoc:
			return false
		case hclsyntax.TokenNewline:
			if depth <= 0 {
				return false
			}
		case hclsyntax.TokenComment:
			if depth <= 0 && bytes.IndexByte(t.Bytes, '\n') >= 0 {
				return false
			}
		}
	}
	return true
}

// heredoc is the offset of the newline behind the heredoc that begins here, -1 when it
// has no end. A template in it that has its closing line within makes it end too early,
// which the library reports.
func (q *quick) heredoc() int {
	end := q.at + strings.IndexByte(q.text[q.at:], '\n')
	if end < q.at {
		return -1
	}
	marker := bytes.TrimPrefix(q.src[q.at+len("<<"):end], []byte("-"))
	for {
		n := bytes.IndexByte(q.src[end+1:], '\n')
		if n < 0 {
			return -1
		}
		line := q.src[end+1 : end+1+n]
		end += n + 1
		if bytes.Equal(bytes.TrimSpace(line), marker) {
			return end
		}
	}
}

// value reads a value. What follows it may make it a part of a greater one.
func (q *quick) value() (hclsyntax.Expression, bool) {
	switch c := q.peek(); {
	case c == '"':
		return q.template()
	case c >= '0' && c <= '9':
		return q.number()
	case c == '[':
		start := q.pos()
		open := q.take()
		list, ok := q.list(']')
		return &hclsyntax.TupleConsExpr{Exprs: list, SrcRange: q.since(start), OpenRange: open}, ok
	case c == '{':
		return q.object()
	}
	return q.name()
}

func (q *quick) number() (hclsyntax.Expression, bool) {
	start := q.pos()
	for c := q.peek(); c >= '0' && c <= '9'; c = q.peek() {
		q.at++
	}
	if q.tooLong(q.at - start.Byte) {
		return nil, false
	}
	n, err := cty.ParseNumberVal(q.text[start.Byte:q.at])
	return &hclsyntax.LiteralValueExpr{Val: n, SrcRange: q.since(start)}, err == nil
}

func (q *quick) template() (hclsyntax.Expression, bool) {
	start := q.pos()
	text, ok := q.quoted()
	if !ok {
		return nil, false
	}
	// One allocation for the three that belong together.
	node := &struct {
		outer hclsyntax.TemplateExpr
		inner hclsyntax.LiteralValueExpr
		parts [1]hclsyntax.Expression
	}{}
	node.outer.SrcRange = q.since(start)
	node.inner.Val = cty.StringVal(text)
	node.inner.SrcRange = node.outer.SrcRange
	if inner := &node.inner.SrcRange; text == "" { // the library says that it is behind the quotes
		inner.Start = inner.End
	} else {
		inner.Start.Byte++
		inner.Start.Column++
		inner.End.Byte--
		inner.End.Column--
	}
	node.parts[0] = &node.inner
	node.outer.Parts = node.parts[:]
	return &node.outer, true
}

// name reads true, false, null, a call or a name with dots.
func (q *quick) name() (hclsyntax.Expression, bool) {
	start := q.pos()
	name := q.word()
	at := q.since(start)
	if name == "" || name == "for" { // a list or an object of "for" is another thing
		return nil, false
	}
	if q.peek() == '(' {
		if q.plain {
			return nil, false
		}
		call := &hclsyntax.FunctionCallExpr{Name: name, NameRange: at, OpenParenRange: q.take()}
		var ok bool
		call.Args, ok = q.list(')')
		call.CloseParenRange = q.last()
		return call, ok
	}
	switch name {
	case "true":
		return &hclsyntax.LiteralValueExpr{Val: cty.True, SrcRange: at}, true
	case "false":
		return &hclsyntax.LiteralValueExpr{Val: cty.False, SrcRange: at}, true
	case "null":
		return &hclsyntax.LiteralValueExpr{Val: cty.NullVal(cty.DynamicPseudoType), SrcRange: at}, true
	}
	steps := hcl.Traversal{hcl.TraverseRoot{Name: name, SrcRange: at}}
	for q.peek() == '.' {
		dot := q.pos()
		q.at++
		step := q.word()
		if step == "" {
			return nil, false
		}
		steps = append(steps, hcl.TraverseAttr{Name: step, SrcRange: q.since(dot)})
	}
	return &hclsyntax.ScopeTraversalExpr{Traversal: steps, SrcRange: q.since(start)}, true
}

// list reads values with commas between them, through the closing bracket.
func (q *quick) list(closer byte) ([]hclsyntax.Expression, bool) {
	if !q.open() {
		return nil, false
	}
	defer q.close()
	var list []hclsyntax.Expression
	for q.space(true); q.peek() != closer; q.space(true) {
		e, ok := q.value()
		if !ok {
			return nil, false
		}
		list = append(list, e)
		if q.space(true); q.peek() == ',' {
			q.at++
		} else if q.peek() != closer {
			return nil, false
		}
	}
	q.at++
	return list, true
}

func (q *quick) object() (hclsyntax.Expression, bool) {
	if !q.open() {
		return nil, false
	}
	defer q.close()
	start := q.pos()
	object := &hclsyntax.ObjectConsExpr{OpenRange: q.take()}
	for q.space(true); q.peek() != '}'; q.space(true) {
		key, ok := q.value()
		q.space(false)
		if c := q.peek(); !ok || c != '=' && (c != ':' || q.plain) {
			return nil, false
		}
		q.at++
		if c := q.peek(); c == '=' || c == ':' || c == '>' { // these are other tokens
			return nil, false
		}
		q.space(false)
		read := q.value
		if strings.HasPrefix(q.text[q.at:], "<<") {
			read = q.expression
		}
		value, ok := read()
		if !ok {
			return nil, false
		}
		object.Items = append(object.Items, hclsyntax.ObjectConsItem{KeyExpr: &hclsyntax.ObjectConsKeyExpr{Wrapped: key}, ValueExpr: value})
		if q.space(false); q.peek() == ',' {
			q.at++
		} else if q.peek() != '}' && !q.atLineEnd() {
			return nil, false
		}
	}
	q.at++
	object.SrcRange = q.since(start)
	return object, true
}
