package draw

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"portolan/internal/chart"
	"portolan/internal/report"
)

// sources lists where what a picture shows is documented. Groups often have the same source,
// and sources the same page, so each is there once, and pages have numbers. An address has a
// line of its own and is not cut: half of one leads nowhere.
func sources(out io.Writer, p *chart.Picture, o Options) {
	var list []chart.Source
	var pages []string
	for i := range p.Panels {
		for k := range p.Panels[i].Groups {
			for _, s := range p.Panels[i].Groups[k].Sources {
				if slices.ContainsFunc(list, func(t chart.Source) bool { return reflect.DeepEqual(s, t) }) {
					continue
				}
				list = append(list, s)
				for _, cite := range s.Cites {
					if !slices.Contains(pages, cite) {
						pages = append(pages, cite)
					}
				}
			}
		}
	}
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(out, "\nsources:")
	for _, s := range list {
		words := s.Words
		if s.Note != "" {
			words += " (" + s.Note + ")"
		}
		for _, cite := range s.Cites {
			words += fmt.Sprintf(" [%d]", slices.Index(pages, cite)+1)
		}
		indent := ""
		for _, line := range fold(words, o.Width-4) {
			fmt.Fprintln(out, "  "+indent+plainText(line, o.ASCII))
			indent = "  "
		}
	}
	for i, page := range pages {
		fmt.Fprintf(out, "  [%d] %s\n", i+1, plainText(page, o.ASCII))
	}
}

// fold breaks text at blanks into lines of at most width columns; a word that is wider has a
// line of its own.
func fold(text string, width int) []string {
	var lines []string
	line, used := "", 0
	for _, word := range strings.Fields(text) {
		w := report.Width(word)
		if used > 0 && used+1+w > width {
			lines, line, used = append(lines, line), "", 0
		}
		if used > 0 {
			line, used = line+" ", used+1
		}
		line, used = line+word, used+w
	}
	return append(lines, line)
}

// plainText is text in ASCII where that is asked for.
func plainText(text string, ascii bool) string {
	var b strings.Builder
	for _, r := range text {
		b.WriteString(plain(string(r), ascii))
	}
	return b.String()
}
