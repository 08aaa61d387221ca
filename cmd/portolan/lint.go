package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"portolan/internal/diag"
	"portolan/internal/report"
	"portolan/lint"
)

func (a *app) lintCommand() *cobra.Command {
	var in input
	var format, failOn string
	cmd := &cobra.Command{
		Use:   "lint [PATH…]",
		Short: "find what is wrong with the ports",
		Long: `Lint reads configuration and reports what is wrong with its ports: ranges that
meet the ports the operating system hands out, services that want the same port,
and more. "portolan explain RULE" prints what a rule is about.

Files that are linted by themselves are judged for every platform their service
runs on. A host is judged by its own facts.

Exit codes: 0 nothing at or above --fail-on; 1 findings at or above it; 2 usage;
3 could not do it.`,
		Example: `  portolan lint
  portolan lint --root testdata/hosts/ivr-01
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
			found, err := a.read(cmd.Context(), &in, args, true)
			if err != nil {
				return err
			}
			if _, _, err := a.loadPolicy(&in, found.catalog); err != nil {
				return err
			}
			findings := append(found.diags, lint.Run(found.inventory, found.hosts, lint.Options{Supported: found.alone})...)
			findings.Sort()
			if err := f.Write(a.stdout, findings, a.dress(a.stdout)); err != nil {
				return fmt.Errorf("writing the findings: %w", err)
			}
			if findings.Max() >= limit {
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
	return cmd
}
