package render

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portolan/internal/addr"
	"portolan/internal/kernel"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// TestKernelIptablesPackets: what leaves, what is counted and what is not tracked, with
// packets, in both parts of the kernel. The loopback interface stands for both ends.
func TestKernelIptablesPackets(t *testing.T) {
	inNamespace(t, slices.Concat(iptablesPrograms, loaders[0].programs), func(t *testing.T) {
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		for _, l := range loaders[1:] {
			accept := ruleset.Effect{Verdict: ruleset.Accept}
			established := ruleset.Rule{Name: "established", Effect: accept, Match: match(func(m *ruleset.Match) { m.States = ruleset.Established | ruleset.Related })}
			calls := []ruleset.Rule{service("calls", "", port.TCP, "5061", addr.All()), service("calls", "", port.TCP, "5062", sources("127.0.0.0/8", "::1"))}
			for i := range calls {
				calls[i].Effect.Connections = ruleset.Connections{Count: 2, PerSource: true, Name: "calls"}
			}
			media := service("media", "", port.UDP, "0-65535", addr.All())
			media.Match.SourcePorts = port.Of(port.Range{First: 25000, Last: 25399})
			far := service("far", "", port.UDP, "9000", peers(manyPrefixes).Union(sources("127.0.0.9")))
			rs := &ruleset.Ruleset{
				Input: ruleset.Chain{Default: ruleset.Drop, Rules: append([]ruleset.Rule{established,
					service("media", "", port.UDP, "25000-25399,53", addr.All())}, calls...)},
				Output: ruleset.Chain{Default: ruleset.Drop, Rules: []ruleset.Rule{
					established, media, far, service("dns", "", port.UDP, "53", sources("127.0.0.0/8")), service("calls", "", port.TCP, "5061-5062", addr.All())}},
				Untracked: port.Of(port.Range{First: 25000, Last: 25399}),
			}
			out, ok := prove(t, iptables(t), rs)
			if !ok {
				t.Fatal("refused")
			}
			loadIptables(t, l, out)

			// What leaves: the kernel says EPERM to who sends what OUTPUT drops.
			for _, c := range []struct {
				from, to string
				passes   bool
			}{
				{"", "127.0.0.1:53", true}, {"", "127.0.0.1:54", false}, {"", "[::1]:53", false}, {"", "127.0.0.9:9000", true}, {"", "127.0.0.8:9000", false},
				{"127.0.0.1:25000", "127.0.0.1:7", true}, {"127.0.0.1:24999", "127.0.0.1:7", false}, {"[::1]:25399", "[::1]:7", true},
			} {
				if err := sendUDP(c.from, c.to); (err == nil) != c.passes {
					t.Errorf("%s: from %q to %s: %v", l.name, c.from, c.to, err)
				}
			}

			// Both ports share one count.
			for _, host := range []string{"127.0.0.1", "::1"} {
				dial, done := listen(t, host, "5061", "5062")
				first, second := dial("5061"), dial("5062")
				if first == nil || second == nil {
					t.Fatalf("%s: no connection at all to %s", l.name, host)
				}
				for _, p := range []string{"5061", "5062"} {
					if c := dial(p); c != nil {
						t.Errorf("%s: a third connection to %s, port %s", l.name, host, p)
					}
				}
				done()
			}

			// Media are not tracked, and what is not media is.
			run(t, `table inet plstate {
	chain seen {
		type filter hook input priority 900; policy accept;
		udp dport 25001 ct state untracked counter
		udp dport 53 ct state new counter
	}
}
`, "nft", "-f", "-")
			for _, from := range []string{"192.0.2.9", "2001:db8::9"} {
				for _, p := range []uint16{25001, 53} {
					if n, err := link.Repeat(17, netip.MustParseAddr(from), p, 10); err != nil || n != 10 {
						t.Errorf("%s: %d of 10 packets to port %d came through: %v", l.name, n, p, err)
					}
				}
			}
			if list := run(t, "", "nft", "list", "table", "inet", "plstate"); strings.Count(list, "counter packets 20 ") != 2 {
				t.Errorf("%s: states\n%s", l.name, list)
			}
			run(t, "", "nft", "delete", "table", "inet", "plstate")
			for _, program := range iptablesFamilies(l) {
				run(t, "*filter\n-F INPUT\n-F OUTPUT\n-F PL-IN\nCOMMIT\n*raw\n-F PREROUTING\n-F OUTPUT\nCOMMIT\n", program+"-restore", "--noflush", "-w", "5")
			}
		}
	})
}

func sendUDP(from, to string) error {
	d := net.Dialer{}
	if from != "" {
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from))
	}
	c, err := d.Dial("udp", to)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte("x"))
	return err
}

// listen accepts connections on some ports of a host. It gives what makes one, nil when
// there is no answer, and what closes all of them.
func listen(t *testing.T, host string, ports ...string) (dial func(port string) net.Conn, done func()) {
	var mutex sync.Mutex
	var open []io.Closer
	keep := func(c io.Closer) {
		mutex.Lock()
		defer mutex.Unlock()
		open = append(open, c)
	}
	for _, p := range ports {
		s, err := net.Listen("tcp", net.JoinHostPort(host, p))
		if err != nil {
			t.Fatal(err)
		}
		keep(s)
		go func() {
			for {
				c, err := s.Accept()
				if err != nil {
					return
				}
				keep(c)
			}
		}()
	}
	dial = func(p string) net.Conn {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(host, p), 300*time.Millisecond)
		if err != nil {
			return nil
		}
		keep(c)
		return c
	}
	return dial, func() {
		mutex.Lock()
		defer mutex.Unlock()
		for _, c := range open {
			c.Close()
		}
	}
}
