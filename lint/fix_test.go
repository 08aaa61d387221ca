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
			if wrong := mend(t, platforms, tree, before); wrong != "" {
				t.Errorf("%s, host %s: %s", name, folder, wrong)
			}
		}
	}
	if hosts < 3 {
		t.Errorf("%d hosts have a safe fix", hosts)
	}
}

// mend makes the safe fixes of before in the tree, and says what is wrong after it: a finding
// that was not there, one too many, or a fix that is left.
func mend(t *testing.T, platforms host.Platforms, tree fstest.MapFS, before diag.List) string {
	t.Helper()
	changes, mended := edit.Safe(before)
	for i := range changes {
		c := &changes[i]
		raw, err := c.Bytes(tree[c.File.Path].Data)
		if err != nil {
			t.Fatal(err)
		}
		tree[c.File.Path].Data = raw
	}
	after := look(t, platforms, tree)
	if len(after) > len(before)-mended {
		return fmt.Sprintf("%d findings, %d mended, %d left:%s", len(before), mended, len(after), messages(after))
	}
	for _, d := range after {
		if !slices.ContainsFunc(before, func(o diag.Diagnostic) bool {
			return o.Rule == d.Rule && o.Span.Name() == d.Span.Name() && o.Span.Position().Line == d.Span.Position().Line
		}) {
			return fmt.Sprintf("the fix brings %s: %s", d.Rule, d.Message)
		}
	}
	if _, again := edit.Safe(after); again > 0 {
		return fmt.Sprintf("%d fixes are left:%s", again, messages(after))
	}
	return ""
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
		if wrong := mend(t, platforms, tree, before); wrong != "" {
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
