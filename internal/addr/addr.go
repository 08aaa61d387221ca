// Package addr is arithmetic on sets of IP addresses.
//
// Both families live in one set; bounds are inclusive. An IPv4 address mapped into
// IPv6 counts as the IPv4 address, and zones are ignored: a firewall sees neither.
package addr

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	mathbits "math/bits"
	"net/netip"
	"slices"
	"strings"
)

// A Range is the addresses First to Last, both inclusive and of one family.
type Range struct{ First, Last netip.Addr }

// contains reports whether a lies in r.
func (r Range) contains(a netip.Addr) bool { return !a.Less(r.First) && !r.Last.Less(a) }

// String is one address, or "first-last".
func (r Range) String() string {
	if r.First == r.Last {
		return r.First.String()
	}
	return r.First.String() + "-" + r.Last.String()
}

// A Set is a set of addresses of both families. It is a value: no operation
// changes its operands. The zero value is the empty set.
type Set struct {
	ranges []Range // ascending, disjoint, not adjacent; IPv4 before IPv6
}

// The whole of each family.
var (
	allV4 = Range{netip.AddrFrom4([4]byte{}), netip.AddrFrom4([4]byte{255, 255, 255, 255})}
	allV6 = Range{netip.IPv6Unspecified(), netip.AddrFrom16([16]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255})}
)

// Runs of the sets that are asked for most. Nothing writes into the runs of a set.
var both = []Range{allV4, allV6}

// All is every IPv4 and every IPv6 address.
func All() Set { return Set{both} }

// V4 is every IPv4 address.
func V4() Set { return Set{both[:1:1]} }

// V6 is every IPv6 address.
func V6() Set { return Set{both[1:]} }

// Of is the union of the given prefixes, whose host bits are ignored. An invalid
// prefix is skipped; Parse is the one that reads what people write.
func Of(prefixes ...netip.Prefix) Set {
	ranges := make([]Range, 0, len(prefixes))
	for _, p := range prefixes {
		if r, ok := rangeOf(p); ok {
			ranges = append(ranges, r)
		}
	}
	return build(ranges)
}

// OfRanges is the union of the given ranges, in any order. A range that is
// descending or mixes families is skipped.
func OfRanges(ranges ...Range) Set {
	sorted := make([]Range, 0, len(ranges))
	for _, r := range ranges {
		r = Range{plain(r.First), plain(r.Last)}
		if r.First.IsValid() && r.First.BitLen() == r.Last.BitLen() && !r.Last.Less(r.First) {
			sorted = append(sorted, r)
		}
	}
	return build(sorted)
}

// build brings valid ranges, which it may reorder, into the one form of a Set.
func build(sorted []Range) Set {
	slices.SortFunc(sorted, func(a, b Range) int { return a.First.Compare(b.First) })
	out := sorted[:0]
	for _, r := range sorted {
		if n := len(out); n > 0 && joins(out[n-1], r) {
			if out[n-1].Last.Less(r.Last) {
				out[n-1].Last = r.Last
			}
		} else {
			out = append(out, r)
		}
	}
	return Set{out}
}

func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// joins reports whether b, which does not start before a, overlaps a or follows
// it without a gap.
func joins(a, b Range) bool {
	if a.First.BitLen() != b.First.BitLen() {
		return false
	}
	next := a.Last.Next() // the zero Addr after the last address of a family
	return !a.Last.Less(b.First) || next.IsValid() && next == b.First
}

func rangeOf(p netip.Prefix) (Range, bool) {
	if !p.IsValid() {
		return Range{}, false
	}
	p = p.Masked()
	return Range{p.Addr(), lastOf(p)}, true
}

// lastOf is the highest address of a masked prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As16()
	first := 128 - p.Addr().BitLen() + p.Bits() // first host bit, counted in 128
	for i := first; i < 128; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last := netip.AddrFrom16(b)
	if p.Addr().Is4() {
		last = last.Unmap()
	}
	return last
}

// Parse reads an address ("10.0.0.5"), a prefix ("10.0.0.0/8") or a range
// ("10.0.0.1-10.0.0.9"). A zone (fe80::1%eth0) is an error. A prefix with host bits set is an error that names the
// prefix that was probably meant.
func Parse(s string) (Set, error) {
	if strings.Contains(s, "%") { // without it the rule would be wider than asked
		return Set{}, fmt.Errorf("%q names an interface, which no source address can", s)
	}
	if lo, hi, dash := strings.Cut(s, "-"); dash {
		first, err1 := netip.ParseAddr(strings.TrimSpace(lo))
		last, err2 := netip.ParseAddr(strings.TrimSpace(hi))
		r := OfRanges(Range{first, last})
		if err1 != nil || err2 != nil || r.IsEmpty() {
			return Set{}, fmt.Errorf("%q is not a range of addresses such as 10.0.0.1-10.0.0.9", s)
		}
		return r, nil
	}
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return Set{}, fmt.Errorf("%q is not an address, a prefix such as 10.0.0.0/8, or a range", s)
		}
		return OfRanges(Range{a, a}), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		if network := masked(s); network != "" {
			return Set{}, fmt.Errorf("%q has a mask: write %s", s, network)
		}
		return Set{}, fmt.Errorf("%q is not a prefix such as 10.0.0.0/8", s)
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p.Masked() != p {
		return Set{}, fmt.Errorf("%q has bits set behind the prefix length: write %s for the network or %s for the one address", s, p.Masked(), p.Addr())
	}
	return Of(p), nil
}

// masked is the network that an address with a mask, 10.1.0.0/255.255.0.0, is written for;
// "" for anything else.
func masked(s string) string {
	address, mask, _ := strings.Cut(s, "/")
	a, err := netip.ParseAddr(address)
	m, err2 := netip.ParseAddr(mask)
	if err != nil || err2 != nil || !a.Is4() || !m.Is4() {
		return ""
	}
	bits := m.As4()
	n := binary.BigEndian.Uint32(bits[:])
	ones := mathbits.LeadingZeros32(^n)
	if n != uint32(math.MaxUint32)<<(32-ones) {
		return ""
	}
	return netip.PrefixFrom(a, ones).Masked().String()
}

// IsEmpty reports whether s has no address.
func (s Set) IsEmpty() bool { return len(s.ranges) == 0 }

// IsAll reports whether s has every address of both families.
func (s Set) IsAll() bool {
	return len(s.ranges) == 2 && s.ranges[0] == allV4 && s.ranges[1] == allV6
}

// Equal reports whether s and o hold the same addresses.
func (s Set) Equal(o Set) bool { return slices.Equal(s.ranges, o.ranges) }

// Ranges are the maximal runs of s, IPv4 first, ascending. The caller may keep and
// change the slice.
func (s Set) Ranges() []Range { return slices.Clone(s.ranges) }

// Each are the same runs one by one, for who only looks at them.
func (s Set) Each() iter.Seq[Range] { return slices.Values(s.ranges) }

// First is the lowest address in s, and the invalid address when there is none.
func (s Set) First() netip.Addr {
	if len(s.ranges) == 0 {
		return netip.Addr{}
	}
	return s.ranges[0].First
}

// Contains reports whether a is in s. The invalid address is in no set.
func (s Set) Contains(a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	a = plain(a)
	i, exact := slices.BinarySearchFunc(s.ranges, a, func(r Range, a netip.Addr) int { return r.First.Compare(a) })
	return exact || i > 0 && s.ranges[i-1].contains(a)
}

// Union is the set of addresses in s or o.
func (s Set) Union(o Set) Set {
	switch { // of rules one after the other, most are of the same addresses
	case s.covers(o):
		return s
	case o.covers(s):
		return o
	}
	return OfRanges(append(s.Ranges(), o.ranges...)...)
}

// Intersect is the set of addresses in both s and o.
func (s Set) Intersect(o Set) Set {
	switch { // rules mostly narrow what is all of a family, or are not narrowed
	case s.covers(o):
		return o
	case o.covers(s):
		return s
	}
	var out []Range
	for i, j := 0, 0; i < len(s.ranges) && j < len(o.ranges); {
		a, b := s.ranges[i], o.ranges[j]
		first, last := latest(a.First, b.First), earliest(a.Last, b.Last)
		if !last.Less(first) {
			out = append(out, Range{first, last})
		}
		if a.Last.Less(b.Last) {
			i++
		} else {
			j++
		}
	}
	return Set{out}
}

// Overlaps reports whether s and o share an address.
func (s Set) Overlaps(o Set) bool {
	for i, j := 0, 0; i < len(s.ranges) && j < len(o.ranges); {
		switch a, b := &s.ranges[i], &o.ranges[j]; {
		case a.Last.Less(b.First):
			i++
		case b.Last.Less(a.First):
			j++
		default:
			return true
		}
	}
	return false
}

// covers reports whether one or two runs of s hold all of o, as far as that is quickly seen.
func (s Set) covers(o Set) bool {
	if len(o.ranges) == 0 {
		return true
	}
	first, last := o.ranges[0].First, o.ranges[len(o.ranges)-1].Last
	switch len(s.ranges) {
	case 1:
		return s.ranges[0].contains(first) && s.ranges[0].contains(last)
	case 2:
		return s.ranges[0] == allV4 && s.ranges[1] == allV6
	}
	return false
}

// Minus is the set of addresses in s that are not in o.
func (s Set) Minus(o Set) Set {
	if o.IsEmpty() {
		return s
	}
	return s.Intersect(o.complement())
}

func (s Set) complement() Set {
	var out []Range
	for _, whole := range []Range{allV4, allV6} {
		first, open := whole.First, true
		for _, r := range s.ranges {
			if r.First.BitLen() != whole.First.BitLen() {
				continue
			}
			if first.Less(r.First) {
				out = append(out, Range{first, r.First.Prev()})
			}
			if first = r.Last.Next(); !first.IsValid() {
				open = false
			}
		}
		if open {
			out = append(out, Range{first, whole.Last})
		}
	}
	return Set{out}
}

func latest(a, b netip.Addr) netip.Addr {
	if a.Less(b) {
		return b
	}
	return a
}

func earliest(a, b netip.Addr) netip.Addr {
	if a.Less(b) {
		return a
	}
	return b
}

// Prefixes are the fewest prefixes that hold exactly s, IPv4 first, ascending.
func (s Set) Prefixes() []netip.Prefix {
	var out []netip.Prefix
	for _, r := range s.ranges {
		for first := r.First; ; {
			p := widest(first, r.Last)
			out = append(out, p)
			last := lastOf(p)
			if last == r.Last {
				break
			}
			first = last.Next()
		}
	}
	return out
}

// widest is the shortest prefix that starts at first and does not pass last.
func widest(first, last netip.Addr) netip.Prefix {
	bits := first.BitLen()
	best := netip.PrefixFrom(first, bits)
	for bits--; bits >= 0; bits-- {
		p := netip.PrefixFrom(first, bits)
		if p.Masked() != p || last.Less(lastOf(p)) {
			break
		}
		best = p
	}
	return best
}

// String is the prefixes of s joined by commas; hosts are written without their
// length, and the whole of both families is "any".
func (s Set) String() string {
	if s.IsAll() {
		return "any"
	}
	var b strings.Builder
	for i, p := range s.Prefixes() {
		if i > 0 {
			b.WriteByte(',')
		}
		if p.IsSingleIP() {
			b.WriteString(p.Addr().String())
		} else {
			b.WriteString(p.String())
		}
	}
	return b.String()
}
