package lint

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/source"
)

// reserved is the setting of Linux with the ports that are never handed out.
const reserved = "net.ipv4.ip_local_reserved_ports"

// wish is a finding that goes away when a machine reserves ports. Where the files of the
// machine are not known the finding shows the advice already, and the wish is for Propose.
type wish struct {
	found  int // the finding in Pass.found
	on     *machine
	ports  port.Set
	claims []*inventory.Claim // whose ports they are; nil for those of the system itself
	words  string             // the advice, where we do not do it ourselves
	boot   bool               // the finding is about the files, whatever the running system has
}

// reportWishing is report for a finding with wishes.
func (p *Pass) reportWishing(d diag.Diagnostic, wishes ...wish) {
	p.report(d)
	for _, w := range wishes {
		w.found = len(p.found) - 1
		p.wishes = append(p.wishes, w)
	}
}

// grant gives each finding that has wishes a fix. What a machine reserves is one list, which
// each write replaces as a whole, so all findings that have no better way share one edit.
func (p *Pass) grant() {
	for i := range p.machines {
		m := &p.machines[i]
		if m.ReservedAt == nil {
			continue
		}
		asked := map[*wish]bool{}
		var claims []*inventory.Claim
		ranges := slices.Clone(m.ReservedAt.Ports.Ranges())
		for k := range p.wishes {
			w := &p.wishes[k]
			if w.on != m || !w.boot && !m.ReservedAt.Counts || mendable(&p.found[w.found]) {
				continue
			}
			asked[w] = true
			claims = append(claims, w.claims...)
			ranges = append(ranges, w.ports.Ranges()...)
		}
		fix, ok := m.reserve(port.Of(ranges...), claims)
		for k := range p.wishes {
			w := &p.wishes[k]
			if w.on != m {
				continue
			}
			f := diag.Fix{Title: w.words, Safety: diag.Display}
			if ok && asked[w] {
				f = fix
			}
			d := &p.found[w.found]
			d.Fixes = append(d.Fixes, f)
		}
	}
}

// mendable reports whether d has a safe fix already: a range that moves out of the way needs
// no reservation.
func mendable(d *diag.Diagnostic) bool {
	return slices.ContainsFunc(d.Fixes, func(f diag.Fix) bool { return f.Safety == diag.Safe })
}

// maxLine is what old versions of procps read of a line, with room for the name of the
// setting, and less than a page, which is what the kernel takes at once.
const maxLine = 4000

// reserve is the fix that makes m spare list, which holds all that its files reserve now. It
// is false where too little would be left to hand out, or the list is too long for one line.
func (m *machine) reserve(list port.Set, claims []*inventory.Claim) (diag.Fix, bool) {
	text := list.String()
	if !m.canReserve(list) {
		return diag.Fix{}, false
	}
	at := m.ReservedAt
	if at.New != nil {
		return diag.Fix{
			Title:  "set " + reserved + " to " + few(list) + in(at),
			Safety: diag.Safe,
			Edits:  []diag.Edit{{Span: at.New.Span(0, 0), New: dropIn(text, claims), Create: true}},
		}, true
	}
	return diag.Fix{
		Title:  "set " + reserved + " to " + few(list) + in(at),
		Safety: diag.Safe,
		Edits:  []diag.Edit{{Span: at.Value, New: spaced(at.Value, text)}},
	}, true
}

// hasList reports whether m has a list of reserved ports.
func (m *machine) hasList() bool { return m.ReservedAt != nil || system(m.Platform) == "linux" }

// canReserve reports whether list can be all that m spares: enough is left to hand out, and it
// is one line.
func (m *machine) canReserve(list port.Set) bool {
	return m.canSpare(list) && len(list.String()) <= maxLine
}

// spaced puts a blank before a value that has none, where the "=" before it has one on its
// other side.
func spaced(at source.Span, value string) string {
	if at.Start == at.End && bytes.HasSuffix(at.File.Text[:at.Start], []byte(" =")) {
		return " " + value
	}
	return value
}

// canSpare reports whether m can do without ports. It must keep a quarter of what it hands
// out: each program that sends or connects takes one, and runs of ports that the kernel has
// to skip make it slow to find the next.
func (m *machine) canSpare(ports port.Set) bool {
	for _, now := range m.handsOut {
		if 4*now.Minus(ports).Len() < now.Len() {
			return false
		}
	}
	return true
}

// dropIn is a file for sysctl.d that says for whom the ports are reserved.
func dropIn(list string, claims []*inventory.Claim) string {
	const most = 20
	var b strings.Builder
	b.WriteString("# Written by portolan lint --fix: ports of services, which the system must not hand out to\n" +
		"# other programs. The line replaces the whole list, so it has what was reserved before, too.\n")
	names := subjects(claims)
	for i, n := range names {
		if i == most {
			fmt.Fprintf(&b, "#   and %d more\n", len(names)-most)
			break
		}
		b.WriteString("#   " + commented(n.words) + "\n")
	}
	b.WriteString(reserved + " = " + list + "\n")
	return b.String()
}

// commented is text of an untrusted file as it can stand in a comment of ours: in one line.
func commented(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// in is " in etc/sysctl.d/10-net.conf", or the same of a file that is not there yet.
func in(at *host.ReservedList) string {
	if at.New != nil {
		return " in the new file " + at.New.Name
	}
	return " in " + at.Value.Name()
}

// reserveWords is advice to reserve ports on m. list is everything that m must spare.
func reserveWords(ports port.Set, m *machine, list port.Set) string {
	where := ""
	if at := m.ReservedAt; at != nil && !at.Counts { // a file changes nothing before it is read
		where = in(at) + " and run sysctl --system"
	}
	if where == "" && list.Equal(ports) && typed(list) {
		return "reserve " + list.String() + " in " + reserved
	}
	return listWords(ports, list, where)
}

// typed reports whether people would copy a list by hand.
func typed(list port.Set) bool { return len(list.Ranges()) <= 12 }

// listWords is advice to write list, or to add ports to it where it is too long for that.
func listWords(ports, list port.Set, where string) string {
	if typed(list) {
		return "set " + reserved + " to " + list.String() + where
	}
	return "add " + few(ports) + " to " + reserved + where
}
