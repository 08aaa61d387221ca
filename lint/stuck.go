package lint

import (
	"cmp"
	"slices"
	"strconv"

	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/solve"
)

// noPlace is the reason where none is known.
const noPlace = "no place was found that is free on every system"

// hopeless gives up bodies that have no places, and says why: as many of the longest as
// the reason takes.
func (p *Pass) hopeless(left, bodies []*body, plan solve.Plan, all bool) []*body {
	var blocked []*body
	for _, i := range plan.Blocked.Items {
		if slices.Contains(left, bodies[i]) && bodies[i].stuck == "" && bodies[i].movable() {
			blocked = append(blocked, bodies[i])
		}
	}
	unknown := all || plan.Verdict == solve.Unknown || len(blocked) == 0
	if unknown {
		blocked = slices.Clone(left)
	}
	slices.SortStableFunc(blocked, func(a, b *body) int { return cmp.Compare(b.high-b.low, a.high-a.low) })
	missing := plan.Blocked.Need - plan.Blocked.Have
	for n, b := range blocked {
		if unknown {
			b.stuck = noPlace
		} else {
			b.stuck = p.reason(b, bodies, plan.Blocked)
		}
		if missing -= b.high - b.low + 1; missing <= 0 && !all {
			return blocked[:n+1]
		}
	}
	return blocked
}

// reason is why b has no place.
func (p *Pass) reason(b *body, bodies []*body, blocked solve.Blocked) string {
	need := blocked.Need
	if len(blocked.Items) == 1 {
		words := "it needs " + count(need, "port")
		if need > 1 {
			words += " in a row"
		}
		if blocked.Have == 0 {
			return words + ", and none from " + strconv.Itoa(firstUserPort) + " up is free: " + p.walls(b)
		}
		run := port.Range{First: blocked.Run.Last - uint16(blocked.Have-1), Last: blocked.Run.Last}
		free := "free run"
		if slices.ContainsFunc(b.claims, func(x *inventory.Claim) bool {
			return slices.ContainsFunc(p.listeners, func(c *inventory.Claim) bool { return run.Overlaps(c.Ports) && apart(x, c) })
		}) {
			free = "run that others could leave"
		}
		return words + ", and the longest " + free + " is " + count(blocked.Have, "port") + ", " + run.String() + ", " + p.between(b, blocked.Run)
	}
	var names []string
	for _, i := range blocked.Items {
		if o := bodies[i]; o != b {
			names = append(names, subject(o.head))
		}
	}
	const most = 5
	if n := len(names) - most; n > 0 {
		names = append(names[:most], count(n, "more range"))
	}
	words := "it and " + and(names)
	if blocked.Need > 0 {
		return words + " need " + count(need, "port") + ", and they can have " + strconv.Itoa(blocked.Have) + ": " + few(blocked.Where)
	}
	return words + " do not fit into " + few(blocked.Where) + " in any order"
}

// walls name what has all the ports from firstUserPort up.
func (p *Pass) walls(b *body) string {
	var systems, others []string
	for _, x := range b.claims {
		for _, m := range p.machinesOf(x) {
			if s := m.handsOut[x.Proto].Minus(systemPorts); !s.IsEmpty() {
				systems = append(systems, "the ephemeral ports "+few(s)+" of "+m.name)
			}
		}
	}
	for _, c := range p.listeners {
		if c.Ports.Last >= firstUserPort && p.moves.of[c] != b && slices.ContainsFunc(b.claims, func(x *inventory.Claim) bool { return apart(x, c) }) {
			others = append(others, subject(c))
		}
	}
	slices.Sort(systems)
	const most = 4
	if n := len(others) - most; n > 0 {
		others = append(others[:most], count(n, "more listener"))
	}
	return and(append(slices.Compact(systems), others...)) + " are in the way"
}

// between names what stands on both sides of a run.
func (p *Pass) between(b *body, r port.Range) string {
	sides := []string{"the system ports", "the last port"}
	if r.First > firstUserPort {
		sides[0] = p.holder(b, r.First-1)
	}
	if r.Last < port.Max {
		sides[1] = p.holder(b, r.Last+1)
	}
	return "between " + and(sides)
}

// holder names who has a port that b cannot have.
func (p *Pass) holder(b *body, at uint16) string {
	for _, x := range b.claims {
		for _, m := range p.machinesOf(x) {
			for _, held := range [...]struct {
				ports port.Set
				name  string
			}{
				{m.handsOut[x.Proto], "the ephemeral ports"}, {m.refused[x.Proto], "the excluded ports"}, {port.Of(m.NodePorts.Ports), "the node ports"},
			} {
				for _, r := range held.ports.Ranges() {
					if r.Contains(at) {
						return held.name + " " + r.String() + " of " + m.name
					}
				}
			}
		}
	}
	for _, c := range p.listeners {
		if c.Ports.Contains(at) && slices.ContainsFunc(b.claims, func(x *inventory.Claim) bool { return apart(x, c) }) {
			return subject(c)
		}
	}
	return strconv.Itoa(int(at))
}

// stuckWords is advice where b has no place, in a finding about c.
func (p *Pass) stuckWords(b *body, c *inventory.Claim) string {
	return "make room for " + p.settingWords(b, c) + " (" + b.stuck + ")"
}
