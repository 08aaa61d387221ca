package render

import (
	"io/fs"
	"testing"
	"text/template"
	"text/template/parse"

	"portolan/templates"
)

// quotingOf are the quoting functions of each template of this package.
var quotingOf = map[string]template.FuncMap{"nftables.tmpl": nftQuoting, "iptables.tmpl": iptQuoting, "windows.tmpl": psQuoting}

// bareActions are the actions of a template that print a value without a quoting
// function, and how many actions there are.
func bareActions(t *template.Template, funcs template.FuncMap) (bare []string, all int) {
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

func TestTemplatesPrintOnlyQuotedValues(t *testing.T) {
	err := fs.WalkDir(templates.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || quotingOf[name] == nil {
			return err
		}
		bare, all := bareActions(parsed(name, quotingOf[name]), quotingOf[name])
		for _, b := range bare {
			t.Errorf("%s prints %s without a quoting function", name, b)
		}
		if all < 5 {
			t.Errorf("%s: only %d actions were looked at", name, all)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(quotingOf) != len(Backends) {
		t.Errorf("%d templates for %d backends", len(quotingOf), len(Backends))
	}
}

// TestBareActionsAreSeen shows that the walk above sees what it looks for.
func TestBareActionsAreSeen(t *testing.T) {
	const text = `{{define "x"}}{{.A}}{{end}}{{range .L}}{{with .B}}{{.}}{{else}}{{printf "%s" .C}}{{end}}{{end}}{{if .D}}{{name .E}}{{else}}{{name .F | print}}{{end}}`
	bare, all := bareActions(template.Must(template.New("").Funcs(nftQuoting).Parse(text)), nftQuoting)
	if len(bare) != 4 || all != 5 {
		t.Errorf("saw %d of 4 bare actions among %d: %q", len(bare), all, bare)
	}
}
