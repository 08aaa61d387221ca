package apply

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"portolan/internal/addr"
	"portolan/internal/netlink"
	"portolan/internal/nft"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// What a rule becomes here is what nft 1.0.6 makes of its text, expression for expression:
// then nft lists it as it was meant, and a table that a script has loaded is known again.
// "nft --debug=netlink" shows what nft makes of a text.

// register is the one that every comparison uses, NFT_REG_1.
const register = 1

// What every rule has in common with others. That they are the same values lets their codes
// be made once.
var (
	loadProtocol = &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register}
	loadFamily   = &expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register}
	loadName     = [...]expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: register}, &expr.Meta{Key: expr.MetaKeyOIFNAME, Register: register}}
	loadState    = &expr.Ct{Key: expr.CtKeySTATE, Register: register}
	loadPort     = [...]expr.Any{transport(0, 2), transport(2, 2)} // source, destination
	loadType     = transport(0, 1)
	isFamily     = map[int]expr.Any{4: is(unix.NFPROTO_IPV4), 6: is(unix.NFPROTO_IPV6)}
	// The protocols of most rules.
	usual = map[uint8]expr.Any{
		unix.IPPROTO_ICMP: is(unix.IPPROTO_ICMP), unix.IPPROTO_TCP: is(unix.IPPROTO_TCP), unix.IPPROTO_UDP: is(unix.IPPROTO_UDP), unix.IPPROTO_ICMPV6: is(unix.IPPROTO_ICMPV6),
	}
	// The address of a peer: source and destination in the header of each family, by the
	// number of bytes from its beginning.
	loadAddress = map[int][2][]expr.Any{4: {network(12, 4), network(16, 4)}, 6: {network(8, 16), network(24, 16)}}
	notZero     = &expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: make([]byte, 4)}
	count       = &expr.Counter{}
	notrack     = &expr.Notrack{}
	verdicts    = map[ruleset.Verdict]expr.Any{ruleset.Accept: &expr.Verdict{Kind: expr.VerdictAccept}, ruleset.Drop: &expr.Verdict{Kind: expr.VerdictDrop}}
)

func transport(offset, length uint32) expr.Any {
	return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: length}
}

func network(offset, length uint32) (list []expr.Any) {
	for n := range length + 1 {
		list = append(list, &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: n})
	}
	return list
}

func is(data ...byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: data} }

func isProtocol(p uint8) expr.Any {
	if e := usual[p]; e != nil {
		return e
	}
	return is(p)
}

// A coded is an expression as the kernel takes it and in canonical form.
type coded struct{ raw, code []byte }

// constants are the codes of what rules have in common.
var constants = sync.OnceValue(func() map[expr.Any]coded {
	list := []expr.Any{loadProtocol, loadFamily, loadState, loadType, notZero, count, notrack, loadName[0], loadName[1], loadPort[0], loadPort[1]}
	for _, e := range usual {
		list = append(list, e)
	}
	for family, sides := range loadAddress {
		list = append(append(append(list, isFamily[family]), sides[0]...), sides[1]...)
	}
	list = append(list, verdicts[ruleset.Accept], verdicts[ruleset.Drop])
	out := map[expr.Any]coded{}
	for _, e := range list {
		raw, err := expr.Marshal(unix.NFPROTO_INET, e)
		if err != nil {
			panic(err) // no input has a part in it
		}
		var c coder
		out[e] = coded{raw, c.expression(&Rule{}, nil, raw)}
	}
	return out
})

// A written is a rule on the way to the kernel.
type written struct {
	Rule        // as Decode will read it
	raw  []byte // the list of expressions, as the kernel takes it
	sets []ownSet

	coder  coder
	ids    *uint32 // the number of the last set without a name, which a batch counts
	family int     // that is known of the packet already; 0 for none
	proto  int     // likewise; -1 for none
	err    error
}

// An ownSet is a set without a name that a rule brings along.
type ownSet struct {
	set      *nftables.Set
	kind     Kind
	elements []Element
}

// encode is the rule as Decode will read it, without a handle.
func encode(l Line) (Rule, error) {
	w := write(AddRule{Line: l}, new(uint32), nil)
	w.Code = string(w.coder.code)
	return w.Rule, w.err
}

// write says a line in expressions, in the memory of another one that nobody needs any more, or nil.
func write(x AddRule, ids *uint32, old *written) *written {
	l := x.Line
	w := old
	if w == nil {
		w = &written{raw: make([]byte, 0, 512), coder: coder{code: make([]byte, 0, 512)}}
	}
	*w = written{proto: -1, ids: ids, raw: w.raw[:0], coder: coder{code: w.coder.code[:0]}}
	w.Comment = l.Comment
	w.fail(checkComment(l.Comment))
	switch {
	case l.Gate != "":
		w.add(loadFamily)
		w.lookup(cmp.Or(l.Asks, Pending))
		w.leave(expr.VerdictGoto, l.Gate)
	case l.Map != "":
		w.protocol(l.Proto)
		w.add(loadPort[1])
		w.find(&expr.Lookup{SourceRegister: register, IsDestRegSet: true, SetName: l.Map})
	default:
		w.match(&l.Rule)
		w.act(&x)
	}
	if len(w.raw) > 1<<16-8 {
		w.fail(fmt.Errorf("it has %d bytes, and the kernel takes 64 KiB", len(w.raw)))
	}
	return w
}

// fail keeps the first error.
func (w *written) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// add appends an expression, unless something was wrong before it.
func (w *written) add(e expr.Any) {
	if w.err != nil { // then it may have no sense
		return
	}
	if c, ok := constants()[e]; ok {
		w.raw = appendElementOfList(w.raw, c.raw)
		w.coder.code = append(w.coder.code, c.code...)
		w.Counts = w.Counts || e == count
		return
	}
	raw, err := expr.Marshal(unix.NFPROTO_INET, e)
	if err != nil {
		w.fail(err)
		return
	}
	w.raw = appendElementOfList(w.raw, raw)
	w.coder.code = w.coder.expression(&w.Rule, w.coder.code, raw)
}

// appendElementOfList appends an expression to a list of them.
func appendElementOfList(b, raw []byte) []byte {
	return appendRaw(b, netlink.ListElement|unix.NLA_F_NESTED, raw)
}

// appendRaw appends an attribute as the kernel takes it.
func appendRaw[T string | []byte](b []byte, kind uint16, data T) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(data)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// find appends a search in a set or map that has a name.
func (w *written) find(e *expr.Lookup) {
	w.fail(checkName(e.SetName))
	w.add(e)
}

func (w *written) lookup(set string) { w.find(&expr.Lookup{SourceRegister: register, SetName: set}) }

// leave appends the way to another chain.
func (w *written) leave(kind expr.VerdictKind, chain string) {
	w.fail(checkName(chain))
	w.add(&expr.Verdict{Kind: kind, Chain: chain})
}

// ofFamily makes sure that the packet is of a family, unless that is known.
func (w *written) ofFamily(family int) {
	if family != 4 && family != 6 {
		w.fail(fmt.Errorf("a rule about addresses of the family %d, which is none", family))
		return
	}
	if w.family == family {
		return
	}
	w.family = family
	w.add(loadFamily)
	w.add(isFamily[family])
}

// address loads an address, source (0) or destination (1).
func (w *written) address(family, side int) {
	if list := loadAddress[family][side]; list != nil { // ofFamily has said what else it is
		w.add(list[len(list)-1])
	}
}

// protocol makes sure that the packet is of a protocol, unless that is known.
func (w *written) protocol(p uint8) {
	if w.proto == int(p) {
		return
	}
	w.proto = int(p)
	w.add(loadProtocol)
	w.add(isProtocol(p))
}

// match appends what a rule asks, in the order of the text.
func (w *written) match(r *nft.Rule) {
	side := 0
	if r.Out {
		side = 1
	}
	if len(r.Interfaces) > 0 {
		w.add(loadName[side])
		var names []span
		for _, name := range r.Interfaces {
			if name == "" || len(name) >= unix.IFNAMSIZ || strings.ContainsAny(name, "*\x00") {
				w.fail(fmt.Errorf("%q is no name of an interface", name))
			}
			b := make([]byte, unix.IFNAMSIZ)
			copy(b, name)
			names = append(names, span{b, b})
		}
		w.among(nftables.TypeIFName, names)
	}
	switch {
	case r.Peer != nil:
		w.peer(r, side)
	case r.Family != 0 && r.Set == "" && len(r.Types) == 0:
		w.ofFamily(r.Family)
	}
	if len(r.SourcePorts) > 0 {
		w.ports(r.Proto, 0, r.SourcePorts)
	}
	if len(r.Ports) > 0 {
		w.ports(r.Proto, 1, r.Ports)
	}
	if len(r.Protos) == 1 {
		w.add(loadProtocol)
		w.add(isProtocol(r.Protos[0]))
		w.proto = int(r.Protos[0])
	} else if len(r.Protos) > 0 {
		w.add(loadProtocol)
		w.among(nftables.TypeInetProto, bytesOf(r.Protos))
	}
	if r.States != 0 {
		w.states(r.States)
	}
	if r.Set != "" {
		w.ofFamily(r.Family)
		w.address(r.Family, side)
		w.lookup(r.Set)
	}
	if len(r.Types) > 0 {
		w.ofFamily(r.Family)
		proto, kind := uint8(unix.IPPROTO_ICMP), nftables.TypeICMPType
		if r.Family == 6 {
			proto, kind = unix.IPPROTO_ICMPV6, nftables.TypeICMP6Type
		}
		w.protocol(proto)
		w.add(loadType)
		w.among(kind, bytesOf(r.Types))
	}
}

// act appends what a rule counts and does.
func (w *written) act(x *AddRule) {
	r := &x.Line.Rule
	if r.Count > 0 {
		w.add(&expr.Connlimit{Count: uint32(r.Count)})
	}
	if m := r.Connections; m != nil {
		w.each(unix.NFT_DYNSET_OP_ADD, m, &expr.Connlimit{Count: uint32(m.Connections)})
	}
	if m := r.Meter; m != nil {
		limit, err := limitExpr(m.Rate, m.Burst)
		w.fail(err)
		w.each(unix.NFT_DYNSET_OP_UPDATE, m, limit)
	}
	if r.Limit != nil {
		w.fail(checkName(r.Limit.Name))
		w.add(&expr.Objref{Type: objectLimit, Name: r.Limit.Name})
	}
	if r.Log != nil {
		limit, err := limitExpr(r.Log.Rate, r.Log.Burst)
		w.fail(err)
		w.add(limit)
	}
	if x.Packets == 0 && x.Bytes == 0 {
		w.add(count)
	} else {
		w.add(&expr.Counter{Packets: x.Packets, Bytes: x.Bytes})
		w.Packets, w.Bytes = x.Packets, x.Bytes
	}
	if r.Log != nil {
		// The kernel says the level when nobody has said it: LOGLEVEL_WARNING.
		log := &expr.Log{Key: 1 << unix.NFTA_LOG_LEVEL, Level: expr.LogLevelWarning}
		if r.Log.Prefix != "" {
			log.Key |= 1 << unix.NFTA_LOG_PREFIX
			log.Data = []byte(r.Log.Prefix)
		}
		if len(r.Log.Prefix) >= 128 || strings.Contains(r.Log.Prefix, "\x00") { // NF_LOG_PREFIXLEN
			w.fail(fmt.Errorf("a log prefix of %d bytes, and the kernel takes 127", len(r.Log.Prefix)))
		}
		w.add(log)
	}
	if r.Notrack {
		w.add(notrack)
	}
	switch v, ok := verdicts[r.Verdict]; {
	case ok:
		w.add(v)
	case r.Verdict != 0:
		w.fail(fmt.Errorf("%s does not end a rule", r.Verdict))
	}
	if r.Jump != "" {
		w.leave(expr.VerdictJump, r.Jump)
	}
}

// each has a meter count the source of the packet.
func (w *written) each(operation uint32, m *nft.Meter, what expr.Any) {
	w.ofFamily(m.Family)
	w.fail(checkName(m.Name))
	w.address(m.Family, 0)
	w.add(&expr.Dynset{SrcRegKey: register, SetName: m.Name, Operation: operation, Exprs: []expr.Any{what}})
}

// appendText appends a text as the kernel takes it.
func appendText(b []byte, kind uint16, text string) []byte {
	at := len(b)
	b = append(append(appendRaw(b, kind, ""), text...), 0)
	return closeRaw(b, at)
}

// closeRaw says how long the attribute is that begins at a place, and fills it up.
func closeRaw(b []byte, at int) []byte {
	binary.NativeEndian.PutUint16(b[at:], uint16(len(b)-at))
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// A span is a range of values in the order of the network, both ends included.
type span struct{ first, last []byte }

func bytesOf(list []uint8) []span {
	var out []span
	for _, n := range list {
		out = append(out, span{[]byte{n}, []byte{n}})
	}
	return out
}

func spanOf(r port.Range) span {
	return span{binaryutil.BigEndian.PutUint16(r.First), binaryutil.BigEndian.PutUint16(r.Last)}
}

// ports asks about source (0) or destination (1) ports.
func (w *written) ports(proto uint8, side int, list []port.Range) {
	w.protocol(proto)
	w.add(loadPort[side])
	var spans []span
	for _, r := range list {
		if r.First > r.Last {
			w.fail(fmt.Errorf("%s is no range of ports", r))
		}
		spans = append(spans, spanOf(r))
	}
	w.among(nftables.TypeInetService, spans)
}

// among asks whether what is in the register is one of some values: of one, by comparing;
// of several, in a set without a name.
func (w *written) among(kind nftables.SetDatatype, list []span) {
	if len(list) == 1 {
		w.between(list[0])
		return
	}
	*w.ids++
	// The name has the kernel number the sets as they come.
	set := &nftables.Set{Table: ours, Name: "__set%d", ID: *w.ids, Anonymous: true, Constant: true, KeyType: kind, Size: uint32(len(list))}
	k := Kind{KeyType: kind.GetNFTMagic(), KeyLength: kind.Bytes, Flags: flagAnonymous | flagConstant}
	for _, s := range list {
		if !bytes.Equal(s.first, s.last) {
			set.Interval = true
			k.Flags |= flagInterval
		}
	}
	if set.Interval { // some kernels count the ends as well
		set.Size *= 2
	}
	var elements []Element
	for _, s := range list {
		elements = append(elements, Element{First: string(s.first), Last: string(s.last)})
	}
	sortElements(elements)
	w.sets = append(w.sets, ownSet{set, k, elements})
	w.coder.anonymous = map[string]string{set.Name: content(k, elements)}
	w.add(&expr.Lookup{SourceRegister: register, SetName: set.Name, SetID: set.ID})
}

// between compares what is in the register.
func (w *written) between(s span) {
	if bytes.Equal(s.first, s.last) {
		w.add(is(s.first...))
		return
	}
	w.add(&expr.Cmp{Op: expr.CmpOpGte, Register: register, Data: s.first})
	w.add(&expr.Cmp{Op: expr.CmpOpLte, Register: register, Data: s.last})
}

// peer compares an address: whole, by the bytes or bits of a prefix, or as a range.
func (w *written) peer(r *nft.Rule, side int) {
	family, s, ok := addresses(*r.Peer)
	if !ok || r.Family != family {
		w.fail(fmt.Errorf("%s are no addresses of IPv%d", r.Peer, r.Family))
		return
	}
	w.ofFamily(family)
	loads := loadAddress[family][side]
	load := loads[len(loads)-1]
	length, isPrefix := prefix(s)
	switch {
	case isPrefix && length == 0: // nft compares nothing with nothing
		mask := make([]byte, len(s.first))
		w.add(load)
		w.add(&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: uint32(len(mask)), Mask: mask, Xor: mask})
		w.add(is(mask...))
	case isPrefix && length%8 == 0:
		w.add(loads[length/8])
		w.add(is(s.first[:length/8]...))
	case isPrefix:
		mask := make([]byte, len(s.first))
		for i := range length {
			mask[i/8] |= 0x80 >> (i % 8)
		}
		w.add(load)
		w.add(&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: uint32(len(mask)), Mask: mask, Xor: make([]byte, len(mask))})
		w.add(is(s.first...))
	default:
		w.add(load)
		w.between(s)
	}
}

// addresses are the bytes of a range of one family.
func addresses(r addr.Range) (family int, s span, ok bool) {
	family = 4
	if r.First.Is6() {
		family = 6
	}
	ok = r.First.IsValid() && r.First.BitLen() == r.Last.BitLen() && !r.Last.Less(r.First)
	if !ok {
		return 0, span{}, false
	}
	return family, span{r.First.AsSlice(), r.Last.AsSlice()}, true
}

// prefix reports whether a range is all values that begin with some bits, and how many bits.
func prefix(s span) (length int, ok bool) {
	for length < len(s.first)*8 && (s.first[length/8]^s.last[length/8])&(0x80>>(length%8)) == 0 {
		length++
	}
	for i := length; i < len(s.first)*8; i++ {
		if bit := byte(0x80) >> (i % 8); s.first[i/8]&bit != 0 || s.last[i/8]&bit == 0 {
			return 0, false
		}
	}
	return length, true
}

// The bits of states in the register of the kernel, in the order of the machine.
var stateBits = map[ruleset.State]uint32{
	ruleset.Broken: expr.CtStateBitINVALID, ruleset.Established: expr.CtStateBitESTABLISHED, ruleset.Related: expr.CtStateBitRELATED,
	ruleset.New: expr.CtStateBitNEW, ruleset.Untracked: expr.CtStateBitUNTRACKED,
}

func (w *written) states(s ruleset.States) {
	var mask uint32
	for _, one := range s.Each() {
		mask |= stateBits[one]
	}
	w.add(loadState)
	w.add(&expr.Bitwise{
		SourceRegister: register, DestRegister: register, Len: 4,
		Mask: binary.NativeEndian.AppendUint32(nil, mask), Xor: make([]byte, 4),
	})
	w.add(notZero)
}

// periods are those of ruleset.Rate in seconds, as the kernel counts them.
var periods = map[string]expr.LimitTime{
	"second": expr.LimitTimeSecond, "minute": expr.LimitTimeMinute, "hour": expr.LimitTimeHour, "day": expr.LimitTimeDay,
}

func limitExpr(r ruleset.Rate, burst int) (*expr.Limit, error) {
	unit, ok := periods[r.Period]
	if !ok || r.Count <= 0 || burst < 0 || bits.Len(uint(burst)) > 32 {
		return nil, fmt.Errorf("a rate of %s with a burst of %d is none that the kernel keeps", r, burst)
	}
	return &expr.Limit{Type: expr.LimitTypePkts, Rate: uint64(r.Count), Unit: unit, Burst: uint32(burst)}, nil
}

// limitCode is a limit as Decode will read it.
func limitCode(l nft.Limit) (string, error) {
	e, err := limitExpr(l.Rate, l.Burst)
	if err != nil {
		return "", fmt.Errorf("limit %s: %w", l.Name, err)
	}
	raw, err := expr.MarshalExprData(unix.NFPROTO_INET, e)
	return limitOf(raw), err
}

// setOf is a set that we make, as the library has it.
func setOf(s SetSpec) (*nftables.Set, error) {
	out := &nftables.Set{Table: ours, Name: s.Name, Comment: s.Comment, KeyByteOrder: binaryutil.BigEndian}
	if err := checkName(s.Name); err != nil {
		return nil, err
	}
	if err := checkComment(s.Comment); err != nil {
		return nil, fmt.Errorf("set %s: %w", s.Name, err)
	}
	switch s.What {
	case Addresses, PacketMeter, ConnectionsMeter:
		switch s.Family {
		case 4:
			out.KeyType = nftables.TypeIPAddr
		case 6:
			out.KeyType = nftables.TypeIP6Addr
		default:
			return nil, fmt.Errorf("set %s is about addresses of the family %d, which is none", s.Name, s.Family)
		}
		out.Interval = s.What == Addresses
		if out.Dynamic = !out.Interval; out.Dynamic {
			out.Size = nft.MeterSize
		}
		if s.What == PacketMeter {
			if s.Timeout <= 0 {
				return nil, fmt.Errorf("meter %s does not say after how long it forgets", s.Name)
			}
			out.HasTimeout, out.Timeout = true, time.Duration(s.Timeout)*time.Second
		}
	case Ports:
		out.KeyType, out.DataType, out.IsMap, out.Interval = nftables.TypeInetService, nftables.TypeVerdict, true, true
	case Unconfirmed:
		out.KeyType, out.HasTimeout, out.KeyByteOrder = nftables.TypeNFProto, true, binaryutil.NativeEndian
	default:
		return nil, fmt.Errorf("set %s is for nothing that is known (%d)", s.Name, s.What)
	}
	return out, nil
}

// kindOf is how Decode will read a set that we make.
func kindOf(s SetSpec) (Kind, error) {
	set, err := setOf(s)
	if err != nil {
		return Kind{}, err
	}
	k := Kind{KeyType: set.KeyType.GetNFTMagic(), KeyLength: set.KeyType.Bytes, Timeout: set.Timeout, Size: set.Size}
	for flag, on := range map[uint32]bool{flagInterval: set.Interval, flagMap: set.IsMap, flagTimeout: set.HasTimeout, flagEval: set.Dynamic} {
		if on {
			k.Flags |= flag
		}
	}
	if set.IsMap {
		k.DataType = unix.NFT_DATA_VERDICT
	}
	return k, nil
}

// appendElement appends an element of a set as the kernel takes it. A range of a set of ranges
// is two: where it begins, and the first key behind it, which the last of all ranges may not
// have.
func appendElement(b []byte, k Kind, e Element) []byte {
	begin := len(b)
	b = appendRaw(b, netlink.ListElement|unix.NLA_F_NESTED, "")
	b = appendKey(b, e.First)
	if e.Timeout > 0 {
		b = appendRaw(b, netlink.ElementTimeout, binaryutil.BigEndian.PutUint64(uint64(e.Timeout.Milliseconds())))
	}
	if e.Jump != "" {
		data := len(b)
		b = appendRaw(b, netlink.ElementData|unix.NLA_F_NESTED, "")
		verdict := len(b)
		b = appendRaw(b, netlink.DataVerdict|unix.NLA_F_NESTED, "")
		b = appendRaw(b, netlink.VerdictCode, jumpCode)
		b = appendText(b, netlink.VerdictChain, e.Jump)
		closeRaw(b, verdict)
		closeRaw(b, data)
	}
	var end []byte
	ranges := k.Flags&flagInterval != 0
	if ranges {
		end = after(e.Last)
	}
	if open := ranges && end == nil; open || e.Comment != "" {
		data := len(b)
		b = appendRaw(b, netlink.ElementUserData, "")
		if e.Comment != "" {
			b = append(append(b, byte(userdata.NFTNL_UDATA_SET_ELEM_COMMENT), byte(len(e.Comment)+1)), e.Comment...)
			b = append(b, 0)
		}
		if open {
			b = userdata.AppendUint32(b, userdata.NFTNL_UDATA_SET_ELEM_FLAGS, userdata.NFTNL_UDATA_SET_ELEM_F_INTERVAL_OPEN)
		}
		b = closeRaw(b, data)
	}
	closeRaw(b, begin)
	if end != nil {
		begin := len(b)
		b = appendRaw(b, netlink.ListElement|unix.NLA_F_NESTED, "")
		b = appendRaw(b, netlink.ElementFlags, isEnd)
		b = appendKey(b, string(end))
		closeRaw(b, begin)
	}
	return b
}

// jumpCode is the code of a verdict to jump, and isEnd the flag of the key behind a range.
var (
	jump     = int32(verdictJump)
	jumpCode = binaryutil.BigEndian.PutUint32(uint32(jump))
	isEnd    = binaryutil.BigEndian.PutUint32(intervalEnd)
)

func appendKey(b []byte, key string) []byte {
	at := len(b)
	b = appendRaw(appendRaw(b, netlink.ElementKey|unix.NLA_F_NESTED, ""), netlink.DataValue, key)
	closeRaw(b, at)
	return b
}

// after is the key behind another one of the same length, nil behind the last.
func after(key string) []byte {
	b := []byte(key)
	for i := len(b) - 1; i >= 0; i-- {
		b[i]++
		if b[i] != 0 {
			return b
		}
	}
	return nil
}

// checkElement finds what a set of a kind cannot have.
func checkElement(k Kind, e Element) error {
	switch {
	case len(e.First) != int(k.KeyLength) || len(e.Last) != int(k.KeyLength) || e.Last < e.First:
		return fmt.Errorf("% x to % x are no keys of it", e.First, e.Last)
	case k.Flags&flagInterval == 0 && e.First != e.Last:
		return fmt.Errorf("% x to % x is a range, and it has single keys", e.First, e.Last)
	case k.DataType == 0 && (e.Jump != "" || e.Data != ""):
		return fmt.Errorf("% x leads to %q, and it is no map", e.First, e.Data)
	case k.DataType != 0 && (e.Jump == "" || e.Data != "" && e.Data != jumps+e.Jump):
		return fmt.Errorf("% x leads to %q, and we write jumps only", e.First, e.Data)
	}
	if k.DataType != 0 {
		if err := checkName(e.Jump); err != nil {
			return err
		}
	}
	return checkComment(e.Comment)
}

// commentMax is how many bytes nft takes and lists of a comment
// (NFTNL_UDATA_COMMENT_MAXLEN).
const commentMax = 128

func checkComment(s string) error {
	if len(s) > commentMax || strings.Contains(s, "\x00") {
		return fmt.Errorf("the comment %q is longer than %d bytes or has a zero byte", s, commentMax)
	}
	return nil
}

// checkName refuses what the kernel would cut: NFT_NAME_MAXLEN with the zero byte at the end.
func checkName(s string) error {
	if s == "" || len(s) >= 256 || strings.Contains(s, "\x00") {
		return fmt.Errorf("%q is no name", s)
	}
	return nil
}

var ours = &nftables.Table{Name: nft.Name, Family: nftables.TableFamilyINet}
