package conf

import (
	"bytes"
	"iter"

	"portolan/internal/source"
)

// line is one line of a text: the bytes start to end of the file, without the line end
// and without blanks around.
type line struct {
	start, end int
	text       []byte
}

// lines yields the lines of f that are not blank. A line ends with LF or CRLF; a CR
// elsewhere is data, and the readers report it.
func lines(f *source.File) iter.Seq[line] {
	return func(yield func(line) bool) {
		for start := 0; start < len(f.Text); {
			end := len(f.Text)
			next := end
			if i := bytes.IndexByte(f.Text[start:], '\n'); i >= 0 {
				end, next = start+i, start+i+1
			}
			l := trimmed(f.Text, start, end)
			if l.start < l.end && !yield(l) {
				return
			}
			start = next
		}
	}
}

// trimmed is the part from start to end without ASCII blanks around it.
func trimmed(text []byte, start, end int) line {
	for start < end && blank(text[start]) {
		start++
	}
	for start < end && blank(text[end-1]) {
		end--
	}
	return line{start, end, text[start:end]}
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v' }

// cut splits l around the byte at index i of its text.
func (l line) cut(i int) (before, after line) {
	return trimmed(l.text, 0, i).shift(l.start), trimmed(l.text, i+1, len(l.text)).shift(l.start)
}

func (l line) shift(by int) line { return line{l.start + by, l.end + by, l.text} }

func (l line) span(f *source.File) source.Span { return f.Span(l.start, l.end) }

// lineEnd finds where a line ends and remembers it: a line of eight megabytes may have as
// many quotes, and looking to its end for each of them would take forever. The zero value
// remembers nothing.
type lineEnd struct{ from, end int } // no line ends between the two

// of is the offset of the newline that ends the line of the byte at i, or of the end.
func (l *lineEnd) of(text []byte, i int) int {
	if l.end == 0 || i < l.from || i > l.end {
		l.from, l.end = i, len(text)
		if n := bytes.IndexByte(text[i:], '\n'); n >= 0 {
			l.end = i + n
		}
	}
	return l.end
}
