package policy

import (
	"fmt"
	"strings"

	"portolan/internal/hclfile"
	"portolan/internal/port"
	"portolan/internal/source"
)

// unquoted is the place of a text without its quotes.
func (l *loader) unquoted(v *hclfile.Value) source.Span {
	s := l.spanOf(v)
	if text := s.Text(); len(text) > 2 && text[0] == '"' && text[len(text)-1] == '"' {
		return l.file.Span(s.Start+1, s.End-1)
	}
	return s // not quoted; or empty, and then the quotes are all there is to show
}

// text is the quoted text that a value is; anything else is a finding, with example in the
// help.
func (l *loader) text(v *hclfile.Value, what, example string) (Word, bool) {
	switch v.Kind {
	case hclfile.Text:
		w := Word{v.Text, l.unquoted(v)}
		if strings.TrimSpace(w.Text) == "" {
			l.wrong(w.Span, "write "+example, "%s is empty", what)
			return Word{}, false
		}
		return w, true
	case hclfile.Name:
		l.wrong(l.spanOf(v), fmt.Sprintf("write %q", l.spanOf(v).Text()), "%s needs quotes", what)
		return Word{}, false
	}
	help := "write " + example
	if bare := l.spanOf(v).Text(); strings.HasSuffix(what, "ports") && isNumber(bare) {
		help = fmt.Sprintf(`write "%s/tcp" or "%s/udp"`, bare, bare)
	} else if strings.HasPrefix(what, "each of ") && isNumber(bare) {
		help = fmt.Sprintf("write %q", bare)
	}
	l.wrong(l.spanOf(v), help, "%s is text in quotes", what)
	return Word{}, false
}

// isNumber reports whether s is a number without sign and fraction.
func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// word is the attribute name of b, which is one text; the zero Word when it is left out
// or wrong.
func (l *loader) word(b block, name, example string) Word {
	a := b.Attr(name)
	if a == nil {
		return Word{}
	}
	w, _ := l.text(&a.Value, name, example)
	return w
}

// items are what the attribute name of b lists; given reports whether it is written.
// An empty list is a finding: it reads like "none" to one and like "any" to another.
func (l *loader) items(b block, name, example, ifEmpty string) (items []hclfile.Value, given bool) {
	a := b.Attr(name)
	if a == nil {
		return nil, false
	}
	v := &a.Value
	switch {
	case v.Kind != hclfile.List:
		help := "write " + example
		if _, zone := zoneName(v); zone || v.Kind == hclfile.Text { // what was written, in brackets
			help = fmt.Sprintf("write %s = [%s]", name, l.spanOf(v).Text())
		}
		l.wrong(l.spanOf(v), help, "%s is a list", name)
	case len(v.List) == 0:
		effect := map[string]string{"ignore": "silence", "deny": "close", "connect": "let out"}[b.Type]
		if effect == "" {
			effect = "open"
		}
		if name == "except" {
			effect = "take away"
		}
		l.wrong(l.spanOf(v), ifEmpty, "%s is empty and would %s nothing", name, effect)
	default:
		return v.List, true
	}
	return nil, true
}

// words are the texts that the attribute name of b lists, without those that are wrong.
func (l *loader) words(b block, name, example, ifEmpty string) []Word {
	items, given := l.items(b, name, example, ifEmpty)
	if !given {
		return nil
	}
	out := make([]Word, 0, len(items))
	var seen map[string]source.Span // of a long list; a short one is looked through
	if len(items) > 20 {
		seen = make(map[string]source.Span, len(items))
	}
	before := func(text string) (source.Span, bool) {
		if seen != nil {
			first, dup := seen[text]
			return first, dup
		}
		for i := range out {
			if out[i].Text == text {
				return out[i].Span, true
			}
		}
		return source.Span{}, false
	}
	what := "each of " + name
	for i := range items {
		w, ok := l.text(&items[i], what, example)
		if !ok {
			continue
		}
		if first, dup := before(w.Text); dup {
			l.again(w.Span, first, "remove one of them", "%q is listed twice", w.Text)
			continue
		}
		if seen != nil {
			seen[w.Text] = w.Span
		}
		out = append(out, w)
	}
	return out
}

// ports are the ports that the attribute name of b lists, without those that are wrong.
func (l *loader) ports(b block, name, example, ifEmpty string) []Port {
	words := l.words(b, name, example, ifEmpty)
	out := make([]Port, 0, len(words))
	for _, w := range words {
		first, last, _ := strings.Cut(w.Text, "/")
		ports, err := port.ParseRange(first)
		if err != nil {
			l.wrong(w.Span, portHelp(w.Text, example), "%s", err)
			continue
		}
		proto, err := port.ParseProto(strings.TrimSpace(last))
		switch {
		case strings.EqualFold(strings.TrimSpace(last), "sctp"):
			l.wrong(w.Span, `write protocols = ["sctp"], which opens the whole protocol`, "%q: ports of sctp cannot be opened one by one", w.Text)
		case last == "":
			l.wrong(w.Span, fmt.Sprintf(`write "%s/tcp" or "%s/udp"`, ports, ports), "%q does not say which protocol", w.Text)
		case err != nil:
			l.wrong(w.Span, "write "+example, "%s", err)
		case ports.Contains(0):
			l.wrong(w.Span, "begin at 1: nothing can be reached at port 0", "%q holds port 0", w.Text)
		default:
			out = append(out, Port{proto, ports, w.Span})
		}
	}
	return out
}

// portHelp is advice for text that is no range of ports: what was probably meant, or the
// example.
func portHelp(text, example string) string {
	first, last, _ := strings.Cut(text, "/")
	if _, err := port.ParseProto(first); err == nil { // udp/5060
		first, last = last, first
	}
	first = strings.ReplaceAll(first, ":", "-") // as iptables writes a range
	if lo, hi, dash := strings.Cut(first, "-"); dash {
		if _, err := port.ParseRange(first); err != nil { // swapped
			first = hi + "-" + lo
		}
	}
	meant := first + "/" + last
	if _, err := port.ParseRange(first); err != nil {
		return "write " + example
	}
	if _, err := port.ParseProto(last); err != nil {
		return "write " + example
	}
	return fmt.Sprintf("write %q", meant)
}

// flag is where the attribute name of b says true; no place for false, and when it is left
// out.
func (l *loader) flag(b block, name string) source.Span {
	a := b.Attr(name)
	if a == nil {
		return source.Span{}
	}
	span := l.spanOf(&a.Value)
	switch span.Text() {
	case "true":
		return span
	case "false":
		return source.Span{}
	}
	l.wrong(span, fmt.Sprintf("write %s = true, or leave it out", name), "%s is true or false", name)
	return source.Span{}
}

// zoneName reads "zone.NAME". HCL takes a dash as part of a name.
func zoneName(v *hclfile.Value) (string, bool) {
	name, ok := strings.CutPrefix(v.Text, "zone.")
	return name, ok && v.Kind == hclfile.Name && !strings.Contains(name, ".")
}
