package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
)

// clash is the ports of a claim that a machine hands out to others.
type clash struct {
	on     *machine
	shared port.Set
}

// victim is a listener whose ports machines hand out to others.
type victim struct {
	claim   *inventory.Claim
	clashes []clash
}

// spared reports whether each of the machines spares a part of the ports: somebody knew of
// the problem.
func (v *victim) spared() bool {
	return !slices.ContainsFunc(v.clashes, func(x clash) bool { return !x.on.spares(v.claim) })
}

// spares reports whether m is told to spare some of the ports of c, and could spare them all:
// of a range that is too large for that a part may be reserved for the sake of others.
func (m *machine) spares(c *inventory.Claim) bool {
	if !m.canSpare(port.Of(c.Ports)) {
		return false
	}
	return slices.ContainsFunc(m.Reserved, func(r host.Reserved) bool {
		return r.Spares(c.Proto) && r.Ports.Intersect(port.Of(c.Ports)).Len() > 0
	}) ||
		slices.ContainsFunc(m.Excluded, func(e host.Excluded) bool {
			return e.Administered && e.Proto == c.Proto && e.Ports.Overlaps(c.Ports)
		})
}

// ephemeralOverlap finds listeners whose ports a system hands out by itself, per
// protocol.
func ephemeralOverlap(p *Pass) {
	reportVictims(p, false, func(c *inventory.Claim, clashes []clash) string {
		return subject(c) + " overlaps the ephemeral ports " + rangesOf(c, clashes)
	})
}

// ephemeralPartlyReserved finds those of which a part is spared and a part is not: the
// list of somebody who counted wrong, or the range of a service that grew.
func ephemeralPartlyReserved(p *Pass) {
	reportVictims(p, true, func(c *inventory.Claim, clashes []clash) string {
		return subject(c) + " is reserved in part: " + few(leftOf(clashes)) + " may still be handed out to any program"
	})
}

// leftOf are the ports that at least one of the machines hands out.
func leftOf(clashes []clash) port.Set {
	var left port.Set
	for _, x := range clashes {
		left = left.Union(x.shared)
	}
	return left
}

// findVictims are all of them, in order of the inventory, and for each machine of one of them
// or of a list that does not count, the ports that it must spare for all together: writing
// ip_local_reserved_ports replaces the whole list
// (https://www.kernel.org/doc/Documentation/networking/ip-sysctl.rst).
func (p *Pass) findVictims() (victims []victim, lists map[*machine]port.Set) {
	reserve := map[*machine][]port.Range{}
	for _, c := range p.listeners {
		v := victim{claim: c}
		for _, m := range p.machinesOf(c) {
			if shared := port.Of(c.Ports).Intersect(m.handsOut[c.Proto]); !shared.IsEmpty() {
				v.clashes = append(v.clashes, clash{m, shared})
				if m.canSpare(port.Of(c.Ports)) { // else it is not what anybody should reserve
					reserve[m] = append(reserve[m], c.Ports)
				}
			}
		}
		if len(v.clashes) > 0 {
			victims = append(victims, v)
		}
	}
	for i := range p.machines {
		m := &p.machines[i]
		if shared, _ := m.nodePortsHandedOut(); !shared.IsEmpty() {
			reserve[m] = append(reserve[m], m.NodePorts.Ports)
		}
		for _, x := range m.Shadowed {
			reserve[m] = append(reserve[m], x.Lost.Ranges()...)
		}
	}
	lists = map[*machine]port.Set{}
	for m, ports := range reserve {
		for _, r := range m.Reserved {
			ports = append(ports, r.Ports.Ranges()...)
		}
		lists[m] = port.Of(ports...)
		if m.ReservedAt != nil {
			lists[m] = lists[m].Union(m.ReservedAt.Ports)
		}
	}
	return victims, lists
}

// reportVictims reports the victims of which a part is spared, or those of which none is.
// A single port that only a tuned range covers is the subject of another rule.
func reportVictims(p *Pass, spared bool, message func(*inventory.Claim, []clash) string) {
	for _, v := range p.victims {
		if v.spared() != spared || !spared && v.tuning() != nil {
			continue
		}
		c := v.claim
		d := diag.Diagnostic{
			Message: message(c, v.clashes),
			Span:    c.Span,
			Label:   label(c, sharedWords(v.clashes)),
			Notes:   nominalNote(c),
			Ports:   about(c, leftOf(v.clashes)),
		}
		if c.Ports.Len() == 1 {
			// One port, bound once at boot, is rarely lost; one of hundreds, bound anew for
			// each call, will be.
			d.Severity = diag.Warning
		}
		ways := []string{p.moveWords(c)}
		var shown []string
		var wishes []wish
		for _, x := range v.clashes {
			where := ""
			if len(v.clashes) > 1 {
				where = " on " + x.on.name
			}
			d.Notes = append(d.Notes, ephemeralNotes(c, x.on, where)...)
			way := spare(c, x.on, p.lists[x.on])
			if way == "" {
				continue
			}
			ways = append(ways, way+where)
			spares := x.on.canSpare(port.Of(c.Ports))
			if x.on.ReservedAt == nil || !spares {
				shown = append(shown, way+where)
			}
			if spares && x.on.hasList() {
				wishes = append(wishes, wish{on: x.on, ports: port.Of(c.Ports), claims: []*inventory.Claim{c}, words: way})
			}
		}
		d.Help = or(ways...)
		d.Fixes = p.fixes(c, shown...)
		p.reportWishing(d, wishes...)
	}
}

// rangesOf is "32768-60999 of linux and 49152-65535 of windows-server": the ranges as
// the systems have them, of which a part may be spared.
func rangesOf(c *inventory.Claim, clashes []clash) string {
	var words []string
	for _, x := range clashes {
		var ranges []port.Range
		for _, e := range x.on.Ephemeral {
			if meets(e, c) {
				ranges = append(ranges, e.Ports)
			}
		}
		words = append(words, port.Of(ranges...).String()+" of "+x.on.name)
	}
	return and(words)
}

func meets(e host.Ephemeral, c *inventory.Claim) bool {
	return e.Proto == c.Proto && e.Ports.Overlaps(c.Ports)
}

// sharedWords is "400 ports shared", per machine where they differ.
func sharedWords(clashes []clash) string {
	same := true
	for _, x := range clashes {
		same = same && x.shared.Equal(clashes[0].shared)
	}
	first := count(clashes[0].shared.Len(), "port") + " shared"
	if same {
		return first
	}
	words := []string{first + " on " + clashes[0].on.name}
	for _, x := range clashes[1:] {
		words = append(words, strconv.Itoa(x.shared.Len())+" on "+x.on.name)
	}
	return and(words)
}

// ephemeralNotes are the facts of one machine: its ranges and what it spares of c.
func ephemeralNotes(c *inventory.Claim, m *machine, where string) []string {
	var notes []string
	add := func(words, from string) {
		if from != "" {
			words += " (" + from + ")"
		}
		// Both families often have one range from one setting.
		for _, n := range notes {
			if n == words {
				return
			}
		}
		notes = append(notes, words)
	}
	for _, e := range m.Ephemeral {
		if meets(e, c) {
			add(e.Setting+" is "+asWritten(e)+where, e.From)
		}
	}
	for _, r := range m.Reserved {
		if n := r.Ports.Intersect(port.Of(c.Ports)).Len(); n > 0 && r.Spares(c.Proto) {
			add(r.Setting+" holds "+strconv.Itoa(n)+" of the "+count(c.Ports.Len(), "port")+where, r.From)
		}
	}
	for _, f := range families {
		var from string
		var rows []port.Range
		for _, x := range m.Excluded {
			if x.Administered && x.Proto == c.Proto && x.Family == f && x.Ports.Overlaps(c.Ports) {
				from = cmp.Or(from, x.From)
				rows = append(rows, x.Ports)
			}
		}
		if n := port.Of(rows...).Intersect(port.Of(c.Ports)).Len(); n > 0 {
			add(fmt.Sprintf("administered exclusions hold %d of the %s over IPv%d%s", n, count(c.Ports.Len(), "port"), f, where), from)
		}
	}
	return notes
}

// asWritten is the range as its setting has it. Linux separates the bounds by a blank.
func asWritten(e host.Ephemeral) string {
	if e.Setting == "net.ipv4.ip_local_port_range" {
		return strconv.Itoa(int(e.Ports.First)) + " " + strconv.Itoa(int(e.Ports.Last))
	}
	return e.Ports.String()
}

// spare says how to keep m from handing out the ports of c. list is everything that m
// must spare on Linux. It is "" when nothing is known to help.
func spare(c *inventory.Claim, m *machine, list port.Set) string {
	switch system(m.Platform) {
	case "linux":
		if m.canSpare(port.Of(c.Ports)) && m.canSpare(list) {
			return reserveWords(port.Of(c.Ports), m, list)
		}
	case "windows":
		if way := exclude(c, m, func(f host.Family) bool { return handsOutTo(c, m, f) }); way != "" {
			return "run " + way
		}
		return ""
	case "openbsd":
		if c.Ports.Len() == 1 { // the list has no ranges
			return "add " + c.Ports.String() + " to net.inet." + c.Proto.String() + ".baddynamic"
		}
	}
	for _, e := range m.Ephemeral {
		if meets(e, c) && e.Setting != "" {
			return "move " + e.Setting + " off " + c.Ports.String()
		}
	}
	return ""
}

func handsOutTo(c *inventory.Claim, m *machine, f host.Family) bool {
	for _, e := range m.Ephemeral {
		if e.Family == f && meets(e, c) {
			return true
		}
	}
	return false
}
