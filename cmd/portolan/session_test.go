package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// What two programs of the stories do: one that is called sshd and lets somebody in, and the one
// who calls it. The end of the story ends the caller, and that ends the other one. Only when a
// story forgets them they end by themselves: on a busy machine one takes its time.
const storyTime = 10 * time.Minute

// serve listens at its first argument and keeps the first connection on which somebody says that
// he is in; then it makes the file of its second argument. One who has given up before is none.
func serve() {
	l, err := net.Listen("tcp", os.Args[1])
	if err == nil {
		_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(storyTime))
	}
	for served := false; err == nil && !served; {
		var c net.Conn
		if c, err = l.Accept(); err != nil {
			break
		}
		_ = c.SetDeadline(time.Now().Add(storyTime))
		if _, e := c.Read(make([]byte, 1)); e == nil {
			served = true
			err = os.WriteFile(os.Args[2], nil, 0o644)
			_, _ = io.Copy(io.Discard, c)
		}
		_ = c.Close()
	}
	end(err)
}

// dialer connects to its argument, says that it is in, and stays.
func dialer() {
	var err error
	for start := time.Now(); time.Since(start) < storyTime; time.Sleep(20 * time.Millisecond) {
		var c net.Conn
		if c, err = net.DialTimeout("tcp", os.Args[1], time.Second); err == nil {
			_ = c.SetDeadline(time.Now().Add(storyTime))
			if _, err = c.Write([]byte{'\n'}); err == nil {
				_, _ = io.Copy(io.Discard, c)
				break
			}
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
