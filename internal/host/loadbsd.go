package host

import (
	"fmt"

	"portolan/internal/diag"
	"portolan/internal/port"
)

// bsd puts into f what sysctl printed on a BSD system or macOS.
func (f *Facts) bsd(settings []Setting) diag.List {
	var diags diag.List
	for _, pair := range bsdRanges {
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
			r, err = parseBSDRange(first.Value.Text(), end.Value.Text())
		}
		if err != nil {
			diags = append(diags, diag.Diagnostic{
				Rule: RuleBroken, Severity: diag.Warning, Span: at,
				Message: err.Error() + "; the built-in default is used instead",
			})
			continue
		}
		f.From = fromFiles
		for _, proto := range port.Protos {
			for _, family := range pair.families {
				f.replace(proto, family, found{r, at, at})
			}
		}
	}
	return diags
}
