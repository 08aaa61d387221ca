package conf

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
)

// yamlEffort bounds, in bytes, what is read again to find out which lines break a file.
const yamlEffort = 2 << 20

// yamlFailure is why the library gave up on a document.
type yamlFailure struct {
	line    int // from 0, in the document
	context int // where what it was reading began; -1 when that says nothing
	reason  string
}

// yamlTree is what one document consists of.
type yamlTree struct {
	top    *yaml.Node
	places map[*yaml.Node]yamlPlace
}

// load reads the document from start to end of the text, nil when nothing is left of it.
//
// The library gives up at the first error. So the lines that may be the cause are left
// out, and the document is read again, as long as that gets further.
func (y *yamlReader) load(start, end int) *yamlTree {
	lines := yamlLines(y.text[start:end])
	top, failure := y.compose(start, end, lines)
	if failure != nil {
		y.own()
		top, failure, lines = y.unmask(start, end, failure, lines)
	}
	for kept := len(lines); failure != nil; {
		from, to, t, f := y.cure(start, end, lines, failure)
		if from < 0 { // nothing helps: keep what stands before
			if from = failure.line; failure.context >= 0 {
				from = failure.context
			}
			if kept < len(lines) { // not for the first time; be done soon
				from = min(from, kept/2)
			}
			kept, to = from, len(lines)
			y.blank(start, end, lines, from, to)
			if t, f = nil, nil; kept > 0 {
				t, f = y.compose(start, end, lines)
			}
			y.r.structuredMissing(y.r.file.Span(start+lines[from], end))
		}
		stop := yamlStop(lines, to, end-start)
		text := y.r.file.Text[start+lines[from] : start+stop]
		at := start + lines[from] + len(text) - len(bytes.TrimLeft(text, " \t\r\n"))
		y.r.report(broken(y.r.file.Span(at, at+len(bytes.TrimSpace(text))), "this is not YAML: "+failure.reason, "mend it, or put it in quotes if it is text"))
		top, failure = t, f
	}
	return top
}

// unmask reads a document that failed again with its template expressions masked, and
// keeps it that way if that gets further. The text is our own.
func (y *yamlReader) unmask(start, end int, failure *yamlFailure, lines []int) (*yamlTree, *yamlFailure, []int) {
	doc := y.text[start:end]
	masked, found, alone := yamlMask(doc)
	if len(found) == 0 {
		return nil, failure, lines
	}
	saved := bytes.Clone(doc)
	copy(doc, masked)
	again := yamlLines(doc)
	top, next := y.compose(start, end, again)
	if next != nil && next.line <= failure.line {
		copy(doc, saved)
		return nil, failure, lines
	}
	y.templates.report(y.r, y.r.file.Span(start+found[0], start+found[1]))
	for i := 0; i < len(alone); i += 2 {
		y.r.structuredMissing(y.r.file.Span(start+alone[i], start+alone[i+1]))
	}
	return top, next, again
}

// cure tries which lines, from inclusive to exclusive, break the document when they are
// left out: those without which it can be read furthest, and of these the fewest. They
// are blanked in the text. From is -1 when nothing helps, or the effort is spent.
func (y *yamlReader) cure(start, end int, lines []int, failure *yamlFailure) (from, to int, top *yamlTree, next *yamlFailure) {
	from = -1
	doc := y.text[start:end]
	here := failure.line
	before := here - 1
	for before >= 0 && len(bytes.TrimSpace(doc[lines[before]:yamlStop(lines, before+1, len(doc))])) == 0 {
		before--
	}
	tries := [][2]int{{here, here + 1}, {before, before + 1}}
	if c := failure.context; c >= 0 && c < here {
		tries = append(tries, [2]int{c, c + 1}, [2]int{c, here})
	}
	best := here
	for _, try := range tries {
		if try[0] < 0 || y.effort < len(doc) {
			continue
		}
		saved := bytes.Clone(doc[lines[try[0]]:yamlStop(lines, try[1], len(doc))])
		if len(bytes.TrimSpace(saved)) == 0 {
			continue
		}
		y.effort -= len(doc)
		y.blank(start, end, lines, try[0], try[1])
		t, f := y.compose(start, end, lines)
		copy(doc[lines[try[0]]:], saved)
		reached := len(lines) + 1
		if f != nil {
			reached = f.line
		}
		if reached > best || reached == best && from >= 0 && try[1]-try[0] < to-from {
			best, from, to, top, next = reached, try[0], try[1], t, f
		}
	}
	if from >= 0 {
		y.blank(start, end, lines, from, to)
	}
	return from, to, top, next
}

// blank replaces the lines from inclusive to exclusive of a document.
func (y *yamlReader) blank(start, end int, lines []int, from, to int) {
	yamlBlank(y.text[start+lines[from] : start+yamlStop(lines, to, end-start)])
}

// yamlStop is the offset at which line n begins, or the end when there is none.
func yamlStop(lines []int, n, end int) int {
	if n < len(lines) {
		return lines[n]
	}
	return end
}

// compose reads the text from start to end and notes the places of its nodes. Without
// content there is no node. A "{{" that stands for a value is a failure too: YAML takes
// it for a mapping whose key is a mapping.
func (y *yamlReader) compose(start, end int, lines []int) (*yamlTree, *yamlFailure) {
	doc := y.text[start:end]
	loader, err := yaml.NewLoader(bytes.NewReader(doc))
	var n, more yaml.Node
	if err == nil {
		err = loader.Load(&n)
	}
	if err == nil { // there may be text behind the end
		err = loader.Load(&more)
	}
	switch {
	case err == io.EOF:
		err = nil
	case err == nil:
		return nil, &yamlFailure{line: min(max(more.Line-1, 0), len(lines)-1), context: -1, reason: "text behind the end of the document"}
	}
	if err != nil {
		failure := &yamlFailure{context: -1, reason: printable([]byte(err.Error()))}
		var le *yaml.LoadError
		if errors.As(err, &le) {
			failure.reason = printable([]byte(le.Message))
			failure.line = min(max(le.Mark.Line-1, 0), len(lines)-1)
			if c := le.ContextMark.Line - 1; c >= 0 && (strings.Contains(le.ContextMsg, "flow") || strings.Contains(le.ContextMsg, "scanning")) {
				failure.context = min(c, failure.line)
			}
		}
		return nil, failure
	}
	if len(n.Content) == 0 {
		return nil, nil
	}
	p := &yamlPlacer{text: doc, lines: lines, base: start, template: -1, places: map[*yaml.Node]yamlPlace{}}
	p.walk(n.Content[0])
	if p.template >= 0 {
		line := 0
		for line+1 < len(lines) && lines[line+1] <= p.template {
			line++
		}
		return nil, &yamlFailure{line: line, context: -1, reason: "{{ for a value, which is a template"}
	}
	return &yamlTree{n.Content[0], p.places}, nil
}

// yamlMask is doc with its template expressions replaced, byte for byte, by something
// that YAML reads: blanks for those alone on their lines, letters for others. Found and
// alone are pairs of offsets: the first expression, and those alone on their lines.
func yamlMask(doc []byte) (masked []byte, found, alone []int) {
	var templates structuredTemplates
	masked = bytes.Clone(doc)
	first := true // only blanks so far in this line
	for i := 0; i < len(doc); {
		n := templates.at(doc, i)
		if n == 0 {
			first = doc[i] == '\n' || first && blank(doc[i])
			i++
			continue
		}
		if found == nil {
			found = []int{i, i + n}
		}
		row := i + n // the end of the expressions that stand in a row here
		for first && row < len(doc) {
			if blank(doc[row]) {
				row++
			} else if more := templates.at(doc, row); more > 0 {
				row += more
			} else {
				break
			}
		}
		if first && (row == len(doc) || doc[row] == '\n' || doc[row] == '#') {
			alone = append(alone, i, i+n)
			yamlBlank(masked[i:row])
			i = row
			continue
		}
		copy(masked[i:], bytes.Repeat([]byte{'x'}, n))
		i, first = i+n, false
	}
	return masked, found, alone
}
