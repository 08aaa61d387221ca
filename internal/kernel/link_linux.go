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

// HostInterface is the interface of the host by which probes arrive unless they name
// another, and OtherInterface is the second one, for rules that ask for interfaces.
const (
	HostInterface  = "pl0"
	OtherInterface = "pl1"
)

// The addresses of the host under test and of its neighbour, the peer, from the ranges for
// benchmarks and documentation (RFC 2544, RFC 3849).
var (
	HostV4 = netip.AddrFrom4([4]byte{198, 18, 0, 1})
	HostV6 = netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 0xff, 0xff, 14: 0, 15: 1})
	PeerV4 = netip.AddrFrom4([4]byte{198, 18, 0, 2})
	PeerV6 = netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 0xff, 0xff, 14: 0, 15: 2})
)

// Host is the address of the host in the family of peer.
func Host(peer netip.Addr) netip.Addr {
	if peer.Is4() {
		return HostV4
	}
	return HostV6
}

// A Link leads from a namespace of its own, that of the peer, to the host, which is the
// namespace of the test, by two pairs of interfaces. Packets come out of a network
// interface, not out of loopback, and may carry any source address.
type Link struct {
	ends map[string]*end // by the interface of the host
	peer *os.File        // the namespace
}

// An end is the peer's side of a pair of interfaces.
type end struct {
	name   string
	socket int              // a packet socket
	mac    net.HardwareAddr // of the host's side
}

// NewLink makes the interfaces and gives host and peer their addresses and routes.
func NewLink() (*Link, error) {
	host, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer host.Close()
	l := &Link{ends: map[string]*end{HostInterface: {name: "far0"}, OtherInterface: {name: "far1"}}}
	err = onThread(func() error { return l.makePeer(host) })
	if err == nil {
		err = l.makeHost()
	}
	if err == nil {
		err = l.AsPeer(func() error {
			ifi, err := net.InterfaceByName(l.ends[HostInterface].name)
			if err != nil {
				return err
			}
			return settle(ifi, 0, netip.PrefixFrom(PeerV4, 24), netip.PrefixFrom(PeerV6, 64))
		})
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Close gives sockets and namespace back. The interfaces go with their namespaces.
func (l *Link) Close() error {
	for _, e := range l.ends {
		if e.socket > 0 {
			unix.Close(e.socket)
		}
	}
	if l.peer == nil {
		return nil
	}
	return l.peer.Close()
}

// onThread runs f on a thread that ends with it. It is never unlocked, so a thread that f
// has moved to another namespace is used for nothing else.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// AsPeer runs f in the namespace of the peer. What f opens there stays there; f itself must
// not start goroutines that open more.
func (l *Link) AsPeer(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(l.peer.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("the namespace of the peer: %w", err)
		}
		return f()
	})
}

// AddPeers gives the peer more addresses, from which it can speak to the host.
func (l *Link) AddPeers(addresses ...netip.Addr) error {
	return l.AsPeer(func() error {
		ifi, err := net.InterfaceByName(l.ends[HostInterface].name)
		if err != nil {
			return err
		}
		for _, a := range addresses {
			if err := addAddress(ifi, netip.PrefixFrom(a, a.BitLen())); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *Link) makePeer(host *os.File) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("a namespace for the peer: %w", err)
	}
	var err error
	if l.peer, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return err
	}
	if err := up("lo"); err != nil {
		return err
	}
	for name, e := range l.ends {
		peer := append(make([]byte, unix.SizeofIfInfomsg), attr(unix.IFLA_IFNAME, append([]byte(name), 0))...)
		peer = append(peer, attr(unix.IFLA_NET_NS_FD, binary.NativeEndian.AppendUint32(nil, uint32(host.Fd())))...)
		if err := addPair(e.name, peer); err != nil {
			return err
		}
		if err := up(e.name); err != nil {
			return err
		}
		ifi, err := net.InterfaceByName(e.name)
		if err != nil {
			return err
		}
		// Protocol 0: nothing is received.
		if e.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return fmt.Errorf("a packet socket: %w", err)
		}
		// Past the queue of the interface: a probe is on its way when the call is back.
		if err := unix.SetsockoptInt(e.socket, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
			return fmt.Errorf("a packet socket: %w", err)
		}
		if err := unix.Bind(e.socket, &unix.SockaddrLinklayer{Ifindex: ifi.Index}); err != nil {
			return err
		}
	}
	return nil
}

func (l *Link) makeHost() error {
	for metric, name := range []string{HostInterface, OtherInterface} {
		ifi, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		l.ends[name].mac = ifi.HardwareAddr
		if err := up(name); err != nil {
			return err
		}
		addresses := []netip.Prefix{netip.PrefixFrom(HostV4, 24), netip.PrefixFrom(HostV6, 64)}
		if metric > 0 {
			addresses = []netip.Prefix{netip.MustParsePrefix("198.18.1.1/24"), netip.MustParsePrefix("2001:db8:fffe::1/64")}
		}
		if err := settle(ifi, metric*4096, addresses...); err != nil {
			return err
		}
	}
	// Most sources have their route back by the first interface, so a strict reverse path
	// filter that the namespace has inherited would keep them from the second. Where this
	// is not allowed, the count of what has arrived tells.
	for _, name := range []string{"all", HostInterface, OtherInterface} {
		_ = os.WriteFile("/proc/sys/net/ipv4/conf/"+name+"/rp_filter", []byte("0"), 0o644)
	}
	return nil
}

// addPair makes two interfaces that are the ends of one cable; far describes the other one.
func addPair(name string, far []byte) error {
	const vethInfoPeer = 1 // linux/veth.h
	info := append(attr(unix.IFLA_INFO_KIND, []byte("veth")), attr(unix.IFLA_INFO_DATA, attr(vethInfoPeer, far))...)
	message := append(make([]byte, unix.SizeofIfInfomsg), attr(unix.IFLA_IFNAME, append([]byte(name), 0))...)
	message = append(message, attr(unix.IFLA_LINKINFO, info)...)
	if err := request(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, message); err != nil {
		return fmt.Errorf("a pair of interfaces, %s: %w", name, err)
	}
	return nil
}

// AddInterface makes an interface in this namespace, with addresses and default routes,
// and switches it and the loopback interface on. What is sent by it arrives nowhere: the
// other end is an interface without addresses.
func AddInterface(name string, addresses ...netip.Prefix) error {
	far := name + "-far"
	if err := addPair(name, append(make([]byte, unix.SizeofIfInfomsg), attr(unix.IFLA_IFNAME, append([]byte(far), 0))...)); err != nil {
		return err
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
	return settle(ifi, 0, addresses...)
}

// settle gives an interface addresses, and each family a route for everything. Of several
// such routes the one with the lowest metric is taken.
func settle(ifi *net.Interface, metric int, addresses ...netip.Prefix) error {
	routed := map[uint8]bool{}
	for _, a := range addresses {
		if err := addAddress(ifi, a); err != nil {
			return err
		}
		family, scope := uint8(unix.AF_INET), uint8(unix.RT_SCOPE_LINK)
		if a.Addr().Is6() {
			family, scope = unix.AF_INET6, unix.RT_SCOPE_UNIVERSE // of the route: IPv6 has none
		}
		if routed[family] {
			continue
		}
		routed[family] = true
		// struct rtmsg. With a route back to every source, a reverse path filter that
		// the namespace has inherited lets all of them in.
		message := []byte{family, 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, scope, unix.RTN_UNICAST, 0, 0, 0, 0}
		message = append(message, attr(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(ifi.Index)))...)
		message = append(message, attr(unix.RTA_PRIORITY, binary.NativeEndian.AppendUint32(nil, uint32(metric)))...)
		if err := request(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, message); err != nil {
			return fmt.Errorf("a route for all sources: %w", err)
		}
	}
	return nil
}

func addAddress(ifi *net.Interface, a netip.Prefix) error {
	family := uint8(unix.AF_INET)
	if a.Addr().Is6() {
		family = unix.AF_INET6
	}
	// struct ifaddrmsg; without duplicate address detection, which takes seconds.
	message := binary.NativeEndian.AppendUint32([]byte{family, uint8(a.Bits()), unix.IFA_F_NODAD, 0}, uint32(ifi.Index))
	message = append(message, attr(unix.IFA_LOCAL, a.Addr().AsSlice())...)
	message = append(message, attr(unix.IFA_ADDRESS, a.Addr().AsSlice())...)
	if err := request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, message); err != nil {
		return fmt.Errorf("address %s: %w", a.Addr(), err)
	}
	return nil
}

// PeerInterface is the peer's side of HostInterface.
func (l *Link) PeerInterface() string { return l.ends[HostInterface].name }

// Forget takes what is known of a neighbour at an interface of this namespace away, so that
// it has to be found again.
func Forget(iface string, neighbour netip.Addr) error {
	ifi, err := net.InterfaceByName(iface)
	if err != nil {
		return err
	}
	family := uint8(unix.AF_INET)
	if neighbour.Is6() {
		family = unix.AF_INET6
	}
	// struct ndmsg
	message := binary.NativeEndian.AppendUint32([]byte{family, 0, 0, 0}, uint32(ifi.Index))
	message = append(message, 0, 0, 0, 0)
	message = append(message, attr(unix.NDA_DST, neighbour.AsSlice())...)
	if err := request(unix.RTM_DELNEIGH, 0, message); err != nil && err != unix.ENOENT {
		return fmt.Errorf("forgetting %s: %w", neighbour, err)
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
