package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// TestCommandsOfTheManual runs what docs/ci.md and its examples tell people to type, in
// their order, above copies of the hosts of our tests.
func TestCommandsOfTheManual(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("the commands are for a shell of Unix")
	}
	dir := t.TempDir()
	for _, host := range []string{"ivr-01", "media-02"} {
		if err := os.CopyFS(filepath.Join(dir, "hosts", host), os.DirFS(filepath.Join("../../testdata/hosts", host))); err != nil {
			t.Fatal(err)
		}
	}
	commands := manualCommands(t)
	if len(commands) < 7 {
		t.Errorf("%d commands: %q", len(commands), commands)
	}
	for _, c := range commands {
		if _, err := exec.LookPath("jq"); err != nil && strings.HasPrefix(c, "jq ") {
			continue
		}
		cmd := exec.Command(shell, "-c", c)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		exit, failed := errors.AsType[*exec.ExitError](err)
		switch {
		case err != nil && !failed:
			t.Fatal(err)
		case failed && exit.ExitCode() != exitFindings:
			t.Errorf("%s: %v\n%s", c, err, out)
		case !failed && strings.HasSuffix(c, "--root hosts/*"):
			t.Errorf("%s finds nothing", c)
		case failed && strings.Contains(c, "--baseline"):
			t.Errorf("%s: all is known\n%s", c, out)
		}
		if _, to, ok := strings.Cut(c, "> "); ok {
			if info, err := os.Stat(filepath.Join(dir, to)); err != nil || info.Size() == 0 {
				t.Errorf("%s wrote nothing: %v", c, err)
			}
		}
	}
}

// manualCommands are the lines of the shell in docs/ci.md, then those of its examples.
func manualCommands(t *testing.T) []string {
	t.Helper()
	page := string(read(t, "../../docs/ci.md"))
	var out []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(page, -1) {
		out = append(out, strings.Split(strings.TrimSpace(block[1]), "\n")...)
	}
	names, err := filepath.Glob("../../docs/examples/*")
	if err != nil || len(names) < 4 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if !strings.Contains(page, "examples/"+filepath.Base(name)+")") {
			t.Errorf("docs/ci.md does not speak of %s", name)
		}
		commands := commandsOf(parsed(t, name))
		if len(commands) == 0 && !strings.Contains(name, "pre-commit") {
			t.Errorf("%s runs nothing", name)
		}
		out = append(out, commands...)
	}
	return out
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parsed(t *testing.T, name string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(read(t, name), &v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

// commandsOf are the members named run, and those of lists named script.
func commandsOf(v any) []string {
	var out []string
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			out = append(out, commandsOf(x)...)
		}
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			switch x := v[name].(type) {
			case string:
				if name == "run" {
					out = append(out, x)
				}
			case []any:
				if name != "script" {
					out = append(out, commandsOf(x)...)
					continue
				}
				for _, line := range x {
					out = append(out, line.(string))
				}
			default:
				out = append(out, commandsOf(x)...)
			}
		}
	}
	return out
}

// TestPreCommitHook holds the hook and its example to what pre-commit documents
// (https://pre-commit.com/#creating-new-hooks), and to our flags.
func TestPreCommitHook(t *testing.T) {
	hooks := parsed(t, "../../.pre-commit-hooks.yaml").([]any)
	if len(hooks) != 1 {
		t.Fatalf("%d hooks", len(hooks))
	}
	hook := hooks[0].(map[string]any)
	for name := range hook {
		if !slices.Contains([]string{"id", "name", "description", "entry", "args", "language", "types", "pass_filenames"}, name) {
			t.Errorf("a hook with %s", name)
		}
	}
	if hook["id"] != "portolan-lint" || hook["language"] != "golang" || hook["pass_filenames"] != false || !reflect.DeepEqual(hook["types"], []any{"text"}) {
		t.Errorf("%v", hook)
	}
	example := parsed(t, "../../docs/examples/pre-commit-config.yaml").(map[string]any)
	used := example["repos"].([]any)[0].(map[string]any)["hooks"].([]any)[0].(map[string]any)
	if used["id"] != hook["id"] {
		t.Errorf("the example uses %v", used["id"])
	}
	files := regexp.MustCompile(used["files"].(string))
	if !files.MatchString("hosts/a/etc/x") || !files.MatchString("portolan.hcl") || files.MatchString("README.md") {
		t.Errorf("files %s", files)
	}
	a := &app{stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}
	for _, args := range [][]any{hook["args"].([]any), used["args"].([]any)} {
		words := strings.Fields(hook["entry"].(string))[1:]
		for _, w := range args {
			words = append(words, w.(string))
		}
		cmd, rest, err := a.root(nil).Find(words)
		if err != nil || cmd.Name() != "lint" {
			t.Fatalf("%q: %v", words, err)
		}
		if err := cmd.ParseFlags(rest); err != nil || len(cmd.Flags().Args()) > 0 {
			t.Errorf("%q: %v, %q is left", words, err, cmd.Flags().Args())
		}
	}
}
