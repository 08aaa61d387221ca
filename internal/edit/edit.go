// Package edit changes the user's files as fixes say, and nothing else in them.
package edit

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"unicode/utf16"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// A Change is the edits of one file.
type Change struct {
	File  *source.File
	Edits []diag.Edit // ascending, and they do not overlap
}

// Creates reports whether the file is a new one.
func (c *Change) Creates() bool { return len(c.Edits) == 1 && c.Edits[0].Create }

// Safe are the first safe fix of each finding, by file in the order of their names, and how
// many findings they mend. Findings that want the same edit share it. A fix of which an
// edit meets that of an earlier one, and is another, is left out as a whole: the next run
// sees what is left.
func Safe(list diag.List) ([]Change, int) {
	edits := map[*source.File][]diag.Edit{}
	mended := 0
	for _, d := range list {
		i := slices.IndexFunc(d.Fixes, func(f diag.Fix) bool { return f.Safety == diag.Safe && len(f.Edits) > 0 })
		if i < 0 || slices.ContainsFunc(d.Fixes[i].Edits, func(e diag.Edit) bool { return quarrels(e, edits[e.Span.File]) }) {
			continue
		}
		for _, e := range d.Fixes[i].Edits {
			if !slices.Contains(edits[e.Span.File], e) {
				edits[e.Span.File] = append(edits[e.Span.File], e)
			}
		}
		mended++
	}
	var out []Change
	for file, list := range edits {
		slices.SortStableFunc(list, func(a, b diag.Edit) int { return cmp.Compare(a.Span.Start, b.Span.Start) })
		out = append(out, Change{file, list})
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.File.Name, b.File.Name) })
	return out, mended
}

// quarrels reports whether e and one of the others want different things of one text. New
// lines at one place, or behind a text that changes, all find room.
func quarrels(e diag.Edit, others []diag.Edit) bool {
	return slices.ContainsFunc(others, func(o diag.Edit) bool {
		switch {
		case o == e || o.Span.End < e.Span.Start || e.Span.End < o.Span.Start:
			return false
		case o.Span.End == e.Span.Start && addsLines(e) && (addsLines(o) || o.Span.Start < o.Span.End),
			e.Span.End == o.Span.Start && addsLines(o) && (addsLines(e) || e.Span.Start < e.Span.End):
			return false
		}
		return true
	})
}

// addsLines reports whether e puts whole lines between others.
func addsLines(e diag.Edit) bool {
	return e.Span.Start == e.Span.End && !e.Create &&
		(strings.HasSuffix(e.New, "\n") || strings.HasPrefix(e.New, "\n") || strings.HasPrefix(e.New, "\r\n"))
}

// Text is the text of the file after the change.
func (c *Change) Text() []byte {
	var out []byte
	at := 0
	for _, e := range c.Edits {
		out = append(append(out, c.File.Text[at:e.Span.Start]...), e.New...)
		at = e.Span.End
	}
	return append(out, c.File.Text[at:]...)
}

// ErrChanged is a file that is not any more what was read.
var ErrChanged = errors.New("the file has changed since it was read: run again")

// Bytes is raw, the bytes that the file was decoded from, after the change. Every byte
// outside the edits stays, also a byte order mark and what is not valid in its encoding.
// Of a new file there are no bytes yet.
func (c *Change) Bytes(raw []byte) ([]byte, error) {
	text, enc := source.Decode(raw)
	if enc != c.File.Encoding || !bytes.Equal(text, c.File.Text) {
		return nil, ErrChanged
	}
	var out []byte
	at := 0
	for _, e := range c.Edits {
		out = append(out, raw[at:offset(raw, text, enc, e.Span.Start)]...)
		out = append(out, encode(e.New, enc)...)
		at = offset(raw, text, enc, e.Span.End)
	}
	return append(out, raw[at:]...), nil
}

// offset is the place in raw of a place in the text that it holds.
func offset(raw, text []byte, enc source.Encoding, at int) int {
	if enc != source.UTF16LE && enc != source.UTF16BE {
		return len(raw) - len(text) + at
	}
	mark := 0
	if bytes.HasPrefix(raw, []byte{0xFF, 0xFE}) || bytes.HasPrefix(raw, []byte{0xFE, 0xFF}) {
		mark = 2
	}
	units := 0
	for _, r := range string(text[:at]) {
		units += utf16.RuneLen(r) // 1 for the U+FFFD of an unpaired surrogate, which is one unit
	}
	return min(mark+2*units, len(raw)) // a lone last byte is a character of half a unit
}

// encode is s as enc stores it.
func encode(s string, enc source.Encoding) []byte {
	var order binary.AppendByteOrder
	switch enc {
	case source.UTF16LE:
		order = binary.LittleEndian
	case source.UTF16BE:
		order = binary.BigEndian
	default:
		return []byte(s)
	}
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, u)
	}
	return out
}
