package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// settings is a file with the settings the claims of these tests point at.
var settings = source.New("etc/media.conf", []byte("rtp_base = 35000\nsip_port = default\nmrcp_base = 30000\ncount = 200\n"))

func at(text string) source.Span {
	i := strings.Index(string(settings.Text), text)
	return settings.Span(i, i+len(text))
}

// rtp is a range of pairs as a media server claims it.
func rtp(first, last int) inventory.Claim {
	return inventory.Claim{
		Service: "media", Listen: "rtp", Purpose: "RTP and RTCP", Direction: inventory.Listen, Proto: port.UDP,
		Ports:        port.Range{First: uint16(min(first, port.Max)), Last: uint16(min(last, port.Max))},
		NominalFirst: first, NominalLast: last, Bind: []string{"*"}, Span: at("35000"), Pairs: true, Setting: "rtp_base",
	}
}

// sip is a single port that nobody wrote.
func sip(proto port.Proto, n int, bind ...string) inventory.Claim {
	c := rtp(n, n)
	c.Listen, c.Purpose, c.Proto, c.Bind, c.Span = "sip", "SIP", proto, bind, at("default")
	c.Pairs, c.Setting = false, "sip_port"
	c.Because = []inventory.Because{{Span: c.Span, Text: "default", Default: strconv.Itoa(n) + " in 12.1"}}
	return c
}

func change(c inventory.Claim, f func(*inventory.Claim)) inventory.Claim {
	f(&c)
	return c
}

func linux() host.Facts {
	f := host.Facts{Platform: "linux", UnprivilegedStart: 1024}
	for _, proto := range port.Protos {
		for _, family := range families {
			f.Ephemeral = append(f.Ephemeral, host.Ephemeral{Proto: proto, Family: family, Ports: port.Range{First: 32768, Last: 60999},
				Setting: "net.ipv4.ip_local_port_range", From: "proc/range:1"})
		}
	}
	return f
}

func windows(excluded ...host.Excluded) host.Facts {
	f := host.Facts{Platform: "windows-server", UnprivilegedStart: -1, Excluded: excluded}
	for _, proto := range port.Protos {
		for _, family := range families {
			f.Ephemeral = append(f.Ephemeral, host.Ephemeral{Proto: proto, Family: family, Ports: port.Range{First: 49152, Last: 65535},
				Setting: fmt.Sprintf("netsh int ipv%d dynamicport %s", family, proto)})
		}
	}
	return f
}

func freebsd() host.Facts {
	return host.Facts{Platform: "freebsd", Ephemeral: []host.Ephemeral{
		{Proto: port.UDP, Family: host.V4, Ports: port.Range{First: 10000, Last: 65535}, Setting: "net.inet.ip.portrange.first"}}}
}

func reserving(f host.Facts, sets ...string) host.Facts {
	for i, s := range sets {
		ports, err := port.Parse(s)
		if err != nil {
			panic(err)
		}
		f.Reserved = append(f.Reserved, host.Reserved{Ports: ports, Setting: "net.ipv4.ip_local_reserved_ports", From: fmt.Sprintf("proc/reserved:%d", i+1)})
	}
	return f
}

func row(proto port.Proto, family host.Family, first, last uint16, star bool) host.Excluded {
	return host.Excluded{Proto: proto, Family: family, Ports: port.Range{First: first, Last: last}, Administered: star, From: fmt.Sprintf("udp.txt:%d", first)}
}

// words is what a finding says, one thing a line.
func words(l diag.List) string {
	var b strings.Builder
	for _, d := range l {
		fmt.Fprintf(&b, "%s[%s]: %s\n", d.Severity, d.Rule, d.Message)
		fmt.Fprintf(&b, "  at %s %s: %s\n", d.Span, d.Span.Text(), d.Label)
		for _, r := range d.Related {
			fmt.Fprintf(&b, "  and %s: %s\n", r.Span, r.Message)
		}
		for _, n := range d.Notes {
			fmt.Fprintf(&b, "  note: %s\n", n)
		}
		fmt.Fprintf(&b, "  help: %s\n", d.Help)
	}
	return b.String()
}

func TestFindings(t *testing.T) {
	type hosts = []host.Facts
	type claims = []inventory.Claim
	for _, c := range []struct {
		name   string
		claims claims
		hosts  hosts
		want   string
	}{
		{"a range in the ephemeral ports", claims{rtp(35000, 35399)}, hosts{linux()}, `
error[ephemeral-overlap]: RTP 35000-35399/udp of media overlaps the ephemeral ports 32768-60999 of linux
  at etc/media.conf:1:12 35000: 400 ports shared
  note: net.ipv4.ip_local_port_range is 32768 60999 (proc/range:1)
  help: set rtp_base to 30000, or reserve 35000-35399 in net.ipv4.ip_local_reserved_ports
`},
		{"one port of a range", claims{rtp(32000, 32768)}, hosts{linux()}, `
error[ephemeral-overlap]: RTP 32000-32768/udp of media overlaps the ephemeral ports 32768-60999 of linux
  at etc/media.conf:1:12 35000: 1 port shared
  note: net.ipv4.ip_local_port_range is 32768 60999 (proc/range:1)
  help: set rtp_base to 30000, or reserve 32000-32768 in net.ipv4.ip_local_reserved_ports
`},
		{"just below", claims{rtp(32368, 32767)}, hosts{linux()}, ""},
		{"just above", claims{rtp(61000, 61399)}, hosts{linux()}, ""},
		{"reserved", claims{rtp(35000, 35399)}, hosts{reserving(linux(), "35000-35399")}, ""},
		{"the tail is not reserved", claims{rtp(35000, 35399)}, hosts{reserving(linux(), "35000-35197,35199", "22")}, `
error[ephemeral-partly-reserved]: RTP 35000-35399/udp of media is reserved in part: 35198,35200-35399 may still be handed out to any program
  at etc/media.conf:1:12 35000: 201 ports shared
  note: net.ipv4.ip_local_port_range is 32768 60999 (proc/range:1)
  note: net.ipv4.ip_local_reserved_ports holds 199 of the 400 ports (proc/reserved:1)
  help: set rtp_base to 30000, or set net.ipv4.ip_local_reserved_ports to 22,35000-35399
`},
		{"a single port is a warning, and the advice of all fits together", claims{rtp(35000, 35399), sip(port.TCP, 40000, "*"), sip(port.UDP, 40000, "*")}, hosts{linux()}, `
error[ephemeral-overlap]: RTP 35000-35399/udp of media overlaps the ephemeral ports 32768-60999 of linux
  at etc/media.conf:1:12 35000: 400 ports shared
  note: net.ipv4.ip_local_port_range is 32768 60999 (proc/range:1)
  help: set rtp_base to 30000, or set net.ipv4.ip_local_reserved_ports to 35000-35399,40000
warning[ephemeral-overlap]: SIP 40000/tcp and udp of media overlaps the ephemeral ports 32768-60999 of linux
  at etc/media.conf:2:12 default: 40000 in 12.1; 1 port shared
  note: net.ipv4.ip_local_port_range is 32768 60999 (proc/range:1)
  help: set sip_port to 25000, or set net.ipv4.ip_local_reserved_ports to 35000-35399,40000
`},
		{"several platforms", claims{change(rtp(49000, 49199), func(c *inventory.Claim) { c.Platforms = []string{"linux", "windows-server"} })},
			hosts{linux(), windows(row(port.UDP, host.V4, 49000, 49159, true)), freebsd()}, `
error[ephemeral-overlap]: RTP 49000-49199/udp of media overlaps the ephemeral ports 32768-60999 of linux and 49152-65535 of windows-server
  at etc/media.conf:1:12 35000: 200 ports shared on linux and 48 on windows-server
  note: net.ipv4.ip_local_port_range is 32768 60999 on linux (proc/range:1)
  note: netsh int ipv4 dynamicport udp is 49152-65535 on windows-server
  note: netsh int ipv6 dynamicport udp is 49152-65535 on windows-server
  note: administered exclusions hold 160 of the 200 ports over IPv4 on windows-server (udp.txt:49000)
  help: set rtp_base to 30000, or reserve 49000-49199 in net.ipv4.ip_local_reserved_ports on linux, or run netsh int ipv4 add excludedportrange protocol=udp startport=49160 numberofports=40; netsh int ipv6 add excludedportrange protocol=udp startport=49000 numberofports=200 on windows-server
`},
		{"a platform the service was not known to run on", claims{change(rtp(20000, 20399), func(c *inventory.Claim) { c.Platforms = []string{"linux"} })},
			hosts{freebsd()}, `
error[ephemeral-overlap]: RTP 20000-20399/udp of media overlaps the ephemeral ports 10000-65535 of freebsd
  at etc/media.conf:1:12 35000: 400 ports shared
  note: net.inet.ip.portrange.first is 10000-65535
  help: set rtp_base to 5000, or move net.inet.ip.portrange.first off 20000-20399
`},
		{"more ports than any gap has", claims{rtp(20000, 49999)}, hosts{freebsd()}, `
error[ephemeral-overlap]: RTP 20000-49999/udp of media overlaps the ephemeral ports 10000-65535 of freebsd
  at etc/media.conf:1:12 35000: 30000 ports shared
  note: net.inet.ip.portrange.first is 10000-65535
  help: make room for rtp_base (it needs 30000 ports in a row, and the longest free run is 8976 ports, 1024-9999, between the system ports and the ephemeral ports 10000-65535 of freebsd), or move net.inet.ip.portrange.first off 20000-49999
`},
		{"connections are no listeners", claims{change(rtp(35000, 35399), func(c *inventory.Claim) { c.Direction = inventory.Connect })}, hosts{linux()}, ""},
		{"no host is known", claims{rtp(35000, 35399)}, nil, ""},

		{"a port in a range of another service", claims{rtp(25000, 25399), change(sip(port.UDP, 25060, "10.0.0.5"), func(c *inventory.Claim) { c.Service, c.Instance = "proxy", "b" })}, nil, `
error[port-overlap]: SIP 25060/udp of proxy b overlaps RTP 25000-25399/udp of media
  at etc/media.conf:2:12 default: 25060 in 12.1; 1 port shared: 25060
  and etc/media.conf:1:12: RTP 25000-25399/udp of media; 1 port shared: 25060
  help: set sip_port to 24999, or bind them to different addresses
`},
		{"three on one port", claims{sip(port.UDP, 5060, "*"),
			change(sip(port.UDP, 5060, "*"), func(c *inventory.Claim) { c.Service = "proxy"; c.Setting = "" }),
			change(sip(port.UDP, 5060, "10.0.0.5"), func(c *inventory.Claim) { c.Service = "phone"; c.Setting = "" })}, nil, `
error[port-overlap]: SIP 5060/udp of phone overlaps SIP 5060/udp of media and SIP 5060/udp of proxy
  at etc/media.conf:2:12 default: 5060 in 12.1; 1 port shared: 5060
  and etc/media.conf:2:12: 5060 in 12.1; SIP 5060/udp of media; 1 port shared: 5060
  and etc/media.conf:2:12: 5060 in 12.1; SIP 5060/udp of proxy; 1 port shared: 5060
  note: moving SIP 5060/udp of media ends its overlaps with 2 listeners
  help: set sip_port of media to 5061, or bind them to different addresses
error[port-overlap]: SIP 5060/udp of proxy overlaps SIP 5060/udp of media
  at etc/media.conf:2:12 default: 5060 in 12.1; 1 port shared: 5060
  and etc/media.conf:2:12: 5060 in 12.1; SIP 5060/udp of media; 1 port shared: 5060
  note: moving SIP 5060/udp of media ends its overlaps with 2 listeners
  help: set sip_port of media to 5061, or bind them to different addresses
`},
		{"the sockets differ from what is written", claims{change(rtp(25000, 25400), func(c *inventory.Claim) { c.Ports.Last = 25399 }),
			sip(port.UDP, 25400, "*")}, nil, ""},
		{"tcp and udp", claims{rtp(25000, 25399), sip(port.TCP, 25060, "*")}, nil, ""},
		{"two addresses", claims{sip(port.UDP, 5060, "10.0.0.5"), change(sip(port.UDP, 5060, "127.0.0.1"), func(c *inventory.Claim) { c.Service = "proxy" })}, nil, ""},
		{"one listener said once", claims{sip(port.UDP, 5060, "*"), sip(port.UDP, 5060, "*")}, nil, ""},
		{"one listener said twice", claims{sip(port.UDP, 5060, "*"), change(sip(port.UDP, 5060, "*"), func(c *inventory.Claim) { c.Span, c.Because = at("30000"), nil })}, nil, `
error[port-overlap]: SIP 5060/udp of media overlaps SIP 5060/udp of media
  at etc/media.conf:3:13 30000: 1 port shared: 5060
  and etc/media.conf:2:12: 5060 in 12.1; SIP 5060/udp of media; 1 port shared: 5060
  help: set sip_port to 5061, or give one of them other ports
`},

		{"system ports", claims{change(rtp(1000, 1199), func(c *inventory.Claim) { c.Assigned = port.Of(port.Range{First: 1000, Last: 1001}) })}, nil, `
warning[reserved-port]: RTP 1000-1199/udp of media uses system ports assigned to another service or to none
  at etc/media.conf:1:12 35000: 22 ports below 1024: 1002-1023
  note: the ports 0-1023 are assigned by IANA, and binding one needs privilege on most systems (RFC 6335 section 6)
  help: set rtp_base to 5000, or give media another port from 1024 up
`},
		{"an assigned port is the best advice", claims{change(sip(port.TCP, 555, "*"), func(c *inventory.Claim) { c.Assigned = port.Of(port.Single(554), port.Single(322)) }), change(sip(port.TCP, 322, "*"), func(c *inventory.Claim) { c.Span, c.Assigned = at("200"), port.Of(port.Single(322)) })}, nil, `
warning[reserved-port]: SIP 555/tcp of media uses a system port assigned to another service or to none
  at etc/media.conf:2:12 default: 555 in 12.1; 1 port below 1024: 555
  note: the ports 0-1023 are assigned by IANA, and binding one needs privilege on most systems (RFC 6335 section 6)
  help: set sip_port to 554, or give media another port from 1024 up
`},
		{"1024", claims{sip(port.TCP, 1024, "*")}, nil, ""},

		{"past the end", claims{change(rtp(65400, 65799), func(c *inventory.Claim) {
			c.Because = []inventory.Because{{Span: at("35000"), Text: "65400"}, {Span: at("200"), Text: "200"}, {Span: source.New("services/x.hcl", []byte("value = 2")).Span(8, 9), Text: "2"}}
		})}, nil, `
error[range-overflow]: RTP 65400-65799/udp of media runs past the last port, 65535
  at etc/media.conf:1:12 35000: 264 ports above 65535
  and etc/media.conf:4:9: "200" decides how many ports there are
  help: set rtp_base to 65000, or ask for fewer ports
`},
		{"to the end", claims{rtp(65136, 65535)}, nil, ""},
		{"wholly past the end", claims{change(sip(port.UDP, 70000, "*"), func(c *inventory.Claim) { c.Setting = "" })}, nil, `
error[range-overflow]: SIP 70000-70000/udp of media runs past the last port, 65535
  at etc/media.conf:2:12 default: 70000 in 12.1; 1 port above 65535
  note: no port of it exists
  help: ask for fewer ports
`},

		{"an odd base", claims{rtp(25001, 25400)}, hosts{linux()}, `
warning[odd-rtp-base]: RTP 25001-25400/udp of media begins at the odd port 25001
  at etc/media.conf:1:12 35000: RTP takes even ports
  note: RTP uses an even port and RTCP the next one (RFC 3550 section 11)
  help: set rtp_base to 25000, or begin the range at an even port
`},
		{"an odd base whose lower neighbour is taken", claims{rtp(25001, 25400), sip(port.UDP, 25000, "*")}, nil, `
warning[odd-rtp-base]: RTP 25001-25400/udp of media begins at the odd port 25001
  at etc/media.conf:1:12 35000: RTP takes even ports
  note: RTP uses an even port and RTCP the next one (RFC 3550 section 11)
  help: set rtp_base to 25002, or begin the range at an even port
`},
		{"an odd base in the ephemeral ports", claims{rtp(35001, 35400)}, hosts{linux()}, `
error[ephemeral-overlap]: RTP 35001-35400/udp of media overlaps the ephemeral ports 32768-60999 of linux
  at etc/media.conf:1:12 35000: 400 ports shared
  note: net.ipv4.ip_local_port_range is 32768 60999 (proc/range:1)
  help: set rtp_base to 30000, or reserve 35001-35400 in net.ipv4.ip_local_reserved_ports
warning[odd-rtp-base]: RTP 35001-35400/udp of media begins at the odd port 35001
  at etc/media.conf:1:12 35000: RTP takes even ports
  note: RTP uses an even port and RTCP the next one (RFC 3550 section 11)
  help: set rtp_base to 30000, or begin the range at an even port
`},
		{"an odd port without pairs", claims{change(rtp(25001, 25400), func(c *inventory.Claim) { c.Pairs = false })}, nil, ""},

		{"exclusions", claims{rtp(25000, 25399)}, hosts{windows(
			row(port.UDP, host.V4, 24950, 25009, false), row(port.UDP, host.V4, 25390, 25489, false), row(port.UDP, host.V4, 25100, 25199, true),
			row(port.TCP, host.V4, 25200, 25299, false), row(port.UDP, host.V4, 26000, 26099, false))}, `
error[excluded-range]: RTP 25000-25399/udp of media meets the excluded ports 25000-25009,25390-25399 of windows-server
  at etc/media.conf:1:12 35000: 20 ports excluded
  note: 24950-25009 is excluded for UDP (udp.txt:24950)
  note: 25390-25489 is excluded for UDP (udp.txt:25390)
  note: a port that Windows has taken like that cannot be bound (error 10013), although nothing listens on it; one that an administrator excludes can
  help: run net stop winnat; netsh int ipv4 add excludedportrange protocol=udp startport=25000 numberofports=100; netsh int ipv4 add excludedportrange protocol=udp startport=25200 numberofports=200; net start winnat, which interrupts containers, or set rtp_base to 20000
`},
		{"an exclusion of the other family", claims{change(rtp(25000, 25399), func(c *inventory.Claim) { c.Bind = []string{"10.0.0.5", "0.0.0.0"} })},
			hosts{windows(row(port.UDP, host.V6, 25000, 25099, false))}, ""},
		{"an administered exclusion", claims{rtp(25000, 25399)}, hosts{windows(row(port.UDP, host.V4, 25000, 25399, true))}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := words(Run(&inventory.Inventory{Claims: c.claims}, c.hosts, Options{Supported: len(c.hosts) > 1}))
			if d := cmp.Diff(strings.TrimPrefix(c.want, "\n"), got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// TestManyExclusions: a finding stays readable, and no command is offered that nobody
// would type.
func TestManyExclusions(t *testing.T) {
	var rows []host.Excluded
	for i := range 20 {
		rows = append(rows, row(port.UDP, host.V4, uint16(25000+20*i), uint16(25009+20*i), i%2 == 0))
	}
	l := Run(&inventory.Inventory{Claims: []inventory.Claim{rtp(25000, 25399)}}, []host.Facts{windows(rows...)}, Options{})
	if len(l) != 1 || len(l[0].Notes) != maxRows+2 || !strings.Contains(words(l), "2 further exclusions") || l[0].Help != "set rtp_base to 20000" {
		t.Error(words(l))
	}
}

// genClaims crowds listeners into few ports and addresses.
func genClaims(t *rapid.T) []inventory.Claim {
	binds := []string{"*", "::", "0.0.0.0", "10.0.0.5", "127.0.0.1", "::ffff:10.0.0.5", "localhost", "::1", "fe80::1", "pbx.example", "PBX.example"}
	var out []inventory.Claim
	for range rapid.IntRange(0, maxPartners).Draw(t, "claims") {
		first := rapid.SampledFrom([]int{0, 1020, 5060, 5061, 25000, 25001, 35000, 65500}).Draw(t, "first")
		c := rtp(first, first+rapid.SampledFrom([]int{0, 1, 60, 399}).Draw(t, "more"))
		c.Proto = rapid.SampledFrom(port.Protos[:]).Draw(t, "proto")
		c.Bind = rapid.SliceOfNDistinct(rapid.SampledFrom(binds), 1, 2, rapid.ID[string]).Draw(t, "bind")
		c.Instance = c.Nominal() + rapid.SampledFrom([]string{"a", "b"}).Draw(t, "instance") // one listener, one range
		c.Span = source.New(c.Instance, []byte(strconv.Itoa(first))).Span(0, len(strconv.Itoa(first)))
		out = append(out, c)
	}
	return out
}

// TestOverlapsAreExact holds the sweep against all pairs.
func TestOverlapsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := genClaims(t)
		pairs := 0
		for i := range claims {
			for j := range i {
				a, b := &claims[i], &claims[j]
				if a.Proto == b.Proto && a.Ports.Overlaps(b.Ports) && inventory.BindsOverlap(a.Bind, b.Bind) && listenerOf(a) != listenerOf(b) {
					pairs++
				}
			}
		}
		found := 0
		for _, d := range Run(&inventory.Inventory{Claims: claims}, nil, Options{}) {
			if d.Rule == "port-overlap" {
				found += len(d.Related)
			}
		}
		if found != pairs {
			t.Fatalf("%d pairs found, %d exist in %v", found, pairs, claims)
		}
	})
}

// TestAdviceIsGood: a proposed base meets nothing that any rule complains about, and no
// other proposal.
func TestAdviceIsGood(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		claims := genClaims(t)
		hosts := []host.Facts{linux(), windows(row(port.UDP, host.V4, 20000, 20099, false), row(port.TCP, host.V6, 5000, 5099, false))}[:rapid.IntRange(0, 2).Draw(t, "hosts")]
		p := &Pass{}
		for i := range claims {
			p.listeners = append(p.listeners, &claims[i])
		}
		for i := range hosts {
			p.machines = append(p.machines, newMachine(&hosts[i]))
		}
		p.moves = newMoves(p.listeners)
		for _, c := range p.listeners {
			p.move(c)
		}
		p.plan()
		given := map[listener]inventory.Claim{}
		for _, c := range p.listeners {
			b := p.moves.of[c]
			if !p.move(c) {
				t.Fatalf("no place for %s: %s", subject(c), b.stuck)
			}
			first := c.NominalFirst + b.to - b.head.NominalFirst
			r, ok := moved(c, first)
			if !ok || c.Pairs && first%2 != 0 {
				t.Fatalf("%s to %d", subject(c), first)
			}
			n := *c
			n.Ports, n.NominalFirst, n.NominalLast = r, int(r.First), int(r.Last)
			given[listenerOf(c)] = n
		}
		var mended []inventory.Claim
		for _, n := range given {
			mended = append(mended, n)
		}
		if l := Run(&inventory.Inventory{Claims: mended}, hosts, Options{}); len(l) > 0 {
			t.Fatal(words(l))
		}
		for _, n := range mended {
			if !port.Of(n.Ports).Intersect(newMoves(p.listeners).taken).IsEmpty() {
				t.Fatalf("%s meets a listener", subject(&n))
			}
		}
	})
}

// TestRunIsRepeatable: the same input gives the same words, and Run changes nothing.
func TestRunIsRepeatable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inv := &inventory.Inventory{Claims: genClaims(t)}
		hosts := []host.Facts{linux(), windows()}
		before := slices.Clone(inv.Claims)
		a, b := words(Run(inv, hosts, Options{})), words(Run(inv, hosts, Options{}))
		if a != b {
			t.Fatal(cmp.Diff(a, b))
		}
		for i := range before {
			if subject(&before[i]) != subject(&inv.Claims[i]) {
				t.Fatal("Run changed the inventory")
			}
		}
	})
}

// crowd is n services with ranges that touch their neighbours' by two ports.
func crowd(n int) *inventory.Inventory {
	inv := &inventory.Inventory{}
	for i := range n {
		c := rtp(1024+i*40%60000, 1024+i*40%60000+41)
		c.Service = "s" + strconv.Itoa(i)
		inv.Claims = append(inv.Claims, c)
	}
	return inv
}

// TestHostileInventories: neither one port on thousands of addresses nor one address
// thousands of times makes the answer huge, or keeps the test from ending.
func TestHostileInventories(t *testing.T) {
	const n = 20_000
	for name, bind := range map[string]func(i int) string{
		"addresses": func(i int) string { return fmt.Sprintf("10.0.%d.%d", i/256, i%256) },
		"wildcards": func(int) string { return "*" },
		"names":     func(i int) string { return "h" + strconv.Itoa(i) },
	} {
		inv := &inventory.Inventory{}
		for i := range n {
			c := sip(port.UDP, 40000+i%2, bind(i))
			c.Service = strconv.Itoa(i)
			inv.Claims = append(inv.Claims, c)
		}
		l := Run(inv, []host.Facts{linux()}, Options{})
		for _, d := range l {
			if len(d.Related) > maxPartners || len(d.Help) > 1000 || len(d.Message) > 1000 {
				t.Fatalf("%s: a finding is huge: %d related, %d bytes", name, len(d.Related), len(d.Message))
			}
		}
		if len(l) == 0 || len(l) > 2*n {
			t.Errorf("%s: %d findings", name, len(l))
		}
	}
}

func BenchmarkRun(b *testing.B) {
	for _, n := range []int{100, 500} {
		inv, hosts := crowd(n), []host.Facts{linux(), windows()}
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if len(Run(inv, hosts, Options{})) == 0 {
					b.Fatal("nothing found")
				}
			}
		})
	}
}

// TestQuarrel: what keeps a service from its ports is one, and a name that no rule has is none.
func TestQuarrel(t *testing.T) {
	for name, want := range map[string]bool{"ephemeral-overlap": true, "port-overlap": true, "bind-all": false, "listener-unclaimed": false, "nothing": false, "": false} {
		if got := Quarrel(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
