package chart

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// TestBandsNameTheirPlace: each range of a system says where it is written, and not where another
// one of the same kind is.
func TestBandsNameTheirPlace(t *testing.T) {
	f := host.Facts{Platform: "windows-server",
		Ephemeral: []host.Ephemeral{{Proto: port.TCP, Ports: port.Range{First: 49152, Last: 65535}, From: "dynamic:1"}, {Proto: port.UDP, Ports: port.Range{First: 49152, Last: 65535}, From: "dynamic:2"}},
		Excluded: []host.Excluded{
			{Proto: port.TCP, Ports: port.Range{First: 5357, Last: 5357}, From: "tcp:5"},
			{Proto: port.TCP, Ports: port.Range{First: 50100, Last: 50199}, From: "tcp:8"},
			{Proto: port.TCP, Ports: port.Range{First: 50000, Last: 50099}, From: "tcp:7"},
			{Proto: port.TCP, Ports: port.Range{First: 60000, Last: 60009}, From: "tcp:9", Administered: true},
			{Proto: port.UDP, Ports: port.Range{First: 50100, Last: 50199}, From: "udp:6"},
			{Proto: port.UDP, Ports: port.Range{First: 60000, Last: 60009}, From: "udp:7", Administered: true},
		},
		NomadPorts: host.NomadPorts{Ports: port.Of(port.Range{First: 20000, Last: 21000}, port.Single(23000)), From: "nomad:3"},
	}
	var got []string
	for _, b := range bandsOf(&f) {
		proto := "both"
		if b.Proto != 0 {
			proto = b.Proto.String()
		}
		got = append(got, fmt.Sprint(b.Kind, " ", proto, " ", b.Ports, " ", b.From))
	}
	want := []string{
		"ephemeral both 49152-59999 dynamic:1", // without what is spared
		"ephemeral both 60010-65535 dynamic:1",
		"spared both 60000-60009 tcp:9",
		"excluded tcp 5357 tcp:5",
		"excluded tcp 50000-50199 tcp:7",
		"excluded udp 50100-50199 udp:6",
		"nomadports both 20000-21000 nomad:3",
		"nomadports both 23000 nomad:3",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestBehind: up to three systems are seen behind services, and all have rows.
func TestBehind(t *testing.T) {
	for n := range 6 {
		j := Judged{Inventory: &inventory.Inventory{}}
		for i := range n {
			j.Hosts = append(j.Hosts, host.Facts{Platform: fmt.Sprint("system", i), Ephemeral: []host.Ephemeral{{Proto: port.TCP, Ports: port.Range{First: uint16(40000 + i), Last: 50000}}}})
		}
		want := 1 // system ports
		if n <= 3 {
			want += n
		}
		p := Host(j)
		if len(p.Bands) != want || len(p.Groups) != n || len(Services(j).Bands) != want {
			t.Errorf("%d systems: %d bands and %d groups", n, len(p.Bands), len(p.Groups))
		}
	}
}

// TestMarks: marks are on the listeners that a finding names, on all with its ports where it names
// none, and on what a system keeps where nobody has them.
func TestMarks(t *testing.T) {
	f := source.New("etc/a.conf", []byte(strings.Repeat("port = 5\n", 10)))
	claim := func(line int, proto port.Proto, first, last uint16) inventory.Claim {
		return inventory.Claim{Service: fmt.Sprint("s", line), Listen: "l", Proto: proto, Ports: port.Range{First: first, Last: last}, Span: f.Span(9*line, 9*line+4)}
	}
	a, b, c := claim(0, port.UDP, 5000, 5009), claim(1, port.UDP, 5005, 5014), claim(2, port.TCP, 5005, 5014)
	for _, x := range []struct {
		name string
		d    diag.Diagnostic
		want string
	}{
		{"two that meet", diag.Diagnostic{Span: a.Span, Related: []diag.Related{{Span: b.Span}, {Span: a.Span}}, Ports: []diag.Ports{{Proto: port.UDP, Set: port.Of(port.Range{First: 5005, Last: 5009})}}}, "s0 5005-5009, s1 5005-5009"},
		{"one by its line", diag.Diagnostic{Span: b.Span, Ports: []diag.Ports{{Proto: port.UDP, Set: port.Of(port.Range{First: 5000, Last: 5009})}}}, "s1 5005-5009"},
		{"a setting", diag.Diagnostic{Span: f.Span(80, 84), Ports: []diag.Ports{{Proto: port.UDP, Set: port.Of(port.Range{First: 5000, Last: 5009})}}}, "s0 5000-5009, s1 5005-5009"},
		{"both protocols", diag.Diagnostic{Span: f.Span(80, 84), Ports: []diag.Ports{{Proto: port.TCP, Set: port.Of(port.Single(5010))}, {Proto: port.UDP, Set: port.Of(port.Single(5000))}}}, "s0 5000, s2 5010"},
		{"what nobody has", diag.Diagnostic{Span: f.Span(80, 84), Ports: []diag.Ports{{Proto: port.TCP, Set: port.Of(port.Single(30001))}}}, "linux 30001"},
		{"what the system hands out", diag.Diagnostic{Span: f.Span(80, 84), Ports: []diag.Ports{{Proto: port.TCP, Set: port.Of(port.Single(40001))}}}, ""},
	} {
		x.d.Rule, x.d.Severity = "rule", diag.Error
		p := Host(Judged{Inventory: &inventory.Inventory{Claims: []inventory.Claim{a, b, c}}, Findings: diag.List{x.d}, Quarrel: func(string) bool { return true },
			Hosts: []host.Facts{{Platform: "linux", NodePorts: host.NodePorts{Ports: port.Range{First: 30000, Last: 32767}},
				Ephemeral: []host.Ephemeral{{Proto: port.TCP, Ports: port.Range{First: 40000, Last: 50000}}}}}})
		var got []string
		for i := range p.Groups {
			for _, l := range p.Groups[i].Lanes {
				for k := range l.Bars {
					for _, m := range l.Bars[k].Marks {
						got = append(got, p.Groups[i].Name+" "+m.Ports.String())
					}
				}
			}
		}
		slices.Sort(got)
		if text := strings.Join(slices.Compact(got), ", "); text != x.want {
			t.Errorf("%s: %q, want %q", x.name, text, x.want)
		}
	}
}

// TestAddressesTellApart: listeners of one name on the same port have their addresses in words, and
// no others.
func TestAddressesTellApart(t *testing.T) {
	claim := func(listen string, first uint16, bind ...string) inventory.Claim {
		return inventory.Claim{Service: "pjsip", Listen: listen, Proto: port.UDP, Ports: port.Single(first), Bind: bind}
	}
	p := Host(Judged{Inventory: &inventory.Inventory{Claims: []inventory.Claim{
		claim("sip", 5060, "10.0.0.1", "2001:db8::1"), claim("sip", 5060, "10.0.0.1", "2001:db8::1"), claim("sip", 5060, "10.0.0.2"),
		claim("sip", 5070, "10.0.0.2"), claim("rtp", 5060, "10.0.0.3"), claim("x", 7000, "10.0.0.1"), claim("x", 7000, "10.0.0.1")}}})
	var got []string
	for i := range p.Groups[0].Lanes[0].Bars {
		got = append(got, p.Groups[0].Lanes[0].Bars[i].Caption())
	}
	want := []string{"sip 5060 on 10.0.0.1, 2001:db8::1", "sip 5060 on 10.0.0.1, 2001:db8::1", "sip 5060 on 10.0.0.2", "rtp 5060", "sip 5070", "x 7000", "x 7000"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestUnclaimed: a socket that no file speaks of is a bar, one for both families of addresses.
func TestUnclaimed(t *testing.T) {
	listener := func(proto port.Proto, n uint16, addr, process string) host.Listener {
		return host.Listener{Proto: proto, Port: n, Addr: netip.MustParseAddr(addr), Process: process}
	}
	j := Judged{Inventory: &inventory.Inventory{}, Hosts: []host.Facts{{Listeners: []host.Listener{
		listener(port.TCP, 9001, "0.0.0.0", "legacy"), listener(port.TCP, 22, "0.0.0.0", "sshd"), listener(port.TCP, 9001, "::", "legacy"),
		listener(port.UDP, 9001, "0.0.0.0", "legacy"), listener(port.TCP, 9002, "::1", "a\x1b"), listener(port.TCP, 9002, "127.0.0.1", "b")}}},
		Findings: diag.List{
			{Rule: "listener-unclaimed", Severity: diag.Warning, Ports: []diag.Ports{{Proto: port.TCP, Set: port.Of(port.Single(9001))}}},
			{Rule: "listener-unclaimed", Severity: diag.Warning, Ports: []diag.Ports{{Proto: port.TCP, Set: port.Of(port.Single(9002))}}},
		}}
	p := Host(j)
	var got []string
	for _, g := range p.Groups[1:] {
		for _, l := range g.Lanes {
			for _, b := range l.Bars {
				got = append(got, fmt.Sprintf("%s: %s %s/%s on %s", g.Name, b.Name, b.Ports, b.Proto, b.Bind))
			}
		}
	}
	want := []string{"not in a file: legacy 9001/tcp on 0.0.0.0, ::", `not in a file: a\x1b 9002/tcp on ::1`, "not in a file: b 9002/tcp on 127.0.0.1"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestHostIsFast draws what no host has: 20,000 listeners of 5,000 services, 4,000 findings and
// 8,000 reserved ports.
func TestHostIsFast(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	f := source.New("etc/a.conf", []byte(strings.Repeat("port = 5\n", 20000)))
	j := Judged{Inventory: &inventory.Inventory{}, Quarrel: func(string) bool { return true }}
	for i := range 20000 {
		j.Inventory.Claims = append(j.Inventory.Claims, inventory.Claim{Service: fmt.Sprint("service", i%5000), Listen: "l", Proto: port.TCP,
			Ports: port.Single(uint16(1 + r.IntN(port.Max))), Span: f.Span(9*i+7, 9*i+8)})
	}
	for i := range 4000 {
		c := &j.Inventory.Claims[r.IntN(20000)]
		d := diag.Diagnostic{Rule: "port-overlap", Severity: diag.Error, Span: c.Span, Ports: []diag.Ports{{Proto: c.Proto, Set: port.Of(c.Ports)}}}
		if i%40 == 0 {
			d.Span = f.Span(9*i, 9*i+4)
		}
		j.Findings = append(j.Findings, d)
	}
	var spared []port.Range
	for i := range uint16(8000) {
		spared = append(spared, port.Single(2*i+1))
	}
	j.Hosts = []host.Facts{{Reserved: []host.Reserved{{Ports: port.Of(spared...)}}}}
	begin := time.Now()
	p := Host(j)
	if took := time.Since(begin); took > 10*time.Second { // some 0.1 s, and minutes where all is compared with all
		t.Errorf("it takes %v", took)
	}
	if len(p.Groups) != 5001 || len(p.Bands) != 8001 {
		t.Errorf("%d groups, %d bands", len(p.Groups), len(p.Bands))
	}
}
