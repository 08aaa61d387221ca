package ruleset

import (
	"slices"
	"strconv"

	"portolan/internal/addr"
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
	var left portBits
	var some []*Rule
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
			// Most rules are about all of c but for their ports. Where all are, the first one that
			// has a port decides about it.
			near, simple, undecided := span(c.Ports), true, c.Ports.Len()
			left.add(c.Ports)
			some = some[:0]
			for i := range rules {
				m := &rules[i].Match
				if rules[i].Effect.Verdict == Continue || !bounds[i].Overlaps(near) || !c.meets(m) || !left.overlaps(m.Ports) {
					continue
				}
				some = append(some, &rules[i])
				if !c.withinBesidePorts(m) {
					simple = false
				} else if undecided -= left.remove(m.Ports); undecided == 0 {
					break
				}
			}
			switch {
			case simple && undecided > 0:
				some = append(some, nil)
			case !simple && len(some) > 0:
				some = c.decidersOf(some)
			}
			left.remove(c.Ports)
			out[k] = slices.Clone(some)
		}
	}
	return out
}

// decidersOf are those of some rules, which are in their order, that give a packet of c its
// verdict, and nil behind them for the default. All packets outside c are painted over first, and
// then a rule decides where it is the one to be seen.
func (c *Change) decidersOf(some []*Rule) []*Rule {
	outside := [3]Match{Any(), Any(), Any()}
	outside[0].Peers = addr.All().Minus(c.Peers)
	outside[1].Ports = port.All().Minus(c.Ports)
	outside[2].Types = c.Types.complement()
	everything := Any()
	p := blankPainter()
	byDefault := int32(len(some))
	for i := range outside {
		p.add(0, &outside[i], byDefault+1, true)
	}
	for i, r := range some {
		p.add(0, &r.Match, int32(i), true)
	}
	p.add(0, &everything, byDefault, true)
	p.add(1, &everything, byDefault+1, true)
	decides := make([]bool, len(some)+2)
	for s := range p.settings(c.Direction) {
		if all := s.change(); !all.overlaps(c) {
			continue
		}
		key := p.context(s.at)
		if _, done := p.done[key]; done {
			continue
		}
		p.done[key] = 0
		for row := range p.paint(kindOf(s.at.Proto), true) {
			for i, now := range row.painted[0] {
				if kindOf(s.at.Proto) != withTypes || row.columns[i] < 256 {
					decides[p.pasts[now].effect] = true
				}
			}
		}
	}
	var out []*Rule
	for i, r := range append(some, nil) {
		if decides[i] {
			out = append(out, r)
		}
	}
	return out
}

// span is from the first to the last port of s; a range without ports for none.
func span(s port.Set) port.Range {
	out := port.Range{First: 1}
	for r := range s.Each() {
		if out.Len() == 0 {
			out.First = r.First
		}
		out.Last = r.Last
	}
	return out
}

// meets reports whether a packet can be in both c and m.
func (c *Change) meets(m *Match) bool {
	on := c.Others && m.Interfaces.IsAll()
	for _, name := range c.Interfaces {
		on = on || m.Interfaces.Has(name)
	}
	for _, name := range m.Interfaces.names {
		on = on || c.Others && !slices.Contains(c.named, name)
	}
	own := c.match()
	return on && own.meets(m)
}

// withinBesidePorts reports whether every packet of c matches m if it has one of its ports. It is
// false too where m names interfaces.
func (c *Change) withinBesidePorts(m *Match) bool {
	return m.Interfaces.all && c.States&^m.States == 0 && c.Protos.Intersect(m.Protos) == c.Protos && c.Types.Intersect(m.Types) == c.Types &&
		(m.anyPort() || c.Protos.Intersect(protosWithPorts) == c.Protos) &&
		c.Peers.Intersect(m.Peers).Equal(c.Peers) && c.SourcePorts.Intersect(m.SourcePorts).Equal(c.SourcePorts)
}

// overlaps reports whether a packet is in both c and o, which have the same direction.
func (c *Change) overlaps(o *Change) bool {
	on := c.Others && o.Others
	for _, name := range c.Interfaces {
		on = on || o.on(name)
	}
	for _, name := range o.Interfaces {
		on = on || c.on(name)
	}
	own, other := c.match(), o.match()
	return on && own.meets(&other)
}

var protosWithPorts, protosWithTypes = BytesOf(uint8(port.TCP), uint8(port.UDP)), BytesOf(ICMP, ICMPv6)

// meets reports whether a packet can match both m and o, their interfaces aside.
func (m *Match) meets(o *Match) bool {
	protos, types := m.Protos.Intersect(o.Protos), m.Types.Intersect(o.Types)
	if !types.IsAll() {
		protos = protos.Intersect(protosWithTypes)
	}
	if !m.anyPort() || !o.anyPort() {
		protos = protos.Intersect(protosWithPorts)
	}
	return m.States&o.States != 0 && protos != (Bytes{}) && types != (Bytes{}) &&
		m.Ports.Overlaps(o.Ports) && m.SourcePorts.Overlaps(o.SourcePorts) && m.Peers.Overlaps(o.Peers)
}
