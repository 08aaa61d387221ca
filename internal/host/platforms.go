package host

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"portolan/internal/diag"
	"portolan/internal/hclfile"
	"portolan/internal/port"
	"portolan/internal/source"
)

// RulePlatforms is the rule under which errors in a file of platforms are reported.
const RulePlatforms = "broken-platforms"

// Evidence says how well a built-in default is known.
type Evidence string

// The kinds of evidence.
const (
	SourceRead Evidence = "read"       // the source was read in full
	Excerpt    Evidence = "excerpt"    // a part of the source was read
	Unverified Evidence = "unverified" // no primary source was found
)

// Platform is what a system does with ports when nobody has changed it.
type Platform struct {
	ID      string   // "windows-server"
	Title   string   // "Windows Vista, Server 2008 and later"
	Aliases []string // other names of it
	OS      string   // the family of systems: "linux", "windows", "freebsd"; "any" for none
	Since   string   // the first version for which it holds; "" when there is no limit
	Until   string   // the first version for which it does not hold; "" when there is no limit
	// Ephemeral has an entry for each protocol and family. Its From names the line and
	// the source.
	Ephemeral []Ephemeral
	// UnprivilegedStart is the first port that needs no privilege; -1 when it is not known.
	UnprivilegedStart int
	Cites             []string // where it is documented, the best source first
	Evidence          Evidence
	Span              source.Span // the id in the file
}

// Platforms are all platforms of a file. The zero value has none.
type Platforms struct {
	list []Platform // ascending by ID
	byID map[string]int
}

// IDs are the ids of all platforms, ascending.
func (p Platforms) IDs() []string {
	ids := make([]string, len(p.list))
	for i, one := range p.list {
		ids[i] = one.ID
	}
	return ids
}

// Lookup finds a platform by its id or an alias, in any case. The caller must not
// change its slices.
func (p Platforms) Lookup(name string) (Platform, bool) {
	i, ok := p.byID[strings.ToLower(name)]
	if !ok {
		return Platform{}, false
	}
	return p.list[i], true
}

// Facts are the built-in defaults of a platform, by its id or an alias in any case.
func (p Platforms) Facts(name string) (Facts, bool) {
	one, ok := p.Lookup(name)
	if !ok {
		return Facts{UnprivilegedStart: -1, From: "built-in"}, false
	}
	return Facts{
		Platform: one.ID, Title: one.Title, Ephemeral: slices.Clone(one.Ephemeral),
		UnprivilegedStart: one.UnprivilegedStart, From: "built-in",
	}, true
}

var (
	fileShape     = hclfile.Shape{Blocks: []string{"platform"}}
	platformShape = hclfile.Shape{
		Attrs:    []string{"title", "aliases", "os", "since", "until", "evidence", "cites", "unprivileged_start"},
		Required: []string{"title", "os", "evidence", "cites"},
		Blocks:   []string{"ephemeral"},
	}
	ephemeralShape = hclfile.Shape{
		Attrs:    []string{"protocol", "family", "ports", "setting"},
		Required: []string{"ports", "setting"},
	}
)

// LoadPlatforms reads the file name in fsys; policies/platforms.hcl explains its
// language. What is wrong in it is reported as an error with its place, and the
// platforms that have no error are returned, none of a file that is not HCL. The error says why the file could not be
// read.
func LoadPlatforms(fsys fs.FS, name string) (Platforms, diag.List, error) {
	raw, err := fs.ReadFile(fsys, name)
	if err != nil {
		return Platforms{}, nil, err
	}
	r := hclfile.Reader{File: source.New(name, raw), Rule: RulePlatforms}
	body := r.Parse()
	if len(r.Diags) > 0 { // what is missing would be reported a second time
		return Platforms{}, r.Diags, nil
	}
	r.Check(body, fileShape, "a file of platforms", body.MissingItemRange())
	names := map[string]source.Span{}
	var list []Platform
	for _, b := range body.Blocks {
		before := r.Diags.Count(diag.Error)
		p, ok := readPlatform(&r, b)
		if !ok {
			continue
		}
		for _, n := range append([]string{p.ID}, p.Aliases...) {
			n = strings.ToLower(n)
			if other, taken := names[n]; taken {
				r.Error(b.LabelRanges[0], "", "the platform name %s is already in use at %s", quote(n), other)
			}
			names[n] = p.Span
		}
		if r.Diags.Count(diag.Error) == before {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Platform) int { return strings.Compare(a.ID, b.ID) })
	platforms := Platforms{list, map[string]int{}}
	for i, p := range list {
		for _, n := range append([]string{p.ID}, p.Aliases...) {
			platforms.byID[strings.ToLower(n)] = i
		}
	}
	return platforms, r.Diags, nil
}

// readPlatform reads one block; it reports whether the block is a platform with a name.
func readPlatform(r *hclfile.Reader, b *hclsyntax.Block) (Platform, bool) {
	if b.Type != "platform" {
		return Platform{}, false
	}
	id, ok := r.Label(b)
	if !ok {
		return Platform{}, false
	}
	r.Check(b.Body, platformShape, "the platform "+quote(id), b.DefRange())
	p := Platform{
		ID: id, Span: r.Span(b.LabelRanges[0]),
		Title: r.String(b.Body, "title"), Aliases: r.Strings(b.Body, "aliases"), OS: r.String(b.Body, "os"),
		Since: r.String(b.Body, "since"), Until: r.String(b.Body, "until"), Cites: r.Strings(b.Body, "cites"),
		Evidence: Evidence(r.String(b.Body, "evidence")), UnprivilegedStart: -1,
	}
	if a := b.Body.Attributes["evidence"]; a != nil && !slices.Contains([]Evidence{SourceRead, Excerpt, Unverified}, p.Evidence) {
		r.Error(a.Expr.Range(), "", "evidence %s is not known: use read, excerpt or unverified", quote(string(p.Evidence)))
	}
	if a := b.Body.Attributes["cites"]; a != nil && len(p.Cites) == 0 && p.Evidence != Unverified {
		r.Error(a.Expr.Range(), "", "the platform %s cites nothing, so its evidence is unverified", quote(id))
	}
	if v := r.Literal(b.Body, "unprivileged_start"); v != cty.NilVal {
		if err := gocty.FromCtyValue(v, &p.UnprivilegedStart); err != nil || p.UnprivilegedStart < 0 || p.UnprivilegedStart > port.Max {
			r.Error(b.Body.Attributes["unprivileged_start"].Expr.Range(), "", "unprivileged_start is not a port from 0 to %d", port.Max)
		}
	}
	for _, e := range b.Body.Blocks {
		if e.Type == "ephemeral" {
			readEphemeral(r, &p, e)
		}
	}
	if len(p.Ephemeral) == 0 {
		r.Error(b.DefRange(), "", "the platform %s has no block ephemeral", quote(id))
	}
	sortEphemeral(p.Ephemeral)
	return p, true
}

// readEphemeral adds the entries of one block to p.
func readEphemeral(r *hclfile.Reader, p *Platform, b *hclsyntax.Block) {
	r.Check(b.Body, ephemeralShape, "the block ephemeral", b.DefRange())
	ports := b.Body.Attributes["ports"]
	if ports == nil {
		return // Check has reported it
	}
	portRange, err := port.ParseRange(r.String(b.Body, "ports"))
	if err != nil {
		r.Error(ports.Expr.Range(), "", "ports: %v", err)
		return
	}
	protos := choose(r, b.Body, "protocol", map[string][]port.Proto{"": port.Protos[:], "tcp": {port.TCP}, "udp": {port.UDP}})
	families := choose(r, b.Body, "family", map[string][]Family{"": {V4, V6}, "ipv4": {V4}, "ipv6": {V6}})
	setting, from := r.String(b.Body, "setting"), p.origin(r.Span(ports.Expr.Range()))
	for _, proto := range protos {
		for _, family := range families {
			if slices.ContainsFunc(p.Ephemeral, func(e Ephemeral) bool { return e.Proto == proto && e.Family == family }) {
				r.Error(b.DefRange(), "", "%s of IPv%d has a range already", proto, family)
			}
			p.Ephemeral = append(p.Ephemeral, Ephemeral{Proto: proto, Family: family, Ports: portRange, Setting: setting, From: from})
		}
	}
}

// choose is what the word in a string attribute stands for; an absent attribute is the
// word "".
func choose[T any](r *hclfile.Reader, body *hclsyntax.Body, name string, choices map[string][]T) []T {
	word := r.String(body, name)
	chosen, ok := choices[word]
	if !ok || word == "" && body.Attributes[name] != nil {
		words := make([]string, 0, len(choices))
		for w := range choices {
			if w != "" {
				words = append(words, w)
			}
		}
		slices.Sort(words)
		r.Error(body.Attributes[name].Expr.Range(), "", "%s %s is not known: use %s, or leave it out for both", name, quote(word), strings.Join(words, " or "))
	}
	return chosen
}

// origin is where a built-in default comes from, in words.
func (p *Platform) origin(at source.Span) string {
	words := "built-in default, "
	if p.Evidence == Unverified {
		words += "unverified, "
	}
	words += "portolan's " + at.Place()
	if len(p.Cites) > 0 {
		words += fmt.Sprintf(" (%s)", p.Cites[0])
	}
	return words
}
