package apply

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"portolan/internal/netlink"
	"portolan/internal/ruleset"
)

// Decode is what the kernel said of the table.
func Decode(raw *netlink.Table) *State {
	s := &State{
		Generation: raw.Generation, Exists: raw.Exists, Raw: raw,
		Limits: map[string]*Limit{}, Sets: map[string]*Set{}, Chains: map[string]*Chain{},
	}
	for _, o := range raw.Objects {
		name := netlink.Text(netlink.Attr(o, netlink.ObjectName))
		if kind := netlink.Number(netlink.Attr(o, netlink.ObjectType)); kind != objectLimit {
			s.Strange = append(s.Strange, Object{name, uint32(kind)})
			continue
		}
		s.Limits[name] = &Limit{name, canonical(netlink.Attr(o, netlink.ObjectData))}
	}
	for _, m := range raw.Sets {
		set := decodeSet(m)
		if !set.Kind.dynamic() {
			set.Elements = decodeElements(set.Kind, raw.Elements[set.Name])
		}
		s.Sets[set.Name] = set
	}
	for _, m := range raw.Chains {
		c := decodeChain(m)
		s.Chains[c.Name] = c
	}
	for _, m := range raw.Rules {
		if c := s.Chains[netlink.Text(netlink.Attr(m, netlink.RuleChain))]; c != nil {
			c.Rules = append(c.Rules, decodeRule(m))
		}
	}
	slices.SortFunc(s.Strange, func(a, b Object) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type)) })
	return s
}

// objectLimit is NFT_OBJECT_LIMIT.
const objectLimit = 4

// canonical are attributes in one form whoever wrote them: without their flags, in the order
// of their kinds, lists in their own order.
func canonical(b []byte) string {
	type attr struct {
		kind uint16
		data string
	}
	var attrs []attr
	for kind, data := range netlink.Attrs(b) {
		attrs = append(attrs, attr{kind, string(data)})
	}
	slices.SortStableFunc(attrs, func(a, b attr) int { return cmp.Compare(a.kind, b.kind) })
	var out []byte
	for _, a := range attrs {
		out = appendAttr(out, a.kind, a.data)
	}
	return string(out)
}

// appendAttr appends one attribute in canonical form: kind, length, data.
func appendAttr(b []byte, kind uint16, data string) []byte {
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

func decodeSet(m []byte) *Set {
	number := func(kind uint16) uint32 { return uint32(netlink.Number(netlink.Attr(m, kind))) }
	s := &Set{
		Name:    netlink.Text(netlink.Attr(m, netlink.SetName)),
		Comment: netlink.Comment(netlink.Attr(m, netlink.SetUserData), setComment),
		Kind: Kind{
			KeyType: number(netlink.SetKeyType), KeyLength: number(netlink.SetKeyLength), DataType: number(netlink.SetDataType), Flags: number(netlink.SetFlags),
			Timeout: time.Duration(netlink.Number(netlink.Attr(m, netlink.SetTimeout))) * time.Millisecond,
		},
	}
	if s.Kind.dynamic() {
		s.Kind.Size = uint32(netlink.Number(netlink.Attr(netlink.Attr(m, netlink.SetDescription), netlink.SetSize)))
	}
	for _, kind := range []uint16{netlink.SetExpression, netlink.SetExpressions} {
		s.Kind.Expressions += string(netlink.Attr(m, kind))
	}
	return s
}

// setComment is NFTNL_UDATA_SET_COMMENT.
const setComment = 7

// intervalEnd is NFT_SET_ELEM_INTERVAL_END.
const intervalEnd = 1

// decodeElements puts the elements of a set together. Those of an interval set come as the
// starts of ranges and, as elements of their own, the first keys behind them.
func decodeElements(k Kind, list [][]byte) []Element {
	var out []Element
	var ends []string
	for _, b := range list {
		key := string(netlink.Attr(netlink.Attr(b, netlink.ElementKey), netlink.DataValue))
		if netlink.Number(netlink.Attr(b, netlink.ElementFlags))&intervalEnd != 0 {
			ends = append(ends, key)
			continue
		}
		milliseconds := func(kind uint16) time.Duration {
			return time.Duration(netlink.Number(netlink.Attr(b, kind))) * time.Millisecond
		}
		e := Element{
			First: key, Last: key, Comment: netlink.Comment(netlink.Attr(b, netlink.ElementUserData), 0),
			Timeout: milliseconds(netlink.ElementTimeout), Expires: milliseconds(netlink.ElementExpiration),
		}
		if end := netlink.Attr(b, netlink.ElementKeyEnd); end != nil {
			e.Last = string(netlink.Attr(end, netlink.DataValue))
		}
		if data := netlink.Attr(b, netlink.ElementData); data != nil {
			verdict := netlink.Attr(data, netlink.DataVerdict)
			e.Jump = netlink.Text(netlink.Attr(verdict, netlink.VerdictChain))
			e.Data = elementData(data, verdict)
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Element) int { return cmp.Compare(a.First, b.First) })
	if k.Flags&flagInterval == 0 {
		return out
	}
	slices.Sort(ends)
	next := 0
	for i := range out {
		for next < len(ends) && ends[next] <= out[i].First {
			next++
		}
		limit := strings.Repeat("\xff", len(out[i].First)) // a range without an end
		if next < len(ends) {
			limit = before(ends[next])
		}
		if i+1 < len(out) { // one that the next range ends
			limit = min(limit, before(out[i+1].First))
		}
		out[i].Last = limit
	}
	return out
}

// elementData is what an element leads to: its verdict with the chain, or its value.
func elementData(data, verdict []byte) string {
	if verdict == nil {
		return "value " + string(netlink.Attr(data, netlink.DataValue))
	}
	code := int32(netlink.Number(netlink.Attr(verdict, netlink.VerdictCode)))
	return fmt.Sprintf("verdict %d %s", code, netlink.Text(netlink.Attr(verdict, netlink.VerdictChain)))
}

// before is the key before another one of the same length.
func before(key string) string {
	b := []byte(key)
	for i := len(b) - 1; i >= 0; i-- {
		b[i]--
		if b[i] != 0xff {
			break
		}
	}
	return string(b)
}

func decodeChain(m []byte) *Chain {
	c := &Chain{Name: netlink.Text(netlink.Attr(m, netlink.ChainName))}
	hook := netlink.Attr(m, netlink.ChainHook)
	if hook == nil {
		return c
	}
	c.Hook = &Hook{
		Type:     netlink.Text(netlink.Attr(m, netlink.ChainType)),
		Number:   uint32(netlink.Number(netlink.Attr(hook, netlink.HookNumber))),
		Priority: int32(netlink.Number(netlink.Attr(hook, netlink.HookPriority))),
	}
	c.Policy = ruleset.Drop
	if netlink.Number(netlink.Attr(m, netlink.ChainPolicy)) == 1 { // NF_ACCEPT
		c.Policy = ruleset.Accept
	}
	return c
}

func decodeRule(m []byte) Rule {
	r := codeOf(netlink.Attr(m, netlink.RuleExpressions))
	r.Handle = netlink.Number(netlink.Attr(m, netlink.RuleHandle))
	r.Comment = netlink.Comment(netlink.Attr(m, netlink.RuleUserData), 0)
	return r
}
