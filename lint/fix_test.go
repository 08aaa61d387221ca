package lint_test

import (
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"portolan/internal/diag"
	"portolan/internal/edit"
	"portolan/internal/host"
	"portolan/lint"
	"portolan/policies"
)

// TestFixes makes the safe fixes of every host in the archives: each silences its finding,
// none brings another, and there is nothing left to fix.
func TestFixes(t *testing.T) {
	platforms, _, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
	if err != nil {
		t.Fatal(err)
	}
	hosts := 0
	for _, name := range lint.Names() {
		ar, err := txtar.ParseFile(filepath.Join("rules", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		for _, folder := range []string{"fires", "silent"} {
			tree := files(t, ar, folder)
			before := look(t, platforms, tree)
			changes, mended := edit.Safe(before)
			if mended == 0 {
				continue
			}
			hosts++
			for i := range changes {
				c := &changes[i]
				old := &fstest.MapFile{}
				if !c.Creates() {
					old = tree[c.File.Path]
				} else if tree[c.File.Path] != nil {
					t.Fatalf("%s, host %s: %s is there already", name, folder, c.File.Path)
				}
				raw, err := c.Bytes(old.Data)
				if err != nil {
					t.Fatal(err)
				}
				tree[c.File.Path] = &fstest.MapFile{Data: raw}
			}
			after := look(t, platforms, tree)
			if len(after) > len(before)-mended {
				t.Errorf("%s, host %s: %d findings, %d mended, %d left: %+v", name, folder, len(before), mended, len(after), after)
			}
			for _, d := range after {
				if !slices.ContainsFunc(before, func(o diag.Diagnostic) bool { return o.Rule == d.Rule && o.Span.Name() == d.Span.Name() }) {
					t.Errorf("%s, host %s: the fix brings %s: %s", name, folder, d.Rule, d.Message)
				}
			}
			if _, again := edit.Safe(after); again > 0 {
				t.Errorf("%s, host %s: %d fixes are left", name, folder, again)
			}
		}
	}
	if hosts < 3 {
		t.Errorf("%d hosts have a safe fix", hosts)
	}
}
