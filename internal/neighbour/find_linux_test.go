package neighbour_test

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"portolan/internal/kernel"
	"portolan/internal/neighbour"
	"portolan/internal/netlink"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// find asks the kernel of the namespace.
func find(t *testing.T, asks ...neighbour.Ask) []neighbour.Firewall {
	t.Helper()
	c, err := netlink.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	chains, err := c.Chains("")
	if err != nil {
		t.Fatal(err)
	}
	legacy, err := neighbour.ReadLegacy()
	if err != nil {
		t.Fatal(err)
	}
	list, err := neighbour.Find(chains, legacy, c.Set, []netip.Addr{kernel.HostV4, kernel.HostV6}, asks)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// in asks about ports of TCP that arrive.
func in(ports string) neighbour.Ask { return about(ruleset.In, port.TCP, ports) }

func about(d ruleset.Direction, proto port.Proto, ports string) neighbour.Ask {
	set, err := port.Parse(ports)
	if err != nil {
		panic(err)
	}
	return neighbour.Ask{Direction: d, Proto: proto, Ports: set}
}

// nft loads a text in place of everything that is there.
func nft(t *testing.T, text string) {
	t.Helper()
	if _, err := kernel.Run("flush ruleset\n"+text, "nft", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

func words(list []neighbour.Firewall) string {
	var out []string
	for _, f := range list {
		out = append(out, f.String())
	}
	return strings.Join(out, "\n")
}

// prove sends packets to all ports that were asked about, from sources and by interfaces that
// differ, and holds what comes through against the answers.
func prove(t *testing.T, link *kernel.Link, name string, list []neighbour.Firewall) {
	t.Helper()
	var probes []kernel.Probe
	for _, peer := range []string{"203.0.113.9", "10.7.0.1", "2001:db8:77::1"} {
		for _, iface := range []string{kernel.HostInterface, kernel.OtherInterface} {
			for _, out := range []bool{false, true} {
				p := kernel.Probe{Peer: netip.MustParseAddr(peer), Interface: iface, Out: out}
				for _, f := range list {
					for _, a := range f.Answers {
						for _, r := range a.Ports.Ranges() {
							for n := int(r.First); n <= int(r.Last); n++ {
								if (a.Direction == ruleset.Out) == out && !slices.Contains(p.Ports, uint16(n)) && len(p.Ports) < 1000 {
									p.Ports = append(p.Ports, uint16(n))
								}
							}
						}
					}
				}
				if len(p.Ports) > 0 {
					probes = append(probes, p)
				}
			}
		}
	}
	if len(probes) == 0 {
		return
	}
	seen, err := link.Try(probes...)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for i, p := range probes {
		for _, f := range list {
			six := p.Peer.Is6()
			if f.Family == "bridge" || f.Family == "ip" && six || f.Family == "ip6" && !six {
				continue // the packets do not meet it
			}
			for _, a := range f.Answers {
				if (a.Direction == ruleset.Out) != p.Out || a.State != 0 && a.State != ruleset.New {
					continue
				}
				for _, n := range p.Ports {
					came := seen[i].TCP[n]
					if a.Proto == port.UDP {
						came = seen[i].UDP[n]
					}
					if came && a.Drops.Contains(n) {
						t.Errorf("%s: %s to %s %d came through %s %s", name, p.Peer, a.Proto, n, f.Table, f.Chain)
					}
					if !came && a.Opens.Contains(n) && len(list) == 1 {
						t.Errorf("%s: %s to %s %d was dropped by %s %s", name, p.Peer, a.Proto, n, f.Table, f.Chain)
					}
				}
			}
		}
	}
}

// TestNftables: what is said of tables as their owners shape them.
func TestNftables(t *testing.T) {
	cases := []struct {
		name, text string
		asks       []neighbour.Ask
		want       string
	}{
		{"nothing", "", nil, ""},
		{"ours", `table inet portolan { chain input { type filter hook input priority filter - 10; policy drop; }; }`, nil, ""},
		{"of our name in another family", `table ip portolan { chain input { type filter hook input priority 0; policy drop; }; }`, nil,
			"table ip portolan, chain input drops what it does not accept, because its policy is drop: open the ports there too, or nothing arrives"},
		{"harmless", `table inet t {
	chain i { type filter hook input priority 0; policy accept; ct state invalid drop; tcp dport 22 accept; counter log; }
	chain f { type filter hook forward priority 0; policy drop; }
}`, nil, ""},
		{"dormant", `table inet t { flags dormant; chain i { type filter hook input priority 0; policy drop; }; }`, nil, ""},
		{"an ordinary one", `table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state vmap { established : accept, related : accept, invalid : drop }
		iif "lo" accept
		meta l4proto { icmp, ipv6-icmp } accept
		tcp dport { 22, 8000-8100 } ct state { new, untracked } accept
		udp dport 5060-5061 accept
		ip saddr 10.0.0.0/8 tcp dport 9000 accept
		ip daddr 192.0.2.77 accept
		iifname "eth*" tcp dport 9001 accept
	}
	chain output { type filter hook output priority filter; policy drop; ct state established,related accept; tcp dport { 53, 443 } accept; }
}`, []neighbour.Ask{in("22,80,8050-8200,9000-9001"), about(ruleset.In, port.UDP, "5060-5062"), about(ruleset.Out, port.TCP, "442-443"), {Proto: port.TCP, Ports: port.Of(port.Single(80)), State: ruleset.Established}},
			"table inet filter, chain input drops what it does not accept, because its policy is drop: it accepts tcp 22,8050-8100 and udp 5060-5061 and tcp 80, it drops tcp 80,8101-8200 and udp 5062, it may drop tcp 9000-9001; open them there too\n" +
				"table inet filter, chain output drops what it does not accept, because its policy is drop: it accepts tcp 443, it drops tcp 442; open them there too"},
		{"not what is untracked", `table inet t { chain i { type filter hook input priority 0; ct state { established, new } accept; drop; }; }`,
			[]neighbour.Ask{{Proto: port.UDP, Ports: port.Of(port.Single(7)), State: ruleset.Untracked}, {Proto: port.UDP, Ports: port.Of(port.Single(8)), State: ruleset.New}},
			"table inet t, chain i can drop packets that portolan accepts, because it has rules that drop: it accepts udp 8, it drops udp 7"},
		{"firewalld", `table inet firewalld {
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept;
		ct state { established, related } accept
		ct status dnat accept
		iifname "lo" accept
		ct state invalid drop
		jump filter_INPUT_POLICIES
		reject with icmpx admin-prohibited
	}
	chain filter_INPUT_POLICIES {
		iifname "pl1" goto filter_IN_internal
		goto filter_IN_public
	}
	chain filter_IN_public { jump filter_IN_public_allow; meta l4proto { icmp, ipv6-icmp } accept; reject with icmpx admin-prohibited; }
	chain filter_IN_public_allow { tcp dport 22 accept; ip6 daddr fe80::/64 udp dport 546 accept; }
	chain filter_IN_internal { tcp dport { 22, 80 } accept; reject with icmpx admin-prohibited; }
	chain filter_FORWARD { type filter hook forward priority filter + 10; policy accept; reject with icmpx admin-prohibited; }
	chain filter_PREROUTING { type filter hook prerouting priority filter + 10; policy accept; icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept; meta nfproto ipv6 fib saddr . mark . iif oif missing drop; }
}`, []neighbour.Ask{in("22-23,80")},
			// The reverse path is asked of every packet of IPv6.
			"table inet firewalld, chain filter_PREROUTING (firewalld) can drop packets of IPv6 that portolan accepts, because it has rules that drop: it may drop tcp 22-23,80\n" +
				"table inet firewalld, chain filter_INPUT (firewalld) drops what it does not accept, because it leads to chain filter_IN_public, which drops or rejects everything that comes to its end: it accepts tcp 22, it drops tcp 23, it may drop tcp 80; open them there too"},
		{"fail2ban", `table inet f2b-table {
	set addr-set-sshd { type ipv4_addr; elements = { 203.0.113.9 }; }
	chain f2b-chain { type filter hook input priority filter - 1; policy accept; tcp dport 22 ip saddr @addr-set-sshd reject; }
}`, []neighbour.Ask{in("21-22")},
			"table inet f2b-table, chain f2b-chain (fail2ban) can drop packets of IPv4 that portolan accepts, because it has rules that drop: it accepts tcp 21, it may drop tcp 22"},
		{"containers alone", `table ip raw { chain PREROUTING { type filter hook prerouting priority raw; policy accept; ip daddr 172.17.0.2 iifname != "docker0" drop; ip daddr 172.18.0.0/16 drop; }; }
table ip filter {
	chain DOCKER { drop; }
	chain DOCKER-USER { return; }
	chain FORWARD { type filter hook forward priority filter; policy drop; jump DOCKER-USER; jump DOCKER; }
	chain INPUT { type filter hook input priority filter; policy accept; }
}`, nil, ""},
		{"one family", `table inet t { chain i { type filter hook input priority -20; meta nfproto ipv6 drop; }; }`, []neighbour.Ask{in("1")},
			"table inet t, chain i drops what it does not accept of IPv6, because its last rule drops or rejects everything that came so far: it may drop tcp 1; open them there too"},
		{"a map of ports", `table inet t {
	map services { type inet_service : verdict; flags interval; elements = { 22 : accept, 100-200 : jump some, 65000-65535 : accept }; }
	chain some { tcp dport 150 return; accept; }
	chain i { type filter hook input priority 0; policy drop; tcp dport vmap @services; }
}`, []neighbour.Ask{in("0-65535")},
			"table inet t, chain i drops what it does not accept, because its policy is drop: it accepts tcp 22,100-149,151-200,65000-65535, it drops tcp 0-21,23-99,150,201-64999; open them there too"},
		{"addresses of this host", `table inet t {
	chain i {
		type filter hook input priority 0; policy accept;
		ip daddr != 198.18.0.1 drop
		ip6 daddr != 2001:db8::/32 drop
		ip daddr 198.18.0.0/24 tcp dport 1-9 accept
		ip6 daddr 2001:db8:ffff::1 tcp dport 1-8 accept
		meta nfproto { ipv4, ipv6 } drop
	}
}`, []neighbour.Ask{in("8-10")},
			"table inet t, chain i drops what it does not accept, because its last rule drops or rejects everything that came so far: it accepts tcp 8, it drops tcp 10, it may drop tcp 9; open them there too"},
		{"at an interface", `table netdev t { chain i { type filter hook ingress device lo priority 0; policy drop; meta protocol { ip, arp } accept; }; }`, []neighbour.Ask{in("1")},
			"table netdev t, chain i at lo drops what it does not accept of IPv6, because its policy is drop: it may drop tcp 1; open them there too"},
		{"neighbours", `table arp t { chain i { type filter hook input priority 0; policy drop; }; }`, nil,
			"table arp t, chain i drops what it does not accept, because its policy is drop: accept the addresses of neighbours there too, or nobody of IPv4 is reached"},
		{"bridges", `table bridge t { chain i { type filter hook input priority 0; policy drop; ether type ip tcp dport 22 accept; }; }`, []neighbour.Ask{in("22-23")},
			"table bridge t, chain i drops what it does not accept, because its policy is drop: it drops tcp 23, it may drop tcp 22; open them there too"},
	}
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		for _, c := range cases {
			nft(t, c.text)
			list := find(t, c.asks...)
			if got := words(list); got != c.want {
				t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
			}
			prove(t, link, c.name, list)
		}
	})
}

// xtables are rules as a program of iptables takes them, and what is said of them.
var xtables = []struct {
	name, text string
	asks       []neighbour.Ask
	want       string // of IPv4
}{
	{"nothing that drops", "*filter\n:INPUT ACCEPT\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n", nil, ""},
	{"ufw", `*filter
:INPUT DROP
:FORWARD DROP
:OUTPUT ACCEPT
:ufw-before-input -
:ufw-not-local -
:ufw-user-input -
:ufw-user-limit -
:ufw-after-input -
:ufw-skip-to-policy-input -
:ufw-logging-deny -
-A INPUT -j ufw-before-input
-A INPUT -j ufw-after-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j ufw-logging-deny
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p icmp --icmp-type echo-request -j ACCEPT
-A ufw-before-input -p udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -d 224.0.0.251 -p udp --dport 5353 -j ACCEPT
-A ufw-before-input -j ufw-user-input
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m addrtype --dst-type BROADCAST -j RETURN
-A ufw-not-local -m limit --limit 3/min --limit-burst 10 -j ufw-logging-deny
-A ufw-not-local -j DROP
-A ufw-logging-deny -m limit --limit 3/min --limit-burst 10 -j LOG
-A ufw-user-input -p tcp -m tcp --dport 22 -m comment --comment "dapp_OpenSSH" -j ACCEPT
-A ufw-user-input -p udp -m multiport --dports 5060,10000:10100 -j ACCEPT
-A ufw-user-input -s 10.0.0.0/8 -p tcp --dport 80 -j ACCEPT
-A ufw-after-input -p udp --dport 137 -j ufw-skip-to-policy-input
-A ufw-skip-to-policy-input -j DROP
COMMIT
`, []neighbour.Ask{in("22-23,80"), about(ruleset.In, port.UDP, "68,137,5060-5061,5353,9999-10101")},
		"drops what it does not accept, because its policy is drop: it accepts tcp 22 and udp 5060,10000-10100, it drops tcp 23 and udp 137,5061,5353,9999,10101, it may drop tcp 80 and udp 68; open them there too"},
	{"a reject at the end", `*filter
:INPUT ACCEPT
:mine -
-A INPUT ! -i lo -p tcp ! --dport 1000:2000 -g mine
-A INPUT -p tcp -j DROP
-A INPUT -m comment --comment "the rest" -j REJECT
-A mine -p tcp --dport 80 -j ACCEPT
-A mine -p tcp --dport 81 -j RETURN
-A mine -p tcp --syn --dport 82 -j DROP
COMMIT
`, []neighbour.Ask{in("79-83,1500")},
		// A packet that comes back from a goto has the policy.
		"drops what it does not accept, because its last rule drops or rejects everything that came so far: it accepts tcp 79-81,83, it drops tcp 1500, it may drop tcp 82; open them there too"},
	{"raw", "*raw\n:PREROUTING ACCEPT\n-A PREROUTING -p udp --dport 53 -j DROP\nCOMMIT\n", []neighbour.Ask{about(ruleset.In, port.UDP, "52-53")},
		"can drop packets that portolan accepts, because it has rules that drop: it accepts udp 52, it drops udp 53"},
}

func TestXtables(t *testing.T) {
	programs := []string{"iptables-nft-restore", "iptables-legacy-restore", "ip6tables-legacy-restore", "iptables-legacy", "nft"}
	kernel.InNamespace(t, programs, func(t *testing.T) {
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		for _, c := range xtables {
			table, chain, _ := strings.Cut(c.text[1:], "\n")
			chain, _, _ = strings.Cut(strings.TrimPrefix(chain, ":"), " ")
			for _, kind := range []string{"nft", "legacy"} {
				for _, family := range []string{"ip", "ip6"} {
					if family == "ip6" && c.name == "ufw" { // its messages are of IPv4
						continue
					}
					if _, err := kernel.Run(c.text, family+"tables-"+kind+"-restore"); err != nil {
						t.Fatalf("%s, %s, %s: %v", c.name, kind, family, err)
					}
					who := "iptables-" + kind
					if c.name == "ufw" {
						who += ", ufw"
					}
					want := ""
					if c.want != "" {
						want = fmt.Sprintf("table %s %s, chain %s (%s) %s", family, table, chain, who, c.want)
					}
					list := find(t, c.asks...)
					if got := words(list); got != want {
						t.Errorf("%s, %s, %s:\n%s\nwant\n%s", c.name, kind, family, got, want)
					}
					prove(t, link, c.name, list)
					empty := "*" + table + "\n:" + chain + " ACCEPT\nCOMMIT\n"
					if _, err := kernel.Run(empty, family+"tables-"+kind+"-restore"); err != nil {
						t.Fatal(err)
					}
				}
				nft(t, "")
			}
		}
	})
}

// TestLegacyIsOnlyRead: looking makes no table of legacy iptables, and no list of them is no
// error.
func TestLegacyIsOnlyRead(t *testing.T) {
	kernel.InNamespace(t, []string{"nft", "iptables-nft", "iptables-legacy"}, func(t *testing.T) {
		if list := find(t); len(list) != 0 {
			t.Errorf("in an empty namespace: %v", list)
		}
		for _, name := range []string{"/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names"} {
			if raw, err := os.ReadFile(name); err == nil && len(raw) > 0 {
				t.Errorf("%s has %q", name, raw)
			}
		}
	})
}

func TestMixed(t *testing.T) {
	kernel.InNamespace(t, []string{"nft", "iptables-nft", "iptables-legacy", "ip6tables-legacy"}, func(t *testing.T) {
		mixed := func() string {
			t.Helper()
			c, err := netlink.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			chains, err := c.Chains("")
			if err != nil {
				t.Fatal(err)
			}
			legacy, err := neighbour.ReadLegacy()
			if err != nil {
				t.Fatal(err)
			}
			text, err := neighbour.Mixed(chains, legacy)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		run := func(words ...string) {
			t.Helper()
			if _, err := kernel.Run("", words[0], words[1:]...); err != nil {
				t.Fatal(err)
			}
		}
		run("iptables-nft", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
		run("iptables-legacy", "-L") // makes a table without a rule
		if got := mixed(); got != "" {
			t.Errorf("one kind alone: %q", got)
		}
		run("ip6tables-legacy", "-t", "mangle", "-A", "PREROUTING", "-j", "MARK", "--set-mark", "1")
		const want = "iptables-legacy (table ip6 mangle) and iptables-nft (table ip filter) both have rules on this host: both decide, and each shows only its own"
		if got := mixed(); got != want {
			t.Errorf("%q\nwant\n%q", got, want)
		}
	})
}

// TestOrder: chains come by hook and priority, with what is before ours.
func TestOrder(t *testing.T) {
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		nft(t, `table inet b { chain o { type filter hook output priority -20; policy drop; }; chain i { type filter hook input priority 5; policy drop; }; }
table ip a { chain late { type filter hook postrouting priority -300; policy drop; }; chain i { type filter hook input priority -11; policy drop; }; chain p { type filter hook prerouting priority 300; policy drop; }; }`)
		var got []string
		for _, f := range find(t) {
			got = append(got, fmt.Sprintf("%s %s %s %v", f.Table, f.Chain, f.Hook, f.Before))
		}
		want := []string{"a p prerouting true", "a i input true", "b i input false", "b o output true", "a late postrouting false"}
		if !slices.Equal(got, want) {
			t.Errorf("%q\nwant\n%q", got, want)
		}
	})
}
