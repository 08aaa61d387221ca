package policy

import (
	"fmt"
	"strings"
)

// oneOf is advice for a wrong word: the choice that was probably meant, or all of them
// behind the intro.
func oneOf(intro string, choices []string, got string) string {
	if near := closest(choices, got); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	const most = 12
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

// closest is the choice that got was probably meant to be, "" when none is near: at
// most a third of it may be mistyped.
func closest(choices []string, got string) string {
	best, least := "", len(got)/3+1
	if len(got) > maxName {
		return ""
	}
	for _, c := range choices {
		if d := len(c) - len(got); d >= least || -d >= least {
			continue // the distance is never less than the difference in length
		}
		if d := distance(strings.ToLower(c), strings.ToLower(got)); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is how many bytes must be inserted, removed, replaced or swapped with their
// neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			replace := row[j]
			if a[i] != b[j] {
				replace++
			}
			next[j+1] = min(replace, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
