package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Generation is the number of the kernel's rules in this namespace. It goes up with each
// change of them by anybody.
func Generation() (uint32, error) {
	var id uint32
	err := nftables(unix.NFT_MSG_GETGEN, unix.NLM_F_ACK, func(b []byte) {
		if v := within(b, unix.NFTA_GEN_ID); len(v) == 4 {
			id = binary.BigEndian.Uint32(v)
		}
	})
	if err == nil && id == 0 {
		err = errors.New("an answer that is not understood")
	}
	if err != nil {
		return 0, fmt.Errorf("the number of the kernel's rules: %w", err)
	}
	return id, nil
}

// news is a socket that hears of each change of the kernel's rules in this namespace, at the
// end of the change.
func news() (int, error) {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err == nil {
		err = unix.Bind(socket, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)})
	}
	if err != nil {
		return -1, fmt.Errorf("news of the kernel's rules: %w", err)
	}
	return socket, nil
}

// Kills is a command that is started again and again, and ended by SIGKILL at some moment.
// Half of the moments are anywhere from its start to its usual end. The other half are from
// the moment on at which it has first changed the kernel's rules: programs take long to
// start, and change rules in a part of a millisecond.
type Kills struct {
	Times  int           // how often it is started and killed
	Limit  time.Duration // no new one is started after that
	Random *rand.Rand
	// Command makes the command of a turn. It is not to be started. Turns count from 0.
	Command func(turn int) *exec.Cmd
	// Judge is asked after each turn for a word about the state that was left behind. An
	// error ends it all.
	Judge func(turn int, killed bool) (state string, err error)
}

// warmup is how many turns end by themselves at first, for the usual time.
const warmup = 5

// Killed is what has become of the turns.
type Killed struct {
	Usual  time.Duration  // from the start to the end, of the last few that nobody killed
	First  time.Duration  // from the start to the first change of the kernel's rules; 0 when it changes none
	Turns  int            // without those for the usual time
	Ended  int            // that had ended by themselves before the signal
	States map[string]int // of those that were killed, by the word of Judge
}

// Run does it. Commands that end by themselves have to end well.
func (k Kills) Run() (*Killed, error) {
	out := &Killed{States: map[string]int{}}
	start := time.Now()
	var usual, first []time.Duration
	for turn := range warmup + k.Times {
		if turn >= warmup && time.Since(start) > k.Limit {
			break
		}
		var wait func(*victim) <-chan time.Time
		switch {
		case turn < warmup:
			wait = func(v *victim) <-chan time.Time { v.changed(); return nil }
		case turn%2 == 0 || out.First == 0:
			wait = func(v *victim) <-chan time.Time { return time.After(time.Until(v.start.Add(k.upTo(out.Usual)))) }
		default:
			wait = func(v *victim) <-chan time.Time {
				v.changed()
				return time.After(k.upTo(out.Usual - out.First))
			}
		}
		v, err := run(k.Command(turn), wait)
		if err != nil {
			return nil, fmt.Errorf("turn %d: %w", turn, err)
		}
		state, err := k.Judge(turn, v.killed)
		if err != nil {
			return nil, fmt.Errorf("turn %d, killed %v after %v: %w", turn, v.killed, v.took, err)
		}
		if turn < warmup {
			usual, first = append(usual, v.took), append(first, v.first)
			out.Usual, out.First = middle(usual), middle(first)
			continue
		}
		if out.Turns++; v.killed {
			out.States[state]++
			continue
		}
		// The machine may have become faster, and a signal that always comes too late is none.
		out.Ended++
		usual = append(usual[1:], v.took)
		out.Usual = middle(usual)
		if v.first > 0 {
			first = append(first[1:], v.first)
			out.First = middle(first)
		}
	}
	return out, nil
}

// middle is the one in the middle by size.
func middle(times []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(times))[len(times)/2]
}

// upTo is a random time up to a bit more than d, which may be very short.
func (k Kills) upTo(d time.Duration) time.Duration {
	return time.Duration(k.Random.Int64N(int64(max(d, 0)+max(d, 0)/10) + int64(100*time.Microsecond)))
}

// A victim is a command that runs.
type victim struct {
	cmd         *exec.Cmd
	ended       chan error
	over        chan struct{} // closed with ended
	news        int           // a socket
	start       time.Time
	took, first time.Duration
	killed      bool
}

// run runs a command until its end or the time that wait gives, which is then its end.
func run(cmd *exec.Cmd, wait func(*victim) <-chan time.Time) (*victim, error) {
	var talk bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &talk
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &talk
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with all that it starts
	socket, err := news()
	if err != nil {
		return nil, err
	}
	defer unix.Close(socket)
	v := &victim{cmd: cmd, ended: make(chan error, 1), over: make(chan struct{}), news: socket, start: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		err := cmd.Wait()
		v.ended <- err
		close(v.over)
	}()
	select {
	case <-wait(v):
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		err = <-v.ended
	case err = <-v.ended:
	case <-time.After(time.Minute):
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		<-v.ended
		return nil, fmt.Errorf("%v does not end by itself", cmd.Args)
	}
	v.took = time.Since(v.start)
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
		v.killed = true
		return v, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%v: %w\n%s", cmd.Args, err, talk.Bytes())
	}
	return v, nil
}

// changed waits until the kernel's rules have changed or the command has ended, for a minute
// at most.
func (v *victim) changed() {
	for time.Since(v.start) < time.Minute {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(v.news), Events: unix.POLLIN}}, 2) // milliseconds
		if n > 0 && err == nil {
			v.first = time.Since(v.start)
			return
		}
		select {
		case <-v.over:
			return
		default:
		}
	}
}
