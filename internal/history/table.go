package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"reflect"

	"portolan/internal/addr"
	"portolan/internal/nft"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// The form of a table in a file. One walk over the table writes it and reads it, so the two
// cannot disagree: every field has its place, in the order of the functions below. A number
// is a varint of encoding/binary, a text is its length and its bytes, a list is its length
// and its elements, and an address is as netip.Addr writes it.
//
// encoding/json was measured first, with 10,000 services: it takes too long to read, and it
// changes text that is not UTF-8, which comments may have. encoding/gob leaves out in silence
// what an older program does not know.

// encodeTable is a table as bytes. The same table is the same bytes.
func encodeTable(t *nft.Table) []byte {
	c := &coder{out: make([]byte, 0, room(t))}
	c.table(t)
	return c.out
}

// room is about how many bytes a table takes, and seldom less: what has to grow is copied.
func room(t *nft.Table) int {
	n := 4096
	for _, s := range t.Sets {
		if s != nil {
			n += 34 * len(s.Elements)
		}
	}
	for _, m := range t.Maps {
		if m == nil {
			continue
		}
		for i := range m.Elements {
			n += 12 + len(m.Elements[i].Jump) + len(m.Elements[i].Comment)
		}
	}
	for _, x := range t.Chains {
		if x == nil {
			continue
		}
		n += 8 + len(x.Name)
		for i := range x.Rules {
			n += 64 + len(x.Rules[i].Comment)
		}
	}
	return n
}

// decodeTable is the table of bytes: all of it, or an error. A list without elements is nil.
func decodeTable(data string) (*nft.Table, error) {
	c := &coder{reads: true, in: data}
	t := &nft.Table{}
	c.table(t)
	if c.err == nil && c.in != "" {
		c.err = fmt.Errorf("%d bytes behind its end", len(c.in))
	}
	if c.err != nil {
		return nil, c.err
	}
	return t, nil
}

// A coder goes over a value and writes it, or reads it when reads is set; what it writes it leaves
// alone, because others look at it at the same time. After an error it reads nothing more.
type coder struct {
	reads bool
	out   []byte
	in    string // what is left; texts are parts of it, so that they are not copied
	err   error
}

var errShort = errors.New("it ends too early")

func (c *coder) table(t *nft.Table) {
	list(c, &t.Limits, c.limit)
	list(c, &t.Meters, c.meter)
	list(c, &t.Sets, func(s **nft.Set) { some(c, s, c.set) })
	list(c, &t.Maps, func(m **nft.Map) { some(c, m, c.portMap) })
	list(c, &t.Chains, func(x **nft.Chain) { some(c, x, c.chain) })
	list(c, &t.Bases, func(b **nft.Base) { some(c, b, c.base) })
}

func (c *coder) limit(l *nft.Limit) {
	c.text(&l.Name)
	c.rate(&l.Rate)
	c.number(&l.Burst)
}

func (c *coder) meter(m *nft.Meter) {
	c.text(&m.Name)
	c.number(&m.Family)
	c.rate(&m.Rate)
	c.number(&m.Burst)
	c.number(&m.Timeout)
	c.number(&m.Connections)
}

func (c *coder) rate(r *ruleset.Rate) {
	c.number(&r.Count)
	c.text(&r.Period)
}

func (c *coder) set(s *nft.Set) {
	c.text(&s.Name)
	c.number(&s.Family)
	list(c, &s.Elements, c.addresses)
}

func (c *coder) portMap(m *nft.Map) {
	c.text(&m.Name)
	list(c, &m.Elements, func(e *nft.Element) {
		c.ports(&e.Ports)
		c.text(&e.Jump)
		c.text(&e.Comment)
	})
}

func (c *coder) chain(x *nft.Chain) {
	c.text(&x.Name)
	list(c, &x.Rules, c.rule)
}

func (c *coder) base(b *nft.Base) {
	c.text(&b.Name)
	c.text(&b.Title)
	c.text(&b.Hook)
	c.text((*string)(&b.Priority))
	c.verdict(&b.Policy)
	list(c, &b.Rules, c.rule)
}

func (c *coder) rule(r *nft.Rule) {
	c.text(&r.Map)
	c.flag(&r.Out)
	list(c, &r.Interfaces, c.text)
	c.octet(&r.Proto)
	list(c, &r.SourcePorts, c.ports)
	list(c, &r.Ports, c.ports)
	list(c, &r.Protos, c.octet)
	c.octet((*uint8)(&r.States))
	c.number(&r.Family)
	some(c, &r.Peer, c.addresses)
	c.text(&r.Set)
	list(c, &r.Types, c.octet)
	c.number(&r.Count)
	some(c, &r.Connections, c.meter)
	some(c, &r.Meter, c.meter)
	some(c, &r.Limit, c.limit)
	some(c, &r.Log, func(l *ruleset.Log) {
		c.rate(&l.Rate)
		c.number(&l.Burst)
		c.text(&l.Prefix)
	})
	c.flag(&r.Notrack)
	c.verdict(&r.Verdict)
	c.text(&r.Jump)
	c.text(&r.Comment)
}

func (c *coder) verdict(v *ruleset.Verdict) {
	c.octet((*uint8)(v))
	if *v > ruleset.Continue { // it has no words
		c.fail(fmt.Errorf("verdict %d is not known", uint8(*v)))
	}
}

func (c *coder) ports(r *port.Range) {
	for _, p := range []*uint16{&r.First, &r.Last} {
		n := int(*p)
		c.number(&n)
		if n < 0 || n > port.Max {
			c.fail(fmt.Errorf("%d is no port", n))
		}
		if c.reads {
			*p = uint16(n)
		}
	}
}

func (c *coder) addresses(r *addr.Range) {
	for _, a := range []*netip.Addr{&r.First, &r.Last} {
		if !c.reads {
			var room [16]byte
			b, err := a.AppendBinary(room[:0])
			c.fail(err) // there is none
			c.size(len(b))
			c.out = append(c.out, b...)
			continue
		}
		var s string
		c.text(&s)
		c.fail(a.UnmarshalBinary([]byte(s)))
	}
}

// flag is one byte, 0 or 1.
func (c *coder) flag(b *bool) {
	var n uint8
	if *b {
		n = 1
	}
	c.octet(&n)
	if n > 1 {
		c.fail(fmt.Errorf("%d is neither yes nor no", n))
	}
	if c.reads {
		*b = n == 1
	}
}

func (c *coder) octet(n *uint8) {
	switch {
	case !c.reads:
		c.out = append(c.out, *n)
	case c.in == "":
		c.fail(errShort)
		*n = 0
	default:
		*n, c.in = c.in[0], c.in[1:]
	}
}

func (c *coder) number(n *int) {
	if !c.reads {
		c.out = binary.AppendVarint(c.out, int64(*n))
		return
	}
	var room [binary.MaxVarintLen64]byte
	v, used := binary.Varint(room[:copy(room[:], c.in)])
	if used <= 0 || int64(int(v)) != v {
		c.fail(errShort)
		*n = 0
		return
	}
	*n, c.in = int(v), c.in[used:]
}

// size writes n, or reads how many of something follow: never more than there are bytes, since
// each takes one at least.
func (c *coder) size(n int) int {
	c.number(&n)
	if c.reads && (n < 0 || n > len(c.in)) {
		c.fail(errShort)
		return 0
	}
	return n
}

func (c *coder) text(s *string) {
	n := c.size(len(*s))
	if !c.reads {
		c.out = append(c.out, *s...)
		return
	}
	*s, c.in = c.in[:n], c.in[n:]
}

// fail keeps the first error, and leaves nothing to read.
func (c *coder) fail(err error) {
	if err != nil && c.err == nil {
		c.err, c.in = err, ""
	}
}

// list goes over the elements of a list.
func list[T any](c *coder, l *[]T, each func(*T)) {
	n := c.size(len(*l))
	if !c.reads {
		for i := range *l {
			each(&(*l)[i])
		}
		return
	}
	if n == 0 {
		return
	}
	// The length is only what the file says: room is made for what may well be in its bytes, and for
	// more when there is more.
	out := make([]T, 0, min(n, 1+8*len(c.in)/int(reflect.TypeFor[T]().Size())))
	for i := range n {
		var zero T
		out = append(out, zero)
		each(&out[i])
		if c.err != nil {
			return
		}
	}
	*l = out
}

// some goes over what may be nil.
func some[T any](c *coder, p **T, each func(*T)) {
	there := *p != nil
	c.flag(&there)
	if !there {
		return
	}
	if c.reads {
		*p = new(T)
	}
	each(*p)
}
