package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portolan/internal/diag"
	"portolan/internal/ignore"
	"portolan/internal/parallel"
	"portolan/internal/policy"
	"portolan/internal/report"
	"portolan/lint"
)

// hostFolders are the hosts that --root names. A pattern that no shell has replaced, as on
// Windows or in a list of arguments, means the folders that match.
func hostFolders(names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		if _, err := os.Stat(name); err == nil || !strings.ContainsAny(name, "*?[") {
			out = append(out, name)
			continue
		}
		found, err := filepath.Glob(name)
		if err != nil {
			return nil, usage("--root %s: %w", name, err)
		}
		found = slices.DeleteFunc(found, func(f string) bool {
			info, err := os.Stat(f)
			return err != nil || !info.IsDir()
		})
		if len(found) == 0 {
			return nil, fmt.Errorf("--root %s: no folder matches", name)
		}
		out = append(out, found...)
	}
	return out, nil
}

// rootsFlag is --root of a command that takes many hosts.
func (in *input) rootsFlag(cmd *cobra.Command, roots *[]string) {
	cmd.Flags().StringArrayVar(roots, "root", nil, "read a host's files below `DIR`; more of them, or folders behind it, are hosts of their own")
}

// oneHost makes roots all hosts that are named, the arguments behind --root among them. One by
// itself is the root of in. It returns the arguments that are no hosts.
func (in *input) oneHost(roots *[]string, args []string) ([]string, error) {
	if slices.Contains(*roots, "") { // an unset variable in a script
		return nil, usage("--root has no value")
	}
	if len(*roots) == 0 {
		return args, nil
	}
	all, err := hostFolders(append(*roots, args...))
	if err != nil {
		return nil, err
	}
	if *roots = all; len(all) == 1 {
		in.root = all[0]
	}
	return nil, nil
}

// A fleet is what is read once to judge many hosts.
type fleet struct {
	input
	ignores *ignore.Shared
	text    diag.List // findings about the text of the policy
}

func (a *app) fleet(in *input) (*fleet, error) {
	f := fleet{input: *in}
	var err error
	if f.catalog, err = a.catalogue(in); err != nil {
		return nil, err
	}
	if f.written, f.text, err = a.writtenPolicy(in, f.catalog); err != nil {
		return nil, err
	}
	platforms, err := a.platformFacts()
	if err != nil {
		return nil, err
	}
	f.known, f.ignores = &platforms, ignore.Of(f.written, lint.Names())
	return &f, nil
}

// host is the input of one host.
func (f *fleet) host(root string) input {
	one := f.input
	one.root = root
	return one
}

// eachHost yields what becomes of each of roots in its turn. Several are read at a time, and the
// results of a few are in memory at once. One that cannot be read is named on standard error, and
// its error is yielded. All ends early when ctx does.
func eachHost[T any](ctx context.Context, a *app, roots []string, of func(i int) (T, error)) iter.Seq2[T, error] {
	type result struct {
		of  T
		err error
	}
	return func(yield func(T, error) bool) {
		bar := a.progress(time.Now())
		defer bar.wipe()
		done := 0
		for r := range parallel.InOrder(len(roots), func(i int) (r result) {
			if r.err = ctx.Err(); r.err == nil {
				r.of, r.err = of(i)
			}
			return r
		}) {
			if ctx.Err() != nil {
				return
			}
			root := roots[done]
			done++
			if r.err != nil {
				bar.wipe()
				fmt.Fprintln(a.stderr, "portolan: "+report.Printable(root)+": "+report.Printable(r.err.Error()))
			} else {
				bar.say(done, len(roots), "hosts", time.Now())
			}
			if !yield(r.of, r.err) {
				return
			}
		}
	}
}

// lintFleet judges many hosts, several at a time, and prints each when it is its turn: a
// few of them are in memory at once.
func (a *app) lintFleet(ctx context.Context, in *input, roots []string, f report.Format, limit diag.Severity, old *report.Baseline) error {
	all, err := a.fleet(in)
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	roots = distinct(roots)
	worst, done, failed := diag.Invalid, 0, 0
	whole := true // of every host
	var used ignore.Used
	common := newCommon(all.written, all.text)
	hosts := func(yield func(report.Host) bool) {
		for j, err := range eachHost(ctx, a, roots, func(i int) (judged, error) {
			one := all.host(roots[i])
			return a.judgeHost(ctx, &one, nil, all.ignores, nil)
		}) {
			done++
			if err != nil {
				failed++
				continue
			}
			whole = whole && j.whole
			used.Add(j.used)
			j.Findings = common.take(j.Findings)
			if old != nil {
				old.Split(&j.Host, dir)
			}
			worst = max(worst, j.Findings.Max())
			if !yield(j.Host) {
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		// What is wrong with the policy is about all hosts together.
		about := report.Host{Findings: append(common.findings(), all.ignores.Unused(used, rules(whole && failed == 0))...)}
		about.Findings.Sort()
		if old != nil {
			old.Split(&about, dir)
		}
		if worst = max(worst, about.Findings.Max()); len(about.Findings)+len(about.Known) > 0 {
			yield(about)
		}
	}
	if err := a.writeHosts(f, hosts, report.Options{Fleet: true, Limit: limit, Compared: old != nil}); err != nil {
		return err
	}
	if err := a.tellGone(old, true); err != nil && ctx.Err() == nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintf(a.stderr, "portolan: %d of %d hosts were judged\n", done, len(roots))
		return ctx.Err()
	case failed > 0:
		return fmt.Errorf("%d of %d hosts could not be read", failed, len(roots))
	case worst >= limit:
		return &exitError{code: exitFindings}
	}
	return nil
}

// distinct leaves out folders that are named again.
func distinct(roots []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(roots), func(root string) bool {
		root = filepath.Clean(root)
		again := seen[root]
		seen[root] = true
		return again
	})
}

// common are the findings about one policy that judges many hosts: those about its text,
// and those that are the same on every host. It keeps those of one host, and the numbers
// of the others.
type common struct {
	policy *policy.Policy
	text   diag.List
	list   diag.List // those of the first host
	on     []int     // how many hosts have each of list
	hosts  int
}

func newCommon(p *policy.Policy, text diag.List) *common { return &common{policy: p, text: text} }

// take counts what one host says about the policy alone, and returns the rest.
func (s *common) take(list diag.List) diag.List {
	if s.policy == nil {
		return list
	}
	s.hosts++
	seen := make([]bool, len(s.list))
	return slices.DeleteFunc(list, func(d diag.Diagnostic) bool {
		if !lint.AboutPolicy(d.Rule) {
			return false
		}
		if s.hosts == 1 {
			// The other places are in files of that host.
			d.Related = slices.DeleteFunc(d.Related, func(r diag.Related) bool { return r.Span.File != s.policy.File })
			s.list, s.on = append(s.list, d), append(s.on, 1)
			return true
		}
		i := slices.IndexFunc(s.list, func(o diag.Diagnostic) bool {
			return o.Rule == d.Rule && o.Span == d.Span && o.Message == d.Message
		})
		if i >= 0 && !seen[i] {
			seen[i] = true
			s.on[i]++
		}
		return true
	})
}

// findings are those that every host has.
func (s *common) findings() diag.List {
	list := slices.Clone(s.text)
	for i, d := range s.list {
		if s.on[i] == s.hosts {
			if s.hosts > 1 {
				d.Notes = append(slices.Clip(d.Notes), fmt.Sprintf("this is so on all %d hosts", s.hosts))
			}
			list = append(list, d)
		}
	}
	list.Sort()
	return list
}
