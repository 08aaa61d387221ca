package lint

import (
	"fmt"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/port"
)

// fewestUnclaimed is how many ports without a listener are worth a word.
const fewestUnclaimed = 100

// unclaimedPorts finds ranges in a policy of which a known range has a small part. Ports of
// which nothing is known at all are left alone: they were written because nothing is known.
// So are all ports, which mean trust.
func unclaimedPorts(p *Pass) {
	f := p.firewall
	if f == nil || p.options.Part {
		return
	}
	for i := range p.Inventory.Files {
		if p.Inventory.Files[i].Status != inventory.Whole {
			return // it may have the others
		}
	}
	claimed := map[port.Proto]port.Set{}
	for _, proto := range port.Protos {
		var ranges []port.Range
		for _, c := range p.listeners {
			if c.Proto == proto {
				ranges = append(ranges, c.Ports)
			}
		}
		claimed[proto] = port.Of(ranges...)
	}
	for i := range f.Allows {
		a := &f.Allows[i]
		for _, w := range a.Ports {
			left := port.Of(w.Ports).Minus(claimed[w.Proto]).Minus(f.shut(w.Proto, w.Ports))
			if left.Len() < fewestUnclaimed || 2*left.Len() <= w.Ports.Len() || w.Ports.First <= 1 && w.Ports.Last == port.Max {
				continue
			}
			var in []*inventory.Claim
			for _, c := range p.listeners {
				if c.Proto == w.Proto && c.Ports.Len() > 1 && c.Ports.Overlaps(w.Ports) {
					in = append(in, c)
				}
			}
			if len(in) > 0 {
				p.report(p.unclaimed(a, w, left, in))
			}
		}
	}
}

// shut are those of some ports to which nobody comes.
func (f *firewall) shut(proto port.Proto, ports port.Range) port.Set {
	runs, _ := f.runs(proto, ports)
	var out []port.Range
	for _, r := range runs {
		if from, ok := f.union(sourceKey(r.doors), r.doors); ok && from.IsEmpty() {
			out = append(out, r.ports)
		}
	}
	return port.Of(out...)
}

// unclaimed is the finding that w is known to be needed for the claims alone, and opens the
// ports left too.
func (p *Pass) unclaimed(a *policy.Allow, w policy.Port, left port.Set, in []*inventory.Claim) diag.Diagnostic {
	d := diag.Diagnostic{
		Message: fmt.Sprintf("allow %q opens %s, and nothing is known to listen on %s of them", a.Name.Text, w.Span.Text(), few(left)),
		Span:    w.Span,
		Ports:   diag.Join(diag.Ports{Proto: w.Proto, Set: left}),
	}
	var names []string
	var needed []port.Range
	for i, c := range in {
		names = append(names, subject(c))
		needed = append(needed, c.Ports)
		if i < maxPartners {
			d.Related = append(d.Related, diag.Related{Span: c.Span, Message: label(c, subject(c))})
		}
	}
	d.Label = count(left.Len(), "port") + " beside " + some(names)
	for i := range p.machines {
		m := &p.machines[i]
		if n := left.Intersect(m.handsOut[w.Proto]).Len(); n > 0 {
			d.Notes = append(d.Notes, fmt.Sprintf("%s may give %d of them to any program", m.name, n))
		}
	}
	if ports := port.Of(needed...); len(ports.Ranges()) <= 4 {
		var words []string
		for _, r := range ports.Ranges() {
			words = append(words, fmt.Sprintf("%q", r.String()+"/"+w.Proto.String()))
		}
		d.Help = "open what is needed: " + and(words)
	} else {
		d.Help = "open what is needed"
	}
	d.Help += ", or name the listeners with service and listen"
	return d
}
