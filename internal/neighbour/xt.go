package neighbour

import "encoding/binary"

// An xt is what a match of xtables asks for: iptables has them in the rules of both of its
// kinds.
type xt struct {
	cond    cond
	ports   []uint32
	comment string
}

// add makes a match a part of a rule.
func (s *step) add(x xt) {
	if x.cond != nil {
		s.conds = append(s.conds, x.cond)
	}
	s.ports = append(s.ports, x.ports...)
	if x.comment != "" {
		s.comment = x.comment
	}
}

// xtMatch reads a match from its structure in include/uapi/linux/netfilter/xt_*.h of Linux.
// What is not read may hold.
func xtMatch(name string, revision uint64, b []byte) xt {
	half := func(at int) uint16 { return binary.NativeEndian.Uint16(b[at:]) }
	switch {
	case name == "comment":
		return xt{comment: text(b)}
	case (name == "tcp" && len(b) >= 12 || name == "udp" && len(b) >= 10) && revision == 0:
		// struct xt_tcp and xt_udp: source ports, destination ports; then, in that of TCP,
		// an option, the mask of flags and their value; then what is inverted.
		const invertsTargets = 2 // XT_TCP_INV_DSTPT, XT_UDP_INV_DSTPT
		inverted, alone := b[8], half(0) == 0 && half(2) == 0xffff
		if name == "tcp" {
			inverted, alone = b[11], alone && b[8] == 0 && b[9] == 0
		}
		return portMatch([][2]uint16{{half(4), half(6)}}, inverted&invertsTargets != 0, alone && inverted&^invertsTargets == 0)
	case name == "multiport" && revision == 1 && len(b) >= 48:
		// struct xt_multiport_v1: which ports, how many numbers, 15 numbers, 15 marks
		// that the number begins a range, whether it is inverted.
		const destination, numbers = 1, 15
		if b[0] != destination || int(b[1]) > numbers {
			break
		}
		var ranges [][2]uint16
		for i := 0; i < int(b[1]); i++ {
			r := [2]uint16{half(2 + 2*i), half(2 + 2*i)}
			if b[32+i] != 0 && i+1 < int(b[1]) {
				i++
				r[1] = half(2 + 2*i)
			}
			ranges = append(ranges, r)
		}
		return portMatch(ranges, b[47] != 0, true)
	case name == "state" && len(b) >= 4:
		mask := binary.NativeEndian.Uint32(b)
		return xt{cond: stateMatch(mask, 64, false)} // XT_STATE_UNTRACKED
	case name == "conntrack" && revision >= 1 && revision <= 3 && len(b) >= 152:
		// struct xt_conntrack_mtinfo1 to 3: eight addresses, two times, a protocol, four
		// ports, then what is asked for, what is inverted, and the states.
		if half(146) != 1 { // XT_CONNTRACK_STATE alone
			break
		}
		mask := uint32(half(150))
		if revision == 1 {
			mask = uint32(b[150])
		}
		return xt{cond: stateMatch(mask, 256, half(148)&1 != 0)} // XT_CONNTRACK_STATE_UNTRACKED
	case name == "addrtype" && revision == 1 && len(b) >= 8:
		// struct xt_addrtype_info_v1: types of the source, of the destination, flags.
		flags := binary.NativeEndian.Uint32(b[4:])
		const invert = 2 // XT_ADDRTYPE_INVERT_DEST
		if half(0) != 0 || flags&^invert != 0 {
			break
		}
		local := truthOf((half(2)&(1<<localType) != 0) != (flags&invert != 0))
		return xt{cond: func(q *question) truth {
			if q.out {
				return q.unknown(false)
			}
			return local
		}}
	}
	return xt{cond: unclear}
}

// portMatch asks for destination ports; where it is not alone, it may hold no more than that.
func portMatch(ranges [][2]uint16, inverted, alone bool) xt {
	x := xt{}
	for _, r := range ranges {
		x.ports = append(x.ports, uint32(r[0]), uint32(r[1])+1)
	}
	whole := len(ranges) == 1 && ranges[0] == [2]uint16{0, 0xffff} && !inverted
	x.cond = func(q *question) truth {
		t := q.unknown(inverted)
		switch {
		case whole:
			t = yes
		case q.proto != 0:
			t = no
			for _, r := range ranges {
				if q.port >= r[0] && q.port <= r[1] {
					t = yes
				}
			}
			if inverted {
				t = t.not()
			}
		}
		if t == yes && !alone {
			return q.unknown(false)
		}
		return t
	}
	return x
}

// stateMatch asks for states. Their bits are those of nft, but for the untracked one.
func stateMatch(mask, untracked uint32, inverted bool) cond {
	want := mask & 15
	if mask&untracked != 0 {
		want |= stateUntracked
	}
	exact := mask&^(15|untracked) == 0 // no state of addresses, as of NAT
	return func(q *question) truth {
		if q.state == 0 {
			return q.unknown(inverted)
		}
		if !exact && q.state&want == 0 {
			return q.unknown(inverted)
		}
		return truthOf((q.state&want != 0) != inverted)
	}
}

// The states in the bits of nft (enum nft_ct_state of nft, NF_CT_STATE_BIT of Linux).
const (
	stateEstablished = 2
	stateNew         = 8
	stateUntracked   = 64
)

// xtTarget is what a target does, nil when the next rule is asked after it. A target that we
// do not know may end everything.
func xtTarget(name string) *verdict {
	switch name {
	case "REJECT", "DROP", "TARPIT":
		return &verdict{fate: dropped}
	case "ACCEPT", "DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP", "TPROXY":
		return &verdict{fate: accepted}
	case "AUDIT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CONNSECMARK", "CT", "DSCP", "ECN", "HL", "HMARK", "IDLETIMER", "LED", "LOG", "MARK", "NFLOG",
		"NOTRACK", "RATEEST", "SECMARK", "SET", "TCPMSS", "TCPOPTSTRIP", "TEE", "TOS", "TRACE", "TTL", "ULOG":
		return nil
	}
	return &verdict{fate: queued} // NFQUEUE, SYNPROXY, and what is not of Linux itself
}

// text is a name that ends with a zero byte.
func text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
