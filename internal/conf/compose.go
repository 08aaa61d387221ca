package conf

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// parseCompose reads Compose files
// (https://github.com/compose-spec/compose-spec/blob/main/spec.md). They are YAML, see
// parseYAML, and what can be written in several ways is brought into one:
//
//   - Variables get their values from ".env" in the folder of the file, or their defaults
//     (https://docs.docker.com/reference/compose-file/interpolation/). One that has neither
//     stays "${NAME}", which is a placeholder.
//   - "ports" are in the long form: target, published, host_ip, protocol. Without a port of
//     the host published is "0": the engine chooses one.
//   - "environment" is a mapping, behind what "env_file" says.
//   - "entrypoint" and "command" are lists of words, and "argv" is one behind the other;
//     what a shell is given with -c is cut into its words.
//   - "volumes" are in the long form, and the source is an absolute path of the host.
//   - "network_mode: service:NAME" is the mode of that service, and "profiles" that .env
//     switches on are left out; others have their name.
//
// "extends", "include", several documents, the override file beside a file with a default
// name and the files of COMPOSE_FILE in .env are merged as Compose does
// (https://docs.docker.com/reference/compose-file/merge/).
func parseCompose(r *reader) *Node {
	c := &compose{r: r, budget: envExpansion}
	c.files.r = r
	c.env = c.dotenv(r.file)
	root := c.load(r.file, 0)
	for _, name := range c.overlays() {
		at := r.file.Span(0, 0)
		c.files.files(Include{}, r.file, Arg{name, at}, 0, func(f *source.File) {
			c.merge(root, c.load(f, 1))
		})
	}
	if services := child(root, "services"); services != nil {
		for _, s := range services.Children {
			c.finish(s, services)
		}
	}
	return root
}

// compose is the state of reading one project.
type compose struct {
	r      *reader
	files  includer
	env    map[string]string // what .env says
	budget int               // bytes that variables may still add
}

// composeDefaults are the names of the files that Compose looks for, and overrides are
// those of the file that it reads after them.
var (
	composeDefaults  = [...]string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}
	composeOverrides = [...]string{"compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"}
)

// overlays are the files that are merged into the one that is read, in order.
func (c *compose) overlays() []string {
	if c.r.tree == nil {
		return nil
	}
	dir, base := path.Split(c.r.file.Path)
	if list := c.env["COMPOSE_FILE"]; list != "" && !IsPlaceholder(list) {
		separator := c.env["COMPOSE_PATH_SEPARATOR"]
		if separator == "" {
			separator = ":"
		}
		names := strings.Split(list, separator)
		if path.Clean(names[0]) == base {
			return names[1:]
		}
		return nil // the file is another project, or a part of this one
	}
	if slices.Contains(composeDefaults[:], base) {
		for _, name := range composeOverrides {
			if _, err := c.r.tree.Stat("/" + dir + name); err == nil {
				return []string{name}
			}
		}
	}
	return nil
}

// in reads a file with the parser of another format.
func (c *compose) in(f *source.File, parse func(*reader) *Node) *Node {
	outer := c.r.file
	c.r.file = f
	defer func() { c.r.file = outer }()
	return parse(c.r)
}

// dotenv are the variables of the .env file beside f.
func (c *compose) dotenv(f *source.File) map[string]string {
	vars := map[string]string{}
	if c.r.tree == nil {
		return vars
	}
	name := path.Join("/", path.Dir(f.Path), ".env")
	if _, err := c.r.tree.Stat(name); err != nil {
		return vars
	}
	c.files.files(Include{}, f, Arg{name, f.Span(0, 0)}, 0, func(env *source.File) {
		for _, n := range c.in(env, parseEnv).Children {
			vars[n.Name] = n.Value
		}
	})
	return vars
}

// load reads one file of the project, with what it includes and extends.
func (c *compose) load(f *source.File, depth int) *Node {
	top := c.in(f, parseYAML)
	documents := []*Node{top}
	if len(top.Children) > 0 && top.Children[0].Name == "" {
		documents = top.Children
	}
	root := &Node{Kind: Section}
	for _, d := range documents {
		if services := child(d, "services"); services != nil {
			for _, s := range services.Children {
				c.service(s)
			}
			done := map[*Node]bool{}
			for _, s := range services.Children {
				c.extend(f, services, s, depth, done)
			}
		}
		c.merge(root, d)
	}
	if include := child(root, "include"); include != nil {
		c.included(f, root, include, depth)
	}
	return root
}

// included puts the services of other projects beside those of root.
func (c *compose) included(f *source.File, root, include *Node, depth int) {
	for _, item := range include.Children {
		paths := []*Node{item}
		if item.Kind == Section {
			if paths = nil; child(item, "path") != nil {
				paths = listed(child(item, "path"))
			}
			if named := child(item, "env_file"); named != nil { // instead of .env
				c.r.structuredMissing(named.NameSpan)
			}
		}
		for _, p := range paths {
			name := c.text(p)
			if IsPlaceholder(name) {
				c.r.structuredMissing(p.ValueSpan)
				continue
			}
			c.files.files(Include{}, f, Arg{name, p.ValueSpan}, depth, func(other *source.File) {
				outer := c.env
				c.env = c.dotenv(other)
				maps.Copy(c.env, outer)
				c.merge(root, c.load(other, depth+1))
				c.env = outer
			})
		}
	}
}

// service brings what a service says into one form.
func (c *compose) service(s *Node) {
	for i, n := range s.Children {
		switch n.Name {
		case "ports":
			for k, p := range n.Children {
				n.Children[k] = c.port(p)
			}
		case "environment":
			for k, v := range n.Children {
				n.Children[k] = c.variable(v)
			}
		case "env_file":
			s.Children[i] = c.list(n)
		case "entrypoint", "command":
			s.Children[i] = c.words(n)
		case "volumes":
			for k, v := range n.Children {
				n.Children[k] = c.volume(v)
			}
		default:
			c.interpolateAll(n)
		}
	}
}

// listed are the items of a list, or the one that stands in its place.
func listed(n *Node) []*Node {
	if n.Kind == Section {
		return n.Children
	}
	return []*Node{n}
}

// list is a node as a list, with its variables replaced.
func (c *compose) list(n *Node) *Node {
	out := &Node{Kind: Section, Name: n.Name, NameSpan: n.NameSpan, ValueSpan: n.ValueSpan, Children: n.Children}
	if n.Kind == Setting || child(n, "path") != nil {
		item := *n
		item.Name = ""
		out.Children = []*Node{&item}
	}
	c.interpolateAll(out)
	return out
}

// text is the value of a setting with its variables replaced.
func (c *compose) text(n *Node) string { return c.interpolate(n.Value, 0) }

func (c *compose) interpolateAll(n *Node) {
	if n.Kind == Setting {
		n.Value = c.text(n)
	}
	for _, k := range n.Children {
		c.interpolateAll(k)
	}
}

// composeNesting bounds defaults within defaults.
const composeNesting = 20

// interpolate replaces the variables of a text.
func (c *compose) interpolate(text string, depth int) string {
	if !strings.Contains(text, "$") {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); {
		if text[i] != '$' || i+1 == len(text) {
			out.WriteByte(text[i])
			i++
			continue
		}
		next := text[i+1]
		switch {
		case next == '$':
			out.WriteByte('$')
			i += 2
		case next == '{':
			end := composeBrace(text[i:])
			if end < 0 {
				out.WriteString(text[i:])
				return out.String()
			}
			out.WriteString(c.expand(text[i+2:i+end], depth))
			i += end + 1
		case composeName(text[i+1:]) > 0:
			n := composeName(text[i+1:])
			out.WriteString(c.expand(text[i+1:i+1+n], depth))
			i += 1 + n
		default: // Compose refuses the file
			out.WriteByte('$')
			i++
		}
	}
	return out.String()
}

// composeBrace is the place of the "}" that closes the "${" at the start of text, -1
// without one.
func composeBrace(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "${"):
			depth++
			i++
		case text[i] == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// composeName is the length of the name that text begins with.
func composeName(text string) int {
	n := 0
	for n < len(text) && (text[n] == '_' || letter(text[n]) || n > 0 && '0' <= text[n] && text[n] <= '9') {
		n++
	}
	return n
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// expand is the value of what stands between the braces of a variable: NAME, NAME:-default,
// NAME-default, NAME:?words, NAME:+other. What is not known is "${NAME}".
func (c *compose) expand(inside string, depth int) string {
	n := composeName(inside)
	name, rest := inside[:n], inside[n:]
	value, set := c.env[name]
	unknown := "${" + name + "}"
	if n == 0 {
		return "${" + inside + "}"
	}
	empty := strings.HasPrefix(rest, ":") // an empty value counts as none
	rest = strings.TrimPrefix(rest, ":")
	there := set && (value != "" || !empty)
	switch {
	case rest == "" && !empty, strings.HasPrefix(rest, "?"):
		if !there {
			return unknown
		}
	case strings.HasPrefix(rest, "-"):
		if !there {
			if depth > composeNesting {
				return unknown
			}
			return c.interpolate(rest[1:], depth+1)
		}
	case strings.HasPrefix(rest, "+"):
		if !there || depth > composeNesting {
			return unknown
		}
		return c.interpolate(rest[1:], depth+1)
	default:
		return "${" + inside + "}"
	}
	if c.budget -= len(value); c.budget < 0 {
		return unknown
	}
	return value
}

// composeSplit cuts text at each sep outside variables.
func composeSplit(text string, sep byte) []string {
	var out []string
	start := 0
	for i := 0; i < len(text); i++ {
		if strings.HasPrefix(text[i:], "${") {
			if end := composeBrace(text[i:]); end > 0 {
				i += end
				continue
			}
		}
		if text[i] == sep {
			out = append(out, text[start:i])
			start = i + 1
		}
	}
	return append(out, text[start:])
}

// part is the place of what stands at an offset of a setting's text, or of all of it where
// the text is not written as it is.
func part(n *Node, offset, length int) source.Span {
	if at := n.ValueSpan; at.File != nil && at.Text() == n.Value {
		return at.File.Span(at.Start+offset, at.Start+offset+length)
	}
	return n.ValueSpan
}

// port is an item of "ports" in the long form. The short one is
// [[ip:]host[-last]:]container[-last][/protocol]; an IPv6 address may have brackets.
func (c *compose) port(n *Node) *Node {
	long := &Node{Kind: Section, NameSpan: n.NameSpan, ValueSpan: n.ValueSpan}
	add := func(name, value string, at source.Span) {
		long.Children = append(long.Children, &Node{Kind: Setting, Name: name, Value: value, NameSpan: at, ValueSpan: at})
	}
	if n.Kind == Section {
		c.interpolateAll(n)
		long.Children = n.Children
		if published := child(n, "published"); published == nil || published.Value == "" {
			at := n.ValueSpan
			if target := child(n, "target"); target != nil {
				at = target.ValueSpan
			}
			add("published", "0", at)
		}
		return long
	}
	written := composeSplit(n.Value, ':')
	parts := composeSplit(c.text(n), ':')
	place := func(i int) source.Span { // of the part i
		if len(parts) != len(written) { // a variable has several of them
			return n.ValueSpan
		}
		offset := 0
		for _, w := range written[:i] {
			offset += len(w) + 1
		}
		return part(n, offset, len(written[i]))
	}
	last := len(parts) - 1
	target, protocol, found := strings.Cut(parts[last], "/")
	if !found {
		protocol = "tcp"
	}
	add("target", target, place(last))
	add("protocol", protocol, place(last))
	switch {
	case last > 0 && parts[last-1] != "":
		add("published", parts[last-1], place(last-1))
	case last == 0 && IsPlaceholder(target): // which may have more parts
		add("published", target, n.ValueSpan)
	default:
		add("published", "0", n.ValueSpan)
	}
	if last > 1 {
		ip := strings.Join(parts[:last-1], ":")
		at := n.ValueSpan
		if last == 2 {
			at = place(0)
		}
		add("host_ip", strings.TrimSuffix(strings.TrimPrefix(ip, "["), "]"), at)
	}
	return long
}

// variable is an item of "environment" as a setting. A name without a value is passed on
// from .env, or from the shell, which we do not know.
func (c *compose) variable(n *Node) *Node {
	out := *n
	name, value, valued := n.Name, n.Value, true
	if name == "" {
		if name, value, valued = strings.Cut(n.Value, "="); valued {
			out.ValueSpan = part(n, len(name)+1, len(value))
		}
		out.Name, out.NameSpan = name, part(n, 0, len(name))
	} else if n.Value == "" {
		at := n.ValueSpan // nothing at all is null, and quotes without text are an empty value
		valued = at.File != nil && at.Start > 0 && strings.IndexByte(`"'`, at.File.Text[at.Start-1]) >= 0
	}
	if !valued {
		out.Value = c.expand(name, 0)
		return &out
	}
	out.Value = c.interpolate(value, 0)
	return &out
}

// words is a command as the list of its words.
func (c *compose) words(n *Node) *Node {
	out := &Node{Kind: Section, Name: n.Name, NameSpan: n.NameSpan, ValueSpan: n.ValueSpan}
	word := func(text string, at source.Span) {
		out.Children = append(out.Children, &Node{Kind: Setting, Value: c.interpolate(text, 0), NameSpan: at, ValueSpan: at})
	}
	if n.Kind == Section {
		for _, w := range n.Children {
			word(w.Value, w.ValueSpan)
		}
		return out
	}
	for _, w := range Words(n.Value, n.ValueSpan, Shell) {
		word(strings.ReplaceAll(w.Text, "${$}", "$$"), w.Span) // Words takes "$$" for a variable of a shell
	}
	return out
}

// volume is an item of "volumes" in the long form, with an absolute source where that is a
// path.
func (c *compose) volume(n *Node) *Node {
	long := &Node{Kind: Section, NameSpan: n.NameSpan, ValueSpan: n.ValueSpan, Children: n.Children}
	if n.Kind == Section {
		c.interpolateAll(n)
	} else {
		parts := composeSplit(c.text(n), ':')
		for i, name := range [...]string{"source", "target"} {
			if len(parts) > 1 {
				long.Children = append(long.Children, &Node{Kind: Setting, Name: name, Value: parts[i], NameSpan: n.ValueSpan, ValueSpan: n.ValueSpan})
			}
		}
	}
	if source := child(long, "source"); source != nil && strings.HasPrefix(source.Value, ".") && n.NameSpan.File != nil {
		source.Value = path.Join("/", path.Dir(n.NameSpan.File.Path), source.Value)
	}
	return long
}

// extend puts what a service extends in front of what it says itself. Done says of the
// services of one file whether they have been extended, or are being extended now.
func (c *compose) extend(f *source.File, services, s *Node, depth int, done map[*Node]bool) {
	ext := child(s, "extends")
	if _, begun := done[s]; ext == nil || begun {
		return
	}
	done[s] = false
	defer func() { done[s] = true }()
	name, file := ext, (*Node)(nil)
	if ext.Kind == Section {
		name, file = child(ext, "service"), child(ext, "file")
	}
	if name == nil || IsPlaceholder(name.Value) || file != nil && IsPlaceholder(file.Value) {
		c.r.structuredMissing(ext.NameSpan)
		return
	}
	onto := func(base *Node) {
		if finished, begun := done[base]; base == nil || begun && !finished { // not there, or in a circle
			c.r.structuredMissing(ext.NameSpan)
			return
		}
		whole := c.clone(base)
		c.merge(whole, s)
		s.Children = whole.Children
	}
	if file != nil {
		c.files.files(Include{}, f, Arg{file.Value, file.ValueSpan}, depth, func(other *source.File) {
			onto(child(child(c.load(other, depth+1), "services"), name.Value))
		})
		return
	}
	base := child(services, name.Value)
	if base != nil {
		c.extend(f, services, base, depth, done)
	}
	onto(base)
}

// clone is a copy of a node that can be changed. Copies count as nodes.
func (c *compose) clone(n *Node) *Node {
	out := *n
	out.Children = nil
	for _, k := range n.Children {
		if c.r.full(k.NameSpan) {
			break
		}
		out.Children = append(out.Children, c.clone(k))
	}
	return &out
}

// merge puts what a later node says over an earlier one: mappings are merged, lists are
// one behind the other, commands and everything else are replaced. Under "!override" all
// of it is replaced, and under "!reset" it is gone.
func (c *compose) merge(into, over *Node) {
	if len(into.Children) == 0 {
		into.Children = over.Children
		return
	}
	for _, n := range over.Children {
		i := slices.IndexFunc(into.Children, func(k *Node) bool { return n.Name != "" && k.Name == n.Name })
		tag := composeTag(n)
		if tag != "" { // which parseYAML does not know
			c.r.doc.Gaps = slices.DeleteFunc(c.r.doc.Gaps, func(g source.Span) bool { return g.File == n.ValueSpan.File && g.Start == n.ValueSpan.Start })
		}
		switch {
		case tag == "!reset":
			if i >= 0 {
				into.Children = slices.Delete(into.Children, i, i+1)
			}
		case i < 0:
			into.Children = append(into.Children, n)
		case tag == "!override", n.Kind != Section, into.Children[i].Kind != Section, n.Name == "command", n.Name == "entrypoint":
			into.Children[i] = n
		default:
			c.merge(into.Children[i], n)
		}
	}
}

// composeTag is the tag "!reset" or "!override" of a value, "" without one.
func composeTag(n *Node) string {
	f := n.NameSpan.File
	if f == nil || n.Name == "" || n.ValueSpan.File != f {
		return ""
	}
	rest := string(f.Text[n.NameSpan.End:min(n.NameSpan.End+60, len(f.Text))])
	_, rest, _ = strings.Cut(rest, ":")
	rest = strings.TrimLeft(rest, " \t\r\n")
	for _, tag := range [...]string{"!reset", "!override"} {
		if after, found := strings.CutPrefix(rest, tag); found && (after == "" || after[0] <= ' ') {
			return tag
		}
	}
	return ""
}

// finish works out what rests on the whole of a service.
func (c *compose) finish(s, services *Node) {
	env := child(s, "environment")
	if files := child(s, "env_file"); files != nil {
		all := &Node{Kind: Section, Name: "environment", NameSpan: files.NameSpan, ValueSpan: files.ValueSpan}
		for _, f := range files.Children {
			all.Children = append(all.Children, c.envFile(f)...)
		}
		if env != nil {
			all.Children = append(all.Children, env.Children...)
			all.NameSpan, all.ValueSpan = env.NameSpan, env.ValueSpan
		}
		s.Children = append(slices.DeleteFunc(s.Children, func(n *Node) bool { return n == env }), all)
	}
	argv := &Node{Kind: Section, Name: "argv", NameSpan: s.NameSpan, ValueSpan: s.ValueSpan}
	for _, name := range [...]string{"entrypoint", "command"} {
		if n := child(s, name); n != nil {
			argv.Children = append(argv.Children, n.Children...)
		}
	}
	argv.Children = composeShell(argv.Children)
	if len(argv.Children) > 0 {
		s.Children = append(s.Children, argv)
	}
	mode := child(s, "network_mode")
	for hops := 0; mode != nil && hops < maxDepth; hops++ {
		name, shared := strings.CutPrefix(mode.Value, "service:")
		if !shared {
			break
		}
		other := child(child(services, name), "network_mode")
		if other == nil {
			break
		}
		mode.Value = other.Value
	}
	c.ports(s, mode)
	if profiles := child(s, "profiles"); profiles != nil {
		for _, p := range profiles.Children { // what says that a service is off has a name
			p.Name = profiles.Name
		}
		wanted := strings.Split(c.env["COMPOSE_PROFILES"], ",")
		on := func(p *Node) bool { return slices.Contains(wanted, p.Value) }
		if slices.Contains(wanted, "*") || len(profiles.Children) == 0 || slices.ContainsFunc(profiles.Children, on) {
			s.Children = slices.DeleteFunc(s.Children, func(n *Node) bool { return n == profiles })
		}
	}
}

// ports reports ports of a service that nothing publishes, because it has the network of
// the host
// (https://github.com/compose-spec/compose-spec/blob/main/05-services.md#ports).
func (c *compose) ports(s, mode *Node) {
	ports := child(s, "ports")
	if ports == nil || len(ports.Children) == 0 || mode == nil || mode.Value != "host" {
		return
	}
	name := printable([]byte(s.Name))
	d := diag.Diagnostic{
		Rule: "compose-host-network-ports", Severity: diag.Warning, Span: ports.NameSpan, Label: "not published",
		Message: fmt.Sprintf("%s uses the network of the host, so its list of ports has no effect", name),
		Related: []diag.Related{{Span: mode.ValueSpan, Message: "the network of the host is asked for here"}},
		Notes: []string{
			"its program opens the ports of its own configuration on the host, whether they are listed here or not",
			"Docker ignores such a list, and Docker Compose 1.27 to 1.29 does not start the container: \"host\" network_mode is incompatible with port_bindings",
		},
		Help: "remove ports; or, to publish these and no others, remove network_mode",
	}
	if whole := entry(ports); !whole.IsZero() && within(whole, ports.Children) {
		d.Fixes = []diag.Fix{{Title: "remove the ports of " + name, Safety: diag.Unsafe, Edits: []diag.Edit{{Span: whole}}}}
	}
	c.r.report(d)
}

// within reports whether nodes stand at a place, and not in a file that was merged.
func within(at source.Span, nodes []*Node) bool {
	return !slices.ContainsFunc(nodes, func(n *Node) bool {
		return n.ValueSpan.File != at.File || n.ValueSpan.Start < at.Start || n.ValueSpan.End > at.End
	})
}

// entry are the lines of a mapping's entry that begins a line: that of its name, and those
// below it that are indented more, or are items of its list. It is nothing where the name
// does not begin its line.
func entry(n *Node) source.Span {
	f, text := n.NameSpan.File, n.NameSpan.File.Text
	start := bytes.LastIndexByte(text[:n.NameSpan.Start], '\n') + 1
	if len(bytes.TrimSpace(text[start:n.NameSpan.Start])) > 0 {
		return source.Span{}
	}
	indent, end := n.NameSpan.Start-start, start
	for at := start; at < len(text); {
		next := at + bytes.IndexByte(text[at:], '\n') + 1
		if next == at {
			next = len(text)
		}
		line := text[at:next]
		words := bytes.TrimLeft(line, " ")
		switch deep := len(line) - len(words); {
		case at == start, deep > indent && words[0] != '#', deep == indent && bytes.HasPrefix(words, []byte("- ")):
			end = next
		case len(bytes.TrimSpace(line)) > 0 && words[0] != '#':
			return f.Span(start, end)
		}
		at = next
	}
	return f.Span(start, end)
}

// envFile are the settings of an item of "env_file": a path, or a mapping with one.
func (c *compose) envFile(n *Node) []*Node {
	need := NeedFile
	if n.Kind == Section {
		if required := child(n, "required"); required != nil && required.Value == "false" {
			need = NeedNothing
		}
		if n = child(n, "path"); n == nil {
			return nil
		}
	}
	if IsPlaceholder(n.Value) || n.ValueSpan.File == nil {
		c.r.structuredMissing(n.ValueSpan)
		return nil
	}
	var out []*Node
	c.files.files(Include{Need: need}, n.ValueSpan.File, Arg{n.Value, n.ValueSpan}, 0, func(f *source.File) {
		out = append(out, c.in(f, parseEnv).Children...)
	})
	return out
}

// composeShell is a command line with what a shell is given, "sh -c TEXT", cut into its
// words.
func composeShell(words []*Node) []*Node {
	if len(words) < 3 || !strings.HasSuffix(path.Base(words[0].Value), "sh") || !strings.HasPrefix(words[1].Value, "-") || !strings.HasSuffix(words[1].Value, "c") {
		return words
	}
	out := slices.Clone(words[:2])
	for _, w := range Words(words[2].Value, words[2].ValueSpan, Shell) {
		out = append(out, &Node{Kind: Setting, Value: w.Text, NameSpan: w.Span, ValueSpan: w.Span})
	}
	return append(out, words[3:]...)
}

// child is the last child with a name, nil without one or without a parent.
func child(n *Node, name string) *Node {
	if n == nil {
		return nil
	}
	for _, k := range slices.Backward(n.Children) {
		if k.Name == name {
			return k
		}
	}
	return nil
}
