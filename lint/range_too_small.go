package lint

import (
	"strconv"

	"portolan/internal/diag"
)

// rangeTooSmall finds ranges with fewer ports than what somebody lets the service carry at
// once: then the last calls have no port, and the limit that was meant to refuse them is
// never reached.
func rangeTooSmall(p *Pass) {
	for _, c := range p.listeners {
		size := c.Ports.Len()
		if c.Needs <= size || size < 2 {
			continue
		}
		limit := c.NeedsBy.Setting + " " + c.NeedsBy.Text
		d := diag.Diagnostic{
			Message: subject(c) + " has " + count(size, "port") + ", and " + limit + " needs " + strconv.Itoa(c.Needs),
			Span:    c.NeedsBy.Span,
			Label:   "needs " + count(c.Needs, "port"),
			Ports:   allOf(c),
			Notes:   append(nominalNote(c), "when all ports are in use the next call fails, although the limit would let it in"),
			Help:    "give " + c.Service + " " + count(c.Needs, "port") + ", or set " + c.NeedsBy.Setting + " to " + strconv.Itoa(room(c.NeedsBy.Text, c.Needs, size)),
		}
		if c.Span.HasLine() { // the range is written, too
			d.Span, d.Label = c.Span, label(c, strconv.Itoa(c.Needs-size)+" too few")
			d.Related = []diag.Related{{Span: c.NeedsBy.Span, Message: "needs " + count(c.Needs, "port")}}
		}
		p.report(d)
	}
}

// room is the greatest limit for which size ports are enough, when limit needs as many.
func room(limit string, needs, size int) int {
	n, _ := strconv.Atoi(limit) // it was read as a number
	return n * size / needs
}
