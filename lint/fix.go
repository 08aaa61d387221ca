package lint

import (
	"slices"
	"strconv"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/source"
)

// moveFix is the fix that moves bodies, and what has to move before them. It is
//   - display where nobody wrote one of the numbers in a way that we can change: it comes
//     from the catalogue, or from more than the one number;
//   - unsafe for a single port, which clients elsewhere dial by its number, and where
//     another claim has the same number for a reason: the edit would move that too, or
//     leave it behind;
//   - safe for a range, whose ports peers are told in each call.
func (p *Pass) moveFix(title string, bodies ...*body) diag.Fix {
	fix := diag.Fix{Title: title, Safety: diag.Safe}
	var done []*body
	for _, b := range bodies {
		for _, o := range b.chain() {
			if slices.Contains(done, o) {
				continue
			}
			done = append(done, o)
			edits, safety := p.moveEdit(o, o.to)
			fix.Safety = max(fix.Safety, safety)
			fix.Edits = append(fix.Edits, edits...)
		}
	}
	if fix.Safety == diag.Display {
		fix.Edits = nil
	}
	return fix
}

// moveEdit is the edits that set b, and how safe they are.
func (p *Pass) moveEdit(b *body, to int) ([]diag.Edit, diag.Safety) {
	edits := moveEdits(b.head, to)
	switch {
	case edits == nil:
		return nil, diag.Display
	case spread(b.head) == 1 || p.entangled(b.head, edits) || p.sharesDefault(b.head):
		return edits, diag.Unsafe
	}
	return edits, diag.Safe
}

// isSafe reports whether a safe fix can move b.
func (p *Pass) isSafe(b *body) bool {
	_, safety := p.moveEdit(b, b.head.NominalFirst)
	return b.movable() && safety == diag.Safe
}

// moveEdits writes first, as a line of its own where nobody wrote one, and the last port where
// somebody wrote that too; nil when the text at one of the places is not the number that it
// stands for.
func moveEdits(c *inventory.Claim, first int) []diag.Edit {
	by := first - c.NominalFirst
	text := c.Span.Text()
	var edits []diag.Edit
	switch {
	case c.Insert != nil:
		edits = insert(c, first)
	case c.Span.HasLine() && (isNumber(text, c.NominalFirst) || text == "default" && isDefault(c, c.Span)):
		edits = []diag.Edit{{Span: c.Span, New: strconv.Itoa(first)}}
	default:
		return nil
	}
	if spread(c) == 1 {
		return edits
	}
	for _, b := range c.Because {
		if b.Default != "" && isNumber(b.Text, c.NominalLast) { // the last port stays where it is
			return nil
		}
		if b.Span == c.Span || !b.Span.HasLine() || b.Default != "" {
			continue
		}
		last := b.Span.Text()
		n, err := strconv.Atoi(last)
		switch {
		case err != nil || n <= c.NominalFirst: // a count, a mode
		case isNumber(last, c.NominalLast) && b.Span.File == c.Span.File:
			edits = append(edits, diag.Edit{Span: b.Span, New: strconv.Itoa(c.NominalLast + by)})
		default: // a bound that the sockets do not reach, or one in another file
			return nil
		}
	}
	return edits
}

// isNumber reports whether text is n in plain decimal digits.
func isNumber(text string, n int) bool { return text == strconv.Itoa(n) }

// isDefault reports whether the text at s stands for a default of the catalogue.
func isDefault(c *inventory.Claim, s source.Span) bool {
	return slices.ContainsFunc(c.Because, func(b inventory.Because) bool { return b.Span == s && b.Default != "" })
}

// entangled reports whether another claim depends on what the edits change: it is
// computed from the same text, or it connects to the ports.
func (p *Pass) entangled(c *inventory.Claim, edits []diag.Edit) bool {
	for i := range p.Inventory.Claims {
		o := &p.Inventory.Claims[i]
		if o.Direction == inventory.Connect {
			if o.Proto == c.Proto && o.Ports.Overlaps(c.Ports) && c.Ports.Len() > 0 {
				return true
			}
			continue
		}
		if listenerOf(o) == listenerOf(c) {
			continue
		}
		for _, e := range edits {
			if o.Span == e.Span || slices.ContainsFunc(o.Because, func(b inventory.Because) bool { return b.Span == e.Span }) {
				return true
			}
		}
	}
	return false
}

// fixes are what can be done about c: the move that the advice proposes, and ways that
// are shown only, such as commands for the system. Without c there are only these.
func (p *Pass) fixes(c *inventory.Claim, ways ...string) []diag.Fix {
	var out []diag.Fix
	if c != nil && c.Setting != "" {
		if p.move(c) {
			b := p.moves.of[c]
			out = append(out, p.moveFix(p.setWords(b, c), b))
		}
	}
	for _, w := range ways {
		if w != "" {
			out = append(out, diag.Fix{Title: w, Safety: diag.Display})
		}
	}
	return out
}
