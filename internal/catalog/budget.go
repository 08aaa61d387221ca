package catalog

import (
	"reflect"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A Budget bounds the work of one evaluation. A few lines can ask for more than any machine
// has: a text of two copies of the one before, forty times, or five lists inside each other,
// each gone through for every item of the one around it. HCL itself has no limit and cannot
// be stopped, so the parts of an expression that can multiply ask before they are evaluated
// and pay for what they give.
type Budget struct {
	Left int
	Over cty.Value // the value of what cannot be paid for
}

// budgetName is the variable that holds the budget. No description can say it: the parser
// knows the names of variables.
const budgetName = "budget"

var budgetType = cty.Capsule("budget", reflect.TypeFor[Budget]())

// Variable is the budget as a variable of the outermost context.
func (b *Budget) Variable() (string, cty.Value) {
	return budgetName, cty.CapsuleVal(budgetType, b)
}

// Spent reports whether nothing is left.
func (b *Budget) Spent() bool { return b.Left <= 0 }

// Spend takes n from what is left.
func (b *Budget) Spend(n int) { b.Left -= n }

// What costs as much as one value.
const (
	textUnit  = 64  // bytes of text
	tupleUnit = 256 // comparisons of types
)

// pay takes the price of a value and of all that is in it.
func (b *Budget) pay(v cty.Value) {
	v, marks := v.Unmark()
	b.Left -= 1 + len(marks)
	switch {
	case b.Left <= 0 || v.IsNull() || !v.IsKnown():
	case v.Type() == cty.String:
		b.Left -= len(v.AsString()) / textUnit
	case v.CanIterateElements():
		if v.Type().IsTupleType() { // to make a list of it, each type is compared with all others
			n := v.LengthInt()
			b.Left -= n * n / tupleUnit
		}
		for it := v.ElementIterator(); b.Left > 0 && it.Next(); {
			_, e := it.Element()
			b.pay(e)
		}
	}
}

// paid is an expression that pays from the budget of its context, when that has one. It is
// a kind of parentheses because these show what is in them to a visitor.
type paid struct{ hclsyntax.ParenthesesExpr }

// Value is the value of the expression.
func (p *paid) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	b := budgetOf(ctx)
	if b == nil {
		return p.Expression.Value(ctx)
	}
	if b.Spent() {
		return b.Over, nil
	}
	v, diags := p.Expression.Value(ctx)
	if b.pay(v); b.Spent() { // what it is for may be what costs
		return b.Over, diags
	}
	return v, diags
}

func budgetOf(ctx *hcl.EvalContext) *Budget {
	for ; ctx != nil; ctx = ctx.Parent() {
		if v, ok := ctx.Variables[budgetName]; ok && v.Type().Equals(budgetType) {
			return v.EncapsulatedValue().(*Budget)
		}
	}
	return nil
}

// meter makes the parts of one node of an expression pay that are evaluated many times, or
// whose values become parts of greater ones.
func meter(n hclsyntax.Node) {
	pay := func(part *hclsyntax.Expression) {
		switch (*part).(type) {
		case nil, *paid, *hclsyntax.LiteralValueExpr:
			return
		}
		*part = &paid{hclsyntax.ParenthesesExpr{Expression: *part, SrcRange: (*part).Range()}}
	}
	switch e := n.(type) {
	case *hclsyntax.ForExpr:
		pay(&e.CollExpr)
		pay(&e.KeyExpr)
		pay(&e.ValExpr)
		pay(&e.CondExpr)
	case *hclsyntax.SplatExpr:
		pay(&e.Source)
		pay(&e.Each)
	case *hclsyntax.TemplateExpr:
		for i := range e.Parts {
			pay(&e.Parts[i])
		}
	case *hclsyntax.TemplateJoinExpr:
		pay(&e.Tuple)
	case *hclsyntax.TupleConsExpr:
		for i := range e.Exprs {
			pay(&e.Exprs[i])
		}
	case *hclsyntax.ObjectConsExpr:
		for i := range e.Items {
			pay(&e.Items[i].ValueExpr)
		}
	case *hclsyntax.FunctionCallExpr:
		for i := range e.Args {
			pay(&e.Args[i])
		}
	}
}
