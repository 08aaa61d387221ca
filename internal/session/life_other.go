//go:build !linux

package session

import (
	"fmt"
	"runtime"
)

// Look is ErrNoLife here.
func Look() (Snapshot, error) {
	return Snapshot{}, fmt.Errorf("%w: this is %s", ErrNoLife, runtime.GOOS)
}
