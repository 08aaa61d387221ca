package verify

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"unicode/utf16"

	"portolan/internal/addr"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// The keys that hold rules of the firewall as strings: of Group Policy, and of the host
// itself ([MS-GPFAS] 2.2.2).
const (
	gpoKey  = `HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\WindowsFirewall\FirewallRules`
	hostKey = `HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules`
)

// ParseWindowsRegistry reads rules of the firewall as the registry holds them: a .reg file
// of ours, or what "reg export" or "reg query" say of the key of the rules on a host. Of
// a host's own key only the rules of the group Portolan are read, so the ruleset is what
// they mean and not what the host does.
//
// The default for what leaves is in other keys. A file of ours names the one it is made
// for; where a host has outbound rules of ours, block is meant.
func ParseWindowsRegistry(f *source.File) (*ruleset.Ruleset, error) {
	f, err := decodeUTF16(f)
	if err != nil {
		return nil, err
	}
	r := &regReader{winHost: newWinHost(f)}
	for l := range lines(f) {
		if err := r.line(l); err != nil {
			return nil, err
		}
	}
	if r.key == "" {
		return nil, unfinished(f, "the key of the firewall's rules")
	}
	if r.ours && r.outboundLine == "" {
		return nil, unfinished(f, `the line "; outbound: allow" or "; outbound: block"`)
	}
	for _, one := range r.rules {
		if one.rule.direction == "out" && !r.ours && !r.outbound {
			r.blockOutbound()
		}
		if err := r.add(one.at, one.at, &one.rule); err != nil {
			return nil, err
		}
	}
	return r.rs, nil
}

// decodeUTF16 is f as reg.exe writes it, in UTF-16 with a byte order mark, or as it is.
func decodeUTF16(f *source.File) (*source.File, error) {
	text, ok := bytes.CutPrefix(f.Text, []byte{0xff, 0xfe})
	if !ok {
		return f, nil
	}
	units := make([]uint16, len(text)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(text[2*i:])
	}
	if len(text)%2 != 0 {
		return nil, unfinished(f, "the last character is complete")
	}
	return source.New(f.Name, []byte(string(utf16.Decode(units)))), nil
}

type regReader struct {
	*winHost
	begun        bool
	ours         bool   // a .reg file of ours, and not a host's own
	query        bool   // what "reg query" says
	key          string // that we are in
	outboundLine string
	rules        []regRule
}

type regRule struct {
	at   line
	rule winRule
}

func (r *regReader) line(l line) error {
	switch {
	case l.text == "":
		return nil
	case !r.begun:
		r.begun = true
		switch {
		case l.text == "REGEDIT4":
			r.ours = true
			return nil
		case l.text == "Windows Registry Editor Version 5.00":
			return nil
		case isKey(l.text, gpoKey), isKey(l.text, hostKey):
			r.query, r.key = true, l.text
			return nil
		}
		return l.errorf("not the beginning of a registry file or of what reg query says")
	case r.ours && l.text[0] == ';':
		if err := l.plain(); err != nil {
			return err
		}
		if strings.HasPrefix(l.text, "; outbound: ") && r.outboundLine == "" {
			switch r.outboundLine = l.text; l.text {
			case "; outbound: block":
				r.blockOutbound()
			case "; outbound: allow":
			default:
				return l.errorf("not what happens to what leaves")
			}
		}
		return nil
	case !r.query && l.text[0] == '[':
		// What is not ASCII can fold to it.
		if err := l.plain(); err != nil {
			return err
		}
		key, closed := strings.CutSuffix(l.text[1:], "]")
		switch {
		case !closed:
			return l.errorf("a key that is not closed")
		case isKey(key, gpoKey):
		case !isKey(key, hostKey):
			return l.errorf("a key that does not hold the firewall's rules")
		case r.ours:
			return l.errorf("rules are not put into the key of the host by hand")
		}
		r.key = key
		return nil
	case r.key == "":
		return l.errorf("a value outside of a key")
	}
	name, value, ok := r.value(l)
	if !ok {
		return l.errorf("not a value that is a string")
	}
	return r.ruleOf(l, name, value)
}

// isKey reports whether a line names the key. The registry does not tell upper from lower
// case, and Windows gives back what was written first.
func isKey(text, key string) bool { return strings.EqualFold(text, key) }

// value is the name and the string of a value: `"name"="string"`, or of reg query
// "name    REG_SZ    string".
func (r *regReader) value(l line) (name, value string, ok bool) {
	if r.query {
		name, value, ok = strings.Cut(l.text, "    REG_SZ    ")
		return name, value, ok
	}
	name, rest, ok := regString(l.text)
	if !ok {
		return "", "", false
	}
	rest, ok = strings.CutPrefix(rest, "=")
	if !ok {
		return "", "", false
	}
	value, rest, ok = regString(rest)
	return name, value, ok && rest == ""
}

// regString reads a string in double quotes, in which a backslash stands before a quote
// or a backslash and before nothing else.
func regString(s string) (text, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) || s[i] != '\\' && s[i] != '"' {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// ruleOf reads the fields of a rule, which each end in '|'.
func (r *regReader) ruleOf(l line, name, value string) error {
	fields := strings.Split(value, "|")
	if !r.ours && !strings.Contains(value, "|EmbedCtxt=Portolan|") {
		return nil // of somebody else
	}
	if err := l.plain(); err != nil {
		return err
	}
	if n := len(fields); n < 3 || fields[n-1] != "" || strings.Trim(fields[0], "v0123456789.") != "" || !strings.HasPrefix(fields[0], "v2.") || len(fields[0]) > 6 {
		return l.errorf("not a rule of version 2")
	}
	if r.ours && fields[0] != "v2.10" {
		return l.errorf("a rule of another version than 2.10")
	}
	rule := winRule{name: name, protocol: "any", hasDisplay: true}
	once := map[string]string{}
	for _, field := range fields[1 : len(fields)-1] {
		key, text, ok := strings.Cut(field, "=")
		if !ok {
			return l.errorf("a field %q", field)
		}
		switch key {
		case "LPort", "LPort2_10":
			if (key == "LPort") == strings.Contains(text, "-") {
				return l.errorf("the port %q", text)
			}
			rule.local = append(rule.local, text)
		case "RPort", "RPort2_10":
			if (key == "RPort") == strings.Contains(text, "-") {
				return l.errorf("the port %q", text)
			}
			rule.remote = append(rule.remote, text)
		case "ICMP4", "ICMP6":
			n, ok := strings.CutSuffix(text, ":*")
			if !ok || once["Protocol"] != map[string]string{"ICMP4": "1", "ICMP6": "58"}[key] {
				return l.errorf("the ICMP type %q", text)
			}
			rule.types = append(rule.types, n)
		case "RA4", "RA6":
			one, ok := gpoPeer(text, key == "RA4")
			if !ok {
				return l.errorf("the address %q", text)
			}
			rule.peers = append(rule.peers, one)
		case "Action", "Active", "Dir", "Protocol", "Name", "Desc", "EmbedCtxt":
			if _, twice := once[key]; twice {
				return l.errorf("the field %s is there twice", key)
			}
			once[key] = text
		default:
			return l.errorf("a field %s that is not known", key)
		}
	}
	for key, want := range map[string]string{"Action": "Allow", "Active": "TRUE", "EmbedCtxt": "Portolan"} {
		if !strings.EqualFold(once[key], want) {
			return l.errorf("a rule without %s=%s", key, want)
		}
	}
	rule.direction = map[string]string{"In": "in", "Out": "out"}[once["Dir"]]
	rule.display, rule.description = once["Name"], once["Desc"]
	if n, ok := once["Protocol"]; ok {
		rule.protocol = n
		if plain := map[string]string{"6": "tcp", "17": "udp", "1": "icmpv4", "58": "icmpv6"}[n]; plain != "" {
			rule.protocol = plain
		} else if _, ok := parseNumber(n, 255); !ok {
			return l.errorf("the protocol %q", n)
		}
	}
	r.rules = append(r.rules, regRule{l, rule})
	if len(r.rules) > maxRules {
		return l.errorf("more than %d rules", maxRules)
	}
	return nil
}

// gpoPeer reads an address of one family: "10.0.0.0/255.0.0.0", "2001:db8::/32", a range
// or one address.
func gpoPeer(s string, v4 bool) (addr.Range, bool) {
	network, mask, ok := strings.Cut(s, "/")
	if !ok || !v4 {
		r, ok := winPeer(s)
		return r, ok && r.First.Is4() == v4
	}
	m, err := netip.ParseAddr(mask)
	if err != nil || !m.Is4() {
		return addr.Range{}, false
	}
	four := m.As4()
	bits, size := net.IPMask(four[:]).Size()
	first, err := netip.ParseAddr(network)
	if err != nil || !first.Is4() || size != 32 || bits < 1 || bits > 31 {
		return addr.Range{}, false
	}
	p := netip.PrefixFrom(first, bits)
	if p.Masked() != p {
		return addr.Range{}, false
	}
	return addr.Of(p).Ranges()[0], true
}
