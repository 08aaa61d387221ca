package compile

import (
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

var udp = ruleset.BytesOf(uint8(port.UDP))

// dhcpClients are never taken out of connection tracking: what must always arrive there
// stands behind the rules that come first.
var dhcpClients = port.Of(port.Single(68), port.Single(546))

// notrack takes the UDP ports that the rules of an allow open, the last ones so far, out of
// connection tracking. What is not tracked is never established, so every packet of a call is
// asked for its source, and those rules have to come first to be quick.
func (b *builder) notrack(rules []ruleset.Rule) {
	var ranges []port.Range
	for _, r := range rules {
		if r.Match.Protos == udp {
			ranges = append(ranges, r.Match.Ports.Ranges()...)
		}
	}
	if ports := port.Of(ranges...).Minus(dhcpClients); !ports.IsEmpty() {
		b.untracked, b.upTo = b.untracked.Union(ports), len(b.in)
	}
}

// hoisted are the rules that come first: what the policy says of untracked ports, up to the
// last allow with notrack. The order is kept, so what a deny above an allow takes from it stays
// taken.
//
// The same rules stand at their own place as well, where no packet comes to them. A firewall
// that keeps ports in a map shows its new content a moment after its new rules (nftables), so
// the ports must be in the map of a text with notrack and of one without: then no packet of a
// call is lost while the one replaces the other.
func (b *builder) hoisted() []ruleset.Rule {
	var first []ruleset.Rule
	for _, r := range b.in[:b.upTo] {
		if !r.Match.Protos.Has(uint8(port.UDP)) {
			continue
		}
		r.Match.Protos, r.Match.Ports = udp, r.Match.Ports.Intersect(b.untracked)
		if !r.Match.Ports.IsEmpty() {
			first = append(first, r)
		}
	}
	return first
}

// answers are the rules by which the ports that are opened may send first: a media server
// sends RTP before any has come, and a SIP server asks its peers. So what an allow opens for
// UDP may send from its port to whoever may reach it, and what a deny above takes from it may
// not. First are those of untracked ports, whose packets no rule knows as answers; the rest
// stands behind all connects, so that a deny there takes nothing from them.
func (b *builder) answers() (first, rest []ruleset.Rule) {
	var ranges []port.Range
	end := 0
	for i, r := range b.in {
		if r.Effect.Verdict == ruleset.Accept && r.Match.Protos == udp {
			ranges, end = append(ranges, r.Match.Ports.Ranges()...), i+1
		}
	}
	opened := port.Of(ranges...)
	for _, r := range b.in[:end] {
		if r.Effect.Verdict == ruleset.Continue || !r.Match.Protos.Has(uint8(port.UDP)) {
			continue
		}
		m := ruleset.Any()
		m.Protos, m.Peers, m.Interfaces = udp, r.Match.Peers, r.Match.Interfaces
		add := func(to *[]ruleset.Rule, ports port.Set) {
			if m.SourcePorts = ports.Intersect(opened); !m.SourcePorts.IsEmpty() {
				*to = append(*to, ruleset.Rule{Match: m, Effect: ruleset.Effect{Verdict: r.Effect.Verdict}, Name: r.Name, Comment: "from " + r.Comment, Origins: r.Origins})
			}
		}
		add(&first, r.Match.Ports.Intersect(b.untracked))
		add(&rest, r.Match.Ports.Minus(b.untracked))
	}
	return first, rest
}
