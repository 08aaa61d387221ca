package lint

import (
	"fmt"
	"slices"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// unreachableService finds services that carry media and whose clients find every port
// closed, and ranges that are closed while the same service may be called. A single closed
// port is what a firewall is for; services that have nothing else are worth one look
// together.
func unreachableService(p *Pass) {
	f := p.firewall
	if f == nil || f.Defaults.Input != ruleset.Drop || len(f.Allows) == 0 {
		return
	}
	type process struct{ service, instance string }
	var order []process
	by := map[process][]*inventory.Claim{}
	for _, c := range p.listeners {
		if c.Ports.Len() == 0 || !p.forwarded(c) {
			continue
		}
		of := process{c.Service, c.Instance}
		if by[of] == nil {
			order = append(order, of)
		}
		by[of] = append(by[of], c)
	}
	var quiet [][]*inventory.Claim
	for _, of := range order {
		var closed, ranges []*inventory.Claim
		for _, c := range by[of] {
			o, ok := p.opened(c)
			if !ok {
				return
			}
			if o.some.IsEmpty() {
				closed = append(closed, c)
				if c.Ports.Len() > 1 {
					ranges = append(ranges, c)
				}
			}
		}
		switch {
		case len(closed) < len(by[of]):
			for _, c := range ranges {
				if !f.meant(c) {
					p.report(p.silentMedia(c))
				}
			}
		case p.options.Part || f.named(of.service): // that it opens nothing is said of an allow that names it, and a deny means it
		case slices.ContainsFunc(closed, func(c *inventory.Claim) bool { return c.Pairs }):
			p.report(p.unreachable(closed))
		default:
			quiet = append(quiet, closed)
		}
	}
	if len(quiet) > 0 {
		p.report(p.quiet(quiet))
	}
}

// named reports whether an allow or a deny names the service.
func (f *firewall) named(service string) bool {
	return slices.ContainsFunc(f.Allows, func(a policy.Allow) bool { return a.Service.Text == service }) ||
		slices.ContainsFunc(f.Denies, func(d policy.Deny) bool { return d.Service.Text == service })
}

// closing are the denies that drop what comes to one of the claims and is allowed below.
func (f *firewall) closing(claims []*inventory.Claim) []diag.Related {
	var out []diag.Related
	seen := map[int]bool{}
	for _, c := range claims {
		doors, _ := f.near(c.Proto, c.Ports)
		for i, d := range doors {
			below := func(o *door) bool { return o.opens() && o.meets(d) }
			if d.deny >= 0 && d.drops() && !seen[d.deny] && f.spend(len(doors)) && slices.ContainsFunc(doors[i:], below) && len(out) < maxPartners {
				seen[d.deny] = true
				out = append(out, diag.Related{Span: f.Denies[d.deny].Name.Span, Message: "this drops what an allow below it opens"})
			}
		}
	}
	return out
}

// meant reports whether a deny closes c by its name.
func (f *firewall) meant(c *inventory.Claim) bool {
	return slices.ContainsFunc(f.Denies, func(d policy.Deny) bool {
		return d.Service.Text == c.Service && (len(d.Listen) == 0 || slices.ContainsFunc(d.Listen, func(w policy.Word) bool { return w.Text == c.Listen }))
	})
}

// unreachable is the finding that all ports of a service that carries media are closed.
func (p *Pass) unreachable(closed []*inventory.Claim) diag.Diagnostic {
	c := shown(closed)
	names := places(closed)
	d := diag.Diagnostic{
		Ports:   allOf(closed...),
		Message: fmt.Sprintf("no allow opens %s to anybody: %s %s closed", serviceName(c), some(names), plural(len(names), "is", "are")),
		Span:    c.Span,
		Label:   label(c, "closed by input = \"drop\""),
		Help: fmt.Sprintf("add allow %q { service = %q } with the networks of its clients as from, or let it listen on loopback if nobody outside needs it",
			c.Service, c.Service),
	}
	for _, o := range closed {
		if len(d.Related) < maxPartners && o.Span.HasLine() && o.Span != c.Span {
			d.Related = append(d.Related, diag.Related{Span: o.Span, Message: label(o, subject(o))})
		}
	}
	d.Related = append(d.Related, append(p.stale(closed), p.firewall.closing(closed)...)...)
	return d
}

// quiet is the finding about services without media of which everything is closed.
func (p *Pass) quiet(services [][]*inventory.Claim) diag.Diagnostic {
	d := diag.Diagnostic{Severity: diag.Info, Span: p.firewall.File.Span(0, 0)}
	var names []string
	d.Ports = allOf(slices.Concat(services...)...)
	for i, closed := range services {
		c := shown(closed)
		names = append(names, serviceName(c))
		if i < maxPartners {
			d.Related = append(d.Related, diag.Related{Span: c.Span, Message: serviceName(c) + ": " + some(places(closed))})
		}
	}
	d.Message = fmt.Sprintf("no allow opens %s to anybody", some(names))
	d.Help = "add an allow for what clients outside need, and let the rest listen on loopback or switch it off"
	return d
}

// shown is the claim of a service that has a line, if one has.
func shown(claims []*inventory.Claim) *inventory.Claim {
	return claims[max(0, slices.IndexFunc(claims, func(c *inventory.Claim) bool { return c.Span.HasLine() }))]
}

// places name claims of one service, each once.
func places(claims []*inventory.Claim) []string {
	var names []string
	for _, c := range claims {
		if name := place(c); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// silentMedia is the finding that a range is closed while its service may be called.
func (p *Pass) silentMedia(c *inventory.Claim) diag.Diagnostic {
	d := diag.Diagnostic{
		Message: fmt.Sprintf("no allow opens %s, while other ports of the service are open", subject(c)),
		Span:    c.Span,
		Label:   label(c, count(c.Ports.Len(), "port")+" closed"),
		Ports:   allOf(c),
		Help:    fmt.Sprintf("open it too, with service = %q and listen = [%q]", c.Service, c.Listen),
		Related: append(p.stale([]*inventory.Claim{c}), p.firewall.closing([]*inventory.Claim{c})...),
	}
	if c.Pairs {
		d.Notes = append(nominalNote(c), "a call is set up, and the sound that comes in is dropped, unless this host has sent to that peer first")
	}
	return d
}

// serviceName is a service with its instance.
func serviceName(c *inventory.Claim) string {
	if c.Instance != "" {
		return c.Service + " " + c.Instance
	}
	return c.Service
}

// stale are the words of the policy that open as many ports as one of the claims has, where
// nothing is known to listen: numbers that were right before the service moved.
func (p *Pass) stale(closed []*inventory.Claim) []diag.Related {
	var out []diag.Related
	seen := map[source.Span]bool{}
	for _, c := range closed {
		for i := range p.firewall.Allows {
			for _, w := range p.firewall.Allows[i].Ports {
				if w.Proto == c.Proto && w.Ports.Len() == c.Ports.Len() && w.Ports.Len() > 1 && !seen[w.Span] && !p.hasListener(w) && len(out) < maxPartners {
					seen[w.Span] = true
					out = append(out, diag.Related{Span: w.Span, Message: "nothing is known to listen here"})
				}
			}
		}
	}
	return out
}

// hasListener reports whether a listener has one of the ports.
func (p *Pass) hasListener(w policy.Port) bool {
	for _, c := range p.listeners {
		if c.Proto == w.Proto && c.Ports.Overlaps(w.Ports) {
			return true
		}
	}
	return false
}
