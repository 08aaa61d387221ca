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
	if err != nil || id == 0 {
		return 0, fmt.Errorf("the number of the kernel's rules: %w", errors.Join(err, errors.New("no answer that is understood")))
	}
	return id, nil
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

// warmup is how many turns end by themselves, for the usual time.
const warmup = 5

// Killed is what has become of the turns.
type Killed struct {
	Usual  time.Duration  // from the start to the end, when nobody kills it
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
			wait = func(v *victim) <-chan time.Time { v.changed(time.Minute); return nil }
		case turn%2 == 0 || out.First == 0:
			wait = func(*victim) <-chan time.Time { return time.After(k.upTo(out.Usual)) }
		default:
			wait = func(v *victim) <-chan time.Time {
				v.changed(time.Minute)
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
			if turn == warmup-1 {
				slices.Sort(usual)
				slices.Sort(first)
				out.Usual, out.First = usual[warmup/2], first[warmup/2]
			}
			continue
		}
		if out.Turns++; v.killed {
			out.States[state]++
		} else {
			out.Ended++
		}
	}
	return out, nil
}

// upTo is a random time up to a bit more than d.
func (k Kills) upTo(d time.Duration) time.Duration {
	return time.Duration(k.Random.Int64N(int64(max(d, 0)+d/10) + int64(time.Millisecond)))
}

// A victim is a command that runs.
type victim struct {
	cmd         *exec.Cmd
	ended       chan error
	over        chan struct{} // closed with ended
	before      uint32        // the number of the rules at its start
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
	before, err := Generation()
	if err != nil {
		return nil, err
	}
	v := &victim{cmd: cmd, ended: make(chan error, 1), over: make(chan struct{}), before: before, start: time.Now()}
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

// changed waits until the rules of the kernel are others than at the start, the command has
// ended, or the time is over.
func (v *victim) changed(limit time.Duration) {
	for time.Since(v.start) < limit {
		if id, err := Generation(); err == nil && id != v.before {
			v.first = time.Since(v.start)
			return
		}
		select {
		case <-v.over:
			return
		case <-time.After(50 * time.Microsecond):
		}
	}
}
