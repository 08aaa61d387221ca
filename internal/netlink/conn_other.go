//go:build !linux

package netlink

import (
	"errors"
	"runtime"
)

// ErrNone says that the kernel has no nftables.
var ErrNone = errors.New("the kernel of " + runtime.GOOS + " has no nf_tables")

// A Conn asks the kernel; here there is none.
type Conn struct{}

// Open is ErrNone here.
func Open() (*Conn, error) { return nil, ErrNone }

// Close does nothing.
func (*Conn) Close() error { return nil }

// Generation is ErrNone here.
func (*Conn) Generation() (uint32, error) { return 0, ErrNone }

// Moment is "" here.
func (*Conn) Moment(uint32) string { return "" }

// Read is ErrNone here.
func (*Conn) Read(string) (*Table, error) { return nil, ErrNone }

// Chains is ErrNone here.
func (*Conn) Chains(string) ([]Chain, error) { return nil, ErrNone }

// Set is ErrNone here.
func (*Conn) Set(byte, string, string) ([]byte, [][]byte, error) { return nil, nil, ErrNone }
