package diag

import (
	"strings"
	"testing"

	"portolan/internal/source"
)

// TestFingerprints edits a file around and at a finding: it keeps its name through the
// first and takes another with the second.
func TestFingerprints(t *testing.T) {
	finding := func(file, text, message string) Diagnostic {
		f := source.New(file, []byte(text))
		at := strings.Index(text, "5060")
		return Diagnostic{Rule: "port-overlap", Message: message, Span: f.Span(at, at+4)}
	}
	name := func(f *source.File) string { return f.Name }
	print := func(d Diagnostic) string { return List{d}.Fingerprints(name)[0] }
	const text = "a = 1\nsip_port = 5060\n"
	first := print(finding("a.conf", text, "5060 is taken"))
	for what, same := range map[string]Diagnostic{
		"lines above":      finding("a.conf", "# new\n\nb = 2\n"+text, "5060 is taken"),
		"lines below":      finding("a.conf", text+"c = 3\n", "5060 is taken"),
		"other blanks":     finding("a.conf", "a = 1\r\n\tsip_port  =  5060\r\n", "5060 is taken"),
		"another sentence": finding("a.conf", text, "somebody has port 5060"),
	} {
		if got := print(same); got != first {
			t.Errorf("%s: another finding", what)
		}
	}
	related := finding("a.conf", text, "5060 is taken")
	related.Related = []Related{{Span: finding("b.conf", "x = 5060", "").Span}}
	rule := finding("a.conf", text, "5060 is taken")
	rule.Rule = "reserved-port"
	for what, other := range map[string]Diagnostic{
		"another file":      finding("b.conf", text, "5060 is taken"),
		"another value":     finding("a.conf", "sip_port = 50600\n", "5060 is taken"),
		"another neighbour": related,
		"another rule":      rule,
	} {
		if got := print(other); got == first {
			t.Errorf("%s: the same finding", what)
		}
	}

	whole := source.New("a.conf", nil).Span(0, 0)
	l := List{
		finding("a.conf", text, "one"), finding("a.conf", text, "two"),
		{Rule: "r", Message: "7 of 10 ports", Span: whole}, {Rule: "r", Message: "no platform", Span: whole}, {Rule: "r", Message: "no place"},
	}
	seen := map[string]bool{}
	for i, p := range l.Fingerprints(name) {
		if seen[p] {
			t.Errorf("finding %d has the name of another", i)
		}
		seen[p] = true
	}
	l[2].Message = "12 of 20 ports"
	if !seen[l.Fingerprints(name)[2]] {
		t.Error("a number in the words about a whole file makes another finding")
	}
}
