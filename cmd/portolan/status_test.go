package main

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"portolan/internal/apply"
	"portolan/internal/history"
	"portolan/internal/ruleset"
)

// at is a time of the stories.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	out, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// someStatus is a status with something of everything. The names in it are hostile.
func someStatus(t *testing.T) *status {
	last := &history.Record{
		Number: 3, Firewall: true, Time: at(t, "2026-03-01T02:03:04Z"), By: "root (login anna\x1b[2J)", ConfirmedBy: "root", Policy: "p.hcl",
		PolicySum: "abc", Ruleset: "def", Program: "portolan 1", Opens: []string{"bad", "dns: bind", "sip", "ssh: sshd"}, Names: map[string][]string{"deny bad p.hcl:3": {"bad"}, "limit sip": {"sip"}},
	}
	pending := &history.Record{Time: at(t, "2026-03-02T00:00:00Z"), Until: at(t, "2026-03-02T00:01:00Z"), By: "root", Policy: "q.hcl", Opens: []string{"web"}}
	st := &standing{live: &live{state: &apply.State{Exists: true}, means: func() *meaning { return new(meaning) }}, last: last, pending: pending, byHand: func() ([]apply.Difference, error) {
		return []apply.Difference{{Kind: apply.Added, Object: "rule", Name: "input", Detail: "x"}}, nil
	}}
	return &status{
		standing: st,
		list: &history.List{
			Pending: &history.State{Record: *pending},
			Kept:    []history.State{{Record: *last}, {Record: history.Record{Number: 2}, Err: errors.New("2.state: damaged")}},
		},
		counters: st.naming().tallies([]apply.Counter{
			{Direction: ruleset.In, Name: "sip", Verdict: ruleset.Accept, Packets: 1234567, Bytes: 1 << 30},
			{Direction: ruleset.In, Name: "limit sip", Verdict: ruleset.Accept, Packets: 1, Bytes: 1},
			{Direction: ruleset.In, Name: "sip", Verdict: ruleset.Continue, Packets: 5, Bytes: 1500},
			{Direction: ruleset.In, Name: "default: drop what no rule allows", Verdict: ruleset.Drop, Packets: 999, Bytes: 1023},
			{Direction: ruleset.In, Name: "ssh: sshd", Verdict: ruleset.Accept, Packets: 1000, Bytes: 1024},
			{Direction: ruleset.In, Name: "web", Verdict: ruleset.Accept},
			{Direction: ruleset.In, Name: "by hand \x1b[31m", Verdict: ruleset.Accept},
			{Direction: ruleset.In, Name: "deny bad p.hcl:3", Verdict: ruleset.Drop, Packets: 7, Bytes: 700},
			{Direction: ruleset.Out, Name: "dns: bind", Verdict: ruleset.Accept, Packets: 2, Bytes: 20},
		}),
	}
}

// TestStatusForms: what status writes of one status, to the byte.
func TestStatusForms(t *testing.T) {
	s := someStatus(t)
	var text, json, prometheus bytes.Buffer
	s.text(&text, true)
	if err := errors.Join(writeJSON(&json, s.json()), s.metrics(&prometheus)); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{"status.txt": text.Bytes(), "status.json": json.Bytes(), "status.prom": prometheus.Bytes()} {
		name = "../../testdata/status/" + name
		if *update {
			if err := os.WriteFile(name, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want := read(t, name); !bytes.Equal(got, want) {
			t.Errorf("%s is not what status writes; got\n%s", name, got)
		}
	}
}

// TestMetricsAreDocumented: the guide has every metric that there is, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	var out bytes.Buffer
	if err := someStatus(t).metrics(&out); err != nil {
		t.Fatal(err)
	}
	var has, says []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+)`).FindAllStringSubmatch(out.String(), -1) {
		has = append(has, m[1])
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)(?:\\{[a-z0-9_,]+\\})?` \\| (?:counter|gauge) \\|").FindAllStringSubmatch(string(read(t, "../../docs/guides/apply.md")), -1) {
		says = append(says, m[1])
	}
	slices.Sort(has)
	slices.Sort(says)
	if says = slices.Compact(says); !slices.Equal(has, says) {
		t.Errorf("there are %v, and the guide says %v", has, says)
	}
}

// TestSigned: what is applied is of now and of who applies it, also when it was applied and
// confirmed before.
func TestSigned(t *testing.T) {
	now := at(t, "2026-03-02T01:00:00+01:00")
	p := pilot{app: &app{now: func() time.Time { return now }, getenv: func(name string) string {
		return map[string]string{"SSH_CONNECTION": "192.0.2.7 50022 192.0.2.1 22"}[name]
	}}}
	old := history.Record{Number: 3, Time: now.Add(-time.Hour), Until: now, Confirmed: now, ConfirmedBy: "somebody", Policy: "p.hcl", Note: "back to state 1"}
	got := p.signed(old)
	if !strings.Contains(got.By, "from 192.0.2.7") || got.Program != "portolan "+version {
		t.Errorf("by %q with %q", got.By, got.Program)
	}
	got.By, got.Program = "", ""
	if want := (history.Record{Time: now.UTC(), Policy: "p.hcl", Note: "back to state 1"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPrevious(t *testing.T) {
	state := func(n int, ruleset string, err error) history.State {
		return history.State{Record: history.Record{Number: n, Firewall: ruleset != "", Ruleset: ruleset}, Err: err}
	}
	broken := errors.New("damaged")
	for want, kept := range map[int][]history.State{
		0: {state(3, "a", nil), state(2, "a", nil)},
		2: {state(4, "a", nil), state(3, "a", nil), state(2, "b", nil), state(1, "a", nil)},
		3: {state(4, "a", nil), state(3, "", broken), state(2, "b", nil)},
		5: {state(6, "", broken), state(5, "", nil)},
		7: {state(8, "a", nil), state(7, "", nil)},
	} {
		got := 0
		if s := previous(kept); s != nil {
			got = s.Number
		}
		if got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	if previous(nil) != nil {
		t.Error("a state before none")
	}
}

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[uint64][2]string{
		0: {"0", "0 B"}, 999: {"999", "999 B"}, 1000: {"1,000", "1000 B"}, 1024: {"1,024", "1.0 KiB"}, 1536: {"1,536", "1.5 KiB"},
		1048575: {"1,048,575", "1.0 MiB"}, 1 << 40: {"1,099,511,627,776", "1.0 TiB"}, 1<<64 - 1: {"18,446,744,073,709,551,615", "16.0 EiB"},
	} {
		if got := [2]string{grouped(n), amount(n)}; got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
