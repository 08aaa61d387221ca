package policy

import (
	"fmt"
	"maps"
	"slices"

	"portolan/internal/diag"
)

// Check holds the services and listeners that p names against those that exist: known
// has the names of the listeners of each service, by its id in the catalogue. A name
// that does not exist can never open anything, so it is an error.
func Check(p *Policy, known map[string][]string) diag.List {
	var list diag.List
	wrong := func(w Word, help, msg string, args ...any) {
		list = append(list, diag.Diagnostic{
			Rule: RuleName, Severity: diag.Error, Span: w.Span, Message: fmt.Sprintf(msg, args...), Help: help,
		})
	}
	ids := slices.Sorted(maps.Keys(known))
	for _, a := range p.Allows {
		if a.Service.Text == "" {
			continue
		}
		names, ok := known[a.Service.Text]
		if !ok {
			wrong(a.Service, oneOf("the services are", ids, a.Service.Text), "there is no service %q", a.Service.Text)
			continue
		}
		for _, w := range a.Listen {
			if !slices.Contains(names, w.Text) {
				wrong(w, oneOf("its listeners are", slices.Sorted(slices.Values(names)), w.Text), "%s has no listener %q", a.Service.Text, w.Text)
			}
		}
	}
	return list
}
