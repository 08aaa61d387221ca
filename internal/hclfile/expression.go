package hclfile

import (
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// value reads an expression. Line ends in it are blanks in the brackets of lists and calls.
func (q *quick) value(lines bool) (hclsyntax.Expression, bool) {
	condition, ok := q.operation(lines, 0)
	before := q.place
	if q.space(lines); !ok || q.peek() != '?' {
		q.place = before
		return condition, ok
	}
	q.at++
	q.space(lines)
	yes, ok := q.value(lines)
	if q.space(lines); !ok || !q.colon() {
		return nil, false
	}
	q.space(lines)
	no, ok := q.value(lines)
	if !ok {
		return nil, false
	}
	return &hclsyntax.ConditionalExpr{
		Condition: condition, TrueResult: yes, FalseResult: no, SrcRange: hcl.RangeBetween(condition.Range(), no.Range()),
	}, true
}

// colon reads a colon; two are another token.
func (q *quick) colon() bool {
	if rest := q.text[q.at:]; !strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, "::") {
		return false
	}
	q.at++
	return true
}

// operation reads operands and the operators between them that bind at least so closely.
func (q *quick) operation(lines bool, least int) (hclsyntax.Expression, bool) {
	left, ok := q.operand(lines)
	for ok {
		before := q.place
		q.space(lines)
		op, binds, width := q.operator()
		if op == nil || binds < least {
			q.place = before
			break
		}
		q.at += width
		q.space(lines)
		var right hclsyntax.Expression
		if right, ok = q.operation(lines, binds+1); ok {
			left = &hclsyntax.BinaryOpExpr{LHS: left, Op: op, RHS: right, SrcRange: hcl.RangeBetween(left.Range(), right.Range())}
		}
	}
	return left, ok
}

// operator is the one here, nil for none, with how closely it binds and its bytes.
func (q *quick) operator() (op *hclsyntax.Operation, binds, width int) {
	rest := q.text[q.at:]
	switch rest[:min(2, len(rest))] {
	case "||":
		return hclsyntax.OpLogicalOr, 0, 2
	case "&&":
		return hclsyntax.OpLogicalAnd, 1, 2
	case "==":
		return hclsyntax.OpEqual, 2, 2
	case "!=":
		return hclsyntax.OpNotEqual, 2, 2
	case ">=":
		return hclsyntax.OpGreaterThanOrEqual, 3, 2
	case "<=":
		return hclsyntax.OpLessThanOrEqual, 3, 2
	case "//", "/*", "<<": // a comment that space does not skip, and a heredoc
		return nil, 0, 0
	}
	switch q.peek() {
	case '>':
		return hclsyntax.OpGreaterThan, 3, 1
	case '<':
		return hclsyntax.OpLessThan, 3, 1
	case '+':
		return hclsyntax.OpAdd, 4, 1
	case '-':
		return hclsyntax.OpSubtract, 4, 1
	case '*':
		return hclsyntax.OpMultiply, 5, 1
	case '/':
		return hclsyntax.OpDivide, 5, 1
	case '%':
		return hclsyntax.OpModulo, 5, 1
	}
	return nil, 0, 0
}

// operand reads a term and what is asked of it, by dots and brackets.
func (q *quick) operand(lines bool) (hclsyntax.Expression, bool) {
	e, ok := q.term(lines)
	if !ok {
		return nil, false
	}
	start := e.Range()
	for {
		from := q.pos()
		var step hcl.Traverser
		switch c := q.peek(); {
		case c == '.' && !strings.HasPrefix(q.text[q.at:], "..."):
			q.at++
			name := q.word()
			if name == "" {
				return nil, false
			}
			step = hcl.TraverseAttr{Name: name, SrcRange: q.since(from)}
		case c == '[':
			open := q.take()
			q.space(true)
			key, ok := q.value(true)
			if q.space(true); !ok || q.peek() != ']' {
				return nil, false
			}
			q.at++
			constant, known := literal(key)
			if !known {
				e = &hclsyntax.IndexExpr{Collection: e, Key: key, SrcRange: hcl.RangeBetween(start, q.last()), OpenRange: open, BracketRange: q.since(from)}
				continue
			}
			step = hcl.TraverseIndex{Key: constant, SrcRange: q.since(from)}
		default:
			return e, true
		}
		switch t := e.(type) {
		case *hclsyntax.ScopeTraversalExpr:
			t.Traversal, t.SrcRange = append(t.Traversal, step), hcl.RangeBetween(t.SrcRange, step.SourceRange())
		case *hclsyntax.RelativeTraversalExpr:
			t.Traversal, t.SrcRange = append(t.Traversal, step), hcl.RangeBetween(t.SrcRange, step.SourceRange())
		default:
			e = &hclsyntax.RelativeTraversalExpr{Source: e, Traversal: hcl.Traversal{step}, SrcRange: hcl.RangeBetween(start, step.SourceRange())}
		}
	}
}

// literal is the value of an index that is known already.
func literal(e hclsyntax.Expression) (cty.Value, bool) {
	if t, ok := e.(*hclsyntax.TemplateExpr); ok && t.IsStringLiteral() {
		e = t.Parts[0]
	}
	v, ok := e.(*hclsyntax.LiteralValueExpr)
	if !ok {
		return cty.NilVal, false
	}
	return v.Val, true
}

// term reads what stands on one side of an operator.
func (q *quick) term(lines bool) (hclsyntax.Expression, bool) {
	start := q.pos()
	switch c := q.peek(); {
	case c == '"':
		return q.template()
	case c >= '0' && c <= '9':
		return q.number()
	case c == '[':
		open := q.take()
		if q.isFor() {
			return q.loop(open, ']')
		}
		list, all, ok := q.list(']')
		return &hclsyntax.TupleConsExpr{Exprs: list, SrcRange: q.since(start), OpenRange: open}, ok && !all
	case c == '{':
		return q.object()
	case c == '(':
		q.at++
		q.space(true)
		e, ok := q.value(true)
		if q.space(true); !ok || q.peek() != ')' {
			return nil, false
		}
		q.at++
		return &hclsyntax.ParenthesesExpr{Expression: e, SrcRange: q.since(start)}, true
	case c == '-' || c == '!':
		op := hclsyntax.OpNegate
		if c == '!' {
			op = hclsyntax.OpLogicalNot
		}
		sign := q.take()
		q.space(lines)
		e, ok := q.operand(lines)
		if !ok {
			return nil, false
		}
		return &hclsyntax.UnaryOpExpr{Op: op, Val: e, SrcRange: hcl.RangeBetween(sign, e.Range()), SymbolRange: sign}, true
	case c == '<':
		return q.heredoc()
	}
	return q.name()
}

// isFor reports whether the list or object that was opened is one of "for", and skips that.
func (q *quick) isFor() bool {
	before := q.place
	if q.space(true); q.word() == "for" {
		return true
	}
	q.place = before
	return false
}

// loop reads a list or an object of "for" from behind that word.
func (q *quick) loop(open hcl.Range, closer byte) (hclsyntax.Expression, bool) {
	q.space(true)
	f := &hclsyntax.ForExpr{ValVar: q.word(), OpenRange: open}
	if q.space(true); f.ValVar != "" && q.peek() == ',' {
		q.at++
		q.space(true)
		f.KeyVar, f.ValVar = f.ValVar, q.word()
		q.space(true)
	}
	if f.ValVar == "" || q.word() != "in" {
		return nil, false
	}
	q.space(true)
	var ok bool
	f.CollExpr, ok = q.value(true)
	if q.space(true); !ok || !q.colon() {
		return nil, false
	}
	q.space(true)
	if f.ValExpr, ok = q.value(true); !ok {
		return nil, false
	}
	if q.space(true); strings.HasPrefix(q.text[q.at:], "=>") {
		q.at += len("=>")
		q.space(true)
		f.KeyExpr = f.ValExpr
		if f.ValExpr, ok = q.value(true); !ok {
			return nil, false
		}
		q.space(true)
	}
	if f.KeyExpr != nil && strings.HasPrefix(q.text[q.at:], "...") {
		f.Group = true
		q.at += len("...")
		q.space(true)
	}
	if q.peek() != closer {
		if q.word() != "if" {
			return nil, false
		}
		q.space(true)
		if f.CondExpr, ok = q.value(true); !ok {
			return nil, false
		}
		q.space(true)
	}
	if q.peek() != closer || (closer == '}') != (f.KeyExpr != nil) {
		return nil, false
	}
	f.CloseRange = q.take()
	f.SrcRange = hcl.RangeBetween(open, f.CloseRange)
	return f, true
}

// heredoc reads a text of several lines without expressions in it.
func (q *quick) heredoc() (hclsyntax.Expression, bool) {
	start := q.pos()
	rest, found := strings.CutPrefix(q.text[q.at:], "<<")
	rest, indented := strings.CutPrefix(rest, "-")
	q.at = len(q.text) - len(rest)
	marker := q.word()
	if !found || marker == "" || q.peek() != '\n' {
		return nil, false
	}
	first := hcl.Pos{Line: q.line + 1, Column: 1, Byte: q.at + 1}
	var lines []string
	least := len(q.text) // blanks before a line that has more than blanks
	blank := func(line string) bool { return strings.TrimSpace(line) == "" }
	for {
		q.place = place{q.at + 1, q.line + 1, q.at + 1}
		end := strings.IndexByte(q.text[q.at:], '\n')
		if end < 0 {
			return nil, false
		}
		line := q.text[q.at : q.at+end+1]
		if strings.TrimSpace(line) == marker {
			break
		}
		if !ascii(line) {
			return nil, false
		}
		if !blank(line) {
			least = min(least, len(line)-len(strings.TrimLeftFunc(line, unicode.IsSpace)))
		}
		lines = append(lines, line)
		q.at += end
	}
	text := &hclsyntax.LiteralValueExpr{SrcRange: q.since(first)}
	q.at += strings.IndexByte(q.text[q.at:], '\n')
	switch {
	case len(lines) == 0: // the library says that it is behind the end
		text.SrcRange = q.since(q.pos())
	case indented:
		for i, line := range lines {
			if blank(line) {
				continue
			}
			lines[i] = line[least:]
			if i == 0 {
				text.SrcRange.Start.Byte += least
				text.SrcRange.Start.Column += least
			}
		}
	}
	said, ok := unescaped(strings.Join(lines, ""))
	text.Val = cty.StringVal(said)
	return &hclsyntax.TemplateExpr{Parts: []hclsyntax.Expression{text}, SrcRange: q.since(start)}, ok
}

// unescaped is a text of a heredoc as it is meant; false when there are expressions in it.
func unescaped(text string) (string, bool) {
	for _, opener := range [...]string{"${", "%{"} {
		escape := opener[:1] + opener
		if strings.Contains(strings.ReplaceAll(text, escape, ""), opener) {
			return "", false
		}
		text = strings.ReplaceAll(text, escape, opener)
	}
	return text, true
}

func (q *quick) number() (hclsyntax.Expression, bool) {
	start := q.pos()
	for c := q.peek(); c >= '0' && c <= '9'; c = q.peek() {
		q.at++
	}
	n, err := cty.ParseNumberVal(q.text[start.Byte:q.at])
	return &hclsyntax.LiteralValueExpr{Val: n, SrcRange: q.since(start)}, err == nil
}

func (q *quick) template() (hclsyntax.Expression, bool) {
	start := q.pos()
	text, ok := q.quoted()
	if !ok {
		return q.parts()
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

// parts reads a text in quotes that has escapes or expressions in it.
func (q *quick) parts() (hclsyntax.Expression, bool) {
	start := q.pos()
	q.at++
	var parts []hclsyntax.Expression
	var said []byte // of the literal part that begins at from
	from, wraps := q.pos(), false
	end := func() {
		if q.at > from.Byte {
			parts = append(parts, &hclsyntax.LiteralValueExpr{Val: cty.StringVal(string(said)), SrcRange: q.since(from)})
			said, wraps = nil, false
		}
	}
	for q.at < len(q.text) {
		rest := q.text[q.at:]
		switch c := rest[0]; {
		case c == '"':
			end()
			q.at++
			if wraps && len(parts) == 1 {
				return &hclsyntax.TemplateWrapExpr{Wrapped: parts[0], SrcRange: q.since(start)}, true
			}
			return &hclsyntax.TemplateExpr{Parts: parts, SrcRange: q.since(start)}, true
		case c == '\n' || c >= 0x80 || strings.HasPrefix(rest, "%{"):
			return nil, false
		case c == '\\':
			i := strings.IndexByte(`nrt"\`, rest[min(1, len(rest)-1)])
			if i < 0 || len(rest) == 1 {
				return nil, false
			}
			said = append(said, "\n\r\t\"\\"[i])
			q.at += 2
		case strings.HasPrefix(rest, "$${") || strings.HasPrefix(rest, "%%{"):
			said = append(said, c, '{')
			q.at += 3
		case strings.HasPrefix(rest, "${"):
			end()
			q.at += 2
			q.space(false)
			e, ok := q.value(false)
			if q.space(false); !ok || q.peek() != '}' || q.line != start.Line {
				return nil, false
			}
			q.at++
			parts, from, wraps = append(parts, e), q.pos(), true
		default:
			said = append(said, c)
			q.at++
		}
	}
	return nil, false
}

// name reads true, false, null, a call or a name.
func (q *quick) name() (hclsyntax.Expression, bool) {
	start := q.pos()
	name := q.word()
	at := q.since(start)
	if name == "" || name == "for" { // a list or an object of "for" is another thing
		return nil, false
	}
	if q.peek() == '(' {
		call := &hclsyntax.FunctionCallExpr{Name: name, NameRange: at, OpenParenRange: q.take()}
		var ok bool
		call.Args, call.ExpandFinal, ok = q.list(')')
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
	return &hclsyntax.ScopeTraversalExpr{Traversal: hcl.Traversal{hcl.TraverseRoot{Name: name, SrcRange: at}}, SrcRange: at}, true
}

// list reads values with commas between them, through the closing bracket. All says that the
// last is a list of more, "...".
func (q *quick) list(closer byte) (list []hclsyntax.Expression, all, ok bool) {
	for q.space(true); q.peek() != closer; q.space(true) {
		e, ok := q.value(true)
		if !ok {
			return nil, false, false
		}
		list = append(list, e)
		if q.space(true); q.peek() == ',' {
			q.at++
			continue
		}
		if all = strings.HasPrefix(q.text[q.at:], "..."); all {
			q.at += len("...")
			q.space(true)
		}
		if q.peek() != closer {
			return nil, false, false
		}
	}
	q.at++
	return list, all, true
}

func (q *quick) object() (hclsyntax.Expression, bool) {
	start := q.pos()
	object := &hclsyntax.ObjectConsExpr{OpenRange: q.take()}
	if q.isFor() {
		return q.loop(object.OpenRange, '}')
	}
	for q.space(true); q.peek() != '}'; q.space(true) {
		computed := q.peek() == '('
		key, ok := q.value(false)
		q.space(false)
		if c := q.peek(); !ok || c != '=' && c != ':' {
			return nil, false
		}
		q.at++
		if c := q.peek(); c == '=' || c == ':' || c == '>' { // these are other tokens
			return nil, false
		}
		q.space(false)
		value, ok := q.value(false)
		if !ok {
			return nil, false
		}
		object.Items = append(object.Items, hclsyntax.ObjectConsItem{
			KeyExpr: &hclsyntax.ObjectConsKeyExpr{Wrapped: key, ForceNonLiteral: computed}, ValueExpr: value,
		})
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
