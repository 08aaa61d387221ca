package apply

import (
	"portolan/internal/netlink"
)

// What an expression's attributes are, where that is more than a value. Numbers are those of
// include/uapi/linux/netfilter/nf_tables.h.
type shape struct {
	nested  map[uint16]bool // attributes that hold attributes
	drop    map[uint16]bool // what the kernel counts or numbers by itself
	zero    map[uint16]bool // left out when it is 0, which is what leaving it out means
	set     uint16          // the attribute that names a set
	inner   uint16          // the attribute that is an expression
	inners  uint16          // the attribute that is a list of expressions
	limit   uint16          // the attribute that names a limit
	verdict uint16          // the attribute that holds a verdict
}

var shapes = map[string]shape{
	"counter":   {drop: map[uint16]bool{1: true, 2: true}},
	"lookup":    {set: 1, drop: map[uint16]bool{4: true}, zero: map[uint16]bool{5: true}},
	"dynset":    {set: 1, drop: map[uint16]bool{2: true}, zero: map[uint16]bool{6: true, 9: true}, inner: 7, inners: 10},
	"cmp":       {nested: map[uint16]bool{3: true}},
	"range":     {nested: map[uint16]bool{3: true, 4: true}},
	"bitwise":   {nested: map[uint16]bool{4: true, 5: true, 7: true}, zero: map[uint16]bool{6: true}},
	"immediate": {nested: map[uint16]bool{2: true}, verdict: 2},
	"objref":    {limit: 2},
	"limit":     {zero: map[uint16]bool{4: true, 5: true}},
	"connlimit": {zero: map[uint16]bool{2: true}},
	"log":       {zero: map[uint16]bool{5: true, 6: true}},
}

// codeOf is a rule with what its expressions say; the rest of it is not set.
func codeOf(list []byte) Rule {
	var r Rule
	r.Code = string(r.expressions(nil, list))
	return r
}

func (r *Rule) expressions(out []byte, list []byte) []byte {
	for _, e := range netlink.Attrs(list) {
		out = r.expression(out, e)
	}
	return out
}

// expression appends one expression in canonical form.
func (r *Rule) expression(out []byte, e []byte) []byte {
	name, data := netlink.Text(netlink.Attr(e, netlink.ExpressionName)), netlink.Attr(e, netlink.ExpressionData)
	s := shapes[name]
	if name == "counter" && !r.Counts {
		r.Counts = true
		r.Bytes, r.Packets = netlink.Number(netlink.Attr(data, 1)), netlink.Number(netlink.Attr(data, 2))
	}
	var body []byte
	for kind := range uint16(32) {
		value := netlink.Attr(data, kind)
		if value == nil || s.drop[kind] || s.zero[kind] && isZero(value) {
			continue
		}
		text := string(value)
		switch {
		case kind == s.inner && kind != 0:
			text = string(r.expression(nil, value))
		case kind == s.inners && kind != 0:
			text = string(r.expressions(nil, value))
		case s.nested[kind]:
			text = nested(value)
		}
		switch kind {
		case 0:
		case s.set:
			r.Sets = append(r.Sets, netlink.Text(value))
		case s.limit:
			r.Limits = append(r.Limits, netlink.Text(value))
		case s.verdict:
			if chain := netlink.Text(netlink.Attr(netlink.Attr(value, netlink.DataVerdict), netlink.VerdictChain)); chain != "" {
				r.Chains = append(r.Chains, chain)
			}
		}
		body = appendAttr(body, kind, text)
	}
	return append(appendAttr(out, 0, name), body...)
}

// nested is the canonical form of data: a value, or a verdict.
func nested(b []byte) string {
	if verdict := netlink.Attr(b, netlink.DataVerdict); verdict != nil {
		return string(appendAttr(nil, netlink.DataVerdict, canonical(verdict)))
	}
	return canonical(b)
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
