package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portolan/internal/kernel"
	"portolan/internal/netlink"
)

// A benchHost is a host with a policy, in two versions that differ in one service or element.
type benchHost struct {
	root  string
	flags []string  // of commands that read the host
	file  string    // that changes
	texts [2]string // what it has
}

// writeBench lays out files below a folder.
func writeBench(b *testing.B, dir string, files map[string]string) {
	b.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

const benchHead = "zone \"ops\" { sources = [\"10.1.0.0/24\"] }\nallow \"ssh\" {\n  service = \"sshd\"\n  from = [zone.ops]\n}\n"

// benchPorts is a host with n services that stand in the policy, each a port of its own. A policy
// has at most 1,000 allows, so there are ten in one of 9,900.
func benchPorts(b *testing.B, n int) benchHost {
	text := func(moved int) string {
		var s strings.Builder
		s.WriteString(benchHead)
		each := (n + 989) / 990
		for first := 0; first < n; first += each {
			var ports []string
			for i := first; i < min(first+each, n); i++ {
				number := 1024 + 6*i
				if i == moved {
					number++
				}
				ports = append(ports, fmt.Sprintf("\"%d/%s\"", number, []string{"tcp", "udp"}[i%2]))
			}
			fmt.Fprintf(&s, "allow \"svc-%d\" {\n  ports = [%s]\n  from = [zone.ops]\n}\n", first/each, strings.Join(ports, ", "))
		}
		return s.String()
	}
	dir := b.TempDir()
	writeBench(b, dir, map[string]string{"root/etc/ssh/sshd_config": "Port 22\n"})
	policy := filepath.Join(dir, "portolan.hcl")
	return benchHost{filepath.Join(dir, "root"), []string{"--policy", policy}, policy, [2]string{text(-1), text(n / 2)}}
}

// benchElements is a host with one service for n addresses, which stand in a file.
func benchElements(b *testing.B, n int) benchHost {
	text := func(moved int) string {
		var s strings.Builder
		for i := range n {
			last := i << 1
			if i == moved {
				last++
			}
			fmt.Fprintf(&s, "10.%d.%d.%d\n", i>>15, i>>7&255, last&255)
		}
		return s.String()
	}
	dir := b.TempDir()
	policy := filepath.Join(dir, "portolan.hcl")
	writeBench(b, dir, map[string]string{
		"root/etc/ssh/sshd_config": "Port 22\n",
		"portolan.hcl":             benchHead + "zone \"trunks\" { files = [\"trunks.txt\"] }\nallow \"sip\" {\n  ports = [\"5060/udp\"]\n  from = [zone.trunks]\n}\n",
	})
	return benchHost{filepath.Join(dir, "root"), []string{"--policy", policy}, filepath.Join(dir, "trunks.txt"), [2]string{text(-1), text(n / 2)}}
}

// benchConfigured is a host with n services that the host itself has, each with a description and
// a configuration file of its own. To read these is most of the work.
func benchConfigured(b *testing.B, n int) benchHost {
	root, descriptions := manyServices(b, n)
	policy := filepath.Join(b.TempDir(), "portolan.hcl")
	writeBench(b, filepath.Dir(policy), map[string]string{"portolan.hcl": "zone \"ops\" { sources = [\"10.1.0.0/24\"] }\n" +
		"allow \"ssh\" {\n  ports = [\"22/tcp\"]\n  from = [zone.ops]\n}\nallow \"all\" { from = [zone.ops] }\n"})
	file := filepath.Join(root, "etc/services", fmt.Sprintf("service-%03d.conf", n/2))
	text := func(moved int) string { return fmt.Sprintf("[MAIN]\nport = %d\ncount = 1\n", 4000+moved) }
	return benchHost{root, []string{"--policy", policy, "--services", descriptions}, file, [2]string{text(0), text(1)}}
}

// A stopwatch runs programs and keeps what they took.
type stopwatch struct{ wall, cpu []time.Duration }

// run runs a program to its end, with no processor of the benchmark's own time in it.
func (s *stopwatch) run(b *testing.B, keep bool, name string, args ...string) {
	b.Helper()
	cmd := exec.Command(name, args...)
	var said strings.Builder
	cmd.Stderr = &said
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		b.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, said.String())
	}
	if keep {
		s.wall = append(s.wall, wall)
		s.cpu = append(s.cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	}
}

func middle[T int64 | float64 | time.Duration](list []T) T {
	list = slices.Clone(list)
	slices.Sort(list)
	return list[len(list)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// reportBoth tells medians of both: of the time on the clock, of the time of processors, and of the
// share that ours take of theirs, run for run, in both times. On a machine that others use
// as well, the second share is the one that means something.
func reportBoth(b *testing.B, ours, theirs *stopwatch) {
	shares := func(x, y []time.Duration) float64 {
		var out []float64
		for i := range x {
			out = append(out, float64(x[i])/float64(y[i]))
		}
		return middle(out)
	}
	b.ReportMetric(0, "ns/op") // of both together, which says nothing
	b.ReportMetric(milliseconds(middle(ours.wall)), "ms/portolan")
	b.ReportMetric(milliseconds(middle(theirs.wall)), "ms/nft")
	b.ReportMetric(milliseconds(middle(ours.cpu)), "cpu-ms/portolan")
	b.ReportMetric(milliseconds(middle(theirs.cpu)), "cpu-ms/nft")
	b.ReportMetric(shares(ours.wall, theirs.wall), "of-nft")
	b.ReportMetric(shares(ours.cpu, theirs.cpu), "cpu-of-nft")
}

// BenchmarkApply runs the whole program as a process, in a network namespace of its own, by
// turns with "nft -f" of the text that portolan render writes for the same policy:
//
//   - first: into a kernel without the table;
//   - unchanged: nothing is to be done, which is checked by the generation of the kernel;
//   - one: one service has another port, or one address of a zone another number;
//   - status: what "status --exit-code" takes to look for drift, beside "nft list table".
//
// It needs root, nft, and go to build the program. Take many turns on a machine that has
// nothing else to do:
//
//	go test ./cmd/portolan -run '^$' -bench BenchmarkApply -benchtime 30x
func BenchmarkApply(b *testing.B) {
	nft, err := kernel.Program("nft")
	if err != nil {
		b.Skip(err)
	}
	if os.Geteuid() != 0 {
		b.Skip("a network namespace of its own takes root")
	}
	program := filepath.Join(b.TempDir(), "portolan")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make does
	if out, err := build.CombinedOutput(); err != nil {
		b.Skipf("the program cannot be built here: %v\n%s", err, out)
	}
	for _, c := range []struct {
		name string
		lay  func(*testing.B) benchHost
	}{
		{"ports=10", func(b *testing.B) benchHost { return benchPorts(b, 10) }},
		{"ports=1000", func(b *testing.B) benchHost { return benchPorts(b, 1000) }},
		{"ports=9900", func(b *testing.B) benchHost { return benchPorts(b, 9900) }},
		{"elements=65536", func(b *testing.B) benchHost { return benchElements(b, 65536) }},
		{"configured=1000", func(b *testing.B) benchHost { return benchConfigured(b, 1000) }},
		{"configured=10000", func(b *testing.B) benchHost { return benchConfigured(b, 10000) }},
	} {
		b.Run(c.name, func(b *testing.B) { benchApply(b, program, nft, c.lay(b)) })
	}
}

// benchApply runs the benchmarks of one host.
func benchApply(b *testing.B, program, nft string, h benchHost) {
	state, dir := b.TempDir(), b.TempDir()
	apply := append([]string{"apply", "--root", h.root, "--state-dir", state, "--yes", "--no-confirm"}, h.flags...)
	var texts [2]string
	var rest stopwatch
	version := func(i int) {
		b.Helper()
		if err := os.WriteFile(h.file, []byte(h.texts[i]), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for i := range texts {
		version(i)
		folder := filepath.Join(dir, fmt.Sprint(i))
		rest.run(b, false, program, append([]string{"render", "--root", h.root, "--to", "nftables", "-o", folder}, h.flags...)...)
		texts[i] = filepath.Join(folder, "portolan.nft")
	}
	empty := func(b *testing.B) { rest.run(b, false, nft, "add table inet portolan; delete table inet portolan") }
	in := func(name string, turn func(b *testing.B, i int, ours, theirs *stopwatch)) {
		b.Run(name, func(b *testing.B) {
			runtime.LockOSThread() // it ends with the goroutine
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				b.Skipf("no network namespace of its own: %v", err)
			}
			version(0)
			var ours, theirs stopwatch
			rest.run(b, false, program, apply...)
			i := 0
			for b.Loop() {
				i++
				turn(b, i%2, &ours, &theirs)
			}
			reportBoth(b, &ours, &theirs)
		})
	}
	in("first", func(b *testing.B, _ int, ours, theirs *stopwatch) {
		empty(b)
		ours.run(b, true, program, apply...)
		empty(b)
		theirs.run(b, true, nft, "-f", texts[0])
	})
	in("unchanged", func(b *testing.B, _ int, ours, theirs *stopwatch) {
		theirs.run(b, true, nft, "-f", texts[0])
		rest.run(b, false, program, apply...) // nft writes what is there again, and leaves what is not named
		before := generation(b)
		ours.run(b, true, program, apply...)
		if after := generation(b); after != before {
			b.Fatalf("something was sent: generation %d, and %d before", after, before)
		}
	})
	in("one", func(b *testing.B, i int, ours, theirs *stopwatch) {
		rest.run(b, false, nft, "-f", texts[1-i])
		theirs.run(b, true, nft, "-f", texts[i])
		version(1 - i)
		rest.run(b, false, program, apply...)
		version(i)
		ours.run(b, true, program, apply...)
	})
	in("status", func(b *testing.B, _ int, ours, theirs *stopwatch) {
		ours.run(b, true, program, "status", "--exit-code", "--state-dir", state)
		theirs.run(b, true, nft, "list", "table", "inet", "portolan")
	})
}

// generation is that of the namespace.
func generation(b *testing.B) uint32 {
	b.Helper()
	c, err := netlink.Open()
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	n, err := c.Generation()
	if err != nil {
		b.Fatal(err)
	}
	return n
}
