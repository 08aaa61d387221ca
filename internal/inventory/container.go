package inventory

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"portolan/internal/catalog"
	"portolan/internal/conf"
	"portolan/internal/diag"
	"portolan/internal/source"
)

// containers puts in the place of each Compose file of a described service the containers
// of it that have one of the service's images and the network of the host. The others open
// no port of the host: those that are published for them are the engine's, and walled are
// those that have any. Behind a container come the files of the service that it has as
// volumes.
func containers(found []candidate, read *documents) (out []candidate, walled []*instance) {
	if !slices.ContainsFunc(found, func(c candidate) bool { return len(c.spec.Images) > 0 }) {
		return found, nil
	}
	for i := range found {
		c := &found[i]
		if len(c.spec.Images) == 0 || c.doc == nil {
			out = append(out, *c)
			continue
		}
		apart, before := false, len(out)
		left, leftApart := maxItems, maxItems // containers and volumes: a file with more is not one
		for _, s := range below(c.doc.Root, "services") {
			if !c.hasImage(setting(s, "image")) {
				continue
			}
			if setting(s, "network_mode") != "host" {
				apart = true
				if in := c.walled(s, &leftApart, read); in != nil {
					walled = append(walled, in)
				}
				continue
			}
			if left--; left < 0 {
				out[len(out)-1].diags = append(out[len(out)-1].diags, tooMany(s.NameSpan))
				out[len(out)-1].missing = append(out[len(out)-1].missing, s.NameSpan)
				break
			}
			one := c.inside(s)
			if len(out) > before { // said once for the file
				one.diags = nil
			}
			files := append(one.volumes(found, &left), one.bodies()...)
			for k := range files {
				if files[k].load(read); files[k].doc == nil {
					one.missing = append(one.missing, s.NameSpan)
				}
			}
			out = append(append(out, one), files...)
		}
		idle := c.idle()
		if len(out) == before && c.said {
			why := "it has no container of " + c.service.Title
			if apart {
				why = "its container of " + c.service.Title + " has a network of its own, so that only published ports are ports of the host"
			}
			c.doc, c.diags = nil, diag.List{unreadable(c.file, why, "ask for docker-compose="+c.name+", which says what is published")}
			out = append(out, *c)
		}
		switch {
		case len(out) > before:
			out[before].diags = append(out[before].diags, idle...)
		case len(idle) > 0: // of a container with a network of its own, which is no instance
			out = append(out, candidate{name: c.name, service: c.service, spec: c.spec, file: c.file, diags: idle})
		}
	}
	return out, walled
}

// maxTexts bounds what is looked through for images before any file is parsed.
const maxTexts = 32 << 20

// composeTexts are the texts of all Compose files of a tree, with what their variables are.
func composeTexts(tree *source.Tree, look func(pattern string) bool, found map[string][]string) []byte {
	var out []byte
	for _, pattern := range catalog.ComposeFiles() {
		if !look(pattern) {
			continue
		}
		for _, name := range found[pattern] {
			for _, n := range [...]string{name, path.Join(path.Dir(name), ".env")} {
				if f, err := tree.Read(n); err == nil {
					out = append(append(out, f.Text...), '\n')
				}
				if len(out) > maxTexts {
					return []byte("include") // there may be anything
				}
			}
		}
	}
	return out
}

// mayRun reports whether one of the texts may name an image: most descriptions with a
// container need not be parsed for a host with other containers. What they include may name any.
func mayRun(texts []byte, image string) bool {
	if len(texts) == 0 {
		return false
	}
	longest := ""
	for _, part := range strings.FieldsFunc(image, func(r rune) bool { return strings.ContainsRune(`*?[]/\\`, r) }) {
		if len(part) > len(longest) {
			longest = part
		}
	}
	return bytes.Contains(texts, []byte(longest)) || bytes.Contains(texts, []byte("include")) || bytes.Contains(texts, []byte("extends"))
}

// hasImage reports whether an image is one of the service's. A pattern is of the last part
// of its name, and with slashes of as many.
func (c *candidate) hasImage(image string) bool {
	image, _, _ = strings.Cut(image, "@")
	parts := strings.Split(image, "/")
	last := &parts[len(parts)-1]
	*last, _, _ = strings.Cut(*last, ":")
	if i := strings.LastIndexByte(*last, '}'); strings.HasPrefix(*last, "${") { // a registry that is not known
		*last = (*last)[i+1:]
	}
	return slices.ContainsFunc(c.spec.Images, func(pattern string) bool {
		n := strings.Count(pattern, "/") + 1
		if n > len(parts) {
			return false
		}
		ok, _ := path.Match(pattern, strings.Join(parts[len(parts)-n:], "/"))
		return ok
	})
}

// below are the nodes in the sections of n with a name.
func below(n *conf.Node, name string) []*conf.Node {
	var out []*conf.Node
	for _, k := range n.Children {
		if k.Name == name {
			out = append(out, k.Children...)
		}
	}
	return out
}

// setting is the value of the last setting of n with a name, "" without one.
func setting(n *conf.Node, name string) string {
	for _, k := range slices.Backward(n.Children) {
		if k.Name == name {
			return k.Value
		}
	}
	return ""
}

// within reports whether a place is that of n, or of something in it.
func within(n *conf.Node, at source.Span) bool {
	for _, s := range [...]source.Span{n.NameSpan, n.ValueSpan} {
		if s.File == at.File && s.Start <= at.Start && at.End <= s.End {
			return true
		}
	}
	return slices.ContainsFunc(n.Children, func(k *conf.Node) bool { return within(k, at) })
}

// instance is the name of the instance whose first file is that of c.
func (c *candidate) instance() string {
	if c.container != "" {
		return c.container
	}
	return c.file.Name
}

// volumes are the files of other kinds that a container has as volumes and that were not
// found yet. What cannot be read is missing: the container's settings are in it. At most
// left are looked at.
func (c *candidate) volumes(found []candidate, left *int) []candidate {
	var out []candidate
	for _, v := range below(c.doc.Root, "volumes") {
		from, target := setting(v, "source"), strings.TrimSuffix(setting(v, "target"), "/")
		if !path.IsAbs(from) || target == "" {
			continue
		}
		for i := range c.service.Files {
			spec := &c.service.Files[i]
			name, exact := seenAt(spec, from, target)
			if name == "" {
				continue
			}
			if *left--; *left < 0 {
				c.missing = append(c.missing, v.NameSpan)
				return out
			}
			var names []string
			if c.tree != nil {
				names, _ = c.tree.Glob(name) // what lies outside is missing
			}
			if len(names) == 0 && exact {
				c.missing = append(c.missing, v.NameSpan)
				c.diags = append(c.diags, diag.Diagnostic{Rule: "unreadable-file", Severity: diag.Warning, Span: v.NameSpan,
					Message: "the configuration that is mounted here cannot be read", Label: "settings from here are not known",
					Help: "put the file there, or name the folder that holds the whole host with --root"})
			}
			for _, n := range names {
				if known := func(f candidate) bool {
					return f.spec == spec && f.doc != nil && strings.TrimLeft(f.file.Path, "/") == strings.TrimLeft(n, "/")
				}; slices.ContainsFunc(found, known) {
					continue
				}
				out = append(out, candidate{name: n, service: c.service, spec: spec, os: c.os, certain: true, tree: c.tree, container: c.container,
					read: func() (*source.File, error) { return c.tree.Read(n) }})
			}
		}
	}
	return out
}

// bodies are the files that stand in variables of a container's environment.
func (c *candidate) bodies() []candidate {
	var out []candidate
	for i := range c.service.Files {
		spec := &c.service.Files[i]
		var body *conf.Node
		for _, n := range below(c.doc.Root, "environment") {
			if name := c.spec.Bodies[spec.Role]; name != "" && n.Name == name {
				body = n
			}
		}
		if body == nil || strings.TrimSpace(body.Value) == "" {
			continue
		}
		f := alone(body)
		if f == nil {
			c.missing = append(c.missing, body.NameSpan)
			continue
		}
		out = append(out, candidate{name: f.Name, service: c.service, spec: spec, os: c.os, certain: true, container: c.container,
			read: func() (*source.File, error) { return f, nil }})
	}
	return out
}

// maxBody bounds the files of which bodies are taken: each body costs as much.
const maxBody = 64 << 10

// alone is the file in which a setting stands with nothing else in it: what is found there
// is at its place in the file. It is nil when the text is not written as it is.
func alone(n *conf.Node) *source.File {
	at := n.ValueSpan
	if at.File == nil || len(at.File.Text) > maxBody || strings.Join(strings.Fields(at.Text()), " ") != strings.Join(strings.Fields(n.Value), " ") {
		return nil
	}
	start := bytes.LastIndexByte(at.File.Text[:at.Start], '\n') + 1 // with the blanks before it
	if len(bytes.TrimSpace(at.File.Text[start:at.Start])) > 0 {
		start = at.Start
	}
	text := bytes.Clone(at.File.Text)
	for i := range text {
		if (i < start || i >= at.End) && text[i] != '\n' && text[i] != '\r' {
			text[i] = ' '
		}
	}
	f := *at.File
	f.Text, f.Path = text, ""
	return &f
}

// seenAt is the name on the host of a file of a kind, when a container has source as
// target, and whether target is that file itself and not a folder around it; "" when it is
// neither.
func seenAt(spec *catalog.FileSpec, source, target string) (name string, exact bool) {
	if len(spec.Images) > 0 || len(spec.Units) > 0 {
		return "", false
	}
	for _, pattern := range spec.Paths["linux"] {
		if ok, _ := path.Match(path.Base(pattern), path.Base(target)); ok {
			return source, true
		}
		if rest, found := strings.CutPrefix(pattern, target+"/"); found {
			name = path.Join(source, rest)
		}
	}
	return name, false
}

// mounts reports whether a container sees a file, because the file or a folder around it is
// one of its volumes.
func (c *candidate) mounts(file *candidate) bool {
	for _, v := range below(c.doc.Root, "volumes") {
		source := strings.TrimSuffix(setting(v, "source"), "/")
		if after, found := strings.CutPrefix("/"+strings.TrimPrefix(file.file.Path, "/"), source); source != "" && found && (after == "" || after[0] == '/') {
			return true
		}
	}
	return false
}
