//go:build !linux

package session

import (
	"fmt"
	"runtime"
)

// Track is an error here.
func Track(Session) error {
	return fmt.Errorf("connection tracking cannot be told of sessions: this is %s", runtime.GOOS)
}
