package render

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portolan/internal/kernel"
	"portolan/internal/ruleset"
)

// What a firewall does beside new connections, with real sockets of a host and a peer.

// Peers of the rulesets: inside the zone of the voice platform, and outside of all zones.
var (
	insideV4  = netip.MustParseAddr("10.20.0.9")
	insideV6  = netip.MustParseAddr("2001:db8:20::9")
	outsideV4 = netip.MustParseAddr("203.0.113.200")
	outsideV6 = netip.MustParseAddr("2001:db8:bad::9")
)

const (
	soon = 5 * time.Second        // for what must happen
	late = 100 * time.Millisecond // for what must not
)

// world is a host with rules of one loader, and a peer with many addresses.
type world struct {
	t    *testing.T
	link *kernel.Link
	l    loader
}

// asPeer runs f in the namespace of the peer.
func (w *world) asPeer(f func() error) {
	w.t.Helper()
	if err := w.link.AsPeer(f); err != nil {
		w.t.Fatal(err)
	}
}

// listen answers on a port of the host or of the peer with what it is sent.
func (w *world) listen(peer bool, network string, at netip.AddrPort) {
	w.t.Helper()
	open := func() error {
		switch network {
		case "tcp":
			l, err := net.Listen(network, at.String())
			if err != nil {
				return err
			}
			w.t.Cleanup(func() { l.Close() })
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer c.Close()
						_, _ = io.Copy(c, c)
					}()
				}
			}()
		case "udp":
			c, err := net.ListenPacket(network, at.String())
			if err != nil {
				return err
			}
			w.t.Cleanup(func() { c.Close() })
			go func() {
				buffer := make([]byte, 100)
				for {
					n, from, err := c.ReadFrom(buffer)
					if errors.Is(err, net.ErrClosed) {
						return
					}
					if err == nil {
						_, _ = c.WriteTo(buffer[:n], from)
					}
				}
			}()
		}
		return nil
	}
	if peer {
		w.asPeer(open)
	} else if err := open(); err != nil {
		w.t.Fatal(err)
	}
}

// dial opens a connection from an address, at the peer or at the host. The zero port is any.
func (w *world) dial(peer bool, network string, from, to netip.AddrPort, wait time.Duration) (c net.Conn, err error) {
	d := net.Dialer{Timeout: wait, LocalAddr: net.TCPAddrFromAddrPort(from)}
	if network == "udp" {
		d.LocalAddr = net.UDPAddrFromAddrPort(from)
	}
	open := func() error {
		c, err = d.Dial(network, to.String())
		return nil
	}
	if peer {
		w.asPeer(open)
	} else {
		_ = open()
	}
	if err == nil {
		w.t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// open is dial where it must succeed.
func (w *world) open(peer bool, network string, from, to netip.AddrPort) net.Conn {
	w.t.Helper()
	c, err := w.dial(peer, network, from, to, soon)
	if err != nil {
		w.t.Fatalf("%s from %s to %s: %v", network, from, to, err)
	}
	return c
}

// closed says that a TCP connection must not come about.
func (w *world) closed(peer bool, from, to netip.AddrPort) {
	w.t.Helper()
	if c, err := w.dial(peer, "tcp", from, to, late); err == nil {
		w.t.Errorf("tcp from %s to %s is open", from, to)
		c.Close()
	} else if timeout := net.Error(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
		w.t.Errorf("tcp from %s to %s is not dropped in silence: %v", from, to, err)
	}
}

// echo sends a word and waits until it is back.
func echo(c net.Conn, wait time.Duration) error {
	word := []byte("hello, is it you")
	_ = c.SetDeadline(time.Now().Add(wait))
	if _, err := c.Write(word); err != nil {
		return err
	}
	answer := make([]byte, len(word))
	if _, err := io.ReadFull(c, answer); err != nil {
		return err
	}
	if string(answer) != string(word) {
		return fmt.Errorf("the answer is %q", answer)
	}
	return nil
}

func (w *world) echoes(c net.Conn) {
	w.t.Helper()
	if err := echo(c, soon); err != nil {
		w.t.Errorf("%s to %s: %v", c.LocalAddr(), c.RemoteAddr(), err)
	}
}

func at(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

// each calls f with addresses of both families: the host, and a peer inside and outside.
func each(f func(host, inside, outside netip.Addr)) {
	f(kernel.HostV4, insideV4, outsideV4)
	f(kernel.HostV6, insideV6, outsideV6)
}

// A behaviour is something that must be so under a ruleset.
type behaviour struct {
	name string
	rs   func() *ruleset.Ruleset
	try  func(*world)
}

func TestKernelBehaviourPlain(t *testing.T) { behave(t, plain) }

func TestKernelBehaviourNftables(t *testing.T) { behave(t, loaders[0]) }

func TestKernelBehaviourIptablesNft(t *testing.T) { behave(t, loaders[1]) }

func TestKernelBehaviourIptablesLegacy(t *testing.T) { behave(t, loaders[2]) }

func behave(t *testing.T, l loader) {
	inNamespace(t, l.programs, func(t *testing.T) {
		link, err := kernel.NewLink()
		if err != nil {
			t.Fatal(err)
		}
		defer link.Close()
		names := []netip.Addr{netip.MustParseAddr("10.1.0.53"), netip.MustParseAddr("2001:db8:1::53")}
		if err := link.AddPeers(append(names, insideV4, insideV6, outsideV4, outsideV6, insideV4.Next(), insideV6.Next())...); err != nil {
			t.Fatal(err)
		}
		for _, b := range behaviours {
			t.Run(b.name, func(t *testing.T) {
				l.load(t, b.rs())
				b.try(&world{t, link, l})
			})
		}
	})
}

var behaviours = []behaviour{
	{"established survives a reload", plainHost, func(w *world) {
		w.listen(false, "tcp", netip.MustParseAddrPort("[::]:554"))
		var open []net.Conn
		each(func(host, inside, outside netip.Addr) {
			c := w.open(true, "tcp", at(inside, 0), at(host, 554))
			w.echoes(c)
			open = append(open, c)
			w.closed(true, at(outside, 0), at(host, 554))
		})
		stricter := plainHost()
		stricter.Input.Rules = builtin()
		w.l.load(w.t, stricter)
		for _, c := range open {
			w.echoes(c)
		}
		each(func(host, inside, _ netip.Addr) { w.closed(true, at(inside, 0), at(host, 554)) })
	}},
	{"answers to the host come in", plainHost, answers},
	{"answers to the host come in while output is filtered", guardedHost, answers},
	{"ping", plainHost, pings},
	{"ping while output is filtered", guardedHost, pings},
	{"path mtu", plainHost, pathMTU},
	{"path mtu while output is filtered", guardedHost, pathMTU},
	{"port unreachable", plainHost, unreachable},
	{"port unreachable while output is filtered", guardedHost, unreachable},
	{"neighbours from scratch", plainHost, neighbours},
	{"neighbours from scratch while output is filtered", guardedHost, neighbours},
	{"multicast listener queries", plainHost, func(w *world) {
		w.count(false, "icmpv6 type 130", 1, 1, kernel.PacketToRouters(netip.MustParseAddr("fe80::2"), netip.MustParseAddr("ff02::1"),
			kernel.ICMP(130, 0, 1000<<16, make([]byte, 16))))
	}},
	{"multicast listener reports while output is filtered", guardedHost, func(w *world) {
		// Of the version that the last query had.
		if err := kernel.Watch(true, "icmpv6 type { 131, 143 }"); err != nil {
			w.t.Fatal(err)
		}
		c, err := net.ListenMulticastUDP("udp6", &net.Interface{Index: interfaceIndex(w.t), Name: kernel.HostInterface}, &net.UDPAddr{IP: net.ParseIP("ff02::1234"), Port: 9})
		if err != nil {
			w.t.Fatal(err)
		}
		defer c.Close()
		if n, err := kernel.Watched(1); err != nil || n == 0 {
			w.t.Errorf("%d reports left the host: %v", n, err)
		}
	}},
	{"answers of dhcp", plainHost, func(w *world) {
		for _, from := range []string{"192.168.7.1", "8.8.8.8"} {
			for _, to := range []netip.Addr{kernel.HostV4, netip.MustParseAddr("255.255.255.255")} {
				server := netip.MustParseAddr(from)
				w.count(false, "udp dport 68", 1, 1, kernel.Packet(17, server, to, kernel.UDP(67, 68, []byte("offer"))))
				w.count(false, "udp dport 67", 1, 0, kernel.Packet(17, server, to, kernel.UDP(68, 67, []byte("discover"))))
			}
		}
		w.count(false, "udp dport 546", 1, 1, kernel.Packet(17, netip.MustParseAddr("fe80::7"), kernel.HostV6, kernel.UDP(547, 546, []byte("advertise"))))
	}},
	{"invalid packets", plainHost, func(w *world) {
		each(func(host, _, outside netip.Addr) {
			packet := func(flags uint8) []byte { return kernel.Packet(6, outside, host, kernel.TCP(4000, 443, 7, flags)) }
			broken := packet(kernel.SYN)
			broken[len(broken)-4] ^= 1 // the checksum
			// The port is open to everybody, for what can begin a connection.
			w.count(false, "tcp dport 443", 1, 1, packet(kernel.SYN))
			for _, bad := range [][]byte{packet(0), packet(kernel.SYN | kernel.FIN), packet(kernel.FIN), packet(kernel.FIN | kernel.PSH), packet(kernel.SYN | kernel.RST), broken} {
				w.count(false, "tcp dport 443 ct state invalid", 1, 0, bad)
			}
		})
	}},
	{"loopback", plainHost, loopback},
	{"loopback while output is filtered", guardedHost, loopback},
	{"only what may leave leaves", guardedHost, func(w *world) {
		names := map[bool]netip.Addr{true: netip.MustParseAddr("10.1.0.53"), false: netip.MustParseAddr("2001:db8:1::53")}
		w.listen(false, "tcp", netip.MustParseAddrPort("[::]:443"))
		each(func(host, inside, outside netip.Addr) {
			server := at(names[host.Is4()], 53)
			for _, network := range []string{"tcp", "udp"} {
				w.listen(true, network, server)
				w.echoes(w.open(false, network, at(host, 0), server))
			}
			for _, other := range []netip.AddrPort{at(outside, 53), at(inside, 53)} {
				w.listen(true, "tcp", other)
				w.listen(true, "udp", other)
				w.closed(false, at(host, 0), other)
				if err := echo(w.open(false, "udp", at(host, 0), other), late); err == nil {
					w.t.Errorf("udp to %s leaves", other)
				}
			}
			// Who comes in gets an answer, wherever he is.
			w.echoes(w.open(true, "tcp", at(outside, 0), at(host, 443)))
		})
	}},
	{"media without connection tracking", mediaHost, func(w *world) {
		media := func(host, inside, outside netip.Addr) {
			const answered, began = 25000, 25399
			w.listen(false, "udp", at(host, answered))
			c := w.open(true, "udp", at(inside, 30000), at(host, answered))
			w.echoes(c)
			// The host begins: what it sends and what comes back is media all the same.
			w.listen(true, "udp", at(inside, 30002))
			c = w.open(false, "udp", at(host, began), at(inside, 30002))
			w.echoes(c)
			c.Close()
			if err := echo(w.open(true, "udp", at(outside, 30000), at(host, answered)), late); err == nil {
				w.t.Errorf("%s reached the media", outside)
			}
			// Nothing of it is remembered, so a stranger cannot be an answer.
			w.listen(true, "udp", at(outside, 30004))
			c = w.open(false, "udp", at(host, began), at(outside, 30004))
			if err := echo(c, late); err == nil {
				w.t.Errorf("an answer of the stranger %s came to a media port", outside)
			}
			c.Close()
			w.count(false, fmt.Sprintf("udp dport %d ct state untracked", answered), 1, 1, kernel.Packet(17, inside, host, kernel.UDP(30006, answered, []byte("rtp"))))
			w.count(false, fmt.Sprintf("udp dport %d ct state untracked", answered), 1, 0, kernel.Packet(17, outside, host, kernel.UDP(30006, answered, []byte("rtp"))))
			if err := kernel.Watch(true, fmt.Sprintf("udp sport %d ct state untracked", began)); err != nil {
				w.t.Fatal(err)
			}
			c = w.open(false, "udp", at(host, began), at(inside, 30008))
			if _, err := c.Write([]byte("rtp")); err != nil {
				w.t.Fatal(err)
			}
			if n, err := kernel.Watched(1); err != nil || n != 1 {
				w.t.Errorf("%d of 1 media packets left untracked: %v", n, err)
			}
		}
		each(media)
		// The file is not in every kernel; what was counted above says the same.
		if list, err := os.ReadFile("/proc/thread-self/net/nf_conntrack"); err == nil {
			for line := range strings.Lines(string(list)) {
				if strings.Contains(line, "dport=25000 ") || strings.Contains(line, "sport=25399 ") {
					w.t.Errorf("a connection of the media: %s", line)
				}
			}
		}
	}},
	{"connections at a time", threeCallers, func(w *world) {
		w.listen(false, "tcp", netip.MustParseAddrPort("[::]:554"))
		each(func(host, inside, outside netip.Addr) {
			var open []net.Conn
			for range 3 {
				c := w.open(true, "tcp", at(inside, 0), at(host, 554))
				w.echoes(c)
				open = append(open, c)
			}
			w.closed(true, at(inside, 0), at(host, 554))
			// Another source has a count of its own.
			other := w.open(true, "tcp", at(inside.Next(), 0), at(host, 554))
			w.echoes(other)
			// One goes, and one can come.
			open[0].Close()
			c, err := w.dial(true, "tcp", at(inside, 0), at(host, 554), soon)
			if err != nil {
				w.t.Fatalf("no place after one was closed: %v", err)
			}
			w.echoes(c)
			w.closed(true, at(inside, 0), at(host, 554))
			for _, c := range append(open[1:], c) {
				w.echoes(c)
			}
		})
	}},
}

// threeCallers lets three connections of each source in.
func threeCallers() *ruleset.Ruleset {
	rs := plainHost()
	for i := range rs.Input.Rules {
		if r := &rs.Input.Rules[i]; r.Match.Ports.Contains(554) && !r.Match.Ports.IsAll() {
			r.Effect.Connections = ruleset.Connections{Count: 3, PerSource: true, Name: "rtsp"}
		}
	}
	return rs
}

// count injects packets and compares how many of those that match come through.
func (w *world) count(out bool, match string, arrive, pass int, packets ...[]byte) {
	w.t.Helper()
	if err := kernel.Watch(out, match); err != nil {
		w.t.Fatal(err)
	}
	if err := w.link.Inject(kernel.HostInterface, packets...); err != nil {
		w.t.Fatal(err)
	}
	if n, err := kernel.Watched(arrive); err != nil || n != pass {
		w.t.Errorf("%s: %d of %d packets came through, want %d: %v", match, n, arrive, pass, err)
	}
}

// answers come in to what the host has asked, and nothing else does.
func answers(w *world) {
	names := map[bool]netip.Addr{true: netip.MustParseAddr("10.1.0.53"), false: netip.MustParseAddr("2001:db8:1::53")}
	each(func(host, _, outside netip.Addr) {
		server := at(names[host.Is4()], 53)
		w.listen(true, "udp", server)
		c := w.open(false, "udp", at(host, 0), server)
		w.echoes(c)
		// The same server by another port, and a stranger, are no answers. What comes first
		// would be read first.
		own := c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		for _, stranger := range []netip.AddrPort{at(server.Addr(), 54), at(outside, 53)} {
			w.count(false, fmt.Sprintf("udp dport %d", own), 1, 0, kernel.Packet(17, stranger.Addr(), host, kernel.UDP(stranger.Port(), own, []byte("strange"))))
		}
		w.echoes(c)
	})
}

// pings go both ways.
func pings(w *world) {
	each(func(host, inside, outside netip.Addr) {
		for _, peer := range []netip.Addr{inside, outside} {
			w.ping(false, host, peer)
			w.ping(true, peer, host)
		}
	})
}

// ping asks for an echo and waits for it.
func (w *world) ping(peer bool, from, to netip.Addr) {
	w.t.Helper()
	network, request, reply := "ip4:icmp", uint8(8), byte(0)
	if from.Is6() {
		network, request, reply = "ip6:ipv6-icmp", 128, 129
	}
	var c net.PacketConn
	open := func() (err error) {
		c, err = net.ListenPacket(network, from.String())
		return err
	}
	if peer {
		w.asPeer(open)
	} else if err := open(); err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	message := kernel.ICMP(request, 0, 0x12340001, []byte("portolan"))
	if from.Is4() {
		binary.BigEndian.PutUint16(message[2:], kernel.Checksum(message))
	}
	_ = c.SetDeadline(time.Now().Add(soon))
	if _, err := c.WriteTo(message, &net.IPAddr{IP: to.AsSlice()}); err != nil {
		w.t.Errorf("ping from %s to %s: %v", from, to, err)
		return
	}
	buffer := make([]byte, 1500)
	for range 100 {
		n, who, err := c.ReadFrom(buffer)
		if err != nil {
			w.t.Errorf("ping from %s to %s: %v", from, to, err)
			return
		}
		if n >= 8 && buffer[0] == reply && who.String() == to.String() && string(buffer[8:n]) == "portolan" {
			return
		}
	}
	w.t.Errorf("ping from %s to %s: no reply among 100 packets", from, to)
}

// pathMTU: a router that says a packet was too big is heard, by a connection of either side.
func pathMTU(w *world) {
	w.listen(false, "tcp", netip.MustParseAddrPort("[::]:443"))
	each(func(host, inside, _ netip.Addr) {
		level, option := unix.IPPROTO_IP, unix.IP_MTU
		router := outsideV4
		if host.Is6() {
			level, option, router = unix.IPPROTO_IPV6, unix.IPV6_MTU, outsideV6
		}
		// The sequence number that the host has come to is what an attacker does not know.
		var accepted net.Conn
		l, err := net.Listen("tcp", at(host, 80).String())
		if err != nil {
			w.t.Fatal(err)
		}
		defer l.Close()
		c := w.open(true, "tcp", at(inside, 0), at(host, 80))
		if accepted, err = l.Accept(); err != nil {
			w.t.Fatal(err)
		}
		defer accepted.Close()
		if _, err := accepted.Write([]byte("x")); err != nil {
			w.t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			w.t.Fatal(err)
		}
		raw, err := accepted.(*net.TCPConn).SyscallConn()
		if err != nil {
			w.t.Fatal(err)
		}
		mtu := func() (n int) {
			_ = raw.Control(func(fd uintptr) { n, err = unix.GetsockoptInt(int(fd), level, option) })
			if err != nil {
				w.t.Fatal(err)
			}
			return n
		}
		// What was heard before is remembered; 1280 is the least of IPv6.
		after := mtu() - 100
		if after < 1280 {
			w.t.Fatalf("the path to %s has an MTU of %d at first", inside, after+100)
		}
		var seq uint32
		_ = raw.Control(func(fd uintptr) { seq, err = nextSequence(int(fd)) })
		if err != nil {
			w.t.Fatal(err)
		}
		remote := accepted.RemoteAddr().(*net.TCPAddr).AddrPort().Port()
		tooBig := kernel.Packet(6, host, inside, kernel.TCP(80, remote, seq, kernel.ACK))
		message, proto := kernel.ICMP(3, 4, uint32(after), tooBig[:28]), uint8(1)
		if host.Is6() {
			message, proto = kernel.ICMP(2, 0, uint32(after), tooBig), 58
		}
		if err := w.link.Inject(kernel.HostInterface, kernel.Packet(proto, router, host, message)); err != nil {
			w.t.Fatal(err)
		}
		for range 100 {
			if mtu() == after {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := mtu(); n != after {
			w.t.Errorf("the path to %s has an MTU of %d after %s has said %d", inside, n, router, after)
		}
	})
}

// nextSequence is the sequence number of the next byte that a TCP socket sends, by what is
// made for moving connections (CRIU).
func nextSequence(fd int) (uint32, error) {
	const repair, repairQueue, queueSeq, sendQueue, off = 19, 20, 21, 2, -1 // linux/tcp.h
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, repair, 1); err != nil {
		return 0, fmt.Errorf("the sequence number: %w", err)
	}
	err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, repairQueue, sendQueue)
	seq := 0
	if err == nil {
		seq, err = unix.GetsockoptInt(fd, unix.IPPROTO_TCP, queueSeq)
	}
	// What ends it also takes the port for this socket alone.
	return uint32(seq), errors.Join(err, unix.SetsockoptInt(fd, unix.IPPROTO_TCP, repair, off), unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
}

// unreachable: who sends to a port where nobody listens is told, the host by the peer, and
// the peer by the host where the firewall has opened the port.
func unreachable(w *world) {
	each(func(host, inside, outside netip.Addr) {
		refused := func(c net.Conn) {
			w.t.Helper()
			if err := echo(c, soon); !errors.Is(err, unix.ECONNREFUSED) {
				w.t.Errorf("from %s to %s, where nobody listens: %v", c.LocalAddr(), c.RemoteAddr(), err)
			}
		}
		names := map[bool]netip.Addr{true: netip.MustParseAddr("10.1.0.53"), false: netip.MustParseAddr("2001:db8:1::53")}
		refused(w.open(false, "udp", at(host, 0), at(names[host.Is4()], 53)))
		refused(w.open(true, "udp", at(inside, 0), at(host, 5060)))
		if err := echo(w.open(true, "udp", at(outside, 0), at(host, 5060)), late); !errors.Is(err, os.ErrDeadlineExceeded) {
			w.t.Errorf("a closed port does not keep silent to %s: %v", outside, err)
		}
		if _, err := w.dial(true, "tcp", at(inside, 0), at(host, 443), soon); !errors.Is(err, unix.ECONNREFUSED) {
			w.t.Errorf("an open port where nobody listens does not refuse %s: %v", inside, err)
		}
	})
}

// neighbours are found again through the firewall after both sides have forgotten them.
func neighbours(w *world) {
	for range 2 { // each side is the first to ask once
		for _, peer := range []bool{false, true} {
			each(func(host, inside, _ netip.Addr) {
				if err := kernel.Forget(kernel.HostInterface, inside); err != nil {
					w.t.Fatal(err)
				}
				w.asPeer(func() error { return kernel.Forget(w.link.PeerInterface(), host) })
				if peer {
					w.ping(true, inside, host)
				} else {
					w.ping(false, host, inside)
				}
			})
		}
	}
}

// loopback is for the processes of the host, whatever the rules say of ports.
func loopback(w *world) {
	for _, own := range []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback(), kernel.HostV4, kernel.HostV6} {
		for _, network := range []string{"tcp", "udp"} {
			w.listen(false, network, at(own, 7777))
			w.echoes(w.open(false, network, at(own, 0), at(own, 7777)))
		}
		if _, err := w.dial(false, "tcp", at(own, 0), at(own, 7778), soon); !errors.Is(err, unix.ECONNREFUSED) {
			w.t.Errorf("tcp to a closed port of %s: %v", own, err)
		}
		if err := echo(w.open(false, "udp", at(own, 0), at(own, 7778)), soon); !errors.Is(err, unix.ECONNREFUSED) {
			w.t.Errorf("udp to a closed port of %s: %v", own, err)
		}
		w.ping(false, own, own)
	}
}

func interfaceIndex(t *testing.T) int {
	t.Helper()
	ifi, err := net.InterfaceByName(kernel.HostInterface)
	if err != nil {
		t.Fatal(err)
	}
	return ifi.Index
}
