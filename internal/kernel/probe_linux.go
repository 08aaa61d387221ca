package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Probes is which ports of a protocol a packet reached.
type Probes [65536]bool

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

// recorder is a table that writes down which probes come through. "arrived" counts all of
// them before any rule; "passed" stands behind every filter, notes the port and drops the
// packet, so that no service, no answer and no connection entry is needed.
const recorder = `table inet plprobe
delete table inet plprobe
table inet plprobe {
	set seen_tcp { type inet_service; size 131072; flags dynamic; }
	set seen_udp { type inet_service; size 131072; flags dynamic; }
	chain arrived {
		type filter hook prerouting priority -500; policy accept;
		iifname "` + HostInterface + `" meta l4proto { 6, 17 } counter
	}
	chain passed {
		type filter hook input priority 1000; policy accept;
		iifname "` + HostInterface + `" meta l4proto 6 add @seen_tcp { tcp dport } counter drop
		iifname "` + HostInterface + `" meta l4proto 17 add @seen_udp { udp dport } counter drop
	}
}
`

// Sweep sends one packet from the given source to every TCP port (a SYN) and every UDP
// port of the host, and tells which came through its rules. It does not believe silence:
// unless the kernel has counted every packet on its way in, all are sent again.
func (l *Link) Sweep(from netip.Addr) (tcp, udp *Probes, err error) {
	for range 3 {
		if _, err = Run(recorder, "nft", "-f", "-"); err != nil {
			return nil, nil, err
		}
		for _, proto := range []uint8{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
			if err = l.send(proto, from, 0, 65535); err != nil {
				return nil, nil, err
			}
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
	if _, err := Run(recorder, "nft", "-f", "-"); err != nil {
		return 0, err
	}
	for range n {
		if err := l.send(proto, from, port, port); err != nil {
			return 0, err
		}
	}
	r, err := settled(n)
	if err != nil {
		return 0, err
	}
	return r.passed, nil
}

// send sends one packet to each of the ports.
func (l *Link) send(proto uint8, from netip.Addr, first, last uint16) error {
	to := HostV6
	if from.Is4() {
		to = HostV4
	}
	frame, transport := newFrame(l.mac, proto, from, to)
	field := transport + 6 // of the checksum
	if proto == unix.IPPROTO_TCP {
		field = transport + 16
	}
	pseudo := sum(0, from.AsSlice())
	pseudo = sum(pseudo, to.AsSlice()) + uint32(proto) + uint32(len(frame)-transport)
	pseudo = sum(pseudo, frame[transport:]) // port and checksum are still 0
	for port := int(first); port <= int(last); port++ {
		binary.BigEndian.PutUint16(frame[transport+2:], uint16(port))
		check := fold(pseudo + uint32(port))
		if check == 0 && proto == unix.IPPROTO_UDP {
			check = 0xffff // RFC 768: 0 means no checksum
		}
		binary.BigEndian.PutUint16(frame[field:], check)
		for {
			_, err := unix.Write(l.socket, frame)
			if err == nil {
				break
			}
			if err != unix.ENOBUFS && err != unix.EAGAIN && err != unix.EINTR {
				return fmt.Errorf("sending to port %d: %w", port, err)
			}
		}
	}
	return nil
}

// newFrame is an Ethernet frame with a TCP SYN or a short UDP packet, without port and
// checksum, and the offset of the transport header in it.
func newFrame(mac []byte, proto uint8, from, to netip.Addr) ([]byte, int) {
	segment := make([]byte, 12) // UDP header and 4 bytes
	binary.BigEndian.PutUint16(segment[4:], 12)
	if proto == unix.IPPROTO_TCP {
		segment = make([]byte, 20)
		segment[12], segment[13] = 5<<4, 2           // header of 5 words, SYN
		binary.BigEndian.PutUint16(segment[14:], 64) // window
	}
	binary.BigEndian.PutUint16(segment, 40000) // source port
	frame := append(append([]byte{}, mac...), 2, 0, 0, 0, 0, 1)
	if from.Is4() {
		header := []byte{0x45, 0, 0, byte(20 + len(segment)), 0, 0, 0x40, 0, 64, proto, 0, 0}
		header = append(append(header, from.AsSlice()...), to.AsSlice()...)
		binary.BigEndian.PutUint16(header[10:], fold(sum(0, header)))
		frame = append(append(frame, 0x08, 0x00), header...)
	} else {
		header := []byte{0x60, 0, 0, 0, 0, byte(len(segment)), proto, 64}
		header = append(append(header, from.AsSlice()...), to.AsSlice()...)
		frame = append(append(frame, 0x86, 0xdd), header...)
	}
	return append(frame, segment...), len(frame)
}

// sum adds up 16-bit words (RFC 1071).
func sum(s uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	return s
}

func fold(s uint32) uint16 {
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}

// record is what the recorder has written down.
type record struct {
	arrived, passed int
	tcp, udp        *Probes
	distinct        int // ports in tcp and udp
}

// settled waits until n packets have arrived and all of them are accounted for. The
// listing of a set that is still growing can miss elements and repeat others, so it only
// counts when it has as many distinct ports as packets that were to add one; repeated
// packets to one port add one.
func settled(n int) (*record, error) {
	var r *record
	for wait := time.Millisecond; wait < time.Second; wait *= 2 {
		text, err := Run("", "nft", "list", "table", "inet", "plprobe")
		if err != nil {
			return nil, err
		}
		if r, err = parseRecord(text); err != nil {
			return nil, err
		}
		if r.arrived == n && (r.distinct == r.passed || r.distinct == 1) {
			return r, nil
		}
		time.Sleep(wait)
	}
	return nil, fmt.Errorf("%d packets were sent, %d arrived, %d came through to %d ports", n, r.arrived, r.passed, r.distinct)
}

// parseRecord reads the listing of the recorder.
func parseRecord(text string) (*record, error) {
	r := &record{tcp: new(Probes), udp: new(Probes)}
	var current *Probes
	arriving, inList := false, false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch line {
		case "set seen_tcp {":
			current = r.tcp
		case "set seen_udp {":
			current = r.udp
		case "chain arrived {":
			arriving = true
		case "chain passed {":
			arriving = false
		}
		if rest, ok := strings.CutPrefix(line, "elements = {"); ok {
			inList, line = true, rest
		}
		if inList {
			list, closed := strings.CutSuffix(line, "}")
			for item := range strings.SplitSeq(list, ",") {
				if item = strings.TrimSpace(item); item == "" {
					continue
				}
				n, err := strconv.ParseUint(item, 10, 16)
				if err != nil {
					return nil, fmt.Errorf("element %q of the recorder", item)
				}
				if !current[n] {
					current[n] = true
					r.distinct++
				}
			}
			inList = !closed
			continue
		}
		if _, rest, ok := strings.Cut(line, "counter packets "); ok {
			number, _, _ := strings.Cut(rest, " ")
			n, err := strconv.Atoi(number)
			if err != nil {
				return nil, fmt.Errorf("counter %q of the recorder", rest)
			}
			if arriving {
				r.arrived += n
			} else {
				r.passed += n
			}
		}
	}
	return r, nil
}
