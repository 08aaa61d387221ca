package solve

import (
	"math/bits"
	"slices"
)

// set is a set of numbers up to a limit.
type set []uint64

func newSet(n int) set         { return make(set, (n+63)/64) }
func (s set) add(i int)        { s[i/64] |= 1 << (i % 64) }
func (s set) remove(i int)     { s[i/64] &^= 1 << (i % 64) }
func (s set) has(i int) bool   { return s[i/64]&(1<<(i%64)) != 0 }
func (s set) isEmpty() bool    { return !slices.ContainsFunc(s, func(w uint64) bool { return w != 0 }) }
func (s set) union(o set) set  { return s.each(o, func(a, b uint64) uint64 { return a | b }) }
func (s set) common(o set) set { return s.each(o, func(a, b uint64) uint64 { return a & b }) }
func (s set) minus(o set) set  { return s.each(o, func(a, b uint64) uint64 { return a &^ b }) }

func (s set) each(o set, f func(a, b uint64) uint64) set {
	out := make(set, len(s))
	for i := range s {
		out[i] = f(s[i], o[i])
	}
	return out
}

func (s set) len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// all are the members, ascending.
func (s set) all(yield func(int) bool) {
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			if !yield(64*i + bits.TrailingZeros64(w)) {
				return
			}
		}
	}
}

// newSums is the sums of no sizes at all, up to limit.
func newSums(limit int) set {
	s := newSet(limit + 1)
	s.add(0)
	return s
}

// highest is the highest member that is not above n, 0 when there is none.
func (s set) highest(n int) int {
	i := n / 64
	if i >= len(s) {
		i, n = len(s)-1, 64*len(s)-1
	}
	w := s[i] & (^uint64(0) >> (63 - n%64))
	for w == 0 && i > 0 {
		i--
		w = s[i]
	}
	return max(0, 64*i+bits.Len64(w)-1)
}

// addTo makes to the sums of from, and of those with one more size. They may be the same.
func addTo(to, from set, size int) {
	words, shift := size/64, size%64
	for i := len(from) - 1; i >= 0; i-- {
		w := from[i]
		if k := i - words; k >= 0 {
			w |= from[k] << shift
			if shift > 0 && k > 0 {
				w |= from[k-1] >> (64 - shift)
			}
		}
		to[i] = w
	}
}
