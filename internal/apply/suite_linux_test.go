package apply

import (
	"testing"

	"portolan/internal/kernel"
)

// TestKernelPassesTheSuite asks the kernel for all that the one in memory stands for.
func TestKernelPassesTheSuite(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, nil, func(t *testing.T) {
		suite(t, func(t *testing.T) Firewall {
			k, err := OpenKernel()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { k.Close() })
			s, err := k.Read()
			if err == nil && s.Exists {
				err = k.Commit(0, Batch{DeleteTable{}})
			}
			if err != nil {
				t.Fatal(err)
			}
			return k
		})
	})
}
