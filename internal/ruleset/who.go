package ruleset

import (
	"slices"
	"strconv"

	"portolan/internal/port"
)

// An Area is packets about which one rule decides. Logs, and what happens beyond a limit, may
// differ within it.
type Area struct {
	Change       // its B is the decision about its Example; its A has no meaning
	Rule   *Rule // nil for the default
}

// Areas cuts the packets of one direction by the rule that is their Decider: every packet is
// in one area.
func Areas(rs *Ruleset, direction Direction) []Area {
	var out []Area
	all := make([]int, len(rs.Chain(direction).Rules))
	for i := range all {
		all[i] = i
	}
	for _, c := range diffOf(direction, rs.marked(direction, all), unlike) {
		a := Area{Change: c, Rule: rs.marks(direction, c.A)}
		a.B = rs.Decide(a.Example)
		out = append(out, a)
	}
	return out
}

// marked is rs as if there were no other rules than those named, ascending, and of these those
// that end it. Each gets an effect that only it has, so that the difference to a ruleset that does
// something else everywhere is a map of who decides where.
func (rs *Ruleset) marked(direction Direction, these []int) *Ruleset {
	rules := rs.Chain(direction).Rules
	var kept []int
	for _, i := range these {
		if rules[i].Effect.Verdict != Continue {
			kept = append(kept, i)
		}
	}
	var marked Ruleset
	chain := marked.Chain(direction)
	chain.Default = Accept
	chain.Rules = make([]Rule, len(kept))
	for k, i := range kept {
		chain.Rules[k] = Rule{Match: rules[i].Match, Effect: Effect{Verdict: Drop, Log: Log{Prefix: strconv.Itoa(i)}}}
	}
	return &marked
}

// unlike does something else than any marked ruleset.
var unlike = &Ruleset{Input: Chain{Default: Drop}, Output: Chain{Default: Drop}}

// marks is the rule that a decision of a marked ruleset stands for; nil for the default.
func (rs *Ruleset) marks(direction Direction, d Decision) *Rule {
	n, err := strconv.Atoi(d[0].Log.Prefix)
	if err != nil {
		return nil
	}
	return &rs.Chain(direction).Rules[n]
}

// Deciders are, for each change, the rules of rs that give a packet of it its verdict, in
// their order, and nil behind them when the default decides about some. It is exact: a rule
// is named when there is a packet in the change of which it is the Decider.
func Deciders(rs *Ruleset, changes []Change) [][]*Rule {
	out := make([][]*Rule, len(changes))
	for _, direction := range []Direction{In, Out} {
		rules := rs.Chain(direction).Rules
		bounds := make([]port.Range, len(rules))
		for i := range rules {
			bounds[i] = span(rules[i].Match.Ports)
		}
		for k := range changes {
			c := &changes[k]
			if c.Direction != direction {
				continue
			}
			near := span(c.Ports)
			var some []int
			whole := false // the last of some has every packet of c, and rules behind it have none
			for i := range rules {
				if rules[i].Effect.Verdict == Continue || !bounds[i].Overlaps(near) || !c.meets(&rules[i].Match) {
					continue
				}
				some = append(some, i)
				if bounds[i].First <= near.First && near.Last <= bounds[i].Last && c.within(&rules[i].Match) {
					whole = true
					break
				}
			}
			switch {
			case len(some) == 0:
				out[k] = []*Rule{nil}
				continue
			case len(some) == 1 && whole:
				out[k] = []*Rule{&rules[some[0]]}
				continue
			}
			marked := rs.marked(direction, some)
			decides := map[*Rule]bool{}
			d := newDiffer(direction, marked, unlike)
			for s := range settings(direction, d.chains) {
				all := s.change()
				if !all.overlaps(c) {
					continue
				}
				for _, found := range d.areas(s.at) {
					r := rs.marks(direction, d.decision(found.outcome[0]))
					if !decides[r] {
						all.Peers, all.Ports, all.Types = found.peers, found.ports, found.types
						decides[r] = all.overlaps(c)
					}
				}
			}
			for i := range rules {
				if decides[&rules[i]] {
					out[k] = append(out[k], &rules[i])
				}
			}
			if decides[nil] {
				out[k] = append(out[k], nil)
			}
		}
	}
	return out
}

// span is from the first to the last port of s; a range without ports for none.
func span(s port.Set) port.Range {
	ranges := s.Ranges()
	if len(ranges) == 0 {
		return port.Range{First: 1}
	}
	return port.Range{First: ranges[0].First, Last: ranges[len(ranges)-1].Last}
}

// meets reports whether a packet can be in both c and m.
func (c *Change) meets(m *Match) bool {
	if c.States&m.States == 0 || c.Protos.Intersect(m.Protos) == (Bytes{}) || c.Ports.Intersect(m.Ports).IsEmpty() {
		return false
	}
	on := c.Others && m.Interfaces.IsAll()
	for _, name := range c.Interfaces {
		on = on || m.Interfaces.Has(name)
	}
	for _, name := range m.Interfaces.names {
		on = on || c.Others && !slices.Contains(c.named, name)
	}
	both := c.match().Intersect(*m)
	return on && both.possible()
}

// within reports whether every packet of c matches m. It is false too where m names interfaces.
func (c *Change) within(m *Match) bool {
	return m.Interfaces.all && c.States&^m.States == 0 && c.Ports.Len() <= m.Ports.Len() && c.Protos.Intersect(m.Protos) == c.Protos && c.Types.Intersect(m.Types) == c.Types &&
		(m.Peers.IsAll() || c.Peers.Minus(m.Peers).IsEmpty()) &&
		c.Ports.Minus(m.Ports).IsEmpty() && c.SourcePorts.Minus(m.SourcePorts).IsEmpty()
}

// overlaps reports whether a packet is in both c and o, which have the same direction.
func (c *Change) overlaps(o *Change) bool {
	if c.States&o.States == 0 || c.Protos.Intersect(o.Protos) == (Bytes{}) || c.Ports.Intersect(o.Ports).IsEmpty() {
		return false // what most of them differ in
	}
	on := c.Others && o.Others
	for _, name := range c.Interfaces {
		on = on || o.on(name)
	}
	for _, name := range o.Interfaces {
		on = on || c.on(name)
	}
	both := c.match().Intersect(o.match())
	return on && both.possible()
}

// possible reports whether a packet can match m, its interfaces aside.
func (m *Match) possible() bool {
	if m.States == 0 || m.Peers.IsEmpty() || m.Ports.IsEmpty() || m.SourcePorts.IsEmpty() || m.Types == (Bytes{}) {
		return false
	}
	for _, n := range m.Protos.Each() {
		switch kindOf(n) {
		case withPorts:
			if m.Types.IsAll() {
				return true
			}
		case withTypes:
			if m.anyPort() {
				return true
			}
		default:
			if m.anyPort() && m.Types.IsAll() {
				return true
			}
		}
	}
	return false
}
