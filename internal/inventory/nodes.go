package inventory

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"portolan/internal/conf"
	"portolan/internal/diag"
)

// nodeType carries a node of a file through an expression.
var nodeType = cty.Capsule("node", reflect.TypeFor[conf.Node]())

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
	if len(args) == 1 {
		plain, _ := args[0].Unmark()
		if plain.Type() == cty.DynamicPseudoType { // HCL tries the "if" of a list without an item
			return nil, "", nil
		}
		if plain.Type().Equals(nodeType) { // a node alone is itself
			if n := nodeOf(plain); n != nil {
				return []*conf.Node{n}, n.Name, nil
			}
			return nil, "", nil
		}
	}
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
	if e.budget.Spent() {
		return nil, "", nil
	}
	if !ok {
		return nil, "", errors.New("the path must be a text")
	}
	p, err := e.tools.paths.get(text, conf.ParsePath)
	if err != nil {
		return nil, "", err
	}
	nodes, looked := p.Search(from)
	e.budget.Spend(1 + looked/nodesUnit)
	if m := (miss{from, text}); len(nodes) == 0 && !e.missing[m] {
		e.missing[m] = true
		e.missed = append(e.missed, m)
	}
	return nodes, settingName(text), nil
}

// namedStep is the step of a path to an element that says in an attribute which setting
// it is: param[@name='tls'].
var namedStep = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\[@name='([^']*)'\]$`) })

// settingName is what people call the setting that a path selects: the last step, and of an
// attribute its name and its element's, or for <param name="tls" value="…"> what that says.
func settingName(path string) string {
	last := path[strings.LastIndexByte(path, '/')+1:]
	attribute, ok := strings.CutPrefix(last, "@")
	if m := namedStep().FindStringSubmatch(last); m != nil {
		return m[1]
	}
	if !ok {
		return last
	}
	element := strings.TrimSuffix(strings.TrimSuffix(path, last), "/")
	if m := namedStep().FindStringSubmatch(element); m != nil && attribute == "value" {
		return m[1]
	}
	if element = element[strings.LastIndexByte(element, '/')+1:]; plainName().MatchString(element) {
		return attribute + " of " + element
	}
	return attribute
}

func (e *evaluator) findNodes(args []cty.Value) (cty.Value, error) {
	nodes, _, err := e.selected(args)
	if err != nil || len(nodes) == 0 {
		return cty.ListValEmpty(nodeType), err
	}
	e.takeAll(nodes)
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
	if len(nodes) > 1 {
		e.twice(args, nodes)
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

// twice reports a setting that is said again with another value, in one section of one file.
// Of LumenVox, whose own parser is not public, it is not known which one counts.
func (e *evaluator) twice(args []cty.Value, nodes []*conf.Node) {
	last := nodes[len(nodes)-1]
	for _, n := range nodes[:len(nodes)-1] {
		if n.Value == last.Value || e.touched[n] {
			continue
		}
		d := diag.Diagnostic{Severity: diag.Warning, Span: n.ValueSpan}
		switch {
		case e.spec.Format == "lumenvox":
			d.Rule, d.Message = "ambiguous-line", n.Name+" is set twice with different values, and it is not documented which one counts"
			d.Related = []diag.Related{{Span: last.ValueSpan, Message: "set again here; portolan takes this value"}}
			d.Help = "remove one of them"
		case n.ValueSpan.File != last.ValueSpan.File || n.ValueSpan.Start >= last.ValueSpan.Start || !e.siblings(args, n, last):
			continue
		case strings.Contains(last.ValueSpan.Text(), "$"): // OPTIONS="$OPTIONS -x", or a variable that may be empty
			continue
		default:
			d.Rule, d.Label = "duplicate-setting", "does not count"
			d.Message = fmt.Sprintf("%s is set twice: %s takes the last value", n.Name, e.service.ID)
			d.Related = []diag.Related{{Span: last.ValueSpan, Message: "this value counts"}}
			d.Help = "remove the line of the value that you do not mean"
		}
		e.touched[n] = true
		if d.Rule == "duplicate-setting" {
			e.doubles = append(e.doubles, double{n, d})
			continue
		}
		e.diags = append(e.diags, d)
	}
}

// double is a finding about a value that does not count, unless the description takes all
// values of the setting in another place.
type double struct {
	node  *conf.Node
	found diag.Diagnostic
}

// reportDoubles reports those that are left when everything has been evaluated.
func (e *evaluator) reportDoubles() {
	for _, d := range e.doubles {
		if !e.listed[d.node] {
			e.diags = append(e.diags, d.found)
		}
	}
}

// takeAll notes that a description takes all of some nodes.
func (e *evaluator) takeAll(nodes []*conf.Node) {
	for _, n := range nodes {
		e.listed[n] = true
	}
}

// siblings reports whether two nodes that a path selects are settings of one section: of one
// name, and children of one node. An attribute is one of its element, so that two elements with
// one name in their attributes, <param name="tls" value="…">, are two settings of one section.
func (e *evaluator) siblings(args []cty.Value, a, b *conf.Node) bool {
	from := e.doc.Root
	if len(args) == 2 {
		from = nodeOf(args[0])
	}
	text, _ := textOf(args[len(args)-1])
	p, err := e.tools.paths.get(text, conf.ParsePath)
	own := 1 // steps behind the section
	if strings.HasPrefix(a.Name, "@") {
		if own = 2; !namedStep().MatchString(strings.TrimSuffix(text, "/"+a.Name)) {
			return false
		}
	}
	if err != nil || from == nil || len(p) < own || len(a.Children)+len(b.Children) > 0 || a.Append || b.Append || !strings.EqualFold(a.Name, b.Name) {
		return false
	}
	sections, looked := p[:len(p)-own].Search(from)
	e.budget.Spend(1 + looked/nodesUnit)
	for _, s := range sections {
		both, looked := p[len(p)-own:].Search(s)
		if e.budget.Spend(1 + looked/nodesUnit); e.budget.Spent() {
			return false
		}
		if slices.Contains(both, a) && slices.Contains(both, b) {
			return true
		}
	}
	return false
}

// latest are the texts of nodes, where a later node of a name overrides the one before.
func (e *evaluator) latest(args []cty.Value) (cty.Value, error) {
	nodes, key, err := e.selected(args)
	if err != nil {
		return cty.NilVal, err
	}
	e.takeAll(nodes)
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
	e.takeAll(nodes)
	return e.texts(nodes, key), nil
}

// texts are the texts of nodes, not known when there are too many.
func (e *evaluator) texts(nodes []*conf.Node, key string) cty.Value {
	if len(nodes) > maxItems {
		e.say(nodes[maxItems].NameSpan, tooMany(nodes[maxItems].NameSpan))
		return cty.UnknownVal(cty.List(cty.String)).Mark(&origin{span: nodes[maxItems].NameSpan, kind: reported})
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
	if err != nil || len(nodes) > 0 || !plainName().MatchString(key) {
		return cty.BoolVal(len(nodes) > 0), err
	}
	return cty.False.Mark(e.absence(key)), nil // the reason why something is off
}

// plainName matches what can be said of a setting that is not there, and no pattern.
var plainName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_. -]*$`) })

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
			return cty.StringVal(number).WithMarks(marks).Mark(&origin{span: row.Args[0].Span, text: row.Args[0].Text, setting: row.Name, kind: basis}), nil
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
	return cty.StringVal(n.Name).Mark(&origin{span: n.NameSpan, text: n.Name, setting: n.Name, kind: written}), nil
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
