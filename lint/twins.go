package lint

import (
	"slices"
	"strings"

	"portolan/internal/diag"
)

// joinTwins makes one finding of two that say the same of the TCP and of the UDP socket of a
// listener: "SIP 5060/tcp and udp of kamailio …". The list is sorted, so that findings about
// one place stand beside each other.
func joinTwins(list diag.List) diag.List {
	out := list[:0]
	for _, d := range list {
		if !joined(out, &d) {
			out = append(out, d)
		}
	}
	return out
}

// maxTwins bounds the findings of one place that are compared.
const maxTwins = 20

// joined reports whether d has become a part of one of the last findings in list.
func joined(list diag.List, d *diag.Diagnostic) bool {
	for i := len(list) - 1; i >= max(0, len(list)-maxTwins) && list[i].Span == d.Span; i-- {
		if both, ok := twins(&list[i], d); ok {
			list[i] = both
			return true
		}
	}
	return false
}

// twins is one finding for both, false when they differ in more than the protocol.
func twins(a, b *diag.Diagnostic) (diag.Diagnostic, bool) {
	if a.Rule != b.Rule || a.Severity != b.Severity || a.Span != b.Span || len(a.Related) != len(b.Related) || len(a.Notes) != len(b.Notes) ||
		!slices.EqualFunc(a.Fixes, b.Fixes, func(x, y diag.Fix) bool {
			return x.Title == y.Title && x.Safety == y.Safety && slices.Equal(x.Edits, y.Edits)
		}) {
		return diag.Diagnostic{}, false
	}
	d, ok := *a, true
	join := func(x, y string) string {
		both, same := joinProtocols(x, y)
		ok = ok && same
		return both
	}
	d.Message, d.Label, d.Help = join(a.Message, b.Message), join(a.Label, b.Label), join(a.Help, b.Help)
	d.Related, d.Notes = slices.Clone(a.Related), slices.Clone(a.Notes)
	for i, r := range b.Related {
		ok = ok && r.Span == a.Related[i].Span
		d.Related[i].Message = join(a.Related[i].Message, r.Message)
	}
	for i, n := range b.Notes {
		d.Notes[i] = join(a.Notes[i], n)
	}
	d.Ports = diag.Join(slices.Concat(a.Ports, b.Ports)...)
	return d, ok
}

// joinProtocols is a text for two that differ in nothing but "/tcp" here and "/udp" there.
func joinProtocols(a, b string) (string, bool) {
	if a == b {
		return a, true
	}
	var out strings.Builder
	for {
		before, behind, found := strings.Cut(a, "/tcp")
		rest, same := strings.CutPrefix(b, before)
		if !found || !same {
			out.WriteString(a)
			return out.String(), a == b
		}
		out.WriteString(before + "/tcp")
		switch {
		case strings.HasPrefix(rest, "/udp"):
			out.WriteString(" and udp")
		case !strings.HasPrefix(rest, "/tcp"):
			return "", false
		}
		a, b = behind, rest[len("/udp"):]
	}
}
