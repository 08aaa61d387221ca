package main

import (
	_ "embed"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/tools/txtar"

	"portolan/internal/compile"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/report"
	"portolan/internal/source"
	"portolan/lint"
	"portolan/render"
)

// demoHost is a small host: an 11.x media server with its shipped ranges on a Linux with
// its own.
//
//go:embed demo.txtar
var demoHost []byte

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "lint and render a built-in example host",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return a.demo() },
	}
}

// demo shows what lint and render do, on files that every copy of the program carries.
func (a *app) demo() error {
	files, err := txtar.FS(txtar.Parse(demoHost))
	if err != nil {
		return err
	}
	tree := source.NewTree(files)
	in := &input{}
	cat, err := a.catalogue(in)
	if err != nil {
		return err
	}
	inv, diags, err := inventory.Read(cat, tree, "demo", nil)
	if err != nil {
		return err
	}
	platforms, err := a.platformFacts()
	if err != nil {
		return err
	}
	facts, more, err := host.Load(tree, platforms)
	if err != nil {
		return err
	}
	findings := append(append(diags, more...), lint.Run(inv, []host.Facts{facts}, lint.Options{})...)
	findings.Sort()

	fmt.Fprintln(a.stdout, "The example host claims these ports (portolan inventory):")
	fmt.Fprintln(a.stdout)
	if err := inventory.WriteText(a.stdout, inv); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "\nThis is wrong with them (portolan lint):")
	fmt.Fprintln(a.stdout)
	if err := report.Text(a.stdout, findings, a.dress(a.stdout)); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "\nThis is the firewall that fits, proved to mean the policy (portolan render --to nftables):")
	fmt.Fprintln(a.stdout)
	p, words, err := a.builtinPolicy(cat)
	if err != nil {
		return err
	}
	rules, _ := compile.Ruleset(p, inv)
	backend, err := render.Find("nftables")
	if err != nil {
		return err
	}
	outputs, err := a.write([]formJob{{backend: backend, form: backend.Forms[0]}}, rules, words)
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(render.Text(outputs))
	return err
}
