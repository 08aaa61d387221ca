package conf

import (
	"fmt"
	"iter"
	"strings"

	"portolan/internal/source"
)

// A Row is one node of a tree for people who write a description: a path that selects it
// from the top of the file, ending in "/" for a section, and its value.
type Row struct {
	At    source.Span // of the value, or of the name where there is none
	Path  string
	Value string
}

// Rows yields the nodes below the root in their order. Where siblings have one name, the
// path counts them; an item of a list, which has no name, is "*".
func (d *Document) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) { rows(d.Root, "", yield) }
}

func rows(n *Node, above string, yield func(Row) bool) bool {
	total, nth := map[string]int{}, map[string]int{}
	for _, c := range n.Children {
		total[strings.ToLower(c.Name)]++
	}
	for i, c := range n.Children {
		name := strings.ToLower(c.Name)
		path := above + c.Name
		switch {
		case name == "" && len(n.Children) > 1:
			path = fmt.Sprintf("%s*[%d]", above, i)
		case name == "":
			path = above + "*"
		case total[name] > 1:
			path = fmt.Sprintf("%s%s[%d]", above, c.Name, nth[name])
		}
		nth[name]++
		row := Row{At: c.ValueSpan, Path: path, Value: c.Value}
		if row.At.IsZero() || c.Value == "" {
			row.At = c.NameSpan
		}
		if c.Kind == Section {
			row.Path += "/"
		}
		if !yield(row) || !rows(c, path+"/", yield) {
			return false
		}
	}
	return true
}
