package chart

import (
	"cmp"
	"slices"
	"strings"

	"portolan/internal/host"
	"portolan/internal/port"
)

// InOrder sorts platforms as people look for them: the versions of one system stand together,
// what holds today before what does not any more, and all else is as in the file they are from.
func InOrder(list []host.Platform) {
	first := map[string]int{} // where the first version of each system is in the file
	for i := range list {
		p := &list[i]
		if at, ok := first[p.OS]; !ok || p.Span.Start < at {
			first[p.OS] = p.Span.Start
		}
	}
	gone := func(p *host.Platform) int {
		if p.Until != "" {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(list, func(a, b host.Platform) int {
		return cmp.Or(cmp.Compare(first[a.OS], first[b.OS]), cmp.Compare(gone(&a), gone(&b)), cmp.Compare(a.Span.Start, b.Span.Start))
	})
}

// Platforms is the panel of the ports that systems hand out when nobody has changed them: a
// group for each, in the order of list. A group has a lane for each protocol where these
// differ, else one for both.
func Platforms(list []host.Platform) Panel {
	p := Panel{Bands: background(nil)}
	for i := range list {
		p.Groups = append(p.Groups, platformGroup(&list[i]))
	}
	return p
}

func platformGroup(p *host.Platform) Group {
	facts := host.Facts{Ephemeral: p.Ephemeral}
	g := Group{Name: printable(p.ID), Title: printable(p.Title + versions(p))}
	protos := port.Protos[:]
	if facts.EphemeralPorts(port.TCP).Equal(facts.EphemeralPorts(port.UDP)) {
		protos = []port.Proto{0}
	}
	for _, proto := range protos {
		lane := Lane{Proto: proto}
		for _, r := range facts.EphemeralPorts(cmp.Or(proto, port.TCP)).Ranges() {
			// Ranges that meet have become one, so its settings are those of all of them.
			var settings []string
			from := ""
			for _, e := range p.Ephemeral {
				if (proto == 0 || e.Proto == proto) && e.Ports.Overlaps(r) {
					if !slices.Contains(settings, e.Setting) {
						settings = append(settings, e.Setting)
					}
					from = cmp.Or(from, e.From)
				}
			}
			lane.Bars = append(lane.Bars, Bar{Kind: Ephemeral, Proto: proto, Ports: r, Service: g.Name,
				Words: printable("ephemeral ports of " + p.Title + ": " + strings.Join(settings, ", ")), Place: printable(from)})
		}
		if len(lane.Bars) > 0 {
			g.Lanes = append(g.Lanes, lane)
		}
	}
	s := Source{Words: g.Name + ": " + g.Title}
	for _, cite := range p.Cites {
		s.Cites = append(s.Cites, printable(cite))
	}
	switch p.Evidence {
	case host.Excerpt:
		s.Note = "a part of the source was read"
	case host.Unverified:
		s.Note = "unverified: no primary source was found"
		g.Note = s.Note
	}
	g.Sources = []Source{s}
	return g
}

// versions says for which versions p holds, where its title does not: ", before Vista, Server
// 2008".
func versions(p *host.Platform) string {
	words := ""
	if p.Since != "" && !strings.Contains(p.Title, p.Since) {
		words += ", from " + p.Since
	}
	if p.Until != "" && !strings.Contains(p.Title, p.Until) {
		words += ", before " + p.Until
	}
	return words
}
