package hclfile

import "testing"

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
