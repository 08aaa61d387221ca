package conf

import (
	"bytes"
	"strings"

	"portolan/internal/source"
)

// Environment files, /etc/default and /etc/sysconfig: files of assignments that a shell
// (https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html, sections 2.2,
// 2.6 and 2.9.1), systemd (EnvironmentFile= in
// https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html) or a
// container tool reads. They agree on most of it; a line on which they differ is
// reported.
//
//   - "KEY=value" and "export KEY=value" are settings of the root; "KEY+=value" has
//     Append, and its value is only what it adds.
//   - A value may be put together from bare text, '...' and "..."; Value is without the
//     quotes and backslashes. ValueSpan is inside the quotes when they are around all of
//     it, else it is the value as written.
//   - $NAME and ${NAME} become the value that NAME was given above. Anything else behind
//     a "$" stays as it is and is not known here.
//   - ". file" and "source file" are gaps; other commands of a shell are reported.
func parseEnv(r *reader) *Node {
	e := &envScan{r: r, text: r.file.Text, root: &Node{Kind: Section}, vars: map[string]string{}, budget: envExpansion}
	for e.pos < len(e.text) {
		if !e.statement() {
			break
		}
	}
	return e.root
}

// envExpansion bounds the bytes that variables add to all values of one file: each can
// double the one before.
const envExpansion = 1 << 20

type envScan struct {
	r      *reader
	text   []byte
	pos    int
	root   *Node
	vars   map[string]string
	budget int    // bytes that variables may still add
	dead   string // the quotes that nothing closes any more
	line   lineEnd
}

// statement reads one assignment, comment or empty line; false when there are too many.
func (e *envScan) statement() bool {
	e.blanks()
	start, end := e.pos, e.lineEnd()
	l := trimmed(e.text, start, end)
	if l.start == l.end || e.text[start] == '#' || e.text[start] == ';' {
		e.pos = end + 1
		return true
	}
	at := l.span(e.r.file)
	if e.r.full(at) {
		return false
	}
	if rest, found := bytes.CutPrefix(l.text, []byte("export")); found && len(rest) > 0 && blank(rest[0]) {
		e.pos += len("export")
		e.blanks()
	}
	from := e.pos
	for e.pos < end && envName(e.text[e.pos]) {
		e.pos++
	}
	name := e.pos
	e.blanks()
	adds := e.pos == name && bytes.HasPrefix(e.text[e.pos:end], []byte("+="))
	if adds {
		e.pos++
	}
	if name == from || e.pos >= end || e.text[e.pos] != '=' {
		e.command(at)
		e.pos = end + 1
		return true
	}
	spaced := !adds && e.pos > name
	e.pos++
	place := e.pos
	e.blanks()
	if spaced || e.pos > place && !e.atEnd() && e.text[e.pos] != '#' {
		e.r.report(ambiguous(at, "a blank beside the \"=\"", "a shell takes the words for a command, systemd ignores the blank, and so does this reader", "write it as KEY=value"))
	}
	node := &Node{Kind: Setting, Name: string(e.text[from:name]), NameSpan: e.r.file.Span(from, name), Append: adds}
	node.Value, node.ValueSpan = e.value(place)
	e.root.Children = append(e.root.Children, node)
	e.set(node)
	return true
}

// set remembers the value of a variable. One that grew too long is not known any more.
func (e *envScan) set(n *Node) {
	if !n.Append {
		e.vars[n.Name] = n.Value
		return
	}
	old := e.vars[n.Name]
	if e.budget -= len(old); e.budget < 0 {
		delete(e.vars, n.Name)
		return
	}
	e.vars[n.Name] = old + n.Value
}

// command reports a line that is no assignment.
func (e *envScan) command(at source.Span) {
	word, file, _ := strings.Cut(at.Text(), " ")
	if file = strings.TrimLeft(file, blanks); (word == "." || word == "source") && file != "" {
		e.r.doc.Gaps = append(e.r.doc.Gaps, e.r.file.Span(at.End-len(file), at.End))
		return
	}
	e.r.report(broken(at, "the line is neither an assignment nor a comment", "write it as KEY=value; what a command does here is not known"))
}

// value reads from here to the end of the line, and moves behind that. place is where
// the value would be if it is empty.
func (e *envScan) value(place int) (string, source.Span) {
	var out []byte
	var inside source.Span // of the quotes, when they are the whole value
	start, end, parts, said := e.pos, place, 0, false
	for !e.atEnd() {
		c := e.text[e.pos]
		if blank(c) || c == '#' && parts == 0 && start > place {
			from := e.pos
			if e.blanks(); e.atEnd() {
				break
			}
			rest := trimmed(e.text, e.pos, e.lineEnd()).span(e.r.file)
			if e.text[e.pos] == '#' {
				e.r.report(ambiguous(rest, "a comment behind a value", "a shell ends the value before it, systemd and container tools do not", "put the comment on a line of its own"))
				e.pos = e.lineEnd()
				break
			}
			if !said {
				e.r.report(ambiguous(rest, "text behind a blank in a value without quotes",
					"a shell takes it for a command or for another assignment, systemd for a part of the value, and so it is read here", "put the value into quotes"))
			}
			out = append(out, e.text[from:e.pos]...)
			parts, said = parts+2, true
			continue
		}
		if (c == '"' || c == '\'') && strings.IndexByte(e.dead, c) < 0 {
			if span, ok := e.quoted(c, &out); ok {
				inside, end, parts = span, e.pos, parts+1
				continue
			}
		}
		switch {
		case c == '\\' && e.pos+1 < len(e.text):
			if e.pos++; e.newline() {
				continue
			}
			out = append(out, e.text[e.pos])
			e.pos++
		case c == '$':
			e.variable(&out)
		default:
			out = append(out, c)
			e.pos++
		}
		parts, end = parts+2, e.pos
	}
	e.pos++
	switch parts {
	case 0:
		return "", e.r.file.Span(place, place)
	case 1:
		return string(out), inside
	}
	return string(out), e.r.file.Span(start, end)
}

// quoted reads text in the quotes q, false when nothing closes them.
func (e *envScan) quoted(q byte, out *[]byte) (source.Span, bool) {
	open := e.pos
	end := open + 1
	for end < len(e.text) && e.text[end] != q {
		if q == '"' && e.text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(e.text) {
		e.dead += string(q)
		e.r.report(ambiguous(e.r.file.Span(open, open+1), "a quote that is not closed", "it is read as a part of the value", "close the quote"))
		return source.Span{}, false
	}
	for e.pos++; e.pos < end; {
		switch c := e.text[e.pos]; {
		case q == '"' && c == '\\' && strings.IndexByte("$`\"\\\r\n", e.text[e.pos+1]) >= 0:
			if e.pos++; !e.newline() {
				*out = append(*out, e.text[e.pos])
				e.pos++
			}
		case q == '"' && c == '$':
			e.variable(out)
		default:
			*out = append(*out, c)
			e.pos++
		}
	}
	if bytes.IndexByte(e.text[open:end], '\n') >= 0 {
		e.r.report(ambiguous(e.r.file.Span(open, end+1), "a quoted value that runs over several lines", "container tools end it at the first", "write it on one line"))
	}
	e.pos = end + 1
	return e.r.file.Span(open+1, end), true
}

// variable reads $NAME or ${NAME}.
func (e *envScan) variable(out *[]byte) {
	start := e.pos
	e.pos++
	braces := bytes.HasPrefix(e.text[e.pos:], []byte("{"))
	if braces {
		e.pos++
	}
	from := e.pos
	for e.pos < len(e.text) && (envName(e.text[e.pos]) && e.text[e.pos] != '.' && e.text[e.pos] != '-') {
		e.pos++
	}
	value, known := e.vars[string(e.text[from:e.pos])]
	if braces {
		if !bytes.HasPrefix(e.text[e.pos:], []byte("}")) {
			known, e.pos = false, from // the rest is read as text
		} else {
			e.pos++
		}
	}
	if known && len(value) > e.budget {
		e.r.report(broken(e.r.file.Span(start, e.pos), "the variables of this file make its values too long", "write the value without the variable"))
		known = false
	}
	if !known {
		*out = append(*out, e.text[start:e.pos]...)
		return
	}
	e.budget -= len(value)
	*out = append(*out, value...)
}

// envName reports whether c may stand in a name. "." and "-" are names to container
// tools only.
func envName(c byte) bool {
	return c == '_' || c == '.' || c == '-' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// blanks skips blanks within a line.
func (e *envScan) blanks() {
	for e.pos < len(e.text) && blank(e.text[e.pos]) {
		e.pos++
	}
}

// atEnd reports whether the line ends here.
func (e *envScan) atEnd() bool { return e.pos >= len(e.text) || e.text[e.pos] == '\n' }

// lineEnd is where the line ends.
func (e *envScan) lineEnd() int { return e.line.of(e.text, e.pos) }

// newline skips a line end.
func (e *envScan) newline() bool {
	for _, end := range []string{"\n", "\r\n"} {
		if bytes.HasPrefix(e.text[e.pos:], []byte(end)) {
			e.pos += len(end)
			return true
		}
	}
	return false
}
