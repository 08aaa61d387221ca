package pilot

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"portolan/internal/kernel"
)

// seed is another one each time; the log has it.
func seed(t *testing.T) *rand.Rand {
	n := uint64(time.Now().UnixNano())
	t.Logf("seed %d", n)
	return rand.New(rand.NewPCG(n, n))
}

// two are policies that differ in everything, with a port each that the other one has not.
func (p *place) two() (old, new string) {
	return p.policy("old", variant(variants[0].holes+` | last: allow "old" { ports = ["7001/tcp"] }`)),
		p.policy("new", variant(variants[len(variants)-2].holes+` | last: allow "new" { ports = ["7002/tcp"] }`))
}

// open are those of the ports to which a new connection comes in now, from a peer.
func (p *place) open(peer netip.Addr, ports ...uint16) (string, error) {
	seen, err := p.link.Try(kernel.Probe{Peer: peer, Ports: ports})
	if err != nil {
		return "", err
	}
	out := ""
	for _, port := range ports {
		if seen[0].TCP[port] {
			out += fmt.Sprintf(" %d", port)
		}
	}
	return out, nil
}

// reaches waits for some time until exactly those ports are open.
func (p *place) reaches(within time.Duration, want string, ports ...uint16) {
	p.t.Helper()
	got, err := "", error(nil)
	for start := time.Now(); time.Since(start) < within; time.Sleep(20 * time.Millisecond) {
		if got, err = p.open(visitorV4, ports...); err != nil {
			p.t.Fatal(err)
		}
		if got == want {
			return
		}
	}
	p.t.Fatalf("open are%s, not%s", got, want)
}

// TestKilled kills the program while it takes one of two policies into force. What is there
// then means one of them, and the next run goes on from there.
func TestKilled(t *testing.T) {
	inNamespace(t, func(t *testing.T, p *place) {
		old, new := p.two()
		p.do(change.apply(p, new))
		p.do(change.apply(p, old))
		before := old // what was in force when a turn began
		goal := new
		killed, err := kernel.Kills{
			Times: counts(t, 30, 300), Limit: 2 * time.Minute, Random: seed(t),
			Command: func(int) *exec.Cmd {
				if goal = new; before == new {
					goal = old
				}
				return change.apply(p, goal)
			},
			Judge: func(_ int, killed bool) (string, error) {
				if !killed {
					before = goal
					_, err := p.meaning(goal)
					return "", err
				}
				now, err := p.meaning(before, goal)
				if err != nil {
					return "", err
				}
				// Packets say the same, except that a change may be in force for the time in
				// which the program would have looked whether it is fine.
				got, err := p.open(visitorV4, 7001, 7002)
				if err != nil {
					return "", err
				}
				if only := map[string]string{old: " 7001", new: " 7002"}; got != only[now] && got != only[goal] {
					return "", fmt.Errorf("%w: open are%s", errBroken, got)
				}
				state := map[bool]string{true: "old", false: "new"}[now == before]
				before = now
				return state, nil
			},
		}.Run()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("by %s: %d turns, %d ended by themselves, killed: %v; usual time %v, first change after %v", change.name(), killed.Turns, killed.Ended, killed.States, killed.Usual, killed.First)
		if killed.States["old"] == 0 || killed.States["new"] == 0 {
			t.Errorf("all were killed on one side of the change: %v", killed.States)
		}
		for _, policy := range []string{old, new} { // from whatever was left behind
			p.do(change.apply(p, policy))
			p.means(policy)
		}
	})
}

// TestKilledWhileArming kills the program while it arms a change. Without the armed rules the
// kernel is on the old ones, always, and giving up leads back to them.
func TestKilledWhileArming(t *testing.T) {
	inNamespace(t, func(t *testing.T, p *place) {
		old, new := p.policy("a", variant(variants[0].holes)), p.policy("closed", closed)
		p.do(change.apply(p, old))
		killed, err := kernel.Kills{
			Times: counts(t, 20, 150), Limit: time.Minute, Random: seed(t),
			Command: func(int) *exec.Cmd { return change.arm(p, new, 30*time.Second) },
			Judge: func(_ int, killed bool) (string, error) {
				if change.pilots() { // the verify that there is now does not know what is armed
					if _, err := p.meaning(old); err != nil {
						return "", err
					}
				}
				// Of the ports, the new rules have one, and the old ones both.
				got, err := p.open(visitorV4, 80, 8443)
				if err != nil {
					return "", err
				}
				if got != " 80" && got != " 80 8443" || !killed && got != " 80" {
					return "", fmt.Errorf("%w: open are%s", errBroken, got)
				}
				if got == " 80 8443" { // then a rollback would lead further back
					_, err := p.meaning(old)
					return "not armed", err
				}
				if err := done(t.Context(), change.back(p)); err != nil {
					return "", err
				}
				if _, err := p.meaning(old); err != nil {
					return "", err
				}
				now, err := p.open(visitorV4, 80, 8443)
				if err != nil {
					return "", err
				}
				if now != " 80 8443" {
					return "", fmt.Errorf("%w: after giving up, open are%s", errBroken, now)
				}
				return "armed", nil
			},
		}.Run()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("by %s: %d turns, %d ended by themselves, killed: %v; usual time %v, first change after %v", change.name(), killed.Turns, killed.Ended, killed.States, killed.Usual, killed.First)
		// nft does it in one step, and is gone at once.
		if killed.States["not armed"] == 0 || change.pilots() && killed.States["armed"] == 0 {
			t.Errorf("all were killed on one side of the change: %v", killed.States)
		}
	})
}

// TestExpiry: with every process gone the old rules decide when the time is over.
func TestExpiry(t *testing.T) {
	beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		old, new := p.policy("a", variant(variants[0].holes)), p.policy("closed", closed)
		p.do(change.apply(p, old))
		p.reaches(time.Second, " 80 8443", 80, 8443)
		const window = 3 * time.Second
		start := time.Now()
		p.do(change.arm(p, new, window))
		armed := time.Now()
		p.reaches(time.Second, " 80", 80, 8443)
		for looks := 0; ; looks++ {
			got, err := p.open(visitorV4, 80, 8443)
			if err != nil {
				t.Fatal(err)
			}
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
		t.Logf("by %s: back after %v of %v", change.name(), time.Since(start).Round(time.Millisecond), window)
		if change.pilots() {
			p.means(old) // also before anybody has tidied
			if _, talk, code := p.portolan("confirm", "--root", p.root, "--state-dir", p.state); code == 0 {
				t.Errorf("what has expired was confirmed: %s", talk)
			}
		}
		p.do(change.back(p))
		p.means(old)
		p.do(change.apply(p, old))
	})
}

// TestTwoAppliers: of two that run at once each gets its turn, or says that it does not.
func TestTwoAppliers(t *testing.T) {
	beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		old, new := p.two()
		p.do(change.apply(p, old))
		won := map[string]int{}
		for range counts(t, 10, 60) {
			a, b := change.apply(p, old), change.apply(p, new)
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
			won[filepath.Base(now)]++
		}
		t.Logf("by %s: %v", change.name(), won)
	})
}

// TestForeignWriter: others write to their own tables all the time. Nothing of theirs is
// touched, and each change gets through or is refused.
func TestForeignWriter(t *testing.T) {
	beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		old, new := p.two()
		p.do(change.apply(p, old))
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
		n, refused, now := counts(t, 10, 60), 0, old
		for i := range n {
			goal := []string{new, old}[i%2]
			err := done(t.Context(), change.apply(p, goal))
			if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 3 {
				refused++
			} else if err != nil {
				t.Fatal(err)
			} else {
				now = goal
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
		t.Logf("by %s: %d changes, %d refused, %d generations", change.name(), n, refused, after-before)
		if refused > n/2 || int(after-before) < 3*n {
			t.Errorf("of %d changes %d were refused, beside %d generations", n, refused, after-before)
		}
		p.do(change.apply(p, new))
		p.means(new)
		if out, err := kernel.Run("", "nft", "list", "set", "ip", "other", "s"); err != nil {
			t.Errorf("%s, %v", out, err)
		}
	})
}

// TestTableDeleted: somebody deletes our table while it is changed. The change is in force,
// or the table is gone, or it is refused; the next one makes it good.
func TestTableDeleted(t *testing.T) {
	beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		old, new := p.two()
		random, n, gone := seed(t), counts(t, 15, 80), 0
		p.do(change.apply(p, old))
		start := time.Now()
		p.do(change.apply(p, new))
		usual := time.Since(start)
		for i := range n {
			goal := []string{old, new}[i%2]
			// Who deletes takes some time to start too, so it may have to start first.
			wait := time.Duration(random.Int64N(int64(2*usual))) - usual
			deleted := make(chan error, 1)
			cmd := change.apply(p, goal)
			go func() {
				time.Sleep(wait)
				_, err := kernel.Run("", "nft", "delete", "table", "inet", "portolan")
				deleted <- err
			}()
			time.Sleep(-wait)
			err := done(t.Context(), cmd)
			if e := <-deleted; e != nil {
				t.Fatal(e)
			}
			if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 3 && exit.ExitCode() != 4 && change.pilots()) {
				t.Fatal(err)
			}
			if _, e := kernel.Run("", "nft", "list", "table", "inet", "portolan"); e != nil {
				gone++ // deleted after the change
			} else if _, err := p.meaning(goal); err != nil {
				t.Fatal(err)
			}
			p.do(change.apply(p, goal))
			p.means(goal)
		}
		t.Logf("by %s: %d changes, the table was gone after %d", change.name(), n, gone)
		if gone == 0 || gone == n {
			t.Errorf("of %d changes the table was gone after %d: nothing was tried", n, gone)
		}
	})
}
