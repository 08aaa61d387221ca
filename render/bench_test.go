package render

import (
	"fmt"
	"testing"

	"portolan/internal/ruleset"
)

// BenchmarkProve writes a host for one firewall, reads it back and compares: what a
// person waits for. "all" is the three firewalls one after the other.
func BenchmarkProve(b *testing.B) {
	for _, n := range []int{100, 1000} {
		rs := many(n)
		run := func(b *testing.B, backends ...Backend) {
			b.ReportAllocs()
			for b.Loop() {
				for _, one := range backends {
					if _, ok := prove(b, one, rs); !ok {
						b.Fatal("refused")
					}
				}
			}
		}
		for _, one := range Backends {
			b.Run(fmt.Sprintf("%s/%d", one.Name, n), func(b *testing.B) { run(b, one) })
		}
		b.Run(fmt.Sprintf("all/%d", n), func(b *testing.B) { run(b, Backends[:]...) })
	}
}

func BenchmarkWrite(b *testing.B) {
	rs := many(100)
	for _, one := range Backends {
		b.Run(one.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := one.Forms[0].Files(rs, testHeader); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	rs := many(100)
	for _, one := range Backends {
		out, _, err := one.Forms[0].Files(rs, testHeader)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(one.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := readBack(one.Name, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("equivalent", func(b *testing.B) {
		back, err := readBack("nftables", []Output{first(b, rs)})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if ruleset.Equivalent(rs, back) != nil {
				b.Fatal("not equivalent")
			}
		}
	})
}

func first(b *testing.B, rs *ruleset.Ruleset) Output {
	out, _, err := Backends[0].Forms[0].Files(rs, testHeader)
	if err != nil {
		b.Fatal(err)
	}
	return out[0]
}
