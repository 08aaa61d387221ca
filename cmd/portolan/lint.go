package main

import (
	"context"
	"fmt"
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
	cmd := &cobra.Command{
		Use:   "lint [PATH…]",
		Short: "find what is wrong with the ports",
		Long: `Lint reads configuration and reports what is wrong with its ports: ranges that
meet the ports the operating system hands out, services that want the same port,
and more. "portolan explain RULE" prints what a rule is about.

Files that are linted by themselves are judged for every platform their service
runs on. A host is judged by its own facts.

With --fix it changes the files of its safe fixes and reports what is left; --diff
prints that change as a patch and touches nothing. A fix is safe when it moves a range
that peers are told in each call, and nothing else says the number. The number of a
single port is known to clients elsewhere, so such a move is advice only. Each file is
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
	in.inventoryFlags(cmd)
	in.hostFlags(cmd)
	in.policyFlag(cmd)
	cmd.Flags().StringVar(&format, "format", report.Formats[0].Name, report.Names())
	cmd.Flags().StringVar(&failOn, "fail-on", "error", "exit with 1 for findings of this severity and above: error, warning, info or none")
	cmd.Flags().BoolVar(&fix, "fix", false, "change the files of the safe fixes, then report what is left")
	cmd.Flags().BoolVar(&showDiff, "diff", false, "print what --fix would change as a patch, and no findings")
	return cmd
}

// judge is all findings about what a command speaks of.
func (a *app) judge(ctx context.Context, in *input, paths []string) (diag.List, error) {
	found, err := a.read(ctx, in, paths, true)
	if err != nil {
		return nil, err
	}
	if _, _, err := a.loadPolicy(in, found.catalog); err != nil {
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
	o := a.dress(a.stdout)
	o.Version, o.Rules, o.Limit = version, rulePages(), limit
	var err error
	if o.Dir, err = os.Getwd(); err != nil {
		return err
	}
	if err := f.Write(a.stdout, report.One(report.Host{Root: root, Findings: list}), o); err != nil {
		return fmt.Errorf("writing the findings: %w", err)
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
