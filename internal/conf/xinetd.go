package conf

import (
	"slices"
	"strings"

	"portolan/internal/source"
)

// parseXinetd reads xinetd.conf and the files of xinetd.d:
//
//   - "service NAME", then "{" on a line of its own, begins a section, Name service, Args
//     NAME, that ends at a line "}". "defaults" begins one without a name.
//   - "key = a b" inside is a setting, Args a and b; "+=" adds to what was said before and
//     sets Append. What "-=" takes away again is not followed.
//   - "include FILE" and "includedir FOLDER" stand between sections. Of the folder files with
//     a dot in their name are not read.
//
// Comments are lines that begin with "#". Nothing is quoted and no line goes on.
//
// xinetd.conf(5), https://github.com/openSUSE/xinetd, src/parse.c, parsesup.c and
// includedir.c. xinetd reads no entry whose "{" stands elsewhere, and nothing of one behind
// a line that it does not understand or "disable = yes"; here such a line alone is left
// out, and what follows "disable = yes" is read.
func parseXinetd(r *reader) *Node {
	x := &xinetd{parts: newParts(r), root: &Node{Kind: Section}}
	x.file(r.file)
	return x.root
}

// xinetd is the state of reading one document.
type xinetd struct {
	parts
	root *Node
}

// split gives the words of a line.
func (x *xinetd) split(f *source.File, l line) (words []token) {
	for i := 0; i < len(l.text) && !x.done; {
		if blank(l.text[i]) {
			i++
			continue
		}
		end := i
		for end < len(l.text) && !blank(l.text[end]) {
			end++
		}
		from, to := l.start+i, l.start+end
		words = x.keep(f, words, token{kind: tokenWord, text: string(l.text[i:end]), from: from, to: to, start: from, end: to})
		i = end
	}
	return words
}

// file reads f.
func (x *xinetd) file(f *source.File) {
	var entry *Node // the section that is open, or waits for its "{"
	open := false
	skip := false // until "}"
	for l := range lines(f) {
		if l.text[0] == '#' {
			continue
		}
		words := x.split(f, l)
		if x.done {
			return
		}
		first := words[0].text
		switch {
		case len(words) == 1 && first == "}":
			entry, open, skip = nil, false, false
		case skip:
		case entry != nil && !open:
			if len(words) == 1 && first == "{" {
				open = true
				if entry = x.add(x.root, entry); entry == nil {
					return
				}
				continue
			}
			x.r.report(broken(l.span(f), "the entry has no \"{\" on a line of its own: it is not read", "put \"{\" alone on the line below \"service\""))
			entry, skip = nil, true
		case open:
			if n := x.setting(f, words, l); n != nil && x.add(entry, n) == nil {
				return
			}
		case len(words) >= 2 && slices.Contains([]string{"include", "includedir"}, first):
			inc := Include{Need: NeedFile, NoDots: first == "includedir"}
			at := f.Span(words[1].from, words[1].to)
			x.include(inc, f, Arg{words[1].text, at}, x.file)
		case first == "defaults", first == "service" && len(words) >= 2:
			entry = directive(f, Section, words[:min(2, len(words))])
		default:
			x.r.report(broken(l.span(f), "neither a service, nor defaults, nor an include: what follows is not read up to \"}\"", "begin the entry with \"service NAME\""))
			skip = true
		}
	}
	if open || skip || entry != nil {
		at := f.Span(len(f.Text), len(f.Text))
		x.r.report(broken(at, "the last entry is not closed: xinetd does not read it", "end it with \"}\" on a line of its own"))
		if open {
			x.root.Children = slices.DeleteFunc(x.root.Children, func(n *Node) bool { return n == entry })
		}
	}
}

// setting reads "key = value value", nil when the line is broken. There is a blank behind
// the key, and none is needed behind the operator.
func (x *xinetd) setting(f *source.File, words []token, l line) *Node {
	if len(words) < 2 || strings.Contains(words[0].text, "=") {
		x.r.report(broken(l.span(f), "the line is no \"key = value\"", "put a blank in front of \"=\""))
		return nil
	}
	key, op := words[0], words[1]
	for _, sign := range []string{"=", "+=", "-="} {
		if !strings.HasPrefix(op.text, sign) {
			continue
		}
		rest := words[2:]
		if n := len(sign); len(op.text) > n { // "=value"
			op.text, op.from, op.start = op.text[n:], op.from+n, op.start+n
			rest = append([]token{op}, rest...)
		}
		node := directive(f, Setting, append([]token{key}, rest...))
		node.Append = sign == "+="
		if sign == "-=" {
			return nil
		}
		return node
	}
	x.r.report(broken(l.span(f), "no \"=\" behind the key", "write it as key = value"))
	return nil
}
