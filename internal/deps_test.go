package internal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// imports is the plan of the house: each package, on its floor, and the packages of ours
// that it may import. An edge that is not here is a decision nobody made: make it in
// docs/architecture.md and here, or find the package that the code belongs to. Imports go
// down only; packages on one floor do not know each other.
//
// A missing edge fails, and so does one that nobody uses any more.
const imports = `
floor 0: values
internal/addr
internal/netlink
internal/parallel
internal/port
internal/source
templates
services
policies

floor 1: words
internal/diag:       port source
internal/ruleset:    addr parallel port source

floor 2: languages
internal/hclfile:    diag source
internal/conf:       diag source
internal/report:     diag source
internal/metrics
internal/edit:       diag source
internal/solve:      port
internal/nft:        addr port ruleset

floor 3: what is known
internal/catalog:    conf diag hclfile parallel port source
internal/history:    addr nft port ruleset
internal/host:       addr diag hclfile port source
internal/neighbour:  netlink port ruleset
internal/policy:     addr diag hclfile port ruleset source
internal/session:    addr netlink port ruleset

floor 4: what is claimed
internal/inventory:  catalog conf diag hclfile parallel port source

floor 5: what follows
lint:                addr diag host inventory policy port ruleset solve source
internal/chart:      diag host inventory port report source
internal/compile:    addr diag inventory policy port ruleset source
internal/draft:      host inventory policy port report source
internal/ignore:     diag hclfile inventory policy source

floor 6: firewalls and pictures
render:              addr diag nft port ruleset templates
internal/verify:     addr netlink port ruleset source
internal/apply:      addr netlink nft port ruleset
internal/draw:       chart diag port report templates

floor 7: the front door
cmd/portolan:        addr apply catalog chart compile diag draft draw edit hclfile history host ignore inventory lint metrics neighbour netlink nft parallel policies policy port render report ruleset services session source verify

beside the house, for tests
internal/browser
internal/kernel:     port ruleset
internal/quoted

beside the house, above all that
internal/truth:      inventory kernel port
internal/pilot
`

// house reads the plan: what each package may import, and the floor it is on.
func house(t *testing.T) (allowed map[string][]string, floor map[string]int) {
	t.Helper()
	allowed, floor = map[string][]string{}, map[string]int{}
	level := 0
	for line := range strings.SplitSeq(strings.TrimSpace(imports), "\n") {
		switch {
		case line == "":
		case strings.HasPrefix(line, "floor "), strings.HasPrefix(line, "beside "):
			level++
		default:
			name, list, _ := strings.Cut(line, ":")
			allowed[name] = strings.Fields(list)
			floor[name] = level
		}
	}
	short := map[string]string{}
	for name := range allowed {
		short[name[strings.LastIndex(name, "/")+1:]] = name
	}
	for name, list := range allowed {
		for i, s := range list {
			full, ok := short[s]
			if !ok {
				t.Fatalf("the plan of %s names %q, which is no package", name, s)
			}
			if floor[full] >= floor[name] {
				t.Errorf("%s is not above %s", name, full)
			}
			list[i] = full
		}
		slices.Sort(list)
	}
	return allowed, floor
}

// TestImports holds the code against the plan on every system we build for.
func TestImports(t *testing.T) {
	allowed, _ := house(t)
	used := map[string]map[string]bool{}
	for _, system := range []string{"linux", "windows", "freebsd", "darwin"} {
		for name, list := range packages(t, system) {
			may, known := allowed[name]
			if !known {
				t.Errorf("%s: package %s is not in the plan", system, name)
				continue
			}
			if used[name] == nil {
				used[name] = map[string]bool{}
			}
			for _, imported := range list {
				used[name][imported] = true
				if !slices.Contains(may, imported) {
					t.Errorf("%s: %s imports %s, which is not in the plan", system, name, imported)
				}
			}
		}
	}
	for name, list := range allowed {
		if used[name] == nil {
			t.Errorf("the plan has %s, which does not exist", name)
			continue
		}
		for _, imported := range list {
			if !used[name][imported] {
				t.Errorf("the plan lets %s import %s, and it does not", name, imported)
			}
		}
	}
}

// TestWitnessesAreIndependent keeps the reader of firewalls from sharing anything with
// their writer: what checks must not share the misunderstanding.
func TestWitnessesAreIndependent(t *testing.T) {
	allowed, _ := house(t)
	for _, writer := range []string{"render", "templates"} {
		if slices.Contains(allowed["internal/verify"], writer) {
			t.Errorf("internal/verify may import %s", writer)
		}
	}
}

// packages are the packages of the module with those of ours that they import.
func packages(t *testing.T, system string) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,GoFiles,Error", "portolan/...")
	cmd.Env = append(cmd.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list for %s: %v\n%s", system, err, stderr.String())
	}
	list := map[string][]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
			GoFiles    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) == 0 { // nothing but tests, or nothing on this system
			continue
		}
		ours := []string{}
		for _, i := range p.Imports {
			if name, ok := strings.CutPrefix(i, "portolan/"); ok {
				ours = append(ours, name)
			}
		}
		list[strings.TrimPrefix(p.ImportPath, "portolan/")] = ours
	}
	if len(list) == 0 {
		t.Fatalf("go list for %s found no package", system)
	}
	return list
}
