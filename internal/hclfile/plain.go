package hclfile

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A Body is what a file or a block holds, without expressions. The library has several hundred
// bytes of places for each word; here places are offsets.
type Body struct {
	Attrs  []Attr // in the order of the file, as the blocks are
	Blocks []*Block
}

// Attr is the attribute of a name, nil for none. A body has few.
func (b *Body) Attr(name string) *Attr {
	for i := range b.Attrs {
		if b.Attrs[i].Name == name {
			return &b.Attrs[i]
		}
	}
	return nil
}

// A Block is a block with its labels.
type Block struct {
	Type   string
	At     int // the offset of Type
	Labels []Value
	Body
}

// An Attr is an attribute.
type Attr struct {
	Name  string
	At    int // the offset of Name
	Value Value
}

// A Value is what stands behind the equals sign of an attribute, or in a list.
type Value struct {
	Kind       Kind
	Start, End int    // offsets, with quotes and brackets
	Text       string // what a text says; the parts of a name with dots between them, "" when it has indices
	List       []Value
}

// A Kind is what a value is.
type Kind uint8

// The kinds of values.
const (
	Other Kind = iota
	Text
	Name
	List
)

// maxAttrs is how many attributes a body may have that Plain reads.
const maxAttrs = 100

// plainReader reads the form of a file that Plain takes.
type plainReader struct {
	quick
	most, left int // bytes of a word, and brackets that may still be opened
}

// Plain reads a file that has nothing but blocks, attributes, lists of texts, whole numbers and
// names, and comments: the body is BodyOf that of the library. It is false where anything else
// stands, where something is wrong, and where a text, a number or a name has more than most
// bytes or more than deepest brackets stand inside each other, those of blocks among them.
func Plain(src []byte, most, deepest int) (*Body, bool) {
	p := plainReader{most: most, left: deepest}
	body := &Body{}
	return body, p.begin(src) && p.body(body, false)
}

// body reads to the end of the file or, nested, through the closing brace.
func (p *plainReader) body(b *Body, nested bool) bool {
	for p.space(true); p.at < len(p.text); p.space(true) {
		if nested && p.peek() == '}' {
			p.at++
			return true
		}
		if !p.item(b) || !p.endOfItem() {
			return false
		}
	}
	return !nested
}

// item adds an attribute or a block to b.
func (p *plainReader) item(b *Body) bool {
	start := p.at
	name := p.word()
	if p.space(false); name == "" || len(name) > p.most {
		return false
	}
	if p.peek() != '=' {
		block := &Block{Type: name, At: start}
		b.Blocks = append(b.Blocks, block)
		return p.block(block)
	}
	p.at++
	if c := p.peek(); c == '=' || c == '>' || len(b.Attrs) == maxAttrs || b.Attr(name) != nil { // == and => are operators
		return false
	}
	p.space(false)
	v, ok := p.value()
	if b.Attrs == nil {
		b.Attrs = make([]Attr, 0, 2) // as many as most have
	}
	b.Attrs = append(b.Attrs, Attr{name, start, v})
	return ok && (p.endOfItem() || p.peek() == '}') // whether a block may end here, its caller knows
}

// block reads the labels and the body of a block.
func (p *plainReader) block(b *Block) bool {
	for p.peek() == '"' {
		label, ok := p.value()
		if !ok {
			return false
		}
		b.Labels = append(b.Labels, label)
		p.space(false)
	}
	if p.peek() != '{' || p.left == 0 {
		return false
	}
	p.left--
	defer func() { p.left++ }()
	p.at++
	if p.endOfItem() || p.peek() == '}' {
		return p.body(&b.Body, true)
	}
	if !p.item(&b.Body) || p.peek() != '}' || len(b.Blocks) > 0 { // on one line stands one attribute
		return false
	}
	p.at++
	return true
}

func (p *plainReader) value() (v Value, ok bool) {
	v.Start = p.at
	switch c := p.peek(); {
	case c == '"':
		v.Kind = Text
		v.Text, ok = p.quoted()
		ok = ok && len(v.Text) <= p.most
	case c >= '0' && c <= '9':
		for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
			p.at++
		}
		ok = p.at-v.Start <= p.most
	case c == '[':
		v.Kind = List
		v.List, ok = p.list()
	default:
		v.Kind, v.Text, ok = p.name()
	}
	v.End = p.at
	return v, ok
}

// name reads a name with dots, or true, false or null.
func (p *plainReader) name() (kind Kind, text string, ok bool) {
	start := p.at
	for {
		part := p.word()
		if part == "" || len(part) > p.most {
			return Other, "", false
		}
		if p.peek() != '.' {
			break
		}
		p.at++
	}
	text = p.text[start:p.at]
	switch first, _, dots := strings.Cut(text, "."); first {
	case "true", "false", "null":
		return Other, "", !dots
	case "for": // a list of "for" is another thing
		return Other, "", false
	}
	return Name, text, true
}

// list reads values with commas between them, from the opening through the closing bracket.
func (p *plainReader) list() (list []Value, ok bool) {
	if p.left == 0 {
		return nil, false
	}
	p.left--
	defer func() { p.left++ }()
	p.at++
	for p.space(true); p.peek() != ']'; p.space(true) {
		v, ok := p.value()
		if !ok {
			return nil, false
		}
		if list == nil { // most have as many values as commas, and one more
			rest, _, _ := strings.Cut(p.text[p.at:], "]")
			list = make([]Value, 0, 1+min(strings.Count(rest, ","), 30)) // a list in it may have those
		}
		list = append(list, v)
		if p.space(true); p.peek() == ',' {
			p.at++
		} else if p.peek() != ']' {
			return nil, false
		}
	}
	p.at++
	return list, true
}

// BodyOf is a body of the library in this form. Texts in it that are put together from
// expressions say nothing.
func BodyOf(b *hclsyntax.Body) *Body {
	out := &Body{}
	for _, a := range Attributes(b) {
		out.Attrs = append(out.Attrs, Attr{a.Name, a.NameRange.Start.Byte, valueOf(a.Expr)})
	}
	for _, inner := range b.Blocks {
		block := &Block{Type: inner.Type, At: inner.TypeRange.Start.Byte, Body: *BodyOf(inner.Body)}
		for i, label := range inner.Labels {
			at := inner.LabelRanges[i]
			block.Labels = append(block.Labels, Value{Kind: Text, Text: label, Start: at.Start.Byte, End: at.End.Byte})
		}
		out.Blocks = append(out.Blocks, block)
	}
	return out
}

func valueOf(e hclsyntax.Expression) Value {
	v := Value{Start: e.Range().Start.Byte, End: e.Range().End.Byte}
	switch e := e.(type) {
	case *hclsyntax.TemplateExpr:
		v.Kind = Text
		if said, diags := e.Value(nil); !diags.HasErrors() && said.IsKnown() && !said.IsNull() {
			v.Text = said.AsString()
		}
	case *hclsyntax.ScopeTraversalExpr:
		v.Kind = Name
		var parts []string
		for _, step := range e.Traversal {
			switch step := step.(type) {
			case hcl.TraverseRoot:
				parts = append(parts, step.Name)
			case hcl.TraverseAttr:
				parts = append(parts, step.Name)
			default:
				return v
			}
		}
		v.Text = strings.Join(parts, ".")
	case *hclsyntax.TupleConsExpr:
		v.Kind = List
		for _, item := range e.Exprs {
			v.List = append(v.List, valueOf(item))
		}
	}
	return v
}
