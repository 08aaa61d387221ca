package inventory

import (
	"slices"
	"strings"

	"portolan/internal/conf"
)

// withOptions is a document with the options of a command line behind what it says.
// Document itself stays as it is, because other instances may have it too.
func withOptions(doc *conf.Document, p *candidate) *conf.Document {
	whole, root := *doc, *doc.Root
	root.Children = append(slices.Clone(root.Children), settingsOf(commandWords(p.doc.Root), p.spec.Options)...)
	whole.Root = &root
	return &whole
}

// commandWords are the words of the command line of a unit or a container.
func commandWords(top *conf.Node) []conf.Arg {
	var out []conf.Arg
	for _, service := range top.Children {
		for _, n := range service.Children {
			if service.Name == "Service" && n.Name == "ExecStart" {
				out = conf.Words(n.Value, n.ValueSpan, conf.Systemd)
			}
		}
	}
	for _, w := range below(top, "argv") {
		out = append(out, conf.Arg{Text: w.Value, Span: w.ValueSpan})
	}
	return out
}

// settingsOf are options as settings: "--name=value", "--name value", or "--name" alone,
// which is "true". A short option means the long one that it is the key of.
func settingsOf(words []conf.Arg, short map[string]string) []*conf.Node {
	var out []*conf.Node
	for i := 0; i < len(words); i++ {
		w := words[i]
		name, long := strings.CutPrefix(w.Text, "--")
		if !long {
			if name = short[w.Text]; name == "" {
				continue
			}
		}
		n := &conf.Node{Kind: conf.Setting, Name: name, Value: "true", NameSpan: w.Span, ValueSpan: w.Span}
		if before, value, found := strings.Cut(name, "="); found && long {
			n.Name, n.Value = before, value
			if at := w.Span; at.File != nil && at.End-at.Start == len(w.Text) {
				n.ValueSpan = at.File.Span(at.End-len(value), at.End)
			}
		} else if i+1 < len(words) && !isOption(words[i+1].Text) {
			n.Value, n.ValueSpan = words[i+1].Text, words[i+1].Span
			for i++; i+1 < len(words) && !isOption(words[i+1].Text); i++ { // a list, as that of Redis' --bind
				n.Value += " " + words[i+1].Text
			}
		}
		out = append(out, n)
	}
	return out
}

// isOption reports whether a word begins an option, as neither "-::1" nor "-1" does.
func isOption(word string) bool {
	rest := strings.TrimLeft(word, "-")
	return rest != word && rest != "" && 'a' <= rest[0]|0x20 && rest[0]|0x20 <= 'z'
}
