package draw

import "strings"

// fold breaks text into lines: the first is not wider than first, and each of the others not wider
// than rest, in the units of width. A line ends at its last blank, or within a word that is wider
// than a line by itself. It has one character at the least.
func fold(text string, first, rest int, width func(rune) int) []string {
	var lines []string
	text = strings.Trim(text, " ")
	for room := first; ; room = rest {
		n := fits(text, room, width)
		if n == len(text) {
			return append(lines, text)
		}
		lines = append(lines, strings.TrimRight(text[:n], " "))
		text = strings.TrimLeft(text[n:], " ")
	}
}

// fits is how many bytes of text are its first line: all of them, or those before a blank, else
// those that have room.
func fits(text string, room int, width func(rune) int) int {
	blank := 0
	for i, r := range text {
		if r == ' ' {
			blank = i
		}
		if room -= width(r); room < 0 && i > 0 {
			if blank > 0 {
				return blank
			}
			return i
		}
	}
	return len(text)
}

// itemSign is what begins an item of a list, "- ", and nothing for other text: the lines of an item
// that follow its first begin below its words.
func itemSign(text string) string {
	const sign = "- "
	if strings.HasPrefix(text, sign) {
		return sign
	}
	return ""
}
