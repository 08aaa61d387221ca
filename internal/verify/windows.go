package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// windowsProgram is the SHA-256 of all lines of the script that are not data: the help,
// the parameters and the code. PowerShell cannot be read with a small grammar, so the
// program must be the one this version knows to the letter, and only the data is read.
const windowsProgram = "a4145866b0cdb8cd90ecd5da045fd812ac15aa1530aac99d0d188db94af23526"

// ParseWindows reads a script of ours into the ruleset that Windows Firewall is after
// running it, what Windows does by itself included. An error names the line that is not
// understood and shows it.
//
// By itself Windows drops inbound traffic that no rule allows
// (https://learn.microsoft.com/en-us/windows/security/operating-system-security/network-security/windows-firewall/rules).
// It is stateful: replies and what belongs to a known connection pass, and what its
// connection tracking calls broken does not. Traffic of the host to itself passes. The
// last two are taken from general descriptions and were not tried on a real Windows.
func ParseWindows(f *source.File) (*ruleset.Ruleset, error) {
	p := &psParser{rs: &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop}}}
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
		p.rs.Input.Rules = append(p.rs.Input.Rules, ruleset.Rule{
			Match: m, Effect: ruleset.Effect{Verdict: implied.effect},
			Name: implied.name, Comment: "what Windows does by itself",
			Origins: []source.Span{f.Span(0, 0)},
		})
	}
	program := sha256.New()
	var held []byte // comment lines: a part of the program only when code follows
	for l := range lines(f) {
		if err := l.plain(); err != nil {
			return nil, err
		}
		isData, err := p.line(l)
		if err != nil {
			return nil, err
		}
		if !isData {
			if p.state == psCode && strings.HasPrefix(l.text, "# ") {
				held = append(held, l.text...)
				held = append(held, '\n')
				continue
			}
			program.Write(held)
			held = held[:0]
			program.Write([]byte(l.text))
			program.Write([]byte{'\n'})
		}
	}
	if p.state != psCode {
		return nil, unfinished(f, "the data block is closed")
	}
	if sum := hex.EncodeToString(program.Sum(nil)); sum != windowsProgram {
		return nil, unfamiliar(f, sum)
	}
	return p.rs, nil
}

// What has been seen of a script.
const (
	psHelp   = iota // up to the end of the help
	psHeader        // comment lines that name program, policy and files
	psParam         // up to the data block
	psData          // between rules
	psRule          // in a rule
	psCode          // behind the data block
)

type psParser struct {
	rs    *ruleset.Ruleset
	state int
	rule  psFields
	first line // of the rule
}

// psFields is one rule so far.
type psFields struct {
	name, display, description, protocol string
	ports, types, sources                []string
	seen                                 map[string]bool
}

// line takes one line and reports whether it is data and not program.
func (p *psParser) line(l line) (bool, error) {
	switch p.state {
	case psHelp:
		if l.text == "#>" {
			p.state = psHeader
		}
	case psHeader:
		// PowerShell gives meaning to "#Requires" and to nothing else in a comment line.
		if strings.HasPrefix(l.text, "# ") {
			return true, nil
		}
		p.state = psParam
	case psParam:
		if l.text == "$Rules = @(" {
			p.state = psData
		}
	case psData:
		switch l.text {
		case "@{":
			p.state, p.rule, p.first = psRule, psFields{seen: map[string]bool{}}, l
			return true, nil
		case ")":
			p.state = psCode
		default:
			return true, l.errorf("not a rule")
		}
	case psRule:
		if l.text != "}" {
			return true, p.field(l)
		}
		p.state = psData
		return true, p.add(l)
	}
	return false, nil
}

// field reads "Protocol      = 'UDP'" or "LocalPort     = @('1', '2-3')".
func (p *psParser) field(l line) error {
	key, value, ok := strings.Cut(l.text, "=")
	key, value = strings.TrimRight(key, " "), strings.TrimPrefix(value, " ")
	if !ok || p.rule.seen[key] {
		return l.errorf("not a field of a rule, or there twice")
	}
	p.rule.seen[key] = true
	list, isList := strings.CutPrefix(value, "@(")
	if isList {
		list, ok = strings.CutSuffix(list, ")")
	} else {
		list = value
	}
	items, good := psStrings(list)
	if !ok || !good || !isList && len(items) != 1 {
		return l.errorf("not a list of plain strings")
	}
	single := map[string]*string{
		"Name": &p.rule.name, "DisplayName": &p.rule.display, "Description": &p.rule.description, "Protocol": &p.rule.protocol,
	}
	several := map[string]*[]string{"LocalPort": &p.rule.ports, "IcmpType": &p.rule.types, "RemoteAddress": &p.rule.sources}
	switch {
	case single[key] != nil && !isList:
		*single[key] = items[0]
	case several[key] != nil && isList:
		*several[key] = items
	default:
		return l.errorf("a field that is not known")
	}
	return nil
}

// psStrings reads 'a', 'b”c'. Only printable ASCII is taken: PowerShell has more
// characters that end a string.
func psStrings(s string) ([]string, bool) {
	var out []string
	for {
		if s == "" || s[0] != '\'' {
			return nil, false
		}
		end := 1
		for ; ; end++ {
			i := strings.IndexByte(s[end:], '\'')
			if i < 0 {
				return nil, false
			}
			if end += i; end+1 == len(s) || s[end+1] != '\'' {
				break
			}
			end++
		}
		item := s[1:end]
		if strings.ContainsFunc(item, func(c rune) bool { return c < ' ' || c > '~' }) {
			return nil, false
		}
		out = append(out, strings.ReplaceAll(item, "''", "'"))
		if s = s[end+1:]; s == "" {
			return out, true
		}
		var ok bool
		if s, ok = strings.CutPrefix(s, ", "); !ok {
			return nil, false
		}
	}
}

// Limits of a rule, [MS-FASP] 2.2.4 to 2.2.15.
const psRanges = 1000

// add checks the rule that ends at l and adds its meaning.
func (p *psParser) add(l line) error {
	r := &p.rule
	slug, ok := strings.CutPrefix(r.name, "PL-")
	switch {
	case !ok || strings.Trim(slug, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "":
		return p.first.errorf("a rule with the name %q", r.name)
	case r.display == "" || r.display[0] == '@' || strings.EqualFold(r.display, "all") || strings.Contains(r.display+r.description, "|"):
		return p.first.errorf("rule %s has a name or description that Windows does not take", r.name)
	case len(r.ports) > psRanges || len(r.types) > psRanges || len(r.sources) > psRanges:
		return p.first.errorf("rule %s has more than %d ranges", r.name, psRanges)
	}
	m := ruleset.Any()
	whole := addr.All()
	hasPorts, hasTypes := false, false
	switch r.protocol {
	case "Any":
	case "TCP":
		m.Protos, hasPorts = only(uint8(port.TCP)), true
	case "UDP":
		m.Protos, hasPorts = only(uint8(port.UDP)), true
	case "ICMPv4":
		m.Protos, whole, hasTypes = only(ruleset.ICMP), addr.V4(), true
	case "ICMPv6":
		m.Protos, whole, hasTypes = only(ruleset.ICMPv6), addr.V6(), true
	default:
		n, ok := parseNumber(r.protocol, 255)
		if !ok {
			return p.first.errorf("rule %s has the protocol %q", r.name, r.protocol)
		}
		m.Protos = only(uint8(n))
	}
	if r.ports != nil {
		var ranges []port.Range
		for _, item := range r.ports {
			one, ok := parsePorts(item, "-")
			if !ok || !hasPorts {
				return p.first.errorf("rule %s has the port %q", r.name, item)
			}
			ranges = append(ranges, one)
		}
		m.Ports = port.Of(ranges...)
	}
	if r.types != nil {
		m.Types = ruleset.Bytes{}
		var types []uint8
		for _, item := range r.types {
			n, ok := parseNumber(item, 255)
			if !ok || !hasTypes {
				return p.first.errorf("rule %s has the ICMP type %q", r.name, item)
			}
			types = append(types, uint8(n))
		}
		m.Types = ruleset.BytesOf(types...)
	}
	switch {
	case len(r.sources) == 0:
		return p.first.errorf("rule %s has no RemoteAddress", r.name)
	case len(r.sources) == 1 && r.sources[0] == "Any":
		m.Peers = whole
	default:
		var ranges []addr.Range
		for _, item := range r.sources {
			one, ok := psSource(item)
			if !ok {
				return p.first.errorf("rule %s has the address %q", r.name, item)
			}
			ranges = append(ranges, one)
		}
		m.Peers = addr.OfRanges(ranges...).Intersect(whole)
	}
	p.rs.Input.Rules = append(p.rs.Input.Rules, ruleset.Rule{
		Match: m, Effect: ruleset.Effect{Verdict: ruleset.Accept}, Name: r.name, Comment: r.description,
		Origins: []source.Span{l.file.Span(p.first.start, l.end)},
	})
	if len(p.rs.Input.Rules) > maxRules {
		return l.errorf("more than %d rules", maxRules)
	}
	return nil
}

// psSource reads an address as Windows takes it: no length 0, no length of a single
// address, and nothing that names :: or ::1. Those two never come from a network (RFC
// 4291 sections 2.5.2 and 2.5.3), so a range that starts right behind them is read as
// one that holds them.
func psSource(s string) (addr.Range, bool) {
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
