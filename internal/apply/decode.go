package apply

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"portolan/internal/netlink"
	"portolan/internal/ruleset"
)

// Decode is what the kernel said of the table.
func Decode(raw *netlink.Table) *State {
	s := &State{
		Generation: raw.Generation, Exists: raw.Exists, Dormant: raw.Flags&tableDormant != 0, Raw: raw,
		Limits: map[string]*Limit{}, Sets: map[string]*Set{}, Chains: make(map[string]*Chain, len(raw.Chains)),
	}
	for _, o := range raw.Objects {
		name := netlink.Text(netlink.Attr(o, netlink.ObjectName))
		if kind := netlink.Number(netlink.Attr(o, netlink.ObjectType)); kind != objectLimit {
			s.Strange = append(s.Strange, Object{name, uint32(kind)})
			continue
		}
		s.Limits[name] = &Limit{name, limitOf(netlink.Attr(o, netlink.ObjectData))}
	}
	code := coder{anonymous: map[string]string{}, meters: map[string][]string{}}
	var named []*Set
	for _, m := range raw.Sets {
		set := decodeSet(m)
		if set.Kind.Flags&flagAnonymous != 0 {
			code.anonymous[set.Name] = content(set.Kind, code.elements(set.Kind, raw.Elements[set.Name]))
			continue
		}
		named = append(named, set)
		s.Sets[set.Name] = set
	}
	// Elements of sets with names are a half of the work, and rules the other one.
	var wait sync.WaitGroup
	wait.Go(func() {
		var code coder
		for _, set := range named {
			set.Elements = code.elements(set.Kind, raw.Elements[set.Name])
		}
	})
	chains := make([]Chain, len(raw.Chains)) // one piece of memory, as for all rules
	for i, m := range raw.Chains {
		chains[i] = code.chain(m)
		s.Chains[chains[i].Name] = &chains[i]
	}
	chainOf := func(m []byte) []byte { return netlink.Name(netlink.Attr(m, netlink.RuleChain)) }
	rules := make([]Rule, 0, len(raw.Rules))
	for list := raw.Rules; len(list) > 0; { // those of a chain stand together
		name, from := chainOf(list[0]), len(rules)
		c := s.Chains[string(name)]
		for ; len(list) > 0 && bytes.Equal(chainOf(list[0]), name); list = list[1:] {
			if c != nil {
				rules = append(rules, code.decode(list[0]))
			}
		}
		switch {
		case c == nil: // somebody took it away in this moment
		case c.Rules == nil:
			c.Rules = rules[from:len(rules):len(rules)]
		default:
			c.Rules = append(c.Rules, rules[from:]...)
		}
	}
	wait.Wait()
	for _, set := range s.Sets {
		if set.Kind.dynamic() {
			set.Elements = slices.DeleteFunc(set.Elements, func(e Element) bool { return madeByPackets(set.Kind, e, code.meters[set.Name]) })
		}
	}
	slices.SortFunc(s.Strange, func(a, b Object) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type)) })
	return s
}

// objectLimit is NFT_OBJECT_LIMIT, tableDormant NFT_TABLE_F_DORMANT and chainBinding
// NFT_CHAIN_BINDING.
const (
	objectLimit  = 4
	tableDormant = 1
	chainBinding = 4
)

// madeByPackets reports whether an element of a meter is like those that packets make: it
// does what one of the rules does that fill the set, and is forgotten after the time of the
// set. One that somebody added by hand can count to another number, or to none. Times are in
// units of the kernel's clock, which has at least a hundred of them in a second.
func madeByPackets(k Kind, e Element, fill []string) bool {
	return slices.Contains(fill, e.Code) && (e.Timeout == 0 || (e.Timeout-k.Timeout).Abs() <= 10*time.Millisecond)
}

func decodeSet(m []byte) *Set {
	number := func(kind uint16) uint32 { return uint32(netlink.Number(netlink.Attr(m, kind))) }
	s := &Set{
		Name:    netlink.Text(netlink.Attr(m, netlink.SetName)),
		Comment: netlink.Comment(netlink.Attr(m, netlink.SetUserData), setComment),
		Kind: Kind{
			KeyType: number(netlink.SetKeyType), KeyLength: number(netlink.SetKeyLength), DataType: number(netlink.SetDataType), Flags: number(netlink.SetFlags),
			Timeout: milliseconds(netlink.Attr(m, netlink.SetTimeout)),
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

// elements puts the elements of a set together. Those of an interval set come as the
// starts of ranges and, as elements of their own, the first keys behind them.
func (c *coder) elements(k Kind, list [][]byte) []Element {
	interval := k.Flags&flagInterval != 0
	n := len(list)
	ends := c.ends[:0]
	if interval { // most have a start and an end
		n = n/2 + 1
		ends = slices.Grow(ends, n)
	}
	out := make([]Element, 0, n)
	var to []byte // what the last element leads to, as neighbours often do
	var code, chain string
	for _, b := range list {
		var e Element
		end := false
		var key, last, data []byte
		for kind, v := range netlink.Attrs(b) {
			switch kind {
			case netlink.ElementKey:
				key = netlink.Attr(v, netlink.DataValue)
			case netlink.ElementKeyEnd:
				last = netlink.Attr(v, netlink.DataValue)
			case netlink.ElementData:
				data = v
			case netlink.ElementFlags:
				end = netlink.Number(v)&intervalEnd != 0
			case netlink.ElementTimeout:
				e.Timeout = milliseconds(v)
			case netlink.ElementExpiration:
				e.Expires = milliseconds(v)
			case netlink.ElementUserData:
				e.Comment = c.say(netlink.CommentName(v, 0))
			case netlink.ElementExpression:
				e.Code += c.element(v)
			case netlink.ElementExpressions:
				for _, v := range netlink.Attrs(v) {
					e.Code += c.element(v)
				}
			}
		}
		if end {
			ends = append(ends, key)
			continue
		}
		e.First = c.texts.Keep(key)
		if e.Last = e.First; last != nil {
			e.Last = string(last)
		}
		if data != nil {
			if to == nil || !bytes.Equal(data, to) {
				to = data
				code, chain = c.elementData(data)
			}
			e.Data, e.Jump = code, chain
		}
		out = append(out, e)
	}
	c.ends = ends
	sortElements(out)
	if !interval {
		return out
	}
	if !slices.IsSortedFunc(ends, bytes.Compare) {
		slices.SortFunc(ends, bytes.Compare)
	}
	for i := range out {
		for len(ends) > 0 && string(ends[0]) <= out[i].First {
			ends = ends[1:]
		}
		// A range ends before an end and before the next range, whichever comes first.
		c.key = c.key[:0]
		if len(ends) > 0 {
			c.key = append(c.key, ends[0]...)
		}
		if i+1 < len(out) && (len(ends) == 0 || out[i+1].First < string(c.key)) {
			c.key = append(c.key[:0], out[i+1].First...)
		}
		if len(c.key) == 0 { // it has no end
			out[i].Last = strings.Repeat("\xff", len(out[i].First))
		} else if before(c.key); string(c.key) != out[i].First {
			out[i].Last = string(c.key)
		}
	}
	return out
}

// element is an expression of an element. Most of a set have the same.
func (c *coder) element(e []byte) string {
	c.code = c.expression(&Rule{}, c.code[:0], e)
	return c.shared(c.code)
}

func sortElements(list []Element) {
	if !slices.IsSortedFunc(list, byFirst) {
		slices.SortFunc(list, byFirst)
	}
}

func byFirst(a, b Element) int { return cmp.Compare(a.First, b.First) }

func milliseconds(b []byte) time.Duration {
	return time.Duration(netlink.Number(b)) * time.Millisecond
}

// elementData is what an element leads to: its verdict with the chain, or its value.
func (c *coder) elementData(data []byte) (code, chain string) {
	verdict := netlink.Attr(data, netlink.DataVerdict)
	if verdict == nil {
		return "value " + string(netlink.Attr(data, netlink.DataValue)), ""
	}
	number := int32(netlink.Number(netlink.Attr(verdict, netlink.VerdictCode)))
	to := netlink.Name(netlink.Attr(verdict, netlink.VerdictChain))
	c.code = appendVerdictData(c.code[:0], int(number), to)
	code = c.texts.Keep(c.code)
	return code, code[len(code)-len(to):] // one piece of memory
}

// verdictData is what an element of a map leads to when that is a verdict, NFT_JUMP and the
// like, with its chain.
func verdictData(code int, chain string) string { return string(appendVerdictData(nil, code, chain)) }

func appendVerdictData[T string | []byte](b []byte, code int, chain T) []byte {
	return append(append(strconv.AppendInt(append(b, "verdict "...), int64(code), 10), ' '), chain...)
}

// verdictJump is NFT_JUMP.
const verdictJump = -3

// before makes a key the one before it of the same length.
func before(key []byte) {
	for i := len(key) - 1; i >= 0; i-- {
		key[i]--
		if key[i] != 0xff {
			break
		}
	}
}

func (c *coder) chain(m []byte) Chain {
	out := Chain{Name: c.texts.Keep(netlink.Name(netlink.Attr(m, netlink.ChainName))), Bound: netlink.Number(netlink.Attr(m, netlink.ChainFlags))&chainBinding != 0}
	hook := netlink.Attr(m, netlink.ChainHook)
	if hook == nil {
		return out
	}
	out.Hook = &Hook{
		Type:     netlink.Text(netlink.Attr(m, netlink.ChainType)),
		Number:   uint32(netlink.Number(netlink.Attr(hook, netlink.HookNumber))),
		Priority: int32(netlink.Number(netlink.Attr(hook, netlink.HookPriority))),
		Devices:  netlink.Attr(hook, netlink.HookDevice) != nil || netlink.Attr(hook, netlink.HookDevices) != nil,
	}
	out.Policy = ruleset.Drop
	if netlink.Number(netlink.Attr(m, netlink.ChainPolicy)) == 1 { // NF_ACCEPT
		out.Policy = ruleset.Accept
	}
	return out
}

// decode is a rule as a message says it.
func (c *coder) decode(m []byte) Rule {
	r := c.rule(netlink.Attr(m, netlink.RuleExpressions))
	r.Handle = netlink.Number(netlink.Attr(m, netlink.RuleHandle))
	r.Comment = c.say(netlink.CommentName(netlink.Attr(m, netlink.RuleUserData), 0))
	return r
}

// limitOf is a limit in canonical form, without what fills it up.
func limitOf(data []byte) string {
	var c coder
	return string(c.attributes(&Rule{}, nil, shapes["limit"], data))
}
