// Package hclfile reads HCL files into blocks whose every place can be pointed at.
package hclfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// A Reader reads one file and collects what is wrong with it under one rule name.
type Reader struct {
	File  *source.File
	Rule  string
	Diags diag.List
}

// Limits on what HCL's parser calls itself for; a file that a person wrote has a
// hundredth of it.
const (
	maxNesting = 200  // brackets inside each other
	maxPrefix  = 1000 // "!" and "-" in a row
	maxChoices = 5000 // "?" in one file
	maxInside  = 5000 // "${" and "%{" in one file: directives open each other, and each takes time for all of a heredoc
)

// tooDeep is the offset at which a text asks more of HCL's parser than these limits, -1
// when it does not. The parser would run out of stack, which ends the process and cannot
// be caught. Brackets in texts and comments count too, which errs on the safe side.
func tooDeep(text []byte) int {
	nesting, prefix, choices, inside := 0, 0, 0, 0
	for i, c := range text {
		switch c {
		case '(', '[', '{':
			nesting++
			if c == '{' && i > 0 && (text[i-1] == '$' || text[i-1] == '%') {
				inside++
			}
		case ')', ']', '}':
			nesting = max(0, nesting-1)
		case '?':
			choices++
		}
		switch c {
		case '!', '-':
			prefix++
		case ' ', '\t':
		default:
			prefix = 0
		}
		if nesting > maxNesting || prefix > maxPrefix || choices > maxChoices || inside > maxInside {
			return i
		}
	}
	return -1
}

// Parse reads the file as HCL. The body is never nil; what could not be parsed is
// missing from it and is reported in Diags.
func (r *Reader) Parse() *hclsyntax.Body {
	if at := tooDeep(r.File.Text); at >= 0 {
		r.Diags = append(r.Diags, diag.Diagnostic{Rule: r.Rule, Severity: diag.Error, Span: r.File.Span(at, at+1),
			Message: "too many brackets or operators inside each other", Help: "is this the right file?"})
		return &hclsyntax.Body{}
	}
	if body, ok := parseQuick(r.File.Text, r.File.Name); ok {
		return body
	}
	parsed, diags := hclsyntax.ParseConfig(r.File.Text, r.File.Name, hcl.InitialPos)
	r.HCL(diags)
	if parsed == nil {
		return &hclsyntax.Body{}
	}
	return parsed.Body.(*hclsyntax.Body)
}

// Span is the place of an HCL range.
func (r *Reader) Span(rng hcl.Range) source.Span {
	return r.File.Span(rng.Start.Byte, rng.End.Byte)
}

// Error reports that something is wrong at a place, and what to do; help may be empty.
func (r *Reader) Error(rng hcl.Range, help, format string, args ...any) {
	r.Diags = append(r.Diags, diag.Diagnostic{
		Rule: r.Rule, Severity: diag.Error, Span: r.Span(rng), Message: fmt.Sprintf(format, args...), Help: help,
	})
}

// HCL takes over the findings of the HCL library in our own form: lower case, without
// a full stop.
func (r *Reader) HCL(diags hcl.Diagnostics) {
	for _, d := range diags {
		severity := diag.Error
		if d.Severity == hcl.DiagWarning {
			severity = diag.Warning
		}
		at := r.File.Span(0, 0)
		if d.Subject != nil {
			at = r.Span(*d.Subject)
		}
		r.Diags = append(r.Diags, diag.Diagnostic{
			Rule: r.Rule, Severity: severity, Span: at, Message: Sentence(d.Summary), Help: Sentence(d.Detail),
		})
	}
}

// Sentence is text of a library in the form of our messages: the first letter in lower
// case, no full stop at the end, no line breaks.
func Sentence(s string) string {
	s = strings.TrimSuffix(strings.Join(strings.Fields(s), " "), ".")
	if s == "" || len(s) > 1 && s[1] >= 'A' && s[1] <= 'Z' { // "HCL …" stays
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// A Shape says what a body may hold. Names are what people wrote; a name that is not
// listed is an error with a suggestion.
type Shape struct {
	Attrs    []string
	Required []string // of Attrs
	Blocks   []string
}

// Check reports every attribute and block of body that shape does not know, and the
// required attributes that are missing. where says in words what the body belongs to.
func (r *Reader) Check(body *hclsyntax.Body, shape Shape, where string, at hcl.Range) {
	for _, a := range Attributes(body) {
		if !slices.Contains(shape.Attrs, a.Name) {
			r.Error(a.NameRange, "", "%s has no attribute %q%s", where, a.Name, Suggest(a.Name, shape.Attrs))
		}
	}
	for _, b := range body.Blocks {
		if !slices.Contains(shape.Blocks, b.Type) {
			r.Error(b.TypeRange, "", "%s has no block %q%s", where, b.Type, Suggest(b.Type, shape.Blocks))
		}
	}
	for _, name := range shape.Required {
		if body.Attributes[name] == nil {
			r.Error(at, "", "%s needs the attribute %q", where, name)
		}
	}
}

// Label is the one label of a block; a block without exactly one is an error.
func (r *Reader) Label(b *hclsyntax.Block) (string, bool) {
	if len(b.Labels) != 1 || b.Labels[0] == "" {
		r.Error(b.TypeRange, fmt.Sprintf("write it as %s \"name\" { … }", b.Type), "the block %s needs exactly one name", b.Type)
		return "", false
	}
	return b.Labels[0], true
}

// Attributes are the attributes of body in the order in which they are written.
func Attributes(body *hclsyntax.Body) []*hclsyntax.Attribute {
	out := make([]*hclsyntax.Attribute, 0, len(body.Attributes))
	for _, a := range body.Attributes {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *hclsyntax.Attribute) int { return a.SrcRange.Start.Byte - b.SrcRange.Start.Byte })
	return out
}

// String is the value of a literal string attribute, "" when it is absent. Anything
// but a literal is an error.
func (r *Reader) String(body *hclsyntax.Body, name string) string {
	v, ok := r.literal(body, name)
	if !ok {
		return ""
	}
	if v.Type() != cty.String {
		r.Error(body.Attributes[name].Expr.Range(), "write it in double quotes", "%s is not a string", name)
		return ""
	}
	return v.AsString()
}

// Strings is the value of a literal list of strings, nil when it is absent.
func (r *Reader) Strings(body *hclsyntax.Body, name string) []string {
	v, ok := r.literal(body, name)
	if !ok {
		return nil
	}
	list, ok := stringList(v)
	if !ok {
		r.Error(body.Attributes[name].Expr.Range(), "write it as [\"a\", \"b\"]", "%s is not a list of strings", name)
	}
	return list
}

// Bool is the value of a literal true or false, false when it is absent.
func (r *Reader) Bool(body *hclsyntax.Body, name string) bool {
	v, ok := r.literal(body, name)
	if !ok {
		return false
	}
	if v.Type() != cty.Bool {
		r.Error(body.Attributes[name].Expr.Range(), "write true or false", "%s is neither true nor false", name)
		return false
	}
	return v.True()
}

// Literal is the value of an attribute that names no variable and calls no function;
// cty.NilVal when it is absent or, after a report, when it is not such.
func (r *Reader) Literal(body *hclsyntax.Body, name string) cty.Value {
	v, _ := r.literal(body, name)
	return v
}

func (r *Reader) literal(body *hclsyntax.Body, name string) (cty.Value, bool) {
	a := body.Attributes[name]
	if a == nil {
		return cty.NilVal, false
	}
	v, diags := a.Expr.Value(nil)
	r.HCL(diags)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	if v.IsNull() || !v.IsWhollyKnown() {
		r.Error(a.Expr.Range(), "", "%s has no value", name)
		return cty.NilVal, false
	}
	return v, true
}

func stringList(v cty.Value) ([]string, bool) {
	if !v.CanIterateElements() || v.Type().IsObjectType() || v.Type().IsMapType() {
		return nil, false
	}
	out := make([]string, 0, v.LengthInt())
	for _, e := range v.AsValueSlice() {
		if e.IsNull() || e.Type() != cty.String {
			return nil, false
		}
		out = append(out, e.AsString())
	}
	return out, true
}

// Suggest is `; did you mean "x"?` for the closest of the known names when one is
// close enough to be a slip, and "" otherwise.
func Suggest(name string, known []string) string {
	best := Closest(name, known)
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// Closest is the known name that name was probably meant to be, "" when none is near:
// one slip in a short word, in a long one up to a third of it.
func Closest(name string, known []string) string {
	best, limit := "", max(1, len(name)/3)
	for _, k := range known {
		if d := Slips(strings.ToLower(name), strings.ToLower(k)); d <= limit && (best == "" || d < limit) {
			best, limit = k, d
		}
	}
	return best
}

// Slips counts the letters added, left out, replaced or swapped with their neighbour
// that turn a into b (the optimal string alignment distance), 64 for words that are longer.
func Slips(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
