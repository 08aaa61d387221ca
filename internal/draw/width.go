package draw

import (
	"strings"
	"unicode/utf8"

	"portolan/internal/report"
)

// advances are the widths of the characters from ' ' to '~' in thousandths of the size of the
// font: of Arial, to which Helvetica, Liberation Sans and Arimo are equal, or of DejaVu Sans, to
// which Verdana is, whichever is wider. What a reader's machine takes instead is not wider.
var advances = [...]uint16{
	317, 400, 459, 837, 636, 950, 779, 274, 390, 390, 500, 837, 317, 360, 317, 336,
	636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 336, 336, 837, 837, 837, 556,
	1015, 684, 686, 722, 770, 666, 610, 777, 751, 294, 500, 666, 557, 862, 748, 787,
	666, 787, 722, 666, 610, 731, 684, 988, 685, 666, 685, 390, 336, 390, 837, 556,
	500, 612, 634, 549, 634, 615, 352, 634, 633, 277, 277, 579, 277, 974, 633, 611,
	634, 634, 411, 520, 392, 633, 591, 817, 591, 591, 524, 636, 336, 636, 837,
}

// others are the widths of characters beside ASCII that words of this program have.
var others = map[rune]uint16{'·': 400, '…': 1000}

// strange is the width of a column of a terminal in characters that we have not measured.
const strange = 700

// textWidth is not less than the width of s at a size of the font.
func textWidth(s string, size float64) float64 {
	sum := 0
	for i, r := range s {
		switch {
		case ' ' <= r && r <= '~':
			sum += int(advances[r-' '])
		case others[r] > 0:
			sum += int(others[r])
		default:
			_, n := utf8.DecodeRuneInString(s[i:])
			sum += strange * report.Width(s[i:i+n])
		}
	}
	return float64(sum) * size / 1000
}

// measured reports whether the width of s is that of a known font.
func measured(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < ' ' || r > '~') && others[r] == 0 })
}

// fitting is s, or as much of its begin as is not wider than width, and an ellipsis.
func fitting(s string, width, size float64) string {
	if textWidth(s, size) <= width {
		return s
	}
	for len(s) > 0 {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
		if cut := strings.TrimRight(s, " ") + "…"; textWidth(cut, size) <= width {
			return cut
		}
	}
	return ""
}
