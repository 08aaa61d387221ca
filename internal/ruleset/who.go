package ruleset

import (
	"slices"
	"strconv"
)

// Deciders are, for each change, the rules of rs that give a packet of it its verdict, in
// their order, and nil behind them when the default decides about some. It is exact: a rule
// is named when there is a packet in the change of which it is the Decider.
func Deciders(rs *Ruleset, changes []Change) [][]*Rule {
	out := make([][]*Rule, len(changes))
	for _, direction := range []Direction{In, Out} {
		rs.deciders(direction, changes, out)
	}
	return out
}

// deciders adds what is so of one direction. Each rule gets an effect that only it has, so
// that the difference to a ruleset that does something else everywhere is a map of who
// decides where.
func (rs *Ruleset) deciders(direction Direction, changes []Change, out [][]*Rule) {
	rules := rs.Chain(direction).Rules
	var marked Ruleset
	chain := marked.Chain(direction)
	chain.Default = Accept
	for i := range rules {
		r := &rules[i]
		if r.Effect.Verdict == Continue {
			continue
		}
		for k := range changes {
			if c := &changes[k]; c.Direction == direction && c.meets(&r.Match) {
				chain.Rules = append(chain.Rules, Rule{Match: r.Match, Effect: Effect{Verdict: Drop, Log: Log{Prefix: strconv.Itoa(i)}}})
				break
			}
		}
	}
	unlike := &Ruleset{Input: Chain{Default: Drop}, Output: Chain{Default: Drop}}
	areas := diffOf(direction, &marked, unlike)
	for k := range changes {
		c := &changes[k]
		if c.Direction != direction {
			continue
		}
		decides := map[int]bool{}
		rest := false
		for i := range areas {
			area := &areas[i]
			if !area.overlaps(c) {
				continue
			}
			if n, err := strconv.Atoi(area.A[0].Log.Prefix); err == nil {
				decides[n] = true
			} else {
				rest = true
			}
		}
		for i := range rules {
			if decides[i] {
				out[k] = append(out[k], &rules[i])
			}
		}
		if rest {
			out[k] = append(out[k], nil)
		}
	}
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
