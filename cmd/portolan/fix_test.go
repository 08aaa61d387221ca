package main

import (
	"bytes"
	"strings"
	"testing"

	"portolan/internal/diag"
	"portolan/internal/source"
)

// TestNamesInPatch: the name of a file that somebody else has made begins no patch of its own.
func TestNamesInPatch(t *testing.T) {
	f := source.New("etc/x\n--- a/etc/passwd\n+++ b/etc/passwd\n@@ -1 +1 @@\n-a\n+b\t\"\\é.conf", []byte("x = 5\n"))
	list := diag.List{{Fixes: []diag.Fix{{Safety: diag.Safe, Edits: []diag.Edit{{Span: f.Span(4, 5), New: "6"}}}}}}
	var out, err bytes.Buffer
	a := &app{stdout: &out, stderr: &err, getenv: noEnv}
	if err := a.showDiff(list); err != nil {
		t.Fatal(err)
	}
	const name = `etc/x\012--- a/etc/passwd\012+++ b/etc/passwd\012@@ -1 +1 @@\012-a\012+b\011\"\\é.conf"`
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 7 || lines[1] != `--- "a/`+name || lines[2] != `+++ "b/`+name || lines[4] != "-x = 5" || lines[5] != "+x = 6" {
		t.Errorf("%q", lines)
	}
	if got := quoted("b/etc/é x.conf"); got != "b/etc/é x.conf" {
		t.Error(got)
	}
}
