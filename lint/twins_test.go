package lint

import "testing"

func TestJoinProtocols(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"SIP 5060/tcp of x", "SIP 5060/udp of x", "SIP 5060/tcp and udp of x"},
		{"SIP 5060/tcp of x overlaps SIP 5060/tcp of y", "SIP 5060/udp of x overlaps SIP 5060/udp of y", "SIP 5060/tcp and udp of x overlaps SIP 5060/tcp and udp of y"},
		{"a/tcp 1/tcp", "a/tcp 1/udp", "a/tcp 1/tcp and udp"},
		{"the same", "the same", "the same"},
		{"1/tcp of x", "2/udp of x", ""},
		{"1/tcp of x", "1/udp of y", ""},
		{"1/tcp", "1/sctp", ""},
		{"run netsh protocol=tcp", "run netsh protocol=udp", ""},
		{"1/udp", "1/tcp", ""},
		{"1/tcp", "1", ""},
	} {
		got, ok := joinProtocols(c.a, c.b)
		if ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%q and %q: %q, %v", c.a, c.b, got, ok)
		}
	}
}
