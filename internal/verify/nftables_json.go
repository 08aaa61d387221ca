package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// ParseNftablesJSON reads what "nft -j list table inet portolan" and "nft -j list ruleset"
// print into the ruleset that the kernel has. Objects of other tables are skipped; of ours, a
// word that is not known is an error, which says at which byte the object begins.
//
// nft 0.9.8 leaves out what a counting set counts to. There the numbers are those of its
// name, which we gave it; the text that it lists has them.
func ParseNftablesJSON(f *source.File) (*ruleset.Ruleset, error) {
	p := &nftJSON{table: newNftTable(f)}
	if err := p.file(); err != nil {
		return nil, err
	}
	return p.table.ruleset()
}

// nftJSON reads objects into a table.
type nftJSON struct {
	table *nftTable
	terse bool // the version leaves out what a counting set counts to
	seen  bool // the version is known
}

// file reads the one object of the text.
func (p *nftJSON) file() error {
	f := p.table.file
	d := json.NewDecoder(bytes.NewReader(f.Text))
	d.UseNumber()
	outer := func(err error) error {
		if err == nil || err == io.EOF {
			err = fmt.Errorf("not what nft -j prints")
		}
		return fmt.Errorf("%s: byte %d: %w", f.Name, d.InputOffset(), err)
	}
	for _, want := range []json.Token{json.Delim('{'), "nftables", json.Delim('[')} {
		if t, err := d.Token(); err != nil || t != want {
			return outer(err)
		}
	}
	number, counted := 1, 0 // of the line, up to the byte counted
	for d.More() {
		at := int(d.InputOffset())
		at += len(f.Text[at:]) - len(bytes.TrimLeft(f.Text[at:], " \t\r\n,"))
		t, err := d.Token()
		if err != nil || t != json.Delim('{') {
			return outer(err)
		}
		v, err := jsonObject(d, 1)
		if err != nil {
			return outer(err)
		}
		end := int(d.InputOffset())
		number += bytes.Count(f.Text[counted:at], []byte("\n"))
		counted = at
		l := line{file: f, number: number, start: at, end: end, text: string(f.Text[at:end])}
		if err := p.object(v, l); err != nil {
			return err
		}
	}
	for _, want := range []json.Token{json.Delim(']'), json.Delim('}')} {
		if t, err := d.Token(); err != nil || t != want {
			return outer(err)
		}
	}
	if _, err := d.Token(); err != io.EOF {
		return outer(err)
	}
	if !p.seen {
		return outer(nil)
	}
	for _, name := range slices.Sorted(maps.Keys(p.table.chains)) {
		if c := p.table.chains[name]; !c.fresh {
			return p.at(*c.line, wrong("a rule of chain %q, which is not there", name))
		}
	}
	return nil
}

// maxNesting is how deep values stand in each other. What nft prints of our table does so
// nine times.
const maxNesting = 20

// jsonObject reads an object whose brace was taken. A key that stands there twice is an
// error, because of two readers each could take another one.
func jsonObject(d *json.Decoder, depth int) (map[string]any, error) {
	out := map[string]any{}
	for {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, ok := t.(string)
		if !ok {
			return out, nil // the brace that closes it
		}
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("%q stands there twice", key)
		}
		if out[key], err = jsonValue(d, depth+1); err != nil {
			return nil, err
		}
	}
}

func jsonValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxNesting {
		return nil, fmt.Errorf("values stand in each other more than %d times", maxNesting)
	}
	switch t {
	case json.Delim('{'):
		return jsonObject(d, depth)
	case json.Delim('['):
		out := []any{}
		for d.More() {
			v, err := jsonValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		_, err := d.Token()
		return out, err
	}
	return t, nil
}

// nftFields is an object of which fields are taken one by one. What is left at the end is not
// understood.
type nftFields struct {
	of    map[string]any
	wrong string // the first field that is not what it must be
}

func nftFieldsOf(v any) *nftFields {
	o, ok := v.(map[string]any)
	if !ok {
		return &nftFields{of: map[string]any{}, wrong: fmt.Sprintf("%.100v", v)}
	}
	own := make(map[string]any, len(o))
	for k, v := range o {
		own[k] = v
	}
	return &nftFields{of: own}
}

func (o *nftFields) bad(key string) {
	if o.wrong == "" {
		o.wrong = key
	}
}

// take takes a field that need not be there.
func (o *nftFields) take(key string) (any, bool) {
	v, ok := o.of[key]
	delete(o.of, key)
	return v, ok
}

// text takes a string that must be there.
func (o *nftFields) text(key string) string {
	v, _ := o.take(key)
	s, ok := v.(string)
	if !ok || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
		o.bad(key)
	}
	return s
}

// says takes a string that must be the given one.
func (o *nftFields) says(key, want string) {
	if o.text(key) != want {
		o.bad(key)
	}
}

// maybe takes a string that need not be there.
func (o *nftFields) maybe(key string) string {
	if _, there := o.of[key]; !there {
		return ""
	}
	return o.text(key)
}

// number takes a number that need not be there; then it is otherwise.
func (o *nftFields) number(key string, otherwise, most int) int {
	v, there := o.take(key)
	if !there {
		return otherwise
	}
	s, _ := v.(json.Number)
	digits, negative := strings.CutPrefix(s.String(), "-")
	n, ok := parseNumber(digits, most)
	if !ok {
		o.bad(key)
	}
	if negative {
		return -n
	}
	return n
}

// counts takes numbers that may be large and have no meaning.
func (o *nftFields) counts(keys ...string) {
	for _, key := range keys {
		v, _ := o.take(key)
		s, _ := v.(json.Number)
		if _, err := strconv.ParseUint(s.String(), 10, 64); err != nil {
			o.bad(key)
		}
	}
}

// list takes a list that need not be there.
func (o *nftFields) list(key string) []any {
	v, there := o.take(key)
	list, ok := v.([]any)
	if there && !ok {
		o.bad(key)
	}
	return list
}

// done says what is wrong with the object, if anything is.
func (o *nftFields) done() error {
	if o.wrong != "" {
		return wrong("%q is not what it must be", o.wrong)
	}
	if len(o.of) > 0 {
		var left []string
		for key := range o.of {
			left = append(left, key)
		}
		slices.Sort(left)
		return wrong("%q is not understood here", left[0])
	}
	return nil
}

// single is the one key of an object and its value.
func single(v any) (string, any) {
	if o, ok := v.(map[string]any); ok && len(o) == 1 {
		for key, value := range o {
			return key, value
		}
	}
	return "", v
}

// nftKinds are the objects that nft lists beside its version.
var nftKinds = []string{
	"table", "chain", "rule", "set", "map", "limit", "counter", "quota", "flowtable", "secmark", "synproxy",
	"ct helper", "ct timeout", "ct expectation", "tunnel",
}

// object reads one object of the list.
func (p *nftJSON) object(v any, l line) error {
	kind, value := single(v)
	if kind == "metainfo" {
		o := nftFieldsOf(value)
		version := o.text("version")
		o.text("release_name")
		if schema := o.number("json_schema_version", 0, 1000); schema != 1 {
			return l.errorf("version %d of what nft prints as JSON is not known", schema)
		}
		p.terse, p.seen = strings.HasPrefix(version, "0."), true
		return p.at(l, o.done())
	}
	if !p.seen {
		return l.errorf("the version of what nft prints must come first")
	}
	o := nftFieldsOf(value)
	family, table := o.maybe("family"), o.maybe("table")
	if kind == "table" {
		table = o.maybe("name")
	}
	// A command such as "add" or "flush" has its object inside.
	if !slices.Contains(nftKinds, kind) || family == "" || table == "" {
		return l.errorf("not an object that is understood")
	}
	if family != "inet" || table != "portolan" {
		return nil
	}
	o.number("handle", 0, 1<<40)
	var err error
	switch kind {
	case "table":
	case "set":
		err = p.set(o, l)
	case "map":
		err = p.vmap(o, l)
	case "limit":
		name := p.name(o, "name")
		given := nftRate{ruleset.Rate{Count: o.number("rate", 0, 1_000_000), Period: o.text("per")}, o.number("burst", 5, 1_000_000)}
		if p.table.limits[name] != (nftRate{}) || !given.sound() {
			o.bad("rate")
		}
		p.table.limits[name] = given
	case "chain":
		err = p.chain(o, l)
	case "rule":
		err = p.rule(o, l)
	default:
		return l.errorf("%q is not understood", kind)
	}
	if err == nil {
		err = o.done()
	}
	return p.at(l, err)
}

// at gives an error its place.
func (p *nftJSON) at(l line, err error) error {
	if without, ok := err.(unplaced); ok {
		return fmt.Errorf("%s: byte %d: %s: %q", l.file.Name, l.start, string(without), l.text[:min(len(l.text), 200)])
	}
	return err
}

func (r nftRate) sound() bool {
	return r.rate.Count > 0 && r.burst > 0 && slices.Contains(ruleset.Periods[:], r.rate.Period)
}

// name takes a name of an object of ours.
func (p *nftJSON) name(o *nftFields, key string) string {
	name := o.text(key)
	if !nftName(name) {
		o.bad(key)
	}
	return name
}

// kind takes what defines a set or a map.
func (p *nftJSON) kind(o *nftFields) nftKind {
	var k nftKind
	flags, _ := o.take("flags")
	if one, ok := flags.(string); ok {
		flags = []any{one}
	}
	list, ok := flags.([]any)
	if flags != nil && !ok {
		o.bad("flags")
	}
	for _, flag := range list {
		name, _ := flag.(string)
		if k.flag(name) != nil {
			o.bad("flags")
		}
	}
	k.size, k.seconds = o.number("size", 0, 1<<30), o.number("timeout", 0, 1<<31-1)
	return k
}

func (p *nftJSON) set(o *nftFields, l line) error {
	var elements []addr.Range
	s := &nftSet{name: p.name(o, "name"), kind: p.kind(o), fresh: true}
	if nftLogical(s.name) == nftPending {
		return waits()
	}
	s.kind.family = nftFamily(o.text("type"))
	// Until 1.0 nft does not print the flag "dynamic".
	s.kind.dynamic = s.kind.dynamic || !s.kind.interval && s.kind.size > 0
	if s.kind.family == 0 || s.kind.interval == s.kind.dynamic || p.table.sets[s.name] != nil {
		return wrong("set %s is of a kind that is not known, or there already", s.name)
	}
	for _, v := range o.list("elem") {
		value, kept, err := p.element(v)
		if err != nil {
			return err
		}
		items, err := p.items(value)
		if err != nil {
			return err
		}
		r, ok := parseSource(strings.Join(items, " "), s.kind.family)
		if !ok {
			return wrong("not an element of set %s", s.name)
		}
		if s.kind.interval {
			elements = append(elements, r)
			if len(kept.of) > 0 {
				o.bad("elem")
			}
			continue
		}
		if err := p.counted(s, kept); err != nil {
			return err
		}
	}
	p.table.sets[s.name] = s
	return s.add(elements, l)
}

// element is the value of an element, and what stands beside it but its comment.
func (p *nftJSON) element(v any) (any, *nftFields, error) {
	key, inner := single(v)
	if key != "elem" {
		return v, nftFieldsOf(map[string]any{}), nil
	}
	o := nftFieldsOf(inner)
	value, _ := o.take("val")
	o.maybe("comment")
	if o.wrong != "" {
		return nil, nil, o.done()
	}
	return value, o, nil
}

// counted looks at what a counted element counts to.
func (p *nftJSON) counted(s *nftSet, o *nftFields) error {
	o.number("expires", 0, 1<<31-1)
	o.number("timeout", 0, 1<<31-1)
	_, connections := o.of["ct count"]
	if _, packets := o.of["limit"]; !connections && !packets && !p.terse {
		return wrong("an element of set %s counts nothing", s.name) // then what is beyond it is let through as well
	}
	if v, there := o.take("ct count"); there {
		n, err := p.count(v)
		if object, ours := strings.CutSuffix(s.name, nftSuffix(s.kind.family)); err != nil || !ours || !nftCounts(object, n) {
			return wrong("an element counts to another number than set %s", s.name)
		}
	}
	if v, there := o.take("limit"); there {
		given, err := p.rate(v)
		if named, ok := nftRateOf(s.name, s.kind.family); err != nil || !ok || named != given {
			return wrong("an element counts to another rate than set %s", s.name)
		}
	}
	return o.done()
}

func (p *nftJSON) vmap(o *nftFields, l line) error {
	m := &nftMap{name: p.name(o, "name"), fresh: true}
	o.says("type", "inet_service")
	o.says("map", "verdict")
	if k := p.kind(o); (k != nftKind{interval: true}) || p.table.maps[m.name] != nil {
		return wrong("map %s is of a kind that is not known, or there already", m.name)
	}
	// The counter of each element, since 1.0.
	for _, stmt := range o.list("stmt") {
		if key, _ := single(stmt); key != "counter" {
			o.bad("stmt")
		}
		m.counter = true
	}
	var elements []nftElement
	for _, v := range o.list("elem") {
		pair, _ := v.([]any)
		if len(pair) != 2 {
			return wrong("not an element of map %s", m.name)
		}
		value, kept, err := p.element(pair[0])
		if err != nil {
			return err
		}
		if c, there := kept.take("counter"); there {
			counter := nftFieldsOf(c)
			counter.counts("packets", "bytes")
			if err := counter.done(); err != nil {
				return err
			}
		}
		if err := kept.done(); err != nil {
			return err
		}
		items, err := p.items(value)
		if err != nil {
			return err
		}
		e := nftElement{line: &l}
		var ok bool
		if e.ports, ok = parsePorts(strings.Join(items, " "), "-"); !ok {
			return wrong("not an element of map %s", m.name)
		}
		switch key, target := single(pair[1]); {
		case key == "accept" && target == nil:
			e.verdict = ruleset.Accept
		case key == "drop" && target == nil:
			e.verdict = ruleset.Drop
		case key == "jump":
			t := nftFieldsOf(target)
			e.jump = p.name(t, "target")
			if err := t.done(); err != nil {
				return err
			}
		default:
			return wrong("%q is not understood here", key)
		}
		elements = append(elements, e)
	}
	p.table.maps[m.name] = m
	return m.add(elements)
}

// chainOf is the chain of a name.
func (p *nftJSON) chainOf(name string, l line) *nftChain {
	c := p.table.chains[name]
	if c == nil {
		c = &nftChain{name: name, line: &l}
		p.table.chains[name] = c
	}
	return c
}

func (p *nftJSON) chain(o *nftFields, l line) error {
	c := p.chainOf(p.name(o, "name"), l)
	if c.fresh {
		return wrong("chain %s is there already", c.name)
	}
	c.fresh = true
	if _, base := o.of["hook"]; !base {
		return nil
	}
	policy := map[string]ruleset.Verdict{"accept": ruleset.Accept, "drop": ruleset.Drop}[o.text("policy")]
	return c.setBase(o.text("type"), o.text("hook"), o.number("prio", 0, 1000), policy)
}

// rule reads a rule. Rules of a chain come in their order.
func (p *nftJSON) rule(o *nftFields, l line) error {
	b := newNftBuilder(new(nftRule), l)
	c := p.chainOf(p.name(o, "chain"), l)
	for _, v := range o.list("expr") {
		key, value := single(v)
		if err := p.part(b, key, value); err != nil {
			return err
		}
	}
	if _, there := o.of["comment"]; there {
		if err := b.say(o.text("comment")); err != nil {
			return err
		}
	}
	r, err := b.finish()
	if err != nil {
		return err
	}
	c.rules = append(c.rules, r)
	return nil
}

// part reads one expression of a rule.
func (p *nftJSON) part(b *nftBuilder, key string, value any) error {
	switch key {
	case "match":
		o := nftFieldsOf(value)
		op, _ := o.take("op")
		left, _ := o.take("left")
		right, _ := o.take("right")
		if err := o.done(); err != nil {
			return err
		}
		field, err := p.field(left)
		if err != nil {
			return err
		}
		// For states, "in" is a bit of several; several of them without a set are no list
		// for any other field.
		if op != "==" && !(op == "in" && field == "ct state") {
			return wrong("%q is not a comparison that is understood", op)
		}
		if _, several := right.([]any); several && field != "ct state" {
			return wrong("a list is compared with %s", field)
		}
		items, err := p.items(right)
		if err != nil {
			return err
		}
		return b.compare(field, items)
	case "vmap":
		o := nftFieldsOf(value)
		left, _ := o.take("key")
		name, isSet := strings.CutPrefix(o.text("data"), "@")
		if err := o.done(); err != nil || !isSet || !nftName(name) {
			return wrong("not a map that is understood")
		}
		field, err := p.field(left)
		if err != nil {
			return err
		}
		return b.lookup(field, name)
	case "set":
		return p.counting(b, value)
	case "ct count":
		n, err := p.count(value)
		if err != nil {
			return err
		}
		return b.countAll(n)
	case "limit":
		if name, ok := value.(string); ok {
			return b.limitAll(name)
		}
		given, err := p.rate(value)
		if err != nil {
			return err
		}
		return b.limitHere(given)
	case "counter":
		o := nftFieldsOf(value)
		o.counts("packets", "bytes")
		return o.done()
	case "log":
		if value == nil {
			return b.writeLog("")
		}
		o := nftFieldsOf(value)
		prefix := o.maybe("prefix")
		if err := o.done(); err != nil {
			return err
		}
		return b.writeLog(prefix)
	case "jump":
		o := nftFieldsOf(value)
		name := p.name(o, "target")
		if err := o.done(); err != nil {
			return err
		}
		return b.jumpTo(name)
	}
	if value != nil {
		return wrong("%q is not understood here", key)
	}
	switch key {
	case "accept":
		return b.decide(ruleset.Accept)
	case "drop":
		return b.decide(ruleset.Drop)
	case "notrack":
		return b.noTracking()
	}
	return wrong("%q is not understood here", key)
}

// field is the name of a field as the text has it.
func (p *nftJSON) field(v any) (string, error) {
	key, value := single(v)
	o := nftFieldsOf(value)
	field := ""
	switch key {
	case "payload":
		field = o.text("protocol") + " " + o.text("field")
	case "meta":
		field = o.text("key")
		if field != "iifname" && field != "oifname" {
			field = "meta " + field
		}
	case "ct":
		field = "ct " + o.text("key")
	default:
		return "", wrong("%q is not a field that is understood", key)
	}
	return field, o.done()
}

// items are values as the text has them: one, or those of a set.
func (p *nftJSON) items(v any) ([]string, error) {
	if list, ok := v.([]any); ok {
		var out []string
		for _, one := range list {
			item, err := p.item(one)
			if err != nil {
				return nil, err
			}
			out = append(out, item)
		}
		return out, nil
	}
	if key, set := single(v); key == "set" {
		if list, ok := set.([]any); ok {
			return p.items(list)
		}
		v = set // a set of one
	}
	one, err := p.item(v)
	return []string{one}, err
}

func (p *nftJSON) item(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	}
	key, value := single(v)
	switch key {
	case "range":
		pair, _ := value.([]any)
		if len(pair) == 2 {
			first, err1 := p.item(pair[0])
			last, err2 := p.item(pair[1])
			if err1 == nil && err2 == nil {
				return first + "-" + last, nil
			}
		}
	case "prefix":
		o := nftFieldsOf(value)
		text := o.text("addr") + "/" + strconv.Itoa(o.number("len", -1, 128))
		return text, o.done()
	}
	return "", wrong("%.100v is not a value that is understood", v)
}

// counting reads a statement that adds the source to a set.
func (p *nftJSON) counting(b *nftBuilder, value any) error {
	o := nftFieldsOf(value)
	op := o.text("op")
	name, isSet := strings.CutPrefix(o.text("set"), "@")
	elem, _ := o.take("elem")
	statements := o.list("stmt")
	if err := o.done(); err != nil {
		return err
	}
	field, err := p.field(elem)
	family := map[string]int{"ip saddr": 4, "ip6 saddr": 6}[field]
	if err != nil || family == 0 || !isSet || !nftName(name) || len(statements) > 1 || len(statements) == 0 && !p.terse {
		return wrong("not a set that counts sources")
	}
	object := strings.TrimSuffix(name, nftSuffix(family))
	key, inner := "", any(nil)
	if len(statements) == 1 {
		key, inner = single(statements[0])
	}
	switch {
	case op == "add" && key == "ct count":
		n, err := p.count(inner)
		if err != nil {
			return err
		}
		return b.countEach(name, family, n)
	case op == "update" && key == "limit":
		given, err := p.rate(inner)
		if err != nil {
			return err
		}
		return b.meterEach(name, family, given)
	case op == "add" && key == "":
		n, ok := parseNumber(object[strings.LastIndexByte(object, '_')+1:], 1_000_000)
		if !ok || n == 0 {
			return wrong("the name of set %s does not say what it counts to", name)
		}
		return b.countEach(name, family, n)
	case op == "update" && key == "":
		given, ok := nftRateOf(name, family)
		if !ok {
			return wrong("the name of set %s does not say what it counts to", name)
		}
		return b.meterEach(name, family, given)
	}
	return wrong("%q of a set is not understood", op)
}

// count reads what connections are counted to.
func (p *nftJSON) count(v any) (int, error) {
	o := nftFieldsOf(v)
	n := o.number("val", 0, 1_000_000)
	if n < 1 {
		o.bad("val")
	}
	return n, o.done()
}

// rate reads a limit. nft 0.9.8 leaves a burst of 5 out.
func (p *nftJSON) rate(v any) (nftRate, error) {
	o := nftFieldsOf(v)
	given := nftRate{ruleset.Rate{Count: o.number("rate", 0, 1_000_000), Period: o.text("per")}, o.number("burst", 5, 1_000_000)}
	if !given.sound() {
		o.bad("rate")
	}
	return given, o.done()
}
