package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// What two programs of the stories do: one that is called sshd and lets somebody in, and the one
// who calls it. Both end by themselves when the story forgets them.
const storyTime = 20 * time.Second

// serve listens at its first argument and keeps one connection; then it makes the file of its
// second argument.
func serve() {
	l, err := net.Listen("tcp", os.Args[1])
	if err == nil {
		_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(storyTime))
		var c net.Conn
		if c, err = l.Accept(); err == nil {
			_ = c.SetDeadline(time.Now().Add(storyTime))
			_, _ = fmt.Fprintln(c, "welcome")
			err = os.WriteFile(os.Args[2], nil, 0o644)
			_, _ = io.Copy(io.Discard, c)
		}
	}
	end(err)
}

// dialer connects to its argument and stays.
func dialer() {
	var err error
	for start := time.Now(); time.Since(start) < storyTime; time.Sleep(20 * time.Millisecond) {
		var c net.Conn
		if c, err = net.DialTimeout("tcp", os.Args[1], time.Second); err == nil {
			_ = c.SetDeadline(time.Now().Add(storyTime))
			_, _ = io.Copy(io.Discard, c)
			break
		}
	}
	end(err)
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
