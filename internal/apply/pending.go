package apply

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"portolan/internal/nft"
	"portolan/internal/ruleset"
)

func sortedKeys[T any](m map[string]T) []string {
	keys := slices.AppendSeq(make([]string, 0, len(m)), maps.Keys(m))
	slices.Sort(keys)
	return keys
}

// The keys of Pending: NFPROTO_IPV4 and NFPROTO_IPV6.
var pendingKeys = []string{"\x02", "\x0a"}

// gateComment says to people who look at the rules what the gate is.
const gateComment = "unconfirmed change: in force until the elements of the set expire"

// gate reports whether a rule leads to what waits to be confirmed, if it stands in a base chain.
func (r *Rule) gate() bool {
	return len(r.Sets) == 1 && logical(r.Sets[0]) == Pending && len(r.Chains) == 1 && strings.HasPrefix(r.Chains[0], pendingPrefix)
}

// gates are those of a base chain: one, the first rule, unless somebody was at work by hand. What
// looks like one in another chain is a rule like any other.
func (c *Chain) gates() []*Rule {
	var out []*Rule
	for i := range c.Rules {
		if c.Hook != nil && c.Rules[i].gate() {
			out = append(out, &c.Rules[i])
		}
	}
	return out
}

// own are the rules of a chain without its gates.
func (c *Chain) own() []Rule {
	if len(c.gates()) == 0 {
		return c.Rules
	}
	return slices.DeleteFunc(slices.Clone(c.Rules), func(r Rule) bool { return r.gate() })
}

// gated reports whether a base chain has a gate.
func (s *State) gated() bool { return s.pendingSet() != "" }

// pendingSet is the set that the gates ask, "" when there is none. We put all of them up at
// once, and they ask the same.
func (s *State) pendingSet() string {
	for _, c := range s.bases() {
		if gates := c.gates(); len(gates) > 0 {
			return gates[0].Sets[0]
		}
	}
	return ""
}

// PendingLeft is how long the kernel keeps a change that waits to be confirmed, seen from the
// moment in which the state was read, and whether there is one. It is 0 when the time is
// over: then packets meet the old rules again, and what was made is still there.
func (s *State) PendingLeft() (left time.Duration, pending bool) {
	if !s.gated() || s.Dormant { // nobody meets anything of it
		return 0, false
	}
	set := s.Sets[s.pendingSet()]
	if set == nil {
		return 0, true
	}
	found := 0
	for _, e := range set.Elements {
		if slices.Contains(pendingKeys, e.First) {
			if found == 0 || e.Expires < left {
				left = e.Expires
			}
			found++
		}
	}
	if found < len(pendingKeys) { // without both, a part of the packets met the old rules
		return 0, true
	}
	return max(left, 0), true
}

// leftBehind reports whether anything is there that a change needs until it is confirmed.
func (s *State) leftBehind() bool {
	if s.Dormant {
		return false // the table will be made anew
	}
	if s.gated() {
		return true
	}
	for name := range s.Sets {
		if logical(name) == Pending {
			return true
		}
	}
	for name := range s.Chains {
		if strings.HasPrefix(name, pendingPrefix) {
			return true
		}
	}
	return false
}

// unconfirmed takes the elements out that say that a change is in force. It stands in the
// batch that confirms: when they expire before the kernel looks at the batch, there is nothing to
// take out, and it refuses the whole batch, so nobody is told that a change stays which the kernel
// took back. When they expire behind that and before the commit, packets meet the old rules for
// this moment, and then the new ones, as they should; no packet meets both.
//
// They are put in again in the same batch. A packet that has begun with the rules of before the
// commit looks for them in what is there behind it, and would fall through the gate otherwise
// (nft_genmask_cur in net/netfilter/nft_set_hash.c; of 400 confirmations under 100,000 packets
// a second, 3 lost or leaked one). They go with their set, to which nothing leads any more.
func (s *State) unconfirmed() Batch {
	set := s.Sets[s.pendingSet()]
	if set == nil || len(set.Elements) == 0 {
		return nil
	}
	again := make([]Element, len(set.Elements))
	for i, e := range set.Elements {
		again[i] = Element{First: e.First, Last: e.Last, Timeout: selfConfirm}
	}
	return elementChanges(pendingSpec(set.Name), set.Elements, again)
}

func pendingSpec(name string) SetSpec { return SetSpec{Name: name, What: Unconfirmed} }

// A gate leads from a base chain to the rules that wait to be confirmed.
type gate struct {
	base   string // chain in which it stands
	hook   *Hook  // of the base chain, when it has to be made
	before uint64 // the rule behind it, 0 for none
	to     string
	rules  []*wantedRule
	counts []*Rule
}

// gates are those that stand for a match as long as it is not confirmed, each with what packets
// that pass it meet. A base chain that comes lets everything else pass, and so does what
// stands for one that goes. Gates that are there already are left out of what is compared.
func (m *match) gates(live *State) ([]gate, error) {
	final := func(v ruleset.Verdict, comment string) (*wantedRule, error) {
		l := Line{Rule: nft.Rule{Verdict: v, Comment: comment}}
		r, err := encode(l)
		return &wantedRule{table: &l.Rule, Rule: r}, err
	}
	var out []gate
	put := func(name string, hook *Hook, c *Chain, rules []*wantedRule) {
		var old []Rule
		if c != nil {
			old = c.own()
		}
		g := gate{base: name, hook: hook, rules: rules, counts: counts(old, rules)}
		if c != nil && len(c.Rules) > 0 {
			g.before = c.Rules[0].Handle
		}
		if c != nil && len(c.gates()) > 0 { // it is up
			g.to = c.gates()[0].Chains[0]
		} else {
			g.to = free(pendingPrefix+name, func(s string) bool { return live.Chains[s] != nil })
		}
		out = append(out, g)
	}
	standsIn := map[string]bool{}
	for _, w := range m.bases {
		var name string
		hook, policy := &w.hook, ruleset.Accept
		c := w.live
		if c == nil {
			c = live.standIn(w)
		}
		if c != nil {
			name, hook, policy = c.Name, nil, c.Policy
			standsIn[name] = true
		} else {
			name = free(w.Name, func(s string) bool { return live.Chains[s] != nil })
		}
		// Who falls off the end of the rules meets the policy that the base chain has now.
		rules := w.rules
		wrong := policy != w.Policy && !w.decides()
		if c != nil && !wrong && sameRules(c.own(), rules) {
			continue
		}
		if wrong {
			r, err := final(w.Policy, "default of the chain")
			if err != nil {
				return nil, err
			}
			rules = append(slices.Clone(rules), r)
		}
		put(name, hook, c, rules)
	}
	for _, c := range m.doomed {
		if standsIn[c.Name] {
			continue
		}
		r, err := final(ruleset.Accept, "the chain is not to be there any more")
		if err != nil {
			return nil, err
		}
		put(c.Name, nil, c, []*wantedRule{r})
	}
	return out, nil
}

// decides reports whether no packet gets past a line.
func (l *Line) decides() bool {
	return l.Verdict != 0 && len(l.Interfaces)+len(l.SourcePorts)+len(l.Ports)+len(l.Protos)+len(l.Types)+l.Count+l.Family == 0 &&
		l.States == 0 && l.Peer == nil && l.Set == "" && l.Proto == 0 && l.Connections == nil && l.Meter == nil && l.Limit == nil
}

// standIn is a base chain that was made for a change that is not confirmed, because one of
// the wanted name stands at another place: it has a version, and nothing but a gate.
func (s *State) standIn(w *wantedBase) *Chain {
	for _, c := range s.bases() {
		if c.Name != w.Name && logical(c.Name) == w.Name && *c.Hook == w.hook && len(c.Rules) == 1 && len(c.gates()) == 1 {
			return c
		}
	}
	return nil
}

// arm is a plan that the kernel undoes by itself after a time: what is missing is made, and
// the gates are put up. What packets meet now stays as it is behind them.
func (p *Plan) arm(within time.Duration, known codes) (prepare, flip Batch, err error) {
	m := p.match
	if p.edited != nil {
		if m, err = newMatch(p.Live, p.Want, beside, known); err != nil {
			return nil, nil, err
		}
	}
	gates, err := m.gates(p.Live)
	if err != nil || len(gates) == 0 {
		return nil, nil, err
	}
	set := pendingSpec(free(Pending, func(s string) bool { return p.Live.Sets[s] != nil }))
	prepare = append(append(slices.Clone(p.gone), m.missing(p.Live)...), AddSet{set})
	for _, g := range gates {
		prepare = append(prepare, AddChain{Name: g.to})
		prepare = append(prepare, newRules(g.to, g.rules, g.counts)...)
		if g.hook != nil {
			flip = append(flip, AddChain{g.base, g.hook, ruleset.Accept})
		}
		flip = append(flip, AddRule{Chain: g.base, Before: g.before, Line: gateTo(g.to, set.Name)})
	}
	var elements []Element
	for _, key := range pendingKeys {
		elements = append(elements, Element{First: key, Last: key, Timeout: within})
	}
	return prepare, append(flip, AddElements{set, elements}), nil
}

// gateTo is the gate to a chain, as long as a set has elements.
func gateTo(chain, set string) Line {
	return Line{Rule: nft.Rule{Comment: gateComment}, Gate: chain, Asks: set}
}

// isPending reports whether what waits to be confirmed in a state is a table, and says
// where it is another one.
func isPending(live *State, want *nft.Table, known codes) error {
	m, err := newMatch(live, want, beside, known)
	if err != nil {
		return err
	}
	for _, b := range m.missing(live) {
		switch c := b.(type) {
		case AddLimit:
			return fmt.Errorf("%w: limit %s is not as wanted", ErrOtherPending, logical(c.Limit.Name))
		case AddSet:
			return fmt.Errorf("%w: %s is not as wanted", ErrOtherPending, logical(c.Set.Name))
		case AddChain:
			return fmt.Errorf("%w: chain %s is not as wanted", ErrOtherPending, logical(c.Name))
		}
	}
	gates, err := m.gates(live)
	if err != nil {
		return err
	}
	to := map[string]string{} // where the gate of a base chain has to lead
	for _, g := range gates {
		line, err := encode(gateTo(g.to, live.pendingSet()))
		if err != nil {
			return err
		}
		base, chain := live.Chains[g.base], live.Chains[g.to]
		if base == nil || len(base.Rules) == 0 || base.Rules[0].Code != line.Code || chain == nil || !sameRules(chain.Rules, g.rules) {
			return fmt.Errorf("%w: the rules for base chain %s are not as wanted", ErrOtherPending, logical(g.base))
		}
		to[g.base] = g.to
	}
	for _, name := range sortedKeys(live.Chains) {
		n := len(live.Chains[name].gates())
		if n > 1 || n == 1 && to[name] == "" {
			return fmt.Errorf("%w: base chain %s is to stay as it is", ErrOtherPending, logical(name))
		}
	}
	return nil
}

// back gives a change up that is not confirmed, and takes away what nothing leads to. The
// gates go first: from then on all packets meet the old rules, as if the time were over.
// Base chains that were made for the change have nothing but a gate; they go with it. When no
// base chain is left, there was no table.
func back(live *State) (flip, tidy Batch) {
	if !live.Exists {
		return nil, nil
	}
	u := used{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	met := live.reach()
	bases := 0
	for _, name := range sortedKeys(live.Chains) {
		c := live.Chains[name]
		if c.Hook == nil {
			u.chains[name] = met.chains[name]
			continue
		}
		u.chains[name] = true
		gates := len(c.gates())
		for _, r := range c.gates() {
			flip = append(flip, DeleteRule{name, r.Handle})
		}
		if gates > 0 && gates == len(c.Rules) && c.Policy == ruleset.Accept {
			flip = append(flip, DeleteChain{name})
		} else {
			bases++
		}
	}
	u.sets, u.limits = met.sets, met.limits
	if bases == 0 {
		return flip, Batch{DeleteTable{}}
	}
	kept := *live
	kept.Strange = nil // nobody made these for the change
	return flip, kept.without(u)
}
