package render

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"text/template"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// The shape of the iptables text: one file for each family, with chains of our own only.
// A rule of the ruleset becomes a rule for each source prefix; when there are many, one
// chain that asks for the sources, to which the ports lead.

var iptTemplate = sync.OnceValue(func() *template.Template { return parsed("iptables.tmpl", iptQuoting) })

// Limits of iptables 1.8 and the kernel's tables.
const (
	chainName   = 28     // bytes of a chain name
	multiports  = 15     // entries of one multiport match; a range is two
	fewPrefixes = 3      // more source prefixes than this get a chain
	logRefill   = 86400  // seconds; xt_limit counts in 32 bits
	logPerSec   = 10_000 // xt_limit's finest step
)

// iptFile is what the template prints.
type iptFile struct {
	head
	Family int
	Output string
	Chains []string
	Rules  []iptRule
}

// iptRule is one line. Fields that are not set are not printed.
type iptRule struct {
	Chain     string
	Source    *netip.Prefix
	Interface string
	Proto     uint8
	Single    []port.Range // one port or range
	Multi     []port.Range // several
	HasType   bool
	Type      uint8
	States    ruleset.States
	Limit     *iptLimit
	Log       *ruleset.Log
	Comment   string
	Target    string
}

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

// ipt is one family's file in the making.
type ipt struct {
	file   iptFile
	whole  addr.Set // all addresses of the family
	names  names
	chains []*iptChain // other than PL-IN
	byKey  map[string]*iptChain
}

func writeIptables(j *job) ([]Output, error) {
	j.inputOnly()
	j.checkIptables()
	var out []Output
	for _, f := range []struct {
		family int
		whole  addr.Set
		output string
	}{{4, addr.V4(), "rules.v4"}, {6, addr.V6(), "rules.v6"}} {
		t := &ipt{
			file:  iptFile{head: j.head, Family: f.family, Output: f.output, Chains: []string{"PL-IN"}},
			whole: f.whole, names: names{"PL-IN": true}, byKey: map[string]*iptChain{},
		}
		for i := range j.rs.Input.Rules {
			t.rule(&j.rs.Input.Rules[i])
		}
		if j.rs.Input.Default == ruleset.Drop {
			t.file.Rules = append(t.file.Rules, iptRule{Chain: "PL-IN", Comment: "default: drop what no rule allows", Target: "DROP"})
		}
		for _, c := range t.chains {
			t.file.Chains = append(t.file.Chains, c.name)
			for _, line := range c.lines {
				line.Chain, line.Comment = c.name, claims(c.users)
				t.file.Rules = append(t.file.Rules, line)
			}
		}
		data, err := execute(iptTemplate(), &t.file)
		if err != nil {
			return nil, err
		}
		out = append(out, Output{Name: f.output, Data: data})
	}
	return out, nil
}

// checkIptables refuses what iptables in particular cannot say.
func (j *job) checkIptables() {
	counted := map[string]addr.Set{} // the sources that share a limit, by its name
	for i := range j.rs.Input.Rules {
		r := &j.rs.Input.Rules[i]
		if impossible(r.Match) {
			continue
		}
		if l := r.Effect.Limit; l != (ruleset.Limit{}) && !l.PerSource {
			both := counted[l.Name].Union(r.Match.Peers)
			counted[l.Name] = both
			if !both.Intersect(addr.V4()).IsEmpty() && !both.Intersect(addr.V6()).IsEmpty() {
				j.refuse(r, "count per source, or allow one family only", "limit %q counts IPv4 and IPv6 together, and iptables and ip6tables do not share a count", l.Name)
			}
		}
		if l := r.Effect.Log; l != (ruleset.Log{}) && (refill(l.Rate, l.Burst) > logRefill || l.Burst > 10_000 || l.Rate.Count > logPerSec*periodSeconds(l.Rate.Period)) {
			j.refuse(r, "use a rate such as 5/minute with a burst of 5", "log rate %s with burst %d is beyond what xt_limit counts", l.Rate, l.Burst)
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

// rule adds the rules that say r in this family.
func (t *ipt) rule(r *ruleset.Rule) {
	sources := r.Match.Peers.Intersect(t.whole)
	if sources.IsEmpty() || impossible(r.Match) {
		return
	}
	heads := t.heads(r)
	if len(heads) == 0 {
		return
	}
	tail := iptRule{Target: map[ruleset.Verdict]string{
		ruleset.Accept: "ACCEPT", ruleset.Drop: "DROP", ruleset.Continue: "LOG",
	}[r.Effect.Verdict]}
	if r.Match.States&ruleset.AllStates != ruleset.AllStates {
		tail.States = r.Match.States
	}
	if r.Effect.Log != (ruleset.Log{}) {
		tail.Log = &r.Effect.Log
	}
	if l := r.Effect.Limit; l != (ruleset.Limit{}) {
		tail.Limit = &iptLimit{l.Rate, l.Burst, l.PerSource, limitName(l, "-"), 0}
		if s := refill(l.Rate, l.Burst); s > periodSeconds(l.Rate.Period) {
			tail.Limit.Expire = 1000 * s
		}
	}
	from := []netip.Prefix{{}} // stands for the whole family
	if !sources.Equal(t.whole) {
		from = prefixes(sources)
	}
	if tail.Log != nil && len(from)*len(heads) > 1 {
		// A rate of log lines belongs to its rule, so it must stand in one rule only.
		tail = t.chain(r, []netip.Prefix{{}}, tail)
	}
	if len(from) > fewPrefixes {
		tail = t.chain(r, from, tail)
		from = []netip.Prefix{{}}
	}
	for _, head := range heads {
		for _, p := range from {
			line := join(head, p, tail)
			line.Chain, line.Comment = "PL-IN", claim(r)
			t.file.Rules = append(t.file.Rules, line)
		}
	}
}

// join is a line with the match of head, a source, and what tail does. The zero prefix
// is no source.
func join(head iptRule, source netip.Prefix, tail iptRule) iptRule {
	line := head
	if source.IsValid() {
		line.Source = &source
	}
	line.States, line.Limit, line.Log, line.Target = tail.States, tail.Limit, tail.Log, tail.Target
	return line
}

// An iptChain does the same for packets from several sources; others fall off its end.
// Rules with the same name share it.
type iptChain struct {
	name  string
	lines []iptRule
	users []*ruleset.Rule
}

// chain is a jump to a chain that does tail to packets from the given prefixes.
func (t *ipt) chain(r *ruleset.Rule, from []netip.Prefix, tail iptRule) iptRule {
	key := fmt.Sprint(r.Name, from, tail.States, tail.Target, r.Effect)
	c, ok := t.byKey[key]
	if !ok {
		var lines []iptRule
		for _, p := range from {
			lines = append(lines, join(iptRule{}, p, tail))
		}
		c = &iptChain{name: t.names.take("PL-"+slug(r.Name, chainName-8), "-"), lines: lines}
		t.byKey[key] = c
		t.chains = append(t.chains, c)
	}
	c.users = append(c.users, r)
	return iptRule{Target: c.name}
}

// heads are lines that match all of r but its sources and states, and do nothing yet.
func (t *ipt) heads(r *ruleset.Rule) []iptRule {
	interfaces := r.Match.Interfaces.Names()
	if r.Match.Interfaces.IsAll() {
		interfaces = []string{""}
	}
	var out []iptRule
	for _, name := range interfaces {
		for _, p := range protocols(r.Match) {
			switch {
			case p.ports != nil:
				for _, group := range portGroups(p.ports) {
					line := iptRule{Interface: name, Proto: p.proto}
					if len(group) == 1 {
						line.Single = group
					} else {
						line.Multi = group
					}
					out = append(out, line)
				}
			case p.types != nil:
				// The check has refused types of the other family's ICMP.
				if (p.proto == ruleset.ICMP) == (t.file.Family == 4) {
					for _, n := range p.types {
						out = append(out, iptRule{Interface: name, Proto: p.proto, HasType: true, Type: n})
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
