package lint

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"portolan/internal/addr"
	"portolan/internal/inventory"
)

// prefixes is the set of prefixes of our own text.
func prefixes(list ...string) addr.Set {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return addr.Of(out...)
}

// nowhere are addresses from which no packet comes to a host over a network: those of
// loopback, of one link, of documentation and of groups, and what is reserved
// (https://www.iana.org/assignments/iana-ipv4-special-registry,
// https://www.iana.org/assignments/iana-ipv6-special-registry).
var nowhere = sync.OnceValue(func() addr.Set {
	return prefixes(
		"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"::/127", "fe80::/10", "ff00::/8", "2001:db8::/32", "3fff::/20",
	)
})

// laboratory are those of nowhere that a network of one link, or one that is made for tests,
// has all the same.
var laboratory = sync.OnceValue(func() addr.Set {
	return prefixes("169.254.0.0/16", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "fe80::/10", "2001:db8::/32", "3fff::/20")
})

// world are the addresses that are routed everywhere: what is not nowhere, not private
// (RFC 1918, RFC 4193), not shared (RFC 6598) and not for benchmarks (RFC 2544).
var world = sync.OnceValue(func() addr.Set {
	return addr.V4().Union(prefixes("2000::/3")).Minus(nowhere()).
		Minus(prefixes("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"))
})

// isPublic reports whether so many addresses of the world are in s that they cannot be the
// networks of one operator: more than a /8 of IPv4, the largest that anybody was given, or
// more than a /16 of IPv6.
func isPublic(s addr.Set) bool {
	var v4, v6 uint64 // addresses, and networks of 64 bits
	for _, r := range s.Intersect(world()).Ranges() {
		if r.First.Is4() {
			first, last := r.First.As4(), r.Last.As4()
			v4 += uint64(binary.BigEndian.Uint32(last[:])-binary.BigEndian.Uint32(first[:])) + 1
		} else {
			first, last := r.First.As16(), r.Last.As16()
			v6 += binary.BigEndian.Uint64(last[:8]) - binary.BigEndian.Uint64(first[:8]) + 1
		}
	}
	return v4 > 1<<24 || v6 > 1<<48
}

// letsIn reports whether the public comes through d to c.
func (f *firewall) letsIn(d *door, c *inventory.Claim) bool {
	public, ok := f.public[d.from]
	if !ok {
		if !f.spend(len(f.from[d.from].Ranges())) {
			return false
		}
		public = isPublic(f.from[d.from])
		f.public[d.from] = public
	}
	if !public {
		return false
	}
	from, ok := f.arrivals(d, c)
	return ok && isPublic(from)
}

// onPrivate reports whether c listens on private addresses and nowhere else.
func onPrivate(c *inventory.Claim) bool {
	for _, b := range c.Bind {
		if a, err := netip.ParseAddr(b); err != nil || !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			return false
		}
	}
	return len(c.Bind) > 0
}
