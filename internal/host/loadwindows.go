package host

import (
	"fmt"
	"slices"

	"portolan/internal/diag"
	"portolan/internal/port"
	"portolan/internal/source"
)

// windows puts into f what was captured. Of the four dynamic ranges, those that were
// not captured keep the built-in default. A range whose family nothing tells counts for
// each family of which there is no other; two captures that disagree both count,
// because it is not known which one is right, and are reported.
func (f *Facts) windows(c Capture) diag.List {
	var diags diag.List
	reported := map[source.Span]bool{}
	for _, proto := range port.Protos {
		for _, family := range []Family{V4, V6} {
			ranges := dynamicOf(c.Dynamic, proto, family)
			if len(ranges) == 0 {
				ranges = dynamicOf(c.Dynamic, proto, 0)
			}
			if len(ranges) == 0 {
				continue
			}
			f.From = fromFiles
			var all []found
			for _, r := range ranges {
				all = append(all, found{r.Ports, r.Span, r.Span})
			}
			f.replace(proto, family, all...)
			// The profiles of TCP are no captures of one fact.
			if first, second, ok := rivals(ranges); ok && !reported[second.Span] {
				reported[second.Span] = true
				diags = append(diags, disagreement(first, second))
			}
		}
	}
	for _, family := range []Family{V4, V6} {
		for _, r := range dynamicOf(c.Reuse, port.TCP, 0) {
			f.From = fromFiles
			f.Ephemeral = append(f.Ephemeral, Ephemeral{Proto: port.TCP, Family: family, Ports: r.Ports, Setting: psReuseStart + " of Get-NetTCPSetting", From: r.Span.Place()})
		}
	}
	sortEphemeral(f.Ephemeral)
	f.Excluded = exclusions(c.Excluded)
	if len(f.Excluded) > 0 {
		f.From = fromFiles
	}
	return diags
}

// dynamicOf are the ranges captured for exactly this protocol and family, each once.
func dynamicOf(all []DynamicRange, proto port.Proto, family Family) []DynamicRange {
	var out []DynamicRange
	for _, r := range all {
		if r.Proto == proto && r.Family == family && !slices.ContainsFunc(out, func(o DynamicRange) bool { return o.Ports == r.Ports }) {
			out = append(out, r)
		}
	}
	return out
}

// rivals are the first two ranges that one command gave for the same thing.
func rivals(ranges []DynamicRange) (first, second DynamicRange, ok bool) {
	seen := map[string]DynamicRange{}
	for _, r := range ranges {
		if other, twice := seen[r.Profile]; twice {
			return other, r, true
		}
		seen[r.Profile] = r
	}
	return first, second, false
}

func disagreement(first, second DynamicRange) diag.Diagnostic {
	family := "an IP version that nothing tells"
	if first.Family != 0 {
		family = fmt.Sprintf("IPv%d", first.Family)
	}
	return diag.Diagnostic{
		Rule: RuleBroken, Severity: diag.Warning, Span: second.Span,
		Message: fmt.Sprintf("two captures of the dynamic %s ports of %s disagree, %s and %s: both are used", first.Proto, family, first.Ports, second.Ports),
		Related: []diag.Related{{Span: first.Span, Message: "the other capture"}},
		Help:    "delete the older capture, or put ipv4 and ipv6 into the names of the files",
	}
}

// exclusions are the captured rows, each once for a protocol and family. A row whose
// family nothing tells counts for both.
func exclusions(rows []ExcludedRange) []Excluded {
	type key struct {
		proto        port.Proto
		family       Family
		ports        port.Range
		administered bool
	}
	seen := map[key]bool{}
	var out []Excluded
	for _, row := range rows {
		families := []Family{row.Family}
		if row.Family == 0 {
			families = []Family{V4, V6}
		}
		for _, family := range families {
			k := key{row.Proto, family, row.Ports, row.Administered}
			if !seen[k] {
				seen[k] = true
				out = append(out, Excluded{row.Proto, family, row.Ports, row.Administered, row.Span.Place()})
			}
		}
	}
	return out
}
