package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write docs/cli.md and testdata/corpus/lint.golden")

// TestCommandLineManual keeps docs/cli.md the help of every command.
func TestCommandLineManual(t *testing.T) {
	var page strings.Builder
	page.WriteString("# The command line\n\nThis page is the help of every command, kept true by a test.\n")
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			return
		}
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		var out bytes.Buffer
		if code := run(context.Background(), args, nil, &out, &out, func(string) string { return "" }); code != exitOK {
			t.Fatalf("%v: exit code %d", args, code)
		}
		page.WriteString("\n## " + c.CommandPath() + "\n\n```\n" + strings.TrimSpace(out.String()) + "\n```\n")
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	a := &app{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, getenv: func(string) string { return "" }}
	walk(a.root())
	const name = "../../docs/cli.md"
	if *update {
		if err := os.WriteFile(name, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(name)
	if err != nil || string(old) != page.String() {
		t.Errorf("docs/cli.md is not the help of the commands (%v): run go test ./cmd/portolan -run Manual -update", err)
	}
}
