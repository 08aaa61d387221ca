package render

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"sync"
	"text/template"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// The shape of the iptables text: one file for each family, with chains of our own only.
// A rule of the ruleset becomes a rule for each peer prefix; when there are many, one
// chain that asks for the peers, to which the ports lead; when there are very many, a set
// of ipset that every rule asks for itself. Many ICMP types are a chain, too, so that other
// packets pass one rule and not one for each type.
//
// The chains for what leaves and for untracked packets are declared even when they are
// empty. Otherwise what an older file has put there would stay in force.

var iptTemplate = sync.OnceValue(func() *template.Template { return parsed("iptables.tmpl", iptQuoting()) })

// Limits of iptables 1.8 and the kernel's tables.
const (
	chainName   = 28     // bytes of a chain name
	multiports  = 15     // entries of one multiport match; a range is two
	logRefill   = 86400  // seconds; xt_limit counts in 32 bits
	logPerSec   = 10_000 // xt_limit's finest step
	setElements = 65536  // of a set, unless it says otherwise
)

// How peers are asked. Measured on one machine, in both parts of the kernel alike: each
// prefix of a chain costs a packet that is in none of them 6.5 ns, so that 64 cost 0.4
// microseconds; a set costs 0.2 to 0.5 microseconds, with 64 elements as with 20,000.
// Below that a set saves nothing and asks for a program more.
const (
	fewPrefixes  = 3  // more prefixes than this get a chain
	manyPrefixes = 64 // as many as this get a set
	fewTypes     = 2  // more ICMP types than this get a chain
)

// The chains that others' chains lead to.
const (
	iptIn     = "PL-IN"
	iptOut    = "PL-OUT"
	iptRawIn  = "PL-RAW-IN"
	iptRawOut = "PL-RAW-OUT"
)

// iptFile is what the template prints for one family.
type iptFile struct {
	head
	Family int
	Output string
	Sets   bool // rules ask for sets
	Hooks  []iptHook
	Tables [2]iptTable // filter, raw
}

// iptTable is chains of ours in one table.
type iptTable struct {
	Name   string
	Chains []string
	Rules  []iptRule
}

// iptHook leads from a chain that is not ours to one that is.
type iptHook struct{ Table, From, To string }

// iptRule is one line. Fields that are not set are not printed.
type iptRule struct {
	Chain       string
	Out         bool // of what leaves: peer and interface are those it goes to
	Peer        *netip.Prefix
	Interface   string
	Proto       uint8
	From, To    iptPorts // source and destination
	HasType     bool
	Type        uint8
	Set         string
	States      ruleset.States
	Connections *iptConnections
	Limit       *iptLimit
	Log         *ruleset.Log
	Comment     string
	Target      string
	Notrack     bool
}

// iptPorts are the ports that one line asks for: one port or range, several, or none.
type iptPorts struct{ One, Several []port.Range }

// iptConnections is a count of xt_connlimit. Mask is how many bits of the source address
// have a count together: all for a count of each source, none for one of all.
type iptConnections struct{ Count, Mask int }

// iptLimit is a count of xt_hashlimit. Expire is how many milliseconds an idle source is
// remembered: long enough to have all of its burst again. 0 leaves it to iptables, which
// takes one period.
type iptLimit struct {
	Rate      ruleset.Rate
	Burst     int
	PerSource bool
	Name      string
	Expire    int
}

// iptSet is a set of ipset.
type iptSet struct {
	Name       string
	Family     int
	Size, Most int // of the hash, and of elements
	Members    []netip.Prefix
}

// iptSets is the file of the sets.
type iptSets struct {
	head
	Output string
	Sets   []*iptSet
}

// ipt is one family's file in the making.
type ipt struct {
	file   iptFile
	whole  addr.Set // all addresses of the family
	out    bool     // rules of what leaves are written now
	rules  []iptRule
	names  names
	chains []*iptChain // other than those that are led to from outside
	byKey  map[string]*iptChain
	sets   []*iptSet
}

func writeIptables(j *job) ([]Output, error) {
	var out []Output
	files, sets := j.iptables()
	for _, f := range files {
		data, err := execute(iptTemplate(), f)
		if err != nil {
			return nil, err
		}
		out = append(out, Output{Name: f.Output, Data: data})
	}
	if len(sets.Sets) > 0 {
		data, err := executeNamed(iptTemplate(), "ipset", sets)
		if err != nil {
			return nil, err
		}
		out = append(out, Output{Name: sets.Output, Data: data})
	}
	return out, nil
}

// executeNamed fills a part of a template.
func executeNamed(t *template.Template, name string, data any) ([]byte, error) {
	var b bytes.Buffer
	err := t.ExecuteTemplate(&b, name, data)
	return b.Bytes(), err
}

// iptables are the files of both families, and the sets that they ask for.
func (j *job) iptables() ([]*iptFile, *iptSets) {
	j.checkIptables()
	sets := &iptSets{head: j.head, Output: "rules.ipset"}
	var out []*iptFile
	for _, f := range []struct {
		family int
		whole  addr.Set
		output string
	}{{4, addr.V4(), "rules.v4"}, {6, addr.V6(), "rules.v6"}} {
		t := &ipt{
			file:  iptFile{head: j.head, Family: f.family, Output: f.output},
			whole: f.whole, names: names{iptIn: true, iptOut: true}, byKey: map[string]*iptChain{},
		}
		t.tables(j.rs)
		out = append(out, &t.file)
		sets.Sets = append(sets.Sets, t.sets...)
	}
	return out, sets
}

// tables are all lines of one family.
func (t *ipt) tables(rs *ruleset.Ruleset) {
	filter := iptTable{Name: "filter", Chains: []string{iptIn, iptOut}}
	t.file.Hooks = []iptHook{{"filter", "INPUT", iptIn}}
	t.direction(&rs.Input, iptIn)
	t.out = true
	before := len(t.rules)
	t.direction(&rs.Output, iptOut)
	if len(t.rules) > before {
		t.file.Hooks = append(t.file.Hooks, iptHook{"filter", "OUTPUT", iptOut})
	}
	for _, c := range t.chains {
		filter.Chains = append(filter.Chains, c.name)
		for _, line := range c.lines {
			line.Chain, line.Comment = c.name, claim(c.users[0])
			if claims(c.users) != line.Comment { // each has a rule of its own that leads here
				line.Comment = cmp.Or(c.users[0].Name, "rule")
			}
			if line.HasType { // the rule that leads here says what they are for
				line.Comment = cmp.Or(nftTypeNames[t.file.Family][line.Type], line.Comment)
			}
			t.rules = append(t.rules, line)
		}
	}
	filter.Rules = t.rules
	raw := iptTable{Name: "raw", Chains: []string{iptRawIn, iptRawOut}}
	if !rs.Untracked.IsEmpty() {
		t.file.Hooks = append(t.file.Hooks, iptHook{"raw", "PREROUTING", iptRawIn}, iptHook{"raw", "OUTPUT", iptRawOut})
		groups := groupsOf(rs.Untracked)
		line := iptRule{Proto: uint8(port.UDP), Comment: "untracked", Target: "CT", Notrack: true}
		for _, g := range groups {
			line.Chain, line.To, line.From = iptRawIn, g, iptPorts{}
			raw.Rules = append(raw.Rules, line)
		}
		for _, g := range groups {
			line.Chain, line.To, line.From = iptRawOut, iptPorts{}, g
			raw.Rules = append(raw.Rules, line)
		}
	}
	t.file.Tables, t.file.Sets = [2]iptTable{filter, raw}, len(t.sets) > 0
}

// direction adds the rules of one direction. Nothing is said of a direction in which
// everything passes anyway.
func (t *ipt) direction(c *ruleset.Chain, chain string) {
	for i := range c.Rules {
		t.rule(&c.Rules[i], chain)
	}
	if c.Default == ruleset.Drop {
		t.rules = append(t.rules, iptRule{Chain: chain, Comment: "default: drop what no rule allows", Target: "DROP"})
	}
}

// checkIptables refuses what iptables in particular cannot say.
func (j *job) checkIptables() {
	rates, connections := map[string]addr.Set{}, map[string]addr.Set{} // the peers that share a count, by its name
	together := func(r *ruleset.Rule, counted map[string]addr.Set, what, name string) {
		both := counted[name].Union(r.Match.Peers)
		counted[name] = both
		if !both.Intersect(addr.V4()).IsEmpty() && !both.Intersect(addr.V6()).IsEmpty() {
			j.refuse(r, "count per source, or allow one family only", "%s %q counts IPv4 and IPv6 together, and iptables and ip6tables do not share a count", what, name)
		}
	}
	limits := map[string]ruleset.Limit{} // by the name of the connections before it
	for r := range j.rules() {
		if impossible(r.Match) {
			continue
		}
		if l := r.Effect.Limit; l != (ruleset.Limit{}) && !l.PerSource {
			together(r, rates, "limit", l.Name)
		}
		if c := r.Effect.Connections; c != (ruleset.Connections{}) {
			if !c.PerSource {
				together(r, connections, "number of connections", c.Name)
			}
			// xt_connlimit counts in a rule, and so the rest must stand in the same one.
			if known, ok := limits[c.Name]; ok && known != r.Effect.Limit {
				j.refuse(r, "give them the same limit, or two names", "connections %q are counted with two limits", c.Name)
			}
			limits[c.Name] = r.Effect.Limit
		}
		if l := r.Effect.Log; l != (ruleset.Log{}) {
			if refill(l.Rate, l.Burst) > logRefill || l.Burst > 10_000 || l.Rate.Count > logPerSec*periodSeconds(l.Rate.Period) {
				j.refuse(r, "use a rate such as 5/minute with a burst of 5", "log rate %s with burst %d is beyond what xt_limit counts", l.Rate, l.Burst)
			}
			if len(l.Prefix) > 0 && l.Prefix[0] == '-' {
				j.refuse(r, "begin it with a letter", "log prefix %q, because iptables-save would write it as an option", l.Prefix)
			}
		}
		for _, p := range protocols(r.Match) {
			// Both are words for "any" in iptables' own tables.
			if slices.Contains(p.types, 255) {
				j.refuse(r, "leave type 255 out", "ICMP type 255")
			}
			if slices.Contains(p.protos, 0) {
				j.refuse(r, "leave protocol 0 out", "protocol 0")
			}
			// ip6tables looks at the protocol behind the extension headers.
			if slices.ContainsFunc(p.protos, extension) && !r.Match.Peers.Intersect(addr.V6()).IsEmpty() {
				j.refuse(r, "use IPv4 sources, or leave 43, 44, 51 and 60 out", "an IPv6 extension header as protocol")
			}
		}
	}
}

// extension reports whether a protocol number is an IPv6 extension header (RFC 7045).
func extension(n uint8) bool { return n == 43 || n == 44 || n == 51 || n == 60 }

// rule adds the rules that say r in this family to a chain.
func (t *ipt) rule(r *ruleset.Rule, chain string) {
	peers := r.Match.Peers.Intersect(t.whole)
	if peers.IsEmpty() || impossible(r.Match) {
		return
	}
	heads := t.heads(r)
	if len(heads) == 0 {
		return
	}
	tail := iptRule{Target: map[ruleset.Verdict]string{
		ruleset.Accept: "ACCEPT", ruleset.Drop: "DROP", ruleset.Continue: "LOG",
	}[r.Effect.Verdict]}
	if r.Effect.Log != (ruleset.Log{}) {
		tail.Log = &r.Effect.Log
	}
	if l := r.Effect.Limit; l != (ruleset.Limit{}) {
		tail.Limit = &iptLimit{l.Rate, l.Burst, l.PerSource, limitName(l, "-"), 0}
		if s := refill(l.Rate, l.Burst); s > periodSeconds(l.Rate.Period) {
			tail.Limit.Expire = 1000 * s
		}
	}
	if r.Effect.Connections != (ruleset.Connections{}) {
		tail = t.count(r, tail)
	}
	if r.Match.States&ruleset.AllStates != ruleset.AllStates {
		tail.States = r.Match.States
	}
	from := []netip.Prefix{{}} // stands for the whole family
	if !peers.Equal(t.whole) {
		from = prefixes(peers)
	}
	if len(from) >= manyPrefixes {
		set := t.set(from)
		for i := range heads {
			heads[i].Set = set
		}
		from = []netip.Prefix{{}}
	}
	all, every := []iptRule{{}}, []netip.Prefix{{}}
	types := t.types(r)
	if tail.Log != nil && len(from)*len(heads)*max(1, len(types)) > 1 {
		// A rate of log lines belongs to its rule, so it must stand in one rule only.
		tail = t.chain(r, all, every, tail)
	}
	if len(types) > fewTypes {
		tail = t.chain(r, types, every, tail)
	}
	if len(from) > fewPrefixes {
		tail = t.chain(r, all, from, tail)
		from = every
	}
	for _, head := range heads {
		for _, p := range from {
			line := t.join(head, p, tail)
			line.Chain, line.Comment = chain, claim(r)
			t.rules = append(t.rules, line)
		}
	}
}

// join is a line with the match of head, a peer, and what tail does. The zero prefix
// is no peer.
func (t *ipt) join(head iptRule, peer netip.Prefix, tail iptRule) iptRule {
	line := head
	line.Out = t.out
	if peer.IsValid() {
		line.Peer = &peer
	}
	line.States, line.Connections, line.Limit, line.Log, line.Target = tail.States, tail.Connections, tail.Limit, tail.Log, tail.Target
	return line
}

// An iptChain does the same for packets of several peers; others fall off its end. Rules
// with the same name share it.
type iptChain struct {
	name  string
	lines []iptRule
	users []*ruleset.Rule
}

// chain is a jump to a chain that does tail to packets of the given heads and prefixes.
func (t *ipt) chain(r *ruleset.Rule, heads []iptRule, peers []netip.Prefix, tail iptRule) iptRule {
	key := fmt.Sprint(t.out, r.Name, heads, peers, tail.States, tail.Target, r.Effect)
	c, ok := t.byKey[key]
	if !ok {
		var lines []iptRule
		for _, head := range heads {
			for _, p := range peers {
				lines = append(lines, t.join(head, p, tail))
			}
		}
		name := "PL-" + slug(r.Name, chainName-12)
		if t.out {
			name += "-out"
		}
		c = t.add(key, t.names.take(name, "-"), lines)
	}
	c.users = append(c.users, r)
	return iptRule{Target: c.name}
}

// count is a jump to the chain that counts the connections of r and does tail to those
// that are not too many. The kernel counts them in a rule, so that all rules that share
// the count lead to the one that has it; the name of the chain tells which count it is.
func (t *ipt) count(r *ruleset.Rule, tail iptRule) iptRule {
	connections := r.Effect.Connections
	name := "PL-CONN-" + connections.Name // no other chain has capitals there
	c, ok := t.byKey[name]
	if !ok {
		tail.Connections = &iptConnections{Count: connections.Count}
		if connections.PerSource {
			tail.Connections.Mask = t.whole.Ranges()[0].First.BitLen()
		}
		c = t.add(name, name, []iptRule{t.join(iptRule{}, netip.Prefix{}, tail)})
	}
	c.users = append(c.users, r)
	return iptRule{Target: c.name}
}

func (t *ipt) add(key, name string, lines []iptRule) *iptChain {
	c := &iptChain{name: name, lines: lines}
	t.byKey[key] = c
	t.chains = append(t.chains, c)
	return c
}

// set is the name of the set of the given prefixes. It follows from them, so that a set
// that is loaded never has to change.
func (t *ipt) set(members []netip.Prefix) string {
	h := sha256.New()
	for _, p := range members {
		fmt.Fprintln(h, p)
	}
	s := &iptSet{
		Name:   fmt.Sprintf("pl-%s-%d", hex.EncodeToString(h.Sum(nil)[:10]), t.file.Family),
		Family: t.file.Family, Members: members,
		Size: max(1024, 1<<bits.Len(uint(len(members)-1))), Most: max(setElements, len(members)),
	}
	if !slices.ContainsFunc(t.sets, func(o *iptSet) bool { return o.Name == s.Name }) {
		t.sets = append(t.sets, s)
	}
	return s.Name
}

// heads are lines that match all of r but its peers and states, and do nothing yet.
func (t *ipt) heads(r *ruleset.Rule) []iptRule {
	m := &r.Match
	interfaces := m.Interfaces.Names()
	if m.Interfaces.IsAll() {
		interfaces = []string{""}
	}
	var out []iptRule
	for _, name := range interfaces {
		if !m.SourcePorts.IsAll() {
			if !m.Types.IsAll() {
				return nil // no packet has both
			}
			for _, p := range port.Protos {
				if m.Protos.Has(uint8(p)) {
					for _, to := range groupsOf(m.Ports) {
						for _, from := range groupsOf(m.SourcePorts) {
							out = append(out, iptRule{Interface: name, Proto: uint8(p), From: from, To: to})
						}
					}
				}
			}
			continue
		}
		for _, p := range protocols(*m) {
			switch {
			case p.ports != nil:
				for _, to := range groupsOf(m.Ports) {
					out = append(out, iptRule{Interface: name, Proto: p.proto, To: to})
				}
			case p.types != nil:
				types := t.types(r)
				if len(types) > fewTypes {
					types = []iptRule{{Proto: p.proto}}
				}
				// The check has refused types of the other family's ICMP.
				if p.proto == t.icmp() {
					for _, line := range types {
						line.Interface = name
						out = append(out, line)
					}
				}
			case p.protos != nil:
				for _, n := range p.protos {
					out = append(out, iptRule{Interface: name, Proto: n})
				}
			default:
				out = append(out, iptRule{Interface: name})
			}
		}
	}
	return out
}

// icmp is the ICMP of the family.
func (t *ipt) icmp() uint8 {
	if t.file.Family == 6 {
		return ruleset.ICMPv6
	}
	return ruleset.ICMP
}

// types are heads for the ICMP types of r, if it asks for some.
func (t *ipt) types(r *ruleset.Rule) []iptRule {
	if r.Match.Types.IsAll() {
		return nil
	}
	var out []iptRule
	for _, n := range r.Match.Types.Each() {
		out = append(out, iptRule{Proto: t.icmp(), HasType: true, Type: n})
	}
	return out
}

// groupsOf cuts ports into groups that one line takes. All ports are one group that asks
// for none.
func groupsOf(ports port.Set) []iptPorts {
	if ports.IsAll() {
		return []iptPorts{{}}
	}
	var out []iptPorts
	for _, g := range portGroups(ports.Ranges()) {
		if len(g) == 1 {
			out = append(out, iptPorts{One: g})
		} else {
			out = append(out, iptPorts{Several: g})
		}
	}
	return out
}

// portGroups cuts ports into groups that one multiport match takes.
func portGroups(ranges []port.Range) [][]port.Range {
	var out [][]port.Range
	size := multiports
	for _, r := range ranges {
		need := min(r.Len(), 2)
		if size+need > multiports {
			out = append(out, nil)
			size = 0
		}
		out[len(out)-1] = append(out[len(out)-1], r)
		size += need
	}
	return out
}
