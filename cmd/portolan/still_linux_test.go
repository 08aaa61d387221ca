package main

import (
	"testing"
	"time"

	"portolan/internal/apply"
	"portolan/internal/kernel"
)

// TestStill: what somebody does to the table between the proof and the end of a command is not
// said to be proved, and what is done to other tables is no matter.
func TestStill(t *testing.T) {
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k, err := apply.OpenKernel()
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		p := &pilot{app: &app{now: time.Now}, kernel: k}
		nft := func(command string) {
			t.Helper()
			if out, err := kernel.Run(command+"\n", "nft", "-f", "-"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		nft("table inet portolan { chain input { type filter hook input priority filter - 10; policy drop; }; }")
		proved, err := k.Read()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.still(proved); err != nil {
			t.Error(err)
		}
		nft("add table ip theirs")
		if err := p.still(proved); err != nil {
			t.Error(err)
		}
		for _, command := range []string{"add rule inet portolan input accept", "delete table inet portolan"} {
			nft(command)
			if p.still(proved) == nil {
				t.Errorf("%s: it is taken for what was proved", command)
			}
		}
	})
}
