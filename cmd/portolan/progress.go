package main

import (
	"fmt"
	"io"
	"time"
)

// When progress is shown: work that ends sooner needs none.
const (
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

// progress says on a terminal how much of long work is done, in one line that is written
// over again and again. The zero value says nothing.
type progress struct {
	w     io.Writer // nil is nobody
	next  time.Time // when to say it again
	shown bool
}

// progress is for work that begins now. Only a person at a terminal sees it, who has no
// findings to read there meanwhile.
func (a *app) progress(now time.Time) *progress {
	if !isTerminal(a.stderr) || isTerminal(a.stdout) || a.getenv("TERM") == "dumb" {
		return &progress{}
	}
	return &progress{w: a.stderr, next: now.Add(progressAfter)}
}

// say says that some of all things are done, when it is time to.
func (p *progress) say(done, all int, what string, now time.Time) {
	if p.w == nil || now.Before(p.next) {
		return
	}
	p.wipe()
	fmt.Fprintf(p.w, "%d of %d %s", done, all, what)
	p.next, p.shown = now.Add(progressEvery), true
}

// wipe takes the line away, before something else is written there. The sequence is ED
// and CR of ECMA-48.
func (p *progress) wipe() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[J")
		p.shown = false
	}
}
