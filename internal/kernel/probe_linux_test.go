package kernel

import (
	"net/netip"
	"testing"
)

func TestParseRecord(t *testing.T) {
	r, err := parseRecord(`table inet plprobe {
	set seen_tcp {
		type inet_service
		size 131072
		flags dynamic
		elements = { 22, 80,
			     443 }
	}

	set seen_udp {
		type inet_service
		size 131072
		flags dynamic
	}

	chain arrived {
		type filter hook prerouting priority -500; policy accept;
		iifname "pl0" meta l4proto { tcp, udp } counter packets 131072 bytes 5
	}

	chain passed {
		type filter hook input priority 1000; policy accept;
		iifname "pl0" meta l4proto tcp add @seen_tcp { tcp dport } counter packets 3 bytes 5 drop
		iifname "pl0" meta l4proto udp add @seen_udp { udp dport } counter packets 4 bytes 5 drop
	}
}
`)
	if err != nil {
		t.Fatal(err)
	}
	if r.arrived != 131072 || r.passed != 7 || r.distinct != 3 || !r.tcp[22] || !r.tcp[443] || r.udp[22] || r.tcp[23] {
		t.Errorf("arrived %d, passed %d, distinct %d", r.arrived, r.passed, r.distinct)
	}
}

// TestSweepOfAnOpenHost: without any rule every port is reached, from every source.
func TestSweepOfAnOpenHost(t *testing.T) {
	InNamespace(t, []string{"nft"}, func(t *testing.T) {
		link, err := NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		for _, from := range []string{"203.0.113.9", "2001:db8:77::1"} {
			tcp, udp, err := link.Sweep(netip.MustParseAddr(from))
			if err != nil {
				t.Fatal(err)
			}
			for n := range tcp {
				if !tcp[n] || !udp[n] {
					t.Fatalf("port %d was not reached from %s: tcp %v, udp %v", n, from, tcp[n], udp[n])
				}
			}
			if n, err := link.Repeat(17, netip.MustParseAddr(from), 5060, 25); err != nil || n != 25 {
				t.Errorf("%d of 25 packets came through: %v", n, err)
			}
		}
	})
}
