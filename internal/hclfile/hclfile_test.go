package hclfile

import (
	"strings"
	"testing"

	"portolan/internal/source"
)

func TestSuggest(t *testing.T) {
	known := []string{"nftables", "iptables", "windows"}
	for name, want := range map[string]string{
		"nftable": `; did you mean "nftables"?`, "IPTABLES": `; did you mean "iptables"?`, "window": `; did you mean "windows"?`,
		"nftalbes": `; did you mean "nftables"?`, "pf": "", "": "", "winnows": `; did you mean "windows"?`, "iptable6xyz": "", "something else": "",
	} {
		if got := Suggest(name, known); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestSentence(t *testing.T) {
	for in, want := range map[string]string{
		"Unsupported argument.": "unsupported argument", "HCL says\n  so.": "HCL says so", "": "", "A": "a", "x": "x",
	} {
		if got := Sentence(in); got != want {
			t.Errorf("Sentence(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestTooDeep gives texts on which HCL's parser would run out of stack, or take minutes.
func TestTooDeep(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("a {\n", 100_000), "a = " + strings.Repeat("(", 100_000), "a = " + strings.Repeat("!", 100_000) + "true", "a = " + strings.Repeat("b ? ", 100_000) + "c",
		"a = \"" + strings.Repeat("%{if true}", 700_000) + "\"\n",   // each is inside the one before
		"a = <<E\n" + strings.Repeat("  x ${b}\n", 100_000) + "E\n", // each takes time for all of them
	} {
		r := Reader{File: source.New("x", []byte(text)), Rule: "x"}
		r.Parse()
		if len(r.Diags) != 1 || r.Diags[0].Message != "too many brackets or operators inside each other" {
			t.Errorf("%.20q: %v", text, r.Diags)
		}
	}
}
