package conf

import (
	"bytes"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// The configuration of Kamailio and OpenSIPS: a script whose global statements hold the
// facts, and whose route blocks hold the call logic. How it maps to nodes:
//
//   - name = value: a setting with Name as written ("listen", "pstn.gw_ip"). Args are the
//     words of the value, Value is the same joined by single blanks. A word is what stands
//     together without a blank: "udp:10.0.0.1:5060", a string, udp:IP:5060 with IP defined
//     as a string. A group in parentheses stays within its word, without the blanks beside
//     its commas: "udp:(a,b):5060". Commas and braces of a list separate words.
//   - modparam("mod", "name", value), loadmodule "x.so" and their kin: a setting with the
//     arguments as Args. Name is "modparam", "modparamx", "loadmodule" and so on.
//   - socket = { bind = … }: a section "socket" with the attributes as settings.
//   - route[X] { … } and every other block: skipped, whatever is in it.
//
// Statements may stand anywhere outside blocks, also behind them, and several on a line.
// A value ends with its line, except for lists of sockets, inside brackets and after a
// comma. The text of a word that a "#!define" replaces is the replacement; its span is
// the word.
//
// The grammar is that of src/core/cfg.lex, cfg.y and ppcfg.c in
// https://github.com/kamailio/kamailio (38711a3e78) and of cfg.lex and cfg.y in
// https://github.com/OpenSIPS/opensips (8f4f1e1b40). OpenSIPS only knows include_file and
// import_file, and is often given m4 as a preprocessor; such a file is reported as a
// template and not read.

// kamMaxWords is how many words of one value are kept without being counted as nodes.
const kamMaxWords = 8

// kamCalls are the statements that stand without "=", with their arguments in
// parentheses or behind them.
const kamCalls = " modparam modparamx loadmodule loadmodulex loadpath mpath cfgengine flags bool avpflags "

// kamLists are the settings whose value may run over several lines: lists of sockets,
// and OpenSIPS's scaling profiles, which are sentences.
const kamLists = " listen alias socket auto_scaling_profile "

// parseKamailio reads the configuration of Kamailio or OpenSIPS.
func parseKamailio(r *reader) *Node {
	root := &Node{Kind: Section}
	if at, found := kamM4(r.file); found {
		r.report(diag.Diagnostic{Rule: "template-value", Severity: diag.Warning, Span: at,
			Message: "the file is a template for m4: what it will be is not known", Label: "expanded by m4",
			Help: "check the file after m4 expanded it"})
		r.doc.Gaps = append(r.doc.Gaps, r.file.Span(0, 0))
		return root
	}
	p := &kamParser{r: r, scan: newKamScanner(r)}
	p.statements(root)
	p.scan.finish()
	return root
}

// kamM4 finds a line that only m4 understands. No statement of Kamailio or OpenSIPS
// begins with these words and a parenthesis.
func kamM4(f *source.File) (source.Span, bool) {
	for l := range lines(f) {
		i := bytes.IndexAny(l.text, "( `\t")
		if i < 0 {
			i = len(l.text)
		}
		word, call, quoted := string(l.text[:i]), i < len(l.text) && l.text[i] == '(', bytes.IndexByte(l.text, '`') >= 0
		switch word {
		case "dnl":
			return l.span(f), true
		case "divert", "changequote":
			if call {
				return l.span(f), true
			}
		case "define", "ifelse", "ifdef", "include", "sinclude", "undefine":
			if call && quoted {
				return l.span(f), true
			}
		}
	}
	return source.Span{}, false
}

type kamParser struct {
	r     *reader
	scan  *kamScanner
	ahead []kamToken // tokens seen but not taken
}

// peek is the token i places ahead, which is a small number.
func (p *kamParser) peek(i int) kamToken {
	for len(p.ahead) <= i {
		p.ahead = append(p.ahead, p.scan.next())
	}
	return p.ahead[i]
}

func (p *kamParser) take() kamToken {
	t := p.peek(0)
	p.ahead = append(p.ahead[:0], p.ahead[1:]...)
	return t
}

func kamIs(list, word string) bool { return strings.Contains(list, " "+word+" ") }

// statements reads to the end of the text.
func (p *kamParser) statements(root *Node) {
	for {
		t := p.peek(0)
		switch {
		case t.kind == kamEOF:
			return
		case t.kind == ';':
			p.take()
		case t.kind == '}':
			p.take()
			p.r.report(broken(t.span, "a \"}\" closes nothing", "remove it, or look for the \"{\" it belongs to"))
		case t.kind == kamOpaque && IsPlaceholder(t.text):
			p.take()
			p.scan.gap(t.span)
			p.r.report(kamTemplate(t.span))
		case t.kind != kamWord:
			p.junk(t.span, "the text is not the beginning of a statement")
		case p.r.full(t.span):
			return
		default:
			if n := p.statement(); n != nil {
				root.Children = append(root.Children, n)
			}
		}
	}
}

// statement reads one statement that begins with a word, nil when it is a block or means
// nothing.
func (p *kamParser) statement() *Node {
	if t := p.peek(0); kamIs(kamCalls, t.text) {
		n := &Node{Kind: Setting, Name: t.text, NameSpan: t.span}
		switch after := p.peek(1); {
		case after.kind == '(':
			p.take()
			p.arguments(n)
			return n
		case after.kind == kamString || after.kind == kamWord && !after.fresh:
			p.take()
			p.value(n, after.span)
			return n
		}
	}
	n := p.name()
	switch t := p.peek(0); {
	case t.kind == '=':
		p.take()
		if p.peek(0).kind == '{' {
			p.attributes(n)
		} else {
			p.value(n, t.span)
		}
		return n
	case t.kind == '{':
		p.block(n.NameSpan)
		return nil
	case t.kind == kamString && !t.fresh:
		p.value(n, t.span)
		return n
	case t.fresh || t.kind == kamEOF || t.kind == ';':
		p.r.report(broken(n.NameSpan, "the word is not a statement", "write it as name = value, or begin the line with \"#\""))
		return nil
	}
	p.junk(n.NameSpan, "the text is not a statement")
	return nil
}

// name reads "word", "group.word", "group[1].word" or "route[X]".
func (p *kamParser) name() *Node {
	t := p.take()
	var text strings.Builder
	text.WriteString(t.text)
	span := t.span
	add := func() {
		t := p.take()
		text.WriteString(t.text)
		span = kamJoin(span, t.span)
	}
	for {
		switch t, after := p.peek(0), p.peek(1); {
		case t.span.File != span.File: // an include stands between
			return &Node{Kind: Setting, Name: text.String(), NameSpan: span}
		case t.kind == '.' && after.kind == kamWord && !after.fresh:
			add()
			add()
		case t.kind == '[':
			for add(); p.peek(0).kind != ']'; add() {
				if t := p.peek(0); t.fresh || t.kind == kamEOF || t.kind == '{' {
					return &Node{Kind: Setting, Name: text.String(), NameSpan: span}
				}
			}
			add()
		default:
			return &Node{Kind: Setting, Name: text.String(), NameSpan: span}
		}
	}
}

// begins reports whether a statement begins with the next token.
func (p *kamParser) begins() bool {
	t := p.peek(0)
	if t.kind != kamWord {
		return false
	}
	if after := p.peek(1); kamIs(kamCalls, t.text) && (t.fresh || after.kind == '(' || after.kind == kamString) {
		return true
	}
	for i := 1; i < 12; i++ {
		switch k := p.peek(i); k.kind {
		case '=':
			return true
		case '{':
			return strings.HasSuffix(t.text, "route")
		case '[':
			if strings.HasSuffix(t.text, "route") {
				return true
			}
			if i += 2; p.peek(i).kind != ']' {
				return false
			}
		case '.', kamWord:
			if k.kind == p.peek(i-1).kind {
				return false
			}
		default:
			return false
		}
	}
	return false
}

// value reads the words behind "=" into n. Where is the token in front of them.
func (p *kamParser) value(n *Node, where source.Span) {
	w := kamWords{at: where.File.Span(where.End, where.End)}
	parens, braces, comma := 0, 0, false
loop:
	for {
		t := p.peek(0)
		switch {
		case t.kind == kamEOF || t.kind == ';' || t.span.File != where.File:
			break loop
		case t.fresh && p.begins():
			break loop
		case t.fresh && !w.empty() && parens+braces == 0 && !comma && !kamIs(kamLists, n.Name):
			break loop
		case parens+braces == 0 && !t.glued && p.begins():
			break loop
		case t.kind == '}' && braces == 0, t.kind == ')' && parens == 0:
			break loop
		case t.kind == '{':
			braces++
			w.flush()
		case t.kind == '}':
			braces--
			w.flush()
		case t.kind == ',' && parens == 0:
			w.flush()
		default:
			if t.kind == '(' {
				parens++
			}
			if !w.add(t, parens > 0) && len(w.list) >= kamMaxWords && p.r.full(t.span) {
				break loop
			}
			if t.kind == ')' {
				parens--
			}
		}
		comma = t.kind == ','
		p.take()
	}
	switch w.end(n); {
	case parens > 0 || braces > 0:
		p.r.report(broken(n.ValueSpan, "a bracket in the value is not closed", "close it"))
	case len(n.Args) == 0:
		p.r.report(broken(n.NameSpan, "the setting has no value", "write it as name = value, or begin the line with \"#\""))
	}
}

// arguments reads "(a, b, c)" into n. An argument that vanishes, as a word defined as
// nothing does, is kept as an empty one.
func (p *kamParser) arguments(n *Node) {
	open := p.take()
	w := kamWords{at: open.file(open.span.End), whole: true}
	closed := false
	for !closed {
		t := p.peek(0)
		if t.kind == kamEOF || t.span.File != open.span.File || t.fresh && p.begins() {
			p.r.report(broken(n.NameSpan, "the arguments are not closed", "close them with \")\""))
			break
		}
		p.take()
		switch {
		case t.kind == ',', t.kind == ')':
			closed = t.kind == ')'
			w.at = t.file(t.span.Start)
			w.flushEmpty()
		case !w.add(t, false) && len(w.list) >= kamMaxWords && p.r.full(t.span):
			closed = true
		}
	}
	w.end(n)
	if strings.HasPrefix(n.Name, "modparam") && len(n.Args) != 3 {
		p.r.report(broken(n.NameSpan, "modparam needs a module, a parameter and a value", "write it as modparam(\"module\", \"parameter\", value)"))
	}
}

// attributes reads "{ name = value; … }" and makes n a section.
func (p *kamParser) attributes(n *Node) {
	open := p.take()
	n.Kind = Section
	n.ValueSpan = open.file(open.span.End)
	for {
		t := p.peek(0)
		switch {
		case t.kind == kamEOF || t.span.File != open.span.File || t.fresh && strings.HasSuffix(t.text, "route") && p.begins():
			p.r.report(broken(n.NameSpan, "the block is not closed", "close it with \"}\""))
			return
		case t.kind == '}':
			p.take()
			return
		case t.kind == ';':
			p.take()
		case t.kind == kamWord && p.peek(1).kind == '=':
			if p.r.full(t.span) {
				return
			}
			p.take()
			c := &Node{Kind: Setting, Name: t.text, NameSpan: t.span}
			p.value(c, p.take().span)
			n.Children = append(n.Children, c)
		default:
			p.take()
			p.r.report(broken(t.span, "the text is not an attribute", "write it as name = value"))
		}
	}
}

// block skips "{ … }". What it skips is not part of the tree, but its preprocessor lines
// still are obeyed.
func (p *kamParser) block(name source.Span) {
	p.scan.body = true
	defer func() { p.scan.body = false }()
	for depth := 0; ; {
		switch p.take().kind {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return
			}
		case kamEOF:
			p.scan.gap(name)
			p.r.report(broken(name, "the block is not closed; what follows is not read", "close it with \"}\""))
			return
		}
	}
}

// junk reports the line from span as meaningless and skips it. A block in it is skipped
// as a whole.
func (p *kamParser) junk(span source.Span, what string) {
	for {
		t := p.peek(0)
		if t.kind == '{' {
			p.block(t.span)
		} else {
			p.take()
		}
		if t.span.File == span.File {
			span = kamJoin(span, t.span)
		}
		if t = p.peek(0); t.fresh || t.kind == kamEOF || t.kind == ';' {
			break
		}
	}
	p.r.report(broken(span, what, "write it as name = value, or begin the line with \"#\""))
}

// kamWords collects tokens into words.
type kamWords struct {
	at    source.Span // where a value would be when there is none
	whole bool        // blanks do not end a word: the items of an argument list
	list  []Arg
	text  []byte
	last  kamToken
	// The word that is being built: as written, and without its quotes.
	written, inner source.Span
	open           bool
	first          source.Span // as written, of the first word
}

func (w *kamWords) empty() bool { return len(w.list) == 0 && !w.open }

// add puts t into the current word, or begins one and reports false. Inside parentheses
// only a comma or a parenthesis may do without a blank in front of it.
func (w *kamWords) add(t kamToken, inside bool) bool {
	tie := t.glued
	if w.open && !t.glued {
		switch {
		case inside && len(w.text) > 0:
			tie = true
			if strings.IndexByte("(,", w.text[len(w.text)-1]) < 0 && t.kind != ',' && t.kind != ')' {
				w.text = append(w.text, ' ')
			}
		case t.kind == ':', w.last.kind == ':' && !bytes.HasSuffix(w.text, []byte("::")): // "udp : eth0 : 5060" is one socket
			tie = true
		case w.whole:
			tie = true
			w.text = append(w.text, ' ')
		}
	}
	if w.open && !tie {
		w.flush()
	}
	joined := w.open
	if joined {
		w.written = kamJoin(w.written, t.span)
		w.inner = w.written
	} else {
		w.open, w.written, w.inner = true, t.span, t.inner
	}
	w.text = append(w.text, t.text...)
	w.last = t
	return joined
}

// flush ends the current word, if there is one.
func (w *kamWords) flush() {
	if !w.open {
		return
	}
	if len(w.list) == 0 {
		w.first = w.written
	}
	w.list = append(w.list, Arg{string(w.text), w.inner})
	w.text, w.open = w.text[:0], false
}

// flushEmpty ends the current word, which may be one without any text.
func (w *kamWords) flushEmpty() {
	if !w.open {
		w.open, w.written, w.inner = true, w.at, w.at
	}
	w.flush()
}

// end puts the words into n.
func (w *kamWords) end(n *Node) {
	w.flush()
	n.Args, n.ValueSpan = w.list, w.at
	switch len(w.list) {
	case 0:
	case 1:
		n.Value, n.ValueSpan = w.list[0].Text, w.list[0].Span
	default:
		words := make([]string, len(w.list))
		for i, a := range w.list {
			words[i] = a.Text
		}
		n.Value, n.ValueSpan = strings.Join(words, " "), kamJoin(w.first, w.written)
	}
}

// kamJoin is the place from a to b, which are in the same file.
func kamJoin(a, b source.Span) source.Span {
	return a.File.Span(min(a.Start, b.Start), max(a.End, b.End))
}
