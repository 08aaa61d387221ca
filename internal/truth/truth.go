// Package truth holds what an inventory says against what a daemon does, for tests.
//
// A case is configuration files and the command that starts a daemon with them. It runs
// on a private copy of this machine, in namespaces of its own, where every socket is the
// daemon's: a claim without a socket is invented, and a socket without a claim is missing.
package truth

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"portolan/internal/inventory"
	"portolan/internal/port"
)

// A Socket is one that waits for others: listening TCP, or UDP without a peer.
type Socket struct {
	Proto  port.Proto
	Addr   netip.Addr
	Port   uint16
	V6Only bool // IPV6_V6ONLY, which counts for "::"
}

// takes reports whether what is sent to an address of the host reaches s.
func (s Socket) takes(a netip.Addr) bool {
	switch {
	case s.Addr == netip.IPv4Unspecified():
		return a.Is4()
	case s.Addr == netip.IPv6Unspecified():
		return a.Is6() || !s.V6Only
	}
	return s.Addr.Unmap() == a
}

// Names are the addresses of a host by the words that stand for them: its interfaces, and
// localhost.
type Names map[string][]netip.Addr

// partly reports whether a belongs to a name in a claim, and sockets take another address
// of that name. Which of its addresses a service takes, no claim can say.
func (h Names) partly(bind []string, a netip.Addr, sockets []Socket) bool {
	return slices.ContainsFunc(bind, func(b string) bool {
		return slices.Contains(h[b], a) && slices.ContainsFunc(h[b], func(other netip.Addr) bool { return taken(sockets, other) })
	})
}

// Excuses are what a case does not prove, each with a reason for people.
type Excuses struct {
	// Closed are listeners whose ports need not be open, perhaps until there is a call.
	Closed map[string]string
	// Wider are listeners whose claims name more addresses than they take, because no
	// file tells which: those of a network, for one.
	Wider map[string]string
	// Ephemeral is for UDP sockets on ports that the system chose.
	Ephemeral string
}

// The ports that the system chooses on the private host.
const firstEphemeral, lastEphemeral = 60500, 60999

// Compare says, one line each, how the claims of an inventory and the sockets of a host
// differ. An excuse that nothing needs is a difference too.
func Compare(host Names, sockets []Socket, claims []inventory.Claim, excuses Excuses) []string {
	var out []string
	if excuses.Ephemeral != "" {
		all := len(sockets)
		sockets = slices.DeleteFunc(slices.Clone(sockets), func(s Socket) bool {
			return s.Proto == port.UDP && s.Port >= firstEphemeral && s.Port <= lastEphemeral
		})
		if len(sockets) == all {
			out = append(out, "the case excuses ephemeral ports, and there are none")
		}
	}
	claims = slices.DeleteFunc(slices.Clone(claims), func(c inventory.Claim) bool { return c.Direction != inventory.Listen })

	// Two sides are the same when they are for every address that could tell them apart.
	addresses := map[netip.Addr]bool{}
	for _, list := range host {
		for _, a := range list {
			addresses[a] = true
		}
	}
	for _, s := range sockets {
		addresses[s.Addr.Unmap()] = true
	}
	for _, c := range claims {
		for _, b := range c.Bind {
			if a, err := netip.ParseAddr(b); err == nil {
				addresses[a.Unmap()] = true
			}
		}
	}
	delete(addresses, netip.IPv4Unspecified())
	delete(addresses, netip.IPv6Unspecified())
	all := slices.SortedFunc(maps.Keys(addresses), netip.Addr.Compare)

	claimed := make([][]Socket, len(claims)) // as sockets on the first port
	for i := range claims {
		for _, b := range claims[i].Sockets() {
			where, err := named(host, b)
			if err != nil {
				out = append(out, fmt.Sprintf("unclear: %s %s: %v", claims[i].Service, claims[i].Describe(), err))
			}
			claimed[i] = append(claimed[i], where...)
		}
	}
	unneeded, narrower := map[string]string{}, map[string]bool{}
	maps.Copy(unneeded, excuses.Closed)
	for i := range claims {
		c := &claims[i]
		delete(unneeded, c.Listen)
		if _, excused := excuses.Closed[c.Listen]; excused {
			continue
		}
		for p := int(c.Ports.First); p <= int(c.Ports.Last); p++ {
			var closed []string
			some := false
			opened := on(sockets, c.Proto, uint16(p))
			for _, a := range all {
				switch {
				case !taken(claimed[i], a):
				case taken(opened, a):
					some = true
				case !host.partly(c.Bind, a, opened):
					closed = append(closed, a.String())
				}
			}
			if _, excused := excuses.Wider[c.Listen]; excused && some && len(closed) > 0 {
				narrower[c.Listen] = true
				continue
			}
			if len(closed) > 0 {
				out = append(out, fmt.Sprintf("invented: %s %s: no socket takes %s %d of %s",
					c.Service, c.Describe(), c.Proto, p, strings.Join(closed, ", ")))
				break // one line for a range
			}
		}
	}
	for name := range excuses.Wider {
		if !narrower[name] {
			unneeded[name] = ""
		}
	}
	for name := range unneeded {
		out = append(out, fmt.Sprintf("the case excuses listener %q, and nothing needs it", name))
	}

	for _, s := range sockets {
		var unclaimed []string
		for _, a := range all {
			known := false
			for i, c := range claims {
				known = known || c.Proto == s.Proto && c.Ports.First <= s.Port && s.Port <= c.Ports.Last && taken(claimed[i], a)
			}
			if s.takes(a) && !known {
				unclaimed = append(unclaimed, a.String())
			}
		}
		if len(unclaimed) > 0 {
			out = append(out, fmt.Sprintf("missing: no claim says that %s takes %s", s, strings.Join(unclaimed, ", ")))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// String is a socket as people write it: "tcp [::]:5060 (v6only)".
func (s Socket) String() string {
	out := fmt.Sprintf("%s %s", s.Proto, netip.AddrPortFrom(s.Addr, s.Port))
	if s.V6Only && s.Addr.IsUnspecified() {
		out += " (v6only)"
	}
	return out
}

// on are the sockets on a port.
func on(sockets []Socket, proto port.Proto, number uint16) []Socket {
	return slices.DeleteFunc(slices.Clone(sockets), func(s Socket) bool { return s.Proto != proto || s.Port != number })
}

// taken reports whether one of the sockets takes what is sent to a.
func taken(sockets []Socket, a netip.Addr) bool {
	return slices.ContainsFunc(sockets, func(s Socket) bool { return s.takes(a) })
}

// named are the sockets, without ports, that an address of a claim stands for.
func named(host Names, bind string) ([]Socket, error) {
	switch {
	case bind == "*":
		return []Socket{{Addr: netip.IPv6Unspecified()}}, nil
	case bind == inventory.AnyV6:
		return []Socket{{Addr: netip.IPv6Unspecified(), V6Only: true}}, nil
	}
	if list, ok := host[bind]; ok {
		var out []Socket
		for _, a := range list {
			out = append(out, Socket{Addr: a})
		}
		return out, nil
	}
	a, err := netip.ParseAddr(bind)
	if err != nil {
		return nil, fmt.Errorf("%q is neither an address nor a name of this host", bind)
	}
	return []Socket{{Addr: a}}, nil
}
