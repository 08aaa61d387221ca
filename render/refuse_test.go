package render

import (
	"strings"
	"testing"

	"portolan/internal/addr"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// TestRefusals holds, for everything a firewall cannot say, which of them refuse it and
// in which words.
func TestRefusals(t *testing.T) {
	policy := source.New("portolan.hcl", []byte("allow \"odd\" {}\n"))
	claim := source.New("etc/odd.conf", []byte("port = 1\n"))
	last := func(change func(*ruleset.Rule)) *ruleset.Ruleset {
		rs := plainHost()
		odd := service("odd", "", 6, "7000", addr.All())
		odd.Origins = []source.Span{claim.Span(0, 4), policy.Span(0, 5)}
		change(&odd)
		rs.Input.Rules = append(rs.Input.Rules, odd)
		return rs
	}
	limit := ruleset.Limit{Rate: ruleset.Rate{Count: 10, Period: "minute"}, Burst: 5, PerSource: true, Name: "odd"}
	log := ruleset.Log{Rate: ruleset.Rate{Count: 5, Period: "minute"}, Burst: 5, Prefix: "x"}
	cases := []struct {
		name    string
		rs      *ruleset.Ruleset
		refused string // names of backends
		words   string
	}{
		{"nothing odd", last(func(*ruleset.Rule) {}), "", ""},
		{"limit", last(func(r *ruleset.Rule) { r.Effect.Limit = limit }), "windows", "cannot count"},
		{"limit over both families", last(func(r *ruleset.Rule) { r.Effect.Limit = limit; r.Effect.Limit.PerSource = false }), "iptables windows", "limit"},
		{"limit without a name", last(func(r *ruleset.Rule) { r.Effect.Limit = limit; r.Effect.Limit.Name = "" }), "all", "limit name"},
		{"limit without a rate", last(func(r *ruleset.Rule) { r.Effect.Limit = ruleset.Limit{Name: "odd", Burst: 1} }), "all", "rate"},
		{"limited drop", last(func(r *ruleset.Rule) { r.Effect = ruleset.Effect{Verdict: ruleset.Drop, Limit: limit} }), "all", "limit on a verdict"},
		{"log", last(func(r *ruleset.Rule) { r.Effect = ruleset.Effect{Verdict: ruleset.Continue, Log: log} }), "windows", "no log"},
		{"log prefix", last(func(r *ruleset.Rule) {
			r.Effect = ruleset.Effect{Verdict: ruleset.Continue, Log: log}
			r.Effect.Log.Prefix = `a"$b`
		}), "all", "log prefix"},
		{"slow log", last(func(r *ruleset.Rule) {
			r.Effect = ruleset.Effect{Verdict: ruleset.Continue, Log: log}
			r.Effect.Log.Rate.Period = "day"
			r.Effect.Log.Burst = 100
		}), "iptables windows", "log"},
		{"accept and log", last(func(r *ruleset.Rule) { r.Effect.Log = log }), "all", "mixes"},
		{"no verdict", last(func(r *ruleset.Rule) { r.Effect = ruleset.Effect{} }), "all", "no verdict"},
		{"interface", last(func(r *ruleset.Rule) { r.Match.Interfaces = ruleset.InterfacesOf("eth0") }), "windows", "interface eth0"},
		{"interface pattern", last(func(r *ruleset.Rule) { r.Match.Interfaces = ruleset.InterfacesOf("eth*") }), "all", `interface name "eth*"`},
		{"state", last(func(r *ruleset.Rule) { r.Match.States = ruleset.New }), "windows", "untracked"},
		{"types of the other family", last(func(r *ruleset.Rule) {
			r.Match = match(func(m *ruleset.Match) {
				m.Protos, m.Types = ruleset.BytesOf(ruleset.ICMP), ruleset.BytesOf(8)
			})
		}), "all", "ICMP types for IPv6"},
		{"type 255", last(func(r *ruleset.Rule) {
			r.Match = match(func(m *ruleset.Match) {
				m.Protos, m.Types, m.Peers = ruleset.BytesOf(ruleset.ICMP), ruleset.BytesOf(255), addr.V4()
			})
		}), "iptables", "type 255"},
		{"protocol 0", last(func(r *ruleset.Rule) {
			r.Match = match(func(m *ruleset.Match) { m.Protos = ruleset.BytesOf(0) })
		}), "iptables", "protocol 0"},
		{"extension header", last(func(r *ruleset.Rule) {
			r.Match = match(func(m *ruleset.Match) { m.Protos = ruleset.BytesOf(44) })
		}), "iptables", "extension header"},
		{"sources among mapped addresses", last(func(r *ruleset.Rule) { r.Match.Peers = addr.V6().Minus(sources("::-::fffe:ffff:ffff")) }), "all", "ends inside"},
		{"loopback source", last(func(r *ruleset.Rule) { r.Match.Peers = sources("::1") }), "windows", "::/126"},
		{"additive", additiveHost(), "windows", "limit"},
		{"no default", &ruleset.Ruleset{}, "all", "no default"},
		{"no replies", &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop}}, "windows", "established"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, b := range Backends {
				out, findings, err := b.Forms[0].Files(c.rs, testHeader)
				if err != nil {
					t.Fatal(err)
				}
				if want := c.refused == "all" || strings.Contains(c.refused, b.Name); want != (len(findings) > 0) || want != (out == nil) {
					t.Errorf("%s: %d findings", b.Name, len(findings))
					continue
				}
				words := ""
				for _, d := range findings {
					words += d.Message + d.Help
					if d.Help == "" {
						t.Errorf("%s: no help for %s", b.Name, d.Message)
					}
				}
				if len(findings) > 0 && !strings.Contains(words, c.words) && c.name != "additive" {
					t.Errorf("%s: %q does not say %q", b.Name, words, c.words)
				}
				if len(findings) == 1 && strings.Contains(words, `"odd"`) && (findings[0].Span.String() != "portolan.hcl:1:1" || findings[0].Related[0].Span.String() != "etc/odd.conf:1:1") {
					t.Errorf("%s: the place is %s", b.Name, findings[0].Span)
				}
			}
		})
	}
}
