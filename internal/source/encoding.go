package source

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// Encoding is how a text was stored.
type Encoding uint8

// The encodings that configuration files and captured command output come in.
// Windows PowerShell's ">" writes UTF-16LE with a byte order mark.
const (
	UTF8    Encoding = iota // UTF-8, or a single-byte code page that we do not guess
	UTF8BOM                 // UTF-8 behind a byte order mark
	UTF16LE
	UTF16BE
)

// String is the name used in messages.
func (e Encoding) String() string {
	return [...]string{"UTF-8", "UTF-8 with a byte order mark", "UTF-16LE", "UTF-16BE"}[e]
}

// Decode turns stored bytes into UTF-8 without a byte order mark. UTF-16 is known
// by its mark, or without one by a zero in every second byte of ASCII text. Bytes
// that are not valid UTF-8 are kept: a Latin-1 comment must not cost the file.
// Unpaired surrogates become U+FFFD.
func Decode(raw []byte) ([]byte, Encoding) {
	switch {
	case bytes.HasPrefix(raw, []byte{0xEF, 0xBB, 0xBF}):
		return raw[3:], UTF8BOM
	case bytes.HasPrefix(raw, []byte{0xFF, 0xFE}):
		return decode16(raw[2:], binary.LittleEndian), UTF16LE
	case bytes.HasPrefix(raw, []byte{0xFE, 0xFF}):
		return decode16(raw[2:], binary.BigEndian), UTF16BE
	case looks16(raw, 1):
		return decode16(raw, binary.LittleEndian), UTF16LE
	case looks16(raw, 0):
		return decode16(raw, binary.BigEndian), UTF16BE
	}
	return raw, UTF8
}

// looks16 reports whether the bytes at the given parity are mostly zero and the
// others never are: ASCII text in UTF-16 without a mark.
func looks16(raw []byte, parity int) bool {
	head := raw[:min(len(raw), 512)&^1]
	if len(head) < 4 {
		return false
	}
	zeros := 0
	for i, c := range head {
		if c == 0 {
			if i%2 != parity {
				return false
			}
			zeros++
		}
	}
	return zeros*10 >= len(head)/2*7
}

func decode16(raw []byte, order binary.ByteOrder) []byte {
	text := make([]byte, 0, len(raw)/2+8)
	for len(raw) >= 2 {
		r := rune(order.Uint16(raw))
		raw = raw[2:]
		if utf16.IsSurrogate(r) {
			low := rune(utf8.RuneError)
			if len(raw) >= 2 {
				low = rune(order.Uint16(raw))
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				raw = raw[2:]
			}
		}
		text = utf8.AppendRune(text, r)
	}
	if len(raw) == 1 { // a lone last byte is not a character
		text = utf8.AppendRune(text, utf8.RuneError)
	}
	return text
}
