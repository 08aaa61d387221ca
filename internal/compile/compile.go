// Package compile turns a policy over an inventory into a ruleset.
package compile

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// Prefixes of the lines that are written for packets that nothing allows.
const (
	LogPrefix    = "portolan drop: "
	LogPrefixOut = "portolan drop out: "
)

// Ruleset is what p means on the host of inv: the rules that every host needs, then a
// rule for each allow and deny and each claim that it is about, in the order of the policy
// and then of the inventory. Every rule names the lines that asked for it. The same policy
// and inventory always give the same ruleset.
//
// The findings are about rules of the policy that do less than they seem to.
func Ruleset(p *policy.Policy, inv *inventory.Inventory) (*ruleset.Ruleset, diag.List) {
	b := &builder{
		policy: p, inv: inv, services: map[string][]*inventory.Claim{}, connects: map[string][]*inventory.Claim{},
		limits: map[string]bool{}, connections: map[string]bool{}, prefixes: map[string]bool{},
	}
	for i := range inv.Claims {
		c := &inv.Claims[i]
		switch {
		case c.Ports.Len() == 0:
		case c.Direction == inventory.Listen:
			b.listens = append(b.listens, c)
			b.services[c.Service] = append(b.services[c.Service], c)
		default:
			b.outgoing = append(b.outgoing, c)
			b.connects[c.Service] = append(b.connects[c.Service], c)
		}
	}
	b.in = make([]ruleset.Rule, 0, stated(p)+others)
	allows, denies := p.Allows, p.Denies
	for len(allows)+len(denies) > 0 {
		if len(denies) == 0 || len(allows) > 0 && allows[0].At < denies[0].At {
			b.allow(&allows[0])
			allows = allows[1:]
		} else {
			b.deny(&denies[0])
			denies = denies[1:]
		}
	}
	rs := &ruleset.Ruleset{Files: files(p, inv), Untracked: b.untracked}
	switch {
	case p.Defaults.Output == ruleset.Drop:
		for i := range p.Connects {
			b.connect(&p.Connects[i])
		}
		first, rest := b.answers()
		rs.Output = b.chain(ruleset.Out, ruleset.Drop, first, append(b.out, rest...))
	case !p.Defaults.NoIPv6.IsZero():
		rs.Output = noIPv6Out(p.Defaults.NoIPv6)
	}
	rs.Input = b.chain(ruleset.In, p.Defaults.Input, b.hoisted(), b.in) // the last, because it takes over b.in
	return rs, b.list
}

// others is room for the rules beside those that a policy states: those that every host needs, and
// the log.
const others = 16

// stated is about how many rules about packets that arrive stand in p itself, so that there is room
// for all of them at once: a rule is large.
func stated(p *policy.Policy) int {
	n := 0
	count := func(s *policy.Selection) { n += max(1, len(s.Ports)+len(s.Protocols)) }
	for i := range p.Allows {
		count(&p.Allows[i].Selection)
	}
	for i := range p.Denies {
		count(&p.Denies[i].Selection)
	}
	return n
}

// chain is the rules of one direction: what is asked before everything else, what every host
// needs, what the policy asks for, and the log of the rest. Only loopback stands above what
// is asked first: no deny is about it. The list of what the policy asks for is taken over.
func (b *builder) chain(d ruleset.Direction, byDefault ruleset.Verdict, first, rest []ruleset.Rule) ruleset.Chain {
	noIPv6 := b.policy.Defaults.NoIPv6
	needed := essentials(d, byDefault, noIPv6)
	if len(first) > 0 {
		loopback := slices.IndexFunc(needed, func(r ruleset.Rule) bool { return r.Name == "loopback" })
		first = append([]ruleset.Rule{needed[loopback]}, first...)
		needed = slices.Delete(needed, loopback, loopback+1)
	}
	var last []ruleset.Rule
	if log := b.policy.Defaults; log.Log.Count > 0 && byDefault == ruleset.Drop {
		prefix := map[ruleset.Direction]string{ruleset.In: LogPrefix, ruleset.Out: LogPrefixOut}[d]
		last = []ruleset.Rule{{
			Match: ruleset.Any(), Effect: logged(log.Log, prefix),
			Name: "log", Comment: "log what is dropped", Origins: origins(log.LogSpan),
		}}
	}
	rules := append(slices.Insert(rest, 0, slices.Concat(first, needed)...), last...) // where rest is, if there is room
	if !noIPv6.IsZero() {
		rules = withoutIPv6(rules)
	}
	return ruleset.Chain{Rules: rules, Default: byDefault}
}

// logged is the effect of writing a line for a packet.
func logged(rate ruleset.Rate, prefix string) ruleset.Effect {
	return ruleset.Effect{Verdict: ruleset.Continue, Log: ruleset.Log{Rate: rate.Reduced(), Burst: rate.Count, Prefix: prefix}}
}

// withoutIPv6 takes IPv6 out of every rule that lets a new packet in or out.
func withoutIPv6(rules []ruleset.Rule) []ruleset.Rule {
	var out []ruleset.Rule
	for _, r := range rules {
		opens := r.Effect.Verdict == ruleset.Accept && r.Match.States&ruleset.New != 0 && r.Name != "loopback"
		if opens {
			if r.Match.Peers = r.Match.Peers.Intersect(addr.V4()); r.Match.Peers.IsEmpty() {
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// files are the configuration files that the ruleset was made from, ascending, and then
// the policy and the files that it names.
func files(p *policy.Policy, inv *inventory.Inventory) []string {
	var names []string
	for _, f := range inv.Files {
		if f.Status != inventory.Unreadable {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	names = append(slices.Compact(names), p.File.Name)
	for _, f := range p.Files {
		names = append(names, f.Name)
	}
	return names
}

// builder is one ruleset in the making.
type builder struct {
	policy                        *policy.Policy
	inv                           *inventory.Inventory
	listens                       []*inventory.Claim            // claims of ports of this host
	services                      map[string][]*inventory.Claim // the same, by service
	outgoing                      []*inventory.Claim            // connections of this host
	connects                      map[string][]*inventory.Claim // the same, by service
	limits, connections, prefixes map[string]bool               // names that are taken
	in, out                       []ruleset.Rule                // what the policy asks for
	writes                        writer
	// untracked are the UDP ports that are kept from connection tracking, and upTo is how
	// many of the rules in stand before the last one that asks for it, itself included.
	untracked port.Set
	upTo      int
	list      diag.List
}

// allow adds the rules of one allow.
func (b *builder) allow(a *policy.Allow) {
	effect := ruleset.Effect{Verdict: ruleset.Accept}
	if a.Limit.Rate.Count > 0 {
		// A burst of one period's packets: the limit counts from a quiet start. Said
		// outright, because every firewall has another default (nftables takes 5).
		effect.Limit = ruleset.Limit{Rate: a.Limit.Rate.Reduced(), Burst: a.Limit.Rate.Count, PerSource: a.Limit.PerSource, Name: countName(b.limits, a.Name.Text)}
	}
	if a.Connections.Count > 0 {
		effect.Connections = ruleset.Connections{Count: a.Connections.Count, PerSource: a.Connections.PerSource, Name: countName(b.connections, a.Name.Text)}
	}
	t := b.writer("allow", &a.Selection, a.Sources, effect, b.in)
	if !t.numbers() {
		b.allowClaims(a, t)
	}
	b.in = t.finished()
	if !a.NoTrack.IsZero() {
		b.notrack(b.in[t.before:])
	}
}

// allowClaims adds the rules of an allow that is about listeners.
func (b *builder) allowClaims(a *policy.Allow, t *writer) {
	claims := b.listens
	if service := a.Service.Text; service != "" {
		claims = b.services[service]
		if len(claims) == 0 {
			t.ports(a.Otherwise)
		}
	}
	pick := picker(a, claims)
	byFamily := sources{all: a.Sources}
	for _, c := range claims {
		if pick(c) {
			t.claim(c, byFamily.of(c))
		}
	}
	b.explain(a, claims, pick, len(t.own()) > 0)
}

// deny adds the rules of one deny. It is about every listener that it can mean: what is to
// be closed is not left open because its configuration has a narrow place for it.
func (b *builder) deny(d *policy.Deny) {
	t := b.writer("deny", &d.Selection, d.Sources, ruleset.Effect{Verdict: ruleset.Drop}, b.in)
	claims := b.listens
	switch service := d.Service.Text; {
	case t.numbers():
		claims = nil
	case service != "":
		claims = b.services[service]
	case len(d.Exposure) == 0:
		t.add(ruleset.Any(), t.words(d.Name.Span), d.Name.Span)
		claims = nil
	}
	for _, c := range claims {
		named := len(d.Listen) == 0 || contains(d.Listen, c.Listen)
		if named && (len(d.Exposure) == 0 || contains(d.Exposure, string(c.Exposure))) {
			t.claim(c, d.Sources)
		}
	}
	b.in = t.finished()
}

// connect adds the rules of one connect.
func (b *builder) connect(c *policy.Connect) {
	t := b.writer("connect", &c.Selection, c.Peers, ruleset.Effect{Verdict: ruleset.Accept}, b.out)
	if !t.numbers() {
		b.connectClaims(c, t)
	}
	b.out = t.finished()
}

// connectClaims writes the rules of a connect that is about connections that were found.
func (b *builder) connectClaims(c *policy.Connect, t *writer) {
	claims := b.outgoing
	if service := c.Service.Text; service != "" {
		claims = b.connects[service]
	}
	elsewhere, here := false, false // a connection leads out of the zones of to, or to this host
	for _, claim := range claims {
		if len(c.Listen) > 0 && !contains(c.Listen, claim.Listen) {
			continue
		}
		to, inside := peersOf(claim, c.Peers)
		if here = here || inside; inside {
			continue // the host reaches itself anyway
		}
		if to.IsEmpty() {
			elsewhere = true
		}
		t.claim(claim, to)
	}
	if len(t.own()) > 0 {
		return
	}
	at, whose := c.Name.Span, ""
	if c.Service.Text != "" {
		at, whose = c.Service.Span, " of "+c.Service.Text
	}
	switch {
	case elsewhere:
		b.reachesNothing(at, "name the addresses to which it leads, or leave to out", "connect %q lets nothing out: every connection%s that was found leads elsewhere", c.Name.Text, whose)
	case here:
		b.reachesNothing(at, "leave it out: loopback is always open", "connect %q lets nothing out: every connection%s that was found leads to this host itself", c.Name.Text, whose)
	default:
		b.reachesNothing(at, `if there is one all the same, write its port, as in ports = ["5432/tcp"]`, "connect %q lets nothing out: no outgoing connection%s was found", c.Name.Text, whose)
	}
}

// peersOf are the addresses in to that a connection is for: the one that is written, or all of
// them for a name, which can stand for any. It is true for a connection to this host itself.
func peersOf(c *inventory.Claim, to addr.Set) (peers addr.Set, inside bool) {
	host := strings.Trim(c.Peer, "[]")
	if strings.EqualFold(host, "localhost") {
		return addr.Set{}, true
	}
	a, err := netip.ParseAddr(host)
	if err != nil || a.IsUnspecified() {
		return to, false
	}
	a = a.Unmap().WithZone("")
	return to.Intersect(addr.OfRanges(addr.Range{First: a, Last: a})), a.IsLoopback()
}

// reachesNothing warns of a connect that does nothing on this host.
func (b *builder) reachesNothing(at source.Span, help, msg string, args ...any) {
	b.list = append(b.list, diag.Diagnostic{Rule: "connect-reaches-nothing", Severity: diag.Warning, Span: at, Message: fmt.Sprintf(msg, args...), Help: help})
}
