package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// TestMovesTogether: on a host that leaves 1100 ports, the round number that is best for
// the small range would leave no room for the large one, which is asked about later.
func TestMovesTogether(t *testing.T) {
	tight := host.Facts{Platform: "linux", UnprivilegedStart: 1024}
	for _, r := range []port.Range{{First: 1024, Last: 19899}, {First: 21000, Last: 65535}} {
		tight.Ephemeral = append(tight.Ephemeral, host.Ephemeral{Proto: port.UDP, Family: host.V4, Ports: r, Setting: "net.ipv4.ip_local_port_range"})
	}
	small := rtp(35000, 35001)
	large := change(rtp(30000, 31049), func(c *inventory.Claim) { c.Listen, c.Span, c.Setting = "media", at("30000"), "mrcp_base" })
	got := func(claims ...inventory.Claim) []string {
		var titles []string
		for _, d := range Run(&inventory.Inventory{Claims: claims}, []host.Facts{tight}, Options{}) {
			for _, f := range d.Fixes {
				if f.Safety != diag.Display {
					titles = append(titles, f.Title)
				}
			}
		}
		return titles
	}
	if g, want := got(small, large), []string{"set rtp_base to 20990", "set mrcp_base to 19900"}; !slices.Equal(g, want) {
		t.Errorf("%q, want %q", g, want)
	}
	// With one port more than there are, the first keeps what is best for it.
	large.NominalLast, large.Ports.Last = 31098, 31098
	if g, want := got(small, large), []string{"set rtp_base to 20000"}; !slices.Equal(g, want) {
		t.Errorf("%q, want %q", g, want)
	}
}

// media are services named a, b, c … with a range each, that somebody wrote in one file.
func media(ranges ...port.Range) []inventory.Claim {
	var text strings.Builder
	for i, r := range ranges {
		fmt.Fprintf(&text, "base_%d = %05d\n", i, r.First)
	}
	f := source.New("etc/all.conf", []byte(text.String()))
	var out []inventory.Claim
	at := 0
	for i, r := range ranges {
		line := strings.SplitAfterN(text.String()[at:], "\n", 2)[0]
		end := at + len(line) - 1
		name := strconv.Itoa(i)
		if i < 26 {
			name = string(rune('a' + i))
		}
		out = append(out, change(rtp(int(r.First), int(r.Last)), func(c *inventory.Claim) {
			c.Service, c.Origin, c.Setting = name, inventory.Config, "base_"+strconv.Itoa(i)
			c.Span = f.Span(end-len(strconv.Itoa(int(r.First))), end)
		}))
		at += len(line)
	}
	return out
}

func ports(first, last uint16) port.Range { return port.Range{First: first, Last: last} }

// helps are what the findings say to do, and with safe edits the titles of the fixes.
func helps(l diag.List) []string {
	var out []string
	for _, d := range l {
		help := d.Rule + ": " + strings.TrimSuffix(d.Help, ", or bind them to different addresses")
		if len(d.Fixes) > 0 && d.Fixes[0].Safety != diag.Display {
			help += " [" + d.Fixes[0].Safety.String() + "]"
		}
		out = append(out, help)
	}
	return out
}

// TestFewestMoves: which of the listeners moves, and what the findings say of it.
func TestFewestMoves(t *testing.T) {
	for _, c := range []struct {
		name   string
		claims []inventory.Claim
		hosts  []host.Facts
		want   []string
	}{
		{"two ranges, and moving one is enough", media(ports(20000, 20399), ports(20200, 20599)), []host.Facts{linux()}, []string{
			"port-overlap: set base_1 to 15000 [safe]",
		}},
		{"one of the two is elsewhere wrong too", media(ports(32700, 33099), ports(32600, 32767)), []host.Facts{linux()}, []string{
			"ephemeral-overlap: set base_0 to 30000, or reserve 32700-33099 in net.ipv4.ip_local_reserved_ports [safe]",
			"port-overlap: set base_0 to 30000 [safe]",
		}},
		{"a chain, and moving the middle is enough", media(ports(20000, 20399), ports(20300, 20699), ports(20600, 20999)), nil, []string{
			"port-overlap: set base_1 to 15000 [safe]",
			"port-overlap: set base_1 of b to 15000 [safe]",
		}},
		{"the other one cannot move", append(media(ports(20000, 20399)), change(rtp(20100, 20199), func(c *inventory.Claim) { c.Setting = "" })), nil, []string{
			"port-overlap: set base_0 of a to 15000 [safe]",
		}},
		{"neither can move", []inventory.Claim{change(rtp(20000, 20399), func(c *inventory.Claim) { c.Setting = "" }),
			change(rtp(20100, 20199), func(c *inventory.Claim) { c.Setting, c.Service = "", "b" })}, nil, []string{
			"port-overlap: bind them to different addresses",
		}},
		{"a chain of which the middle has no place", media(ports(6000, 6999), ports(1024, 9999), ports(3000, 3099)), []host.Facts{freebsd()}, []string{
			"port-overlap: make room for base_0 (it needs 1000 ports in a row, and none from 1024 up is free: the ephemeral ports 10000-65535 of freebsd, RTP 1024-9999/udp of b and RTP 3000-3099/udp of c are in the way)",
			"port-overlap: make room for base_2 (it needs 100 ports in a row, and none from 1024 up is free: the ephemeral ports 10000-65535 of freebsd, RTP 6000-6999/udp of a and RTP 1024-9999/udp of b are in the way)",
		}},
		{"a place between what stays", append(media(ports(35000, 36999)), change(rtp(30000, 30009), func(c *inventory.Claim) { c.Service, c.Setting = "b", "" }),
			change(rtp(3000, 3009), func(c *inventory.Claim) { c.Service, c.Setting = "c", "" })), []host.Facts{linux(), freebsd()}, []string{
			"ephemeral-overlap: set base_0 to 5000, or reserve 35000-36999 in net.ipv4.ip_local_reserved_ports on linux, or move net.inet.ip.portrange.first off 35000-36999 on freebsd [safe]",
			"ephemeral-overlap: move net.inet.ip.portrange.first off 30000-30009",
		}},
		{"no place between what stays", append(media(ports(10000, 15999)), change(rtp(4000, 4009), func(c *inventory.Claim) { c.Service, c.Setting = "b", "" })), []host.Facts{freebsd()}, []string{
			"ephemeral-overlap: make room for base_0 (it needs 6000 ports in a row, and the longest free run is 5990 ports, 4010-9999, between RTP 4000-4009/udp of b and the ephemeral ports 10000-65535 of freebsd), or move net.inet.ip.portrange.first off 10000-15999",
		}},
		{"together they need more than there is", media(ports(10000, 14999), ports(20000, 24999)), []host.Facts{freebsd()}, []string{
			"ephemeral-overlap: make room for base_0 (it and RTP 20000-24999/udp of b need 10000 ports, and they can have 8976: 1024-9999), or move net.inet.ip.portrange.first off 10000-14999",
			"ephemeral-overlap: set base_1 to 5000, or move net.inet.ip.portrange.first off 20000-24999 [safe]",
		}},
		{"no system leaves a port", media(ports(20000, 20399)), []host.Facts{freebsd(), openbsd()}, []string{
			"ephemeral-overlap: make room for base_0 (it needs 400 ports in a row, and none from 1024 up is free: the ephemeral ports 10000-65535 of freebsd and the ephemeral ports 1024-49151 of openbsd are in the way), or move net.inet.ip.portrange.first off 20000-20399 on freebsd, or move net.inet.ip.portfirst off 20000-20399 on openbsd",
		}},
		{"a range that nobody complained of makes room", media(ports(10000, 15999), ports(4000, 4399)), []host.Facts{freebsd()}, []string{
			"ephemeral-overlap: set base_0 to 4000 and, before that, base_1 of b to 3000, or move net.inet.ip.portrange.first off 10000-15999 [safe]",
		}},
		{"a single port is not moved to make room", append(media(ports(10000, 15999)), sip(port.UDP, 4000, "*")), []host.Facts{freebsd()}, []string{
			"ephemeral-overlap: make room for base_0 (it needs 6000 ports in a row, and the longest free run is 5998 ports, 4002-9999, between SIP 4000/udp of media and the ephemeral ports 10000-65535 of freebsd), or move net.inet.ip.portrange.first off 10000-15999",
		}},
		{"one place on all systems", media(ports(30000, 49999)), []host.Facts{linux(), windows(), reserving(linux(), "30000-49999")}, []string{
			"ephemeral-overlap: set base_0 to 10000, or reserve 30000-49999 in net.ipv4.ip_local_reserved_ports on linux, or run netsh int ipv4 add excludedportrange protocol=udp startport=30000 numberofports=20000; netsh int ipv6 add excludedportrange protocol=udp startport=30000 numberofports=20000 on windows-server [safe]",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := Run(&inventory.Inventory{Claims: c.claims}, c.hosts, Options{})
			if d := cmp.Diff(c.want, helps(l)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func openbsd() host.Facts {
	return host.Facts{Platform: "openbsd", Ephemeral: []host.Ephemeral{
		{Proto: port.UDP, Family: host.V4, Ports: port.Range{First: 1024, Last: 49151}, Setting: "net.inet.ip.portfirst"}}}
}

// TestAddressesShareNumbers: forty servers on an address each, of which every range is in the
// ephemeral ports, have no room beside each other, and need none.
func TestAddressesShareNumbers(t *testing.T) {
	var ranges []port.Range
	for range 40 {
		ranges = append(ranges, ports(40000, 49999))
	}
	claims := media(ranges...)
	for i := range claims {
		claims[i].Bind = []string{fmt.Sprintf("10.0.0.%d", i)}
	}
	for _, h := range helps(Run(&inventory.Inventory{Claims: claims}, []host.Facts{linux()}, Options{})) {
		if !strings.Contains(h, "to 20000, or") || !strings.HasSuffix(h, "[safe]") {
			t.Error(h)
		}
	}
}

// TestManyOverlaps: two hundred ranges that each begin in the one before. As few as
// possible move, every finding has a fix, and after the fixes there is nothing to say.
func TestManyOverlaps(t *testing.T) {
	var ranges []port.Range
	for i := range uint16(200) {
		ranges = append(ranges, ports(10000+60*i, 10000+60*i+99))
	}
	claims := media(ranges...)
	l := Run(&inventory.Inventory{Claims: claims}, []host.Facts{linux()}, Options{})
	moved := map[string]int{}
	for _, d := range l {
		if len(d.Fixes) != 1 || d.Fixes[0].Safety != diag.Safe {
			t.Fatalf("no safe fix: %s", words(diag.List{d}))
		}
		for _, e := range d.Fixes[0].Edits {
			for i := range claims {
				if claims[i].Span != e.Span {
					continue
				}
				first, err := strconv.Atoi(e.New)
				if err != nil {
					t.Fatal(err)
				}
				moved[claims[i].Service] = first
			}
		}
	}
	if len(l) != 199 || len(moved) != 100 {
		t.Errorf("%d findings, %d ranges move", len(l), len(moved))
	}
	for i := range claims {
		if first, ok := moved[claims[i].Service]; ok {
			claims[i] = change(rtp(first, first+99), func(c *inventory.Claim) { c.Service = claims[i].Service })
		}
	}
	if l := Run(&inventory.Inventory{Claims: claims}, []host.Facts{linux()}, Options{}); len(l) > 0 {
		t.Errorf("after the fixes: %s", words(l))
	}
}

// TestEntangledBases: the number of SIP is that of SIP over TLS, too, which is the next one.
// Each of the two has its finding, and both say the same.
func TestEntangledBases(t *testing.T) {
	f := source.New("etc/pbx.conf", []byte("port = 5070\n"))
	own := func(c *inventory.Claim) {
		c.Service, c.Span, c.Setting, c.Because, c.Origin = "pbx", f.Span(7, 11), "port", nil, inventory.Config
	}
	sips := change(sip(port.TCP, 5071, "*"), func(c *inventory.Claim) { own(c); c.Listen = "sips" })
	claims := []inventory.Claim{change(sip(port.TCP, 5070, "*"), own), sips}
	for _, n := range []int{5070, 5071, 5073} { // so the next port is free, but not the one behind it
		claims = append(claims, change(sip(port.TCP, n, "*"), func(c *inventory.Claim) {
			c.Service, c.Setting, c.Span = "other", "", source.New("etc/other.conf", []byte(strconv.Itoa(n))).Span(0, 4)
		}))
	}
	got := helps(Run(&inventory.Inventory{Claims: claims}, nil, Options{}))
	want := []string{"port-overlap: set port of pbx to 5068 [unsafe]", "port-overlap: set port of pbx to 5068 [unsafe]"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
