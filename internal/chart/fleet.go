package chart

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/port"
)

// A Member is one host of a fleet. It has what a picture of many hosts shows of one, and
// nothing of its inventory or its files.
type Member struct {
	// Name can be printed, and is that of no other host of the fleet.
	Name string
	// Panel is the host by itself, as Host makes it; nil where it is not drawn.
	Panel *Panel
	// Unread is why the host could not be read; "" where it was.
	Unread string
	// Errors and Warnings are how many findings there are of either.
	Errors, Warnings int

	troubled bool // has findings of any severity
	row      Group
	quarrels []Finding // what the marks of row name
}

// MemberOf is a host that was read. Words count its findings. Its panel is kept where keep is true.
func MemberOf(name, words string, j Judged, keep bool) Member {
	m := Member{Name: printable(name), Errors: j.Findings.Count(diag.Error), Warnings: j.Findings.Count(diag.Warning),
		troubled: len(j.Findings) > 0}
	p := Host(j)
	m.row = m.rowOf(&p)
	m.row.Note = words
	if keep {
		p.Title, p.Note = m.Name, m.row.Note
		m.Panel = &p
	}
	return m
}

// UnreadMember is a host that could not be read, with the reason.
func UnreadMember(name string, why error) Member {
	m := Member{Name: printable(name), Unread: printable(why.Error())}
	m.row = Group{Name: m.Name, Note: "could not be read: " + m.Unread}
	return m
}

// trouble compares hosts by what is wrong with them: those of which nothing is known come first,
// then those with the most errors, then warnings, then others by name.
func trouble(a, b *Member) int {
	unread := func(m *Member) int { return min(len(m.Unread), 1) }
	return cmp.Or(cmp.Compare(unread(b), unread(a)), cmp.Compare(b.Errors, a.Errors),
		cmp.Compare(b.Warnings, a.Warnings), strings.Compare(a.Name, b.Name))
}

// In a picture of many hosts few bars have words, which would fill it: those with a mark, and of up
// to fewHosts hosts those of leastRange ports and more too.
const (
	fewHosts   = 10
	leastRange = 16
)

// rowOf is a host in one lane for each protocol.
func (m *Member) rowOf(p *Panel) Group {
	g := Group{Name: m.Name}
	for _, b := range p.Bands {
		if b.Kind != System { // which are the same everywhere
			g.Bands = append(g.Bands, b)
		}
	}
	at := map[int]int{} // where a finding of p is in quarrels
	for _, proto := range port.Protos {
		lane := Lane{Proto: proto}
		for i := range p.Groups {
			for _, l := range p.Groups[i].Lanes {
				for _, b := range l.Bars {
					if l.Proto == proto && !b.Kind.Behind() {
						lane.Bars = append(lane.Bars, m.small(b, p, at))
					}
				}
			}
		}
		if len(lane.Bars) > 0 {
			sortBars(lane.Bars)
			g.Lanes = append(g.Lanes, lane)
		}
	}
	return g
}

// small is a bar of p in the row of its host.
func (m *Member) small(b Bar, p *Panel, at map[int]int) Bar {
	if b.Service != "" {
		b.Label = b.Service + "." + b.Name
	}
	b.Because, b.Nominal = nil, "" // its own panel, or portolan explain, has them
	marks := make([]Mark, len(b.Marks))
	for i, k := range b.Marks {
		n, known := at[k.Finding]
		if !known {
			n = len(m.quarrels)
			at[k.Finding] = n
			f := p.Findings[k.Finding]
			f.Place, f.Group = m.Name+"/"+f.Place, m.Name
			m.quarrels = append(m.quarrels, f)
		}
		k.Finding = n
		marks[i] = k
	}
	b.Marks = marks
	return b
}

// Fleet is one panel with a row for each host, those with the most trouble first, and below it
// the panels that hosts have, in the same order and not more than most. The order of members does
// not matter and stays.
func Fleet(members []Member, most int) []Panel {
	order := make([]*Member, len(members))
	for i := range members {
		order[i] = &members[i]
	}
	slices.SortStableFunc(order, trouble)
	over := Panel{Title: "all hosts", Bands: background(nil)}
	unread, troubled, left := 0, 0, 0
	panels := []Panel{{}}
	for _, m := range order {
		over.Groups = append(over.Groups, m.placed(len(over.Findings), len(members) > fewHosts))
		over.Findings = append(over.Findings, m.quarrels...)
		if m.troubled {
			troubled++
		}
		switch {
		case m.Unread != "":
			unread++
		case m.Panel != nil && len(panels) <= most:
			panels = append(panels, *m.Panel)
		default:
			left++
		}
	}
	notes := []string{strconv.Itoa(troubled) + " with findings"}
	if unread > 0 {
		notes = append(notes, strconv.Itoa(unread)+" could not be read")
	}
	if len(panels) > 1 && left > 0 {
		notes = append(notes, fmt.Sprintf("the %d with the least trouble have no picture of their own", left))
	}
	over.Note = strings.Join(notes, "; ")
	panels[0] = over
	return panels
}

// placed is the row of m in a panel that has a number of findings already, and many hosts or few.
func (m *Member) placed(findings int, many bool) Group {
	g := m.row
	g.Lanes = slices.Clone(g.Lanes)
	for i := range g.Lanes {
		bars := slices.Clone(g.Lanes[i].Bars)
		for k := range bars {
			b := &bars[k]
			b.Quiet = len(b.Marks) == 0 && (many || b.Ports.Len() < leastRange)
			b.Marks = slices.Clone(b.Marks)
			for n := range b.Marks {
				b.Marks[n].Finding += findings
			}
		}
		g.Lanes[i].Bars = bars
	}
	return g
}
