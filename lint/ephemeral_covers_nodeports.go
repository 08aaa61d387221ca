package lint

import (
	"cmp"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/port"
	"portolan/internal/source"
)

// ephemeralCoversNodePorts finds nodes that hand out the ports of Services. Nothing is
// bound to a node port, so the system takes it for free and gives it to a connection, whose
// answers then go to the Service.
func ephemeralCoversNodePorts(p *Pass) {
	for i := range p.machines {
		m := &p.machines[i]
		shared, all := m.nodePortsHandedOut()
		if shared.IsEmpty() {
			continue
		}
		n := m.NodePorts
		e := m.handingOut(n.Ports)
		d := diag.Diagnostic{
			Message: "the ephemeral ports " + e.Ports.String() + " of " + m.name + " cover the node ports " + n.Ports.String() + " of Kubernetes",
			Span:    e.Span,
			Label:   sharedPorts(shared),
			Ports:   all,
			Notes: []string{e.Setting + " is " + asWritten(*e) + " (" + e.From + ")", "node ports are " + n.Ports.String() + " (" + n.From + ")",
				"an outgoing connection of this host may be given such a port, and its replies then go to the Service"},
		}
		switch {
		case d.Span.IsZero() && n.Span.IsZero(): // facts that came without their files
			d.Span = source.New(cmp.Or(n.From, m.name), nil).Span(0, 0)
		case d.Span.IsZero():
			d.Span = n.Span
		case !n.Span.IsZero():
			d.Related = []diag.Related{{Span: n.Span, Message: "node ports"}}
		}
		way := ""
		if system(m.Platform) == "linux" && m.canSpare(port.Of(n.Ports)) && m.canSpare(p.lists[m]) {
			way = reserveWords(port.Of(n.Ports), m, p.lists[m])
		}
		d.Help = or(way, "keep the ephemeral ports off "+n.Ports.String())
		if m.ReservedAt == nil {
			d.Fixes = p.fixes(nil, way)
		}
		var wishes []wish
		if way != "" {
			wishes = append(wishes, wish{on: m, ports: port.Of(n.Ports), words: way})
		}
		p.reportWishing(d, wishes...)
	}
}

// nodePortsHandedOut are the node ports that m may give to any program, of whatever protocol
// and by protocol.
func (m *machine) nodePortsHandedOut() (port.Set, []diag.Ports) {
	if m.NodePorts.Ports.First == 0 {
		return port.Set{}, nil
	}
	var out port.Set
	var parts []diag.Ports
	for proto, ports := range m.handsOut {
		both := ports.Intersect(port.Of(m.NodePorts.Ports))
		out = out.Union(both)
		parts = append(parts, diag.Ports{Proto: proto, Set: both})
	}
	return out, diag.Join(parts...)
}

// handingOut is the range of m that has some of the ports, one that a file says before
// others.
func (m *machine) handingOut(ports port.Range) *host.Ephemeral {
	var found *host.Ephemeral
	for i := range m.Ephemeral {
		if e := &m.Ephemeral[i]; e.Ports.Overlaps(ports) && (found == nil || found.Span.IsZero() && !e.Span.IsZero()) {
			found = e
		}
	}
	return found
}
