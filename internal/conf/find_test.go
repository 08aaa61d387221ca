package conf

import (
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
