package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write docs/cli.md, testdata/corpus/lint.golden and testdata/status")

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
	walk(a.root(nil))
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

// TestAnswersAreDocumented: every field of the JSON of verify and explain is in docs/verify.md, and
// of plan and status in the guide to apply, which leaves what they share to the other page.
func TestAnswersAreDocumented(t *testing.T) {
	file := "../../docs/verify.md"
	page := read(t, file)
	seen := map[reflect.Type]bool{}
	var look func(reflect.Type)
	look = func(of reflect.Type) {
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || seen[of] {
			return
		}
		seen[of] = true
		for i := range of.NumField() {
			f := of.Field(i)
			if name := f.Tag.Get("json"); name != "" && !bytes.Contains(page, []byte("`"+name+"`")) {
				t.Errorf("%s does not say what %s of %s is", file, name, of)
			}
			if f.IsExported() || f.Anonymous {
				look(f.Type)
			}
		}
	}
	look(reflect.TypeFor[differenceJSON]())
	look(reflect.TypeFor[answer]())
	look(reflect.TypeFor[portAnswer]())
	file = "../../docs/guides/apply.md"
	page = read(t, file)
	look(reflect.TypeFor[planJSON]())
	look(reflect.TypeFor[statusJSON]())
}
