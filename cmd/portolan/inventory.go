package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"portolan/internal/inventory"
	"portolan/internal/report"
)

func (a *app) inventoryCommand() *cobra.Command {
	var in input
	var format string
	cmd := &cobra.Command{
		Use:   "inventory [PATH…]",
		Short: "say which line claims which port",
		Example: `  portolan inventory
  portolan inventory --root testdata/hosts/ivr-01 --format json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			formats := inventory.Formats()
			i := slices.IndexFunc(formats, func(f inventory.Format) bool { return f.Name == format })
			if i < 0 {
				var names []string
				for _, f := range formats {
					names = append(names, f.Name)
				}
				return usage("--format: there is no format %q: use one of %s", format, strings.Join(names, ", "))
			}
			found, err := a.read(cmd.Context(), &in, args, false)
			if err != nil {
				return err
			}
			if len(found.diags) > 0 { // talk: what could not be read
				if err := report.Text(a.stderr, found.diags, a.dress(a.stderr)); err != nil {
					return err
				}
			}
			if err := formats[i].Write(a.stdout, found.inventory); err != nil {
				return fmt.Errorf("writing the inventory: %w", err)
			}
			return nil
		},
	}
	in.inventoryFlags(cmd)
	cmd.Flags().StringVar(&format, "format", "text", "text, json or csv")
	return cmd
}
