package conf

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// FreeSWITCH's configuration: a preprocessor that knows lines, then XML. What it does is
// written in preprocess() and expand_vars() of
// https://github.com/signalwire/freeswitch/blob/master/src/switch_xml.c and is followed
// here line by line:
//
//   - $${name} is replaced by the variable, everywhere; by nothing when it is not set.
//   - A line with <include>, </include> or <? is dropped whole.
//   - <X-PRE-PROCESS cmd="set" data="name=value"/> sets a variable; "include" puts files
//     in its place, relative to the folder of the file. The rest of its line is dropped.
//     It works inside of comments too, because the preprocessor does not know them.
//   - <!--#set "name=value"--> and <!--#include "file"--> are the older form.
//
// The nodes are those of XML. Each span is a place in the file that was written, included
// or not. Where a value came out of a variable, its span is that of $${name}.
//
// What is not known stays as written, $${name}, so that nobody takes it for a value:
// variables set by exec-set, stun-set and env-set, those that FreeSWITCH finds out about
// its host, and, when the file is not the whole configuration, all that it does not set
// itself. The host's own addresses are called by their variables, "local_ip_v4" and
// "local_ip_v6": the port beside them is known.
//
// Sections other than "configuration" open no ports. Their includes are not followed and
// their content is not kept, because a dialplan is larger than all the rest.

// fsPreprocessor is the state of one run over a file and what it includes.
type fsPreprocessor struct {
	r         *reader
	run       *xmlRun
	within    int // files around the one that is read
	out       fsText
	variables map[string]string // by name in lower case
	partial   bool              // variables may be set in files that are not here
	skipping  bool              // in a section without ports
	comment   bool              // the text so far ends in a comment
}

// parseFreeswitch reads freeswitch.xml or one of the files that it includes.
func parseFreeswitch(r *reader) *Node {
	p := &fsPreprocessor{r: r, run: &xmlRun{r: r, files: includer{r: r}, left: xmlBytes - len(r.file.Text)}, variables: fsVariables()}
	whole := bytes.Contains(r.file.Text, []byte("<document"))
	p.partial = !whole
	if whole && r.tree != nil { // freeswitch.xml lies in conf_dir by definition
		p.variables["conf_dir"] = path.Dir("/" + r.file.Path)
	}
	p.file(r.file)

	root := &Node{Kind: Section}
	s := &xmlScanner{r: r, text: p.out.bytes, place: p.place, alone: whole}
	s.skip = func(n *Node, depth int) bool {
		return depth == 2 && n.Name == "section" && slices.ContainsFunc(n.Children, func(a *Node) bool {
			return a.Name == "@name" && fsWithoutPorts(a.Value)
		})
	}
	s.run(root)
	return root
}

// fsVariables are the variables that FreeSWITCH sets from its host and its build: the
// calls of switch_core_set_variable() in src/switch_core.c, and conf/vanilla/vars.xml.
func fsVariables() map[string]string {
	m := map[string]string{"local_ip_v4": "local_ip_v4", "local_ip_v6": "local_ip_v6"}
	for _, name := range [...]string{"hostname", "local_mask_v4", "switch_serial", "base_dir", "recordings_dir", "sound_prefix", "sounds_dir",
		"conf_dir", "log_dir", "run_dir", "db_dir", "mod_dir", "htdocs_dir", "script_dir", "temp_dir", "grammar_dir", "fonts_dir", "images_dir",
		"certs_dir", "storage_dir", "cache_dir", "data_dir", "localstate_dir", "core_uuid", "nat_public_addr", "nat_private_addr", "nat_type"} {
		m[name] = fsUnknown(name)
	}
	return m
}

// fsUnknown is the text for a variable whose value is not known: a placeholder.
func fsUnknown(name string) string { return "$${" + name + "}" }

// fsWithoutPorts reports whether a section of this name says nothing about ports; see
// SECTIONS in switch_xml.c.
func fsWithoutPorts(section string) bool {
	return slices.Contains([]string{"dialplan", "chatplan", "directory", "languages", "phrases"}, section)
}

// file runs over the lines of f.
func (p *fsPreprocessor) file(f *source.File) {
	directive := false // in a <!--#comment that ends on a later line
	for start := 0; start < len(f.Text); {
		end := len(f.Text)
		if i := bytes.IndexByte(f.Text[start:], '\n'); i >= 0 {
			end = start + i + 1
		}
		line, raw := p.expand(f, start, end)
		if f == p.r.file {
			p.section(line.bytes)
		}
		switch {
		case bytes.Contains(raw, []byte("<include>")) || bytes.Contains(raw, []byte("</include>")) || bytes.Contains(raw, []byte("<?")):
			if !directive && !p.comment || bytes.Contains(raw, []byte("-->")) {
				p.dropped(f, start, raw)
			}
		case directive && !bytes.Contains(raw, []byte("-->")):
		default:
			if directive { // the rest of the line is taken before variables are replaced
				i := bytes.Index(raw, []byte("-->")) + 3
				line = fsText{raw[i:], []fsPiece{{file: f, from: start + i, to: start + len(raw), literal: true}}}
			}
			directive = p.line(f, line)
		}
		start = end
	}
}

// section notes where sections without ports begin and end. When in doubt it is not in
// one: the scanner leaves them out once more.
func (p *fsPreprocessor) section(line []byte) {
	if p.comment || bytes.Contains(line, []byte("<!--")) {
		return
	}
	if bytes.Contains(line, []byte("</section>")) {
		p.skipping = false
	}
	if _, rest, ok := bytes.Cut(line, []byte("<section")); ok {
		if _, value, ok := bytes.Cut(rest, []byte(`name="`)); ok {
			name, _, _ := bytes.Cut(value, []byte(`"`))
			p.skipping = fsWithoutPorts(string(name))
		}
	}
}

// dropped reports what else stands on a line that is dropped for its <include> or <?.
func (p *fsPreprocessor) dropped(f *source.File, start int, raw []byte) {
	rest := string(raw)
	for _, known := range [...][2]string{{"<include>", ""}, {"</include>", ""}, {"<?", "?>"}, {"<!--", "-->"}} {
		var kept strings.Builder
		for found := true; found; {
			var before string
			before, rest, found = strings.Cut(rest, known[0])
			kept.WriteString(before)
			_, rest, _ = strings.Cut(rest, known[1])
		}
		rest = kept.String()
	}
	if strings.TrimSpace(rest) != "" {
		p.r.report(broken(trimmed(f.Text, start, start+len(raw)).span(f), "FreeSWITCH drops each line that has <include>, </include> or <? in it, whole",
			"write what else is on it on a line of its own"))
	}
}

// expand replaces the variables in the line from start to end of f. Beside the text it
// returns the line as FreeSWITCH sees it afterwards where it looks at the original: up to
// the "}" of the first variable, which it has overwritten.
func (p *fsPreprocessor) expand(f *source.File, start, end int) (line fsText, raw []byte) {
	text := f.Text[start:end]
	raw = text
	line = fsText{text, []fsPiece{{file: f, from: start, to: end, literal: true}}}
	done := 0
	for pos, unterminated := 0, 0; unterminated < 10; {
		open := bytes.Index(text[pos:], []byte("$${"))
		if open < 0 {
			break
		}
		open += pos
		length := fsParen(text[open+2:])
		if length < 0 {
			p.r.report(broken(f.Span(start+open, start+open+3), "a variable that does not end on its line", "end it with }"))
			pos = open + 3
			unterminated++ // each looks at the rest of the line
			continue
		}
		closing := open + 2 + length
		if done == 0 {
			raw = text[:closing]
			line = fsText{}
		}
		if open > done {
			line.write(fsText{text[done:open], []fsPiece{{file: f, from: start + done, to: start + open, literal: true}}}, 0, open-done)
		}
		value := p.value(string(text[open+3:closing]), f.Span(start+open, start+closing+1))
		line.write(fsText{[]byte(value), []fsPiece{{file: f, from: start + open, to: start + closing + 1}}}, 0, len(value))
		pos, done = closing+1, closing+1
	}
	if done > 0 && done < len(text) {
		line.write(fsText{text[done:], []fsPiece{{file: f, from: start + done, to: end, literal: true}}}, 0, len(text)-done)
	}
	return line, raw
}

// fsParen is where the "}" stands that belongs to the "{" at the beginning of text, -1
// without one.
func fsParen(text []byte) int {
	depth := 0
	for i, c := range text {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// value is what stands for a variable.
func (p *fsPreprocessor) value(name string, at source.Span) string {
	value, ok := p.variables[strings.ToLower(name)]
	if !ok && p.partial {
		value = fsUnknown(name)
	}
	const overhead = 64 // of a piece, so that empty ones are not free
	if !p.run.take(len(value)+overhead, at) {
		return fsUnknown(name)
	}
	return value
}

// place is where the text from start to end of the output was written.
func (p *fsPreprocessor) place(start, end int) source.Span {
	if len(p.out.pieces) == 0 {
		return p.r.file.Span(0, 0)
	}
	return p.out.place(start, end)
}

// write adds a part of a line to the output.
func (p *fsPreprocessor) write(line fsText, start, end int) {
	p.out.write(line, start, end)
	for text := line.bytes[start:end]; ; {
		mark := "<!--"
		if p.comment {
			mark = "-->"
		}
		_, after, ok := bytes.Cut(text, []byte(mark))
		if !ok {
			return
		}
		p.comment = !p.comment
		text = after
	}
}

// line runs one line after its variables have been replaced, and reports whether it
// begins a directive that ends on a later one.
func (p *fsPreprocessor) line(f *source.File, line fsText) (directive bool) {
	text := line.bytes
	if i := fsFold(text, 0, "x-pre-process"); i >= 0 {
		if i > 0 && text[i-1] == '<' { // otherwise the line is dropped: words about the directive, not one
			p.preprocess(f, line, i-1)
		}
		return false
	}
	open := bytes.Index(text, []byte("<!--#"))
	if open < 0 {
		p.write(line, 0, len(text))
		return false
	}
	p.write(line, 0, open)
	stop := len(text)
	if i := bytes.Index(text[open:], []byte("-->")); i >= 0 {
		stop = open + i
		p.write(line, stop+3, len(text)) // in front of what is included, as FreeSWITCH has it
	} else {
		directive = true
	}
	name, argument, found := bytes.Cut(bytes.TrimRight(text[open+5:stop], "\r\n"), []byte(" "))
	if !found {
		return directive
	}
	from := open + 5 + len(name) + 1
	to := from + len(argument)
	if q := bytes.IndexByte(argument, '"'); q >= 0 {
		if qq := bytes.IndexByte(argument[q+1:], '"'); qq >= 0 {
			from, to = from+q+1, from+q+1+qq
		}
	}
	switch command := strings.ToLower(string(name)); command {
	case "set", "exec-set", "stun-set", "include", "exec": // every other word begins a comment
		p.command(f, command, line, from, to)
	}
	return directive
}

// preprocess runs the <X-PRE-PROCESS at start of the line. It is found by words, not by
// the rules of XML: cmd="..." and then data="...", in double quotes, on one line.
func (p *fsPreprocessor) preprocess(f *source.File, line fsText, start int) {
	text := line.bytes
	tag := len(bytes.TrimRight(text, "\r\n"))
	if i := bytes.Index(text[start:], []byte("/>")); i >= 0 {
		tag = start + i + 2
	}
	at := line.place(start, tag)
	before, after := strings.TrimSpace(string(text[:start])), strings.TrimSpace(string(text[tag:]))
	cmd, cmdEnd, ok1 := fsQuoted(text[:tag], start, "cmd")
	from, to, ok2 := fsQuoted(text[:tag], cmdEnd+1, "data")
	switch {
	case !ok1 || !ok2:
		p.r.report(broken(at, "a preprocessor line that does nothing", `write it on one line as <X-PRE-PROCESS cmd="..." data="..."/>, with double quotes`))
		return
	case p.comment || strings.HasPrefix(before, "<!--"):
		p.r.report(ambiguous(at, "X-PRE-PROCESS inside a comment",
			"FreeSWITCH runs it all the same, because its preprocessor does not know comments", "remove the line, or rename the tag to X-NO-PRE-PROCESS"))
	case before != "" || after != "" && !strings.HasPrefix(after, "<!--"):
		p.r.report(broken(at, "FreeSWITCH drops what else is on the line of an X-PRE-PROCESS", "put the tag on a line of its own"))
	}
	p.command(f, strings.ToLower(string(text[cmd:cmdEnd])), line, from, to)
}

// fsQuoted is the text in double quotes behind a word and "=".
func fsQuoted(text []byte, pos int, word string) (from, to int, ok bool) {
	if pos = fsFold(text, min(pos, len(text)), word); pos < 0 {
		return 0, 0, false
	}
	for _, c := range []byte{'=', '"'} {
		i := bytes.IndexByte(text[pos:], c)
		if i < 0 {
			return 0, 0, false
		}
		pos += i + 1
	}
	i := bytes.IndexByte(text[pos:], '"')
	return pos, pos + i, i >= 0
}

// fsFold is where a word of ASCII letters stands in text at or behind pos, in any case;
// -1 when it does not.
func fsFold(text []byte, pos int, word string) int {
	for ; pos+len(word) <= len(text); pos++ {
		if text[pos]|0x20 == word[0] && strings.EqualFold(string(text[pos:pos+len(word)]), word) {
			return pos
		}
	}
	return -1
}

// command runs one command; its data is the line from "from" to "to".
func (p *fsPreprocessor) command(f *source.File, command string, line fsText, from, to int) {
	at := line.place(from, to)
	data := string(line.bytes[from:to])
	switch command {
	case "set", "exec-set", "stun-set", "env-set":
		name, value, ok := strings.Cut(data, "=")
		name, value = strings.TrimRight(name, " "), strings.TrimLeft(value, " ")
		if !ok {
			p.r.report(broken(at, "a variable is set without a value", "write it as name=value"))
			return
		}
		if command != "set" {
			value = fsUnknown(name)
		}
		p.variables[strings.ToLower(name)] = value
	case "include":
		if !p.skipping {
			p.include(f, data, at)
		}
	case "exec":
		p.r.doc.Gaps = append(p.r.doc.Gaps, at)
		p.partial = true
		p.r.report(diag.Diagnostic{Rule: "unreadable-file", Severity: diag.Info, Span: at,
			Message: "a command writes a part of the configuration, and it is not run here", Label: "what it writes is not known",
			Help: "write the configuration into a file, and include that"})
	default:
		p.r.report(broken(at, "FreeSWITCH's preprocessor has no command "+printable([]byte(command)), "use set or include"))
	}
}

// include runs over the files that match pattern. One that does not exist is no gap, for
// FreeSWITCH goes on without it too.
func (p *fsPreprocessor) include(f *source.File, pattern string, at source.Span) {
	gaps, found := len(p.r.doc.Gaps), false
	if IsPlaceholder(pattern) {
		p.r.doc.Gaps = append(p.r.doc.Gaps, at)
	} else {
		p.run.files.files(Include{Need: NeedNothing}, f, Arg{pattern, at}, p.within, func(g *source.File) {
			found = true
			if p.run.take(len(g.Text), at) {
				p.within++
				p.file(g)
				p.within--
			}
		})
	}
	if len(p.r.doc.Gaps) > gaps {
		p.partial = true
	} else if !found && !strings.ContainsAny(pattern, "*?[") {
		p.r.report(diag.Diagnostic{Rule: "unreadable-file", Severity: diag.Info, Span: at,
			Message: "an included file does not exist", Label: "FreeSWITCH goes on without it", Help: "put the file there, or remove the include"})
	}
}
