package catalog

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Explain is a page about a service for people: its files, the settings that are read,
// the defaults that are assumed with their sources, and what it listens on.
func (s *Service) Explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s, on %s.\n", s.ID, s.Title, strings.Join(s.Platforms, ", "))
	list(&b, "Sources", s.Cites)
	b.WriteString("\n## Files\n\n")
	for _, f := range s.Files {
		fmt.Fprintf(&b, "* %s, read as %s\n", f.Role, f.Format)
		for _, os := range []string{"linux", "windows"} {
			for _, p := range f.Paths[os] {
				if slices.Contains(UnitDirs[:], path.Dir(p)) && len(f.Units) > 0 || len(f.Images) > 0 {
					continue // said once below
				}
				fmt.Fprintf(&b, "  * %s: `%s`\n", os, p)
			}
		}
		for _, u := range f.Units {
			fmt.Fprintf(&b, "  * unit `%s` with its drop-ins, wherever systemd finds it\n", u)
		}
		for _, i := range f.Images {
			fmt.Fprintf(&b, "  * container in a Compose file, with the image `%s` and the network of the host\n", i)
		}
		for _, l := range f.Layers {
			fmt.Fprintf(&b, "  * overridden by `%s`\n", l)
		}
	}
	list(&b, "Units that start it", s.Runs)
	list(&b, "Settings that are read", s.settings())
	if len(s.Defaults) > 0 {
		b.WriteString("\n## Defaults that are assumed\n\n")
	}
	for _, d := range s.Defaults {
		fmt.Fprintf(&b, "* %s\n", d.Setting)
		for i := range d.Cases {
			c := &d.Cases[i]
			fmt.Fprintf(&b, "  * %s %s", c.Value, c.Words())
			if c.Note != "" {
				fmt.Fprintf(&b, " (%s)", c.Note)
			}
			b.WriteByte('\n')
			for _, url := range c.Cites {
				fmt.Fprintf(&b, "    * %s\n", url)
			}
		}
	}
	for _, o := range s.Options {
		fmt.Fprintf(&b, "\n## Option %s: %s\n\n", o.Name, o.Title)
		for _, v := range o.Values {
			mark := ""
			if v == o.Default {
				mark = ", which is assumed"
			}
			fmt.Fprintf(&b, "* `--set %s.%s=%s`%s: %s\n", s.ID, o.Name, v, mark, o.Notes[v].Text)
			for _, url := range o.Notes[v].Cites {
				fmt.Fprintf(&b, "  * %s\n", url)
			}
		}
	}
	if len(s.Lints) > 0 {
		b.WriteString("\n## Mistakes that are looked for\n\n")
	}
	for _, l := range s.Lints {
		fmt.Fprintf(&b, "* %s, %s: %s\n", l.Name, l.Severity, s.text(l.Message))
	}
	b.WriteString("\n## What it listens on and connects to\n\n")
	s.facts(&b, &s.Group, "")
	return b.String()
}

func list(b *strings.Builder, title string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n", title)
	for _, i := range items {
		fmt.Fprintf(b, "* %s\n", i)
	}
}

// facts describes the facts of a group by the expressions of the description.
func (s *Service) facts(b *strings.Builder, g *Group, where string) {
	write := func(kind string, facts []Fact) {
		for _, f := range facts {
			exposure := ""
			if f.Exposure != "" {
				exposure = ", " + f.Exposure
			}
			fmt.Fprintf(b, "* %s %s%s%s: %s\n", kind, f.Name, exposure, where, s.text(f.Purpose))
			for _, e := range []struct {
				name string
				expr hcl.Expression
			}{{"for_each", f.ForEach}, {"protocol", f.Protocol}, {"port", f.Port}, {"first", f.First}, {"count", f.Count}, {"last", f.Last}, {"bind", f.Bind}, {"advertise", f.Advertise}, {"needs", f.Needs}, {"unguarded", f.Unguarded}, {"peer", f.Peer}, {"source", f.Source}, {"when", f.When}} {
				if e.expr != nil {
					fmt.Fprintf(b, "  * %s = `%s`\n", e.name, s.text(e.expr))
				}
			}
			if len(f.To) > 0 {
				fmt.Fprintf(b, "  * to = %s\n", strings.Join(f.To, " or "))
			}
		}
	}
	write("listen", g.Listens)
	write("connect", g.Connects)
	for i := range g.Groups {
		s.facts(b, &g.Groups[i], where+", for each "+g.Groups[i].Name)
	}
}

// text is an expression as it is written, on one line.
func (s *Service) text(e hcl.Expression) string {
	r := e.Range()
	return strings.Join(strings.Fields(string(s.Source.Text[r.Start.Byte:r.End.Byte])), " ")
}

// settings are the paths that the expressions of a description ask for, ascending.
func (s *Service) settings() []string {
	var out []string
	visit := func(e hcl.Expression) {
		node, ok := e.(hclsyntax.Node)
		if !ok || e == nil {
			return
		}
		// The visitor has nothing to report.
		_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
			call, ok := n.(*hclsyntax.FunctionCallExpr)
			if !ok || !slices.Contains([]string{"setting", "settings", "value", "values", "latest", "find", "flag", "flags", "has_flag"}, call.Name) {
				return nil
			}
			var parts []string
			for _, a := range call.Args {
				if text, _ := literal(a); text != "" {
					parts = append(parts, text)
				}
			}
			if len(parts) > 0 {
				out = append(out, "`"+strings.Join(parts, "/")+"`")
			}
			return nil
		})
	}
	visit(s.Version)
	s.Group.expressions(visit)
	slices.Sort(out)
	return slices.Compact(out)
}

// Variables are the variables that a description asks the environment of a container for,
// ascending: value(local.env, "NAME"), where env is an environment that was looked up, or
// "environment/NAME".
func (s *Service) Variables() []string {
	var out []string
	for _, f := range s.Files {
		for _, name := range f.Bodies {
			out = append(out, name)
		}
	}
	within := map[string]bool{} // names of local values that are an environment
	for _, l := range s.Locals {
		calls(l.Expr, func(call *hclsyntax.FunctionCallExpr, path string) {
			name := Variable("local", l.Name)
			within[name] = within[name] || len(call.Args) == 2 && path == "environment"
		})
	}
	s.Group.expressions(func(e hcl.Expression) {
		calls(e, func(call *hclsyntax.FunctionCallExpr, path string) {
			if name, found := strings.CutPrefix(path, "environment/"); found {
				out = append(out, name)
			}
			if len(call.Args) != 2 || strings.ContainsAny(path, "/*?[") {
				return
			}
			for _, t := range call.Args[0].Variables() {
				if len(t) == 1 && within[t.RootName()] {
					out = append(out, path)
				}
			}
		})
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// calls calls visit for each call in an expression whose last argument is a text that is
// written out, with that text.
func calls(e hcl.Expression, visit func(call *hclsyntax.FunctionCallExpr, path string)) {
	node, ok := e.(hclsyntax.Node)
	if !ok || e == nil {
		return
	}
	// The visitor has nothing to report.
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, ok := n.(*hclsyntax.FunctionCallExpr); ok && len(call.Args) > 0 {
			if path, ok := literal(call.Args[len(call.Args)-1]); ok {
				visit(call, path)
			}
		}
		return nil
	})
}

// expressions calls visit for every expression of a group.
func (g *Group) expressions(visit func(hcl.Expression)) {
	visit(g.ForEach)
	visit(g.When)
	for _, l := range g.Locals {
		visit(l.Expr)
	}
	for _, f := range append(slices.Clone(g.Listens), g.Connects...) {
		for _, e := range []hcl.Expression{f.When, f.ForEach, f.Protocol, f.Port, f.First, f.Count, f.Last, f.Nominal, f.Except, f.Bind, f.Peer, f.Source, f.Advertise, f.Needs, f.Unguarded} {
			visit(e)
		}
	}
	for i := range g.Groups {
		g.Groups[i].expressions(visit)
	}
}
