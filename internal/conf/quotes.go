package conf

import (
	"bytes"
	"strings"
)

// closing is where the quote at t[i] is closed, -1 when nowhere.
func (d *Dialect) closing(t []byte, i int) int {
	for j := i + 1; j < len(t); j++ {
		switch {
		case t[j] == '\\' && d.Escapes != "":
			j++
		case t[j] != t[i]:
		case d.Doubled && j+1 < len(t) && t[j+1] == t[i]:
			j++
		default:
			return j
		}
	}
	return -1
}

// ends reports whether c ends a key.
func (d *Dialect) ends(c byte) bool {
	return strings.IndexByte(d.Delimiters, c) >= 0 || d.Blank && blank(c)
}

// plain is text outside quotes as the service sees it.
func (d *Dialect) plain(t []byte) string {
	if !d.EscapeBare {
		return string(t)
	}
	return d.unescape(t, 0)
}

// unescape resolves backslashes, and doubled quotes when q is the quote around t.
func (d *Dialect) unescape(t []byte, q byte) string {
	if d.Escapes == "" && !d.Doubled {
		return string(t)
	}
	out := make([]byte, 0, len(t))
	for i := 0; i < len(t); i++ {
		switch c := t[i]; {
		case c == q && q != 0 && d.Doubled:
			i++ // closing found it doubled
			out = append(out, q)
		case c == '\\' && d.Escapes != "" && i+1 < len(t):
			n := 0
			if out, n = d.escape(out, t[i+1:]); n > 0 {
				i += n
				continue
			}
			if i++; d.EscapeKeep && t[i] != '\\' && t[i] != '\'' && t[i] != '"' {
				out = append(out, '\\')
			}
			out = append(out, t[i])
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

// escape adds what the letter at the start of t means behind a backslash, and says how
// many bytes of t that took; 0 when it means nothing.
func (d *Dialect) escape(out, t []byte) ([]byte, int) {
	knows := func(c byte) bool { return strings.IndexByte(d.Escapes, c) >= 0 }
	c := t[0]
	if i := strings.IndexByte("abfnrst", c); i >= 0 && knows(c) {
		return append(out, "\a\b\f\n\r \t"[i]), 1
	}
	switch {
	case c == 'x' && knows(c):
		if v, n := digits(t[1:min(len(t), 3)], 16); n == 2 {
			return append(out, byte(v)), 3
		}
	case c == 'u' && knows(c):
		if v, n := digits(t[1:min(len(t), 5)], 16); n == 4 {
			return append(out, string(v)...), 5
		}
	case knows('o'):
		if v, n := digits(t[:min(len(t), 3)], 8); n > 0 {
			return append(out, byte(v)), n
		}
	}
	return out, 0
}

// digits reads the digits of base that t begins with, and says how many there are.
func digits(t []byte, base int) (v rune, n int) {
	for _, c := range bytes.ToLower(t) {
		i := strings.IndexByte("0123456789abcdef"[:base], c)
		if i < 0 {
			break
		}
		v, n = v*rune(base)+rune(i), n+1
	}
	return v, n
}
