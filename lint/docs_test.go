package lint_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/lint"
	"portolan/policies"
)

// TestRulePages keeps docs/rules the pages of all rules, and their index.
func TestRulePages(t *testing.T) {
	want := map[string]string{"README.md": index(t)}
	for _, name := range lint.Names() {
		page, _ := lint.Explain(name)
		want[name+".md"] = page
	}
	const dir = "../docs/rules"
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	const again = ": run make docs"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err.Error() + again)
	}
	for _, e := range entries {
		if _, ok := want[e.Name()]; !ok {
			t.Error("docs/rules/" + e.Name() + " is no page of a rule" + again)
		}
	}
	for name, text := range want {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(raw) != text {
			t.Error("docs/rules/" + name + " is not what the rule's archive says" + again)
		}
	}
}

// index is the list of all rules by what goes wrong.
func index(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`# The rules, by what goes wrong

Look for your trouble, or for what you fear; the page of a rule says why, how to mend it, and shows
an example. ` + "`portolan explain RULE`" + ` prints the same page. These pages are made from the archives in
` + "`lint/rules`" + ` by ` + "`make docs`" + `.

A fix is safe when nobody else knows the numbers that it changes: ` + "`portolan lint --fix`" + ` makes it. It is unsafe
when somebody should look at the edit first, and advice when it is done elsewhere, or the finding says in
words what to do. The severity is the usual one; a page says when it is another.

Words that the findings use:

* **ephemeral ports**: those that the system gives to any program that asks for some port, such as one that
  connects; also called dynamic ports. **Reserved** ports are left out of that.
* **listener**: what a service opens for others, such as its SIP port or its RTP range. **claim**: a listener
  with its ports, as a line of a file or a default says it.
* **exposure**: who should reach a listener: its clients (` + "`public`" + `), parts of the same product
  (` + "`internal`" + `), operators (` + "`admin`" + `), this host (` + "`loopback`" + `).
* **fact**: what is true of the host itself, such as its ephemeral ports; a **capture** is the output of a command
  that says one.
* **description**: what Portolan knows of a service; ` + "`portolan explain SERVICE`" + ` prints it.
* **pairs**: RTP on an even port and RTCP on the next.
* **allow**, **zone**: what a [policy](../policy.md) opens, and networks with a name.

`)
	var rest strings.Builder
	for _, trouble := range lint.Troubles {
		var rows strings.Builder
		for _, r := range lint.Rules {
			if r.Trouble == trouble.Trouble {
				fmt.Fprintf(&rows, "| [%s](%s.md) | %s | %s | %s |\n", r.Name, r.Name, r.Summary, r.Severity, fixes(t, r.Name))
			}
		}
		if rows.Len() > 0 {
			fmt.Fprintf(&b, "* [%s](#%s)\n", sentence(trouble.Words), anchor(trouble.Words))
			fmt.Fprintf(&rest, "\n## %s\n\n| rule | finds | severity | fix |\n| --- | --- | --- | --- |\n%s", sentence(trouble.Words), rows.String())
		}
	}
	b.WriteString(rest.String())
	return b.String()
}

func sentence(words string) string { return strings.ToUpper(words[:1]) + words[1:] }

// anchor is the place of a heading as code hosts name it.
func anchor(words string) string {
	return strings.ReplaceAll(strings.ReplaceAll(words, ",", ""), " ", "-")
}

// fixes are the kinds of fixes that the rule's findings have on the host of its archive.
func fixes(t *testing.T, rule string) string {
	t.Helper()
	platforms, _, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
	if err != nil {
		t.Fatal(err)
	}
	ar, err := txtar.ParseFile(filepath.Join("rules", rule+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[diag.Safety]bool{}
	for _, d := range look(t, platforms, files(t, ar, "fires")) {
		if d.Rule == rule {
			for _, f := range d.Fixes {
				kinds[f.Safety] = true
			}
		}
	}
	var words []string
	for _, s := range []diag.Safety{diag.Safe, diag.Unsafe} {
		if kinds[s] {
			words = append(words, s.String())
		}
	}
	if len(words) == 0 {
		return "advice"
	}
	return strings.Join(words, ", ")
}
