package chart

import (
	"slices"

	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/report"
	"portolan/internal/source"
)

// find adds the findings of j, and marks the bars of groups that they are about.
func (p *Panel) find(j *Judged, groups []Group) {
	m := markerOf(groups)
	for i := range j.Findings {
		d := &j.Findings[i]
		f := Finding{Rule: d.Rule, Severity: d.Severity, Message: printable(d.Message), Place: place(d.Span), Help: printable(d.Help),
			Quarrel: len(d.Ports) > 0 && j.Quarrel != nil && j.Quarrel(d.Rule)}
		for _, n := range d.Notes {
			f.Notes = append(f.Notes, printable(n))
		}
		p.Findings = append(p.Findings, f)
		if f.Quarrel {
			k := Mark{Rule: d.Rule, Severity: d.Severity, Finding: len(p.Findings) - 1}
			if i < len(j.On) {
				k.On, k.Systems = printable(report.Joined(few(j.On[i]), " and ")), j.On[i]
			}
			m.mark(d, k)
		}
	}
}

// A marker knows the bars of groups by the text that they are from: there may be thousands of
// bars, and of findings too.
type marker struct {
	at      map[source.Span][]*Bar // of services
	all     []*Bar                 // of services
	systems []*Bar
}

func markerOf(groups []Group) *marker {
	m := marker{at: map[source.Span][]*Bar{}}
	each(&Picture{Panels: []Panel{{Groups: groups}}}, func(*Band) {}, func(b *Bar) {
		if b.Kind.Behind() {
			m.systems = append(m.systems, b)
			return
		}
		m.all = append(m.all, b)
		m.at[b.span] = append(m.at[b.span], b)
	})
	return &m
}

// mark marks what d is about: the listeners that it names and that have its ports. One that names
// no such line, as it may be about a setting of the system, is about all that have the ports, and
// where nobody has them about what a system keeps for somebody.
func (m *marker) mark(d *diag.Diagnostic, k Mark) {
	places := []source.Span{d.Span}
	for _, r := range d.Related {
		if !slices.Contains(places, r.Span) {
			places = append(places, r.Span)
		}
	}
	var named []*Bar
	for _, span := range places {
		named = append(named, m.at[span]...)
	}
	if markAll(named, d, k) || markAll(m.all, d, k) {
		return
	}
	k.On, k.Systems = "", nil // a system keeps them wherever it is drawn
	for _, b := range m.systems {
		if b.Kind != Ephemeral && b.Kind != System {
			markBar(b, d, k)
		}
	}
}

// markAll marks those of list that have ports of d, and reports whether there is one.
func markAll(list []*Bar, d *diag.Diagnostic, k Mark) bool {
	found := false
	for _, b := range list {
		found = markBar(b, d, k) || found
	}
	return found
}

// markBar marks the ports of d that b has, and reports whether there are any.
func markBar(b *Bar, d *diag.Diagnostic, k Mark) bool {
	for _, ports := range d.Ports {
		if b.Proto == 0 || b.Proto == ports.Proto {
			k.Ports = k.Ports.Union(ports.Set.Intersect(port.Of(b.Ports)))
		}
	}
	if k.Ports.IsEmpty() {
		return false
	}
	b.Marks = append(b.Marks, k)
	return true
}

// ruleUnclaimed names sockets of which no file speaks.
const ruleUnclaimed = "listener-unclaimed"

// unclaimed are the sockets that findings of that rule are about. One program often has a socket
// for IPv4 and one for IPv6, which are one bar.
func unclaimed(j *Judged) []Bar {
	ports := map[port.Proto]port.Set{}
	for i := range j.Findings {
		if j.Findings[i].Rule == ruleUnclaimed {
			for _, p := range j.Findings[i].Ports {
				ports[p.Proto] = ports[p.Proto].Union(p.Set)
			}
		}
	}
	type socket struct {
		proto port.Proto
		port  uint16
		name  string
	}
	var out []Bar
	at := map[socket]int{} // in out
	for i := range j.Hosts {
		for _, l := range j.Hosts[i].Listeners {
			if !ports[l.Proto].Contains(l.Port) {
				continue
			}
			key := socket{l.Proto, l.Port, printable(l.Process)}
			if k, again := at[key]; again {
				out[k].Bind += ", " + l.Addr.String()
				continue
			}
			at[key] = len(out)
			out = append(out, Bar{Kind: Unclaimed, Proto: l.Proto, Ports: port.Single(l.Port), Name: key.name,
				Words: Unclaimed.Words(), Place: printable(l.From), Bind: l.Addr.String()})
		}
	}
	return out
}
