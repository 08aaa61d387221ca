package main

import (
	"strings"

	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// differenceJSON is the object that verify --between --format json writes, version 1.
// Fields are only ever added; a list is complete, and never null.
type differenceJSON struct {
	Version int            `json:"version"`
	Old     string         `json:"old"`
	New     string         `json:"new"`
	Changes []changeJSON   `json:"changes"`
	Ports   map[string]int `json:"ports"` // by the kind of change; each once for a protocol and a direction
}

type changeJSON struct {
	// Change is "opened", "closed", "changed" (limits or logs), "untracked" (connection
	// tracking is kept from the port now) or "tracked".
	Change    string `json:"change"`
	Direction string `json:"direction"` // "in" or "out"
	// Protocol is "tcp", "udp", "icmp", "icmpv6", the number of another protocol, several of
	// them joined by commas, or "any".
	Protocol    string      `json:"protocol"`
	Ports       []rangeJSON `json:"ports"`        // destination ports
	SourcePorts []rangeJSON `json:"source_ports"` // 0 to 65535 where they do not matter
	Types       []int       `json:"types"`        // ICMP types; empty for all of them
	Peers       []string    `json:"peers"`        // addresses, prefixes and ranges
	// Interfaces are names; "*" stands for every interface that is neither here nor in
	// Except.
	Interfaces []string `json:"interfaces"`
	Except     []string `json:"except_interfaces"`
	States     []string `json:"states"`
	Before     byJSON   `json:"before"`
	After      byJSON   `json:"after"`
	Example    string   `json:"example"` // a packet in words
	Who        whoJSON  `json:"who"`
}

type rangeJSON struct {
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
}

type byJSON struct {
	Verdict string `json:"verdict"` // "accept", within limits if there are any, or "drop"
	Words   string `json:"words"`   // with limits and logs
}

// whoJSON are the rules that decide on each side.
type whoJSON struct {
	Before []whoRow `json:"before"`
	After  []whoRow `json:"after"`
}

func (d *difference) json() differenceJSON {
	out := differenceJSON{Version: 1, Old: d.old.name, New: d.new.name, Changes: []changeJSON{}, Ports: d.counts()}
	for i := range d.entries {
		e := &d.entries[i]
		c := changeJSON{
			Change: e.kind, Direction: e.Direction.String(), Protocol: protocolsJSON(e.Protos),
			Ports: rangesJSON(e.Ports), SourcePorts: rangesJSON(e.SourcePorts), Types: []int{},
			Peers: peerItems(e.Peers), Interfaces: append([]string{}, e.Interfaces...), Except: []string{}, States: []string{},
			Before: byJSON{e.A.Verdict().String(), e.A.Words()}, After: byJSON{e.B.Verdict().String(), e.B.Words()},
			Example: e.Example.String(), Who: whoJSON{rowsOf(d.old, e.before), rowsOf(d.new, e.now)},
		}
		if e.Others {
			c.Interfaces = append([]string{"*"}, c.Interfaces...)
			c.Except = append(c.Except, e.Excepted()...)
		}
		if !e.Types.IsAll() {
			for _, n := range e.Types.Each() {
				c.Types = append(c.Types, int(n))
			}
		}
		for _, s := range e.States.Each() {
			c.States = append(c.States, s.String())
		}
		if e.kind == "untracked" || e.kind == "tracked" {
			sees, blind := "connection tracking sees it", "connection tracking is kept from it"
			c.Before, c.After = byJSON{"", sees}, byJSON{"", blind}
			if e.kind == "tracked" {
				c.Before, c.After = c.After, c.Before
			}
			c.Example = ""
		}
		out.Changes = append(out.Changes, c)
	}
	return out
}

// protocolsJSON is a set of protocols in one word.
func protocolsJSON(set ruleset.Bytes) string {
	if set.IsAll() {
		return "any"
	}
	var names []string
	for _, n := range set.Each() {
		names = append(names, strings.TrimPrefix(protoName(n), "protocol "))
	}
	return strings.Join(names, ",")
}

func rowsOf(s *side, rules []*ruleset.Rule) []whoRow {
	out := []whoRow{}
	for _, r := range rules {
		out = append(out, s.row(r))
	}
	return out
}

func rangesJSON(s port.Set) []rangeJSON {
	out := []rangeJSON{}
	for _, r := range s.Ranges() {
		out = append(out, rangeJSON{r.First, r.Last})
	}
	return out
}
