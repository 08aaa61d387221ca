package netlink

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// ErrChanging says that the tables changed as often as they were read.
var ErrChanging = errors.New("the tables of the kernel do not stand still for long enough to be read")

// ErrNone says that the kernel has no nftables.
var ErrNone = errors.New("the kernel has no nf_tables, or its module cannot be loaded")

// attempts bounds how often something is read that changes meanwhile, and pause is how long is
// waited before the next time.
const (
	attempts = 50
	pause    = 2 * time.Millisecond
)

// pieceSize is how much the kernel answers at a time at most, however large the buffer is
// (netlink_recvmsg in net/netlink/af_netlink.c). It walks a set anew for each piece, so the buffer
// is not smaller.
const pieceSize = 1 << 15

// inet is NFPROTO_INET.
const inet = 1

// A Conn asks the kernel of one network namespace.
type Conn struct {
	asker
	second asker // asks at the same time
}

// An asker has one question at a time answered.
type asker struct {
	socket int
	seq    uint32
	buffer []byte // for the piece that comes
}

// Open makes a connection to the kernel of the namespace of the calling thread. An error
// wraps ErrNone where there is no nftables, and os.ErrPermission for who is not root there.
func Open() (*Conn, error) {
	c := &Conn{asker: asker{socket: -1}, second: asker{socket: -1}}
	for _, a := range []*asker{&c.asker, &c.second} {
		if err := a.open(); err != nil {
			return nil, errors.Join(fmt.Errorf("asking the kernel for its tables: %w", err), c.Close())
		}
	}
	return c, nil
}

func (a *asker) open() (err error) {
	a.socket, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		return ErrNone
	}
	if err == nil {
		err = unix.SetsockoptTimeval(a.socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 30})
	}
	if err == nil {
		err = unix.Bind(a.socket, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	return err
}

// Close ends the connection.
func (c *Conn) Close() error { return errors.Join(c.asker.close(), c.second.close()) }

func (a *asker) close() error {
	if a.socket < 0 { // it was not opened
		return nil
	}
	return unix.Close(a.socket)
}

// attr appends a text attribute.
func attr(b []byte, kind uint16, text string) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(text)+1))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(append(b, text...), 0)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// A message is one object that an answer tells of.
type message struct {
	family byte
	attrs  []byte
}

// An answer are messages one behind the other, in pieces of memory that nobody writes to again.
type answer [][]byte

// headerSize is that of the two headers before the attributes of a message.
const headerSize = unix.SizeofNlMsghdr + 4

// messages are those of the answer, in order.
func (a answer) messages() iter.Seq[message] {
	return func(yield func(message) bool) {
		for _, piece := range a {
			for len(piece) > 0 {
				size := int(binary.NativeEndian.Uint32(piece))
				if !yield(message{piece[unix.SizeofNlMsghdr], piece[headerSize:size:size]}) {
					return
				}
				piece = piece[size:]
			}
		}
	}
}

// errTorn says that what was read changed meanwhile.
var errTorn = errors.New("torn")

var errCut = errors.New("an answer that is cut off")

// ask sends a question and waits for all of the answer. That to a dump that changed meanwhile is
// errTorn.
func (c *asker) ask(kind uint8, flags uint16, family byte, attrs []byte) (answer, error) {
	c.seq++
	b := binary.NativeEndian.AppendUint32(nil, uint32(headerSize+len(attrs)))
	b = binary.NativeEndian.AppendUint16(b, unix.NFNL_SUBSYS_NFTABLES<<8|uint16(kind))
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = binary.NativeEndian.AppendUint32(b, c.seq)
	b = append(b, 0, 0, 0, 0, family, unix.NFNETLINK_V0, 0, 0)
	b = append(b, attrs...)
	if err := unix.Sendto(c.socket, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	if c.buffer == nil {
		c.buffer = make([]byte, pieceSize)
	}
	var all answer
	torn := false
	for {
		n, _, err := unix.Recvfrom(c.socket, c.buffer, unix.MSG_TRUNC)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, err
		case n > len(c.buffer):
			return nil, fmt.Errorf("an answer of %d bytes, which is too long", n)
		}
		piece := make([]byte, 0, n) // what it says of objects
		for came := c.buffer[:n]; len(came) > 0; {
			if len(came) < unix.SizeofNlMsghdr {
				return nil, errCut
			}
			size := int(binary.NativeEndian.Uint32(came))
			if size < headerSize || size > len(came) {
				return nil, errCut
			}
			m := came[:size]
			came = came[min((size+3)&^3, len(came)):]
			if binary.NativeEndian.Uint32(m[8:]) != c.seq { // of a question that was given up
				continue
			}
			torn = torn || binary.NativeEndian.Uint16(m[6:])&unix.NLM_F_DUMP_INTR != 0
			switch kind := binary.NativeEndian.Uint16(m[4:]); {
			case kind == unix.NLMSG_DONE || kind == unix.NLMSG_ERROR:
				if code := int32(binary.NativeEndian.Uint32(m[unix.SizeofNlMsghdr:])); code != 0 {
					return nil, unix.Errno(-code)
				}
				if torn {
					return nil, errTorn
				}
				return append(all, piece), nil
			case kind>>8 == unix.NFNL_SUBSYS_NFTABLES:
				piece = append(piece, m...)
				if flags&(unix.NLM_F_DUMP|unix.NLM_F_ACK) == 0 {
					return answer{piece}, nil
				}
			}
		}
		all = append(all, piece)
	}
}

// Generation is the number of the last change to the tables of the namespace, whoever made
// it. It is never 0.
func (c *Conn) Generation() (uint32, error) {
	var id uint32
	said, err := c.ask(unix.NFT_MSG_GETGEN, 0, unix.AF_UNSPEC, nil)
	for m := range said.messages() {
		id = uint32(Number(Attr(m.attrs, 1)))
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		err = ErrNone
	}
	if err == nil && id == 0 {
		err = errors.New("it does not say which change was the last")
	}
	if err != nil {
		return 0, fmt.Errorf("asking the kernel for its tables: %w", err)
	}
	return id, nil
}

// Moment names a generation of the namespace, on one line: no other one has the name, in no other
// namespace and at no other start of the machine. Nothing that is a part of a table changes without a
// new generation, but for what time and packets do: elements that expire or that packets add, and
// counters. It is "" where the kernel does not tell namespaces apart, before Linux 5.14.
func (c *Conn) Moment(generation uint32) string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	// Of the namespace that the socket is in, wherever this thread may be by now.
	cookie, err := unix.GetsockoptUint64(c.socket, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil || cookie == 0 {
		return ""
	}
	return fmt.Sprintf("start %s namespace %d generation %d", bytes.TrimSpace(boot), cookie, generation)
}

// still reads between two equal generations, again and again if need be.
func (c *Conn) still(read func(generation uint32) error) error {
	for i := range attempts {
		if i > 0 {
			time.Sleep(pause)
		}
		before, err := c.Generation()
		if err != nil {
			return err
		}
		if err = read(before); err != nil && !errors.Is(err, errTorn) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("reading the tables of the kernel: %w", err)
		}
		after, errAfter := c.Generation()
		if errAfter != nil {
			return errAfter
		}
		if before == after && err == nil {
			return nil
		}
	}
	return ErrChanging
}

// Read is all of the table of the family inet that has the name, at one moment.
func (c *Conn) Read(name string) (*Table, error) {
	var t *Table
	err := c.still(func(generation uint32) error {
		t = &Table{Generation: generation, Elements: map[string][][]byte{}}
		named := attr(nil, 1, name)
		table, err := c.ask(unix.NFT_MSG_GETTABLE, 0, inet, named)
		switch {
		case errors.Is(err, unix.ENOENT):
			return nil
		case err != nil:
			return err
		}
		for m := range table.messages() {
			t.Exists, t.Flags = true, uint32(Number(Attr(m.attrs, TableFlags)))
		}
		list := func(kind uint8, into *[][]byte) func(*asker) error {
			return func(a *asker) (err error) {
				*into, err = a.list(kind, named, name)
				return err
			}
		}
		if err := list(unix.NFT_MSG_GETSET, &t.Sets)(&c.asker); err != nil {
			return err
		}
		parts := []func(*asker) error{list(unix.NFT_MSG_GETRULE, &t.Rules), list(unix.NFT_MSG_GETCHAIN, &t.Chains), list(unix.NFT_MSG_GETOBJ, &t.Objects)}
		elements := make([][][]byte, len(t.Sets))
		for i, s := range t.Sets {
			parts = append(parts, func(a *asker) (err error) {
				elements[i], err = a.elements(inet, attr(named[:len(named):len(named)], ElementListSet, Text(Attr(s, SetName))))
				return err
			})
		}
		err = c.both(parts)
		for i, s := range t.Sets {
			t.Elements[Text(Attr(s, SetName))] = elements[i]
		}
		return err
	})
	return t, err
}

// Chains are the chains of all tables, with their rules, at one moment. The table of the family
// inet that has the name but is left out, and its rules are not asked for; "" leaves out none.
func (c *Conn) Chains(but string) ([]Chain, error) {
	var chains []Chain
	err := c.still(func(uint32) error {
		chains = nil
		type place struct {
			family      byte
			table, name string
		}
		at, dormant := map[place]int{}, map[place]bool{}
		var tables []place
		said, err := c.ask(unix.NFT_MSG_GETTABLE, unix.NLM_F_DUMP, unix.AF_UNSPEC, nil)
		for m := range said.messages() {
			if t := (place{m.family, Text(Attr(m.attrs, TableName)), ""}); t.family != inet || t.table != but {
				tables = append(tables, t)
				dormant[t] = Number(Attr(m.attrs, TableFlags))&1 != 0
			}
		}
		if err != nil || len(tables) == 0 {
			return err
		}
		if said, err = c.ask(unix.NFT_MSG_GETCHAIN, unix.NLM_F_DUMP, unix.AF_UNSPEC, nil); err != nil {
			return err
		}
		for m := range said.messages() {
			if m.family == inet && string(Name(Attr(m.attrs, ChainTable))) == but {
				continue
			}
			p := place{m.family, Text(Attr(m.attrs, ChainTable)), Text(Attr(m.attrs, ChainName))}
			at[p] = len(chains)
			chains = append(chains, Chain{Family: p.family, Table: p.table, Name: p.name, Dormant: dormant[place{p.family, p.table, ""}], Attrs: m.attrs})
		}
		for _, t := range tables {
			if said, err = c.ask(unix.NFT_MSG_GETRULE, unix.NLM_F_DUMP, t.family, attr(nil, RuleTable, t.table)); err != nil {
				return err
			}
			for m := range said.messages() {
				if m.family != t.family || Text(Attr(m.attrs, RuleTable)) != t.table { // of a kernel that lists all of them
					continue
				}
				if i, ok := at[place{m.family, t.table, Text(Attr(m.attrs, RuleChain))}]; ok {
					chains[i].Rules = append(chains[i].Rules, m.attrs)
				}
			}
		}
		return nil
	})
	return chains, err
}

// Set is a set or map of any table with its elements, at one moment. attrs is nil when there
// is none.
func (c *Conn) Set(family byte, table, name string) (attrs []byte, elements [][]byte, err error) {
	named := attr(attr(nil, SetTable, table), SetName, name)
	err = c.still(func(uint32) error {
		attrs, elements = nil, nil
		set, err := c.ask(unix.NFT_MSG_GETSET, 0, family, named)
		switch {
		case errors.Is(err, unix.ENOENT):
			return nil
		case err != nil:
			return err
		}
		for m := range set.messages() {
			attrs = m.attrs
		}
		// NFTA_SET_ELEM_LIST_TABLE and _SET have the numbers of NFTA_SET_TABLE and _NAME.
		elements, err = c.elements(family, named)
		return err
	})
	return attrs, elements, err
}

// both has the parts of an answer asked for on both sockets, each where there is time for it. The
// error is that of the first part that has one.
func (c *Conn) both(parts []func(*asker) error) error {
	errs := make([]error, len(parts))
	var next atomic.Int64
	work := func(a *asker) {
		for i := int(next.Add(1)) - 1; i < len(parts); i = int(next.Add(1)) - 1 {
			errs[i] = parts[i](a)
		}
	}
	var wait sync.WaitGroup
	wait.Go(func() { work(&c.second) })
	work(&c.asker)
	wait.Wait()
	return cmp.Or(errs...)
}

// list are the objects of a kind in the table of the family inet that has the name.
func (a *asker) list(kind uint8, named []byte, table string) ([][]byte, error) {
	said, err := a.ask(kind, unix.NLM_F_DUMP, inet, named)
	return collect(func(yield func([]byte) bool) {
		for m := range said.messages() {
			if m.family == inet && string(Name(Attr(m.attrs, 1))) == table && !yield(m.attrs) {
				return
			}
		}
	}), err
}

// elements are those of the set that the attributes name.
func (a *asker) elements(family byte, named []byte) ([][]byte, error) {
	said, err := a.ask(unix.NFT_MSG_GETSETELEM, unix.NLM_F_DUMP, family, named)
	list := collect(func(yield func([]byte) bool) {
		for m := range said.messages() {
			for _, e := range Attrs(Attr(m.attrs, ElementListElements)) {
				if !yield(e) {
					return
				}
			}
		}
	})
	// The kernel says intervals from the last to the first. Who reads them has the less to sort.
	key := func(e []byte) []byte { return Attr(Attr(e, ElementKey), DataValue) }
	if n := len(list); n > 1 && bytes.Compare(key(list[0]), key(list[n-1])) > 0 {
		slices.Reverse(list)
	}
	return list, err
}

// collect is slices.Collect without memory for more than there is.
func collect(all iter.Seq[[]byte]) [][]byte {
	n := 0
	for range all {
		n++
	}
	return slices.AppendSeq(make([][]byte, 0, n), all)
}
