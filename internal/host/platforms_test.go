package host

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"portolan/internal/port"
)

func TestShippedPlatforms(t *testing.T) {
	p := shipped(t)
	if ids := p.IDs(); !slices.IsSorted(ids) || len(ids) < 12 {
		t.Errorf("ids %v", ids)
	}
	for name, want := range map[string]string{
		"linux": "32768-60999", "linux-old": "32768-61000", "windows-server": "49152-65535", "windows": "49152-65535", "Windows-2003": "1025-5000",
		"freebsd": "10000-65535", "freebsd-old": "49152-65535", "openbsd": "1024-49151", "netbsd": "49152-65535", "macos": "49152-65535",
		"darwin": "49152-65535", "solaris": "32768-65535", "illumos": "32768-65535", "aix": "32768-65535", "hp-ux": "49152-65535", "z/OS": "1024-65535", "iana": "49152-65535",
	} {
		f, ok := p.Facts(name)
		if !ok || f.From != "built-in" || f.Title == "" || len(f.Ephemeral) != 4 {
			t.Errorf("%s: %v %+v", name, ok, f)
			continue
		}
		for _, proto := range port.Protos {
			if got := f.EphemeralPorts(proto).String(); got != want {
				t.Errorf("%s: %s %s, want %s", name, proto, got, want)
			}
		}
		for _, e := range f.Ephemeral {
			if !strings.HasPrefix(e.From, "built-in default, ") || !strings.Contains(e.From, "platforms.hcl:") || e.Setting == "" {
				t.Errorf("%s: %+v", name, e)
			}
		}
	}
	if f, ok := p.Facts("plan9"); ok || len(f.Ephemeral) > 0 || f.UnprivilegedStart != -1 {
		t.Errorf("plan9: %+v", f)
	}
	if f, _ := p.Facts("hp-ux"); !strings.Contains(f.Ephemeral[0].From, "unverified") {
		t.Errorf("hp-ux: %q does not say that it is unverified", f.Ephemeral[0].From)
	}
}

// TestFactsAreCopies holds that changing the facts of one host leaves the platform as
// it is.
func TestFactsAreCopies(t *testing.T) {
	p := shipped(t)
	f, _ := p.Facts("linux")
	f.replace(port.TCP, V4, found{ports: port.Single(1)})
	f.replace(port.UDP, V6)
	if again, _ := p.Facts("linux"); again.EphemeralPorts(port.TCP).Len() != 60999-32768+1 || len(again.Ephemeral) != 4 {
		t.Errorf("%+v", again)
	}
}

func TestLoadPlatformsReports(t *testing.T) {
	const whole = `platform "a" {
  title = "A"
  os = "x"
  evidence = "unverified"
  cites = []
  ephemeral {
    ports = "1-2"
    setting = "s"
  }
}
`
	for name, test := range map[string]struct{ text, want string }{
		"whole":              {whole, ""},
		"syntax":             {"platform {", "p.hcl:1: unclosed configuration block"},
		"unknown block":      {"plattform \"a\" {}\n", `p.hcl:1: a file of platforms has no block "plattform"; did you mean "platform"?`},
		"no name":            {strings.Replace(whole, `"a"`, "", 1), `p.hcl:1: the block platform needs exactly one name`},
		"unknown attribute":  {strings.Replace(whole, "title", "titel", 1), "p.hcl:2: the platform \"a\" has no attribute \"titel\"; did you mean \"title\"?\np.hcl:1: the platform \"a\" needs the attribute \"title\""},
		"twice":              {whole + whole, `p.hcl:11: the platform name "a" is already in use at p.hcl:1:10`},
		"an alias twice":     {whole + strings.Replace(strings.Replace(whole, `"a"`, `"b"`, 1), "os =", "aliases = [\"A\"]\n os =", 1), `p.hcl:11: the platform name "a" is already in use at p.hcl:1:10`},
		"ports":              {strings.Replace(whole, "1-2", "2-1", 1), `p.hcl:7: ports: port range "2-1" ends before it begins` + "\n" + `p.hcl:1: the platform "a" has no block ephemeral`},
		"ports of no string": {strings.Replace(whole, `"1-2"`, "5", 1), "p.hcl:7: ports is not a string\np.hcl:7: ports: \"\" is not a port number from 0 to 65535\np.hcl:1: the platform \"a\" has no block ephemeral"},
		"protocol":           {strings.Replace(whole, "ports =", "protocol = \"sctp\"\n    ports =", 1), "p.hcl:7: protocol \"sctp\" is not known: use tcp or udp, or leave it out for both\np.hcl:1: the platform \"a\" has no block ephemeral"},
		"range twice":        {strings.Replace(whole, "  ephemeral {", "  ephemeral {\n    protocol = \"tcp\"\n    family = \"ipv4\"\n    ports = \"5\"\n    setting = \"s\"\n  }\n  ephemeral {", 1), "p.hcl:12: tcp of IPv4 has a range already"},
		"evidence":           {strings.Replace(whole, "unverified", "sure", 1), "p.hcl:4: evidence \"sure\" is not known: use read, excerpt or unverified\np.hcl:5: the platform \"a\" cites nothing, so its evidence is unverified"},
		"privileged":         {strings.Replace(whole, "os =", "unprivileged_start = 70000\n  os =", 1), "p.hcl:3: unprivileged_start is not a port from 0 to 65535"},
		"variable":           {strings.Replace(whole, `"A"`, "x", 1), "p.hcl:2: variables not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			p, diags, err := LoadPlatforms(fstest.MapFS{"p.hcl": {Data: []byte(test.text)}}, "p.hcl")
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(told(diags), "broken-platforms error ", "")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if _, ok := p.Lookup("a"); ok != (test.want == "" || strings.Contains(name, "twice") && name != "range twice") {
				t.Errorf("the platform was read: %v", ok)
			}
		})
	}
	if _, _, err := LoadPlatforms(fstest.MapFS{}, "p.hcl"); err == nil {
		t.Error("want an error for a missing file")
	}
}

func FuzzLoadPlatforms(f *testing.F) {
	raw, err := os.ReadFile("../../policies/platforms.hcl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte("platform \"a\" {\n  ephemeral {\n    family = null\n  }\n}\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, _, err := LoadPlatforms(fstest.MapFS{"p": {Data: raw}}, "p")
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range p.IDs() {
			if facts, ok := p.Facts(id); !ok || len(facts.Ephemeral) == 0 {
				t.Fatalf("%q: %+v", id, facts)
			}
		}
	})
}

func BenchmarkLoadPlatforms(b *testing.B) {
	fsys := os.DirFS("../../policies")
	for b.Loop() {
		if _, _, err := LoadPlatforms(fsys, "platforms.hcl"); err != nil {
			b.Fatal(err)
		}
	}
}
