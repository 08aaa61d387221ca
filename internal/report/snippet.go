package report

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"portolan/internal/source"
)

const (
	maxColumns = 120 // of a source line; a longer one is cut around its span
	before     = 40  // columns shown in front of the span of a line that is cut
	tabColumns = 4   // a tab is shown as this many blanks, wherever it stands
	elision    = "..."
)

// A snippet is one source line, fit for a terminal, and where to mark it.
type snippet struct {
	text  string
	caret int // columns in front of the mark
	width int // columns of the mark, at least 1
}

// cell is one character of a source line as it is shown.
type cell struct {
	text  string
	width int
}

// snip is the line in which s begins, which must have one. A span over several lines
// is marked to the end of its first.
func snip(s source.Span, line int) snippet {
	text := s.File.Line(line)
	start := s.Start - (bytes.LastIndexByte(s.File.Text[:s.Start], '\n') + 1)
	start = min(start, len(text)) // the span may begin at the line end
	end := min(start+s.End-s.Start, len(text))

	// Far more bytes than can be shown are not even looked at: a line may be megabytes.
	// A cell takes at most utf8.UTFMax bytes and rarely no column at all.
	const reach = 2 * utf8.UTFMax * maxColumns
	lo, hi := max(0, start-reach), min(len(text), start+reach)
	for lo > 0 && lo < start && !utf8.RuneStart(text[lo]) {
		lo++
	}
	cutLeft, cutRight := lo > 0, hi < len(text)

	var cells []cell
	total, first, last := 0, -1, -1 // first and last: cells of the span, last exclusive
	for at := lo; at < hi; {
		shown, size := visible(string(text[at:min(at+utf8.UTFMax, len(text))]))
		w := Width(shown)
		if text[at] == '\t' {
			shown, w = strings.Repeat(" ", tabColumns), tabColumns
		}
		if first < 0 && at+size > start {
			first = len(cells)
		}
		if last < 0 && at >= end {
			last = len(cells)
		}
		cells = append(cells, cell{shown, w})
		total += w
		at += size
	}
	if first < 0 {
		first = len(cells)
	}
	if last < 0 {
		last = len(cells)
	}

	from, to := 0, len(cells)
	if total > maxColumns {
		from, to = window(cells, first)
	}
	var b strings.Builder
	n := snippet{}
	if cutLeft || from > 0 {
		b.WriteString(elision)
		n.caret = len(elision)
	}
	for i := from; i < to; i++ {
		c := cells[i]
		b.WriteString(c.text)
		switch {
		case i < first:
			n.caret += c.width
		case i < last:
			n.width += c.width
		}
	}
	if cutRight || to < len(cells) {
		b.WriteString(elision)
	}
	n.text, n.width = b.String(), max(n.width, 1)
	return n
}

// window chooses the cells to show of a line that is too long: some in front of the
// cell first, then as many as fit.
func window(cells []cell, first int) (from, to int) {
	from, used := first, 0
	for from > 0 && used+cells[from-1].width <= before {
		from--
		used += cells[from].width
	}
	to = first
	for to < len(cells) && used+cells[to].width <= maxColumns {
		used += cells[to].width
		to++
	}
	for from > 0 && used+cells[from-1].width <= maxColumns {
		from--
		used += cells[from].width
	}
	return from, to
}
