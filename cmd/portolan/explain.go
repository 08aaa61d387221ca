package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"portolan/internal/catalog"
	"portolan/internal/diag"
	"portolan/internal/hclfile"
	"portolan/internal/inventory"
	"portolan/internal/report"
	"portolan/internal/source"
	"portolan/lint"
)

func (a *app) explainCommand() *cobra.Command {
	var in input
	var test bool
	var tree string
	var packet packetFlags
	cmd := &cobra.Command{
		Use:   "explain [NAME | PORT/PROTOCOL | icmp:TYPE [PATH…]]",
		Short: "print what a rule or a service is about, or what happens to a port",
		Long: `Explain prints the page of a rule: what it finds, why that is wrong, how to fix it,
and an example. Of a service it prints the files and settings that are read and the
defaults that are assumed, with their sources. Without a name it lists the rules, by what
goes wrong, and the services.

Of a port, such as 25000/udp, it prints which service claims it and who can reach it. With
--from ADDRESS it walks one packet from there: the rules that it meets in their order, with
the lines that asked for them, and the line of each firewall that decides about it. With
--to it is a packet that leaves for ADDRESS. icmp:8 and icmpv6:128 are types of ICMP.

For those who describe a service: --test runs the tests in the description NAME, or in all
of --services DIR; --tree FORMAT prints the paths and values that a description sees in a
file. FORMAT is a format, or SERVICE or SERVICE.ROLE for the format of its file.

Exit codes: 0 fine; 1 a test fails, or a description has none; 2 usage; 3 could not do it.`,
		Example: `  portolan explain ephemeral-overlap
  portolan explain lumenvox-media-server
  portolan explain 25000/udp --root testdata/hosts/ivr-01
  portolan explain 25000/udp --from 10.1.2.3 --interface eth0
  portolan explain 53/udp --to 10.0.0.53
  portolan explain --services mine --test acme-gateway
  portolan explain --tree yaml acme.yml`,
		ValidArgsFunction: cobra.FixedCompletions(lint.Names(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			showTree := cmd.Flags().Changed("tree")
			isPort := !showTree && !test && len(args) > 0 && looksLikePort(args[0])
			switch {
			case isPort:
				return a.explainPort(cmd.Context(), &in, &packet, args)
			case packet.name(cmd) != "":
				return usage("--%s goes with a port, as in portolan explain 25000/udp", packet.name(cmd))
			case showTree && test:
				return usage("--tree and --test do not go together")
			case showTree && len(args) != 1:
				return usage("--tree FORMAT takes the name of one file")
			case len(args) > 1:
				return usage("explain takes one name, of a rule or of a service")
			}
			cat, err := a.catalogue(&in)
			switch {
			case err != nil:
				return err
			case showTree:
				return a.printTree(cat, tree, args[0])
			case test:
				return a.tryDescriptions(cat, args, in.services != "")
			case len(args) == 0:
				_, err := fmt.Fprintf(a.stdout, "rules, by what goes wrong:\n%s\nservices:\n  %s\n", rulesByTrouble(), strings.Join(cat.IDs(), "\n  "))
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
					return usage("there is no rule and no service %q%s", args[0], nearest(args[0], known))
				}
				page = service.Explain()
			}
			if _, err := io.WriteString(a.stdout, page); err != nil {
				return fmt.Errorf("writing the page: %w", err)
			}
			return nil
		},
	}
	in.inventoryFlags(cmd)
	in.policyFlag(cmd)
	packet.flags(cmd)
	cmd.Flags().BoolVar(&test, "test", false, "run the tests in the description of a service")
	cmd.Flags().StringVar(&tree, "tree", "", "print what a description sees in a file of this `FORMAT`")
	return cmd
}

// rulesByTrouble lists the rules below what goes wrong when nobody mends what they find.
func rulesByTrouble() string {
	width := 0
	for _, r := range lint.Rules {
		width = max(width, len(r.Name))
	}
	var b strings.Builder
	for _, t := range lint.Troubles {
		head := fmt.Sprintf("\n  %s\n", t.Words)
		for _, r := range lint.Rules {
			if r.Trouble == t.Trouble {
				b.WriteString(head)
				head = ""
				fmt.Fprintf(&b, "    %-*s  %s\n", width, r.Name, r.Summary)
			}
		}
	}
	return b.String()
}

// tryDescriptions runs the tests of the named service, or of all the operator's, or of all.
func (a *app) tryDescriptions(cat *catalog.Catalog, names []string, theirs bool) error {
	var services []*catalog.Service
	switch {
	case len(names) > 0:
		s := cat.Find(names[0])
		if s == nil {
			return usage("there is no service %q%s", names[0], nearest(names[0], cat.IDs()))
		}
		services = append(services, s)
	case theirs:
		services = cat.Theirs()
	default:
		services, _ = cat.All() // ours, without mistakes
	}
	var out strings.Builder
	var found diag.List
	failed, all := 0, 0
	for _, s := range services {
		if len(s.Tests) == 0 {
			failed++
			fmt.Fprintf(&out, "FAIL %s carries no test (%s)\n", s.ID, s.Span)
		}
		for i := range s.Tests {
			test := &s.Tests[i]
			all++
			trial, err := inventory.Try(s, test)
			if err != nil {
				return err
			}
			if trial.Passed() {
				fmt.Fprintf(&out, "ok   %s %q\n", s.ID, test.Name)
				continue
			}
			failed++
			fmt.Fprintf(&out, "FAIL %s %q (%s)\n", s.ID, test.Name, test.Span)
			for _, line := range trial.Missing {
				fmt.Fprintf(&out, "  - %s\n", report.Printable(line))
			}
			for _, line := range trial.Extra {
				fmt.Fprintf(&out, "  + %s\n", report.Printable(line))
			}
			if len(trial.Missing)+len(trial.Extra) == 0 {
				out.WriteString("  the claims are right, and an expression of the description fails\n")
			}
			found = append(found, trial.Diags...)
		}
	}
	if failed > 0 {
		out.WriteString("- is expected and not claimed, + is claimed and not expected\n")
	}
	if _, err := io.WriteString(a.stdout, out.String()); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	if len(found) > 0 { // what the tests that failed met
		if err := report.Text(a.stderr, found, a.dress(a.stderr)); err != nil {
			return err
		}
	}
	if failed > 0 {
		return &exitError{code: exitFindings}
	}
	return nil
}

// printTree prints the paths and values of a file.
func (a *app) printTree(cat *catalog.Catalog, format, name string) error {
	f, err := source.ReadFile(name)
	if err != nil {
		return err
	}
	doc, diags, err := inventory.ReadAs(cat, format, f)
	if err != nil {
		return usage("--tree: %w", err)
	}
	for _, gap := range doc.Gaps {
		diags = append(diags, diag.Diagnostic{Rule: "unreadable-file", Severity: diag.Warning, Span: gap, Message: "what belongs here is not in the tree", Label: "not read"})
	}
	var out strings.Builder
	for row := range doc.Rows() {
		fmt.Fprintf(&out, "%s\t%s", row.At, report.Printable(row.Path))
		if row.Value != "" {
			fmt.Fprintf(&out, "\t%s", report.Printable(row.Value))
		}
		out.WriteByte('\n')
	}
	if _, err := io.WriteString(a.stdout, out.String()); err != nil {
		return fmt.Errorf("writing the tree: %w", err)
	}
	if len(diags) == 0 {
		return nil
	}
	diags.Sort()
	return report.Text(a.stderr, diags, a.dress(a.stderr))
}

// nearest is advice for a name that there is not: the one that was probably meant, those of
// the family of services that it is, or where all are listed.
func nearest(name string, known []string) string {
	if hint := hclfile.Suggest(name, known); hint != "" {
		return hint
	}
	var family []string
	for _, k := range known {
		if strings.HasPrefix(k, strings.ToLower(name)+"-") {
			family = append(family, k)
		}
	}
	if family != nil {
		return "; there are " + report.Joined(family, " and ")
	}
	return "; portolan explain without a name lists them"
}
