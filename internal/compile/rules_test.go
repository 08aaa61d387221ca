package compile

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portolan/internal/addr"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// connects adds outgoing connections to a host: "service name ports/proto peer" and, behind
// it, the source ports.
func connects(t testing.TB, inv *inventory.Inventory, texts ...string) *inventory.Inventory {
	t.Helper()
	for _, text := range texts {
		f := strings.Fields(text)
		c := claim(t, f[0]+" "+f[1]+" internal "+f[2])
		c.Direction, c.Peer, c.Bind = inventory.Connect, f[3], nil
		if len(f) > 4 {
			c.Source, _ = port.ParseRange(f[4])
		}
		inv.Claims = append(inv.Claims, c)
	}
	return inv
}

// lines are the rules of a chain: what is done, for whom, to which packets, and who asked.
func lines(rules []ruleset.Rule) string {
	var out []string
	for _, r := range rules {
		m := &r.Match
		var about []string
		say := func(when bool, format string, args ...any) {
			if when {
				about = append(about, fmt.Sprintf(format, args...))
			}
		}
		say(!m.Protos.IsAll(), "%v", m.Protos.Each())
		say(!m.Peers.IsAll(), "peers %s", m.Peers)
		say(!m.Ports.IsAll(), "to %s", m.Ports)
		say(!m.SourcePorts.IsAll(), "from %s", m.SourcePorts)
		say(!m.Interfaces.IsAll(), "on %s", m.Interfaces.Names())
		say(m.States != ruleset.AllStates, "%s", m.States)
		e := r.Effect
		what := e.Verdict.String()
		switch {
		case e.Limited():
			what += " " + e.Bounds()
		case e.Log.Prefix != "":
			what = fmt.Sprintf("log %s %q", e.Log.Rate, e.Log.Prefix)
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s: %s | %s | %s", r.Name, what, strings.Join(about, " "), r.Comment)))
	}
	return strings.Join(out, "\n")
}

// everything is a policy with every word of the language, and what it becomes.
const everything = `
zone "scanners" { sources = ["198.51.100.0/24"] }
zone "trunks"   { sources = ["10.9.0.0/24", "2001:db8:9::/48"] }

deny "scanners" {
  from = [zone.scanners]
  log  = "1/minute"
}
allow "trunks" {
  service = "pbx"
  listen  = ["sip"]
  from    = [zone.trunks]
  log     = "2/minute"
}
allow "anyone" {
  service     = "pbx"
  listen      = ["sip"]
  limit       = "5/second per source"
  connections = "100 per source"
}
allow "media" {
  service = "pbx"
  listen  = ["rtp"]
  except  = ["192.0.2.0/24"]
  notrack = true
}
deny "console" { exposure = ["admin"] }
allow "ssh" {
  service    = "sshd"
  interfaces = ["eth1", "eth0.7"]
}
allow "vpn" { protocols = ["esp", "icmpv6"] }

connect "found" {}
connect "dns" {
  ports = ["53/udp"]
  to    = ["10.0.0.53"]
  log   = "3/minute"
}
default {
  output = "drop"
  log    = "4/minute"
}
`

func TestEverythingInOrder(t *testing.T) {
	inv := connects(t, host(t,
		"pbx sip public 5060/udp *", "pbx sip public 5060/tcp *", "pbx rtp public 10000-10999/udp 0.0.0.0", "pbx ami admin 5038/tcp *", "sshd ssh admin 22/tcp *"),
		"pbx db 5432/tcp db.example", "pbx ldap 389/tcp 10.0.0.9", "pbx cache 6379/tcp localhost", "pbx peer 5060/udp [2001:db8::7] 5060", "pbx own 7000/tcp ::1")
	rs, list := Ruleset(load(t, everything), inv)
	if len(list) != 0 {
		t.Error(messages(list))
	}
	const at = " etc/lumenvox/media_server.conf:1"
	in := `loopback: accept | on [lo] | this host to itself
scanners: log 1/minute "portolan scanners: " | [17] peers 198.51.100.0/24 to 10000-10999 | log of deny scanners portolan.hcl:7
scanners: drop | [17] peers 198.51.100.0/24 to 10000-10999 | deny scanners portolan.hcl:5
media: accept | [17] peers ` + addr.V4().Minus(prefix("192.0.2.0/24")).String() + ` to 10000-10999 | pbx rtp` + at + `
established: accept | established,related | answers to what this host began
invalid: drop | invalid | packets of no known connection
icmp: accept | [1] peers 0.0.0.0/0 | errors and ping
icmpv6: accept | [58] peers ::/0 | errors, ping, neighbour and multicast discovery (RFC 4890)
dhcp: accept | [17] peers 0.0.0.0/0 to 68 | DHCP answers
dhcpv6: accept | [17] peers ::/0 to 546 | DHCPv6 answers
scanners: log 1/minute "portolan scanners: " | peers 198.51.100.0/24 | log of deny scanners portolan.hcl:7
scanners: drop | peers 198.51.100.0/24 | deny scanners portolan.hcl:5
trunks: log 2/minute "portolan trunks: " | [17] peers 10.9.0.0/24,2001:db8:9::/48 to 5060 | log of allow trunks portolan.hcl:13
trunks: log 2/minute "portolan trunks: " | [6] peers 10.9.0.0/24,2001:db8:9::/48 to 5060 | log of allow trunks portolan.hcl:13
trunks: accept | [17] peers 10.9.0.0/24,2001:db8:9::/48 to 5060 | pbx sip` + at + `
trunks: accept | [6] peers 10.9.0.0/24,2001:db8:9::/48 to 5060 | pbx sip` + at + `
anyone: accept up to 100 connections per source (anyone) and up to 5/second per source (burst 5, anyone) | [17] to 5060 | pbx sip` + at + `
anyone: accept up to 100 connections per source (anyone) and up to 5/second per source (burst 5, anyone) | [6] to 5060 | pbx sip` + at + `
media: accept | [17] peers ` + addr.V4().Minus(prefix("192.0.2.0/24")).String() + ` to 10000-10999 | pbx rtp` + at + `
console: drop | [6] to 5038 | pbx ami` + at + `
console: drop | [6] to 22 | sshd ssh` + at + `
ssh: accept | [6] to 22 on [eth0.7 eth1] | sshd ssh` + at + `
vpn: accept | [50] | allow vpn portolan.hcl:32
vpn: accept | [58] peers ::/0 | allow vpn portolan.hcl:32
log: log 4/minute "portolan drop: " |  | log what is dropped`
	if got := lines(rs.Input.Rules); got != in {
		t.Errorf("in, got\n%s\nwant\n%s", got, in)
	}
	out := `loopback: accept | on [lo] | this host to itself
scanners: drop | [17] peers 198.51.100.0/24 from 10000-10999 | from deny scanners portolan.hcl:5
media: accept | [17] peers ` + addr.V4().Minus(prefix("192.0.2.0/24")).String() + ` from 10000-10999 | from pbx rtp` + at + `
established: accept | established,related | answers of this host, and what it began
invalid: drop | invalid | packets of no known connection
icmp: accept | [1] peers 0.0.0.0/0 | errors and ping
icmpv6: accept | [58] peers ::/0 | errors, ping, neighbour and multicast discovery (RFC 4890)
dhcp: accept | [17] peers 0.0.0.0/0 to 67 | DHCP requests
dhcpv6: accept | [17] peers ::/0 to 547 | DHCPv6 requests
found: accept | [6] to 5432 | pbx db` + at + `
found: accept | [6] peers 10.0.0.9 to 389 | pbx ldap` + at + `
found: accept | [17] peers 2001:db8::7 to 5060 from 5060 | pbx peer` + at + `
dns: log 3/minute "portolan dns: " | [17] peers 10.0.0.53 to 53 | log of connect dns portolan.hcl:38
dns: accept | [17] peers 10.0.0.53 to 53 | connect dns portolan.hcl:36
scanners: drop | [17] peers 198.51.100.0/24 from 5060 | from deny scanners portolan.hcl:5
trunks: accept | [17] peers 10.9.0.0/24,2001:db8:9::/48 from 5060 | from pbx sip` + at + `
anyone: accept | [17] from 5060 | from pbx sip` + at + `
log: log 4/minute "portolan drop out: " |  | log what is dropped`
	if got := lines(rs.Output.Rules); got != out {
		t.Errorf("out, got\n%s\nwant\n%s", got, out)
	}
	if rs.Untracked.String() != "10000-10999" || rs.Input.Default != ruleset.Drop || rs.Output.Default != ruleset.Drop {
		t.Errorf("untracked %s, %s in, %s out", rs.Untracked, rs.Input.Default, rs.Output.Default)
	}
}

func prefix(text string) addr.Set { return addr.Of(netip.MustParsePrefix(text)) }

// TestConnects holds what a connect makes of the connections that are found.
func TestConnects(t *testing.T) {
	inv := connects(t, host(t), "a db 1/tcp 10.0.0.9", "a db 2/tcp db.example", "a db 3/tcp 127.0.0.1", "a up 4/udp 0.0.0.0", "b up 5/tcp localhost")
	for _, c := range []struct{ body, open, want string }{
		{``, "1 2 4", ""},
		{`service = "a"`, "1 2 4", ""},
		{"service = \"a\"\nlisten = [\"up\"]", "4", ""},
		{`to = ["10.0.0.0/8"]`, "1 2 4", ""},
		{"service = \"a\"\nlisten = [\"db\"]\nto = [\"192.0.2.0/24\"]", "2", ""},
		{"service = \"a\"\nexcept = [\"10.0.0.9\"]", "2 4", ""},
		{`service = "b"`, "", `connect "c" lets nothing out: every connection of b that was found leads to this host itself`},
		{`service = "z"`, "", `connect "c" lets nothing out: no outgoing connection of z was found`},
		{"ports = [\"1-2/tcp\"]\nto = [\"10.0.0.8\"]", "1 2", ""},
	} {
		rs, list := Ruleset(load(t, "allow \"x\" {}\nconnect \"c\" {\n"+c.body+"\n}\ndefault { output = \"drop\" }"), inv)
		var open []string
		for _, r := range rs.Output.Rules {
			if r.Name == "c" {
				open = append(open, r.Match.Ports.String())
			}
		}
		slices.Sort(open)
		var said []string
		for _, d := range list {
			if d.Rule == "connect-reaches-nothing" {
				said = append(said, d.Message)
			}
		}
		got := strings.ReplaceAll(strings.Join(open, " "), "1-2", "1 2")
		if got != c.open || strings.Join(said, "\n") != c.want {
			t.Errorf("%s: %q, %q", c.body, got, said)
		}
	}
	only := connects(t, host(t), "a db 1/tcp 10.0.0.9")
	_, list := Ruleset(load(t, "allow \"x\" { ports = [\"1/tcp\"] }\nconnect \"c\" { to = [\"192.0.2.0/24\"] }\ndefault { output = \"drop\" }"), only)
	if len(list) != 1 || list[0].Message != `connect "c" lets nothing out: every connection that was found leads elsewhere` {
		t.Error(messages(list))
	}
}

// TestDenyOfAService closes every listener of it, in both families.
func TestDenyOfAService(t *testing.T) {
	inv := host(t, "a front public 1/tcp 0.0.0.0", "a back admin 2/tcp *", "a own loopback 3/tcp 127.0.0.1", "b front public 4/tcp *")
	for body, want := range map[string]string{
		`service = "a"`:                            "1 2 3",
		"service = \"a\"\nlisten = [\"back\"]":     "2",
		"service = \"a\"\nexposure = [\"public\"]": "1",
		`exposure = ["public"]`:                    "1 4",
		`ports = ["7/tcp"]`:                        "7",
	} {
		rs, _ := Ruleset(load(t, "deny \"d\" {\n"+body+"\n}\nallow \"all\" { ports = [\"1-9/tcp\"] }"), inv)
		var closed []string
		for n := 1; n < 10; n++ {
			for _, from := range []string{"192.0.2.1", "2001:db8::1"} {
				if rs.Decide(packet(fmt.Sprintf("%s %d/tcp", from, n))).Verdict() == ruleset.Drop && !slices.Contains(closed, fmt.Sprint(n)) {
					closed = append(closed, fmt.Sprint(n))
				}
			}
		}
		if got := strings.Join(closed, " "); got != want {
			t.Errorf("%s closes %q, want %q", body, got, want)
		}
	}
}

func TestLogPrefixes(t *testing.T) {
	text := ""
	names := []string{"drop", "a", "operators-of-the-network", "operators-of-the-night", "operators-of-the-n", "operators-of-the-2", strings.Repeat("x", 64)}
	for i, name := range names {
		text += fmt.Sprintf("allow %q {\n ports = [\"%d/tcp\", \"%d/udp\"]\n log = \"1/second\"\n}\n", name, i+1, i+1)
	}
	rs, _ := Ruleset(load(t, text+"default { log = \"1/second\" }"), &inventory.Inventory{})
	by := map[string]string{}
	for _, r := range rs.Input.Rules {
		prefix := r.Effect.Log.Prefix
		if prefix == "" {
			continue
		}
		if other, taken := by[prefix]; taken && other != r.Name || len(prefix) > 29 || !strings.HasPrefix(prefix, "portolan ") {
			t.Errorf("%q is the prefix of %s and %s", prefix, other, r.Name)
		}
		by[prefix] = r.Name
	}
	if len(by) != len(names)+1 {
		t.Errorf("%q", by)
	}
}

// state is what connection tracking says of a new packet to p: nothing where it is kept away.
func state(rs *ruleset.Ruleset, p ruleset.Packet) ruleset.Packet {
	local := p.Port
	if p.Direction == ruleset.Out {
		local = p.SourcePort
	}
	if p.State != ruleset.Untracked && p.Proto == uint8(port.UDP) && rs.Untracked.Contains(local) {
		p.State = ruleset.Untracked
	}
	return p
}

func genDeny(t *rapid.T, name string) string {
	body := rapid.SampledFrom([]string{
		"from = [zone.x]\n", "from = [zone.y]\n", "ports = [\"1-3/udp\"]\n", "ports = [\"3-5/tcp\"]\nfrom = [zone.y]\n", "service = \"a\"\n",
		"protocols = [\"udp\"]\nfrom = [zone.x]\n", "interfaces = [\"eth1\"]\n", "exposure = [\"public\"]\nexcept = [\"10.0.0.0\"]\n",
	}).Draw(t, "deny")
	return fmt.Sprintf("deny %q {\n%s}\n", name, body)
}

// genRules are allows and denies in some order.
func genRules(t *rapid.T) (head string, rules []string) {
	head, rules = genPolicy(t)
	for i := range rapid.IntRange(0, 3).Draw(t, "denies") {
		at := rapid.IntRange(0, len(rules)).Draw(t, "at")
		rules = slices.Insert(rules, at, genDeny(t, fmt.Sprintf("d%d", i)))
	}
	return head, rules
}

// walk visits new packets of both directions on two interfaces.
func walk(visit func(ruleset.Packet)) {
	corners(func(p ruleset.Packet) {
		if p.State != ruleset.New {
			return
		}
		for _, name := range []string{"eth0", "eth1", "lo"} {
			p.Interface = name
			visit(p)
			out := p
			out.Direction, out.SourcePort, out.Port = ruleset.Out, p.Port, 9
			visit(out)
		}
	})
}

// opens is a packet that after lets in or out and before does not.
func opens(before, after *ruleset.Ruleset) (found ruleset.Packet, yes bool) {
	walk(func(p ruleset.Packet) {
		if before.Decide(state(before, p)).Verdict() != ruleset.Accept && after.Decide(state(after, p)).Verdict() == ruleset.Accept {
			found, yes = p, true
		}
	})
	return found, yes
}

const dropOut = "connect \"out\" { ports = [\"9/tcp\"] }\ndefault { output = \"drop\" }\n"

// outToo makes the head of a policy one that filters what leaves.
func outToo(head string) string {
	zones, _, _ := strings.Cut(head, "default")
	return zones + dropOut
}

func TestADenyOpensNothing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inv := genInventory(r)
		head, rules := genRules(r)
		if rapid.Bool().Draw(r, "output") {
			head = outToo(head)
		}
		at := rapid.IntRange(0, len(rules)).Draw(r, "place")
		more := slices.Insert(slices.Clone(rules), at, genDeny(r, "extra"))
		before, _ := Ruleset(load(t, head+strings.Join(rules, "")), inv)
		after, _ := Ruleset(load(t, head+strings.Join(more, "")), inv)
		if p, yes := opens(before, after); yes {
			r.Fatalf("%s is opened by\n%s", p, more[at])
		}
		if at > 0 { // moving it up opens nothing either
			up := slices.Clone(more)
			up[at-1], up[at] = up[at], up[at-1]
			above, _ := Ruleset(load(t, head+strings.Join(up, "")), inv)
			if p, yes := opens(after, above); yes {
				r.Fatalf("%s is opened by moving up\n%s", p, more[at])
			}
		}
	})
}

func TestAnExtraAllowClosesNothingBesideDenies(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inv := genInventory(r)
		head, rules := genRules(r)
		if rapid.Bool().Draw(r, "output") {
			head = outToo(head)
		}
		more := slices.Insert(slices.Clone(rules), rapid.IntRange(0, len(rules)).Draw(r, "place"), genAllow(r, "extra"))
		before, _ := Ruleset(load(t, head+strings.Join(rules, "")), inv)
		after, _ := Ruleset(load(t, head+strings.Join(more, "")), inv)
		if p, yes := opens(after, before); yes {
			r.Fatalf("%s is closed", p)
		}
	})
}

// TestNoTrackDecidesAlike: without and with notrack the same new packets get in and out, and
// no state lets in more.
func TestNoTrackDecidesAlike(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inv := genInventory(r)
		head, rules := genRules(r)
		if rapid.Bool().Draw(r, "output") {
			head = outToo(head)
		}
		media := fmt.Sprintf("allow \"media\" {\n ports = [%q]\n%s", rapid.SampledFrom([]string{"1-3/udp", "3-6/udp", "1-65535/udp"}).Draw(r, "ports"),
			rapid.SampledFrom([]string{"", "from = [zone.x]\n", "from = [zone.y]\nexcept = [\"10.0.1.0\"]\n"}).Draw(r, "from"))
		rules = slices.Insert(rules, rapid.IntRange(0, len(rules)).Draw(r, "place"), media+"}\n")
		text := head + strings.Join(rules, "")
		without, _ := Ruleset(load(t, text), inv)
		with, _ := Ruleset(load(t, strings.Replace(text, media, media+"notrack = true\n", 1)), inv)
		if with.Untracked.IsEmpty() || with.Untracked.Contains(68) {
			r.Fatalf("untracked %s", with.Untracked)
		}
		walk(func(p ruleset.Packet) {
			a, b := without.Decide(p).Verdict(), with.Decide(state(with, p)).Verdict()
			if a != b {
				r.Fatalf("%s: %s, with notrack %s", p, a, b)
			}
		})
	})
}

// TestFamilies: what is allowed from one family opens nothing in the other, and with IPv6
// switched off nothing of it gets in or out but on loopback and what is established.
func TestFamilies(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inv := genInventory(r)
		head, rules := genRules(r)
		zones, _, _ := strings.Cut(head, "default")
		extra := "allow \"six\" {\n from = [\"2001:db8::/126\"]\n" + rapid.SampledFrom([]string{"", "ports = [\"1-5/udp\"]\nnotrack = true\n", "protocols = [\"udp\"]\n"}).Draw(r, "six") + "}\n"
		before, _ := Ruleset(load(t, zones+strings.Join(rules, "")), inv)
		after, _ := Ruleset(load(t, zones+strings.Join(rules, "")+extra), inv)
		walk(func(p ruleset.Packet) {
			if p.Peer.Is4() && before.Decide(p).Verdict() != after.Decide(p).Verdict() {
				r.Fatalf("%s is opened by an allow of IPv6", p)
			}
		})
		off := rapid.SampledFrom([]string{"default { ipv6 = \"off\" }\n", "default {\n ipv6 = \"off\"\n output = \"drop\"\n}\nconnect \"c\" {}\n"}).Draw(r, "off")
		rs, _ := Ruleset(load(t, zones+off+strings.Join(rules, "")+extra), inv)
		walk(func(p ruleset.Packet) {
			if p.Peer.Is6() && p.Interface != "lo" {
				for _, s := range []ruleset.State{ruleset.New, ruleset.Untracked, ruleset.Broken} {
					p.State = s
					if rs.Decide(p).Verdict() == ruleset.Accept {
						r.Fatalf("%s is accepted", p)
					}
				}
				for _, n := range []uint8{2, 128, 135} {
					p.Proto, p.Type = ruleset.ICMPv6, n
					if rs.Decide(p).Verdict() == ruleset.Accept {
						r.Fatalf("%s is accepted", p)
					}
				}
			} else if p.Interface == "lo" && rs.Decide(p).Verdict() != ruleset.Accept {
				r.Fatalf("%s is dropped", p)
			}
		})
	})
}

func TestOutputDropTouchesNoInput(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inv := genInventory(r)
		head, rules := genRules(r)
		zones, _, _ := strings.Cut(head, "default")
		text := zones + strings.Join(rules, "")
		open, _ := Ruleset(load(t, text), inv)
		drop, _ := Ruleset(load(t, text+dropOut), inv)
		if open.FiltersOutput() || !drop.FiltersOutput() {
			r.Fatal("the output is filtered when nobody asks, or not when somebody does")
		}
		drop.Output = ruleset.Chain{}
		if c := ruleset.Equivalent(open, drop); c != nil {
			r.Fatal(c.Words("without", "with output"))
		}
	})
}

// TestServiceOfRules: a rule says which service its ports are of, unless they stand in the
// policy itself or the rule only logs.
func TestServiceOfRules(t *testing.T) {
	rs, _ := Ruleset(load(t, "allow \"a\" {\n  service = \"sshd\"\n  log = \"5/minute\"\n}\nallow \"b\" { ports = [\"80/tcp\"] }\ndefault { input = \"drop\" }\n"), host(t, "sshd ssh admin 22/tcp"))
	var got []string
	for _, r := range rs.Input.Rules {
		if r.Name == "a" || r.Name == "b" {
			got = append(got, r.Effect.Verdict.String()+" "+r.Service)
		}
	}
	if want := []string{"continue ", "accept sshd", "accept "}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
