package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestCases holds the program against what people reported: each archive in testdata/cases
// is a host on which it happened, with the report it rests on.
//
//	host/FILE      the host
//	services/FILE  descriptions for --services
//	found          the findings: severity, rule, place, and words of the message
//	help           lines that some finding must advise
//	fixed          the findings after --fix
//	after/FILE     what the operator does by hand, as help says
//	left           the findings after that
func TestCases(t *testing.T) {
	names, err := filepath.Glob("../../testdata/cases/*.txtar")
	if err != nil || len(names) < 15 {
		t.Fatalf("%d cases, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(ar.Comment, []byte("\n\n")) || len(ar.Comment) < 80 {
				t.Error("the case does not say what happened")
			}
			var c reported
			for _, f := range ar.Files {
				switch folder, _, below := strings.Cut(f.Name, "/"); {
				case below && (folder == "host" || folder == "services" || folder == "after"):
				case f.Name == "found":
					c.found = string(f.Data)
				case f.Name == "help":
					c.help = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
				case f.Name == "fixed":
					c.fixed = string(f.Data)
				case f.Name == "left":
					c.left = string(f.Data)
				default:
					t.Fatalf("a case has no %s", f.Name)
				}
			}
			dir := t.TempDir()
			unpack(t, ar, "host", filepath.Join(dir, "host"))
			unpack(t, ar, "services", filepath.Join(dir, "services"))
			before := c.compare(t, dir, "found", c.found)
			for _, words := range c.help {
				if !strings.Contains(before.help(), words) {
					t.Errorf("no finding advises %q:\n%s", words, before.help())
				}
			}
			if c.fixed != "" {
				c.compare(t, dir, "fixed", c.fixed, "--fix")
				c.compare(t, dir, "fixed, once more", c.fixed, "--fix")
			}
			if c.left != "" {
				again := t.TempDir()
				unpack(t, ar, "host", filepath.Join(again, "host"))
				unpack(t, ar, "services", filepath.Join(again, "services"))
				unpack(t, ar, "after", filepath.Join(again, "host"))
				c.compare(t, again, "left", c.left)
			}
		})
	}
}

// reported is what a case wants.
type reported struct {
	found, fixed, left string
	help               []string
}

// verdict is what the program said of the host.
type verdict struct {
	Findings []struct {
		Rule, Severity, Message, File, Help string
		Line                                int
	}
}

func (j *verdict) help() string {
	var all []string
	for _, f := range j.Findings {
		all = append(all, f.Help)
	}
	return strings.Join(all, "\n")
}

// compare lints the host in dir and holds the findings against the lines of want, one for
// each, in their order.
func (c *reported) compare(t *testing.T, dir, what, want string, flags ...string) verdict {
	t.Helper()
	args := append([]string{"lint", "--root", filepath.Join(dir, "host"), "--format", "json"}, flags...)
	if _, err := os.Stat(filepath.Join(dir, "services")); err == nil {
		args = append(args, "--services", filepath.Join(dir, "services"))
	}
	var stdout, stderr bytes.Buffer
	if code := run(context.Background(), args, strings.NewReader(""), &stdout, &stderr, func(string) string { return "" }); code > exitFindings {
		t.Fatalf("%s: exit code %d: %s", what, code, stderr.String())
	}
	var got verdict
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(want), "\n")
	if want == "no findings\n" {
		lines = nil
	}
	var said []string
	for _, f := range got.Findings {
		said = append(said, fmt.Sprintf("%s %s %s:%d %s", f.Severity, f.Rule, f.File, f.Line, f.Message))
	}
	for i := range max(len(lines), len(said)) {
		if i >= len(lines) || i >= len(said) || !like(said[i], lines[i]) {
			t.Errorf("%s:\n%s\nwanted:\n%s", what, strings.Join(said, "\n"), strings.Join(lines, "\n"))
			break
		}
	}
	return got
}

// like reports whether a finding has the head of the wanted line and its words somewhere
// behind.
func like(said, want string) bool {
	at := strings.Index(want, ":")
	space := strings.Index(want[max(at, 0):], " ")
	if at < 0 || space < 0 {
		return false
	}
	head, words := want[:at+space+1], want[at+space+1:]
	return strings.HasPrefix(said, head) && strings.Contains(said[len(head):], words)
}

// unpack writes the files of one folder of the archive below dir.
func unpack(t *testing.T, ar *txtar.Archive, folder, dir string) {
	t.Helper()
	for _, f := range ar.Files {
		name, ok := strings.CutPrefix(f.Name, folder+"/")
		if !ok {
			continue
		}
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
