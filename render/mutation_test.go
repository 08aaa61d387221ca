package render

import (
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Texts that somebody has changed at random. Whatever a reader still takes must mean what it
// says, by the word of a witness that shares nothing with the reader.

// mutationsVariable says how many changes of each text are tried.
const mutationsVariable = "PORTOLAN_MUTATIONS"

// mutationsOf is how many changes are tried of each text.
func mutationsOf(t *testing.T, quick int) int {
	t.Helper()
	text := os.Getenv(mutationsVariable)
	if text == "" {
		return quick
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q: use a number of changes", mutationsVariable, text)
	}
	return n
}

// A tongue is a language of a firewall as far as a change needs to know it.
type tongue struct {
	words []string       // to put in the place of others
	lines *regexp.Regexp // lines with a meaning
	quiet *regexp.Regexp // parts of such a line that have none
}

var (
	numberWord  = regexp.MustCompile(`[0-9a-fA-F]+`)
	changedWord = regexp.MustCompile(`[A-Za-z0-9_.:/@*!-]+`)
)

// change changes a text at one place, mostly in the lines that have a meaning: a word, its
// digits, the order, the number or the place of lines.
func (g tongue) change(random *rand.Rand, text string) string {
	lines := strings.SplitAfter(text, "\n")
	var known []int
	for i, line := range lines {
		if g.lines.MatchString(line) {
			known = append(known, i)
		}
	}
	i, k := known[random.IntN(len(known))], known[random.IntN(len(known))]
	if random.IntN(20) == 0 {
		i = random.IntN(len(lines))
	}
	switch random.IntN(12) {
	case 0:
		lines = slices.Delete(lines, i, i+1)
	case 1:
		lines[i], lines[k] = lines[k], lines[i]
	case 2:
		lines = slices.Insert(lines, i, lines[k])
	default:
		lines[i] = g.changeLine(random, lines[i])
	}
	return strings.Join(lines, "")
}

// changeLine changes one word of a line.
func (g tongue) changeLine(random *rand.Rand, line string) string {
	quiet := g.quiet.FindAllStringIndex(line, -1)
	var words [][]int
	for _, w := range changedWord.FindAllStringIndex(line, -1) {
		if !slices.ContainsFunc(quiet, func(q []int) bool { return w[0] < q[1] && q[0] < w[1] }) {
			words = append(words, w)
		}
	}
	if len(words) == 0 {
		return line
	}
	w, other := words[random.IntN(len(words))], words[random.IntN(len(words))]
	word := line[w[0]:w[1]]
	switch numbers := numberWord.FindAllStringIndex(word, -1); {
	case random.IntN(10) == 0: // one word less
		word = ""
	case random.IntN(10) == 0: // one more
		word += " " + line[other[0]:other[1]]
	case random.IntN(10) == 0: // a list
		word += "," + line[other[0]:other[1]]
	case len(numbers) > 0 && random.IntN(5) > 0:
		n := numbers[random.IntN(len(numbers))]
		digits := []byte(word[n[0]:n[1]])
		switch at := random.IntN(len(digits)); random.IntN(4) {
		case 0:
			digits = slices.Delete(digits, at, at+1)
		case 1:
			digits = slices.Insert(digits, at, byte('0'+random.IntN(10)))
		default:
			digits[at] = byte('0' + random.IntN(10))
		}
		word = word[:n[0]] + string(digits) + word[n[1]:]
	case random.IntN(2) == 0:
		word = line[other[0]:other[1]]
	default:
		word = g.words[random.IntN(len(g.words))]
	}
	return line[:w[0]] + word + line[w[1]:]
}

// difference are the lines of two texts that are not the same.
func difference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for len(x) > 0 && len(y) > 0 && x[0] == y[0] {
		x, y = x[1:], y[1:]
	}
	for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	return "- " + strings.Join(x, "\n- ") + "\n+ " + strings.Join(y, "\n+ ")
}
