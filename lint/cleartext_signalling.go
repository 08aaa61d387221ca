package lint

import (
	"portolan/internal/diag"
	"portolan/internal/inventory"
)

// cleartextSignalling finds allows that let everybody come to signalling that can be read on
// the way, of services that could speak it over TLS and do not.
func cleartextSignalling(p *Pass) {
	type instance struct{ service, instance, listen string }
	on := map[instance]bool{}
	for _, c := range p.listeners {
		on[instance{c.Service, c.Instance, c.Listen}] = true
	}
	p.reportExposed(
		func(c *inventory.Claim, _ *door) bool {
			return c.TLS != "" && c.Exposure == inventory.Public && !on[instance{c.Service, c.Instance, c.TLS}]
		},
		func(d *diag.Diagnostic, c *inventory.Claim) {
			d.Notes = []string{"numbers, names and the keys of encrypted media are in the signalling, and everybody on the way can read and change it"}
			d.Help = "switch on " + c.TLS + " of " + c.Service + ", the same over TLS, and open that"
		})
}
