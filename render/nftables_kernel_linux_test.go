package render

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portolan/internal/addr"
	"portolan/internal/kernel"
	"portolan/internal/netlink"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/internal/verify"
)

// asked is what the kernel has of the table, by its own word.
func asked(t *testing.T) *ruleset.Ruleset {
	t.Helper()
	c, err := netlink.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	table, err := c.Read("portolan")
	if err != nil {
		t.Fatal(err)
	}
	live, err := verify.Kernel(table)
	if err != nil {
		t.Fatal(err)
	}
	if live.Pending != nil {
		t.Error("something waits for its confirmation")
	}
	return live.Rules
}

// listed is what the kernel has of the table, read from both listings of nft and from the
// kernel itself. All three are the same to the letter.
func listed(t *testing.T) (text, json *ruleset.Ruleset) {
	t.Helper()
	text, err := verify.ParseNftables(source.New("list", []byte(run(t, "", "nft", "-a", "list", "ruleset"))))
	if err != nil {
		t.Fatal(err)
	}
	json, err = verify.ParseNftablesJSON(source.New("list.json", []byte(run(t, "", "nft", "-j", "list", "ruleset"))))
	if err != nil {
		t.Fatal(err)
	}
	own := asked(t)
	if text.Hash() != own.Hash() || json.Hash() != own.Hash() {
		if c := cmp.Or(ruleset.Equivalent(text, own), ruleset.Equivalent(json, own)); c != nil {
			t.Fatal(c.Words("a listing", "the kernel"))
		}
		t.Fatal("the kernel and the listings decide alike and are not the same")
	}
	return text, json
}

// same compares what the kernel has with what it should have.
func same(t *testing.T, want *ruleset.Ruleset, where string) {
	t.Helper()
	text, json := listed(t)
	if c := ruleset.Equivalent(want, text); c != nil {
		t.Fatalf("%s: %s", where, c.Words("the ruleset", "the listing"))
	}
	if c := ruleset.Equivalent(want, json); c != nil {
		t.Fatalf("%s: %s", where, c.Words("the ruleset", "the listing as JSON"))
	}
}

// TestKernelListsWhatWasMeant loads random rulesets one over the other, and reads them back
// from the kernel. Both forms take their turns, and another table is there.
func TestKernelListsWhatWasMeant(t *testing.T) {
	inNamespace(t, []string{"nft"}, func(t *testing.T) {
		run(t, "table ip other {\n\tchain x {\n\t\ttype nat hook output priority -100; policy accept;\n\t\tip daddr 10.9.9.9 counter comment \"\u00fc\"\n\t}\n}\n", "nft", "-f", "-")
		random := rapid.Custom(genRuleset)
		written := 0
		for seed := range 30 {
			rs := random.Example(seed)
			for _, f := range Backends[0].Forms {
				out, ok := proveForm(t, Backends[0], f, rs)
				if !ok {
					continue
				}
				written++
				run(t, string(out[0].Data), "nft", "-f", "-")
				same(t, rs, fmt.Sprintf("seed %d, %s", seed, out[0].Name))
			}
		}
		if written < 40 {
			t.Errorf("only %d texts were written", written)
		}
	})
}

// TestKernelSweepUntracked asks with packets what the other sweeps do not have: media before
// connection tracking.
func TestKernelSweepUntracked(t *testing.T) {
	inNamespace(t, []string{"nft"}, func(t *testing.T) {
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		rs := untrackedHost()
		loaders[0].load(t, rs)
		for _, from := range []string{"10.20.1.1", "2001:db8:7::5"} {
			sweep(t, link, rs, from)
		}
	})
}

// receive counts the packets that reach some UDP ports of the loopback interface.
func receive(t *testing.T, ports ...int) *atomic.Int64 {
	t.Helper()
	count := new(atomic.Int64)
	for _, p := range ports {
		for _, network := range []string{"udp4", "udp6"} {
			c, err := net.ListenUDP(network, &net.UDPAddr{Port: p})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			go func() {
				buffer := make([]byte, 100)
				for {
					if _, _, err := c.ReadFrom(buffer); err != nil {
						return
					}
					count.Add(1)
				}
			}()
		}
	}
	return count
}

// connect sends one packet from each of n ports of an address, and tells how many arrive.
func connect(t *testing.T, count *atomic.Int64, from, to string, n int) int {
	t.Helper()
	before := count.Load()
	for range n {
		d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}
		c, err := d.Dial("udp", to)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	time.Sleep(30 * time.Millisecond)
	return int(count.Load() - before)
}

// TestKernelConnections: the kernel lets so many connections through as the ruleset says, for
// each source or together, and all rules of a name share the count. What is beyond goes on to
// the next rules.
func TestKernelConnections(t *testing.T) {
	inNamespace(t, []string{"nft"}, func(t *testing.T) {
		rule := func(ports string, e ruleset.Effect) ruleset.Rule {
			r := service("calls "+ports, "", port.UDP, ports, addr.All())
			e.Verdict = ruleset.Accept
			r.Effect = e
			return r
		}
		each := ruleset.Connections{Count: 3, PerSource: true, Name: "each"}
		together := ruleset.Connections{Count: 5, Name: "together"}
		limited := ruleset.Connections{Count: 4, Name: "limited"}
		limit := ruleset.Limit{Rate: ruleset.Rate{Count: 1, Period: "hour"}, Burst: 2, PerSource: true, Name: "slow"}
		rs := &ruleset.Ruleset{Input: ruleset.Chain{Default: ruleset.Drop, Rules: []ruleset.Rule{
			rule("7000", ruleset.Effect{Connections: each}),
			rule("7001", ruleset.Effect{Connections: each}),
			rule("7002", ruleset.Effect{Connections: together}),
			rule("7003", ruleset.Effect{Connections: together}),
			rule("7004", ruleset.Effect{Connections: limited, Limit: limit}),
		}}}
		loaders[0].load(t, rs)
		same(t, rs, "the counts")
		count := receive(t, 7000, 7001, 7002, 7003, 7004)
		for _, c := range []struct {
			from, to string
			n, want  int
		}{
			{"127.0.0.5", "127.0.0.1:7000", 2, 2},
			{"127.0.0.5", "127.0.0.1:7001", 4, 1}, // shares the count of the other port
			{"127.0.0.6", "127.0.0.1:7001", 5, 3}, // another source has its own
			{"::1", "[::1]:7000", 5, 3},           // the other family too
			{"127.0.0.5", "127.0.0.1:7002", 2, 2},
			{"127.0.0.6", "127.0.0.1:7003", 2, 2},
			{"::1", "[::1]:7003", 5, 1},           // one is left, whoever asks
			{"127.0.0.5", "127.0.0.1:7004", 3, 2}, // its limit
			{"127.0.0.6", "127.0.0.1:7004", 3, 1}, // connections are asked first
			{"127.0.0.7", "127.0.0.1:7004", 3, 0},
		} {
			if got := connect(t, count, c.from, c.to, c.n); got != c.want {
				t.Errorf("%d of %d connections from %s to %s came through, want %d", got, c.n, c.from, c.to, c.want)
			}
		}
		same(t, rs, "the counts, with sources counted")
		// Loading the text again does not forget the connections of a source.
		loaders[0].load(t, rs)
		if got := connect(t, count, "127.0.0.6", "127.0.0.1:7000", 3); got != 0 {
			t.Errorf("%d connections of a source came through after the text was loaded again", got)
		}
	})
}

// TestKernelUntracked: what arrives at and leaves from the ports is not tracked, and nothing
// else; and a text without them ends it.
func TestKernelUntracked(t *testing.T) {
	inNamespace(t, []string{"nft"}, func(t *testing.T) {
		look := func() {
			run(t, `table inet look
			delete table inet look
			table inet look {
				chain in { type filter hook input priority 500; ct state untracked udp dport 25000 counter comment "in"; ct state untracked udp dport 5060 counter comment "other"; }
				chain out { type filter hook output priority 500; ct state untracked udp sport 25000 counter comment "out"; }
			}`, "nft", "-f", "-")
		}
		seen := func() map[string]bool {
			out := map[string]bool{}
			for line := range strings.Lines(run(t, "", "nft", "list", "table", "inet", "look")) {
				if _, name, ok := strings.Cut(line, `comment "`); ok && !strings.Contains(line, "packets 0 ") {
					out[strings.TrimSuffix(strings.TrimSpace(name), `"`)] = true
				}
			}
			return out
		}
		send := func() {
			look()
			for _, to := range []int{25000, 5060} {
				c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: to}, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2), Port: to})
				if err != nil {
					t.Fatal(err)
				}
				c.Write([]byte("x")) // an ICMP error may come back
				c.Close()
			}
		}
		loaders[0].load(t, untrackedHost())
		send()
		first := seen()
		if !first["in"] || !first["out"] || first["other"] {
			t.Errorf("untracked are %v", first)
		}
		loaders[0].load(t, plainHost())
		send()
		if after := seen(); len(after) > 0 {
			t.Errorf("still untracked are %v", after)
		}
		list := run(t, "", "nft", "list", "table", "inet", "portolan")
		if strings.Contains(list, "raw_") || strings.Contains(list, "notrack") {
			t.Errorf("a text without untracked ports leaves them:\n%s", list)
		}
	})
}

// TestKernelReloadOfBothDirections replaces texts with and without untracked ports and output
// rules by each other, while packets arrive and leave that both let through.
func TestKernelReloadOfBothDirections(t *testing.T) {
	inNamespace(t, []string{"nft"}, func(t *testing.T) {
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		confined := confinedHost()
		confined.Untracked = untrackedHost().Untracked
		confined.Input.Rules = slices.Concat(untrackedHost().Input.Rules[:1], confined.Input.Rules)
		var texts []string
		for _, rs := range []*ruleset.Ruleset{untrackedHost(), plainHost(), confined, deniedHost(), confinedHost()} {
			texts = append(texts, string(loaders[0].load(t, rs)[0].Data))
		}
		stop, done := make(chan struct{}), make(chan error, 2)
		go func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				if _, err := kernel.Run(texts[n%len(texts)], "nft", "-f", "-"); err != nil {
					done <- err
					return
				}
			}
		}()
		go func() {
			sent := 0
			for ; ; sent++ {
				select {
				case <-stop:
					if sent < 1000 {
						done <- fmt.Errorf("only %d packets were sent", sent)
					}
					done <- nil
					return
				default:
				}
				// Each has a new port, so that none is of a connection that is known.
				c, err := net.Dial("udp4", "192.0.2.77:123")
				if err == nil {
					_, err = c.Write([]byte("x"))
					c.Close()
				}
				// The neighbour is not there; only what the firewall refuses counts.
				if errors.Is(err, syscall.EPERM) {
					done <- fmt.Errorf("packet %d could not leave: %w", sent, err)
					return
				}
			}
		}()
		const packets = 40_000
		for _, c := range []struct {
			port uint16
			want int
		}{{25000, packets}, {5, 0}} {
			if n, err := link.Repeat(uint8(port.UDP), netip.MustParseAddr("192.0.2.9"), c.port, packets); err != nil || n != c.want {
				t.Errorf("%d of %d packets to port %d came through, want %d: %v", n, packets, c.port, c.want, err)
			}
		}
		close(stop)
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// mutate changes a text at one place: a number, an address, a verdict or another word, or the
// order or the number of its lines.
func mutate(random *rand.Rand, text string) string {
	lines := strings.SplitAfter(text, "\n")
	i := random.IntN(len(lines) - 1)
	switch random.IntN(8) {
	case 0:
		return strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "")
	case 1:
		lines[i], lines[i+1] = lines[i+1], lines[i]
	case 2:
		lines = slices.Insert(slices.Clone(lines), i, lines[random.IntN(len(lines))])
	default:
		lines[i] = mutateWord(random, lines[i])
	}
	return strings.Join(lines, "")
}

var mutations = []string{"accept", "drop", "tcp", "udp", "sport", "dport", "saddr", "daddr", "iifname", "oifname", "established", "new", "untracked",
	"ip", "ip6", "input", "output", "prerouting", "raw", "notrack", "counter", "jump", "add", "update", "chain", "set", "map", "3", "5060", "25000-25399", "0-65535"}

// mutateWord changes one word of a line outside of comments.
func mutateWord(random *rand.Rand, text string) string {
	end := len(text)
	for _, mark := range []string{"#", "comment", `"comment"`} {
		if i := strings.Index(text, mark); i >= 0 {
			end = min(end, i)
		}
	}
	var words [][2]int
	for i := 0; i < end; {
		n := strings.IndexFunc(text[i:end], func(c rune) bool { return !wordRune(c) && c != ':' && c != '/' })
		if n < 0 {
			n = end - i
		}
		if n > 0 {
			words = append(words, [2]int{i, i + n})
		}
		i += n + 1
	}
	if len(words) == 0 {
		return text
	}
	w := words[random.IntN(len(words))]
	word := []byte(text[w[0]:w[1]])
	if at := random.IntN(len(word)); '0' <= word[at] && word[at] <= '9' {
		word[at] = byte('0' + random.IntN(10))
	} else {
		word = []byte(mutations[random.IntN(len(mutations))])
	}
	return text[:w[0]] + string(word) + text[w[1]:]
}

// TestKernelMutations changes texts at random. What the reader still takes, nft must take too,
// and the kernel must have what the reader says: the kernel, asked for the other listing, is
// the witness that does not share a mistake with the reader.
func TestKernelMutations(t *testing.T) {
	inNamespace(t, []string{"nft"}, func(t *testing.T) {
		random := rand.New(rand.NewPCG(7, 9))
		older := loaders[0].load(t, confinedHost())[0].Data
		var texts []string
		for _, rs := range []*ruleset.Ruleset{confinedHost(), countedHost(), untrackedHost()} {
			for _, f := range Backends[0].Forms {
				out, _ := proveForm(t, Backends[0], f, rs)
				texts = append(texts, string(out[0].Data))
			}
		}
		taken, refused, different := 0, 0, 0
		for n := range 150 {
			text := mutate(random, texts[n%len(texts)])
			rs, err := verify.ParseNftables(source.New("mutated", []byte(text)))
			if err != nil {
				refused++
				continue
			}
			if text == texts[n%len(texts)] || n%3 > 0 && ruleset.Equivalent(rs, mustRead(t, texts[n%len(texts)])) == nil {
				continue // many are in a comment
			}
			taken++
			run(t, "table inet portolan\ndelete table inet portolan\n"+string(older), "nft", "-f", "-")
			if _, err := kernel.Run(text, "nft", "-f", "-"); err != nil {
				t.Errorf("nft does not take what the reader does: %v\n%s", err, difference(texts[n%len(texts)], text))
				continue
			}
			_, json := listed(t)
			if c := ruleset.Equivalent(rs, json); c != nil {
				different++
				t.Errorf("%s\n%s", c.Words("the reader", "the kernel"), difference(texts[n%len(texts)], text))
			}
		}
		t.Logf("%d refused, %d taken", refused, taken)
		if taken < 10 || refused < 40 {
			t.Errorf("%d texts were refused and %d taken, too few to prove anything", refused, taken)
		}
	})
}

func mustRead(t *testing.T, text string) *ruleset.Ruleset {
	t.Helper()
	rs, err := verify.ParseNftables(source.New("text", []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// TestKernelMutationsOfJSON does the same with what nft lists as JSON, which nft loads too.
func TestKernelMutationsOfJSON(t *testing.T) {
	inNamespace(t, []string{"nft"}, func(t *testing.T) {
		random := rand.New(rand.NewPCG(3, 4))
		rs := confinedHost()
		rs.Untracked = untrackedHost().Untracked
		// nft 1.0 leaves the flag "dynamic" out, so what counts sources does not load again.
		for i := range rs.Input.Rules {
			rs.Input.Rules[i].Effect.Limit = ruleset.Limit{}
		}
		loaders[0].load(t, rs)
		whole := strings.ReplaceAll(run(t, "", "nft", "-j", "list", "table", "inet", "portolan"), `}, {"`, "},\n{\"")
		taken, refused := 0, 0
		for range 250 {
			text := mutate(random, whole)
			read, err := verify.ParseNftablesJSON(source.New("mutated", []byte(text)))
			if err != nil {
				refused++
				continue
			}
			if ruleset.Equivalent(read, rs) == nil && random.IntN(4) > 0 {
				continue
			}
			taken++
			run(t, "", "nft", "delete", "table", "inet", "portolan")
			if _, err := kernel.Run(text, "nft", "-j", "-f", "-"); err != nil {
				// An object that comes before what it speaks of, which a listing can do.
				run(t, "", "nft", "add", "table", "inet", "portolan")
				continue
			}
			list := run(t, "", "nft", "list", "table", "inet", "portolan")
			got, err := verify.ParseNftables(source.New("list", []byte(list)))
			if err != nil {
				t.Errorf("%v\n%s", err, difference(whole, text))
			} else if c := ruleset.Equivalent(read, got); c != nil {
				t.Errorf("%s\n%s", c.Words("the reader", "the kernel"), difference(whole, text))
			}
		}
		t.Logf("%d refused, %d taken", refused, taken)
		if taken < 10 || refused < 40 {
			t.Errorf("%d texts were refused and %d taken, too few to prove anything", refused, taken)
		}
	})
}
