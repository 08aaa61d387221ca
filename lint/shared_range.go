package lint

import (
	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/port"
)

// sharedRange finds ranges for calls that listeners of one process have in common. Each of
// them binds two ports at a time, so it works; but what one of them has bound the others do
// not have, and the range is smaller than each setting says. Listeners that share their
// sockets for good, such as those of ICE, lose nothing.
func sharedRange(p *Pass) {
	type process struct{ service, instance, share string }
	for _, proto := range port.Protos {
		before := map[process][]*inventory.Claim{}
		for _, c := range ascending(p.listeners, proto) {
			if c.Share == "" || !c.Pairs || c.Ports.Len() == 1 {
				continue
			}
			of := process{c.Service, c.Instance, c.Share}
			for _, o := range before[of] {
				if listenerOf(o) == listenerOf(c) || !o.Ports.Overlaps(c.Ports) || !inventory.BindsOverlap(o.Sockets(), c.Sockets()) {
					continue
				}
				both := port.Of(c.Ports).Intersect(port.Of(o.Ports))
				p.report(diag.Diagnostic{
					Message: subject(c) + " shares " + count(both.Len(), "port") + " with " + place(o) + " of the same process",
					Span:    c.Span,
					Label:   label(c, sharedPorts(both)),
					Related: []diag.Related{{Span: o.Span, Message: label(o, subject(o))}},
					Notes:   []string{"a port that one of them uses is not free for the other, so both together have fewer ports than the two ranges say"},
					Help:    "give each a range of its own, or count the calls of both together",
					Ports:   about(c, both),
				})
				break // one finding for each range
			}
			before[of] = append(before[of], c)
		}
	}
}

// place names a listener without its service, for a sentence that has named the service.
func place(c *inventory.Claim) string {
	return listenerName(c) + " " + c.Ports.String() + "/" + c.Proto.String()
}
