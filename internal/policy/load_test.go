package policy

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"portolan/internal/diag"
	"portolan/internal/hclfile"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// design is the example that explains the language.
const design = `
zone "voice-platform" { sources = ["10.20.0.0/16", "2001:db8:20::/48"] }
zone "operators"      { sources = ["10.1.0.0/24"] }

allow "speech" {
  service = "lumenvox-media-server"
  listen  = ["sip", "rtsp", "mrcp", "rtp"]     # default: every public one
  from    = [zone.voice-platform]
}
allow "ssh" {
  service = "sshd"
  from    = [zone.operators]
  limit   = "10/minute per source"
}
default {
  input = "drop"                                # or additive: only add accepts, keep others' policy
  log   = "5/minute"
}
`

// load fails the test for any finding.
func load(t testing.TB, text string) *Policy {
	t.Helper()
	p, list := Load(source.New("portolan.hcl", []byte(text)), nil)
	for _, d := range list {
		t.Errorf("%s: %s", d.Span, d.Message)
	}
	if p == nil {
		t.FailNow()
	}
	return p
}

func texts(words []Word) string {
	var out []string
	for _, w := range words {
		out = append(out, w.Text)
	}
	return strings.Join(out, " ")
}

func TestDesignExample(t *testing.T) {
	p := load(t, design)
	if len(p.Zones) != 2 || len(p.Allows) != 2 {
		t.Fatalf("%d zones and %d allows", len(p.Zones), len(p.Allows))
	}
	platform, speech, ssh := p.Zones[0], p.Allows[0], p.Allows[1]
	for _, c := range [][2]string{
		{platform.Name.Text, "voice-platform"},
		{platform.Sources.String(), "10.20.0.0/16,2001:db8:20::/48"},
		{speech.Service.Text, "lumenvox-media-server"},
		{texts(speech.Listen), "sip rtsp mrcp rtp"},
		{texts(speech.From), "voice-platform"},
		{speech.Sources.String(), "10.20.0.0/16,2001:db8:20::/48"},
		{fmt.Sprint(speech.Limit.Rate), "0/"},
		{ssh.Name.Text, "ssh"},
		{ssh.Sources.String(), "10.1.0.0/24"},
		{ssh.Limit.Rate.String(), "10/minute"},
		{fmt.Sprint(ssh.Limit.PerSource), "true"},
		{p.Defaults.Log.String(), "5/minute"},
		{p.Defaults.Input.String(), "drop"},
		// The places that findings and rules point at.
		{platform.Name.Span.String(), "portolan.hcl:2:7"},
		{platform.Name.Span.Text(), "voice-platform"},
		{speech.Service.Span.String(), "portolan.hcl:6:14"},
		{speech.Listen[1].Span.Text(), "rtsp"},
		{speech.From[0].Span.Text(), "zone.voice-platform"},
		{ssh.Limit.Span.Text(), "10/minute per source"},
		{p.Defaults.LogSpan.String(), "portolan.hcl:17:12"},
	} {
		if c[0] != c[1] {
			t.Errorf("got %q, want %q", c[0], c[1])
		}
	}
}

func TestWhatIsLeftOut(t *testing.T) {
	p := load(t, `allow "a" {}`)
	if a := p.Allows[0]; !a.Sources.IsAll() || a.Service.Text != "" || len(a.Listen)+len(a.Exposure)+len(a.Ports)+len(a.From) != 0 || a.Limit != (Limit{}) {
		t.Errorf("an empty allow is %+v", a)
	}
	if p.Defaults != (Defaults{Input: ruleset.Drop, Output: ruleset.Accept}) {
		t.Errorf("no default block is %+v", p.Defaults)
	}
}

func TestValues(t *testing.T) {
	p := load(t, `
allow "a" {
  ports = ["22/tcp", " 5000 - 5100 / UDP ", "65535/udp"]
  from  = [zone.below, zone.other_1]
  limit = " 3 / hour "
}
allow "b" {
  service   = "sshd"
  exposure  = ["public", "admin"]
  otherwise = ["22/tcp"]
}
zone "other_1" { sources = ["10.0.0.9-10.0.0.12", "::1"] }
zone below { sources = ["10.0.0.0/29", "10.0.0.8", "fe80::/10"] }
default { input = "additive" }
`)
	a, b := p.Allows[0], p.Allows[1]
	for _, c := range [][2]string{
		{fmt.Sprint(len(a.Ports), a.Ports[0].Proto, a.Ports[0].Ports, a.Ports[1].Proto, a.Ports[1].Ports, a.Ports[2].Ports), "3 tcp 22 udp 5000-5100 65535"},
		{fmt.Sprint(a.Sources.Ranges()), "[10.0.0.0-10.0.0.12 ::1 fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"},
		{fmt.Sprint(a.Limit.Rate, a.Limit.PerSource), "3/hour false"},
		{texts(b.Exposure), "public admin"},
		{fmt.Sprint(b.Otherwise[0].Proto, b.Otherwise[0].Ports), "tcp 22"},
		{p.Defaults.Input.String(), "accept"},
		{a.Ports[1].Span.Text(), " 5000 - 5100 / UDP "},
	} {
		if c[0] != c[1] {
			t.Errorf("got %q, want %q", c[0], c[1])
		}
	}
}

// TestFindings holds each finding against its words and its place: the text between «
// and ». A case with no marks has its place on the file as a whole.
func TestFindings(t *testing.T) {
	const zone = "zone \"office\" { sources = [\"10.1.0.0/24\"] }\n"
	for _, c := range []struct{ in, want, help string }{
		// names that do not exist
		{`«alow» "x" {}`, `there is no block "alow" in a policy`, `did you mean "allow"?`},
		{`«rule» "x" {}`, `there is no block "rule" in a policy`, `a policy has the blocks zone, allow, deny, connect, default and ignore`},
		{`«input» = "drop"`, `there is no "input" in a policy`, `a policy has the blocks zone, allow, deny, connect, default and ignore`},
		{`«default» = "drop"`, `"default" is a block, not an attribute`, `write it as a block: default { input = "drop" }`},
		{`allow "x" { «servce» = "sshd" }`, `allow "x" has no attribute "servce"`, `did you mean "service"?`},
		{`allow "x" { «state» = "new" }`, `allow "x" has no attribute "state"`, `it has the attributes service, listen, exposure, ports, protocols, otherwise, from, except, interfaces, limit, connections, log and notrack`},
		{"allow \"x\" {\n «service» {}\n}", `allow "x" has no block "service"`, `write it with an equals sign: service = ...`},
		{"allow \"x\" {\n «nested» \"y\" {}\n}", `allow "x" has no block "nested"`, `blocks stand at the top of a policy, not inside each other`},
		{"zone \"x\" {\n «source» = [\"::1\"]\n sources = [\"::1\"]\n}", `zone "x" has no attribute "source"`, `did you mean "sources"?`},
		{`default { «inputs» = "drop" }`, `the default block has no attribute "inputs"`, `did you mean "input"?`},
		{zone + `allow "x" { from = [«zone.ofice»] }`, `there is no zone "ofice"`, `did you mean "office"?`},
		{zone + `allow "x" { from = [«zone.operators»] }`, `there is no zone "operators"`, `the zones are office`},
		{`allow "x" { exposure = ["«pubic»"] }`, `there is no exposure "pubic"`, `did you mean "public"?`},
		{`allow "x" { exposure = ["«loopback»"] }`, `loopback listeners need no allow`, `leave it out: loopback is always open`},
		{`default { input = "«reject»" }`, `there is no input "reject"`, `use "drop", or "additive" to add accepts to what other firewalls of the host do`},
		// names of blocks
		{`«allow» {}`, `this allow has no name`, `write allow "ssh" { ports = ["22/tcp"] }`},
		{`allow "x" «"y"» {}`, `this allow has more than one name`, `write allow "ssh" { ports = ["22/tcp"] }`},
		{`zone "«1st»" { sources = ["::1"] }`, `this zone cannot be named "1st"`, `use letters, digits, - and _, a letter first, at most 64 of them`},
		{`allow "«a b»" {}`, `this allow cannot be named "a b"`, ``},
		{`allow «""» {}`, `this allow cannot be named ""`, ``},
		{`allow "«log»" {}`, `the name "log" belongs to a rule that every ruleset has by itself`, `choose another name`},
		{"allow \"x\" {}\nallow \"«x»\" {}", `a second allow "x"`, `rename one: the name stands in the comments of the rules`},
		{zone + `zone "«office»" { sources = ["10.0.0.1"] }`, `a second zone "office"`, `join the two or rename one`},
		{"default {}\n«default» {}", `a second default block`, `keep one of them`},
		{`default «"x"» {}`, `the default block has no name`, `write default { input = "drop" }`},
		// addresses
		{`zone "«x»" {}`, `zone "x" has no sources`, `say which addresses it holds: sources = ["10.1.0.0/24"]`},
		{`zone "x" { sources = «[]» }`, `sources is empty and would open nothing`, `say which addresses it holds: sources = ["10.1.0.0/24"]`},
		{`zone "x" { sources = ["«10.1.2.3/16»"] }`, `"10.1.2.3/16" has bits set behind the prefix length: write 10.1.0.0/16 for the network or 10.1.2.3 for the one address`, ``},
		{`zone "x" { sources = ["«2001:db8::1/64»"] }`, `"2001:db8::1/64" has bits set behind the prefix length: write 2001:db8::/64 for the network or 2001:db8::1 for the one address`, ``},
		{`zone "x" { sources = ["«pbx.example»"] }`, `"pbx.example" is not an address, a prefix such as 10.0.0.0/8, or a range`, ``},
		{`zone "x" { sources = ["::1", "«::1»"] }`, `"::1" is listed twice`, `remove one of them`},
		{`zone "x" { sources = «"::1"» }`, `sources is a list`, `write sources = ["::1"]`},
		{zone + `allow "x" { from = «[]» }`, `from is empty and would open nothing`, `leave it out for anywhere`},
		{zone + `allow "x" { from = «zone.office» }`, `from is a list`, `write from = [zone.office]`},
		{zone + `allow "x" { from = [«office»] }`, `each of from is a zone or an address`, `name a zone, as in from = [zone.office], or write addresses in quotes, "10.1.0.0/24"`},
		{zone + `allow "x" { from = [«zone["office"]»] }`, `each of from is a zone or an address`, `name a zone, as in from = [zone.office], or write addresses in quotes, "10.1.0.0/24"`},
		{zone + `allow "x" { from = [zone.office, «zone.office»] }`, `zone "office" is listed twice`, `remove one of them`},
		// ports
		{`allow "x" { ports = ["«70000/tcp»"] }`, `"70000" is not a port number from 0 to 65535`, `write ports = ["22/tcp", "5000-5100/udp"]`},
		{`allow "x" { ports = ["«0/udp»"] }`, `"0/udp" holds port 0`, `begin at 1: nothing can be reached at port 0`},
		{`allow "x" { ports = ["«9-5/udp»"] }`, `port range "9-5" ends before it begins`, ``},
		{`allow "x" { ports = ["«22»"] }`, `"22" does not say which protocol`, `write "22/tcp" or "22/udp"`},
		{`allow "x" { ports = ["«22/sctp»"] }`, `"22/sctp": ports of sctp cannot be opened one by one`, `write protocols = ["sctp"], which opens the whole protocol`},
		{`allow "x" { ports = [«22»] }`, `each of ports is text in quotes`, `write "22/tcp" or "22/udp"`},
		{`allow "x" { ports = «[]» }`, `ports is empty and would open nothing`, `leave it out, or name a port`},
		// combinations
		{"allow \"x\" {\n service = \"sshd\"\n «ports» = [\"22/tcp\"]\n}", `allow "x" has both service and ports`, `make two allows; or write otherwise instead of ports, for when the service is not found`},
		{`allow "x" { «listen» = ["sip"] }`, `allow "x" has listen without a service`, `name the service too, as in service = "lumenvox-media-server"`},
		{`allow "x" { «otherwise» = ["22/tcp"] }`, `allow "x" has otherwise without a service`, `write ports, which are opened whatever the host runs`},
		{"allow \"x\" {\n service = \"s\"\n listen = [\"sip\"]\n «exposure» = [\"admin\"]\n}", `allow "x" has both listen and exposure`, `leave one of them out`},
		{"allow \"x\" {\n ports = [\"1/tcp\"]\n «exposure» = [\"admin\"]\n}", `allow "x" has both ports and exposure`, `leave one of them out`},
		// denies and connects
		{"allow \"x\" {}\ndeny \"«x»\" { ports = [\"1/tcp\"] }", `deny "x" has the name of another rule`, `rename one: the name stands in the comments of the rules`},
		{`deny "«x»" {}`, `deny "x" would drop everything`, `say whom: deny "scanners" { from = [zone.scanners] }; what nothing allows is dropped anyway`},
		{`deny "«x»" { log = "1/second" }`, `deny "x" would drop everything`, ``},
		{`deny "x" { «limit» = "1/second" }`, `deny "x" has no attribute "limit"`, `it has the attributes service, listen, exposure, ports, protocols, from, except, interfaces and log`},
		{`deny "x" { from = «[]» }`, `from is empty and would close nothing`, `leave it out for anywhere`},
		{`deny "x" { exposure = ["«loopback»"] }`, `loopback listeners need no deny`, ``},
		{"deny \"x\" {\n ports = [\"1/tcp\"]\n «protocols» = [\"esp\"]\n}", `deny "x" has both ports and protocols`, `make two of them: a protocol as a whole has no ports`},
		{"zone \"x\" { sources = [\"10.0.0.0/8] }«\n»allow \"x\" { ports = [\"22/tcp\"] }", `this text does not end on its line`, "close it with \""},
		{"zone \"x\" { sources = [\"10.0.0.0/8\"]«\n»allow \"y\" {}\n", `this block does not end on its line`, ``},
		{"allow \"x\" {}\n«}»\n", `there is no block to close here`, `leave the } out, or look for one too many above`},
		{`allow "x" { service = "a"  «limit» = "1/minute" }`, `a second attribute on the line of the block`, ``},
		{`zone "x" { sources = ["::1" «"»::2"] }`, `a comma is missing before this`, `separate what a list holds by commas`},
		{`allow "x" «=» {}`, `a block has no equals sign`, ``},
		{"allow \"x\" {\n service«:» \"a\"\n}", `a policy has no colons`, ``},
		{"«/*» to be done\nallow \"x\" {}", `this comment does not end`, `close it with */, or begin each line with #`},
		{"«hello»\n", `this is neither an attribute nor a block`, ``},
		{`«permit» "x" {}`, `there is no block "permit" in a policy`, `did you mean "allow"?`},
		{`«reject» "x" {}`, `there is no block "reject" in a policy`, `did you mean "deny"? what nothing allows is dropped anyway`},
		{`allow "x" { «to» = ["10.0.0.1"] }`, `allow "x" has no attribute "to"`, `it is about what comes in: write from, or connect instead of allow`},
		{`allow "x" { ports = ["«udp/5060»"] }`, `"udp" is not a port number`, `write "5060/udp"`},
		{`allow "x" { ports = ["«5060:5070/udp»"] }`, `"5060:5070" is not a port number`, `write "5060-5070/udp"`},
		{`allow "x" { ports = ["«5100-5000/udp»"] }`, `port range "5100-5000" ends before it begins`, `write "5000-5100/udp"`},
		{`allow "x" { protocols = [«50»] }`, `each of protocols is text in quotes`, `write "50"`},
		{"zone \"o\" { sources = [\"::1\"] }\nallow \"x\" { from = [\"«o»\"] }", `"o" is not an address, a prefix such as 10.0.0.0/8, or a range`, `a zone is named without quotes: write zone.o`},
		{"zone \"o\" { sources = [\"::1\"] }\nallow \"x\" { from = [\"«zone.o»\"] }", `"zone.o" is not an address, a prefix such as 10.0.0.0/8, or a range`, `a zone is named without quotes: write zone.o`},
		{`allow "x" { from = ["«any»"] }`, `"any" is not an address, a prefix such as 10.0.0.0/8, or a range`, `leave from out for anywhere`},
		{`zone "x" { sources = ["«any»"] }`, `"any" is not an address, a prefix such as 10.0.0.0/8, or a range`, `write ["0.0.0.0/0", "::/0"]`},
		{`allow "x" { from = ["«sbc.example.com»"] }`, `"sbc.example.com" is not an address, a prefix such as 10.0.0.0/8, or a range`, `names of hosts are not resolved: write their addresses`},
		{`allow "x" { from = ["«10.1.2.3/255.255.0.0»"] }`, `"10.1.2.3/255.255.0.0" has a mask: write 10.1.0.0/16`, ``},
		{`allow "x" { from = ["«10.1.2.3/255.0.255.0»"] }`, `"10.1.2.3/255.0.255.0" is not a prefix such as 10.0.0.0/8`, ``},
		{`connect "x" { «from» = ["10.0.0.1"] }`, `connect "x" has no attribute "from"`, `it is about what leaves: write to`},
		{`connect "x" { to = «[]» }`, `to is empty and would let out nothing`, `leave it out for anywhere`},
		{`connect "x" { «listen» = ["ldap"] }`, `connect "x" has listen without a service`, ``},
		{`default { output = "«deny»" }`, `there is no output "deny"`, `use "accept", or "drop" to let out what a connect block names and nothing else`},
		{`default { ipv6 = "«no»" }`, `there is no ipv6 "no"`, `use "on", or "off" to let no packet of IPv6 in or out`},
		{"default {\n input = \"additive\"\n ipv6 = \"«off»\"\n}", `ipv6 = "off" closes ports, and with input = "additive" this policy closes none`, `leave it out, or write input = "drop"`},
		// exceptions, interfaces, protocols, counts
		{`allow "x" { except = «[]» }`, `except is empty and would take away nothing`, `leave it out`},
		{"allow \"x\" {\n from = [\"10.0.0.0/8\"]\n except = «[\"10.0.0.0/7\"]»\n}", `the exceptions of allow "x" leave no address`, `leave out what takes all of it away`},
		{`allow "x" { except = «["0.0.0.0/0", "::/0"]» }`, `the exceptions of allow "x" leave no address`, ``},
		{"zone \"x\" {\n" + `sources = ["10.0.0.1"]` + "\n" + `except = «["10.0.0.0/8"]»` + "\n}", `the exceptions of zone "x" leave no address`, ``},
		{"zone \"a\" { sources = [zone.b] }\nzone \"b\" { sources = [«zone.a», \"::1\"] }", `zone "a" holds itself`, `write the addresses of one of them`},
		{`zone "a" { sources = [«zone.a»] }`, `zone "a" holds itself`, ``},
		{zone + `zone "a" { sources = [«zone.offce»] }`, `there is no zone "offce"`, `did you mean "office"?`},
		{zone + `zone "a" { sources = [zone.office, «zone.office»] }`, `"zone.office" is listed twice`, `remove one of them`},
		{zone + `allow "x" { from = ["«10.1.2.3/24»"] }`, `"10.1.2.3/24" has bits set behind the prefix length: write 10.1.2.0/24 for the network or 10.1.2.3 for the one address`, ``},
		{`allow "x" { interfaces = ["«lo»"] }`, `nothing has to be said of loopback: it is always open`, `leave it out`},
		{`allow "x" { interfaces = ["«eth+»"] }`, `"eth+" is a pattern, and the firewalls do not agree about patterns`, `name each interface`},
		{`allow "x" { interfaces = ["«eth0:1»"] }`, `"eth0:1" is not the name by which packets come in`, `write "eth0"`},
		{`allow "x" { interfaces = ["«eth0.5@eth0»"] }`, `"eth0.5@eth0" is not the name by which packets come in`, `write "eth0.5"`},
		{`allow "x" { interfaces = ["«a-very-long-name»"] }`, `"a-very-long-name" is not the name of an interface`, `use letters, digits, '.', '_' and '-', at most 15 of them`},
		{`allow "x" { interfaces = ["«:»"] }`, `":" is not the name of an interface`, ``},
		{`allow "x" { protocols = ["«eps»"] }`, `there is no protocol "eps"`, `did you mean "esp"?`},
		{`allow "x" { protocols = ["«256»"] }`, `there is no protocol "256"`, ``},
		{"allow \"x\" {\n service = \"s\"\n «protocols» = [\"esp\"]\n}", `allow "x" has both service and protocols`, ``},
		{`allow "x" { connections = "«0»" }`, `"0" is not a number of connections`, `write connections = "20 per source", or "500" for all sources together`},
		{`allow "x" { connections = "«many per source»" }`, `"many per source" is not a number of connections`, ``},
		{`allow "x" { connections = «20» }`, `connections is text in quotes`, `write connections = "20 per source"`},
		{`allow "x" { log = "«often»" }`, `"often" is not a rate such as 10/minute; the period is one of second, minute, hour, day`, `write log = "5/minute"`},
		// notrack
		{`allow "x" { notrack = «"true"» }`, `notrack is true or false`, `write notrack = true, or leave it out`},
		{"allow \"x\" {\n notrack = true\n limit = \"«1/second»\"\n}", `allow "x" has both notrack and limit: without connection tracking a limit would count every packet of a call`, `leave one of them out`},
		{"allow \"x\" {\n notrack = true\n connections = \"«9»\"\n}", `allow "x" has both notrack and connections: connections cannot be counted where connection tracking is kept away`, ``},
		{"allow \"x\" {\n notrack = true\n log = \"«1/second»\"\n}", `allow "x" has both notrack and log: without connection tracking a log would show every packet of a call`, ``},
		{"allow \"x\" {\n notrack = true\n interfaces = [\"«eth0»\"]\n}", `allow "x" has both notrack and interfaces: tracking is kept away before it is known for whom a packet is`, ``},
		{"allow \"x\" {\n notrack = true\n protocols = [\"«udp»\"]\n}", `allow "x" has both notrack and protocols: it is about UDP ports, and would be about all of them`, ``},
		// files, which are not read here
		{`zone "x" { files = ["«peers.txt»"] }`, `files of addresses are not read here`, `write the addresses into sources`},
		{`zone "x" { files = ["«a\nb»"] }`, `this cannot be the name of a file`, `use printable characters`},
		{`zone "x" { files = «[]» }`, `files is empty and would open nothing`, `leave it out, or name a file of addresses`},
		// ignores
		{`«ignore» { reason = "r" }`, `this ignore has no name`, `write ignore "odd-rtp-base" { reason = "our gateway wants it" }`},
		{`ignore "«odd-rtp-base»" {}`, `ignore "odd-rtp-base" has no reason`, `say why: reason = "the lab has one interface"`},
		{`ignore "x" { reason = «""» }`, `reason is empty`, `write reason = "the lab has one interface"`},
		{"ignore \"x\" {\n reason = \"r\"\n «file» = [\"a\"]\n}", `ignore "x" has no attribute "file"`, `did you mean "files"?`},
		{"ignore \"x\" {\n reason = \"r\"\n files = «\"a\"»\n}", `files is a list`, `write files = ["a"]`},
		{"ignore \"x\" {\n reason = \"r\"\n files = «[]»\n}", `files is empty and would silence nothing`, `leave it out for every file`},
		{"ignore \"x\" {\n reason = \"r\"\n services = «[]»\n}", `services is empty and would silence nothing`, `leave it out for every service`},
		{"ignore \"x\" {\n reason = \"r\"\n files = [\"«a[»\"]\n}", `"a[" is not a pattern`, `close the bracket, or write [[] for the character itself`},
		{"ignore \"x\" {\n reason = \"r\"\n files = [\"«/etc/x»\"]\n}", `the names of files are below the root of their host: they begin without a slash`, `write "etc/x"`},
		{"ignore \"x\" {\n reason = \"r\"\n files = [\"«etc/»\"]\n}", `"etc/" names a folder`, `write "etc/**" for all files in it`},
		// rates
		{`allow "x" { limit = "«10 per minute»" }`, `"10 per minute" is not a limit`, `write limit = "10/minute per source", or "10/minute" for all sources together; a period is second, minute, hour or day`},
		{`allow "x" { limit = "«0/minute»" }`, `"0/minute" is not a limit`, ``},
		{`default { log = "«5/fortnight»" }`, `"5/fortnight" is not a rate such as 10/minute; the period is one of second, minute, hour, day`, `write log = "5/minute"`},
		{"default {\n input = \"additive\"\n log = \"«5/minute»\"\n}", `there is nothing to log: with input = "additive" this policy drops no packet`, `leave it out`},
		// what a value is
		{`allow "x" { service = «sshd» }`, `service needs quotes`, `write "sshd"`},
		{`allow "x" { service = «["sshd"]» }`, `service is text in quotes`, `write service = "sshd"`},
		{`allow "x" { service = «""» }`, `service is empty`, `write service = "sshd"`},
		{"allow \"x\" {\n listen = «\"sip\"»\n service = \"s\"\n}", `listen is a list`, `write listen = ["sip"]`},
		// words of HCL that a policy does not have
		{`allow "x" { service = "a«${»b}" }`, `a policy has no templates`, `write the value itself`},
		{`allow "x" { service = 1 «+» 2 }`, `a policy has no expressions`, `write the value itself`},
		{`allow "x" { service = lower«(»"A") }`, `a policy has no expressions`, ``},
		{`allow "x" { service = «'»sshd' }`, `text stands in double quotes`, `write "..."`},
		{`allow "x" { service = «“»sshd” }`, `text stands in straight double quotes`, `write "..."`},
		{"allow \"x\" { service = «<<A\n»b\nA\n}", `a policy has no text of several lines`, ``},
		{`allow "x" {}«;»`, `attributes end with their line`, ``},
		{"allow \"x\" { service = \"sshd«\n»}", `this text does not end on its line`, `close it with "`},
		{`allow "«` + "\xe9" + `»" {}`, `this is not UTF-8 text`, `save the policy as UTF-8`},
		{`allow "x" { service = «"` + strings.Repeat("a", maxText+1) + `"» }`, `this text is longer than 500 bytes`, ``},
		{`allow "x" { «` + strings.Repeat("a", maxText+1) + `» = 1 }`, `longer than 500 bytes`, ``},
		// the parser of HCL
		{`allow "x" «{»`, `this block does not end`, `close it with }`},
		{"allow \"x\" {\n service = \"a\"\n «service» = \"b\"\n}", `this attribute stands twice in its block`, `keep one of them`},
	} {
		text, span := unmark(c.in)
		p, list := Load(source.New("portolan.hcl", []byte(text)), nil)
		if p != nil || len(list) != 1 {
			var all []string
			for _, d := range list {
				all = append(all, d.Message)
			}
			t.Errorf("%s: want one finding and no policy, got %q", c.in, all)
			continue
		}
		d := list[0]
		if d.Message != c.want || c.help != "" && d.Help != c.help {
			t.Errorf("%s:\n got %s\nhelp %s\nwant %s\nhelp %s", c.in, d.Message, d.Help, c.want, c.help)
		}
		if d.Rule != RuleName || d.Severity != diag.Error {
			t.Errorf("%s: %v[%s]", c.in, d.Severity, d.Rule)
		}
		if got := [2]int{d.Span.Start, d.Span.End}; got != span {
			t.Errorf("%s: marked %q at %v, want %v", c.in, d.Span.Text(), got, span)
		}
	}
}

// unmark removes the marks « and » and says where they were.
func unmark(in string) (string, [2]int) {
	start := max(strings.Index(in, "«"), 0)
	in = strings.Replace(in, "«", "", 1)
	end := max(strings.Index(in, "»"), 0)
	return strings.Replace(in, "»", "", 1), [2]int{start, end}
}

func TestSecondPlaceIsShown(t *testing.T) {
	_, list := Load(source.New("p", []byte("allow \"x\" {}\nallow \"x\" {}")), nil)
	if len(list) != 1 || len(list[0].Related) != 1 || list[0].Related[0].Span.String() != "p:1:8" {
		t.Errorf("%+v", list)
	}
}

func TestManyFindingsAtOnce(t *testing.T) {
	_, list := Load(source.New("p", []byte("zone \"a\" { sources = [\"x\", \"y\"] }\nallow \"b\" { servce = \"z\" }\nfoo {}")), nil)
	if len(list) != 4 {
		t.Fatalf("%d findings: %+v", len(list), list)
	}
	for i := 1; i < len(list); i++ {
		if list[i].Span.Start < list[i-1].Span.Start {
			t.Errorf("%s stands after %s", list[i-1].Span, list[i].Span)
		}
	}
}

// A zone that could not be read is not reported a second time where it is used.
func TestBrokenZoneIsOneFinding(t *testing.T) {
	_, list := Load(source.New("p", []byte("zone { sources = [\"::1\"] }\nallow \"b\" { from = [zone.a] }")), nil)
	if len(list) != 1 || list[0].Message != "this zone has no name" {
		t.Errorf("%+v", list)
	}
}

func TestNothingAllowed(t *testing.T) {
	for _, text := range []string{"", "\n# nothing\n", `zone "x" { sources = ["::1"] }`, `default { input = "drop" }`} {
		p, list := Load(source.New("p", []byte(text)), nil)
		if p == nil || len(list) != 1 || list[0].Severity != diag.Warning || !strings.HasPrefix(list[0].Message, "this policy allows nothing") {
			t.Errorf("%q: %v, %+v", text, p, list)
		}
	}
	load(t, `default { input = "additive" }`)
}

// Comments in an older encoding are normal, and nothing depends on them.
func TestLatin1CommentIsFine(t *testing.T) {
	load(t, "# caf\xe9\nallow \"x\" {}\n")
}

func TestCheck(t *testing.T) {
	known := map[string][]string{"lumenvox-media-server": {"sip", "rtp"}, "sshd": {"ssh"}}
	p := load(t, `
allow "a" {
  service = "lumenvox-mediaserver"
  listen  = ["sip"]
}
allow "b" {
  service = "lumenvox-media-server"
  listen  = ["sip", "rtpp", "mrcp"]
}
allow "c" { service = "nginx" }
allow "d" { ports = ["1/tcp"] }
allow "e" { service = "sshd" }
`)
	var got []string
	for _, d := range Check(p, known, nil) {
		if d.Rule != RuleName || d.Severity != diag.Error {
			t.Errorf("%v[%s]", d.Severity, d.Rule)
		}
		got = append(got, fmt.Sprintf("%s: %s (%s)", d.Span, d.Message, d.Help))
	}
	want := []string{
		`portolan.hcl:3:14: there is no service "lumenvox-mediaserver" (did you mean "lumenvox-media-server"?)`,
		`portolan.hcl:8:22: lumenvox-media-server has no listener "rtpp" (did you mean "rtp"?)`,
		`portolan.hcl:8:30: lumenvox-media-server has no listener "mrcp" (its listeners are rtp and sip)`,
		`portolan.hcl:10:24: there is no service "nginx" (the services are lumenvox-media-server and sshd)`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// shipped are the policies that come with the program.
func shipped(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("../../policies/examples/*.hcl")
	if err != nil || len(names) < 2 {
		t.Fatalf("examples: %v, %v", names, err)
	}
	out := map[string][]byte{}
	for _, name := range append(names, "../../policies/default.hcl") {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(name)] = raw
	}
	return out
}

func TestShippedPoliciesLoad(t *testing.T) {
	for name, raw := range shipped(t) {
		p := load(t, string(raw))
		if bytes.ContainsFunc(raw, func(r rune) bool { return r > '~' }) {
			t.Errorf("%s is not ASCII", name)
		}
		for _, a := range p.Allows {
			if (name == "windows.hcl" || name == "default.hcl") && (a.Limit != Limit{} || p.Defaults.Log != ruleset.Rate{}) {
				t.Errorf("%s cannot be said on Windows", name)
			}
		}
	}
}

// hostile are texts that cost a careless reader its stack, memory or time.
func hostile() map[string]string {
	n := MaxSize / 2
	many := func(head, each, tail string) string {
		return head + strings.Repeat(each, (MaxSize-len(head)-len(tail))/len(each)) + tail
	}
	var zones, names strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&zones, "zone \"z%d\" { sources = [\"10.%d.%d.0/24\"] }\n", i, i/256, i%256)
		fmt.Fprintf(&names, "zone.y%d,", i)
	}
	return map[string]string{
		"brackets":    "x = " + strings.Repeat("[", n),
		"braces":      strings.Repeat("a {\n", n/2),
		"parentheses": "x = " + strings.Repeat("(", n),
		"nots":        "x = " + strings.Repeat("!", n),
		"minuses":     many("x = ", "- ", ""),
		"sums":        many("x = 1", "+1", ""),
		"conditions":  many("x = ", "a?b:", ""),
		"templates":   `x = "` + strings.Repeat(`${"`, n/2),
		"dots":        many("x = a", ".a", ""),
		"indexes":     many("x = a", "[0]", ""),
		"splats":      many("x = a", "[*]", ""),
		"closers":     strings.Repeat("}", n),
		"equals":      strings.Repeat("=", n),
		"quotes":      strings.Repeat(`"`, n),
		"lines":       strings.Repeat("a\n", n),
		"bad lines":   strings.Repeat("'\n", n),
		"labels":      many("allow ", `"x" `, "{}"),
		"blocks":      strings.Repeat("allow \"x\" {}\n", n/8),
		"words":       many(`allow "x" { listen = [`, `"ab",`, `] }`),
		"long word":   `allow "x" { service = "` + strings.Repeat("a", n) + `" }`,
		"zones":       zones.String() + `allow "x" { from = [` + names.String() + `] }`,
		"no UTF-8":    strings.Repeat("\xff", n),
		"too long":    strings.Repeat("#", MaxSize+1),
	}
}

func TestHostileTextsAreRefusedSoon(t *testing.T) {
	for name, text := range hostile() {
		begin := time.Now()
		p, list := Load(source.New("p", []byte(text)), nil)
		if p != nil || list.Max() != diag.Error || len(list) > maxFindings {
			t.Errorf("%s: %v with %d findings", name, p, len(list))
		}
		// Generous: a slow reader takes minutes, or dies.
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("%s took %v", name, took)
		} else {
			t.Logf("%-12s %6d KiB %v %q", name, len(text)>>10, took, list[0].Message)
		}
	}
}

// TestLimits holds texts that are valid and too large against the limits.
func TestLimits(t *testing.T) {
	var big strings.Builder
	big.WriteString(`zone "big" { sources = [`)
	for i := range 2000 {
		fmt.Fprintf(&big, `"10.%d.%d.1",`, i/256, i%256)
	}
	big.WriteString("] }\n")
	allows := func(n int, body string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "allow \"a%d\" { %s }\n", i, body)
		}
		return b.String()
	}
	load(t, big.String()+allows(100, "from = [zone.big]"))
	load(t, allows(MaxAllows, ""))
	for text, want := range map[string]string{
		big.String() + allows(101, "from = [zone.big]"): "the lists of all allows, denies and connects together hold more than 200000 address ranges",
		allows(MaxAllows+1, ""):                         "more than 1000 allows, denies and connects in one policy",
	} {
		if p, list := Load(source.New("p", []byte(text)), nil); p != nil || len(list) != 1 || list[0].Message != want {
			t.Errorf("want %s, got %v, %+v", want, p, list)
		}
	}
}

// TestLibraryReadsTheSame: which reader takes a text makes no difference, in the policy or in
// what is wrong with it. Pieces of policies are put together at random.
func TestLibraryReadsTheSame(t *testing.T) {
	same := func(text string) (plain bool) {
		f := source.New("portolan.hcl", []byte(text))
		p, list := Load(f, nil)
		slow, slowList := (&loader{file: f, slow: true}).load()
		if !reflect.DeepEqual(p, slow) || !reflect.DeepEqual(list, slowList) {
			t.Fatalf("%q: %+v, %+v\nand the library: %+v, %+v", text, p, list, slow, slowList)
		}
		_, plain = hclfile.Plain(f.Text, maxText, maxDepth)
		return plain
	}
	for name, text := range shipped(t) {
		if !same(string(text)) {
			t.Errorf("%s is left to the library, which is slow", name)
		}
	}
	if !same(design) {
		t.Error("the example is left to the library")
	}
	for _, n := range []int{maxText, maxText + 1} {
		long := strings.Repeat("1", n)
		for _, text := range []string{"allow \"a\" { ports = [\"%s\"] }\n", "allow \"%s\" { ports = [\"1/tcp\"] }\n", "allow \"a\" { ports = %s }\n", "a%s = 1\n", "a%s {\n}\n", "a = b.c%s\n", "a = c%s.b\n"} {
			same(fmt.Sprintf(text, long))
		}
	}
	for n := range maxDepth + 2 {
		same("allow \"a\" {\n ports = " + strings.Repeat("[", n) + strings.Repeat("]", n) + "\n}\n")
		same("a = " + strings.Repeat("[", n) + strings.Repeat("]", n) + "\n")
		same("a = " + strings.Repeat("{a=", n) + "1" + strings.Repeat("}", n) + "\n")
		same(strings.Repeat("a {\n", n) + strings.Repeat("}\n", n))
	}
	pieces := strings.Split("zone \"a\" {|zone \"b\" {\n|allow \"c\" {\n|allow|deny \"d\" {|connect|default {\n|ignore \"e\" {|}|}\n|\n|\n|"+
		" sources = [\"10.0.0.0/8\"]\n| from = [zone.a]\n| from = [zone.a, \"::1\",\n]\n| ports = [\"22/tcp\", \"5060-5070/udp\"]\n| service = \"sshd\"\n| reason = \"x\"\n| notrack = true\n| notrack = false |"+
		" input = \"drop\"\n|=|==|:|;|,|.|(|)|f(1)|{|[|]|\"|\"x\"|\"$\"|\"${x}\"|\"%\"|'x'|1|1.5|-|null|zone.a|<<E\nx\nE\n|# c\n|// é\n|/* c */|/*|é|\r|\t|\x00|\xef\xbb\xbf|\xff|“", "|")
	random, plain := rand.New(rand.NewPCG(3, 4)), 0
	for range 10_000 {
		text := ""
		for range 1 + random.IntN(12) {
			text += pieces[random.IntN(len(pieces))]
		}
		if same(text + "\n") {
			plain++
		}
	}
	if plain < 200 {
		t.Errorf("%d texts were plain", plain)
	}
}

// FuzzLoad holds every text, and every file of addresses, against what Load promises: no
// panic, a policy exactly when nothing is an error, places inside the files, one line for
// each message.
func FuzzLoad(f *testing.F) {
	add := func(raw []byte) { f.Add(raw, []byte("10.0.0.1 # one\n")) }
	add([]byte(design))
	for _, raw := range shipped(f) {
		add(raw)
	}
	const all = "zone \"a\" {\n  sources = [\"10.0.0.0/8\", zone.b]\n  except = [\"10.1.0.0/16\"]\n}\nzone \"b\" { files = [\"x\"] }\n" +
		"deny \"c\" {\n  from = [zone.b, \"::1\"]\n  log = \"1/second\"\n}\nallow \"d\" {\n  ports = [\"1-2/udp\"]\n  notrack = true\n}\n" +
		"allow \"e\" {\n  protocols = [\"esp\", \"99\"]\n  interfaces = [\"eth0\"]\n  connections = \"2 per source\"\n}\n" +
		"connect \"f\" { to = [zone.a] }\ndefault {\n  output = \"drop\"\n  ipv6 = \"off\"\n}\n"
	for _, file := range []string{"", "10.0.0.1\n10.0.0.0/9\r\n;x\n::1-::9\n", "\xef\xbb\xbf10.0.0.1", "\x7fELF\x00", "<html>\n<b>\n", "fe80::1%eth0"} {
		f.Add([]byte(all), []byte(file))
	}
	add([]byte("zone a { sources = [\"fe80::1%eth0-fe80::2\"] }\nallow b {\n  from = [zone.a]\n  ports = [\"1-2/tcp\"]\n}\n"))
	add([]byte("\xff\xfea\x00l\x00"))
	f.Fuzz(func(t *testing.T, raw, addresses []byte) {
		file, named := source.New("p", raw), source.New("x", addresses)
		p, list := Load(file, func(string) (*source.File, error) { return named, nil })
		if slow, slowList := (&loader{file: file, open: func(string) (*source.File, error) { return named, nil }, slow: true}).load(); !reflect.DeepEqual(p, slow) || !reflect.DeepEqual(list, slowList) {
			t.Fatalf("%+v, %+v\nand the library: %+v, %+v", p, list, slow, slowList)
		}
		if (p == nil) != (list.Max() == diag.Error) {
			t.Fatalf("policy %v with findings %+v", p, list)
		}
		for _, d := range list {
			if d.Rule == "" || d.Message == "" || strings.ContainsAny(d.Message+d.Help, "\n\r\x00\x1b") || strings.HasSuffix(d.Message, ".") {
				t.Errorf("message %q, help %q", d.Message, d.Help)
			}
			if at := d.Span.File; at != file && at != named || d.Span.Start > d.Span.End || d.Span.End > len(at.Text) {
				t.Errorf("place %d-%d of %s", d.Span.Start, d.Span.End, d.Span.Name())
			}
		}
		if p == nil {
			return
		}
		for _, z := range p.Zones {
			if z.Sources.IsEmpty() || !isName(z.Name.Text) {
				t.Errorf("zone %q with %v", z.Name.Text, z.Sources)
			}
		}
		for _, a := range p.Allows {
			if a.Sources.IsEmpty() || !isName(a.Name.Text) || a.Name.Span.Text() != a.Name.Text && !strings.Contains(string(file.Text), `\`) {
				t.Errorf("allow %q at %q from %v", a.Name.Text, a.Name.Span.Text(), a.Sources)
			}
			if len(a.Ports) > 0 && a.Service.Text != "" || len(a.Listen) > 0 && a.Service.Text == "" {
				t.Errorf("a mix: %+v", a)
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	large := "zone \"ops\" { sources = [\"10.1.0.0/24\"] }\n"
	for i := range MaxAllows {
		large += fmt.Sprintf("allow \"svc-%d\" {\n  ports = [\"%d/tcp\"]\n  from = [zone.ops]\n}\n", i, 1024+6*i)
	}
	for name, text := range map[string]string{"small": design, "large": large} {
		f := source.New("portolan.hcl", []byte(text))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if p, _ := Load(f, nil); p == nil {
					b.Fatal("no policy")
				}
			}
		})
	}
}
