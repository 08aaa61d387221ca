package lint_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"

	"portolan/internal/diag"
	"portolan/internal/edit"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/source"
	"portolan/lint"
	"portolan/policies"
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
			if _, mended := edit.Safe(before); mended == 0 {
				continue
			}
			hosts++
			if wrong := mendAndLook(t, platforms, tree, before); wrong != "" {
				t.Errorf("%s, host %s: %s", name, folder, wrong)
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
	cat, err := ours()
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
		for rounds := 1; ; rounds++ { // one fix may make room for another
			if _, again := edit.Safe(after); again == 0 {
				break
			} else if rounds == maxRounds {
				t.Fatalf("%d fixes are left", again)
			}
			mend(t, tree, after)
			after, is = judge()
		}
		for _, r := range was.Reserved {
			if len(is.Reserved) == 0 || !r.Ports.Minus(is.Reserved[0].Ports).IsEmpty() {
				t.Fatalf("%s was reserved, and now %v", r.Ports, is.Reserved)
			}
		}
	})
}

// maxRounds is how often --fix goes on when one fix has made room for another.
const maxRounds = 5

// mendAndLook makes the safe fixes in the tree until none is left, and says what is wrong
// after one: a finding that was not there, or one too many.
func mendAndLook(t *testing.T, platforms host.Platforms, tree fstest.MapFS, first diag.List) string {
	t.Helper()
	before := first
	for range maxRounds {
		mended := mend(t, tree, before)
		after := look(t, platforms, tree)
		if len(after) > len(before)-mended {
			return fmt.Sprintf("%d findings, %d mended, %d left:%s", len(before), mended, len(after), messages(after))
		}
		for _, d := range after {
			if !slices.ContainsFunc(first, func(o diag.Diagnostic) bool {
				return o.Rule == d.Rule && o.Span.Name() == d.Span.Name() && (o.Span.Position().Line == d.Span.Position().Line || o.Message == d.Message)
			}) {
				return fmt.Sprintf("the fix brings %s: %s", d.Rule, d.Message)
			}
		}
		if _, again := edit.Safe(after); again == 0 {
			return ""
		}
		before = after
	}
	return "there is always a fix left:" + messages(before)
}

// messages are the findings in short, a line each.
func messages(l diag.List) string {
	var b strings.Builder
	for _, d := range l {
		b.WriteString("\n" + d.Message + "; " + d.Help)
	}
	return b.String()
}

// genHost is a Linux host with some services for calls, of which each number may be anything.
func genHost(t *rapid.T) fstest.MapFS {
	tree := fstest.MapFS{}
	write := func(name, format string, args ...any) {
		if len(tree) == 2 || rapid.IntRange(0, 3).Draw(t, name) > 0 { // the first one always
			tree[name] = &fstest.MapFile{Data: fmt.Appendf(nil, format, args...)}
		}
	}
	base := func(name string) int { // crowded, so that ranges meet
		return rapid.SampledFrom([]int{1020, 5060, 8001, 20000, 25000, 30000, 35000, 60000, 65000}).Draw(t, name) + rapid.IntRange(0, 300).Draw(t, "and")
	}
	size := rapid.SampledFrom([]int{2, 100, 401, 2000, 9000})
	first, last := rapid.IntRange(1024, 40000).Draw(t, "ephemeral"), rapid.IntRange(41000, 65535).Draw(t, "to")
	tree["etc/os-release"] = &fstest.MapFile{Data: []byte("ID=debian\n")}
	tree["proc/sys/net/ipv4/ip_local_port_range"] = &fstest.MapFile{Data: fmt.Appendf(nil, "%d\t%d\n", first, last)}
	write("etc/lumenvox/media_server.conf", "[GLOBAL]\nVERSION = 12.1.100\nrtp_server_port_base = %d\nmrcp_server_port_base = %d\nnum_channels = %d\nsip_port = %d\n",
		base("rtp"), base("mrcp"), size.Draw(t, "channels")/2, base("sip"))
	start := base("asterisk")
	write("etc/asterisk/rtp.conf", "[general]\nrtpstart=%d\nrtpend = %d ; the last\n", start, start+size.Draw(t, "calls"))
	start = base("rtpengine")
	write("etc/rtpengine/rtpengine.conf", "[rtpengine]\ninterface = %s\nport-min = %d\nport-max = %d\n",
		rapid.SampledFrom([]string{"any", "10.0.0.5", "10.0.0.6;10.0.0.7"}).Draw(t, "interface"), start, start+size.Draw(t, "streams"))
	start = base("coturn")
	write("etc/turnserver.conf", "listening-ip=10.0.0.5\nrelay-ip=10.0.0.5\nmin-port=%d\nmax-port=%d\n", start, start+size.Draw(t, "relays"))
	return tree
}

// TestFixesOfAnyHost makes the safe fixes of hosts that nobody thought of.
func TestFixesOfAnyHost(t *testing.T) {
	platforms, _, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
	if err != nil {
		t.Fatal(err)
	}
	fixed, left := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		tree := genHost(r)
		before := look(t, platforms, tree)
		_, mended := edit.Safe(before)
		if mended == 0 {
			left++
			return
		}
		fixed++
		if wrong := mendAndLook(t, platforms, tree, before); wrong != "" {
			for name, f := range tree {
				r.Logf("%s:\n%s", name, f.Data)
			}
			r.Fatal(wrong)
		}
	})
	if fixed < left {
		t.Errorf("%d hosts have a safe fix, %d have none", fixed, left)
	}
}
