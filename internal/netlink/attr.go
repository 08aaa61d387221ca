// Package netlink reads tables of nftables from the kernel, as the attributes that it says.
//
// It knows the frame of the messages and none of their meaning: who wants rules and
// elements in words decodes the attributes. That keeps a reader of firewalls and a writer
// of them apart, although both ask the same kernel. Nothing here changes the kernel.
package netlink

import (
	"bytes"
	"encoding/binary"
	"iter"
	"strings"
)

// The kinds of attributes that are asked for, by the objects that have them, as in
// include/uapi/linux/netfilter/nf_tables.h of Linux.
const (
	TableName  = 1 // NFTA_TABLE_*
	TableFlags = 2 // 1 is dormant

	ChainTable    = 1 // NFTA_CHAIN_*
	ChainHandle   = 2 // 8 bytes
	ChainName     = 3
	ChainHook     = 4 // nested
	ChainPolicy   = 5
	ChainType     = 7
	ChainFlags    = 10
	ChainUserData = 12
	HookNumber    = 1 // NFTA_HOOK_*
	HookPriority  = 2
	HookDevice    = 3
	HookDevices   = 4 // nested list of names

	RuleTable       = 1 // NFTA_RULE_*
	RuleChain       = 2
	RuleHandle      = 3 // 8 bytes
	RuleExpressions = 4 // nested list
	RuleUserData    = 7
	ListElement     = 1 // NFTA_LIST_ELEM
	ExpressionName  = 1 // NFTA_EXPR_*
	ExpressionData  = 2 // nested

	SetTable       = 1 // NFTA_SET_*
	SetName        = 2
	SetFlags       = 3
	SetKeyType     = 4
	SetKeyLength   = 5
	SetDataType    = 6
	SetDataLength  = 7
	SetDescription = 9
	SetTimeout     = 11 // 8 bytes, milliseconds
	SetUserData    = 13
	SetHandle      = 16
	SetExpression  = 17
	SetExpressions = 18
	SetSize        = 1 // NFTA_SET_DESC_SIZE

	ElementListTable    = 1 // NFTA_SET_ELEM_LIST_*
	ElementListSet      = 2
	ElementListElements = 3
	ElementKey          = 1 // NFTA_SET_ELEM_*
	ElementData         = 2
	ElementFlags        = 3
	ElementTimeout      = 4 // 8 bytes, milliseconds
	ElementExpiration   = 5 // 8 bytes, milliseconds that are left
	ElementUserData     = 6
	ElementExpression   = 7
	ElementKeyEnd       = 10
	ElementExpressions  = 11 // nested list
	DataValue           = 1  // NFTA_DATA_*
	DataVerdict         = 2
	VerdictCode         = 1 // NFTA_VERDICT_*
	VerdictChain        = 2

	ObjectTable  = 1 // NFTA_OBJ_*
	ObjectName   = 2
	ObjectType   = 3
	ObjectData   = 4
	ObjectUse    = 5
	ObjectHandle = 6
)

// typeMask takes away the flags of an attribute: NLA_F_NESTED, NLA_F_NET_BYTEORDER.
const typeMask = 0x3fff

// Attrs are the attributes in b with their kinds, in order. It ends where b is cut or
// makes no sense.
func Attrs(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			n := int(binary.NativeEndian.Uint16(b))
			if n < 4 || n > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:])&typeMask, b[4:n:n]) {
				return
			}
			b = b[min((n+3)&^3, len(b)):]
		}
	}
}

// Attr is the first attribute of a kind in b, nil when there is none.
func Attr(b []byte, kind uint16) []byte {
	for k, data := range Attrs(b) {
		if k == kind {
			return data
		}
	}
	return nil
}

// Name is an attribute that is a name, without the zero byte at its end.
func Name(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

// Text is Name as a text; "" for none.
func Text(b []byte) string { return string(Name(b)) }

// Texts keeps texts, of which messages have many short ones, behind one another in few pieces of
// memory.
type Texts struct{ piece strings.Builder }

// textsSize is how much memory is taken for texts at a time.
const textsSize = 4 << 10

// Keep is a text that stays as it is when b changes.
func (t *Texts) Keep(b []byte) string {
	if t.piece.Cap()-t.piece.Len() < len(b) {
		t.piece = strings.Builder{}
		t.piece.Grow(max(len(b), textsSize))
	}
	from := t.piece.Len()
	t.piece.Write(b)
	return t.piece.String()[from:]
}

// Number is an attribute that is a number of 1, 2, 4 or 8 bytes in the order of the network;
// 0 for anything else.
func Number(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(b))
	case 4:
		return uint64(binary.BigEndian.Uint32(b))
	case 8:
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// A Comment is in the user data of rules, sets and elements, which nft made up: a list of
// a kind and a length of one byte each, and the data. The kind is 0 for rules and elements.
func Comment(userdata []byte, kind byte) string { return string(CommentName(userdata, kind)) }

// CommentName is Comment as the bytes in the user data.
func CommentName(userdata []byte, kind byte) []byte {
	for len(userdata) >= 2 && len(userdata) >= 2+int(userdata[1]) {
		if userdata[0] == kind {
			return Name(userdata[2 : 2+int(userdata[1])])
		}
		userdata = userdata[2+int(userdata[1]):]
	}
	return nil
}

// A Table is all of one table at one moment. Each message is its attributes. The zero value
// is a table that is not there.
type Table struct {
	Generation uint32 // of all tables of the network namespace: it grows with every change
	Exists     bool
	Flags      uint32 // NFT_TABLE_F_*: 1 dormant, 2 owned by a process, 4 stays without it
	Chains     [][]byte
	Rules      [][]byte // chain after chain, in the order in which they are asked
	Sets       [][]byte // maps as well
	Objects    [][]byte // limits and the like
	Elements   map[string][][]byte
}

// A Chain is a chain of any table, with its rules.
type Chain struct {
	Family byte // NFPROTO_*: 1 inet, 2 ip, 3 arp, 5 netdev, 7 bridge, 10 ip6
	Table  string
	Name   string
	// Dormant says that the table is switched off: no packet is asked about.
	Dormant bool
	Attrs   []byte
	Rules   [][]byte
}
