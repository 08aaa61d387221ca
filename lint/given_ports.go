package lint

import (
	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/port"
)

// given are the ports of one machine that a program gives to what it runs.
type given struct {
	ports port.Set // empty where there is no such program
	name  string   // "the node ports 30000-32767 of Kubernetes"
	notes []string
	way   func(*inventory.Claim) string // to keep them from a listener; may give ""
}

// givenOverlap finds listeners on such ports. Both work until something is given the port
// of the listener. The program's own claims, those of service, are where they should be.
func (p *Pass) givenOverlap(service string, of func(*machine) given) {
	for _, c := range p.listeners {
		if c.Service == service || c.OnLoopback() {
			continue
		}
		for _, m := range p.machinesOf(c) {
			g := of(m)
			shared := port.Of(c.Ports).Intersect(g.ports)
			if shared.IsEmpty() {
				continue
			}
			p.report(diag.Diagnostic{
				Message: subject(c) + " overlaps " + g.name,
				Span:    c.Span,
				Label:   label(c, sharedPorts(shared)),
				Notes:   append(nominalNote(c), g.notes...),
				Help:    or(p.moveWords(c), g.way(c)),
				Fixes:   p.fixes(c, g.way(c)),
				Ports:   about(c, shared),
			})
			break
		}
	}
}
