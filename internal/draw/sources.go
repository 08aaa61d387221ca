package draw

import (
	"fmt"
	"slices"

	"portolan/internal/chart"
)

// sources lists where what a picture shows is documented.
func (t *printer) sources(p *chart.Picture) {
	list, pages := sourcesOf(p)
	if len(list) == 0 {
		return
	}
	t.line("")
	t.line("sources:")
	for _, words := range list {
		t.wrapBehind("  ", "", words, "", 4)
	}
	for _, page := range pages {
		t.line("  " + t.plain(page))
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
