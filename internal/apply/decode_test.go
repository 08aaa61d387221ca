package apply

import (
	"encoding/binary"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"portolan/internal/netlink"
)

// nla is an attribute as the kernel says it.
func nla(kind uint16, parts ...string) string {
	data := strings.Join(parts, "")
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(data)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return string(b)
}

// An expression with its name and its attributes.
func expression(name string, attrs ...string) string {
	return nla(netlink.ListElement, nla(netlink.ExpressionName, name, "\x00"), nla(netlink.ExpressionData, attrs...))
}

func number(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

func long(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// TestCodesMeanTheSame: what differs by who wrote it, or with time, is not in a code; what
// decides packets is.
func TestCodesMeanTheSame(t *testing.T) {
	const nested = 0x8000
	code := func(list ...string) string {
		var c coder
		return c.rule([]byte(strings.Join(list, ""))).Code
	}
	for _, c := range []struct {
		name string
		a, b string
		same bool
	}{
		{"order", expression("meta", nla(1, number(1)), nla(2, number(15))), expression("meta", nla(2, number(15)), nla(1, number(1))), true},
		{"flags", expression("cmp", nla(3, nla(1, "x"))), expression("cmp", nla(3|nested, nla(1, "x"))), true},
		{"order inside", expression("immediate", nla(2, nla(2, nla(1, number(1)), nla(2, "c\x00")))), expression("immediate", nla(2, nla(2, nla(2, "c\x00"), nla(1, number(1))))), true},
		{"counter", expression("counter", nla(1, long(7)), nla(2, long(1))), expression("counter"), true},
		{"number of a set", expression("lookup", nla(1, "s\x00"), nla(4, number(9))), expression("lookup", nla(1, "s\x00")), true},
		{"zero byte of a name", expression("objref", nla(1, number(4)), nla(2, "l")), expression("objref", nla(1, number(4)), nla(2, "l\x00")), true},
		{"flag that is not set", expression("lookup", nla(1, "s\x00"), nla(5, number(0))), expression("lookup", nla(1, "s\x00")), true},
		{"flag that is set", expression("lookup", nla(1, "s\x00"), nla(5, number(1))), expression("lookup", nla(1, "s\x00")), false},
		{"filling", expression("limit", nla(1, long(5)), nla(6)), expression("limit", nla(1, long(5))), true},
		{"another set", expression("lookup", nla(1, "s\x00")), expression("lookup", nla(1, "t\x00")), false},
		{"another value", expression("cmp", nla(3, nla(1, "x"))), expression("cmp", nla(3, nla(1, "y"))), false},
		{"unknown attribute", expression("cmp", nla(3, nla(1, "x"))), expression("cmp", nla(3, nla(1, "x")), nla(99, "y")), false},
		{"unknown expression", expression("quota", nla(1, long(1))), expression("quota", nla(1, long(2))), false},
		{"order of expressions", expression("notrack") + expression("counter"), expression("counter") + expression("notrack"), false},
		{"expression inside", expression("dynset", nla(7, nla(1, "limit\x00"), nla(2, nla(1, long(1)), nla(5, number(0))))), expression("dynset", nla(7, nla(1, "limit\x00"), nla(2, nla(1, long(1))))), true},
		{"another inside", expression("dynset", nla(7, nla(1, "limit\x00"), nla(2, nla(1, long(1))))), expression("dynset", nla(7, nla(1, "limit\x00"), nla(2, nla(1, long(2))))), false},
		{"expressions inside", expression("dynset", nla(10, expression("counter", nla(1, long(1))))), expression("dynset", nla(10, expression("counter"))), true},
	} {
		if got := code(c.a) == code(c.b); got != c.same {
			t.Errorf("%s: same %v\n%q\n%q", c.name, got, code(c.a), code(c.b))
		}
	}
}

// TestNamesOfRules: what a rule names is found, inside other expressions as well.
func TestNamesOfRules(t *testing.T) {
	c := coder{anonymous: map[string]string{"__set0": "content"}}
	r := c.rule([]byte(expression("lookup", nla(1, "s\x00")) + expression("lookup", nla(1, "__set0\x00")) +
		expression("dynset", nla(1, "m\x00"), nla(7, nla(1, "objref\x00"), nla(2, nla(2, "l")))) +
		expression("counter", nla(1, long(1000)), nla(2, long(10))) + expression("counter", nla(1, long(1)), nla(2, long(1))) +
		expression("immediate", nla(2, nla(2, nla(1, number(0xfffffffd)), nla(2, "go\x00"))))))
	if !slices.Equal(r.Sets, []string{"s", "m"}) || !slices.Equal(r.Limits, []string{"l"}) || !slices.Equal(r.Chains, []string{"go"}) {
		t.Errorf("%+v", r)
	}
	if !r.Counts || r.Bytes != 1000 || r.Packets != 10 || strings.Contains(r.Code, "__set0") || !strings.Contains(r.Code, "content") {
		t.Errorf("%+v", r)
	}
}

// TestRulesAlike: a rule that is decoded after others that say almost the same is as it would be
// alone, with what its own counter has counted.
func TestRulesAlike(t *testing.T) {
	counter := func(n uint64) string { return expression("counter", nla(1, long(100*n)), nla(2, long(n))) }
	match := func(value string) string { return expression("cmp", nla(1, number(1)), nla(3, nla(1, value))) }
	fill := func(n uint64) string {
		return expression("dynset", nla(1, "m\x00"), nla(10, expression("limit", nla(1, long(5))), counter(n)))
	}
	var c coder
	for i, raw := range []string{
		match("x") + counter(0), match("x") + counter(7), match("y") + counter(8), match("x") + counter(9) + counter(10), match("x") + counter(11),
		match("x"), match("x") + expression("counter", nla(1, long(1)), nla(2, long(2)), nla(4, long(3))), match("x") + expression("counter", nla(1, long(1)), nla(2, long(2)), nla(4, long(4))),
		fill(1) + counter(2), fill(3) + counter(4), fill(3) + counter(5),
	} {
		var alone coder
		if got, want := c.rule([]byte(raw)), alone.rule([]byte(raw)); !reflect.DeepEqual(got, want) {
			t.Errorf("rule %d: %+v, alone %+v", i, got, want)
		}
	}
}

// TestDecodeElements puts ranges together from what kernels say of them: in any order, with
// and without the end of what is below the first, touching each other, and open at the end.
func TestDecodeElements(t *testing.T) {
	start := func(key string) []byte { return []byte(nla(netlink.ElementKey, nla(netlink.DataValue, key))) }
	end := func(key string) []byte {
		return append(start(key), nla(netlink.ElementFlags, number(intervalEnd))...)
	}
	for _, c := range []struct {
		name string
		list [][]byte
		want string
	}{
		{"none", nil, ""},
		{"one", [][]byte{start("\x10"), end("\x11")}, "10-10"},
		{"ends first, descending", [][]byte{end("\x31"), start("\x30"), end("\x20"), start("\x10"), end("\x00")}, "10-1f 30-30"},
		{"touching", [][]byte{start("\x10"), end("\x20"), start("\x20"), end("\x30")}, "10-1f 20-2f"},
		{"touching without an end", [][]byte{start("\x10"), start("\x20"), end("\x30")}, "10-1f 20-2f"},
		{"open", [][]byte{start("\x10"), end("\x20"), start("\xf0")}, "10-1f f0-ff"},
		{"everything", [][]byte{start("\x00")}, "00-ff"},
	} {
		var got []string
		for _, e := range (&coder{}).elements(Kind{Flags: flagInterval, KeyLength: 1}, c.list) {
			got = append(got, fmt.Sprintf("%x-%x", e.First, e.Last))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.name, strings.Join(got, " "), c.want)
		}
	}
}

// FuzzDecode: whatever the kernel says, reading it ends, and says the same each time.
func FuzzDecode(f *testing.F) {
	rule := nla(netlink.RuleChain, "c\x00") + nla(netlink.RuleExpressions, expression("lookup", nla(1, "__set0\x00")), expression("counter", nla(1, long(1)))) +
		nla(netlink.RuleUserData, "\x00\x02x\x00")
	chain := nla(netlink.ChainName, "c\x00") + nla(netlink.ChainHook, nla(1, number(1)), nla(2, number(0)))
	set := nla(netlink.SetName, "__set0\x00") + nla(netlink.SetFlags, number(flagAnonymous|flagInterval)) + nla(netlink.SetUserData, "\x07\x02x\x00")
	element := nla(netlink.ElementKey, nla(netlink.DataValue, "\x00\x16")) + nla(netlink.ElementData, nla(netlink.DataVerdict, nla(1, number(1)), nla(2, "c\x00")))
	object := nla(netlink.ObjectName, "l\x00") + nla(netlink.ObjectType, number(objectLimit)) + nla(netlink.ObjectData, nla(1, long(1)))
	f.Add([]byte(rule), []byte(chain), []byte(set), []byte(element), []byte(object))
	f.Add([]byte{}, []byte{4, 0}, []byte{4, 0, 2, 0}, []byte{255, 255, 1, 0}, []byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, rule, chain, set, element, object []byte) {
		name := netlink.Text(netlink.Attr(set, netlink.SetName))
		raw := &netlink.Table{
			Exists: true, Rules: [][]byte{rule, rule}, Chains: [][]byte{chain}, Sets: [][]byte{set}, Objects: [][]byte{object},
			Elements: map[string][][]byte{name: {element, set, element}},
		}
		a, b := Decode(raw), Decode(raw)
		for name, set := range a.Sets {
			if !slices.IsSortedFunc(set.Elements, func(x, y Element) int { return strings.Compare(x.First, y.First) }) {
				t.Errorf("set %q is not in order", name)
			}
			if !slices.Equal(set.Elements, b.Sets[name].Elements) || set.Kind != b.Sets[name].Kind {
				t.Errorf("set %q is not the same twice", name)
			}
		}
		for name, chain := range a.Chains {
			for i, r := range chain.Rules {
				if r.Code != b.Chains[name].Rules[i].Code {
					t.Errorf("chain %q is not the same twice", name)
				}
			}
			if n := len(chain.Rules); n == 2 && chain.Rules[0].Code != chain.Rules[1].Code {
				t.Errorf("one rule has two codes")
			}
		}
		if !slices.Equal(slices.Sorted(maps.Keys(a.Limits)), slices.Sorted(maps.Keys(b.Limits))) || !slices.Equal(a.Strange, b.Strange) {
			t.Error("objects are not the same twice")
		}
	})
}
