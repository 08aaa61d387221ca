package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/ruleset"
)

// An Ignore silences findings of one rule, because whoever wrote it knows better. Without
// Files and Services it means every finding of the rule.
type Ignore struct {
	Rule Word
	// Files are patterns of the names of files, as findings print them. See Covers.
	Files    []Word
	Services []Word // ids in the catalogue
	Reason   string
}

// OnlyIgnores reports whether p says nothing of a firewall.
func (p *Policy) OnlyIgnores() bool {
	return len(p.Ignores) > 0 && len(p.Zones)+len(p.Allows)+len(p.Denies)+len(p.Connects) == 0 && p.Defaults == Defaults{Input: ruleset.Drop, Output: ruleset.Accept}
}

// Covers reports whether i means the file of that name, which has forward slashes. A
// pattern is compared with as many of the last parts of the name as it has itself, part
// by part as path.Match does; the part ** stands for any number of them.
func (i *Ignore) Covers(name string) bool {
	parts := strings.Split(name, "/")
	for _, w := range i.Files {
		if tail(strings.Split("**/"+w.Text, "/"), parts) {
			return true
		}
	}
	return len(i.Files) == 0
}

// tail reports whether the parts of a pattern match all parts of a name. There[k] says
// whether the pattern so far can end before part k.
func tail(pattern, parts []string) bool {
	there := make([]bool, len(parts)+1)
	there[0] = true
	for _, p := range pattern {
		next := make([]bool, len(parts)+1)
		for k := range next {
			if p == "**" {
				next[k] = there[k] || k > 0 && next[k-1]
				continue
			}
			if k > 0 && there[k-1] {
				next[k], _ = path.Match(p, parts[k-1]) // the pattern was checked
			}
		}
		there = next
	}
	return there[len(parts)]
}

// ignores leaves out those that could not be read.
func (l *loader) ignores(blocks []block) []Ignore {
	if len(blocks) > MaxIgnores {
		l.wrong(blocks[MaxIgnores].span, "join ignores of one rule, or mend what they silence", "more than %d ignores in one policy", MaxIgnores)
		return nil
	}
	var out []Ignore
	for _, b := range blocks {
		rule, ok := l.name(b)
		if !ok {
			continue
		}
		b.what = fmt.Sprintf("ignore %q", rule.Text)
		l.known(b, ignoreAttrs)
		i := Ignore{Rule: rule}
		i.Files = l.words(b, "files", `files = ["etc/lumenvox/*"]`, "leave it out for every file")
		i.Services = l.words(b, "services", `services = ["lumenvox-media-server"]`, "leave it out for every service")
		for _, w := range i.Files {
			switch _, err := path.Match(w.Text, ""); {
			case err != nil:
				l.wrong(w.Span, "close the bracket, or write [[] for the character itself", "%q is not a pattern", w.Text)
			case strings.HasPrefix(w.Text, "/"):
				l.wrong(w.Span, fmt.Sprintf("write %q", strings.TrimLeft(w.Text, "/")), "the names of files are below the root of their host: they begin without a slash")
			case strings.HasSuffix(w.Text, "/"):
				l.wrong(w.Span, fmt.Sprintf("write %q for all files in it", w.Text+"**"), "%q names a folder", w.Text)
			}
		}
		const example = `reason = "the lab has one interface"`
		i.Reason = l.word(b, "reason", example).Text
		if _, ok := l.has(b, "reason"); !ok {
			l.wrong(rule.Span, "say why: "+example, "%s has no reason", b.what)
		}
		out = append(out, i)
	}
	return out
}

// CheckIgnores holds the rules and services that the ignores of p name against those that
// exist. What does not exist is never found, so naming it is an error.
func CheckIgnores(p *Policy, rules, services []string) diag.List {
	var list diag.List
	check := func(w Word, what string, names []string) {
		if slices.Contains(names, w.Text) {
			return
		}
		list = append(list, diag.Diagnostic{
			Rule: RuleName, Severity: diag.Error, Span: w.Span, Message: fmt.Sprintf("there is no %s %q", what, w.Text),
			Help: oneOf("the "+what+"s are", names, w.Text),
		})
	}
	for _, i := range p.Ignores {
		check(i.Rule, "rule", rules)
		for _, w := range i.Services {
			check(w, "service", services)
		}
	}
	return list
}
