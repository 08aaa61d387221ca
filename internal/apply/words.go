package apply

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"portolan/internal/netlink"
	"portolan/internal/nft"
)

// A Difference is one thing that a plan changes.
type Difference struct {
	Kind DifferenceKind
	// Object is what it is: "table", "base chain", "policy", "chain", "rule", "set", "map",
	// "meter", "limit", "element", "object", "gate" or "pending".
	Object string
	// Name is that of the object, as it is in a table; of a rule, a gate, a policy or an
	// element that of the chain, set or map in which it is.
	Name string
	// Detail says more in words: an element such as "10.9.0.0/16" or "5060-5061 to chain svc_x",
	// the comment of a rule, a policy, or how much there is. Names and comments in it can be
	// anybody's text.
	Detail string
}

// DifferenceKind is what happens to the kernel for a difference to go away.
type DifferenceKind int

// The kinds. Something that is Removed is in the kernel and should not be.
const (
	Added DifferenceKind = iota + 1
	Removed
	Changed
)

// String is "added", "removed" or "changed".
func (k DifferenceKind) String() string {
	return [...]string{"unknown", "added", "removed", "changed"}[k]
}

// String is a line for people; it may have anybody's text in it.
func (d Difference) String() string {
	s := d.Kind.String() + " " + d.Object + " " + d.Name
	if d.Detail != "" {
		s += ": " + d.Detail
	}
	return s
}

// nothingLeads is why something goes that makes no difference to packets.
const nothingLeads = "nothing leads to it"

// A teller puts differences together, or only counts them.
type teller struct {
	list   []Difference
	counts bool
	n      int
}

func (t *teller) tell(k DifferenceKind, object, name, detail string) {
	if t.n++; !t.counts {
		t.list = append(t.list, Difference{k, object, name, detail})
	}
}

// differences compares a table with what packets meet, whatever waits to be confirmed beside.
func (p *Plan) differences() []Difference {
	t := teller{list: make([]Difference, 0, p.near.fresh())}
	p.tell(&t)
	return t.list
}

func (p *Plan) tell(t *teller) {
	if p.awake != nil {
		t.tell(Changed, "table", nft.Name, "it is switched off, so that it decides nothing")
		p.awake.tell(t)
		return
	}
	live, want, near := p.Live, p.Want, p.near
	switch {
	case want == nil && live.Exists:
		t.tell(Removed, "table", nft.Name, "")
		return
	case want == nil:
		return
	case !live.Exists:
		t.tell(Added, "table", nft.Name, "")
	}
	for _, l := range near.limits {
		t.object("limit", l.name, l.live != nil, l.before != nil, fmt.Sprintf("%s burst %d", l.Rate, l.Burst))
	}
	for _, s := range near.sets {
		t.set(s)
	}
	for _, c := range near.chains {
		t.chain(c)
	}
	wrong := map[string]bool{} // base chains that stand at another place
	for _, b := range near.bases {
		t.base(live, b)
		wrong[b.Name] = true
	}
	for _, c := range near.doomed {
		if !wrong[c.Name] {
			t.tell(Removed, "base chain", c.Name, many(len(c.Rules), "rule"))
			t.rules(c.Name, c.own(), nil)
		}
	}
	for _, c := range live.bases() {
		for range c.gates() {
			t.tell(Removed, "gate", c.Name, "to what waits to be confirmed")
		}
	}
	t.leftOver(live, near, p.match.used())
	for _, o := range live.Strange {
		t.tell(Removed, "object", o.Name, o.String())
	}
}

// fresh is how many things there are of which nothing was there before: those of a new table.
func (m *match) fresh() int {
	n := 0
	for _, s := range m.sets {
		if s.live == nil && s.before == nil {
			n += 1 + len(s.elements)
		}
	}
	for _, c := range m.chains {
		if c.before == nil {
			n += 1 + len(c.rules)
		}
	}
	for _, b := range m.bases {
		if b.live == nil {
			n += 1 + len(b.rules)
		}
	}
	return n
}

// leftOver tells of what goes and is not replaced.
func (t *teller) leftOver(live *State, near *match, used used) {
	limits, sets, chains := unused(live.Limits, used.limits), unused(live.Sets, used.sets), unused(live.Chains, used.chains)
	if len(limits)+len(sets)+len(chains) == 0 {
		return
	}
	type object struct{ kind, name string }
	told := map[object]bool{} // with what replaces it
	for _, l := range near.limits {
		if l.before != nil {
			told[object{"limit", l.before.Name}] = true
		}
	}
	for _, s := range near.sets {
		if s.before != nil {
			told[object{"set", s.before.Name}] = true
		}
	}
	for _, c := range near.chains {
		if c.before != nil {
			told[object{"chain", c.before.Name}] = true
		}
	}
	tell := func(what, kind, name string, met bool, detail string) {
		switch {
		case met && told[object{kind, name}]:
		case met:
			t.tell(Removed, what, name, detail)
		default:
			t.tell(Removed, what, name, nothingLeads)
		}
	}
	for _, name := range limits {
		tell("limit", "limit", name, near.met.limits[name], "")
	}
	for _, name := range sets {
		if logical(name) == Pending {
			t.tell(Removed, "pending", name, "how long an unconfirmed change is in force")
			continue
		}
		s := live.Sets[name]
		tell(s.Kind.object(), "set", name, near.met.sets[name], many(len(s.Elements), "element"))
	}
	for _, name := range chains {
		if live.Chains[name].Bound { // it is told with its rule
			continue
		}
		rules := many(len(live.Chains[name].Rules), "rule")
		if strings.HasPrefix(name, pendingPrefix) {
			t.tell(Removed, "pending", name, rules)
			continue
		}
		tell("chain", "chain", name, near.met.chains[name], rules)
	}
}

func (t *teller) object(object, name string, there, before bool, detail string) {
	switch {
	case there:
	case before:
		t.tell(Changed, object, name, detail)
	default:
		t.tell(Added, object, name, detail)
	}
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// object is what a set of a kind is called.
func (k Kind) object() string {
	switch {
	case k.dynamic():
		return "meter"
	case k.Flags&flagMap != 0:
		return "map"
	}
	return "set"
}

func (w SetWhat) object() string {
	switch w {
	case Ports:
		return "map"
	case PacketMeter, ConnectionsMeter:
		return "meter"
	}
	return "set"
}

func (t *teller) set(s *wantedSet) {
	object := s.What.object()
	detail := many(len(s.elements), "element")
	if object == "meter" {
		detail = ""
	}
	t.object(object, s.name, s.live != nil, s.before != nil, detail)
	var old []Element
	if from := s.live; from != nil {
		old = from.Elements
	} else if s.before != nil && s.before.Kind.KeyType == s.kind().KeyType {
		old = s.before.Elements
	}
	gone, fresh := between(old, s.elements)
	if t.counts && (len(gone) == 0 || len(fresh) == 0) { // nothing to compare, and nobody asks for words
		t.n += len(gone) + len(fresh)
		return
	}
	for len(gone) > 0 || len(fresh) > 0 {
		switch {
		case len(fresh) == 0 || len(gone) > 0 && gone[0].First < fresh[0].First:
			t.tell(Removed, "element", s.name, s.words(&gone[0]))
			gone = gone[1:]
		case len(gone) == 0 || fresh[0].First < gone[0].First:
			t.tell(Added, "element", s.name, s.words(&fresh[0]))
			fresh = fresh[1:]
		default:
			// Another version of the chain is told with the chain.
			if was, is := s.words(&gone[0]), s.words(&fresh[0]); was != is || gone[0].Jump == fresh[0].Jump {
				t.tell(Changed, "element", s.name, was+" is to be "+is)
			}
			gone, fresh = gone[1:], fresh[1:]
		}
	}
}

func (s *wantedSet) kind() Kind {
	k, _ := kindOf(s.SetSpec) // it was asked before
	return k
}

// words are an element for people.
func (s *wantedSet) words(e *Element) string {
	out := make([]byte, 0, 256) // on the stack, because there can be many elements
	if s.What == Ports {
		first, last := netlink.Number([]byte(e.First)), netlink.Number([]byte(e.Last))
		if out = strconv.AppendUint(out, first, 10); last != first {
			out = strconv.AppendUint(append(out, '-'), last, 10)
		}
	} else {
		out = append(out, addressWords(e.First, e.Last)...)
	}
	if e.Jump != "" {
		out = append(append(out, " to chain "...), logical(e.Jump)...)
	} else if e.Data != "" {
		out = append(out, " to a verdict of its own"...)
	}
	if e.Code != "" {
		out = append(out, " with a condition of its own"...)
	}
	if e.Timeout > 0 {
		out = append(append(out, " for "...), e.Timeout.Round(time.Second).String()...)
	}
	if e.Comment != "" {
		out = append(append(append(out, " ("...), e.Comment...), ')')
	}
	return string(out)
}

// addressWords are a range of addresses: an address, a prefix when it is one, or both ends.
func addressWords(first, last string) string {
	a, okA := netip.AddrFromSlice([]byte(first))
	b, okB := netip.AddrFromSlice([]byte(last))
	if !okA || !okB {
		return fmt.Sprintf("%x-%x", first, last)
	}
	if a == b {
		return a.String()
	}
	for bits := range a.BitLen() {
		p := netip.PrefixFrom(a, bits)
		if p.Masked().Addr() == a && lastOf(p) == b {
			return p.String()
		}
	}
	return a.String() + "-" + b.String()
}

// lastOf is the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func (t *teller) chain(c *wantedChain) {
	detail := many(len(c.rules), "rule")
	if c.before != nil && logical(c.before.Name) != c.name {
		detail += ", in place of " + logical(c.before.Name)
	}
	t.object("chain", c.name, c.live != nil, c.before != nil, detail)
	if c.live == nil {
		var old []Rule
		if c.before != nil {
			old = c.before.Rules
		}
		t.rules(c.name, old, c.rules)
	}
}

func (t *teller) base(live *State, b *wantedBase) {
	switch c := live.Chains[b.Name]; {
	case b.live != nil:
		if b.live.Policy != b.Policy {
			t.tell(Changed, "policy", b.Name, b.live.Policy.String()+" is to be "+b.Policy.String())
		}
		t.rules(b.Name, b.live.own(), b.rules)
	case c != nil && c.Hook != nil:
		t.tell(Changed, "base chain", b.Name, fmt.Sprintf("hook %d at priority %d of type %s is to be hook %d at priority %d of type %s",
			c.Hook.Number, c.Hook.Priority, c.Hook.Type, b.hook.Number, b.hook.Priority, b.hook.Type))
		t.rules(b.Name, c.own(), b.rules)
	default:
		t.tell(Added, "base chain", b.Name, many(len(b.rules), "rule"))
		t.rules(b.Name, nil, b.rules)
	}
}

func (t *teller) rules(chain string, old []Rule, wanted []*wantedRule) {
	if t.counts && len(old) == 0 {
		t.n += len(wanted)
		return
	}
	kept, stays := common(old, wanted)
	// Of rules that are for the same, the first is told with the first.
	fresh := map[string][]int{}
	for j := range wanted {
		if kept[j] < 0 {
			fresh[wanted[j].words()] = append(fresh[wanted[j].words()], j)
		}
	}
	told := map[int]bool{}
	for i := range old {
		if stays[i] {
			continue
		}
		words := old[i].words()
		if js := fresh[words]; len(js) > 0 {
			fresh[words], told[js[0]] = js[1:], true
			t.tell(Changed, "rule", chain, words+": "+unlike(&old[i], wanted[js[0]]))
			continue
		}
		t.tell(Removed, "rule", chain, words)
	}
	for j := range wanted {
		if kept[j] < 0 && !told[j] {
			t.tell(Added, "rule", chain, wanted[j].words())
		}
	}
}

// unlike says how a rule differs from the one in its place.
func unlike(old *Rule, now *wantedRule) string {
	var parts []string
	names := func(before, after []string, gone, fresh string) {
		for _, name := range after {
			if !slices.ContainsFunc(before, func(s string) bool { return logical(s) == logical(name) }) {
				parts = append(parts, fresh+" "+logical(name))
			}
		}
		for _, name := range before {
			if !slices.ContainsFunc(after, func(s string) bool { return logical(s) == logical(name) }) {
				parts = append(parts, gone+" "+logical(name))
			}
		}
	}
	names(old.Sets, now.Sets, "asks no more", "is to ask")
	names(old.Limits, now.Limits, "keeps no more to limit", "is to keep to limit")
	names(old.Chains, now.Chains, "leads no more to chain", "is to lead to chain")
	if v := now.table.Verdict; old.Verdict != v && v != 0 {
		parts = append(parts, "is to "+v.String())
	}
	switch {
	case len(parts) > 0:
	case now.table.Peer != nil:
		parts = append(parts, "is to be about "+now.table.Peer.String())
	case len(now.table.Ports) > 0:
		parts = append(parts, "is to be about other ports, or for others")
	default:
		parts = append(parts, "is about other packets, or does something else to them")
	}
	return strings.Join(parts, ", ")
}

// words are what a rule is for.
func (r *Rule) words() string {
	switch {
	case r.Comment != "":
		return r.Comment
	case len(r.Sets) > 0:
		return "asks " + logical(r.Sets[0])
	case len(r.Chains) > 0:
		return "leads to chain " + logical(r.Chains[0])
	}
	return "a rule without a comment"
}
