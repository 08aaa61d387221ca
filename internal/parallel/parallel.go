// Package parallel runs independent work on all processors.
package parallel

import (
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
)

// For calls do for every i from 0 to n-1, several at a time, and returns when all are
// done. The calls must not depend on each other.
func For(n int, do func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers <= 1 {
		for i := range n {
			do(i)
		}
		return
	}
	var next atomic.Int64
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
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
		workers := min(n, runtime.GOMAXPROCS(0))
		jobs, turns, stop := make(chan job), make(chan chan T, 4*workers), make(chan struct{})
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
		for range workers {
			wait.Go(func() {
				for j := range jobs {
					j.done <- do(j.i)
				}
			})
		}
		for done := range turns {
			if !yield(<-done) {
				return
			}
		}
	}
}
