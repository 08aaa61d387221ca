package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"portolan/internal/chart"
	"portolan/internal/report"
)

// maxPanels is how many hosts have a picture of their own in a file that can hold them: a host of
// four services with ten claims is some 20 kB there, and 7 kB in the row of the picture of all.
const maxPanels = 100

// fleetPicture is a picture of many hosts, of which a few are in memory at once and the others are
// what the picture has of them. Each gets a panel of its own where panels is true; of more than
// maxPanels those with findings, and of them those with the most trouble. The error says how many
// could not be read; the picture is whole all the same.
func (a *app) fleetPicture(ctx context.Context, in *chartFlags, panels bool) (*chart.Picture, error) {
	old, err := openBaseline(in.baseline)
	if err != nil {
		return nil, err
	}
	all, err := a.fleet(&in.input)
	if err != nil {
		return nil, err
	}
	if all.written == nil && len(all.text) > 0 { // a policy that is not understood has no ignores
		if err := a.tell(all.text); err != nil {
			return nil, err
		}
	}
	all.written = nil // what a policy opens is no matter of ports
	roots := distinct(in.roots)
	below, names := shortNames(roots)
	p := chart.Picture{Title: fmt.Sprintf("ports of %d hosts", len(roots))}
	if below != "" {
		p.Title += " below " + report.Printable(below)
	}
	var members []chart.Member
	failed := 0
	for member, err := range eachHost(ctx, a, roots, func(i int) (chart.Member, error) {
		one := all.host(roots[i])
		found, err := a.read(ctx, &one, nil, true)
		if err != nil {
			return chart.Member{}, err
		}
		j := a.judgeFound(&one, found, nil, all.ignores, nil)
		if err := splitKnown(old, &j.Host); err != nil {
			return chart.Member{}, err
		}
		keep := panels && (len(roots) <= maxPanels || len(j.Findings) > 0)
		judged := toDraw(found, &j.Host)
		return chart.MemberOf(names[i], summary(&judged, &j.Host), judged, keep), nil
	}) {
		if err != nil {
			failed++
			member = chart.UnreadMember(names[len(members)], err)
		}
		members = append(members, member)
	}
	if ctx.Err() != nil {
		fmt.Fprintf(a.stderr, "portolan: %d of %d hosts were read\n", len(members), len(roots))
		return nil, ctx.Err()
	}
	p.Panels = chart.Fleet(members, maxPanels)
	if !panels {
		p.Lines = append(p.Lines, "portolan chart --root DIR draws one of them with all its services, and --format html all in one file")
	}
	if failed > 0 {
		return &p, fmt.Errorf("%d of %d hosts could not be read", failed, len(roots))
	}
	return &p, nil
}

// shortNames are the paths of folders from the deepest one that all of them are below; "" and
// the paths as they are where there is no such folder but the working directory or the top.
func shortNames(roots []string) (below string, names []string) {
	for _, r := range roots {
		names = append(names, filepath.ToSlash(filepath.Clean(r)))
	}
	if len(names) == 0 {
		return "", nil
	}
	for i := strings.LastIndexByte(names[0], '/'); i > 0; i = strings.LastIndexByte(names[0][:i], '/') {
		below := names[0][:i+1]
		short := make([]string, 0, len(names))
		for _, n := range names {
			if rest, ok := strings.CutPrefix(n, below); ok {
				short = append(short, rest)
			}
		}
		if len(short) == len(names) {
			return names[0][:i], short
		}
	}
	return "", names
}
