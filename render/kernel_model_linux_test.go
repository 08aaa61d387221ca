package render

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"portolan/internal/addr"
	"portolan/internal/kernel"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// What a ruleset means, held against the kernel.

// differences sends probes and lists the ports about which the kernel and the ruleset do not
// agree. It tells how many the ruleset opens.
func differences(t *testing.T, link *kernel.Link, rs *ruleset.Ruleset, probes ...kernel.Probe) ([]kernel.Mismatch, int) {
	t.Helper()
	bad, open, err := link.Differences(rs, probes...)
	if err != nil {
		t.Fatal(err)
	}
	return bad, open
}

// compare is differences that are failures.
func compare(t *testing.T, link *kernel.Link, rs *ruleset.Ruleset, probes ...kernel.Probe) (open int) {
	t.Helper()
	bad, open := differences(t, link, rs, probes...)
	for _, d := range bad[:min(len(bad), 5)] {
		t.Error(d.Text)
	}
	if len(bad) > 5 {
		t.Errorf("%d ports differ", len(bad))
	}
	return open
}

// differentTypes holds every type of ICMP against the kernel.
func differentTypes(t *testing.T, link *kernel.Link, rs *ruleset.Ruleset, peer netip.Addr) []string {
	t.Helper()
	bad, err := link.DifferentTypes(rs, peer)
	if err != nil {
		t.Fatal(err)
	}
	return bad
}

// plain is the loader of the text that the tests write themselves.
var plain = loader{name: "plain", programs: []string{"nft"}}

// plainText says a ruleset in the words of nft as a beginner would: a line for each rule,
// family and protocol, nothing named, nothing joined, and nothing of what the writers use.
// When the kernel and a ruleset disagree under this text too, it is not a writer that is
// wrong but the model, or these tests.
func plainText(t *testing.T, rs *ruleset.Ruleset) string {
	t.Helper()
	w := &plainWriter{known: map[string]bool{}}
	w.chain("input", "iifname", "saddr", &rs.Input)
	if rs.FiltersOutput() {
		w.chain("output", "oifname", "daddr", &rs.Output)
	}
	if !rs.Untracked.IsEmpty() {
		for _, c := range [][2]string{{"prerouting", "dport"}, {"output", "sport"}} {
			fmt.Fprintf(&w.chains, "\tchain raw_%s {\n\t\ttype filter hook %[1]s priority -300; policy accept;\n\t\tudp %s { %s } notrack\n\t}\n", c[0], c[1], commas(rs.Untracked.Ranges()))
		}
	}
	return "table inet plain\ndelete table inet plain\ntable inet plain {\n" + w.sets.String() + w.chains.String() + "}\n"
}

type plainWriter struct {
	sets, chains strings.Builder
	known        map[string]bool // sets
}

func (w *plainWriter) chain(hook, iface, peer string, c *ruleset.Chain) {
	fmt.Fprintf(&w.chains, "\tchain %s {\n\t\ttype filter hook %[1]s priority 0; policy accept;\n", hook)
	for i := range c.Rules {
		r := &c.Rules[i]
		for _, family := range []string{"ip", "ip6"} {
			w.rule(r, family, iface, peer)
		}
	}
	if c.Default == ruleset.Drop {
		w.chains.WriteString("\t\tdrop\n")
	}
	w.chains.WriteString("\t}\n")
}

func (w *plainWriter) rule(r *ruleset.Rule, family, iface, peer string) {
	m, whole, icmp := r.Match, addr.V4(), ruleset.ICMP
	start := "meta nfproto ipv4"
	if family == "ip6" {
		whole, icmp, start = addr.V6(), ruleset.ICMPv6, "meta nfproto ipv6"
	}
	peers := m.Peers.Intersect(whole)
	if peers.IsEmpty() || m.States == 0 || m.Ports.IsEmpty() || m.SourcePorts.IsEmpty() {
		return
	}
	if !m.Interfaces.IsAll() {
		if len(m.Interfaces.Names()) == 0 {
			return
		}
		start += fmt.Sprintf(" %s { %s }", iface, commas(m.Interfaces.Names()))
	}
	if m.States != ruleset.AllStates {
		start += " ct state " + m.States.String()
	}
	if !peers.Equal(whole) {
		start += fmt.Sprintf(" %s %s { %s }", family, peer, commas(peers.Ranges()))
	}
	var what []string
	switch each := m.Protos.Each(); {
	case !m.Types.IsAll():
		if types := m.Types.Each(); m.Protos.Has(icmp) && len(types) > 0 && m.Ports.IsAll() && m.SourcePorts.IsAll() {
			what = []string{fmt.Sprintf("meta l4proto %d %s type { %s }", icmp, map[string]string{"ip": "icmp", "ip6": "icmpv6"}[family], commas(types))}
		}
	case !m.Ports.IsAll() || !m.SourcePorts.IsAll():
		for _, p := range port.Protos {
			if m.Protos.Has(uint8(p)) {
				what = append(what, fmt.Sprintf("meta l4proto %d th sport { %s } th dport { %s }", p, commas(m.SourcePorts.Ranges()), commas(m.Ports.Ranges())))
			}
		}
	case m.Protos.IsAll():
		what = []string{""}
	case len(each) > 0:
		what = []string{fmt.Sprintf("meta l4proto { %s }", commas(each))}
	}
	for _, text := range what {
		line := start + " " + text
		if c := r.Effect.Connections; c != (ruleset.Connections{}) {
			line += fmt.Sprintf(" add @%s { %s %s ct count %d }", w.set("conn_"+c.Name, family), family, peer, c.Count)
		}
		if l := r.Effect.Limit; l != (ruleset.Limit{}) {
			line += fmt.Sprintf(" update @%s { %s %s limit rate %s burst %d packets }", w.set("limit_"+l.Name, family), family, peer, l.Rate, l.Burst)
		}
		fmt.Fprintf(&w.chains, "\t\t%s %s\n", line, r.Effect.Verdict)
	}
}

// set is the name of a set that counts each address of a family by itself.
func (w *plainWriter) set(name, family string) string {
	if name += "_" + family; !w.known[name] {
		w.known[name] = true
		fmt.Fprintf(&w.sets, "\tset %s { type %s; size 65535; flags dynamic; }\n", name, map[string]string{"ip": "ipv4_addr", "ip6": "ipv6_addr"}[family])
	}
	return name
}

// commas are the elements of a set of nft.
func commas[T any](list []T) string {
	var parts []string
	for _, one := range list {
		parts = append(parts, fmt.Sprint(one))
	}
	return strings.Join(parts, ", ")
}
