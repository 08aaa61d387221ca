package lint

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// seen is linux with sockets: "udp 0.0.0.0:5060 name".
func seen(sockets ...string) host.Facts {
	f := linux()
	f.Watched = port.Protos[:]
	for i, s := range sockets {
		var proto, at, name string
		if _, err := fmt.Sscan(s, &proto, &at, &name); err != nil {
			panic(err)
		}
		p, err := port.ParseProto(proto)
		if err != nil {
			panic(err)
		}
		where := netip.MustParseAddrPort(at)
		if name == "-" {
			name = ""
		}
		f.Listeners = append(f.Listeners, host.Listener{Proto: p, Addr: where.Addr(), Port: where.Port(), Process: name, From: fmt.Sprintf("ss.txt:%d", i+1)})
	}
	return f
}

func with(f host.Facts, change func(*host.Facts)) host.Facts {
	change(&f)
	return f
}

// wrote is a claim of which somebody wrote the number.
func wrote(c inventory.Claim) inventory.Claim {
	c.Origin = inventory.Config
	return c
}

// TestSockets holds claims against the sockets of a host.
func TestSockets(t *testing.T) {
	type claims = []inventory.Claim
	loop := func(c inventory.Claim) inventory.Claim { c.Bind = []string{"127.0.0.1"}; return c }
	other := func(c inventory.Claim) inventory.Claim { c.Service = "proxy"; return c }
	for _, c := range []struct {
		name   string
		claims claims
		facts  host.Facts
		want   string
	}{
		{"all is as it is written", claims{sip(port.UDP, 5060, "*"), rtp(25000, 25399)}, seen("udp 0.0.0.0:5060 media", "udp [::]:5060 media", "udp 10.0.0.5:25002 media"), ""},
		{"nobody looked", claims{wrote(sip(port.UDP, 5060, "*")), wrote(sip(port.UDP, 5061, "*"))}, linux(), ""},
		{"loopback, DHCP, and clients that wait for answers", claims{sip(port.UDP, 5060, "*")},
			seen("udp 0.0.0.0:5060 media", "tcp 127.0.0.1:9000 x", "tcp [::1]:9000 x", "udp 0.0.0.0:68 dhclient", "udp [fe80::1]:546 dhclient", "udp 0.0.0.0:40000 named"), ""},
		{"one finding for each process, and one for all that have no name", claims{sip(port.UDP, 5060, "*")},
			seen("udp 0.0.0.0:5060 media", "tcp 0.0.0.0:40000 x", "udp 10.0.0.5:7000 x", "udp 10.0.0.5:7001 x", "udp 10.0.0.5:7002 x", "udp 10.0.0.5:7003 x", "tcp [::]:22 -", "tcp [::]:23 -"), `
info[listener-unclaimed]: an unknown process listens on 22-23/tcp, which no configuration mentions
  at ss.txt : 
  note: tcp [::]:22 is open (ss.txt:7)
  note: tcp [::]:23 is open (ss.txt:8)
  help: find out whose it is with ss -lntup as root
info[listener-unclaimed]: x listens on 40000/tcp and 7000-7003/udp, which no configuration mentions
  at ss.txt : 
  note: tcp 0.0.0.0:40000 is open (ss.txt:2)
  note: udp 10.0.0.5:7000 is open (ss.txt:3)
  note: udp 10.0.0.5:7001 is open (ss.txt:4)
  note: udp 10.0.0.5:7002 is open (ss.txt:5)
  note: 1 further socket
  help: look for its configuration, describe the service with --services if portolan does not know it, or stop it where nobody needs it
`},
		{"a port that the system spares is no client's", claims{sip(port.UDP, 5060, "*")}, reserving(seen("udp 0.0.0.0:5060 media", "udp 0.0.0.0:40000 x"), "40000"), `
info[listener-unclaimed]: x listens on 40000/udp, which no configuration mentions
  at ss.txt : 
  note: udp 0.0.0.0:40000 is open (ss.txt:2)
  help: look for its configuration, describe the service with --services if portolan does not know it, or stop it where nobody needs it
`},
		{"the other protocol, the other address, the other family", claims{sip(port.UDP, 5060, "10.0.0.5"), sip(port.TCP, 5060, "0.0.0.0")},
			with(seen("udp 10.0.0.5:5060 media", "udp 10.0.0.6:5060 x", "tcp [::]:5060 y"), func(f *host.Facts) { f.Listeners[2].V6Only = true }), `
info[listener-unclaimed]: x listens on 5060/udp, which no configuration mentions
  at ss.txt : 
  note: udp 10.0.0.6:5060 is open (ss.txt:2)
  help: look for its configuration, describe the service with --services if portolan does not know it, or stop it where nobody needs it
info[listener-unclaimed]: y listens on 5060/tcp, which no configuration mentions
  at ss.txt : 
  note: tcp [::]:5060 is open (ss.txt:3)
  help: look for its configuration, describe the service with --services if portolan does not know it, or stop it where nobody needs it
`},

		{"a port that was written is closed", claims{wrote(sip(port.UDP, 5060, "*")), wrote(sip(port.TCP, 5070, "10.0.0.5")), wrote(rtp(25000, 25399))}, seen("udp 0.0.0.0:5060 media", "tcp 127.0.0.1:5070 x"), `
warning[claim-not-listening]: nothing listens on SIP 5070/tcp of media
  at etc/media.conf:2:12 default: closed
  note: SIP 5060/udp of the same service is open
  help: restart media if the file was changed since it started, and look for a bind error in its log
`},
		{"a default is closed", claims{sip(port.UDP, 5060, "*"), sip(port.TCP, 5061, "*")}, seen("udp 0.0.0.0:5060 media"), ""},
		{"only UDP was looked at", claims{wrote(sip(port.UDP, 5060, "*")), wrote(sip(port.TCP, 5061, "*"))}, with(seen("udp 0.0.0.0:5060 media"), func(f *host.Facts) { f.Watched = []port.Proto{port.UDP} }), ""},
		{"a name may be any address", claims{wrote(sip(port.UDP, 5060, "*")), wrote(sip(port.TCP, 5070, "eth0"))}, seen("udp 0.0.0.0:5060 media", "tcp 10.0.0.5:5070 media"), ""},
		{"a wildcard takes loopback too", claims{wrote(sip(port.UDP, 5060, "*")), wrote(loop(sip(port.TCP, 5070)))}, seen("udp 0.0.0.0:5060 media", "tcp [::]:5070 media"), ""},
		{"a service does not run", claims{wrote(sip(port.UDP, 5060, "*")), other(sip(port.TCP, 7000, "*")), wrote(other(sip(port.UDP, 7000, "*")))}, seen("udp 0.0.0.0:5060 media"), `
info[claim-not-listening]: proxy is not running, or not with this file: none of its 2 ports is open
  at etc/media.conf:2:12 default: 7000 in 12.1; closed
  note: closed: SIP 7000/tcp and SIP 7000/udp
  help: start the service, or remove what is left of it
`},
		{"a service of one port does not run", claims{wrote(sip(port.UDP, 5060, "*")), change(sip(port.UDP, 7000, "*"), func(c *inventory.Claim) { c.Instance = "b" })}, seen("udp 0.0.0.0:5060 media"), `
info[claim-not-listening]: media b is not running, or not with this file: SIP 7000/udp is closed
  at etc/media.conf:2:12 default: 7000 in 12.1; closed
  help: start the service, or remove what is left of it
`},
		{"nothing runs", claims{wrote(sip(port.UDP, 5060, "*")), wrote(other(sip(port.TCP, 7000, "*")))}, seen(), ""},
		{"ports that are served without a socket", claims{wrote(sip(port.UDP, 5060, "*")), change(sip(port.TCP, 30080, "*"), func(c *inventory.Claim) { c.Service = "kubernetes" })}, seen("udp 0.0.0.0:5060 media"), ""},
	} {
		got := words(Run(&inventory.Inventory{Claims: c.claims}, []host.Facts{c.facts}, Options{}))
		if got != "" {
			got = "\n" + got
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
}

// TestManyProcesses bounds the programs that have a finding of their own.
func TestManyProcesses(t *testing.T) {
	var sockets []string
	for i := range maxProcesses + 3 {
		sockets = append(sockets, fmt.Sprintf("tcp 0.0.0.0:%d p%d", 2000+i, i))
	}
	list := Run(&inventory.Inventory{}, []host.Facts{seen(sockets...)}, Options{})
	if len(list) != maxProcesses+1 || !slices.ContainsFunc(list, func(d diag.Diagnostic) bool {
		return d.Message == "3 other programs have sockets on 2200-2202/tcp, which no configuration mentions"
	}) {
		t.Errorf("%d findings: %s", len(list), list[len(list)-1].Message)
	}
}

// TestSocketsOfSingleFiles holds that the sockets of a host are not all claimed by one of
// its files, and that a file that was not understood is named.
func TestSocketsOfSingleFiles(t *testing.T) {
	inv := &inventory.Inventory{Claims: []inventory.Claim{sip(port.UDP, 5060, "*")}, Files: []inventory.File{
		{Name: "etc/a", Status: inventory.Whole}, {Name: "etc/b", Status: inventory.Partial}, {Name: "etc/c", Status: inventory.Unreadable}}}
	facts := []host.Facts{seen("udp 0.0.0.0:5060 media", "tcp 0.0.0.0:7000 x")}
	if got := words(Run(inv, facts, Options{Part: true})); got != "" {
		t.Errorf("single files:\n%s", got)
	}
	want := `info[listener-unclaimed]: x listens on 7000/tcp, which no configuration mentions
  at ss.txt : 
  note: tcp 0.0.0.0:7000 is open (ss.txt:2)
  note: the claim may be missing because not all was understood of etc/b and etc/c
  help: look for its configuration, describe the service with --services if portolan does not know it, or stop it where nobody needs it
`
	if diff := cmp.Diff(want, words(Run(inv, facts, Options{}))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestMovesAvoidWhatListens holds that no advice sends a listener to a port that is open
// already, that Nomad may give away, or that the host's own list knows by another name.
func TestMovesAvoidWhatListens(t *testing.T) {
	facts := with(seen("tcp 0.0.0.0:5061 x"), func(f *host.Facts) {
		f.NomadPorts = host.NomadPorts{Ports: port.Of(port.Single(5059)), From: "nomad.hcl:1"}
		f.Names = []host.PortName{{Proto: port.UDP, Port: 5062, Name: "na-localise", From: "etc/services:1"}}
	})
	two := []inventory.Claim{sip(port.TCP, 5060, "*"), change(sip(port.TCP, 5060, "*"), func(c *inventory.Claim) {
		c.Service, c.Span = "proxy", source.New("etc/proxy.conf", []byte("port = 5060\n")).Span(7, 11)
	})}
	list := Run(&inventory.Inventory{Claims: two}, []host.Facts{facts}, Options{Part: true})
	if len(list) != 1 || list[0].Help != "set sip_port to 5058, or bind them to different addresses" {
		t.Errorf("%s", words(list))
	}
}

func TestConntrackHelper(t *testing.T) {
	helper := host.Helper{Name: "sip", Proto: port.UDP, Ports: port.Of(port.Single(5060), port.Single(5070)), Automatic: true, From: "proc/helper:1"}
	helped := with(linux(), func(f *host.Facts) { f.Helpers = []host.Helper{helper} })
	spoken := func(c inventory.Claim, assigned uint16) inventory.Claim {
		c.Assigned = port.Of(port.Single(assigned))
		return c
	}
	for _, c := range []struct {
		name  string
		claim inventory.Claim
		facts host.Facts
		fires bool
	}{
		{"SIP on its port", spoken(sip(port.UDP, 5060, "*"), 5060), helped, true},
		{"SIP on another port of the helper", spoken(sip(port.UDP, 5070, "*"), 5060), helped, true},
		{"SIP elsewhere", spoken(sip(port.UDP, 5080, "*"), 5060), helped, false},
		{"the other protocol", spoken(sip(port.TCP, 5060, "*"), 5060), helped, false},
		{"what is no SIP", spoken(sip(port.UDP, 5070, "*"), 5061), helped, false},
		{"loopback", spoken(sip(port.UDP, 5060, "127.0.0.1"), 5060), helped, false},
		{"no helper", spoken(sip(port.UDP, 5060, "*"), 5060), linux(), false},
		{"H.323", spoken(sip(port.UDP, 1719, "*"), 1719), with(linux(), func(f *host.Facts) {
			f.Helpers = []host.Helper{{Name: "RAS", Proto: port.UDP, Ports: port.Of(port.Single(1719)), NAT: true}}
		}), true},
		{"a helper that is not known", spoken(sip(port.UDP, 5060, "*"), 5060), with(linux(), func(f *host.Facts) {
			f.Helpers = []host.Helper{{Name: "netbios-ns", Proto: port.UDP, Ports: port.All()}}
		}), false},
	} {
		fired := false
		for _, d := range Run(&inventory.Inventory{Claims: []inventory.Claim{c.claim}}, []host.Facts{c.facts}, Options{}) {
			fired = fired || d.Rule == "conntrack-helper"
		}
		if fired != c.fires {
			t.Errorf("%s: %v", c.name, fired)
		}
	}
	want := `warning[conntrack-helper]: the SIP helper of the kernel reads what is sent to SIP 5060/udp of media
  at etc/media.conf:2:12 default: 5060 in 12.1; the helper is on 5060/udp
  note: the helper sip is assigned to 5060,5070/udp (proc/helper:1)
  note: it drops messages that it cannot follow
  note: it opens the media ports that a message names, where the firewall accepts related packets
  note: nf_nat_sip is loaded: it writes other addresses into the messages of calls that are translated
  help: set net.netfilter.nf_conntrack_helper to 0, or remove nf_nat_sip and nf_conntrack_sip from the modules that are loaded
`
	helped.Helpers[0].NAT = true
	claims := []inventory.Claim{spoken(sip(port.UDP, 5060, "*"), 5060)}
	if diff := cmp.Diff(want, words(Run(&inventory.Inventory{Claims: claims}, []host.Facts{helped}, Options{}))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestNomadOverlap(t *testing.T) {
	facts := with(linux(), func(f *host.Facts) {
		f.NomadPorts = host.NomadPorts{Ports: port.Of(port.Range{First: 20000, Last: 24999}, port.Range{First: 25400, Last: 32000}), From: "nomad.hcl:3"}
	})
	claims := []inventory.Claim{rtp(25000, 25399), rtp(25300, 25499), change(rtp(26000, 26001), func(c *inventory.Claim) { c.Bind = []string{"127.0.0.1"} })}
	claims[1].Bind, claims[1].Span = []string{"10.0.0.9"}, at("30000")
	claims[0].Bind = []string{"10.0.0.8"}
	want := `warning[nomad-overlap]: RTP 25300-25499/udp of media overlaps the dynamic ports 20000-24999,25400-32000 of Nomad
  at etc/media.conf:3:13 30000: 100 ports shared: 25400-25499
  note: dynamic ports are 20000-24999,25400-32000 (nomad.hcl:3)
  note: Nomad gives a job any of them, whether or not a service of the host has it
  help: set rtp_base to 15000, or add 25300-25499 to client { reserved { reserved_ports } } of Nomad
`
	if diff := cmp.Diff(want, words(Run(&inventory.Inventory{Claims: claims}, []host.Facts{facts}, Options{}))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestOpenBSDSparesPortsOfOneProtocol holds that a list for TCP does not spare UDP, and that
// the advice names the list of the protocol.
func TestOpenBSDSparesPortsOfOneProtocol(t *testing.T) {
	f := host.Facts{Platform: "openbsd", UnprivilegedStart: -1}
	for _, proto := range port.Protos {
		f.Ephemeral = append(f.Ephemeral, host.Ephemeral{Proto: proto, Family: host.V4, Ports: port.Range{First: 1024, Last: 49151},
			Setting: "net.inet.ip.portfirst and portlast"})
	}
	f.Reserved = []host.Reserved{{Proto: port.TCP, Ports: port.Of(port.Single(5060)), Setting: "net.inet.tcp.baddynamic"}}
	claims := []inventory.Claim{sip(port.TCP, 5060, "*"), change(sip(port.UDP, 5060, "*"), func(c *inventory.Claim) { c.Setting = "" })}
	want := `warning[ephemeral-overlap]: SIP 5060/udp of media overlaps the ephemeral ports 1024-49151 of openbsd
  at etc/media.conf:2:12 default: 5060 in 12.1; 1 port shared
  note: net.inet.ip.portfirst and portlast is 1024-49151
  help: add 5060 to net.inet.udp.baddynamic
`
	if diff := cmp.Diff(want, words(Run(&inventory.Inventory{Claims: claims}, []host.Facts{f}, Options{}))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
