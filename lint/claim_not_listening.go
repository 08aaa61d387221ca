package lint

import (
	"slices"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
)

// withoutSockets are services whose ports others serve, mostly without a socket: rules of
// the kernel send packets on.
var withoutSockets = []string{"docker-compose", "kubernetes"}

// claimNotListening finds ports that somebody wrote for a service to open at its start, and
// on which nothing listens. Ranges are for calls and are not bound before one comes, and of
// a default nobody said that he wants it. Of a service none of whose ports is open, one
// finding says so; of a host on which nothing runs that the files speak of, such as an image
// that is being built, nothing is to be said. Files by themselves may not have come to their
// host yet, so it needs an inventory of the whole host.
func claimNotListening(p *Pass) {
	if p.options.Part {
		return
	}
	type instance struct{ service, name string }
	var order []instance
	of := map[instance][]*inventory.Claim{}
	for _, c := range p.listeners {
		if c.Ports.Len() != 1 || c.Ports.First == 0 || c.Pairs || slices.Contains(withoutSockets, c.Service) {
			continue
		}
		i := instance{c.Service, c.Instance}
		if of[i] == nil {
			order = append(order, i)
		}
		of[i] = append(of[i], c)
	}
	for k := range p.machines {
		m := &p.machines[k]
		if !slices.ContainsFunc(p.listeners, m.listens) {
			continue
		}
		for _, i := range order {
			if slices.Contains(p.machinesOf(of[i][0]), m) {
				p.reportClosed(m, of[i])
			}
		}
	}
}

// reportClosed reports which claims of one instance are not open on m.
func (p *Pass) reportClosed(m *machine, claims []*inventory.Claim) {
	var open, closed []*inventory.Claim
	for _, c := range claims {
		switch {
		case !slices.Contains(m.Watched, c.Proto): // not known
		case m.listens(c):
			open = append(open, c)
		default:
			closed = append(closed, c)
		}
	}
	if len(open) == 0 {
		if len(closed) > 0 {
			p.report(notRunning(closed))
		}
		return
	}
	var others []string
	for _, o := range open[:min(len(open), maxSockets)] {
		others = append(others, place(o))
	}
	for _, c := range closed {
		if c.Origin != inventory.Config {
			continue
		}
		p.report(diag.Diagnostic{
			Message: "nothing listens on " + subject(c),
			Span:    c.Span,
			Label:   "closed",
			Notes:   append(nominalNote(c), and(others)+" of the same service "+plural(len(others), "is", "are")+" open"),
			Help:    "restart " + c.Service + " if the file was changed since it started, and look for a bind error in its log",
			Ports:   allOf(c),
		})
	}
}

// notRunning is the finding about a service that has none of its ports open.
func notRunning(closed []*inventory.Claim) diag.Diagnostic {
	c := closed[0]
	who := c.Service
	if c.Instance != "" {
		who += " " + c.Instance
	}
	d := diag.Diagnostic{
		Severity: diag.Info,
		Message:  who + " is not running, or not with this file: none of its " + count(len(closed), "port") + " is open",
		Span:     c.Span,
		Help:     "start the service, or remove what is left of it",
		Ports:    allOf(closed...),
	}
	if c.Span.HasLine() {
		d.Label = label(c, "closed")
	}
	if len(closed) == 1 {
		d.Message = who + " is not running, or not with this file: " + place(c) + " is closed"
		return d
	}
	var words []string
	for _, c := range closed[:min(len(closed), maxSockets)] {
		words = append(words, place(c))
	}
	if more := len(closed) - maxSockets; more > 0 {
		words = append(words, count(more, "other"))
	}
	d.Notes = []string{"closed: " + and(words)}
	return d
}

// listens reports whether a socket of m is one of c.
func (m *machine) listens(c *inventory.Claim) bool {
	return slices.ContainsFunc(m.Listeners, func(x host.Listener) bool { return opens(c, x) })
}
