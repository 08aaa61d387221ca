package chart

import (
	"slices"
	"strings"

	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
)

// A Version is what a service takes by itself in a run of its versions, and what is wrong with
// that.
type Version struct {
	inventory.Era
	// System is the one on which this is so, "windows"; "" for all.
	System string
	// Findings are about the claims of the era, and On as in Judged.
	Findings diag.List
	On       [][]string
}

// History is the panel of a service's default ports by version: a group for each of list, the
// newest first, where list has the oldest first. Behind lies what hosts hand out. What is not
// known of versions is said in the group's note, and why among its sources. Connections to
// others are left out.
func History(list []Version, hosts []host.Facts, quarrel func(rule string) bool) Panel {
	p := Panel{Bands: background(hosts)}
	for i := range slices.Backward(list) {
		v := &list[i]
		p.Groups = append(p.Groups, eraGroup(v))
		j := Judged{Hosts: hosts, Findings: v.Findings, Quarrel: quarrel, On: v.On}
		known := len(p.Findings)
		p.find(&j, p.Groups[len(p.Groups)-1:])
		for k := range p.Findings[known:] {
			p.Findings[known+k].Message += " (" + printable(v.words()) + ")"
		}
	}
	return p
}

// eraGroup is the group of an era.
func eraGroup(v *Version) Group {
	g := Group{Name: printable(v.name()), Title: printable(v.words())}
	for i := range v.Claims {
		if c := &v.Claims[i]; c.Direction == inventory.Listen && c.Ports.Len() > 0 {
			g.add(barOf(c))
		}
	}
	g.sort()
	var gone []string
	undocumented := true // and for no other reason
	for _, u := range v.Unknown {
		if u.Direction != inventory.Listen {
			continue
		}
		if name := printable(u.Listen); !slices.Contains(gone, name) {
			gone = append(gone, name)
		}
		undocumented = undocumented && strings.Contains(u.Why, "not documented")
		g.Sources = append(g.Sources, Source{Words: g.Name + ", " + printable(u.Listen+": "+u.Why)})
	}
	switch {
	case len(gone) > 0 && undocumented:
		g.Note = "not documented: " + strings.Join(gone, ", ")
	case len(gone) > 0:
		g.Note = "not known: " + strings.Join(gone, ", ")
	case len(g.Lanes) == 0:
		g.Note = "it takes no port until somebody writes so"
	}
	for _, s := range v.Era.Sources {
		out := Source{Words: printable(s.Setting + " is " + s.Value + " " + s.Words), Note: printable(s.Note)}
		if s.Option != "" {
			out.Words = printable(s.Setting + " (" + s.Option + "): " + s.Value)
		}
		for _, cite := range s.Cites {
			out.Cites = append(out.Cites, printable(cite))
		}
		g.Sources = append(g.Sources, out)
	}
	return g
}

// name says for which versions v is, in few words: "12.1 and later", "10.1 to before 12.1".
func (v *Version) name() string {
	words := "all versions"
	switch {
	case v.Since != "" && v.Before != "":
		words = v.Since + " to before " + v.Before
	case v.Since != "":
		words = v.Since + " and later"
	case v.Before != "":
		words = "before " + v.Before
	}
	if v.System != "" {
		words += ", " + v.System
	}
	return words
}

// words are those of the era, and its system: "from 10.1, before 12.1, on windows".
func (v *Version) words() string {
	words := v.Era.Words()
	if v.System != "" {
		words += ", on " + v.System
	}
	return words
}
