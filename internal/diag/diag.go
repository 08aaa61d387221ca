// Package diag is what we tell people about their files.
//
// A Diagnostic is about a file of the user. A Go error says why we could not look.
// Functions that read the user's files return both: (T, List, error).
//
// Messages are lower case, without a full stop; they name the thing and the place
// and say what to do.
package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"portolan/internal/port"
	"portolan/internal/source"
)

// Severity is how bad a finding is. The zero value is none, so that a forgotten
// severity is visible.
type Severity uint8

// The severities in ascending order.
const (
	Invalid Severity = iota
	Info             // worth knowing; nothing need change
	Warning          // likely wrong, or wrong on another machine
	Error            // will fail
)

var severityNames = [...]string{"invalid", "info", "warning", "error"}

// String is the lower-case name.
func (s Severity) String() string { return severityNames[s] }

// ParseSeverity reads "error", "warning" or "info".
func ParseSeverity(name string) (Severity, error) {
	if i := slices.Index(severityNames[1:], name); i >= 0 {
		return Severity(i + 1), nil
	}
	return Invalid, fmt.Errorf("severity %q is not known: use error, warning or info", name)
}

// A Diagnostic is one finding.
type Diagnostic struct {
	Rule     string // the name of the rule, such as "ephemeral-overlap"
	Severity Severity
	Message  string      // one sentence: the thing and what is wrong with it
	Span     source.Span // the tightest text that is wrong
	Label    string      // words shown beside the marked text; may be empty
	Related  []Related   // the other half of the quarrel
	Notes    []string    // the facts that make it wrong, each with its own place
	Help     string      // what to do; may be empty
	Fixes    []Fix       // alternatives, of which at most one is applied
	// Ports are the ports of this host that the finding is about: of a quarrel those that are
	// shared, else those of the listener that are wrong, or all of them. They are in order of
	// protocol, each protocol once and none without a port; nil for a finding that is not about
	// ports of this host.
	Ports []Ports
}

// Ports are ports of one protocol.
type Ports struct {
	Proto port.Proto
	Set   port.Set
}

// Join is all ports of parts in the form of Diagnostic.Ports.
func Join(parts ...Ports) []Ports {
	if len(parts) == 1 && !parts[0].Set.IsEmpty() { // mostly it is one
		return slices.Clone(parts)
	}
	ranges := map[port.Proto][]port.Range{}
	for _, p := range parts {
		ranges[p.Proto] = append(ranges[p.Proto], p.Set.Ranges()...)
	}
	var out []Ports
	for proto, list := range ranges {
		if s := port.Of(list...); !s.IsEmpty() {
			out = append(out, Ports{proto, s})
		}
	}
	slices.SortFunc(out, func(a, b Ports) int { return cmp.Compare(a.Proto, b.Proto) })
	return out
}

// Related is a second place with its own words.
type Related struct {
	Span    source.Span
	Message string
}

// Safety says what may be done with a fix without asking. The zero value is none.
type Safety uint8

// The kinds of fixes.
const (
	_       Safety = iota
	Safe           // silences its rule, adds no finding, changes no other byte
	Unsafe         // may change what the operator meant
	Display        // shown, never applied: another machine, another file
)

// String is the word used in JSON.
func (s Safety) String() string { return [...]string{"invalid", "safe", "unsafe", "display"}[s] }

// A Fix is one way to mend a finding.
type Fix struct {
	Title  string // a verb phrase, "set rtp_server_port_base to 25000"
	Safety Safety
	Edits  []Edit // do not overlap; empty for Display
}

// An Edit replaces the text at Span by New.
type Edit struct {
	Span source.Span
	New  string
	// Create says that the file of Span is not there yet: New is all of it.
	Create bool
}

// Silenced is a finding that somebody has decided not to see.
type Silenced struct {
	Diagnostic
	Reason string      // in the words of whoever decided
	By     source.Span // where that is written
	Policy bool        // it is written in the policy, and not beside the finding
}

// List is findings in the order in which they were made, until Sort.
type List []Diagnostic

// Max is the highest severity in l, Invalid when l is empty.
func (l List) Max() Severity {
	m := Invalid
	for _, d := range l {
		m = max(m, d.Severity)
	}
	return m
}

// Count is how many findings have exactly the severity s.
func (l List) Count(s Severity) int {
	n := 0
	for _, d := range l {
		if d.Severity == s {
			n++
		}
	}
	return n
}

// Sort orders l by file, place, rule and message, so that the same findings come
// out in the same order whoever made them first.
func (l List) Sort() {
	slices.SortStableFunc(l, func(a, b Diagnostic) int {
		return cmp.Or(
			strings.Compare(a.Span.Name(), b.Span.Name()),
			cmp.Compare(a.Span.Start, b.Span.Start),
			cmp.Compare(a.Span.End, b.Span.End),
			strings.Compare(a.Rule, b.Rule),
			strings.Compare(a.Message, b.Message),
		)
	})
}
