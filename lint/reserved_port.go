package lint

import (
	"portolan/internal/diag"
	"portolan/internal/port"
)

// firstUserPort is the first port behind the system ports 0-1023 (RFC 6335 section 6).
const firstUserPort = 1024

// reservedPort finds listeners on system ports that IANA did not assign to what they
// speak. Port 0 asks the system for any port and is none of them.
func reservedPort(p *Pass) {
	system := port.Of(port.Range{First: 1, Last: firstUserPort - 1})
	for _, c := range p.listeners {
		foreign := port.Of(c.Ports).Intersect(system).Minus(c.Assigned)
		if foreign.IsEmpty() {
			continue
		}
		p.report(diag.Diagnostic{
			Message: subject(c) + " uses " + plural(foreign.Len(), "a system port", "system ports") + " assigned to another service or to none",
			Span:    c.Span,
			Label:   label(c, count(foreign.Len(), "port")+" below 1024: "+few(foreign)),
			Notes:   append(nominalNote(c), "the ports 0-1023 are assigned by IANA, and binding one needs privilege on most systems (RFC 6335 section 6)"),
			Help:    or(p.moveWords(c), "give "+c.Service+" another port from 1024 up"),
			Fixes:   p.fixes(c),
			Ports:   about(c, foreign),
		})
	}
}
