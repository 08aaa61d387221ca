package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"

	"portolan/internal/catalog"
	"portolan/internal/compile"
	"portolan/internal/diag"
	"portolan/internal/draft"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/policies"
	"portolan/render"
)

// drafting holds drafts against what they promise.
type drafting struct {
	app     *app
	catalog *catalog.Catalog
}

func newDrafting(t *testing.T) *drafting {
	a := &app{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, getenv: func(string) string { return "" }}
	cat, err := a.catalogue(&input{})
	if err != nil {
		t.Fatal(err)
	}
	return &drafting{a, cat}
}

// root holds the draft for the host below dir against its promises. It is false where
// nothing is found.
func (d *drafting) root(t *testing.T, dir, services string) bool {
	in := input{root: dir, services: services}
	if services == "" {
		in.catalog = d.catalog
	}
	return d.read(t, &in, nil)
}

func (d *drafting) read(t *testing.T, in *input, paths []string) bool {
	found, err := d.app.read(context.Background(), in, paths, true)
	if errors.Is(err, inventory.ErrNothing) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	var facts *host.Facts
	if len(found.hosts) == 1 {
		facts = &found.hosts[0]
	}
	d.promises(t, found.catalog, found.inventory, facts)
	return true
}

// What init suggests for Windows beyond the built-in policy.
const remoteAccess = `
allow "remote-desktop" { ports = ["3389/tcp", "3389/udp"] }
allow "winrm" { ports = ["5985-5986/tcp"] }
`

// promises: a draft is the same each time, is formatted, loads and compiles without a word,
// opens what the built-in policy opens, and can be written for the firewalls of the host; and
// all that it suggests is right, together and one by one.
func (d *drafting) promises(t rapid.TB, cat *catalog.Catalog, inv *inventory.Inventory, facts *host.Facts) {
	t.Helper()
	text, err := draft.Policy("portolan test", inv, facts)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := draft.Policy("portolan test", inv, facts); !bytes.Equal(text, again) {
		t.Error("the draft is another one each time")
	}
	if want := hclwrite.Format(text); !bytes.Equal(want, text) {
		t.Errorf("the draft is not formatted:\n%s\nbut\n%s", text, want)
	}
	p, diags := checkPolicy(source.New("portolan.hcl", text), cat)
	if diags.Max() == diag.Error || len(diags) > 0 && len(p.Allows) > 0 { // without one it allows nothing, and says so
		t.Fatalf("%v\n%s", diags, text)
	}
	rules, diags := compile.Ruleset(p, inv)
	for _, f := range diags {
		t.Errorf("%s: %s\n%s", f.Span, f.Message, text)
	}
	builtin, err := fs.ReadFile(policies.FS, "default.hcl")
	if err != nil {
		t.Fatal(err)
	}
	windows := bytes.Contains(text, []byte("\nallow \"winrm\""))
	if windows {
		builtin = append(builtin, remoteAccess...)
	}
	want, _ := compile.Ruleset(load(t, cat, string(builtin), diag.Info), inv)
	quiet := *rules
	quiet.Input.Rules = slices.DeleteFunc(slices.Clone(rules.Input.Rules), func(r ruleset.Rule) bool { return r.Name == "log" })
	if c := ruleset.Equivalent(&quiet, want); c != nil {
		t.Errorf("%s\n%s", c.Words("the draft", "the built-in policy"), text)
	}
	d.written(t, rules, windows, string(text))
	d.suggestions(t, cat, inv, string(text), windows)
}

// written holds a ruleset against the firewalls of the host.
func (d *drafting) written(t rapid.TB, rules *ruleset.Ruleset, windows bool, text string) {
	t.Helper()
	backends := []string{"nftables", "iptables"}
	if windows {
		backends = []string{"windows"}
	}
	for _, name := range backends {
		backend, err := render.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, diags, err := prove(formJob{backend: backend, form: backend.Forms[0]}, rules, rules.Hash(), "the draft"); err != nil || len(diags) > 0 {
			t.Errorf("%s: %v, %v\n%s", name, diags, err, text)
		}
	}
}

// suggestions holds what stands as a comment in a draft against the language.
func (d *drafting) suggestions(t rapid.TB, cat *catalog.Catalog, inv *inventory.Inventory, text string, windows bool) {
	t.Helper()
	all, blocks := uncommented(text)
	p, diags := checkPolicy(source.New("portolan.hcl", []byte(all)), cat)
	if diags.Max() == diag.Error || len(diags) > 0 && len(p.Allows) > 0 {
		t.Fatalf("%v\n%s", diags, all)
	}
	if _, diags := compile.Ruleset(p, inv); diags.Max() > diag.Info {
		for _, f := range diags {
			// The allow with notrack may reach what another service has on the same ports.
			if !strings.Contains(f.Message, "reaches") {
				t.Errorf("%s: %s\n%s", f.Span, f.Message, all)
			}
		}
	}
	if p.Defaults.Output != ruleset.Drop || p.Defaults.NoIPv6.IsZero() || len(p.Denies) == 0 || len(p.Connects) < 2 {
		t.Errorf("not all was uncommented:\n%s", all)
	}
	for i := range p.Allows {
		a := &p.Allows[i]
		if windows && (a.Limit.Rate.Count > 0 || !a.NoTrack.IsZero() || a.Log.Count > 0) || windows && p.Defaults.Log.Count > 0 {
			t.Errorf("allow %q has what Windows cannot say:\n%s", a.Name.Text, all)
		}
	}
	rules, _ := compile.Ruleset(p, inv)
	d.written(t, rules, windows, all)
	var zones string
	for _, b := range blocks {
		if strings.HasPrefix(b, "zone ") {
			zones += b
		}
	}
	for _, b := range blocks {
		if !strings.HasPrefix(b, "zone ") {
			load(t, cat, zones+b, diag.Error)
		}
	}
}

// load loads a policy that has no finding of the severity or above.
func load(t rapid.TB, cat *catalog.Catalog, text string, none diag.Severity) *policy.Policy {
	t.Helper()
	p, diags := checkPolicy(source.New("portolan.hcl", []byte(text)), cat)
	if diags.Max() >= none && len(diags) > 0 {
		t.Fatalf("%v\n%s", diags, text)
	}
	return p
}

var (
	blockBegins = regexp.MustCompile(`^# (zone|allow|deny|connect) "[^"]+" \{`)
	lineInBlock = regexp.MustCompile(`^(  )# ([a-z0-9]+ +=)`)
)

// uncommented takes the comment away from all that is suggested. The blocks are those that
// were comments.
func uncommented(text string) (all string, blocks []string) {
	var out strings.Builder
	inside := false
	for line := range strings.Lines(text) {
		if blockBegins.MatchString(line) {
			inside = true
			blocks = append(blocks, "")
		}
		if !inside {
			out.WriteString(lineInBlock.ReplaceAllString(line, "$1$2"))
			continue
		}
		bare := strings.TrimPrefix(line, "# ")
		out.WriteString(bare)
		blocks[len(blocks)-1] += bare
		inside = !strings.HasSuffix(line, "}\n")
	}
	return out.String(), blocks
}

// TestDraftOfHosts holds drafts for whole hosts against their promises.
func TestDraftOfHosts(t *testing.T) {
	d := newDrafting(t)
	hosts, err := os.ReadDir("../../testdata/hosts")
	if err != nil || len(hosts) < 3 {
		t.Fatal(hosts, err)
	}
	for _, h := range hosts {
		t.Run(h.Name(), func(t *testing.T) {
			if !d.root(t, filepath.Join("../../testdata/hosts", h.Name()), "") {
				t.Error("nothing was found")
			}
		})
	}
	cases, err := filepath.Glob("../../testdata/cases/*.txtar")
	if err != nil || len(cases) < 15 {
		t.Fatal(cases, err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			unpack(t, ar, "host", filepath.Join(dir, "host"))
			unpack(t, ar, "services", filepath.Join(dir, "services"))
			services := filepath.Join(dir, "services")
			if _, err := os.Stat(services); err != nil {
				services = ""
			}
			if !d.root(t, filepath.Join(dir, "host"), services) {
				t.Skip("the case has no configuration of a known service")
			}
		})
	}
}

// TestDraftOfServices holds drafts for the samples of all descriptions against their promises.
func TestDraftOfServices(t *testing.T) {
	d := newDrafting(t)
	all, _ := d.catalog.All()
	drafts := 0
	for _, s := range all {
		for i := range s.Tests {
			test := &s.Tests[i]
			files := map[string]*source.File{}
			for role, text := range test.Files {
				files[role] = source.New(role, []byte(text))
			}
			inv, _, err := inventory.ReadFiles(s, files, test.Set)
			if err != nil {
				t.Fatal(s.ID, test.Name, err)
			}
			inv.OS = []string{"", "linux", "windows"}[drafts%3]
			drafts++
			d.promises(t, d.catalog, inv, nil)
		}
	}
	if drafts < 100 {
		t.Errorf("only %d samples", drafts)
	}
}

// TestDraftOfCorpus holds drafts for real configuration files, each alone, against their
// promises.
func TestDraftOfCorpus(t *testing.T) {
	root := corpus(t)
	d := newDrafting(t)
	drafts := 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && d.read(t, &input{catalog: d.catalog}, []string{path}) {
			drafts++
		}
		return err
	})
	if err != nil || drafts < 50 {
		t.Fatalf("%d drafts, %v", drafts, err)
	}
}

// TestDraftOfAnything holds drafts for listeners and connections of all kinds against their
// promises.
func TestDraftOfAnything(t *testing.T) {
	d := newDrafting(t)
	listens, connects := d.catalog.Names(d.catalog.IDs()...)
	f := source.New("etc/some.conf", []byte("one\ntwo\nthree\n"))
	rapid.Check(t, func(t *rapid.T) {
		inv := &inventory.Inventory{OS: rapid.SampledFrom([]string{"", "linux", "windows", "freebsd"}).Draw(t, "system")}
		ids := rapid.SliceOfNDistinct(rapid.SampledFrom(append(d.catalog.IDs(), "sshd", "sshd")), 1, 4, rapid.ID[string]).Draw(t, "services")
		slices.Sort(ids)
		inv.Found = ids
		for _, id := range ids {
			for range rapid.IntRange(0, 6).Draw(t, "claims") {
				first := rapid.Uint16Range(1, 60000).Draw(t, "first")
				c := inventory.Claim{
					Service: id, Purpose: "words", Proto: rapid.SampledFrom(port.Protos[:]).Draw(t, "protocol"),
					Ports: port.Range{First: first, Last: first + rapid.SampledFrom([]uint16{0, 0, 1, 99, 5000}).Draw(t, "more")},
					Span:  f.Span(4, 7), Pairs: rapid.Bool().Draw(t, "pairs"),
				}
				if rapid.IntRange(0, 9).Draw(t, "none") == 0 {
					c.Ports = port.Range{First: 1}
				}
				names, peer := listens[id], rapid.Bool().Draw(t, "outgoing") && len(connects[id]) > 0
				if peer {
					names = connects[id]
				}
				if len(names) == 0 {
					continue
				}
				c.Listen = rapid.SampledFrom(names).Draw(t, "listen")
				if peer {
					c.Direction = inventory.Connect
					c.Peer = rapid.SampledFrom([]string{"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.9", "127.0.0.1", "[::1]", "localhost", "0.0.0.0", "224.0.0.1", "fe80::1%eth0", "db.example", ""}).Draw(t, "peer")
				} else {
					c.Direction = inventory.Listen
					c.Exposure = rapid.SampledFrom(inventory.Exposures[:]).Draw(t, "exposure")
					c.Bind = rapid.SliceOfN(rapid.SampledFrom([]string{"*", "0.0.0.0", "::", "127.0.0.1", "::1", "localhost", "192.0.2.1", "2001:db8::1", "sip.example"}), 1, 2).Draw(t, "bind")
				}
				inv.Claims = append(inv.Claims, c)
			}
		}
		facts := &host.Facts{Platform: inv.OS}
		for range rapid.IntRange(0, 3).Draw(t, "listeners") {
			facts.Listeners = append(facts.Listeners, host.Listener{Proto: port.TCP, Port: rapid.Uint16Min(1).Draw(t, "open"), Process: "x", From: "proc/net/tcp"})
		}
		d.promises(t, d.catalog, inv, facts)
	})
}

// TestDraftIsNotFooled gives the drafts names and texts that try to be more than comments.
func TestDraftIsNotFooled(t *testing.T) {
	d := newDrafting(t)
	evil := []string{
		"x\n}\nallow \"all\" { ports = [\"1-65535/tcp\"] }\n", "a\r\nallow \"b\" {}", "\"${evil}%{if}\"", "*/ allow", "/* <<EOT",
		"\u202egnp.exe\u2066", "a\u2028b\u0085c", "\x00\x1b[2J\xff\xfe", strings.Repeat("long/", 2000), "e\u0301\u200d", "# allow \"x\" {", "",
	}
	inv := &inventory.Inventory{OS: "linux", Found: []string{"sshd"}}
	facts := &host.Facts{Platform: "linux"}
	for i, text := range evil {
		f := source.New(text, []byte("port = 5060\n"))
		inv.Files = append(inv.Files, inventory.File{Name: text, Service: "freeswitch", Status: []inventory.Status{inventory.Whole, inventory.Partial, inventory.Unreadable}[i%3]})
		for k, e := range inventory.Exposures {
			c := inventory.Claim{
				Service: "freeswitch-sofia", Instance: text, Listen: "sip", Purpose: text, Direction: inventory.Listen, Proto: 6,
				Bind: []string{text}, Exposure: e, Origin: inventory.Config, Span: f.Span(7, 11), Advertised: []inventory.Word{{Text: text}},
			}
			c.Ports.First, c.Ports.Last = uint16(5000+10*i+k), uint16(5000+10*i+k)
			inv.Claims = append(inv.Claims, c)
			c.Direction, c.Bind, c.Peer, c.Exposure = inventory.Connect, nil, text, ""
			c.Listen = "gateway"
			inv.Claims = append(inv.Claims, c)
		}
		facts.Listeners = append(facts.Listeners, host.Listener{Proto: 6, Port: uint16(9000 + i), Process: text, From: text})
	}
	text, err := draft.Policy("portolan test", inv, facts)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\x00\x1b\u202e\u2066\u2028\u0085\n") {
			t.Errorf("%q", line)
		}
		if len(line) > 2000 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	p := load(t, d.catalog, string(text), diag.Info)
	for _, a := range p.Allows {
		if a.Name.Text != "freeswitch-sofia" && a.Name.Text != "ssh" {
			t.Errorf("an allow %q", a.Name.Text)
		}
	}
	// Nothing of this is known to the catalogue, and no listener of it stands in the policy.
	inv.Claims[0].Listen = evil[2]
	if text, err = draft.Policy("portolan test", inv, facts); err != nil {
		t.Fatal(err)
	}
	load(t, d.catalog, string(text), diag.Info)
}

// TestDraftIsBounded: however much is found, a draft is a policy.
func TestDraftIsBounded(t *testing.T) {
	d := newDrafting(t)
	inv := &inventory.Inventory{OS: "linux"}
	f := source.New(strings.Repeat("very-long-name/", 20), []byte("x"))
	for _, id := range d.catalog.IDs() {
		for n := range 200 {
			c := inventory.Claim{Service: id, Listen: "sip", Purpose: strings.Repeat("p", 300), Direction: inventory.Listen, Proto: 17, Bind: []string{"*"}, Exposure: inventory.Public, Span: f.Span(0, 1)}
			c.Ports.First, c.Ports.Last = uint16(1000+n), uint16(1000+n)
			inv.Claims = append(inv.Claims, c)
		}
	}
	text, err := draft.Policy("portolan test", inv, nil)
	if err != nil || len(text) > policy.MaxSize {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	if p, diags := policy.Load(source.New("x.hcl", text), nil); p == nil {
		t.Error(diags)
	}
}
