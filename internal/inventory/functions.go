package inventory

import (
	"errors"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"portolan/internal/conf"
	"portolan/internal/port"
)

var hostPortType = cty.Object(map[string]cty.Type{"scheme": cty.String, "host": cty.String, "port": cty.String})

var rangeType = cty.Object(map[string]cty.Type{"first": cty.String, "last": cty.String})

// A toolbox is the functions of catalog.Functions for one evaluator at a time. Making them
// takes longer than most descriptions, so they are lent to one after the other.
type toolbox struct {
	e         *evaluator // who has it now
	functions map[string]function.Function
	patterns  remembered[*regexp.Regexp]
	paths     remembered[conf.Path]
}

// toolboxes are those that nobody has.
var toolboxes = sync.Pool{New: func() any {
	t := &toolbox{patterns: remembered[*regexp.Regexp]{}, paths: remembered[conf.Path]{}}
	t.functions = t.make()
	return t
}}

// remembered are what texts of descriptions come to. A description may put texts together,
// so they are not kept for ever.
type remembered[T any] map[string]T

func (r remembered[T]) get(text string, parse func(string) (T, error)) (T, error) {
	if v, known := r[text]; known {
		return v, nil
	}
	v, err := parse(text)
	if err != nil {
		return v, err
	}
	if len(r) > 1000 {
		clear(r)
	}
	r[text] = v
	return v, nil
}

func (t *toolbox) make() map[string]function.Function {
	text := function.Parameter{Name: "text", Type: cty.String, AllowNull: true, AllowMarked: true, AllowUnknown: true}
	list := function.Parameter{Name: "list", Type: cty.List(cty.String), AllowNull: true, AllowMarked: true, AllowUnknown: true}
	node := function.Parameter{Name: "node", Type: nodeType, AllowNull: true, AllowMarked: true}
	any := function.Parameter{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowMarked: true, AllowUnknown: true, AllowDynamicType: true}
	type impl = func(args []cty.Value) (cty.Value, error)
	// fn is a function whose result has the given type; it sees marks and nulls.
	fn := func(result cty.Type, do impl, params ...function.Parameter) function.Function {
		return function.New(&function.Spec{Params: params, Type: function.StaticReturnType(result),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return do(args) }})
	}
	// more is fn with any number of further arguments.
	more := func(result cty.Type, do impl, rest function.Parameter, params ...function.Parameter) function.Function {
		return function.New(&function.Spec{Params: params, VarParam: &rest, Type: function.StaticReturnType(result),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return do(args) }})
	}
	// own is a method of the evaluator that has the toolbox.
	own := func(do func(*evaluator, []cty.Value) (cty.Value, error)) impl {
		return func(a []cty.Value) (cty.Value, error) { return do(t.e, a) }
	}
	number := func(limit int) impl {
		return func(a []cty.Value) (cty.Value, error) {
			e := t.e
			return e.orDefault(cty.Number, a[0], a[1], func(s string, v, _ cty.Value) cty.Value { return e.number(s, v, limit) })
		}
	}
	return map[string]function.Function{
		"find":   more(cty.List(nodeType), own((*evaluator).findNodes), any),
		"value":  more(cty.String, own((*evaluator).value1), any),
		"values": more(cty.List(cty.String), own((*evaluator).valuesOf), any),
		"latest": more(cty.List(cty.String), own((*evaluator).latest), any),
		"has":    more(cty.Bool, own((*evaluator).has), any),
		"file":   fn(nodeType, own((*evaluator).file), text),
		"name":   fn(cty.String, nameOf, node),
		"args":   fn(cty.List(cty.String), own((*evaluator).args), node),
		"setting": fn(cty.String, func(a []cty.Value) (cty.Value, error) {
			v, err := t.e.value1([]cty.Value{settingPath(a)})
			if section, ok := textOf(a[0]); ok && err == nil && v.IsNull() {
				key, _ := textOf(a[1])
				t.e.lacking(section, key)
			}
			return v, err
		}, text, text),
		"settings": fn(cty.List(cty.String), func(a []cty.Value) (cty.Value, error) {
			return t.e.valuesOf([]cty.Value{settingPath(a)})
		}, text, text),
		"section": fn(cty.Bool, own((*evaluator).has), text),
		"port":    fn(cty.Number, number(port.Max), text, any),
		"number":  fn(cty.Number, number(1<<30), text, any),
		"text": fn(cty.String, func(a []cty.Value) (cty.Value, error) {
			return t.e.orDefault(cty.String, a[0], a[1], func(_ string, v, _ cty.Value) cty.Value { return v })
		}, text, any),
		"truthy": fn(cty.Bool, func(a []cty.Value) (cty.Value, error) {
			return t.e.orDefault(cty.Bool, a[0], a[1], truth)
		}, text, any),
		"items":        fn(cty.List(cty.String), items, text, text),
		"command":      more(cty.List(cty.String), own((*evaluator).command), node),
		"words":        fn(cty.List(cty.String), words, text, text),
		"flag":         more(cty.String, own((*evaluator).flag), text, list),
		"flags":        more(cty.List(cty.String), flags, text, list),
		"has_flag":     more(cty.Bool, hasFlag, text, list),
		"hostport":     fn(hostPortType, hostport, text),
		"range":        fn(rangeType, rangeOf, text),
		"service_port": fn(cty.String, own((*evaluator).servicePort), text, text),
		"match":        fn(cty.List(cty.String), t.match, text, text),
		"nonempty":     fn(cty.String, nonempty, text),
		"wildcard":     fn(cty.String, wildcard, text),
		"numeric":      fn(cty.String, numeric, text),
		"even_up":      fn(cty.Number, even(1), any),
		"even_down":    fn(cty.Number, even(-1), any),
		"first": function.New(&function.Spec{VarParam: &any,
			Type: func(args []cty.Value) (cty.Type, error) { return firstOf(args).Type(), nil },
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return firstOf(args), nil }}),
		"last": function.New(&function.Spec{VarParam: &any,
			Type: func(args []cty.Value) (cty.Type, error) { return lastOf(args).Type(), nil },
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return lastOf(args), nil }}),
		"starts_with": fn(cty.Bool, startsWith, text, text),
		"trim_prefix": fn(cty.String, trim(strings.CutPrefix, func(s, cut string) int { return len(cut) }), text, text),
		"trim_suffix": fn(cty.String, trim(strings.CutSuffix, func(string, string) int { return 0 }), text, text),
		"length":      stdlib.LengthFunc,
		"concat":      stdlib.ConcatFunc,
		"distinct":    t.squared(stdlib.DistinctFunc),
		"flatten":     stdlib.FlattenFunc,
		"contains":    stdlib.ContainsFunc,
		"lower":       stdlib.LowerFunc,
		"max":         stdlib.MaxFunc,
		"min":         stdlib.MinFunc,
		"ceil":        stdlib.CeilFunc,
		"floor":       stdlib.FloorFunc,
	}
}

// squared is a function of a list that compares each item with all others, and costs so.
func (t *toolbox) squared(f function.Function) function.Function {
	return function.New(&function.Spec{Params: f.Params(),
		Type: func(args []cty.Value) (cty.Type, error) { return f.ReturnTypeForValues(args) },
		Impl: func(args []cty.Value, result cty.Type) (cty.Value, error) {
			n := args[0].LengthInt()
			if t.e.budget.Spend(n * n / nodesUnit); t.e.budget.Spent() {
				return cty.UnknownVal(result), nil
			}
			return f.Call(args)
		}})
}

// truth reads the words by which services say yes and no; any other word is the default.
func truth(text string, v, dflt cty.Value) cty.Value {
	switch strings.ToLower(text) {
	case "yes", "true", "on", "1", "y", "t", "enable", "enabled":
		return withMarks(cty.True, v)
	case "no", "false", "off", "0", "n", "f", "disable", "disabled", "none":
		return withMarks(cty.False, v)
	}
	return withMarks(dflt, v)
}

// even rounds an odd number by step.
func even(step int64) func([]cty.Value) (cty.Value, error) {
	return func(args []cty.Value) (cty.Value, error) {
		plain, marks := args[0].Unmark()
		n, ok := intOf(plain)
		if !ok {
			return cty.UnknownVal(cty.Number).WithMarks(marks), nil
		}
		if n%2 != 0 {
			plain = cty.NumberVal(new(big.Float).SetInt64(int64(n) + step))
		}
		return plain.WithMarks(marks), nil
	}
}

// sub is a part of a text value that begins at an offset of it, marked with its own
// place where the text was written as it is, or where the part stands there once, as in a
// value that goes on in the next line.
func sub(v cty.Value, offset int, part string) cty.Value {
	plain, marks := v.Unmark()
	out := cty.StringVal(part)
	for m := range marks {
		if o, ok := originOf(m); ok && o.kind == written {
			at := -1
			if size := o.span.End - o.span.Start; size == len(plain.AsString()) {
				at = offset
			} else if part != "" && size <= maxJoined {
				if raw := o.span.Text(); strings.Count(raw, part) == 1 {
					at = strings.Index(raw, part)
				}
			}
			if o.text != part {
				o.setting = "" // the setting says more than this number
			}
			if at >= 0 {
				o.span = o.span.File.Span(o.span.Start+at, o.span.Start+at+len(part))
				o.text = part
			}
			m = &o
		}
		out = out.Mark(m)
	}
	return out
}

// maxJoined bounds the text in which the place of a part is looked for.
const maxJoined = 16 << 10

// items are the parts of a text between any of the separators, each with its own place.
func items(args []cty.Value) (cty.Value, error) {
	plain, marks := args[0].Unmark()
	separators, ok := textOf(args[1])
	if !ok || separators == "" {
		return cty.NilVal, errors.New("the separators must be a text")
	}
	if plain.IsNull() {
		return cty.ListValEmpty(cty.String), nil
	}
	if !plain.IsKnown() {
		return cty.UnknownVal(cty.List(cty.String)).WithMarks(marks), nil
	}
	text := plain.AsString()
	var out []cty.Value
	for start := 0; start <= len(text); {
		if len(out) > maxItems {
			return cty.UnknownVal(cty.List(cty.String)).WithMarks(marks), nil
		}
		end := len(text)
		if i := strings.IndexAny(text[start:], separators); i >= 0 {
			end = start + i
		}
		part := text[start:end]
		if item := strings.TrimSpace(part); item != "" {
			out = append(out, sub(args[0], start+strings.Index(part, item), item))
		}
		start = end + 1
	}
	if len(out) == 0 { // no item says why there is none
		return cty.ListValEmpty(cty.String).WithMarks(marks), nil
	}
	return textList(out), nil
}

// hostport splits "host", "host:port", "[v6]:port", a bare IPv6 address, ":port", a bare
// port, and each of them behind "scheme:" or "scheme://". The port stays text, so that
// reading it reports what is wrong with it.
func hostport(args []cty.Value) (cty.Value, error) {
	plain, marks := args[0].Unmark()
	none := cty.NullVal(cty.String)
	if plain.IsNull() {
		none = none.WithMarks(marks)
		return cty.ObjectVal(map[string]cty.Value{"scheme": none, "host": none, "port": none}), nil
	}
	if !plain.IsKnown() {
		return cty.UnknownVal(hostPortType).WithMarks(marks), nil
	}
	text := plain.AsString()
	scheme, host, portText := splitHostPort(text)
	part := func(s string, absent bool) cty.Value {
		if absent {
			return cty.NullVal(cty.String).WithMarks(marks)
		}
		return sub(args[0], max(strings.LastIndex(text, s), 0), s)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"scheme": part(scheme, scheme == ""), "host": part(host, host == ""), "port": part(portText, portText == ""),
	}), nil
}

var schemes = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+._-]*):(//)?(.*)$`) })

func splitHostPort(s string) (scheme, host, port string) {
	s = strings.TrimSpace(s)
	if a, err := netip.ParseAddr(s); err == nil && a.Is6() { // fd00:1::2 has no scheme
		return "", s, ""
	}
	if m := schemes().FindStringSubmatch(s); m != nil && (m[2] != "" || !allDigits(m[3])) && strings.Count(s, ":") != strings.Count(m[3], ":") {
		// "udp:10.0.0.1:5060" and "http://h:80", but neither "host:5060" nor "fe80::1"
		if m[2] != "" || !strings.HasPrefix(m[3], ":") && (strings.Contains(m[3], ":") || strings.ContainsAny(m[3], ".[*")) {
			scheme, s = m[1], m[3]
		}
	}
	s, _, _ = strings.Cut(s, "/")
	switch {
	case strings.HasPrefix(s, "["):
		host, port, _ = strings.Cut(s[1:], "]")
		return scheme, host, strings.TrimPrefix(port, ":")
	case allDigits(s):
		return scheme, "", s
	case strings.Count(s, ":") > 1: // an IPv6 address without brackets has no port
		return scheme, s, ""
	}
	host, port, _ = strings.Cut(s, ":")
	return scheme, host, port
}

func allDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// rangeOf splits "a-b", "a:b", "a,b" and "[a, b]"; a single number is both ends.
func rangeOf(args []cty.Value) (cty.Value, error) {
	plain, marks := args[0].Unmark()
	if !plain.IsKnown() {
		return cty.UnknownVal(rangeType).WithMarks(marks), nil
	}
	none := cty.NullVal(cty.String).WithMarks(marks)
	if plain.IsNull() {
		return cty.ObjectVal(map[string]cty.Value{"first": none, "last": none}), nil
	}
	text := plain.AsString()
	i := strings.IndexAny(text, "-:,")
	if i < 0 {
		return cty.ObjectVal(map[string]cty.Value{"first": args[0], "last": args[0]}), nil
	}
	half := func(start, end int) cty.Value {
		part := strings.Trim(text[start:end], " \t[]()")
		return sub(args[0], start+strings.Index(text[start:end], part), part)
	}
	return cty.ObjectVal(map[string]cty.Value{"first": half(0, i), "last": half(i+1, len(text))}), nil
}

// match are the groups of a regular expression (RE2), each with its own place.
func (t *toolbox) match(args []cty.Value) (cty.Value, error) {
	pattern, ok := textOf(args[0])
	if !ok {
		return cty.NilVal, errors.New("the regular expression must be a text")
	}
	re, err := t.patterns.get(pattern, regexp.Compile)
	if err != nil {
		return cty.NilVal, err
	}
	text, ok := textOf(args[1]) // what is not known matches nothing: one template does not hide a list
	m := re.FindStringSubmatchIndex(text)
	if !ok || m == nil {
		return cty.ListValEmpty(cty.String), nil
	}
	var out []cty.Value
	for i := 2; i < len(m); i += 2 {
		if m[i] < 0 {
			out = append(out, cty.NullVal(cty.String))
		} else {
			out = append(out, sub(args[1], m[i], text[m[i]:m[i+1]]))
		}
	}
	return textList(out), nil
}

func nonempty(args []cty.Value) (cty.Value, error) {
	v, marks := args[0].Unmark()
	if v.IsKnown() && !v.IsNull() && v.AsString() == "" {
		return cty.NullVal(cty.String).WithMarks(marks), nil
	}
	return args[0], nil
}

// wildcard is an address as Go and Java listen on it: the unspecified address of either
// family is every address of both (https://pkg.go.dev/net#Listen, and
// https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/net/doc-files/net-properties.html
// on java.net.preferIPv4Stack).
func wildcard(args []cty.Value) (cty.Value, error) {
	v, marks := args[0].Unmark()
	if v.IsKnown() && (v.IsNull() || slices.Contains([]string{"", "*", "0.0.0.0", "::"}, v.AsString())) {
		return cty.StringVal("*").WithMarks(marks), nil
	}
	return args[0], nil
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
	// Of settings that are all missing, the first one is the usual name, but an option of a
	// command line is not, and one that may stand where we could not look comes first.
	last := args[len(args)-1]
	var usual, open cty.Value
	for _, a := range args {
		for _, o := range origins(a) {
			switch {
			case o.kind != absent:
				return last
			case o.open && open == cty.NilVal:
				open = a
			case usual == cty.NilVal && o.setting != "" && !strings.HasPrefix(o.setting, "-"):
				usual = a
			}
		}
	}
	switch {
	case open != cty.NilVal:
		return open
	case usual != cty.NilVal:
		return usual
	}
	return last
}

func startsWith(args []cty.Value) (cty.Value, error) {
	_, marks := args[0].Unmark()
	text, ok := textOf(args[0])
	prefix, _ := textOf(args[1])
	return cty.BoolVal(ok && strings.HasPrefix(text, prefix)).WithMarks(marks), nil
}

// trim cuts a text off another; offset says where what is left begins.
func trim(cut func(s, part string) (string, bool), offset func(s, part string) int) func([]cty.Value) (cty.Value, error) {
	return func(args []cty.Value) (cty.Value, error) {
		text, ok := textOf(args[0])
		part, _ := textOf(args[1])
		left, found := cut(text, part)
		if !ok || !found {
			return args[0], nil
		}
		return sub(args[0], offset(text, part), left), nil
	}
}

// lastOf is the last value that is not null.
func lastOf(args []cty.Value) cty.Value {
	args = slices.Clone(args)
	slices.Reverse(args)
	return firstOf(args)
}
