package verify

import (
	"fmt"
	"strconv"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// ParseNftables reads an nftables file of ours into the ruleset that the kernel has after
// loading it. It makes sure that this does not depend on what the table held before:
// what the text fills, it must have emptied. An error names the line that is not
// understood and shows it.
func ParseNftables(f *source.File) (*ruleset.Ruleset, error) {
	p := &nftParser{
		sets: map[string]*nftSet{}, limits: map[string]nftRate{}, maps: map[string]*nftMap{}, chains: map[string]*nftChain{},
	}
	for l := range lines(f) {
		if err := l.plain(); err != nil {
			return nil, err
		}
		if l.text == "" || l.text[0] == '#' {
			continue
		}
		if err := p.line(l); err != nil {
			return nil, err
		}
	}
	input := p.chains["input"]
	switch {
	case p.block != nil || p.inTable:
		return nil, unfinished(f, "a block is closed")
	case input == nil || p.policy == 0:
		return nil, unfinished(f, "there is a base chain called input")
	case !input.empty:
		return nil, unfinished(f, "the chain input is flushed")
	}
	rs := &ruleset.Ruleset{Input: ruleset.Chain{Default: p.policy}}
	for i := range input.rules {
		if err := p.flatten(rs, &input.rules[i]); err != nil {
			return nil, err
		}
	}
	return rs, nil
}

// nftParser is what is known of the table after some lines.
type nftParser struct {
	inTable bool
	block   any // *nftSet, *nftMap, *nftChain or *nftLimit that is open, nil for none
	inList  bool
	policy  ruleset.Verdict

	sets   map[string]*nftSet
	limits map[string]nftRate
	maps   map[string]*nftMap
	chains map[string]*nftChain
}

type nftRate struct {
	rate  ruleset.Rate
	burst int
}

// nftSet holds source addresses, or counts each of them when it is dynamic.
type nftSet struct {
	name     string
	head     []string // the lines that define it, in order
	empty    bool     // certainly has no element of an older table
	elements []addr.Range
	reopened int // lines of the head seen again since the block was opened again; -1 the first time
}

type nftMap struct {
	name     string
	head     []string
	empty    bool
	elements []nftElement
	reopened int
}

type nftElement struct {
	ports   port.Range
	verdict ruleset.Verdict
	jump    string
	line    line
}

type nftChain struct {
	name  string
	empty bool // certainly had no rule of an older table
	rules []nftRule
}

type nftLimit struct{ name string }

// nftRule is one line of a chain: a match and an effect, or a chain or map that has them.
type nftRule struct {
	match   ruleset.Match
	effect  ruleset.Effect
	jump    string
	vmap    string
	comment string
	line    line
}

func (p *nftParser) line(l line) error {
	switch b := p.block.(type) {
	case *nftSet:
		return p.setLine(b, l)
	case *nftMap:
		return p.mapLine(b, l)
	case *nftChain:
		return p.chainLine(b, l)
	case *nftLimit:
		return p.limitLine(b, l)
	}
	if !p.inTable {
		return p.topLine(l)
	}
	if l.text == "}" {
		p.inTable = false
		return nil
	}
	kind, rest, _ := strings.Cut(l.text, " ")
	name, brace, _ := strings.Cut(rest, " ")
	if brace != "{" || !nftName(name) {
		return l.errorf("not the start of a set, map, limit or chain")
	}
	switch kind {
	case "set":
		s := p.sets[name]
		if s == nil {
			s = &nftSet{name: name, reopened: -1}
			p.sets[name] = s
		} else {
			s.reopened = 0
		}
		p.block = s
	case "map":
		m := p.maps[name]
		if m == nil {
			m = &nftMap{name: name, reopened: -1}
			p.maps[name] = m
		} else {
			m.reopened = 0
		}
		p.block = m
	case "chain":
		c := p.chains[name]
		if c == nil {
			c = &nftChain{name: name}
			p.chains[name] = c
		}
		p.block = c
	case "limit":
		if _, ok := p.limits[name]; ok {
			return l.errorf("the limit is there already")
		}
		p.limits[name] = nftRate{}
		p.block = &nftLimit{name}
	default:
		return l.errorf("not the start of a set, map, limit or chain")
	}
	return nil
}

func (p *nftParser) topLine(l line) error {
	if l.text == "table inet portolan {" {
		p.inTable = true
		return nil
	}
	rest, ok := strings.CutPrefix(l.text, "flush ")
	kind, rest, _ := strings.Cut(rest, " ")
	name, mine := strings.CutPrefix(rest, "inet portolan ")
	switch {
	case !ok || !mine:
	case kind == "chain" && p.chains[name] != nil:
		p.chains[name].rules, p.chains[name].empty = nil, true
		return nil
	case kind == "set" && p.sets[name] != nil:
		p.sets[name].elements, p.sets[name].empty = nil, true
		return nil
	case kind == "map" && p.maps[name] != nil:
		p.maps[name].elements, p.maps[name].empty = nil, true
		return nil
	}
	return l.errorf("not a line of a portolan table, or it names what is not declared")
}

// headLine takes a line that defines a set or map: new the first time, the same every
// other time.
func headLine(head *[]string, reopened *int, l line) error {
	if *reopened < 0 {
		*head = append(*head, l.text)
		return nil
	}
	if *reopened >= len(*head) || (*head)[*reopened] != l.text {
		return l.errorf("defined otherwise before")
	}
	*reopened++
	return nil
}

// closeHead ends a block whose lines were head lines.
func closeHead(head []string, reopened int, l line) error {
	if reopened >= 0 && reopened != len(head) {
		return l.errorf("defined with more lines before")
	}
	return nil
}

const (
	nftElementsOpen = "elements = {"
	nftInterval     = "flags interval"
	nftMapType      = "type inet_service : verdict"
)

// family is 4 or 6 for a set of plain addresses, 0 for another.
func (s *nftSet) family() int {
	if len(s.head) == 2 && s.head[1] == nftInterval {
		return nftFamily(s.head[0])
	}
	return 0
}

// counts is 4 or 6 for a set that counts addresses, 0 for another.
func (s *nftSet) counts() int {
	if len(s.head) == 4 && s.head[1] == "size 65535" && s.head[2] == "flags dynamic,timeout" && strings.HasPrefix(s.head[3], "timeout ") {
		return nftFamily(s.head[0])
	}
	return 0
}

func nftFamily(typeLine string) int {
	switch typeLine {
	case "type ipv4_addr":
		return 4
	case "type ipv6_addr":
		return 6
	}
	return 0
}

func (p *nftParser) setLine(s *nftSet, l line) error {
	switch {
	case p.inList && l.text == "}":
		p.inList = false
	case p.inList:
		text, comma := strings.CutSuffix(l.text, ",")
		r, ok := parseSource(text, s.family())
		if !ok || !comma || s.family() == 0 {
			return l.errorf("not an element of set %s", s.name)
		}
		s.elements = append(s.elements, r)
	case l.text == nftElementsOpen:
		if !s.empty {
			return l.errorf("set %s may have older elements: it was not flushed", s.name)
		}
		p.inList = true
	case l.text == "}":
		p.block = nil
		if s.family() == 0 && s.counts() == 0 {
			return l.errorf("set %s is of a kind that is not known", s.name)
		}
		return closeHead(s.head, s.reopened, l)
	default:
		return headLine(&s.head, &s.reopened, l)
	}
	return nil
}

func (p *nftParser) mapLine(m *nftMap, l line) error {
	switch {
	case p.inList && l.text == "}":
		p.inList = false
	case p.inList:
		e, ok := parseNftElement(l)
		if n := len(m.elements); !ok || n > 0 && e.ports.First <= m.elements[n-1].ports.Last {
			return l.errorf("not an element of map %s, or not in order", m.name)
		}
		m.elements = append(m.elements, e)
	case l.text == nftElementsOpen:
		if !m.empty {
			return l.errorf("map %s may have older elements: it was not flushed", m.name)
		}
		p.inList = true
	case l.text == "}":
		p.block = nil
		if len(m.head) != 2 || m.head[0] != nftMapType || m.head[1] != nftInterval {
			return l.errorf("map %s is of a kind that is not known", m.name)
		}
		return closeHead(m.head, m.reopened, l)
	default:
		return headLine(&m.head, &m.reopened, l)
	}
	return nil
}

// parseNftElement reads `25000-25399 comment "…" : jump svc_speech,`.
func parseNftElement(l line) (nftElement, bool) {
	w := nftWords{rest: l.text}
	e := nftElement{line: l}
	var ok bool
	if e.ports, ok = parsePorts(w.next(), "-"); !ok || w.next() != "comment" {
		return e, false
	}
	if _, ok = w.quoted(); !ok || w.next() != ":" {
		return e, false
	}
	switch w.next() {
	case "accept":
		e.verdict = ruleset.Accept
	case "drop":
		e.verdict = ruleset.Drop
	case "jump":
		e.jump = w.next()
		ok = nftName(e.jump)
	default:
		ok = false
	}
	return e, ok && w.next() == "," && w.done()
}

func (p *nftParser) limitLine(b *nftLimit, l line) error {
	if l.text == "}" {
		p.block = nil
		if p.limits[b.name] == (nftRate{}) {
			return l.errorf("limit %s has no rate", b.name)
		}
		return nil
	}
	w := nftWords{rest: l.text}
	r, ok := nftRate{}, false
	if w.next() == "rate" {
		r, ok = w.rate()
	}
	if !ok || !w.done() || p.limits[b.name] != (nftRate{}) {
		return l.errorf("not the rate of a limit")
	}
	p.limits[b.name] = r
	return nil
}

func (p *nftParser) chainLine(c *nftChain, l line) error {
	switch {
	case l.text == "}":
		p.block = nil
		return nil
	case strings.HasPrefix(l.text, "type "):
		rest, ok := strings.CutPrefix(l.text, "type filter hook input priority filter - 10; policy ")
		verdict := map[string]ruleset.Verdict{"accept;": ruleset.Accept, "drop;": ruleset.Drop}[rest]
		if !ok || verdict == 0 || c.name != "input" || p.policy != 0 {
			return l.errorf("not the base chain of a portolan table")
		}
		p.policy = verdict
		return nil
	case !c.empty:
		return l.errorf("chain %s may have older rules: it was not flushed", c.name)
	}
	r, err := p.parseRule(l)
	if err != nil {
		return err
	}
	if c.name != "input" && (r.jump != "" || r.vmap != "") {
		return l.errorf("a jump in a chain other than input")
	}
	c.rules = append(c.rules, r)
	return nil
}

var nftPeriods = ruleset.Periods

// parseRule reads one rule: matches, then a limit, then what happens.
func (p *nftParser) parseRule(l line) (nftRule, error) {
	w := nftWords{rest: l.text}
	r := nftRule{match: ruleset.Any(), line: l}
	matching := true // no limit, log or verdict so far
	var logRate *nftRate
	for !w.done() {
		word := w.next()
		if isMatch := word == "iifname" || word == "ct" || word == "meta" || word == "ip" || word == "ip6" ||
			word == "tcp" || word == "udp" || word == "icmp" || word == "icmpv6"; isMatch {
			if !matching {
				return r, l.errorf("%s behind a limit or a verdict", word)
			}
			if err := p.parseMatch(&r, &w, word); err != nil {
				return r, l.errorf("%v", err)
			}
			continue
		}
		ok := true
		switch word {
		case "update":
			ok = matching && p.parseMeter(&r, &w)
			matching = false
		case "limit":
			ok = matching
			switch w.next() {
			case "name":
				name, quoted := w.quoted()
				given := p.limits[name]
				var plain bool
				r.effect.Limit, plain = nftLimitOf(name, given, false)
				ok = ok && quoted && plain
			case "rate":
				given, good := w.rate()
				logRate = &given
				ok = ok && good
			default:
				ok = false
			}
			matching = false
		case "counter":
		case "log":
			ok = logRate != nil && r.effect.Verdict == 0 && r.jump == ""
			if ok {
				r.effect = ruleset.Effect{Verdict: ruleset.Continue, Log: ruleset.Log{Rate: logRate.rate, Burst: logRate.burst}}
				if w.peek() == "prefix" {
					w.next()
					r.effect.Log.Prefix, ok = w.quoted()
					ok = ok && !strings.Contains(r.effect.Log.Prefix, "$")
				}
			}
		case "accept", "drop", "jump":
			ok = r.effect.Verdict == 0 && r.jump == "" && logRate == nil
			switch word {
			case "accept":
				r.effect.Verdict = ruleset.Accept
			case "drop":
				r.effect.Verdict = ruleset.Drop
				ok = ok && r.effect.Limit == ruleset.Limit{}
			default:
				r.jump = w.next()
				ok = ok && p.chains[r.jump] != nil && r.jump != "input" && r.effect.Limit == ruleset.Limit{}
			}
			matching = false
		case "comment":
			r.comment, ok = w.quoted()
			ok = ok && w.done()
		default:
			ok = false
		}
		if !ok {
			return r, l.errorf("%q is not understood here", word)
		}
	}
	if r.effect.Verdict == 0 && r.jump == "" && r.vmap == "" {
		return r, l.errorf("the rule does nothing that is understood")
	}
	if r.vmap != "" && (r.effect.Verdict != 0 || r.jump != "" || !matching) {
		return r, l.errorf("a verdict behind a map")
	}
	return r, nil
}

// parseMatch reads what stands behind the first word of a match.
func (p *nftParser) parseMatch(r *nftRule, w *nftWords, word string) error {
	m := ruleset.Any()
	bad := fmt.Errorf("%q is not understood here", word)
	if r.vmap != "" {
		return bad
	}
	switch word {
	case "iifname":
		var names []string
		for item := range w.set() {
			name, ok := strings.CutPrefix(item, `"`)
			name, closed := strings.CutSuffix(name, `"`)
			if !ok || !closed || strings.ContainsAny(name, `*"\`) || name == "" {
				return bad
			}
			names = append(names, name)
		}
		m.Interfaces = ruleset.InterfacesOf(names...)
	case "ct":
		if w.next() != "state" {
			return bad
		}
		m.States = 0
		for {
			s, ok := parseState(w.next())
			if !ok {
				return bad
			}
			m.States |= s
			if w.peek() != "," {
				break
			}
			w.next()
		}
	case "meta":
		switch w.next() {
		case "nfproto":
			switch w.next() {
			case "ipv4":
				m.Peers = addr.V4()
			case "ipv6":
				m.Peers = addr.V6()
			default:
				return bad
			}
		case "l4proto":
			var ok bool
			if m.Protos, ok = w.bytes(); !ok {
				return bad
			}
		default:
			return bad
		}
	case "ip", "ip6":
		family := map[string]int{"ip": 4, "ip6": 6}[word]
		if w.next() != "saddr" {
			return bad
		}
		item := w.next()
		if name, isSet := strings.CutPrefix(item, "@"); isSet {
			s := p.sets[name]
			if s == nil || s.family() != family {
				return fmt.Errorf("there is no set %q of that family", name)
			}
			m.Peers = addr.OfRanges(s.elements...)
		} else {
			one, ok := parseSource(item, family)
			if !ok {
				return bad
			}
			m.Peers = addr.OfRanges(one)
		}
	case "tcp", "udp":
		if w.next() != "dport" {
			return bad
		}
		m.Protos = only(map[string]uint8{"tcp": uint8(port.TCP), "udp": uint8(port.UDP)}[word])
		if w.peek() == "vmap" {
			w.next()
			name, isSet := strings.CutPrefix(w.next(), "@")
			if !isSet || p.maps[name] == nil {
				return fmt.Errorf("there is no map %q", name)
			}
			r.vmap = name
			break
		}
		var ranges []port.Range
		for item := range w.set() {
			one, ok := parsePorts(item, "-")
			if !ok {
				return bad
			}
			ranges = append(ranges, one)
		}
		m.Ports = port.Of(ranges...)
	case "icmp", "icmpv6":
		// Both look at the family too (nft adds "meta nfproto" by itself).
		m.Protos, m.Peers = only(ruleset.ICMP), addr.V4()
		if word == "icmpv6" {
			m.Protos, m.Peers = only(ruleset.ICMPv6), addr.V6()
		}
		var ok bool
		if w.next() != "type" {
			return bad
		}
		if m.Types, ok = w.bytes(); !ok {
			return bad
		}
	}
	if w.broken {
		return bad
	}
	r.match = r.match.Intersect(m)
	return nil
}

// parseMeter reads `@limit_ssh_10m_5_v4 { ip saddr limit rate 10/minute burst 5 packets }`.
func (p *nftParser) parseMeter(r *nftRule, w *nftWords) bool {
	name, isSet := strings.CutPrefix(w.next(), "@")
	s := p.sets[name]
	if !isSet || s == nil || w.next() != "{" {
		return false
	}
	family, suffix, whole := 4, "_v4", addr.V4()
	if w.next() == "ip6" {
		family, suffix, whole = 6, "_v6", addr.V6()
	}
	if s.counts() != family || w.next() != "saddr" || w.next() != "limit" || w.next() != "rate" {
		return false
	}
	given, ok := w.rate()
	object, ours := strings.CutSuffix(name, suffix)
	if !ok || !ours || w.next() != "}" || s.forgets() < refills(given) {
		return false
	}
	r.match.Peers = r.match.Peers.Intersect(whole)
	r.effect.Limit, ok = nftLimitOf(object, given, true)
	return ok
}

// forgets is how many seconds a counting set remembers an idle source.
func (s *nftSet) forgets() int {
	text, _ := strings.CutPrefix(s.head[3], "timeout ")
	total := 0
	for text != "" {
		digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
		n, err := strconv.Atoi(text[:digits])
		if err != nil || digits == len(text) {
			return 0
		}
		total += n * map[byte]int{'s': 1, 'm': 60, 'h': 3600, 'd': 86400}[text[digits]]
		text = text[digits+1:]
	}
	return total
}

// refills is how many seconds a limit takes to have all of its burst again. A source that
// is forgotten sooner gets more than the limit.
func refills(l nftRate) int {
	period := map[string]int{"second": 1, "minute": 60, "hour": 3600, "day": 86400}[l.rate.Period]
	return (l.burst*period + l.rate.Count - 1) / max(l.rate.Count, 1)
}

// nftLimitOf is the limit that an object of the given name and numbers stands for.
func nftLimitOf(object string, given nftRate, perSource bool) (ruleset.Limit, bool) {
	rest, ours := strings.CutPrefix(object, "limit_")
	if !ours || given == (nftRate{}) {
		return ruleset.Limit{}, false
	}
	name, ok := parseLimitName(rest, "_", given.rate, given.burst)
	return ruleset.Limit{Rate: given.rate, Burst: given.burst, PerSource: perSource, Name: name}, ok
}

// flatten adds r, or the rules it leads to, to rs.
func (p *nftParser) flatten(rs *ruleset.Ruleset, r *nftRule) error {
	add := func(m ruleset.Match, from *nftRule) {
		if !empty(&m) {
			rs.Input.Rules = append(rs.Input.Rules, from.line.rule(m, from.effect, from.comment))
		}
	}
	follow := func(m ruleset.Match, chain string, at line) error {
		c := p.chains[chain]
		if c == nil || chain == "input" {
			return at.errorf("there is no chain %q to jump to", chain)
		}
		if !c.empty {
			return at.errorf("chain %s may have older rules: it was not flushed", chain)
		}
		if len(rs.Input.Rules)+len(c.rules) > maxRules {
			return at.errorf("more than %d rules", maxRules)
		}
		for i := range c.rules {
			add(m.Intersect(c.rules[i].match), &c.rules[i])
		}
		return nil
	}
	switch {
	case r.jump != "":
		return follow(r.match, r.jump, r.line)
	case r.vmap == "":
		add(r.match, r)
		return nil
	}
	// A port has one element, so the order of elements has no meaning and those with the
	// same target are one.
	type target struct {
		verdict ruleset.Verdict
		jump    string
	}
	ports := map[target][]port.Range{}
	var order []nftElement // the first element of each target
	for _, e := range p.maps[r.vmap].elements {
		t := target{e.verdict, e.jump}
		if ports[t] == nil {
			order = append(order, e)
		}
		ports[t] = append(ports[t], e.ports)
	}
	for _, e := range order {
		m := r.match
		m.Ports = m.Ports.Intersect(port.Of(ports[target{e.verdict, e.jump}]...))
		if e.jump == "" {
			add(m, &nftRule{effect: ruleset.Effect{Verdict: e.verdict}, comment: r.vmap, line: e.line})
		} else if err := follow(m, e.jump, e.line); err != nil {
			return err
		}
	}
	if len(rs.Input.Rules) > maxRules {
		return r.line.errorf("more than %d rules", maxRules)
	}
	return nil
}

// nftName reports whether s can be the name of an object of ours.
func nftName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// nftWords cuts a line into words. Braces, commas, colons and semicolons between blanks or
// at the end of a word are words of their own, a string with its quotes is one.
type nftWords struct {
	rest   string
	broken bool // a list was not closed
}

func (w *nftWords) done() bool { return w.rest == "" }

func (w *nftWords) peek() string { c := *w; return c.next() }

// next is the next word, "" at the end.
func (w *nftWords) next() string {
	s := w.rest
	if s == "" {
		return ""
	}
	end := 0
	switch s[0] {
	case '"':
		if i := strings.IndexByte(s[1:], '"'); i >= 0 {
			end = i + 2
		} else {
			end = len(s)
		}
	case ',':
		end = 1
	default:
		end = strings.IndexAny(s, " ,")
		if end < 0 {
			end = len(s)
		}
	}
	w.rest = strings.TrimPrefix(s[end:], " ")
	return s[:end]
}

// quoted reads a string without its quotes. nft's strings know no escape.
func (w *nftWords) quoted() (string, bool) {
	s := w.next()
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	return s[1 : len(s)-1], true
}

// set reads one item, or "{ a, b }".
func (w *nftWords) set() func(func(string) bool) {
	return func(yield func(string) bool) {
		first := w.next()
		if first != "{" {
			yield(first)
			return
		}
		for {
			if !yield(w.next()) {
				return
			}
			switch w.next() {
			case ",":
			case "}":
				return
			default:
				w.broken = true
				return
			}
		}
	}
}

// bytes reads a set of numbers up to 255.
func (w *nftWords) bytes() (ruleset.Bytes, bool) {
	var ns []uint8
	for item := range w.set() {
		n, ok := parseNumber(item, 255)
		if !ok {
			return ruleset.Bytes{}, false
		}
		ns = append(ns, uint8(n))
	}
	return ruleset.BytesOf(ns...), !w.broken
}

// rate reads "10/minute burst 5 packets".
func (w *nftWords) rate() (nftRate, bool) {
	r, ok := parseRate(w.next(), nftPeriods)
	if !ok || w.next() != "burst" {
		return nftRate{}, false
	}
	burst, ok := parseNumber(w.next(), 1_000_000)
	return nftRate{r, burst}, ok && burst > 0 && w.next() == "packets"
}
