package neighbour

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// A truth says whether a condition holds for all packets that are asked about, for none of
// them, or for some or we cannot tell.
type truth uint8

const (
	no truth = iota
	yes
	maybe
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func (t truth) not() truth {
	switch t {
	case yes:
		return no
	case no:
		return yes
	}
	return maybe
}

// A fate is what can become of a packet in a chain: several bits where rules ask for what
// we do not know.
type fate uint8

const (
	accepted fate = 1 << iota
	dropped
	queued // handed to a program, which decides
	returned
)

// A question is what is known of the packets that are asked about. They come from the
// network or go there, so never by the loopback interface, and those that come are for an
// address of this host.
type question struct {
	six     bool
	out     bool
	state   uint32 // one bit, as "ct state" of nft has it; 0 is not known
	proto   uint8  // 0 is not known
	port    uint16 // destination, when proto is known
	strange bool   // a packet that no rule names: what is not known is unlike everything it is compared with
	local   []netip.Addr
}

// unknown is the answer about something that is not known of the packet.
func (q *question) unknown(negated bool) truth {
	if q.strange {
		return truthOf(negated)
	}
	return maybe
}

// A kind is what a field of a packet is.
type kind uint8

const (
	other kind = iota
	family
	ethertype
	protocol
	targetPort
	bothPorts // source and destination
	state
	status // of connection tracking
	inName
	outName
	inIndex
	outIndex
	target // destination address
	targetType
)

// A field is a part of the packet, or what is left of it under a mask.
type field struct {
	kind      kind
	six       bool // of a target
	mask, xor []byte
}

// loIndex is the number of the loopback interface, the first of each network namespace
// (LOOPBACK_IFINDEX in include/net/flow.h of Linux).
const loIndex = 1

// localType is RTN_LOCAL of include/uapi/linux/rtnetlink.h: an address of this host.
const localType = 2

// statusTranslated is IPS_DST_NAT of include/uapi/linux/netfilter/nf_conntrack_common.h: the
// packet was for another address or port. Those that are asked about are for our own.
const statusTranslated = 1 << 5

// value is the field of the packets, nil when it is not known.
func (q *question) value(f field) []byte {
	var b []byte
	switch f.kind {
	case family:
		b = []byte{2} // NFPROTO_IPV4
		if q.six {
			b = []byte{10} // NFPROTO_IPV6
		}
	case ethertype:
		b = []byte{0x08, 0x00}
		if q.six {
			b = []byte{0x86, 0xdd}
		}
	case protocol:
		if q.proto != 0 {
			b = []byte{q.proto}
		}
	case targetPort:
		if q.proto != 0 {
			b = []byte{byte(q.port >> 8), byte(q.port)}
		}
	case state:
		if q.state != 0 {
			b = native32(q.state)
		}
	case status:
		if bytes.Equal(f.mask, native32(statusTranslated)) {
			b = native32(0)
		}
	case targetType:
		if !q.out {
			b = native32(localType)
		}
	}
	if b == nil || f.mask == nil {
		return b
	}
	if len(f.mask) != len(b) || len(f.xor) != len(b) {
		return nil
	}
	for i := range b {
		b[i] = b[i]&f.mask[i] ^ f.xor[i]
	}
	return b
}

// A cond is one condition of a rule.
type cond func(*question) truth

// between holds when the field is from low to high, compared as the kernel does, byte by
// byte.
func (f field) between(low, high []byte, negated bool) cond {
	return func(q *question) truth {
		if v := q.value(f); v != nil {
			if len(v) != len(low) || len(v) != len(high) {
				return q.unknown(negated)
			}
			return truthOf((bytes.Compare(v, low) >= 0 && bytes.Compare(v, high) <= 0) != negated)
		}
		if bytes.Equal(low, high) {
			if t, ok := f.special(q, low); ok {
				if negated {
					return t.not()
				}
				return t
			}
		}
		if f.mask != nil && negated && q.strange { // "has one of the bits"
			return no
		}
		return q.unknown(negated)
	}
}

// special compares what is only half known: an interface, which is not that of loopback, and
// the address of this host that the packet is for.
func (f field) special(q *question, data []byte) (truth, bool) {
	switch f.kind {
	case inName, outName:
		name, _, whole := bytes.Cut(data, []byte{0})
		if f.mask == nil && whole && string(name) == "lo" && (f.kind == outName) == q.out {
			return no, true
		}
	case inIndex, outIndex:
		if f.mask == nil && bytes.Equal(data, native32(loIndex)) && (f.kind == outIndex) == q.out {
			return no, true
		}
	case bothPorts:
		if f.mask == nil && len(data) == 4 && q.proto != 0 && binary.BigEndian.Uint16(data[2:]) != q.port {
			return no, true
		}
	case target:
		if q.out || len(q.local) == 0 {
			break
		}
		if f.six != q.six {
			return no, true
		}
		some, all := false, true
		for _, a := range q.local {
			if a.Is6() != f.six || a.IsLoopback() { // which nothing from the network is for
				continue
			}
			b := a.WithZone("").AsSlice()
			if len(data) > len(b) || f.mask != nil && len(f.mask) != len(data) {
				return maybe, false
			}
			b = b[:len(data)]
			for i := range f.mask {
				b[i] = b[i]&f.mask[i] ^ f.xor[i]
			}
			if bytes.Equal(b, data) {
				some = true
			} else {
				all = false
			}
		}
		if some && !all {
			break
		}
		return truthOf(some), true
	}
	return maybe, false
}

// among holds when the field is in the set.
func (f field) among(s *set, negated bool) cond {
	return func(q *question) truth {
		v := q.value(f)
		if v == nil || s == nil {
			return q.unknown(negated)
		}
		e, known := s.find(v)
		if !known {
			return q.unknown(negated)
		}
		return truthOf((e != nil) != negated)
	}
}

// A verdict is what a rule does, after which no other rule of the chain is asked unless it
// is a jump that returns.
type verdict struct {
	fate  fate   // 0 for a jump
	chain string // of a jump
	goes  bool   // a goto: it returns to where this chain was called
}

// A step is one rule.
type step struct {
	conds []cond
	// then is what it does, nil when it only counts, logs and the like.
	then *verdict
	// by and choices are those of a map of verdicts, by a field.
	by      field
	choices *set
	// ports is where its answer can change with the destination port: the first ports behind
	// each change.
	ports []uint32
	// comment is what somebody wrote to it.
	comment string
}

// A program is the chains of one table.
type program map[string][]step

// maxSteps bounds the rules that are asked in all, for one base chain and all questions.
const maxSteps = 4_000_000

// An examiner puts one question to a program.
type examiner struct {
	program program
	q       question
	budget  *int
	known   map[string]fate
	// last is where the last verdict that dropped everything stood, for a strange packet.
	last string
}

func (x *examiner) ask(chain string, policy fate) fate {
	x.known = map[string]fate{}
	f := x.chain(chain)
	if f&returned != 0 {
		f = f&^returned | policy
	}
	return f
}

// anything is the fate of what we cannot or will not follow.
const anything = accepted | dropped | returned

// chain is what can become of a packet that comes into a chain. A chain that leads to itself,
// which no kernel has, can do anything.
func (x *examiner) chain(name string) (out fate) {
	if f, ok := x.known[name]; ok {
		return f
	}
	steps, ok := x.program[name]
	if !ok {
		return anything
	}
	x.known[name] = anything
	defer func() { x.known[name] = out }()
	for i := range steps {
		if *x.budget--; *x.budget < 0 {
			return out | anything
		}
		f, over := x.step(&steps[i], name)
		out |= f
		if over {
			return out
		}
	}
	return out | returned
}

// step is what a rule can do, and whether no packet goes on to the next one.
func (x *examiner) step(s *step, chain string) (out fate, over bool) {
	holds := yes
	for _, c := range s.conds {
		switch c(&x.q) {
		case no:
			return 0, false
		case maybe:
			holds = maybe
		}
	}
	if s.then != nil {
		f, stays := x.follow(s.then, chain)
		return f, holds == yes && !stays
	}
	if s.choices == nil {
		return 0, false
	}
	if v := x.q.value(s.by); v != nil {
		if e, known := s.choices.find(v); known {
			if e == nil {
				return 0, false
			}
			f, stays := x.follow(&e.then, chain)
			return f, holds == yes && !stays
		}
	}
	if x.q.strange {
		return 0, false
	}
	if !s.choices.known {
		return anything, false
	}
	for i := range s.choices.elements {
		f, _ := x.follow(&s.choices.elements[i].then, chain)
		out |= f
	}
	return out, false
}

// follow is what a verdict leads to, and whether packets can come back to the next rule.
func (x *examiner) follow(v *verdict, chain string) (f fate, stays bool) {
	if v.chain == "" {
		if v.fate == dropped {
			x.last = chain
		}
		return v.fate, false
	}
	f = x.chain(v.chain)
	if v.goes { // what comes back, comes back to where this chain was called
		return f, false
	}
	return f &^ returned, f&returned != 0
}

// reach are the names of the chains that a chain leads to, itself among them, in the order in
// which they are met.
func (p program) reach(chain string) (names []string) {
	seen := map[string]bool{chain: true}
	names = []string{chain}
	for i := 0; i < len(names); i++ {
		for _, s := range p[names[i]] {
			next := []*verdict{}
			if s.then != nil {
				next = append(next, s.then)
			}
			if s.choices != nil {
				for j := range s.choices.elements {
					next = append(next, &s.choices.elements[j].then)
				}
			}
			for _, v := range next {
				if v.chain != "" && !seen[v.chain] {
					seen[v.chain] = true
					names = append(names, v.chain)
				}
			}
		}
	}
	return names
}

// A set is the elements of a set or of a map of verdicts, as ranges of keys.
type set struct {
	known    bool // false: it may have any element
	elements []element
}

type element struct {
	first, last []byte
	then        verdict
}

// find is the element that has the key, nil for none.
func (s *set) find(key []byte) (e *element, known bool) {
	if !s.known {
		return nil, false
	}
	for i := range s.elements {
		e := &s.elements[i]
		if len(e.first) != len(key) || len(e.last) != len(key) {
			return nil, false
		}
		if bytes.Compare(key, e.first) >= 0 && bytes.Compare(key, e.last) <= 0 {
			return e, true
		}
	}
	return nil, true
}
