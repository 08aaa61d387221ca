package main

import (
	"errors"
	"testing"
	"time"
)

// TestViewErrors lets the kernel and the aim be wrong at the same time: whichever is found first,
// the kernel is what is told, and nothing is planned.
func TestViewErrors(t *testing.T) {
	noKernel, noAim := errors.New("no kernel"), errors.New("no aim")
	for _, late := range []string{"kernel", "aim"} {
		wait := func(who string) {
			if who == late {
				time.Sleep(5 * time.Millisecond)
			}
		}
		read := func() (*live, error) { wait("kernel"); return nil, noKernel }
		find := func(func()) (*aim, error) { wait("aim"); return nil, noAim }
		v, err := new(pilot).view(read, find, func(*view) { t.Error("something is made of it") })
		if v != nil || !errors.Is(err, noKernel) {
			t.Errorf("%s late: %v, %v", late, v, err)
		}
	}
}

func TestBegin(t *testing.T) {
	went, calls := make(chan struct{}), 0
	asked := begin(func() (int, error) {
		<-went
		calls++
		return calls, errors.ErrUnsupported
	})
	close(went)
	for range 2 {
		if n, err := asked(); n != 1 || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%d, %v", n, err)
		}
	}
}
