package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Probes is which ports of a protocol a packet reached.
type Probes [65536]bool

// A Probe is one packet to each port, a TCP SYN or a short UDP packet.
type Probe struct {
	Out        bool   // the host sends it; otherwise it arrives there
	Interface  string // of the host; "" stands for HostInterface
	Peer       netip.Addr
	SourcePort uint16   // 0 stands for 40000
	Ports      []uint16 // destination ports; nil stands for all of them
}

// complete fills in what a probe leaves to us.
func (p Probe) complete() Probe {
	if p.Interface == "" {
		p.Interface = HostInterface
	}
	if p.SourcePort == 0 {
		p.SourcePort = 40000
	}
	if p.Ports == nil {
		p.Ports = make([]uint16, len(Probes{}))
		for i := range p.Ports {
			p.Ports[i] = uint16(i)
		}
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

// A side is the packets of one direction and family, with the set that notes them.
type side struct {
	out, six bool
}

var sides = [...]side{{false, false}, {false, true}, {true, false}, {true, true}}

func (s side) set() string {
	return "seen_" + map[bool]string{true: "out", false: "in"}[s.out] + map[bool]string{true: "6", false: "4"}[s.six]
}

// recorder is a table that writes down which probes come through. "arrived" counts all of
// them before any rule; "passed" stands behind every filter, notes the packet and drops it,
// so that no service, no answer, no neighbour and no connection entry is needed. It looks at
// the directions of the probes alone, so that others' packets of the other one go their way.
func recorder(probes []Probe) string {
	asked := func(out bool) bool {
		return slices.ContainsFunc(probes, func(p Probe) bool { return p.Out == out })
	}
	var sets strings.Builder
	last := map[bool]string{}
	for _, s := range sides {
		family, kind, end, iface := "ip", "ipv4_addr", "saddr", "iif"
		if s.six {
			family, kind = "ip6", "ipv6_addr"
		}
		if s.out {
			end, iface = "daddr", "oif"
		}
		// Big enough for many probes; what does not fit would pass and be missed.
		fmt.Fprintf(&sets, "\tset %s { type %s . inet_proto . inet_service . inet_service . iface_index; size 16777216; flags dynamic; }\n", s.set(), kind)
		last[s.out] += fmt.Sprintf("\t\t%sname { %q, %q } meta l4proto { 6, 17 } add @%s { %s %s . meta l4proto . th sport . th dport . meta %s } counter name \"passed\" drop\n",
			iface, HostInterface, OtherInterface, s.set(), family, end, iface)
	}
	var chains strings.Builder
	for _, d := range []struct {
		out              bool
		name, hook, last string
		iface            string
	}{{false, "in", "prerouting", "input", "iifname"}, {true, "out", "output", "output", "oifname"}} {
		if asked(d.out) {
			fmt.Fprintf(&chains, `	chain %[1]s_first {
		type filter hook %[2]s priority -500; policy accept;
		%[4]s { "%[5]s", "%[6]s" } meta l4proto { 6, 17 } counter name "arrived"
	}
	chain %[1]s_last {
		type filter hook %[3]s priority 1000; policy accept;
%[7]s	}
`, d.name, d.hook, d.last, d.iface, HostInterface, OtherInterface, last[d.out])
		}
	}
	return fmt.Sprintf(`table inet %[1]s
delete table inet %[1]s
table inet %[1]s {
	counter arrived { }
	counter passed { }
%[2]s%[3]s}
`, recorderTable, sets.String(), chains.String())
}

// Seen is which ports of a probe came through.
type Seen struct{ TCP, UDP Probes }

// Try sends probes, for TCP and for UDP, and tells which ports came through the rules of the
// host. It does not believe silence: unless the kernel has counted every packet before the
// first rule, all are sent again.
func (l *Link) Try(probes ...Probe) (seen []*Seen, err error) {
	probes = slices.Clone(probes)
	n := 0
	for i, p := range probes {
		probes[i] = p.complete()
		n += 2 * len(probes[i].Ports)
	}
	defer func() {
		// The recorder drops what it has noted, so it must not stay.
		if _, e := Run("", "nft", "delete", "table", "inet", recorderTable); err == nil {
			err = e
		}
	}()
	send := func(proto uint8) error {
		for _, p := range probes {
			if err := l.send(p, proto); err != nil {
				return err
			}
		}
		return nil
	}
	for range 3 {
		if _, err = Run(recorder(probes), "nft", "-f", "-"); err != nil {
			return nil, err
		}
		// Two processors halve the time, which is nearly all the kernel's.
		udp := make(chan error)
		go func() { udp <- send(unix.IPPROTO_UDP) }()
		err = send(unix.IPPROTO_TCP)
		if err = errors.Join(err, <-udp); err != nil {
			return nil, err
		}
		var r *record
		if r, err = settled(n, probes); err == nil {
			return r.seen, nil
		}
	}
	return nil, err
}

// Repeat sends n packets from one source to one port and tells how many came through.
func (l *Link) Repeat(proto uint8, from netip.Addr, port uint16, n int) (int, error) {
	p := Probe{Peer: from, Ports: slices.Repeat([]uint16{port}, n)}.complete()
	if _, err := Run(recorder([]Probe{p}), "nft", "-f", "-"); err != nil {
		return 0, err
	}
	if err := l.send(p, proto); err != nil {
		return 0, err
	}
	r, err := settled(n, []Probe{p})
	if err != nil {
		return 0, err
	}
	_, err = Run("", "nft", "delete", "table", "inet", recorderTable)
	return r.passed, err
}

// send sends one packet to each of the ports.
func (l *Link) send(p Probe, proto uint8) error {
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
		return b.send(socket, packet, p.Ports)
	}
	e, ok := l.ends[p.Interface]
	if !ok {
		return fmt.Errorf("the host has no interface %q", p.Interface)
	}
	frame := e.frame(packet)
	b.port += len(frame) - len(packet)
	b.check += len(frame) - len(packet)
	return b.send(e.socket, frame, p.Ports)
}

// outward is a socket of the host that sends whole IP packets to one address, by one
// interface. They pass the rules for what leaves like any other packet.
func outward(iface string, to netip.Addr) (int, error) {
	family := unix.AF_INET
	var address unix.Sockaddr
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

func (b batch) send(socket int, packet []byte, ports []uint16) error {
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
	for some := range slices.Chunk(ports, burst) {
		for i, port := range some {
			binary.BigEndian.PutUint16(buffers[i][b.port:], port)
			// 0 would be no checksum at all in UDP, and is the same number in TCP.
			check := fold(b.sum + uint32(port))
			if check == 0 {
				check = 0xffff
			}
			binary.BigEndian.PutUint16(buffers[i][b.check:], check)
		}
		for done := 0; done < len(some); {
			sent, _, code := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(socket), uintptr(unsafe.Pointer(&messages[done])), uintptr(len(some)-done), 0, 0, 0)
			switch code {
			case 0:
				done += int(sent)
			case unix.EPERM: // the rules for what leaves, or the recorder behind them, have dropped it
				done++
			case unix.ENOBUFS, unix.EAGAIN, unix.EINTR:
			default:
				return fmt.Errorf("sending to port %d: %w", some[done], code)
			}
		}
	}
	return nil
}

// Watch counts packets that match some words of nft, without keeping any of them: those on
// their way and those that have come through the rules of the host. A second watch ends
// the first.
func Watch(out bool, match string) error {
	first, last := "prerouting", "input"
	if out {
		first, last = "output", "output"
	}
	_, err := Run(fmt.Sprintf(`table inet %[1]s
delete table inet %[1]s
table inet %[1]s {
	counter arrived { }
	counter passed { }
	chain first { type filter hook %[2]s priority -150; policy accept; %[4]s counter name "arrived"; }
	chain last { type filter hook %[3]s priority 1000; policy accept; %[4]s counter name "passed"; }
}
`, watchTable, first, last, match), "nft", "-f", "-")
	return err
}

const watchTable = "plwatch"

// Watched waits until n packets that match the watch are on their way, and tells how many
// of them have come through. More than n are as good: the host may send again.
func Watched(n int) (int, error) {
	arrived := 0
	for wait := time.Millisecond; wait < 2*time.Second; wait *= 2 {
		var err error
		if arrived, err = counter(watchTable, "arrived"); err != nil {
			return 0, err
		}
		if arrived >= n {
			time.Sleep(5 * time.Millisecond) // the last one is still between the two counters
			return counter(watchTable, "passed")
		}
		time.Sleep(wait)
	}
	return 0, fmt.Errorf("%d packets that match were seen, not %d", arrived, n)
}

// A Message is an ICMP message of a type, with what connection tracking has made of it.
type Message struct {
	Type  uint8
	State uint32 // the bits of nft's "ct state"
}

// TryTypes sends one ICMP message of each type from the given source and tells which have
// come through the rules of the host. What connection tracking makes of a message is its
// own affair, so that is told too.
func (l *Link) TryTypes(from netip.Addr) (map[Message]bool, error) {
	words, proto := "icmp", uint8(unix.IPPROTO_ICMP)
	if from.Is6() {
		words, proto = "icmpv6", unix.IPPROTO_ICMPV6
	}
	text := fmt.Sprintf(`table inet %[1]s
delete table inet %[1]s
table inet %[1]s {
	counter arrived { }
	set first { type %[2]s_type . ct_state; size 65535; flags dynamic; }
	set last { type %[2]s_type . ct_state; size 65535; flags dynamic; }
	chain first {
		type filter hook prerouting priority -150; policy accept;
		%[3]s saddr %[4]s meta l4proto %[5]d add @first { %[2]s type . ct state } counter name "arrived"
	}
	chain last {
		type filter hook input priority 1000; policy accept;
		%[3]s saddr %[4]s meta l4proto %[5]d add @last { %[2]s type . ct state } drop
	}
}
`, recorderTable, words, map[bool]string{true: "ip", false: "ip6"}[from.Is4()], from, proto)
	if _, err := Run(text, "nft", "-f", "-"); err != nil {
		return nil, err
	}
	for kind := range 256 {
		if err := l.Inject(HostInterface, Packet(proto, from, Host(from), ICMP(uint8(kind), 0, 1<<16|1, make([]byte, 56)))); err != nil {
			return nil, err
		}
	}
	for wait := time.Millisecond; wait < time.Second; wait *= 2 {
		if n, err := counter(recorderTable, "arrived"); err != nil || n == 256 {
			break
		}
		time.Sleep(wait)
	}
	time.Sleep(5 * time.Millisecond) // the last one is still between the two sets
	out := map[Message]bool{}
	for _, set := range []string{"first", "last"} {
		err := elements(recorderTable, set, func(key []byte) {
			if len(key) == 8 {
				out[Message{key[0], binary.NativeEndian.Uint32(key[4:])}] = set == "last"
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if len(out) != 256 {
		return nil, fmt.Errorf("%d of 256 types of %s have arrived", len(out), words)
	}
	_, err := Run("", "nft", "delete", "table", "inet", recorderTable)
	return out, err
}

// record is what the recorder has written down.
type record struct {
	passed   int
	seen     []*Seen // by probe
	distinct int     // ports in all of them
}

// mark is what the recorder notes of a packet besides its destination port.
type mark struct {
	out   bool
	peer  netip.Addr
	proto uint8
	from  uint16
	iface uint32
}

// marks say which probe a packet belongs to.
func marks(probes []Probe) (map[mark]int, error) {
	known := map[mark]int{}
	for i, p := range probes {
		ifi, err := net.InterfaceByName(p.Interface)
		if err != nil {
			return nil, err
		}
		for _, proto := range []uint8{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
			m := mark{p.Out, p.Peer, proto, p.SourcePort, uint32(ifi.Index)}
			if _, twice := known[m]; twice {
				return nil, fmt.Errorf("the probe with %s is there twice", p.Peer)
			}
			known[m] = i
		}
	}
	return known, nil
}

// settled waits until n packets have arrived and all of them are accounted for. The
// listing of a set that is still growing can miss elements and repeat others, so it only
// counts when it has as many distinct ports as packets that were to add one; repeated
// packets to one port add one.
func settled(n int, probes []Probe) (*record, error) {
	known, err := marks(probes)
	if err != nil {
		return nil, err
	}
	r, arrived := &record{}, 0
	for wait := time.Millisecond; wait < time.Second; wait *= 2 {
		if arrived, err = counter(recorderTable, "arrived"); err == nil && arrived == n {
			r, err = readRecord(known, len(probes))
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
func readRecord(known map[mark]int, probes int) (*record, error) {
	r := &record{seen: make([]*Seen, probes)}
	for i := range r.seen {
		r.seen[i] = new(Seen)
	}
	for _, s := range sides {
		address := 4
		if s.six {
			address = 16
		}
		var strange error
		err := elements(recorderTable, s.set(), func(key []byte) {
			// Each field is filled up to 4 bytes.
			if len(key) != address+16 {
				strange = fmt.Errorf("element %x of the recorder", key)
				return
			}
			peer, _ := netip.AddrFromSlice(key[:address])
			key = key[address:]
			i, ok := known[mark{s.out, peer, key[0], binary.BigEndian.Uint16(key[4:]), binary.NativeEndian.Uint32(key[12:])}]
			if !ok {
				strange = fmt.Errorf("a packet of %s that nobody has sent", peer)
				return
			}
			seen := &r.seen[i].TCP
			if key[0] == unix.IPPROTO_UDP {
				seen = &r.seen[i].UDP
			}
			if port := binary.BigEndian.Uint16(key[8:]); !seen[port] {
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
	}
	var err error
	r.passed, err = counter(recorderTable, "passed")
	return r, err
}
