package inventory

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"portolan/internal/catalog"
	"portolan/internal/conf"
	"portolan/internal/source"
)

// layered is a document with the files that are read after it, and override it: the
// layers that the description names, and the drop-ins of a systemd unit. Document itself
// stays as it is, because other services may have it too.
func (c *candidate) layered(read *documents, doc *conf.Document) *conf.Document {
	if c.tree == nil {
		return doc
	}
	var names []string
	if c.spec.Format == "systemd" {
		names = dropIns(c.tree, c.file.Path)
	}
	for _, layer := range c.spec.Layers {
		pattern, ok := c.layerPattern(layer)
		if !ok {
			continue
		}
		found, err := c.tree.Glob(pattern)
		if err != nil && !errors.Is(err, source.ErrOutside) {
			c.diags = append(c.diags, unreadable(source.New(strings.TrimLeft(pattern, "/"), nil), why(err), "make the folder readable"))
		}
		names = append(names, found...)
	}
	whole := doc
	for _, name := range names {
		if info, err := c.tree.Stat(name); err == nil && info.IsDir() {
			continue
		}
		f, err := c.tree.Read(name)
		if err != nil {
			c.diags = append(c.diags, unreadable(source.New(name, nil), why(err), "make it a readable text file, or remove it"))
			continue
		}
		layer, diags, err := read.parse(c.spec, f, c.tree)
		if err != nil {
			continue // the format is known: the main file was read in it
		}
		if whole == doc {
			copied, root := *doc, *doc.Root
			root.Children = slices.Clone(root.Children)
			copied.Root, copied.Gaps, copied.Included = &root, slices.Clone(doc.Gaps), slices.Clone(doc.Included)
			whole = &copied
		}
		c.diags = append(c.diags, diags...)
		c.layers = append(c.layers, f)
		whole.Root.Children = append(whole.Root.Children, layer.Root.Children...)
		whole.Gaps = append(whole.Gaps, layer.Gaps...)
		whole.Included = append(append(whole.Included, f.Path), layer.Included...)
	}
	return whole
}

// layerPattern is a layer of the description for the file of c: a relative pattern
// begins in its folder, and "{1}" is what the first wildcard component of its own path
// stands for.
func (c *candidate) layerPattern(layer string) (string, bool) {
	if !path.IsAbs(layer) {
		return path.Join("/", path.Dir(c.file.Path), layer), true
	}
	own := "/" + strings.TrimLeft(c.file.Path, "/")
	for _, pattern := range c.spec.Paths["linux"] {
		if ok, _ := path.Match(pattern, own); !ok {
			continue
		}
		n := 0
		parts := strings.Split(own, "/")
		for i, p := range strings.Split(pattern, "/") {
			if strings.ContainsAny(p, `*?[\`) {
				n++
				layer = strings.ReplaceAll(layer, "{"+string(rune('0'+n))+"}", parts[i])
			}
		}
		break
	}
	return layer, !strings.Contains(layer, "{")
}

// dropIns are the files that add to a unit, in the order in which systemd reads them: by
// their names, whatever folder they are in. Of two with one name, the one in the folder
// that is looked at first hides the other (systemd.unit(5)).
func dropIns(tree *source.Tree, unit string) []string {
	base, kind := path.Base(unit), path.Ext(unit)
	name := strings.TrimSuffix(base, kind)
	owners := []string{base}
	if template, _, ok := strings.Cut(name, "@"); ok && !strings.HasSuffix(name, "@") {
		owners = append(owners, template+"@"+kind)
	}
	for i := len(name) - 1; i > 0; i-- {
		if name[i] == '-' { // "foo-.service.d" is for foo-bar.service too
			owners = append(owners, name[:i+1]+kind)
		}
	}
	owners = append(owners, strings.TrimPrefix(kind, "."))
	seen := map[string]string{}
	for _, owner := range owners {
		for _, dir := range append(slices.Clone(catalog.UnitDirs[:]), "/"+path.Dir(unit)) {
			found, err := tree.Glob(path.Join(dir, owner+".d", "*.conf"))
			if err != nil {
				continue // a folder that is not there, or not in this tree
			}
			for _, f := range found {
				if b := path.Base(f); seen[b] == "" {
					seen[b] = f
				}
			}
		}
	}
	var bases []string
	for b, f := range seen {
		if !masked(tree, f) {
			bases = append(bases, b)
		}
	}
	slices.Sort(bases)
	out := make([]string, len(bases))
	for i, b := range bases {
		out[i] = seen[b]
	}
	return out
}

// masked reports whether a unit is switched off for good: it is empty, or a link to
// /dev/null (systemd.unit(5)).
func masked(tree *source.Tree, name string) bool {
	if real, err := tree.Resolve(name); err == nil && real == "dev/null" {
		return true
	}
	info, err := tree.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// units are the unit files that systemd would load, of those that were found: of one name
// the one in the first folder, whichever link of a ".wants" folder leads to it, and none
// that is masked.
func units(tree *source.Tree, found []string) []string {
	var out []string
	done := map[string]bool{}
	for _, name := range found {
		base := path.Base(name)
		if done[base] {
			continue
		}
		done[base] = true
		for _, dir := range catalog.UnitDirs {
			place := path.Join(dir, base)[1:]
			if _, err := tree.Stat(place); err == nil || !errors.Is(err, fs.ErrNotExist) || isLink(tree, place) {
				name = place
				break
			}
		}
		if !masked(tree, name) {
			out = append(out, name)
		}
	}
	return out
}

// isLink reports whether a name is a link, if only to nothing.
func isLink(tree *source.Tree, name string) bool {
	real, err := tree.Resolve(name)
	return err == nil && real != name
}
