package host

import (
	"fmt"

	"portolan/internal/diag"
	"portolan/internal/port"
)

// unix puts into f what commands printed on a Unix other than Linux.
func (f *Facts) unix(settings []Setting) diag.List {
	var diags diag.List
	for _, pair := range unixEnds {
		first, hasFirst := last(settings, pair.first)
		end, hasEnd := last(settings, pair.last)
		if !hasFirst && !hasEnd {
			continue
		}
		r, err := port.Range{}, fmt.Errorf("%s and %s are needed, both", pair.first, pair.last)
		at := first.Value
		if at.IsZero() {
			at = end.Value
		}
		if hasFirst && hasEnd {
			r, err = parseEnds(first.Value.Text(), end.Value.Text())
		}
		if err != nil {
			diags = append(diags, diag.Diagnostic{
				Rule: RuleBroken, Severity: diag.Warning, Span: at,
				Message: err.Error() + "; the built-in default is used instead",
			})
			continue
		}
		f.From = fromFiles
		for _, proto := range pair.protos {
			for _, family := range pair.families {
				f.replace(proto, family, found{r, at, at})
			}
		}
	}
	for _, b := range badDynamic {
		s, ok := last(settings, b.key)
		if !ok {
			continue
		}
		ports, err := parseBadDynamic(s.Value.Text())
		if err != nil {
			diags = append(diags, diag.Diagnostic{
				Rule: RuleBroken, Severity: diag.Warning, Span: s.Value,
				Message: fmt.Sprintf("%s: %v; an empty list is used instead", b.key, err),
			})
			continue
		}
		f.From = fromFiles
		if !ports.IsEmpty() {
			f.Reserved = append(f.Reserved, Reserved{b.proto, ports, b.key, s.Value.Place()})
		}
	}
	return diags
}
