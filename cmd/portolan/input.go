package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"portolan/internal/catalog"
	"portolan/internal/diag"
	"portolan/internal/hclfile"
	"portolan/internal/host"
	"portolan/internal/ignore"
	"portolan/internal/inventory"
	"portolan/internal/policy"
	"portolan/internal/report"
	"portolan/internal/source"
	"portolan/policies"
	"portolan/services"
)

// input are the flags that say what to read.
type input struct {
	root      string
	hostFile  string
	platforms []string
	policy    string
	services  string
	set       []string

	// What was loaded once for many hosts; nil loads it.
	catalog *catalog.Catalog
	known   *host.Platforms
	written *policy.Policy // to judge by; nil does not judge a policy

	builtin func() (*catalog.Catalog, error) // the built-in descriptions that are being loaded; nil when they are not
	text    *policyText                      // the policy, when it was read before it is asked for
}

// begin loads the built-in descriptions, while something else is done before they are asked for.
// Those of an operator wait for it: what is wrong with them is said at their turn.
func (in *input) begin() {
	if in.services == "" {
		in.builtin = sync.OnceValues(func() (*catalog.Catalog, error) {
			cat, _, err := catalog.Load(services.FS) // findings are about those of operators
			return cat, err
		})
		go in.builtin()
	}
}

// inventoryFlags are the flags of commands that read configuration.
func (in *input) inventoryFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&in.root, "root", "", "read a host's files below `DIR`")
	in.serviceFlags(cmd)
}

// serviceFlags are the flags about services.
func (in *input) serviceFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&in.services, "services", "", "add or override descriptions of services from `DIR`")
	f.StringArrayVar(&in.set, "set", nil, "choose an option of a service, `SERVICE.OPTION=VALUE`")
}

func (in *input) hostFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&in.hostFile, "host", "", "facts of the host from `FILE`, the output of portolan host")
	f.StringSliceVar(&in.platforms, "platform", nil, "judge for the built-in defaults of `NAMES`, such as linux,windows-server")
}

func (in *input) policyFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&in.policy, "policy", "", "the policy in `FILE`; without it portolan.hcl here or in a folder above, else the built-in one")
}

// catalogue loads the built-in descriptions and those of --services.
func (a *app) catalogue(in *input) (*catalog.Catalog, error) {
	switch {
	case in.catalog != nil:
		return in.catalog, nil
	case in.builtin != nil:
		return in.builtin()
	}
	var theirs []fs.FS
	if in.services != "" {
		if info, err := os.Stat(in.services); err != nil || !info.IsDir() {
			return nil, usage("--services %s: not a folder", in.services)
		}
		theirs = append(theirs, catalog.Folder{FS: os.DirFS(in.services), Name: filepath.ToSlash(in.services)})
	}
	cat, diags, err := catalog.Load(services.FS, theirs...)
	if err != nil {
		return nil, err
	}
	if theirs := cat.Theirs(); len(theirs) > 0 {
		platforms, err := a.platformFacts()
		if err != nil {
			return nil, err
		}
		for _, s := range theirs {
			for _, name := range s.Platforms { // without facts it would be judged by nothing
				if _, ok := platforms.Facts(name); !ok {
					diags = append(diags, diag.Diagnostic{Rule: catalog.Rule, Severity: diag.Error, Span: s.Span,
						Message: fmt.Sprintf("%s runs on a platform %q that is not known%s", s.ID, name, hclfile.Suggest(name, platforms.IDs())),
						Help:    "platforms are " + strings.Join(platforms.IDs(), ", ")})
				}
			}
		}
	}
	return cat, a.refuse(diags, "the descriptions of services have errors")
}

// tell prints findings beside the answer of a command, or logs them.
func (a *app) tell(diags diag.List) error {
	if a.log == nil {
		return report.Text(a.stderr, diags, a.dress(a.stderr))
	}
	for _, d := range diags {
		level := map[diag.Severity]slog.Level{diag.Error: slog.LevelError, diag.Warning: slog.LevelWarn}[d.Severity] // else info
		a.log.Log(context.Background(), level, report.Printable(d.Message), "rule", d.Rule, "place", report.Printable(d.Span.Place()), "help", report.Printable(d.Help))
	}
	return nil
}

// refuse prints findings that keep a command from working; nil without an error among
// them.
func (a *app) refuse(diags diag.List, why string) error {
	if len(diags) == 0 {
		return nil
	}
	diags.Sort()
	if err := a.tell(diags); err != nil {
		return err
	}
	if diags.Max() < diag.Error {
		return nil
	}
	return &exitError{exitFailure, errors.New(why)}
}

// options are the choices of --set, checked against the catalogue.
func (in *input) options(cat *catalog.Catalog) (inventory.Options, error) {
	opts := inventory.Options{}
	for _, s := range in.set {
		name, value, ok := strings.Cut(s, "=")
		id, option, dotted := strings.Cut(name, ".")
		if !ok || !dotted {
			return nil, usage("--set %s: write it as SERVICE.OPTION=VALUE", s)
		}
		service := cat.Find(id)
		if service == nil {
			return nil, usage("--set %s: there is no service %q%s", s, id, hclfile.Suggest(id, cat.IDs()))
		}
		i := slices.IndexFunc(service.Options, func(o catalog.Option) bool { return o.Name == option })
		if i < 0 {
			var names []string
			for _, o := range service.Options {
				names = append(names, o.Name)
			}
			return nil, usage("--set %s: service %s has no option %q%s", s, id, option, hclfile.Suggest(option, names))
		}
		if choices := service.Options[i].Values; !slices.Contains(choices, value) {
			return nil, usage("--set %s: the choices are %s", s, strings.Join(choices, ", "))
		}
		if opts[id] == nil {
			opts[id] = map[string]string{}
		}
		opts[id][option] = value
	}
	return opts, nil
}

// found is everything that was read.
type found struct {
	catalog   *catalog.Catalog
	inventory *inventory.Inventory
	hosts     []host.Facts
	alone     bool           // files without a host: judged for the platforms of their services
	diags     diag.List      // findings of reading
	marked    []*source.File // of a host: those that hold ignores
}

// read reads the configuration that a command speaks of, and with facts also the hosts
// it is to be judged for.
func (a *app) read(ctx context.Context, in *input, paths []string, facts bool) (*found, error) {
	if in.root != "" && len(paths) > 0 {
		return nil, usage("name paths or --root %s, not both", in.root)
	}
	cat, err := a.catalogue(in)
	if err != nil {
		return nil, err
	}
	opts, err := in.options(cat)
	if err != nil {
		return nil, err
	}
	f := &found{catalog: cat, alone: len(paths) > 0 && in.hostFile == "" && len(in.platforms) == 0}
	var tree *source.Tree
	if len(paths) > 0 {
		if err := checkPaths(cat, paths); err != nil {
			return nil, err
		}
		f.inventory, f.diags, err = inventory.ReadPaths(cat, paths, opts)
	} else {
		root := in.root
		if root == "" {
			root = a.liveRoot()
		}
		if tree, err = source.OpenTree(root); err != nil {
			return nil, notFolder(root, err)
		}
		defer tree.Close()
		marks := source.NewLookout(ignore.Mark)
		tree.Watch(marks)
		defer func() { f.marked = marks.Files() }()
		f.inventory, f.diags, err = inventory.Read(cat, tree, in.root, opts)
	}
	if errors.Is(err, inventory.ErrNothing) {
		where := strings.Join(paths, ", ")
		switch {
		case in.root != "":
			where = "below " + in.root
		case where == "":
			where = "on this machine"
		default:
			where = "in " + where
		}
		return nil, fmt.Errorf("%w %s: name a file as SERVICE=PATH; portolan explain lists the services", err, where)
	}
	if err != nil {
		return nil, plainError(err)
	}
	if facts {
		hosts, diags, err := a.hosts(ctx, in, tree, f.inventory)
		if err != nil {
			return nil, err
		}
		f.hosts, f.diags = hosts, append(f.diags, diags...)
		whole := source.New(cmp.Or(in.root, "this machine"), nil)
		whole.Given = true
		for i := range hosts {
			if len(hosts[i].Ephemeral) == 0 {
				f.diags = append(f.diags, diag.Diagnostic{Rule: host.RuleBroken, Severity: diag.Warning, Span: whole.Span(0, 0),
					Message: "the system of this host is not known, and so are the ports that it hands out: overlaps with them are not found",
					Help:    "name its platform with --platform, or its facts with --host"})
			}
		}
	}
	f.diags.Sort()
	return f, ctx.Err()
}

// liveRoot is the top of this machine's files.
func (a *app) liveRoot() string {
	if runtime.GOOS == "windows" {
		return a.getenv("SystemDrive") + `\`
	}
	return "/"
}

// checkPaths refuses SERVICE=PATH with a service that is not known, unless a file of
// that whole name exists.
func checkPaths(cat *catalog.Catalog, paths []string) error {
	for _, p := range paths {
		id, _, said := strings.Cut(p, "=")
		if !said || cat.Find(id) != nil || strings.ContainsAny(id, `/\`) {
			continue
		}
		if _, err := os.Stat(p); err != nil {
			return usage("%s: there is no service %q%s", p, id, hclfile.Suggest(id, cat.IDs()))
		}
	}
	return nil
}

func notFolder(name string, err error) error {
	if info, statErr := os.Stat(name); statErr == nil && !info.IsDir() {
		return fmt.Errorf("--root %s: it is a file: name it without --root", name)
	}
	return fmt.Errorf("--root %s: %w", name, reason(err))
}

// reason is an error of the file system without the path, which we say ourselves.
func reason(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// plainError is an error of the file system as "path: reason".
func plainError(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", pe.Path, pe.Err)
	}
	return err
}

// platformFacts loads the built-in defaults of all platforms.
func (a *app) platformFacts() (host.Platforms, error) {
	platforms, diags, err := host.LoadPlatforms(policies.FS, "platforms.hcl")
	if err != nil {
		return platforms, err
	}
	return platforms, a.refuse(diags, "the built-in platforms have errors")
}

// platformOf is the platform that somebody named; the error says which there are.
func platformOf(platforms host.Platforms, name string) (host.Platform, error) {
	one, ok := platforms.Lookup(strings.TrimSpace(name))
	if !ok {
		return one, usage("there is no platform %q%s; platforms are %s", name, hclfile.Suggest(name, platforms.IDs()), strings.Join(platforms.IDs(), ", "))
	}
	return one, nil
}

// hosts are the machines to judge for: those that flags name, else the one whose files
// are read, else, for files by themselves, every platform that their services run on.
func (a *app) hosts(ctx context.Context, in *input, tree *source.Tree, inv *inventory.Inventory) ([]host.Facts, diag.List, error) {
	var platforms host.Platforms
	var err error
	if in.known != nil {
		platforms = *in.known
	} else if platforms, err = a.platformFacts(); err != nil {
		return nil, nil, err
	}
	var out []host.Facts
	if in.hostFile != "" {
		f, err := source.ReadFile(in.hostFile)
		if err != nil {
			return nil, nil, fmt.Errorf("--host %s: %w", in.hostFile, reason(err))
		}
		facts, err := host.ParseJSON(f)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, facts)
	}
	for _, name := range in.platforms {
		one, err := platformOf(platforms, name)
		if err != nil {
			return nil, nil, err
		}
		facts, _ := platforms.Facts(one.ID)
		out = append(out, facts)
	}
	switch {
	case len(out) > 0:
		return out, nil, nil
	case tree == nil:
		names := map[string]bool{}
		for i := range inv.Claims {
			for _, p := range inv.Claims[i].Platforms {
				names[p] = true
			}
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if facts, ok := platforms.Facts(name); ok {
				out = append(out, facts)
			}
		}
		return out, nil, nil
	case in.root == "":
		facts, diags, err := host.Collect(ctx, platforms)
		return []host.Facts{facts}, diags, err
	}
	facts, diags, err := host.Load(tree, platforms)
	return []host.Facts{facts}, diags, err
}

// dress says how findings are printed on w: in color for a person at a terminal, unless
// NO_COLOR is set (https://no-color.org).
func (a *app) dress(w any) report.Options {
	return report.Options{Color: a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb" && isTerminal(w)}
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
