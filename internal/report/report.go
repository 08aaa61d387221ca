// Package report prints findings.
//
// A format is one file and one line in Formats. What comes from the user's files is
// untrusted: no format lets it move a cursor, forge a line or reorder what is read.
package report

import (
	"fmt"
	"io"
	"strings"

	"portolan/internal/diag"
)

// Options say how findings are dressed. The zero value is plain text.
type Options struct {
	Color bool // write ANSI colours (ECMA-48 SGR); what they mean is always said in words too
}

// A Format writes findings in one language. Write keeps the order of the list; its
// error is the writer's.
type Format struct {
	Name    string // what people type
	Summary string // what it is, for help texts
	Write   func(io.Writer, diag.List, Options) error
}

// Formats are all formats; the first is the default. Nobody changes it.
var Formats = [...]Format{
	{"text", "source lines with the wrong part marked, for people", Text},
	{"json", "one object, version 1, for programs", JSON},
}

// Lookup finds a format by its exact name. An unknown name is an error that lists
// the choices.
func Lookup(name string) (Format, error) {
	names := make([]string, len(Formats))
	for i, f := range Formats {
		if f.Name == name {
			return f, nil
		}
		names[i] = f.Name
	}
	last := len(names) - 1
	return Format{}, fmt.Errorf("format %q is not known: use %s or %s", name, strings.Join(names[:last], ", "), names[last])
}
