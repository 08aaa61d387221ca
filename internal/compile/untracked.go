package compile

import (
	"portolan/internal/policy"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// notrack takes the UDP ports that an allow opens out of connection tracking; its rules are
// those from the given one on. What is not tracked is never established, so every packet of a
// call is asked for its source, and those rules have to come first to be quick.
func (b *builder) notrack(a *policy.Allow, from int) {
	if a.NoTrack.IsZero() {
		return
	}
	var ports port.Set
	for _, r := range b.in[from:] {
		if r.Match.Protos == udp {
			ports = ports.Union(r.Match.Ports)
		}
	}
	if ports.IsEmpty() {
		b.nothing(a.NoTrack, "notrack of allow %q has no effect: it opens no UDP port", a.Name.Text)
		return
	}
	b.untracked, b.upTo = b.untracked.Union(ports), len(b.in)
	for _, c := range b.listens {
		opened := false
		for _, r := range b.in[from:] {
			opened = opened || r.Match.Protos == udp && r.Comment == claimComment(c)
		}
		if !opened && c.Proto == port.UDP && !ports.Intersect(port.Of(c.Ports)).IsEmpty() {
			b.nothing(a.NoTrack, "notrack of allow %q reaches %s too: answers to it are no longer known as such", a.Name.Text, claimComment(c))
		}
	}
}

var udp = ruleset.BytesOf(uint8(port.UDP))

// toUntracked is what a rule says of the untracked ports; false when it says nothing.
func (b *builder) toUntracked(r ruleset.Rule) (ruleset.Rule, bool) {
	r.Match.Protos = r.Match.Protos.Intersect(udp)
	r.Match.Ports = r.Match.Ports.Intersect(b.untracked)
	return r, r.Match.Protos == udp && !r.Match.Ports.IsEmpty() && r.Match.Types.IsAll()
}

// hoisted cuts what the policy asks for of arriving packets into what is said of untracked
// ports, up to the last allow with notrack, and all the rest. The order in each is kept, so
// what a deny above an allow takes from it stays taken.
func (b *builder) hoisted() (first, rest []ruleset.Rule) {
	for i, r := range b.in {
		if i < b.upTo {
			part, some := b.toUntracked(r)
			if some {
				first = append(first, part)
			}
			if some && r.Match.Protos == udp && r.Match.Ports.Minus(b.untracked).IsEmpty() {
				continue // nothing is left of it
			}
		}
		rest = append(rest, r)
	}
	return first, rest
}

// answers are the rules by which the ports that are opened may send first: a media server
// sends RTP before any has come, and a SIP server asks its peers. So what an allow opens for
// UDP may send from its port to whoever may reach it. First are those of untracked ports,
// whose packets no rule knows as answers.
func (b *builder) answers() (first, rest []ruleset.Rule) {
	for _, r := range b.in {
		if r.Effect.Verdict != ruleset.Accept || r.Match.Protos != udp {
			continue
		}
		m := ruleset.Any()
		m.Protos, m.Peers, m.Interfaces = udp, r.Match.Peers, r.Match.Interfaces
		add := func(to *[]ruleset.Rule, ports port.Set) {
			if m.SourcePorts = ports; !ports.IsEmpty() {
				*to = append(*to, ruleset.Rule{Match: m, Effect: ruleset.Effect{Verdict: ruleset.Accept}, Name: r.Name, Comment: "from " + r.Comment, Origins: r.Origins})
			}
		}
		add(&first, r.Match.Ports.Intersect(b.untracked))
		add(&rest, r.Match.Ports.Minus(b.untracked))
	}
	return first, rest
}
