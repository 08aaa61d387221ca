package render

import (
	"fmt"
	"strconv"
	"testing"

	"portolan/internal/port"
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

// numbered are n allows with so many ports each, from one zone.
func numbered(n, each int) *ruleset.Ruleset {
	rs := &ruleset.Ruleset{Files: []string{"portolan.hcl"}, Input: ruleset.Chain{Default: ruleset.Drop, Rules: builtin()}}
	zone := sources("10.1.0.0/24")
	for i := range n * each {
		name := fmt.Sprintf("svc-%d", i/each)
		r := service(name, fmt.Sprintf("allow %s portolan.hcl:%d", name, 6+4*(i/each)), port.Protos[i%2], strconv.Itoa(1024+6*i), zone)
		r.Service = ""
		rs.Input.Rules = append(rs.Input.Rules, r)
	}
	return rs
}

// BenchmarkTable makes tables as they are put into the kernel.
func BenchmarkTable(b *testing.B) {
	for _, each := range []int{1, 10} {
		rs := numbered(990, each)
		b.Run(fmt.Sprintf("ports=%d", 990*each), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, findings := Nftables(rs); findings != nil {
					b.Fatal(findings)
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
