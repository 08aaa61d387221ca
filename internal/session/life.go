package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"portolan/internal/netlink"
	"portolan/internal/port"
)

// A Life is how the kernel fares with a connection: a part of struct tcp_info of
// include/uapi/linux/tcp.h of Linux.
type Life struct {
	// Again is how often the oldest segment was sent again without an answer, 0 once it is
	// answered. One that a firewall drops on its way out of this host counts: for the kernel
	// it has not been sent, and the attempts are its probes.
	Again         int
	Unanswered    int           // bytes that are to be sent or not answered yet
	SinceHeard    time.Duration // since the peer last sent an acknowledgement, exact to tick
	BytesAnswered uint64        // that the peer has acknowledged
	BytesHeard    uint64        // that the peer has sent
}

// A Snapshot is the connections of TCP at one moment.
type Snapshot struct {
	At    time.Time
	lives map[Connection]Life
}

// ErrNoLife says that this system does not tell how its connections fare.
var ErrNoLife = errors.New("the system does not tell how its connections fare")

// Of returns what is known of a session; ok is false when there is no such connection.
func (s Snapshot) Of(x Session) (l Life, ok bool) {
	if x.Proto != port.TCP {
		return Life{}, false
	}
	l, ok = s.lives[Connection{x.Peer, x.Local}.plain()]
	return l, ok
}

// An Answer says whether a session lives. The zero value is that we do not know.
type Answer uint8

// The answers. Idle is no proof of anything: nobody has sent. Waiting is what a session is in
// until the first answer is late: whoever looks again later knows more.
const (
	Unknown Answer = iota
	Alive
	Idle
	Waiting
	Cut
)

// String is the word for people.
func (a Answer) String() string { return [...]string{"unknown", "alive", "idle", "waiting", "cut"}[a] }

// enough is how often something is sent again before nobody is believed to answer. Once may be
// a loss, or the probe to a peer whose window is closed, which the peer answers.
const enough = 2

// tick is how exact the kernel is with times: it counts at least 100 times in a second.
const tick = 10 * time.Millisecond

// Compare says whether a session lives since a change to the firewall: before was taken at
// the change or earlier, after some time behind it. why says what tells so, in words.
//
// A retransmission alone is no cut: it is one when there was another and nothing at all was
// answered since before. That takes the kernel 0.6 s on a fast line, and longer on a slow one.
// What arrives is a proof of one way only, so as long as something waits for an answer it does
// not count. Of a session whose peer sends and to which this host has nothing to say, nothing
// but that one way can be told.
func Compare(x Session, before, after Snapshot, change time.Time) (a Answer, why string) {
	if x.Proto != port.TCP {
		return Unknown, "the kernel does not tell how datagrams fare"
	}
	was, had := before.Of(x)
	is, has := after.Of(x)
	heard := after.At.Add(-is.SinceHeard).After(change.Add(tick))
	switch {
	case !had:
		return Unknown, "it was not there before the change"
	case !has:
		return Cut, "it is gone: it was closed or broken off"
	case is.Again >= enough && is.Again > was.Again && is.BytesAnswered == was.BytesAnswered:
		return Cut, fmt.Sprintf("what this host sent was sent again %d times, and nothing was answered", is.Again)
	case is.BytesAnswered > was.BytesAnswered && heard:
		return Alive, "the peer has acknowledged what this host sent"
	case is.Unanswered > 0:
		return Waiting, "what this host sent is not answered yet"
	case heard:
		return Alive, "the peer has sent something"
	}
	return Idle, "nobody has sent since"
}

// infoAttr is INET_DIAG_INFO, and the sizes are those of struct inet_diag_msg and of the part
// of struct tcp_info that is read, up to tcpi_bytes_received.
const (
	infoAttr    = 2
	messageSize = 72
	infoSize    = 136
)

// parseLife reads an answer of the kernel about one connection
// (include/uapi/linux/inet_diag.h). ok is false for what is none, and for a kernel before 4.1,
// which does not count bytes.
func parseLife(b []byte) (c Connection, l Life, ok bool) {
	if len(b) < messageSize {
		return c, l, false
	}
	info := netlink.Attr(b[messageSize:], infoAttr)
	if len(info) < infoSize {
		return c, l, false
	}
	end := func(port, address int) netip.AddrPort {
		a := netip.AddrFrom16([16]byte(b[address : address+16])).Unmap()
		if b[0] == familyV4 {
			a = netip.AddrFrom4([4]byte(b[address : address+4]))
		}
		return netip.AddrPortFrom(a, binary.BigEndian.Uint16(b[port:]))
	}
	number := func(at int) uint32 { return binary.NativeEndian.Uint32(info[at:]) }
	return Connection{Local: end(4, 8), Peer: end(6, 24)}, Life{
		Again: int(info[2]) + int(info[3]), Unanswered: int(binary.NativeEndian.Uint32(b[60:])), SinceHeard: time.Duration(number(56)) * time.Millisecond,
		BytesAnswered: binary.NativeEndian.Uint64(info[120:]), BytesHeard: binary.NativeEndian.Uint64(info[128:]),
	}, true
}

// familyV4 is AF_INET of Linux.
const familyV4 = 2
