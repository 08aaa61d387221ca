package catalog

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"portolan/internal/conf"
	"portolan/internal/hclfile"
)

// The words of a dialect for what has no word of its own in a configuration.
var (
	bares         = map[string]conf.Bare{"broken": conf.BareBroken, "true": conf.BareTrue, "empty": conf.BareEmpty}
	continuations = map[string]conf.Continuation{
		"none": conf.NoContinuation, "backslash": conf.Backslash, "backslash-blank": conf.BackslashBlank, "leading-blank": conf.LeadingBlank,
	}
	needs = map[string]conf.Need{"file": conf.NeedFile, "match": conf.NeedMatch, "nothing": conf.NeedNothing}
)

// format reads the format of a file: the name of one, or lines with a dialect.
func (p *parser) format(spec *FileSpec, b *hclsyntax.Block) {
	a := b.Body.Attributes["format"]
	for _, inner := range b.Body.Blocks {
		if inner.Type == "dialect" {
			spec.Dialect = p.dialect(inner)
		}
	}
	if a == nil {
		return
	}
	switch lines := spec.Format == Lines; {
	case !lines && !slices.ContainsFunc(conf.Formats(), func(f conf.Format) bool { return f.Name == spec.Format }):
		names := []string{Lines}
		for _, f := range conf.Formats() {
			names = append(names, f.Name)
		}
		p.Error(a.Expr.Range(), "formats are "+strings.Join(names, ", "), "there is no format %q%s", spec.Format, hclfile.Suggest(spec.Format, names))
	case lines != (spec.Dialect != nil):
		p.Error(a.Expr.Range(), "write format = \"lines\" and dialect { … }, or neither", "the format %q and a dialect do not go together", spec.Format)
	}
}

// dialect reads the switches of a line format.
func (p *parser) dialect(b *hclsyntax.Block) *conf.Dialect {
	p.Check(b.Body, hclfile.Shape{
		Attrs: []string{"comments", "inline", "inline_blank", "delimiters", "blank", "run", "sections", "opens", "blocks", "bare", "words", "quotes", "doubled",
			"escapes", "escape_keep", "escape_bare", "continuation"},
		Blocks: []string{"include"},
	}, "a dialect", b.DefRange())
	d := &conf.Dialect{
		Comments: p.String(b.Body, "comments"), Inline: p.String(b.Body, "inline"), InlineBlank: p.Bool(b.Body, "inline_blank"),
		Delimiters: p.String(b.Body, "delimiters"), Blank: p.Bool(b.Body, "blank"), Run: p.Bool(b.Body, "run"),
		Sections: p.Bool(b.Body, "sections"), Opens: p.Strings(b.Body, "opens"), Blocks: p.Bool(b.Body, "blocks"), Words: p.Bool(b.Body, "words"),
		Quotes: p.String(b.Body, "quotes"), Doubled: p.Bool(b.Body, "doubled"),
		Escapes: p.String(b.Body, "escapes"), EscapeKeep: p.Bool(b.Body, "escape_keep"), EscapeBare: p.Bool(b.Body, "escape_bare"),
		Bare:         choice(p, b.Body, "bare", bares),
		Continuation: choice(p, b.Body, "continuation", continuations),
	}
	const signs = "!#$%&*+,-./:;<=>?@^_|~"
	p.only(b.Body, "comments", signs)
	p.only(b.Body, "inline", signs)
	p.only(b.Body, "delimiters", signs)
	p.only(b.Body, "quotes", "\"'`")
	p.only(b.Body, "escapes", "abfnrstxuo")
	for _, inner := range b.Body.Blocks {
		keyword, ok := p.Label(inner)
		if !ok || inner.Type != "include" {
			continue
		}
		p.Check(inner.Body, hclfile.Shape{Attrs: []string{"folder", "base", "need", "inside"}}, "an include", inner.DefRange())
		if a := inner.Body.Attributes["folder"]; a != nil && p.String(inner.Body, "folder") == "" {
			p.Error(a.Expr.Range(), "write \"*\" for all files of the folder", "folder has no ending")
		}
		d.Includes = append(d.Includes, conf.Include{
			Keyword: keyword, Dir: p.String(inner.Body, "folder"), Base: p.String(inner.Body, "base"),
			Need: choice(p, inner.Body, "need", needs), Inside: p.Bool(inner.Body, "inside"),
		})
	}
	if d.Delimiters == "" && !d.Blank {
		p.Error(b.DefRange(), "add delimiters = \"=\", or blank = true", "the dialect does not say what stands between key and value")
	}
	if d.Blocks && (d.Sections || len(d.Opens) > 0) {
		p.Error(b.DefRange(), "say one of sections, opens and blocks", "the dialect has blocks, and sections that nothing ends")
	}
	return d
}

// only reports a text with other bytes than those of a set.
func (p *parser) only(body *hclsyntax.Body, name, set string) {
	if a := body.Attributes[name]; a != nil && strings.Trim(p.String(body, name), set) != "" {
		p.Error(a.Expr.Range(), "use some of "+set, "%s cannot be %q", name, p.String(body, name))
	}
}

// choice is the meaning of a word, the zero value without one.
func choice[T any](p *parser, body *hclsyntax.Body, name string, words map[string]T) T {
	a := body.Attributes[name]
	word := p.String(body, name)
	meaning, ok := words[word]
	if a != nil && !ok {
		known := slices.Sorted(maps.Keys(words))
		p.Error(a.Expr.Range(), "use one of "+strings.Join(known, ", "), "%s cannot be %q%s", name, word, hclfile.Suggest(word, known))
	}
	return meaning
}
