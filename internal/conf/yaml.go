package conf

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v4"

	"portolan/internal/source"
)

// parseYAML reads YAML (https://yaml.org/spec/1.2.2/) with go.yaml.in/yaml/v4, one
// document at a time. A mapping is a section with a child for each key, a sequence a
// section whose children have no name, a scalar a setting.
//
//   - The keys of a file's only document are children of the root. When there are more,
//     the root has one nameless child for each; documents with nothing in them do not count.
//   - A scalar keeps its text (0777, 22:22, 1_000); null is an empty value. ValueSpan is
//     the text inside the quotes, or all lines of a block without its "|".
//   - An alias is replaced by what it stands for, whose spans are at the anchor; the keys
//     of "<<" (https://yaml.org/type/merge.html) follow in its place, unless the mapping
//     has them itself. Both count toward MaxNodes each time.
//   - The value behind a tag of somebody's own (!include) is kept as text and is a gap.
func parseYAML(r *reader) *Node {
	y := &yamlReader{r: r, effort: yamlEffort, text: r.structuredText(func(c rune) bool {
		return c >= ' ' && c != '\uFEFF' && c != '\uFFFE' && c != '\uFFFF' || c == '\t' || c == '\n' || c == '\r'
	})}
	cut := structuredCut(y.text, func(c, next byte) bool {
		switch c {
		case ',', '[', '{', '"', '\'', '&', '*', '!':
			return true
		case ':', '-', '?':
			return next == '\n' || blank(next)
		}
		return false
	})
	var documents []*Node
	for start := 0; start < cut; {
		end, content := y.document(start, cut)
		if content {
			if r.full(r.file.Span(start, end)) {
				break
			}
			if tree := y.load(start, end); tree != nil {
				y.places, y.active = tree.places, map[*yaml.Node]bool{}
				if n := y.node(tree.top, "", source.Span{}, 0); n != nil && (n.Value != "" || len(n.Children) > 0) {
					documents = append(documents, n)
				}
			}
		}
		start = end
	}
	r.structuredRest(cut)
	for _, d := range documents {
		if d.Kind == Setting {
			r.report(broken(d.ValueSpan, "text without a key", "write it as key: value"))
		}
	}
	if len(documents) == 1 && documents[0].Kind == Section {
		return &Node{Kind: Section, Children: documents[0].Children}
	}
	return &Node{Kind: Section, Children: documents}
}

// yamlReader is the state of reading one file.
type yamlReader struct {
	r         *reader
	text      []byte // of the file, with what the library cannot read replaced byte for byte
	owned     bool   // text is not the file's own
	effort    int    // bytes that may still be read again
	templates structuredTemplates
	places    map[*yaml.Node]yamlPlace // of the document that is being read
	active    map[*yaml.Node]bool      // what is being read now, to notice an alias inside what it stands for
}

// own makes text writable.
func (y *yamlReader) own() {
	if !y.owned {
		y.text, y.owned = bytes.Clone(y.text), true
	}
}

// document finds the end of the document that begins at start and says whether there is
// anything in it. "---" and "..." at the start of a line are always marks, whatever stands
// around them (rule c-forbidden of the specification), so a broken document ends there too.
func (y *yamlReader) document(start, limit int) (end int, content bool) {
	begun := false
	for i := start; i < limit; {
		next := i
		for next < limit && yamlBreak(y.text[next:limit]) == 0 {
			next++
		}
		l := y.text[i:next]
		next += yamlBreak(y.text[next:limit])
		text := bytes.TrimLeft(l, " \t")
		switch yamlMark(l) {
		case "...":
			return next, content
		case "---":
			if begun {
				return i, content
			}
			begun = true
			text = bytes.TrimLeft(l[3:], " \t")
		}
		switch {
		case len(text) == 0 || text[0] == '#':
		case l[0] == '%' && !begun:
			if bytes.HasPrefix(l, []byte("%YAML")) { // the library refuses 1.2, which it reads
				y.own()
				yamlBlank(y.text[i:next])
			}
		default:
			begun, content = true, true
		}
		i = next
	}
	return limit, content
}

// yamlBlank replaces all but the line breaks.
func yamlBlank(text []byte) {
	for i := 0; i < len(text); i++ {
		if n := yamlBreak(text[i:]); n > 0 {
			i += n - 1
			continue
		}
		text[i] = ' '
	}
}

// node turns n into a Node, nil when it has been reported instead.
func (y *yamlReader) node(n *yaml.Node, name string, at source.Span, depth int) *Node {
	place := y.place(n)
	if at.File == nil {
		at = y.r.file.Span(place.start, place.start)
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	value := y.place(n)
	span := y.r.file.Span(value.start, value.end)
	switch {
	case y.active[n]:
		y.r.structuredMissing(at)
		y.r.report(broken(y.r.file.Span(place.start, place.end), "an alias for what it stands in", "write out what is meant"))
		return nil
	case depth > structuredNesting:
		y.r.structuredTooDeep(at)
		return nil
	case y.r.full(at):
		return nil
	}
	if n.Style&yaml.TaggedStyle != 0 && strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		y.r.structuredMissing(span)
	}
	if n.Kind == yaml.ScalarNode {
		return &Node{Kind: Setting, Name: name, Value: y.value(n, span), NameSpan: at, ValueSpan: span}
	}
	section := &Node{Kind: Section, Name: name, NameSpan: at, ValueSpan: y.r.file.Span(value.start, value.start)}
	y.active[n] = true
	defer delete(y.active, n)
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			if c := y.node(item, "", source.Span{}, depth+1); c != nil {
				section.Children = append(section.Children, c)
			}
		}
		return section
	}
	seen := structuredNames{}
	taken := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if yamlMerge(n.Content[i]) {
			continue
		}
		if key, _, ok := y.key(n.Content[i]); ok {
			taken[key] = true
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if yamlMerge(n.Content[i]) {
			y.merge(section, n.Content[i+1], taken, depth+1)
			continue
		}
		key, keySpan, ok := y.key(n.Content[i])
		if !ok {
			y.r.report(broken(keySpan, "a key that is a list or a mapping", "use text as the key"))
			continue
		}
		if !y.r.structuredName(seen, key, keySpan) {
			continue
		}
		if c := y.node(n.Content[i+1], key, keySpan, depth+1); c != nil {
			section.Children = append(section.Children, c)
		}
	}
	return section
}

// merge adds the keys of a "<<" value that are not taken.
func (y *yamlReader) merge(into *Node, n *yaml.Node, taken map[string]bool, depth int) {
	place := y.place(n)
	at := y.r.file.Span(place.start, place.end)
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if y.active[n] || depth > structuredNesting || n.Kind == yaml.ScalarNode {
		y.r.structuredMissing(at)
		y.r.report(broken(at, "\"<<\" needs a mapping, or a list of mappings", "name an anchor of one"))
		return
	}
	if y.r.full(at) {
		return
	}
	y.active[n] = true
	defer delete(y.active, n)
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			y.merge(into, item, taken, depth+1)
		}
		return
	}
	var own []int
	for i := 0; i+1 < len(n.Content); i += 2 {
		if yamlMerge(n.Content[i]) {
			continue
		}
		key, span, ok := y.key(n.Content[i])
		if !ok || key == "" {
			continue // reported where it stands
		}
		if taken[key] {
			if y.r.full(span) { // counted, or merges of merges would cost time without end
				return
			}
			continue
		}
		own = append(own, i)
		if c := y.node(n.Content[i+1], key, span, depth+1); c != nil {
			into.Children = append(into.Children, c)
		}
	}
	for _, i := range own { // only now: a key that is given twice there is given twice here
		key, _, _ := y.key(n.Content[i])
		taken[key] = true
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if yamlMerge(n.Content[i]) {
			y.merge(into, n.Content[i+1], taken, depth+1)
		}
	}
}

// yamlMerge reports whether a key is "<<"; in quotes it is an ordinary key.
func yamlMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && key.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.TaggedStyle) == 0
}

// key is the text of a key, which may be an alias; not ok for a list or a mapping.
func (y *yamlReader) key(n *yaml.Node) (text string, at source.Span, ok bool) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	place := y.place(n)
	at = y.r.file.Span(place.start, place.end)
	if n.Kind != yaml.ScalarNode {
		return "", at, false
	}
	return y.value(n, at), at, true
}

// value is the value of a scalar. What the library was not given as it stands in the file
// is taken from the file.
func (y *yamlReader) value(n *yaml.Node, at source.Span) string {
	if written := at.Text(); written != string(y.text[at.Start:at.End]) {
		return written
	}
	if n.Tag == "!!null" && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 {
		return ""
	}
	return n.Value
}
