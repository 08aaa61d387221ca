// Package port is arithmetic on protocols and port sets.
//
// Ports are 0 to 65535 and every bound is inclusive.
package port

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Max is the highest port number there is (RFC 768, RFC 9293: a 16-bit field).
const Max = 65535

// Proto is an IP protocol that has ports, by its IANA protocol number. The zero
// value is no protocol at all.
type Proto uint8

// The protocols with ports that configurations speak of
// (https://www.iana.org/assignments/protocol-numbers).
const (
	TCP Proto = 6
	UDP Proto = 17
)

// Protos are all protocols with ports, in the order in which they are printed.
var Protos = [...]Proto{TCP, UDP}

// String is the lower-case name, "tcp" or "udp".
func (p Proto) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	}
	return "proto-" + strconv.Itoa(int(p))
}

// ParseProto reads "tcp" or "udp" in any case.
func ParseProto(s string) (Proto, error) {
	for _, p := range Protos {
		if strings.EqualFold(s, p.String()) {
			return p, nil
		}
	}
	return 0, fmt.Errorf("protocol %q is not known: use tcp or udp", s)
}

// A Range is the ports First to Last, both inclusive. The zero value is the
// single port 0. A range with First > Last holds no port.
type Range struct{ First, Last uint16 }

// Single is the range of the one port p.
func Single(p uint16) Range { return Range{p, p} }

// Len is the number of ports in r, 0 to 65536.
func (r Range) Len() int {
	if r.First > r.Last {
		return 0
	}
	return int(r.Last) - int(r.First) + 1
}

// Contains reports whether p lies in r.
func (r Range) Contains(p uint16) bool { return r.First <= p && p <= r.Last }

// Overlaps reports whether r and o share a port.
func (r Range) Overlaps(o Range) bool {
	return r.Len() > 0 && o.Len() > 0 && r.First <= o.Last && o.First <= r.Last
}

// String is "5060" for one port and "35000-35399" for several.
func (r Range) String() string { return string(r.append(nil)) }

func (r Range) append(b []byte) []byte {
	b = strconv.AppendUint(b, uint64(r.First), 10)
	if r.First == r.Last {
		return b
	}
	return strconv.AppendUint(append(b, '-'), uint64(r.Last), 10)
}

// ParseRange reads "5060" or "35000-35399"; blanks around the numbers are
// ignored. A descending range and a port above Max are errors.
func ParseRange(s string) (Range, error) {
	lo, hi, dash := strings.Cut(s, "-")
	first, err := parsePort(lo)
	if err != nil {
		return Range{}, err
	}
	if !dash {
		return Single(first), nil
	}
	last, err := parsePort(hi)
	if err != nil {
		return Range{}, err
	}
	if first > last {
		return Range{}, fmt.Errorf("port range %q ends before it begins", s)
	}
	return Range{first, last}, nil
}

func parsePort(s string) (uint16, error) {
	s = strings.TrimSpace(s)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, fmt.Errorf("%q is not a port number", s)
		}
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is not a port number from 0 to %d", s, Max)
	}
	return uint16(n), nil
}

// A Set is a set of ports. It is a value: no operation changes its operands.
// The zero value is the empty set.
type Set struct {
	ranges []Range // ascending, disjoint and not adjacent: one form per set
}

// All is the set of every port, 0 to 65535.
func All() Set { return Set{every} }

// every are the runs of All. Nothing writes into the runs of a set.
var every = []Range{{0, Max}}

// Of is the union of the given ranges, which may overlap, touch, come in any
// order or be empty.
func Of(ranges ...Range) Set {
	switch len(ranges) {
	case 0:
		return Set{}
	case 1:
		if ranges[0].Len() == 0 {
			return Set{}
		}
		return Set{[]Range{ranges[0]}}
	}
	sorted := slices.DeleteFunc(slices.Clone(ranges), func(r Range) bool { return r.Len() == 0 })
	slices.SortFunc(sorted, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	return Set{merge(sorted)}
}

// merge joins overlapping and adjacent neighbours of an ascending list in place.
func merge(sorted []Range) []Range {
	out := sorted[:0]
	for _, r := range sorted {
		if n := len(out); n > 0 && int(r.First) <= int(out[n-1].Last)+1 {
			out[n-1].Last = max(out[n-1].Last, r.Last)
		} else {
			out = append(out, r)
		}
	}
	return out
}

// Parse reads a comma-separated list of ports and ranges in the syntax of Linux's
// ip_local_reserved_ports, such as "1,2-4,10-10"
// (https://www.kernel.org/doc/Documentation/networking/ip-sysctl.rst). Blanks are
// ignored and an empty list is the empty set.
func Parse(s string) (Set, error) {
	if strings.TrimSpace(s) == "" {
		return Set{}, nil
	}
	var ranges []Range
	for item := range strings.SplitSeq(s, ",") {
		r, err := ParseRange(item)
		if err != nil {
			return Set{}, err
		}
		ranges = append(ranges, r)
	}
	return Of(ranges...), nil
}

// Ranges are the maximal runs of s in ascending order. The caller may keep and
// change the slice.
func (s Set) Ranges() []Range { return slices.Clone(s.ranges) }

// Each are the same runs one by one, for who only looks at them.
func (s Set) Each() iter.Seq[Range] { return slices.Values(s.ranges) }

// First is the lowest port in s, and 0 when there is none.
func (s Set) First() uint16 {
	if len(s.ranges) == 0 {
		return 0
	}
	return s.ranges[0].First
}

// Len is the number of ports in s, 0 to 65536.
func (s Set) Len() int {
	n := 0
	for _, r := range s.ranges {
		n += r.Len()
	}
	return n
}

// IsEmpty reports whether s has no port.
func (s Set) IsEmpty() bool { return len(s.ranges) == 0 }

// IsAll reports whether s has every port.
func (s Set) IsAll() bool { return len(s.ranges) == 1 && s.ranges[0] == Range{0, Max} }

// Contains reports whether p is in s.
func (s Set) Contains(p uint16) bool {
	_, found := slices.BinarySearchFunc(s.ranges, p, func(r Range, p uint16) int {
		switch {
		case r.Last < p:
			return -1
		case r.First > p:
			return 1
		}
		return 0
	})
	return found
}

// Equal reports whether s and o hold the same ports.
func (s Set) Equal(o Set) bool { return slices.Equal(s.ranges, o.ranges) }

// Union is the set of ports in s or o.
func (s Set) Union(o Set) Set {
	switch {
	case len(o.ranges) == 0:
		return s
	case len(s.ranges) == 0:
		return o
	}
	both := make([]Range, 0, len(s.ranges)+len(o.ranges))
	both = append(append(both, s.ranges...), o.ranges...)
	slices.SortFunc(both, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	return Set{merge(both)}
}

// Intersect is the set of ports in both s and o.
func (s Set) Intersect(o Set) Set {
	switch { // rules mostly narrow all ports, or are not narrowed
	case s.IsAll():
		return o
	case o.IsAll():
		return s
	}
	if len(s.ranges) == 0 || len(o.ranges) == 0 {
		return Set{}
	}
	var out []Range
	// One may hold thousands of runs and the other one, so what lies before is skipped.
	for i, j := s.from(o.ranges[0].First), o.from(s.ranges[0].First); i < len(s.ranges) && j < len(o.ranges); {
		a, b := s.ranges[i], o.ranges[j]
		if a.Overlaps(b) {
			out = append(out, Range{max(a.First, b.First), min(a.Last, b.Last)})
		}
		if a.Last < b.Last {
			i++
		} else {
			j++
		}
	}
	return Set{out}
}

// Overlaps reports whether s and o share a port.
func (s Set) Overlaps(o Set) bool {
	if len(s.ranges) > len(o.ranges) {
		s, o = o, s
	}
	for _, r := range s.ranges { // one may hold thousands of runs and the other one
		if i := o.from(r.First); i < len(o.ranges) && o.ranges[i].First <= r.Last {
			return true
		}
	}
	return false
}

// from is the index of the first run that does not end before p.
func (s Set) from(p uint16) int {
	i, _ := slices.BinarySearchFunc(s.ranges, p, func(r Range, p uint16) int { return cmp.Compare(r.Last, p) })
	return i
}

// Minus is the set of ports in s that are not in o.
func (s Set) Minus(o Set) Set {
	var out []Range
	j := 0
	for _, r := range s.ranges {
		for j < len(o.ranges) && o.ranges[j].Last < r.First {
			j++
		}
		first, left := int(r.First), true
		for k := j; k < len(o.ranges) && o.ranges[k].First <= r.Last; k++ {
			cut := o.ranges[k]
			if first < int(cut.First) {
				out = append(out, Range{uint16(first), cut.First - 1})
			}
			first = int(cut.Last) + 1
			if first > int(r.Last) {
				left = false
				break
			}
		}
		if left {
			out = append(out, Range{uint16(first), r.Last})
		}
	}
	return Set{out}
}

// String is the form that Parse reads, "1,2-4", and "" for the empty set.
func (s Set) String() string { return string(s.Append(nil)) }

// Append appends what String says.
func (s Set) Append(b []byte) []byte {
	for i, r := range s.ranges {
		if i > 0 {
			b = append(b, ',')
		}
		b = r.append(b)
	}
	return b
}
