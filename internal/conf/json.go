package conf

import (
	"bytes"
	"encoding/json"

	"portolan/internal/source"
)

// parseJSON reads JSON (RFC 8259), and what configuration files make of it: // and /* */
// comments and a comma behind the last item. An object is a section with a child for each
// key, an array a section whose children have no name, any other value a setting. Strings
// are unescaped and their spans are inside the quotes; numbers keep their text; null is an
// empty value. The keys of the object that the file is are children of the root. Keys that
// begin with "//" are kept like others.
//
// The scanner is our own: it must go on behind an error and needs bounds on depth and
// memory, which a parser that returns the whole tree or nothing does not have.
func parseJSON(r *reader) *Node {
	text := r.structuredText(func(c rune) bool { return c != 0 })
	j := &jsonReader{r: r, text: text}
	root := &Node{Kind: Section}
	if !j.space() {
		return root
	}
	switch {
	case text[j.i] == '[':
		j.array(root, 1)
	case text[j.i] == '{' && j.templates.at(text, j.i) == 0:
		j.object(root, 1)
	default:
		at := j.i
		j.value(root, "", source.Span{}, 1)
		r.report(broken(r.file.Span(at, max(at+1, j.i)), "a value without a key", "write an object, { \"key\": value }"))
	}
	for first := true; j.space(); first = false {
		if first {
			r.report(broken(j.restOfLine(), "text behind the end", "remove it, or mend the brackets in front of it"))
		}
		switch text[j.i] {
		case '}', ']', ',':
			j.i++
		case '[':
			j.array(root, 1)
		case '{':
			j.object(root, 1)
		default:
			j.members(root, 1, -1)
		}
	}
	return root
}

// jsonReader is the state of reading one file.
type jsonReader struct {
	r         *reader
	text      []byte
	i         int // offset of what comes next
	objects   int // that are open
	arrays    int
	ended     bool // that something is not closed has been reported, or the file is too large
	templates structuredTemplates
}

// space skips blanks and comments and reports whether anything follows.
func (j *jsonReader) space() bool {
	for j.i < len(j.text) {
		switch rest := j.text[j.i:]; {
		case blank(rest[0]) || rest[0] == '\n':
			j.i++
		case bytes.HasPrefix(rest, []byte("//")):
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			j.i += end
		case bytes.HasPrefix(rest, []byte("/*")):
			end := bytes.Index(rest[2:], []byte("*/"))
			if end < 0 {
				j.r.report(broken(j.r.file.Span(j.i, j.i+2), "the comment is not closed", "end it with */"))
				j.i, j.ended = len(j.text), true
				return false
			}
			j.i += 2 + end + 2
		default:
			return true
		}
	}
	return false
}

// object reads the object that begins here into a section.
func (j *jsonReader) object(into *Node, depth int) {
	open := j.i
	j.i++
	j.objects++
	j.members(into, depth, open)
	j.objects--
}

// members reads the members of an object up to its end. Open is the offset of its "{",
// -1 without one.
func (j *jsonReader) members(into *Node, depth, open int) {
	seen := structuredNames{}
	for last := jsonComma; j.space(); {
		switch c := j.text[j.i]; {
		case c == '}':
			if open >= 0 {
				j.i++
			}
			return
		case c == ']':
			if j.stray(j.arrays > 0 || open < 0) {
				return
			}
		case c == ',':
			last = j.comma(last)
		default:
			last = j.member(into, seen, depth, last)
		}
	}
	j.unclosed(open, "}")
}

// What stood last in an object or array.
type jsonLast uint8

const (
	jsonComma jsonLast = iota // or nothing yet
	jsonValue
	jsonJunk // something that was reported; a comma may follow or not
)

// comma passes over a comma.
func (j *jsonReader) comma(last jsonLast) jsonLast {
	if last == jsonComma {
		j.r.report(broken(j.r.file.Span(j.i, j.i+1), "a comma with nothing in front of it", "remove it"))
	}
	j.i++
	return jsonComma
}

// needComma reports what follows a value without a comma; it is read all the same.
func (j *jsonReader) needComma(last jsonLast) {
	if last == jsonValue {
		j.r.report(broken(j.restOfLine(), "a comma is missing in front of this", "put one behind the value before"))
	}
}

// member reads one key and its value, which follow last.
func (j *jsonReader) member(into *Node, seen structuredNames, depth int, last jsonLast) jsonLast {
	var name string
	var at source.Span
	switch n := j.templates.at(j.text, j.i); {
	case n > 0:
		at = j.r.file.Span(j.i, j.i+n)
		j.templates.report(j.r, at)
		j.r.structuredMissing(at)
		j.i += n
		return jsonJunk
	case j.text[j.i] == '"':
		j.needComma(last)
		name, at, _ = j.str()
	case j.bareKey() > 0:
		j.needComma(last)
		at = j.r.file.Span(j.i, j.i+j.bareKey())
		name = at.Text()
		j.i = at.End
		j.r.report(ambiguous(at, "a key without quotes", "JSON5 allows it and JSON does not; it is read", "put it in double quotes"))
	default:
		j.junk("neither a key nor the end of the object")
		return jsonJunk
	}
	if !j.space() {
		return jsonJunk // reported as an object that is not closed
	}
	if j.text[j.i] != ':' {
		j.r.report(broken(at, "a key without a value", "write it as \"key\": value"))
		return jsonJunk
	}
	j.i++
	if !j.space() {
		return jsonJunk
	}
	if c := j.text[j.i]; c == ',' || c == '}' || c == ']' {
		j.r.report(broken(at, "a key without a value", "write it as \"key\": value"))
		return jsonJunk
	}
	if !j.r.structuredName(seen, name, at) {
		into = &Node{} // read, to know where it ends, and not kept
	}
	return j.value(into, name, at, depth)
}

// array reads the array that begins here into a section.
func (j *jsonReader) array(into *Node, depth int) {
	open := j.i
	j.i++
	j.arrays++
	defer func() { j.arrays-- }()
	for last := jsonComma; j.space(); {
		switch c := j.text[j.i]; {
		case c == ']':
			j.i++
			return
		case c == '}':
			if j.stray(j.objects > 0) {
				return
			}
		case c == ',':
			last = j.comma(last)
		default:
			j.needComma(last)
			last = j.value(into, "", source.Span{}, depth)
		}
	}
	j.unclosed(open, "]")
}

// value reads any value and adds it to a section.
func (j *jsonReader) value(into *Node, name string, at source.Span, depth int) jsonLast {
	if at.File == nil {
		at = j.r.file.Span(j.i, j.i)
	}
	if j.r.full(at) {
		j.i, j.ended = len(j.text), true
		return jsonJunk
	}
	section := &Node{Kind: Section, Name: name, NameSpan: at, ValueSpan: j.r.file.Span(j.i, j.i)}
	c, template := j.text[j.i], j.templates.at(j.text, j.i)
	switch {
	case template == 0 && (c == '{' || c == '[') && depth > structuredNesting:
		j.r.structuredTooDeep(j.r.file.Span(j.i, j.i+1))
		j.skip()
		return jsonValue
	case template == 0 && c == '{':
		j.object(section, depth+1)
		into.Children = append(into.Children, section)
		return jsonValue
	case c == '[':
		j.array(section, depth+1)
		into.Children = append(into.Children, section)
		return jsonValue
	}
	setting := &Node{Kind: Setting, Name: name, NameSpan: at}
	last := jsonValue
	switch n := max(template, j.word()); {
	case c == '"':
		var closed bool
		if setting.Value, setting.ValueSpan, closed = j.str(); !closed {
			last = jsonJunk // with the comma, as likely as not
		}
	case n > 0:
		setting.ValueSpan = j.r.file.Span(j.i, j.i+n)
		setting.Value = setting.ValueSpan.Text()
		j.i += n
		switch {
		case template > 0 || IsPlaceholder(setting.Value):
			j.templates.report(j.r, setting.ValueSpan)
		case setting.Value == "null":
			setting.Value = ""
		case !json.Valid([]byte(setting.Value)):
			j.r.report(ambiguous(setting.ValueSpan, printable([]byte(setting.Value)), "JSON has no such value; it is read as text", "put text in double quotes, and write numbers without leading zeros"))
		}
	default:
		j.junk("not a value")
		return jsonJunk
	}
	into.Children = append(into.Children, setting)
	return last
}

// str reads the string that begins here. One that is not closed ends with its line.
func (j *jsonReader) str() (value string, at source.Span, closed bool) {
	start := j.i + 1
	end := start
	for end < len(j.text) && j.text[end] != '"' && j.text[end] != '\n' {
		if j.text[end] == '\\' && end+1 < len(j.text) && j.text[end+1] != '\n' {
			end++
		}
		end++
	}
	at = j.r.file.Span(start, end)
	value = at.Text()
	if end >= len(j.text) || j.text[end] == '\n' {
		j.r.report(broken(at, "the text is not closed", "end it with a double quote"))
		j.i = min(end, len(j.text))
		return value, at, false
	}
	j.i = end + 1
	if bytes.IndexByte(j.text[start:end], '\\') >= 0 {
		if err := json.Unmarshal(j.text[start-1:end+1], &value); err != nil {
			value = at.Text()
			j.r.report(ambiguous(at, "an escape that JSON does not have", "it is read as it stands here", "write \\\\ for a backslash"))
		}
	}
	return value, at, true
}

// word is the length of the word that begins here, such as a number, 0 when there is none.
func (j *jsonReader) word() int {
	rest := j.text[j.i:]
	n := 0
	for n < len(rest) && rest[n] > ' ' && bytes.IndexByte([]byte(`,:{}[]"`), rest[n]) < 0 && !bytes.HasPrefix(rest[n:], []byte("//")) && !bytes.HasPrefix(rest[n:], []byte("/*")) {
		n++
		if bytes.HasPrefix(rest[n-1:], []byte("${")) { // a variable to be filled in
			if end := bytes.IndexAny(rest[n:min(len(rest), n+200)], "}\n"); end > 0 && rest[n+end] == '}' {
				n += end + 1
			}
		}
	}
	return n
}

// bareKey is the length of the word that begins here when a colon follows it on its line.
func (j *jsonReader) bareKey() int {
	n := j.word()
	for i := j.i + n; n > 0; i++ {
		if i >= len(j.text) || j.text[i] != ':' && !blank(j.text[i]) {
			return 0
		}
		if j.text[i] == ':' {
			break
		}
	}
	return n
}

// stray reports a bracket that closes nothing here. It is left where it is when it closes
// something further out, and then this ends too.
func (j *jsonReader) stray(outer bool) bool {
	j.r.report(broken(j.r.file.Span(j.i, j.i+1), "this bracket closes nothing", "close what was opened last, with the bracket of its kind"))
	if !outer {
		j.i++
	}
	return outer
}

// unclosed reports, once, what the file ends in.
func (j *jsonReader) unclosed(open int, with string) {
	if !j.ended && open >= 0 {
		j.ended = true
		j.r.report(broken(j.r.file.Span(open, open+1), "this is not closed before the end of the file", "end it with "+with))
	}
}

// junk reports what means nothing up to the end of the line or the next comma or bracket,
// and skips at least one byte of it.
func (j *jsonReader) junk(what string) {
	end := j.i + 1
	for end < len(j.text) && bytes.IndexByte([]byte("\n,]}"), j.text[end]) < 0 {
		end++
	}
	l := trimmed(j.text, j.i, end)
	j.r.report(broken(l.span(j.r.file), what, "remove it, or write it as JSON"))
	j.i = end
}

// skip passes over the object or array that begins here.
func (j *jsonReader) skip() {
	for level := 0; j.space(); {
		switch j.text[j.i] {
		case '{', '[':
			level++
		case '}', ']':
			level--
		case '"':
			for j.i++; j.i < len(j.text) && j.text[j.i] != '"' && j.text[j.i] != '\n'; j.i++ {
				if j.text[j.i] == '\\' {
					j.i++
				}
			}
		}
		j.i = min(j.i+1, len(j.text))
		if level == 0 {
			return
		}
	}
}

// restOfLine is the place from here to the end of the line, or a part of a long line.
func (j *jsonReader) restOfLine() source.Span {
	end := min(len(j.text), j.i+200)
	if n := bytes.IndexByte(j.text[j.i:end], '\n'); n >= 0 {
		end = j.i + n
	}
	return trimmed(j.text, j.i, end).span(j.r.file)
}
