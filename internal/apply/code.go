package apply

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"portolan/internal/netlink"
	"portolan/internal/ruleset"
)

// A role is what an attribute of an expression is, where that is more than data.
type role byte

const (
	plain    role = iota
	drop          // what the kernel counts, numbers or fills up by itself
	unless        // left out when it is 0, which is what leaving it out means
	value         // attributes with a value or a verdict
	theSet        // the name of a set
	theLimit      // the name of a limit
	inner         // an expression
	inners        // a list of expressions
)

// roles are those of the attributes of an expression, by their kinds.
type roles [32]role

// The expressions that we write, and what is special in them. Numbers are those of
// include/uapi/linux/netfilter/nf_tables.h.
var shapes = map[string]*roles{
	"counter":   counter,
	"lookup":    {1: theSet, 4: drop, 5: unless},
	"dynset":    {1: theSet, 2: drop, 6: unless, 7: inner, 8: drop, 9: unless, 10: inners},
	"cmp":       {3: value},
	"range":     {3: value, 4: value},
	"bitwise":   {4: value, 5: value, 6: unless, 7: value},
	"immediate": {2: value},
	"objref":    {2: theLimit, 4: theSet, 5: drop}, // an object, or a map of them
	"limit":     {4: unless, 5: unless, 6: drop},
	"connlimit": {2: unless},
	"log":       {5: unless, 6: unless},
}

var counter = &roles{counterBytes: drop, counterPackets: drop, 3: drop}

const counterBytes, counterPackets = 1, 2 // NFTA_COUNTER_*

// others is what is special in an expression that we do not know: nothing.
var others = &roles{}

// A coder brings the expressions of rules into canonical form.
type coder struct {
	// anonymous are the contents of sets without a name of their own. The kernel numbers
	// them as they come, so a rule with such a set says the content in place of the name.
	anonymous map[string]string
	// known are the codes that rules and elements had before: most of a large table say one of few
	// things.
	known   map[string]string
	comment string // the last one, which neighbours often share
	texts   netlink.Texts
	code    []byte   // of the rule or element at hand
	key     []byte   // of the element at hand, or what the rule would be known by
	ends    [][]byte // of the ranges of the set at hand
	// rules are some that were there before, by their expressions without what they counted.
	rules map[string]Rule
	// fill says that the rule at hand puts elements into a set.
	fill bool
	// meters are the codes of what rules have the elements do that they put into sets, by the
	// names of the sets; nil when nobody asks.
	meters map[string][]string
}

// rule is a rule with what its expressions say; the rest of it is not set.
func (c *coder) rule(list []byte) Rule {
	c.key = appendUncounted(c.key[:0], list)
	r, known := c.rules[string(c.key)]
	if known {
		if r.Counts {
			r.Bytes, r.Packets = countsOf(list)
		}
		return r
	}
	c.fill = false
	c.code = c.expressions(&r, c.code[:0], list)
	r.Code = c.shared(c.code)
	if !c.fill && len(c.rules) < maxAlike {
		if c.rules == nil {
			c.rules = map[string]Rule{}
		}
		c.rules[string(c.key)] = r
	}
	return r
}

// maxAlike is how many rules are kept to be found again by those that say the same. In a table of
// many rules most say one of few things; in one where they do not, it is no use to keep them all.
const maxAlike = 100

// isCounter reports whether an expression is a counter.
func isCounter(e []byte) bool {
	return string(netlink.Name(netlink.Attr(e, netlink.ExpressionName))) == "counter"
}

// appendUncounted appends expressions as if their counters had counted nothing yet.
func appendUncounted(out, list []byte) []byte {
	from := len(out)
	out = append(out, list...)
	for _, e := range netlink.Attrs(out[from:]) {
		if !isCounter(e) {
			continue
		}
		for kind, n := range netlink.Attrs(netlink.Attr(e, netlink.ExpressionData)) {
			if kind == counterBytes || kind == counterPackets {
				clear(n)
			}
		}
	}
	return out
}

// countsOf is what the first counter in a list of expressions has counted.
func countsOf(list []byte) (bytes, packets uint64) {
	for _, e := range netlink.Attrs(list) {
		if isCounter(e) {
			data := netlink.Attr(e, netlink.ExpressionData)
			return netlink.Number(netlink.Attr(data, counterBytes)), netlink.Number(netlink.Attr(data, counterPackets))
		}
	}
	return 0, 0
}

// shared is a text as one piece of memory for all that have it.
func (c *coder) shared(b []byte) string {
	code, ok := c.known[string(b)]
	if !ok {
		code = string(b)
		if c.known == nil {
			c.known = map[string]string{}
		}
		c.known[code] = code
	}
	return code
}

// say is a comment, the last one where it is the same.
func (c *coder) say(b []byte) string {
	if c.comment != string(b) {
		c.comment = c.texts.Keep(b)
	}
	return c.comment
}

func (c *coder) expressions(r *Rule, out, list []byte) []byte {
	for _, e := range netlink.Attrs(list) {
		out = c.expression(r, out, e)
	}
	return out
}

// expression appends one expression in canonical form: its name, then its attributes in the
// order of their kinds.
func (c *coder) expression(r *Rule, out, e []byte) []byte {
	var name, data []byte
	for kind, b := range netlink.Attrs(e) {
		switch {
		case kind == netlink.ExpressionName && name == nil:
			name, _, _ = bytes.Cut(b, []byte{0})
		case kind == netlink.ExpressionData && data == nil:
			data = b
		}
	}
	s := shapes[string(name)]
	if s == nil {
		s = others
	}
	return c.attributes(r, appendAttr(out, 0, name), s, data)
}

// attributes appends the attributes of an expression.
func (c *coder) attributes(r *Rule, out []byte, s *roles, data []byte) []byte {
	var at [len(roles{})][]byte // by kind
	highest := -1
	for kind, b := range netlink.Attrs(data) {
		if int(kind) < len(at) && at[kind] == nil {
			at[kind], highest = b, max(highest, int(kind))
		}
	}
	if s == counter && !r.Counts {
		r.Counts = true
		r.Bytes, r.Packets = netlink.Number(at[counterBytes]), netlink.Number(at[counterPackets])
	}
	for kind, b := range at[:highest+1] {
		if b == nil {
			continue
		}
		kind := uint16(kind)
		switch s[kind] {
		case plain:
			out = appendAttr(out, kind, b)
		case unless:
			if !isZero(b) {
				out = appendAttr(out, kind, b)
			}
		case value:
			out = c.value(r, out, kind, b)
		case theSet:
			set := netlink.Text(b)
			if content, ok := c.anonymous[set]; ok {
				set = content
			} else {
				r.Sets = append(r.Sets, set)
			}
			out = appendAttr(out, kind, set)
		case theLimit:
			limit := netlink.Text(b)
			r.Limits = append(r.Limits, limit)
			out = appendAttr(out, kind, limit)
		case inner:
			at := len(out)
			out = c.expression(r, appendAttr(out, kind, ""), b)
			setLength(out, at)
			c.fills(data, out[at+attrHeader:])
		case inners:
			at := len(out)
			out = c.expressions(r, appendAttr(out, kind, ""), b)
			setLength(out, at)
			c.fills(data, out[at+attrHeader:])
		}
	}
	for kind, b := range netlink.Attrs(data) { // that nobody has made up yet
		if int(kind) >= len(at) {
			out = appendAttr(out, kind, b)
		}
	}
	return out
}

// fills notes what an expression that puts elements into a set has them do.
func (c *coder) fills(dynset, code []byte) {
	c.fill = true
	if c.meters != nil {
		set := netlink.Text(netlink.Attr(dynset, 1)) // NFTA_DYNSET_SET_NAME
		c.meters[set] = append(c.meters[set], string(code))
	}
}

// value appends an attribute that holds a value, or a verdict.
func (c *coder) value(r *Rule, out []byte, kind uint16, b []byte) []byte {
	at := len(out)
	out = appendAttr(out, kind, "")
	if verdict := netlink.Attr(b, netlink.DataVerdict); verdict != nil {
		if chain := netlink.Text(netlink.Attr(verdict, netlink.VerdictChain)); chain != "" {
			r.Chains = append(r.Chains, chain)
		} else if code := netlink.Attr(verdict, netlink.VerdictCode); len(code) == 4 {
			switch netlink.Number(code) {
			case 0: // NF_DROP
				r.Verdict = ruleset.Drop
			case 1: // NF_ACCEPT
				r.Verdict = ruleset.Accept
			}
		}
		inside := len(out)
		out = appendSorted(appendAttr(out, netlink.DataVerdict, ""), verdict)
		setLength(out, inside)
	} else {
		out = appendSorted(out, b)
	}
	setLength(out, at)
	return out
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// appendSorted appends attributes in one form whoever wrote them: without their flags, in the
// order of their kinds, lists in their own order.
func appendSorted(out, b []byte) []byte {
	type attr struct {
		kind uint16
		data []byte
	}
	var few [8]attr // values and verdicts have two
	attrs := few[:0]
	for kind, data := range netlink.Attrs(b) {
		attrs = append(attrs, attr{kind, data})
	}
	slices.SortStableFunc(attrs, func(a, b attr) int { return cmp.Compare(a.kind, b.kind) })
	for _, a := range attrs {
		out = appendAttr(out, a.kind, a.data)
	}
	return out
}

// appendAttr appends one attribute in canonical form: kind, length, data. The length has
// four bytes, because the content of a set without a name can be long.
func appendAttr[T string | []byte](b []byte, kind uint16, data T) []byte {
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}

// attrHeader is how many bytes an attribute has before its data.
const attrHeader = 6

// setLength says how long the attribute that begins at a place is: it ends where b does.
func setLength(b []byte, at int) {
	binary.BigEndian.PutUint32(b[at+2:], uint32(len(b)-at-attrHeader))
}

// content is a set without a name in canonical form. It begins as no name does.
func content(k Kind, elements []Element) string {
	out := append([]byte{0}, "set"...)
	for _, n := range []uint32{k.KeyType, k.KeyLength, k.DataType, k.Flags} {
		out = binary.BigEndian.AppendUint32(out, n)
	}
	for _, e := range elements {
		out = appendAttr(appendAttr(appendAttr(out, 1, e.First), 2, e.Last), 3, e.Data)
		if e.Code != "" {
			out = appendAttr(out, 4, e.Code)
		}
	}
	return string(out)
}
