package render

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portolan/internal/kernel"
	"portolan/internal/port"
	"portolan/internal/ruleset"
	"portolan/internal/source"
	"portolan/internal/verify"
)

var (
	iptablesPrograms = slices.Concat(loaders[1].programs, loaders[2].programs, []string{"ipset"})
	iptablesFamilies = func(l loader) []string { return []string{l.name, strings.Replace(l.name, "ip", "ip6", 1)} }
)

// loadIptables does what the headers of the outputs say.
func loadIptables(t *testing.T, l loader, out []Output) {
	t.Helper()
	if len(out) == 3 {
		run(t, string(out[2].Data), "ipset", "-exist", "restore")
	}
	for i, program := range iptablesFamilies(l) {
		run(t, string(out[i].Data), program+"-restore", "--noflush", "-w", "5")
		for line := range strings.Lines(string(out[i].Data)) {
			command, ok := strings.CutPrefix(line, "# hook:   ")
			if !ok {
				continue
			}
			check, insert, _ := strings.Cut(strings.TrimSpace(command), " || ")
			if _, err := kernel.Run("", program, strings.Fields(check)[1:]...); err != nil {
				run(t, "", program, strings.Fields(insert)[1:]...)
			}
		}
	}
}

// savedIptables is what the host lists.
func savedIptables(t *testing.T, l loader, options ...string) []*source.File {
	t.Helper()
	var files []*source.File
	for _, program := range iptablesFamilies(l) {
		files = append(files, source.New("host", []byte(run(t, "", program+"-save", options...))))
	}
	return append(files, source.New("ipset", []byte(run(t, "", "ipset", "save"))))
}

// othersLoad puts rules of others beside ours, and gives what lists them and nothing of ours.
func othersLoad(t *testing.T, l loader) func() string {
	t.Helper()
	for i, program := range iptablesFamilies(l) {
		run(t, fmt.Sprintf(`*raw
:OTHER - [0:0]
-A PREROUTING -m comment --comment "it's PL-IN" -j OTHER
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
:f2b-sshd - [0:0]
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -j RETURN
-A f2b-sshd -s %s -m comment --comment "-A PL-IN -j ACCEPT" -j DROP
-A f2b-sshd -j RETURN
COMMIT
`, []string{"192.0.2.66/32", "2001:db8::66/128"}[i]), program+"-restore", "--noflush", "-w", "5")
	}
	return func() string {
		var b strings.Builder
		for _, program := range iptablesFamilies(l) {
			for _, table := range []string{"filter", "raw"} {
				for line := range strings.Lines(run(t, "", program+"-save", "-t", table)) {
					words := strings.Fields(line)
					ours := strings.HasPrefix(line, ":PL-") || strings.HasPrefix(line, "-A PL-") || strings.HasPrefix(words[len(words)-1], "PL-")
					if line[0] != '#' && !ours {
						b.WriteString(strings.TrimSpace(strings.SplitN(line, "[", 2)[0]) + "\n") // without counters
					}
				}
			}
		}
		return b.String()
	}
}

// TestKernelIptablesReadBack: a ruleset that is loaded, among rules of others and over
// another one, is read back out of what the kernel has, line for line as it was written.
func TestKernelIptablesReadBack(t *testing.T) {
	inNamespace(t, iptablesPrograms, func(t *testing.T) {
		read := 0
		for _, l := range loaders[1:] {
			others := othersLoad(t, l)
			before := others()
			for seed := range 14 {
				rs := rapid.Custom(genRuleset).Example(seed)
				switch seed {
				case 0:
					rs = voiceHost()
				case 5:
					rs = longHost()
				}
				out, ok := prove(t, iptables(t), rs)
				if !ok {
					continue
				}
				read++
				loadIptables(t, l, out)
				for _, options := range [][]string{nil, {"-c"}} {
					back, err := verify.Read("iptables", savedIptables(t, l, options...))
					if err != nil {
						t.Fatalf("%s, seed %d: %v\n%s", l.name, seed, err, Text(out))
					}
					if c := ruleset.Equivalent(rs, back); c != nil {
						t.Errorf("%s, seed %d: %s", l.name, seed, c.Words("the ruleset", "the host"))
					}
				}
				for i, program := range iptablesFamilies(l) {
					for _, table := range []string{"filter", "raw"} {
						_, text, _ := strings.Cut(string(out[i].Data), "\n*"+table+"\n")
						text, _, _ = strings.Cut(text, "COMMIT\n")
						saved := run(t, "", program+"-save", "-t", table)
						for line := range strings.Lines(text) {
							if !strings.Contains(saved, "\n"+line) {
								t.Errorf("%s does not list %q", program, line)
							}
						}
					}
				}
			}
			if after := others(); after != before {
				t.Errorf("%s: the rules of others were\n%s\nand are\n%s", l.name, before, after)
			}
		}
		if read < 20 {
			t.Errorf("%d rulesets were read back", read)
		}
	})
}

// TestKernelIptablesOlderText: whatever was loaded before, what is loaded now is what the
// new text says.
func TestKernelIptablesOlderText(t *testing.T) {
	inNamespace(t, iptablesPrograms, func(t *testing.T) {
		for _, l := range loaders[1:] {
			for _, rs := range []*ruleset.Ruleset{voiceHost(), plainHost(), longHost(), additiveHost(), voiceHost()} {
				out, _ := prove(t, iptables(t), rs)
				loadIptables(t, l, out)
				back, err := verify.Read("iptables", savedIptables(t, l))
				if err != nil {
					t.Fatal(err)
				}
				if c := ruleset.Equivalent(rs, back); c != nil {
					t.Errorf("%s: %s", l.name, c.Words("the ruleset", "the host"))
				}
			}
		}
	})
}

// A scriptHost is a host on which the script is tried.
type scriptHost struct {
	t     *testing.T
	l     loader
	shell []string
	dir   string
}

// write puts the script of a ruleset on the host.
func (h *scriptHost) write(name string, rs *ruleset.Ruleset) string {
	h.t.Helper()
	out, ok := prove(h.t, formOf(h.t, iptables(h.t), "script"), rs)
	if !ok {
		h.t.Fatal("refused")
	}
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path, out[0].Data, 0o700); err != nil {
		h.t.Fatal(err)
	}
	return path
}

func (h *scriptHost) command(script string, args ...string) *exec.Cmd {
	args = append(append(slices.Clone(h.shell[1:]), script), args...)
	cmd := exec.Command(h.shell[0], args...)
	cmd.Env = append(os.Environ(), "IPTABLES="+h.l.name, "PORTOLAN_STATE="+filepath.Join(h.dir, "state"), "PORTOLAN_SAVE="+filepath.Join(h.dir, "etc"))
	return cmd
}

// run says a command to the script, which must end with the given code and say the words.
func (h *scriptHost) run(code int, words, script string, args ...string) {
	h.t.Helper()
	cmd := h.command(script, args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code || !strings.Contains(string(out), words) {
		h.t.Errorf("%s, %s: %s ends with %v and not %d, and says\n%.3000s\nwant %q", h.l.name, h.shell[0], strings.Join(args, " "), err, code, out, words)
	}
}

// ours is all of ours that the host has.
func (h *scriptHost) ours() string {
	h.t.Helper()
	var b strings.Builder
	for _, program := range iptablesFamilies(h.l) {
		for _, table := range []string{"filter", "raw"} {
			for line := range strings.Lines(run(h.t, "", program+"-save", "-t", table)) {
				if words := strings.Fields(line); strings.HasPrefix(line, ":PL-") || strings.HasPrefix(line, "-A PL-") || strings.HasPrefix(words[len(words)-1], "PL-") {
					b.WriteString(strings.SplitN(line, "[", 2)[0] + "\n")
				}
			}
		}
	}
	return b.String() + run(h.t, "", "ipset", "-n", "list")
}

// isLoaded reports whether the host has what rs says.
func (h *scriptHost) isLoaded(rs *ruleset.Ruleset) bool {
	h.t.Helper()
	back, err := verify.Read("iptables", savedIptables(h.t, h.l))
	return err == nil && ruleset.Equivalent(rs, back) == nil
}

// hostile is voiceHost with names and comments that shells have stumbled over.
func hostile() *ruleset.Ruleset {
	rs := voiceHost()
	rs.Files = nasty
	for i := range rs.Input.Rules {
		r := &rs.Input.Rules[i]
		r.Comment = nasty[i%len(nasty)] + "\nPORTOLAN_RULES_V4\n$(touch /tmp/x)`reboot`"
		r.Name = nasty[(i+7)%len(nasty)]
	}
	for i, s := range nasty {
		rs.Input.Rules = slices.Insert(rs.Input.Rules, 9, service(s, s, port.TCP, fmt.Sprint(30000+2*i), sources("10.0.0.0/8")))
	}
	return rs
}

func TestKernelIptablesScriptNft(t *testing.T) { tryScript(t, loaders[1], "dash") }

func TestKernelIptablesScriptLegacy(t *testing.T) { tryScript(t, loaders[2], "bash", "--posix") }

// TestIptablesScriptIsClean: shellcheck has nothing to say.
func TestIptablesScriptIsClean(t *testing.T) {
	kernel.Need(t, "shellcheck")
	h := &scriptHost{t: t, dir: t.TempDir()}
	script := h.write("odd", hostile())
	for _, options := range [][]string{nil, {"-s", "sh"}} {
		if out, err := exec.Command("shellcheck", append(options, script)...).CombinedOutput(); err != nil {
			t.Errorf("shellcheck: %s", out)
		}
	}
}

// tryScript applies, loses the session, goes back, fails and removes. What does not depend
// on the part of the kernel is tried with one of them.
func tryScript(t *testing.T, l loader, shell ...string) {
	inNamespace(t, slices.Concat(iptablesPrograms, shell[:1]), func(t *testing.T) {
		h := &scriptHost{t, l, shell, t.TempDir()}
		others := othersLoad(t, l)
		before := others()
		voice, long := h.write("voice", voiceHost()), h.write("long", longHost())
		empty := h.ours()
		all := l.name == loaders[1].name
		if all {
			h.mistakes(voice)
			h.run(0, "loaded", h.write("odd", hostile()), "apply")
			if !h.isLoaded(hostile()) {
				t.Error("not loaded: hostile names")
			}
		}
		h.run(0, "loaded", long, "apply")
		confirmed := h.ours()
		h.run(0, "loaded", voice, "apply")
		h.run(0, "is what this file says", voice, "check")
		loaded := h.ours()
		h.run(0, "loaded", voice, "apply")
		if again := h.ours(); again != loaded {
			t.Errorf("applied twice it is\n%s\nand not\n%s", again, loaded)
		}
		if !h.isLoaded(voiceHost()) || strings.Contains(loaded, "PL-branches") || strings.Contains(loaded, "pl-") {
			t.Errorf("what an older file had is still there:\n%s", loaded)
		}
		h.run(1, "< -A PL-IN", long, "check")
		if all {
			h.differences(voice)
		}

		// Nobody says confirm, and the session is gone; the sets go with the rules.
		h.killSession(long, loaded)
		h.run(0, "say confirm within 60 seconds", long, "apply", "--rollback-after", "60")
		h.run(1, "waits for its confirm", long, "apply")
		h.run(0, "confirmed", long, "confirm")
		if got := h.ours(); got != confirmed {
			t.Errorf("confirmed it is\n%s\nand not\n%s", got, confirmed)
		}
		h.run(0, "as it was before", long, "rollback")
		if back := h.ours(); back != loaded {
			t.Errorf("rolled back it is\n%s\nand not\n%s", back, loaded)
		}
		if all {
			h.run(0, "", long, "apply", "--rollback-after", "60")
			h.run(0, "as it was before", long, "rollback")
			if back := h.ours(); back != loaded {
				t.Errorf("rolled back at once it is\n%s\nand not\n%s", back, loaded)
			}
		}
		h.run(0, "loaded", long, "apply")
		if all {
			h.failing(voice, confirmed)
			h.saves(long)
		}
		h.run(0, "unloaded", long, "remove")
		if left := h.ours(); left != empty {
			t.Errorf("after remove there is\n%s", left)
		}
		h.run(0, "as it was before", long, "rollback")
		if back := h.ours(); back != confirmed {
			t.Errorf("rolled back a remove it is\n%s\nand not\n%s", back, confirmed)
		}
		h.run(0, "unloaded", long, "remove")
		if after := others(); after != before {
			t.Errorf("the rules of others were\n%s\nand are\n%s", before, after)
		}

		// On a host without IPv6, nothing is left out in silence.
		if !all {
			return
		}
		h.run(0, "loaded", voice, "apply", "--ipv4-only")
		if strings.Contains(run(t, "", iptablesFamilies(l)[1]+"-save"), ":PL-") {
			t.Error("--ipv4-only loads IPv6")
		}
		h.run(1, "IPv6", voice, "check")
		h.noIPv6(voice)
	})
}

// mistakes are commands that change nothing.
func (h *scriptHost) mistakes(script string) {
	h.t.Helper()
	h.run(2, "usage:", script)
	h.run(0, "usage:", script, "help")
	h.run(2, "is not known", script, "aply")
	h.run(2, "seconds", script, "apply", "--rollback-after", "1m")
	h.run(2, "seconds", script, "check", "--rollback-after", "1")
	h.run(1, "nothing of ours is loaded", script, "check")
	h.run(1, "nothing to go back to", script, "rollback")
	h.run(1, "nothing waits", script, "confirm")
	// A state directory that others can write to, or that is a link, is not used.
	state := filepath.Join(h.dir, "state")
	if err := os.Chmod(state, 0o777); err != nil {
		h.t.Fatal(err)
	}
	h.run(1, "mode 0700", script, "status")
	if err := os.Rename(state, state+"2"); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Symlink(state+"2", state); err != nil {
		h.t.Fatal(err)
	}
	h.run(1, "mode 0700", script, "status")
	if err := os.Remove(state); err != nil {
		h.t.Fatal(err)
	}
}

// differences are seen, whatever is changed.
func (h *scriptHost) differences(script string) {
	h.t.Helper()
	program := iptablesFamilies(h.l)[1]
	for _, change := range [][2]string{
		{"-D INPUT -j PL-IN", "-A INPUT -j PL-IN"},
		{"-t raw -D OUTPUT -j PL-RAW-OUT", "-t raw -A OUTPUT -j PL-RAW-OUT"},
		{"-I PL-OUT -j ACCEPT", "-D PL-OUT -j ACCEPT"},
		{"-t raw -F PL-RAW-IN", ""},
	} {
		run(h.t, "", program, append([]string{"-w", "5"}, strings.Fields(change[0])...)...)
		h.run(1, "IPv6", script, "check")
		if change[1] != "" {
			run(h.t, "", program, append([]string{"-w", "5"}, strings.Fields(change[1])...)...)
		}
	}
	h.run(0, "not what this file says", script, "status")
	h.run(0, "loaded", script, "apply")
	h.run(0, "is what this file says", script, "status")
}

// noIPv6: without a program for IPv6 the script says so and does nothing.
func (h *scriptHost) noIPv6(script string) {
	h.t.Helper()
	only := filepath.Join(h.dir, "only4")
	if err := os.MkdirAll(only, 0o755); err != nil {
		h.t.Fatal(err)
	}
	for _, suffix := range []string{"", "-save", "-restore"} {
		path, err := kernel.Program(h.l.name + suffix)
		if err != nil {
			h.t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(only, h.l.name+suffix)); err != nil {
			h.t.Fatal(err)
		}
	}
	was := h.ours()
	cmd := h.command(script, "apply")
	cmd.Env = append(cmd.Env, "IPTABLES="+filepath.Join(only, h.l.name))
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "say --ipv4-only") {
		h.t.Errorf("without ip6tables: %v\n%s", err, out)
	}
	if is := h.ours(); is != was {
		h.t.Errorf("without ip6tables it became\n%s", is)
	}
}

// wait waits until the host has what it had before.
func (h *scriptHost) wait(want string) {
	h.t.Helper()
	for end := time.Now().Add(20 * time.Second); h.ours() != want; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(h.dir, "state", "log"))
			h.t.Fatalf("it does not go back: %s\nThere is\n%s\nand not\n%s", log, h.ours(), want)
		}
	}
	// The lock is given back last.
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left, err := filepath.Glob(filepath.Join(h.dir, "state", "[lrp]o[clng]*.*"))
		_, locked := os.Stat(filepath.Join(h.dir, "state", "lock"))
		if err == nil && len(left) == 0 && os.IsNotExist(locked) {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("something is left: %v", left)
		}
	}
}

// killSession kills everything of the session in which apply ran, as a lost connection
// does.
func (h *scriptHost) killSession(script, want string) {
	h.t.Helper()
	cmd := h.command(script, "apply", "--rollback-after", "1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Run(); err != nil {
		h.t.Fatal(err)
	}
	for _, signal := range []syscall.Signal{syscall.SIGHUP, syscall.SIGKILL} {
		_ = syscall.Kill(-cmd.Process.Pid, signal) // its group; there may be none left
	}
	h.wait(want)
}

// failing: when a step fails, everything of ours is as it was.
func (h *scriptHost) failing(script, want string) {
	h.t.Helper()
	data, err := os.ReadFile(script)
	if err != nil {
		h.t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, words string }{
		"unknown word in IPv6": {"-p ipv6-icmp -m icmp6", "-p ipv6-icmp -m icmp7", "before anything was changed"},
		"a target that the kernel refuses, which the test does not see": {"COMMIT\nPORTOLAN_RULES_V6", "-A PL-RAW-IN -p tcp -j REJECT\nCOMMIT\nPORTOLAN_RULES_V6", ""},
		"not as it was written": {"--dport 554 ", "--dport 554:554 ", "not what this file says"},
	} {
		changed := strings.Replace(string(data), c.old, c.new, 1)
		if changed == string(data) {
			h.t.Fatalf("%q is not in the script", c.old)
		}
		path := filepath.Join(h.dir, "failing")
		if err := os.WriteFile(path, []byte(changed), 0o700); err != nil {
			h.t.Fatal(err)
		}
		args := []string{"apply"}
		if c.words == "" {
			args = append(args, "--rollback-after", "30")
		}
		h.run(1, c.words, path, args...)
		if got := h.ours(); got != want {
			h.t.Errorf("%s: it is\n%s\nand not\n%s", name, got, want)
		}
	}
	// Somebody interrupts it while it loads.
	wrapper := filepath.Join(h.dir, "slow")
	if err := os.MkdirAll(wrapper, 0o755); err != nil {
		h.t.Fatal(err)
	}
	for _, name := range []string{"iptables", "ip6tables"} {
		real := strings.Replace(h.l.name, "iptables", name, 1)
		for _, suffix := range []string{"", "-save", "-restore"} {
			path, err := kernel.Program(real + suffix)
			if err != nil {
				h.t.Fatal(err)
			}
			text := "#!/bin/sh\nexec " + path + " \"$@\"\n"
			if name == "ip6tables" && suffix == "-restore" {
				text = "#!/bin/sh\ncase $* in *--test*) ;; *) if mkdir '" + wrapper + "/reached' 2>/dev/null; then sleep 1; fi;; esac\nexec " + path + " \"$@\"\n"
			}
			if err := os.WriteFile(filepath.Join(wrapper, name+suffix), []byte(text), 0o755); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	cmd := h.command(script, "apply")
	cmd.Env = append(cmd.Env, "IPTABLES="+wrapper+"/iptables")
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(wrapper, "reached")); err == nil {
			break
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		h.t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		h.t.Error("an interrupted apply calls itself successful")
	}
	if got := h.ours(); got != want {
		h.t.Errorf("interrupted, it is\n%s\nand not\n%s", got, want)
	}
}

// saves: what is saved for the boot loads again.
func (h *scriptHost) saves(script string) {
	h.t.Helper()
	h.run(1, "nothing is saved", script, "save")
	etc := filepath.Join(h.dir, "etc")
	if err := os.Mkdir(etc, 0o755); err != nil {
		h.t.Fatal(err)
	}
	h.run(0, "rules of everybody", script, "save")
	var files []*source.File
	for i, name := range []string{"rules.v4", "rules.v6", "ipsets"} {
		data, err := os.ReadFile(filepath.Join(etc, name))
		if err != nil {
			h.t.Fatal(err)
		}
		files = append(files, source.New(name, data))
		if i < 2 {
			run(h.t, string(data), iptablesFamilies(h.l)[i]+"-restore", "--test", "-w", "5")
		}
	}
	back, err := verify.Read("iptables", files)
	if err != nil {
		h.t.Fatal(err)
	}
	if c := ruleset.Equivalent(longHost(), back); c != nil {
		h.t.Error(c.Words("the ruleset", "what is saved"))
	}
}
