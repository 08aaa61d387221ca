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

// unreachableService finds services whose clients find every port closed, and ranges for
// media that are closed while the same service may be called. A single closed port beside
// others is what a firewall is for.
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
	for _, of := range order {
		var closed, media []*inventory.Claim
		all := true
		for _, c := range by[of] {
			o, ok := p.opened(c)
			switch {
			case !ok:
				return
			case !o.some.IsEmpty():
				all = false
			default:
				closed = append(closed, c)
				if c.Ports.Len() > 1 {
					media = append(media, c)
				}
			}
		}
		switch {
		case all && !f.named(of.service): // that it opens nothing is said of an allow that names it
			p.report(p.unreachable(closed, media))
		case !all && len(media) > 0:
			for _, c := range media {
				p.report(p.silentMedia(c))
			}
		}
	}
}

// named reports whether an allow names the service.
func (f *firewall) named(service string) bool {
	for i := range f.Allows {
		if f.Allows[i].Service.Text == service {
			return true
		}
	}
	return false
}

// unreachable is the finding that all ports of a service are closed. A closed service is
// worth knowing; one that carries media was hardly put there for this host alone.
func (p *Pass) unreachable(closed, media []*inventory.Claim) diag.Diagnostic {
	c := closed[max(0, slices.IndexFunc(closed, func(o *inventory.Claim) bool { return o.Span.HasLine() }))]
	names := make([]string, len(closed))
	for i, o := range closed {
		names[i] = place(o)
	}
	d := diag.Diagnostic{
		Severity: diag.Info,
		Message:  fmt.Sprintf("no allow opens %s to anybody: %s %s closed", serviceName(c), some(names), plural(len(names), "is", "are")),
		Span:     c.Span,
		Label:    label(c, "closed by input = \"drop\""),
		Help: fmt.Sprintf("add allow %q { service = %q } with the networks of its clients as from, or let it listen on loopback if nobody outside needs it",
			c.Service, c.Service),
	}
	if len(media) > 0 {
		d.Severity = diag.Warning
	}
	for _, o := range closed {
		if len(d.Related) < maxPartners && o.Span.HasLine() && o.Span != c.Span {
			d.Related = append(d.Related, diag.Related{Span: o.Span, Message: label(o, subject(o))})
		}
	}
	d.Related = append(d.Related, p.stale(closed)...)
	return d
}

// silentMedia is the finding that a range is closed while its service may be called.
func (p *Pass) silentMedia(c *inventory.Claim) diag.Diagnostic {
	d := diag.Diagnostic{
		Message: fmt.Sprintf("no allow opens %s, while other ports of the service are open", subject(c)),
		Span:    c.Span,
		Label:   label(c, count(c.Ports.Len(), "port")+" closed"),
		Help:    fmt.Sprintf("open it too, with service = %q and listen = [%q]", c.Service, c.Listen),
		Related: p.stale([]*inventory.Claim{c}),
	}
	if c.Pairs {
		d.Notes = append(nominalNote(c), "a call is set up and then hears nothing, unless this host has sent to the very address and port that its peer sends from")
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
				if w.Proto == c.Proto && w.Ports.Len() == c.Ports.Len() && w.Ports.Len() > 1 && !seen[w.Span] && !p.claimed(w) && len(out) < maxPartners {
					seen[w.Span] = true
					out = append(out, diag.Related{Span: w.Span, Message: "nothing is known to listen here any more"})
				}
			}
		}
	}
	return out
}

// claimed reports whether a listener has one of the ports.
func (p *Pass) claimed(w policy.Port) bool {
	for _, c := range p.listeners {
		if c.Proto == w.Proto && c.Ports.Overlaps(w.Ports) {
			return true
		}
	}
	return false
}
