package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// windowsProgram is the SHA-256 of all lines of the script that are not data: the help,
// the parameters and the code. PowerShell cannot be read with a small grammar, so the
// program must be the one this version knows to the letter, and only the data is read.
const windowsProgram = "9f9bb1015a1ae45db18120a3c75ae105c43a60c722c70eefd26e00c03505aa41"

// ParseWindows reads a script of ours into the ruleset that Windows Firewall is after
// running it, what Windows does by itself included; where the script speaks of what
// leaves, after running it with -BlockOutbound. An error names the line that is not
// understood and shows it.
func ParseWindows(f *source.File) (*ruleset.Ruleset, error) {
	p := &psParser{winHost: newWinHost(f)}
	program := programOf{comment: "# "}
	for l := range lines(f) {
		if err := l.plain(); err != nil {
			return nil, err
		}
		isData, err := p.line(l)
		if err != nil {
			return nil, err
		}
		if !isData {
			program.line(l)
		}
	}
	if p.state != psCode || !p.said {
		return nil, unfinished(f, "the data block is closed")
	}
	if sum := program.sum(); sum != windowsProgram {
		return nil, unfamiliar(f, sum)
	}
	if err := p.reserved(); err != nil {
		return nil, err
	}
	return p.rs, nil
}

// programOf is the lines of a script that are not data. Comment lines behind the last
// line of code are not part of it: a signature stands there, and a certificate of ours.
type programOf struct {
	comment string
	text    []byte
	code    int // bytes of text up to the last line of code
}

func (p *programOf) line(l line) {
	p.text = append(append(p.text, l.text...), '\n')
	if l.text != "" && !strings.HasPrefix(l.text, p.comment) {
		p.code = len(p.text)
	}
}

func (p *programOf) sum() string {
	sum := sha256.Sum256(p.text[:p.code])
	return hex.EncodeToString(sum[:])
}

// What has been seen of a script.
const (
	psHelp   = iota // up to the end of the help
	psHeader        // comment lines that name program, policy and files
	psParam         // up to the data
	psRanges        // in the ranges that can be reserved
	psData          // between rules
	psRule          // in a rule
	psCode          // behind the data block
)

type psParser struct {
	*winHost
	state  int
	rule   winRule
	fields map[string]bool // of the rule, and the values before the rules
	first  line            // of the rule
	ranges []psReserved
	said   bool // what happens to what leaves
}

// psReserved is a range that the script can take out of the dynamic ports.
type psReserved struct {
	at    line
	proto port.Proto
	ports port.Range
}

// line takes one line and reports whether it is data and not program.
func (p *psParser) line(l line) (bool, error) {
	switch p.state {
	case psHelp:
		if l.text == "#>" {
			p.state, p.fields = psHeader, map[string]bool{}
		}
	case psHeader:
		// PowerShell gives meaning to "#Requires" and to nothing else in a comment line.
		if strings.HasPrefix(l.text, "# ") {
			return true, nil
		}
		p.state = psParam
	case psParam:
		value, ok := strings.CutPrefix(l.text, "$Outbound = ")
		switch {
		case ok && p.said:
			return true, l.errorf("what happens to what leaves is there twice")
		case ok && value == "'Block'":
			p.blockOutbound()
			p.said = true
			return true, nil
		case ok && value == "'Allow'":
			p.said = true
			return true, nil
		case ok:
			return true, l.errorf("not what happens to what leaves")
		case l.text == "$Ranges = @(":
			p.state = psRanges
		case l.text == "$Rules = @(":
			p.state = psData
		}
	case psRanges:
		if l.text == ")" {
			p.state = psParam
			return false, nil
		}
		return true, p.reserve(l)
	case psData:
		switch l.text {
		case "@{":
			p.state, p.rule, p.fields, p.first = psRule, winRule{hasDisplay: true}, map[string]bool{}, l
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
		for _, key := range []string{"Name", "DisplayName", "Description", "Direction", "Protocol", "RemoteAddress"} {
			if !p.fields[key] {
				return true, p.first.errorf("rule %s has no %s", p.rule.name, key)
			}
		}
		return true, p.add(p.first, l, &p.rule)
	}
	return false, nil
}

// reserve reads "'UDP 25000-25399'".
func (p *psParser) reserve(l line) error {
	items, ok := psStrings(l.text)
	if !ok || len(items) != 1 {
		return l.errorf("not a range of ports")
	}
	proto, text, _ := strings.Cut(items[0], " ")
	ports, ok := parsePorts(text, "-")
	if !ok || ports.Len() < 2 || proto != "TCP" && proto != "UDP" {
		return l.errorf("not a range of ports")
	}
	p.ranges = append(p.ranges, psReserved{l, map[string]port.Proto{"TCP": port.TCP, "UDP": port.UDP}[proto], ports})
	return nil
}

// reserved is an error for a range that no rule lets in: what a script takes from other
// programs must be for the services it speaks of.
func (p *psParser) reserved() error {
	open := map[port.Proto][]port.Range{}
	for i := range p.rs.Input.Rules {
		m := &p.rs.Input.Rules[i].Match
		for _, proto := range port.Protos {
			if m.Protos == only(uint8(proto)) && !m.Ports.IsAll() {
				open[proto] = append(open[proto], m.Ports.Ranges()...)
			}
		}
	}
	asked := map[port.Proto][]port.Range{}
	for _, r := range p.ranges {
		asked[r.proto] = append(asked[r.proto], r.ports)
	}
	for _, proto := range port.Protos {
		closed := port.Of(asked[proto]...).Minus(port.Of(open[proto]...))
		for _, r := range p.ranges {
			if r.proto == proto && !closed.IsEmpty() && !closed.Intersect(port.Of(r.ports)).IsEmpty() {
				return r.at.errorf("a range of ports that no rule lets in")
			}
		}
	}
	return nil
}

// field reads "Protocol      = 'UDP'" or "LocalPort     = @('1', '2-3')".
func (p *psParser) field(l line) error {
	key, value, ok := strings.Cut(l.text, "=")
	key, value = strings.TrimRight(key, " "), strings.TrimPrefix(value, " ")
	if !ok || p.fields[key] {
		return l.errorf("not a field of a rule, or there twice")
	}
	p.fields[key] = true
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
	r := &p.rule
	single := map[string]*string{"Name": &r.name, "DisplayName": &r.display, "Description": &r.description}
	several := map[string]*[]string{"LocalPort": &r.local, "RemotePort": &r.remote, "IcmpType": &r.types}
	switch {
	case single[key] != nil && !isList:
		*single[key] = items[0]
	case several[key] != nil && isList:
		*several[key] = items
	case key == "Direction" && !isList:
		r.direction = map[string]string{"Inbound": "in", "Outbound": "out"}[items[0]]
	case key == "Protocol" && !isList:
		r.protocol = items[0]
		if plain := map[string]string{"Any": "any", "TCP": "tcp", "UDP": "udp", "ICMPv4": "icmpv4", "ICMPv6": "icmpv6"}[items[0]]; plain != "" {
			r.protocol = plain
		} else if _, ok := parseNumber(items[0], 255); !ok {
			return l.errorf("a protocol that is not known")
		}
	case key == "RemoteAddress" && isList:
		var err error
		r.peers, err = l.winPeers(items, "Any")
		return err
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
