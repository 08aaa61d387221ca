package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"portolan/internal/compile"
	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/parallel"
	"portolan/internal/report"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/internal/verify"
	"portolan/render"
)

func (a *app) renderCommand() *cobra.Command {
	var in input
	var to []string
	var dir string
	cmd := &cobra.Command{
		Use:   "render --to nftables|iptables|windows [PATH…]",
		Short: "write the firewall that fits, proved to mean the policy",
		Long: `Render writes the firewall for the ports that the configuration claims and the
policy allows. Every text is read back by a second reader and proved to mean the
policy before a byte of it is written; a firewall that cannot say something gets a
finding and no text.

Without -o it writes one text to standard output. With -o DIR it writes portolan.nft,
or rules.v4 and rules.v6, or portolan.ps1, and --to may name several firewalls.`,
		Example: `  portolan render --to nftables
  portolan render --to iptables,windows --root testdata/hosts/ivr-01 -o /tmp/firewall
  portolan render --to windows --policy portolan.hcl media_server.conf`,
		RunE: func(cmd *cobra.Command, args []string) error {
			backends, err := backendFlag(to)
			if err != nil {
				return err
			}
			if dir == "" && len(backends) > 1 {
				return usage("several firewalls do not fit into one text: write them into a folder with -o DIR")
			}
			rules, words, err := a.ruleset(cmd.Context(), &in, args)
			if err != nil {
				return err
			}
			outputs, err := a.write(backends, rules, words)
			if err != nil {
				return err
			}
			if dir == "" {
				if _, err := a.stdout.Write(render.Text(outputs)); err != nil {
					return fmt.Errorf("writing the firewall: %w", err)
				}
				return nil
			}
			return a.save(dir, outputs)
		},
	}
	in.inventoryFlags(cmd)
	in.policyFlag(cmd)
	cmd.Flags().StringSliceVar(&to, "to", nil, "the firewalls: nftables, iptables, windows")
	cmd.Flags().StringVarP(&dir, "output", "o", "", "write files into `DIR`")
	return cmd
}

// backendFlag are the firewalls that --to names, each once.
func backendFlag(to []string) ([]render.Backend, error) {
	if len(to) == 0 {
		return nil, usage("say which firewall: --to nftables, iptables or windows")
	}
	var out []render.Backend
	for _, name := range to {
		backend, err := render.Find(name)
		if err != nil {
			return nil, usage("--to: %s", err)
		}
		if !slices.ContainsFunc(out, func(b render.Backend) bool { return b.Name == name }) {
			out = append(out, backend)
		}
	}
	return out, nil
}

// ruleset is what the policy means for the configuration that was read. The words say
// where the policy is from.
func (a *app) ruleset(ctx context.Context, in *input, paths []string) (*ruleset.Ruleset, string, error) {
	found, err := a.read(ctx, in, paths, false)
	if err != nil {
		return nil, "", err
	}
	p, words, err := a.loadPolicy(in, found.catalog)
	if err != nil {
		return nil, "", err
	}
	rules, diags := compile.Ruleset(p, found.inventory)
	diags = append(diags, lockedOut(p, rules, found.inventory, len(paths) > 0)...)
	if err := a.refuse(append(found.diags, diags...), "nothing is written while the configuration has errors"); err != nil {
		return nil, "", &exitError{exitFindings, err}
	}
	// A firewall for a part of a host's ports cuts the others off.
	for _, f := range found.inventory.Files {
		if f.Status != inventory.Whole {
			return nil, "", &exitError{exitFindings, fmt.Errorf("nothing is written, because ports of %s are not known and would be closed: mend what is said about it first", f.Name)}
		}
	}
	return rules, words, nil
}

// write makes the outputs of backends and proves them: all of them, or none.
func (a *app) write(backends []render.Backend, rules *ruleset.Ruleset, words string) ([]render.Output, error) {
	type result struct {
		outputs []render.Output
		diags   diag.List
		err     error
	}
	results := make([]result, len(backends))
	parallel.For(len(backends), func(i int) {
		r := &results[i]
		r.outputs, r.diags, r.err = prove(backends[i], rules, words)
	})
	var outputs []render.Output
	for i, r := range results {
		if r.err != nil {
			return nil, r.err
		}
		if err := a.refuse(r.diags, fmt.Sprintf("%s cannot say this policy", backends[i].Name)); err != nil {
			return nil, &exitError{exitFindings, err}
		}
		outputs = append(outputs, r.outputs...)
	}
	return outputs, nil
}

// prove makes the outputs of one backend, reads them back and compares what they mean
// with the ruleset. The findings say what the backend cannot express.
func prove(backend render.Backend, rules *ruleset.Ruleset, words string) ([]render.Output, diag.List, error) {
	outputs, diags, err := backend.Files(rules, render.Header{Program: "portolan " + version, Policy: words})
	if err != nil || diags.Max() >= diag.Error {
		return nil, diags, err
	}
	var files []*source.File
	for _, o := range outputs {
		if !o.Aside {
			files = append(files, source.New(o.Name, o.Data))
		}
	}
	back, err := verify.Read(backend.Name, files)
	if err != nil {
		return nil, diags, fmt.Errorf("the text was not written, because it cannot be read back: %w", err)
	}
	if c := ruleset.Equivalent(rules, back); c != nil {
		return nil, diags, fmt.Errorf("the text was not written, because it does not mean the policy: %s", c.Words("the policy", "the text"))
	}
	return outputs, diags, nil
}

// save writes every output into dir: first all of them beside their places, then each
// into its place at once. Whoever reads sees an old text or a new one, never a part.
func (a *app) save(dir string, outputs []render.Output) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return plainError(err)
	}
	staged := make([]string, len(outputs))
	defer func() {
		for _, name := range staged {
			if name != "" { // not moved to its place
				err = errors.Join(err, os.Remove(name))
			}
		}
	}()
	for i, o := range outputs {
		name := filepath.Join(dir, o.Name)
		if info, err := os.Lstat(name); err == nil && info.IsDir() {
			return fmt.Errorf("%s: is a folder", name)
		}
		if staged[i], err = stage(dir, o.Data); err != nil {
			return fmt.Errorf("%s: %w", name, reason(err))
		}
	}
	for i, o := range outputs {
		name := filepath.Join(dir, o.Name)
		if err := os.Rename(staged[i], name); err != nil {
			return fmt.Errorf("%s: %w", name, errors.Unwrap(err))
		}
		staged[i] = ""
		fmt.Fprintf(a.stderr, "wrote %s, proved to mean the policy\n", report.Printable(name))
	}
	return nil
}

// stage writes data into a new file in dir and returns its name, which is "" when none
// is left behind.
func stage(dir string, data []byte) (string, error) {
	f, err := os.CreateTemp(dir, ".portolan-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return f.Name(), err
}
