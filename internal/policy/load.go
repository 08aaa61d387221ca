package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"portolan/internal/addr"
	"portolan/internal/diag"
	"portolan/internal/hclfile"
	"portolan/internal/ruleset"
	"portolan/internal/source"
)

// What may stand where. The order is the one in which choices are listed.
var (
	blockTypes   = []string{"zone", "allow", "deny", "connect", "default", "ignore"}
	zoneAttrs    = []string{"sources", "files", "except"}
	allowAttrs   = []string{"service", "listen", "exposure", "ports", "protocols", "otherwise", "from", "except", "interfaces", "limit", "connections", "log", "notrack"}
	denyAttrs    = []string{"service", "listen", "exposure", "ports", "protocols", "from", "except", "interfaces", "log"}
	connectAttrs = []string{"service", "listen", "ports", "protocols", "to", "except", "interfaces", "log"}
	defaultAttrs = []string{"input", "output", "ipv6", "log"}
	ignoreAttrs  = []string{"files", "services", "reason"}
)

// An Opener reads a file that a policy names. Names are as written in the policy.
type Opener func(name string) (*source.File, error)

// Load reads a policy. The policy is nil when any finding is an error: a firewall must
// not be made from half of what the operator wrote. Whether services and listeners
// exist is for Check to say. Files of addresses are read by open; with nil a policy that
// names one is refused.
func Load(f *source.File, open Opener) (*Policy, diag.List) {
	return (&loader{file: f, open: open}).load()
}

func (l *loader) load() (*Policy, diag.List) {
	f := l.file
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
		// What has no effect in half a policy may have one when it is mended.
		return nil, slices.DeleteFunc(l.list, func(d diag.Diagnostic) bool { return d.Severity < diag.Error })
	}
	return p, l.list
}

// loader is one reading of one file.
type loader struct {
	file *source.File
	open Opener
	list diag.List
	slow bool // the HCL library reads the text, whatever it is; for tests

	zoneNames   []string            // in the order of the file
	zoneSets    map[string]addr.Set // what the zones hold
	brokenZones bool                // one has a name that cannot be used
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

// warn adds the finding that something is right and has no effect.
func (l *loader) warn(span source.Span, help, msg string, args ...any) {
	if !l.full() {
		l.list = append(l.list, diag.Diagnostic{Rule: RuleName, Severity: diag.Warning, Span: span, Message: fmt.Sprintf(msg, args...), Help: help})
	}
}

// again adds the finding that something stands twice.
func (l *loader) again(span, first source.Span, help, msg string, args ...any) {
	l.add(diag.Diagnostic{
		Span: span, Message: fmt.Sprintf(msg, args...), Help: help,
		Related: []diag.Related{{Span: first, Message: "first here"}},
	})
}

func (l *loader) span(r hcl.Range) source.Span { return l.file.Span(r.Start.Byte, r.End.Byte) }

// block is one block that is being read.
type block struct {
	*hclfile.Block
	what string // for messages: `zone "x"`
	span source.Span
}

// nameOf is where the name of an attribute stands.
func (l *loader) nameOf(a *hclfile.Attr) source.Span { return l.file.Span(a.At, a.At+len(a.Name)) }

// spanOf is where a value stands.
func (l *loader) spanOf(v *hclfile.Value) source.Span { return l.file.Span(v.Start, v.End) }

// typeOf is where the type of a block stands.
func (l *loader) typeOf(b *hclfile.Block) source.Span { return l.file.Span(b.At, b.At+len(b.Type)) }

// has reports whether the attribute is written, and where its name stands.
func (l *loader) has(b block, name string) (source.Span, bool) {
	a := b.Attr(name)
	if a == nil {
		return source.Span{}, false
	}
	return l.nameOf(a), true
}

func (l *loader) policy(body *hclfile.Body) *Policy {
	p := &Policy{File: l.file, Defaults: Defaults{Input: ruleset.Drop, Output: ruleset.Accept}}
	for i := range body.Attrs {
		a := &body.Attrs[i]
		if slices.Contains(blockTypes, a.Name) {
			l.wrong(l.nameOf(a), "write it as a block: "+shape(a.Name), "%q is a block, not an attribute", a.Name)
		} else {
			l.wrong(l.nameOf(a), oneOf("a policy has the blocks", blockTypes, a.Name), "there is no %q in a policy", a.Name)
		}
	}
	var zones, ignores []block
	rules := make([]block, 0, len(body.Blocks)) // most are these
	var def *block
	for _, raw := range body.Blocks {
		b := block{Block: raw, what: raw.Type, span: l.typeOf(raw)}
		switch raw.Type {
		case "zone":
			zones = append(zones, b)
		case "allow", "deny", "connect":
			rules = append(rules, b)
		case "ignore":
			ignores = append(ignores, b)
		case "default":
			if def != nil {
				l.again(b.span, def.span, "keep one of them", "a second default block")
				continue
			}
			def = &b
		default:
			help := oneOf("a policy has the blocks", blockTypes, raw.Type)
			switch strings.ToLower(raw.Type) { // what other firewalls call them
			case "permit", "accept", "open", "pass":
				help = "did you mean \"allow\"?"
			case "reject", "drop", "block":
				help = "did you mean \"deny\"? what nothing allows is dropped anyway"
			}
			l.wrong(b.span, help, "there is no block %q in a policy", raw.Type)
		}
	}
	// Zones first: an allow may name a zone that stands below it.
	l.zones(p, zones)
	l.rules(p, rules)
	p.Ignores = l.ignores(ignores)
	if def != nil {
		p.Defaults = l.defaults(*def)
	}
	l.effects(p)
	if len(p.Allows) == 0 && p.Defaults.Input == ruleset.Drop && len(l.list) == 0 {
		l.warn(l.file.Span(0, 0), "add an allow, such as "+shape("allow"), "this policy allows nothing: every port of the host will be closed, SSH too")
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
	case "deny":
		return `deny "scanners" { from = [zone.scanners] }`
	case "connect":
		return `connect "dns" { ports = ["53/udp", "53/tcp"] }`
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
	for i := range b.Attrs {
		a := &b.Attrs[i]
		if !slices.Contains(attrs, a.Name) {
			help := oneOf(intro, attrs, a.Name)
			switch {
			case a.Name == "to" && slices.Contains(attrs, "from"):
				help = "it is about what comes in: write from, or connect instead of " + b.Type
			case a.Name == "from" && slices.Contains(attrs, "to"):
				help = "it is about what leaves: write to"
			}
			l.wrong(l.nameOf(a), help, "%s has no attribute %q", b.what, a.Name)
		}
	}
	for _, inner := range b.Blocks {
		help := "blocks stand at the top of a policy, not inside each other"
		if slices.Contains(attrs, inner.Type) {
			help = fmt.Sprintf("write it with an equals sign: %s = ...", inner.Type)
		}
		l.wrong(l.typeOf(inner), help, "%s has no block %q", b.what, inner.Type)
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
		l.wrong(l.spanOf(&b.Labels[1]), "write "+shape(b.Type), "this %s has more than one name", b.Type)
		return Word{}, false
	}
	w = Word{b.Labels[0].Text, l.unquoted(&b.Labels[0])}
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

func (l *loader) limit(b block) Limit {
	const example = `limit = "10/minute per source"`
	w := l.word(b, "limit", example)
	if w.Span.IsZero() {
		return Limit{}
	}
	text, perSource := perSource(w.Text)
	rate, err := ruleset.ParseRate(text)
	if err != nil {
		l.wrong(w.Span, "write "+example+`, or "10/minute" for all sources together; a period is second, minute, hour or day`, "%q is not a limit", w.Text)
		return Limit{}
	}
	return Limit{rate, perSource, w.Span}
}

// perSource cuts "per source" off the end of a limit.
func perSource(text string) (rest string, found bool) {
	fields := strings.Fields(text)
	n := len(fields)
	if found = n > 2 && fields[n-2] == "per" && fields[n-1] == "source"; found {
		fields = fields[:n-2]
	}
	return strings.Join(fields, " "), found
}

// maxConnections is the most that an allow can let be open.
const maxConnections = 1_000_000

func (l *loader) connections(b block) Connections {
	const example = `connections = "20 per source"`
	w := l.word(b, "connections", example)
	if w.Span.IsZero() {
		return Connections{}
	}
	text, perSource := perSource(w.Text)
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxConnections {
		l.wrong(w.Span, "write "+example+`, or "500" for all sources together`, "%q is not a number of connections", w.Text)
		return Connections{}
	}
	return Connections{n, perSource, w.Span}
}

func (l *loader) defaults(b block) Defaults {
	d := Defaults{Input: ruleset.Drop, Output: ruleset.Accept}
	if len(b.Labels) > 0 {
		l.wrong(l.spanOf(&b.Labels[0]), "write "+shape("default"), "the default block has no name")
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
	output := l.word(b, "output", `output = "drop"`)
	switch output.Text {
	case "", "accept": // left out, or said
	case "drop":
		d.Output = ruleset.Drop
	default:
		l.wrong(output.Span, `use "accept", or "drop" to let out what a connect block names and nothing else`, "there is no output %q", output.Text)
	}
	switch ipv6 := l.word(b, "ipv6", `ipv6 = "off"`); ipv6.Text {
	case "", "on": // left out, or said
	case "off":
		d.NoIPv6 = ipv6.Span
	default:
		l.wrong(ipv6.Span, `use "on", or "off" to let no packet of IPv6 in or out`, "there is no ipv6 %q", ipv6.Text)
	}
	if !d.NoIPv6.IsZero() && d.Input == ruleset.Accept {
		l.wrong(d.NoIPv6, `leave it out, or write input = "drop"`, `ipv6 = "off" closes ports, and with input = "additive" this policy closes none`)
	}
	d.Log, d.LogSpan = l.log(b)
	if d.Log.Count > 0 && d.Input == ruleset.Accept && d.Output == ruleset.Accept {
		l.wrong(d.LogSpan, "leave it out", `there is nothing to log: with input = "additive" this policy drops no packet`)
	}
	return d
}

// log is the rate of the attribute log of b.
func (l *loader) log(b block) (ruleset.Rate, source.Span) {
	w := l.word(b, "log", `log = "5/minute"`)
	if w.Span.IsZero() {
		return ruleset.Rate{}, w.Span
	}
	rate, err := ruleset.ParseRate(w.Text)
	if err != nil {
		l.wrong(w.Span, `write log = "5/minute"`, "%s", err)
	}
	return rate, w.Span
}
