package lint

import (
	"portolan/internal/inventory"
	"portolan/internal/port"
)

// nodeportOverlap finds listeners on ports that Kubernetes gives to Services. Once a
// Service has the port, its packets never come to the listener.
func nodeportOverlap(p *Pass) {
	p.givenOverlap("kubernetes", func(m *machine) given {
		n := m.NodePorts
		if n.Ports.First == 0 {
			return given{}
		}
		return given{
			ports: port.Of(n.Ports),
			name:  "the node ports " + n.Ports.String() + " of Kubernetes",
			notes: []string{"node ports are " + n.Ports.String() + " (" + n.From + ")",
				"packets for a node port go to the Service before a listener sees them, and nothing shows that"},
			way: func(*inventory.Claim) string { return "narrow service-node-port-range of kube-apiserver" },
		}
	})
}
