package verify

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"portolan/internal/addr"
	"portolan/internal/netlink"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// Live is what the table of the kernel means.
//
// While a change waits for its confirmation, the kernel has the rules of before and of after,
// and the elements of a set decide which of them packets meet.
type Live struct {
	// Rules is the meaning without what waits for its confirmation. It is nil when that is not
	// understood, and Strange says why: so a change that takes something strange away can be
	// proved while it waits.
	Rules   *ruleset.Ruleset
	Strange error
	// Pending is the meaning of what waits for its confirmation, nil when nothing does.
	Pending *ruleset.Ruleset
	// Waiting says that Pending is in force, and Left for how long yet. Pending without it is
	// a change that nobody has confirmed in time.
	Waiting bool
	Left    time.Duration
	// Unused are objects that nothing leads to, which are no part of the meaning: "chain x",
	// "set x", "map x", "limit x" or "object x", in order.
	Unused []string
}

// ErrHalf says that the change that waits is in force for one of IPv4 and IPv6 alone. The kernel
// forgets the two elements that say so one after the other, within a tick of its clock; so
// whoever looks again finds none of them, unless somebody took one away by hand.
var ErrHalf error = unplaced("the set of what waits has one of the two families, so IPv4 and IPv6 do not meet rules of the same time: look again")

// InForce is what packets meet now: Pending while it is Waiting, else Rules, which may be nil.
func (l *Live) InForce() *ruleset.Ruleset {
	if l.Waiting {
		return l.Pending
	}
	return l.Rules
}

// Kernel reads the table of the kernel as the kernel itself says it, attribute by attribute,
// without nft. It knows what nft and we make of a table of ours and nothing else: an
// expression, an attribute or the use of a register that it does not know is an error, which
// names the chain, the handle of the rule as "nft -a list ruleset" shows it, the comment and
// the expression, or the set and the element. What nothing leads to is not read.
//
// The numbers are those of include/uapi/linux/netfilter/nf_tables.h of Linux. Places of rules
// are files without lines, which are called "chain input, rule 12".
func Kernel(t *netlink.Table) (*Live, error) {
	live, err := newKernelReader(t).read()
	if err == nil {
		return live, nil
	}
	k := newKernelReader(t)
	k.then = true
	if then, errThen := k.read(); errThen == nil && then != nil {
		then.Strange = inTable(err)
		return then, nil
	}
	return nil, inTable(err)
}

func inTable(err error) error { return fmt.Errorf("the kernel's table inet portolan: %w", err) }

func newKernelReader(t *netlink.Table) *kernelReader {
	k := &kernelReader{
		raw: t, table: newNftTable(nil), chains: make(map[string]*kernelChain, len(t.Chains)), sets: map[string]*kernelSet{}, limits: map[string][]byte{},
		bodies: map[string]*nftBody{}, spare: make([]placedRule, len(t.Rules)), lists: make([]*nftRule, len(t.Rules)),
	}
	k.table.chains = make(map[string]*nftChain, len(t.Chains))
	return k
}

// A kernelChain is a chain with its messages. What is made of them is chain, once something leads
// to it.
type kernelChain struct {
	flags uint64
	rules [][]byte
	led   bool
	chain nftChain
}

// A placedRule is a rule with the file that says its place.
type placedRule struct {
	rule nftRule
	file source.File
}

// maxAlike is how many rules are kept to be found again by those that say the same. In a table of
// many rules most say one of few things; in one where they do not, it is no use to keep them all.
const maxAlike = 100

// A kernelReader reads the messages of a table into an nftTable: the base chains, and what
// they lead to.
type kernelReader struct {
	raw    *netlink.Table
	table  *nftTable
	chains map[string]*kernelChain
	sets   map[string]*kernelSet
	limits map[string][]byte
	todo   []*kernelChain // that something leads to and that are not read yet
	gate   string         // the set of what waits for its confirmation
	// then has only that be read which waits for its confirmation: behind a gate nothing is
	// looked at, and base chains that let everything pass as long as it waits may stand anywhere.
	then bool

	bodies   map[string]*nftBody // what rules said before, by their expressions without what they counted
	spare    []placedRule        // one piece of memory for all rules, and one for lists of them
	lists    []*nftRule
	texts    netlink.Texts
	elements []nlElement // of the set at hand, and where its ranges end
	ends     []nlKey
	buffer   []byte
}

// read is the table. It is nil when only what waits is to be read, and nothing does.
func (k *kernelReader) read() (*Live, error) {
	if !k.raw.Exists {
		return nil, wrong("there is no such table")
	}
	// A table may have been said to stay without the process that owned it (4); then it is
	// nobody's, and stays as any other does.
	switch f := k.raw.Flags &^ 4; {
	case f&1 != 0:
		return nil, wrong("it is dormant, so it decides nothing")
	case f&2 != 0:
		return nil, wrong("it belongs to a process and can go away with it")
	case f != 0:
		return nil, wrong("flags %#x are not understood", f)
	}
	if err := k.index(); err != nil {
		return nil, err
	}
	for len(k.todo) > 0 {
		c := k.todo[len(k.todo)-1]
		k.todo = k.todo[:len(k.todo)-1]
		if err := k.fill(c); err != nil {
			return nil, err
		}
	}
	if k.then {
		if k.gate == "" {
			return nil, nil
		}
		live := &Live{}
		then, _ := k.table.settled(true)
		var err error
		if live.Pending, err = then.ruleset(); err == nil {
			live.Waiting, live.Left, err = k.waiting()
		}
		return live, err
	}
	live := &Live{Unused: k.unused()}
	now, gated := k.table.settled(false)
	var err error
	if live.Rules, err = now.ruleset(); err != nil || !gated {
		return live, err
	}
	then, _ := k.table.settled(true)
	if live.Pending, err = then.ruleset(); err != nil {
		return nil, fmt.Errorf("what waits for its confirmation: %w", err)
	}
	live.Waiting, live.Left, err = k.waiting()
	return live, err
}

// index finds every message by its name, and has the base chains be read.
func (k *kernelReader) index() error {
	for _, m := range k.raw.Sets {
		s, err := newKernelSet(m)
		if err != nil {
			return err
		}
		if k.sets[s.name] != nil {
			return wrong("set %q is there twice", s.name)
		}
		k.sets[s.name] = s
	}
	for _, m := range k.raw.Objects {
		var a nlAttrs
		a.object(m, mask(netlink.ObjectTable, netlink.ObjectName, netlink.ObjectType, netlink.ObjectData, netlink.ObjectUse, netlink.ObjectHandle, 7, 8))
		name, kind := a.text(netlink.ObjectName), a.number(netlink.ObjectType, 4)
		if a.err != nil {
			return wrong("object %q: %v", name, a.err)
		}
		// Objects of several types can have one name. What speaks of one says its type.
		if kind == objectLimit {
			k.limits[name] = a.of[netlink.ObjectData]
		}
	}
	type base struct {
		name  string
		attrs nlAttrs
		hook  []byte
	}
	var bases []base
	chains := make([]kernelChain, len(k.raw.Chains))
	for i, m := range k.raw.Chains {
		var a nlAttrs
		// USE, COUNTERS, PAD, ID and USERDATA say nothing about packets.
		a.object(m, mask(netlink.ChainTable, netlink.ChainHandle, netlink.ChainName, netlink.ChainHook, netlink.ChainPolicy, 6, netlink.ChainType, 8, 9, netlink.ChainFlags, 11, netlink.ChainUserData))
		name := k.texts.Keep(a.name(netlink.ChainName))
		hook, flags := a.of[netlink.ChainHook], a.numberOr(netlink.ChainFlags, 4, 0)
		if hook == nil && (flags&1 != 0 || a.has(netlink.ChainType) || a.has(netlink.ChainPolicy)) {
			a.bad("it is a base chain and has no hook")
		}
		if a.err != nil {
			return wrong("chain %q: %v", name, a.err)
		}
		if _, twice := k.chains[name]; twice {
			return wrong("chain %q is there twice", name)
		}
		chains[i] = kernelChain{flags: flags, chain: nftChain{name: name, fresh: true}}
		k.chains[name] = &chains[i]
		if hook != nil {
			bases = append(bases, base{name, a, hook})
		}
	}
	chainOf := func(m []byte) []byte { return bytes.TrimSuffix(netlink.Attr(m, netlink.RuleChain), []byte{0}) }
	var stray error
	for list := k.raw.Rules; len(list) > 0; { // those of a chain stand together
		name, n := chainOf(list[0]), 1
		for n < len(list) && bytes.Equal(chainOf(list[n]), name) {
			n++
		}
		switch c := k.chains[string(name)]; {
		case c == nil:
			stray = cmp.Or(stray, wrong("%d rules of chain %q, which is not there", n, name))
		case c.rules != nil:
			return wrong("rules of chain %q are between others", name)
		default:
			c.rules = list[:n]
		}
		list = list[n:]
	}
	for i := range bases {
		if err := k.base(bases[i].name, &bases[i].attrs, bases[i].hook); err != nil {
			return wrong("base chain %q: %v", bases[i].name, err)
		}
	}
	return stray
}

// rulesOf are the rules of a chain, none of one that is not there.
func (k *kernelReader) rulesOf(name string) [][]byte {
	if c := k.chains[name]; c != nil {
		return c.rules
	}
	return nil
}

// gated reads the gate of a base chain, nil for none.
func (k *kernelReader) gated(name string) (*nftRule, error) {
	rules := k.rulesOf(name)
	if !k.then || len(rules) == 0 {
		return nil, nil
	}
	r, err := k.rule(&nftChain{name: name}, rules[0])
	if err != nil || r.gate == "" {
		return nil, err
	}
	if _, there := k.chains[r.gate]; !there || nftLogical(r.gate) != nftPending+"_"+nftLogical(name) {
		return nil, r.line.errorf("there is no chain %q to go to from here", r.gate)
	}
	return r, nil
}

// passes reports whether a chain lets everything pass.
func (k *kernelReader) passes(name string) bool {
	c := k.chains[name]
	if c == nil || len(c.rules) != 1 || c.flags != 0 {
		return false
	}
	r, err := k.rule(&nftChain{name: name}, c.rules[0])
	all := ruleset.Any()
	return err == nil && r.verdict == ruleset.Accept && len(r.sets) == 0 && r.plain() && r.match.Equal(&all)
}

// base has a base chain be read. Every one decides, whatever it is called.
func (k *kernelReader) base(name string, a *nlAttrs, nested []byte) error {
	gate, err := k.gated(name)
	if err != nil {
		return err
	}
	if gate != nil && k.passes(gate.gate) {
		return nil
	}
	var hook nlAttrs
	hook.read(nested, mask(netlink.HookNumber, netlink.HookPriority))
	number, priority := hook.number(netlink.HookNumber, 4), int32(hook.number(netlink.HookPriority, 4))
	kind, policy := a.text(netlink.ChainType), a.number(netlink.ChainPolicy, 4)
	if err := cmp.Or(hook.err, a.err); err != nil {
		return err
	}
	at := placeOf("", "chain "+name)
	c := &nftChain{name: nftLogical(name), fresh: true, line: &at}
	if gate == nil {
		c = k.chain(name)
	} else {
		// One of another kind that goes may have the name, and this one a version.
		if k.table.chains[c.name] != nil {
			return wrong("there are two of the name %q", c.name)
		}
		k.table.chains[c.name] = c
		c.rules = []*nftRule{gate}
		k.chain(gate.gate)
	}
	where := map[uint64]string{0: "prerouting", 1: "input", 2: "forward", 3: "output", 4: "postrouting"}[number]
	return c.setBase(kind, where, int(priority), map[uint64]ruleset.Verdict{0: ruleset.Drop, 1: ruleset.Accept}[policy])
}

// chain is a chain that something leads to, which is read if it was not. One that is not
// there is nil, and the table says so.
func (k *kernelReader) chain(name string) *nftChain {
	if c := k.table.chains[name]; c != nil || k.chains[name] == nil {
		return c
	}
	return k.begin(k.chains[name])
}

// begin has a chain be read that nothing led to before.
func (k *kernelReader) begin(raw *kernelChain) *nftChain {
	raw.led = true
	k.table.chains[raw.chain.name] = &raw.chain
	k.todo = append(k.todo, raw)
	return &raw.chain
}

// fill reads the rules of a chain.
func (k *kernelReader) fill(raw *kernelChain) error {
	c := &raw.chain
	if !nftName(c.name) {
		return wrong("chain %q is not called like one of ours", c.name)
	}
	if flags := raw.flags &^ 1; flags != 0 { // NFT_CHAIN_BASE
		return c.place().errorf("flags %#x are not understood", flags)
	}
	n := len(raw.rules)
	c.rules, k.lists = k.lists[:0:n], k.lists[n:]
	for i, m := range raw.rules {
		r, err := k.rule(c, m)
		if err != nil {
			return err
		}
		if r.gate != "" && (i > 0 || c.policy == 0 || nftLogical(r.gate) != nftPending+"_"+c.name) {
			return r.line.errorf("only the first rule of base chain x goes to %s_x while a change waits for its confirmation", nftPending)
		}
		c.rules = append(c.rules, r)
		if r.jump != "" {
			k.chain(r.jump)
		}
		if r.gate != "" && k.chain(r.gate) == nil {
			return r.line.errorf("there is no chain %q to go to", r.gate)
		}
		err = cmp.Or(k.addresses(r.counting.name), k.addresses(r.meter.name), k.limit(r.limit), k.vmap(r.vmap))
		for _, ref := range r.sets {
			err = cmp.Or(err, k.addresses(ref.name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unused are the objects that nothing leads to. A set without a name goes with its rule.
func (k *kernelReader) unused() []string {
	var out []string
	for name := range k.chains {
		if k.table.chains[name] == nil {
			out = append(out, "chain "+name)
		}
	}
	for name, s := range k.sets {
		if s.flags&setAnonymous == 0 && k.table.sets[name] == nil && k.table.maps[name] == nil && (k.gate == "" || k.gate != name) {
			out = append(out, s.what()+name)
		}
	}
	for _, m := range k.raw.Objects {
		name, what := netlink.Text(netlink.Attr(m, netlink.ObjectName)), "object "
		if netlink.Number(netlink.Attr(m, netlink.ObjectType)) == objectLimit {
			what = "limit "
		}
		if what == "object " || k.table.limits[name] == (nftRate{}) {
			out = append(out, what+name)
		}
	}
	slices.Sort(out)
	return out
}

// waiting tells whether the gates are open, and for how long.
func (k *kernelReader) waiting() (bool, time.Duration, error) {
	s := k.sets[k.gate]
	if s == nil || s.flags != setTimeout || s.keyType != 2 || s.keyLength != 1 || s.dataType != 0 || s.timeout != 0 || s.expressions != nil {
		return false, 0, wrong("set %q is not one of families that are forgotten after a time", k.gate)
	}
	var families [2]bool
	left := time.Duration(math.MaxInt64)
	for _, b := range k.raw.Elements[s.name] {
		var a nlAttrs
		a.read(b, mask(netlink.ElementKey, netlink.ElementTimeout, netlink.ElementExpiration, netlink.ElementUserData, elementPad))
		key := a.key(netlink.ElementKey, 1)
		if a.err == nil && (!a.has(netlink.ElementTimeout) || !a.has(netlink.ElementExpiration)) {
			a.bad("the kernel will never forget it")
		}
		expires := a.number(netlink.ElementExpiration, 8)
		i := slices.Index([]uint64{familyV4, familyV6}, key.lo)
		if a.err == nil && (i < 0 || families[i]) {
			a.err = errors.New("not a family, or one that is there twice")
		}
		if a.err != nil {
			return false, 0, wrong("set %s, element %d: %v", s.name, key.lo, a.err)
		}
		families[i] = true
		left = min(left, time.Duration(min(expires, math.MaxInt64/uint64(time.Millisecond)))*time.Millisecond)
	}
	switch families {
	case [2]bool{true, true}:
		return true, left, nil
	case [2]bool{}:
		return false, 0, nil
	}
	return false, 0, ErrHalf
}

// placeOf is a place in the kernel in words, with the comment that stands there.
func placeOf(comment, words string) line {
	return line{file: &source.File{Name: words}, text: comment}
}

// Numbers of the kernel.
const (
	familyV4, familyV6 = 2, 10 // NFPROTO_IPV4, NFPROTO_IPV6

	setAnonymous, setConstant, setInterval, setMap, setTimeout, setEval, setExpr = 1, 2, 4, 8, 16, 32, 256

	elementEnd           = 1 // NFT_SET_ELEM_INTERVAL_END
	elementExpression    = 7 // NFTA_SET_ELEM_EXPR
	elementPad           = 8
	elementExpressions   = 11
	objectLimit          = 4 // NFT_OBJECT_LIMIT
	typeAddress4         = 7 // as nft numbers them
	typeAddress6         = 8
	typeService          = 13
	typeVerdict          = 0xffffff00 // NFT_DATA_VERDICT
	verdictDrop          = 0
	verdictAccept        = 1
	verdictJump          = -3
	verdictGoto          = -4
	cmpEq, cmpNeq        = 0, 1 // NFT_CMP_*
	cmpLte, cmpGte       = 3, 5
	baseNetwork          = 1 // NFT_PAYLOAD_NETWORK_HEADER
	baseTransport        = 2
	metaIn, metaOut      = 6, 7 // NFT_META_IIFNAME, NFT_META_OIFNAME
	metaFamily, metaWhat = 15, 16
	logWarning           = 4  // the level that nft takes when none is given
	interfaceSize        = 16 // IFNAMSIZ
	maxBadWords          = 60
)

// nlAttrs are the attributes of one message by their kinds. The first thing that is wrong with
// them stays in err, so that one look at the end will do.
type nlAttrs struct {
	of   [21][]byte
	seen uint32 // the kinds that are there
	err  error
}

// clear makes a as new: of the many elements of a set, most have few attributes.
func (a *nlAttrs) clear() {
	for left := a.seen; left != 0; left &= left - 1 {
		a.of[bits.TrailingZeros32(left)] = nil
	}
	a.seen, a.err = 0, nil
}

// mask is a set of kinds of attributes.
func mask(kinds ...uint16) (known uint32) {
	for _, k := range kinds {
		known |= 1 << k
	}
	return known
}

// object takes the attributes of a chain, a set, a rule or another object, which must be there
// once. Newer kernels say more of objects than this one knows: in a few years sets have got
// their type and the number of their elements. Those attributes have numbers behind all that
// are known, and are passed over: what a packet meets is said by flags, hooks, expressions and
// elements, in which everything must be known, and what a chain or a set of a new kind does
// comes with a flag or an expression of its own. So does the kernel itself when it is asked for
// what it does not know: it takes only what is in its flags, and nothing in silence.
func (a *nlAttrs) object(b []byte, known uint32) { a.take(b, known, uint16(bits.Len32(known))) }

// read takes the attributes of b, all of which must be known and there once.
func (a *nlAttrs) read(b []byte, known uint32) { a.take(b, known, math.MaxUint16) }

// take takes attributes. Those from a kind on are passed over.
func (a *nlAttrs) take(b []byte, known uint32, later uint16) {
	end := 0
	for kind, data := range netlink.Attrs(b) {
		end += (4 + len(data) + 3) &^ 3
		switch {
		case kind >= later:
		case int(kind) >= len(a.of) || known>>kind&1 == 0:
			a.bad("attribute %d is not understood", kind)
		case a.of[kind] != nil:
			a.bad("attribute %d is there twice", kind)
		default:
			a.of[kind] = data
			a.seen |= 1 << kind
		}
	}
	if end < len(b) {
		a.bad("its attributes are cut off")
	}
}

func (a *nlAttrs) bad(format string, args ...any) {
	if a.err == nil {
		a.err = wrong(format, args...)
	}
}

// has reports whether an attribute is there.
func (a *nlAttrs) has(kind uint16) bool { return a.of[kind] != nil }

// number is an attribute of so many bytes that must be there.
func (a *nlAttrs) number(kind uint16, size int) uint64 {
	if len(a.of[kind]) != size {
		a.bad("attribute %d is not a number of %d bytes", kind, size)
		return 0
	}
	return netlink.Number(a.of[kind])
}

// numberOr is the same for an attribute that need not be there.
func (a *nlAttrs) numberOr(kind uint16, size int, otherwise uint64) uint64 {
	if !a.has(kind) {
		return otherwise
	}
	return a.number(kind, size)
}

// text is a name that must be there.
func (a *nlAttrs) text(kind uint16) string { return string(a.name(kind)) }

// name is text as the bytes of the attribute.
func (a *nlAttrs) name(kind uint16) []byte {
	b := a.of[kind]
	if i := bytes.IndexByte(b, 0); i < 1 || i != len(b)-1 {
		a.bad("attribute %d is not a name", kind)
		return nil
	}
	return b[:len(b)-1]
}

// value is the value in an attribute, of some bytes.
func (a *nlAttrs) value(kind uint16) []byte {
	b := a.of[kind]
	v := netlink.Attr(b, netlink.DataValue)
	if len(v) == 0 || len(v) > 16 || (4+len(v)+3)&^3 < len(b) {
		a.bad("attribute %d is not a value", kind)
		return nil
	}
	return v
}

// key is a value of so many bytes as a number; 0 with a.err for another one.
func (a *nlAttrs) key(kind uint16, size int) nlKey {
	v := a.value(kind)
	if len(v) != size {
		a.bad("attribute %d is not a key of %d bytes", kind, size)
		return nlKey{}
	}
	return keyOf(v)
}

// nlKey is a value of up to 16 bytes as a number.
type nlKey struct{ hi, lo uint64 }

func keyOf(v []byte) nlKey {
	var b [16]byte
	copy(b[16-len(v):], v)
	return nlKey{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
}

// lastKey is the highest value of so many bytes.
func lastKey(size int) nlKey {
	var b [16]byte
	for i := range min(size, 16) {
		b[i] = 0xff
	}
	return keyOf(b[:min(size, 16)])
}

func (k nlKey) compare(o nlKey) int {
	return cmp.Or(cmp.Compare(k.hi, o.hi), cmp.Compare(k.lo, o.lo))
}

// before is the key before k, which is not 0.
func (k nlKey) before() nlKey {
	lo, borrow := bits.Sub64(k.lo, 1, 0)
	return nlKey{k.hi - borrow, lo}
}

// address is the address of a family.
func (k nlKey) address(family int) netip.Addr {
	if family == 4 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(k.lo))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], k.hi)
	binary.BigEndian.PutUint64(b[8:], k.lo)
	return netip.AddrFrom16(b)
}

// words are a key of so many bytes for people.
func (k nlKey) words(size int) string {
	switch size {
	case 2:
		return strconv.Itoa(int(k.lo))
	case 4, 16:
		return k.address(size).String()
	}
	return fmt.Sprintf("%#x", k.lo)
}

// A kernelSet is how a set or a map is defined.
type kernelSet struct {
	name                string
	flags               uint64
	keyType, dataType   uint64
	keyLength           int
	size                int
	timeout             time.Duration
	expressions, object []byte // what elements do: a list, and what they lead to
}

func newKernelSet(m []byte) (*kernelSet, error) {
	var a, desc nlAttrs
	// POLICY, ID, GC_INTERVAL, USERDATA, PAD, HANDLE, TYPE and COUNT say nothing about packets.
	a.object(m, mask(netlink.SetTable, netlink.SetName, netlink.SetFlags, netlink.SetKeyType, netlink.SetKeyLength, netlink.SetDataType, netlink.SetDataLength, 8, netlink.SetDescription, 10,
		netlink.SetTimeout, 12, netlink.SetUserData, 14, 15, netlink.SetHandle, netlink.SetExpression, netlink.SetExpressions, 19, 20))
	desc.read(a.of[netlink.SetDescription], mask(netlink.SetSize, 2))
	s := &kernelSet{
		name: a.text(netlink.SetName), flags: a.numberOr(netlink.SetFlags, 4, 0), keyType: a.numberOr(netlink.SetKeyType, 4, 0),
		dataType: a.numberOr(netlink.SetDataType, 4, 0), keyLength: int(a.number(netlink.SetKeyLength, 4)), size: int(desc.numberOr(netlink.SetSize, 4, 0)),
		timeout: time.Duration(min(a.numberOr(netlink.SetTimeout, 8, 0), 1<<40)) * time.Millisecond,
		object:  a.of[15], expressions: a.of[netlink.SetExpressions],
	}
	if one := a.of[netlink.SetExpression]; one != nil && s.expressions == nil {
		s.expressions = appendElement(one)
	}
	if desc.has(2) {
		s.flags |= 1 << 32 // a key of several parts, which is no kind of ours
	}
	if err := cmp.Or(a.err, desc.err); err != nil {
		return nil, wrong("set %q: %v", s.name, err)
	}
	return s, nil
}

// appendElement is a list of one expression.
func appendElement(e []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(e)))
	return append(binary.NativeEndian.AppendUint16(b, netlink.ListElement), e...)
}

// what is "set " or "map ".
func (s *kernelSet) what() string {
	if s.flags&setMap != 0 {
		return "map "
	}
	return "set "
}

// An nlElement is a range of keys, and the message that says more of it.
type nlElement struct {
	first, last nlKey
	message     []byte
}

// data is what the element of a map leads to, nil for one of a set.
func (e *nlElement) data() []byte { return netlink.Attr(e.message, netlink.ElementData) }

func (e *nlElement) comment() []byte {
	return netlink.CommentName(netlink.Attr(e.message, netlink.ElementUserData), 0)
}

// expressions are a list, nil for none.
func (e *nlElement) expressions() []byte {
	list := netlink.Attr(e.message, elementExpressions)
	if one := netlink.Attr(e.message, elementExpression); one != nil && list == nil {
		list = appendElement(one)
	}
	return list
}

// errorf says what is wrong with an element.
func (s *kernelSet) errorf(e *nlElement, format string, args ...any) error {
	return wrong("%s%s, element %s: %s", s.what(), s.name, e.first.words(s.keyLength), fmt.Sprintf(format, args...))
}

// elements are the elements of a set in order. In an interval set the kernel takes the last
// element that is not above a packet's value: it is in the set when that is not an end. They are
// good until those of the next set are asked for.
func (k *kernelReader) elementsOf(s *kernelSet) ([]nlElement, error) {
	list := k.raw.Elements[s.name]
	n, interval := len(list), s.flags&setInterval != 0
	if interval { // most have a start and an end
		n = n/2 + 1
		k.ends = slices.Grow(k.ends[:0], n)
	}
	ends, out := k.ends[:0], slices.Grow(k.elements[:0], n) // ends are behind ranges
	var a nlAttrs
	for _, b := range list {
		a.clear()
		a.read(b, mask(netlink.ElementKey, netlink.ElementData, netlink.ElementFlags, netlink.ElementTimeout, netlink.ElementExpiration, netlink.ElementUserData,
			elementExpression, elementPad, elementExpressions))
		key := a.key(netlink.ElementKey, s.keyLength)
		flags := a.numberOr(netlink.ElementFlags, 4, 0)
		e := nlElement{first: key, last: key, message: b}
		end := flags == elementEnd
		switch {
		case a.err != nil:
			return nil, s.errorf(&e, "%v", a.err)
		case flags > elementEnd, end && !interval:
			return nil, s.errorf(&e, "flags %#x are not understood", flags)
		case s.flags&setEval == 0 && (a.has(netlink.ElementTimeout) || a.has(netlink.ElementExpiration)):
			return nil, s.errorf(&e, "the kernel will forget it after a time")
		}
		if end {
			ends = append(ends, key)
			continue
		}
		out = append(out, e)
	}
	k.elements, k.ends = out, ends
	if !interval {
		return out, nil
	}
	sortKeys(out, func(a, b nlElement) int { return a.first.compare(b.first) })
	sortKeys(ends, nlKey.compare)
	for i := range out {
		e := &out[i]
		for len(ends) > 0 && ends[0].compare(e.first) <= 0 {
			ends = ends[1:]
		}
		// A range ends before an end and before the next range, whichever comes first.
		e.last = lastKey(s.keyLength)
		if len(ends) > 0 {
			e.last = ends[0].before()
		}
		if i+1 < len(out) {
			next := out[i+1].first
			if next == e.first {
				return nil, s.errorf(e, "it is there twice")
			}
			if before := next.before(); before.compare(e.last) < 0 {
				e.last = before
			}
		}
	}
	return out, nil
}

// sortKeys sorts what the kernel mostly says in order.
func sortKeys[T any](list []T, compare func(a, b T) int) {
	if !slices.IsSortedFunc(list, compare) {
		slices.SortFunc(list, compare)
	}
}

// addresses reads a set of addresses, plain or counting. Of one that is not there, the table
// says so.
func (k *kernelReader) addresses(name string) error {
	s := k.sets[name]
	if s == nil || k.table.sets[name] != nil {
		return nil
	}
	own := &nftSet{name: name, fresh: true}
	k.table.sets[name] = own
	switch {
	case s.keyType == typeAddress4 && s.keyLength == 4:
		own.kind.family = 4
	case s.keyType == typeAddress6 && s.keyLength == 16:
		own.kind.family = 6
	}
	counting := s.flags&^(setTimeout|setExpr) == setEval
	switch {
	case !nftName(name) || own.kind.family == 0 || s.dataType != 0 || s.object != nil || !counting && (s.flags != setInterval || s.timeout != 0 || s.expressions != nil):
		return wrong("%s%q is of a kind that is not understood: flags %#x, key type %d of %d bytes", s.what(), name, s.flags, s.keyType, s.keyLength)
	case !counting:
		own.kind.interval = true
	default:
		own.kind.dynamic, own.kind.timeout = true, s.flags&setTimeout != 0
		own.kind.size, own.kind.seconds = s.size, int(s.timeout/time.Second)
	}
	elements, err := k.elementsOf(s)
	if err != nil {
		return err
	}
	object, ours := strings.CutSuffix(nftLogical(name), nftSuffix(own.kind.family))
	for i := range elements {
		e := &elements[i]
		if e.data() != nil || !counting && e.expressions() != nil {
			return s.errorf(e, "it does more than to be in the set")
		}
		if !counting {
			own.elements = append(own.elements, addr.Range{First: e.first.address(own.kind.family), Last: e.last.address(own.kind.family)})
			continue
		}
		// One that somebody has put there could count to another number, or to none.
		count, given, err := counts(e.expressions())
		named, isRate := nftRateOf(nftLogical(name), own.kind.family)
		if err != nil || !ours || (count == 0 || !nftCounts(object, count)) && (!isRate || given != named) {
			return s.errorf(e, "it does not count to what the set does")
		}
	}
	return nil
}

// vmap reads a map from ports to chains.
func (k *kernelReader) vmap(name string) error {
	s := k.sets[name]
	if s == nil || k.table.maps[name] != nil {
		return nil
	}
	own := &nftMap{name: name, fresh: true}
	k.table.maps[name] = own
	if !nftName(name) || s.flags&^setExpr != setInterval|setMap || s.keyType != typeService || s.keyLength != 2 || s.dataType != typeVerdict || s.timeout != 0 || s.object != nil || !onlyCounters(s.expressions) {
		return wrong("map %q is of a kind that is not understood: flags %#x, key type %d of %d bytes, data type %#x", name, s.flags, s.keyType, s.keyLength, s.dataType)
	}
	elements, err := k.elementsOf(s)
	if err != nil {
		return err
	}
	own.elements = make([]nftElement, 0, len(elements))
	// Many neighbours lead to the same, and have the same comment and so one piece of memory for it.
	var data, chain []byte
	var code int32
	comment := ""
	for i := range elements {
		e := &elements[i]
		if said := e.comment(); string(said) != comment {
			comment = k.texts.Keep(said)
		}
		to := nftElement{ports: port.Range{First: uint16(e.first.lo), Last: uint16(e.last.lo)}, comment: comment}
		if said := e.data(); i == 0 || !bytes.Equal(said, data) {
			data = said
			code, chain, err = verdict(data)
		}
		switch {
		case err != nil:
			return own.place(&to).errorf("%v", err)
		case !onlyCounters(e.expressions()):
			return own.place(&to).errorf("it does more than to count")
		case code == verdictAccept:
			to.verdict = ruleset.Accept
		case code == verdictDrop:
			to.verdict = ruleset.Drop
		case code == verdictJump:
			if raw := k.chains[string(chain)]; raw == nil { // the table says so
				to.jump = string(chain)
			} else if to.jump = raw.chain.name; !raw.led {
				k.chain(to.jump)
			}
		default:
			return own.place(&to).errorf("verdict %d is not understood here", code)
		}
		own.elements = append(own.elements, to)
	}
	return nil
}

// limit reads a named limit.
func (k *kernelReader) limit(name string) error {
	data, there := k.limits[name]
	if !there || k.table.limits[name] != (nftRate{}) {
		return nil
	}
	given, err := limitOf(data)
	if err != nil {
		return wrong("limit %q: %v", name, err)
	}
	k.table.limits[name] = given
	return nil
}

// verdict is a verdict, with the chain that it leads to.
func verdict(data []byte) (code int32, chain []byte, err error) {
	var a nlAttrs
	a.read(data, mask(netlink.DataVerdict))
	inside, err := a.of[netlink.DataVerdict], a.err
	a.clear()
	a.read(inside, mask(netlink.VerdictCode, netlink.VerdictChain))
	code = int32(a.number(netlink.VerdictCode, 4))
	if code == verdictJump || code == verdictGoto {
		chain = a.name(netlink.VerdictChain)
	} else if a.has(netlink.VerdictChain) {
		a.bad("a verdict that leads nowhere has a chain")
	}
	return code, chain, cmp.Or(err, a.err)
}

// limitOf reads the attributes of a limit of packets.
func limitOf(data []byte) (nftRate, error) {
	var a nlAttrs
	a.read(data, mask(1, 2, 3, 4, 5, 6))
	rate, unit, burst := a.number(1, 8), a.number(2, 8), a.numberOr(3, 4, 0)
	kind, flags := a.numberOr(4, 4, 0), a.numberOr(5, 4, 0)
	if a.err != nil {
		return nftRate{}, a.err
	}
	period := map[uint64]string{1: "second", 60: "minute", 3600: "hour", 86400: "day"}[unit]
	given := nftRate{ruleset.Rate{Count: int(min(rate, 1<<30)), Period: period}, int(burst)}
	switch {
	case flags != 0:
		return nftRate{}, wrong("a limit that matches what is over it")
	case kind != 0:
		return nftRate{}, wrong("a limit of bytes")
	case !given.sound() || rate > 1_000_000 || burst > 1_000_000:
		return nftRate{}, wrong("a rate of %d in %d seconds with a burst of %d is not understood", rate, unit, burst)
	}
	return given, nil
}

// countOf reads the attributes of a count of connections.
func countOf(data []byte) (int, error) {
	var a nlAttrs
	a.read(data, mask(1, 2))
	count, flags := a.number(1, 4), a.numberOr(2, 4, 0)
	switch {
	case a.err != nil:
		return 0, a.err
	case flags != 0:
		return 0, wrong("a count of connections that matches what is over it")
	case count < 1 || count > 1_000_000:
		return 0, wrong("a count of %d connections is not understood", count)
	}
	return int(count), nil
}

// expressionOf is the name of an expression and its attributes.
func expressionOf(b []byte) (name, data []byte, err error) {
	var a nlAttrs
	a.read(b, mask(netlink.ExpressionName, netlink.ExpressionData))
	name = bytes.TrimSuffix(a.of[netlink.ExpressionName], []byte{0})
	return name[:min(len(name), maxBadWords)], a.of[netlink.ExpressionData], a.err
}

// each calls one for each expression of a list.
func each(list []byte, one func(n int, e []byte) error) error {
	end, n := 0, 0
	for kind, e := range netlink.Attrs(list) {
		end += (4 + len(e) + 3) &^ 3
		n++
		if kind != netlink.ListElement {
			return wrong("expression %d: attribute %d is not understood", n, kind)
		}
		if err := one(n, e); err != nil {
			return err
		}
	}
	if end < len(list) {
		return wrong("its expressions are cut off")
	}
	return nil
}

// counter reads the attributes of a counter, which say nothing about packets.
func counter(data []byte) error {
	var a nlAttrs
	a.read(data, mask(1, 2, 3))
	return a.err
}

// onlyCounters reports whether a list of expressions does nothing but count.
func onlyCounters(list []byte) bool {
	return each(list, func(_ int, e []byte) error {
		name, data, err := expressionOf(e)
		if string(name) != "counter" {
			return cmp.Or(err, wrong("not a counter"))
		}
		return cmp.Or(err, counter(data))
	}) == nil
}

// counts are what the elements of a counting set do: a count of connections or a limit, and
// perhaps counters.
func counts(list []byte) (count int, given nftRate, err error) {
	err = each(list, func(_ int, e []byte) error {
		name, data, err := expressionOf(e)
		if err != nil {
			return err
		}
		twice := count != 0 || given != nftRate{}
		switch string(name) {
		case "counter":
			return counter(data)
		case "connlimit":
			count, err = countOf(data)
		case "limit":
			given, err = limitOf(data)
		default:
			return wrong("%q is not understood in a set", name)
		}
		if twice && err == nil {
			return wrong("it counts two things")
		}
		return err
	})
	if err == nil && count == 0 && given == (nftRate{}) {
		err = wrong("it counts nothing")
	}
	return count, given, err
}

// rule reads one rule.
func (k *kernelReader) rule(c *nftChain, m []byte) (*nftRule, error) {
	var a nlAttrs
	// POSITION, PAD, ID and POSITION_ID say nothing about packets.
	a.object(m, mask(netlink.RuleTable, netlink.RuleChain, netlink.RuleHandle, netlink.RuleExpressions, 6, netlink.RuleUserData, 8, 9, 10))
	handle := a.number(netlink.RuleHandle, 8)
	comment := k.texts.Keep(netlink.CommentName(a.of[netlink.RuleUserData], 0))
	own := k.another()
	k.buffer = append(append(append(k.buffer[:0], "chain "...), c.name...), ", rule "...)
	own.file.Name = k.texts.Keep(strconv.AppendUint(k.buffer, handle, 10))
	at := line{file: &own.file, text: comment}
	if a.err != nil {
		return nil, at.errorf("%v", a.err)
	}
	k.buffer = appendUncounted(k.buffer[:0], a.of[netlink.RuleExpressions])
	if body := k.bodies[string(k.buffer)]; body != nil {
		own.rule = nftRule{body, comment, at}
		return &own.rule, nil
	}
	d := kernelRule{reader: k, b: newNftBuilder(&own.rule, at)}
	err := each(a.of[netlink.RuleExpressions], func(n int, e []byte) error {
		name, data, err := expressionOf(e)
		if err == nil {
			err = d.expression(name, data)
		}
		if err != nil {
			return wrong("expression %d, %s: %v", n, strconv.Quote(string(name)), err)
		}
		return nil
	})
	if err == nil && comment != "" {
		err = d.b.say(comment)
	}
	var r *nftRule
	if err == nil {
		r, err = d.b.finish()
	}
	if err == nil && d.gated && r.gate == "" {
		err = wrong("it asks whether a change waits for its confirmation and goes nowhere")
	}
	if err != nil {
		return nil, at.errorf("%v", err)
	}
	// What a count of connections means depends on the chain too.
	if !d.gated && r.count == 0 && len(k.bodies) < maxAlike {
		k.bodies[string(k.buffer)] = r.nftBody
	}
	return r, nil
}

// another is memory for a rule. One that is not there is read to be looked at twice.
func (k *kernelReader) another() *placedRule {
	if len(k.spare) == 0 {
		return new(placedRule)
	}
	one := &k.spare[0]
	k.spare = k.spare[1:]
	return one
}

// appendUncounted appends the expressions of a rule as if its counters had counted nothing yet.
func appendUncounted(out, list []byte) []byte {
	from := len(out)
	out = append(out, list...)
	for _, e := range netlink.Attrs(out[from:]) {
		if string(netlink.Name(netlink.Attr(e, netlink.ExpressionName))) != "counter" {
			continue
		}
		for kind, n := range netlink.Attrs(netlink.Attr(e, netlink.ExpressionData)) {
			if kind == 1 || kind == 2 { // NFTA_COUNTER_BYTES, NFTA_COUNTER_PACKETS
				clear(n)
			}
		}
	}
	return out
}

// A field is what can be in a register.
type field uint8

const (
	noField field = iota
	fieldIn
	fieldOut
	fieldFamily
	fieldProtocol
	fieldState
	fieldPeer
	fieldPort
	fieldBothPorts
	fieldType
)

// A loaded is what one expression has put into registers.
type loaded struct {
	field   field
	size    int  // bytes
	sources bool // of peers and ports
	family  int  // of peers
	proto   uint8
	states  ruleset.States // that are left of fieldState, when masked
	prefix  int            // bits that are left of fieldPeer, when masked
	masked  bool
}

// A kernelRule is a rule that is being read: what its registers hold, and what it has made
// sure of.
type kernelRule struct {
	reader *kernelReader
	b      *nftBuilder
	// The registers are 16 words of 4 bytes. A word holds the index into values of what
	// begins there, from 1 on; what only goes on there is not found by it.
	values [16]loaded
	extent [16]uint8 // in words, of what begins there; 0 for nothing
	family int       // 4 or 6 once the rule has asked for it
	proto  uint8     // likewise
	gated  bool      // it asks whether a change waits
}

// register is the first word of a register and those behind it that so many bytes take.
func register(number uint64, size int) (first, words int, err error) {
	switch {
	case number >= 1 && number <= 4: // NFT_REG_1 to NFT_REG_4
		first = int(number-1) * 4
	case number >= 8 && number <= 23: // NFT_REG32_00 to NFT_REG32_15
		first = int(number - 8)
	default:
		return 0, 0, wrong("register %d is none that holds values", number)
	}
	words = (size + 3) / 4
	if size < 1 || first+words > 16 {
		return 0, 0, wrong("%d bytes do not go into register %d", size, number)
	}
	return first, words, nil
}

// store puts something into a register. What it overwrites, even in part, is gone.
func (d *kernelRule) store(number uint64, v loaded) error {
	first, words, err := register(number, v.size)
	if err != nil {
		return err
	}
	for i := range d.extent {
		if n := int(d.extent[i]); i < first+words && first < i+n {
			d.extent[i] = 0
		}
	}
	d.values[first], d.extent[first] = v, uint8(words)
	return nil
}

// at is what is in a register.
func (d *kernelRule) at(number uint64) (*loaded, error) {
	first, _, err := register(number, 1)
	if err != nil {
		return nil, err
	}
	if d.extent[first] == 0 {
		return nil, wrong("register %d holds nothing that is understood", number)
	}
	return &d.values[first], nil
}

// expression reads one expression of a rule.
func (d *kernelRule) expression(name, data []byte) error {
	var a nlAttrs
	switch string(name) {
	case "meta":
		a.read(data, mask(1, 2))
		return d.meta(&a)
	case "ct":
		a.read(data, mask(1, 2))
		to, key := a.number(1, 4), a.number(2, 4)
		if a.err == nil && key != 0 { // NFT_CT_STATE
			a.bad("key %d of connection tracking is not understood", key)
		}
		return cmp.Or(a.err, d.store(to, loaded{field: fieldState, size: 4}))
	case "payload":
		a.read(data, mask(1, 2, 3, 4))
		return d.payload(&a)
	case "bitwise":
		a.read(data, mask(1, 2, 3, 4, 5, 6))
		return d.bitwise(&a)
	case "byteorder":
		// nft turns numbers of one byte around as well, and then nothing is done: the kernel
		// turns as many as have room in the length.
		a.read(data, mask(1, 2, 3, 4, 5))
		from, to, length, size := a.number(1, 4), a.number(2, 4), a.number(4, 4), a.number(5, 4)
		if a.err == nil && (from != to || length >= size) {
			a.bad("a value that is turned around is not understood")
		}
		_, err := d.at(from)
		return cmp.Or(a.err, err)
	case "cmp":
		a.read(data, mask(1, 2, 3))
		v, err := d.at(a.number(1, 4))
		op, value := a.number(2, 4), a.value(3)
		if err := cmp.Or(a.err, err); err != nil {
			return err
		}
		return d.compare(v, op, value)
	case "range":
		a.read(data, mask(1, 2, 3, 4))
		v, err := d.at(a.number(1, 4))
		op, first, last := a.number(2, 4), a.value(3), a.value(4)
		if a.err == nil && (op != 0 || len(first) != len(last)) {
			a.bad("a range that must not match is not understood")
		}
		if err := cmp.Or(a.err, err); err != nil {
			return err
		}
		return cmp.Or(d.compare(v, cmpGte, first), d.compare(v, cmpLte, last))
	case "lookup":
		a.read(data, mask(1, 2, 3, 5))
		return d.lookup(&a)
	case "dynset":
		a.read(data, mask(1, 3, 4, 6, 7, 8, 9, 10))
		return d.dynset(&a)
	case "connlimit":
		n, err := countOf(data)
		return cmp.Or(err, d.b.countAll(n))
	case "limit":
		given, err := limitOf(data)
		return cmp.Or(err, d.b.limitHere(given))
	case "objref":
		a.read(data, mask(1, 2))
		kind, limit := a.number(1, 4), a.text(2)
		if a.err == nil && kind != objectLimit {
			a.bad("an object of type %d is not understood", kind)
		}
		return cmp.Or(a.err, d.b.limitAll(limit))
	case "counter":
		return counter(data)
	case "log":
		a.read(data, mask(2, 5, 6))
		prefix := ""
		if a.has(2) {
			prefix = a.text(2)
		}
		level, flags := a.numberOr(5, 4, logWarning), a.numberOr(6, 4, 0)
		if a.err == nil && (level != logWarning || flags != 0 || strings.ContainsFunc(prefix, func(c rune) bool { return c < ' ' || c > '~' })) {
			a.bad("level %d with flags %#x and prefix %q is not understood", level, flags, prefix)
		}
		return cmp.Or(a.err, d.b.writeLog(prefix))
	case "notrack":
		a.read(data, 0)
		return cmp.Or(a.err, d.b.noTracking())
	case "immediate":
		a.read(data, mask(1, 2))
		if to := a.number(1, 4); a.err == nil && to != 0 { // NFT_REG_VERDICT
			a.bad("a value that is put into register %d is not understood", to)
		}
		code, chain, err := verdict(a.of[2])
		if err := cmp.Or(a.err, err); err != nil {
			return err
		}
		switch {
		case code == verdictAccept:
			return d.b.decide(ruleset.Accept)
		case code == verdictDrop:
			return d.b.decide(ruleset.Drop)
		case code == verdictJump:
			return d.b.jumpTo(string(chain))
		case code == verdictGoto && d.gated:
			return d.b.waitIn(string(chain))
		}
		return wrong("verdict %d is not understood here", code)
	}
	return wrong("not an expression that is understood")
}

func (d *kernelRule) meta(a *nlAttrs) error {
	to, key := a.number(1, 4), a.number(2, 4)
	var v loaded
	switch key {
	case metaIn:
		v = loaded{field: fieldIn, size: interfaceSize}
	case metaOut:
		v = loaded{field: fieldOut, size: interfaceSize}
	case metaFamily:
		v = loaded{field: fieldFamily, size: 1}
	case metaWhat:
		v = loaded{field: fieldProtocol, size: 1}
	default:
		a.bad("key %d of packets is not understood", key)
	}
	if a.err != nil {
		return a.err
	}
	return d.store(to, v)
}

// payload reads a part of a packet. Which part that is depends on what the packet is, so the
// rule must have asked for it.
func (d *kernelRule) payload(a *nlAttrs) error {
	to, base, offset, size := a.number(1, 4), a.number(2, 4), a.number(3, 4), a.number(4, 4)
	if a.err != nil {
		return a.err
	}
	v := loaded{size: int(min(size, 1<<20)), family: d.family, proto: d.proto}
	type place struct{ base, offset uint64 }
	withPorts := d.proto == uint8(port.TCP) || d.proto == uint8(port.UDP)
	switch at := (place{base, offset}); {
	case d.family == 4 && at == place{baseNetwork, 12} && size <= 4, d.family == 6 && at == place{baseNetwork, 8} && size <= 16:
		v.field, v.sources = fieldPeer, true
	case d.family == 4 && at == place{baseNetwork, 16} && size <= 4, d.family == 6 && at == place{baseNetwork, 24} && size <= 16:
		v.field = fieldPeer
	case withPorts && at == place{baseTransport, 0} && size == 2:
		v.field, v.sources = fieldPort, true
	case withPorts && at == place{baseTransport, 2} && size == 2:
		v.field = fieldPort
	case withPorts && at == place{baseTransport, 0} && size == 4: // nft puts two comparisons together
		v.field = fieldBothPorts
	case (d.proto == ruleset.ICMP || d.proto == ruleset.ICMPv6) && at == place{baseTransport, 0} && size == 1:
		v.field = fieldType
	default:
		return wrong("%d bytes of header %d from byte %d on are not understood in a rule about protocol %d of IPv%d", size, base, offset, d.proto, d.family)
	}
	return d.store(to, v)
}

// stateBits are the states as connection tracking has them (NF_CT_STATE_BIT and its
// neighbours in include/uapi/linux/netfilter/nf_conntrack_common.h).
var stateBits = map[uint32]ruleset.State{1: ruleset.Broken, 2: ruleset.Established, 4: ruleset.Related, 8: ruleset.New, 64: ruleset.Untracked}

// statesOf are the states of some bits, in the order of the host.
func statesOf(v []byte) (ruleset.States, error) {
	if len(v) != 4 {
		return 0, wrong("states are not %d bytes", len(v))
	}
	var states ruleset.States
	for left := binary.NativeEndian.Uint32(v); left != 0; left &= left - 1 {
		s, known := stateBits[left&-left]
		if !known {
			return 0, wrong("state %#x is not understood", left&-left)
		}
		states |= s
	}
	return states, nil
}

// addressSize is how many bytes an address has.
func (v *loaded) addressSize() int {
	if v.family == 4 {
		return 4
	}
	return 16
}

func (d *kernelRule) bitwise(a *nlAttrs) error {
	from, to, size := a.number(1, 4), a.number(2, 4), a.number(3, 4)
	keep, flip, op := a.value(4), a.value(5), a.numberOr(6, 4, 0)
	v, err := d.at(from)
	if err := cmp.Or(a.err, err); err != nil {
		return err
	}
	if op != 0 || v.masked || int(size) != v.size || len(keep) != v.size || len(flip) != v.size || keyOf(flip) != (nlKey{}) {
		return wrong("arithmetic with bits that is not understood")
	}
	out := *v
	out.masked = true
	switch {
	case v.field == fieldState:
		if out.states, err = statesOf(keep); err != nil {
			return err
		}
	case v.field == fieldPeer && v.size == v.addressSize():
		for out.prefix < 8*len(keep) && keep[out.prefix/8]>>(7-out.prefix%8)&1 == 1 {
			out.prefix++
		}
		p, err := prefixOf(v.family, keep, out.prefix)
		if err != nil || p.Masked() != p {
			return wrong("mask %s is not that of a prefix", hex.EncodeToString(keep))
		}
	default:
		return wrong("some bits of this are not understood")
	}
	return d.store(to, out)
}

// prefixOf is the prefix of some bits of a value, which may be the first bytes of an address.
func prefixOf(family int, v []byte, bits int) (netip.Prefix, error) {
	var b [16]byte
	copy(b[:], v)
	a := netip.AddrFrom16(b)
	if family == 4 {
		a = netip.AddrFrom4([4]byte(b[:4]))
	}
	p := netip.PrefixFrom(a, bits)
	if !p.IsValid() || p.Masked() != p {
		return p, wrong("%s has bits behind its prefix", p)
	}
	return p, nil
}

// comparisons are NFT_CMP_* in the order of their numbers.
var comparisons = []string{"eq", "neq", "lt", "lte", "gt", "gte"}

// compare narrows a rule by a comparison of what is in a register.
func (d *kernelRule) compare(v *loaded, op uint64, value []byte) error {
	bad := func() error {
		name := strconv.FormatUint(op, 10)
		if op < uint64(len(comparisons)) {
			name = comparisons[op]
		}
		return wrong("comparison %s with %s is not understood here", name, hex.EncodeToString(value))
	}
	full := len(value) == v.size
	m := ruleset.Any()
	switch {
	case v.field == fieldState && v.masked:
		if op != cmpNeq || !full || keyOf(value) != (nlKey{}) {
			return bad()
		}
		m.States = v.states
	case op != cmpEq && !(op == cmpGte || op == cmpLte) || op != cmpEq && v.field != fieldPort && v.field != fieldPeer:
		return bad()
	case v.field == fieldPeer:
		peers, err := v.peers(op, value)
		if err != nil {
			return err
		}
		d.b.r.in, d.b.r.out = d.b.r.in || v.sources, d.b.r.out || !v.sources
		m.Peers = peers
	case !full:
		return bad()
	case v.field == fieldPort:
		ports := port.Single(binary.BigEndian.Uint16(value))
		switch op {
		case cmpGte:
			ports.Last = port.Max
		case cmpLte:
			ports.First = 0
		}
		return d.ports(v, []port.Range{ports})
	case v.field == fieldBothPorts:
		m.Protos = only(v.proto)
		m.SourcePorts, m.Ports = port.Of(port.Single(binary.BigEndian.Uint16(value))), port.Of(port.Single(binary.BigEndian.Uint16(value[2:])))
	default:
		return d.among(v, []nlKey{keyOf(value)})
	}
	return d.b.where(m)
}

// peers are the addresses that a comparison lets through.
func (v *loaded) peers(op uint64, value []byte) (addr.Set, error) {
	whole := v.addressSize()
	if op == cmpEq {
		bits := 8 * len(value)
		switch {
		case v.masked && len(value) == whole:
			bits = v.prefix
		case v.masked || len(value) > v.size:
			return addr.Set{}, wrong("%d bytes are compared with %d", v.size, len(value))
		}
		p, err := prefixOf(v.family, value, bits)
		return addr.Of(p), err
	}
	if v.masked || v.size != whole || len(value) != whole {
		return addr.Set{}, wrong("a range of something other than whole addresses")
	}
	r := addr.Range{First: nlKey{}.address(v.family), Last: lastKey(whole).address(v.family)}
	if op == cmpGte {
		r.First = keyOf(value).address(v.family)
	} else {
		r.Last = keyOf(value).address(v.family)
	}
	return addr.OfRanges(r), nil
}

// ports narrows a rule by ports.
func (d *kernelRule) ports(v *loaded, ranges []port.Range) error {
	m := ruleset.Any()
	m.Protos = only(v.proto)
	if v.sources {
		m.SourcePorts = port.Of(ranges...)
	} else {
		m.Ports = port.Of(ranges...)
	}
	return d.b.where(m)
}

// among narrows a rule by a list of single values.
func (d *kernelRule) among(v *loaded, keys []nlKey) error {
	m := ruleset.Any()
	numbers := func() (b ruleset.Bytes) {
		for _, k := range keys {
			b[uint8(k.lo)/64] |= 1 << (uint8(k.lo) % 64)
		}
		return b
	}
	switch v.field {
	case fieldIn, fieldOut:
		var names []string
		for _, k := range keys {
			var b [interfaceSize]byte
			binary.BigEndian.PutUint64(b[:], k.hi)
			binary.BigEndian.PutUint64(b[8:], k.lo)
			name, rest, _ := bytes.Cut(b[:], []byte{0})
			if !nftInterface(string(name)) || len(bytes.Trim(rest, "\x00")) > 0 {
				return wrong("%q is not the name of an interface", b[:])
			}
			names = append(names, string(name))
		}
		m.Interfaces = ruleset.InterfacesOf(names...)
		d.b.r.in, d.b.r.out = d.b.r.in || v.field == fieldIn, d.b.r.out || v.field == fieldOut
	case fieldFamily:
		var v4, v6 bool
		for _, k := range keys {
			v4, v6 = v4 || k.lo == familyV4, v6 || k.lo == familyV6
			if k.lo != familyV4 && k.lo != familyV6 {
				return wrong("family %d is not understood", k.lo)
			}
		}
		switch {
		case v4 && !v6:
			m.Peers, d.family = addr.V4(), 4
		case v6 && !v4:
			m.Peers, d.family = addr.V6(), 6
		case !v4:
			m.Peers = addr.Set{}
		}
	case fieldProtocol:
		m.Protos = numbers()
		if len(keys) == 1 {
			d.proto = uint8(keys[0].lo)
		}
	case fieldType:
		m.Protos, m.Types = only(v.proto), numbers()
	case fieldState:
		m.States = 0
		for _, k := range keys {
			var b [4]byte
			binary.BigEndian.PutUint32(b[:], uint32(k.lo))
			states, err := statesOf(b[:])
			if err != nil || len(states.Each()) != 1 {
				return wrong("%s is not one state", hex.EncodeToString(b[:]))
			}
			m.States |= states
		}
	default:
		return wrong("a list of this is not understood")
	}
	return d.b.where(m)
}

func (d *kernelRule) lookup(a *nlAttrs) error {
	name, from, flags := a.text(1), a.number(2, 4), a.numberOr(5, 4, 0)
	if a.err == nil && flags != 0 {
		a.bad("a lookup that must not find anything is not understood")
	}
	v, err := d.at(from)
	if err := cmp.Or(a.err, err); err != nil {
		return err
	}
	s := d.reader.sets[name]
	if s == nil {
		return wrong("there is no set %q", name)
	}
	if s.keyLength != v.size || v.masked {
		return wrong("set %q has keys of %d bytes, and %d are looked up", name, s.keyLength, v.size)
	}
	if a.has(3) {
		if a.number(3, 4) != 0 || a.err != nil || v.field != fieldPort || v.sources {
			return wrong("what is found in map %q does not decide by the destination port", name)
		}
		return d.b.lookup(port.Proto(v.proto).String()+" dport", name)
	}
	switch {
	case v.field == fieldFamily && nftLogical(name) == nftPending:
		if d.gated || d.reader.gate != "" && d.reader.gate != name {
			return wrong("two sets of what waits for its confirmation")
		}
		d.gated, d.reader.gate = true, name
		return nil
	case s.flags&setAnonymous == 0:
		if v.field != fieldPeer || v.size != v.addressSize() {
			return wrong("set %q is asked for something other than addresses", name)
		}
		return d.b.peersIn(nftSetRef{name, v.family}, v.sources)
	}
	return d.list(v, s)
}

// list narrows a rule by a set that has no name and that only the rule has.
func (d *kernelRule) list(v *loaded, s *kernelSet) error {
	if s.flags&^setInterval != setAnonymous|setConstant || s.dataType != 0 || s.object != nil || s.timeout != 0 || s.expressions != nil {
		return wrong("a list with flags %#x is not understood", s.flags)
	}
	elements, err := d.reader.elementsOf(s)
	if err != nil {
		return err
	}
	var keys []nlKey
	var ports []port.Range
	var peers []addr.Range
	for i := range elements {
		e := &elements[i]
		if e.data() != nil || e.expressions() != nil {
			return s.errorf(e, "it does more than to be in the list")
		}
		switch v.field {
		case fieldPort:
			ports = append(ports, port.Range{First: uint16(e.first.lo), Last: uint16(e.last.lo)})
		case fieldPeer:
			peers = append(peers, addr.Range{First: e.first.address(v.family), Last: e.last.address(v.family)})
		default:
			if e.first != e.last {
				return s.errorf(e, "a range of this is not understood")
			}
			keys = append(keys, e.first)
		}
	}
	switch v.field {
	case fieldPort:
		return d.ports(v, ports)
	case fieldPeer:
		if v.size != v.addressSize() {
			return wrong("a list of parts of addresses")
		}
		m := ruleset.Any()
		m.Peers = addr.OfRanges(peers...)
		d.b.r.in, d.b.r.out = d.b.r.in || v.sources, d.b.r.out || !v.sources
		return d.b.where(m)
	}
	return d.among(v, keys)
}

func (d *kernelRule) dynset(a *nlAttrs) error {
	name, op, from := a.text(1), a.number(3, 4), a.number(4, 4)
	timeout, flags := a.numberOr(6, 8, 0), a.numberOr(9, 4, 0)
	v, err := d.at(from)
	if err := cmp.Or(a.err, err); err != nil {
		return err
	}
	s := d.reader.sets[name]
	switch {
	case s == nil:
		return wrong("there is no set %q", name)
	case flags&1 != 0: // NFT_DYNSET_F_INV
		return wrong("it matches what the set has no room for")
	case flags&^2 != 0 || timeout != 0:
		return wrong("flags %#x with a time of %d ms are not understood", flags, timeout)
	case v.field != fieldPeer || !v.sources || v.masked || v.size != v.addressSize() || s.keyLength != v.size:
		return wrong("something other than sources is counted")
	}
	list := a.of[10]
	if one := a.of[7]; one != nil {
		if list != nil {
			return wrong("it has two lists of what it counts")
		}
		list = appendElement(one)
	}
	if list == nil { // what the set says for all
		list = s.expressions
	} else if s.expressions != nil && !bytes.Equal(list, s.expressions) {
		return wrong("it counts otherwise than set %q says", name)
	}
	count, given, err := counts(list)
	switch {
	case err != nil:
		return err
	case op == 0 && count > 0:
		return d.b.countEach(name, v.family, count)
	case op == 1 && count == 0:
		return d.b.meterEach(name, v.family, given)
	}
	return wrong("operation %d of a set is not understood", op)
}
