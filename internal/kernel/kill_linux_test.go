package kernel

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestKills: a command that changes rules in two steps is killed before, between and after
// them, and each is seen.
func TestKills(t *testing.T) {
	InNamespace(t, []string{"nft", "sh"}, func(t *testing.T) {
		if _, err := Run("table inet t { counter one { }; counter two { }; }", "nft", "-f", "-"); err != nil {
			t.Fatal(err)
		}
		k := Kills{
			Times: 30, Limit: 20 * time.Second, Random: rand.New(rand.NewPCG(1, 2)),
			Command: func(int) *exec.Cmd {
				return exec.Command("sh", "-ec", "sleep 0.01; nft add chain inet t a; sleep 0.01; nft add chain inet t b; sleep 0.005")
			},
			Judge: func(_ int, killed bool) (string, error) {
				list, err := Run("", "nft", "list", "table", "inet", "t")
				if err != nil {
					return "", err
				}
				state := ""
				for _, c := range []string{"a", "b"} {
					if strings.Contains(list, "chain "+c+" {") {
						state += c
						if _, err := Run("", "nft", "delete", "chain", "inet", "t", c); err != nil {
							return "", err
						}
					}
				}
				if !killed && state != "ab" {
					return "", fmt.Errorf("a command that ended left %q", state)
				}
				return state, nil
			},
		}
		got, err := k.Run()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", *got)
		n := got.Ended
		for _, x := range got.States {
			n += x
		}
		if n != got.Turns || got.States["b"] != 0 || got.States[""] == 0 || got.States["a"] == 0 || got.States["ab"] == 0 {
			t.Errorf("%+v", *got)
		}
		// They are of different turns, so on a busy machine nothing is sure but their order.
		if got.First <= 0 || got.First >= got.Usual {
			t.Errorf("the first change after %v of %v", got.First, got.Usual)
		}

		// What does not end well by itself is no victim, and what Judge says is heard.
		k.Command = func(int) *exec.Cmd { return exec.Command("sh", "-c", "echo why >&2; exit 3") }
		if _, err := k.Run(); err == nil || !strings.Contains(err.Error(), "exit status 3\nwhy") {
			t.Errorf("got %v", err)
		}
		k.Command = func(int) *exec.Cmd { return exec.Command("sh", "-c", "exit 0") }
		bad := errors.New("neither old nor new")
		k.Judge = func(int, bool) (string, error) { return "", bad }
		if _, err := k.Run(); !errors.Is(err, bad) {
			t.Errorf("got %v", err)
		}
	})
}
