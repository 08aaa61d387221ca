package apply

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	wire "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portolan/internal/netlink"
	"portolan/internal/nft"
	"portolan/internal/ruleset"
)

// Kernel is the kernel of one network namespace, that in which it was opened. One goroutine
// at a time may use it.
type Kernel struct {
	reader *netlink.Conn
	socket int // for batches; it stays open, because closing it after a deletion waits for the kernel
	seq    uint32
	answer []byte
}

// OpenKernel makes a connection to the kernel of the namespace of the calling thread. An
// error wraps netlink.ErrNone where there is no nftables, and fs.ErrPermission where the
// process may not ask.
func OpenKernel() (*Kernel, error) {
	reader, err := netlink.Open()
	if err != nil {
		return nil, err
	}
	if _, err := reader.Generation(); err != nil { // a kernel may have netlink and no nf_tables
		return nil, errors.Join(err, reader.Close())
	}
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("a connection to the kernel for changes: %w", err), reader.Close())
	}
	k := &Kernel{reader: reader, socket: socket, answer: make([]byte, 1<<16)}
	err = unix.Bind(socket, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	for _, option := range []int{unix.NETLINK_EXT_ACK, unix.NETLINK_CAP_ACK} {
		// Without them the kernel still says which change it refuses.
		_ = unix.SetsockoptInt(socket, unix.SOL_NETLINK, option, 1)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("a connection to the kernel for changes: %w", err), k.Close())
	}
	return k, nil
}

// Close ends the connections.
func (k *Kernel) Close() error { return errors.Join(k.reader.Close(), unix.Close(k.socket)) }

// Read is the table "inet portolan" at one moment.
func (k *Kernel) Read() (*State, error) {
	raw, err := k.reader.Read(nft.Name)
	if err != nil {
		return nil, err
	}
	return Decode(raw), nil
}

// Generation is the number of the last change to the tables of the network namespace, whoever
// made it.
func (k *Kernel) Generation() (uint32, error) { return k.reader.Generation() }

// Moment names a generation of the namespace of the network; see netlink.Conn.
func (k *Kernel) Moment(generation uint32) string { return k.reader.Moment(generation) }

// Commit makes the changes of a batch, all at once and only when the generation is still the
// given one; 0 is any. What the kernel refuses is an error that says which change it was and
// wraps the kernel's syscall.Errno; it is an *Unsupported when the kernel lacks a feature.
func (k *Kernel) Commit(generation uint32, b Batch) error {
	if len(b) == 0 {
		return nil
	}
	messages, of, err := messagesOf(generation, b)
	if err != nil {
		return err
	}
	f, err := k.send(messages)
	if err != nil {
		return fmt.Errorf("sending changes to the kernel: %w", err)
	}
	if f == nil {
		return nil
	}
	var change Change // of the batch as a whole when nil
	if f.message > 0 && f.message <= len(of) {
		change = b[of[f.message-1]]
	}
	var message []byte
	if f.message >= 0 && f.message < len(messages) {
		message = messages[f.message].Data
	}
	return f.explain(change, message)
}

// messagesOf are the messages that say a batch, with the begin and end of the transaction,
// and the change that each of those between is for.
//
// The library encodes them, all but those of rules and elements, and does not send them: it
// would write over a chain or set that is there already, have the kernel send each rule back,
// which makes a commit three times as long, and not ask where in a message an error is. The
// function that stands for a connection in the library's tests gets what would go out. What
// that is, is held to the byte by a test, because the way is none that the library promises.
func messagesOf(generation uint32, b Batch) ([]wire.Message, []int, error) {
	var out []wire.Message // without the begin and the end
	var begin, end wire.Message
	library, err := nftables.New(nftables.WithTestDial(func(messages []wire.Message) ([]wire.Message, error) {
		if n := len(messages); n > 0 {
			begin, end = messages[0], messages[n-1]
			out = append(out, messages[1:n-1]...)
		}
		return nil, io.EOF
	}))
	if err != nil {
		return nil, nil, err
	}
	var of []int
	var w *written // the last rule
	var ids uint32
	// Elements are half of the work of a large batch, and rules the other one.
	elements := map[int]func() ([]wire.Message, error){}
	for i, change := range b {
		if x, ok := change.(AddElements); ok {
			elements[i] = sync.OnceValues(func() ([]wire.Message, error) {
				kind, err := checkElements(x.Set, x.Elements)
				if err != nil {
					return nil, err
				}
				return elementMessages(unix.NFT_MSG_NEWSETELEM, x.Set.Name, 0, kind, x.Elements), nil
			})
			if len(x.Elements) > besideFrom {
				go elements[i]()
			}
		}
	}
	flush := func() error {
		if err := library.FlushWithGenID(generation); err != nil {
			return fmt.Errorf("the library: %w", err)
		}
		if len(out) != len(of) {
			return fmt.Errorf("the library: changes became %d messages instead of %d", len(out), len(of))
		}
		return nil
	}
	// own adds messages that the library has no part in, behind those that it has.
	own := func(i int, messages ...wire.Message) error {
		var err error
		if len(out) < len(of) { // the library has some that it was not asked for yet
			err = flush()
		}
		for _, m := range messages {
			out, of = append(out, m), append(of, i)
		}
		return err
	}
	for i, change := range b {
		var err error
		switch x := change.(type) {
		case AddElements:
			var messages []wire.Message
			if messages, err = elements[i](); err == nil {
				err = own(i, messages...)
			}
		case DeleteElements:
			// Keys say which; somebody else may have written what they lead to.
			list := make([]Element, len(x.Elements))
			for j, e := range x.Elements {
				list[j] = Element{First: e.First, Last: e.Last}
			}
			var kind Kind
			if kind, err = kindOf(x.Set); err == nil {
				kind.DataType = 0
				err = checkKeys(kind, list)
			}
			if err == nil {
				err = own(i, elementMessages(unix.NFT_MSG_DELSETELEM, x.Set.Name, 0, kind, list)...)
			}
		case AddRule:
			w = write(x, &ids, w)
			w.fail(checkName(x.Chain))
			err = w.err
			for _, s := range w.sets {
				if err != nil {
					break
				}
				if err = library.AddSet(s.set, nil); err == nil {
					of = append(of, i)
					err = own(i, elementMessages(unix.NFT_MSG_NEWSETELEM, s.set.Name, s.set.ID, s.kind, s.elements)...)
				}
			}
			if err == nil {
				err = own(i, ruleMessage(x, w))
			}
		default:
			if err = encodeChange(library, change); err == nil {
				of = append(of, i)
			}
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", words(change), err)
		}
	}
	// One more message, so that there is a begin and an end in any case.
	library.AddTable(ours)
	of = append(of, len(b))
	if err := flush(); err != nil {
		return nil, nil, err
	}
	out, of = out[:len(out)-1], of[:len(of)-1]
	for i := range out {
		switch b[of[i]].(type) {
		case AddLimit, AddSet, AddChain:
			out[i].Header.Flags |= wire.Excl
		case AddRule:
			nameOrder(out[i])
		}
	}
	return slices.Concat([]wire.Message{begin}, out, []wire.Message{end}), of, nil
}

// besideFrom is from how many elements on they are encoded beside the rest: fewer take a fraction of
// a millisecond.
const besideFrom = 1000

// Messages of rules and elements are put together here, those of rules around the expressions
// that the library encodes: there are many of them, and the library takes several times as
// long for each.

// message is one of ours.
func message(kind uint16, flags wire.HeaderFlags, data []byte) wire.Message {
	return wire.Message{Header: wire.Header{Type: wire.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind), Flags: wire.Request | wire.Create | flags}, Data: data}
}

// start begins the data of a message: struct nfgenmsg.
func start(size int) []byte {
	return append(make([]byte, 0, size), unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0)
}

// ruleMessage is the message that adds a rule.
func ruleMessage(x AddRule, w *written) wire.Message {
	b := start(64 + len(x.Chain) + len(w.raw) + len(x.Line.Comment))
	b = appendText(b, netlink.RuleTable, nft.Name)
	b = appendText(b, netlink.RuleChain, x.Chain)
	b = appendRaw(b, netlink.RuleExpressions|unix.NLA_F_NESTED, w.raw)
	if x.Line.Comment != "" {
		b = appendRaw(b, netlink.RuleUserData, userdata.AppendString(nil, userdata.TypeComment, x.Line.Comment))
	}
	flags := wire.Append
	if x.Before != 0 {
		flags = 0
		b = appendRaw(b, unix.NFTA_RULE_POSITION, binary.BigEndian.AppendUint64(nil, x.Before))
	}
	return message(unix.NFT_MSG_NEWRULE, flags, b)
}

// listSize is about how long a list of elements becomes in one message: a length has 16 bits.
const listSize = 1 << 15

// elementMessages are the messages that add or delete elements of a set, which has a number
// when it has no name yet.
func elementMessages(kind uint16, set string, id uint32, k Kind, list []Element) []wire.Message {
	var out []wire.Message
	for i := 0; i < len(list); {
		b := start(listSize + 1024 + len(set))
		b = appendText(b, netlink.ElementListTable, nft.Name)
		b = appendText(b, netlink.ElementListSet, set)
		if id != 0 {
			b = appendRaw(b, unix.NFTA_SET_ELEM_LIST_SET_ID, binary.BigEndian.AppendUint32(nil, id))
		}
		at := len(b)
		b = appendRaw(b, netlink.ElementListElements|unix.NLA_F_NESTED, "")
		for ; i < len(list) && len(b)-at < listSize; i++ {
			b = appendElement(b, k, list[i])
		}
		out = append(out, message(kind, 0, closeRaw(b, at)))
	}
	return out
}

// nameOrder says of a set of interfaces that its keys are in the order of the host, for nft,
// which lists empty names otherwise. The library says the order of the network of all sets
// without a name.
func nameOrder(m wire.Message) {
	if m.Header.Type&0xff != unix.NFT_MSG_NEWSET {
		return
	}
	attrs := m.Data[nfgenmsg:]
	if netlink.Number(netlink.Attr(attrs, netlink.SetKeyType)) != uint64(nftables.TypeIFName.GetNFTMagic()) {
		return
	}
	order := userdata.AppendUint32(nil, userdata.NFTNL_UDATA_SET_KEYBYTEORDER, hostOrder)
	copy(netlink.Attr(attrs, netlink.SetUserData), order)
}

// nfgenmsg is the size of struct nfgenmsg, before the attributes, and hostOrder is nft's
// BYTEORDER_HOST_ENDIAN.
const (
	nfgenmsg  = 4
	hostOrder = 1
)

// encodeChange gives one change to the library, which makes it one message.
func encodeChange(c *nftables.Conn, change Change) error {
	switch x := change.(type) {
	case AddTable:
		table := *ours
		if x.Asleep {
			table.Flags = tableDormant
		}
		c.AddTable(&table)
	case DeleteTable:
		c.DelTable(ours)
	case AddLimit:
		e, err := limitExpr(x.Limit.Rate, x.Limit.Burst)
		if err == nil {
			err = checkName(x.Limit.Name)
		}
		if err != nil {
			return err
		}
		c.AddObj(&nftables.NamedObj{Table: ours, Name: x.Limit.Name, Type: nftables.ObjTypeLimit, Obj: e})
	case DeleteLimit:
		c.DeleteObject(&nftables.NamedObj{Table: ours, Name: x.Name, Type: nftables.ObjTypeLimit})
	case DeleteObject:
		c.DeleteObject(&nftables.NamedObj{Table: ours, Name: x.Object.Name, Type: nftables.ObjType(x.Object.Type)})
	case AddSet:
		set, err := setOf(x.Set)
		if err != nil {
			return err
		}
		return c.AddSet(set, nil)
	case DeleteSet:
		c.DelSet(&nftables.Set{Table: ours, Name: x.Name})
	case AddChain:
		if err := checkName(x.Name); err != nil {
			return err
		}
		chain := &nftables.Chain{Table: ours, Name: x.Name}
		if h := x.Hook; h != nil {
			policy, err := policyOf(x.Policy)
			if err != nil {
				return err
			}
			hook, priority := nftables.ChainHook(h.Number), nftables.ChainPriority(h.Priority)
			chain.Type, chain.Hooknum, chain.Priority, chain.Policy = nftables.ChainType(h.Type), &hook, &priority, policy
		}
		c.AddChain(chain)
	case SetPolicy:
		policy, err := policyOf(x.Policy)
		if err != nil {
			return err
		}
		c.AddChain(&nftables.Chain{Table: ours, Name: x.Name, Policy: policy})
	case DeleteChain:
		c.DelChain(&nftables.Chain{Table: ours, Name: x.Name})
	case FlushChain:
		c.FlushChain(&nftables.Chain{Table: ours, Name: x.Name})
	case DeleteRule:
		return c.DelRule(&nftables.Rule{Table: ours, Chain: &nftables.Chain{Table: ours, Name: x.Chain}, Handle: x.Handle})
	default:
		return errors.New("nobody knows that change")
	}
	return nil
}

func policyOf(v ruleset.Verdict) (*nftables.ChainPolicy, error) {
	policy, ok := map[ruleset.Verdict]nftables.ChainPolicy{ruleset.Accept: nftables.ChainPolicyAccept, ruleset.Drop: nftables.ChainPolicyDrop}[v]
	if !ok {
		return nil, fmt.Errorf("%s is no policy", v)
	}
	return &policy, nil
}

// checkElements finds what a set cannot have, and says its kind.
func checkElements(s SetSpec, list []Element) (Kind, error) {
	kind, err := kindOf(s)
	if err == nil {
		err = checkKeys(kind, list)
	}
	return kind, err
}

func checkKeys(k Kind, list []Element) error {
	for i := range list {
		if err := checkElement(k, list[i]); err != nil {
			return err
		}
	}
	return nil
}

// A failure is the first thing that the kernel refuses.
type failure struct {
	message int // index; 0 is the begin of the transaction, -1 is unknown
	errno   unix.Errno
	text    string // what the kernel says to it; "" for nothing
	offset  int    // of the attribute that it is about, from the message's header on; 0 for unknown
}

// send sends messages as one batch. Without a failure and an error, the batch is in force:
// the kernel has worked it off when the call is back, and answers only what it refuses.
func (k *Kernel) send(messages []wire.Message) (*failure, error) {
	size := 0
	for _, m := range messages {
		size += unix.SizeofNlMsghdr + align(len(m.Data))
	}
	if err := k.enlarge(size); err != nil {
		return nil, err
	}
	first := k.seq + 1
	k.seq += uint32(len(messages))
	if _, err := unix.SendmsgBuffers(k.socket, pieces(messages, first), nil, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}, 0); err != nil {
		if errors.Is(err, unix.EMSGSIZE) {
			err = fmt.Errorf("%w: the batch has %d bytes; it must go at once, so run as root of the machine or raise net.core.wmem_max", err, size)
		}
		return nil, err
	}
	var failed *failure
	lost := false
	for {
		n, _, err := unix.Recvfrom(k.socket, k.answer, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS): // more was refused than there is room to say
			lost = true
			continue
		case errors.Is(err, unix.EAGAIN):
			if failed == nil && lost {
				return nil, errors.New("the kernel's answer is lost")
			}
			return failed, nil
		case err != nil:
			return failed, err
		}
		for _, f := range failures(k.answer[:n], first, len(messages)) {
			if failed == nil {
				failed = &f
			}
		}
	}
}

// largePiece is from how many bytes on the data of a message is sent from where it is, and
// manyPieces how many such messages there may be: the kernel takes 1024 pieces at most (UIO_MAXIOV).
const (
	largePiece = 1 << 14
	manyPieces = 500
)

// pieces are messages as they are sent, one behind another, numbered from first on.
func pieces(messages []wire.Message, first uint32) [][]byte {
	size, large := 0, 0
	for _, m := range messages {
		if len(m.Data) >= largePiece {
			large++
		}
	}
	stays := func(m *wire.Message) bool { return len(m.Data) >= largePiece && large <= manyPieces }
	for i := range messages {
		size += unix.SizeofNlMsghdr + align(len(messages[i].Data))
		if stays(&messages[i]) {
			size -= len(messages[i].Data)
		}
	}
	var out [][]byte
	b := make([]byte, 0, size) // of the small ones and of headers, what is not in a piece yet
	for i := range messages {
		m := &messages[i]
		b = binary.NativeEndian.AppendUint32(b, uint32(unix.SizeofNlMsghdr+len(m.Data)))
		b = binary.NativeEndian.AppendUint16(b, uint16(m.Header.Type))
		b = binary.NativeEndian.AppendUint16(b, uint16(m.Header.Flags))
		b = binary.NativeEndian.AppendUint32(b, first+uint32(i))
		b = append(b, 0, 0, 0, 0)
		if stays(m) {
			out, b = append(out, b, m.Data), b[len(b):]
		} else {
			b = append(b, m.Data...)
		}
		for range align(len(m.Data)) - len(m.Data) {
			b = append(b, 0)
		}
	}
	return append(out, b)
}

func align(n int) int { return (n + 3) &^ 3 }

// enlarge makes room for a batch of some bytes, all of which the kernel takes at once. The
// first call works for root of the machine, the second within what is allowed to everybody.
func (k *Kernel) enlarge(size int) error {
	const overhead = 4096
	if have, err := unix.GetsockoptInt(k.socket, unix.SOL_SOCKET, unix.SO_SNDBUF); err != nil || have >= size+overhead {
		return err
	}
	if unix.SetsockoptInt(k.socket, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size+overhead) == nil {
		return nil
	}
	return unix.SetsockoptInt(k.socket, unix.SOL_SOCKET, unix.SO_SNDBUF, size+overhead)
}

// The attributes of an error message: NLMSGERR_ATTR_*.
const (
	errorText   = 1
	errorOffset = 2
	headerError = unix.SizeofNlMsghdr + 4 // struct nlmsgerr: the number and the header of the message
)

// failures are what an answer refuses of the messages whose numbers begin with first.
func failures(b []byte, first uint32, messages int) []failure {
	var out []failure
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			break
		}
		header, body := b[:unix.SizeofNlMsghdr], b[unix.SizeofNlMsghdr:size]
		b = b[min(align(size), len(b)):]
		if binary.NativeEndian.Uint16(header[4:]) != unix.NLMSG_ERROR || len(body) < headerError {
			continue
		}
		errno := -int32(binary.NativeEndian.Uint32(body))
		at := int64(binary.NativeEndian.Uint32(header[8:])) - int64(first)
		if errno <= 0 || at < -1 {
			continue
		}
		f := failure{message: int(at), errno: unix.Errno(errno)}
		if at >= int64(messages) || at < 0 {
			f.message = -1
		}
		flags, rest := binary.NativeEndian.Uint16(header[6:]), body[headerError:]
		if flags&unix.NLM_F_CAPPED == 0 { // the message itself comes first
			rest = rest[min(align(int(max(binary.NativeEndian.Uint32(body[4:]), unix.SizeofNlMsghdr)-unix.SizeofNlMsghdr)), len(rest)):]
		}
		if flags&unix.NLM_F_ACK_TLVS != 0 {
			f.text = netlink.Text(netlink.Attr(rest, errorText))
			if v := netlink.Attr(rest, errorOffset); len(v) == 4 {
				f.offset = int(binary.NativeEndian.Uint32(v))
			}
		}
		out = append(out, f)
	}
	return out
}

// features are the expressions that a kernel may lack, with what has them. The others came
// with nf_tables itself.
var features = map[string]string{
	"ct":        "connection tracking in rules (nft_ct)",
	"notrack":   "exceptions from connection tracking (nft_ct)",
	"limit":     "limits (nft_limit)",
	"log":       "logging (nft_log)",
	"connlimit": "limits of connections (nft_connlimit)",
	"objref":    "limits that rules share (nft_objref)",
}

// explain says in words what the kernel refuses, and why. It takes the change that the
// failure is about, nil for the transaction as a whole, and its message.
func (f *failure) explain(change Change, message []byte) error {
	var err error = f.errno
	if f.errno == unix.EOPNOTSUPP && change == nil || f.errno == unix.EPROTONOSUPPORT {
		return fmt.Errorf("changing the tables of the kernel: %w", netlink.ErrNone)
	}
	if f.errno == unix.ERESTART {
		return ErrChanged
	}
	if feature := f.feature(change, message); feature != "" {
		err = &Unsupported{feature, err}
	} else if why := reasons[f.errno]; why != "" {
		err = fmt.Errorf("%s (%w)", why, err)
	}
	if f.text != "" {
		err = fmt.Errorf("%w: %s", err, f.text)
	}
	if change == nil {
		return fmt.Errorf("changing the tables of the kernel: %w", err)
	}
	return fmt.Errorf("%s: %w", words(change), err)
}

// reasons are what the kernel means by its numbers when it refuses a change to a table.
var reasons = map[unix.Errno]string{
	unix.EEXIST:    "it is there already, or meets what is there",
	unix.ENOENT:    "it or what it names is not there",
	unix.EBUSY:     "something else still needs it, or it is of another kind already",
	unix.EPERM:     "only an administrator of this network namespace may do that, and no other program may own the table",
	unix.ENFILE:    "the set is full",
	unix.ENOSPC:    "the set is full",
	unix.ELOOP:     "chains lead in a circle",
	unix.EMLINK:    "chains lead in a circle, or too deep",
	unix.ENOMEM:    "the kernel has no memory for it",
	unix.EINVAL:    "the kernel does not understand it",
	unix.ERANGE:    "a number in it is out of range",
	unix.EOVERFLOW: "a number in it is out of range",
}

// feature is what the kernel lacks when that is why it refuses a change, and "" otherwise. A
// kind of expression, object or chain that it does not know is ENOENT, as is an object that
// an expression names and that is not there, so then both are said. Sets that it cannot keep
// are EOPNOTSUPP.
func (f *failure) feature(change Change, message []byte) string {
	switch f.errno {
	case unix.EAFNOSUPPORT:
		return "tables for IPv4 and IPv6 together (NF_TABLES_INET)"
	case unix.EOPNOTSUPP:
		switch x := change.(type) {
		case AddSet:
			return map[SetWhat]string{
				Addresses: "sets of ranges (nft_set_rbtree)", Ports: "maps of ranges (nft_set_rbtree)", PacketMeter: "sets that packets fill (nft_set_hash)",
				ConnectionsMeter: "sets that packets fill (nft_set_hash)", Unconfirmed: "sets that forget (nft_set_hash)",
			}[x.Set.What]
		case AddChain:
			return "chains of the type " + fmt.Sprintf("%q", chainType(x)) + " (nft_chain_filter)"
		case AddRule: // of a set that it brings along
			if len(f.expressions(message)) == 0 {
				return "sets of rules (nft_set_hash, nft_set_rbtree)"
			}
		}
	case unix.ENOENT:
		switch x := change.(type) {
		case AddLimit:
			return features["limit"]
		case AddChain:
			if x.Hook != nil {
				return "chains of the type " + fmt.Sprintf("%q", x.Hook.Type) + " (nft_chain_filter)"
			}
		case AddRule:
			for _, name := range f.expressions(message) {
				feature := features[name]
				switch {
				case feature == "":
				case name == "objref" && x.Line.Limit != nil:
					return feature + ", or limit " + x.Line.Limit.Name
				case x.Line.Meter != nil && name == "limit":
					return feature + ", or set " + x.Line.Meter.Name
				case x.Line.Connections != nil && name == "connlimit":
					return feature + ", or set " + x.Line.Connections.Name
				default:
					return feature
				}
			}
		}
	}
	return ""
}

func chainType(c AddChain) string {
	if c.Hook == nil {
		return ""
	}
	return c.Hook.Type
}

// expressions are the names of the expressions that a failed rule may have failed for: the
// one that the kernel points at, with what is inside it, or all of them when it points at none.
func (f *failure) expressions(message []byte) []string {
	if len(message) < nfgenmsg {
		return nil
	}
	var all []string
	for kind, at := range places(message, nfgenmsg) {
		if kind != netlink.RuleExpressions {
			continue
		}
		for _, inside := range places(message[:at.end], at.begin+4) {
			names := expressionNames(message[inside.begin+4 : inside.end])
			if unix.SizeofNlMsghdr+inside.begin == f.offset {
				return names
			}
			all = append(all, names...)
		}
	}
	return all
}

// A place is where an attribute begins, with its header, and where its data end.
type place struct{ begin, end int }

// places are the attributes in b from a place on, by their kinds.
func places(b []byte, at int) iter.Seq2[uint16, place] {
	return func(yield func(uint16, place) bool) {
		for kind, data := range netlink.Attrs(b[at:]) {
			end := at + 4 + len(data)
			if !yield(kind, place{at, end}) {
				return
			}
			at = align(end)
		}
	}
}

// expressionNames are the name of an expression and of those inside it.
func expressionNames(e []byte) []string {
	name := netlink.Text(netlink.Attr(e, netlink.ExpressionName))
	out := []string{name}
	if name == "dynset" {
		data := netlink.Attr(e, netlink.ExpressionData)
		if one := netlink.Attr(data, unix.NFTA_DYNSET_EXPR); one != nil {
			out = append(out, expressionNames(one)...)
		}
	}
	return out
}

// words say a change.
func words(c Change) string {
	switch x := c.(type) {
	case AddTable:
		if x.Asleep {
			return "adding the table, asleep"
		}
		return "adding the table, or waking it up"
	case DeleteTable:
		return "deleting the table"
	case AddLimit:
		return "adding limit " + x.Limit.Name
	case DeleteLimit:
		return "deleting limit " + x.Name
	case DeleteObject:
		return "deleting " + x.Object.String()
	case AddSet:
		return "adding set " + x.Set.Name
	case DeleteSet:
		return "deleting set " + x.Name
	case AddElements:
		return "adding elements to set " + x.Set.Name
	case DeleteElements:
		return "deleting elements of set " + x.Set.Name
	case AddChain:
		return "adding chain " + x.Name
	case SetPolicy:
		return "setting the policy of chain " + x.Name
	case DeleteChain:
		return "deleting chain " + x.Name
	case FlushChain:
		return "emptying chain " + x.Name
	case AddRule:
		if x.Line.Comment != "" {
			return fmt.Sprintf("adding rule %q to chain %s", x.Line.Comment, x.Chain)
		}
		return "adding a rule to chain " + x.Chain
	case DeleteRule:
		return fmt.Sprintf("deleting the rule with handle %d of chain %s", x.Handle, x.Chain)
	}
	return fmt.Sprintf("%T", c)
}
