package inventory

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"portolan/internal/conf"
	"portolan/internal/diag"
	"portolan/internal/source"
)

// idle are findings about variables in the ".env" of a Compose project that the program of
// a container asks its environment for, and that nothing passes on: ".env" gives values to
// the variables of the Compose file and to nothing else
// (https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/).
func (c *candidate) idle() diag.List {
	if c.tree == nil || len(c.doc.Gaps) > 0 { // what is missing may pass them on
		return nil
	}
	folder := path.Dir("/" + strings.TrimLeft(c.file.Path, "/"))
	f, err := c.tree.Read(path.Join(folder, ".env"))
	if err != nil {
		return nil
	}
	var with []*conf.Node // the containers of the service
	passed := map[string]bool{}
	for _, s := range below(c.doc.Root, "services") {
		if c.hasImage(setting(s, "image")) {
			with = append(with, s)
			for _, v := range below(s, "environment") {
				passed[v.Name] = true
			}
		}
	}
	if len(with) == 0 {
		return nil
	}
	env, _, err := conf.Parse("env", f, nil)
	if err != nil {
		return nil // the format is known
	}
	asked := c.service.Variables()
	var texts [][]byte // of the project, once somebody asks
	var out diag.List
	for _, v := range env.Root.Children {
		if _, asks := slices.BinarySearch(asked, v.Name); !asks || passed[v.Name] {
			continue
		}
		if texts == nil {
			texts = c.project(folder)
		}
		if slices.ContainsFunc(texts, func(text []byte) bool { return expands(text, v.Name) }) {
			continue
		}
		out = append(out, notPassed(c, with[0], v))
	}
	return out
}

// project are the texts of the Compose files in a folder, and of those that c is made of.
func (c *candidate) project(folder string) [][]byte {
	names, _ := c.tree.Glob(path.Join(folder, "*.y*ml")) // c itself is in it
	out := [][]byte{c.file.Text}
	for _, name := range append(names, c.doc.Included...) {
		if len(out) > maxItems {
			break
		}
		if f, err := c.tree.Read(name); err == nil {
			out = append(out, f.Text)
		}
	}
	return out
}

// expands reports whether a text has $NAME or ${NAME...} outside comments.
func expands(text []byte, name string) bool {
	for line := range bytes.Lines(text) {
		if rest := bytes.TrimLeft(line, " \t"); len(rest) > 0 && rest[0] == '#' {
			continue
		}
		for {
			var found bool
			if _, line, found = bytes.Cut(line, []byte{'$'}); !found {
				break
			}
			rest, found := bytes.CutPrefix(bytes.TrimPrefix(line, []byte{'{'}), []byte(name))
			if found && (len(rest) == 0 || rest[0] != '_' && !letterOrDigit(rest[0])) {
				return true
			}
		}
	}
	return false
}

// notPassed is the finding that a variable of ".env" does not come to a container.
func notPassed(c *candidate, container, v *conf.Node) diag.Diagnostic {
	at, line := container.NameSpan, v.Name+": ${"+v.Name+"}"
	for _, n := range container.Children {
		if n.Name == "environment" && n.NameSpan.HasLine() {
			if at = n.NameSpan; len(n.Children) > 0 && isItem(n.Children[len(n.Children)-1].NameSpan) {
				line = "- " + v.Name
			}
		}
	}
	return diag.Diagnostic{Rule: "compose-variable-unused", Severity: diag.Warning, Span: v.NameSpan, Label: "no effect",
		Message: fmt.Sprintf("%s in %s does not reach the container %s", v.Name, v.NameSpan.Name(), container.Name),
		Related: []diag.Related{{Span: at, Message: "it is not passed on here"}},
		Notes: []string{
			c.service.ID + " takes it from the environment of its container",
			".env gives values to variables of the Compose file, ${" + v.Name + "}, and no Compose file here uses it",
		},
		Help: fmt.Sprintf("add %q to environment of %s, or remove the line", line, container.Name)}
}

// isItem reports whether what stands at a place is an item of a list of YAML.
func isItem(at source.Span) bool {
	if at.File == nil {
		return false
	}
	before := at.File.Text[:at.Start]
	return bytes.HasPrefix(bytes.TrimLeft(before[bytes.LastIndexByte(before, '\n')+1:], " "), []byte("- "))
}
