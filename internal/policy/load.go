package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"portolan/internal/addr"
	"portolan/internal/diag"
	"portolan/internal/hclfile"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// What may stand where. The order is the one in which choices are listed.
var (
	blockTypes   = []string{"zone", "allow", "default", "ignore"}
	zoneAttrs    = []string{"sources"}
	allowAttrs   = []string{"service", "listen", "exposure", "ports", "otherwise", "from", "limit"}
	defaultAttrs = []string{"input", "log"}
	ignoreAttrs  = []string{"files", "services", "reason"}
)

// Load reads a policy. The policy is nil when any finding is an error: a firewall must
// not be made from half of what the operator wrote. Whether services and listeners
// exist is for Check to say.
func Load(f *source.File) (*Policy, diag.List) {
	l := &loader{file: f}
	var p *Policy
	if body := l.parse(); body != nil {
		p = l.policy(body)
	}
	l.list.Sort()
	if l.full() {
		l.list[maxFindings-1] = diag.Diagnostic{
			Rule: RuleName, Severity: diag.Error, Span: f.Span(0, 0),
			Message: fmt.Sprintf("%d or more problems in this policy; the rest is not listed", maxFindings),
		}
	}
	if l.list.Max() == diag.Error {
		p = nil
	}
	return p, l.list
}

// loader is one reading of one file.
type loader struct {
	file *source.File
	list diag.List
}

// full reports whether there are as many findings as people still read. Looking for
// more is then a waste.
func (l *loader) full() bool { return len(l.list) >= maxFindings }

// add keeps a finding while there is room.
func (l *loader) add(d diag.Diagnostic) {
	if !l.full() {
		d.Rule, d.Severity = RuleName, diag.Error
		l.list = append(l.list, d)
	}
}

// wrong adds the finding that msg is the matter with the text at span.
func (l *loader) wrong(span source.Span, help, msg string, args ...any) {
	l.add(diag.Diagnostic{Span: span, Message: fmt.Sprintf(msg, args...), Help: help})
}

// again adds the finding that something stands twice.
func (l *loader) again(span, first source.Span, help, msg string, args ...any) {
	l.add(diag.Diagnostic{
		Span: span, Message: fmt.Sprintf(msg, args...), Help: help,
		Related: []diag.Related{{Span: first, Message: "first here"}},
	})
}

func (l *loader) span(r hcl.Range) source.Span { return l.file.Span(r.Start.Byte, r.End.Byte) }

// block is one block with its attributes, checked for what may stand in it.
type block struct {
	*hclsyntax.Block
	what string // for messages: `zone "x"`
	span source.Span
}

// has reports whether the attribute is written, and where its name stands.
func (l *loader) has(b block, name string) (source.Span, bool) {
	a, ok := b.Body.Attributes[name]
	if !ok {
		return source.Span{}, false
	}
	return l.span(a.NameRange), true
}

func (l *loader) policy(body *hclsyntax.Body) *Policy {
	p := &Policy{File: l.file, Defaults: Defaults{Input: ruleset.Drop}}
	for _, a := range hclfile.Attributes(body) {
		if slices.Contains(blockTypes, a.Name) {
			l.wrong(l.span(a.NameRange), "write it as a block: "+shape(a.Name), "%q is a block, not an attribute", a.Name)
		} else {
			l.wrong(l.span(a.NameRange), oneOf("a policy has the blocks", blockTypes, a.Name), "there is no %q in a policy", a.Name)
		}
	}
	var zones, allows, ignores []block
	var def *block
	for _, raw := range body.Blocks {
		b := block{Block: raw, what: raw.Type, span: l.span(raw.TypeRange)}
		switch raw.Type {
		case "zone":
			zones = append(zones, b)
		case "allow":
			allows = append(allows, b)
		case "ignore":
			ignores = append(ignores, b)
		case "default":
			if def != nil {
				l.again(b.span, def.span, "keep one of them", "a second default block")
				continue
			}
			def = &b
		default:
			l.wrong(b.span, oneOf("a policy has the blocks", blockTypes, raw.Type), "there is no block %q in a policy", raw.Type)
		}
	}
	// Zones first: an allow may name a zone that stands below it.
	p.Zones = l.zones(zones)
	p.Allows = l.allows(allows, p.Zones, len(zones) > len(p.Zones))
	p.Ignores = l.ignores(ignores)
	if def != nil {
		p.Defaults = l.defaults(*def)
	}
	if len(allows) == 0 && p.Defaults.Input == ruleset.Drop && len(l.list) == 0 {
		l.list = append(l.list, diag.Diagnostic{
			Rule: RuleName, Severity: diag.Warning, Span: l.file.Span(0, 0),
			Message: "this policy allows nothing: every port of the host will be closed, SSH too",
			Help:    `add an allow, such as ` + shape("allow"),
		})
	}
	return p
}

// shape is how a block looks, for advice.
func shape(blockType string) string {
	switch blockType {
	case "zone":
		return `zone "office" { sources = ["10.1.0.0/24"] }`
	case "allow":
		return `allow "ssh" { ports = ["22/tcp"] }`
	case "ignore":
		return `ignore "odd-rtp-base" { reason = "our gateway wants it" }`
	}
	return `default { input = "drop" }`
}

// known complains about every attribute and block inside b that has no place there.
func (l *loader) known(b block, attrs []string) {
	intro := "it has the attributes"
	if len(attrs) == 1 {
		intro = "it has the one attribute"
	}
	for _, a := range hclfile.Attributes(b.Body) {
		if !slices.Contains(attrs, a.Name) {
			l.wrong(l.span(a.NameRange), oneOf(intro, attrs, a.Name), "%s has no attribute %q", b.what, a.Name)
		}
	}
	for _, inner := range b.Body.Blocks {
		help := "blocks stand at the top of a policy, not inside each other"
		if slices.Contains(attrs, inner.Type) {
			help = fmt.Sprintf("write it with an equals sign: %s = ...", inner.Type)
		}
		l.wrong(l.span(inner.TypeRange), help, "%s has no block %q", b.what, inner.Type)
	}
}

// name is the one label of a zone, an allow or an ignore; ok is false when it cannot be used.
func (l *loader) name(b block) (w Word, ok bool) {
	switch len(b.Labels) {
	case 0:
		l.wrong(b.span, "write "+shape(b.Type), "this %s has no name", b.Type)
		return Word{}, false
	case 1:
	default:
		l.wrong(l.span(b.LabelRanges[1]), "write "+shape(b.Type), "this %s has more than one name", b.Type)
		return Word{}, false
	}
	w = Word{b.Labels[0], l.unquoted(b.LabelRanges[0])}
	if !isName(w.Text) {
		l.wrong(w.Span, fmt.Sprintf("use letters, digits, - and _, a letter first, at most %d of them", maxName), "this %s cannot be named %q", b.Type, w.Text)
		return Word{}, false
	}
	return w, true
}

// isName reports whether s can be referred to and can be printed everywhere: names go
// into rules, comments and file names of every firewall.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20 // lower case for letters
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !('0' <= s[i] && s[i] <= '9') && s[i] != '-' && s[i] != '_') {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// zones leaves out those that could not be read.
func (l *loader) zones(blocks []block) []Zone {
	var out []Zone
	seen := map[string]source.Span{}
	for _, b := range blocks {
		name, ok := l.name(b)
		if !ok {
			continue
		}
		b.what = fmt.Sprintf("zone %q", name.Text)
		l.known(b, zoneAttrs)
		if first, dup := seen[name.Text]; dup {
			l.again(name.Span, first, "join the two or rename one", "a second zone %q", name.Text)
			continue
		}
		seen[name.Text] = name.Span
		z := Zone{Name: name}
		if _, ok := l.has(b, "sources"); !ok {
			l.wrong(name.Span, `say which addresses it holds: sources = ["10.1.0.0/24"]`, "zone %q has no sources", name.Text)
		}
		var ranges []addr.Range
		for _, w := range l.words(b, "sources", `sources = ["10.1.0.0/24"]`, `say which addresses it holds: sources = ["10.1.0.0/24"]`) {
			set, err := addr.Parse(w.Text)
			if err != nil {
				l.wrong(w.Span, "", "%s", err)
				continue
			}
			ranges = append(ranges, set.Ranges()...)
		}
		z.Sources = addr.OfRanges(ranges...)
		out = append(out, z)
	}
	return out
}

// allows reads the allows. Zones that could not be read are missing in zones; then a
// name that is not there is no finding of its own.
func (l *loader) allows(blocks []block, zones []Zone, someZonesBroken bool) []Allow {
	byName := map[string]*Zone{}
	var names []string
	for i := range zones {
		byName[zones[i].Name.Text] = &zones[i]
		names = append(names, zones[i].Name.Text)
	}
	if len(blocks) > MaxAllows {
		l.wrong(blocks[MaxAllows].span, "join allows that open the same ports, or open ranges", "more than %d allows in one policy", MaxAllows)
		return nil
	}
	var out []Allow
	seen := map[string]source.Span{}
	budget := MaxRanges
	for _, b := range blocks {
		name, ok := l.name(b)
		if !ok {
			continue
		}
		b.what = fmt.Sprintf("allow %q", name.Text)
		l.known(b, allowAttrs)
		if first, dup := seen[name.Text]; dup {
			l.again(name.Span, first, "rename one: the name stands in the comments of the rules", "a second allow %q", name.Text)
			continue
		}
		seen[name.Text] = name.Span
		if slices.Contains(Reserved[:], name.Text) {
			l.wrong(name.Span, "choose another name", "the name %q belongs to a rule that every ruleset has by itself", name.Text)
		}
		a := l.allow(b, name)
		refs, given := l.zoneRefs(b, names)
		a.Sources = addr.All()
		if given {
			var ranges []addr.Range
			for _, ref := range refs {
				zone := byName[ref.Text]
				if zone == nil {
					if !someZonesBroken && !l.full() {
						l.wrong(ref.Span, oneOf("the zones are", names, ref.Text), "there is no zone %q", ref.Text)
					}
					continue
				}
				a.From = append(a.From, ref)
				found := zone.Sources.Ranges()
				if budget -= len(found); budget < 0 {
					l.wrong(ref.Span, "let zones hold prefixes instead of single addresses", "the zones of all allows together hold more than %d address ranges", MaxRanges)
					return nil
				}
				ranges = append(ranges, found...)
			}
			a.Sources = addr.OfRanges(ranges...)
		}
		out = append(out, a)
	}
	return out
}

// allow reads what an allow opens; its sources are read by allows.
func (l *loader) allow(b block, name Word) Allow {
	a := Allow{Name: name}
	a.Service = l.word(b, "service", `service = "sshd"`)
	a.Listen = l.words(b, "listen", `listen = ["sip", "rtp"]`, "leave it out for every public listener")
	a.Exposure = l.words(b, "exposure", `exposure = ["public"]`, "leave it out for the public ones")
	a.Ports = l.ports(b, "ports", `ports = ["22/tcp", "5000-5100/udp"]`, "leave it out, or name a port")
	a.Otherwise = l.ports(b, "otherwise", `otherwise = ["22/tcp"]`, "leave it out, or name a port")
	a.Limit = l.limit(b)

	service, hasService := l.has(b, "service")
	ports, hasPorts := l.has(b, "ports")
	listen, hasListen := l.has(b, "listen")
	exposure, hasExposure := l.has(b, "exposure")
	otherwise, hasOtherwise := l.has(b, "otherwise")
	if hasService && hasPorts {
		l.add(diag.Diagnostic{
			Span: ports, Message: fmt.Sprintf("%s has both a service and ports", b.what),
			Related: []diag.Related{{Span: service, Message: "the service is here"}},
			Help:    "make two allows; or write otherwise instead of ports, for when the service is not found",
		})
	}
	if hasListen && !hasService {
		l.wrong(listen, `name the service too, as in service = "lumenvox-media-server"`, "%s has listen without a service", b.what)
	}
	if hasListen && hasExposure {
		l.wrong(exposure, "leave one of them out", "%s has both listen and exposure", b.what)
	}
	if hasExposure && hasPorts {
		l.wrong(exposure, "leave one of them out", "%s has both ports and exposure", b.what)
	}
	if hasOtherwise && !hasService {
		l.wrong(otherwise, "write ports, which are opened whatever the host runs", "%s has otherwise without a service", b.what)
	}
	for _, w := range a.Exposure {
		if w.Text == "loopback" {
			l.wrong(w.Span, "leave it out: loopback is always open", "loopback listeners need no allow")
		} else if !slices.Contains(Exposures[:], w.Text) {
			l.wrong(w.Span, oneOf("the exposures are", Exposures[:], w.Text), "there is no exposure %q", w.Text)
		}
	}
	return a
}

func (l *loader) limit(b block) Limit {
	const example = `limit = "10/minute per source"`
	w := l.word(b, "limit", example)
	if w.Span.IsZero() {
		return Limit{}
	}
	fields := strings.Fields(w.Text)
	n := len(fields)
	perSource := n > 2 && fields[n-2] == "per" && fields[n-1] == "source"
	if perSource {
		fields = fields[:n-2]
	}
	rate, err := ruleset.ParseRate(strings.Join(fields, " "))
	if err != nil {
		l.wrong(w.Span, "write "+example+`, or "10/minute" for all sources together`, "%q is not a limit", w.Text)
		return Limit{}
	}
	return Limit{rate, perSource, w.Span}
}

func (l *loader) defaults(b block) Defaults {
	d := Defaults{Input: ruleset.Drop}
	if len(b.Labels) > 0 {
		l.wrong(l.span(b.LabelRanges[0]), "write "+shape("default"), "the default block has no name")
	}
	b.what = "the default block"
	l.known(b, defaultAttrs)
	input := l.word(b, "input", `input = "drop"`)
	switch input.Text {
	case "", "drop": // left out, or said
	case "additive":
		d.Input = ruleset.Accept
	default:
		l.wrong(input.Span, `use "drop", or "additive" to add accepts to what other firewalls of the host do`, "there is no input %q", input.Text)
	}
	if log := l.word(b, "log", `log = "5/minute"`); !log.Span.IsZero() {
		rate, err := ruleset.ParseRate(log.Text)
		switch {
		case err != nil:
			l.wrong(log.Span, `write log = "5/minute"`, "%s", err)
		case d.Input == ruleset.Accept:
			l.wrong(log.Span, "leave it out", `there is nothing to log: with input = "additive" this policy drops no packet`)
		}
		d.Log, d.LogSpan = rate, log.Span
	}
	return d
}
