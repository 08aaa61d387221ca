package draw

import (
	"strings"

	"portolan/internal/report"
)

// advances are the widths of the characters from ' ' to '~' in thousandths of the size of the
// font: of Arial, to which Helvetica, Liberation Sans and Arimo are equal, or of DejaVu Sans, to
// which Verdana is, whichever is wider. What a reader's machine takes instead is not wider.
var advances = [...]uint16{
	318, 401, 460, 838, 637, 951, 780, 275, 391, 391, 500, 838, 318, 361, 318, 337,
	637, 637, 637, 637, 637, 637, 637, 637, 637, 637, 337, 337, 838, 838, 838, 557,
	1016, 685, 687, 723, 771, 667, 611, 778, 752, 295, 500, 667, 558, 863, 749, 788,
	667, 788, 723, 667, 611, 732, 685, 989, 686, 667, 686, 391, 337, 391, 838, 557,
	500, 613, 635, 550, 635, 616, 353, 635, 634, 278, 278, 580, 278, 975, 634, 612,
	635, 635, 412, 521, 393, 634, 592, 818, 592, 592, 525, 637, 337, 637, 838,
}

// others are the widths of characters beside ASCII that words of this program have.
var others = map[rune]uint16{'·': 400, '…': 1000, '→': 1000, '–': 557, '—': 1000, '×': 838}

// advance is the width of a character in thousandths of the size of the font. What we have not
// measured is as wide as most of its kind are.
func advance(r rune) int {
	switch {
	case ' ' <= r && r <= '~':
		return int(advances[r-' '])
	case others[r] > 0:
		return int(others[r])
	case r >= 0x1F000: // emoji, and signs like them
		return 700 * report.Width(string(r))
	case report.Width(string(r)) > 1: // of East Asian scripts
		return 1000
	}
	return 650 * report.Width(string(r))
}

// textWidth is not less than the width of s at a size of the font.
func textWidth(s string, size float64) float64 {
	sum := 0
	for _, r := range s {
		sum += advance(r)
	}
	return float64(sum) * size / 1000
}

// foldPixels is fold for text of a size, with the widths of its lines in pixels.
func foldPixels(text string, first, rest, size float64) []string {
	return fold(text, thousandths(first, size), thousandths(rest, size), advance)
}

// thousandths is a width in pixels in the unit of advance.
func thousandths(width, size float64) int { return int(width * 1000 / size) }

// settled is 0 for text of which every reader's machine has the width that textWidth says, or less.
// It is the width that other text is to be given, where its fonts are not known: near to what it
// has by itself in most of them, and not more than textWidth.
func settled(s string, size float64) float64 {
	known, strange, all := 0, 0, true
	for _, r := range s {
		if ' ' <= r && r <= '~' || others[r] > 0 {
			known += advance(r)
			continue
		}
		strange, all = strange+advance(r), false
	}
	if all {
		return 0
	}
	const arial = 0.875 // of the widest, on average
	return (float64(known)*arial + float64(strange)) * size / 1000
}

// fitting is s, or as much of its begin as is not wider than width with an ellipsis behind it.
func fitting(s string, width, size float64) string {
	room := thousandths(width, size)
	sum, end := 0, 0
	for i, r := range s {
		if sum+advance('…') <= room {
			end = i
		}
		if sum += advance(r); sum > room {
			return strings.TrimRight(s[:end], " ") + "…"
		}
	}
	return s
}
