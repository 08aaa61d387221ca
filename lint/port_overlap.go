package lint

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/port"
)

// maxPartners bounds the other halves that one finding shows.
const maxPartners = 8

// portOverlap finds listeners of one protocol that want the same port of the same
// address. It sweeps over the ports in ascending order and compares a claim only with
// those that are still open and can have its address, so the time grows with the claims
// and not with their pairs.
func portOverlap(p *Pass) {
	for _, proto := range port.Protos {
		open := shelves{}
		for _, c := range ascending(p.listeners, proto) {
			if partners := open.partners(c); len(partners) > 0 {
				p.report(overlap(p, c, partners))
			}
			open.put(c)
		}
	}
}

// overlap is the finding that c meets partners, which begin before it or are wider.
func overlap(p *Pass, c *inventory.Claim, partners []*inventory.Claim) diag.Diagnostic {
	more := len(partners) > maxPartners
	partners = partners[:min(len(partners), maxPartners)]
	var names []string
	var shared port.Set
	d := diag.Diagnostic{Span: c.Span, Notes: nominalNote(c)}
	for _, o := range partners {
		both := port.Of(c.Ports).Intersect(port.Of(o.Ports))
		shared = shared.Union(both)
		names = append(names, subject(o))
		d.Related = append(d.Related, diag.Related{Span: o.Span, Message: label(o, subject(o)+"; "+sharedPorts(both))})
		d.Notes = append(d.Notes, nominalNote(o)...)
	}
	if more {
		d.Notes = append(d.Notes, "more listeners want these ports; the first "+count(maxPartners, "listener")+" are shown")
	}
	d.Message = subject(c) + " overlaps " + and(once(names))
	d.Label = label(c, sharedPorts(shared))
	d.Ports = about(c, shared)
	for _, o := range partners {
		p.quarrel(c, o)
	}
	way, fixes, notes := p.parting(c, partners)
	elsewhere := "give one of them other ports"
	if slices.ContainsFunc(partners, func(o *inventory.Claim) bool { return o.Service != c.Service || o.Instance != c.Instance }) {
		elsewhere = "bind them to different addresses"
	}
	d.Help = or(way, elsewhere)
	d.Fixes = fixes
	d.Notes = once(append(d.Notes, notes...))
	return d
}

// parting is what takes c off the ports of its partners: c moves, or all of them do, of
// which one may move for the sake of others as well. Those that one text moves with c stay
// with it wherever it goes.
func (p *Pass) parting(c *inventory.Claim, partners []*inventory.Claim) (string, []diag.Fix, []string) {
	var movers []*body
	var ways, notes []string
	stuck := ""
	partners = slices.DeleteFunc(slices.Clone(partners), func(o *inventory.Claim) bool { return p.moves.of[o] == p.moves.of[c] })
	if len(partners) == 0 {
		return "", nil, nil
	}
	for _, o := range append([]*inventory.Claim{c}, partners...) {
		b := p.moves.of[o]
		if b.stuck != "" && stuck == "" {
			stuck = p.stuckWords(b, c)
		}
		if !b.move || slices.Contains(movers, b) {
			continue
		}
		movers = append(movers, b)
		ways = append(ways, p.setWords(b, c))
		if o == c {
			break
		}
		if b.opponents > 1 {
			notes = append(notes, "moving "+subject(o)+" ends its overlaps with "+count(b.opponents, "listener"))
		}
	}
	if len(movers) == 0 {
		return stuck, nil, nil
	}
	fix := p.moveFix(and(ways), movers...)
	stays := func(o *inventory.Claim) bool { return !p.moves.of[o].move }
	if stays(c) && slices.ContainsFunc(partners, stays) { // this ends a part of it
		fix.Safety = max(fix.Safety, diag.Unsafe)
		if stuck != "" {
			ways = append(ways, stuck)
		}
	}
	return and(ways), []diag.Fix{fix}, notes
}

// sharedPorts is "1 port shared: 5060".
func sharedPorts(s port.Set) string { return count(s.Len(), "port") + " shared: " + few(s) }

// ascending are the listeners of proto by first port, the wider before the narrower, so
// that a finding points at the narrower.
func ascending(listeners []*inventory.Claim, proto port.Proto) []*inventory.Claim {
	var out []*inventory.Claim
	for _, c := range listeners {
		if c.Proto == proto && c.Ports.Len() > 0 {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b *inventory.Claim) int {
		return cmp.Or(cmp.Compare(a.Ports.First, b.Ports.First), cmp.Compare(b.Ports.Last, a.Ports.Last))
	})
	return out
}

// shelves hold the claims that were met, by the addresses they can share.
type shelves map[string][]*inventory.Claim

// The shelves that are no address.
const (
	everyone = "everyone" // all claims
	wildcard = "*"        // claims on every address
	anyV4    = "0.0.0.0"  // claims on every IPv4 address
	withV4   = "with IPv4"
	anyV6    = "[::]" // claims on every IPv6 address and no other
	withV6   = "with IPv6"
)

func (s shelves) put(c *inventory.Claim) {
	for _, bind := range c.Sockets() {
		stands, _ := shelvesOf(bind)
		for _, name := range append(stands, everyone) {
			if n := len(s[name]); n == 0 || s[name][n-1] != c { // two addresses, one shelf
				s[name] = append(s[name], c)
			}
		}
	}
}

// partners are claims that meet c, at most maxPartners+1. What one place says of one
// listener is no conflict. Claims that end before c begins leave their shelf.
func (s shelves) partners(c *inventory.Claim) []*inventory.Claim {
	var found []*inventory.Claim
	for _, bind := range c.Sockets() {
		_, asks := shelvesOf(bind)
		for _, name := range asks {
			shelf := s[name]
			for i := 0; i < len(shelf) && len(found) <= maxPartners; {
				o := shelf[i]
				if o.Ports.Last < c.Ports.First {
					last := len(shelf) - 1
					shelf[i], shelf[last] = shelf[last], nil
					shelf = shelf[:last]
					continue
				}
				if listenerOf(o) != listenerOf(c) && !sharing(o, c) && inventory.BindsOverlap(o.Sockets(), c.Sockets()) && !slices.Contains(found, o) {
					found = append(found, o)
				}
				i++
			}
			s[name] = shelf
		}
	}
	return found
}

// sharing reports whether two listeners of one process are known to share their ports:
// the profiles of a server that takes media ports from one allocator. A word with a slash
// names a process of which several descriptions read a part.
func sharing(a, b *inventory.Claim) bool {
	return a.Share != "" && a.Share == b.Share &&
		(strings.Contains(a.Share, "/") || a.Service == b.Service && a.Instance == b.Instance)
}

// shelvesOf says on which shelves a claim with this address stands, and on which its
// partners stand, after the rules of inventory.BindsOverlap.
func shelvesOf(bind string) (stands, asks []string) {
	bind = strings.ToLower(bind)
	switch bind {
	case "*", "::":
		return []string{wildcard}, []string{everyone}
	case inventory.AnyV6:
		return []string{anyV6, withV6}, []string{wildcard, withV6}
	case "0.0.0.0":
		return []string{anyV4, withV4}, []string{wildcard, withV4}
	case "localhost":
		const v4, v6 = "=127.0.0.1", "=::1"
		return []string{v4, v6, withV4, withV6}, []string{wildcard, anyV4, anyV6, v4, v6}
	}
	a, err := netip.ParseAddr(bind)
	if err != nil { // a name
		return []string{"=" + bind, withV4, withV6}, []string{wildcard, anyV4, anyV6, "=" + bind}
	}
	a = a.Unmap()
	own := "=" + a.String()
	if a.Is4() {
		return []string{own, withV4}, []string{wildcard, anyV4, own}
	}
	return []string{own, withV6}, []string{wildcard, anyV6, own}
}
