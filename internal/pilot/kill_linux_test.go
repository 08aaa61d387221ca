package pilot

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"strings"
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

// two are policies that differ in everything, with a port each that the other one has not: the
// old one has 7001, the new one 7002.
func (p *place) two() (old, new string) {
	all := variants[len(variants)-3]
	if all.name != "all" {
		p.t.Fatalf("the variant is %q", all.name)
	}
	return p.policy("old", variant(variants[0].holes+` | last: allow "old" { ports = ["7001/tcp"] }`)),
		p.policy("new", variant(all.holes+` | last: allow "new" { ports = ["7002/tcp"] }`))
}

// twoZones are policies that differ in the addresses of a zone, which decide whether the visitor
// gets to 7001 or to 7002.
func (p *place) twoZones() (old, new string) {
	const text = `
zone "first" { sources = ["10.8.1.0/24", "10.8.3.0/24", %q] }
zone "second" { sources = ["10.8.1.0/24", "10.8.3.0/24", %q] }
allow "old" {
  ports = ["7001/tcp"]
  from  = [zone.first]
}
allow "new" {
  ports = ["7002/tcp"]
  from  = [zone.second]
}
allow "ssh" { ports = ["22/tcp"] }
`
	return p.policy("old", fmt.Sprintf(text, visitorV4, "10.9.0.0/16")), p.policy("new", fmt.Sprintf(text, "10.9.0.0/16", visitorV4))
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

// A toss is two policies: the one that is in force when a turn begins, and the other one.
type toss struct {
	*place
	now, goal string
	random    *rand.Rand
}

// A killing is a command that is killed at random moments, again and again.
type killing struct {
	short, long int // how often
	policies    func(*place) (old, new string)
	// begin makes what a turn begins with, and is the command.
	begin func(x *toss) *exec.Cmd
	// end is a word for what a turn has left behind: the policy whose rules stay, and whether
	// the other one is armed.
	end func(x *toss, stays string, armed, killed bool) (word string, err error)
	// words are those that must come up in the long form, so that both sides of the change were
	// tried.
	words []string
}

// whole is which of the two policies stays, and whether the other one is armed. It is an error
// when the kernel has anything else, or packets meet anything else.
func (x *toss) whole() (stays string, armed bool, err error) {
	l, err := live()
	switch {
	case err != nil:
		return "", false, err
	case l == nil:
		return "", false, fmt.Errorf("%w: the table is gone", errBroken)
	}
	if stays, err = x.which(l.Rules, x.now, x.goal); err != nil {
		return "", false, err
	}
	if l.Pending != nil {
		if _, err := x.which(l.Pending, x.goal); err != nil {
			return "", false, fmt.Errorf("what is armed: %w", err)
		}
	}
	meets, err := x.which(l.InForce(), x.now, x.goal)
	if err != nil {
		return "", false, err
	}
	got, err := x.open(visitorV4, 7001, 7002)
	if err != nil {
		return "", false, err
	}
	if want := map[string]string{"old": " 7001", "new": " 7002"}[called(meets)]; got != want {
		return "", false, fmt.Errorf("%w: open are%s, not%s", errBroken, got, want)
	}
	return stays, l.Waiting, nil
}

// goOn says the next command, whichever people may say then, and holds what comes of it
// against what they expect.
func (x *toss) goOn(stays string, armed bool) error {
	confirms := x.random.IntN(2) == 0
	next := x.apply(stays)
	if confirms {
		next = x.confirm()
	}
	if armed {
		if _, _, err := finish(x.t.Context(), x.apply(x.now)); exitOf(err) != 1 {
			return fmt.Errorf("apply while a change waits: %v", err)
		}
		if stays = x.goal; !confirms {
			stays, next = x.now, x.back()
		}
	}
	_, talk, err := finish(x.t.Context(), next)
	if !armed && confirms && exitOf(err) == 3 && strings.Contains(talk, "nothing waits to be confirmed") {
		next = x.apply(stays) // which also takes away what was made for nothing
		_, talk, err = finish(x.t.Context(), next)
	}
	if err != nil {
		return fmt.Errorf("%v: %w\n%s", next.Args, err, talk)
	}
	if err := x.tidy(stays); err != nil {
		return fmt.Errorf("after %v: %w", next.Args, err)
	}
	if stays != x.now {
		x.now, x.goal = stays, x.now
	}
	return nil
}

// kill runs a test of kills. What is there after each of them is one of the two policies, in
// what the kernel has and in what packets meet. The next command goes on from there, and leaves
// nothing else behind, so that a start of the host would bring the same.
func kill(t *testing.T, c killing) {
	kernel.Beside(t)
	inNamespace(t, func(t *testing.T, p *place) {
		x := &toss{place: p, random: seed(t)}
		x.goal, x.now = c.policies(p)
		p.do(p.apply(x.goal))
		p.do(p.apply(x.now))
		got, err := kernel.Kills{
			Times: counts(t, c.short, c.long), Limit: 2 * time.Minute, Random: x.random,
			Command: func(int) *exec.Cmd { return c.begin(x) },
			Judge: func(_ int, killed bool) (string, error) {
				stays, armed, err := x.whole()
				if err != nil {
					return "", err
				}
				word, err := c.end(x, stays, armed, killed)
				if err != nil {
					return "", err
				}
				return word, x.goOn(stays, armed)
			},
		}.Run()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d turns, %d ended by themselves, killed: %v; usual time %v, first change after %v", got.Turns, got.Ended, got.States, got.Usual, got.First)
		for _, word := range c.words {
			if got.States[word] == 0 && got.Turns >= 40 { // with fewer it may be chance
				t.Errorf("none was killed %s: %v", word, got.States)
			}
		}
	})
}

// errMissed is a command that ended well and did not do what it is for.
var errMissed = errors.New("the command ended by itself, and did not do it")

// changed is the end of a turn of a command that is to take the other policy into force.
func changed(x *toss, stays string, armed, killed bool) (string, error) {
	switch {
	case !killed && (armed || stays != x.goal):
		return "", errMissed
	case armed:
		return "armed", nil
	case stays == x.now:
		return "before", nil
	}
	return "behind", nil
}

// TestKilledChange kills a change that nobody is asked about, while it is armed all the same.
func TestKilledChange(t *testing.T) {
	kill(t, killing{
		short: 12, long: 90, policies: (*place).two,
		begin: func(x *toss) *exec.Cmd { return x.apply(x.goal) },
		end:   changed, words: []string{"before", "behind"}, // and "armed", which does not last long
	})
}

// TestKilledInPlace kills a change that only puts other elements into the sets that are there.
func TestKilledInPlace(t *testing.T) {
	kill(t, killing{
		short: 8, long: 40,
		policies: func(p *place) (string, string) {
			old, new := p.twoZones()
			p.do(p.apply(old))
			before, err := kernel.Generation()
			if err != nil {
				p.t.Fatal(err)
			}
			p.do(p.apply(new))
			if after, err := kernel.Generation(); err != nil || after != before+1 {
				p.t.Fatalf("the change takes %d steps and not one, so it is not made in place: %v", after-before, err)
			}
			return old, new
		},
		begin: func(x *toss) *exec.Cmd { return x.apply(x.goal) },
		end:   changed, words: []string{"before", "behind"},
	})
}

// TestKilledEarlier kills a way back to an earlier state.
func TestKilledEarlier(t *testing.T) {
	kill(t, killing{
		short: 6, long: 40, policies: (*place).two,
		begin: func(x *toss) *exec.Cmd { return x.changing("rollback", "--yes", "--no-confirm") },
		end:   changed, words: []string{"before", "behind"},
	})
}

// armedFor is how long a change waits that is to be confirmed or given up, not to expire.
const armedFor = time.Minute

// TestKilledArming kills a change that somebody is asked to confirm.
func TestKilledArming(t *testing.T) {
	kill(t, killing{
		short: 8, long: 40, policies: (*place).two,
		begin: func(x *toss) *exec.Cmd { return x.arm(x.goal, armedFor) },
		end: func(x *toss, stays string, armed, killed bool) (string, error) {
			switch {
			case stays != x.now || !killed && !armed:
				return "", errMissed
			case armed:
				return "armed", nil
			}
			return "before", nil
		}, words: []string{"before", "armed"},
	})
}

// TestKilledConfirm kills who confirms a change.
func TestKilledConfirm(t *testing.T) {
	kill(t, killing{
		short: 8, long: 40, policies: (*place).two,
		begin: func(x *toss) *exec.Cmd {
			x.do(x.arm(x.goal, armedFor))
			return x.confirm()
		},
		end: func(x *toss, stays string, armed, killed bool) (string, error) {
			switch {
			case armed == (stays == x.goal) || !killed && armed:
				return "", errMissed
			case armed:
				return "before", nil
			}
			return "behind", nil
		}, words: []string{"before", "behind"},
	})
}

// TestKilledRollback kills who gives a change up.
func TestKilledRollback(t *testing.T) {
	kill(t, killing{
		short: 8, long: 40, policies: (*place).two,
		begin: func(x *toss) *exec.Cmd {
			x.do(x.arm(x.goal, armedFor))
			return x.back()
		},
		end: func(x *toss, stays string, armed, killed bool) (string, error) {
			switch {
			case stays != x.now || !killed && armed:
				return "", errMissed
			case armed:
				return "before", nil
			}
			return "behind", nil
		}, words: []string{"before", "behind"},
	})
}
