package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"portolan/internal/compile"
	"portolan/internal/diag"
	"portolan/internal/ignore"
	"portolan/internal/report"
	"portolan/internal/source"
	"portolan/lint"
)

// judged is what was found out about a host, or about files by themselves, without what
// somebody ignores.
type judged struct {
	report.Host
	used ignore.Used // ignores of the policy that silenced something
	// whole says that everything of the host was read and its own facts are known, so that a
	// rule that finds nothing has nothing to find.
	whole bool
}

// judge is all that is found out about what a command speaks of, and about its policy.
func (a *app) judge(ctx context.Context, in *input, paths []string) (report.Host, error) {
	one := *in
	var err error
	if one.catalog, err = a.catalogue(in); err != nil {
		return report.Host{}, err
	}
	var text diag.List
	if one.written, text, err = a.writtenPolicy(in, one.catalog); err != nil {
		return report.Host{}, err
	}
	shared := ignore.Of(one.written, lint.Names())
	j, err := a.judgeHost(ctx, &one, paths, shared, text)
	if err != nil {
		return report.Host{}, err
	}
	// A policy that a copy of one host is judged with may be that of many.
	j.Findings = append(j.Findings, shared.Unused(j.used, rules(j.whole && in.root == ""))...)
	j.Findings.Sort()
	return j.Host, nil
}

// judgeHost judges one host, or files by themselves. More are further findings about it.
func (a *app) judgeHost(ctx context.Context, in *input, paths []string, shared *ignore.Shared, more diag.List) (judged, error) {
	found, err := a.read(ctx, in, paths, true)
	if err != nil {
		return judged{}, err
	}
	return a.judgeFound(in, found, paths, shared, more), nil
}

// judgeFound judges what was read.
func (a *app) judgeFound(in *input, found *found, paths []string, shared *ignore.Shared, more diag.List) judged {
	o := lint.Options{Supported: found.alone, Part: len(paths) > 0}
	list := append(found.diags, more...)
	if in.written != nil && !in.written.OnlyIgnores() {
		rules, diags := compile.Ruleset(in.written, found.inventory)
		o.Policy, o.Rules = in.written, rules
		if !o.Part { // a service that was not named opens nothing
			list = append(list, diags...)
		}
	}
	list = append(list, lint.Run(found.inventory, found.hosts, o)...)
	list.Sort()
	j := judged{Host: report.Host{Root: in.root}, whole: len(paths) == 0 && in.hostFile == "" && len(in.platforms) == 0}
	if in.root == "" && len(paths) == 0 {
		j.Root = a.liveRoot()
	}
	for i := range found.hosts {
		j.whole = j.whole && len(found.hosts[i].Ephemeral) > 0
	}
	j.whole = j.whole && !slices.ContainsFunc(list, func(d diag.Diagnostic) bool { return d.Rule == "unreadable-file" })
	rest := ignore.Apply(ignore.Run{Findings: list, Root: in.root, Files: found.marked, Inventory: found.inventory,
		Shared: shared, Rules: lint.Names(), Judged: rules(j.whole)})
	j.Findings, j.Ignored, j.used = rest.Findings, rest.Silenced, rest.Used
	return j
}

// rules are those of which it is known that they have nothing to find when they find
// nothing; nil for none, unless the host is known as a whole.
func rules(whole bool) func(string) bool {
	if !whole {
		return nil
	}
	return lint.OnHost
}

// openBaseline reads the file of --baseline; nil without one.
func openBaseline(name string) (*report.Baseline, error) {
	if name == "" {
		return nil, nil
	}
	raw, err := source.ReadBytes(name, report.MaxBaseline)
	if err != nil {
		return nil, fmt.Errorf("--baseline %s: %w; write one with portolan lint --format json", name, reason(err))
	}
	at, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	text, _ := source.Decode(raw) // a shell of Windows writes UTF-16
	b, err := report.ParseBaseline(text, filepath.Dir(at))
	if err != nil {
		return nil, fmt.Errorf("--baseline %s: %w", name, err)
	}
	return b, nil
}

// tellGone says how much of a baseline is not needed any more.
func (a *app) tellGone(b *report.Baseline, fleet bool) error {
	if b == nil {
		return nil
	}
	n := b.Gone(fleet)
	if n == 0 {
		return nil
	}
	verb := "is"
	if n > 1 {
		verb = "are"
	}
	_, err := fmt.Fprintf(a.stderr, "portolan: %s of the baseline %s gone: write it anew\n", findings(n), verb)
	return err
}
