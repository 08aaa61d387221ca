package render

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/nft"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// aboutPorts reports whether r can be said by a lookup of the destination port: it matches
// only TCP and UDP.
func aboutPorts(r *ruleset.Rule) bool {
	m := &r.Match
	if !m.Types.IsAll() {
		return false
	}
	if r.Name == "dhcp" || r.Name == "dhcpv6" {
		return false // every ruleset has these two, and a line says them better than a chain
	}
	if m.Ports.IsAll() && !m.SourcePorts.IsAll() {
		return false // a lookup would find the same for every port
	}
	return !m.Ports.IsAll() || m.Protos.Intersect(ruleset.BytesOf(uint8(port.TCP), uint8(port.UDP))) == m.Protos
}

// A rest is what is left of a rule once protocol and port are known.
type rest struct {
	direction  ruleset.Direction
	peers      string // rangesKey
	interfaces string // names; "*" for all, which no interface is called
	states     ruleset.States
	proto      port.Proto // of the source ports, 0 for all of them
	from       string     // source ports
	effect     ruleset.Effect
	log        *ruleset.Rule // one that logs, because each has a rate of its own
}

// An audience is what is asked of a packet whose port is known: rests in their order, of
// the same rules of the policy for the same services, so that its counters are about one
// service. It becomes a chain, which all ports with the same audience share.
type audience struct {
	chain *nft.Chain
	proto port.Proto  // of the source ports that are asked, if any are
	asks  []*portRule // the first rule that leaves each rest
}

// A portRule is one rule of a dispatch.
type portRule struct {
	*ruleset.Rule
	numbers [2]int // of what is left of it in TCP and in UDP
	// decides says that the rule takes every packet and ends it.
	decides bool
	asked   int // by how many audiences
}

// dispatch are the lines of consecutive rules about ports: one map for each protocol.
func (n *nftMaker) dispatch(rules []ruleset.Rule) []nft.Rule {
	asked := make([]portRule, 0, len(rules))
	var peers addr.Set
	var key string // of peers; those of one allow are mostly the same
	for i := range rules {
		r := &rules[i]
		if impossible(r.Match) || r.Match.Peers.IsEmpty() || r.Match.SourcePorts.IsEmpty() {
			continue
		}
		if !peers.Equal(r.Match.Peers) {
			peers = r.Match.Peers
			key = rangesKey(peers.Ranges())
		}
		left := rest{direction: n.direction, peers: key, interfaces: "*", states: r.Match.States & ruleset.AllStates, effect: r.Effect}
		if !r.Match.Interfaces.IsAll() {
			left.interfaces = strings.Join(r.Match.Interfaces.Names(), " ")
		}
		if !r.Match.SourcePorts.IsAll() {
			left.from = r.Match.SourcePorts.String()
		}
		if r.Effect.Verdict == ruleset.Continue {
			left.log = r
		}
		decides := plainEnd(r.Effect) && r.Match.Peers.IsAll() && left.interfaces == "*" && left.states == ruleset.AllStates && left.from == ""
		asked = append(asked, portRule{r, n.rest(left), decides, 0})
	}
	var made []*audience
	var out []nft.Rule
	for _, proto := range port.Protos {
		elements, fresh := n.elements(proto, asked)
		made = append(made, fresh...)
		if len(elements) > 0 {
			name := n.names.take(proto.String()+[...]string{ruleset.In: "_services", ruleset.Out: "_destinations"}[n.direction], "_")
			n.table.Maps = append(n.table.Maps, &nft.Map{Name: name, Elements: elements})
			out = append(out, nft.Rule{Proto: uint8(proto), Map: name})
		}
	}
	for _, a := range made {
		for _, r := range a.asks {
			r.asked++
		}
	}
	for _, a := range made {
		for _, r := range a.asks {
			lines := n.peers(r.Name, r.Match, perSource(r.Effect))
			if !r.Match.SourcePorts.IsAll() {
				for i := range lines {
					lines[i].Proto, lines[i].SourcePorts = uint8(a.proto), r.Match.SourcePorts.Ranges()
				}
			}
			comment := r.Name // the map has the lines of the files
			if r.Service != "" {
				comment += ": " + r.Service
			}
			if lines = n.finish(lines, r.Rule, r.asked > 1, comment); len(a.chain.Rules) == 0 {
				a.chain.Rules = lines // most have one rule, and a copy of each takes time
			} else {
				a.chain.Rules = append(a.chain.Rules, lines...)
			}
		}
		n.table.Chains = append(n.table.Chains, a.chain)
	}
	return out
}

func plainEnd(e ruleset.Effect) bool {
	return !e.Limited() && (e.Verdict == ruleset.Accept || e.Verdict == ruleset.Drop)
}

// elements are the map of one protocol, and the audiences that are new in it. The bounds
// of all ranges cut the ports into runs that no rule tells apart; each run gets the rules
// that speak of it, in their order, up to the first that takes everything.
func (n *nftMaker) elements(proto port.Proto, rules []portRule) ([]nft.Element, []*audience) {
	bounds := 0
	for i := range rules {
		if rules[i].Match.Protos.Has(uint8(proto)) {
			bounds += 2 * runs(rules[i].Match.Ports)
		}
	}
	starts := make([]int, 0, bounds)
	for i := range rules {
		if !rules[i].Match.Protos.Has(uint8(proto)) {
			continue
		}
		for p := range rules[i].Match.Ports.Each() {
			starts = append(starts, int(p.First), int(p.Last)+1)
		}
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	firsts := make([]*portRule, len(starts)) // by run
	several := map[int][]*portRule{}         // all of a run, where there are more than one
	covers := func(k int) []*portRule {
		if all := several[k]; all != nil || firsts[k] == nil {
			return all
		}
		return firsts[k : k+1 : k+1]
	}
	for i := range rules {
		r := &rules[i]
		if !r.Match.Protos.Has(uint8(proto)) {
			continue
		}
		for p := range r.Match.Ports.Each() {
			first, _ := slices.BinarySearch(starts, int(p.First))
			for k := first; starts[k] <= int(p.Last); k++ {
				if firsts[k] == nil {
					firsts[k] = r
				} else if c := covers(k); !c[len(c)-1].decides {
					several[k] = append(c, r)
				}
			}
		}
	}
	out := make([]nft.Element, 0, len(starts)/2+1) // ports mostly stand apart
	var fresh []*audience
	var speaking []*ruleset.Rule
	for k := range firsts {
		cover := covers(k)
		switch {
		case len(cover) == 0:
			continue
		case k > 0 && slices.Equal(cover, covers(k-1)): // cut by rules that are not asked here
			out[len(out)-1].Ports.Last = uint16(starts[k+1] - 1)
			continue
		}
		speaking = speakers(speaking[:0], cover)
		a, isNew := n.audience(proto, cover, speaking[0])
		if isNew {
			fresh = append(fresh, a)
		}
		out = append(out, nft.Element{Ports: port.Range{First: uint16(starts[k]), Last: uint16(starts[k+1] - 1)}, Jump: a.chain.Name, Comment: claims(speaking)})
	}
	return out, fresh
}

// speakers appends the rules that say what a port is for to none: all but the logs, if there are any.
func speakers(out []*ruleset.Rule, cover []*portRule) []*ruleset.Rule {
	for _, r := range cover {
		if r.Effect.Verdict != ruleset.Continue {
			out = append(out, r.Rule)
		}
	}
	if len(out) == 0 {
		for _, r := range cover {
			out = append(out, r.Rule)
		}
	}
	return out
}

// rest are the numbers of a rest in TCP and in UDP. Only source ports tell the two apart.
func (n *nftMaker) rest(left rest) [2]int {
	if left.from == "" {
		number := n.number(left)
		return [2]int{number, number}
	}
	var out [2]int
	for i, proto := range port.Protos {
		left.proto = proto
		out[i] = n.number(left)
	}
	return out
}

// number is the number of a rest; equal rests have the same.
func (n *nftMaker) number(left rest) int {
	if len(n.rests) > 0 && left == n.last { // as most are
		return n.numbered
	}
	number, ok := n.numbers[left]
	if !ok {
		number = len(n.rests)
		n.numbers[left] = number
		n.rests = append(n.rests, fmt.Sprintf("%q %q %d %d %s %+v\n", left.peers, left.interfaces, left.states, left.proto, left.from, left.effect))
	}
	n.last, n.numbered = left, number
	return number
}

// audience is the audience of the given rules, and whether nobody has had it before. It is
// called after one of them. Rules about source ports do not share one with those of the
// other protocol.
func (n *nftMaker) audience(proto port.Proto, cover []*portRule, after *ruleset.Rule) (*audience, bool) {
	numbers, asks := n.asked[:0], n.asks[:0]
	key := n.key[:0]
	at := slices.Index(port.Protos[:], proto)
	for _, r := range cover {
		// A rest that ended a packet cannot match again; one with a limit counts again.
		number := r.numbers[at]
		if plainEnd(r.Effect) && slices.Contains(numbers, number) {
			continue
		}
		numbers, asks = append(numbers, number), append(asks, r)
		key = binary.AppendUvarint(key, uint64(number))
		for _, word := range []string{r.Name, r.Service} {
			key = append(binary.AppendUvarint(key, uint64(len(word))), word...)
		}
	}
	n.asked, n.asks, n.key = numbers, asks, key
	if a, ok := n.audiences[string(key)]; ok {
		return a, false
	}
	content := n.content[:0]
	for _, r := range asks {
		content = append(strconv.AppendQuote(content, r.Name), ' ')
		content = append(strconv.AppendQuote(content, r.Service), '\n')
	}
	for _, i := range numbers {
		content = append(content, n.rests[i]...)
	}
	n.content = content
	sum := sha256.Sum256(content)
	name := [...]string{ruleset.In: "svc_", ruleset.Out: "out_"}[n.direction] + slug(after.Name, 40) + "_"
	if after.Service != "" {
		name += slug(after.Service, 40) + "_"
	}
	a := &audience{&nft.Chain{Name: n.names.take(name+hex.EncodeToString(sum[:4]), "_")}, proto, slices.Clone(asks)}
	n.audiences[string(key)] = a
	return a, true
}
