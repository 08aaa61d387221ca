// Package draw draws a chart for a terminal, as SVG and as HTML.
//
// It decides how things look and nothing else: what is to be seen, and where, says package chart.
package draw

import (
	"io"

	"portolan/internal/chart"
	"portolan/internal/diag"
	"portolan/internal/report"
)

// Options say how a picture is drawn. The zero value is plain text of 80 columns.
type Options struct {
	Width  int   // columns of a terminal, or pixels; 0 for what is usual
	Linear bool  // every port has the same room
	ASCII  bool  // text has no other characters than those of ASCII
	Color  bool  // text has colours (ECMA-48 SGR); what they mean is always said in words too
	Theme  Theme // of SVG and HTML
	// Version is that of this program, for the words below a picture.
	Version string
}

// A Format is one way to draw a picture.
type Format struct {
	Name  string
	Write func(io.Writer, *chart.Picture, Options) error
}

// Formats are all formats; the first is the default. Nobody changes it.
var Formats = [...]Format{
	{"text", Text},
	{"svg", SVG},
	{"html", HTML},
}

// Names are the names of all formats, as a sentence has them.
func Names() string {
	var names []string
	for _, f := range Formats {
		names = append(names, f.Name)
	}
	return report.Joined(names, " or ")
}

// Words of legends.
const (
	conflictWords = "conflict: ports, and the rule that says so"
	noticeWords   = "worth knowing: ports, and the rule that says so"
	ghostWords    = "where it is in the other picture"
)

// marksOf is how bad the worst mark of p is, and what the legend says of marks; diag.Invalid and
// nothing where there is none.
func marksOf(p *chart.Picture) (worst diag.Severity, words string) {
	for b := range p.Bars() {
		for _, m := range b.Marks {
			worst = max(worst, m.Severity)
		}
	}
	switch worst {
	case diag.Invalid:
		return worst, ""
	case diag.Info:
		return worst, noticeWords
	}
	return worst, conflictWords
}
