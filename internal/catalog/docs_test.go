package catalog

import (
	"os"
	"strings"
	"testing"
)

// TestFunctionsAreDocumented keeps the table of functions in docs/services.md whole.
func TestFunctionsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/services.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, words := range Functions {
		_, what, _ := strings.Cut(words, ": ")
		if !strings.Contains(string(page), "`"+name+"(") || !strings.Contains(string(page), what) {
			t.Errorf("docs/services.md does not say what %s gives: %s", name, what)
		}
	}
}
