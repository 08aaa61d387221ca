package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// A namedChange is what becomes of a service or a zone.
type namedChange struct {
	kind  string // "added", "removed" or "changed"
	name  string
	words []string // what changes, such as "gains tcp 5061"; for a zone at most one
	// Of a zone, the addresses that it gains and loses, and who speaks of it; uses is nil when
	// nobody knows.
	gains, loses, uses []string
}

// String is the change for people.
func (c namedChange) String() string {
	text := c.name + map[string]string{"added": " is new", "removed": " is gone", "changed": ""}[c.kind]
	if len(c.words) > 0 {
		text += map[bool]string{true: " ", false: ": "}[c.kind == "changed"] + strings.Join(c.words, "; ")
	}
	switch {
	case c.uses == nil || c.kind == "removed":
	case len(c.uses) == 0:
		text += " (used by nothing)"
	default:
		text += " (used by " + shortened(c.uses, 6, "others") + ")"
	}
	return text
}

// An extent is what the rules of one service are about, in one direction.
type extent struct {
	ports  []portsOf // in the order of the protocols; of one without ports all of them
	peers  addr.Set
	bounds []string // "limit 100/second per source (burst 100, sip)", each once, ascending
	logs   []string // "log 5/minute", likewise
}

// portsOf are the ports of one protocol, as they come: in any order, and some of them again.
type portsOf struct {
	proto  uint8
	ranges []port.Range
}

// place is where those of one protocol are, or where they belong.
func (x *extent) place(proto uint8) (int, bool) {
	return slices.BinarySearchFunc(x.ports, proto, func(p portsOf, proto uint8) int { return cmp.Compare(p.proto, proto) })
}

// addPorts adds those of some protocols.
func (x *extent) addPorts(protos ruleset.Bytes, ports port.Set) {
	for _, p := range protos.Each() {
		i, known := x.place(p)
		if !known {
			x.ports = slices.Insert(x.ports, i, portsOf{proto: p})
		}
		x.ports[i].ranges = slices.AppendSeq(x.ports[i].ranges, ports.Each())
	}
}

// of are the ports of one protocol.
func (x *extent) of(proto uint8) port.Set {
	if i, known := x.place(proto); known {
		return port.Of(x.ports[i].ranges...)
	}
	return port.Set{}
}

// extents are those of rules by direction and name. Names of rules that are for several are
// unclear: nobody knows which of them a rule is for. Only those that are touched are looked at.
func extents(rs *ruleset.Ruleset, namesOf func(*ruleset.Rule) []string, touched map[ruleset.Direction]map[string]*touch, unclear map[string]bool) map[ruleset.Direction]map[string]*extent {
	out := map[ruleset.Direction]map[string]*extent{}
	for _, d := range []ruleset.Direction{ruleset.In, ruleset.Out} {
		out[d] = map[string]*extent{}
		rules := rs.Chain(d).Rules
		for i := range rules {
			r := &rules[i]
			names := namesOf(r)
			if len(names) != 1 {
				for _, name := range names {
					unclear[name] = true
				}
				continue
			}
			name := names[0]
			if touched[d][name] == nil {
				continue
			}
			x := out[d][name]
			if x == nil {
				x = &extent{}
				out[d][name] = x
			}
			x.add(r)
		}
	}
	return out
}

func (x *extent) add(r *ruleset.Rule) {
	switch e := r.Effect; {
	case e.Verdict == ruleset.Continue:
		x.logs = with(x.logs, "log "+e.Log.Rate.Reduced().String())
		return // of the same packets
	case e.Limited():
		e.Limit.Rate = e.Limit.Rate.Reduced()
		x.bounds = with(x.bounds, "limit "+strings.ReplaceAll(e.Bounds(), "up to ", ""))
	}
	if !r.Match.Protos.IsAll() {
		x.addPorts(r.Match.Protos, r.Match.Ports)
	}
	x.peers = x.peers.Union(r.Match.Peers)
}

// A touch is the traffic of one service that changes: what is opened by its rules now, and what
// was before and is closed.
type touch struct{ opened, closed extent }

// touches are those of a difference by direction and name, without those of which all is told.
func touches(d *difference, oldNames, nowNames func(*ruleset.Rule) []string, told func(name string) bool) map[ruleset.Direction]map[string]*touch {
	out := map[ruleset.Direction]map[string]*touch{ruleset.In: {}, ruleset.Out: {}}
	of := func(e *entry, name string) *touch {
		t := out[e.Direction][name]
		if t == nil {
			t = &touch{}
			out[e.Direction][name] = t
		}
		return t
	}
	for i := range d.entries {
		e := &d.entries[i]
		for _, side := range []struct {
			rules  []*ruleset.Rule
			names  func(*ruleset.Rule) []string
			kind   string
			extent func(*touch) *extent
		}{
			{e.before, oldNames, "closed", func(t *touch) *extent { return &t.closed }},
			{e.now, nowNames, "opened", func(t *touch) *extent { return &t.opened }},
		} {
			for _, r := range side.rules {
				if r == nil {
					continue
				}
				for _, name := range side.names(r) {
					if told(name) {
						continue
					}
					x := side.extent(of(e, name))
					if e.kind != side.kind {
						continue // a limit or a log
					}
					x.addPorts(e.Protos, r.Match.Ports.Intersect(e.Ports))
					x.peers = x.peers.Union(e.Peers)
				}
			}
		}
	}
	return out
}

// less are the ports of x that y has not, as far as their traffic changes, in words.
func (x *extent) less(y, seen *extent) []string {
	var out []string
	for _, ports := range seen.ports {
		if gone := x.of(ports.proto).Minus(y.of(ports.proto)).Intersect(seen.of(ports.proto)); !gone.IsEmpty() {
			words := protoName(ports.proto)
			if !gone.IsAll() {
				words += " " + portWords(gone)
			}
			out = append(out, words)
		}
	}
	return out
}

// changes are what makes x into y, as far as traffic changes, in words. What another rule decides
// about anyway need not be in the kernel, and so it comes and goes without a change.
func (x *extent) changes(y *extent, seen *touch, d ruleset.Direction) []string {
	var out []string
	say := func(verb string, words []string) {
		if len(words) > 0 {
			out = append(out, verb+" "+strings.Join(words, ", "))
		}
	}
	say("gains", y.less(x, &seen.opened))
	say("loses", x.less(y, &seen.closed))
	for _, c := range []struct {
		verb  string
		peers addr.Set
	}{{"gains", y.peers.Minus(x.peers).Intersect(seen.opened.peers)}, {"loses", x.peers.Minus(y.peers).Intersect(seen.closed.peers)}} {
		if !c.peers.IsEmpty() {
			out = append(out, fmt.Sprintf("%s %s %s", c.verb, [...]string{"source", "destination"}[d], peerWords(c.peers, 4)))
		}
	}
	for _, c := range []struct{ old, now []string }{{x.bounds, y.bounds}, {x.logs, y.logs}} {
		gone, fresh := missing(c.old, c.now), missing(c.now, c.old)
		switch {
		case len(gone) > 0 && len(fresh) > 0:
			out = append(out, strings.Join(fresh, ", ")+" instead of "+strings.Join(gone, ", "))
		case len(gone) > 0:
			out = append(out, strings.Join(gone, ", ")+" is gone")
		case len(fresh) > 0:
			out = append(out, strings.Join(fresh, ", ")+" is new")
		}
	}
	return out
}

// with are words with another one, ascending.
func with(words []string, word string) []string {
	i, known := slices.BinarySearch(words, word)
	if known {
		return words
	}
	return slices.Insert(words, i, word)
}

// serviceChanges are the services whose traffic changes, in the order of their
// names. Those in added and removed are told as new and gone. Of what is unclear no change is told:
// the traffic that changes says it.
//
// The difference is nil when nobody knows which traffic changes, and then no change is told either.
func serviceChanges(traffic *difference, oldNames, nowNames func(*ruleset.Rule) []string, added, removed []string) []namedChange {
	var out []namedChange
	unclear := map[string]bool{}
	var was, is map[ruleset.Direction]map[string]*extent
	var seen map[ruleset.Direction]map[string]*touch
	all := map[string]*namedChange{}
	for kind, names := range map[string][]string{"added": added, "removed": removed} {
		for _, name := range names {
			all[name] = &namedChange{kind: kind, name: name}
		}
	}
	if traffic != nil {
		seen = touches(traffic, oldNames, nowNames, func(name string) bool { return all[name] != nil })
	}
	if len(seen[ruleset.In])+len(seen[ruleset.Out]) > 0 {
		was, is = extents(traffic.old.rules, oldNames, seen, unclear), extents(traffic.new.rules, nowNames, seen, unclear)
	}
	for _, d := range []ruleset.Direction{ruleset.In, ruleset.Out} {
		for name, y := range is[d] {
			x := was[d][name]
			touched := seen[d][name]
			if x == nil || touched == nil || unclear[name] || all[name] != nil && all[name].kind != "changed" {
				continue
			}
			if words := x.changes(y, touched, d); len(words) > 0 {
				if all[name] == nil {
					all[name] = &namedChange{kind: "changed", name: name}
				}
				all[name].words = append(all[name].words, words...)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, *all[name])
	}
	return out
}

// zoneChanges are the zones that come, go and have other addresses, in the order of their names.
func zoneChanges(old, now map[string][]string) []namedChange {
	var out []namedChange
	names := slices.Collect(maps.Keys(old))
	for name := range now {
		if _, known := old[name]; !known {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		before, known := old[name]
		after, stays := now[name]
		c := namedChange{kind: "changed", name: name, gains: missing(after, before), loses: missing(before, after)}
		switch {
		case !known:
			c.kind, c.words = "added", []string{shortened(after, 4, "ranges")}
		case !stays:
			c.kind, c.words = "removed", []string{"it had " + shortened(before, 4, "ranges")}
		case len(c.gains)+len(c.loses) == 0:
			continue
		default:
			var words []string
			if len(c.gains) > 0 {
				words = append(words, "gains "+shortened(c.gains, 4, "ranges"))
			}
			if len(c.loses) > 0 {
				words = append(words, "loses "+shortened(c.loses, 4, "ranges"))
			}
			c.words = []string{strings.Join(words, ", ")}
		}
		out = append(out, c)
	}
	return out
}
