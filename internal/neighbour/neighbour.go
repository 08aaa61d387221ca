// Package neighbour finds the firewalls of others on this host that can drop what ours
// accepts.
//
// A packet needs the consent of every base chain of a hook: one that accepts does not speak
// for the others. So a chain of somebody else that drops what it does not know keeps closed
// what we open. This package reads those chains as far as they can be read, and says of each
// whether it does that, and of given ports whether it accepts them. What a rule asks for and
// we do not understand makes the answer "may drop"; it is never guessed.
//
// Names and comments come from the kernel as others wrote them: whoever shows them on a
// terminal makes them printable first.
package neighbour

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"portolan/internal/netlink"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// The families of nf_tables (NFPROTO_* in include/uapi/linux/netfilter.h).
const (
	inet   = 1
	ip     = 2
	arp    = 3
	netdev = 5
	bridge = 7
	ip6    = 10
)

var familyNames = map[byte]string{inet: "inet", ip: "ip", arp: "arp", netdev: "netdev", bridge: "bridge", ip6: "ip6"}

// Our own table, and the priority of its filter chains.
const (
	ownTable    = "portolan"
	ownPriority = -10
)

// A Firewall is one base chain of somebody else that can drop what ours accepts.
type Firewall struct {
	Legacy   bool   // of the iptables before nf_tables
	Family   string // "inet", "ip", "ip6", "arp", "netdev" or "bridge"
	Table    string
	Chain    string
	Hook     string // "ingress", "prerouting", "input", "output", "postrouting" or "egress"
	Device   string // of a chain at one or more interfaces, joined by commas; "" otherwise
	Priority int32
	// Before says that it is asked before our chain of that direction.
	Before bool
	Owners []Owner // who seems to have made it; none when nothing tells
	// Default says that it drops what none of its rules is about. Otherwise it has rules that
	// drop some packets.
	Default    bool
	Why        string // "its policy is drop", in words for people
	IPv4, IPv6 bool   // the families in which it does so; both false for arp
	Answers    []Answer
}

// An Owner is a program that seems to have made a chain, and what says so.
type Owner struct {
	Name string // "firewalld", "ufw", "docker", "iptables-nft" …
	By   string // "table firewalld", "chain ufw-user-input", "a comment that begins with cali:"
}

// An Ask is a question about ports: are packets to them accepted that begin a connection,
// whoever sends them and by whatever interface but that of loopback.
type Ask struct {
	Direction ruleset.Direction
	Proto     port.Proto
	Ports     port.Set // destination ports
	// State is what connection tracking says of the packets: ruleset.New, which the zero value
	// means too, ruleset.Established, or ruleset.Untracked.
	State ruleset.State
}

// An Answer says what a chain does with the ports of a question. Ports in neither set may be
// dropped: it depends on the source, the interface or the family, or we do not understand it.
type Answer struct {
	Ask
	Opens port.Set // no such packet is dropped
	Drops port.Set // every such packet is dropped
}

// May are the ports that may be dropped.
func (a Answer) May() port.Set { return a.Ports.Minus(a.Opens).Minus(a.Drops) }

// Sets are the sets of nf_tables: the attributes and the elements of one, as the method Set of
// netlink.Conn gives them. What is in a set that it cannot give is unknown, so rules that ask
// for it may hold.
type Sets func(family byte, table, name string) (attrs []byte, elements [][]byte, err error)

// Find is what can drop, in the order of hooks and priorities. sets may be nil: then
// everything that rules look up in sets is unknown. local are the addresses of this host:
// rules about other destinations do not matter for what arrives; without any, they may.
// What drops only packets that connection tracking calls invalid, or forwards, is left out.
func Find(chains []netlink.Chain, legacy []Legacy, sets Sets, local []netip.Addr, asks []Ask) ([]Firewall, error) {
	var out []Firewall
	type table struct {
		family byte
		name   string
	}
	tables := map[table]program{}
	for _, c := range chains {
		if c.Family == inet && c.Table == ownTable || c.Dormant {
			continue
		}
		t := table{c.Family, c.Table}
		if tables[t] == nil {
			tables[t] = program{}
		}
		compiler := compiler{c.Family, c.Table, sets}
		steps := make([]step, 0, len(c.Rules))
		for _, r := range c.Rules {
			steps = append(steps, compiler.rule(r))
		}
		tables[t][c.Name] = steps
	}
	for _, c := range chains {
		p, ok := tables[table{c.Family, c.Table}]
		hook := netlink.Attr(c.Attrs, netlink.ChainHook)
		if !ok || hook == nil {
			continue
		}
		f := Firewall{
			Family: familyNames[c.Family], Table: c.Table, Chain: c.Name, Priority: int32(netlink.Number(netlink.Attr(hook, netlink.HookPriority))),
			Hook: hookName(c.Family, netlink.Number(netlink.Attr(hook, netlink.HookNumber))), Device: devices(hook),
		}
		policy := accepted
		if v := netlink.Attr(c.Attrs, netlink.ChainPolicy); v != nil && netlink.Number(v) == 0 { // NF_DROP
			policy = dropped
		}
		if f.judge(p, policy, local, asks, maxSteps) {
			out = append(out, f)
		}
	}
	for i := range legacy {
		l := &legacy[i]
		p, err := l.decode()
		if err != nil {
			return nil, err
		}
		for h, name := range hookNames[:5] {
			if l.Hooks>>h&1 == 0 {
				continue
			}
			f := Firewall{Legacy: true, Family: "ip", Table: l.Table, Chain: builtin(h), Hook: name, Priority: legacyPriority(l.Table, name)}
			if l.IPv6 {
				f.Family = "ip6"
			}
			if f.judge(p.program, p.policy[f.Chain], local, asks, maxSteps) {
				out = append(out, f)
			}
		}
	}
	order := []string{"ingress", "prerouting", "input", "output", "postrouting", "egress"}
	slices.SortStableFunc(out, func(a, b Firewall) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Hook), slices.Index(order, b.Hook)), cmp.Compare(a.Priority, b.Priority),
			strings.Compare(a.Family, b.Family), strings.Compare(a.Table, b.Table), strings.Compare(a.Chain, b.Chain))
	})
	return out, nil
}

// hookName is the hook of a number, which depends on the family.
func hookName(family byte, n uint64) string {
	switch {
	case family == netdev && n < 2:
		return [...]string{"ingress", "egress"}[n] // NF_NETDEV_*
	case family == arp && n < 3:
		return [...]string{"input", "output", "forward"}[n] // NF_ARP_*
	case n < uint64(len(hookNames)):
		return hookNames[n] // NF_INET_*; those of bridges are the same
	}
	return "unknown"
}

// devices are the interfaces that a chain is at.
func devices(hook []byte) string {
	if one := netlink.Text(netlink.Attr(hook, netlink.HookDevice)); one != "" {
		return one
	}
	var names []string
	for _, name := range netlink.Attrs(netlink.Attr(hook, netlink.HookDevices)) {
		names = append(names, netlink.Text(name))
	}
	return strings.Join(names, ",")
}

// legacyPriority is when a table of iptables is asked (enum nf_ip_hook_priorities of
// include/uapi/linux/netfilter_ipv4.h).
func legacyPriority(table, hook string) int32 {
	switch table {
	case "raw":
		return -300
	case "mangle":
		return -150
	case "security":
		return 50
	case "nat":
		if hook == "input" || hook == "postrouting" {
			return 100
		}
		return -100
	}
	return 0
}

// tracked is the priority of connection tracking: what is asked earlier at prerouting or
// output knows no state (NF_IP_PRI_CONNTRACK).
const tracked = -200

// out reports whether the chain is about packets that leave.
func (f *Firewall) out() bool {
	return f.Hook == "output" || f.Hook == "postrouting" || f.Hook == "egress"
}

// judge fills in what the chain does, and reports whether it is worth a word. Rules are
// followed as often as budget says.
func (f *Firewall) judge(p program, policy fate, local []netip.Addr, asks []Ask, budget int) bool {
	if f.Hook == "forward" || f.Hook == "unknown" {
		return false
	}
	f.Before = f.Priority < ownPriority
	switch f.Hook {
	case "ingress", "prerouting":
		f.Before = true
	case "postrouting", "egress":
		f.Before = false
	}
	blind := f.Hook == "ingress" || f.Hook == "egress" || (f.Hook == "prerouting" || f.Hook == "output") && f.Priority < tracked
	ask := func(q question) (fate, string) {
		q.out, q.local = f.out(), local
		if blind {
			q.state = 0
		}
		x := examiner{program: p, q: q, budget: &budget}
		fate := x.ask(f.Chain, policy)
		return fate, x.last
	}
	families := []bool{false, true}
	switch f.Family {
	case "ip", "arp":
		families = families[:1]
	case "ip6":
		families = families[1:]
	}
	mark := func(six bool) {
		f.IPv4, f.IPv6 = f.IPv4 || !six && f.Family != "arp", f.IPv6 || six
	}
	drops, hands := false, false
	for _, six := range families {
		if fate, last := ask(question{six: six, strange: true, state: stateNew}); fate == dropped {
			f.Default = true
			f.Why = f.why(last)
			mark(six)
		}
	}
	for _, six := range families {
		var all fate
		for _, state := range []uint32{stateNew, stateEstablished, stateUntracked} {
			one, _ := ask(question{six: six, state: state})
			all |= one
		}
		drops, hands = drops || all&dropped != 0, hands || all&queued != 0
		if !f.Default && all&(dropped|queued) != 0 {
			mark(six)
		}
	}
	reached := p.reach(f.Chain)
	f.Owners = f.owners(p, reached)
	switch {
	case f.Default:
	case budget < 0:
		f.Why = "it has more rules than are followed"
	case drops:
		f.Why = f.where(p, reached)
	case hands:
		f.Why = "it hands packets to a program that decides"
	default:
		return false
	}
	if f.Family == "arp" {
		return true
	}
	cuts := cuts(p, reached)
	for _, a := range asks {
		if (a.Direction == ruleset.Out) == f.out() {
			f.Answers = append(f.Answers, answer(a, families, cuts, ask))
		}
	}
	return true
}

// why says why what no rule is about is dropped: last is the chain of the rule that did it,
// "" for the policy.
func (f *Firewall) why(last string) string {
	switch last {
	case "":
		return "its policy is drop"
	case f.Chain:
		return "its last rule drops or rejects everything that came so far"
	}
	return "it leads to chain " + last + ", which drops or rejects everything that comes to its end"
}

// where says where the rules are that drop.
func (f *Firewall) where(p program, reached []string) string {
	for _, name := range reached {
		for _, s := range p[name] {
			drops := s.then != nil && s.then.fate == dropped
			if s.choices != nil {
				drops = drops || slices.ContainsFunc(s.choices.elements, func(e element) bool { return e.then.fate == dropped })
			}
			if drops && name == f.Chain {
				return "it has rules that drop"
			}
			if drops {
				return "it leads to chain " + name + ", which has rules that drop"
			}
		}
	}
	return "it has rules that are not understood"
}

// maxRuns bounds the runs of ports that are asked about one by one.
const maxRuns = 4096

// cuts are the ports at which an answer can change, ascending.
func cuts(p program, reached []string) []uint32 {
	var out []uint32
	for _, name := range reached {
		for _, s := range p[name] {
			out = append(out, s.ports...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// answer asks about each run of ports that rules do not tell apart.
func answer(a Ask, families []bool, cuts []uint32, ask func(question) (fate, string)) Answer {
	state := map[ruleset.State]uint32{0: stateNew, ruleset.New: stateNew, ruleset.Established: stateEstablished, ruleset.Untracked: stateUntracked}[a.State]
	out := Answer{Ask: a}
	var opens, drops []port.Range
	runs := 0
	for _, r := range a.Ports.Ranges() {
		for low := uint32(r.First); low <= uint32(r.Last) && runs < maxRuns; runs++ {
			i, _ := slices.BinarySearch(cuts, low+1)
			high := uint32(r.Last)
			if i < len(cuts) {
				high = min(high, cuts[i]-1)
			}
			var all fate
			for _, six := range families {
				one, _ := ask(question{six: six, state: state, proto: uint8(a.Proto), port: uint16(low)})
				all |= one
			}
			run := port.Range{First: uint16(low), Last: uint16(high)}
			switch all {
			case accepted:
				opens = append(opens, run)
			case dropped:
				drops = append(drops, run)
			}
			low = high + 1
		}
	}
	out.Opens, out.Drops = port.Of(opens...), port.Of(drops...)
	return out
}

// String says for people what the chain does and what to do about it.
func (f Firewall) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "table %s %s, chain %s", f.Family, f.Table, f.Chain)
	var names []string
	if f.Legacy {
		names = append(names, "iptables-legacy")
	}
	for _, o := range f.Owners {
		names = append(names, o.Name)
	}
	if len(names) > 0 {
		b.WriteString(" (" + strings.Join(names, ", ") + ")")
	}
	if f.Device != "" {
		b.WriteString(" at " + f.Device)
	}
	family := ""
	if f.IPv4 != f.IPv6 && f.Family != "ip" && f.Family != "ip6" {
		family = map[bool]string{true: " of IPv4", false: " of IPv6"}[f.IPv4]
	}
	if !f.Default {
		b.WriteString(" can drop packets" + family + " that portolan accepts, because " + f.Why)
		return b.String() + f.told("")
	}
	b.WriteString(" drops what it does not accept" + family + ", because " + f.Why)
	if f.Family == "arp" {
		return b.String() + ": accept the addresses of neighbours there too, or nobody of IPv4 is reached"
	}
	ending := ": open the ports there too, or nothing arrives"
	if f.out() {
		ending = ": open the ports there too, or nothing leaves"
	}
	return b.String() + f.told(ending)
}

// told says the answers; without any, what to say instead.
func (f *Firewall) told(otherwise string) string {
	var opens, drops, may []string
	for _, a := range f.Answers {
		for _, part := range []struct {
			set  port.Set
			list *[]string
		}{{a.Opens, &opens}, {a.Drops, &drops}, {a.May(), &may}} {
			if !part.set.IsEmpty() {
				*part.list = append(*part.list, a.Proto.String()+" "+part.set.String())
			}
		}
	}
	var parts []string
	for _, part := range []struct {
		word string
		list []string
	}{{"it accepts ", opens}, {"it drops ", drops}, {"it may drop ", may}} {
		if len(part.list) > 0 {
			parts = append(parts, part.word+strings.Join(part.list, " and "))
		}
	}
	if len(parts) == 0 {
		return otherwise
	}
	text := ": " + strings.Join(parts, ", ")
	if len(drops)+len(may) > 0 && f.Default {
		text += "; open them there too"
	}
	return text
}

// Mixed says that rules of iptables-legacy and of iptables-nft are in force at the same time,
// "" when they are not. Both decide, and each of the two programs lists only its own.
func Mixed(chains []netlink.Chain, legacy []Legacy) (string, error) {
	var old, young []string
	for i := range legacy {
		l := &legacy[i]
		p, err := l.decode()
		if err != nil {
			return "", err
		}
		drops := false
		for _, policy := range p.policy {
			drops = drops || policy != accepted
		}
		if p.rules > 0 || drops {
			old = append(old, map[bool]string{false: "ip ", true: "ip6 "}[l.IPv6]+l.Table)
		}
	}
	for _, c := range chains {
		name := familyNames[c.Family] + " " + c.Table
		drops := netlink.Attr(c.Attrs, netlink.ChainPolicy) != nil && netlink.Number(netlink.Attr(c.Attrs, netlink.ChainPolicy)) == 0
		if !c.Dormant && ofIptables(familyNames[c.Family], c.Table, c.Name) && (len(c.Rules) > 0 || drops) && !slices.Contains(young, name) {
			young = append(young, name)
		}
	}
	if len(old) == 0 || len(young) == 0 {
		return "", nil
	}
	return fmt.Sprintf("iptables-legacy (table %s) and iptables-nft (table %s) both have rules on this host: both decide, and each shows only its own",
		strings.Join(old, ", "), strings.Join(young, ", ")), nil
}
