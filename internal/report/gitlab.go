package report

import (
	"bufio"
	"io"
	"iter"
	"path/filepath"
	"strings"
)

// The words of a Code Quality report:
// https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format.
type (
	gitlabFinding struct {
		Description string      `json:"description"`
		CheckName   string      `json:"check_name"`
		Fingerprint string      `json:"fingerprint"`
		Severity    string      `json:"severity"`
		Location    gitlabPlace `json:"location"`
	}
	gitlabPlace struct {
		Path  string      `json:"path"`
		Lines gitlabLines `json:"lines"`
	}
	gitlabLines struct {
		Begin int `json:"begin"`
	}
)

// writeGitLab writes an array of findings. GitLab wants a line of each: what is about a
// file as a whole stands at its first.
func writeGitLab(w io.Writer, hosts iter.Seq[Host], o Options) error {
	out := objects{w: bufio.NewWriter(w)}
	out.list("", func(item func(any)) {
		for h := range hosts {
			prints, _, _ := h.Fingerprints(o.Dir)
			for i := range h.Findings {
				d := &h.Findings[i]
				place := gitlabPlace{filepath.ToSlash(h.Root), gitlabLines{1}}
				if !d.Span.IsZero() {
					place.Path = h.path(d.Span.File, o.Dir)
				}
				if d.Span.HasLine() {
					place.Lines.Begin = d.Span.Position().Line
				}
				lines := words(d)
				for _, r := range d.Related {
					lines = append(lines, relatedWords(&h, r, o.Dir))
				}
				item(gitlabFinding{
					Description: strings.Join(lines, "; "),
					CheckName:   Printable(d.Rule),
					Fingerprint: prints[i],
					Severity:    [...]string{"info", "info", "minor", "critical"}[d.Severity],
					Location:    place,
				})
			}
		}
	})
	out.text("\n")
	return out.end()
}
