package conf

import (
	"bytes"
	"fmt"
	"iter"
	"path"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// Asterisk's configuration files, as https://github.com/asterisk/asterisk, main/config.c
// reads them:
//
//   - "[name]" is a section of the root. The same name again is another section, in the
//     order of the file; a lookup takes them together. "[name](a,b)" inherits: the
//     children of a and of b, with the places where they are written, come before its
//     own, so that the last value wins. Value and Args of a section are what stands
//     between the parentheses. "[name](+)" is no section: what follows is added to the
//     first section of that name.
//   - A template, "[name](!)", is not in the tree: Asterisk does not see it either. What
//     it says is in the sections that inherit it.
//   - "key = value" and "key => value" are settings; "key += value" has Append, and its
//     value is only what it adds. Quotes are data, "\;" is ";".
//   - "#include" and "#tryinclude" put files in their place: wildcards are allowed, and
//     relative names start in the folder of the file that Asterisk opened, which is its
//     configuration folder. A file goes on with the section that is open where it is
//     included. "#exec" is never run: what it prints is a gap.
func parseAsterisk(r *reader) *Node {
	a := &asterisk{r: r, root: &Node{Kind: Section}, first: map[string]*Node{}, visible: map[string]*Node{}}
	a.include.r = r
	a.file(r.file, 0)
	return a.root
}

// Limits of Asterisk's own reader.
const (
	asteriskLine = 8190 // bytes; a line of that many or more is skipped
	asteriskNest = 128  // block comments within each other
)

type asterisk struct {
	r       *reader
	root    *Node
	include includer
	first   map[string]*Node // the first section of each name in lower case, templates included
	visible map[string]*Node // the same without templates
	current *Node            // where an included file goes on, nil before any section
}

// file reads f, which continues the section that is open.
func (a *asterisk) file(f *source.File, depth int) {
	r, section := a.r, a.current
	for l := range a.lines(f) {
		at := l.span(0, len(l.text))
		if r.full(at) {
			return
		}
		switch l.text[0] {
		case '[':
			section = a.header(l)
			a.current = section
		case '#':
			a.directive(f, l, depth)
		default:
			n := a.setting(l, at)
			if n == nil {
				continue
			}
			if section == nil {
				section = a.root
				r.report(broken(at, "the setting stands before the first section; asterisk refuses the file", "put it below the [section] that it belongs to"))
			}
			section.Children = append(section.Children, n)
		}
	}
}

// header reads "[name](options)". What is broken begins a section that is in no tree.
func (a *asterisk) header(l logical) *Node {
	r, lost := a.r, &Node{Kind: Section}
	end := bytes.IndexByte(l.text, ']')
	if end < 0 {
		r.report(broken(l.span(0, len(l.text)), "the section name is not closed; asterisk refuses the file", "write it as ["+printable(l.text[1:])+"]"))
		return lost
	}
	node := &Node{Kind: Section, Name: string(l.text[1:end]), NameSpan: l.span(1, end)}
	rest, template, appends := end+1, false, false
	if rest < len(l.text) && l.text[rest] == '(' {
		n := bytes.IndexByte(l.text[rest:], ')')
		if n < 0 {
			r.report(broken(l.span(rest, len(l.text)), "the options of the section are not closed; asterisk refuses the file", "close them with )"))
			return lost
		}
		node.Value, node.ValueSpan = string(l.text[rest+1:rest+n]), l.span(rest+1, rest+n)
		from := rest + 1
		for word := range bytes.SplitSeq(l.text[from:rest+n], []byte(",")) {
			if len(node.Args) >= MaxNodes {
				break
			}
			node.Args = append(node.Args, Arg{string(word), l.span(from, from+len(word))})
			from += len(word) + 1
		}
		rest += n + 1
	}
	if from, to := l.trim(rest, len(l.text)); from < to {
		r.report(ambiguous(l.span(from, to), "text behind a section name", "asterisk ignores it; options count only directly behind the name",
			"write it without a blank as [name](options), or remove it"))
	}
	name := strings.ToLower(node.Name)
	for _, arg := range node.Args {
		switch {
		case arg.Text == "!":
			template = true
		case strings.HasPrefix(arg.Text, "+"):
			appends = true
		default:
			a.inherit(node, arg)
		}
	}
	if appends {
		known := a.visible[name]
		if strings.Contains(strings.ToLower(node.Value), "templates=") {
			known = a.first[name]
		}
		if known != nil {
			known.Children = append(known.Children, node.Children...)
			return known
		}
		a.unknown(node.NameSpan, "to add to")
	}
	if a.first[name] == nil {
		a.first[name] = node
	}
	if !template {
		if a.visible[name] == nil {
			a.visible[name] = node
		}
		a.root.Children = append(a.root.Children, node)
	}
	return node
}

// inherit puts what the section that arg names says so far in front of node's own.
func (a *asterisk) inherit(node *Node, arg Arg) {
	base := a.first[strings.ToLower(arg.Text)]
	if base == nil {
		a.unknown(arg.Span, "to inherit from")
		return
	}
	for _, c := range base.Children {
		if a.r.full(arg.Span) { // templates that inherit twice from each other grow fast
			return
		}
		node.Children = append(node.Children, c)
	}
}

// unknown reports a section that is named but was not seen, unless it may be in a file
// that was not read.
func (a *asterisk) unknown(at source.Span, what string) {
	if len(a.r.doc.Gaps) == 0 {
		a.r.report(broken(at, "no section of that name stands above "+what+"; asterisk refuses the file", "define the section before it is used"))
	}
}

// setting reads "key = value", nil when it is broken.
func (a *asterisk) setting(l logical, at source.Span) *Node {
	from := 0
	if l.text[0] == '\\' {
		from = 1 // lets a name begin with "[", "#" or "="
	}
	eq := bytes.IndexByte(l.text[min(2*from, len(l.text)):], '=') + 2*from
	if eq < 2*from {
		a.r.report(broken(at, "the line is neither a section, nor a setting, nor a comment", "write it as key = value, or begin it with \";\""))
		return nil
	}
	end, value := eq, eq+1
	adds := eq > 2*from && l.text[eq-1] == '+'
	if adds {
		end--
	} else if value < len(l.text) && l.text[value] == '>' {
		value++
	}
	ks, ke := l.trim(from, end)
	if ks == ke {
		a.r.report(broken(at, "the line has a value but no key", "write it as key = value, or begin it with \";\""))
		return nil
	}
	vs, ve := l.trim(value, len(l.text))
	return &Node{Kind: Setting, Name: string(l.text[ks:ke]), Value: string(l.text[vs:ve]), Append: adds,
		NameSpan: l.span(ks, ke), ValueSpan: l.span(vs, ve)}
}

// directive reads "#include" and its kin.
func (a *asterisk) directive(f *source.File, l logical, depth int) {
	r, end := a.r, bytes.IndexAny(l.text, blanks)
	if end < 0 {
		end = len(l.text)
	}
	from, to := l.trim(end, len(l.text))
	if c := l.text[len(l.text)-1]; to-from > 1 && (l.text[from] == '"' && c == '"' || l.text[from] == '<' && c == '>') {
		from, to = from+1, to-1
	}
	arg := Arg{string(l.text[from:to]), l.span(from, to)}
	inc := Include{Base: path.Dir(r.file.Path), Need: NeedMatch}
	switch word := strings.ToLower(string(l.text[1:end])); {
	case word != "include" && word != "tryinclude" && word != "exec":
		r.report(broken(l.span(0, end), "asterisk knows no directive of this name", "begin comments with \";\""))
		return
	case from == to:
		r.report(broken(l.span(0, end), "the directive needs a file", "name the file behind it"))
		return
	case word == "exec":
		r.doc.Gaps = append(r.doc.Gaps, arg.Span)
		r.report(diag.Diagnostic{Rule: "unreadable-file", Severity: diag.Warning, Span: arg.Span,
			Message: "the settings are printed by a program, which is not run", Label: "settings from here are not known",
			Help: "include a file instead"})
		return
	case word == "tryinclude":
		inc.Need = NeedNothing
	}
	a.include.files(inc, f, arg, depth, func(f *source.File) { a.file(f, depth+1) })
}

// lines yields the lines of f that are left without comments. The counting of block
// comments is that of Asterisk: a "--;" that closes nothing makes a comment of what
// follows, up to the next ";--".
func (a *asterisk) lines(f *source.File) iter.Seq[logical] {
	return func(yield func(logical) bool) {
		nest, opened := 0, source.Span{}
		for raw := range lines(f) {
			if len(raw.text) >= asteriskLine {
				a.r.report(broken(f.Span(raw.start, raw.start+60), fmt.Sprintf("the line has %d bytes or more; asterisk skips it", asteriskLine), "break it into several settings"))
				continue
			}
			l := logical{file: f}
			keep := func(from, to int) {
				if from < to {
					l.pieces = append(l.pieces, piece{len(l.text), raw.start + from})
					l.text = append(l.text, raw.text[from:to]...)
				}
			}
			from, pos := 0, 0 // what stands behind from and is no comment is kept
			t := raw.text
			for pos < len(t) {
				i := bytes.IndexByte(t[pos:], ';')
				if i < 0 {
					break
				}
				p := pos + i
				pos = p + 1
				switch {
				case i > 0 && t[p-1] == '\\':
					if nest == 0 {
						keep(from, p-1)
						from = p
					}
				case bytes.HasPrefix(t[p:], []byte(";--")) && !bytes.HasPrefix(t[p:], []byte(";---")) && nest < asteriskNest:
					switch nest {
					case -1:
						from = len(t) // the line stays a comment
					case 0:
						keep(from, p)
						opened = f.Span(raw.start+p, raw.start+p+3)
					}
					nest++
					pos = p + 3
				case i >= 2 && t[p-1] == '-' && t[p-2] == '-':
					if nest--; nest == 0 {
						from = p + 1
					} else if nest == -1 {
						keep(from, len(t)) // the line itself is not cut
						from = len(t)
						a.r.report(broken(f.Span(raw.start+p-2, raw.start+p+1), "\"--;\" closes no block comment; asterisk ignores the lines behind it, up to the next \";--\"", "write \";--\" in front of the comment, or remove it"))
					}
				case nest == 0:
					keep(from, p)
					from, pos = len(t), len(t)
				}
			}
			if nest == 0 {
				keep(from, len(t))
			}
			if from, to := l.trim(0, len(l.text)); from < to {
				if l.cut(from, to); !yield(l) {
					return
				}
			}
		}
		if nest > 0 {
			a.r.report(broken(opened, "the block comment is not closed; asterisk ignores what follows", "close it with \"--;\""))
		}
	}
}
