package conf

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// yamlPlace is where a node stands in the file: of a scalar its text without the quotes,
// of an alias the alias, of a list or a mapping its first byte.
type yamlPlace struct{ start, end int }

func (y *yamlReader) place(n *yaml.Node) yamlPlace { return y.places[n] }

// yamlBreak is the length of the line break that text begins with, 0 when there is none.
// The library counts the breaks of YAML 1.1 (https://yaml.org/spec/1.1/#id871136).
func yamlBreak(text []byte) int {
	switch {
	case len(text) == 0:
	case text[0] == '\n':
		return 1
	case text[0] == '\r':
		if len(text) > 1 && text[1] == '\n' {
			return 2
		}
		return 1
	case text[0] == 0xC2 && bytes.HasPrefix(text, []byte("\u0085")):
		return 2
	case text[0] == 0xE2 && (bytes.HasPrefix(text, []byte("\u2028")) || bytes.HasPrefix(text, []byte("\u2029"))):
		return 3
	}
	return 0
}

// yamlMark is the mark of a document's start or end that a line begins with, "---" or
// "...", or "".
func yamlMark(line []byte) string {
	if len(line) >= 3 && (len(line) == 3 || line[3] == ' ' || line[3] == '\t' || yamlBreak(line[3:]) > 0) {
		if m := string(line[:3]); m == "---" || m == "..." {
			return m
		}
	}
	return ""
}

// yamlLines are the offsets in text at which lines begin.
func yamlLines(text []byte) []int {
	starts := []int{0}
	for i := 0; i < len(text); i++ {
		if n := yamlBreak(text[i:]); n > 0 {
			i += n - 1
			starts = append(starts, i+1)
		}
	}
	return starts
}

// yamlPlacer turns the lines and columns of one document into places. Nodes come in the
// order in which they stand, so it goes on from the last one: the columns of one long
// line are counted once. A column counts characters.
type yamlPlacer struct {
	text      []byte // of the document
	lines     []int
	base      int // offset of text in the file
	line, col int // of the last place
	offset    int
	template  int // offset of a "{{" that YAML takes for a mapping in a mapping, -1 without
	places    map[*yaml.Node]yamlPlace
}

func (p *yamlPlacer) walk(n *yaml.Node) {
	start := p.find(n.Line, n.Column)
	end := start
	switch n.Kind {
	case yaml.ScalarNode:
		start, end = p.scalar(n, start)
	case yaml.AliasNode:
		end = min(start+1+len(n.Value), len(p.text))
	case yaml.MappingNode:
		if p.template < 0 && bytes.HasPrefix(p.text[start:], []byte("{{")) {
			p.template = start
		}
	}
	p.places[n] = yamlPlace{p.base + start, p.base + end}
	for _, c := range n.Content {
		p.walk(c)
	}
}

// find is the offset of a line and a column, both counted from 1.
func (p *yamlPlacer) find(line, col int) int {
	if line < 1 || line > len(p.lines) {
		return len(p.text)
	}
	if line != p.line || col < p.col {
		p.line, p.col, p.offset = line, 1, p.lines[line-1]
	}
	for ; p.col < col && p.offset < len(p.text); p.col++ {
		_, size := utf8.DecodeRune(p.text[p.offset:])
		p.offset += size
	}
	return p.offset
}

// scalar is the place of a scalar's text; the node begins at i, with its tag and anchor.
func (p *yamlPlacer) scalar(n *yaml.Node, i int) (start, end int) {
	t := p.text
	if i < len(t) && (t[i] == '&' || t[i] == '!') { // no scalar begins with these
		properties, content := p.properties(i, n.Anchor)
		if i = content; n.Value == "" && n.Style&^yaml.TaggedStyle == 0 {
			return properties, properties
		}
	}
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		for end = i + 1; end < len(t) && t[end] != '"'; end++ {
			if t[end] == '\\' {
				end++
			}
		}
		return min(i+1, len(t)), min(end, len(t))
	case n.Style&yaml.SingleQuotedStyle != 0:
		for end = i + 1; end < len(t) && (t[end] != '\'' || end+1 < len(t) && t[end+1] == '\''); end++ {
			if t[end] == '\'' {
				end++
			}
		}
		return min(i+1, len(t)), min(end, len(t))
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return p.block(i, n.Value)
	}
	return i, p.plain(i, n.Value)
}

// properties are the end of the tag and the anchor that stand at i, and the place of
// what they belong to.
func (p *yamlPlacer) properties(i int, anchor string) (end, content int) {
	t := p.text
	for end = i; i < len(t); {
		switch c := t[i]; {
		case c == '&':
			i = min(i+1+len(anchor), len(t))
			end = i
		case c == '!':
			verbatim := bytes.HasPrefix(t[i:], []byte("!<"))
			for i < len(t) && !blank(t[i]) && yamlBreak(t[i:]) == 0 && (verbatim || bytes.IndexByte([]byte(",[]{}"), t[i]) < 0) {
				i++
			}
			end = i
		case c == '#' && i > 0 && (blank(t[i-1]) || t[i-1] == '\n'):
			for i < len(t) && yamlBreak(t[i:]) == 0 {
				i++
			}
		case blank(c):
			i++
		default:
			n := yamlBreak(t[i:])
			if n == 0 {
				return end, i
			}
			i += n
		}
	}
	return end, i
}

// plain is the end of a scalar without quotes that begins at i. Its value is the text,
// but for line breaks and the blanks around them.
func (p *yamlPlacer) plain(i int, value string) int {
	for value != "" && i < len(p.text) {
		if p.text[i] == value[0] && yamlBreak(p.text[i:]) == 0 {
			after := i
			for after < len(p.text) && (p.text[after] == ' ' || p.text[after] == '\t') {
				after++
			}
			if after == i || yamlBreak(p.text[after:]) == 0 {
				after = max(after, i+1)
				value = value[min(after-i, len(value)):]
				i = after
				continue
			}
		}
		folded := i
		for folded < len(p.text) {
			n := yamlBreak(p.text[folded:])
			if n == 0 && (p.text[folded] == ' ' || p.text[folded] == '\t') {
				n = 1
			}
			if n == 0 {
				break
			}
			folded += n
		}
		if folded == i {
			return i // not the text that we were told of
		}
		i = folded
		for {
			if n := yamlBreak([]byte(value[:min(len(value), 3)])); n > 0 {
				value = value[n:]
			} else if value != "" && value[0] == ' ' {
				value = value[1:]
				break
			} else {
				break
			}
		}
	}
	return i
}

// block is the text of a block scalar whose "|" or ">" is at i: from the first character
// of its first line to the end of its last one; when there is none, behind the header.
func (p *yamlPlacer) block(i int, value string) (start, end int) {
	t := p.text
	for i < len(t) && yamlBreak(t[i:]) == 0 {
		i++
	}
	content := strings.TrimLeft(value, " \n")
	if content == "" {
		return i, i
	}
	// With its indentation given in the header, the first line may begin with blanks.
	before := value[:len(value)-len(content)]
	blanks := len(before) - (strings.LastIndexByte(before, '\n') + 1)
	indent := -1
	for i < len(t) {
		i += yamlBreak(t[i:])
		first := i
		for i < len(t) && t[i] == ' ' {
			i++
		}
		text := i
		for i < len(t) && yamlBreak(t[i:]) == 0 {
			i++
		}
		if text == i {
			continue // an empty line, or the end
		}
		if indent < 0 {
			indent, start = max(text-first-blanks, 0), max(text-blanks, first)
		} else if text-first < indent {
			break
		}
		if yamlMark(t[first:i]) != "" {
			break
		}
		end = i
	}
	return start, max(start, end)
}
