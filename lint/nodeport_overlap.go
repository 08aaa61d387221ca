package lint

import (
	"portolan/internal/diag"
	"portolan/internal/port"
)

// nodeportOverlap finds listeners on ports that Kubernetes gives to Services. Both work
// until a Service is given the port: then its packets never come to the listener.
func nodeportOverlap(p *Pass) {
	for _, c := range p.listeners {
		if c.Service == "kubernetes" || c.OnLoopback() {
			continue
		}
		for _, m := range p.machinesOf(c) {
			n := m.NodePorts
			if n.Ports.First == 0 || !n.Ports.Overlaps(c.Ports) {
				continue
			}
			shared := port.Of(c.Ports).Intersect(port.Of(n.Ports))
			notes := append(nominalNote(c), "node ports are "+n.Ports.String()+" ("+n.From+")",
				"nothing shows as listening on a node port: packets for it go to the Service, and a listener there hears nothing")
			p.report(diag.Diagnostic{
				Message: subject(c) + " overlaps the node ports " + n.Ports.String() + " of Kubernetes",
				Span:    c.Span,
				Label:   label(c, sharedPorts(shared)),
				Notes:   notes,
				Help:    or(p.moveWords(c), "narrow service-node-port-range of kube-apiserver"),
			})
			break
		}
	}
}
