package lint

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/solve"
	"portolan/internal/source"
)

// moves is where listeners better are. While the rules run for the first time it notes
// what they ask for; then one plan is made for all of it, and the rules run once more. So
// every rule gets the same answer for a listener, and all advice can be followed at once.
type moves struct {
	bodies  []*body // that a rule asked for, in that order
	of      map[*inventory.Claim]*body
	taken   port.Set // by listeners of any protocol
	known   port.Set // assigned to what one of the listeners speaks
	planned bool
}

// body is what one setting moves: the claims of a listener, which differ in nothing but the
// protocol, and those of other listeners whose first port is said by the same text.
type body struct {
	claims []*inventory.Claim
	// head is the claim whose first port is the number that is written.
	head  *inventory.Claim
	ports port.Range // from the first to the last port that one of them opens
	// low and high are the first and the last number that they write or open.
	low, high int
	pairs     bool // one of them has pairs
	single    bool // each of them is one port, which people know by its number

	must      bool // a rule wants it elsewhere
	nudge     bool // a rule wants it at an even port
	quarrels  bool // a rule found it on the ports of another
	opponents int  // the bodies it quarrels with

	to    int     // what to set the setting to, where move is true
	move  bool    // it has a better place
	after []*body // what has to move away before it can
	stuck string  // why it has no place, in words
}

// listener is one listener in one place: its claims differ in nothing but the protocol.
type listener struct {
	service, instance, listen string
	span                      source.Span
}

func listenerOf(c *inventory.Claim) listener {
	return listener{c.Service, c.Instance, c.Listen, c.Span}
}

// maxMoves bounds the bodies of one plan: a host that needs more has a worse problem than
// a port, and the search must not become slow.
const maxMoves = 300

// maxClaims bounds the claims of one body, so that two are compared in no time.
const maxClaims = 8

func newMoves(claims []*inventory.Claim) moves {
	ranges := make([]port.Range, len(claims))
	m := moves{of: make(map[*inventory.Claim]*body, len(claims))}
	type text struct {
		listener
		setting     string
		first, last int // the numbers of a default, which has no place of its own
	}
	texts := map[text]*body{}
	for i, c := range claims {
		ranges[i] = c.Ports
		if !c.Assigned.IsEmpty() && !c.Assigned.Minus(m.known).IsEmpty() {
			m.known = m.known.Union(c.Assigned)
		}
		key := text{listener: listenerOf(c)}
		switch {
		case c.Setting != "" && c.Span.HasLine():
			key = text{listener: listener{span: c.Span}, setting: c.Setting}
		case c.Setting != "": // one default for the listeners of both protocols
			key = text{listener{c.Service, c.Instance, "", c.Span}, c.Setting, c.NominalFirst, c.NominalLast}
		}
		b := texts[key]
		if b == nil || !b.fits(c) {
			b = &body{head: c, ports: c.Ports, low: lowest(c), high: highest(c), single: true}
			texts[key] = b
		}
		b.add(c)
		m.of[c] = b
	}
	m.taken = port.Of(ranges...)
	return m
}

// fits reports whether c can be moved together with b as if both were one range: they are
// near to each other, and pairs stay at even ports.
func (b *body) fits(c *inventory.Claim) bool {
	low, high := min(b.low, lowest(c)), max(b.high, highest(c))
	if !c.Span.HasLine() && b.any(&body{claims: []*inventory.Claim{c}}, func(x, y *inventory.Claim) bool { return x.Proto == y.Proto && x.Listen != y.Listen }) {
		return false // two settings of one name, in two sections
	}
	return len(b.claims) < maxClaims && high-low < 2*(spread(b.head)+spread(c))+16 &&
		(!c.Pairs && !b.pairs || (c.NominalFirst-b.head.NominalFirst)%2 == 0)
}

func (b *body) add(c *inventory.Claim) {
	b.claims = append(b.claims, c)
	b.low, b.high = min(b.low, lowest(c)), max(b.high, highest(c))
	b.pairs = b.pairs || c.Pairs
	b.single = b.single && !c.Pairs && spread(c) == 1
	switch {
	case b.ports.Len() == 0:
		b.ports = c.Ports
	case c.Ports.Len() > 0:
		b.ports = port.Range{First: min(b.ports.First, c.Ports.First), Last: max(b.ports.Last, c.Ports.Last)}
	}
	if !isNumber(b.head.Span.Text(), b.head.NominalFirst) && isNumber(c.Span.Text(), c.NominalFirst) {
		b.head = c
	}
}

// movable reports whether a setting is known that moves b.
func (b *body) movable() bool { return b.head.Setting != "" }

// moved is the ports of c when b has its place.
func (b *body) moved(c *inventory.Claim) (port.Range, bool) {
	return moved(c, c.NominalFirst+b.to-b.head.NominalFirst)
}

// ask notes the first time that a rule wants something of c.
func (p *Pass) ask(c *inventory.Claim) *body {
	b := p.moves.of[c]
	if b != nil && !p.moves.planned && !b.must && !b.nudge && !b.quarrels && len(p.moves.bodies) < maxMoves {
		p.moves.bodies = append(p.moves.bodies, b)
	}
	return b
}

// move reports whether there is a better place for c, of which a rule found that it has to be
// elsewhere: for a single port the one that is assigned to what it speaks, or one of its
// neighbours; otherwise an even round one from 1024 up, near below where it is now or else
// above. In all protocols of its listener the ports meet no listener, claimed or seen, and no
// ephemeral and no excluded port of its machines. It is false when there is none, and while
// the rules run for the first time.
func (p *Pass) move(c *inventory.Claim) bool {
	b := p.ask(c)
	if b == nil {
		return false
	}
	if !p.moves.planned {
		b.must = true
	}
	return b.move
}

// nudge is the advice and the fixes for c that is well where it is, but for its oddness: it
// goes to the port beside, unless a rule wants it elsewhere.
func (p *Pass) nudge(c *inventory.Claim) (string, []diag.Fix) {
	if p.moves.planned {
		return p.moveWords(c), p.fixes(c)
	}
	if b := p.ask(c); b != nil {
		b.nudge = true
	}
	return "", nil
}

// quarrel notes that two listeners are on the same port: one of them has to be elsewhere.
func (p *Pass) quarrel(a, b *inventory.Claim) {
	x, y := p.moves.of[a], p.moves.of[b]
	if x == nil || y == nil || x == y || p.moves.planned {
		return
	}
	for _, c := range [...]*body{y, x} { // of two that are alike the first one asked for stays
		p.ask(c.head).quarrels = true
	}
}

// rivals reports whether a and b cannot have a port in common.
func rivals(a, b *inventory.Claim) bool {
	return a.Proto == b.Proto && listenerOf(a) != listenerOf(b) && !sharing(a, b) && inventory.BindsOverlap(a.Sockets(), b.Sockets())
}

// apart reports whether a and b better have no number in common: rivals, and listeners of
// one service, which some refuse although the protocols differ.
func apart(a, b *inventory.Claim) bool {
	return rivals(a, b) || a.Service == b.Service && a.Instance == b.Instance && listenerOf(a) != listenerOf(b) && !sharing(a, b)
}

// any reports whether something holds for a claim of b and one of o.
func (b *body) any(o *body, holds func(x, y *inventory.Claim) bool) bool {
	return slices.ContainsFunc(b.claims, func(x *inventory.Claim) bool {
		return slices.ContainsFunc(o.claims, func(y *inventory.Claim) bool { return holds(x, y) })
	})
}

// plan finds places for everything that was asked for. It is false when nothing was.
func (p *Pass) plan() bool {
	asked := p.moves.bodies
	p.moves.planned = true
	if len(asked) == 0 {
		return false
	}
	if !p.planPolitely(asked, nil) {
		p.planTightly(asked)
	}
	return true
}

// planPolitely gives those that move numbers that nobody has now, in whatever protocol and
// on whatever address: all advice can be followed in any order, and nobody mistakes one
// number for another. Those that move are a smallest set, or the given one.
func (p *Pass) planPolitely(asked, these []*body) bool {
	problem := solve.Problem{Apart: true, One: true, Quarrels: quarrels(asked)}
	for _, b := range asked {
		it := p.item(b, p.free(b).Minus(p.moves.taken))
		if these != nil {
			it.Must = slices.Contains(these, b)
			it.Fixed = !it.Must
		}
		problem.Items = append(problem.Items, it)
	}
	plan := solve.Solve(problem)
	if plan.Verdict != solve.Placed {
		return false
	}
	accept(asked, plan)
	return true
}

// accept notes the places of a plan.
func accept(bodies []*body, plan solve.Plan) {
	for i, b := range bodies {
		b.move = plan.Firsts[i] >= 0
		b.to = plan.Firsts[i] + b.head.NominalFirst - b.low
		b.after = nil
	}
}

// quarrels are the pairs of bodies that are on the same ports.
func quarrels(bodies []*body) [][2]int {
	var out [][2]int
	for i, b := range bodies {
		b.opponents = 0
		for k, o := range bodies[:i] {
			if b.ports.Overlaps(o.ports) && b.any(o, func(x, y *inventory.Claim) bool { return x.Ports.Overlaps(y.Ports) && rivals(x, y) }) {
				out = append(out, [2]int{k, i})
				b.opponents++
				o.opponents++
			}
		}
	}
	return out
}

// item is b as the solver sees it. Free are the ports that it may have.
func (p *Pass) item(b *body, free port.Set) solve.Item {
	it := solve.Item{
		Len: max(1, b.high-b.low+1), Offset: b.head.NominalFirst - b.low, Free: free.Minus(systemPorts), Now: b.ports,
		Must: b.must || b.nudge, Fixed: !b.movable() || b.stuck != "",
		Wish: solve.Wish{At: b.head.NominalFirst, Near: b.single, Avoid: p.wellKnown(b)},
	}
	if !b.single {
		it.Step = 2
		if b.pairs && b.head.NominalFirst%2 != 0 {
			it.Len += it.Len % 2 // at an even port the last pair is whole
		}
		it.Grow = it.Len / 4
	}
	if b.head.Origin != inventory.Config {
		it.Cost = 1 // somebody wrote the other number: that is the one to change
	}
	switch {
	case b.nudge && !b.must && !b.quarrels:
		it.First = []int{b.head.NominalFirst - 1, b.head.NominalFirst + 1}
		it.Free = it.Free.Union(port.Of(b.ports))
	case b.single && b.low == b.high && !b.head.Assigned.Contains(b.head.Ports.First): // DNS on 53 does not belong on 443 instead
		assigned := b.head.Assigned.Intersect(free)
		it.Free = it.Free.Union(assigned)
		it.First = nearest(assigned, b.head.NominalFirst)
	}
	return it
}

// systemPorts are those that nobody should have who was not assigned one (RFC 6335 section 6).
var systemPorts = port.Of(port.Range{Last: firstUserPort - 1})

// nearest are the first ports of the runs of s by their distance.
func nearest(s port.Set, to int) []int {
	var out []int
	for _, r := range s.Ranges() {
		out = append(out, int(r.First))
	}
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(abs(a-to), abs(b-to)) })
	return out
}

// wellKnown are ports that peers expect something else on than b: better left alone where
// another place is as good. A range has room for too few if it keeps clear of every name that
// somebody once registered; a single port does.
func (p *Pass) wellKnown(b *body) port.Set {
	known := p.moves.known
	if b.single {
		for _, m := range p.machinesOf(b.head) {
			known = known.Union(m.NamedPorts())
		}
	}
	for _, c := range b.claims {
		known = known.Minus(c.Assigned)
	}
	return known
}

// free are the ports that b may have on all its machines, whoever has them now.
func (p *Pass) free(b *body) port.Set {
	free := port.All()
	for _, c := range b.claims {
		for _, m := range p.machinesOf(c) {
			if m.NodePorts.Ports.First > 0 {
				free = free.Minus(port.Of(m.NodePorts.Ports))
			}
			free = free.Minus(m.NomadPorts.Ports).Minus(m.open.Minus(port.Of(c.Ports)))
			free = free.Minus(m.handsOut[c.Proto]).Minus(m.refused[c.Proto])
		}
	}
	return free
}

// maxCrowd bounds the listeners among which a tight plan is looked for.
const maxCrowd = 2000

// planTightly looks for any plan at all: listeners of other protocols and addresses may
// have the same numbers, what others leave is free, and ranges of which no rule said
// anything can be moved too, when that makes room. Where there is none, one after the
// other of those asked for stays, and says why.
func (p *Pass) planTightly(asked []*body) {
	if len(p.listeners) > maxCrowd {
		for _, b := range asked {
			b.stuck = noPlace
		}
		return
	}
	bodies := append(slices.Clone(asked), p.bystanders(asked)...)
	left := slices.DeleteFunc(slices.Clone(asked), func(b *body) bool { return !b.movable() })
	plan, ok := p.tightest(left, bodies)
	if !ok {
		return
	}
	accept(bodies, plan)
	these := slices.DeleteFunc(slices.Clone(bodies), func(b *body) bool { return !b.move })
	if !slices.ContainsFunc(these, func(b *body) bool { return !slices.Contains(asked, b) }) && p.planPolitely(asked, these) {
		return
	}
	// What no safe fix moves may well stay for a while: better if nobody waits for it.
	problem := p.tight(bodies, func(b *body) bool { return !p.isSafe(b) })
	for i, b := range bodies {
		problem.Items[i].Must, problem.Items[i].Fixed = b.move, !b.move
	}
	if firm := solve.Solve(problem); firm.Verdict == solve.Placed {
		accept(bodies, firm)
	}
	for _, b := range bodies {
		b.after = p.inTheWay(b, bodies)
	}
}

// tightest is a plan for as many of left as have places together: one more would be too
// many. It is false when none has.
func (p *Pass) tightest(left, bodies []*body) (solve.Plan, bool) {
	const maxRounds = 20
	problem := p.tight(bodies, func(*body) bool { return false })
	solved := func() solve.Plan {
		for i, b := range bodies {
			problem.Items[i].Fixed = !b.movable() || b.stuck != ""
		}
		return solve.Solve(problem)
	}
	var given []*body
	plan := solved()
	for rounds := 0; plan.Verdict != solve.Placed; rounds++ {
		more := p.hopeless(left, bodies, plan, rounds >= maxRounds)
		left = slices.DeleteFunc(left, func(b *body) bool { return slices.Contains(more, b) })
		if len(left) == 0 {
			return solve.Plan{}, false
		}
		given = append(given, more...)
		plan = solved()
	}
	slices.Reverse(given) // the shortest first
	for i, b := range given {
		if i >= maxRounds {
			continue
		}
		why := b.stuck
		b.stuck = ""
		if again := solved(); again.Verdict == solve.Placed {
			plan = again
		} else {
			b.stuck = why
		}
	}
	return plan, true
}

// noPlace is the reason where none is known.
const noPlace = "no place was found that is free on every system"

// bystanders are ranges that nobody asked for, and that could be moved without a question.
func (p *Pass) bystanders(asked []*body) []*body {
	var out []*body
	for _, c := range p.listeners {
		b := p.moves.of[c]
		if c != b.head || b.single || !b.movable() || slices.Contains(asked, b) || len(asked)+len(out) >= maxMoves {
			continue
		}
		if p.isSafe(b) {
			out = append(out, b)
		}
	}
	return out
}

// tight is the problem of planTightly. What firm ones have now nobody else can have.
func (p *Pass) tight(bodies []*body, firm func(*body) bool) solve.Problem {
	leaves := map[*body]bool{}
	for _, b := range bodies {
		leaves[b] = !firm(b)
	}
	var lanes []*body // one of those whose sockets are alike
	lane := map[string]int{}
	problem := solve.Problem{Quarrels: quarrels(bodies)}
	taken := map[string]port.Set{}
	for _, b := range bodies {
		alike := sockets(b)
		if _, known := lane[alike]; !known {
			lane[alike] = len(lanes)
			lanes = append(lanes, b)
			var ranges []port.Range
			for _, c := range p.listeners {
				if !leaves[p.moves.of[c]] && slices.ContainsFunc(b.claims, func(x *inventory.Claim) bool { return apart(x, c) }) {
					ranges = append(ranges, c.Ports)
				}
			}
			taken[alike] = port.Of(ranges...)
		}
		it := p.item(b, p.free(b).Minus(taken[alike]))
		it.Lane = lane[alike]
		problem.Items = append(problem.Items, it)
	}
	meet := make([][]bool, len(lanes))
	for i, a := range lanes {
		meet[i] = make([]bool, len(lanes))
		meet[i][i] = !sharesAll(a)
		for k, b := range lanes[:i] {
			meet[i][k] = a.any(b, apart)
			meet[k][i] = meet[i][k]
		}
	}
	problem.Meet = func(a, b int) bool { return meet[a][b] }
	return problem
}

// sockets are the protocols and addresses of b, and whose they are, as a text.
func sockets(b *body) string {
	var words []string
	for _, c := range b.claims {
		words = append(words, strings.Join([]string{c.Proto.String(), strings.Join(c.Sockets(), ","), c.Service, c.Instance, c.Share}, " "))
	}
	slices.Sort(words)
	return strings.Join(slices.Compact(words), "\n")
}

// sharesAll reports whether another body with the same sockets would share its ports.
func sharesAll(b *body) bool {
	return !slices.ContainsFunc(b.claims, func(c *inventory.Claim) bool { return c.Share == "" })
}

// inTheWay are the bodies whose ports b can have only when they have moved away.
func (p *Pass) inTheWay(b *body, bodies []*body) []*body {
	if !b.move {
		return nil
	}
	var out []*body
	for _, o := range bodies {
		if o != b && o.move && b.any(o, func(x, y *inventory.Claim) bool {
			r, ok := b.moved(x)
			return ok && r.Overlaps(y.Ports) && apart(x, y)
		}) {
			out = append(out, o)
		}
	}
	return out
}

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

// lowest is the first port that c writes or opens.
func lowest(c *inventory.Claim) int { return min(c.NominalFirst, int(c.Ports.First)) }

// highest is the last one.
func highest(c *inventory.Claim) int { return max(c.NominalLast, int(c.Ports.Last)) }

// spread is the number of ports between the first and the last that c writes or opens.
func spread(c *inventory.Claim) int { return highest(c) - lowest(c) + 1 }

func abs(n int) int { return max(n, -n) }

// moved is the ports of c, written and opened, if it began at first; false when they
// would leave the port space.
func moved(c *inventory.Claim, first int) (port.Range, bool) {
	by := first - c.NominalFirst
	lo, hi := lowest(c)+by, highest(c)+by
	if lo < 0 || hi > port.Max || lo > hi {
		return port.Range{}, false
	}
	return port.Range{First: uint16(lo), Last: uint16(hi)}, true
}

// moveWords is advice to move c: "set rtp_base to 25000". Where there is no place it says
// what stands in the way. It is "" when no setting moves c.
func (p *Pass) moveWords(c *inventory.Claim) string {
	if c.Setting == "" {
		return ""
	}
	if p.move(c) {
		return p.setWords(p.moves.of[c], c)
	}
	if b := p.moves.of[c]; b != nil && b.stuck != "" {
		return p.stuckWords(b, c)
	}
	return ""
}

// setWords is "set rtp_base to 25000", in a finding about c, with what has to be moved
// before that.
func (p *Pass) setWords(b *body, c *inventory.Claim) string {
	words := "set " + p.settingWords(b, c) + " to " + strconv.Itoa(b.to)
	var before []string
	for _, o := range b.chain()[1:] {
		before = append(before, p.settingWords(o, b.head)+" to "+strconv.Itoa(o.to))
	}
	if len(before) > 0 {
		words += " and, before that, " + and(before)
	}
	return words
}

// settingWords names the setting of b in a finding about c: where it is another's, with
// whose it is.
func (p *Pass) settingWords(b *body, c *inventory.Claim) string {
	switch h := b.head; {
	case p.moves.of[c] == b:
	case h.Service != c.Service || h.Instance != c.Instance:
		return strings.TrimSuffix(h.Setting+" of "+h.Service+" "+h.Instance, " ")
	case h.Setting == c.Setting && h.Span.HasLine():
		return h.Setting + " (" + h.Span.String() + ")"
	}
	return b.head.Setting
}

// stuckWords is advice where b has no place, in a finding about c.
func (p *Pass) stuckWords(b *body, c *inventory.Claim) string {
	return "make room for " + p.settingWords(b, c) + " (" + b.stuck + ")"
}

// chain is b, and everything that has to move before it can.
func (b *body) chain() []*body {
	out := []*body{b}
	for i := 0; i < len(out); i++ {
		for _, o := range out[i].after {
			if !slices.Contains(out, o) {
				out = append(out, o)
			}
		}
	}
	return out
}
