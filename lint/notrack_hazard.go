package lint

import (
	"fmt"
	"slices"

	"portolan/internal/addr"
	"portolan/internal/diag"
	"portolan/internal/policy"
	"portolan/internal/port"
)

// notrackHazard finds what goes wrong where an allow keeps connection tracking from ports:
// nothing that comes to them is known as an answer any more, nothing of it is translated,
// and what counts connections counts packets.
func notrackHazard(p *Pass) {
	f := p.firewall
	if f == nil {
		return
	}
	for i := range f.Allows {
		a := &f.Allows[i]
		if a.NoTrack.IsZero() {
			continue
		}
		var ranges []port.Range
		var from addr.Set
		for _, d := range f.of[i] {
			if d.proto == port.UDP {
				ranges, from = append(ranges, d.ports...), from.Union(f.from[d.from])
			}
		}
		ports := port.Of(ranges...).Intersect(f.rules.Untracked)
		if ports.IsEmpty() {
			if !p.options.Part {
				p.report(diag.Diagnostic{Severity: diag.Info, Span: a.NoTrack, Message: fmt.Sprintf("notrack of allow %q has no effect: it opens no UDP port here", a.Name.Text), Help: "leave it out"})
			}
			continue
		}
		p.untrackedAnswers(a, ports, from)
		p.untrackedOthers(a, ports, from)
		p.untrackedBounds(i, ports)
	}
}

// untrackedAnswers reports ports that the system hands out: the answers to what a program
// asks from one of them are dropped, unless the allow is for everybody.
func (p *Pass) untrackedAnswers(a *policy.Allow, ports port.Set, from addr.Set) {
	if from.IsAll() {
		return
	}
	for i := range p.machines {
		m := &p.machines[i]
		both := ports.Intersect(m.handsOut[port.UDP])
		if both.IsEmpty() {
			continue
		}
		p.report(diag.Diagnostic{
			Message: fmt.Sprintf("notrack of allow %q covers %s, which %s hands out to any program", a.Name.Text, few(both), m.name),
			Span:    a.NoTrack,
			Label:   count(both.Len(), "port"),
			Notes:   []string{"what a program asks from such a port, a name for example, is answered, and the answer is dropped: without connection tracking nothing says that it is one"},
			Help:    "reserve the ports, as for ephemeral-overlap, or leave notrack out",
			Ports:   diag.Join(diag.Ports{Proto: port.UDP, Set: both}),
		})
	}
}

// untrackedOthers reports other listeners on the ports, and those that packets reach by being
// translated, which is not done without connection tracking.
func (p *Pass) untrackedOthers(a *policy.Allow, ports port.Set, from addr.Set) {
	for _, c := range p.listeners {
		both := ports.Intersect(port.Of(c.Ports))
		if c.Proto != port.UDP || c.OnLoopback() || both.IsEmpty() {
			continue
		}
		d := diag.Diagnostic{
			Ports:   about(c, both),
			Span:    a.NoTrack,
			Related: []diag.Related{{Span: c.Span, Message: label(c, subject(c))}},
		}
		switch {
		case c.Service == "docker-compose" || c.Service == "kubernetes":
			d.Severity = diag.Error
			d.Message = fmt.Sprintf("notrack of allow %q covers %s, which is reached by translation only", a.Name.Text, subject(c))
			d.Notes = []string{"without connection tracking no address is translated: what is sent there does not come to the container"}
			d.Help = "leave notrack out, or give the container the network of the host"
		case from.IsAll() || p.asked(a, c.Service, c.Listen):
			continue
		default:
			d.Message = fmt.Sprintf("notrack of allow %q covers %s too", a.Name.Text, subject(c))
			d.Notes = []string{"every packet to it is asked for its source, and answers to what it sends first come in only where an allow opens its port"}
			d.Help = "move one of them, or leave notrack out"
		}
		p.report(d)
	}
}

// asked reports whether a opens the listeners of the service, and not by a range of ports in
// which they happen to be: such a range is for the listener that has most of it.
func (p *Pass) asked(a *policy.Allow, service, listen string) bool {
	switch {
	case len(a.Ports) > 0:
		var whose string
		most := 0
		for _, c := range p.listeners {
			for _, w := range a.Ports {
				if n := port.Of(w.Ports).Intersect(port.Of(c.Ports)).Len(); c.Proto == port.UDP && w.Proto == port.UDP && n > most {
					whose, most = c.Service, n
				}
			}
		}
		return whose == service
	case a.Service.Text == "":
		return true
	case a.Service.Text != service:
		return false
	}
	return len(a.Listen) == 0 || slices.ContainsFunc(a.Listen, func(w policy.Word) bool { return w.Text == listen })
}

// untrackedBounds reports other allows that count or log what comes to the same ports.
func (p *Pass) untrackedBounds(allow int, ports port.Set) {
	f := p.firewall
	a := &f.Allows[allow]
	for i := range f.Allows {
		b := &f.Allows[i]
		var what []string
		at := b.Name.Span
		for _, w := range []struct {
			name string
			on   bool
		}{{"limit", b.Limit.Rate.Count > 0}, {"connections", b.Connections.Count > 0}, {"log", b.Log.Count > 0}} {
			if w.on {
				what = append(what, w.name)
			}
		}
		if i == allow || what == nil || !f.spend(len(f.of[i])) {
			continue
		}
		var meet []diag.Ports
		for _, d := range f.of[i] {
			if d.proto == port.UDP {
				meet = append(meet, diag.Ports{Proto: port.UDP, Set: d.Match.Ports.Intersect(ports)})
			}
		}
		if meet = diag.Join(meet...); len(meet) == 0 {
			continue
		}
		p.report(diag.Diagnostic{
			Message: fmt.Sprintf("%s of allow %q %s every packet: notrack of allow %q covers its ports", and(what), b.Name.Text, plural(len(what), "counts", "count"), a.Name.Text),
			Span:    at,
			Related: []diag.Related{{Span: a.NoTrack, Message: "connection tracking is kept away here"}},
			Notes:   []string{"without connection tracking no packet is known to belong to a call, so that each is asked again"},
			Help:    fmt.Sprintf("leave notrack out, or take %s out of allow %q", and(what), b.Name.Text),
			Ports:   meet,
		})
	}
}
