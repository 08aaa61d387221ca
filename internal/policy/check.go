package policy

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	"portolan/internal/diag"
)

// Check holds the services, listeners and connections that p names against those that exist:
// listens and connects have the names of each service, by its id in the catalogue. A name
// that does not exist can never open anything, so it is an error.
func Check(p *Policy, listens, connects map[string][]string) diag.List {
	var list diag.List
	wrong := func(w Word, help, msg string, args ...any) {
		list = append(list, diag.Diagnostic{
			Rule: RuleName, Severity: diag.Error, Span: w.Span, Message: fmt.Sprintf(msg, args...), Help: help,
		})
	}
	ids := slices.Sorted(maps.Keys(listens))
	check := func(s *Selection, known map[string][]string, has, intro string) {
		if s.Service.Text == "" {
			return
		}
		names, ok := known[s.Service.Text]
		if !ok {
			wrong(s.Service, oneOf("the services are", ids, s.Service.Text), "there is no service %q", s.Service.Text)
			return
		}
		for _, w := range s.Listen {
			if !slices.Contains(names, w.Text) {
				sorted := slices.Compact(slices.Sorted(slices.Values(names)))
				wrong(w, oneOf(intro, sorted, w.Text), "%s has no %s %q", s.Service.Text, has, w.Text)
			}
		}
	}
	for s := range p.selections() {
		if s.outgoing {
			check(s.Selection, connects, "outgoing connection", "its connections are")
		} else {
			check(s.Selection, listens, "listener", "its listeners are")
		}
	}
	return list
}

// selected is what a rule of the policy is about, and which way.
type selected struct {
	*Selection
	outgoing bool
}

// selections are what all allows, denies and connects are about.
func (p *Policy) selections() iter.Seq[selected] {
	return func(yield func(selected) bool) {
		for i := range p.Allows {
			if !yield(selected{&p.Allows[i].Selection, false}) {
				return
			}
		}
		for i := range p.Denies {
			if !yield(selected{&p.Denies[i].Selection, false}) {
				return
			}
		}
		for i := range p.Connects {
			if !yield(selected{&p.Connects[i].Selection, true}) {
				return
			}
		}
	}
}

// ServicesByName are the services of which p names listeners or connections.
func (p *Policy) ServicesByName() []string {
	var ids []string
	for s := range p.selections() {
		if len(s.Listen) > 0 {
			ids = append(ids, s.Service.Text)
		}
	}
	return ids
}
