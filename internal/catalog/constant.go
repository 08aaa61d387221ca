package catalog

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// constants works out those parts of a node that are the same for every file, such as
// ["tcp"]: to HCL a text is a template, and is put together again each time.
func constants(n hclsyntax.Node) {
	switch e := n.(type) {
	case *hclsyntax.ParenthesesExpr:
		e.Expression = constant(e.Expression)
	case *hclsyntax.BinaryOpExpr:
		e.LHS, e.RHS = constant(e.LHS), constant(e.RHS)
	case *hclsyntax.ConditionalExpr:
		e.Condition, e.TrueResult, e.FalseResult = constant(e.Condition), constant(e.TrueResult), constant(e.FalseResult)
	case *hclsyntax.ForExpr:
		e.CollExpr = constant(e.CollExpr)
	case *hclsyntax.TupleConsExpr:
		for i := range e.Exprs {
			e.Exprs[i] = constant(e.Exprs[i])
		}
	case *hclsyntax.FunctionCallExpr:
		for i := range e.Args {
			e.Args[i] = constant(e.Args[i])
		}
	}
}

// constant is e, or its value when that is the same for every file.
func constant(e hclsyntax.Expression) hclsyntax.Expression {
	if _, done := e.(*hclsyntax.LiteralValueExpr); done || !isConstant(e) {
		return e
	}
	v, _ := e.Value(nil) // there is nothing in it that could fail
	return &hclsyntax.LiteralValueExpr{Val: v, SrcRange: e.Range()}
}

func isConstant(e hclsyntax.Expression) bool {
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		return true
	case *hclsyntax.TemplateExpr:
		return e.IsStringLiteral()
	case *hclsyntax.TupleConsExpr:
		for _, item := range e.Exprs {
			if !isConstant(item) {
				return false
			}
		}
		return true
	}
	return false
}

// literal is the text that an expression is, false when it is anything else.
func literal(e hclsyntax.Expression) (string, bool) {
	c, ok := constant(e).(*hclsyntax.LiteralValueExpr)
	if !ok || c.Val.IsNull() || c.Val.Type() != cty.String {
		return "", false
	}
	return c.Val.AsString(), true
}
