package verify

import (
	"strings"
	"testing"

	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

const v4Text = `*filter
:PL-IN - [0:0]
:PL-OUT - [0:0]
:PL-a - [0:0]
-A PL-IN -p tcp -m multiport --dports 22,80:90 -m comment --comment "x \"y\"" -j PL-a
-A PL-IN -m comment --comment end -j DROP
-A PL-a -s 10.0.0.0/8 -m comment --comment a -j ACCEPT
COMMIT
` + rawText

// rawText is the table of a text that leaves connection tracking alone.
const rawText = `*raw
:PL-RAW-IN - [0:0]
:PL-RAW-OUT - [0:0]
COMMIT
`

const v6Text = "*filter\n:PL-IN - [0:0]\n:PL-OUT - [0:0]\nCOMMIT\n" + rawText

// parseIptables reads two restore files of ours whose families are known.
func parseIptables(v4, v6 *source.File) (*ruleset.Ruleset, error) {
	t := &iptTexts{sets: map[string]*iptSet{}, others: map[string]bool{}, families: map[int]*iptFamily{}}
	rs := &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Accept}}
	r := &iptReader{rs: rs, sets: t.sets, together: map[string]int{}}
	for i, f := range []*source.File{v4, v6} {
		family := &iptFamily{number: 4 + 2*i, file: f}
		for l := range lines(f) {
			family.lines = append(family.lines, l)
		}
		if err := r.family(family); err != nil {
			return nil, err
		}
	}
	return rs, nil
}

func TestIptablesMeaning(t *testing.T) {
	rs, err := parseIptables(source.New("v4", []byte(v4Text)), source.New("v6", []byte(v6Text)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		p    ruleset.Packet
		want ruleset.Verdict
	}{
		{packet("10.1.1.1", port.TCP, 22), ruleset.Accept},
		{packet("10.1.1.1", port.TCP, 91), ruleset.Drop},
		{packet("11.1.1.1", port.TCP, 22), ruleset.Drop},
		{packet("10.1.1.1", port.UDP, 22), ruleset.Drop},
		{packet("2001:db8::1", port.TCP, 22), ruleset.Accept}, // nothing in rules.v6 drops it
	} {
		if got := rs.Decide(c.p).Verdict(); got != c.want {
			t.Errorf("%s: %s, want %s", c.p, got, c.want)
		}
	}
}

// TestIptablesProtocolNames: iptables-save prints the names of the host for whole protocols.
func TestIptablesProtocolNames(t *testing.T) {
	for name, want := range map[string]uint8{"gre": 47, "esp": 50, "ospf": 89, "vrrp": 112, "sctp": 132, "udplite": 136, "99": 99} {
		if got, ok := iptProto(name); !ok || got != only(want) {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"ip", "hopopt", "0", "256", "grE"} {
		if _, ok := iptProto(name); ok {
			t.Errorf("%s is understood", name)
		}
	}
}

func TestIptablesRefuses(t *testing.T) {
	for _, c := range []struct{ old, new, words string }{
		{"*filter", "*nat", "not a line"},
		{"*filter", "*raw", "second table"},
		{":PL-a - [0:0]", ":INPUT ACCEPT [0:0]", "not declared"},
		{":PL-a - [0:0]\n", "", "not declared"},
		{":PL-a - [0:0]", ":XX-a - [0:0]", "not a chain"},
		{"-j PL-a", "-j PL-IN", "not understood"},
		{"-j PL-a", "-g PL-a", "not understood"},
		{"-j ACCEPT", "-j PL-a", "circle"},
		{"-j ACCEPT", "-j ACCEPT -m tcp", "behind the target"},
		{"-j DROP", "-j REJECT", "not understood"},
		{"-p tcp", "! -p tcp", "not understood"},
		{"-p tcp", "-p 0", "not understood"},
		{"80:90", "90:80", "not understood"},
		{"80:90", "80:65536", "not understood"},
		{"22,80:90", "1:2,3:4,5:6,7:8,9:10,11:12,13:14,15:16", "not understood"},
		{"-s 10.0.0.0/8", "-s 10.0.0.1/8", "not understood"},
		{"-s 10.0.0.0/8", "-s 2001:db8::/32", "not understood"},
		{"-s 10.0.0.0/8", "-d 10.0.0.0/8", "packets that go in"},
		{`"x \"y\""`, `"x \"y\"`, "not understood"},
		{"COMMIT\n*raw", "*raw", "not a line"},
		{rawText, rawText[:len(rawText)-7], "ends before COMMIT"},
		{rawText, rawText[:len(rawText)-1], "line end"},
		{"COMMIT\n", "COMMIT\n*nat\nCOMMIT\n", "not a line"},
		{rawText, "", "table raw"},
		{":PL-RAW-OUT - [0:0]\n", "", "PL-RAW-OUT"},
		{":PL-OUT - [0:0]\n", "", "PL-OUT"},
		{":PL-OUT - [0:0]\n", ":PL-OUT - [0:0]\n:PL-OUT - [0:0]\n", "declared twice"},
		{"COMMIT\n", "COMMIT \n", "not a line"},
		{"COMMIT\n", "COMMIT\r\n", "carriage return"},
		{"*filter\n", "*filter\n  \n", "blanks"},
		{"*filter\n", "*filter\n # x\n", "not a line"},
		{"-A PL-a -s", "-A PL-a -s 10.0.0.0/8 -s", "not understood"},
		{"-p tcp -m multiport", "-p tcp -m tcp --sport 1 --sport 2 -m multiport", "not understood"},
		{"-p tcp -m multiport", "-p tcp -m tcp -m multiport", "not understood"},
		{"-p tcp -m multiport", "-p tcp -m multiport --dports 1 -m multiport", "not understood"},
		{"-p tcp -m multiport", "-p tcp -m udp --sport 1 -m multiport", "not understood"},
		{"-p tcp -m multiport", "-p tcp -o eth0 -m multiport", "packets that go in"},
		{"-p tcp -m multiport", "-p tcp -m set --match-set pl-x-4 src -m multiport", "not understood"},
		{"-m comment --comment a", "-m connlimit --connlimit-upto 5 --connlimit-mask 32 --connlimit-saddr -m comment --comment a", "chain of their own"},
		{"-m comment --comment a", "-m connlimit --connlimit-upto 5 --connlimit-mask 24 --connlimit-saddr -m comment --comment a", "not understood"},
		{"-m comment --comment a", "-m connlimit --connlimit-above 5 --connlimit-mask 32 --connlimit-saddr -m comment --comment a", "not understood"},
		{"-j ACCEPT", "-j CT --notrack", "not understood"},
		{":PL-RAW-OUT - [0:0]\n", ":PL-RAW-OUT - [0:0]\n-A PL-RAW-OUT -p udp -m udp --sport 5 -j CT --notrack\n", "PL-RAW-OUT of IPv4 keeps"},
		{":PL-RAW-OUT - [0:0]\n", ":PL-RAW-OUT - [0:0]\n-A PL-RAW-OUT -p udp -m udp --dport 5 -j CT --notrack\n", "local UDP"},
		{":PL-RAW-OUT - [0:0]\n", ":PL-RAW-OUT - [0:0]\n-A PL-RAW-OUT -p tcp -m tcp --sport 5 -j CT --notrack\n", "local UDP"},
		{":PL-RAW-OUT - [0:0]\n", ":PL-RAW-OUT - [0:0]\n-A PL-RAW-OUT -p udp -m udp --sport 5 -j ACCEPT\n", "not understood"},
		{"-A PL-a", "-I PL-a", "not a line"},
		{"-A PL-a", "-A PL-b", "not declared"},
		{"--comment end", "--comment " + strings.Repeat("x", 10_000), "bytes"},
	} {
		text := strings.Replace(v4Text, c.old, c.new, 1)
		if text == v4Text {
			t.Fatalf("%q is not in the text", c.old)
		}
		_, err := parseIptables(source.New("v4", []byte(text)), source.New("v6", []byte(v6Text)))
		if err == nil || !strings.Contains(err.Error(), c.words) || !strings.HasPrefix(err.Error(), "v4") {
			t.Errorf("%q for %q: %v, want words about %q", c.new, c.old, err, c.words)
		}
	}
}

func FuzzIptables(f *testing.F) {
	f.Add(v4Text, v6Text)
	v4, v6 := golden(f, "rules.v4"), golden(f, "rules.v6")
	for i := range v4 {
		f.Add(v4[i], v6[i])
	}
	f.Fuzz(func(t *testing.T, v4, v6 string) {
		rs, err := parseIptables(source.New("f4", []byte(v4)), source.New("f6", []byte(v6)))
		checkFuzzed(t, rs, err)
		both := "# ==== rules.v4 ====\n" + v4 + "\n# ==== rules.v6 ====\n" + v6
		_, again := Read("iptables", []*source.File{source.New("f", []byte(both))})
		if (again == nil) != (rs != nil) && !strings.Contains(v4+v6, "# ==== ") && strings.HasSuffix(v4, "\n") && strings.HasSuffix(v6, "\n") {
			t.Errorf("one text and two files differ: %v", again)
		}
	})
}

// host is what iptables-save lists where the text is loaded among the chains of others.
func host(text, program string, hooks ...string) string {
	begin := "# Generated by " + program + " v1.8.9 on Thu Nov 26 00:58:10 2026\n"
	filter := strings.Replace(text[:strings.Index(text, "*raw")], "*filter\n", begin+"*filter\n:INPUT DROP [12:3456]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:f2b-sshd - [0:0]\n:ufw caf\u00e9 - [0:0]\n", 1)
	filter = strings.Replace(filter, "COMMIT\n", "-A INPUT -p tcp -m weird --x \"y -j PL-IN\" -j f2b-sshd\n"+strings.Join(hooks, "")+"-A f2b-sshd -s 192.0.2.1/32 -j REJECT --reject-with icmp-port-unreachable\n-A f2b-sshd -j RETURN\nCOMMIT\n# Completed on Thu Nov 26\n", 1)
	return begin + "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DNAT --to-destination x\nCOMMIT\n" + filter
}

const (
	hookIn  = "-A INPUT -j PL-IN\n"
	hookOut = "[3:4] -A OUTPUT -m comment --comment \"of ours\" -j PL-OUT\n"
)

// TestIptablesOfAHost: what a host lists means what our chains do, whatever stands beside
// them, and in every form in which it is listed.
func TestIptablesOfAHost(t *testing.T) {
	want, err := parseIptables(source.New("v4", []byte(v4Text)), source.New("v6", []byte(v6Text)))
	if err != nil {
		t.Fatal(err)
	}
	one, two := host(v4Text, "iptables-save", hookIn), host(v6Text, "ip6tables-nft-save")
	listed := func(text string, hooks string) string {
		filter, raw, _ := strings.Cut(text, "*raw\n")
		for _, s := range [][2]string{{"*filter\n", "-P INPUT ACCEPT\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n"}, {"\n:", "\n-N "}, {" - [0:0]", ""}, {"COMMIT\n", hooks}} {
			filter = strings.ReplaceAll(filter, s[0], s[1])
		}
		for _, s := range [][2]string{{":PL", "-N PL"}, {" - [0:0]", ""}, {"COMMIT\n", ""}} {
			raw = strings.ReplaceAll(raw, s[0], s[1])
		}
		return filter + "-P PREROUTING ACCEPT\n-P OUTPUT ACCEPT\n" + raw
	}
	for name, texts := range map[string][]string{
		"two files":             {one, two},
		"the other order":       {two, one},
		"one text":              {one + two},
		"marked":                {"# ==== rules.v6 ====\n" + two + "# ==== rules.v4 ====\n" + one},
		"counters":              {strings.ReplaceAll(one, "-A PL-", "[5:600] -A PL-"), two},
		"counters of -S":        {strings.ReplaceAll(one, " -j DROP", " -c 5 600 -j DROP"), two},
		"a chain of an old one": {strings.Replace(one, ":PL-a -", ":PL-old - [0:0]\n:PL-a -", 1) + "", two},
		"white space":           {strings.ReplaceAll(one, " -m comment", " \t -m  comment"), two},
		"a host and a file":     {one, v6Text},
		"-S":                    {listed(v4Text, hookIn), "# ==== rules.v6 ====\n" + listed(v6Text, "")},
	} {
		var files []*source.File
		for _, text := range texts {
			files = append(files, source.New("host", []byte(text)))
		}
		rs, err := Read("iptables", files)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, texts[0])
		} else if c := ruleset.Equivalent(want, rs); c != nil {
			t.Errorf("%s: %s", name, c.Words("the files", "the host"))
		}
		if Detect(files[0]) != "iptables" {
			t.Errorf("%s: not told to be for iptables", name)
		}
	}
	for name, c := range map[string]struct {
		texts []string
		words string
	}{
		"no hook":                  {[]string{host(v4Text, "iptables-save"), two}, "nothing leads to it"},
		"a hook under a condition": {[]string{host(v4Text, "iptables-save", "-A INPUT -i eth0 -j PL-IN\n"), two}, "nothing leads to it"},
		"a hook of another":        {[]string{host(v4Text, "iptables-save", "-A FORWARD -j PL-IN\n"), two}, "nothing leads to it"},
		"a goto":                   {[]string{host(v4Text, "iptables-save", "-A INPUT -g PL-IN\n"), two}, "nothing leads to it"},
		"no hook for what leaves":  {[]string{host(strings.Replace(v4Text, "-A PL-a", "-A PL-OUT -j DROP\n-A PL-a", 1), "iptables-save", hookIn), two}, "-A OUTPUT -j PL-OUT"},
		"no IPv6":                  {[]string{one}, "no rules for IPv6"},
		"no IPv4":                  {[]string{two}, "no rules for IPv4"},
		"nothing of ours":          {[]string{strings.ReplaceAll(one, "PL-", "XX-"), two}, "PL-IN"},
		"twice IPv4":               {[]string{v4Text, v4Text}, "already"},
		"nothing tells":            {[]string{v6Text, v6Text}, "tells IPv4 from IPv6"},
		"both in one":              {[]string{strings.Replace(v4Text, "-A PL-a", "-A PL-a -s 2001:db8::/32 -j DROP\n-A PL-a", 1), v6Text}, "one text"},
		"a rule of others in ours": {[]string{strings.Replace(one, "-A PL-a", "-A PL-IN -j f2b-sshd\n-A PL-a", 1), two}, "not understood"},
		"twice the filter":         {[]string{one + one, two}, "second table"},
		"a third part":             {[]string{"# ==== rules.v5 ====\n"}, "not known"},
		"-S without raw":           {[]string{"-P INPUT ACCEPT\n-N PL-IN\n-A INPUT -j PL-IN\n-A PL-IN -s 10.0.0.0/8 -j DROP\n", two}, "table raw"},
	} {
		var files []*source.File
		for _, text := range c.texts {
			files = append(files, source.New("host", []byte(text)))
		}
		if _, err := Read("iptables", files); err == nil || !strings.Contains(err.Error(), c.words) || !strings.HasPrefix(err.Error(), "host") {
			t.Errorf("%s: %v, want words about %q", name, err, c.words)
		}
	}
}

const setText = `create pl-0-4 hash:net family inet hashsize 1024 maxelem 65536
add pl-0-4 10.0.0.0/8
add pl-0-4 192.0.2.1
`

// setV4Text asks for a set.
var setV4Text = strings.Replace(v4Text, "-s 10.0.0.0/8", "-m set --match-set pl-0-4 src", 1)

func TestIptablesSets(t *testing.T) {
	read := func(v4, sets string) (*ruleset.Ruleset, error) {
		return Read("iptables", []*source.File{source.New("rules.ipset", []byte(sets)), source.New("rules.v6", []byte(v6Text)), source.New("v4", []byte(v4))})
	}
	for _, sets := range []string{
		setText, "# x\n" + setText, "create other bitmap:port range 0-5\nadd other 3\n" + setText,
		strings.Replace(setText, "65536", "65536 bucketsize 12 initval 0x0123abcd", 1),
	} {
		rs, err := read(setV4Text, sets)
		if err != nil {
			t.Error(err)
			continue
		}
		for from, want := range map[string]ruleset.Verdict{"10.9.9.9": ruleset.Accept, "192.0.2.1": ruleset.Accept, "192.0.2.2": ruleset.Drop} {
			if got := rs.Decide(packet(from, port.TCP, 22)).Verdict(); got != want {
				t.Errorf("%s: %s, want %s", from, got, want)
			}
		}
	}
	for _, c := range []struct{ old, new, words string }{
		{"10.0.0.0/8", "10.0.0.1/8", "not an element"},
		{"10.0.0.0/8", "0.0.0.0/0", "not an element"},
		{"10.0.0.0/8", "2001:db8::/32", "not an element"},
		{"10.0.0.0/8", "10.0.0.1-10.0.0.9", "not an element"},
		{"10.0.0.0/8", "10.0.0.0/8 nomatch", "not a line"},
		{"family inet ", "family inet6 ", "not an element"},
		{"hash:net", "hash:ip", "not a set"},
		{"hash:net", "hash:net,port", "not a set"},
		{"maxelem 65536", "maxelem 1", "more elements"},
		{"maxelem 65536", "maxelem 65536 timeout 60", "not understood"},
		{"maxelem 65536", "maxelem 65536 comment", "not a set"},
		{"add pl-0-4 10", "add pl-1-4 10", "created before"},
		{"add pl-0-4 10", "del pl-0-4 10", "not a line"},
		{"create", "create pl-0-4 hash:net family inet\ncreate", "twice"},
		{"add", "flush pl-0-4\nadd", "not a line"},
		{"create pl-0-4", "create pl-1-4", "created before"},
		{"add pl-0-4 10", "add add pl-0-4 10", "created before"},
		{"add pl-0-4 10", "add  10", "not a line"},
		{"add pl-0-4 10", "add other 10", "created before"},
	} {
		changed := strings.Replace(setText, c.old, c.new, 1)
		if changed == setText {
			t.Fatalf("%q is not in the text", c.old)
		}
		if _, err := read(setV4Text, changed); err == nil || !strings.Contains(err.Error(), c.words) || !strings.HasPrefix(err.Error(), "rules.ipset:") {
			t.Errorf("%q for %q: %v, want words about %q", c.new, c.old, err, c.words)
		}
	}
	if _, err := read(strings.Replace(setV4Text, "pl-0-4", "pl-1-4", 1), setText); err == nil || !strings.HasPrefix(err.Error(), "v4:") {
		t.Errorf("a set that is not there: %v", err)
	}
}

// FuzzIptablesHost gives the reader any text beside one that is right.
func FuzzIptablesHost(f *testing.F) {
	f.Add(host(v4Text, "iptables-save", hookIn, hookOut), setText)
	f.Add(setV4Text, setText)
	f.Add("-P INPUT ACCEPT\n-N PL-IN\n-A INPUT -j PL-IN\n-P PREROUTING ACCEPT\n", "")
	for _, text := range golden(f, "portolan-iptables.sh") {
		f.Add(text, "")
	}
	f.Fuzz(func(t *testing.T, one, sets string) {
		for _, files := range [][]*source.File{
			{source.New("a", []byte(one)), source.New("rules.v6", []byte(v6Text))},
			{source.New("a", []byte(one)), source.New("rules.v6", []byte(v6Text)), source.New("rules.ipset", []byte(sets))},
			{source.New("a", []byte(one))},
		} {
			rs, err := Read("iptables", files)
			checkFuzzed(t, rs, err)
		}
	})
}
