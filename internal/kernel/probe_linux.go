package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Probes is which ports of a protocol a packet reached.
type Probes [65536]bool

// A Probe is one packet to each port: a TCP SYN or a short UDP packet.
type Probe struct {
	Out        bool   // the host sends it; otherwise it arrives there
	Interface  string // of the host; "" stands for HostInterface
	Peer       netip.Addr
	SourcePort uint16 // 0 stands for 40000
}

// complete fills in what a probe leaves to us.
func (p Probe) complete() Probe {
	if p.Interface == "" {
		p.Interface = HostInterface
	}
	if p.SourcePort == 0 {
		p.SourcePort = 40000
	}
	return p
}

// Run runs an administrator's program with the given standard input.
func Run(stdin string, name string, args ...string) (string, error) {
	path, err := Program(name)
	if err != nil {
		return "", err
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, talk.String())
	}
	return out.String(), nil
}

const recorderTable = "plprobe"

// recorder is a table that writes down which probes come through. "arrived" counts all of
// them before any rule; "passed" stands behind every filter, notes the port and drops the
// packet, so that no service, no answer, no neighbour and no connection entry is needed.
func recorder(p Probe) string {
	first, last, name, family := "prerouting", "input", "iifname", "ip6 saddr"
	if p.Out {
		first, last, name, family = "output", "output", "oifname", "ip6 daddr"
	}
	if p.Peer.Is4() {
		family = strings.Replace(family, "ip6", "ip", 1)
	}
	match := fmt.Sprintf("%s %q %s %s meta l4proto { 6, 17 }", name, p.Interface, family, p.Peer)
	return fmt.Sprintf(`table inet %[1]s
delete table inet %[1]s
table inet %[1]s {
	counter arrived { }
	counter passed { }
	set seen { type inet_proto . inet_service; size 131072; flags dynamic; }
	chain first {
		type filter hook %[2]s priority -500; policy accept;
		%[4]s counter name "arrived"
	}
	chain last {
		type filter hook %[3]s priority 1000; policy accept;
		%[4]s add @seen { meta l4proto . th dport } counter name "passed" drop
	}
}
`, recorderTable, first, last, match)
}

// Sweep sends one packet from the given source to every TCP port and every UDP port of the
// host, and tells which came through its rules.
func (l *Link) Sweep(from netip.Addr) (tcp, udp *Probes, err error) { return l.Try(Probe{Peer: from}) }

// Try sends a probe to every TCP port and every UDP port and tells which came through the
// rules of the host. It does not believe silence: unless the kernel has counted every
// packet before the first rule, all are sent again.
func (l *Link) Try(p Probe) (tcp, udp *Probes, err error) {
	p = p.complete()
	defer func() {
		// The recorder drops what it has noted, so it must not stay.
		if _, e := Run("", "nft", "delete", "table", "inet", recorderTable); err == nil {
			err = e
		}
	}()
	for range 3 {
		if _, err = Run(recorder(p), "nft", "-f", "-"); err != nil {
			return nil, nil, err
		}
		// Two processors halve the time, which is nearly all the kernel's.
		udpSent := make(chan error)
		go func() { udpSent <- l.send(p, unix.IPPROTO_UDP, 0, 65535) }()
		err = l.send(p, unix.IPPROTO_TCP, 0, 65535)
		if err = errors.Join(err, <-udpSent); err != nil {
			return nil, nil, err
		}
		var r *record
		if r, err = settled(2 * len(Probes{})); err == nil {
			return r.tcp, r.udp, nil
		}
	}
	return nil, nil, err
}

// Repeat sends n packets from one source to one port and tells how many came through.
func (l *Link) Repeat(proto uint8, from netip.Addr, port uint16, n int) (int, error) {
	p := Probe{Peer: from}.complete()
	if _, err := Run(recorder(p), "nft", "-f", "-"); err != nil {
		return 0, err
	}
	for range n {
		if err := l.send(p, proto, port, port); err != nil {
			return 0, err
		}
	}
	r, err := settled(n)
	if err != nil {
		return 0, err
	}
	_, err = Run("", "nft", "delete", "table", "inet", recorderTable)
	return r.passed, err
}

// send sends one packet to each of the ports.
func (l *Link) send(p Probe, proto uint8, first, last uint16) error {
	from, to := p.Peer, Host(p.Peer)
	if p.Out {
		from, to = to, from
	}
	segment := UDP(p.SourcePort, 0, []byte("try\n"))
	if proto == unix.IPPROTO_TCP {
		segment = TCP(p.SourcePort, 0, 1, SYN)
	}
	packet := Packet(proto, from, to, segment)
	b := batch{
		port: len(packet) - len(segment) + 2, check: len(packet) - len(segment) + checksumAt(proto),
		sum: pseudo(proto, from, to, segment),
	}
	if p.Out {
		socket, err := outward(p.Interface, to)
		if err != nil {
			return err
		}
		defer unix.Close(socket)
		return b.send(socket, packet, first, last)
	}
	e, ok := l.ends[p.Interface]
	if !ok {
		return fmt.Errorf("the host has no interface %q", p.Interface)
	}
	frame := e.frame(packet)
	b.port += len(frame) - len(packet)
	b.check += len(frame) - len(packet)
	return b.send(e.socket, frame, first, last)
}

// outward is a socket of the host that sends whole IP packets to one address, by one
// interface. They pass the rules for what leaves like any other packet.
func outward(iface string, to netip.Addr) (int, error) {
	family := unix.AF_INET
	address := unix.Sockaddr(&unix.SockaddrInet4{Addr: [4]byte{}})
	if to.Is4() {
		address = &unix.SockaddrInet4{Addr: to.As4()}
	} else {
		family, address = unix.AF_INET6, &unix.SockaddrInet6{Addr: to.As16()}
	}
	socket, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return 0, fmt.Errorf("a raw socket: %w", err)
	}
	if err = unix.BindToDevice(socket, iface); err == nil {
		err = unix.Connect(socket, address)
	}
	if err != nil {
		unix.Close(socket)
		return 0, fmt.Errorf("a raw socket to %s: %w", to, err)
	}
	return socket, nil
}

// A batch is many copies of one packet that differ in their destination port.
type batch struct {
	port, check int    // where they stand
	sum         uint32 // of what the checksum covers, with port 0
}

// burst is how many packets one call sends.
const burst = 64

// mmsghdr is struct mmsghdr (sendmmsg(2)).
type mmsghdr struct {
	header unix.Msghdr
	length uint32
}

func (b batch) send(socket int, packet []byte, first, last uint16) error {
	var buffers [burst][]byte
	var vectors [burst]unix.Iovec
	var messages [burst]mmsghdr
	for i := range buffers {
		buffers[i] = append([]byte{}, packet...)
		vectors[i].Base = &buffers[i][0]
		vectors[i].SetLen(len(packet))
		messages[i].header.Iov = &vectors[i]
		messages[i].header.SetIovlen(1)
	}
	for port := int(first); port <= int(last); {
		n := min(burst, int(last)+1-port)
		for i := range n {
			binary.BigEndian.PutUint16(buffers[i][b.port:], uint16(port+i))
			// 0 would be no checksum at all in UDP, and is the same number in TCP.
			check := fold(b.sum + uint32(port+i))
			if check == 0 {
				check = 0xffff
			}
			binary.BigEndian.PutUint16(buffers[i][b.check:], check)
		}
		for done := 0; done < n; {
			sent, _, code := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(socket), uintptr(unsafe.Pointer(&messages[done])), uintptr(n-done), 0, 0, 0)
			switch code {
			case 0:
				done += int(sent)
			case unix.EPERM: // the rules for what leaves, or the recorder behind them, have dropped it
				done++
			case unix.ENOBUFS, unix.EAGAIN, unix.EINTR:
			default:
				return fmt.Errorf("sending to port %d: %w", port+done, code)
			}
		}
		port += n
	}
	return nil
}

// record is what the recorder has written down.
type record struct {
	passed   int
	tcp, udp *Probes
	distinct int // ports in tcp and udp
}

// settled waits until n packets have arrived and all of them are accounted for. The
// listing of a set that is still growing can miss elements and repeat others, so it only
// counts when it has as many distinct ports as packets that were to add one; repeated
// packets to one port add one.
func settled(n int) (*record, error) {
	r, arrived := &record{}, 0
	for wait := time.Millisecond; wait < time.Second; wait *= 2 {
		var err error
		if arrived, err = counter(recorderTable, "arrived"); err == nil && arrived == n {
			r, err = readRecord()
		}
		if err != nil {
			return nil, err
		}
		if arrived == n && (r.distinct == r.passed || r.distinct == 1) {
			return r, nil
		}
		time.Sleep(wait)
	}
	return nil, fmt.Errorf("%d packets were sent, %d arrived, %d came through to %d ports", n, arrived, r.passed, r.distinct)
}

// readRecord reads the recorder: the counter last, so that a set that still grows is not
// taken for a full one.
func readRecord() (*record, error) {
	r := &record{tcp: new(Probes), udp: new(Probes)}
	var strange error
	err := elements(recorderTable, "seen", func(key []byte) {
		// Two fields, each filled up to 4 bytes.
		if len(key) != 8 || key[0] != unix.IPPROTO_TCP && key[0] != unix.IPPROTO_UDP {
			strange = fmt.Errorf("element %x of the recorder", key)
			return
		}
		seen := r.tcp
		if key[0] == unix.IPPROTO_UDP {
			seen = r.udp
		}
		if port := binary.BigEndian.Uint16(key[4:]); !seen[port] {
			seen[port] = true
			r.distinct++
		}
	})
	if err == nil {
		err = strange
	}
	if err != nil {
		return nil, err
	}
	if r.passed, err = counter(recorderTable, "passed"); err != nil {
		return nil, err
	}
	return r, nil
}
