//go:build linux

// Rules are encoded on Linux only.

package apply

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"portolan/internal/addr"
	"portolan/internal/nft"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

func TestFakePassesTheSuite(t *testing.T) { suite(t, newFake) }

// must commits a batch to what is there and reads it back.
func must(t *testing.T, f Firewall, b ...Change) *State {
	t.Helper()
	s, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(s.Generation, b); err != nil {
		t.Fatalf("%v: %v", b, err)
	}
	now, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	if now.Generation != following(s.Generation) {
		t.Fatalf("generation %d behind %d", now.Generation, s.Generation)
	}
	return now
}

// line is a rule of one verdict.
func line(v ruleset.Verdict, comment string) Line {
	return Line{Rule: nft.Rule{Verdict: v, Comment: comment}}
}

func ranges(pairs ...[2]string) []Element {
	var out []Element
	for _, p := range pairs {
		out = append(out, Element{First: p[0], Last: p[1]})
	}
	return out
}

func ports(first, last uint16, to string) Element {
	return Element{First: portKey(first), Last: portKey(last), Data: verdictData(verdictJump, to), Jump: to, Comment: "for " + to}
}

var inputHook = &Hook{Type: "filter", Number: 1, Priority: -10}

// errCircle is how older kernels refuse chains that lead to each other.
const errCircle = syscall.ELOOP

// suite is what every Firewall does. Each part gets one without the table of ours.
func suite(t *testing.T, open func(*testing.T) Firewall) {
	v4 := SetSpec{Name: "src_a_v4", What: Addresses, Family: 4}
	tcp := SetSpec{Name: "tcp_services", What: Ports}
	limit := nft.Limit{Name: "limit_a", Rate: ruleset.Rate{Count: 10, Period: "minute"}, Burst: 5}
	base := Batch{
		AddTable{}, AddLimit{limit}, AddSet{v4}, AddElements{v4, ranges([2]string{"\x0a\x01\x00\x00", "\x0a\x01\x00\xff"})},
		AddChain{Name: "svc_a"}, AddChain{Name: "svc_b"}, AddSet{tcp}, AddChain{"input", inputHook, ruleset.Accept},
		AddRule{Chain: "svc_a", Line: Line{Rule: nft.Rule{Family: 4, Set: "src_a_v4", Verdict: ruleset.Accept, Comment: "a"}}},
		AddRule{Chain: "svc_a", Line: Line{Rule: nft.Rule{Limit: &limit, Verdict: ruleset.Accept, Comment: "limited"}}},
		AddRule{Chain: "svc_b", Line: Line{Rule: nft.Rule{Jump: "svc_a", Comment: "b"}}},
		AddElements{tcp, []Element{ports(22, 22, "svc_a"), ports(80, 90, "svc_b"), ports(91, 65535, "svc_b")}},
		AddRule{Chain: "input", Line: Line{Rule: nft.Rule{Proto: 6, Map: "tcp_services"}}},
		AddRule{Chain: "input", Line: line(ruleset.Drop, "default"), Packets: 7, Bytes: 700},
	}

	t.Run("nothing", func(t *testing.T) {
		f := open(t)
		a, err := f.Read()
		if err != nil || a.Exists || a.Generation == 0 || len(a.Chains)+len(a.Sets)+len(a.Limits) > 0 {
			t.Fatalf("%+v, %v", a, err)
		}
		if b, err := f.Read(); err != nil || b.Generation != a.Generation || b.Hash() != a.Hash() {
			t.Fatalf("%+v, %v", b, err)
		}
	})

	t.Run("what was sent is read back", func(t *testing.T) {
		s := must(t, open(t), base...)
		if !s.Exists || len(s.Chains) != 3 || len(s.Sets) != 2 || len(s.Limits) != 1 || len(s.Strange) != 0 {
			t.Fatalf("%+v", s)
		}
		for _, spec := range []SetSpec{v4, tcp} {
			if kind, err := kindOf(spec); err != nil || s.Sets[spec.Name].Kind != kind {
				t.Errorf("%s: %+v, want %+v, %v", spec.Name, s.Sets[spec.Name].Kind, kind, err)
			}
		}
		if code, err := limitCode(limit); err != nil || s.Limits[limit.Name].Code != code {
			t.Errorf("limit %q, want %q, %v", s.Limits[limit.Name].Code, code, err)
		}
		if want := []Element{ports(22, 22, "svc_a"), ports(80, 90, "svc_b"), ports(91, 65535, "svc_b")}; !slices.Equal(s.Sets["tcp_services"].Elements, want) {
			t.Errorf("elements %+v", s.Sets["tcp_services"].Elements)
		}
		if c := s.Chains["input"]; c.Hook == nil || *c.Hook != *inputHook || c.Policy != ruleset.Accept || len(c.Rules) != 2 {
			t.Fatalf("chain %+v", c)
		}
		if s.Chains["svc_a"].Hook != nil {
			t.Error("svc_a has a hook")
		}
		handles := map[uint64]bool{}
		for _, c := range base {
			a, ok := c.(AddRule)
			if !ok {
				continue
			}
			want, err := encode(a.Line)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(s.Chains[a.Chain].Rules, func(r Rule) bool { return r.Code == want.Code && r.Comment == want.Comment })
			if i < 0 {
				t.Fatalf("no rule %+v in %+v", want, s.Chains[a.Chain].Rules)
			}
			got := s.Chains[a.Chain].Rules[i]
			if !slices.Equal(got.Sets, want.Sets) || !slices.Equal(got.Chains, want.Chains) || !slices.Equal(got.Limits, want.Limits) || got.Counts != want.Counts {
				t.Errorf("rule %+v, want %+v", got, want)
			}
			if got.Packets != a.Packets || got.Bytes != a.Bytes || got.Handle == 0 || handles[got.Handle] {
				t.Errorf("rule %+v, for %+v", got, a)
			}
			handles[got.Handle] = true
		}
	})

	t.Run("refused", func(t *testing.T) {
		loop := AddRule{Chain: "svc_a", Line: Line{Rule: nft.Rule{Jump: "svc_b"}}}
		for name, c := range map[string]struct {
			change Change
			want   error
		}{
			"limit twice":              {AddLimit{limit}, syscall.EEXIST},
			"set twice":                {AddSet{v4}, syscall.EEXIST},
			"chain twice":              {AddChain{Name: "svc_a"}, syscall.EEXIST},
			"range over another":       {AddElements{v4, ranges([2]string{"\x0a\x01\x00\x80", "\x0a\x01\x01\x00"})}, syscall.EEXIST},
			"range in another":         {AddElements{v4, ranges([2]string{"\x0a\x01\x00\x80", "\x0a\x01\x00\x81"})}, syscall.EEXIST},
			"port over another":        {AddElements{tcp, []Element{ports(85, 85, "svc_a")}}, syscall.EEXIST},
			"elements without a set":   {AddElements{SetSpec{Name: "none", What: Addresses, Family: 4}, ranges([2]string{"\x0a\x01\x00\x80", "\x0a\x01\x00\x81"})}, syscall.ENOENT},
			"element to nowhere":       {AddElements{tcp, []Element{ports(1, 1, "none")}}, syscall.ENOENT},
			"element to a base chain":  {AddElements{tcp, []Element{ports(1, 1, "input")}}, syscall.EOPNOTSUPP},
			"part of a range away":     {DeleteElements{v4, ranges([2]string{"\x0a\x01\x00\x00", "\x0a\x01\x00\x7f"})}, syscall.ENOENT},
			"no such range away":       {DeleteElements{v4, ranges([2]string{"\x0a\x02\x00\x00", "\x0a\x02\x00\x7f"})}, syscall.ENOENT},
			"limit in use":             {DeleteLimit{limit.Name}, syscall.EBUSY},
			"set in use":               {DeleteSet{v4.Name}, syscall.EBUSY},
			"map in use":               {DeleteSet{tcp.Name}, syscall.EBUSY},
			"chain with rules":         {DeleteChain{"svc_a"}, syscall.EBUSY},
			"no such limit away":       {DeleteLimit{"none"}, syscall.ENOENT},
			"no such set away":         {DeleteSet{"none"}, syscall.ENOENT},
			"no such chain away":       {DeleteChain{"none"}, syscall.ENOENT},
			"no such rule away":        {DeleteRule{"input", 4711}, syscall.ENOENT},
			"rule before none":         {AddRule{Chain: "input", Before: 4711, Line: line(ruleset.Accept, "")}, syscall.ENOENT},
			"rule without its chain":   {AddRule{Chain: "none", Line: line(ruleset.Accept, "")}, syscall.ENOENT},
			"rule without its set":     {AddRule{Chain: "input", Line: Line{Rule: nft.Rule{Family: 4, Set: "none", Verdict: ruleset.Accept}}}, syscall.ENOENT},
			"rule without its limit":   {AddRule{Chain: "input", Line: Line{Rule: nft.Rule{Limit: &nft.Limit{Name: "none"}, Verdict: ruleset.Accept}}}, syscall.ENOENT},
			"rule to nowhere":          {AddRule{Chain: "input", Line: Line{Rule: nft.Rule{Jump: "none"}}}, syscall.ENOENT},
			"rule to a base chain":     {AddRule{Chain: "svc_a", Line: Line{Rule: nft.Rule{Jump: "input"}}}, syscall.EOPNOTSUPP},
			"chains in a circle":       {loop, errCircle},
			"object that is not there": {DeleteObject{Object{"none", 1}}, syscall.ENOENT},
		} {
			t.Run(name, func(t *testing.T) {
				f := open(t)
				s := must(t, f, base...)
				err := f.Commit(s.Generation, Batch{AddChain{Name: "before"}, c.change, AddChain{Name: "behind"}})
				if c.want == errCircle && errors.Is(err, syscall.EMLINK) { // kernels of today count the steps
					err = errCircle
				}
				if !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
				if now, err := f.Read(); err != nil || now.Hash() != s.Hash() || now.Generation != s.Generation {
					t.Errorf("something was changed: %v", err)
				}
			})
		}
		t.Run("without a table", func(t *testing.T) {
			f := open(t)
			s, _ := f.Read()
			if err := f.Commit(s.Generation, Batch{AddChain{Name: "a"}}); !errors.Is(err, syscall.ENOENT) {
				t.Error(err)
			}
			if err := f.Commit(s.Generation, Batch{DeleteTable{}}); !errors.Is(err, syscall.ENOENT) {
				t.Error(err)
			}
		})
	})

	t.Run("generations", func(t *testing.T) {
		f := open(t)
		s := must(t, f, base...)
		for _, wrong := range []uint32{s.Generation - 1, s.Generation + 1} {
			if err := f.Commit(wrong, Batch{DeleteTable{}}); !errors.Is(err, ErrChanged) {
				t.Errorf("generation %d: %v", wrong, err)
			}
		}
		if now, err := f.Read(); err != nil || now.Hash() != s.Hash() || now.Generation != s.Generation {
			t.Errorf("something was changed: %v", err)
		}
	})

	t.Run("rules", func(t *testing.T) {
		f := open(t)
		s := must(t, f, base...)
		first, last := s.Chains["input"].Rules[0], s.Chains["input"].Rules[1]
		s = must(t, f,
			AddRule{Chain: "input", Before: first.Handle, Line: line(ruleset.Accept, "1")},
			AddRule{Chain: "input", Before: first.Handle, Line: line(ruleset.Accept, "2")},
			AddRule{Chain: "input", Before: last.Handle, Line: line(ruleset.Accept, "3")},
			AddRule{Chain: "input", Line: line(ruleset.Accept, "4"), Packets: 1, Bytes: 2})
		var comments string
		for _, r := range s.Chains["input"].Rules {
			comments += r.Comment + "|"
		}
		if comments != "1|2||3|default|4|" {
			t.Errorf("rules %q", comments)
		}
		if got := s.Chains["input"].Rules[4]; got.Handle != last.Handle || got.Packets != 7 || got.Bytes != 700 {
			t.Errorf("what stays was touched: %+v", got)
		}
		s = must(t, f, DeleteRule{"input", first.Handle}, SetPolicy{"input", ruleset.Drop})
		if len(s.Chains["input"].Rules) != 5 || s.Chains["input"].Policy != ruleset.Drop {
			t.Errorf("%+v", s.Chains["input"])
		}
		if s = must(t, f, FlushChain{"input"}); len(s.Chains["input"].Rules) != 0 {
			t.Errorf("%+v", s.Chains["input"])
		}
	})

	t.Run("elements", func(t *testing.T) {
		f := open(t)
		must(t, f, base...)
		s := must(t, f,
			DeleteElements{v4, ranges([2]string{"\x0a\x01\x00\x00", "\x0a\x01\x00\xff"})},
			AddElements{v4, ranges([2]string{"\x0a\x01\x00\x80", "\x0a\x01\x00\xff"}, [2]string{"\x0a\x01\x01\x00", "\x0a\x01\x01\x00"}, [2]string{"\xff\xff\xff\x00", "\xff\xff\xff\xff"}, [2]string{"\x00\x00\x00\x00", "\x00\x00\x00\xff"})},
			DeleteElements{tcp, []Element{ports(80, 90, "svc_b"), ports(91, 65535, "svc_b")}},
			AddElements{tcp, []Element{ports(80, 65535, "svc_a"), ports(0, 21, "svc_a")}})
		if want := ranges([2]string{"\x00\x00\x00\x00", "\x00\x00\x00\xff"}, [2]string{"\x0a\x01\x00\x80", "\x0a\x01\x00\xff"}, [2]string{"\x0a\x01\x01\x00", "\x0a\x01\x01\x00"}, [2]string{"\xff\xff\xff\x00", "\xff\xff\xff\xff"}); !slices.Equal(s.Sets[v4.Name].Elements, want) {
			t.Errorf("%q", s.Sets[v4.Name].Elements)
		}
		if want := []Element{ports(0, 21, "svc_a"), ports(22, 22, "svc_a"), ports(80, 65535, "svc_a")}; !slices.Equal(s.Sets[tcp.Name].Elements, want) {
			t.Errorf("%q", s.Sets[tcp.Name].Elements)
		}
		// The same ports with another comment.
		again := ports(22, 22, "svc_a")
		again.Comment = "other"
		s = must(t, f, DeleteElements{tcp, []Element{ports(22, 22, "svc_a")}}, AddElements{tcp, []Element{again}})
		if s.Sets[tcp.Name].Elements[1] != again {
			t.Errorf("%q", s.Sets[tcp.Name].Elements)
		}
	})

	t.Run("names come free in a batch", func(t *testing.T) {
		f := open(t)
		must(t, f, base...)
		other := &Hook{Type: "filter", Number: 1, Priority: 5}
		s := must(t, f,
			FlushChain{"input"}, DeleteChain{"input"}, AddChain{"input", other, ruleset.Drop}, AddRule{Chain: "input", Line: line(ruleset.Accept, "new")},
			FlushChain{"svc_a"}, FlushChain{"svc_b"}, DeleteSet{tcp.Name}, DeleteChain{"svc_a"}, DeleteChain{"svc_b"},
			DeleteSet{v4.Name}, AddSet{SetSpec{Name: v4.Name, What: Addresses, Family: 6}}, DeleteLimit{limit.Name}, AddLimit{limit})
		if c := s.Chains["input"]; len(s.Chains) != 1 || len(s.Sets) != 1 || *c.Hook != *other || c.Policy != ruleset.Drop || len(c.Rules) != 1 {
			t.Errorf("%+v", s)
		}
		if s = must(t, f, DeleteTable{}); s.Exists {
			t.Error("the table is still there")
		}
		must(t, f, base...)
	})

	t.Run("meters", func(t *testing.T) {
		meters := []nft.Meter{
			{Name: "limit_m_v4", Family: 4, Rate: limit.Rate, Burst: 5, Timeout: 60},
			{Name: "connections_m_v6", Family: 6, Connections: 3},
		}
		specs := []SetSpec{{Name: "limit_m_v4", What: PacketMeter, Family: 4, Timeout: 60}, {Name: "connections_m_v6", What: ConnectionsMeter, Family: 6}}
		lines := []Line{
			{Rule: nft.Rule{Family: 4, Meter: &meters[0], Verdict: ruleset.Accept, Comment: "m"}},
			{Rule: nft.Rule{Family: 6, Connections: &meters[1], Verdict: ruleset.Accept, Comment: "c"}},
		}
		s := must(t, open(t), AddTable{}, AddSet{specs[0]}, AddSet{specs[1]}, AddChain{Name: "svc"}, AddRule{Chain: "svc", Line: lines[0]}, AddRule{Chain: "svc", Line: lines[1]})
		for i, spec := range specs {
			if kind, err := kindOf(spec); err != nil || s.Sets[spec.Name].Kind != kind {
				t.Errorf("%s: %+v, want %+v, %v", spec.Name, s.Sets[spec.Name].Kind, kind, err)
			}
			want, err := encode(lines[i])
			if got := s.Chains["svc"].Rules[i]; err != nil || got.Code != want.Code || !slices.Equal(got.Sets, want.Sets) {
				t.Errorf("%+v, want %+v, %v", got, want, err)
			}
		}
	})

	t.Run("sleep", func(t *testing.T) {
		f := open(t)
		for i, c := range []struct {
			batch   Batch
			dormant bool
		}{
			{Batch{AddTable{Asleep: true}, AddChain{"input", inputHook, ruleset.Drop}}, true},
			{Batch{AddRule{Chain: "input", Line: line(ruleset.Drop, "default")}}, true},
			{Batch{AddTable{}}, false},
			{Batch{AddTable{Asleep: true}}, true},
			{Batch{DeleteTable{}, AddTable{Asleep: true}}, true},
			{Batch{AddTable{}}, false},
		} {
			if s := must(t, f, c.batch...); !s.Exists || s.Dormant != c.dormant || (len(s.Chains) == 1) != (i < 4) {
				t.Errorf("batch %d: %+v", i, s)
			}
		}
	})

	t.Run("time", func(t *testing.T) {
		f := open(t)
		gate := Line{Rule: nft.Rule{Comment: gateComment}, Gate: "pending_input"}
		elements := func(d time.Duration) []Element {
			return []Element{{First: pendingKeys[0], Last: pendingKeys[0], Timeout: d}, {First: pendingKeys[1], Last: pendingKeys[1], Timeout: d}}
		}
		s := must(t, f, AddTable{}, AddSet{pendingSpec(Pending)}, AddChain{Name: "pending_input"}, AddChain{"input", inputHook, ruleset.Accept},
			AddRule{Chain: "input", Line: gate}, AddElements{pendingSpec(Pending), elements(time.Minute)})
		if kind, err := kindOf(pendingSpec(Pending)); err != nil || s.Sets[Pending].Kind != kind {
			t.Errorf("%+v, want %+v, %v", s.Sets[Pending].Kind, kind, err)
		}
		if want, err := encode(gate); err != nil || s.Chains["input"].Rules[0].Code != want.Code || !s.Chains["input"].Rules[0].gate() {
			t.Errorf("%+v, want %+v, %v", s.Chains["input"].Rules[0], want, err)
		}
		if left, pending := s.PendingLeft(); !pending || left > time.Minute || left < 50*time.Second {
			t.Errorf("%v left, %v", left, pending)
		}
		s = must(t, f, DeleteElements{pendingSpec(Pending), s.Sets[Pending].Elements}, AddElements{pendingSpec(Pending), elements(200 * time.Millisecond)})
		if left, pending := s.PendingLeft(); !pending || left > 200*time.Millisecond || left <= 0 {
			t.Errorf("%v left, %v", left, pending)
		}
		time.Sleep(300 * time.Millisecond)
		now, err := f.Read()
		if err != nil {
			t.Fatal(err)
		}
		if left, pending := now.PendingLeft(); !pending || left != 0 || len(now.Sets[Pending].Elements) > 0 || now.Generation != s.Generation {
			t.Errorf("%v left, %v, %+v", left, pending, now.Sets[Pending])
		}
		if err := f.Commit(now.Generation, Batch{DeleteElements{pendingSpec(Pending), s.Sets[Pending].Elements}}); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("what expired was taken out: %v", err)
		}
	})

	t.Run("tables", func(t *testing.T) { suiteOfTables(t, open) })
}

// rulesets are policies that follow one another.
func rulesets() []*ruleset.Ruleset {
	zone := func(text string) addr.Set {
		var all addr.Set
		for one := range strings.SplitSeq(text, ", ") {
			s, err := addr.Parse(one)
			if err != nil {
				panic(err)
			}
			all = all.Union(s)
		}
		return all
	}
	rule := func(name, service string, proto uint8, ports, from string, e ruleset.Effect) ruleset.Rule {
		m := ruleset.Any()
		m.Protos = ruleset.BytesOf(proto)
		p, err := port.Parse(ports)
		if err != nil {
			panic(err)
		}
		m.Ports = p
		if from != "" {
			m.Peers = zone(from)
		}
		e.Verdict = ruleset.Accept
		return ruleset.Rule{Name: name, Service: service, Match: m, Effect: e, Comment: service + " " + name + " etc/x.conf:1"}
	}
	established := ruleset.Any()
	established.States = ruleset.Established | ruleset.Related
	first := ruleset.Rule{Name: "established", Match: established, Effect: ruleset.Effect{Verdict: ruleset.Accept}, Comment: "established"}
	each := ruleset.Effect{Limit: ruleset.Limit{Rate: ruleset.Rate{Count: 10, Period: "minute"}, Burst: 5, PerSource: true, Name: "ssh"}}
	shared := ruleset.Effect{Limit: ruleset.Limit{Rate: ruleset.Rate{Count: 100, Period: "second"}, Burst: 5, Name: "web"}}
	open := ruleset.Effect{Connections: ruleset.Connections{Count: 20, PerSource: true, Name: "sip"}}
	of := func(rules ...ruleset.Rule) *ruleset.Ruleset {
		return &ruleset.Ruleset{Input: ruleset.Chain{Rules: append([]ruleset.Rule{first}, rules...), Default: ruleset.Drop}}
	}
	ssh := rule("ssh", "sshd", 6, "22", "10.1.0.0/24, 2001:db8:1::/48", each)
	trunks := rule("trunks", "asterisk", 17, "5060,10000-10499", "192.0.2.0/24, 198.51.100.7, 2001:db8:7::/64, 2001:db8:9::1", ruleset.Effect{})
	moved := rule("trunks", "asterisk", 17, "5060,10000-10499", "192.0.2.0/24, 198.51.100.9, 2001:db8:7::/64, 2001:db8:a::1", ruleset.Effect{})
	web := rule("web", "nginx", 6, "80,443", "", shared)
	sip := rule("sip", "kamailio", 6, "5060-5061", "10.2.0.0/16, 10.4.0.0/16", open)
	media := rule("media", "rtp", 17, "20000-20999", "", ruleset.Effect{})
	additive := of(ssh, trunks)
	additive.Input.Default = ruleset.Accept
	untracked := of(ssh, trunks, web, sip)
	untracked.Untracked = media.Match.Ports
	untracked.Input.Rules = slices.Insert(untracked.Input.Rules, 0, media)
	out := of(ssh, moved, web)
	out.Output = ruleset.Chain{Rules: []ruleset.Rule{first, rule("dns", "", 17, "53", "10.1.0.53, 10.1.0.54", ruleset.Effect{})}, Default: ruleset.Drop}
	return []*ruleset.Ruleset{of(), of(ssh, trunks), of(ssh, moved), of(ssh, moved, web), untracked, out, additive}
}

// suiteOfTables goes from each table to each, at once, pending and back.
func suiteOfTables(t *testing.T, open func(*testing.T) Firewall) {
	ctx := context.Background()
	tables := []*nft.Table{nil}
	for _, rs := range rulesets() {
		tables = append(tables, table(t, rs))
	}
	f := open(t)
	for i, from := range tables {
		for k, to := range tables {
			if _, err := Apply(ctx, f, from, Options{}); err != nil {
				t.Fatalf("to %d: %v", i, err)
			}
			done(t, f, from)
			before, err := f.Read()
			if err != nil {
				t.Fatal(err)
			}
			out, err := Apply(ctx, f, to, Options{Within: time.Minute})
			if err != nil {
				t.Fatalf("from %d to %d, pending: %v", i, k, err)
			}
			if (i == k) != out.Until.IsZero() {
				t.Fatalf("from %d to %d: until %v", i, k, out.Until)
			}
			if _, err := Back(ctx, f); err != nil {
				t.Fatalf("from %d to %d, back: %v", i, k, err)
			}
			if now, err := f.Read(); err != nil || now.Hash() != before.Hash() {
				t.Fatalf("from %d to %d and back: not what it was, %v", i, k, err)
			}
			if i != k {
				if _, err := Apply(ctx, f, to, Options{Within: time.Minute}); err != nil {
					t.Fatal(err)
				}
				if out, err = Confirm(ctx, f, to, Options{}); err != nil {
					t.Fatalf("from %d to %d, confirm: %v", i, k, err)
				}
				now, err := f.Read()
				if err != nil || now.Hash() != out.After.Hash() || now.Generation != out.After.Generation {
					t.Fatalf("from %d to %d: the outcome is not what is there, %v", i, k, err)
				}
			}
			done(t, f, to)
		}
	}
	if _, err := Apply(ctx, f, nil, Options{}); err != nil {
		t.Fatal(err)
	}
}
