package inventory_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"portolan/internal/catalog"
	"portolan/internal/inventory"
	"portolan/services"
)

// TestDescriptions runs the tests that the descriptions carry.
func TestDescriptions(t *testing.T) {
	all, diags := ours(t).All()
	for _, d := range diags {
		t.Errorf("%s: %s", d.Span, d.Message)
	}
	for _, s := range all {
		runTests(t, s)
	}
}

// runTests runs the tests of one description.
func runTests(t *testing.T, s *catalog.Service) {
	if len(s.Tests) == 0 {
		t.Errorf("%s carries no test", s.ID)
	}
	for i := range s.Tests {
		test := &s.Tests[i]
		t.Run(s.ID+"/"+test.Name, func(t *testing.T) {
			trial, err := inventory.Try(s, test)
			if err != nil {
				t.Fatal(err)
			}
			if !trial.Passed() {
				t.Errorf("%s\nmissing %q\nnot expected %q", test.Span, trial.Missing, trial.Extra)
			}
			for _, d := range trial.Diags {
				if d.Rule == catalog.Rule {
					t.Errorf("%s: %s (%s)", d.Span, d.Message, d.Help)
				}
			}
		})
	}
}

// TestManualExamples runs the examples of docs/services.md, so that the page cannot be
// wrong.
func TestManualExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/services.md")
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for rest := string(page); ; {
		_, after, more := strings.Cut(rest, "```hcl\n")
		if !more {
			break
		}
		example, after, _ := strings.Cut(after, "```")
		rest = after
		_, id, _ := strings.Cut(example, `service "`)
		id, _, _ = strings.Cut(id, `"`)
		files[id+".hcl"] = &fstest.MapFile{Data: []byte(example)}
	}
	if len(files) < 2 {
		t.Fatal("docs/services.md lost its examples")
	}
	cat, diags, err := catalog.Load(services.FS, files)
	if err != nil || len(diags) > 0 {
		t.Fatal(err, diags)
	}
	for name := range files {
		runTests(t, cat.Find(strings.TrimSuffix(name, ".hcl")))
	}
}
