package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// version is that of the program; it stands in the header of every firewall.
const version = "0.1.0"

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.stdout, "portolan %s\n", version)
			return err
		},
	}
}
