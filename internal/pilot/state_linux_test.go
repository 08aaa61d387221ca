package pilot

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"portolan/internal/kernel"
)

// unchanged does something that must not change the kernel's rules, whoever's they are.
func (p *place) unchanged(what func()) {
	p.t.Helper()
	before, err := kernel.Generation()
	p.must(err)
	what()
	if after, err := kernel.Generation(); err != nil || after != before {
		p.t.Fatalf("the kernel's rules were changed: %d generations, %v", after-before, err)
	}
}

// TestExpiry: with every process gone the old rules decide when the time is over. Who waits for
// the end of the time is told, unless it was killed.
func TestExpiry(t *testing.T) {
	kernel.Beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		old, new := p.policy("a", variant(variants[0].holes)), p.policy("closed", closed)
		p.do(p.apply(old))
		p.reaches(time.Second, " 80 8443", 80, 8443)
		const window = 3 * time.Second
		start := time.Now()
		waits := p.arm(new, window, "--wait")
		p.must(waits.Start())
		p.reaches(window, " 80", 80, 8443)
		armed := time.Now() // or a little before
		p.must(waits.Process.Kill())
		if err := waits.Wait(); exitOf(err) != -1 {
			t.Fatalf("who waits has ended before it was killed: %v", err)
		}
		for looks := 0; ; looks++ {
			got, err := p.open(visitorV4, 80, 8443)
			p.must(err)
			if time.Since(start) > window { // it may be over since the packets were sent
				if looks == 0 {
					t.Fatal("this machine is too slow to see anything")
				}
				break
			}
			if got != " 80" {
				t.Fatalf("open are%s after %v of %v", got, time.Since(start), window)
			}
			time.Sleep(50 * time.Millisecond)
		}
		p.reaches(time.Until(armed.Add(window+time.Second)), " 80 8443", 80, 8443)
		t.Logf("back after %v of %v", time.Since(start).Round(time.Millisecond), window)
		p.means(old) // also before anybody has tidied
		p.unchanged(func() { p.ends(0, p.changing("status"), "nobody confirmed") })
		p.ends(4, p.confirm(), "nobody confirmed the change in time")
		p.must(p.tidy(old))

		// Whoever comes first tidies.
		for _, next := range []struct {
			cmd  *exec.Cmd
			then string
		}{{p.back(), old}, {p.changing("apply", "--boot", "--yes"), old}, {p.apply(new), new}} {
			p.do(p.arm(new, time.Second))
			time.Sleep(1100 * time.Millisecond)
			p.do(next.cmd)
			p.must(p.tidy(next.then))
		}
	})
}

// TestWait: who waits for a confirmation is told what has become of it.
func TestWait(t *testing.T) {
	kernel.Beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		old, new := p.two()
		p.do(p.apply(old))
		for _, c := range []struct {
			name string
			next *exec.Cmd
			code int
			then string
		}{{"given up", p.back(), 4, old}, {"confirmed", p.confirm(), 0, new}} {
			waits := p.arm(new, armedFor, "--wait")
			ended := make(chan error, 1)
			go func() { ended <- done(t.Context(), waits) }()
			p.reaches(10*time.Second, " 7002", 7001, 7002)
			p.do(c.next)
			if err := <-ended; exitOf(err) != c.code {
				t.Errorf("%s: %v", c.name, err)
			}
			p.must(p.tidy(c.then))
		}
		p.ends(4, p.arm(old, time.Second, "--wait"), "nobody confirmed the change in time")
		p.must(p.tidy(new))
	})
}

// TestStateFolder: where nothing can be written down, nothing is changed; and what is armed
// already goes back, by hand at once and else by itself.
func TestStateFolder(t *testing.T) {
	kernel.Beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		disk, err := kernel.NewDisk(p.state, 256<<10)
		p.must(err)
		defer disk.Close()
		first, old, new := p.policy("first", variant(variants[1].holes)), p.policy("a", variant(variants[0].holes)), p.policy("closed", closed)
		p.do(p.apply(first))
		p.do(p.apply(old))
		for _, c := range []struct {
			name, says string
			late       int // exit code of who confirms too late: without the lock nobody tidies
			make, mend func() error
		}{
			{"full", "make room there", 4, disk.Fill, disk.Free},
			{"read-only", "make it writable", 3, func() error { return disk.ReadOnly(true) }, func() error { return disk.ReadOnly(false) }},
		} {
			t.Logf("%s disk", c.name)
			p.must(c.make())
			p.unchanged(func() {
				p.ends(3, p.apply(new), "nothing is changed", c.says)
				p.ends(3, p.arm(new, armedFor), "nothing is changed", c.says)
				p.ends(3, p.changing("rollback", "--yes"), "nothing is changed", c.says)
				p.ends(3, p.changing("rollback", "0", "--yes", "--no-confirm", "--cut-me-off"), "nothing is changed", c.says)
				p.ends(0, p.changing("status"), "in force: state 2")
				p.ends(0, p.changing("plan", "--root", p.root, "--policy", new), "8443")
			})
			p.means(old)

			// What was remembered comes back all the same.
			_, err := kernel.Run("", "nft", "delete", "table", "inet", "portolan")
			p.must(err)
			p.ends(0, p.changing("apply", "--boot", "--yes"), "restored state 2")
			p.means(old)
			p.must(c.mend())
			p.must(p.tidy(old))

			// A change that waits cannot be kept, but given up.
			p.do(p.arm(new, armedFor))
			p.must(c.make())
			p.reaches(time.Second, " 80", 80, 8443)
			p.unchanged(func() { p.ends(3, p.confirm(), "not confirmed", c.says) })
			p.reaches(time.Second, " 80", 80, 8443)
			p.ends(0, p.back(), "given up")
			p.reaches(time.Second, " 80 8443", 80, 8443)
			p.means(old)
			p.must(c.mend())
			p.must(p.tidy(old))

			// Or it goes by itself.
			const window = 2 * time.Second
			p.do(p.arm(new, window))
			p.must(c.make())
			p.reaches(window+time.Second, " 80 8443", 80, 8443)
			p.means(old)
			p.ends(c.late, p.confirm())
			p.must(c.mend())
			p.do(p.changing("apply", "--boot", "--yes"))
			p.must(p.tidy(old))
		}
	})
}

// anew is a script in a network namespace of its own, as after a start of the host: nothing is
// there but what is on the disk. It stops at what does not end well.
func (p *place) anew(script string) *exec.Cmd {
	cmd := p.command()
	cmd.Args = []string{"sh", "-euc", script, "sh", cmd.Path, p.root, p.state}
	sh, err := exec.LookPath("sh")
	p.must(err)
	cmd.Path = sh
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	return cmd
}

// TestReboot: what was confirmed last is there after a start of the host, whatever became of the
// policy, and what still waited is not.
func TestReboot(t *testing.T) {
	kernel.Beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		old, new := p.two()
		boots := func(policy string) {
			t.Helper()
			p.do(p.anew(`"$1" apply --boot --yes --state-dir "$3"; "$1" verify --live --root "$2" --policy ` + policy + `; "$1" status --exit-code --state-dir "$3"`))
		}
		p.ends(0, p.anew(`"$1" apply --boot --state-dir "$3"; ! nft list table inet portolan`), "nothing was confirmed yet")
		p.do(p.apply(old))
		boots(old)
		p.do(p.arm(new, armedFor))
		boots(old)
		// What waited before the start does not wait behind it.
		p.ends(3, p.anew(`"$1" apply --boot --yes --state-dir "$3"; "$1" confirm --state-dir "$3"`), "nothing waits to be confirmed")
		p.ends(0, p.changing("status"), "waits to be confirmed")

		p.do(p.back())
		p.do(p.arm(new, armedFor))
		p.do(p.confirm())
		boots(new)
		p.must(os.WriteFile(new, []byte("allow {"), 0o644))
		p.ends(3, p.apply(new), "portolan.hcl has errors")
		p.do(p.anew(`"$1" apply --boot --yes --state-dir "$3"; "$1" status --exit-code --state-dir "$3"`))
		p.must(os.Remove(new))
		p.do(p.anew(`"$1" apply --boot --yes --state-dir "$3"; "$1" status --exit-code --state-dir "$3"`))

		// A file that is damaged is nothing to be restored, and an older one is not taken.
		newest := filepath.Join(p.state, "2.state")
		text, err := os.ReadFile(newest)
		p.must(err)
		text[len(text)/2] ^= 1
		p.must(os.WriteFile(newest, text, 0o600))
		p.ends(3, p.anew(`"$1" apply --boot --yes --state-dir "$3"`), "damaged")
	})
}
