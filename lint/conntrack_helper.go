package lint

import (
	"strings"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
)

// spoken are the ports assigned to what each helper of connection tracking understands.
var spoken = map[string]uint16{"sip": 5060, "q.931": 1720, "ras": 1719}

// conntrackHelper finds listeners of SIP and H.323 whose packets the kernel reads as well,
// because a helper is known to be assigned to their port.
func conntrackHelper(p *Pass) {
	for _, c := range p.listeners {
		for _, m := range p.machinesOf(c) {
			if h, ok := readBy(m, c); ok && !c.OnLoopback() {
				p.report(read(c, h))
				break
			}
		}
	}
}

// readBy is the helper of m that looks into what c speaks, on one of its ports.
func readBy(m *machine, c *inventory.Claim) (host.Helper, bool) {
	for _, h := range m.Helpers {
		assigned, known := spoken[strings.ToLower(h.Name)]
		if known && h.Proto == c.Proto && c.Assigned.Contains(assigned) && !h.Ports.Intersect(port.Of(c.Ports)).IsEmpty() {
			return h, true
		}
	}
	return host.Helper{}, false
}

// read is the finding that h reads what comes for c.
func read(c *inventory.Claim, h host.Helper) diag.Diagnostic {
	protocol, module := "SIP", "sip"
	if !strings.EqualFold(h.Name, "sip") {
		protocol, module = "H.323", "h323"
	}
	heard := h.Ports.Intersect(port.Of(c.Ports))
	d := diag.Diagnostic{
		Message: "the " + protocol + " helper of the kernel reads what is sent to " + subject(c),
		Span:    c.Span,
		Label:   label(c, "the helper is on "+few(heard)+"/"+h.Proto.String()),
		Ports:   about(c, heard),
		Notes: []string{
			"the helper " + h.Name + " is assigned to " + few(h.Ports) + "/" + h.Proto.String() + " (" + h.From + ")",
			"it drops messages that it cannot follow",
			"it opens the media ports that a message names, where the firewall accepts related packets",
		},
	}
	if h.NAT {
		d.Notes = append(d.Notes, "nf_nat_"+module+" is loaded: it writes other addresses into the messages of calls that are translated")
	}
	unload := "remove nf_nat_" + module + " and nf_conntrack_" + module + " from the modules that are loaded"
	d.Help = "remove the rule that assigns the helper"
	if h.Automatic {
		d.Help = or("set net.netfilter.nf_conntrack_helper to 0", unload)
	}
	return d
}
