package inventory

import (
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"portolan/internal/catalog"
)

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
	c.Insert = b.insertion(c, origins(first))
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
