package conf

import (
	"bytes"
	"path"
	"strings"

	"portolan/internal/source"
)

// parseApache reads httpd.conf, and proftpd.conf, which is written like it:
//
//   - "Listen 80" is a setting: Name Listen, Args 80.
//   - "<VirtualHost *:80> … </VirtualHost>" is a section with Args. IfModule, IfDefine
//     and Macro are sections like all others: whether they count is not decided here.
//   - "Include" and "IncludeOptional" put files, or the files of a folder, in their
//     place; a relative name is below ServerRoot.
//
// A "#" at the start of a line begins a comment. A backslash at the end of a line takes
// the next line to it, also behind a comment. Words may stand in " or '. ${NAME} is
// replaced by what "Define NAME value" above it said; what is defined elsewhere (the
// environment, -D) stays as it is.
//
// https://httpd.apache.org/docs/2.4/configuring.html#syntax, ap_cfg_getline and
// ap_getword_conf of server/util.c
func parseApache(r *reader) *Node {
	root := &Node{Kind: Section}
	p := &apache{parts: newParts(r), root: apacheRoot(r.file.Path), defined: map[string]string{}}
	p.file(r.file, root)
	return root
}

type apache struct {
	parts
	root    string // ServerRoot
	defined map[string]string
}

// apacheRoot is the ServerRoot of a document that names none, by the folders of Debian
// and of Fedora and its kin.
func apacheRoot(name string) string {
	for _, root := range []string{"etc/apache2", "etc/httpd"} {
		if strings.HasPrefix(strings.TrimLeft(name, "/"), root+"/") {
			return "/" + root
		}
	}
	return path.Dir(name)
}

// apacheLine is a line with what its last backslashes take to it: the bytes start to end
// of the file. Blanks around it are left out.
type apacheLine struct{ start, end, next int }

func apacheLineAt(text []byte, at int) apacheLine {
	l := apacheLine{start: at}
	for {
		end := len(text)
		l.next = end
		if n := bytes.IndexByte(text[at:], '\n'); n >= 0 {
			end, l.next = at+n, at+n+1
		}
		if n := apacheJoins(text[at:l.next]); n > 0 && l.next < len(text) {
			at = l.next
			continue
		} else if n > 0 {
			end = l.next - n
		}
		t := trimmed(text, l.start, end)
		l.start, l.end = t.start, t.end
		return l
	}
}

// apacheJoins is the length of the backslash and line end that text ends with, else 0.
func apacheJoins(text []byte) int {
	for _, end := range []string{"\\\n", "\\\r\n"} {
		if bytes.HasSuffix(text, []byte(end)) {
			return len(end)
		}
	}
	return 0
}

// file reads f into top.
func (p *apache) file(f *source.File, top *Node) {
	open := []*Node{top} // the sections around, the innermost last
	deeper := 0          // sections in one that is not read
	for at := 0; at < len(f.Text) && !p.done; {
		l := apacheLineAt(f.Text, at)
		at = l.next
		if l.start == l.end {
			continue
		}
		if f.Text[l.start] == '#' {
			p.swallowed(f, l)
			continue
		}
		var words []token
		switch {
		case hasPrefix(f.Text[l.start:l.end], "</"):
			if deeper > 0 {
				deeper--
			} else {
				open = p.closed(f, l, open)
			}
			continue
		case f.Text[l.start] == '<':
			words = p.header(f, l)
		default:
			words = p.split(f, l.start, l.end)
		}
		switch in := open[len(open)-1]; {
		case len(words) == 0 || p.done:
		case deeper > 0:
			if words[0].kind == tokenMark {
				deeper++
			}
		case words[0].kind == tokenMark && len(open) > maxTokenDepth:
			p.tooDeep(f.Span(words[0].from, words[0].to))
			deeper = 1
		case words[0].kind == tokenMark:
			if n := p.add(in, p.node(f, Section, words)); n != nil {
				open = append(open, n)
			}
		default:
			p.setting(f, in, words)
		}
	}
	if len(open) > 1 {
		n := open[len(open)-1]
		p.r.report(odd(n.NameSpan, "the section is not closed", "close it with </"+printable([]byte(n.Name))+">"))
	}
}

// swallowed reports a line that belongs to the comment above it only because of a
// backslash there.
func (p *apache) swallowed(f *source.File, l apacheLine) {
	for rest := l.start; rest < l.end; {
		n := bytes.IndexByte(f.Text[rest:l.end], '\n')
		if n < 0 {
			n = l.end - rest
		}
		if t := trimmed(f.Text, rest, rest+n); t.start < t.end && t.text[0] != '#' {
			p.r.report(ambiguous(t.span(f), "a line below a comment that ends in a backslash",
				"to httpd it belongs to the comment and means nothing", "remove the backslash"))
			return
		}
		rest += n + 1
	}
}

// header reads the words between "<" and the last ">" of a line; the first one is
// marked as the name of a section.
func (p *apache) header(f *source.File, l apacheLine) []token {
	end := bytes.LastIndexByte(f.Text[l.start:l.end], '>')
	if end < 0 {
		p.r.report(odd(f.Span(l.start, l.end), "the \"<\" is not closed", "end the line with \">\""))
		end = l.end - l.start
	}
	words := p.split(f, l.start+1, l.start+end)
	if len(words) == 0 {
		p.r.report(broken(f.Span(l.start, l.end), "a section without a name", "write it as <Name>"))
		return nil
	}
	words[0].kind = tokenMark
	return words
}

// closed is what stays open behind a "</Name>".
func (p *apache) closed(f *source.File, l apacheLine, open []*Node) []*Node {
	name := trimmed(f.Text, l.start+2, l.end)
	if n := bytes.IndexByte(name.text, '>'); n >= 0 {
		name = trimmed(f.Text, name.start, name.start+n)
	}
	for i := len(open) - 1; i > 0; i-- {
		if !strings.EqualFold(open[i].Name, string(name.text)) {
			continue
		}
		if i < len(open)-1 {
			n := open[len(open)-1]
			p.r.report(odd(n.NameSpan, "the section is not closed", "close it with </"+printable([]byte(n.Name))+">"))
		}
		return open[:i]
	}
	p.r.report(broken(f.Span(l.start, l.end), "it closes a section that is not open", "remove it"))
	return open
}

func (p *apache) setting(f *source.File, in *Node, words []token) {
	n := p.node(f, Setting, words)
	switch strings.ToLower(n.Name) {
	case "include", "includeoptional":
		for _, a := range n.Args {
			p.included(f, in, a, len(n.Name) > len("include"), 0)
		}
		return
	case "serverroot":
		if path.IsAbs(n.Value) {
			p.root = n.Value
		}
	case "define":
		switch len(n.Args) {
		case 1:
			p.defined[n.Args[0].Text] = ""
		case 2:
			p.defined[n.Args[0].Text] = n.Args[1].Text
		}
	case "undefine":
		delete(p.defined, n.Value)
	}
	p.add(in, n)
}

// included reads what an include names below in: files, or all that is in a folder and
// in the folders of that.
func (p *apache) included(f *source.File, in *Node, arg Arg, optional bool, depth int) {
	name := arg.Text
	if !path.IsAbs(name) {
		name = path.Join(p.root, name)
	}
	if p.r.tree != nil && depth < maxDepth {
		if info, err := p.r.tree.Stat(name); err == nil && info.IsDir() {
			names, err := p.r.tree.List(name)
			if err != nil {
				p.r.missing(arg.Span, err)
			}
			for _, base := range names {
				if p.r.includes <= MaxIncludes {
					p.included(f, in, Arg{path.Join("/", name, base), arg.Span}, true, depth+1)
				}
			}
			return
		}
	}
	inc := Include{Base: p.root}
	if optional {
		inc.Need = NeedNothing
	}
	p.include(inc, f, arg, func(f *source.File) { p.file(f, in) })
}

// node is the node of a line with its variables replaced.
func (p *apache) node(f *source.File, kind Kind, words []token) *Node {
	n := directive(f, kind, words)
	n.Value = p.expand(n.Value)
	for i := range n.Args {
		n.Args[i].Text = p.expand(n.Args[i].Text)
	}
	return n
}

// expand replaces ${NAME} once. A value that would grow too much stays as it is.
func (p *apache) expand(s string) string {
	if len(p.defined) == 0 || !strings.Contains(s, "${") {
		return s
	}
	var b strings.Builder
	for rest := s; ; {
		before, after, found := strings.Cut(rest, "${")
		b.WriteString(before)
		name, tail, closed := strings.Cut(after, "}")
		if !found || !closed {
			b.WriteString(rest[len(before):])
			return b.String()
		}
		if value, ok := p.defined[name]; ok {
			b.WriteString(value)
		} else {
			b.WriteString("${" + name + "}")
		}
		if b.Len() > len(s)+maxTokenExpands {
			return s
		}
		rest = tail
	}
}

// split splits the bytes start to end of f into words.
func (p *apache) split(f *source.File, start, end int) (words []token) {
	text := f.Text[:end]
	for i := start; !p.done; {
		for i < end {
			if n := apacheJoint(text[i:]); n > 0 {
				i += n
			} else if blank(text[i]) {
				i++
			} else {
				break
			}
		}
		if i >= end {
			break
		}
		t := p.word(f, text, i)
		i = t.to
		words = p.keep(f, words, t)
	}
	return words
}

// apacheJoint is the length of the backslash and line end that text begins with, else 0.
func apacheJoint(text []byte) int {
	for _, end := range []string{"\\\n", "\\\r\n"} {
		if hasPrefix(text, end) {
			return len(end)
		}
	}
	return 0
}

// word reads the word that begins at i. In quotes a backslash protects the quote and
// itself, elsewhere itself.
func (p *apache) word(f *source.File, text []byte, i int) token {
	t := token{kind: tokenWord, from: i, start: i}
	var quote byte
	if text[i] == '"' || text[i] == '\'' {
		quote, t.kind = text[i], tokenString
		i++
		t.start = i
	}
	var out []byte
	for i < len(text) {
		c := text[i]
		if n := apacheJoint(text[i:]); n > 0 {
			i += n
			continue
		}
		if quote != 0 && c == quote || quote == 0 && blank(c) {
			break
		}
		if c == '\\' && i+1 < len(text) && (text[i+1] == '\\' || quote != 0 && text[i+1] == quote) {
			i++
			c = text[i]
		}
		out = append(out, c)
		i++
	}
	t.text, t.end, t.to = string(out), i, i
	if quote == 0 {
		return t
	}
	if i < len(text) {
		t.to++
	} else {
		p.r.report(odd(f.Span(t.from, i), "the quote is not closed", "close it on its line"))
	}
	return t
}
