package compile

import (
	"slices"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// ICMP messages that a host must receive. Echo replies are not among them: they belong
// to an echo request of this host and are established.
var (
	icmpTypes = ruleset.BytesOf(
		3,  // destination unreachable; code 4 is how path MTU discovery works (RFC 1191)
		8,  // echo request: being reachable by ping is how operators find faults
		11, // time exceeded: routing loops, traceroute, lost fragments
		12, // parameter problem
	)
	// RFC 4890 section 4.4 is about firewalls on the host itself.
	icmpv6Types = ruleset.BytesOf(
		// Errors, 4.4.1. Packet too big (2) most of all: routers never fragment IPv6, so
		// without it connections hang at the first large packet.
		1, 2, 3, 4,
		// Echo request and reply, 4.4.1.
		128, 129,
		// Multicast listener discovery, 4.4.1: without the queries (130), reports (131,
		// 143) and the end of them (132) a switch that snoops stops sending the host the
		// multicast on which neighbour discovery rests.
		130, 131, 132, 143,
		// Router and neighbour discovery, 4.4.1: what ARP is to IPv4. Without it nothing
		// else arrives, and no rule can let it in as established, because Linux does not
		// track it.
		133, 134, 135, 136,
	)
)

// essentials are the rules that stand in every ruleset before what the policy asks for.
// There are no others: a host without any claim still answers ping and keeps its
// address.
//
// Established comes first. Measured on Linux it then costs a packet of a known flow
// about 0.2 µs, whatever stands behind it and however much that is, and nearly all
// packets are such. Media ports stand before it only together with "notrack", where it
// pays. Loopback stands before the broken packets, so that nothing between processes of
// this host is ever dropped.
//
// With the default Accept the rules that drop are left out: "additive" promises to add
// accepts and nothing else.
//
// What leaves needs the same, seen from the other side: a host that must not send errors,
// packet too big among them, neighbour discovery or DHCP requests loses its network.
func essentials(d ruleset.Direction, byDefault ruleset.Verdict, noIPv6 source.Span) []ruleset.Rule {
	accept, drop := ruleset.Effect{Verdict: ruleset.Accept}, ruleset.Effect{Verdict: ruleset.Drop}
	var rules []ruleset.Rule
	rule := func(name, comment string, m ruleset.Match, e ruleset.Effect, places ...source.Span) {
		rules = append(rules, ruleset.Rule{Match: m, Effect: e, Name: name, Comment: comment, Origins: places})
	}
	established, loopback, broken := ruleset.Any(), ruleset.Any(), ruleset.Any()
	established.States = ruleset.Established | ruleset.Related
	loopback.Interfaces = ruleset.InterfacesOf(ruleset.Loopback)
	broken.States = ruleset.Broken

	v4, v6 := ruleset.Any(), ruleset.Any()
	v4.Protos, v4.Types, v4.Peers = ruleset.BytesOf(ruleset.ICMP), icmpTypes, addr.V4()
	v6.Protos, v6.Types, v6.Peers = ruleset.BytesOf(ruleset.ICMPv6), icmpv6Types, addr.V6()

	words := [...]string{ruleset.In: "answers to what this host began", ruleset.Out: "answers of this host, and what it began"}
	rule("established", words[d], established, accept)
	rule("loopback", "this host to itself", loopback, accept)
	if byDefault == ruleset.Drop {
		rule("invalid", "packets of no known connection", broken, drop)
		if !noIPv6.IsZero() {
			all := ruleset.Any()
			all.Peers = addr.V6()
			rule("ipv6", "IPv6 is switched off in the policy", all, drop, noIPv6)
		}
	}
	rule("icmp", "errors and ping", v4, accept)
	rule("icmpv6", "errors, ping, neighbour and multicast discovery (RFC 4890)", v6, accept)
	// The request goes to a broadcast or multicast address, so the answer, which comes from
	// the server's own, is not established (RFC 2131 section 4.1, RFC 8415 section 7.2 for
	// the ports).
	if d == ruleset.In {
		rule("dhcp", "DHCP answers", match(port.UDP, port.Single(68), addr.V4()), accept)
		rule("dhcpv6", "DHCPv6 answers", match(port.UDP, port.Single(546), addr.V6()), accept)
	} else {
		rule("dhcp", "DHCP requests", match(port.UDP, port.Single(67), addr.V4()), accept)
		rule("dhcpv6", "DHCPv6 requests", match(port.UDP, port.Single(547), addr.V6()), accept)
	}
	return rules
}

// noIPv6Out is what leaves a host that may send everything but IPv6.
func noIPv6Out(asked source.Span) ruleset.Chain {
	rules := essentials(ruleset.Out, ruleset.Drop, asked)
	return ruleset.Chain{Default: ruleset.Accept, Rules: slices.DeleteFunc(rules, func(r ruleset.Rule) bool {
		return r.Name != "established" && r.Name != "loopback" && r.Name != "ipv6"
	})}
}
