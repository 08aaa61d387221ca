package inventory

import (
	"cmp"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"portolan/internal/catalog"
	"portolan/internal/conf"
	"portolan/internal/diag"
	"portolan/internal/source"
)

// evaluator works out the expressions of one description for one document.
type evaluator struct {
	service  *catalog.Service
	spec     *catalog.FileSpec
	doc      *conf.Document            // the main file
	sides    map[string]*conf.Document // the others, by role
	os       string
	tree     *source.Tree // of the main file; nil without
	services *conf.Node   // rows of /etc/services, once somebody asked
	version  cty.Value    // marked text; null when the file does not tell
	ctx      *hcl.EvalContext
	diags    diag.List
	said     map[source.Span]bool // values a finding was made about
	touched  map[*conf.Node]bool  // settings a finding about duplicates was made for
	lacks    map[string][]string  // settings that were looked for and are not there: their sections
	tools    *toolbox             // lent by prepare
	doubles  []double
	missed   []miss              // what was not there
	missing  map[miss]bool       // the same
	readers  []*catalog.Service  // services that read one of the files, itself too
	lower    [][]byte            // see descriptions
	words    map[string]int      // of names, by the number of names that have them; see isWord
	listed   map[*conf.Node]bool // nodes that the description takes all of
	budget   catalog.Budget      // of all its expressions
	quiet    bool                // a placeholder is no finding
	over     bool                // the budget is used up, and a finding says so
	assumed  string              // a version that nobody wrote, see Eras; "" for that of the file
}

// maxWork is the budget of one instance. The real files that we know take up to 10,000, and
// one with 500 of everything, the most that is followed, some 100,000 to a million. It is
// spent in about a second.
const maxWork = 2_000_000

// What is paid for beside the values of expressions.
const (
	sourceUnit  = 4  // bytes of an expression for the price of one value
	nodesUnit   = 32 // nodes that a path looks at
	priceClaim  = 16
	priceReason = 8 // a step on the way to why something is off
)

// prepare makes the functions ready, which is all that a content test needs, until the
// function that it returns is called.
func (e *evaluator) prepare() (done func()) {
	e.said, e.touched, e.listed = map[source.Span]bool{}, map[*conf.Node]bool{}, map[*conf.Node]bool{}
	e.missing = map[miss]bool{}
	e.tools = toolboxes.Get().(*toolbox)
	e.tools.e = e
	e.version = cty.NullVal(cty.String)
	e.budget = catalog.Budget{Left: maxWork, Over: cty.DynamicVal.Mark(&origin{kind: reported})}
	name, budget := e.budget.Variable()
	e.ctx = &hcl.EvalContext{Functions: e.tools.functions, Variables: map[string]cty.Value{name: budget}}
	return func() {
		e.tools.e = nil
		toolboxes.Put(e.tools)
	}
}

// holds asks a content test of the description.
func (e *evaluator) holds(test hcl.Expression) bool {
	v, _ := e.value(test, e.ctx).Unmark()
	return e.is(test, "this", v, cty.Bool, "ask the file: section(name), has(path)") && v.IsKnown() && !v.IsNull() && v.True()
}

// evaluate works out the defaults and the options.
func (e *evaluator) evaluate(choices map[string]string) {
	s := e.service
	switch {
	case e.assumed != "":
		e.version = cty.StringVal(e.assumed)
	case s.Version != nil:
		e.version = e.value(s.Version, e.ctx)
	}
	for i := range s.Defaults {
		e.ctx.Variables[catalog.Variable("default", s.Defaults[i].Name)] = e.defaultValue(&s.Defaults[i])
	}
	for _, o := range s.Options {
		choice, ok := choices[o.Name]
		if !ok {
			choice = o.Default
		}
		v := scalarValue(o.Value[choice])
		if e.assumed != "" {
			v = v.Mark(&origin{kind: option, text: choice, words: o.Name})
		}
		e.ctx.Variables[catalog.Variable("option", o.Name)] = v
	}
}

// locals works out the local values of a group.
func (e *evaluator) locals(g *catalog.Group, ctx *hcl.EvalContext) {
	for _, l := range g.Locals {
		ctx.Variables[catalog.Variable("local", l.Name)] = e.value(l.Expr, ctx)
	}
}

// value evaluates an expression. An expression that fails is a mistake in the
// description: it is reported there, and its value is not known.
func (e *evaluator) value(expr hcl.Expression, ctx *hcl.EvalContext) cty.Value {
	if e.spent() {
		return e.budget.Over
	}
	r := expr.Range()
	e.budget.Spend(1 + (r.End.Byte-r.Start.Byte)/sourceUnit)
	v, diags := expr.Value(ctx)
	if e.spent() { // what came of it is not the whole
		return e.budget.Over
	}
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			r := expr.Range()
			if d.Subject != nil {
				r = *d.Subject
			}
			found := diag.Diagnostic{Rule: catalog.Rule, Severity: diag.Error,
				Span:    e.service.Source.Span(r.Start.Byte, r.End.Byte),
				Message: fmt.Sprintf("the description of %s fails for %s: %s", e.service.ID, e.doc.File.Name, strings.ToLower(d.Summary)),
				Help:    firstLine(d.Detail)}
			if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d); ok && catalog.Functions[call.CalledFunctionName()] != "" {
				found.Notes = []string{catalog.Functions[call.CalledFunctionName()]}
			}
			if d.Summary == "Invalid index" {
				found.Help = "the list may have no such item: write first(LIST...) for the first one or null"
			}
			e.diags = append(e.diags, found)
			return cty.DynamicVal.Mark(&origin{kind: reported})
		}
	}
	return v
}

// mistake reports what is wrong with an expression of the description.
func (e *evaluator) mistake(expr hcl.Expression, message, help string) {
	r := expr.Range()
	e.diags = append(e.diags, diag.Diagnostic{Rule: catalog.Rule, Severity: diag.Error, Span: e.service.Source.Span(r.Start.Byte, r.End.Byte),
		Message: fmt.Sprintf("the description of %s fails for %s: %s", e.service.ID, e.doc.File.Name, message), Help: help})
}

// spent reports whether the budget is used up, and says so once.
func (e *evaluator) spent() bool {
	if e.budget.Spent() && !e.over {
		e.over = true
		e.diags = append(e.diags, diag.Diagnostic{Rule: "out-of-range-value", Severity: diag.Warning, Span: e.doc.File.Span(0, 0),
			Message: fmt.Sprintf("%s comes to more than is worked out for %s: some of its ports are not known", e.doc.File.Name, e.service.ID),
			Help:    "check that it is the right file"})
	}
	return e.over
}

// firstLine is what a person can use of an error of the evaluation.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s[:min(len(s), 200)]
}

// defaultValue is the built-in value of this version on this system, or an unknown one
// that says why.
func (e *evaluator) defaultValue(d *catalog.Default) cty.Value {
	version, known := textOf(e.version)
	known = known && version != ""
	elsewhere := false // another system has one
	for i := range d.Cases {
		c := &d.Cases[i]
		words := c.Value.String() + " by default"
		if c.Since != "" || c.Before != "" {
			if !known || !inVersions(version, c) {
				continue
			}
			words = fmt.Sprintf("%s in %s", c.Value, version)
			if e.assumed != "" {
				words = c.Value.String() + " " + c.Words()
			}
		}
		if c.OS != "" && c.OS != e.os {
			elsewhere = true
			continue
		}
		v := scalarValue(c.Value).Mark(&origin{span: c.Span, text: c.Value.String(), kind: nobody, words: words, setting: d.Setting})
		if c.Since != "" || c.Before != "" {
			for _, o := range origins(e.version) {
				o.kind = basis
				v = v.Mark(&o)
			}
		}
		return v
	}
	why := "the default of " + d.Setting + " is not known for version " + version
	switch {
	case elsewhere && e.os == "":
		why = "the default of " + d.Setting + " depends on the system, and which that is is not known"
	case elsewhere:
		why = "the default of " + d.Setting + " is not known on " + e.os
	case e.assumed != "":
		why = "the default of " + d.Setting + " is not documented"
	case !known:
		why = "the default of " + d.Setting + " depends on the version, and the file does not say its version"
	}
	return cty.DynamicVal.Mark(&origin{span: d.Span, kind: unknown, words: why, setting: d.Setting})
}

// inVersions reports whether a version is one that a case speaks of.
func inVersions(version string, c *catalog.Case) bool {
	if c.Since != "" {
		if order, ok := compareVersions(version, c.Since); !ok || order < 0 {
			return false
		}
	}
	if c.Before != "" {
		if order, ok := compareVersions(version, c.Before); !ok || order >= 0 {
			return false
		}
	}
	return true
}

// absence marks a value that nobody wrote: the file as a whole, or the gap in it where
// it may stand.
func (e *evaluator) absence(key string) *origin {
	return &origin{span: e.doc.File.Span(0, 0), kind: absent, setting: key}
}

// textValue is the text of a setting with its origin; name is what people call an attribute
// of XML, which has none of its own. A template's placeholder is not known: what will stand there is not ours to guess.
func (e *evaluator) textValue(n *conf.Node, name string) cty.Value {
	if !strings.HasPrefix(n.Name, "@") {
		name = n.Name
	}
	at := n.ValueSpan
	if n.Value == "" {
		at = n.NameSpan // an empty value has no text to point at
	}
	o := origin{span: at, text: n.Value, setting: name, kind: written}
	if conf.IsPlaceholder(n.Value) && !commandLine(n) {
		o.kind = reported
		if !e.quiet {
			e.placeholder(at, name)
		}
		return cty.UnknownVal(cty.String).Mark(&o)
	}
	return cty.StringVal(n.Value).Mark(&o)
}

// commandLine reports whether a setting is one of a systemd unit in which ${X} is a variable
// of the environment: the words of it that hold one are not known, and the others are.
func commandLine(n *conf.Node) bool {
	return strings.HasPrefix(n.Name, "Exec") && strings.Contains(n.Value, "${")
}

// say makes at most one finding about a place.
func (e *evaluator) say(at source.Span, d diag.Diagnostic) {
	if e.said[at] {
		return
	}
	e.said[at] = true
	d.Span = at
	e.diags = append(e.diags, d)
}

// orDefault is dflt when v is null or a word that stands for the built-in value, and
// what read makes of its text otherwise.
func (e *evaluator) orDefault(t cty.Type, v, dflt cty.Value, read func(text string, v, dflt cty.Value) cty.Value) (cty.Value, error) {
	if got := dflt.Type(); got != t && got != cty.DynamicPseudoType && !dflt.IsNull() {
		return cty.NilVal, fmt.Errorf("the default is %s and not %s", kind(got), kind(t))
	}
	plain, marks := v.Unmark()
	if !plain.IsKnown() {
		return cty.UnknownVal(t).WithMarks(marks), nil
	}
	if plain.IsNull() {
		if gap, open := mayStandElsewhere(marks); open {
			return cty.UnknownVal(t).Mark(&origin{span: gap, kind: unknown, words: notRead}), nil
		}
		return standIn(t, marks, dflt), nil
	}
	text := plain.AsString()
	for _, w := range e.spec.DefaultWords {
		if strings.EqualFold(text, w) {
			return standIn(t, marks, dflt), nil
		}
	}
	return read(text, v, dflt), nil
}

// notRead is why a value is not known that is not in what was read.
const notRead = "a part of the configuration could not be read, and it may set the value"

// mayStandElsewhere reports whether what we did not read may say a value, and where that is.
func mayStandElsewhere(marks cty.ValueMarks) (gap source.Span, open bool) {
	for m := range marks {
		if o, ok := originOf(m); ok && o.open {
			return o.span, true
		}
	}
	return source.Span{}, false
}

// standIn is a built-in value in the place of one with the given marks. Where text stands
// for it, such as the word "default" or a host without a port, that text is its origin,
// and the words of the default say what it stands for. Otherwise its origin is the
// catalogue.
func standIn(t cty.Type, marks cty.ValueMarks, dflt cty.Value) cty.Value {
	value, own := dflt.Unmark()
	if value.IsNull() {
		why := "it is not set, and its default is not documented"
		for m := range marks {
			if o, ok := originOf(m); ok && o.kind == written { // such as a name of a port that nobody knows
				why = "what is written says none, and its default is not documented"
			}
		}
		return cty.UnknownVal(t).WithMarks(marks).Mark(&origin{kind: unknown, words: why})
	}
	own = maps.Clone(own)
	if own == nil { // a literal in the description
		own = cty.ValueMarks{}
	}
	for m := range marks {
		o, ok := originOf(m)
		if ok && o.kind == written {
			o.kind = builtin
			for k := range own {
				if d, ok := originOf(k); ok && d.kind == nobody {
					o.words = d.words
					delete(own, k)
				}
			}
			m = &o
		}
		own[m] = struct{}{}
	}
	if !value.IsKnown() { // of no type, see defaultValue
		value = cty.UnknownVal(t)
	}
	return value.WithMarks(own)
}

// number reads digits as the services do, with atoi: blanks in front, then digits, and
// what follows them is ignored. Leading zeros are not octal. What services accept but
// people misread is reported; what is no number from 0 to limit is not known.
func (e *evaluator) number(text string, v cty.Value, limit int) cty.Value {
	at, name := placeOf(v)
	trimmed := strings.TrimLeft(text, " \t")
	digits := len(trimmed) - len(strings.TrimLeft(trimmed, "0123456789"))
	if digits == 0 || misleading(trimmed[digits:]) {
		return e.noNumber(text, name, at, v, limit)
	}
	n, err := strconv.Atoi(trimmed[:digits])
	if err != nil || n > limit {
		return e.impossible(at, v, fmt.Sprintf("%s is above %d", name, limit), numbers(limit))
	}
	plain := strconv.Itoa(n)
	if trimmed != plain {
		severity, note := diag.Info, "the service ignores leading zeros"
		if digits < len(trimmed) {
			severity, note = diag.Warning, "most services ignore what follows the digits; of this one it is not documented"
		}
		e.say(at, diag.Diagnostic{Rule: "number-spelling", Severity: severity,
			Message: fmt.Sprintf("%s is read as %s", name, plain), Label: "read as " + plain, Notes: []string{note}, Help: "write " + plain})
	}
	return withMarks(cty.NumberIntVal(int64(n)), v)
}

// misleading reports whether what follows the digits makes another number of them to
// people: 0x61a8, 25,000, 1e4, 5.0.
func misleading(rest string) bool {
	return len(rest) > 1 && strings.IndexByte(",.'_xXeE", rest[0]) >= 0 && strings.IndexByte("0123456789abcdefABCDEF", rest[1]) >= 0
}

func (e *evaluator) impossible(at source.Span, v cty.Value, message, help string) cty.Value {
	e.say(at, diag.Diagnostic{Rule: "out-of-range-value", Severity: diag.Error, Message: message, Help: help})
	_, marks := v.Unmark()
	return cty.UnknownVal(cty.Number).WithMarks(marks).Mark(&origin{span: at, kind: reported})
}

// placeOf is where a value was written and the name of its setting.
func placeOf(v cty.Value) (source.Span, string) {
	for _, o := range origins(v) {
		return o.span, cmp.Or(o.setting, "the value")
	}
	return source.Span{}, "the value"
}
