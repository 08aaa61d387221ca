//go:build !linux && !windows && !darwin && !freebsd && !netbsd && !openbsd

package host

import (
	"context"
	"runtime"

	"portolan/internal/diag"
)

// Collect gives the built-in defaults of this system, because we have no way to ask it;
// From says so. A system of which nothing is known is reported.
func Collect(_ context.Context, platforms Platforms) (Facts, diag.List, error) {
	facts, known := platforms.Facts(runtime.GOOS)
	if known {
		return facts, nil, nil
	}
	return facts, diag.List{{
		Rule: RuleBroken, Severity: diag.Warning,
		Message: "the ephemeral ports of " + runtime.GOOS + " are not known",
		Help:    "name a platform that behaves like this one",
	}}, nil
}
