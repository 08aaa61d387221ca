package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"portolan/internal/catalog"
	"portolan/internal/chart"
	"portolan/internal/diag"
	"portolan/internal/draw"
	"portolan/internal/host"
	"portolan/internal/ignore"
	"portolan/internal/inventory"
	"portolan/internal/report"
	"portolan/lint"
)

// chartFlags say which picture is drawn.
type chartFlags struct {
	input
	systems  bool
	compare  []string
	history  string
	baseline string
}

func (a *app) chartCommand() *cobra.Command {
	var in chartFlags
	var format string
	var o draw.Options
	cmd := &cobra.Command{
		Use:   "chart [PATH…]",
		Short: "draw the port space: who has which ports, and where they meet",
		Long: `Chart draws the ports from 0 to 65535 as a line, with a row for each system and each
service: what the system hands out to any program or keeps lies behind, what services
claim lies on it, and where the two meet, or two services, is marked with the exact
ports and the rule that finds it. The marks are what lint reports of ports; what a
comment "portolan:ignore" or an ignore in a policy silences is not marked, and with
--baseline nothing that an earlier run had found.

Used ports get more room than the gaps between them, and the numbers above say where a
range begins and ends. With --linear all ports get the same room.

With --platforms it draws what systems hand out when nobody has changed them, with the
sources; --compare chooses the systems and their order. The services of PATH or --root
are drawn below, judged for those systems: without --compare each service for those that
it runs on.

With --history it draws the ports that a service takes in each of its versions when
nobody writes anything, and the systems that it runs on below; --platforms draws all
systems, and --compare those that it names. What is marked meets a system on which the
service runs.

Exit codes: 0 it is drawn, whatever is wrong with the ports; 2 usage; 3 could not do it.`,
		Example: `  portolan chart
  portolan chart --root testdata/hosts/ivr-01
  portolan chart media_server.conf --platform linux,windows-server
  portolan chart --platforms
  portolan chart --compare linux,windows-server,freebsd
  portolan chart --root testdata/hosts/ivr-01 --compare linux,windows-server
  portolan chart --history lumenvox-media-server`,
		RunE: func(cmd *cobra.Command, args []string) error {
			i := slices.IndexFunc(draw.Formats[:], func(f draw.Format) bool { return f.Name == format })
			if i < 0 {
				return usage("--format: there is no format %q: use %s", format, draw.Names())
			}
			in.systems = in.systems || len(in.compare) > 0
			p, err := a.picture(cmd.Context(), &in, args)
			if err != nil {
				return err
			}
			o.Version = version
			if err := draw.Formats[i].Write(a.stdout, p, o); err != nil {
				return fmt.Errorf("writing the chart: %w", err)
			}
			return nil
		},
	}
	in.inventoryFlags(cmd)
	in.hostFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&format, "format", draw.Formats[0].Name, draw.Names())
	f.BoolVar(&o.Linear, "linear", false, "give every port the same room")
	f.BoolVar(&o.ASCII, "ascii", false, "draw with characters of ASCII alone")
	f.IntVar(&o.Width, "width", 0, "draw `N` columns or pixels wide")
	f.BoolVar(&in.systems, "platforms", false, "draw what systems hand out when nobody has changed them")
	f.StringSliceVar(&in.compare, "compare", nil, "draw the systems `NAMES` alone, such as linux,windows-server,freebsd")
	f.StringVar(&in.history, "history", "", "draw the default ports of a `SERVICE` by version")
	f.StringVar(&in.baseline, "baseline", "", "do not mark findings that `FILE` has, the output of lint --format json")
	complete(cmd, "format", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, f := range draw.Formats {
			names = append(names, f.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	complete(cmd, "compare", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		platforms, err := a.platformFacts()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return platforms.IDs(), cobra.ShellCompDirectiveNoFileComp
	})
	complete(cmd, "history", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		cat, err := a.catalogue(&in.input)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return cat.IDs(), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// picture is what the flags ask for.
func (a *app) picture(ctx context.Context, in *chartFlags, paths []string) (*chart.Picture, error) {
	reads := in.root != "" || len(paths) > 0
	switch {
	case (in.systems || in.history != "") && (in.hostFile != "" || len(in.input.platforms) > 0):
		return nil, usage("--platform and --host say of one host what its system is: choose systems with --compare")
	case in.history != "" && reads:
		return nil, usage("--history draws a service as it is described: leave out paths and --root")
	case in.baseline != "" && (in.history != "" || in.systems && !reads):
		return nil, usage("--baseline goes with the services of a host: name --root or a path")
	case in.history != "":
		return a.historyPicture(in)
	case in.systems:
		return a.platformsPicture(ctx, in, paths)
	}
	return a.hostPicture(ctx, in, paths)
}

// hostPicture is a host, or files by themselves.
func (a *app) hostPicture(ctx context.Context, in *chartFlags, paths []string) (*chart.Picture, error) {
	j, summary, err := a.judgeChart(ctx, in, paths, func(*found) {})
	if err != nil {
		return nil, err
	}
	return &chart.Picture{Title: "ports of " + whose(in.root, paths), Lines: []string{judgedBy(j.Hosts, in.hostFile), summary},
		Panels: []chart.Panel{chart.Host(j)}}, nil
}

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
	if len(j.Hosts) > maxBehind {
		j.Hosts = nil
	}
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
	var behind []host.Facts
	if len(on) <= maxBehind {
		behind = factsOf(known, on)
	}
	defaults, systems := chart.History(versions, behind, lint.Quarrel), chart.Platforms(list)
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
			v.Findings = lint.Run(inv, hosts, o)
			v.On = foundOn(v.Findings, inv, hosts, o)
			out = append(out, v)
		}
	}
	return out, diags
}

// maxBehind bounds the systems that are seen behind services too. What more of them hand out
// comes to nearly all ports, and would say nothing.
const maxBehind = 3

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

// judgeChart judges what is to be drawn, without the policy: that is no matter of ports. Its
// ignores count all the same. What could not be read is said on stderr. The summary counts the
// findings. Adjust may change what was read before it is judged.
func (a *app) judgeChart(ctx context.Context, in *chartFlags, paths []string, adjust func(*found)) (chart.Judged, string, error) {
	var none chart.Judged
	old, err := openBaseline(in.baseline)
	if err != nil {
		return none, "", err
	}
	one := in.input
	if one.catalog, err = a.catalogue(&one); err != nil {
		return none, "", err
	}
	written, mistakes, err := a.writtenPolicy(&one, one.catalog)
	if err != nil {
		return none, "", err
	}
	found, err := a.read(ctx, &one, paths, true)
	if err != nil {
		return none, "", err
	}
	adjust(found)
	j := a.judgeFound(&one, found, paths, ignore.Of(written, lint.Names()), nil)
	if err := splitKnown(old, &j.Host); err != nil {
		return none, "", err
	}
	var reading diag.List
	if written == nil { // a policy that is not understood has no ignores
		reading = mistakes
	}
	for _, d := range j.Findings {
		if slices.ContainsFunc(found.diags, func(o diag.Diagnostic) bool { return o.Rule == d.Rule && o.Span == d.Span && o.Message == d.Message }) {
			reading = append(reading, d)
		}
	}
	if len(reading) > 0 {
		if err := a.tell(reading); err != nil {
			return none, "", err
		}
	}
	out := chart.Judged{Inventory: found.inventory, Hosts: found.hosts, Findings: j.Findings, Quarrel: lint.Quarrel}
	if len(found.hosts) > 1 || len(one.platforms) > 0 {
		out.On = foundOn(out.Findings, found.inventory, found.hosts, lint.Options{Supported: found.alone, Part: len(paths) > 0})
	}
	return out, j.Summary(), ctx.Err()
}

// foundOn says on which of the hosts, by their platforms, each finding is so: on those by whose
// facts it is found, and on no one where it is found without any.
func foundOn(list diag.List, inv *inventory.Inventory, hosts []host.Facts, o lint.Options) [][]string {
	out := make([][]string, len(list))
	plain := lint.Run(inv, nil, o)
	for k := range hosts {
		here := lint.Run(inv, hosts[k:k+1], o)
		for i := range list {
			if d := &list[i]; has(here, d) && !has(plain, d) {
				out[i] = append(out[i], hosts[k].Platform)
			}
		}
	}
	return out
}

// has reports whether a list has a finding of the rule, the place and some of the ports of d.
func has(list diag.List, d *diag.Diagnostic) bool {
	return slices.ContainsFunc(list, func(o diag.Diagnostic) bool {
		return o.Rule == d.Rule && o.Span == d.Span && slices.ContainsFunc(o.Ports, func(a diag.Ports) bool {
			return slices.ContainsFunc(d.Ports, func(b diag.Ports) bool { return a.Proto == b.Proto && !a.Set.Intersect(b.Set).IsEmpty() })
		})
	})
}

// maxTitle bounds the names of files in a title.
const maxTitle = 3

// whose names what is drawn: the folder of a host, files, or this machine.
func whose(root string, paths []string) string {
	var names []string
	for _, path := range append(paths, root) {
		if path == "" {
			continue
		}
		if _, name, said := strings.Cut(path, "="); said && name != "" {
			path = name
		}
		name := filepath.Base(path)
		if at, err := filepath.Abs(path); err == nil { // of "." too
			name = filepath.Base(at)
		}
		names = append(names, report.Printable(filepath.ToSlash(name)))
	}
	if rest := len(names) - maxTitle; rest > 1 {
		names = append(names[:maxTitle], fmt.Sprintf("%d more", rest))
	}
	return cmp.Or(joinedBy(names, " and "), "this machine")
}

// judgedBy says whose facts the ports are held against.
func judgedBy(hosts []host.Facts, file string) string {
	if len(hosts) != 1 {
		var names []string
		for i := range hosts {
			names = append(names, hosts[i].Platform)
		}
		if names == nil {
			return "no system is known on which it runs"
		}
		return "judged for " + report.Printable(joinedBy(names, " and "))
	}
	f := &hosts[0]
	from := map[string]string{"this machine": "as it is now", "files": "as its files say", "built-in": "as it is when nobody has changed it"}[f.From]
	if file != "" {
		from = "as " + file + " says"
	}
	return report.Printable(cmp.Or(f.Title, f.Platform, "the system is not known") + ", " + from)
}
