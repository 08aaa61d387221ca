package render

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// windowsForms are the forms for Windows.
func windowsForms(t fatalf) []Form { return windows(t).Forms }

// proveForm writes rs in a form and reads it back. It gives the words of the findings
// when the form refuses it.
func proveWindows(t fatalf, f Form, rs *ruleset.Ruleset) ([]Output, string) {
	all, findings, err := f.Files(rs, testHeader)
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	if len(findings) > 0 {
		if all != nil {
			t.Fatalf("%s: refused and written", f.Name)
		}
		return nil, wordsOf(t, findings)
	}
	out := slices.DeleteFunc(slices.Clone(all), func(o Output) bool { return o.Aside })
	back, err := readBack("windows", out)
	if err != nil {
		t.Fatalf("%s: %v\n%s", f.Name, err, Text(out))
	}
	if c := ruleset.Equivalent(rs, back); c != nil {
		t.Fatalf("%s: %s\n%s", f.Name, c.Words("the ruleset", "the text"), Text(out))
	}
	return all, ""
}

func wordsOf(t fatalf, findings diag.List) string {
	words := ""
	for _, d := range findings {
		if d.Help == "" || d.Message == "" {
			t.Fatalf("a finding that says too little: %+v", d)
		}
		words += d.Message + "; " + d.Help + "\n"
	}
	return words
}

// TestWindowsForms: every form says what each host of the tests means.
func TestWindowsForms(t *testing.T) {
	for _, rs := range []*ruleset.Ruleset{plainHost(), deniedHost(), outboundHost()} {
		for _, f := range windowsForms(t) {
			out, refused := proveWindows(t, f, rs)
			if refused != "" {
				t.Errorf("%s: %s", f.Name, refused)
			}
			for _, o := range out {
				if bytes.Count(o.Data, []byte("\n")) != bytes.Count(o.Data, []byte("\r\n")) {
					t.Errorf("%s: a line without a carriage return", o.Name)
				}
				if at := regexp.MustCompile(`[ \t]\r?\n`).FindIndex(o.Data); at != nil {
					t.Errorf("%s: blanks at the end of a line", o.Name)
				}
			}
		}
	}
}

// TestWindowsFormsReadBack: all forms say the same rulesets and refuse the others in the
// same words.
func TestWindowsFormsReadBack(t *testing.T) {
	written := map[string]int{}
	outbound := 0
	rapid.Check(t, func(t *rapid.T) {
		rs := genRuleset(t)
		var first string
		for i, f := range windowsForms(t) {
			out, refused := proveWindows(t, f, rs)
			if i == 0 {
				first = refused
			}
			if refused != first {
				t.Fatalf("%s is refused with %q, and the first form with %q", f.Name, refused, first)
			}
			if out != nil {
				written[f.Name]++
				if rs.Output.Default == ruleset.Drop {
					outbound++
				}
			}
		}
	})
	for _, f := range windowsForms(t) {
		if written[f.Name] < 10 {
			t.Errorf("%s wrote %d rulesets, too few to prove anything", f.Name, written[f.Name])
		}
	}
	t.Logf("%v, with outbound %d", written, outbound)
}

// TestWindowsRefusals: what no form can say is refused in words that say what to do.
func TestWindowsRefusals(t *testing.T) {
	out := func(change func(*ruleset.Rule)) *ruleset.Ruleset {
		rs := outboundHost()
		change(&rs.Output.Rules[len(rs.Output.Rules)-1])
		return rs
	}
	log := ruleset.Log{Rate: ruleset.Rate{Count: 5, Period: "minute"}, Burst: 5}
	for name, c := range map[string]struct {
		rs          *ruleset.Ruleset
		words, help string
	}{
		"connections": {out(func(r *ruleset.Rule) {
			r.Effect.Connections = ruleset.Connections{Count: 20, Name: "calls"}
		}), "at most 20 are to be open", "leave the number of connections out"},
		"log": {out(func(r *ruleset.Rule) {
			r.Effect = ruleset.Effect{Verdict: ruleset.Continue, Log: log}
		}), "no log", "profiles"},
		"interface":        {out(func(r *ruleset.Rule) { r.Match.Interfaces = ruleset.InterfacesOf("eth0") }), "interface eth0", "addresses"},
		"loopback address": {out(func(r *ruleset.Rule) { r.Match.Peers = sources("::1") }), "no rule for :: and ::1", "::/126"},
		"everything but a little": {out(func(r *ruleset.Rule) {
			r.Match = ruleset.Any()
		}), "", ""},
		"untracked": {func() *ruleset.Ruleset {
			rs := plainHost()
			rs.Untracked = port.Of(port.Range{First: 25000, Last: 25399})
			return rs
		}(), "25000-25399 are to be untracked", "leave notrack out"},
		"drops of what leaves": {func() *ruleset.Ruleset {
			rs := plainHost()
			r := service("no telnet", "", port.TCP, "23", sources("0.0.0.0/0", "::/0"))
			r.Effect.Verdict = ruleset.Drop
			rs.Output = ruleset.Chain{Default: ruleset.Accept, Rules: []ruleset.Rule{r}}
			return rs
		}(), "the ruleset drops it", "cannot drop a part of what leaves"},
		"no replies leave": {func() *ruleset.Ruleset {
			rs := outboundHost()
			rs.Output.Rules = rs.Output.Rules[1:]
			return rs
		}(), "Windows by itself accepts it", "accept established"},
	} {
		for _, f := range windowsForms(t) {
			_, refused := proveWindows(t, f, c.rs)
			if (refused == "") != (c.words == "") || !strings.Contains(refused, c.words) || !strings.Contains(refused, c.help) {
				t.Errorf("%s, %s: %q, want %q and %q", name, f.Name, refused, c.words, c.help)
			}
		}
	}
}

// TestWindowsReserves: ranges of ports that are let in can be reserved, single ports and
// rules for every port cannot.
func TestWindowsReserves(t *testing.T) {
	rs := outboundHost()
	rs.Input.Rules = append(rs.Input.Rules, service("all", "", port.TCP, "0-65535", sources("10.9.0.0/16")))
	var got []string
	for _, r := range windowsFile(&job{backend: "windows", rs: rs}).Reserve {
		got = append(got, r.Protocol.String()+" "+r.Range.String())
	}
	if want := "tcp 20000-24999, udp 10000-10499, udp 25000-25500"; strings.Join(got, ", ") != want {
		t.Errorf("%s can be reserved, want %s", strings.Join(got, ", "), want)
	}
}
