package inventory

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"portolan/internal/catalog"
)

// scope is the local values of a group and where they are worked out.
type scope struct {
	locals []catalog.Local
	ctx    *hcl.EvalContext
}

// reasons are the values that make a condition what it is and not the other thing: of
// "a && b" the first that is false, of a local value what its own expression rests on. A
// person who reads why a listener is off wants "enabled = no", and not every setting that
// was looked at.
func (b *builder) reasons(e hcl.Expression, ctx *hcl.EvalContext) []cty.Value {
	if b.spent() {
		return nil
	}
	b.budget.Spend(priceReason)
	switch e := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		return b.reasons(e.Expression, ctx)
	case *hclsyntax.UnaryOpExpr:
		return b.reasons(e.Val, ctx)
	case *hclsyntax.BinaryOpExpr:
		if e.Op != hclsyntax.OpLogicalAnd && e.Op != hclsyntax.OpLogicalOr {
			break
		}
		decisive := e.Op == hclsyntax.OpLogicalOr // the value of one side that settles the whole
		for _, side := range []hclsyntax.Expression{e.LHS, e.RHS} {
			if is, known := b.truth(side, ctx); known && is == decisive {
				return b.reasons(side, ctx)
			}
		}
		return append(b.reasons(e.LHS, ctx), b.reasons(e.RHS, ctx)...)
	case *hclsyntax.ConditionalExpr:
		is, known := b.truth(e.Condition, ctx)
		if !known {
			break
		}
		chosen := e.FalseResult
		if is {
			chosen = e.TrueResult
		}
		if len(chosen.Variables()) == 0 && !calls(chosen) { // a constant: the choice is the reason
			return b.reasons(e.Condition, ctx)
		}
		return b.reasons(chosen, ctx)
	case *hclsyntax.ScopeTraversalExpr:
		if len(e.Traversal) == 1 {
			for _, s := range slices.Backward(b.scopes) {
				for _, l := range s.locals {
					if catalog.Variable("local", l.Name) == e.Traversal.RootName() {
						return b.reasons(l.Expr, s.ctx)
					}
				}
			}
		}
	}
	return []cty.Value{b.value(e, ctx)}
}

// truth is the value of a condition, false when it is none or not known.
func (b *builder) truth(e hcl.Expression, ctx *hcl.EvalContext) (is, known bool) {
	v, _ := b.value(e, ctx).Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.Bool {
		return false, false
	}
	return v.True(), true
}

// calls reports whether an expression asks a function, and so perhaps the file.
func calls(e hclsyntax.Expression) bool {
	found := false
	// The visitor has nothing to report.
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		_, call := n.(*hclsyntax.FunctionCallExpr)
		found = found || call
		return nil
	})
	return found
}

// off notes that a listener is switched off, and by what.
func (b *builder) off(f *catalog.Fact, direction Direction, ctx *hcl.EvalContext, by ...cty.Value) {
	if direction != Listen {
		return
	}
	purpose := b.purpose(f, ctx)
	d := Disabled{Service: b.service.ID, Listen: f.Name, Purpose: purpose}
	var missing []Because
	chosen := false
	for _, v := range by {
		for _, o := range origins(v) {
			because := Because{Span: o.span, Text: o.text}
			switch {
			case o.kind == absent && o.setting != "":
				because.Text = o.setting + " is not set"
				missing = append(missing, because)
				continue
			case o.kind != written && o.kind != builtin:
				continue
			case o.setting == "": // a part of a value, such as the protocol in udp:10.0.0.1
				chosen = true
				continue
			}
			because.Text = o.setting + " = " + o.text
			if !slices.Contains(d.Because, because) {
				d.Because = append(d.Because, because)
			}
		}
	}
	switch {
	case len(d.Because) == 0 && chosen: // the value asks for another listener instead
		return
	case len(d.Because) == 0:
		d.Because = slices.Compact(missing)
	}
	if len(d.Because) == 0 { // nothing in a file has to do with it
		return
	}
	b.disabled = append(b.disabled, d)
}
