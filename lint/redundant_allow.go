package lint

import (
	"fmt"
	"slices"

	"portolan/internal/diag"
	"portolan/internal/policy"
)

// redundantAllow finds allows without which the firewall would mean the same, the last
// first, and each beside those that are left: all of them can be taken out.
func redundantAllow(p *Pass) {
	f := p.firewall
	if f == nil || p.options.Part {
		return
	}
	out := map[int]bool{}
	for i := len(f.Allows) - 1; i >= 0; i-- {
		a := &f.Allows[i]
		own := f.of[i]
		switch {
		case len(own) == 0: // see allow-opens-nothing
			continue
		case a.Limit.Rate.Count > 0 || a.Connections.Count > 0: // see limitBypassed
			continue
		case a.Log.Count > 0 || !a.NoTrack.IsZero(): // that is what it is for
			continue
		}
		others, ok := f.others(own, func(d *door) bool { return d.allow != i && !out[d.allow] })
		if !ok {
			return
		}
		if !mayCover(own, others) || !f.same(sorted(append(slices.Clone(own), others...)), others, false) {
			continue
		}
		out[i] = true
		by := f.covering(own, slices.DeleteFunc(slices.Clone(others), (*door).limited))
		if len(by) == 0 {
			p.report(f.shadowed(a, own, others))
			continue
		}
		p.report(diag.Diagnostic{
			Message: fmt.Sprintf("allow %q changes nothing: %s %s the same", a.Name.Text, f.allowNames(by), plural(len(allowsOf(by)), "opens", "open")),
			Span:    a.Name.Span,
			Label:   "the firewall is the same without it",
			Related: f.names(by, "opens the same ports to the same addresses"),
			Help:    "leave it out, or narrow " + f.allowNames(by) + " if its sources are meant to count",
		})
	}
}

// shadowed is the finding that denies above an allow take all that it opens.
func (f *firewall) shadowed(a *policy.Allow, own, others []*door) diag.Diagnostic {
	d := diag.Diagnostic{
		Span:  a.Name.Span,
		Label: "the firewall is the same without it",
		Help:  "put it above, if it is an exception of what is denied, or leave it out",
	}
	var names []string
	for _, o := range others {
		if o.deny < 0 || !o.drops() || o.at > own[0].at || !slices.ContainsFunc(own, o.meets) {
			continue
		}
		deny := &f.Denies[o.deny]
		if name := fmt.Sprintf("deny %q", deny.Name.Text); !slices.Contains(names, name) {
			names = append(names, name)
			if len(d.Related) < maxPartners {
				d.Related = append(d.Related, diag.Related{Span: deny.Name.Span, Message: "drops the same packets before"})
			}
		}
	}
	d.Message = fmt.Sprintf("allow %q opens nothing: %s above it %s the same packets", a.Name.Text, some(names), plural(len(names), "drops", "drop"))
	if names == nil { // it is about IPv6, which is switched off
		d.Message = fmt.Sprintf("allow %q opens nothing: what it is about is dropped before", a.Name.Text)
	}
	return d
}
