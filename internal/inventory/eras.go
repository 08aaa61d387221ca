package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"portolan/internal/catalog"
	"portolan/internal/conf"
	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/source"
)

// An Era is a run of versions of a service that open the same ports when nobody writes
// anything.
type Era struct {
	Since  string // first version, inclusive; "" for the first there was
	Before string // first version no more; "" until today
	// Claims are in the order of Inventory.Claims. Nobody wrote them, so the place of each is
	// the description as a whole, and Because has the lines of it.
	Claims []Claim
	// Unknown are the listeners and connections of which the description cannot tell the ports
	// in these versions, in its order.
	Unknown []Unknown
	// Sources are the built-in values that decide what there is and what is switched off, in the
	// order of the description, then the choices of options.
	Sources []Source
}

// Unknown is a listener or a connection whose ports nobody documents, or that the system
// chooses.
type Unknown struct {
	Listen    string // name in the catalogue
	Purpose   string // words for people, or Listen where they depend on what is not known
	Direction Direction
	Protos    []port.Proto // ascending; empty where they depend on what is not known
	Chosen    bool         // the system chooses a port at every start
	Why       string       // the reason, of the versions of its era: "the default of rtp_server_port_base is not documented"
}

// A Source says where a built-in value, or what an option stands for, is documented.
type Source struct {
	Setting string      // the setting that it is the default of, or the title of the option, for people
	Option  string      // the name of the option; "" for a default
	Value   string      // the value as one would write it, or the choice of the option
	Words   string      // for which versions and systems it holds, "from 10.1, before 12.1"; "" for an option
	Note    string      // what is inferred or unverified about it; "" for nothing
	Cites   []string    // addresses of pages
	Span    source.Span // of the value in the description; the zero value for an option
}

// Words says which versions are those of e: "from 10.1, before 12.1", "in every version".
func (e *Era) Words() string { return (&catalog.Case{Since: e.Since, Before: e.Before}).Words() }

// Eras are what the versions of a service open by themselves, on one system, the oldest
// first. Each but the last ends where the next begins.
//
// They are the claims of an instance with one file, the main one (the first in the
// description, as for FileSpec), that has nothing in it: a container or a unit beside it
// counts only where the description begins with it, and a service that opens nothing
// until somebody writes so has eras without claims. Neighbours with the same claims and
// the same Unknown are one era: its Because are those of its newest versions, its Sources
// those of all.
//
// The system is "linux", "windows" or "", as in Inventory.OS; with "" the defaults of one
// system alone are not known. Choices are those of the service, as in Options: a release
// that is an option, because no file tells it, makes no eras.
//
// The findings are mistakes of the description. An Era in which an expression fails lacks
// its claims. There are no eras when they are more work than a description is worth, and a
// finding says so.
func Eras(s *catalog.Service, os string, choices map[string]string) ([]Era, diag.List) {
	bounds, diags := versionBounds(s)
	var out []Era
	left := maxWork // for all eras: a description may name thousands of versions
	for i := 0; i <= len(bounds); i++ {
		era := Era{}
		if i > 0 {
			era.Since = bounds[i-1]
		}
		if i < len(bounds) {
			era.Before = bounds[i]
		}
		b := era.fill(s, os, choices, left)
		for _, d := range b.diags {
			if d.Rule == catalog.Rule || b.over { // Unknown says the others
				diags = append(diags, d)
			}
		}
		if b.over {
			out = nil
			break
		}
		left = b.budget.Left
		if n := len(out); n > 0 && out[n-1].same(&era) {
			era.Since, era.Sources = out[n-1].Since, append(out[n-1].Sources, era.Sources...)
			out[n-1] = era
			continue
		}
		out = append(out, era)
	}
	for i := range out {
		out[i].sortSources()
	}
	diags.Sort()
	return out, slices.CompactFunc(diags, sameFinding) // most are about every version
}

// firstVersion stands for all versions before the first that a description speaks of. None is
// older, so a description that speaks of it has the same before and from it: one era.
const firstVersion = "0"

// versionBounds are the versions at which a default of s may change, ascending. One that is no
// version bounds nothing: its case never holds, see inVersions.
func versionBounds(s *catalog.Service) ([]string, diag.List) {
	var out []string
	var diags diag.List
	for i := range s.Defaults {
		for k := range s.Defaults[i].Cases {
			c := &s.Defaults[i].Cases[k]
			for _, v := range [...]string{c.Since, c.Before} {
				if v == "" {
					continue
				}
				if _, ok := versionNumbers(v); !ok {
					diags = append(diags, diag.Diagnostic{Rule: catalog.Rule, Severity: diag.Error, Span: c.Span,
						Message: fmt.Sprintf("the default of %s holds in no version: %q is none", s.Defaults[i].Setting, v),
						Help:    "write numbers with dots, such as \"2.0\""})
					continue
				}
				out = append(out, v)
			}
		}
	}
	order := func(a, b string) int { n, _ := compareVersions(a, b); return n }
	slices.SortStableFunc(out, order)
	out = slices.CompactFunc(out, func(a, b string) bool { return order(a, b) == 0 })
	return out, diags
}

// fill works out what the versions of e open, with what is left of a budget.
func (e *Era) fill(s *catalog.Service, os string, choices map[string]string, left int) *builder {
	b := &builder{evaluator: &evaluator{service: s, spec: &s.Files[0], doc: &conf.Document{File: s.Source, Root: &conf.Node{}}, os: os,
		assumed: cmp.Or(e.Since, firstVersion)}} // no default differs in another version of e
	defer b.prepare()()
	b.budget.Left = left
	for i := range s.Defaults {
		b.budget.Spend(len(s.Defaults[i].Cases))
	}
	b.evaluate(choices)
	b.group(&s.Group, b.ctx)
	b.spent() // which may be said only now
	sortClaims(b.claims)
	e.Claims, e.Unknown = b.claims, b.untold
	for _, o := range b.used {
		e.Sources = append(e.Sources, sourceOf(s, o))
	}
	return b
}

// sourceOf is the source of a default or an option that was used.
func sourceOf(s *catalog.Service, o origin) Source {
	for i := range s.Options {
		if op := &s.Options[i]; o.kind == option && op.Name == o.words {
			doc := op.Notes[o.text]
			return Source{Setting: op.Title, Option: op.Name, Value: o.text, Note: doc.Text, Cites: doc.Cites}
		}
	}
	for i := range s.Defaults {
		for k := range s.Defaults[i].Cases {
			if c := &s.Defaults[i].Cases[k]; c.Span == o.span {
				return Source{Setting: s.Defaults[i].Setting, Value: c.Value.String(), Words: c.Words(), Note: c.Note, Cites: c.Cites, Span: c.Span}
			}
		}
	}
	panic("inventory: a built-in value of " + s.ID + " that is no case of a default")
}

// sortSources puts sources in order, each once.
func (e *Era) sortSources() {
	slices.SortStableFunc(e.Sources, func(a, b Source) int {
		return cmp.Or(strings.Compare(a.Option, b.Option), cmp.Compare(a.Span.Start, b.Span.Start))
	})
	e.Sources = slices.CompactFunc(e.Sources, func(a, b Source) bool { return a.Option == b.Option && a.Span == b.Span })
}

// same reports whether two eras open the same ports and lack the same knowledge.
func (e *Era) same(other *Era) bool {
	return slices.EqualFunc(e.Claims, other.Claims, func(a, b Claim) bool {
		return a.Describe() == b.Describe() && a.Purpose == b.Purpose && a.Unguarded == b.Unguarded && slices.Equal(a.Sockets(), b.Sockets())
	}) && slices.EqualFunc(e.Unknown, other.Unknown, func(a, b Unknown) bool {
		return a.Listen == b.Listen && a.Purpose == b.Purpose && a.Direction == b.Direction && slices.Equal(a.Protos, b.Protos) && a.Chosen == b.Chosen
	})
}

// value evaluates an expression of a fact. Where eras are asked for it remembers on which
// defaults and options the fact rests; local values that no fact asks for do not count.
func (b *builder) value(expr hcl.Expression, ctx *hcl.EvalContext) cty.Value {
	v := b.evaluator.value(expr, ctx)
	if b.assumed != "" {
		for _, o := range origins(v) {
			if (o.kind == nobody || o.kind == option) && !slices.Contains(b.used, o) {
				b.used = append(b.used, o)
			}
		}
	}
	return v
}

// notKnown notes a fact whose ports are not known, and why; without a why the system chooses
// them. It does so where eras are asked for: of a file there are findings.
func (b *builder) notKnown(f *catalog.Fact, direction Direction, ctx *hcl.EvalContext, why string) {
	if b.assumed == "" {
		return
	}
	u := Unknown{Listen: f.Name, Purpose: f.Name, Direction: direction, Chosen: why == "", Why: cmp.Or(why, "the system chooses a port at every start")}
	if resolves(f.Purpose, ctx) {
		u.Purpose = b.purpose(f, ctx)
	}
	if resolves(f.Protocol, ctx) {
		if protos, known := b.protocols(f, ctx); known {
			u.Protos = protos
			slices.Sort(u.Protos)
		}
	}
	b.untold = append(b.untold, u)
}

// groupUnknown notes the facts of a group of which it is not known whether it is there.
func (b *builder) groupUnknown(g *catalog.Group, ctx *hcl.EvalContext, decides hcl.Expression) {
	for i := range g.Listens {
		b.factUnknown(&g.Listens[i], Listen, ctx, decides)
	}
	for i := range g.Connects {
		b.factUnknown(&g.Connects[i], Connect, ctx, decides)
	}
	for i := range g.Groups {
		b.groupUnknown(&g.Groups[i], ctx, decides)
	}
}

// factUnknown notes a fact of which it is not known whether it is there, because what decides
// that is not known.
func (b *builder) factUnknown(f *catalog.Fact, direction Direction, ctx *hcl.EvalContext, decides hcl.Expression) {
	if b.assumed != "" { // a second evaluation has its price
		b.notKnown(f, direction, ctx, whyUnknown(b.value(decides, ctx)))
	}
}

// resolves reports whether a context has all variables of an expression: outside a list that
// is not known there are none for its items.
func resolves(expr hcl.Expression, ctx *hcl.EvalContext) bool {
	for _, t := range expr.Variables() {
		found := false
		for c := ctx; c != nil && !found; c = c.Parent() {
			_, found = c.Variables[t.RootName()]
		}
		if !found {
			return false
		}
	}
	return true
}

// whyUnknown is the reason in the first value that is not known and says one.
func whyUnknown(values ...cty.Value) string {
	for _, v := range values {
		for _, o := range origins(v) {
			if o.kind == unknown {
				return o.words
			}
		}
	}
	return unknownValue
}

// unknownValue is the reason when no value says one.
const unknownValue = "a value it depends on is not known"
