package catalog

import (
	"maps"
	"math/big"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"portolan/internal/conf"
	"portolan/internal/diag"
	"portolan/internal/hclfile"
	"portolan/internal/port"
	"portolan/internal/source"
)

// Rule is the name under which mistakes in descriptions are reported.
const Rule = "description"

// Functions are the functions that expressions may call, with what they take and give.
// Package inventory implements exactly these. Where a path may stand behind a node, the
// path begins there; otherwise it begins at the top of the main file. See conf.Path.
var Functions = map[string]string{
	"find":         "find(path) or find(node, path): the nodes a path selects, in order",
	"value":        "value(path) or value(node, path): the text of the last node a path selects, null when there is none; value(node) is that of the node",
	"values":       "values(path) or values(node, path): the texts of all nodes a path selects, in order",
	"latest":       "latest(path) or latest(node, path): the texts of all nodes a path selects, of each name only the last",
	"has":          "has(path) or has(node, path): whether a path selects a node",
	"file":         "file(role): the top of the file of another role, null when there is none",
	"name":         "name(node): the name of a node",
	"args":         "args(node): the words behind the name of a node",
	"setting":      "setting(section, key): the text of the last such setting, null when there is none",
	"settings":     "settings(section, key): the texts of all such settings, in order",
	"section":      "section(name): whether the file has the section",
	"port":         "port(text, default): a port number 0 to 65535; the default when the text is null or says \"default\"",
	"number":       "number(text, default): a number of at least 0, like port",
	"text":         "text(text, default): the text; the default when it is null or says \"default\"",
	"truthy":       "truthy(text, default): whether the text says yes, true, on or 1; the default when it is null or says neither",
	"items":        "items(text, separators): the parts of a list, without blanks; none when it is null or empty",
	"words":        "words(text, \"shell\" or \"systemd\"): the words of a command line",
	"command":      "command(node, ...): the words of the command lines of units and containers, none of null",
	"flag":         "flag(words, name, ...): the value of the last of these options of a command line, null without",
	"flags":        "flags(words, name, ...): the values of all of these options of a command line",
	"has_flag":     "has_flag(words, name, ...): whether a command line has one of these options",
	"hostport":     "hostport(text): an object with scheme, host and port, which are null when the text has none",
	"service_port": "service_port(name, protocol): the port of a service name in the host's /etc/services, null when it is not there",
	"range":        "range(text): an object with first and last of a-b, a:b or a,b, the same for a single number; null parts without",
	"match":        "match(regex, text): the parts in parentheses, none when the text does not match",
	"first":        "first(a, b, ...): the first that is not null",
	"last":         "last(a, b, ...): the last that is not null",
	"nonempty":     "nonempty(text): the text, null when it is empty",
	"wildcard":     "wildcard(text): the address; \"*\" when it is null, empty, 0.0.0.0 or ::, for programs that then listen on every address of both families",
	"numeric":      "numeric(text): the text when it begins with a number, null otherwise",
	"even_up":      "even_up(number): the number, or the next one when it is odd",
	"even_down":    "even_down(number): the number, or the one before when it is odd",
	"length":       "length(list): how many items a list has",
	"concat":       "concat(list, ...): lists as one list",
	"distinct":     "distinct(list): a list without repetitions",
	"flatten":      "flatten(list): a list of lists as one list",
	"contains":     "contains(list, value): whether a list has a value",
	"lower":        "lower(text): the text in lower case",
	"starts_with":  "starts_with(text, prefix): whether a text begins so",
	"trim_prefix":  "trim_prefix(text, prefix): the text without it",
	"trim_suffix":  "trim_suffix(text, suffix): the text without it",
	"max":          "max(a, b, ...): the greatest number",
	"min":          "min(a, b, ...): the least number",
	"ceil":         "ceil(number): the number, rounded up",
	"floor":        "floor(number): the number, rounded down",
}

// parse reads the service of one file, which is named like it.
func parse(f *source.File, id string, strict bool) (*Service, diag.List) {
	paths, _ := literalPaths(f.Text)
	p := &parser{Reader: hclfile.Reader{File: f, Rule: Rule}, paths: paths, strict: strict}
	body := p.Parse()
	p.Check(body, hclfile.Shape{Blocks: []string{"service"}}, "a description", body.SrcRange)
	var service *Service
	for _, b := range body.Blocks {
		if b.Type != "service" {
			continue
		}
		switch s := p.service(b); {
		case s == nil:
		case service != nil || s.ID != id:
			p.Error(b.LabelRanges[0], "describe it in a file of its own, "+s.ID+".hcl", "service %s stands in the file of %s", s.ID, id)
		default:
			service = s
		}
	}
	if service == nil && len(p.Diags) == 0 {
		p.Error(body.SrcRange, "write service \""+id+"\" { … }", "the file describes no service")
	}
	return service, p.Diags
}

type parser struct {
	hclfile.Reader
	paths []string    // see literalPaths
	roles []roleAsked // that expressions ask for
	// listens are the names of the listeners so far: a policy and a test know them by these.
	listens []string
	strict  bool // see entry
}

// roleAsked is the role in a call of the function file.
type roleAsked struct {
	role string
	at   hcl.Range
}

func (p *parser) service(b *hclsyntax.Block) *Service {
	id, ok := p.Label(b)
	if !ok {
		return nil
	}
	if strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		p.Error(b.LabelRanges[0], "use letters, digits, \"-\" and \"_\"", "the service id %q has other characters", id)
		return nil
	}
	p.Check(b.Body, hclfile.Shape{
		Attrs:    []string{"title", "platforms", "cites", "version", "carrier", "runs"},
		Required: []string{"title", "platforms"},
		Blocks:   []string{"file", "option", "default", "locals", "each", "listen", "connect", "lint", "test"},
	}, "a service", b.DefRange())
	s := &Service{
		ID: id, Title: p.String(b.Body, "title"), Platforms: p.Strings(b.Body, "platforms"), Cites: p.Strings(b.Body, "cites"), Carrier: p.Bool(b.Body, "carrier"),
		Source: p.File, Span: p.Span(b.LabelRanges[0]),
	}
	for _, unit := range p.Strings(b.Body, "runs") {
		if strings.ContainsAny(unit, "/ *?[@") || !strings.HasSuffix(unit, ".service") {
			p.Error(b.Body.Attributes["runs"].Expr.Range(), "write whole names like \"acme.service\"", "%q is not the name of a unit", unit)
			continue
		}
		s.Runs = append(s.Runs, unit)
	}
	scope := newScope(s)
	if a := b.Body.Attributes["version"]; a != nil {
		s.Version = p.expression(a.Expr, scope)
	}
	for _, inner := range b.Body.Blocks {
		switch inner.Type {
		case "file":
			p.file(s, inner)
		case "option":
			p.option(s, inner)
			scope = newScope(s)
		case "default":
			p.defaultBlock(s, inner)
			scope = newScope(s)
		}
	}
	s.Group = p.group(b.Body, scope)
	for _, inner := range b.Body.Blocks {
		switch inner.Type {
		case "lint":
			p.lint(s, inner, scope)
		case "test":
			p.test(s, inner)
		}
	}
	for _, asked := range p.roles {
		if roles := s.roles(); len(roles) > 0 && !slices.Contains(roles, asked.role) {
			p.Error(asked.at, "add file \""+asked.role+"\" { format = … paths = … }", "the service has no file %q%s", asked.role, hclfile.Suggest(asked.role, roles))
		}
	}
	if len(s.Files) == 0 {
		p.Error(b.DefRange(), "add file \"conf\" { format = … paths = … }", "service %s names no file", id)
	}
	return s
}

// roles are the roles of the files of a service.
func (s *Service) roles() []string {
	out := make([]string, len(s.Files))
	for i, f := range s.Files {
		out[i] = f.Role
	}
	return out
}

// group reads the locals, the facts and the groups of a body. Locals come first: facts
// may use all of them.
func (p *parser) group(body *hclsyntax.Body, sc scope) Group {
	var g Group
	sc.locals = slices.Clone(sc.locals)
	for _, inner := range body.Blocks {
		if inner.Type == "locals" {
			for _, a := range hclfile.Attributes(inner.Body) {
				value := p.expression(a.Expr, sc)
				if slices.Contains(sc.locals, a.Name) {
					p.Error(a.NameRange, "give it another name", "there is a local value %q already, here or around this block", a.Name)
				}
				g.Locals = append(g.Locals, Local{a.Name, value})
				sc.locals = append(sc.locals, a.Name)
			}
		}
	}
	for _, inner := range body.Blocks {
		switch inner.Type {
		case "listen":
			g.Listens = p.fact(g.Listens, inner, sc, true)
			if name := inner.Labels; len(name) == 1 && slices.Contains(p.listens, name[0]) {
				p.Error(inner.LabelRanges[0], "give it another name, or repeat one block with for_each", "there is a listener %q already", name[0])
			} else {
				p.listens = append(p.listens, name...)
			}
		case "connect":
			g.Connects = p.fact(g.Connects, inner, sc, false)
		case "each":
			g.Groups = p.each(g.Groups, inner, sc)
		}
	}
	return g
}

func (p *parser) each(list []Group, b *hclsyntax.Block, sc scope) []Group {
	name, ok := p.Label(b)
	if !ok {
		return list
	}
	p.Check(b.Body, hclfile.Shape{Attrs: []string{"for_each", "when"}, Required: []string{"for_each"}, Blocks: []string{"locals", "each", "listen", "connect"}}, "a repetition", b.DefRange())
	over := b.Body.Attributes["for_each"]
	if over == nil {
		return list
	}
	items := p.expression(over.Expr, sc)
	sc.each = true
	var when hcl.Expression
	if a := b.Body.Attributes["when"]; a != nil {
		when = p.expression(a.Expr, sc)
	}
	g := p.group(b.Body, sc)
	g.Name, g.ForEach, g.When = name, items, when
	return append(list, g)
}

func (p *parser) lint(s *Service, b *hclsyntax.Block, sc scope) {
	name, ok := p.Label(b)
	if !ok {
		return
	}
	p.Check(b.Body, hclfile.Shape{Attrs: []string{"for_each", "when", "severity", "message", "help"}, Required: []string{"when", "severity", "message", "help"}}, "a lint", b.DefRange())
	when, message := b.Body.Attributes["when"], b.Body.Attributes["message"]
	if when == nil || message == nil {
		return
	}
	for _, l := range s.Locals {
		sc.locals = append(sc.locals, l.Name)
	}
	l := Lint{Name: name, Severity: p.String(b.Body, "severity"), Help: p.String(b.Body, "help")}
	if over := b.Body.Attributes["for_each"]; over != nil {
		l.ForEach, sc.each = p.expression(over.Expr, sc), true
	}
	l.When, l.Message = p.expression(when.Expr, sc), p.expression(message.Expr, sc)
	if _, err := diag.ParseSeverity(l.Severity); err != nil {
		p.Error(b.DefRange(), "", "%s", err)
		return
	}
	s.Lints = append(s.Lints, l)
}

func (p *parser) file(s *Service, b *hclsyntax.Block) {
	role, ok := p.Label(b)
	if !ok {
		return
	}
	p.Check(b.Body, hclfile.Shape{
		Attrs: []string{"format", "paths", "samples", "units", "images", "bodies", "options", "layers", "contains", "accept", "yields", "default_words", "common_name"}, Required: []string{"format"},
		Blocks: []string{"dialect"},
	}, "a file", b.DefRange())
	spec := FileSpec{Role: role, Format: p.String(b.Body, "format"), DefaultWords: p.Strings(b.Body, "default_words"), CommonName: p.Bool(b.Body, "common_name"), Contains: p.Strings(b.Body, "contains"), Paths: map[string][]string{}}
	p.format(&spec, b)
	if a := b.Body.Attributes["accept"]; a != nil {
		spec.Accept = p.expression(a.Expr, scope{})
	}
	if a := b.Body.Attributes["yields"]; a != nil {
		spec.Yields = p.expression(a.Expr, scope{})
	}
	spec.Samples = p.Strings(b.Body, "samples")
	for _, name := range spec.Samples {
		if _, err := path.Match(name, ""); err != nil || !slices.Contains(p.paths, name) || strings.Count(name, "/") != 1 || spec.Accept == nil {
			p.Error(b.Body.Attributes["samples"].Expr.Range(), "write names behind a slash, \"/EXAMPLE.conf\", and accept = …, which tells the file from others of that name", "the samples of a file are not names, or nothing tells the file from others")
		}
	}
	if v := p.Literal(b.Body, "paths"); v != cty.NilVal {
		at := b.Body.Attributes["paths"].Expr.Range()
		if !v.Type().IsObjectType() {
			p.Error(at, "write it as { linux = [\"/etc/…\"] }", "paths is not an object")
			return
		}
		for os, list := range v.AsValueMap() {
			if os != "linux" && os != "windows" {
				p.Error(at, "", "paths knows linux and windows, not %q", os)
				continue
			}
			patterns, ok := texts(list)
			for _, pattern := range patterns {
				_, err := path.Match(pattern, "")
				ok = ok && err == nil && slices.Contains(p.paths, pattern) && (os == "windows" && len(pattern) > 3 && pattern[1:3] == ":/" || os == "linux" && path.IsAbs(pattern))
			}
			if !ok || len(patterns) == 0 {
				p.Error(at, "write absolute patterns with forward slashes, those of windows with a drive: C:/…", "the paths of %s are not a list of absolute patterns", os)
				continue
			}
			spec.Paths[os] = patterns
		}
	}
	for _, unit := range p.Strings(b.Body, "units") {
		if _, err := path.Match(unit, ""); err != nil || !isUnit(unit) || spec.Format != "systemd" {
			p.Error(b.Body.Attributes["units"].Expr.Range(), "write names like \"acme*.service\", in a file with format = \"systemd\"", "%q is not the name of a unit", unit)
			continue
		}
		spec.Paths["linux"] = append(spec.Paths["linux"], unitPaths(unit)...)
		spec.Units = append(spec.Units, unit)
	}
	for _, image := range p.Strings(b.Body, "images") {
		if _, err := path.Match(image, ""); err != nil || image == "" || strings.ContainsAny(image, ":@ ") || spec.Format != Compose {
			p.Error(b.Body.Attributes["images"].Expr.Range(), "write names without a tag, like \"acme*\", in a file with format = \"compose\"", "%q is not the name of an image", image)
			continue
		}
		spec.Images = append(spec.Images, image)
	}
	spec.Bodies = p.stringMap(b.Body, "bodies")
	for kind := range spec.Bodies {
		if spec.Images == nil || !slices.ContainsFunc(s.Files, func(f FileSpec) bool { return f.Role == kind }) {
			p.Error(b.Body.Attributes["bodies"].Expr.Range(), "write { ROLE = \"VARIABLE\" } with the role of a file above, in a file with images", "the bodies of %s have no file %q above", role, kind)
		}
	}
	if a := b.Body.Attributes["options"]; a != nil {
		spec.Options = p.stringMap(b.Body, "options")
		if spec.Images == nil && spec.Units == nil || len(s.Files) == 0 {
			p.Error(a.Expr.Range(), "write it behind the main file, in a file with units or images", "%s has no command line whose options could be settings of another file", role)
		}
	}
	if spec.Format == Compose && len(spec.Paths) == 0 {
		spec.Paths["linux"] = ComposeFiles()
	}
	for _, layer := range p.Strings(b.Body, "layers") {
		if _, err := path.Match(layer, ""); err != nil || layer == "" {
			p.Error(b.Body.Attributes["layers"].Expr.Range(), "write patterns like \"conf.d/*.yml\"", "%q is not a pattern of files", layer)
			continue
		}
		spec.Layers = append(spec.Layers, layer)
	}
	if b.Body.Attributes["paths"] == nil && len(spec.Paths) == 0 {
		p.Error(b.DefRange(), "add paths = { linux = [\"/etc/…\"] }, or units = [\"…\"]", "the file %s says no paths", role)
	}
	s.Files = append(s.Files, spec)
}

func (p *parser) option(s *Service, b *hclsyntax.Block) {
	name, ok := p.Label(b)
	if !ok {
		return
	}
	p.Check(b.Body, hclfile.Shape{Attrs: []string{"title", "default"}, Required: []string{"title", "default"}, Blocks: []string{"choice"}}, "an option", b.DefRange())
	o := Option{Name: name, Title: p.String(b.Body, "title"), Default: p.String(b.Body, "default"), Value: map[string]Scalar{}, Notes: map[string]OptionDoc{}}
	if a := b.Body.Attributes["default"]; a != nil {
		o.DefaultSpan = p.Span(a.Expr.Range())
	}
	for _, c := range b.Body.Blocks {
		choice, ok := p.Label(c)
		if !ok || c.Type != "choice" {
			continue
		}
		p.Check(c.Body, hclfile.Shape{Attrs: []string{"value", "note", "cites"}, Required: []string{"value"}}, "a choice", c.DefRange())
		value, _ := p.scalar(c.Body, "value")
		o.Value[choice] = value
		o.Notes[choice] = OptionDoc{p.String(c.Body, "note"), p.Strings(c.Body, "cites")}
	}
	o.Values = slices.Sorted(maps.Keys(o.Value))
	if _, ok := o.Value[o.Default]; !ok {
		p.Error(b.DefRange(), "", "the default of option %s is not one of its choices%s", name, hclfile.Suggest(o.Default, o.Values))
	}
	s.Options = append(s.Options, o)
}

func (p *parser) defaultBlock(s *Service, b *hclsyntax.Block) {
	name, ok := p.Label(b)
	if !ok {
		return
	}
	p.Check(b.Body, hclfile.Shape{Attrs: []string{"setting"}, Blocks: []string{"case"}}, "a default", b.DefRange())
	d := Default{Name: name, Setting: p.String(b.Body, "setting"), Span: p.Span(b.LabelRanges[0])}
	for _, c := range b.Body.Blocks {
		if c.Type != "case" {
			continue
		}
		p.Check(c.Body, hclfile.Shape{Attrs: []string{"since", "before", "os", "value", "note", "cites"}, Required: []string{"value", "cites"}}, "a case", c.DefRange())
		value, at := p.scalar(c.Body, "value")
		d.Cases = append(d.Cases, Case{
			Since: p.String(c.Body, "since"), Before: p.String(c.Body, "before"), OS: p.String(c.Body, "os"), Value: value,
			Note: p.String(c.Body, "note"), Cites: p.Strings(c.Body, "cites"), Span: at,
		})
		for _, name := range []string{"since", "before"} {
			if text := p.String(c.Body, name); text != "" && (text[0] < '0' || text[0] > '9') {
				p.Error(c.Body.Attributes[name].Expr.Range(), "write numbers with dots, such as \"2.0\"", "%s is no version: %q", name, text)
			}
		}
		if os := p.String(c.Body, "os"); os != "" && os != "linux" && os != "windows" {
			p.Error(c.Body.Attributes["os"].Expr.Range(), "", "os knows linux and windows, not %q", os)
		}
	}
	if len(d.Cases) == 0 {
		p.Error(b.DefRange(), "add case { value = … cites = […] }", "the default %s has no case", name)
	}
	s.Defaults = append(s.Defaults, d)
}

func (p *parser) fact(list []Fact, b *hclsyntax.Block, scope scope, listen bool) []Fact {
	name, ok := p.Label(b)
	if !ok {
		return list
	}
	shape := hclfile.Shape{
		Attrs:    []string{"purpose", "when", "for_each", "protocol", "port", "peer", "source", "to"},
		Required: []string{"purpose", "protocol", "port", "peer"},
	}
	where := "a connection"
	if listen {
		shape.Attrs = []string{"purpose", "when", "for_each", "protocol", "port", "first", "count", "last", "nominal", "except", "bind", "exposure", "pairs", "assigned", "share", "zero", "v6only", "advertise", "needs", "unguarded", "trusted_only"}
		shape.Required = []string{"purpose", "protocol", "exposure"}
		where = "a listener"
	}
	p.Check(b.Body, shape, where, b.DefRange())
	outside := scope.each
	scope.each = outside || b.Body.Attributes["for_each"] != nil
	expr := func(name string) hcl.Expression {
		a := b.Body.Attributes[name]
		if a == nil {
			return nil
		}
		inner := scope
		inner.each = outside || scope.each && name != "for_each"
		return p.expression(a.Expr, inner)
	}
	f := Fact{
		Name: name, Purpose: expr("purpose"), When: expr("when"), ForEach: expr("for_each"), Protocol: expr("protocol"),
		Port: expr("port"), First: expr("first"), Count: expr("count"), Last: expr("last"), Nominal: expr("nominal"), Except: expr("except"), Bind: expr("bind"), Peer: expr("peer"), Source: expr("source"),
		Advertise: expr("advertise"), Needs: expr("needs"), Unguarded: expr("unguarded"),
		Span: p.Span(b.LabelRanges[0]),
	}
	if a := b.Body.Attributes["to"]; a != nil {
		f.To, f.ToSpan = p.Strings(b.Body, "to"), p.Span(a.Expr.Range())
	}
	if listen {
		f.Exposure, f.Pairs, f.Assigned = p.String(b.Body, "exposure"), p.Bool(b.Body, "pairs"), p.Strings(b.Body, "assigned")
		f.Share, f.Zero, f.V6Only = p.String(b.Body, "share"), p.String(b.Body, "zero"), p.Bool(b.Body, "v6only")
		f.TrustedOnly = p.String(b.Body, "trusted_only")
		if a := b.Body.Attributes["trusted_only"]; a != nil && !strings.HasPrefix(f.TrustedOnly, "https://") {
			p.Error(a.Expr.Range(), "name the page on which its maintainers say so, as in \"https://…\"", "trusted_only is no address of a page")
		}
		if f.Zero == "" {
			f.Zero = "off"
		}
		if !slices.Contains(Zeros[:], f.Zero) {
			p.Error(b.Body.Attributes["zero"].Expr.Range(), "use one of "+strings.Join(Zeros[:], ", "), "zero cannot mean %q", f.Zero)
		}
		if a := b.Body.Attributes["exposure"]; a != nil && !slices.Contains(Exposures[:], f.Exposure) {
			p.Error(a.Expr.Range(), "use one of "+strings.Join(Exposures[:], ", "), "the exposure %q is not known%s", f.Exposure, hclfile.Suggest(f.Exposure, Exposures[:]))
		}
		for _, a := range f.Assigned {
			if _, err := port.Parse(a); err != nil {
				p.Error(b.Body.Attributes["assigned"].Expr.Range(), "", "assigned: %s", err)
			}
		}
		if (f.Port != nil) == (f.First != nil) || (f.First != nil) != (f.Count != nil || f.Last != nil) || f.Count != nil && f.Last != nil {
			p.Error(b.DefRange(), "say port, or first and count, or first and last", "listener %s does not say its ports in one of the three ways", name)
			return list
		}
	}
	for _, required := range shape.Required {
		if b.Body.Attributes[required] == nil {
			return list // reported by Check
		}
	}
	return append(list, f)
}

func (p *parser) test(s *Service, b *hclsyntax.Block) {
	name, ok := p.Label(b)
	if !ok {
		return
	}
	p.Check(b.Body, hclfile.Shape{Attrs: []string{"input", "role", "files", "set", "expect"}, Required: []string{"expect"}}, "a test", b.DefRange())
	t := Test{Name: name, Files: p.stringMap(b.Body, "files"), Expect: p.Strings(b.Body, "expect"), Set: p.stringMap(b.Body, "set"), Span: p.Span(b.LabelRanges[0])}
	if b.Body.Attributes["input"] != nil {
		role := p.String(b.Body, "role")
		if role == "" && len(s.Files) > 0 {
			role = s.Files[0].Role
		}
		t.Files[role] = p.String(b.Body, "input")
	}
	if len(t.Files) == 0 {
		p.Error(b.DefRange(), "add input = the text of the main file, or files = { ROLE = text }", "the test %q has no file", name)
	}
	for role := range t.Files {
		if roles := s.roles(); len(roles) > 0 && !slices.Contains(roles, role) {
			p.Error(b.DefRange(), "", "the test %q has a file %q, and the service has none of that name", name, role)
		}
	}
	s.Tests = append(s.Tests, t)
}

// stringMap is an attribute that is an object of texts, empty without it.
func (p *parser) stringMap(body *hclsyntax.Body, name string) map[string]string {
	out := map[string]string{}
	v := p.Literal(body, name)
	if v == cty.NilVal {
		return out
	}
	if !v.Type().IsObjectType() {
		p.Error(body.Attributes[name].Expr.Range(), "write it as { name = \"text\" }", "%s is not an object", name)
		return out
	}
	for k, e := range v.AsValueMap() {
		if e.IsNull() || e.Type() != cty.String {
			p.Error(body.Attributes[name].Expr.Range(), "", "%s of %s is not a text", k, name)
			continue
		}
		out[k] = e.AsString()
	}
	return out
}

// scalar is the value of a literal number or text.
func (p *parser) scalar(body *hclsyntax.Body, name string) (Scalar, source.Span) {
	v := p.Literal(body, name)
	if v == cty.NilVal {
		return Scalar{}, source.Span{}
	}
	at := body.Attributes[name].Expr.Range()
	switch v.Type() {
	case cty.String:
		return Scalar{Text: v.AsString()}, p.Span(at)
	case cty.Number:
		if n, accuracy := v.AsBigFloat().Int64(); accuracy == big.Exact && n >= 0 && n <= 1<<31 {
			return Scalar{IsNumber: true, Number: int(n)}, p.Span(at)
		}
	}
	p.Error(at, "", "%s is neither a text nor a whole number", name)
	return Scalar{}, p.Span(at)
}

func texts(v cty.Value) ([]string, bool) {
	if !v.Type().IsTupleType() && !v.Type().IsListType() {
		return nil, false
	}
	var out []string
	for _, e := range v.AsValueSlice() {
		if e.IsNull() || e.Type() != cty.String {
			return nil, false
		}
		out = append(out, e.AsString())
	}
	return out, true
}

// scope is the names an expression may use.
type scope struct {
	locals, defaults, options []string
	each                      bool
}

func newScope(s *Service) scope {
	var sc scope
	for _, d := range s.Defaults {
		sc.defaults = append(sc.defaults, d.Name)
	}
	for _, o := range s.Options {
		sc.options = append(sc.options, o.Name)
	}
	return sc
}

// expression checks that every name an expression uses is there to be used, and is the
// expression as it is evaluated: it pays from the budget of whoever does.
func (p *parser) expression(e hclsyntax.Expression, sc scope) hclsyntax.Expression {
	e = constant(e)
	for _, t := range e.Variables() {
		known, what := []string(nil), ""
		switch t.RootName() {
		case "local":
			known, what = sc.locals, "local value"
		case "default":
			known, what = sc.defaults, "default"
		case "option":
			known, what = sc.options, "option"
		case "each":
			if !sc.each {
				p.Error(t.SourceRange(), "add for_each to the block", "each is known only in a block with for_each")
				continue
			}
			known, what = []string{"value", "index"}, "part of each"
		default:
			p.Error(t.SourceRange(), "", "%q is not known here%s", t.RootName(), hclfile.Suggest(t.RootName(), kinds[:]))
			continue
		}
		name := ""
		if len(t) > 1 {
			if a, ok := t[1].(hcl.TraverseAttr); ok {
				name = a.Name
			}
		}
		if !slices.Contains(known, name) {
			p.Error(t.SourceRange(), "", "there is no %s %q before this place%s", what, name, hclfile.Suggest(name, known))
		}
	}
	// Walk never returns diagnostics of its own here: the visitor reports. Nodes are looked at
	// before they are made to pay.
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, ok := n.(*hclsyntax.FunctionCallExpr); ok && Functions[call.Name] == "" {
			p.Error(call.NameRange, "", "there is no function %q%s", call.Name, hclfile.Suggest(call.Name, slices.Sorted(maps.Keys(Functions))))
		} else if ok {
			p.call(call)
		}
		if loop, ok := n.(*hclsyntax.ForExpr); ok {
			for _, name := range []string{loop.KeyVar, loop.ValVar} {
				if slices.Contains(kinds[:], name) {
					p.Error(loop.OpenRange, "give it another name", "%q stands for something else in a description", name)
				}
			}
		}
		if t, ok := n.(*hclsyntax.ScopeTraversalExpr); ok {
			oneName(t)
		}
		constants(n)
		meter(n)
		return nil
	})
	return e
}

// call checks those arguments of a call that are written out.
func (p *parser) call(call *hclsyntax.FunctionCallExpr) {
	written := func(i int) (string, bool) {
		if i < 0 || i >= len(call.Args) {
			return "", false
		}
		return literal(call.Args[i])
	}
	switch last := len(call.Args) - 1; call.Name {
	case "find", "value", "values", "latest", "has", "section":
		if text, ok := written(last); ok && p.strict {
			if _, err := conf.ParsePath(text); err != nil {
				p.Error(call.Args[last].Range(), "", "%s", err)
			}
		}
	case "match":
		if text, ok := written(0); ok && p.strict {
			if _, err := regexp.Compile(text); err != nil {
				p.Error(call.Args[0].Range(), "write it as RE2 has it, and a backslash as \\\\", "%s", err)
			}
		}
	case "file":
		if role, ok := written(0); ok {
			p.roles = append(p.roles, roleAsked{role, call.Args[0].Range()})
		}
	}
}
