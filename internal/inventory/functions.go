package inventory

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"portolan/internal/conf"
	"portolan/internal/diag"
	"portolan/internal/port"
)

// nodeType carries a node of a file through an expression.
var nodeType = cty.Capsule("node", reflect.TypeFor[conf.Node]())

var hostPortType = cty.Object(map[string]cty.Type{"scheme": cty.String, "host": cty.String, "port": cty.String})

var rangeType = cty.Object(map[string]cty.Type{"first": cty.String, "last": cty.String})

// A toolbox is the functions of catalog.Functions for one evaluator at a time. Making them
// takes longer than most descriptions, so they are lent to one after the other.
type toolbox struct {
	e         *evaluator // who has it now
	functions map[string]function.Function
}

func newToolbox() *toolbox {
	t := &toolbox{}
	t.functions = t.make()
	return t
}

// lend gives the functions to e until somebody else gets them.
func (t *toolbox) lend(e *evaluator) map[string]function.Function {
	t.e = e
	return t.functions
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
			return e.orDefault(cty.Number, a[0], a[1], func(s string, v, _ cty.Value) cty.Value { return e.number(s, v, limit) }), nil
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
			return t.e.value1([]cty.Value{settingPath(a)})
		}, text, text),
		"settings": fn(cty.List(cty.String), func(a []cty.Value) (cty.Value, error) {
			return t.e.valuesOf([]cty.Value{settingPath(a)})
		}, text, text),
		"section": fn(cty.Bool, own((*evaluator).has), text),
		"port":    fn(cty.Number, number(port.Max), text, any),
		"number":  fn(cty.Number, number(1<<30), text, any),
		"text": fn(cty.String, func(a []cty.Value) (cty.Value, error) {
			return t.e.orDefault(cty.String, a[0], a[1], func(_ string, v, _ cty.Value) cty.Value { return v }), nil
		}, text, any),
		"truthy": fn(cty.Bool, func(a []cty.Value) (cty.Value, error) {
			return t.e.orDefault(cty.Bool, a[0], a[1], truth), nil
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
		"match":        fn(cty.List(cty.String), match, text, text),
		"nonempty":     fn(cty.String, nonempty, text),
		"wildcard":     fn(cty.String, wildcard, text),
		"numeric":      fn(cty.String, numeric, text),
		"even_up":      fn(cty.Number, even(1), any),
		"even_down":    fn(cty.Number, even(-1), any),
		"first": function.New(&function.Spec{VarParam: &any,
			Type: func(args []cty.Value) (cty.Type, error) { return firstOf(args).Type(), nil },
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return firstOf(args), nil }}),
		"starts_with": fn(cty.Bool, startsWith, text, text),
		"trim_prefix": fn(cty.String, trim(strings.CutPrefix, func(s, cut string) int { return len(cut) }), text, text),
		"trim_suffix": fn(cty.String, trim(strings.CutSuffix, func(string, string) int { return 0 }), text, text),
		"length":      stdlib.LengthFunc,
		"concat":      stdlib.ConcatFunc,
		"distinct":    stdlib.DistinctFunc,
		"flatten":     stdlib.FlattenFunc,
		"contains":    stdlib.ContainsFunc,
		"lower":       stdlib.LowerFunc,
		"max":         stdlib.MaxFunc,
		"min":         stdlib.MinFunc,
		"ceil":        stdlib.CeilFunc,
		"floor":       stdlib.FloorFunc,
	}
}

// settingPath is the path of a key in a section of an INI file, or before all sections.
func settingPath(args []cty.Value) cty.Value {
	section, _ := textOf(args[0])
	key, _ := textOf(args[1])
	if section == "" {
		return cty.StringVal(key)
	}
	return cty.StringVal(section + "/" + key)
}

// selected are the nodes that the arguments (path) or (node, path) select, and the last
// step of the path.
func (e *evaluator) selected(args []cty.Value) ([]*conf.Node, string, error) {
	from := e.doc.Root
	if len(args) == 2 {
		plain, _ := args[0].Unmark()
		if plain.IsNull() || !plain.IsKnown() {
			return nil, "", nil
		}
		if !plain.Type().Equals(nodeType) {
			return nil, "", errors.New("the first of two arguments must be a node")
		}
		from = plain.EncapsulatedValue().(*conf.Node)
		args = args[1:]
	}
	if len(args) != 1 {
		return nil, "", errors.New("give a path, or a node and a path")
	}
	text, ok := textOf(args[0])
	if !ok {
		return nil, "", errors.New("the path must be a text")
	}
	p, err := e.path(text)
	if err != nil {
		return nil, "", err
	}
	return p.Find(from), settingName(text), nil
}

// namedStep is the step of a path to an element that says in an attribute which setting
// it is: param[@name='tls'].
var namedStep = regexp.MustCompile(`\[@name='([^']*)'\]$`)

// settingName is what people call the setting that a path selects: the last step, and of an
// attribute its name and its element's, or for <param name="tls" value="…"> what that says.
func settingName(path string) string {
	last := path[strings.LastIndexByte(path, '/')+1:]
	attribute, ok := strings.CutPrefix(last, "@")
	if m := namedStep.FindStringSubmatch(last); m != nil {
		return m[1]
	}
	if !ok {
		return last
	}
	element := strings.TrimSuffix(strings.TrimSuffix(path, last), "/")
	if m := namedStep.FindStringSubmatch(element); m != nil && attribute == "value" {
		return m[1]
	}
	if element = element[strings.LastIndexByte(element, '/')+1:]; plainName.MatchString(element) {
		return attribute + " of " + element
	}
	return attribute
}

// path is a parsed path; each is parsed once.
func (e *evaluator) path(text string) (conf.Path, error) {
	if p, ok := e.paths[text]; ok {
		return p, nil
	}
	p, err := conf.ParsePath(text)
	if err == nil {
		e.paths[text] = p
	}
	return p, err
}

func (e *evaluator) findNodes(args []cty.Value) (cty.Value, error) {
	nodes, _, err := e.selected(args)
	if err != nil || len(nodes) == 0 {
		return cty.ListValEmpty(nodeType), err
	}
	out := make([]cty.Value, len(nodes))
	for i, n := range nodes {
		out[i] = cty.CapsuleVal(nodeType, n)
	}
	return cty.ListVal(out), nil
}

func (e *evaluator) value1(args []cty.Value) (cty.Value, error) {
	nodes, key, err := e.selected(args)
	if err != nil {
		return cty.NilVal, err
	}
	if len(nodes) == 0 {
		missing := e.absence(key)
		// What is looked for inside a node is not in another file; what is included into
		// XML stands beside the elements and not inside them.
		if len(e.doc.Gaps) > 0 && len(args) == 1 && e.spec.Format != "xml" {
			missing.open, missing.span = true, e.doc.Gaps[0]
		}
		for _, side := range e.sides { // a container's environment may be in a file that is not there
			if n := top(args); n != nil && len(side.Gaps) > 0 && (n == side.Root || slices.Contains(side.Root.Children, n)) {
				missing.open, missing.span = true, side.Gaps[0]
			}
		}
		return cty.NullVal(cty.String).Mark(missing), nil
	}
	last := nodes[len(nodes)-1]
	if e.spec.Format == "lumenvox" { // whose own parser is not public
		e.twice(nodes)
	}
	return e.textValue(last, key), nil
}

// top is the node in which the arguments (node, path) begin, nil for (path).
func top(args []cty.Value) *conf.Node {
	if len(args) < 2 || !args[0].Type().Equals(nodeType) {
		return nil
	}
	return nodeOf(args[0])
}

// twice reports a setting that is said again with another value.
func (e *evaluator) twice(nodes []*conf.Node) {
	last := nodes[len(nodes)-1]
	for _, n := range nodes[:len(nodes)-1] {
		if n.Value != last.Value && !e.touched[n] {
			e.touched[n] = true
			e.diags = append(e.diags, diag.Diagnostic{Rule: "ambiguous-line", Severity: diag.Warning, Span: n.ValueSpan,
				Message: fmt.Sprintf("%s is set twice with different values: readers differ on which one counts", n.Name),
				Related: []diag.Related{{Span: last.ValueSpan, Message: "set again here; this value is used"}},
				Help:    "remove one of them"})
		}
	}
}

// latest are the texts of nodes, where a later node of a name overrides the one before.
func (e *evaluator) latest(args []cty.Value) (cty.Value, error) {
	nodes, key, err := e.selected(args)
	if err != nil {
		return cty.NilVal, err
	}
	last := map[string]*conf.Node{}
	for _, n := range nodes {
		last[n.Name] = n
	}
	return e.texts(slices.DeleteFunc(nodes, func(n *conf.Node) bool { return last[n.Name] != n }), key), nil
}

func (e *evaluator) valuesOf(args []cty.Value) (cty.Value, error) {
	nodes, key, err := e.selected(args)
	if err != nil {
		return cty.NilVal, err
	}
	return e.texts(nodes, key), nil
}

// texts are the texts of nodes, not known when there are too many.
func (e *evaluator) texts(nodes []*conf.Node, key string) cty.Value {
	if len(nodes) > maxItems {
		e.say(nodes[maxItems].NameSpan, tooMany(nodes[maxItems].NameSpan))
		return cty.UnknownVal(cty.List(cty.String)).Mark(origin{span: nodes[maxItems].NameSpan, kind: reported})
	}
	var out []cty.Value
	for _, n := range nodes {
		out = append(out, e.textValue(n, key))
	}
	return textList(out)
}

func textList(values []cty.Value) cty.Value {
	if len(values) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	return cty.ListVal(values)
}

func (e *evaluator) has(args []cty.Value) (cty.Value, error) {
	nodes, key, err := e.selected(args)
	if err != nil || len(nodes) > 0 || !plainName.MatchString(key) {
		return cty.BoolVal(len(nodes) > 0), err
	}
	return cty.False.Mark(e.absence(key)), nil // the reason why something is off
}

// plainName matches what can be said of a setting that is not there, and no pattern.
var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_. -]*$`)

func (e *evaluator) file(args []cty.Value) (cty.Value, error) {
	role, _ := textOf(args[0])
	if d := e.sides[role]; d != nil {
		return cty.CapsuleVal(nodeType, d.Root), nil
	}
	return cty.NullVal(nodeType), nil
}

// servicePort is the port of a name in the host's own /etc/services, where a name may
// have others beside it (services(5)). It stands where the name does.
func (e *evaluator) servicePort(args []cty.Value) (cty.Value, error) {
	_, marks := args[0].Unmark()
	name, ok := textOf(args[0])
	proto, _ := textOf(args[1])
	none := cty.NullVal(cty.String).WithMarks(marks)
	if !ok || e.tree == nil {
		return none, nil
	}
	if e.services == nil {
		e.services = &conf.Node{}
		if f, err := e.tree.Read("etc/services"); err == nil {
			doc, _, err := conf.Parse("table", f, nil)
			if err != nil {
				return cty.NilVal, err
			}
			e.services = doc.Root
		}
	}
	for _, row := range e.services.Children {
		if len(row.Args) == 0 || row.Name != name && !slices.ContainsFunc(row.Args[1:], func(a conf.Arg) bool { return a.Text == name }) {
			continue
		}
		if number, kind, _ := strings.Cut(row.Args[0].Text, "/"); kind == proto && allDigits(number) {
			return cty.StringVal(number).WithMarks(marks).Mark(origin{span: row.Args[0].Span, text: row.Args[0].Text, setting: row.Name, kind: basis}), nil
		}
	}
	return none, nil
}

// nodeOf is the node in a value, nil when there is none.
func nodeOf(v cty.Value) *conf.Node {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() {
		return nil
	}
	return v.EncapsulatedValue().(*conf.Node)
}

func nameOf(args []cty.Value) (cty.Value, error) {
	n := nodeOf(args[0])
	if n == nil {
		return cty.NullVal(cty.String), nil
	}
	return cty.StringVal(n.Name).Mark(origin{span: n.NameSpan, text: n.Name, setting: n.Name, kind: written}), nil
}

func (e *evaluator) args(args []cty.Value) (cty.Value, error) {
	n := nodeOf(args[0])
	if n == nil {
		return cty.ListValEmpty(cty.String), nil
	}
	var out []cty.Value
	for _, a := range n.Args {
		out = append(out, e.textValue(&conf.Node{Kind: conf.Setting, Name: n.Name, Value: a.Text, NameSpan: n.NameSpan, ValueSpan: a.Span}, n.Name))
	}
	return textList(out), nil
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
		if o, ok := m.(origin); ok && o.kind == written {
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
			m = o
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

var schemes = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+._-]*):(//)?(.*)$`)

func splitHostPort(s string) (scheme, host, port string) {
	s = strings.TrimSpace(s)
	if a, err := netip.ParseAddr(s); err == nil && a.Is6() { // fd00:1::2 has no scheme
		return "", s, ""
	}
	if m := schemes.FindStringSubmatch(s); m != nil && (m[2] != "" || !allDigits(m[3])) && strings.Count(s, ":") != strings.Count(m[3], ":") {
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
func match(args []cty.Value) (cty.Value, error) {
	pattern, ok := textOf(args[0])
	if !ok {
		return cty.NilVal, errors.New("the regular expression must be a text")
	}
	re, err := regexp.Compile(pattern)
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

// options are the values of the named options of a command line: the word behind
// "--name", or what follows "--name=". A short option may have its value attached, -p5060.
func options(args []cty.Value, each func(value cty.Value)) {
	list, _ := args[0].Unmark()
	if list.IsNull() || !list.IsKnown() {
		return
	}
	words := list.AsValueSlice()
	for i, w := range words {
		text, ok := textOf(w)
		if !ok { // a variable: as it is written it may still name an option
			unknownOption(w, args[1:], each)
			continue
		}
		for _, n := range args[1:] {
			name, _ := textOf(n)
			rest, found := strings.CutPrefix(text, name)
			switch {
			case name == "" || !found:
			case rest == "" && i+1 < len(words):
				each(words[i+1])
			case rest == "":
				each(sub(w, len(text), ""))
			case rest[0] == '=':
				each(sub(w, len(name)+1, rest[1:]))
			case len(name) == 2 && name[0] == '-' && name[1] != '-':
				each(sub(w, len(name), rest))
			}
		}
	}
}

// unknownOption gives the value of "--name=${X}", which is there and not known.
func unknownOption(w cty.Value, names []cty.Value, each func(value cty.Value)) {
	for _, o := range origins(w) {
		for _, n := range names {
			if name, _ := textOf(n); o.kind == unknown && name != "" && strings.HasPrefix(o.text, name+"=") {
				each(w)
			}
		}
	}
}

func (e *evaluator) flag(args []cty.Value) (cty.Value, error) {
	if plain, marks := args[0].Unmark(); !plain.IsKnown() { // the line may have the option
		return cty.UnknownVal(cty.String).WithMarks(marks), nil
	}
	name, _ := textOf(args[min(1, len(args)-1)])
	out := cty.NullVal(cty.String).Mark(e.absence(name))
	options(args, func(v cty.Value) { out = v })
	return out, nil
}

func flags(args []cty.Value) (cty.Value, error) {
	if plain, marks := args[0].Unmark(); !plain.IsKnown() {
		return cty.UnknownVal(cty.List(cty.String)).WithMarks(marks), nil
	}
	var out []cty.Value
	options(args, func(v cty.Value) { out = append(out, v) })
	return textList(out), nil
}

func hasFlag(args []cty.Value) (cty.Value, error) {
	if plain, marks := args[0].Unmark(); !plain.IsKnown() {
		return cty.UnknownVal(cty.Bool).WithMarks(marks), nil
	}
	found := cty.False
	options(args, func(v cty.Value) { found = withMarks(cty.True, v) })
	return found, nil
}

// command are the words of the command lines of units, ExecStart, and of containers.
func (e *evaluator) command(args []cty.Value) (cty.Value, error) {
	var out []cty.Value
	for _, a := range args {
		n := nodeOf(a)
		if n == nil {
			continue
		}
		line, _, err := e.selected([]cty.Value{a, cty.StringVal("Service/ExecStart")})
		if err != nil {
			return cty.NilVal, err
		}
		if len(line) > 0 {
			cut, err := words([]cty.Value{e.textValue(line[len(line)-1], "ExecStart"), cty.StringVal("systemd")})
			if err != nil || !cut.IsKnown() {
				return cut, err
			}
			plain, _ := cut.Unmark()
			out = append(out, plain.AsValueSlice()...)
		}
		for _, w := range below(n, "argv") {
			out = append(out, wordValue(conf.Arg{Text: w.Value, Span: w.ValueSpan}, origin{setting: "command", kind: written}))
		}
	}
	return textList(out), nil
}

// wordValue is a word of a command line. One that is a variable is not known.
func wordValue(w conf.Arg, o origin) cty.Value {
	o.text, o.span = w.Text, w.Span
	if conf.IsPlaceholder(w.Text) {
		o.kind, o.words = unknown, "a word of the command line is a variable"
		return cty.UnknownVal(cty.String).Mark(o)
	}
	return cty.StringVal(w.Text).Mark(o)
}

// words are the words of a command line, each with its own place.
func words(args []cty.Value) (cty.Value, error) {
	style := conf.Shell
	switch name, _ := textOf(args[1]); name {
	case "systemd":
		style = conf.Systemd
	case "shell":
	default:
		return cty.NilVal, errors.New(`the style must be "shell" or "systemd"`)
	}
	plain, marks := args[0].Unmark()
	if plain.IsNull() {
		return cty.ListValEmpty(cty.String), nil
	}
	if !plain.IsKnown() {
		return cty.UnknownVal(cty.List(cty.String)).WithMarks(marks), nil
	}
	var from origin
	for m := range marks {
		if o, ok := m.(origin); ok {
			from = o
		}
	}
	var out []cty.Value
	for _, w := range conf.Words(plain.AsString(), from.span, style) {
		out = append(out, wordValue(w, from))
	}
	return textList(out), nil
}
