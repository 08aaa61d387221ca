// Package session finds the connections by which administrators are on this host, and tries
// whether they live.
//
// A session is told by what sshd gives to the shells it starts, and by the sockets that sshd
// and its like hold. Where a firewall is about to change, Packets are what it must let pass so
// that each of them goes on, a Snapshot before and after says whether it did, and a Probe
// whether others are reached.
package session

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"portolan/internal/port"
	"portolan/internal/ruleset"
)

// A Session is one connection by which somebody administers this host.
type Session struct {
	Proto port.Proto // TCP; UDP for mosh
	// Peer is the other end. Its port is 0 for mosh, whose client may come by any port, and
	// its address not valid where nothing says it. IPv4 addresses mapped into IPv6 are IPv4
	// ones here.
	Peer  netip.AddrPort
	Local netip.AddrPort // of mosh unspecified, when it takes every address
	// Interface is the one that has the local address, by which the peer's packets arrive as a
	// rule: Loopback for who comes from this host itself, through a tunnel or a jump. "" where
	// none has it.
	Interface string
	Process   string // as the kernel has its name; "" when it is not known
	PID       int    // 0 when it is not known
	// Live says that the kernel has the connection. It is false for an SSH_CONNECTION that has
	// ended, as a terminal multiplexer keeps it, and where the table of connections cannot be read.
	Live bool
	// LoggedIn is false as long as sshd says that nobody has logged in yet by the connection:
	// whoever tries passwords is no administrator.
	LoggedIn bool
	// Own says that this process runs in the session.
	Own  bool
	From []string // what told of it, in words: "SSH_CONNECTION", "socket of sshd, process 812"
}

// String is the session for people: "10.0.0.5:50022 to 10.0.0.1:22 (sshd, process 812)".
func (s Session) String() string {
	peer := s.Peer.String()
	switch {
	case !s.Peer.Addr().IsValid():
		peer = "an unknown peer"
	case s.Peer.Port() == 0:
		peer = s.Peer.Addr().String()
	}
	text := peer + " to " + s.Local.String()
	if s.Process != "" {
		text += fmt.Sprintf(" (%s, process %d)", s.Process, s.PID)
	}
	return text
}

// An Interface is a network interface with its addresses.
type Interface struct {
	Name  string
	Addrs []netip.Addr // those of link-local scope may have their zone
}

// Interfaces are those of the network namespace of the calling thread.
func Interfaces() ([]Interface, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("looking for the interfaces of this host: %w", err)
	}
	var out []Interface
	for _, ifi := range list {
		addresses, err := ifi.Addrs()
		if err != nil {
			return nil, fmt.Errorf("looking for the addresses of %s: %w", ifi.Name, err)
		}
		i := Interface{Name: ifi.Name}
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(n.IP); ok {
					i.Addrs = append(i.Addrs, ip.Unmap())
				}
			}
		}
		out = append(out, i)
	}
	return out, nil
}

// Found is what Find has found.
type Found struct {
	Sessions []Session // own ones first, then by the addresses of peers
	// Hidden are the processes that are named like a server of administrators and whose sockets
	// may not be read: those of others are shown to root alone. Sessions may be missing then.
	Hidden []int
}

// servers are the programs whose connections are those of administrators. OpenSSH 9.8 and
// later serves a connection by a program of its own, and 9.9 lets people log in by another.
var servers = []string{"sshd", "sshd-session", "sshd-auth", "dropbear"}

// moshServer takes datagrams from wherever its client roams, and keeps the environment of
// the login that started it.
const moshServer = "mosh-server"

// Find looks for sessions. proc is /proc, or what stands for it; a host that has none is no
// error, and then only the environment tells. env is the environment of the process with the
// number pid. interfaces are those of the host.
func Find(proc fs.FS, env func(string) string, pid int, interfaces []Interface) (Found, error) {
	p := processes{proc}
	var out Found
	// The kernel goes through all its sockets for them, which takes longer than all the rest; so
	// they are read when there is somebody to look for.
	sockets := sync.OnceValues(func() (*tables, error) { return readTables(proc) })
	above := p.above(pid)
	for _, h := range p.holders() {
		t, err := sockets()
		if err != nil {
			return out, err
		}
		inodes, err := p.sockets(h.pid)
		if errors.Is(err, fs.ErrPermission) {
			out.Hidden = append(out.Hidden, h.pid)
		}
		s := Session{
			Process: h.name, PID: h.pid, Live: true, LoggedIn: !unfinished(p.title(h.pid)), Own: slices.Contains(above, h.pid),
			From: []string{fmt.Sprintf("socket of %s, process %d", h.name, h.pid)},
		}
		if h.name == moshServer {
			s.Proto = port.UDP
			c, started := ParseConnection(p.environment(h.pid, connectionVariable))
			for _, inode := range inodes {
				var ok bool
				if s.Local, ok = t.datagrams[inode]; !ok {
					continue
				}
				if started {
					s.Peer = netip.AddrPortFrom(c.Peer.Addr(), 0)
				}
				if started && s.Local.Addr().IsUnspecified() {
					s.Local = netip.AddrPortFrom(c.Local.Addr(), s.Local.Port())
				}
				out.add(s)
			}
			continue
		}
		s.Proto = port.TCP
		for _, c := range t.sessions(inodes) {
			s.Peer, s.Local = c.Peer, c.Local
			out.add(s)
		}
	}
	from := connectionVariable
	own, ok := ParseConnection(env(connectionVariable))
	for i := 0; !ok && i < len(above); i++ { // sudo and su drop the variable; who started them still has it
		from = fmt.Sprintf("%s of process %d", connectionVariable, above[i])
		own, ok = ParseConnection(p.environment(above[i], connectionVariable))
	}
	if ok {
		t, err := sockets()
		if err != nil {
			return out, err
		}
		live := false
		for _, other := range t.connections {
			live = live || same(other, own)
		}
		out.add(Session{Proto: port.TCP, Peer: own.Peer, Local: own.Local, Live: live, LoggedIn: true, Own: true, From: []string{from}})
	}
	for i := range out.Sessions {
		out.Sessions[i].Interface = arrives(out.Sessions[i], interfaces)
	}
	slices.SortFunc(out.Sessions, func(a, b Session) int {
		if a.Own != b.Own {
			if a.Own {
				return -1
			}
			return 1
		}
		return cmp.Or(a.Peer.Compare(b.Peer), a.Local.Compare(b.Local), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.PID, b.PID))
	})
	return out, nil
}

// same reports whether two connections have the same ends. The kernel's tables have no zones.
func same(a, b Connection) bool { return a.plain() == b.plain() }

// plain is the connection without zones.
func (c Connection) plain() Connection {
	return Connection{withoutZone(c.Peer), withoutZone(c.Local)}
}

func withoutZone(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().WithZone("").Unmap(), a.Port())
}

// add puts a session to those that are known, or to what is known of it.
func (f *Found) add(s Session) {
	for i := range f.Sessions {
		o := &f.Sessions[i]
		if o.Proto != s.Proto || !same(Connection{o.Peer, o.Local}, Connection{s.Peer, s.Local}) {
			continue
		}
		if s.PID != 0 && (o.PID == 0 || s.PID < o.PID) {
			o.Process, o.PID = s.Process, s.PID
		}
		if s.Peer.Addr().Zone() != "" { // which tells the interface
			o.Peer, o.Local = s.Peer, s.Local
		}
		o.Live, o.Own = o.Live || s.Live, o.Own || s.Own
		// One connection is held by several processes of sshd, and one of them says it.
		o.LoggedIn = o.LoggedIn && s.LoggedIn || o.Own
		o.From = append(o.From, s.From...)
		return
	}
	f.Sessions = append(f.Sessions, s)
}

// arrives is the interface by which the packets of a session arrive.
func arrives(s Session, interfaces []Interface) string {
	has := func(i Interface, a netip.Addr) bool {
		return slices.ContainsFunc(i.Addrs, func(b netip.Addr) bool { return b.WithZone("") == a.WithZone("") })
	}
	local, peer := s.Local.Addr().Unmap(), s.Peer.Addr().Unmap()
	if local.IsLoopback() || peer.IsLoopback() {
		return ruleset.Loopback
	}
	if peer.IsValid() && slices.ContainsFunc(interfaces, func(i Interface) bool { return has(i, peer) }) {
		return ruleset.Loopback // from this host to itself, whatever the address
	}
	if zone := cmp.Or(local.Zone(), peer.Zone()); zone != "" {
		return zone
	}
	name := ""
	for _, i := range interfaces {
		if has(i, local) {
			if name != "" { // of link-local scope, at two of them
				return ""
			}
			name = i.Name
		}
	}
	return name
}

// A Packet is one by which a session lives, and what it is, in words.
type Packet struct {
	ruleset.Packet
	Words string
}

// otherPort is where a next login may come from: one of the ports that systems take for
// that (RFC 6335, section 6).
const otherPort = 50_000

// Packets are the packets that must pass so that the session goes on and its administrator can
// log in again; none when the peer is not known. Where the interface is not known, that of the
// packets is "", which no rule about an interface matches.
func Packets(s Session) []Packet {
	peer := s.Peer.Addr().Unmap().WithZone("")
	if !peer.IsValid() {
		return nil
	}
	in := ruleset.Packet{
		Direction: ruleset.In, Interface: s.Interface, State: ruleset.Established, Proto: uint8(s.Proto), Peer: peer, Port: s.Local.Port(), SourcePort: s.Peer.Port(),
	}
	if s.Peer.Port() == 0 {
		in.SourcePort = otherPort
	}
	out := in
	out.Direction, out.Port, out.SourcePort = ruleset.Out, in.SourcePort, in.Port
	out.State = ruleset.Established
	begins := in
	begins.State = ruleset.New
	packets := []Packet{
		{in, "what the peer of the session sends"},
		// net.netfilter.nf_conntrack_tcp_loose of Linux takes a connection up in the middle.
		{begins, "what the peer of the session sends, when connection tracking sees the session for the first time"},
		{out, "what this host answers in the session"},
	}
	if s.Proto == port.TCP {
		again := begins
		again.SourcePort = otherPort
		if s.Peer.Port() == otherPort {
			again.SourcePort++
		}
		packets = append(packets, Packet{again, "the next login from the same address"})
	}
	return packets
}

// connectionVariable is what sshd sets for what it starts: the ends of the connection
// (ssh(1), ENVIRONMENT).
const connectionVariable = "SSH_CONNECTION"

// A Connection is the two ends of one.
type Connection struct{ Peer, Local netip.AddrPort }

// ParseConnection reads the value of SSH_CONNECTION: the address and the port of the client,
// those of the server. Where sshd does not serve a socket, as in tests of its own, it says
// "UNKNOWN 65535", which is not a connection.
func ParseConnection(s string) (c Connection, ok bool) {
	words := strings.Fields(s)
	if len(words) != 4 {
		return Connection{}, false
	}
	var ends [2]netip.AddrPort
	for i := range ends {
		a, err := netip.ParseAddr(words[2*i])
		n, errPort := parsePort(words[2*i+1])
		if err != nil || errPort != nil {
			return Connection{}, false
		}
		ends[i] = netip.AddrPortFrom(a.Unmap(), n)
	}
	return Connection{ends[0], ends[1]}, true
}
