// Package ruleset is the one meaning every firewall must keep.
//
// A Ruleset is two ordered lists of rules, about packets that arrive at a host and about
// packets that leave it. Decide says what it does with a packet and is the definition;
// Equivalent compares two rulesets over every packet there is, and Diff says all the
// traffic that they treat differently. Renderers write a Ruleset down, verifiers read one
// back, and the two must be equivalent.
package ruleset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/source"
)

// IP protocol numbers that matter here besides port.TCP and port.UDP
// (https://www.iana.org/assignments/protocol-numbers).
const (
	ICMP   uint8 = 1
	ICMPv6 uint8 = 58
)

// Loopback is the name that stands for the loopback interface on every system.
const Loopback = "lo"

// State is what connection tracking says of a packet. The zero value is none.
type State uint8

// The states of Linux's connection tracking (nft(8), "ct state"). Neighbour
// discovery and multicast listener discovery are Untracked there.
const (
	New State = 1 << iota
	Established
	Related
	Broken // "invalid" in nftables and iptables
	Untracked

	allStates = New | Established | Related | Broken | Untracked
)

// States is a set of states; the zero value is empty.
type States = State

// AllStates is the set of all states.
const AllStates States = allStates

var stateNames = map[State]string{New: "new", Established: "established", Related: "related", Broken: "invalid", Untracked: "untracked"}

// String is the names of the states of a set as nftables and iptables have them, joined
// by commas, and "none" for the empty set. Different sets have different strings.
func (s State) String() string {
	var names []string
	for _, one := range s.Each() {
		names = append(names, stateNames[one])
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ",")
}

// Each are the single states of a set in a fixed order.
func (s State) Each() []State {
	var out []State
	for one := New; one <= Untracked; one <<= 1 {
		if s&one != 0 {
			out = append(out, one)
		}
	}
	return out
}

// Bytes is a set of numbers from 0 to 255: IP protocols or ICMP types. The zero
// value is empty.
type Bytes [4]uint64

// AllBytes is every number from 0 to 255.
func AllBytes() Bytes { return Bytes{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)} }

// BytesOf is the set of the given numbers.
func BytesOf(ns ...uint8) Bytes {
	var b Bytes
	for _, n := range ns {
		b[n/64] |= 1 << (n % 64)
	}
	return b
}

// Has reports whether n is in b.
func (b Bytes) Has(n uint8) bool { return b[n/64]&(1<<(n%64)) != 0 }

// IsAll reports whether b has every number.
func (b Bytes) IsAll() bool { return b == AllBytes() }

// columns are the numbers of b as a set of ports.
func (b Bytes) columns() port.Set {
	var ranges []port.Range
	for _, n := range b.Each() {
		ranges = append(ranges, port.Single(uint16(n)))
	}
	return port.Of(ranges...)
}

// complement is the set of numbers that are not in b.
func (b Bytes) complement() Bytes {
	for i := range b {
		b[i] = ^b[i]
	}
	return b
}

// Intersect is the set of numbers in both b and o.
func (b Bytes) Intersect(o Bytes) Bytes {
	for i := range b {
		b[i] &= o[i]
	}
	return b
}

// Each are the numbers of b in ascending order.
func (b Bytes) Each() []uint8 {
	var out []uint8
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			out = append(out, uint8(i*64+bits.TrailingZeros64(w)))
		}
	}
	return out
}

// Interfaces is a set of interface names, or all of them. The zero value is empty.
type Interfaces struct {
	all   bool
	names []string // ascending; empty when all
}

// AllInterfaces is every interface, whatever its name.
func AllInterfaces() Interfaces { return Interfaces{all: true} }

// InterfacesOf is the set of the given names.
func InterfacesOf(names ...string) Interfaces {
	names = slices.Clone(names)
	slices.Sort(names)
	return Interfaces{names: slices.Compact(names)}
}

// Has reports whether name is in i.
func (i Interfaces) Has(name string) bool {
	_, found := slices.BinarySearch(i.names, name)
	return i.all || found
}

// IsAll reports whether i has every interface.
func (i Interfaces) IsAll() bool { return i.all }

// Names are the names in i in ascending order; none when i has every interface.
func (i Interfaces) Names() []string { return slices.Clone(i.names) }

// equal reports whether i and o hold the same interfaces.
func (i Interfaces) equal(o Interfaces) bool { return i.all == o.all && slices.Equal(i.names, o.names) }

// Intersect is the set of interfaces in both i and o.
func (i Interfaces) Intersect(o Interfaces) Interfaces {
	switch {
	case i.all:
		return o
	case o.all:
		return i
	}
	return InterfacesOf(slices.DeleteFunc(i.Names(), func(n string) bool { return !o.Has(n) })...)
}

// A Direction is which way a packet goes. The zero value is In.
type Direction uint8

// The directions, seen from the host.
const (
	In  Direction = iota // it arrives
	Out                  // it leaves
)

// String is "in" or "out".
func (d Direction) String() string { return [...]string{"in", "out"}[d] }

// A Packet is one packet that arrives at the host or leaves it, as far as rules look at it.
type Packet struct {
	Direction  Direction
	Interface  string     // where it comes in or goes out; Loopback for the loopback interface
	State      State      // exactly one state
	Proto      uint8      // IP protocol number
	Peer       netip.Addr // the other host: the source of what arrives, the destination of what leaves
	Port       uint16     // destination port; meaningless unless Proto has ports
	SourcePort uint16     // meaningless unless Proto has ports
	Type       uint8      // ICMP type; meaningless unless Proto is ICMP or ICMPv6
}

// A Match is a product of sets: a packet matches when it is in every one of them. The
// zero value matches nothing, so a forgotten field is safe; start from Any.
//
// Ports or SourcePorts other than all of them match only TCP and UDP, Types other than
// all of them only ICMP and ICMPv6.
type Match struct {
	Interfaces  Interfaces
	States      States
	Protos      Bytes
	Peers       addr.Set // sources of what arrives, destinations of what leaves
	Ports       port.Set // destination ports
	SourcePorts port.Set
	Types       Bytes // ICMP types
}

// Any matches every packet.
func Any() Match {
	return Match{AllInterfaces(), AllStates, AllBytes(), addr.All(), port.All(), port.All(), AllBytes()}
}

// Has reports whether p matches m.
func (m Match) Has(p Packet) bool {
	if !m.Interfaces.Has(p.Interface) || m.States&p.State == 0 || !m.Protos.Has(p.Proto) || !m.Peers.Contains(p.Peer) {
		return false
	}
	switch kindOf(p.Proto) {
	case withPorts:
		return m.Types.IsAll() && m.Ports.Contains(p.Port) && m.SourcePorts.Contains(p.SourcePort)
	case withTypes:
		return m.anyPort() && m.Types.Has(p.Type)
	}
	return m.anyPort() && m.Types.IsAll()
}

// anyPort reports whether m asks for no port.
func (m *Match) anyPort() bool { return m.Ports.IsAll() && m.SourcePorts.IsAll() }

// Intersect matches the packets that match both m and o.
func (m Match) Intersect(o Match) Match {
	return Match{
		m.Interfaces.Intersect(o.Interfaces), m.States & o.States, m.Protos.Intersect(o.Protos),
		m.Peers.Intersect(o.Peers), m.Ports.Intersect(o.Ports), m.SourcePorts.Intersect(o.SourcePorts), m.Types.Intersect(o.Types),
	}
}

// Equal reports whether m and o are the same sets.
func (m *Match) Equal(o *Match) bool {
	return m.Interfaces.equal(o.Interfaces) && m.States == o.States && m.Protos == o.Protos &&
		m.Peers.Equal(o.Peers) && m.Ports.Equal(o.Ports) && m.SourcePorts.Equal(o.SourcePorts) && m.Types == o.Types
}

// kind is what a protocol has beside addresses.
type kind uint8

const (
	plain kind = iota
	withPorts
	withTypes
)

func kindOf(proto uint8) kind {
	switch proto {
	case uint8(port.TCP), uint8(port.UDP):
		return withPorts
	case ICMP, ICMPv6:
		return withTypes
	}
	return plain
}

// Verdict is what happens to a packet. The zero value is no verdict.
type Verdict uint8

// The verdicts. Continue goes on to the next rule.
const (
	_ Verdict = iota
	Accept
	Drop
	Continue
)

// String is the word used by nftables.
func (v Verdict) String() string { return [...]string{"no verdict", "accept", "drop", "continue"}[v] }

// A Rate is so many events in a period. The zero value is no rate at all.
type Rate struct {
	Count  int    // at least 1
	Period string // "second", "minute", "hour" or "day"
}

// ParseRate reads "10/minute".
func ParseRate(s string) (Rate, error) {
	count, period, _ := strings.Cut(s, "/")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	period = strings.TrimSpace(period)
	if err != nil || n < 1 || n > 1_000_000 || !slices.Contains(Periods[:], period) {
		return Rate{}, fmt.Errorf("%q is not a rate such as 10/minute; the period is one of %s", s, strings.Join(Periods[:], ", "))
	}
	return Rate{n, period}, nil
}

// Reduced is the same rate by the shortest period in which its count is a whole number:
// 60/minute is 1/second. iptables-save lists it so, whatever was loaded.
func (r Rate) Reduced() Rate {
	steps := map[string]struct {
		per  int
		next string
	}{"day": {24, "hour"}, "hour": {60, "minute"}, "minute": {60, "second"}}
	for s := steps[r.Period]; s.per > 0 && r.Count > 0 && r.Count%s.per == 0; s = steps[r.Period] {
		r = Rate{r.Count / s.per, s.next}
	}
	return r
}

// Periods are the periods of a Rate, those that nft(8) and xt_hashlimit share.
var Periods = [...]string{"second", "minute", "hour", "day"}

// String is the form that ParseRate reads.
func (r Rate) String() string { return strconv.Itoa(r.Count) + "/" + r.Period }

// A Limit makes an accept conditional: within the rate the packet is accepted, beyond
// it the next rules decide. The zero value is no limit.
type Limit struct {
	Rate      Rate
	Burst     int    // packets above the rate that pass at first, at least 1
	PerSource bool   // counted for each source address by itself
	Name      string // rules with the same name share one count; [a-z0-9_], at most 15 bytes
}

// Connections makes an accept conditional on how many connections are open: as long as
// there are at most Count of them, the new one included, the packet is accepted; beyond
// it the next rules decide. With a Limit beside it, connections are asked first. The zero
// value is no condition.
type Connections struct {
	Count     int    // at least 1
	PerSource bool   // counted for each source address by itself
	Name      string // rules with the same name share one count; [a-z0-9_], at most 15 bytes
}

// A Log writes a line for a packet, at most at the given rate. The zero value is no log.
type Log struct {
	Rate   Rate   // of lines; required
	Burst  int    // lines above the rate that pass at first, at least 1
	Prefix string // printable ASCII, at most 29 bytes: the limit of iptables' LOG
}

// An Effect is what one rule does to a packet that matches it.
type Effect struct {
	Verdict     Verdict
	Connections Connections // only with Accept
	Limit       Limit       // only with Accept
	Log         Log         // only with Continue
}

// Limited reports whether an accept has a condition beyond which the next rules decide.
func (e Effect) Limited() bool { return e.Limit != Limit{} || e.Connections != Connections{} }

// ends reports whether no later rule is asked.
func (e Effect) ends() bool { return e.Verdict != Continue && !e.Limited() }

// A Rule does its effect to the packets it matches.
type Rule struct {
	Match  Match
	Effect Effect
	// Name is the allow of the policy that asked for the rule, or the name of a
	// built-in rule such as "established".
	Name string
	// Service is the service of the catalogue whose ports the rule is about; "" for ports
	// that stand in the policy, for logs, and in a ruleset that was read back. It tells
	// people what packets were for and is no part of what the rule means.
	Service string
	// Comment says for people which claim the rule is for, such as
	// "lumenvox-media-server rtp etc/lumenvox/media_server.conf:24". It comes from
	// files we do not trust: writers pass it through their quoting function.
	Comment string
	// Origins are the places that asked for the rule: the lines of the claim, then
	// the line of the policy. In a ruleset that was read back they are the lines of
	// the text.
	Origins []source.Span
}

// A Chain is rules in the order in which they are asked, and what happens to a packet
// that none of them decides.
type Chain struct {
	Rules   []Rule
	Default Verdict // Accept or Drop
}

// A Ruleset is what a host lets in and out. The zero value decides nothing about what
// arrives.
type Ruleset struct {
	Input Chain
	// Output is about packets that leave. Its zero value lets all of them leave.
	Output Chain
	// Untracked are the local UDP ports that connection tracking is kept from: what
	// arrives at them and what leaves from them has the state Untracked.
	Untracked port.Set
	Files     []string // the files it was made from, for the header
}

// Chain are the rules about packets of one direction.
func (rs *Ruleset) Chain(d Direction) *Chain {
	if d == Out {
		return &rs.Output
	}
	return &rs.Input
}

// FiltersOutput reports whether rs says anything about packets that leave.
func (rs *Ruleset) FiltersOutput() bool {
	return len(rs.Output.Rules) > 0 || rs.Output.Default == Drop
}

// A Decision is what a ruleset does to one packet: the effects of the rules that
// matched, in order; the last one ends it.
type Decision []Effect

// Verdict is Accept when the packet can pass, within limits if there are any, and
// Drop otherwise.
func (d Decision) Verdict() Verdict {
	for _, e := range d {
		if e.Verdict == Accept {
			return Accept
		}
	}
	return Drop
}

// Decide is the definition of what a ruleset means: rules are asked from first to
// last, and the first one that matches without a limit ends it.
func (rs *Ruleset) Decide(p Packet) Decision {
	var d Decision
	for _, r := range rs.Trace(p) {
		d = append(d, r.Effect)
	}
	if n := len(d); n > 0 && d[n-1].ends() {
		return d
	}
	return append(d, Effect{Verdict: rs.byDefault(p.Direction)})
}

// byDefault is what happens to a packet that no rule decides.
func (rs *Ruleset) byDefault(d Direction) Verdict {
	if d == Out && rs.Output.Default == 0 {
		return Accept
	}
	return rs.Chain(d).Default
}

// Trace are the rules that p meets, in their order, up to the one that ends it.
func (rs *Ruleset) Trace(p Packet) []*Rule {
	var out []*Rule
	rules := rs.Chain(p.Direction).Rules
	for i := range rules {
		if r := &rules[i]; r.Match.Has(p) {
			out = append(out, r)
			if r.Effect.ends() {
				break
			}
		}
	}
	return out
}

// Decider is the rule that gives p its verdict: the first accept, limited or not, or
// the drop that ends it. It is nil when the default decides.
func (rs *Ruleset) Decider(p Packet) *Rule {
	for _, r := range rs.Trace(p) {
		if r.Effect.Verdict != Continue {
			return r
		}
	}
	return nil
}

// Hash is the SHA-256 of what rs means to people and to firewalls, in hexadecimal: its
// rules in their order with their names, and its defaults. Comments, places and files play
// no part.
func (rs *Ruleset) Hash() string {
	h := sha256.New()
	var line []byte
	add := func(text string) { line = append(append(line, text...), ' ') }
	// What takes long to say is mostly the same as in the rule before, or in another one.
	sets, effects := map[Bytes]string{}, map[Effect]string{}
	var peers, effect, protos, types, sources string
	for _, d := range []Direction{In, Out} {
		rules := rs.Chain(d).Rules
		for i := range rules {
			r, m := &rules[i], &rules[i].Match
			var before *Match
			if i > 0 {
				before = &rules[i-1].Match
			}
			if before == nil || !m.Peers.Equal(before.Peers) {
				peers = m.Peers.String()
			}
			if before == nil || r.Effect != rules[i-1].Effect {
				effect = said(effects, "%+v", r.Effect)
			}
			if before == nil || m.Protos != before.Protos {
				protos = said(sets, "%x", m.Protos)
			}
			if before == nil || m.Types != before.Types {
				types = said(sets, "%x", m.Types)
			}
			if before == nil || !m.SourcePorts.Equal(before.SourcePorts) {
				sources = m.SourcePorts.String()
			}
			add(d.String())
			line = append(strconv.AppendQuote(line, r.Name), ' ')
			line = append(strconv.AppendBool(line, m.Interfaces.all), " ["...)
			for k, name := range m.Interfaces.names {
				if k > 0 {
					line = append(line, ' ')
				}
				line = strconv.AppendQuote(line, name)
			}
			add("]")
			line = append(strconv.AppendUint(line, uint64(m.States), 10), ' ')
			add(protos)
			add(peers)
			line = append(m.Ports.Append(line), ' ')
			add(sources)
			add(types)
			line = append(append(line, effect...), '\n')
			if len(line) > 1<<12 {
				h.Write(line)
				line = line[:0]
			}
		}
		line = fmt.Appendf(line, "%s default %s\n", d, rs.byDefault(d))
	}
	h.Write(fmt.Appendf(line, "untracked %v\n", rs.Untracked))
	return hex.EncodeToString(h.Sum(nil))
}

// said is what fmt makes of a value, which is known the second time.
func said[T comparable](known map[T]string, format string, value T) string {
	text, ok := known[value]
	if !ok {
		text = fmt.Sprintf(format, value)
		known[value] = text
	}
	return text
}
