package host

import (
	"bytes"
	"iter"
	"strconv"
)

// lines yields where each line that is not blank starts and ends in text, without the
// blanks around it. Carriage returns count as blanks: output that PowerShell redirects
// can end its lines with two of them.
func lines(text []byte) iter.Seq2[int, int] {
	return func(yield func(start, end int) bool) {
		for start := 0; start < len(text); {
			end := len(text)
			if i := bytes.IndexByte(text[start:], '\n'); i >= 0 {
				end = start + i
			}
			if at := trim(text, start, end); at[0] < at[1] && !yield(at[0], at[1]) {
				return
			}
			start = end + 1
		}
	}
}

// trim is start and end moved inwards over the ASCII blanks at both ends.
func trim(text []byte, start, end int) [2]int {
	for start < end && blank(text[start]) {
		start++
	}
	for start < end && blank(text[end-1]) {
		end--
	}
	return [2]int{start, end}
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v' }

// quote is untrusted text for a message: quoted, escaped and short.
func quote(s string) string {
	const most = 40
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
