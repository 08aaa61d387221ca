package diag

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"portolan/internal/source"
)

// Fingerprints name the findings of l, in its order, by what stays the same when a file is
// edited elsewhere: the rule, the file, the text of the line, and the same of the related
// places. Numbers of lines and the words of the message have no part in it; of findings
// that are alike in all of that the first is told from the second. A finding without a
// line is named by its message, in which any number stands for another.
//
// Name is the path of a file; it decides whether the same file below another folder is
// another finding.
func (l List) Fingerprints(name func(*source.File) string) []string {
	seen := map[string]int{}
	out := make([]string, len(l))
	for i, d := range l {
		h := sha256.New()
		place := func(s source.Span) {
			if s.IsZero() {
				fmt.Fprintf(h, "-\n")
				return
			}
			fmt.Fprintf(h, "%q %q\n", name(s.File), line(s))
		}
		fmt.Fprintf(h, "%q\n", d.Rule)
		place(d.Span)
		if !d.Span.HasLine() {
			fmt.Fprintf(h, "%q\n", withoutNumbers(d.Message))
		}
		for _, r := range d.Related {
			place(r.Span)
		}
		sum := hex.EncodeToString(h.Sum(nil)[:16])
		seen[sum]++
		if n := seen[sum]; n > 1 {
			sum = fmt.Sprintf("%s-%d", sum, n)
		}
		out[i] = sum
	}
	return out
}

// line is the text of the line in which s begins, without the blanks around it. Of a line
// that nobody writes by hand the part around s is enough.
func line(s source.Span) string {
	if !s.HasLine() {
		return ""
	}
	const reach = 500
	text := string(s.File.Line(s.Position().Line))
	if len(text) > 2*reach {
		text = string(s.File.Text[max(0, s.Start-reach):min(len(s.File.Text), s.End+reach)])
	}
	return strings.Join(strings.Fields(text), " ")
}

// withoutNumbers puts one # in the place of each number.
func withoutNumbers(s string) string {
	var b strings.Builder
	inside := false
	for i := range len(s) {
		digit := '0' <= s[i] && s[i] <= '9'
		switch {
		case !digit:
			b.WriteByte(s[i])
		case !inside:
			b.WriteByte('#')
		}
		inside = digit
	}
	return b.String()
}
