package lint

import (
	"strconv"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/source"
)

// bindAll finds listeners for operators or for parts of the product that are on every
// address although nothing guards them, where somebody wrote that they should be, or where
// the service's own documentation warns of it.
func bindAll(p *Pass) {
	said := map[source.Span]int{} // the finding in Pass.found
	whose := map[int][]*inventory.Claim{}
	for _, c := range p.listeners {
		at := c.Everywhere
		switch {
		case c.Exposure != inventory.Admin && c.Exposure != inventory.Internal, c.Unguarded == "", !everywhere(c), p.keptApart(c):
			continue
		case !at.Span.HasLine() && c.TrustedOnly == "":
			continue
		}
		if i, ok := said[at.Span]; ok && at.Span.HasLine() {
			whose[i] = append(whose[i], c)
			continue
		}
		said[at.Span] = len(p.found)
		whose[len(p.found)] = []*inventory.Claim{c}
		d := diag.Diagnostic{
			Message: subject(c) + " listens on every address",
			Span:    at.Span,
			Label:   "every address",
			Notes:   []string{c.Unguarded},
			Help:    setTo(at, onLoopback(at.Text), "an address in a network that only its users can reach"),
		}
		if c.TrustedOnly != "" {
			d.Severity = diag.Warning
			d.Notes = append(d.Notes, "its maintainers say that it is for trusted networks only ("+c.TrustedOnly+")")
		}
		if !at.Span.HasLine() {
			d.Span, d.Label = c.Span, label(c, "no address is set")
			if at.Setting != "" {
				d.Label = label(c, at.Setting+" is not set")
			}
		}
		p.report(d)
	}
	for i, claims := range whose {
		p.found[i].Ports = allOf(claims...)
	}
}

// keptApart reports whether a policy that somebody wrote keeps the public from c, or another
// rule says that it does not.
func (p *Pass) keptApart(c *inventory.Claim) bool {
	o, known := p.opened(c)
	return known && (c.TrustedOnly != "" || !isPublic(o.some))
}

// onLoopback is what to write in the place of a text that makes it every address: the
// address, with the port where the text is a port.
func onLoopback(text string) string {
	number := strings.TrimPrefix(text, ":")
	if _, err := strconv.Atoi(number); err == nil {
		return "127.0.0.1:" + number
	}
	return "127.0.0.1"
}

// everywhere reports whether a socket of c takes every address of a family.
func everywhere(c *inventory.Claim) bool {
	for _, b := range c.Bind {
		if b == "*" || b == "0.0.0.0" || b == "::" {
			return true
		}
	}
	return false
}
