package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"portolan/internal/diag"
	"portolan/internal/draft"
	"portolan/internal/host"
	"portolan/internal/report"
	"portolan/internal/source"
	"portolan/render"
)

func (a *app) initCommand() *cobra.Command {
	var in input
	var name string
	var force bool
	cmd := &cobra.Command{
		Use:   "init [PATH…]",
		Short: "write a first policy from what is found, to edit",
		Long: `Init writes a policy for what the configuration claims. As it stands it opens what
the built-in policy opens: every public listener, and SSH, for everybody; on Windows
also Remote Desktop and WinRM. So it changes nothing until you edit it.

In it stand, with the file and the line of each: the listeners of every service; those for
operators and for other parts of a product, as comments to switch on; zones for your
networks; what would have to leave if not everything may; and what is not known.

Without -o it writes to standard output. With -o FILE it writes a new file and
replaces one only with --force.`,
		Example: `  portolan init -o portolan.hcl
  portolan init --root testdata/hosts/ivr-01
  portolan init media_server.conf`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if force && name == "" {
				return usage("--force replaces the file of -o, and there is none")
			}
			found, err := a.read(cmd.Context(), &in, args, true)
			if err != nil {
				return err
			}
			if len(found.diags) > 0 { // talk: what could not be read
				if err := report.Text(a.stderr, found.diags, a.dress(a.stderr)); err != nil {
					return err
				}
			}
			text, err := draftPolicy(found)
			if err != nil {
				return err
			}
			if name != "" {
				return a.writeNew(name, text, force)
			}
			if _, err := a.stdout.Write(text); err != nil {
				return fmt.Errorf("writing the policy: %w", err)
			}
			return nil
		},
	}
	in.inventoryFlags(cmd)
	cmd.Flags().StringVarP(&name, "output", "o", "", "write a new `FILE`")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file of -o")
	return cmd
}

// draftPolicy is a first policy for what was found. It is loaded once before anybody gets it.
func draftPolicy(found *found) ([]byte, error) {
	var facts *host.Facts
	if len(found.hosts) == 1 {
		facts = &found.hosts[0]
	}
	text, err := draft.Policy("portolan "+version, found.inventory, facts)
	if err != nil {
		return nil, err
	}
	if _, diags := checkPolicy(source.New(policyFile, text), found.catalog); diags.Max() >= diag.Error {
		return nil, fmt.Errorf("nothing is written, because it is no policy: %s: %s", diags[0].Span, diags[0].Message)
	}
	return text, nil
}

// writeNew writes a file at once: whoever reads sees all of it or none. Without force it
// replaces no file.
func (a *app) writeNew(name string, data []byte, force bool) (err error) {
	switch info, err := os.Lstat(name); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return plainError(err)
	case info.IsDir():
		return fmt.Errorf("%s: is a folder", name)
	case !force:
		return fmt.Errorf("%s is there already: name another file, or replace it with --force", name)
	}
	staged, err := stage(filepath.Dir(name), render.Output{Data: data})
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", name, reason(err)), unstage(staged))
	}
	if !force {
		// A link is made only where nothing is, whatever has come there since.
		switch err := os.Link(staged, name); {
		case err == nil:
			a.wrote(name)
			return unstage(staged)
		case errors.Is(err, fs.ErrExist):
			return errors.Join(fmt.Errorf("%s is there already: name another file, or replace it with --force", name), unstage(staged))
		}
		// Not every file system has links.
	}
	if err := os.Rename(staged, name); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", name, errors.Unwrap(err)), unstage(staged))
	}
	a.wrote(name)
	return nil
}

func unstage(name string) error {
	if name == "" {
		return nil
	}
	return os.Remove(name)
}

func (a *app) wrote(name string) {
	fmt.Fprintf(a.stderr, "wrote %s, a policy that opens what the built-in one does: edit it\n", report.Printable(name))
}
