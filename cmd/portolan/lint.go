package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"portolan/internal/diag"
	"portolan/internal/parallel"
	"portolan/internal/report"
	"portolan/lint"
)

func (a *app) lintCommand() *cobra.Command {
	var in input
	var format, failOn string
	var fix, showDiff bool
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

With --fix it changes the files of its safe fixes and reports what is left; --diff
prints that change as a patch and touches nothing. A fix is safe when it moves a range
that peers are told in each call, and nothing else says the number. The number of a
single port is known to clients elsewhere, so such a move is advice only. All moves
are one plan: as few listeners as possible move, and none to where another one is or
goes. Where there is no room a fix may move another range out of its way. Each file is
replaced as a whole, and all bytes around the number stay.

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
			if slices.Contains(roots, "") { // an unset variable in a script
				return usage("--root has no value")
			}
			if len(roots) > 0 {
				if roots = append(roots, args...); len(roots) > 1 {
					if fix || showDiff {
						return usage("--fix and --diff take one host: name one --root")
					}
					return a.lintFleet(cmd.Context(), &in, roots, f, limit)
				}
				in.root = roots[0]
			}
			list, err := a.judge(cmd.Context(), &in, args)
			if err != nil {
				return err
			}
			if fix {
				changed, err := a.fix(cmd.Context(), &in, args, list)
				if err != nil {
					return err
				}
				if changed { // what is left, and whatever a fix has brought
					if list, err = a.judge(cmd.Context(), &in, args); err != nil {
						return err
					}
				}
			}
			if showDiff {
				err = a.showDiff(list)
			} else {
				err = a.writeFindings(f, &in, args, list, limit)
			}
			if err != nil {
				return err
			}
			if list.Max() >= limit {
				return &exitError{code: exitFindings}
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&roots, "root", nil, "read a host's files below `DIR`; more of them, or folders behind it, are hosts of their own")
	in.serviceFlags(cmd)
	in.hostFlags(cmd)
	in.policyFlag(cmd)
	cmd.Flags().StringVar(&format, "format", report.Formats[0].Name, report.Names())
	cmd.Flags().StringVar(&failOn, "fail-on", "error", "exit with 1 for findings of this severity and above: error, warning, info or none")
	cmd.Flags().BoolVar(&fix, "fix", false, "change the files of the safe fixes, then report what is left")
	cmd.Flags().BoolVar(&showDiff, "diff", false, "print what --fix would change as a patch, and no findings")
	return cmd
}

// judge is all findings about what a command speaks of, once its policy is known to be
// right.
func (a *app) judge(ctx context.Context, in *input, paths []string) (diag.List, error) {
	cat, err := a.catalogue(in)
	if err != nil {
		return nil, err
	}
	one := *in
	one.catalog = cat
	list, err := a.findings(ctx, &one, paths)
	if err != nil {
		return nil, err
	}
	_, _, err = a.loadPolicy(in, cat)
	return list, err
}

// findings are all that there are about what a command speaks of.
func (a *app) findings(ctx context.Context, in *input, paths []string) (diag.List, error) {
	found, err := a.read(ctx, in, paths, true)
	if err != nil {
		return nil, err
	}
	list := append(found.diags, lint.Run(found.inventory, found.hosts, lint.Options{Supported: found.alone})...)
	list.Sort()
	return list, nil
}

// writeFindings prints findings about what a command speaks of.
func (a *app) writeFindings(f report.Format, in *input, paths []string, list diag.List, limit diag.Severity) error {
	root := in.root
	if root == "" && len(paths) == 0 {
		root = a.liveRoot()
	}
	return a.writeHosts(f, report.One(report.Host{Root: root, Findings: list}), report.Options{Limit: limit})
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

// lintFleet judges many hosts, several at a time, and prints each when it is its turn: a
// few of them are in memory at once.
func (a *app) lintFleet(ctx context.Context, in *input, roots []string, f report.Format, limit diag.Severity) error {
	cat, err := a.catalogue(in)
	if err != nil {
		return err
	}
	if _, _, err := a.loadPolicy(in, cat); err != nil {
		return err
	}
	platforms, err := a.platformFacts()
	if err != nil {
		return err
	}
	type judged struct {
		list diag.List
		err  error
	}
	worst, failed := diag.Invalid, 0
	hosts := func(yield func(report.Host) bool) {
		i := -1
		for j := range parallel.InOrder(len(roots), func(i int) judged {
			if err := ctx.Err(); err != nil {
				return judged{err: err}
			}
			one := *in
			one.root, one.catalog, one.known = roots[i], cat, &platforms
			list, err := a.findings(ctx, &one, nil)
			return judged{list, err}
		}) {
			i++
			if j.err != nil {
				if ctx.Err() != nil {
					return
				}
				failed++
				fmt.Fprintln(a.stderr, "portolan: "+report.Printable(roots[i])+": "+report.Printable(j.err.Error()))
				continue
			}
			worst = max(worst, j.list.Max())
			if !yield(report.Host{Root: roots[i], Findings: j.list}) {
				return
			}
		}
	}
	if err := a.writeHosts(f, hosts, report.Options{Fleet: true, Limit: limit}); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case failed > 0:
		return fmt.Errorf("%d of %d hosts could not be read", failed, len(roots))
	case worst >= limit:
		return &exitError{code: exitFindings}
	}
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
