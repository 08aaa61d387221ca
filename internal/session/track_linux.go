package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	wire "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portolan/internal/port"
)

// The numbers of include/uapi/linux/netfilter/nfnetlink_conntrack.h, nf_conntrack_common.h and
// nf_conntrack_tcp.h of Linux.
const (
	trackNew = 1 << 8 // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW

	trackOrigin, trackReply, trackStatus, trackDetails, trackTimeout = 1, 2, 3, 4, 7 // CTA_*
	trackAddresses, trackPorts                                       = 1, 2          // CTA_TUPLE_*
	trackProtocol, trackFrom, trackTo                                = 1, 2, 3       // CTA_PROTO_*
	trackTCP                                                         = 1             // CTA_PROTOINFO_TCP
	trackState, trackFlagsOrigin, trackFlagsReply                    = 1, 4, 5       // CTA_PROTOINFO_TCP_*

	// IPS_SEEN_REPLY, IPS_ASSURED and IPS_CONFIRMED: both ends have spoken.
	trackEstablished = 1<<1 | 1<<2 | 1<<3
	// TCP_CONNTRACK_ESTABLISHED and, as flags and mask, IP_CT_TCP_FLAG_BE_LIBERAL: nobody knows
	// which numbers the next packets have.
	trackOpen, trackLiberal = 3, "\x08\x08"
	// trackFor is how long the kernel keeps an open connection that is silent, in seconds
	// (nf_conntrack_tcp_timeout_established).
	trackFor = 432_000
)

// Track makes connection tracking know a session over TCP as one that exists, which the
// peer began. Otherwise it would begin to track it in the middle, with the next packet: when this
// host sends that, rules for what leaves take it for the first packet of a connection that this
// host begins. A session that is tracked already stays as it is. An error says that the kernel
// cannot do it, and of another session than one over TCP that there is nothing to do.
func Track(s Session) error {
	peer, local := s.Peer.Addr().Unmap().WithZone(""), s.Local.Addr().Unmap().WithZone("")
	if s.Proto != port.TCP || !peer.IsValid() || peer.Is4() != local.Is4() {
		return fmt.Errorf("the session %s is no connection of TCP", s)
	}
	from, to := netip.AddrPortFrom(peer, s.Peer.Port()), netip.AddrPortFrom(local, s.Local.Port())
	family := byte(unix.AF_INET6)
	if peer.Is4() {
		family = unix.AF_INET
	}
	body := []byte{family, unix.NFNETLINK_V0, 0, 0}
	body = append(body, nest(trackOrigin, ends(from, to)...)...)
	body = append(body, nest(trackReply, ends(to, from)...)...)
	body = append(body, attribute(trackStatus, binary.BigEndian.AppendUint32(nil, trackEstablished))...)
	body = append(body, attribute(trackTimeout, binary.BigEndian.AppendUint32(nil, trackFor))...)
	body = append(body, nest(trackDetails, nest(trackTCP, attribute(trackState, []byte{trackOpen}),
		attribute(trackFlagsOrigin, []byte(trackLiberal)), attribute(trackFlagsReply, []byte(trackLiberal))))...)
	_, err := ask(unix.NETLINK_NETFILTER, trackNew, wire.Acknowledge|wire.Create|wire.Excl, body)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("making connection tracking know the session %s: %w", s, err)
	}
	return nil
}

// ends are the attributes of one direction of a connection.
func ends(from, to netip.AddrPort) [][]byte {
	first := uint16(1) // CTA_IP_V4_SRC
	if from.Addr().Is6() {
		first = 3
	}
	number := func(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }
	return [][]byte{
		nest(trackAddresses, attribute(first, from.Addr().AsSlice()), attribute(first+1, to.Addr().AsSlice())),
		nest(trackPorts, attribute(trackProtocol, []byte{unix.IPPROTO_TCP}), attribute(trackFrom, number(from.Port())), attribute(trackTo, number(to.Port()))),
	}
}

func nest(kind uint16, parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return attribute(kind|unix.NLA_F_NESTED, all)
}

// attribute is one attribute of netlink, padded.
func attribute(kind uint16, data []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(data)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), data...)
	return append(b, make([]byte, -len(b)&3)...)
}
