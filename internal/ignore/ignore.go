// Package ignore silences findings that somebody knows and accepts.
//
// Who accepts one says so with a reason: in a comment beside it, or in the policy. An
// ignore that is written wrongly, or that has nothing to silence, is a finding itself.
//
// Comments are found by their text, behind the sign of a comment in any of our formats, so
// that no reader of a format knows of them and none reads a file differently for them.
package ignore

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"sync"

	"portolan/internal/diag"
	"portolan/internal/hclfile"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/source"
)

// Rule is the name under which ignores are reported that silence nothing.
const Rule = "unused-ignore"

// maxIgnores bounds the ignores in the files of one host. Many hosts have none.
const maxIgnores = 10_000

// A Run is what was found out about one host, or about files that were named by
// themselves.
type Run struct {
	Findings  diag.List
	Root      string               // the folder that the names of files are below
	Files     []*source.File       // that were read and hold Mark; of others those with a finding or a claim
	Inventory *inventory.Inventory // nil for none
	Shared    *Shared              // nil for none
	Rules     []string             // the names of all rules
	// Judged reports whether findings of a rule would be among Findings if there were any, so
	// that an ignore of it that silences nothing is not needed. Nil is no rule.
	Judged func(rule string) bool
}

// A Result is what is left of the findings, with those about ignores, and what is silenced.
type Result struct {
	Findings diag.List // sorted
	Silenced []diag.Silenced
	Used     Used
}

// Used are the shared ignores that silenced something. The zero value is none.
type Used map[*entry]bool

// Add joins what was used on another host.
func (u *Used) Add(more Used) {
	if *u == nil {
		*u = Used{}
	}
	for e := range more {
		(*u)[e] = true
	}
}

// entry is one rule that somebody ignores: in a comment, or in the policy.
type entry struct {
	rule    name
	reason  string
	comment *comment
	policy  *policy.Ignore
}

// Apply takes the findings away that are ignored.
func Apply(r Run) Result {
	var entries []*entry
	var about diag.List // the ignores themselves
	swallowed := r.swallowed()
	for _, f := range r.files() {
		if len(entries)+len(about) > maxIgnores {
			about = append(about, diag.Diagnostic{Rule: Rule, Severity: diag.Warning, Span: f.Span(0, 0),
				Message: fmt.Sprintf("more than %d ignores on one host: those from this file on silence nothing", maxIgnores),
				Help:    "name the rule once in the policy"})
			break
		}
		found, more := entriesOf(f, r.Rules, swallowed)
		entries, about = append(entries, found...), append(about, more...)
	}
	own := map[*entry]bool{}
	for _, e := range entries {
		own[e] = true
	}
	comments := entries
	if r.Shared != nil {
		entries = append(slices.Clone(entries), r.Shared.entries...)
	}
	used := Used{}
	kept, silenced := r.silence(r.Findings, entries, used)
	about = append(about, unused(comments, used, r.Judged, false)...)
	about, more := r.silence(about, ofItself(entries), used)
	about = append(about, unused(comments, used, r.Judged, true)...)
	out := Result{append(kept, about...), append(silenced, more...), Used{}}
	out.Findings.Sort()
	for e := range used {
		if !own[e] {
			out.Used[e] = true
		}
	}
	return out
}

// Shared are the ignores that many hosts have in common: those of a policy.
type Shared struct {
	file    *source.File
	entries []*entry
	about   diag.List // comments of the policy that are written wrongly
}

// Of are the ignores of p, and of comments in its file; none without a policy. Rules are the
// names of all rules.
func Of(p *policy.Policy, rules []string) *Shared {
	if p == nil {
		return &Shared{}
	}
	s := &Shared{file: p.File}
	s.entries, s.about = entriesOf(p.File, rules, func(*comment) bool { return false })
	for i := range p.Ignores {
		g := &p.Ignores[i]
		s.entries = append(s.entries, &entry{rule: name{g.Rule.Text, g.Rule.Span}, reason: g.Reason, policy: g})
	}
	return s
}

// Unused are the findings about the shared ignores, once used says which of them silenced
// something on any host. Judged is as in a Run, of all hosts together.
func (s *Shared) Unused(used Used, judged func(rule string) bool) diag.List {
	if used == nil {
		used = Used{}
	}
	r := Run{}
	about, _ := r.silence(append(slices.Clone(s.about), unused(s.entries, used, judged, false)...), ofItself(s.entries), used)
	about = append(about, unused(s.entries, used, judged, true)...)
	about.Sort()
	return about
}

// files are those that hold ignores, each once by its name.
func (r *Run) files() []*source.File {
	type key struct {
		name  string
		given bool
	}
	seen := map[key]bool{}
	var out []*source.File
	add := func(f *source.File) {
		if f == nil || seen[key{f.Name, f.Given}] {
			return
		}
		seen[key{f.Name, f.Given}] = true
		out = append(out, f)
	}
	if r.Shared != nil && r.Shared.file != nil { // that was read by Of
		seen[key{r.Shared.file.Name, r.Shared.file.Given}] = true
	}
	for _, f := range r.Files {
		add(f)
	}
	for s := range r.places {
		add(s.File)
	}
	return out
}

// places are all places that findings and claims speak of.
func (r *Run) places(yield func(source.Span) bool) {
	for i := range r.Findings {
		if !yield(r.Findings[i].Span) {
			return
		}
	}
	if r.Inventory == nil {
		return
	}
	for i := range r.Inventory.Claims {
		c := &r.Inventory.Claims[i]
		if !yield(c.Span) {
			return
		}
		for _, b := range c.Because {
			if !yield(b.Span) {
				return
			}
		}
	}
}

// swallowed says of a comment whether the text that a finding or a claim speaks of holds
// it: what stands behind a value is a part of it in this file.
func (r *Run) swallowed() func(*comment) bool {
	in := sync.OnceValue(func() map[string][]source.Span {
		spans := map[string][]source.Span{}
		for s := range r.places {
			spans[s.Name()] = append(spans[s.Name()], s)
		}
		return spans
	})
	return func(c *comment) bool {
		return slices.ContainsFunc(in()[c.file.Name], func(s source.Span) bool { return s.Start < c.sign && c.sign < s.End })
	}
}

// entriesOf are the ignores in the comments of f, and what is wrong with those that are none.
func entriesOf(f *source.File, rules []string, swallowed func(*comment) bool) ([]*entry, diag.List) {
	found, cut := comments(f)
	var out []*entry
	var about diag.List
	if cut {
		about = append(about, diag.Diagnostic{Rule: Rule, Severity: diag.Warning, Span: f.Span(0, 0),
			Message: fmt.Sprintf("more than %d ignores in one file: the others silence nothing", maxNames),
			Help:    "name the rule once, with " + Mark + "-file or in the policy"})
	}
	for i := range found {
		c := &found[i]
		if d, wrong := c.wrong(!c.own && swallowed(c)); wrong {
			about = append(about, d)
			continue
		}
		for _, n := range c.names {
			if !slices.Contains(rules, n.text) {
				about = append(about, unknown(n, rules))
				continue
			}
			out = append(out, &entry{rule: n, reason: c.reason, comment: c})
		}
	}
	return out, about
}

func unknown(n name, rules []string) diag.Diagnostic {
	d := diag.Diagnostic{Rule: Rule, Severity: diag.Warning, Span: n.span,
		Message: fmt.Sprintf("there is no rule %q, so this ignore silences nothing", n.text),
		Help:    "portolan explain lists the rules"}
	if near := hclfile.Closest(n.text, rules); near != "" {
		d.Help = fmt.Sprintf("did you mean %q?", near)
		d.Fixes = []diag.Fix{{Title: "write " + near, Safety: diag.Unsafe, Edits: []diag.Edit{{Span: n.span, New: near}}}}
	}
	return d
}

// ofItself are the entries that ignore findings about ignores.
func ofItself(entries []*entry) []*entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e *entry) bool { return e.rule.text != Rule })
}

// spot is where an entry of a comment silences. Line 0 is the whole file.
type spot struct {
	rule  string
	file  string
	given bool
	line  int
}

func spotOf(rule string, f *source.File, line int) spot { return spot{rule, f.Name, f.Given, line} }

// silence takes away what entries silence, and notes which of them did.
func (r *Run) silence(list diag.List, entries []*entry, used Used) (kept diag.List, silenced []diag.Silenced) {
	if len(entries) == 0 {
		return list, nil
	}
	begins := map[spot]bool{} // lines in which a finding begins, of whatever rule
	for i := range list {
		if s := list[i].Span; s.HasLine() {
			begins[spotOf("", s.File, s.Position().Line)] = true
		}
	}
	spots := map[spot][]*entry{}
	inPolicy := map[string][]*entry{}
	for _, e := range entries {
		c := e.comment
		switch {
		case c == nil:
			inPolicy[e.rule.text] = append(inPolicy[e.rule.text], e)
			continue
		case c.whole:
			at := spotOf(e.rule.text, c.file, 0)
			spots[at] = append(spots[at], e)
			continue
		}
		lines := []int{c.place(func(n int) bool { return begins[spotOf("", c.file, n)] })}
		if e.rule.text == Rule && lines[0] != c.line {
			lines = append(lines, c.line) // it may be about the comment that it is a part of
		}
		for _, n := range lines {
			if n > 0 {
				at := spotOf(e.rule.text, c.file, n)
				spots[at] = append(spots[at], e)
			}
		}
	}
	services := sync.OnceValue(r.services)
	for i := range list {
		d := &list[i]
		var by []*entry
		if d.Span.File != nil {
			if d.Span.HasLine() {
				by = append(by, spots[spotOf(d.Rule, d.Span.File, d.Span.Position().Line)]...)
			}
			by = append(by, spots[spotOf(d.Rule, d.Span.File, 0)]...)
		}
		for _, e := range inPolicy[d.Rule] {
			if e.policy.Covers(r.nameOf(d.Span)) && (len(e.policy.Services) == 0 || serves(e.policy.Services, services()(d.Span))) {
				by = append(by, e)
			}
		}
		if len(by) == 0 {
			kept = append(kept, *d)
			continue
		}
		for _, e := range by {
			used[e] = true
		}
		silenced = append(silenced, diag.Silenced{Diagnostic: *d, Reason: by[0].reason, By: by[0].rule.span, Policy: by[0].policy != nil})
	}
	return kept, silenced
}

// nameOf is the longest name of the file of s: with the root of its host, where it is below
// one.
func (r *Run) nameOf(s source.Span) string {
	name := filepath.ToSlash(s.Name())
	if s.File == nil || s.File.Given || r.Root == "" {
		return name
	}
	return path.Join(filepath.ToSlash(r.Root), name)
}

// services says which services a place belongs to: those with a claim that speaks of
// exactly it, else all whose file it is in.
func (r *Run) services() func(source.Span) []string {
	exact := map[source.Span][]string{}
	files := map[string][]string{}
	if r.Inventory != nil {
		for _, f := range r.Inventory.Files {
			files[f.Name] = append(files[f.Name], f.Service)
		}
		for i := range r.Inventory.Claims {
			c := &r.Inventory.Claims[i]
			exact[c.Span] = append(exact[c.Span], c.Service)
			files[c.Span.Name()] = append(files[c.Span.Name()], c.Service)
		}
	}
	return func(s source.Span) []string {
		if found := exact[s]; found != nil {
			return found
		}
		return files[s.Name()]
	}
}

func serves(wanted []policy.Word, have []string) bool {
	return slices.ContainsFunc(wanted, func(w policy.Word) bool { return slices.Contains(have, w.Text) })
}

// unused are the findings about entries that silenced nothing: either about those that
// ignore findings of this rule itself, or about the others.
func unused(entries []*entry, used Used, judged func(rule string) bool, itself bool) diag.List {
	if judged == nil {
		return nil
	}
	kept := map[*comment]bool{} // comments with a rule that is needed, or that nobody can tell of
	for _, e := range entries {
		kept[e.comment] = kept[e.comment] || used[e] || !judged(e.rule.text)
	}
	var list diag.List
	for _, e := range entries {
		if used[e] || !judged(e.rule.text) || (e.rule.text == Rule) != itself {
			continue
		}
		d := diag.Diagnostic{Rule: Rule, Severity: diag.Info, Span: e.rule.span,
			Message: fmt.Sprintf("this ignore of %s silences nothing", e.rule.text), Help: "remove it"}
		switch c := e.comment; {
		case c == nil:
			d.Label = "no such finding in these files"
			if len(e.policy.Files)+len(e.policy.Services) == 0 {
				d.Label = "no such finding"
			}
		case c.whole:
			d.Label = "no such finding in this file"
		default:
			d.Label = "no such finding on this line"
			if n := c.place(func(int) bool { return false }); n == 0 {
				d.Label, d.Help = "there is no line directly below", "write it directly above the line of the finding, or remove it"
			} else if n != c.line {
				d.Label = fmt.Sprintf("no such finding on line %d", n)
			}
		}
		if c := e.comment; c != nil {
			if len(c.names) > 1 && kept[c] {
				d.Help = fmt.Sprintf("remove %s from it", e.rule.text)
			} else {
				d.Fixes = c.remove()
			}
		}
		list = append(list, d)
	}
	return list
}
