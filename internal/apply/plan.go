package apply

import (
	"slices"
	"sync"

	"portolan/internal/nft"
	"portolan/internal/ruleset"
)

// A Plan is what leads from a state of the kernel to a table, in up to three batches.
//
//   - The first makes what is missing. Nothing leads to it yet, so no packet meets it, and
//     sets have their content, which the kernel shows only at the end of a commit, before a
//     rule asks for them.
//   - The second changes what packets meet: rules of base chains, or elements. Rules of all
//     base chains change at once, and a packet that is in a chain goes on in the rules that
//     it began with. It meets the sets, maps and chains that its rules lead to, and none of
//     these is changed in this batch; so all that it meets is old, or all is new.
//   - The third takes away what nothing leads to any more.
//
// Elements change in the second batch only when no rule of a base chain does, and when a
// packet looks at what changes at most once on its way: then there is one moment for it,
// too (see onePath).
//
// A packet is asked by several hooks, before connection tracking and behind it, and each
// time it is another question: between the two a change can come. The tables are made so that each
// hook is right with both versions of the other: what is not tracked is accepted, or not,
// by its ports, before its state is asked for.
//
// A policy is read when a packet has fallen off the end of the rules, and changes a moment
// after them; so it never decides while anything changes. A policy that becomes accept does
// so in the first batch, where a rule drops in its place what it dropped; one that becomes
// drop does so in the third, when the last rule drops already, as it does in our tables. A
// new base chain lets everything pass until its rules are there, which is what its absence did,
// and one that goes accepts before it loses its rules.
// Whoever is killed between two batches leaves old or new, and what nothing leads to, which
// the next plan takes away.
type Plan struct {
	Live *State
	Want *nft.Table // nil for none

	told    func() []Difference
	codes   codes
	match   *match
	near    *match // with what packets meet now
	prepare Batch
	flip    Batch
	tidy    Batch
	// edited are the sets and maps whose elements change where they are; nil unless that is
	// all that packets notice.
	edited []*wantedSet
	gone   Batch // that takes away a table which is made anew
	awake  *Plan // what would be done if a table that is switched off were not; nil for others
}

// fromNothing reports whether packets meet no table now.
func (p *Plan) fromNothing() bool { return !p.Live.Exists || p.awake != nil }

// asleep makes the whole table in one batch, so that no packet is asked about it. Base chains
// have their policies at once: nobody can fall off the end of rules that are not there yet.
func (p *Plan) asleep() Batch {
	b := append(slices.Clone(p.gone), AddTable{Asleep: true})
	b = append(b, p.prepare[len(b):]...) // which begins the same, but for a table that is awake
	for _, w := range p.match.bases {
		hook := w.hook
		b = append(b, AddChain{w.Name, &hook, w.Policy})
		b = append(b, newRules(w.Name, w.rules, make([]*Rule, len(w.rules)))...)
	}
	return b
}

// none is a state without the table.
func (s *State) none() *State {
	return &State{Generation: s.Generation, Limits: map[string]*Limit{}, Sets: map[string]*Set{}, Chains: map[string]*Chain{}}
}

// Empty reports whether nothing is to be sent: the kernel is as it should be, without
// anything left over.
func (p *Plan) Empty() bool { return len(p.prepare)+len(p.flip)+len(p.tidy) == 0 }

// InForce reports whether packets meet what is wanted. What nothing leads to may be left over.
func (p *Plan) InForce() bool { return len(p.prepare)+len(p.flip) == 0 }

// InPlace reports whether packets notice nothing but elements of sets and maps that change
// where they are, all in one batch. Chains to which new elements lead are made in a batch
// before, and those to which none leads any more are taken away in one behind.
func (p *Plan) InPlace() bool { return len(p.edited) > 0 }

// NeedsCounters reports whether rules that are written anew may go on with counters, so that what
// packets have counted since the state was read would be lost.
func (p *Plan) NeedsCounters() bool {
	return !p.Empty() && !(p.InPlace() && len(p.prepare) == 0)
}

// takesOver reports whether rules that are written anew go on with counters.
func (p *Plan) takesOver() bool {
	for _, b := range []Batch{p.prepare, p.flip} {
		for _, c := range b {
			if a, ok := c.(AddRule); ok && a.Packets > 0 {
				return true
			}
		}
	}
	if p.InPlace() {
		return false
	}
	// While it waits to be confirmed, a chain with all rules stands for a base chain.
	return slices.ContainsFunc(p.Live.bases(), func(c *Chain) bool {
		return slices.ContainsFunc(c.Rules, func(r Rule) bool { return r.Packets > 0 })
	})
}

// count is the number of changes, each element by itself.
func (b Batch) count() int {
	n := 0
	for _, c := range b {
		switch c := c.(type) {
		case AddElements:
			n += len(c.Elements)
		case DeleteElements:
			n += len(c.Elements)
		default:
			n++
		}
	}
	return n
}

// NewPlan is the plan from a state to a table; the table is not to be there when want is nil.
// What waits to be confirmed counts as something to be taken away, unless want is just that:
// then the plan takes it into force. An error says that the table cannot be said: a name in
// it is missing or nothing that the kernel knows.
func NewPlan(live *State, want *nft.Table) (*Plan, error) {
	return newPlan(live, want, newCodes(want))
}

// Differences are what is to be changed, in words: for people, and to find out what somebody did
// by hand. There are none exactly when there is nothing to send. They are put together when
// somebody asks for them the first time, which may be another goroutine than that which carries out
// the plan.
func (p *Plan) Differences() []Difference { return p.told() }

// Changes is how many Differences there are.
func (p *Plan) Changes() int {
	t := teller{counts: true}
	p.tell(&t)
	return t.n
}

// newPlan is NewPlan for somebody who knows the codes of the table.
func newPlan(live *State, want *nft.Table, known codes) (*Plan, error) {
	if live.Dormant && want != nil {
		// No packet meets anything of it, and what is old is not to be met for a moment when
		// it wakes up. So it is as if there were no table.
		p, err := newPlan(live.none(), want, known)
		if err != nil {
			return nil, err
		}
		p.gone, p.prepare = Batch{DeleteTable{}}, append(Batch{DeleteTable{}}, p.prepare...)
		p.awake, err = newPlan(live.awake(), want, known)
		return p, err
	}
	p := &Plan{Live: live, Want: want, codes: known}
	p.told = sync.OnceValue(p.differences)
	near, err := newMatch(live, want, inForce, known)
	if err != nil {
		return nil, err
	}
	p.match, p.near = near, near
	if edits := near.edits(); !live.gated() && near.basesSame() && live.onePath(near, edits) {
		p.edited = edits
	} else if !live.Exists {
		// Nothing is in the way, so nothing has to stand beside it.
	} else if p.match, err = newMatch(live, want, beside, known); err != nil {
		return nil, err
	}
	switch {
	case want == nil && live.Exists:
		if p.prepare, err = harmless(p.match.doomed); err != nil {
			return nil, err
		}
		p.flip = append(live.unconfirmed(), DeleteTable{})
	case want != nil:
		accept, err := harmless(p.match.accepting())
		if err != nil {
			return nil, err
		}
		p.prepare = append(p.match.missing(live), accept...)
		rules, err := p.match.rules(live)
		if err != nil {
			return nil, err
		}
		p.flip = append(live.unconfirmed(), rules...)
		if p.tidy = live.without(p.match.used()); p.match.inTheWay(live) {
			p.flip, p.tidy = append(p.flip, p.tidy...), nil
		}
		p.flip = append(p.flip, p.match.comers(live)...)
		p.tidy = append(p.match.policies(), p.tidy...)
	}
	for _, s := range p.edited {
		gone, fresh := between(s.live.Elements, s.elements)
		p.flip = append(p.flip, elementChanges(s.SetSpec, gone, fresh)...)
	}
	return p, nil
}

func elementChanges(s SetSpec, gone, fresh []Element) Batch {
	var b Batch
	if len(gone) > 0 {
		b = append(b, DeleteElements{s, gone})
	}
	if len(fresh) > 0 {
		b = append(b, AddElements{s, fresh})
	}
	return b
}

// edits are the sets and maps that are there with other elements.
func (m *match) edits() []*wantedSet {
	var out []*wantedSet
	for _, s := range m.sets {
		if s.edited() && !s.live.Kind.dynamic() {
			out = append(out, s)
		}
	}
	return out
}

// basesSame reports whether no rule of a base chain changes, and no chain comes or goes.
func (m *match) basesSame() bool {
	return len(m.doomed) == 0 && !slices.ContainsFunc(m.bases, func(b *wantedBase) bool { return !b.same() })
}

// A traffic is what packets have that rules tell apart by name: no packet is of two. Other
// protocols meet a part of what those of TCP meet.
type traffic struct {
	family int
	proto  uint8
}

var traffics = []traffic{{4, 6}, {4, 17}, {6, 6}, {6, 17}}

// onePath reports whether a packet looks at most once at one of the given sets and maps, all
// of which change in one batch. Each shows its new content at a moment of its own, so who looks
// twice may see old and new. The rules of base chains stay, so paths are the same before and
// after, but for those through a map that changes: behind such a map, and before it, no set may
// change at all.
func (s *State) onePath(m *match, edits []*wantedSet) bool {
	if len(edits) == 0 {
		return true
	}
	changed, maps := map[string]bool{}, map[string]*wantedSet{}
	for _, e := range edits {
		changed[e.Name] = true
	}
	for _, w := range m.sets {
		if w.What == Ports {
			maps[w.Name] = w
		}
	}
	onlyMaps := !slices.ContainsFunc(edits, func(e *wantedSet) bool { return maps[e.Name] == nil })
	chains := map[string]*wantedChain{} // those that lead to what changes
	for _, c := range m.chains {        // behind those that they jump to
		if slices.ContainsFunc(c.rules, func(r *wantedRule) bool { return changed[r.names.set] || chains[r.names.jump] != nil }) {
			chains[c.kernel] = c
		}
	}
	for _, b := range m.bases {
		var most looks
		for _, t := range traffics {
			w := walk{t, changed, maps, chains, map[string]looks{}}
			n := w.rules(b.rules)
			if n.maps+n.sets > 1 {
				return false
			}
			most = looks{max(most.maps, n.maps), max(most.sets, n.sets)}
		}
		if onlyMaps && most.sets == 0 { // most changes are like that, and need no look at all chains
			continue
		}
		old := reached{map[string]bool{}, map[string]bool{}, map[string]bool{}}
		s.follow(b.Name, true, old)
		editedMap, editedSet := false, false
		for name := range old.sets {
			if changed[name] {
				editedMap = editedMap || maps[name] != nil
				editedSet = editedSet || maps[name] == nil
			}
		}
		if editedMap && (editedSet || most.sets > 0) {
			return false
		}
	}
	return true
}

// looks is how often a packet may look at changed maps and sets, at most.
type looks struct{ maps, sets int }

func (a looks) plus(b looks) looks { return looks{a.maps + b.maps, a.sets + b.sets} }

// A walk counts the looks of one traffic.
type walk struct {
	traffic
	changed map[string]bool
	maps    map[string]*wantedSet
	chains  map[string]*wantedChain // by name in the kernel, those that lead to changed sets
	done    map[string]looks        // of chains and maps
}

func (w *walk) rules(rules []*wantedRule) looks {
	var n looks
	for i := range rules {
		l := rules[i].line()
		if l.Family != 0 && l.Family != w.family || l.Proto != 0 && l.Proto != w.proto {
			continue
		}
		if w.changed[l.Set] {
			n.sets++
		}
		if l.Map != "" {
			n = n.plus(w.through(l.Map))
		}
		if l.Jump != "" {
			n = n.plus(w.chain(l.Jump))
		}
	}
	return n
}

// through is what a packet looks at that asks a map: the most of all ports.
func (w *walk) through(name string) looks {
	if n, ok := w.done["map "+name]; ok {
		return n
	}
	var n looks
	for i := range w.maps[name].elements {
		c := w.chain(w.maps[name].elements[i].Jump)
		n = looks{max(n.maps, c.maps), max(n.sets, c.sets)}
	}
	if w.changed[name] {
		n.maps++
	}
	w.done["map "+name] = n
	return n
}

func (w *walk) chain(name string) looks {
	c := w.chains[name]
	if c == nil {
		return looks{}
	}
	n, ok := w.done[name]
	if !ok {
		n = w.rules(c.rules)
		w.done[name] = n
	}
	return n
}

// missing makes what is not there: first all that rules can name, then rules, then what
// leads to chains.
func (m *match) missing(live *State) Batch {
	var b, last Batch
	if !live.Exists {
		b = append(b, AddTable{})
	}
	for _, l := range m.limits {
		if l.live == nil {
			b = append(b, AddLimit{l.Limit})
		}
	}
	for _, s := range m.sets {
		if s.live != nil {
			// What packets did not put into a meter goes before anything else changes.
			if s.live.Kind.dynamic() {
				b = append(b, elementChanges(s.SetSpec, s.live.Elements, nil)...)
			}
			continue
		}
		b = append(b, AddSet{s.SetSpec})
		switch fill := elementChanges(s.SetSpec, nil, s.elements); s.What {
		case Ports:
			last = append(last, fill...)
		default:
			b = append(b, fill...)
		}
	}
	for _, c := range m.chains {
		if c.live == nil {
			b = append(b, AddChain{Name: c.kernel})
		}
	}
	for _, c := range m.chains {
		if c.live == nil {
			var old []Rule
			if c.before != nil {
				old = c.before.Rules
			}
			b = append(b, newRules(c.kernel, c.rules, counts(old, c.rules))...)
		}
	}
	return append(b, last...)
}

// newRules are rules behind those of a chain.
func newRules(chain string, rules []*wantedRule, from []*Rule) Batch {
	b := make(Batch, 0, len(rules))
	for i := range rules {
		b = append(b, addRule(chain, 0, rules[i], from[i]))
	}
	return b
}

func addRule(chain string, before uint64, w *wantedRule, from *Rule) AddRule {
	a := AddRule{Chain: chain, Before: before, Line: w.line()}
	if from != nil {
		a.Packets, a.Bytes = from.Packets, from.Bytes
	}
	return a
}

// counts finds for each wanted rule the one whose counter it goes on with, nil for none:
// the same rule, or the one with the same comment when as many have it in both lists.
func counts(old []Rule, wanted []*wantedRule) []*Rule {
	out := make([]*Rule, len(wanted))
	if len(old) == 0 {
		return out
	}
	kept, stays := common(old, wanted)
	was, is := map[string][]int{}, map[string][]int{}
	for i := range old {
		if !stays[i] {
			was[old[i].Comment] = append(was[old[i].Comment], i)
		}
	}
	for i := range wanted {
		if kept[i] >= 0 {
			out[i] = &old[kept[i]]
		} else {
			is[wanted[i].Comment] = append(is[wanted[i].Comment], i)
		}
	}
	for comment, list := range is {
		if comment == "" || len(list) != len(was[comment]) {
			continue
		}
		for k, i := range list {
			out[i] = &old[was[comment][k]]
		}
	}
	return out
}

// common is a longest common subsequence of two lists of rules, as far as each rule is
// there once: the index of the rule that stays for each wanted one, -1 for none, and which
// old ones stay.
func common(old []Rule, wanted []*wantedRule) (kept []int, stays []bool) {
	kept, stays = make([]int, len(wanted)), make([]bool, len(old))
	keep := func(i, j int) { kept[j], stays[i] = i, true }
	for j := range kept {
		kept[j] = -1
	}
	same := func(i, j int) bool { return old[i].Code == wanted[j].Code && old[i].Comment == wanted[j].Comment }
	first, endOld, endNew := 0, len(old), len(wanted)
	for first < endOld && first < endNew && same(first, first) {
		keep(first, first)
		first++
	}
	for endOld > first && endNew > first && same(endOld-1, endNew-1) {
		endOld, endNew = endOld-1, endNew-1
		keep(endOld, endNew)
	}
	// What is left is paired, the first of equal rules with the first, and of the pairs a
	// longest list is taken in which both indices grow.
	type said struct{ code, comment string }
	places := map[said][]int{}
	for i := first; i < endOld; i++ {
		k := said{old[i].Code, old[i].Comment}
		places[k] = append(places[k], i)
	}
	type pair struct{ i, j, previous int }
	var pairs []pair
	var ends []int // by length of a list less one, the pair that ends it with the lowest i
	for j := first; j < endNew; j++ {
		k := said{wanted[j].Code, wanted[j].Comment}
		if len(places[k]) == 0 {
			continue
		}
		p := pair{places[k][0], j, -1}
		places[k] = places[k][1:]
		at, _ := slices.BinarySearchFunc(ends, p.i, func(e, i int) int { return pairs[e].i - i })
		if at > 0 {
			p.previous = ends[at-1]
		}
		pairs = append(pairs, p)
		if at == len(ends) {
			ends = append(ends, 0)
		}
		ends[at] = len(pairs) - 1
	}
	if len(ends) > 0 {
		for at := ends[len(ends)-1]; at >= 0; at = pairs[at].previous {
			keep(pairs[at].i, pairs[at].j)
		}
	}
	return kept, stays
}

// rules changes base chains: those that go, and rule by rule those that stay.
func (m *match) rules(live *State) (Batch, error) {
	var b Batch
	for _, c := range m.doomed {
		b = append(b, clearChain(c)...)
	}
	for _, w := range m.bases {
		if w.live == nil {
			continue
		}
		open, err := w.live.open()
		if err != nil {
			return nil, err
		}
		b = append(b, w.changes(live, open)...)
	}
	return b, nil
}

// comers makes the base chains that come. One may have stood at another place.
func (m *match) comers(live *State) Batch {
	var b Batch
	for _, w := range m.bases {
		if w.live != nil {
			continue
		}
		var old []Rule
		if c := live.Chains[w.Name]; c != nil {
			old = c.Rules
		}
		hook := w.hook
		b = append(b, AddChain{w.Name, &hook, ruleset.Accept})
		b = append(b, newRules(w.Name, w.rules, counts(old, w.rules))...)
	}
	return b
}

// inTheWay reports whether somebody made a chain with the name of a base chain that comes.
func (m *match) inTheWay(live *State) bool {
	return slices.ContainsFunc(m.bases, func(w *wantedBase) bool {
		c := live.Chains[w.Name]
		return w.live == nil && c != nil && c.Hook == nil
	})
}

// clearChain takes a chain away.
func clearChain(c *Chain) Batch {
	var b Batch
	if len(c.Rules) > 0 {
		b = append(b, FlushChain{c.Name})
	}
	return append(b, DeleteChain{c.Name})
}

// changes makes the rules of a base chain what they should be. What stays is not touched, so that
// its counter goes on. While a change waits to be confirmed, packets are counted in the chain
// that stands for the base chain; so all rules are written again then, and go on with the
// counters of that one.
func (w *wantedBase) changes(live *State, open bool) Batch {
	old := w.live.Rules
	kept, stays := common(old, w.rules)
	from := counts(old, w.rules)
	// A rule may have been added behind them in the first batch.
	all := w.live.Policy == ruleset.Drop && w.Policy == ruleset.Accept && open && !w.decides()
	if gates := w.live.gates(); len(gates) > 0 {
		if c := live.Chains[gates[0].Chains[0]]; c != nil {
			from = counts(c.Rules, w.rules)
		}
		all = true
	}
	var b Batch
	if all {
		for j := range kept {
			kept[j] = -1
		}
		b = append(b, FlushChain{w.Name})
	}
	for i := range old {
		if !stays[i] && !all {
			b = append(b, DeleteRule{w.Name, old[i].Handle})
		}
	}
	next := uint64(0)
	var added Batch
	for j := len(w.rules) - 1; j >= 0; j-- {
		if kept[j] >= 0 {
			next = old[kept[j]].Handle
		} else {
			added = append(added, addRule(w.Name, next, w.rules[j], from[j]))
		}
	}
	slices.Reverse(added)
	return append(b, added...)
}

// accepting are base chains whose policy has to accept before anything changes, those that go
// among them.
func (m *match) accepting() []*Chain {
	out := slices.Clone(m.doomed)
	for _, w := range m.bases {
		if w.live != nil && w.Policy == ruleset.Accept && !w.decides() {
			out = append(out, w.live)
		}
	}
	return out
}

// decides reports whether no packet meets the policy.
func (w *wantedBase) decides() bool {
	last := w.rules[len(w.rules)-1].line()
	return last.decides()
}

// policies are those that no packet meets any more, or that drop.
func (m *match) policies() Batch {
	var b Batch
	for _, w := range m.bases {
		now := ruleset.Accept // of one that has just been made
		if w.live != nil {
			now = w.live.Policy
		}
		if w.Policy != now && (w.Policy == ruleset.Drop || w.decides()) {
			b = append(b, SetPolicy{w.Name, w.Policy})
		}
	}
	return b
}

// harmless gives base chains the policy to accept. What the policy dropped, a rule drops
// then, unless the last one decides anyway.
func harmless(chains []*Chain) (Batch, error) {
	var b Batch
	for _, c := range chains {
		if c.Policy == ruleset.Accept {
			continue
		}
		open, err := c.open()
		if err != nil {
			return nil, err
		}
		if open {
			b = append(b, AddRule{Chain: c.Name, Line: Line{Rule: nft.Rule{Verdict: ruleset.Drop, Comment: "what the policy of the chain dropped"}}})
		}
		b = append(b, SetPolicy{c.Name, ruleset.Accept})
	}
	return b, nil
}

// open reports whether a packet may fall off the end of the rules: whether the last one is not
// a verdict for all.
func (c *Chain) open() (bool, error) {
	if len(c.Rules) == 0 {
		return true, nil
	}
	for _, v := range []ruleset.Verdict{ruleset.Accept, ruleset.Drop} {
		r, err := encode(Line{Rule: nft.Rule{Verdict: v}})
		if err != nil {
			return true, err
		}
		if r.Code == c.Rules[len(c.Rules)-1].Code {
			return false, nil
		}
	}
	return true, nil
}

// used are the names in the kernel of all that a table is made of.
type used struct{ limits, sets, chains map[string]bool }

// used is what stays. Base chains that go are gone already when it is asked for.
func (m *match) used() used {
	u := used{map[string]bool{}, map[string]bool{}, make(map[string]bool, len(m.chains))}
	for _, l := range m.limits {
		u.limits[l.Limit.Name] = true
	}
	for _, s := range m.sets {
		u.sets[s.Name] = true
	}
	for _, c := range m.chains {
		u.chains[c.kernel] = true
	}
	for _, b := range m.bases {
		if b.live != nil {
			u.chains[b.Name] = true
		}
	}
	for _, c := range m.doomed {
		u.chains[c.Name] = true
	}
	return u
}

// without takes everything away but what is used: rules first, because they name the rest,
// then maps, because they lead to chains.
func (s *State) without(u used) Batch {
	var b, maps, chains, sets, rest Batch
	for _, name := range unused(s.Chains, u.chains) {
		if s.Chains[name].Bound {
			continue
		}
		if len(s.Chains[name].Rules) > 0 {
			b = append(b, FlushChain{name})
		}
		chains = append(chains, DeleteChain{name})
	}
	for _, name := range unused(s.Sets, u.sets) {
		if s.Sets[name].Kind.Flags&flagMap != 0 {
			maps = append(maps, DeleteSet{name})
		} else {
			sets = append(sets, DeleteSet{name})
		}
	}
	for _, name := range unused(s.Limits, u.limits) {
		rest = append(rest, DeleteLimit{name})
	}
	for _, o := range s.Strange {
		rest = append(rest, DeleteObject{o})
	}
	return slices.Concat(b, maps, chains, sets, rest)
}

// unused are the names in all that are not used, in order.
func unused[T any](all map[string]T, used map[string]bool) []string {
	var out []string
	for name := range all {
		if !used[name] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
