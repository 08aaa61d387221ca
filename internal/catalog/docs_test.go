package catalog

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"portolan/internal/conf"
)

func manual(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/services.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// TestFunctionsAreDocumented keeps the table of functions in docs/services.md whole.
func TestFunctionsAreDocumented(t *testing.T) {
	page := manual(t)
	for name, words := range Functions {
		_, what, _ := strings.Cut(words, ": ")
		if !strings.Contains(page, "`"+name+"(") || !strings.Contains(page, what) {
			t.Errorf("docs/services.md does not say what %s gives: %s", name, what)
		}
	}
}

// TestFormatsAreDocumented keeps the table of formats whole, and free of what is gone.
func TestFormatsAreDocumented(t *testing.T) {
	page := manual(t)
	_, table, _ := strings.Cut(page, "| format | reads |\n| --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var want []string
	for _, f := range conf.Formats() {
		want = append(want, "| `"+f.Name+"` | "+f.Title+" |")
	}
	switch whole := strings.Join(want, "\n"); {
	case table == whole:
	case *update:
		if err := os.WriteFile("../../docs/services.md", []byte(strings.Replace(page, table, whole, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of formats in docs/services.md should be\n%s", strings.Join(want, "\n"))
	}
	_, switches, _ := strings.Cut(page, "say how they are\nwritten:")
	switches, _, _ = strings.Cut(switches, "\n## ")
	for i := range reflect.TypeFor[conf.Dialect]().NumField() {
		name := snake(reflect.TypeFor[conf.Dialect]().Field(i).Name)
		if name != "includes" && name != "section_first" && !strings.Contains(switches, name) {
			t.Errorf("docs/services.md does not explain the switch %s of a dialect", name)
		}
	}
}

// snake is the name of a field as it is written in HCL.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}
