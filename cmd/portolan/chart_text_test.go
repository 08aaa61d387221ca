package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"portolan/internal/chart"
	"portolan/internal/diag"
	"portolan/internal/draw"
	"portolan/internal/host"
	"portolan/internal/inventory"
	"portolan/internal/port"
	"portolan/internal/report"
	"portolan/internal/source"
	"portolan/lint"
)

// charted is the picture of what was read.
func charted(inv *inventory.Inventory, hosts []host.Facts, diags diag.List, o lint.Options) *chart.Picture {
	list := append(diags, lint.Run(inv, hosts, o)...)
	list.Sort()
	judged := chart.Judged{Inventory: inv, Hosts: hosts, Findings: list, Quarrel: func(string) bool { return true }}
	return &chart.Picture{Title: "a host", Panels: []chart.Panel{chart.Host(judged)}}
}

// fits demands that no line of p is wider than it should be, at any width from 40 to 200.
func fits(t *testing.T, p *chart.Picture) {
	t.Helper()
	for width := 40; width <= 200; width++ {
		for _, o := range []draw.Options{{Width: width}, {Width: width, ASCII: true, Linear: true}} {
			var b bytes.Buffer
			if err := draw.Text(&b, p, o); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				if w := report.Width(strings.TrimSuffix(line, "\n")); w > width {
					t.Fatalf("%d columns of %d: %q", w, width, line)
				}
			}
		}
	}
}

// chart is the picture of what PATHs and a root have; nil where nothing is known.
func (d *drafting) chart(t *testing.T, in *input, paths []string) *chart.Picture {
	t.Helper()
	found, err := d.app.read(context.Background(), in, paths, true)
	if errors.Is(err, inventory.ErrNothing) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return charted(found.inventory, found.hosts, found.diags, lint.Options{Supported: found.alone, Part: len(paths) > 0})
}

// TestChartFits draws all hosts of testdata, what people reported, and real files.
func TestChartFits(t *testing.T) {
	d := newDrafting(t)
	hosts, err := filepath.Glob("../../testdata/hosts/*")
	if err != nil || len(hosts) < 3 {
		t.Fatal(hosts, err)
	}
	for _, dir := range hosts {
		fits(t, d.chart(t, &input{root: dir, catalog: d.catalog}, nil))
	}
	cases, err := filepath.Glob("../../testdata/cases/*.txtar")
	if err != nil || len(cases) < 15 {
		t.Fatal(cases, err)
	}
	drawn := 0
	for _, name := range cases {
		ar, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		unpack(t, ar, "host", filepath.Join(dir, "host"))
		if p := d.chart(t, &input{root: filepath.Join(dir, "host"), catalog: d.catalog}, nil); p != nil {
			fits(t, p)
			drawn++
		}
	}
	if drawn < 12 {
		t.Errorf("only %d cases were drawn", drawn)
	}
}

func TestChartOfCorpusFits(t *testing.T) {
	root := corpus(t)
	d := newDrafting(t)
	drawn := 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if p := d.chart(t, &input{catalog: d.catalog}, []string{path}); p != nil {
			if drawn++; drawn%5 == 0 {
				fits(t, p)
			}
			inChart(t, p)
		}
		return nil
	})
	if err != nil || drawn < 50 {
		t.Fatalf("%d charts, %v", drawn, err)
	}
}

// inChart demands that a chart says the ports of every bar.
func inChart(t *testing.T, p *chart.Picture) {
	t.Helper()
	var b bytes.Buffer
	if err := draw.Text(&b, p, draw.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, g := range p.Panels[0].Groups {
		for _, l := range g.Lanes {
			for _, bar := range l.Bars {
				if !strings.Contains(b.String(), bar.Ports.String()) {
					t.Errorf("nothing says %s of %s %s:\n%s", bar.Ports, g.Name, bar.Name, b.String())
				}
			}
		}
	}
}

// many is a host with the first sample of the configuration of every service.
func many(t *testing.T, d *drafting) *chart.Picture {
	t.Helper()
	all, _ := d.catalog.All()
	whole := &inventory.Inventory{OS: "linux"}
	for _, s := range all {
		if len(s.Tests) == 0 {
			continue
		}
		files := map[string]*source.File{}
		for role, text := range s.Tests[0].Files {
			files[role] = source.New("etc/"+s.ID+"/"+role, []byte(text))
		}
		inv, _, err := inventory.ReadFiles(s, files, s.Tests[0].Set)
		if err != nil {
			t.Fatal(s.ID, err)
		}
		whole.Claims = append(whole.Claims, inv.Claims...)
		whole.Found = append(whole.Found, s.ID)
	}
	platforms, err := d.app.platformFacts()
	if err != nil {
		t.Fatal(err)
	}
	linux, ok := platforms.Facts("linux")
	if !ok {
		t.Fatal("linux is not known")
	}
	return charted(whole, []host.Facts{linux}, nil, lint.Options{})
}

// TestChartOfManyServices draws a host with all services that are known, to be looked at with -v.
func TestChartOfManyServices(t *testing.T) {
	p := many(t, newDrafting(t))
	if n := len(p.Panels[0].Groups); n < 60 {
		t.Fatalf("only %d groups", n)
	}
	fits(t, p)
	inChart(t, p)
	var b bytes.Buffer
	if err := draw.Text(&b, p, draw.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", b.String())
}

// TestChartOfMuchExclusion draws a Windows host with dozens of excluded ranges.
func TestChartOfMuchExclusion(t *testing.T) {
	facts := host.Facts{Platform: "windows-server", Ephemeral: []host.Ephemeral{{Proto: port.UDP, Ports: port.Range{First: 49152, Last: 65535}}}}
	for i := range uint16(40) {
		facts.Excluded = append(facts.Excluded, host.Excluded{Proto: port.UDP, Ports: port.Range{First: 50000 + 200*i, Last: 50099 + 200*i}})
	}
	p := charted(&inventory.Inventory{OS: "windows"}, []host.Facts{facts}, nil, lint.Options{})
	fits(t, p)
	inChart(t, p)
	var b bytes.Buffer
	if err := draw.Text(&b, p, draw.Options{}); err != nil {
		t.Fatal(err)
	}
	picture, _, _ := strings.Cut(b.String(), "\n\n")
	if strings.Count(picture, "\n") > 8 || !strings.Contains(picture, "excluded, 40 ranges") {
		t.Errorf("the chart is not short:\n%s", b.String())
	}
}

// TestChartFitsItsReader is what a chart takes from the environment where flags are silent.
func TestChartFitsItsReader(t *testing.T) {
	draws := func(env map[string]string, flags ...string) string {
		t.Helper()
		var stdout, stderr bytes.Buffer
		args := append([]string{"chart", "--root", "../../testdata/hosts/ivr-01"}, flags...)
		if code := run(context.Background(), args, strings.NewReader(""), &stdout, &stderr, func(name string) string { return env[name] }); code != exitOK {
			t.Fatalf("%v: exit code %d: %s", flags, code, stderr.String())
		}
		return stdout.String()
	}
	usual := draws(nil)
	ascii, wide := draws(nil, "--ascii"), draws(nil, "--width", "120")
	if usual == ascii || usual == wide || strings.Contains(usual, "\x1b") {
		t.Fatal("flags say nothing")
	}
	for _, c := range []struct {
		env   map[string]string
		flags []string
		want  string
	}{
		{map[string]string{"COLUMNS": "120"}, nil, wide},
		{map[string]string{"COLUMNS": "200"}, []string{"--width", "120"}, wide},
		{map[string]string{"COLUMNS": "wide"}, nil, usual},
		{map[string]string{"COLUMNS": "-3"}, nil, usual},
		{map[string]string{"COLUMNS": "20"}, nil, draws(nil, "--width", "40")},
		{map[string]string{"COLUMNS": "99999"}, nil, draws(nil, "--width", "1000")},
		{map[string]string{"LANG": "C"}, nil, ascii},
		{map[string]string{"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, nil, ascii},
		{map[string]string{"LC_CTYPE": "de_DE.ISO-8859-1@euro"}, nil, ascii},
		{map[string]string{"LANG": "C"}, []string{"--ascii=false"}, usual},
		{map[string]string{"LANG": "C.UTF-8"}, nil, usual},
		{map[string]string{"LC_ALL": "en_US.utf8", "LANG": "C"}, nil, usual},
		{map[string]string{"LANG": "en_US"}, nil, usual},
	} {
		if got := draws(c.env, c.flags...); got != c.want {
			t.Errorf("%v %v: %s", c.env, c.flags, cmp.Diff(c.want, got))
		}
	}
}

// TestChartSaysWhatLintSays: a finding has the same words, place and help in all three pictures as
// in lint.
func TestChartSaysWhatLintSays(t *testing.T) {
	output := func(args ...string) string {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if code := run(context.Background(), args, strings.NewReader(""), &stdout, &stderr, func(string) string { return "" }); stderr.Len() > 0 {
			t.Fatalf("%v: exit code %d: %s", args, code, &stderr)
		}
		return stdout.String()
	}
	tags := regexp.MustCompile(`<[^>]*>`)
	spaced := func(s string) string { return strings.Join(strings.Fields(html.UnescapeString(s)), " ") }
	for _, name := range []string{"ivr-01", "win-ivr"} {
		root := "../../testdata/hosts/" + name
		var linted struct {
			Findings []struct {
				Rule, Severity, Message, Help, File string
				Line                                int
			}
		}
		if err := json.Unmarshal([]byte(output("lint", "--root", root, "--format", "json")), &linted); err != nil {
			t.Fatal(err)
		}
		if len(linted.Findings) == 0 {
			t.Fatalf("%s: lint finds nothing", name)
		}
		text := spaced(output("chart", "--root", root, "--width", "1000"))
		svg := spaced(output("chart", "--root", root, "--format", "svg"))
		_, table, _ := strings.Cut(output("chart", "--root", root, "--format", "html"), "</svg>")
		table, _, _ = strings.Cut(table, "<script")
		table = spaced(tags.ReplaceAllString(table, " "))
		for _, f := range linted.Findings {
			place := fmt.Sprint(f.File, ":", f.Line)
			for what, want := range map[string][2]string{
				"text": {text, fmt.Sprintf("%s[%s]: %s --> %s = help: %s", f.Severity, f.Rule, f.Message, place, f.Help)},
				"svg":  {svg, fmt.Sprintf("%s %s: %s (%s); help: %s", f.Severity, f.Rule, f.Message, place, f.Help)},
				"html": {table, fmt.Sprintf("%s %s %s", f.Severity, f.Rule, f.Message)},
			} {
				if !strings.Contains(want[0], spaced(want[1])) {
					t.Errorf("%s as %s does not say %q:\n%s", name, what, want[1], want[0])
				}
			}
			for _, part := range []string{place, f.Help} {
				if !strings.Contains(table, spaced(part)) {
					t.Errorf("the tables of %s do not say %q", name, part)
				}
			}
		}
	}
}
