package apply

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/nft"
	"portolan/internal/ruleset"
)

// How a table finds its objects among those of the kernel.
type manner bool

const (
	// inForce takes the sets that packets meet, whatever their content: it can be changed
	// where they are.
	inForce manner = false
	// beside takes sets with the wanted content alone. What is missing is made beside what is
	// there.
	beside manner = true
)

// A match is a table with the names that its objects have in the kernel, or will have.
type match struct {
	limits []*wantedLimit
	sets   []*wantedSet   // meters, sets and maps
	chains []*wantedChain // each behind those that it jumps to
	bases  []*wantedBase
	doomed []*Chain // base chains that are not wanted, or stand at the wrong place
	met    reached  // what packets meet, without what waits to be confirmed

	limitNames, setNames map[string]string // in the kernel, by those in the table
}

type wantedLimit struct {
	nft.Limit // with its name in the kernel
	name      string
	live      *Limit // nil when it has to be made
	before    *Limit // what packets meet under its name, if anything
}

type wantedSet struct {
	SetSpec  // with its name in the kernel
	name     string
	elements []Element
	live     *Set // nil when it has to be made
	before   *Set // what packets meet under its name, if anything
}

// edited reports whether the set is there with other elements.
func (s *wantedSet) edited() bool { return s.live != nil && !sameElements(s.live.Elements, s.elements) }

type wantedRule struct {
	table *nft.Rule
	names ruleNames
	Rule
}

// line is the rule with the names of the kernel.
func (w *wantedRule) line() Line {
	l := Line{Rule: *w.table}
	l.Set, l.Map, l.Jump = w.names.set, w.names.lookup, w.names.jump
	l.Meter, l.Connections = renamed(l.Meter, w.names.meter), renamed(l.Connections, w.names.connections)
	if l.Limit != nil {
		limit := *l.Limit
		limit.Name = w.names.limit
		l.Limit = &limit
	}
	return l
}

// renamed is a meter, if there is one, with another name.
func renamed(m *nft.Meter, name string) *nft.Meter {
	if m == nil {
		return nil
	}
	other := *m
	other.Name = name
	return &other
}

// ruleNames are the names in the kernel of all that a rule names.
type ruleNames struct{ set, lookup, jump, meter, connections, limit string }

type wantedChain struct {
	name    string
	kernel  string
	rules   []*wantedRule
	live    *Chain // nil when it has to be made
	before  *Chain // what it replaces, if anything
	table   *nft.Chain
	at      int    // the place of its first rule among all of the table
	matched bool   // its name in the kernel is known
	jump    string // the data of elements that lead to it, once somebody asked
}

type wantedBase struct {
	*nft.Base
	hook  Hook
	rules []*wantedRule
	live  *Chain // nil when it has to be made
}

// same reports whether the kernel has the base chain as it is wanted.
func (b *wantedBase) same() bool {
	return b.live != nil && b.live.Policy == b.Policy && sameRules(b.live.Rules, b.rules)
}

func sameRules(live []Rule, wanted []*wantedRule) bool {
	if len(live) != len(wanted) {
		return false
	}
	for i, w := range wanted {
		if live[i].Code != w.Code || live[i].Comment != w.Comment {
			return false
		}
	}
	return true
}

// A matcher finds the objects of one table in one state.
type matcher struct {
	*match
	live   *State
	manner manner
	codes  codes

	versions map[string][]*Set // of sets, by the name in a table, those that packets meet first
	taken    map[string]bool   // chains of the kernel that stand for one of the table that has another name
	chains   map[string]*wantedChain
	byRules  map[uint64][]*Chain // chains of the kernel; nil until somebody asks
	seed     maphash.Seed
	onTheWay []string // chains that are being matched

	spareRules []*wantedRule // memory for the lists of the rules of all chains
}

// codes remembers how rules of a table were encoded. A plan is often made twice for one table,
// and most names stay; and most rules of a large table say one of few things.
type codes struct {
	rules []*wantedRule // those of its chains and then those of its base chains; nil for one that is not encoded yet
	spare *[]wantedRule // memory for them
	said  map[saying]Rule
	sets  map[*nft.Set][]Element
	maps  map[*nft.Map][]Element // as long as their chains have the same names
	last  *lastSaid
}

// lastSaid is what the last rule said: many neighbours say the same.
type lastSaid struct {
	there  bool
	saying saying
	rule   Rule
}

// newCodes has room for those of a table, which may be nil.
func newCodes(want *nft.Table) codes {
	n := 0
	if want != nil {
		n = rulesIn(want)
	}
	spare := make([]wantedRule, n)
	return codes{make([]*wantedRule, n), &spare, map[saying]Rule{}, map[*nft.Set][]Element{}, map[*nft.Map][]Element{}, &lastSaid{}}
}

// rulesIn are how many rules a table has.
func rulesIn(t *nft.Table) int {
	n := 0
	for _, c := range t.Chains {
		n += len(c.Rules)
	}
	for _, b := range t.Bases {
		n += len(b.Rules)
	}
	return n
}

// sayingOf is all that a rule says but for its comment, when that can be compared: when it
// says nothing of which there can be several.
func sayingOf(x *nft.Rule, n ruleNames) (saying, bool) {
	if len(x.Interfaces)+len(x.SourcePorts)+len(x.Ports)+len(x.Protos)+len(x.Types) > 0 {
		return saying{}, false
	}
	c := saying{names: n, out: x.Out, notrack: x.Notrack, proto: x.Proto, states: x.States, family: x.Family, count: x.Count, verdict: x.Verdict}
	if x.Peer != nil {
		c.first, c.last = x.Peer.First, x.Peer.Last
	}
	if x.Log != nil {
		c.log = *x.Log
	}
	return c, true
}

// saying is what a rule says. Two limits or meters of one table with one name are one.
type saying struct {
	names        ruleNames
	out, notrack bool
	proto        uint8
	states       ruleset.States
	family       int
	first, last  netip.Addr
	count        int
	log          ruleset.Log
	verdict      ruleset.Verdict
}

// newMatch matches a table. An error says that the table is not whole or that a rule cannot be
// said.
func newMatch(live *State, want *nft.Table, manner manner, known codes) (*match, error) {
	if want == nil {
		want = &nft.Table{}
	}
	n := len(want.Chains)
	m := &matcher{
		match: &match{
			limitNames: map[string]string{}, setNames: map[string]string{}, chains: make([]*wantedChain, 0, n),
			met: live.reach(),
		},
		live: live, manner: manner, codes: known, versions: map[string][]*Set{}, taken: map[string]bool{}, chains: make(map[string]*wantedChain, n), seed: maphash.MakeSeed(),
		spareRules: make([]*wantedRule, rulesIn(want)),
	}
	for _, s := range live.Sets {
		m.versions[logical(s.Name)] = append(m.versions[logical(s.Name)], s)
	}
	for _, list := range m.versions {
		m.order(list)
	}
	for i := range want.Limits {
		if err := m.limit(want.Limits[i]); err != nil {
			return nil, err
		}
	}
	for i := range want.Meters {
		x := &want.Meters[i]
		spec := SetSpec{Name: x.Name, What: PacketMeter, Family: x.Family, Timeout: x.Timeout}
		if x.Connections > 0 {
			spec.What, spec.Timeout = ConnectionsMeter, 0
		}
		if err := m.set(spec, nil); err != nil {
			return nil, err
		}
	}
	for _, x := range want.Sets {
		elements, known := m.codes.sets[x]
		if !known {
			elements = elementsOf(x)
			m.codes.sets[x] = elements
		}
		if err := m.set(SetSpec{Name: x.Name, What: Addresses, Family: x.Family}, elements); err != nil {
			return nil, err
		}
	}
	chains, at := make([]wantedChain, n), 0 // one piece of memory
	for i, x := range want.Chains {
		chains[i] = wantedChain{name: x.Name, table: x, at: at}
		m.chains[x.Name] = &chains[i]
		at += len(x.Rules)
	}
	for _, x := range want.Chains {
		if err := m.chain(x.Name); err != nil {
			return nil, err
		}
	}
	for _, x := range want.Maps {
		elements, err := m.mapElements(x)
		if err != nil {
			return nil, err
		}
		if err := m.set(SetSpec{Name: x.Name, What: Ports}, elements); err != nil {
			return nil, err
		}
	}
	return m.match, m.base(want, at)
}

// jumps is how the data of elements begin that lead to a chain.
var jumps = verdictData(verdictJump, "")

// elementsOf are the elements of a set in order. Their keys are one piece of memory.
func elementsOf(x *nft.Set) []Element {
	b := make([]byte, 0, 32*len(x.Elements))
	for _, r := range x.Elements {
		for _, a := range []netip.Addr{r.First, r.Last} {
			b = append(b, a.AsSlice()...)
		}
	}
	keys := string(b)
	next := func(a netip.Addr) (key string) {
		key, keys = keys[:a.BitLen()/8], keys[a.BitLen()/8:]
		return key
	}
	elements := make([]Element, len(x.Elements))
	for i, r := range x.Elements {
		elements[i].First = next(r.First)
		elements[i].Last = next(r.Last)
	}
	sortElements(elements)
	return elements
}

// mapElements are the elements of a map in order. When it was asked before, and the chains have
// still the same names in the kernel, they are the same.
func (m *matcher) mapElements(x *nft.Map) ([]Element, error) {
	known := m.codes.maps[x]
	same := known != nil
	to := make([]*wantedChain, len(x.Elements))
	for i := range x.Elements {
		name := x.Elements[i].Jump
		if i > 0 && name == x.Elements[i-1].Jump { // as most neighbours
			to[i] = to[i-1]
		} else if to[i] = m.chains[name]; to[i] == nil {
			return nil, fmt.Errorf("map %s of the table leads to chain %q, which is not there", x.Name, name)
		}
		same = same && known[i].Jump == to[i].kernel
	}
	if same {
		return known, nil
	}
	var b strings.Builder // the keys are one piece of memory
	b.Grow(4 * len(x.Elements))
	for i := range x.Elements {
		p := x.Elements[i].Ports
		b.Write([]byte{byte(p.First >> 8), byte(p.First), byte(p.Last >> 8), byte(p.Last)})
	}
	keys := b.String()
	elements := make([]Element, len(x.Elements))
	for i, w := range to {
		if w.jump == "" {
			w.jump = jumps + w.kernel
		}
		elements[i] = Element{First: keys[4*i:][:2], Last: keys[4*i+2:][:2], Data: w.jump, Jump: w.kernel, Comment: x.Elements[i].Comment}
	}
	if slices.IsSortedFunc(elements, byFirst) { // those of the table stand in the same order
		m.codes.maps[x] = elements
	}
	sortElements(elements)
	return elements, nil
}

// order sorts versions of one set: those that packets meet come first.
func (m *matcher) order(list []*Set) {
	slices.SortFunc(list, func(a, b *Set) int {
		if x, y := m.met.sets[a.Name], m.met.sets[b.Name]; x != y {
			if x {
				return -1
			}
			return 1
		}
		return byVersion(a.Name, b.Name)
	})
}

// byVersion orders names by their length first, so that .2 comes before .10.
func byVersion(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }

// free is a name that nothing has: the given one, or one with a version.
func free(name string, taken func(string) bool) string {
	if !taken(name) {
		return name
	}
	for i := 2; ; i++ {
		if versioned := name + versionMark + strconv.Itoa(i); !taken(versioned) {
			return versioned
		}
	}
}

func (m *matcher) limit(x nft.Limit) error {
	code, err := limitCode(x)
	if err != nil {
		return fmt.Errorf("limit %s: %w", x.Name, err)
	}
	w := &wantedLimit{x, x.Name, nil, nil}
	var names []string
	for name := range m.live.Limits {
		if logical(name) == x.Name {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, byVersion)
	for _, name := range names {
		l := m.live.Limits[name]
		if l.Code == code && (w.live == nil || m.met.limits[name] && !m.met.limits[w.live.Name]) {
			w.live = l
		}
		if m.met.limits[name] && w.before == nil {
			w.before = l
		}
	}
	if w.live != nil {
		w.Limit.Name = w.live.Name
	} else {
		w.Limit.Name = free(x.Name, func(s string) bool { return m.live.Limits[s] != nil })
	}
	m.limitNames[x.Name] = w.Limit.Name
	m.limits = append(m.limits, w)
	return nil
}

// set matches a set with elements in order.
func (m *matcher) set(spec SetSpec, elements []Element) error {
	kind, err := kindOf(spec)
	if err != nil {
		return fmt.Errorf("set %s: %w", spec.Name, err)
	}
	if _, twice := m.setNames[spec.Name]; twice {
		return fmt.Errorf("the table has set %s twice", spec.Name)
	}
	w := &wantedSet{SetSpec: spec, name: spec.Name, elements: elements}
	for _, s := range m.versions[spec.Name] {
		met := m.met.sets[s.Name]
		if met && w.before == nil {
			w.before = s
		}
		if w.live == nil && s.Kind == kind && (kind.dynamic() || m.manner == inForce && met || sameElements(s.Elements, elements)) {
			w.live = s
		}
	}
	if w.live != nil {
		w.Name = w.live.Name
	} else {
		w.Name = free(spec.Name, func(s string) bool { return m.live.Sets[s] != nil })
	}
	m.setNames[spec.Name] = w.Name
	m.sets = append(m.sets, w)
	return nil
}

// line is a rule with the names of the kernel. at is its place among the rules of the table.
func (m *matcher) line(chain string, x *nft.Rule, at int) (*wantedRule, error) {
	var n ruleNames
	missing := ""
	named := func(names map[string]string, name string) string {
		kernel, ok := names[name]
		if !ok {
			missing = name
		}
		return kernel
	}
	if x.Set != "" {
		n.set = named(m.setNames, x.Set)
	}
	if x.Map != "" {
		n.lookup = named(m.setNames, x.Map)
	}
	if x.Jump != "" {
		if to := m.chains[x.Jump]; to != nil && to.matched {
			n.jump = to.kernel
		} else {
			missing = x.Jump
		}
	}
	if x.Meter != nil {
		n.meter = named(m.setNames, x.Meter.Name)
	}
	if x.Connections != nil {
		n.connections = named(m.setNames, x.Connections.Name)
	}
	if x.Limit != nil {
		n.limit = named(m.limitNames, x.Limit.Name)
	}
	if missing != "" {
		return nil, fmt.Errorf("a rule of chain %s names %q, which is not in the table", chain, missing)
	}
	if known := m.codes.rules[at]; known != nil && known.names == n {
		return known, nil
	}
	w := m.codes.another()
	*w = wantedRule{table: x, names: n}
	if err := m.codes.encode(x, w); err != nil {
		return nil, fmt.Errorf("a rule of chain %s: %w", chain, err)
	}
	w.Comment = x.Comment
	m.codes.rules[at] = w
	return w, nil
}

// another is a new rule, of the spare ones as long as there are any. A rule that was encoded with
// other names is still one of an earlier plan.
func (c *codes) another() *wantedRule {
	if len(*c.spare) == 0 {
		return new(wantedRule)
	}
	w := &(*c.spare)[0]
	*c.spare = (*c.spare)[1:]
	return w
}

// encode says a rule of a table in the words of the kernel.
func (c *codes) encode(x *nft.Rule, w *wantedRule) (err error) {
	says, few := sayingOf(x, w.names)
	if !few {
		w.Rule, err = encode(w.line())
		return err
	}
	if c.last.there && c.last.saying == says {
		w.Rule = c.last.rule
		return nil
	}
	said, ok := c.said[says]
	if !ok {
		if said, err = encode(w.line()); err != nil {
			return err
		}
		c.said[says] = said
	}
	*c.last = lastSaid{true, says, said}
	w.Rule = said
	return nil
}

// chain matches a chain, after those that it jumps to, because their names are in its rules.
func (m *matcher) chain(name string) error {
	w := m.chains[name]
	if w == nil {
		return fmt.Errorf("a rule jumps to chain %q, which is not in the table", name)
	}
	if w.matched {
		return nil
	}
	if slices.Contains(m.onTheWay, name) {
		return fmt.Errorf("chain %s of the table leads to itself", name)
	}
	m.onTheWay = append(m.onTheWay, name)
	x := w.table
	w.rules = m.spareRules[:len(x.Rules):len(x.Rules)]
	m.spareRules = m.spareRules[len(x.Rules):]
	for i := range x.Rules {
		r := &x.Rules[i]
		if r.Map != "" {
			return fmt.Errorf("chain %s of the table looks up a map: only base chains do", name)
		}
		if r.Jump != "" {
			if err := m.chain(r.Jump); err != nil {
				return err
			}
		}
		var err error
		if w.rules[i], err = m.line(name, r, w.at+i); err != nil {
			return err
		}
	}
	if w.live = m.find(w); w.live != nil {
		w.kernel = w.live.Name
	} else {
		w.kernel = free(name, func(s string) bool { return m.live.Chains[s] != nil })
	}
	m.onTheWay = m.onTheWay[:len(m.onTheWay)-1]
	if w.kernel != name {
		m.taken[w.kernel] = true
	}
	w.matched = true
	m.match.chains = append(m.match.chains, w)
	return nil
}

// stands reports whether a chain of the kernel stands for one of the table.
func (m *matcher) stands(name string) bool {
	w := m.chains[name]
	return m.taken[name] || w != nil && w.kernel == name
}

// find is the chain of the kernel that has the rules of a wanted one: under its name, or
// under the name that it has but for the hash of its content and a version. Each stands for
// one chain of the table only, because a rule can count for itself.
func (m *matcher) find(w *wantedChain) *Chain {
	if c := m.live.Chains[w.name]; c != nil && c.Hook == nil && sameRules(c.Rules, w.rules) {
		return c
	}
	if m.byRules == nil {
		m.byRules = map[uint64][]*Chain{}
		for _, c := range m.live.Chains {
			if c.Hook == nil {
				key := m.key(c.Name, len(c.Rules), func(i int) *Rule { return &c.Rules[i] })
				m.byRules[key] = append(m.byRules[key], c)
			}
		}
	}
	var best *Chain
	for _, c := range m.byRules[m.key(w.name, len(w.rules), func(i int) *Rule { return &w.rules[i].Rule })] {
		if m.taken[c.Name] || m.chains[c.Name] != nil || stem(c.Name) != stem(w.name) || !sameRules(c.Rules, w.rules) {
			continue
		}
		better := best == nil
		if !better {
			if x, y := m.met.chains[c.Name], m.met.chains[best.Name]; x != y {
				better = x
			} else {
				better = byVersion(c.Name, best.Name) < 0
			}
		}
		if better {
			best = c
		}
	}
	return best
}

// key is a number that chains with the same stem and rules share.
func (m *matcher) key(name string, n int, rule func(int) *Rule) uint64 {
	var h maphash.Hash
	h.SetSeed(m.seed)
	h.WriteString(stem(name))
	for i := range n {
		h.WriteByte(0)
		h.WriteString(rule(i).Code)
		h.WriteByte(0)
		h.WriteString(rule(i).Comment)
	}
	return h.Sum64()
}

// stem is the name of a chain without its version and without the hash of its content, which
// is eight hexadecimal digits, and a number when two chains had the same.
func stem(name string) string {
	name = logical(name)
	if i := strings.LastIndexByte(name, '_'); i > 0 && isHash(name[i+1:]) {
		return name[:i]
	} else if i > 0 {
		if j := strings.LastIndexByte(name[:i], '_'); j > 0 && isHash(name[j+1:i]) && strings.Trim(name[i+1:], "0123456789") == "" {
			return name[:j]
		}
	}
	return name
}

func isHash(s string) bool { return len(s) == 8 && strings.Trim(s, "0123456789abcdef") == "" }

// base matches base chains, by their name and place, and says which chains are replaced. at is the
// place of their first rule among those of the table.
func (m *matcher) base(want *nft.Table, at int) error {
	right := map[string]bool{}
	for _, b := range want.Bases {
		if len(b.Rules) == 0 {
			continue
		}
		number, ok := hookNumbers[b.Hook]
		if !ok {
			return fmt.Errorf("base chain %s of the table has the hook %q, which is not known", b.Name, b.Hook)
		}
		w := &wantedBase{Base: b, hook: Hook{Type: "filter", Number: number, Priority: b.Priority.Number()}, rules: make([]*wantedRule, len(b.Rules))}
		for i := range b.Rules {
			var err error
			if w.rules[i], err = m.line(b.Name, &b.Rules[i], at+i); err != nil {
				return err
			}
		}
		at += len(b.Rules)
		if c := m.live.Chains[b.Name]; c != nil && c.Hook != nil && *c.Hook == w.hook {
			w.live = c
			right[b.Name] = true
		}
		m.bases = append(m.bases, w)
	}
	for _, c := range m.live.bases() {
		if !right[c.Name] {
			m.doomed = append(m.doomed, c)
		}
	}
	m.replaced()
	return nil
}

// replaced finds for chains that have to be made those that packets meet in their place now:
// the one that the same ports lead to, or the only one with the same stem.
func (m *matcher) replaced() {
	if len(m.live.Chains) == 0 {
		return
	}
	wanted := map[string]*wantedChain{} // by name in the kernel
	paired := map[string]bool{}         // chains of the kernel
	// What stands for a chain of the table is taken. So is the name of one that has to be made, which
	// no chain of the kernel has.
	kept := func(name string) bool { return m.stands(name) || paired[name] }
	for _, w := range m.match.chains {
		if w.live != nil {
			w.before = w.live
		} else {
			wanted[w.kernel] = w
		}
	}
	if len(wanted) == 0 {
		return
	}
	pair := func(w *wantedChain, c *Chain) {
		if w.before == nil && c != nil && c.Hook == nil && !kept(c.Name) && stem(c.Name) == stem(w.name) {
			w.before = c
			paired[c.Name] = true
		}
	}
	for _, s := range m.match.sets {
		if s.What != Ports || s.before == nil {
			continue
		}
		old := s.before.Elements
		for _, e := range s.elements {
			for len(old) > 0 && old[0].Last < e.First {
				old = old[1:]
			}
			if len(old) > 0 && old[0].First <= e.Last {
				if w := wanted[e.Jump]; w != nil {
					pair(w, m.live.Chains[old[0].Jump])
				}
			}
		}
	}
	alone := map[string][]*Chain{}
	for name := range m.met.chains {
		if kept(name) {
			continue
		}
		if c := m.live.Chains[name]; c != nil && c.Hook == nil {
			alone[stem(name)] = append(alone[stem(name)], c)
		}
	}
	fresh := map[string]int{}
	for _, w := range wanted {
		if w.before == nil {
			fresh[stem(w.name)]++
		}
	}
	for _, w := range wanted {
		if s := stem(w.name); w.before == nil && fresh[s] == 1 && len(alone[s]) == 1 {
			pair(w, alone[s][0])
		}
	}
}

// bases are the base chains in the order of their names.
func (s *State) bases() []*Chain {
	var out []*Chain
	for _, c := range s.Chains {
		if c.Hook != nil {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *Chain) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// reached are the names of what base chains lead to, themselves included.
type reached struct{ chains, sets, limits map[string]bool }

// reach is what packets meet, without what waits to be confirmed.
func (s *State) reach() reached {
	out := reached{make(map[string]bool, len(s.Chains)), map[string]bool{}, map[string]bool{}}
	for _, c := range s.bases() {
		s.follow(c.Name, false, out)
	}
	return out
}

// follow adds what a chain leads to, through gates or past them.
func (s *State) follow(name string, through bool, out reached) {
	open := []string{name}
	for len(open) > 0 {
		c := s.Chains[open[len(open)-1]]
		open = open[:len(open)-1]
		if c == nil || out.chains[c.Name] {
			continue
		}
		out.chains[c.Name] = true
		rules := c.Rules
		if !through {
			rules = c.own()
		}
		for i := range rules {
			r := &rules[i]
			open = append(open, r.Chains...)
			for _, l := range r.Limits {
				out.limits[l] = true
			}
			for _, name := range r.Sets {
				if set := s.Sets[name]; set != nil && !out.sets[name] {
					out.sets[name] = true
					last := ""
					for i := range set.Elements {
						if to := set.Elements[i].Jump; to != last && !out.chains[to] {
							open, last = append(open, to), to
						}
					}
				}
			}
		}
	}
}

// sameElements reports whether two lists in order are of the same content.
func sameElements(a, b []Element) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !sameElement(&a[i], &b[i]) {
			return false
		}
	}
	return true
}

// sameElement leaves out Jump, which Data says as well, how much of a timeout is left, and the
// comment: that says a line of a file, and one line more at the top of the file would be a change of
// everything below. Whoever writes an element for another reason writes the new comment.
func sameElement(a, b *Element) bool {
	return a.First == b.First && a.Last == b.Last && a.Data == b.Data && a.Code == b.Code && a.Timeout == b.Timeout
}

// between is what has to go and to come to make one list of elements another. Both are in
// order.
func between(old, wanted []Element) (gone, fresh []Element) {
	if len(old) == 0 || len(wanted) == 0 {
		return old, wanted
	}
	for len(old) > 0 || len(wanted) > 0 {
		switch {
		case len(wanted) == 0 || len(old) > 0 && old[0].First < wanted[0].First:
			gone, old = append(gone, old[0]), old[1:]
		case len(old) == 0 || wanted[0].First < old[0].First:
			fresh, wanted = append(fresh, wanted[0]), wanted[1:]
		default:
			if !sameElement(&old[0], &wanted[0]) {
				gone, fresh = append(gone, old[0]), append(fresh, wanted[0])
			}
			old, wanted = old[1:], wanted[1:]
		}
	}
	return gone, fresh
}
