package quoted

import (
	"testing"
	"text/template"
)

// TestBare shows that it sees what it looks for.
func TestBare(t *testing.T) {
	const text = `{{define "x"}}{{.A}}{{end}}{{range .L}}{{with .B}}{{.}}{{else}}{{printf "%s" .C}}{{end}}{{end}}{{if .D}}{{name .E}}{{else}}{{name .F | print}}{{end}}`
	funcs := template.FuncMap{"name": func(s string) string { return s }}
	bare, all := Bare(template.Must(template.New("").Funcs(funcs).Parse(text)), funcs)
	if len(bare) != 4 || all != 5 {
		t.Errorf("saw %d of 4 bare actions among %d: %q", len(bare), all, bare)
	}
}
