package lint

import "portolan/internal/inventory"

// nomadOverlap finds listeners on ports that Nomad gives to jobs of this host. The job or
// the listener, whichever comes later, cannot bind the port.
func nomadOverlap(p *Pass) {
	p.givenOverlap("", func(m *machine) given {
		n := m.NomadPorts
		return given{
			ports: n.Ports,
			name:  "the dynamic ports " + few(n.Ports) + " of Nomad",
			notes: []string{"dynamic ports are " + few(n.Ports) + " (" + n.From + ")",
				"Nomad gives a job any of them, whether or not a service of the host has it"},
			way: func(c *inventory.Claim) string {
				return "add " + c.Ports.String() + " to client { reserved { reserved_ports } } of Nomad"
			},
		}
	})
}
