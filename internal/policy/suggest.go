package policy

import (
	"fmt"
	"strings"

	"portolan/internal/hclfile"
)

// oneOf is advice for a wrong word: the choice that was probably meant, or all of them
// behind the intro.
func oneOf(intro string, choices []string, got string) string {
	if near := hclfile.Closest(got, choices); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	const most = 13
	var begin []string // "asterisk" is a family of services
	for _, c := range choices {
		if len(got) > 2 && len(choices) > most && strings.HasPrefix(c, strings.ToLower(got)) {
			begin = append(begin, c)
		}
	}
	if begin == nil && len(choices) > most { // "astrisk" is nearly one
		for _, c := range choices {
			first, _, family := strings.Cut(c, "-")
			if family && hclfile.Closest(got, []string{first}) != "" {
				begin = append(begin, c)
			}
		}
	}
	if begin != nil {
		choices = begin
	}
	var b strings.Builder
	for i, c := range choices {
		switch {
		case i == 0:
			b.WriteString(intro + " ")
		case i == most:
			fmt.Fprintf(&b, " and %d more", len(choices)-most)
			return b.String()
		case i == len(choices)-1:
			b.WriteString(" and ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(c)
	}
	return b.String()
}
