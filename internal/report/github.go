package report

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strings"

	"portolan/internal/diag"
)

// writeGitHub writes workflow commands, a line each, from which GitHub makes annotations:
// https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands.
// A command takes columns only for text on one line. GitHub shows ten errors, warnings and
// notices each of a step; SARIF has no such limit.
func writeGitHub(w io.Writer, hosts iter.Seq[Host], o Options) error {
	out := bufio.NewWriter(w)
	for h := range hosts {
		for i := range h.Findings {
			d := &h.Findings[i]
			var properties []string
			add := func(name, value string) { properties = append(properties, name+"="+githubProperty.Replace(value)) }
			lines := words(d)
			if !d.Span.IsZero() {
				add("file", Printable(h.path(d.Span.File, o.Dir)))
			}
			if d.Span.HasLine() {
				a, z := d.Span.Position(), d.Span.EndPosition()
				add("line", fmt.Sprint(a.Line))
				add("endLine", fmt.Sprint(z.Line))
				if a.Line == z.Line {
					add("col", fmt.Sprint(a.Column))
					add("endColumn", fmt.Sprint(z.Column))
				}
			}
			if d.Rule != "" {
				add("title", Printable(d.Rule))
			}
			for _, r := range d.Related {
				lines = append(lines, relatedWords(&h, r, o.Dir))
			}
			command := [...]string{"notice", "notice", "warning", "error"}[d.Severity]
			if len(properties) > 0 {
				command += " " + strings.Join(properties, ",")
			}
			fmt.Fprintf(out, "::%s::%s\n", command, githubData.Replace(strings.Join(lines, "\n")))
		}
	}
	return out.Flush()
}

// The escapes of workflow commands, as the runner undoes them:
// https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts.
var (
	githubData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// relatedWords is the other half of a quarrel as one line.
func relatedWords(h *Host, r diag.Related, dir string) string {
	if r.Span.IsZero() {
		return "note: " + Printable(r.Message)
	}
	at := h.path(r.Span.File, dir)
	if r.Span.HasLine() {
		at += fmt.Sprintf(":%d", r.Span.Position().Line)
	}
	return "see: " + Printable(at) + ": " + Printable(r.Message)
}
