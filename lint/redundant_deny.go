package lint

import (
	"fmt"
	"slices"

	"portolan/internal/diag"
	"portolan/internal/policy"
	"portolan/internal/ruleset"
)

// redundantDeny finds denies without which the firewall would mean the same, the last first,
// and each beside those that are left: all of them can be taken out. A deny below which no
// allow stands is a finding about the text of the policy, on whatever host.
func redundantDeny(p *Pass) {
	f := p.firewall
	if f == nil || p.options.Part {
		return
	}
	out := map[string]bool{}
	for i := len(f.Denies) - 1; i >= 0; i-- {
		deny := &f.Denies[i]
		below := slices.ContainsFunc(f.Allows, func(a policy.Allow) bool { return a.At > deny.At })
		if deny.Log.Count > 0 || !below && f.Defaults.Input == ruleset.Drop {
			continue
		}
		name := deny.Name.Text
		d := diag.Diagnostic{
			Message: fmt.Sprintf("deny %q closes nothing: no such listener was found", name),
			Span:    deny.Name.Span,
			Label:   "the firewall is the same without it",
			Help:    "leave it out, if no host of this policy needs it",
		}
		if slices.ContainsFunc(f.rules.Input.Rules, func(r ruleset.Rule) bool { return r.Name == name }) {
			if f.counts(name, out) {
				continue
			}
			d.Message = fmt.Sprintf("deny %q changes nothing: nothing below it opens what it closes", name)
			if slices.ContainsFunc(deny.Protocols, func(p policy.Protocol) bool { return p.Number == ruleset.ICMP || p.Number == ruleset.ICMPv6 }) {
				d.Notes = []string{"errors, ping and neighbour discovery are let in by every ruleset, before any deny"}
			}
		}
		out[name] = true
		p.report(d)
	}
}

// counts reports whether the firewall would mean something else without the rules of the
// deny, beside the rules that are out; true also when it is too much work to tell.
func (f *firewall) counts(name string, out map[string]bool) bool {
	without := func(gone func(name string) bool) *ruleset.Ruleset {
		rs := *f.rules
		for _, d := range []ruleset.Direction{ruleset.In, ruleset.Out} {
			rs.Chain(d).Rules = slices.DeleteFunc(slices.Clone(rs.Chain(d).Rules), func(r ruleset.Rule) bool { return gone(r.Name) })
		}
		return &rs
	}
	with, less := without(func(n string) bool { return out[n] }), without(func(n string) bool { return out[n] || n == name })
	if f.differs(with, less, name) {
		return true
	}
	work := 0
	for _, d := range []ruleset.Direction{ruleset.In, ruleset.Out} {
		rows, columns := 2, len(with.Chain(d).Rules)
		seen := map[string]bool{}
		for i := range with.Chain(d).Rules {
			m := &with.Chain(d).Rules[i].Match
			if key := m.Peers.Ranges(); len(key) > 1 || len(key) == 1 && !seen[key[0].String()] {
				rows += 2 * len(key)
				seen[key[0].String()] = true
			}
			columns += len(m.Ports.Ranges()) + len(m.SourcePorts.Ranges())
		}
		work += rows * columns
	}
	if f.proofs -= work; f.proofs < 0 {
		return true
	}
	return ruleset.Equivalent(with, less) != nil
}

// differs asks a few packets, those that come first to a rule of that name and to a rule
// behind it: most often one of them tells.
func (f *firewall) differs(with, less *ruleset.Ruleset, name string) bool {
	rules := with.Input.Rules
	for i := range rules {
		if rules[i].Name != name {
			continue
		}
		for j := i + 1; j < len(rules); j++ {
			if rules[j].Effect.Verdict != ruleset.Accept {
				continue
			}
			if !f.spend(1 + len(rules[i].Match.Peers.Ranges()) + len(rules[j].Match.Peers.Ranges())) {
				return true
			}
			p, ok := firstPacket(rules[i].Match.Intersect(rules[j].Match))
			if ok && with.Decide(p).Verdict() != less.Decide(p).Verdict() {
				return true
			}
		}
	}
	return false
}

// firstPacket is a packet that matches m; false when there is none that is new.
func firstPacket(m ruleset.Match) (ruleset.Packet, bool) {
	protos := m.Protos.Each()
	if len(protos) == 0 || m.Peers.IsEmpty() || m.Ports.IsEmpty() || m.States&ruleset.New == 0 || len(m.Types.Each()) == 0 {
		return ruleset.Packet{}, false
	}
	p := ruleset.Packet{
		Interface: "eth0", State: ruleset.New, Proto: protos[0], Peer: m.Peers.Ranges()[0].First, Port: m.Ports.Ranges()[0].First, Type: m.Types.Each()[0],
	}
	if names := m.Interfaces.Names(); len(names) > 0 {
		p.Interface = names[0]
	}
	return p, m.Has(p)
}
