package main

import (
	"context"
	"fmt"

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

Exit codes: 0 nothing at or above --fail-on; 1 findings at or above it; 2 usage;
3 could not do it.`,
		Example: `  portolan lint
  portolan lint --root testdata/hosts/ivr-01
  portolan lint --root testdata/hosts/ivr-01 --diff
  portolan lint media_server.conf --platform linux,windows-server --format json`,
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
			} else if err = f.Write(a.stdout, list, a.dress(a.stdout)); err != nil {
				err = fmt.Errorf("writing the findings: %w", err)
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
	cmd.Flags().StringVar(&format, "format", report.Formats[0].Name, "text or json")
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
