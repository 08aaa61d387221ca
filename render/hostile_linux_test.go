package render

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"portolan/internal/kernel"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/internal/verify"
)

// everything carries all hostile texts at once, wherever a text of the user can go.
func everything() *ruleset.Ruleset {
	rs := hostile()
	rs.Files = hostiles
	for i := range rs.Input.Rules {
		rs.Input.Rules[i].Comment = hostiles[(i*7+3)%len(hostiles)]
	}
	return rs
}

// TestKernelHostileText: nft loads it, and the kernel lists what was meant.
func TestKernelHostileText(t *testing.T) {
	inNamespace(t, []string{"nft"}, func(t *testing.T) {
		for _, f := range Backends[0].Forms {
			rs := everything()
			out, _ := proveForm(t, Backends[0], f, rs)
			run(t, string(out[0].Data), "nft", "-f", "-")
			same(t, rs, f.Name)
		}
	})
}

func TestKernelHostileIptablesNft(t *testing.T) { hostileIptables(t, loaders[1], "dash") }

func TestKernelHostileIptablesLegacy(t *testing.T) { hostileIptables(t, loaders[2], "bash") }

// hostileIptables: the restore files load and are listed as they were meant, and nothing of
// them or of the script is run by a shell.
func hostileIptables(t *testing.T, l loader, shell string) {
	inNamespace(t, append([]string{shell}, iptablesPrograms...), func(t *testing.T) {
		rs := everything()
		b := Backends[1]
		out, _ := proveForm(t, b, b.Forms[0], rs)
		loadIptables(t, l, out)
		back, err := verify.Read("iptables", savedIptables(t, l))
		if err != nil {
			t.Fatal(err)
		}
		if c := ruleset.Equivalent(rs, back); c != nil {
			t.Error(c.Words("the ruleset", "the kernel"))
		}
		h := &scriptHost{t, l, []string{shell}, t.TempDir()}
		t.Chdir(h.dir)
		script := h.write("odd", rs)
		h.run(0, "loaded", script, "apply")
		h.run(0, "is what this file says", script, "check")
		for _, place := range []string{h.dir, "/"} {
			if _, err := os.Stat(filepath.Join(place, "canary")); err == nil {
				t.Fatalf("%s ran a command out of a name", shell)
			}
		}
	})
}

// TestKernelTricks: what the loaders do with texts that the readers refuse, or read as they
// do. A reader that takes one must mean what the kernel lists.
func TestKernelTricks(t *testing.T) {
	const chain = "\tchain input {\n\t\ttype filter hook input priority filter - 10; policy drop;\n"
	inNamespace(t, []string{"nft"}, func(t *testing.T) {
		included := filepath.Join(t.TempDir(), "x.nft")
		if err := os.WriteFile(included, []byte("}\ntable inet portolan {\n\tchain input {\n\t\taccept\n\t}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		taken := 0
		for _, text := range []string{
			"table inet portolan {\n" + chain + "\t\ttcp dport 22 accept\n\t}\n}\n",
			"table inet portolan {\n\tset s {\n\t\ttype ipv4_addr; elements = { 10.0.0.0/8 }; flags interval\n\t}\n" + chain + "\t\tip saddr @s accept\n\t}\n}\n",
			"table inet portolan {\n" + chain + "\t\taccept\n\t}\n}\ntable inet z {\n\tchain x {\n\t\tlog prefix \"\n}\n}\n\"\n\t}\n}\n",
			"table inet portolan {\n" + chain + "\t}\n}\ntable inet z {\n\tinclude \"" + included + "\"\n}\n",
			"table inet portolan {\n" + chain + "\t\ttcp dport \\\n22 accept\n\t}\n}\n",
			"table inet portolan {\n" + chain + "\t\ttcp dport 0x16 accept\n\t}\n}\n",
			"table inet portolan {\n" + chain + "\t\ttcp dport 022 accept\n\t}\n}\n",
			"table inet portolan {\n" + chain + "\t\ttcp dport { 22, 23-25, 80 } accept # \\\n\t}\n}\n",
			"table inet portolan {\n" + chain + "\t\ttcp dport { 22,\n 23-25, } accept;; ip saddr 10.0.0.1 - 10.0.0.9 accept\n\t}\n}\n",
			"table inet portolan {\n" + chain + "\t\tct state { new, established } udp sport 53 accept; }; }\n",
			"table inet portolan {\n" + chain + "\t\tiifname { \"a\", \"b\" } tcp dport 22-22 accept; }; }\n",
			"table inet portolan { # }\n" + chain + "\t\ttcp dport 22 accept comment \"# } ; \\\"\n\t}\n}\n",
		} {
			rs, err := verify.ParseNftables(source.New("trick", []byte(text)))
			run(t, "flush ruleset\n", "nft", "-f", "-")
			if _, loads := kernel.Run(text, "nft", "-f", "-"); err != nil || loads != nil {
				continue
			}
			taken++
			same(t, rs, text)
		}
		if taken < 5 {
			t.Errorf("only %d texts are read and loaded", taken)
		}
	})
}

// TestKernelTricksIptables: the same with words and lines of iptables-restore.
func TestKernelTricksIptables(t *testing.T) {
	l := loaders[1]
	inNamespace(t, iptablesPrograms, func(t *testing.T) {
		rest := "COMMIT\n*raw\n:PL-RAW-IN - [0:0]\n:PL-RAW-OUT - [0:0]\nCOMMIT\n"
		begin := "*filter\n:PL-IN - [0:0]\n:PL-OUT - [0:0]\n"
		v6 := source.New("rules.v6", []byte(begin+"-A PL-IN -j DROP\n"+rest))
		taken, refused := 0, 0
		for _, line := range []string{
			"-A PL-IN -p tcp -m tcp --dport 22 -j ACCEPT", "\t-A PL-IN -j ACCEPT", "-A  PL-IN\t-j  ACCEPT ", "[1:2] -A PL-IN -j ACCEPT", "-A \"PL-IN\" -j \"ACCEPT\"",
			"-A PL\"-IN\" -j ACCEPT", "-A PL-IN -m comment --comment \"a\\\" -j DROP \\\\\" -j ACCEPT", "-A PL-IN -m comment --comment \"# x\" -j ACCEPT", "-A PL-IN -m comment --comment a#b -j ACCEPT",
			"-A PL-IN -p tcp -m tcp --sport 5 --dport 22:23 -j ACCEPT", "-A PL-IN -p tcp -m multiport --dports 22,80:90 -m multiport --sports 5,6 -j ACCEPT", "-A PL-IN -c 5 6 -j ACCEPT",
			"-A PL-IN -m conntrack --ctstate NEW,UNTRACKED -j ACCEPT", "-A PL-IN -i lo -s 10.0.0.0/8 -d 10.0.0.1 -j ACCEPT", "-A PL-IN -s 0.0.0.0/0 -j ACCEPT", "-A PL-IN -p 47 -j ACCEPT",
			"-A PL-IN -i \"lo\" -j ACCEPT", "-A PL-IN -i !lo -j ACCEPT", "-A PL-IN -p tcp -m tcp --dport 22:22 -j ACCEPT", "-A PL-IN -p icmp -m icmp --icmp-type 8 -j ACCEPT",
			"#" + strings.Repeat(" ", 10238) + "-A PL-IN -j ACCEPT", "-A PL-IN -j DROP\n-A PL-IN -j ACCEPT", "-A PL-IN --jump ACCEPT", "-A PL-IN -j ACCEPT\n\n# x",
		} {
			v4 := source.New("rules.v4", []byte(begin+line+"\n"+rest))
			rs, err := verify.Read("iptables", []*source.File{v4, v6})
			if err != nil {
				refused++
				continue
			}
			for i, program := range iptablesFamilies(l) {
				run(t, "*filter\n-F INPUT\nCOMMIT\n", program+"-restore", "--noflush")
				run(t, string([]*source.File{v4, v6}[i].Text), program+"-restore", "--noflush")
				run(t, "", program, "-A", "INPUT", "-j", "PL-IN")
			}
			taken++
			back, err := verify.Read("iptables", savedIptables(t, l))
			if err != nil {
				t.Errorf("%s: %v", line, err)
			} else if c := ruleset.Equivalent(rs, back); c != nil {
				t.Errorf("%.100s: %s", line, c.Words("the reader", "the kernel"))
			}
		}
		if taken < 12 || refused < 4 {
			t.Errorf("%d lines are taken and %d refused", taken, refused)
		}
	})
}

// TestHostileShell: no shell runs anything out of a script's names, without a kernel too.
func TestHostileShell(t *testing.T) {
	dir := t.TempDir()
	h := &scriptHost{t: t, dir: dir}
	script := h.write("odd", everything())
	for _, shell := range []string{"sh", "dash", "bash"} {
		if _, err := kernel.Program(shell); err != nil {
			continue
		}
		c := exec.Command(shell, script, "help")
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "usage: ") {
			t.Errorf("%s: %v %s", shell, err, out)
		}
		if _, err := os.Stat(filepath.Join(dir, "canary")); err == nil {
			t.Errorf("%s ran a command out of a name", shell)
		}
	}
}

// TestKernelRandomText is a fuzz of the real readers: what users may have written, at random,
// in every name, comment and path, loads into the kernel by every loader and is listed as it
// was meant. PORTOLAN_MUTATIONS says how often.
func TestKernelRandomText(t *testing.T) {
	inNamespace(t, append([]string{"nft"}, iptablesPrograms...), func(t *testing.T) {
		for seed := range mutationsOf(t, 3) {
			random := rand.New(rand.NewPCG(3, uint64(seed)))
			texts := make([]string, 80)
			for i := range texts {
				texts[i] = randomText(random)
			}
			rs := plainHost()
			rs.Files = texts
			for i := range rs.Input.Rules {
				rs.Input.Rules[i].Comment = texts[i]
			}
			for i, s := range texts {
				rs.Input.Rules = append(rs.Input.Rules, service(s, texts[(i+1)%len(texts)], port.TCP, strconv.Itoa(30000+2*i), sources("10.0.0.0/8", "2001:db8::/32")))
			}
			for _, f := range Backends[0].Forms {
				out, _ := proveForm(t, Backends[0], f, rs)
				run(t, string(out[0].Data), "nft", "-f", "-")
				same(t, rs, fmt.Sprintf("seed %d, %s", seed, f.Name))
			}
			run(t, "", "nft", "delete", "table", "inet", "portolan")
			for _, l := range loaders[1:3] {
				out, _ := proveForm(t, Backends[1], Backends[1].Forms[0], rs)
				loadIptables(t, l, out)
				back, err := verify.Read("iptables", savedIptables(t, l))
				if err != nil {
					t.Fatalf("seed %d, %s: %v", seed, l.name, err)
				}
				if c := ruleset.Equivalent(rs, back); c != nil {
					t.Errorf("seed %d, %s: %s", seed, l.name, c.Words("the ruleset", "the kernel"))
				}
				unload(t, l, out)
			}
		}
	})
}

// randomText is made of what loaders and shells give a meaning to, and of anything else.
func randomText(random *rand.Rand) string {
	words := []string{
		`"`, `'`, `\`, "`", "$(id)", "$x", "${x}", "|", "&", ";", "\n", "\r", "\t", "\x00", "#", "{", "}", "*/", "@", "!", "-j ACCEPT", "-A INPUT", "COMMIT", "*filter",
		"accept", "flush ruleset", "include ", "\u2018", "\u2019", "\u201c", "\u202e", "\u2028", "\u0085", "\ufeff", "%PATH%", "^", " ", "--", "/", "..", "e\u0301", "\xff",
	}
	var b strings.Builder
	for range random.IntN(12) {
		switch random.IntN(3) {
		case 0:
			b.WriteRune(rune(random.IntN(0x250)))
		case 1:
			b.WriteByte(byte(' ' + random.IntN(95)))
		default:
			b.WriteString(words[random.IntN(len(words))])
		}
	}
	if random.IntN(8) == 0 {
		return strings.Repeat(b.String(), 60)
	}
	return b.String()
}
