package report

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// The words of the object that JSON writes. Fields are only ever added; a change of
// meaning is a new version.
type (
	jsonSummary struct {
		Error   int `json:"error"`
		Warning int `json:"warning"`
		Info    int `json:"info"`
		unseen
	}
	jsonHost struct {
		Root string `json:"root"`
		jsonSummary
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
		Ports   []jsonPorts   `json:"ports,omitempty"` // only where the finding is about ports
		Root    string        `json:"root,omitempty"`  // only where there are many hosts
		// Fingerprint names the finding for as long as its line says the same.
		Fingerprint string `json:"fingerprint"`
	}
	jsonPorts struct {
		Protocol string `json:"protocol"`
		First    uint16 `json:"first"`
		Last     uint16 `json:"last"`
	}
	jsonIgnored struct {
		jsonFinding
		Reason string    `json:"reason"`
		By     jsonPlace `json:"by"` // where somebody says so
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
		New    string `json:"new"`
		Create bool   `json:"create,omitempty"` // the file is not there yet
	}
)

// writeJSON writes one object, version 1. Lines and columns count from 1, columns in
// characters, and the end is the place just after the last character; all four are 0
// where no line exists. An empty list is [] and never null. Bytes that are not UTF-8
// become U+FFFD, which is all that JSON can say. Where there are many hosts, each finding
// names its host as its root, and each host has a line that counts its findings. Findings
// that somebody silenced are a list of their own, which is left out where there are none;
// those of a baseline are a number. Ports are the runs of ports of this host that a finding
// is about, both ends inclusive, ascending by protocol and port; they are left out where it is
// about none.
func writeJSON(w io.Writer, hosts iter.Seq[Host], o Options) error {
	out := objects{w: bufio.NewWriter(w)}
	out.text("{\n  \"version\": 1,\n  \"findings\": ")
	var all counts
	var rest unseen
	var each []jsonHost
	var ignored []jsonIgnored
	out.list("  ", func(item func(any)) {
		for h := range hosts {
			var of counts
			of.add(h.Findings)
			for i, n := range of {
				all[i] += n
			}
			var aside unseen
			aside.add(&h)
			rest.add(&h)
			root := ""
			if o.Fleet && h.Root != "" {
				root = filepath.ToSlash(h.Root)
				each = append(each, jsonHost{root, summaryOf(&of, aside)})
			}
			prints, _, silenced := h.Fingerprints(o.Dir)
			for i := range h.Findings {
				item(jsonOf(&h.Findings[i], root, prints[i]))
			}
			for i := range h.Ignored {
				s := &h.Ignored[i]
				ignored = append(ignored, jsonIgnored{jsonOf(&s.Diagnostic, root, silenced[i]), s.Reason, placeOf(s.By)})
			}
		}
	})
	if len(ignored) > 0 {
		out.text(",\n  \"ignored\": ")
		out.list("  ", func(item func(any)) {
			for i := range ignored {
				item(ignored[i])
			}
		})
	}
	if o.Fleet {
		out.text(",\n  \"hosts\": ")
		out.list("  ", func(item func(any)) {
			for _, h := range each {
				item(h)
			}
		})
	}
	out.text(",\n  \"summary\": ")
	out.value("  ", summaryOf(&all, rest))
	out.text("\n}\n")
	return out.end()
}

func summaryOf(c *counts, rest unseen) jsonSummary {
	return jsonSummary{c[diag.Error], c[diag.Warning], c[diag.Info], rest}
}

func jsonOf(d *diag.Diagnostic, root, fingerprint string) jsonFinding {
	return jsonFinding{
		Rule:      d.Rule,
		Severity:  d.Severity.String(),
		Message:   d.Message,
		jsonPlace: placeOf(d.Span),
		Related:   each(d.Related, func(r diag.Related) jsonRelated { return jsonRelated{placeOf(r.Span), r.Message} }),
		Notes:     append([]string{}, d.Notes...),
		Help:      d.Help,
		Fixes: each(d.Fixes, func(f diag.Fix) jsonFix {
			return jsonFix{f.Title, f.Safety.String(), each(f.Edits, func(e diag.Edit) jsonEdit {
				return jsonEdit{placeOf(e.Span), e.New, e.Create}
			})}
		}),
		Ports:       portsOf(d.Ports),
		Root:        root,
		Fingerprint: fingerprint,
	}
}

// portsOf is a line for each run of ports.
func portsOf(list []diag.Ports) []jsonPorts {
	var out []jsonPorts
	for _, p := range list {
		for r := range p.Set.Each() {
			out = append(out, jsonPorts{p.Proto.String(), r.First, r.Last})
		}
	}
	return out
}

// objects writes JSON piece by piece, so that a report of many hosts needs the memory of
// one. The buffer remembers the first error of the writer until end.
type objects struct {
	w   *bufio.Writer
	err error // of the encoder
}

func (o *objects) text(s string) { o.w.WriteString(s) }

// value writes v, indented by two blanks a level; lines behind the first begin with
// indent.
func (o *objects) value(indent string, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent(indent, "  ")
	if err := enc.Encode(v); err != nil && o.err == nil {
		o.err = err
	}
	o.w.Write(escape(bytes.TrimSuffix(b.Bytes(), []byte{'\n'})))
}

// list writes the items that fill hands to its argument, one after the other.
func (o *objects) list(indent string, fill func(item func(any))) {
	n := 0
	o.text("[")
	fill(func(v any) {
		if n++; n > 1 {
			o.text(",")
		}
		o.text("\n" + indent + "  ")
		o.value(indent+"  ", v)
	})
	if n > 0 {
		o.text("\n" + indent)
	}
	o.text("]")
}

func (o *objects) end() error { return cmp.Or(o.err, o.w.Flush()) }

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
