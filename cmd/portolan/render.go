package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"portolan/internal/compile"
	"portolan/internal/diag"
	"portolan/internal/inventory"
	"portolan/internal/parallel"
	"portolan/internal/policy"
	"portolan/internal/report"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/internal/verify"
	"portolan/render"
)

func (a *app) renderCommand() *cobra.Command {
	var in input
	var to []string
	var form, dir string
	cmd := &cobra.Command{
		Use:   "render --to nftables|iptables|windows [PATH…]",
		Short: "write the firewall that fits, proved to mean the policy",
		Long: `Render writes the firewall for the ports that the configuration claims and the
policy allows. Every text is read back by a second reader and proved to mean the
policy before a byte of it is written; a firewall that cannot say something gets a
finding and no text.

Without -o it writes one text to standard output, in the first form of the firewall or
in the one that --form names. With -o DIR it writes portolan.nft, or rules.v4 and
rules.v6, or portolan.ps1, and what stands beside them, and --to may name several
firewalls. Without --form it writes every form that there is; one of the further forms
that cannot say the policy is left out and named.

Each text ends in a certificate, two comment lines: over how many cells of packet space
it was compared with the policy, and the SHA-256 of the ruleset. A cell is all packets
that no rule of either side can tell apart.`,
		Example: `  portolan render --to nftables
  portolan render --to iptables,windows --root testdata/hosts/ivr-01 -o /tmp/firewall
  portolan render --to windows --policy portolan.hcl media_server.conf`,
		RunE: func(cmd *cobra.Command, args []string) error {
			backends, err := backendFlag(to)
			if err != nil {
				return err
			}
			if len(backends) > 1 && (dir == "" || form != "") {
				if form != "" {
					return usage("--form is for one firewall, and --to names %d", len(backends))
				}
				return usage("several firewalls do not fit into one text: write them into a folder with -o DIR")
			}
			jobs, err := chosenForms(backends, form, dir != "")
			if err != nil {
				return err
			}
			found, err := a.read(cmd.Context(), &in, args, false)
			if err != nil {
				return err
			}
			rules, words, err := a.compiled(&in, found, toWrite, len(args) > 0)
			if err != nil {
				return err
			}
			outputs, err := a.write(jobs, rules, words)
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
	cmd.Flags().StringVar(&form, "form", "", "the kind of file: "+formNames())
	cmd.Flags().StringVarP(&dir, "output", "o", "", "write files into `DIR`")
	completeBackends(cmd)
	complete(cmd, "form", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, b := range render.Backends {
			if len(to) > 0 && !slices.Contains(to, b.Name) {
				continue
			}
			for _, f := range b.Forms {
				names = append(names, f.Name+"\t"+f.Title)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
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

// complete says what can stand behind a flag.
func complete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // a flag that the command does not have
	}
}

// completeBackends completes --to with the firewalls.
func completeBackends(cmd *cobra.Command) {
	var names []string
	for _, b := range render.Backends {
		names = append(names, b.Name+"\t"+b.Title)
	}
	complete(cmd, "to", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp))
}

// completeWords completes a flag with the given words.
func completeWords(cmd *cobra.Command, flag string, words ...string) {
	complete(cmd, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// formNames are the forms of all firewalls, for the help.
func formNames() string {
	var parts []string
	for _, b := range render.Backends {
		var names []string
		for _, f := range b.Forms {
			names = append(names, f.Name)
		}
		parts = append(parts, b.Name+" has "+strings.Join(names, ", "))
	}
	return strings.Join(parts, "; ")
}

// A formJob is one form of a firewall to write.
type formJob struct {
	backend render.Backend
	form    render.Form
	extra   bool // it is left out when it cannot say the policy
}

// chosenForms are what is to be written of each firewall: the form of the given name, or
// every form, or the first one.
func chosenForms(backends []render.Backend, name string, every bool) ([]formJob, error) {
	var jobs []formJob
	for _, b := range backends {
		if name == "" && every {
			for i, f := range b.Forms {
				jobs = append(jobs, formJob{b, f, i > 0})
			}
			continue
		}
		f, err := b.Form(name)
		if err != nil {
			var lines []string
			for _, f := range b.Forms {
				lines = append(lines, fmt.Sprintf("%s (%s)", f.Name, f.Title))
			}
			return nil, usage("--form: %s has no form %q: use one of %s", b.Name, name, strings.Join(lines, ", "))
		}
		jobs = append(jobs, formJob{b, f, false})
	}
	return jobs, nil
}

// ruleset is what the policy means for the configuration that was read. The words say
// where the policy is from.
func (a *app) ruleset(ctx context.Context, in *input, paths []string) (*ruleset.Ruleset, string, error) {
	found, err := a.read(ctx, in, paths, false)
	if err != nil {
		return nil, "", err
	}
	return a.compiled(in, found, toCompare, false)
}

// What a ruleset is for, as findings say it.
const (
	toWrite   = "written"
	toChange  = "changed"
	toCompare = "compared"
	toExplain = "explained"
)

// compiled is what the policy means for what was found. When it is to be written, a policy
// behind which nobody could log in is refused; part says that the files are not all of a host.
func (a *app) compiled(in *input, found *found, purpose string, part bool) (*ruleset.Ruleset, string, error) {
	_, rules, words, err := a.compiledPolicy(in, found, purpose, part)
	return rules, words, err
}

// compiledPolicy is compiled with the policy itself.
func (a *app) compiledPolicy(in *input, found *found, purpose string, part bool) (*policy.Policy, *ruleset.Ruleset, string, error) {
	p, words, err := a.loadPolicy(in, found.catalog)
	if err != nil {
		return nil, nil, "", err
	}
	rules, diags := compile.Ruleset(p, found.inventory)
	if purpose == toWrite {
		diags = append(diags, lockedOut(p, rules, found.inventory, part)...)
	}
	if err := a.refuse(append(slices.Clone(found.diags), diags...), "nothing is "+purpose+" while there are errors"); err != nil {
		return nil, nil, "", &exitError{exitFindings, err}
	}
	// A firewall for a part of a host's ports cuts the others off.
	for _, f := range found.inventory.Files {
		switch {
		case f.Status == inventory.Whole:
		case purpose == toExplain:
			fmt.Fprintln(a.stderr, report.Printable("portolan: ports of "+f.Name+" are not known, and the answer is without them"))
		default:
			return nil, nil, "", &exitError{exitFindings, fmt.Errorf("nothing is %s, because ports of %s are not known and would be closed: mend what is said about it first", purpose, f.Name)}
		}
	}
	return p, rules, words, nil
}

// write makes the outputs of forms and proves each form by itself: all of them, or none. A
// further form of a firewall that cannot say the policy is left out.
func (a *app) write(jobs []formJob, rules *ruleset.Ruleset, words string) ([]render.Output, error) {
	type result struct {
		proved
		diags diag.List
		err   error
	}
	results := make([]result, len(jobs))
	hash := rules.Hash()
	parallel.For(len(jobs), func(i int) {
		r := &results[i]
		r.proved, r.diags, r.err = prove(jobs[i], rules, hash, words)
	})
	var outputs []render.Output
	taken := map[string]bool{}
	var left []string
	for i, r := range results {
		job := &jobs[i]
		if r.err != nil {
			return nil, r.err
		}
		if job.extra && r.diags.Max() >= diag.Error {
			left = append(left, fmt.Sprintf("left out the form %q of %s: %s", job.form.Name, job.backend.Name, firstOf(r.diags)))
			continue
		}
		if err := a.refuse(r.diags, fmt.Sprintf("%s cannot say this policy: change it, or give hosts with %s one of their own and name it with --policy", job.backend.Name, job.backend.Name)); err != nil {
			return nil, &exitError{exitFindings, err}
		}
		for _, o := range r.outputs {
			name := strings.ToLower(o.Name) // as some file systems have it
			if taken[name] {
				return nil, fmt.Errorf("nothing is written, because two forms have a file %s: name one with --form", o.Name)
			}
			taken[name] = true
		}
		outputs = append(outputs, r.outputs...)
	}
	for _, line := range left {
		fmt.Fprintln(a.stderr, report.Printable(line))
	}
	return outputs, nil
}

// firstOf is the first error of findings on one line, with its place.
func firstOf(diags diag.List) string {
	more := -1
	line := ""
	for _, d := range diags {
		if d.Severity < diag.Error {
			continue
		}
		if more++; more > 0 {
			continue
		}
		line = d.Message
		if place := d.Span.Place(); place != "" {
			line += " (" + place + ")"
		}
	}
	if more > 0 {
		line += fmt.Sprintf(", and %d more", more)
	}
	return line
}

// proved is one form of a firewall in which nothing is left to doubt.
type proved struct {
	outputs []render.Output
	back    *ruleset.Ruleset // as it was read back; its places are lines of the outputs
}

// prove makes the outputs of one form, reads them back and compares what they mean with
// the ruleset. Then it writes the certificate into them and reads them once more: a
// comment is nothing only as long as the reader says so. The findings say what the form
// cannot express.
func prove(job formJob, rules *ruleset.Ruleset, hash, words string) (proved, diag.List, error) {
	const program = "portolan " + version
	outputs, diags, err := job.form.Files(rules, render.Header{Program: program, Policy: words})
	if err != nil || diags.Max() >= diag.Error {
		return proved{}, diags, err
	}
	back, err := readBack(job.backend.Name, outputs)
	if err != nil {
		return proved{}, diags, fmt.Errorf("the text was not written, because it cannot be read back: %w", err)
	}
	proof := ruleset.Prove(rules, back)
	if c := proof.Counterexample; c != nil {
		return proved{}, diags, fmt.Errorf("the text was not written, because it does not mean the policy: %s", c.Words("the policy", "the text"))
	}
	outputs = render.Certify(outputs, render.Certificate{Cells: proof.Cells, Ruleset: hash, Program: program})
	again, err := readBack(job.backend.Name, outputs)
	if err != nil {
		return proved{}, diags, fmt.Errorf("the text was not written, because its certificate cannot be read back: %w", err)
	}
	if again.Hash() != back.Hash() {
		return proved{}, diags, errors.New("the text was not written, because its certificate changes what it means")
	}
	return proved{outputs, again}, diags, nil
}

// readBack is what the outputs of a firewall mean.
func readBack(backend string, outputs []render.Output) (*ruleset.Ruleset, error) {
	var files []*source.File
	for _, o := range outputs {
		if !o.Aside {
			files = append(files, source.New(o.Name, o.Data))
		}
	}
	return verify.Read(backend, files)
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
		if staged[i], err = stage(dir, o); err != nil {
			return fmt.Errorf("%s: %w", name, reason(err))
		}
	}
	for i, o := range outputs {
		name := filepath.Join(dir, o.Name)
		if err := os.Rename(staged[i], name); err != nil {
			return fmt.Errorf("%s: %w", name, errors.Unwrap(err))
		}
		staged[i] = ""
		if o.Aside {
			fmt.Fprintf(a.stderr, "wrote %s, which goes with it\n", report.Printable(name))
			continue
		}
		fmt.Fprintf(a.stderr, "wrote %s, proved to mean the policy\n", report.Printable(name))
	}
	return nil
}

// stage writes o into a new file in dir and returns its name, which is "" when none
// is left behind.
func stage(dir string, o render.Output) (string, error) {
	mode := os.FileMode(0o644)
	if o.Program {
		mode = 0o755
	}
	f, err := os.CreateTemp(dir, ".portolan-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(o.Data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return f.Name(), err
}
