package conf

import (
	"slices"
	"strconv"
	"strings"
)

// parseHaproxy reads haproxy.cfg:
//
//   - "frontend web" begins a section, Name frontend, Args web, that runs to the next
//     section. As haproxy does, a section is known by its keyword and not by its column.
//   - "bind :80 name clear" is a setting: Name bind, the other words are Args.
//   - ".if", ".else" and ".endif" are settings too: both branches are in the section.
//
// Blanks separate words; "…" and '…' may stand anywhere in a word, and a backslash
// protects a blank, "#", "\" and quotes outside of '…'. "#" begins a comment, also inside
// a word. Variables work in "…" alone; what they are is not known here, and "$VAR" is
// given as "${VAR}" so that it is seen as a placeholder.
//
// https://docs.haproxy.org/dev/configuration.html#2.1 to 2.4
func parseHaproxy(r *reader) *Node {
	root := &Node{Kind: Section}
	section := root
	p := newParts(r)
	for l := range lines(r.file) {
		words := haproxyWords(&p, l)
		if p.done {
			break
		}
		if len(words) == 0 {
			continue
		}
		name := words[0].text
		if slices.Contains(haproxySections(), name) {
			if section = p.add(root, directive(r.file, Section, words)); section == nil {
				break
			}
			continue
		}
		n := p.add(section, directive(r.file, Setting, words))
		if n == nil {
			break
		}
		if section == root && name[:min(1, len(name))] != "." {
			r.report(odd(n.NameSpan, "a setting in front of the first section", "put it into global, defaults, frontend, backend or listen"))
		}
	}
	return root
}

// haproxySections are the keywords that begin a section in haproxy 3.2 and before.
func haproxySections() []string {
	return []string{"global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "userlist", "mailers",
		"cache", "ring", "program", "http-errors", "fcgi-app", "log-forward", "log-profile", "crt-store", "traces", "acme", "healthcheck", "ruleset"}
}

// haproxyWords splits a line into words, none for a comment.
func haproxyWords(p *parts, l line) (words []token) {
	text := l.text
	for i := 0; !p.done; {
		for i < len(text) && blank(text[i]) {
			i++
		}
		if i >= len(text) || text[i] == '#' {
			break
		}
		t := haproxyWord(p, l, i)
		i = t.to - l.start
		words = p.keep(p.r.file, words, t)
	}
	return words
}

// haproxyWord reads the word that begins at i of l.
func haproxyWord(p *parts, l line, i int) token {
	text, begin := l.text, i
	var out []byte
	var quote byte
	opened, closed := -1, -1 // the last pair of quotes
	pairs := 0
scan:
	for ; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == 0 && (blank(c) || c == '#'):
			break scan
		case quote != 0 && c == quote:
			quote, closed = 0, i
			continue
		case quote == 0 && (c == '"' || c == '\''):
			quote, opened = c, i
			pairs++
			continue
		case c == '\\' && quote != '\'' && i+1 < len(text):
			esc, n := haproxyEscape(text[i+1:], quote)
			out = append(out, esc...)
			i += n
			continue
		case c == '$' && quote == '"':
			if n := haproxyVariable(text[i+1:]); n > 0 {
				out = append(append(append(out, "${"...), text[i+1:i+1+n]...), '}')
				i += n
				continue
			}
		}
		out = append(out, c)
	}
	t := token{kind: tokenWord, text: string(out), from: l.start + begin, to: l.start + i}
	t.start, t.end = t.from, t.to
	if quote != 0 {
		p.r.report(odd(p.r.file.Span(l.start+opened, t.to), "the quote is not closed", "close it on its line"))
	} else if pairs == 1 && opened == begin && closed == i-1 {
		t.start, t.end = t.from+1, t.to-1
	}
	return t
}

// haproxyEscape is what a backslash in front of text means, and how many bytes of text
// belong to it. In front of other bytes it stays.
func haproxyEscape(text []byte, quote byte) (string, int) {
	switch c := text[0]; {
	case c == 'n':
		return "\n", 1
	case c == 'r':
		return "\r", 1
	case c == 't':
		return "\t", 1
	case c == 'x' && len(text) >= 3:
		if v, err := strconv.ParseUint(string(text[1:3]), 16, 8); err == nil {
			return string([]byte{byte(v)}), 3
		}
	case strings.IndexByte(` \#"'`, c) >= 0 || c == '$' && quote == '"':
		return string(c), 1
	}
	return `\`, 0
}

// haproxyVariable is the length of the name of a variable at the start of text, 0 when
// there is none. The form ${NAME} is left to stand as it is.
func haproxyVariable(text []byte) int {
	n := 0
	for n < len(text) && (text[n] == '_' || text[n]|0x20 >= 'a' && text[n]|0x20 <= 'z' || n > 0 && text[n] >= '0' && text[n] <= '9') {
		n++
	}
	return n
}
