package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"portolan/internal/apply"
)

func noEnv(string) string { return "" }

// TestCommandNames: a command is made when its name is asked for, so that name must be its own.
func TestCommandNames(t *testing.T) {
	for _, c := range (&app{}).commands() {
		if got := c.make().Name(); got != c.name {
			t.Errorf("%s is listed as %s", got, c.name)
		}
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, talk bytes.Buffer
	if code := run(ctx, []string{"lint", "--root", "../../testdata/hosts/media-02"}, nil, &out, &talk, noEnv); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	if out.Len() > 0 || !strings.Contains(talk.String(), "interrupted") {
		t.Errorf("stdout %q, stderr %q", out.String(), talk.String())
	}
}

// interrupting cancels at the first write.
type interrupting struct {
	bytes.Buffer
	cancel context.CancelFunc
}

func (w *interrupting) Write(b []byte) (int, error) {
	w.cancel()
	return w.Buffer.Write(b)
}

// TestFleetInterrupted: what was judged before is written to its end, and nothing else.
func TestFleetInterrupted(t *testing.T) {
	roots := speechHosts(t, t.TempDir(), 60)
	for _, format := range []string{"text", "json", "sarif", "junit"} {
		ctx, cancel := context.WithCancel(context.Background())
		out, talk := interrupting{cancel: cancel}, bytes.Buffer{}
		code := run(ctx, append([]string{"lint", "--format", format, "--root"}, roots...), nil, &out, &talk, noEnv)
		if code != exitInterrupted || !strings.Contains(talk.String(), " of 60 hosts were judged\nportolan: interrupted\n") {
			t.Errorf("%s: exit code %d, stderr %q", format, code, talk.String())
		}
		switch got := out.Bytes(); format {
		case "json", "sarif":
			if !json.Valid(got) {
				t.Errorf("%s: half a document:\n%s", format, got)
			}
		default:
			if !bytes.HasSuffix(got, []byte("\n")) {
				t.Errorf("%s: half a line at the end:\n%s", format, got)
			}
		}
		if n := strings.Count(out.String(), "speech-00056"); n > 0 {
			t.Errorf("%s: the last hosts were judged too", format)
		}
	}
}

// full is a place where nothing can be written.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestNothingCanBeWritten(t *testing.T) {
	for _, args := range [][]string{
		{"lint", "--root", "../../testdata/hosts/media-02"}, {"inventory", "--root", "../../testdata/hosts/media-02"},
		{"render", "--to", "nftables", "--root", "../../testdata/hosts/media-02"}, {"host", "--platform", "linux"},
		{"explain", "port-overlap"}, {"demo"}, {"version"},
	} {
		var talk bytes.Buffer
		if code := run(context.Background(), args, nil, full{}, &talk, noEnv); code != exitFailure || !strings.Contains(talk.String(), "no space left on device") {
			t.Errorf("%v: exit code %d, stderr %q", args, code, talk.String())
		}
	}
}

// TestWentBack: a change that went back has its exit code, and another error keeps its own.
func TestWentBack(t *testing.T) {
	cause, other := errors.New("not proved"), errors.New("no memory")
	err := wentBack(apply.WentBack{Cause: cause})
	if e, ok := errors.AsType[*exitError](err); !ok || e.code != exitRolledBack || !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	if wentBack(other) != other || wentBack(nil) != nil {
		t.Error("another error is not as it was")
	}
}
