package lint

import (
	"slices"
	"strconv"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/port"
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
	away      bool // one of those rules knows no list of ports that would do as well
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
		b.away = b.away || p.rule == nil || !slices.Contains(sparing, p.rule.Name)
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
