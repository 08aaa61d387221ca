package lint_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"

	"portolan/internal/host"
	"portolan/lint"
	"portolan/policies"
)

// folder is the files below a folder.
func folder(t *testing.T, root string) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	tree := os.DirFS(root)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(tree, name)
		out[name] = &fstest.MapFile{Data: raw}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// proposed is a proposal in words, a line each.
func proposed(l looked, p lint.Proposal) string {
	var b strings.Builder
	for _, m := range p.Moves {
		c := &l.inventory.Claims[m.Claim]
		fmt.Fprintf(&b, "%s.%s %s %s to %s\n", c.Service, c.Listen, c.Proto, c.Ports, m.To)
	}
	for _, list := range p.Reserve {
		if !list.IsEmpty() {
			fmt.Fprintf(&b, "reserve %s\n", list)
		}
	}
	return b.String()
}

// TestProposals is what is proposed for the hosts that come with the program, and for those
// on which something happened to people.
func TestProposals(t *testing.T) {
	platforms, _, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[string]fstest.MapFS{}
	for _, name := range []string{"ivr-01", "media-02", "win-ivr"} {
		hosts[name] = folder(t, filepath.Join("../testdata/hosts", name))
	}
	cases, err := filepath.Glob("../testdata/cases/*.txtar")
	if err != nil || len(cases) < 15 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, name := range cases {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tree := files(t, ar, "host")
		for _, f := range ar.Files {
			if strings.HasPrefix(f.Name, "services/") {
				tree[f.Name] = &fstest.MapFile{Data: f.Data}
			}
		}
		hosts[strings.TrimSuffix(filepath.Base(name), ".txtar")] = tree
	}
	want := map[string]string{
		"ivr-01":   "lumenvox-manager.manager tcp 7590 to 7591\nlumenvox-media-server.rtp udp 35000-35799 to 25000-25799\n",
		"media-02": "",
		"win-ivr":  "lumenvox-media-server.rtp udp 25000-25399 to 15000-15399\n",

		"autosync-155":              "autosync.service tcp 54338 to 45000\n",
		"cilium-10261":              "",
		"freeswitch-1987":           "reserve 10000-49999\n",
		"kops-6342":                 "reserve 30000-32767\n",
		"lumenvox-11":               "lumenvox-media-server.mrcp tcp 30000-32999 to 25000-27999\nlumenvox-media-server.rtp udp 35000-37999 to 20000-22999\n",
		"lumenvox-compose":          "",
		"lumenvox-enabled":          "",
		"lumenvox-exchange":         "lumenvox-media-server.rtp udp 25000-25399 to 4000-4399\n",
		"lumenvox-manager":          "",
		"lumenvox-oracle":           "lumenvox-media-server.mrcp tcp 20000-20399 to 8000-8399\nlumenvox-media-server.rtp udp 25000-25399 to 7000-7399\n",
		"lumenvox-reserved-in-part": "lumenvox-media-server.rtp udp 35000-35399 to 30000-30399\n",
		"rtpengine-1173":            "",
		"rtpengine-352":             "",
		"siphon-ai-504":             "reserve 41000-45000\n",
		"stellar-core-676":          "reserve 39132\n",
		"tuning-guides":             "reserve 5432,6379\n",
		"unimrcp-182":               "unimrcpserver.rtp udp 5101-5112 to 5100-5111\n",
		"winnat-5306":               "lumenvox-media-server.rtp udp 25000-25399 to 15000-15399\n",
	}
	for name, tree := range hosts {
		l := lookAll(t, platforms, tree)
		p, wrong := lint.ProposalFault(l.inventory, []host.Facts{l.facts}, lint.Options{})
		if wrong != "" {
			t.Errorf("%s: %s", name, wrong)
		}
		got := proposed(l, p)
		if w, ok := want[name]; !ok || got != w {
			t.Errorf("%s: proposed\n%swant\n%s", name, got, w)
		}
	}
	if len(hosts) != len(want) {
		t.Errorf("%d hosts, of which %d are wanted", len(hosts), len(want))
	}
}

// TestProposalsOfArchives holds what is proposed for the hosts of all rules.
func TestProposalsOfArchives(t *testing.T) {
	platforms, _, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
	if err != nil {
		t.Fatal(err)
	}
	moves := 0
	for _, name := range lint.Names() {
		ar, err := txtar.ParseFile(filepath.Join("rules", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		for _, which := range []string{"fires", "silent"} {
			l := lookAll(t, platforms, files(t, ar, which))
			if l.inventory == nil {
				continue
			}
			p, wrong := lint.ProposalFault(l.inventory, []host.Facts{l.facts}, lint.Options{})
			if wrong != "" {
				t.Errorf("%s %s: %s", name, which, wrong)
			}
			moves += len(p.Moves)
		}
	}
	if moves < 10 {
		t.Errorf("%d moves", moves)
	}
}

// TestProposalsOfAnyHost holds what is proposed for hosts that nobody thought of, judged by
// themselves and for several platforms.
func TestProposalsOfAnyHost(t *testing.T) {
	platforms, _, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
	if err != nil {
		t.Fatal(err)
	}
	moves := 0
	rapid.Check(t, func(r *rapid.T) {
		tree := genHost(r)
		l := lookAll(t, platforms, tree)
		hosts := []host.Facts{l.facts}
		for _, id := range []string{"freebsd", "windows-server"} {
			if f, ok := platforms.Facts(id); ok && rapid.Bool().Draw(r, id) {
				hosts = append(hosts, f)
			}
		}
		p, wrong := lint.ProposalFault(l.inventory, hosts, lint.Options{Supported: len(hosts) > 1})
		if wrong != "" {
			for name, f := range tree {
				r.Logf("%s:\n%s", name, f.Data)
			}
			r.Fatal(wrong)
		}
		moves += len(p.Moves)
	})
	if moves < 50 {
		t.Errorf("%d moves", moves)
	}
}
