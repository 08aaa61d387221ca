// Package conf reads every format into one positioned tree.
//
// A reader accepts broken lines, reports them and keeps the rest of the file: one bad
// line must not hide the ports of the others. What a value means is not decided here.
package conf

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// Limits on what is kept of one document, stated in one place. Beside them
// source.MaxFileSize bounds each file. The largest real file we know has some 3000
// settings.
const (
	MaxNodes    = 20_000 // sections and settings of one document, included files counted
	MaxIncludes = 200    // files one document may include
	maxDepth    = 10     // files within files
	maxReports  = 20     // findings of one kind in one document, then they are counted
)

// Document is one file, with what it includes, as a tree.
type Document struct {
	File *source.File
	Root *Node // a Section without a name
	// Gaps are places where something is missing from the tree, such as an include
	// that could not be read: what is not found may have been there.
	Gaps []source.Span
	// Included are the files that stand in the tree beside File, by source.File.Path.
	Included []string
}

// Kind says what a node is. The zero value is a section.
type Kind uint8

// The kinds of nodes.
const (
	Section Kind = iota // has children: an INI section, a block
	Setting             // has a value
)

// A Node is a section with what is in it, or one setting. How each format maps to nodes
// is written at the top of its reader; in short:
//
//   - INI and its kin: sections with settings; settings before any section are the root's.
//   - A line of words (keyword formats, nginx, haproxy): Name is the first word, Args are
//     the others, Value is all of them as written. A block is a section of that shape.
//   - XML: an element is a section, its text is Value; an attribute is a setting named
//     "@id" in front of the children.
//   - YAML, JSON, TOML, HOCON, libconfig, NATS: a mapping is a section, a scalar a setting; the
//     items of a list have no name.
type Node struct {
	Kind      Kind
	Name      string // as written; "" for the root and for items of a list
	Value     string // as the service sees it, without quotes; of a section its arguments or text
	Args      []Arg  // the words of Value, in formats that have words
	Append    bool   // the setting adds to what was said before (Asterisk's "+=")
	NameSpan  source.Span
	ValueSpan source.Span // of an empty value: the place where it would be
	Children  []*Node
}

// Arg is one word behind the name of a node, without its quotes.
type Arg struct {
	Text string
	Span source.Span
}

// A Format is one syntax of configuration files.
type Format struct {
	Name  string
	Title string
	parse func(*reader) *Node
}

// Formats are all formats that can be read. Nobody changes the list.
func Formats() []Format { return formats() }

var formats = sync.OnceValue(func() []Format {
	return slices.Concat([]Format{
		{"lumenvox", "LumenVox .conf: sections, key = value, # comments, ; is data", parseLumenvox},
		{"asterisk", "Asterisk: [section](template), key = value, => and +=, ; comments, #include", parseAsterisk},
		{"systemd", "systemd units: repeated sections and keys, \\ continues", parseSystemd},
		{"env", "environment files: KEY=value with shell quotes (/etc/default, .env)", parseEnv},
		{"table", "columns of words (services, inetd.conf)", parseTable},
		{"postfix", "columns of words and the options of a program (master.cf)", parsePostfix},
		{"xml", "XML", parseXML},
		{"freeswitch-xml", "XML behind FreeSWITCH's preprocessor", parseFreeswitch},
		{"ome-xml", "XML in which ${env:NAME:default} is a variable (OvenMediaEngine)", parseOME},
		{"yaml", "YAML, also of several documents", parseYAML},
		{"compose", "Compose files (compose.yaml): YAML with variables, ports and environment in one form", parseCompose},
		{"json", "JSON, also with comments and repeated keys", parseJSON},
		{"toml", "TOML", parseTOML},
		{"hocon", "HOCON (Jitsi)", parseHocon},
		{"libconfig", "libconfig (Janus)", parseLibconfig},
		{"nats", "NATS server: settings, { sections }, [ lists ], $variables", parseNats},
		{"nginx", "nginx: directives and { blocks } (also SRS)", parseNginx},
		{"bind", "BIND and ISC: statements; and { lists; }", parseBind},
		{"xinetd", "xinetd: service and defaults { key = value }", parseXinetd},
		{"rsyslog", "rsyslog: $Directives, objects(name=value), selectors and actions", parseRsyslog},
		{"apache", "Apache: directives and <Block>s (also ProFTPD)", parseApache},
		{"haproxy", "HAProxy: sections at the start of a line, keywords below", parseHaproxy},
		{"kamailio", "Kamailio and OpenSIPS: global settings and modparam", parseKamailio},
	}, iniFormats(), keywordFormats())
})

// Parse reads f in the named format. Included files are looked up in tree, which is nil
// for a file that was named by itself; then includes are gaps. The error says that the
// format is not known.
func Parse(format string, f *source.File, tree *source.Tree) (*Document, diag.List, error) {
	for _, fm := range Formats() {
		if fm.Name == format {
			doc, diags := parse(fm.parse, f, tree)
			return doc, diags, nil
		}
	}
	return nil, nil, fmt.Errorf("format %q is not known: use one of %s", format, FormatNames())
}

// Parse reads f in a dialect of line formats that has no name of its own; see the
// function Parse.
func (d Dialect) Parse(f *source.File, tree *source.Tree) (*Document, diag.List) {
	return parse(d.parse, f, tree)
}

func parse(read func(*reader) *Node, f *source.File, tree *source.Tree) (*Document, diag.List) {
	r := &reader{file: f, tree: tree, doc: &Document{File: f}, reports: map[string]int{}}
	r.doc.Root = read(r)
	r.summarise()
	return r.doc, r.diags
}

// FormatNames are the names of all formats, joined by commas.
func FormatNames() string {
	var names []string
	for _, f := range Formats() {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// reader is the state of reading one document.
type reader struct {
	file     *source.File
	tree     *source.Tree
	doc      *Document
	diags    diag.List
	nodes    int
	includes int
	reports  map[string]int // findings by rule
}

// full counts a new node and reports, once, when there are too many.
func (r *reader) full(at source.Span) bool {
	r.nodes++
	if r.nodes == MaxNodes+1 {
		r.doc.Gaps = append(r.doc.Gaps, at)
		r.diags = append(r.diags, diag.Diagnostic{
			Rule: "broken-line", Severity: diag.Warning, Span: at,
			Message: fmt.Sprintf("more than %d settings in one file; the rest is not read", MaxNodes),
			Help:    "split the file, or leave out what is not configuration",
		})
	}
	return r.nodes > MaxNodes
}

// report adds a finding, of each rule at most maxReports.
func (r *reader) report(d diag.Diagnostic) {
	if r.reports[d.Rule]++; r.reports[d.Rule] <= maxReports {
		r.diags = append(r.diags, d)
	}
}

// summarise says how many findings report left out.
func (r *reader) summarise() {
	for i := len(r.diags) - 1; i >= 0; i-- {
		d := &r.diags[i]
		if more := r.reports[d.Rule] - maxReports; more > 0 {
			d.Notes = append(d.Notes, fmt.Sprintf("%d more %s of this kind in %s", more, plural(more, "line"), r.file.Name))
			r.reports[d.Rule] = 0 // said once, at the last one shown
		}
	}
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// IsPlaceholder reports whether value still is a template: text that some tool will
// replace before the service sees it, so what it will be is not known. Known are
// {{ x }} (Jinja, Go, mustache), <%= x %> (ERB), @X@ and @@X@@ (autoconf and others),
// ${X}, %(x)s, $(command), $env(X) and $def(X) (Kamailio), $__env{X} and $__file{X} (Grafana).
func IsPlaceholder(value string) bool {
	for _, p := range [...]struct{ open, close string }{{"{{", "}}"}, {"<%", "%>"}, {"${", "}"}, {"%(", ")s"}, {"$(", ")"}, {"$env(", ")"}, {"$__env{", "}"}, {"$__file{", "}"}, {"$def(", ")"}} {
		if _, rest, found := strings.Cut(value, p.open); found && strings.Contains(rest, p.close) {
			return true
		}
	}
	const upper, lower = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", "abcdefghijklmnopqrstuvwxyz"
	_, rest, found := strings.Cut(value, "@")
	rest, doubled := strings.CutPrefix(rest, "@")
	name, _, closed := strings.Cut(rest, "@")
	if doubled { // @@Port@@; a single pair also stands in ordinary text, a@b@c
		return closed && name != "" && strings.Trim(name, upper+lower) == ""
	}
	return found && closed && name != "" && strings.Trim(name, upper) == ""
}
