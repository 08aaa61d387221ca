package truth

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"portolan/internal/port"
)

// From linux/inet_diag.h and net/tcp_states.h.
const (
	sockDiagByFamily = 20
	diagV6Only       = 11 // INET_DIAG_SKV6ONLY
	diagMessageSize  = 72 // struct inet_diag_msg
	stateClose       = 7  // UDP without a peer
	stateListen      = 10
)

// Sockets are all sockets of this network namespace that wait for others. It asks the
// kernel by sock_diag(7), because only there it says IPV6_V6ONLY.
func Sockets() ([]Socket, error) {
	var out []Socket
	for _, proto := range []port.Proto{port.TCP, port.UDP} {
		for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
			list, err := dump(proto, family)
			if err != nil {
				return nil, fmt.Errorf("sock_diag: %w", err)
			}
			out = append(out, list...)
		}
	}
	return out, nil
}

func dump(proto port.Proto, family uint8) ([]Socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	number, state := uint8(unix.IPPROTO_TCP), stateListen
	if proto == port.UDP {
		number, state = unix.IPPROTO_UDP, stateClose
	}
	// struct nlmsghdr, then struct inet_diag_req_v2 with an empty socket id.
	const size = unix.SizeofNlMsghdr + 8 + 48
	b := binary.NativeEndian.AppendUint32(nil, size)
	b = binary.NativeEndian.AppendUint16(b, sockDiagByFamily)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b = append(b, make([]byte, 8)...) // sequence and port
	b = append(b, family, number, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, 1<<state)
	b = append(b, make([]byte, 48)...)
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	var out []Socket
	buffer := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(fd, buffer, 0)
		if err != nil {
			return nil, err
		}
		for rest := buffer[:n]; len(rest) >= unix.SizeofNlMsghdr; {
			length := int(binary.NativeEndian.Uint32(rest))
			if length < unix.SizeofNlMsghdr || length > len(rest) {
				return nil, fmt.Errorf("a message of %d bytes that is not understood", length)
			}
			kind, body := binary.NativeEndian.Uint16(rest[4:]), rest[unix.SizeofNlMsghdr:length]
			rest = rest[min((length+3)&^3, len(rest)):]
			switch {
			case kind == unix.NLMSG_DONE:
				return out, nil
			case kind == unix.NLMSG_ERROR && len(body) >= 4:
				return nil, unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
			case kind != sockDiagByFamily || len(body) < diagMessageSize:
				return nil, fmt.Errorf("a message of kind %d that is not understood", kind)
			}
			s := Socket{Proto: proto, Port: binary.BigEndian.Uint16(body[4:])}
			if family == unix.AF_INET {
				s.Addr = netip.AddrFrom4([4]byte(body[8:12]))
			} else {
				s.Addr = netip.AddrFrom16([16]byte(body[8:24]))
			}
			for attrs := body[diagMessageSize:]; len(attrs) >= 4; {
				length := int(binary.NativeEndian.Uint16(attrs))
				if length < 4 || length > len(attrs) {
					break
				}
				if binary.NativeEndian.Uint16(attrs[2:]) == diagV6Only && length > 4 {
					s.V6Only = attrs[4] != 0
				}
				attrs = attrs[min((length+3)&^3, len(attrs)):]
			}
			if s.Port != 0 {
				out = append(out, s)
			}
		}
	}
}
