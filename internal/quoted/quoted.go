// Package quoted is for tests: it finds where a template prints a value as it is.
package quoted

import (
	"text/template"
	"text/template/parse"
)

// Bare are the actions of a template that print a value without a quoting
// function, which are those of funcs, and how many actions there are. A call of another template
// prints nothing itself.
func Bare(t *template.Template, funcs template.FuncMap) (bare []string, all int) {
	var walk func(parse.Node)
	list := func(l *parse.ListNode) {
		if l != nil {
			for _, n := range l.Nodes {
				walk(n)
			}
		}
	}
	branch := func(b *parse.BranchNode) { list(b.List); list(b.ElseList) }
	walk = func(n parse.Node) {
		switch n := n.(type) {
		case *parse.ActionNode:
			all++
			last := n.Pipe.Cmds[len(n.Pipe.Cmds)-1]
			switch first := last.Args[0].(type) {
			case *parse.IdentifierNode:
				if funcs[first.Ident] == nil {
					bare = append(bare, n.String())
				}
			case *parse.StringNode: // a constant of the template itself
			default:
				bare = append(bare, n.String())
			}
		case *parse.IfNode:
			branch(&n.BranchNode)
		case *parse.RangeNode:
			branch(&n.BranchNode)
		case *parse.WithNode:
			branch(&n.BranchNode)
		}
	}
	for _, one := range t.Templates() {
		list(one.Root)
	}
	return bare, all
}
