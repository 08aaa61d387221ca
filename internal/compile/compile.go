// Package compile turns a policy over an inventory into a ruleset.
package compile

import (
	"slices"

	"portolan/internal/addr"
	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// LogPrefix begins every line that is written for a dropped packet.
const LogPrefix = "portolan drop: "

// Ruleset is what p means on the host of inv: the rules that every host needs, then a
// rule for each allow and each claim that it opens, in the order of the policy and then
// of the inventory. Every rule names the lines that asked for it. The same policy and
// inventory always give the same ruleset.
//
// The findings are about allows that open less than they seem to.
func Ruleset(p *policy.Policy, inv *inventory.Inventory) (*ruleset.Ruleset, diag.List) {
	b := &builder{
		inv: inv, services: map[string][]*inventory.Claim{}, limits: map[string]bool{},
		rules: essentials(p.Defaults.Input),
	}
	for i := range inv.Claims {
		if c := &inv.Claims[i]; c.Direction == inventory.Listen && c.Ports.Len() > 0 {
			b.listens = append(b.listens, c)
			b.services[c.Service] = append(b.services[c.Service], c)
		}
	}
	for i := range p.Allows {
		b.allow(&p.Allows[i])
	}
	if d := p.Defaults; d.Log.Count > 0 {
		b.rules = append(b.rules, ruleset.Rule{
			Match: ruleset.Any(),
			Effect: ruleset.Effect{
				Verdict: ruleset.Continue,
				Log:     ruleset.Log{Rate: d.Log, Burst: d.Log.Count, Prefix: LogPrefix},
			},
			Name: "log", Comment: "log what is dropped", Origins: origins(d.LogSpan),
		})
	}
	return &ruleset.Ruleset{Input: ruleset.Chain{Rules: b.rules, Default: p.Defaults.Input}, Files: files(p, inv)}, b.list
}

// files are the configuration files that the ruleset was made from, ascending, and then
// the policy.
func files(p *policy.Policy, inv *inventory.Inventory) []string {
	var names []string
	for _, f := range inv.Files {
		if f.Status != inventory.Unreadable {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	return append(slices.Compact(names), p.File.Name)
}

// builder is one ruleset in the making.
type builder struct {
	inv      *inventory.Inventory
	listens  []*inventory.Claim            // claims of ports of this host
	services map[string][]*inventory.Claim // the same, by service
	limits   map[string]bool               // names that are taken
	rules    []ruleset.Rule
	list     diag.List
}

// allow adds the rules of one allow.
func (b *builder) allow(a *policy.Allow) {
	effect := ruleset.Effect{Verdict: ruleset.Accept}
	if a.Limit.Rate.Count > 0 {
		// A burst of one period's packets: the limit counts from a quiet start. Said
		// outright, because every firewall has another default (nftables takes 5).
		effect.Limit = ruleset.Limit{Rate: a.Limit.Rate, Burst: a.Limit.Rate.Count, PerSource: a.Limit.PerSource, Name: b.limitName(a.Name.Text)}
	}
	claims := b.listens
	if service := a.Service.Text; service != "" {
		claims = b.services[service]
		if len(claims) == 0 {
			b.ports(a, a.Otherwise, effect)
		}
	}
	if len(a.Ports) > 0 {
		b.ports(a, a.Ports, effect)
		return
	}
	pick := picker(a, claims)
	before := len(b.rules)
	byFamily := sources{all: a.Sources}
	for _, c := range claims {
		if pick(c) {
			b.claim(a, c, byFamily.of(c), effect)
		}
	}
	b.explain(a, claims, pick, len(b.rules) > before)
}

// claim opens the ports of c to the given sources; none are no rule.
func (b *builder) claim(a *policy.Allow, c *inventory.Claim, from addr.Set, effect ruleset.Effect) {
	if from.IsEmpty() {
		return
	}
	places := make([]source.Span, 0, len(c.Because)+2)
	places = append(places, c.Span)
	for _, because := range c.Because {
		places = append(places, because.Span)
	}
	b.rules = append(b.rules, ruleset.Rule{
		Match: match(c.Proto, c.Ports, from), Effect: effect,
		Name: a.Name.Text, Comment: claimComment(c), Origins: origins(append(places, a.Name.Span)...),
	})
}

// ports opens ports that stand in the policy itself.
func (b *builder) ports(a *policy.Allow, ports []policy.Port, effect ruleset.Effect) {
	for _, p := range ports {
		b.rules = append(b.rules, ruleset.Rule{
			Match: match(p.Proto, p.Ports, a.Sources), Effect: effect,
			Name: a.Name.Text, Comment: "allow " + a.Name.Text + at(p.Span), Origins: origins(p.Span, a.Name.Span),
		})
	}
}

// match is packets to the given ports in any state: established ones are accepted and
// broken ones dropped before, and what a raw table took from connection tracking must
// still get in.
func match(proto port.Proto, ports port.Range, from addr.Set) ruleset.Match {
	m := ruleset.Any()
	m.Protos, m.Ports, m.Peers = ruleset.BytesOf(uint8(proto)), port.Of(ports), from
	return m
}
