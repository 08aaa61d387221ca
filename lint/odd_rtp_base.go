package lint

import (
	"strconv"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/port"
)

// oddRTPBase finds ranges for pairs of RTP and RTCP that begin at an odd port. RTP
// takes an even port and RTCP the next one (RFC 3550 section 11).
func oddRTPBase(p *Pass) {
	for _, c := range p.listeners {
		if !c.Pairs || c.NominalFirst%2 == 0 {
			continue
		}
		var way string
		var fixes []diag.Fix
		if first, ok := p.evenNeighbour(c); ok && c.Setting != "" {
			fixes = p.moveFix(c, first)
			way = fixes[0].Title
		} else {
			way, fixes = p.moveWords(c), p.fixes(c)
		}
		p.report(diag.Diagnostic{
			Message: subject(c) + " begins at the odd port " + strconv.Itoa(c.NominalFirst),
			Span:    c.Span,
			Label:   label(c, "RTP takes even ports"),
			Notes:   []string{"RTP uses an even port and RTCP the next one (RFC 3550 section 11)"},
			Help:    or(way, "begin the range at an even port"),
			Fixes:   fixes,
		})
	}
}

// evenNeighbour is the even port beside the base of c, when no rule wants c elsewhere
// and the one port that a step adds is free.
func (p *Pass) evenNeighbour(c *inventory.Claim) (int, bool) {
	if _, elsewhere := p.moves.given[listenerOf(c)]; elsewhere {
		return 0, false
	}
	var bad port.Set
	for _, m := range p.machinesOf(c) {
		bad = bad.Union(m.handsOut[c.Proto]).Union(m.refused[c.Proto]).Union(m.open)
	}
	for _, by := range [...]int{-1, 1} {
		r, ok := moved(c, c.NominalFirst+by)
		if !ok || r.First < firstUserPort {
			continue
		}
		added := r.First
		if by > 0 {
			added = r.Last
		}
		if !bad.Contains(added) && !p.moves.taken.Contains(added) {
			p.moves.taken = p.moves.taken.Union(port.Of(port.Single(added)))
			return c.NominalFirst + by, true
		}
	}
	return 0, false
}
