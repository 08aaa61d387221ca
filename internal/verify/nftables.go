package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// An nftTable is the table "inet portolan" as it is after a text, in whichever form the text
// was written. The readers fill it, and ruleset says what it means.
type nftTable struct {
	file   *source.File // nil for the kernel's own word
	sets   map[string]*nftSet
	limits map[string]nftRate
	maps   map[string]*nftMap
	chains map[string]*nftChain
}

func newNftTable(f *source.File) *nftTable {
	return &nftTable{f, map[string]*nftSet{}, map[string]nftRate{}, map[string]*nftMap{}, map[string]*nftChain{}}
}

// nftPending is the set whose elements say that a change waits for its confirmation, and
// begins the names of the chains that decide meanwhile.
const nftPending = "pending"

// waits says that a listing has a change that waits for its confirmation: then it depends on
// the time what it means.
func waits() error {
	return wrong("a change of the table waits for its confirmation (set %s): confirm it, roll it back or let it expire first, or read the kernel with verify --live", nftPending)
}

// settled is t without the gates of its base chains: as if each led to its chain, or as if it
// were not there. It tells whether there is a gate.
func (t *nftTable) settled(taken bool) (*nftTable, bool) {
	out, gated := *t, false
	for name := range nftBases {
		c := t.chains[name]
		if c == nil || len(c.rules) == 0 || c.rules[0].gate == "" {
			continue
		}
		if !gated {
			gated = true
			out.chains = maps.Clone(t.chains)
		}
		own := *c
		own.rules = c.rules[1:]
		if to := t.chains[c.rules[0].gate]; taken && to != nil {
			own.rules = to.rules
		}
		out.chains[name] = &own
	}
	return &out, gated
}

type nftRate struct {
	rate  ruleset.Rate
	burst int
}

// nftKind is how a set is defined.
type nftKind struct {
	family                     int // of its addresses
	interval, dynamic, timeout bool
	size, seconds              int // at most so many elements, forgotten after so long
}

// An nftSet holds addresses, or counts each of them when it is dynamic.
type nftSet struct {
	name     string
	kind     nftKind
	fresh    bool // certainly has no element of an older table
	elements []addr.Range

	addresses *addr.Set // all elements, once somebody has asked
}

// all are the addresses of s.
func (s *nftSet) all() addr.Set {
	if s.addresses == nil {
		all := addr.OfRanges(s.elements...)
		s.addresses = &all
	}
	return *s.addresses
}

// add adds elements as nft does, which takes none that overlap.
func (s *nftSet) add(elements []addr.Range, at line) error {
	s.elements = append(s.elements, elements...)
	slices.SortFunc(s.elements, func(a, b addr.Range) int { return a.First.Compare(b.First) })
	for i := 1; i < len(s.elements); i++ {
		if first := s.elements[i].First; !s.elements[i-1].Last.Less(first) {
			return at.errorf("set %s has two elements for address %s", s.name, first)
		}
	}
	return nil
}

// plain reports whether the set holds addresses of the family.
func (s *nftSet) plain(family int) bool { return s.kind == nftKind{family: family, interval: true} }

// minCounted is how many sources a counting set has room for at least. Where it is full, a
// source that is new is counted nowhere and its accept has no effect.
const minCounted = 65535

// counting reports whether the set counts addresses of the family.
func (s *nftSet) counting(family int) bool {
	k := s.kind
	return k.family == family && k.dynamic && !k.interval && k.size >= minCounted && k.timeout == (k.seconds > 0)
}

// An nftMap leads from ports to what happens to them.
type nftMap struct {
	name     string
	counter  bool // each element counts what it decides
	fresh    bool
	elements []nftElement

	leads   []nftLead // once somebody has asked
	decides int       // elements that jump nowhere, likewise
}

// An nftLead is a chain that elements of a map jump to. A port has one element, so the order of
// elements has no meaning, and those that jump to the same chain are one.
type nftLead struct {
	first *nftElement
	n     int // elements
	ports []port.Range
}

// jumps are the chains that m leads to, in the order of their first elements. The table has so many
// chains: there is memory for no more.
func (m *nftMap) jumps(chains int) []nftLead {
	if m.leads != nil {
		return m.leads
	}
	chains = min(chains, len(m.elements))
	m.leads = make([]nftLead, 0, chains)
	known, of := make(map[string]int32, chains), make([]int32, len(m.elements)) // numbers of leads
	for i := range m.elements {
		e := &m.elements[i]
		if e.jump == "" {
			m.decides++
			continue
		}
		n, twice := known[e.jump]
		if !twice {
			n = int32(len(m.leads))
			known[e.jump] = n
			m.leads = append(m.leads, nftLead{first: e})
		}
		m.leads[n].n++
		of[i] = n
	}
	ports := make([]port.Range, len(m.elements))
	for i := range m.leads {
		l := &m.leads[i]
		l.ports, ports = ports[:0:l.n], ports[l.n:]
	}
	for i := range m.elements {
		if e := &m.elements[i]; e.jump != "" {
			l := &m.leads[of[i]]
			l.ports = append(l.ports, e.ports)
		}
	}
	return m.leads
}

type nftElement struct {
	ports   port.Range
	verdict ruleset.Verdict // unless jump is set
	jump    string
	comment string
	line    *line // nil in the kernel: see place
}

// place is where an element stands.
func (m *nftMap) place(e *nftElement) line {
	if e.line != nil {
		return *e.line
	}
	return placeOf(e.comment, "map "+m.name+", element "+e.ports.String())
}

// A placer is where something stands. It is made into words when something is wrong there.
type placer interface{ place() line }

func (l line) place() line     { return l }
func (r *nftRule) place() line { return r.line }

// An elementPlace is that of an element of a map.
type elementPlace struct {
	m *nftMap
	e *nftElement
}

func (p elementPlace) place() line { return p.m.place(p.e) }

// add adds elements as nft does, which takes none that overlap.
func (m *nftMap) add(elements []nftElement) error {
	m.elements = append(m.elements, elements...)
	slices.SortFunc(m.elements, func(a, b nftElement) int { return int(a.ports.First) - int(b.ports.First) })
	for i := 1; i < len(m.elements); i++ {
		if e := &m.elements[i]; e.ports.First <= m.elements[i-1].ports.Last {
			return e.line.errorf("map %s has two elements for port %d", m.name, e.ports.First)
		}
	}
	return nil
}

// An nftHook is where in the kernel a base chain stands.
type nftHook struct {
	hook     string
	priority int
}

// nftBases are the base chains that a table of ours can have.
var nftBases = map[string]nftHook{
	"input": {"input", -10}, "output": {"output", -10}, "raw_prerouting": {"prerouting", -300}, "raw_output": {"output", -300},
}

type nftChain struct {
	name   string
	policy ruleset.Verdict // of a base chain
	fresh  bool            // certainly had no rule of an older table
	rules  []*nftRule
	line   *line // nil in the kernel: see place
}

// place is where a chain stands.
func (c *nftChain) place() line {
	if c.line != nil {
		return *c.line
	}
	return placeOf("", "chain "+c.name)
}

// setBase makes c the base chain that its name says.
func (c *nftChain) setBase(kind, hook string, priority int, policy ruleset.Verdict) error {
	if want, ours := nftBases[c.name]; !ours || kind != "filter" || want != (nftHook{hook, priority}) || policy == 0 {
		return wrong("not a base chain of a portolan table")
	}
	c.policy = policy
	return nil
}

// An nftRule is one rule of a chain. Rules that say the same can share what they say.
type nftRule struct {
	*nftBody
	comment string
	line    line
}

// An nftBody is what a rule says: a match, conditions, and what happens then.
type nftBody struct {
	match ruleset.Match
	in    bool // asks for where a packet comes in or from
	out   bool // asks for where it goes out or to
	sets  []nftSetRef

	count    int       // of all connections that come by
	counting nftSetRef // set that counts connections
	each     int       // of them
	meter    nftSetRef // set that counts packets
	rate     nftRate   // of meter, or of log
	limit    string    // name of a shared limit

	log     bool
	prefix  string
	verdict ruleset.Verdict
	jump    string
	vmap    string
	gate    string // chain that decides instead while a change is pending
	notrack bool

	resolved bool
	effect   *ruleset.Effect // nil for the verdict alone
}

// does is the effect of a rule that is resolved.
func (r *nftBody) does() ruleset.Effect {
	if r.effect != nil {
		return *r.effect
	}
	return ruleset.Effect{Verdict: r.verdict}
}

// An nftSetRef is a set that a rule speaks of, which is of the family that it speaks of.
type nftSetRef struct {
	name   string
	family int
}

// Parts of a rule come in this order. Only a counter can stand anywhere.
const (
	matching = iota
	connecting
	limiting
	acting
	commented
)

// unplaced is what is wrong with a part of a rule; the reader knows where it is.
type unplaced string

func (u unplaced) Error() string { return string(u) }

func wrong(format string, args ...any) error { return unplaced(fmt.Sprintf(format, args...)) }

// An nftBuilder puts a rule together from what a reader finds, part by part.
type nftBuilder struct {
	r    *nftRule
	last int // kind of the last part
}

// newNftBuilder begins a rule that is as new.
func newNftBuilder(r *nftRule, l line) *nftBuilder {
	r.nftBody, r.line = &nftBody{match: ruleset.Any()}, l
	return &nftBuilder{r: r}
}

// step goes on to a part of the given kind, of which there is one except for matches.
func (b *nftBuilder) step(kind int) error {
	if b.last > kind || b.last == kind && kind != matching {
		return wrong("a part of the rule stands behind another one that must come later")
	}
	b.last = kind
	return nil
}

// narrow adds a match. nft takes no protocols that contradict each other.
func (b *nftBuilder) narrow(m ruleset.Match) error {
	b.r.match = b.r.match.Intersect(m)
	if b.r.match.Protos == (ruleset.Bytes{}) {
		return wrong("no protocol is left that the rule could match")
	}
	return nil
}

// where adds a match.
func (b *nftBuilder) where(m ruleset.Match) error {
	if err := b.step(matching); err != nil {
		return err
	}
	return b.narrow(m)
}

// peersIn adds a match of a named set of addresses, of sources or destinations.
func (b *nftBuilder) peersIn(set nftSetRef, sources bool) error {
	b.r.in, b.r.out = b.r.in || sources, b.r.out || !sources
	b.r.sets = append(b.r.sets, set)
	return b.step(matching)
}

// nftInterface reports whether a name can be that of an interface in a rule. A "*" at the end
// would be a pattern.
func nftInterface(name string) bool {
	return name != "" && len(name) <= 15 && !strings.ContainsAny(name, `*"\@`)
}

// compare adds a comparison of a field with one of some items. The names of fields are those
// of nft, the items what it prints.
func (b *nftBuilder) compare(field string, items []string) error {
	bad := wrong("%q is not understood here", strings.Join(items, ", "))
	if len(items) == 0 {
		return wrong("%s is compared with nothing", field)
	}
	m := ruleset.Any()
	switch field {
	case "iifname", "oifname":
		for _, name := range items {
			if !nftInterface(name) {
				return bad
			}
		}
		m.Interfaces = ruleset.InterfacesOf(items...)
		b.r.in, b.r.out = b.r.in || field == "iifname", b.r.out || field == "oifname"
	case "ct state":
		m.States = 0
		for _, item := range items {
			s, ok := parseState(item)
			if !ok {
				return bad
			}
			m.States |= s
		}
	case "meta nfproto":
		m.Peers = addr.Set{}
		for _, item := range items {
			switch item {
			case "ipv4":
				m.Peers = m.Peers.Union(addr.V4())
			case "ipv6":
				m.Peers = m.Peers.Union(addr.V6())
			default:
				return bad
			}
		}
	case "meta l4proto":
		var ok bool
		if m.Protos, ok = nftBytes(items, protocolNames()); !ok {
			return bad
		}
	case "ip saddr", "ip daddr", "ip6 saddr", "ip6 daddr":
		family := 4
		if strings.HasPrefix(field, "ip6") {
			family = 6
		}
		sources := strings.HasSuffix(field, "saddr")
		if name, isSet := strings.CutPrefix(items[0], "@"); isSet {
			if len(items) > 1 {
				return bad
			}
			return b.peersIn(nftSetRef{name, family}, sources)
		}
		b.r.in, b.r.out = b.r.in || sources, b.r.out || !sources
		var ranges []addr.Range
		for _, item := range items {
			one, ok := parseSource(item, family)
			if !ok {
				return bad
			}
			ranges = append(ranges, one)
		}
		m.Peers = addr.OfRanges(ranges...)
	case "tcp dport", "udp dport", "tcp sport", "udp sport":
		var ranges []port.Range
		for _, item := range items {
			one, ok := parsePorts(item, "-")
			if !ok {
				return bad
			}
			ranges = append(ranges, one)
		}
		m.Protos = nftPortsOf(field)
		if strings.HasSuffix(field, "dport") {
			m.Ports = port.Of(ranges...)
		} else {
			m.SourcePorts = port.Of(ranges...)
		}
	case "icmp type", "icmpv6 type":
		// Both look at the family too (nft adds "meta nfproto" by itself).
		m.Protos, m.Peers = only(ruleset.ICMP), addr.V4()
		names := nftTypes4()
		if field == "icmpv6 type" {
			m.Protos, m.Peers, names = only(ruleset.ICMPv6), addr.V6(), nftTypes6()
		}
		var ok bool
		if m.Types, ok = nftBytes(items, names); !ok {
			return bad
		}
	default:
		return wrong("%q is not understood", field)
	}
	return b.where(m)
}

// nftPortsOf is the protocol of "tcp dport" and the like.
func nftPortsOf(field string) ruleset.Bytes {
	if strings.HasPrefix(field, "tcp") {
		return only(uint8(port.TCP))
	}
	return only(uint8(port.UDP))
}

// nftBytes reads numbers up to 255, or names for them.
func nftBytes(items []string, names map[string]uint8) (ruleset.Bytes, bool) {
	var ns []uint8
	for _, item := range items {
		n, known := names[item]
		if !known {
			number, ok := parseNumber(item, 255)
			if !ok {
				return ruleset.Bytes{}, false
			}
			n = uint8(number)
		}
		ns = append(ns, n)
	}
	return ruleset.BytesOf(ns...), true
}

// lookup adds a map that is asked for the port.
func (b *nftBuilder) lookup(field, name string) error {
	if err := b.step(matching); err != nil {
		return err
	}
	if field != "tcp dport" && field != "udp dport" {
		return wrong("a map of %q is not understood", field)
	}
	m := ruleset.Any()
	m.Protos = nftPortsOf(field)
	b.r.vmap = name
	b.last = acting
	return b.narrow(m)
}

// countAll adds a count of all connections.
func (b *nftBuilder) countAll(n int) error {
	b.r.count = n
	return b.step(connecting)
}

// countEach adds a set that counts the connections of each source.
func (b *nftBuilder) countEach(set string, family, n int) error {
	b.r.counting, b.r.each, b.r.in = nftSetRef{set, family}, n, true
	return b.step(connecting)
}

// meterEach adds a set that counts the packets of each source.
func (b *nftBuilder) meterEach(set string, family int, rate nftRate) error {
	b.r.meter, b.r.rate, b.r.in = nftSetRef{set, family}, rate, true
	return b.step(limiting)
}

// limitAll adds a limit that rules share.
func (b *nftBuilder) limitAll(name string) error {
	b.r.limit = name
	return b.step(limiting)
}

// limitHere adds a limit that is the rule's own, which a log has.
func (b *nftBuilder) limitHere(rate nftRate) error {
	b.r.rate = rate
	return b.step(limiting)
}

func (b *nftBuilder) writeLog(prefix string) error {
	b.r.log, b.r.prefix = true, prefix
	if strings.Contains(prefix, "$") {
		return wrong("nft puts something else for a name behind a $ in a prefix")
	}
	return b.step(acting)
}

func (b *nftBuilder) decide(v ruleset.Verdict) error {
	b.r.verdict = v
	return b.step(acting)
}

func (b *nftBuilder) jumpTo(chain string) error {
	b.r.jump = chain
	return b.step(acting)
}

func (b *nftBuilder) waitIn(chain string) error {
	b.r.gate = chain
	return b.step(acting)
}

func (b *nftBuilder) noTracking() error {
	b.r.notrack = true
	return b.step(acting)
}

func (b *nftBuilder) say(comment string) error {
	b.r.comment = comment
	return b.step(commented)
}

// plain reports whether nothing is counted or limited.
func (r *nftBody) plain() bool {
	return r.count == 0 && r.counting == nftSetRef{} && r.meter == nftSetRef{} && r.rate == nftRate{} && r.limit == ""
}

// finish makes sure that the parts are those of a rule that we write.
func (b *nftBuilder) finish() (*nftRule, error) {
	r := b.r
	if r.gate != "" {
		// All that it may look at is the set.
		if all := ruleset.Any(); !r.plain() || len(r.sets) > 0 || !r.match.Equal(&all) || r.verdict != 0 || r.jump != "" || r.vmap != "" || r.log || r.notrack {
			return nil, wrong("something beside the set %s in a rule that goes where a change waits", nftPending)
		}
		return r, nil
	}
	own := r.rate != nftRate{} && r.meter == nftSetRef{}
	limited := r.rate != nftRate{} || r.limit != ""
	counted := r.count > 0 || r.each > 0
	switch {
	case r.verdict == 0 && r.jump == "" && r.vmap == "" && !r.log && !r.notrack:
		return nil, wrong("the rule does nothing that is understood")
	case r.log != own:
		return nil, wrong("a log and a limit of its own belong together")
	case r.log && counted, r.notrack && (limited || counted), r.jump != "" && (limited || r.each > 0), r.verdict == ruleset.Drop && (limited || counted):
		return nil, wrong("a condition on something other than an accept")
	}
	return r, nil
}

// resolve says what r matches and does, now that the sets and limits are known.
func (t *nftTable) resolve(c *nftChain, r *nftRule) error {
	if r.resolved {
		return nil
	}
	r.resolved = true
	for _, ref := range r.sets {
		s := t.sets[ref.name]
		if s == nil || !s.plain(ref.family) {
			return r.line.errorf("there is no set %q of addresses of that family", ref.name)
		}
		r.match.Peers = r.match.Peers.Intersect(s.all())
	}
	if !r.log && r.plain() {
		return nil
	}
	r.effect = &ruleset.Effect{Verdict: r.verdict}
	switch {
	case r.log:
		*r.effect = ruleset.Effect{Verdict: ruleset.Continue, Log: ruleset.Log{Rate: r.rate.rate, Burst: r.rate.burst, Prefix: r.prefix}}
		return nil
	case r.count > 0:
		name, ok := parseCountName(c.name, r.count)
		if !ok || len(c.rules) != 1 {
			return r.line.errorf("a count of connections has a chain to itself, called connections_NAME_%d", r.count)
		}
		r.effect.Connections = ruleset.Connections{Count: r.count, Name: name}
	case r.each > 0:
		s, whole := t.counter(r.counting)
		object, ours := strings.CutSuffix(nftLogical(r.counting.name), nftSuffix(r.counting.family))
		name, ok := parseCountName(object, r.each)
		if s == nil || !ours || !ok || s.kind.timeout {
			return r.line.errorf("%q is not a set that counts %d connections", r.counting.name, r.each)
		}
		r.match.Peers = r.match.Peers.Intersect(whole)
		r.effect.Connections = ruleset.Connections{Count: r.each, PerSource: true, Name: name}
	}
	switch {
	case r.meter != nftSetRef{}:
		s, whole := t.counter(r.meter)
		object, ours := strings.CutSuffix(r.meter.name, nftSuffix(r.meter.family))
		limit, ok := nftLimitOf(object, r.rate, true)
		// A source that is forgotten before it has all of its burst again gets more.
		if s == nil || !ours || !ok || s.kind.seconds < refills(r.rate) {
			return r.line.errorf("%q is not a set that counts to this rate", r.meter.name)
		}
		r.match.Peers = r.match.Peers.Intersect(whole)
		r.effect.Limit = limit
	case r.limit != "":
		limit, ok := nftLimitOf(r.limit, t.limits[r.limit], false)
		if !ok {
			return r.line.errorf("there is no limit %q", r.limit)
		}
		r.effect.Limit = limit
	}
	return nil
}

func nftSuffix(family int) string { return "_v" + strconv.Itoa(family) }

// counter is the counting set of a rule and the family that it counts, nil for none.
func (t *nftTable) counter(ref nftSetRef) (*nftSet, addr.Set) {
	whole := addr.V4()
	if ref.family == 6 {
		whole = addr.V6()
	}
	if s := t.sets[ref.name]; s != nil && s.counting(ref.family) {
		return s, whole
	}
	return nil, whole
}

// refills is how many seconds a limit takes to have all of its burst again.
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

// nftRateOf is the rate that the name of an object of ours says, for nft 0.9.8, which leaves
// it out of its JSON.
func nftRateOf(set string, family int) (nftRate, bool) {
	object, ours := strings.CutSuffix(set, nftSuffix(family))
	parts := strings.Split(object, "_")
	if n := len(parts); ours && parts[0] == "limit" && n >= 3 && len(parts[n-2]) > 1 {
		count, okCount := parseNumber(parts[n-2][:len(parts[n-2])-1], 1_000_000)
		burst, okBurst := parseNumber(parts[n-1], 1_000_000)
		for _, period := range ruleset.Periods {
			if okCount && okBurst && count > 0 && burst > 0 && period[0] == parts[n-2][len(parts[n-2])-1] {
				return nftRate{ruleset.Rate{Count: count, Period: period}, burst}, true
			}
		}
	}
	return nftRate{}, false
}

// parseCountName reads the name of a number of connections out of the name of an object.
func parseCountName(object string, n int) (string, bool) {
	rest, ours := strings.CutPrefix(nftLogical(object), "connections_")
	name, ok := strings.CutSuffix(rest, "_"+strconv.Itoa(n))
	return name, ours && ok && len(name) <= 15 && nftName(name)
}

// nftName reports whether s can be the name of an object of ours.
func nftName(s string) bool {
	s = nftLogical(s)
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return s != ""
}

// nftLogical is a name without its version: a "." and a number from 2 on, by which an object
// stands beside an older one of the same name.
func nftLogical(name string) string {
	base, version, _ := strings.Cut(name, ".")
	if n, ok := parseNumber(version, 1<<30); ok && n >= 2 {
		return base
	}
	return name
}

// ruleset is what the table means.
func (t *nftTable) ruleset() (*ruleset.Ruleset, error) {
	input := t.chains["input"]
	if t.file == nil && input == nil {
		return nil, wrong("there is no base chain called input")
	}
	if input == nil || input.policy == 0 {
		return nil, unfinished(t.file, "there is a base chain called input")
	}
	for _, name := range slices.Sorted(maps.Keys(nftBases)) {
		if c := t.chains[name]; c != nil && c.policy == 0 {
			return nil, c.place().errorf("chain %s stands nowhere in the kernel: it has no type, hook and priority", name)
		}
	}
	if t.file != nil { // of the kernel nothing is read but what is asked below
		if err := t.dangling(); err != nil {
			return nil, err
		}
	}
	rs := &ruleset.Ruleset{}
	counts := map[string]string{}
	for d, name := range []string{ruleset.In: "input", ruleset.Out: "output"} {
		c := t.chains[name]
		if c == nil {
			continue
		}
		n := t.unfolds(c)
		f := nftFlattener{table: t, direction: ruleset.Direction(d), counts: counts, rules: make([]ruleset.Rule, 0, n), origins: make([]source.Span, 0, n)}
		if err := f.chain(ruleset.Any(), name, c, ruleset.Connections{}, 0); err != nil {
			return nil, err
		}
		*rs.Chain(f.direction) = ruleset.Chain{Rules: f.rules, Default: c.policy}
	}
	arriving, err := t.untracked("raw_prerouting")
	if err != nil {
		return nil, err
	}
	leaving, err := t.untracked("raw_output")
	if err != nil {
		return nil, err
	}
	if !arriving.Equal(leaving) {
		differ := wrong("connection tracking is kept from what arrives at the UDP ports %q and from what leaves from %q: both must be the same", arriving, leaving)
		if t.file == nil {
			return nil, differ
		}
		return nil, fmt.Errorf("%s: %w", t.file.Name, differ)
	}
	rs.Untracked = arriving
	return rs, nil
}

// unfolds is how many rules there are in a base chain and the chains that it leads to, so that
// there is memory for no more. What those lead to is not counted: ours lead to few others.
func (t *nftTable) unfolds(c *nftChain) int {
	n := 0
	count := func(name string) {
		n++
		if to := t.chains[name]; to != nil {
			n += max(len(to.rules)-1, 0)
		}
	}
	for _, r := range c.rules {
		if n >= maxRules {
			break
		}
		if vmap := t.maps[r.vmap]; vmap != nil {
			for _, l := range vmap.jumps(len(t.chains)) {
				count(l.first.jump)
			}
			n += vmap.decides
		} else {
			count(r.jump)
		}
	}
	return min(n, maxRules)
}

// dangling says where a rule or an element speaks of something that is not there. nft does
// not load a text with such a place, also where nothing leads to it.
func (t *nftTable) dangling() error {
	for _, name := range slices.Sorted(maps.Keys(t.maps)) {
		for _, e := range t.maps[name].elements {
			if e.jump != "" && t.chains[e.jump] == nil {
				return e.line.errorf("there is no chain %q to jump to", e.jump)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.chains)) {
		for _, r := range t.chains[name].rules {
			for _, ref := range append([]nftSetRef{r.counting, r.meter}, r.sets...) {
				if ref.name != "" && t.sets[ref.name] == nil {
					return r.line.errorf("there is no set %q", ref.name)
				}
			}
			switch {
			case r.jump != "" && t.chains[r.jump] == nil:
				return r.line.errorf("there is no chain %q to jump to", r.jump)
			case r.vmap != "" && t.maps[r.vmap] == nil:
				return r.line.errorf("there is no map %q", r.vmap)
			case r.limit != "" && t.limits[r.limit] == (nftRate{}):
				return r.line.errorf("there is no limit %q", r.limit)
			}
		}
	}
	return nil
}

// untracked are the ports that a chain keeps connection tracking from: destinations of what
// arrives, sources of what leaves.
func (t *nftTable) untracked(name string) (port.Set, error) {
	c := t.chains[name]
	if c == nil {
		return port.Set{}, nil
	}
	if err := t.usable(c, c); err != nil {
		return port.Set{}, err
	}
	if c.policy != ruleset.Accept {
		return port.Set{}, c.place().errorf("chain %s decides more than connection tracking", name)
	}
	var ports port.Set
	for _, r := range c.rules {
		if all := ruleset.Any(); r.verdict == ruleset.Accept && len(r.sets) == 0 && r.plain() && r.match.Equal(&all) {
			break // what it accepts is asked no further here, and that is everything
		}
		m, own := r.match, r.match.Ports
		m.Ports = port.All()
		if name == "raw_output" {
			own, m.Ports, m.SourcePorts = r.match.SourcePorts, r.match.Ports, port.All()
		}
		if !r.notrack || len(r.sets) > 0 || !m.Protos.Has(uint8(port.UDP)) || len(m.Protos.Each()) != 1 ||
			!m.Ports.IsAll() || !m.SourcePorts.IsAll() || !m.Interfaces.IsAll() || !m.Peers.IsAll() || !m.Types.IsAll() || m.States != ruleset.AllStates {
			return port.Set{}, r.line.errorf("chain %s has a rule that is not about connection tracking of UDP ports", name)
		}
		ports = ports.Union(own)
	}
	return ports, nil
}

// usable makes sure that nothing older is in c.
func (t *nftTable) usable(c *nftChain, at placer) error {
	if !c.fresh {
		return at.place().errorf("chain %s may have older rules: it was not flushed", c.name)
	}
	return nil
}

// maxJumps is how deep chains can lead to each other. Ours do so three times; the kernel
// follows sixteen.
const maxJumps = 5

// maxSteps is how many rules and elements are looked at to unfold a text.
const maxSteps = 2 * maxRules

// An nftFlattener makes one list of the rules that lead to each other.
type nftFlattener struct {
	table     *nftTable
	direction ruleset.Direction
	rules     []ruleset.Rule
	origins   []source.Span     // of each rule, in one piece of memory
	steps     int               // rules and elements looked at, whether they match anything or not
	counts    map[string]string // what counts connections, by its name without a version
}

func (f *nftFlattener) add(m *ruleset.Match, e ruleset.Effect, l line, comment string) error {
	if empty(m) {
		return nil
	}
	if len(f.rules) >= maxRules {
		return l.errorf("more than %d rules", maxRules)
	}
	f.origins = append(f.origins, l.span())
	n := len(f.origins)
	f.rules = append(f.rules, ruleset.Rule{Match: *m, Effect: e, Name: comment, Comment: comment, Origins: f.origins[n-1 : n : n]})
	return nil
}

// chain adds the rules of a chain for the packets of m. With connections, the packets are
// those within that number, and what decides them must be an accept.
func (f *nftFlattener) chain(m ruleset.Match, name string, at placer, connections ruleset.Connections, depth int) error {
	c := f.table.chains[name]
	if c == nil || depth > 0 && c.policy != 0 {
		return at.place().errorf("there is no chain %q to jump to", name)
	}
	if depth > maxJumps {
		return at.place().errorf("chains lead to each other more than %d times", maxJumps)
	}
	if err := f.table.usable(c, at); err != nil {
		return err
	}
	for _, r := range c.rules {
		if err := f.rule(m, c, r, connections, depth); err != nil {
			return err
		}
	}
	return nil
}

func (f *nftFlattener) rule(m ruleset.Match, c *nftChain, r *nftRule, connections ruleset.Connections, depth int) error {
	if f.steps++; f.steps > maxSteps {
		return r.line.errorf("chains lead to more than %d rules", maxSteps)
	}
	if err := f.table.resolve(c, r); err != nil {
		return err
	}
	if r.in && f.direction == ruleset.Out || r.out && f.direction == ruleset.In {
		return r.line.errorf("a rule about the other end of a packet that goes %s", f.direction)
	}
	e := r.does()
	if e.Connections != (ruleset.Connections{}) {
		counter := cmp.Or(r.counting.name, c.name)
		if known := f.counts[nftLogical(counter)]; known != "" && known != counter {
			return r.line.errorf("%q and %q count the same connections, each by itself", known, counter)
		}
		f.counts[nftLogical(counter)] = counter
	}
	if connections != (ruleset.Connections{}) {
		if e.Verdict != ruleset.Accept || e.Connections != (ruleset.Connections{}) {
			return r.line.errorf("something other than an accept behind a count of connections")
		}
		e.Connections = connections
	}
	m = m.Intersect(r.match)
	switch {
	case r.gate != "":
		return r.line.errorf("what waits for its confirmation is asked first in a base chain, or nowhere")
	case r.notrack:
		return r.line.errorf("connection tracking is decided here already")
	case r.jump != "":
		return f.chain(m, r.jump, r, e.Connections, depth+1)
	case r.vmap != "":
		return f.lookup(m, r, depth)
	}
	return f.add(&m, e, r.line, r.comment)
}

// lookup adds what the map of r leads to.
func (f *nftFlattener) lookup(m ruleset.Match, r *nftRule, depth int) error {
	vmap := f.table.maps[r.vmap]
	if vmap == nil {
		return r.line.errorf("there is no map %q", r.vmap)
	}
	if !vmap.fresh {
		return r.line.errorf("map %s may have older elements: it was not flushed", r.vmap)
	}
	if f.steps += len(vmap.elements); f.steps > maxSteps {
		return r.line.errorf("maps are asked for more than %d elements", maxSteps)
	}
	for i := range vmap.elements {
		e := &vmap.elements[i]
		if e.jump != "" {
			continue
		}
		own := m
		own.Ports = own.Ports.Intersect(port.Of(e.ports))
		if err := f.add(&own, ruleset.Effect{Verdict: e.verdict}, vmap.place(e), cmp.Or(e.comment, nftLogical(r.vmap))); err != nil {
			return err
		}
	}
	for _, l := range vmap.jumps(len(f.table.chains)) {
		own := m
		own.Ports = own.Ports.Intersect(port.Of(l.ports...))
		if err := f.chain(own, l.first.jump, elementPlace{vmap, l.first}, ruleset.Connections{}, depth+1); err != nil {
			return err
		}
	}
	return nil
}
