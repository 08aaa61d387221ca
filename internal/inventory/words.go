package inventory

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"portolan/internal/catalog"
)

// everyAddress reports whether an address of Claim.Bind stands for every one of a family.
func everyAddress(address string) bool {
	return slices.Contains([]string{"*", "0.0.0.0", "::", AnyV6}, address)
}

// everywhere is the text that makes an address every address: one that says so, or one that
// leaves the address out, as ":8080" and "8080" do. Otherwise it is the setting that nobody
// wrote.
func everywhere(v cty.Value) Word {
	var missing Word
	for _, o := range origins(v) {
		switch {
		case o.kind == written && (everyAddress(o.text) || strings.HasPrefix(o.text, ":") || allDigits(o.text)):
			return Word{Text: o.text, Span: o.span, Setting: o.setting}
		case o.kind == absent && missing.Setting == "":
			missing.Setting = o.setting
		}
	}
	return missing
}

// wordOf is the place in a file that says v; false when nobody wrote it.
func wordOf(v cty.Value, text string) (Word, bool) {
	list := slices.DeleteFunc(origins(v), func(o origin) bool { return o.kind != written && o.kind != builtin })
	if len(list) == 0 {
		return Word{}, false
	}
	o := list[0]
	if i := slices.IndexFunc(list, func(o origin) bool { return o.text == text }); i >= 0 {
		o = list[i]
	}
	return Word{Text: text, Default: o.words, Span: o.span, Setting: o.setting}, true
}

// beside is what a description says of a listener beside its sockets.
func (b *builder) beside(c *Claim, f *catalog.Fact, ctx *hcl.EvalContext) {
	if f.Unguarded != nil {
		c.Unguarded, _ = textOf(b.value(f.Unguarded, ctx))
	}
	if f.Advertise != nil {
		b.quiet = true // an address that a template leaves open opens no port that is not known
		list, _ := b.value(f.Advertise, ctx).Unmark()
		b.quiet = false
		if b.list(f.Advertise, "advertise", list) && !list.IsNull() && list.IsKnown() {
			for _, v := range list.AsValueSlice() {
				text, _ := textOf(v)
				if w, ok := wordOf(v, text); ok && text != "" && !slices.Contains(c.Advertised, w) {
					c.Advertised = append(c.Advertised, w)
				}
			}
		}
	}
	if f.Needs != nil {
		v := b.value(f.Needs, ctx)
		if n, ok := intOf(v); ok && n > 0 {
			c.NeedsBy = limitOf(v)
			if c.NeedsBy.Span.HasLine() {
				c.Needs = n
			}
		}
	}
}

// limitOf is the number that somebody wrote and that v comes from; the zero value when nobody
// wrote one.
func limitOf(v cty.Value) Word {
	for _, o := range origins(v) {
		if _, err := strconv.Atoi(o.text); err == nil && o.kind == written {
			return Word{Text: o.text, Span: o.span, Setting: o.setting}
		}
	}
	return Word{}
}
