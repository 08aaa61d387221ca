package diag

import (
	"fmt"
	"testing"

	"portolan/internal/port"
)

// TestJoin: one entry for each protocol that has a port, in order, whatever the parts are.
func TestJoin(t *testing.T) {
	set := func(s string) port.Set {
		out, err := port.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct {
		parts []Ports
		want  string
	}{
		{nil, "[]"},
		{[]Ports{{port.TCP, port.Set{}}}, "[]"},
		{[]Ports{{port.UDP, set("5060,7")}}, "[{udp 7,5060}]"},
		{[]Ports{{port.UDP, set("5060")}, {port.TCP, set("5060")}}, "[{tcp 5060} {udp 5060}]"},
		{[]Ports{{port.UDP, set("7,20-29")}, {port.TCP, port.Set{}}, {port.UDP, set("8,25-30")}}, "[{udp 7-8,20-30}]"},
	} {
		got := Join(c.parts...)
		if fmt.Sprint(got) != c.want || (got == nil) != (c.want == "[]") {
			t.Errorf("%v: %v, want %s", c.parts, got, c.want)
		}
	}
}
