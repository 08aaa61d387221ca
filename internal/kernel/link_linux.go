package kernel

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// HostInterface is the interface of the host by which probes arrive.
const HostInterface = "pl0"

// The addresses of the host under test, from the ranges for benchmarks and documentation
// (RFC 2544, RFC 3849).
var (
	HostV4 = netip.AddrFrom4([4]byte{198, 18, 0, 1})
	HostV6 = netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 0xff, 0xff, 14: 0, 15: 1})
)

// A Link leads from a namespace of its own, that of the sender, to the host, which is the
// namespace of the test. Packets come out of a network interface, not out of loopback,
// and may carry any source address.
type Link struct {
	socket int              // a packet socket on the sender's side
	mac    net.HardwareAddr // of the host's interface
}

// NewLink makes the two interfaces and gives the host its addresses and default routes.
func NewLink() (*Link, error) {
	host, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer host.Close()
	l := &Link{}
	done := make(chan error)
	go func() {
		// Never unlocked: the thread is in the sender's namespace and ends with this
		// goroutine. The socket stays in it.
		runtime.LockOSThread()
		done <- l.makeSender(int(host.Fd()))
	}()
	if err := <-done; err != nil {
		return nil, err
	}
	if err := l.makeHost(); err != nil {
		unix.Close(l.socket)
		return nil, err
	}
	return l, nil
}

// Close gives the socket back. The interfaces go with their namespaces.
func (l *Link) Close() error { return unix.Close(l.socket) }

func (l *Link) makeSender(host int) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("a namespace for the sender: %w", err)
	}
	const own = "pl1"
	peer := append(make([]byte, unix.SizeofIfInfomsg), attr(unix.IFLA_IFNAME, append([]byte(HostInterface), 0))...)
	peer = append(peer, attr(unix.IFLA_NET_NS_FD, binary.NativeEndian.AppendUint32(nil, uint32(host)))...)
	const vethInfoPeer = 1 // linux/veth.h
	info := append(attr(unix.IFLA_INFO_KIND, []byte("veth")), attr(unix.IFLA_INFO_DATA, attr(vethInfoPeer, peer))...)
	message := append(make([]byte, unix.SizeofIfInfomsg), attr(unix.IFLA_IFNAME, append([]byte(own), 0))...)
	message = append(message, attr(unix.IFLA_LINKINFO, info)...)
	if err := request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, message); err != nil {
		return fmt.Errorf("a pair of interfaces: %w", err)
	}
	if err := up(own); err != nil {
		return err
	}
	ifi, err := net.InterfaceByName(own)
	if err != nil {
		return err
	}
	// Protocol 0: nothing is received.
	l.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("a packet socket: %w", err)
	}
	return unix.Bind(l.socket, &unix.SockaddrLinklayer{Ifindex: ifi.Index})
}

func (l *Link) makeHost() error {
	ifi, err := net.InterfaceByName(HostInterface)
	if err != nil {
		return err
	}
	l.mac = ifi.HardwareAddr
	if err := up(HostInterface); err != nil {
		return err
	}
	return settle(ifi, netip.PrefixFrom(HostV4, 24), netip.PrefixFrom(HostV6, 64))
}

// AddInterface makes an interface in this namespace, with addresses and default routes,
// and switches it and the loopback interface on. What is sent by it arrives nowhere: the
// other end is an interface without addresses.
func AddInterface(name string, addresses ...netip.Prefix) error {
	const vethInfoPeer = 1 // linux/veth.h
	far := name + "-far"
	peer := append(make([]byte, unix.SizeofIfInfomsg), attr(unix.IFLA_IFNAME, append([]byte(far), 0))...)
	info := append(attr(unix.IFLA_INFO_KIND, []byte("veth")), attr(unix.IFLA_INFO_DATA, attr(vethInfoPeer, peer))...)
	message := append(make([]byte, unix.SizeofIfInfomsg), attr(unix.IFLA_IFNAME, append([]byte(name), 0))...)
	message = append(message, attr(unix.IFLA_LINKINFO, info)...)
	if err := request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, message); err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	for _, n := range []string{"lo", far, name} {
		if err := up(n); err != nil {
			return err
		}
	}
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	return settle(ifi, addresses...)
}

// settle gives an interface addresses, and each family a route for everything.
func settle(ifi *net.Interface, addresses ...netip.Prefix) error {
	routed := map[uint8]bool{}
	for _, a := range addresses {
		family, scope := uint8(unix.AF_INET), uint8(unix.RT_SCOPE_LINK)
		if a.Addr().Is6() {
			family, scope = unix.AF_INET6, unix.RT_SCOPE_UNIVERSE // of the route: IPv6 has none
		}
		// struct ifaddrmsg; without duplicate address detection, which takes seconds.
		message := binary.NativeEndian.AppendUint32([]byte{family, uint8(a.Bits()), unix.IFA_F_NODAD, 0}, uint32(ifi.Index))
		message = append(message, attr(unix.IFA_LOCAL, a.Addr().AsSlice())...)
		message = append(message, attr(unix.IFA_ADDRESS, a.Addr().AsSlice())...)
		if err := request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, message); err != nil {
			return fmt.Errorf("address %s: %w", a.Addr(), err)
		}
		if routed[family] {
			continue
		}
		routed[family] = true
		// struct rtmsg. With a route back to every source, a reverse path filter that
		// the namespace has inherited lets all of them in.
		message = []byte{family, 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, scope, unix.RTN_UNICAST, 0, 0, 0, 0}
		message = append(message, attr(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(ifi.Index)))...)
		if err := request(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, message); err != nil {
			return fmt.Errorf("a route for all sources: %w", err)
		}
	}
	return nil
}

// up switches an interface on.
func up(name string) error {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	// struct ifinfomsg
	message := binary.NativeEndian.AppendUint32(make([]byte, 4, unix.SizeofIfInfomsg), uint32(ifi.Index))
	message = binary.NativeEndian.AppendUint32(message, unix.IFF_UP) // flags
	message = binary.NativeEndian.AppendUint32(message, unix.IFF_UP) // which of them to change
	if err := request(unix.RTM_NEWLINK, 0, message); err != nil {
		return fmt.Errorf("interface %s up: %w", name, err)
	}
	return nil
}

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
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	b := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(message)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	b = append(b, make([]byte, 8)...) // sequence and port
	if err := unix.Sendto(socket, append(b, message...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(socket, answer, 0)
	if err != nil {
		return err
	}
	if n < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("an answer of %d bytes that is not understood", n)
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}
