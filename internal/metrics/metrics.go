// Package metrics writes numbers in the text format of Prometheus, which the textfile
// collector of its node_exporter reads.
//
// The format is https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format,
// version 0.0.4. It is written for a file that is read while it is there, so there are no times:
// the collector refuses them.
package metrics

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Type says what may be done with the numbers of a metric.
type Type string

// The types that are written. A counter only grows, until what counts begins anew with 0; a
// gauge goes up and down.
const (
	Counter Type = "counter"
	Gauge   Type = "gauge"
)

// A Metric is a name with its numbers. One without samples is not written.
//
// Names follow https://prometheus.io/docs/practices/naming/: the program, the thing, and a
// base unit in the plural (seconds, bytes) where there is one; a counter ends in _total, and
// nothing else does.
type Metric struct {
	Name    string
	Help    string // what it says, for people; not empty
	Type    Type
	Samples []Sample
}

// A Sample is one number, told from the others of its metric by its labels.
type Sample struct {
	Labels []Label // in any order; one without a value is the same as one that is not there
	Value  float64 // whole numbers from 2^53 on lose their last digits, as they do in Prometheus
}

// A Label is a name with a value. Any text can be a value: what is not UTF-8 in it is
// written as U+FFFD, and control characters as they are. So a value that is not to be
// trusted goes through report.Printable first, where a terminal may be the reader.
type Label struct{ Name, Value string }

// Write writes the metrics in the order of their names and samples in the order of their
// labels, so that the same numbers are the same bytes. It is an error, and nothing is
// written, when a name or a type is none, when a metric or a sample is there twice, or when a
// counter cannot be one. A number that is not is written: NaN, +Inf and -Inf are numbers of
// the format.
func Write(w io.Writer, list []Metric) error {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Metric) int { return cmp.Compare(a.Name, b.Name) })
	var b strings.Builder
	for i, m := range list {
		if i > 0 && list[i-1].Name == m.Name {
			return fmt.Errorf("the metric %q is there twice", m.Name)
		}
		if err := m.check(); err != nil {
			return err
		}
		lines := make([]line, 0, len(m.Samples))
		for _, s := range m.Samples {
			l, err := m.line(s)
			if err != nil {
				return err
			}
			lines = append(lines, l)
		}
		slices.SortFunc(lines, func(a, b line) int { return cmp.Compare(a.series, b.series) })
		for i, l := range lines {
			if i == 0 {
				fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", m.Name, helpEscapes.Replace(strings.ToValidUTF8(m.Help, "\ufffd")), m.Name, m.Type)
			} else if lines[i-1].series == l.series {
				return fmt.Errorf("the sample %s is there twice", l.series)
			}
			b.WriteString(l.series + " " + l.value + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// check is what the format and its conventions ask of a metric as a whole.
func (m *Metric) check() error {
	switch {
	case !isName(m.Name, true):
		return fmt.Errorf("%q is no name of a metric", m.Name)
	case m.Type != Counter && m.Type != Gauge:
		return fmt.Errorf("the metric %s has the type %q, which is not counter or gauge", m.Name, m.Type)
	case strings.HasSuffix(m.Name, "_total") != (m.Type == Counter):
		return fmt.Errorf("the metric %s is a %s: counters end in _total, and nothing else does", m.Name, m.Type)
	case m.Help == "":
		return fmt.Errorf("the metric %s does not say what it is", m.Name)
	}
	return nil
}

// A line is a sample in words: series is what tells it from all others.
type line struct{ series, value string }

func (m *Metric) line(s Sample) (line, error) {
	if m.Type == Counter && !(s.Value >= 0) {
		return line{}, fmt.Errorf("the counter %s is %v, and counters begin with 0 and grow", m.Name, s.Value)
	}
	labels := slices.Clone(s.Labels)
	slices.SortFunc(labels, func(a, b Label) int { return cmp.Compare(a.Name, b.Name) })
	var b strings.Builder
	b.WriteString(m.Name)
	between := "{"
	for i, l := range labels {
		switch {
		case !isName(l.Name, false):
			return line{}, fmt.Errorf("%q is no name of a label of %s", l.Name, m.Name)
		case i > 0 && labels[i-1].Name == l.Name:
			return line{}, fmt.Errorf("a sample of %s has the label %s twice", m.Name, l.Name)
		case l.Value == "":
			continue
		}
		b.WriteString(between + l.Name + `="` + valueEscapes.Replace(strings.ToValidUTF8(l.Value, "\ufffd")) + `"`)
		between = ","
	}
	if between == "," {
		b.WriteString("}")
	}
	return line{b.String(), number(s.Value)}, nil
}

// What is escaped differs: a help ends with its line, a value with its quote.
var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	valueEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// number writes a whole number with all its digits, as people read it, and others as short
// as they can be told from their neighbours.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// isName: [a-zA-Z_:][a-zA-Z0-9_:]* for metrics; without colons for labels, where two
// underscores at the beginning belong to Prometheus itself
// (https://prometheus.io/docs/concepts/data_model/).
func isName(s string, metric bool) bool {
	if s == "" || !metric && strings.HasPrefix(s, "__") {
		return false
	}
	for i, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', metric && c == ':', i > 0 && '0' <= c && c <= '9':
		default:
			return false
		}
	}
	return true
}
