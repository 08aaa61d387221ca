package lint

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"portolan/internal/addr"
	"portolan/internal/compile"
	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// listening is an inventory of claims: "service listener exposure ports/proto bind…", and a
// page of the maintainers behind "!".
func listening(t testing.TB, claims ...string) *inventory.Inventory {
	t.Helper()
	inv := &inventory.Inventory{Root: "host", OS: "linux"}
	for _, text := range claims {
		text, page, _ := strings.Cut(text, " ! ")
		f := strings.Fields(text)
		ports, proto, _ := strings.Cut(f[3], "/")
		r, err1 := port.ParseRange(ports)
		p, err2 := port.ParseProto(proto)
		if err1 != nil || err2 != nil {
			t.Fatalf("claim %q: %v %v", text, err1, err2)
		}
		inv.Claims = append(inv.Claims, inventory.Claim{
			Service: f[0], Listen: f[1], Purpose: f[1], Exposure: inventory.Exposure(f[2]), Ports: r, Proto: p, Bind: f[4:],
			NominalFirst: int(r.First), NominalLast: int(r.Last), Direction: inventory.Listen, Span: at("35000"), TrustedOnly: page, Pairs: f[1] == "pairs",
		})
		inv.Found = append(inv.Found, f[0])
	}
	slices.Sort(inv.Found)
	inv.Found = slices.Compact(inv.Found)
	return inv
}

func loaded(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, list := policy.Load(source.New("portolan.hcl", []byte(text)), nil)
	if p == nil {
		t.Fatalf("%q: %+v", text, list)
	}
	return p
}

// judged is what is said of a policy over an inventory, a line for each finding.
func judged(t testing.TB, inv *inventory.Inventory, text string, part bool) string {
	t.Helper()
	p := loaded(t, text)
	rules, _ := compile.Ruleset(p, inv)
	var out []string
	for _, d := range Run(inv, nil, Options{Policy: p, Rules: rules, Part: part}) {
		if d.Rule != "port-overlap" && d.Rule != "reserved-port" {
			out = append(out, fmt.Sprintf("%s[%s] %s: %s", d.Severity, d.Rule, d.Span.Text(), d.Message))
		}
	}
	return strings.Join(out, "\n")
}

const (
	sshd   = "sshd ssh admin 22/tcp *"
	zones  = "zone \"ops\" { sources = [\"10.1.0.0/24\"] }\nzone \"v6\" { sources = [\"fd00::/8\"] }\nzone \"world\" { sources = [\"0.0.0.0/1\", \"128.0.0.0/1\"] }\nzone \"nobody\" { sources = [\"127.0.0.0/8\", \"192.0.2.0/24\"] }\n"
	opsSSH = zones + "allow \"ssh\" {\n service = \"sshd\"\n from = [zone.ops]\n}\n"
)

func TestPolicyFindings(t *testing.T) {
	for _, c := range []struct {
		name   string
		claims []string
		policy string
		part   bool
		want   string
	}{
		{"what is trusted only, through a range of ports", []string{sshd, "pbx rtp public 10000-20000/udp *", "pbx control internal 12222/udp * ! https://x"},
			opsSSH + `allow "rtp" { ports = ["10000-20000/udp"] }`, false,
			`error[admin-exposed] 10000-20000/udp: allow "rtp" opens control 12222/udp of pbx to everybody`},
		{"the same from a zone that is nearly everybody", []string{sshd, "pbx control internal 12222/udp * ! https://x"},
			opsSSH + "allow \"a\" {\n ports = [\"12222/udp\"]\n from = [zone.ops, zone.world]\n}", false,
			`error[admin-exposed] 12222/udp: allow "a" opens control 12222/udp of pbx to the public addresses of zone "world"`},
		{"the same for sockets of the other family", []string{sshd, "pbx control internal 12222/udp 2001:db8::1 ! https://x"},
			opsSSH + "allow \"a\" {\n ports = [\"12222/udp\"]\n from = [zone.ops, zone.world]\n}", false, ""},
		{"a console on a port that is public too", []string{sshd, "pbx web public 8080/tcp *", "pbx api admin 8080/tcp *"}, opsSSH + `allow "all" {}`, false, ""},
		{"the same on loopback", []string{sshd, "pbx control internal 12222/udp 127.0.0.1 ! https://x"},
			opsSSH + `allow "a" { ports = ["12222/udp"] }`, false, ""},
		{"the same on a private address", []string{sshd, "pbx control internal 12222/udp 10.0.0.1 ! https://x"},
			opsSSH + `allow "a" { ports = ["12222/udp"] }`, false,
			`warning[admin-exposed] 12222/udp: allow "a" opens control 12222/udp of pbx to everybody`},
		{"an internal listener of which nobody says so", []string{sshd, "pbx cluster internal 5070/udp *"},
			opsSSH + `allow "a" { ports = ["5070/udp"] }`, false, ""},
		{"a limit keeps nobody out of a console", []string{sshd, "pbx console admin 5070/tcp *"},
			opsSSH + "allow \"a\" {\n ports = [\"5070/tcp\"]\n limit = \"1/minute per source\"\n}", false,
			`warning[any-source-admin] 5070/tcp: allow "a" opens console 5070/tcp of pbx to everybody`},
		{"SSH for everybody", []string{sshd}, `allow "ssh" { service = "sshd" }`, false,
			`info[any-source-admin] sshd: allow "ssh" opens ssh 22/tcp of sshd to everybody`},
		{"SSH and a console for everybody", []string{sshd, "pbx console admin 5070/tcp *"}, `allow "x" { exposure = ["admin"] }`, false,
			`warning[any-source-admin] admin: allow "x" opens ssh 22/tcp of sshd and console 5070/tcp of pbx to everybody`},
		{"with a limit", []string{sshd}, "allow \"ssh\" {\n service = \"sshd\"\n limit = \"10/minute per source\"\n}", false, ""},
		{"with one limit for all", []string{sshd}, "allow \"ssh\" {\n service = \"sshd\"\n limit = \"10/minute\"\n}", false,
			`warning[lockout-risk] 10/minute: strangers can use up the limit of allow "ssh", and then nobody can log in`},
		{"and another way in", []string{sshd}, zones + "allow \"ssh\" {\n service = \"sshd\"\n limit = \"10/minute\"\n}\nallow \"ops\" {\n ports = [\"22/tcp\"]\n from = [zone.ops]\n}", false, ""},
		{"one limit for the operators", []string{sshd}, zones + "allow \"ssh\" {\n service = \"sshd\"\n from = [zone.ops]\n limit = \"10/minute\"\n}", false, ""},

		{"SSH from nowhere", []string{sshd}, zones + "allow \"ssh\" {\n service = \"sshd\"\n from = [zone.nobody]\n}", false,
			`warning[lockout-risk] zone.nobody: nobody may be able to log in: allow "ssh" opens SSH 22/tcp to documentation or link-local addresses alone`},
		{"SSH from groups", []string{sshd}, "allow \"ssh\" {\n service = \"sshd\"\n from = [\"224.0.0.0/4\", \"127.0.0.0/8\"]\n}", false,
			`error[lockout-risk] 224.0.0.0/4: nobody can log in: allow "ssh" opens SSH 22/tcp to addresses from which no packet comes`},
		{"SSH from the other family", []string{"sshd ssh admin 22/tcp 0.0.0.0"}, zones + "allow \"ssh\" {\n service = \"sshd\"\n from = [zone.v6]\n}", false,
			`error[lockout-risk] : nobody can log in: no allow opens SSH 22/tcp`},
		{"SSH on loopback alone", []string{"sshd ssh admin 22/tcp 127.0.0.1"}, `allow "web" { ports = ["80/tcp"] }`, false, ""},
		{"SSH of which nothing is known", []string{"web http public 80/tcp *"}, `allow "web" { ports = ["80/tcp"] }`, false,
			`warning[lockout-risk] : nobody can log in: no allow opens SSH 22/tcp`},
		{"which may be on another port", []string{"web http public 80/tcp *"}, `allow "web" { ports = ["80/tcp", "2222/tcp"] }`, false, ""},
		{"which is not named", []string{"web http public 80/tcp *"}, `allow "web" { ports = ["80/tcp"] }`, true, ""},

		{"a range of which the tail is closed", []string{sshd, "ms rtp public 25000-25799/udp *"}, opsSSH + `allow "rtp" { ports = ["25000-25399/udp"] }`, false,
			`error[range-partly-open] 25000-25399/udp: allow "rtp" opens 25000-25399 of rtp 25000-25799/udp of ms: 25400-25799 stay closed`},
		{"a tail for fewer sources", []string{sshd, "ms rtp public 25000-25799/udp *"},
			opsSSH + "allow \"rtp\" { ports = [\"25000-25399/udp\"] }\nallow \"more\" {\n ports = [\"25400-25799/udp\"]\n from = [zone.ops]\n}", false,
			`error[range-partly-open] 25000-25399/udp: allow "rtp" opens 25000-25399 of rtp 25000-25799/udp of ms: 25400-25799 stay closed`},
		{"a range that is met by the way", []string{sshd, "ms rtp public 30000-39999/udp *"},
			opsSSH + "allow \"rtp\" {\n service = \"ms\"\n from = [zone.ops]\n}\nallow \"traceroute\" { ports = [\"33434-33523/udp\"] }", false, ""},
		{"a published range of a container", []string{sshd, "docker-compose rtp public 25000-25799/udp *"}, opsSSH + `allow "rtp" { ports = ["25000-25399/udp"] }`, false, ""},

		{"a service that nobody reaches", []string{sshd, "mail smtp public 25/tcp *", "mail smtps public 465/tcp *"}, opsSSH, false,
			`info[unreachable-service] : no allow opens mail to anybody`},
		{"two of them", []string{sshd, "mail smtp public 25/tcp *", "web http public 80/tcp *"}, opsSSH, false,
			`info[unreachable-service] : no allow opens mail and web to anybody`},
		{"media that nobody reaches", []string{sshd, "ms sip public 5060/udp *", "ms pairs public 25000-25399/udp *"}, opsSSH, false,
			`warning[unreachable-service] 35000: no allow opens ms to anybody: sip 5060/udp and pairs 25000-25399/udp are closed`},
		{"the same of files alone", []string{"ms sip public 5060/udp *", "ms pairs public 25000-25399/udp *"}, zones + "allow \"x\" { ports = [\"1/tcp\"] }", true, ""},
		{"media of a service that is called", []string{sshd, "ms sip public 5060/udp *", "ms rtp public 25000-25399/udp *"},
			opsSSH + "allow \"sip\" {\n service = \"ms\"\n listen = [\"sip\"]\n}", false,
			`warning[unreachable-service] 35000: no allow opens rtp 25000-25399/udp of ms, while other ports of the service are open`},
		{"one port of a service", []string{sshd, "ms sip public 5060/udp *", "ms sips public 5061/tcp *"}, opsSSH + `allow "sip" { ports = ["5060/udp"] }`, false, ""},
		{"a service for this host alone", []string{sshd, "mail smtp public 25/tcp ::1"}, opsSSH, false, ""},
		{"what other firewalls may open", []string{sshd, "mail smtp public 25/tcp *"}, zones + "allow \"x\" { ports = [\"1/tcp\"] }\ndefault { input = \"additive\" }", false, ""},

		{"a limit that is asked first", []string{sshd, "pbx sip public 5060/udp *"},
			opsSSH + "allow \"sip\" {\n service = \"pbx\"\n limit = \"9/second\"\n}\nallow \"all\" {}", false,
			`warning[limit-bypassed] 9/second: the limit of allow "sip" has no effect: what is beyond it allow "all" accepts`},
		{"two halves that bypass it", []string{sshd, "pbx sip public 5060-5061/udp *"},
			opsSSH + "allow \"a\" { ports = [\"5060/udp\"] }\nallow \"b\" { ports = [\"5061/udp\"] }\nallow \"sip\" {\n service = \"pbx\"\n limit = \"9/second\"\n}", false,
			`warning[limit-bypassed] 9/second: the limit of allow "sip" has no effect: allow "a" and allow "b" accept the same packets before it`},
		{"a limit that counts for one of two listeners", []string{sshd, "pbx sip public 5060/udp *", "pbx rtp public 7000-7999/udp *"},
			opsSSH + "allow \"rtp\" {\n service = \"pbx\"\n listen = [\"rtp\"]\n}\nallow \"rest\" {\n service = \"pbx\"\n limit = \"9/second\"\n}", false, ""},
		{"a limit behind a limit", []string{sshd, "pbx sip public 5060/udp *"},
			opsSSH + "allow \"a\" {\n service = \"pbx\"\n limit = \"5/second\"\n}\nallow \"b\" {\n service = \"pbx\"\n limit = \"9/second\"\n}", false, ""},

		{"the same twice", []string{sshd, "pbx sip public 5060/udp *"}, opsSSH + "allow \"a\" { service = \"pbx\" }\nallow \"b\" { ports = [\"5060/udp\"] }", false,
			`info[redundant-allow] b: allow "b" changes nothing: allow "a" opens the same`},
		{"three of which one is enough", []string{sshd, "pbx sip public 5060/udp *"},
			opsSSH + "allow \"a\" { service = \"pbx\" }\nallow \"b\" { ports = [\"5060/udp\"] }\nallow \"c\" {}", false,
			"info[redundant-allow] b: allow \"b\" changes nothing: allow \"a\" opens the same\ninfo[redundant-allow] c: allow \"c\" changes nothing: allow \"a\" opens the same"},
		{"an allow before a limit decides about it", []string{sshd, "pbx sip public 5060/udp *"},
			opsSSH + "allow \"a\" {\n service = \"pbx\"\n from = [zone.ops]\n}\nallow \"b\" {\n service = \"pbx\"\n limit = \"5/second\"\n}\nallow \"c\" {\n service = \"pbx\"\n from = [zone.v6]\n}", false, ""},
		{"with additive too", []string{sshd, "pbx sip public 5060/udp *"}, zones + "allow \"a\" { service = \"pbx\" }\nallow \"b\" { ports = [\"5060/udp\"] }\ndefault { input = \"additive\" }", false,
			`info[redundant-allow] b: allow "b" changes nothing: allow "a" opens the same`},
		{"of files alone", []string{"pbx sip public 5060/udp *"}, "allow \"a\" { service = \"pbx\" }\nallow \"b\" { ports = [\"5060/udp\"] }", true, ""},

		{"a port in a range that nobody knows", []string{sshd}, opsSSH + `allow "x" { ports = ["20000-30000/udp"] }`, false, ""},
		{"a range that is half used", []string{sshd, "ms rtp public 20000-24999/udp *"}, opsSSH + `allow "x" { ports = ["20000-29999/udp"] }`, false, ""},
		{"a range that is less than half used", []string{sshd, "ms rtp public 20000-24998/udp *"}, opsSSH + `allow "x" { ports = ["20000-29999/udp"] }`, false,
			`info[unclaimed-ports] 20000-29999/udp: allow "x" opens 20000-29999/udp, and nothing is known to listen on 24999-29999 of them`},
		// denies, interfaces, connections and what leaves
		{"SSH that a deny takes", []string{sshd}, zones + "deny \"x\" { ports = [\"22/tcp\"] }\n" + "allow \"ssh\" { service = \"sshd\" }", false,
			"error[lockout-risk] ssh: nobody can log in: denies above allow \"ssh\" take from it all that it opens of SSH 22/tcp\n" +
				"info[redundant-allow] ssh: allow \"ssh\" opens nothing: deny \"x\" above it drops the same packets"},
		{"SSH of which a deny leaves nowhere", []string{sshd}, zones + "deny \"x\" { except = [zone.nobody] }\n" + "allow \"ssh\" { service = \"sshd\" }", false,
			`warning[lockout-risk] ssh: nobody may be able to log in: allow "ssh" opens SSH 22/tcp to documentation or link-local addresses alone`},
		{"a deny below", []string{sshd}, opsSSH + "deny \"x\" { ports = [\"22/tcp\"] }\nallow \"y\" { ports = [\"1-99/tcp\"] }", false, ""},
		{"SSH by one interface", []string{sshd}, "allow \"ssh\" {\n service = \"sshd\"\n interfaces = [\"eth1\"]\n}", false, ""},
		{"SSH denied on one interface", []string{sshd}, zones + "deny \"x\" {\n service = \"sshd\"\n interfaces = [\"eth0\"]\n}\n" + "allow \"ssh\" {\n service = \"sshd\"\n from = [zone.ops]\n}", false, ""},
		{"SSH denied on the interface by which it is open", []string{sshd}, zones + "deny \"x\" {\n service = \"sshd\"\n interfaces = [\"eth0\"]\n}\n" +
			"allow \"ssh\" {\n service = \"sshd\"\n interfaces = [\"eth0\"]\n}", false,
			"error[lockout-risk] ssh: nobody can log in: denies above allow \"ssh\" take from it all that it opens of SSH 22/tcp\n" +
				"info[redundant-allow] ssh: allow \"ssh\" opens nothing: deny \"x\" above it drops the same packets"},
		{"connections for all together", []string{sshd}, "allow \"ssh\" {\n service = \"sshd\"\n connections = \"20\"\n}", false,
			"info[any-source-admin] sshd: allow \"ssh\" opens ssh 22/tcp of sshd to everybody\n" +
				`warning[lockout-risk] 20: strangers can use up the connections of allow "ssh", and then nobody can log in`},
		{"connections for each", []string{sshd}, "allow \"ssh\" {\n service = \"sshd\"\n limit = \"5/minute per source\"\n connections = \"20 per source\"\n}", false, ""},
		{"a console by one interface", []string{sshd, "pbx control internal 12222/udp * ! https://x", "pbx console admin 5070/tcp *"},
			opsSSH + "allow \"a\" {\n ports = [\"12222/udp\", \"5070/tcp\"]\n interfaces = [\"eth1\"]\n}", false,
			"warning[admin-exposed] 12222/udp: allow \"a\" opens control 12222/udp of pbx to everybody who comes by eth1\n" +
				`info[any-source-admin] 5070/tcp: allow "a" opens console 5070/tcp of pbx to everybody who comes by eth1`},
		{"a console that a deny guards", []string{sshd, "pbx control internal 12222/udp * ! https://x"},
			opsSSH + "deny \"guard\" {\n ports = [\"12222/udp\"]\n except = [zone.ops]\n}\nallow \"a\" { ports = [\"12000-12999/udp\"] }", false,
			""},
		{"a written half of the Internet", []string{sshd, "pbx console admin 5070/tcp *"},
			opsSSH + "allow \"a\" {\n ports = [\"5070/tcp\"]\n from = [\"0.0.0.0/1\", zone.ops]\n}", false,
			`warning[any-source-admin] 5070/tcp: allow "a" opens console 5070/tcp of pbx to the public addresses of 0.0.0.0/1`},
		{"a hole in a range", []string{sshd, "ms rtp public 25000-25799/udp *"},
			opsSSH + "deny \"x\" { ports = [\"25100-25199/udp\"] }\nallow \"rtp\" { service = \"ms\" }", false,
			`error[range-partly-open] 25100-25199/udp: deny "x" closes 25100-25199 of rtp 25000-25799/udp of ms, and the rest of it is open`},
		{"a hole that nobody notices", []string{sshd, "ms rtp public 25000-25799/udp *"},
			opsSSH + "deny \"x\" {\n ports = [\"25100-25199/udp\"]\n from = [\"10.2.0.0/16\"]\n}\nallow \"rtp\" {\n service = \"ms\"\n from = [zone.ops]\n}", false,
			`info[redundant-deny] x: deny "x" changes nothing: nothing below it opens what it closes`},
		{"media that a deny takes", []string{sshd, "ms sip public 5060/udp *", "ms rtp public 25000-25399/udp *"},
			opsSSH + "deny \"x\" { ports = [\"20000-29999/udp\"] }\nallow \"ms\" { service = \"ms\" }", false,
			`warning[unreachable-service] 35000: no allow opens rtp 25000-25399/udp of ms, while other ports of the service are open`},
		{"media that is denied by name", []string{sshd, "ms sip public 5060/udp *", "ms rtp public 25000-25399/udp *"},
			opsSSH + "deny \"x\" {\n service = \"ms\"\n listen = [\"rtp\"]\n}\nallow \"ms\" { service = \"ms\" }", false, ""},
		{"connections that another allow bypasses", []string{sshd, "pbx sip public 5060/udp *"},
			opsSSH + "allow \"sip\" {\n service = \"pbx\"\n connections = \"9\"\n}\nallow \"all\" {}", false,
			`warning[limit-bypassed] 9: the bound on the connections of allow "sip" has no effect: what is beyond it allow "all" accepts`},
		{"a limit before a deny", []string{sshd, "pbx sip public 5060/udp *"},
			opsSSH + "allow \"sip\" {\n service = \"pbx\"\n limit = \"9/second\"\n}\ndeny \"rest\" { ports = [\"5060/udp\"] }\nallow \"all\" {}", false,
			`info[redundant-allow] all: allow "all" opens nothing: deny "rest" above it drops the same packets`},
		{"an allow that is an exception of a deny", []string{sshd, "pbx sip public 5060/udp *"},
			opsSSH + "allow \"ours\" {\n service = \"pbx\"\n from = [zone.ops]\n}\ndeny \"v4\" { from = [\"10.0.0.0/8\"] }\nallow \"sip\" { service = \"pbx\" }", false, ""},
		{"by two interfaces", []string{sshd, "pbx sip public 5060/udp *"},
			opsSSH + "allow \"one\" {\n service = \"pbx\"\n interfaces = [\"eth0\"]\n}\nallow \"two\" {\n service = \"pbx\"\n interfaces = [\"eth1\"]\n}", false, ""},
		{"with a log", []string{sshd, "pbx sip public 5060/udp *"},
			opsSSH + "allow \"a\" { service = \"pbx\" }\nallow \"b\" {\n ports = [\"5060/udp\"]\n log = \"1/second\"\n}\ndeny \"c\" {\n ports = [\"5061/udp\"]\n log = \"1/second\"\n}\nallow \"d\" { ports = [\"9/tcp\"] }", false, ""},
		{"a deny of a service that is not there", []string{sshd}, "deny \"x\" { service = \"kamailio\" }\n" + opsSSH, false,
			`info[redundant-deny] x: deny "x" closes nothing: no such listener was found`},
		{"a deny of ping", []string{sshd}, "deny \"x\" { protocols = [\"icmp\"] }\n" + opsSSH, false,
			`info[redundant-deny] x: deny "x" changes nothing: nothing below it opens what it closes`},
		{"a deny of a tunnel", []string{sshd}, "deny \"x\" {\n protocols = [\"esp\"]\n from = [\"192.0.2.1\"]\n}\nallow \"vpn\" { protocols = [\"50\"] }\n" + opsSSH, false, ""},
		{"a listener in an untracked range", []string{sshd, "ms rtp public 20000-29999/udp *", "snmp agent admin 20161/udp *"},
			opsSSH + "allow \"media\" {\n ports = [\"20000-29999/udp\"]\n from = [zone.v6]\n notrack = true\n}", false,
			`warning[notrack-hazard] true: notrack of allow "media" covers agent 20161/udp of snmp too`},
		{"a container in an untracked range", []string{sshd, "ms rtp public 20000-29999/udp *", "docker-compose sip public 20000/udp *"},
			opsSSH + "allow \"media\" {\n service = \"ms\"\n from = [zone.v6]\n notrack = true\n}", false,
			`error[notrack-hazard] true: notrack of allow "media" covers sip 20000/udp of docker-compose, which is reached by translation only`},
		{"a limit of an untracked range", []string{sshd, "ms rtp public 20000-29999/udp *"},
			opsSSH + "allow \"media\" {\n service = \"ms\"\n from = [zone.v6]\n notrack = true\n}\nallow \"more\" {\n service = \"ms\"\n limit = \"9/second\"\n}", false,
			`warning[notrack-hazard] more: limit of allow "more" counts every packet: notrack of allow "media" covers its ports`},
		{"notrack of TCP", []string{sshd}, opsSSH + "allow \"x\" {\n ports = [\"9/tcp\"]\n notrack = true\n}", false,
			`info[notrack-hazard] true: notrack of allow "x" has no effect: it opens no UDP port here`},
		{"everything", []string{sshd, "ms rtp public 20000-24998/udp *"}, opsSSH + `allow "x" { ports = ["1-65535/udp"] }`, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, judged(t, listening(t, c.claims...), c.policy, c.part)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// A file that was read in part may hold the ports that nobody claims.
func TestUnclaimedPortsNeedsWholeFiles(t *testing.T) {
	inv := listening(t, sshd, "ms rtp public 20000-20399/udp *")
	inv.Files = []inventory.File{{Name: "etc/other.conf", Service: "other", Status: inventory.Partial}}
	if got := judged(t, inv, opsSSH+`allow "x" { ports = ["20000-29999/udp"] }`, false); got != "" {
		t.Error(got)
	}
}

func TestIsPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"0.0.0.0/0": true, "::/0": true, "2000::/3": true, "80.0.0.0/7": true, "0.0.0.0-223.255.255.255": true,
		"17.0.0.0/8": false, "10.0.0.0/8": false, "0.0.0.0/7": false, "224.0.0.0/3": false, "2630::/16": false, "fc00::/6": false, "2001:db8::/32": false,
		"2400::/12": true, "10.0.0.1": false, "::1": false, "8.0.0.0-9.0.0.0": true,
	} {
		s, err := addr.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if isPublic(s) != want {
			t.Errorf("isPublic(%s) = %v", text, !want)
		}
	}
}

// The policies and claims of the properties meet each other often.
var (
	somePorts  = []string{"5060/udp", "5060-5061/udp", "5061-5063/udp", "5060/tcp"}
	someFroms  = []string{"", "from = [zone.a]\n", "from = [zone.b]\n", "from = [zone.a, zone.b]\n"}
	cornerFrom = []string{"9.255.255.255", "10.0.0.0", "10.0.0.255", "10.0.1.0", "10.0.1.255", "10.0.2.0", "fd00::", "fd00::1", "fe80::1", "2001:db8::1"}
)

const someZones = "zone \"a\" { sources = [\"10.0.0.0/24\", \"fd00::/127\"] }\nzone \"b\" { sources = [\"10.0.0.128-10.0.1.255\"] }\n"

func drawPolicy(t *rapid.T) string {
	text := someZones
	for i := range rapid.IntRange(1, 5).Draw(t, "allows") {
		what := rapid.SampledFrom(append([]string{"", "service"}, somePorts...)).Draw(t, "what")
		switch what {
		case "":
		case "service":
			what = "service = \"pbx\"\n"
		default:
			what = fmt.Sprintf("ports = [%q]\n", what)
		}
		by := rapid.SampledFrom([]string{"", "", "", "interfaces = [\"eth0\"]\n", "interfaces = [\"eth1\"]\n"}).Draw(t, "by")
		if from := rapid.SampledFrom(someFroms).Draw(t, "from"); what+from+by != "" && rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			text += fmt.Sprintf("deny \"n%d\" {\n%s%s%s}\n", i, what, from, by)
		} else {
			text += fmt.Sprintf("allow \"n%d\" {\n%s%s%s%s}\n", i, what, from, by,
				rapid.SampledFrom([]string{"", "", "", "limit = \"3/minute\"\n", "connections = \"3\"\n", "log = \"1/hour\"\n"}).Draw(t, "limit"))
		}
	}
	return text
}

func drawInventory(t *rapid.T, tb testing.TB) *inventory.Inventory {
	var claims []string
	for _, ports := range rapid.SliceOfN(rapid.SampledFrom(somePorts), 1, 3).Draw(t, "claims") {
		claims = append(claims, "pbx sip public "+ports+" "+rapid.SampledFrom([]string{"*", "0.0.0.0", "::", "fd00::9"}).Draw(t, "bind"))
	}
	return listening(tb, claims...)
}

// TestOpenedAgreesWithDecide holds what is opened against the definition of a ruleset.
func TestOpenedAgreesWithDecide(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inv, p := drawInventory(r, t), loaded(t, drawPolicy(r))
		rules, _ := compile.Ruleset(p, inv)
		pass := &Pass{Inventory: inv, firewall: newFirewall(p, rules, anyPacket)}
		for i := range inv.Claims {
			c := &inv.Claims[i]
			o, ok := pass.opened(c)
			if !ok {
				r.Fatal("too large")
			}
			for _, from := range cornerFrom {
				a := netip.MustParseAddr(from)
				every, some := heard(c).Contains(a), false
				for n := int(c.Ports.First); n <= int(c.Ports.Last); n++ {
					accepted := false
					for _, name := range []string{"eth0", "eth1", "eth2"} {
						packet := ruleset.Packet{Interface: name, State: ruleset.New, Proto: uint8(c.Proto), Peer: a, Port: uint16(n)}
						accepted = accepted || rules.Decide(packet).Verdict() == ruleset.Accept && heard(c).Contains(a)
					}
					every, some = every && accepted, some || accepted
				}
				if o.every.Contains(a) != every || o.some.Contains(a) != some {
					r.Fatalf("%s on %s: every %v, some %v", a, c.Ports, every, some)
				}
			}
		}
	})
}

// TestRedundantAllowsCanGo takes out all allows that are said to change nothing, together,
// and compares the whole rulesets; and each of the others, which must change something.
func TestRedundantAllowsCanGo(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inv, p := drawInventory(r, t), loaded(t, drawPolicy(r))
		rules, _ := compile.Ruleset(p, inv)
		said := map[string]bool{}
		for _, d := range Run(inv, nil, Options{Policy: p, Rules: rules}) {
			if d.Rule == "redundant-allow" {
				said[d.Span.Text()] = true
			}
		}
		without := func(out func(name string) bool) *ruleset.Ruleset {
			rs := *rules
			rs.Input.Rules = slices.DeleteFunc(slices.Clone(rules.Input.Rules), func(r ruleset.Rule) bool { return out(r.Name) })
			return &rs
		}
		left := without(func(name string) bool { return said[name] })
		if c := ruleset.Equivalent(rules, left); c != nil {
			r.Fatal(c.Words("with them", "without them"))
		}
		for i := range p.Allows {
			a := &p.Allows[i]
			if name := a.Name.Text; !said[name] && a.Limit.Rate.Count+a.Connections.Count+a.Log.Count == 0 && slices.ContainsFunc(rules.Input.Rules, func(r ruleset.Rule) bool { return r.Name == name }) {
				if c := ruleset.Equivalent(left, without(func(n string) bool { return said[n] || n == name })); c == nil {
					r.Fatalf("nothing is said of allow %q", name)
				}
			}
		}
	})
}

// TestRedundantDeniesCanGo does the same for denies.
func TestRedundantDeniesCanGo(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inv, p := drawInventory(r, t), loaded(t, drawPolicy(r))
		rules, _ := compile.Ruleset(p, inv)
		said := map[string]bool{}
		for _, d := range Run(inv, nil, Options{Policy: p, Rules: rules}) {
			if d.Rule == "redundant-deny" {
				said[d.Span.Text()] = true
			}
		}
		without := func(out func(name string) bool) *ruleset.Ruleset {
			rs := *rules
			rs.Input.Rules = slices.DeleteFunc(slices.Clone(rules.Input.Rules), func(r ruleset.Rule) bool { return out(r.Name) })
			return &rs
		}
		left := without(func(name string) bool { return said[name] })
		if c := ruleset.Equivalent(rules, left); c != nil {
			r.Fatal(c.Words("with them", "without them"))
		}
		for i := range p.Denies {
			d := &p.Denies[i]
			name := d.Name.Text
			last := !slices.ContainsFunc(p.Allows, func(a policy.Allow) bool { return a.At > d.At })
			if !said[name] && !last && ruleset.Equivalent(left, without(func(n string) bool { return said[n] || n == name })) == nil {
				r.Fatalf("nothing is said of deny %q", name)
			}
		}
	})
}

// TestLockedOut: SSH is open to somebody exactly when nothing is said.
func TestLockedOut(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := loaded(t, drawPolicy(r))
		inv := listening(t, "sshd ssh admin 5060/tcp "+rapid.SampledFrom([]string{"*", "0.0.0.0", "fd00::9"}).Draw(r, "bind"))
		rules, _ := compile.Ruleset(p, inv)
		open := false
		for _, from := range append([]string{"fd00::2"}, cornerFrom...) {
			for _, name := range []string{"eth0", "eth1", "eth2"} {
				packet := ruleset.Packet{Interface: name, State: ruleset.New, Proto: 6, Peer: netip.MustParseAddr(from), Port: 5060}
				open = open || !nowhere().Contains(packet.Peer) && heard(&inv.Claims[0]).Contains(packet.Peer) && rules.Decide(packet).Verdict() == ruleset.Accept
			}
		}
		if list := LockedOut(inv, p, rules, false); (len(list) == 0) != open || len(list) > 0 && list.Max() != diag.Error {
			r.Fatalf("open %v, %+v", open, list)
		}
	})
}

// hostile is a policy of the most allows that one may have over 200 claims: all of them
// overlap in ports and sources.
func hostile(t testing.TB) (*policy.Policy, *inventory.Inventory) {
	t.Helper()
	var claims []string
	for i := range 200 {
		claims = append(claims, fmt.Sprintf("s%d rtp public %d-%d/udp *", i, 10000+100*i, 10149+100*i))
	}
	var text strings.Builder
	for i := range policy.MaxAllows {
		fmt.Fprintf(&text, "zone \"z%d\" { sources = [\"10.0.0.0/%d\", \"10.%d.%d.0/24\"] }\n", i, 8+i%20, i/250, i%250)
		fmt.Fprintf(&text, "allow \"n%d\" { from = [zone.z%d] }\n", i, i)
	}
	return loaded(t, text.String()), listening(t, claims...)
}

// TestHostilePolicy holds that work is bounded, and that it is said when that was not
// enough.
func TestHostilePolicy(t *testing.T) {
	p, inv := hostile(t)
	rules, _ := compile.Ruleset(p, inv)
	list := Run(inv, nil, Options{Policy: p, Rules: rules})
	if !slices.ContainsFunc(list, func(d diag.Diagnostic) bool { return d.Rule == policy.RuleName }) {
		t.Error("nothing says that the policy is too large")
	}
}

// BenchmarkLockedOut asks a policy of many allows whether somebody can log in.
func BenchmarkLockedOut(b *testing.B) {
	for _, each := range []int{1, 10} {
		var text strings.Builder
		text.WriteString(opsSSH)
		for i := range 990 {
			var ports []string
			for j := range each {
				ports = append(ports, fmt.Sprintf(`"%d/%s"`, 1024+6*(i*each+j), port.Protos[(i*each+j)%2]))
			}
			fmt.Fprintf(&text, "allow \"svc-%d\" {\n ports = [%s]\n from = [zone.ops]\n}\n", i, strings.Join(ports, ", "))
		}
		p, inv := loaded(b, text.String()), listening(b, sshd)
		rules, _ := compile.Ruleset(p, inv)
		b.Run(fmt.Sprintf("ports=%d", 990*each), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if list := LockedOut(inv, p, rules, false); list != nil {
					b.Fatal(list)
				}
			}
		})
	}
}

func BenchmarkHostilePolicy(b *testing.B) {
	p, inv := hostile(b)
	rules, _ := compile.Ruleset(p, inv)
	for b.Loop() {
		Run(inv, nil, Options{Policy: p, Rules: rules})
	}
}

// TestUntrackedEphemeralPorts: answers are lost where the system hands out untracked ports,
// unless the allow is for everybody.
func TestUntrackedEphemeralPorts(t *testing.T) {
	inv := listening(t, sshd, "ms rtp public 30000-39999/udp *")
	for from, want := range map[string]bool{"from = [zone.ops]\n": true, "": false} {
		p := loaded(t, opsSSH+"allow \"media\" {\n service = \"ms\"\n"+from+" notrack = true\n}")
		rules, _ := compile.Ruleset(p, inv)
		found := false
		for _, d := range Run(inv, []host.Facts{linux()}, Options{Policy: p, Rules: rules}) {
			if d.Rule == "notrack-hazard" {
				found = true
				if want := `notrack of allow "media" covers 32768-39999, which linux hands out to any program`; d.Message != want {
					t.Errorf("got  %s\nwant %s", d.Message, want)
				}
				if len(d.Ports) != 1 || d.Ports[0].Proto != port.UDP || d.Ports[0].Set.String() != "32768-39999" {
					t.Errorf("ports %v", d.Ports)
				}
			}
		}
		if found != want {
			t.Errorf("%q: %v", from, found)
		}
	}
}

// TestUnreachablePeers holds which connections are said to be closed.
func TestUnreachablePeers(t *testing.T) {
	inv := listening(t, sshd)
	for i, peer := range []string{"10.0.0.9", "db.example", "127.0.0.1", "2001:db8::9"} {
		inv.Claims = append(inv.Claims, inventory.Claim{Service: "pbx", Listen: fmt.Sprintf("p%d", i), Direction: inventory.Connect, Proto: port.TCP,
			Ports: port.Single(uint16(1000 + i)), NominalFirst: 1000 + i, NominalLast: 1000 + i, Peer: peer, Span: at("35000")})
	}
	const drop = "default { output = \"drop\" }\n"
	ask := "connect \"dns\" { ports = [\"53/udp\"] }\n"
	for text, want := range map[string][]string{
		"":                            nil,
		drop + "connect \"all\" {}\n": {"no connect lets out questions for names, and pbx has the peer db.example"},
		drop + ask:                    {"no connect lets out p0 1000/tcp of pbx to 10.0.0.9", "no connect lets out p1 1001/tcp of pbx to db.example", "no connect lets out p3 1003/tcp of pbx to 2001:db8::9"},
		drop + ask + "connect \"x\" {\n service = \"pbx\"\n to = [\"10.0.0.0/8\"]\n}\n": {"no connect lets out p3 1003/tcp of pbx to 2001:db8::9"},
		"default { ipv6 = \"off\" }\n": {"no connect lets out p3 1003/tcp of pbx to 2001:db8::9"},
	} {
		p := loaded(t, opsSSH+text)
		rules, _ := compile.Ruleset(p, inv)
		var got []string
		for _, d := range Run(inv, nil, Options{Policy: p, Rules: rules}) {
			if d.Rule == "unreachable-peer" {
				got = append(got, d.Message)
			}
		}
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", text, d)
		}
	}
}
