package render

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// A Match is a product of sets; a line of a firewall's language is a smaller product.
// The functions here cut the one into the other without losing or gaining a packet.

// A familyPart is the sources of one family, or of both.
type familyPart struct {
	family  int          // 4, 6, or 0 for both
	sources []addr.Range // nil for the whole family
}

// families cuts sources by family. The whole of both is one part unless split is set.
func families(sources addr.Set, split bool) []familyPart {
	if sources.IsAll() && !split {
		return []familyPart{{}}
	}
	var out []familyPart
	for _, f := range []struct {
		number int
		whole  addr.Set
	}{{4, addr.V4()}, {6, addr.V6()}} {
		switch own := sources.Intersect(f.whole); {
		case own.Equal(f.whole):
			out = append(out, familyPart{family: f.number})
		case !own.IsEmpty():
			out = append(out, familyPart{f.number, own.Ranges()})
		}
	}
	return out
}

// prefixOf is the one prefix that holds exactly r, if there is one.
func prefixOf(r addr.Range) (netip.Prefix, bool) {
	first, last := r.First.As16(), r.Last.As16()
	same := 128 - r.First.BitLen()
	for same < 128 && (first[same/8]^last[same/8])&(0x80>>(same%8)) == 0 {
		same++
	}
	for bit := same; bit < 128; bit++ {
		if mask := byte(0x80 >> (bit % 8)); first[bit/8]&mask != 0 || last[bit/8]&mask == 0 {
			return netip.Prefix{}, false
		}
	}
	return netip.PrefixFrom(r.First, same-128+r.First.BitLen()), true
}

// prefixes are the fewest prefixes that hold exactly the addresses of sources.
func prefixes(sources addr.Set) []netip.Prefix {
	var out []netip.Prefix
	for _, r := range sources.Ranges() {
		if p, ok := prefixOf(r); ok {
			out = append(out, p)
		} else {
			out = append(out, addr.OfRanges(r).Prefixes()...)
		}
	}
	return out
}

// rangesKey is the same for equal ranges only.
func rangesKey(ranges []addr.Range) string {
	key := make([]byte, 0, 33*len(ranges))
	for _, r := range ranges {
		first, last := r.First.As16(), r.Last.As16()
		key = append(append(append(key, byte(r.First.BitLen())), first[:]...), last[:]...)
	}
	return string(key)
}

// A protoPart is what one line can say of protocols: a protocol with ports, one with
// types, or protocols as a whole.
type protoPart struct {
	protos []uint8      // whole protocols; nil for all of them, when proto is 0
	proto  uint8        // the one protocol that ports or types are of
	ports  []port.Range // for TCP and UDP
	types  []uint8      // for ICMP and ICMPv6
}

// protocols cuts a match by protocol. Ports other than all match only TCP and UDP, types
// other than all only the two ICMPs; both at once match nothing.
func protocols(m ruleset.Match) []protoPart {
	switch {
	case m.Ports.IsAll() && m.Types.IsAll():
		if m.Protos.IsAll() {
			return []protoPart{{}}
		}
		if each := m.Protos.Each(); len(each) > 0 {
			return []protoPart{{protos: each}}
		}
	case m.Types.IsAll() && !m.Ports.IsEmpty():
		var out []protoPart
		for _, p := range port.Protos {
			if m.Protos.Has(uint8(p)) {
				out = append(out, protoPart{proto: uint8(p), ports: m.Ports.Ranges()})
			}
		}
		return out
	case m.Ports.IsAll():
		types := m.Types.Each()
		var out []protoPart
		for _, p := range []uint8{ruleset.ICMP, ruleset.ICMPv6} {
			if m.Protos.Has(p) && len(types) > 0 {
				out = append(out, protoPart{proto: p, types: types})
			}
		}
		return out
	}
	return nil
}

// impossible reports whether m matches no packet for a reason that the two cuts above
// do not see.
func impossible(m ruleset.Match) bool {
	return m.States&ruleset.AllStates == 0 || !m.Interfaces.IsAll() && len(m.Interfaces.Names()) == 0
}

// claim is what a comment says of a rule: the claim it is for, or its name. It is never
// empty, because iptables-restore loses an empty word.
func claim(r *ruleset.Rule) string {
	return cmp.Or(r.Comment, r.Name, "rule")
}

// claims is what a comment says of a line that several rules share. It stops when the
// comment is longer than any firewall keeps.
func claims(rules []*ruleset.Rule) string {
	out := claim(rules[0])
	last := out
	for _, r := range rules[1:] {
		if c := claim(r); c != last && len(out) < 256 {
			out += "; " + c
			last = c
		}
	}
	return out
}

// limitName is the name of a limit in a firewall's text. It holds the numbers: nft and
// the kernel's hashlimit keep an object that is there already, old numbers and all, when
// new text uses its name.
func limitName(l ruleset.Limit, sep string) string {
	return l.Name + sep + strconv.Itoa(l.Rate.Count) + l.Rate.Period[:1] + sep + strconv.Itoa(l.Burst)
}

// slug turns a name from a policy into part of an identifier: a-z, 0-9 and '_', at most
// max bytes, never empty.
func slug(name string, max int) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			b.WriteRune(c)
		} else if n := b.Len(); n > 0 && b.String()[n-1] != '_' {
			b.WriteByte('_')
		}
		if b.Len() >= max {
			break
		}
	}
	if s := strings.Trim(b.String(), "_"); s != "" {
		return s
	}
	return "rule"
}

// names hands out names that differ from each other.
type names map[string]bool

// take is base, or base followed by sep and the first number from 2 on that is free.
func (n names) take(base, sep string) string {
	name := base
	for i := 2; n[name]; i++ {
		name = base + sep + strconv.Itoa(i)
	}
	n[name] = true
	return name
}
