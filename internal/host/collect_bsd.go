//go:build darwin || freebsd || netbsd || openbsd

package host

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// Collect reads the facts of this machine through sysctl(3). What is broken there is
// reported; the error says why we could not look.
func Collect(ctx context.Context, platforms Platforms) (Facts, diag.List, error) {
	if err := ctx.Err(); err != nil {
		return Facts{}, nil, err
	}
	var text strings.Builder
	for _, pair := range unixEnds {
		for _, key := range []string{pair.first, pair.last} {
			if n, err := unix.SysctlUint32(key); err == nil { // the names of the other systems are unknown here
				fmt.Fprintf(&text, "%s: %d\n", key, n)
			}
		}
	}
	facts, _ := platforms.Facts(runtime.GOOS)
	diags := facts.unix(ParseSysctlOutput(source.New("output of sysctl", []byte(text.String()))))
	if f, err := source.ReadFile("/etc/services"); err == nil {
		facts.Names = ParseServices(f)
	}
	facts.From = fromMachine
	return facts, diags, nil
}
