package lint

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
)

// maxRows bounds the exclusions that one finding lists.
const maxRows = 8

// families are both, in the order of advice.
var families = [...]host.Family{host.V4, host.V6}

// excludedRange finds listeners on ports that a component of Windows has taken out of
// use. Exclusions that an administrator made let a service bind and are no fault.
func excludedRange(p *Pass) {
	for _, c := range p.listeners {
		var shared []port.Range
		var names, notes, ways []string
		rows := map[string]bool{} // both families often come from one line
		for _, m := range p.machinesOf(c) {
			refuses := map[host.Family]bool{}
			for _, x := range m.Excluded {
				if x.Administered || x.Proto != c.Proto || !x.Ports.Overlaps(c.Ports) || !bindsFamily(c, x.Family) {
					continue
				}
				refuses[x.Family] = true
				shared = append(shared, x.Ports)
				note := x.Ports.String() + " is excluded for " + strings.ToUpper(x.Proto.String())
				if x.From != "" {
					note += " (" + x.From + ")"
				}
				if !rows[note] && len(rows) < maxRows {
					notes = append(notes, note)
				}
				rows[note] = true
			}
			if len(refuses) > 0 {
				names = append(names, m.name)
				if way := exclude(c, m, func(f host.Family) bool { return refuses[f] }); way != "" {
					ways = append(ways, "run net stop winnat; "+way+"; net start winnat, which interrupts containers")
				}
			}
		}
		if len(names) == 0 {
			continue
		}
		if len(rows) > maxRows {
			notes = append(notes, count(len(rows)-maxRows, "further exclusion"))
		}
		lost := port.Of(shared...).Intersect(port.Of(c.Ports))
		notes = append(notes, "a port that Windows has taken like that cannot be bound (error 10013), although nothing listens on it; one that an administrator excludes can")
		ways = slices.Compact(ways)
		p.report(diag.Diagnostic{
			Message: subject(c) + " meets the excluded ports " + few(lost) + " of " + and(names),
			Span:    c.Span,
			Label:   label(c, count(lost.Len(), "port")+" excluded"),
			Notes:   append(nominalNote(c), notes...),
			Help:    or(append(slices.Clip(ways), p.moveWords(c))...),
			Fixes:   p.fixes(c, ways...),
			Ports:   about(c, lost),
		})
	}
}

// bindsFamily reports whether a socket of c can be one of family f. A name may be both.
func bindsFamily(c *inventory.Claim, f host.Family) bool {
	return slices.ContainsFunc(c.Bind, func(bind string) bool {
		a, err := netip.ParseAddr(bind)
		switch {
		case err != nil || bind == "::": // "::" takes IPv4 too, see inventory.BindsOverlap
			return true
		case a.Unmap().Is4():
			return f == host.V4
		}
		return f == host.V6
	})
}

// exclude is the commands that keep Windows from using the ports of c itself, for the
// families asked for: an administered exclusion keeps automatic assignment out and lets
// a service bind (http://support.microsoft.com/kb/812873). Ports that are excluded
// like that already are left out. It is "" when there are none, or too many runs of
// them to type.
func exclude(c *inventory.Claim, m *machine, asked func(host.Family) bool) string {
	const mostRuns = 3
	var commands []string
	for _, f := range families {
		if !asked(f) {
			continue
		}
		var done []port.Range
		for _, x := range m.Excluded {
			if x.Administered && x.Proto == c.Proto && x.Family == f {
				done = append(done, x.Ports)
			}
		}
		runs := port.Of(c.Ports).Minus(port.Of(done...)).Ranges()
		if len(runs) > mostRuns {
			return ""
		}
		for _, r := range runs {
			commands = append(commands, fmt.Sprintf("netsh int ipv%d add excludedportrange protocol=%s startport=%d numberofports=%d", f, c.Proto, r.First, r.Len()))
		}
	}
	return strings.Join(commands, "; ")
}
