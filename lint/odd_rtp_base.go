package lint

import (
	"strconv"

	"portolan/internal/diag"
)

// oddRTPBase finds ranges for pairs of RTP and RTCP that begin at an odd port. RTP
// takes an even port and RTCP the next one (RFC 3550 section 11).
func oddRTPBase(p *Pass) {
	for _, c := range p.listeners {
		if !c.Pairs || c.NominalFirst%2 == 0 {
			continue
		}
		way, fixes := p.nudge(c)
		p.report(diag.Diagnostic{
			Message: subject(c) + " begins at the odd port " + strconv.Itoa(c.NominalFirst),
			Span:    c.Span,
			Label:   label(c, "RTP takes even ports"),
			Notes:   []string{"RTP uses an even port and RTCP the next one (RFC 3550 section 11)"},
			Help:    or(way, "begin the range at an even port"),
			Fixes:   fixes,
			Ports:   allOf(c),
		})
	}
}
