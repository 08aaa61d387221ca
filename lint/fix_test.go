package lint_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"

	"portolan/internal/catalog"
	"portolan/internal/diag"
	"portolan/internal/edit"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/source"
	"portolan/lint"
	"portolan/policies"
	"portolan/services"
)

// TestFixes makes the safe fixes of every host in the archives: each silences its finding,
// none brings another, and there is nothing left to fix.
func TestFixes(t *testing.T) {
	platforms, _, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
	if err != nil {
		t.Fatal(err)
	}
	hosts := 0
	for _, name := range lint.Names() {
		ar, err := txtar.ParseFile(filepath.Join("rules", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		for _, folder := range []string{"fires", "silent"} {
			tree := files(t, ar, folder)
			before := look(t, platforms, tree)
			mended := mend(t, tree, before)
			if mended == 0 {
				continue
			}
			hosts++
			after := look(t, platforms, tree)
			if len(after) > len(before)-mended {
				t.Errorf("%s, host %s: %d findings, %d mended, %d left: %+v", name, folder, len(before), mended, len(after), after)
			}
			for _, d := range after {
				if !slices.ContainsFunc(before, func(o diag.Diagnostic) bool { return o.Rule == d.Rule && o.Span.Name() == d.Span.Name() }) {
					t.Errorf("%s, host %s: the fix brings %s: %s", name, folder, d.Rule, d.Message)
				}
			}
			if _, again := edit.Safe(after); again > 0 {
				t.Errorf("%s, host %s: %d fixes are left", name, folder, again)
			}
		}
	}
	if hosts < 3 {
		t.Errorf("%d hosts have a safe fix", hosts)
	}
}

// mend makes the safe fixes of list in the files of a host and says how many findings they
// are for.
func mend(t fataler, tree fstest.MapFS, list diag.List) int {
	t.Helper()
	changes, mended := edit.Safe(list)
	for i := range changes {
		c := &changes[i]
		old := &fstest.MapFile{}
		if !c.Creates() {
			old = tree[c.File.Path]
		} else if tree[c.File.Path] != nil {
			t.Fatalf("%s is there already", c.File.Path)
		}
		raw, err := c.Bytes(old.Data)
		if err != nil {
			t.Fatal(err)
		}
		tree[c.File.Path] = &fstest.MapFile{Data: raw}
	}
	return mended
}

// fataler is a test of either kind.
type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// TestReservationsHold reserves ports on hosts whose lists stand in any files: what is mended
// is gone, nothing that was reserved is lost, and a second run has nothing to do.
func TestReservationsHold(t *testing.T) {
	platforms, _, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
	if err != nil {
		t.Fatal(err)
	}
	cat, _, err := catalog.Load(services.FS)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		tree := fstest.MapFS{"etc/os-release": {Data: []byte("ID=debian\n")}}
		eol := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "line end")
		for _, name := range []string{"etc/sysctl.d/10-a.conf", "etc/sysctl.d/70-b.conf", "usr/lib/sysctl.d/50-c.conf", "usr/lib/sysctl.d/65-d.conf", "etc/sysctl.conf"} {
			var text string
			if rapid.Bool().Draw(t, name) {
				list := rapid.SampledFrom([]string{"", "8080", "35000-35199", "40000,40002-40010,50000", "7590-7600"}).Draw(t, "list")
				text = "net.ipv4.ip_local_reserved_ports =" + rapid.SampledFrom([]string{"", " "}).Draw(t, "blank") + list + eol
			}
			if name == "etc/sysctl.d/10-a.conf" {
				text += "net.ipv4.ip_local_port_range = " + rapid.SampledFrom([]string{"32768 60999", "1024 65535", "9000 65500", "20000 29999"}).Draw(t, "range")
			}
			if text != "" {
				tree[name] = &fstest.MapFile{Data: []byte(text)}
			}
		}
		var conf strings.Builder
		conf.WriteString("[GLOBAL]" + eol + "VERSION = 11.3.100" + eol)
		for _, key := range []string{"mrcp_server_port_base", "rtp_server_port_base", "sip_port", "messaging_port"} {
			if n := rapid.SampledFrom([]string{"", "default", "5060", "20000", "35000", "40001", "64000"}).Draw(t, key); n != "" {
				conf.WriteString(key + " = " + n + eol)
			}
		}
		tree["etc/lumenvox/media_server.conf"] = &fstest.MapFile{Data: []byte(conf.String())}
		judge := func() (diag.List, host.Facts) {
			tr := source.NewTree(tree)
			inv, _, err := inventory.Read(cat, tr, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			facts, _, err := host.Load(tr, platforms)
			if err != nil {
				t.Fatal(err)
			}
			return lint.Run(inv, []host.Facts{facts}, lint.Options{}), facts
		}
		before, was := judge()
		mended := mend(t, tree, before)
		after, is := judge()
		if len(after) > len(before)-mended {
			t.Fatalf("%d findings, %d mended, %d left\n%s", len(before), mended, len(after), conf.String())
		}
		// A range at an odd port may find a place only among the ports that are reserved now.
		left := slices.DeleteFunc(after, func(d diag.Diagnostic) bool { return d.Rule == "odd-rtp-base" })
		if _, again := edit.Safe(left); again > 0 {
			t.Fatalf("%d fixes are left", again)
		}
		for _, r := range was.Reserved {
			if len(is.Reserved) == 0 || !r.Ports.Minus(is.Reserved[0].Ports).IsEmpty() {
				t.Fatalf("%s was reserved, and now %v", r.Ports, is.Reserved)
			}
		}
	})
}
