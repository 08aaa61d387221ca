package lint

import (
	"fmt"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/port"
)

// sysctlShadowed finds what somebody wrote into etc and a later line takes back at boot.
func sysctlShadowed(p *Pass) {
	for i := range p.machines {
		m := &p.machines[i]
		for _, x := range m.Shadowed {
			d := diag.Diagnostic{
				Message: fmt.Sprintf("%s is set again in %s, and the later line wins", x.Setting, lineOf(x.By)),
				Span:    x.Span,
				Related: []diag.Related{{Span: x.By, Message: "this one counts at boot"}},
				Help:    "keep one of the two lines",
			}
			if x.Lost.IsEmpty() {
				p.report(d)
				continue
			}
			p.reportWishing(p.lostPorts(d, m, &x))
		}
	}
}

// lostPorts says of a list what is not in the later one.
func (p *Pass) lostPorts(d diag.Diagnostic, m *machine, x *host.Shadowed) (diag.Diagnostic, wish) {
	d.Label = few(x.Lost) + " " + plural(x.Lost.Len(), "is", "are") + " not reserved"
	for _, proto := range port.Protos { // the list is for both
		d.Ports = append(d.Ports, diag.Ports{Proto: proto, Set: x.Lost})
	}
	d.Notes = []string{"the lists of several lines are not added up: each replaces the one before"}
	d.Help = "write one list with the ports of both lines"
	if m.ReservedAt != nil {
		d.Help = listWords(x.Lost, p.lists[m], in(m.ReservedAt)) + ", and remove this line"
	}
	return d, wish{on: m, ports: x.Lost, words: d.Help, boot: true}
}
