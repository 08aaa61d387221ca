package lint

import (
	"strconv"

	"portolan/internal/diag"
	"portolan/internal/port"
)

// rangeOverflow finds ranges that run past the last port, as they are written or as
// base and count come to.
func rangeOverflow(p *Pass) {
	for _, c := range p.listeners {
		if c.NominalLast <= port.Max {
			continue
		}
		d := diag.Diagnostic{
			Message: subjectAt(c, c.Nominal()) + " runs past the last port, 65535",
			Span:    c.Span,
			Label:   label(c, count(c.NominalLast-max(port.Max, c.NominalFirst-1), "port")+" above 65535"),
			Help:    or(p.moveWords(c), "ask for fewer ports"),
			Fixes:   p.fixes(c),
			Ports:   allOf(c),
		}
		if c.Ports.Len() == 0 || c.NominalFirst > port.Max {
			d.Notes = append(d.Notes, "no port of it exists")
			d.Ports = nil
		}
		// The base alone is rarely at fault: show what else had a part in the end.
		for _, b := range c.Because {
			if b.Span != c.Span && b.Span.HasLine() && b.Span.File == c.Span.File {
				words := b.Default
				if words == "" {
					words = strconv.Quote(b.Text) + " decides how many ports there are"
				}
				d.Related = append(d.Related, diag.Related{Span: b.Span, Message: words})
			}
		}
		p.report(d)
	}
}
