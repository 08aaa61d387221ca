package session

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"testing"
)

// TestProc: files of /proc are read whole, however small the buffer is, and the processes are all there.
func TestProc(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, size := range []int{1, 7, 4 << 10} {
		proc := newHostProc(size)
		for _, name := range []string{"self/comm", self + "/cmdline", "self/environ", "filesystems", "sys/kernel/ostype"} {
			want, err := os.ReadFile(procDir + "/" + name)
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(proc, name, maxFile)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s with %d bytes: %q, %v, want %q", name, size, got, err, want)
			}
			if got, err := read(proc, name, int64(len(want))); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, all that is allowed: %q, %v", name, got, err)
			}
			if _, err := read(proc, name, int64(len(want)-1)); err == nil {
				t.Errorf("%s: it is longer than allowed", name)
			}
		}
		if _, err := read(proc, "self/nothing", maxFile); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file that is not there: %v", err)
		}
		numbers := processes{proc}.numbers()
		if !slices.Contains(numbers, os.Getpid()) || !slices.IsSorted(numbers) || !slices.Contains(numbers, os.Getppid()) {
			t.Errorf("processes %v without %s", numbers, self)
		}
	}
}
