package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// attr is a netlink attribute, filled up to 4 bytes.
func attr(kind uint16, data []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(data)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// request sends one message to the kernel's routing socket and waits for the answer.
func request(kind, flags uint16, message []byte) error {
	return exchange(unix.NETLINK_ROUTE, kind, flags|unix.NLM_F_ACK, message, func([]byte) {})
}

// Big enough that the kernel fills it with many elements at a time.
const answerSize = 1 << 18

// exchange sends one message to one of the kernel's netlink sockets and hands out the
// answers, without their headers, until the kernel says that there are no more.
func exchange(protocol int, kind, flags uint16, message []byte, each func([]byte)) error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(message)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = append(b, make([]byte, 8)...) // sequence and port
	if err := unix.Sendto(socket, append(b, message...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buffer := make([]byte, answerSize)
	for {
		n, _, err := unix.Recvfrom(socket, buffer, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		for rest := buffer[:n]; len(rest) > 0; {
			if len(rest) < unix.SizeofNlMsghdr {
				return fmt.Errorf("an answer of %d bytes that is not understood", n)
			}
			size := int(binary.NativeEndian.Uint32(rest))
			if size < unix.SizeofNlMsghdr+4 || size > len(rest) {
				return fmt.Errorf("an answer of %d bytes that is not understood", n)
			}
			body := rest[unix.SizeofNlMsghdr:size]
			switch binary.NativeEndian.Uint16(rest[4:]) {
			case unix.NLMSG_DONE:
				return nil
			case unix.NLMSG_ERROR:
				if code := int32(binary.NativeEndian.Uint32(body)); code != 0 {
					return unix.Errno(-code)
				}
				return nil
			}
			each(body)
			rest = rest[min((size+3)&^3, len(rest)):]
		}
	}
}

// attrs hands out the attributes in b.
func attrs(b []byte, each func(kind uint16, data []byte)) {
	for len(b) >= 4 {
		size := int(binary.NativeEndian.Uint16(b))
		if size < 4 || size > len(b) {
			return
		}
		each(binary.NativeEndian.Uint16(b[2:])&0x3fff, b[4:size]) // without the flags
		b = b[min((size+3)&^3, len(b)):]
	}
}

// within is the data of the attribute that is reached by the kinds, one inside the other;
// nil when there is none.
func within(b []byte, kinds ...uint16) []byte {
	for _, want := range kinds {
		var found []byte
		attrs(b, func(kind uint16, data []byte) {
			if kind == want {
				found = data
			}
		})
		b = found
	}
	return b
}

// nftables asks the kernel about an object of a table of the family inet.
func nftables(kind, flags uint16, each func([]byte), attributes ...[]byte) error {
	message := []byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0} // struct nfgenmsg
	for _, a := range attributes {
		message = append(message, a...)
	}
	return exchange(unix.NETLINK_NETFILTER, unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, message, func(body []byte) { each(body[4:]) })
}

// counter is how many packets a named counter has seen.
func counter(table, name string) (int, error) {
	packets := -1
	err := nftables(unix.NFT_MSG_GETOBJ, unix.NLM_F_ACK, func(b []byte) {
		if v := within(b, unix.NFTA_OBJ_DATA, unix.NFTA_COUNTER_PACKETS); len(v) == 8 {
			packets = int(binary.BigEndian.Uint64(v))
		}
	}, attr(unix.NFTA_OBJ_TABLE, append([]byte(table), 0)), attr(unix.NFTA_OBJ_NAME, append([]byte(name), 0)),
		attr(unix.NFTA_OBJ_TYPE, binary.BigEndian.AppendUint32(nil, unix.NFT_OBJECT_COUNTER)))
	if err == nil && packets < 0 {
		err = errors.New("an answer that is not understood")
	}
	if err != nil {
		return 0, fmt.Errorf("counter %s of %s: %w", name, table, err)
	}
	return packets, nil
}

// elements hands out the keys of a set.
func elements(table, set string, each func(key []byte)) error {
	err := nftables(unix.NFT_MSG_GETSETELEM, unix.NLM_F_DUMP, func(b []byte) {
		attrs(within(b, unix.NFTA_SET_ELEM_LIST_ELEMENTS), func(_ uint16, element []byte) {
			each(within(element, unix.NFTA_SET_ELEM_KEY, unix.NFTA_DATA_VALUE))
		})
	}, attr(unix.NFTA_SET_ELEM_LIST_TABLE, append([]byte(table), 0)), attr(unix.NFTA_SET_ELEM_LIST_SET, append([]byte(set), 0)))
	if err != nil {
		return fmt.Errorf("set %s of %s: %w", set, table, err)
	}
	return nil
}
