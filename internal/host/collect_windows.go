package host

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/windows"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// Collect asks netsh for the facts of this machine. A command that fails is reported,
// and the built-in default stands in for its answer; the error says why we could not
// look at all.
func Collect(ctx context.Context, platforms Platforms) (Facts, diag.List, error) {
	system, err := windows.GetSystemDirectory() // the path is no place to look for a program to trust
	if err != nil {
		return Facts{}, nil, err
	}
	netsh := filepath.Join(system, "netsh.exe")
	commands := netshCommands()
	captures := make([]Capture, len(commands))
	lists := make([]diag.List, len(commands))
	var wait sync.WaitGroup // each takes about a tenth of a second
	for i, args := range commands {
		wait.Go(func() { captures[i], lists[i] = ask(ctx, netsh, args) })
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return Facts{}, nil, err
	}
	var merged Capture
	var diags diag.List
	for i, c := range captures {
		merged.Dynamic = append(merged.Dynamic, c.Dynamic...)
		merged.Excluded = append(merged.Excluded, c.Excluded...)
		diags = append(diags, lists[i]...)
	}
	facts, _ := platforms.Facts("windows-server")
	diags = append(diags, facts.windows(merged)...)
	if f, err := source.ReadFile(filepath.Join(system, "drivers", "etc", "services")); err == nil {
		facts.Names = ParseServices(f)
	}
	facts.From = fromMachine
	return facts, diags, nil
}

// netshCommands are the arguments of the commands whose answers are facts.
func netshCommands() [][]string {
	var out [][]string
	for _, family := range []string{"ipv4", "ipv6"} {
		for _, proto := range []string{"tcp", "udp"} {
			out = append(out,
				[]string{"int", family, "show", "dynamicport", proto},
				[]string{"int", family, "show", "excludedportrange", "protocol=" + proto})
		}
	}
	return out
}

// ask runs netsh once. The file of its output is named after the command, so that the
// family is known and places can be told.
func ask(ctx context.Context, netsh string, args []string) (Capture, diag.List) {
	name := "output of netsh " + strings.Join(args, " ")
	var out limitedBuffer
	cmd := exec.CommandContext(ctx, netsh, args...)
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return Capture{}, diag.List{{
			Rule: RuleBroken, Severity: diag.Warning, Span: source.New(name, nil).Span(0, 0),
			Message: fmt.Sprintf("netsh failed: %v", err),
		}}
	}
	return ParseCapture(source.New(name, out.text))
}

// limitedBuffer keeps what a program prints, and ends the program when it prints more
// than a file may hold.
type limitedBuffer struct{ text []byte }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if len(b.text)+len(p) > source.MaxFileSize {
		return 0, source.ErrTooLarge
	}
	b.text = append(b.text, p...)
	return len(p), nil
}
