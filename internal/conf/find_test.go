package conf

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestFindSlashes selects names with "/" in them, which is no part of a path there.
func TestFindSlashes(t *testing.T) {
	root := &Node{Children: []*Node{
		{Name: "any"}, {Name: "10.0.0.0/8"}, {Name: "dev/PORT", Children: []*Node{{Name: "x"}}},
	}}
	for path, want := range map[string][]string{
		"*":        {"any", "10.0.0.0/8", "dev/PORT"},
		"10.*":     {"10.0.0.0/8"},
		"dev?port": {"dev/PORT"},
		"*/x":      {"x"},
		"*/8":      nil,
		"a*":       {"any"},
	} {
		p, err := ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range p.Find(root) {
			got = append(got, n.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// TestParsePathRefuses holds what is no path.
func TestParsePathRefuses(t *testing.T) {
	for path, want := range map[string]string{
		"a//b":     "empty step",
		"a[0":      "not closed",
		"a[x]":     "neither a number",
		"a[@x='1]": "a quote that is not closed",
		"a[@x=1']": "a quote that is not closed",
		"a[@x=']":  "a quote that is not closed",
		"a\\":      "syntax error",
	} {
		if _, err := ParsePath(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// TestFindDeep follows "**" many times through a deep tree: each node comes once, in the
// order of the tree, and the work is the steps times the nodes.
func TestFindDeep(t *testing.T) {
	root, depth := &Node{}, 300
	for n, i := root, 0; i < depth; i++ {
		n.Children = []*Node{{Name: "a", Children: []*Node{{Name: "b"}}}, {Name: fmt.Sprint(i)}}
		n = n.Children[0]
	}
	for path, want := range map[string]int{
		"**": 1 + 3*depth - (depth - 1), "**/**": 1 + 3*depth - (depth - 1), "**/a": depth, "**/a/**/b": 1, "**/**/**/7": 1, "**/a/**/a": depth - 1,
		strings.Repeat("**/", 62) + "7": 1,
	} {
		p, err := ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		found, looked := p.Search(root)
		if len(found) != want || looked > len(p)*3*depth {
			t.Errorf("%.20s: %d nodes, want %d, after looking at %d", path, len(found), want, looked)
		}
	}
	if _, err := ParsePath(strings.Repeat("**/", 64) + "7"); err == nil {
		t.Error("a path of 65 steps is none")
	}
}
