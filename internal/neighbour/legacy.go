package neighbour

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// A Legacy is one table of the iptables that came before nf_tables, as the kernel says it.
type Legacy struct {
	IPv6  bool
	Table string // "filter", "mangle", "raw", "nat" or "security"
	// Hooks are the bits of the hooks that it has chains at, Entry and Underflow where the
	// rules of each begin and where its policy stands, in bytes from the start of Rules: struct
	// ipt_getinfo of include/uapi/linux/netfilter_ipv4/ip_tables.h.
	Hooks            uint32
	Entry, Underflow [5]uint32
	Rules            []byte // struct ipt_entry or ip6t_entry, one after the other
}

// hookNames are the hooks of a host by NF_INET_*: "ingress" is one only in nf_tables.
var hookNames = [...]string{"prerouting", "input", "forward", "output", "postrouting", "ingress"}

// maxLegacyRules bounds the entries of a table.
const maxLegacyRules = 1 << 20

// A legacyShape is where things stand in an entry of one family.
type legacyShape struct {
	address               int // bytes
	names, proto, inverts int
	target                int // where target_offset stands, with next_offset behind it
	goes                  byte
	// least is the shortest entry without a match, and withMatch the shortest with one: the
	// sizes differ by what 64-bit numbers are aligned to.
	least, withMatch int
}

// matchHead is the size of struct xt_entry_match and xt_entry_target before their data.
const matchHead = 32

var legacyShapes = map[bool]legacyShape{
	false: {address: 4, names: 16, proto: 80, inverts: 83, target: 88, goes: 2, least: 112, withMatch: 112 + matchHead},
	true:  {address: 16, names: 64, proto: 128, inverts: 132, target: 140, goes: 4, least: 164, withMatch: 164 + matchHead},
}

// A legacyProgram is a table as chains.
type legacyProgram struct {
	program program
	policy  map[string]fate // of the chains at hooks, which have the names of iptables
	rules   int
}

var errBroken = errors.New("the rules of the kernel make no sense")

// decode reads the rules.
func (l *Legacy) decode() (*legacyProgram, error) {
	broken := func(at int, why string) error {
		return fmt.Errorf("legacy iptables, table %s: %w: %s at byte %d", l.Table, errBroken, why, at)
	}
	shape := legacyShapes[l.IPv6]
	type entry struct {
		step    step
		jump    int // to an entry, -1 for none
		next    int
		failure string // the name of the chain that begins here, of an error target
		isError bool
	}
	entries := map[int]*entry{}
	var order []int
	for at := 0; at < len(l.Rules); {
		b := l.Rules[at:]
		if len(b) < shape.least || len(order) == maxLegacyRules {
			return nil, broken(at, "an entry that is cut off")
		}
		target, next := int(binary.NativeEndian.Uint16(b[shape.target:])), int(binary.NativeEndian.Uint16(b[shape.target+2:]))
		if target < shape.least || next < target+matchHead || next > len(b) {
			return nil, broken(at, "an entry with a wrong length")
		}
		b = b[:next]
		e := &entry{jump: -1, next: at + next}
		if !l.conditions(&e.step, b[:target], shape) {
			return nil, broken(at, "a match with a wrong length")
		}
		name, data := text(b[target+2:target+31]), b[target+matchHead:]
		switch {
		case name == "" && len(data) >= 4:
			code := int32(binary.NativeEndian.Uint32(data))
			switch {
			case code >= 0 && int(code) == e.next: // no target at all
			case code >= 0:
				e.jump = int(code)
				e.step.then = &verdict{goes: b[shape.proto+2+flagAt(l.IPv6)]&shape.goes != 0}
			default:
				e.step.then = standard(code)
			}
		case name == "ERROR":
			e.failure, e.isError = text(data), true
		default:
			e.step.then = xtTarget(name)
		}
		entries[at], order, at = e, append(order, at), e.next
	}
	p := &legacyProgram{program: program{}, policy: map[string]fate{}}
	begins := map[int]string{} // chains by their first entry
	for h := range l.Entry {
		if l.Hooks>>h&1 != 0 {
			begins[int(l.Entry[h])] = builtin(h)
		}
	}
	for _, at := range order {
		if e := entries[at]; e.isError {
			begins[e.next] = e.failure
		}
	}
	chain := ""
	for _, at := range order {
		if name, ok := begins[at]; ok {
			chain = name
			p.program[chain] = []step{}
		}
		e := entries[at]
		if e.isError {
			chain = ""
			continue
		}
		if e.jump >= 0 {
			name, ok := begins[e.jump]
			if !ok {
				return nil, broken(at, "a jump to no chain")
			}
			e.step.then.chain = name
		}
		if chain == "" {
			return nil, broken(at, "a rule in no chain")
		}
		p.program[chain] = append(p.program[chain], e.step)
	}
	for h := range l.Underflow {
		if l.Hooks>>h&1 == 0 {
			continue
		}
		// The policy is the last rule of the chain.
		e, name := entries[int(l.Underflow[h])], builtin(h)
		steps := p.program[name]
		if e == nil || e.step.then == nil || e.step.then.chain != "" || len(steps) == 0 {
			return nil, broken(int(l.Underflow[h]), "a chain without a policy")
		}
		p.policy[name] = e.step.then.fate
		p.program[name] = steps[:len(steps)-1]
	}
	for name, steps := range p.program {
		if _, ok := p.policy[name]; !ok && len(steps) > 0 { // the last one is the return that each chain has
			steps = steps[:len(steps)-1]
		}
		p.rules += len(steps)
	}
	return p, nil
}

// flagAt is how far the flags of an entry are behind its protocol: IPv6 has the type of
// service between.
func flagAt(six bool) int {
	if six {
		return 1
	}
	return 0
}

// standard is a verdict of the standard target: a verdict of netfilter less 1, negated, or
// XT_RETURN.
func standard(code int32) *verdict {
	switch code {
	case -1: // NF_DROP
		return &verdict{fate: dropped}
	case -2: // NF_ACCEPT
		return &verdict{fate: accepted}
	case -5: // XT_RETURN
		return &verdict{fate: returned}
	}
	return &verdict{fate: queued}
}

// builtin is the name that iptables has for the chain of a hook.
func builtin(hook int) string { return string(bytes.ToUpper([]byte(hookNames[hook]))) }

// What IPT_INV_* and IP6T_INV_* turn around.
const (
	invertIn     = 1
	invertOut    = 2
	invertTarget = 0x10
	invertProto  = 0x40
)

// conditions reads what an entry asks of a packet, false when its matches are torn.
func (l *Legacy) conditions(s *step, b []byte, shape legacyShape) bool {
	inverts := b[shape.inverts]
	source, dest := b[:shape.address], b[shape.address:2*shape.address]
	sourceMask, destMask := b[2*shape.address:3*shape.address], b[3*shape.address:4*shape.address]
	if !zero(sourceMask) || !zero(source) {
		s.conds = append(s.conds, unclear)
	}
	if !zero(destMask) || !zero(dest) {
		f := field{kind: target, six: l.IPv6, mask: destMask, xor: make([]byte, shape.address)}
		s.conds = append(s.conds, f.between(dest, dest, inverts&invertTarget != 0))
	}
	for i, side := range []struct {
		kind    kind
		inverts byte
	}{{inName, invertIn}, {outName, invertOut}} {
		name, mask := b[shape.names+16*i:][:16], b[shape.names+32+16*i:][:16]
		if n := bytes.IndexByte(mask, 0); n != 0 { // n bytes of the name count; -1 for all of them
			if n > 0 {
				name = name[:n]
			}
			s.conds = append(s.conds, field{kind: side.kind}.between(name, name, inverts&side.inverts != 0))
		}
	}
	if proto := binary.NativeEndian.Uint16(b[shape.proto:]); proto != 0 {
		value := []byte{byte(proto)}
		s.conds = append(s.conds, field{kind: protocol}.between(value, value, inverts&invertProto != 0))
	}
	if flags := b[shape.proto+2+flagAt(l.IPv6)]; flags&^(shape.goes|protoFlag(l.IPv6)) != 0 || inverts&^(invertIn|invertOut|invertTarget|invertProto) != 0 {
		s.conds = append(s.conds, unclear) // fragments, type of service, an inverted source
	}
	if len(b) < shape.withMatch {
		return true
	}
	// Where 64-bit numbers are aligned to 8, the head of an entry of IPv6 is 4 bytes longer.
	at := shape.least
	if l.IPv6 && aligned {
		at += 4
	}
	for at < len(b) {
		if len(b)-at < matchHead {
			return false
		}
		size := int(binary.NativeEndian.Uint16(b[at:]))
		if size < matchHead || size > len(b)-at {
			return false
		}
		s.add(xtMatch(text(b[at+2:at+31]), uint64(b[at+31]), b[at+matchHead:at+size]))
		at += size
	}
	return true
}

// protoFlag is IP6T_F_PROTO, which says no more than the protocol itself.
func protoFlag(six bool) byte {
	if six {
		return 1
	}
	return 0
}

func zero(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }
