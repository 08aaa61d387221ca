package chart

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/report"
	"portolan/internal/source"
)

// Judged is what is known of a host, or of files for several platforms.
type Judged struct {
	Inventory *inventory.Inventory
	Hosts     []host.Facts
	Findings  diag.List
	// Quarrel reports whether findings of a rule say that ports meet something.
	Quarrel func(rule string) bool
	// On are the ids of the systems on which each of Findings is so, for inventories that are
	// judged for several; nil, or no ids, where that is plain.
	On [][]string

	other []inventory.Claim // the same claims, before or after some of them move; nil for none
}

// Host is the panel of one host: what its systems do with ports first, then its services in
// order of their lowest port. Behind them lies what up to three systems do, and of more of them
// nothing. All text that comes from files can be printed, see
// report.Printable.
func Host(j Judged) Panel {
	return services(j, true)
}

// Services are the panel of one host without what its systems do with ports, which is behind
// the services all the same: for a picture that has a panel of systems too.
func Services(j Judged) Panel { return services(j, false) }

// services is the panel of a host, with groups of its systems or without.
func services(j Judged, groups bool) Panel {
	p := Panel{Bands: background(j.Hosts)}
	if groups {
		for i := range j.Hosts {
			p.Groups = append(p.Groups, systemGroup(&j.Hosts[i], bandsOf(&j.Hosts[i])))
		}
	}
	systems := len(p.Groups)
	named := map[string]int{} // the groups of services
	for i := range j.Inventory.Claims {
		c := &j.Inventory.Claims[i]
		switch {
		case c.Direction == inventory.Connect:
			p.Peers = append(p.Peers, barOf(c))
		case c.Ports.Len() > 0:
			b := barOf(c)
			if j.other != nil && j.other[i].Ports != c.Ports {
				b.Moved = port.Of(j.other[i].Ports)
			}
			p.add(named, b.Service, b)
		}
	}
	for _, b := range unclaimed(&j) {
		p.add(named, "not in a file", b)
	}
	p.find(&j, p.Groups)
	p.order(systems)
	p.forget()
	return p
}

// forget lets go of the texts of files: of many hosts the panels alone are kept.
func (p *Panel) forget() {
	each(&Picture{Panels: []Panel{*p}}, func(*Band) {}, func(b *Bar) { b.span = source.Span{} })
	for i := range p.Peers {
		p.Peers[i].span = source.Span{}
	}
}

// add puts a bar into the lane of its group, which is new where it is not named yet.
func (p *Panel) add(named map[string]int, group string, b Bar) {
	i, known := named[group]
	if !known {
		i = len(p.Groups)
		named[group] = i
		p.Groups = append(p.Groups, Group{Name: group})
	}
	p.Groups[i].add(b)
}

// add puts a bar into the lane of its protocol.
func (g *Group) add(b Bar) {
	k := slices.IndexFunc(g.Lanes, func(l Lane) bool { return l.Proto == b.Proto })
	if k < 0 {
		k = len(g.Lanes)
		g.Lanes = append(g.Lanes, Lane{Proto: b.Proto})
	}
	g.Lanes[k].Bars = append(g.Lanes[k].Bars, b)
}

// order sorts the services by their lowest port, and what they have by port.
func (p *Panel) order(systems int) {
	lowest := func(g *Group) int {
		low := port.Max + 1
		for i := range g.Lanes {
			low = min(low, int(g.Lanes[i].Bars[0].Ports.First))
		}
		return low
	}
	for i := range p.Groups {
		p.Groups[i].sort()
	}
	slices.SortStableFunc(p.Groups[systems:], func(a, b Group) int {
		return cmp.Or(cmp.Compare(lowest(&a), lowest(&b)), strings.Compare(a.Name, b.Name))
	})
}

// sort sorts the lanes of g, and what they have by port.
func (g *Group) sort() {
	slices.SortFunc(g.Lanes, func(a, b Lane) int { return cmp.Compare(a.Proto, b.Proto) })
	for k := range g.Lanes {
		sortBars(g.Lanes[k].Bars)
		g.Lanes[k].tellApart()
	}
}

// tellApart gives bars that have their name and ports in common with others their addresses.
func (l *Lane) tellApart() {
	bind, apart := map[string]string{}, map[string]bool{} // by caption
	for i := range l.Bars {
		b := &l.Bars[i]
		words := b.Caption()
		if first, again := bind[words]; !again {
			bind[words] = b.Bind
		} else if first != b.Bind {
			apart[words] = true
		}
	}
	for i := range l.Bars {
		if b := &l.Bars[i]; apart[b.Caption()] {
			b.At = b.Bind
		}
	}
}

func sortBars(list []Bar) {
	slices.SortStableFunc(list, func(a, b Bar) int {
		return cmp.Or(cmp.Compare(a.Ports.First, b.Ports.First), cmp.Compare(a.Ports.Last, b.Ports.Last))
	})
}

// barOf is a claim as a bar.
func barOf(c *inventory.Claim) Bar {
	b := Bar{Kind: kindOf(c), Proto: c.Proto, Ports: c.Ports, Name: printable(c.Listen), Words: printable(c.Purpose),
		Service: printable(strings.TrimSuffix(c.Service+" "+c.Instance, " ")), Place: place(c.Span), Origin: string(c.Origin),
		Bind: printable(strings.Join(c.Bind, ", ")), span: c.Span}
	if c.Direction == inventory.Connect {
		b.Bind = printable(c.Peer)
	}
	if written := c.Nominal(); written != c.Ports.String() {
		b.Nominal = written
	}
	for _, r := range c.Because {
		text := r.Text
		if r.Default != "" {
			text = r.Default
		}
		b.Because = append(b.Because, Reason{place(r.Span), printable(text)})
	}
	return b
}

// kindOf is what a listener is for. The words that tell media are those of the purposes in the
// catalogue, "RTP and RTCP" and "media (ICE)".
func kindOf(c *inventory.Claim) Kind {
	words := strings.FieldsFunc(c.Purpose, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	public := c.Exposure == inventory.Public
	switch {
	case public && len(words) > 0 && strings.HasPrefix(words[0], "MRCP"):
		return MRCP
	case c.Pairs, public && slices.ContainsFunc(words, func(w string) bool {
		return w == "media" || w == "RTP" || w == "RTCP" || w == "SRTP" || w == "SRTCP"
	}):
		return RTP
	}
	switch c.Exposure {
	case inventory.Public:
		return Clients
	case inventory.Internal:
		return Internal
	case inventory.Admin:
		return Admin
	case inventory.Loopback:
		return Loopback
	}
	return Other
}

// place is where s is, as it can be printed.
func place(s source.Span) string { return printable(s.Place()) }

func printable(s string) string { return report.Printable(s) }

// maxNames bounds the names that the words of a mark list.
const maxNames = 3

// few are names for words that have little room: "linux", "freebsd", "4 more".
func few(names []string) []string {
	if rest := len(names) - maxNames; rest > 1 {
		return append(slices.Clone(names[:maxNames]), strconv.Itoa(rest)+" more")
	}
	return names
}
