package apply

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
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
			b = append(b, AddChain{base.Name, &Hook{"filter", hookNumbers[base.Hook], base.Priority.Number()}, base.Policy})
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
		out[fmt.Sprint("strange ", i)] = text
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
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		for name, rs := range goldens(t) {
			if !sameAsNft(t, k, name, rs) {
				t.Errorf("%s: not the same", name)
			}
			listings(t, name, rs)
			commit(t, k, Batch{DeleteTable{}})
		}
		random, written := rapid.Custom(genRuleset), 0
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

// genRuleset is a ruleset of all that a rule of nft can say.
func genRuleset(t *rapid.T) *ruleset.Ruleset {
	chain := func(d ruleset.Direction) ruleset.Chain {
		c := ruleset.Chain{Default: ruleset.Drop}
		for range rapid.IntRange(0, 9).Draw(t, "rules") {
			c.Rules = append(c.Rules, genRule(t, d))
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

func genRule(t *rapid.T, d ruleset.Direction) ruleset.Rule {
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

var _ = errors.Is
var _ = fs.ErrPermission
var _ netip.Addr
var _ = reflect.DeepEqual
var _ = runtime.NumGoroutine
var _ = time.Now
var _ unix.Errno
var _ netlink.Table
