package lint

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/inventory"
)

// crossFileMismatch finds connections to a service of the same host whose own files say
// that it listens elsewhere. It is silent where something else may answer in its place (a
// tunnel, a proxy, a published port), and about services that are not known whole.
func crossFileMismatch(p *Pass) {
	var host *neighbours
	for i := range p.Inventory.Claims {
		c := &p.Inventory.Claims[i]
		if c.Direction != inventory.Connect || len(c.To) == 0 {
			continue
		}
		if host == nil {
			host = newNeighbours(p)
		}
		if theirs, off := host.elsewhere(c); len(theirs) > 0 || len(off) > 0 {
			p.report(mismatch(c, theirs, off))
		}
	}
}

// neighbours is what the rule asks of one host, worked out once.
type neighbours struct {
	pass    *Pass
	own     map[netip.Addr]bool           // addresses that listeners of this host have
	partial map[string]bool               // services of which a port may not be known
	ends    map[string]bool               // services that a connection is for: no proxies
	of      map[string][]*inventory.Claim // by "service.listener"
}

func newNeighbours(p *Pass) *neighbours {
	n := &neighbours{p, map[netip.Addr]bool{}, map[string]bool{}, map[string]bool{}, map[string][]*inventory.Claim{}}
	for _, f := range p.Inventory.Files {
		n.partial[f.Service] = n.partial[f.Service] || f.Status != inventory.Whole
	}
	for i := range p.Inventory.Claims {
		for _, to := range p.Inventory.Claims[i].To {
			n.ends[serviceOf(to)] = true
		}
	}
	for _, c := range p.listeners {
		name := c.Service + "." + c.Listen
		n.of[name] = append(n.of[name], c)
		for _, b := range c.Bind {
			if a, err := netip.ParseAddr(b); err == nil && !a.IsUnspecified() {
				n.own[a.Unmap()] = true
			}
		}
	}
	return n
}

// serviceOf is the service of "service.listener".
func serviceOf(to string) string {
	service, _, _ := strings.Cut(to, ".")
	return service
}

// here reports whether a peer is this host.
func (n *neighbours) here(peer string) bool {
	a, err := netip.ParseAddr(peer)
	return strings.EqualFold(peer, "localhost") || err == nil && (a.Unmap().IsLoopback() || n.own[a.Unmap()])
}

// elsewhere are the listeners that c may be for, or those that are switched off, when
// nothing is where c looks for it.
func (n *neighbours) elsewhere(c *inventory.Claim) (theirs []*inventory.Claim, off []*inventory.Disabled) {
	if !n.here(c.Peer) {
		return nil, nil
	}
	for _, to := range c.To {
		if n.partial[serviceOf(to)] {
			return nil, nil
		}
		theirs = append(theirs, n.of[to]...)
	}
	for _, l := range n.pass.listeners {
		met := l.Proto == c.Proto && l.Ports.Overlaps(c.Ports) && inventory.BindsOverlap(l.Sockets(), []string{c.Peer})
		if met && (!n.ends[l.Service] || slices.Contains(theirs, l)) {
			return nil, nil
		}
	}
	if len(theirs) > 0 {
		return theirs, nil
	}
	for i := range n.pass.Inventory.Disabled {
		if d := &n.pass.Inventory.Disabled[i]; slices.Contains(c.To, d.Service+"."+d.Listen) {
			off = append(off, d)
		}
	}
	return nil, off
}

// mismatch is the finding that c meets neither theirs, which listen elsewhere, nor off,
// which do not listen at all.
func mismatch(c *inventory.Claim, theirs []*inventory.Claim, off []*inventory.Disabled) diag.Diagnostic {
	number := strconv.Itoa(int(c.Ports.First))
	d := diag.Diagnostic{Span: c.Span, Help: "make the two files agree on the address and the port", Ports: allOf(c)}
	service, but := "", " listens elsewhere"
	for _, l := range theirs[:min(len(theirs), maxPartners)] {
		service = l.Service
		where := "on " + l.Ports.String() + "/" + l.Proto.String()
		if !slices.Contains(l.Bind, "*") {
			where = "at " + and(l.Bind) + " " + where
		}
		d.Related = append(d.Related, diag.Related{Span: l.Span, Message: label(l, listenerName(l)+" of "+l.Service+" listens "+where)})
		port := strconv.Itoa(int(l.Ports.First))
		if d.Fixes == nil && c.Setting != "" && port != number {
			d.Help = "set " + c.Setting + " to " + port + " here"
			if l.Setting != "" {
				d.Help += ", or " + l.Setting + " of " + l.Service + " to " + number
			}
			d.Fixes = []diag.Fix{{Title: "set " + c.Setting + " to " + port, Safety: diag.Display}}
			if isNumber(c.Span.Text(), int(c.Ports.First)) {
				d.Fixes[0].Safety, d.Fixes[0].Edits = diag.Unsafe, []diag.Edit{{Span: c.Span, New: port}}
			}
		}
	}
	for _, o := range off {
		service, but = o.Service, " has that switched off"
		for _, b := range o.Because {
			d.Related = append(d.Related, diag.Related{Span: b.Span, Message: o.Purpose + " of " + o.Service + " is off: " + b.Text})
		}
	}
	d.Label = label(c, "nothing listens on "+number+"/"+c.Proto.String())
	d.Message = c.Service + " connects to " + net.JoinHostPort(c.Peer, number) + "/" + c.Proto.String() + " for " + c.Purpose + ", but " + service + but
	return d
}
