package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPackagingSpeaksTheCommandLine: every command in units, scripts and guides is one that
// the program has, with flags that it has.
func TestPackagingSpeaksTheCommandLine(t *testing.T) {
	var names []string
	for _, pattern := range []string{"../../packaging/systemd/*.service", "../../packaging/*/portolan", "../../packaging/README.md", "../../docs/guides/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %q, %v", pattern, found, err)
		}
		names = append(names, found...)
	}
	seen := map[string]bool{}
	for _, name := range names {
		commands := commandsIn(string(read(t, name)), strings.HasSuffix(name, ".md"))
		if len(commands) == 0 {
			t.Errorf("%s runs no portolan", name)
		}
		for _, words := range commands {
			a := &app{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, getenv: os.Getenv}
			root := a.root(nil)
			cmd, rest, err := root.Find(words)
			if err != nil || cmd == root {
				t.Errorf("%s: there is no command %q", name, words)
				continue
			}
			seen[cmd.Name()] = true
			if err := cmd.ParseFlags(rest); err != nil {
				t.Errorf("%s: portolan %s: %v", name, strings.Join(words, " "), err)
			} else if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
				t.Errorf("%s: portolan %s: %v", name, strings.Join(words, " "), err)
			}
		}
	}
	for _, name := range []string{"plan", "apply", "confirm", "rollback", "status"} {
		if !seen[name] {
			t.Errorf("nothing shows portolan %s", name)
		}
	}
}

var (
	shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")
	codeSpan   = regexp.MustCompile("`(portolan [a-z][^`]*)`")
	// A call begins a line or follows what units and shells write before it, and ends where
	// the shell goes on with something else.
	call = regexp.MustCompile(`(?m)^(?:Exec[A-Za-z]*=|\s*(?:if ! |sudo )?)(?:/usr/local/bin/)?portolan ([a-z][^;|>#&\n]*)`)
)

// commandsIn are the words of the commands in a text. In Markdown those are in blocks of the
// shell and in code spans.
func commandsIn(text string, markdown bool) [][]string {
	if markdown {
		var code strings.Builder
		for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
			code.WriteString(block[1])
		}
		for _, span := range codeSpan.FindAllStringSubmatch(text, -1) {
			code.WriteString(span[1] + "\n")
		}
		text = code.String()
	}
	var out [][]string
	for _, m := range call.FindAllStringSubmatch(text, -1) {
		out = append(out, strings.Fields(m[1]))
	}
	return out
}

func TestCommandsIn(t *testing.T) {
	for text, want := range map[string]string{
		"ExecStart=/usr/local/bin/portolan apply --boot\nExecReload=/usr/local/bin/portolan confirm\n": "apply --boot|confirm",
		"\tif ! /usr/local/bin/portolan status --exit-code; then\n# portolan is no command here\n":     "status --exit-code",
		"\tportolan plan >/dev/null || exit\n":                                                         "plan",
	} {
		var got []string
		for _, words := range commandsIn(text, false) {
			got = append(got, strings.Join(words, " "))
		}
		slices.Sort(got)
		if strings.Join(got, "|") != want {
			t.Errorf("%q: %q, want %s", text, got, want)
		}
	}
	page := "`portolan status`, `portolan`,\n`--flag`\n```sh\nsudo portolan plan # look\n```\n```\nportolan gone\n```\n"
	if got := commandsIn(page, true); len(got) != 2 || got[0][0] != "plan" || got[1][0] != "status" {
		t.Errorf("%q", got)
	}
}
