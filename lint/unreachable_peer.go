package lint

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// unreachablePeer finds connections that a configuration names and that the policy does not
// let out: a database, a directory, a licence server.
func unreachablePeer(p *Pass) {
	f := p.firewall
	if f == nil || !f.rules.FiltersOutput() {
		return
	}
	names := false // a peer has a name, which somebody has to be asked for
	var named *inventory.Claim
	for i := range p.Inventory.Claims {
		c := &p.Inventory.Claims[i]
		if c.Direction != inventory.Connect || c.Ports.Len() == 0 {
			continue
		}
		host := strings.Trim(c.Peer, "[]")
		peer, err := netip.ParseAddr(host)
		peer = peer.Unmap().WithZone("")
		if strings.EqualFold(host, "localhost") || err == nil && peer.IsLoopback() {
			continue
		}
		literal := err == nil && !peer.IsUnspecified()
		if !literal && host != "" && err != nil && named == nil {
			names, named = true, c
		}
		shut, ok := f.shutOut(c, peer, literal)
		if !ok {
			return
		}
		if shut.IsEmpty() {
			continue
		}
		whom := c.Peer
		if whom == "" {
			whom = "its peer"
		}
		d := diag.Diagnostic{
			Message: fmt.Sprintf("no connect lets out %s to %s", subjectAt(c, few(shut)), whom),
			Span:    c.Span,
			Label:   label(c, "closed by output = \"drop\""),
			Help:    fmt.Sprintf("add connect %q { service = %q } to the policy", c.Service, c.Service),
		}
		if literal && peer.Is6() && !f.Defaults.NoIPv6.IsZero() {
			d.Label = label(c, "closed by ipv6 = \"off\"")
			d.Help = "name a peer of IPv4, or leave ipv6 = \"off\" out"
		}
		p.report(d)
	}
	if dns := port.Single(53); names && f.Defaults.Output == ruleset.Drop {
		ask := &inventory.Claim{Proto: port.UDP, Ports: dns}
		if shut, ok := f.shutOut(ask, netip.Addr{}, false); ok && !shut.IsEmpty() {
			p.report(diag.Diagnostic{
				Message: fmt.Sprintf("no connect lets out questions for names, and %s has the peer %s", named.Service, named.Peer),
				Span:    named.Span,
				Label:   label(named, "a name"),
				Notes:   []string{"a resolver on this host itself, or a line in the file of hosts, needs none for itself"},
				Help:    `add connect "dns" { ports = ["53/udp", "53/tcp"] } to the policy, with your resolvers in to`,
			})
		}
	}
}

// shutOut are the ports of a connection that no rule lets out: to the peer where it is an
// address, else to anybody. It is false when the policy is too large to say.
func (f *firewall) shutOut(c *inventory.Claim, peer netip.Addr, literal bool) (port.Set, bool) {
	if f.Defaults.Output != ruleset.Drop { // what leaves is asked for its family alone
		if literal && peer.Is6() {
			return port.Of(c.Ports), true
		}
		return port.Set{}, true
	}
	rules := f.rules.Output.Rules
	if !f.spend(len(rules)) {
		return port.Set{}, false
	}
	var open []port.Range
	for i := range rules {
		m := &rules[i].Match
		source := m.SourcePorts.IsAll() || c.Source != port.Range{} && port.Of(c.Source).Minus(m.SourcePorts).IsEmpty()
		if lets(&rules[i]) && m.Protos.Has(uint8(c.Proto)) && source && (!literal || m.Peers.Contains(peer)) {
			open = append(open, m.Ports.Ranges()...)
		}
	}
	return port.Of(c.Ports).Minus(port.Of(open...)), true
}

// lets reports whether a rule lets new packets out.
func lets(r *ruleset.Rule) bool {
	return r.Effect.Verdict == ruleset.Accept && r.Match.States&ruleset.New != 0 && r.Match.Types.IsAll() && !slices.Equal(r.Match.Interfaces.Names(), onLo)
}
