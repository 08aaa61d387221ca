package render

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/quoted"
	"portolan/internal/ruleset"
)

func iptables(t fatalf) Backend {
	b, err := Find("iptables")
	if err != nil {
		t.Fatalf("%v", err)
	}
	return b
}

// formOf is b with one of its forms only, so that what works on a backend works on it.
func formOf(t fatalf, b Backend, name string) Backend {
	f, err := b.Form(name)
	if err != nil {
		t.Fatalf("%v", err)
	}
	b.Forms = []Form{f}
	return b
}

// voiceHost is limitedHost with connections that are counted, media without connection
// tracking, and a filter for what leaves.
func voiceHost() *ruleset.Ruleset {
	rs := limitedHost()
	calls := service("calls", "asterisk sip-tls etc/asterisk/pjsip.conf:14", port.TCP, "5061", sources("192.0.2.0/24", "2001:db8:7::/64"))
	calls.Effect.Connections = ruleset.Connections{Count: 20, PerSource: true, Name: "calls"}
	more := service("calls", "asterisk ws etc/asterisk/http.conf:5", port.TCP, "8088,8090-8099", addr.All())
	more.Effect.Connections = calls.Effect.Connections
	desk := service("desk", "asterisk ami etc/asterisk/manager.conf:3", port.TCP, "5038", sources("10.1.0.0/24"))
	desk.Effect.Connections = ruleset.Connections{Count: 3, Name: "desk"}
	desk.Effect.Limit = ruleset.Limit{Rate: ruleset.Rate{Count: 1, Period: "second"}, Burst: 4, Name: "desk"}
	last := len(rs.Input.Rules) - 1
	rs.Input.Rules = append(rs.Input.Rules[:last:last], calls, more, desk, rs.Input.Rules[last])
	rs.Untracked = port.Of(port.Range{First: 25000, Last: 25399})
	from := func(r ruleset.Rule, ports string) ruleset.Rule {
		set, err := port.Parse(ports)
		if err != nil {
			panic(err)
		}
		r.Match.SourcePorts = set
		return r
	}
	rs.Output = ruleset.Chain{Default: ruleset.Drop, Rules: []ruleset.Rule{
		{Name: "established", Effect: ruleset.Effect{Verdict: ruleset.Accept}, Match: match(func(m *ruleset.Match) { m.States = ruleset.Established | ruleset.Related })},
		{Name: "loopback", Effect: ruleset.Effect{Verdict: ruleset.Accept}, Match: match(func(m *ruleset.Match) { m.Interfaces = ruleset.InterfacesOf(ruleset.Loopback) })},
		service("dns", "", port.UDP, "53", sources("10.1.0.53", "2001:db8:1::53")),
		service("update", "", port.TCP, "80,443", addr.All()),
		from(service("media", "lumenvox-media-server rtp etc/lumenvox/media_server.conf:36", port.UDP, "0-65535", addr.All()), "25000-25399"),
		from(service("trunks", "asterisk sip etc/asterisk/pjsip.conf:4", port.UDP, "5060", sources("192.0.2.0/24")), "5060,5080"),
	}}
	return rs
}

// peers are n networks and hosts of both families that no shorter list says.
func peers(n int) addr.Set {
	var out []addr.Range
	for i := range n {
		a := netip.AddrFrom4([4]byte{203, byte(i >> 12), byte(i >> 4), byte(i<<4) + 3})
		b := netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 4: byte(i >> 16), byte(i >> 8), byte(i), 1})
		out = append(out, addr.Range{First: a, Last: a}, addr.Range{First: b, Last: b})
		if i%5 == 0 {
			out[len(out)-1] = addr.Of(netip.PrefixFrom(b, 64)).Ranges()[0]
		}
	}
	return addr.OfRanges(out...)
}

// longHost lets a long list of carriers in, twice, and reach one of them.
func longHost() *ruleset.Ruleset {
	rs := plainHost()
	list := peers(manyPrefixes + 6)
	rs.Input.Rules = append(rs.Input.Rules,
		service("carriers", "asterisk sip etc/asterisk/pjsip.conf:4", port.UDP, "5070", list),
		service("carriers", "asterisk sip-tls etc/asterisk/pjsip.conf:14", port.TCP, "5061,5071", list),
		service("branches", "", port.TCP, "8443", peers(manyPrefixes-1)))
	rs.Output = ruleset.Chain{Default: ruleset.Accept, Rules: []ruleset.Rule{service("abuse", "", port.TCP, "25", list)}}
	rs.Output.Rules[0].Effect.Verdict = ruleset.Drop
	return rs
}

// TestGoldenIptables holds both forms against files, and proves the files.
func TestGoldenIptables(t *testing.T) {
	for name, rs := range map[string]*ruleset.Ruleset{"iptables-voice": voiceHost(), "iptables-long": longHost()} {
		for _, form := range iptables(t).Forms {
			b := formOf(t, iptables(t), form.Name)
			out, ok := prove(t, b, rs)
			if !ok {
				t.Fatalf("%s: refused", name)
			}
			if out[0].Program && name == "iptables-voice" {
				continue // that of the long list has all that the script can hold
			}
			for i, o := range out {
				out[i].Data = golden(t, filepath.Join("..", "testdata", "golden", name, o.Name), o.Data)
			}
			back, err := readBack(b.Name, out)
			if err != nil {
				t.Fatal(err)
			}
			if c := ruleset.Equivalent(rs, back); c != nil {
				t.Errorf("%s: %s", name, c.Words("the ruleset", "the golden file"))
			}
		}
	}
}

// TestIptablesScriptProgram tells the new hash when the program of the script has changed,
// and holds that nothing of a policy is in it.
func TestIptablesScriptProgram(t *testing.T) {
	b := formOf(t, iptables(t), "script")
	for _, s := range nasty {
		rs := voiceHost()
		rs.Files = []string{s}
		for i := range rs.Input.Rules {
			rs.Input.Rules[i].Name, rs.Input.Rules[i].Comment = s, s
		}
		out, _, err := b.Forms[0].Files(rs, Header{Program: s, Policy: s})
		if err != nil {
			t.Fatal(err)
		}
		if !out[0].Program {
			t.Error("the script is not to be executed")
		}
		back, err := readBack(b.Name, out)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if c := ruleset.Equivalent(rs, back); c != nil {
			t.Errorf("%q: %s", s, c.Words("the ruleset", "the script"))
		}
	}
}

// TestIptablesScriptQuotesOnlyData: the script's template prints values through quoting
// functions, and those of a policy in here-documents and comments only.
func TestIptablesScriptQuotesOnlyData(t *testing.T) {
	bare, all := quoted.Bare(parsed("iptables-script.tmpl", iptQuoting()), iptQuoting())
	if len(bare) > 0 || all < 6 {
		t.Errorf("%d actions, of which are bare: %q", all, bare)
	}
	for _, text := range []string{"EOF\n", "a\nEOF\nb\n", " EOF \n", "a"} {
		if got, err := quoteHeredoc("EOF", text); err == nil {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// TestIptablesScriptRefuses: a change of the program, and data at another place, are seen.
func TestIptablesScriptRefuses(t *testing.T) {
	out, _ := prove(t, formOf(t, iptables(t), "script"), longHost())
	text := string(out[0].Data)
	for _, c := range []struct{ old, new, words string }{
		{"set -eu\n", "set -u\n", "the code around"},
		{"\tcat <<'PORTOLAN_RULES_V4'\n", "\tcat <<PORTOLAN_RULES_V4\n", ""},
		{"\nPORTOLAN_RULES_V4\n", "\n PORTOLAN_RULES_V4\n", "ends before"},
		{"\nPORTOLAN_RULES_V4\n", "\nPORTOLAN_RULES_V4\nreboot\n", "the code around"},
		{"\nPORTOLAN_SETS\n", "\nPORTOLAN_SETS\n*filter\n", "the code around"},
		{"# From here", "iptables -F\n# From here", "the code around"},
		{"main \"$@\"\n", "main \"$@\"", "line end"},
		{"main \"$@\"\n", "main \"$@\"\n\n", "the code around"},
		{"# policy:", "#\rreboot", "printable"},
		{"# policy:", "reboot #", "the code around"},
		{"#!/bin/sh\n", "#!/bin/bash\n", ""},
		{"COMMIT\n*raw", "COMMIT\n\\EOF\n*raw", "not a line"},
	} {
		changed := strings.Replace(text, c.old, c.new, 1)
		if changed == text {
			t.Fatalf("%q is not in the script", c.old)
		}
		_, err := readBack("iptables", []Output{{Name: "p.sh", Data: []byte(changed)}})
		if err == nil || !strings.Contains(err.Error(), c.words) || !strings.HasPrefix(err.Error(), "p.sh") {
			t.Errorf("%q for %q: %v, want words about %q", c.new, c.old, err, c.words)
		}
	}
}

// TestIptablesShape holds what the text must look like where more than one form would
// mean the same.
func TestIptablesShape(t *testing.T) {
	text := func(rs *ruleset.Ruleset) (v4, v6, sets string) {
		out, ok := prove(t, iptables(t), rs)
		if !ok {
			t.Fatal("refused")
		}
		if len(out) == 3 {
			sets = string(out[2].Data)
		}
		return string(out[0].Data), string(out[1].Data), sets
	}
	// All lines that share a count lead to the one rule that counts.
	v4, v6, sets := text(voiceHost())
	if sets != "" {
		t.Error("sets for short lists")
	}
	for _, s := range []string{v4, v6} {
		if n := strings.Count(s, "--connlimit-upto 20"); n != 1 {
			t.Errorf("%d rules count the calls", n)
		}
		if strings.Index(s, "*filter") > strings.Index(s, "*raw") {
			t.Error("raw before filter")
		}
	}
	if n := strings.Count(v4, "-j PL-CONN-calls"); n != 2 {
		t.Errorf("%d lines lead to the count", n)
	}
	if !strings.Contains(v4, "--connlimit-upto 3 --connlimit-mask 0 --connlimit-saddr -m hashlimit ") {
		t.Error("the limit is not asked behind the connections")
	}
	// Nothing hooks what is not there.
	if v4, _, _ := text(plainHost()); strings.Contains(v4, "-I OUTPUT") || strings.Contains(v4, "-t raw") {
		t.Error("a hook for nothing")
	}
	// A set follows from its content, and only from it.
	v4, _, sets = text(longHost())
	other := longHost()
	other.Input.Rules = append(other.Input.Rules, service("new", "", port.TCP, "9", peers(manyPrefixes+7)))
	_, _, both := text(other)
	if strings.Count(sets, "create ") != 2 || strings.Count(both, "create ") != 4 || !strings.Contains(v4, "-m set --match-set pl-") {
		t.Errorf("sets\n%s", sets)
	}
	for line := range strings.Lines(sets) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(both, line) {
			t.Errorf("another list changes %q", line)
		}
	}
	// Many elements need room.
	big := plainHost()
	big.Input.Rules = append(big.Input.Rules, service("big", "", port.TCP, "9", peers(70_000).Intersect(addr.V6())))
	out, _, err := iptables(t).Forms[0].Files(big, testHeader) // not proved: it would take seconds
	if err != nil || len(out) != 3 {
		t.Fatalf("%d files, %v", len(out), err)
	}
	if _, err := readBack("iptables", out); err != nil {
		t.Error(err)
	}
	if !bytes.Contains(out[2].Data, []byte("hashsize 131072 maxelem 70000\n")) {
		t.Error("a set has no room for its elements")
	}
}

// TestIptablesRefusals holds what iptables in particular cannot count.
func TestIptablesRefusals(t *testing.T) {
	together, one := ruleset.Connections{Count: 5, Name: "x"}, ruleset.Connections{Count: 5, Name: "x", PerSource: true}
	limit := ruleset.Limit{Rate: ruleset.Rate{Count: 1, Period: "second"}, Burst: 1, PerSource: true, Name: "l"}
	rule := func(from addr.Set, c ruleset.Connections, l ruleset.Limit) ruleset.Rule {
		r := service("odd", "", port.TCP, "7000", from)
		r.Effect.Connections, r.Effect.Limit = c, l
		return r
	}
	for _, c := range []struct {
		rules []ruleset.Rule
		words string
	}{
		{[]ruleset.Rule{rule(addr.V4(), together, ruleset.Limit{})}, ""},
		{[]ruleset.Rule{rule(addr.All(), one, limit)}, ""},
		{[]ruleset.Rule{rule(addr.All(), together, ruleset.Limit{})}, "IPv4 and IPv6 together"},
		{[]ruleset.Rule{rule(addr.V4(), together, ruleset.Limit{}), rule(addr.V6(), together, ruleset.Limit{})}, "IPv4 and IPv6 together"},
		{[]ruleset.Rule{rule(addr.V4(), one, ruleset.Limit{}), rule(addr.V4(), one, limit)}, "two limits"},
	} {
		rs := plainHost()
		rs.Input.Rules = append(rs.Input.Rules, c.rules...)
		out, findings, err := iptables(t).Forms[0].Files(rs, testHeader)
		if err != nil || (c.words == "") != (len(findings) == 0) || (out == nil) != (len(findings) > 0) {
			t.Errorf("%v, %v", findings, err)
		} else if c.words != "" && !strings.Contains(fmt.Sprint(findings), c.words) {
			t.Errorf("%v do not say %q", findings, c.words)
		}
	}
}
