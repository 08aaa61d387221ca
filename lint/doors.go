package lint

import (
	"fmt"
	"slices"

	"portolan/internal/diag"
	"portolan/internal/ruleset"
)

// sorted is doors in the order of the rules.
func sorted(doors []*door) []*door {
	slices.SortFunc(doors, func(a, b *door) int { return a.at - b.at })
	return doors
}

// others are the doors to ports of own that are kept, and all that do not open, in the order
// of the rules; false when there is too much to look at.
func (f *firewall) others(own []*door, keep func(*door) bool) ([]*door, bool) {
	var out []*door
	for _, d := range own {
		near, ok := f.near(d.proto, d.ports...)
		if !ok {
			return nil, false
		}
		for _, o := range near {
			if !o.opens() || keep(o) {
				out = append(out, o)
			}
		}
	}
	return slices.Compact(sorted(out)), true
}

// mayCover asks a few packets whether doors without a limit may let in, or keep out before,
// all that comes to own. A packet of which that is not so needs no proof.
func mayCover(own, others []*door) bool {
	for _, d := range own {
		from := d.Match.Peers.Ranges()[0].First
		p := ruleset.Packet{Interface: "eth0", State: ruleset.New, Proto: uint8(d.proto), Peer: from, Port: d.ports[0].First}
		if names := d.Match.Interfaces.Names(); len(names) > 0 {
			p.Interface = names[0]
		}
		if !slices.ContainsFunc(others, func(o *door) bool {
			return o.Match.Has(p) && (o.opens() && !o.limited() || o.drops() && o.at < d.at)
		}) {
			return false
		}
	}
	return true
}

// same proves that two rulesets of these doors alone mean the same; false also when that
// is too much work. Rules that open none of the ports of the doors are left out on both
// sides, as are those that every ruleset has before: they decide alike. unlimited takes
// every limit away.
func (f *firewall) same(a, b []*door, unlimited bool) bool {
	ranges, widths := 0, 0
	seen := map[int]bool{}
	for _, d := range a {
		if !seen[d.from] {
			seen[d.from] = true
			ranges += 2 * len(f.from[d.from].Ranges())
		}
		for _, r := range d.ports {
			runs, ok := f.runs(d.proto, r)
			if !ok {
				return false
			}
			widths += len(runs)
		}
	}
	if f.proofs -= (ranges + 2) * (widths + len(a)); f.proofs < 0 {
		return false
	}
	rules := func(doors []*door) *ruleset.Ruleset {
		rs := &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop}}
		for i, d := range doors {
			if i > 0 && doors[i-1].at == d.at {
				continue // a rule about both protocols
			}
			e := d.Effect
			if unlimited {
				e.Limit, e.Connections = ruleset.Limit{}, ruleset.Connections{}
			}
			rs.Input.Rules = append(rs.Input.Rules, ruleset.Rule{Match: d.Match, Effect: e})
		}
		return rs
	}
	return ruleset.Equivalent(rules(a), rules(b)) == nil
}

// covering are doors out of others that let in what own does: those of one allow where one
// is enough, else all that have a part in it; none where others are shut before own.
func (f *firewall) covering(own, others []*door) []*door {
	by := map[int][]*door{}
	var allows []int
	var shut []*door
	for _, o := range others {
		if !o.opens() {
			shut = append(shut, o)
			continue
		}
		if by[o.allow] == nil {
			allows = append(allows, o.allow)
		}
		by[o.allow] = append(by[o.allow], o)
	}
	for _, i := range allows {
		alone := sorted(slices.Concat(by[i], shut))
		if f.same(sorted(slices.Concat(own, alone)), alone, true) {
			return by[i]
		}
	}
	if f.same(sorted(slices.Concat(own, shut)), shut, true) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(others), func(o *door) bool { return !o.opens() || !slices.ContainsFunc(own, o.meets) })
}

// meets reports whether a packet can come to both doors.
func (d *door) meets(o *door) bool {
	return d.proto == o.proto && !d.Match.Ports.Intersect(o.Match.Ports).IsEmpty() && !d.Match.Peers.Intersect(o.Match.Peers).IsEmpty()
}

// allowsOf are the allows that asked for the doors, in order; -1 is a rule of every
// ruleset.
func allowsOf(doors []*door) []int {
	var out []int
	for _, d := range doors {
		if !slices.Contains(out, d.allow) {
			out = append(out, d.allow)
		}
	}
	return out
}

// names points at the allows that asked for the doors.
func (f *firewall) names(doors []*door, words string) []diag.Related {
	var out []diag.Related
	for _, i := range allowsOf(doors) {
		if i >= 0 && len(out) < maxPartners {
			out = append(out, diag.Related{Span: f.Allows[i].Name.Span, Message: words})
		}
	}
	return out
}

// allowNames is `allow "a"`, or `allow "a" and allow "b"`.
func (f *firewall) allowNames(doors []*door) string {
	var words []string
	for _, i := range allowsOf(doors) {
		if i < 0 {
			words = append(words, "a rule that every ruleset has")
		} else {
			words = append(words, fmt.Sprintf("allow %q", f.Allows[i].Name.Text))
		}
	}
	return some(words)
}
