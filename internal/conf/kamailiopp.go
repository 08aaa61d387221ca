package conf

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// Limits of the preprocessor. Kamailio itself allows 512 defines and 10 files within
// files; real values are some dozen bytes.
const (
	kamMaxExpanded = 1 << 20 // bytes that defined words become in one document
	kamMaxWork     = 1 << 24 // steps that all substitutions together may take
	kamMaxPattern  = 256     // bytes of the pattern of one substitution
	kamMaxString   = 1 << 12 // bytes of a string that substitutions look at, and make
	kamMaxFound    = 100     // replacements of one substitution in one string
)

// kamPreprocessor is what the lines that begin with "#!" have said so far. Words defined
// on Kamailio's command line are not known here.
type kamPreprocessor struct {
	defines  map[string]kamDefine
	substs   []kamSubst
	conds    []kamCond
	off      []bool // for each condition: it or one around it does not hold
	expanded int    // bytes
	work     int    // steps
	stopped  bool   // a limit of the preprocessor was reported
	loading  bool   // the next string names a module
	unknown  bool   // the word just read is defined, as what is not known
}

// A kamDefine is what a word stands for.
type kamDefine struct {
	value   string
	unknown bool // it comes from the environment, or from an expression
}

// A kamCond is an open #!ifdef.
type kamCond struct {
	at    source.Span
	holds kamTruth
}

type kamTruth uint8

const (
	kamNo kamTruth = iota
	kamYes
	kamUnknown // neither branch is read
)

// A kamSubst replaces text in strings.
type kamSubst struct {
	literal string         // the text to replace, when it is no pattern
	pattern *regexp.Regexp // else
	repl    []kamRepl
	all     bool // every occurrence, not only the first
}

// A kamRepl is a piece of a replacement: text, or what the pattern's group matched.
type kamRepl struct {
	text  string
	group int // -1 for text
}

// gap remembers a place where something is missing.
func (s *kamScanner) gap(at source.Span) {
	if len(s.r.doc.Gaps) < MaxNodes {
		s.r.doc.Gaps = append(s.r.doc.Gaps, at)
	}
}

func kamTemplate(at source.Span) diag.Diagnostic {
	return diag.Diagnostic{Rule: "template-value", Severity: diag.Warning, Span: at,
		Message: "the file is still a template: what the line will be is not known", Label: "for a template engine",
		Help: "lint the file that the template produces"}
}

// stop reports, once, that a limit of the preprocessor was reached.
func (s *kamScanner) stop(at source.Span) {
	if s.stopped {
		return
	}
	s.stopped = true
	s.gap(at)
	s.r.report(broken(at, "defined words and substitutions make too much text; they are not followed from here", "look for words that are defined by each other"))
}

// directive reads a preprocessor line at the beginning of the rest of in. It reports
// false, and has read nothing, when there is none: then "#" begins a comment. What
// Kamailio takes for a comment is one here too: "##!define", "#!endif # done".
func (s *kamScanner) directive(in *kamInput) bool {
	rest := in.text[in.pos:]
	if !in.at.IsZero() || len(rest) < 3 || rest[1] != '!' {
		return false
	}
	n := 2
	for n < len(rest) && (rest[n] >= 'a' && rest[n] <= 'z' || rest[n] == '_') {
		n++
	}
	word := string(rest[2:n])
	at := in.span(in.pos, in.pos+n)
	blanks := n < len(rest) && blank(rest[n])
	switch word {
	case "include_file", "import_file":
		in.pos += 2 // the word itself does the rest
		return true
	case "ifdef", "ifndef", "ifexp":
		if !blanks {
			return false
		}
		line := kamLine(rest)
		s.condition(word, trimmed(in.text, in.pos+n, in.pos+len(line)), at)
		in.pos += len(line)
		return true
	case "else", "endif":
		if !kamLineIsOver(rest[n:]) {
			s.tail(word, at)
			return false
		}
		s.endBranch(word, at)
		in.pos += n
		return true
	case "subst", "substdef", "substdefs":
		in.pos += n
		for in.pos < len(in.text) && blank(in.text[in.pos]) {
			in.pos++
		}
		if in.pos == len(in.text) || in.text[in.pos] != '"' && in.text[in.pos] != '\'' {
			s.r.report(broken(at, "the substitution has no text in quotes", "write it as #!"+word+" \"/from/to/\""))
			return true
		}
		body := s.body
		s.body = false
		text, span := s.str(in, in.text[in.pos])
		s.body = body
		s.addSubst(word, text, span)
		return true
	case "define", "def", "trydef", "trydefine", "redef", "redefine", "defexp", "defexps",
		"defenv", "defenvs", "trydefenv", "trydefenvs", "undef", "undefine", "tryundef", "tryundefine":
		if !blanks {
			return false
		}
		in.pos += n
		s.define(in, word, at)
		return true
	}
	return false
}

// skipRegion skips text whose condition does not hold, up to the next line that may
// change that. Comments and strings mean nothing here: "# #!endif" ends a region.
func (s *kamScanner) skipRegion(in *kamInput) {
	s.glued, s.fresh = false, true
	for {
		i := bytes.IndexByte(in.text[in.pos:], '!')
		if i < 0 {
			in.pos = len(in.text)
			return
		}
		in.pos += i + 1
		if in.pos < 2 || in.text[in.pos-2] != '#' && in.text[in.pos-2] != '!' {
			continue
		}
		rest := in.text[in.pos:]
		n := 0
		for n < len(rest) && kamAlnum(rest[n]) {
			n++
		}
		at := in.span(in.pos-2, in.pos+n)
		switch word := string(rest[:n]); word {
		case "ifdef", "ifndef", "ifexp":
			if n < len(rest) && blank(rest[n]) {
				s.conds = append(s.conds, kamCond{at, kamNo})
				s.off = append(s.off, true)
			}
		case "else", "endif":
			if !kamLineIsOver(rest[n:]) {
				s.tail(word, at)
				continue
			}
			s.endBranch(word, at)
			in.pos += n
			return
		}
	}
}

// kamLineIsOver reports whether nothing but blanks stands in front of the next line end.
func kamLineIsOver(text []byte) bool {
	for _, c := range text {
		if !blank(c) {
			return c == '\n'
		}
	}
	return true
}

// tail reports text behind #!else or #!endif.
func (s *kamScanner) tail(word string, at source.Span) {
	s.r.report(broken(at, "text behind #!"+word+" makes it a comment to Kamailio", "put the text on a line of its own"))
}

// condition opens a region. arg is what stands behind the word.
func (s *kamScanner) condition(word string, arg line, at source.Span) {
	n := 0
	for n < len(arg.text) && kamAlnum(arg.text[n]) {
		n++
	}
	name := string(arg.text[:n])
	truth := kamUnknown
	switch d, defined := s.defines[name]; {
	case word == "ifexp": // an expression over defined words, Kamailio's version among them
	case name == "":
		s.r.report(broken(at, "the condition names no word", "write it as #!"+word+" WORD"))
	case d.unknown || !defined && strings.HasPrefix(name, "KAMAILIO_"): // KAMAILIO_5_7 depends on the version
	case defined == (word == "ifdef"):
		truth = kamYes
	default:
		truth = kamNo
	}
	if truth == kamUnknown {
		s.gap(at)
	}
	s.conds = append(s.conds, kamCond{at, truth})
	s.off = append(s.off, truth != kamYes)
	s.settle()
}

// settle works out whether the innermost region is read.
func (s *kamScanner) settle() {
	if n := len(s.off); n > 0 {
		s.off[n-1] = s.conds[n-1].holds != kamYes || n > 1 && s.off[n-2]
	}
}

// endBranch obeys #!else and #!endif.
func (s *kamScanner) endBranch(word string, at source.Span) {
	n := len(s.conds)
	if n == 0 {
		s.r.report(broken(at, "#!"+word+" without an #!ifdef", "remove it, or look for the #!ifdef it belongs to"))
		return
	}
	if word == "endif" {
		s.conds, s.off = s.conds[:n-1], s.off[:n-1]
		return
	}
	switch c := &s.conds[n-1]; c.holds {
	case kamNo:
		c.holds = kamYes
	case kamYes:
		c.holds = kamNo
	}
	s.settle()
}

// finish reports what is still open at the end of the text.
func (s *kamScanner) finish() {
	for i, c := range s.conds {
		if s.off[i] {
			s.gap(c.at)
		}
		s.r.report(broken(c.at, "the condition has no #!endif", "end it with #!endif on a line of its own"))
	}
}

// define reads what stands behind #!define and its kin, up to the end of the line. A
// backslash at the end of a line continues the value.
func (s *kamScanner) define(in *kamInput, word string, at source.Span) {
	start := in.pos
	for start < len(in.text) && blank(in.text[start]) {
		start++
	}
	end := start
	for end < len(in.text) && kamAlnum(in.text[end]) {
		end++
	}
	name := string(in.text[start:end])
	from := end
	var value []byte
	for {
		l := kamLine(in.text[from:])
		end = from + len(l)
		part, more := bytes.CutSuffix(bytes.TrimSuffix(l, []byte{'\r'}), []byte{'\\'})
		value = append(value, part...)
		if from = end + 1; !more || from >= len(in.text) {
			break
		}
	}
	in.pos = end
	if name == "" || name[0] >= '0' && name[0] <= '9' || len(value) > 0 && value[0] == '-' {
		s.r.report(broken(at, "the name of a defined word must be letters, digits and \"_\"", "write it as #!"+word+" NAME value"))
		return
	}
	d := kamDefine{value: string(bytes.TrimSpace(value))}
	_, before := s.defines[name]
	try := strings.HasPrefix(word, "try")
	switch base := strings.TrimPrefix(word, "try"); {
	case strings.HasPrefix(base, "undef"):
		delete(s.defines, name)
		return
	case strings.HasPrefix(base, "defe"): // defenv, defexp: "WORD" or "WORD=VARIABLE"
		d = kamDefine{unknown: true}
	case strings.HasPrefix(base, "redef"):
		before = false
	}
	switch {
	case before && try:
	case before:
		s.r.report(broken(at, printable([]byte(name))+" is defined already; Kamailio does not start", "use #!trydef to keep the first value, #!redefine to change it"))
	default:
		s.defines[name] = d
	}
}

// loaded notes that a module is loaded, which defines MOD_ and its name.
func (s *kamScanner) loaded(file string) {
	s.loading = false
	if name := strings.TrimSuffix(path.Base(file), ".so"); len(name) <= 64 {
		s.defines["MOD_"+name] = kamDefine{}
	}
}

func kamLoads(t kamToken) bool {
	return t.kind == kamWord && (t.text == "loadmodule" || t.text == "loadmodulex")
}

// replaced handles a word that stands for other text: a defined word, whose value is read
// next, or an include, whose file is. The word itself has been read.
func (s *kamScanner) replaced(in *kamInput, name string, at source.Span) bool {
	if name == "include_file" || name == "import_file" {
		s.include(in, name == "include_file", at)
		return true
	}
	d, defined := s.defines[name]
	if !defined || s.body {
		return false
	}
	if d.unknown {
		s.unknown = true
		return false
	}
	depth := 0
	for i := len(s.in) - 1; i >= 0 && !s.in[i].at.IsZero(); i-- {
		depth++
	}
	if s.expanded += len(d.value) + 1; depth >= maxDepth || s.expanded > kamMaxExpanded {
		s.stop(at)
		return false
	}
	s.in = append(s.in, &kamInput{file: in.file, text: []byte(d.value), at: at})
	return true
}

// include reads the name of a file and then the file, if it is there. Kamailio looks in
// its working directory first and then beside the including file; only the second can be
// known here. A file that only is imported may be missing.
func (s *kamScanner) include(in *kamInput, required bool, at source.Span) {
	for in.pos < len(in.text) && blank(in.text[in.pos]) {
		in.pos++
	}
	if in.pos == len(in.text) || in.text[in.pos] != '"' {
		s.gap(at)
		s.r.report(broken(at, "the name of the file is not in double quotes", "write it as include_file \"name\""))
		return
	}
	body := s.body
	s.body = false // the name counts inside a block too
	name, span := s.str(in, '"')
	s.body = body
	s.glued, s.fresh = false, true
	if s.r.tree == nil {
		s.gap(span)
		return
	}
	if !path.IsAbs(name) {
		name = path.Join("/", path.Dir(in.file.Path), name)
	}
	var f *source.File
	err := errManyFiles
	if s.r.includes++; s.r.includes <= MaxIncludes && len(s.files.stack) < maxDepth {
		if f, err = s.files.read(strings.TrimLeft(name, "/")); err == nil {
			s.files.stack = append(s.files.stack, f.Path)
			s.in = append(s.in, &kamInput{file: f, text: f.Text})
			return
		}
	}
	if required || !errors.Is(err, fs.ErrNotExist) {
		s.r.missing(span, err)
	}
}

// addSubst reads "/pattern/replacement/flags", with any character in place of "/".
func (s *kamScanner) addSubst(word, text string, at source.Span) {
	pattern, repl, flags, ok := kamSplit(text)
	if ok && word != "subst" {
		value := s.expandDef(repl)
		if word == "substdefs" {
			value = `"` + value + `"`
		}
		s.defines[pattern] = kamDefine{value: value}
	}
	var sub kamSubst
	if ok {
		sub, ok = kamCompile(pattern, repl, flags, text[:1])
	}
	if !ok {
		s.gap(at)
		s.r.report(broken(at, "the substitution is not understood; strings it would change are not known", "write it as \"/from/to/\" with plain text"))
		return
	}
	s.substs = append(s.substs, sub)
}

// kamSplit cuts a substitution at its unescaped separators.
func kamSplit(text string) (pattern, repl, flags string, ok bool) {
	if len(text) < 3 || text[0] == '\\' {
		return "", "", "", false
	}
	var cuts []int
	for i := 1; i < len(text) && len(cuts) < 2; i++ {
		if text[i] == text[0] && text[i-1] != '\\' {
			cuts = append(cuts, i)
		}
	}
	if len(cuts) < 2 {
		return "", "", "", false
	}
	return text[1:cuts[0]], text[cuts[0]+1 : cuts[1]], text[cuts[1]+1:], true
}

// kamCompile prepares a substitution. The pattern is a POSIX extended regular expression
// in which "." does not match a line end, unless the flag "s" is given. Counted
// repetition is refused: it makes large programs of short patterns.
func kamCompile(pattern, repl, flags, sep string) (kamSubst, bool) {
	s := kamSubst{all: strings.Contains(flags, "g")}
	if len(pattern) > kamMaxPattern || strings.Contains(pattern, "{") || strings.Trim(flags, "gis") != "" {
		return s, false
	}
	for i := 0; i < len(repl); i++ {
		if repl[i] != '\\' || i+1 == len(repl) {
			s.addText(repl[i : i+1])
			continue
		}
		i++
		if c := repl[i]; c >= '0' && c <= '9' {
			s.repl = append(s.repl, kamRepl{group: int(c - '0')})
		} else if j := strings.IndexByte("nrt", c); j >= 0 {
			s.addText("\n\r\t"[j : j+1])
		} else {
			s.addText(repl[i : i+1])
		}
	}
	pattern = strings.ReplaceAll(pattern, `\`+sep, regexp.QuoteMeta(sep))
	if regexp.QuoteMeta(pattern) == pattern && !strings.Contains(flags, "i") {
		s.literal = pattern
		return s, pattern != ""
	}
	mode := "(?m)"
	if strings.Contains(flags, "s") {
		mode = "(?s)"
	}
	if strings.Contains(flags, "i") {
		mode += "(?i)"
	}
	re, err := regexp.Compile(mode + pattern)
	if err != nil {
		return s, false
	}
	re.Longest()
	s.pattern = re
	return s, true
}

func (s *kamSubst) addText(text string) {
	if n := len(s.repl); n > 0 && s.repl[n-1].group < 0 {
		s.repl[n-1].text += text
		return
	}
	s.repl = append(s.repl, kamRepl{text, -1})
}

// substitute applies the substitutions to a string, one after the other.
func (s *kamScanner) substitute(text string, at source.Span) string {
	for i := range s.substs {
		sub := &s.substs[i]
		s.work += len(text) + 16
		if s.work > kamMaxWork || len(text) > kamMaxString {
			s.stop(at)
			return text
		}
		var found int
		text, found = sub.apply(text)
		if sub.pattern != nil { // each search may look at the whole text
			s.work += (1 + found) * len(text) * len(sub.pattern.String())
		}
	}
	return text
}

// apply replaces in text, which it leaves alone when the result would be too long, and
// counts what it replaced.
func (s *kamSubst) apply(text string) (string, int) {
	var out []byte
	from, found := 0, 0
	for _, m := range s.find(text) {
		found++
		out = append(out, text[from:m[0]]...)
		for _, p := range s.repl {
			switch {
			case p.group < 0:
				out = append(out, p.text...)
			case 2*p.group+1 < len(m) && m[2*p.group] >= 0:
				out = append(out, text[m[2*p.group]:m[2*p.group+1]]...)
			}
			if len(out) > kamMaxString {
				return text, found
			}
		}
		from = m[1]
	}
	if found == 0 {
		return text, 0
	}
	return string(append(out, text[from:]...)), found
}

// find are the places to replace, each with those of the groups of the pattern.
func (s *kamSubst) find(text string) [][]int {
	most := 1
	if s.all {
		most = kamMaxFound
	}
	if s.pattern != nil {
		return s.pattern.FindAllStringSubmatchIndex(text, most)
	}
	var places [][]int
	for from := 0; len(places) < most; {
		i := strings.Index(text[from:], s.literal)
		if i < 0 {
			break
		}
		places = append(places, []int{from + i, from + i + len(s.literal)})
		from += i + len(s.literal)
	}
	return places
}

// expandDef replaces $def(WORD) by what WORD is defined as, without the quotes of a
// string. Kamailio does so when it evaluates the string.
func (s *kamScanner) expandDef(text string) string {
	const open = "$def("
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, open)
		if out.WriteString(before); !found {
			return out.String()
		}
		n := 0
		for n < len(rest) && kamAlnum(rest[n]) {
			n++
		}
		d, defined := s.defines[rest[:n]]
		if text = rest; !defined || d.unknown || !strings.HasPrefix(rest[n:], ")") || out.Len()+len(d.value) > kamMaxString {
			out.WriteString(open)
			continue
		}
		value := d.value
		if l := len(value); l >= 2 && (value[0] == '"' || value[0] == '\'') && value[l-1] == value[0] {
			value = value[1 : l-1]
		}
		out.WriteString(value)
		text = rest[n+1:]
	}
}
