package render

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"text/template"

	"portolan/internal/addr"
	"portolan/internal/nft"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/templates"
)

// Every value reaches a text through one of the functions of this file. They are the
// border to text we do not trust: each one gives back only characters that the
// firewall's language takes as data at that place, or an error.

// printable replaces what is not printable ASCII, and each byte of drop, by '?', and cuts
// at max bytes. Loaders disagree about everything else: encodings, quotes of other
// scripts, line ends.
func printable(s, drop string, max int) string {
	strange := func(c rune) bool { return c < ' ' || c > '~' || drop != "" && strings.ContainsRune(drop, c) }
	if len(s) <= max && !strings.ContainsFunc(s, strange) {
		return s
	}
	var b strings.Builder
	for _, c := range s {
		if b.Len() == max {
			break
		}
		if strange(c) {
			c = '?'
		}
		b.WriteByte(byte(c))
	}
	return b.String()
}

// quoteLine is for the rest of a comment line. iptables-restore reads lines into a
// buffer of 10240 bytes and takes what does not fit for a new line, so the length
// matters. It is never empty, so that the line is not only a '#'.
func quoteLine(s string) string {
	return cmp.Or(strings.TrimRight(printable(s, "", 200), " "), "?")
}

// quoteName lets identifiers of our own making pass and nothing else.
func quoteName(s string) (string, error) {
	if s == "" || len(s) > 100 || strings.ContainsFunc(s, func(c rune) bool { return !wordRune(c) }) {
		return "", fmt.Errorf("%q is not a plain name", s)
	}
	return s, nil
}

func quoteInterface(s string) (string, error) {
	if !plainInterface(s) {
		return "", fmt.Errorf("%q is not a plain interface name", s)
	}
	return s, nil
}

func quoteVerdict(v ruleset.Verdict) (string, error) {
	switch v {
	case ruleset.Accept, ruleset.Drop:
		return v.String(), nil
	}
	return "", fmt.Errorf("%q is not a verdict that ends", v)
}

func quoteNumber(n any) (string, error) {
	switch n := n.(type) {
	case int:
		return strconv.Itoa(n), nil
	case uint8:
		return strconv.Itoa(int(n)), nil
	}
	return "", fmt.Errorf("%v is not a number", n)
}

// quoteRange is one address, a prefix, or "first-last".
func quoteRange(r addr.Range) string {
	if p, ok := prefixOf(r); ok && !p.IsSingleIP() {
		return p.String()
	}
	return r.String()
}

// quotePorts writes ports and ranges, a range with dash between its bounds. nft 0.9.8
// does not take a range of one port, so that is written as the port.
func quotePorts(ranges []port.Range, dash, comma string) string {
	out := make([]string, len(ranges))
	for i, r := range ranges {
		out[i] = strings.Replace(r.String(), "-", dash, 1)
	}
	return strings.Join(out, comma)
}

func numbers(ns []uint8, comma string) string {
	out := make([]string, len(ns))
	for i, n := range ns {
		out[i] = strconv.Itoa(int(n))
	}
	return strings.Join(out, comma)
}

// quoteStates lists states in the order in which nft and iptables list them.
func quoteStates(s ruleset.States) string {
	var out []string
	for _, one := range []ruleset.State{ruleset.Broken, ruleset.New, ruleset.Related, ruleset.Established, ruleset.Untracked} {
		if s&one != 0 {
			out = append(out, one.String())
		}
	}
	return strings.Join(out, ",")
}

// quoting is the functions that every language shares and those of one.
func quoting(own template.FuncMap) template.FuncMap {
	all := template.FuncMap{"line": quoteLine, "name": quoteName, "number": quoteNumber}
	maps.Copy(all, own)
	return all
}

// nftQuoting are the functions of nftables.tmpl; nft(8) is the grammar.
func nftQuoting() template.FuncMap {
	return quoting(template.FuncMap{
		"comment": nftComment,
		"prefix":  nftPrefix,
		"verdict": quoteVerdict,
		"rate":    func(r ruleset.Rate) string { return r.String() },
		"seconds": nftSeconds,
		"width": func(m *nft.Map) (n int) {
			for _, e := range m.Elements {
				n = max(n, len(e.Ports.String()))
			}
			return n
		},
		"portrange": func(e nft.Element, width int) string { return nftPadded(e.Ports.String(), width) },
		"numbers":   func(ns []uint8) string { return nftSet(numbers(ns, ", "), len(ns)) },
		"ports":     func(rs []port.Range) string { return nftSet(quotePorts(rs, "-", ", "), len(rs)) },
		"addresses": quoteRange,
		"states": func(s ruleset.States) string {
			// nft lists established before related and new after both.
			var out []string
			for _, one := range []ruleset.State{ruleset.Broken, ruleset.Established, ruleset.Related, ruleset.New, ruleset.Untracked} {
				if s&one != 0 {
					out = append(out, one.String())
				}
			}
			return strings.Join(out, ",")
		},
		"interfaces": func(names []string) (string, error) {
			out := make([]string, len(names))
			for i, n := range names {
				plain, err := quoteInterface(n)
				if err != nil {
					return "", err
				}
				out[i] = `"` + plain + `"`
			}
			return nftSet(strings.Join(out, ", "), len(names)), nil
		},
		"saddr":    func(family int) string { return [...]string{4: "ip saddr", 6: "ip6 saddr"}[family] },
		"daddr":    func(family int) string { return [...]string{4: "ip daddr", 6: "ip6 daddr"}[family] },
		"hook":     nftHook,
		"addrtype": func(family int) string { return [...]string{4: "ipv4_addr", 6: "ipv6_addr"}[family] },
		"family":   func(family int) string { return [...]string{4: "ipv4", 6: "ipv6"}[family] },
		"types":    nftTypes,
		"icmp":     func(family int) string { return [...]string{4: "icmp", 6: "icmpv6"}[family] },
		"proto":    func(p uint8) string { return port.Proto(p).String() },
	})
}

// nftTypeNames are the names of ICMP types that nft 0.9.8 and later list and take.
var nftTypeNames = map[int]map[uint8]string{
	4: {0: "echo-reply", 3: "destination-unreachable", 5: "redirect", 8: "echo-request", 11: "time-exceeded", 12: "parameter-problem"},
	6: {
		1: "destination-unreachable", 2: "packet-too-big", 3: "time-exceeded", 4: "parameter-problem", 128: "echo-request", 129: "echo-reply",
		130: "mld-listener-query", 131: "mld-listener-report", 132: "mld-listener-done", 133: "nd-router-solicit", 134: "nd-router-advert",
		135: "nd-neighbor-solicit", 136: "nd-neighbor-advert", 137: "nd-redirect", 143: "mld2-listener-report",
	},
}

func nftTypes(family int, types []uint8) string {
	out := make([]string, len(types))
	for i, n := range types {
		if out[i] = nftTypeNames[family][n]; out[i] == "" {
			out[i] = strconv.Itoa(int(n))
		}
	}
	return nftSet(strings.Join(out, ", "), len(out))
}

func nftSet(list string, n int) string {
	if n == 1 {
		return list
	}
	return "{ " + list + " }"
}

// nftComment quotes a comment. nft's strings have no escape, so '"' becomes "'", and
// more than 128 bytes are an error there (NFTNL_UDATA_COMMENT_MAXLEN).
func nftComment(s string) string { return `"` + nftPlain(s) + `"` }

// nftPlain is what a comment can say.
func nftPlain(s string) string { return NftablesComment(s) }

// NftablesComment is a text as the comments of rules in nftables have it: printable ASCII, at most
// 128 bytes of it, without double quotes.
func NftablesComment(s string) string { return printable(strings.ReplaceAll(s, `"`, "'"), "", 128) }

// nftPrefix quotes a log prefix. nft expands $name in it and has no escape.
func nftPrefix(s string) (string, error) {
	if printable(s, "\"\\'$`", 29) != s {
		return "", fmt.Errorf("%q is not a plain log prefix", s)
	}
	return `"` + s + `"`, nil
}

// nftHook writes where in the kernel a base chain stands.
func nftHook(hook string, priority nft.Priority) (string, error) {
	if priority != nft.Raw && priority != nft.Filter {
		return "", fmt.Errorf("%q is not a priority of ours", priority)
	}
	name, err := quoteName(hook)
	return "type filter hook " + name + " priority " + string(priority), err
}

// nftPadded is the text and as many blanks as make it as long as the longest of its column.
func nftPadded(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-len(text)))
}

// nftSeconds writes a duration the way nft lists it: "1m", "1m30s", "2d".
func nftSeconds(n int) string {
	var b strings.Builder
	for _, u := range []struct {
		seconds int
		letter  string
	}{{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}} {
		if n >= u.seconds {
			b.WriteString(strconv.Itoa(n/u.seconds) + u.letter)
			n %= u.seconds
		}
	}
	return b.String()
}

// iptQuoting are the functions of iptables.tmpl; the forms are those of iptables-save.
func iptQuoting() template.FuncMap {
	return quoting(template.FuncMap{
		"comment":   iptComment,
		"prefix":    iptPrefix,
		"cidr":      func(p *netip.Prefix) string { return p.String() },
		"member":    iptMember,
		"setfamily": func(family int) string { return [...]string{4: "inet", 6: "inet6"}[family] },
		"heredoc":   quoteHeredoc,
		"interface": quoteInterface,
		"ports":     func(rs []port.Range) string { return quotePorts(rs, ":", ",") },
		"states":    func(s ruleset.States) string { return strings.ToUpper(quoteStates(s)) },
		"rate": func(r ruleset.Rate) (string, error) {
			short := map[string]string{"second": "sec", "minute": "min", "hour": "hour", "day": "day"}[r.Period]
			if short == "" {
				return "", fmt.Errorf("%q is not a period", r.Period)
			}
			return strconv.Itoa(r.Count) + "/" + short, nil
		},
		"protocol": func(p uint8) string {
			switch p {
			case uint8(port.TCP), uint8(port.UDP):
				return port.Proto(p).String()
			case ruleset.ICMP:
				return "icmp"
			case ruleset.ICMPv6:
				return "ipv6-icmp"
			}
			return strconv.Itoa(int(p))
		},
		"icmpmatch": func(p uint8) string {
			return map[uint8]string{ruleset.ICMP: "icmp", ruleset.ICMPv6: "icmp6"}[p]
		},
		"icmpoption": func(p uint8) string {
			return map[uint8]string{ruleset.ICMP: "--icmp-type", ruleset.ICMPv6: "--icmpv6-type"}[p]
		},
		"program": func(family int) string { return [...]string{4: "ip", 6: "ip6"}[family] },
	})
}

// iptComment quotes a comment. iptables-save leaves out the quotes of a word that begins
// with a dash, and iptables-restore then may take it for an option and refuse what was
// saved; so no comment begins with one.
func iptComment(s string) string {
	s = printable(s, "", 255)
	if strings.HasPrefix(s, "-") {
		s = "?" + s[1:]
	}
	return iptString(s)
}

// iptMember is an element of a set as ipset lists it: a host without its length. A prefix
// of length 0 is not taken by hash:net.
func iptMember(p netip.Prefix) (string, error) {
	switch {
	case !p.IsValid() || p.Bits() == 0 || p.Masked() != p:
		return "", fmt.Errorf("%s cannot be in a set", p)
	case p.IsSingleIP():
		return p.Addr().String(), nil
	}
	return p.String(), nil
}

// quoteHeredoc is the text of a here-document with the given end, quoted in the shell, in
// which nothing is special but a line that is the end.
func quoteHeredoc(end, text string) (string, error) {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimSpace(line) == end {
			return "", fmt.Errorf("a line %q in the text that it ends", end)
		}
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		return "", fmt.Errorf("the text before %s has no last line end", end)
	}
	return text + end, nil
}

// iptString quotes a word the way iptables-save does: bare when every character is
// harmless, else in double quotes with a backslash before quotes and backslashes.
func iptString(s string) string {
	if s != "" && s[0] != '-' && !strings.ContainsFunc(s, func(c rune) bool { return !wordRune(c) || c == '.' }) {
		return s
	}
	out := []byte{'"'}
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' || c == '\'' {
			out = append(out, '\\')
		}
		out = append(out, s[i])
	}
	return string(append(out, '"'))
}

func iptPrefix(s string) (string, error) {
	if printable(s, "\"\\'$`", 29) != s {
		return "", fmt.Errorf("%q is not a plain log prefix", s)
	}
	return iptString(s), nil
}

// psQuoting are the functions of windows.tmpl.
func psQuoting() template.FuncMap {
	return quoting(template.FuncMap{
		"literal": psLiteral,
		"protocol": func(p int) (string, error) {
			switch p {
			case anyProtocol:
				return psLiteral("Any"), nil
			case int(port.TCP), int(port.UDP):
				return psLiteral(strings.ToUpper(port.Proto(p).String())), nil
			case int(ruleset.ICMP):
				return psLiteral("ICMPv4"), nil
			case int(ruleset.ICMPv6):
				return psLiteral("ICMPv6"), nil
			}
			if p < 0 || p > 255 {
				return "", fmt.Errorf("%d is not a protocol", p)
			}
			return psLiteral(strconv.Itoa(p)), nil
		},
		"direction": func(d ruleset.Direction) (string, error) {
			switch d {
			case ruleset.In:
				return psLiteral("Inbound"), nil
			case ruleset.Out:
				return psLiteral("Outbound"), nil
			}
			return "", fmt.Errorf("%d is not a direction", d)
		},
		"outbound": func(filtered bool) string {
			if filtered {
				return psLiteral("Block")
			}
			return psLiteral("Allow")
		},
		"reserved": func(r reserved) string {
			return psLiteral(strings.ToUpper(r.Protocol.String()) + " " + r.Range.String())
		},
		"exclusion": netshExclusion,
		"ports":     func(rs []port.Range) string { return psList(rs, port.Range.String) },
		"types":     func(ns []uint8) string { return psList(ns, func(n uint8) string { return strconv.Itoa(int(n)) }) },
		"addresses": func(rs []addr.Range) string {
			if len(rs) == 0 {
				return psLiteral("Any")
			}
			return psList(rs, quoteRange)
		},
	})
}

func psList[T any](items []T, text func(T) string) string {
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = psLiteral(text(it))
	}
	return strings.Join(out, ", ")
}

// psLiteral is a single-quoted PowerShell string, in which only a quote is special and
// is doubled
// (https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_quoting_rules).
// PowerShell takes four other characters for that quote; they are not ASCII, so
// printable has removed them. '|' separates fields in the firewall's own store and
// cannot be in a value ([MS-FASP] 2.2.37).
func psLiteral(s string) string {
	return "'" + strings.ReplaceAll(printable(s, "|", 4000), "'", "''") + "'"
}

// netshExclusion are the arguments that take a range out of the dynamic ports.
func netshExclusion(r reserved) string {
	return fmt.Sprintf("protocol=%s startport=%d numberofports=%d store=persistent", r.Protocol, r.Range.First, r.Range.Len())
}

// netshQuoting are the functions of windows_netsh.tmpl.
func netshQuoting() template.FuncMap {
	return quoting(template.FuncMap{
		"remark":    cmdRemark,
		"exclusion": netshExclusion,
		"outbound": func(filtered bool) string {
			if filtered {
				return "block"
			}
			return "allow"
		},
		"arguments": netshArguments,
	})
}

// cmdRemark is for the rest of a rem line. cmd.exe looks for %, and for & after odd
// beginnings, before it knows that a line is a remark, a caret at its end takes the next
// line in, and "/?" asks for help; so only characters that mean nothing come through.
func cmdRemark(s string) string {
	return strings.Map(func(c rune) rune {
		if wordRune(c) || strings.ContainsRune(" /:,;+=@#", c) {
			return c
		}
		return '_'
	}, quoteLine(s))
}

// netshArguments are the arguments of "netsh advfirewall firewall add rule" behind the
// name. No character of theirs means anything to cmd.exe.
func netshArguments(r winRule) (string, error) {
	protocol := strconv.Itoa(r.Protocol)
	switch {
	case r.Protocol < 0 || r.Protocol > anyProtocol:
		return "", fmt.Errorf("%d is not a protocol", r.Protocol)
	case len(r.Types) > 1:
		return "", fmt.Errorf("rule %q has several ICMP types, and netsh takes one", r.Name)
	case r.Protocol == anyProtocol:
		protocol = "any"
	case r.Protocol == int(port.TCP) || r.Protocol == int(port.UDP):
		protocol = port.Proto(r.Protocol).String()
	case r.Protocol == int(ruleset.ICMP):
		protocol = "icmpv4"
	case r.Protocol == int(ruleset.ICMPv6):
		protocol = "icmpv6"
	}
	for _, n := range r.Types {
		protocol += fmt.Sprintf(":%d,any", n)
	}
	out := "dir=" + r.Direction.String() + " action=allow protocol=" + protocol
	if r.LocalPorts != nil {
		out += " localport=" + quotePorts(r.LocalPorts, "-", ",")
	}
	if r.RemotePorts != nil {
		out += " remoteport=" + quotePorts(r.RemotePorts, "-", ",")
	}
	out += " remoteip="
	for i, p := range r.Peers {
		if i > 0 {
			out += ","
		}
		out += quoteRange(p)
	}
	if len(r.Peers) == 0 {
		out += "any"
	}
	return out + " profile=any enable=yes", nil
}

// gpoQuoting are the functions of windows_gpo.tmpl.
func gpoQuoting() template.FuncMap {
	return quoting(template.FuncMap{
		"outbound": func(filtered bool) string {
			if filtered {
				return "block"
			}
			return "allow"
		},
		"exclusion": netshExclusion,
		"value":     func(r winRule) (string, error) { s, err := gpoRule(r); return regString(s), err },
		"id":        func(s string) (string, error) { s, err := quoteName(s); return regString(s), err },
	})
}

// regString is a string of a .reg file, in which a backslash takes the next character as
// it is.
func regString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(printable(s, "", 1<<20)) + `"`
}

// gpoRule is a rule as Group Policy holds it, [MS-GPFAS] 2.2.2: fields that each end in
// '|', for which no escape exists. Version 2.10 is the lowest that has ranges of ports.
// No protocol means any, no profile means all.
func gpoRule(r winRule) (string, error) {
	var b strings.Builder
	field := func(key, value string) { fmt.Fprintf(&b, "%s=%s|", key, printable(value, "|", 4000)) }
	b.WriteString("v2.10|")
	field("Action", "Allow")
	field("Active", "TRUE")
	field("Dir", map[ruleset.Direction]string{ruleset.In: "In", ruleset.Out: "Out"}[r.Direction])
	if r.Protocol < 0 || r.Protocol > anyProtocol {
		return "", fmt.Errorf("%d is not a protocol", r.Protocol)
	}
	if r.Protocol != anyProtocol {
		field("Protocol", strconv.Itoa(r.Protocol))
	}
	for _, side := range []struct {
		key   string
		ports []port.Range
	}{{"LPort", r.LocalPorts}, {"RPort", r.RemotePorts}} {
		for _, p := range side.ports {
			if p.Len() > 1 {
				field(side.key+"2_10", p.String())
			} else {
				field(side.key, p.String())
			}
		}
	}
	for _, n := range r.Types {
		field(map[int]string{int(ruleset.ICMP): "ICMP4", int(ruleset.ICMPv6): "ICMP6"}[r.Protocol], strconv.Itoa(int(n))+":*")
	}
	for _, p := range r.Peers {
		key, text := "RA6", quoteRange(p)
		if p.First.Is4() {
			key = "RA4"
			if prefix, ok := prefixOf(p); ok && !prefix.IsSingleIP() {
				text = prefix.Addr().String() + "/" + net.IP(net.CIDRMask(prefix.Bits(), 32)).String()
			}
		}
		field(key, text)
	}
	field("Name", r.DisplayName)
	field("Desc", r.Description)
	field("EmbedCtxt", "Portolan")
	return b.String(), nil
}

// parsed reads one template of the house.
func parsed(name string, funcs template.FuncMap) *template.Template {
	return template.Must(template.New(name).Option("missingkey=error").Funcs(funcs).ParseFS(templates.FS, name))
}

// execute fills a template.
func execute(t *template.Template, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
