// Package policy is what the operator wants.
//
// A policy names the networks that matter (zones), says which listeners of which
// services they may reach (allows) and may not (denies), where the host itself may connect
// to (connects), what happens to everything else (default), and which findings are known and
// accepted (ignores). It knows nothing of a host: package compile joins it with an inventory.
//
// The language is a small part of HCL's native syntax: blocks, quoted text, lists and
// references to zones. It has no expressions, templates or functions, so a policy can
// be read aloud and cannot run away.
package policy

import (
	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// RuleName is the name under which findings about a policy are reported.
const RuleName = "policy"

// Limits on a policy. They are far above what people write, and they bound the memory
// and the time that any text can cost.
const (
	// MaxSize is the most bytes a policy may have.
	MaxSize = 256 << 10
	// MaxAllows is the most allows, denies and connects that a policy may have together.
	MaxAllows = 1000
	// MaxFileSize is the most bytes a file of addresses may have, and MaxFiles is how many
	// such files a policy may name.
	MaxFileSize = 8 << 20
	MaxFiles    = 100
	// MaxIgnores is the most ignores a policy may have.
	MaxIgnores = 1000
	// MaxRanges is the most address ranges that all zones may hold together, and the most
	// that the lists of all allows, denies and connects may, each zone counted wherever it
	// is named.
	MaxRanges = 200_000

	maxFilesSize = 4 * MaxFileSize // bytes of all files of addresses

	maxDepth    = 8   // brackets in brackets; the language needs two
	maxFindings = 50  // beyond that nobody reads on
	maxName     = 64  // bytes of the name of a zone or an allow
	maxText     = 500 // bytes of a word or a quoted text; a reason is a sentence or two
)

// Exposures are the classes of listeners that an allow can ask for, from the widest to
// the narrowest, by the words of the catalogue. Loopback is not one of them: what is
// meant for this host alone needs no rule, because loopback is always open.
var Exposures = [...]string{"public", "internal", "admin"}

// Reserved are the names of the rules that every ruleset has by itself. An allow cannot
// take one, so the name of a rule always says who asked for it.
var Reserved = [...]string{"established", "loopback", "invalid", "ipv6", "icmp", "icmpv6", "dhcp", "dhcpv6", "log"}

// A Policy is a whole policy file. The zero value allows nothing and has no default;
// Load never returns that.
type Policy struct {
	File     *source.File
	Files    []*source.File // of addresses, as zones name them, in their order
	Zones    []Zone         // in the order of the file
	Allows   []Allow        // in the order of the file
	Denies   []Deny         // in the order of the file
	Connects []Connect      // in the order of the file
	Ignores  []Ignore       // in the order of the file
	Defaults Defaults
}

// A Word is text from the policy with its place. The zero value means that it was left
// out.
type Word struct {
	Text string
	Span source.Span // the text without its quotes
}

// A Zone is a named set of addresses.
type Zone struct {
	Name    Word
	Sources addr.Set // of both families, without the exceptions, not empty
}

// A Selection is what an allow, a deny or a connect is about, besides addresses.
type Selection struct {
	Name     Word
	Service  Word   // id in the catalogue
	Listen   []Word // names of listeners, of outgoing connections in a connect; only with Service
	Exposure []Word // out of Exposures; never with Listen nor in a connect
	Ports    []Port
	// Protocols are IP protocols as a whole, such as ESP; they stand alone.
	Protocols []Protocol
	// Interfaces are names of interfaces by which packets come in, or go out for a connect;
	// none stands for all of them.
	Interfaces []Word
	// Log is how often a packet is logged. The zero value is never.
	Log     ruleset.Rate
	LogSpan source.Span
	// At is the place in the order of the file, among all allows, denies and connects.
	At int
}

// An Allow opens ports to packets from some sources. There are four kinds:
//
//   - Ports is not empty: exactly these ports, whatever the host runs.
//   - Protocols is not empty: exactly these protocols.
//   - Service is given: listeners of that one service.
//   - none of them: listeners of every service.
//
// Of a service's listeners Listen chooses by name, else Exposure by class. With neither,
// the allow of one service means the widest exposure that the service has on the host:
// its public listeners, and for one that has none, such as an SSH server, the listeners
// that it has. The allow of every service then means the public ones alone.
//
// Allows and denies are asked in the order of the file, and the first one that fits decides.
type Allow struct {
	Selection
	// Otherwise are the ports that are opened when the host is not known to have any
	// listener of Service, so that a file we could not find or read does not lock the
	// operator out. Only with Service.
	Otherwise []Port
	From      []Word   // names of zones, and addresses; empty when the allow is for anywhere
	Sources   addr.Set // From together without the exceptions, or every address
	Limit     Limit
	// Connections is how many connections may be open.
	Connections Connections
	// NoTrack keeps connection tracking from the UDP ports that the allow opens. It has a
	// place when it is asked for.
	NoTrack source.Span
}

// A Deny drops packets from some sources. Without Service, Ports and Protocols it is about
// every packet. Of a service it means every listener, unless Listen or Exposure choose.
type Deny struct {
	Selection
	From    []Word
	Sources addr.Set
}

// A Connect lets the host begin connections. With neither Service nor Ports nor Protocols it
// means every outgoing connection that is found in the configuration of the host.
type Connect struct {
	Selection
	To    []Word   // names of zones, and addresses; empty for wherever the configuration says
	Peers addr.Set // To together without the exceptions, or every address
}

// A Protocol is an IP protocol as a whole.
type Protocol struct {
	Number uint8
	Name   string // as written
	Span   source.Span
}

// A Port is ports of one protocol, written "22/tcp" or "5000-5100/udp".
type Port struct {
	Proto port.Proto
	Ports port.Range // inclusive, without port 0
	Span  source.Span
}

// A Limit is how much an allow lets through before the next rules decide. The zero
// value is no limit.
type Limit struct {
	Rate      ruleset.Rate
	PerSource bool // counted for each source address by itself
	Span      source.Span
}

// Connections is how many connections an allow lets be open before the next rules decide.
// The zero value is no bound.
type Connections struct {
	Count     int
	PerSource bool // counted for each source address by itself
	Span      source.Span
}

// Defaults are what happens to packets that no allow accepts.
type Defaults struct {
	// Input is Drop, also when the policy has no default block, or Accept for
	// "additive": our rules only add accepts, and what other firewalls of the host say
	// about the rest still holds.
	Input ruleset.Verdict
	// Output is Accept, also when nothing is said of it: what the host sends leaves. With
	// Drop only answers, what connects ask for, and what every host needs may leave.
	Output ruleset.Verdict
	// NoIPv6 says that no packet of IPv6 is accepted but on loopback. It has a place when it
	// is asked for.
	NoIPv6 source.Span
	// Log is how often a dropped packet is logged. The zero value is never.
	Log     ruleset.Rate
	LogSpan source.Span
}
