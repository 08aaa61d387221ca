package render

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"text/template"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// The shape of the Windows script: allow rules only. Windows Firewall has no order; a
// block rule beats every allow ([MS-FASP] 2.2.34), so what a ruleset drops before it
// accepts is cut out of the allow rules instead. What Windows does by itself is not
// written; a ruleset that wants it otherwise is refused.

var psTemplate = sync.OnceValue(func() *template.Template { return parsed("windows.tmpl", psQuoting) })

// Limits of [MS-FASP] 2.2.4 to 2.2.15, and one of ours.
const (
	anyProtocol = 256
	ruleRanges  = 1000 // ports, and addresses, of one rule
	maxPieces   = 1000 // that one rule of the ruleset may be cut into
)

// psFile is what the template prints.
type psFile struct {
	head
	Rules []psRule
}

// psRule is one allow rule. No sources means any, of the family that the protocol has.
type psRule struct {
	Name, DisplayName, Description string
	Protocol                       int
	Ports                          []port.Range
	Types                          []uint8
	Sources                        []addr.Range
}

// A piece is what one protocol of a rule lets in. Columns are ports for TCP and UDP, types
// for ICMP, and all or nothing for other protocols.
type piece struct {
	protocol int
	sources  addr.Set
	columns  port.Set
}

func writeWindows(j *job) ([]Output, error) {
	j.inputOnly()
	if j.rs.Input.Default != ruleset.Drop {
		j.refuse(nil, `set default { input = "drop" }`, "Windows drops what no rule allows, and this ruleset would let it pass on to others")
	}
	file := psFile{head: j.head}
	var denied []ruleset.Match
	var allowed []ruleset.Rule
	for i := range j.rs.Input.Rules {
		r := &j.rs.Input.Rules[i]
		if !j.concernsWindows(r) {
			continue
		}
		if r.Effect.Verdict == ruleset.Drop {
			denied = append(denied, r.Match)
			continue
		}
		for _, p := range j.pieces(r, denied) {
			if rules := j.psRules(r, p); rules != nil {
				file.Rules = append(file.Rules, rules...)
				allowed = append(allowed, ruleset.Rule{Match: p.match(), Effect: r.Effect})
			}
		}
	}
	if len(j.findings) > 0 {
		return nil, nil
	}
	j.checkImplied(allowed)
	seen := map[string]bool{}
	file.Rules = slices.DeleteFunc(file.Rules, func(r psRule) bool {
		again := seen[r.Name]
		seen[r.Name] = true
		return again
	})
	data, err := execute(psTemplate(), &file)
	return []Output{{Name: "portolan.ps1", Data: bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))}}, err
}

// concernsWindows reports whether r is about new connections from outside, which is all
// that Windows has rules for, and refuses what such a rule cannot say.
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
		j.refuse(r, "use source addresses instead", "interface %s, because Windows names interfaces otherwise", strings.Join(names, ", "))
	case r.Effect.Limit != ruleset.Limit{}:
		j.refuse(r, "leave the limit out of this policy", "Windows Firewall cannot count connections, and %s is a limit", r.Effect.Limit.Rate)
	case opening != ruleset.New|ruleset.Untracked:
		j.refuse(r, "leave the state out", "Windows cannot tell new from untracked packets")
	default:
		return true
	}
	return false
}

// pieces are what r accepts and no earlier rule has denied.
func (j *job) pieces(r *ruleset.Rule, denied []ruleset.Match) []piece {
	var out []piece
	for _, p := range protocols(r.Match) {
		switch {
		case p.ports != nil || p.types != nil:
			out = append(out, cut(int(p.proto), r.Match, denied)...)
		case p.protos != nil:
			for _, n := range p.protos {
				out = append(out, cut(int(n), r.Match, denied)...)
			}
		default:
			for _, d := range denied {
				if both := r.Match.Intersect(d); !both.Peers.IsEmpty() && len(protocols(both)) > 0 {
					j.refuse(r, "name the protocols it allows", "it allows every protocol, and an earlier rule denies part of that")
					return nil
				}
			}
			out = append(out, piece{anyProtocol, r.Match.Peers, port.All()})
		}
	}
	if len(out) > maxPieces {
		j.refuse(r, "deny less, or deny it with fewer rules", "earlier denies cut it into more than %d parts", maxPieces)
		return nil
	}
	return slices.DeleteFunc(out, func(p piece) bool { return p.sources.IsEmpty() })
}

// cut is one protocol of an allowed match without what is denied.
func cut(protocol int, allow ruleset.Match, denied []ruleset.Match) []piece {
	left := []piece{{protocol, allow.Peers, columns(protocol, allow)}}
	for _, d := range denied {
		gone := columns(protocol, d)
		if !d.Protos.Has(uint8(protocol)) || gone.IsEmpty() {
			continue
		}
		var next []piece
		for _, p := range left {
			if p.sources.Intersect(d.Peers).IsEmpty() || p.columns.Intersect(gone).IsEmpty() {
				next = append(next, p)
				continue
			}
			next = append(next,
				piece{protocol, p.sources.Minus(d.Peers), p.columns},
				piece{protocol, p.sources.Intersect(d.Peers), p.columns.Minus(gone)})
		}
		left = slices.DeleteFunc(next, func(p piece) bool { return p.sources.IsEmpty() || p.columns.IsEmpty() })
		if len(left) > maxPieces {
			return left
		}
	}
	return left
}

// columns are the ports, types, or the all or nothing of m in one protocol.
func columns(protocol int, m ruleset.Match) port.Set {
	switch protocol {
	case int(port.TCP), int(port.UDP):
		if m.Types.IsAll() {
			return m.Ports
		}
	case int(ruleset.ICMP), int(ruleset.ICMPv6):
		if m.Ports.IsAll() {
			if m.Types.IsAll() {
				return port.All()
			}
			var types []port.Range
			for _, n := range m.Types.Each() {
				types = append(types, port.Single(uint16(n)))
			}
			return port.Of(types...)
		}
	default:
		if m.Ports.IsAll() && m.Types.IsAll() {
			return port.All()
		}
	}
	return port.Set{}
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
	m.Peers = p.sources
	if p.protocol != anyProtocol {
		m.Protos = ruleset.BytesOf(uint8(p.protocol))
	}
	if types := p.types(); types != nil {
		m.Types = ruleset.BytesOf(types...)
	} else {
		m.Ports = p.columns
	}
	return m
}

// psRules are the allow rules for one piece of r, several when it has more ranges than
// one rule takes.
func (j *job) psRules(r *ruleset.Rule, p piece) []psRule {
	base := psRule{Protocol: p.protocol, Description: claim(r), Types: p.types()}
	whole := addr.All()
	word := "any protocol"
	switch p.protocol {
	case int(ruleset.ICMP):
		whole, word = addr.V4(), "ICMPv4"
	case int(ruleset.ICMPv6):
		whole, word = addr.V6(), "ICMPv6"
	case int(port.TCP), int(port.UDP):
		word = strings.ToUpper(port.Proto(p.protocol).String())
	case anyProtocol:
	default:
		word = fmt.Sprintf("protocol %d", p.protocol)
	}
	if other := p.sources.Minus(whole); !other.IsEmpty() {
		j.refuse(r, "use IPv4 sources for ICMP and IPv6 sources for ICMPv6", "%s from sources of the other family", word)
		return nil
	}
	base.DisplayName = "Portolan " + r.Name + " (" + word + ")"
	sources := [][]addr.Range{nil}
	if !p.sources.Equal(whole) {
		ranges, ok := j.psSources(r, p.sources)
		if !ok {
			return nil
		}
		sources = slices.Collect(slices.Chunk(ranges, ruleRanges))
	}
	ports := [][]port.Range{nil}
	if p.protocol == int(port.TCP) || p.protocol == int(port.UDP) {
		if ports = slices.Collect(slices.Chunk(p.columns.Ranges(), ruleRanges)); p.columns.IsAll() {
			ports = [][]port.Range{nil}
		}
	}
	var out []psRule
	for _, base.Sources = range sources {
		for _, base.Ports = range ports {
			sum := sha256.Sum256(fmt.Appendf(nil, "%q", []any{base.Protocol, base.Ports, base.Types, base.Sources, base.DisplayName, base.Description}))
			base.Name = "PL-" + slug(r.Name, 40) + "-" + hex.EncodeToString(sum[:6])
			out = append(out, base)
		}
	}
	return out
}

// The lowest IPv6 addresses: a rule can name the third but not :: and ::1, which never
// come from a network, so a range from ::2 stands for one from :: ([MS-FASP] 2.2.4 to 2.2.15, RFC
// 4291 sections 2.5.2 and 2.5.3).
var (
	lowest   = netip.IPv6Unspecified()
	nameable = lowest.Next().Next()
)

// psSources are sources as a rule can name them. A mask of 0 is not allowed, so all of
// IPv4 is two halves ([MS-FASP] 2.2.4 to 2.2.15).
func (j *job) psSources(r *ruleset.Rule, sources addr.Set) ([]addr.Range, bool) {
	var out []addr.Range
	for _, s := range sources.Ranges() {
		switch {
		case s == addr.V4().Ranges()[0]:
			out = append(out,
				addr.Range{First: s.First, Last: netip.AddrFrom4([4]byte{127, 255, 255, 255})},
				addr.Range{First: netip.AddrFrom4([4]byte{128, 0, 0, 0}), Last: s.Last})
			continue
		case s.First == lowest && !s.Last.Less(nameable):
			s.First = nameable
		case s.First.Is6() && !nameable.Less(s.First):
			j.refuse(r, "name a network that holds ::/126 or none of it", "the source %s, because Windows takes no rule for :: and ::1", s)
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

// checkImplied refuses a ruleset that differs from what Windows does by itself together
// with the allowed rules.
func (j *job) checkImplied(allowed []ruleset.Rule) {
	replies, broken, loop := ruleset.Any(), ruleset.Any(), ruleset.Any()
	replies.States = ruleset.Established | ruleset.Related
	broken.States = ruleset.Broken
	loop.Interfaces = ruleset.InterfacesOf(ruleset.Loopback)
	windows := &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop, Rules: append([]ruleset.Rule{
		{Match: replies, Effect: ruleset.Effect{Verdict: ruleset.Accept}},
		{Match: loop, Effect: ruleset.Effect{Verdict: ruleset.Accept}},
		{Match: broken, Effect: ruleset.Effect{Verdict: ruleset.Drop}},
	}, allowed...)}}
	if c := ruleset.Equivalent(j.rs, windows); c != nil {
		j.refuse(j.rs.Decider(c.Packet),
			"accept established and related packets, accept loopback and drop invalid packets before all other rules",
			"%s", c.Words("the ruleset", "Windows by itself"))
	}
}
