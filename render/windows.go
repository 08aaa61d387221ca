package render

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// What all forms for Windows share: allow rules only. Windows Firewall has no order; a
// block rule beats every allow ([MS-FASP] 2.2.34), so what a ruleset drops before it
// accepts is cut out of the allow rules instead. What Windows does by itself is not
// written; a ruleset that wants it otherwise is refused.

// Limits of [MS-FASP] 2.2.4 to 2.2.15, and one of ours.
const (
	anyProtocol = 256
	ruleRanges  = 1000 // ports, and addresses, of one rule
	maxPieces   = 1000 // that one rule of the ruleset may be cut into
)

// winFile is what the templates print.
type winFile struct {
	head
	// Outbound says that what leaves is filtered. The default action for outbound traffic
	// is for all rules of a host, ours or not, so no file changes it without being told to.
	Outbound bool
	Rules    []winRule
	// Reserve are the ranges that local ports of services lie in, for those who reserve them.
	Reserve []reserved
}

// winRule is one allow rule. No ports means any; no peers means any, of the family that
// the protocol has.
type winRule struct {
	Name, DisplayName, Description string
	Direction                      ruleset.Direction
	Protocol                       int
	LocalPorts, RemotePorts        []port.Range
	Types                          []uint8
	Peers                          []addr.Range
}

// reserved is a range of local ports of one protocol.
type reserved struct {
	Protocol port.Proto
	Range    port.Range
}

// windowsFile is the ruleset as allow rules, nil when it was refused.
func windowsFile(j *job) *winFile {
	j.checkWindows()
	file := &winFile{head: j.head, Outbound: j.rs.Output.Default == ruleset.Drop}
	var allowed [2][]ruleset.Rule
	for _, d := range []ruleset.Direction{ruleset.In, ruleset.Out} {
		if d == ruleset.Out && !file.Outbound {
			continue // all may leave, or checkImplied refuses it
		}
		var denied []ruleset.Match
		rules := j.rs.Chain(d).Rules
		for i := range rules {
			r := &rules[i]
			if !j.concernsWindows(r) {
				continue
			}
			if r.Effect.Verdict == ruleset.Drop {
				denied = append(denied, r.Match)
				continue
			}
			for _, p := range j.pieces(r, denied) {
				if made := j.winRules(d, r, p); made != nil {
					file.Rules = append(file.Rules, made...)
					allowed[d] = append(allowed[d], ruleset.Rule{Match: p.match(), Effect: r.Effect})
				}
			}
		}
	}
	if len(j.findings) > 0 {
		return nil
	}
	if j.checkImplied(allowed); len(j.findings) > 0 {
		return nil
	}
	file.Rules = once(file.Rules)
	file.Reserve = reserve(file.Rules)
	return file
}

// checkWindows refuses what no rule of Windows can say.
func (j *job) checkWindows() {
	if j.rs.Input.Default != ruleset.Drop {
		j.refuse(nil, `set default { input = "drop" }`, "Windows drops what no rule allows, and this ruleset would let it pass on to others")
	}
	if !j.rs.Untracked.IsEmpty() {
		var first *ruleset.Rule // about such ports alone: its allow says notrack
		for i := range j.rs.Input.Rules {
			r := &j.rs.Input.Rules[i]
			if first == nil && r.Effect.Verdict == ruleset.Accept && r.Match.States&ruleset.Untracked != 0 && r.Match.Ports.Minus(j.rs.Untracked).IsEmpty() {
				first = r
			}
		}
		j.refuse(first, "leave notrack out of this policy", "Windows cannot keep connection tracking from ports, and %s are to be untracked", shortly(j.rs.Untracked.String()))
	}
}

// shortly is s, or the beginning of it.
func shortly(s string) string {
	if len(s) > 100 {
		return s[:100] + "..."
	}
	return s
}

// once leaves the first rule of each name. Names hold a hash of the content.
func once(rules []winRule) []winRule {
	seen := map[string]bool{}
	return slices.DeleteFunc(rules, func(r winRule) bool {
		again := seen[r.Name]
		seen[r.Name] = true
		return again
	})
}

// reserve are the ranges of more than one local port that the rules let in. A rule for
// every port is for a host and not for a service, and one port is found again after a
// restart by waiting, so neither is worth taking ports away from everybody else.
func reserve(rules []winRule) []reserved {
	var out []reserved
	for _, proto := range port.Protos {
		var all []port.Range
		for _, r := range rules {
			if r.Direction == ruleset.In && r.Protocol == int(proto) {
				all = append(all, r.LocalPorts...)
			}
		}
		for _, one := range port.Of(all...).Ranges() {
			if one.Len() > 1 {
				out = append(out, reserved{proto, one})
			}
		}
	}
	return out
}

// crlf ends lines as Windows does.
func crlf(data []byte) []byte { return bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")) }

// concernsWindows reports whether r is about new connections with other hosts, which is
// all that Windows has rules for, and refuses what such a rule cannot say.
func (j *job) concernsWindows(r *ruleset.Rule) bool {
	names := r.Match.Interfaces.Names()
	switch opening := r.Match.States & (ruleset.New | ruleset.Untracked); {
	case impossible(r.Match), !r.Match.Interfaces.IsAll() && slices.Equal(names, []string{ruleset.Loopback}):
		return false
	case r.Effect.Verdict == ruleset.Continue:
		j.refuse(r, "leave the log out of this policy, and switch on the log of the firewall's profiles", "Windows has no log for a rule")
	case opening == 0:
		return false
	case !r.Match.Interfaces.IsAll():
		j.refuse(r, "use addresses instead", "interface %s, because Windows names interfaces otherwise", strings.Join(names, ", "))
	case r.Effect.Limit != ruleset.Limit{}:
		j.refuse(r, "leave the limit out of this policy", "Windows Firewall cannot count connections, and %s is a limit", r.Effect.Limit.Rate)
	case r.Effect.Connections != ruleset.Connections{}:
		j.refuse(r, "leave the number of connections out of this policy", "Windows Firewall cannot count connections, and at most %d are to be open", r.Effect.Connections.Count)
	case opening != ruleset.New|ruleset.Untracked:
		j.refuse(r, "leave the state out", "Windows cannot tell new from untracked packets")
	default:
		return true
	}
	return false
}

// A piece is what one protocol of a rule lets through. Columns are destination ports for
// TCP and UDP, types for ICMP, and all or nothing for other protocols.
type piece struct {
	protocol int
	peers    addr.Set
	columns  port.Set
	from     port.Set // source ports
}

func (p piece) isEmpty() bool { return p.peers.IsEmpty() || p.columns.IsEmpty() || p.from.IsEmpty() }

// windowsProtocols are the protocols in which m matches something, anyProtocol alone when
// it matches each of them as a whole.
func windowsProtocols(m ruleset.Match) []int {
	var out []int
	if m.Ports.IsAll() && m.SourcePorts.IsAll() && m.Types.IsAll() {
		if m.Protos.IsAll() {
			return []int{anyProtocol}
		}
		for _, n := range m.Protos.Each() {
			out = append(out, int(n))
		}
		return out
	}
	for _, n := range []uint8{uint8(port.TCP), uint8(port.UDP), ruleset.ICMP, ruleset.ICMPv6} {
		if m.Protos.Has(n) && !whole(int(n), m).isEmpty() {
			out = append(out, int(n))
		}
	}
	return out
}

// pieces are what r accepts and no earlier rule has denied.
func (j *job) pieces(r *ruleset.Rule, denied []ruleset.Match) []piece {
	var out []piece
	for _, n := range windowsProtocols(r.Match) {
		if n != anyProtocol {
			if out = append(out, cut(n, r.Match, denied)...); len(out) > maxPieces {
				j.refuse(r, "deny less, or deny it with fewer rules", "earlier denies cut it into more than %d parts", maxPieces)
				return nil
			}
			continue
		}
		for _, d := range denied {
			if both := r.Match.Intersect(d); !both.Peers.IsEmpty() && len(windowsProtocols(both)) > 0 {
				j.refuse(r, "name the protocols it allows", "it allows every protocol, and an earlier rule denies part of that")
				return nil
			}
		}
		out = append(out, piece{anyProtocol, r.Match.Peers, port.All(), port.All()})
	}
	return slices.DeleteFunc(out, piece.isEmpty)
}

// whole is all of m in one protocol.
func whole(protocol int, m ruleset.Match) piece {
	p := piece{protocol: protocol, peers: m.Peers}
	anyPort := m.Ports.IsAll() && m.SourcePorts.IsAll()
	switch protocol {
	case int(port.TCP), int(port.UDP):
		if m.Types.IsAll() {
			p.columns, p.from = m.Ports, m.SourcePorts
		}
	case int(ruleset.ICMP), int(ruleset.ICMPv6):
		switch {
		case !anyPort:
		case m.Types.IsAll():
			p.columns, p.from = port.All(), port.All()
		default:
			var types []port.Range
			for _, n := range m.Types.Each() {
				types = append(types, port.Single(uint16(n)))
			}
			p.columns, p.from = port.Of(types...), port.All()
		}
	default:
		if anyPort && m.Types.IsAll() {
			p.columns, p.from = port.All(), port.All()
		}
	}
	return p
}

// cut is one protocol of an allowed match without what is denied.
func cut(protocol int, allow ruleset.Match, denied []ruleset.Match) []piece {
	left := []piece{whole(protocol, allow)}
	for _, match := range denied {
		d := whole(protocol, match)
		if !match.Protos.Has(uint8(protocol)) || d.isEmpty() {
			continue
		}
		var next []piece
		for _, p := range left {
			peers, columns, from := p.peers.Intersect(d.peers), p.columns.Intersect(d.columns), p.from.Intersect(d.from)
			if peers.IsEmpty() || columns.IsEmpty() || from.IsEmpty() {
				next = append(next, p)
				continue
			}
			next = append(next,
				piece{protocol, p.peers.Minus(d.peers), p.columns, p.from},
				piece{protocol, peers, p.columns.Minus(d.columns), p.from},
				piece{protocol, peers, columns, p.from.Minus(d.from)})
		}
		left = slices.DeleteFunc(next, piece.isEmpty)
		if len(left) > maxPieces {
			return left
		}
	}
	return left
}

// types are the ICMP types in a set of columns, nil for all of them.
func (p piece) types() []uint8 {
	if p.protocol != int(ruleset.ICMP) && p.protocol != int(ruleset.ICMPv6) || p.columns.IsAll() {
		return nil
	}
	var out []uint8
	for n := range 256 {
		if p.columns.Contains(uint16(n)) {
			out = append(out, uint8(n))
		}
	}
	return out
}

// match is the piece as a match, for any state and interface.
func (p piece) match() ruleset.Match {
	m := ruleset.Any()
	m.Peers = p.peers
	if p.protocol != anyProtocol {
		m.Protos = ruleset.BytesOf(uint8(p.protocol))
	}
	if types := p.types(); types != nil {
		m.Types = ruleset.BytesOf(types...)
	} else {
		m.Ports, m.SourcePorts = p.columns, p.from
	}
	return m
}

// winRules are the allow rules for one piece of r, several when it has more ranges than
// one rule takes.
func (j *job) winRules(d ruleset.Direction, r *ruleset.Rule, p piece) []winRule {
	base := winRule{Direction: d, Protocol: p.protocol, Description: "Portolan: " + claim(r), Types: p.types()}
	family := addr.All()
	word := "any protocol"
	switch p.protocol {
	case int(ruleset.ICMP):
		family, word = addr.V4(), "ICMPv4"
	case int(ruleset.ICMPv6):
		family, word = addr.V6(), "ICMPv6"
	case int(port.TCP), int(port.UDP):
		word = strings.ToUpper(port.Proto(p.protocol).String())
	case anyProtocol:
	default:
		word = fmt.Sprintf("protocol %d", p.protocol)
	}
	if other := p.peers.Minus(family); !other.IsEmpty() {
		j.refuse(r, "use IPv4 addresses for ICMP and IPv6 addresses for ICMPv6", "%s with addresses of the other family", word)
		return nil
	}
	base.DisplayName = "Portolan " + r.Name + " (" + word + [...]string{"", ", outbound"}[d] + ")"
	peers := [][]addr.Range{nil}
	if !p.peers.Equal(family) {
		ranges, ok := j.winPeers(r, p.peers)
		if !ok {
			return nil
		}
		peers = slices.Collect(slices.Chunk(ranges, ruleRanges))
	}
	to, from := [][]port.Range{nil}, [][]port.Range{nil}
	if p.protocol == int(port.TCP) || p.protocol == int(port.UDP) {
		to, from = portChunks(p.columns), portChunks(p.from)
	}
	if len(peers)*len(to)*len(from) > maxPieces {
		j.refuse(r, "name fewer ports and addresses", "it needs more than %d rules", maxPieces)
		return nil
	}
	var out []winRule
	for _, base.Peers = range peers {
		for _, to := range to {
			for _, from := range from {
				if base.LocalPorts, base.RemotePorts = to, from; d == ruleset.Out {
					base.LocalPorts, base.RemotePorts = from, to
				}
				base.Name = winName(r.Name, &base)
				out = append(out, base)
			}
		}
	}
	return out
}

// portChunks are ports in lists that one rule takes; nil for any port.
func portChunks(ports port.Set) [][]port.Range {
	if ports.IsAll() {
		return [][]port.Range{nil}
	}
	return slices.Collect(slices.Chunk(ports.Ranges(), ruleRanges))
}

// winName is the name of a rule. It holds a hash of all the rule says, so a rule that
// changes is another rule, and which rules to create and to remove is a matter of names.
func winName(name string, r *winRule) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []any{
		int(r.Direction), r.Protocol, r.LocalPorts, r.RemotePorts, r.Types, r.Peers, r.DisplayName, r.Description,
	}))
	return "PL-" + slug(name, 40) + "-" + hex.EncodeToString(sum[:6])
}

// The lowest IPv6 addresses: a rule can name the third but not :: and ::1, which are
// never on a network, so a range from ::2 stands for one from :: ([MS-FASP] 2.2.4 to 2.2.15, RFC
// 4291 sections 2.5.2 and 2.5.3).
var (
	lowest   = netip.IPv6Unspecified()
	nameable = lowest.Next().Next()
)

// winPeers are addresses as a rule can name them. A mask of 0 is not allowed, so all of
// IPv4 is two halves ([MS-FASP] 2.2.4 to 2.2.15).
func (j *job) winPeers(r *ruleset.Rule, peers addr.Set) ([]addr.Range, bool) {
	var out []addr.Range
	for _, s := range peers.Ranges() {
		switch {
		case s == addr.V4().Ranges()[0]:
			out = append(out,
				addr.Range{First: s.First, Last: netip.AddrFrom4([4]byte{127, 255, 255, 255})},
				addr.Range{First: netip.AddrFrom4([4]byte{128, 0, 0, 0}), Last: s.Last})
			continue
		case s.First == lowest && !s.Last.Less(nameable):
			s.First = nameable
		case s.First.Is6() && !nameable.Less(s.First):
			j.refuse(r, "name a network that holds ::/126 or none of it", "the address %s, because Windows takes no rule for :: and ::1", s)
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

// checkImplied refuses a ruleset that differs from what Windows does by itself together
// with the allowed rules.
func (j *job) checkImplied(allowed [2][]ruleset.Rule) {
	replies, broken, loop := ruleset.Any(), ruleset.Any(), ruleset.Any()
	replies.States = ruleset.Established | ruleset.Related
	broken.States = ruleset.Broken
	loop.Interfaces = ruleset.InterfacesOf(ruleset.Loopback)
	by := func(rules []ruleset.Rule) ruleset.Chain {
		return ruleset.Chain{Default: ruleset.Drop, Rules: append([]ruleset.Rule{
			{Match: replies, Effect: ruleset.Effect{Verdict: ruleset.Accept}},
			{Match: loop, Effect: ruleset.Effect{Verdict: ruleset.Accept}},
			{Match: broken, Effect: ruleset.Effect{Verdict: ruleset.Drop}},
		}, rules...)}
	}
	windows := &ruleset.Ruleset{Input: by(allowed[ruleset.In])}
	help := "accept established and related packets, accept loopback and drop invalid packets before all other rules"
	if j.rs.Output.Default == ruleset.Drop {
		windows.Output = by(allowed[ruleset.Out])
	}
	c := ruleset.Equivalent(j.rs, windows)
	if c == nil {
		return
	}
	if c.Packet.Direction == ruleset.Out && j.rs.Output.Default != ruleset.Drop {
		help = "write output = \"drop\" too, or leave it out: here Windows has allow rules only, and cannot drop a part of what leaves"
	}
	j.refuse(j.rs.Decider(c.Packet), help, "%s", c.Words("the ruleset", "Windows by itself"))
}
