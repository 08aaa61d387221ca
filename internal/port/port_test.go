package port

import (
	"testing"

	"pgregory.net/rapid"
)

// bitmap is the naive model every set law is checked against.
type bitmap [Max + 1]bool

func modelOf(s Set) *bitmap {
	m := new(bitmap)
	for _, r := range s.Ranges() {
		for p := int(r.First); p <= int(r.Last); p++ {
			m[p] = true
		}
	}
	return m
}

// genRange favours the borders, where the arithmetic can go wrong.
func genRange(t *rapid.T) Range {
	edge := rapid.OneOf(rapid.SampledFrom([]int{0, 1, 2, Max - 2, Max - 1, Max}), rapid.IntRange(0, 40), rapid.IntRange(0, Max))
	return Range{uint16(edge.Draw(t, "first")), uint16(edge.Draw(t, "last"))}
}

func genSet(t *rapid.T, label string) Set {
	return Of(rapid.SliceOfN(rapid.Custom(genRange), 0, 8).Draw(t, label)...)
}

func TestSetLawsAgainstBitmap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genSet(t, "a"), genSet(t, "b")
		ma, mb := modelOf(a), modelOf(b)
		union, both, minus := a.Union(b), a.Intersect(b), a.Minus(b)
		if r := genRange(t); a.Overlaps(r) == a.Intersect(Of(r)).IsEmpty() {
			t.Fatalf("%v overlaps %v: %v", a, r, a.Overlaps(r))
		}
		mu, mi, mm := modelOf(union), modelOf(both), modelOf(minus)
		n := 0
		for p := range ma {
			if mu[p] != (ma[p] || mb[p]) || mi[p] != (ma[p] && mb[p]) || mm[p] != (ma[p] && !mb[p]) {
				t.Fatalf("port %d: a=%v b=%v union=%v intersect=%v minus=%v", p, a, b, union, both, minus)
			}
			if ma[p] {
				n++
			}
		}
		if a.Len() != n {
			t.Fatalf("Len(%v) = %d, want %d", a, a.Len(), n)
		}
		probe := rapid.Uint16().Draw(t, "probe")
		if a.Contains(probe) != ma[probe] {
			t.Fatalf("%v.Contains(%d) = %v", a, probe, a.Contains(probe))
		}
		for _, s := range []Set{a, union, both, minus} {
			for i, r := range s.Ranges() {
				if r.Len() == 0 || i > 0 && int(s.ranges[i-1].Last)+1 >= int(r.First) {
					t.Fatalf("%v is not in its one form", s)
				}
			}
			back, err := Parse(s.String())
			if err != nil || !back.Equal(s) {
				t.Fatalf("Parse(%q) = %v, %v", s.String(), back, err)
			}
		}
	})
}

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"":                    "",
		" ":                   "",
		"1,2-4,10-10":         "1-4,10",
		"35000-35399\n":       "35000-35399",
		"8080,8080,8079":      "8079-8080",
		"0-65535":             "0-65535",
		"05060":               "5060",
		"65535,0":             "0,65535",
		" 20000 - 20399 , 1 ": "1,20000-20399",
	} {
		s, err := Parse(in)
		if err != nil || s.String() != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", in, s, err, want)
		}
	}
	for _, in := range []string{"65536", "-1", "1-", "-", ",", "1,,2", "5-4", "a", "1 2", "0x10", "+5", "99999999999999999999"} {
		if s, err := Parse(in); err == nil {
			t.Errorf("Parse(%q) = %q, want an error", in, s)
		}
	}
}

func TestProto(t *testing.T) {
	for _, p := range Protos {
		if got, err := ParseProto(p.String()); err != nil || got != p {
			t.Errorf("ParseProto(%q) = %v, %v", p, got, err)
		}
	}
	if _, err := ParseProto("sctp"); err == nil {
		t.Error("ParseProto(sctp): want an error")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1,2-4,10-10")
	f.Add("32768\t60999")
	f.Fuzz(func(t *testing.T, in string) {
		s, err := Parse(in)
		if err != nil {
			return
		}
		if back, err := Parse(s.String()); err != nil || !back.Equal(s) {
			t.Fatalf("Parse(Parse(%q).String()) = %v, %v; want %v", in, back, err, s)
		}
	})
}
