package apply

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portolan/internal/addr"
	"portolan/internal/kernel"
	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// manyServices is a host with n services, each with ports, sources and a chain of its own.
func manyServices(n int) *ruleset.Ruleset {
	rs := &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop}}
	for i := range n {
		m := ruleset.Any()
		first := uint16(1024 + i*6)
		m.Protos, m.Ports = ruleset.BytesOf(uint8(port.Protos[i%len(port.Protos)])), port.Of(port.Range{First: first, Last: first + uint16(i%3)})
		m.Peers = addr.Of(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
		rs.Input.Rules = append(rs.Input.Rules, ruleset.Rule{
			Name: fmt.Sprintf("allow-%d", i), Service: fmt.Sprintf("service-%d", i), Comment: fmt.Sprintf("service-%d sip etc/service-%d.conf:12", i, i),
			Match: m, Effect: ruleset.Effect{Verdict: ruleset.Accept},
		})
	}
	return rs
}

// manyElements is a host with one service for n networks.
func manyElements(n int) *ruleset.Ruleset {
	var prefixes []netip.Prefix
	for i := range n {
		prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 15), byte(i >> 7), byte(i << 1)}), 32))
	}
	m := ruleset.Any()
	m.Protos, m.Ports, m.Peers = ruleset.BytesOf(17), port.Of(port.Single(5060)), addr.Of(prefixes...)
	return &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop, Rules: []ruleset.Rule{
		{Name: "trunks", Match: m, Effect: ruleset.Effect{Verdict: ruleset.Accept}},
	}}}
}

// ownNamespace puts the goroutine on a thread in a fresh network namespace. The thread ends
// with the goroutine.
func ownNamespace(b testing.TB) {
	b.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		b.Skipf("no network namespace of its own, for which one must be root: %v", err)
	}
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// BenchmarkCommit loads tables into an empty namespace, by turns with "nft -f" of the text for
// the same. What is reported beside the usual are medians: of a commit with its encoding, of
// the whole process of nft, and of how many times faster the commit is.
func BenchmarkCommit(b *testing.B) {
	if _, err := kernel.Program("nft"); err != nil {
		b.Skip(err)
	}
	for _, c := range []struct {
		name string
		rs   *ruleset.Ruleset
	}{
		{"services=10", manyServices(10)}, {"services=1000", manyServices(1000)}, {"services=10000", manyServices(10000)},
		{"elements=65536", manyElements(65536)},
	} {
		b.Run(c.name, func(b *testing.B) {
			ownNamespace(b)
			table, text := texts(b, c.rs)
			file := filepath.Join(b.TempDir(), "text.nft")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				b.Fatal(err)
			}
			k := open(b)
			empty := func() uint32 {
				s := read(b, k)
				if s.Exists {
					if err := k.Commit(s.Generation, Batch{DeleteTable{}}); err != nil {
						b.Fatal(err)
					}
					s = read(b, k)
				}
				return s.Generation
			}
			var ours, theirs []time.Duration
			for b.Loop() {
				generation := empty()
				runtime.GC()
				start := time.Now()
				if err := k.Commit(generation, whole(table)); err != nil {
					b.Fatal(err)
				}
				ours = append(ours, time.Since(start))
				b.StopTimer()
				empty()
				start = time.Now()
				if out, err := exec.Command("nft", "-f", file).CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
				theirs = append(theirs, time.Since(start))
				b.StartTimer()
			}
			empty()
			milliseconds := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
			b.ReportMetric(milliseconds(median(ours)), "ms/commit")
			b.ReportMetric(milliseconds(median(theirs)), "ms/nft")
			b.ReportMetric(float64(median(theirs))/float64(median(ours)), "times-faster")
		})
	}
}

// BenchmarkDecode decodes what the kernel said of 10,000 services.
func BenchmarkDecode(b *testing.B) {
	ownNamespace(b)
	k := open(b)
	table, _ := texts(b, manyServices(10000))
	s := read(b, k)
	if err := k.Commit(s.Generation, whole(table)); err != nil {
		b.Fatal(err)
	}
	s = read(b, k)
	for b.Loop() {
		Decode(s.Raw)
	}
}

// BenchmarkRead reads the same, decoding with it.
func BenchmarkRead(b *testing.B) {
	ownNamespace(b)
	k := open(b)
	table, _ := texts(b, manyServices(10000))
	s := read(b, k)
	if err := k.Commit(s.Generation, whole(table)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		read(b, k)
	}
}

// BenchmarkEncode encodes the rules of 10,000 services.
func BenchmarkEncode(b *testing.B) {
	table, _ := texts(b, manyServices(10000))
	for b.Loop() {
		for _, r := range table.Rules() {
			if _, err := encode(Line{Rule: *r}); err != nil {
				b.Fatal(err)
			}
		}
	}
}
