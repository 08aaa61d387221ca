package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

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
	roots    []string
	before   bool
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

With --before it draws today's ports above those that portolan lint proposes, where what
moves is outlined in the place that it has in the other picture, and lists what has to be
changed: what lint --fix would do, and what its help says of the rest. What is left is
marked.

With --root, further folders are hosts too: --root hosts/* draws a row for each host below
hosts/, those with the most trouble first. Of more than 10 hosts only what is marked has
words. In HTML each has its own picture below; of more than 100 hosts those with
findings, and not more than 100. A host that cannot be read is named in its row and on
standard error, and the exit code is 3.

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
  portolan chart --root testdata/hosts/ivr-01 --before
  portolan chart --root hosts/* --format html
  portolan chart --platforms
  portolan chart --compare linux,windows-server,freebsd
  portolan chart --root testdata/hosts/ivr-01 --compare linux,windows-server
  portolan chart --history lumenvox-media-server`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.fit(cmd, format, &o); err != nil {
				return err
			}
			i := slices.IndexFunc(draw.Formats[:], func(f draw.Format) bool { return f.Name == format })
			if i < 0 {
				return usage("--format: there is no format %q: use %s", format, draw.Names())
			}
			in.systems = in.systems || len(in.compare) > 0
			// What could not be read of many hosts is said when the others are drawn.
			p, left := a.picture(cmd.Context(), &in, args, format)
			if p == nil {
				return left
			}
			o.Version = version
			if err := draw.Formats[i].Write(a.stdout, p, o); err != nil {
				return fmt.Errorf("writing the chart: %w", err)
			}
			return left
		},
	}
	in.rootsFlag(cmd, &in.roots)
	in.serviceFlags(cmd)
	in.hostFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&format, "format", draw.Formats[0].Name, draw.Names())
	f.BoolVar(&o.Linear, "linear", false, "give every port the same room")
	f.BoolVar(&o.ASCII, "ascii", false, "draw with characters of ASCII alone; the usual in a locale without UTF-8")
	f.Var(&o.Theme, "theme", "the ground of SVG and HTML: auto, light or dark")
	f.IntVar(&o.Width, "width", 0, "draw `N` columns or pixels wide; without it as wide as the terminal, or 80 columns")
	f.BoolVar(&in.before, "before", false, "draw today's ports above those that portolan lint proposes")
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

// picture is what the flags ask for, in a form that suits the format. There may be one beside an
// error.
func (a *app) picture(ctx context.Context, in *chartFlags, paths []string, format string) (*chart.Picture, error) {
	var err error
	if paths, err = in.oneHost(&in.roots, paths); err != nil {
		return nil, err
	}
	reads := in.root != "" || len(in.roots) > 1 || len(paths) > 0
	switch {
	case (in.systems || in.history != "") && (in.hostFile != "" || len(in.input.platforms) > 0):
		return nil, usage("--platform and --host say of one host what its system is: choose systems with --compare")
	case in.history != "" && reads:
		return nil, usage("--history draws a service as it is described: leave out paths and --root")
	case in.baseline != "" && (in.history != "" || in.systems && !reads):
		return nil, usage("--baseline goes with the services of a host: name --root or a path")
	case in.before && (in.history != "" || in.systems):
		return nil, usage("--before draws the services of a host: leave out --history, --platforms and --compare")
	case in.before && len(in.roots) > 1:
		return nil, usage("--before takes one host: name one --root")
	case in.systems && len(in.roots) > 1:
		return nil, usage("--platforms and --compare take one host: name one --root")
	case in.history != "":
		return a.historyPicture(in)
	case in.systems:
		return a.platformsPicture(ctx, in, paths)
	case len(in.roots) > 1:
		return a.fleetPicture(ctx, in, format == "html")
	case in.before:
		return a.beforePicture(ctx, in, paths)
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

// judgeChart judges what is to be drawn, without the policy: that is no matter of ports. Its
// ignores count all the same. What could not be read is said on stderr. The summary counts the
// findings. Adjust may change what was read before it is judged.
func (a *app) judgeChart(ctx context.Context, in *chartFlags, paths []string, adjust func(*found)) (chart.Judged, string, error) {
	r, err := a.readChart(ctx, in, paths)
	if err != nil {
		return chart.Judged{}, "", err
	}
	adjust(r.found)
	out, host, err := r.judge(a, r.found)
	if err != nil {
		return out, "", err
	}
	return out, summary(&out, &host), r.tell(ctx, a, host.Findings)
}

// summary counts the findings of a host, and says so where there is nothing else to be seen of it.
func summary(j *chart.Judged, host *report.Host) string {
	if slices.ContainsFunc(j.Inventory.Claims, func(c inventory.Claim) bool { return c.Direction == inventory.Listen && c.Ports.Len() > 0 }) {
		return host.Summary()
	}
	return host.Summary() + "; no service claims a port"
}

// chartRead is what one host, or files by themselves, are judged by.
type chartRead struct {
	input
	paths    []string
	old      *report.Baseline
	shared   *ignore.Shared
	mistakes diag.List // of a policy that is not understood, and has no ignores
	found    *found
}

func (a *app) readChart(ctx context.Context, in *chartFlags, paths []string) (*chartRead, error) {
	r := chartRead{input: in.input, paths: paths}
	var err error
	if r.old, err = openBaseline(in.baseline); err != nil {
		return nil, err
	}
	if r.catalog, err = a.catalogue(&r.input); err != nil {
		return nil, err
	}
	written, mistakes, err := a.writtenPolicy(&r.input, r.catalog)
	if err != nil {
		return nil, err
	}
	if written == nil {
		r.mistakes = mistakes
	}
	r.shared = ignore.Of(written, lint.Names())
	if r.found, err = a.read(ctx, &r.input, paths, true); err != nil {
		return nil, err
	}
	r.found.diags = slices.Clip(r.found.diags) // several judge by them
	return &r, nil
}

// options are those of lint for what was found.
func (r *chartRead) options(found *found) lint.Options {
	return lint.Options{Supported: found.alone, Part: len(r.paths) > 0}
}

// judge judges what was read, or what it would be.
func (r *chartRead) judge(a *app, found *found) (chart.Judged, report.Host, error) {
	j := a.judgeFound(&r.input, found, r.paths, r.shared, nil)
	err := splitKnown(r.old, &j.Host)
	out := toDraw(found, &j.Host)
	if len(found.hosts) > 1 || len(r.platforms) > 0 {
		out.On = foundOn(out.Findings, found.inventory, found.hosts, r.options(found))
	}
	return out, j.Host, err
}

// toDraw is what a picture is made of.
func toDraw(found *found, host *report.Host) chart.Judged {
	return chart.Judged{Inventory: found.inventory, Hosts: found.hosts, Findings: host.Findings, Quarrel: lint.Quarrel}
}

// tell says on stderr what could not be read, but for what is known or ignored.
func (r *chartRead) tell(ctx context.Context, a *app, list diag.List) error {
	reading := r.mistakes
	for _, d := range list {
		if slices.ContainsFunc(r.found.diags, func(o diag.Diagnostic) bool { return o.Rule == d.Rule && o.Span == d.Span && o.Message == d.Message }) {
			reading = append(reading, d)
		}
	}
	if len(reading) > 0 {
		if err := a.tell(reading); err != nil {
			return err
		}
	}
	return ctx.Err()
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
	return cmp.Or(report.Joined(names, " and "), "this machine")
}

// judgedBy says whose facts the ports are held against.
func judgedBy(hosts []host.Facts, file string) string {
	if len(hosts) != 1 {
		var names []string
		for i := range hosts {
			names = append(names, cmp.Or(hosts[i].Platform, "a system that is not known"))
		}
		if names == nil {
			return "no system is known on which it runs"
		}
		return "judged for " + report.Printable(report.Joined(names, " and "))
	}
	f := &hosts[0]
	title := cmp.Or(f.Title, f.Platform)
	if title == "" {
		return "the system is not known, and so are the ports that it hands out"
	}
	from := map[string]string{"this machine": "as it is now", "files": "as its files say", "built-in": "as it is when nobody has changed it"}[f.From]
	if file != "" {
		from = "as " + file + " says"
	}
	return report.Printable(title + ", " + from)
}
