package draw

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"portolan/internal/chart"
)

func TestFold(t *testing.T) {
	for _, c := range []struct {
		text        string
		first, rest int
		want        []string
	}{
		{"", 5, 5, []string{""}},
		{"one two", 7, 7, []string{"one two"}},
		{"one two", 6, 6, []string{"one", "two"}},
		{"one two", 3, 3, []string{"one", "two"}},
		{"one   two", 4, 4, []string{"one", "two"}},
		{" one ", 3, 3, []string{"one"}},
		{"onetwo", 4, 4, []string{"onet", "wo"}},
		{"名前", 3, 3, []string{"名", "前"}},
		{"名前", 1, 1, []string{"名", "前"}},
		{"a e\u0301\u0301b", 3, 1, []string{"a", "e\u0301\u0301", "b"}},
		{"- one two three", 10, 8, []string{"- one two", "three"}},
		{"one two three", 3, 9, []string{"one", "two three"}},
	} {
		if got := fold(c.text, c.first, c.rest, columns); !slices.Equal(got, c.want) {
			t.Errorf("%q in %d and %d: %q, want %q", c.text, c.first, c.rest, got, c.want)
		}
	}
}

// TestFoldLosesNothing: all characters but blanks are in the lines, and no line is too wide or
// shorter than it has to be.
func TestFoldLosesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	wide := func(s string) (sum int) {
		for _, c := range s {
			sum += columns(c)
		}
		return sum
	}
	for range 3000 {
		var b strings.Builder
		for range r.IntN(40) {
			b.WriteString([]string{"a", "b", " ", " ", "長", "e\u0301"}[r.IntN(6)])
		}
		first, rest := 2+r.IntN(12), 2+r.IntN(12)
		lines := fold(b.String(), first, rest, columns)
		if got, want := strings.ReplaceAll(strings.Join(lines, ""), " ", ""), strings.ReplaceAll(b.String(), " ", ""); got != want {
			t.Fatalf("%q became %q", b.String(), lines)
		}
		left := b.String()
		for i, line := range lines {
			_, left, _ = strings.Cut(left, line)
			room := rest
			if i == 0 {
				room = first
			}
			if wide(line) > room || line != strings.Trim(line, " ") {
				t.Fatalf("%q of %q in %d", line, b.String(), room)
			}
			if i+1 < len(lines) {
				next := strings.TrimLeft(left, " ") // which begins with what had no room
				word, _, _ := strings.Cut(next, " ")
				if wide(line+left[:len(left)-len(next)]+word) <= room {
					t.Fatalf("%q of %q in %d has room for %q", line, b.String(), room, word)
				}
			}
		}
	}
}

// TestItems: the lines of an item of a list begin below its words, not below its dash.
func TestItems(t *testing.T) {
	item := "- " + strings.Repeat("rtp of lumenvox-media-server 35000-35799/udp ", 6)
	p := &chart.Picture{Title: "ports", Lines: []string{item}}
	lines := strings.Split(strings.TrimSuffix(drawn(t, p, Options{Width: 60}), "\n"), "\n")
	if len(lines) < 4 || !strings.HasPrefix(lines[1], "- rtp") {
		t.Fatalf("%q", lines)
	}
	for _, line := range lines[2:] {
		if !strings.HasPrefix(line, "  ") || line[2] == ' ' {
			t.Errorf("%q is not below the words of the item", line)
		}
	}
	doc := string(write(t, p, Options{Width: 480}))
	indent, err := quoteNumber(margin + textWidth("- ", lineSize))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(doc, `class="subtitle" x="24"`) != 1 || strings.Count(doc, `class="subtitle" x="`+indent+`"`) < 2 {
		t.Errorf("the lines of an item do not begin at %s:\n%s", indent, doc)
	}
}
