package pilot

import (
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"portolan/internal/kernel"
)

// Who speaks to the host in these tests. The peer of the link is an operator.
var (
	trunkV4    = netip.MustParseAddr("203.0.113.9")
	trunkV6    = netip.MustParseAddr("2001:db8:77::9")
	strangerV4 = netip.MustParseAddr("192.0.2.66")
	strangerV6 = netip.MustParseAddr("2001:db8:66::66")
	visitorV4  = netip.MustParseAddr("198.51.100.7")
	visitorV6  = netip.MustParseAddr("2001:db8:55::7")
)

// base is a policy under which the streams fare as they should. What stands in << >> is left to
// the variants.
const base = `
zone "trunks" { sources = ["203.0.113.9", "2001:db8:77::/64"<<zone>>] }
zone "operators" { sources = ["198.18.0.0/24", "2001:db8:ffff::/64"] }
<<first>>
allow "media" {
  ports = ["30000-30999/udp"]
  from  = [zone.trunks]
<<media>>
}
allow "sip" {
  ports = ["5060/udp", "5060/tcp"<<sip-ports>>]
  from  = [zone.trunks]
<<sip>>
}
allow "ssh" {
  ports = ["22/tcp"]
  from  = [zone.operators]
}
allow "web" {
  ports = ["80/tcp"<<web-ports>>]
<<web>>
}
<<last>>
connect "dns" { ports = ["53/udp"<<connect-ports>>] }
connect "known" { ports = ["7001/udp"] }
default {
<<default>>
}
`

// variants are policies that differ in one kind of thing each. In all of them the same packets
// of streams are allowed and forbidden, but that "open" forbids none that leave, and "off" all of
// IPv6. Port 8443 is opened by another allow, for other sources, in each of some.
var variants = []struct{ name, holes string }{
	{"a", `web-ports: , "8443/tcp"`},
	{"elements", `web-ports: , "8443/tcp" | zone: , "10.9.0.0/16", "2001:db8:9::/48"`},
	{"ports", `web-ports: , "8443/tcp" | sip-ports: , "5061-5090/udp", "5061/tcp"`},
	{"service", `sip-ports: , "8443/tcp"`},
	{"chain", `last: allow "admin" { ports = ["8443/tcp", "9443/tcp"] }`},
	{"limit", `web-ports: , "8443/tcp" | web: limit = "100000/second" | sip: limit = "100000/second per source"`},
	{"connections", `web-ports: , "8443/tcp" | web: connections = "60000 per source" | sip: connections = "60000"`},
	{"notrack", `web-ports: , "8443/tcp" | media: notrack = true`},
	{"base", `web-ports: , "8443/tcp" | first: deny "bad" { from = ["192.0.2.0/24", "2001:db8:66::/48"] }`},
	{"denies", `web-ports: , "8443/tcp" | first: deny "worse" { from = ["2001:db8:66::/64"] }` + "\n" + `deny "bad" { from = ["192.0.2.0/25"] }`},
	{"denies in another order", `web-ports: , "8443/tcp" | first: deny "bad" { from = ["192.0.2.0/25"] }` + "\n" + `deny "worse" { from = ["2001:db8:66::/64"] }`},
	{"log", `web-ports: , "8443/tcp" | log: | connect-ports: , "123/udp"`},
	{"all", `sip-ports: , "8443/tcp", "5062/udp" | zone: , "10.1.0.0/16" | media: notrack = true | web: limit = "90000/second per source" | first: deny "bad" { from = ["192.0.2.66"] }`},
	{"open", `web-ports: , "8443/tcp" | open:`},
	{"off", `web-ports: , "8443/tcp" | off:`},
}

// closed lets everybody to the web and operators log in, and nothing else.
const closed = `
allow "web" { ports = ["80/tcp"] }
allow "ssh" {
  ports = ["22/tcp"]
  from  = ["198.18.0.0/24", "2001:db8:ffff::/64"]
}
`

// variant is the text of a variant.
func variant(holes string) string {
	text, lines := base, []string{`  output = "drop"`}
	for hole := range strings.SplitSeq(holes, " | ") {
		name, value, _ := strings.Cut(hole, ":")
		switch name {
		case "log":
			lines = append(lines, `  log = "5/minute"`)
		case "open":
			lines[0] = `  output = "accept"`
		case "off":
			lines = append(lines, `  ipv6 = "off"`)
		default:
			if !strings.Contains(text, "<<"+name+">>") {
				panic("the base policy has no hole " + name)
			}
			text = strings.Replace(text, "<<"+name+">>", strings.TrimPrefix(value, " "), 1)
		}
	}
	text = strings.Replace(text, "<<default>>", strings.Join(lines, "\n"), 1)
	for {
		before, rest, found := strings.Cut(text, "<<")
		if !found {
			return text
		}
		_, after, _ := strings.Cut(rest, ">>")
		text = before + after
	}
}

// streams are the flows of which all variants say the same.
func streams() []kernel.Flow {
	const tcp, udp = unix.IPPROTO_TCP, unix.IPPROTO_UDP
	var out []kernel.Flow
	for _, x := range []struct {
		family                             string
		trunk, stranger, visitor, operator netip.Addr
	}{{" IPv4", trunkV4, strangerV4, visitorV4, kernel.PeerV4}, {" IPv6", trunkV6, strangerV6, visitorV6, kernel.PeerV6}} {
		for _, f := range []kernel.Flow{
			{Name: "sip", Proto: udp, Peer: x.trunk, Port: 5060, Allowed: true},
			{Name: "sip from its port", Proto: udp, Peer: x.trunk, Port: 5060, SourcePort: 5060, Allowed: true},
			{Name: "sip TCP", Proto: tcp, Peer: x.trunk, Port: 5060, Allowed: true},
			{Name: "media", Proto: udp, Peer: x.trunk, Port: 30010, Allowed: true},
			{Name: "media of a call", Proto: udp, Peer: x.trunk, Port: 30012, SourcePort: 14000, Allowed: true},
			{Name: "known media", Proto: udp, Peer: x.trunk, Port: 30014, SourcePort: 7001, Known: true, Allowed: true},
			{Name: "an answer", Proto: udp, Peer: x.trunk, Port: 7000, SourcePort: 7001, Known: true, Allowed: true},
			{Name: "ssh", Proto: tcp, Peer: x.operator, Port: 22, Allowed: true},
			{Name: "web", Proto: tcp, Peer: x.visitor, Port: 80, Allowed: true},
			{Name: "moving port", Proto: tcp, Peer: x.trunk, Port: 8443, Allowed: true},
			{Name: "dns", Proto: udp, Peer: x.trunk, Port: 53, Out: true, Allowed: true},
			{Name: "forbidden sip", Proto: udp, Peer: x.stranger, Port: 5060},
			{Name: "forbidden media", Proto: udp, Peer: x.stranger, Port: 30010},
			{Name: "forbidden ssh", Proto: tcp, Peer: x.stranger, Port: 22},
			{Name: "no answer", Proto: udp, Peer: x.trunk, Port: 7000},
			{Name: "forbidden telnet", Proto: tcp, Peer: x.operator, Port: 23},
			{Name: "forbidden mail", Proto: tcp, Peer: x.trunk, Port: 25, Out: true},
		} {
			f.Name += x.family
			out = append(out, f)
		}
	}
	return out
}
