// Package parallel runs independent work on all processors.
package parallel

import (
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
)

// spare has room for one more worker on each processor but the caller's. Work inside work
// finds none left and is done where it is, so that there are never more workers than
// processors, and no more files are open than they need.
var spare = make(chan struct{}, runtime.GOMAXPROCS(0)-1)

// spread runs work on the processors that nothing else of this package runs on, at most n.
func spread(n int, wait *sync.WaitGroup, work func()) {
	for range n {
		select {
		case spare <- struct{}{}:
			wait.Go(func() {
				defer func() { <-spare }()
				work()
			})
		default:
			return
		}
	}
}

// For calls do for every i from 0 to n-1, several at a time, and returns when all are
// done. The calls must not depend on each other.
func For(n int, do func(i int)) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			do(i)
		}
	}
	var wait sync.WaitGroup
	spread(max(0, n-1), &wait, work)
	work()
	wait.Wait()
}

// InOrder yields do of every i from 0 to n-1 in that order, with several calls at a time.
// Calls run a little ahead of what is yielded, and no further: however many there are, a
// few results are in memory. The calls must not depend on each other.
func InOrder[T any](n int, do func(i int) T) iter.Seq[T] {
	return func(yield func(T) bool) {
		type job struct {
			i    int
			done chan T
		}
		jobs, turns, stop := make(chan job), make(chan chan T, 4*runtime.GOMAXPROCS(0)), make(chan struct{})
		var wait sync.WaitGroup
		defer wait.Wait()
		defer close(stop)
		wait.Go(func() {
			defer close(turns)
			defer close(jobs)
			for i := range n {
				j := job{i, make(chan T, 1)}
				select {
				case turns <- j.done:
				case <-stop:
					return
				}
				select {
				case jobs <- j:
				case <-stop:
					return
				}
			}
		})
		work := func() {
			for j := range jobs {
				j.done <- do(j.i)
			}
		}
		wait.Go(work) // in the place of the caller, who waits
		spread(max(0, n-1), &wait, work)
		for done := range turns {
			if !yield(<-done) {
				return
			}
		}
	}
}
