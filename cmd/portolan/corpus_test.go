package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// corpus is the folder with the real configuration files.
func corpus(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{os.Getenv("PORTOLAN_CORPUS"), filepath.Join("..", "..", "..", "shared", "corpus")} {
		if info, err := os.Stat(dir); dir != "" && err == nil && info.IsDir() {
			return dir
		}
	}
	t.Skip("no corpus: set PORTOLAN_CORPUS to the folder with the real configuration files")
	return ""
}

// TestCorpusIsQuiet lints each real configuration file by itself. What is found there was
// read, and somebody who keeps that service should agree with each line; so a rule that gets
// louder shows here.
func TestCorpusIsQuiet(t *testing.T) {
	root := corpus(t)
	const golden = "../../testdata/corpus/lint.golden"
	var got strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for _, line := range findingsIn(t, path) {
			fmt.Fprintf(&got, "%s:%s\n", filepath.ToSlash(name), line)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// findingsIn are the findings about one file, "36: warning reserved-port"; none when it is no
// configuration of a known service.
func findingsIn(t *testing.T, name string) []string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args := []string{"lint", "--format", "json", "--fail-on", "none", name}
	if code := run(context.Background(), args, strings.NewReader(""), &stdout, &stderr, func(string) string { return "" }); code != exitOK {
		if code == exitFailure && strings.Contains(stderr.String(), "no configuration of a known service") {
			return nil
		}
		t.Fatalf("%s: exit code %d: %s", name, code, stderr.String())
	}
	var found verdict
	if err := json.Unmarshal(stdout.Bytes(), &found); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range found.Findings {
		out = append(out, fmt.Sprintf("%d: %s %s", f.Line, f.Severity, f.Rule))
	}
	return out
}
