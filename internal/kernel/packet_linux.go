package kernel

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Flags of a TCP segment (RFC 9293 section 3.1).
const (
	FIN uint8 = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// TCP is a segment without data.
func TCP(from, to uint16, seq uint32, flags uint8) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b, from)
	binary.BigEndian.PutUint16(b[2:], to)
	binary.BigEndian.PutUint32(b[4:], seq)
	b[12], b[13] = 5<<4, flags                    // a header of 5 words
	binary.BigEndian.PutUint16(b[14:], 64*1024-1) // window
	return b
}

// UDP is a datagram.
func UDP(from, to uint16, data []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	b = binary.BigEndian.AppendUint16(b, to)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(data)))
	return append(append(b, 0, 0), data...)
}

// ICMP is a message of either family. rest is what the second word holds.
func ICMP(kind, code uint8, rest uint32, data []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind, code, 0, 0}, rest), data...)
}

// checksumAt is where a transport header has its checksum; -1 for one that has none.
func checksumAt(proto uint8) int {
	switch proto {
	case unix.IPPROTO_TCP:
		return 16
	case unix.IPPROTO_UDP:
		return 6
	case unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		return 2
	}
	return -1
}

// Packet is an IP packet with correct checksums, not to be fragmented, around a transport
// segment without one.
func Packet(proto uint8, from, to netip.Addr, segment []byte) []byte {
	header := header(proto, from, to, len(segment), nil)
	b := append(header, segment...)
	if at := checksumAt(proto); at >= 0 {
		check := fold(pseudo(proto, from, to, segment))
		if check == 0 && proto == unix.IPPROTO_UDP {
			check = 0xffff // RFC 768: 0 means no checksum
		}
		binary.BigEndian.PutUint16(b[len(header)+at:], check)
	}
	return b
}

// PacketToRouters is an ICMPv6 packet with the router alert option in a hop-by-hop header
// and a hop limit of 1, as multicast listener discovery wants it (RFC 3810 section 5).
func PacketToRouters(from, to netip.Addr, message []byte) []byte {
	option := []byte{unix.IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0}
	b := header(unix.IPPROTO_HOPOPTS, from, to, len(message), option)
	b[7] = 1
	at := len(b) + checksumAt(unix.IPPROTO_ICMPV6)
	b = append(b, message...)
	binary.BigEndian.PutUint16(b[at:], fold(pseudo(unix.IPPROTO_ICMPV6, from, to, message)))
	return b
}

// header is an IP header, and behind it what stands between it and size bytes more.
func header(proto uint8, from, to netip.Addr, size int, between []byte) []byte {
	size += len(between)
	var b []byte
	if from.Is4() {
		b = []byte{0x45, 0, byte((20 + size) >> 8), byte(20 + size), 0, 0, 0x40, 0, 64, proto, 0, 0}
		b = append(append(b, from.AsSlice()...), to.AsSlice()...)
		binary.BigEndian.PutUint16(b[10:], fold(sum(0, b)))
	} else {
		b = []byte{0x60, 0, 0, 0, byte(size >> 8), byte(size), proto, 64}
		b = append(append(b, from.AsSlice()...), to.AsSlice()...)
	}
	return append(b, between...)
}

// pseudo adds up what the checksum of a transport segment covers. The ICMP of IPv4 covers
// no addresses.
func pseudo(proto uint8, from, to netip.Addr, segment []byte) uint32 {
	s := sum(0, segment)
	if proto == unix.IPPROTO_ICMP {
		return s
	}
	s = sum(s, from.AsSlice())
	return sum(s, to.AsSlice()) + uint32(proto) + uint32(len(segment))
}

// Checksum is that of an ICMP message of IPv4 in which the checksum is 0.
func Checksum(message []byte) uint16 { return fold(sum(0, message)) }

// sum adds up 16-bit words (RFC 1071).
func sum(s uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}

// frame is an IP packet on its way to an interface of the host.
func (e *end) frame(packet []byte) []byte {
	b := append(append([]byte{}, e.mac...), 2, 0, 0, 0, 0, 1)
	if packet[0]>>4 == 4 {
		b = append(b, 0x08, 0x00)
	} else {
		b = append(b, 0x86, 0xdd)
	}
	return append(b, packet...)
}

// Inject lets packets arrive at an interface of the host, from wherever they say.
func (l *Link) Inject(iface string, packets ...[]byte) error {
	e, ok := l.ends[iface]
	if !ok {
		return fmt.Errorf("the host has no interface %q", iface)
	}
	for _, p := range packets {
		if err := again(func() error { _, err := unix.Write(e.socket, e.frame(p)); return err }); err != nil {
			return fmt.Errorf("sending to %s: %w", iface, err)
		}
	}
	return nil
}

// again calls f until it says something else than that it has no room just now.
func again(f func() error) error {
	for {
		switch err := f(); err {
		case unix.ENOBUFS, unix.EAGAIN, unix.EINTR:
		default:
			return err
		}
	}
}
