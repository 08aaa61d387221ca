package render

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portolan/internal/addr"
	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/internal/verify"
)

var update = flag.Bool("update", false, "write the golden files anew")

var testHeader = Header{Program: "portolan 0.1.0", Policy: "portolan.hcl"}

// readBack is what the outputs of a backend mean.
func readBack(backend string, out []Output) (*ruleset.Ruleset, error) {
	var files []*source.File
	for _, o := range out {
		if !o.Aside {
			files = append(files, source.New(o.Name, o.Data))
		}
	}
	return verify.Read(backend, files)
}

// fatalf is of both testing.TB and rapid.T.
type fatalf interface{ Fatalf(string, ...any) }

// prove writes rs in every form of b and reads it back. It gives the first form, and reports
// whether b wrote it.
func prove(t fatalf, b Backend, rs *ruleset.Ruleset) ([]Output, bool) {
	out, written := proveForm(t, b, b.Forms[0], rs)
	for _, f := range b.Forms[1:] {
		if _, too := proveForm(t, b, f, rs); too != written {
			t.Fatalf("%s: the first form is written: %v, the form %s: %v", b.Name, written, f.Name, too)
		}
	}
	return out, written
}

// proveForm writes rs in one form and reads it back.
func proveForm(t fatalf, b Backend, f Form, rs *ruleset.Ruleset) ([]Output, bool) {
	out, findings, err := f.Files(rs, testHeader)
	if err != nil {
		t.Fatalf("%s: %v", b.Name, err)
	}
	out = slices.DeleteFunc(out, func(o Output) bool { return o.Aside })
	if len(findings) > 0 {
		if out != nil {
			t.Fatalf("%s: refused and written", b.Name)
		}
		for _, d := range findings {
			if d.Rule != CannotExpress || d.Severity != diag.Error || d.Message == "" || d.Help == "" {
				t.Fatalf("%s: a finding that says too little: %+v", b.Name, d)
			}
		}
		return nil, false
	}
	back, err := readBack(b.Name, out)
	if err != nil {
		t.Fatalf("%s: %v\n%s", b.Name, err, Text(out))
	}
	if c := ruleset.Equivalent(rs, back); c != nil {
		t.Fatalf("%s: %s\n%s", b.Name, c.Words("the ruleset", "the text"), Text(out))
	}
	return out, true
}

// golden is the content of a golden file, held against what is written now.
func golden(t *testing.T, path string, written []byte) []byte {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, written, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, written) {
		t.Errorf("%s is not what is written now; see the difference after: go test ./render -update", path)
	}
	return data
}

// TestGolden holds what is written against files, and proves the files.
func TestGolden(t *testing.T) {
	hosts := []struct {
		name    string
		rs      *ruleset.Ruleset
		refused []string
	}{
		{"plain", plainHost(), nil},
		{"limited", limitedHost(), []string{"windows"}},
		{"additive", additiveHost(), []string{"windows"}},
		{"denied", deniedHost(), nil},
		{"empty", &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop}}, []string{"windows"}},
		{"confined", confinedHost(), []string{"windows"}},
		{"counted", countedHost(), []string{"iptables", "windows"}},
		{"untracked", untrackedHost(), []string{"windows"}},
	}
	type form struct {
		Backend
		Form
	}
	var forms []form
	for _, b := range Backends {
		for _, f := range b.Forms {
			forms = append(forms, form{b, f})
		}
	}
	for _, h := range hosts {
		for _, b := range forms {
			t.Run(h.name+"/"+b.Backend.Name+"/"+b.Form.Name, func(t *testing.T) {
				out, written := proveForm(t, b.Backend, b.Form, h.rs)
				if written == slices.Contains(h.refused, b.Backend.Name) {
					t.Fatalf("written: %v", written)
				}
				// A program is the same for every ruleset around its data: once is enough to read.
				if !written || b.Backend.Name == "iptables" && b.Form.Name == "script" && h.name != "plain" {
					return
				}
				files := make([]Output, len(out))
				for i, o := range out {
					path := filepath.Join("..", "testdata", "golden", h.name, o.Name)
					data := golden(t, path, o.Data)
					files[i] = Output{Name: o.Name, Data: data}
				}
				back, err := readBack(b.Backend.Name, files)
				if err != nil {
					t.Fatal(err)
				}
				if c := ruleset.Equivalent(h.rs, back); c != nil {
					t.Errorf("%s", c.Words("the ruleset", "the golden file"))
				}
			})
		}
	}
}

// The generated rulesets speak of few addresses and ports, so that rules meet.
var (
	genPrefixes = []string{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "10.1.2.0-10.1.3.77", "0.0.0.0/0", "::/0", "2001:db8::/32", "2001:db8::1", "2001:db8::5-2001:db8::99", "fe80::/10", "::/64"}
	genNames    = []string{"speech", "Ops & Co", "ssh", "", "input", "a\"b'c\\", "tcp_services", "\u00fcber", "flush ruleset"}
	genComments = []string{"", "sshd ssh etc/ssh/sshd_config:13", "x\ny", strings.Repeat("long \"'\\|$(x)`;#{} ", 30), "caf\u00e9 \u2019", "#> @{ }", "-j ACCEPT", "a|b"}
)

func genSources(t *rapid.T) addr.Set {
	switch rapid.IntRange(0, 4).Draw(t, "sources") {
	case 0:
		return addr.All()
	case 1:
		return addr.V4()
	case 2:
		return addr.V6()
	}
	return sources(rapid.SliceOfN(rapid.SampledFrom(genPrefixes), 0, 6).Draw(t, "prefixes")...)
}

func genPorts(t *rapid.T) port.Set {
	if rapid.IntRange(0, 9).Draw(t, "all ports") == 0 {
		return port.All()
	}
	var ranges []port.Range
	for range rapid.IntRange(0, 4).Draw(t, "ranges") {
		first := rapid.IntRange(0, 60).Draw(t, "first")
		ranges = append(ranges, port.Range{First: uint16(first), Last: uint16(first + rapid.SampledFrom([]int{0, 1, 5, 65535 - 60}).Draw(t, "more"))})
	}
	return port.Of(ranges...)
}

var genLimits = []ruleset.Limit{
	{Rate: ruleset.Rate{Count: 10, Period: "minute"}, Burst: 5, PerSource: true, Name: "ssh"},
	{Rate: ruleset.Rate{Count: 7, Period: "hour"}, Burst: 100, PerSource: true, Name: "slow_1"},
	{Rate: ruleset.Rate{Count: 1000, Period: "second"}, Burst: 1, Name: "all"},
}

var genConnections = []ruleset.Connections{
	{Count: 20, PerSource: true, Name: "calls"},
	{Count: 1, PerSource: true, Name: "one"},
	{Count: 500, Name: "together"},
}

// genService is a rule about ports as compile makes it, or with widen any such rule.
func genService(t *rapid.T, widen bool) ruleset.Rule {
	r := ruleset.Rule{
		Name:    rapid.SampledFrom(genNames).Draw(t, "name"),
		Comment: rapid.SampledFrom(genComments).Draw(t, "comment"),
		Effect:  ruleset.Effect{Verdict: ruleset.Accept},
		Match:   ruleset.Any(),
	}
	r.Match.Protos = ruleset.BytesOf(rapid.SampledFrom([]uint8{6, 17}).Draw(t, "proto"))
	r.Match.Ports, r.Match.Peers = genPorts(t), genSources(t)
	if !widen {
		return r
	}
	switch rapid.IntRange(0, 12).Draw(t, "kind") {
	case 0, 1:
		r.Effect.Verdict = ruleset.Drop
	case 2, 3:
		r.Effect.Limit = rapid.SampledFrom(genLimits).Draw(t, "limit")
		if rapid.Bool().Draw(t, "connections too") {
			r.Effect.Connections = genConnections[0]
		}
	case 11:
		r.Effect.Connections = rapid.SampledFrom(genConnections).Draw(t, "connections")
	case 4:
		r.Match.Interfaces = ruleset.InterfacesOf(rapid.SliceOfN(rapid.SampledFrom([]string{"eth0", "eth1", "lo"}), 0, 2).Draw(t, "interfaces")...)
	case 5:
		r.Match.States = ruleset.States(rapid.IntRange(0, int(ruleset.AllStates)).Draw(t, "states"))
	case 6:
		r.Match.Protos = ruleset.BytesOf(rapid.SliceOfN(rapid.SampledFrom([]uint8{1, 6, 17, 47, 58}), 0, 4).Draw(t, "protos")...)
	case 7:
		r.Effect = ruleset.Effect{Verdict: ruleset.Continue, Log: ruleset.Log{Rate: ruleset.Rate{Count: 5, Period: "minute"}, Burst: rapid.IntRange(1, 9).Draw(t, "burst"), Prefix: rapid.SampledFrom([]string{"", "drop", "a b: "}).Draw(t, "prefix")}}
	case 8:
		r.Match.Protos, r.Match.Ports = ruleset.AllBytes(), port.All()
	case 9:
		r.Match.Protos, r.Match.Ports = ruleset.BytesOf(1), port.All()
		r.Match.Types = ruleset.BytesOf(rapid.SliceOfN(rapid.SampledFrom([]uint8{0, 3, 8, 254}), 0, 3).Draw(t, "types")...)
	case 10:
		r.Match.Protos = ruleset.AllBytes()
	}
	return r
}

func genRuleset(t *rapid.T) *ruleset.Ruleset {
	rs := &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop}, Files: rapid.SliceOfN(rapid.SampledFrom(genComments), 0, 3).Draw(t, "files")}
	if rapid.IntRange(0, 9).Draw(t, "additive") == 0 {
		rs.Input.Default = ruleset.Accept
	}
	wide := rapid.Bool().Draw(t, "wide")
	if !wide || rapid.Bool().Draw(t, "builtin") {
		rs.Input.Rules = builtin()
	}
	for range rapid.IntRange(0, 12).Draw(t, "services") {
		rs.Input.Rules = append(rs.Input.Rules, genService(t, wide))
	}
	switch rapid.IntRange(0, 5).Draw(t, "beyond input") {
	case 0, 1: // what leaves is filtered too
		rs.Output.Default = rapid.SampledFrom([]ruleset.Verdict{ruleset.Drop, ruleset.Drop, ruleset.Accept}).Draw(t, "output default")
		if rapid.Bool().Draw(t, "builtin output") {
			rs.Output.Rules = builtin()
		}
		for range rapid.IntRange(0, 6).Draw(t, "connects") {
			r := genService(t, wide)
			if r.Effect.Limited() {
				r.Effect = ruleset.Effect{Verdict: ruleset.Accept}
			}
			if rapid.Bool().Draw(t, "from a port") {
				r.Match.SourcePorts = genPorts(t)
			}
			rs.Output.Rules = append(rs.Output.Rules, r)
		}
	case 2: // media without connection tracking
		rs.Untracked = port.Of(rapid.SampledFrom([]port.Range{{First: 25000, Last: 25399}, {First: 5, Last: 20}, {First: 7, Last: 7}}).Draw(t, "untracked"))
	}
	return rs
}

// TestRulesOfOneNameKeepTheirStates: two rules with the same name and many sources, of
// which one is about some states only, do not share a chain.
func TestRulesOfOneNameKeepTheirStates(t *testing.T) {
	sources, err := addr.Parse("2001:db8::5-2001:db8::99")
	if err != nil {
		t.Fatal(err)
	}
	rule := func(proto port.Proto, states ruleset.States) ruleset.Rule {
		m := ruleset.Any()
		m.Protos, m.Peers, m.States = ruleset.BytesOf(uint8(proto)), sources, states
		return ruleset.Rule{Name: "speech", Match: m, Effect: ruleset.Effect{Verdict: ruleset.Accept}}
	}
	rs := &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop, Rules: []ruleset.Rule{
		rule(port.TCP, ruleset.AllStates), rule(port.UDP, ruleset.New|ruleset.Established),
	}}}
	for _, b := range Backends {
		prove(t, b, rs)
	}
}

// TestReadBack: for every backend and every ruleset it agrees to write, the text means
// the ruleset, and the same ruleset is the same text.
func TestReadBack(t *testing.T) {
	written := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		rs := genRuleset(t)
		for _, b := range Backends {
			out, ok := prove(t, b, rs)
			if !ok {
				continue
			}
			written[b.Name]++
			again, _, err := b.Forms[0].Files(rs, testHeader)
			again = slices.DeleteFunc(again, func(o Output) bool { return o.Aside })
			if err != nil || !slices.EqualFunc(out, again, func(x, y Output) bool { return x.Name == y.Name && bytes.Equal(x.Data, y.Data) }) {
				t.Fatalf("%s: not the same the second time: %v", b.Name, err)
			}
		}
	})
	for _, b := range Backends {
		if written[b.Name] < 10 {
			t.Errorf("%s agreed to write %d rulesets, too few to prove anything", b.Name, written[b.Name])
		}
	}
}

// TestMutation changes one word of a text at a time. Each change is an error, or gives a
// counterexample, unless the word has no meaning.
func TestMutation(t *testing.T) {
	swaps := map[string]string{
		"accept": "drop", "drop": "accept", "ACCEPT": "DROP", "DROP": "ACCEPT", "22": "23", "'22'": "'23'", "5060": "5061",
		"10.20.0.0/16": "10.21.0.0/16", "'10.20.0.0/16'": "'10.21.0.0/16'", "25000-25399": "25000-25398", "25000:25399": "25000:25400",
		"'25000-25399'": "'25000-25398'", "tcp": "udp", "'TCP'": "'UDP'", "established": "new", "RELATED": "NEW", "8": "9", "'8'": "'9'",
		"ip6": "ip", "10/minute": "11/minute", "10/min": "11/min", "5": "6", "lo": "eth0", `"lo"`: `"eth0"`, "srcip": "dstip", "jump": "goto",
		"'2001:db8:1::/48'": "'2001:db8:2::/48'", "PL-IN": "PL-OUT", "interval": "constant",
	}
	for _, b := range Backends {
		rs := limitedHost()
		if b.Name == "windows" {
			rs = plainHost()
		}
		out, _ := prove(t, b, rs)
		tried := 0
		for i, o := range out {
			for at, lineText := range bytes.Split(o.Data, []byte("\n")) {
				text := string(lineText)
				if t := strings.TrimSpace(text); t == "" || t[0] == '#' || strings.Contains(t, "Description") || strings.Contains(t, "policy drop") {
					continue // comments, and the policy behind an explicit drop
				}
				code, _, _ := strings.Cut(text, "comment ")
				for from, to := range swaps {
					mutated, ok := swapWord(code, from, to)
					if !ok {
						continue
					}
					tried++
					all := bytes.Split(slices.Clone(o.Data), []byte("\n"))
					all[at] = []byte(mutated + text[len(code):])
					changed := slices.Clone(out)
					changed[i].Data = bytes.Join(all, []byte("\n"))
					back, err := readBack(b.Name, changed)
					if err == nil && ruleset.Equivalent(rs, back) == nil {
						t.Errorf("%s: %q for %q in line %d makes no difference: %s", o.Name, to, from, at+1, text)
					}
				}
			}
		}
		if tried < 10 {
			t.Errorf("%s: only %d words were changed", b.Name, tried)
		}
	}
}

// swapWord replaces the first from in s that is a word of its own.
func swapWord(s, from, to string) (string, bool) {
	border := func(c byte) bool { return strings.IndexByte(" \t,;:={}()\r", c) >= 0 }
	for i := 0; i+len(from) <= len(s); i++ {
		end := i + len(from)
		if s[i:end] == from && (i == 0 || border(s[i-1])) && (end == len(s) || border(s[end])) {
			return s[:i] + to + s[end:], true
		}
	}
	return s, false
}

// TestLeaks breaks one random byte of a text at a time: the readers must see it or it
// must have had no meaning. What they may never do is read an accept that is not there.
func TestLeaks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, b := range Backends {
		rs := plainHost()
		out, _ := prove(t, b, rs)
		errors := 0
		for range 300 {
			changed := slices.Clone(out)
			i := random.IntN(len(out))
			data := slices.Clone(out[i].Data)
			data[random.IntN(len(data))] = byte(' ' + random.IntN(95))
			changed[i].Data = data
			if _, err := readBack(b.Name, changed); err != nil {
				errors++
				if !strings.Contains(err.Error(), out[i].Name) {
					t.Errorf("%s: an error that does not name the file: %v", b.Name, err)
				}
			}
		}
		if errors == 0 {
			t.Errorf("%s: no broken text was refused", b.Name)
		}
	}
}

func TestTextAndSplit(t *testing.T) {
	rs := limitedHost()
	b, err := Find("iptables")
	if err != nil {
		t.Fatal(err)
	}
	out, _ := prove(t, b, rs)
	back, err := verify.Read("iptables", []*source.File{source.New("both", Text(out))})
	if err != nil {
		t.Fatal(err)
	}
	if c := ruleset.Equivalent(rs, back); c != nil {
		t.Error(c.Words("the ruleset", "the text"))
	}
	place := back.Decider(ruleset.Packet{Interface: "eth0", State: ruleset.New, Proto: 6, Peer: netip.MustParseAddr("2001:db8:1::1"), Port: 22}).Origins[0]
	whole := bytes.Split(Text(out), []byte("\n"))
	if got := whole[place.Position().Line-1]; !bytes.Contains(got, []byte("--dport 22 ")) {
		t.Errorf("the place of a rule in the whole text is the line %q", got)
	}
	if got := Text(out[:1]); !bytes.Equal(got, out[0].Data) {
		t.Error("the text of one output is not that output")
	}
}

func TestFind(t *testing.T) {
	if _, err := Find("ipfw"); err == nil || !strings.Contains(err.Error(), "nftables, iptables, windows") {
		t.Errorf("the error does not list the choices: %v", err)
	}
}
