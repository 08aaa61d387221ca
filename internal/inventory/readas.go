package inventory

import (
	"fmt"
	"slices"
	"strings"

	"portolan/internal/catalog"
	"portolan/internal/conf"
	"portolan/internal/diag"
	"portolan/internal/source"
)

// ReadAs reads a file for somebody who wants to see what a description sees in it. As is a
// format, or SERVICE or SERVICE.ROLE for that of a service's file; a format comes first. The
// error says that there is neither.
func ReadAs(cat *catalog.Catalog, as string, f *source.File) (*conf.Document, diag.List, error) {
	if slices.ContainsFunc(conf.Formats(), func(format conf.Format) bool { return format.Name == as }) {
		return conf.Parse(as, f, nil)
	}
	id, role, named := strings.Cut(as, ".")
	s := cat.Find(id)
	if s == nil {
		return nil, nil, fmt.Errorf("there is no format and no service %q: the formats are %s", as, conf.FormatNames())
	}
	spec := &s.Files[0]
	if named {
		i := slices.IndexFunc(s.Files, func(spec catalog.FileSpec) bool { return spec.Role == role })
		if i < 0 {
			return nil, nil, fmt.Errorf("the service %s has no file %q", id, role)
		}
		spec = &s.Files[i]
	}
	if spec.Dialect != nil {
		doc, diags := spec.Dialect.Parse(f, nil)
		return doc, diags, nil
	}
	return conf.Parse(spec.Format, f, nil)
}
