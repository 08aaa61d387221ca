package render

import (
	"io/fs"
	"testing"
	"text/template"

	"portolan/internal/quoted"
	"portolan/templates"
)

// quotingOf are the quoting functions of each template of this package.
var quotingOf = map[string]template.FuncMap{"nftables.tmpl": nftQuoting(), "iptables.tmpl": iptQuoting(), "windows.tmpl": psQuoting()}

func TestTemplatesPrintOnlyQuotedValues(t *testing.T) {
	err := fs.WalkDir(templates.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || quotingOf[name] == nil {
			return err
		}
		bare, all := quoted.Bare(parsed(name, quotingOf[name]), quotingOf[name])
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
