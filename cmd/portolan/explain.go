package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"portolan/internal/hclfile"
	"portolan/lint"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "explain RULE",
		Short:             "print what a rule is about, why, and how to fix it",
		Example:           "  portolan explain ephemeral-overlap",
		ValidArgsFunction: cobra.FixedCompletions(lint.Names(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("explain takes one name of a rule: %s", strings.Join(lint.Names(), ", "))
			}
			page, ok := lint.Explain(args[0])
			if !ok {
				return usage("there is no rule %q%s; rules are %s", args[0], hclfile.Suggest(args[0], lint.Names()), strings.Join(lint.Names(), ", "))
			}
			if _, err := io.WriteString(a.stdout, page); err != nil {
				return fmt.Errorf("writing the page: %w", err)
			}
			return nil
		},
	}
}
