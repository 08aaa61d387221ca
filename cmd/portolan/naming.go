package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"portolan/internal/apply"
	"portolan/internal/history"
	"portolan/internal/nft"
	"portolan/internal/policy"
	"portolan/internal/ruleset"
	"portolan/render"
)

// usesOf are the names of what speaks of each zone, in the order of the policy.
func usesOf(p *policy.Policy) map[string][]string {
	type use struct {
		at    int
		name  string
		zones []policy.Word
	}
	all := make([]use, 0, len(p.Allows)+len(p.Denies)+len(p.Connects))
	for _, a := range p.Allows {
		all = append(all, use{a.At, a.Name.Text, a.From})
	}
	for _, d := range p.Denies {
		all = append(all, use{d.At, d.Name.Text, d.From})
	}
	for _, c := range p.Connects {
		all = append(all, use{c.At, c.Name.Text, c.To})
	}
	slices.SortStableFunc(all, func(a, b use) int { return a.at - b.at })
	out := map[string][]string{}
	for _, z := range p.Zones {
		out[z.Name.Text] = []string{}
	}
	for _, u := range all {
		for _, z := range u.zones {
			// Names are unique, so one that is there already is the last.
			if names, known := out[z.Text]; known && (len(names) == 0 || names[len(names)-1] != u.name) {
				out[z.Text] = append(names, u.name)
			}
		}
	}
	return out
}

// commentsOf are what rules of a table are for, by their comments, as far as those are not what
// the policy opens: rules in base chains say the line that asks for them, and shared limits
// stand in chains of their own.
func commentsOf(table *nft.Table, rules *ruleset.Ruleset, opens []string) map[string][]string {
	// Most rules are those of services and say it, so first of all what else there is.
	asked := map[string]bool{}
	ask := func(rules []nft.Rule) {
		for i := range rules {
			asked[rules[i].Comment] = true
		}
	}
	for _, b := range table.Bases {
		ask(b.Rules)
	}
	for _, c := range table.Chains {
		if strings.HasPrefix(c.Name, "connections_") || strings.HasPrefix(c.Name, "log_") {
			ask(c.Rules)
		}
	}
	for _, d := range []ruleset.Direction{ruleset.In, ruleset.Out} {
		chain := rules.Chain(d).Rules
		for i := range chain {
			if r := &chain[i]; len(r.Origins) == 0 {
				delete(asked, r.Comment)
			}
		}
	}
	for _, name := range opens {
		delete(asked, name)
	}
	delete(asked, "")
	maps.DeleteFunc(asked, func(comment string, _ bool) bool { return strings.HasPrefix(comment, "default: ") })
	if len(asked) == 0 {
		return nil
	}
	allows := make(map[string]bool, len(opens))
	for _, name := range opens {
		allow, _, _ := strings.Cut(name, ": ")
		allows[allow] = true
	}
	out := map[string][]string{}
	add := func(comment, name string) {
		if asked[comment] && !slices.Contains(out[comment], name) {
			out[comment] = append(out[comment], name)
		}
	}
	for _, d := range []ruleset.Direction{ruleset.In, ruleset.Out} {
		chain := rules.Chain(d).Rules
		for i := range chain {
			r := &chain[i]
			if len(r.Origins) == 0 || r.Effect.Verdict == ruleset.Continue && !allows[r.Name] { // the log of the default
				continue
			}
			add(render.NftablesComment(r.Comment), serviceName(r.Name, r.Service))
			if l := r.Effect.Limit.Name; l != "" {
				add("limit "+l, r.Name)
			}
			if c := r.Effect.Connections.Name; c != "" {
				add("connections "+c, r.Name)
			}
		}
	}
	return out
}

// A naming knows what the rules of policies are for by the comments that they have in the kernel.
type naming map[string][]string

// namingOf knows the rules of states; nil stands for none.
func namingOf(records ...*history.Record) naming {
	size := 0
	for _, r := range records {
		if r != nil {
			size += len(r.Opens) + len(r.Names)
		}
	}
	n := make(naming, size)
	for _, r := range records {
		if r == nil {
			continue
		}
		for i, name := range r.Opens {
			n[render.NftablesComment(name)] = r.Opens[i : i+1 : i+1]
		}
		maps.Copy(n, r.Names)
	}
	return n
}

// A tally is what rules of one name have counted: those of a policy, or one that every firewall
// has.
type tally struct {
	apply.Counter
	// Names are what a policy asked for, each "ALLOW: SERVICE" or "ALLOW", and Name all of them in
	// one; none for a rule that every firewall has. More than one have rules that look alike.
	Names []string
}

// labels are the allows and the services of names, each once.
func (t *tally) labels() (allow, service string) {
	var allows, services []string
	for _, name := range t.Names {
		one := apply.Counter{Name: name}
		allows, services = append(allows, one.Allow()), append(services, one.Service())
	}
	return strings.Join(unique(allows), " and "), strings.Join(unique(services), " and ")
}

// verdictWords say what became of the packets that were counted.
func (t *tally) verdictWords() string {
	return map[ruleset.Verdict]string{ruleset.Accept: "accept", ruleset.Drop: "drop", ruleset.Continue: "log"}[t.Verdict]
}

// tallies adds counters up by names: those of policies first, each in the order of directions,
// names and verdicts.
func (n naming) tallies(counters []apply.Counter) []tally {
	type key struct {
		policy    bool
		direction ruleset.Direction
		name      string
		verdict   ruleset.Verdict
	}
	var out []tally
	at := map[key]int{}
	for _, c := range counters {
		names := n[c.Name]
		if names != nil {
			c.Name = strings.Join(names, " and ")
		}
		k := key{names != nil, c.Direction, c.Name, c.Verdict}
		if i, ok := at[k]; ok {
			out[i].Packets += c.Packets
			out[i].Bytes += c.Bytes
			continue
		}
		at[k] = len(out)
		out = append(out, tally{c, names})
	}
	slices.SortStableFunc(out, func(a, b tally) int {
		switch {
		case a.Names != nil && b.Names == nil:
			return -1
		case a.Names == nil && b.Names != nil:
			return 1
		case a.Direction != b.Direction:
			return int(a.Direction) - int(b.Direction)
		case a.Name != b.Name:
			return strings.Compare(a.Name, b.Name)
		}
		return int(a.Verdict) - int(b.Verdict)
	})
	return out
}

// grouped is a number with its thousands apart.
func grouped(n uint64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// amount is a number of bytes in the largest unit of which there is one: "17 B", "1.2 KiB".
func amount(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1024, 0
	for value >= 1023.95 && unit < 5 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTPE"[unit])
}
