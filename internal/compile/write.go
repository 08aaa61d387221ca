package compile

import (
	"slices"
	"strconv"

	"portolan/internal/addr"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// A writer writes the rules of one allow, deny or connect.
type writer struct {
	kind   string // "allow"
	about  *policy.Selection
	peers  addr.Set
	effect ruleset.Effect
	log    ruleset.Effect // of a log before the rules; the zero value for none
	rules  []ruleset.Rule // behind those of others, because a rule is too large to be copied without need
	before int            // how many rules of others there are
}

// writer begins the rules of the next one behind those of the others, which are not written any more.
func (b *builder) writer(kind string, s *policy.Selection, peers addr.Set, e ruleset.Effect, others []ruleset.Rule) *writer {
	w := &b.writes
	*w = writer{kind: kind, about: s, peers: peers, effect: e, rules: others, before: len(others)}
	if s.Log.Count > 0 {
		w.log = logged(s.Log, b.logPrefix(s.Name.Text))
	}
	return w
}

// own are the rules that were written so far.
func (w *writer) own() []ruleset.Rule { return w.rules[w.before:] }

// add adds a rule for m.
func (w *writer) add(m ruleset.Match, comment string, places ...source.Span) {
	if len(w.about.Interfaces) > 0 {
		names := make([]string, len(w.about.Interfaces))
		for i, name := range w.about.Interfaces {
			names[i] = name.Text
		}
		m.Interfaces = ruleset.InterfacesOf(names...)
	}
	m.Peers = m.Peers.Intersect(w.peers)
	if m.Peers.IsEmpty() {
		return
	}
	w.rules = append(w.rules, ruleset.Rule{Match: m, Effect: w.effect, Name: w.about.Name.Text, Comment: comment, Origins: origins(places...)})
}

// finished are the rules behind those of others, and before them the log of what they are about. Ports to which the
// same applies share one log, so that a rate is not multiplied by the listeners of a service.
func (w *writer) finished() []ruleset.Rule {
	if w.log == (ruleset.Effect{}) {
		return w.rules
	}
	var logs []ruleset.Rule
	var ports [][]port.Range
	for _, r := range w.own() {
		at := slices.IndexFunc(logs, func(l ruleset.Rule) bool {
			return l.Match.Protos == r.Match.Protos && l.Match.Peers.Equal(r.Match.Peers) && l.Match.SourcePorts.Equal(r.Match.SourcePorts)
		})
		if at < 0 {
			at = len(logs)
			logs = append(logs, ruleset.Rule{Match: r.Match, Effect: w.log, Name: r.Name, Comment: "log of " + w.words(w.about.LogSpan), Origins: origins(w.about.LogSpan)})
			ports = append(ports, nil)
		}
		ports[at] = append(ports[at], r.Match.Ports.Ranges()...)
	}
	for i := range logs {
		logs[i].Match.Ports = port.Of(ports[i]...)
	}
	return slices.Insert(w.rules, w.before, logs...)
}

// numbers writes what stands in the policy itself; false when that is about listeners or
// connections that are found.
func (w *writer) numbers() bool {
	w.ports(w.about.Ports)
	w.protocols(w.about.Protocols)
	return len(w.about.Ports)+len(w.about.Protocols) > 0
}

// words name the rule and its place.
func (w *writer) words(place source.Span) string {
	return w.kind + " " + w.about.Name.Text + at(place)
}

// claim is about the ports of c and the given peers.
func (w *writer) claim(c *inventory.Claim, peers addr.Set) {
	places := make([]source.Span, 0, len(c.Because)+2)
	places = append(places, c.Span)
	for _, because := range c.Because {
		places = append(places, because.Span)
	}
	places = append(places, w.about.Name.Span)
	m := match(c.Proto, c.Ports, peers)
	if c.Direction == inventory.Connect && c.Source != (port.Range{}) {
		m.SourcePorts = port.Of(c.Source)
	}
	n := len(w.rules)
	w.add(m, claimComment(c), places...)
	for i := range w.rules[n:] {
		w.rules[n+i].Service = c.Service
	}
}

// ports is about ports that stand in the policy itself. Those of one line have the same words.
func (w *writer) ports(ports []policy.Port) {
	line, words := 0, ""
	for _, p := range ports {
		if at := p.Span.Position().Line; at != line || words == "" {
			line, words = at, w.words(p.Span)
		}
		w.add(match(p.Proto, p.Ports, w.peers), words, p.Span, w.about.Name.Span)
	}
}

// protocols is about IP protocols as a whole.
func (w *writer) protocols(protocols []policy.Protocol) {
	for _, p := range protocols {
		m := ruleset.Any()
		m.Protos = ruleset.BytesOf(p.Number)
		switch p.Number { // the other family has the other one
		case ruleset.ICMP:
			m.Peers = addr.V4()
		case ruleset.ICMPv6:
			m.Peers = addr.V6()
		}
		w.add(m, w.words(p.Span), p.Span, w.about.Name.Span)
	}
}

// match is packets to the given ports in any state: established ones are accepted and
// broken ones dropped before, and what a raw table took from connection tracking must
// still get in.
func match(proto port.Proto, ports port.Range, peers addr.Set) ruleset.Match {
	m := ruleset.Any()
	m.Protos, m.Ports, m.Peers = ruleset.BytesOf(uint8(proto)), port.Of(ports), peers
	return m
}

// logPrefix begins the lines of a log and names its rule: "portolan NAME: ", within the 29
// bytes of iptables, with a number where two would be the same.
func (b *builder) logPrefix(name string) string {
	const begin, end, most = "portolan ", ": ", 29 - len("portolan : ")
	short := name[:min(len(name), most)]
	for n := 2; b.prefixes[short] || begin+short+end == LogPrefix; n++ {
		number := strconv.Itoa(n)
		short = name[:min(len(name), most-len(number))] + number
	}
	b.prefixes[short] = true
	return begin + short + end
}
