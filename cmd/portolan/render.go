package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"portolan/internal/compile"
	"portolan/internal/inventory"
	"portolan/internal/report"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/internal/verify"
	"portolan/render"
)

func (a *app) renderCommand() *cobra.Command {
	var in input
	var to, dir string
	cmd := &cobra.Command{
		Use:   "render --to nftables|iptables|windows [PATH…]",
		Short: "write the firewall that fits, proved to mean the policy",
		Long: `Render writes the firewall for the ports that the configuration claims and the
policy allows. Every text is read back by a second reader and proved to mean the
policy before a byte of it is written; a firewall that cannot say something gets a
finding and no text.

Without -o it writes one text to standard output. With -o DIR it writes portolan.nft,
or rules.v4 and rules.v6, or portolan.ps1.`,
		Example: `  portolan render --to nftables
  portolan render --to iptables --root testdata/hosts/ivr-01 -o /tmp/firewall
  portolan render --to windows --policy portolan.hcl media_server.conf`,
		RunE: func(cmd *cobra.Command, args []string) error {
			backend, err := backendFlag(to)
			if err != nil {
				return err
			}
			rules, words, err := a.ruleset(cmd.Context(), &in, args)
			if err != nil {
				return err
			}
			outputs, err := a.write(backend, rules, words)
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
	cmd.Flags().StringVar(&to, "to", "", "the firewall: nftables, iptables or windows")
	cmd.Flags().StringVarP(&dir, "output", "o", "", "write files into `DIR`")
	return cmd
}

func backendFlag(to string) (render.Backend, error) {
	if to == "" {
		return render.Backend{}, usage("say which firewall: --to nftables, iptables or windows")
	}
	backend, err := render.Find(to)
	if err != nil {
		return backend, usage("--to: %s", err)
	}
	return backend, nil
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

// write makes the outputs of a backend and proves them.
func (a *app) write(backend render.Backend, rules *ruleset.Ruleset, words string) ([]render.Output, error) {
	outputs, diags, err := backend.Files(rules, render.Header{Program: "portolan " + version, Policy: words})
	if err != nil {
		return nil, err
	}
	if err := a.refuse(diags, fmt.Sprintf("%s cannot say this policy", backend.Name)); err != nil {
		return nil, &exitError{exitFindings, err}
	}
	var files []*source.File
	for _, o := range outputs {
		files = append(files, source.New(o.Name, o.Data))
	}
	back, err := readBack(backend.Name, files)
	if err != nil {
		return nil, fmt.Errorf("the text was not written, because it cannot be read back: %w", err)
	}
	if c := ruleset.Equivalent(rules, back); c != nil {
		return nil, fmt.Errorf("the text was not written, because it does not mean the policy: %s", c.Words("the policy", "the text"))
	}
	return outputs, nil
}

// readBack reads the files of a backend with a reader that shares nothing with the
// writer.
func readBack(backend string, files []*source.File) (*ruleset.Ruleset, error) {
	switch {
	case backend == "nftables" && len(files) == 1:
		return verify.ParseNftables(files[0])
	case backend == "iptables" && len(files) == 2:
		return verify.ParseIptables(files[0], files[1])
	case backend == "windows" && len(files) == 1:
		return verify.ParseWindows(files[0])
	}
	return nil, fmt.Errorf("%s does not come in %d files", backend, len(files))
}

// save writes every output into dir, each as a whole or not at all.
func (a *app) save(dir string, outputs []render.Output) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return plainError(err)
	}
	for _, o := range outputs {
		name := filepath.Join(dir, o.Name)
		if err := writeFile(name, o.Data); err != nil {
			return plainError(err)
		}
		fmt.Fprintf(a.stderr, "wrote %s, proved to mean the policy\n", report.Printable(name))
	}
	return nil
}

// writeFile puts data in place of what name was, atomically: whoever reads sees the old
// text or the new one.
func writeFile(name string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".portolan-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
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
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
