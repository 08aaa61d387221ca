package render

import (
	"path/filepath"
	"testing"

	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// outboundHost is plainHost on which what leaves is filtered too.
func outboundHost() *ruleset.Ruleset {
	rs := plainHost()
	media := service("media", "lumenvox-media-server rtp etc/lumenvox/media_server.conf:36", port.UDP, "0-65535", sources("10.20.0.0/16", "2001:db8:20::/48"))
	media.Match.SourcePorts = port.Of(port.Range{First: 25000, Last: 25399})
	rs.Output = ruleset.Chain{Default: ruleset.Drop, Rules: append(builtin(),
		service("dns", "resolver", port.UDP, "53", sources("10.1.0.53")),
		service("dns", "resolver", port.TCP, "53", sources("10.1.0.53")),
		service("licence", "lumenvox-license-server", port.TCP, "7569", sources("10.1.0.0/24")),
		media,
	)}
	ntp := service("ntp", "chrony", port.UDP, "123", sources("10.1.0.1"))
	ntp.Match.SourcePorts = port.Of(port.Single(123))
	rs.Input.Rules = append(rs.Input.Rules, ntp)
	return rs
}

// TestWindowsGolden holds every form against files, and proves the files.
func TestWindowsGolden(t *testing.T) {
	for name, rs := range map[string]*ruleset.Ruleset{"windows-plain": plainHost(), "windows-outbound": outboundHost()} {
		for _, f := range windowsForms(t) {
			out, refused := proveWindows(t, f, rs)
			if refused != "" {
				t.Fatalf("%s: %s", f.Name, refused)
			}
			var files []Output
			for _, o := range out {
				path := filepath.Join("..", "testdata", "golden", name, o.Name)
				if name == "windows-plain" && o.Name == "portolan.ps1" {
					path = filepath.Join("..", "testdata", "golden", "plain", o.Name)
				}
				data := golden(t, path, o.Data)
				if !o.Aside {
					files = append(files, Output{Name: o.Name, Data: data})
				}
			}
			back, err := readBack("windows", files)
			if err != nil {
				t.Fatal(err)
			}
			if c := ruleset.Equivalent(rs, back); c != nil {
				t.Errorf("%s: %s", f.Name, c.Words("the ruleset", "the golden file"))
			}
		}
	}
}
