package neighbour

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"portolan/internal/netlink"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// attribute is one attribute as the kernel writes it.
func attribute(kind uint16, data ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(data)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func number(kind uint16, n uint32) []byte {
	return attribute(kind, binary.BigEndian.AppendUint32(nil, n)...)
}

// expression is one expression of a rule.
func expression(name string, attrs ...[]byte) []byte {
	return attribute(netlink.ListElement, append(attribute(netlink.ExpressionName, append([]byte(name), 0)...), attribute(netlink.ExpressionData, bytes.Join(attrs, nil)...)...)...)
}

func rule(expressions ...[]byte) []byte {
	return attribute(netlink.RuleExpressions, bytes.Join(expressions, nil)...)
}

// base is a chain at the hook input.
func base(policy uint32, rules ...[]byte) netlink.Chain {
	hook := append(number(netlink.HookNumber, 1), number(netlink.HookPriority, 0)...)
	return netlink.Chain{Family: inet, Table: "t", Name: "i", Rules: rules, Attrs: append(attribute(netlink.ChainHook, hook...), number(netlink.ChainPolicy, policy)...)}
}

func verdictExpression(code int32, chain string) []byte {
	v := number(netlink.VerdictCode, uint32(code))
	if chain != "" {
		v = append(v, attribute(netlink.VerdictChain, append([]byte(chain), 0)...)...)
	}
	return expression("immediate", number(1, 0), attribute(2, attribute(netlink.DataVerdict, v...)...))
}

// TestRulesNobodyHasHere: rules that the kernel of a test may not have the modules for, and
// some that no kernel has.
func TestRulesNobodyHasHere(t *testing.T) {
	match := func(name string, revision uint32, info []byte) []byte {
		return expression("match", attribute(1, append([]byte(name), 0)...), number(2, revision), attribute(3, info...))
	}
	target := func(name string) []byte {
		return expression("target", attribute(1, append([]byte(name), 0)...), number(2, 0), attribute(3))
	}
	cases := []struct {
		name  string
		chain netlink.Chain
		want  string // "" for nothing found
	}{
		{"a queue", base(1, rule(expression("queue", attribute(1, 0, 3)))), "it hands packets to a program that decides"},
		{"a queue of a verdict", base(1, rule(verdictExpression(3<<16|3, ""))), "it hands packets to a program that decides"},
		{"a queue of xtables", base(1, rule(target("NFQUEUE"))), "it hands packets to a program that decides"},
		{"a target nobody knows", base(1, rule(target("MAGIC"))), "it hands packets to a program that decides"},
		{"a mark", base(1, rule(target("MARK"))), ""},
		{"an expression nobody knows", base(1, rule(expression("magic"), verdictExpression(0, ""))), "it has rules that drop"},
		{"a match nobody knows", base(1, rule(match("magic", 0, nil), target("DROP"))), "it has rules that drop"},
		{"a match of another revision", base(1, rule(match("multiport", 7, make([]byte, 48)), target("DROP"))), "it has rules that drop"},
		{"a match that is too short", base(1, rule(match("conntrack", 3, make([]byte, 20)), target("DROP"))), "it has rules that drop"},
		{"a comment that is cut off", base(1, rule(match("comment", 0, []byte("x")), target("REJECT"))), "its last rule drops or rejects everything that came so far"},
		{"invalid ones of the old match", base(1, rule(match("state", 0, native32(1)), target("DROP"))), ""},
		{"new ones of the old match", base(1, rule(match("state", 0, native32(stateNew)), target("DROP"))), "its last rule drops or rejects everything that came so far"},
		{"untracked ones of the old match", base(1, rule(match("state", 0, native32(64)), target("DROP"))), "it has rules that drop"},
		{"a jump to itself", base(1, rule(verdictExpression(-3, "i"))), "it has rules that are not understood"},
		{"a jump to nowhere", base(1, rule(verdictExpression(-4, "gone"))), "it has rules that are not understood"},
		{"no set can be read", base(1, rule(expression("lookup", attribute(1, 's', 0), number(2, 1)), verdictExpression(0, ""))), "it has rules that drop"},
		{"what comes after a verdict", base(1, rule(verdictExpression(1, ""), verdictExpression(0, ""))), ""},
		{"no policy is said", netlink.Chain{Family: ip, Table: "t", Name: "i", Attrs: attribute(netlink.ChainHook, number(netlink.HookNumber, 1)...)}, ""},
	}
	for _, c := range cases {
		list, err := Find([]netlink.Chain{c.chain}, nil, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(list) > 0 {
			got = list[0].Why
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestMoreThanIsFollowed: a firewall with more rules than are followed may drop.
func TestMoreThanIsFollowed(t *testing.T) {
	all := []Ask{{Proto: port.TCP, Ports: port.All()}}
	p := program{"i": make([]step, 10)}
	// A packet that no rule is about, packets in three states, and one run of ports.
	for budget, want := range map[int]string{50: "", 40: "", 39: "it has more rules than are followed", 5: "it has more rules than are followed"} {
		f := Firewall{Family: "ip", Hook: "input", Chain: "i"}
		f.judge(p, accepted, nil, all, budget)
		if f.Why != want || f.Default {
			t.Errorf("%d: %q, want %q", budget, f.Why, want)
		}
		if want != "" && !f.Answers[0].May().IsAll() {
			t.Errorf("%d: opens %s, drops %s", budget, f.Answers[0].Opens, f.Answers[0].Drops)
		}
	}
	f := Firewall{Family: "ip", Hook: "input", Chain: "i"}
	if !f.judge(p, dropped, nil, all, 49) || !f.Default || !f.Answers[0].May().IsAll() { // the last question is not answered
		t.Errorf("%+v", f)
	}
}

// TestOwners: who is told by names and comments.
func TestOwners(t *testing.T) {
	cases := []struct {
		family, table, chain string
		comment              string
		want                 string
	}{
		{"ip", "filter", "INPUT", "", "iptables-nft: table filter with a chain INPUT"},
		{"inet", "filter", "INPUT", "", ""},
		{"ip", "filter", "input", "", ""},
		{"inet", "f2b-table", "f2b-chain", "", "fail2ban: table f2b-table"},
		{"ip", "crowdsec", "crowdsec-chain", "", "crowdsec: table crowdsec"},
		{"ip", "x", "INPUT_ZONES", "", "firewalld: chain INPUT_ZONES"},
		{"ip6", "kube-proxy", "filter-input", "", "kube-proxy: table kube-proxy"},
		{"ip", "x", "y", "cali:abc", "calico: a comment that begins with cali:"},
		{"ip", "libvirt_network", "guest_input", "", "libvirt: table libvirt_network"},
		{"ip", "x", "LIBVIRT", "my DOCKER", ""},
	}
	for _, c := range cases {
		f := Firewall{Family: c.family, Table: c.table, Chain: c.chain}
		var got []string
		for _, o := range f.owners(program{c.chain: {{comment: c.comment}}}, []string{c.chain}) {
			got = append(got, o.Name+": "+o.By)
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s %s %s: %q, want %q", c.family, c.table, c.chain, got, c.want)
		}
	}
}

// legacyEntry is an entry without conditions, with its target.
func legacyEntry(six bool, name string, data []byte) []byte {
	shape := legacyShapes[six]
	size := shape.least
	if six && aligned {
		size += 4
	}
	b := make([]byte, size, size+matchHead+len(data))
	binary.NativeEndian.PutUint16(b[shape.target:], uint16(size))
	binary.NativeEndian.PutUint16(b[shape.target+2:], uint16(size+matchHead+len(data)))
	head := make([]byte, matchHead)
	copy(head[2:], name)
	return append(append(b, head...), data...)
}

// legacyTable is a table with one chain INPUT of the given entries and a policy.
func legacyTable(six bool, policy int32, entries ...[]byte) Legacy {
	l := Legacy{IPv6: six, Table: "filter", Hooks: 1 << 1, Rules: bytes.Join(entries, nil)}
	l.Underflow[1] = uint32(len(l.Rules))
	l.Rules = append(l.Rules, legacyEntry(six, "", binary.NativeEndian.AppendUint64(nil, uint64(uint32(policy))))...)
	l.Rules = append(l.Rules, legacyEntry(six, "ERROR", make([]byte, 32))...)
	return l
}

func TestLegacyTables(t *testing.T) {
	verdict := func(code int32) []byte { return native32(uint32(code)) }
	for _, six := range []bool{false, true} {
		jump := legacyTable(six, -2, legacyEntry(six, "", verdict(8)))
		torn := legacyTable(six, -2)
		torn.Rules = torn.Rules[:len(torn.Rules)-1]
		outside := legacyTable(six, -2)
		outside.Underflow[1] = 4
		none := legacyTable(six, -2)
		none.Entry[1] = uint32(len(none.Rules)) + 8
		cases := []struct {
			name  string
			table Legacy
			want  string
			fails bool
		}{
			{"open", legacyTable(six, -2), "", false},
			{"closed", legacyTable(six, -1), "its policy is drop", false},
			{"closed at the end", legacyTable(six, -2, legacyEntry(six, "LOG", nil), legacyEntry(six, "REJECT", nil)), "its last rule drops or rejects everything that came so far", false},
			{"a return", legacyTable(six, -2, legacyEntry(six, "", verdict(-5)), legacyEntry(six, "REJECT", nil)), "", false},
			{"a queue", legacyTable(six, -2, legacyEntry(six, "NFQUEUE", nil)), "it hands packets to a program that decides", false},
			{"a jump into nothing", jump, "", true},
			{"torn", torn, "", true},
			{"a policy outside", outside, "", true},
			{"a chain outside", none, "", true},
			{"empty", Legacy{IPv6: six, Table: "filter"}, "", false},
		}
		for _, c := range cases {
			list, err := Find(nil, []Legacy{c.table}, nil, nil, nil)
			if (err != nil) != c.fails || err != nil && !errors.Is(err, errBroken) {
				t.Errorf("IPv6 %v, %s: %v", six, c.name, err)
			}
			got := ""
			if len(list) > 0 {
				got = list[0].Why
			}
			if got != c.want {
				t.Errorf("IPv6 %v, %s: %q, want %q", six, c.name, got, c.want)
			}
		}
	}
}

// asked are questions for fuzzing.
var asked = []Ask{
	{Proto: port.TCP, Ports: port.All()},
	{Proto: port.UDP, Ports: port.Of(port.Single(0), port.Single(65535)), State: ruleset.Untracked},
	{Direction: ruleset.Out, Proto: port.TCP, Ports: port.All(), State: ruleset.Established},
}

// sane holds the answers against what they must be whatever was read.
func sane(t *testing.T, list []Firewall) {
	t.Helper()
	for _, f := range list {
		if f.Why == "" || f.String() == "" {
			t.Errorf("no reason: %+v", f)
		}
		for _, a := range f.Answers {
			if !a.Opens.Intersect(a.Drops).IsEmpty() || !a.Opens.Union(a.Drops).Minus(a.Ports).IsEmpty() {
				t.Errorf("asked %s, opens %s, drops %s", a.Ports, a.Opens, a.Drops)
			}
		}
	}
}

func FuzzLegacy(f *testing.F) {
	for _, six := range []bool{false, true} {
		for _, l := range []Legacy{legacyTable(six, -1, legacyEntry(six, "LOG", nil)), legacyTable(six, -2, legacyEntry(six, "", native32(0)), legacyEntry(six, "REJECT", nil))} {
			f.Add(six, l.Underflow[1], l.Rules)
		}
	}
	f.Fuzz(func(t *testing.T, six bool, underflow uint32, rules []byte) {
		l := Legacy{IPv6: six, Table: "filter", Hooks: 1 << 1, Rules: rules}
		l.Underflow[1] = underflow
		list, err := Find(nil, []Legacy{l}, nil, nil, asked)
		if err != nil && !errors.Is(err, errBroken) {
			t.Error(err)
		}
		sane(t, list)
	})
}

func FuzzRules(f *testing.F) {
	f.Add(rule(verdictExpression(-3, "j")), rule(expression("queue")), []byte{}, []byte{})
	f.Add(rule(expression("meta", number(2, 16), number(1, 1)), expression("cmp", number(1, 1), number(2, 0), attribute(3, attribute(1, 6)...)),
		expression("payload", number(1, 1), number(2, 2), number(3, 2), number(4, 2)), expression("lookup", attribute(1, 's', 0), number(2, 1), number(3, 0))),
		rule(expression("bitwise", number(1, 1), number(2, 1), attribute(4, attribute(1, 1, 2)...), attribute(5, attribute(1, 0, 0)...)), verdictExpression(0, "")),
		number(netlink.SetFlags, setInterval), attribute(netlink.ElementKey, attribute(netlink.DataValue, 0, 22)...))
	f.Fuzz(func(t *testing.T, one, two, attrs, elements []byte) {
		c := base(1, one, two)
		other := netlink.Chain{Family: inet, Table: "t", Name: "j", Rules: [][]byte{two, one}}
		var list [][]byte
		for _, e := range netlink.Attrs(elements) {
			list = append(list, e)
		}
		sets := func(byte, string, string) ([]byte, [][]byte, error) { return attrs, append(list, elements), nil }
		found, err := Find([]netlink.Chain{c, other}, nil, sets, []netip.Addr{netip.MustParseAddr("192.0.2.1")}, asked)
		if err != nil {
			t.Error(err)
		}
		sane(t, found)
	})
}
