package apply

import (
	"errors"

	"portolan/internal/nft"
	"portolan/internal/ruleset"
)

// A Firewall is what has the table: the kernel, or what stands for it in tests. Both pass the
// same suite.
type Firewall interface {
	// Read is the table at one moment.
	Read() (*State, error)
	// Commit makes all changes of a batch at once, or none of them and says why. It is
	// ErrChanged when the tables are of another generation than the given one, whoever
	// changed them; 0 is any. Another error does not say that nothing was changed: whoever needs to
	// know reads.
	Commit(generation uint32, b Batch) error
}

// ErrChanged says that somebody else changed the tables of the kernel meanwhile.
var ErrChanged = errors.New("somebody else changes the tables of the kernel at the same time")

// Unsupported says that the kernel lacks something that the table needs.
type Unsupported struct {
	Feature string // in words, with the module or option that has it
	errno   error  // how the kernel says it
}

func (e *Unsupported) Error() string { return "the kernel does not have " + e.Feature }

// Unwrap is the kernel's syscall.Errno.
func (e *Unsupported) Unwrap() error { return e.errno }

// A Batch is a list of changes that are made in their order and all at once.
type Batch []Change

// A Change is one of the types below. What one needs, those before it must have made, and
// what is deleted nothing may need any more.
type Change interface{ change() }

// The changes.
type (
	// AddTable makes the table, asleep or not: no packet is asked about a table that sleeps. It
	// may be there; then it sleeps from now on, or wakes up.
	AddTable struct{ Asleep bool }
	// DeleteTable takes away the table with everything in it.
	DeleteTable struct{}

	// AddLimit makes a limit that is not there.
	AddLimit struct{ Limit nft.Limit }
	// DeleteLimit takes one away.
	DeleteLimit struct{ Name string }

	// DeleteObject takes an object away that we never make.
	DeleteObject struct{ Object Object }

	// AddSet makes a set or map that is not there, without elements.
	AddSet struct{ Set SetSpec }
	// DeleteSet takes one away with its elements.
	DeleteSet struct{ Name string }
	// AddElements puts elements into a set. Ranges must not meet those that are there.
	AddElements struct {
		Set      SetSpec
		Elements []Element
	}
	// DeleteElements takes elements out of a set, each as it was put in.
	DeleteElements struct {
		Set      SetSpec
		Elements []Element
	}

	// AddChain makes a chain that is not there; a base chain when Hook is set.
	AddChain struct {
		Name   string
		Hook   *Hook
		Policy ruleset.Verdict // of a base chain
	}
	// SetPolicy changes the policy of a base chain.
	SetPolicy struct {
		Name   string
		Policy ruleset.Verdict
	}
	// DeleteChain takes a chain away that has no rules any more.
	DeleteChain struct{ Name string }
	// FlushChain takes all rules out of a chain.
	FlushChain struct{ Name string }

	// AddRule writes a rule before another one, or at the end of the chain when Before is 0.
	AddRule struct {
		Chain          string
		Before         uint64 // a handle
		Line           Line
		Packets, Bytes uint64 // what its counter begins with
	}
	// DeleteRule takes one away.
	DeleteRule struct {
		Chain  string
		Handle uint64
	}
)

func (AddTable) change()       {}
func (DeleteTable) change()    {}
func (AddLimit) change()       {}
func (DeleteLimit) change()    {}
func (DeleteObject) change()   {}
func (AddSet) change()         {}
func (DeleteSet) change()      {}
func (AddElements) change()    {}
func (DeleteElements) change() {}
func (AddChain) change()       {}
func (SetPolicy) change()      {}
func (DeleteChain) change()    {}
func (FlushChain) change()     {}
func (AddRule) change()        {}
func (DeleteRule) change()     {}

// A SetSpec is a set that we make.
type SetSpec struct {
	Name    string
	What    SetWhat
	Family  int // 4 or 6, of addresses and meters
	Timeout int // seconds, of a meter that counts packets
	Comment string
}

// SetWhat is what a set of ours is for.
type SetWhat int

// The kinds of sets.
const (
	Addresses        SetWhat = iota + 1 // ranges of addresses
	Ports                               // a map from ranges of ports to chains
	PacketMeter                         // sources whose packets are counted
	ConnectionsMeter                    // sources whose connections are counted
	Unconfirmed                         // Pending
)
