package compile

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/source"
)

// picker says which of the claims an allow means. See policy.Allow for the words.
//
// Only a listener that is named by itself is opened when it is bound to the loopback
// addresses: no packet from outside can reach it, so a rule would be a hole for whatever
// takes the port next.
func picker(a *policy.Allow, claims []*inventory.Claim) func(*inventory.Claim) bool {
	if len(a.Listen) > 0 {
		return func(c *inventory.Claim) bool { return contains(a.Listen, c.Listen) }
	}
	fits := func(e inventory.Exposure) bool { return contains(a.Exposure, string(e)) }
	if len(a.Exposure) == 0 {
		meant := inventory.Public
		if a.Service.Text != "" {
			meant = widest(claims)
		}
		fits = func(e inventory.Exposure) bool { return e == meant && e != inventory.Loopback }
	}
	return func(c *inventory.Claim) bool { return fits(c.Exposure) && !c.OnLoopback() }
}

func contains(words []policy.Word, text string) bool {
	return slices.ContainsFunc(words, func(w policy.Word) bool { return w.Text == text })
}

// widest is the widest exposure among the claims; Public when there are none. Where a
// listener is bound plays no part: a public listener that was moved to loopback must not
// open the administrators' one instead.
func widest(claims []*inventory.Claim) inventory.Exposure {
	for _, e := range inventory.Exposures { // from the widest to the narrowest
		if slices.ContainsFunc(claims, func(c *inventory.Claim) bool { return c.Exposure == e }) {
			return e
		}
	}
	return inventory.Public
}

// sources are the sources of one allow, cut to a family only once.
type sources struct{ all, v4, v6 addr.Set }

// of are the sources from which a packet can reach the sockets of c at all.
//
// A socket on an IPv4 address, 0.0.0.0 included, never receives IPv6, and one on an
// IPv6 address other than :: never receives IPv4 (ipv6(7)), so leaving the other family
// out closes nothing that works and opens nothing that does not. "::" takes both unless
// IPV6_V6ONLY is set, which no file tells; a name can stand for either.
func (s *sources) of(c *inventory.Claim) addr.Set {
	v4, v6 := families(c.Bind)
	switch {
	case v4 && v6:
		return s.all
	case v4:
		if s.v4.IsEmpty() {
			s.v4 = s.all.Intersect(addr.V4())
		}
		return s.v4
	}
	if s.v6.IsEmpty() {
		s.v6 = s.all.Intersect(addr.V6())
	}
	return s.v6
}

// families reports which families can reach a socket on one of the addresses. Loopback
// addresses beside others play no part.
func families(bind []string) (v4, v6 bool) {
	for _, b := range bind {
		a, err := netip.ParseAddr(b)
		switch a = a.Unmap().WithZone(""); {
		case strings.EqualFold(b, "localhost") || a.IsLoopback():
		case err != nil || a == netip.IPv6Unspecified(): // "*", a name, or every address
			return true, true
		case a.Is4():
			v4 = true
		default:
			v6 = true
		}
	}
	if !v4 && !v6 {
		return true, true // nothing is said, or loopback alone
	}
	return v4, v6
}

// claimComment is "service listener file:line"; an instance stands behind its service.
func claimComment(c *inventory.Claim) string {
	service := c.Service
	if c.Instance != "" {
		service += "/" + c.Instance
	}
	return service + " " + c.Listen + at(c.Span)
}

// at is " file:line", " file" for a file as a whole, "" for no place.
func at(s source.Span) string {
	switch {
	case s.IsZero():
		return ""
	case !s.HasLine():
		return " " + s.Name()
	}
	return " " + s.Name() + ":" + strconv.Itoa(s.Position().Line)
}

// origins are the places without repetition and without those that are none.
func origins(places ...source.Span) []source.Span {
	out := make([]source.Span, 0, len(places))
	for _, s := range places {
		if !s.IsZero() && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// countName is a name for the limit or the connections of an allow that no other allow has:
// the name of the allow in the letters, digits and underscores of ruleset.Limit, cut to its
// 15 bytes, with a number where two would be the same.
func countName(taken map[string]bool, allow string) string {
	const most = 15
	base := strings.ReplaceAll(strings.ToLower(allow), "-", "_")
	name := base[:min(len(base), most)]
	for n := 2; taken[name]; n++ {
		number := strconv.Itoa(n)
		name = base[:min(len(base), most-len(number))] + number
	}
	taken[name] = true
	return name
}
