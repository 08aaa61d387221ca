package truth

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"portolan/internal/kernel"
)

// Namespaces are those that a process must be started in to become a private host.
const Namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

// The addresses of a private host, from the ranges for documentation (RFC 5737, RFC 3849).
// Two of each family tell "every address" from "the first address".
var networks = []netip.Prefix{
	netip.MustParsePrefix("192.0.2.10/24"),
	netip.MustParsePrefix("192.0.2.11/24"),
	netip.MustParsePrefix("2001:db8::10/64"),
	netip.MustParsePrefix("2001:db8::11/64"),
}

// A Host is a private copy of this machine. It ends with the process.
type Host struct {
	Dir   string // the top of its files
	Names Names
}

// NewHost makes the process, the first one of its namespaces, a private host: the files of
// this machine at a folder in scratch, where whatever changes is forgotten, and interfaces
// lo and eth0.
func NewHost(scratch string) (*Host, error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("private mounts: %w", err)
	}
	if err := unix.Mount("truth", scratch, "tmpfs", 0, "mode=0755"); err != nil {
		return nil, fmt.Errorf("a file system in memory: %w", err)
	}
	upper, work, dir := filepath.Join(scratch, "upper"), filepath.Join(scratch, "work"), filepath.Join(scratch, "host")
	for _, d := range []string{upper, work, dir} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return nil, err
		}
	}
	if err := unix.Mount("truth", dir, "overlay", 0, "lowerdir=/,upperdir="+upper+",workdir="+work); err != nil {
		return nil, fmt.Errorf("an overlay of the files: %w", err)
	}
	for _, m := range []struct {
		from, to, kind string
		flags          uintptr
		data           string
	}{
		{"truth", "proc", "proc", 0, ""},
		{"/sys", "sys", "", unix.MS_BIND | unix.MS_REC, ""},
		{"/dev", "dev", "", unix.MS_BIND | unix.MS_REC, ""},
		{"truth", "tmp", "tmpfs", 0, "mode=1777"},
		{"truth", "run", "tmpfs", 0, "mode=0755"},
	} {
		if err := unix.Mount(m.from, filepath.Join(dir, m.to), m.kind, m.flags, m.data); err != nil {
			return nil, fmt.Errorf("/%s: %w", m.to, err)
		}
	}
	for name, text := range map[string]string{
		"proc/sys/net/ipv4/ip_local_port_range": fmt.Sprint(firstEphemeral, " ", lastEphemeral),
		// No link-local address, which claims do not speak of.
		"proc/sys/net/ipv6/conf/default/addr_gen_mode": "1",
		"etc/hosts":       "127.0.0.1 localhost\n::1 localhost\n192.0.2.10 calls.example calls\n",
		"etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	if err := unix.Sethostname([]byte("calls")); err != nil {
		return nil, err
	}
	if err := kernel.AddInterface("eth0", networks...); err != nil {
		return nil, err
	}
	own := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	h := &Host{Dir: dir, Names: Names{"lo": own, "localhost": own}}
	for _, n := range networks {
		h.Names["eth0"] = append(h.Names["eth0"], n.Addr())
	}
	return h, nil
}
