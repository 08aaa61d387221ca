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
	doors  map[port.Proto][]*door
	of     [][]*door // by allow
	from   []addr.Set
	unions map[string]addr.Set // by the indexes in from, see union
	opened map[*inventory.Claim]opening
	budget int // of work that is left, in address ranges and pairs of doors
}

// maxWork bounds what judging one policy costs: a hostile one has a million rules. It is
// some hundred times what a large policy of people needs, and takes less than a second.
const maxWork = 10_000_000

// A door is one rule that accepts packets of new connections, for one protocol.
type door struct {
	*ruleset.Rule
	at    int // where the rule stands in the ruleset
	ports []port.Range
	from  int // index of the sources in firewall.from
	allow int // index of the allow that asked for it; -1 for a rule of every ruleset
}

// limited reports whether the door lets in only so many.
func (d *door) limited() bool { return d.Effect.Limit != ruleset.Limit{} }

// opens reports whether any of the ports is behind the door.
func (d *door) opens(ports port.Range) bool {
	return slices.ContainsFunc(d.ports, func(r port.Range) bool { return r.Overlaps(ports) })
}

// word is the text of the policy in which the ports of d stand; false for a door that is
// there because of a claim.
func (d *door) word(f *firewall) (source.Span, bool) {
	if d.allow < 0 || len(d.Origins) == 0 || d.Origins[0].File != f.File || d.Origins[0] == f.Allows[d.allow].Name.Span {
		return source.Span{}, false
	}
	return d.Origins[0], true
}

// newFirewall finds the doors. A policy has no rule that drops a new connection: what an
// allow accepts is accepted.
func newFirewall(p *policy.Policy, rs *ruleset.Ruleset) *firewall {
	f := &firewall{
		Policy: p, doors: map[port.Proto][]*door{}, of: make([][]*door, len(p.Allows)),
		unions: map[string]addr.Set{}, opened: map[*inventory.Claim]opening{}, budget: maxWork,
	}
	byName := map[string]int{}
	for i := range p.Allows {
		byName[p.Allows[i].Name.Text] = i
	}
	known := map[string][]int{} // indexes in from, by name of the rule
	for i := range rs.Rules {
		r := &rs.Rules[i]
		m := &r.Match
		if r.Effect.Verdict != ruleset.Accept || m.States&ruleset.New == 0 || !m.Interfaces.IsAll() || !m.Types.IsAll() || m.Sources.IsEmpty() {
			continue
		}
		allow, ok := byName[r.Name]
		if !ok {
			allow = -1
		}
		from := slices.IndexFunc(known[r.Name], func(i int) bool { return f.from[i].Equal(m.Sources) })
		if from < 0 {
			from = len(known[r.Name])
			known[r.Name] = append(known[r.Name], len(f.from))
			f.from = append(f.from, m.Sources)
		}
		for _, proto := range port.Protos {
			if m.Protos.Has(uint8(proto)) {
				d := &door{r, i, m.Ports.Ranges(), known[r.Name][from], allow}
				f.doors[proto] = append(f.doors[proto], d)
				if allow >= 0 {
					f.of[allow] = append(f.of[allow], d)
				}
			}
		}
	}
	return f
}

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
	// closed are the ports on which nobody is accepted.
	closed port.Set
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
		if len(r.doors) == 0 {
			o.closed = o.closed.Union(port.Of(r.ports))
		}
		if seen[key] {
			continue
		}
		seen[key] = true
		from, ok := f.union(key)
		if !ok {
			return opening{}, false
		}
		from = from.Intersect(heard)
		o.every, o.some = o.every.Intersect(from), o.some.Union(from)
	}
	f.opened[c] = o
	return o, true
}

// run is ports that no rule tells apart, and the doors to them.
type run struct {
	ports port.Range
	doors []*door
}

// runs cut ports at the bounds of all doors; false when there are too many.
func (f *firewall) runs(proto port.Proto, ports port.Range) ([]run, bool) {
	doors := f.near(proto, ports)
	cuts := []int{int(ports.First), int(ports.Last) + 1}
	for _, d := range doors {
		for _, r := range d.ports {
			if r.Overlaps(ports) {
				cuts = append(cuts, max(int(r.First), int(ports.First)), min(int(r.Last), int(ports.Last))+1)
			}
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	if !f.spend(len(cuts) * len(doors)) {
		return nil, false
	}
	runs := make([]run, 0, len(cuts)-1)
	for i := range cuts[1:] {
		r := run{ports: port.Range{First: uint16(cuts[i]), Last: uint16(cuts[i+1] - 1)}}
		for _, d := range doors {
			if d.opens(port.Single(r.ports.First)) {
				r.doors = append(r.doors, d)
			}
		}
		runs = append(runs, r)
	}
	return runs, true
}

// near are the doors to any of the ports.
func (f *firewall) near(proto port.Proto, ports port.Range) []*door {
	f.spend(len(f.doors[proto]) / 8) // cheap, and many of them are not
	var out []*door
	for _, d := range f.doors[proto] {
		if d.opens(ports) {
			out = append(out, d)
		}
	}
	return out
}

// sourceKey is the same for doors with the same sources.
func sourceKey(doors []*door) string {
	ids := make([]int, len(doors))
	for i, d := range doors {
		ids[i] = d.from
	}
	slices.Sort(ids)
	var key []byte
	for _, id := range slices.Compact(ids) {
		key = binary.AppendUvarint(key, uint64(id))
	}
	return string(key)
}

// union is the sources of the doors together. Most listeners have the doors of the same
// few allows, so that each union is made once.
func (f *firewall) union(key string) (addr.Set, bool) {
	if s, ok := f.unions[key]; ok {
		return s, true
	}
	var ranges []addr.Range
	for raw := []byte(key); len(raw) > 0; {
		id, n := binary.Uvarint(raw)
		raw = raw[n:]
		if f.from[id].IsAll() {
			f.unions[key] = f.from[id]
			return f.from[id], true
		}
		own := f.from[id].Ranges()
		if !f.spend(len(own)) {
			return addr.Set{}, false
		}
		ranges = append(ranges, own...)
	}
	s := addr.OfRanges(ranges...)
	f.unions[key] = s
	return s, true
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
