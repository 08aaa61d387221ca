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
	var in input
	cmd := &cobra.Command{
		Use:   "explain [NAME]",
		Short: "print what a rule or a service is about",
		Long: `Explain prints the page of a rule: what it finds, why that is wrong, how to fix it,
and an example. Of a service it prints the files and settings that are read and the
defaults that are assumed, with their sources. Without a name it lists the rules and the
services.`,
		Example: `  portolan explain ephemeral-overlap
  portolan explain lumenvox-media-server`,
		ValidArgsFunction: cobra.FixedCompletions(lint.Names(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("explain takes one name, of a rule or of a service")
			}
			cat, err := a.catalogue(&in)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				_, err := fmt.Fprintf(a.stdout, "rules:\n  %s\n\nservices:\n  %s\n", strings.Join(lint.Names(), "\n  "), strings.Join(cat.IDs(), "\n  "))
				if err != nil {
					return fmt.Errorf("writing the list: %w", err)
				}
				return nil
			}
			page, ok := lint.Explain(args[0])
			if !ok {
				service := cat.Find(args[0])
				if service == nil {
					known := append(lint.Names(), cat.IDs()...)
					return usage("there is no rule and no service %q%s; portolan explain without a name lists them", args[0], hclfile.Suggest(args[0], known))
				}
				page = service.Explain()
			}
			if _, err := io.WriteString(a.stdout, page); err != nil {
				return fmt.Errorf("writing the page: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&in.services, "services", "", "add or override descriptions of services from `DIR`")
	return cmd
}
