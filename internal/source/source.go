// Package source is the bytes we were given and the places in them.
package source

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf8"
)

// A File is one text we were given, decoded once and never changed. Offsets
// everywhere are bytes of Text.
type File struct {
	// Name is how people find the file: the path they gave, or the path below
	// the root with forward slashes.
	Name string
	// Path is where the file lies in its Tree, without a leading slash.
	Path string
	// Text is the content as UTF-8 without a byte order mark. Bytes that are not
	// UTF-8 (Latin-1 comments are normal on Windows) are kept as they came.
	Text []byte
	// Encoding says how Text was stored; the zero value is UTF8.
	Encoding Encoding
	// Given says that Name is a path from the working directory, as an operator gave it,
	// also where other names are below the root of a host.
	Given bool

	lines []int // offset of the first byte of each line; filled by New
}

// New decodes raw, see Decode, and indexes its lines.
func New(name string, raw []byte) *File {
	text, enc := Decode(raw)
	lines := make([]int, 1, 1+bytes.Count(text, []byte{'\n'}))
	for i, c := range text {
		if c == '\n' {
			lines = append(lines, i+1)
		}
	}
	return &File{Name: name, Path: name, Text: text, Encoding: enc, lines: lines}
}

// Span is the place from start to end in f, start inclusive, end exclusive. Both
// are clamped to the file.
func (f *File) Span(start, end int) Span {
	start = min(max(start, 0), len(f.Text))
	end = min(max(end, start), len(f.Text))
	return Span{f, start, end}
}

// Line is the text of line n, counted from 1, without its line end; nil when
// there is no such line.
func (f *File) Line(n int) []byte {
	if n < 1 || n > len(f.lines) {
		return nil
	}
	end := len(f.Text)
	if n < len(f.lines) {
		end = f.lines[n] - 1
	}
	return bytes.TrimSuffix(f.Text[f.lines[n-1]:end], []byte{'\r'})
}

// position finds line and column of a byte offset.
func (f *File) position(offset int) Position {
	line, exact := slices.BinarySearch(f.lines, offset)
	if !exact {
		line--
	}
	return Position{Line: line + 1, Column: 1 + utf8.RuneCount(f.Text[f.lines[line]:offset])}
}

// A Span is a place in a file: the bytes Start (inclusive) to End (exclusive) of
// File.Text. A nil File is no place at all, and the zero value is that. A span of
// a File with Start == End == 0 names the file as a whole.
type Span struct {
	File       *File
	Start, End int
}

// IsZero reports whether s is no place at all.
func (s Span) IsZero() bool { return s.File == nil }

// HasLine reports whether s points at text and not at a file as a whole.
func (s Span) HasLine() bool { return s.File != nil && s.End > 0 }

// Text is the text at s, "" when there is none.
func (s Span) Text() string {
	if s.File == nil {
		return ""
	}
	return string(s.File.Text[s.Start:s.End])
}

// Position is where s starts; the zero Position when s has no line.
func (s Span) Position() Position {
	if !s.HasLine() {
		return Position{}
	}
	return s.File.position(s.Start)
}

// EndPosition is the place just after the last character of s.
func (s Span) EndPosition() Position {
	if !s.HasLine() {
		return Position{}
	}
	return s.File.position(s.End)
}

// Name is the name of the file of s, "" when s is no place.
func (s Span) Name() string {
	if s.File == nil {
		return ""
	}
	return s.File.Name
}

// Place is "file:line", "file" for a file as a whole, and "" for no place.
func (s Span) Place() string {
	if !s.HasLine() {
		return s.Name()
	}
	return s.Name() + ":" + strconv.Itoa(s.Position().Line)
}

// String is "file:line:column", "file" for a file as a whole, "" for no place.
func (s Span) String() string {
	if !s.HasLine() {
		return s.Name()
	}
	p := s.Position()
	return s.Name() + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
}

// A Position is a line and a column, both counted from 1; the column counts
// Unicode characters (an invalid byte is one). The zero value is no position.
type Position struct{ Line, Column int }
