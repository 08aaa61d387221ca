package render

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// strictHost is a ruleset in which every line of every text matters: no rule is hidden by
// another one, and no two rules next to each other can change places.
func strictHost() *ruleset.Ruleset {
	drop := func(r ruleset.Rule) ruleset.Rule {
		r.Effect.Verdict = ruleset.Drop
		return r
	}
	calls := service("calls", "a", port.TCP, "5060-5069", addr.All())
	calls.Effect.Connections = ruleset.Connections{Count: 20, PerSource: true, Name: "calls"}
	calls.Effect.Limit = ruleset.Limit{Rate: ruleset.Rate{Count: 10, Period: "minute"}, Burst: 5, PerSource: true, Name: "calls"}
	list := peers(manyPrefixes)
	own := service("own", "f", port.UDP, "1000-2000", list)
	own.Match.SourcePorts = port.Of(port.Range{First: 25000, Last: 25399})
	return &ruleset.Ruleset{
		Input: ruleset.Chain{Default: ruleset.Drop, Rules: []ruleset.Rule{
			drop(service("bad", "b", port.TCP, "5060-5064", sources("192.0.2.0/24", "2001:db8:bad::/48"))),
			calls,
			service("few", "c", port.TCP, "5066-5079", sources("192.0.2.0/28", "198.51.100.0/24", "203.0.0.0/25", "10.0.0.0/8", "2001:db8:0:100::/56")),
			drop(service("list", "d", port.TCP, "5070-5089", list)),
			service("rest", "e", port.TCP, "5075-5090", sources("203.0.0.0/8", "2001:db8::/32")),
		}},
		Output: ruleset.Chain{Default: ruleset.Drop, Rules: []ruleset.Rule{
			own, service("more", "g", port.UDP, "1500-2500", sources("203.0.0.0/16", "2001:db8::/40")),
		}},
		Untracked: port.Of(port.Range{First: 25000, Last: 25399}, port.Single(7)),
	}
}

// mutants are changes of one line of a text that change what it means.
func mutants(lines []string, i int) map[string][]string {
	out := map[string][]string{}
	change := func(name string, to ...string) {
		out[name] = slices.Concat(lines[:i], to, lines[i+1:])
	}
	line := lines[i]
	rule := strings.HasPrefix(line, "-A ") || strings.HasPrefix(line, "add ")
	if line == "" || line[0] == '#' || !rule && line[0] != ':' && !strings.HasPrefix(line, "create ") && line != "COMMIT" && line[0] != '*' {
		return nil
	}
	change("removed")
	if !strings.HasPrefix(line, "-A ") && !strings.HasPrefix(line, "add ") {
		return out
	}
	words, _, _ := strings.Cut(line, " -m comment")
	for k, word := range strings.Fields(words) {
		other := ""
		switch {
		case k < 2:
			continue
		case strings.Contains(word, "/"):
			address, bits, _ := strings.Cut(word, "/")
			if other = address + "/" + fmt.Sprint(len(bits)+30); other == word {
				other = address + "/29"
			}
			if strings.HasSuffix(word, "/min") {
				other = "9/min"
			}
		case strings.HasPrefix(line, "add ") && strings.Contains(word, ":"):
			other = "2001:db8:ffff::1"
		case strings.HasPrefix(line, "add "):
			other = "192.0.2.77"
		case word == "tcp":
			other = "udp"
		case word == "udp":
			other = "tcp"
		case word == "src":
			other = "dst"
		case word == "dst":
			other = "src"
		case word == "-s":
			other = "-d"
		case word == "-d":
			other = "-s"
		case strings.Trim(word, "0123456789:,") == "" && word != "65536":
			other = "9" + word[1:]
			if other == word {
				other = "8" + word[1:]
			}
		case strings.HasPrefix(word, "pl-"):
			other = word + "x"
		case word == "--sport":
			other = "--dport"
		case word == "--dport":
			other = "--sport"
		default:
			continue
		}
		change("other "+word, strings.Replace(line, " "+word, " "+other, 1))
	}
	for from, to := range map[string]string{"-j ACCEPT": "-j DROP", "-j DROP": "-j ACCEPT", "-j PL-": "-g PL-", "-j CT --notrack": "-j ACCEPT", " -m ": " ! -m ", " -p ": " -m unknown -p "} {
		if strings.Contains(line, from) {
			change(from, strings.Replace(line, from, to, 1))
		}
	}
	return out
}

// TestIptablesMutations changes one word or line of every text: that is an error or a
// counterexample.
func TestIptablesMutations(t *testing.T) {
	rs := strictHost()
	for _, form := range iptables(t).Forms {
		out, ok := prove(t, formOf(t, iptables(t), form.Name), rs)
		if !ok {
			t.Fatal("refused")
		}
		tried, before := 0, map[string]int{}
		for n, o := range out {
			lines := strings.SplitAfter(string(o.Data), "\n")
			for i := range lines {
				lines[i] = strings.TrimSuffix(lines[i], "\n")
			}
			program := o.Program
			for i, line := range lines {
				// Elements of one set are alike: some are enough.
				if strings.HasPrefix(line, "add ") {
					if before[line[:10]]++; before[line[:10]] > 4 {
						continue
					}
				}
				all := mutants(lines, i)
				if strings.HasPrefix(line, "-A ") && i+1 < len(lines) && strings.HasPrefix(lines[i+1], strings.Join(strings.Fields(line)[:2], " ")+" ") && matters(line, lines[i+1]) {
					all["changed places"] = slices.Concat(lines[:i], []string{lines[i+1], line}, lines[i+2:])
				}
				if program && all == nil && strings.TrimSpace(line) != "" && line[0] != '#' {
					all = map[string][]string{"removed": slices.Concat(lines[:i], lines[i+1:])}
					if i%7 != 0 { // every line of the program is hashed; some are enough
						continue
					}
				}
				for name, text := range all {
					changed := slices.Clone(out)
					changed[n].Data = []byte(strings.Join(text, "\n"))
					if bytes.Equal(changed[n].Data, o.Data) {
						t.Fatalf("%s: %q changes nothing in %q", o.Name, name, line)
					}
					tried++
					back, err := readBack("iptables", changed)
					if err == nil && ruleset.Equivalent(rs, back) == nil {
						t.Errorf("%s:%d: %s makes no difference: %s", o.Name, i+1, name, line)
					}
				}
			}
		}
		if tried < 150 {
			t.Errorf("%s: only %d changes were tried", form.Name, tried)
		}
	}
}

// matters reports whether the order of two lines of a chain matters: they end packets in
// two ways, or one of them ends them and the other one goes on.
func matters(a, b string) bool {
	_, one, _ := strings.Cut(a, " -j ")
	_, two, _ := strings.Cut(b, " -j ")
	return one != two && !strings.Contains(a+b, "-A PL-RAW")
}

// TestICMPOfTheOtherFamily: the number of one family's ICMP can be asked of both, and that
// does not make a text one of that family.
func TestICMPOfTheOtherFamily(t *testing.T) {
	for _, proto := range []uint8{ruleset.ICMP, ruleset.ICMPv6} {
		m := ruleset.Any()
		m.Protos = ruleset.BytesOf(proto)
		rs := &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop, Rules: []ruleset.Rule{{Name: "a", Match: m, Effect: ruleset.Effect{Verdict: ruleset.Accept}}}}}
		if _, ok := prove(t, iptables(t), rs); !ok {
			t.Error("refused")
		}
	}
}
