package render

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"portolan/internal/addr"
	"portolan/internal/kernel"
	"portolan/internal/ruleset"
)

// The kernel is the third witness: it loads what we write and is asked with packets.

// A loader puts outputs into the kernel of a namespace. The two forms of iptables are two
// programs over two parts of the kernel.
type loader struct {
	name     string
	backend  string // "" for the plain text of the tests themselves
	programs []string
	suffix   string // of the programs that it uses under their plain names
}

// snippet is the second form of nftables, which a file of the host includes.
var snippet = loader{"nft snippet", "nftables", []string{"nft"}, ""}

var loaders = []loader{
	{"nft", "nftables", []string{"nft"}, ""},
	{"iptables-nft", "iptables", kernel.Xtables("-nft"), "-nft"},
	{"iptables-legacy", "iptables", kernel.Xtables("-legacy"), "-legacy"},
}

func TestMain(m *testing.M) { os.Exit(kernel.Main(m)) }

// inNamespace is kernel.InNamespace beside other tests: what waits for packets that must not come,
// for the script to go back, or for the kernel to let go of rules, leaves the processors to them.
func inNamespace(t *testing.T, programs []string, body func(t *testing.T)) {
	kernel.Beside(t)
	kernel.InNamespace(t, programs, body)
}

func run(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	out, err := kernel.Run(stdin, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// load loads a ruleset as the headers of the outputs say.
func (l loader) load(t *testing.T, rs *ruleset.Ruleset) []Output {
	t.Helper()
	if l.backend == "" {
		out := []Output{{Name: "plain.nft", Data: []byte("# load: nft -f plain.nft\n" + plainText(t, rs))}}
		l.follow(t, out, "load")
		return out
	}
	b, err := Find(l.backend)
	if err != nil {
		t.Fatal(err)
	}
	out, ok := prove(t, b, rs)
	if !ok {
		_, findings, _ := b.Forms[0].Files(rs, testHeader)
		t.Fatalf("%s refused the ruleset: %s", l.name, findings[0].Message)
	}
	if l.name == snippet.name {
		out, _ = proveForm(t, b, b.Forms[1], rs)
		include := fmt.Sprintf("# load: nft -f nftables.conf\ninclude %q\n", "./"+out[0].Name)
		l.follow(t, append(out, Output{Name: "nftables.conf", Data: []byte(include)}), "load")
		return out
	}
	l.follow(t, out, "first", "load", "hook")
	return out
}

// follow does what the headers of outputs say, with the programs of the loader.
func (l loader) follow(t *testing.T, out []Output, words ...string) {
	t.Helper()
	var files []kernel.File
	for _, o := range out {
		if !o.Aside {
			files = append(files, kernel.File{Name: o.Name, Data: o.Data, Program: o.Program})
		}
	}
	if err := kernel.Follow(t.TempDir(), files, l.suffix, words...); err != nil {
		t.Fatalf("%s: %v", l.name, err)
	}
}

// unload takes the rules of a loader away.
func unload(t *testing.T, l loader, out []Output) {
	t.Helper()
	switch l.backend {
	case "":
		run(t, "", "nft", "delete", "table", "inet", "plain")
	case "nftables":
		l.follow(t, out, "remove")
	default:
		l.follow(t, out, "remove")
		for _, program := range iptablesFamilies(l) {
			for _, table := range []string{"filter", "raw"} {
				if left := run(t, "", program+"-save", "-t", table); strings.Contains(left, "PL-") {
					t.Errorf("%s, table %s: what the header says to remove is there:\n%s", program, table, left)
				}
			}
		}
	}
}

// sweep compares every port of both protocols with what the ruleset means.
func sweep(t *testing.T, link *kernel.Link, rs *ruleset.Ruleset, from string) {
	t.Helper()
	if open := compare(t, link, rs, kernel.Probe{Peer: netip.MustParseAddr(from)}); open == 0 {
		t.Errorf("no port is open for %s: nothing was tried", from)
	}
}

// TestKernelLimit: a limit lets its burst through, for each source by itself, and the rest
// goes on to the rules behind it.
func TestKernelLimit(t *testing.T) {
	inNamespace(t, slices.Concat(loaders[0].programs, loaders[1].programs, loaders[2].programs), func(t *testing.T) {
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		for _, l := range loaders {
			rs := limitedHost()
			ssh := &rs.Input.Rules[len(rs.Input.Rules)-2]
			ssh.Effect.Limit.Rate = ruleset.Rate{Count: 1, Period: "hour"} // no refill while we look
			l.load(t, rs)
			for _, from := range []string{"10.1.0.7", "10.1.0.8", "2001:db8:1::7"} {
				if n, err := link.Repeat(6, netip.MustParseAddr(from), 22, 40); err != nil || n != ssh.Effect.Limit.Burst {
					t.Errorf("%s: %d of 40 packets from %s came through (%v), want the burst of %d", l.name, n, from, err, ssh.Effect.Limit.Burst)
				}
			}
			// Other numbers in a second text must count, although the first is loaded.
			ssh.Effect.Limit.Burst = 9
			out := l.load(t, rs)
			if n, err := link.Repeat(6, netip.MustParseAddr("10.1.0.9"), 22, 40); err != nil || n != 9 {
				t.Errorf("%s: %d of 40 packets came through a changed limit (%v), want 9", l.name, n, err)
			}
			unload(t, l, out)
		}
	})
}

// TestKernelReload: loading a text again changes nothing, and loading it over another one
// gives what it gives over nothing, besides objects that nothing leads to.
func TestKernelReload(t *testing.T) {
	inNamespace(t, loaders[0].programs, func(t *testing.T) {
		nft := loaders[0]
		list := func() string { return run(t, "", "nft", "-s", "list", "table", "inet", "portolan") }
		nft.load(t, limitedHost())
		fresh := list()
		nft.load(t, limitedHost())
		if again := list(); again != fresh {
			t.Errorf("loading twice gives\n%s\nand not\n%s", again, fresh)
		}
		for _, older := range []*ruleset.Ruleset{deniedHost(), additiveHost(), many(300), {Input: ruleset.Chain{Default: ruleset.Accept}}} {
			run(t, "", "nft", "delete", "table", "inet", "portolan")
			nft.load(t, older)
			nft.load(t, limitedHost())
			blocks, want := objects(list()), objects(fresh)
			for name, text := range want {
				if blocks[name] != text {
					t.Errorf("over an older ruleset, %s is\n%s\nand not\n%s", name, blocks[name], text)
				}
			}
			for name := range blocks {
				if _, ours := want[name]; ours {
					continue
				}
				if id := strings.Fields(name)[1]; slices.Contains(strings.Fields(fresh), id) {
					t.Errorf("the new rules speak of the leftover %s", name)
				}
			}
		}
	})
}

// TestKernelReloadLosesNothing sends packets to an open and to a closed port while two
// texts that have little in common replace each other.
func TestKernelReloadLosesNothing(t *testing.T) {
	inNamespace(t, loaders[0].programs, func(t *testing.T) {
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		// The open port leads to another chain in each.
		one := many(300)
		one.Input.Rules = append(one.Input.Rules, service("web", "", 6, "443", addr.V4()))
		var texts []string
		for _, rs := range []*ruleset.Ruleset{one, deniedHost()} {
			texts = append(texts, string(loaders[0].load(t, rs)[0].Data))
		}
		stop, done := make(chan struct{}), make(chan error)
		go func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				if _, err := kernel.Run(texts[n%2], "nft", "-f", "-"); err != nil {
					done <- err
					return
				}
			}
		}()
		const packets = 50_000
		for range 3 {
			for port, want := range map[uint16]int{443: packets, 5: 0} {
				if n, err := link.Repeat(6, netip.MustParseAddr("192.0.2.9"), port, packets); err != nil || n != want {
					t.Errorf("%d of %d packets to port %d came through, want %d: %v", n, packets, port, want, err)
				}
			}
		}
		close(stop)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// objects cuts the listing of a table into its sets, maps and chains.
func objects(list string) map[string]string {
	out := map[string]string{}
	name := ""
	for line := range strings.Lines(list) {
		if strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, "\t\t") && strings.HasSuffix(line, " {\n") {
			name = strings.TrimSpace(line)
		}
		if strings.HasPrefix(line, "\t") {
			out[name] += line
		}
	}
	return out
}

// TestKernelTakesEveryComment loads nasty names and comments through the real readers.
// nft lists them as we wrote them, and iptables lists the very lines that we wrote.
func TestKernelTakesEveryComment(t *testing.T) {
	inNamespace(t, slices.Concat(loaders[0].programs, loaders[1].programs, loaders[2].programs), func(t *testing.T) {
		texts := slices.Clone(nasty)
		for i := range 95 * 3 { // every printable character, in three surroundings
			c := string(rune(' ' + i%95))
			texts = append(texts, []string{"a" + c + "b", c + c, "x" + c}[i/95])
		}
		tried := 0
		// Not more at a time: without privilege over the machine, iptables-nft cannot
		// send a large batch.
		for some := range slices.Chunk(texts, 120) {
			rs := plainHost()
			rs.Files = some
			for i, s := range some {
				rs.Input.Rules = append(rs.Input.Rules, service(s, s, 6, strconv.Itoa(30000+2*i), sources("10.0.0.0/8")))
			}
			tried += commentsInListing(t, loaders[0].load(t, rs))
			for _, l := range loaders[1:] {
				out := l.load(t, rs)
				for i, program := range []string{l.name, strings.Replace(l.name, "ip", "ip6", 1)} {
					saved, want := ourLines(run(t, "", program, "-w", "5", "-S")), ourLines(bareDash.Replace(string(out[i].Data)))
					if !slices.Equal(saved, want) {
						at := 0
						for at < min(len(saved), len(want))-1 && saved[at] == want[at] {
							at++
						}
						t.Errorf("%s lists %d lines for %d, first\n%s\nand not\n%s", program, len(saved), len(want), saved[at], want[at])
					}
				}
				unload(t, l, out)
			}
		}
		if tried < len(texts) {
			t.Errorf("%d comments were looked at for %d texts", tried, len(texts))
		}
	})
}

// commentsInListing compares the comments of a loaded text with what nft lists and tells
// how many there are.
func commentsInListing(t *testing.T, out []Output) int {
	t.Helper()
	list := run(t, "", "nft", "list", "table", "inet", "portolan")
	n := 0
	for line := range strings.Lines(string(out[0].Data)) {
		_, rest, found := strings.Cut(line, ` comment "`)
		if comment, _, ok := strings.Cut(rest, `"`); found && ok {
			n++
			if !strings.Contains(list, `comment "`+comment+`"`) {
				t.Errorf("nft does not list the comment %q", comment)
			}
		}
	}
	return n
}

// iptables leaves out the quotes of a word that begins with a dash, and
// iptables-restore then takes "-t" for an option. We do write them.
var bareDash = strings.NewReplacer(`"--comment"`, `--comment`, `"--"`, `--`)

// ourLines are the rules and chains of a restore file that are ours.
func ourLines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "-A PL-") {
			out = append(out, strings.TrimSuffix(line, "\n"))
		}
	}
	return out
}
