package inventory

import (
	"slices"
	"strconv"
	"strings"
)

// compareVersions orders dotted versions by their numbers: 9.5 < 10.1 < 10.1.200, and a
// part that is missing is 0. What follows the first "-", "+", "~" or blank is a package's
// own and does not count (12.1-2.el7). It is false when the rest of one of them is
// anything but numbers and dots.
func compareVersions(a, b string) (int, bool) {
	na, okA := versionNumbers(a)
	nb, okB := versionNumbers(b)
	if !okA || !okB {
		return 0, false
	}
	for len(na) < len(nb) {
		na = append(na, 0)
	}
	for len(nb) < len(na) {
		nb = append(nb, 0)
	}
	return slices.Compare(na, nb), true
}

func versionNumbers(s string) ([]int, bool) {
	if i := strings.IndexAny(s, "-+~ "); i >= 0 {
		s = s[:i]
	}
	var out []int
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || len(part) > 9 || part[0] == '+' {
			return nil, false
		}
		out = append(out, n)
	}
	return out, true
}
