package addr

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// genAddr draws from two small corners of each family, so that sets meet often, and
// from their ends.
func genAddr(v6 bool) *rapid.Generator[netip.Addr] {
	return rapid.Custom(func(t *rapid.T) netip.Addr {
		low := byte(rapid.IntRange(0, 15).Draw(t, "low"))
		high := rapid.Bool().Draw(t, "high")
		if v6 {
			var b [16]byte
			if high {
				for i := range b {
					b[i] = 255
				}
				b[15] = 240 + low
			} else {
				b[15] = low
			}
			return netip.AddrFrom16(b)
		}
		if high {
			return netip.AddrFrom4([4]byte{255, 255, 255, 240 + low})
		}
		return netip.AddrFrom4([4]byte{0, 0, 0, low})
	})
}

func genSet(t *rapid.T, label string) Set {
	return OfRanges(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Range {
		g := genAddr(rapid.Bool().Draw(t, "v6"))
		return Range{g.Draw(t, "first"), g.Draw(t, "last")}
	}), 0, 6).Draw(t, label)...)
}

func TestSetLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genSet(t, "a"), genSet(t, "b")
		union, both, minus := a.Union(b), a.Intersect(b), a.Minus(b)
		for range 40 {
			p := genAddr(rapid.Bool().Draw(t, "v6")).Draw(t, "p")
			ia, ib := a.Contains(p), b.Contains(p)
			if union.Contains(p) != (ia || ib) || both.Contains(p) != (ia && ib) || minus.Contains(p) != (ia && !ib) {
				t.Fatalf("%v: a=%v b=%v union=%v intersect=%v minus=%v", p, a, b, union, both, minus)
			}
		}
		if a.Overlaps(b) == both.IsEmpty() {
			t.Fatalf("%v overlaps %v: %v", a, b, a.Overlaps(b))
		}
		if !minus.Union(both).Equal(a) {
			t.Fatalf("(a-b) + (a&b) = %v, want %v", minus.Union(both), a)
		}
		for _, s := range []Set{a, union, both, minus} {
			if back := Of(s.Prefixes()...); !back.Equal(s) {
				t.Fatalf("Of(%v) = %v, want %v", s.Prefixes(), back, s)
			}
		}
	})
}

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.0/8":          "10.0.0.0/8",
		"10.0.0.5":            "10.0.0.5",
		"10.0.0.4-10.0.0.7":   "10.0.0.4/30",
		"0.0.0.0/0":           "0.0.0.0/0",
		"2001:db8:20::/48":    "2001:db8:20::/48",
		"::ffff:10.0.0.5":     "10.0.0.5",
		"::ffff:10.0.0.0/104": "10.0.0.0/8",
		"255.255.255.255":     "255.255.255.255",
		"0.0.0.1 - 0.0.0.2":   "0.0.0.1,0.0.0.2",
		"::-::ffff":           "::/112",
		"128.0.0.0-255.0.0.0": "128.0.0.0/2,192.0.0.0/3,224.0.0.0/4,240.0.0.0/5,248.0.0.0/6,252.0.0.0/7,254.0.0.0/8,255.0.0.0",
	} {
		s, err := Parse(in)
		if err != nil || s.String() != want {
			t.Errorf("Parse(%q) = %v, %v; want %v", in, s, err, want)
		}
	}
	for _, in := range []string{"", "10.0.0.0/33", "10.1.2.3/8", "10.0.0.0/-1", "host", "10.0.0.9-10.0.0.1", "10.0.0.1-::1", "-", "/", "010.0.0.1", "fe80::1%eth0", "fe80::1%eth0-fe80::2"} {
		if s, err := Parse(in); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", in, s)
		}
	}
	if All().String() != "any" || !V4().Union(V6()).IsAll() || !All().Minus(V4()).Equal(V6()) || !All().Minus(All()).IsEmpty() {
		t.Error("the whole space does not add up")
	}
}
