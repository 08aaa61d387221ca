//go:build !linux

package session

import (
	"io/fs"
	"os"
)

// Proc is /proc of this host, where there is one.
func Proc() fs.FS { return os.DirFS("/proc") }
