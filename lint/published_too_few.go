package lint

import (
	"strconv"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/port"
)

// publishedTooFew finds containers that publish a part of a range. Peers are told ports of
// all of it, and what they send to the others is lost. Where nothing of a range is published
// nobody is meant to come from outside.
func publishedTooFew(p *Pass) {
	for i := range p.Inventory.Contained {
		box := &p.Inventory.Contained[i]
		for j := range box.Claims {
			if c := &box.Claims[j]; c.Direction == inventory.Listen && c.Exposure == inventory.Public && c.Ports.Len() > 1 && written(c) {
				p.compare(c, box.Published)
			}
		}
	}
}

// compare reports what of c, which is inside a container, is not published under its own
// number. A last port for RTCP behind the range as it is written is not missed.
func (p *Pass) compare(c *inventory.Claim, ports []inventory.Published) {
	wants := port.Of(c.Ports).Intersect(port.Of(nominal(c)))
	var same port.Set
	var some *inventory.Published // which leads to a part of it
	for i := range ports {
		o := &ports[i]
		if o.Proto != c.Proto || !o.Inside.Overlaps(c.Ports) {
			continue
		}
		part := port.Of(o.Inside).Intersect(wants)
		if part.IsEmpty() {
			continue
		}
		if some == nil {
			some = o
		}
		if o.Host == o.Inside {
			same = same.Union(part)
		}
	}
	left := wants.Minus(same)
	if some == nil || left.IsEmpty() {
		return
	}
	d := diag.Diagnostic{
		Message: subjectAt(c, wants.String()) + " is published in part: " + few(left) + " cannot be reached",
		Span:    some.Span,
		Label:   strconv.Itoa(same.Len()) + " of " + count(wants.Len(), "port"),
		Notes:   []string{"peers are told a port of the whole range for each call, and what they send to one that is not published is lost"},
		Help:    "publish \"" + wants.String() + ":" + wants.String() + "/" + c.Proto.String() + "\", or give the container fewer ports",
		Ports:   about(c, left),
	}
	if some.Host != some.Inside {
		d.Message = subjectAt(c, wants.String()) + " is published under other numbers, from " + strconv.Itoa(int(some.Host.First)) + " on"
		d.Label = "leads to " + some.Inside.String()
		d.Notes = []string{"peers are told the numbers inside the container and send to these ports of the host"}
	}
	for _, b := range c.Because {
		if b.Span.HasLine() && b.Span.File == some.Span.File {
			d.Related = append(d.Related, diag.Related{Span: b.Span, Message: has(b)})
		}
	}
	p.report(d)
}

// has says what part a place has in the ports of a container.
func has(b inventory.Because) string {
	if b.Default != "" {
		return b.Default
	}
	return strconv.Quote(b.Text) + " decides how many ports there are"
}

// nominal is the range of c as it is written, as far as there are such ports.
func nominal(c *inventory.Claim) port.Range {
	return port.Range{First: uint16(min(max(c.NominalFirst, 0), port.Max)), Last: uint16(min(max(c.NominalLast, 0), port.Max))}
}

// written reports whether somebody wrote a number that has a part in the ports of c.
func written(c *inventory.Claim) bool {
	for _, b := range c.Because {
		if _, err := strconv.Atoi(b.Text); err == nil && b.Default == "" && b.Span.HasLine() {
			return true
		}
	}
	return false
}
