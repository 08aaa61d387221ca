// Package catalog describes services: where their files are and which settings open
// ports.
//
// A description is one HCL file. This package reads and checks it; what its expressions
// come to for a given file is worked out by package inventory.
package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"portolan/internal/conf"
	"portolan/internal/diag"
	"portolan/internal/hclfile"
	"portolan/internal/parallel"
	"portolan/internal/source"
)

// MaxSize is the most bytes a description may have; ours have some ten thousand.
const MaxSize = 128 << 10

// Catalog is all services that are known. Descriptions are parsed when they are first
// asked for: a host has files of a few of them, and parsing all takes longer than
// everything else.
type Catalog struct {
	entries []*entry // in order of ids
	names   func() *baseNames
	folders func() []folder
}

// folder is the paths of all descriptions that lie in one folder, which may be a pattern.
type folder struct {
	dir   string // ended by a slash
	paths []pathOf
}

// pathOf is a path of one of the entries.
type pathOf struct {
	pattern string
	entry   int
}

// baseNames are the descriptions by the base names of their paths, in lower case: a folder
// may have ten thousand files, and most have the name of none.
type baseNames struct {
	exact map[string][]*entry
	wild  []wildName
}

// wildName is a base name with wildcards.
type wildName struct {
	pattern string
	entry   *entry
}

// entry is one description, parsed or not yet.
type entry struct {
	id      string
	name    string // of its file, for people
	read    func() ([]byte, error)
	paths   []string // every text in it that looks like an absolute path
	images  []string // every text in a list of images
	service *Service // nil until it is parsed, or when it has no service
	diags   diag.List
	once    sync.Once // of parsing: many hosts may be read at once
	strict  bool      // every literal in it is checked, too: for those that people write
	theirs  bool      // it is the operator's
}

// Service is one description.
type Service struct {
	ID        string // "lumenvox-media-server"
	Title     string // "LumenVox Media Server"
	Platforms []string
	Cites     []string // where the facts of the description are documented
	Files     []FileSpec
	// Carrier says that the service opens ports for any other: a file that a service of its
	// own describes too is left to that.
	Carrier bool
	// Runs are the names of the systemd units that start the service, which say as whom.
	Runs     []string
	Version  hcl.Expression // the version of the service, as text; nil when files do not tell
	Options  []Option
	Defaults []Default
	Group    // what is said once for each file
	Lints    []Lint
	Tests    []Test
	Source   *source.File
	Span     source.Span // of the id
}

// Group is facts with the local values they share. The groups inside are repeated for
// the items of a list.
type Group struct {
	Name     string
	ForEach  hcl.Expression // nil is once
	When     hcl.Expression // nil is always
	Locals   []Local        // each may use those before it
	Listens  []Fact
	Connects []Fact
	Groups   []Group
}

// Lint is a mistake that only this service can make.
type Lint struct {
	Name     string
	ForEach  hcl.Expression // nil is once
	When     hcl.Expression // true where the mistake is; the settings it looks at are marked
	Severity string         // "error", "warning" or "info"
	Message  hcl.Expression
	Help     string
}

// Formats that mean something to a description: Lines is that of a file whose lines it
// describes itself, and the files of Compose are in the same places for everybody.
const (
	Lines   = "lines"
	Compose = "compose"
)

// FileSpec is one kind of file of a service. The first kind is the main one: each file
// of it is an instance of the service, and the files of the other kinds are there to be
// asked by name. Without a main file the others make one instance together.
type FileSpec struct {
	Role   string // "conf"
	Format string // a name in conf.Formats, or Lines
	// Dialect is how lines are written where the format is Lines; nil otherwise.
	Dialect *conf.Dialect
	// Words that stand for a built-in value, such as "default".
	DefaultWords []string
	// Paths are absolute patterns (path.Match) with forward slashes, by system:
	// "linux" or "windows"; those of Windows begin with a drive.
	Paths map[string][]string
	// Units are the names of systemd units whose places are among Paths.
	Units []string
	// Images are patterns of the names of images: the file is not a whole Compose file but a
	// container in it that has one of them.
	Images []string
	// Bodies are variables in the environment of the container whose text is a file of
	// another kind, by its role.
	Bodies map[string]string
	// Layers are patterns of files that are read after this one and override it, in the
	// order of their names: relative to its folder, or absolute, where "{1}" is what the
	// first component with a wildcard of the file's own pattern stands for.
	Layers []string
	// Samples are the names, each behind a slash, under which the file is found where it is
	// not installed: in the source, in the program itself, among examples. Accept tells
	// whether it is the service's.
	Samples []string
	// CommonName says that files of other programs have the same name or path: one that Accept
	// refuses is left alone unless somebody says that it is the service's.
	CommonName bool
	// Options says that the options of the command line of a unit or a container are settings
	// of the main file, "--name value", and win; it has the names of short ones. Nil says
	// nothing.
	Options map[string]string
	// Contains are texts that stand in every file of this kind. One without them is not even
	// parsed, which counts where a name is as wide as "*.yaml".
	Contains []string
	// Accept is true for a file that is what its name says; nil accepts every file.
	Accept hcl.Expression
	// Yields is true for a file that is left to another service, which reads the same, unless
	// somebody says that it is this one's; nil yields none.
	Yields hcl.Expression
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
	Nominal  hcl.Expression // list of the first and last number as written; nil when these are the sockets
	Except   hcl.Expression // list of ports of the range that are not used; nil is none
	Bind     hcl.Expression // list of addresses; nil is every address
	// Advertise is a list of the addresses that clients are told to send to; nil when it says
	// none but its own.
	Advertise hcl.Expression
	// Needs is how many ports the limits of the service come to, which are set apart from the
	// range; nil when there are none.
	Needs hcl.Expression
	// Unguarded is a text that says what somebody on the way reads or whoever gets there may
	// do, null where the listener is guarded; nil is guarded.
	Unguarded hcl.Expression
	Peer      hcl.Expression // of a connection
	Source    hcl.Expression // of a connection: list of the first and last local port; nil when the system chooses
	To        []string       // of a connection: the listeners it may be for, "service.listener"
	ToSpan    source.Span    // of To
	Exposure  string         // of a listener: an inventory.Exposure
	Pairs     bool           // even port RTP, the next one RTCP
	Assigned  []string       // ports that IANA assigned to it, as port.Parse reads them
	Zero      string         // what port 0 means: one of Zeros
	V6Only    bool           // a socket on "::" takes no IPv4 (IPV6_V6ONLY is set)
	Share     string         // listeners of one process with the same word share their ports
	// TrustedOnly is the page on which the maintainers say that a listener is for trusted
	// networks alone; "" when they do not.
	TrustedOnly string
	Span        source.Span
}

// Test is an example in a description: files of one instance, and what they claim.
type Test struct {
	Name   string
	Files  map[string]string // texts by role
	Set    map[string]string // options
	Expect []string          // one line for each claim, see inventory.Describe
	Span   source.Span
}

// Zeros are what port 0 can mean: the listener is off, the system chooses a port at every
// start, or nobody documents it.
var Zeros = [...]string{"off", "chosen", "unknown"}

// UnitDirs are the folders of systemd's units. Of two units with one name, the one in the
// folder that comes first counts (systemd.unit(5), "Unit File Load Path").
var UnitDirs = [...]string{"/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// unitPaths are the places where a unit, such as "*rtpengine*.service", may lie.
func unitPaths(unit string) []string {
	out := make([]string, len(UnitDirs))
	for i, dir := range UnitDirs {
		out[i] = dir + "/" + unit
	}
	return out
}

// isUnit reports whether a text may be the name of a unit with ports.
func isUnit(text string) bool {
	return (strings.HasSuffix(text, ".service") || strings.HasSuffix(text, ".socket")) && !strings.ContainsAny(text, "/ ")
}

// ComposeFiles are the places of Compose files. Nothing says where a project lies, and
// people put each into a folder of its own.
var ComposeFiles = sync.OnceValue(func() []string {
	var out []string
	for _, dir := range [...]string{"", "/root", "/root/*", "/home/*", "/home/*/*", "/opt", "/opt/*", "/opt/*/*", "/srv", "/srv/*", "/srv/*/*", "/etc/*", "/etc/docker/compose/*"} {
		for _, name := range [...]string{"compose.y*ml", "compose.*.y*ml", "docker-compose*.y*ml"} {
			out = append(out, dir+"/"+name)
		}
	}
	return out
})

// Exposures are the words that a listener's exposure may be.
var Exposures = [...]string{"public", "internal", "admin", "loopback"}

// Folder is a folder of descriptions that the operator named.
type Folder struct {
	fs.FS
	Name string // as it was named
}

// Stat describes a file without opening it, as the file system below does: an embedded one
// would lose that.
func (f Folder) Stat(name string) (fs.FileInfo, error) { return fs.Stat(f.FS, name) }

// Load reads the descriptions *.hcl of every file system in turn; a later description
// replaces an earlier one with the same id, which is the name of its file. The first
// file system is ours and is parsed as it is needed; mistakes in it are found by tests.
// The others are the operator's: they are parsed at once, and the findings are about
// them. The error says that a file could not be read.
//
// A description is known by its path: below the name of a Folder, else below "services".
func Load(ours fs.FS, theirs ...fs.FS) (*Catalog, diag.List, error) {
	cat := &Catalog{}
	var diags diag.List
	var eager []*entry
	text := []byte{} // of ours, one behind the other: nobody needs most of them again
	for i, fsys := range append([]fs.FS{ours}, theirs...) {
		names, err := fs.Glob(fsys, "*.hcl")
		if err != nil {
			return nil, nil, err
		}
		if len(names) == 0 {
			return nil, nil, errors.New("no service descriptions (*.hcl) found")
		}
		dir := "services"
		if f, ok := fsys.(Folder); ok {
			dir = f.Name
		}
		for _, name := range names {
			var to []byte
			if i == 0 {
				to = text[:0]
			}
			raw, err := read(fsys, name, to)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", name, err)
			}
			e := &entry{id: strings.TrimSuffix(name, ".hcl"), name: path.Join(dir, name), read: func() ([]byte, error) { return fs.ReadFile(fsys, name) }}
			var composed bool
			if e.paths, composed = literalPaths(raw); composed {
				e.images = literalImages(raw)
			}
			cat.add(e)
			if i == 0 {
				text = raw
			} else {
				e.read = func() ([]byte, error) { return raw, nil } // it may be another one a moment later
				e.theirs = true
				e.strict = true
				eager = append(eager, e)
			}
		}
	}
	parseAll(eager)
	for _, e := range eager {
		diags = append(diags, e.diags...)
		diags = append(diags, cat.targets(e.service)...)
	}
	cat.names, cat.folders = sync.OnceValue(cat.byBase), sync.OnceValue(cat.byFolder)
	return cat, diags, nil
}

// read reads a description and puts it into the memory of to, if there is enough. What is no file is
// not opened: a pipe never ends, nor does a device.
func read(fsys fs.FS, name string, to []byte) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	switch {
	case err != nil:
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, err
	case info.Size() > MaxSize:
		return nil, fmt.Errorf("larger than %d KiB, the most that a description may have", MaxSize>>10)
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	}
	if to == nil {
		return fs.ReadFile(fsys, name)
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := bytes.NewBuffer(to)
	_, err = b.ReadFrom(f)
	return b.Bytes(), err
}

func (c *Catalog) byBase() *baseNames {
	n := &baseNames{exact: map[string][]*entry{}}
	for _, e := range c.entries {
		paths := e.paths
		if len(e.images) > 0 {
			paths = slices.Concat(paths, ComposeFiles())
		}
		for _, p := range paths {
			base := strings.ToLower(path.Base(p))
			if strings.ContainsAny(base, `*?[\`) {
				n.wild = append(n.wild, wildName{base, e})
			} else {
				n.exact[base] = append(n.exact[base], e)
			}
		}
	}
	return n
}

// byFolder are the paths of all descriptions, a folder before those in it.
func (c *Catalog) byFolder() []folder {
	at := map[string]int{}
	var out []folder
	for i, e := range c.entries {
		for _, p := range e.paths {
			dir := p[:strings.LastIndexByte(p, '/')+1]
			k, known := at[dir]
			if !known {
				k = len(out)
				at[dir] = k
				out = append(out, folder{dir: dir})
			}
			out[k].paths = append(out[k].paths, pathOf{p, i})
		}
	}
	slices.SortFunc(out, func(a, b folder) int { return strings.Compare(a.dir, b.dir) })
	return out
}

// Named are the services one of whose paths may end in a base name, given in lower case,
// in order of ids; like Where, some without reason.
func (c *Catalog) Named(base string) []*Service {
	names := c.names()
	hits := slices.Clone(names.exact[base])
	for _, w := range names.wild {
		if ok, _ := path.Match(w.pattern, base); ok {
			hits = append(hits, w.entry)
		}
	}
	slices.SortFunc(hits, func(a, b *entry) int { return strings.Compare(a.id, b.id) })
	return described(slices.Compact(hits))
}

func (c *Catalog) add(e *entry) {
	i, replaces := slices.BinarySearchFunc(c.entries, e.id, func(e *entry, id string) int { return strings.Compare(e.id, id) })
	if replaces {
		c.entries[i] = e
	} else {
		c.entries = slices.Insert(c.entries, i, e)
	}
}

func parseAll(entries []*entry) {
	parallel.For(len(entries), func(i int) { entries[i].parse() })
}

func (e *entry) parse() *Service {
	e.once.Do(func() {
		raw, err := e.read()
		f := source.New(e.name, raw)
		if e.service, e.diags = parse(f, e.id, e.strict); err != nil { // never of what is in the program
			e.service, e.diags = nil, diag.List{{Rule: Rule, Severity: diag.Error, Span: f.Span(0, 0), Message: err.Error()}}
		}
	})
	return e.service
}

// literalPaths are the quoted texts that begin like an absolute path, "/..." or
// "C:/...", without the root itself, which is no file, and "//", which is how comments
// begin, and the places of what may be a unit or a Compose file. The paths and samples of a
// description must be among them, so it need not be parsed to know where its files cannot be.
// composed says that one of the texts is the format of Compose.
func literalPaths(raw []byte) (out []string, composed bool) {
	for {
		_, rest, found := bytes.Cut(raw, []byte{'"'})
		if !found {
			return out, composed
		}
		end := bytes.IndexByte(rest, '"')
		if end < 0 {
			end = len(rest)
		}
		if line := bytes.IndexByte(rest[:end], '\n'); line >= 0 {
			end = line
		}
		if end == len(rest) {
			return out, composed
		}
		switch text := rest[:end]; { // most are no path, and need no copy
		case len(text) > 1 && text[0] == '/' && text[1] != '/' || len(text) > 3 && text[1] == ':' && text[2] == '/':
			out = append(out, string(text))
		case bytes.HasSuffix(text, []byte("et")) || bytes.HasSuffix(text, []byte("ce")):
			if isUnit(string(text)) {
				out = append(out, unitPaths(string(text))...)
			}
		}
		if string(rest[:end]) == Compose {
			composed = true
			if !bytes.HasPrefix(bytes.TrimLeft(rest[end+1:], " \t\r\n"), []byte("images")) {
				out = append(out, ComposeFiles()...) // a container may be in one, see literalImages
			}
		}
		raw = rest[end+1:]
	}
}

// literalImages are the quoted texts in lists of images, which only what describes a container
// of a Compose file may have: see composed of literalPaths.
func literalImages(raw []byte) []string {
	var out []string
	for {
		_, rest, found := bytes.Cut(raw, []byte("images"))
		if !found {
			return out
		}
		raw = rest
		if rest, found = bytes.CutPrefix(bytes.TrimLeft(rest, " \t"), []byte("=")); !found {
			continue
		}
		list, _, _ := bytes.Cut(rest, []byte("]"))
		for i, text := range bytes.Split(list, []byte{'"'}) {
			if i%2 == 1 {
				out = append(out, string(text))
			}
		}
	}
}

// Find is the service with an id, nil when there is none.
func (c *Catalog) Find(id string) *Service {
	for _, e := range c.entries {
		if e.id == id {
			return e.parse()
		}
	}
	return nil
}

// Where are the services one of whose paths may satisfy there, or one of whose images runs,
// in order of ids. Texts of a description that only look like paths are tried too, so a
// service may be returned without reason, but none is left out.
//
// Most paths are in folders that are not there, so these are asked about first: missing is
// the folder on the way to a path that is not there, "" when all may be.
func (c *Catalog) Where(missing func(path string) string, there, runs func(pattern string) bool) []*Service {
	found := make([]bool, len(c.entries))
	gone := "" // what begins so is not there
	for _, f := range c.folders() {
		if gone != "" && strings.HasPrefix(f.dir, gone) {
			continue
		}
		if gone = missing(f.dir); gone != "" {
			gone += "/"
			continue
		}
		for _, p := range f.paths {
			found[p.entry] = found[p.entry] || there(p.pattern)
		}
	}
	var hits []*entry
	for i, e := range c.entries {
		if found[i] || slices.ContainsFunc(e.images, runs) {
			hits = append(hits, e)
		}
	}
	return described(hits)
}

// described are the services of descriptions, without those that have none.
func described(entries []*entry) []*Service {
	parseAll(entries)
	var out []*Service
	for _, e := range entries {
		if e.service != nil {
			out = append(out, e.service)
		}
	}
	return out
}

// All are all services in order of ids, and the findings about their descriptions.
func (c *Catalog) All() ([]*Service, diag.List) {
	var out []*Service
	var diags diag.List
	for _, e := range c.entries {
		e.strict = true
	}
	parseAll(c.entries)
	for _, e := range c.entries {
		if e.service != nil {
			out = append(out, e.service)
		}
		diags = append(diags, e.diags...)
		diags = append(diags, c.targets(e.service)...)
	}
	return out, diags
}

// targets are the mistakes in what the connections of a service are for.
func (c *Catalog) targets(s *Service) diag.List {
	if s == nil {
		return nil
	}
	var out diag.List
	for _, f := range s.Group.connections(nil) {
		for _, to := range f.To {
			id, listener, _ := strings.Cut(to, ".")
			d := diag.Diagnostic{Rule: Rule, Severity: diag.Error, Span: f.ToSpan, Help: "write to = [\"SERVICE.LISTENER\"]"}
			if other := c.Find(id); other == nil {
				d.Message = fmt.Sprintf("connection %s is to a service %q that is not described%s", f.Name, id, hclfile.Suggest(id, c.IDs()))
			} else if names := other.listeners(nil); !slices.Contains(names, listener) {
				d.Message = fmt.Sprintf("connection %s is to a listener %q that %s does not have%s", f.Name, listener, id, hclfile.Suggest(listener, names))
			} else {
				continue
			}
			out = append(out, d)
		}
	}
	return out
}

// connections appends the connections of a group and of those inside it.
func (g *Group) connections(to []Fact) []Fact {
	to = append(to, g.Connects...)
	for i := range g.Groups {
		to = g.Groups[i].connections(to)
	}
	return to
}

// Theirs are the services that the operator described, in order of ids.
func (c *Catalog) Theirs() []*Service {
	var theirs []*entry
	for _, e := range c.entries {
		if e.theirs {
			theirs = append(theirs, e)
		}
	}
	return described(theirs)
}

// IDs are the ids of all services, ascending.
func (c *Catalog) IDs() []string {
	ids := make([]string, len(c.entries))
	for i, e := range c.entries {
		ids[i] = e.id
	}
	return ids
}

// Names are the names of the listeners and of the outgoing connections of the services with
// the given ids, and no names for the others: what a policy is checked against.
func (c *Catalog) Names(ids ...string) (listens, connects map[string][]string) {
	listens, connects = map[string][]string{}, map[string][]string{}
	for _, e := range c.entries {
		listens[e.id], connects[e.id] = []string{}, []string{}
		if slices.Contains(ids, e.id) {
			if s := e.parse(); s != nil {
				listens[e.id] = s.listeners(listens[e.id])
				for _, f := range s.Group.connections(nil) {
					connects[e.id] = append(connects[e.id], f.Name)
				}
			}
		}
	}
	return listens, connects
}

// listeners appends the names of all listeners of a group.
func (g *Group) listeners(names []string) []string {
	for _, l := range g.Listens {
		names = append(names, l.Name)
	}
	for i := range g.Groups {
		names = g.Groups[i].listeners(names)
	}
	return names
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
