package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portolan/internal/kernel"
)

var scripts = []string{"openrc/portolan", "ifupdown/portolan"}

// TestScriptsAreClean: a POSIX shell can read the scripts, and shellcheck has nothing to say.
func TestScriptsAreClean(t *testing.T) {
	kernel.Need(t, "dash", "shellcheck")
	for _, name := range scripts {
		if out, err := exec.Command("dash", "-n", name).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", name, out)
		}
		if out, err := exec.Command("shellcheck", name).CombinedOutput(); err != nil {
			t.Errorf("%s", out)
		}
		if info, err := os.Stat(name); err != nil || info.Mode()&0o111 != 0o111 {
			t.Errorf("%s cannot be run: %v", name, err)
		}
	}
}

// A scene is a folder with a program in the place of Portolan that writes its words down and
// ends with the code in the file "code", and with copies of the scripts that call it.
type scene struct {
	t   *testing.T
	dir string
}

func newScene(t *testing.T) *scene {
	s := &scene{t, t.TempDir()}
	s.write("portolan", "#!/bin/sh\necho \"portolan $*\" >>"+s.dir+"/calls\nexit $(cat "+s.dir+"/code)\n")
	s.write("code", "0")
	return s
}

func (s *scene) write(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// script is a copy of a script that has its paths in the scene.
func (s *scene) script(name string, places ...string) string {
	s.t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		s.t.Fatal(err)
	}
	moved := string(text)
	for _, place := range append(places, "/usr/local/bin/portolan") {
		if !strings.Contains(moved, place) {
			s.t.Fatalf("%s does not speak of %s", name, place)
		}
		moved = strings.ReplaceAll(moved, place, filepath.Join(s.dir, filepath.Base(place)))
	}
	return s.write(strings.ReplaceAll(name, "/", "-"), moved)
}

// run runs a shell and gives back its exit code and all that was said and called since the
// last time.
func (s *scene) run(args ...string) (int, string) {
	s.t.Helper()
	cmd := exec.Command("dash", args...)
	cmd.Env = append(os.Environ(), "IFACE=eth0")
	out, err := cmd.CombinedOutput()
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		s.t.Fatal(err)
	}
	calls, err := os.ReadFile(s.dir + "/calls")
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	os.Remove(s.dir + "/calls")
	return cmd.ProcessState.ExitCode(), string(calls) + string(out)
}

// runner stands for openrc-run, which is called with the script and a command: it reads the
// script, checks that the functions it calls are there, and says what they were asked.
const runner = `
checkpath() { echo "checkpath $*"; }
ebegin() { echo "ebegin $*"; }
einfo() { echo "einfo $*"; }
eend() { echo "eend $1"; return "$1"; }
need() { echo "need $*"; }
before() { echo "before $*"; }
after() { echo "after $*"; }
script=$1 command=$2
. "$script"
case $command in depend|start|stop) ;; *)
	case " $extra_commands " in *" $command "*) ;; *) echo "no command $command"; exit 9 ;; esac
	eval "[ -n \"\$description_$command\" ]" || exit 9
esac
$command
`

func TestOpenRC(t *testing.T) {
	kernel.Need(t, "dash")
	s := newScene(t)
	stub, script := s.write("openrc-run", runner), s.script("openrc/portolan")
	const begin = "portolan apply --boot --yes\ncheckpath -d -m 0700 -o root:root /var/lib/portolan\nebegin Bringing the firewall of Portolan back\n"
	for _, c := range []struct {
		command, portolan string
		code              int
		want              string
	}{
		{"depend", "0", 0, "need localmount\nbefore net\nafter nftables\n"},
		{"start", "0", 0, begin + "eend 0\n"},
		{"start", "3", 3, begin + "eend 3\n"},
		{"stop", "0", 0, "einfo The firewall of Portolan stays in force\n"}, // and nothing is called
		{"check", "1", 1, "portolan status --exit-code\n"},
		{"check", "0", 0, "portolan status --exit-code\n"},
	} {
		s.write("code", c.portolan)
		if code, said := s.run(stub, script, c.command); code != c.code || said != c.want {
			t.Errorf("%s: exit code %d, want %d\n%s", c.command, code, c.code, cmp.Diff(c.want, said))
		}
	}
	// A state folder that cannot be made is said by checkpath, and nothing goes on.
	broken := s.write("broken", strings.Replace(runner, `echo "checkpath $*"`, "return 1", 1))
	if code, said := s.run(broken, script, "start"); code != 1 || said != "" {
		t.Errorf("without a folder: exit code %d, %q", code, said)
	}
}

// TestIfupdown: the first interface of a boot brings the firewall, the next ones only when
// that has failed, and none is kept down.
func TestIfupdown(t *testing.T) {
	kernel.Need(t, "dash")
	s := newScene(t)
	script := s.script("ifupdown/portolan", "/run/portolan-booted")
	const called, failed = "portolan apply --boot --yes\n", "portolan: the firewall is not in force, and eth0 comes up all the same\n"
	for i, c := range []struct{ portolan, want string }{{"3", called + failed}, {"0", called}, {"0", ""}, {"3", ""}} {
		s.write("code", c.portolan)
		if code, said := s.run(script); code != 0 || said != c.want {
			t.Errorf("interface %d: exit code %d, %q", i+1, code, said)
		}
	}
	if err := os.Remove(s.dir + "/portolan-booted"); err != nil { // a boot
		t.Fatal(err)
	}
	s.write("code", "0")
	if code, said := s.run(script); code != 0 || said != called {
		t.Errorf("after a boot: exit code %d, %q", code, said)
	}
}

// TestInstall: make install places what was built, with the paths that were asked for, and
// make uninstall takes all of it away.
func TestInstall(t *testing.T) {
	kernel.Need(t, "make", "dash")
	s := newScene(t)
	s.write("portolan", "#!/bin/sh\n[ \"$1\" = completion ] && echo \"completion of $2\"\n")
	install := func(target string, more ...string) (string, error) {
		out, err := exec.Command("make", append([]string{"-C", "..", "--no-print-directory", target, "SHELL=" + shell(t), "PROGRAM=" + s.dir + "/portolan"}, more...)...).CombinedOutput()
		return string(out), err
	}
	for _, c := range []struct {
		words       []string
		bin, prefix string
	}{
		{nil, "/usr/local/bin", "/usr/local"},
		{[]string{"PREFIX=/usr"}, "/usr/bin", "/usr"},
		{[]string{"PREFIX=/opt/x", "BINDIR=/usr/sbin"}, "/usr/sbin", "/opt/x"},
	} {
		tree := t.TempDir()
		old := syscall.Umask(0o077) // root's own way is not to count
		out, err := install("install", append(c.words, "DESTDIR="+tree)...)
		syscall.Umask(old)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		want := map[string]string{
			c.bin + "/portolan": "-rwxr-xr-x",
			c.prefix + "/share/bash-completion/completions/portolan":    "-rw-r--r--",
			c.prefix + "/share/zsh/site-functions/_portolan":            "-rw-r--r--",
			c.prefix + "/share/fish/vendor_completions.d/portolan.fish": "-rw-r--r--",
			c.prefix + "/share/portolan/openrc/portolan":                "-rwxr-xr-x",
			c.prefix + "/share/portolan/ifupdown/portolan":              "-rwxr-xr-x",
		}
		for _, unit := range units(t) {
			want[c.prefix+"/lib/systemd/system/"+unit] = "-rw-r--r--"
		}
		if d := cmp.Diff(want, files(t, tree)); d != "" {
			t.Error(d)
		}
		for name := range want {
			text, err := os.ReadFile(tree + name)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.SplitSeq(string(text), "\n") {
				if _, after, ok := strings.Cut(line, "bin/portolan"); ok && after != "" && !strings.Contains(line, c.bin+"/portolan ") {
					t.Errorf("%s: %s", name, line)
				}
			}
			if strings.HasSuffix(name, ".service") && !strings.Contains(string(text), "\nExecStart="+c.bin+"/portolan ") {
				t.Errorf("%s does not start %s/portolan", name, c.bin)
			}
			if strings.Contains(name, "completion") && !strings.HasPrefix(string(text), "completion of ") {
				t.Errorf("%s: %s", name, text)
			}
		}
		if out, err := install("uninstall", append(c.words, "DESTDIR="+tree)...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if left := files(t, tree); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	if err := os.Remove(s.dir + "/portolan"); err != nil {
		t.Fatal(err)
	}
	tree := t.TempDir()
	out, err := install("install", "DESTDIR="+tree)
	if err == nil || !strings.Contains(out, "run make build first") || len(files(t, tree)) > 0 {
		t.Errorf("without a program: %v\n%s", err, out)
	}
}

func shell(t *testing.T) string {
	path, err := exec.LookPath("dash")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// files are the files below a folder, with their modes.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			info, err := d.Info()
			if err != nil {
				return err
			}
			out[strings.TrimPrefix(path, dir)] = info.Mode().String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
