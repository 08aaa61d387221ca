package parallel

import (
	"runtime"
	"sync/atomic"
	"testing"
)

func TestForDoesEachOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		done := make([]int, n)
		For(n, func(i int) { done[i]++ })
		for i, times := range done {
			if times != 1 {
				t.Errorf("%d of %d was done %d times", i, n, times)
			}
		}
	}
}

// TestWorkInsideWork: there are never more workers than processors, however deep the work
// is, and all of it is done.
func TestWorkInsideWork(t *testing.T) {
	var done, now, most atomic.Int64
	for range InOrder(20, func(int) int {
		For(20, func(int) {
			here := now.Add(1)
			for was := most.Load(); here > was && !most.CompareAndSwap(was, here); was = most.Load() {
			}
			runtime.Gosched()
			now.Add(-1)
			done.Add(1)
		})
		return 0
	}) {
	}
	if done.Load() != 400 || int(most.Load()) > cap(spare)+1 {
		t.Errorf("%d of 400 were done, up to %d at a time on %d processors", done.Load(), most.Load(), cap(spare)+1)
	}
}

// TestInOrder lets early calls be the slow ones: what comes is in order all the same, and
// no call runs far ahead.
func TestInOrder(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		var begun atomic.Int64
		want := 0
		for got := range InOrder(n, func(i int) int {
			begun.Add(1)
			for range (n - i) % 7 {
				runtime.Gosched()
			}
			return i
		}) {
			if got != want {
				t.Fatalf("%d came where %d should", got, want)
			}
			want++
			if ahead := int(begun.Load()) - want; ahead > 6*runtime.GOMAXPROCS(0) {
				t.Fatalf("%d calls ahead", ahead)
			}
		}
		if want != n {
			t.Errorf("%d of %d came", want, n)
		}
	}
	for got := range InOrder(1000, func(i int) int { return i }) {
		if got == 3 {
			break
		}
	}
}
