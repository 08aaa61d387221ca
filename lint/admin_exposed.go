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
	"portolan/internal/source"
)

// adminExposed finds allows that let everybody come to a listener of which its own
// maintainers say that it is for trusted networks.
func adminExposed(p *Pass) {
	p.reportExposed(
		func(c *inventory.Claim) bool { return c.TrustedOnly != "" },
		func(d *diag.Diagnostic, c *inventory.Claim) {
			note := "its maintainers say that it is for trusted networks only (" + c.TrustedOnly + ")"
			if !slices.Contains(d.Notes, note) {
				d.Notes = append(d.Notes, note)
			}
			severity := diag.Error
			if onPrivate(c) { // whoever is on the private networks, and behind a NAT all
				severity = diag.Warning
			}
			d.Severity = max(d.Severity, severity)
		})
}

// anySourceAdmin finds those of the other administrators' listeners. SSH is made for that:
// it is worth a word where nothing slows down who tries passwords.
func anySourceAdmin(p *Pass) {
	p.reportExposed(
		func(c *inventory.Claim) bool {
			return c.Exposure == inventory.Admin && c.TrustedOnly == "" && !onPrivate(c)
		},
		func(d *diag.Diagnostic, c *inventory.Claim) {
			severity := diag.Warning
			if c.Service == ssh {
				severity = diag.Info
			}
			d.Severity = max(d.Severity, severity)
		})
}

// exposed is listeners to which one word of the policy lets the public come.
type exposed struct {
	door   *door
	word   source.Span
	claims []*inventory.Claim
	ports  []diag.Ports // of the claims, as far as it opens them
}

// reportExposed reports the listeners that are picked and to which the public can come, a
// finding for each word of the policy that opens some. finish is told of each of them. A
// word of which an error was said is left out: what mends that mends all that it opens.
func (p *Pass) reportExposed(pick func(*inventory.Claim) bool, finish func(*diag.Diagnostic, *inventory.Claim)) {
	f := p.firewall
	if f == nil {
		return
	}
	var all []*exposed
	by := map[source.Span]*exposed{}
	for _, c := range p.listeners {
		if c.OnLoopback() || c.Exposure == inventory.Loopback || !pick(c) {
			continue
		}
		doors, _ := f.near(c.Proto, c.Ports)
		for _, d := range doors {
			if d.allow < 0 || !d.opens() || c.Service == ssh && d.Effect.Limit != (ruleset.Limit{}) || !f.letsIn(d, c) || p.publicToo(c) {
				continue
			}
			word := f.openedBy(d, c)
			e := by[word]
			if e == nil {
				e = &exposed{door: d, word: word}
				by[word] = e
				all = append(all, e)
			}
			if !slices.Contains(e.claims, c) {
				e.claims = append(e.claims, c)
			}
			e.ports = append(e.ports, about(c, port.Of(c.Ports).Intersect(d.Match.Ports))...)
		}
	}
	for _, e := range all {
		a := &f.Allows[e.door.allow]
		names := make([]string, 0, len(e.claims))
		for _, c := range e.claims {
			names = append(names, subject(c))
		}
		if by := f.told[e.word]; by != nil && by != p.rule {
			continue
		}
		if p.rule.Severity == diag.Error {
			f.told[e.word] = p.rule
		}
		d := diag.Diagnostic{Span: e.word, Label: "this opens " + plural(len(names), "it", "them"), Ports: diag.Join(e.ports...)}
		whom := "everybody"
		if ref := f.publicWord(a); ref != nil {
			whom = "the public addresses of " + f.peerWords(ref)
			d.Related = append(d.Related, diag.Related{Span: ref.Span, Message: "more addresses of the Internet than one operator has"})
		}
		by := e.door.Match.Interfaces.Names()
		if len(by) > 0 {
			whom += " who comes by " + some(by)
		}
		d.Message = fmt.Sprintf("allow %q opens %s to %s", a.Name.Text, some(names), whom)
		for i, c := range e.claims {
			if i < maxPartners {
				d.Related = append(d.Related, diag.Related{Span: c.Span, Message: label(c, purposeOf(c))})
			}
			finish(&d, c)
		}
		d.Help = or(f.narrow(e.door.allow), f.leaveOut(e))
		if len(by) > 0 { // which network is behind an interface is not known
			d.Notes = append(d.Notes, "which networks are behind "+some(by)+" is not known here")
			if d.Severity--; d.Severity < diag.Info {
				continue
			}
		}
		p.report(d)
	}
}

// publicToo reports whether the same service offers its clients something on the port of c:
// whoever opens the one opens the other.
func (p *Pass) publicToo(c *inventory.Claim) bool {
	return !p.firewall.spend(len(p.listeners)/8) || slices.ContainsFunc(p.listeners, func(o *inventory.Claim) bool {
		return o.Exposure == inventory.Public && o.Service == c.Service && o.Instance == c.Instance && o.Proto == c.Proto && o.Ports == c.Ports
	})
}

// purposeOf names c with its purpose, unless that says no more than its name.
func purposeOf(c *inventory.Claim) string {
	if c.Purpose == listenerName(c) {
		return subject(c)
	}
	return subject(c) + ": " + c.Purpose
}

// openedBy is the word of the policy that asks for d, which opens c.
func (f *firewall) openedBy(d *door, c *inventory.Claim) source.Span {
	if word, ok := d.word(f); ok {
		return word
	}
	a := &f.Allows[d.allow]
	for _, w := range a.Listen {
		if w.Text == c.Listen {
			return w.Span
		}
	}
	for _, w := range a.Exposure {
		if w.Text == string(c.Exposure) {
			return w.Span
		}
	}
	if a.Service.Text != "" {
		return a.Service.Span
	}
	return a.Name.Span
}

// publicWord is the zone or the address in from that is most of the Internet; nil when there
// is none.
func (f *firewall) publicWord(a *policy.Allow) *policy.Word {
	for i := range a.From {
		ref := &a.From[i]
		if zone := f.zone(ref.Text); zone != nil {
			if isPublic(zone.Sources) {
				return ref
			}
		} else if s, err := addr.Parse(ref.Text); err == nil && isPublic(s) {
			return ref
		}
	}
	return nil
}

// peerWords name a zone or an address of a list.
func (f *firewall) peerWords(ref *policy.Word) string {
	if f.zone(ref.Text) != nil {
		return "zone " + strconv.Quote(ref.Text)
	}
	return ref.Text
}

// narrow says how to keep the public out of an allow.
func (f *firewall) narrow(allow int) string {
	a := &f.Allows[allow]
	if ref := f.publicWord(a); ref != nil && len(a.From) > 1 {
		return "leave " + ref.Span.Text() + " out of from"
	}
	for i := range f.Zones {
		if z := &f.Zones[i]; !isPublic(z.Sources) {
			return "name the networks that need it, as in from = [zone." + z.Name.Text + "]"
		}
	}
	return `name the networks that need it: add zone "operators" { sources = ["10.1.0.0/24"] } with yours, and from = [zone.operators] here`
}

// leaveOut says how to open no listener of e; "" when the allow has no word for that.
func (f *firewall) leaveOut(e *exposed) string {
	a := &f.Allows[e.door.allow]
	within := func(list ...source.Span) bool { return slices.Contains(list, e.word) }
	for _, w := range a.Listen {
		if within(w.Span) {
			return "leave " + strconv.Quote(w.Text) + " out of listen"
		}
	}
	for _, w := range a.Exposure {
		if within(w.Span) {
			return "leave " + strconv.Quote(w.Text) + " out of exposure"
		}
	}
	if _, ok := e.door.word(f); !ok {
		return ""
	}
	left := port.Of(e.door.ports...)
	for _, c := range e.claims {
		left = left.Minus(port.Of(c.Ports))
	}
	if left.IsEmpty() || len(left.Ranges()) > 4 {
		return ""
	}
	var words []string
	for _, r := range left.Ranges() {
		words = append(words, strconv.Quote(r.String()+"/"+e.door.proto.String()))
	}
	return "open only the ports beside it: " + and(words)
}

// some names a few things and counts the others.
func some(names []string) string {
	const most = 3
	if len(names) <= most {
		return and(names)
	}
	return and([]string{names[0], names[1], strconv.Itoa(len(names)-2) + " others"})
}
