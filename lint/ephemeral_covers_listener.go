package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// maxCovered bounds the listeners that one finding lists.
const maxCovered = 8

// covered is what one line of a tuned range covers.
type covered struct {
	on     *machine
	by     *host.Ephemeral
	claims []*inventory.Claim
}

// ephemeralCoversListener finds the line that lets a system hand out more than it does by
// default, and with that the ports of listeners. One line is the reason for all of them.
func ephemeralCoversListener(p *Pass) {
	var all []*covered
	for _, v := range p.victims {
		by := v.tuning()
		if by == nil || v.spared() {
			continue
		}
		i := slices.IndexFunc(all, func(c *covered) bool { return c.by.Span == by.Span })
		if i < 0 {
			i = len(all)
			all = append(all, &covered{on: v.clashes[0].on, by: by})
		}
		all[i].claims = append(all[i].claims, v.claim)
	}
	for _, c := range all {
		p.reportCovered(c, p.lists[c.on])
	}
}

// tuning is the range that a file of the host says and that covers the single port of v,
// where the system would not hand it out by default; nil for every other victim.
func (v *victim) tuning() *host.Ephemeral {
	if v.claim.Ports.Len() != 1 || len(v.clashes) != 1 {
		return nil
	}
	var by *host.Ephemeral
	m := v.clashes[0].on
	for i := range m.Ephemeral {
		e := &m.Ephemeral[i]
		if !meets(*e, v.claim) {
			continue
		}
		if !e.Span.HasLine() || e.Untuned.Overlaps(v.claim.Ports) {
			return nil
		}
		if by == nil {
			by = e
		}
	}
	return by
}

func (p *Pass) reportCovered(c *covered, list port.Set) {
	names := subjects(c.claims)
	what := strconv.Itoa(len(names)) + " ports of services"
	if len(names) == 1 {
		what = names[0].words
	}
	setting := c.by.Setting
	d := diag.Diagnostic{
		Message: fmt.Sprintf("%s %s covers %s, which the default range of %s leaves alone", setting, asWritten(*c.by), what, c.on.name),
		Span:    c.by.Span,
		Label:   c.by.Untuned.String() + " by default",
		Notes:   c.notes(),
		Ports:   allOf(c.claims...),
	}
	for i, n := range names {
		if i == maxCovered {
			d.Notes = append(d.Notes, count(len(names)-maxCovered, "further listener"))
			break
		}
		d.Related = append(d.Related, diag.Related{Span: n.span, Message: n.words})
	}
	narrow := p.narrow(c)
	way := c.spare(list)
	d.Help = or(way, narrow)
	var wishes []wish
	if way != "" && c.on.hasList() {
		wishes = append(wishes, wish{on: c.on, ports: c.ports(), claims: c.claims, words: way})
	}
	if c.on.ReservedAt != nil {
		way = ""
	}
	d.Fixes = p.fixes(nil, way)
	p.reportWishing(d, wishes...)
}

func (c *covered) ports() port.Set {
	var all []port.Range
	for _, o := range c.claims {
		all = append(all, o.Ports)
	}
	return port.Of(all...)
}

// notes are what goes wrong, and the other ranges that cover one of the listeners.
func (c *covered) notes() []string {
	notes := []string{"while the service restarts, another program may be given its port, and then the service does not start"}
	for _, e := range c.on.Ephemeral {
		if e.Span == c.by.Span || !slices.ContainsFunc(c.claims, func(o *inventory.Claim) bool { return meets(e, o) }) {
			continue
		}
		notes = append(notes, e.Setting+" is "+asWritten(e)+" ("+lineOf(e.Span)+")")
	}
	return notes
}

// spare is advice to keep the system from handing out the ports of all the listeners.
func (c *covered) spare(list port.Set) string {
	switch system(c.on.Platform) {
	case "linux":
		if c.on.canSpare(c.ports()) && c.on.canSpare(list) {
			return reserveWords(c.ports(), c.on, list)
		}
	case "windows":
		var commands []string
		for _, o := range c.claims {
			if way := exclude(o, c.on, func(f host.Family) bool { return handsOutTo(o, c.on, f) }); way != "" && !slices.Contains(commands, way) {
				commands = append(commands, way)
			}
		}
		switch n := len(commands); {
		case n == 0:
			return ""
		case n <= maxCovered:
			return "run " + strings.Join(commands, "; ")
		}
		return "run netsh int ipv4|ipv6 add excludedportrange for each of the ports"
	}
	return ""
}

// narrow is advice for a range that covers no listener beyond those in the default: "narrow
// the range to 12000 65000". It is "" for a range that has nothing of the default.
func (p *Pass) narrow(c *covered) string {
	own, untuned := c.by.Ports, c.by.Untuned
	if !own.Overlaps(untuned) {
		return ""
	}
	first, last := int(own.First), int(own.Last)
	for _, o := range p.listeners {
		if o.Ports.First < untuned.First {
			first = max(first, min(int(o.Ports.Last)+1, int(untuned.First)))
		}
		if o.Ports.Last > untuned.Last {
			last = min(last, max(int(o.Ports.First)-1, int(untuned.Last)))
		}
	}
	if round := (first + 999) / 1000 * 1000; round <= int(untuned.First) && first > int(own.First) {
		first = round
	}
	e := *c.by
	e.Ports = port.Range{First: uint16(first), Last: uint16(last)}
	return "narrow the range to " + asWritten(e)
}

// lineOf is "file:line".
func lineOf(s source.Span) string {
	return s.Name() + ":" + strconv.Itoa(s.Position().Line)
}
