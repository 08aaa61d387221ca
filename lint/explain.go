package lint

import (
	"embed"
	"path"
	"strings"

	"golang.org/x/tools/txtar"
)

// archives hold a rule each: its page, then a host on which it fires, what is printed
// there, and a host on which it is silent.
//
//go:embed rules/*.txtar
var archives embed.FS

// Names are the names of all rules that have a page, ascending.
func Names() []string {
	entries, err := archives.ReadDir("rules")
	if err != nil { // the folder is part of the program
		panic(err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".txtar")
	}
	return names
}

// Explain is the page of a rule in Markdown: what it finds, why that is wrong, how to
// fix it, and the files and the output of an example. It is false when no rule has
// that name.
func Explain(name string) (string, bool) {
	raw, err := archives.ReadFile(path.Join("rules", path.Base(name)+".txtar"))
	if err != nil || name != path.Base(name) {
		return "", false
	}
	ar := txtar.Parse(raw)
	var b strings.Builder
	b.WriteString(strings.TrimRight(string(ar.Comment), "\n"))
	b.WriteString("\n\n## Example\n")
	for _, f := range ar.Files {
		if file, ok := strings.CutPrefix(f.Name, "fires/"); ok {
			b.WriteString("\n`" + file + "`:\n\n" + indent(f.Data))
		}
	}
	for _, f := range ar.Files {
		if f.Name == "fires.want" {
			b.WriteString("\nPortolan says:\n\n" + indent(f.Data))
		}
	}
	return b.String(), true
}

// indent makes text a code block.
func indent(text []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		if line != "\n" {
			b.WriteString("    ")
		}
		b.WriteString(line)
	}
	return b.String()
}
