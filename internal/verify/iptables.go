package verify

import (
	"bytes"
	"fmt"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// ParseIptables reads the two restore files of ours, for IPv4 and IPv6, into the ruleset
// that the chain PL-IN is after loading both with --noflush. A packet that PL-IN does
// not decide goes back to INPUT, which is not ours; that counts as accepted. An error
// names the line that is not understood and shows it.
func ParseIptables(v4, v6 *source.File) (*ruleset.Ruleset, error) {
	rs := &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Accept}}
	for family, f := range map4and6(v4, v6) {
		p := &iptParser{family: family, chains: map[string]*iptChain{}}
		for l := range lines(f) {
			if err := l.plain(); err != nil {
				return nil, err
			}
			if len(l.text) > maxLine {
				return nil, l.errorf("a line of %d bytes", len(l.text))
			}
			if l.text == "" || l.text[0] == '#' {
				continue
			}
			if err := p.line(l); err != nil {
				return nil, err
			}
		}
		if p.state != iptDone {
			return nil, unfinished(f, "COMMIT")
		}
		if !bytes.HasSuffix(f.Text, []byte("\n")) {
			return nil, unfinished(f, "a line end, and iptables-legacy refuses such a line")
		}
		if p.chains[iptEntry] == nil {
			return nil, unfinished(f, "the chain "+iptEntry+" is declared")
		}
		whole := ruleset.Any()
		whole.Peers = map[int]addr.Set{4: addr.V4(), 6: addr.V6()}[family]
		if err := p.flatten(rs, whole, iptEntry, 0); err != nil {
			return nil, err
		}
	}
	return rs, nil
}

// map4and6 yields the two files in their order.
func map4and6(v4, v6 *source.File) func(func(int, *source.File) bool) {
	return func(yield func(int, *source.File) bool) {
		_ = yield(4, v4) && yield(6, v6)
	}
}

// SplitIptables cuts a text that holds both restore files, each behind a marker line
// "# ==== rules.v4 ====" and "# ==== rules.v6 ====". Lines keep their numbers.
func SplitIptables(f *source.File) (v4, v6 *source.File, err error) {
	parts := map[string][]byte{}
	var current string
	for l := range lines(f) {
		if name, ok := strings.CutPrefix(l.text, "# ==== "); ok {
			current = strings.TrimSuffix(name, " ====")
			if parts[current] != nil || current != "rules.v4" && current != "rules.v6" {
				return nil, nil, l.errorf("a second or unknown part")
			}
			parts[current] = []byte(strings.Repeat("\n", l.number))
			continue
		}
		if current == "" && l.text != "" {
			return nil, nil, l.errorf("text before the first marker line")
		}
		if current != "" {
			parts[current] = append(append(parts[current], l.text...), '\n')
		}
	}
	if parts["rules.v4"] == nil || parts["rules.v6"] == nil {
		return nil, nil, fmt.Errorf("%s: there is no marker line for rules.v4 or rules.v6", f.Name)
	}
	return source.New(f.Name, parts["rules.v4"]), source.New(f.Name, parts["rules.v6"]), nil
}

const (
	iptEntry = "PL-IN"
	// maxLine is a line that iptables-restore reads in one piece: its buffer has 10240
	// bytes, and it takes the rest of a longer line for a new one.
	maxLine = 10_000
)

// iptParser is one family's table so far.
type iptParser struct {
	family int
	state  int
	chains map[string]*iptChain
	steps  int // rules looked at while unfolding
}

// What has been seen of a file.
const (
	iptStart  = iota // nothing yet
	iptChains        // *filter: chains, then rules
	iptRules         // rules
	iptDone          // COMMIT
)

type iptChain struct{ rules []iptRule }

// iptRule is one line: a match, and an effect or a chain that has it.
type iptRule struct {
	match   ruleset.Match
	effect  ruleset.Effect
	jump    string
	comment string
	line    line
}

func (p *iptParser) line(l line) error {
	switch {
	case p.state == iptStart && l.text == "*filter":
		p.state = iptChains
	case p.state == iptChains && l.text[0] == ':':
		name, ok := strings.CutSuffix(l.text[1:], " - [0:0]")
		if !ok || !iptName(name) || p.chains[name] != nil {
			return l.errorf("not a chain of ours, or declared twice")
		}
		p.chains[name] = &iptChain{}
	case (p.state == iptChains || p.state == iptRules) && strings.HasPrefix(l.text, "-A "):
		p.state = iptRules
		return p.rule(l)
	case (p.state == iptChains || p.state == iptRules) && l.text == "COMMIT":
		p.state = iptDone
	default:
		return l.errorf("not a line of a portolan table")
	}
	return nil
}

// rule reads one rule. The order of its parts is that of iptables-save.
func (p *iptParser) rule(l line) error {
	w := iptWords{rest: l.text}
	w.next() // -A
	chain := p.chains[w.next()]
	if chain == nil {
		return l.errorf("a rule for a chain that is not declared")
	}
	r := iptRule{match: ruleset.Any(), line: l}
	var proto string
	var logRate ruleset.Log
	for !w.done() {
		word := w.next()
		ok := false
		switch word {
		case "-s":
			s, good := parseSource(w.next(), p.family)
			r.match.Peers, ok = addr.OfRanges(s), good
		case "-i":
			name := w.next()
			r.match.Interfaces = ruleset.InterfacesOf(name)
			ok = name != "" && !strings.ContainsAny(name, "+!\"")
		case "-p":
			proto = w.next()
			r.match.Protos, ok = iptProto(proto)
		case "-m":
			ok = p.extension(&r, &w, proto, &logRate)
		case "-j":
			ok = p.target(&r, &w, logRate)
			if ok && !w.done() {
				return l.errorf("words behind the target")
			}
		}
		if !ok || w.broken {
			return l.errorf("%q is not understood here", word)
		}
	}
	if r.jump == "" && r.effect.Verdict == 0 {
		return l.errorf("the rule has no target")
	}
	chain.rules = append(chain.rules, r)
	return nil
}

// extension reads what stands behind "-m".
func (p *iptParser) extension(r *iptRule, w *iptWords, proto string, logRate *ruleset.Log) bool {
	name := w.next()
	switch name {
	case "tcp", "udp":
		return name == proto && w.next() == "--dport" && iptPorts(r, w.next())
	case "multiport":
		return (proto == "tcp" || proto == "udp") && w.next() == "--dports" && iptPorts(r, w.next())
	case "icmp", "icmp6":
		option := map[string]string{"icmp": "--icmp-type", "icmp6": "--icmpv6-type"}[name]
		matching := p.family == 4 && name == "icmp" && proto == "icmp" || p.family == 6 && name == "icmp6" && proto == "ipv6-icmp"
		if !matching || w.next() != option {
			return false
		}
		n, ok := parseNumber(w.next(), 254) // 255 means any
		r.match.Types = ruleset.BytesOf(uint8(n))
		return ok
	case "conntrack":
		if w.next() != "--ctstate" {
			return false
		}
		r.match.States = 0
		for item := range strings.SplitSeq(w.next(), ",") {
			s, ok := parseState(strings.ToLower(item))
			if !ok || item != strings.ToUpper(item) {
				return false
			}
			r.match.States |= s
		}
		return true
	case "comment":
		ok := w.next() == "--comment"
		r.comment = w.next()
		return ok
	case "limit":
		rate, ok := parseRateOption(w, "--limit")
		logRate.Rate, logRate.Burst = rate, 5 // libxt_limit's default, which iptables-save leaves out
		if ok && w.peek() == "--limit-burst" {
			w.next()
			logRate.Burst, ok = parseNumber(w.next(), 10_000)
		}
		return ok && logRate.Burst > 0
	case "hashlimit":
		return p.hashlimit(r, w)
	}
	return false
}

// hashlimit reads the count that makes an accept conditional.
func (p *iptParser) hashlimit(r *iptRule, w *iptWords) bool {
	rate, ok := parseRateOption(w, "--hashlimit-upto")
	if !ok || w.next() != "--hashlimit-burst" {
		return false
	}
	burst, ok := parseNumber(w.next(), 1_000_000)
	if !ok || burst == 0 {
		return false
	}
	l := ruleset.Limit{Rate: rate, Burst: burst}
	option := w.next()
	if option == "--hashlimit-mode" {
		l.PerSource = true
		if w.next() != "srcip" {
			return false
		}
		option = w.next()
	}
	if option != "--hashlimit-name" {
		return false
	}
	l.Name, ok = parseLimitName(w.next(), "-", rate, burst)
	if !ok || w.next() != "--hashlimit-htable-max" || w.next() != "65536" {
		return false
	}
	// A source that is forgotten gets a new burst. So it may be forgotten only when it
	// would have its burst again anyway.
	seconds := map[string]int{"second": 1, "minute": 60, "hour": 3600, "day": 86400}[rate.Period]
	expire := 1000 * seconds // libxt_hashlimit's default
	if w.peek() == "--hashlimit-htable-expire" {
		w.next()
		if expire, ok = parseNumber(w.next(), 1<<32-1); !ok {
			return false
		}
	}
	r.effect.Limit = l
	return expire*rate.Count >= 1000*seconds*burst
}

var iptPeriods = [4]string{"sec", "min", "hour", "day"}

func parseRateOption(w *iptWords, option string) (ruleset.Rate, bool) {
	if w.next() != option {
		return ruleset.Rate{}, false
	}
	return parseRate(w.next(), iptPeriods)
}

// target reads what stands behind "-j".
func (p *iptParser) target(r *iptRule, w *iptWords, logRate ruleset.Log) bool {
	unlimited := r.effect.Limit == ruleset.Limit{}
	name := w.next()
	if name != "LOG" && logRate != (ruleset.Log{}) {
		return false
	}
	switch name {
	case "ACCEPT":
		r.effect.Verdict = ruleset.Accept
		return true
	case "DROP":
		r.effect.Verdict = ruleset.Drop
		return unlimited
	case "LOG":
		r.effect = ruleset.Effect{Verdict: ruleset.Continue, Log: logRate}
		if w.peek() == "--log-prefix" {
			w.next()
			r.effect.Log.Prefix = w.next()
		}
		return unlimited && logRate != (ruleset.Log{}) && len(r.effect.Log.Prefix) <= 29
	}
	r.jump = name
	return unlimited && name != iptEntry && p.chains[name] != nil
}

func iptProto(s string) (ruleset.Bytes, bool) {
	switch s {
	case "tcp":
		return only(uint8(port.TCP)), true
	case "udp":
		return only(uint8(port.UDP)), true
	case "icmp":
		return only(ruleset.ICMP), true
	case "ipv6-icmp":
		return only(ruleset.ICMPv6), true
	}
	n, ok := parseNumber(s, 255)
	return only(uint8(n)), ok && n > 0 // 0 means any
}

// iptPorts reads "5060" or "5060,25000:25399".
func iptPorts(r *iptRule, list string) bool {
	var ranges []port.Range
	entries := 0
	for item := range strings.SplitSeq(list, ",") {
		one, ok := parsePorts(item, ":")
		if !ok {
			return false
		}
		entries += min(one.Len(), 2)
		ranges = append(ranges, one)
	}
	r.match.Ports = port.Of(ranges...)
	return entries <= 15 // the most that a multiport match takes
}

// flatten adds the rules of a chain, as far as they match in m, to rs.
func (p *iptParser) flatten(rs *ruleset.Ruleset, m ruleset.Match, chain string, depth int) error {
	for i := range p.chains[chain].rules {
		r := &p.chains[chain].rules[i]
		if p.steps++; p.steps > maxRules || depth > 8 {
			return r.line.errorf("chains lead to more than %d rules, or in a circle", maxRules)
		}
		both := m.Intersect(r.match)
		if empty(&both) {
			continue
		}
		if r.jump == "" {
			rs.Input.Rules = append(rs.Input.Rules, r.line.rule(both, r.effect, r.comment))
		} else if err := p.flatten(rs, both, r.jump, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// iptName reports whether s can be a chain of ours.
func iptName(s string) bool {
	rest, ok := strings.CutPrefix(s, "PL-")
	return ok && len(s) <= 28 && rest != "" && !strings.ContainsFunc(rest, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-')
	})
}

// iptWords cuts a line into words at single blanks. A word in double quotes may hold
// blanks, and a backslash in it takes the next character as it is.
type iptWords struct {
	rest   string
	broken bool // a quote was not closed
}

func (w *iptWords) done() bool { return w.rest == "" }

func (w *iptWords) peek() string { c := *w; return c.next() }

// next is the next word without its quotes, "" at the end.
func (w *iptWords) next() string {
	s := w.rest
	if !strings.HasPrefix(s, `"`) {
		word, rest, _ := strings.Cut(s, " ")
		if strings.ContainsAny(word, "\"'\\") {
			w.broken = true
		}
		w.rest = rest
		return word
	}
	if end := strings.IndexAny(s[1:], "\"\\") + 1; end > 0 && s[end] == '"' { // nothing to unescape
		w.skip(s[end+1:])
		return s[1:end]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			w.skip(s[i+1:])
			return b.String()
		case '\\':
			if i++; i == len(s) {
				break
			}
			fallthrough
		default:
			b.WriteByte(s[i])
		}
	}
	w.broken, w.rest = true, ""
	return b.String()
}

// skip goes on behind a quoted word.
func (w *iptWords) skip(rest string) {
	if rest != "" && rest[0] != ' ' {
		w.broken = true
	}
	w.rest = strings.TrimPrefix(rest, " ")
}
