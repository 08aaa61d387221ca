package host

import (
	"context"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// Collect reads the facts of this machine from /proc/sys. What is broken there is
// reported; the error says why we could not look.
func Collect(ctx context.Context, platforms Platforms) (Facts, diag.List, error) {
	if err := ctx.Err(); err != nil {
		return Facts{}, nil, err
	}
	tree, err := source.OpenTree("/")
	if err != nil {
		return Facts{}, nil, err
	}
	defer tree.Close()
	l := loader{tree: tree}
	facts, _ := platforms.Facts("linux")
	l.linux(&facts, nil)
	facts.From = fromMachine
	return facts, l.diags, nil
}
