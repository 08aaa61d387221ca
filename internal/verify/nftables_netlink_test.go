package verify

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"portolan/internal/addr"
	"portolan/internal/netlink"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// What the kernel says, made up.

func nlAttr(kind uint16, data ...[]byte) []byte {
	whole := slices.Concat(data...)
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(whole)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), whole...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func nlText(kind uint16, text string) []byte { return nlAttr(kind, []byte(text), []byte{0}) }

func nlNumber(kind uint16, n uint32) []byte {
	return nlAttr(kind, binary.BigEndian.AppendUint32(nil, n))
}

func nlExpression(name string, attrs ...[]byte) []byte {
	return nlAttr(netlink.ListElement, nlText(netlink.ExpressionName, name), nlAttr(netlink.ExpressionData, attrs...))
}

func nlCompare(value ...byte) []byte {
	return nlExpression("cmp", nlNumber(1, 1), nlNumber(2, cmpEq), nlAttr(3, nlAttr(netlink.DataValue, value)))
}

func nlMeta(key uint32) []byte { return nlExpression("meta", nlNumber(1, 1), nlNumber(2, key)) }

func nlPayload(base, offset, size uint32) []byte {
	return nlExpression("payload", nlNumber(1, 1), nlNumber(2, base), nlNumber(3, offset), nlNumber(4, size))
}

func nlVerdict(code int32, chain string) []byte {
	parts := [][]byte{nlNumber(netlink.VerdictCode, uint32(code))}
	if chain != "" {
		parts = append(parts, nlText(netlink.VerdictChain, chain))
	}
	return nlAttr(netlink.DataVerdict, parts...)
}

func nlDecide(code int32) []byte {
	return nlExpression("immediate", nlNumber(1, 0), nlAttr(2, nlVerdict(code, "")))
}

func nlChain(t *netlink.Table, name string, more ...[]byte) {
	t.Chains = append(t.Chains, slices.Concat(nlText(netlink.ChainTable, "portolan"), nlText(netlink.ChainName, name), slices.Concat(more...)))
}

func nlRule(t *netlink.Table, chain, comment string, expressions ...[]byte) {
	t.Rules = append(t.Rules, slices.Concat(nlText(netlink.RuleTable, "portolan"), nlText(netlink.RuleChain, chain),
		nlAttr(netlink.RuleHandle, binary.BigEndian.AppendUint64(nil, uint64(len(t.Rules)+1))), nlAttr(netlink.RuleExpressions, expressions...),
		nlAttr(netlink.RuleUserData, []byte{0, byte(len(comment) + 1)}, []byte(comment), []byte{0})))
}

func nlElementOf(key []byte, more ...[]byte) []byte {
	return slices.Concat(nlAttr(netlink.ElementKey, nlAttr(netlink.DataValue, key)), slices.Concat(more...))
}

// nlServices is a table of n services with a port of TCP each, for a network of its own.
func nlServices(n int) (*netlink.Table, *ruleset.Ruleset) {
	t := &netlink.Table{Generation: 7, Exists: true, Elements: map[string][][]byte{}}
	rs := &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop}}
	nlChain(t, "input", nlAttr(netlink.ChainHook, nlNumber(netlink.HookNumber, 1), nlNumber(netlink.HookPriority, 0xfffffff6)), nlNumber(netlink.ChainPolicy, 0), nlText(netlink.ChainType, "filter"), nlNumber(netlink.ChainFlags, 1))
	t.Sets = append(t.Sets, slices.Concat(nlText(netlink.SetTable, "portolan"), nlText(netlink.SetName, "tcp_services"), nlNumber(netlink.SetFlags, setInterval|setMap),
		nlNumber(netlink.SetKeyType, typeService), nlNumber(netlink.SetKeyLength, 2), nlNumber(netlink.SetDataType, typeVerdict)))
	counter := nlExpression("counter", nlAttr(1, make([]byte, 8)), nlAttr(2, make([]byte, 8)))
	var elements [][]byte
	for i := range n {
		name, first := fmt.Sprintf("svc_service-%d_5f9016cf", i), 1024+6*i
		name = strings.ReplaceAll(name, "-", "_")
		nlChain(t, name)
		network := []byte{10, byte(i >> 8), byte(i)}
		nlRule(t, name, "a service", nlMeta(metaFamily), nlCompare(familyV4), nlPayload(baseNetwork, 12, 3), nlCompare(network...), counter, nlDecide(verdictAccept))
		key := func(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
		elements = append(elements, nlElementOf(key(first), nlAttr(netlink.ElementData, nlVerdict(verdictJump, name)), nlAttr(netlink.ElementUserData, []byte{0, 2, 'x', 0})),
			nlElementOf(key(first+1), nlNumber(netlink.ElementFlags, elementEnd)))
		m := ruleset.Any()
		m.Protos, m.Ports = only(uint8(port.TCP)), port.Of(port.Single(uint16(first)))
		m.Peers = addr.Of(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i)}), 24))
		rs.Input.Rules = append(rs.Input.Rules, ruleset.Rule{Match: m, Effect: ruleset.Effect{Verdict: ruleset.Accept}, Name: "a service"})
	}
	slices.Reverse(elements) // as the kernel says them
	t.Elements["tcp_services"] = elements
	nlRule(t, "input", "", nlMeta(metaWhat), nlCompare(uint8(port.TCP)), nlPayload(baseTransport, 2, 2), nlExpression("lookup", nlText(1, "tcp_services"), nlNumber(2, 1), nlNumber(3, 0)))
	nlRule(t, "input", "default", counter, nlDecide(verdictDrop))
	return t, rs
}

func TestKernelServices(t *testing.T) {
	table, rs := nlServices(50)
	live, err := Kernel(table)
	if err != nil {
		t.Fatal(err)
	}
	if c := ruleset.Equivalent(rs, live.Rules); c != nil {
		t.Error(c.Words("the services", "the kernel"))
	}
	if at := live.Rules.Input.Rules[3].Origins; len(at) != 1 || at[0].String() != "chain svc_service_3_5f9016cf, rule 4" {
		t.Errorf("%v", at)
	}
}

// TestKernelRulesAlike: rules that say the same but for what they counted are the same and stand each
// in a place of its own; one that says almost the same is another one.
func TestKernelRulesAlike(t *testing.T) {
	table, _ := nlServices(0)
	counter := func(n byte, more ...[]byte) []byte {
		return nlExpression("counter", nlAttr(1, bytes.Repeat([]byte{n}, 8)), nlAttr(2, make([]byte, 8)), slices.Concat(more...))
	}
	table.Rules = nil
	for i, last := range []byte{1, 1, 2, 1} {
		nlRule(table, "input", fmt.Sprintf("rule of %d", i+1), nlMeta(metaFamily), nlCompare(familyV4), nlPayload(baseNetwork, 12, 4), nlCompare(10, 0, 0, last), counter(byte(i)), nlDecide(verdictAccept))
	}
	live, err := Kernel(table)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range live.Rules.Input.Rules {
		want := fmt.Sprintf("10.0.0.%d chain input, rule %d rule of %d", map[bool]int{true: 2, false: 1}[i == 2], i+1, i+1)
		if got := fmt.Sprintf("%s %s %s", r.Match.Peers, r.Origins[0], r.Comment); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	nlRule(table, "input", "", nlMeta(metaFamily), nlCompare(familyV4), nlPayload(baseNetwork, 12, 4), nlCompare(10, 0, 0, 1), counter(0, nlNumber(4, 1)), nlDecide(verdictAccept))
	if _, err := Kernel(table); err == nil || !strings.Contains(err.Error(), "rule 5: expression 5") {
		t.Error(err)
	}
}

// BenchmarkKernel is 10,000 services, each with a chain, an element and a network of its own.
func BenchmarkKernel(b *testing.B) {
	table, rs := nlServices(10_000)
	live, err := Kernel(table)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Kernel(table); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("prove", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if c := ruleset.Equivalent(rs, live.Rules); c != nil {
				b.Fatal(c)
			}
		}
	})
}

// nlPack writes a table as bytes, and nlUnpack reads one out of any bytes: a kind, a length of
// two bytes, and a message. Elements begin with the name of their set.
func nlPack(t *netlink.Table) []byte {
	var out []byte
	add := func(kind byte, list [][]byte, name string) {
		for _, m := range list {
			m = slices.Concat([]byte(name), m)
			out = append(binary.BigEndian.AppendUint16(append(out, kind), uint16(len(m))), m...)
		}
	}
	for i, list := range [][][]byte{t.Chains, t.Rules, t.Sets, t.Objects} {
		add(byte(i), list, "")
	}
	for name, list := range t.Elements {
		add(4, list, name+"\x00")
	}
	return out
}

func nlUnpack(b []byte) *netlink.Table {
	t := &netlink.Table{Generation: 1, Exists: true, Elements: map[string][][]byte{}}
	for len(b) >= 3 {
		n := min(int(binary.BigEndian.Uint16(b[1:])), len(b)-3)
		kind, m := b[0], b[3:3+n]
		b = b[3+n:]
		switch kind % 5 {
		case 0:
			t.Chains = append(t.Chains, m)
		case 1:
			t.Rules = append(t.Rules, m)
		case 2:
			t.Sets = append(t.Sets, m)
		case 3:
			t.Objects = append(t.Objects, m)
		case 4:
			if name, rest, ok := bytes.Cut(m, []byte{0}); ok {
				t.Elements[string(name)] = append(t.Elements[string(name)], rest)
			}
		}
	}
	return t
}

func TestKernelPacks(t *testing.T) {
	table, rs := nlServices(3)
	live, err := Kernel(nlUnpack(nlPack(table)))
	if err != nil || ruleset.Equivalent(rs, live.Rules) != nil {
		t.Errorf("%v, %v", live, err)
	}
}

// FuzzKernel: whatever the kernel says, the reader ends, and what it takes can be compared.
func FuzzKernel(f *testing.F) {
	for _, n := range []int{0, 1, 3} {
		table, _ := nlServices(n)
		f.Add(nlPack(table))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<15 {
			return
		}
		start := time.Now()
		live, err := Kernel(nlUnpack(data))
		if (live == nil) == (err == nil) {
			t.Fatalf("%v, %v", live, err)
		}
		if err != nil {
			if text := err.Error(); !strings.HasPrefix(text, "the kernel's table inet portolan: ") || len(text) > 3000 {
				t.Errorf("%d bytes: %.200s", len(text), text)
			}
		} else if (live.Rules == nil) != (live.Strange != nil) || live.Rules == nil && live.Pending == nil {
			t.Errorf("nothing is understood, and nothing is wrong: %+v", live)
		} else {
			for _, rs := range []*ruleset.Ruleset{live.Rules, live.Pending} {
				if rs != nil && ruleset.Equivalent(rs, rs) != nil {
					t.Error("a ruleset that is not the same as itself")
				}
			}
		}
		if spent := time.Since(start); spent > 5*time.Second {
			t.Errorf("%v for %d bytes", spent, len(data))
		}
	})
}

// TestKernelCutOff: of what is cut off anywhere nothing is taken that means something else.
func TestKernelCutOff(t *testing.T) {
	table, rs := nlServices(2)
	messages := []*[]byte{}
	for _, list := range [][][]byte{table.Chains, table.Rules, table.Sets, table.Elements["tcp_services"]} {
		for i := range list {
			messages = append(messages, &list[i])
		}
	}
	taken, refused := 0, 0
	for _, m := range messages {
		whole := *m
		for n := range whole {
			*m = whole[:n]
			live, err := Kernel(table)
			switch {
			case err != nil:
				refused++
			case ruleset.Equivalent(rs, live.Rules) == nil:
				taken++ // only the comment is gone
			default:
				t.Errorf("%x is taken as %x and means something else", *m, whole)
			}
			// A bit that is another one may say something else, and it must be said in words.
			*m = flipped(whole, n)
			if live, err := Kernel(table); err == nil {
				ruleset.Equivalent(rs, live.Rules)
			}
		}
		*m = whole
	}
	if taken == 0 || refused < 10*taken {
		t.Errorf("%d are taken and %d refused", taken, refused)
	}
}

// TestKernelOfNextYear: a newer kernel may say more of chains, sets, rules and objects. What it
// says more in that by which they act is not passed over.
func TestKernelOfNextYear(t *testing.T) {
	limit := slices.Concat(nlText(netlink.ObjectTable, "portolan"), nlText(netlink.ObjectName, "limit_x"), nlNumber(netlink.ObjectType, objectLimit))
	for _, more := range [][]byte{nlNumber(31, 7), nlAttr(40|1<<15, nlNumber(1, 1)), nlAttr(5000, []byte("x")), slices.Concat(nlNumber(30, 1), nlNumber(30, 2))} {
		table, rs := nlServices(2)
		table.Objects = append(table.Objects, limit)
		for _, list := range [][][]byte{table.Chains, table.Rules, table.Sets, table.Objects} {
			for i := range list {
				list[i] = append(slices.Clone(list[i]), more...)
			}
		}
		live, err := Kernel(table)
		if err != nil {
			t.Fatal(err)
		}
		if c := ruleset.Equivalent(rs, live.Rules); c != nil {
			t.Error(c.Words("the services", "the kernel"))
		}
		elements := table.Elements["tcp_services"]
		for i := range elements {
			whole := elements[i]
			elements[i] = append(slices.Clone(whole), more...)
			if _, err := Kernel(table); err == nil {
				t.Errorf("element %d with % x is understood", i, more)
			}
			elements[i] = whole
		}
		for name, expression := range map[string][]byte{
			"an expression":        nlAttr(netlink.ListElement, nlText(netlink.ExpressionName, "counter"), nlAttr(netlink.ExpressionData), more),
			"data of one":          nlExpression("counter", more),
			"a verdict":            nlExpression("immediate", nlNumber(1, 0), nlAttr(2, nlAttr(netlink.DataVerdict, nlNumber(netlink.VerdictCode, verdictAccept), more))),
			"behind an expression": slices.Concat(nlExpression("counter"), more),
		} {
			other, _ := nlServices(2)
			nlRule(other, "input", "", expression, nlDecide(verdictDrop))
			if _, err := Kernel(other); err == nil {
				t.Errorf("%s with % x is understood", name, more)
			}
		}
		other, _ := nlServices(2)
		nlChain(other, "output", nlAttr(netlink.ChainHook, nlNumber(netlink.HookNumber, 3), nlNumber(netlink.HookPriority, 0xfffffff6), more), nlNumber(netlink.ChainPolicy, 1), nlText(netlink.ChainType, "filter"), nlNumber(netlink.ChainFlags, 1))
		if _, err := Kernel(other); err == nil {
			t.Errorf("a hook with % x is understood", more)
		}
	}
}

func flipped(b []byte, i int) []byte {
	b = slices.Clone(b)
	b[i] ^= 1 << (i % 8)
	return b
}

// TestNftLogical: only a number from 2 on behind a dot is a version.
func TestNftLogical(t *testing.T) {
	for name, want := range map[string]string{
		"a": "a", "a.2": "a", "a.17": "a", "connections_ssh_5_v4.3": "connections_ssh_5_v4",
		"a.1": "a.1", "a.0": "a.0", "a.": "a.", "a.02": "a.02", "a.2.3": "a.2.3", "a.x": "a.x", "a.-2": "a.-2", "a.99999999999": "a.99999999999", ".2": "",
	} {
		if got := nftLogical(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
		if ok := nftName(name); ok != (want != "" && !strings.Contains(want, ".")) {
			t.Errorf("%q can be a name: %v", name, ok)
		}
	}
}
