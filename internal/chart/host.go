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

// unclaimed is the rule that names sockets of which no file speaks.
const unclaimed = "listener-unclaimed"

// lastSystem is the last of the ports that are for those who were assigned one (RFC 6335
// section 6).
const lastSystem = 1023

// Host is the panel of one host: what its systems do with ports first, then its services in
// order of their lowest port. All text that comes from files can be printed, see
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
			p.Groups = append(p.Groups, systemGroup(&j.Hosts[i], Bands(&j.Hosts[i])))
		}
	}
	systems := len(p.Groups)
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
			p.add(strings.TrimSuffix(c.Service+" "+c.Instance, " "), b, systems)
		}
	}
	for i := range j.Findings {
		p.find(&j, i, p.Groups)
	}
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

// background are the bands behind services: system ports, and those of hosts, each once.
func background(hosts []host.Facts) []Band {
	out := []Band{{Kind: System, Ports: port.Range{Last: lastSystem}, Words: "system ports", From: "RFC 6335 section 6"}}
	for i := range hosts {
		for _, b := range Bands(&hosts[i]) {
			if !slices.ContainsFunc(out, func(o Band) bool { return o.Kind == b.Kind && o.Proto == b.Proto && o.Ports == b.Ports }) {
				out = append(out, b)
			}
		}
	}
	return out
}

// Bands are the ports that a host does not leave to services.
func Bands(f *host.Facts) []Band {
	of := ""
	if f.Platform != "" {
		of = " of " + printable(f.Platform)
	}
	var out []Band
	add := func(kind Kind, words string, from func(port.Proto) string, of func(port.Proto) port.Set) {
		tcp, udp := of(port.TCP), of(port.UDP)
		for _, r := range tcp.Ranges() {
			b := Band{kind, port.TCP, r, words, printable(from(port.TCP))}
			if slices.Contains(udp.Ranges(), r) {
				b.Proto = 0
			}
			out = append(out, b)
		}
		for _, r := range udp.Ranges() {
			if !slices.Contains(tcp.Ranges(), r) {
				out = append(out, Band{kind, port.UDP, r, words, printable(from(port.UDP))})
			}
		}
	}
	add(Ephemeral, "ephemeral ports"+of, func(p port.Proto) string {
		for _, e := range f.Ephemeral {
			if e.Proto == p {
				return e.From
			}
		}
		return ""
	}, f.EphemeralPorts)
	add(Spared, "ports that the system spares", func(p port.Proto) string {
		for i := range f.Reserved {
			if f.Reserved[i].Spares(p) {
				return f.Reserved[i].From
			}
		}
		return ""
	}, func(p port.Proto) port.Set {
		var s port.Set
		for i := range f.Reserved {
			if f.Reserved[i].Spares(p) {
				s = s.Union(f.Reserved[i].Ports)
			}
		}
		return s
	})
	excluded := func(kind Kind, words string, administered bool) {
		of := func(p port.Proto) (ranges []port.Range, from string) {
			for _, x := range f.Excluded {
				if x.Proto == p && x.Administered == administered {
					ranges, from = append(ranges, x.Ports), x.From
				}
			}
			return ranges, from
		}
		add(kind, words, func(p port.Proto) string { _, from := of(p); return from }, func(p port.Proto) port.Set { ranges, _ := of(p); return port.Of(ranges...) })
	}
	excluded(Spared, "excluded by an administrator, for a service", true)
	excluded(Excluded, "excluded by a component of Windows", false)
	if n := f.NodePorts; n.Ports.First > 0 {
		add(NodePorts, "node ports of Kubernetes", func(port.Proto) string { return n.From }, func(port.Proto) port.Set { return port.Of(n.Ports) })
	}
	add(NomadPorts, "ports that Nomad gives to jobs", func(port.Proto) string { return f.NomadPorts.From }, func(port.Proto) port.Set { return f.NomadPorts.Ports })
	return out
}

// systemGroup is the group of a host itself: its bands as bars.
func systemGroup(f *host.Facts, bands []Band) Group {
	g := Group{Name: cmp.Or(printable(f.Platform), "the system"), Title: printable(f.Title)}
	protos := []port.Proto{0}
	if slices.ContainsFunc(bands, func(b Band) bool { return b.Proto != 0 }) {
		protos = port.Protos[:]
	}
	for _, proto := range protos {
		lane := Lane{Proto: proto}
		for _, b := range bands {
			if proto == 0 || b.Proto == 0 || b.Proto == proto {
				lane.Bars = append(lane.Bars, Bar{Kind: b.Kind, Proto: proto, Ports: b.Ports, Name: b.Kind.String(), Words: b.Words, Place: b.From})
			}
		}
		sortBars(lane.Bars)
		if len(lane.Bars) > 0 {
			g.Lanes = append(g.Lanes, lane)
		}
	}
	if len(g.Lanes) == 0 {
		g.Note = "what it hands out is not known"
	}
	return g
}

// add puts a bar into the lane of its group, of those behind the first ones.
func (p *Panel) add(group string, b Bar, first int) {
	group = printable(group)
	i := slices.IndexFunc(p.Groups[first:], func(g Group) bool { return g.Name == group })
	if i < 0 {
		i = len(p.Groups) - first
		p.Groups = append(p.Groups, Group{Name: group})
	}
	p.Groups[first+i].add(b)
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

// find adds a finding, and marks the bars of groups that it is about.
func (p *Panel) find(j *Judged, i int, groups []Group) {
	d := &j.Findings[i]
	f := Finding{Rule: d.Rule, Severity: d.Severity, Message: printable(d.Message), Place: place(d.Span), Help: printable(d.Help),
		Quarrel: len(d.Ports) > 0 && j.Quarrel != nil && j.Quarrel(d.Rule)}
	for _, n := range d.Notes {
		f.Notes = append(f.Notes, printable(n))
	}
	p.Findings = append(p.Findings, f)
	if d.Rule == unclaimed {
		p.seen(j, d)
	}
	if !f.Quarrel {
		return
	}
	var systems []string
	if i < len(j.On) {
		systems = j.On[i]
	}
	on := printable(and(few(systems)))
	places := []source.Span{d.Span}
	for _, r := range d.Related {
		places = append(places, r.Span)
	}
	mark := func(about func(*Bar) bool) bool {
		found := false
		each(&Picture{Panels: []Panel{{Groups: groups}}}, func(*Band) {}, func(b *Bar) {
			if b.Kind.Behind() || !about(b) {
				return
			}
			for _, ports := range d.Ports {
				if shared := ports.Set.Intersect(port.Of(b.Ports)); ports.Proto == b.Proto && !shared.IsEmpty() {
					b.Marks = append(b.Marks, Mark{shared, d.Rule, on, systems, d.Severity, len(p.Findings) - 1})
					found = true
				}
			}
		})
		return found
	}
	// A finding that names no line of a listener, such as one about a setting of the system, is
	// about all that have the ports.
	if !mark(func(b *Bar) bool { return slices.Contains(places, b.span) }) && !mark(func(*Bar) bool { return true }) {
		p.markGiven(d, len(p.Findings)-1)
	}
}

// markGiven marks what systems keep for somebody, for a finding that meets no listener.
func (p *Panel) markGiven(d *diag.Diagnostic, finding int) {
	each(&Picture{Panels: []Panel{*p}}, func(*Band) {}, func(b *Bar) {
		if !b.Kind.Behind() || b.Kind == Ephemeral || b.Kind == System {
			return
		}
		var shared port.Set
		for _, ports := range d.Ports {
			if b.Proto == 0 || b.Proto == ports.Proto {
				shared = shared.Union(ports.Set.Intersect(port.Of(b.Ports)))
			}
		}
		if !shared.IsEmpty() {
			b.Marks = append(b.Marks, Mark{Ports: shared, Rule: d.Rule, Severity: d.Severity, Finding: finding})
		}
	})
}

// seen adds the sockets of a finding about those that no file claims.
func (p *Panel) seen(j *Judged, d *diag.Diagnostic) {
	for i := range j.Hosts {
		for _, l := range j.Hosts[i].Listeners {
			if !slices.ContainsFunc(d.Ports, func(x diag.Ports) bool { return x.Proto == l.Proto && x.Set.Contains(l.Port) }) {
				continue
			}
			b := Bar{Kind: Unclaimed, Proto: l.Proto, Ports: port.Single(l.Port), Name: printable(l.Process),
				Words: kinds[Unclaimed][1], Place: printable(l.From), Bind: l.Addr.String()}
			// One program often has a socket for IPv4 and one for IPv6.
			again := false
			each(&Picture{Panels: []Panel{*p}}, func(*Band) {}, func(o *Bar) {
				if o.Kind == Unclaimed && o.Proto == b.Proto && o.Ports == b.Ports && o.Name == b.Name {
					o.Bind, again = o.Bind+", "+b.Bind, true
				}
			})
			if !again {
				p.add("not in a file", b, 0)
			}
		}
	}
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

// place is "file:line", or "file" where there is no line.
func place(s source.Span) string {
	name := printable(s.Name())
	if !s.HasLine() {
		return name
	}
	return name + ":" + strconv.Itoa(s.Position().Line)
}

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

// and is "linux", "linux and freebsd", "linux, freebsd and macos".
func and(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
