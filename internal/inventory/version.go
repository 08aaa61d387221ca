package inventory

import (
	"cmp"
	"strconv"
	"strings"
)

// compareVersions orders dotted versions by their numbers: 9.5 < 10.1 < 10.1.200. What
// follows a "-" or a letter is a package's own and does not count. It is false when one
// of them does not begin with a number.
func compareVersions(a, b string) (int, bool) {
	for {
		na, restA, okA := leadingNumber(a)
		nb, restB, okB := leadingNumber(b)
		if !okA || !okB {
			return 0, false
		}
		if c := cmp.Compare(na, nb); c != 0 {
			return c, true
		}
		moreA, moreB := strings.HasPrefix(restA, "."), strings.HasPrefix(restB, ".")
		if !moreA && !moreB {
			return 0, true
		}
		// 10.1 and 10.1.0 are the same; a part that is missing is 0.
		a, b = "0", "0"
		if moreA {
			a = restA[1:]
		}
		if moreB {
			b = restB[1:]
		}
	}
}

func leadingNumber(s string) (n int, rest string, ok bool) {
	i := 0
	for i < len(s) && i < 9 && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	n, err := strconv.Atoi(s[:i])
	return n, s[i:], err == nil
}
