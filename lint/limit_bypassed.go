package lint

import (
	"fmt"
	"slices"

	"portolan/internal/diag"
)

// limitBypassed finds limits, of packets and of connections, that hold nothing back: the
// allows before accept everything before it is asked, or those behind accept what is beyond
// it. Where a limited allow opens more than the others do, the limit counts there.
func limitBypassed(p *Pass) {
	f := p.firewall
	if f == nil || p.options.Part {
		return
	}
	for i := range f.Allows {
		a := &f.Allows[i]
		own := f.of[i]
		span, what := a.Limit.Span, "limit"
		if span.IsZero() {
			span, what = a.Connections.Span, "bound on the connections"
		}
		if span.IsZero() || len(own) == 0 {
			continue
		}
		others, ok := f.others(own, func(d *door) bool { return d.allow != i && !d.limited() })
		if !ok {
			return
		}
		with := sorted(append(slices.Clone(own), others...))
		if !mayCover(own, others) || !f.same(with, others, true) {
			continue
		}
		by := f.covering(own, others)
		if len(by) == 0 {
			continue // nothing comes to it: a deny takes all
		}
		accept := plural(len(allowsOf(by)), "accepts", "accept")
		d := diag.Diagnostic{
			Span:    span,
			Label:   "this holds nothing back",
			Related: f.names(by, "accepts the same packets without a limit"),
			Help:    "leave it out, or narrow " + f.allowNames(by),
		}
		if slices.ContainsFunc(by, func(d *door) bool { return d.at > own[len(own)-1].at }) {
			d.Message = fmt.Sprintf("the %s of allow %q has no effect: what is beyond it %s %s", what, a.Name.Text, f.allowNames(by), accept)
			d.Notes = []string{"beyond a limit the next rules decide, so that it never takes away what another allow gives"}
		} else {
			d.Message = fmt.Sprintf("the %s of allow %q has no effect: %s %s the same packets before it", what, a.Name.Text, f.allowNames(by), accept)
		}
		p.report(d)
	}
}
