package lint

import (
	"fmt"
	"slices"

	"portolan/internal/diag"
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
		if a.Limit.Rate.Count > 0 || len(own) == 0 { // see limitBypassed, and allow-opens-nothing
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
		p.report(diag.Diagnostic{
			Message: fmt.Sprintf("allow %q changes nothing: %s %s the same", a.Name.Text, f.allowNames(by), plural(len(allowsOf(by)), "opens", "open")),
			Span:    a.Name.Span,
			Label:   "the firewall is the same without it",
			Related: f.names(by, "opens the same ports to the same addresses"),
			Help:    "leave it out, or narrow " + f.allowNames(by) + " if its sources are meant to count",
		})
	}
}
