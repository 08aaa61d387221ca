package conf

import (
	"sort"

	"portolan/internal/source"
)

// fsText is text with the places where it was written.
type fsText struct {
	bytes  []byte
	pieces []fsPiece // ascending
}

// fsPiece is a part of a text, up to the next piece.
type fsPiece struct {
	at       int // where it begins in the text
	file     *source.File
	from, to int  // where it was written
	literal  bool // byte by byte; otherwise "from" to "to" is the variable it came out of
}

// write adds the part of t from start to end.
func (o *fsText) write(t fsText, start, end int) {
	for i, piece := range t.pieces {
		next := len(t.bytes)
		if i+1 < len(t.pieces) {
			next = t.pieces[i+1].at
		}
		if piece.at > end || next < start || next == start && next > piece.at || piece.at == end && next > piece.at {
			continue
		}
		if piece.literal {
			piece.from, piece.to = piece.from+max(0, start-piece.at), piece.from+min(next, end)-piece.at
		}
		piece.at = len(o.bytes) + max(0, piece.at-start)
		if n := len(o.pieces); n > 0 && piece.literal && o.pieces[n-1].literal && o.pieces[n-1].file == piece.file && o.pieces[n-1].to == piece.from {
			o.pieces[n-1].to = piece.to
			continue
		}
		o.pieces = append(o.pieces, piece)
	}
	o.bytes = append(o.bytes, t.bytes[start:end]...)
}

// place is where the text from start to end was written. Text out of several files is
// where its beginning was written. The text must have a piece.
func (o *fsText) place(start, end int) source.Span {
	pieces := o.pieces
	i := sort.Search(len(pieces), func(i int) bool { return pieces[i].at >= start })
	if i == len(pieces) || pieces[i].at > start {
		i--
	}
	j := sort.Search(len(pieces), func(j int) bool { return pieces[j].at > end }) - 1
	if j > i && pieces[j].at == end && o.ends(j) > end {
		j--
	}
	j = max(i, j)
	first, last := pieces[i], pieces[j]
	from, to := first.from, last.to
	if first.literal {
		from += start - first.at
	}
	if last.literal {
		to = last.from + end - last.at
	}
	if first.file != last.file || to < from {
		to = first.to
	}
	return first.file.Span(from, to)
}

// ends is where the piece i ends.
func (o *fsText) ends(i int) int {
	if i+1 < len(o.pieces) {
		return o.pieces[i+1].at
	}
	return len(o.bytes)
}
