package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"portolan/internal/catalog"
	"portolan/internal/conf"
	"portolan/internal/diag"
	"portolan/internal/parallel"
	"portolan/internal/source"
)

// Options are the operator's choices about services, by service id and option name.
type Options map[string]map[string]string

// Read builds the inventory of a host from the paths that the catalogue knows. The
// error is ErrNothing when there is no file of a known service.
func Read(cat *catalog.Catalog, tree *source.Tree, root string, opts Options) (*Inventory, diag.List, error) {
	os, err := OSOf(tree)
	if err != nil {
		return nil, nil, err
	}
	inv := &Inventory{Root: root, OS: os}
	diags, err := inv.build(inTree(cat, tree, os), opts)
	return inv, diags, err
}

// ReadPaths builds an inventory from files and folders that an operator names. An
// argument SERVICE=PATH says what a file is; others are recognised by name and content.
func ReadPaths(cat *catalog.Catalog, args []string, opts Options) (*Inventory, diag.List, error) {
	var named places
	defer named.close()
	found, err := named.inPaths(cat, args)
	if err != nil {
		return nil, nil, err
	}
	inv := &Inventory{}
	diags, err := inv.build(found, opts)
	return inv, diags, err
}

// ReadFiles builds the inventory of files that are known to be one instance of a service,
// by their roles.
func ReadFiles(s *catalog.Service, files map[string]*source.File, choices map[string]string) (*Inventory, diag.List, error) {
	var found []candidate
	for i := range s.Files {
		if f := files[s.Files[i].Role]; f != nil {
			found = append(found, candidate{name: f.Name, service: s, spec: &s.Files[i], certain: true, said: true,
				read: func() (*source.File, error) { return f, nil }})
		}
	}
	if len(found) < len(files) {
		return nil, nil, fmt.Errorf("service %s has no files of some of these roles", s.ID)
	}
	inv := &Inventory{}
	diags, err := inv.build(found, Options{s.ID: choices})
	return inv, diags, err
}

func (inv *Inventory) build(found []candidate, opts Options) (diag.List, error) {
	read := documents{}
	parallel.For(len(found), func(i int) { found[i].load(&read) })
	found = withoutCarried(withoutParts(found))
	found, walled := containers(found, &read)
	unclaimed(found)
	instances := group(found)
	readers := readersOf(found)
	all := make([]*instance, len(instances))
	for i := range instances {
		all[i] = &instances[i]
	}
	results := buildAll(all, opts, readers)
	for i, r := range buildAll(walled, opts, readers) {
		inv.Contained = append(inv.Contained, Contained{walled[i].main().container, r.claims, walled[i].published})
	}
	var diags diag.List
	used := map[*candidate]bool{}
	for _, in := range instances {
		for _, part := range in.parts {
			used[part] = true
		}
	}
	files := map[File][]int{} // where they are in inv.Files
	for i := range found {
		diags = append(diags, found[i].diags...)
		if c := &found[i]; c.known && c.doc != nil && !used[c] {
			diags = append(diags, lonely(c))
		}
		if found[i].known {
			f := File{Name: found[i].file.Name, Service: found[i].service.ID}
			files[f] = append(files[f], len(inv.Files))
			inv.Files = append(inv.Files, File{Name: found[i].file.Name, Service: found[i].service.ID, Status: Unreadable})
		}
	}
	copies := map[*catalog.Service]int{}
	for _, in := range instances {
		copies[in.service]++
	}
	for i, r := range results {
		c := instances[i].main()
		if copies[c.service] > 1 { // told apart by their main files
			for k := range r.claims {
				r.claims[k].Instance = c.instance()
			}
		} else if runs := c.service.Runs; len(runs) > 0 && c.tree != nil && c.container == "" {
			account := accountOf(c.tree, runs)
			for k := range r.claims {
				r.claims[k].Account = account
			}
		}
		diags = append(diags, r.diags...)
		inv.Claims = append(inv.Claims, r.claims...)
		inv.Disabled = append(inv.Disabled, r.disabled...)
		for _, part := range instances[i].parts {
			if part.doc == nil {
				continue
			}
			for _, k := range files[File{Name: part.file.Name, Service: c.service.ID}] {
				if f := &inv.Files[k]; f.Status != Partial {
					f.Status = r.status
				}
			}
		}
		if !slices.Contains(inv.Found, c.service.ID) {
			inv.Found = append(inv.Found, c.service.ID)
		}
		if inv.OS == "" && len(found) == 1 {
			inv.OS = c.os
		}
	}
	if len(inv.Files) == 0 {
		return nil, ErrNothing
	}
	slices.Sort(inv.Found)
	slices.SortStableFunc(inv.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	inv.Files = slices.Compact(inv.Files) // a file with two containers of one service
	sortClaims(inv.Claims)
	diags.Sort()
	return slices.CompactFunc(diags, sameFinding), nil // of a file that several services read
}

// sortClaims puts claims in the order of Inventory.Claims.
func sortClaims(claims []Claim) {
	slices.SortStableFunc(claims, func(a, b Claim) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Span.Name(), b.Span.Name()), cmp.Compare(a.Span.Start, b.Span.Start),
			strings.Compare(a.Listen, b.Listen), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Ports.First, b.Ports.First), strings.Compare(a.Peer, b.Peer))
	})
}

// maxClaims bounds the claims of one host: a large one has some hundred.
const maxClaims = 20_000

// buildAll builds instances in their order, until there are more claims than any host has.
// What is built does not depend on how many processors there are.
func buildAll(list []*instance, opts Options, readers map[string][]*catalog.Service) []result {
	const wave = 32
	out := make([]result, len(list))
	claims := 0
	for from := 0; from < len(list); from += wave {
		if claims > maxClaims {
			for i := from; i < len(list); i++ {
				out[i].status = Partial
			}
			f := list[from].main().file
			out[from].diags = diag.List{{Rule: "unreadable-file", Severity: diag.Error, Span: f.Span(0, 0),
				Message: fmt.Sprintf("more than %d ports of one host: from this file on, %d services are not looked at", maxClaims, len(list)-from),
				Help:    "name the files that matter one by one"}}
			break
		}
		parallel.For(min(wave, len(list)-from), func(i int) {
			in := list[from+i]
			out[from+i] = in.build(opts[in.service.ID], readers)
		})
		for _, r := range out[from:min(from+wave, len(list))] {
			claims += len(r.claims)
		}
	}
	return out
}

// lonely says that a file of c belongs to no instance, such as a unit whose command line
// names a configuration that was not found, beside one that was.
func lonely(c *candidate) diag.Diagnostic {
	return diag.Diagnostic{Rule: "unreadable-file", Severity: diag.Warning, Span: c.file.Span(0, 0),
		Message: c.file.Name + " goes with no configuration of " + c.service.Title + " that was found, so the ports of what it starts are not known",
		Help:    "name the configuration that it uses as " + c.service.ID + "=PATH"}
}

// sameFinding reports whether two findings say the same about the same text.
func sameFinding(a, b diag.Diagnostic) bool {
	return a.Rule == b.Rule && a.Message == b.Message && a.Span.Name() == b.Span.Name() && a.Span.Start == b.Span.Start && a.Span.End == b.Span.End
}

// readersOf are the services that read each file, by the name under which it was found.
func readersOf(found []candidate) map[string][]*catalog.Service {
	out := map[string][]*catalog.Service{}
	for i := range found {
		if c := &found[i]; c.doc != nil && !slices.Contains(out[c.name], c.service) {
			out[c.name] = append(out[c.name], c.service)
		}
	}
	return out
}

// result is what one instance comes to.
type result struct {
	status   Status
	claims   []Claim
	disabled []Disabled
	diags    diag.List
}

// build makes the claims of one instance. Readers are the services that read each file.
func (in *instance) build(choices map[string]string, readers map[string][]*catalog.Service) result {
	e := &evaluator{service: in.service, spec: &in.service.Files[0], sides: map[string]*conf.Document{}}
	for _, p := range in.parts {
		e.readers = append(e.readers, readers[p.name]...)
		e.os = cmp.Or(e.os, p.os)
		if p.spec == &in.service.Files[0] {
			e.doc = p.doc
			continue
		}
		side := e.sides[p.spec.Role]
		if side == nil {
			side = &conf.Document{File: p.file, Root: &conf.Node{}}
			e.sides[p.spec.Role] = side
		}
		side.Root.Children = append(side.Root.Children, p.doc.Root.Children...)
		side.Gaps = append(side.Gaps, p.doc.Gaps...)
	}
	if e.doc == nil {
		e.doc = &conf.Document{File: in.main().file, Root: &conf.Node{}, Gaps: in.main().missing}
	}
	for _, p := range in.parts {
		if p.spec.Options != nil {
			e.doc = withOptions(e.doc, p)
		}
	}
	defer e.prepare()()
	e.tree = in.main().tree
	e.evaluate(choices)
	b := &builder{evaluator: e}
	b.group(&in.service.Group, b.ctx)
	b.lints()
	b.reportDoubles()
	b.unknownSettings()
	over := b.spent() // which may be said only now
	if in.cut {
		over = true
		e.diags = append(e.diags, tooMany(e.doc.File.Span(0, 0)))
	}
	out := result{status: Whole, claims: b.claims, disabled: b.disabled, diags: e.diags}
	gaps := len(e.doc.Gaps)
	for _, side := range e.sides {
		gaps += len(side.Gaps)
	}
	if b.partial || gaps > 0 || over { // what was not read may open more
		out.status = Partial
	}
	return out
}
