package hclfile

import (
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// quick reads most of HCL's native syntax and builds the nodes that hclsyntax.ParseConfig
// builds, at the same places. It exists for speed alone: the library looks for grapheme
// clusters in every token and makes many small allocations, about 0.1 ms for each KB, which
// was a third of the work on a host with a hundred described services (BenchmarkParse).
//
// The library stays the definition of the language. Everything that is not read here, and
// every mistake, makes the reader give up, and then the library reads the whole file: all
// error messages are its own. So giving up is always right and costs only time; FuzzQuick
// holds what is not given up against the library. Not read are splats, directives in
// templates, expressions in heredocs, fractions, and numbers behind a dot.
//
// Columns are counted in bytes. They are the library's columns because the reader gives
// up at bytes beyond ASCII, except in comments that run to the end of their line.
type quick struct {
	text string
	file string
	place
}

// place is how far a reader is.
type place struct {
	at   int // the offset of the next byte
	line int // its line, from 1
	bol  int // the offset at which that line begins
}

// parseQuick reads a whole file; false says that the library must read it. It calls
// itself for each bracket: the caller has asked tooDeep before.
func parseQuick(src []byte, filename string) (*hclsyntax.Body, bool) {
	q := quick{file: filename}
	if !q.begin(src) {
		return nil, false
	}
	return q.body(q.pos(), false)
}

// begin goes to the first token of a text, where the library lets a body begin.
func (q *quick) begin(src []byte) bool {
	if !utf8.Valid(src) { // the library counts its lines in another way
		return false
	}
	q.text, q.line = string(src), 1
	q.blanks()
	// A comment is a token only when it ends with a newline.
	rest := q.text[q.at:]
	return !strings.HasPrefix(rest, "/*") && strings.Contains(rest, "\n") && !strings.Contains(rest, "\r")
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
	return q.text[start:q.at]
}

// quoted reads a text in quotes that means what it says. "$" and "%" may begin a
// template.
func (q *quick) quoted() (string, bool) {
	start := q.at + 1
	for i := start; i < len(q.text); i++ {
		switch c := q.text[i]; {
		case c == '"':
			q.at = i + 1
			return q.text[start:i], true
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
	var ok bool
	a.Expr, ok = q.value(false)
	a.SrcRange = q.since(a.NameRange.Start)
	return ok && (q.endOfItem() || q.peek() == '}') // whether a block may end here, its caller knows
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
	if q.peek() != '{' {
		return false
	}
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
