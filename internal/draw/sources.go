package draw

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"portolan/internal/chart"
	"portolan/internal/report"
)

// sources lists where what a picture shows is documented.
func sources(out io.Writer, p *chart.Picture, o Options) {
	list, pages := sourcesOf(p)
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(out, "\nsources:")
	for _, words := range list {
		indent := ""
		for _, line := range fold(words, float64(o.Width-4), func(s string) float64 { return float64(report.Width(s)) }) {
			fmt.Fprintln(out, "  "+indent+plainText(line, o.ASCII))
			indent = "  "
		}
	}
	for _, page := range pages {
		fmt.Fprintln(out, "  "+plainText(page, o.ASCII))
	}
}

// sourcesOf are the sources of all groups, and then the pages that they cite, "[1] https://…".
// Groups often have the same source, and sources the same page, so each is there once, and pages
// have numbers. A page is never cut: half of an address leads nowhere.
func sourcesOf(p *chart.Picture) (list, pages []string) {
	number := map[string]int{}
	for i := range p.Panels {
		for k := range p.Panels[i].Groups {
			for n := range p.Panels[i].Groups[k].Sources {
				s := &p.Panels[i].Groups[k].Sources[n]
				words := s.String()
				for _, cite := range s.Cites {
					if number[cite] == 0 {
						number[cite] = len(pages) + 1
						pages = append(pages, fmt.Sprintf("[%d] %s", number[cite], cite))
					}
					words += fmt.Sprintf(" [%d]", number[cite])
				}
				if !slices.Contains(list, words) {
					list = append(list, words)
				}
			}
		}
	}
	return list, pages
}

// fold breaks text at blanks into lines that are not wider than width; a word that is wider has
// a line of its own.
func fold(text string, width float64, measure func(string) float64) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch longer := line + " " + word; {
		case line == "":
			line = word
		case measure(longer) > width:
			lines, line = append(lines, line), word
		default:
			line = longer
		}
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
