package inventory

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"portolan/internal/catalog"
	"portolan/internal/conf"
	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/source"
)

// evaluator works out the expressions of one description for one document.
type evaluator struct {
	service *catalog.Service
	spec    *catalog.FileSpec
	doc     *conf.Document
	os      string
	version cty.Value // marked text; null when the file does not tell
	ctx     *hcl.EvalContext
	diags   diag.List
	said    map[source.Span]bool // values a finding was made about
	touched map[*conf.Node]bool  // settings a finding about duplicates was made for
}

// prepare makes the functions ready, which is all that a content test needs.
func (e *evaluator) prepare() {
	e.version = cty.NullVal(cty.String)
	e.ctx = &hcl.EvalContext{Functions: e.functions(), Variables: map[string]cty.Value{}}
}

// accepts asks the content test of the description.
func (e *evaluator) accepts() bool {
	if e.spec.Accept == nil {
		return true
	}
	v, _ := e.value(e.spec.Accept, e.ctx).Unmark()
	return v.IsKnown() && !v.IsNull() && v.Type() == cty.Bool && v.True()
}

// evaluate works out the defaults, the options and the local values.
func (e *evaluator) evaluate(choices map[string]string) {
	s := e.service
	if s.Version != nil {
		e.version = e.value(s.Version, e.ctx)
	}
	defaults, options, locals := map[string]cty.Value{}, map[string]cty.Value{}, map[string]cty.Value{}
	for i := range s.Defaults {
		defaults[s.Defaults[i].Name] = e.defaultValue(&s.Defaults[i])
	}
	for _, o := range s.Options {
		choice, ok := choices[o.Name]
		if !ok {
			choice = o.Default
		}
		options[o.Name] = scalarValue(o.Value[choice])
	}
	e.ctx.Variables["default"] = cty.ObjectVal(defaults)
	e.ctx.Variables["option"] = cty.ObjectVal(options)
	for _, l := range s.Locals {
		locals[l.Name] = e.value(l.Expr, e.ctx)
		e.ctx.Variables["local"] = cty.ObjectVal(locals)
	}
}

// value evaluates an expression. An expression that fails is a mistake in the
// description: it is reported there, and its value is not known.
func (e *evaluator) value(expr hcl.Expression, ctx *hcl.EvalContext) cty.Value {
	v, diags := expr.Value(ctx)
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			r := expr.Range()
			if d.Subject != nil {
				r = *d.Subject
			}
			e.diags = append(e.diags, diag.Diagnostic{Rule: catalog.Rule, Severity: diag.Error,
				Span:    e.service.Source.Span(r.Start.Byte, r.End.Byte),
				Message: fmt.Sprintf("the description of %s fails for %s: %s", e.service.ID, e.doc.File.Name, strings.ToLower(d.Summary)),
				Help:    firstLine(d.Detail)})
			return cty.DynamicVal.Mark(origin{kind: reported})
		}
	}
	return v
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
	for i := range d.Cases {
		c := &d.Cases[i]
		if c.OS != "" && c.OS != e.os {
			continue
		}
		words := fmt.Sprintf("%s in %s", c.Value, version)
		if c.Since != "" || c.Before != "" {
			if !known {
				continue
			}
			if !inVersions(version, c) {
				continue
			}
		} else {
			words = c.Value.String() + " by default"
		}
		v := scalarValue(c.Value).Mark(origin{span: c.Span, text: c.Value.String(), kind: nobody, words: words, setting: d.Setting})
		if c.Since != "" || c.Before != "" {
			for _, o := range origins(e.version) {
				o.kind = basis
				v = v.Mark(o)
			}
		}
		return v
	}
	why := "the default of " + d.Setting + " is not known for version " + version
	if !known {
		why = "the default of " + d.Setting + " depends on the version, and the file does not say its version"
	}
	return cty.UnknownVal(cty.Number).Mark(origin{span: d.Span, kind: unknown, words: why, setting: d.Setting})
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

// functions are those of catalog.Functions.
func (e *evaluator) functions() map[string]function.Function {
	text := func(name string) function.Parameter {
		return function.Parameter{Name: name, Type: cty.String, AllowNull: true, AllowMarked: true, AllowUnknown: true}
	}
	dynamic := func(name string) function.Parameter {
		return function.Parameter{Name: name, Type: cty.DynamicPseudoType, AllowNull: true, AllowMarked: true, AllowUnknown: true, AllowDynamicType: true}
	}
	// fn is a function whose result has the given type; it sees marks and nulls.
	fn := func(t cty.Type, impl func(args []cty.Value) (cty.Value, error), params ...function.Parameter) function.Function {
		return function.New(&function.Spec{Params: params, Type: function.StaticReturnType(t),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return impl(args) }})
	}
	withDefault := func(read func(text string, v, dflt cty.Value) cty.Value) func([]cty.Value) (cty.Value, error) {
		return func(args []cty.Value) (cty.Value, error) { return e.orDefault(args[0], args[1], read), nil }
	}
	return map[string]function.Function{
		"setting":  fn(cty.String, func(a []cty.Value) (cty.Value, error) { return e.setting(a) }, text("section"), text("key")),
		"settings": fn(cty.List(cty.String), func(a []cty.Value) (cty.Value, error) { return e.settings(a) }, text("section"), text("key")),
		"section":  fn(cty.Bool, func(a []cty.Value) (cty.Value, error) { return e.hasSection(a) }, text("name")),
		"port":     fn(cty.Number, withDefault(func(s string, v, _ cty.Value) cty.Value { return e.number(s, v, port.Max) }), text("text"), dynamic("default")),
		"number":   fn(cty.Number, withDefault(func(s string, v, _ cty.Value) cty.Value { return e.number(s, v, 1<<30) }), text("text"), dynamic("default")),
		"text": fn(cty.String, withDefault(func(s string, v, _ cty.Value) cty.Value {
			return withMarks(cty.StringVal(s), v)
		}), text("text"), dynamic("default")),
		"items":    fn(cty.List(cty.String), items, text("text"), text("separator")),
		"hostport": fn(hostPortType, func(a []cty.Value) (cty.Value, error) { return e.hostport(a[0]), nil }, text("text")),
		"numeric":  fn(cty.String, numeric, text("text")),
		"first": function.New(&function.Spec{VarParam: ptr(dynamic("values")),
			Type: func(args []cty.Value) (cty.Type, error) { return firstOf(args).Type(), nil },
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return firstOf(args), nil }}),
		"length":   stdlib.LengthFunc,
		"lower":    stdlib.LowerFunc,
		"contains": stdlib.ContainsFunc,
		"flatten":  stdlib.FlattenFunc,
		"max":      stdlib.MaxFunc,
		"min":      stdlib.MinFunc,
	}
}

func ptr[T any](v T) *T { return &v }

// find are the settings of a section with a key, in order. Names match in any case:
// whether the services themselves care is not documented.
func (e *evaluator) find(section, key string) []*conf.Node {
	var found []*conf.Node
	look := func(list []*conf.Node) {
		for _, n := range list {
			if n.Kind == conf.Setting && strings.EqualFold(n.Name, key) {
				found = append(found, n)
			}
		}
	}
	if section == "" {
		look(e.doc.Root.Children)
		return found
	}
	for _, n := range e.doc.Root.Children {
		if n.Kind == conf.Section && strings.EqualFold(n.Name, section) {
			look(n.Children)
		}
	}
	return found
}

// names are the section and the key of a call. They are literals in descriptions.
func names(args []cty.Value) (section, key string, err error) {
	section, ok1 := textOf(args[0])
	key, ok2 := textOf(args[1])
	if !ok1 || !ok2 {
		return "", "", errors.New("section and key must be texts")
	}
	return section, key, nil
}

func (e *evaluator) setting(args []cty.Value) (cty.Value, error) {
	section, key, err := names(args)
	if err != nil {
		return cty.NilVal, err
	}
	found := e.find(section, key)
	if len(found) == 0 {
		return cty.NullVal(cty.String).Mark(e.absence(key)), nil
	}
	last := found[len(found)-1]
	for _, n := range found[:len(found)-1] {
		if n.Value != last.Value && !e.touched[n] {
			e.touched[n] = true
			e.diags = append(e.diags, diag.Diagnostic{Rule: "ambiguous-line", Severity: diag.Warning, Span: n.ValueSpan,
				Message: fmt.Sprintf("%s is set twice with different values: readers differ on which one counts", n.Name),
				Related: []diag.Related{{Span: last.ValueSpan, Message: "set again here; this value is used"}},
				Help:    "remove one of them"})
		}
	}
	return e.textValue(last), nil
}

func (e *evaluator) settings(args []cty.Value) (cty.Value, error) {
	section, key, err := names(args)
	if err != nil {
		return cty.NilVal, err
	}
	var out []cty.Value
	for _, n := range e.find(section, key) {
		out = append(out, e.textValue(n))
	}
	if len(out) == 0 {
		return cty.ListValEmpty(cty.String), nil
	}
	return cty.ListVal(out), nil
}

func (e *evaluator) hasSection(args []cty.Value) (cty.Value, error) {
	name, ok := textOf(args[0])
	if !ok {
		return cty.NilVal, errors.New("the name must be a text")
	}
	for _, n := range e.doc.Root.Children {
		if n.Kind == conf.Section && strings.EqualFold(n.Name, name) {
			return cty.True, nil
		}
	}
	return cty.False, nil
}

// absence marks a value that nobody wrote: the file as a whole, or the gap in it where
// it may stand.
func (e *evaluator) absence(key string) origin {
	return origin{span: e.doc.File.Span(0, 0), kind: absent, setting: key}
}

// textValue is the text of a setting with its origin. A template's placeholder is not
// known: what will stand there is not ours to guess.
func (e *evaluator) textValue(n *conf.Node) cty.Value {
	at := n.ValueSpan
	if n.Value == "" {
		at = n.NameSpan // an empty value has no text to point at
	}
	o := origin{span: at, text: n.Value, setting: n.Name, kind: written}
	if conf.IsPlaceholder(n.Value) {
		e.say(at, diag.Diagnostic{Rule: "template-value", Severity: diag.Warning,
			Message: fmt.Sprintf("%s is still a template: what it will be is not known", n.Name), Label: "placeholder",
			Help: "check the file after the template was filled in"})
		o.kind = reported
		return cty.UnknownVal(cty.String).Mark(o)
	}
	return cty.StringVal(n.Value).Mark(o)
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
func (e *evaluator) orDefault(v, dflt cty.Value, read func(text string, v, dflt cty.Value) cty.Value) cty.Value {
	plain, marks := v.Unmark()
	if !plain.IsKnown() {
		return cty.UnknownVal(cty.Number).WithMarks(marks)
	}
	if plain.IsNull() {
		if len(e.doc.Gaps) > 0 { // what we did not read may say it
			return cty.UnknownVal(cty.Number).Mark(origin{span: e.doc.Gaps[0], kind: unknown,
				words: "a part of the configuration could not be read, and it may set the value"})
		}
		return standIn(marks, dflt)
	}
	text := plain.AsString()
	for _, w := range e.spec.DefaultWords {
		if strings.EqualFold(text, w) {
			return standIn(marks, dflt)
		}
	}
	return read(text, v, dflt)
}

// standIn is a built-in value in the place of one with the given marks. Where text stands
// for it, such as the word "default" or a host without a port, that text is its origin,
// and the words of the default say what it stands for. Otherwise its origin is the
// catalogue.
func standIn(marks cty.ValueMarks, dflt cty.Value) cty.Value {
	value, own := dflt.Unmark()
	own = maps.Clone(own)
	if own == nil { // a literal in the description
		own = cty.ValueMarks{}
	}
	for m := range marks {
		o, ok := m.(origin)
		if ok && o.kind == written {
			o.kind = builtin
			for d := range own {
				if d, ok := d.(origin); ok && d.kind == nobody {
					o.words = d.words
					delete(own, d)
				}
			}
			m = o
		}
		own[m] = struct{}{}
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
	if digits == 0 {
		if text == "" {
			return e.impossible(at, v, name+" is empty: whether that means off or the default is not documented", limit)
		}
		return e.impossible(at, v, name+" is not a number", limit)
	}
	n, err := strconv.Atoi(trimmed[:digits])
	if err != nil || n > limit {
		return e.impossible(at, v, fmt.Sprintf("%s is above %d", name, limit), limit)
	}
	plain := strconv.Itoa(n)
	if trimmed != plain {
		severity, note := diag.Info, "leading zeros are not octal to the service"
		if digits < len(trimmed) {
			severity, note = diag.Warning, "services read the digits and ignore what follows; that this one does is not documented"
		}
		e.say(at, diag.Diagnostic{Rule: "number-spelling", Severity: severity,
			Message: fmt.Sprintf("%s is read as %s", name, plain), Label: "read as " + plain, Notes: []string{note}, Help: "write " + plain})
	}
	return withMarks(cty.NumberIntVal(int64(n)), v)
}

func (e *evaluator) impossible(at source.Span, v cty.Value, message string, limit int) cty.Value {
	help := "write a number of at least 0"
	if limit == port.Max {
		help = "write a port from 1 to 65535, or 0 to switch it off"
	}
	e.say(at, diag.Diagnostic{Rule: "out-of-range-value", Severity: diag.Error, Message: message, Help: help})
	_, marks := v.Unmark()
	return cty.UnknownVal(cty.Number).WithMarks(marks).Mark(origin{span: at, kind: reported})
}

// placeOf is where a value was written and the name of its setting.
func placeOf(v cty.Value) (source.Span, string) {
	for _, o := range origins(v) {
		return o.span, o.setting
	}
	return source.Span{}, "the value"
}

// items are the parts of a text between separators, each marked with its own place.
func items(args []cty.Value) (cty.Value, error) {
	none := cty.ListValEmpty(cty.String)
	plain, marks := args[0].Unmark()
	sep, ok := textOf(args[1])
	if !ok || sep == "" {
		return cty.NilVal, errors.New("the separator must be a text")
	}
	if plain.IsNull() {
		return none, nil
	}
	if !plain.IsKnown() {
		return cty.UnknownVal(cty.List(cty.String)).WithMarks(marks), nil
	}
	var out []cty.Value
	offset := 0
	for part := range strings.SplitSeq(plain.AsString(), sep) {
		item := strings.TrimSpace(part)
		start := offset + strings.Index(part, item)
		offset += len(part) + len(sep)
		if item == "" {
			continue
		}
		v := cty.StringVal(item)
		for m := range marks {
			if o, ok := m.(origin); ok && o.kind == written && o.span.End-o.span.Start == len(plain.AsString()) {
				o.span = o.span.File.Span(o.span.Start+start, o.span.Start+start+len(item))
				o.text = item
				m = o
			}
			v = v.Mark(m)
		}
		out = append(out, v)
	}
	if len(out) == 0 {
		return none, nil
	}
	return cty.ListVal(out), nil
}

var hostPortType = cty.Object(map[string]cty.Type{"host": cty.String, "port": cty.String})

// hostport splits "host", "host:port", "[v6]", "[v6]:port" and a bare IPv6 address. The
// port stays text, so that reading it reports what is wrong with it.
func (e *evaluator) hostport(v cty.Value) cty.Value {
	plain, marks := v.Unmark()
	if plain.IsNull() {
		return cty.ObjectVal(map[string]cty.Value{"host": cty.NullVal(cty.String).WithMarks(marks), "port": cty.NullVal(cty.String).WithMarks(marks)})
	}
	if !plain.IsKnown() {
		return cty.UnknownVal(hostPortType).WithMarks(marks)
	}
	host, portText, has := splitHostPort(plain.AsString())
	p := cty.NullVal(cty.String)
	if has {
		p = cty.StringVal(portText)
	}
	return cty.ObjectVal(map[string]cty.Value{"host": cty.StringVal(host).WithMarks(marks), "port": p.WithMarks(marks)})
}

func splitHostPort(s string) (host, port string, hasPort bool) {
	if rest, found := strings.CutPrefix(s, "["); found {
		host, rest, _ = strings.Cut(rest, "]")
		port, hasPort = strings.CutPrefix(rest, ":")
		return host, port, hasPort
	}
	if strings.Count(s, ":") > 1 { // an IPv6 address without brackets has no port
		return s, "", false
	}
	return strings.Cut(s, ":")
}

// numeric is the text when it begins with a number, and null otherwise.
func numeric(args []cty.Value) (cty.Value, error) {
	v, marks := args[0].Unmark()
	if v.IsNull() || !v.IsKnown() {
		return args[0], nil
	}
	if s := strings.TrimLeft(v.AsString(), " \t"); s == "" || s[0] < '0' || s[0] > '9' {
		return cty.NullVal(cty.String).WithMarks(marks), nil
	}
	return args[0], nil
}

// firstOf is the first value that is not null; the last one when all are.
func firstOf(args []cty.Value) cty.Value {
	for _, a := range args {
		if !a.IsNull() {
			return a
		}
	}
	if len(args) == 0 {
		return cty.NullVal(cty.String)
	}
	return args[len(args)-1]
}
