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
	found, err := inPaths(cat, args)
	if err != nil {
		return nil, nil, err
	}
	inv := &Inventory{}
	diags, err := inv.build(found, opts)
	return inv, diags, err
}

// ReadFile builds the inventory of one file that is known to belong to a service, in the
// given role or the first one.
func ReadFile(s *catalog.Service, role string, f *source.File, choices map[string]string) (*Inventory, diag.List, error) {
	c := candidate{name: f.Name, service: s, certain: true, read: func() (*source.File, error) { return f, nil }}
	for i := range s.Files {
		if role == "" || s.Files[i].Role == role {
			c.spec = &s.Files[i]
			break
		}
	}
	if c.spec == nil {
		return nil, nil, fmt.Errorf("service %s has no file %q", s.ID, role)
	}
	inv := &Inventory{}
	diags, err := inv.build([]candidate{c}, Options{s.ID: choices})
	return inv, diags, err
}

func (inv *Inventory) build(found []candidate, opts Options) (diag.List, error) {
	results := make([]result, len(found))
	parallel.For(len(found), func(i int) { results[i] = found[i].build(opts[found[i].service.ID]) })
	var diags diag.List
	for i, r := range results {
		c := &found[i]
		if !r.ok {
			continue
		}
		diags = append(diags, r.diags...)
		inv.Files = append(inv.Files, r.file)
		inv.Claims = append(inv.Claims, r.claims...)
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
	inv.nameInstances()
	slices.Sort(inv.Found)
	slices.SortStableFunc(inv.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(inv.Claims, func(a, b Claim) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Span.Name(), b.Span.Name()), cmp.Compare(a.Span.Start, b.Span.Start),
			strings.Compare(a.Listen, b.Listen), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Ports.First, b.Ports.First), strings.Compare(a.Peer, b.Peer))
	})
	diags.Sort()
	return diags, nil
}

// nameInstances tells several files of one kind of one service apart by their names.
func (inv *Inventory) nameInstances() {
	files := map[string][]string{} // by service, the files that claim
	for _, f := range inv.Files {
		files[f.Service] = append(files[f.Service], f.Name)
	}
	for i := range inv.Claims {
		c := &inv.Claims[i]
		if len(files[c.Service]) > 1 {
			c.Instance = c.Span.Name()
		}
	}
}

// result is what one file comes to.
type result struct {
	file   File
	claims []Claim
	diags  diag.List
	ok     bool // false for a file that only has the name of a known one
}

// build reads one file and makes its claims.
func (c *candidate) build(choices map[string]string) result {
	out := result{file: File{Name: c.name, Service: c.service.ID, Status: Unreadable}, ok: true}
	f, err := c.read()
	if err != nil {
		out.diags = diag.List{unreadable(source.New(c.name, nil), why(err), "make it a readable text file, or leave it out")}
		return out
	}
	out.file.Name = f.Name
	if bytes.IndexByte(f.Text, 0) >= 0 {
		out.ok, out.diags = c.certain, diag.List{unreadable(f, "it is binary: it has zero bytes", "name the configuration file in text form")}
		return out
	}
	doc, diags, err := conf.Parse(c.spec.Format, f, c.tree)
	if err != nil { // the description names a format that does not exist
		out.diags = diag.List{{Rule: catalog.Rule, Severity: diag.Error, Span: c.service.Span, Message: err.Error()}}
		return out
	}
	e := &evaluator{service: c.service, spec: c.spec, doc: doc, os: c.os, said: map[source.Span]bool{}, touched: map[*conf.Node]bool{}}
	e.prepare()
	if !e.accepts() {
		out.ok, out.diags = c.certain, append(e.diags, unreadable(f, "it does not look like a configuration of "+c.service.Title, "check that it is the right file"))
		return out
	}
	e.evaluate(choices)
	b := &builder{evaluator: e}
	for i := range c.service.Listens {
		b.fact(&c.service.Listens[i], Listen)
	}
	for i := range c.service.Connects {
		b.fact(&c.service.Connects[i], Connect)
	}
	out.file.Status = Whole
	if b.partial {
		out.file.Status = Partial
	}
	out.claims, out.diags = b.claims, append(diags, e.diags...)
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

// builder makes the claims of one file.
type builder struct {
	*evaluator
	claims  []Claim
	partial bool
}

// fact makes the claims of one listen or connect block.
func (b *builder) fact(f *catalog.Fact, direction Direction) {
	if f.ForEach == nil {
		b.once(f, direction, b.ctx)
		return
	}
	list, _ := b.value(f.ForEach, b.ctx).Unmark()
	if list.IsNull() || !list.IsKnown() || !list.CanIterateElements() {
		b.partial = true // the value it is made from has a finding of its own
		return
	}
	for _, item := range list.AsValueSlice() {
		ctx := b.ctx.NewChild()
		ctx.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"value": item})}
		b.once(f, direction, ctx)
	}
}

// once makes the claims of one block for one item.
func (b *builder) once(f *catalog.Fact, direction Direction, ctx *hcl.EvalContext) {
	if f.When != nil {
		on, _ := b.value(f.When, ctx).Unmark()
		if on.IsNull() || !on.IsKnown() || on.Type() != cty.Bool {
			b.partial = true
			return
		}
		if on.False() {
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
	purpose, _ := textOf(b.value(f.Purpose, ctx))
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
		return // switched off, or of no size
	}
	claim := Claim{
		Service: b.service.ID, Listen: f.Name, Purpose: purpose, Direction: direction,
		NominalFirst: lo, NominalLast: hi, Ports: clamp(lo, hi),
		Exposure: Exposure(f.Exposure), Pairs: f.Pairs, Platforms: b.service.Platforms,
	}
	b.provenance(&claim, f, first, extent)
	for _, a := range f.Assigned {
		s, _ := port.Parse(a) // checked by the catalogue
		claim.Assigned = claim.Assigned.Union(s)
	}
	if direction == Connect {
		claim.Peer, ok = textOf(b.value(f.Peer, ctx))
		if !ok {
			b.partial = true
			return
		}
	} else {
		claim.Bind = b.binds(f, ctx)
	}
	for _, proto := range b.protocols(f, ctx) {
		claim.Proto = proto
		b.claims = append(b.claims, claim)
	}
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
	placed := false
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
	if len(c.Because) == 0 {
		number := strconv.Itoa(c.NominalFirst)
		c.Because = []Because{{Span: f.Span, Text: number, Default: number + " by default"}}
	}
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
