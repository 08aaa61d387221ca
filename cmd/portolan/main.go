// Command portolan reads the configuration of the services on a speech or VoIP host,
// says which ports they claim and what is wrong with that, and writes and proves the
// firewall that fits.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"portolan/internal/report"
)

// The exit codes, the same for every command and format.
const (
	exitOK          = 0
	exitFindings    = 1 // findings at or above --fail-on, or a difference
	exitUsage       = 2
	exitFailure     = 3 // could not do it
	exitRolledBack  = 4 // it was in force and is not any more
	exitInterrupted = 130
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	done := make(chan int, 1)
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, now: time.Now, ends: true}
	go func() { done <- a.run(ctx, os.Args[1:]) }()
	select {
	case code := <-done:
		os.Exit(code)
	case <-ctx.Done():
	}
	stop() // a second signal ends the process at once
	select {
	case <-done: // what was being written is in its place, or away
	case <-time.After(grace):
		fmt.Fprintln(os.Stderr, "portolan: interrupted")
	}
	os.Exit(exitInterrupted)
}

// gcPercent is the garbage collector's target. Little is kept of what is read, so collecting
// less often saves a fifth of the time of a fleet, for some ten megabytes.
const gcPercent = 400

// memoryLimit is from where on the garbage collector works for less memory instead of for
// speed, in bytes. Only files that ask for more than a host has come to it.
const memoryLimit = 400 << 20

// grace is how long an interrupted command may take to put away what it was writing.
const grace = 500 * time.Millisecond

// app is what every command works with. Nothing in it changes while a command runs.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	now            func() time.Time
	ends           bool         // the process ends with the command
	log            *slog.Logger // of a command that was asked for one, instead of words; nil for no log
}

// exitError carries the exit code of a command that did not end well.
type exitError struct {
	code int
	err  error // nil when everything was said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usage is an error of the person who typed the command.
func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// exitCodeOf is the exit code of a command that ended with err.
func exitCodeOf(err error) int {
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	if err != nil {
		return exitFailure
	}
	return exitOK
}

// run is the whole program as a function.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	return (&app{stdin: stdin, stdout: stdout, stderr: stderr, getenv: getenv, now: time.Now}).run(ctx, args)
}

// run is run at the time that the app takes it to be.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root(args)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	code := exitCodeOf(err)
	if ctx.Err() != nil {
		words := "portolan: interrupted"
		switch e, ok := errors.AsType[*exitError](err); {
		case !ok || code != exitInterrupted: // nothing is left of what was begun
		case e.err == nil:
			return exitInterrupted // said already
		default:
			words += ": " + report.Printable(err.Error())
		}
		fmt.Fprintln(a.stderr, words)
		return exitInterrupted
	}
	if err == nil {
		return exitOK
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(a.stderr, "portolan: "+report.Printable(text))
		if code == exitUsage {
			fmt.Fprintln(a.stderr, "portolan: see portolan --help, or --help behind a command")
		}
	}
	return code
}

// command is what makes a command.
type command struct {
	name string
	make func() *cobra.Command
}

// commands are all of them. What a wrong name was meant to be is looked for in this order.
func (a *app) commands() []command {
	return []command{
		{"lint", a.lintCommand}, {"inventory", a.inventoryCommand}, {"chart", a.chartCommand}, {"render", a.renderCommand},
		{"verify", a.verifyCommand}, {"plan", a.planCommand}, {"apply", a.applyCommand}, {"confirm", a.confirmCommand},
		{"rollback", a.rollbackCommand}, {"status", a.statusCommand}, {"host", a.hostCommand}, {"init", a.initCommand},
		{"explain", a.explainCommand}, {"demo", a.demoCommand}, {"version", a.versionCommand},
	}
}

// root is the command that has the others. When args begin with the name of one, it has no
// other: making all with their flags takes longer than many a command.
func (a *app) root(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "portolan",
		Short: "read port plans from configuration, find what is wrong, write the firewall that fits",
		Long: `Portolan reads the configuration of the services on a speech or VoIP host, says
which ports they claim and which line says so, what is wrong with that, and writes
and proves the firewall that fits.

Without a path a command reads this machine; --root DIR reads a copy of a host's
files; paths name single files or folders, SERVICE=PATH says what a file is.

Exit codes: 0 fine; 1 findings at or above --fail-on, or a difference; 2 usage;
3 could not do it; 4 applied, and rolled back; 130 interrupted.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			hint := ""
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				hint = fmt.Sprintf("; did you mean %q?", near[0])
			}
			return usage("there is no command %q%s", args[0], hint)
		},
	}
	root.SetVersionTemplate("portolan {{.Version}}\n")
	root.SuggestionsMinimumDistance = 2
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		var empty error
		cmd.Flags().Visit(func(f *pflag.Flag) {
			if v := f.Value.String(); (v == "" || v == "[]") && empty == nil { // an unset variable in a script
				empty = usage("--%s has no value", f.Name)
			}
		})
		return empty
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usage("%s", strings.TrimSuffix(err.Error(), "."))
	})
	commands := a.commands()
	if i := slices.IndexFunc(commands, func(c command) bool { return len(args) > 0 && c.name == args[0] }); i >= 0 {
		commands = commands[i : i+1]
		root.CompletionOptions.DisableDefaultCmd = true // it makes five more
	}
	for _, c := range commands {
		root.AddCommand(c.make())
	}
	return root
}

// noArgs refuses arguments in our own words.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no argument, and %q is one", cmd.CommandPath(), args[0])
	}
	return nil
}
