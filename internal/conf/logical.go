package conf

import (
	"bytes"
	"iter"
	"strings"

	"portolan/internal/source"
)

// A logical is a line as the format means it: one line of the file, or several that
// are continued. It does not begin with a blank and is not empty.
type logical struct {
	file   *source.File
	text   []byte
	pieces []piece // ascending, the first at 0
}

// A piece says that the text from at on stands in the file from start on.
type piece struct{ at, start int }

// offset is where text[i] stands in the file.
func (l *logical) offset(i int) int {
	lo, hi := 0, len(l.pieces)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; l.pieces[mid].at <= i {
			lo = mid
		} else {
			hi = mid
		}
	}
	return l.pieces[lo].start + i - l.pieces[lo].at
}

// span is the place of text[from:to]; of an empty text the place behind what is before.
func (l *logical) span(from, to int) source.Span {
	switch {
	case from < to:
		return l.file.Span(l.offset(from), l.offset(to-1)+1)
	case from > 0:
		end := l.offset(from-1) + 1
		if from < len(l.text) {
			end = l.offset(from)
		}
		return l.file.Span(end, end)
	}
	return l.file.Span(l.offset(0), l.offset(0))
}

// trim narrows from..to to the text without blanks around it.
func (l *logical) trim(from, to int) (int, int) {
	for from < to && blank(l.text[from]) {
		from++
	}
	for from < to && blank(l.text[to-1]) {
		to--
	}
	return from, to
}

// cut leaves only text[from:to].
func (l *logical) cut(from, to int) {
	start := l.offset(from)
	for len(l.pieces) > 1 && l.pieces[1].at <= from {
		l.pieces = l.pieces[1:]
	}
	l.pieces[0] = piece{from, start}
	for i := range l.pieces {
		l.pieces[i].at -= from
	}
	l.text = l.text[from:to]
}

const blanks = " \t\r\f\v"

// logicals yields the lines of f that are not blank and not comments, each joined with
// the lines that continue it.
func (s *lineScan) logicals(f *source.File) iter.Seq[logical] {
	return func(yield func(logical) bool) {
		var open logical // what was read of a line that may go on
		last := 0        // where the line before ended
		for l := range lines(f) {
			comment := strings.IndexByte(s.Comments, l.text[0]) >= 0
			goes := open.file != nil
			switch s.Continuation {
			case LeadingBlank:
				goes = goes && l.start > 0 && f.Text[l.start-1] != '\n'
			default: // an empty line ends what a backslash continues
				goes = goes && bytes.Count(f.Text[last:l.start], []byte{'\n'}) <= 1
			}
			if comment && (s.Continuation != Backslash || !goes) {
				if goes { // as if the comment were not there
					last = l.end
				}
				continue
			}
			last = l.end
			if open.file != nil && !goes {
				if len(open.text) > 0 && !yield(open) {
					return
				}
				open = logical{}
			}
			more := s.Continuation == LeadingBlank
			text := l.text
			if s.Continuation == Backslash || s.Continuation == BackslashBlank {
				if more = goesOn(f, l); more {
					text = text[:len(text)-1]
				}
			}
			open.add(f, l.start, text, s.Continuation)
			if !more {
				if len(open.text) > 0 && !yield(open) {
					return
				}
				open = logical{}
			}
		}
		if len(open.text) > 0 {
			yield(open)
		}
	}
}

// add joins text, which stands at start, to what was read so far.
func (l *logical) add(f *source.File, start int, text []byte, how Continuation) {
	if len(l.text) == 0 { // also behind a line of nothing but a backslash
		for len(text) > 0 && blank(text[0]) {
			text, start = text[1:], start+1
		}
		*l = logical{f, text[:len(text):len(text)], []piece{{0, start}}}
		return
	}
	if how != Backslash {
		l.text = append(l.text, ' ') // stands where the backslash or the line end is
	}
	l.pieces = append(l.pieces, piece{len(l.text), start})
	l.text = append(l.text, text...)
}

// goesOn reports whether the last byte of the line is a backslash that nothing
// escapes.
func goesOn(f *source.File, l line) bool {
	n := len(l.text) - len(bytes.TrimRight(l.text, `\`))
	return n%2 == 1 && (l.end == len(f.Text) || f.Text[l.end] == '\n' || bytes.HasPrefix(f.Text[l.end:], []byte("\r\n")))
}
