package ignore

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// Mark is what a comment begins with that silences findings. Comments that silence those of
// a whole file begin with Mark and "-file".
const Mark = "portolan:ignore"

// Limits on what is looked at in one file.
const (
	maxNames = 1000   // names of rules in all its ignores
	maxBlock = 200    // lines of comment between an ignore and its line
	maxLine  = 10_000 // bytes of a line before an ignore, and of it
)

// comment is one ignore in a file.
type comment struct {
	file   *source.File
	names  []name
	reason string
	span   source.Span // from Mark to the end of the reason
	sign   int         // where the comment begins, at its sign
	line   int         // where it stands
	own    bool        // there is nothing else on its line
	whole  bool        // it is about the whole file
}

// name is a rule that a comment names.
type name struct {
	text string
	span source.Span
}

var (
	// closer is the end of a comment that need not end with its line.
	closer = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\s*(?:-->|\*/)`) })
	// because stands between the rules and the reason: two dashes, or one, since XML forbids
	// two in a comment, or what programs for texts make of them.
	because = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?:^|\s)(?:--|[–—]|-(?:\s|$))`) })
	// remark is a line of nothing but comment. Kamailio's #! begins a directive.
	remark = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^[ \t]*(?:#(?:[^!]|$)|;|//|--|/\*|\*|<!--|!|%|dnl\b)`)
	})
)

// comments are the ignores in f, in the order in which they stand. More than somebody
// writes by hand are not read, and cut says so.
func comments(f *source.File) (found []comment, cut bool) {
	names := 0
	start, line := 0, 1 // of the line that is looked at
	for at, seen := 0, 0; ; {
		i := bytes.Index(f.Text[at:], []byte(Mark))
		if i < 0 {
			return found, false
		}
		at += i
		line += bytes.Count(f.Text[seen:at], []byte{'\n'})
		if nl := bytes.LastIndexByte(f.Text[seen:at], '\n'); nl >= 0 {
			start = seen + nl + 1
		}
		seen = at
		c, ok := read(f, start, at)
		at += len(Mark)
		if !ok {
			continue
		}
		c.line = line
		if names += max(1, len(c.names)); names > maxNames {
			return found, true
		}
		found = append(found, c)
	}
}

// read reads the comment with Mark at a place of the line that begins at start. It is none
// when Mark is a part of something else. A file may be one long line of marks, so what a look
// at one costs does not grow with the line.
func read(f *source.File, start, at int) (comment, bool) {
	end := min(len(f.Text), at+maxLine)
	if n := bytes.IndexByte(f.Text[at:end], '\n'); n >= 0 {
		end = at + n
	}
	c := comment{file: f, sign: at, own: true}
	if at-start > maxLine || !goesOn(f.Text[at+len(Mark):end]) {
		return c, false
	}
	front := f.Text[start:at]
	if n := sign(front); n >= 0 {
		c.sign = start + n
		front = front[:n]
		c.own = len(bytes.TrimSpace(front)) == 0
		if !c.own && (!separates(front[n-1]) || f.Text[c.sign] == '*') {
			return c, false
		}
	} else if len(bytes.TrimSpace(front)) > 0 { // without a sign it is a line of a longer comment
		return c, false
	}
	rest := string(f.Text[at+len(Mark) : end])
	if loc := closer().FindStringIndex(rest); loc != nil {
		c.own = c.own && strings.TrimSpace(rest[loc[1]:]) == ""
		rest = rest[:loc[0]]
	}
	rest = strings.TrimRight(rest, " \t\r")
	c.span = f.Span(at, at+len(Mark)+len(rest))
	words, file := strings.CutPrefix(rest, "-file")
	c.whole = file
	if words != "" && words[0] != ' ' && words[0] != '\t' {
		return c, false
	}
	from := c.span.End - len(words)
	if loc := because().FindStringIndex(words); loc != nil {
		c.reason = strings.TrimSpace(words[loc[1]:])
		words = words[:loc[0]]
	}
	for i := 0; i < len(words) && len(c.names) < maxNames; {
		n := strings.IndexAny(words[i:], " \t,")
		if n < 0 {
			n = len(words) - i
		}
		if n > 0 {
			c.names = append(c.names, name{words[i : i+n], f.Span(from+i, from+i+n)})
		}
		i += n + 1
	}
	return c, true
}

// goesOn reports whether text behind Mark lets it be an ignore: "portolan:ignored" is none.
func goesOn(rest []byte) bool {
	rest = bytes.TrimPrefix(rest, []byte("-file"))
	return len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\f"), rest[0]) >= 0 || bytes.HasPrefix(rest, []byte("-->")) || bytes.HasPrefix(rest, []byte("*/"))
}

// sign is where a sign begins that ends the front of a line, but for blanks; -1 when none
// does. It is the beginning of a comment in one of our formats: INI files and shells, HCL, C,
// XML, Lua and SQL, X resources, Erlang, m4; or the star with which people begin the lines of
// a long comment of C.
func sign(front []byte) int {
	front = bytes.TrimRight(front, " \t")
	if len(front) == 0 {
		return -1
	}
	last := front[len(front)-1]
	run := len(bytes.TrimRight(front, string(last))) // where it begins
	n := len(front) - run
	switch last {
	case '#', ';', '!', '%':
		return run
	case '/':
		if n > 1 {
			return run
		}
	case '-':
		if n == 2 && bytes.HasSuffix(front[:run], []byte("<!")) {
			return run - len("<!")
		}
		if n > 1 {
			return run
		}
	case '*':
		if run > 0 && front[run-1] == '/' {
			return run - 1
		}
		return len(front) - 1
	case 'l':
		at := len(front) - len("dnl")
		if bytes.HasSuffix(front, []byte("dnl")) && (at == 0 || !wordByte(front[at-1])) {
			return at
		}
	}
	return -1
}

// separates reports whether a comment may begin behind a byte.
func separates(b byte) bool { return strings.IndexByte(" \t\r\f\n;,{}()[]>\"'", b) >= 0 }

func wordByte(b byte) bool {
	return b == '_' || '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'
}

// place is the line that an ignore on a line of its own is about: the first one below it
// that is not a comment, or the first comment in which a finding begins. It is 0 when there
// is none.
func (c *comment) place(begins func(line int) bool) int {
	if !c.own {
		return c.line
	}
	for n := c.line + 1; n <= c.line+maxBlock; n++ {
		text := c.file.Line(n)
		switch {
		case begins(n):
			return n
		case len(bytes.TrimSpace(text)) == 0: // also behind the last line
			return 0
		case !remark().Match(text) && !closes(text):
			return n
		}
	}
	return 0
}

// closes reports whether a line only ends a comment.
func closes(line []byte) bool {
	loc := closer().FindIndex(line)
	return loc != nil && loc[0] == 0 && len(bytes.TrimSpace(line[loc[1]:])) == 0
}

// remove is the fix that takes the comment away, when nothing but its line goes with it.
func (c *comment) remove() []diag.Fix {
	if !c.own || c.reaches() {
		return nil
	}
	text := c.file.Text
	start := bytes.LastIndexByte(text[:c.sign], '\n') + 1
	end := len(text)
	if n := bytes.IndexByte(text[c.span.End:], '\n'); n >= 0 {
		end = c.span.End + n + 1
	}
	return []diag.Fix{{Title: "remove the line", Safety: diag.Safe, Edits: []diag.Edit{{Span: c.file.Span(start, end)}}}}
}

// reaches reports whether the comment may go on in the lines around it: its sign opens what
// is closed elsewhere, or the next line is a comment that could be a part of the reason.
func (c *comment) reaches() bool {
	line := c.file.Line(c.line)
	opens := c.sign == c.span.Start || c.file.Text[c.sign] == '*' ||
		bytes.HasPrefix(c.file.Text[c.sign:], []byte("<!--")) || bytes.HasPrefix(c.file.Text[c.sign:], []byte("/*"))
	if opens && (c.sign == c.span.Start || c.file.Text[c.sign] == '*' || !closer().Match(line)) {
		return true
	}
	next := c.file.Line(c.line + 1)
	return remark().Match(next) && !bytes.Contains(next, []byte(Mark))
}

// wrong is what keeps the whole comment from silencing anything; false when nothing does.
func (c *comment) wrong(swallowed bool) (diag.Diagnostic, bool) {
	form := Mark
	if c.whole {
		form += "-file"
	}
	d := diag.Diagnostic{Rule: Rule, Severity: diag.Warning, Span: c.span}
	switch {
	case swallowed:
		d.Message, d.Label = "this ignore is read as a part of the value, so it silences nothing", "not a comment in this file"
		d.Help = "write it on a line of its own above this one"
	case len(c.names) == 0:
		d.Message = "this ignore names no rule, so it silences nothing"
		d.Help = fmt.Sprintf("write it as %s RULE -- why", form)
	case c.reason == "":
		d.Message = "this ignore has no reason, so it silences nothing"
		d.Help = fmt.Sprintf("say why: %s %s -- why", form, c.names[0].text)
	default:
		return d, false
	}
	return d, true
}
