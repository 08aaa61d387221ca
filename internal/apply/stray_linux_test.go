package apply

import (
	"testing"

	"portolan/internal/kernel"
	"portolan/internal/nft"
	"portolan/internal/port"
)

// TestNeighboursOfNft: ranges that nft wrote side by side are changed one by one.
func TestNeighboursOfNft(t *testing.T) {
	kernel.Beside(t)
	kernel.InNamespace(t, []string{"nft"}, func(t *testing.T) {
		k := open(t)
		full, text := texts(t, goldens(t)["confined"])
		var ports *nft.Map
		for _, m := range full.Maps {
			if m.Name == "udp_destinations" {
				ports = m
			}
		}
		all := ports.Elements
		beside := 0
		for i := range all {
			for _, less := range []port.Range{{}, {First: all[i].Ports.First, Last: all[i].Ports.Last - 1}, {First: all[i].Ports.First + 1, Last: all[i].Ports.Last}} {
				if less.First > less.Last {
					continue
				}
				if read(t, k).Exists {
					commit(t, k, Batch{DeleteTable{}})
				}
				nftRun(t, text, "-f", "-")
				ports.Elements = nil
				for j, e := range all {
					if j == i {
						if e.Ports = less; less == (port.Range{}) {
							continue
						}
					}
					ports.Elements = append(ports.Elements, e)
				}
				if i > 0 && all[i-1].Ports.Last+1 == all[i].Ports.First {
					beside++
				}
				out, err := Apply(t.Context(), k, full, Options{})
				if err != nil || !out.InPlace {
					t.Errorf("%v less: in place %v, %v", all[i].Ports, out.InPlace, err)
				}
			}
		}
		if beside < 5 {
			t.Errorf("only %d stand side by side", beside)
		}
	})
}
