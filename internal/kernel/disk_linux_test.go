package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDisk(t *testing.T) {
	if !Inside() {
		if _, err := NewDisk(t.TempDir(), 1); err == nil {
			t.Fatal("a disk over a folder of the machine")
		}
	}
	Beside(t)
	InNamespace(t, nil, func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "below"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := NewDisk(dir, 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		write := func(name string) error {
			return os.WriteFile(filepath.Join(dir, name), []byte("one byte is enough"), 0o600)
		}
		step := func(name string, want error) {
			t.Helper()
			if err := write(name); !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", name, err, want)
			}
		}
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		step("empty", nil)
		do(d.Fill())
		step("full", unix.ENOSPC)
		do(d.Free())
		step("free", nil)
		do(d.ReadOnly(true))
		step("read-only", unix.EROFS)
		do(d.ReadOnly(false))
		step("again", nil)
		do(d.Close())
		if _, err := os.Stat(filepath.Join(dir, "below")); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "again")); err == nil {
			t.Error("what was on the disk is below it")
		}
	})
}
