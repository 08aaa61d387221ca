package main

import (
	"context"
	"slices"

	"portolan/internal/catalog"
	"portolan/internal/chart"
	"portolan/internal/diag"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/report"
	"portolan/lint"
)

// platformsPicture is what systems hand out, and services below where some are named.
func (a *app) platformsPicture(ctx context.Context, in *chartFlags, paths []string) (*chart.Picture, error) {
	known, err := a.platformFacts()
	if err != nil {
		return nil, err
	}
	list, err := compared(known, in.compare)
	if err != nil {
		return nil, err
	}
	p := &chart.Picture{Title: "ephemeral ports: what systems hand out when nobody has changed them",
		Lines:  []string{"a program that asks for no port of its own gets one of these"},
		Panels: []chart.Panel{chart.Platforms(list)}}
	if in.root == "" && len(paths) == 0 {
		return p, nil
	}
	one := *in
	one.known = &known
	one.input.platforms = ids(list)
	j, summary, err := a.judgeChart(ctx, &one, paths, func(f *found) { f.alone = len(in.compare) == 0 })
	if err != nil {
		return nil, err
	}
	p.Panels[0].Title = "systems"
	services := chart.Services(j)
	services.Title, services.Note = whose(in.root, paths), summary
	p.Panels = append(p.Panels, services)
	return p, nil
}

// historyPicture is what a service takes by itself in each of its versions, and systems below:
// those that it runs on, or those that are asked for.
func (a *app) historyPicture(in *chartFlags) (*chart.Picture, error) {
	cat, err := a.catalogue(&in.input)
	if err != nil {
		return nil, err
	}
	opts, err := in.options(cat)
	if err != nil {
		return nil, err
	}
	s := cat.Find(in.history)
	if s == nil {
		return nil, usage("--history: there is no service %q%s", in.history, nearest(in.history, cat.IDs()))
	}
	known, err := a.platformFacts()
	if err != nil {
		return nil, err
	}
	home, err := compared(known, s.Platforms)
	if err != nil {
		return nil, err
	}
	list := home
	if in.systems {
		if list, err = compared(known, in.compare); err != nil {
			return nil, err
		}
	} else {
		chart.InOrder(list)
	}
	var on []host.Platform // of those, the ones that it runs on
	for i := range list {
		if slices.ContainsFunc(home, func(p host.Platform) bool { return p.OS == list[i].OS }) {
			on = append(on, list[i])
		}
	}
	versions, diags := versionsOf(s, known, home, on, opts[s.ID])
	if len(diags) > 0 {
		if err := a.tell(diags); err != nil {
			return nil, err
		}
	}
	defaults, systems := chart.History(versions, factsOf(known, on), lint.Quarrel), chart.Platforms(list)
	defaults.Title, systems.Title = report.Printable(s.ID), "systems"
	return &chart.Picture{Title: report.Printable("default ports of " + s.Title + " by version"),
		Lines:  []string{"what it takes when nobody writes anything, above what systems hand out"},
		Panels: []chart.Panel{defaults, systems}}, nil
}

// factsOf are the facts of platforms.
func factsOf(known host.Platforms, list []host.Platform) []host.Facts {
	out := make([]host.Facts, len(list))
	for i := range list {
		out[i], _ = known.Facts(list[i].ID)
	}
	return out
}

// versionsOf is what the versions of s take by themselves, the oldest first, judged for the
// platforms on: once for all systems where nothing depends on them, else for each of those of
// home.
func versionsOf(s *catalog.Service, known host.Platforms, home, on []host.Platform, choices map[string]string) ([]chart.Version, diag.List) {
	systems := []string{""}
	if slices.ContainsFunc(s.Defaults, func(d catalog.Default) bool {
		return slices.ContainsFunc(d.Cases, func(c catalog.Case) bool { return c.OS != "" })
	}) {
		systems = nil
		for i := range home {
			if !slices.Contains(systems, home[i].OS) {
				systems = append(systems, home[i].OS)
			}
		}
	}
	var out []chart.Version
	var diags diag.List
	for _, system := range slices.Backward(systems) { // the picture begins at the end
		hosts := factsOf(known, slices.DeleteFunc(slices.Clone(on), func(p host.Platform) bool { return system != "" && p.OS != system }))
		eras, more := inventory.Eras(s, system, choices)
		diags = append(diags, more...)
		for _, era := range eras {
			v := chart.Version{Era: era, System: system}
			inv, o := &inventory.Inventory{OS: system, Claims: era.Claims}, lint.Options{Supported: true, Part: true}
			v.Findings = slices.DeleteFunc(lint.Run(inv, hosts, o), func(d diag.Diagnostic) bool { return !lint.Quarrel(d.Rule) }) // others are about files
			v.On = foundOn(v.Findings, inv, hosts, o)
			out = append(out, v)
		}
	}
	return out, diags
}

// compared are the platforms of these names, each once, or all in order.
func compared(known host.Platforms, names []string) ([]host.Platform, error) {
	var list []host.Platform
	for _, name := range names {
		one, err := platformOf(known, name)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(list, func(p host.Platform) bool { return p.ID == one.ID }) {
			list = append(list, one)
		}
	}
	if names == nil {
		for _, id := range known.IDs() {
			one, _ := known.Lookup(id)
			list = append(list, one)
		}
		chart.InOrder(list)
	}
	return list, nil
}

// ids are those of platforms.
func ids(list []host.Platform) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].ID
	}
	return out
}
