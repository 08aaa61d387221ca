// Package inventory joins services to their files: which line claims which ports.
package inventory

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/port"
	"portolan/internal/source"
)

// Inventory is what a host's configuration says about ports.
type Inventory struct {
	Root   string   // the folder that was looked at; "" for single files
	OS     string   // the system the files were found on, as in the catalogue's paths: "linux", "windows"; "" when single files do not tell
	Files  []File   // in order of name
	Claims []Claim  // in order of service, file, place, listener, protocol
	Found  []string // ids of the services of which a file was found, ascending
	// Disabled are listeners that the configuration switches off, with the reason.
	Disabled []Disabled
	// Contained are containers that have a network of their own and publish ports.
	Contained []Contained
}

// Disabled is a listener that is switched off.
type Disabled struct {
	Service string
	Listen  string
	Purpose string
	// Because are the settings that switch it off, "enabled = no", or those that would
	// have to be set, "tlsenable is not set"; the places of the latter have no line.
	Because []Because
}

// File is one configuration file that was recognised.
type File struct {
	Name    string
	Service string
	Status  Status
}

// Status says how much of a file we understood.
type Status string

// The statuses. Partial means that at least one port of the file is not known.
const (
	Whole      Status = "read"
	Partial    Status = "partial"
	Unreadable Status = "unreadable"
)

// Direction says who opens the connection.
type Direction string

// Listen claims ports of this host; Connect speaks of ports of a peer.
const (
	Listen  Direction = "listen"
	Connect Direction = "connect"
)

// Origin says whether somebody wrote the number.
type Origin string

// Config: the file says it. Default: the service's built-in value.
const (
	Config  Origin = "config"
	Default Origin = "default"
)

// Exposure is who should be able to reach a listener.
type Exposure string

// The exposures, from the widest to the narrowest.
const (
	Public   Exposure = "public"   // the service's clients
	Internal Exposure = "internal" // other parts of the same product
	Admin    Exposure = "admin"    // operators
	Loopback Exposure = "loopback" // processes on this host
)

// Exposures are all exposures.
var Exposures = [...]Exposure{Public, Internal, Admin, Loopback}

// A Claim is ports of one protocol that a service opens, or connects to, because a
// line of a file or a built-in default says so.
type Claim struct {
	Service   string // id in the catalogue, such as "lumenvox-media-server"
	Instance  string // tells several instances of a service apart; usually empty
	Listen    string // name of the listener in the catalogue, such as "rtp"
	Purpose   string // words for people, "RTP and RTCP"
	Direction Direction
	Proto     port.Proto
	// Ports are the sockets the service can really open.
	Ports port.Range
	// NominalFirst and NominalLast are the numbers that are written, or implied by a
	// base and a count. They differ from Ports where a service rounds or spills, and
	// NominalLast is above port.Max for a range that runs past the end.
	NominalFirst, NominalLast int
	// Bind are the local addresses: "*" for every address of both families, literal
	// addresses, or names as written. It is empty for Connect.
	Bind []string
	Peer string // for Connect: the host as written
	// Source are, for Connect, the local ports it uses; the zero value when the system
	// chooses one for each connection.
	Source port.Range
	// To are, for Connect, the listeners that it may be for, as "service.listener"; empty
	// when the description does not tell.
	To       []string
	Exposure Exposure
	Origin   Origin
	// Span is the text that says the first port. It names the file as a whole when
	// no line of it does.
	Span source.Span
	// Because are all the places that had a part in the numbers: lines of the file,
	// and lines of the catalogue for values that nobody wrote.
	Because []Because
	// Pairs says that the listener takes an even port for RTP and the next one for
	// RTCP (RFC 3550 section 11).
	Pairs bool
	// Assigned are the ports that IANA assigned to what this listener speaks; 554 and
	// 322 for RTSP.
	Assigned port.Set
	// Setting is the name of the setting that moves the range, for advice; "" when
	// there is none.
	Setting string
	// Insert is where Setting would be written if nobody did; nil where that is not known.
	Insert *Insertion
	// V6Only says that a socket on "::" takes no IPv4: IPV6_V6ONLY is set (ipv6(7)).
	V6Only bool
	// Share is a word that listeners of one process have in common when they may use the
	// same ports; "" for none. One with a slash, "asterisk/udp", is for a process of which
	// several services are parts.
	Share string
	// Everywhere is the text that makes Bind every address: "0.0.0.0", or ":8080", which names
	// none. It has no place when nobody wrote one, and is the zero value when Bind is narrower.
	Everywhere Word
	// Advertised are addresses that are written for clients to send to, where they may differ
	// from Bind: in SIP, SDP and RTSP.
	Advertised []Word
	// Needs is how many ports the limits of the service come to, and NeedsBy the text of the
	// limit; 0 when nobody wrote one.
	Needs   int
	NeedsBy Word
	// Unguarded says what somebody on the way reads or whoever gets there may do; "" for a
	// listener that is encrypted, asks for a log-in, or is made for everybody.
	Unguarded string
	// Account is who runs the service without the right to bind privileged ports; the zero
	// value where it has the right, or nobody knows.
	Account Account
	// TrustedOnly is the page on which the maintainers say that the listener is for trusted
	// networks alone; "" when they do not.
	TrustedOnly string
	// Platforms are the platforms the service runs on, as in policies/platforms.hcl.
	Platforms []string
}

// A Word is a text of a file that is no port, with its place.
type Word struct {
	Text    string      // what it comes to
	Default string      // as in Because
	Span    source.Span // the zero value when nobody wrote it
	Setting string      // the name of its setting; "" when it has none
}

// An Account is a user other than root, in whose name systemd starts a service.
type Account struct {
	Name string
	Unit string      // "acme.service"
	Span source.Span // where the unit says so
}

// Because is one place that had a part in a claim.
type Because struct {
	Span source.Span
	Text string // the text there, or the value of a default
	// Default is set when the text stands for a built-in value: "35000 from 10.1 to
	// 12.0". It is "" for a number somebody wrote.
	Default string
}

// Nominal is the written range, "35000-35399", or "65400-65799" for one that runs past
// the last port.
func (c *Claim) Nominal() string {
	if c.NominalLast > port.Max || c.NominalFirst < 0 {
		return strconv.Itoa(c.NominalFirst) + "-" + strconv.Itoa(c.NominalLast)
	}
	return port.Range{First: uint16(c.NominalFirst), Last: uint16(c.NominalLast)}.String()
}

// AnyV6 stands for every IPv6 address and no IPv4 one in Sockets.
const AnyV6 = "[::]"

// Sockets are the addresses of c as its sockets take them: Bind, with AnyV6 for a "::"
// that takes no IPv4.
func (c *Claim) Sockets() []string {
	if !c.V6Only || !slices.Contains(c.Bind, "::") {
		return c.Bind
	}
	out := slices.Clone(c.Bind)
	for i := range out {
		if out[i] == "::" {
			out[i] = AnyV6
		}
	}
	return out
}

// BindsOverlap reports whether a socket on one of the addresses in a would take a port
// from a socket on one of those in b. "*" and "::" overlap with everything (a socket on
// "::" takes IPv4 too unless IPV6_V6ONLY is set, ipv6(7)), "0.0.0.0" with all of IPv4.
// A name overlaps with itself and with every wildcard; "localhost" is 127.0.0.1 and ::1.
func BindsOverlap(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if bindOverlaps(x, y) || bindOverlaps(y, x) {
				return true
			}
		}
	}
	return false
}

func bindOverlaps(wide, other string) bool {
	if wide == AnyV6 {
		a, err := netip.ParseAddr(other)
		return other != "0.0.0.0" && (err != nil || a.Is6() && !a.Is4In6()) // a name may stand for IPv6
	}
	if strings.EqualFold(wide, other) || wide == "*" || wide == "::" {
		return true
	}
	if strings.EqualFold(other, "localhost") {
		return bindOverlaps(wide, "127.0.0.1") || bindOverlaps(wide, "::1")
	}
	if wide == "0.0.0.0" {
		a, err := netip.ParseAddr(other)
		return other != AnyV6 && (err != nil || a.Unmap().Is4())
	}
	x, errX := netip.ParseAddr(wide)
	y, errY := netip.ParseAddr(other)
	return errX == nil && errY == nil && x.Unmap() == y.Unmap()
}

// Published reports whether c is a port that leads into a container or to a pod: packets for
// it are translated and forwarded before the rules of the host's own input are asked.
func (c *Claim) Published() bool {
	switch c.Service {
	case "docker-compose":
		return c.Direction == Listen
	case "kubernetes":
		return c.Listen == "node-port" || c.Listen == "host-port"
	}
	return false
}

// OnLoopback reports whether every address of c is one of the host itself.
func (c *Claim) OnLoopback() bool {
	return len(c.Bind) > 0 && !slices.ContainsFunc(c.Bind, func(b string) bool {
		a, err := netip.ParseAddr(b)
		return !strings.EqualFold(b, "localhost") && (err != nil || !a.Unmap().IsLoopback())
	})
}
