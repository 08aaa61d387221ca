package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// TestCollectLate: only the first collection comes late.
func TestCollectLate(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	percent := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	collectLate()
	if got := percent(); got != lateGCPercent {
		t.Errorf("it begins with %d", got)
	}
	runtime.GC()
	for end := time.Now().Add(10 * time.Second); percent() != gcPercent; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it goes on with %d", percent())
		}
	}
}
