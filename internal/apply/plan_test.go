//go:build linux

// Rules are encoded on Linux only.

package apply

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"portolan/internal/addr"
	"portolan/internal/nft"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

func prefixRange(text string) addr.Range { return addr.Of(netip.MustParsePrefix(text)).Ranges()[0] }

func set(name string, family int, prefixes ...string) *nft.Set {
	s := &nft.Set{Name: name, Family: family}
	for _, p := range prefixes {
		s.Elements = append(s.Elements, prefixRange(p))
	}
	return s
}

func from(name string) nft.Rule {
	family := 4
	if strings.HasSuffix(name, "_v6") {
		family = 6
	}
	return nft.Rule{Family: family, Set: name, Verdict: ruleset.Accept, Comment: name}
}

func element(p uint16, to string) nft.Element {
	return nft.Element{Ports: port.Single(p), Jump: to, Comment: to}
}

// small is a table of two services and two zones.
func small() *nft.Table {
	return &nft.Table{
		Sets: []*nft.Set{set("src_a_v4", 4, "10.1.0.0/24", "10.2.0.0/24"), set("src_a_v6", 6, "2001:db8::/32", "2001:db9::/32"), set("src_b_v4", 4, "10.3.0.0/24", "10.4.0.0/24")},
		Maps: []*nft.Map{
			{Name: "tcp_services", Elements: []nft.Element{element(22, "svc_a_00000001"), element(80, "svc_b_00000002")}},
			{Name: "udp_services", Elements: []nft.Element{element(5060, "svc_c_00000003")}},
		},
		Chains: []*nft.Chain{
			{Name: "svc_a_00000001", Rules: []nft.Rule{from("src_a_v4"), from("src_a_v6")}},
			{Name: "svc_b_00000002", Rules: []nft.Rule{from("src_b_v4")}},
			{Name: "svc_c_00000003", Rules: []nft.Rule{{Verdict: ruleset.Accept, Comment: "c"}}},
		},
		Bases: []*nft.Base{
			{Name: "raw_prerouting", Hook: "prerouting", Priority: nft.Raw, Policy: ruleset.Accept},
			{Name: "input", Hook: "input", Priority: nft.Filter, Policy: ruleset.Drop, Rules: []nft.Rule{
				{States: ruleset.Established, Verdict: ruleset.Accept, Comment: "established"},
				{Proto: 6, Map: "tcp_services"}, {Proto: 17, Map: "udp_services"},
				{Verdict: ruleset.Drop, Comment: "default"},
			}},
		},
	}
}

func TestWhatChangesInPlace(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*nft.Table)
		before  func(*nft.Table) // of both
		inPlace bool
		words   []string
	}{
		{"nothing", func(*nft.Table) {}, nil, false, nil},
		{"lines of the file", func(x *nft.Table) { x.Maps[0].Elements[0].Comment = "svc_a_00000001 p.hcl:9" }, nil, false, nil},
		{"one zone", func(x *nft.Table) { x.Sets[0] = set("src_a_v4", 4, "10.2.0.0/24", "10.9.0.0/16") }, nil, true,
			[]string{"removed element src_a_v4: 10.1.0.0/24", "added element src_a_v4: 10.9.0.0/16"}},
		{"both families", func(x *nft.Table) {
			x.Sets[0] = set("src_a_v4", 4, "10.2.0.0/24")
			x.Sets[1] = set("src_a_v6", 6, "2001:db8::/32")
		}, nil, true, []string{"removed element src_a_v4: 10.1.0.0/24", "removed element src_a_v6: 2001:db9::/32"}},
		{"two zones of two ports", func(x *nft.Table) {
			x.Sets[0] = set("src_a_v4", 4, "10.2.0.0/24")
			x.Sets[2] = set("src_b_v4", 4, "10.3.0.0/24")
		}, nil, true, []string{"removed element src_a_v4: 10.1.0.0/24", "removed element src_b_v4: 10.4.0.0/24"}},
		{"two zones of one port", func(x *nft.Table) {
			x.Sets[0] = set("src_a_v4", 4, "10.2.0.0/24")
			x.Sets[2] = set("src_b_v4", 4, "10.3.0.0/24")
		}, func(x *nft.Table) { x.Chains[0].Rules = append(x.Chains[0].Rules, from("src_b_v4")) }, false,
			[]string{"removed element src_a_v4: 10.1.0.0/24", "removed element src_b_v4: 10.4.0.0/24"}},
		{"a zone that is asked twice", func(x *nft.Table) { x.Sets[0] = set("src_a_v4", 4, "10.2.0.0/24") },
			func(x *nft.Table) {
				deny := from("src_a_v4")
				deny.Verdict = ruleset.Drop
				x.Chains[0].Rules = append(x.Chains[0].Rules, deny)
			}, false, []string{"removed element src_a_v4: 10.1.0.0/24"}},
		{"a zone that is asked before the map as well", func(x *nft.Table) { x.Sets[0] = set("src_a_v4", 4, "10.2.0.0/24") },
			func(x *nft.Table) {
				x.Bases[1].Rules = slices.Insert(x.Bases[1].Rules, 1, from("src_a_v4"))
			}, false, []string{"removed element src_a_v4: 10.1.0.0/24"}},
		{"ports of both protocols", func(x *nft.Table) {
			x.Maps[0].Elements[1] = element(81, "svc_b_00000002")
			x.Maps[1].Elements[0].Ports.Last = 5061
		}, nil, true, []string{"removed element tcp_services: 80 to chain svc_b_00000002 (svc_b_00000002)", "added element tcp_services: 81 to chain svc_b_00000002 (svc_b_00000002)",
			"changed element udp_services: 5060 to chain svc_c_00000003 (svc_c_00000003) is to be 5060-5061 to chain svc_c_00000003 (svc_c_00000003)"}},
		{"a port and a zone", func(x *nft.Table) {
			x.Maps[0].Elements[1] = element(81, "svc_b_00000002")
			x.Sets[0] = set("src_a_v4", 4, "10.2.0.0/24")
		}, nil, false, []string{"removed element src_a_v4: 10.1.0.0/24", "removed element tcp_services: 80 to chain svc_b_00000002 (svc_b_00000002)", "added element tcp_services: 81 to chain svc_b_00000002 (svc_b_00000002)"}},
		{"a zone by the old way of a port only", func(x *nft.Table) {
			x.Maps[0].Elements[1] = element(80, "svc_c_00000003")
			x.Sets[2] = set("src_b_v4", 4, "10.3.0.0/24")
			x.Chains[1].Rules = nil
		}, nil, false, nil},
		{"two maps of a protocol", func(x *nft.Table) {
			x.Maps[0].Elements[1] = element(81, "svc_b_00000002")
			x.Maps[2].Elements[0] = element(444, "svc_b_00000002")
		}, func(x *nft.Table) {
			x.Maps = append(x.Maps, &nft.Map{Name: "tcp_services_2", Elements: []nft.Element{element(443, "svc_b_00000002")}})
			x.Bases[1].Rules = slices.Insert(x.Bases[1].Rules, 2, nft.Rule{Proto: 6, Map: "tcp_services_2"})
		}, false, nil},
		{"a new service", func(x *nft.Table) {
			x.Chains = append(x.Chains, &nft.Chain{Name: "svc_d_00000004", Rules: []nft.Rule{{Verdict: ruleset.Accept, Comment: "d"}}})
			x.Maps[0].Elements = append(x.Maps[0].Elements, element(443, "svc_d_00000004"))
		}, nil, true, []string{"added element tcp_services: 443 to chain svc_d_00000004 (svc_d_00000004)", "added chain svc_d_00000004: 1 rule", "added rule svc_d_00000004: d"}},
		{"a chain with another hash", func(x *nft.Table) {
			x.Chains[2].Name = "svc_c_0000000f"
			x.Maps[1].Elements[0].Jump = "svc_c_0000000f"
		}, nil, false, nil},
		{"a rule of a base chain", func(x *nft.Table) {
			x.Bases[1].Rules = slices.Insert(x.Bases[1].Rules, 1, nft.Rule{Interfaces: []string{"lo"}, Verdict: ruleset.Accept, Comment: "loopback"})
		}, nil, false, []string{"added rule input: loopback"}},
		{"a base chain", func(x *nft.Table) { x.Bases[0].Rules = []nft.Rule{{Proto: 17, Notrack: true, Comment: "no tracking"}} }, nil, false,
			[]string{"added base chain raw_prerouting: 1 rule", "added rule raw_prerouting: no tracking"}},
		{"a policy", func(x *nft.Table) { x.Bases[1].Policy = ruleset.Accept }, nil, false, []string{"changed policy input: drop is to be accept"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := small(), small()
			if c.before != nil {
				c.before(a)
				c.before(b)
			}
			c.change(b)
			f := &fake{generation: 1}
			f.load(t, a)
			f.table.chains["input"].rules[0].Packets = 7
			s, _ := f.Read()
			p, err := NewPlan(s, b)
			if err != nil {
				t.Fatal(err)
			}
			if p.InPlace() != c.inPlace {
				t.Errorf("in place %v; %v", p.InPlace(), p.flip)
			}
			var words []string
			for _, d := range p.Differences() {
				words = append(words, d.String())
			}
			if c.words != nil && !slices.Equal(words, c.words) {
				t.Errorf("differences\n%s", strings.Join(words, "\n"))
			}
			w := &witness{fake: f}
			out, err := Apply(context.Background(), w, b, Options{})
			if err != nil || out.InPlace != c.inPlace {
				t.Fatalf("%+v, %v", out, err)
			}
			done(t, f, b)
			if got := f.table.chains["input"].rules; got[0].Packets != 7 {
				t.Errorf("the counter began anew: %+v", got[0])
			}
		})
	}
}

// TestOnlyElementsTravel looks at what is sent when a zone changes: one batch of elements.
func TestOnlyElementsTravel(t *testing.T) {
	f := &fake{generation: 1}
	f.load(t, small())
	b := small()
	b.Sets[0] = set("src_a_v4", 4, "10.2.0.0/24", "10.9.0.0/16")
	w := &witness{fake: f}
	var steps []string
	out, err := Apply(context.Background(), w, b, Options{Journal: func(e Event) { steps = append(steps, fmt.Sprint(e.Step, " ", e.Changes)) }})
	if err != nil || out.Sent != 2 || out.Batches != 1 || !out.InPlace || out.Attempts != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	if len(w.batches) != 1 || len(w.batches[0]) != 2 {
		t.Fatalf("%v", w.batches)
	}
	gone, ok := w.batches[0][0].(DeleteElements)
	fresh, okToo := w.batches[0][1].(AddElements)
	if !ok || !okToo || len(gone.Elements) != 1 || len(fresh.Elements) != 1 {
		t.Errorf("%v", w.batches)
	}
	if want := "read 0|change 2|read 0"; strings.Join(steps, "|") != want {
		t.Errorf("steps %q, want %q", steps, want)
	}
}

// TestCountersGoOn has a chain be replaced by one with another source: counters of rules that
// correspond go on, those of others begin.
func TestCountersGoOn(t *testing.T) {
	f := &fake{generation: 1}
	f.load(t, small())
	for i := range f.table.chains["svc_a_00000001"].rules {
		f.table.chains["svc_a_00000001"].rules[i].Packets = uint64(10 + i)
	}
	b := small()
	peer := prefixRange("10.1.0.0/24")
	b.Chains[0] = &nft.Chain{Name: "svc_a_0000000f", Rules: []nft.Rule{
		{Family: 4, Peer: &peer, Verdict: ruleset.Accept, Comment: "src_a_v4"}, {Verdict: ruleset.Drop, Comment: "new"}, from("src_a_v6"),
	}}
	b.Maps[0].Elements[0].Jump = "svc_a_0000000f"
	b.Sets = b.Sets[1:]
	for _, within := range []time.Duration{0, time.Minute} {
		f := f.clone()
		if _, err := Apply(context.Background(), f, b, Options{Within: within}); err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for _, r := range f.table.chains["svc_a_0000000f"].rules {
			got = append(got, r.Packets)
		}
		if !slices.Equal(got, []uint64{10, 0, 11}) {
			t.Errorf("counters %v", got)
		}
	}
}

// TestCountersOfPendingRules has packets be counted while a change waits.
func TestCountersOfPendingRules(t *testing.T) {
	f := &fake{generation: 1}
	f.load(t, small())
	f.table.chains["input"].rules[0].Packets = 5
	b := small()
	b.Bases[1].Rules = slices.Insert(b.Bases[1].Rules, 1, nft.Rule{Interfaces: []string{"lo"}, Verdict: ruleset.Accept, Comment: "loopback"})
	if _, err := Apply(context.Background(), f, b, Options{Within: time.Minute}); err != nil {
		t.Fatal(err)
	}
	pending := f.table.chains["pending_input"].rules
	if pending[0].Packets != 5 {
		t.Errorf("the counter began anew: %+v", pending[0])
	}
	pending[0].Packets, pending[1].Packets = 8, 3
	if _, err := Confirm(context.Background(), f, b, Options{}); err != nil {
		t.Fatal(err)
	}
	if got := f.table.chains["input"].rules; got[0].Packets != 8 || got[1].Packets != 3 {
		t.Errorf("counters %+v", got)
	}
}

func TestDamageInWords(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage Batch
		want   string
	}{
		{"an element", Batch{AddElements{SetSpec{Name: "src_a_v4", What: Addresses, Family: 4}, ranges([2]string{"\x0a\x07\x00\x05", "\x0a\x07\x00\x09"})}}, "removed element src_a_v4: 10.7.0.5-10.7.0.9"},
		{"a chain that is flushed", Batch{FlushChain{"svc_b_00000002"}}, "changed chain svc_b_00000002: 1 rule|added rule svc_b_00000002: src_b_v4"},
		{"a table", Batch{DeleteTable{}}, "added table portolan|added set src_a_v4: 2 elements|added element src_a_v4: 10.1.0.0/24|..."},
		{"a rule", Batch{AddRule{Chain: "input", Line: line(ruleset.Accept, "by hand")}}, "removed rule input: by hand"},
		{"a rule without a comment", Batch{AddRule{Chain: "input", Line: line(ruleset.Accept, "")}}, "removed rule input: a rule without a comment"},
		{"a chain", Batch{AddChain{Name: "mine"}}, "removed chain mine: nothing leads to it"},
		{"a base chain", Batch{AddChain{"mine", &Hook{Type: "filter", Number: 2, Priority: 0}, ruleset.Drop}}, "removed base chain mine: 0 rules"},
		{"another place", Batch{FlushChain{"input"}, DeleteChain{"input"}, AddChain{"input", &Hook{Type: "filter", Number: 1, Priority: 7}, ruleset.Drop}, AddRule{Chain: "input", Line: line(ruleset.Drop, "default")}},
			"changed base chain input: hook 1 at priority 7 of type filter is to be hook 1 at priority -10 of type filter|added rule input: established|added rule input: asks tcp_services|added rule input: asks udp_services"},
		{"a limit", Batch{AddLimit{nft.Limit{Name: "mine", Rate: ruleset.Rate{Count: 1, Period: "day"}, Burst: 1}}}, "removed limit mine: nothing leads to it"},
		{"a policy", Batch{SetPolicy{"input", ruleset.Accept}}, "changed policy input: accept is to be drop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{generation: 1}
			f.load(t, small())
			s := must(t, f, c.damage...)
			p, err := NewPlan(s, small())
			if err != nil {
				t.Fatal(err)
			}
			var words []string
			for _, d := range p.Differences() {
				words = append(words, d.String())
			}
			got := strings.Join(words, "|")
			if got != c.want && !(strings.HasSuffix(c.want, "...") && strings.HasPrefix(got, strings.TrimSuffix(c.want, "..."))) {
				t.Errorf("%s", got)
			}
			if _, err := Apply(context.Background(), f, small(), Options{}); err != nil {
				t.Fatal(err)
			}
			done(t, f, small())
		})
	}
}

// TestTablesThatAreNotWhole are refused in words, and nothing is sent.
func TestTablesThatAreNotWhole(t *testing.T) {
	for name, change := range map[string]func(*nft.Table){
		`a rule of chain input names "none", which is not in the table`:            func(x *nft.Table) { x.Bases[1].Rules[1].Map = "none" },
		`a rule of chain svc_b_00000002 names "none", which is not in the table`:   func(x *nft.Table) { x.Chains[1].Rules[0].Set = "none" },
		`a rule jumps to chain "none", which is not in the table`:                  func(x *nft.Table) { x.Chains[1].Rules[0].Jump = "none" },
		`map tcp_services of the table leads to chain "none", which is not there`:  func(x *nft.Table) { x.Maps[0].Elements[0].Jump = "none" },
		`chain svc_b_00000002 of the table leads to itself`:                        func(x *nft.Table) { x.Chains[1].Rules[0].Jump = "svc_b_00000002" },
		`chain svc_b_00000002 of the table looks up a map: only base chains do`:    func(x *nft.Table) { x.Chains[1].Rules[0].Map = "tcp_services" },
		`base chain input of the table has the hook "forward", which is not known`: func(x *nft.Table) { x.Bases[1].Hook = "forward" },
		`the table has set src_a_v4 twice`:                                         func(x *nft.Table) { x.Sets = append(x.Sets, x.Sets[0]) },
	} {
		x := small()
		change(x)
		f := &fake{generation: 1}
		out, err := Apply(context.Background(), f, x, Options{})
		if err == nil || err.Error() != name || out.Sent != 0 || f.generation != 1 {
			t.Errorf("%v, want %s", err, name)
		}
	}
}

// TestTimeRunsOut lets the clock of the program and the kernel go by.
func TestTimeRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		f := &fake{generation: 1}
		f.load(t, small())
		s, _ := f.Read()
		b := small()
		b.Sets[0] = set("src_a_v4", 4, "10.2.0.0/24", "10.9.0.0/16")
		out, err := Apply(ctx, f, b, Options{Within: time.Minute})
		if err != nil || !out.Until.Equal(time.Now().Add(time.Minute)) {
			t.Fatalf("%v, %v", out.Until, err)
		}
		time.Sleep(time.Minute - time.Millisecond)
		if now, _ := f.Read(); func() bool { left, _ := now.PendingLeft(); return left != time.Millisecond }() {
			t.Error("not a millisecond left")
		}
		time.Sleep(time.Millisecond)
		if _, err := Confirm(ctx, f, b, Options{}); !errors.Is(err, ErrExpired) {
			t.Fatal(err)
		}
		// The next one takes away what is left of it, and waits again.
		if out, err = Apply(ctx, f, b, Options{Within: time.Second}); err != nil || out.Until.IsZero() {
			t.Fatalf("%+v, %v", out, err)
		}
		time.Sleep(time.Second)
		if out, err := Back(ctx, f); err != nil || out.After.Hash() != s.Hash() {
			t.Fatal(err)
		}
		if out, err := Back(ctx, f); err != nil || out.Sent != 0 {
			t.Fatalf("%+v, %v", out, err)
		}
		if _, err := Confirm(ctx, f, b, Options{}); !errors.Is(err, ErrNotPending) {
			t.Fatal(err)
		}
		// Who takes it into force at once and asks for too long is taken back by the kernel.
		_, err = Apply(ctx, f, b, Options{Probe: func(context.Context) error { time.Sleep(selfConfirm); return nil }})
		if went := (WentBack{}); !errors.As(err, &went) || !errors.Is(err, ErrExpired) {
			t.Fatal(err)
		}
		if now, _ := f.Read(); now.Hash() != s.Hash() {
			t.Error("it is not what it was before")
		}
	})
}

// TestNoQuietMoment has somebody else change tables before each batch: it ends, with an error.
func TestNoQuietMoment(t *testing.T) {
	f := &fake{generation: 1}
	f.load(t, small())
	before := f.meaning()
	b := small()
	b.Bases[1].Rules = b.Bases[1].Rules[1:]
	out, err := Apply(context.Background(), restless{f}, b, Options{})
	if !errors.Is(err, ErrChanged) || out.Attempts != attempts {
		t.Errorf("%d attempts, %v", out.Attempts, err)
	}
	if f.meaning() != before {
		t.Error("packets notice")
	}
}

type restless struct{ *fake }

func (r restless) Commit(generation uint32, b Batch) error {
	r.generation++
	return r.fake.Commit(generation, b)
}

// counting counts how often the kernel is read.
type counting struct {
	*fake
	reads *int
}

func (c counting) Read() (*State, error) {
	*c.reads++
	return c.fake.Read()
}

// TestAPlanIsTakenUp: a plan that was looked at is not made again, unless somebody came between.
func TestAPlanIsTakenUp(t *testing.T) {
	elements, rules := small(), small()
	elements.Sets[0] = set(elements.Sets[0].Name, elements.Sets[0].Family, "192.0.2.0/24")
	rules.Bases[1].Rules = rules.Bases[1].Rules[1:]
	for _, c := range []struct {
		name            string
		want            *nft.Table
		between, pended bool
		packets         uint64 // that were counted
		reads           int    // with the plan
	}{
		{"in place", elements, false, false, 0, 1},
		{"in place with counters, which stay", elements, false, false, 7, 1},
		{"rules", rules, false, false, 0, 2},
		{"rules with counters, which go on", rules, false, false, 7, 3},
		{"somebody came between", rules, true, false, 0, 3},
		{"somebody came between, in place", elements, true, false, 0, 2},
		{"something is left over", rules, false, true, 0, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fake{generation: 1}
			f.load(t, small())
			if c.pended {
				if _, err := Apply(context.Background(), f, elements, Options{Within: time.Second, Probe: func(context.Context) error { return nil }}); err != nil {
					t.Fatal(err)
				}
				f.pass(time.Minute)
			}
			f.table.chains["input"].rules[0].Packets = c.packets
			live, _ := f.Read()
			plan, err := NewPlan(live, c.want)
			if err != nil {
				t.Fatal(err)
			}
			if c.between {
				if err := f.Commit(live.Generation, Batch{AddLimit{nft.Limit{Name: "theirs", Rate: ruleset.Rate{Count: 1, Period: "day"}, Burst: 1}}}); err != nil {
					t.Fatal(err)
				}
			}
			reads := 0
			out, err := Apply(context.Background(), counting{f, &reads}, c.want, Options{Plan: plan})
			if err != nil || reads != c.reads || (out.Attempts > 1) != c.between || out.Before == nil {
				t.Errorf("read %d times, want %d; %d attempts, %v", reads, c.reads, out.Attempts, err)
			}
			now, _ := f.Read()
			if rest, err := NewPlan(now, c.want); err != nil || !rest.Empty() {
				t.Errorf("left to do: %v, %v", rest.Differences(), err)
			}
		})
	}
	t.Run("of another table", func(t *testing.T) {
		f := &fake{generation: 1}
		f.load(t, small())
		live, _ := f.Read()
		plan, err := NewPlan(live, rules)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Apply(context.Background(), f, elements, Options{Plan: plan}); err != nil {
			t.Fatal(err)
		}
		now, _ := f.Read()
		if rest, err := NewPlan(now, elements); err != nil || !rest.Empty() {
			t.Errorf("left to do: %v, %v", rest.Differences(), err)
		}
	})
}

// TestCancelled ends a change whose context is over: it does not come into force, or it goes back.
func TestCancelled(t *testing.T) {
	b := small()
	b.Bases[1].Rules = b.Bases[1].Rules[1:]
	f := &fake{generation: 1}
	f.load(t, small())
	s, _ := f.Read()
	ctx, cancel := context.WithCancel(context.Background())
	_, err := Apply(ctx, f, b, Options{Probe: func(ctx context.Context) error { cancel(); return ctx.Err() }})
	if went := (WentBack{}); !errors.As(err, &went) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := Apply(ctx, f, b, Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if now, _ := f.Read(); now.Hash() != s.Hash() {
		t.Error("it is not what it was before")
	}
}

// TestHashTellsApart changes one thing after the other.
func TestHashTellsApart(t *testing.T) {
	read := func(b Batch) string {
		f := &fake{generation: 1}
		f.load(t, small())
		if b != nil {
			must(t, f, b...)
		}
		f.table.chains["input"].rules[0].Packets++ // counters play no part
		s, _ := f.Read()
		return s.Hash()
	}
	f := &fake{generation: 1}
	f.load(t, small())
	r := f.table.chains["input"].rules[0]
	first := line(ruleset.Drop, "x")
	seen := map[string]int{read(nil): -1}
	if once, again := read(nil), read(nil); once != again {
		t.Error("the hash is not always the same")
	}
	for i, b := range []Batch{
		{SetPolicy{"input", ruleset.Accept}},
		{AddRule{Chain: "input", Line: first}},
		{AddRule{Chain: "input", Before: r.Handle, Line: first}},
		{AddRule{Chain: "input", Line: line(ruleset.Drop, "y")}},
		{AddRule{Chain: "input", Line: line(ruleset.Accept, "x")}},
		{DeleteRule{"input", r.Handle}},
		{AddChain{Name: "a"}}, {AddChain{Name: "b"}}, {AddChain{"a", inputHook, ruleset.Accept}}, {AddChain{"a", &Hook{Type: "filter", Number: 1, Priority: -9}, ruleset.Accept}},
		{AddLimit{nft.Limit{Name: "a", Rate: ruleset.Rate{Count: 1, Period: "minute"}, Burst: 1}}}, {AddLimit{nft.Limit{Name: "a", Rate: ruleset.Rate{Count: 1, Period: "minute"}, Burst: 2}}},
		{AddSet{SetSpec{Name: "a", What: Addresses, Family: 4}}}, {AddSet{SetSpec{Name: "a", What: Addresses, Family: 6}}}, {AddSet{SetSpec{Name: "a", What: Addresses, Family: 4, Comment: "c"}}},
		{AddElements{SetSpec{Name: "src_a_v4", What: Addresses, Family: 4}, ranges([2]string{"\x00\x00\x00\x00", "\x00\x00\x00\x00"})}},
		{AddElements{SetSpec{Name: "src_a_v4", What: Addresses, Family: 4}, ranges([2]string{"\x00\x00\x00\x00", "\x00\x00\x00\x01"})}},
		{DeleteTable{}, AddTable{}, AddChain{"input", inputHook, ruleset.Accept}, AddRule{Chain: "input", Line: first}},
	} {
		h := read(b)
		if other, twice := seen[h]; twice {
			t.Errorf("%d and %d have one hash", i, other)
		}
		seen[h] = i
	}
}

// TestCommon holds common to what it promises.
func TestCommon(t *testing.T) {
	for _, c := range []struct{ old, wanted, stays string }{
		{"", "", ""}, {"abc", "abc", "abc"}, {"abc", "", ""}, {"", "abc", ""}, {"abcd", "axcd", "acd"}, {"abcdef", "bdacfe", "bdf"},
		{"aab", "ab", "ab"}, {"abab", "baba", "ab"}, {"xabc", "abcx", "abc"},
	} {
		var old []Rule
		var wanted []*wantedRule
		for _, x := range c.old {
			old = append(old, Rule{Code: string(x)})
		}
		for _, x := range c.wanted {
			wanted = append(wanted, &wantedRule{Rule: Rule{Code: string(x)}})
		}
		kept, stays := common(old, wanted)
		last, n := -1, 0
		for j, i := range kept {
			if i < 0 {
				continue
			}
			if i <= last || !stays[i] || old[i].Code != wanted[j].Code {
				t.Errorf("%s, %s: %v %v", c.old, c.wanted, kept, stays)
			}
			last = i
			n++
		}
		if n != len(c.stays) {
			t.Errorf("%s, %s: %d stay, want %d", c.old, c.wanted, n, len(c.stays))
		}
	}
}

// large is a table of n services, each with a port, a chain and a network of its own.
func large(n int) *nft.Table {
	x := &nft.Table{Bases: small().Bases}
	x.Bases[1].Rules = slices.Delete(x.Bases[1].Rules, 2, 3)
	m := &nft.Map{Name: "tcp_services"}
	zone := &nft.Set{Name: "src_zone_v4", Family: 4}
	for i := range n {
		name := fmt.Sprintf("svc_service_%d_%08x", i, i)
		net := prefixRange(fmt.Sprintf("10.%d.%d.0/28", i>>8, i&255))
		x.Chains = append(x.Chains, &nft.Chain{Name: name, Rules: []nft.Rule{{Family: 4, Peer: &net, Verdict: ruleset.Accept, Comment: name}, from("src_zone_v4")}})
		m.Elements = append(m.Elements, element(uint16(i), name))
		zone.Elements = append(zone.Elements, net)
	}
	x.Maps, x.Sets = []*nft.Map{m}, []*nft.Set{zone}
	return x
}

// shared is a table of n services with so many ports each, all for one network.
func shared(n, each int) *nft.Table {
	x := &nft.Table{Bases: small().Bases, Maps: []*nft.Map{{Name: "tcp_services"}, {Name: "udp_services"}}}
	net := prefixRange("10.1.0.0/24")
	for i := range n * each {
		name := fmt.Sprintf("svc_svc_%d_%08x", i/each, i/each)
		if i%each == 0 {
			x.Chains = append(x.Chains, &nft.Chain{Name: name, Rules: []nft.Rule{{Family: 4, Peer: &net, Verdict: ruleset.Accept, Comment: fmt.Sprintf("svc-%d", i/each)}}})
		}
		x.Maps[i%2].Elements = append(x.Maps[i%2].Elements, nft.Element{Ports: port.Single(uint16(1024 + 6*i)), Jump: name, Comment: fmt.Sprintf("allow svc-%d portolan.hcl:%d", i/each, 6+4*(i/each))})
	}
	return x
}

// BenchmarkFirst plans tables for a kernel without one.
func BenchmarkFirst(b *testing.B) {
	for _, each := range []int{1, 10} {
		want := shared(990, each)
		b.Run(fmt.Sprintf("ports=%d", 990*each), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := NewPlan(&State{}, want); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPlan(b *testing.B) {
	// Again is without encoding the rules.
	for _, c := range []struct {
		name   string
		change func(*nft.Table)
	}{
		{"nothing", func(*nft.Table) {}},
		{"zone", func(x *nft.Table) { x.Sets[0].Elements = x.Sets[0].Elements[1:] }},
		{"service", func(x *nft.Table) {
			x.Chains = append(x.Chains, &nft.Chain{Name: "svc_new_00000000", Rules: []nft.Rule{{Verdict: ruleset.Accept}}})
			x.Maps[0].Elements = append(x.Maps[0].Elements, element(65535, "svc_new_00000000"))
		}},
		{"all", func(x *nft.Table) {
			for _, c := range x.Chains {
				c.Rules = c.Rules[1:]
			}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := stateOf(b, large(10000))
			want := large(10000)
			c.change(want)
			known := newCodes(want)
			if _, err := newPlan(s, want, known); err != nil {
				b.Fatal(err)
			}
			b.Run("first", func(b *testing.B) {
				for b.Loop() {
					if _, err := NewPlan(s, want); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("again", func(b *testing.B) {
				for b.Loop() {
					if _, err := newPlan(s, want, known); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// stateOf is the state of a kernel that has a table.
func stateOf(t testing.TB, x *nft.Table) *State {
	t.Helper()
	m, err := newMatch(&State{}, x, beside, newCodes(x))
	if err != nil {
		t.Fatal(err)
	}
	s := &State{Generation: 1, Exists: true, Limits: map[string]*Limit{}, Sets: map[string]*Set{}, Chains: map[string]*Chain{}}
	for _, l := range m.limits {
		code, err := limitCode(l.Limit)
		if err != nil {
			t.Fatal(err)
		}
		s.Limits[l.name] = &Limit{l.name, code}
	}
	for _, w := range m.sets {
		kind, err := kindOf(w.SetSpec)
		if err != nil {
			t.Fatal(err)
		}
		s.Sets[w.name] = &Set{Name: w.name, Kind: kind, Elements: w.elements}
	}
	handle := uint64(0)
	rules := func(list []*wantedRule) []Rule {
		var out []Rule
		for _, r := range list {
			handle++
			rule := r.Rule
			rule.Handle = handle
			out = append(out, rule)
		}
		return out
	}
	for _, c := range m.chains {
		s.Chains[c.name] = &Chain{Name: c.name, Rules: rules(c.rules)}
	}
	for _, c := range m.bases {
		s.Chains[c.Name] = &Chain{Name: c.Name, Hook: &c.hook, Policy: c.Policy, Rules: rules(c.rules)}
	}
	return s
}

// TestLargeTables are planned without work that grows with the square of their size.
func TestLargeTables(t *testing.T) {
	s, want := stateOf(t, large(10000)), large(10000)
	p, err := NewPlan(s, want)
	if err != nil || !p.Empty() {
		t.Fatalf("%v", err)
	}
	for _, c := range want.Chains { // other names, the same rules
		c.Name = strings.Replace(c.Name, "_0", "_f", 1)
	}
	for i := range want.Maps[0].Elements {
		want.Maps[0].Elements[i].Jump = want.Chains[i].Name
	}
	if p, err = NewPlan(s, want); err != nil || len(p.prepare)+len(p.tidy) > 10 {
		t.Fatalf("%d changes, %v", p.prepare.count()+p.flip.count()+p.tidy.count(), err)
	}
}
