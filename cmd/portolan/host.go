package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"portolan/internal/host"
	"portolan/internal/report"
	"portolan/internal/source"
)

func (a *app) hostCommand() *cobra.Command {
	var root, platform string
	cmd := &cobra.Command{
		Use:   "host",
		Short: "print the facts of this machine, for --host on another",
		Long: `Host prints what is true of a machine's ports as JSON: the ranges that its
system hands out, reserved and excluded ports, ports that Kubernetes and Nomad give
away, helpers of connection tracking, what listens and with which process, and the
names of /etc/services. lint --host FILE judges with them on another machine.

The names of processes of other users are shown to root alone. Below --root, what
listens is read from proc/net, or from output of ss -lntup or netstat -an in the
folder portolan.`,
		Example: `  portolan host > facts.json
  portolan host --root testdata/hosts/win-ivr
  portolan host --platform freebsd`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if root != "" && platform != "" {
				return usage("name --root or --platform, not both")
			}
			in := input{root: root}
			if platform != "" {
				in.platforms = []string{platform}
			}
			var tree *source.Tree
			if platform == "" {
				dir := root
				if dir == "" {
					dir = a.liveRoot()
				}
				var err error
				if tree, err = source.OpenTree(dir); err != nil {
					return notFolder(dir, err)
				}
				defer tree.Close()
			}
			hosts, diags, err := a.hosts(cmd.Context(), &in, tree, nil)
			if err != nil {
				return err
			}
			if len(diags) > 0 {
				diags.Sort()
				if err := report.Text(a.stderr, diags, a.dress(a.stderr)); err != nil {
					return err
				}
			}
			return a.printFacts(&hosts[0])
		},
	}
	cmd.Flags().StringVar(&root, "root", "", "facts of the host whose files are below `DIR`")
	cmd.Flags().StringVar(&platform, "platform", "", "built-in defaults of a platform by `NAME`")
	return cmd
}

func (a *app) printFacts(facts *host.Facts) error {
	raw, err := facts.JSON()
	if err != nil {
		return err
	}
	if _, err := a.stdout.Write(raw); err != nil {
		return fmt.Errorf("writing the facts: %w", err)
	}
	return nil
}
