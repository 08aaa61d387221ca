package render

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

func windows(t fatalf) Backend {
	b, err := Find("windows")
	if err != nil {
		t.Fatalf("%v", err)
	}
	return b
}

// TestWindowsSubtractsDenies: accepts and drops in any order, in both directions and with
// source ports, become allow rules that mean the same in every form.
func TestWindowsSubtractsDenies(t *testing.T) {
	written := 0
	rapid.Check(t, func(t *rapid.T) {
		rs := &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop, Rules: builtin()}}
		chains := []*ruleset.Chain{&rs.Input}
		if rapid.Bool().Draw(t, "output") {
			rs.Output = ruleset.Chain{Default: ruleset.Drop, Rules: builtin()}
			chains = append(chains, &rs.Output)
		}
		for _, c := range chains {
			for range rapid.IntRange(1, 6).Draw(t, "rules") {
				r := genService(t, false)
				if rapid.IntRange(0, 2).Draw(t, "from a port") == 0 {
					r.Match.SourcePorts = genPorts(t)
				}
				if rapid.Bool().Draw(t, "deny") {
					r.Effect.Verdict = ruleset.Drop
					r.Match.Protos = rapid.SampledFrom([]ruleset.Bytes{ruleset.AllBytes(), ruleset.BytesOf(6), ruleset.BytesOf(6, 17)}).Draw(t, "protos")
				}
				c.Rules = append(c.Rules, r)
			}
		}
		for _, f := range windowsForms(t) {
			if out, refused := proveWindows(t, f, rs); refused == "" {
				written++
				if bytes.Contains(out[0].Data, []byte("Action        = 'Block'")) || bytes.Contains(out[0].Data, []byte("action=block")) {
					t.Fatalf("a block rule")
				}
			}
		}
	})
	if written < 60 {
		t.Errorf("only %d texts were written", written)
	}
}

// TestWindowsSplitsLargeRules: no rule has more ports or addresses than Windows takes.
func TestWindowsSplitsLargeRules(t *testing.T) {
	rs := plainHost()
	var from []addr.Range
	for i := range 2100 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 7), byte(i << 1), 1})
		from = append(from, addr.Range{First: a, Last: a})
	}
	var ports []port.Range
	for i := range 1500 {
		ports = append(ports, port.Single(uint16(2*i)))
	}
	big := service("big", "many of both", port.TCP, "1", addr.OfRanges(from...))
	big.Match.Ports = port.Of(ports...)
	rs.Input.Rules = append(rs.Input.Rules, big)
	out, ok := prove(t, windows(t), rs)
	if !ok {
		t.Fatal("refused")
	}
	if n := strings.Count(string(out[0].Data), "many of both"); n != 6 {
		t.Errorf("%d rules for 2100 addresses and 1500 ports, want 6", n)
	}
}

// TestWindowsNamesFollowContent: a rule that changes gets another name, one that does not
// keeps its name.
func TestWindowsNamesFollowContent(t *testing.T) {
	namesOf := func(rs *ruleset.Ruleset) map[string]bool {
		out, ok := prove(t, windows(t), rs)
		if !ok {
			t.Fatal("refused")
		}
		found := map[string]bool{}
		for line := range strings.Lines(string(out[0].Data)) {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "Name          = "); ok {
				found[rest] = true
			}
		}
		return found
	}
	before := namesOf(plainHost())
	changed := plainHost()
	changed.Input.Rules[len(changed.Input.Rules)-1].Match.Ports = port.Of(port.Single(2222))
	after := namesOf(changed)
	kept := 0
	for name := range after {
		if before[name] {
			kept++
		}
	}
	if len(before) < 10 || len(after) != len(before) || kept != len(before)-1 {
		t.Errorf("%d rules before, %d after, %d the same", len(before), len(after), kept)
	}
	twice := plainHost()
	twice.Input.Rules = append(twice.Input.Rules, twice.Input.Rules[len(twice.Input.Rules)-1])
	if got := namesOf(twice); len(got) != len(before) {
		t.Errorf("a rule that is there twice gives %d names, want %d", len(got), len(before))
	}
}

func TestWindowsLineEnds(t *testing.T) {
	out, _ := prove(t, windows(t), plainHost())
	if data := out[0].Data; bytes.Count(data, []byte("\n")) != bytes.Count(data, []byte("\r\n")) {
		t.Error("a line without a carriage return")
	}
	for line := range bytes.Lines(out[0].Data) {
		if l := bytes.TrimRight(line, "\r\n"); len(l) != len(bytes.TrimRight(l, " \t")) {
			t.Errorf("blanks at the end of %q", l)
		}
	}
}
