package inventory

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"sync"

	"portolan/internal/catalog"
	"portolan/internal/conf"
	"portolan/internal/diag"
	"portolan/internal/source"
)

// documents are the files that were read, each once for all services that have it.
type documents struct{ files sync.Map }

// document is one of them.
type document struct {
	once  sync.Once
	doc   *conf.Document
	diags diag.List
	err   error
}

// parse reads a file in the format of its kind. The error says that there is no such
// format.
func (d *documents) parse(spec *catalog.FileSpec, f *source.File, tree *source.Tree) (*conf.Document, diag.List, error) {
	read := func() (*conf.Document, diag.List, error) {
		if spec.Dialect != nil {
			doc, diags := spec.Dialect.Parse(f, tree)
			return doc, diags, nil
		}
		return conf.Parse(spec.Format, f, tree)
	}
	if tree == nil {
		return read()
	}
	type key struct {
		format  string
		dialect *conf.Dialect
		name    string
		path    string
	}
	v, _ := d.files.LoadOrStore(key{spec.Format, spec.Dialect, f.Name, f.Path}, &document{})
	found := v.(*document)
	found.once.Do(func() { found.doc, found.diags, found.err = read() })
	return found.doc, found.diags, found.err
}

// withoutParts leaves out files that another file of the same service includes: they are
// a part of it.
func withoutParts(found []candidate) []candidate {
	type key struct {
		service *catalog.Service
		path    string
	}
	parts := map[key]*conf.Document{}
	for i := range found {
		if c := &found[i]; c.doc != nil {
			for _, p := range c.doc.Included {
				parts[key{c.service, p}] = c.doc
			}
		}
	}
	return slices.DeleteFunc(found, func(c candidate) bool {
		whole := parts[key{c.service, c.file.Path}]
		return whole != nil && whole != c.doc && !c.said && (c.doc == nil || !slices.Contains(c.doc.Included, whole.File.Path))
	})
}

// withoutCarried leaves out the files of carriers, such as units, that a service of its
// own has too.
func withoutCarried(found []candidate) []candidate {
	described := map[string]bool{}
	for i := range found {
		if c := &found[i]; c.doc != nil && !c.service.Carrier {
			described[c.file.Path] = true
		}
	}
	return slices.DeleteFunc(found, func(c candidate) bool { return c.service.Carrier && !c.said && described[c.file.Path] })
}

// load reads the file of a candidate and asks whether it is what its name says.
func (c *candidate) load(read *documents) {
	f, err := c.read()
	if err != nil {
		c.file = source.New(c.name, nil)
		if c.common() && !c.said {
			return // a link to another program's unit that is gone
		}
		c.known = true
		help := "make it a readable text file, or leave it out"
		if errors.Is(err, source.ErrTooMany) {
			help = "name the file itself, as " + c.service.ID + "=PATH"
		}
		c.diags = diag.List{unreadable(c.file, why(err), help)}
		return
	}
	c.file, c.known = f, c.certain
	if bytes.IndexByte(f.Text, 0) >= 0 {
		c.refuse(diag.List{unreadable(f, "it is binary: it has zero bytes", "name the configuration file in text form")})
		return
	}
	other := diag.List{unreadable(f, "it does not look like a configuration of "+c.service.Title, "check that it is the right file")}
	if !c.said && slices.ContainsFunc(c.spec.Contains, func(s string) bool { return !bytes.Contains(f.Text, []byte(s)) }) {
		c.refuse(other)
		return
	}
	doc, diags, err := read.parse(c.spec, f, c.tree)
	if err != nil { // the description names a format that does not exist
		c.known, c.diags = true, diag.List{{Rule: catalog.Rule, Severity: diag.Error, Span: c.service.Span, Message: err.Error()}}
		return
	}
	if c.sample && len(doc.Root.Children) == 0 { // a file of that name may be anybody's
		c.refuse(nil)
		return
	}
	doc = c.layered(read, doc)
	if c.spec.Accept != nil || c.spec.Yields != nil {
		e := &evaluator{service: c.service, spec: c.spec, doc: doc, os: c.os}
		defer e.prepare()()
		switch {
		case c.spec.Accept != nil && !e.holds(c.spec.Accept):
			e.unknownSettings()
			c.refuse(append(e.diags, other...))
			return
		case c.spec.Yields != nil && !c.said && e.holds(c.spec.Yields):
			c.known = false
			return
		}
	}
	c.known, c.doc, c.diags = true, doc, append(c.diags, diags...)
	if c.tree == nil { // named by itself: what it includes was not looked at
		for _, gap := range doc.Gaps {
			c.diags = append(c.diags, diag.Diagnostic{Rule: "unreadable-file", Severity: diag.Warning, Span: gap,
				Message: "what is included here was not looked at, because the file was named by itself", Label: "settings from here are not known",
				Help: "name the folder that holds the whole host with --root"})
		}
	}
}

// refuse notes why a file is not one of the service. It is reported when the file is
// certain to be one, or when nobody else takes it, but for names that many programs use.
func (c *candidate) refuse(why diag.List) {
	c.refused = why
	if c.known = c.known && (c.said || !c.common()); c.known {
		c.diags = why
	}
}

// common reports whether files of other programs have the name of c, too.
func (c *candidate) common() bool { return c.spec.CommonName || c.sample || len(c.spec.Images) > 0 }

// unclaimed makes known those files that only have the name of a known one and that no
// service took: one of them is probably broken. Names that many programs use are left
// alone.
func unclaimed(found []candidate) {
	taken := map[string]bool{}
	for i := range found {
		if found[i].known {
			taken[found[i].name] = true
		}
	}
	for i := range found {
		c := &found[i]
		if !taken[c.name] && !c.common() && c.refused != nil {
			c.known, c.diags = true, c.refused
			taken[c.name] = true
		}
	}
}

func unreadable(f *source.File, why, help string) diag.Diagnostic {
	return diag.Diagnostic{Rule: "unreadable-file", Severity: diag.Error, Span: f.Span(0, 0),
		Message: f.Name + " cannot be read: " + why, Help: help}
}

// why is the reason in an error without the path, which the finding says already.
func why(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
