package apply

import (
	"cmp"
	"slices"
	"strings"

	"portolan/internal/ruleset"
)

// A Counter is what rules of one name have counted since they were made.
type Counter struct {
	Direction ruleset.Direction
	// Name is what the rules are for: "ALLOW: SERVICE", or the name of a rule that every
	// firewall has, such as "established". It can be anybody's text.
	Name           string
	Verdict        ruleset.Verdict // Continue of rules that only log
	Packets, Bytes uint64
}

// Allow is the name of the allow, or of the rule.
func (c Counter) Allow() string {
	allow, _, _ := strings.Cut(c.Name, ": ")
	return allow
}

// Service is what the rule is for, "" when it is for no service.
func (c Counter) Service() string {
	_, service, _ := strings.Cut(c.Name, ": ")
	return service
}

// Counters are those of all rules that decide about packets, added up by their names, in the
// order of directions, verdicts and names. Rules that keep connection tracking away are left
// out: they decide nothing.
func (s *State) Counters() []Counter {
	type key struct {
		direction ruleset.Direction
		verdict   ruleset.Verdict
		name      string
	}
	sums := map[key]*Counter{}
	direction := s.directions()
	for name, c := range s.Chains {
		for i := range c.Rules {
			r := &c.Rules[i]
			d, ok := direction[name]
			if !ok || !r.Counts || len(r.Chains) > 0 {
				continue
			}
			k := key{d, cmp.Or(r.Verdict, ruleset.Continue), r.Comment}
			if sums[k] == nil {
				sums[k] = &Counter{Direction: k.direction, Name: k.name, Verdict: k.verdict}
			}
			sums[k].Packets += r.Packets
			sums[k].Bytes += r.Bytes
		}
	}
	var out []Counter
	for _, c := range sums {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Counter) int {
		return cmp.Or(cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// directions are the chains that are in force behind the base chains of filters, with which
// way the packets go that come by. While a change waits to be confirmed, they are those of the
// change: its rules went on with the counters of those that they stand for, so that whoever
// adds up both counts everything twice.
func (s *State) directions() map[string]ruleset.Direction {
	out := map[string]ruleset.Direction{}
	left, _ := s.PendingLeft()
	for _, c := range s.bases() {
		d, ok := map[string]ruleset.Direction{"input": ruleset.In, "output": ruleset.Out}[logical(c.Name)]
		if !ok {
			continue
		}
		led := reached{map[string]bool{}, map[string]bool{}, map[string]bool{}}
		if gates := c.gates(); left > 0 && len(gates) > 0 {
			s.follow(gates[0].Chains[0], true, led)
		} else {
			s.follow(c.Name, false, led)
		}
		for chain := range led.chains {
			out[chain] = d
		}
	}
	return out
}
