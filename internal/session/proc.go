package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/addr"
)

// Bounds of what is read of /proc.
const (
	maxTable       = 64 << 20 // bytes of a table of sockets
	maxFile        = 1 << 20  // of any other file
	maxParents     = 64
	maxProcesses   = 100_000
	maxDescriptors = 100_000 // of one process
)

// The states in /proc/net (include/net/tcp_states.h of Linux): a connection, a socket that
// waits for some, and one of UDP without a peer.
const (
	tcpEstablished = "01"
	tcpListen      = "0A"
	udpClose       = "07"
)

// tables are the sockets of the host, by their inodes.
type tables struct {
	connections map[uint64]Connection
	listens     map[uint16]bool // by port
	datagrams   map[uint64]netip.AddrPort
}

// readTables reads what there is of them.
func readTables(proc fs.FS) (*tables, error) {
	t := &tables{map[uint64]Connection{}, map[uint16]bool{}, map[uint64]netip.AddrPort{}}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		// Of the namespace of this thread; older kernels know that of the process alone.
		raw, err := read(proc, "thread-self/net/"+table, maxTable)
		if errors.Is(err, fs.ErrNotExist) {
			raw, err = read(proc, "net/"+table, maxTable)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist): // no IPv6, or no Linux
			continue
		case err != nil:
			return nil, fmt.Errorf("looking for connections: %w", err)
		}
		if strings.HasPrefix(table, "tcp") {
			parseTable(raw, tcpEstablished, binary.NativeEndian, t.connections)
			waiting := map[uint64]Connection{}
			parseTable(raw, tcpListen, binary.NativeEndian, waiting)
			for _, c := range waiting {
				t.listens[c.Local.Port()] = true
			}
			continue
		}
		ends := map[uint64]Connection{}
		parseTable(raw, udpClose, binary.NativeEndian, ends)
		for inode, c := range ends {
			t.datagrams[inode] = c.Local
		}
	}
	return t, nil
}

// sessions are those of a process' connections by which it was reached. One of sshd has
// connections that it forwards as well: they begin at ports where nobody listens.
func (t *tables) sessions(inodes []uint64) (out []Connection) {
	for _, inode := range inodes {
		if c, ok := t.connections[inode]; ok {
			out = append(out, c)
		}
	}
	waits := func(c Connection) bool { return t.listens[c.Local.Port()] }
	if slices.ContainsFunc(out, waits) {
		out = slices.DeleteFunc(out, func(c Connection) bool { return !waits(c) })
	}
	return out
}

// parseTable reads the rows of a table such as /proc/net/tcp that are in the state: the local
// end in the second column, the peer in the third, the state in the fourth and the inode in the
// tenth (https://www.kernel.org/doc/Documentation/networking/proc_net_tcp.rst). Rows that are
// not like that are skipped.
func parseTable(raw []byte, state string, order binary.ByteOrder, into map[uint64]Connection) {
	for line := range bytes.Lines(raw) {
		row := bytes.Fields(line)
		if len(row) < 10 || string(row[3]) != state {
			continue
		}
		local, ok := addr.FromProc(string(row[1]), order)
		peer, hasPeer := addr.FromProc(string(row[2]), order)
		inode, err := strconv.ParseUint(string(row[9]), 10, 64)
		if ok && hasPeer && err == nil && inode != 0 && local.Port() != 0 { // a closing one has the inode 0
			into[inode] = Connection{peer, local}
		}
	}
}

// read reads a file of at most so many bytes. What is longer is an error. What it returns is good
// until the next call.
func read(fsys fs.FS, name string, limit int64) ([]byte, error) {
	raw, err := readUpTo(fsys, name, limit)
	if err == nil && int64(len(raw)) > limit {
		err = &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("more than %d bytes", limit)}
	}
	return raw, err
}

// A quickFS has quicker ways to what is read often.
type quickFS interface {
	// readInto reads a file of at most so many bytes, or a byte more of a longer one. They are good
	// until the next call.
	readInto(name string, limit int64) ([]byte, error)
	// names are those in the top folder, in any order.
	names() ([]string, error)
}

func readUpTo(fsys fs.FS, name string, limit int64) ([]byte, error) {
	if quick, ok := fsys.(quickFS); ok {
		return quick.readInto(name, limit)
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit+1))
}

// numbers are the processes there are, in order.
func (p processes) numbers() []int {
	var names []string
	if quick, ok := p.proc.(quickFS); ok {
		names, _ = quick.names()
	} else {
		entries, _ := fs.ReadDir(p.proc, ".")
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	var out []int
	for _, name := range names {
		// Most of what is no number does not begin like one.
		if c := name[0]; c < '1' || c > '9' {
			continue
		}
		if pid, err := strconv.Atoi(name); err == nil {
			out = append(out, pid)
		}
	}
	slices.Sort(out)
	return out[:min(len(out), maxProcesses)]
}

// processes are those of /proc. What ends while it is looked at is as if it had never been.
type processes struct{ proc fs.FS }

func (p processes) read(pid int, name string) []byte {
	raw, err := read(p.proc, strconv.Itoa(pid)+"/"+name, maxFile)
	if err != nil {
		return nil
	}
	return raw
}

// A holder is a process that may have a session.
type holder struct {
	pid  int
	name string
}

// holders are the processes that are named like a server of administrators, by their numbers.
func (p processes) holders() (out []holder) {
	for _, pid := range p.numbers() {
		name := bytes.TrimSuffix(p.read(pid, "comm"), []byte("\n"))
		if string(name) == moshServer || slices.ContainsFunc(servers, func(s string) bool { return s == string(name) }) {
			out = append(out, holder{pid, string(name)})
		}
	}
	return out
}

// sockets are the inodes of the sockets of a process.
func (p processes) sockets(pid int) (inodes []uint64, err error) {
	dir := strconv.Itoa(pid) + "/fd"
	entries, err := fs.ReadDir(p.proc, dir)
	if err != nil {
		return nil, err
	}
	for i, e := range entries {
		if i == maxDescriptors {
			break
		}
		link, err := fs.ReadLink(p.proc, dir+"/"+e.Name())
		if errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		number, ok := strings.CutPrefix(link, "socket:[")
		inode, errNumber := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64)
		if err == nil && ok && errNumber == nil && !slices.Contains(inodes, inode) {
			inodes = append(inodes, inode)
		}
	}
	return inodes, nil
}

// title is what a process calls itself.
func (p processes) title(pid int) string {
	return strings.TrimRight(string(bytes.ReplaceAll(p.read(pid, "cmdline"), []byte{0}, []byte{' '})), " ")
}

// unfinished reports whether sshd says by its title that nobody has logged in yet: "sshd:
// [accepted]", "sshd: root [net]", "sshd-session: root [preauth]" (setproctitle in sshd.c and
// sshd-session.c of OpenSSH).
func unfinished(title string) bool {
	for _, end := range []string{"[accepted]", "[net]", "[preauth]"} {
		if strings.HasPrefix(title, "sshd") && strings.HasSuffix(title, end) {
			return true
		}
	}
	return false
}

// above are the processes that started a process, each the parent of the one before.
func (p processes) above(pid int) (out []int) {
	for range maxParents {
		parent := parseParent(p.read(pid, "stat"))
		if parent < 1 || slices.Contains(out, parent) {
			break
		}
		out, pid = append(out, parent), parent
	}
	return out
}

// parseParent is the parent in /proc/PID/stat, the second word behind the name, which stands in
// parentheses and can have any (proc_pid_stat(5)); 0 for none.
func parseParent(raw []byte) int {
	end := bytes.LastIndexByte(raw, ')')
	if end < 0 {
		return 0
	}
	words := bytes.Fields(raw[end+1:])
	if len(words) < 2 {
		return 0
	}
	parent, err := strconv.Atoi(string(words[1]))
	if err != nil {
		return 0
	}
	return parent
}

// environment is a variable as a process had it when it was started; "" when it may not be
// read.
func (p processes) environment(pid int, name string) string {
	for entry := range bytes.SplitSeq(p.read(pid, "environ"), []byte{0}) {
		if key, value, ok := bytes.Cut(entry, []byte{'='}); ok && string(key) == name {
			return string(value)
		}
	}
	return ""
}

// parsePort reads a port other than 0.
func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a port from 1 to 65535", s)
	}
	return uint16(n), nil
}
