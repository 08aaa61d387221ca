package conf

import (
	"bytes"
	"strings"

	"portolan/internal/source"
)

// Style says by whose rules a command line is cut into words. The zero value is systemd.
type Style uint8

// The styles of command lines.
const (
	// Systemd is ExecStart= and its kin: systemd.service(5), "Command lines", and
	// systemd.syntax(7), "Quoting"
	// (https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html).
	Systemd Style = iota
	// Shell is the POSIX shell, sections 2.2 and 2.3, as in the options of
	// /etc/default/* and in the command of a container
	// (https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html).
	Shell
)

// argvMaxWords bounds the words of one command line. Linux itself passes some ten thousand
// arguments at most by default.
const argvMaxWords = 10_000

// Words cuts a command line into its words, without quotes and escapes. Text stands at
// span, either as written or with continued lines joined; then the span of a word is
// exact and leaves out quotes that wrap the word as a whole. When text is something else,
// such as a value with its own escapes, every word has the whole span.
//
// What only the running system knows stays as it is: ${X}, ${X:-y}, $(command), %i, a
// placeholder {{ x }}. A variable without braces, $X, becomes ${X}, so that IsPlaceholder
// knows it. A quote that is not closed runs to the end. Words behind the first 10,000
// are dropped.
//
// Systemd: the prefixes of the program (- @ : + ! |) are left out, and with "@" the word
// behind it, which only is a name; "$$" is "$" and "%%" is "%". A ";" between two commands
// is a word of its own, and the next word is a program again.
//
// Shell: an operator such as ";", "&&" or ">" is a word of its own, and a comment ends
// the line. Nothing is expanded.
func Words(text string, span source.Span, style Style) []Arg {
	w := argv{span: span}
	raw := span.Text()
	w.src, w.where = argvJoin(raw, style)
	if text != raw && !bytes.Equal(bytes.Join(bytes.Fields(w.src), nil), bytes.Join(bytes.Fields([]byte(text)), nil)) {
		w.src, _ = argvJoin(text, style)
		w.where = nil
	}
	if style == Shell {
		w.shell()
	} else {
		w.systemd()
	}
	return w.list
}

// argvJoin joins continued lines the way systemd does: the backslash becomes a blank,
// and comment lines in between are skipped. It also says where in raw each byte of the
// result and its end stand. To the shell a continuation is part of its quoting.
func argvJoin(raw string, style Style) ([]byte, []int) {
	text, where := make([]byte, 0, len(raw)), make([]int, 0, len(raw)+1)
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if style == Systemd && c == '\\' {
			if n := kamLineEnd([]byte(raw[i+1 : min(i+3, len(raw))])); n > 0 {
				text, where = append(text, ' '), append(where, i)
				for i += n; i+1 < len(raw); {
					line, _, _ := strings.Cut(raw[i+1:], "\n")
					if l := strings.TrimLeft(line, " \t"); l == "" || l[0] != '#' && l[0] != ';' {
						break
					}
					i += len(line) + 1
				}
				continue
			}
			if i+1 < len(raw) && raw[i+1] == '\\' { // an escaped backslash continues nothing
				text, where = append(text, c), append(where, i)
				i++
			}
		}
		text, where = append(text, c), append(where, i)
	}
	return text, append(where, len(raw))
}

// argv is the state of cutting one command line.
type argv struct {
	src   []byte
	where []int // offset in the span of each byte of src; nil when not known
	span  source.Span
	pos   int
	list  []Arg
	dead  [4]bool // brackets, see closing, that are known not to be closed
}

// argvWord collects one word. Quoted counts the quotes that were closed in it.
type argvWord struct {
	start  int
	text   []byte
	quoted int
}

// at is the place from start to end in src.
func (w *argv) at(start, end int) source.Span {
	if w.where == nil || w.span.File == nil {
		return w.span
	}
	return w.span.File.Span(w.span.Start+w.where[start], w.span.Start+w.where[end])
}

// add ends a word before pos. Quotes around all of it are not part of its place.
func (w *argv) add(d argvWord, text string) {
	start, end := d.start, w.pos
	if d.quoted == 1 && end-start >= 2 && strings.IndexByte(`'"`, w.src[start]) >= 0 && w.src[start] == w.src[end-1] {
		start, end = start+1, end-1
	}
	w.list = append(w.list, Arg{text, w.at(start, end)})
}

func (w *argv) skipBlanks() bool {
	for w.pos < len(w.src) && (blank(w.src[w.pos]) || w.src[w.pos] == '\n') {
		w.pos++
	}
	return w.pos < len(w.src) && len(w.list) < argvMaxWords
}

// closing is the length of text from pos that begins with open and ends with the close
// that belongs to it, 0 when there is none. Kind numbers the pair.
func (w *argv) closing(kind int, open, close string) int {
	rest := w.src[w.pos:]
	if w.dead[kind] || !bytes.HasPrefix(rest, []byte(open)) {
		return 0
	}
	nested := open[len(open)-1] // "${" is open until as many "}" follow as "{"
	depth := 0
	for i := len(open) - 1; i < len(rest); i++ {
		switch {
		case bytes.HasPrefix(rest[i:], []byte(close)) && (depth > 0 || i >= len(open)):
			if depth--; depth <= 0 {
				return i + len(close)
			}
		case rest[i] == nested && len(close) == 1:
			depth++
		}
	}
	w.dead[kind] = true // looking again each time would take forever
	return 0
}

// placeholder is the length of a template engine's placeholder at pos, or 0.
func (w *argv) placeholder() int {
	return max(w.closing(0, "{{", "}}"), w.closing(1, "<%", "%>"))
}

// systemd reads words as systemd's extract_first_word does: quotes may begin anywhere in
// a word, and escapes mean the same in both kinds.
func (w *argv) systemd() {
	program, literal := true, false
	skip := false // the word is a name for the program, not an argument
	for w.skipBlanks() {
		d := argvWord{start: w.pos}
		w.systemdWord(&d)
		raw := string(w.src[d.start:w.pos])
		text := string(d.text)
		switch {
		case raw == ";":
			w.add(d, text)
			program, skip = true, false
		case raw == `\;`:
			w.add(d, ";")
		case program:
			n := len(text) - len(strings.TrimLeft(text, "-@:+!|"))
			skip = strings.Contains(text[:n], "@")
			literal = strings.Contains(text[:n], ":")
			if strings.HasPrefix(raw, text[:n]) {
				d.start += n
			}
			w.add(d, strings.ReplaceAll(text[n:], "%%", "%"))
			program = false
		case skip:
			skip = false
		default:
			w.add(d, argvVariables(strings.ReplaceAll(text, "%%", "%"), literal))
		}
	}
}

// argvVariables writes the variables of one word as placeholders. A prefix ":" of the
// program makes "$" an ordinary character.
func argvVariables(text string, literal bool) string {
	switch {
	case literal:
		return text
	case len(text) > 1 && text[0] == '$' && text[1] != '$' && text[1] != '{': // only as a whole word
		return "${" + text[1:] + "}"
	}
	return strings.ReplaceAll(text, "$$", "$")
}

func (w *argv) systemdWord(d *argvWord) {
	var quote byte
	for w.pos < len(w.src) {
		c := w.src[w.pos]
		n := w.placeholder()
		switch {
		case n > 0:
			d.text = append(d.text, w.src[w.pos:w.pos+n]...)
			w.pos += n
			continue
		case c == '\\' && w.pos+1 < len(w.src):
			w.pos++
			var n int
			d.text, n = argvEscape(d.text, w.src[w.pos:])
			w.pos += n
			continue
		case quote != 0 && c == quote:
			quote = 0
			d.quoted++
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && (blank(c) || c == '\n'):
			return
		default:
			d.text = append(d.text, c)
		}
		w.pos++
	}
}

// argvEscape appends what the escape behind a backslash means, and returns its length.
// One that systemd does not know stays as it is, with the backslash.
func argvEscape(text, rest []byte) ([]byte, int) {
	if i := strings.IndexByte(`abfnrtv\"'s`, rest[0]); i >= 0 {
		return append(text, "\a\b\f\n\r\t\v\\\"' "[i]), 1
	}
	base, from, digits := 16, 1, 0
	switch c := rest[0]; {
	case c == 'x':
		digits = 2
	case c == 'u':
		digits = 4
	case c == 'U':
		digits = 8
	case c >= '0' && c <= '3': // more is not a byte
		base, from, digits = 8, 0, 3
	}
	value := uint32(0)
	for i := from; digits > 0 && i < from+digits; i++ {
		v := uint32(16)
		if i < len(rest) {
			v = uint32(strings.IndexByte("0123456789abcdef", argvLower(rest[i])))
		}
		if v >= uint32(base) {
			digits = 0
			break
		}
		value = value*uint32(base) + v
	}
	switch {
	case digits == 0 || value == 0: // a NUL cannot be in an argument
		return append(text, '\\', rest[0]), 1
	case digits > 3:
		return append(text, string(rune(value))...), from + digits
	}
	return append(text, byte(value)), from + digits
}

func argvLower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

const argvOperators = ";&|<>()"

// shell reads words as section 2.3 of the standard has it.
func (w *argv) shell() {
	for w.skipBlanks() {
		d := argvWord{start: w.pos}
		c := w.src[w.pos]
		switch {
		case c == '\\' && kamLineEnd(w.src[w.pos+1:]) > 0:
			w.pos += 1 + kamLineEnd(w.src[w.pos+1:])
			continue
		case c == '#':
			w.pos += len(kamLine(w.src[w.pos:]))
			continue
		case strings.IndexByte(argvOperators, c) >= 0 && w.placeholder() == 0:
			for w.pos < len(w.src) && strings.IndexByte(argvOperators, w.src[w.pos]) >= 0 {
				w.pos++
			}
			w.add(d, string(w.src[d.start:w.pos]))
			continue
		}
		w.shellWord(&d)
		w.add(d, string(d.text))
	}
}

func (w *argv) shellWord(d *argvWord) {
	var quote byte
	for w.pos < len(w.src) {
		c := w.src[w.pos]
		if quote == '\'' {
			if w.pos++; c == quote {
				quote = 0
				d.quoted++
			} else {
				d.text = append(d.text, c)
			}
			continue
		}
		if n := w.shellExpansion(d); n > 0 {
			w.pos += n
			continue
		}
		switch {
		case c == '\\':
			n := kamLineEnd(w.src[w.pos+1:])
			switch {
			case n > 0: // a continued line: nothing
				w.pos += n
			case w.pos+1 == len(w.src) || quote == '"' && strings.IndexByte("$`\"\\", w.src[w.pos+1]) < 0:
				d.text = append(d.text, c)
			default:
				w.pos++
				d.text = append(d.text, w.src[w.pos])
			}
		case quote != 0 && c == quote:
			quote = 0
			d.quoted++
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && (blank(c) || c == '\n' || strings.IndexByte(argvOperators, c) >= 0):
			return
		default:
			d.text = append(d.text, c)
		}
		w.pos++
	}
}

// shellExpansion appends an expansion that begins at pos, which is not done here, and
// returns its length; 0 when there is none.
func (w *argv) shellExpansion(d *argvWord) int {
	rest := w.src[w.pos:]
	if n := max(w.placeholder(), w.closing(2, "${", "}"), w.closing(3, "$(", ")")); n > 0 {
		d.text = append(d.text, rest[:n]...)
		return n
	}
	switch {
	case rest[0] == '`':
		if i := bytes.IndexByte(rest[1:], '`'); i >= 0 {
			d.text = append(d.text, rest[:i+2]...)
			return i + 2
		}
		return 0
	case rest[0] != '$' || len(rest) == 1:
		return 0
	}
	n := 1
	if c := rest[1]; strings.IndexByte("@*#?-$!0123456789", c) >= 0 {
		n = 2
	} else {
		for n < len(rest) && kamAlnum(rest[n]) {
			n++
		}
	}
	if n == 1 {
		return 0
	}
	d.text = append(append(append(d.text, "${"...), rest[1:n]...), '}')
	return n
}
