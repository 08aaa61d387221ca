package render

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"portolan/internal/addr"
	"portolan/internal/kernel"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// outward are the rules that let a host work at all while what leaves is filtered.
func outward() []ruleset.Rule {
	rules := builtin()
	kept := rules[:0]
	for _, r := range rules {
		if !strings.HasPrefix(r.Name, "dhcp") {
			kept = append(kept, r)
		}
	}
	ask := func(name string, from, to uint16, peers addr.Set) ruleset.Rule {
		r := service(name, "", port.UDP, fmt.Sprint(to), peers)
		r.Match.SourcePorts = port.Of(port.Single(from))
		return r
	}
	return append(kept, ask("dhcp", 68, 67, addr.V4()), ask("dhcpv6", 546, 547, addr.V6()))
}

// guardedHost filters both directions: it answers from its media ports, speaks to the
// trunks and asks one name server.
func guardedHost() *ruleset.Ruleset {
	rs := plainHost()
	voice := sources("10.20.0.0/16", "2001:db8:20::/48")
	rtp := service("speech", "rtp answers", port.UDP, "1024-65535", voice)
	rtp.Match.SourcePorts = port.Of(port.Range{First: 25000, Last: 25399})
	trunk := service("trunks", "sip to the provider", port.TCP, "5060-5061", sources("203.0.113.5-203.0.113.77", "2001:db8:7::/64"))
	abuse := service("abuse", "", port.TCP, "5061", sources("203.0.113.16/29"))
	abuse.Effect.Verdict = ruleset.Drop
	rs.Output = ruleset.Chain{Default: ruleset.Drop, Rules: append(outward(), abuse, rtp, trunk,
		service("names", "", port.UDP, "53", sources("10.1.0.53", "2001:db8:1::53")),
		service("names", "", port.TCP, "53", sources("10.1.0.53", "2001:db8:1::53")),
	)}
	return rs
}

// mediaHost keeps connection tracking from its media.
func mediaHost() *ruleset.Ruleset {
	rs := plainHost()
	rs.Untracked = port.Of(port.Range{First: 25000, Last: 25399})
	voice := sources("10.20.0.0/16", "2001:db8:20::/48")
	for i := range rs.Input.Rules {
		if r := &rs.Input.Rules[i]; r.Match.Ports.Contains(25000) && r.Match.Peers.IsAll() && !r.Match.Ports.IsAll() {
			r.Match.Peers = voice
		}
	}
	return rs
}

// twoLegs is a border: what is open inside is not what is open outside.
func twoLegs() *ruleset.Ruleset {
	rs := plainHost()
	on := func(r ruleset.Rule, names ...string) ruleset.Rule {
		r.Match.Interfaces = ruleset.InterfacesOf(names...)
		return r
	}
	rs.Input.Rules = append(builtin(),
		on(service("inside", "", port.TCP, "22,8000-8100", addr.All()), kernel.OtherInterface),
		on(service("outside", "", port.UDP, "5060,30000-30999", sources("203.0.113.0/24", "2001:db8:7::/64")), kernel.HostInterface),
		on(service("both", "", port.TCP, "443", addr.All()), kernel.HostInterface, kernel.OtherInterface, "eth7"),
	)
	return rs
}

// TestKernelSeesADifference shows that a sweep can fail, in each of the ways in which two
// rulesets can differ: the kernel has the one and is held against the other.
func TestKernelSeesADifference(t *testing.T) {
	inNamespace(t, plain.programs, func(t *testing.T) {
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		rule := func(rules []ruleset.Rule, name string, proto port.Proto) *ruleset.Rule {
			for i := range rules {
				if rules[i].Name == name && rules[i].Match.Protos.Has(uint8(proto)) {
					return &rules[i]
				}
			}
			t.Fatalf("no rule %s", name)
			return nil
		}
		in, out := netip.MustParseAddr("10.20.0.9"), netip.MustParseAddr("203.0.113.77")
		for _, c := range []struct {
			name   string
			host   func() *ruleset.Ruleset
			change func(*ruleset.Ruleset)
			probe  kernel.Probe
			want   int
		}{
			{"nothing", guardedHost, func(*ruleset.Ruleset) {}, kernel.Probe{Peer: in}, 0},
			{"nothing", guardedHost, func(*ruleset.Ruleset) {}, kernel.Probe{Peer: out, Out: true}, 0},
			{"nothing", guardedHost, func(*ruleset.Ruleset) {}, kernel.Probe{Peer: in, Out: true, SourcePort: 25399}, 0},
			{"nothing", mediaHost, func(*ruleset.Ruleset) {}, kernel.Probe{Peer: in, Out: true, SourcePort: 25399}, 0},
			{"nothing", twoLegs, func(*ruleset.Ruleset) {}, kernel.Probe{Peer: in, Interface: kernel.OtherInterface}, 0},
			{"a port more", guardedHost, func(rs *ruleset.Ruleset) {
				rule(rs.Input.Rules, "web", port.TCP).Match.Ports = port.Of(port.Single(443), port.Single(80), port.Single(31337))
			}, kernel.Probe{Peer: in}, 1},
			{"a range that ends too early", guardedHost, func(rs *ruleset.Ruleset) {
				rule(rs.Input.Rules, "speech", port.UDP).Match.Ports = port.Of(port.Range{First: 25000, Last: 25398})
			}, kernel.Probe{Peer: in}, 1},
			{"a prefix that is too short", guardedHost, func(rs *ruleset.Ruleset) {
				rule(rs.Input.Rules, "speech", port.TCP).Match.Peers = sources("10.20.0.0/17")
			}, kernel.Probe{Peer: netip.MustParseAddr("10.20.128.0")}, 1},
			{"one address more", guardedHost, func(rs *ruleset.Ruleset) {
				rule(rs.Output.Rules, "trunks", port.TCP).Match.Peers = sources("203.0.113.5-203.0.113.78")
			}, kernel.Probe{Peer: out.Next(), Out: true}, 2},
			{"another port outwards", guardedHost, func(rs *ruleset.Ruleset) {
				rule(rs.Output.Rules, "trunks", port.TCP).Match.Ports = port.Of(port.Range{First: 5060, Last: 5062})
			}, kernel.Probe{Peer: out, Out: true}, 1},
			{"a source port more", guardedHost, func(rs *ruleset.Ruleset) {
				rule(rs.Output.Rules, "speech", port.UDP).Match.SourcePorts = port.Of(port.Range{First: 25000, Last: 25400})
			}, kernel.Probe{Peer: in, Out: true, SourcePort: 25400}, 65536 - 1024},
			{"what leaves is not filtered", guardedHost, func(rs *ruleset.Ruleset) { rs.Output = ruleset.Chain{} }, kernel.Probe{Peer: out, Out: true}, 2*65536 - 2},
			{"another interface", twoLegs, func(rs *ruleset.Ruleset) {
				rule(rs.Input.Rules, "inside", port.TCP).Match.Interfaces = ruleset.InterfacesOf(kernel.HostInterface)
			}, kernel.Probe{Peer: in, Interface: kernel.OtherInterface}, 102},
			{"tracked", mediaHost, func(rs *ruleset.Ruleset) { // what nobody tracks is not new
				rs.Untracked = port.Of(port.Range{First: 25000, Last: 25398})
				rule(rs.Input.Rules, "speech", port.UDP).Match.States = ruleset.Untracked
			}, kernel.Probe{Peer: in}, 1},
		} {
			rs := c.host()
			// The other half of "tracked": the ruleset asks for the state too.
			if c.name == "tracked" {
				rule(rs.Input.Rules, "speech", port.UDP).Match.States = ruleset.Untracked
			}
			plain.load(t, rs)
			ports := kernel.Edges(rs, kernel.Destinations)
			c.change(rs)
			if c.want < 100 { // all ports would say the same
				ports = append(ports, kernel.Edges(rs, kernel.Destinations)...)
				slices.Sort(ports)
				c.probe.Ports = slices.Compact(ports)
			}
			bad, _ := differences(t, link, rs, c.probe)
			if len(bad) != c.want {
				t.Errorf("%s: %d ports differ, want %d: %v", c.name, len(bad), c.want, bad[:min(len(bad), 5)])
			}
		}
		rs := guardedHost()
		plain.load(t, rs)
		for _, name := range []string{"icmp", "icmpv6"} {
			m := &rs.Input.Rules[slices.IndexFunc(rs.Input.Rules, func(r ruleset.Rule) bool { return r.Name == name })].Match
			m.Types = ruleset.BytesOf(append(m.Types.Each(), 13, 139)...) // a timestamp, a node information query
		}
		for _, peer := range []netip.Addr{in, insideV6} {
			if bad := differentTypes(t, link, rs, peer); len(bad) != 1 {
				t.Errorf("%d types of ICMP differ, want 1: %v", len(bad), bad)
			}
		}
	})
}

func TestKernelSweepPlain(t *testing.T) { sweepAll(t, plain) }

func TestKernelSweepNftables(t *testing.T) { sweepAll(t, loaders[0]) }

func TestKernelSweepSnippet(t *testing.T) { sweepAll(t, snippet) }

func TestKernelSweepIptablesNft(t *testing.T) { sweepAll(t, loaders[1]) }

func TestKernelSweepIptablesLegacy(t *testing.T) { sweepAll(t, loaders[2]) }

// sweepAll loads one ruleset after the other, each over the one before, and asks from inside
// and outside of the zones in both families, by both interfaces and outwards: all ports for
// some peers, and for all others those at which something begins or ends.
func sweepAll(t *testing.T, l loader) {
	inNamespace(t, l.programs, func(t *testing.T) {
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		whole := 1                                          // for every second ruleset: those with output rules and untracked ports
		if l.name == plain.name || l.name == snippet.name { // some ports are enough
			whole = 0
		}
		hosts := []func() *ruleset.Ruleset{deniedHost, guardedHost, twoLegs, mediaHost, limitedHost}
		for seed, host := range hosts {
			rs := host()
			l.load(t, rs)
			if open := compare(t, link, rs, kernel.ProbesOf(rs, seed, whole*(seed%2), 40)...); open == 0 {
				t.Error("no port is open: nothing was tried")
			}
			for _, peer := range []netip.Addr{insideV4, outsideV6} {
				for _, text := range differentTypes(t, link, rs, peer) {
					t.Error(text)
				}
			}
		}
	})
}
