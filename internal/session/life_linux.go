package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Look asks the kernel how the connections of the network namespace of the calling thread
// fare. Everybody may ask. The error wraps ErrNoLife where the kernel cannot tell.
func Look() (Snapshot, error) {
	s := Snapshot{lives: map[Connection]Life{}}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		err := dump(family, func(b []byte) {
			if c, l, ok := parseLife(b); ok {
				s.lives[c] = l
			}
		})
		switch {
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EPROTONOSUPPORT): // no inet_diag, or no module for it
			return s, fmt.Errorf("%w: the kernel has no inet_diag", ErrNoLife)
		case err != nil:
			return s, fmt.Errorf("asking the kernel how its connections fare: %w", err)
		}
	}
	s.At = time.Now()
	return s, nil
}

// byFamily is SOCK_DIAG_BY_FAMILY of include/uapi/linux/sock_diag.h.
const byFamily = 20

// dump hands out the connections of a family. What is handed out is not used again.
func dump(family byte, each func([]byte)) error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}); err != nil {
		return err
	}
	// struct inet_diag_req_v2: the family, the protocol, what to add, the states, and which
	// socket, which is all of them.
	body := []byte{family, unix.IPPROTO_TCP, 1 << (infoAttr - 1), 0}
	body = binary.NativeEndian.AppendUint32(body, 1<<1) // TCP_ESTABLISHED
	body = append(body, make([]byte, 48)...)
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	b = binary.NativeEndian.AppendUint16(b, byFamily)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b = append(b, 1, 0, 0, 0, 0, 0, 0, 0)
	if err := unix.Sendto(socket, append(b, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buffer := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(socket, buffer, unix.MSG_TRUNC)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case n > len(buffer):
			return fmt.Errorf("an answer of %d bytes, which is too long", n)
		}
		for answer := buffer[:n]; len(answer) > 0; {
			if len(answer) < unix.SizeofNlMsghdr {
				return errors.New("an answer that is cut off")
			}
			size := int(binary.NativeEndian.Uint32(answer))
			if size < unix.SizeofNlMsghdr+4 || size > len(answer) {
				return errors.New("an answer that is cut off")
			}
			message := answer[unix.SizeofNlMsghdr:size]
			switch kind := binary.NativeEndian.Uint16(answer[4:]); kind {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				if code := int32(binary.NativeEndian.Uint32(message)); code != 0 {
					return unix.Errno(-code)
				}
				return nil
			case byFamily:
				each(message)
			}
			answer = answer[min((size+3)&^3, len(answer)):]
		}
	}
}
