package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"portolan/internal/chart"
	"portolan/internal/draw"
	"portolan/lint"
)

func (a *app) chartCommand() *cobra.Command {
	var in input
	var format string
	var o draw.Options
	cmd := &cobra.Command{
		Use:   "chart [PATH…]",
		Short: "draw the port space: who has which ports, and where they meet",
		RunE: func(cmd *cobra.Command, args []string) error {
			i := slices.IndexFunc(draw.Formats[:], func(f draw.Format) bool { return f.Name == format })
			if i < 0 {
				return usage("--format: there is no format %q: use %s", format, draw.Names())
			}
			found, err := a.read(cmd.Context(), &in, args, true)
			if err != nil {
				return err
			}
			list := append(found.diags, lint.Run(found.inventory, found.hosts, lint.Options{Supported: found.alone, Part: len(args) > 0})...)
			list.Sort()
			p := chart.Picture{Panels: []chart.Panel{chart.Host(chart.Judged{Inventory: found.inventory, Hosts: found.hosts, Findings: list, Quarrel: func(string) bool { return true }})}}
			o.Version = version
			if err := draw.Formats[i].Write(a.stdout, &p, o); err != nil {
				return fmt.Errorf("writing the chart: %w", err)
			}
			return nil
		},
	}
	in.inventoryFlags(cmd)
	in.hostFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&format, "format", draw.Formats[0].Name, draw.Names())
	f.BoolVar(&o.Linear, "linear", false, "give every port the same room")
	f.BoolVar(&o.ASCII, "ascii", false, "draw with characters of ASCII alone")
	f.Var(&o.Theme, "theme", "the ground of SVG and HTML: auto, light or dark")
	f.IntVar(&o.Width, "width", 0, "draw `N` columns or pixels wide")
	return cmd
}
