// Package draw draws a chart for a terminal, as SVG and as HTML.
//
// It decides how things look and nothing else: what is to be seen, and where, says package chart.
package draw

import (
	"io"
	"strings"

	"portolan/internal/chart"
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
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
