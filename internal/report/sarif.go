package report

import (
	"bufio"
	"io"
	"iter"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// The objects of SARIF 2.1.0 that we write. The sections are those of
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.
type (
	sarifMessage struct { // 3.11
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifTool struct { // 3.18
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct { // 3.19
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct { // 3.49
		ID      string            `json:"id"`
		Short   *sarifMessage     `json:"shortDescription,omitempty"`
		Help    *sarifMessage     `json:"help,omitempty"`
		Config  *sarifConfig      `json:"defaultConfiguration,omitempty"`
		Members map[string]string `json:"properties,omitempty"`
	}
	sarifConfig struct { // 3.50
		Level string `json:"level"`
	}
	sarifResult struct { // 3.27
		Rule         string            `json:"ruleId,omitempty"`
		Index        *int              `json:"ruleIndex,omitempty"`
		Level        string            `json:"level"`
		Message      sarifMessage      `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Related      []sarifLocation   `json:"relatedLocations,omitempty"`
		Fingerprints map[string]string `json:"partialFingerprints"`
		Fixes        []sarifFix        `json:"fixes,omitempty"`
		Baseline     string            `json:"baselineState,omitempty"`
		Suppressions []sarifSuppress   `json:"suppressions,omitempty"`
	}
	sarifSuppress struct { // 3.35
		Kind          string         `json:"kind"`
		Justification string         `json:"justification"`
		Location      *sarifLocation `json:"location,omitempty"`
	}
	sarifLocation struct { // 3.28
		ID       *int          `json:"id,omitempty"`
		Physical sarifPhysical `json:"physicalLocation"`
		Message  *sarifMessage `json:"message,omitempty"`
	}
	sarifPhysical struct { // 3.29
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct { // 3.4
		URI  string `json:"uri"`
		Base string `json:"uriBaseId,omitempty"`
	}
	sarifRegion struct { // 3.30
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
		EndLine     int `json:"endLine"`
		EndColumn   int `json:"endColumn"`
	}
	sarifFix struct { // 3.55
		Description sarifMessage  `json:"description"`
		Changes     []sarifChange `json:"artifactChanges"`
	}
	sarifChange struct { // 3.56
		Artifact     sarifArtifact      `json:"artifactLocation"`
		Replacements []sarifReplacement `json:"replacements"`
	}
	sarifReplacement struct { // 3.57
		Deleted  sarifRegion  `json:"deletedRegion"`
		Inserted sarifContent `json:"insertedContent"`
	}
	sarifContent struct { // 3.3
		Text string `json:"text"`
	}
)

// The names by which SARIF and GitHub call a severity (3.27.10, and
// https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning).
var (
	sarifLevels   = [...]string{"none", "note", "warning", "error"}
	githubProblem = [...]string{"", "recommendation", "warning", "error"}
)

// writeSARIF writes one run. The rules are those that findings name, with their pages, and
// stand behind the results, so that results need not be kept. Paths are relative to the
// working directory, which stands for the top of the source (%SRCROOT%), and absolute
// where a file lies elsewhere. Fingerprints stay the same when lines move. What somebody
// silenced is there with its reason (3.27.23), and what a baseline has as unchanged
// (3.27.24).
func writeSARIF(w io.Writer, hosts iter.Seq[Host], o Options) error {
	out := objects{w: bufio.NewWriter(w)}
	out.text(`{
  "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
  "version": "2.1.0",
  "runs": [
    {
      "columnKind": "unicodeCodePoints",
      "results": `)
	tool := sarifTool{sarifDriver{Name: "portolan", Version: o.Version, Rules: []sarifRule{}}}
	index := map[string]int{}
	out.list("      ", func(item func(any)) {
		for h := range hosts {
			prints, known, ignored := h.Fingerprints(o.Dir)
			result := func(d *diag.Diagnostic, print, baseline string, suppressed []sarifSuppress) {
				r := sarifOf(d, &h, o.Dir)
				r.Fingerprints = map[string]string{"portolan/v1": print}
				r.Baseline, r.Suppressions = baseline, suppressed
				if d.Rule != "" {
					n, known := index[d.Rule]
					if !known {
						n = len(index)
						index[d.Rule] = n
						tool.Driver.Rules = append(tool.Driver.Rules, sarifRuleOf(o.rule(d.Rule)))
					}
					r.Rule, r.Index = Printable(d.Rule), &n
				}
				item(r)
			}
			fresh := ""
			if o.Compared {
				fresh = "new"
			}
			for i := range h.Findings {
				result(&h.Findings[i], prints[i], fresh, nil)
			}
			for i := range h.Known {
				result(&h.Known[i], known[i], "unchanged", nil)
			}
			for i := range h.Ignored {
				s := &h.Ignored[i]
				result(&s.Diagnostic, ignored[i], "", sarifSuppressions(s, &h, o.Dir))
			}
		}
	})
	out.text(",\n      \"tool\": ")
	out.value("      ", tool)
	out.text("\n    }\n  ]\n}\n")
	return out.end()
}

func sarifRuleOf(r Rule) sarifRule {
	out := sarifRule{ID: Printable(r.Name)}
	if r.Summary != "" {
		out.Short = &sarifMessage{Text: strings.ToUpper(r.Summary[:1]) + r.Summary[1:] + "."}
	}
	if r.Page != "" {
		out.Help = &sarifMessage{Text: r.Page, Markdown: r.Page}
	}
	if r.Severity != diag.Invalid {
		out.Config = &sarifConfig{sarifLevels[r.Severity]}
		out.Members = map[string]string{"problem.severity": githubProblem[r.Severity]}
	}
	return out
}

func sarifOf(d *diag.Diagnostic, h *Host, dir string) sarifResult {
	r := sarifResult{
		Level:     sarifLevels[d.Severity],
		Message:   sarifText(strings.Join(words(d), "\n")),
		Locations: []sarifLocation{},
	}
	if !d.Span.IsZero() {
		r.Locations = append(r.Locations, sarifLocation{Physical: sarifPlace(d.Span, h, dir)})
	}
	for _, x := range d.Related {
		if x.Span.IsZero() {
			r.Message.Text += "\n" + sarifText("note: "+Printable(x.Message)).Text
			continue
		}
		id, text := len(r.Related)+1, sarifText(Printable(x.Message))
		r.Related = append(r.Related, sarifLocation{ID: &id, Physical: sarifPlace(x.Span, h, dir), Message: &text})
	}
	for _, f := range d.Fixes {
		// A replacement is in an artifact that is there.
		if len(f.Edits) == 0 || slices.ContainsFunc(f.Edits, func(e diag.Edit) bool { return e.Create }) {
			continue
		}
		fix := sarifFix{Description: sarifText(Printable(f.Title))}
		var last *source.File
		for _, e := range f.Edits {
			if e.Span.File != last || last == nil {
				last = e.Span.File
				fix.Changes = append(fix.Changes, sarifChange{Artifact: sarifURI(last, h, dir)})
			}
			c := &fix.Changes[len(fix.Changes)-1]
			c.Replacements = append(c.Replacements, sarifReplacement{sarifRegionOf(e.Span), sarifContent{e.New}})
		}
		r.Fixes = append(r.Fixes, fix)
	}
	return r
}

// sarifSuppressions say who silenced a finding: a comment in its source, or the policy.
func sarifSuppressions(s *diag.Silenced, h *Host, dir string) []sarifSuppress {
	out := sarifSuppress{Kind: "inSource", Justification: Printable(s.Reason)}
	if s.Policy {
		out.Kind = "external"
	}
	if !s.By.IsZero() {
		out.Location = &sarifLocation{Physical: sarifPlace(s.By, h, dir)}
	}
	return []sarifSuppress{out}
}

func sarifPlace(s source.Span, h *Host, dir string) sarifPhysical {
	p := sarifPhysical{Artifact: sarifURI(s.File, h, dir)}
	if s.HasLine() {
		r := sarifRegionOf(s)
		p.Region = &r
	}
	return p
}

// sarifRegionOf is also the beginning of a file, where a text may be put in.
func sarifRegionOf(s source.Span) sarifRegion {
	if !s.HasLine() {
		return sarifRegion{1, 1, 1, 1}
	}
	a, z := s.Position(), s.EndPosition()
	return sarifRegion{a.Line, a.Column, z.Line, z.Column}
}

// sarifURI is relative to the working directory where it can be (3.4.3, RFC 3986).
func sarifURI(f *source.File, h *Host, dir string) sarifArtifact {
	name := h.path(f, dir)
	if len(name) > 1 && name[1] == ':' { // a drive of Windows
		name = "/" + name
	}
	if strings.HasPrefix(name, "/") {
		return sarifArtifact{URI: (&url.URL{Scheme: "file", Path: name}).String()}
	}
	return sarifArtifact{URI: (&url.URL{Path: name}).String(), Base: "%SRCROOT%"}
}

// placeholder is what a viewer of SARIF would fill in (3.11.5).
var placeholder = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\{(\d+)\}`) })

// sarifText is a message of words that are not ours alone: no text of a file becomes a
// link (3.11.6) or a placeholder.
func sarifText(s string) sarifMessage {
	if strings.Contains(s, "](") {
		s = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`).Replace(s)
	}
	return sarifMessage{Text: placeholder().ReplaceAllString(s, "{{$1}}")}
}
