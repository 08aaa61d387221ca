package lint

import (
	"fmt"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// unprivilegedBind finds listeners on ports that need a privilege (ip(7), CAP_NET_BIND_SERVICE
// of capabilities(7)) of services that systemd starts without it.
func unprivilegedBind(p *Pass) {
	type bind struct {
		at    source.Span
		first uint16
	}
	said := map[bind]int{} // the finding in Pass.found: one for both protocols
	for _, c := range p.listeners {
		for _, m := range p.machinesOf(c) {
			privileged := port.Set{}
			if m.UnprivilegedStart > 1 {
				privileged = port.Of(c.Ports).Intersect(port.Of(port.Range{First: 1, Last: uint16(m.UnprivilegedStart - 1)}))
			}
			b := bind{c.Span, c.Ports.First}
			if c.Account.Name == "" || privileged.IsEmpty() {
				continue
			}
			if i, ok := said[b]; ok {
				p.found[i].Ports = diag.Join(append(about(c, privileged), p.found[i].Ports...)...)
				continue
			}
			said[b] = len(p.found)
			p.report(cannotBind(p, c, m, privileged))
		}
	}
}

func cannotBind(p *Pass, c *inventory.Claim, m *machine, privileged port.Set) diag.Diagnostic {
	right := "write AmbientCapabilities=CAP_NET_BIND_SERVICE into a drop-in of " + c.Account.Unit
	return diag.Diagnostic{
		Message: fmt.Sprintf("%s needs a privilege that %s does not have", subject(c), c.Account.Name),
		Span:    c.Span,
		Label:   label(c, fmt.Sprintf("%s below %d: %s", count(privileged.Len(), "port"), m.UnprivilegedStart, few(privileged))),
		Related: []diag.Related{{Span: c.Account.Span, Message: c.Account.Unit + " starts it as " + c.Account.Name}},
		Notes: []string{fmt.Sprintf("net.ipv4.ip_unprivileged_port_start is %d: binding a lower port needs root or CAP_NET_BIND_SERVICE", m.UnprivilegedStart),
			"a program that has the capability from its file (setcap) can bind it; that is not seen here"},
		Help:  or(right, p.unprivilegedWords(c, m)),
		Fixes: []diag.Fix{{Title: right, Safety: diag.Display}},
		Ports: about(c, privileged),
	}
}

// unprivilegedWords is advice to listen on another port: one that is assigned to what c
// speaks, where it has one that needs no privilege.
func (p *Pass) unprivilegedWords(c *inventory.Claim, m *machine) string {
	if c.Setting == "" {
		return ""
	}
	for _, r := range c.Assigned.Ranges() {
		if int(r.First) >= m.UnprivilegedStart {
			return fmt.Sprintf("set %s to %d", c.Setting, r.First)
		}
	}
	return fmt.Sprintf("set %s to a port from %d up", c.Setting, m.UnprivilegedStart)
}
