package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	wire "github.com/mdlayher/netlink"
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

// dump hands out the connections of a family.
func dump(family byte, each func([]byte)) error {
	// struct inet_diag_req_v2: the family, the protocol, what to add, the states, and which
	// socket, which is all of them.
	body := []byte{family, unix.IPPROTO_TCP, 1 << (infoAttr - 1), 0}
	body = binary.NativeEndian.AppendUint32(body, 1<<1) // TCP_ESTABLISHED
	body = append(body, make([]byte, 48)...)
	answers, err := ask(unix.NETLINK_SOCK_DIAG, byFamily, wire.Dump, body)
	for _, m := range answers {
		if m.Header.Type == byFamily {
			each(m.Data)
		}
	}
	return err
}

// answerTime is how long the kernel may take to answer.
const answerTime = 10 * time.Second

// ask sends one message to a part of the kernel and returns what that answers, without its word
// that there is no more. What the kernel refuses wraps its syscall.Errno.
func ask(part int, kind wire.HeaderType, flags wire.HeaderFlags, body []byte) ([]wire.Message, error) {
	c, err := wire.Dial(part, nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return nil, err
	}
	return c.Execute(wire.Message{Header: wire.Header{Type: kind, Flags: wire.Request | flags}, Data: body})
}
