package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"iter"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// Text writes the findings of one host for people.
func Text(w io.Writer, l diag.List, o Options) error { return writeText(w, One(Host{Findings: l}), o) }

// writeText writes findings for people: the message, the place, its source line with the
// wrong part marked, related places, notes and help. A last line counts the findings. Of
// many hosts those with findings are counted too, and the others are only a number. What
// has no root among many hosts is about all of them. Where the hosts with findings are more
// than a screen shows, a table says what most of them have.
func writeText(w io.Writer, hosts iter.Seq[Host], o Options) error {
	p := printer{out: bufio.NewWriter(w), color: o.Color}
	var all counts
	var rest unseen
	rules := tally{}
	total, clean := 0, 0
	for h := range hosts {
		if p.below = ""; o.Fleet {
			p.below = h.Root
		}
		all.add(h.Findings)
		rest.add(&h)
		for i := range h.Findings {
			p.finding(&h.Findings[i])
			p.line()
		}
		switch {
		case !o.Fleet || h.Root == "":
		case len(h.Findings) == 0:
			total, clean = total+1, clean+1
		default:
			total++
			p.line(p.paint(bold, Printable(filepath.ToSlash(h.Root))), ": ", h.Summary())
			p.line()
			rules.add(h.Findings)
		}
	}
	if total-clean > manyHosts {
		rules.write(&p)
	}
	switch {
	case !o.Fleet:
		p.line(all.String(), rest.String())
	case total == 0: // none could be read, and who reads them has said so
	case clean == total:
		p.line(number(total, "host"), ": ", all.String(), rest.String())
	default:
		p.line(number(total, "host"), ", ", strconv.Itoa(total-clean), " with findings: ", all.String(), rest.String())
	}
	return p.out.Flush()
}

// manyHosts is how many hosts may have findings before a table says which.
const manyHosts = 10

// tally counts findings by their rules.
type tally map[string]*ruleCount

type ruleCount struct {
	rule            string
	hosts, findings int
}

// add counts the findings of one host.
func (t tally) add(l diag.List) {
	here := map[string]bool{}
	for i := range l {
		rule := l[i].Rule
		if t[rule] == nil {
			t[rule] = &ruleCount{rule: rule}
		}
		t[rule].findings++
		if !here[rule] {
			here[rule] = true
			t[rule].hosts++
		}
	}
}

// write writes a line for each rule, that of the most hosts first.
func (t tally) write(p *printer) {
	rows := slices.SortedFunc(maps.Values(t), func(a, b *ruleCount) int {
		return cmp.Or(cmp.Compare(b.hosts, a.hosts), strings.Compare(a.rule, b.rule))
	})
	p.line(p.paint(bold, "  hosts  findings"))
	for _, r := range rows {
		p.line(fmt.Sprintf("%7d  %8d  %s", r.hosts, r.findings, Printable(r.rule)))
	}
	p.line()
}

func number(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return strconv.Itoa(n) + " " + word
}

// Summary is "2 errors, 1 warning; 1 ignored", or "no findings": how a report of h ends.
func (h *Host) Summary() string {
	var c counts
	var u unseen
	c.add(h.Findings)
	u.add(h)
	return c.String() + u.String()
}

// String is "2 errors, 1 warning", or "no findings".
func (c *counts) String() string {
	var parts []string
	for _, s := range [...]diag.Severity{diag.Error, diag.Warning, diag.Info, diag.Invalid} {
		n := c[s]
		word := s.String()
		if n > 1 && (s == diag.Error || s == diag.Warning) { // the others are no nouns
			word += "s"
		}
		if n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+word)
		}
	}
	if len(parts) == 0 {
		return "no findings"
	}
	return strings.Join(parts, ", ")
}

// String is "; 2 ignored, 3 known from the baseline", "" without any.
func (u *unseen) String() string {
	var parts []string
	if u.Ignored > 0 {
		parts = append(parts, strconv.Itoa(u.Ignored)+" ignored")
	}
	if u.Known > 0 {
		parts = append(parts, strconv.Itoa(u.Known)+" known from the baseline")
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, ", ")
}

// The styles, as SGR parameters (ECMA-48 section 8.3.117).
const (
	bold       = "1"
	boldRed    = "1;31"
	boldYellow = "1;33"
	boldBlue   = "1;34"
	boldCyan   = "1;36"
)

func styleOf(s diag.Severity) string {
	switch s {
	case diag.Error:
		return boldRed
	case diag.Warning:
		return boldYellow
	}
	return boldCyan
}

// printer writes lines. The buffer remembers the first error until Flush.
type printer struct {
	out   *bufio.Writer
	color bool
	below string // the root of the host, in front of the names of its files
}

func (p *printer) line(parts ...string) {
	for _, s := range parts {
		p.out.WriteString(s)
	}
	p.out.WriteByte('\n')
}

func (p *printer) paint(style, s string) string {
	if !p.color || s == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

func (p *printer) finding(d *diag.Diagnostic) {
	style := styleOf(d.Severity)
	head := d.Severity.String()
	if d.Rule != "" {
		head += "[" + Printable(d.Rule) + "]"
	}
	p.line(p.paint(style, head), p.paint(bold, ": "+Printable(d.Message)))

	g := gutter(d)
	p.place(g, "-->", d.Span, "^", style, d.Label)
	for _, r := range d.Related {
		p.place(g, ":::", r.Span, "-", boldBlue, r.Message)
	}
	for _, n := range d.Notes {
		p.remark(g, "note", n)
	}
	if d.Help != "" {
		p.remark(g, "help", d.Help)
	}
}

// gutter is the blanks that are as wide as the highest line number of d, so that all
// bars of a finding stand in one column.
func gutter(d *diag.Diagnostic) string {
	line := d.Span.Position().Line
	for _, r := range d.Related {
		line = max(line, r.Span.Position().Line)
	}
	return strings.Repeat(" ", len(strconv.Itoa(line)))
}

// place writes one place with its words. Words without a source line to stand below
// become a note.
func (p *printer) place(gutter, arrow string, s source.Span, mark, style, words string) {
	if !s.IsZero() {
		at := s.String()
		if p.below != "" && !s.File.Given {
			at = path.Join(filepath.ToSlash(p.below), at)
		}
		p.line(gutter, p.paint(boldBlue, arrow), " ", Printable(at))
	}
	if !s.HasLine() {
		if words != "" {
			p.remark(gutter, "note", words)
		}
		return
	}
	line := s.Position().Line
	n := snip(s, line)
	bar := p.paint(boldBlue, "|")
	p.line(gutter, " ", bar)
	number := p.paint(boldBlue, fmt.Sprintf("%*d", len(gutter), line))
	if n.text == "" {
		p.line(number, " ", bar)
	} else {
		p.line(number, " ", bar, " ", n.text)
	}
	marked := strings.Repeat(mark, n.width)
	if words != "" {
		marked += " " + Printable(words)
	}
	p.line(gutter, " ", bar, " ", strings.Repeat(" ", n.caret), p.paint(style, marked))
}

func (p *printer) remark(gutter, kind, words string) {
	p.line(gutter, " ", p.paint(boldBlue, "="), " ", p.paint(bold, kind), ": ", Printable(words))
}
