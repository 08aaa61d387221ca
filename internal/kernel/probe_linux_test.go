package kernel

import (
	"net/netip"
	"testing"
)

// TestSweepOfAnOpenHost: without any rule every port is reached, from every source and to
// every peer, by both interfaces.
func TestSweepOfAnOpenHost(t *testing.T) {
	Beside(t)
	InNamespace(t, []string{"nft"}, func(t *testing.T) {
		link, err := NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		for _, p := range []Probe{
			{Peer: netip.MustParseAddr("203.0.113.9")},
			{Peer: netip.MustParseAddr("2001:db8:77::1"), Interface: OtherInterface, SourcePort: 5060},
			{Peer: netip.MustParseAddr("203.0.113.9"), Out: true, Interface: OtherInterface, SourcePort: 1},
			{Peer: netip.MustParseAddr("2001:db8:77::1"), Out: true},
		} {
			seen, err := link.Try(p)
			if err != nil {
				t.Fatalf("%+v: %v", p, err)
			}
			for n := range seen[0].TCP {
				if tcp, udp := seen[0].TCP[n], seen[0].UDP[n]; !tcp || !udp {
					t.Fatalf("%+v: port %d was not reached: tcp %v, udp %v", p, n, tcp, udp)
				}
			}
			if n, err := link.Repeat(17, p.Peer, 5060, 25); err != nil || n != 25 {
				t.Errorf("%d of 25 packets came through: %v", n, err)
			}
		}
	})
}

// TestSweepOfAClosedHost: what every chain drops is seen nowhere, although all of it was
// counted on its way.
func TestSweepOfAClosedHost(t *testing.T) {
	Beside(t)
	InNamespace(t, []string{"nft"}, func(t *testing.T) {
		link, err := NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		const rules = `table inet t {
	chain i { type filter hook input priority 0; iifname "pl1" accept; tcp dport 22 accept; drop; }
	chain o { type filter hook output priority 0; oifname "pl1" accept; udp sport 53 accept; drop; }
}`
		if _, err := Run(rules, "nft", "-f", "-"); err != nil {
			t.Fatal(err)
		}
		v4, v6 := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("2001:db8:77::1")
		cases := []struct {
			p    Probe
			want int
		}{
			{Probe{Peer: v4}, 1},
			{Probe{Peer: v6}, 1},
			{Probe{Peer: v6, Interface: OtherInterface}, 131072},
			{Probe{Peer: v4, Out: true}, 0},
			{Probe{Peer: v6, Out: true, SourcePort: 53}, 65536},
			{Probe{Peer: v4, Out: true, Interface: OtherInterface, Ports: []uint16{5, 7}}, 4},
		}
		var probes []Probe
		for _, c := range cases {
			probes = append(probes, c.p)
		}
		seen, err := link.Try(probes...)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range cases {
			n := 0
			for port := range seen[i].TCP {
				for _, reached := range []bool{seen[i].TCP[port], seen[i].UDP[port]} {
					if reached {
						n++
					}
				}
			}
			if n != c.want {
				t.Errorf("%+v: %d probes came through, want %d", c.p, n, c.want)
			}
		}
	})
}
