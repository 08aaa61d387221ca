package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

func noEnv(string) string { return "" }

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
