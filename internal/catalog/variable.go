package catalog

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// kinds are the words in front of the dot of a Variable.
var kinds = [...]string{"local", "default", "option", "each"}

// Variable is the name by which an evaluation knows a value that expressions call
// local.port, default.port, option.port or each.value. Every one is a variable of its own:
// an object of all would have to be made anew for each of them.
func Variable(kind, name string) string { return kind + "." + name }

// oneName makes a Variable of the first two steps of local.address.port and the like.
func oneName(e *hclsyntax.ScopeTraversalExpr) {
	if len(e.Traversal) < 2 || !slices.Contains(kinds[:], e.Traversal.RootName()) {
		return
	}
	if step, ok := e.Traversal[1].(hcl.TraverseAttr); ok {
		at := hcl.RangeBetween(e.Traversal[0].SourceRange(), step.SrcRange)
		e.Traversal = append(hcl.Traversal{hcl.TraverseRoot{Name: Variable(e.Traversal.RootName(), step.Name), SrcRange: at}}, e.Traversal[2:]...)
	}
}
