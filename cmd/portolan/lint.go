package main

import (
	"context"
	"fmt"
	"iter"
	"os"

	"github.com/spf13/cobra"

	"portolan/internal/diag"
	"portolan/internal/report"
	"portolan/lint"
)

func (a *app) lintCommand() *cobra.Command {
	var in input
	var format, failOn string
	var fix, showDiff bool
	var baseline string
	var roots []string
	cmd := &cobra.Command{
		Use:   "lint [PATH…]",
		Short: "find what is wrong with the ports",
		Long: `Lint reads configuration and reports what is wrong with its ports: ranges that
meet the ports the operating system hands out, services that want the same port,
and more. "portolan explain RULE" prints what a rule is about.

Files that are linted by themselves are judged for every platform their service
runs on. A host is judged by its own facts.

With --root, further folders are hosts too: --root hosts/* judges every host below
hosts/, several at a time, names each that has findings, and counts all. A host that
cannot be read is named on standard error; the others are judged, and the exit code
is 3.

A policy that somebody wrote, named with --policy or found, is judged too: what it
opens to whom, what it leaves closed, and what has no effect. What is said of the
policy alone is said once for many hosts, where it holds on all of them.

With --fix it changes the files of its safe fixes and reports what is left; --diff
prints that change as a patch and touches nothing. A fix is safe when it moves a range
that peers are told in each call, and nothing else says the number. The number of a
single port is known to clients elsewhere, so such a move is advice only. All moves
are one plan: as few listeners as possible move, and none to where another one is or
goes. Where there is no room a fix may move another range out of its way. Each file is
replaced as a whole, and all bytes around the number stay. A number that a LumenVox
file leaves to its default gets a line of its own. Where one fix makes room for another,
--fix goes on, and --diff shows the first step.

What cannot move is reserved: in the files of a Linux host one edit writes one list of
net.ipv4.ip_local_reserved_ports, with all that was in it, into the file below etc that
sets it, or else into a new file in etc/sysctl.d. Where the running system is judged,
as on this machine, a file changes nothing before "sysctl --system", so that is advice.

A comment "portolan:ignore RULE -- why" above a line, or an ignore in the policy, keeps
findings from being reported; with --baseline those that an earlier run had too are left
out. How many there are is said at the end, and they do not fail.

Formats for code hosts (sarif, github, gitlab, junit) name files from the working
directory: run them at the top of the repository. What they say and the exit code are
the same in every format.

Exit codes: 0 nothing at or above --fail-on; 1 findings at or above it; 2 usage;
3 could not do it.`,
		Example: `  portolan lint
  portolan lint --root testdata/hosts/ivr-01
  portolan lint --root testdata/hosts/ivr-01 --diff
  portolan lint media_server.conf --platform linux,windows-server --format json
  portolan lint --root hosts/*
  portolan lint --root hosts/* --baseline portolan-baseline.json
  portolan lint --root hosts/ivr-01 --format sarif > portolan.sarif`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := report.Lookup(format)
			if err != nil {
				return usage("--format: %s", err)
			}
			limit := diag.Error + 1 // none
			if failOn != "none" {
				if limit, err = diag.ParseSeverity(failOn); err != nil {
					return usage("--fail-on: use error, warning, info or none, not %q", failOn)
				}
			}
			if showDiff && (fix || cmd.Flags().Changed("format")) {
				return usage("--diff prints a patch and nothing else: leave out --fix and --format")
			}
			old, err := openBaseline(baseline)
			if err != nil {
				return err
			}
			if args, err = in.oneHost(&roots, args); err != nil {
				return err
			}
			if len(roots) > 1 {
				if fix || showDiff {
					return usage("--fix and --diff take one host: name one --root")
				}
				return a.lintFleet(cmd.Context(), &in, roots, f, limit, old)
			}
			host, err := a.judgeNew(cmd.Context(), &in, args, old)
			if err != nil {
				return err
			}
			for rounds := 0; fix && rounds < maxRounds; rounds++ { // one fix may make room for another
				changed, err := a.fix(cmd.Context(), &in, args, host.Findings)
				if err != nil {
					return err
				}
				if !changed {
					break
				}
				// What is left, and whatever a fix has brought.
				if host, err = a.judgeNew(cmd.Context(), &in, args, old); err != nil {
					return err
				}
			}
			if showDiff {
				err = a.showDiff(host.Findings)
			} else {
				err = a.writeHosts(f, report.One(host), report.Options{Limit: limit, Compared: old != nil})
			}
			if err == nil {
				err = a.tellGone(old, false)
			}
			if err != nil {
				return err
			}
			if host.Findings.Max() >= limit {
				return &exitError{code: exitFindings}
			}
			return nil
		},
	}
	in.rootsFlag(cmd, &roots)
	in.serviceFlags(cmd)
	in.hostFlags(cmd)
	in.policyFlag(cmd)
	cmd.Flags().StringVar(&format, "format", report.Formats[0].Name, report.Names())
	cmd.Flags().StringVar(&failOn, "fail-on", "error", "exit with 1 for findings of this severity and above: error, warning, info or none")
	cmd.Flags().StringVar(&baseline, "baseline", "", "findings that are in `FILE`, the output of an earlier lint --format json, are known: leave them out")
	cmd.Flags().BoolVar(&fix, "fix", false, "change the files of the safe fixes, then report what is left")
	cmd.Flags().BoolVar(&showDiff, "diff", false, "print what --fix would change as a patch, and no findings")
	return cmd
}

func (a *app) writeHosts(f report.Format, hosts iter.Seq[report.Host], o report.Options) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	o.Color, o.Dir, o.Version, o.Rules = a.dress(a.stdout).Color, dir, version, rulePages()
	if err := f.Write(a.stdout, hosts, o); err != nil {
		return fmt.Errorf("writing the findings: %w", err)
	}
	return nil
}

// maxRounds bounds how often --fix judges and mends.
const maxRounds = 5

// judgeNew judges, and moves what an earlier run had found too to the known findings.
func (a *app) judgeNew(ctx context.Context, in *input, paths []string, old *report.Baseline) (report.Host, error) {
	host, err := a.judge(ctx, in, paths)
	if err != nil {
		return host, err
	}
	return host, splitKnown(old, &host)
}

// splitKnown moves what an earlier run had found too to the known findings; nil moves nothing.
func splitKnown(old *report.Baseline, host *report.Host) error {
	if old == nil {
		return nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	old.Split(host, dir)
	return nil
}

// rulePages are all rules with their pages, for formats that carry them along.
func rulePages() []report.Rule {
	out := make([]report.Rule, len(lint.Rules))
	for i, r := range lint.Rules {
		page, _ := lint.Explain(r.Name)
		out[i] = report.Rule{Name: r.Name, Summary: r.Summary, Page: page, Severity: r.Severity}
	}
	return out
}
