package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"portolan/internal/catalog"
	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/source"
)

// builder makes the claims of one instance.
type builder struct {
	*evaluator
	claims   []Claim
	disabled []Disabled
	partial  bool
	scopes   []scope         // the groups around what is being built, the outermost first
	defaults map[socket]bool // claims that rest on a default
	asked    []string        // defaults that undecided reported
	untold   []Unknown       // what is not known, where eras are asked for
	used     []origin        // the defaults and options that count, where eras are asked for
}

// group makes the claims of a group and of those inside it.
func (b *builder) group(g *catalog.Group, ctx *hcl.EvalContext) {
	b.locals(g, ctx)
	b.scopes = append(b.scopes, scope{g.Locals, ctx})
	defer func() { b.scopes = b.scopes[:len(b.scopes)-1] }()
	for i := range g.Listens {
		b.fact(&g.Listens[i], Listen, ctx)
	}
	for i := range g.Connects {
		b.fact(&g.Connects[i], Connect, ctx)
	}
	for i := range g.Groups {
		inner := &g.Groups[i]
		known := b.repeat(inner.ForEach, ctx, func(ctx *hcl.EvalContext) {
			switch on, known := b.condition(inner.When, ctx); {
			case known && on:
				b.group(inner, ctx)
			case known:
				b.groupOff(inner, ctx)
			default:
				b.groupUnknown(inner, ctx, inner.When)
			}
		})
		if !known {
			b.groupUnknown(inner, ctx, inner.ForEach)
		}
	}
}

// groupOff notes the listeners of a group that is switched off as a whole. Those that the
// group's own values make are not known.
func (b *builder) groupOff(g *catalog.Group, ctx *hcl.EvalContext) {
	for i := range g.Listens {
		if f := &g.Listens[i]; f.ForEach == nil && len(f.Purpose.Variables()) == 0 {
			b.off(f, Listen, ctx, b.reasons(g.When, ctx)...)
		}
	}
}

// maxItems bounds how often one block is repeated.
const maxItems = 500

// tooMany is the finding that a list is longer than we follow.
func tooMany(at source.Span) diag.Diagnostic {
	return diag.Diagnostic{Rule: "out-of-range-value", Severity: diag.Warning, Span: at,
		Message: fmt.Sprintf("more than %d of one kind; the rest is not looked at", maxItems), Help: "check that it is the right file"}
}

// repeat calls do for every item of a list, or once without one. It is false when there are
// items that are not known or not looked at.
func (b *builder) repeat(over hcl.Expression, ctx *hcl.EvalContext, do func(*hcl.EvalContext)) bool {
	if over == nil {
		do(ctx)
		return true
	}
	v := b.value(over, ctx)
	list, _ := v.Unmark()
	if !b.list(over, "for_each", v) || list.IsNull() || !list.IsKnown() {
		b.partial = true
		made := origins(v)
		if list.IsKnown() {
			made = nil // a mistake of the description
		}
		if len(made) > 0 && !slices.ContainsFunc(made, func(o origin) bool { return o.kind == reported }) {
			b.say(made[0].span, diag.Diagnostic{Rule: "out-of-range-value", Severity: diag.Warning, Label: "not read",
				Message: fmt.Sprintf("a list is not known, or has more than %d parts: what it opens or connects to is not known", maxItems), Help: "check that it is the right file"})
		}
		return false
	}
	for i, item := range list.AsValueSlice() {
		if b.spent() {
			break
		}
		if i == maxItems {
			b.partial = true
			b.diags = append(b.diags, tooMany(b.doc.File.Span(0, 0)))
			return false
		}
		inner := ctx.NewChild()
		inner.Variables = map[string]cty.Value{catalog.Variable("each", "value"): item, catalog.Variable("each", "index"): cty.NumberIntVal(int64(i))}
		do(inner)
	}
	return true
}

// condition is whether a condition holds; known is false when that cannot be told.
func (b *builder) condition(when hcl.Expression, ctx *hcl.EvalContext) (on, known bool) {
	if when == nil {
		return true, true
	}
	v, _ := b.value(when, ctx).Unmark()
	if !b.is(when, "when", v, cty.Bool, "compare it with something, or read it with truthy(text, default)") || v.IsNull() || !v.IsKnown() {
		b.partial = true
		return false, false
	}
	return v.True(), true
}

// is reports whether a value has the type that the description must give it. Another one is
// a mistake of the description, whatever the file says.
func (e *evaluator) is(expr hcl.Expression, what string, v cty.Value, want cty.Type, help string) bool {
	got := v.Type()
	if got == want {
		return true
	}
	if got != cty.DynamicPseudoType { // an expression that failed, or null
		e.mistake(expr, fmt.Sprintf("%s is %s and not %s", what, kind(got), kind(want)), help)
	}
	return false
}

// list is like is for lists of anything.
func (e *evaluator) list(expr hcl.Expression, what string, v cty.Value) bool {
	switch t := v.Type(); {
	case t.IsListType() || t.IsTupleType() || t.IsSetType():
		return true
	case t != cty.DynamicPseudoType:
		e.mistake(expr, what+" is "+kind(t)+" and not a list", "write it in [ ], or split it with items(text, separators)")
	}
	return false
}

// kind is a type in the words of docs/services.md.
func kind(t cty.Type) string {
	switch {
	case t == cty.String:
		return "a text"
	case t == cty.Number:
		return "a number"
	case t == cty.Bool:
		return "true or false"
	case t.Equals(nodeType):
		return "a node"
	case t.IsListType() || t.IsTupleType() || t.IsSetType():
		return "a list"
	}
	return "an object"
}

// fact makes the claims of one listen or connect block.
func (b *builder) fact(f *catalog.Fact, direction Direction, ctx *hcl.EvalContext) {
	if !b.repeat(f.ForEach, ctx, func(ctx *hcl.EvalContext) { b.once(f, direction, ctx) }) {
		b.factUnknown(f, direction, ctx, f.ForEach)
	}
}

// lints reports the mistakes that only this service can make.
func (b *builder) lints() {
	b.scopes = []scope{{b.service.Locals, b.ctx}}
	for i := range b.service.Lints {
		l := &b.service.Lints[i]
		b.repeat(l.ForEach, b.ctx, func(ctx *hcl.EvalContext) {
			if is, known := b.truth(l.When, ctx); known && is {
				b.lint(l, ctx)
			}
		})
	}
}

// lint reports one of them at the settings that make its condition true.
func (b *builder) lint(l *catalog.Lint, ctx *hcl.EvalContext) {
	severity, _ := diag.ParseSeverity(l.Severity) // checked by the catalogue
	message, _ := textOf(b.value(l.Message, ctx))
	d := diag.Diagnostic{Rule: "service-setting", Severity: severity, Span: b.doc.File.Span(0, 0), Message: b.service.ID + ": " + message,
		Notes: []string{"this is the check " + l.Name + " of " + b.service.ID + ": portolan explain " + b.service.ID}, Help: l.Help}
	var places []source.Span
	for _, v := range b.reasons(l.When, ctx) {
		for _, o := range origins(v) {
			if (o.kind == written || o.kind == builtin) && !slices.Contains(places, o.span) {
				places = append(places, o.span)
			}
		}
	}
	for i, at := range places[:min(len(places), maxPlaces)] {
		if i == 0 {
			d.Span = at
			continue
		}
		d.Related = append(d.Related, diag.Related{Span: at, Message: "together with this"})
	}
	// A check knows why a port is not known.
	b.diags = slices.DeleteFunc(b.diags, func(o diag.Diagnostic) bool {
		return o.Rule == "unknown-default" && o.Span == d.Span && d.Span.HasLine()
	})
	b.diags = append(b.diags, d)
}

// maxPlaces bounds the settings that one such finding shows.
const maxPlaces = 5

// once makes the claims of one block for one item.
func (b *builder) once(f *catalog.Fact, direction Direction, ctx *hcl.EvalContext) {
	if f.When != nil {
		on, known := b.condition(f.When, ctx)
		if !known {
			b.undecided(b.value(f.When, ctx))
			b.factUnknown(f, direction, ctx, f.When)
			return
		}
		if !on {
			b.off(f, direction, ctx, b.reasons(f.When, ctx)...)
			return
		}
	}
	var first, extent cty.Value
	switch {
	case f.Port != nil:
		first = b.value(f.Port, ctx)
	case f.Count != nil:
		first, extent = b.value(f.First, ctx), b.value(f.Count, ctx)
	default:
		first, extent = b.value(f.First, ctx), b.value(f.Last, ctx)
	}
	for _, n := range []struct {
		expr hcl.Expression
		name string
		v    cty.Value
	}{{f.Port, "port", first}, {f.First, "first", first}, {f.Count, "count", extent}, {f.Last, "last", extent}} {
		if n.expr != nil && n.v != cty.NilVal && !b.is(n.expr, n.name, n.v, cty.Number, "read it with port(text, default)") && n.v.Type() != cty.DynamicPseudoType {
			b.partial = true // and the mistake is reported
			return
		}
	}
	purpose := b.purpose(f, ctx)
	lo, ok := intOf(first)
	hi := lo
	if ok && extent != cty.NilVal {
		var n int
		if n, ok = intOf(extent); f.Count != nil {
			hi = lo + n - 1
		} else {
			hi = n
		}
	}
	if !ok {
		b.unknown(purpose, first, extent)
		b.notKnown(f, direction, ctx, whyUnknown(first, extent))
		return
	}
	if f.Last != nil && lo != 0 && hi != 0 && hi < lo {
		b.backwards(purpose, lo, hi, first, extent)
		b.notKnown(f, direction, ctx, fmt.Sprintf("it ends at %d, before it begins at %d", hi, lo))
		return
	}
	if lo == 0 || hi < lo {
		switch f.Zero {
		case "unknown":
			b.zero(purpose, first, extent)
			b.notKnown(f, direction, ctx, "what 0 means is not documented")
			return
		case "chosen":
			b.chosen(purpose, first)
			b.notKnown(f, direction, ctx, "")
			return
		}
	}
	if lo == 0 || hi < lo {
		b.off(f, direction, ctx, first)
		return // switched off, or of no size
	}
	claim := Claim{
		Service: b.service.ID, Listen: f.Name, Purpose: purpose, Direction: direction,
		NominalFirst: lo, NominalLast: hi, Exposure: Exposure(f.Exposure), Pairs: f.Pairs, Platforms: b.service.Platforms, Share: f.Share, V6Only: f.V6Only, TrustedOnly: f.TrustedOnly,
	}
	if f.Nominal != nil {
		claim.NominalFirst, claim.NominalLast = b.bounds(f.Nominal, ctx, lo, hi)
	}
	b.provenance(&claim, f, first, extent)
	for _, a := range f.Assigned {
		s, _ := port.Parse(a) // checked by the catalogue
		claim.Assigned = claim.Assigned.Union(s)
	}
	if direction == Connect {
		claim.To = f.To
		peer := b.value(f.Peer, ctx)
		if claim.Peer, ok = textOf(peer); !ok {
			b.partial = true
			b.notKnown(f, direction, ctx, whyUnknown(peer))
			return
		}
		if f.Source != nil {
			from, to := b.bounds(f.Source, ctx, 0, 0)
			claim.Source = clamp(from, to)
		}
	} else {
		claim.Bind, claim.Everywhere = b.binds(f, ctx)
		b.beside(&claim, f, ctx)
	}
	protos, known := b.protocols(f, ctx)
	if !known {
		b.factUnknown(f, direction, ctx, f.Protocol)
	}
	for _, proto := range protos {
		for _, r := range port.Of(clamp(lo, hi)).Minus(b.except(f, ctx)).Ranges() {
			claim.Proto, claim.Ports = proto, r
			if b.budget.Spend(priceClaim); b.spent() {
				return
			}
			if claim.Origin == Config || b.fresh(&claim) {
				b.claims = append(b.claims, claim)
			}
		}
	}
}

// socket is what tells claims that rest on defaults from each other.
type socket struct {
	listen, purpose, peer, binds string
	direction                    Direction
	proto                        port.Proto
	ports                        port.Range
	span                         source.Span
}

// fresh reports whether a claim that rests on a default is not the same socket or connection
// by the same default at the same place, said again: then it is the same one.
func (b *builder) fresh(c *Claim) bool {
	s := socket{c.Listen, c.Purpose, c.Peer, strings.Join(c.Bind, " "), c.Direction, c.Proto, c.Ports, c.Span}
	if b.defaults[s] {
		return false
	}
	if b.defaults == nil {
		b.defaults = map[socket]bool{}
	}
	b.defaults[s] = true
	return true
}

// purpose is the words of a block for people, or its name where they are not known.
func (b *builder) purpose(f *catalog.Fact, ctx *hcl.EvalContext) string {
	words, _ := textOf(b.value(f.Purpose, ctx))
	return cmp.Or(words, f.Name)
}

// zero reports a number 0 of which nobody says that it switches the listener off.
func (b *builder) zero(purpose string, first, extent cty.Value) {
	b.partial = true
	v := first
	if n, _ := intOf(first); n != 0 {
		v = extent
	}
	at, name := placeOf(v)
	b.say(at, diag.Diagnostic{Rule: "out-of-range-value", Severity: diag.Error,
		Message: fmt.Sprintf("%s is 0, and what that means for %s is not documented", name, purpose), Help: "write a number of at least 1"})
}

// backwards reports a range that ends before it begins. What a service makes of that is in
// its description, if it is known: then the bounds are mended there.
func (b *builder) backwards(purpose string, lo, hi int, first, extent cty.Value) {
	b.partial = true
	v := extent
	if made := origins(extent); len(made) == 0 || made[0].kind != written {
		v = first
	}
	at, _ := placeOf(v)
	b.say(at, diag.Diagnostic{Rule: "out-of-range-value", Severity: diag.Error,
		Message: fmt.Sprintf("%s of %s ends at %d, before it begins at %d", purpose, b.service.ID, hi, lo), Help: "write the smaller port first"})
}

// chosen reports a listener on a port that the system chooses, another at every start.
func (b *builder) chosen(purpose string, first cty.Value) {
	b.partial = true
	at, label, help := b.doc.File.Span(0, 0), "", "set a port"
	for _, o := range origins(first) {
		if o.kind == written || o.kind == builtin {
			at, label = o.span, "the system chooses"
		}
		if o.setting != "" {
			help = "set " + o.setting + " to a port of your choice"
		}
	}
	b.diags = append(b.diags, diag.Diagnostic{Rule: "os-chosen-port", Severity: diag.Warning, Span: at, Label: label,
		Message: fmt.Sprintf("%s of %s listens on a port that the system chooses at every start", purpose, b.service.ID), Help: help})
}

// bounds are the two numbers of a list, and lo and hi where they are not known.
func (b *builder) bounds(of hcl.Expression, ctx *hcl.EvalContext, lo, hi int) (int, int) {
	list, _ := b.value(of, ctx).Unmark()
	if !b.list(of, "this pair of numbers", list) || list.IsNull() || !list.IsKnown() || list.LengthInt() != 2 {
		return lo, hi
	}
	bounds := list.AsValueSlice()
	first, ok1 := intOf(bounds[0])
	last, ok2 := intOf(bounds[1])
	if !ok1 || !ok2 {
		return lo, hi
	}
	return first, last
}

// except are the ports of a range that are not used.
func (b *builder) except(f *catalog.Fact, ctx *hcl.EvalContext) port.Set {
	if f.Except == nil {
		return port.Set{}
	}
	var ranges []port.Range
	list, _ := b.value(f.Except, ctx).Unmark()
	if b.list(f.Except, "except", list) && !list.IsNull() && list.IsKnown() {
		for _, v := range list.AsValueSlice() {
			if n, ok := intOf(v); ok && n >= 0 && n <= port.Max {
				ranges = append(ranges, port.Single(uint16(n)))
			}
		}
	}
	return port.Of(ranges...)
}

func clamp(lo, hi int) port.Range {
	return port.Range{First: uint16(min(max(lo, 0), port.Max)), Last: uint16(min(max(hi, 0), port.Max))}
}

// binds are the addresses of a listener, every address when it says none, and the text that
// says so.
func (b *builder) binds(f *catalog.Fact, ctx *hcl.EvalContext) (addresses []string, every Word) {
	if f.Bind == nil {
		return []string{"*"}, Word{}
	}
	value := b.value(f.Bind, ctx)
	list, _ := value.Unmark()
	if b.list(f.Bind, "bind", list) && !list.IsNull() && list.IsKnown() {
		for _, v := range list.AsValueSlice() {
			if t := v.Type(); t != cty.String && t != cty.DynamicPseudoType {
				b.mistake(f.Bind, "an address of bind is "+kind(t)+" and not a text", "write addresses as texts")
			}
			s, ok := textOf(v)
			if ok && s != "" {
				addresses = append(addresses, s)
			}
			if every == (Word{}) && (s == "" || everyAddress(s)) {
				every = everywhere(v)
			}
		}
	}
	if len(addresses) == 0 { // an address that is not known may be any
		return []string{"*"}, everywhere(value)
	}
	if !slices.ContainsFunc(addresses, everyAddress) {
		every = Word{}
	}
	return addresses, every
}

// protocols are those of a block; known is false when there may be others.
func (b *builder) protocols(f *catalog.Fact, ctx *hcl.EvalContext) (out []port.Proto, known bool) {
	list, _ := b.value(f.Protocol, ctx).Unmark()
	if !b.list(f.Protocol, "protocol", list) || list.IsNull() || !list.IsKnown() {
		b.partial = true
		return nil, false
	}
	known = true
	for _, v := range list.AsValueSlice() {
		if plain, _ := v.Unmark(); !plain.IsKnown() { // a template, which a finding is about
			b.partial, known = true, false
			continue
		}
		s, _ := textOf(v)
		p, err := port.ParseProto(s)
		if err != nil {
			b.partial, known = true, false
			b.mistake(f.Protocol, err.Error(), "")
			continue
		}
		out = append(out, p)
	}
	return out, known
}

// undecided reports, once for each, the defaults that nobody documents and that decide whether
// listeners are there.
func (b *builder) undecided(v cty.Value) {
	for _, o := range origins(v) {
		if o.kind != unknown || o.span.File != b.service.Source || slices.Contains(b.asked, o.setting) {
			continue
		}
		b.asked = append(b.asked, o.setting)
		b.diags = append(b.diags, diag.Diagnostic{Rule: "unknown-default", Severity: diag.Warning, Span: b.doc.File.Span(0, 0),
			Message: fmt.Sprintf("which listeners of %s are there is not known", b.service.ID),
			Notes:   []string{o.words}, Help: "write " + o.setting + " into the file"})
	}
}

// unknown reports a listener whose ports cannot be told.
func (b *builder) unknown(purpose string, values ...cty.Value) {
	b.partial = true
	at, reason, setting := b.doc.File.Span(0, 0), "", ""
	for _, v := range values {
		list := origins(v)
		for _, o := range list {
			if o.kind == reported {
				return
			}
			if o.kind == absent && setting == "" {
				setting = o.setting
			}
			if o.kind == unknown && reason == "" {
				reason = o.words
				for _, place := range list {
					if place.kind == builtin || place.kind == written {
						at = place.span
						break
					}
				}
				if o.span.HasLine() && o.span.File != b.service.Source { // a word that is a variable
					at, setting = o.span, ""
				} else if o.setting != "" {
					setting = o.setting
				}
			}
		}
	}
	help := "write the number into the file"
	// Some settings are words for people, others are options of a command line.
	if plainName().MatchString(setting) && !strings.Contains(setting, " ") {
		help = "write " + setting + " with its number into the file"
	}
	switch reason {
	case notRead:
		help = "let Portolan read the part that is marked: name the folder that holds the whole host with --root, or make it readable"
	case "":
		reason = unknownValue
	}
	label := ""
	if at.HasLine() {
		label = "not guessed"
	}
	b.diags = append(b.diags, diag.Diagnostic{Rule: "unknown-default", Severity: diag.Warning, Span: at,
		Message: fmt.Sprintf("the ports of %s of %s are not known", purpose, b.service.ID), Label: label,
		Notes: []string{reason}, Help: help})
}
