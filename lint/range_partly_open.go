package lint

import (
	"fmt"
	"slices"
	"strconv"

	"portolan/internal/addr"
	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// rangePartlyOpen finds ranges of which the numbers in a policy open a part: somebody
// counted wrong, or the range of the service has grown. An allow that opens a range by the
// way, such as a few ports for traceroute, is not meant.
func rangePartlyOpen(p *Pass) {
	f := p.firewall
	if f == nil || f.Defaults.Input != ruleset.Drop {
		return
	}
	for _, c := range p.listeners {
		if c.Ports.Len() < 2 || !p.forwarded(c) {
			continue
		}
		for i := range f.Allows {
			if d, ok := p.partly(c, &f.Allows[i], f.of[i]); ok {
				p.report(d)
			}
		}
		for i := range f.Denies {
			if d, ok := p.holed(c, i); ok {
				p.report(d)
			}
		}
	}
}

// holed is the finding that a deny closes a part of c to somebody who comes in to the rest.
func (p *Pass) holed(c *inventory.Claim, deny int) (diag.Diagnostic, bool) {
	f := p.firewall
	o, ok := p.opened(c)
	if !ok {
		return diag.Diagnostic{}, false
	}
	runs, ok := f.runs(c.Proto, c.Ports)
	if !ok {
		return diag.Diagnostic{}, false
	}
	var closed []port.Range
	var by *door
	for _, r := range runs {
		at := slices.IndexFunc(r.doors, func(d *door) bool { return d.deny == deny && d.drops() })
		if at < 0 {
			continue
		}
		from, ok := f.union(sourceKey(r.doors), r.doors)
		if !ok || !f.spend(len(from.Ranges())+len(o.some.Ranges())) {
			return diag.Diagnostic{}, false
		}
		if lost := o.some.Intersect(f.from[r.doors[at].from]).Minus(from); !lost.IsEmpty() {
			closed, by = append(closed, r.ports), r.doors[at]
		}
	}
	shut := port.Of(closed...)
	if by == nil || shut.Len() == c.Ports.Len() {
		return diag.Diagnostic{}, false
	}
	a := &f.Denies[deny]
	d := diag.Diagnostic{
		Message: fmt.Sprintf("deny %q closes %s of %s, and the rest of it is open", a.Name.Text, few(shut), subject(c)),
		Span:    a.Name.Span,
		Label:   fmt.Sprintf("%d of %d ports", shut.Len(), c.Ports.Len()),
		Related: []diag.Related{{Span: c.Span, Message: label(c, subject(c))}},
		Notes:   []string{"the service takes any port of the range: what is sent to one that is closed is lost"},
		Help:    "deny all of the range or nothing of it, or put the deny below the allow that opens it",
		Ports:   about(c, shut),
	}
	if len(by.Origins) > 0 && by.Origins[0].File == f.File {
		d.Span = by.Origins[0]
	}
	return d, true
}

// forwarded reports whether c is meant for others, and packets for it come to the host's
// own firewall. Those for published ports of containers and for node ports go another way:
// they are translated before.
func (p *Pass) forwarded(c *inventory.Claim) bool {
	return c.Exposure == inventory.Public && !c.OnLoopback() && c.Service != "kubernetes" && c.Service != "docker-compose"
}

// partly is the finding that the numbers in a open a part of c.
func (p *Pass) partly(c *inventory.Claim, a *policy.Allow, doors []*door) (diag.Diagnostic, bool) {
	f := p.firewall
	whole := port.Of(c.Ports)
	var own []port.Range
	word := policy.Port{}
	for _, w := range append(a.Ports[:len(a.Ports):len(a.Ports)], a.Otherwise...) {
		if w.Proto == c.Proto && w.Ports.Overlaps(c.Ports) {
			own = append(own, w.Ports)
			if word.Span.IsZero() {
				word = w
			}
		}
	}
	opened := port.Of(own...).Intersect(whole)
	if len(doors) == 0 || opened.IsEmpty() || opened.Len() == whole.Len() || 2*opened.Len() < whole.Len() && !opened.Contains(c.Ports.First) {
		return diag.Diagnostic{}, false
	}
	runs, ok := f.runs(c.Proto, c.Ports)
	if !ok {
		return diag.Diagnostic{}, false
	}
	var asked addr.Set // whom the allow lets in to a part of the range
	for _, d := range doors {
		if from, ok := f.arrivals(d, c); ok {
			asked = asked.Union(from)
		}
	}
	var shut []port.Range
	for _, r := range runs {
		if opened.Contains(r.ports.First) {
			continue
		}
		from, ok := f.union(sourceKey(r.doors), r.doors)
		if !ok || !f.spend(len(asked.Ranges())+len(from.Ranges())) {
			return diag.Diagnostic{}, false
		}
		if !asked.Minus(from).IsEmpty() {
			shut = append(shut, r.ports)
		}
	}
	if asked.IsEmpty() || len(shut) == 0 {
		return diag.Diagnostic{}, false
	}
	closed := port.Of(shut...)
	all := port.Range{First: min(word.Ports.First, c.Ports.First), Last: max(word.Ports.Last, c.Ports.Last)}
	text := all.String() + "/" + c.Proto.String()
	d := diag.Diagnostic{
		Message: fmt.Sprintf("allow %q opens %s of %s: %s %s closed", a.Name.Text, few(opened), subject(c), few(closed), plural(closed.Len(), "stays", "stay")),
		Span:    word.Span,
		Label:   fmt.Sprintf("%d of %d ports", opened.Len(), whole.Len()),
		Related: []diag.Related{{Span: c.Span, Message: label(c, subject(c))}},
		Notes:   append(nominalNote(c), "the service takes any port of the range: what is sent to one that is closed is lost"),
		Ports:   about(c, closed),
		Help:    "write " + strconv.Quote(text) + `, or let its file say the ports, with service = "` + c.Service + `" and listen = ["` + c.Listen + `"]`,
	}
	if c.NominalFirst >= 0 && c.NominalLast <= port.Max {
		if written := port.Of(port.Range{First: uint16(c.NominalFirst), Last: uint16(c.NominalLast)}); closed.Intersect(written).IsEmpty() {
			// Everything that somebody wrote is open; the service seldom comes to the port beyond.
			d.Severity = diag.Warning
		}
	}
	if len(own) == 1 {
		d.Fixes = []diag.Fix{{Title: "open " + text, Safety: diag.Unsafe, Edits: []diag.Edit{{Span: word.Span, New: text}}}}
	}
	return d, true
}
