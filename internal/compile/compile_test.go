package compile

import (
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// conf is the file that the claims of the tests point into.
var conf = source.New("etc/lumenvox/media_server.conf", []byte("sip_port = 5060\nrtsp_port = 554\nbase = default\n"))

// claim is one claim of the tests: "service listener exposure ports/proto bind…".
func claim(t testing.TB, text string) inventory.Claim {
	t.Helper()
	f := strings.Fields(text)
	ports, proto, _ := strings.Cut(f[3], "/")
	r, err1 := port.ParseRange(ports)
	p, err2 := port.ParseProto(proto)
	if err1 != nil || err2 != nil {
		t.Fatalf("claim %q: %v %v", text, err1, err2)
	}
	return inventory.Claim{
		Service: f[0], Listen: f[1], Exposure: inventory.Exposure(f[2]), Ports: r, Proto: p, Bind: f[4:],
		Direction: inventory.Listen, Span: conf.Span(11, 15), Because: []inventory.Because{{Span: conf.Span(11, 15)}, {Span: conf.Span(39, 46)}},
	}
}

// host is an inventory of the given claims.
func host(t testing.TB, claims ...string) *inventory.Inventory {
	t.Helper()
	inv := &inventory.Inventory{Root: "host", Files: []inventory.File{{Name: conf.Name, Service: "lumenvox-media-server", Status: inventory.Whole}}}
	for _, text := range claims {
		c := claim(t, text)
		inv.Claims = append(inv.Claims, c)
		inv.Found = append(inv.Found, c.Service)
	}
	slices.Sort(inv.Found)
	inv.Found = slices.Compact(inv.Found)
	return inv
}

func load(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, list := policy.Load(source.New("portolan.hcl", []byte(text)), nil)
	if p == nil {
		t.Fatalf("%q: %+v", text, list)
	}
	return p
}

func read(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile("../../policies/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// media is a host with a media server, its neighbours and an SSH server.
func media(t testing.TB) *inventory.Inventory {
	return host(t,
		"lumenvox-license-server license internal 7569/tcp *",
		"lumenvox-manager manager admin 7589/tcp *",
		"lumenvox-media-server sip public 5060/udp *",
		"lumenvox-media-server sip public 5060/tcp *",
		"lumenvox-media-server rtsp public 554/tcp *",
		"lumenvox-media-server mrcp public 20000-20399/tcp *",
		"lumenvox-media-server rtp public 25000-25399/udp *",
		"lumenvox-media-server monitoring admin 29900/tcp *",
		"lumenvox-media-server messaging internal 7590/tcp 127.0.0.1",
		"sshd ssh admin 2222/tcp 0.0.0.0 ::",
	)
}

func packet(text string) ruleset.Packet {
	f := strings.Fields(text) // source port/proto
	n, proto, _ := strings.Cut(f[1], "/")
	var p ruleset.Packet
	_, _ = fmt.Sscan(n, &p.Port)
	parsed, _ := port.ParseProto(proto)
	p.Interface, p.State, p.Proto, p.Peer = "eth0", ruleset.New, uint8(parsed), netip.MustParseAddr(f[0])
	return p
}

// decides holds the ruleset against packets, "+" for accepted and "-" for dropped.
func decides(t *testing.T, rs *ruleset.Ruleset, packets ...string) {
	t.Helper()
	for _, text := range packets {
		want := ruleset.Drop
		if text[0] == '+' {
			want = ruleset.Accept
		}
		if got := rs.Decide(packet(text[1:])).Verdict(); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func messages(list diag.List) string {
	var out []string
	for _, d := range list {
		out = append(out, fmt.Sprintf("%s[%s] %s: %s", d.Severity, d.Rule, d.Span, d.Message))
	}
	return strings.Join(out, "\n")
}

func TestSpeechExample(t *testing.T) {
	rs, list := Ruleset(load(t, read(t, "examples/speech.hcl")), media(t))
	if len(list) != 0 {
		t.Error(messages(list))
	}
	decides(t, rs,
		"+10.20.0.1 5060/udp", "+10.20.0.1 5060/tcp", "+2001:db8:20::1 554/tcp", "+10.20.255.255 20000/tcp", "+10.20.0.1 25399/udp",
		"-10.20.0.1 25400/udp", "-10.20.0.1 25000/tcp", "-10.21.0.1 5060/udp", "-2001:db8:21::1 5060/udp",
		"-10.20.0.1 29900/tcp", "-10.20.0.1 7590/tcp", "-10.20.0.1 7569/tcp", "-10.20.0.1 7589/tcp",
		"+10.1.0.9 2222/tcp", "-10.1.0.9 22/tcp", "-10.1.1.9 2222/tcp", "-2001:db8::1 2222/tcp", "-10.20.0.1 2222/tcp",
	)
	want := ruleset.Decision{
		{Verdict: ruleset.Accept, Limit: ruleset.Limit{Rate: ruleset.Rate{Count: 10, Period: "minute"}, Burst: 10, PerSource: true, Name: "ssh"}},
		{Verdict: ruleset.Continue, Log: ruleset.Log{Rate: ruleset.Rate{Count: 5, Period: "minute"}, Burst: 5, Prefix: LogPrefix}},
		{Verdict: ruleset.Drop},
	}
	if got := rs.Decide(packet("10.1.0.9 2222/tcp")); !reflect.DeepEqual(got, want) {
		t.Errorf("ssh is %+v", got)
	}
	if want := []string{conf.Name, "portolan.hcl"}; !slices.Equal(rs.Files, want) {
		t.Errorf("files %q", rs.Files)
	}
}

func TestDefaultPolicy(t *testing.T) {
	p := load(t, read(t, "default.hcl"))
	rs, list := Ruleset(p, media(t))
	if len(list) != 0 {
		t.Error(messages(list))
	}
	decides(t, rs,
		"+192.0.2.1 5060/udp", "+2001:db8::1 5060/tcp", "+192.0.2.1 554/tcp", "+2001:db8::1 20399/tcp", "+192.0.2.1 25000/udp",
		"+192.0.2.1 2222/tcp", "+2001:db8::1 2222/tcp",
		"-192.0.2.1 22/tcp", "-192.0.2.1 29900/tcp", "-192.0.2.1 7569/tcp", "-192.0.2.1 7589/tcp", "-192.0.2.1 7590/tcp", "-192.0.2.1 80/tcp",
	)
	rs, list = Ruleset(p, &inventory.Inventory{})
	if want := `warning[allow-opens-nothing] portolan.hcl:16:8: allow "voice" opens nothing: no public listener was found that others can reach`; messages(list) != want {
		t.Errorf("got  %s\nwant %s", messages(list), want)
	}
	decides(t, rs, "+192.0.2.1 22/tcp", "+2001:db8::1 22/tcp", "-192.0.2.1 22/udp", "-192.0.2.1 5060/udp")
}

// TestRulesInOrder shows a whole ruleset: names, comments, and the lines that asked.
func TestRulesInOrder(t *testing.T) {
	inv := host(t, "a sip public 5060/udp *", "b web public 80/tcp *")
	inv.Claims[1].Instance = "two"
	inv.Claims[1].Span, inv.Claims[1].Because = conf.Span(0, 0), nil
	p := load(t, "allow \"x\" {\n ports = [\"22/tcp\",\n \"1-9/udp\"]\n}\nallow \"y\" {}\nallow \"z\" {\n service = \"q\"\n otherwise = [\"7/tcp\"]\n}\ndefault { log = \"5/minute\" }")
	rs, list := Ruleset(p, inv)
	if len(list) != 0 {
		t.Error(messages(list))
	}
	var got []string
	for _, r := range rs.Input.Rules {
		var places []string
		for _, o := range r.Origins {
			places = append(places, o.String())
		}
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s | %s | %s", r.Effect.Verdict, r.Name, r.Comment, strings.Join(places, " "))))
	}
	want := []string{
		"accept established | answers to what this host began |",
		"accept loopback | this host to itself |",
		"drop invalid | packets of no known connection |",
		"accept icmp | errors and ping |",
		"accept icmpv6 | errors, ping, neighbour and multicast discovery (RFC 4890) |",
		"accept dhcp | DHCP answers |",
		"accept dhcpv6 | DHCPv6 answers |",
		"accept x | allow x portolan.hcl:2 | portolan.hcl:2:12 portolan.hcl:1:8",
		"accept x | allow x portolan.hcl:3 | portolan.hcl:3:3 portolan.hcl:1:8",
		"accept y | a sip etc/lumenvox/media_server.conf:1 | etc/lumenvox/media_server.conf:1:12 etc/lumenvox/media_server.conf:3:8 portolan.hcl:5:8",
		"accept y | b/two web etc/lumenvox/media_server.conf | etc/lumenvox/media_server.conf portolan.hcl:5:8",
		"accept z | allow z portolan.hcl:8 | portolan.hcl:8:16 portolan.hcl:6:8",
		"continue log | log what is dropped | portolan.hcl:10:18",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, r := range rs.Input.Rules[:7] {
		if !slices.Contains(policy.Reserved[:], r.Name) {
			t.Errorf("an allow may be named %q", r.Name)
		}
	}
}

// TestEssentials holds what every ruleset does, whatever the policy says.
func TestEssentials(t *testing.T) {
	for _, text := range []string{`default {}`, `default { input = "additive" }`, read(t, "default.hcl")} {
		rs, _ := Ruleset(load(t, text), media(t))
		at := func(change func(*ruleset.Packet)) ruleset.Verdict {
			p := packet("192.0.2.1 9/tcp")
			change(&p)
			return rs.Decide(p).Verdict()
		}
		v6 := netip.MustParseAddr("fe80::1")
		for name, c := range map[string]struct {
			change func(*ruleset.Packet)
			want   ruleset.Verdict
		}{
			"established":       {func(p *ruleset.Packet) { p.State = ruleset.Established }, ruleset.Accept},
			"related":           {func(p *ruleset.Packet) { p.State, p.Peer = ruleset.Related, v6 }, ruleset.Accept},
			"loopback":          {func(p *ruleset.Packet) { p.Interface = ruleset.Loopback }, ruleset.Accept},
			"loopback, broken":  {func(p *ruleset.Packet) { p.Interface, p.State = ruleset.Loopback, ruleset.Broken }, ruleset.Accept},
			"broken":            {func(p *ruleset.Packet) { p.State = ruleset.Broken }, rs.Input.Default},
			"broken to SIP":     {func(p *ruleset.Packet) { p.State, p.Port = ruleset.Broken, 5060 }, rs.Input.Default},
			"untracked to none": {func(p *ruleset.Packet) { p.State = ruleset.Untracked }, rs.Input.Default},
			"DHCP":              {func(p *ruleset.Packet) { p.Proto, p.Port = 17, 68 }, ruleset.Accept},
			"DHCP over IPv6":    {func(p *ruleset.Packet) { p.Proto, p.Port, p.Peer = 17, 68, v6 }, rs.Input.Default},
			"DHCPv6":            {func(p *ruleset.Packet) { p.Proto, p.Port, p.Peer = 17, 546, v6 }, ruleset.Accept},
			"DHCPv6 over IPv4":  {func(p *ruleset.Packet) { p.Proto, p.Port = 17, 546 }, rs.Input.Default},
			"DHCP over TCP":     {func(p *ruleset.Packet) { p.Port = 68 }, rs.Input.Default},
			"GRE":               {func(p *ruleset.Packet) { p.Proto = 47 }, rs.Input.Default},
		} {
			if got := at(c.change); got != c.want {
				t.Errorf("%q: %s: %s, want %s", text, name, got, c.want)
			}
		}
		for n := range 256 {
			for family, essential := range map[uint8][]int{
				ruleset.ICMP:   {3, 8, 11, 12},
				ruleset.ICMPv6: {1, 2, 3, 4, 128, 129, 130, 131, 132, 133, 134, 135, 136, 143},
			} {
				want := rs.Input.Default
				if slices.Contains(essential, n) {
					want = ruleset.Accept
				}
				got := at(func(p *ruleset.Packet) {
					p.State, p.Proto, p.Type, p.Port = ruleset.Untracked, family, uint8(n), 0
					if family == ruleset.ICMPv6 {
						p.Peer = v6
					}
				})
				if got != want {
					t.Errorf("protocol %d type %d: %s, want %s", family, n, got, want)
				}
			}
		}
	}
}

// Additive promises to add accepts and nothing else.
func TestAdditiveOnlyAccepts(t *testing.T) {
	rs, _ := Ruleset(load(t, "allow \"x\" {}\ndefault { input = \"additive\" }"), media(t))
	for _, r := range rs.Input.Rules {
		if r.Effect.Verdict != ruleset.Accept {
			t.Errorf("%s does %s", r.Name, r.Effect.Verdict)
		}
	}
	if rs.Input.Default != ruleset.Accept {
		t.Errorf("the default is %s", rs.Input.Default)
	}
}

// TestWhatAnAllowMeans: which claims are opened, to whom, and what is said about it.
func TestWhatAnAllowMeans(t *testing.T) {
	inv := host(t,
		"both front public 1/tcp *", "both back admin 2/tcp *",
		"inner data internal 3/tcp *", "inner ops admin 4/tcp *",
		"hidden own loopback 5/tcp *",
		"bound front public 6/tcp 127.0.0.1 ::1", "bound back admin 7/tcp *",
		"six web public 8/tcp 2001:db8::9", "four web public 9/tcp 0.0.0.0", "name web public 10/tcp pbx.example", "mapped web public 11/tcp ::ffff:10.0.0.9",
		"mixed web public 12/tcp 127.0.0.1 2001:db8::9",
	)
	inv.Found = append(inv.Found, "dark")
	inv.Files = append(inv.Files, inventory.File{Name: "etc/dark.conf", Service: "dark", Status: inventory.Partial})
	out := claim(t, "peer far public 99/tcp *")
	out.Direction = inventory.Connect
	inv.Claims = append(inv.Claims, out)

	const v4, v6 = "10.0.0.1", "2001:db8::1"
	for _, c := range []struct {
		allow  string
		v4, v6 string // ports that are open to each family
		want   string // the finding
	}{
		{``, "1 9 10 11", "1 8 10 12", ""},
		{`exposure = ["public"]`, "1 9 10 11", "1 8 10 12", ""},
		{`exposure = ["admin", "internal"]`, "2 3 4 7", "2 3 4 7", ""},
		{`service = "both"`, "1", "1", ""},
		{"service = \"both\"\nexposure = [\"admin\"]", "2", "2", ""},
		{"service = \"both\"\nlisten = [\"back\"]", "2", "2", ""},
		{`service = "inner"`, "3", "3", ""},
		{"service = \"inner\"\nexposure = [\"public\"]", "", "", `allow "a" opens nothing: inner has no public listener that others can reach`},
		{`service = "hidden"`, "", "", `allow "a" opens nothing: every listener of hidden is for this host alone`},
		{"service = \"hidden\"\nlisten = [\"own\"]", "5", "5", ""},
		{`service = "bound"`, "", "", `allow "a" opens nothing: bound has no public listener that others can reach`},
		{"service = \"bound\"\nlisten = [\"front\"]", "6", "6", ""},
		{`service = "six"`, "", "8", ""},
		{"service = \"six\"\nfrom = [zone.old]", "", "", `allow "a" opens nothing: the sockets are of one address family and the sources of the other`},
		{"service = \"four\"\nfrom = [zone.old]", "9", "", ""},
		{"service = \"four\"\nfrom = [zone.new]", "", "", `allow "a" opens nothing: the sockets are of one address family and the sources of the other`},
		{"service = \"name\"\nfrom = [zone.new, zone.old]", "10", "10", ""},
		{"service = \"both\"\nlisten = [\"front\", \"gone\"]", "1", "1", `allow "a" opens nothing for gone: no such port of both is known`},
		{`service = "gone"`, "", "", `allow "a" opens nothing: no file of gone was found`},
		{"service = \"gone\"\notherwise = [\"22/tcp\"]", "22", "22", ""},
		{"service = \"dark\"\notherwise = [\"22/tcp\"]\nfrom = [zone.old]", "22", "", ""},
		{"service = \"both\"\notherwise = [\"22/tcp\"]", "1", "1", ""},
		{`service = "dark"`, "", "", `allow "a" opens nothing: no port on which dark listens is known`},
		{`service = "peer"`, "", "", `allow "a" opens nothing: no file of peer was found`},
		{"ports = [\"5-6/tcp\", \"6/udp\"]\nfrom = [zone.new]", "", "5 6", ""},
	} {
		rs, list := Ruleset(load(t, "zone \"old\" { sources = [\"10.0.0.0/8\"] }\nzone \"new\" { sources = [\"2001:db8::/32\"] }\nallow \"a\" {\n"+c.allow+"\n}"), inv)
		for from, want := range map[string]string{v4: c.v4, v6: c.v6} {
			var open []string
			for n := range 100 {
				if rs.Decide(packet(fmt.Sprintf("%s %d/tcp", from, n))).Verdict() == ruleset.Accept {
					open = append(open, fmt.Sprint(n))
				}
			}
			if got := strings.Join(open, " "); got != want {
				t.Errorf("%s\nfrom %s: %q, want %q", c.allow, from, got, want)
			}
		}
		var got []string
		for _, d := range list {
			got = append(got, d.Message)
			if d.Rule != opensNothing || d.Severity != diag.Warning || d.Span.IsZero() {
				t.Errorf("%s: %s", c.allow, messages(list))
			}
		}
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.allow, got, c.want)
		}
	}
}

func TestAdviceNamesWhatThereIs(t *testing.T) {
	inv := host(t, "inner data internal 3/tcp *", "inner ops admin 4/tcp *", "inner data internal 3/udp *", "bound web public 5/tcp ::1")
	_, list := Ruleset(load(t, "allow \"a\" {\n service = \"inner\"\n exposure = [\"public\"]\n}\nallow \"b\" { service = \"bound\" }"), inv)
	if len(list) != 2 || list[0].Help != `name the listeners: listen = ["data", "ops"]` || list[0].Span.Text() != "inner" {
		t.Errorf("%+v", list)
	}
	if want := `allow "b" opens nothing: every listener of bound is for this host alone`; list[1].Message != want {
		t.Errorf("got %s", list[1].Message)
	}
	inv.Files = []inventory.File{{Name: "etc/x.conf", Service: "x", Status: inventory.Unreadable}}
	inv.Found = append(inv.Found, "x")
	rs, list := Ruleset(load(t, `allow "a" { service = "x" }`), inv)
	if len(list) != 1 || !slices.Equal(list[0].Notes, []string{"etc/x.conf is unreadable: not every port in it is known"}) {
		t.Errorf("%+v", list)
	}
	if !slices.Equal(rs.Files, []string{"portolan.hcl"}) {
		t.Errorf("a file that was not read is named: %q", rs.Files)
	}
}

func TestLimitNames(t *testing.T) {
	text := ""
	for _, name := range []string{"a-b", "a_b", "A-B", "operators-of-the-network", "operators-of-the-night", "abcdefghijklmno", "abcdefghijklmno-"} {
		text += fmt.Sprintf("allow %q {\n ports = [\"1/tcp\", \"2/tcp\"]\n limit = \"1/second\"\n}\n", name)
	}
	rs, _ := Ruleset(load(t, text), &inventory.Inventory{})
	byAllow, byName := map[string]string{}, map[string]string{}
	var got []string
	for _, r := range rs.Input.Rules {
		limit := r.Effect.Limit.Name
		if limit == "" {
			continue
		}
		if byAllow[r.Name] == "" {
			got = append(got, limit)
		} else if byAllow[r.Name] != limit {
			t.Errorf("%s has the limits %s and %s", r.Name, byAllow[r.Name], limit)
		}
		if other := byName[limit]; other != "" && other != r.Name {
			t.Errorf("%s and %s share the limit %s", other, r.Name, limit)
		}
		byAllow[r.Name], byName[limit] = limit, r.Name
		if len(limit) > 15 || strings.Trim(limit, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			t.Errorf("limit %q", limit)
		}
	}
	if want := "a_b a_b2 a_b3 operators_of_th operators_of_t2 abcdefghijklmno abcdefghijklmn2"; strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}

// What an allow can ask for are the exposures of claims, without loopback.
func TestExposuresAgree(t *testing.T) {
	var want []string
	for _, e := range inventory.Exposures {
		if e != inventory.Loopback {
			want = append(want, string(e))
		}
	}
	if !slices.Equal(policy.Exposures[:], want) {
		t.Errorf("policy %q, inventory %q", policy.Exposures, want)
	}
}

// The generated hosts and policies speak of few services, ports and networks, so that
// they meet, and a walk over the corners sees every cell.
var (
	someBinds    = []string{"*", "::", "0.0.0.0", "10.0.0.9", "2001:db8::9", "127.0.0.1", "localhost", "pbx.example"}
	someServices = []string{"a", "b", "c"}
	someListens  = []string{"one", "two"}
	somePorts    = []string{"1/tcp", "1-3/udp", "3-5/tcp", "5/udp", "65535/tcp"}
	cornerPorts  = []uint16{0, 1, 2, 3, 4, 5, 6, 65534, 65535}
	cornerFroms  = []string{"10.0.0.0", "10.0.0.255", "10.0.1.0", "127.0.0.1", "2001:db8::", "2001:db8::1", "fe80::1"}
)

func genInventory(t *rapid.T) *inventory.Inventory {
	inv := &inventory.Inventory{}
	for range rapid.IntRange(0, 6).Draw(t, "claims") {
		ports, proto, _ := strings.Cut(rapid.SampledFrom(somePorts).Draw(t, "ports"), "/")
		r, _ := port.ParseRange(ports)
		p, _ := port.ParseProto(proto)
		inv.Claims = append(inv.Claims, inventory.Claim{
			Service:   rapid.SampledFrom(someServices).Draw(t, "service"),
			Listen:    rapid.SampledFrom(someListens).Draw(t, "listen"),
			Exposure:  rapid.SampledFrom(inventory.Exposures[:]).Draw(t, "exposure"),
			Direction: rapid.SampledFrom([]inventory.Direction{inventory.Listen, inventory.Listen, inventory.Connect}).Draw(t, "direction"),
			Bind:      rapid.SliceOfN(rapid.SampledFrom(someBinds), 0, 2).Draw(t, "bind"),
			Proto:     p, Ports: r, Span: conf.Span(11, 15),
		})
	}
	return inv
}

func genAllow(t *rapid.T, name string) string {
	body := ""
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		body = fmt.Sprintf("ports = [%q]\n", rapid.SampledFrom(somePorts).Draw(t, "ports"))
	case 1:
		body = rapid.SampledFrom([]string{"", "exposure = [\"public\", \"admin\"]\n"}).Draw(t, "exposure")
	default:
		body = fmt.Sprintf("service = %q\n", rapid.SampledFrom(someServices).Draw(t, "service"))
		body += rapid.SampledFrom([]string{"", "listen = [\"one\"]\n", "exposure = [\"admin\"]\n"}).Draw(t, "which")
		body += rapid.SampledFrom([]string{"", "otherwise = [\"6/udp\"]\n"}).Draw(t, "otherwise")
	}
	body += rapid.SampledFrom([]string{"", "from = [zone.x]\n", "from = [zone.y]\n", "from = [zone.x, zone.y]\n"}).Draw(t, "from")
	body += rapid.SampledFrom([]string{"", "", "limit = \"3/minute\"\n"}).Draw(t, "limit")
	return fmt.Sprintf("allow %q {\n%s}\n", name, body)
}

// genPolicy is a policy of a few allows, in pieces.
func genPolicy(t *rapid.T) (head string, allows []string) {
	head = "zone \"x\" { sources = [\"10.0.0.0/24\"] }\nzone \"y\" { sources = [\"10.0.0.255-10.0.1.0\", \"2001:db8::/127\"] }\n"
	head += rapid.SampledFrom([]string{"", "default { log = \"1/second\" }\n", "default { input = \"additive\" }\n"}).Draw(t, "default")
	for i := range rapid.IntRange(0, 4).Draw(t, "allows") {
		allows = append(allows, genAllow(t, fmt.Sprintf("n%d", i)))
	}
	return head, allows
}

func corners(visit func(ruleset.Packet)) {
	for _, from := range cornerFroms {
		for _, state := range ruleset.AllStates.Each() {
			for _, proto := range port.Protos {
				for _, n := range cornerPorts {
					visit(ruleset.Packet{Interface: "eth0", State: state, Proto: uint8(proto), Peer: netip.MustParseAddr(from), Port: n})
				}
			}
		}
	}
}

func TestAnExtraAllowNeverClosesAPort(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inv := genInventory(r)
		head, allows := genPolicy(r)
		at := rapid.IntRange(0, len(allows)).Draw(r, "at")
		more := slices.Insert(slices.Clone(allows), at, genAllow(r, "extra"))
		before, _ := Ruleset(load(t, head+strings.Join(allows, "")), inv)
		after, _ := Ruleset(load(t, head+strings.Join(more, "")), inv)
		corners(func(p ruleset.Packet) {
			if before.Decide(p).Verdict() == ruleset.Accept && after.Decide(p).Verdict() != ruleset.Accept {
				r.Fatalf("%s was accepted before\n%s", p, more[at])
			}
		})
	})
}

// A service that no allow means opens nothing: taking it away changes nothing, and what
// is open beside the essentials is a port of an allow.
func TestAServiceThatIsNotAllowedOpensNothing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inv := genInventory(r)
		head, allows := genPolicy(r)
		allows = slices.DeleteFunc(allows, func(a string) bool { // those that may mean "c"
			return strings.Contains(a, `service = "c"`) || !strings.Contains(a, "service =") && !strings.Contains(a, "ports =")
		})
		p := load(t, head+strings.Join(allows, ""))
		with, _ := Ruleset(p, inv)
		without := *inv
		without.Claims = slices.DeleteFunc(slices.Clone(inv.Claims), func(c inventory.Claim) bool { return c.Service == "c" })
		rs, _ := Ruleset(p, &without)
		if !reflect.DeepEqual(with.Input.Rules, rs.Input.Rules) {
			r.Fatalf("the claims of c change the rules from %d to %d", len(rs.Input.Rules), len(with.Input.Rules))
		}
	})
}

func TestOrderOfClaimsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inv := genInventory(r)
		head, allows := genPolicy(r)
		p := load(t, head+strings.Join(allows, ""))
		one, list := Ruleset(p, inv)
		again, listAgain := Ruleset(p, inv)
		if !reflect.DeepEqual(one, again) || !reflect.DeepEqual(list, listAgain) {
			r.Fatal("the same input gives another ruleset")
		}
		other := *inv
		other.Claims = rapid.Permutation(inv.Claims).Draw(r, "order")
		two, _ := Ruleset(p, &other)
		if c := ruleset.Equivalent(one, two); c != nil {
			r.Fatal(c.Words("before", "after"))
		}
	})
}

func TestAlwaysAccepted(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		head, allows := genPolicy(r)
		rs, _ := Ruleset(load(t, head+strings.Join(allows, "")), genInventory(r))
		corners(func(p ruleset.Packet) {
			lo := p
			lo.Interface = ruleset.Loopback
			if p.State&(ruleset.Established|ruleset.Related) != 0 && rs.Decide(p).Verdict() != ruleset.Accept || rs.Decide(lo).Verdict() != ruleset.Accept {
				r.Fatalf("%s: dropped, or on loopback", p)
			}
		})
	})
}

// TestOpensExactlyTheClaims holds the ruleset against a naive reading of the policy.
func TestOpensExactlyTheClaims(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inv := genInventory(r)
		rs, _ := Ruleset(load(t, "zone \"x\" { sources = [\"10.0.0.0/24\", \"2001:db8::/127\"] }\nallow \"a\" { from = [zone.x] }"), inv)
		corners(func(p ruleset.Packet) {
			if p.State != ruleset.New {
				return
			}
			want := ruleset.Drop
			for _, c := range inv.Claims {
				inZone := slices.Contains([]string{"10.0.0.0", "10.0.0.255", "2001:db8::", "2001:db8::1"}, p.Peer.String())
				if c.Direction == inventory.Listen && c.Exposure == inventory.Public && uint8(c.Proto) == p.Proto && c.Ports.Contains(p.Port) && inZone && reaches(p.Peer, c.Bind) {
					want = ruleset.Accept
				}
			}
			if got := rs.Decide(p).Verdict(); got != want {
				r.Fatalf("%s: %s, want %s", p, got, want)
			}
		})
	})
}

// reaches is what someBinds can receive from outside, spelled out.
func reaches(from netip.Addr, bind []string) bool {
	for _, b := range bind {
		switch b {
		case "*", "::", "pbx.example":
			return true
		case "0.0.0.0", "10.0.0.9":
			if from.Is4() {
				return true
			}
		case "2001:db8::9":
			if from.Is6() {
				return true
			}
		}
	}
	return len(bind) == 0
}

// hundred is a host of n services with four listeners each, and a policy with an allow
// for each of them.
func hundred(n int) (*policy.Policy, *inventory.Inventory, error) {
	inv := &inventory.Inventory{}
	var text strings.Builder
	text.WriteString("zone \"x\" { sources = [\"10.0.0.0/8\", \"2001:db8::/32\"] }\n")
	for i := range n {
		service := fmt.Sprintf("service%d", i)
		inv.Found = append(inv.Found, service)
		inv.Files = append(inv.Files, inventory.File{Name: service + ".conf", Service: service, Status: inventory.Whole})
		for j := range 4 {
			inv.Claims = append(inv.Claims, inventory.Claim{
				Service: service, Listen: fmt.Sprint(j), Exposure: inventory.Public, Direction: inventory.Listen, Bind: []string{[]string{"*", "0.0.0.0"}[j%2]},
				Proto: port.Protos[j%2], Ports: port.Range{First: uint16(1000 + 10*i + j), Last: uint16(1000 + 10*i + j)},
				Span: conf.Span(11, 15), Because: []inventory.Because{{Span: conf.Span(11, 15)}, {Span: conf.Span(39, 46)}},
			})
		}
		fmt.Fprintf(&text, "allow %q {\n service = %q\n from = [zone.x]\n}\n", service, service)
	}
	p, list := policy.Load(source.New("portolan.hcl", []byte(text.String())), nil)
	if p == nil {
		return nil, nil, fmt.Errorf("%+v", list)
	}
	return p, inv, nil
}

// numbered is a policy of n allows with so many ports each, from one zone.
func numbered(n, each int) (*policy.Policy, error) {
	var text strings.Builder
	text.WriteString("zone \"x\" { sources = [\"10.1.0.0/24\"] }\n")
	for i := range n {
		var ports []string
		for j := range each {
			ports = append(ports, fmt.Sprintf(`"%d/%s"`, 1024+6*(i*each+j), port.Protos[(i*each+j)%2]))
		}
		fmt.Fprintf(&text, "allow \"svc-%d\" {\n ports = [%s]\n from = [zone.x]\n}\n", i, strings.Join(ports, ", "))
	}
	p, list := policy.Load(source.New("portolan.hcl", []byte(text.String())), nil)
	if p == nil {
		return nil, fmt.Errorf("%+v", list)
	}
	return p, nil
}

func BenchmarkRuleset(b *testing.B) {
	run := func(name string, p *policy.Policy, inv *inventory.Inventory, err error, want int) {
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if rs, _ := Ruleset(p, inv); len(rs.Input.Rules) != want {
					b.Fatal(len(rs.Input.Rules))
				}
			}
		})
	}
	p, inv, err := hundred(100)
	run("claims=400", p, inv, err, 407)
	for _, each := range []int{1, 10} {
		p, err := numbered(990, each)
		run(fmt.Sprintf("ports=%d", 990*each), p, &inventory.Inventory{}, err, 990*each+7)
	}
}
