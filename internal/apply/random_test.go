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
	"time"

	"pgregory.net/rapid"

	"portolan/internal/addr"
	"portolan/internal/nft"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/render"
)

// table is the table of a ruleset.
func table(t rapid.TB, rs *ruleset.Ruleset) *nft.Table {
	t.Helper()
	out, findings := render.Nftables(rs)
	if len(findings) > 0 {
		t.Fatalf("%v", findings)
	}
	return out
}

// A world is what policies are made of: rules that are one word apart.
type world struct {
	zones [4]addr.Set
	rules []ruleset.Rule
	drop  bool // by default
	logs  bool
	out   []ruleset.Rule
	media port.Set
}

var prefixes = []string{"10.1.0.0/24", "10.1.2.0/24", "10.9.0.0/16", "192.0.2.7/32", "198.51.100.0/26", "2001:db8:1::/48", "2001:db8:2::/48", "2001:db8:9::1/128", "172.16.0.0/12"}

func genZone(t *rapid.T) addr.Set {
	var list []netip.Prefix
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(prefixes)-1), 1, 5, rapid.ID).Draw(t, "zone") {
		list = append(list, netip.MustParsePrefix(prefixes[i]))
	}
	return addr.Of(list...)
}

var portPool = []port.Range{port.Single(22), port.Single(80), {First: 80, Last: 90}, port.Single(443), {First: 5060, Last: 5061}, {First: 10000, Last: 10099}, {First: 10050, Last: 10200}, port.Single(65535)}

func genPorts(t *rapid.T) port.Set {
	var list []port.Range
	for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(portPool)-1), 1, 3).Draw(t, "ports") {
		list = append(list, portPool[i])
	}
	return port.Of(list...)
}

// rule is one of a zone whose number is in the comment; what the number means, the world says.
func genRule(t *rapid.T, out bool) (ruleset.Rule, int) {
	m := ruleset.Any()
	m.Protos = ruleset.BytesOf(rapid.SampledFrom([]uint8{6, 17}).Draw(t, "proto"))
	m.Ports = genPorts(t)
	if rapid.IntRange(0, 5).Draw(t, "where") == 0 {
		m.Interfaces = ruleset.InterfacesOf("eth1")
	}
	e := ruleset.Effect{Verdict: ruleset.Accept}
	rate := ruleset.Rate{Count: 10, Period: "minute"}
	switch rapid.IntRange(0, 9).Draw(t, "effect") {
	case 0:
		e.Verdict = ruleset.Drop
	case 1:
		e.Limit = ruleset.Limit{Rate: rate, Burst: 5, Name: "all"}
	case 2:
		if !out {
			burst := rapid.IntRange(5, 6).Draw(t, "burst")
			e.Limit = ruleset.Limit{Rate: rate, Burst: burst, PerSource: true, Name: fmt.Sprint("each", burst)}
		}
	case 3:
		if !out {
			e.Connections = ruleset.Connections{Count: 5, PerSource: true, Name: "open"}
		}
	case 4:
		e.Connections = ruleset.Connections{Count: 50, Name: "together"}
	case 5:
		e = ruleset.Effect{Verdict: ruleset.Continue, Log: ruleset.Log{Rate: rate, Burst: 5, Prefix: "x"}}
	}
	name := rapid.SampledFrom([]string{"ssh", "web", "speech", "trunks"}).Draw(t, "name")
	r := ruleset.Rule{Name: name, Match: m, Effect: e, Comment: name + " etc/x.conf:" + fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "line"))}
	if e.Verdict != ruleset.Continue && rapid.Bool().Draw(t, "service") {
		r.Service = rapid.SampledFrom([]string{"sshd", "nginx"}).Draw(t, "service")
	}
	return r, rapid.IntRange(0, 4).Draw(t, "zone")
}

func genRuleset(t *rapid.T, near *world) (*ruleset.Ruleset, *world) {
	w := &world{}
	zoned := func(r ruleset.Rule, zone int) ruleset.Rule {
		if zone < len(w.zones) {
			r.Match.Peers = w.zones[zone]
		}
		return r
	}
	if near != nil { // another one that differs in a few things
		*w = *near
		w.rules, w.out = slices.Clone(near.rules), slices.Clone(near.out)
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			switch rapid.IntRange(0, 6).Draw(t, "change") {
			case 0:
				zone := rapid.IntRange(0, 3).Draw(t, "which zone")
				old := w.zones[zone]
				w.zones[zone] = genZone(t)
				for _, list := range [][]ruleset.Rule{w.rules, w.out} {
					for i := range list {
						if list[i].Match.Peers.Equal(old) {
							list[i].Match.Peers = w.zones[zone]
						}
					}
				}
			case 1, 2:
				w.rules = append(w.rules, zoned(genRule(t, false)))
			case 3:
				if n := len(w.rules); n > 0 {
					i := rapid.IntRange(0, n-1).Draw(t, "which")
					w.rules = slices.Delete(w.rules, i, i+1)
				}
			case 4:
				if n := len(w.rules); n > 0 {
					w.rules[rapid.IntRange(0, n-1).Draw(t, "which")].Match.Ports = genPorts(t)
				}
			case 5:
				w.media = port.Set{}
			case 6:
				w.out = nil
			}
		}
	} else {
		for i := range w.zones {
			w.zones[i] = genZone(t)
		}
		for range rapid.IntRange(0, 6).Draw(t, "rules") {
			w.rules = append(w.rules, zoned(genRule(t, false)))
		}
		if rapid.IntRange(0, 2).Draw(t, "output") == 0 {
			for range rapid.IntRange(0, 3).Draw(t, "out") {
				w.out = append(w.out, zoned(genRule(t, true)))
			}
		}
		w.drop, w.logs = rapid.IntRange(0, 3).Draw(t, "drop") > 0, rapid.Bool().Draw(t, "log")
		if rapid.IntRange(0, 2).Draw(t, "untracked") == 0 {
			w.media = port.Of(port.Range{First: 20000, Last: uint16(rapid.IntRange(20001, 20003).Draw(t, "last"))})
		}
	}
	rs := &ruleset.Ruleset{Untracked: w.media, Input: ruleset.Chain{Default: ruleset.Accept}}
	if w.drop {
		rs.Input.Default = ruleset.Drop
	}
	if !w.media.IsEmpty() {
		m := ruleset.Any()
		m.Protos, m.Ports = ruleset.BytesOf(17), w.media
		rs.Input.Rules = append(rs.Input.Rules, ruleset.Rule{Name: "media", Match: m, Effect: ruleset.Effect{Verdict: ruleset.Accept}, Comment: "media"})
	}
	established := ruleset.Any()
	established.States = ruleset.Established | ruleset.Related
	rs.Input.Rules = append(rs.Input.Rules, ruleset.Rule{Name: "established", Match: established, Effect: ruleset.Effect{Verdict: ruleset.Accept}, Comment: "established"})
	rs.Input.Rules = append(rs.Input.Rules, w.rules...)
	if w.logs {
		rs.Input.Rules = append(rs.Input.Rules, ruleset.Rule{Name: "log", Match: ruleset.Any(), Comment: "log",
			Effect: ruleset.Effect{Verdict: ruleset.Continue, Log: ruleset.Log{Rate: ruleset.Rate{Count: 5, Period: "minute"}, Burst: 5, Prefix: "drop: "}}})
	}
	if len(w.out) > 0 {
		rs.Output = ruleset.Chain{Rules: append([]ruleset.Rule{{Name: "established", Match: established, Effect: ruleset.Effect{Verdict: ruleset.Accept}, Comment: "established"}}, w.out...), Default: ruleset.Drop}
	}
	return rs, w
}

// genTables are two tables, often near each other, as random as policies are.
func genTables(t *rapid.T) (*nft.Table, *nft.Table) {
	a, w := genRuleset(t, nil)
	if rapid.IntRange(0, 3).Draw(t, "far") == 0 {
		w = nil
	}
	b, _ := genRuleset(t, w)
	return table(t, a), table(t, b)
}

// samples are packets at all bounds that the random tables have.
var samples = allSamples()

func allSamples() []sample {
	var out []sample
	for _, peer := range []string{"10.1.0.1", "10.1.2.3", "10.9.200.1", "192.0.2.7", "198.51.100.9", "172.20.0.1", "203.0.113.1", "2001:db8:1::5", "2001:db8:2::5", "2001:db8:9::1", "2001:db8:ffff::1"} {
		a := netip.MustParseAddr(peer)
		family := 6
		if a.Is4() {
			family = 4
		}
		for _, proto := range []uint8{6, 17} {
			for _, p := range []uint16{1, 22, 80, 85, 443, 5060, 10000, 10075, 10150, 20001, 20002, 20003, 65535} {
				for _, leaves := range []bool{false, true} {
					for _, iface := range []string{"eth0", "eth1"} {
						out = append(out, sample{out: leaves, iface: iface, family: family, proto: proto, peer: string(a.AsSlice()), port: p, sourcePort: 1024 + p, state: ruleset.New})
					}
				}
			}
		}
	}
	return out
}

// meaning is what happens to all samples.
func (f *fake) meaning() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire()
	var b strings.Builder
	for _, p := range samples {
		b.WriteString((&asker{fakeTable: f.table}).ask(p))
		b.WriteByte('\n')
	}
	return b.String()
}

// A witness is a fake that says what packets met behind each batch. It can die: then every
// call fails, before the last batch is committed or behind it.
type witness struct {
	*fake
	seen    []string
	batches []Batch
	dies    int // at this batch, 0 for never
	late    bool
	dead    bool
	may     [2][]string // what packets may meet while a batch is committed, by sample; nil for anything
	torn    string      // what one met else
	spoil   func(*fake) // what somebody else does before a batch; it is asked once
}

var errDead = errors.New("killed")

func (w *witness) Read() (*State, error) {
	if w.dead {
		return nil, errDead
	}
	return w.fake.Read()
}

func (w *witness) Commit(generation uint32, b Batch) error {
	if w.dead {
		return errDead
	}
	w.batches = append(w.batches, b)
	last := w.dies == len(w.batches)
	if last && !w.late {
		w.dead = true
		return errDead
	}
	if w.spoil != nil {
		w.spoil(w.fake)
		w.spoil = nil
	}
	from := w.table
	err := w.fake.Commit(generation, b)
	for i := len(w.batches); err == nil && w.may[0] != nil && i < len(samples); i += 5 {
		said, ok := during(from, w.table, samples[i], func(s string) bool { return s == w.may[0][i] || s == w.may[1][i] })
		if !ok && w.torn == "" {
			w.torn = fmt.Sprintf("in batch %d, %+v met %s; old %q, new %q\n%v", len(w.batches), samples[i], said, w.may[0][i], w.may[1][i], b)
		}
	}
	w.seen = append(w.seen, w.meaning())
	if last {
		w.dead = true
		return errDead
	}
	return err
}

// load makes a table as its text does that is given to nft: objects that are there stay, base
// chains and what has the same name are emptied and filled again, older chains are left behind.
func (f *fake) load(t rapid.TB, x *nft.Table) {
	t.Helper()
	s, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	b := Batch{AddTable{}}
	for _, l := range x.Limits {
		if s.Limits[l.Name] == nil {
			b = append(b, AddLimit{l})
		}
	}
	m, err := newMatch(&State{}, x, beside, newCodes(x))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range x.Chains {
		if s.Chains[c.Name] == nil {
			b = append(b, AddChain{Name: c.Name})
		}
	}
	for _, c := range x.Bases {
		if old := s.Chains[c.Name]; old != nil && old.Hook != nil {
			b = append(b, FlushChain{c.Name}, DeleteChain{c.Name})
		}
		if len(c.Rules) > 0 {
			b = append(b, AddChain{c.Name, &Hook{Type: "filter", Number: hookNumbers[c.Hook], Priority: c.Priority.Number()}, c.Policy})
		}
	}
	for _, c := range x.Chains {
		b = append(b, FlushChain{c.Name})
	}
	for _, w := range m.sets {
		old := s.Sets[w.name]
		if old == nil {
			b = append(b, AddSet{w.SetSpec})
		} else if len(old.Elements) > 0 {
			b = append(b, DeleteElements{w.SetSpec, old.Elements})
		}
		b = append(b, elementChanges(w.SetSpec, nil, w.elements)...)
	}
	for _, c := range m.chains {
		b = append(b, newRules(c.kernel, c.rules, make([]*Rule, len(c.rules)))...)
	}
	for _, c := range m.bases {
		b = append(b, newRules(c.Name, c.rules, make([]*Rule, len(c.rules)))...)
	}
	if err := f.Commit(s.Generation, b); err != nil {
		t.Fatal(err)
	}
}

// damage does what people do by hand. What cannot be done is left undone.
func (f *fake) damage(t *rapid.T) {
	s, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	pick := func(list []string) string {
		if len(list) == 0 {
			return "none"
		}
		return rapid.SampledFrom(list).Draw(t, "which")
	}
	drop := Line{Rule: nft.Rule{Verdict: ruleset.Drop, Comment: "by hand"}}
	chain := pick(sortedKeys(s.Chains))
	var b Batch
	switch rapid.IntRange(0, 13).Draw(t, "damage") {
	case 0:
		b = Batch{DeleteTable{}}
	case 1:
		b = Batch{FlushChain{chain}}
	case 2:
		b = Batch{AddRule{Chain: chain, Line: drop}}
	case 3:
		if c := s.Chains[chain]; c != nil && len(c.Rules) > 0 {
			b = Batch{AddRule{Chain: chain, Before: c.Rules[0].Handle, Line: drop}}
		}
	case 4:
		if c := s.Chains[chain]; c != nil && len(c.Rules) > 0 {
			b = Batch{DeleteRule{chain, rapid.SampledFrom(c.Rules).Draw(t, "rule").Handle}}
		}
	case 5:
		policy := rapid.SampledFrom([]ruleset.Verdict{ruleset.Accept, ruleset.Drop}).Draw(t, "policy")
		b = Batch{SetPolicy{chain, policy}}
	case 6:
		hook := Hook{Type: "filter", Number: uint32(rapid.SampledFrom([]int{0, 1, 3}).Draw(t, "hook")), Priority: int32(rapid.IntRange(-400, 100).Draw(t, "priority"))}
		name := rapid.SampledFrom([]string{"mine", "output", "raw_output", "input"}).Draw(t, "name")
		b = Batch{AddTable{}, AddChain{name, &hook, rapid.SampledFrom([]ruleset.Verdict{ruleset.Accept, ruleset.Drop}).Draw(t, "policy")}}
	case 7:
		b = Batch{AddTable{}, AddChain{Name: rapid.SampledFrom([]string{"mine", "output", "raw_output", "svc_ssh_sshd_00000000"}).Draw(t, "name")}}
	case 8:
		b = Batch{AddTable{}, AddLimit{nft.Limit{Name: rapid.SampledFrom([]string{"mine", "limit_all_10m_5"}).Draw(t, "name"), Rate: ruleset.Rate{Count: 1, Period: "day"}, Burst: 1}}}
	case 9:
		spec := SetSpec{Name: rapid.SampledFrom([]string{"mine", "tcp_services", "src_ssh_v4", "limit_each_10m_5_v4"}).Draw(t, "name"), What: Addresses, Family: 6}
		b = Batch{AddTable{}, AddSet{spec}}
	case 10, 11: // an element more or less
		for _, name := range sortedKeys(s.Sets) {
			set := f.table.sets[name]
			if set.spec.What == Addresses && set.spec.Family == 4 && rapid.Bool().Draw(t, "more") {
				b = append(b, AddElements{set.spec, []Element{{First: "\xcb\x00\x71\x00", Last: "\xcb\x00\x71\xff"}}})
			} else if len(set.Elements) > 0 && rapid.Bool().Draw(t, "less") {
				b = append(b, DeleteElements{set.spec, set.Elements[:1]})
			}
		}
	case 12:
		if f.table != nil {
			f.table.strange = append(f.table.strange, Object{"mine", 1})
			f.generation++
		}
	case 13: // a base chain of ours at another place
		if c := s.Chains[chain]; c != nil && c.Hook != nil {
			hook := *c.Hook
			hook.Priority++
			b = Batch{FlushChain{chain}, DeleteChain{chain}, AddChain{chain, &hook, rapid.SampledFrom([]ruleset.Verdict{ruleset.Accept, ruleset.Drop}).Draw(t, "policy")}}
			for _, r := range f.table.chains[chain].rules {
				b = append(b, AddRule{Chain: chain, Line: r.line})
			}
		}
	}
	if len(b) > 0 {
		_ = f.Commit(s.Generation, b)
	}
}

// begin is a kernel that somebody used before: with a table by hand, by text, by us, or all
// of that.
func begin(t *rapid.T, a *nft.Table) *fake {
	f := &fake{generation: 1}
	how := rapid.IntRange(0, 5).Draw(t, "begin")
	if how > 1 {
		old, _ := genTables(t)
		f.load(t, old)
	}
	if how == 1 || how == 3 {
		f.load(t, a)
	} else if how > 0 {
		if _, err := Apply(context.Background(), f, a, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if how > 3 {
		for range rapid.IntRange(1, 4).Draw(t, "damages") {
			f.damage(t)
		}
	}
	return f
}

// expect is what the samples meet under a table that was loaded into nothing.
func expect(t *rapid.T, x *nft.Table) string {
	f := &fake{generation: 1}
	f.load(t, x)
	return f.meaning()
}

// done fails unless the kernel is exactly a table.
func done(t rapid.TB, f Firewall, want *nft.Table) {
	t.Helper()
	s, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlan(s, want)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Empty() || len(p.Differences()) > 0 {
		t.Fatalf("not as wanted: %v\n%v\n%v\n%v", p.Differences(), p.prepare, p.flip, p.tidy)
	}
}

// TestApplyFromAnywhere applies a table to whatever is there: in the end the kernel is exactly
// that table, and behind each batch all packets meet the old meaning, or all meet the new.
func TestApplyFromAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genTables(t)
		w := &witness{fake: begin(t, a)}
		old, wanted := w.meaning(), expect(t, b)
		w.may = [2][]string{strings.Split(old, "\n"), strings.Split(wanted, "\n")}
		var o Options
		if rapid.Bool().Draw(t, "probe") {
			o.Probe = func(context.Context) error { return nil }
		}
		s, _ := w.Read()
		p, err := NewPlan(s, b)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Differences()) != p.Changes() {
			t.Fatalf("%d changes: %v", p.Changes(), p.Differences())
		}
		if p.Empty() != (len(p.Differences()) == 0) {
			t.Fatalf("empty %v: %v", p.Empty(), p.Differences())
		}
		out, err := Apply(context.Background(), w, b, o)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range w.seen {
			if m != old && m != wanted {
				t.Fatalf("behind batch %d of %d: %v\n%s", i+1, len(w.seen), w.batches[i], firstDifference(m, old, wanted))
			}
		}
		if w.torn != "" {
			t.Fatal(w.torn)
		}
		if got := w.meaning(); got != wanted {
			t.Fatalf("in the end\n%s", firstDifference(got, old, wanted))
		}
		done(t, w, b)
		if s, _ := w.Read(); s.Hash() != out.After.Hash() || s.Generation != out.After.Generation {
			t.Fatal("the outcome is not what is there")
		}
		if out, err := Apply(context.Background(), w, b, o); err != nil || out.Sent != 0 || out.Batches != 0 {
			t.Fatalf("the second time: %+v, %v", out, err)
		}
	})
}

func firstDifference(got, old, wanted string) string {
	g, o, n := strings.Split(got, "\n"), strings.Split(old, "\n"), strings.Split(wanted, "\n")
	var b strings.Builder
	for i := range g {
		if (g[i] != o[i] || g[i] != n[i]) && b.Len() < 1500 {
			fmt.Fprintf(&b, "%+v: %q, old %q, new %q\n", samples[i], g[i], o[i], n[i])
		}
	}
	return b.String()
}

// TestPending arms a change over whatever is there: back, by hand or by time, gives the old
// meaning, and from our own tables the same state to the bit. Confirmed, it is the new one.
func TestPending(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genTables(t)
		w := &witness{fake: begin(t, a)}
		ours := rapid.Bool().Draw(t, "ours")
		if ours {
			if _, err := Apply(context.Background(), w.fake, a, Options{}); err != nil {
				t.Fatal(err)
			}
		}
		s, _ := w.Read()
		before, old, wanted := s.Hash(), w.meaning(), expect(t, b)
		out, err := Apply(context.Background(), w, b, Options{Within: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if got := w.meaning(); got != wanted {
			t.Fatalf("pending:\n%s", firstDifference(got, old, wanted))
		}
		left, pending := out.After.PendingLeft()
		if pending == out.Until.IsZero() || pending && (left <= 0 || left > time.Minute) {
			t.Fatalf("pending %v, %v left, until %v", pending, left, out.Until)
		}
		if !pending {
			if old != wanted {
				t.Fatal("packets notice a change that is not pending")
			}
			done(t, w, b)
			return
		}
		if _, err := Apply(context.Background(), w, b, Options{}); !errors.Is(err, ErrPending) {
			t.Fatalf("over a pending change: %v", err)
		}
		if _, err := Confirm(context.Background(), w, a, Options{}); err == nil && expect(t, a) != wanted {
			t.Fatal("another table was confirmed")
		} else if err == nil {
			return
		} else if !errors.Is(err, ErrOtherPending) {
			t.Fatal(err)
		}
		now := old
		switch rapid.IntRange(0, 3).Draw(t, "end") {
		case 0:
			if _, err := Back(context.Background(), w); err != nil {
				t.Fatal(err)
			}
		case 1:
			w.pass(time.Minute)
			if _, err := Confirm(context.Background(), w, b, Options{}); !errors.Is(err, ErrExpired) {
				t.Fatalf("too late: %v", err)
			}
			if got := w.meaning(); got != old {
				t.Fatalf("expired:\n%s", firstDifference(got, old, wanted))
			}
			if _, err := Back(context.Background(), w); err != nil {
				t.Fatal(err)
			}
		case 2: // it expires between what is read and what is sent
			w.spoil = func(f *fake) { f.pass(time.Minute) }
			// The spoiled batch may be one that only prepares, and then the next one fails.
			if _, err := Confirm(context.Background(), w, b, Options{}); !errors.Is(err, ErrExpired) {
				t.Fatalf("too late: %v", err)
			}
			if _, err := Back(context.Background(), w); err != nil {
				t.Fatal(err)
			}
		case 3:
			if _, err := Confirm(context.Background(), w, b, Options{}); err != nil {
				t.Fatal(err)
			}
			done(t, w, b)
			if _, err := Confirm(context.Background(), w, b, Options{}); !errors.Is(err, ErrNotPending) {
				t.Fatalf("confirmed twice: %v", err)
			}
			now, before = wanted, ""
		}
		if got := w.meaning(); got != now {
			t.Fatalf("in the end:\n%s", firstDifference(got, old, wanted))
		}
		for i, m := range w.seen {
			if m != old && m != wanted {
				t.Fatalf("behind batch %d: %v", i+1, w.batches[i])
			}
		}
		if s, _ := w.Read(); ours && before != "" && s.Hash() != before {
			p, _ := NewPlan(s, a)
			t.Fatalf("it is not what it was before, to the bit: %v", p.Differences())
		}
	})
}

// TestKilled kills what applies at every batch, before and behind it: packets meet old or new,
// and who comes next gets the kernel to where it should be.
func TestKilled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genTables(t)
		w := &witness{fake: begin(t, a), dies: rapid.IntRange(1, 5).Draw(t, "dies"), late: rapid.Bool().Draw(t, "late")}
		old, wanted := w.meaning(), expect(t, b)
		o := Options{}
		if rapid.Bool().Draw(t, "probe") {
			o.Probe = func(context.Context) error { return nil }
		}
		_, err := Apply(context.Background(), w, b, o)
		if w.dead != (err != nil) {
			t.Fatalf("dead %v, and %v", w.dead, err)
		}
		if got := w.meaning(); got != old && got != wanted {
			t.Fatalf("killed:\n%s", firstDifference(got, old, wanted))
		}
		w.pass(selfConfirm)
		if got := w.meaning(); got != old && got != wanted {
			t.Fatalf("later:\n%s", firstDifference(got, old, wanted))
		}
		next := &witness{fake: w.fake}
		now := next.meaning()
		if _, err := Apply(context.Background(), next, b, Options{}); err != nil {
			t.Fatal(err)
		}
		for i, m := range next.seen {
			if m != now && m != wanted {
				t.Fatalf("the next one, behind batch %d: %v", i+1, next.batches[i])
			}
		}
		if got := next.meaning(); got != wanted {
			t.Fatalf("the next one:\n%s", firstDifference(got, old, wanted))
		}
		done(t, next, b)
	})
}

// TestSpoiled has somebody else change the tables meanwhile, ours or others.
func TestSpoiled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genTables(t)
		w := &witness{fake: begin(t, a)}
		w.spoil = func(f *fake) {
			f.generation++
			if rapid.Bool().Draw(t, "ours") {
				f.damage(t)
			}
		}
		out, err := Apply(context.Background(), w, b, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if out.Attempts != 1 && out.Attempts != 2 {
			t.Fatalf("%d attempts", out.Attempts)
		}
		done(t, w, b)
	})
}

// TestNotProved has what was read back be refused: everything goes back.
func TestNotProved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genTables(t)
		f := begin(t, a)
		if _, err := Apply(context.Background(), f, a, Options{}); err != nil {
			t.Fatal(err)
		}
		s, _ := f.Read()
		before := s.Hash()
		p, err := NewPlan(s, b)
		if err != nil {
			t.Fatal(err)
		}
		no := errors.New("no")
		o := Options{Prove: func(*State) error { return no }}
		if rapid.Bool().Draw(t, "probe") {
			o = Options{Probe: func(context.Context) error { return no }}
		}
		if rapid.Bool().Draw(t, "pending") {
			o.Within, o.Prove = time.Minute, func(*State) error { return no }
		}
		_, err = Apply(context.Background(), f, b, o)
		went := WentBack{}
		if p.Empty() || len(p.flip) == 0 {
			return // nothing that packets notice
		}
		if !errors.As(err, &went) || !errors.Is(err, no) {
			t.Fatal(err)
		}
		if s, _ := f.Read(); s.Hash() != before {
			t.Fatal("it is not what it was before")
		}
	})
}

// TestNoTable takes the table away.
func TestNoTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, _ := genTables(t)
		w := &witness{fake: begin(t, a)}
		old := w.meaning()
		if _, err := Apply(context.Background(), w, nil, Options{}); err != nil {
			t.Fatal(err)
		}
		for i, m := range w.seen {
			if m != old && strings.Trim(m, "acept\n") != "" {
				t.Fatalf("behind batch %d: %v", i+1, w.batches[i])
			}
		}
		if s, _ := w.Read(); s.Exists {
			t.Fatal("it is there")
		}
		done(t, w, nil)
	})
}
