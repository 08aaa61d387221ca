package inventory

import (
	"slices"
	"strings"

	"portolan/internal/catalog"
	"portolan/internal/diag"
	"portolan/internal/source"
)

// A Trial is what came of one test of a description.
type Trial struct {
	Missing []string  // claims that the test expects and the description does not make, in the order of the test
	Extra   []string  // claims that it makes and the test does not expect, ascending
	Diags   diag.List // what was found in the texts of the test
}

// Try runs a test of a description.
func Try(s *catalog.Service, test *catalog.Test) (*Trial, error) {
	files := map[string]*source.File{}
	for role, text := range test.Files {
		files[role] = source.New(role, []byte(text))
	}
	inv, diags, err := ReadFiles(s, files, test.Set)
	if err != nil {
		return nil, err
	}
	t := &Trial{Missing: slices.Clone(test.Expect), Diags: diags}
	for i := range inv.Claims {
		line := inv.Claims[i].Describe()
		if k := slices.Index(t.Missing, line); k >= 0 {
			t.Missing = slices.Delete(t.Missing, k, k+1)
		} else {
			t.Extra = append(t.Extra, line)
		}
	}
	slices.SortFunc(t.Extra, strings.Compare)
	return t, nil
}

// Passed reports whether the claims are those that the test expects, and no expression of
// the description failed: a purpose that fails changes no claim.
func (t *Trial) Passed() bool {
	return len(t.Missing)+len(t.Extra) == 0 && !slices.ContainsFunc(t.Diags, func(d diag.Diagnostic) bool { return d.Rule == catalog.Rule })
}
