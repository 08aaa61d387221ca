package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"portolan": main, "sshd": serve, "caller": dialer})
}

// TestScript runs the stories in testdata/script. A story is a host in an archive and
// what the program says about it, with exact exit codes: "code 2 portolan lint x".
func TestScript(t *testing.T) {
	testscript.Run(t, stories(t, "../../testdata/script", func() error { return nil }))
}

// stories are the stories in a folder. Begin is called before each.
func stories(t *testing.T, dir string, begin func() error) testscript.Params {
	hosts, err := filepath.Abs("../../testdata/hosts")
	if err != nil {
		t.Fatal(err)
	}
	return testscript.Params{
		Dir:           dir,
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOSTS", hosts)
			env.Setenv("NO_COLOR", "1")
			return begin()
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": exitCode},
	}
}

// exitCode runs a command and checks its exit code: code N COMMAND ARG...
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command args...")
	}
	code := exitOK
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if want := args[0]; strconv.Itoa(code) != want {
		ts.Fatalf("%v: exit code %d, want %s", args[1:], code, want)
	}
}
