package render

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"portolan/internal/addr"
	"portolan/internal/kernel"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// The witness of changed texts for Linux is the kernel, asked with packets: a text that our
// reader takes must load, and every probe must end as the reader says.

// wordsOfNft and wordsOfIptables take the places of other words.
var (
	wordsOfNft = append(slices.Clone(mutations), "10.0.0.0/8", "2001:db8::/32", "pl1", "th", "icmp", "invalid", "@src_list_v4", "vmap", "meta", "l4proto", "6", "17", "priority", "policy",
		"filter", "-", "return", "goto", "continue", "reject", "!=", "flags", "interval", "delete", "flush", "element")
	wordsOfIptables = []string{"ACCEPT", "DROP", "RETURN", "REJECT", "PL-IN", "PL-OUT", "PL-RAW-IN", "-j", "-g", "-s", "-d", "-i", "-o", "-p", "-m", "!", "tcp", "udp", "icmp", "ipv6-icmp", "multiport",
		"--dport", "--sport", "--dports", "--sports", "--ctstate", "NEW", "INVALID", "UNTRACKED", "ESTABLISHED", "src", "dst", "-A", "-I", "-F", "-X", "-N", "*filter", "*raw", "COMMIT",
		"10.0.0.0/8", "2001:db8::/32", "pl1", "lo", "1", "5060", "80:90", "set", "conntrack", "all", "comment", "nomatch", "timeout", "hash:ip", "inet6"}
	quietOfNft = regexp.MustCompile(`comment "[^"]*"|"comment": *"[^"]*"|"(handle|packets|bytes)": *\d+|counter packets \d+ bytes \d+`)
)

// A speaker is a text of some kind with what loads it.
type speaker struct {
	name   string
	l      loader
	tongue tongue
	write  func(*testing.T, *ruleset.Ruleset) []Output
	load   func(t *testing.T, out []Output) error
	// mayRefuse is what may be read and not be loaded. A listing as JSON is only read: it may
	// name what comes later or belongs to others. The script of iptables looks whether all is
	// as it says, to the letter, and goes back where it is not.
	mayRefuse string
}

func nftSpeaker(name string, write func(*testing.T, *ruleset.Ruleset) []Output, flags ...string) speaker {
	return speaker{name: name, l: loaders[0], write: write, mayRefuse: map[bool]string{true: "nft"}[name == "json"],
		tongue: tongue{wordsOfNft, regexp.MustCompile(`^[^#]*[a-z]`), quietOfNft},
		load: func(t *testing.T, out []Output) error {
			run(t, "table inet portolan\ndelete table inet portolan\n", "nft", "-f", "-")
			_, err := kernel.Run(string(out[0].Data), "nft", append(flags, "-f", "-")...)
			return err
		}}
}

// listing is what nft says of a ruleset that is loaded, which nft loads too.
func listing(flags ...string) func(*testing.T, *ruleset.Ruleset) []Output {
	return func(t *testing.T, rs *ruleset.Ruleset) []Output {
		loaders[0].load(t, rs)
		text := run(t, "", "nft", append(flags, "list", "table", "inet", "portolan")...)
		if len(flags) > 0 {
			text = loadable(t, text)
		}
		return []Output{{Name: "listing", Data: []byte(text)}}
	}
}

// loadable is a listing as JSON in lines and in an order in which nft can load it: nft lists
// maps before the chains that they lead to.
func loadable(t *testing.T, text string) string {
	var whole struct {
		Nftables []map[string]json.RawMessage `json:"nftables"`
	}
	if err := json.Unmarshal([]byte(text), &whole); err != nil {
		t.Fatal(err)
	}
	order := []string{"metainfo", "table", "limit", "set", "chain", "map", "rule"}
	slices.SortStableFunc(whole.Nftables, func(a, b map[string]json.RawMessage) int {
		at := func(o map[string]json.RawMessage) int {
			return slices.IndexFunc(order, func(kind string) bool { return o[kind] != nil })
		}
		return at(a) - at(b)
	})
	var lines []string
	for _, o := range whole.Nftables {
		for kind, text := range o {
			lines = append(lines, fmt.Sprintf("{%q: %s}", kind, strings.ReplaceAll(string(text), "}, {", "},\n{")))
		}
	}
	return "{\"nftables\": [\n" + strings.Join(lines, ",\n") + "\n]}\n"
}

func formWriter(backend string, form int) func(*testing.T, *ruleset.Ruleset) []Output {
	return func(t *testing.T, rs *ruleset.Ruleset) []Output {
		b, err := Find(backend)
		if err != nil {
			t.Fatal(err)
		}
		out, ok := proveForm(t, b, b.Forms[form], rs)
		if !ok {
			t.Fatal("refused")
		}
		return out
	}
}

func iptablesSpeaker(l loader, form int) speaker {
	return speaker{name: l.name + " " + []string{"restore", "script"}[form], l: l, write: formWriter("iptables", form),
		tongue:    tongue{wordsOfIptables, regexp.MustCompile(`^(-A PL|:PL|\*|COMMIT$|create |add )`), regexp.MustCompile(`-m comment --comment ("(\\.|[^"\\])*"|\S+)`)},
		mayRefuse: []string{"", "what is loaded now is not what this file says"}[form],
		load: func(t *testing.T, out []Output) error {
			for _, program := range iptablesFamilies(l) {
				run(t, "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n", program+"-restore")
			}
			run(t, "", "ipset", "destroy")
			dir := t.TempDir()
			var files []kernel.File
			for _, o := range out {
				files = append(files, kernel.File{Name: o.Name, Data: o.Data})
			}
			if form == 1 {
				files = append(files, kernel.File{Name: "go", Data: []byte(fmt.Sprintf("# load: PORTOLAN_STATE=%s/state /bin/sh %s apply >/dev/null\n", dir, out[0].Name))})
				return kernel.Follow(dir, files, l.suffix, "load")
			}
			return kernel.Follow(dir, files, l.suffix, "first", "load before the rules", "load", "hook")
		}}
}

// changing is a ruleset of many kinds of rules without limits, whose packets all have the
// same fate however often they come.
func changing(i int) *ruleset.Ruleset {
	switch i % 3 {
	case 0:
		rs := strictHost()
		for _, c := range []*ruleset.Chain{&rs.Input, &rs.Output} {
			for k := range c.Rules {
				c.Rules[k].Effect.Limit, c.Rules[k].Effect.Connections = ruleset.Limit{}, ruleset.Connections{}
			}
		}
		return rs
	case 1:
		rs := guardedHost()
		rs.Untracked = port.Of(port.Range{First: 25000, Last: 25399})
		return rs
	}
	rs := twoLegs()
	rs.Input.Rules = append(rs.Input.Rules, service("rest", "", port.UDP, "7000,7002,7004-7100", sources("10.0.0.0/8", "2001:db8:20::/48")))
	bad := service("bad", "", port.TCP, "0-65535", addr.All())
	bad.Effect.Verdict = ruleset.Drop
	rs.Input.Rules = append(rs.Input.Rules, bad, service("late", "", port.TCP, "9000", addr.All()))
	return rs
}

func TestKernelMutatedNftables(t *testing.T) {
	mutated(t, 5, nftSpeaker("script", formWriter("nftables", 0)), nftSpeaker("snippet", formWriter("nftables", 1)),
		nftSpeaker("listing", listing()), nftSpeaker("json", listing("-j"), "-j"))
}

func TestKernelMutatedIptablesNft(t *testing.T) {
	mutated(t, 5, iptablesSpeaker(loaders[1], 0), iptablesSpeaker(loaders[1], 1))
}

func TestKernelMutatedIptablesLegacy(t *testing.T) {
	mutated(t, 5, iptablesSpeaker(loaders[2], 0), iptablesSpeaker(loaders[2], 1))
}

// mutated tries changes of each text.
func mutated(t *testing.T, quick int, speakers ...speaker) {
	inNamespace(t, speakers[0].l.programs, func(t *testing.T) {
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
		for _, s := range speakers {
			random := rand.New(rand.NewPCG(5, uint64(len(s.name))))
			var texts [][]Output
			for i := range 3 {
				texts = append(texts, s.write(t, changing(i)))
			}
			tried, taken, bad, n := 0, 0, 0, mutationsOf(t, quick)
			// Few changes are read and mean something else, so what counts is those.
			for ; taken < n && tried < 150*n; tried++ {
				rs, out := changing(tried), slices.Clone(texts[tried%3])
				at := random.IntN(len(out))
				before := string(out[at].Data)
				text := s.tongue.change(random, before)
				out[at].Data = []byte(text)
				back, err := readBack(s.l.backend, out)
				if err != nil || ruleset.Equivalent(rs, back) == nil && random.IntN(30) > 0 {
					continue
				}
				err = s.load(t, out)
				if err != nil && s.mayRefuse != "" && strings.Contains(err.Error(), s.mayRefuse) {
					continue
				}
				taken++
				ok := t.Run(fmt.Sprintf("%s %d", s.name, tried), func(t *testing.T) {
					if err != nil {
						t.Fatalf("what the reader takes does not load: %v\n%s", err, difference(before, text))
					}
					probes := kernel.ProbesOf(back, tried, 0, 10)
					for _, p := range kernel.ProbesOf(rs, tried, 0, 10) {
						p.SourcePort = uint16(41000 + len(probes)) // none of those before
						probes = append(probes, p)
					}
					if d, _ := differences(t, link, back, probes...); len(d) > 0 {
						t.Errorf("%d ports differ, such as %s\n%s", len(d), d[0].Text, difference(before, text))
					}
				})
				if !ok {
					if bad++; bad > 10 {
						break
					}
				}
			}
			t.Logf("%s: of %d changes %d were loaded, %d of them wrong", s.name, tried, taken, bad)
			if taken < n {
				t.Errorf("%s: %d changes were loaded, want %d", s.name, taken, n)
			}
		}
	})
}
