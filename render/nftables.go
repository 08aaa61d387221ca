package render

import (
	"sync"
	"text/template"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// The shape of the nftables text, and why:
//
//   - A rule that speaks of ports costs a lookup, not a line: "tcp dport vmap
//     @tcp_services" finds the verdict of a port in an interval map, whatever the number
//     of services. A port that not everybody may reach leads to a chain that looks at the
//     sources; ports with the same sources share the chain, and a packet that falls off
//     its end goes on behind the map.
//   - Loading new text over old must not lose or let through a packet that both mean
//     otherwise. Rules change at once, but sets and maps show their new content only at
//     the end of the transaction; a set that is new looks empty until then. So sets and
//     maps are named after the rules of the policy and filled in place, while a chain to
//     which a map leads has its content in its name: as long as the old map is in force,
//     it leads to the old chain, which nobody has emptied.
//   - What is not about the ports of TCP and UDP is an ordinary rule at its place.

var nftTemplate = sync.OnceValue(func() *template.Template { return parsed("nftables.tmpl", nftQuoting) })

// nftFile is what the template prints.
type nftFile struct {
	head
	Sets    []*nftSources
	Meters  []nftMeter
	Limits  []nftLimit
	Maps    []*nftMap
	Chains  []*nftChain
	Input   []nftRule
	Default ruleset.Verdict
}

// nftSources is a named set of source addresses of one family.
type nftSources struct {
	Name     string
	Family   int
	Elements []addr.Range
}

// nftMeter is a set that counts each source of one family by itself. Timeout is how many
// seconds an idle source is remembered: long enough to have all of its burst again, so
// forgetting it changes nothing.
type nftMeter struct {
	Name    string
	Family  int
	Rate    ruleset.Rate
	Burst   int
	Timeout int
}

// nftLimit is a count that several lines share.
type nftLimit struct {
	Name  string
	Rate  ruleset.Rate
	Burst int
}

// nftMap leads from a port to what happens to it.
type nftMap struct {
	Name     string
	Elements []nftElement
}

type nftElement struct {
	Ports   port.Range
	Verdict ruleset.Verdict // unless Jump is set
	Jump    string
	Comment string
}

type nftChain struct {
	Name  string
	Rules []nftRule
}

// nftRule is one line. Fields that are not set are not printed.
type nftRule struct {
	Proto uint8  // of Ports and Map
	Map   string // looks up the port of Proto; nothing else is set then

	Interfaces []string
	States     ruleset.States
	Family     int
	Source     *addr.Range // one range, or
	Set        string      // the name of a set
	Protos     []uint8
	Ports      []port.Range
	Types      []uint8
	Meter      *nftMeter
	Limit      *nftLimit
	Log        *ruleset.Log
	Verdict    ruleset.Verdict
	Jump       string
	Comment    string
}

// nft is a file in the making.
type nft struct {
	file   nftFile
	names  names
	sets   map[string]string // from the ranges of a source set to its name
	limits map[ruleset.Limit]*nftLimit
	meters map[ruleset.Limit][2]*nftMeter // IPv4, IPv6

	rests     []rest               // as they are met
	numbers   map[rest]int         // indices into rests
	audiences map[string]*audience // by the numbers of its rests and the names of its rules
}

func writeNftables(j *job) ([]Output, error) {
	j.inputOnly()
	n := &nft{
		file:  nftFile{head: j.head, Default: j.rs.Input.Default},
		names: names{"input": true}, sets: map[string]string{}, numbers: map[rest]int{}, audiences: map[string]*audience{},
		limits: map[ruleset.Limit]*nftLimit{}, meters: map[ruleset.Limit][2]*nftMeter{},
	}
	rules := j.rs.Input.Rules
	for i := 0; i < len(rules); {
		end := i
		for end < len(rules) && aboutPorts(&rules[end]) {
			end++
		}
		if end > i {
			n.dispatch(rules[i:end])
			i = end
			continue
		}
		n.file.Input = append(n.file.Input, n.lines(&rules[i])...)
		i++
	}
	if j.rs.Input.Default == ruleset.Drop {
		// The policy of the chain would do; a rule has a counter, and stays right while
		// the chain itself is being made.
		n.file.Input = append(n.file.Input, nftRule{Verdict: ruleset.Drop, Comment: "default: drop what no rule allows"})
	}
	data, err := execute(nftTemplate(), &n.file)
	return []Output{{Name: "portolan.nft", Data: data}}, err
}

// lines are the ordinary rules that say r.
func (n *nft) lines(r *ruleset.Rule) []nftRule {
	if impossible(r.Match) {
		return nil
	}
	var out []nftRule
	for _, p := range protocols(r.Match) {
		for _, line := range n.sources(r.Name, r.Match, r.Effect.Limit.PerSource || p.types != nil) {
			line.Protos, line.Proto, line.Ports, line.Types = p.protos, p.proto, p.ports, p.types
			out = append(out, line)
		}
	}
	return n.finish(out, r.Name, r.Effect, claim(r))
}

// sources are unfinished lines for all of m but its protocols.
func (n *nft) sources(name string, m ruleset.Match, split bool) []nftRule {
	var out []nftRule
	for _, f := range families(m.Peers, split) {
		line := nftRule{Interfaces: m.Interfaces.Names(), Family: f.family}
		if m.States&ruleset.AllStates != ruleset.AllStates {
			line.States = m.States
		}
		switch len(f.sources) {
		case 0:
		case 1:
			line.Source = &f.sources[0]
		default:
			line.Set = n.set(name, f)
		}
		out = append(out, line)
	}
	return out
}

// set is the name of the set with the sources of f. Sets with the same content are one.
func (n *nft) set(rule string, f familyPart) string {
	key := rangesKey(f.sources)
	name, ok := n.sets[key]
	if !ok {
		name = n.names.take("src_"+slug(rule, 40)+map[int]string{4: "_v4", 6: "_v6"}[f.family], "_")
		n.sets[key] = name
		n.file.Sets = append(n.file.Sets, &nftSources{name, f.family, f.sources})
	}
	return name
}

// finish gives unfinished lines the effect of their rule.
func (n *nft) finish(lines []nftRule, name string, e ruleset.Effect, comment string) []nftRule {
	jump := ""
	if e.Verdict == ruleset.Continue && len(lines) > 1 {
		// Its rate counts for all of the lines together, so it is kept in one place.
		jump = n.names.take("log_"+slug(name, 40), "_")
		n.file.Chains = append(n.file.Chains, &nftChain{jump, []nftRule{{Log: &e.Log, Comment: comment}}})
	}
	for i := range lines {
		line := &lines[i]
		line.Comment = comment
		switch {
		case jump != "":
			line.Jump = jump
		case e.Verdict == ruleset.Continue:
			line.Log = &e.Log
		default:
			line.Verdict = e.Verdict
			if e.Limit.PerSource {
				line.Meter = n.meter(e.Limit, line.Family)
			} else if e.Limit != (ruleset.Limit{}) {
				line.Limit = n.limit(e.Limit)
			}
		}
	}
	return lines
}

func (n *nft) limit(l ruleset.Limit) *nftLimit {
	if n.limits[l] == nil {
		made := nftLimit{"limit_" + limitName(l, "_"), l.Rate, l.Burst}
		n.limits[l] = &made
		n.file.Limits = append(n.file.Limits, made)
	}
	return n.limits[l]
}

func (n *nft) meter(l ruleset.Limit, family int) *nftMeter {
	pair := n.meters[l]
	i := map[int]int{4: 0, 6: 1}[family]
	if pair[i] == nil {
		pair[i] = &nftMeter{
			"limit_" + limitName(l, "_") + [...]string{"_v4", "_v6"}[i], family,
			l.Rate, l.Burst, max(refill(l.Rate, l.Burst), periodSeconds(l.Rate.Period)),
		}
		n.meters[l] = pair
		n.file.Meters = append(n.file.Meters, *pair[i])
	}
	return pair[i]
}
