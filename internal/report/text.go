package report

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// Text writes findings for people: the message, the place, its source line with the
// wrong part marked, related places, notes and help. A last line counts the findings.
func Text(w io.Writer, l diag.List, o Options) error {
	p := printer{bufio.NewWriter(w), o.Color}
	for i := range l {
		p.finding(&l[i])
		p.line()
	}
	p.line(summary(l))
	return p.out.Flush()
}

// summary is "2 errors, 1 warning", or "no findings".
func summary(l diag.List) string {
	var parts []string
	for _, s := range [...]diag.Severity{diag.Error, diag.Warning, diag.Info, diag.Invalid} {
		n := l.Count(s)
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
		p.line(gutter, p.paint(boldBlue, arrow), " ", Printable(s.String()))
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
