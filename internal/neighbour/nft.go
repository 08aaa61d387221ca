package neighbour

import (
	"bytes"
	"encoding/binary"
	"slices"

	"portolan/internal/netlink"
)

// native32 is a number as a register of the kernel has it.
func native32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// A compiler reads the rules of one table. Numbers of attributes and keys are those of
// include/uapi/linux/netfilter/nf_tables.h of Linux.
type compiler struct {
	family byte
	table  string
	sets   Sets
}

// registers are what the registers hold, by number in steps of four bytes.
type registers map[uint64]field

// slot is the place of a register: 1 to 4 are 16 bytes each, those from 8 on 4 bytes each
// (NFT_REG_1, NFT_REG32_00).
func slot(register []byte) uint64 {
	n := netlink.Number(register)
	if n >= 1 && n <= 4 {
		return (n - 1) * 4
	}
	return n - 8
}

// put makes a register hold a field. What lay behind its start may be overwritten as well.
func (r registers) put(register []byte, f field) {
	at := slot(register)
	for i := at; i < at+4; i++ {
		delete(r, i)
	}
	r[at] = f
}

// rule reads the expressions of a rule. What it does not understand is a condition that may
// hold.
func (c *compiler) rule(attrs []byte) step {
	s := step{comment: netlink.Comment(netlink.Attr(attrs, netlink.RuleUserData), 0)}
	regs := registers{}
	for _, e := range netlink.Attrs(netlink.Attr(attrs, netlink.RuleExpressions)) {
		if s.then != nil || s.choices != nil { // nothing follows a verdict
			break
		}
		data := netlink.Attr(e, netlink.ExpressionData)
		c.expression(&s, regs, netlink.Text(netlink.Attr(e, netlink.ExpressionName)), data)
	}
	return s
}

// unclear is a condition of which nothing is known.
func unclear(q *question) truth { return q.unknown(false) }

func (c *compiler) expression(s *step, regs registers, name string, data []byte) {
	number := func(kind uint16) uint64 { return netlink.Number(netlink.Attr(data, kind)) }
	switch name {
	case "counter", "log", "notrack", "last":
	case "meta":
		if netlink.Attr(data, 1) == nil { // it sets something
			return
		}
		regs.put(netlink.Attr(data, 1), field{kind: map[uint64]kind{
			1: ethertype, 4: inIndex, 5: outIndex, 6: inName, 7: outName, 15: family, 16: protocol, // NFT_META_*
		}[number(2)]})
	case "payload":
		if netlink.Attr(data, 1) == nil {
			return
		}
		regs.put(netlink.Attr(data, 1), c.payload(number(2), number(3), number(4)))
	case "ct":
		if netlink.Attr(data, 1) == nil {
			return
		}
		f := field{}
		switch key := netlink.Attr(data, 2); {
		case key == nil:
		case number(2) == 0: // NFT_CT_STATE
			f.kind = state
		case number(2) == 2: // NFT_CT_STATUS
			f.kind = status
		}
		regs.put(netlink.Attr(data, 1), f)
	case "fib":
		f := field{}
		if number(2) == 3 && number(3) == 2 { // NFT_FIB_RESULT_ADDRTYPE of NFTA_FIB_F_DADDR alone
			f.kind = targetType
		}
		regs.put(netlink.Attr(data, 1), f)
	case "bitwise":
		f := regs[slot(netlink.Attr(data, 1))]
		mask, xor := netlink.Attr(netlink.Attr(data, 4), netlink.DataValue), netlink.Attr(netlink.Attr(data, 5), netlink.DataValue)
		if number(6) != 0 || f.mask != nil || len(mask) == 0 || len(mask) != len(xor) {
			f = field{}
		}
		f.mask, f.xor = mask, xor
		regs.put(netlink.Attr(data, 2), f)
	case "cmp":
		f, value := regs[slot(netlink.Attr(data, 1))], netlink.Attr(netlink.Attr(data, 3), netlink.DataValue)
		low, high, negated := value, value, false
		switch number(2) {
		case 1: // NFT_CMP_NEQ
			negated = true
		case 2: // LT
			low, high = bytes.Repeat([]byte{0}, len(value)), beside(value, -1)
		case 3: // LTE
			low = bytes.Repeat([]byte{0}, len(value))
		case 4: // GT
			low, high = beside(value, 1), bytes.Repeat([]byte{0xff}, len(value))
		case 5: // GTE
			high = bytes.Repeat([]byte{0xff}, len(value))
		}
		if low == nil || high == nil { // below the lowest, above the highest
			s.conds = append(s.conds, func(*question) truth { return no })
			return
		}
		s.compare(f, low, high, negated)
	case "range":
		low, high := netlink.Attr(netlink.Attr(data, 3), netlink.DataValue), netlink.Attr(netlink.Attr(data, 4), netlink.DataValue)
		s.compare(regs[slot(netlink.Attr(data, 1))], low, high, number(2) == 1)
	case "lookup":
		f := regs[slot(netlink.Attr(data, 2))]
		var content *set
		if f.kind != other || netlink.Attr(data, 3) != nil {
			content = c.set(netlink.Text(netlink.Attr(data, 1)))
			if f.kind == targetPort && f.mask == nil {
				for _, e := range content.elements {
					s.cut(e.first, e.last)
				}
			}
		}
		switch {
		case netlink.Attr(data, 3) == nil:
			s.conds = append(s.conds, f.among(content, number(5)&1 != 0))
		case number(3) == 0: // NFT_REG_VERDICT
			s.by, s.choices = f, content
		default:
			regs.put(netlink.Attr(data, 3), field{})
		}
	case "immediate":
		if number(1) != 0 { // a value for another expression
			regs.put(netlink.Attr(data, 1), field{})
			return
		}
		s.then = verdictOf(netlink.Attr(netlink.Attr(data, 2), netlink.DataVerdict))
	case "reject":
		s.then = &verdict{fate: dropped}
	case "nat", "masq", "redir":
		s.then = &verdict{fate: accepted}
	case "queue", "fwd", "synproxy":
		s.then = &verdict{fate: queued}
	case "match":
		x := xtMatch(netlink.Text(netlink.Attr(data, 1)), number(2), netlink.Attr(data, 3))
		s.add(x)
	case "target":
		s.then = xtTarget(netlink.Text(netlink.Attr(data, 1)))
	default:
		clear(regs)
		s.conds = append(s.conds, unclear)
	}
}

// compare adds a condition about a range of values.
func (s *step) compare(f field, low, high []byte, negated bool) {
	if f.kind == targetPort && f.mask == nil {
		s.cut(low, high)
	}
	if f.kind == bothPorts && len(low) == 4 && len(high) == 4 {
		s.cut(low[2:], high[2:])
	}
	s.conds = append(s.conds, f.between(low, high, negated))
}

// cut notes that ports from low to high may be answered unlike those beside them.
func (s *step) cut(low, high []byte) {
	if len(low) == 2 && len(high) == 2 {
		s.ports = append(s.ports, uint32(binary.BigEndian.Uint16(low)), uint32(binary.BigEndian.Uint16(high))+1)
	}
}

// beside is the value one below or above another of the same length, nil when there is none.
func beside(value []byte, by int) []byte {
	b := slices.Clone(value)
	for i := len(b) - 1; i >= 0; i-- {
		b[i] += byte(by)
		if by < 0 && b[i] != 0xff || by > 0 && b[i] != 0 {
			return b
		}
	}
	return nil
}

// payload is the field of a header.
func (c *compiler) payload(base, offset, size uint64) field {
	const link, network, transport = 0, 1, 2 // NFT_PAYLOAD_*_HEADER
	switch {
	case base == link && offset == 12 && size == 2:
		return field{kind: ethertype}
	case base == network && offset == 9 && size == 1 && c.family != ip6, base == network && offset == 6 && size == 1 && c.family != ip:
		return field{kind: protocol}
	case base == network && offset == 16 && size <= 4 && c.family != ip6:
		return field{kind: target}
	case base == network && offset == 24 && size <= 16 && c.family != ip:
		return field{kind: target, six: true}
	case base == transport && offset == 2 && size == 2:
		return field{kind: targetPort}
	case base == transport && offset == 0 && size == 4: // nft asks for both at once
		return field{kind: bothPorts}
	}
	return field{}
}

// verdictOf reads a verdict: what ends in the kernel (include/uapi/linux/netfilter.h), and
// what leads elsewhere.
func verdictOf(b []byte) *verdict {
	switch code := int32(netlink.Number(netlink.Attr(b, netlink.VerdictCode))); code {
	case 0: // NF_DROP
		return &verdict{fate: dropped}
	case 1: // NF_ACCEPT
		return &verdict{fate: accepted}
	case -1: // NFT_CONTINUE
		return nil
	case -3, -4: // NFT_JUMP, NFT_GOTO
		return &verdict{chain: netlink.Text(netlink.Attr(b, netlink.VerdictChain)), goes: code == -4}
	case -5: // NFT_RETURN
		return &verdict{fate: returned}
	}
	return &verdict{fate: queued} // NF_QUEUE with the number of the queue, NF_STOLEN
}

// A set's flags and an element's.
const (
	setInterval = 4 // NFT_SET_INTERVAL
	intervalEnd = 1 // NFT_SET_ELEM_INTERVAL_END
	maxElements = 65_536
)

// set is the content of a set, as far as it can be told.
func (c *compiler) set(name string) *set {
	unknown := &set{}
	if c.sets == nil {
		return unknown
	}
	attrs, list, err := c.sets(c.family, c.table, name)
	if err != nil || attrs == nil || len(list) > maxElements {
		return unknown
	}
	s := &set{known: true}
	interval := netlink.Number(netlink.Attr(attrs, netlink.SetFlags))&setInterval != 0
	var ends [][]byte
	for _, b := range list {
		key := netlink.Attr(netlink.Attr(b, netlink.ElementKey), netlink.DataValue)
		if netlink.Number(netlink.Attr(b, netlink.ElementFlags))&intervalEnd != 0 && len(key) > 0 {
			ends = append(ends, key)
			continue
		}
		e := element{first: key, last: key}
		if v := netlink.Attr(netlink.Attr(b, netlink.ElementData), netlink.DataVerdict); v != nil {
			e.then = verdict{fate: returned}
			if then := verdictOf(v); then != nil {
				e.then = *then
			}
		}
		if len(key) == 0 || netlink.Attr(b, netlink.ElementKeyEnd) != nil || netlink.Attr(b, netlink.ElementTimeout) != nil {
			// It stands for all keys, for more than one field, or not for long. Where it
			// leads to counts all the same.
			s.known = false
		}
		s.elements = append(s.elements, e)
	}
	if !interval || !s.known {
		return s
	}
	slices.SortFunc(s.elements, func(a, b element) int { return bytes.Compare(a.first, b.first) })
	slices.SortFunc(ends, bytes.Compare)
	next := 0
	for i := range s.elements {
		e := &s.elements[i]
		for next < len(ends) && bytes.Compare(ends[next], e.first) <= 0 {
			next++
		}
		e.last = bytes.Repeat([]byte{0xff}, len(e.first)) // a range without an end
		if next < len(ends) {
			e.last = beside(ends[next], -1)
		}
		if i+1 < len(s.elements) && bytes.Compare(s.elements[i+1].first, e.last) <= 0 { // one that the next range ends
			e.last = beside(s.elements[i+1].first, -1)
		}
		if e.last == nil {
			return unknown
		}
	}
	return s
}
