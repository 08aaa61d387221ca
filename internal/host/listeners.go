package host

import (
	"cmp"
	"encoding/binary"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"portolan/internal/addr"
	"portolan/internal/port"
	"portolan/internal/source"
)

// A Listener is a socket that waits for others: listening TCP, or UDP without a peer.
type Listener struct {
	Proto port.Proto
	Addr  netip.Addr // an unspecified one takes every address of its family
	// V6Only says that a socket on "::" takes no IPv4 (IPV6_V6ONLY, ipv6(7)). Where that
	// cannot be read it is false.
	V6Only  bool
	Port    uint16 // not 0
	Process string // name of the program, as the kernel has it; "" when it may not be read
	From    string // where it was read: "proc/net/udp", "portolan/ss.txt:3"
}

// maxListeners bounds the listeners that are kept of all captures, and of one table of the kernel. A media server has some
// ten thousand sockets under load.
const maxListeners = 100_000

// sortListeners brings listeners into the order in which they are printed, each once.
func sortListeners(list []Listener) []Listener {
	slices.SortStableFunc(list, func(a, b Listener) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto), a.Addr.Compare(b.Addr),
			cmp.Compare(a.Process, b.Process))
	})
	return slices.CompactFunc(list, func(a, b Listener) bool {
		return a.Port == b.Port && a.Proto == b.Proto && a.Addr == b.Addr && a.V6Only == b.V6Only && a.Process == b.Process
	})
}

// procSocket is a socket of /proc/net and the number by which /proc/PID/fd names it.
type procSocket struct {
	Listener
	inode uint64
}

// The states in /proc/net that mean waiting (include/net/tcp_states.h of Linux). A UDP socket
// is "established" once it has a peer.
const (
	tcpListen = "0A"
	udpClose  = "07"
)

// parseProcNet reads a table such as /proc/net/tcp6 of Linux: the local address and port
// in the second column, the peer's in the third, the state in the fourth and the inode in
// the tenth. An address is in words of four bytes as the machine keeps them, which order says
// (https://www.kernel.org/doc/Documentation/networking/proc_net_tcp.rst). Rows that are not
// like that are skipped.
func parseProcNet(f *source.File, proto port.Proto, order binary.ByteOrder) []procSocket {
	state := tcpListen
	if proto == port.UDP {
		state = udpClose
	}
	var out []procSocket
	for start, end := range lines(f.Text) {
		row := strings.Fields(string(f.Text[start:min(end, start+maxHeader)]))
		if len(row) < 10 || row[3] != state || len(out) == maxListeners {
			continue
		}
		local, ok := addr.FromProc(row[1], order)
		peer, hasPeer := addr.FromProc(row[2], order)
		inode, err := strconv.ParseUint(row[9], 10, 64)
		if !ok || !hasPeer || err != nil || local.Port() == 0 || peer.Port() != 0 || !peer.Addr().IsUnspecified() {
			continue
		}
		out = append(out, procSocket{Listener{Proto: proto, Addr: local.Addr(), Port: local.Port(), From: f.Name}, inode})
	}
	return out
}

// procTables are the tables of each protocol, that of IPv4 first.
var procTables = [...]struct {
	proto port.Proto
	names [2]string
}{
	{port.TCP, [2]string{"proc/net/tcp", "proc/net/tcp6"}},
	{port.UDP, [2]string{"proc/net/udp", "proc/net/udp6"}},
}

// procListeners are the sockets in the tables of the kernel, and the protocols of which
// the tables are there. On the machine itself one without IPv6 has no table for it; in a copy
// a missing table may not have been copied, so the protocol is not known.
func (l *loader) procListeners(live bool, order binary.ByteOrder) (sockets []procSocket, watched []port.Proto) {
	for _, t := range procTables {
		var own []procSocket
		known := true
		for i, name := range t.names {
			f, err := l.tree.Read(name)
			switch {
			case err == nil:
				own = append(own, parseProcNet(f, t.proto, order)...)
			case live && i == 1 && errors.Is(err, fs.ErrNotExist):
			default: // absent, or too large to be read
				known = false
			}
		}
		if known {
			sockets, watched = append(sockets, own...), append(watched, t.proto)
		}
	}
	return sockets, watched
}

// listeners puts into f what was captured, and otherwise what the copied tables of the
// kernel say: only a capture has the names of processes.
func (l *loader) listeners(f *Facts, c Capture) {
	f.Listeners, f.Watched = sortListeners(c.Listeners), c.Watched
	sockets, watched := l.procListeners(false, binary.LittleEndian)
	for _, proto := range watched {
		if slices.Contains(f.Watched, proto) {
			continue
		}
		f.Watched = append(f.Watched, proto)
		for _, s := range sockets {
			if s.Proto == proto {
				f.Listeners = append(f.Listeners, s.Listener)
			}
		}
	}
	f.Listeners = sortListeners(f.Listeners)
	slices.Sort(f.Watched)
	f.Watched = slices.Compact(f.Watched)
	if len(f.Watched) > 0 {
		f.From = fromFiles
	}
}

// parseSockets reads the sockets that ss or netstat printed, whatever system and language:
//
//	Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process
//	udp   UNCONN 0      0          127.0.0.1:323       0.0.0.0:*    users:(("chronyd",pid=7,fd=5))
//	LISTEN 0     128             *:80                *:*                       ss of TCP alone
//	tcp   0      0 0.0.0.0:22    0.0.0.0:*    LISTEN   633/sshd                netstat of Linux
//	tcp4  0      0 *.22          *.*          LISTEN                           netstat of a BSD
//	TCP   0.0.0.0:135            0.0.0.0:0    ABHÖREN  1044                    netstat of Windows
//
// A row begins with a protocol or, for ss, with a state, and has two addresses; the socket waits
// when the second has no port. watched are the protocols of which there is a row.
func parseSockets(f *source.File) (list []Listener, watched []port.Proto) {
	for start, end := range lines(f.Text) {
		row := strings.Fields(string(f.Text[start:min(end, start+maxHeader)]))
		proto, v6 := rowProto(strings.ToLower(row[0]))
		if proto == 0 {
			continue
		}
		var ends []socketEnd
		for _, word := range row[1:] {
			if e, ok := parseEnd(word, v6); ok && len(ends) < 2 {
				ends = append(ends, e)
			}
		}
		if len(ends) < 2 {
			continue
		}
		if !slices.Contains(watched, proto) {
			watched = append(watched, proto)
		}
		if ends[1].port == 0 && ends[0].port != 0 && len(list) < maxListeners {
			e := ends[0]
			list = append(list, Listener{proto, e.addr, e.v6only, e.port, processOf(row), f.Span(start, end).Place()})
		}
	}
	slices.Sort(watched)
	return list, watched
}

// rowProto is the protocol of a row by its first word in lower case, and whether its
// wildcards are IPv6; 0 for a line that is no row.
func rowProto(word string) (proto port.Proto, v6 bool) {
	switch word {
	case "listen":
		return port.TCP, true
	case "unconn":
		return port.UDP, true
	case "tcp", "tcp4", "tcp6", "tcp46", "udp", "udp4", "udp6", "udp46":
		proto, _ = port.ParseProto(word[:3])
		return proto, word != "tcp4" && word != "udp4"
	}
	return 0, false
}

// socketEnd is one end of a socket; port 0 stands for every port.
type socketEnd struct {
	addr   netip.Addr
	port   uint16
	v6only bool
}

// parseEnd reads "0.0.0.0:22", "[::1]:631", "[fe80::1]%eth0:546", ":::80" (netstat of Linux),
// "*:80", "*.22" and "fe80::1%em0.123" (BSD), "127.0.0.53%lo:53"; the port may be "*". "*" is every address, of
// both families where v6 says so; "[::]" of ss and Windows is every one of IPv6 alone.
func parseEnd(s string, v6 bool) (socketEnd, bool) {
	at := strings.LastIndexByte(s, ':')
	if dot := strings.LastIndexByte(s, '.'); dot > at { // BSD, or "x:1.5", which is no address
		at = dot
	}
	if at < 1 {
		return socketEnd{}, false
	}
	host, digits := s[:at], s[at+1:]
	var e socketEnd
	if digits != "*" {
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil {
			return socketEnd{}, false
		}
		e.port = uint16(n)
	}
	host, _, _ = strings.Cut(host, "%")
	bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
	if bracketed {
		host = host[1 : len(host)-1]
	}
	switch {
	case host == "*" && v6:
		e.addr = netip.IPv6Unspecified()
		return e, true
	case host == "*":
		e.addr = netip.IPv4Unspecified()
		return e, true
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return socketEnd{}, false
	}
	e.addr, e.v6only = a.Unmap(), bracketed && a == netip.IPv6Unspecified()
	return e, true
}

// processOf is the name of the process in a row: the first in users:(("sshd",pid=1,fd=3)) of
// ss, or behind the number in 633/sshd of netstat.
func processOf(row []string) string {
	for _, word := range row {
		if _, rest, ok := strings.Cut(word, `users:(("`); ok {
			name, _, _ := strings.Cut(rest, `"`)
			return name
		}
		pid, name, ok := strings.Cut(word, "/")
		if ok && pid != "" && strings.Trim(pid, "0123456789") == "" {
			return strings.TrimSuffix(name, ":")
		}
	}
	return ""
}
