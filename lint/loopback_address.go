package lint

import (
	"net/netip"
	"sort"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// loopbackAddress finds addresses that clients are told in answers and that lead nowhere, or
// to the clients themselves. Where the only clients are on this host loopback is right: then
// the sockets are on loopback too, or a client on this host connects to the service there.
func loopbackAddress(p *Pass) {
	said := map[source.Span]bool{}
	here := p.servingHere()
	for _, c := range p.listeners {
		if c.Exposure != inventory.Public || c.OnLoopback() {
			continue
		}
		for _, a := range c.Advertised {
			why := unreachable(a.Text)
			if why == "" || said[a.Span] || here[process{c.Service, c.Instance}] {
				continue
			}
			said[a.Span] = true
			p.report(diag.Diagnostic{
				Message: "clients of " + c.Service + " are told " + a.Text + ", " + why,
				Span:    a.Span,
				Label:   told(a, c),
				Related: placed(c),
				Notes:   []string{c.Service + " puts this address into its answers, and clients send there"},
				Help:    setTo(a, "the address at which clients reach this host"),
			})
		}
	}
}

// unreachable says why nobody elsewhere can send to an address; "" when somebody may.
func unreachable(address string) string {
	a, err := netip.ParseAddr(strings.Trim(address, "[]"))
	switch {
	case strings.EqualFold(address, "localhost") || err == nil && a.Unmap().IsLoopback():
		return "where each client reaches only itself"
	case err == nil && a.IsUnspecified():
		return "which is no address that one can send to"
	}
	return ""
}

// process is one running copy of a service.
type process struct{ service, instance string }

// servingHere are the processes to which something on this host connects over loopback.
func (p *Pass) servingHere() map[process]bool {
	dialled := map[port.Proto][]port.Range{}
	for i := range p.Inventory.Claims {
		if c := &p.Inventory.Claims[i]; c.Direction == inventory.Connect && unreachable(c.Peer) != "" {
			dialled[c.Proto] = append(dialled[c.Proto], c.Ports)
		}
	}
	out := map[process]bool{}
	for proto, ranges := range dialled {
		ports := port.Of(ranges...).Ranges()
		for _, c := range p.listeners {
			i := sort.Search(len(ports), func(i int) bool { return ports[i].Last >= c.Ports.First })
			if c.Proto == proto && i < len(ports) && ports[i].Overlaps(c.Ports) {
				out[process{c.Service, c.Instance}] = true
			}
		}
	}
	return out
}

// told is the label at an address: the default that the text stands for, or for whom it is.
func told(a inventory.Word, c *inventory.Claim) string {
	words := "told to the clients of " + listenerName(c)
	if a.Default != "" {
		words = a.Default + "; " + words
	}
	return words
}

// placed is where the listener is, when a line of a file says it.
func placed(c *inventory.Claim) []diag.Related {
	if !c.Span.HasLine() {
		return nil
	}
	return []diag.Related{{Span: c.Span, Message: label(c, subject(c)+" listens on "+and(c.Bind))}}
}
