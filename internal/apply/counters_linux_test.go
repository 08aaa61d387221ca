package apply

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portolan/internal/kernel"
	"portolan/internal/nft"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// counted is a table with a service that is only counted, one with a limit for each source and
// one with a limit for all, and something that can change: the ports of another service, or a
// rule of the base chain.
func counted(other uint16, denied bool) *nft.Table {
	meter := nft.Meter{Name: "limit_each", Family: 4, Rate: ruleset.Rate{Count: 1, Period: "hour"}, Burst: 5, Timeout: 18_000}
	limit := nft.Limit{Name: "limit_all", Rate: ruleset.Rate{Count: 1, Period: "hour"}, Burst: 5}
	accept := func(comment string) nft.Rule { return nft.Rule{Verdict: ruleset.Accept, Comment: comment} }
	each, all := accept("each: x"), accept("all: x")
	each.Family, each.Meter, all.Limit = 4, &meter, &limit
	to := func(p uint16, chain string) nft.Element { return nft.Element{Ports: port.Single(p), Jump: chain} }
	input := []nft.Rule{{Proto: unix.IPPROTO_UDP, Map: "udp_services"}, accept("rest")}
	if denied {
		input = append([]nft.Rule{{Proto: unix.IPPROTO_UDP, Ports: []port.Range{port.Single(9)}, Verdict: ruleset.Drop, Comment: "denied"}}, input...)
	}
	return &nft.Table{
		Limits: []nft.Limit{limit}, Meters: []nft.Meter{meter},
		Maps: []*nft.Map{{Name: "udp_services", Elements: []nft.Element{to(7000, "svc_web"), to(7001, "svc_each"), to(7002, "svc_all"), to(other, "svc_web")}}},
		Chains: []*nft.Chain{
			{Name: "svc_web", Rules: []nft.Rule{accept("web: x")}},
			{Name: "svc_each", Rules: []nft.Rule{each, {Verdict: ruleset.Drop, Comment: "too many"}}},
			{Name: "svc_all", Rules: []nft.Rule{all, {Verdict: ruleset.Drop, Comment: "too many"}}},
		},
		Bases: []*nft.Base{{Name: "input", Hook: "input", Priority: nft.Filter, Policy: ruleset.Drop, Rules: input}},
	}
}

// TestCountersAndLimitsOfTheKernel: whatever is applied, confirmed or given up, what a service counted is
// counted, and a limit is not as new.
func TestCountersAndLimitsOfTheKernel(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		l, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		sent := map[uint16]int{}
		send := func(p uint16, n, want int) {
			t.Helper()
			passed, err := l.Repeat(unix.IPPROTO_UDP, kernel.PeerV4, p, n)
			if err != nil {
				t.Fatal(err)
			}
			if passed != want {
				t.Errorf("%d of %d packets passed to port %d, want %d", passed, n, p, want)
			}
			sent[p] += n
		}
		// counts are the counters as status shows them.
		counts := func(where string) {
			t.Helper()
			got := map[string]int{}
			for _, c := range read(t, k).Counters() {
				if c.Verdict == ruleset.Accept {
					got[c.Name] = int(c.Packets)
				}
			}
			if got["web: x"] != sent[7000] || got["each: x"] > 5 || got["all: x"] > 5 {
				t.Errorf("%s: %v, and %v were sent", where, got, sent)
			}
			if rest := got["rest"]; rest != sent[8000] {
				t.Errorf("%s: %d packets of the base chain are counted, and %d were sent", where, rest, sent[8000])
			}
		}
		step := func(where string, do func() error) {
			t.Helper()
			if err := do(); err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			counts(where)
			send(7000, 3, 3)
			send(8000, 2, 2)
			counts(where + ", and packets")
		}
		apply := func(table *nft.Table, within time.Duration) func() error {
			return func() error { _, err := Apply(t.Context(), k, table, Options{Within: within}); return err }
		}
		step("first", apply(counted(7100, false), 0))
		send(7001, 3, 3)
		send(7002, 3, 3)
		step("elements in place", apply(counted(7101, false), 0))
		step("a rule", apply(counted(7101, true), 0))
		step("both, pending", apply(counted(7102, false), time.Minute))
		step("confirmed", func() error { _, err := Confirm(t.Context(), k, counted(7102, false), Options{}); return err })
		step("nothing", apply(counted(7102, false), time.Minute))
		send(7001, 4, 2)
		send(7002, 4, 2)
		step("a rule again, pending", apply(counted(7102, true), time.Minute))
		gone := sent[8000]
		if _, err := Back(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		// What base chains counted while the change waited goes with it.
		sent[8000] = gone - 2
		step("given up", func() error { return nil })
		send(7001, 2, 0)
		send(7002, 2, 0)
	})
}
