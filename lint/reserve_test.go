package lint

import (
	"fmt"
	"strings"
	"testing"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// listed is a Linux host whose files hold the list of reserved ports, or whose list belongs
// in a new file when value is "new".
func listed(value string, counts bool) host.Facts {
	f := linux()
	at := &host.ReservedList{Counts: counts}
	if value == "new" {
		at.New = source.New("etc/sysctl.d/60-new.conf", nil)
	} else {
		file := source.New("etc/sysctl.conf", []byte("key ="+value+"\n"))
		at.Value = file.Span(5, 5+len(value))
		at.Ports, _ = host.ParseLocalReservedPorts(value)
		if !at.Ports.IsEmpty() {
			f.Reserved = []host.Reserved{{Ports: at.Ports, Setting: reserved}}
		}
	}
	f.ReservedAt = at
	return f
}

// ranged gives f another range, from a line of a file.
func ranged(f host.Facts, first, last uint16) host.Facts {
	file := source.New("etc/sysctl.d/90-tuning.conf", fmt.Appendf(nil, "range = %d %d\n", first, last))
	for i := range f.Ephemeral {
		e := &f.Ephemeral[i]
		e.Untuned, e.Ports, e.Span = e.Ports, port.Range{First: first, Last: last}, file.Span(8, len(file.Text)-1)
	}
	return f
}

// mends is the fixes of each finding, one a line.
func mends(l diag.List) string {
	var b strings.Builder
	for _, d := range l {
		for _, f := range d.Fixes {
			fmt.Fprintf(&b, "%s: %s: %s\n", d.Rule, f.Safety, f.Title)
			for _, e := range f.Edits {
				fmt.Fprintf(&b, "  %s %q\n", e.Span, e.New)
			}
		}
	}
	return b.String()
}

// at2 puts a claim at another place, so that it is another listener.
func at2(c inventory.Claim, text string) inventory.Claim {
	c.Span, c.Because = at(text), nil
	return c
}

func TestReservations(t *testing.T) {
	type claims = []inventory.Claim
	fixed := func(c inventory.Claim) inventory.Claim { c.Setting = ""; return c } // nothing moves it
	for _, c := range []struct {
		name   string
		claims claims
		host   host.Facts
		want   string
	}{
		{"a range that moves is not reserved, a port that stays is", claims{rtp(35000, 35399), fixed(sip(port.UDP, 40000, "*"))}, listed("8080", true), `
ephemeral-overlap: safe: set rtp_base to 30000
  etc/media.conf:1:12 "30000"
ephemeral-overlap: display: set net.ipv4.ip_local_reserved_ports to 8080,35000-35399,40000
ephemeral-overlap: safe: set net.ipv4.ip_local_reserved_ports to 8080,40000 in etc/sysctl.conf
  etc/sysctl.conf:1:6 "8080,40000"
`},
		{"the part that is not reserved joins", claims{fixed(rtp(35000, 35399)), fixed(at2(sip(port.TCP, 40000, "*"), "200"))}, listed("35000-35199,40000-40010,50000", true), `
ephemeral-partly-reserved: safe: set net.ipv4.ip_local_reserved_ports to 35000-35399,40000-40010,50000 in etc/sysctl.conf
  etc/sysctl.conf:1:6 "35000-35399,40000-40010,50000"
`},
		{"an empty list", claims{fixed(sip(port.UDP, 40000, "*"))}, listed("", true), `
ephemeral-overlap: safe: set net.ipv4.ip_local_reserved_ports to 40000 in etc/sysctl.conf
  etc/sysctl.conf:1:6 " 40000"
`},
		{"the running system counts", claims{fixed(sip(port.UDP, 40000, "*"))}, listed("new", false), `
ephemeral-overlap: display: set net.ipv4.ip_local_reserved_ports to 40000 in the new file etc/sysctl.d/60-new.conf and run sysctl --system
`},
		{"too little would be left", claims{fixed(rtp(33000, 47999)), fixed(at2(rtp(48000, 59999), "200"))}, listed("new", true), `
ephemeral-overlap: display: move net.ipv4.ip_local_port_range off 33000-47999
ephemeral-overlap: display: move net.ipv4.ip_local_port_range off 48000-59999
`},
		{"one alone would leave too little", claims{fixed(rtp(33000, 59999)), fixed(at2(sip(port.TCP, 60000, "*"), "200"))}, listed("8080", true), `
ephemeral-overlap: display: move net.ipv4.ip_local_port_range off 33000-59999
ephemeral-overlap: safe: set net.ipv4.ip_local_reserved_ports to 8080,60000 in etc/sysctl.conf
  etc/sysctl.conf:1:6 "8080,60000"
`},
		{"the line of a tuned range", claims{sip(port.UDP, 5060, "*"), sip(port.TCP, 5060, "*"), fixed(at2(sip(port.TCP, 40000, "*"), "200"))}, ranged(listed("8080", true), 1024, 65535), `
ephemeral-overlap: safe: set net.ipv4.ip_local_reserved_ports to 5060,8080,40000 in etc/sysctl.conf
  etc/sysctl.conf:1:6 "5060,8080,40000"
ephemeral-covers-listener: safe: set net.ipv4.ip_local_reserved_ports to 5060,8080,40000 in etc/sysctl.conf
  etc/sysctl.conf:1:6 "5060,8080,40000"
`},
		{"Windows, each protocol over both families", claims{fixed(sip(port.UDP, 50000, "*")), fixed(sip(port.TCP, 50000, "*"))}, windows(), `
ephemeral-overlap: display: run netsh int ipv4 add excludedportrange protocol=tcp startport=50000 numberofports=1; netsh int ipv6 add excludedportrange protocol=tcp startport=50000 numberofports=1
ephemeral-overlap: display: run netsh int ipv4 add excludedportrange protocol=udp startport=50000 numberofports=1; netsh int ipv6 add excludedportrange protocol=udp startport=50000 numberofports=1
`},
		{"no list is known", claims{fixed(sip(port.UDP, 40000, "*"))}, linux(), `
ephemeral-overlap: display: reserve 40000 in net.ipv4.ip_local_reserved_ports
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := Run(&inventory.Inventory{Claims: c.claims}, []host.Facts{c.host}, Options{})
			if got, want := mends(l), strings.TrimPrefix(c.want, "\n"); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

// TestLongList refuses a list that the kernel would not take in one line, and a new file names
// some of the listeners only, each in one line.
func TestLongList(t *testing.T) {
	var claims []inventory.Claim
	for n := 33000; n < 33000+2*30; n += 2 {
		c := sip(port.UDP, n, "*")
		c.Setting, c.Instance = "", "a\nb\u2028c"
		c.Span = source.New("f", []byte("x")).Span(0, 1)
		claims = append(claims, c)
	}
	l := Run(&inventory.Inventory{Claims: claims}, []host.Facts{listed("new", true)}, Options{})
	text := l[0].Fixes[0].Edits[0].New
	if lines := strings.Split(text, "\n"); len(lines) != 2+20+1+1+1 || lines[2] != "#   SIP 33000/udp of media a?b?c" || lines[22] != "#   and 10 more" {
		t.Errorf("%s", text)
	}
	for n := 34000; n < 34000+2*700; n += 2 {
		c := claims[0]
		c.Ports, c.NominalFirst, c.NominalLast = port.Single(uint16(n)), n, n
		claims = append(claims, c)
	}
	l = Run(&inventory.Inventory{Claims: claims}, []host.Facts{listed("new", true)}, Options{})
	if f := l[0].Fixes[0]; f.Safety != diag.Display || f.Title != "add 33000 to net.ipv4.ip_local_reserved_ports" {
		t.Errorf("%+v", f)
	}
}

func TestCoversListener(t *testing.T) {
	type claims = []inventory.Claim
	many := func(n int) (out claims) {
		for i := range n {
			c := sip(port.TCP, 2000+1000*i, "*")
			c.Span = source.New("f", []byte("x")).Span(0, 1)
			out = append(out, c)
		}
		return out
	}
	for _, c := range []struct {
		name   string
		claims claims
		host   host.Facts
		want   string
	}{
		{"a range of ports is no single port", claims{rtp(20000, 20399)}, ranged(linux(), 10000, 60999), "ephemeral-overlap error etc/media.conf:1:12\n"},
		{"the default covers it too", claims{sip(port.UDP, 40000, "*")}, ranged(linux(), 10000, 60999), "ephemeral-overlap warning etc/media.conf:2:12\n"},
		{"the line says the default", claims{sip(port.UDP, 40000, "*")}, ranged(linux(), 32768, 60999), "ephemeral-overlap warning etc/media.conf:2:12\n"},
		{"outside", claims{sip(port.UDP, 9999, "*")}, ranged(linux(), 10000, 60999), ""},
		{"one", claims{sip(port.UDP, 61000, "*")}, ranged(linux(), 10000, 61001), `ephemeral-covers-listener warning etc/sysctl.d/90-tuning.conf:1:9
  net.ipv4.ip_local_port_range 10000 61001 covers SIP 61000/udp of media, which the default range of linux leaves alone
  and etc/media.conf:2:12 SIP 61000/udp of media
  note: while the service restarts, another program may be given its port, and then the service does not start
  help: reserve 61000 in net.ipv4.ip_local_reserved_ports, or narrow the range to 10000 60999
`},
		{"more than a finding lists", many(10), ranged(linux(), 1024, 60999), `ephemeral-covers-listener warning etc/sysctl.d/90-tuning.conf:1:9
  net.ipv4.ip_local_port_range 1024 60999 covers 10 ports of services, which the default range of linux leaves alone
  and f:1:1 SIP 2000/tcp of media
  and f:1:1 SIP 3000/tcp of media
  and f:1:1 SIP 4000/tcp of media
  and f:1:1 SIP 5000/tcp of media
  and f:1:1 SIP 6000/tcp of media
  and f:1:1 SIP 7000/tcp of media
  and f:1:1 SIP 8000/tcp of media
  and f:1:1 SIP 9000/tcp of media
  note: while the service restarts, another program may be given its port, and then the service does not start
  note: 2 further listeners
  help: reserve 2000,3000,4000,5000,6000,7000,8000,9000,10000,11000 in net.ipv4.ip_local_reserved_ports, or narrow the range to 12000 60999
`},
		{"a range that has nothing of the default", claims{sip(port.UDP, 5060, "*")}, ranged(linux(), 5000, 9000), `ephemeral-covers-listener warning etc/sysctl.d/90-tuning.conf:1:9
  net.ipv4.ip_local_port_range 5000 9000 covers SIP 5060/udp of media, which the default range of linux leaves alone
  and etc/media.conf:2:12 SIP 5060/udp of media
  note: while the service restarts, another program may be given its port, and then the service does not start
  help: reserve 5060 in net.ipv4.ip_local_reserved_ports
`},
		{"Windows, where one protocol is spared in part", claims{sip(port.TCP, 5060, "*"), sip(port.UDP, 5060, "*")}, ranged(windows(row(port.TCP, host.V6, 5060, 5060, true)), 1024, 65535), `ephemeral-partly-reserved warning etc/media.conf:2:12
ephemeral-covers-listener warning etc/sysctl.d/90-tuning.conf:1:9
  netsh int ipv4 dynamicport udp 1024-65535 covers SIP 5060/udp of media, which the default range of windows-server leaves alone
  and etc/media.conf:2:12 SIP 5060/udp of media
  note: while the service restarts, another program may be given its port, and then the service does not start
  help: run netsh int ipv4 add excludedportrange protocol=udp startport=5060 numberofports=1; netsh int ipv6 add excludedportrange protocol=udp startport=5060 numberofports=1, or narrow the range to 6000-65535
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			for _, d := range Run(&inventory.Inventory{Claims: c.claims}, []host.Facts{c.host}, Options{}) {
				fmt.Fprintf(&b, "%s %s %s\n", d.Rule, d.Severity, d.Span)
				if d.Rule != "ephemeral-covers-listener" {
					continue
				}
				fmt.Fprintf(&b, "  %s\n", d.Message)
				for _, r := range d.Related {
					fmt.Fprintf(&b, "  and %s %s\n", r.Span, r.Message)
				}
				for _, n := range d.Notes {
					fmt.Fprintf(&b, "  note: %s\n", n)
				}
				fmt.Fprintf(&b, "  help: %s\n", d.Help)
			}
			if b.String() != c.want {
				t.Errorf("got\n%swant\n%s", b.String(), c.want)
			}
		})
	}
}
