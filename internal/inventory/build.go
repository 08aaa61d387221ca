package inventory

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"portolan/internal/catalog"
	"portolan/internal/conf"
	"portolan/internal/diag"
	"portolan/internal/parallel"
	"portolan/internal/port"
	"portolan/internal/source"
)

// Options are the operator's choices about services, by service id and option name.
type Options map[string]map[string]string

// Read builds the inventory of a host from the paths that the catalogue knows. The
// error is ErrNothing when there is no file of a known service.
func Read(cat *catalog.Catalog, tree *source.Tree, root string, opts Options) (*Inventory, diag.List, error) {
	os, err := OSOf(tree)
	if err != nil {
		return nil, nil, err
	}
	found, err := inTree(cat, tree, os)
	if err != nil {
		return nil, nil, err
	}
	inv := &Inventory{Root: root, OS: os}
	diags, err := inv.build(found, opts)
	return inv, diags, err
}

// ReadPaths builds an inventory from files and folders that an operator names. An
// argument SERVICE=PATH says what a file is; others are recognised by name and content.
func ReadPaths(cat *catalog.Catalog, args []string, opts Options) (*Inventory, diag.List, error) {
	var named places
	defer named.close()
	found, err := named.inPaths(cat, args)
	if err != nil {
		return nil, nil, err
	}
	inv := &Inventory{}
	diags, err := inv.build(found, opts)
	return inv, diags, err
}

// ReadFiles builds the inventory of files that are known to be one instance of a service,
// by their roles.
func ReadFiles(s *catalog.Service, files map[string]*source.File, choices map[string]string) (*Inventory, diag.List, error) {
	var found []candidate
	for i := range s.Files {
		if f := files[s.Files[i].Role]; f != nil {
			found = append(found, candidate{name: f.Name, service: s, spec: &s.Files[i], certain: true, said: true,
				read: func() (*source.File, error) { return f, nil }})
		}
	}
	if len(found) < len(files) {
		return nil, nil, fmt.Errorf("service %s has no files of some of these roles", s.ID)
	}
	inv := &Inventory{}
	diags, err := inv.build(found, Options{s.ID: choices})
	return inv, diags, err
}

func (inv *Inventory) build(found []candidate, opts Options) (diag.List, error) {
	tools := sync.Pool{New: func() any { return newToolbox() }}
	read := documents{}
	parallel.For(len(found), func(i int) { found[i].load(&read, &tools) })
	found = withoutCarried(withoutParts(found))
	found = containers(found, &read, &tools)
	unclaimed(found)
	instances := group(found)
	results := make([]result, len(instances))
	parallel.For(len(instances), func(i int) { results[i] = instances[i].build(opts[instances[i].service.ID], &tools) })
	var diags diag.List
	for i := range found {
		diags = append(diags, found[i].diags...)
		if found[i].known {
			inv.Files = append(inv.Files, File{Name: found[i].file.Name, Service: found[i].service.ID, Status: Unreadable})
		}
	}
	copies := map[*catalog.Service]int{}
	for _, in := range instances {
		copies[in.service]++
	}
	for i, r := range results {
		c := instances[i].main()
		if copies[c.service] > 1 { // told apart by their main files
			for k := range r.claims {
				r.claims[k].Instance = c.instance()
			}
		}
		diags = append(diags, r.diags...)
		inv.Claims = append(inv.Claims, r.claims...)
		inv.Disabled = append(inv.Disabled, r.disabled...)
		for k := range inv.Files {
			f := &inv.Files[k]
			if f.Service != c.service.ID {
				continue
			}
			for _, part := range instances[i].parts {
				if part.doc != nil && part.file.Name == f.Name && f.Status != Partial {
					f.Status = r.status
				}
			}
		}
		if !slices.Contains(inv.Found, c.service.ID) {
			inv.Found = append(inv.Found, c.service.ID)
		}
		if inv.OS == "" && len(found) == 1 {
			inv.OS = c.os
		}
	}
	if len(inv.Files) == 0 {
		return nil, ErrNothing
	}
	slices.Sort(inv.Found)
	slices.SortStableFunc(inv.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	inv.Files = slices.Compact(inv.Files) // a file with two containers of one service
	slices.SortStableFunc(inv.Claims, func(a, b Claim) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Span.Name(), b.Span.Name()), cmp.Compare(a.Span.Start, b.Span.Start),
			strings.Compare(a.Listen, b.Listen), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Ports.First, b.Ports.First), strings.Compare(a.Peer, b.Peer))
	})
	diags.Sort()
	return slices.CompactFunc(diags, sameFinding), nil // of a file that several services read
}

// sameFinding reports whether two findings say the same about the same text.
func sameFinding(a, b diag.Diagnostic) bool {
	return a.Rule == b.Rule && a.Message == b.Message && a.Span.Name() == b.Span.Name() && a.Span.Start == b.Span.Start && a.Span.End == b.Span.End
}

// documents are the files that were read, each once for all services that have it.
type documents struct{ files sync.Map }

// document is one of them.
type document struct {
	once  sync.Once
	doc   *conf.Document
	diags diag.List
	err   error
}

// parse reads a file in the format of its kind. The error says that there is no such
// format.
func (d *documents) parse(spec *catalog.FileSpec, f *source.File, tree *source.Tree) (*conf.Document, diag.List, error) {
	read := func() (*conf.Document, diag.List, error) {
		if spec.Dialect != nil {
			doc, diags := spec.Dialect.Parse(f, tree)
			return doc, diags, nil
		}
		return conf.Parse(spec.Format, f, tree)
	}
	if tree == nil {
		return read()
	}
	type key struct {
		format  string
		dialect *conf.Dialect
		name    string
		path    string
	}
	v, _ := d.files.LoadOrStore(key{spec.Format, spec.Dialect, f.Name, f.Path}, &document{})
	found := v.(*document)
	found.once.Do(func() { found.doc, found.diags, found.err = read() })
	return found.doc, found.diags, found.err
}

// withoutParts leaves out files that another file of the same service includes: they are
// a part of it.
func withoutParts(found []candidate) []candidate {
	type key struct {
		service *catalog.Service
		path    string
	}
	parts := map[key]*conf.Document{}
	for i := range found {
		if c := &found[i]; c.doc != nil {
			for _, p := range c.doc.Included {
				parts[key{c.service, p}] = c.doc
			}
		}
	}
	return slices.DeleteFunc(found, func(c candidate) bool {
		whole := parts[key{c.service, c.file.Path}]
		return whole != nil && whole != c.doc && !c.said && (c.doc == nil || !slices.Contains(c.doc.Included, whole.File.Path))
	})
}

// withoutCarried leaves out the files of carriers, such as units, that a service of its
// own has too.
func withoutCarried(found []candidate) []candidate {
	described := map[string]bool{}
	for i := range found {
		if c := &found[i]; c.doc != nil && !c.service.Carrier {
			described[c.file.Path] = true
		}
	}
	return slices.DeleteFunc(found, func(c candidate) bool { return c.service.Carrier && !c.said && described[c.file.Path] })
}

// load reads the file of a candidate and asks whether it is what its name says.
func (c *candidate) load(read *documents, tools *sync.Pool) {
	f, err := c.read()
	if err != nil {
		c.file = source.New(c.name, nil)
		if c.common() && !c.said {
			return // a link to another program's unit that is gone
		}
		c.known = true
		c.diags = diag.List{unreadable(c.file, why(err), "make it a readable text file, or leave it out")}
		return
	}
	c.file, c.known = f, c.certain
	if bytes.IndexByte(f.Text, 0) >= 0 {
		c.refuse(diag.List{unreadable(f, "it is binary: it has zero bytes", "name the configuration file in text form")})
		return
	}
	other := diag.List{unreadable(f, "it does not look like a configuration of "+c.service.Title, "check that it is the right file")}
	if !c.said && slices.ContainsFunc(c.spec.Contains, func(s string) bool { return !bytes.Contains(f.Text, []byte(s)) }) {
		c.refuse(other)
		return
	}
	doc, diags, err := read.parse(c.spec, f, c.tree)
	if err != nil { // the description names a format that does not exist
		c.known, c.diags = true, diag.List{{Rule: catalog.Rule, Severity: diag.Error, Span: c.service.Span, Message: err.Error()}}
		return
	}
	if c.sample && len(doc.Root.Children) == 0 { // a file of that name may be anybody's
		c.refuse(nil)
		return
	}
	doc = c.layered(read, doc)
	if c.spec.Accept != nil || c.spec.Yields != nil {
		box := tools.Get().(*toolbox)
		defer tools.Put(box)
		e := &evaluator{service: c.service, spec: c.spec, doc: doc, os: c.os}
		e.prepare(box)
		switch {
		case c.spec.Accept != nil && !e.holds(c.spec.Accept):
			c.refuse(append(e.diags, other...))
			return
		case c.spec.Yields != nil && !c.said && e.holds(c.spec.Yields):
			c.known = false
			return
		}
	}
	c.known, c.doc, c.diags = true, doc, append(c.diags, diags...)
	if c.tree == nil { // named by itself: what it includes was not looked at
		for _, gap := range doc.Gaps {
			c.diags = append(c.diags, diag.Diagnostic{Rule: "unreadable-file", Severity: diag.Warning, Span: gap,
				Message: "what is included here was not looked at, because the file was named by itself", Label: "settings from here are not known",
				Help: "name the folder that holds the whole host with --root"})
		}
	}
}

// refuse notes why a file is not one of the service. It is reported when the file is
// certain to be one, or when nobody else takes it, but for names that many programs use.
func (c *candidate) refuse(why diag.List) {
	c.refused = why
	if c.known = c.known && (c.said || !c.common()); c.known {
		c.diags = why
	}
}

// common reports whether files of other programs have the name of c, too.
func (c *candidate) common() bool { return c.spec.CommonName || c.sample || len(c.spec.Images) > 0 }

// unclaimed makes known those files that only have the name of a known one and that no
// service took: one of them is probably broken. Names that many programs use are left
// alone.
func unclaimed(found []candidate) {
	taken := map[string]bool{}
	for i := range found {
		if found[i].known {
			taken[found[i].name] = true
		}
	}
	for i := range found {
		c := &found[i]
		if !taken[c.name] && !c.common() && c.refused != nil {
			c.known, c.diags = true, c.refused
			taken[c.name] = true
		}
	}
}

// result is what one instance comes to.
type result struct {
	status   Status
	claims   []Claim
	disabled []Disabled
	diags    diag.List
}

// build makes the claims of one instance.
func (in *instance) build(choices map[string]string, tools *sync.Pool) result {
	e := &evaluator{service: in.service, spec: &in.service.Files[0], sides: map[string]*conf.Document{}}
	for _, p := range in.parts {
		e.os = cmp.Or(e.os, p.os)
		if p.spec == &in.service.Files[0] {
			e.doc = p.doc
			continue
		}
		side := e.sides[p.spec.Role]
		if side == nil {
			side = &conf.Document{File: p.file, Root: &conf.Node{}}
			e.sides[p.spec.Role] = side
		}
		side.Root.Children = append(side.Root.Children, p.doc.Root.Children...)
		side.Gaps = append(side.Gaps, p.doc.Gaps...)
	}
	if e.doc == nil {
		e.doc = &conf.Document{File: in.main().file, Root: &conf.Node{}, Gaps: in.main().missing}
	}
	for _, p := range in.parts {
		if p.spec.Options != nil {
			e.doc = withOptions(e.doc, p)
		}
	}
	box := tools.Get().(*toolbox)
	defer tools.Put(box)
	e.prepare(box)
	e.tree = in.main().tree
	e.evaluate(choices)
	b := &builder{evaluator: e}
	b.group(&in.service.Group, b.ctx, nil)
	b.lints()
	out := result{status: Whole, claims: b.claims, disabled: b.disabled, diags: e.diags}
	gaps := len(e.doc.Gaps)
	for _, side := range e.sides {
		gaps += len(side.Gaps)
	}
	if b.partial || gaps > 0 { // what was not read may open more
		out.status = Partial
	}
	return out
}

func unreadable(f *source.File, why, help string) diag.Diagnostic {
	return diag.Diagnostic{Rule: "unreadable-file", Severity: diag.Error, Span: f.Span(0, 0),
		Message: f.Name + " cannot be read: " + why, Help: help}
}

// why is the reason in an error without the path, which the finding says already.
func why(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// builder makes the claims of one instance.
type builder struct {
	*evaluator
	claims   []Claim
	disabled []Disabled
	partial  bool
	scopes   []scope // the groups around what is being built, the outermost first
}

// group makes the claims of a group and of those inside it.
func (b *builder) group(g *catalog.Group, ctx *hcl.EvalContext, outside map[string]cty.Value) {
	locals := b.locals(g, ctx, outside)
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
		b.repeat(inner.ForEach, ctx, func(ctx *hcl.EvalContext) {
			switch on, known := b.condition(inner.When, ctx); {
			case known && on:
				b.group(inner, ctx, locals)
			case known:
				b.groupOff(inner, ctx)
			}
		})
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

// repeat calls do for every item of a list, or once without one.
func (b *builder) repeat(over hcl.Expression, ctx *hcl.EvalContext, do func(*hcl.EvalContext)) {
	if over == nil {
		do(ctx)
		return
	}
	v := b.value(over, ctx)
	list, _ := v.Unmark()
	if list.IsNull() || !list.IsKnown() || !list.CanIterateElements() {
		b.partial = true
		made := origins(v)
		if len(made) > 0 && !slices.ContainsFunc(made, func(o origin) bool { return o.kind == reported }) {
			b.say(made[0].span, diag.Diagnostic{Rule: "out-of-range-value", Severity: diag.Warning, Label: "not read",
				Message: fmt.Sprintf("a list is not known, or has more than %d parts: what it opens or connects to is not known", maxItems), Help: "check that it is the right file"})
		}
		return
	}
	for i, item := range list.AsValueSlice() {
		if i == maxItems {
			b.partial = true
			b.diags = append(b.diags, tooMany(b.doc.File.Span(0, 0)))
			return
		}
		inner := ctx.NewChild()
		inner.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"value": item, "index": cty.NumberIntVal(int64(i))})}
		if outer, ok := lookup(ctx, "local"); ok {
			inner.Variables["local"] = outer
		}
		do(inner)
	}
}

// lookup finds a variable in a context or around it.
func lookup(ctx *hcl.EvalContext, name string) (cty.Value, bool) {
	for c := ctx; c != nil; c = c.Parent() {
		if v, ok := c.Variables[name]; ok {
			return v, true
		}
	}
	return cty.NilVal, false
}

// condition is whether a condition holds; known is false when that cannot be told.
func (b *builder) condition(when hcl.Expression, ctx *hcl.EvalContext) (on, known bool) {
	if when == nil {
		return true, true
	}
	v, _ := b.value(when, ctx).Unmark()
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.Bool {
		b.partial = true
		return false, false
	}
	return v.True(), true
}

// fact makes the claims of one listen or connect block.
func (b *builder) fact(f *catalog.Fact, direction Direction, ctx *hcl.EvalContext) {
	b.repeat(f.ForEach, ctx, func(ctx *hcl.EvalContext) { b.once(f, direction, ctx) })
}

// lints reports the mistakes that only this service can make.
func (b *builder) lints() {
	for _, l := range b.service.Lints {
		v := b.value(l.When, b.ctx)
		plain, _ := v.Unmark()
		if !plain.IsKnown() || plain.IsNull() || plain.Type() != cty.Bool || plain.False() {
			continue
		}
		severity, _ := diag.ParseSeverity(l.Severity) // checked by the catalogue
		message, _ := textOf(b.value(l.Message, b.ctx))
		at := b.doc.File.Span(0, 0)
		for _, o := range origins(v) {
			if o.kind == written {
				at = o.span
				break
			}
		}
		b.diags = append(b.diags, diag.Diagnostic{Rule: "service-setting", Severity: severity, Span: at, Message: b.service.ID + ": " + message, Help: l.Help})
	}
}

// once makes the claims of one block for one item.
func (b *builder) once(f *catalog.Fact, direction Direction, ctx *hcl.EvalContext) {
	if f.When != nil {
		on, known := b.condition(f.When, ctx)
		if !known {
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
		b.unknown(purpose, f, first, extent)
		return
	}
	if lo == 0 || hi < lo {
		switch f.Zero {
		case "unknown":
			b.zero(purpose, first, extent)
			return
		case "chosen":
			b.chosen(purpose, f, first)
			return
		}
	}
	if lo == 0 || hi < lo {
		b.off(f, direction, ctx, first)
		return // switched off, or of no size
	}
	claim := Claim{
		Service: b.service.ID, Listen: f.Name, Purpose: purpose, Direction: direction,
		NominalFirst: lo, NominalLast: hi, Exposure: Exposure(f.Exposure), Pairs: f.Pairs, Platforms: b.service.Platforms, Share: f.Share, V6Only: f.V6Only,
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
		if claim.Peer, ok = textOf(b.value(f.Peer, ctx)); !ok {
			b.partial = true
			return
		}
		if f.Source != nil {
			from, to := b.bounds(f.Source, ctx, 0, 0)
			claim.Source = clamp(from, to)
		}
	} else {
		claim.Bind = b.binds(f, ctx)
	}
	for _, proto := range b.protocols(f, ctx) {
		for _, r := range port.Of(clamp(lo, hi)).Minus(b.except(f, ctx)).Ranges() {
			claim.Proto, claim.Ports = proto, r
			if claim.Origin == Config || !slices.ContainsFunc(b.claims, claim.repeats) {
				b.claims = append(b.claims, claim)
			}
		}
	}
}

// repeats reports whether other is the same socket or connection by the same default at the
// same place, said again: it is the same one.
func (c *Claim) repeats(other Claim) bool {
	return c.Listen == other.Listen && c.Direction == other.Direction && c.Proto == other.Proto && c.Ports == other.Ports &&
		c.Origin == other.Origin && c.Span == other.Span && c.Peer == other.Peer && c.Purpose == other.Purpose && slices.Equal(c.Bind, other.Bind)
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

// chosen reports a listener on a port that the system chooses, another at every start.
func (b *builder) chosen(purpose string, f *catalog.Fact, first cty.Value) {
	b.partial = true
	at, label, help := b.doc.File.Span(0, 0), "", "set a port"
	for _, o := range origins(first) {
		if o.kind == written || o.kind == builtin {
			at, label = o.span, "the system chooses"
		}
		if o.setting != "" {
			help = "set " + o.setting + " to a port"
		}
	}
	b.diags = append(b.diags, diag.Diagnostic{Rule: "os-chosen-port", Severity: diag.Warning, Span: at, Label: label,
		Message: fmt.Sprintf("%s of %s listens on a port that the system chooses at every start", purpose, b.service.ID), Help: help})
}

// bounds are the two numbers of a list, and lo and hi where they are not known.
func (b *builder) bounds(of hcl.Expression, ctx *hcl.EvalContext, lo, hi int) (int, int) {
	list, _ := b.value(of, ctx).Unmark()
	if list.IsNull() || !list.IsKnown() || !list.CanIterateElements() || list.LengthInt() != 2 {
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
	if !list.IsNull() && list.IsKnown() && list.CanIterateElements() {
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

// binds are the addresses of a listener, every address when it says none.
func (b *builder) binds(f *catalog.Fact, ctx *hcl.EvalContext) []string {
	if f.Bind == nil {
		return []string{"*"}
	}
	var out []string
	list, _ := b.value(f.Bind, ctx).Unmark()
	if !list.IsNull() && list.IsKnown() && list.CanIterateElements() {
		for _, v := range list.AsValueSlice() {
			if s, ok := textOf(v); ok && s != "" {
				out = append(out, s)
			}
		}
	}
	if len(out) == 0 { // an address that is not known may be any
		return []string{"*"}
	}
	return out
}

func (b *builder) protocols(f *catalog.Fact, ctx *hcl.EvalContext) []port.Proto {
	var out []port.Proto
	list, _ := b.value(f.Protocol, ctx).Unmark()
	if list.IsNull() || !list.IsKnown() || !list.CanIterateElements() {
		b.partial = true
		return nil
	}
	for _, v := range list.AsValueSlice() {
		s, _ := textOf(v)
		p, err := port.ParseProto(s)
		if err != nil {
			b.diags = append(b.diags, diag.Diagnostic{Rule: catalog.Rule, Severity: diag.Error, Span: f.Span,
				Message: fmt.Sprintf("listener %s of %s: %s", f.Name, b.service.ID, err)})
			continue
		}
		out = append(out, p)
	}
	return out
}

// provenance says where the numbers of a claim come from. The first port's own text is
// the claim's place. A number that is a literal in the description has its origin there.
func (b *builder) provenance(c *Claim, f *catalog.Fact, first, extent cty.Value) {
	c.Origin = Default
	c.Span = b.doc.File.Span(0, 0)
	// Of several that had a part in the number, the one that says it is its place: the setting
	// of an interface and not that of all interfaces.
	placed, said := false, false
	for i, v := range []cty.Value{first, extent} {
		for _, o := range origins(v) {
			if c.Setting == "" && i == 0 {
				c.Setting = o.setting
			}
			if i == 0 && !placed && (o.kind == written || o.kind == builtin) {
				c.Span, placed = o.span, true
				if o.kind == written {
					c.Origin = Config
				}
			}
			if i == 0 && !said && o.kind == written && saysNumber(o, c.NominalFirst) {
				c.Span, said = o.span, true
			}
			if o.kind <= basis {
				because := Because{Span: o.span, Text: o.text}
				if o.kind == builtin || o.kind == nobody {
					because.Default = o.words
				}
				if !slices.Contains(c.Because, because) {
					c.Because = append(c.Because, because)
				}
			}
		}
	}
	if c.Origin == Config && fellBack(first) {
		c.Origin = Default
	}
	if len(c.Because) == 0 {
		number := strconv.Itoa(c.NominalFirst)
		c.Because = []Because{{Span: f.Span, Text: number, Default: number + " by default"}}
	}
}

// fellBack reports whether a number is a built-in one although something that is written had
// a part in it: a range that is not valid, or a word that chose between two defaults.
func fellBack(number cty.Value) bool {
	n, ok := intOf(number)
	if !ok {
		return false
	}
	builtIn := false
	for _, o := range origins(number) {
		if !saysNumber(o, n) {
			continue
		}
		if o.kind == written {
			return false
		}
		builtIn = builtIn || o.kind == nobody
	}
	return builtIn
}

// saysNumber reports whether the text of an origin is a number.
func saysNumber(o origin, n int) bool {
	m, err := strconv.Atoi(strings.TrimSpace(o.text))
	return err == nil && m == n
}

// unknown reports a listener whose ports cannot be told.
func (b *builder) unknown(purpose string, f *catalog.Fact, values ...cty.Value) {
	b.partial = true
	at, reason := b.doc.File.Span(0, 0), ""
	for _, v := range values {
		list := origins(v)
		for _, o := range list {
			if o.kind == reported {
				return
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
					at = o.span
				}
			}
		}
	}
	if reason == "" {
		reason = "a value it depends on is not known"
	}
	b.diags = append(b.diags, diag.Diagnostic{Rule: "unknown-default", Severity: diag.Warning, Span: at,
		Message: fmt.Sprintf("the ports of %s of %s are not known", purpose, b.service.ID), Label: "not guessed",
		Notes: []string{reason}, Help: "write the number into the file"})
}
