package report

import (
	"bufio"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strings"

	"portolan/internal/diag"
)

// writeJUnit writes a suite of tests for each host, as
// https://github.com/testmoapp/junitxml describes the words that readers agree on. A
// finding is a test: one at or above the limit has failed, so that the report says what
// the exit code says, and another carries its words along. A host without findings is one
// test that has passed.
func writeJUnit(w io.Writer, hosts iter.Seq[Host], o Options) error {
	out := bufio.NewWriter(w)
	fmt.Fprint(out, xml.Header+"<testsuites name=\"portolan\">\n")
	for h := range hosts {
		failed := 0
		for _, d := range h.Findings {
			if d.Severity >= o.Limit {
				failed++
			}
		}
		name := cmp.Or(filepath.ToSlash(h.Root), "ports")
		fmt.Fprintf(out, "  <testsuite name=\"%s\" tests=\"%d\" failures=\"%d\">\n", XMLText(name), max(1, len(h.Findings)), failed)
		if len(h.Findings) == 0 {
			fmt.Fprintf(out, "    <testcase classname=\"%s\" name=\"no findings\"/>\n", XMLText(name))
		}
		for i := range h.Findings {
			writeJUnitCase(out, &h, &h.Findings[i], name, o)
		}
		fmt.Fprint(out, "  </testsuite>\n")
	}
	fmt.Fprint(out, "</testsuites>\n")
	return out.Flush()
}

func writeJUnitCase(out io.Writer, h *Host, d *diag.Diagnostic, class string, o Options) {
	name, file := d.Rule, ""
	lines := words(d)
	if !d.Span.IsZero() {
		at := h.path(d.Span.File, o.Dir)
		file = fmt.Sprintf(" file=\"%s\"", XMLText(at))
		if d.Span.HasLine() {
			line := d.Span.Position().Line
			at += fmt.Sprintf(":%d", line)
			file += fmt.Sprintf(" line=\"%d\"", line)
		}
		name += " at " + at
		lines = append([]string{Printable(at)}, lines...)
	}
	for _, r := range d.Related {
		lines = append(lines, relatedWords(h, r, o.Dir))
	}
	body := XMLText(strings.Join(lines, "\n"))
	fmt.Fprintf(out, "    <testcase classname=\"%s\" name=\"%s\"%s>\n", XMLText(class), XMLText(name), file)
	if d.Severity >= o.Limit {
		fmt.Fprintf(out, "      <failure type=\"%s\" message=\"%s\">%s</failure>\n", d.Severity, XMLText(Printable(d.Message)), body)
	} else {
		fmt.Fprintf(out, "      <system-out>%s: %s</system-out>\n", d.Severity, body)
	}
	fmt.Fprint(out, "    </testcase>\n")
}

// XMLText is s for an attribute or a text of XML. Lines stay lines; everything else that
// cannot be seen is an escape that can, so no character is left that XML 1.0 forbids.
func XMLText(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = Printable(lines[i])
	}
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(strings.Join(lines, "\n"))) // a Builder does not fail
	return strings.ReplaceAll(b.String(), "&#xA;", "\n")
}
