package inventory

import (
	"fmt"
	"strings"
)

// Describe is a claim on one line, as the tests in descriptions have it: the listener,
// the protocol, the addresses (or "-> peer" for a connection), the ports, the origin,
// and the line when there is one: "rtp udp * 35000-35399 default L5". Between them stands
// what else is known of it: "nominal 35000-35400", "from 6000-6099", "advertises 192.0.2.4",
// "needs 400".
func (c *Claim) Describe() string {
	where := strings.Join(c.Bind, ",")
	if c.Direction == Connect {
		where = "-> " + c.Peer
	}
	s := fmt.Sprintf("%s %s %s %s %s", c.Listen, c.Proto, where, c.Ports, c.Origin)
	if c.Nominal() != c.Ports.String() {
		s += " nominal " + c.Nominal()
	}
	if c.Source.Last > 0 {
		s += " from " + c.Source.String()
	}
	for _, a := range c.Advertised {
		s += " advertises " + a.Text
	}
	if c.Needs > 0 {
		s += fmt.Sprintf(" needs %d", c.Needs)
	}
	if c.Span.HasLine() {
		s += fmt.Sprintf(" L%d", c.Span.Position().Line)
	}
	return s
}
