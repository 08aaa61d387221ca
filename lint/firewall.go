package lint

import (
	"encoding/binary"
	"slices"

	"portolan/internal/addr"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// firewall is a policy and what it means on a host, as rules ask about it.
type firewall struct {
	*policy.Policy
	rules  *ruleset.Ruleset
	atlas  map[port.Proto][]run // all ports of a protocol, ascending
	of     [][]*door            // by allow
	from   []addr.Set
	unions map[string]addr.Set // by the doors in order, see union and through
	public map[int]bool        // by index in from, see isPublic
	opened map[*inventory.Claim]opening
	told   map[source.Span]*Rule // words of which reportExposed has reported an error
	// budget is the work that is left, in doors and address ranges that are looked at, and
	// proofs the same for comparing rulesets. Below 0 there was not enough.
	budget, proofs int
}

// What judging one policy may cost: a hostile one has a million rules. Both are some
// hundred times what a large policy of people needs, and take about a second.
const (
	maxWork   = 5_000_000
	maxProofs = 10_000_000
)

// run is ports that no rule tells apart, and the doors to them in the order of the rules.
type run struct {
	ports port.Range
	doors []*door
}

// A door is one rule that accepts packets of new connections, drops them, or logs them for an
// allow or a deny, for one protocol.
type door struct {
	*ruleset.Rule
	at    int // where the rule stands in the ruleset
	proto port.Proto
	ports []port.Range
	from  int // index of the sources in firewall.from
	allow int // index of the allow that asked for it; -1 for a rule of every ruleset, and of a deny
	deny  int // index of the deny that asked for it, or -1
}

// opens reports whether the door lets in those that come to it.
func (d *door) opens() bool { return d.Effect.Verdict == ruleset.Accept }

// drops reports whether the door is shut to those that come to it.
func (d *door) drops() bool { return d.Effect.Verdict == ruleset.Drop }

// limited reports whether the door lets in only so many.
func (d *door) limited() bool { return d.Effect.Limited() }

// word is the text of the policy in which the ports of d stand; false for a door that is
// there because of a claim.
func (d *door) word(f *firewall) (source.Span, bool) {
	if d.allow < 0 || len(d.Origins) == 0 || d.Origins[0].File != f.File || d.Origins[0] == f.Allows[d.allow].Name.Span {
		return source.Span{}, false
	}
	return d.Origins[0], true
}

// anyPacket asks for every door.
func anyPacket(*ruleset.Match) bool { return true }

// newFirewall finds the doors to what is asked for.
func newFirewall(p *policy.Policy, rs *ruleset.Ruleset, asked func(*ruleset.Match) bool) *firewall {
	f := &firewall{
		Policy: p, rules: rs, atlas: map[port.Proto][]run{}, of: make([][]*door, len(p.Allows)), unions: map[string]addr.Set{},
		public: map[int]bool{}, opened: map[*inventory.Claim]opening{}, told: map[source.Span]*Rule{},
	}
	f.refill()
	allows, denies := make(map[string]int, len(p.Allows)), make(map[string]int, len(p.Denies))
	for i := range p.Allows {
		allows[p.Allows[i].Name.Text] = i
	}
	for i := range p.Denies {
		denies[p.Denies[i].Name.Text] = i
	}
	index := func(of map[string]int, name string) int {
		if i, ok := of[name]; ok {
			return i
		}
		return -1
	}
	doors := map[port.Proto][]*door{}
	// Indexes in from, by the name of the rule, which for most is that of an allow or a deny.
	known, others := make([][]int, len(p.Allows)+len(p.Denies)), map[string][]int{}
	for i := range rs.Input.Rules {
		r := &rs.Input.Rules[i]
		m := &r.Match
		if m.States&ruleset.New == 0 || !m.Types.IsAll() || m.Peers.IsEmpty() || slices.Equal(m.Interfaces.Names(), onLo) || !asked(m) {
			continue
		}
		allow, deny := index(allows, r.Name), index(denies, r.Name)
		if r.Effect.Verdict == ruleset.Continue && allow < 0 && deny < 0 {
			continue // it logs what nothing decides
		}
		sources := others[r.Name]
		if allow >= 0 {
			sources = known[allow]
		} else if deny >= 0 {
			sources = known[len(p.Allows)+deny]
		}
		at := slices.IndexFunc(sources, func(i int) bool { return f.from[i].Equal(m.Peers) })
		if at < 0 {
			at = len(sources)
			sources = append(sources, len(f.from))
			if allow >= 0 {
				known[allow] = sources
			} else if deny >= 0 {
				known[len(p.Allows)+deny] = sources
			} else {
				others[r.Name] = sources
			}
			f.from = append(f.from, m.Peers)
		}
		for _, proto := range port.Protos {
			if m.Protos.Has(uint8(proto)) {
				d := &door{r, i, proto, m.Ports.Ranges(), sources[at], allow, deny}
				doors[proto] = append(doors[proto], d)
				if allow >= 0 && d.opens() {
					f.of[allow] = append(f.of[allow], d)
				}
			}
		}
	}
	for _, proto := range port.Protos {
		f.atlas[proto] = f.survey(doors[proto])
	}
	return f
}

// onLo are the interfaces of what this host says to itself.
var onLo = []string{ruleset.Loopback}

// survey cuts all ports at the bounds of the doors; nil when there is too much of it.
func (f *firewall) survey(doors []*door) []run {
	cuts := make([]int, 0, 2*len(doors)+2)
	cuts = append(cuts, 0, port.Max+1)
	for _, d := range doors {
		for _, r := range d.ports {
			cuts = append(cuts, int(r.First), int(r.Last)+1)
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	runs := make([]run, len(cuts)-1)
	for i := range runs {
		runs[i].ports = port.Range{First: uint16(cuts[i]), Last: uint16(cuts[i+1] - 1)}
	}
	for _, d := range doors {
		for _, r := range d.ports {
			first, _ := slices.BinarySearch(cuts, int(r.First))
			end, _ := slices.BinarySearch(cuts, int(r.Last)+1)
			if !f.spend(end - first) {
				return nil
			}
			for i := first; i < end; i++ {
				runs[i].doors = append(runs[i].doors, d)
			}
		}
	}
	return runs
}

// refill gives the rules the work that they may cost.
func (f *firewall) refill() { f.budget, f.proofs = maxWork, maxProofs }

// spend takes work from what is left; false when that is not enough.
func (f *firewall) spend(work int) bool {
	f.budget = max(f.budget-work, -1)
	return f.budget >= 0
}

// opening is who can reach a listener through the firewall. Where its sockets take one
// family alone, the sources are of that one.
type opening struct {
	every addr.Set // sources that are accepted on every port
	some  addr.Set // sources that are accepted on at least one port
}

// opened is who can reach c through the firewall of the policy. It is false when there is
// no policy, and when the policy is too large to say.
func (p *Pass) opened(c *inventory.Claim) (opening, bool) {
	f := p.firewall
	if f == nil || c.Ports.Len() == 0 {
		return opening{}, false
	}
	if o, ok := f.opened[c]; ok {
		return o, true
	}
	runs, ok := f.runs(c.Proto, c.Ports)
	if !ok {
		return opening{}, false
	}
	heard := heard(c)
	o := opening{every: heard}
	seen := map[string]bool{}
	for _, r := range runs {
		key := sourceKey(r.doors)
		if seen[key] {
			continue
		}
		seen[key] = true
		from, ok := f.union(key, r.doors)
		if !ok || !f.spend(len(o.every.Ranges())+len(from.Ranges())) {
			return opening{}, false
		}
		from = from.Intersect(heard)
		o.every, o.some = o.every.Intersect(from), o.some.Union(from)
	}
	f.opened[c] = o
	return o, true
}

// runs are the cuts of some ports; false when the policy is too large to say.
func (f *firewall) runs(proto port.Proto, ports port.Range) ([]run, bool) {
	all := f.atlas[proto]
	first, _ := slices.BinarySearchFunc(all, ports.First, func(r run, p uint16) int { return int(r.ports.Last) - int(p) })
	var out []run
	for _, r := range all[first:] {
		if !r.ports.Overlaps(ports) {
			break
		}
		r.ports = port.Range{First: max(r.ports.First, ports.First), Last: min(r.ports.Last, ports.Last)}
		out = append(out, r)
		if !f.spend(1 + len(r.doors)) {
			return nil, false
		}
	}
	return out, len(out) > 0
}

// near are the doors to any of the ports, those that do not open too, in the order of the
// rules; false when the policy is too large to say.
func (f *firewall) near(proto port.Proto, ports ...port.Range) ([]*door, bool) {
	var out []*door
	pieces := 0
	for _, p := range ports {
		runs, ok := f.runs(proto, p)
		if !ok {
			return nil, false
		}
		for _, r := range runs {
			out = append(out, r.doors...)
			pieces++
		}
	}
	if pieces == 1 { // it is in order
		return out, true
	}
	return slices.Compact(sorted(out)), true
}

// sourceKey is the same for doors that let in the same sources: where none is shut, in
// whatever order.
func sourceKey(doors []*door) string {
	var key []byte
	if slices.ContainsFunc(doors, (*door).drops) {
		for _, d := range doors {
			key = d.appendKey(key)
		}
		return "\xff" + string(key)
	}
	ids := make([]int, 0, len(doors))
	for _, d := range doors {
		if d.opens() {
			ids = append(ids, d.from)
		}
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		key = binary.AppendUvarint(key, uint64(id))
	}
	return string(key)
}

// appendKey adds what counts of d when sources are asked: which they are, by which
// interfaces they come, and whether it is shut.
func (d *door) appendKey(key []byte) []byte {
	key = binary.AppendUvarint(key, uint64(d.from))
	key = append(key, byte(d.Effect.Verdict))
	for _, name := range d.Match.Interfaces.Names() {
		key = append(append(key, name...), '/')
	}
	return append(key, 0)
}

// union is the sources that the doors of one run let in together, by whatever interface.
// Most listeners have the doors of the same few allows, so that each union is made once.
func (f *firewall) union(key string, doors []*door) (addr.Set, bool) {
	if s, ok := f.unions[key]; ok {
		return s, true
	}
	var ranges []addr.Range
	for _, d := range doors {
		if !d.opens() {
			continue
		}
		from, ok := f.through(doors, d)
		own := from.Ranges()
		if !ok || !f.spend(len(own)) {
			return addr.Set{}, false
		}
		ranges = append(ranges, own...)
		if from.IsAll() {
			break
		}
	}
	s := addr.OfRanges(ranges...)
	f.unions[key] = s
	return s, true
}

// through is the sources that d, one of the doors of a run, lets in beside the shut ones
// above it: those that come by an interface on which they are not dropped before.
func (f *firewall) through(doors []*door, d *door) (addr.Set, bool) {
	var above []*door
	var names []string // of interfaces that tell
	for _, o := range doors {
		if o == d {
			break
		}
		if o.drops() {
			above = append(above, o)
			names = append(names, o.Match.Interfaces.Names()...)
		}
	}
	if len(above) == 0 {
		return f.from[d.from], true
	}
	if !f.spend(len(above)) {
		return addr.Set{}, false
	}
	key := d.appendKey([]byte{0xfe})
	for _, o := range above {
		key = o.appendKey(key)
	}
	if s, ok := f.unions[string(key)]; ok {
		return s, true
	}
	if own := d.Match.Interfaces; own.IsAll() {
		names = append(names, "") // one that no deny names
	} else {
		names = own.Names()
	}
	slices.Sort(names)
	var in addr.Set
	for _, name := range slices.Compact(names) {
		left := f.from[d.from]
		for _, o := range above {
			if o.Match.Interfaces.Has(name) {
				if !f.spend(len(left.Ranges()) + len(f.from[o.from].Ranges())) {
					return addr.Set{}, false
				}
				left = left.Minus(f.from[o.from])
			}
		}
		in = in.Union(left)
	}
	f.unions[string(key)] = in
	return in, true
}

// arrivals are the sources that come through d to one of the ports of c, and that its
// sockets can hear.
func (f *firewall) arrivals(d *door, c *inventory.Claim) (addr.Set, bool) {
	runs, ok := f.runs(c.Proto, c.Ports)
	if !ok {
		return addr.Set{}, false
	}
	var in addr.Set
	var last addr.Set
	for _, r := range runs {
		if !slices.Contains(r.doors, d) {
			continue
		}
		from, ok := f.through(r.doors, d)
		if !ok {
			return addr.Set{}, false
		}
		if from.Equal(last) {
			continue
		}
		if !f.spend(len(from.Ranges())) {
			return addr.Set{}, false
		}
		in, last = in.Union(from), from
	}
	return in.Intersect(heard(c)), true
}

// heard are the sources from which the sockets of c can receive at all.
func heard(c *inventory.Claim) addr.Set {
	v4, v6 := bindsFamily(c, host.V4), bindsFamily(c, host.V6)
	switch {
	case v4 && !v6:
		return addr.V4()
	case v6 && !v4:
		return addr.V6()
	}
	return addr.All()
}

// aboutPolicy are the rules that judge a policy by itself: on another host of the same
// policy they would say the same again, or be silent because it is needed there.
var aboutPolicy = [...]string{"allow-opens-nothing", "connect-reaches-nothing", "limit-bypassed", "redundant-allow", "redundant-deny", "unclaimed-ports"}

// AboutPolicy reports whether findings of the rule are about the policy alone. For many
// hosts of one policy they are true when they are true on each.
func AboutPolicy(rule string) bool { return slices.Contains(aboutPolicy[:], rule) }

// zone is the zone of that name.
func (f *firewall) zone(name string) *policy.Zone {
	for i := range f.Zones {
		if f.Zones[i].Name.Text == name {
			return &f.Zones[i]
		}
	}
	return nil
}
