package policy

import (
	"strings"
	"testing"

	"portolan/internal/source"
)

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"etc/lumenvox/*", "etc/lumenvox/media_server.conf", true},
		{"etc/lumenvox/*", "hosts/a/etc/lumenvox/media_server.conf", true},
		{"etc/lumenvox/*", "/etc/lumenvox/media_server.conf", true},
		{"etc/lumenvox/*", "etc/lumenvox/sub/media_server.conf", false},
		{"etc/lumenvox/*", "etc/lumenvox", false},
		{"etc/lumenvox/*", "other/lumenvox/x", false},
		{"media_server.conf", "etc/lumenvox/media_server.conf", true},
		{"server.conf", "etc/lumenvox/media_server.conf", false},
		{"hosts/lab-*/etc/*/*.conf", "hosts/lab-1/etc/lumenvox/media_server.conf", true},
		{"hosts/lab-*/etc/*/*.conf", "hosts/ivr-1/etc/lumenvox/media_server.conf", false},
		{"hosts/lab-*/**", "hosts/lab-1/etc/lumenvox/media_server.conf", true},
		{"hosts/lab-*/**/*.xml", "hosts/lab-1/etc/lumenvox/media_server.conf", false},
		{"hosts/lab-*/**/*.conf", "hosts/lab-1/x.conf", true},
		{"**", "x", true},
		{"[a-c].conf", "etc/b.conf", true},
	} {
		i := Ignore{Files: []Word{{Text: "no/such"}, {Text: c.pattern}}}
		if got := i.Covers(c.name); got != c.want {
			t.Errorf("%s covers %s: %v", c.pattern, c.name, got)
		}
	}
	if i := (Ignore{}); !i.Covers("anything") || !i.Covers("") {
		t.Error("an ignore without files is for every file")
	}
	long := Ignore{Files: []Word{{Text: strings.Repeat("**/", maxText/3) + "x"}}}
	if long.Covers(strings.Repeat("a/", 4000) + "y") {
		t.Error("a pattern that matches nothing")
	}
}

func TestCheckIgnores(t *testing.T) {
	p := load(t, `ignore "port-overlap" {
  files    = ["etc/**"]
  services = ["lumenvox-mediaserver"]
  reason   = "the lab has one interface"
}
ignore "port-overlapp" { reason = "x" }
allow "ssh" { ports = ["22/tcp"] }
`)
	if len(p.Ignores) != 2 || p.Ignores[0].Reason != "the lab has one interface" || texts(p.Ignores[0].Services) != "lumenvox-mediaserver" {
		t.Fatalf("%+v", p.Ignores)
	}
	list := CheckIgnores(p, []string{"odd-rtp-base", "port-overlap"}, []string{"lumenvox-media-server", "sshd"})
	for i, want := range []struct{ words, help string }{
		{`there is no service "lumenvox-mediaserver"`, `did you mean "lumenvox-media-server"?`},
		{`there is no rule "port-overlapp"`, `did you mean "port-overlap"?`},
	} {
		if len(list) != 2 || list[i].Message != want.words || list[i].Help != want.help {
			t.Errorf("%d: %+v, want %s", i, list, want.words)
		}
	}
}

// TestManyIgnores bounds them.
func TestManyIgnores(t *testing.T) {
	_, list := Load(source.New("portolan.hcl", []byte(strings.Repeat("ignore \"x\" { reason = \"r\" }\n", MaxIgnores+1))), nil)
	if len(list) != 1 || list[0].Message != "more than 1000 ignores in one policy" {
		t.Errorf("%+v", list)
	}
}
