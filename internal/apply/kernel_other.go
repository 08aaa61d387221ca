//go:build !linux

package apply

import (
	"fmt"
	"runtime"

	"portolan/internal/netlink"
	"portolan/internal/nft"
)

// Kernel is the kernel of Linux; here there is none.
type Kernel struct{}

// OpenKernel is an error here, which wraps netlink.ErrNone.
func OpenKernel() (*Kernel, error) { return nil, errHere() }

// Close does nothing.
func (*Kernel) Close() error { return nil }

// Read is an error here.
func (*Kernel) Read() (*State, error) { return nil, errHere() }

// Commit is an error here.
func (*Kernel) Commit(uint32, Batch) error { return errHere() }

func encode(Line) (Rule, error)           { return Rule{}, errHere() }
func kindOf(SetSpec) (Kind, error)        { return Kind{}, errHere() }
func limitCode(nft.Limit) (string, error) { return "", errHere() }

func errHere() error {
	return fmt.Errorf("tables are applied on Linux only, not on %s: %w", runtime.GOOS, netlink.ErrNone)
}

// Generation is an error here.
func (*Kernel) Generation() (uint32, error) { return 0, errHere() }

// Moment is "" here.
func (*Kernel) Moment(uint32) string { return "" }
