package truth

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"portolan/internal/inventory"
	"portolan/internal/port"
)

// claim is a listener for ports at addresses.
func claim(proto port.Proto, first, last uint16, bind ...string) inventory.Claim {
	return inventory.Claim{
		Service: "acme", Listen: "sip", Direction: inventory.Listen, Proto: proto,
		Ports: port.Range{First: first, Last: last}, NominalFirst: int(first), NominalLast: int(last), Bind: bind,
	}
}

func v6only(c inventory.Claim) inventory.Claim {
	c.V6Only = true
	return c
}

func TestCompare(t *testing.T) {
	host := Names{"localhost": {netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}}
	for _, n := range []string{"127.0.0.1", "::1"} {
		host["lo"] = append(host["lo"], netip.MustParseAddr(n))
	}
	for _, n := range []string{"192.0.2.10", "192.0.2.11", "2001:db8::10"} {
		host["eth0"] = append(host["eth0"], netip.MustParseAddr(n))
	}
	tcp := func(where string) Socket {
		a := netip.MustParseAddrPort(where)
		return Socket{Proto: port.TCP, Addr: a.Addr(), Port: a.Port()}
	}
	only := func(s Socket) Socket { s.V6Only = true; return s }
	udp := func(where string) Socket { s := tcp(where); s.Proto = port.UDP; return s }
	connection := claim(port.TCP, 9, 9)
	connection.Direction = inventory.Connect

	for _, test := range []struct {
		name    string
		sockets []Socket
		claims  []inventory.Claim
		excuses Excuses
		want    []string // how the differences begin
	}{
		{"nothing", nil, nil, Excuses{}, nil},
		{"a dual socket is every address", []Socket{tcp("[::]:5")}, []inventory.Claim{claim(port.TCP, 5, 5, "*")}, Excuses{}, nil},
		{"so are two of one family", []Socket{only(tcp("[::]:5")), tcp("0.0.0.0:5")}, []inventory.Claim{claim(port.TCP, 5, 5, "*")}, Excuses{}, nil},
		{"and one for each address", []Socket{tcp("127.0.0.1:5"), tcp("[::1]:5"), tcp("192.0.2.10:5"), tcp("192.0.2.11:5"), tcp("[2001:db8::10]:5")},
			[]inventory.Claim{claim(port.TCP, 5, 5, "*")}, Excuses{}, nil},
		{"IPv4 alone is not", []Socket{tcp("0.0.0.0:5")}, []inventory.Claim{claim(port.TCP, 5, 5, "*")}, Excuses{},
			[]string{"invented: acme sip tcp * 5 "}},
		{"nor is every address IPv4", []Socket{tcp("[::]:5")}, []inventory.Claim{claim(port.TCP, 5, 5, "0.0.0.0")}, Excuses{},
			[]string{"missing: no claim says that tcp [::]:5 takes ::1, 2001:db8::10"}},
		{"v6only counts", []Socket{only(tcp("[::]:5"))}, []inventory.Claim{claim(port.TCP, 5, 5, "::")}, Excuses{},
			[]string{"invented: "}},
		{"on both sides", []Socket{tcp("[::]:5")}, []inventory.Claim{v6only(claim(port.TCP, 5, 5, "::"))}, Excuses{},
			[]string{"missing: no claim says that tcp [::]:5 takes 127.0.0.1, 192.0.2.10, 192.0.2.11"}},
		{"an interface and a name", []Socket{tcp("192.0.2.10:5"), tcp("192.0.2.11:5"), tcp("[2001:db8::10]:5"), tcp("127.0.0.1:6"), tcp("[::1]:6")},
			[]inventory.Claim{claim(port.TCP, 5, 5, "eth0"), claim(port.TCP, 6, 6, "localhost")}, Excuses{}, nil},
		{"an interface of one family", []Socket{tcp("192.0.2.10:5")}, []inventory.Claim{claim(port.TCP, 5, 5, "eth0")}, Excuses{}, nil},
		{"not that interface", []Socket{tcp("127.0.0.1:5")}, []inventory.Claim{claim(port.TCP, 5, 5, "eth0")}, Excuses{},
			[]string{"invented: acme sip tcp eth0 5 : no socket takes tcp 5 of 192.0.2.10, 192.0.2.11, 2001:db8::10", "missing: "}},
		{"an unknown name", nil, []inventory.Claim{claim(port.TCP, 5, 5, "eth7")}, Excuses{}, []string{"unclear: "}},
		{"a mapped address", []Socket{tcp("[::ffff:127.0.0.1]:5")}, []inventory.Claim{claim(port.TCP, 5, 5, "127.0.0.1")}, Excuses{}, nil},
		{"protocols differ", []Socket{udp("127.0.0.1:5")}, []inventory.Claim{claim(port.TCP, 5, 5, "127.0.0.1")}, Excuses{},
			[]string{"invented: ", "missing: "}},
		{"a group is an address too", []Socket{udp("239.1.1.1:5")}, nil, Excuses{}, []string{"missing: "}},
		{"every port of a range", []Socket{tcp("127.0.0.1:5"), tcp("127.0.0.1:7")}, []inventory.Claim{claim(port.TCP, 5, 7, "127.0.0.1")}, Excuses{},
			[]string{"invented: acme sip tcp 127.0.0.1 5-7 : no socket takes tcp 6 of 127.0.0.1"}},
		{"but not of a pool", []Socket{tcp("127.0.0.1:7")}, []inventory.Claim{claim(port.TCP, 5, 7, "127.0.0.1")}, Excuses{Closed: map[string]string{"sip": "calls"}}, nil},
		{"whose bounds count", []Socket{tcp("127.0.0.1:8")}, []inventory.Claim{claim(port.TCP, 5, 7, "127.0.0.1")}, Excuses{Closed: map[string]string{"sip": "calls"}},
			[]string{"missing: "}},
		{"a pool that is not claimed", nil, nil, Excuses{Closed: map[string]string{"rtp": "calls"}}, []string{`the case excuses listener "rtp"`}},
		{"more addresses than are taken", []Socket{tcp("127.0.0.1:5")}, []inventory.Claim{claim(port.TCP, 5, 5, "0.0.0.0")}, Excuses{Wider: map[string]string{"sip": "a network"}}, nil},
		{"and none is taken", nil, []inventory.Claim{claim(port.TCP, 5, 5, "0.0.0.0")}, Excuses{Wider: map[string]string{"sip": "a network"}},
			[]string{"invented: ", `the case excuses listener "sip"`}},
		{"and all are taken", []Socket{tcp("0.0.0.0:5")}, []inventory.Claim{claim(port.TCP, 5, 5, "0.0.0.0")}, Excuses{Wider: map[string]string{"sip": "a network"}},
			[]string{`the case excuses listener "sip"`}},
		{"a port that the system chose", []Socket{udp("0.0.0.0:60700")}, nil, Excuses{Ephemeral: "a resolver"}, nil},
		{"is missing without an excuse", []Socket{udp("0.0.0.0:60700")}, nil, Excuses{}, []string{"missing: "}},
		{"an excuse for nothing", nil, nil, Excuses{Ephemeral: "a resolver"}, []string{"the case excuses ephemeral ports"}},
		{"a connection is no listener", nil, []inventory.Claim{connection}, Excuses{}, nil},
	} {
		got := Compare(host, test.sockets, test.claims, test.excuses)
		if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
			t.Errorf("%s:\ngot  %q\nwant %q", test.name, got, test.want)
		}
	}
}

func TestParseCase(t *testing.T) {
	const fine = "# acmed 1.2\nprogram acmed\nrun acmed -f\n"
	c, err := ParseCase([]byte(fine + "set acme.size=small\nclosed rtp calls open them\ncert /a.pem /a.key\n-- etc/acme.conf --\nport 5\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Run != "acmed -f" || c.Options["acme"]["size"] != "small" || c.Excuses.Closed["rtp"] != "calls open them" || c.Certs[0] != [2]string{"/a.pem", "/a.key"} || len(c.Files) != 1 {
		t.Errorf("%+v", c)
	}
	for _, bad := range []string{
		"", "program acmed\nrun acmed\n", "# acmed 1.2\nrun acmed\n", "# acmed 1.2\nprogram acmed\n", fine + "run twice\n", fine + "closed rtp\n",
		fine + "ephemeral\n", fine + "cert /a.pem\n", fine + "set acme.size\n", fine + "sets acme.size=small\n", fine + "forks now\n",
	} {
		if c, err := ParseCase([]byte(bad)); err == nil {
			t.Errorf("%q: %+v", bad, c)
		}
	}
}
