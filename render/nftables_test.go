package render

import (
	"strings"
	"testing"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// nftText is rs in one form of nftables.
func nftText(t *testing.T, form string, rs *ruleset.Ruleset) string {
	t.Helper()
	f, err := Backends[0].Form(form)
	if err != nil {
		t.Fatal(err)
	}
	out, ok := proveForm(t, Backends[0], f, rs)
	if !ok {
		t.Fatal("refused")
	}
	return string(out[0].Data)
}

// lastRules are the last rules of the chains of a text, by the name of the chain.
func lastRules(text string) map[string]string {
	out := map[string]string{}
	name := ""
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) > 2 && fields[0] == "chain":
			name = fields[1]
		case strings.HasPrefix(line, "\t\t"):
			out[name] = strings.TrimSpace(line)
		}
	}
	return out
}

// TestNftablesBaseChains: a base chain says its default in a rule, and one that a text has no
// use for is gone after it.
func TestNftablesBaseChains(t *testing.T) {
	for _, form := range []string{"script", "snippet"} {
		confined := nftText(t, form, confinedHost())
		for _, name := range []string{"input", "output"} {
			if last := lastRules(confined)[name]; !strings.HasPrefix(last, "counter drop comment ") {
				t.Errorf("%s: chain %s ends in %q", form, name, last)
			}
		}
		if last := lastRules(nftText(t, form, additiveHost()))["input"]; !strings.HasPrefix(last, "counter accept comment ") {
			t.Errorf("%s: an additive chain ends in %q", form, last)
		}
	}
	for _, c := range []struct {
		rs      *ruleset.Ruleset
		deleted string
	}{
		{plainHost(), "raw_prerouting raw_output output"}, {confinedHost(), "raw_prerouting raw_output"}, {untrackedHost(), "output"},
	} {
		text := nftText(t, "script", c.rs)
		for _, name := range []string{"raw_prerouting", "raw_output", "input", "output"} {
			want := strings.Contains(" "+c.deleted+" ", " "+name+" ")
			if got := strings.Contains(text, "\ndelete chain inet portolan "+name+"\n"); got != want {
				t.Errorf("chain %s is deleted: %v, want %v", name, got, want)
			}
		}
	}
}

// TestNftablesMedia: media that are accepted before connection tracking is asked are compared
// in the chain itself, unless they are many.
func TestNftablesMedia(t *testing.T) {
	const line = "\n\t\tudp dport 25000-25399 counter accept "
	rs := untrackedHost()
	if text := nftText(t, "script", rs); !strings.Contains(text, line) {
		t.Errorf("media are looked up in a map:\n%s", text)
	}
	if text := nftText(t, "script", plainHost()); strings.Contains(text, line) {
		t.Error("media behind connection tracking are compared one by one")
	}
	var ranges []port.Range
	for n := range few + 1 {
		ranges = append(ranges, port.Range{First: uint16(1000 + 10*n), Last: uint16(1005 + 10*n)})
	}
	rs.Input.Rules[0].Match.Ports = port.Of(ranges...)
	if text := nftText(t, "script", rs); strings.Contains(text, "\n\t\tudp dport 1000-1005 ") {
		t.Errorf("%d ranges are compared one by one", few+1)
	}
}

// TestNftablesRefuses: what nftables in particular cannot say.
func TestNftablesRefuses(t *testing.T) {
	one := service("one", "", port.TCP, "80", addr.All())
	two := service("two", "", port.TCP, "81", addr.All())
	together := ruleset.Connections{Count: 5, Name: "web"}
	limit := ruleset.Limit{Rate: ruleset.Rate{Count: 1, Period: "second"}, Burst: 1, Name: "slow"}
	drop := ruleset.Chain{Default: ruleset.Drop}
	for _, c := range []struct {
		words    string
		in, out  bool
		one, two ruleset.Effect
	}{
		{"each source of what leaves", false, true, ruleset.Effect{Connections: ruleset.Connections{Count: 5, PerSource: true, Name: "web"}}, ruleset.Effect{}},
		{"with different limits", true, false, ruleset.Effect{Connections: together, Limit: limit}, ruleset.Effect{Connections: together}},
		{"", true, false, ruleset.Effect{Connections: together, Limit: limit}, ruleset.Effect{Connections: together, Limit: limit}},
		{"", false, true, ruleset.Effect{Connections: together}, ruleset.Effect{Limit: limit}},
	} {
		one.Effect, two.Effect = c.one, c.two
		one.Effect.Verdict, two.Effect.Verdict = ruleset.Accept, ruleset.Accept
		rs := &ruleset.Ruleset{Input: drop}
		if c.in {
			rs.Input.Rules = []ruleset.Rule{one, two}
		}
		if c.out {
			rs.Output = ruleset.Chain{Default: ruleset.Drop, Rules: []ruleset.Rule{one, two}}
		}
		_, findings, err := Backends[0].Forms[0].Files(rs, testHeader)
		if err != nil {
			t.Fatal(err)
		}
		if c.words == "" {
			if len(findings) > 0 {
				t.Errorf("refused: %v", findings)
			} else {
				prove(t, Backends[0], rs)
			}
		} else if len(findings) == 0 || !strings.Contains(findings[0].Message, c.words) {
			t.Errorf("findings are %v, want words about %q", findings, c.words)
		}
	}
}

// TestNftablesCounts: each port leads to a chain that counts, and a chain is about one service
// of one rule of the policy.
func TestNftablesCounts(t *testing.T) {
	web, proxy := service("web", "nginx http etc/nginx.conf:8", port.TCP, "80", addr.All()), service("web", "squid proxy etc/squid.conf:3", port.TCP, "3128", addr.All())
	tls, own := service("web", "nginx https etc/nginx.conf:9", port.TCP, "443", addr.All()), service("own", "nginx http etc/nginx.conf:8", port.TCP, "81", addr.All())
	text := nftText(t, "script", &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop, Rules: []ruleset.Rule{web, proxy, tls, own}}})
	chains := map[string]string{}
	for line := range strings.Lines(text) {
		if ports, chain, ok := strings.Cut(strings.TrimSpace(line), " : jump "); ok {
			chains[strings.Fields(ports)[0]] = strings.TrimSuffix(chain, ",")
		}
	}
	if chains["80"] != chains["443"] || chains["80"] == chains["3128"] || chains["80"] == chains["81"] || len(chains) != 4 {
		t.Errorf("the ports lead to %v", chains)
	}
	for port, want := range map[string]string{"80": "web: nginx", "3128": "web: squid", "81": "own: nginx"} {
		if last := lastRules(text)[chains[port]]; last != `counter accept comment "`+want+`"` {
			t.Errorf("port %s: %q", port, last)
		}
	}
}

// TestNftablesLogs: logs about ports cost no lookup of their own, and a log that several ports
// share has one rate.
func TestNftablesLogs(t *testing.T) {
	var rules []ruleset.Rule
	for _, name := range []string{"one", "two", "three"} {
		a, b := service(name, name+"-a x", port.UDP, "80", addr.All()), service(name, name+"-b x", port.UDP, "90", sources("10.0.0.0/8"))
		log := service(name, "", port.UDP, "80,90", addr.All())
		log.Effect = ruleset.Effect{Verdict: ruleset.Continue, Log: ruleset.Log{Rate: ruleset.Rate{Count: 5, Period: "minute"}, Burst: 5, Prefix: name + ": "}}
		rules = append(rules, log, a, b)
	}
	text := nftText(t, "script", &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop, Rules: rules}})
	if n := strings.Count(text, " vmap @"); n != 1 {
		t.Errorf("%d lookups", n)
	}
	for _, prefix := range []string{"one", "two"} {
		if n := strings.Count(text, `log prefix "`+prefix+`: "`); n != 1 {
			t.Errorf("%d rules log %s", n, prefix)
		}
	}
}
