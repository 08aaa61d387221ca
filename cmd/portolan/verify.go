package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"portolan/internal/report"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/internal/verify"
	"portolan/render"
)

func (a *app) verifyCommand() *cobra.Command {
	var in input
	var to string
	cmd := &cobra.Command{
		Use:   "verify --to nftables|iptables|windows FILE…",
		Short: "prove that a firewall's text means the policy",
		Long: `Verify reads the text of a firewall as render writes it and compares it with what
the policy means for the configuration of --root, or of this machine: every packet
is decided alike, or it prints one that is not.

For iptables name rules.v4 and rules.v6, or the one text that render writes to
standard output.

Exit codes: 0 it means the policy; 1 it does not; 2 usage; 3 could not tell.`,
		Example: `  portolan verify --to nftables /etc/nftables.d/portolan.nft
  portolan verify --to iptables --root testdata/hosts/ivr-01 rules.v4 rules.v6`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return usage("say which firewall: --to nftables, iptables or windows")
			}
			backend, err := render.Find(to)
			if err != nil {
				return usage("--to: %s", err)
			}
			if len(args) == 0 {
				return usage("name the file to verify")
			}
			if most := map[string]int{"iptables": 2}[to]; len(args) > max(most, 1) {
				return usage("%s is one text, and %d files are named", to, len(args))
			}
			var files []*source.File
			for _, name := range args {
				f, err := source.ReadFile(name)
				if err != nil {
					return plainError(err)
				}
				files = append(files, f)
			}
			rules, words, err := a.ruleset(cmd.Context(), &in, nil)
			if err != nil {
				return err
			}
			back, err := verify.Read(backend.Name, files)
			if err != nil {
				return err
			}
			if c := ruleset.Equivalent(rules, back); c != nil {
				if _, err := fmt.Fprintf(a.stdout, "%s: %s\n", report.Printable(args[0]), c.Words("the policy", "the text")); err != nil {
					return fmt.Errorf("writing the answer: %w", err)
				}
				return &exitError{code: exitFindings}
			}
			_, err = fmt.Fprintf(a.stdout, "%s means %s, for every packet\n", report.Printable(args[0]), report.Printable(words))
			return err
		},
	}
	in.inventoryFlags(cmd)
	in.policyFlag(cmd)
	cmd.Flags().StringVar(&to, "to", "", "the firewall: nftables, iptables or windows")
	return cmd
}
