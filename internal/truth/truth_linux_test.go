package truth

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"portolan/internal/catalog"
	"portolan/internal/inventory"
	"portolan/internal/source"
	"portolan/services"
)

// variable names the environment variable with the mode: auto, which is also what an unset
// one means, skips what is not installed; require fails instead; off skips everything.
const variable = "PORTOLAN_TRUTH"

// inside tells a process of this binary that it is the first one of new namespaces: the
// folder to work in, and the case, or nothing for the test of the instrument itself.
const inside = "PORTOLAN_TRUTH_INSIDE"

// The ways in which the inner process ends, and the limits on waiting.
const (
	agreed, differed, cannot = 0, 1, 2

	patience = 60 * time.Second        // for a daemon that starts slowly
	calm     = 10 * time.Second        // without a change or work, and what differs will stay so
	hold     = 600 * time.Millisecond  // what agrees must still do so after
	quiet    = 1500 * time.Millisecond // the same, where no socket shows that it has started
	idle     = 5                       // hundredths of a second that a daemon may compute while calm
)

func TestMain(m *testing.M) {
	if where, ok := os.LookupEnv(inside); ok {
		os.Unsetenv(inside)
		code, text := try(where)
		fmt.Println(text)
		os.Exit(code)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // cases wait more than they compute
		panic(err)
	}
	os.Exit(m.Run())
}

// TestDaemons starts each daemon with each of its configurations.
func TestDaemons(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases:", err)
	}
	for _, file := range files {
		id := filepath.Base(filepath.Dir(file))
		t.Run(id+"/"+strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := ParseCase(raw)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			gate(t, c.Programs)
			path, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			inNamespaces(t, path)
		})
	}
}

// gate skips a test, or fails under require, when something that it needs is not there.
func gate(t *testing.T, programs []string) {
	t.Helper()
	var reason string
	for _, p := range programs {
		if _, err := find(p); err != nil {
			reason = p + " is not installed"
		}
	}
	if os.Geteuid() != 0 {
		reason = "only root can start daemons on a private host"
	}
	skip(t, reason)
}

// skip ends the test when there is a reason, in the way that the mode asks for.
func skip(t *testing.T, reason string) {
	t.Helper()
	switch mode := os.Getenv(variable); {
	case mode == "off":
		t.Skipf("%s=off", variable)
	case mode != "" && mode != "auto" && mode != "require":
		t.Fatalf("%s is %q: use auto, require or off", variable, mode)
	case reason != "" && mode == "require":
		t.Fatalf("%s=require: %s", variable, reason)
	case reason != "":
		t.Skip(reason)
	}
}

// find is exec.LookPath, also where daemons are.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path := filepath.Join(dir, program); !strings.Contains(program, "/") {
			if _, err := os.Stat(path); err == nil {
				return path, nil
			}
		}
	}
	_, err := os.Stat(program)
	if !filepath.IsAbs(program) {
		err = exec.ErrNotFound
	}
	return program, err
}

// inNamespaces runs this binary again as the first process of a private host. When it
// ends, the kernel ends whatever it has started.
func inNamespaces(t *testing.T, file string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience+20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), inside+"="+t.TempDir()+"\n"+file)
	// The signal comes when the thread ends that has started the process: prctl(2).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: Namespaces, Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		if testing.Verbose() {
			t.Logf("%s", &out)
		}
	case errors.As(err, &exit) && exit.ExitCode() == cannot:
		skip(t, "no private host: "+strings.TrimSpace(out.String()))
	case errors.As(err, &exit):
		t.Errorf("%v\n%s", err, &out)
	default:
		skip(t, "no new namespaces: "+err.Error())
	}
}

// try is the inner process. It says how it ended, and why.
func try(where string) (code int, text string) {
	scratch, file, _ := strings.Cut(where, "\n")
	var c *Case
	if file != "" {
		raw, err := os.ReadFile(file)
		if err == nil {
			c, err = ParseCase(raw)
		}
		if err != nil {
			return differed, err.Error()
		}
	}
	host, err := NewHost(scratch)
	if err != nil {
		return cannot, err.Error()
	}
	if c == nil {
		return tryInstrument(host)
	}
	return tryDaemon(host, c, filepath.Base(filepath.Dir(file)), scratch)
}

// tryDaemon starts the daemon of a case and compares until both sides agree, or nothing
// changes any more.
func tryDaemon(host *Host, c *Case, id, scratch string) (int, string) {
	root := filepath.Join(scratch, "root")
	if err := c.lay(root, host.Dir); err != nil {
		return differed, err.Error()
	}
	inv, err := c.inventory(root, id)
	if err != nil {
		return differed, err.Error()
	}

	log, err := os.Create(filepath.Join(scratch, "log"))
	if err != nil {
		return cannot, err.Error()
	}
	said := func() string {
		raw, _ := os.ReadFile(log.Name())
		return "the daemon says:\n" + string(raw[max(0, len(raw)-6000):])
	}
	shell := func(command string) *exec.Cmd {
		cmd := exec.Command("/bin/sh", "-c", command)
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: host.Dir, Setsid: true}
		cmd.Dir = "/"
		cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", "HOME=/root", "HOSTNAME=calls"}
		cmd.Stdout, cmd.Stderr = log, log
		return cmd
	}
	for _, b := range c.Before {
		if err := shell(b).Run(); err != nil {
			return differed, fmt.Sprintf("before: %s: %v\n%s", b, err, said())
		}
	}
	daemon := shell("exec " + c.Run)
	if c.Forks {
		daemon = shell(c.Run)
	}
	if err := daemon.Start(); err != nil {
		return differed, fmt.Sprintf("%s: %v", c.Run, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()

	var last, fine time.Time // when something changed, and since when both sides agree
	var before []string
	var work int
	start := time.Now()
	for {
		time.Sleep(50 * time.Millisecond)
		select {
		case err := <-ended:
			if err != nil || !c.Forks {
				return differed, fmt.Sprintf("the daemon ended: %v\n%s", err, said())
			}
		default:
		}
		sockets, err := Sockets()
		if err != nil {
			return cannot, err.Error()
		}
		differences := Compare(host.Names, sockets, inv.Claims, c.Excuses)
		if c.Ready != "" {
			if _, err := os.Stat(filepath.Join(host.Dir, c.Ready)); err != nil {
				differences = append(differences, c.Ready+" is not there")
			}
		}
		now := time.Now()
		if last.IsZero() || !slices.Equal(differences, before) {
			last, before, fine = now, differences, now
		}
		if w := computed(filepath.Join(host.Dir, "proc")); w > work+idle || w < work { // less when a process has ended
			last, work = now, w
		}
		need := hold
		if len(sockets) == 0 {
			need = quiet
		}
		switch {
		case len(differences) == 0 && now.Sub(fine) >= need:
			var list []string
			for _, s := range sockets {
				list = append(list, s.String())
			}
			slices.Sort(list)
			return agreed, fmt.Sprintf("%d claims, %s", len(inv.Claims), strings.Join(list, ", "))
		case len(differences) > 0 && (now.Sub(last) > calm || now.Sub(start) > patience):
			text := strings.Join(differences, "\n")
			for _, s := range sockets {
				text += "\nsocket: " + s.String()
			}
			for _, k := range inv.Claims {
				text += "\nclaim: " + k.Service + " " + k.Describe()
			}
			return differed, text + "\n" + said()
		}
	}
}

// computed is for how long, in hundredths of a second, the processes of a host have
// computed: proc_pid_stat(5).
func computed(proc string) int {
	files, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "stat"))
	sum := 0
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
		for _, i := range []int{11, 12} { // utime and stime
			if i < len(fields) && filepath.Base(filepath.Dir(f)) != "1" { // not this process
				n, _ := strconv.Atoi(fields[i])
				sum += n
			}
		}
	}
	return sum
}

// lay puts the files of the case into the root that the inventory is of, and into the
// host. A folder of the host that belongs to the service is replaced, because the daemon
// must read nothing that the inventory has not.
func (c *Case) lay(root, host string) error {
	write := func(name string, data []byte) error {
		for _, top := range []string{root, host} {
			path := filepath.Join(top, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(path, data, 0o644); err != nil {
				return err
			}
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		return err
	}
	for _, path := range c.Copies {
		to := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if out, err := exec.Command("cp", "-a", path, to).CombinedOutput(); err != nil {
			return fmt.Errorf("copy %s: %w\n%s", path, err, out)
		}
	}
	for _, f := range c.Files {
		parts := strings.Split(f.Name, "/")
		if len(parts) > 2 && parts[0] == "etc" && parts[1] != "systemd" && parts[1] != "default" && !slices.ContainsFunc(c.Copies, func(p string) bool {
			return strings.HasPrefix(p+"/", "/etc/"+parts[1]+"/")
		}) {
			if err := os.RemoveAll(filepath.Join(host, "etc", parts[1])); err != nil {
				return err
			}
		}
	}
	for _, f := range c.Files {
		if err := write(f.Name, f.Data); err != nil {
			return err
		}
	}
	for _, pair := range c.Certs {
		cert, key, err := certificate()
		if err != nil {
			return err
		}
		if err := errors.Join(write(pair[0], cert), write(pair[1], key)); err != nil {
			return err
		}
	}
	return nil
}

// certificate makes a certificate for the private host that it signs itself.
func certificate() (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "calls.example"}, DNSNames: []string{"calls.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	rawKey, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: rawKey}), nil
}

// inventory is what the program finds below the root.
func (c *Case) inventory(root, id string) (*inventory.Inventory, error) {
	cat, _, err := catalog.Load(services.FS)
	if err != nil {
		return nil, err
	}
	tree, err := source.OpenTree(root)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	inv, diags, err := inventory.Read(cat, tree, root, c.Options)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(inv.Found, id) {
		return nil, fmt.Errorf("the inventory found %q, not %s", inv.Found, id)
	}
	partial := slices.ContainsFunc(inv.Files, func(f inventory.File) bool { return f.Status != inventory.Whole })
	if partial != (c.Partial != "") {
		text := fmt.Sprintf("read whole: %v, and the case says %q", !partial, c.Partial)
		for _, d := range diags {
			text += fmt.Sprintf("\n%s: %s", d.Span, d.Message)
		}
		return nil, errors.New(text)
	}
	return inv, nil
}
