package apply

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"portolan/internal/addr"
	"portolan/internal/kernel"
	"portolan/internal/netlink"
	"portolan/internal/nft"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/internal/verify"
	"portolan/render"
)

// nftRun runs nft with a text on its input.
func nftRun(t testing.TB, text string, args ...string) string {
	t.Helper()
	cmd := exec.Command("nft", args...)
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil {
		if len(text) > 5000 {
			text = text[:5000]
		}
		t.Fatalf("nft %s: %v\n%s\n%s", strings.Join(args, " "), err, out, text)
	}
	return string(out)
}

// open is the kernel of the namespace.
func open(t testing.TB) *Kernel {
	t.Helper()
	k, err := OpenKernel()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func read(t testing.TB, k Firewall) *State {
	t.Helper()
	s, err := k.Read()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// commit makes a batch from the state there is.
func commit(t testing.TB, k Firewall, b Batch) *State {
	t.Helper()
	if err := k.Commit(read(t, k).Generation, b); err != nil {
		t.Fatal(err)
	}
	return read(t, k)
}

func keys(s addr.Range) Element {
	return Element{First: string(s.First.AsSlice()), Last: string(s.Last.AsSlice())}
}

// whole is the batch that makes a table where there is none, in the order of the script.
func whole(table *nft.Table) Batch {
	b := Batch{AddTable{}}
	for _, l := range table.Limits {
		b = append(b, AddLimit{l})
	}
	for _, c := range table.Chains {
		b = append(b, AddChain{Name: c.Name})
	}
	for _, base := range table.Bases {
		if len(base.Rules) > 0 {
			b = append(b, AddChain{base.Name, &Hook{Type: "filter", Number: hookNumbers[base.Hook], Priority: base.Priority.Number()}, base.Policy})
		}
	}
	for _, m := range table.Meters {
		spec := SetSpec{Name: m.Name, What: PacketMeter, Family: m.Family, Timeout: m.Timeout}
		if m.Connections > 0 {
			spec.What = ConnectionsMeter
		}
		b = append(b, AddSet{spec})
	}
	var elements Batch
	for _, s := range table.Sets {
		spec := SetSpec{Name: s.Name, What: Addresses, Family: s.Family}
		b = append(b, AddSet{spec})
		list := make([]Element, len(s.Elements))
		for i, r := range s.Elements {
			list[i] = keys(r)
		}
		elements = append(elements, AddElements{spec, list})
	}
	for _, m := range table.Maps {
		spec := SetSpec{Name: m.Name, What: Ports}
		b = append(b, AddSet{spec})
		list := make([]Element, len(m.Elements))
		for i, e := range m.Elements {
			s := spanOf(e.Ports)
			list[i] = Element{First: string(s.first), Last: string(s.last), Jump: e.Jump, Comment: e.Comment}
		}
		elements = append(elements, AddElements{spec, list})
	}
	b = append(b, elements...)
	for chain, r := range table.Rules() {
		b = append(b, AddRule{Chain: chain, Line: Line{Rule: *r}})
	}
	return b
}

// describe is a state without what is never the same twice, to be compared and shown.
func describe(s *State) map[string]string {
	out := map[string]string{}
	for name, l := range s.Limits {
		out["limit "+name] = fmt.Sprintf("%q", l.Code)
	}
	for name, set := range s.Sets {
		out["set "+name] = fmt.Sprintf("%+v %q", set.Kind, set.Comment)
		for i, e := range set.Elements {
			out[fmt.Sprintf("set %s element %d", name, i)] = fmt.Sprintf("%x-%x %q %q %q %v", e.First, e.Last, e.Data, e.Jump, e.Comment, e.Timeout)
		}
	}
	for name, c := range s.Chains {
		out["chain "+name] = fmt.Sprintf("%+v %v", c.Hook, c.Policy)
		if c.Hook != nil {
			out["chain "+name] = fmt.Sprintf("%+v %v", *c.Hook, c.Policy)
		}
		for i, r := range c.Rules {
			out[fmt.Sprintf("chain %s rule %d", name, i)] = sayRule(r)
		}
	}
	for i, text := range s.Strange {
		out[fmt.Sprint("strange ", i)] = text.String()
	}
	return out
}

func sayRule(r Rule) string {
	return fmt.Sprintf("%q %q counts %v sets %q chains %q limits %q", r.Code, r.Comment, r.Counts, r.Sets, r.Chains, r.Limits)
}

// differ fails where two states say different things.
func differ(t *testing.T, where string, a, b *State) {
	t.Helper()
	x, y := describe(a), describe(b)
	names := maps.Clone(x)
	maps.Copy(names, y)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if x[name] != y[name] {
			t.Errorf("%s: %s\n  one   %s\n  other %s", where, name, x[name], y[name])
		}
	}
}

// goldens are the rulesets of the golden files.
func goldens(t testing.TB) map[string]*ruleset.Ruleset {
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "golden", "*", "portolan.nft"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	out := map[string]*ruleset.Ruleset{}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rs, err := verify.ParseNftables(source.New(name, data))
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(filepath.Dir(name))] = rs
	}
	return out
}

// texts are a ruleset as a table and as a text for nft. None of them when nftables cannot
// say it.
func texts(t testing.TB, rs *ruleset.Ruleset) (*nft.Table, string) {
	t.Helper()
	table, findings := render.Nftables(rs)
	backend, err := render.Find("nftables")
	if err != nil {
		t.Fatal(err)
	}
	out, others, err := backend.Forms[0].Files(rs, render.Header{})
	if err != nil || len(findings) != len(others) {
		t.Fatal(err, findings, others)
	}
	if table == nil {
		return nil, ""
	}
	return table, string(out[0].Data)
}

// sameAsNft writes a ruleset by nft and by ourselves, and compares everything that the kernel
// says of both, what nft lists of ours, and what encode says without the kernel.
func sameAsNft(t *testing.T, k *Kernel, where string, rs *ruleset.Ruleset) bool {
	t.Helper()
	table, text := texts(t, rs)
	if table == nil {
		return false
	}
	nftRun(t, text, "-f", "-")
	theirs, listing := read(t, k), nftRun(t, "", "list", "ruleset")
	commit(t, k, Batch{DeleteTable{}})
	ours := commit(t, k, whole(table))
	differ(t, where, theirs, ours)
	if got := nftRun(t, "", "list", "ruleset"); got != listing {
		t.Errorf("%s: nft lists what it wrote as\n%s\nand ours as\n%s", where, listing, got)
	}
	chains := map[string][]Rule{}
	for chain, r := range table.Rules() {
		encoded, err := encode(Line{Rule: *r})
		if err != nil {
			t.Fatalf("%s: %s: %v", where, chain, err)
		}
		chains[chain] = append(chains[chain], encoded)
	}
	for name, list := range chains {
		for i, r := range list {
			if got := ours.Chains[name].Rules[i]; sayRule(r) != sayRule(got) {
				t.Errorf("%s: rule %d of %s\n  encoded %s\n  decoded %s", where, i, name, sayRule(r), sayRule(got))
			}
		}
	}
	for _, change := range whole(table) {
		switch x := change.(type) {
		case AddSet:
			if kind, err := kindOf(x.Set); err != nil || kind != ours.Sets[x.Set.Name].Kind {
				t.Errorf("%s: set %s: %+v, %v; the kernel has %+v", where, x.Set.Name, kind, err, ours.Sets[x.Set.Name].Kind)
			}
		case AddLimit:
			if code, err := limitCode(x.Limit); err != nil || code != ours.Limits[x.Limit.Name].Code {
				t.Errorf("%s: limit %s: %q, %v; the kernel has %q", where, x.Limit.Name, code, err, ours.Limits[x.Limit.Name].Code)
			}
		}
	}
	return !t.Failed()
}

// listings hold what nft lists against what is meant.
func listings(t *testing.T, where string, rs *ruleset.Ruleset) {
	t.Helper()
	text := nftRun(t, "", "list", "ruleset")
	list, err := verify.ParseNftables(source.New("list", []byte(text)))
	if err != nil {
		t.Fatalf("%s: %v\n%s", where, err, text)
	}
	if c := ruleset.Equivalent(rs, list); c != nil {
		t.Errorf("%s: %s\n%s", where, c.Words("the ruleset", "the listing"), text)
	}
	text = nftRun(t, "", "-j", "list", "ruleset")
	if list, err = verify.ParseNftablesJSON(source.New("list.json", []byte(text))); err != nil {
		t.Fatalf("%s: %v\n%s", where, err, text)
	}
	if c := ruleset.Equivalent(rs, list); c != nil {
		t.Errorf("%s: %s\n%s", where, c.Words("the ruleset", "the listing as JSON"), text)
	}
}

// TestAsNftWrites: whoever writes a ruleset, nft or we, the kernel has the same.
func TestAsNftWrites(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		for name, rs := range goldens(t) {
			if !sameAsNft(t, k, name, rs) {
				t.Errorf("%s: not the same", name)
			}
			listings(t, name, rs)
			commit(t, k, Batch{DeleteTable{}})
		}
		random, written := rapid.Custom(randomRuleset), 0
		for seed := range 120 {
			if sameAsNft(t, k, fmt.Sprint("seed ", seed), random.Example(seed)) {
				written++
				commit(t, k, Batch{DeleteTable{}})
			}
			if t.Failed() {
				return
			}
		}
		if written < 40 {
			t.Errorf("only %d random rulesets were written", written)
		}
	})
}

var (
	genPeers      = []string{"10.0.0.0/8", "10.1.0.0/17", "10.1.2.3", "10.1.2.0-10.1.3.77", "0.0.0.0/1", "2001:db8::/32", "2001:db8::1", "2001:db8::5-2001:db8::99", "fe80::/10", "::/65", "::/64", "255.255.255.255", "0.0.0.0"}
	genInterfaces = []string{"lo", "eth0", "eth1", "a23456789012345"}
	genComments   = []string{"", "x", "sshd ssh etc/ssh/sshd_config:13", strings.Repeat("c", 128), strings.Repeat("d", 200), "caf\u00e9 \"q\" \\"}
)

// randomRuleset is a ruleset of all that a rule of nft can say.
func randomRuleset(t *rapid.T) *ruleset.Ruleset {
	chain := func(d ruleset.Direction) ruleset.Chain {
		c := ruleset.Chain{Default: ruleset.Drop}
		for range rapid.IntRange(0, 9).Draw(t, "rules") {
			c.Rules = append(c.Rules, randomRule(t, d))
		}
		return c
	}
	rs := &ruleset.Ruleset{Input: chain(ruleset.In)}
	if rapid.Bool().Draw(t, "output") {
		rs.Output = chain(ruleset.Out)
	}
	if rapid.Bool().Draw(t, "untracked") {
		rs.Untracked = port.Of(genRanges(t)...)
	}
	return rs
}

func genRanges(t *rapid.T) []port.Range {
	var out []port.Range
	for range rapid.IntRange(1, 9).Draw(t, "ranges") {
		first := rapid.SampledFrom([]int{0, 1, 22, 80, 5060, 20000, 65000, 65535}).Draw(t, "first")
		out = append(out, port.Range{First: uint16(first), Last: uint16(min(65535, first+rapid.SampledFrom([]int{0, 1, 17, 400}).Draw(t, "more")))})
	}
	return out
}

func randomRule(t *rapid.T, d ruleset.Direction) ruleset.Rule {
	m := ruleset.Any()
	var peers addr.Set
	for range rapid.IntRange(0, 3).Draw(t, "peers") {
		one, err := addr.Parse(rapid.SampledFrom(genPeers).Draw(t, "peer"))
		if err != nil {
			panic(err)
		}
		peers = peers.Union(one)
	}
	switch {
	case !peers.IsEmpty():
		m.Peers = peers
	case rapid.Bool().Draw(t, "one family"):
		m.Peers = rapid.SampledFrom([]addr.Set{addr.V4(), addr.V6()}).Draw(t, "family")
	}
	if rapid.IntRange(0, 3).Draw(t, "interfaces") == 0 {
		m.Interfaces = ruleset.InterfacesOf(rapid.SliceOfN(rapid.SampledFrom(genInterfaces), 1, 3).Draw(t, "names")...)
	}
	if rapid.IntRange(0, 3).Draw(t, "states") == 0 {
		m.States = ruleset.States(rapid.IntRange(1, int(ruleset.AllStates)).Draw(t, "which"))
	}
	switch rapid.IntRange(0, 4).Draw(t, "protocol") {
	case 0:
		m.Protos = ruleset.BytesOf(rapid.SliceOfN(rapid.SampledFrom([]uint8{1, 2, 6, 17, 47, 58, 132, 255}), 1, 4).Draw(t, "protocols")...)
	case 1:
		m.Protos = ruleset.BytesOf(rapid.SampledFrom([]uint8{1, 58}).Draw(t, "icmp"))
		m.Types = ruleset.BytesOf(rapid.SliceOfN(rapid.SampledFrom([]uint8{0, 3, 8, 128, 254}), 1, 3).Draw(t, "types")...)
	case 2, 3:
		m.Protos = ruleset.BytesOf(rapid.SampledFrom([]uint8{6, 17}).Draw(t, "proto"))
		m.Ports = port.Of(genRanges(t)...)
		if rapid.IntRange(0, 3).Draw(t, "source ports") == 0 {
			m.SourcePorts = port.Of(genRanges(t)...)
		}
	}
	r := ruleset.Rule{
		Match: m, Name: rapid.SampledFrom([]string{"a", "b b", "input", "x_1"}).Draw(t, "name"),
		Comment: rapid.SampledFrom(genComments).Draw(t, "comment"), Effect: ruleset.Effect{Verdict: ruleset.Accept},
	}
	each := d == ruleset.In && rapid.Bool().Draw(t, "each source")
	rate := ruleset.Rate{Count: rapid.SampledFrom([]int{1, 7, 1000}).Draw(t, "count"), Period: rapid.SampledFrom([]string{"second", "minute", "hour", "day"}).Draw(t, "period")}
	name := fmt.Sprintf("n%d%c%v", rate.Count, rate.Period[0], each)
	switch rapid.IntRange(0, 5).Draw(t, "effect") {
	case 0:
		r.Effect.Verdict = ruleset.Drop
	case 1:
		r.Effect = ruleset.Effect{Verdict: ruleset.Continue, Log: ruleset.Log{Rate: rate, Burst: 5, Prefix: rapid.SampledFrom([]string{"", "drop", "a b: "}).Draw(t, "prefix")}}
	case 2:
		r.Effect.Limit = ruleset.Limit{Rate: rate, Burst: 3, PerSource: each, Name: name}
	case 3:
		r.Effect.Connections = ruleset.Connections{Count: rate.Count, PerSource: each, Name: name}
	}
	return r
}

// genLine is any rule that a table may have.
func genLine(t *rapid.T) Line {
	if rapid.IntRange(0, 19).Draw(t, "gate") == 0 {
		return Line{Gate: "chain", Rule: nft.Rule{Comment: "gate"}}
	}
	comment := rapid.SampledFrom([]string{"", "x", strings.Repeat("c", 128)}).Draw(t, "comment")
	if rapid.IntRange(0, 9).Draw(t, "map") == 0 {
		return Line{Rule: nft.Rule{Proto: 17, Map: "places", Comment: comment}}
	}
	maybe := func(what string) bool { return rapid.IntRange(0, 3).Draw(t, what) == 0 }
	r := nft.Rule{Out: rapid.Bool().Draw(t, "out"), Family: rapid.SampledFrom([]int{0, 4, 6}).Draw(t, "family"), Comment: comment}
	if maybe("interfaces") {
		r.Interfaces = rapid.SliceOfNDistinct(rapid.SampledFrom(genInterfaces), 1, 3, rapid.ID).Draw(t, "names")
	}
	if r.Family != 0 && maybe("peer") {
		from := []string{"0.0.0.0", "10.0.0.0", "10.1.2.3", "10.1.255.255", "255.255.255.255"}
		if r.Family == 6 {
			from = []string{"::", "2001:db8::", "2001:db8::ff", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}
		}
		first := rapid.IntRange(0, len(from)-1).Draw(t, "from")
		r.Peer = &addr.Range{First: netip.MustParseAddr(from[first]), Last: netip.MustParseAddr(from[rapid.IntRange(first, len(from)-1).Draw(t, "to")])}
	} else if r.Family != 0 && maybe("set") {
		r.Set = fmt.Sprint("set", r.Family)
	}
	switch rapid.IntRange(0, 3).Draw(t, "what") {
	case 0:
		r.Proto = rapid.SampledFrom([]uint8{6, 17}).Draw(t, "proto")
		r.Ports = port.Of(genRanges(t)...).Ranges()
		if maybe("source ports") {
			r.SourcePorts = port.Of(genRanges(t)...).Ranges()
		}
	case 1:
		r.Protos = rapid.SliceOfNDistinct(rapid.Uint8(), 1, 4, rapid.ID).Draw(t, "protocols")
	case 2:
		if r.Family != 0 {
			r.Types = rapid.SliceOfNDistinct(rapid.Uint8(), 1, 4, rapid.ID).Draw(t, "types")
		}
	}
	if maybe("states") {
		r.States = ruleset.States(rapid.IntRange(1, int(ruleset.AllStates)).Draw(t, "which"))
	}
	rate := ruleset.Rate{Count: rapid.IntRange(1, 1000).Draw(t, "count"), Period: rapid.SampledFrom([]string{"second", "minute", "hour", "day"}).Draw(t, "period")}
	if maybe("count") {
		r.Count = rate.Count
	}
	if r.Family != 0 && maybe("connections") {
		r.Connections = &nft.Meter{Name: fmt.Sprint("open", r.Family), Family: r.Family, Connections: rate.Count}
	}
	if r.Family != 0 && maybe("meter") {
		r.Meter = &nft.Meter{Name: fmt.Sprint("rates", r.Family), Family: r.Family, Rate: rate, Burst: 5, Timeout: 60}
	}
	if maybe("limit") {
		r.Limit = &nft.Limit{Name: "limit", Rate: rate, Burst: 5}
	}
	switch rapid.IntRange(0, 3).Draw(t, "end") {
	case 0:
		r.Log = &ruleset.Log{Rate: rate, Burst: 1, Prefix: rapid.SampledFrom([]string{"", "p", strings.Repeat("p", 29)}).Draw(t, "prefix")}
	case 1:
		r.Verdict = rapid.SampledFrom([]ruleset.Verdict{ruleset.Accept, ruleset.Drop}).Draw(t, "verdict")
	case 2:
		r.Jump = "chain"
	}
	return Line{Rule: r}
}

// frame is what the rules of genLine name.
var frame = Batch{
	AddTable{}, AddChain{Name: "chain"}, AddChain{Name: "rules"},
	AddChain{Name: "raw", Hook: &Hook{Type: "filter", Number: hookNumbers["prerouting"], Priority: nft.Raw.Number()}, Policy: ruleset.Accept},
	AddLimit{nft.Limit{Name: "limit", Rate: ruleset.Rate{Count: 1, Period: "second"}, Burst: 1}},
	AddSet{SetSpec{Name: Pending, What: Unconfirmed, Comment: "until confirmed"}},
	AddSet{SetSpec{Name: "places", What: Ports}},
	AddSet{SetSpec{Name: "set4", What: Addresses, Family: 4}}, AddSet{SetSpec{Name: "set6", What: Addresses, Family: 6}},
	AddSet{SetSpec{Name: "open4", What: ConnectionsMeter, Family: 4}}, AddSet{SetSpec{Name: "open6", What: ConnectionsMeter, Family: 6}},
	AddSet{SetSpec{Name: "rates4", What: PacketMeter, Family: 4, Timeout: 60}}, AddSet{SetSpec{Name: "rates6", What: PacketMeter, Family: 6, Timeout: 60}},
}

// TestRulesComeBack: what encode says of a rule is what the kernel says of it.
func TestRulesComeBack(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		commit(t, k, frame)
		random := rapid.Custom(genLine)
		var lines []Line
		b := Batch{}
		for seed := range 1500 {
			l := random.Example(seed)
			lines = append(lines, l)
			b = append(b, AddRule{Chain: "rules", Line: l, Packets: uint64(seed), Bytes: uint64(seed) << 20})
		}
		b = append(b, AddRule{Chain: "raw", Line: Line{Rule: nft.Rule{Proto: 17, Ports: []port.Range{{First: 9, Last: 9}}, Notrack: true}}})
		s := commit(t, k, b)
		if c := s.Chains["raw"]; len(c.Rules) != 1 || *c.Hook != (Hook{Type: "filter", Number: 0, Priority: -300}) || c.Policy != ruleset.Accept {
			t.Errorf("raw: %+v", c)
		}
		if got := len(s.Chains["rules"].Rules); got != len(lines) {
			t.Fatalf("%d rules became %d", len(lines), got)
		}
		codes := map[string]bool{}
		for i, got := range s.Chains["rules"].Rules {
			want, err := encode(lines[i])
			if err != nil {
				t.Fatal(err)
			}
			if sayRule(want) != sayRule(got) {
				t.Fatalf("%+v\n  encoded %s\n  decoded %s", lines[i], sayRule(want), sayRule(got))
			}
			if got.Counts && (got.Packets != uint64(i) || got.Bytes != uint64(i)<<20) {
				t.Errorf("rule %d counts from %d packets and %d bytes on", i, got.Packets, got.Bytes)
			}
			codes[got.Code] = true
		}
		if len(codes) < 1000 {
			t.Errorf("only %d different rules", len(codes))
		}
		if set := s.Sets[Pending]; set.Comment != "until confirmed" {
			t.Errorf("comment %q", set.Comment)
		}
		for name := range s.Sets {
			if strings.HasPrefix(name, "__") {
				t.Errorf("%s is a set of its own", name)
			}
		}
		nftRun(t, "", "list", "ruleset")
		nftRun(t, "", "-j", "list", "ruleset")
	})
}

// TestElements changes sets of ranges again and again, also one that nft has made, and reads
// each time exactly what should be there.
func TestElements(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		nftRun(t, `table inet portolan {
	chain a { }
	chain b { }
	map places { type inet_service : verdict; flags interval; elements = { 22 comment "x" : jump a, 80-90 : jump b }; }
	set set4 { type ipv4_addr; flags interval; }
}
`, "-f", "-")
		k := open(t)
		commit(t, k, Batch{AddSet{SetSpec{Name: "set6", What: Addresses, Family: 6}}})
		specs := []SetSpec{{Name: "places", What: Ports}, {Name: "set4", What: Addresses, Family: 4}, {Name: "set6", What: Addresses, Family: 6}}
		random := rapid.Custom(func(t *rapid.T) []Element {
			size := rapid.SampledFrom([]int{2, 4, 16}).Draw(t, "size")
			// Few keys, so that ranges touch each other and both ends of all keys.
			n := rapid.IntRange(0, 12).Draw(t, "keys")
			bounds := rapid.SliceOfNDistinct(rapid.IntRange(0, 31), n, n, rapid.ID).Draw(t, "bounds")
			slices.Sort(bounds)
			key := func(i int) string {
				b := make([]byte, size)
				if i >= 16 {
					for k := range b {
						b[k] = 0xff
					}
				}
				b[size-1] = byte(i%16) | b[size-1]&0xf0
				return string(b)
			}
			var out []Element
			for i := 0; i < len(bounds); i++ {
				e := Element{First: key(bounds[i]), Last: key(bounds[i]), Comment: rapid.SampledFrom([]string{"", "c"}).Draw(t, "comment")}
				switch {
				case i+1 < len(bounds) && rapid.Bool().Draw(t, "range"):
					i++
					e.Last = key(bounds[i])
				}
				if size == 2 {
					e.Jump = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "chain")
					e.Data = verdictData(verdictJump, e.Jump)
				}
				out = append(out, e)
			}
			return out
		})
		wanted := map[int][]Element{}
		for seed := 0; len(wanted[2])+len(wanted[4])+len(wanted[16]) < 900; seed++ {
			if seed == 2000 {
				t.Fatal("no elements")
			}
			want := random.Example(seed)
			if len(want) == 0 {
				continue
			}
			size := len(want[0].First)
			wanted[size] = append(wanted[size], want...)
			spec := specs[map[int]int{2: 0, 4: 1, 16: 2}[size]]
			have := read(t, k).Sets[spec.Name].Elements
			var gone, come []Element
			for _, e := range have {
				if !slices.Contains(want, e) {
					gone = append(gone, e)
				}
			}
			for _, e := range want {
				if !slices.Contains(have, e) {
					come = append(come, e)
				}
			}
			s := commit(t, k, Batch{DeleteElements{spec, gone}, AddElements{spec, come}})
			if got := s.Sets[spec.Name].Elements; !slices.Equal(got, want) {
				t.Fatalf("seed %d: %s had %+v\nshould have %+v\nand has %+v\n%s", seed, spec.Name, have, want, got, nftRun(t, "", "list", "ruleset"))
			}
		}
	})
}

// TestPendingElements: the set of what is pending forgets.
func TestPendingElements(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		spec := SetSpec{Name: Pending, What: Unconfirmed}
		elements := []Element{{First: "\x02", Last: "\x02", Timeout: time.Hour}, {First: "\x0a", Last: "\x0a", Timeout: time.Hour}}
		s := commit(t, k, Batch{AddTable{}, AddSet{spec}, AddElements{spec, elements}})
		got := s.Sets[Pending].Elements
		if len(got) != 2 || got[0].First != "\x02" || got[1].First != "\x0a" || got[0].Timeout != time.Hour || got[0].Expires <= 0 || got[0].Expires > time.Hour {
			t.Fatalf("%+v", got)
		}
		if text := nftRun(t, "", "list", "set", "inet", "portolan", Pending); !strings.Contains(text, "ipv4 timeout 1h") || !strings.Contains(text, "ipv6 timeout 1h") {
			t.Errorf("nft lists it as\n%s", text)
		}
		if s = commit(t, k, Batch{DeleteElements{spec, elements[:1]}}); len(s.Sets[Pending].Elements) != 1 {
			t.Errorf("%+v", s.Sets[Pending].Elements)
		}
	})
}

// TestRefusals: a batch that is refused changes nothing, and the error says what and why.
func TestRefusals(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		ports := SetSpec{Name: "places", What: Ports}
		element := func(first, last, jump string) Element { return Element{First: first, Last: last, Jump: jump} }
		ours := commit(t, k, append(slices.Clone(frame),
			AddElements{ports, []Element{element("\x00\x10", "\x00\x20", "chain")}},
			AddRule{Chain: "raw", Line: Line{Rule: nft.Rule{Jump: "chain", Comment: "first"}}},
		))
		accept := Line{Rule: nft.Rule{Verdict: ruleset.Accept, Comment: "new"}}
		for _, c := range []struct {
			name   string
			change Change
			is     error
			words  string
		}{
			{"chain twice", AddChain{Name: "chain"}, unix.EEXIST, "adding chain chain: it is there already"},
			{"limit twice", AddLimit{nft.Limit{Name: "limit", Rate: ruleset.Rate{Count: 2, Period: "day"}}}, unix.EEXIST, "adding limit limit: it is there already"},
			{"set twice", AddSet{SetSpec{Name: "set4", What: Addresses, Family: 4}}, unix.EEXIST, "adding set set4: it is there already"},
			{"chain in use", DeleteChain{Name: "chain"}, unix.EBUSY, "deleting chain chain: something else still needs it"},
			{"no chain", DeleteChain{Name: "nothing"}, unix.ENOENT, "deleting chain nothing: it or what it names is not there"},
			{"no rule", DeleteRule{Chain: "raw", Handle: 999999}, unix.ENOENT, "deleting the rule with handle 999999 of chain raw"},
			{"no place", AddRule{Chain: "raw", Before: 999999, Line: accept}, unix.ENOENT, `adding rule "new" to chain raw`},
			{"no set", AddRule{Chain: "raw", Line: Line{Rule: nft.Rule{Family: 4, Set: "nothing", Verdict: ruleset.Drop}}}, unix.ENOENT, "adding a rule to chain raw: it or what it names is not there"},
			{"no target", AddRule{Chain: "raw", Line: Line{Rule: nft.Rule{Jump: "nothing"}}}, unix.ENOENT, "not there"},
			{"no limit", AddRule{Chain: "raw", Line: Line{Rule: nft.Rule{Limit: &nft.Limit{Name: "nothing"}}}}, unix.ENOENT, "or limit nothing"},
			{"circle", AddRule{Chain: "chain", Line: Line{Rule: nft.Rule{Jump: "chain"}}}, unix.EMLINK, "circle"},
			{"ranges that meet", AddElements{ports, []Element{element("\x00\x18", "\x00\x30", "chain")}}, unix.EEXIST, "adding elements to set places: it is there already"},
			{"no element", DeleteElements{ports, []Element{element("\x01\x00", "\x01\x00", "chain")}}, unix.ENOENT, "deleting elements of set places"},
			{"element without a chain", AddElements{ports, []Element{element("\x01\x00", "\x01\x00", "nothing")}}, unix.ENOENT, "adding elements to set places"},
			{"set in use", DeleteSet{Name: "rates4"}, nil, ""}, // nothing uses it: this one goes through
		} {
			// What stands before and behind the change must not stay.
			b := Batch{AddChain{Name: "before"}, c.change, AddChain{Name: "behind"}, AddRule{Chain: "raw", Line: accept}}
			before := read(t, k)
			err := k.Commit(before.Generation, b)
			if c.is == nil {
				if err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
				continue
			}
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%s: %v", c.name, err)
			}
			after := read(t, k)
			differ(t, c.name, ours, after)
			if before.Generation != after.Generation {
				t.Errorf("%s: generation %d became %d", c.name, before.Generation, after.Generation)
			}
		}
	})
}

// TestGeneration: a batch is for one generation.
func TestGeneration(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		first := read(t, k)
		nftRun(t, "table ip other { chain x { }; }\n", "-f", "-")
		if err := k.Commit(first.Generation, Batch{AddTable{}}); !errors.Is(err, ErrChanged) {
			t.Fatalf("after a change to another table: %v", err)
		}
		second := read(t, k)
		if second.Exists {
			t.Fatal("the table was made")
		}
		if err := k.Commit(second.Generation, nil); err != nil {
			t.Errorf("nothing to do: %v", err)
		}
		if err := k.Commit(second.Generation, Batch{AddTable{}}); err != nil {
			t.Fatal(err)
		}
		if err := k.Commit(second.Generation, Batch{DeleteTable{}}); !errors.Is(err, ErrChanged) {
			t.Errorf("once more: %v", err)
		}
		if s := read(t, k); !s.Exists || s.Generation == second.Generation {
			t.Errorf("%+v", s)
		}
	})
}

// TestOrder puts rules at places, changes policies, and takes rules away.
func TestOrder(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		rule := func(comment string, before uint64) AddRule {
			return AddRule{Chain: "raw", Before: before, Line: Line{Rule: nft.Rule{Comment: comment, Protos: []uint8{6, 17}}}}
		}
		order := func(s *State) string {
			var out []string
			for _, r := range s.Chains["raw"].Rules {
				out = append(out, r.Comment)
			}
			return strings.Join(out, " ")
		}
		s := commit(t, k, append(slices.Clone(frame), rule("b", 0), rule("d", 0)))
		rules := s.Chains["raw"].Rules
		s = commit(t, k, Batch{
			rule("a", rules[0].Handle), rule("c1", rules[1].Handle), rule("c2", rules[1].Handle), rule("e", 0),
			SetPolicy{"raw", ruleset.Drop}, DeleteRule{"raw", rules[0].Handle},
		})
		if got := order(s); got != "a c1 c2 d e" || s.Chains["raw"].Policy != ruleset.Drop {
			t.Errorf("%s, policy %s", got, s.Chains["raw"].Policy)
		}
		s = commit(t, k, Batch{FlushChain{"raw"}, rule("z", 0), SetPolicy{"raw", ruleset.Accept}})
		if got := order(s); got != "z" || s.Chains["raw"].Policy != ruleset.Accept {
			t.Errorf("%s, policy %s", got, s.Chains["raw"].Policy)
		}
		s = commit(t, k, Batch{FlushChain{"raw"}, DeleteChain{"raw"}, DeleteSet{"set4"}, DeleteLimit{"limit"}})
		if s.Chains["raw"] != nil || s.Sets["set4"] != nil || s.Limits["limit"] != nil || s.Sets["set6"] == nil {
			t.Errorf("%v", describe(s))
		}
	})
}

// TestLimitsOfNames: what the kernel has room for goes through, and what it would cut is
// refused before.
func TestLimitsOfNames(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		long, comment := strings.Repeat("n", 255), strings.Repeat("c", 128)
		ports := SetSpec{Name: long, What: Ports, Comment: comment}
		s := commit(t, k, Batch{
			AddTable{}, AddChain{Name: long}, AddSet{ports}, AddChain{Name: "other"},
			AddElements{ports, []Element{{First: "\xff\xff", Last: "\xff\xff", Jump: long, Comment: comment}}},
			AddRule{Chain: "other", Line: Line{Rule: nft.Rule{Proto: 6, Map: long, Comment: comment}}},
			AddRule{Chain: "other", Line: Line{Rule: nft.Rule{Interfaces: []string{"a23456789012345", "lo"}, Jump: long}}},
		})
		set, r := s.Sets[long], s.Chains["other"].Rules
		if set.Comment != comment || set.Elements[0].Comment != comment || set.Elements[0].Jump != long || r[0].Comment != comment || r[0].Sets[0] != long || r[1].Chains[0] != long || r[1].Comment != "" {
			t.Errorf("%v", describe(s))
		}
		nftRun(t, "", "list", "ruleset")
		ports.Comment = ""
		for _, c := range []Change{
			AddChain{Name: long + "n"}, AddChain{Name: ""}, AddChain{Name: "x\x00y"},
			AddSet{SetSpec{Name: long + "n", What: Ports}}, AddSet{SetSpec{Name: "s", What: Ports, Comment: comment + "c"}}, AddSet{SetSpec{Name: "s", What: Addresses, Family: 5}},
			AddSet{SetSpec{Name: "s", What: PacketMeter, Family: 4}}, AddSet{SetSpec{Name: "s"}},
			AddLimit{nft.Limit{Name: "l"}}, AddLimit{nft.Limit{Name: "", Rate: ruleset.Rate{Count: 1, Period: "day"}}},
			AddElements{ports, []Element{{First: "\x00", Last: "\x00", Jump: long}}}, AddElements{ports, []Element{{First: "\x00\x01", Last: "\x00\x00", Jump: long}}},
			AddElements{ports, []Element{{First: "\x00\x01", Last: "\x00\x01"}}}, AddElements{ports, []Element{{First: "\x00\x01", Last: "\x00\x01", Jump: "a", Data: "verdict 1 "}}},
			AddElements{ports, []Element{{First: "\x00\x01", Last: "\x00\x01", Jump: "a", Comment: comment + "c"}}},
			AddElements{SetSpec{Name: "s", What: Unconfirmed}, []Element{{First: "\x02", Last: "\x0a"}}},
			AddElements{SetSpec{Name: "s", What: Unconfirmed}, []Element{{First: "\x02", Last: "\x02", Jump: "x"}}},
			AddRule{Chain: "", Line: Line{}}, AddRule{Chain: "other", Line: Line{Rule: nft.Rule{Comment: comment + "c"}}}, AddRule{Chain: "other", Line: Line{Rule: nft.Rule{Comment: "a\x00"}}},
			AddRule{Chain: "other", Line: Line{Rule: nft.Rule{Interfaces: []string{"a234567890123456"}}}}, AddRule{Chain: "other", Line: Line{Rule: nft.Rule{Interfaces: []string{""}}}},
			AddRule{Chain: "other", Line: Line{Rule: nft.Rule{Interfaces: []string{"eth*"}}}},
			AddRule{Chain: "other", Line: Line{Rule: nft.Rule{Jump: long + "n"}}}, AddRule{Chain: "other", Line: Line{Rule: nft.Rule{Set: "s"}}},
			AddRule{Chain: "other", Line: Line{Rule: nft.Rule{Family: 4, Peer: &addr.Range{}}}}, AddRule{Chain: "other", Line: Line{Rule: nft.Rule{Meter: &nft.Meter{Name: "m"}}}},
			AddRule{Chain: "other", Line: Line{Rule: nft.Rule{Log: &ruleset.Log{Rate: ruleset.Rate{Count: 1, Period: "day"}, Prefix: comment}}}},
			AddRule{Chain: "other", Line: Line{Rule: nft.Rule{Log: &ruleset.Log{}}}}, AddRule{Chain: "other", Line: Line{Rule: nft.Rule{Verdict: ruleset.Continue}}},
			AddRule{Chain: "other", Line: Line{Rule: nft.Rule{Proto: 6, Ports: []port.Range{{First: 2, Last: 1}}}}}, AddRule{Chain: "other", Line: Line{Gate: long + "n"}},
			SetPolicy{Name: "other"}, AddChain{Name: "b", Hook: &Hook{Type: "filter"}}, nil,
		} {
			if err := k.Commit(0, Batch{c}); err == nil {
				t.Errorf("%+v was taken", c)
			} else if errno := unix.Errno(0); errors.As(err, &errno) {
				t.Errorf("%+v was sent: %v", c, err)
			}
		}
		differ(t, "afterwards", s, read(t, k))
	})
}

// TestKernelPointsAtExpressions: a kind of expression that the kernel does not know is
// ENOENT, with the place in the message where it stands.
func TestKernelPointsAtExpressions(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		commit(t, k, frame)
		w := write(AddRule{Line: Line{Rule: nft.Rule{Protos: []uint8{6}}}}, new(uint32), nil)
		for _, name := range []string{"nothing", "loging"} {
			raw := appendElementOfList(slices.Clone(w.raw), appendRaw(nil, netlink.ExpressionName, name+"\x00"))
			messages, _, err := messagesOf(0, Batch{AddChain{Name: "fresh"}})
			if err != nil {
				t.Fatal(err)
			}
			bad := ruleMessage(AddRule{Chain: "raw"}, &written{raw: raw})
			f, err := k.send(slices.Insert(messages, 2, bad))
			if err != nil || f == nil || f.errno != unix.ENOENT || f.message != 2 || !slices.Equal(f.expressions(bad.Data), []string{name}) {
				t.Errorf("%s: %+v, %v", name, f, err)
			}
		}
		if s := read(t, k); s.Chains["fresh"] != nil {
			t.Error("the chain beside was made")
		}
	})
}

// TestUnsupported: errors as kernels give them that lack something are said by its name.
func TestUnsupported(t *testing.T) {
	rule := func(r nft.Rule) AddRule { return AddRule{Chain: "c", Line: Line{Rule: r}} }
	log := &ruleset.Log{Rate: ruleset.Rate{Count: 1, Period: "day"}, Burst: 5}
	for _, c := range []struct {
		name   string
		change Change
		at     string // the expression that the kernel points at
		errno  unix.Errno
		want   string
	}{
		{"ct", rule(nft.Rule{States: ruleset.States(ruleset.New)}), "ct", unix.ENOENT, "nft_ct"},
		{"notrack", rule(nft.Rule{Notrack: true}), "notrack", unix.ENOENT, "nft_ct"},
		{"limit", rule(nft.Rule{Log: log}), "limit", unix.ENOENT, "nft_limit"},
		{"log", rule(nft.Rule{Log: log}), "log", unix.ENOENT, "nft_log"},
		{"count", rule(nft.Rule{Count: 3}), "connlimit", unix.ENOENT, "nft_connlimit"},
		{"count, no place", rule(nft.Rule{Count: 3}), "", unix.ENOENT, "nft_connlimit"},
		{"connections", rule(nft.Rule{Family: 4, Connections: &nft.Meter{Name: "m", Family: 4, Connections: 3}}), "dynset", unix.ENOENT, "(nft_connlimit), or set m"},
		{"meter", rule(nft.Rule{Meter: &nft.Meter{Name: "m", Family: 6, Rate: log.Rate}}), "dynset", unix.ENOENT, "(nft_limit), or set m"},
		{"objref", rule(nft.Rule{Limit: &nft.Limit{Name: "l"}}), "objref", unix.ENOENT, "(nft_objref), or limit l"},
		{"no set", rule(nft.Rule{Family: 4, Set: "s", States: ruleset.States(ruleset.New)}), "lookup", unix.ENOENT, ""},
		{"limit object", AddLimit{nft.Limit{Name: "l", Rate: log.Rate}}, "", unix.ENOENT, "nft_limit"},
		{"set of ranges", AddSet{SetSpec{Name: "s", What: Addresses, Family: 4}}, "", unix.EOPNOTSUPP, "nft_set_rbtree"},
		{"map", AddSet{SetSpec{Name: "s", What: Ports}}, "", unix.EOPNOTSUPP, "maps of ranges"},
		{"meter set", AddSet{SetSpec{Name: "s", What: PacketMeter, Family: 4, Timeout: 1}}, "", unix.EOPNOTSUPP, "nft_set_hash"},
		{"pending", AddSet{SetSpec{Name: "s", What: Unconfirmed}}, "", unix.EOPNOTSUPP, "sets that forget"},
		{"base chain", AddChain{Name: "c", Hook: &Hook{Type: "filter"}, Policy: ruleset.Drop}, "", unix.ENOENT, "nft_chain_filter"},
		{"inet", AddTable{}, "", unix.EAFNOSUPPORT, "NF_TABLES_INET"},
		{"exists", AddChain{Name: "c"}, "", unix.EEXIST, ""},
	} {
		messages, of, err := messagesOf(7, Batch{c.change})
		if err != nil || len(of) != 1 || len(messages) != 3 {
			t.Fatalf("%s: %d messages, %v", c.name, len(messages), err)
		}
		f := &failure{message: 1, errno: c.errno, text: "the kernel's word"}
		message := messages[1].Data
		for kind, at := range places(message, nfgenmsg) {
			if kind != netlink.RuleExpressions || c.at == "" {
				continue
			}
			for _, e := range places(message[:at.end], at.begin+4) {
				if expressionNames(message[e.begin+4 : e.end])[0] == c.at {
					f.offset = unix.SizeofNlMsghdr + e.begin
				}
			}
		}
		if (f.offset != 0) != (c.at != "") {
			t.Fatalf("%s: %q is not in the rule", c.name, c.at)
		}
		err = f.explain(c.change, message)
		var unsupported *Unsupported
		switch {
		case !strings.HasPrefix(err.Error(), words(c.change)+": ") || !strings.Contains(err.Error(), "the kernel's word"):
			t.Errorf("%s: %v", c.name, err)
		case c.want == "":
			if errors.As(err, &unsupported) || !errors.Is(err, c.errno) {
				t.Errorf("%s: %v", c.name, err)
			}
		case !errors.As(err, &unsupported) || !errors.Is(err, c.errno) || !strings.Contains(unsupported.Feature, c.want):
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	for errno, want := range map[unix.Errno]error{unix.ERESTART: ErrChanged, unix.EOPNOTSUPP: netlink.ErrNone, unix.EPERM: fs.ErrPermission} {
		if err := (&failure{message: 0, errno: errno}).explain(nil, nil); !errors.Is(err, want) {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

// TestNotPermitted: who is no administrator is told so.
func TestNotPermitted(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends without its rights
			header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			if err := unix.Capset(header, &make([]unix.CapUserData, 2)[0]); err != nil {
				done <- err
				return
			}
			if _, err := OpenKernel(); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("opening: %v", err)
			}
			done <- k.Commit(0, Batch{AddTable{}})
		}()
		if err := <-done; !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "administrator") {
			t.Errorf("committing: %v", err)
		}
		if s := read(t, k); s.Exists {
			t.Error("the table was made")
		}
	})
}

// TestNamespaceStays: a kernel is that of the namespace where it was opened, whatever thread
// uses it, and leaves nothing open.
func TestNamespaceStays(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		here := open(t)
		opened := make(chan *Kernel)
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with its namespace
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				t.Error(err)
			}
			k, err := OpenKernel()
			if err != nil {
				t.Error(err)
			}
			opened <- k
		}()
		there := <-opened
		if t.Failed() {
			return
		}
		if s := commit(t, there, frame); !s.Exists {
			t.Error("no table there")
		}
		if s := read(t, here); s.Exists {
			t.Error("a table here")
		}
		if err := there.Close(); err != nil {
			t.Error(err)
		}
		files := func() int {
			list, err := os.ReadDir("/proc/self/fd")
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		before, goroutines := files(), runtime.NumGoroutine()
		for range 50 {
			k, err := OpenKernel()
			if err != nil {
				t.Fatal(err)
			}
			commit(t, k, frame)
			commit(t, k, Batch{DeleteTable{}})
			if err := k.Commit(0, Batch{DeleteTable{}}); !errors.Is(err, unix.ENOENT) {
				t.Error(err)
			}
			if err := k.Close(); err != nil {
				t.Error(err)
			}
		}
		if got := files(); got != before {
			t.Errorf("%d open files became %d", before, got)
		}
		if got := runtime.NumGoroutine(); got > goroutines {
			t.Errorf("%d goroutines became %d", goroutines, got)
		}
	})
}

// TestLarge: 65,536 elements, 10,000 networks and 10,000 chains with rules and elements of a
// map go in one batch. The kernel takes so much at once from root of the machine only.
func TestLarge(t *testing.T) {
	kernel.Need(t)
	ownNamespace(t)
	k := open(t)
	table, _ := texts(t, manyServices(10000))
	var nets []addr.Range
	for i := range 10000 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(16 + i>>14), byte(i >> 6), byte(i << 2)}), 30)
		nets = append(nets, addr.Of(p).Ranges()...)
	}
	elements, _ := texts(t, manyElements(65536))
	table.Sets = append(table.Sets, elements.Sets...)
	table.Sets = append(table.Sets, &nft.Set{Name: "networks", Family: 4, Elements: nets})
	s := commit(t, k, whole(table))
	if got := len(s.Sets["networks"].Elements); got != 10000 {
		t.Errorf("%d networks", got)
	}
	if got := len(s.Sets[elements.Sets[0].Name].Elements); got != 65536 {
		t.Errorf("%d elements", got)
	}
	if got := len(s.Chains); got != len(table.Chains)+1 || got < 10000 {
		t.Errorf("%d chains of %d", got, len(table.Chains))
	}
	for _, c := range table.Chains {
		if len(s.Chains[c.Name].Rules) != len(c.Rules) {
			t.Fatalf("chain %s: %d rules", c.Name, len(s.Chains[c.Name].Rules))
		}
	}
	if s = commit(t, k, Batch{DeleteTable{}}); s.Exists {
		t.Error("still there")
	}
}

// TestTooLarge: a batch for which there is no room says what to do, and changes nothing.
func TestTooLarge(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		if unix.SetsockoptInt(k.socket, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 1<<20) == nil {
			t.Log("root of the machine has room for everything")
			return
		}
		if err := unix.SetsockoptInt(k.socket, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<30); err != nil {
			t.Fatal(err)
		}
		room, err := unix.GetsockoptInt(k.socket, unix.SOL_SOCKET, unix.SO_SNDBUF)
		if err != nil {
			t.Fatal(err)
		}
		spec := SetSpec{Name: "set6", What: Addresses, Family: 6}
		var list []Element
		for i := range room/150 + 1000 {
			key := string([]byte{0x20, 1, 0xd, 0xb8, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i), 15: 0})
			list = append(list, Element{First: key, Last: key, Comment: strings.Repeat("c", 128)})
		}
		err = k.Commit(0, Batch{AddTable{}, AddSet{spec}, AddElements{spec, list}})
		if !errors.Is(err, unix.EMSGSIZE) || !strings.Contains(err.Error(), "net.core.wmem_max") {
			t.Errorf("%v", err)
		}
		if s := read(t, k); s.Exists {
			t.Error("the table was made")
		}
		commit(t, k, frame)
	})
}

// TestEncodeIsWhatIsSent: what encode says of a rule is what its expressions say, as they go
// out to the kernel.
func TestEncodeIsWhatIsSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := genLine(t)
		w := write(AddRule{Line: l}, new(uint32), nil)
		if w.err != nil {
			t.Fatal(w.err)
		}
		c := coder{anonymous: w.coder.anonymous}
		got := c.rule(w.raw)
		got.Comment = l.Comment
		// Sets without a name all have one name here, so only the last is known by it.
		if encoded, err := encode(l); err != nil || len(w.sets) < 2 && sayRule(got) != sayRule(encoded) {
			t.Fatalf("%+v\n  encoded %s\n  sent    %s, %v", l, sayRule(encoded), sayRule(got), err)
		}
	})
}

// FuzzFailures: whatever is answered, reading it ends.
func FuzzFailures(f *testing.F) {
	// An error of ENOENT to message 3, capped, with a text and an offset.
	native := func(n uint32) string { return string(binary.NativeEndian.AppendUint32(nil, n)) }
	body := native(^uint32(unix.ENOENT)+1) + strings.Repeat("\x00", unix.SizeofNlMsghdr) + nla(errorText, "no\x00") + nla(errorOffset, native(0x24))
	whole := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	whole = binary.NativeEndian.AppendUint16(whole, unix.NLMSG_ERROR)
	whole = binary.NativeEndian.AppendUint16(whole, unix.NLM_F_CAPPED|unix.NLM_F_ACK_TLVS)
	whole = append(whole, native(3)+native(0)+body...)
	f.Add(whole, []byte(nla(0)+nla(netlink.RuleExpressions, expression("log"))))
	f.Add([]byte{}, []byte{})
	if list := failures(whole, 1, 5); len(list) != 1 || list[0] != (failure{message: 2, errno: unix.ENOENT, text: "no", offset: 0x24}) {
		f.Fatalf("%+v", list)
	}
	f.Fuzz(func(t *testing.T, answer, message []byte) {
		for _, x := range failures(answer, 1, 5) {
			if x.message < -1 || x.message >= 5 || x.errno <= 0 {
				t.Errorf("%+v", x)
			}
			if err := x.explain(AddRule{Chain: "c"}, message); err == nil {
				t.Error("no error")
			}
		}
	})
}
