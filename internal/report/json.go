package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// The words of the object that JSON writes. Fields are only ever added; a change of
// meaning is a new version.
type (
	jsonReport struct {
		Version  int           `json:"version"`
		Findings []jsonFinding `json:"findings"`
		Summary  jsonSummary   `json:"summary"`
	}
	jsonSummary struct {
		Error   int `json:"error"`
		Warning int `json:"warning"`
		Info    int `json:"info"`
	}
	jsonFinding struct {
		Rule     string `json:"rule"`
		Severity string `json:"severity"`
		Message  string `json:"message"`
		jsonPlace
		Related []jsonRelated `json:"related"`
		Notes   []string      `json:"notes"`
		Help    string        `json:"help"`
		Fixes   []jsonFix     `json:"fixes"`
	}
	jsonPlace struct {
		File      string `json:"file"`
		Line      int    `json:"line"`
		Column    int    `json:"column"`
		EndLine   int    `json:"end_line"`
		EndColumn int    `json:"end_column"`
	}
	jsonRelated struct {
		jsonPlace
		Message string `json:"message"`
	}
	jsonFix struct {
		Title  string     `json:"title"`
		Safety string     `json:"safety"`
		Edits  []jsonEdit `json:"edits"`
	}
	jsonEdit struct {
		jsonPlace
		New string `json:"new"`
	}
)

// JSON writes one object, version 1. Lines and columns count from 1, columns in
// characters, and the end is the place just after the last character; all four are 0
// where no line exists. An empty list is [] and never null. Bytes that are not UTF-8
// become U+FFFD, which is all that JSON can say. Options change nothing.
func JSON(w io.Writer, l diag.List, _ Options) error {
	report := jsonReport{
		Version:  1,
		Findings: make([]jsonFinding, len(l)),
		Summary:  jsonSummary{l.Count(diag.Error), l.Count(diag.Warning), l.Count(diag.Info)},
	}
	for i, d := range l {
		report.Findings[i] = jsonFinding{
			Rule:      d.Rule,
			Severity:  d.Severity.String(),
			Message:   d.Message,
			jsonPlace: placeOf(d.Span),
			Related:   each(d.Related, func(r diag.Related) jsonRelated { return jsonRelated{placeOf(r.Span), r.Message} }),
			Notes:     append([]string{}, d.Notes...),
			Help:      d.Help,
			Fixes: each(d.Fixes, func(f diag.Fix) jsonFix {
				return jsonFix{f.Title, f.Safety.String(), each(f.Edits, func(e diag.Edit) jsonEdit {
					return jsonEdit{placeOf(e.Span), e.New}
				})}
			}),
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(report); err != nil {
		return err
	}
	_, err := w.Write(escape(b.Bytes()))
	return err
}

func placeOf(s source.Span) jsonPlace {
	a, z := s.Position(), s.EndPosition()
	return jsonPlace{s.Name(), a.Line, a.Column, z.Line, z.Column}
}

// each maps a list and is never nil, so that it is written as [].
func each[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}

// escape writes what a terminal could act on as \uXXXX. The encoder does that for the
// ASCII controls only, and U+009B alone starts a control sequence in some terminals.
// Such characters can stand inside strings only, so the text means the same.
func escape(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == '\n' || unicode.IsPrint(r):
			out = append(out, text[:size]...)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out
}
