// Package nft is one table of nftables as plain values: what a ruleset becomes before
// anybody writes it, as text or into the kernel.
//
// A Table is complete: it says every set, map and chain that the table "inet portolan" has,
// and the four base chains, those without rules included, because an older table may have
// them.
package nft

import (
	"iter"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// The table is of the family inet, so its rules see IPv4 and IPv6.
const (
	Family = "inet"
	Name   = "portolan"
)

// A Table is the table. Everything that a rule names is in it.
type Table struct {
	Limits []Limit
	Meters []Meter
	Sets   []*Set
	Maps   []*Map
	Chains []*Chain // that others jump to
	Bases  []*Base
}

// A Set is a named set of addresses of one family.
type Set struct {
	Name     string
	Family   int // 4 or 6
	Elements []addr.Range
}

// A Meter is a set that counts each source of one family by itself: packets, or open
// connections when Connections is set. Timeout is how many seconds an idle source is
// remembered: long enough to have all of its burst again, so forgetting it changes
// nothing. A source without connections is forgotten by the kernel.
type Meter struct {
	Name        string
	Family      int // 4 or 6
	Rate        ruleset.Rate
	Burst       int // packets
	Timeout     int // seconds; 0 with Connections
	Connections int // how many may be open; 0 counts packets
}

// MeterSize is how many sources a meter has room for.
const MeterSize = 65535

// A Limit is a count of packets that several rules share.
type Limit struct {
	Name  string
	Rate  ruleset.Rate
	Burst int // packets
}

// A Map leads from a destination port to the chain that decides about it.
type Map struct {
	Name     string
	Elements []Element
}

// An Element is a range of ports of a Map, both ends included.
type Element struct {
	Ports   port.Range
	Jump    string // a chain
	Comment string // printable ASCII is for whoever writes it to make sure of
}

// A Chain is one to which rules or maps jump. A packet that falls off its end goes on
// behind the jump.
type Chain struct {
	Name  string
	Rules []Rule
}

// A Base is a chain that the kernel itself asks. Without rules, it is not to be there.
type Base struct {
	Name     string
	Title    string // in words
	Hook     string // "prerouting", "input" or "output"
	Priority Priority
	Policy   ruleset.Verdict
	Rules    []Rule
}

// A Priority is the order in which the kernel asks the base chains of a hook.
type Priority string

// The priorities that we use, as nft(8) writes them. Filter is before what others have at
// the usual place.
const (
	Raw    Priority = "raw"
	Filter Priority = "filter - 10"
)

// Number is the priority as the kernel has it, with the values of
// include/uapi/linux/netfilter_ipv4.h: NF_IP_PRI_RAW and NF_IP_PRI_FILTER.
func (p Priority) Number() int32 {
	if p == Raw {
		return -300
	}
	return -10
}

// A Rule is one rule. What is not set says nothing. A packet that matches it is counted,
// and what it does is one of Map, Log, Notrack, Verdict and Jump.
type Rule struct {
	Map string // looks up the port of Proto; nothing else is set then

	// What takes a byte stands together, because there can be many rules.
	Out     bool  // about what leaves, so of its interface and destination
	Proto   uint8 // of Ports, SourcePorts and Map
	States  ruleset.States
	Notrack bool
	Verdict ruleset.Verdict

	Interfaces  []string
	SourcePorts []port.Range
	Ports       []port.Range
	Protos      []uint8
	Family      int         // 4 or 6; of Peer, Set, Types, Meter and Connections
	Peer        *addr.Range // one range, or
	Set         string      // the name of a set
	Types       []uint8     // of ICMP in its family
	Count       int         // of connections, all together
	Connections *Meter      // of connections, for each source
	Meter       *Meter
	Limit       *Limit
	Log         *ruleset.Log
	Jump        string
	Comment     string // untrusted text
}

// Rules are all rules of the table with the chain that they stand in.
func (t *Table) Rules() iter.Seq2[string, *Rule] {
	return func(yield func(string, *Rule) bool) {
		for _, c := range t.Chains {
			for i := range c.Rules {
				if !yield(c.Name, &c.Rules[i]) {
					return
				}
			}
		}
		for _, b := range t.Bases {
			for i := range b.Rules {
				if !yield(b.Name, &b.Rules[i]) {
					return
				}
			}
		}
	}
}
