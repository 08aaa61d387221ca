package render

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/diag"
	"portolan/internal/ruleset"
)

// CannotExpress is the name of the finding for a rule that a firewall cannot say.
const CannotExpress = "cannot-express"

// A job is one ruleset on its way into one firewall's language.
type job struct {
	backend  string
	rs       *ruleset.Ruleset
	head     head
	findings diag.List
}

// refuse reports that the firewall cannot say rule, and what to do about it. A nil rule
// stands for the ruleset as a whole.
func (j *job) refuse(rule *ruleset.Rule, help, format string, args ...any) {
	d := diag.Diagnostic{
		Rule: CannotExpress, Severity: diag.Error, Help: help,
		Message: fmt.Sprintf("%s cannot express ", j.backend),
	}
	if rule == nil {
		d.Message += "this ruleset: "
	} else {
		d.Message += fmt.Sprintf("rule %q: ", rule.Name)
		// The line of the policy comes last, and it is the one to change.
		if n := len(rule.Origins); n > 0 {
			d.Span = rule.Origins[n-1]
			for _, o := range rule.Origins[:n-1] {
				d.Related = append(d.Related, diag.Related{Span: o, Message: "the rule is for this"})
			}
		}
	}
	d.Message += fmt.Sprintf(format, args...)
	// One line of the policy makes a rule for each listener, and is one thing to mend.
	for i := range j.findings {
		if known := &j.findings[i]; known.Message == d.Message && known.Span == d.Span {
			for _, r := range d.Related {
				if !slices.Contains(known.Related, r) {
					known.Related = append(known.Related, r)
				}
			}
			return
		}
	}
	j.findings = append(j.findings, d)
}

// rules are the rules of both directions.
func (j *job) rules() iter.Seq[*ruleset.Rule] {
	return func(yield func(*ruleset.Rule) bool) {
		for _, d := range []ruleset.Direction{ruleset.In, ruleset.Out} {
			rules := j.rs.Chain(d).Rules
			for i := range rules {
				if !yield(&rules[i]) {
					return
				}
			}
		}
	}
}

// check refuses what no firewall can say, and what would be read in two ways.
func (j *job) check() {
	if j.rs.Input.Default != ruleset.Accept && j.rs.Input.Default != ruleset.Drop {
		j.refuse(nil, "let the default accept or drop", "it has no default verdict")
	}
	limits, connections := map[string]ruleset.Limit{}, map[string]ruleset.Connections{}
	for r := range j.rules() {
		j.checkMatch(r)
		switch e := r.Effect; {
		case e.Verdict == ruleset.Continue && !e.Limited():
			j.checkLog(r)
		case e.Log != ruleset.Log{} || e.Verdict == ruleset.Continue:
			j.refuse(r, "write the log as a rule of its own", "it mixes a log with something else")
		case e.Limited():
			j.checkLimit(r, limits)
			j.checkConnections(r, connections)
		case e.Verdict != ruleset.Accept && e.Verdict != ruleset.Drop:
			j.refuse(r, "let it accept or drop", "it has no verdict")
		}
	}
}

func (j *job) checkMatch(r *ruleset.Rule) {
	for _, name := range r.Match.Interfaces.Names() {
		if !plainInterface(name) {
			j.refuse(r, "use letters, digits, '.', '_', ':' and '-', at most 15", "interface name %q", name)
		}
	}
	for s := range r.Match.Peers.Each() {
		// IPv4-mapped IPv6 addresses are the IPv4 addresses (package addr), so a bound
		// among them has no spelling of its own.
		if s.First.Is4In6() || s.Last.Is4In6() {
			j.refuse(r, "name whole networks", "source %s ends inside ::ffff:0:0/96", s)
		}
	}
	if r.Match.Types.IsAll() || !r.Match.Ports.IsAll() {
		return
	}
	if r.Match.Protos.Has(ruleset.ICMP) && !r.Match.Peers.Intersect(addr.V6()).IsEmpty() {
		j.refuse(r, "use IPv4 sources", "it names ICMP types for IPv6 sources")
	}
	if r.Match.Protos.Has(ruleset.ICMPv6) && !r.Match.Peers.Intersect(addr.V4()).IsEmpty() {
		j.refuse(r, "use IPv6 sources", "it names ICMPv6 types for IPv4 sources")
	}
}

// Bounds that every firewall of ours can count with.
const (
	maxBurst  = 1_000_000
	maxRefill = 30 * 86400 // seconds until an unused limit has all of its burst again

	maxConnections = 1_000_000
)

func (j *job) checkLimit(r *ruleset.Rule, seen map[string]ruleset.Limit) {
	l := r.Effect.Limit
	switch known, ok := seen[l.Name]; {
	case r.Effect.Verdict != ruleset.Accept:
		j.refuse(r, "limit accepts only", "a limit on a verdict other than accept")
		return
	case l == ruleset.Limit{}:
		return
	case !sound(l.Rate, l.Burst):
		j.refuse(r, "use a rate such as 10/minute with a burst of 5", "rate %s with burst %d", l.Rate, l.Burst)
	case !plainCount(l.Name):
		j.refuse(r, "use at most 15 of a-z, 0-9 and _", "limit name %q", l.Name)
	case ok && known != l:
		j.refuse(r, "give the two limits two names", "limit %q is defined in two ways", l.Name)
	}
	seen[l.Name] = l
}

func (j *job) checkConnections(r *ruleset.Rule, seen map[string]ruleset.Connections) {
	c := r.Effect.Connections
	switch known, ok := seen[c.Name]; {
	case c == ruleset.Connections{}:
		return
	case c.Count < 1 || c.Count > maxConnections:
		j.refuse(r, "use a number such as 20", "%d connections", c.Count)
	case !plainCount(c.Name):
		j.refuse(r, "use at most 15 of a-z, 0-9 and _", "name %q of a number of connections", c.Name)
	case ok && known != c:
		j.refuse(r, "give the two numbers two names", "connections %q are defined in two ways", c.Name)
	}
	seen[c.Name] = c
}

// plainCount reports whether a limit or a number of connections can have the name.
func plainCount(name string) bool {
	return name != "" && len(name) <= 15 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

func (j *job) checkLog(r *ruleset.Rule) {
	l := r.Effect.Log
	if !sound(l.Rate, l.Burst) {
		j.refuse(r, "use a rate such as 5/minute with a burst of 5", "log rate %s with burst %d", l.Rate, l.Burst)
	}
	// nft expands $name inside a log prefix and has no escape for '"'; iptables cuts
	// silently after 29 bytes.
	if len(l.Prefix) > 29 || strings.ContainsFunc(l.Prefix, func(c rune) bool {
		return c < ' ' || c > '~' || strings.ContainsRune("\"\\'$`", c)
	}) {
		j.refuse(r, "use at most 29 printable ASCII characters without quotes, backslash and $", "log prefix %q", l.Prefix)
	}
}

func sound(r ruleset.Rate, burst int) bool {
	return r.Count >= 1 && r.Count <= 1_000_000 && periodSeconds(r.Period) > 0 &&
		burst >= 1 && burst <= maxBurst && refill(r, burst) <= maxRefill
}

// periodSeconds is the length of a ruleset period in seconds, 0 for an unknown one.
func periodSeconds(period string) int {
	switch period {
	case "second":
		return 1
	case "minute":
		return 60
	case "hour":
		return 3600
	case "day":
		return 86400
	}
	return 0
}

// refill is how many seconds an unused limit takes to have all of its burst again,
// rounded up.
func refill(r ruleset.Rate, burst int) int {
	return (burst*periodSeconds(r.Period) + r.Count - 1) / r.Count
}

// plainInterface reports whether name is an interface name that no loader reads as a
// pattern: nft takes a trailing "*", iptables a trailing "+". 15 bytes is the limit of
// Linux (IFNAMSIZ).
func plainInterface(name string) bool {
	if name == "" || len(name) > 15 || name == "." || name == ".." || name[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(name, func(c rune) bool { return !wordRune(c) && c != ':' })
}

// wordRune reports whether c can stand in a name without a quote in every language we
// write.
func wordRune(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.'
}
