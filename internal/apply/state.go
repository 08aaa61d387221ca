// Package apply makes the table of the kernel what a policy means, and puts it back when
// nobody confirms.
//
// The kernel is a Firewall: it says its State and takes a Batch, all of it or nothing. A
// Plan is what leads from a state to a table, as few changes as will do. No packet meets a
// mixture of old and new: what is new is made beside the old first, where nothing leads to
// it; then one batch changes the rules that lead to it; then what is old is taken away.
// While a change waits to be confirmed, old and new stand side by side, and a set with
// elements that the kernel itself forgets decides which of them packets meet.
package apply

import (
	"fmt"
	"strings"
	"time"

	"portolan/internal/netlink"
	"portolan/internal/nft"
	"portolan/internal/ruleset"
)

// A State is the table as the kernel says it. The zero value is that of a kernel without the
// table.
type State struct {
	Generation uint32 // of all tables of the network namespace
	Exists     bool
	// Dormant says that somebody switched the table off: it is there, and no packet is asked
	// about.
	Dormant bool
	Limits  map[string]*Limit
	// Sets are maps, meters and the set of what is pending as well, but not sets without a
	// name of their own: they are a part of the rule that they come and go with.
	Sets   map[string]*Set
	Chains map[string]*Chain
	// Strange are objects that we never make, such as quotas, in the order of their names.
	Strange []Object
	// Raw is what the kernel said, for a second reader; nil for a firewall that is none.
	Raw *netlink.Table
}

// awake is a state as it will be when its table is switched on.
func (s *State) awake() *State {
	a := *s
	a.Dormant = false
	if s.Raw != nil {
		raw := *s.Raw
		raw.Flags &^= tableDormant
		a.Raw = &raw
	}
	return &a
}

// A Limit is a named limit in the kernel's own attributes, in canonical form.
type Limit struct {
	Name string
	Code string
}

// An Object is a named object of a kind that we do not make. Type is NFT_OBJECT_* of
// include/uapi/linux/netfilter/nf_tables.h.
type Object struct {
	Name string
	Type uint32
}

// String is the object in words.
func (o Object) String() string { return fmt.Sprintf("object %s of type %d", o.Name, o.Type) }

// A Set is a set or a map. Elements that packets made, those of meters, are left out; what is
// in a meter is what somebody else put there.
type Set struct {
	Name     string
	Kind     Kind
	Comment  string
	Elements []Element // in ascending order of First
}

// A Kind is how a set is defined. It can be compared.
type Kind struct {
	KeyType, KeyLength uint32 // as nft numbers its types; bytes
	DataType           uint32 // 0 for a set; 0xffffff00 for verdicts
	Flags              uint32 // NFT_SET_*
	Size               uint32 // elements, 0 for no bound; only with the flag for packets that add
	Timeout            time.Duration
	Expressions        string // what elements do, in canonical form
}

// Flags of sets, NFT_SET_* in include/uapi/linux/netfilter/nf_tables.h.
const (
	flagAnonymous = 0x1 // belongs to the rule that names it
	flagConstant  = 0x2
	flagInterval  = 0x4
	flagMap       = 0x8
	flagTimeout   = 0x10
	flagEval      = 0x20 // packets add elements
)

// dynamic reports whether packets make the elements.
func (k Kind) dynamic() bool { return k.Flags&flagEval != 0 }

// An Element is one element of a set, or a range of them.
type Element struct {
	First, Last string // the bytes of the key, in the order of the network; both are in it
	Data        string // what a map leads to, in canonical form; "" in a set
	Jump        string // the chain that Data jumps to; "" for none
	Comment     string
	Code        string        // expressions that a packet has to pass as well, in canonical form; ours have none
	Timeout     time.Duration // after which the kernel forgets it, 0 for never
	Expires     time.Duration // how much of that is left
}

// A Chain is a chain with its rules.
type Chain struct {
	Name   string
	Hook   *Hook // nil for a chain that others jump to
	Policy ruleset.Verdict
	// Bound says that it is a part of the rule that leads to it, and goes with it.
	Bound bool
	Rules []Rule
}

// A Hook is where the kernel asks a base chain.
type Hook struct {
	Type     string // "filter"
	Number   uint32 // NF_INET_*: 0 prerouting, 1 input, 2 forward, 3 output, 4 postrouting, 5 ingress
	Priority int32
	Devices  bool // it is asked about packets of some interfaces only, as none of ours is
}

// The hooks of base chains that we make, by their names in nft.Base.
var hookNumbers = map[string]uint32{"prerouting": 0, "input": 1, "output": 3}

// A Rule is one rule as the kernel has it. Two rules do the same when Code is the same.
type Rule struct {
	Handle uint64
	// Code are the rule's expressions in canonical form: the attributes in the order of
	// their kinds, without what the kernel counts and numbers by itself. A set without a
	// name stands there with its content.
	Code           string
	Comment        string
	Packets, Bytes uint64          // of its first counter
	Counts         bool            // it has a counter
	Verdict        ruleset.Verdict // Accept or Drop; 0 of a rule that does neither by itself
	// What it names.
	Sets, Chains, Limits []string
}

// A Line is a rule that is to be written: one of a table, or the gate of a base chain.
type Line struct {
	nft.Rule
	// Gate is a chain to go to as long as the set of what is pending has elements. Nothing
	// else is set then but the comment.
	Gate string
	// Asks is the set, when it is not the one named Pending.
	Asks string
}

// Pending is the set whose elements stand for a change that waits to be confirmed. Its keys
// are NFPROTO_IPV4 and NFPROTO_IPV6, one of which every packet has. It has a version when somebody
// else uses a set of that name.
const Pending = "pending"

// pendingPrefix begins the name of the chain that stands for a base chain while it is pending.
const pendingPrefix = "pending_"

// versionMark stands between the name that an object has in a table and a number, when an
// object of that name is there already and must stay as it is. No name of a table has one.
const versionMark = "."

// logical is the name that an object of the kernel has in a table.
func logical(name string) string {
	base, _, _ := strings.Cut(name, versionMark)
	return base
}
