package lint

import (
	"slices"
	"strconv"

	"portolan/internal/diag"
	"portolan/internal/inventory"
)

// insert writes the first port of c, which nobody wrote, into a line of its own.
func insert(c *inventory.Claim, first int) []diag.Edit {
	return []diag.Edit{{Span: c.Insert.At, New: c.Insert.Before + strconv.Itoa(first) + c.Insert.After}}
}

// sharesDefault reports whether a line for the setting of c would move another listener of
// its file too, because the same default says that one.
func (p *Pass) sharesDefault(c *inventory.Claim) bool {
	if c.Insert == nil {
		return false
	}
	says := func(o *inventory.Claim, b inventory.Because) bool {
		return b.Default != "" && b.Text == strconv.Itoa(c.NominalFirst) && slices.Contains(o.Because, b)
	}
	for _, o := range p.listeners {
		if listenerOf(o) == listenerOf(c) || o.Span.File != c.Span.File {
			continue
		}
		if slices.ContainsFunc(c.Because, func(b inventory.Because) bool { return says(o, b) }) {
			return true
		}
	}
	return false
}
