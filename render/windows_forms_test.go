package render

import (
	"bytes"
	"regexp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"portolan/internal/diag"
	"portolan/internal/ruleset"
)

// windowsForms are the forms for Windows.
func windowsForms(t fatalf) []Form { return windows(t).Forms }

// proveForm writes rs in a form and reads it back. It gives the words of the findings
// when the form refuses it.
func proveForm(t fatalf, f Form, rs *ruleset.Ruleset) ([]Output, string) {
	all, findings, err := f.Files(rs, testHeader)
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	if len(findings) > 0 {
		if all != nil {
			t.Fatalf("%s: refused and written", f.Name)
		}
		return nil, wordsOf(t, findings)
	}
	out := slices.DeleteFunc(slices.Clone(all), func(o Output) bool { return o.Aside })
	back, err := readBack("windows", out)
	if err != nil {
		t.Fatalf("%s: %v\n%s", f.Name, err, Text(out))
	}
	if c := ruleset.Equivalent(rs, back); c != nil {
		t.Fatalf("%s: %s\n%s", f.Name, c.Words("the ruleset", "the text"), Text(out))
	}
	return all, ""
}

func wordsOf(t fatalf, findings diag.List) string {
	words := ""
	for _, d := range findings {
		if d.Help == "" || d.Message == "" {
			t.Fatalf("a finding that says too little: %+v", d)
		}
		words += d.Message + "; " + d.Help + "\n"
	}
	return words
}

// TestWindowsForms: every form says what each host of the tests means.
func TestWindowsForms(t *testing.T) {
	for _, rs := range []*ruleset.Ruleset{plainHost(), deniedHost(), outboundHost()} {
		for _, f := range windowsForms(t) {
			out, refused := proveForm(t, f, rs)
			if refused != "" {
				t.Errorf("%s: %s", f.Name, refused)
			}
			for _, o := range out {
				if bytes.Count(o.Data, []byte("\n")) != bytes.Count(o.Data, []byte("\r\n")) {
					t.Errorf("%s: a line without a carriage return", o.Name)
				}
				if at := regexp.MustCompile(`[ \t]\r?\n`).FindIndex(o.Data); at != nil {
					t.Errorf("%s: blanks at the end of a line", o.Name)
				}
			}
		}
	}
}

// TestWindowsFormsReadBack: all forms say the same rulesets and refuse the others in the
// same words.
func TestWindowsFormsReadBack(t *testing.T) {
	written := map[string]int{}
	outbound := 0
	rapid.Check(t, func(t *rapid.T) {
		rs := genRuleset(t)
		var first string
		for i, f := range windowsForms(t) {
			out, refused := proveForm(t, f, rs)
			if i == 0 {
				first = refused
			}
			if refused != first {
				t.Fatalf("%s is refused with %q, and the first form with %q", f.Name, refused, first)
			}
			if out != nil {
				written[f.Name]++
				if rs.Output.Default == ruleset.Drop {
					outbound++
				}
			}
		}
	})
	for _, f := range windowsForms(t) {
		if written[f.Name] < 10 {
			t.Errorf("%s wrote %d rulesets, too few to prove anything", f.Name, written[f.Name])
		}
	}
	t.Logf("%v, with outbound %d", written, outbound)
}
