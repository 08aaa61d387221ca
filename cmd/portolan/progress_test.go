package main

import (
	"bytes"
	"testing"
	"time"
)

// TestProgress: nothing in the first second, then a line now and then, and in the end no
// line at all.
func TestProgress(t *testing.T) {
	var w bytes.Buffer
	begun := time.Unix(0, 0)
	p := progress{w: &w, next: begun.Add(progressAfter)}
	for done := range 30 {
		p.say(done, 30, "hosts", begun.Add(time.Duration(done)*50*time.Millisecond))
	}
	p.wipe()
	p.wipe()
	if got, want := w.String(), "20 of 30 hosts\r\x1b[J24 of 30 hosts\r\x1b[J28 of 30 hosts\r\x1b[J"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestNoProgressWithoutTerminal: what is no terminal is never written to.
func TestNoProgressWithoutTerminal(t *testing.T) {
	var out, talk bytes.Buffer
	p := (&app{stdout: &out, stderr: &talk, getenv: noEnv}).progress(time.Unix(0, 0))
	p.say(1, 2, "hosts", time.Unix(100, 0))
	p.wipe()
	if out.Len()+talk.Len() > 0 {
		t.Errorf("stdout %q, stderr %q", out.String(), talk.String())
	}
}
