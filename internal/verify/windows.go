package verify

import (
	"net/netip"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// What all forms for Windows share: a host with allow rules in any order, and what
// Windows does by itself.

// winHost is a Windows host as far as it was read.
type winHost struct {
	file     *source.File
	rs       *ruleset.Ruleset
	outbound bool // what leaves and no rule allows is blocked
	count    int
	seen     map[string]bool
}

// newWinHost is a host without rules. By itself Windows drops inbound traffic that no rule
// allows, and outbound traffic where it was told to
// (https://learn.microsoft.com/en-us/windows/security/operating-system-security/network-security/windows-firewall/rules).
// It is stateful: replies and what belongs to a known connection pass, and what its
// connection tracking calls broken does not. Traffic of the host to itself passes. The
// last two are taken from general descriptions and were not tried on a real Windows.
func newWinHost(f *source.File) *winHost {
	return &winHost{file: f, rs: &ruleset.Ruleset{Input: byItself(f)}, seen: map[string]bool{}}
}

// blockOutbound says that nothing leaves that no rule allows.
func (h *winHost) blockOutbound() {
	h.outbound = true
	h.rs.Output = byItself(h.file)
}

func byItself(f *source.File) ruleset.Chain {
	c := ruleset.Chain{Default: ruleset.Drop}
	for _, implied := range []struct {
		name   string
		effect ruleset.Verdict
		narrow func(*ruleset.Match)
	}{
		{"replies", ruleset.Accept, func(m *ruleset.Match) { m.States = ruleset.Established | ruleset.Related }},
		{"loopback", ruleset.Accept, func(m *ruleset.Match) { m.Interfaces = ruleset.InterfacesOf(ruleset.Loopback) }},
		{"broken", ruleset.Drop, func(m *ruleset.Match) { m.States = ruleset.Broken }},
	} {
		m := ruleset.Any()
		implied.narrow(&m)
		c.Rules = append(c.Rules, ruleset.Rule{
			Match: m, Effect: ruleset.Effect{Verdict: implied.effect},
			Name: implied.name, Comment: "what Windows does by itself",
			Origins: []source.Span{f.Span(0, 0)},
		})
	}
	return c
}

// winRule is one allow rule in words; nil lists are any.
type winRule struct {
	name, display, description string
	direction                  string // "in" or "out"
	protocol                   string // "any", "tcp", "udp", "icmpv4", "icmpv6" or a number
	local, remote              []string
	types                      []string
	peers                      []addr.Range
	hasDisplay                 bool // the form has a name for people beside the rule's own
}

// Limits of a rule, [MS-FASP] 2.2.4 to 2.2.15.
const (
	winRanges = 1000
	winText   = 9999
)

// winName reports whether a rule's name is one that Portolan gives: "PL-", what it is for,
// and a hash.
func winName(name string) bool {
	rest, ok := strings.CutPrefix(name, "PL-")
	slug, hash, cut := strings.Cut(rest, "-")
	return ok && cut && slug != "" && len(slug) <= 40 && len(hash) == 12 &&
		strings.Trim(slug, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" && strings.Trim(hash, "0123456789abcdef") == ""
}

// add checks the rule that begins at first and ends at last, and adds its meaning.
func (h *winHost) add(first, last line, r *winRule) error {
	switch {
	case !winName(r.name):
		return first.errorf("a rule with the name %q", r.name)
	case h.seen[r.name]:
		return first.errorf("rule %s is there twice", r.name)
	case r.hasDisplay && (r.display == "" || r.display[0] == '@' || strings.EqualFold(r.display, "all") || strings.HasPrefix(r.description, "@") ||
		strings.Contains(r.display+r.description, "|") || len(r.display) > winText || len(r.description) > winText):
		return first.errorf("rule %s has a name or description that Windows does not take", r.name)
	case max(len(r.local), len(r.remote), len(r.types), len(r.peers)) > winRanges:
		return first.errorf("rule %s has more than %d ranges", r.name, winRanges)
	}
	h.seen[r.name] = true
	m := ruleset.Any()
	whole := addr.All()
	hasPorts, hasTypes := false, false
	switch r.protocol {
	case "any":
	case "tcp":
		m.Protos, hasPorts = only(uint8(port.TCP)), true
	case "udp":
		m.Protos, hasPorts = only(uint8(port.UDP)), true
	case "icmpv4":
		m.Protos, whole, hasTypes = only(ruleset.ICMP), addr.V4(), true
	case "icmpv6":
		m.Protos, whole, hasTypes = only(ruleset.ICMPv6), addr.V6(), true
	default:
		n, ok := parseNumber(r.protocol, 255)
		if !ok {
			return first.errorf("rule %s has the protocol %q", r.name, r.protocol)
		}
		m.Protos = only(uint8(n))
	}
	// Windows speaks of this host and the other one, a match of where a packet comes from
	// and goes to.
	local, remote, chain := &m.Ports, &m.SourcePorts, &h.rs.Input
	switch r.direction {
	case "in":
	case "out":
		if !h.outbound {
			return first.errorf("rule %s is about what leaves, and everything leaves", r.name)
		}
		local, remote, chain = remote, local, &h.rs.Output
	default:
		return first.errorf("rule %s has the direction %q", r.name, r.direction)
	}
	for _, side := range []struct {
		items []string
		set   *port.Set
	}{{r.local, local}, {r.remote, remote}} {
		if side.items == nil {
			continue
		}
		var ranges []port.Range
		for _, item := range side.items {
			one, ok := parsePorts(item, "-")
			if !ok || !hasPorts {
				return first.errorf("rule %s has the port %q", r.name, item)
			}
			ranges = append(ranges, one)
		}
		*side.set = port.Of(ranges...)
	}
	if r.types != nil {
		m.Types = ruleset.Bytes{}
		var types []uint8
		for _, item := range r.types {
			n, ok := parseNumber(item, 255)
			if !ok || !hasTypes {
				return first.errorf("rule %s has the ICMP type %q", r.name, item)
			}
			types = append(types, uint8(n))
		}
		m.Types = ruleset.BytesOf(types...)
	}
	m.Peers = whole
	if r.peers != nil {
		m.Peers = addr.OfRanges(r.peers...)
		if other := m.Peers.Minus(whole); !other.IsEmpty() {
			return first.errorf("rule %s names addresses of the other family", r.name)
		}
	}
	chain.Rules = append(chain.Rules, ruleset.Rule{
		Match: m, Effect: ruleset.Effect{Verdict: ruleset.Accept}, Name: r.name, Comment: r.description,
		Origins: []source.Span{h.file.Span(first.start, last.end)},
	})
	if h.count++; h.count > maxRules {
		return last.errorf("more than %d rules", maxRules)
	}
	return nil
}

// winPeer reads an address as Windows takes it: no length 0, no length of a single
// address, and nothing that names :: or ::1. Those two are never on a network (RFC 4291
// sections 2.5.2 and 2.5.3), so a range that starts right behind them is read as one that
// holds them.
func winPeer(s string) (addr.Range, bool) {
	r, ok := parseSource(s, 0)
	if !ok || strings.HasSuffix(s, "/0") || r.First == r.Last && strings.Contains(s, "/") {
		return r, false
	}
	lowest := netip.IPv6Unspecified()
	switch {
	case r.First == lowest, r.First == lowest.Next():
		return r, false
	case r.First == lowest.Next().Next():
		r.First = lowest
	}
	return r, true
}

// winPeers reads a list of addresses; a single "Any" in the given spelling is nil.
func (l line) winPeers(items []string, any string) ([]addr.Range, error) {
	if len(items) == 1 && items[0] == any {
		return nil, nil
	}
	out := []addr.Range{}
	for _, item := range items {
		one, ok := winPeer(item)
		if !ok {
			return nil, l.errorf("the address %q", item)
		}
		out = append(out, one)
	}
	if len(out) == 0 {
		return nil, l.errorf("no address")
	}
	return out, nil
}
