package main

import (
	"context"

	"portolan/internal/chart"
	"portolan/lint"
)

// beforePicture is today's panel above that of what lint proposes, and lines that say what has to
// be changed for it.
func (a *app) beforePicture(ctx context.Context, in *chartFlags, paths []string) (*chart.Picture, error) {
	r, err := a.readChart(ctx, in, paths)
	if err != nil {
		return nil, err
	}
	proposal := lint.Propose(r.found.inventory, r.found.hosts, r.options(r.found))
	after := *r.found
	after.inventory, after.hosts = proposal.Of(r.found.inventory, r.found.hosts)
	today, now, err := r.judge(a, r.found)
	if err != nil {
		return nil, err
	}
	then, left, err := r.judge(a, &after)
	if err != nil {
		return nil, err
	}
	set := map[int]int{}
	for _, m := range proposal.Moves {
		set[m.Claim] = m.Set
	}
	panels, steps := chart.Before(today, then, func(claim int) int { return set[claim] })
	p := &chart.Picture{Title: "ports of " + whose(in.root, paths) + ", and what portolan lint proposes", Lines: []string{judgedBy(today.Hosts, in.hostFile)}, Panels: panels}
	p.Panels[0].Title, p.Panels[0].Note = "today", summary(&today, &now)
	switch {
	case len(steps) > 0:
		p.Panels[1].Title, p.Panels[1].Note = "as proposed", summary(&then, &left)
		p.Lines = append(p.Lines, "to be changed:")
		for _, s := range steps {
			p.Lines = append(p.Lines, "- "+s)
		}
	case len(now.Findings) == 0:
		p.Lines = append(p.Lines, "nothing is to be changed: nothing was found")
	default:
		p.Lines = append(p.Lines, "no ports and no list of reserved ones are to be changed: the findings say what else can be done")
	}
	if n := len(now.Ignored) + len(now.Known); n > 0 && len(steps) > 0 {
		p.Lines = append(p.Lines, "the proposal minds what is ignored or known, too: "+findings(n))
	}
	return p, r.tell(ctx, a, now.Findings)
}
