package inventory_test

import (
	"slices"
	"testing"

	"portolan/internal/catalog"
	"portolan/internal/inventory"
	"portolan/internal/source"
	"portolan/services"
)

// TestDescriptions runs the tests that the descriptions carry.
func TestDescriptions(t *testing.T) {
	cat, _, err := catalog.Load(services.FS)
	if err != nil {
		t.Fatal(err)
	}
	all, diags := cat.All()
	for _, d := range diags {
		t.Errorf("%s: %s", d.Span, d.Message)
	}
	for _, s := range all {
		if len(s.Tests) == 0 {
			t.Errorf("%s carries no test", s.ID)
		}
		for _, test := range s.Tests {
			t.Run(s.ID+"/"+test.Name, func(t *testing.T) {
				inv, _, err := inventory.ReadFile(s, test.Role, source.New("input", []byte(test.Input)), test.Set)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, c := range inv.Claims {
					got = append(got, c.Describe())
				}
				want := slices.Clone(test.Expect)
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("%s\ngot  %q\nwant %q", test.Span, got, want)
				}
			})
		}
	}
}
