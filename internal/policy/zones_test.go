package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portolan/internal/addr"
	"portolan/internal/diag"
	"portolan/internal/source"
)

// folder opens the given files.
func folder(files map[string]string) Opener {
	return func(name string) (*source.File, error) {
		text, ok := files[name]
		if !ok {
			return nil, errors.New(name + ": no such file")
		}
		return source.New(name, []byte(text)), nil
	}
}

func TestZones(t *testing.T) {
	p, list := Load(source.New("portolan.hcl", []byte(`
zone "all" {
  sources = [zone.office, zone.peers, "192.0.2.7"]
  except  = [zone.guests, "10.2.0.9"]
}
zone "office" { sources = ["10.1.0.0/24"] }
zone "guests" { sources = ["10.1.0.128/25"] }
zone "peers" {
  sources = ["2001:db8::/32"]
  files   = ["peers.txt", "more.txt"]
  except  = ["10.2.0.2"]
}
zone "again" { files = ["peers.txt"] }
allow "a" {
  from   = [zone.all, "198.51.100.0/24"]
  except = ["198.51.100.9", zone.office]
}
deny "b" { except = ["10.0.0.0/8"] }
connect "c" { to = [zone.office] }
`)), folder(map[string]string{
		"peers.txt": "\ufeff# peers\r\n10.2.0.1-10.2.0.3\r\n\r\n  10.2.0.8/30 ; a block\r\n",
		"more.txt":  "10.3.0.0/16",
	}))
	if p == nil {
		t.Fatalf("%+v", list)
	}
	for i, want := range []string{
		"[10.1.0.0-10.1.0.127 10.2.0.1 10.2.0.3 10.2.0.8 10.2.0.10-10.2.0.11 10.3.0.0-10.3.255.255 192.0.2.7 2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]",
		"[10.1.0.0-10.1.0.255]",
		"[10.1.0.128-10.1.0.255]",
		"[10.2.0.1 10.2.0.3 10.2.0.8-10.2.0.11 10.3.0.0-10.3.255.255 2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]",
		"[10.2.0.1-10.2.0.3 10.2.0.8-10.2.0.11]",
	} {
		if got := fmt.Sprint(p.Zones[i].Sources.Ranges()); got != want {
			t.Errorf("zone %q\n got %s\nwant %s", p.Zones[i].Name.Text, got, want)
		}
	}
	if s := p.Allows[0].Sources; s.Contains(netip.MustParseAddr("198.51.100.9")) || s.Contains(netip.MustParseAddr("10.1.0.1")) || !s.Contains(netip.MustParseAddr("198.51.100.8")) {
		t.Errorf("allow a is from %s", s)
	}
	if s := p.Denies[0].Sources; s.Contains(netip.MustParseAddr("10.1.2.3")) || !s.Contains(netip.MustParseAddr("::1")) {
		t.Errorf("deny b is from %s", s)
	}
	if len(p.Files) != 2 || p.Files[0].Name != "peers.txt" || p.Files[1].Name != "more.txt" {
		t.Errorf("files %+v", p.Files)
	}
	if texts(p.Allows[0].From) != "all 198.51.100.0/24" || p.Connects[0].Peers.Equal(addr.All()) {
		t.Errorf("%+v", p.Allows[0])
	}
}

// TestFilesOfAddresses holds what is said of a file, and where: in the file for its text, and
// at its name for the file as a whole.
func TestFilesOfAddresses(t *testing.T) {
	wrong := "is not an address, a prefix such as 10.0.0.0/8, or a range"
	for _, c := range []struct {
		file string
		want []string
	}{
		{"10.0.0.1\n", nil},
		{"10.0.0.1", nil},
		{"\n\r\n# none\n", []string{`portolan.hcl:1:22: x holds no address`}},
		{"", []string{`portolan.hcl:1:22: x holds no address`}},
		{"10.0.0.1\n10.0.0.1/8", []string{`x:2:1: "10.0.0.1/8" has bits set behind the prefix length: write 10.0.0.0/8 for the network or 10.0.0.1 for the one address`}},
		{"  pbx.example # ours\n10.0.0.1", []string{`x:1:3: "pbx.example" ` + wrong}},
		{"10.0.0.1 10.0.0.2", []string{`x:1:1: "10.0.0.1 10.0.0.2" ` + wrong}},
		{"10.0.0.1-10.0.0.9" + strings.Repeat(" ", 99) + "x", []string{`x:1:1: "10.0.0.1-10.0.0.9` + strings.Repeat(" ", 23) + `"... is longer than an address`}},
		{"a\nb\nc\nd\n", []string{`x:1:1: "a" ` + wrong, `x:2:1: "b" ` + wrong, `x:3:1: "c" ` + wrong}},
		{"\x7fELF\x01\x00\n10.0.0.1", []string{`portolan.hcl:1:22: x is not text`}},
		{"\xff\xfe1\x000\x00.\x000\x00.\x000\x00.\x001\x00", nil}, // UTF-16, from a shell of Windows
		{"10.0.0.1\r10.0.0.2", []string{`x:1:1: "10.0.0.1\r10.0.0.2" ` + wrong}},
		{strings.Repeat("#", MaxFileSize+1), []string{`portolan.hcl:1:22: x is larger than 8 MiB, the most that a file of addresses may have`}},
	} {
		p, list := Load(source.New("portolan.hcl", []byte("zone \"a\" { files = [\"x\"] }\nallow \"b\" { from = [zone.a] }")), folder(map[string]string{"x": c.file}))
		var got []string
		for _, d := range list {
			got = append(got, d.Span.String()+": "+d.Message)
		}
		if strings.Join(got, "\n") != strings.Join(c.want, "\n") || (p == nil) != (len(c.want) > 0) {
			t.Errorf("%.40q:\n got %q\nwant %q", c.file, got, c.want)
		}
	}
	_, list := Load(source.New("portolan.hcl", []byte(`zone "a" { files = ["y"] }`)), folder(nil))
	if len(list) != 1 || list[0].Message != "y: no such file" || list[0].Span.Text() != "y" {
		t.Errorf("%+v", list)
	}
}

// TestNoEffect holds what is right and does nothing.
func TestNoEffect(t *testing.T) {
	const drop = "default { output = \"drop\" }\n"
	for _, c := range []struct{ in, want string }{
		{`connect "«x»" {}` + "\n" + `allow "a" {}`, `connect "x" has no effect: everything that the host sends may leave`},
		{"allow \"a\" {}\ndeny \"«x»\" { ports = [\"1/tcp\"] }", `deny "x" has no effect: no allow stands below it`},
		{"allow \"a\" {\n from = [\"10.0.0.0/8\"]\n except = [\"«11.0.0.1»\"]\n}", `the exception "11.0.0.1" takes nothing away from allow "a"`},
		{"zone \"z\" {\n sources = [\"10.0.0.0/8\"]\n except = [\"«::1»\"]\n}\nallow \"a\" { from = [zone.z] }", `the exception "::1" takes nothing away from zone "z"`},
		{"zone \"y\" { sources = [\"::1\"] }\nzone \"z\" {\n sources = [\"10.0.0.0/8\"]\n except = [zone.y]\n}\nallow \"a\" { from = [zone.z] }", ``},
		{drop + `connect "x" {}` + "\n" + `allow "a" {}`, ``},
		{"allow \"a\" {}\ndeny \"x\" {\n ports = [\"1/tcp\"]\n log = \"1/second\"\n}", ``},
		{"default { input = \"additive\" }\ndeny \"x\" { ports = [\"1/tcp\"] }", ``},
	} {
		text, span := unmark(c.in)
		p, list := Load(source.New("portolan.hcl", []byte(text)), nil)
		switch {
		case p == nil:
			t.Errorf("%s: %+v", c.in, list)
		case c.want == "" && len(list) == 0:
		case len(list) != 1 || list[0].Message != c.want || list[0].Severity != diag.Warning || [2]int{list[0].Span.Start, list[0].Span.End} != span:
			t.Errorf("%s: %+v", c.in, list)
		}
	}
}

// TestHostileZones: zones that name each other, and files, cost no more than their budget.
func TestHostileZones(t *testing.T) {
	var twice, chain, wide strings.Builder
	twice.WriteString("zone \"z0\" { sources = [\"10.0.0.1\"] }\n")
	chain.WriteString("zone \"z0\" { sources = [\"10.0.0.1\"] }\n")
	for i := 1; i < 3000; i++ {
		fmt.Fprintf(&twice, "zone \"z%d\" { sources = [zone.z%d, zone.z%d] }\n", i, i-1, max(i-2, 0))
		fmt.Fprintf(&chain, "zone \"z%d\" { sources = [zone.z%d, \"10.%d.%d.1\"] }\n", i, i-1, i/256, i%256)
	}
	big := strings.Builder{}
	for i := range MaxRanges / 2 {
		fmt.Fprintf(&big, "10.%d.%d.%d\n", i>>15, i>>7&255, i<<1&255)
	}
	files := map[string]string{"big": big.String(), "huge": big.String() + big.String() + "10.0.0.1\n"}
	comment := "10.0.0.1\n#" + strings.Repeat("#", MaxFileSize-100)
	for i := range 6 {
		files[fmt.Sprintf("c%d", i)] = comment
	}
	for i := range 200 {
		fmt.Fprintf(&wide, "zone \"z%d\" { files = [\"f%d\"] }\n", i, i)
		files[fmt.Sprintf("f%d", i)] = "10.0.0.1\n"
	}
	for _, c := range []struct{ name, text, want string }{
		{"each names two", strings.Replace(twice.String(), "zone.z0, zone.z0", "zone.z0", 1), ""},
		{"a chain", chain.String(), "the zones together hold more than 200000 address ranges"},
		{"a file", `zone "a" { files = ["big"] }`, ""},
		{"a file in many zones", `zone "a" { files = ["big"] }` + "\n" + `zone "b" { files = ["big"] }` + "\n" + `zone "c" { files = ["big"] }`, "the zones together hold more than 200000 address ranges"},
		{"a huge file", `zone "a" { files = ["huge"] }`, "huge holds more than 200000 address ranges"},
		{"large files", `zone "a" { files = ["c0", "c1", "c2", "c3", "c4", "c5"] }`, "the files of addresses together are larger than 32 MiB"},
		{"many files", wide.String(), "more than 100 files of addresses in one policy"},
	} {
		begin := time.Now()
		p, list := Load(source.New("p", []byte(c.text+"\nallow \"x\" {}")), folder(files))
		if (p == nil) != (c.want != "") || c.want != "" && (len(list) != 1 || list[0].Message != c.want) {
			t.Errorf("%s: %v with %d findings, %+v", c.name, p != nil, len(list), list[:min(1, len(list))])
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%s took %v", c.name, took)
		}
	}
}

// TestExceptionsAreExact holds zones and rules against addresses one by one.
func TestExceptionsAreExact(t *testing.T) {
	words := []string{"10.0.0.0/30", "10.0.0.2-10.0.0.5", "10.0.0.6", "::/126", "::2-::5", "10.0.0.0/29"}
	has := func(list []string, a netip.Addr) bool {
		for _, w := range list {
			if s, err := addr.Parse(w); err == nil && s.Contains(a) {
				return true
			}
		}
		return false
	}
	quoted := func(list []string) string { return strings.ReplaceAll(fmt.Sprintf("%q", list), `" "`, `", "`) }
	rapid.Check(t, func(r *rapid.T) {
		draw := func(least int, name string) []string {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(words), least, 3, rapid.ID[string]).Draw(r, name)
		}
		inner, sources, gone, left, more := draw(1, "inner"), draw(1, "sources"), draw(1, "gone"), draw(1, "left"), draw(1, "more")
		text := fmt.Sprintf("zone \"i\" { sources = %s }\nzone \"z\" {\n sources = [zone.i, %s\n except = %s\n}\nallow \"a\" {\n from = [zone.z, %s\n except = %s\n}\n",
			quoted(inner), quoted(sources)[1:], quoted(gone), quoted(more)[1:], quoted(left))
		p, list := Load(source.New("p", []byte(text)), nil)
		empty := true
		for n := range 8 {
			for _, base := range []string{"10.0.0.%d", "::%d"} {
				a := netip.MustParseAddr(fmt.Sprintf(base, n))
				inZone := (has(inner, a) || has(sources, a)) && !has(gone, a)
				want := (inZone || has(more, a)) && !has(left, a)
				empty = empty && !want
				if p != nil && (p.Zones[1].Sources.Contains(a) != inZone || p.Allows[0].Sources.Contains(a) != want) {
					r.Fatalf("%s\n%s: zone %v, allow %v", text, a, inZone, want)
				}
			}
		}
		if p == nil && !strings.Contains(list[len(list)-1].Message, "leave no address") || p != nil && empty {
			r.Fatalf("%s\n%+v", text, list)
		}
	})
}
