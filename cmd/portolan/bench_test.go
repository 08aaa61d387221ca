package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"portolan/internal/compile"
	"portolan/lint"
	"portolan/render"
)

// manyServices lays out a host of n services, each with a description and a file of its
// own, and returns its root and the folder of the descriptions.
func manyServices(t testing.TB, n int) (root, descriptions string) {
	t.Helper()
	dir := t.TempDir()
	root, descriptions = filepath.Join(dir, "root"), filepath.Join(dir, "services")
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	step := min(20, 50_000/n) // from port to port, so that all are ports
	for i := range n {
		id := fmt.Sprintf("service-%03d", i)
		write(filepath.Join(descriptions, id+".hcl"), fmt.Sprintf(`service %[1]q {
  title     = "Service %[2]d"
  platforms = ["linux"]

  file "conf" {
    format        = "lumenvox"
    default_words = ["default"]
    paths         = { linux = ["/etc/services/%[1]s.conf"] }
  }

  default "port" {
    setting = "port"
    case {
      value = %[3]d
      cites = ["https://example.org/%[1]s"]
    }
  }

  listen "main" {
    purpose  = "requests"
    protocol = [%[4]q]
    first    = port(setting("MAIN", "port"), default.port)
    count    = number(setting("MAIN", "count"), 1)
    exposure = "public"
  }
}
`, id, i, 10000+step*i, []string{"tcp", "udp"}[i%2]))
		write(filepath.Join(root, "etc/services", id+".conf"), fmt.Sprintf("[MAIN]\n# where it listens\nport = %d\ncount = %d\n", 5000+step*i, 1+i%min(10, step-1)))
	}
	write(filepath.Join(root, "etc/sysctl.d/10-net.conf"), "net.ipv4.ip_local_port_range = 32768 60999\n")
	return root, descriptions
}

// BenchmarkHost is what a pipeline asks for one host of n services, without starting a
// process: everything is read, linted, and rendered for the three firewalls, each of them
// proved.
func BenchmarkHost(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent)) // as main does
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			root, descriptions := manyServices(b, n)
			a := &app{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }}
			b.ReportAllocs()
			for b.Loop() {
				in := &input{root: root, services: descriptions}
				found, err := a.read(b.Context(), in, nil, true)
				if err != nil {
					b.Fatal(err)
				}
				if l := lint.Run(found.inventory, found.hosts, lint.Options{}); len(l) > 0 && n <= 100 {
					b.Fatal(l[0].Message)
				}
				p, words, err := a.builtinPolicy(found.catalog)
				if err != nil {
					b.Fatal(err)
				}
				rules, _ := compile.Ruleset(p, found.inventory)
				if _, err := a.write(firstForms(), rules, words); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// firstForms are the forms that render writes when none is named.
func firstForms() []formJob {
	var jobs []formJob
	for _, b := range render.Backends {
		jobs = append(jobs, formJob{backend: b, form: b.Forms[0]})
	}
	return jobs
}

// BenchmarkFleet is the judgement of 100 hosts of ten services in one run.
func BenchmarkFleet(b *testing.B) {
	const n = 100
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent)) // as main does
	args := append([]string{"lint", "--root"}, speechHosts(b, b.TempDir(), n)...)
	b.ReportAllocs()
	for b.Loop() {
		if code := run(b.Context(), args, nil, io.Discard, io.Discard, noEnv); code != exitFindings {
			b.Fatalf("exit code %d", code)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "hosts/s")
}

// BenchmarkForms is each form of each firewall for one host of n services: it is written, read
// back and proved.
func BenchmarkForms(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent)) // as main does
	for _, n := range []int{1000, 10000} {
		root, descriptions := manyServices(b, n)
		a := &app{stdout: io.Discard, stderr: io.Discard, getenv: noEnv}
		found, err := a.read(b.Context(), &input{root: root, services: descriptions}, nil, true)
		if err != nil {
			b.Fatal(err)
		}
		p, words, err := a.builtinPolicy(found.catalog)
		if err != nil {
			b.Fatal(err)
		}
		rules, _ := compile.Ruleset(p, found.inventory)
		for _, firewall := range render.Backends {
			for _, form := range firewall.Forms {
				job := []formJob{{backend: firewall, form: form}}
				b.Run(fmt.Sprintf("%s/%s/%d", firewall.Name, form.Name, n), func(b *testing.B) {
					if _, refused, err := form.Files(rules, render.Header{}); len(refused) > 0 || err != nil {
						b.Skip(refused, err) // too long for a batch file
					}
					b.ReportAllocs()
					for b.Loop() {
						if _, err := a.write(job, rules, words); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
