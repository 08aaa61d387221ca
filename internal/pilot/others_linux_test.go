package pilot

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portolan/internal/kernel"
)

// TestTwoAppliers: of two that run at once each gets its turn, or says that it does not.
func TestTwoAppliers(t *testing.T) {
	kernel.Beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		old, new := p.two()
		p.do(p.apply(old))
		won := map[string]int{}
		for range counts(t, 8, 40) {
			a, b := p.apply(old), p.apply(new)
			errs := make(chan error, 1)
			go func() { errs <- done(t.Context(), a) }()
			second, first := done(t.Context(), b), <-errs
			if first != nil && second != nil {
				t.Fatalf("neither got through: %v", errors.Join(first, second))
			}
			for _, err := range []error{first, second} {
				if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 3) {
					t.Fatal(err)
				}
			}
			now, err := p.meaning(old, new)
			if err != nil {
				t.Fatal(err)
			}
			if first != nil && now == old || second != nil && now == new {
				t.Fatalf("the one that failed is in force: %v", errors.Join(first, second))
			}
			won[called(now)]++
		}
		t.Logf("%v", won)
	})
}

// TestAppliersApart: of two that do not know of each other, because each remembers elsewhere, only the
// kernel keeps one out. Each gets through, or is refused, or has gone back.
func TestAppliersApart(t *testing.T) {
	kernel.Beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		old, new := p.two()
		p.do(p.apply(old))
		apart := *p
		apart.state = filepath.Join(t.TempDir(), "apart")
		codes := map[int]int{}
		for range counts(t, 8, 40) {
			a, b := p.apply(old), apart.apply(new)
			errs := make(chan error, 1)
			go func() { errs <- done(t.Context(), a) }()
			second, first := done(t.Context(), b), <-errs
			for _, err := range []error{first, second} {
				switch code := exitOf(err); code {
				case 0, 1, 3, 4:
					codes[code]++
				default:
					t.Fatal(err)
				}
			}
			now, err := p.meaning(old, new)
			p.must(err)
			if first == nil && second != nil && now != old || second == nil && first != nil && now != new {
				t.Fatalf("the one that failed is in force: %v", errors.Join(first, second))
			}
			l, err := live()
			p.must(err)
			if l.Waiting { // who could not take it back leaves that to the kernel
				if first == nil && second == nil {
					t.Fatal("something waits still")
				}
				p.do(p.back())
			}
		}
		t.Logf("exit codes: %v", codes)
		p.do(p.apply(new))
		p.must(p.tidy(new))
	})
}

// TestForeignWriter: others write to their own tables all the time. Nothing of theirs is
// touched, and each change gets through or is refused.
func TestForeignWriter(t *testing.T) {
	kernel.Beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		old, new := p.two()
		p.do(p.apply(old))
		if _, err := kernel.Run("table ip other { set s { type ipv4_addr; elements = { 192.0.2.1 }; }; }", "nft", "-f", "-"); err != nil {
			t.Fatal(err)
		}
		// A shell that ends by itself, also when nobody ends it.
		script := filepath.Join(p.dir, "writer.sh")
		if err := os.WriteFile(script, []byte(`i=0
while [ $i -lt 5000 ] && [ ! -e stop ]; do
	nft 'add element ip other s { 192.0.2.2 }' && nft 'delete element ip other s { 192.0.2.2 }' || exit 1
	i=$((i + 1))
done
[ $i -gt 0 ]
`), 0o644); err != nil {
			t.Fatal(err)
		}
		writer := exec.Command("sh", script)
		writer.Dir = p.dir
		ended := make(chan error, 1)
		before, err := kernel.Generation()
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- done(t.Context(), writer) }()
		n, refused, now := counts(t, 9, 40), 0, old
		for i := range n {
			goal := []string{new, old}[i%2]
			var err error
			if i%3 < 2 {
				err = done(t.Context(), p.apply(goal))
			} else if err = done(t.Context(), p.arm(goal, armedFor)); err == nil {
				p.means(now)
				if err = done(t.Context(), p.confirm()); err != nil {
					p.do(p.back())
				}
			}
			switch exitOf(err) {
			case 0:
				now = goal
			case 3, 4:
				refused++
			default:
				t.Fatal(err)
			}
			p.means(now)
		}
		after, err := kernel.Generation()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p.dir, "stop"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		t.Logf("%d changes, %d refused, %d generations", n, refused, after-before)
		if refused > n/2 || int(after-before) < 3*n {
			t.Errorf("of %d changes %d were refused, beside %d generations", n, refused, after-before)
		}
		p.do(p.apply(new))
		p.means(new)
		if out, err := kernel.Run("", "nft", "list", "set", "ip", "other", "s"); err != nil {
			t.Errorf("%s, %v", out, err)
		}
	})
}

// TestTableDeleted: somebody deletes our table while it is changed. The change is in force,
// or the table is gone, or it is refused; the next one makes it good.
func TestTableDeleted(t *testing.T) {
	kernel.Beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		old, new := p.two()
		random, n, gone := seed(t), counts(t, 12, 50), 0
		p.do(p.apply(old))
		start := time.Now()
		p.do(p.apply(new))
		usual := time.Since(start)
		for i := range n {
			goal := []string{old, new}[i%2]
			// Who deletes takes some time to start too, so it may have to start first.
			wait := time.Duration(random.Int64N(int64(2*usual))) - usual
			deleted := make(chan error, 1)
			cmd := p.apply(goal)
			delete := func() {
				_, err := kernel.Run("", "nft", "delete", "table", "inet", "portolan")
				deleted <- err
			}
			if i == 0 { // one before it, one behind it, and the others at any time
				delete()
			} else if i > 1 {
				go func() {
					time.Sleep(wait)
					delete()
				}()
				time.Sleep(-wait)
			}
			err := done(t.Context(), cmd)
			if i == 1 {
				delete()
			}
			if e := <-deleted; e != nil {
				t.Fatal(e)
			}
			if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 3 && exit.ExitCode() != 4) {
				t.Fatal(err)
			}
			if _, e := kernel.Run("", "nft", "list", "table", "inet", "portolan"); e != nil {
				gone++ // deleted after the change
			} else if _, err := p.meaning(goal); err != nil {
				t.Fatal(err)
			}
			p.do(p.apply(goal))
			p.means(goal)
		}
		t.Logf("%d changes, the table was gone after %d", n, gone)
		if gone == 0 || gone == n {
			t.Errorf("of %d changes the table was gone after %d: nothing was tried", n, gone)
		}
	})
}

// TestLeftOver: what a killed change has left behind, to which nothing leads, is taken away without
// anybody who confirms it, and is no state of its own.
func TestLeftOver(t *testing.T) {
	kernel.Beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		old, _ := p.two()
		p.do(p.apply(old))
		for _, cmd := range []*exec.Cmd{p.arm(old, armedFor, "--wait"), p.apply(old), p.changing("apply", "--boot", "--yes")} {
			if _, err := kernel.Run("", "nft", "add chain inet portolan pending_input; add set inet portolan pending { type nf_proto; flags timeout; }"); err != nil {
				t.Fatal(err)
			}
			p.do(cmd)
			p.must(p.tidy(old))
		}
		p.ends(3, p.back(), "there is no state before the one that is in force")
	})
}

// TestMeddled: somebody changes the table by hand while a change waits. It is only kept when it is
// still what was asked for, and there is always a way on.
func TestMeddled(t *testing.T) {
	kernel.Beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		now, goal := p.two()
		p.do(p.apply(now))
		boot := func() *exec.Cmd { return p.changing("apply", "--boot", "--yes") }
		again := func() *exec.Cmd { return p.apply(now) }
		other := func() *exec.Cmd { return p.apply(goal) }
		for _, c := range []struct {
			name, by string
			code     int // of who confirms
			says     string
			next     []func() *exec.Cmd
		}{
			{"the table is deleted", "delete table inet portolan", 3, "nothing waits", []func() *exec.Cmd{boot}},
			{"the table is deleted, and another policy comes", "delete table inet portolan", 3, "nothing waits", []func() *exec.Cmd{other, again}},
			{"the table is emptied", "flush table inet portolan", 3, "nothing waits", []func() *exec.Cmd{again}},
			{"the time is taken away", "flush set inet portolan pending", 4, "nobody confirmed", []func() *exec.Cmd{again}},
			{"half of it is", "delete element inet portolan pending { ipv4 }", 4, "nobody confirmed", []func() *exec.Cmd{again}},
			{"what waits is changed", "add rule inet portolan pending_input tcp dport 23 accept", 3, "is not what is wanted", []func() *exec.Cmd{p.back}},
			{"a map is", "add element inet portolan tcp_services.2 { 23 : accept }", 3, "is not ", []func() *exec.Cmd{p.back}},
			{"a gate is taken away", "flush chain inet portolan output", 3, "is not what is wanted", []func() *exec.Cmd{p.back, again}},
		} {
			p.do(p.arm(goal, armedFor))
			if _, err := kernel.Run("", "nft", c.by); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			p.ends(0, p.changing("status"))
			said := p.ends(c.code, p.confirm())
			if !strings.Contains(said, c.says) {
				t.Errorf("%s: does not say %q:\n%s", c.name, c.says, said)
			}
			for _, next := range c.next {
				p.do(next())
			}
			if err := p.tidy(now); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
	})
}
