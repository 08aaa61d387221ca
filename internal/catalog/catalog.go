// Package catalog describes services: where their files are and which settings open
// ports.
//
// A description is one HCL file. This package reads and checks it; what its expressions
// come to for a given file is worked out by package inventory.
package catalog

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// Catalog is all services that are known, in order of their ids.
type Catalog struct {
	Services []*Service
}

// Service is one description.
type Service struct {
	ID        string // "lumenvox-media-server"
	Title     string // "LumenVox Media Server"
	Platforms []string
	Cites     []string // where the facts of the description are documented
	Files     []FileSpec
	Version   hcl.Expression // the version of the service, as text; nil when files do not tell
	Options   []Option
	Defaults  []Default
	Locals    []Local // each may use those before it
	Listens   []Fact
	Connects  []Fact
	Tests     []Test
	Source    *source.File
	Span      source.Span // of the id
}

// FileSpec is one kind of file of a service.
type FileSpec struct {
	Role   string // "conf"
	Format string // a name in conf.Formats
	// Words that stand for a built-in value, such as "default".
	DefaultWords []string
	// Paths are absolute patterns (path.Match) with forward slashes, by system:
	// "linux" or "windows"; those of Windows begin with a drive.
	Paths map[string][]string
	// Accept is true for a file that is what its name says; nil accepts every file.
	Accept hcl.Expression
}

// Option is a choice of the operator that files do not tell, such as a sizing model.
type Option struct {
	Name        string
	Title       string
	Values      []string             // the choices, ascending
	Value       map[string]Scalar    // what each choice stands for
	Notes       map[string]OptionDoc // what is known about each choice
	Default     string
	DefaultSpan source.Span
}

// OptionDoc explains one choice of an Option.
type OptionDoc struct {
	Text  string
	Cites []string
}

// Scalar is a number or a text.
type Scalar struct {
	IsNumber bool
	Number   int
	Text     string
}

// String is the value as one would write it.
func (s Scalar) String() string {
	if s.IsNumber {
		return strconv.Itoa(s.Number)
	}
	return s.Text
}

// Default is a built-in value of a service, which may have changed between versions.
type Default struct {
	Name    string
	Setting string // the setting it is the default of, for people
	Cases   []Case
	Span    source.Span
}

// Case is the value of a default in some versions.
type Case struct {
	Since  string // first version, inclusive; "" from the beginning
	Before string // first version no more; "" until today
	OS     string // "linux" or "windows"; "" on all
	Value  Scalar
	Note   string // what is unverified about it, in words
	Cites  []string
	Span   source.Span // of the value
}

// Local is a named intermediate value.
type Local struct {
	Name string
	Expr hclsyntax.Expression
}

// Fact is a listener of a service, or a connection it makes.
type Fact struct {
	Name     string
	Purpose  hcl.Expression // required
	When     hcl.Expression // nil is always
	ForEach  hcl.Expression // nil is once
	Protocol hcl.Expression // list of "tcp" and "udp"
	Port     hcl.Expression // either Port, or First with Count or Last
	First    hcl.Expression
	Count    hcl.Expression
	Last     hcl.Expression
	Bind     hcl.Expression // list of addresses; nil is every address
	Peer     hcl.Expression // of a connection
	Exposure string         // of a listener: an inventory.Exposure
	Pairs    bool           // even port RTP, the next one RTCP
	Assigned []string       // ports that IANA assigned to it, as port.Parse reads them
	Span     source.Span
}

// Test is an example in a description: a file and what it claims.
type Test struct {
	Name   string
	Input  string            // text of the file
	Role   string            // of the file; the first when empty
	Set    map[string]string // options
	Expect []string          // one line for each claim, see inventory.Describe
	Span   source.Span
}

// Exposures are the words that a listener's exposure may be.
var Exposures = [...]string{"public", "internal", "admin", "loopback"}

// Load reads the descriptions *.hcl of every file system in turn; a later description
// replaces an earlier one with the same id. Findings are about the descriptions; the
// error says that one could not be read.
func Load(fsyses ...fs.FS) (*Catalog, diag.List, error) {
	cat := &Catalog{}
	var diags diag.List
	for _, fsys := range fsyses {
		names, err := fs.Glob(fsys, "*.hcl")
		if err != nil {
			return nil, nil, err
		}
		from := len(cat.Services)
		for _, name := range names {
			raw, err := fs.ReadFile(fsys, name)
			if err != nil {
				return nil, nil, err
			}
			if len(raw) > source.MaxFileSize {
				return nil, nil, &fs.PathError{Op: "read", Path: name, Err: source.ErrTooLarge}
			}
			services, found := parse(source.New(path.Join("services", name), raw))
			diags = append(diags, found...)
			for _, s := range services {
				cat.add(s, from, &diags)
			}
		}
	}
	slices.SortFunc(cat.Services, func(a, b *Service) int { return strings.Compare(a.ID, b.ID) })
	if len(cat.Services) == 0 && len(diags) == 0 {
		return nil, nil, errors.New("no service descriptions (*.hcl) found")
	}
	return cat, diags, nil
}

// add puts s into the catalogue. Two descriptions of one id in the same file system,
// which begins at index from, are an error.
func (c *Catalog) add(s *Service, from int, diags *diag.List) {
	for i, old := range c.Services {
		if old.ID != s.ID {
			continue
		}
		if i >= from {
			*diags = append(*diags, diag.Diagnostic{Rule: Rule, Severity: diag.Error, Span: s.Span,
				Message: "service " + s.ID + " is described twice", Related: []diag.Related{{Span: old.Span, Message: "first here"}},
				Help: "give one of them another name"})
			return
		}
		c.Services[i] = s
		return
	}
	c.Services = append(c.Services, s)
}

// Find is the service with an id, nil when there is none.
func (c *Catalog) Find(id string) *Service {
	for _, s := range c.Services {
		if s.ID == id {
			return s
		}
	}
	return nil
}

// IDs are the ids of all services, ascending.
func (c *Catalog) IDs() []string {
	ids := make([]string, len(c.Services))
	for i, s := range c.Services {
		ids[i] = s.ID
	}
	return ids
}

// Listeners are the names of the listeners of each service.
func (c *Catalog) Listeners() map[string][]string {
	out := map[string][]string{}
	for _, s := range c.Services {
		names := []string{}
		for _, l := range s.Listens {
			names = append(names, l.Name)
		}
		out[s.ID] = names
	}
	return out
}

// DefaultNamed is the default with a name, nil when there is none.
func (s *Service) DefaultNamed(name string) *Default {
	for i := range s.Defaults {
		if s.Defaults[i].Name == name {
			return &s.Defaults[i]
		}
	}
	return nil
}

// Words says for which versions and systems a case holds: "from 10.1 to before 12.1".
func (c *Case) Words() string {
	var parts []string
	if c.Since != "" {
		parts = append(parts, "from "+c.Since)
	}
	if c.Before != "" {
		parts = append(parts, "before "+c.Before)
	}
	if c.OS != "" {
		parts = append(parts, "on "+c.OS)
	}
	if len(parts) == 0 {
		return "in every version"
	}
	return strings.Join(parts, ", ")
}
