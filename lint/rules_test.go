package lint_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"portolan/internal/catalog"
	"portolan/internal/compile"
	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/ignore"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/report"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/lint"
	"portolan/policies"
	"portolan/render"
	"portolan/services"
)

var update = flag.Bool("update", false, "rewrite what the archives in rules/ want")

// TestArchives runs every rule's page through the whole program: the host on which it
// fires, and the one on which it is silent.
func TestArchives(t *testing.T) {
	platforms, found, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
	if err != nil || len(found) > 0 {
		t.Fatal(found, err)
	}
	for _, name := range lint.Names() {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("rules", name+".txtar")
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []struct {
				host  string
				fires bool
			}{{"fires", true}, {"silent", false}} {
				list := look(t, platforms, files(t, ar, want.host))
				fired := false
				for _, d := range list {
					fired = fired || d.Rule == name
				}
				if fired != want.fires {
					t.Errorf("%s on the host %s: %v", name, want.host, fired)
				}
				compare(t, ar, want.host+".want", list)
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// files are the host in one folder of the archive.
func files(t *testing.T, ar *txtar.Archive, folder string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for _, f := range ar.Files {
		if name, ok := strings.CutPrefix(f.Name, folder+"/"); ok {
			files[name] = &fstest.MapFile{Data: f.Data}
		}
	}
	if len(files) == 0 {
		t.Fatalf("the archive has no host %s", folder)
	}
	return files
}

// look is everything the program finds out about a host. Beside the host's own files an
// archive may have those of an operator: portolan.hcl is the policy, what is in services
// are descriptions, and the file named render says for which firewall.
func look(t *testing.T, platforms host.Platforms, files fstest.MapFS) diag.List {
	t.Helper()
	return lookAll(t, platforms, files).list
}

// looked is a host and what is found out about it.
type looked struct {
	list      diag.List
	inventory *inventory.Inventory // nil where a description is wrong
	facts     host.Facts
	policy    *policy.Policy // nil without one
}

// ours is the catalog of a host without descriptions of its own. Each of ours is parsed once for
// all tests: a policy needs all of them, and reading a host changes none.
var ours = sync.OnceValues(func() (*catalog.Catalog, error) {
	cat, _, err := catalog.Load(services.FS)
	return cat, err
})

func lookAll(t *testing.T, platforms host.Platforms, files fstest.MapFS) looked {
	t.Helper()
	theirs := []fs.FS{}
	if sub, err := fs.Sub(files, "services"); err == nil {
		if names, _ := fs.Glob(sub, "*.hcl"); len(names) > 0 {
			theirs = append(theirs, sub)
		}
	}
	cat, err := ours()
	var list diag.List
	if len(theirs) > 0 {
		cat, list, err = catalog.Load(services.FS, theirs...)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(list) > 0 { // the program stops here
		return looked{list: list}
	}
	tree := source.NewTree(files)
	marks := source.NewLookout(ignore.Mark)
	tree.Watch(marks)
	inv, list, err := inventory.Read(cat, tree, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	facts, found, err := host.Load(tree, platforms)
	if err != nil {
		t.Fatal(err)
	}
	if facts.Platform == "" {
		t.Fatal("the host has no platform")
	}
	list = append(list, found...)
	var o lint.Options
	if raw, ok := files["portolan.hcl"]; ok {
		var found diag.List
		o.Policy, o.Rules, found = lookAtPolicy(t, cat, inv, raw.Data, files)
		list = append(list, found...)
	}
	list = append(list, lint.Run(inv, []host.Facts{facts}, o)...)
	list.Sort()
	run := ignore.Run{Findings: list, Files: marks.Files(), Inventory: inv, Rules: lint.Names(), Judged: lint.OnHost}
	return looked{ignore.Apply(run).Findings, inv, facts, o.Policy}
}

// lookAtPolicy is a policy, the firewall it means, and what is found out about both.
func lookAtPolicy(t *testing.T, cat *catalog.Catalog, inv *inventory.Inventory, raw []byte, files fstest.MapFS) (*policy.Policy, *ruleset.Ruleset, diag.List) {
	t.Helper()
	p, list := policy.Load(source.New("portolan.hcl", raw), nil)
	if p == nil {
		return nil, nil, list
	}
	listens, connects := cat.Names(cat.IDs()...)
	list = append(list, policy.Check(p, listens, connects)...)
	if list.Max() == diag.Error {
		return nil, nil, list
	}
	rules, found := compile.Ruleset(p, inv)
	list = append(list, found...)
	if to, ok := files["render"]; ok {
		backend, err := render.Find(strings.TrimSpace(string(to.Data)))
		if err != nil {
			t.Fatal(err)
		}
		_, found, err := backend.Forms[0].Files(rules, render.Header{Program: "portolan", Policy: "portolan.hcl"})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, found...)
	}
	return p, rules, list
}

// compare holds the text of list against the archive's file of that name, or writes it
// there.
func compare(t *testing.T, ar *txtar.Archive, name string, list diag.List) {
	t.Helper()
	var got bytes.Buffer
	if err := report.Text(&got, list, report.Options{}); err != nil {
		t.Fatal(err)
	}
	for i := range ar.Files {
		if ar.Files[i].Name != name {
			continue
		}
		if *update {
			ar.Files[i].Data = got.Bytes()
		} else if d := cmp.Diff(string(ar.Files[i].Data), got.String()); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		return
	}
	t.Errorf("the archive has no %s", name)
}

// TestPages holds the pages to one shape and to the rules they are about.
func TestPages(t *testing.T) {
	rules := map[string]lint.Rule{}
	for _, r := range lint.Rules {
		if r.Name == "" || r.Trouble == 0 || r.Severity == diag.Invalid || rules[r.Name].Name != "" {
			t.Errorf("rule %q is not whole", r.Name)
		}
		rules[r.Name] = r
		if _, ok := lint.Explain(r.Name); !ok {
			t.Errorf("%s has no page", r.Name)
		}
	}
	for _, name := range lint.Names() {
		page, ok := lint.Explain(name)
		r := rules[name]
		if !ok || r.Name == "" {
			t.Errorf("%s has a page and is no rule", name)
			continue
		}
		sentence := strings.ToUpper(r.Summary[:1]) + r.Summary[1:] + "."
		head := "# " + name + "\n\n" + sentence + "\n\nSeverity: " + r.Severity.String()
		if !strings.HasPrefix(page, head) {
			t.Errorf("%s does not begin with\n%s", name, head)
		}
		rest := page
		for _, part := range []string{"\n## Why\n", "\n## How to fix\n", "\n## Example\n", "\nPortolan says:\n", "[" + name + "]: "} {
			_, after, found := strings.Cut(rest, part)
			if !found {
				t.Errorf("%s: %q is missing or out of order", name, part)
			}
			rest = after
		}
	}
	for _, name := range []string{"", "no-such-rule", "../rules/port-overlap", "port-overlap.txtar"} {
		if page, ok := lint.Explain(name); ok || page != "" {
			t.Errorf("Explain(%q) = %q", name, page)
		}
	}
}
