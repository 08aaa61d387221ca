package ruleset

import (
	"fmt"
	"strings"

	"portolan/internal/port"
)

// A Counterexample is a packet that two rulesets treat differently.
type Counterexample struct {
	Packet Packet
	A, B   Decision
	// untracked says of each side that it keeps connection tracking from the packet, where
	// that is the difference.
	untracked [2]bool
}

// Words says the packet and what each side does to it, the sides by the given names:
// "tcp from 10.0.0.7 to port 8080, new connection: the policy drops it, rules.v4
// accepts it".
func (c *Counterexample) Words(a, b string) string {
	first, second := c.Sides()
	return fmt.Sprintf("%s: %s %s, %s %s", c.Packet, a, first, b, second)
}

// Sides say what each side does to the packet, "drops it" and "accepts it".
func (c *Counterexample) Sides() (a, b string) {
	if c.Tracking() {
		tracking := map[bool]string{true: "keeps connection tracking from it", false: "lets connection tracking see it"}
		return tracking[c.untracked[0]], tracking[c.untracked[1]]
	}
	return c.A.Words(), c.B.Words()
}

// Tracking reports whether the difference is that one side alone keeps connection tracking
// from the packet: no rule decides that.
func (c *Counterexample) Tracking() bool { return c.untracked[0] != c.untracked[1] }

// Words say what happens to a packet, such as "accepts it" or "accepts it up to 10/minute
// (burst 10, ssh), then drops it".
func (d Decision) Words() string {
	var parts []string
	for _, e := range d {
		switch {
		case e.Verdict == Continue:
			parts = append(parts, fmt.Sprintf("logs it as %q at %d/%s", e.Log.Prefix, e.Log.Rate.Count, e.Log.Rate.Period))
		case e.Limited():
			parts = append(parts, "accepts it "+e.Bounds())
		case e.Verdict == Accept:
			parts = append(parts, "accepts it")
		default:
			parts = append(parts, "drops it")
		}
	}
	return strings.Join(parts, ", then ")
}

// Bounds are the conditions of an accept in words, such as "up to 10/minute per source
// (burst 10, ssh)"; "" when there are none.
func (e Effect) Bounds() string {
	per := map[bool]string{true: " per source"}
	var parts []string
	if c := e.Connections; c != (Connections{}) {
		parts = append(parts, fmt.Sprintf("up to %d connections%s (%s)", c.Count, per[c.PerSource], c.Name))
	}
	if l := e.Limit; l != (Limit{}) {
		parts = append(parts, fmt.Sprintf("up to %s%s (burst %d, %s)", l.Rate, per[l.PerSource], l.Burst, l.Name))
	}
	return strings.Join(parts, " and ")
}

// String is the packet in words.
func (p Packet) String() string {
	var b strings.Builder
	way := [...]string{"from", "to"}[p.Direction]
	switch {
	case kindOf(p.Proto) == withPorts && p.Direction == In:
		fmt.Fprintf(&b, "%s from %s", port.Proto(p.Proto), p.Peer)
		if p.SourcePort != 0 {
			fmt.Fprintf(&b, " port %d", p.SourcePort)
		}
		fmt.Fprintf(&b, " to port %d", p.Port)
	case kindOf(p.Proto) == withPorts:
		fmt.Fprintf(&b, "%s", port.Proto(p.Proto))
		if p.SourcePort != 0 {
			fmt.Fprintf(&b, " from port %d", p.SourcePort)
		}
		fmt.Fprintf(&b, " to %s port %d", p.Peer, p.Port)
	case p.Proto == ICMP:
		fmt.Fprintf(&b, "icmp type %d %s %s", p.Type, way, p.Peer)
	case p.Proto == ICMPv6:
		fmt.Fprintf(&b, "icmpv6 type %d %s %s", p.Type, way, p.Peer)
	default:
		fmt.Fprintf(&b, "ip protocol %d %s %s", p.Proto, way, p.Peer)
	}
	if p.Interface == Loopback {
		b.WriteString(" on loopback")
	} else {
		fmt.Fprintf(&b, " on interface %s", p.Interface)
	}
	if p.State == New {
		b.WriteString(", new connection")
	} else {
		fmt.Fprintf(&b, ", %s", p.State)
	}
	return b.String()
}
