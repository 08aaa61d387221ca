package inventory

import (
	"cmp"
	"math/big"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"portolan/internal/catalog"
	"portolan/internal/source"
)

// origin is the mark that a value carries through every formula: where it was written.
// The mark is its address, which is compared and hashed many times.
type origin struct {
	span source.Span
	text string // what is written there, or the value of a default
	// setting is the name of the setting that says the value, or that would.
	setting string
	kind    originKind
	// open says of an absent value that it may stand where we could not look, which is span.
	open bool
	// words are for the label of a default: "35000 in 11.3.100".
	words string
}

type originKind uint8

const (
	written  originKind = iota // a value in a file
	builtin                    // a value in a file that stands for a built-in one
	nobody                     // a built-in value that nobody wrote; the span is in the catalogue
	basis                      // a value that chose between others, such as the version
	absent                     // a setting that is not in the file; the span is the file as a whole
	unknown                    // a value that is not known; words say why
	reported                   // a value that is not known, and a finding says so already
	option                     // the operator's choice, where eras are asked for; words are the name of the option
)

// origins are the marks of v and of everything in it, in order of files and places.
func origins(v cty.Value) []origin {
	if v == cty.NilVal {
		return nil
	}
	var out []origin
	for _, part := range cty.DeepValues(v) {
		for m := range part.Marks() {
			if o, ok := originOf(m); ok {
				out = append(out, o)
			}
		}
	}
	slices.SortFunc(out, func(a, b origin) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), strings.Compare(a.span.Name(), b.span.Name()), cmp.Compare(a.span.Start, b.span.Start), strings.Compare(a.text, b.text), strings.Compare(a.setting, b.setting),
			cmp.Compare(a.span.End, b.span.End), strings.Compare(a.words, b.words))
	})
	return slices.Compact(out)
}

// originOf is the origin in a mark.
func originOf(mark any) (origin, bool) {
	o, ok := mark.(*origin)
	if !ok {
		return origin{}, false
	}
	return *o, true
}

// withMarks is v with the marks of others.
func withMarks(v cty.Value, others ...cty.Value) cty.Value {
	return v.WithSameMarks(others...)
}

// intOf is the whole number in v; false when it is not known, null or not whole.
func intOf(v cty.Value) (int, bool) {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.Number {
		return 0, false
	}
	n, accuracy := v.AsBigFloat().Int64()
	if accuracy != big.Exact || n < -1<<31 || n > 1<<31 {
		return 0, false
	}
	return int(n), true
}

// textOf is the text in v; false when it is not known, null or no text.
func textOf(v cty.Value) (string, bool) {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

func scalarValue(s catalog.Scalar) cty.Value {
	if s.IsNumber {
		return cty.NumberIntVal(int64(s.Number))
	}
	return cty.StringVal(s.Text)
}
