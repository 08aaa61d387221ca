package conf

import (
	"bytes"
	"fmt"
	"strings"

	"portolan/internal/source"
)

// Line formats: INI and its kin, keyword files and tables are one scanner with the
// switches of a Dialect.
//
//   - "[NAME]" is a section of the root; the same name again is another section, in the
//     order of the file. Settings before any section are the root's.
//   - "key = value" is a setting. A key that stands alone has the value that the dialect
//     gives it, at an empty place behind the key.
//   - "NAME WORDS {" is a section up to "}", in dialects with blocks: Args are the words, and
//     Value is all of them as written.
//   - In dialects with words, the words behind the key are Args, and Value is all of them
//     as written.
//   - An included file stands in the place of its directive, which itself is no node. A
//     section of "[NAME]" form that goes on behind an include is a second section of that
//     name, so that the order of the children is the order in which the service reads.

// A Dialect says how a line format is written. The zero value reads nothing but keys: a
// dialect names at least a delimiter or Blank.
type Dialect struct {
	// Comments are the bytes that begin a comment at the start of a line; blanks before
	// them do not count.
	Comments string
	// Inline are the bytes that begin a comment behind something else, outside quotes.
	// With InlineBlank only those behind a blank do.
	Inline      string
	InlineBlank bool
	// Delimiters are the bytes that stand between key and value. With Blank a blank does
	// too, and a delimiter behind it is optional. With Run any row of them is one.
	Delimiters string
	Blank      bool
	Run        bool
	// Sections says that "[NAME]" begins a section. With SectionFirst the service refuses
	// settings before the first of them.
	Sections, SectionFirst bool
	// Opens are keywords, in any case, that begin a section which runs to the next of them.
	Opens []string
	// Blocks says that a "{" at the end of a line begins a section, named by what stands before
	// it, and that a line "}" ends it. They stand inside each other.
	Blocks bool
	// Bare says what a key means that stands alone.
	Bare Bare
	// Words says that values are words between blanks.
	Words bool
	// Quotes are the bytes that may stand around a value or a word. With Doubled, two of
	// them inside quotes are one.
	Quotes  string
	Doubled bool
	// Escapes are the letters that a backslash gives a meaning inside quotes, as C does:
	// among "abfnrst", "x" before two and "u" before four hexadecimal digits, "o" for up
	// to three octal digits. Before any other byte a backslash stands for that byte, or
	// with EscapeKeep for itself. Empty: a backslash is data. With EscapeBare all this
	// holds outside quotes and in keys too.
	Escapes                string
	EscapeKeep, EscapeBare bool
	// Continuation says how a line goes on.
	Continuation Continuation
	// Includes are the directives that read other files.
	Includes []Include
}

// Bare is the meaning of a key that stands alone. The zero value says that it means
// nothing and is reported.
type Bare uint8

// The meanings of a key that stands alone.
const (
	BareBroken Bare = iota // means nothing, is reported and not read
	BareTrue               // the value "true"
	BareEmpty              // an empty value
)

// Continuation is how a line goes on in the next. The zero value is not at all.
type Continuation uint8

// The ways in which lines go on.
const (
	NoContinuation Continuation = iota
	Backslash                   // behind a backslash at the end; both it and the blanks in front of the next line vanish
	BackslashBlank              // the same, but the backslash becomes a blank, and comment lines in between are skipped
	LeadingBlank                // when the next line begins with a blank; comment lines and empty lines in between are skipped
)

// parse reads the file of r in the dialect.
func (d Dialect) parse(r *reader) *Node {
	s := &lineScan{Dialect: d, r: r, root: &Node{Kind: Section}}
	s.include.r = r
	s.file(r.file, s.root, 0)
	return s.root
}

// lineScan is the state of reading one document in a dialect.
type lineScan struct {
	Dialect
	r       *reader
	root    *Node
	include includer
	count   int // words
}

// maxBlocks bounds how deep blocks stand inside each other.
const maxBlocks = 100

// maxArgs bounds the words of one document.
const maxArgs = 5 * MaxNodes

// file reads f. Settings before any section go to top.
func (s *lineScan) file(f *source.File, top *Node, depth int) {
	r, section, split := s.r, top, false
	var around []*Node // the sections that the open block stands in, the outermost first
	var opened source.Span
	for l := range s.logicals(f) {
		l.text = bytes.TrimRight(l.text, blanks)
		at := l.span(0, len(l.text))
		if r.full(at) {
			return
		}
		if bytes.IndexByte(l.text, '\r') >= 0 {
			r.report(ambiguous(at, "a carriage return inside the line",
				"some readers end the line there, others do not", "end lines with CR LF or with LF alone"))
		}
		if s.Sections && l.text[0] == '[' {
			if section, split = s.header(l), false; section == nil {
				section = &Node{Kind: Section} // settings below a broken header belong to no known section
				continue
			}
			s.root.Children = append(s.root.Children, section)
			continue
		}
		if end := s.comment(l.text); end < len(l.text) {
			l.text = bytes.TrimRight(l.text[:end], blanks)
		}
		if s.Blocks && string(l.text) == "}" {
			if len(around) == 0 {
				r.report(broken(at, "a \"}\" that closes nothing", "remove it"))
				continue
			}
			section, around = around[len(around)-1], around[:len(around)-1]
			continue
		}
		if s.Blocks && l.text[len(l.text)-1] == '{' {
			block := s.block(l)
			switch {
			case len(around) < maxBlocks:
				section.Children = append(section.Children, block)
			case len(around) == maxBlocks:
				r.doc.Gaps = append(r.doc.Gaps, at)
				r.report(broken(at, fmt.Sprintf("more than %d blocks inside each other; what is in it is not read", maxBlocks), "is this the right file?"))
			}
			around, section, opened = append(around, section), block, at
			continue
		}
		if inc, rest, ok := s.directive(l); ok {
			into := s.root
			if inc.Inside {
				into = section
			}
			before := len(into.Children)
			for _, a := range rest {
				s.include.files(inc, f, a, depth, func(f *source.File) { s.file(f, into, depth+1) })
			}
			split = split || s.Sections && into != section && len(into.Children) > before
			continue
		}
		node := s.setting(l, at)
		switch {
		case node == nil:
		case node.Kind == Section:
			section = node
			s.root.Children = append(s.root.Children, node) // also from inside another: nothing else ends that
		default:
			if split && !r.full(at) {
				section, split = &Node{Kind: Section, Name: section.Name, NameSpan: section.NameSpan}, false
				s.root.Children = append(s.root.Children, section)
			}
			if section == s.root && s.SectionFirst {
				r.report(broken(at, "the setting stands before the first section", "put it below the [section] that it belongs to"))
			}
			section.Children = append(section.Children, node)
		}
	}
	if len(around) > 0 {
		r.report(ambiguous(opened, "the block is not closed", "it is read up to the end of the file", "write \"}\" on a line below it"))
	}
}

// block reads "NAME WORDS {".
func (s *lineScan) block(l logical) *Node {
	from, to := l.trim(0, len(l.text)-1)
	end := from
	for end < to && !blank(l.text[end]) {
		end++
	}
	rest, _ := l.trim(end, to)
	return &Node{Kind: Section, Name: string(l.text[from:end]), NameSpan: l.span(from, end),
		Value: string(l.text[rest:to]), ValueSpan: l.span(rest, to), Args: s.words(l, rest, to)}
}

// header reads "[NAME]", nil when it is broken.
func (s *lineScan) header(l logical) *Node {
	end := bytes.IndexByte(l.text, ']')
	if end < 0 {
		s.r.report(broken(l.span(0, len(l.text)), "the section name is not closed; the settings below it belong to no section",
			"write it as ["+printable(l.text[1:])+"]"))
		return nil
	}
	if rest, to := l.trim(end+1, len(l.text)); rest < to && strings.IndexByte(s.Comments+s.Inline, l.text[rest]) < 0 {
		s.r.report(ambiguous(l.span(rest, to), "text behind a section name",
			"some readers ignore it, others take it into the name", "put it on a line of its own"))
	}
	from, to := l.trim(1, end)
	return &Node{Kind: Section, Name: string(l.text[from:to]), NameSpan: l.span(from, to)}
}

// directive finds out whether l includes files, and which names it gives.
func (s *lineScan) directive(l logical) (Include, []Arg, bool) {
	for _, inc := range s.Includes {
		n := len(inc.Keyword)
		if len(l.text) <= n || !strings.EqualFold(string(l.text[:n]), inc.Keyword) || inc.Keyword != "@" && !s.ends(l.text[n]) && !blank(l.text[n]) {
			continue
		}
		from, to := l.trim(n, len(l.text))
		if from < to && strings.IndexByte(s.Delimiters, l.text[from]) >= 0 {
			from, to = l.trim(from+1, to)
		}
		if s.Words && !inc.Endings { // an ending may stand behind a blank
			return inc, s.words(l, from, to), true
		}
		text, inner, end := s.value(l, from, to)
		return inc, []Arg{{text, l.span(inner, end)}}, true
	}
	return Include{}, nil, false
}

// setting reads a key and its value, nil when the line is broken.
func (s *lineScan) setting(l logical, at source.Span) *Node {
	end := 0
	for end < len(l.text) && !s.ends(l.text[end]) {
		if l.text[end] == '\\' && s.EscapeBare && end+1 < len(l.text) {
			end++
		}
		end++
	}
	_, name := l.trim(0, end)
	from := end
	if s.Run {
		for from < len(l.text) && (s.ends(l.text[from]) || blank(l.text[from])) {
			from++
		}
	} else if from, _ = l.trim(from, len(l.text)); from < len(l.text) && strings.IndexByte(s.Delimiters, l.text[from]) >= 0 {
		from, _ = l.trim(from+1, len(l.text))
	}
	if name == 0 {
		s.r.report(broken(at, "the line has a value but no key", "begin it with a key, or make it a comment"))
		return nil
	}
	if i := bytes.IndexByte(l.text[:name], '{'); i >= 0 && s.Blocks {
		s.r.doc.Gaps = append(s.r.doc.Gaps, at)
		s.r.report(broken(at, "a block on one line", "put what stands behind \"{\", and the \"}\", on lines of their own"))
		return nil
	}
	node := &Node{Kind: Setting, Name: s.plain(l.text[:name]), NameSpan: l.span(0, name)}
	if end == len(l.text) { // nothing stands between the key and the end
		if s.Bare == BareBroken {
			help := "write it as key = value, or make it a comment"
			s.r.report(broken(at, "the line is neither a section, nor a setting, nor a comment", help))
			return nil
		}
		if s.Bare == BareTrue {
			node.Value = "true"
		}
		node.ValueSpan = l.span(end, end)
	} else {
		text, inner, to := s.value(l, from, len(l.text))
		node.Value, node.ValueSpan = text, l.span(inner, to)
		if s.Words {
			node.Args = s.words(l, from, len(l.text))
		}
	}
	for _, k := range s.Opens {
		if strings.EqualFold(node.Name, k) {
			node.Kind = Section
		}
	}
	return node
}

// value is what the service sees of the text from..to, and the place of that in l.
func (s *lineScan) value(l logical, from, to int) (text string, start, end int) {
	t := l.text[from:to]
	if len(t) > 0 && strings.IndexByte(s.Quotes, t[0]) >= 0 {
		switch i := s.closing(t, 0); {
		case i == len(t)-1:
			return s.unescape(t[1:i], t[0]), from + 1, from + i
		case i < 0:
			s.r.report(ambiguous(l.span(from, to), "a quote that is not closed", "it is read as it stands here", "close the quote, or write the value without it"))
		case !s.Words:
			s.r.report(ambiguous(l.span(from, to), "text behind a quoted value", "it is read as it stands here", "put all of the value into the quotes"))
		}
	}
	return s.plain(t), from, to
}

// words are the words of the text from..to, without the quotes around them.
func (s *lineScan) words(l logical, from, to int) []Arg {
	var args []Arg
	dead := "" // quotes that nothing closes any more
	for {
		if from, _ = l.trim(from, to); from == to {
			return args
		}
		if s.count++; s.count > maxArgs {
			if s.count == maxArgs+1 {
				s.r.doc.Gaps = append(s.r.doc.Gaps, l.span(from, to))
				s.r.report(broken(l.span(from, to), fmt.Sprintf("more than %d words in one file", maxArgs), "split the file, or leave out what is not configuration"))
			}
			return args
		}
		t := l.text[from:to]
		if c := t[0]; strings.IndexByte(s.Quotes, c) >= 0 && strings.IndexByte(dead, c) < 0 {
			i := s.closing(t, 0)
			if i < 0 {
				dead += string(c)
			} else if i+1 == len(t) || blank(t[i+1]) {
				args = append(args, Arg{s.unescape(t[1:i], c), l.span(from+1, from+i)})
				from += i + 1
				continue
			}
		}
		n := bytes.IndexAny(t, blanks)
		if n < 0 {
			n = len(t)
		}
		args = append(args, Arg{s.plain(t[:n]), l.span(from, from+n)})
		from += n
	}
}

// comment is where a comment begins behind something else in t, len(t) when none does.
func (s *lineScan) comment(t []byte) int {
	if s.Inline == "" {
		return len(t)
	}
	dead := ""
	for i := 1; i < len(t); i++ {
		c, before := t[i], t[i-1]
		if strings.IndexByte(s.Quotes, c) >= 0 && (blank(before) || s.ends(before)) && strings.IndexByte(dead, c) < 0 {
			if n := s.closing(t, i); n >= 0 {
				i = n
			} else {
				dead += string(c)
			}
		} else if strings.IndexByte(s.Inline, c) >= 0 && (!s.InlineBlank || blank(before)) {
			return i
		}
	}
	return len(t)
}
