package draft

import (
	"slices"
	"strings"

	"portolan/internal/inventory"
	"portolan/internal/port"
)

// listens are the listeners of the host that have a port.
func (w *writer) listens() []*inventory.Claim {
	var out []*inventory.Claim
	for i := range w.inv.Claims {
		if c := &w.inv.Claims[i]; c.Direction == inventory.Listen && c.Ports.Len() > 0 {
			out = append(out, c)
		}
	}
	return out
}

// A group is listeners of one service that one allow opens.
type group struct {
	service  string
	exposure inventory.Exposure
	claims   []*inventory.Claim
	// byName says that the names of its listeners mean these and no others.
	byName bool
	media  bool // RTP and nothing else
	beside bool // another group has the rest of these listeners
}

// limit reports whether new connections can be bounded by the call.
func (g *group) limit() bool {
	return g.exposure == inventory.Public && g.byName && !g.media && slices.ContainsFunc(g.claims, isSIP)
}

// notrack reports whether connection tracking can be spared.
func (g *group) notrack() bool { return g.exposure == inventory.Public && g.byName && g.media }

// zone is who the listeners are for.
func (g *group) zone() string {
	switch g.exposure {
	case inventory.Internal:
		return "cluster"
	case inventory.Admin:
		return "operators"
	}
	if slices.ContainsFunc(g.claims, isVoice) || g.beside {
		return "voice"
	}
	return "clients"
}

func isMedia(c *inventory.Claim) bool {
	return c.Proto == port.UDP && (c.Pairs || c.Listen == "rtp")
}

func isSIP(c *inventory.Claim) bool {
	return strings.HasPrefix(c.Listen, "sip") || c.Assigned.Contains(5060) || c.Assigned.Contains(5061)
}

func isVoice(c *inventory.Claim) bool {
	// RTSP(S), H.323, MGCP, IAX2 and Skinny by their assigned ports.
	return isMedia(c) || isSIP(c) || slices.ContainsFunc([]uint16{322, 554, 1720, 2000, 2427, 2727, 4569}, c.Assigned.Contains)
}

// groups are what others can reach, in the order of services, the widest exposure first.
// Media stands apart from signalling, because other things are said of it: calls are
// counted, packets of media are not.
func (w *writer) groups() []group {
	var out []group
	claims := w.listens()
	for len(claims) > 0 {
		n := 1
		for n < len(claims) && claims[n].Service == claims[0].Service {
			n++
		}
		for _, e := range []inventory.Exposure{inventory.Public, inventory.Internal, inventory.Admin} {
			out = append(out, groupsOf(claims[:n], e)...)
		}
		claims = claims[n:]
	}
	return out
}

// groupsOf are the groups of one service and exposure.
func groupsOf(all []*inventory.Claim, e inventory.Exposure) []group {
	if all[0].Service == sshd && e != inventory.Internal { // has an allow of its own
		return nil
	}
	meant := func(c *inventory.Claim) bool { return c.Exposure == e && !c.OnLoopback() }
	g := group{service: all[0].Service, exposure: e, byName: true}
	for _, c := range all {
		if meant(c) {
			g.claims = append(g.claims, c)
		}
	}
	if len(g.claims) == 0 {
		return nil
	}
	names := map[string]*struct{ media, others bool }{} // of each name
	for _, c := range g.claims {
		if names[c.Listen] == nil {
			names[c.Listen] = &struct{ media, others bool }{}
		}
		if is := names[c.Listen]; isMedia(c) {
			is.media = true
		} else {
			is.others = true
		}
		g.byName = g.byName && isWord(c.Listen)
	}
	// A name means every listener of that name, those on loopback too.
	for _, c := range all {
		g.byName = g.byName && (meant(c) || names[c.Listen] == nil)
	}
	if !g.byName || e != inventory.Public {
		return []group{g}
	}
	media := g
	media.claims, media.media, media.beside = nil, true, true
	rest := g
	rest.claims, rest.beside = nil, true
	for _, c := range g.claims {
		if is := names[c.Listen]; is.media && !is.others {
			media.claims = append(media.claims, c)
		} else {
			rest.claims = append(rest.claims, c)
		}
	}
	switch {
	case len(media.claims) == 0:
		return []group{g}
	case len(rest.claims) == 0:
		g.media = true
		return []group{g}
	}
	return []group{rest, media}
}

// isWord reports whether s can stand in quotes as it is.
func isWord(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	return s != "" && len(s) <= 100 && strings.Trim(s, letters) == ""
}

// services writes the allows of all services.
func (w *writer) services() {
	for _, g := range w.groups() {
		w.group(&g)
	}
}

func (w *writer) group(g *group) {
	title := plain(g.service)
	name := g.service
	off := true
	switch {
	case g.exposure == inventory.Internal:
		title, name = "Not open: "+title+", for other parts of the same product.", name+"-internal"
	case g.exposure == inventory.Admin:
		title, name = "Not open: "+title+", for operators.", name+"-admin"
	case g.media && g.beside:
		title, name, off = "Media of "+title+":", name+"-media", false
	default:
		title, off = title+":", false
	}
	attrs := []attr{{name: "service", value: `"` + g.service + `"`}}
	if g.byName {
		var list []string
		for _, c := range g.claims {
			if q := `"` + c.Listen + `"`; !slices.Contains(list, q) {
				list = append(list, q)
			}
		}
		attrs = append(attrs, attr{name: "listen", list: list})
	} else {
		attrs = append(attrs, attr{name: "exposure", value: `["` + string(g.exposure) + `"]`})
	}
	from := attr{name: "from", value: w.zone(g.zone())}
	if !off {
		from.off, from.note = true, "everybody: name your networks"
	}
	attrs = append(attrs, from)
	if g.limit() && !w.windows() {
		attrs = append(attrs, attr{name: "limit", value: `"60/minute per source"`, off: true})
	}
	if g.notrack() && !w.windows() {
		attrs = append(attrs, attr{name: "notrack", value: "true", off: true})
	}
	w.say(title, "")
	w.table(rowsOf(g.claims, false))
	if !g.byName {
		w.say("", "Not by name, because a name would also open what has it on another address or for others.")
	}
	if g.claims[0].Published() {
		w.say("", "These are published: their packets are translated and forwarded before these rules are",
			"asked, so that an allow or a deny here neither opens nor closes them for other hosts.")
	}
	if off {
		w.say("")
	}
	w.block(block{off: off, head: `allow "` + w.name(name) + `"`, attrs: attrs})
	w.gap()
}
